"""Whatever the README shows works: its Python is run as doctests, its commands in this process, its picture is there."""

import doctest
import re
import shlex
from pathlib import Path

import pytest

README = Path(__file__).parents[2] / "README.md"
TEXT = README.read_text()
COMMANDS = [line.partition("#")[0].strip() for line in TEXT.splitlines() if line.startswith("inertia ")]
QUICK = [command for command in COMMANDS if command.split()[1] in {"predict", "best", "run", "convert", "certify", "cite"}]


def test_the_python_runs():
    tests = doctest.DocTestParser().get_doctest(TEXT, {}, "README", str(README), 0)
    said = []
    result = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE).run(tests, out=said.append)
    assert result.attempted >= 12
    assert result.failed == 0, "".join(said)


def test_the_jax_block_is_the_one_that_runs_in_five_minutes():
    """Line by line; that page's blocks are run whole in tests/docs, once is enough."""
    blocks = re.findall(r"^```\w*\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
    block = next(text for text in blocks if "found.optax()" in text)
    lines = [re.sub(r"\b(found|optimizer)\b", r"\1_in_jax", line.partition("  #")[0]) for line in block.splitlines()]
    page = (README.parent / "docs" / "five-minutes.md").read_text().splitlines()
    places = [next((i for i, line in enumerate(page) if line.partition("  #")[0] == f">>> {wanted}"), -1) for wanted in lines]
    assert len(lines) >= 8
    assert -1 not in places, lines[places.index(-1)]
    assert places == sorted(places)


def test_there_are_commands():
    assert len(COMMANDS) >= 6
    assert len(QUICK) >= 3


@pytest.mark.parametrize("command", QUICK)
def test_the_commands_run(inertia, command):
    said = inertia(*shlex.split(command)[1:])
    assert said.code == 0, said.err


@pytest.mark.parametrize("command", COMMANDS)
def test_every_option_named_exists(inertia, command):
    words = shlex.split(command)
    page = inertia(words[1], "--help").out
    for option in (word for word in words if word.startswith("--")):
        assert option in page


def test_the_pictures_exist_and_are_ours():
    pictures = re.findall(r"!\[[^\]]+\]\(([^)]+)\)", TEXT)
    assert pictures
    for picture in pictures:
        data = (README.parent / picture).read_bytes()
        assert data[:8] == b"\x89PNG\r\n\x1a\n"
        assert b"inertia" in data[:400]  # the Software field that draw.image writes


def test_no_promise_of_the_optimum():
    assert "optimal" not in TEXT

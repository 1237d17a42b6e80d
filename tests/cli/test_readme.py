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

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


def test_the_jax_block_runs_and_its_optimizer_steps():
    """As it stands, but for the training runs: those of the same call are made in tests/jax."""
    pytest.importorskip("jax")
    optax = pytest.importorskip("optax")
    blocks = re.findall(r"^```\w*\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
    block = next(text for text in blocks if "found.optax()" in text)
    assert "steps=60, batch_size=32" in block
    scope = {}
    exec(block.replace("steps=60", "steps=16, runs=0"), scope)  # our own text
    params, optimizer = scope["params"], scope["optimizer"]
    slope = scope["jax"].grad(scope["loss"])(params, scope["data"])
    moved = optax.apply_updates(params, optimizer.update(slope, optimizer.init(params), params)[0])
    assert scope["loss"](moved, scope["data"]) < scope["loss"](params, scope["data"])


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

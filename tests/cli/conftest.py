import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from inertia.cli import main


class Said(NamedTuple):
    code: int
    out: str
    err: str

    @property
    def json(self):
        return json.loads(self.out, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))


@pytest.fixture
def inertia(capsys):
    """Run one command line in this process: inertia("predict", "--alpha", 0.1)."""

    def run(*arguments):
        capsys.readouterr()
        code = main([str(argument) for argument in arguments])
        out, err = capsys.readouterr()
        return Said(code, out, err)

    return run


@pytest.fixture
def refused(inertia):
    """The one line on stderr of a command that must be refused, with exit code 2 and nothing on stdout."""

    def run(*arguments):
        said = inertia(*arguments)
        assert said.code == 2, said
        assert said.out == ""
        assert said.err.endswith("\n")
        assert said.err.count("\n") == 1, said.err
        return said.err

    return run


# A real process whose (invisible) progress bar says on stderr when the first run has begun.
WATCHED = """
import importlib, signal, sys
from contextlib import contextmanager
from inertia.cli import main

@contextmanager
def bar(label, quiet=False):
    told = []
    def tell(done, total, stage="running"):
        if stage.startswith("running") and not told:
            told.append(print("begun", file=sys.stderr, flush=True))
    yield tell

# a test run in the background (CI) hands down an ignored SIGINT; at a terminal it is Python's own handler
signal.signal(signal.SIGINT, signal.default_int_handler)
importlib.import_module("inertia.cli." + sys.argv[1]).bar = bar
sys.exit(main(sys.argv[2:]))
"""


@pytest.fixture
def real_interrupt():
    """Start a command in a process of its own, send it SIGINT once its run has begun: (exit code, stdout, stderr)."""

    def run(module, command):
        environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2] / "src")}
        process = subprocess.Popen(
            [sys.executable, "-c", WATCHED, module, *command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
        )
        assert process.stderr.readline() == "begun\n"
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
        return process.returncode, out, err

    return run

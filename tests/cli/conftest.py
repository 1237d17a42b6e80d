import json
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

"""The frame of the command line: version, help, one-line errors, exit codes, a fast start."""

import math
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import typer

from inertia import __version__
from inertia.cli import app, output
from inertia.errors import BadInput

SRC = str(Path(__file__).parents[2] / "src")


def test_version(inertia):
    assert inertia("--version") == (0, f"inertia {__version__}\n", "")


def test_without_a_command_it_helps(inertia):
    said = inertia()
    assert said.code == 0
    assert "inertia tune digits" in said.out


def test_an_unknown_command_is_one_line(refused):
    assert "No such command 'tuned'" in refused("tuned")


def test_an_unknown_option_is_one_line_and_names_the_help(refused):
    said = refused("--bogus")
    assert "--bogus" in said  # typer quotes it in some versions
    assert "See 'inertia --help'" in said


def fails_with(error):
    def build():
        made = typer.Typer()

        @made.command()
        def fail():
            raise error

        return made

    return build


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (BadInput("alpha = 0\n is not positive"), 2, "inertia: alpha = 0 is not positive\n"),
        (KeyboardInterrupt(), 130, "inertia: interrupted\n"),
        (typer.Exit(3), 3, ""),
        (OSError(28, "No space left on device"), 2, "inertia: no space left on device\n"),
        (FileNotFoundError(2, "No such file or directory", "/My/File"), 2, "inertia: no such file or directory: /My/File\n"),
    ],
    ids=["bad-input", "interrupt", "exit", "full-disk", "file"],
)
def test_failures_become_a_line_and_a_code(inertia, monkeypatch, error, code, line):
    monkeypatch.setattr(app, "build", fails_with(error))
    assert inertia() == (code, "", line)


def test_a_bug_is_not_hidden(inertia, monkeypatch):
    monkeypatch.setattr(app, "build", fails_with(ZeroDivisionError("a bug")))
    with pytest.raises(ZeroDivisionError, match="a bug"):
        inertia()


def test_every_module_with_register_is_found():
    names = {path.stem for path in (Path(SRC) / "inertia" / "cli").glob("*.py") if "def register(" in path.read_text()}
    made = app.build()
    homes = {command.callback.__module__.rpartition(".")[2] for command in made.registered_commands}
    homes |= {group.typer_instance.registered_commands[0].callback.__module__.rpartition(".")[2] for group in made.registered_groups}
    assert homes == names


def test_starting_loads_neither_scipy_nor_matplotlib():
    heavy = "{'jax', 'torch', 'optax', 'matplotlib', 'scipy', 'sklearn', 'starlette'}"
    code = f"import sys, inertia.cli; inertia.cli.main([]); print(sorted({heavy} & set(sys.modules)), file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=os.environ | {"PYTHONPATH": SRC})
    assert done.stderr.strip() == "[]"


def test_python_dash_m_is_the_command():
    done = subprocess.run(
        [sys.executable, "-m", "inertia", "--version"], capture_output=True, text=True, env=os.environ | {"PYTHONPATH": SRC}
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, f"inertia {__version__}\n", "")


def test_json_keeps_every_digit_and_writes_null_for_what_is_not_finite(capsys):
    value = math.pi / 7
    output.emit({"value": value, "array": np.array([value, np.inf, np.nan]), "count": np.int64(3), "yes": np.bool_(True)})
    out = capsys.readouterr().out
    assert out.count("null") == 2
    import json

    back = json.loads(out)
    assert back == {"value": value, "array": [value, None, None], "count": 3, "yes": True}


def test_an_unknown_figure_is_told_before_anything_else(inertia):
    code, out, said = inertia("figure", "mapp")
    assert (code, out) == (2, "")
    assert said.startswith("inertia: there is no figure 'mapp': did you mean 'map'? There are: airfoil, ")
    assert inertia("figure", "map")[2] == "inertia: nowhere to draw 'map': add --out map.png, or --json for its numbers\n"

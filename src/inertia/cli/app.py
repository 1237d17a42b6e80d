"""The `inertia` command: finds the command modules, runs one, and turns every failure into one line and an exit code.

0    done
2    bad input, missing extra, unwritable place, diverged run: one line on stderr, nothing half-written
130  interrupted; what was finished has been kept
"""

from __future__ import annotations

import importlib
import os
import pkgutil
import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from ..errors import InertiaError
from ..version import __version__

__all__ = ["INTERRUPTED", "REFUSED", "build", "main"]

REFUSED, INTERRUPTED = 2, 130

# Typer moved its click inside itself; the root of "the user typed something wrong" is found through what it exports.
_Usage: type[Exception] = next(kind for kind in typer.BadParameter.__mro__ if kind.__name__ == "ClickException")


def build() -> typer.Typer:
    """The app with the commands of every module of this folder that has `register(app)`, smallest `PLACE` first."""
    app = typer.Typer(name="inertia", add_completion=False, no_args_is_help=False, rich_markup_mode="rich", pretty_exceptions_enable=False)
    app.callback(invoke_without_command=True)(_root)
    folder = __name__.rpartition(".")[0]
    here = importlib.import_module(folder).__path__
    modules = [importlib.import_module(f"{folder}.{found.name}") for found in pkgutil.iter_modules(here) if found.name != "app"]
    for module in sorted(modules, key=lambda module: getattr(module, "PLACE", 50)):
        if hasattr(module, "register"):
            module.register(app)
    return app


def _version(wanted: bool) -> None:
    if wanted:
        print(f"inertia {__version__}")
        raise typer.Exit


def _root(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and leave.")] = False,
) -> None:
    """Which learning rate and momentum a problem needs: measured, then verified by running, and why.

    Try: [bold]inertia tune digits[/bold]
    """
    if context.invoked_subcommand is None:
        print(context.get_help(), end="")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command line and return its exit code; every expected failure is one line on stderr.

    >>> main(["--version"])
    inertia ...
    0
    """
    try:
        code = build()(list(sys.argv[1:] if arguments is None else arguments), prog_name="inertia", standalone_mode=False)
    except _Usage as error:
        return _refuse(_usage(error))
    except InertiaError as error:
        return _refuse(str(error))
    except (KeyboardInterrupt, typer.Abort):
        code = INTERRUPTED
    except BrokenPipeError:  # the reader (head, less) has left: not an error; keep the interpreter from flushing into it again
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:  # a full disk, a folder that went away: the machine's doing, said in its words
        return _refuse(f"{(error.strerror or str(error)).lower()}{f': {error.filename}' if error.filename else ''}")
    if code == INTERRUPTED:
        print("inertia: interrupted", file=sys.stderr)
    return code if isinstance(code, int) else 0


def _refuse(message: str) -> int:
    print(f"inertia: {' '.join(message.split())}", file=sys.stderr)
    return REFUSED


def _usage(error: Exception) -> str:
    message = getattr(error, "format_message", lambda: str(error))()
    context = getattr(error, "ctx", None)
    path = context.command_path if context else "inertia"
    return f"{message.rstrip('.')}. See '{path} --help'"

"""The `inertia` command: finds the command modules, runs one, and turns every failure into one line and an exit code.

0    done
2    bad input, missing extra, unwritable place, diverged run: one line on stderr, nothing half-written
130  interrupted; what was finished has been kept
"""

from __future__ import annotations

import contextlib
import importlib
import os
import pkgutil
import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from ..errors import InertiaError
from ..version import __version__
from .output import Kept

__all__ = ["INTERRUPTED", "REFUSED", "build", "main"]

REFUSED, INTERRUPTED = 2, 130

_PANELS = {
    "Tune and check": ("tune", "check", "watch", "new-task", "measure", "run"),
    "What a method does, in closed form": ("predict", "best"),
    "Proofs and limits": ("certify", "verify", "limits", "design"),
    "Optimizers you have": ("identify", "convert"),
    "See and reproduce": ("lab", "figure", "reproduce", "cite"),
}
_WORDS = {"--alpha": "--lr", "--learning-rate": "--lr", "--beta": "--momentum", "--gamma": "--nesterov", "--steps-per-run": "--steps"}

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
    panels = {name: panel for panel, names in _PANELS.items() for name in names}
    for command in app.registered_commands:
        name = command.name or getattr(command.callback, "__name__", "").replace("_", "-")
        command.rich_help_panel = panels.get(name, command.rich_help_panel)
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
    _streams()
    try:
        code = build()(list(sys.argv[1:] if arguments is None else arguments), prog_name="inertia", standalone_mode=False)
        sys.stdout.flush()
    except _Usage as error:
        return _refuse(_usage(error))
    except InertiaError as error:
        return _refuse(str(error))
    except Kept as stop:
        print(f"inertia: interrupted; {stop}", file=sys.stderr)
        return INTERRUPTED
    except (KeyboardInterrupt, typer.Abort):
        code = INTERRUPTED
    except BrokenPipeError:
        return _gone()
    except SystemExit as stop:  # rich ends the program where the reader has left
        if isinstance(stop.__context__, BrokenPipeError):
            return _gone()
        raise
    except MemoryError as error:
        return _refuse(f"not enough memory: {str(error).lower() or 'what was asked for is too large'}; ask for less, such as fewer --steps")
    except OSError as error:  # a full disk, a folder that went away: the machine's doing, said in its words
        if not _flushed():
            _silenced()
        return _refuse(f"{(error.strerror or str(error)).lower()}{f': {error.filename}' if error.filename else ''}")
    if code == INTERRUPTED:
        print("inertia: interrupted", file=sys.stderr)
    return code if isinstance(code, int) else 0


def _streams() -> None:
    """Somewhere to write where stdout or stderr was closed by who started us: nobody reads there."""
    if sys.stdout is None:
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115


def _gone() -> int:
    """The reader (head, less) has left: not an error."""
    _silenced()
    return 0


def _flushed() -> bool:
    try:
        sys.stdout.flush()
    except (OSError, ValueError):
        return False
    return True


def _silenced() -> None:
    """Keep the interpreter from flushing into a stdout that cannot take it."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _refuse(message: str) -> int:
    print(f"inertia: {' '.join(message.split())}", file=sys.stderr)
    return REFUSED


def _usage(error: Exception) -> str:
    message = getattr(error, "format_message", lambda: str(error))()
    context = getattr(error, "ctx", None)
    path = context.command_path if context else "inertia"
    word = getattr(error, "option_name", "")
    known = {name for option in getattr(getattr(context, "command", None), "params", []) for name in option.opts}
    hint = f": here it is called {_WORDS[word]}" if _WORDS.get(word) in known else ""
    return f"{message.rstrip('.')}{hint}. See '{path} --help'"

"""Code from a user's own file: loaded, run, and its exceptions shown as theirs."""

from __future__ import annotations

import contextlib
import importlib.util
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..errors import BadInput, InertiaError, nearest

__all__ = ["load_function", "theirs"]


def load_function(path: Path, name: str, example: str) -> Callable[..., Any]:
    """The function of that name in a Python file.

    Raises:
        BadInput: no such file, no such function, or the file itself raises.
    """
    if not path.is_file():
        raise BadInput(f"no such file: {path}")
    folder = str(path.resolve().parent)
    if folder not in sys.path:
        sys.path.insert(0, folder)  # as `python FILE.py` does: its neighbours are found, also by an import inside a function
    called = _free_name(path)
    spec = importlib.util.spec_from_file_location(called, path)
    if spec is None or spec.loader is None:
        raise BadInput(f"{path} is not a Python file: its name must end in .py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[called] = module  # dataclasses and pickle look their module up by name
    try:
        theirs(path, lambda: exec(compile(path.read_bytes(), str(path), "exec"), module.__dict__))  # a loader may take old byte code
    except BaseException:
        sys.modules.pop(called, None)
        raise
    own = {key: value for key, value in vars(module).items() if callable(value) and not key.startswith("_")}
    functions = {key for key, value in own.items() if getattr(value, "__module__", None) == module.__name__}
    if not hasattr(module, name):
        raise BadInput(f"{path} has no function '{name}': {nearest(name, functions) if functions else 'it defines none'}")
    factory = getattr(module, name)
    if not callable(factory):
        raise BadInput(f"{name} in {path} is a {type(factory).__name__}, not a function: write {example.format(name=name)}")
    return factory  # type: ignore[no-any-return]


def _free_name(path: Path) -> str:
    """The file's own name, so that other processes can import it too; another one where a module of that name is another file."""
    known = sys.modules.get(path.stem)
    try:
        spec = importlib.util.find_spec(path.stem) if known is None else known.__spec__
    except (ImportError, ValueError):
        return f"_task_{path.stem}"
    origin = getattr(spec, "origin", None) or getattr(known, "__file__", None)
    same = origin is not None and Path(origin).exists() and Path(origin).samefile(path)
    return path.stem if path.stem.isidentifier() and (same or (spec is None and known is None)) else f"_task_{path.stem}"


def theirs(path: Path, call: Callable[[], Any]) -> Any:
    """Run the user's code; an exception there is shown as theirs, with file and line. What it prints goes to stderr."""
    try:
        with contextlib.redirect_stdout(sys.stderr):  # stdout is for the answer, and with --json for nothing else
            return call()
    except InertiaError:
        raise
    except SystemExit as stop:
        raise BadInput(f"your code in {path} called exit({'' if stop.code is None else repr(stop.code)}): return instead") from stop
    except Exception as error:
        frames = [frame for frame in traceback.extract_tb(error.__traceback__) if Path(frame.filename).resolve() == path.resolve()]
        where = f"{path}:{frames[-1].lineno}" if frames else str(path)
        shown = f"; the line is: {frames[-1].line}" if frames and frames[-1].line else ""
        line = getattr(error, "lineno", None) if isinstance(error, SyntaxError) else None
        raise BadInput(f"your code in {f'{path}:{line}' if line else where} raised {type(error).__name__}: {error}{shown}") from error

"""Code from a user's own file: loaded, run, and its exceptions shown as theirs."""

from __future__ import annotations

import contextlib
import importlib.util
import sys
import sysconfig
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
    """Run the user's code; an exception there is shown as theirs, with file and line. What it prints goes to stderr.

    Raises:
        BadInput: an exception of the user's code, of a library that inertia called, or of inertia itself, said as what it is.
    """
    try:
        with contextlib.redirect_stdout(sys.stderr):  # stdout is for the answer, and with --json for nothing else
            return call()
    except InertiaError:
        raise
    except SystemExit as stop:
        if _culprit(path, stop) is None:
            raise
        raise BadInput(f"your code in {path} called exit({'' if stop.code is None else repr(stop.code)}): return instead") from stop
    except Exception as error:
        if isinstance(error, SyntaxError) and error.filename and Path(error.filename).is_file():
            raise BadInput(f"your code in {error.filename}:{error.lineno} raised {type(error).__name__}: {error}") from error
        frame = _culprit(path, error)
        if frame is None and isinstance(error, OSError | MemoryError):
            raise  # the machine's doing: a full disk, a folder that went away
        if frame is None:
            raise BadInput(_not_theirs(path, error)) from error
        shown = f"; the line is: {frame.line}" if frame.line else ""
        raise BadInput(f"your code in {_named(path, frame)}:{frame.lineno} raised {type(error).__name__}: {error}{shown}") from error


_OURS = Path(__file__).resolve().parents[1]
_LIBRARIES = tuple({Path(sysconfig.get_path(name)).resolve() for name in ("stdlib", "platstdlib", "purelib", "platlib")})


def _culprit(path: Path, error: BaseException) -> traceback.FrameSummary | None:
    """The innermost frame outside libraries, where it lies in the user's file or one beside it; None where it is inertia's own."""
    folder = path.resolve().parent
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        file = Path(frame.filename).resolve()
        if file == path.resolve():
            return frame
        if file.is_relative_to(_OURS):
            return None
        library = any(file.is_relative_to(place) for place in _LIBRARIES) or {"site-packages", "dist-packages"} & set(file.parts)
        if file.is_file() and file.is_relative_to(folder) and not library:
            return frame
    return None


def _named(path: Path, frame: traceback.FrameSummary) -> str:
    """The user's file as the user wrote it, or the one beside it."""
    return str(path) if Path(frame.filename).resolve() == path.resolve() else frame.filename


def _not_theirs(path: Path, error: Exception) -> str:
    """Who raised what, where it was no line of the user's: a library that inertia called, or inertia itself."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [f"{Path(frame.filename).resolve().relative_to(_OURS.parent)}:{frame.lineno}" for frame in frames if _is_ours(frame)]
    what = f"{type(error).__name__}: {error}"
    if _is_ours(frames[-1]):
        return f"a fault of inertia itself at {ours[-1]}, while it worked on {path}: {what}; please report it, with that file"
    last = f"{'/'.join(Path(frames[-1].filename).parts[-3:])}:{frames[-1].lineno}"
    return f"{what}, raised in {last} when inertia called it at {ours[-1]} for {path}"


def _is_ours(frame: traceback.FrameSummary) -> bool:
    return Path(frame.filename).resolve().is_relative_to(_OURS)

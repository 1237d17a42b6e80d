"""`inertia identify`: which method an optimizer in a file of yours really is."""

from __future__ import annotations

import importlib.util
import inspect
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..errors import BadInput, InertiaError, nearest
from .options import Json, Seed
from .output import emit

if TYPE_CHECKING:
    from ..identify import Identified

__all__ = ["register"]

PLACE = 41

Target = Annotated[str, typer.Argument(metavar="FILE.py:FACTORY", help="A function in a Python file; see below.")]
Declared = Annotated[float | None, typer.Option("--momentum", help="The momentum you asked for: a warning says if it is not there.")]


def register(app: typer.Typer) -> None:
    """Add `inertia identify`."""
    app.command("identify")(identify)


def identify(target: Target, declared: Declared = None, seed: Seed = 0, as_json: Json = False) -> None:
    """Probe an optimizer as a black box: its (alpha, beta, gamma), weight decay, or that it is no momentum method.

    FACTORY(params) returns a torch optimizer, or (optimizer, scheduler); FACTORY() returns an optax transformation, a
    torch optimizer, or a function step(grad) -> change of the parameters (numpy arrays of shape (8,)).

    Example: [bold]inertia identify train.py:make_optimizer[/bold]
    """
    path, _, name = target.rpartition(":")
    if not path or not name:
        raise BadInput(f"'{target}' is not FILE.py:FACTORY: write it like train.py:make_optimizer")
    factory = _load(Path(path), name)
    found = _theirs(Path(path), lambda: _identify(factory, declared, seed))
    if as_json:
        emit(found)
    else:
        print(found)


def _load(path: Path, name: str) -> Callable[..., Any]:
    if not path.is_file():
        raise BadInput(f"no such file: {path}")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise BadInput(f"{path} is not a Python file: its name must end in .py")
    module = importlib.util.module_from_spec(spec)
    loader = spec.loader
    sys.path.insert(0, str(path.resolve().parent))  # so that it finds its neighbours
    try:
        _theirs(path, lambda: loader.exec_module(module))
    finally:
        sys.path.pop(0)
    functions = {key for key, value in vars(module).items() if callable(value) and not key.startswith("_")}
    if not hasattr(module, name):
        raise BadInput(f"{path} has no function '{name}': {nearest(name, functions) if functions else 'it defines none'}")
    factory = getattr(module, name)
    if not callable(factory):
        raise BadInput(f"{name} in {path} is a {type(factory).__name__}, not a function: write def {name}(params): return an optimizer")
    return factory  # type: ignore[no-any-return]


def _theirs(path: Path, call: Callable[[], Any]) -> Any:
    """Run the user's code; an exception there is shown as theirs, with file and line."""
    try:
        return call()
    except InertiaError:
        raise
    except Exception as error:
        frames = [frame for frame in traceback.extract_tb(error.__traceback__) if Path(frame.filename).resolve() == path.resolve()]
        where = f"{path}:{frames[-1].lineno}" if frames else str(path)
        line = getattr(error, "lineno", None) if isinstance(error, SyntaxError) else None
        raise BadInput(f"your code in {f'{path}:{line}' if line else where} raised {type(error).__name__}: {error}") from error


def _identify(factory: Callable[..., Any], declared: float | None, seed: int) -> Identified:
    needed = [p for p in inspect.signature(factory).parameters.values() if p.default is p.empty and p.kind <= p.POSITIONAL_OR_KEYWORD]
    if len(needed) > 1:
        raise BadInput(f"{factory.__name__} needs {len(needed)} arguments: give a function of (params) or of nothing")
    if needed:
        from ..torch.probe import identify as identify_torch

        return identify_torch(factory, seed=seed)
    made = factory()
    if hasattr(made, "init") and hasattr(made, "update"):
        from ..jax.probe import identify as identify_optax

        return identify_optax(made, declared=declared, seed=seed)
    if hasattr(made, "param_groups"):
        from ..torch.probe import identify as identify_torch

        return identify_torch(made, seed=seed)
    if not callable(made):
        raise BadInput(
            f"the factory made a {type(made).__name__}: return a torch optimizer, an optax transformation, or step(grad) -> change"
        )
    from ..identify import identify as probe

    return probe(made, declared=declared, seed=seed)

"""`inertia identify`: which method an optimizer in a file of yours really is."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..errors import BadInput
from .loaded import theirs
from .options import Json, Seed
from .output import emit
from .sliced import load_factory

if TYPE_CHECKING:
    from ..optimizers.identification import Identified

__all__ = ["register"]

PLACE = 41

Target = Annotated[str, typer.Argument(metavar="FILE.py:FACTORY", help="A function in a Python file; see below.")]
Declared = Annotated[float | None, typer.Option("--momentum", help="The momentum you asked for: a warning says if it is not there.")]


def register(app: typer.Typer) -> None:
    """Add `inertia identify`."""
    app.command("identify")(identify)


def identify(target: Target, declared: Declared = None, seed: Seed = 0, as_json: Json = False) -> None:
    """Probe an optimizer as a black box: its (alpha, beta, gamma), weight decay, or that it is no momentum method.

    FACTORY(params) returns a torch optimizer, or (optimizer, scheduler), for the list of parameters that it is given (not a
    model). FACTORY() returns an optax transformation, a Keras or torch optimizer, or a function step(grad) -> change of the
    parameters (numpy arrays of shape (8,)).

    No training is started: of the file only imports, definitions and the assignments that FACTORY needs are run.

    Example: [bold]inertia identify train.py:make_optimizer[/bold]
    """
    path, _, name = target.rpartition(":")
    if not path or not name:
        raise BadInput(f"'{target}' is not FILE.py:FACTORY: write it like train.py:make_optimizer")
    factory = load_factory(Path(path), name, "def {name}(params): return an optimizer")
    found = theirs(Path(path), lambda: _identify(factory, declared, seed))
    if as_json:
        emit(found)
    else:
        print(found)


def _identify(factory: Callable[..., Any], declared: float | None, seed: int) -> Identified:
    from ..verbs.identification import identify as any_of_them

    try:
        needed = [p for p in inspect.signature(factory).parameters.values() if p.default is p.empty and p.kind <= p.POSITIONAL_OR_KEYWORD]
    except ValueError:  # a class of an extension
        needed = []
    if len(needed) > 1:
        name = getattr(factory, "__name__", "the factory")
        raise BadInput(f"{name} needs {len(needed)} arguments: give a function of (params) or of nothing")
    if needed:
        from ..torch.probe import identify as identify_torch

        return identify_torch(factory, declared=declared, seed=seed)
    made = factory()
    if not callable(made) and not hasattr(made, "update") and not hasattr(made, "step") and not hasattr(made, "apply"):
        raise BadInput(
            f"the factory made a {type(made).__name__}: return a torch optimizer, an optax transformation, a Keras optimizer,"
            " or step(grad) -> change"
        )
    # a step is made anew for every run, so the function that makes it is given
    whole = callable(made) and not hasattr(made, "update") and not hasattr(made, "apply")
    return any_of_them((lambda: factory()) if whole else made, declared=declared, seed=seed)

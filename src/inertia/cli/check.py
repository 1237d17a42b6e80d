"""`inertia check`: a second opinion on the learning rate and momentum that you use now, without any training run."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

import typer

from .options import Json, Seed
from .output import emit, paper, table
from .progress import bar
from .sources import any_task, theirs_in

__all__ = ["register"]

PLACE = 11


def register(app: typer.Typer) -> None:
    """Add `check`."""
    app.command(epilog="Example: inertia check digits-mlp --lr 0.1 --momentum 0.9 --nesterov")(check)


def check(
    task: Annotated[str, typer.Argument(metavar="TASK", help="A built-in task or FILE.py:FUNCTION, as for tune.")],
    lr: Annotated[float, typer.Option("--lr", help="The learning rate you use.")],
    momentum: Annotated[float, typer.Option("--momentum", help="The momentum you use.")] = 0.0,
    nesterov: Annotated[bool, typer.Option("--nesterov", help="In Nesterov's form.")] = False,
    steps: Annotated[int | None, typer.Option("--steps", help="Steps of one training run (default: the task's own).")] = None,
    batch_size: Annotated[int | None, typer.Option("--batch-size", help="Examples per step (default: the task's own).")] = None,
    seed: Seed = 0,
    json: Json = False,
) -> None:
    """Is your present setting stable, how far from the edge, what limits it, and what could be gained?"""
    from ..core.method import Method
    from ..tasks.looking import check_task

    loaded = any_task(task)
    loaded = replace(loaded, steps=steps or loaded.steps, batch_size=loaded.batch_size if batch_size is None else batch_size)
    method = Method(lr, beta=momentum, gamma=momentum if nesterov else 0.0)
    with bar(f"check {task}", quiet=json):
        said = theirs_in(task, lambda: check_task(loaded, method, seed))
    if json:
        emit(said | {"task": task, "seed": seed})
        return
    room, units = said["edge_ratio"], said["alpha_in_curvature"]
    where = f"{room:.3g} x below the edge" if room > 1 else f"{1 / room:.3g} x beyond the edge"
    rows = [
        ["stable", f"{'yes' if said['stable'] else 'no'}: {where} of the largest curvature, error bar included"],
        ["largest curvature", f"{said['largest']:.4g} (upper bar {said['largest_upper']:.4g}); lr x curvature = {units:.3g}"],
    ]
    if said["predicted_loss"] is not None:
        rows.append(["predicted", f"loss {said['predicted_loss']:.4g} at the end; the best predicted is {said['best_predicted_loss']:.4g}"])
    table(rows, left=True)
    from ..report.words import sentence

    paper().print(sentence(said["verdict"]))
    paper().print(sentence(said["advice"]))

"""`inertia check`: a second opinion on the learning rate and momentum that you use now, without any training run."""

from __future__ import annotations

from typing import Annotated

import typer

from .options import Json, Seed
from .output import emit, paper
from .progress import bar
from .sources import any_task, theirs_in

__all__ = ["register"]

PLACE = 11


def register(app: typer.Typer) -> None:
    """Add `check`."""
    app.command(epilog="Example: inertia check digits-mlp --lr 0.1 --momentum 0.9 --nesterov")(check)


def check(
    task: Annotated[str, typer.Argument(metavar="TASK", help="A built-in task or FILE.py:FUNCTION, as for tune.")],
    lr: Annotated[float, typer.Option("--lr", "--alpha", help="The learning rate you use.")],
    momentum: Annotated[float | None, typer.Option("--momentum", "--beta", help="The momentum you use (beta1 of AdamW).")] = None,
    nesterov: Annotated[bool, typer.Option("--nesterov", help="In Nesterov's form.")] = False,
    optimizer: Annotated[str, typer.Option("--optimizer", help="sgd or adamw.")] = "sgd",
    betas: Annotated[tuple[float, float] | None, typer.Option("--betas", metavar="B1 B2", help="AdamW's beta1 and beta2.")] = None,
    eps: Annotated[float, typer.Option("--eps", help="AdamW's eps.")] = 1e-8,
    steps: Annotated[int | None, typer.Option("--steps", help="Steps of one training run (default: the task's own).")] = None,
    batch_size: Annotated[int | None, typer.Option("--batch-size", help="Examples per step (default: the task's own).")] = None,
    schedule: Annotated[str | None, typer.Option("--schedule", metavar="NAME", help="constant, linear or cosine.")] = None,
    warmup: Annotated[int | None, typer.Option("--warmup", help="Steps of warm-up before the schedule.")] = None,
    weight_decay: Annotated[float | None, typer.Option("--weight-decay", help="The weight decay you use.")] = None,
    clip: Annotated[float | None, typer.Option("--clip", help="The norm to which you clip gradients.")] = None,
    validate: Annotated[bool, typer.Option("--validation", help="Speak of the validation loss.")] = False,
    seed: Seed = 0,
    json: Json = False,
) -> None:
    """How far is your setting from its stability limit, which loss will it reach, and what could be gained?"""
    from ..tasks.tuning import check_task
    from ..tuning.underway import setting_of

    loaded = any_task(task)
    setting = setting_of(lr, momentum, nesterov, optimizer, betas, eps)
    given = {
        "steps": steps, "batch_size": batch_size, "schedule": schedule, "warmup": warmup, "weight_decay": weight_decay, "clip": clip,
        "validate": validate or None,
    }  # fmt: skip
    with bar(f"check {task}", quiet=json) as tell:
        said = theirs_in(task, lambda: check_task(loaded, setting, seed, progress=lambda stage, done, of: tell(done, of, stage), **given))
    if json:
        emit(said.to_json() | {"task": task, "seed": seed})
        return
    for line in str(said).splitlines():
        paper().print(line, markup=False)

"""Commands that look at a task: `measure` its curvature and noise, `run` a method on it and keep the path."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..errors import BadInput
from .options import Gamma, Json, LearningRate, Momentum, Nesterov, Out, Seed, Task, method_of
from .output import emit, number, table, tell
from .progress import bar
from .sources import batches_of, numpy_task

if TYPE_CHECKING:
    from ..core.record import Record
    from ..problems import Problem
    from ..report.report import Block
    from ..tasks import Task as Loaded
    from ..tuning.budget import Budget
    from ..tuning.measurement import Measurement

__all__ = ["measure", "register", "run"]

PLACE = 30
Steps = Annotated[int | None, typer.Option("--steps", help="Length of the run that pays for it (default: the task's own).")]
Full = Annotated[bool, typer.Option("--full", help="On all examples, with more products, at whatever cost.")]
BatchSize = Annotated[int | None, typer.Option("--batch-size", help="Examples per step (default: the task's own).")]


def register(app: typer.Typer) -> None:
    """Add `run` and `measure`."""
    app.command(epilog="Example: inertia measure digits")(measure)
    app.command(epilog="Example: inertia run valley --lr 0.6 --momentum 0.5 --steps 20")(run)


def measure(task: Task, batch_size: BatchSize = None, steps: Steps = None, full: Full = False, seed: Seed = 0, json: Json = False) -> None:
    """Largest and smallest curvature with error bars, and the gradient noise, at the start of a task: what `tune` uses."""
    from ..tasks.tuning import job_of
    from ..tuning.answer import measured as as_answer
    from ..tuning.measuring import measure as measured
    from .sources import any_task, theirs_in

    def look() -> tuple[str, Measurement, Budget]:
        loaded = any_task(task)
        job, budget = job_of(loaded, batch_size=batch_size, steps=steps)
        return loaded.name, measured(job, budget, seed=seed, full=full), budget

    name, found, budget = theirs_in(task, look)
    if json:
        return emit(as_answer(found, budget))
    batch = "the whole loss" if budget.full_batch else f"batches of {budget.batch_size}"
    rows = []
    for at in found.at:
        bar = number(at.upper, 4)
        rows.append([f"largest curvature, {at.where}", f"{number(at.largest, 6)}, at most {bar}"])
    spent = found.cost.example_gradients / budget.gradients
    rows += [
        ["smallest curvature seen", number(found.start.smallest, 4)],
        ["its shape", "convex" if found.convex else "not convex"],
        [f"gradient-noise trace, {batch}", f"{number(found.noise.trace, 4)} +- {number(found.noise.error, 2)}"],
        ["loss and length of its gradient", f"{number(found.loss, 4)}, {number(found.gradient_norm, 4)}"],
        ["parameters", str(found.dimension)],
        ["measured on", f"{found.used} of {found.examples} examples"],
        ["cost", f"{number(found.cost.products, 3)} Hessian-vector products, {number(spent, 2)} runs"],
    ]
    tell(f"{name}: gradient descent is stable below learning rate {number(2 / found.upper)} (2 over the upper bar).")
    table(rows)
    return None


def run(
    task: Task,
    lr: LearningRate,
    momentum: Momentum = 0.0,
    nesterov: Nesterov = False,
    gamma: Gamma = None,
    steps: Annotated[int | None, typer.Option("--steps", help="Number of steps (default: the task's own).")] = None,
    schedule: Annotated[str, typer.Option("--schedule", metavar="NAME", help="constant, linear or cosine.")] = "constant",
    batch_size: BatchSize = None,
    seed: Seed = 0,
    json: Json = False,
    out: Out = None,
) -> None:
    """Run one method on a task and keep its path and losses; where it stops being finite is part of the answer."""
    from ..core.schedule import shaped
    from ..problems.simulation import Interrupted
    from ..problems.simulation import run as step_by_step

    method = method_of(lr, momentum, nesterov, gamma)
    loaded = numpy_task(task)
    count = loaded.steps if steps is None else steps
    if count < 1:
        raise BadInput(f"steps = {count} is too few: a run needs at least 1 step")
    size = batches_of(loaded, batch_size)
    plan = shaped(schedule, method, count)
    folder = _opened(out)
    try:
        with bar(f"run {task}", quiet=json) as told:
            record = step_by_step(
                loaded.problem, plan, count, batch_size=size, seed=seed, keep_path=loaded.problem.dimension == 2, progress=told
            )
    except KeyboardInterrupt as stop:
        if folder is not None and isinstance(stop, Interrupted):
            _save(folder, loaded, stop.records[0], size, interrupted=True)
        elif folder is not None:  # before the first step
            begun = {"method": method._asdict(), "steps": count, "losses": [], "task": task, "batch_size": size, "interrupted": True}
            folder.write_json("record.json", begun)
        raise
    if folder is not None:
        _save(folder, loaded, record, size)
    if json:
        emit(answer(record))
    else:
        _say(loaded, record, size)
        if folder is not None:
            from .results import name_files

            name_files(folder)


def answer(record: Record) -> dict[str, Any]:
    """What `run --json` writes."""
    data = record.to_json()
    return {name: data[name] for name in ("method", "steps", "losses", "final", "params", "diverged_at")}


def _opened(out: Any) -> Any:
    if out is None:
        return None
    from ..report.folder import Folder

    return Folder(out)


def _say(task: Loaded, record: Record, batch_size: int | None) -> None:
    from ..report.text import glyphs, spark
    from ..report.words import named

    losses, say = record.losses, tell
    batch = "" if batch_size is None else f", batches of {batch_size}"
    said = named(record.method)
    say(f"{said[0].upper()}{said[1:]}: {record.steps} steps, {record.schedule} schedule{batch}.")
    if record.diverged_at is not None:
        say(f"Diverged: not finite at step {record.diverged_at}. 'inertia predict' says by how much the learning rate must shrink.")
    if len(record.final) <= 6:
        say("at (" + ", ".join(f"{value:.6f}" for value in record.final) + ")")
    say(spark(losses - (task.problem.minimum or 0.0), signs=glyphs()))
    rows = [["loss at the start", f"{losses[0]:.6g}"], ["at the end", f"{losses[-1]:.6g}"], ["smallest", f"{losses.min():.6g}"]]
    if task.problem.minimum is not None:
        rows.append(["at the end, above the minimum", f"{losses[-1] - task.problem.minimum:.6g}"])
    table(rows)


def _save(folder: Any, task: Loaded, record: Record, batch_size: int | None, interrupted: bool = False) -> None:
    from ..report.words import named
    from .results import save

    done = len(record.losses) - 1
    kept = record.to_json() | {"task": task.name, "batch_size": batch_size, "interrupted": interrupted}
    words = f"{named(record.method)[0].upper()}{named(record.method)[1:]}"
    end = f"interrupted after {done} of {record.steps} steps" if interrupted else f"{record.steps} steps"
    lede = f"{words}: {end}, from loss {record.losses[0]:.6g} to {record.losses[-1]:.6g}."
    if record.diverged_at is not None:
        lede += f" It stopped being finite at step {record.diverged_at}."
    stamp = f"schedule {record.schedule}, {'whole loss' if batch_size is None else f'batches of {batch_size}'}, seed {record.seed}"
    save(folder, f"A run on {task.name}", lede, _blocks(task.problem, record, batch_size), kept, stamp)


def _blocks(problem: Problem, record: Record, batch_size: int | None) -> list[Block]:
    from ..report.landscape import losses, path

    blocks: list[Block] = []
    if problem.dimension == 2 and problem.domain is not None and record.path is not None:
        blocks.append(path(problem, record))
    predicted = None
    if problem.spectrum is not None and batch_size is None and record.schedule == "constant":
        from ..theory.quadratic import loss_curve

        predicted = loss_curve(record.method, problem.spectrum, record.steps)
    blocks.append(losses(record, problem.minimum, predicted))
    return blocks

"""The main command: `tune` measures a task, predicts, verifies by a few runs, and recommends, with the evidence."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..errors import BadInput, Diverged
from .options import Json, Out, Seed
from .output import emit, number, paper, table
from .progress import bar
from .sources import batches_of, numpy_task

if TYPE_CHECKING:
    from ..record import Record
    from ..tune import Tuning

__all__ = ["register", "tune"]

PLACE = 10


def register(app: typer.Typer) -> None:
    """Add `tune`."""
    app.command(epilog="Example: inertia tune digits --out out/digits")(tune)


def tune(
    task: Annotated[
        str, typer.Argument(metavar="TASK", help="A built-in task, such as digits or diabetes; an unknown name lists them all.")
    ] = "digits",
    steps: Annotated[int | None, typer.Option("--steps", help="Steps of one training run (default: the task's own).")] = None,
    batch_size: Annotated[int | None, typer.Option("--batch-size", help="Examples per step (default: the task's own).")] = None,
    schedule: Annotated[
        str | None, typer.Option("--schedule", metavar="NAME", help="constant, linear or cosine (default: the task's own).")
    ] = None,
    seed: Seed = 0,
    json: Json = False,
    out: Out = None,
) -> None:
    """Which learning rate and momentum a task needs on its budget: measured, predicted, then verified by a few runs."""
    from ..method import Method
    from ..schedule import shaped

    loaded = numpy_task(task)
    count = loaded.steps if steps is None else steps
    if count < 1:
        raise BadInput(f"steps = {count} is too few: tuning needs a budget of at least 1 step")
    size = batches_of(loaded, batch_size)
    shape = loaded.schedule if schedule is None else schedule
    shaped(shape, Method(1.0), count)  # says which schedules there are
    folder = _opened(out)
    from ..tune import tune as tuned

    finished: list[Record] = []
    budget = {"task": task, "steps": count, "batch_size": size, "schedule": shape, "seed": seed}
    try:
        with bar(f"tune {task}", quiet=json) as tell:
            found = tuned(
                loaded.problem,
                steps=count,
                batch_size=size,
                schedule=shape,
                seed=seed,
                progress=lambda stage, done, total: tell(done, total, stage),
                on_record=finished.append,
            )
    except (KeyboardInterrupt, Diverged) as stop:
        if folder is not None:
            _keep(folder, budget, finished, "Interrupted" if isinstance(stop, KeyboardInterrupt) else "Diverged")
        raise
    whole = found.to_json() | {"task": task}
    if folder is not None:
        _save(folder, task, found, whole)
    if json:
        emit(answer(whole))
    else:
        _say(task, found, whole)
        if folder is not None:
            from .results import name_files

            print()
            name_files(folder)


def answer(whole: dict[str, Any]) -> dict[str, Any]:
    """What `tune --json` writes: the contract's keys (record.json under --out has everything)."""
    names = ("task", "steps", "batch_size", "schedule", "regime", "recommendation", "predicted_loss", "verified_loss", "runs")
    kept = {name: whole[name] for name in (*names, "cost_in_runs", "measurement", "seed")}
    advice = ("alpha", "beta", "gamma", "torch", "optax", "keras")
    kept["recommendation"] = {name: whole["recommendation"][name] for name in advice}
    row = ("alpha", "beta", "gamma", "steps", "loss", "diverged")
    kept["runs"] = [{name: run[name] for name in row} for run in whole["runs"]]
    return kept


def _opened(out: Path | None) -> Any:
    if out is None:
        return None
    from ..show.folder import Folder

    return Folder(out)


def _budget(found: Tuning) -> str:
    batch = "the whole loss" if found.batch_size is None else f"batches of {found.batch_size}"
    return f"{found.steps} steps of {batch}, {found.schedule} schedule, seed {found.seed}"


def _say(task: str, found: Tuning, whole: dict[str, Any]) -> None:
    from ..show.text import glyphs, spark
    from ..show.tuning import disagreement, runs_table
    from ..show.words import sentence

    say, facts = paper().print, found.measurement
    bar_of = f"largest curvature {facts['largest']:.4g} (upper bar {facts['largest_upper']:.4g})"
    say(f"[bold]{task}[/bold]: {_budget(found)}")
    table(
        [
            [
                "measured",
                f"{bar_of}, gradient noise {facts['noise_trace']:.3g}",
            ],
            ["predicted", f"loss {found.predicted_loss:.4g} at the end, from {facts['loss']:.4g}"],
            ["verified", f"loss {found.verified_loss:.4g} {spark(found.curves.actual[found.best][1], 24, glyphs())}"],
            ["cost", f"{found.cost_in_runs:.1f} runs, the measurement included ({facts.get('in_runs', 0.0):.1f})"],
        ],
        left=True,
    )
    shown = runs_table(found.runs)
    marked = [[*row, "recommended" if index == found.best else ""] for index, row in enumerate(shown.rows)]
    table(marked, head=(*shown.head, ""))
    say(sentence(found.verdict))
    say(sentence(found.margin))
    for note in [*found.notes, disagreement(found)]:
        if note:
            say(sentence(note))
    say("\nTo copy:")
    for framework, line in _lines(whole).items():
        for part in line.splitlines():
            print(f"  {framework:<6} {part}")
    if whole["recommendation"].get("keras_note"):
        say(f"  ({whole['recommendation']['keras_note']})")


def _lines(whole: dict[str, Any]) -> dict[str, str]:
    """The lines to copy, one statement to a line."""
    lines = whole["recommendation"]["lines"]
    return {name: lines[name.lower()].replace("; scheduler", "\nscheduler") for name in ("torch", "optax", "Keras")}


def _save(folder: Any, task: str, found: Tuning, whole: dict[str, Any]) -> None:
    from ..show.tuning import blocks
    from .results import save

    advice = whole["recommendation"]
    kind = "Nesterov momentum" if found.method.gamma else "momentum"
    lede = (
        f"Learning rate {number(advice['alpha'])} with {kind} {number(advice['beta'])}: measured, then verified by "
        f"{len(found.runs)} training runs. Loss {found.measurement['loss']:.4g} falls to {found.verified_loss:.4g}."
    )
    save(
        folder,
        f"Tuning {task}",
        lede,
        blocks(found, _lines(whole), advice.get("keras_note", "")),
        whole | {"interrupted": False},
        _budget(found),
    )


def _keep(folder: Any, budget: dict[str, Any], finished: list[Record], reason: str) -> None:
    """What a tuning that was cut short leaves: every run as far as it came, and no report of an older tuning beside it."""
    from ..show.tuning import started
    from .results import save

    folder.remove([f"{name}.{kind}" for name in ("spectrum", "learning-rate", "momentum") for kind in ("png", "svg")])
    lede = f"{reason}: {len(finished)} verification runs had begun; nothing is recommended."
    record = budget | {"interrupted": reason == "Interrupted", "ended": reason.lower(), "runs": [run.to_json() for run in finished]}
    save(folder, f"Tuning {budget['task']}, cut short", lede, started(finished), record, f"{budget['steps']} steps, seed {budget['seed']}")

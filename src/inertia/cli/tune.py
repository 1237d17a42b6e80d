"""The main command: `tune` measures a task, proposes settings, verifies them by a few runs, and recommends one, with the evidence."""

from __future__ import annotations

import math
import shlex
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..errors import BadInput, Diverged
from .options import Json, Out, Seed
from .output import emit, paper, plain, screen, table
from .progress import bar
from .sources import any_task, theirs_in

if TYPE_CHECKING:
    from ..tuning.policy import Trial
    from ..tuning.result import Tuning

__all__ = ["register", "tune"]

PLACE = 10


def register(app: typer.Typer) -> None:
    """Add `tune`."""
    app.command(epilog="Example: inertia tune digits --out out/digits")(tune)


def tune(
    task: Annotated[
        str,
        typer.Argument(metavar="TASK", help="A built-in task (digits, digits-mlp, ...: an unknown name lists them) or FILE.py:FUNCTION."),
    ] = "digits",
    steps: Annotated[int | None, typer.Option("--steps", help="Steps of one training run (default: the task's own).")] = None,
    batch_size: Annotated[int | None, typer.Option("--batch-size", help="Examples per step (default: the task's own).")] = None,
    schedule: Annotated[
        str | None, typer.Option("--schedule", metavar="NAME", help="constant, linear or cosine (default: the task's own).")
    ] = None,
    warmup: Annotated[int | None, typer.Option("--warmup", help="Steps of warm-up before the schedule.")] = None,
    optimizer: Annotated[str, typer.Option("--optimizer", help="sgd, adamw, or any: whichever ends lower.")] = "sgd",
    momentum: Annotated[float | None, typer.Option("--momentum", "--beta", help="Fix the momentum; tune the learning rate alone.")] = None,
    nesterov: Annotated[bool | None, typer.Option("--nesterov/--heavy-ball", help="Form of the fixed momentum.")] = None,
    weight_decay: Annotated[float | None, typer.Option("--weight-decay", help="Added to the gradient, as in torch's SGD.")] = None,
    clip: Annotated[float | None, typer.Option("--clip", help="Clip gradients to this norm.")] = None,
    validate: Annotated[bool, typer.Option("--validation", help="Compare runs by the validation loss.")] = False,
    runs: Annotated[int, typer.Option("--runs", help="Full training runs, at most; 0 gives advice without a run.")] = 3,
    max_cost: Annotated[float | None, typer.Option("--max-cost", help="The most to spend, in runs, measuring included.")] = None,
    prove: Annotated[bool, typer.Option("--prove", help="One more run, without momentum, at its own learning rate.")] = False,
    experience: Annotated[Path | None, typer.Option("--experience", help="Folder of finished tunings, which help and grow.")] = None,
    past: Annotated[Path | None, typer.Option("--past", help="Runs that you already have: a CSV file with lr, momentum, loss.")] = None,
    compare: Annotated[bool, typer.Option("--compare", help="Also run parameter-free optimizers, untuned (models only).")] = False,
    resume: Annotated[bool, typer.Option("--resume", help="Take up the finished runs in --out of a tuning that was cut short.")] = False,
    seed: Seed = 0,
    json: Json = False,
    out: Out = None,
) -> None:
    """Which learning rate and momentum a task needs on its budget: measured, then verified by a few runs."""
    from ..tasks.tuning import compare_task, job_of, rivals_of
    from ..tuning.asking import Asked, ask

    if resume and out is None:
        raise BadInput("--resume needs --out, the folder in which the finished runs are: add --out DIR")
    asked = Asked(runs, math.inf if max_cost is None else max_cost, seed, prove, optimizer, momentum, nesterov, experience, past)
    loaded = any_task(task)
    if compare:
        rivals_of(loaded)  # refuse now what could not be compared later
    settings: dict[str, Any] = {
        "steps": steps, "batch_size": batch_size, "schedule": schedule, "warmup": warmup, "weight_decay": weight_decay, "clip": clip,
        "validate": validate or None,
    }  # fmt: skip
    job, budget = theirs_in(task, lambda: job_of(loaded, **settings))
    folder = _opened(out)
    finished: list[Trial] = []
    try:
        with bar(f"tune {task}", quiet=json) as tell:
            found: Tuning = theirs_in(
                task,
                lambda: ask(
                    job, budget, asked, journal=out, resume=resume, on_run=finished.append,
                    progress=lambda stage, done, total: tell(done, total, stage),
                    on_estimate=lambda cost: None if json else _estimated(cost),
                ),
            )  # fmt: skip
    except (KeyboardInterrupt, Diverged) as stop:
        if folder is not None:
            _keep(folder, task, seed, finished, "Interrupted" if isinstance(stop, KeyboardInterrupt) else "Diverged")
        raise
    found = replace(found, task=task, command=f"inertia {shlex.join(sys.argv[1:])}" if sys.argv[1:2] == ["tune"] else "")
    if compare:
        found = found.compared(tuple(theirs_in(task, lambda: compare_task(loaded, found, **settings))))
    whole = plain(found.to_json() | ({"rivals": list(found.rivals)} if compare else {}) | {"interrupted": False})
    if folder is not None:
        _save(found, folder, whole)
    if json:
        emit(_answer(whole))
    else:
        _say(found)
        if folder is not None:
            from .results import name_files

            print()
            name_files(folder)


def _estimated(cost: float) -> None:
    """The price, before anything starts."""
    screen().print(f"about {cost:.3g} runs at most, measuring included")


def _answer(whole: dict[str, Any]) -> dict[str, Any]:
    """What `tune --json` writes: record.json under --out has the curves of the runs as well."""
    left_out = ("marks", "training", "validation")
    kept = {name: value for name, value in whole.items() if name not in ("interrupted", "spectrum", "curves")}
    kept["runs"] = [{name: value for name, value in run.items() if name not in left_out} for run in whole["runs"]]
    return kept


def _opened(out: Path | None) -> Any:
    if out is None:
        return None
    from ..report.folder import Folder

    return Folder(out)


def _say(found: Tuning) -> None:
    """The answer first, then the runs, then why, then what to copy."""
    from ..report.text import glyphs, spark
    from ..report.tuning import rivals_rows, runs_table
    from ..tuning.code import keras_note, lines
    from ..tuning.judging import values
    from ..tuning.reasons import figure, interval, on_answer, on_choice, on_cost, on_margin, on_momentum, remarks

    say, judged = paper().print, found.budget.objective
    say(f"[bold]{_escaped(on_answer(found))}[/bold]")
    if found.trained:
        for framework, text in lines(found.recipe, found.budget).items():
            for line in text.splitlines():
                print(f"  {framework:<6} {line}")
        if note := keras_note(found.recipe, found.budget):
            say(_escaped(f"  ({note})"))
    rows = []
    if found.expected is not None:
        rows.append(["expected", f"{interval(found.expected)} on a fresh seed"])
    rows += [[f"{recipe.family}, {figure(recipe.learning_rate, 3)}", f"expected {interval(said)}"] for recipe, said in found.references]
    if found.best is not None:
        rows.append(["run", spark(values(found.runs[found.best], judged), 32, glyphs())])
    rows += [["cost", on_cost(found)]]
    print()
    table(rows, left=True)
    if found.runs:
        shown = runs_table(found)
        marked = [[*row, "recommended" if index == found.best and found.trained else ""] for index, row in enumerate(shown.rows)]
        table(marked, head=(*shown.head, ""))
    chosen = [] if found.choice is None else [f"{on_choice(found.choice, found.budget.objective.sign < 0)}."]
    for words in [*chosen, f"{on_momentum(found)}.", f"{on_margin(found)}.", *remarks(found)]:
        say(_escaped(words))
    if found.rivals:
        say("\nOther optimizers, one untuned run each:")
        table(rivals_rows(found.rivals), head=("optimizer", judged.name))


def _escaped(words: str) -> str:
    from rich.markup import escape

    return escape(words)


def _save(found: Tuning, folder: Any, whole: dict[str, Any]) -> None:
    from ..report.tuning import save

    try:
        save(found, folder, whole)
    except BadInput as error:  # a disk that filled up: the work is not lost
        raise BadInput(f"{error}; the finished runs are in {folder.path}: make room, then add --resume") from error


def _keep(folder: Any, task: str, seed: int, finished: list[Trial], reason: str) -> None:
    """What a tuning that was cut short leaves: every finished run, and no report of an older tuning beside it."""
    from ..report.tuning import started
    from ..tuning.stored import to_plain
    from .results import save

    folder.remove([f"{name}.{kind}" for name in ("spectrum", "learning-rate", "momentum") for kind in ("png", "svg")])
    lede = f"{reason}: {len(finished)} runs were finished; nothing is recommended. Add --resume to go on from them."
    runs = [{key: value for key, value in to_plain(trial.run).items() if key != "end"} for trial in finished]
    record = {"task": task, "seed": seed, "interrupted": reason == "Interrupted", "ended": reason.lower(), "runs": runs}
    save(folder, f"Tuning {task}, cut short", lede, started(finished, "training loss"), record, f"seed {seed}")

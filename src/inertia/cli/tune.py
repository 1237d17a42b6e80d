"""The main command: `tune` measures a task, predicts, verifies by a few runs, and recommends, with the evidence."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..errors import BadInput, Diverged
from .options import Json, Out, Seed
from .output import emit, number, paper, table
from .progress import bar
from .sources import any_task, batches_of, theirs_in

if TYPE_CHECKING:
    from ..core.record import Record
    from ..tasks import Task
    from ..tuning import Tuning

__all__ = ["register", "tune"]

PLACE = 10
JOURNAL = "runs.jsonl"


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
    warmup: Annotated[int | None, typer.Option("--warmup", help="Steps of warm-up before the schedule (models only).")] = None,
    momentum: Annotated[float | None, typer.Option("--momentum", help="Fix the momentum and tune the learning rate alone.")] = None,
    nesterov: Annotated[bool | None, typer.Option("--nesterov/--heavy-ball", help="Form of the fixed momentum.")] = None,
    weight_decay: Annotated[float | None, typer.Option("--weight-decay", help="Added to gradients, as in torch (models only).")] = None,
    clip: Annotated[float | None, typer.Option("--clip", help="Clip gradients to this norm (models only).")] = None,
    validate: Annotated[bool, typer.Option("--validation", help="Compare runs by the validation loss.")] = False,
    branch: Annotated[str | None, typer.Option("--branch", metavar="NAME", help="quadratic or network (default: measured).")] = None,
    runs: Annotated[int | None, typer.Option("--runs", min=1, help="Verification runs, at most (default 3).")] = None,
    compare: Annotated[bool, typer.Option("--compare", help="Also run parameter-free optimizers, untuned (models only).")] = False,
    resume: Annotated[bool, typer.Option("--resume", help="Take up the finished runs in --out of a tuning that was cut short.")] = False,
    seed: Seed = 0,
    json: Json = False,
    out: Out = None,
) -> None:
    """Which learning rate and momentum a task needs on its budget: measured, predicted, then verified by a few runs."""
    from ..tasks.tuning import compare_task, rivals_of

    if resume and out is None:
        raise BadInput("--resume needs --out, the folder in which the finished runs are: add --out DIR")
    settings: dict[str, Any] = {
        "warmup": warmup, "momentum": momentum, "nesterov": nesterov, "weight_decay": weight_decay, "clip": clip,
        "branch": branch, "runs": runs, "validate": validate or None,
    }  # fmt: skip
    loaded = any_task(task)
    if compare:
        rivals_of(loaded)  # refuse now what could not be compared later
    shape, size = _budgeted(loaded, steps, batch_size, schedule)
    budget = {"task": task, "steps": loaded.steps if steps is None else steps, "batch_size": size, "schedule": shape, "seed": seed}
    folder = _opened(out)
    found = _tuned(loaded, task, budget, settings, folder, resume, json)
    rivals = theirs_in(task, lambda: compare_task(loaded, found, shape, **settings)) if compare else []
    whole = found.to_json() | {"task": task} | ({"rivals": rivals} if compare else {})
    if folder is not None:
        try:
            _save(folder, task, found, whole)
        except BadInput as error:  # a disk that filled up: the work is not lost
            raise BadInput(f"{error}; the finished runs are in {folder.path / JOURNAL}: make room, then add --resume") from error
    if json:
        emit(answer(whole))
    else:
        _say(task, found, whole)
        if folder is not None:
            from .results import name_files

            print()
            name_files(folder)


def _budgeted(loaded: Task, steps: int | None, batch_size: int | None, schedule: str | None) -> tuple[Any, int | None]:
    """The schedule and the batch size, checked as far as the kind of task allows before anything is loaded or run."""
    from ..core.method import Method
    from ..core.schedule import shaped

    count = loaded.steps if steps is None else steps
    if count < 1:
        raise BadInput(f"steps = {count} is too few: tuning needs a budget of at least 1 step")
    shape = loaded.schedule if schedule is None else schedule
    if isinstance(shape, str):
        shaped(shape, Method(1.0), count)  # says which schedules there are
    if loaded.kind == "numpy":
        return shape, batches_of(loaded, batch_size)
    return shape, loaded.batch_size if batch_size is None else batch_size


def _tuned(loaded: Task, task: str, budget: dict[str, Any], settings: dict[str, Any], folder: Any, resume: bool, quiet: bool) -> Tuning:
    """The tuning itself; what was finished is kept when it is cut short."""
    from ..tasks.tuning import tune_task
    from ..tuning.journal import Journal

    finished: list[Record] = []
    journal = None if folder is None else Journal(folder.path / JOURNAL, resume=resume)
    asked = {name: budget[name] for name in ("steps", "batch_size", "schedule", "seed")}
    try:
        with bar(f"tune {task}", quiet=quiet) as tell:
            return theirs_in(  # type: ignore[no-any-return]
                task,
                lambda: tune_task(
                    loaded,
                    **asked,
                    progress=lambda stage, done, total: tell(done, total, stage),
                    on_record=finished.append,
                    journal=journal,
                    **settings,
                ),
            )
    except (KeyboardInterrupt, Diverged) as stop:
        if folder is not None:
            shown = budget if isinstance(budget["schedule"], str) else budget | {"schedule": "custom"}
            _keep(folder, shown, finished, "Interrupted" if isinstance(stop, KeyboardInterrupt) else "Diverged")
        raise


def answer(whole: dict[str, Any]) -> dict[str, Any]:
    """What `tune --json` writes: the contract's keys (record.json under --out has everything)."""
    names = ("task", "steps", "batch_size", "schedule", "regime", "recommendation", "predicted_loss", "verified_loss", "runs")
    kept = {name: whole[name] for name in (*names, "cost_in_runs", "measurement", "seed")}
    advice = ("alpha", "beta", "gamma", "torch", "optax", "keras")
    kept["recommendation"] = {name: whole["recommendation"][name] for name in advice}
    row = ("alpha", "beta", "gamma", "steps", "loss", "diverged")
    if "rivals" in whole:
        kept["rivals"] = whole["rivals"]
    kept["runs"] = [{name: run[name] for name in row} for run in whole["runs"]]
    return kept


def _opened(out: Path | None) -> Any:
    if out is None:
        return None
    from ..report.folder import Folder

    return Folder(out)


def _budget(found: Tuning) -> str:
    batch = "the whole loss" if found.batch_size is None else f"batches of {found.batch_size}"
    return f"{found.steps} steps of {batch}, {found.schedule} schedule, seed {found.seed}"


def _say(task: str, found: Tuning, whole: dict[str, Any]) -> None:
    from ..report.text import glyphs, spark
    from ..report.tuning import disagreement, reached, runs_table, verdict
    from ..report.words import sentence

    say, facts = paper().print, found.measurement
    bar_of = f"largest curvature {facts['largest']:.4g} (upper bar {facts['largest_upper']:.4g})"
    say(f"[bold]{task}[/bold]: {_budget(found)}")
    table(
        [
            [
                "measured",
                f"{bar_of}, gradient noise {facts['noise_trace']:.3g}",
            ],
            ["predicted", _forecast(found)]
            if found.branch == "network"
            else ["predicted", f"loss {found.predicted_loss:.4g} at the end, from {facts['loss']:.4g}"],
            ["verified", f"loss {found.verified_loss:.4g} {spark(found.curves.actual[found.best][1], 24, glyphs())}"],
            *([["sharpness", _sharpness(found)]] if "edge" in facts else []),
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
    if whole.get("rivals"):
        say("\nParameter-free optimizers, one untuned run each:")
        table(reached(whole["rivals"]), head=("optimizer", found.judged_by))
        say(sentence(verdict(found, whole["rivals"])))
    say("\nTo copy:")
    for framework, line in _lines(whole).items():
        for part in line.splitlines():
            print(f"  {framework:<6} {part}")
    if whole["recommendation"].get("keras_note"):
        say(f"  ({whole['recommendation']['keras_note']})")


def _forecast(found: Tuning) -> str:
    """What can be said beforehand of a network: which runs its curvature asks for first, in units of 1/curvature."""
    largest = found.measurement["largest"]
    first = [f"{float(run.method.alpha):.3g} with momentum {float(run.method.beta):g}" for run in found.runs[:2]]
    units = [f"{float(run.method.alpha) * largest:.2g}" for run in found.runs[:2]]
    return f"learning rates around {' and '.join(first)} ({' and '.join(units)} over the largest curvature early on)"


def _sharpness(found: Tuning) -> str:
    """The largest curvature on the way, beside the edge of the recommended method."""
    facts = found.measurement
    way = [f"{facts[key]:.3g}" for key in ("largest_at_start", "largest_after_walk", "largest_at_end") if key in facts]
    walked = ", a short walk, end" if "largest_after_walk" in facts else ", end"
    where = f"{' -> '.join(way)} (start{walked if 'largest_at_end' in facts else walked.removesuffix(', end')})"
    lacking = f"; at the end not measured: {facts['end_not_measured']}" if "end_not_measured" in facts else ""
    return f"{where}{lacking}; the recommended method's edge is {facts['edge']:.3g}"


def _lines(whole: dict[str, Any]) -> dict[str, str]:
    """The lines to copy, one statement to a line."""
    lines = whole["recommendation"]["lines"]
    return {name: lines[name.lower()].replace("; scheduler", "\nscheduler") for name in ("torch", "optax", "Keras")}


def _save(folder: Any, task: str, found: Tuning, whole: dict[str, Any]) -> None:
    from ..report.tuning import blocks, verdict
    from ..report.words import sentence
    from .results import save

    advice = whole["recommendation"]
    kind = "Nesterov momentum" if found.method.gamma else "momentum"
    lede = (
        f"Learning rate {number(advice['alpha'])} with {kind} {number(advice['beta'])}: measured, then verified by "
        f"{len(found.runs)} training runs. Loss {found.measurement['loss']:.4g} falls to {found.verified_loss:.4g}."
    )
    if " won: " in (words := verdict(found, whole.get("rivals", []))):
        lede += f" {sentence(words)}"
    save(
        folder,
        f"Tuning {task}",
        lede,
        blocks(found, _lines(whole), advice.get("keras_note", ""), whole.get("rivals", [])),
        whole | {"interrupted": False},
        _budget(found),
    )


def _keep(folder: Any, budget: dict[str, Any], finished: list[Record], reason: str) -> None:
    """What a tuning that was cut short leaves: every run as far as it came, and no report of an older tuning beside it."""
    from ..report.tuning import started
    from .results import save

    folder.remove([f"{name}.{kind}" for name in ("spectrum", "learning-rate", "momentum") for kind in ("png", "svg")])
    lede = f"{reason}: {len(finished)} verification runs had begun; nothing is recommended."
    record = budget | {"interrupted": reason == "Interrupted", "ended": reason.lower(), "runs": [run.to_json() for run in finished]}
    save(folder, f"Tuning {budget['task']}, cut short", lede, started(finished), record, f"{budget['steps']} steps, seed {budget['seed']}")

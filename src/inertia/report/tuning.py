"""The report of a tuning: the answer first, then why, what was measured, what was run, and what it cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..theory.modes import edge
from ..tuning.code import keras_note, lines
from ..tuning.judging import final, values
from ..tuning.policy import Trial
from ..tuning.reasons import figure, interval, on_answer, on_choice, on_cost, on_margin, on_momentum, on_run, remarks, span
from ..tuning.recipe import Family
from ..tuning.result import Tuning
from .folder import Folder
from .landscape import thinned
from .report import Block, Code, Heading, Table, Text, page
from .views import Curves, Line, Mark, Sticks, line

__all__ = ["blocks", "by_learning_rate", "by_momentum", "measured", "rivals_rows", "runs_table", "save", "started", "training"]

_TINY = 1e-9  # shares and curvatures below this part of the largest are rounding
Array = NDArray[np.float64]
_WIDE = 20.0  # values that span more than this factor are drawn on a logarithmic axis


def measured(found: Tuning) -> Sticks:
    """Along which curvatures the gradient and its noise lie, as shares."""
    seen = found.measurement
    runs = [(seen.gradient.nodes, seen.gradient.shares, "gradient")]
    if seen.noise.trace > 0:
        runs.append((seen.noise.along.nodes, seen.noise.along.shares, "mini-batch noise"))
    nodes = np.concatenate([run[0] for run in runs])
    kept = nodes > _TINY * seen.upper
    heights, at = [], 0
    for own, shares, _ in runs:
        column = np.full(nodes.size, np.nan)
        part = shares / shares.sum() if shares.sum() > 0 else shares
        column[at : at + own.size] = np.where(part > 1e-6, part, np.nan)
        heights.append(column[kept])
        at += own.size
    caption = (
        f"Estimated eigenvalues of the Hessian at the initial parameters ({seen.dimension} of them), from "
        f"{seen.cost.products:.0f} Hessian-vector products. Blue: share of the squared gradient along each. "
        f"The largest is {seen.start.largest:.4g}, at most {seen.start.upper:.4g}."
    )
    caption += (
        f" Grey: share of the mini-batch noise (trace {seen.noise.trace:.3g})." if len(runs) > 1 else " There is no mini-batch noise."
    )
    labels = tuple(run[2] for run in runs)
    return Sticks(
        "spectrum", "Where curvature and noise lie", nodes[kept], tuple(heights), labels, seen.upper, caption, "Hessian eigenvalue"
    )


def by_learning_rate(found: Tuning) -> Curves | None:
    """Expected final loss over the learning rate at the recommended momentum, and what the runs reached."""
    land, recipe = found.landscape, found.recipe
    if land is None:
        return None
    row = land.families.index(recipe.family)
    drawn = [
        line(land.learning_rates, land.low[row], "", "pale", width=1.0),
        line(land.learning_rates, land.high[row], "80 % interval", "pale", width=1.0),
        line(land.learning_rates, land.loss[row], "expected", "ink", width=2.0),
    ]
    drawn += _dots(found, lambda trial: trial.run.recipe.learning_rate, recipe.family)
    bottom = _bottom(drawn)
    marks: tuple[Mark, ...] = ()
    if recipe.optimizer == "sgd" and found.measurement.upper > 0:
        limit = recipe.learning_rate * float(edge(recipe.method)) / found.measurement.upper
        marks = (Mark(limit, "stability limit"),)
    caption = (
        f"Expected {found.budget.objective.name} at the end of a run against its learning rate, with {recipe.family}: median and "
        "80 % interval over seeds, with everything known after the runs. Points: the runs that were made with it (orange: recommended)."
    ) + _cut(drawn, bottom)
    limits = _limits(found, drawn, bottom)
    return Curves(
        "learning-rate", "Which learning rate?", _within(drawn, bottom), "learning rate", "final loss", caption, True, bottom is not None,
        marks, limits=limits,
    )  # fmt: skip


def by_momentum(found: Tuning) -> Curves | None:
    """Expected final loss at the best learning rate of each momentum."""
    land = found.landscape
    if land is None:
        return None
    plain = [index for index, family in enumerate(land.families) if not family.nesterov]
    best = [index for index in plain if np.isfinite(land.loss[index]).any()]
    if not best:
        return None
    columns = [int(np.nanargmin(land.loss[index])) for index in best]
    momenta = [_memory(land.families[index].momentum) for index in best]
    drawn = [
        line(momenta, [values_[i][c] for i, c in zip(best, columns, strict=True)], label, role, width=width)
        for values_, label, role, width in (
            (land.low, "", "pale", 1.0), (land.high, "80 % interval", "pale", 1.0), (land.loss, "expected", "ink", 2.0),
        )
    ]  # fmt: skip
    drawn += _dots(found, lambda trial: _memory(trial.run.recipe.momentum))
    bottom = _bottom(drawn)
    word = _momentum(found)
    caption = (
        f"Expected {found.budget.objective.name} at the end of a run at the best learning rate for each {word}: median and 80 % interval. "
        "Points: the runs that were made, at their own learning rates (orange: recommended)."
    ) + _cut(drawn, bottom)
    ticks = tuple((_memory(tick), f"{tick:g}") for tick in (0.0, 0.5, 0.8, 0.9, 0.95, 0.98))
    title = f"Does {word} matter here?"
    limits = _limits(found, drawn, bottom)
    kept = _within(drawn, bottom)
    return Curves("momentum", title, kept, word, "final loss", caption, True, bottom is not None, ticks=ticks, limits=limits)


def training(found: Tuning) -> Curves:
    """The loss along every run, and what was expected at its end."""
    drawn: list[Line] = []
    judged = found.budget.objective
    order = [index for index in range(len(found.runs)) if index != found.best] + ([] if found.best is None else [found.best])
    top = 3 * abs(float(values(found.runs[order[-1]], judged)[0])) if found.runs and len(values(found.runs[order[-1]], judged)) else np.inf
    for index in order:
        run, best = found.runs[index], index == found.best
        losses, marks = values(run, judged), run.marks[: len(values(run, judged))]
        kept = thinned(len(marks))
        label = f"{run.recipe.learning_rate:.3g}, {run.recipe.family}"
        drawn.append(line(marks[kept], np.where(losses[kept] <= top, losses[kept], np.nan), label, "hot" if best else "grey"))
    expected = None if found.best is None else found.history.trials[found.best].candidate.expected
    if expected is not None:
        end = found.budget.steps
        drawn.append(line([end, end], [expected.low, expected.high], "expected before the run", "pale", width=6.0))
    bottom = _bottom(drawn)
    caption = f"{judged.name.capitalize()} along every run (orange: recommended)."
    caption += " The pale bar is the 80 % interval that was expected of the recommended run before it was made." if expected else ""
    return Curves("runs", "What the runs did", _within(drawn, bottom), "step", judged.name, caption, log_y=bottom is not None)


def runs_table(found: Tuning) -> Table:
    """Every run in the order in which it was made, beside what was expected of it."""
    rows = []
    for trial in found.history.trials:
        recipe, expected = trial.run.recipe, trial.candidate.expected
        said = "not forecast" if expected is None else span(expected)
        ended = (
            on_run(trial, found)
            if trial.run.error or trial.run.diverged_at is not None
            else figure(final(trial.run, found.budget.objective))
        )
        rows.append([figure(recipe.learning_rate), str(recipe.family), str(trial.run.seed), said, ended])
    caption = "The recommended run is marked. 'Expected' was forecast before each run, for a fresh seed." if found.best is not None else ""
    return Table(("learning rate", "momentum", "seed", "expected (80 %)", "final loss"), rows, caption, found.best)


def blocks(found: Tuning) -> list[Block]:
    """The whole report, the answer first."""
    seen = found.measurement
    batch = "the whole data set" if found.budget.full_batch else f"batches of {found.budget.batch_size}"
    words = {"torch": "torch", "optax": "optax", "keras": "Keras"}
    note = keras_note(found.recipe, found.budget)
    made: list[Block] = []
    if found.trained:
        made += [Code({words[name]: text for name, text in lines(found.recipe, found.budget).items()}), *([Text(note)] if note else [])]
    if found.expected is not None:
        made.append(Text(f"A fresh run with another seed is expected to end at {interval(found.expected)}."))
    if found.choice is not None:
        made += [Heading("Which optimizer?"), Text(f"{on_choice(found.choice, found.budget.objective.sign < 0)}.")]
    made += [Heading(f"Does {_momentum(found)} matter?"), Text(f"{on_momentum(found)}."), *_kept([by_momentum(found)])]
    made += [Heading("Which learning rate?"), *_kept([by_learning_rate(found)]), Text(f"{on_margin(found)}."), _references(found)]
    if found.runs:
        made += [Heading("What was run"), Text(f"{len(found.runs)} full runs of {found.budget.steps} steps of {batch}."), training(found)]
        made += [runs_table(found)]
    made += [Heading("What was measured"), _facts(found), *([measured(found)] if seen.gradient.nodes.size else [])]
    made += [Heading("What it cost"), Text(f"{on_cost(found)}.")]
    if found.rivals:
        made += [
            Heading("Other optimizers, untuned"),
            Table(("one run each", found.budget.objective.name), rivals_rows(found.rivals)),
        ]
    said = remarks(found)
    made += [Heading("Remarks"), *(Text(words) for words in said)] if said else []
    if found.command:
        made += [Heading("Made by"), Code({"shell": found.command})]
    return made


def save(found: Tuning, folder: Any, record: Mapping[str, Any] | None = None) -> Folder:
    """Write report.html, the figures and record.json into a folder.

    Raises:
        BadInput: the folder cannot be written.
    """
    place = folder if isinstance(folder, Folder) else Folder(folder)
    data = dict(record or found.to_json())
    place.write_json("record.json", data)  # first: should drawing be interrupted, the result is there
    made = blocks(found)
    place.write_figures([block for block in made if not isinstance(block, Code | Heading | Table | Text)])
    footer = f"Made by inertia {found.version}. Every number in this report is in record.json, with all its digits."
    place.write("report.html", page(f"Tuning {found.task}", on_answer(found), made, _stamp(found), footer, data, place.drawn))
    return place


def started(trials: Sequence[Trial], judged: str) -> list[Block]:
    """The report of a tuning that was cut short: the runs that were finished."""
    if not trials:
        return [Text("No run was finished.")]
    drawn = [
        line(t.run.marks[: len(t.run.training)], t.run.training, f"{t.run.recipe.learning_rate:.3g}, {t.run.recipe.family}") for t in trials
    ]
    caption = f"The {len(trials)} runs that were finished."
    return [Curves("runs", "The runs so far", tuple(drawn), "step", judged, caption, log_y=_bottom(drawn) is not None)]


def rivals_rows(rivals: Sequence[Mapping[str, Any]]) -> list[list[str]]:
    """A row for each rival: its name, and its loss or what happened to it.

    >>> rivals_rows([{"name": "MoMo", "loss": 0.25}, {"name": "Prodigy", "loss": None}])
    [['MoMo', '0.25'], ['Prodigy', 'diverged']]
    """
    return [[str(row["name"]), f"{row['loss']:.6g}" if row["loss"] is not None else str(row.get("error", "diverged"))] for row in rivals]


def _references(found: Tuning) -> Table:
    """What is expected of settings that people copy."""
    rows = [[f"learning rate {figure(recipe.learning_rate)}, {recipe.family}", span(expected)] for recipe, expected in found.references]
    if found.expected is not None:
        rows.insert(
            0, [f"recommended: learning rate {figure(found.recipe.learning_rate)}, {found.recipe.family}", interval(found.expected)]
        )
    return Table(
        ("setting", f"expected {found.budget.objective.name}"),
        rows,
        "Losses expected on a fresh seed. Only the settings under 'What was run' were run.",
    )


def _facts(found: Tuning) -> Table:
    seen = found.measurement
    rows = [["training loss at the start", figure(seen.loss, 6)]]
    for at in seen.at:
        bar = f" (at most {figure(at.upper)})"
        rows.append([f"largest Hessian eigenvalue, {at.where}", f"{figure(at.largest)}{bar}"])
    rows += [
        ["smallest eigenvalue seen at the start", figure(seen.start.smallest, 3)],
        ["norm of the gradient", figure(seen.gradient_norm)],
        ["mini-batch noise, E|g_batch - g|^2", f"{figure(seen.noise.trace)} +- {figure(seen.noise.error, 2)}"],
        ["parameters", str(seen.dimension)],
        ["examples used for measuring", f"{seen.used} of {seen.examples}"],
    ]
    return Table(("measured", "value"), rows)


def _dots(found: Tuning, place: Any, family: Family | None = None) -> list[Line]:
    """The runs (of one momentum, where it is given) as points; those that diverged are left out (the table says so)."""
    made = []
    for index, trial in enumerate(found.history.trials):
        if trial.run.recipe.optimizer != found.recipe.optimizer:
            continue  # its learning rates and momenta are others
        if family is not None and trial.run.recipe.family != family:
            continue  # at another momentum the same learning rate is another step
        ended = final(trial.run, found.budget.objective)
        if np.isfinite(ended):
            best = index == found.best
            made.append(line([place(trial)], [ended], "recommended" if best else "", "hot" if best else "ink", dots=True))
    return sorted(made, key=lambda item: item.role == "hot")


def _limits(found: Tuning, drawn: Sequence[Line], bottom: float | None) -> tuple[float, float] | None:
    """Limits of the loss axis that leave the diverging end of the curves out, and on a logarithmic axis what an interval has far below.

    They go up to a little above the start or the highest run, and no higher than the curves do.
    """
    fine = _heights(drawn)
    low, top = float(fine.min()), float(fine.max())
    if found.runs:
        start = max(found.measurement.loss, *(item.y[0] for item in drawn if item.dots))
        top = min(start + 0.3 * abs(start), 1.3 * top if bottom is not None else top + 0.08 * (top - low))
    return (low - 0.08 * (top - low), top) if bottom is None else (bottom, top)


def _bottom(drawn: Sequence[Line]) -> float | None:
    """Where the loss axis ends below if it is logarithmic, at most a decade below what is expected or was reached; None: it is linear.

    What is expected and what was reached decide, for an interval may go down to 0.
    """
    fine, told = _heights(drawn), _heights(drawn, pale=False)
    if not (told.size and told.min() > 0 and fine.max() > _WIDE * told.min()):
        return None
    return max(float(fine.min()), 0.1 * float(told.min())) / 1.5


def _heights(drawn: Sequence[Line], pale: bool = True) -> Array:
    """All finite values of the lines, with those of the interval or without."""
    ys = [item.y for item in drawn if pale or item.role != "pale"]
    held = np.concatenate(ys) if ys else np.empty(0)
    return held[np.isfinite(held)]


def _cut(drawn: Sequence[Line], bottom: float | None) -> str:
    """What the caption says of an interval that the axis does not hold."""
    return "" if bottom is None or _heights(drawn).min() >= bottom else " The interval goes on below the axis."


def _within(drawn: Sequence[Line], bottom: float | None) -> tuple[Line, ...]:
    """Lines that end where a logarithmic axis does instead of at 0 or below."""
    return tuple(drawn) if bottom is None else tuple(item._replace(y=np.where(item.y < bottom, bottom, item.y)) for item in drawn)


def _momentum(found: Tuning) -> str:
    """What users of the recommended optimizer call its momentum."""
    return "beta1" if found.recipe.optimizer == "adamw" else "momentum"


def _memory(momentum: float) -> float:
    """1/(1 - momentum): an axis on which 0.9 and 0.99 are as far apart as 0 and 0.9."""
    return 1 / max(1 - momentum, 1e-6)


def _kept(views: Sequence[Curves | None]) -> list[Block]:
    return [view for view in views if view is not None]


def _stamp(found: Tuning) -> str:
    budget = found.budget
    batch = "the whole data set" if budget.full_batch else f"batches of {budget.batch_size}"
    return f"{budget.steps} steps of {batch}, {budget.schedule} schedule, seed {found.seed}"

"""A user's own tunings as experience: kept in a folder that the user names, in the form of the shipped cells, and nowhere else.

A tuning holds a few runs and no grid, so its surface is what is believed after those runs.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Collection, Sequence
from pathlib import Path

import numpy as np

from ...errors import BadInput
from ..budget import Budget
from ..judging import score, values
from ..measurement import Measurement
from ..policy import History
from ..recipe import Recipe
from .cells import Cell, Facts, read
from .features import features, marks, scale_of
from .prior import Experience, Job, Seen, places
from .surfaces import NET, Surface

__all__ = ["files_in", "filled", "folder_of", "keep", "pinned", "recalled", "remembered"]

VARIABLE = "INERTIA_EXPERIENCE"


def folder_of(named: str | Path | None) -> Path | None:
    """The folder of a user's own experience: the one named, else that of INERTIA_EXPERIENCE, else none.

    Raises:
        BadInput: a file where a folder is asked for.
    """
    found = named if named is not None else os.environ.get(VARIABLE) or None
    if found is None:
        return None
    path = Path(found).expanduser()
    if path.exists() and not path.is_dir():
        raise BadInput(f"experience = {found} is a file: name a folder, which is made where there is none")
    return path


def files_in(folder: Path | None) -> tuple[str, ...]:
    """The names of the tunings kept in a folder, in order."""
    return () if folder is None or not folder.exists() else tuple(sorted(path.name for path in folder.glob("tuning-*.json")))


def recalled(folder: Path | None, among: Collection[str] | None = None) -> tuple[Cell, ...]:
    """The tunings kept in a folder, in the order of their names; only those named in `among`, where it is given."""
    names = [name for name in files_in(folder) if among is None or name in among]
    return () if folder is None else tuple(cell for name in names for cell in read(folder / name))


def pinned(cells: Sequence[Cell]) -> str:
    """Which experience this is, in twelve letters: the same tunings give the same ones; "" without any."""
    return hashlib.sha256(json.dumps([cell.to_json() for cell in cells]).encode()).hexdigest()[:12] if cells else ""


def keep(folder: Path, name: str, measured: Measurement, budget: Budget, history: History) -> Path | None:
    """Write a finished tuning into the folder, once; None where it had no run to remember."""
    cell = remembered(name, measured, budget, history)
    if cell is None:
        return None
    text = json.dumps(cell.to_json(), separators=(",", ":"))
    path = folder / f"tuning-{hashlib.sha256(text.encode()).hexdigest()[:16]}.json"
    folder.mkdir(parents=True, exist_ok=True)
    aside = path.with_suffix(".new")
    aside.write_text(text + "\n")
    os.replace(aside, path)
    return path


def remembered(name: str, measured: Measurement, budget: Budget, history: History) -> Cell | None:
    """A tuning as a cell: one row for every recipe, one column for every time it ran."""
    held, sign = budget.objective.held_out, budget.objective.sign
    falls: dict[Recipe, list[float]] = {}
    start = sign * measured.validation if held else measured.loss
    for trial in history.trials:
        curve, ended = values(trial.run, budget.objective), score(trial.run, budget.objective)
        lost = not np.isfinite(ended) or not len(curve)
        falls.setdefault(trial.run.recipe, []).append(np.inf if lost else start - sign * float(curve[0]) + ended)
    if not falls:
        return None
    width = max(map(len, falls.values()))
    table = np.array([[*row, *[np.nan] * (width - len(row))] for row in falls.values()])
    facts = Facts.of(measured, budget, next(iter(falls)).optimizer)
    recipes, empty = tuple(falls), np.full(table.shape, np.nan)
    starts, nothing = np.full(width, start), np.full(width, np.nan)
    return Cell(
        name=name, family=name, schedule=budget.schedule, optimizer=recipes[0].optimizer, facts=facts,
        start=nothing if held else starts, held_start=starts if held else nothing, recipes=recipes,
        training=empty if held else table, held=table if held else empty, forecast=np.full(len(recipes), np.nan), held_out=held, full=False,
    )  # fmt: skip


def filled(known: Experience, cell: Cell) -> Surface | None:
    """The surface of a cell with few runs: what is believed of it after them."""
    losses, starts = (cell.held, cell.held_start) if cell.held_out else (cell.training, cell.start)
    fell = np.array([float(np.nanmean(np.maximum(starts[0] - row, 0.0))) for row in losses])
    if not np.all(np.isfinite(fell)) or not np.any(fell > 0):
        return None
    facts = cell.facts
    at = known.fitted.unit(facts, cell.optimizer)
    shown = marks(facts, cell.optimizer) - at
    job = Job(features(facts, cell.optimizer), at, float(starts[0]), scale_of(facts, cell.optimizer), np.inf, marks=shown)
    x, along = np.log2([recipe.learning_rate for recipe in cell.recipes]) - at, known.fitted.along
    weighed = known.weigh(job, places(x, [recipe.family for recipe in cell.recipes], known.families, along), Seen(fell, fell == 0))
    grid = [family for family in known.families for _ in NET]
    belief = known.belief(weighed, places(np.tile(NET, len(known.families)), grid, known.families, along))
    shape = (len(known.families), NET.size)
    seen, mean, spread, failing, risen = (
        (belief.weight @ table).reshape(shape)
        for table in (belief.run, belief.mean, belief.noise + belief.variance, belief.failing, belief.risen)
    )
    fall = float(np.exp(belief.weight @ (belief.chance @ np.log(belief.fall))))
    gains = known.gains[belief.source]
    kept = np.isfinite(gains)
    gain = float(np.average(gains[kept], weights=belief.weight[kept])) if kept.any() else float("nan")
    ran = np.array([any(recipe.family == family for recipe in cell.recipes) for family in known.families])
    return Surface(
        cell=cell, features=job.features, unit=at, ran=ran, seen=seen, spread=spread, mean=mean, failing=failing, risen=risen,
        said=np.full(shape, np.nan), start=job.start, fall=fall, promised=float("nan"), most=float("nan"), gain=gain,
    )  # fmt: skip

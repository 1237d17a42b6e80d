"""Everything that is known, as arrays: new grids and those of benchmarks/tuner in one form. Sealed jobs only for who asks by name.

for record in records():                         # every job that is not sealed
    for (optimizer, schedule), grid in record.grids.items():
        grid.rates[f]                            # powers of two of momentum f, (R,)
        grid.train[f]                            # (R, S): nan where not run, inf where diverged
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .jobs import JOBS, Job

HERE = Path(__file__).parent
TUNER, ORACLE = HERE.parent / "tuner" / "data", HERE.parent / "data" / "tuner_oracle.json"
Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Grid:
    """One optimizer on one schedule: per momentum (or beta1), columns over log2 of the learning rate."""

    families: tuple[str, ...]
    rates: dict[str, Array]  # (R,) ascending
    train: dict[str, Array]  # (R, S) final training losses per seed; nan = not run, inf = diverged
    validation: dict[str, Array]  # the same; nan also where there are no validation examples
    curves: dict[str, Array]  # (R, C) training loss of seed 0 at Record.curve_at; nan where not kept


@dataclass(frozen=True, eq=False)
class Record:
    """All that is known of one job."""

    job: Job
    start: dict[str, list[float]]
    features: list[dict[str, Any]]
    sizes: dict[str, int]
    reading: dict[str, str]  # optimizer -> "tail" or "last"
    curve_at: list[int]
    grids: dict[tuple[str, str], Grid]
    short: dict[str, dict[tuple[str, str], Grid]] = field(default_factory=dict)


def records(sealed: bool = False) -> Iterator[Record]:
    """Every job of which anything is known, the sealed ones only on demand."""
    for job in JOBS.values():
        if not job.sealed or sealed:
            found = record(job.name)
            if found.grids:
                yield found


def record(name: str) -> Record:
    job = JOBS[name]
    path = HERE / "data" / job.folder / f"{name}.json"
    known = json.loads(path.read_text()) if path.exists() else {}
    grids = _grids(known.get("grids", {}), job.seeds)
    reading, start = {optimizer: "tail" for optimizer, _ in grids}, known.get("start", {})
    if job.source == "tuner":
        tree, first = _tuner_network(name) if job.kind == "network" else _tuner_convex(job)
        grids |= _grids({"sgd": tree}, job.seeds)
        reading["sgd"], start = "last", start or {"train": first, "validation": []}
    short = {part: _grids(tree, job.seeds) for part, tree in known.get("short", {}).items()}
    return Record(job, start, known.get("features", []), known.get("sizes", {}), reading, known.get("curve_at", []), grids, short)


def _tuner_network(name: str) -> tuple[dict[str, Any], list[float]]:
    """Schedule -> momentum -> columns of a network of the tuner's benchmark, and its start losses."""
    known = json.loads((TUNER / f"grid-{name}.json").read_text())
    tree: dict[str, Any] = {}
    for schedule, runs in known["runs"].items():
        cells: dict[str, dict[float, Any]] = {}
        for key, cell in runs.items():
            family, rate = key.split("@")
            cells.setdefault(family, {})[float(rate)] = cell
        for family, rows in cells.items():
            rates = sorted(rows)
            columns = {which: [rows[k][which] for k in rates] for which in ("train", "validation")}
            tree.setdefault(schedule, {})[family] = {"rates": rates, "curve": [[] for _ in rates]} | columns
    return tree, known["start"]


def _tuner_convex(job: Job) -> tuple[dict[str, Any], list[float]]:
    """The same of a convex cell, whose learning rates were powers of two over the largest curvature."""
    whole, tree, first = json.loads(ORACLE.read_text()), {}, []
    names = ("0", "0.5", "0.8", "0.9", "0.95", "0.99", "nesterov-0.9", "nesterov-0.99")
    for schedule in ("constant", "linear"):
        cell = whole["cells"][f"{job.built} {job.steps} steps, batch {job.batch_size}, {schedule}"]
        rates = [round(k - math.log2(cell["unit"]), 4) for k in whole["exponents"]]
        empty: list[list[float]] = [[] for _ in rates]
        tree[schedule] = {
            name: {"rates": rates, "train": losses, "validation": empty, "curve": empty}
            for name, losses in zip(names, cell["losses"], strict=True)
        }
        first = [cell["start"]]
    return tree, first


def _grids(tree: dict[str, Any], seeds: int) -> dict[tuple[str, str], Grid]:
    found = {}
    for optimizer, schedules in tree.items():
        for schedule, families in schedules.items():
            parts = {
                which: {name: _table(columns[which], seeds) for name, columns in families.items()} for which in ("train", "validation")
            }
            curves = {name: _table(columns["curve"], max(map(len, columns["curve"]), default=0)) for name, columns in families.items()}
            rates = {name: np.array(columns["rates"], dtype=float) for name, columns in families.items()}
            found[optimizer, schedule] = Grid(tuple(families), rates, parts["train"], parts["validation"], curves)
    return found


def _table(rows: list[list[float | None]], width: int) -> Array:
    """Rows of unequal length as one array: nan beyond their ends, inf for null."""
    table = np.full((len(rows), max(width, max(map(len, rows), default=0))), np.nan)
    for row, values in zip(table, rows, strict=True):
        row[: len(values)] = [math.inf if value is None else value for value in values]
    return table

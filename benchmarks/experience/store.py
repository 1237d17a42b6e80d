"""What is kept of a job: one JSON file, `data/JOB.json` (`data/sealed`, `data/drawn`), written after every batch of runs.

    job, schema, versions, sizes    what was run, by what (dimension, examples, batch_size, steps)
    reading                         "tail": a final loss is the mean of the last readings; "last": the last one (the tuner's grids)
    start      {train, validation}  losses before the first step, per seed
    features   [{...}]              per seed, as many as were measured (see features.py)
    curve_at   [...]                steps at which curves are read
    grids      optimizer -> schedule -> momentum or beta1 -> columns; `rates` are powers of two of the learning rate, and
               `train`, `validation` hold for every rate the final losses of seeds 0, 1, ... (as many as were run; null where a
               run diverged), `curve` the training loss of seed 0 along the way, or nothing
    short      "8" or "4" -> the same, of runs of steps/8 or steps/4 with the schedule compressed
    rivals     schedule -> optimizer -> {train, validation, cost}: one untuned run on every seed (see rivals.py)
    seconds    computing time by stage

Numbers have five significant digits, curves four.
"""

from __future__ import annotations

import json
import math
import os
import platform
from pathlib import Path
from typing import Any

import jax
import numpy as np

import inertia

from .jobs import Job
from .runs import Ended

DATA = Path(__file__).parent / "data"
SCHEMA = 1
Where = tuple[str, str, str]  # optimizer, schedule, momentum's name or beta1


def path_of(job: Job) -> Path:
    return DATA / job.folder / f"{job.name}.json"


def rounded(value: float, digits: int = 5) -> float | None:
    return float(f"{value:.{digits}g}") if math.isfinite(value) else None


def versions() -> dict[str, str]:
    return {"inertia": inertia.__version__, "jax": jax.__version__, "numpy": np.__version__, "python": platform.python_version()}


class Store:
    """The file of a job, and what it says of every cell."""

    def __init__(self, job: Job) -> None:
        self.job, self.path = job, path_of(job)
        known = json.loads(self.path.read_text()) if self.path.exists() else {}
        self.head: dict[str, Any] = {"job": job.name, "schema": SCHEMA, "reading": "tail"} | {
            name: known[name] for name in known if name not in ("grids", "short", "job", "schema")
        }
        self.cells: dict[str, dict[Where, dict[float, dict[str, list[Any]]]]] = {}
        for part, tree in {"": known.get("grids", {}), **known.get("short", {})}.items():
            self.cells[part] = _unfolded(tree)

    def column(self, where: Where, part: str = "") -> dict[float, list[float]]:
        """Training losses by rate, per seed; inf where diverged."""
        rows = self.cells.get(part, {}).get(where, {})
        return {rate: [math.inf if x is None else x for x in cell["train"]] for rate, cell in rows.items()}

    def add(self, where: Where, rate: float, ended: Ended, curve: bool = False, part: str = "") -> None:
        """Append the next seed of a cell."""
        empty: dict[str, list[Any]] = {"train": [], "validation": [], "curve": []}
        cell = self.cells.setdefault(part, {}).setdefault(where, {}).setdefault(rate, empty)
        cell["train"].append(rounded(ended.train))
        if not math.isnan(ended.validation) or self.head["start"]["validation"]:  # nan where it overflowed, too: as if it had diverged
            cell["validation"].append(rounded(ended.validation))
        if curve and not cell["curve"]:
            cell["curve"] = [rounded(value, 4) for value in ended.curve]

    def spent(self, stage: str, seconds: float) -> None:
        now = self.head.setdefault("seconds", {})
        now[stage] = round(now.get(stage, 0.0) + seconds, 1)

    def save(self) -> None:
        self.head["versions"] = versions()
        short = {part: _folded(tree) for part, tree in sorted(self.cells.items()) if part and tree}
        whole = self.head | {"grids": _folded(self.cells.get("", {})), "short": short}
        self.path.parent.mkdir(parents=True, exist_ok=True)
        aside = self.path.with_suffix(".new")
        aside.write_text(_laid_out(whole) + "\n")
        os.replace(aside, self.path)


def _unfolded(tree: dict[str, Any]) -> dict[Where, dict[float, dict[str, list[Any]]]]:
    found: dict[Where, dict[float, dict[str, list[Any]]]] = {}
    for optimizer, schedules in tree.items():
        for schedule, families in schedules.items():
            for family, columns in families.items():
                rows = zip(columns["rates"], columns["train"], columns["validation"], columns["curve"], strict=True)
                found[optimizer, schedule, family] = {k: {"train": a, "validation": b, "curve": c} for k, a, b, c in rows}
    return found


def _folded(cells: dict[Where, dict[float, dict[str, list[Any]]]]) -> dict[str, Any]:
    tree: dict[str, Any] = {}
    for (optimizer, schedule, family), rows in sorted(cells.items()):
        rates = sorted(rows)
        columns = {"rates": rates} | {name: [rows[k][name] for k in rates] for name in ("train", "validation", "curve")}
        tree.setdefault(optimizer, {}).setdefault(schedule, {})[family] = columns
    return tree


def _laid_out(value: Any, depth: int = 0) -> str:
    """JSON with a line for every column, so that changes can be read."""
    if isinstance(value, dict) and depth < 5 and any(isinstance(inner, dict | list) for inner in value.values()):
        inside = ",\n".join(f"{json.dumps(name)}: {_laid_out(inner, depth + 1)}" for name, inner in value.items())
        return f"{{\n{inside}\n}}"
    return json.dumps(value, separators=(",", ":"))

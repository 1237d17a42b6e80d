"""What a final loss is worth beside the best cell of a dense grid: the one place that says so, for every job and every rival.

    logreg = ln((loss - ref + eps)/(oracle - ref + eps)),   eps = 1 % of (start - ref),   ref = least-squares minimum or 0
    frac   = (start - loss)/(start - oracle)

A loss that is not finite, or worse than the start by more than the oracle is better, counts as just that bad: frac = -1.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

import numpy as np
from jobs import FAMILIES, JOBS, SEEDS

DATA = Path(__file__).parent / "data"
CONVEX = Path(__file__).parents[1] / "data" / "tuner_oracle.json"

Key = tuple[str, str]  # (family, power of two of the learning rate): a cell of the grid
Losses = list[float | None]  # one per seed; None = diverged


def finite(value: float) -> float | None:
    return float(f"{float(value):.6g}") if np.isfinite(value) else None


def mean(losses: Losses) -> float:
    return float(np.mean([math.inf if loss is None else loss for loss in losses]))


@dataclass(frozen=True)
class Scale:
    """Start, best cell and what cannot be undercut: the ruler that losses are laid on."""

    start: float
    oracle: float
    reference: float = 0.0

    def score(self, loss: float) -> tuple[float, float]:
        """(logreg, frac) of a mean final loss."""
        loss = min(loss, 2 * self.start - self.oracle)
        eps = 0.01 * (self.start - self.reference)
        logreg = math.log((loss - self.reference + eps) / (self.oracle - self.reference + eps))
        return logreg, (self.start - loss) / (self.start - self.oracle)


class Grid:
    """The dense grid of one job (a network's name, or what `convex.label` calls a convex cell) and schedule."""

    def __init__(self, name: str, schedule: str) -> None:
        self.name, self.schedule = name, schedule
        data = _network(name, schedule) if name in JOBS else _convex(name, schedule)
        self.runs: dict[Key, dict[str, Losses]] = data["runs"]
        self.starts: list[float] = data["start"]
        self.start = float(np.mean(self.starts))
        self.means = {key: mean(value["train"]) for key, value in self.runs.items()}
        self.best = min(self.means, key=self.means.__getitem__)
        self.oracle = self.means[self.best]
        self.train = Scale(self.start, self.oracle, data["reference"])

    def score(self, loss: float) -> tuple[float, float]:
        """(logreg, frac) of a mean final training loss."""
        return self.train.score(loss)

    @cached_property
    def held(self) -> dict[Key, float]:
        """Mean validation loss of every cell; empty where there is none."""
        return {key: mean(value["validation"]) for key, value in self.runs.items() if "validation" in value}

    def held_scale(self, start: float) -> Scale:
        """The ruler of validation losses, from the validation loss at the start."""
        return Scale(start, min(self.held.values()))

    def exponents(self, family: str) -> np.ndarray:
        return np.array(sorted(float(k) for f, k in self.runs if f == family))

    def search(self, seen: dict[Key, float]) -> Key:
        """What a search that saw these losses recommends."""
        return min(seen, key=seen.__getitem__)

    def on_seed(self, key: Key, seed: int) -> float:
        """Final training loss of one cell on one of the grid's seeds (by place)."""
        return mean([self.runs[key]["train"][seed]])


def read(path: Path) -> dict:
    """A file of data; read once while it stays the same."""
    return _read(path, path.stat().st_mtime_ns)


@cache
def _read(path: Path, changed: int) -> dict:
    return json.loads(path.read_text())


def _network(name: str, schedule: str) -> dict:
    data = read(DATA / f"grid-{name}.json")
    runs = {tuple(key.split("@")): value for key, value in data["runs"][schedule].items()}
    return {"runs": runs, "start": data["start"], "reference": 0.0}


def _convex(name: str, schedule: str) -> dict:
    data = read(CONVEX)
    cell = data["cells"][f"{name}, {schedule}"]
    runs = {
        (family, str(k)): {"train": losses}
        for family, row in zip(FAMILIES, cell["losses"], strict=True)
        for k, losses in zip(data["exponents"], row, strict=True)
    }
    return {"runs": runs, "start": [cell["start"]] * len(SEEDS), "reference": cell["reference"]}

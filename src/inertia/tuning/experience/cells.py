"""What is known of training jobs: one cell is one job under one budget, schedule and optimizer, with the losses its runs ended at.

Cells come from dense grids (shipped with the package) and from a user's own tunings, and both are kept in one form: JSON, one cell
an object. Losses are kept as they were read; nothing is normalised before it is used.
"""

from __future__ import annotations

import gzip
import json
from dataclasses import asdict, dataclass, replace
from functools import cache, cached_property
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import BadInput
from ..budget import Budget
from ..ladder import Ladder
from ..measurement import Measurement
from ..quadratic import promised
from ..recipe import Family, Recipe

__all__ = ["Cell", "Facts", "read", "shipped", "written"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Facts:
    """What is known of a job before it is run, in raw units: the numbers that features are made of."""

    steps: int
    batch_size: int
    examples: int
    dimension: int
    mean_factor: float  # of the schedule, relative to its peak
    last_factor: float
    loss: float  # training loss at the start
    lowest: float | None  # what the training loss cannot go below, where that is known
    gradient_norm: float
    noise: float  # E |g_batch - g|^2 of a step's batch
    largest: float  # curvature, wherever it was seen
    largest_start: float
    smallest: float
    convex: bool
    decay: float = 0.0
    parameter_norm: float | None = None
    promised: float | None = None  # how far the quadratic at the start says that the loss can fall; None where it was withheld
    short_steps: int | None = None  # of the ladder of short runs (see tuning.ladder), of this optimizer; None: there was none
    short_best: float | None = None  # log2 of the learning rate whose loss is lowest after them
    short_half: float | None = None  # log2 of that above it from which on half of the fall is lost
    short_edge: float | None = None  # log2 of that above it from which on all of it is lost
    short_fall: float | None = None  # how far the loss fell on the best

    @staticmethod
    def of(measured: Measurement, budget: Budget, optimizer: str = "sgd") -> Facts:
        """The facts of a measured job under a budget, for one optimizer."""
        factors = np.asarray(budget.factors, dtype=float)
        peak = float(factors.max())
        facts = Facts(
            int(budget.steps), int(budget.batch_size), int(budget.examples), int(measured.dimension),
            float(factors.mean()) / peak, float(factors[-1]) / peak, float(measured.loss), measured.lowest,
            float(measured.gradient_norm), float(measured.noise.trace), float(measured.largest), float(measured.start.largest),
            float(min(seen.smallest for seen in measured.at)), bool(measured.convex), float(measured.decay), float(measured.parameter_norm),
            promised(measured, budget),
        )  # fmt: skip
        return facts.climbed(measured.ladder(optimizer))

    def climbed(self, ladder: Ladder | None) -> Facts:
        """With what a ladder of short runs says."""
        if ladder is None:
            return self
        best, half, edge, fall = (float(f"{x:.5g}") for x in (ladder.best, ladder.half, ladder.edge, ladder.fall))
        return replace(self, short_steps=ladder.steps, short_best=best, short_half=half, short_edge=edge, short_fall=fall)


@dataclass(frozen=True, eq=False)
class Cell:
    """One job under one budget, schedule and optimizer, and where runs of it ended.

    A run that diverged holds inf; a loss that was not read holds nan.
    """

    name: str
    family: str  # jobs that share data and architecture carry the same: they are left out together
    schedule: str
    optimizer: str
    facts: Facts
    start: Array  # (S,) training loss at the start, seed by seed
    held_start: Array  # (S,) validation loss at the start; nan where there is none
    recipes: tuple[Recipe, ...]  # (R)
    training: Array  # (R, S) final training losses
    held: Array  # (R, S) final validation losses; nan where there are none
    forecast: Array  # (R,) share of its own fall that the quadratic at the start said would be left; nan where it was withheld
    bound: float | None = None  # what the training loss of this job cannot go below, for whoever judges; the tuner may not know it
    held_out: bool = False  # whether the objective of a user's own tuning was the validation loss
    full: bool = True  # a dense grid, whose gain by momentum speaks for other jobs; False: a few runs of a tuning, or a job drawn by a die

    @cached_property
    def families(self) -> tuple[Family, ...]:
        """The momenta that ran, in order."""
        return tuple(sorted(Family(*kind, self.optimizer) for kind in {(recipe.momentum, recipe.nesterov) for recipe in self.recipes}))

    @cached_property
    def whose(self) -> NDArray[np.intp]:
        """(R,) which of the families every recipe is of."""
        number = {(family.momentum, family.nesterov): row for row, family in enumerate(self.families)}
        return np.array([number[recipe.momentum, recipe.nesterov] for recipe in self.recipes], dtype=np.intp)

    def to_json(self) -> dict[str, Any]:
        """Plain numbers and words; losses to six digits."""
        return {
            "name": self.name, "family": self.family, "schedule": self.schedule, "optimizer": self.optimizer, "full": self.full,
            "bound": self.bound, "held_out": self.held_out,
            "facts": asdict(self.facts), "start": _listed(self.start), "held_start": _listed(self.held_start),
            "recipes": [[recipe.learning_rate, recipe.momentum, int(recipe.nesterov)] for recipe in self.recipes],
            "training": _listed(self.training), "held": _listed(self.held), "forecast": _listed(self.forecast),
        }  # fmt: skip

    @staticmethod
    def from_json(data: dict[str, Any]) -> Cell:
        """The cell that `to_json` wrote."""
        optimizer = str(data["optimizer"])
        recipes = tuple(Recipe(float(rate), float(momentum), bool(ahead), optimizer) for rate, momentum, ahead in data["recipes"])
        arrays: dict[str, Any] = {key: _array(data[key]) for key in ("start", "held_start", "training", "held", "forecast")}
        words = {key: data[key] for key in ("name", "family", "schedule", "bound", "held_out", "full")}
        return Cell(optimizer=optimizer, facts=Facts(**data["facts"]), recipes=recipes, **arrays, **words)


def _listed(values: Array) -> Any:
    """Numbers to six digits; "inf" for a run that diverged, null for what was not read."""
    if values.ndim > 1:
        return [_listed(row) for row in values]
    return [None if np.isnan(x) else "inf" if np.isinf(x) else float(f"{x:.6g}") for x in values]


def _array(rows: Any) -> Array:
    """What `_listed` wrote; earlier files hold "x" for a run that diverged."""
    try:
        return np.array(rows, dtype=float)
    except ValueError:
        if rows and isinstance(rows[0], list):
            return np.array([_array(row) for row in rows])
        return np.array([np.inf if x == "x" else x for x in rows], dtype=float)


def written(cells: list[Cell] | tuple[Cell, ...], path: Path) -> None:
    """Cells as compressed JSON, always the same bytes for the same cells."""
    text = json.dumps([cell.to_json() for cell in cells], separators=(",", ":"))
    with path.open("wb") as raw, gzip.GzipFile("", "wb", 9, raw, mtime=0) as packed:
        packed.write(text.encode())


def read(path: Path) -> tuple[Cell, ...]:
    """The cells in a file, compressed or not.

    Raises:
        BadInput: a file that holds something else.
    """
    data = path.read_bytes()
    try:
        found = json.loads(gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data)
        return tuple(Cell.from_json(each) for each in (found if isinstance(found, list) else [found]))
    except (KeyError, TypeError, ValueError, OSError) as error:
        raise BadInput(
            f"{path} does not hold experience as inertia writes it ({type(error).__name__}): delete it or name another"
        ) from None


@cache
def shipped() -> tuple[Cell, ...]:
    """The grids that come with the package.

    >>> len({cell.name for cell in shipped()}) >= 40
    True
    """
    return read(Path(str(files(__package__) / "data" / "cells.json.gz")))

"""Where the best learning rate of a job lies, as a straight line in its features: ridge regression in closed form.

    python benchmarks/experience/trend.py          prints how far off it is, leave one family out, and writes data/fitted.json

The target is log2 of the best learning rate at momentum (beta1) 0.9, less the weighted mean of what short runs and the curvature show.
A second line says how much momentum gains: the root of the logarithm of the ratio of losses, which is never negative.
A family weighs as much as another, however many jobs it has; the penalty is the one that is least off, leave one family out.
A last number says how far the best rate moves between schedules.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import inertia
from inertia.tuning.experience.cells import Cell, shipped
from inertia.tuning.experience.features import FEATURES, Trend, octaves_apart, regressors, shown
from inertia.tuning.experience.jobs import experience
from inertia.tuning.experience.reading import FITTED, Fitted
from inertia.tuning.experience.surfaces import Surface, left, reference
from inertia.tuning.factors import factors_of

TARGET = Path(inertia.__file__).parent / "tuning" / "experience" / "data" / "fitted.json"
PENALTIES = (0.5, 2.0, 8.0, 32.0, 128.0, 1e9)  # in families, on weights of regressors with variance 1; the last leaves the mean alone
NEAR = 0.1  # rates whose y lies so near to the lowest count as best, too
Array = NDArray[np.float64]


def position(cell: Cell) -> float:
    """log2 of the best learning rate at 0.9: the mean over rates, weighted by how near to the lowest they end; nan where none ran."""
    rows = [k for k, recipe in enumerate(cell.recipes) if recipe.momentum == 0.9 and not recipe.nesterov]
    means = np.nanmean(np.minimum(cell.training[rows], cell.start), axis=1) if rows else np.empty(0)
    start = float(cell.start.mean())
    if not means.size or not means.min() < start:
        return float("nan")
    ref = reference(start, float(means.min()), cell.bound)
    y = left((means - ref) / (start - ref))
    weight = np.exp((y.min() - y) / NEAR)
    return float(weight @ np.log2([cell.recipes[k].learning_rate for k in rows]) / weight.sum())


class Table:
    """Regressors and a target of known jobs, with their families."""

    def __init__(self, rows: Sequence[tuple[Cell, float]]) -> None:
        rows = [(cell, value) for cell, value in rows if np.isfinite(value)]
        self.families = np.array([cell.family for cell, _ in rows])
        self.x = np.array([regressors(cell.facts, cell.optimizer) for cell, _ in rows]).reshape(-1, len(FEATURES) + 1)
        self.y = np.array([value for _, value in rows])

    @staticmethod
    def rates(cells: Sequence[Cell], optimizer: str, convex: bool, fitted: Fitted) -> Table:
        """Where the best learning rate lies."""
        mine = [cell for cell in cells if cell.facts.convex == convex and cell.optimizer == optimizer]
        return Table([(cell, position(cell) - shown(cell.facts, optimizer, fitted.units(convex))) for cell in mine])

    @staticmethod
    def gains(surfaces: Sequence[Surface]) -> Table:
        """The root of ln of momentum's gain."""
        return Table([(s.cell, float(np.sqrt(max(s.gain, 0.0)))) for s in surfaces if np.isfinite(s.gain)])

    def best(self) -> float:
        """The penalty that is least off."""
        return min(PENALTIES, key=self.off) if self.y.size else PENALTIES[-1]

    def line(self, penalty: float, without: str = "") -> Trend:
        """The regression on all families but one."""
        use = self.families != without
        families, x, y = self.families[use], self.x[use], self.y[use]
        if not y.size:
            width = len(FEATURES) + 1
            return Trend(0.0, *(((0.0,) * width,) * 4))
        weight = np.array([1 / np.sum(families == family) for family in families])
        middle = np.array([_mean(column, weight) for column in x.T])
        filled = np.where(np.isnan(x), middle, x)
        spread = np.sqrt(weight @ (filled - middle) ** 2 / weight.sum())
        scaled = np.divide(filled - middle, spread, out=np.zeros_like(filled), where=spread > 1e-9)
        mean = float(weight @ y / weight.sum())
        slopes = np.linalg.solve(scaled.T @ (weight[:, None] * scaled) + penalty * np.eye(x.shape[1]), scaled.T @ (weight * (y - mean)))
        weights = np.divide(slopes, spread, out=np.zeros_like(slopes), where=spread > 1e-9)
        return Trend(*(_told(each) for each in (mean, weights, middle, filled.min(axis=0), filled.max(axis=0))))  # type: ignore[arg-type]

    def off(self, penalty: float) -> float:
        """Root mean square error in octaves, leave one family out, families alike in weight."""
        each = []
        for family in sorted(set(self.families)):
            line, mine = self.line(penalty, family), self.families == family
            each.append(np.mean([(y - line.at(x)) ** 2 for x, y in zip(self.x[mine], self.y[mine], strict=True)]))
        return float(np.sqrt(np.mean(each)))

    def spread(self) -> float:
        """The same of the mean alone."""
        families = sorted(set(self.families))
        means = np.array([self.y[self.families == family].mean() for family in families])
        rest = [(means.sum() - mean) / max(len(means) - 1, 1) for mean in means]
        return float(np.sqrt(np.mean([np.mean((self.y[self.families == f] - m) ** 2) for f, m in zip(families, rest, strict=True)])))


def _mean(column: Array, weight: Array) -> float:
    known = np.isfinite(column)
    return float(weight[known] @ column[known] / weight[known].sum()) if known.any() else 0.0


def _told(value: float | Array) -> float | tuple[float, ...]:
    """Numbers to four digits."""
    return tuple(float(f"{x:.4g}") for x in value) if isinstance(value, np.ndarray) else float(f"{value:.4g}")


def shape(cells: Sequence[Cell], optimizer: str) -> float:
    """How many octaves the best learning rate moves where a schedule is one octave apart: root mean square over families.

    Of jobs that are known with a constant and with a linearly falling learning rate; see features.octaves_apart.
    """
    at = {(cell.name, cell.schedule): (position(cell), cell) for cell in cells if cell.optimizer == optimizer}
    moved: dict[str, list[float]] = {}
    for (name, schedule), (where, cell) in at.items():
        other = at.get((name, "constant"))
        if schedule == "linear" and other is not None and np.isfinite(where - other[0]):
            apart = octaves_apart(*(factors_of(each, cell.facts.steps)[1] for each in ("constant", "linear")))
            moved.setdefault(cell.family, []).append((where - other[0]) / apart)
    return float(f"{np.sqrt(np.mean([np.mean(np.square(each)) for each in moved.values()])):.3g}")


def penalties(cells: Sequence[Cell], optimizer: str, fitted: Fitted) -> tuple[float, float]:
    """The penalty that is least off, of networks and of convex jobs."""
    return tuple(Table.rates(cells, optimizer, convex, fitted).best() for convex in (False, True))  # type: ignore[return-value]


def trends(cells: Sequence[Cell], optimizer: str, fitted: Fitted, penalty: tuple[float, float], without: str = "") -> tuple[Trend, Trend]:
    """The lines of networks and of convex jobs, from all families but one."""
    return tuple(Table.rates(cells, optimizer, convex, fitted).line(penalty[convex], without) for convex in (False, True))  # type: ignore[return-value]


def written(optimizer: str, fitted: Fitted) -> None:
    """The numbers of one optimizer kept where the package reads them; those of the other stay as they are on disk."""
    kept = json.loads(TARGET.read_text()) | {optimizer: asdict(fitted)}
    TARGET.write_text(json.dumps(kept, indent=1) + "\n")


def main() -> None:
    for optimizer, fitted in FITTED.items():
        chosen = penalties(shipped(), optimizer, fitted)
        tables = [Table.rates(shipped(), optimizer, convex, fitted) for convex in (False, True)]
        gained = Table.gains(experience(optimizer, False, fitted).surfaces)
        for table, what in zip([*tables, gained], ("rates of networks", "rates of convex jobs", "gains of momentum"), strict=True):
            if table.y.size:
                off = f"{table.spread():.2f} by the mean, {table.off(table.best()):.2f} by the line (penalty {table.best():g})"
                print(f"{optimizer}, {what}: {len(set(table.families))} families, off leave one out: {off}")
        lines = trends(shipped(), optimizer, fitted, chosen)
        moves = shape(shipped(), optimizer)
        print(f"{optimizer}: the best rate moves by {moves} octaves where a schedule is one octave apart")
        written(optimizer, replace(fitted, trends=lines, gains=gained.line(gained.best()), shape=moves))


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parent))
    main()

"""An experiment holds what a document printed against what we compute when asked, and says what it means.

Printed values are data (`printed.json`: value, last printed digit, where it stands); ours are computed on every call; the
verdict follows from the two numbers alone. Only the sentence that explains it is written by hand.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from ..errors import BadInput, nearest

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["DOCUMENTS", "VERDICTS", "Experiment", "Printed", "Row", "Session", "compare", "not_replayable", "printed"]

VERDICTS = ("matches", "within range", "source is wrong", "not replayable")
DOCUMENTS = {
    "000": "Momentum from scratch (The Straight Dope, 2017)",
    "001": "Why Momentum (D2L slides, 2026)",
    "002": "Why Momentum Really Works (Goh, Distill 2017)",
    "003": "Momentum (Purdue ME 697 course page, 2023)",
}


class Printed(NamedTuple):
    """A number (or several) as a document prints it."""

    value: Any  # number, list of numbers, or words
    unit: float  # one unit of the last printed digit: rounding explains half of it
    source: str  # document and place


class Row(NamedTuple):
    """One comparison: printed, ours, the 5-95 % interval over seeds where there is chance, and what it means."""

    id: str
    source: str
    printed: Any
    ours: Any
    interval: tuple[float, float] | None
    verdict: str
    why: str
    percentile: float | None = None  # where the printed value sits among our runs

    def to_json(self) -> dict[str, Any]:
        """The row as plain data."""
        return self._asdict()


@dataclass
class Session:
    """How an experiment is asked to run: how many seeds, and whom to tell how far it is."""

    seeds: int = 100
    progress: Callable[[int, int], None] = lambda done, total: None


@dataclass(frozen=True)
class Experiment:
    """A named experiment of one document: rows to compare and, where there is something to see, a picture."""

    name: str
    document: str
    title: str
    run: Callable[[Session], list[Row]]
    draw: Callable[[Session], Figure] | None = None
    stochastic: bool = False
    tags: Sequence[str] = field(default=())


@cache
def _table() -> dict[str, Any]:
    return json.loads(files(__package__).joinpath("printed.json").read_text())


def printed(identifier: str) -> Printed:
    """What the documents print under this identifier.

    Raises:
        BadInput: no such identifier (the nearest one is suggested).
    """
    table = _table()
    if identifier not in table:
        raise BadInput(f"no printed value '{identifier}': {nearest(identifier, table)}")
    entry = table[identifier]
    return Printed(entry["value"], float(entry.get("unit", 0.0)), entry["source"])


def compare(identifier: str, ours: ArrayLike, why: str, *, runs: ArrayLike | None = None) -> Row:
    """Hold a printed value against ours, or against many seeded runs of ours.

    Without `runs`: *matches* where every number agrees to half a unit of its last printed digit, else *source is wrong*.
    With `runs` (seeds,): `ours` is ignored, the median is reported; *matches* where it rounds to the printed number, *within
    range* where the printed number lies among the runs, else *source is wrong*.
    """
    says = printed(identifier)
    if runs is None:
        value = np.asarray(ours, dtype=float)
        near = np.all(np.abs(value - np.asarray(says.value, dtype=float)) <= 0.5 * says.unit * (1 + 1e-6))
        return Row(identifier, says.source, says.value, value.tolist(), None, VERDICTS[0 if near else 2], why)
    sample = np.sort(np.asarray(runs, dtype=float).ravel())
    low, middle, high = np.quantile(sample, [0.05, 0.5, 0.95])
    percentile = float(100 * np.mean(sample < says.value))
    if abs(middle - says.value) <= 0.5 * says.unit * (1 + 1e-6):
        verdict = VERDICTS[0]
    else:
        half = 0.5 * says.unit
        verdict = VERDICTS[1 if sample[0] - half <= says.value <= sample[-1] + half else 2]
    return Row(identifier, says.source, says.value, float(middle), (float(low), float(high)), verdict, why, percentile)


def not_replayable(identifier: str, why: str) -> Row:
    """A printed value that nobody can compute again (a wall clock, a drawing by hand), and why."""
    says = printed(identifier)
    return Row(identifier, says.source, says.value, None, None, VERDICTS[3], why)

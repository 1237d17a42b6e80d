"""An experiment holds what a document printed against what we compute when asked, and says what it means.

Printed values are data (`printed.json`: value, last printed digit, where it stands); ours are computed on every call; the
verdict follows from the two numbers alone. Only the sentence that explains it is written by hand.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from ..errors import BadInput, nearest

if TYPE_CHECKING:
    from ..report.views import View

__all__ = [
    "DOCUMENTS",
    "VERDICTS",
    "Experiment",
    "Printed",
    "Row",
    "Session",
    "claim",
    "compare",
    "formula",
    "not_replayable",
    "printed",
    "shown",
    "unavailable",
]

_ENOUGH = 39  # a number drawn like the runs lies outside n of them with probability 2/(n + 1)
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
    unit: Any  # one unit of the last printed digit, or one per number: rounding explains half of it
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
    """A named experiment of one document: rows to compare and, where there is something to see, views."""

    name: str
    document: str
    title: str
    run: Callable[[Session], list[Row]]
    views: Callable[[Session], list[View]] | None = None
    stochastic: bool = False


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
    return Printed(entry["value"], np.asarray(entry.get("unit", 0.0), dtype=float), entry["source"])


def compare(identifier: str, ours: ArrayLike, why: str, *, runs: ArrayLike | None = None) -> Row:
    """Hold a printed value against ours, or against many seeded runs of ours.

    Without `runs`: *matches* where every number agrees to half a unit of its last printed digit, else *source is wrong*.
    With `runs` (seeds,): `ours` is ignored, the median is reported; *matches* where it rounds to the printed number, *within
    range* where the printed number lies among the runs, *source is wrong* where it lies outside at least 39 of them (less than
    1 in 20 by chance) or farther out than they spread, else *not replayable*: too few seeds to say.
    """
    says = printed(identifier)
    if runs is None:
        value = np.asarray(ours, dtype=float)
        near = np.all(np.abs(value - np.asarray(says.value, dtype=float)) <= 0.5 * says.unit * (1 + 1e-6))
        return Row(identifier, says.source, says.value, value.tolist(), None, VERDICTS[0 if near else 2], why)
    sample = np.sort(np.asarray(runs, dtype=float).ravel())
    low, middle, high = np.quantile(sample, [0.05, 0.5, 0.95])
    percentile = float(100 * np.mean(sample < says.value))
    half = 0.5 * says.unit * (1 + 1e-6)
    beyond = max(sample[0] - half - says.value, says.value - sample[-1] - half)
    decided = len(sample) >= _ENOUGH or (len(sample) >= 5 and beyond > sample[-1] - sample[0])
    if abs(middle - says.value) <= half:
        verdict = VERDICTS[0]
    elif beyond <= 0:
        verdict = VERDICTS[1]
    else:
        verdict = VERDICTS[2 if decided else 3]
        why += "" if decided else f" ({len(sample)} seeds are too few to call it wrong: {_ENOUGH} say more)"
    return Row(identifier, says.source, says.value, float(middle), (float(low), float(high)), verdict, why, percentile)


def formula(identifier: str, reads: ArrayLike, ours: ArrayLike, why: str, tolerance: float = 1e-9) -> Row:
    """Hold a printed formula, evaluated as it stands (`reads`), against the same quantity computed another way (`ours`).

    *matches* where all numbers agree to `tolerance` of the largest, else *source is wrong*.
    """
    says = printed(identifier)
    theirs, value = np.asarray(reads, dtype=float), np.asarray(ours, dtype=float)
    near = theirs.shape == value.shape and np.allclose(theirs, value, rtol=0, atol=tolerance * np.max(np.abs(value), initial=1e-300))
    return Row(identifier, says.source, f"{says.value} = {shown(theirs)}", value.tolist(), None, VERDICTS[0 if near else 2], why)


def claim(identifier: str, holds: bool | np.bool_, ours: ArrayLike, why: str) -> Row:
    """Hold a printed statement against what happened: `ours` are the numbers that decide whether it holds."""
    says = printed(identifier)
    return Row(identifier, says.source, says.value, np.asarray(ours).tolist(), None, VERDICTS[0 if holds else 2], why)


def shown(value: Any, digits: int = 6) -> str:
    """A value for people: words as they are, numbers to so many digits, long lists cut.

    >>> shown([1.0, 2.5, 3.0, 4.0, 5.0]), shown(None), shown("words")
    ('1, 2.5, 3, ... (5)', '-', 'words')
    """
    if value is None:
        return "-"
    if isinstance(value, str):
        return value
    flat = np.asarray(value).ravel()
    if flat.dtype.kind in "US":
        return ", ".join(flat.tolist())
    kept = flat if flat.size <= 4 else flat[:3]
    words = ", ".join(f"{item:.{digits}g}" if flat.dtype.kind == "f" else str(item) for item in kept)
    return words if flat.size <= 4 else f"{words}, ... ({flat.size})"


def not_replayable(identifier: str, why: str) -> Row:
    """A printed value that nobody can compute again (a wall clock, a drawing by hand), and why."""
    says = printed(identifier)
    return Row(identifier, says.source, says.value, None, None, VERDICTS[3], why)


def unavailable(made: Experiment, error: Exception) -> Row:
    """The row of an experiment whose data or framework is not at hand, so that the others still run."""
    return Row(f"{made.document}/{made.name}", made.title, None, None, None, VERDICTS[3], f"not run here: {error}")

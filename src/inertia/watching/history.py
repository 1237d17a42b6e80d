"""What has been seen of a run so far, with the few statistics that the rules ask for."""

from __future__ import annotations

import math
from array import array
from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Iterator
from functools import cache
from itertools import islice
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .quantities import Look, Reading

__all__ = ["Estimate", "Expected", "History", "Level", "Losses", "mean_of"]

Array = NDArray[np.float64]
_LOSSES = 1 << 20  # kept in memory, 16 bytes each, or half as many; the log keeps all
_LOOKS = 512  # looks that a mean is taken of at most, evenly spaced: its error is below that of the twentieths of the losses
_BATCHES = 20  # means of consecutive losses, whose scatter is the error of their mean (batch means; Schmeiser 1982: 10 to 30)
PROMISED = 0.25  # a level is told where the loss stays within so much of it


class Estimate(NamedTuple):
    """A mean, its standard error, and how many values beyond those of the fit that error was taken from."""

    value: float
    error: float
    freedom: int

    @property
    def reach(self) -> float:
        """How far the truth may be away: two standard errors, and more where the error itself is known from few values.

        Student's t at the probability that a normal variable exceeds two standard deviations, one chance in 44.

        >>> Estimate(0.0, 1.0, 3).reach > 1.5 * Estimate(0.0, 1.0, 1000).reach > 3.0
        True
        """
        return _student(self.freedom) * self.error

    def above(self, bound: float) -> bool:
        """Whether it is significantly above."""
        return self.value - self.reach > bound

    def below(self, bound: float) -> bool:
        """Whether it is significantly below."""
        return self.value + self.reach < bound


@cache
def _student(freedom: int) -> float:
    """The quantile of Student's t (1908) at which the normal one is 2."""
    from scipy.special import ndtr, stdtrit

    return float(stdtrit(freedom, ndtr(2.0)))


class Level(NamedTuple):
    """The loss at one learning rate: its mean, and by how much it changes over as many steps again."""

    mean: Estimate
    change: Estimate
    since: int


class Expected(NamedTuple):
    """What a look lets expect of the loss in the steps after it."""

    step: int
    ahead: int  # steps
    bound: float  # of the loss: what is called a spike
    error: float  # factor by which such forecasts were wrong in this run, until then
    path: Any  # the losses to come (see `spikes`), None where nothing oscillates
    foretold: bool  # whether the loss, times the error, leaves the bound


class Losses:
    """Steps and their losses in order, in two arrays: an append costs the same after a million of them.

    >>> losses = Losses()
    >>> for step in range(1, 5):
    ...     losses.append((step, 1.0 / step))
    >>> len(losses), losses.since(3).tolist()
    (4, [0.3333333333333333, 0.25])
    """

    def __init__(self) -> None:
        self._steps, self._values = array("q"), array("d")

    def append(self, entry: tuple[int, float]) -> None:
        """One more."""
        self._steps.append(entry[0])
        self._values.append(entry[1])
        if len(self._steps) > _LOSSES:
            del self._steps[: _LOSSES // 2], self._values[: _LOSSES // 2]

    def __len__(self) -> int:
        return len(self._steps)

    def __iter__(self) -> Iterator[tuple[int, float]]:
        """Oldest first."""
        return zip(self._steps, self._values, strict=True)

    def since(self, step: int) -> Array:
        """The losses from a step on."""
        return np.array(self._values[bisect_left(self._steps, step) :])

    def between(self, after: int, until: int) -> Array:
        """The losses of the steps after one and up to another."""
        return np.array(self._values[bisect_right(self._steps, after) : bisect_right(self._steps, until)])

    def newest(self, count: int, until: int | None = None) -> Array:
        """The last so many, or those up to a step."""
        end = len(self._steps) if until is None else bisect_right(self._steps, until)
        return np.array(self._values[max(end - count, 0) : end])


class History:
    """Losses, readings and looks of one run, in order."""

    def __init__(self, expect: float | None = None) -> None:
        self.expect = expect
        self.step = 0
        self.losses = Losses()
        self.readings: list[Reading] = []
        self.looks: list[Look] = []
        self.rates: list[float] = []  # learning rates of the groups at the last step; nan where they are on a device
        self.zero_since: int | None = None  # first step of those in a row whose learning rates were all 0
        self.rate_since = 0  # from where on the first rate has stayed within PROMISED of what it was
        self._rate = math.nan
        self.skipped: deque[int] = deque(maxlen=1000)  # steps that a gradient scaler left out
        self.idle = 0  # calls in a row without a step of the optimizer
        self.stepped_ever = False
        self.bad: int | None = None  # first step whose loss was not finite, while it lasts
        self.finite: tuple[int, float] | None = None  # the last finite loss
        self.expected: dict[int, Expected] = {}  # by the step of the look
        self.foretold = -1  # the step up to which a spike is foretold
        self.facts: dict[str, Any] = {}  # what the door found out: "blind", "foreign", "no edge"

    def resume(self, before: Any) -> None:
        """Take over what a log tells of the time before."""
        self.losses = Losses()
        for entry in before.losses:
            self.losses.append(entry)
        self.readings, self.looks = list(before.readings), list(before.looks)
        self.expected, self.foretold = {}, -1

    def lost(self, step: int, loss: float) -> None:
        """One more loss."""
        self.losses.append((step, loss))
        self.step = max(self.step, step)
        if math.isfinite(loss):
            self.bad, self.finite = None, (step, loss)
        elif self.bad is None:
            self.bad = step

    def stepped(self, step: int, rates: list[float]) -> None:
        """The optimizer has stepped, with these learning rates of its groups."""
        self.step, self.rates, self.stepped_ever, self.idle = max(self.step, step), rates, True, 0
        if any(rate != 0 for rate in rates) or not rates:
            self.zero_since = None
        elif self.zero_since is None:
            self.zero_since = step
        first = max((rate for rate in rates if rate == rate), default=math.nan)
        if first == first and not abs(first - self._rate) <= PROMISED * abs(self._rate):
            self._rate, self.rate_since = first, step

    def read(self, found: list[Reading]) -> None:
        """Readings of all groups after one step."""
        self.readings += found
        if found:
            self.step = max(self.step, found[0].step)

    def look(self, found: Look) -> None:
        """One more look."""
        self.looks.append(found)
        self.step = max(self.step, found.step)

    def last_readings(self, group: int, count: int) -> list[Reading]:
        """The newest readings of one group, oldest first."""
        return list(islice((r for r in reversed(self.readings) if r.group == group), count))[::-1]

    @property
    def groups(self) -> list[int]:
        """Groups that were read lately."""
        return sorted({reading.group for reading in self.readings[-32:]})

    def median(self, count: int = 100, until: int | None = None) -> float:
        """The running median of the last finite losses, or of those up to a step; of the probe's where none were given."""
        recent = self.losses.newest(count, until)
        recent = recent[np.isfinite(recent)]
        return float(np.median(recent if recent.size else [look.loss for look in self.looks[-10:]] or [math.nan]))

    @property
    def since(self) -> int:
        """Where the second half of the time at this learning rate begins."""
        return max(self.rate_since, self.step - (self.step - self.rate_since) // 2)

    def recent_looks(self) -> list[Look]:
        """The looks of the second half of the time at this learning rate, or some of them, evenly spaced."""
        found = self.looks[bisect_left(self.looks, self.since, key=lambda look: look.step) :]
        return found[:: -(-len(found) // _LOOKS)] if found else found

    def level(self) -> Level | None:
        """The loss over the second half of the time at this learning rate; None where there are too few losses to say."""
        since = self.since
        kept = self.losses.since(since)
        each = len(kept) // _BATCHES
        if each < 1 or not np.all(np.isfinite(kept)):
            return None
        means = np.mean(np.reshape(kept[len(kept) - each * _BATCHES :], (_BATCHES, each)), axis=1)
        place = (np.arange(_BATCHES) + 0.5) / _BATCHES - 0.5
        slope = float(place @ (means - means.mean()) / (place @ place))
        left = means - means.mean() - slope * place
        freedom = _BATCHES - 2
        scatter = float(left @ left) / freedom
        mean = Estimate(float(means.mean()), math.sqrt(scatter / _BATCHES), freedom)
        return Level(mean, Estimate(slope, math.sqrt(scatter / (place @ place)), freedom), since)


def mean_of(values: list[float]) -> Estimate | None:
    """Mean and standard error; None of fewer than 4.

    >>> mean_of([1.0, 2.0, 3.0, 2.0]).value
    2.0
    """
    if len(values) < 4:
        return None
    found = np.asarray(values, dtype=float)
    return Estimate(float(found.mean()), float(found.std(ddof=1) / math.sqrt(len(found))), len(found) - 1)

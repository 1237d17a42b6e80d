"""Short runs at constant learning rates, an octave apart, before any full run: where the loss falls fastest, and from where it rises.

What a learning rate is compared with should not rest on the curvature at the start alone: networks move away from it within a few
steps. A ladder reads the same from training itself. It climbs towards the best rung and on until the loss no longer falls.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["FALLING", "RUNGS", "Ladder", "climbed"]

Array = NDArray[np.float64]
FALLING = 0.9  # momentum, or beta1, of a ladder: most families have their best learning rate near that of 0.9
RUNGS = 8  # short runs at most


@dataclass(frozen=True, eq=False)
class Ladder:
    """Losses after a few steps at constant learning rates, at momentum (beta1) 0.9.

    >>> ladder = Ladder("sgd", 10, np.arange(4.0), np.array([0.9, 0.5, 0.7, np.inf]), 1.0)
    >>> round(ladder.best, 3), ladder.half, ladder.edge, ladder.fall
    (1.167, 2.5, 2.5, 0.5)
    """

    optimizer: str
    steps: int
    rates: Array  # (K,) log2 of the learning rates, ascending
    losses: Array  # (K,) after the steps; inf where the run was lost
    start: float  # before them, on the same examples

    @property
    def top(self) -> int:
        """The rung with the lowest loss."""
        return int(np.argmin(self.losses))

    @property
    def fall(self) -> float:
        """How far the loss fell on the best rung; 0 where it fell nowhere."""
        return max(float(self.start - self.losses[self.top]), 0.0)

    @property
    def best(self) -> float:
        """log2 of the learning rate whose loss is lowest: the vertex of the parabola through the best rung and its neighbours."""
        k, capped = self.top, np.minimum(self.losses, self.start)
        if not 0 < k < self.rates.size - 1 or self.rates[k + 1] - self.rates[k - 1] != 2:
            return float(self.rates[k])
        bend = capped[k - 1] - 2 * capped[k] + capped[k + 1]
        return float(self.rates[k] + (0.5 * (capped[k - 1] - capped[k + 1]) / bend if bend > 0 else 0.0))

    @property
    def half(self) -> float:
        """log2 of the learning rate above the best from which on less than half of its fall is left."""
        return self._from(self.start - 0.5 * self.fall)

    @property
    def edge(self) -> float:
        """log2 of the learning rate above the best from which on the loss does not fall at all."""
        return self._from(self.start)

    def _from(self, level: float) -> float:
        above = np.flatnonzero((self.losses >= level) & (np.arange(self.rates.size) > self.top))
        return float(self.rates[above[0]] - 0.5) if above.size else float(self.rates[-1] + 1)


def climbed(optimizer: str, steps: int, start: float, first: float, ended: Callable[[float], float]) -> Ladder | None:
    """A ladder from `ended`, which gives the loss after a short run at a rate (log2); None where the loss fell nowhere.

    Begins about `first`, in steps of two octaves, then fills in the neighbours of the best rung and goes up until the loss rises.
    """
    known: dict[float, float] = {}

    def make(rungs: Iterable[float]) -> bool:
        for rung in rungs:
            if rung not in known and len(known) < RUNGS:
                loss = ended(rung)
                known[rung] = loss if math.isfinite(loss) else math.inf
                return True
        return False

    while make(_wanted(known, start, float(round(first)))):
        pass
    rates = np.array(sorted(known))
    found = Ladder(optimizer, steps, rates, np.array([known[rate] for rate in rates]), start)
    return found if found.fall > 0 else None


def _wanted(known: dict[float, float], start: float, first: float) -> list[float]:
    """The next rungs, the most wanted first."""
    if not known:
        return [first]
    best = min(known, key=lambda rung: (known[rung], rung))
    if known[best] >= start:  # nothing fell: far lower
        return [min(known) - 3]
    far = [best + 2] if not any(rung > best for rung in known) else []
    far += [best - 2] if not any(rung < best for rung in known) else []
    risen = min((rung for rung, loss in known.items() if rung > best and loss >= start), default=None)
    beyond = [max(known) + 1] if risen is None else [risen - 1]  # the rung below the first that rises must have fallen
    return [*far, best + 1, best - 1, *beyond]

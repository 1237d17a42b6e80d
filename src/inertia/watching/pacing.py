"""How often a run may be looked at: a share of the time of training is earned, and only what is earned is spent.

Every second that a watch spends is counted, whatever it was spent on. What has been earned and not spent,

    allowance = budget * training - spent,

decides: nothing is begun before its price is earned. A price is that of the dearest recent one of its kind; of the first one, what the
door expects it to be from something smaller that it has done already (a gradient of a few examples, then of the probe, then a product).
So spent <= budget * training holds after each thing that took no longer than expected; one that took longer is paid back before the next.
What remains after a look is not saved up: a pause of an hour does not buy a thousand looks in a row.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from ..core.arrays import single
from ..errors import BadInput

__all__ = ["FURTHEST", "Pace", "Price"]

FURTHEST = 24  # steps that are slept at most before the clock is asked again: a fault shows in two readings, within 50 steps
MOST_GRADIENTS = 4  # of a look: the probe's, two beside it near the edge, and its loss at the averaged weights
_FADING = 0.8  # of a price from one to the next, so that one dear look is not remembered for ever


@dataclass
class Price:
    """What a look costs: a gradient of the probe and some products, in seconds.

    >>> price = Price(1.0, 2.0)
    >>> price.of(6), price.affords(20.0)
    (20.0, 6)
    """

    gradient: float
    product: float
    looked: bool = False  # whether a whole look has been paid

    def of(self, depth: float, gradients: float = MOST_GRADIENTS, more: int = 2) -> float:
        """Of a look with so many products for the sharpest direction, and all the gradients that a look may take.

        Two products more go along the gradient and the step.
        """
        return gradients * self.gradient + self.product * (depth + more)

    def affords(self, seconds: float) -> int:
        """Products for the sharpest direction that so much time pays for."""
        return math.floor((seconds - MOST_GRADIENTS * self.gradient) / self.product) - 2

    def took(self, seconds: float, costs: float) -> None:
        """A look that was to cost so much took so long: dearer from now on at once, cheaper by and by."""
        scale = max(seconds / costs, _FADING if self.looked else 0.0)
        self.looked, self.gradient, self.product = True, scale * self.gradient, scale * self.product


class Pace:
    """Decides which steps are looked at; every second it spends itself is counted.

    Time lost is the time spent here over the time of everything else since the start. With `every` the budget is not asked.
    """

    def __init__(self, budget: float, every: int | None = None, clock: Callable[[], float] = time.perf_counter) -> None:
        budget = single(budget, "budget")
        if not 0 < budget <= 1:
            raise BadInput(f"budget = {budget:g} is outside (0, 1]: it is the share of the training time that may be lost, such as 0.03")
        if every is not None and (isinstance(every, bool) or not 1 <= single(every, "every") == float(round(single(every, "every")))):
            raise BadInput(f"every = {every} is no number of steps: give a whole one from 1 on, or leave it out and the budget decides")
        self.budget, self.every, self.clock = budget, None if every is None else int(every), clock
        self.started = clock()
        self.spent = 0.0
        self.forgone = 0.0  # earned, and not saved up
        self.steps = 0
        self._inside = 0
        self.costs: dict[str, float] = {}  # of the dearest recent one of each kind
        self.last: dict[str, int] = {}
        self.totals: dict[str, float] = {}
        self._mark = (0, 0.0)  # steps and training time, from which on the time of a step is taken

    @property
    def training(self) -> float:
        """Seconds since the start that were not spent here."""
        return max(self.clock() - self.started - self.spent, 0.0)

    @property
    def lost(self) -> float:
        """Time spent here over the time of everything else."""
        training = self.training
        return self.spent / training if training > 0 else 0.0

    @property
    def allowance(self) -> float:
        """Seconds that are earned and not spent; negative where more was spent."""
        return self.budget * self.training - self.spent - self.forgone

    @contextmanager
    def charged(self, kind: str = "") -> Iterator[None]:
        """Count the time inside; of a named kind also as what the next one will cost."""
        begun, outer = self.clock(), not self._inside
        self._inside += 1
        try:
            yield
        finally:
            self._inside -= 1
            took = self.clock() - begun
            if outer:
                self.spent += took
            if kind:
                self.costs[kind] = max(took, _FADING * self.costs.get(kind, 0.0))
                self.last[kind] = self.steps
                self.totals[kind] = self.totals.get(kind, 0.0) + took

    def wait(self, kind: str, share: float = 1.0, price: float | None = None) -> int:
        """Steps until one more of this kind is earned, as far as can be told; 0: it is. With a share, out of that part of the budget.

        Where `every` is given no price is asked, so that what is done does not depend on how fast the machine is.
        """
        if self.every is not None:
            return 0
        cost, training = self.costs.get(kind, 0.0) if price is None else price, self.training
        lacking = cost - (self.budget * training - self.spent - self.forgone)
        if share < 1:
            lacking = max(lacking, (cost + self.totals.get(kind, 0.0) - share * self.budget * training) / share)
        if lacking <= 0:
            return 0
        each = self.budget * self._step_time(training)
        return min(math.ceil(lacking / each), FURTHEST) if each > 0 else 1

    def due(self, kind: str, share: float = 1.0, price: float | None = None) -> bool:
        """Whether one more of this kind is earned."""
        return self.wait(kind, share, price) == 0

    def bought(self, price: float) -> None:
        """Something is done now at this price: what is earned beyond it is let go."""
        self.forgone += max(self.allowance - price, 0.0)

    def since(self, kind: str) -> int:
        """Steps since the last one of a kind; all steps where there was none."""
        return self.steps - self.last.get(kind, 0)

    def _step_time(self, training: float) -> float:
        """Seconds that a step takes now, from the steps since the last time it was asked."""
        steps, before = self._mark
        if self.steps - steps >= FURTHEST:
            self._mark = (self.steps, training)
        return (training - before) / max(self.steps - steps, 1)

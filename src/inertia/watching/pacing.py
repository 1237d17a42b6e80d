"""How often a run may be looked at: what looking has cost so far, kept below a share of the time of training."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from ..errors import BadInput

__all__ = ["Pace"]


class Pace:
    """Decides which steps are looked at; every second it spends itself is counted.

    Time lost is the time spent here over the time of everything else since the start. With `every` the budget is not asked.
    """

    def __init__(self, budget: float, every: int | None = None, clock: Callable[[], float] = time.perf_counter) -> None:
        if not 0 < budget <= 1:
            raise BadInput(f"budget = {budget:g} is outside (0, 1]: it is the share of the training time that may be lost, such as 0.03")
        if every is not None and every < 1:
            raise BadInput(f"every = {every} is too few: look every 1 step at most, or leave it out and the budget decides")
        self.budget, self.every, self.clock = budget, every, clock
        self.started = clock()
        self.spent = 0.0
        self.steps = 0
        self._inside = 0
        self.costs: dict[str, float] = {}  # of the dearest recent one of each kind
        self.last: dict[str, int] = {}
        self.totals: dict[str, float] = {}

    @property
    def training(self) -> float:
        """Seconds since the start that were not spent here."""
        return max(self.clock() - self.started - self.spent, 0.0)

    @property
    def lost(self) -> float:
        """Time spent here over the time of everything else."""
        return self.spent / self.training if self.training > 0 else 0.0

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
                self.costs[kind] = max(took, 0.8 * self.costs.get(kind, 0.0)) if kind in self.costs else took
                self.last[kind] = self.steps
                self.totals[kind] = self.totals.get(kind, 0.0) + took

    def due(self, kind: str, share: float | None = None, guess: float = 0.0) -> bool:
        """Whether one more of this kind keeps everything within the budget; with a share, its own kind within that part of it."""
        spent = self.spent if share is None else self.totals.get(kind, 0.0)
        return spent + self.costs.get(kind, guess) <= (1.0 if share is None else share) * self.budget * self.training

    def since(self, kind: str) -> int:
        """Steps since the last one of a kind; all steps where there was none."""
        return self.steps - self.last.get(kind, 0)

"""An optimizer that makes one step from several gradients, seen as the one inside that makes a step from their mean."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .bench import Bench
from .recursion import Array, Home

__all__ = ["Gathered", "pace"]

STEPS, COORDINATES = 24, 32
ALIKE = 1e-5  # float32's rounding of a mean, a hundred times over


@dataclass(frozen=True)
class Gathered:
    """A bench whose every step is `every` steps of another one, with the same gradient each."""

    bench: Bench
    every: int

    @property
    def names(self) -> tuple[str, ...]:
        """Of its tensors."""
        return self.bench.names

    @property
    def rounding(self) -> float:
        """Of the arithmetic of its moves."""
        return self.bench.rounding

    @property
    def adjustable(self) -> bool:
        """Whether `factors` can multiply its learning rate."""
        return self.bench.adjustable

    @property
    def home(self) -> Home:
        """What its framework's own optimizers do."""
        return self.bench.home

    def run(self, grads: Array, points: Array | None = None, start: Array | None = None, factors: Array | None = None) -> Array:
        """Every gradient so many times in a row; the moves of the steps that move."""
        further = [None if one is None else np.repeat(one, self.every, axis=0) for one in (points, factors)]
        return self.bench.run(np.repeat(grads, self.every, axis=0), further[0], start, further[1])[self.every - 1 :: self.every]


def pace(bench: Bench) -> int:
    """How many gradients make one step: N where only every N-th moves, by what N times their mean gives; else 1."""
    tensors = len(bench.names)
    grads = np.random.default_rng(5).standard_normal((STEPS, tensors, COORDINATES))
    moves = bench.run(grads, grads * 0)
    rows = np.flatnonzero(np.any(moves != 0, axis=(1, 2)))
    if not rows.size or not np.all(np.isfinite(moves)):
        return 1
    every = int(np.gcd.reduce(rows + 1))
    blocks = STEPS // every
    if every == 1 or blocks < 3:
        return 1
    whole, own = blocks * every, moves[every - 1 : blocks * every : every]
    means = grads[:whole].reshape(blocks, every, tensors, COORDINATES).mean(axis=1)
    return every if np.allclose(Gathered(bench, every).run(means, means * 0), own, rtol=ALIKE, atol=ALIKE * np.abs(own).max()) else 1

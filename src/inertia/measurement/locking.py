"""The largest few with their multiplicity: a run from one start finds one copy of each curvature, so there are more starts.

What a run found is locked, and the next one starts at a fresh random vector in what is left. With X the locked directions,
A X = X diag(theta) + R, and the rest of the operator A_c, its compression to the complement of X,

    A = [ diag(theta)  R^T ]      and where A_c <= u:      lambda_i(A) <= lambda_i [ diag(theta)  S  ],    S = (R^T R)^(1/2),
        [     R        A_c ]                                                       [     S       u I ]

a matrix of twice the number of locked directions. A random start in the complement gives u with a stated probability (see
`ritz`), and lambda_i >= theta_i always (Cauchy's interlacing): together a bar for the i-th largest, copies counted.

Source: Parlett 1980, chapters 10 and 13 (interlacing, deflation); Mathias 1998 for what R^2 does.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .recurrence import Product, Run, elsewhere, leading, walk
from .vectors import Vectors

__all__ = ["Locked", "several"]

Array = NDArray[np.float64]


class Locked:
    """Directions taken out of the operator, with their images, largest first."""

    def __init__(self, space: Vectors) -> None:
        self.space = space
        self.rows: Any = None
        self.images: Any = None
        self.values: Array = np.empty(0)
        self.weights: Array = np.empty(0)  # share of the first start
        self.squares: Array = np.empty((0, 0))  # R^T R
        self.upper, self.skew = math.inf, 0.0  # what bounds the rest, and rounding

    def take(self, run: Run, most: int, first: bool = False) -> int:
        """Lock what the run found good, at most so many; returns how many."""
        values, weights, residuals, _, _ = run.assemble()
        count = min(leading(values, residuals, run.asked.good, 1e-6 * run.scale), most)
        if not count:
            return 0
        chosen = run.coordinates()[:, : -count - 1 : -1]  # (m, count), largest first
        alphas, betas = np.concatenate([b.alphas for b in run.blocks]), np.concatenate([b.betas for b in run.blocks])
        whole = np.diag(alphas) + np.diag(betas[:-1], 1) + np.diag(betas[:-1], -1)
        links = np.array(run.links).reshape(run.hvps, run.locked)
        rows = self.space.combine(np.concatenate([np.zeros((run.locked, count)), chosen]).T)
        last = chosen[-1] if betas[-1] > 0 else 0.0 * chosen[-1]
        images = self.space.combine(np.concatenate([links.T @ chosen, whole @ chosen]).T, run.left, last)
        share = weights[::-1][:count] if first else np.zeros(count)
        if self.rows is not None:
            rows, images = self.space.stacked(self.rows, rows), self.space.stacked(self.images, images)
        self._rotate(rows, images, np.concatenate([self.weights, share]))
        return count

    def _rotate(self, rows: Any, images: Any, weights: Array) -> None:
        """Rayleigh and Ritz on all that is locked."""
        dots, mix = self.space.dots, self.space.mix
        gram = np.array([dots(rows, image) for image in images])
        values, turn = np.linalg.eigh((gram + gram.T) / 2)
        self.values, turn = values[::-1], turn[:, ::-1]
        self.weights = turn.T**2 @ weights
        self.rows, self.images = mix(turn.T, rows), mix(turn.T, images)
        rest = self.images - mix(np.diag(self.values), self.rows)
        self.squares = np.array([dots(rest, row) for row in rest])

    def above(self) -> Array:
        """How far the i-th largest curvature can lie above the i-th value: a bar for each."""
        count = len(self.values)
        if self.upper == math.inf:
            return np.full(count, math.inf)
        if self.upper == -math.inf:
            return np.full(count, 2 * self.skew)  # nothing is left
        values, turn = np.linalg.eigh((self.squares + self.squares.T) / 2)
        root = (turn * np.sqrt(np.maximum(values, 0.0))) @ turn.T
        most = np.linalg.eigvalsh(np.block([[np.diag(self.values), root], [root, self.upper * np.eye(count)]]))[::-1][:count]
        return np.maximum(most - self.values, 0.0) + 2 * self.skew


def several(product: Product, first: Run, rng: np.random.Generator) -> tuple[Locked, int, bool]:
    """Restart in what is left until the largest `top` are those of the whole operator.

    Returns what is locked, how many of it come from the first run, and whether the runs came to their end.
    """
    space = product.space
    asked, locked, starts, run = first.asked, Locked(space), 0, first
    assert asked.rtol is not None
    locked.skew = first.skew
    taken = locked.take(first, asked.top, first=True)
    while len(locked.values) and product.count < asked.limit and not run.interrupted:
        left = space.dimension - len(locked.values)
        if left == 0:
            locked.upper = -math.inf
            return locked, taken, True
        starts += 1
        missing = asked.top - len(locked.values)
        wanted = replace(asked, ends="largest", top=max(missing, 1), failure=asked.failure / (starts * (starts + 1)))
        run = Run(wanted, left, random=True, locked=len(locked.values))
        run.scale, run.floor = first.scale, None if missing > 0 else float(locked.values[asked.top - 1])
        space.restart(locked.rows)
        elsewhere(space, rng)
        walk(product, run, rng, asked.limit - product.count)
        if not run.hvps:
            break
        locked.skew = max(locked.skew, run.skew)
        values = run.assemble()[0]
        locked.upper = min(locked.upper, float(values[-1]) + run.bars(values)[1])  # what is left is part of what was left before
        if run.verified:
            return locked, taken, True
        locked.take(run, asked.top)
    return locked, taken, False

"""The Lanczos recurrence: one start, the coefficients it leaves, and whether they are good enough.

    A v_j = beta_{j-1} v_{j-1} + alpha_j v_j + beta_j v_{j+1}

Everything here is in the run's own unit, a power of two that brings the operator near 1 (`Product`): squares of curvatures
then stay within the range of floating point, whatever the scale of the loss.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .ritz import Lookout, bar, ritz, smallest_share, tridiagonal, within
from .symmetry import Symmetry
from .vectors import Vectors

__all__ = ["Asked", "Product", "Run", "elsewhere", "leading", "walk"]

Array = NDArray[np.float64]
Watch = Callable[[int, float, float], None]


@dataclass(frozen=True)
class Asked:
    """When a run is good enough."""

    rtol: float | None
    ends: str
    top: int
    failure: float
    limit: int  # most products
    good: float = 0.0  # relative residual of a Ritz vector that is worth locking


class Product:
    """The operator as runs use it: products counted, checked, and brought near 1 by a power of two."""

    def __init__(self, matvec: Callable[[Any], Any], space: Vectors, watch: Watch | None) -> None:
        self.matvec, self.space, self.watch = matvec, space, watch
        self.count, self.unit, self.told = 0, 0.0, (0.0, math.inf)
        self.symmetry = Symmetry()

    def __call__(self, vector: Any) -> Any:
        """The image, a fresh vector in the run's own unit."""
        image = self.matvec(vector)
        self.count += 1
        self.space.check(image, self.count)
        if not self.unit:
            norm, (low, high) = self.space.norm(image), self.space.range()
            self.unit = 1.0 if norm == 0 or low < norm < high else 2.0 ** -math.frexp(norm)[1]
        if self.unit != 1.0:
            image *= self.unit
        return image

    def tell(self, run: Run) -> None:
        """Say how far the first run is, or how many products were made after it."""
        if self.watch is not None:
            if not run.locked:
                values = run.assemble()[0]
                self.told = float(values[-1]) / self.unit, run.bars(values)[1] / self.unit
            self.watch(self.count, *self.told)


class _Block:
    """The coefficients of one start: closed by a zero beta."""

    def __init__(self) -> None:
        self.alphas: list[float] = []
        self.betas: list[float] = []


class Run:
    """The scalars of a run from one start in the making; `locked` directions before it have been taken out of the operator."""

    def __init__(self, asked: Asked, dimension: int, random: bool, locked: int = 0, floor: float | None = None) -> None:
        self.asked, self.dimension, self.random, self.locked, self.floor = asked, dimension, random, locked, floor
        self.blocks = [_Block()]
        self.links: list[Array] = []  # of each vector's image along the locked directions
        self.left: Any = None  # what the last image has outside the basis
        self.hvps, self.skew, self.scale, self.reason, self.interrupted, self.verified = 0, 0.0, 0.0, "", False, False
        self._gains: list[int] = []  # products after which one more of the largest was good enough
        self._lookout: Lookout | None = None
        self._top = 0.0  # the largest value when it was last computed
        self._assembled: tuple[int, Any] = (-1, None)  # after how many products, and what `assemble` found

    def advance(self, product: Product, vector: Any) -> Any:
        """One product: orthogonalise the image in place, record alpha and beta, and return it; beta is 0 at a happy breakdown."""
        space, image = product.space, product(vector)
        found, beta = space.reduce(image, image=True)
        links, coefficients = (found[: self.locked], found[self.locked :]) if space.full else (found[:0], found)
        block = self.blocks[-1]
        sizes = np.abs(coefficients)
        self.scale = max(self.scale, float(sizes.max()), beta)
        sizes[-1] = 0.0  # the other coefficients are what a symmetric operator has: the last beta, and zeros
        if block.alphas and len(coefficients) > 1 and block.betas[-1] > 0:
            sizes[-2] = abs(coefficients[-2] - block.betas[-1])
        self.skew = max(self.skew, float(sizes.max()))
        epsilon, allowed = space.rounding(image)
        if self.skew > allowed * self.scale:
            product.symmetry.judge(product, self.skew / self.scale, vector, self.asked.rtol)
        if beta <= 20 * epsilon * self.scale or self.hvps + 1 == self.dimension:
            beta = 0.0
        if block.betas and block.betas[-1] == 0:
            self.blocks.append(_Block())
        self.blocks[-1].alphas.append(float(coefficients[-1]))
        self.blocks[-1].betas.append(beta)
        self.links.append(links)
        self.left = image
        self.hvps += 1
        return image

    def done(self) -> bool:
        """Whether every bar asked for is small enough, or this start has told what it can at a fair price."""
        rtol = self.asked.rtol
        if self.hvps == self.dimension:
            self.reason = "the whole space was seen: exact"
            if self.floor is not None and rtol is not None:
                top = float(self.assemble()[0][-1])
                self.verified = top <= self.floor + 0.5 * rtol * max(abs(self.floor), 1e-6 * self.scale)
            return True
        closed = self.blocks[-1].betas[-1] == 0
        if rtol is None or (closed and not (self.random and len(self.blocks) == 1)):
            return False  # after a breakdown from a given start, other directions may hide other curvatures
        if self.hvps > 64 and self.hvps % 8:  # the check costs m^3: look less often late in a long run
            return False
        look, block = self._lookout, self.blocks[-1]
        if look is not None and 1e-6 * self.scale <= look.above and look.wide(block.alphas, block.betas):
            return False
        parts = [tridiagonal(block.alphas, block.betas) for block in self.blocks]
        values = parts[0] if len(parts) == 1 else np.sort(np.concatenate(parts))
        tiny = 1e-6 * self.scale  # a relative bar means nothing on a value that is zero
        low, high = (rtol * max(abs(float(values[at])), tiny) for at in (0, -1))
        if self.floor is None:
            alone = self.asked.top == 1 and not self.locked
            ends = {"largest": (None, high), "smallest": (low, None), "both": (low, high)}[self.asked.ends]
            enough = (alone or self._several(tiny, closed)) and (bool(self.locked) or self._small(values, *ends))
        else:  # what is left may exceed the smallest of those asked for by half the tolerance
            room = self.floor + 0.5 * rtol * max(abs(self.floor), tiny) - float(values[-1])
            self.verified = room >= 0 and self._small(values, None, room)
            enough = self.verified or (room < 0 and self._several(tiny, closed))
        self._look_out(float(values[-1]), high, tiny)
        if enough:
            self.reason = f"the bars are below rtol = {rtol:g}"
        return enough

    def _look_out(self, top: float, high: float, tiny: float) -> None:
        """Where only one start's largest value is asked for: it is computed anew once it rises by more than it did last, or may be good."""
        block, rise, self._top = self.blocks[-1], top - self._top, top
        simple = self.asked.ends == "largest" and self.asked.top == len(self.blocks) == 1 and not self.locked and self.floor is None
        self._lookout = None
        if simple and block.betas[-1] > 0 and tiny < top and rise > 0:
            above = top + rise
            self._lookout = Lookout(above, above + high / top * above, smallest_share(self.dimension, self.asked.failure))

    def _several(self, tiny: float, closed: bool) -> bool:
        """Whether all that was asked for is good, or waiting for the next one costs as much as a fresh start would."""
        values, _, residuals, _, _ = self.assemble()
        count = leading(values, residuals, self.asked.good, tiny)
        while len(self._gains) < count:
            self._gains.append(self.hvps)
        below = self.floor is not None and count < len(values) and values[-1 - count] < self.floor
        return closed or count >= self.asked.top or (count > 0 and (below or self.hvps - self._gains[-1] >= self._gains[0]))

    def _small(self, values: Array, low: float | None, high: float | None) -> bool:
        """Whether the bars are at most so wide (None: whatever they are): `bars` without the search for their exact width."""
        block, rounding = self.blocks[-1], 2 * self.skew
        share = smallest_share(self.dimension - self.hvps + len(block.alphas), self.asked.failure)
        own = tridiagonal(block.alphas, block.betas) if len(self.blocks) > 1 else values
        top, bottom, minus = float(own[-1]), float(own[0]), [-alpha for alpha in block.alphas]
        above = high is None or within(block.alphas, block.betas, top, share, high - rounding + float(values[-1]) - top)
        return above and (low is None or within(minus, block.betas, -bottom, share, low - rounding + bottom - float(values[0])))

    def assemble(self) -> tuple[Array, Array, Array, list[Any], NDArray[np.intp]]:
        """All blocks' Ritz values ascending, weights of the start, residuals, the parts and the order."""
        if self._assembled[0] != self.hvps:
            self._assembled = self.hvps, self._assemble()
        return self._assembled[1]  # type: ignore[no-any-return]

    def _assemble(self) -> tuple[Array, Array, Array, list[Any], NDArray[np.intp]]:
        parts = [ritz(block.alphas, block.betas) for block in self.blocks]
        values = np.concatenate([part.values for part in parts])
        weights = np.concatenate([part.weights * (index == 0) for index, part in enumerate(parts)])
        order = np.argsort(values, kind="stable")
        return values[order], weights[order], np.concatenate([part.residuals for part in parts])[order], parts, order

    def coordinates(self) -> Array:
        """Columns: every Ritz vector in the basis of this run, values ascending."""
        _, _, _, parts, order = self.assemble()
        whole, at = np.zeros((self.hvps, self.hvps)), 0
        for part in parts:
            size = len(part.values)
            whole[at : at + size, at : at + size] = part.vectors
            at += size
        return whole[:, order]

    def bars(self, values: Array) -> tuple[float, float]:
        """Distance of the bar below the smallest value and of the one above the largest."""
        block = self.blocks[-1]
        seen = self.hvps - len(block.alphas)  # earlier blocks are invariant: exact
        share = smallest_share(self.dimension - seen, self.asked.failure)
        own = self.assemble()[3][-1].values
        alphas = np.asarray(block.alphas)
        high = own[-1] + bar(alphas, block.betas, float(own[-1]), share) - values[-1]
        low = values[0] - own[0] + bar(-alphas, block.betas, float(-own[0]), share)
        rounding = 2 * self.skew  # what the asymmetry of the products says about their rounding
        return max(float(low), 0.0) + rounding, max(float(high), 0.0) + rounding


def leading(values: Array, residuals: Array, rtol: float, tiny: float) -> int:
    """How many of the largest Ritz values are good to rtol, without a gap.

    >>> leading(np.array([1.0, 2.0, 3.0]), np.array([0.0, 1.0, 0.01]), 0.01, 1e-6)
    1
    """
    good = residuals <= rtol * np.maximum(np.abs(values), tiny)
    return int(np.argmin(np.append(good[::-1], False)))


def walk(product: Product, run: Run, rng: np.random.Generator, limit: int) -> None:
    """Carry a run on from the newest basis vector until it is done, or has made `limit` products, or is interrupted."""
    space, vector = product.space, product.space.newest()
    try:
        while True:
            image = run.advance(product, vector)
            product.tell(run)
            if run.done() or run.hvps >= limit:
                return
            if run.blocks[-1].betas[-1] > 0:
                vector = space.append(image, run.blocks[-1].betas[-1])
            elif not space.full:
                return  # an invariant subspace, and no basis to leave it with
            else:
                vector = elsewhere(space, rng)
    except KeyboardInterrupt:
        if not run.hvps and not run.locked:
            raise
        run.reason, run.interrupted = "interrupted", True


def elsewhere(space: Vectors, rng: np.random.Generator) -> Any:
    """A random unit vector orthogonal to the basis so far."""
    vector = space.random(rng)
    return space.append(vector, space.reduce(vector)[1])

"""Lanczos: a few products with a symmetric operator tell the ends of its spectrum, with bars that hold.

Each step multiplies once, makes the result orthogonal to everything so far and keeps two numbers:

    A v_j = beta_{j-1} v_{j-1} + alpha_j v_j + beta_j v_{j+1}.

The run stops as soon as the bars of the ends asked for are below `rtol`. From a random start the bars hold with a stated
probability (see `ritz`); from a given start (a gradient, a noise vector) the Ritz weights are the spectrum as that
vector sees it: the Gauss quadrature of its spectral measure.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import BadInput
from .ritz import bar, ritz, smallest_share, within
from .vectors import Operator, Vectors, as_operator

__all__ = ["DEPTH", "FAILURE", "Lanczos", "krylov", "lanczos"]

Array = NDArray[np.float64]
DEPTH = 100  # most products of a run that was not told
FAILURE = 0.005  # probability that one bar of a randomly started run does not cover the truth


@dataclass(frozen=True, eq=False)
class Lanczos:
    """What a run found: Ritz values ascending, and bars at both ends.

    `largest` <= lambda_1 <= `upper` and `lower` <= lambda_n <= `smallest`, each with probability >= 1 - failure when
    `guaranteed` (a random start); from a given start the bars assume that it leans on the end at least as much as a
    random one does with that probability.
    """

    values: Array  # (m,) Ritz values, ascending
    weights: Array  # (m,) share of the start vector at each: sums to 1
    residuals: Array  # (m,) |A x - value x|: an eigenvalue lies this close to each value
    lower: float  # bar below the smallest
    upper: float  # bar above the largest
    hvps: int  # products spent
    dimension: int
    norm: float  # |start|: norm^2 weights is the spectral measure of a given start
    converged: bool
    reason: str  # why it stopped, in words
    guaranteed: bool
    failure: float
    asymmetry: float  # largest |<v, A w> - <A v, w>| seen between basis vectors: rounding, when A is symmetric
    alphas: Array
    betas: Array
    vectors: Any = None  # (k, n) unit Ritz vectors of the k largest values, largest first, where asked for

    @property
    def largest(self) -> float:
        """Largest Ritz value: never above the largest eigenvalue but for rounding."""
        return float(self.values[-1])

    @property
    def smallest(self) -> float:
        """Smallest Ritz value: never below the smallest eigenvalue but for rounding."""
        return float(self.values[0])


def lanczos(
    operator: Operator,
    dimension: int | None = None,
    *,
    start: ArrayLike | None = None,
    depth: int | None = None,
    rtol: float | None = 0.01,
    ends: str = "both",
    top: int = 1,
    vectors: bool = False,
    seed: int = 0,
    failure: float = FAILURE,
) -> Lanczos:
    """The ends of a symmetric operator's spectrum from few products, full reorthogonalisation, in float64.

    `operator`: a function v (n,) -> A v (then give `dimension` or `start`), an array, a scipy sparse matrix or a
    LinearOperator. Stops when the bars of `ends` ("largest", "smallest" or "both") are below rtol |value| (and the `top`
    largest residuals too), after `depth` products (default 100), or when the space is exhausted; `rtol=None` always
    spends `depth`. A direction that yields nothing new (happy breakdown) is followed by a fresh random one.

    Raises:
        BadInput: not square, not symmetric, not finite, no dimension, start of the wrong size or zero.

    Source: Lanczos 1950; Paige 1971; van Dorsselaer, Hochstenbach and van der Vorst 2001 for the bars.

    >>> run = lanczos(np.diag(np.arange(1.0, 101.0)), rtol=1e-3)
    >>> run.largest <= 100.0001 and 100 <= run.upper <= 100.1
    True
    """
    matvec, n = as_operator(operator, dimension, start)
    first = None if start is None else np.array(start, dtype=float).ravel()
    return krylov(matvec, Vectors(n), start=first, depth=depth, rtol=rtol, ends=ends, top=top, vectors=vectors, seed=seed, failure=failure)


def krylov(
    matvec: Callable[[Any], Any],
    space: Vectors,
    *,
    start: Any = None,
    depth: int | None = None,
    rtol: float | None = 0.01,
    ends: str = "both",
    top: int = 1,
    vectors: bool = False,
    seed: int = 0,
    failure: float = FAILURE,
    watch: Callable[[int, float, float], None] | None = None,
) -> Lanczos:
    """`lanczos` on any kind of vectors: `space` does the algebra (numpy here, torch or jax in their rooms).

    `matvec` returns a fresh vector it gives away; `space.rounding` says how coarsely it is rounded. `watch(products, largest,
    bar)` is called after every product. KeyboardInterrupt ends the run with what was measured so far, once there is
    something to report.
    """
    _check(ends, rtol, depth, top, failure)
    progress = _Progress(space.dimension, start is None, failure, rtol, ends, max(top, 1))
    rng = np.random.default_rng(seed)
    vector = space.random(rng) if start is None else start
    norm = space.norm(vector)
    if not (math.isfinite(norm) and norm > 0):
        raise BadInput(f"the start vector has norm {norm:g}: give a finite vector that is not zero, or none for a random start")
    limit = min(DEPTH if depth is None else depth, space.dimension)
    vector = space.append(vector, norm)
    try:
        while True:
            image = matvec(vector)
            space.check(image, progress.hvps + 1)
            beta = _advance(space, image, progress)
            if watch is not None:
                watch(progress.hvps, *progress.headline())
            if progress.done() or progress.hvps == limit:
                break
            if beta > 0:
                vector = space.append(image, beta)
            elif not space.full:
                break  # an invariant subspace, and no basis to leave it with
            else:
                vector = _elsewhere(space, rng)
    except KeyboardInterrupt:
        if not progress.blocks[0].alphas:
            raise
        progress.reason = "interrupted"
    return progress.result(norm, space, top if vectors else 0)


def _advance(space: Vectors, image: Any, progress: _Progress) -> float:
    """One step: orthogonalise the image in place, record alpha and beta, return beta (0 at a happy breakdown)."""
    coefficients = space.project(image)
    block = progress.blocks[-1]
    expected = np.zeros_like(coefficients)
    expected[-1] = coefficients[-1]
    if block.alphas and len(coefficients) > 1:
        expected[-2] = block.betas[-1]
    skew = float(np.max(np.abs(coefficients - expected)))
    beta = space.norm(image)
    scale = max(progress.scale, float(np.max(np.abs(coefficients))), beta)
    epsilon, allowed = space.rounding(image)
    if skew > allowed * scale:
        raise BadInput(
            f"the operator is not symmetric: <v, A w> and <A v, w> differ by {skew:.3g} where products are of size {scale:.3g}. "
            "Lanczos needs a symmetric operator: pass (A + A.T)/2, or make the loss deterministic"
        )
    progress.skew, progress.scale = max(progress.skew, skew), scale
    if beta <= 20 * epsilon * scale or progress.hvps + 1 == space.dimension:
        beta = 0.0
    progress.record(float(coefficients[-1]), beta)
    return beta


def _elsewhere(space: Vectors, rng: np.random.Generator) -> Any:
    """A random unit vector orthogonal to everything so far."""
    vector = space.random(rng)
    space.project(vector)
    return space.append(vector, space.norm(vector))


class _Block:
    """The coefficients of one start: closed by a zero beta."""

    def __init__(self) -> None:
        self.alphas: list[float] = []
        self.betas: list[float] = []


class _Progress:
    """The scalars of a run in the making, and whether they are good enough."""

    def __init__(self, dimension: int, random: bool, failure: float, rtol: float | None, ends: str, top: int) -> None:
        self.dimension, self.random, self.failure, self.rtol, self.ends, self.top = dimension, random, failure, rtol, ends, top
        self.blocks = [_Block()]
        self.hvps, self.skew, self.scale, self.reason = 0, 0.0, 0.0, ""

    def record(self, alpha: float, beta: float) -> None:
        if self.blocks[-1].betas and self.blocks[-1].betas[-1] == 0:
            self.blocks.append(_Block())
        self.blocks[-1].alphas.append(alpha)
        self.blocks[-1].betas.append(beta)
        self.hvps += 1

    def done(self) -> bool:
        """Whether every bar asked for is small enough."""
        if self.hvps == self.dimension:
            self.reason = "the whole space was seen: exact"
            return True
        closed = self.blocks[-1].betas[-1] == 0
        if self.rtol is None or (closed and not (self.random and len(self.blocks) == 1 and self.top <= self.hvps)):
            return False  # after a breakdown from a given start, other directions may hide other curvatures
        values, _, residuals, _, _ = self.assemble()
        if self.hvps > 64 and self.hvps % 8:  # the check costs m^3: look less often late in a long run
            return False
        tiny = 1e-6 * self.scale  # a relative bar means nothing on a value that is zero
        if len(values) < self.top or np.any(residuals[-self.top :] > self.rtol * np.maximum(np.abs(values[-self.top :]), tiny)):
            return False
        if not self._small(values, self.rtol * max(abs(values[0]), tiny), self.rtol * max(abs(values[-1]), tiny)):
            return False
        self.reason = f"the bars are below rtol = {self.rtol:g}"
        return True

    def _small(self, values: Array, low: float, high: float) -> bool:
        """Whether the bars asked for are at most so wide: `bars` without the search for their exact width."""
        block, rounding = self.blocks[-1], 2 * self.skew
        share = smallest_share(self.dimension - self.hvps + len(block.alphas), self.failure)
        own, alphas = (ritz(block.alphas, block.betas).values if len(self.blocks) > 1 else values), np.asarray(block.alphas)
        above = self.ends == "smallest" or within(alphas, block.betas, float(own[-1]), share, high - rounding + values[-1] - own[-1])
        return above and (
            self.ends == "largest" or within(-alphas, block.betas, float(-own[0]), share, low - rounding + own[0] - values[0])
        )

    def assemble(self) -> tuple[Array, Array, Array, list[Any], NDArray[np.intp]]:
        """All blocks' Ritz values ascending, weights of the start, residuals, the parts and the order."""
        parts = [ritz(block.alphas, block.betas) for block in self.blocks]
        values = np.concatenate([part.values for part in parts])
        weights = np.concatenate([part.weights * (index == 0) for index, part in enumerate(parts)])
        order = np.argsort(values, kind="stable")
        return values[order], weights[order], np.concatenate([part.residuals for part in parts])[order], parts, order

    def bars(self, values: Array) -> tuple[float, float]:
        """Distance of the bar below the smallest value and of the one above the largest."""
        block = self.blocks[-1]
        seen = self.hvps - len(block.alphas)  # earlier blocks are invariant: exact
        share = smallest_share(self.dimension - seen, self.failure)
        own = ritz(block.alphas, block.betas).values
        alphas = np.asarray(block.alphas)
        high = own[-1] + bar(alphas, block.betas, float(own[-1]), share) - values[-1]
        low = values[0] - own[0] + bar(-alphas, block.betas, float(-own[0]), share)
        rounding = 2 * self.skew  # what the asymmetry of the products says about their rounding
        return max(float(low), 0.0) + rounding, max(float(high), 0.0) + rounding

    def headline(self) -> tuple[float, float]:
        """Largest Ritz value and the half-width of its bar, for a progress line."""
        values = self.assemble()[0]
        return float(values[-1]), self.bars(values)[1]

    def result(self, norm: float, space: Vectors, wanted: int) -> Lanczos:
        """The finished run, with Ritz vectors where asked for."""
        values, weights, residuals, parts, order = self.assemble()
        low, high = self.bars(values)
        tops = None
        if wanted:
            whole = np.zeros((self.hvps, self.hvps))
            at = 0
            for part in parts:
                size = len(part.values)
                whole[at : at + size, at : at + size] = part.vectors.T
                at += size
            tops = space.combine(whole[order[::-1][:wanted]])
        converged = bool(self.reason) and self.reason != "interrupted"
        blocks = self.blocks
        return Lanczos(
            values=values, weights=weights, residuals=residuals, lower=float(values[0] - low), upper=float(values[-1] + high),
            hvps=self.hvps, dimension=self.dimension, norm=norm, converged=converged,
            reason=self.reason or f"the limit of {self.hvps} products was reached", guaranteed=self.random, failure=self.failure,
            asymmetry=self.skew, alphas=np.concatenate([block.alphas for block in blocks]),
            betas=np.concatenate([block.betas for block in blocks]), vectors=tops,
        )  # fmt: skip


def _check(ends: str, rtol: float | None, depth: int | None, top: int, failure: float) -> None:
    """Refuse settings that no run can use."""
    if ends not in {"both", "largest", "smallest"}:
        raise BadInput(f"ends = {ends!r} is not one of 'both', 'largest', 'smallest'")
    if rtol is not None and not 0 < rtol < math.inf:
        raise BadInput(f"rtol = {rtol:g} is not positive: 0.01 asks for bars of 1 %, None for a fixed depth")
    if rtol is None and depth is None:
        raise BadInput("rtol=None spends a fixed number of products: say how many with depth=")
    if depth is not None and depth < 1:
        raise BadInput(f"depth = {depth} is too few: a run needs at least 1 product")
    if top < 1:
        raise BadInput(f"top = {top} is too few: ask for at least the largest eigenvalue")
    if not 0 < failure < 1:
        raise BadInput(f"failure = {failure:g} is outside (0, 1): it is the probability that a bar misses; try {FAILURE}")

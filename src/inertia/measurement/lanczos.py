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

from ..core.arrays import real
from ..errors import BadInput
from .locking import several
from .operators import Operator, as_operator
from .recurrence import Asked, Product, Run, walk
from .vectors import Vectors

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
    counted: int = 0  # the so many largest values are the largest curvatures, copies counted, each within its residual
    warning: str = ""  # asymmetry of the products that is suspicious, in words

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
    LinearOperator. Stops when the bars of `ends` ("largest", "smallest" or "both") are below rtol |value|, after `depth`
    products (default 100 top), or when the space is exhausted; `rtol=None` always spends `depth`. A direction that yields
    nothing new (happy breakdown) is followed by a fresh random one.

    With `top` > 1 the so many largest are found with their multiplicity: what was found is taken out and a fresh random
    start looks at the rest, until nothing larger is left there (with probability 1 - failure). `counted` says of how many
    that is known; then `residuals` are the bars of the first, the second, ... largest. Costs two runs or more, and one more
    for every copy of a curvature.

    Raises:
        BadInput: not square, not symmetric, not finite, no dimension, start of the wrong size or zero.

    Source: Lanczos 1950; Paige 1971; van Dorsselaer, Hochstenbach and van der Vorst 2001 for the bars.

    >>> run = lanczos(np.diag(np.arange(1.0, 101.0)), rtol=1e-3)
    >>> run.largest <= 100.0001 and 100 <= run.upper <= 100.1
    True
    """
    matvec, n = as_operator(operator, dimension, start)
    first = None if start is None else real(start, "the start vector").ravel().copy()
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
    vectors: bool | int = False,
    seed: int = 0,
    failure: float = FAILURE,
    watch: Callable[[int, float, float], None] | None = None,
) -> Lanczos:
    """`lanczos` on any kind of vectors: `space` does the algebra (numpy here, torch or jax in their rooms).

    `matvec` returns a fresh vector it gives away; `space.rounding` says how coarsely it is rounded. `watch(products, largest,
    bar)` is called after every product. `vectors` may be their number, of one run alone also above `top`. KeyboardInterrupt
    ends the run with what was measured so far, once there is something to report.
    """
    _check(ends, rtol, depth, top, failure)
    most = DEPTH * top if depth is None else depth
    asked = Asked(rtol, ends, top, failure, most, 0.0 if rtol is None else rtol / (2 * math.sqrt(top)))
    rng = np.random.default_rng(seed)
    vector = space.random(rng) if start is None else start
    norm = space.norm(vector)
    if not (math.isfinite(norm) and norm > 0):
        raise BadInput(f"the start vector has norm {norm:g}: give a finite vector that is not zero, or none for a random start")
    product, run = Product(matvec, space, watch), Run(asked, space.dimension, start is None)
    space.ends = run.random and top == 1 and rtol is not None and not vectors
    space.append(vector, norm)
    del vector, start  # a run needs no more than its basis
    walk(product, run, rng, min(most, space.dimension))
    if top == 1 or rtol is None or not space.full or run.interrupted:
        return _plain(run, product, norm, max(top, int(vectors)) if vectors else 0)
    return _counted(run, product, norm, bool(vectors), rng)


def _plain(run: Run, product: Product, norm: float, wanted: int) -> Lanczos:
    """The result of one run alone; copies of a curvature are not counted."""
    values, weights, residuals, _, _ = run.assemble()
    tops = product.space.combine(run.coordinates()[:, : -wanted - 1 : -1].T) if wanted else None
    sure = bool(run.reason) and not run.interrupted and run.asked.ends != "smallest"
    counted = run.dimension if run.hvps == run.dimension else int(sure)
    return _result(run, product, norm, values, weights, residuals, tops, counted)


def _counted(run: Run, product: Product, norm: float, vectors: bool, rng: np.random.Generator) -> Lanczos:
    """The largest few with their multiplicity, beside what else the first run found."""
    values, weights, residuals, _, _ = run.assemble()
    locked, taken, finished = several(product, run, rng)
    top, found, bars, rest = run.asked.top, locked.values, locked.above(), len(values) - taken
    good = bars[:top] <= (run.asked.rtol or 0.0) * np.maximum(np.abs(found[:top]), 1e-6 * run.scale)
    counted = int(np.argmin(np.append(good, False)))
    own = np.sqrt(np.maximum(np.diag(locked.squares), 0.0))
    below = np.minimum(values[:rest], found[top - 1]) if len(found) >= top else values[:rest]
    values = np.concatenate([below, found])
    order = np.argsort(values, kind="stable")
    finished = finished and counted == min(top, len(found))
    if not finished and not run.interrupted:
        run.reason = ""
    return _result(
        run, product, norm, values[order], np.concatenate([weights[:rest], locked.weights])[order],
        np.concatenate([residuals[:rest], np.where(np.arange(len(found)) < counted, bars, own)])[order],
        locked.rows[:top] if vectors and len(found) else None, counted,
    )  # fmt: skip


def _result(run: Run, product: Product, norm: float, values: Array, weights: Array, residuals: Array, tops: Any, counted: int) -> Lanczos:
    """A finished run, in the operator's own unit."""
    own = run.assemble()[0]
    low, high = run.bars(own)
    unit = 1 / product.unit if product.unit else 1.0
    lower, upper = min(float(values[0]), float(own[0] - low)), max(float(values[-1]), float(own[-1] + high))
    stopped = f"the limit of {run.asked.limit} products was reached" if product.count >= run.asked.limit else "the bars are too wide"
    return Lanczos(
        values=values * unit, weights=weights, residuals=residuals * unit, lower=lower * unit, upper=upper * unit,
        hvps=product.count, dimension=product.space.dimension, norm=norm, converged=bool(run.reason) and not run.interrupted,
        reason=run.reason or stopped, guaranteed=run.random, failure=run.asked.failure, asymmetry=run.skew * unit,
        alphas=np.concatenate([b.alphas for b in run.blocks]) * unit, betas=np.concatenate([b.betas for b in run.blocks]) * unit,
        vectors=tops, counted=counted, warning=product.symmetry.warning,
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

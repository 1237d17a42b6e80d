"""The whole spectrum from a few random vectors: where the curvatures are, how far the start is, how noisy each one is.

A Lanczos run started at a random vector sees every eigenvalue with the same expected weight 1/n: its Ritz values and
weights are a quadrature of the spectral density (stochastic Lanczos quadrature). Started at the gradient, the same run
gives the gradient's share along each curvature; started at a noise vector, the noise's.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..core.arrays import real
from ..core.spectrum import Spectrum
from ..core.spectrum import spectrum as make_spectrum
from ..errors import BadInput
from .lanczos import FAILURE, Lanczos, lanczos
from .operators import Operator, as_operator

__all__ = ["Density", "density", "joined", "smooth", "spectrum"]

Array = NDArray[np.float64]


class Density(NamedTuple):
    """Nodes (m,) ascending and their shares of the dimensions, the mean over the probes; shares sum to 1."""

    nodes: Array
    shares: Array
    spread: float  # standard error of the mean curvature (the trace over n) between probes; nan for one probe
    hvps: int
    runs: tuple[Lanczos, ...]


def density(operator: Operator, dimension: int | None = None, *, probes: int = 4, depth: int = 30, seed: int = 0) -> Density:
    """Spectral density by stochastic Lanczos quadrature: `probes` random starts of `depth` products each.

    sum_i share_i f(node_i) estimates trace(f(A))/n, exactly in expectation for polynomials f below degree 2 depth, with a
    standard error about sqrt(2/(n probes)) times the root mean square of f over the spectrum.

    Raises:
        BadInput: no probes, or what `lanczos` refuses.

    Source: Golub and Meurant 1994; Ubaru, Chen and Saad 2017, Theorem 4.1.

    >>> found = density(np.diag([1.0, 1.0, 2.0, 2.0]), probes=3, depth=4)
    >>> bool(np.isclose(found.shares.sum(), 1)), bool(np.allclose(np.unique(found.nodes.round(9)), [1.0, 2.0]))
    (True, True)
    """
    if probes < 1:
        raise BadInput(f"probes = {probes} is too few: a density needs at least 1 random vector")
    matvec, n = as_operator(operator, dimension)
    runs = tuple(lanczos(matvec, n, depth=depth, rtol=None, seed=seed + 7919 * k) for k in range(probes))
    return pooled(runs)


def pooled(runs: Sequence[Lanczos]) -> Density:
    """The mean of several randomly started runs as one density.

    >>> round(float(pooled([lanczos(np.eye(3), depth=3, rtol=None)]).shares.sum()), 9)
    1.0
    """
    nodes = np.concatenate([run.values for run in runs])
    shares = np.concatenate([run.weights for run in runs]) / len(runs)
    order = np.argsort(nodes, kind="stable")
    means = np.array([run.weights @ run.values for run in runs])
    size = float(np.max(np.abs(means))) or 1.0  # squares of what is divided by it are numbers
    spread = float(np.std(means / size, ddof=1) / math.sqrt(len(runs))) * size if len(runs) > 1 else float("nan")
    return Density(nodes[order], shares[order] / shares.sum(), spread, sum(run.hvps for run in runs), tuple(runs))


def smooth(nodes: ArrayLike, shares: ArrayLike, points: ArrayLike, width: float | None = None) -> Array:
    """The density as a curve: a Gaussian of standard deviation `width` on each node, at the given points.

    `width` defaults to 1 % of the range of the nodes. Unit 1/curvature; integrates to the sum of the shares.

    Raises:
        BadInput: a width that is not positive.

    >>> round(float(smooth([0.0], [1.0], [0.0], width=1.0)[0]), 4)
    0.3989
    """
    h, w, x = (np.asarray(values, dtype=float) for values in (nodes, shares, points))
    sigma = 0.01 * float(np.ptp(h)) or 0.01 * float(np.max(np.abs(h))) or 1.0 if width is None else width
    if not sigma > 0:
        raise BadInput(f"width = {sigma:g} is not positive: it is the standard deviation of the smoothing")
    bumps = np.exp(-0.5 * ((x[..., None] - h) / sigma) ** 2)  # (*points, nodes)
    return bumps @ w / (sigma * math.sqrt(2 * math.pi))


def spectrum(
    operator: Operator,
    dimension: int | None = None,
    *,
    gradient: ArrayLike | None = None,
    noise: ArrayLike | None = None,
    rtol: float = 0.01,
    depth: int | None = None,
    probes: int = 1,
    seed: int = 0,
    failure: float = FAILURE,
) -> Spectrum:
    """Measure a symmetric operator into a Spectrum with error bars, an upper bar and its cost.

    The first random run finds both ends to `rtol`; further `probes` of the same depth sharpen the density. With a
    `gradient` (n,) the weights are the squared distances that it implies; with `noise` (k, n), gradients of mini-batches
    minus their mean, the noise is its variance (unit gradient^2) along the curvatures.

    Raises:
        BadInput: what `lanczos` refuses, or noise of fewer than two vectors.

    >>> found = spectrum(np.diag([1.0, 2.0, 3.0]), gradient=[1.0, 0.0, 3.0])
    >>> [float(found.weights[abs(found.curvatures - h) < 1e-6].sum().round(6)) for h in (1, 2, 3)]  # (g_i/h_i)^2
    [1.0, 0.0, 1.0]
    """
    matvec, n = as_operator(operator, dimension, gradient)
    gradient = None if gradient is None else real(gradient, "the gradient")
    runs = [lanczos(matvec, n, rtol=rtol, depth=depth, seed=seed, failure=failure)]
    runs += [lanczos(matvec, n, rtol=None, depth=runs[0].hvps, seed=seed + 7919 * k) for k in range(1, probes)]
    seen = None
    if gradient is not None and np.any(gradient):
        seen = lanczos(matvec, n, start=gradient, rtol=None, depth=min(12, runs[0].hvps))
    shaken, trace = [], 0.0
    if noise is not None:
        rows = np.atleast_2d(real(noise, "the noise"))
        if len(rows) < 2:
            raise BadInput(f"noise of {len(rows)} mini-batch cannot show a variance: give the gradients of at least 2, minus their mean")
        with np.errstate(over="ignore", invalid="ignore"):
            trace = float(np.sum(rows**2)) / (len(rows) - 1)
        if not math.isfinite(trace):
            raise BadInput(f"the variance of the noise is {trace}: give finite gradients of a size whose square is a number, below 1e150")
        if trace > 0:
            starts = [row for row in rows if np.any(row)][:2]
            shaken = [lanczos(matvec, n, start=row, rtol=None, depth=min(12, runs[0].hvps)) for row in starts]
    return joined(runs, seen, shaken, trace, {"source": "lanczos", "seed": seed})


def joined(
    runs: Sequence[Lanczos],
    seen: Lanczos | None = None,
    shaken: Sequence[Lanczos] = (),
    trace: float = 0.0,
    provenance: dict[str, Any] | None = None,
    loss: float | None = None,
) -> Spectrum:
    """One Spectrum from runs started at random vectors, at the gradient (`seen`) and at noise vectors (`shaken`).

    Nodes of all runs stand side by side: density on the first kind, weights on the second, noise (summing to `trace`) on
    the third. A gradient share s at curvature h means a squared distance s/max(h, floor)^2; the floor is the smallest that
    keeps the promised decrease 1/2 sum s/max(h, floor) within `loss` (or 1e-6 of the largest curvature). Where h <= 0 there
    is no optimum and no weight.

    >>> run = lanczos(np.diag([1.0, 3.0]))
    >>> joined([run]).upper == run.upper
    True
    """
    first, everything = runs[0], [*runs, *([] if seen is None else [seen]), *shaken]
    columns = {"density": runs, "weights": [] if seen is None else [seen], "noise": shaken}
    scale = {"density": 1 / len(runs), "weights": 1.0, "noise": trace / max(len(shaken), 1)}
    filled = {}
    for name, mine in columns.items():
        filled[name] = np.concatenate([scale[name] * run.weights * (run in mine) for run in everything])
    h = np.concatenate([run.values for run in everything])
    if seen is not None:
        floor = _floor(seen.values, seen.norm, seen.weights, loss)
        with np.errstate(over="ignore", invalid="ignore"):
            filled["weights"] *= np.where(h > 0, (seen.norm / np.maximum(h, floor)) ** 2, 0.0)
        if not np.all(np.isfinite(filled["weights"])):
            raise BadInput(
                f"a gradient of length {seen.norm:.3g} where curvatures are {np.max(np.abs(h)):.3g} puts the optimum beyond "
                "floating point: leave the gradient out, or look at the scale of the loss"
            )
    top, bottom = max(float(h.max()), first.upper), min(float(h.min()), first.lower)
    about = {
        "dimension": first.dimension, "hvps": sum(run.hvps for run in everything), "largest": float(h.max()), "largest_upper": top,
        "smallest": float(h.min()), "smallest_lower": bottom, "noise_trace": trace, "converged": first.converged,
        "reason": first.reason, "failure": first.failure,
    }  # fmt: skip
    errors = np.concatenate([run.residuals for run in everything])
    return make_spectrum(h, errors=errors, upper=top, provenance=about | (provenance or {}), **filled)


def _floor(values: Array, norm: float, shares: Array, loss: float | None) -> float:
    """The least curvature to divide by: the promised decrease 1/2 sum norm^2 share/curvature must stay within the loss."""
    largest = float(np.max(np.abs(values))) or 1.0
    tiny = 1e-6 * largest
    h, shares = values[values > 0] / largest, shares[values > 0]  # in units of the largest curvature, so that nothing overflows
    room = math.inf if loss is None else loss / norm * (largest / norm)
    if 0.5 * np.sum(shares / np.maximum(h, 1e-6)) <= room:
        return tiny
    low, high = math.log(1e-6), math.log(max(0.5 * float(np.sum(shares)) / max(room, 1e-300), 1e-6) + 1.0)
    for _ in range(60):
        middle = (low + high) / 2
        if 0.5 * np.sum(shares / np.maximum(h, math.exp(middle))) > room:
            low = middle
        else:
            high = middle
    return math.exp(high) * largest

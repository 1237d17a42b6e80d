"""How noisy a mini-batch gradient is, and along which curvatures.

At fixed parameters the gradient of B examples drawn without replacement from N scatters about the full gradient with

    trace = E |g_batch - g_full|^2 = (1/B - 1/N) S^2,     S^2 = scatter of single examples' gradients.

Each batch is one independent draw without replacement, so the sample variance among batches is an unbiased estimate of
exactly that, the factor 1 - B/N included: nothing is left at B = N. Which share of it lies on which curvature follows
from Lanczos runs that start at the deviations themselves (Golub and Meurant 2010, chapter 7).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from ..errors import BadInput
from .lanczos import lanczos

__all__ = ["Noise", "noise"]

Array: TypeAlias = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Noise:
    """Noise of the mini-batch gradient at one point: its trace, and its variance along curvatures where asked for."""

    trace: float  # E |g_batch - g_full|^2, in (loss/parameter)^2
    error: float  # standard error of the trace
    curvatures: Array  # (m,) nodes; empty without a matvec
    variances: Array  # (m,) sums to the trace
    batch_size: int
    gradients: int  # example gradients spent
    hvps: int  # Hessian-vector products spent


def noise(
    gradient: Callable[[Array, NDArray[np.intp]], Array],
    params: Array,
    examples: int,
    batch_size: int,
    *,
    matvec: Callable[[Array], Array] | None = None,
    batches: int = 8,
    starts: int = 4,
    depth: int = 12,
    seed: int = 0,
) -> Noise:
    """Trace of the gradient noise of batches of `batch_size`, and its distribution over curvature.

    `gradient(params, rows)` is the mean gradient (n,) of the examples `rows`; `matvec` the Hessian at `params` times a
    vector. `batches` gradients are taken; the deviations of the first `starts` of them start Lanczos runs of `depth`
    products each, whose quadratures are averaged. Deterministic under `seed`. Cost: batches * batch_size example
    gradients and starts * depth products.

    Raises:
        BadInput: batch_size below 1 or above the number of examples, fewer than 2 batches, a gradient that is not finite.

    >>> data = np.array([-1.0, 1.0] * 50)
    >>> exact = noise(lambda w, rows: np.array([data[rows].mean()]), np.zeros(1), 100, 10, batches=2000)
    >>> round(exact.trace, 2)  # (1/10 - 1/100) 100/99
    0.09
    """
    if not 1 <= batch_size <= examples:
        raise BadInput(f"batch_size = {batch_size} is outside 1 to {examples}, the number of examples: try {min(32, examples)}")
    if batches < 2:
        raise BadInput(f"batches = {batches} is too few to see a scatter: use at least 2")
    if batch_size == examples:
        return Noise(0.0, 0.0, np.empty(0), np.empty(0), batch_size, 0, 0)
    rng = np.random.default_rng([seed, examples, batch_size])
    taken = np.stack([gradient(params, rng.choice(examples, batch_size, replace=False)) for _ in range(batches)])  # (J, n)
    if not np.all(np.isfinite(taken)):
        raise BadInput("a mini-batch gradient is not finite here: check the loss, the data and the parameters")
    deviations = (taken - taken.mean(axis=0)) * np.sqrt(batches / (batches - 1))  # (J, n), each with E |.|^2 = trace
    squares = np.sum(deviations**2, axis=1)  # (J,)
    trace, error = float(squares.mean()), float(squares.std(ddof=1) / np.sqrt(batches))
    nodes, variances, hvps = np.empty(0), np.empty(0), 0
    if matvec is not None and trace > 0:
        nodes, variances, hvps = _along(matvec, deviations[:starts], depth)
        variances *= trace / variances.sum()
    return Noise(trace, error, nodes, variances, batch_size, batches * batch_size, hvps)


def _along(matvec: Callable[[Array], Array], vectors: Array, depth: int) -> tuple[Array, Array, int]:
    """Nodes and shares of the mean spectral measure of the vectors, and the products spent."""
    runs = [lanczos(matvec, len(vector), start=vector, rtol=None, depth=depth) for vector in vectors if np.any(vector)]
    nodes = np.concatenate([run.values for run in runs])
    shares = np.concatenate([run.norm**2 * run.weights for run in runs])
    # The pooled measure has starts * depth nodes; its own Gauss quadrature says the same with depth of them.
    few = lanczos(lambda v: nodes * v, nodes.size, start=np.sqrt(shares), rtol=None, depth=min(depth, vectors.shape[1]))
    seen = few.weights > 0  # directions added after a breakdown carry no noise
    return few.values[seen], few.norm**2 * few.weights[seen], sum(run.hvps for run in runs)

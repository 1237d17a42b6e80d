"""A problem is what can be minimised: functions of parameters whose leading axes are trials.

Parameters are arrays (..., n); `value` gives (...), `gradient` and `hvp` give (..., n), so that a thousand runs are one
array operation. A finite sum (a data set) also takes `rows`, the examples of one mini-batch.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ..core.spectrum import Spectrum

__all__ = ["Array", "Gradient", "HessianProduct", "Problem", "Rows", "Value", "spread_over"]

Array = NDArray[np.float64]
Rows = NDArray[np.intp] | None  # examples of a mini-batch; None = all of them


class Value(Protocol):
    """Mean loss over `rows`: (..., n) -> (...)."""

    def __call__(self, params: Array, rows: Rows = None, /) -> Array:
        """The loss."""
        ...


class Gradient(Protocol):
    """Gradient of the mean loss over `rows`: (..., n) -> (..., n)."""

    def __call__(self, params: Array, rows: Rows = None, /) -> Array:
        """The gradient."""
        ...


class HessianProduct(Protocol):
    """Hessian of the mean loss over `rows` at `params`, times `vector`: (..., n), (..., n) -> (..., n), broadcast."""

    def __call__(self, params: Array, vector: Array, rows: Rows = None, /) -> Array:
        """The product."""
        ...


@dataclass(frozen=True, eq=False)
class Problem:
    """Value, gradient and Hessian-vector product of something to minimise, and what is known about it."""

    name: str
    value: Value
    gradient: Gradient
    hvp: HessianProduct
    start: Array  # (n,) where runs begin (a task may draw it from a seed: see `draw`)
    optimum: Array | None = None  # (n,) a minimiser, where known
    minimum: float | None = None  # the loss there
    lowest: float | None = None  # a number that the loss cannot go below, where no minimum is known
    spectrum: Spectrum | None = None  # exact, where the problem is quadratic and small enough
    domain: tuple[tuple[float, float], tuple[float, float]] | None = None  # what to plot of a two-dimensional problem
    examples: int | None = None  # number of examples of a finite sum; None = one deterministic function
    draw: Callable[[int], Array] | None = None  # seed -> start, where the start is random
    about: str = ""  # one sentence
    source: str = ""  # where it comes from
    facts: dict[str, Any] = field(default_factory=dict)  # named numbers and arrays that figures and experiments use

    @property
    def dimension(self) -> int:
        """Number of parameters."""
        return int(self.start.shape[-1])


def spread_over(params: Array, product: Array) -> Array:
    """A product that does not depend on the parameters, repeated for each of their leading axes.

    >>> spread_over(np.zeros((3, 2)), np.ones(2)).shape
    (3, 2)
    """
    shape = np.broadcast_shapes(np.shape(params), np.shape(product))
    return product if np.shape(product) == shape else np.array(np.broadcast_to(product, shape))

"""A Python function of one's own, as a problem: its gradient given, or taken by finite differences."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ..errors import BadInput, InertiaWarning
from .base import Array, Problem, Rows

__all__ = ["from_function"]

_EPS = float(np.finfo(float).eps)


def from_function(f: Callable[[Array], Any], start: ArrayLike, gradient: Callable[[Array], Any] | None = None, **words: Any) -> Problem:
    """A problem from f: (n,) -> number, and its gradient (n,) -> (n,) where there is one.

    Without a gradient, central differences (f(x + h e_i) - f(x - h e_i))/(2h), h = eps^(1/3) max(1, |x_i|): 2n calls of f each,
    about ten correct digits, and a warning that says so. The Hessian-vector product is a central difference of the gradient. The
    function is called with one copied point at a time, so it need not broadcast; an OverflowError counts as not finite.

    Raises:
        BadInput: f or its gradient does not give finite numbers of the right shape at the start.

    >>> from_function(lambda w: float(w @ w), [1.0, 2.0], lambda w: 2 * w).gradient(np.array([[1.0, 2.0], [0.0, 3.0]]))
    array([[2., 4.],
           [0., 6.]])
    """
    first = np.atleast_1d(np.asarray(start, dtype=float))
    if first.ndim != 1 or first.size == 0 or not np.all(np.isfinite(first)):
        raise BadInput(f"start has shape {np.shape(start)}: give a list of at least one finite number")
    name = str(words.pop("name", getattr(f, "__name__", "function")).strip("<>"))
    _call(f, first, (), f"{name}(start)")

    def value(params: Array, rows: Rows = None, /) -> Array:
        return _along(f, params, ())

    if gradient is None:
        message = f"{name} came without a gradient: central differences cost {2 * first.size} calls each and give about ten digits"
        warnings.warn(f"{message}; pass gradient= for exact steps", InertiaWarning, stacklevel=2)
        slope = _differences(f)
    else:
        slope = gradient
        _call(gradient, first, first.shape, f"the gradient of {name}")
        _doubt(f, gradient, first, name)

    def gradients(params: Array, rows: Rows = None, /) -> Array:
        return _along(slope, params, first.shape)

    # the step that balances the error of the difference against that of the gradient it is taken of
    reach = _EPS ** (1 / 3) if gradient is not None else _EPS ** (2 / 9)

    def hvp(params: Array, vector: Array, rows: Rows = None, /) -> Array:
        size = np.linalg.norm(vector, axis=-1, keepdims=True)
        h = reach * np.maximum(1.0, np.linalg.norm(params, axis=-1, keepdims=True)) / np.where(size == 0, 1.0, size)
        return (gradients(params + h * vector) - gradients(params - h * vector)) / (2 * h)

    words = {"about": f"the Python function {name}", "source": "given by the user"} | words
    return Problem(name, value, gradients, hvp, start=first, **words)


def _differences(f: Callable[[Array], Any]) -> Callable[[Array], Array]:
    def slope(x: Array) -> Array:
        h = _EPS ** (1 / 3) * np.maximum(1.0, np.abs(x))
        steps = np.diag(h)
        return np.array([float(f(x + step)) - float(f(x - step)) for step in steps]) / (2 * h)

    return slope


def _along(function: Callable[[Array], Any], params: Array, shape: tuple[int, ...]) -> Array:
    """function of every point of (..., n), each called with a copy of its own: a user's function may write into it."""
    points = np.array(params, dtype=float)
    flat = points.reshape(-1, points.shape[-1])
    found = np.empty((len(flat), *shape))
    for at, point in enumerate(flat):
        try:
            found[at] = function(point)
        except ArithmeticError:  # math.exp raises where numpy gives inf; to a run both are the end of this trial
            found[at] = np.nan
    return found.reshape(points.shape[:-1] + shape)


def _call(function: Callable[[Array], Any], at: Array, shape: tuple[int, ...], name: str) -> None:
    found = np.asarray(function(at.copy()))
    if found.shape != shape:
        raise BadInput(f"{name} has shape {found.shape}: {shape or 'one number'} is needed, whatever else it computes")
    if not np.issubdtype(found.dtype, np.number) or not np.all(np.isfinite(found)):
        raise BadInput(f"{name} is {found}: finite numbers are needed at the start; choose another start or repair the function")


def _doubt(f: Callable[[Array], Any], gradient: Callable[[Array], Any], at: Array, name: str) -> None:
    """Warn where the gradient given is not the slope of f along one random direction."""
    direction = np.random.default_rng(0).standard_normal(at.size)
    direction /= np.linalg.norm(direction)
    h = _EPS ** (1 / 3) * max(1.0, float(np.linalg.norm(at)))
    seen = (float(f(at + h * direction)) - float(f(at - h * direction))) / (2 * h)
    given = np.asarray(gradient(at.copy()), dtype=float)
    told = float(given @ direction)
    if abs(seen - told) > 0.01 * max(abs(seen), float(np.linalg.norm(given)), 1e-6):
        message = f"the gradient given for {name} is not its slope: {told:.6g} along a random direction where differences say {seen:.6g}"
        warnings.warn(f"{message}; check its sign and factor", InertiaWarning, stacklevel=3)

"""Linear models on data: mean loss of a linear score, with gradient and Hessian product in closed form.

    value(w) = 1/m sum_i loss(x_i' w, y_i) + l2/2 |w|^2

Squares, logistic and softmax differ in two lines each: the derivative of the loss in the score and its second derivative.
All trials go through one matrix product: scores (T, m) = params (T, n) @ features' (n, m).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ..core.spectrum import spectrum
from ..errors import BadInput
from .base import Array, Problem, Rows, spread_over

__all__ = ["least_squares", "logistic", "softmax", "with_intercept"]

_SMALL = 2000  # up to this dimension the exact spectrum is computed


def with_intercept(features: ArrayLike) -> Array:
    """The features with a last column of ones: its weight is the intercept.

    >>> with_intercept([[2.0], [3.0]])
    array([[2., 1.],
           [3., 1.]])
    """
    x = np.asarray(features, dtype=float)
    return np.concatenate([x, np.ones((len(x), 1))], axis=1)


def least_squares(features: ArrayLike, targets: ArrayLike, *, l2: float = 0.0, start: ArrayLike | None = None, **words: Any) -> Problem:
    """Half mean squared error 1/(2m) sum (x_i' w - y_i)^2 + l2/2 |w|^2; no intercept is added (see `with_intercept`).

    Quadratic: optimum by least squares (the shortest, where there are many) and the exact spectrum of X'X/m + l2 I.
    `words` are passed to Problem (name, about, source, facts, draw).

    Raises:
        BadInput: shapes that do not fit or numbers that are not finite.

    >>> least_squares([[1.0], [2.0]], [2.0, 4.0]).optimum.round(12)
    array([2.])
    """
    x, y = _data(features, targets, l2)

    def residual(params: Array, rows: Rows) -> tuple[Array, Array]:
        part, goal = (x, y) if rows is None else (x[rows], y[rows])
        return part, params @ part.T - goal

    def value(params: Array, rows: Rows = None, /) -> Array:
        _, r = residual(params, rows)
        return 0.5 * np.mean(r * r, axis=-1) + _ridge(l2, params)

    def gradient(params: Array, rows: Rows = None, /) -> Array:
        part, r = residual(params, rows)
        return r @ part / len(part) + l2 * params

    def hvp(params: Array, vector: Array, rows: Rows = None, /) -> Array:
        part = x if rows is None else x[rows]
        return spread_over(params, (vector @ part.T) @ part / len(part) + l2 * vector)

    m, n = x.shape
    left = np.concatenate([x, np.sqrt(m * l2) * np.eye(n)]) if l2 else x
    right = np.concatenate([y, np.zeros(n)]) if l2 else y
    best: Array = np.asarray(np.linalg.lstsq(left, right, rcond=None)[0], dtype=float)
    first = np.zeros(n) if start is None else np.asarray(start, dtype=float)
    known: dict[str, Any] = {"optimum": best, "minimum": float(value(best))}
    if n <= _SMALL:
        h, q = np.linalg.eigh(x.T @ x / m + l2 * np.eye(n))
        known["spectrum"] = spectrum(h, ((first - best) @ q) ** 2, provenance={"method": "exact", "dimension": n})
    return Problem(value=value, gradient=gradient, hvp=hvp, start=first, examples=m, **known, **({"name": "least squares"} | words))


def logistic(features: ArrayLike, labels: ArrayLike, *, l2: float = 0.0, start: ArrayLike | None = None, **words: Any) -> Problem:
    """Mean logistic loss 1/m sum log(1 + exp(-s_i x_i' w)) + l2/2 |w|^2, labels two values of which the larger is s = +1.

    Raises:
        BadInput: labels that are not two values, shapes that do not fit, numbers that are not finite.

    >>> float(logistic([[1.0], [2.0]], [0, 1]).value(np.zeros(1)).round(6))
    0.693147
    """
    x, y = _data(features, labels, l2)
    classes = np.unique(y)
    if len(classes) != 2:
        raise BadInput(f"labels have {len(classes)} different values and logistic needs 2: use softmax for more")
    signed = np.where(y == classes[1], 1.0, -1.0)[:, None] * x  # (m, n): s_i x_i, all that the loss sees

    def value(params: Array, rows: Rows = None, /) -> Array:
        margin = params @ (signed if rows is None else signed[rows]).T
        return np.mean(np.logaddexp(0, -margin), axis=-1) + _ridge(l2, params)

    def gradient(params: Array, rows: Rows = None, /) -> Array:
        part = signed if rows is None else signed[rows]
        return -_sigmoid(-(params @ part.T)) @ part / len(part) + l2 * params

    def hvp(params: Array, vector: Array, rows: Rows = None, /) -> Array:
        part = signed if rows is None else signed[rows]
        odds = _sigmoid(params @ part.T)
        return (odds * (1 - odds) * (vector @ part.T)) @ part / len(part) + l2 * vector

    first = np.zeros(x.shape[1]) if start is None else np.asarray(start, dtype=float)
    return Problem(value=value, gradient=gradient, hvp=hvp, start=first, examples=len(x), lowest=0.0, **({"name": "logistic"} | words))


def softmax(features: ArrayLike, labels: ArrayLike, *, l2: float = 0.0, start: ArrayLike | None = None, **words: Any) -> Problem:
    """Mean cross-entropy of C classes, 1/m sum log sum_c exp(x_i' (w_c - w_{y_i})) + l2/2 |w|^2.

    Parameters are the C weight vectors one after the other: (..., C n). Adding one vector to all of them changes nothing, so
    the Hessian has n zero curvatures where l2 = 0.

    Raises:
        BadInput: fewer than two classes, shapes that do not fit, numbers that are not finite.

    >>> softmax([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]], [0, 1, 2]).dimension
    6
    """
    x, y = _data(features, labels, l2)
    classes, index = np.unique(y, return_inverse=True)
    if len(classes) < 2:
        raise BadInput(f"labels have only the value {classes[0]:g} and softmax needs at least 2 classes")
    c, n = len(classes), x.shape[1]

    def pick(params: Array, rows: Rows) -> tuple[Array, Any, Array]:
        """Features (B, n), labels (B,) and scores (..., C, B) of the rows."""
        part, goal = (x, index) if rows is None else (x[rows], index[rows])
        return part, goal, scores(params, part)

    def scores(params: Array, part: Array) -> Array:
        lead = np.shape(params)[:-1]
        return (np.reshape(params, (-1, n)) @ part.T).reshape(*lead, c, len(part))  # no copy: classes are already rows

    def back(signal: Array, part: Array) -> Array:
        lead = signal.shape[:-2]
        return (signal.reshape(-1, len(part)) @ part).reshape(*lead, c * n) / len(part)

    def value(params: Array, rows: Rows = None, /) -> Array:
        _, goal, s = pick(params, rows)
        top = s.max(axis=-2)
        log_sum = top + np.log(np.exp(s - top[..., None, :]).sum(axis=-2))
        return np.mean(log_sum - s[..., goal, np.arange(len(goal))], axis=-1) + _ridge(l2, params)

    def gradient(params: Array, rows: Rows = None, /) -> Array:
        part, goal, s = pick(params, rows)
        signal = _softmax(s)
        signal[..., goal, np.arange(len(goal))] -= 1
        return back(signal, part) + l2 * params

    def hvp(params: Array, vector: Array, rows: Rows = None, /) -> Array:
        part, _, s = pick(params, rows)
        odds, change = _softmax(s), scores(vector, part)
        return back(odds * (change - (odds * change).sum(axis=-2, keepdims=True)), part) + l2 * vector

    first = np.zeros(c * n) if start is None else np.asarray(start, dtype=float)
    return Problem(value=value, gradient=gradient, hvp=hvp, start=first, examples=len(x), lowest=0.0, **({"name": "softmax"} | words))


def _sigmoid(z: Array) -> Array:
    return 0.5 * (1 + np.tanh(0.5 * z))  # cannot overflow


def _softmax(scores: Array) -> Array:
    """Probabilities over the last but one axis."""
    odds = np.exp(scores - scores.max(axis=-2, keepdims=True))
    odds /= odds.sum(axis=-2, keepdims=True)
    return odds


def _ridge(l2: float, params: Array) -> Any:
    return 0.5 * l2 * np.sum(np.square(params), axis=-1) if l2 else 0.0


def _data(features: ArrayLike, targets: ArrayLike, l2: float) -> tuple[Array, Array]:
    x, y = np.asarray(features, dtype=float), np.asarray(targets, dtype=float)
    if x.ndim != 2 or y.shape != x.shape[:1] or len(x) == 0:
        raise BadInput(f"features {x.shape} and targets {y.shape} do not fit: give (m, n) and (m,) with at least one example")
    for name, array in {"features": x, "targets": y}.items():
        if not np.all(np.isfinite(array)):
            row = int(np.argwhere(~np.isfinite(array))[0][0])
            raise BadInput(f"{name} are not finite in example {row}: drop or repair that example")
    if not (np.isfinite(l2) and l2 >= 0):
        raise BadInput(f"l2 = {l2:g} is not a penalty: give a finite number >= 0")
    return x, y

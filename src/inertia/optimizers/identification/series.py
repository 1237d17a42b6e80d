"""One linear recursion, fitted to what an optimizer did.

With d[k] = params[k+1] - params[k], any (alpha, beta, gamma) with weight decay moves by

    d[k] = c d[k-1] + a g[k] + b g[k-1] + w params[k],   a = -alpha (1 + gamma),  b = alpha gamma,

coupled decay (lambda added to the gradient):  c = beta - b lambda,         w = -alpha lambda
decoupled (params shrink by omega first):      c = beta (1 - omega),        w = -omega (1 - beta).

Four numbers, many equations (steps times parameters): least squares says the numbers, its residual says if it is true.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...core.method import Method
from ...errors import BadInput

__all__ = ["SHAPES", "Fit", "Series", "Steps", "columns", "fit", "fit_steps", "method_of", "series_of"]

Array = NDArray[np.float64]
MANY = 2048  # coordinates that are looked at; more add nothing

# Which terms a recursion has, simplest first: c d[k-1], a g[k], b g[k-1], w params[k].
SHAPES: tuple[tuple[str, ...], ...] = (("a",), ("a", "w"), ("c", "a"), ("c", "a", "w"), ("c", "a", "b"), ("c", "a", "b", "w"))


class Series(NamedTuple):
    """What an optimizer was given and did, step by step, and how finely that is known."""

    grads: Array  # (steps, n)
    changes: Array  # (steps, n): params[k+1] - params[k]
    params: Array  # (steps, n): before each step; counted from 0 where the start is unknown
    start_known: bool
    rounding: float  # relative error of changes that rounding alone explains


class Fit(NamedTuple):
    """Coefficients by term, their standard errors, and the unexplained share |residual|/|d|."""

    shape: tuple[str, ...]
    values: dict[str, float]
    errors: dict[str, float]
    residual: float
    score: float  # Schwarz's criterion: smaller is better


def series_of(params: Any, grads: Any, *, seed: int = 0) -> Series:
    """A training run as a Series: params (steps + 1, ...) and grads (steps, ...), or lists of them.

    Raises:
        BadInput: lengths or shapes that do not belong together, too few steps, values that are not finite.
    """
    points, slopes = _rows(params), _rows(grads)
    if points.shape[1:] != slopes.shape[1:]:
        raise BadInput(f"parameters have {points.shape[1]} numbers and gradients {slopes.shape[1]}: give both for the same parameters")
    if len(points) == len(slopes):
        slopes = slopes[:-1]  # the last gradient has moved nothing yet
    if len(points) != len(slopes) + 1:
        raise BadInput(f"{len(points)} points and {len(slopes)} gradients: give the point before every step and the last one (steps + 1)")
    if len(slopes) < 5:
        raise BadInput(f"{len(slopes)} steps are too few to tell methods apart: give at least 5, better 20")
    if not (np.all(np.isfinite(points)) and np.all(np.isfinite(slopes))):
        raise BadInput("the history holds values that are not finite: cut it before the run diverged")
    eps = float(np.finfo(points.dtype).eps)  # before it becomes float64: what rounding blurred
    if points.shape[1] > MANY:
        chosen = np.random.default_rng(seed).choice(points.shape[1], MANY, replace=False)
        points, slopes = points[:, chosen], slopes[:, chosen]
    before = points.astype(float)
    changes = np.diff(before, axis=0)
    moved = float(np.sqrt(np.mean(changes**2)))
    if moved == 0:
        raise BadInput("the parameters never moved: were they recorded as references to the same array? record copies")
    rounding = eps * float(np.sqrt(np.mean(before**2))) / moved + eps
    return Series(slopes.astype(float), changes, before[:-1], True, rounding)


def _rows(values: Any) -> NDArray[Any]:
    rows = [np.concatenate([np.ravel(leaf) for leaf in row]) if isinstance(row, list | tuple) else np.ravel(row) for row in values]
    if not rows or len({row.size for row in rows}) != 1:
        raise BadInput("a history needs one array (or list of arrays) per step, all of the same size")
    stacked = np.stack(rows)
    return stacked if stacked.dtype.kind == "f" else stacked.astype(float)


def columns(series: Series, shape: tuple[str, ...]) -> tuple[Array, Array]:
    """Left side (steps - 1, n) and terms (steps - 1, n, len(shape)) of the recursion, from the second step on."""
    term = {"c": series.changes[:-1], "a": series.grads[1:], "b": series.grads[:-1], "w": series.params[1:]}
    left, terms = series.changes[1:], np.stack([term[name] for name in shape], axis=-1)
    if "w" in shape and not series.start_known:  # an unknown start is a constant per coordinate: take the means away
        left, terms = left - left.mean(axis=0), terms - terms.mean(axis=0)
    return left, terms


def fit(series: Series, shape: tuple[str, ...]) -> Fit:
    """Least squares with the same coefficients at every step."""
    left, terms = columns(series, shape)
    y, x = left.ravel(), terms.reshape(-1, len(shape))
    size = np.linalg.norm(x, axis=0)
    size[size == 0] = 1.0
    solved, _, rank, _ = np.linalg.lstsq(x / size, y, rcond=1e-11)
    rest = y - (x / size) @ solved
    free = max(1, y.size - len(shape))
    variance = float(rest @ rest) / free
    spread = np.sqrt(np.maximum(np.diag(np.linalg.pinv((x / size).T @ (x / size), rcond=1e-11)), 0) * variance) / size
    share = float(np.linalg.norm(rest)) / max(float(np.linalg.norm(series.changes[1:])), 1e-300)
    floor = (series.rounding * np.linalg.norm(series.changes[1:])) ** 2
    score = y.size * np.log((float(rest @ rest) + floor) / y.size + 1e-300) + rank * np.log(y.size)
    names = dict(zip(shape, (solved / size).tolist(), strict=True))
    return Fit(shape, names, dict(zip(shape, spread.tolist(), strict=True)), share, float(score))


class Steps(NamedTuple):
    """Coefficients of every step by itself: values (steps - 1, terms), residual share and conditioning of each step."""

    shape: tuple[str, ...]
    values: dict[str, Array]
    residual: Array  # (steps - 1,)
    sound: NDArray[np.bool_]  # whether the step's own terms are independent


def fit_steps(series: Series, shape: tuple[str, ...]) -> Steps | None:
    """Least squares at every step by itself (needs more coordinates than terms): coefficients may change in time."""
    left, terms = columns(series, shape)
    if left.shape[1] <= len(shape) or ("w" in shape and not series.start_known):
        return None
    size = np.linalg.norm(terms, axis=1, keepdims=True)  # (steps - 1, 1, terms)
    scaled = terms / np.where(size == 0, 1.0, size)
    solved = np.einsum("kcn,kn->kc", np.linalg.pinv(scaled, rcond=1e-9), left)
    rest = left - np.einsum("knc,kc->kn", scaled, solved)
    norms = np.linalg.norm(left, axis=1)
    share = np.linalg.norm(rest, axis=1) / np.where(norms == 0, 1.0, norms)
    singular = np.linalg.svd(scaled, compute_uv=False)
    values = solved / np.where(size == 0, 1.0, size)[:, 0]
    return Steps(shape, {name: values[:, i] for i, name in enumerate(shape)}, share, singular[:, -1] > 1e-4)


def method_of(values: dict[str, float], decoupled: bool = False) -> tuple[Method, float]:
    """The method and weight decay lambda behind the coefficients (decoupled: omega = alpha lambda).

    >>> method_of({"c": 0.5, "a": -0.75, "b": 0.25})
    (Method(alpha=0.5, beta=0.5, gamma=0.5, delta=0.0), 0.0)
    """
    c, a, b, w = (values.get(name, 0.0) for name in ("c", "a", "b", "w"))
    alpha = -(a + b)
    if alpha == 0:
        return Method(0.0, c), 0.0
    if not decoupled:
        decay = -w / alpha
        return Method(alpha, c + b * decay, b / alpha), decay + 0.0
    half = (1 + w + c) / 2
    beta = half - np.sqrt(max(half * half - c, 0.0))  # the root that is c when nothing decays
    return Method(alpha, float(beta), b / alpha), float(-w / (1 - beta) / alpha) if beta != 1 else 0.0

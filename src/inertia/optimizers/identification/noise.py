"""How sure a fitted method is, and whether its gain is one number at all."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ...core.method import Method
from .series import Fit, Series, columns, fit

__all__ = ["adaptive", "errors"]


def errors(found: Fit, method: Method) -> Method:
    """Standard errors of alpha, beta, gamma by propagation: alpha = -(a + b), gamma = b/alpha."""
    spread = {name: found.errors.get(name, 0.0) for name in "cab"}
    alpha = float(np.hypot(spread["a"], spread["b"]))
    gamma = float(np.hypot(spread["b"], method.gamma * alpha) / max(abs(method.alpha), 1e-300))
    return Method(alpha, spread["c"], gamma)


def adaptive(series: Series, best: Fit) -> list[str]:
    """Signs that the gain is not one number: it differs between parameters, or falls for large gradients."""
    found = []
    sizes = np.sqrt(np.mean(series.grads**2, axis=0))  # by coordinate
    norms = np.linalg.norm(series.grads, axis=1)  # by step
    for what, axis, order in (
        ("for parameters with large gradients", 1, np.argsort(sizes)),
        ("at steps with large gradients", 0, np.argsort(norms[1:])),
    ):
        if order.size < 4:
            continue
        halves = order[: order.size // 2], order[order.size // 2 :]
        gains = [_gain(series, best.shape, half, axis) for half in halves]
        (low, low_error), (high, high_error) = gains
        apart = abs(low - high) / max(np.hypot(low_error, high_error), 1e-300)
        if apart > 6 and not 0.5 < abs(high) / max(abs(low), 1e-300) < 2:
            found.append(
                f"the gain {what} is {abs(high):.3g}, else {abs(low):.3g} ({apart:.0f} standard errors apart): adaptive or clipped"
            )
    return found


def _gain(series: Series, shape: tuple[str, ...], rows: NDArray[np.intp], axis: int) -> tuple[float, float]:
    if axis == 1:
        part = series._replace(grads=series.grads[:, rows], changes=series.changes[:, rows], params=series.params[:, rows])
        found = fit(part, shape)
        return found.values["a"], found.errors["a"]
    left, terms = columns(series, shape)
    y, x = left[rows].ravel(), terms[rows].reshape(-1, len(shape))
    solved = np.linalg.lstsq(x, y, rcond=None)[0]
    rest = y - x @ solved
    spread = np.linalg.pinv(x.T @ x)[shape.index("a")][shape.index("a")] * float(rest @ rest) / max(1, y.size - len(shape))
    return float(solved[shape.index("a")]), float(np.sqrt(max(spread, 0)))

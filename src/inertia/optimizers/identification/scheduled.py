"""A history under a schedule: momentum and look-ahead stay, the learning rate of every step is free.

Outside the buffer the velocity does not know the learning rate: v[k] = beta v[k-1] + g[k] + lambda x[k] follows from the
gradients alone, and the rate of a step is the ratio of its move to u[k] = (1 + gamma) v[k] - gamma v[k-1]. Inside, the
rate of a step is what the move leaves over the old speed. So only beta, gamma and lambda are sought, the rates are
eliminated at every step (variable projection, Golub and Pereyra 1973), and a rate of 0 is a rate like any other.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from .recursion import Array, Recursion
from .series import Series

__all__ = ["under_schedule"]

BETAS = (-0.5, 0.0, 0.2, 0.4, 0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.93, 0.95, 0.97, 0.98, 0.99, 0.995, 0.999)  # starts of the search


PLAUSIBLE = 0.5  # share of the squared movement that the nearest start may leave open: a wrong family leaves nearly all


class _Shape(NamedTuple):
    inside: bool
    look: str  # "none", "nesterov" or "free"
    decay: str = ""  # "coupled" or "decoupled" (times the rate)

    def read(self, found: Array) -> tuple[float, float, float]:
        """beta, gamma and lambda from the sought numbers."""
        beta = float(found[0])
        gamma = {"none": 0.0, "nesterov": beta}.get(self.look, float(found[1]) if self.look == "free" else 0.0)
        return beta, gamma, float(found[-1]) if self.decay else 0.0


def under_schedule(series: Series, tolerance: float) -> Recursion | None:
    """The recursion with the fewest numbers that explains every step from rest, its rates free; None if none does."""
    fits: list[Recursion] = []
    last: tuple[str, str] = ("", "")
    for shape in _shapes(series):
        if fits and (shape.look, shape.decay) != last:
            break
        last = shape.look, shape.decay
        found = _fitted(series, shape, tolerance)
        if found is not None:
            fits.append(found)
    if not fits:
        return None
    if len(fits) > 1:  # both places of the rate explain it
        return Recursion(**{**fits[0].__dict__, "inside": None})
    return fits[0]


def _shapes(series: Series) -> Iterator[_Shape]:
    for decay in ("", "coupled", "decoupled") if series.start_known else ("",):
        for look in ("none", "nesterov", "free"):
            for inside in (False, True):
                yield _Shape(inside, look, decay)


def _fitted(series: Series, shape: _Shape, tolerance: float) -> Recursion | None:
    from scipy.optimize import least_squares

    size = np.maximum(np.linalg.norm(series.changes, axis=1), np.sqrt(np.mean(np.sum(series.changes**2, axis=1))) * 1e-3)

    def rest(found: Array) -> Array:
        return (_rates(series, shape, found)[1] / size[:, None]).ravel()

    starts = [np.array([beta, *([beta / 2] if shape.look == "free" else []), *([0.0] if shape.decay else [])]) for beta in BETAS]
    shares = [float(np.mean(rest(start) ** 2) * len(series.grads[0])) for start in starts]
    best = int(np.argmin(shares))
    low, high = [-1.0, *([-0.9] if shape.look == "free" else [])], [1.0, *([2.0] if shape.look == "free" else [])]
    wide = (low + [-np.inf] * bool(shape.decay), high + [np.inf] * bool(shape.decay))
    if shares[best] < PLAUSIBLE:
        solved = least_squares(rest, starts[best], xtol=1e-15, ftol=1e-15, gtol=1e-15, x_scale="jac", max_nfev=40, bounds=wide)
        rates, left = _rates(series, shape, solved.x)
        allowed = 10 * tolerance * np.maximum(np.linalg.norm(series.changes, axis=1), np.sqrt(np.mean(np.sum(series.changes**2, axis=1))))
        beta, gamma, decay = shape.read(solved.x)
        if np.all(np.linalg.norm(left, axis=1) <= allowed) and abs(beta) <= 1 + 1e-6:
            full = np.full(len(rates), beta), np.full(len(rates), gamma)
            if shape.decay == "decoupled":
                return Recursion(rates, *full, inside=shape.inside, omega=decay * rates)
            return Recursion(rates, *full, inside=shape.inside, coupled=decay)
    return None


def _rates(series: Series, shape: _Shape, found: Array) -> tuple[Array, Array]:
    """The learning rate of every step, and what it leaves unexplained."""
    beta, gamma, decay = shape.read(found)
    buffer = np.zeros_like(series.grads[0])
    rates, left = np.zeros(len(series.grads)), np.zeros_like(series.grads)
    for k, (grad, change) in enumerate(zip(series.grads, series.changes, strict=True)):
        push = grad + decay * series.params[k] if shape.decay == "coupled" else grad
        own = decay * series.params[k] if shape.decay == "decoupled" else 0.0
        if shape.inside:
            old = ((1 + gamma) * beta - gamma) * buffer
            along = (1 + gamma) * push + own
            rates[k] = -float((change + old) @ along) / max(float(along @ along), 1e-300)
            left[k] = change + old + rates[k] * along
            buffer = beta * buffer + rates[k] * push
        else:
            new = beta * buffer + push
            along = (1 + gamma) * new - gamma * buffer + own
            rates[k] = -float(change @ along) / max(float(along @ along), 1e-300)
            left[k] = change + rates[k] * along
            buffer = new
    return rates, left

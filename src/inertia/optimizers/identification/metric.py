"""Adam and its kin, run from their textbook formulas: momentum in a metric that the gradients make.

    m <- beta1 m + (1 - beta1) h,   v <- beta2 v + (1 - beta2) h^2   (Adagrad: the sum),   h = g + lambda x
    d = -lr m_hat / (sqrt(v_hat) + eps) - omega x,   m_hat = m/(1 - beta1^t),  v_hat = v/(1 - beta2^t)

Kingma and Ba 2015 (Adam, Adamax), Reddi et al. 2018 (AMSGrad), Dozat 2016 (NAdam), Liu et al. 2020 (RAdam), Hinton 2012 and
Graves 2013 (RMSprop, centered), Duchi et al. 2011 (Adagrad), Loshchilov and Hutter 2019 (decoupled decay).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from .recursion import Array

__all__ = ["Metric", "looks", "moments", "rectification", "replay", "seconds"]


@dataclass(frozen=True)
class Metric:
    """One optimizer of the family."""

    rates: Array  # learning rate of every step
    beta1: float = 0.0
    beta2: float = 0.999
    kind: str = ""  # what the second moment is: "", "amsgrad" (maximum of v), "amsgrad hat" (of v_hat), "centered", "sum", "infinity"
    before: bool = False  # the gradient is divided first and then averaged (RMSprop's momentum); else the average is divided
    bias1: bool = True
    bias2: bool = True
    look: str = ""  # Nesterov form: "optax" (Dozat's simple one) or "torch" (with a momentum that grows, also Keras)
    growth: float = 0.0  # of that momentum: 0.004 in torch, 1 in Keras
    rectified: bool = False
    eps: float = 0.0
    root: float = 0.0  # a second eps, under the root, beside the one outside
    place: str = "outside"  # sqrt(v_hat) + eps; "plain": sqrt(v) + eps, corrected after; "inside": sqrt(v_hat + eps)
    coupled: float = 0.0
    omega: float = 0.0  # share of the parameters that one step takes, at the largest learning rate
    per_rate: bool | None = None


def moments(grads: Array, beta1: float, beta2: float, kind: str) -> tuple[Array, Array]:
    """First and second moments after every step, (steps, n) each, without bias correction."""
    first, second, mean = np.zeros_like(grads), np.zeros_like(grads), np.zeros_like(grads[0])
    m, v, top = np.zeros_like(grads[0]), np.zeros_like(grads[0]), np.zeros_like(grads[0])
    for k, grad in enumerate(grads):
        m = beta1 * m + (1 - beta1) * grad
        if kind == "sum":
            v = v + grad**2
        elif kind == "infinity":
            v = np.maximum(beta2 * np.sqrt(v), np.abs(grad)) ** 2
        else:
            v = beta2 * v + (1 - beta2) * grad**2
        seen = v
        if kind == "amsgrad":
            top = seen = np.maximum(top, v)
        if kind == "amsgrad hat":
            top = np.maximum(top, v / (1 - beta2 ** (k + 1)))
            seen = top * (1 - beta2 ** (k + 1))
        if kind == "centered":
            mean = beta2 * mean + (1 - beta2) * grad
            seen = v - mean**2
        first[k], second[k] = m, seen
    return first, second


def seconds(metric: Metric, steps: int) -> Array:
    """The bias correction of the second moment, (steps,)."""
    t = np.arange(1, steps + 1)
    none = not metric.bias2 or metric.kind in ("sum", "infinity")
    return np.ones(steps) if none else np.asarray(1 - metric.beta2**t, dtype=float)


def rectification(beta2: float, steps: int) -> Array:
    """RAdam's factor of every step; nan where the variance is not tractable and the average itself is the step."""
    t = np.arange(1, steps + 1)
    full = 2 / (1 - beta2) - 1
    rho = full - 2 * t * beta2**t / (1 - beta2**t)
    with np.errstate(invalid="ignore", divide="ignore"):
        factor = np.sqrt((rho - 4) * (rho - 2) * full / ((full - 4) * (full - 2) * rho))
    rectified: Array = np.where(rho > 5, factor, np.nan)
    return rectified


def looks(metric: Metric, steps: int) -> tuple[Array, Array]:
    """Weights of the first moment and of the gradient in the numerator of every step."""
    t = np.arange(1, steps + 2)
    beta1 = metric.beta1
    if metric.look == "torch":
        mu = beta1 * (1 - 0.5 * 0.96 ** (t * metric.growth))
        product = np.cumprod(mu)
        return np.asarray(mu[1:] / (1 - product[1:])), np.asarray((1 - mu[:-1]) / (1 - product[:-1]))
    corrected: Array = np.asarray(1 - beta1**t if metric.bias1 else np.ones(steps + 1), dtype=float)
    if metric.look == "optax":
        return beta1 / corrected[1:], (1 - beta1) / corrected[:-1]
    return 1 / corrected[:-1], np.zeros(steps)


def replay(metric: Metric, grads: Array, points: Array | None = None, start: Any = 0.0, factors: Array | None = None) -> Array:
    """What it adds to the parameters: grads (steps, n) to changes; parameters at `points`, or moving on from `start`."""
    if points is None and (metric.coupled or metric.omega):
        return _moving(metric, grads, start)
    place = np.zeros_like(grads) if points is None else points
    steps = len(grads)
    push = grads + metric.coupled * place
    first, second = moments(push, 0.0 if metric.before else metric.beta1, metric.beta2, metric.kind)
    corrected = seconds(metric, steps)[:, None]
    if metric.place == "inside":
        below = np.sqrt(second / corrected + metric.eps)
    elif metric.place == "plain":
        below = (np.sqrt(second) + metric.eps) / np.sqrt(corrected)
    else:
        below = np.sqrt(second / corrected + metric.root) + metric.eps
    average, own = (one[:, None] for one in looks(metric, steps))
    above = push if metric.before else average * first + own * push
    moves = np.divide(above, below, out=np.zeros_like(above), where=below != 0)
    if metric.rectified:
        factor = rectification(metric.beta2, steps)[:, None]
        moves = np.where(np.isnan(factor), above, moves * np.nan_to_num(factor))
    if metric.before:
        for k in range(1, steps):
            moves[k] += metric.beta1 * moves[k - 1]
    rates = metric.rates[:steps, None] * (1.0 if factors is None else factors[:steps, None])
    peak = metric.rates[np.argmax(np.abs(metric.rates))]
    shrink = metric.omega * (rates / peak if metric.per_rate is not False and peak else np.ones_like(rates))
    return -rates * moves - shrink * place


def _moving(metric: Metric, grads: Array, start: Any) -> Array:
    """Decay needs the parameters, which the moves make: one step after the other."""
    places, moves = np.zeros_like(grads), np.zeros_like(grads)
    place = np.zeros_like(grads[0]) + start
    for k in range(len(grads)):
        places[k] = place
        moves[k] = replay(metric, grads[: k + 1], places[: k + 1])[k]
        place = place + moves[k]
    return moves

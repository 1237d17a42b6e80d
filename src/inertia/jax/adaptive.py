"""The metric that an optax transformation has built up, read from its real state: Adam and its kin as momentum in that metric.

An optax state holds moments and counts, and no settings: those are found by `identify`, and the transformation itself must agree, number by
number: its answer to a small gradient, from the state as it is, must be the learning rate over the metric that was read.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from ..errors import BadInput
from ..optimizers.conventions.nests import found_fields, replaced_fields
from ..optimizers.identification import Identified
from ..optimizers.identification.metric import Metric
from ..tuning.preconditioned import InMetric
from .denominators import after, denominator, factor, method_in, moments, rectified, summed
from .nature import Nature

__all__ = ["in_metric"]

Array = NDArray[np.float64]
_SMALL = 1e-3  # of the root of the second moment: a gradient whose square moves it by less than 1e-6
_LIKE = 1e-2  # relative difference up to which the numbers of one leaf are of one learning rate


def in_metric(known: Nature, opt_state: Any, params: Any) -> InMetric:
    """Read a state as momentum in a metric.

    Args:
        known: what the transformation is.
        opt_state: its state, stepped at least once unless it is gradient descent.
        params: the parameters it steps.

    Raises:
        BadInput: a transformation that is none of Adam's kin, a state of another transformation or of other parameters.

    >>> import optax
    >>> from inertia.jax.nature import nature
    >>> tx, x = optax.adam(0.1), jnp.ones(3)
    >>> _, state = tx.update(x, tx.init(x), x)
    >>> in_metric(nature(tx, x), state, x).method.beta
    0.9
    """
    found = known.found
    state = known.state(opt_state)
    update = _updater(known.bare, state, params)
    sizes = [int(np.size(leaf)) for leaf in jax.tree.leaves(params)]
    if any(group.accumulation > 1 for group in (found.groups or (found,))):
        raise BadInput("the transformation accumulates gradients (optax.MultiSteps): pass the inner one, with its own state")
    if found.linear or (found.groups and all(group.linear for group in found.groups)):
        return _plain(found, update, sizes, _rounding(params))
    metric = _one(found)
    steps = max((int(np.max(np.asarray(count))) for count in found_fields(state, ("count",))), default=0)
    squares, mean = moments(metric, state, params)
    below = denominator(metric, squares, mean, steps)
    small = _SMALL * np.where(squares > 0, np.sqrt(np.abs(squares)), np.maximum(below, 1e-30))
    later = after(metric, squares, mean, small, steps, state, params)
    answer = -update(small, None) / small
    if metric.kind == "sum":
        metric = replace(metric, eps=summed(squares + small**2, answer, metric))
        below, later = denominator(metric, squares, mean, steps), after(metric, squares, mean, small, steps, state, params)
    elif metric.kind in ("", "amsgrad hat") and metric.beta1 and not (metric.before or metric.look or metric.rectified):
        metric = _corrections(metric, known.bare, state, params, (squares, mean, small, steps), answer)
        below, later = denominator(metric, squares, mean, steps), after(metric, squares, mean, small, steps, state, params)
    rates = _by_leaf(answer * later / factor(metric, steps), sizes, metric, _rounding(params))
    rate = rates[0]
    method = method_in(metric, rate * (1.0 if not metric.rectified else rectified(metric, steps)))
    wide = np.repeat(rates, sizes) / rate
    decay, shrink = _decay(metric, update, small, answer, squares)
    told = tuple({"learning_rate": value, "parameters": sum(n for n, r in zip(sizes, rates, strict=True) if r == value)}
                 for value in dict.fromkeys(rates))  # fmt: skip
    return InMetric(found.verdict.split(",")[0] if not found.groups else _first(found), rate, method, (below / wide) ** -0.5, shrink,
                    decay, steps, told)  # fmt: skip


def _first(found: Identified) -> str:
    return next(group.verdict.split(",")[0] for group in found.groups if group.metric is not None)


def _updater(transform: Any, state: Any, params: Any) -> Callable[[Array, Array | None], Array]:
    """What the next step adds for a flat gradient at flat parameters (None: at 0), without its first moment."""
    still = _cleared(state)
    leaves, tree = jax.tree.flatten(params)
    cuts = np.cumsum([np.size(leaf) for leaf in leaves])[:-1]

    def shaped(flat: Array) -> Any:
        parts = np.split(flat, cuts)
        return jax.tree.unflatten(
            tree, [jnp.asarray(part.reshape(np.shape(leaf)), leaf.dtype) for part, leaf in zip(parts, leaves, strict=True)]
        )

    def update(gradient: Array, at: Array | None) -> Array:
        place = shaped(np.zeros_like(gradient) if at is None else at)
        try:
            moved, _ = transform.update(shaped(gradient), still, place)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            said = str(error).strip().splitlines()[0][:120] if str(error).strip() else type(error).__name__
            raise BadInput(
                f"opt_state is not a state of this transformation on these parameters ({said}): pass the one that it returned"
            ) from error
        return np.concatenate([np.asarray(leaf, float).ravel() for leaf in jax.tree.leaves(moved)])

    return update


def _cleared(state: Any) -> Any:
    """The state with its first moments at zero."""
    names: tuple[str, ...] = ("mu", "trace", "velocity", "ema")
    if any(True for _ in found_fields(state, ("mu",))) and not any(True for _ in found_fields(state, ("count",))):
        names = names[1:]  # the mean of a centred RMSprop is part of its denominator
    trees = list(found_fields(state, names))
    return replaced_fields(state, names, iter([jax.tree.map(lambda leaf: leaf * 0, tree) for tree in trees]))


def _plain(found: Identified, update: Callable[[Array, Array | None], Array], sizes: list[int], rounding: float) -> InMetric:
    """Gradient descent with momentum: the metric is 1, or the ratio of the groups' learning rates."""
    methods = [group.method for group in (found.groups or (found,)) if group.method is not None]
    if len({(round(float(m.beta), 6), round(float(m.gamma), 6)) for m in methods}) > 1:
        raise BadInput("the groups of the transformation differ in momentum, so no one Method describes it: measure one group at a time")
    one = np.ones(sum(sizes))
    rates = _by_leaf(-update(one, None) / (1 + float(methods[0].gamma)), sizes, None, rounding)
    decays = [group.weight_decay for group in (found.groups or (found,)) if not group.decoupled]
    if len(set(decays)) > 1:
        raise BadInput("the groups of the transformation differ in weight decay inside the gradient: measure one group at a time")
    penalty = np.full(sum(sizes), decays[0]) if decays and decays[0] else None
    shrink = max(rates[0] * group.weight_decay if group.decoupled else 0.0 for group in (found.groups or (found,)))
    told = tuple({"learning_rate": rate, "parameters": sum(n for n, r in zip(sizes, rates, strict=True) if r == rate)}
                 for rate in dict.fromkeys(rates))  # fmt: skip
    method = methods[0]._replace(alpha=rates[0])
    return InMetric("SGD", rates[0], method, (np.repeat(rates, sizes) / rates[0]) ** 0.5, shrink, penalty, 0, told)


def _one(found: Identified) -> Metric:
    """The one metric of all groups but for their rates and decay."""
    metrics = [group.metric for group in (found.groups or (found,))]
    known = [metric for metric in metrics if metric is not None]
    alike = {(m.kind, round(m.beta1, 6), round(m.beta2, 8), m.look, m.place, m.before, m.rectified, m.bias1, m.bias2, m.eps) for m in known}
    if len(known) < len(metrics) or len(alike) != 1:
        raise BadInput(
            f"this transformation has no one metric ({found.verdict}): that of optax's adam, adamw, nadam, radam, amsgrad, adamax, "
            "rmsprop, adagrad and sgd can be read, with the same moments for all parameters"
        )
    return replace(known[0], coupled=max(m.coupled for m in known), omega=max(m.omega for m in known))


def _corrections(
    metric: Metric, transform: Any, state: Any, params: Any, at: tuple[Array, Array | None, Array, int], answer: Array
) -> Metric:
    """The metric with the bias corrections that a later count shows; under a schedule the first steps alone cannot tell them."""
    squares, mean, small, steps = at
    late = 1_000_000
    ages = jax.tree.map(lambda part: part._replace(count=part.count * 0 + late) if _aged(part) else part, state, is_leaf=_aged)
    other = -_updater(transform, ages, params)(small, None) / small
    seen = float(np.median(answer / other))

    def gap(one: Metric) -> float:
        now, then = (factor(one, age) / after(one, squares, mean, small, age, state, params) for age in (steps, late))
        return abs(float(np.median(now / then)) / seen - 1)

    return min((replace(metric, bias1=first, bias2=second) for first in (True, False) for second in (True, False)), key=gap)


def _aged(part: Any) -> bool:
    """Whether it is a state that keeps moments and their count."""
    names = getattr(part, "_fields", ())
    return "count" in names and ("nu" in names or "mu" in names)


def _by_leaf(values: Array, sizes: list[int], metric: Metric | None, rounding: float) -> list[float]:
    """One learning rate for each leaf, which all its numbers must show; to five digits, in single precision to four.

    The bias corrections of the first steps lose most digits, so rates that differ by less than the root of the rounding are alike.
    """
    close = max(1e-6, min(rounding**0.5, _LIKE))
    digits = min(5, int(-math.log10(close)) + 1)
    rates: list[float] = []
    for part in np.split(values, np.cumsum(sizes)[:-1]):
        middle = float(np.median(part)) if part.size else 0.0
        if not middle > 0:
            raise BadInput(
                "the learning rate of some parameters is 0 in the next step (or their step goes up): measure where it is above 0"
            )
        if np.max(np.abs(part / middle - 1)) > _LIKE:
            what = "gradient descent" if metric is None else "the metric that its state seems to hold"
            raise BadInput(f"the next step of this transformation is not that of {what}: it cannot be read as momentum in a metric")
        short = float(f"{middle:.{digits}g}")
        middle = short if abs(short / middle - 1) < close else middle
        rates.append(next((rate for rate in rates if abs(rate / middle - 1) < close), middle))
    return rates


def _rounding(params: Any) -> float:
    """Of the coarsest of the parameters."""
    return max((float(jnp.finfo(leaf.dtype).eps) for leaf in jax.tree.leaves(params)), default=0.0)


def _decay(
    metric: Metric, update: Callable[[Array, Array | None], Array], small: Array, answer: Array, squares: Array
) -> tuple[Array | None, float]:
    """Weight decay inside the gradient, for each parameter, and the share that a step takes off."""
    zero = np.zeros_like(small)
    if metric.omega:
        return None, float(np.max(-update(zero, np.ones_like(small))))
    if metric.coupled:
        place = small / metric.coupled
        inside = np.clip(-update(zero, place) / place / answer / metric.coupled, 0.0, 1.0)
        return np.where(inside > 0.5, metric.coupled, 0.0), 0.0
    return None, 0.0

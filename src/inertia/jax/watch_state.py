"""What an optax state says without asking the loss: the metric of the optimizer as it has just stepped."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import BadInput, InertiaError
from ..optimizers.conventions.nests import found_fields
from ..optimizers.identification.identified import Identified
from ..theory.adaptive import decayed_edge
from ..watching.looking import Metric
from .denominators import denominator, flat_field, method_in, moments
from .probe import identify

__all__ = ["Known", "known", "metric_of"]

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Known:
    """What was found out about the optimizer before the run: what it is, and why it has no edge, if so."""

    found: Identified | None
    why: str = ""


def known(optimizer: Any) -> Known:
    """Feed the optimizer designed gradients once; see `inertia.identify`."""
    if optimizer is None:
        return Known(None, "the optimizer was not given: Watch(loss, optimizer, ...) tells its edge")
    try:
        found = identify(optimizer)
    except InertiaError as error:
        return Known(None, str(error))
    return Known(found, "" if found.linear or found.metric is not None else f"the optimizer is {found.verdict}")


def metric_of(
    state: Any, params: Any, seen: Known, rate: float | Callable[[int], float] | None, step: int, moved: Array
) -> tuple[Metric, str]:
    """The metric after a step to `params` that moved them by `moved` (n,), and why there is no edge, if so."""
    found, given = seen.found, _given(state, rate, step)
    told = given if given is not None else float("nan")
    if found is None or seen.why:
        return Metric(1.0, None, None, told), seen.why
    if found.method is not None:
        alpha = given if given is not None else _fitted(moved, _kept(state, "trace", params), found)
        if not alpha > 0:
            return Metric(1.0, None, None, alpha), f"the learning rate is {alpha:g} at this point"
        method = found.method._replace(alpha=alpha)
        decoupled = bool(found.decoupled)
        shrink = found.weight_decay * (alpha if found.decay_times_rate is not False else 1.0) if decoupled else 0.0
        return Metric(1.0, method, float(decayed_edge(method, shrink)), alpha, 0.0 if decoupled else found.weight_decay), ""
    return _adaptive(state, params, found, given, moved)


def _adaptive(state: Any, params: Any, found: Identified, given: float | None, moved: Array) -> tuple[Metric, str]:
    """Adam and its kin: the denominator from the state."""
    kind, steps = found.metric, _count(state)
    assert kind is not None
    try:
        if kind.kind in {"centered", "infinity"} or steps < 1:
            raise BadInput("no denominator that a watch follows")
        squares, _ = moments(kind, state, params)
    except BadInput:
        return Metric(1.0, None, None, given or float("nan")), "its second moments are not found in the state"
    below = denominator(kind, squares, None, steps)
    first = 1 - kind.beta1**steps if kind.bias1 and kind.beta1 else 1.0
    mean = _kept(state, "mu", params)
    alpha = given
    if alpha is None and mean is not None and not kind.look:
        direction = mean / first / below
        alpha = float(-(moved @ direction) / (direction @ direction)) if np.any(direction) else None
    if alpha is None:
        alpha = float(kind.rates[-1])
    if not alpha > 0:
        return Metric(1.0, None, None, alpha), f"the learning rate is {alpha:g} at this point"
    method = method_in(kind, alpha)
    shrink = float(kind.omega) * alpha / float(np.max(kind.rates)) if kind.omega else 0.0
    root = (1 / np.sqrt(below)).astype(moved.dtype)  # the correction of the first moment wears off within 1/(1 - beta1) steps
    renewal = 1.0 if kind.kind == "sum" else 1 - kind.beta2
    return Metric(root, method, float(decayed_edge(method, shrink)), alpha, kind.coupled, renewal), ""


def _given(state: Any, rate: float | Callable[[int], float] | None, step: int) -> float | None:
    """The learning rate that was told, or that the state holds (optax.inject_hyperparams)."""
    if callable(rate):
        return float(rate(step - 1))
    if rate is not None:
        return float(rate)
    held = (one["learning_rate"] for one in found_fields(state, ("hyperparams",)) if isinstance(one, dict) and "learning_rate" in one)
    return next((float(one) for one in held), None)


def _fitted(moved: Array, trace: Array | None, found: Identified) -> float:
    """The rate that heavy ball has just used, from its move and its buffer; else the one that was found at the start."""
    assert found.method is not None
    if trace is not None and found.method.gamma == 0 and np.any(trace):
        return float(-(moved @ trace) / (trace @ trace))
    return float(found.alphas[0] if found.alphas else found.method.alpha)


def _kept(state: Any, field: str, params: Any) -> Array | None:
    """What the state keeps of all parameters under a name."""
    try:
        return flat_field(state, field, params)
    except BadInput:
        return None


def _count(state: Any) -> int:
    """Steps taken, where the state counts them; many where it does not."""
    counts = [int(count) for count in found_fields(state, ("count",)) if np.ndim(count) == 0]
    return max(counts, default=1 << 30)

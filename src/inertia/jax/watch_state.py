"""What an optax state says without asking the loss: the metric of the optimizer as it has just stepped."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from jax.flatten_util import ravel_pytree

from ..core.method import Method
from ..errors import InertiaError
from ..optimizers.identification.identified import Identified
from ..theory.adaptive import adagrad, adam, decayed_edge, nadam, rmsprop
from ..watching.looking import Metric
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


def metric_of(state: Any, seen: Known, rate: float | Callable[[int], float] | None, step: int, moved: Array) -> tuple[Metric, str]:
    """The metric after a step that moved the parameters by `moved` (n,), and why there is no edge, if so."""
    found, given = seen.found, _given(state, rate, step)
    told = given if given is not None else float("nan")
    if found is None or seen.why:
        return Metric(1.0, None, None, told), seen.why
    if found.method is not None:
        alpha = given if given is not None else _fitted(moved, _named(state, "trace", moved.size), found)
        if not alpha > 0:
            return Metric(1.0, None, None, alpha), f"the learning rate is {alpha:g} at this point"
        method = found.method._replace(alpha=alpha)
        decoupled = bool(found.decoupled)
        shrink = found.weight_decay * (alpha if found.decay_times_rate is not False else 1.0) if decoupled else 0.0
        return Metric(1.0, method, float(decayed_edge(method, shrink)), alpha, 0.0 if decoupled else found.weight_decay), ""
    return _adaptive(state, found, given, moved)


def _adaptive(state: Any, found: Identified, given: float | None, moved: Array) -> tuple[Metric, str]:
    """Adam and its kin: the denominator from the state."""
    kind = found.metric
    assert kind is not None
    steps = _count(state)
    squares = _named(state, "nu_max", moved.size) if kind.kind.startswith("amsgrad") else None
    if squares is None:
        squares = _named(state, "sum_of_squares" if kind.kind == "sum" else "nu", moved.size)
    if squares is None or kind.kind in {"centered", "infinity"} or steps < 1:
        return Metric(1.0, None, None, given or float("nan")), "its second moments are not found in the state"
    corrected = 1 - kind.beta2**steps if kind.bias2 and kind.kind != "sum" else 1.0
    below = np.sqrt(squares / corrected + kind.eps) if kind.place == "inside" else np.sqrt(squares / corrected + kind.root) + kind.eps
    first = 1 - kind.beta1**steps if kind.bias1 and kind.beta1 else 1.0
    mean = _named(state, "mu", moved.size)
    alpha = given
    if alpha is None and mean is not None and not kind.look:
        direction = mean / first / below
        alpha = float(-(moved @ direction) / (direction @ direction)) if np.any(direction) else None
    if alpha is None:
        alpha = float(kind.rates[-1])
    if not alpha > 0:
        return Metric(1.0, None, None, alpha), f"the learning rate is {alpha:g} at this point"
    method = _method(kind, alpha)
    shrink = float(kind.omega) * alpha / float(np.max(kind.rates)) if kind.omega else 0.0
    root = (1 / np.sqrt(below)).astype(moved.dtype)  # the correction of the first moment wears off within 1/(1 - beta1) steps
    renewal = 1.0 if kind.kind == "sum" else 1 - kind.beta2
    return Metric(root, method, float(decayed_edge(method, shrink)), alpha, kind.coupled, renewal), ""


def _method(kind: Any, alpha: float) -> Method:
    """The Method that it is in its metric."""
    if kind.before:
        return rmsprop(alpha, kind.beta1)
    if kind.kind == "sum":
        return adagrad(alpha)
    return nadam(alpha, kind.beta1) if kind.look else adam(alpha, kind.beta1)


def _given(state: Any, rate: float | Callable[[int], float] | None, step: int) -> float | None:
    """The learning rate that was told, or that the state holds (optax.inject_hyperparams)."""
    if callable(rate):
        return float(rate(step - 1))
    if rate is not None:
        return float(rate)
    for part in _parts(state):
        held = getattr(part, "hyperparams", None)
        if isinstance(held, dict) and "learning_rate" in held:
            return float(held["learning_rate"])
    return None


def _fitted(moved: Array, trace: Array | None, found: Identified) -> float:
    """The rate that heavy ball has just used, from its move and its buffer; else the one that was found at the start."""
    assert found.method is not None
    if trace is not None and found.method.gamma == 0 and np.any(trace):
        return float(-(moved @ trace) / (trace @ trace))
    return float(found.alphas[0] if found.alphas else found.method.alpha)


def _parts(state: Any) -> Iterator[Any]:
    """Every named tuple inside a state."""
    if hasattr(state, "_fields"):
        yield state
    if isinstance(state, dict):
        state = tuple(state.values())
    if isinstance(state, tuple | list):
        for part in state:
            yield from _parts(part)


def _named(state: Any, name: str, size: int) -> Array | None:
    """The tree under a name, flat, where it has as many numbers as there are parameters."""
    for part in _parts(state):
        if name in part._fields:
            flat = np.asarray(ravel_pytree(getattr(part, name))[0], dtype=float)
            if flat.size == size:
                return flat
    return None


def _count(state: Any) -> int:
    """Steps taken, where the state counts them; many where it does not."""
    counts = [int(part.count) for part in _parts(state) if "count" in part._fields and np.ndim(part.count) == 0]
    return max(counts, default=1 << 30)

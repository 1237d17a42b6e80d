"""A run in progress, moved from one framework to another: parameters and buffers, to the last digits.

Every convention's memory is the velocity (a plain sum of past gradients) under another name: scaled, signed, with the
learning rate inside, or as the previous point. So a state goes to (y, velocity) and from there to any other convention.
Settings are those of the *next* step: where the learning rate is inside, that is what makes the paths equal from here on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from ...core.method import Method
from ...errors import BadInput
from .conversion import Conversion, convert
from .table import Convention, convention, settled

__all__ = ["State", "convert_state", "read_optax", "read_torch", "write_optax", "write_torch"]


class State(NamedTuple):
    """A run in progress: parameters and buffers (arrays, or lists, tuples and dicts of them), and how far the move is exact."""

    params: Any
    buffer: Any
    conversion: Conversion


def convert_state(params: Any, buffer: Any, source: str, target: str, *, step: int | None = None, **options: Any) -> State:
    """Parameters and buffers of the target that continue the source's run; `options` are the source's settings of the next step.

    y = params (- alpha gamma velocity where parameters are the iterate), velocity = buffer/scale or (previous - params)/alpha.
    `step`, the number of steps taken, is needed only by optax-ema with debias.

    Raises:
        BadInput: unknown names, or a target that cannot say the method.

    >>> state = convert_state([1.0], [2.0], "torch", "keras", lr=0.1, momentum=0.5)
    >>> state.buffer[0].item()
    -0.2
    """
    a, b = convention(source), convention(target)
    found = convert(source, target, **options)
    if not found.to:
        raise BadInput(f"this state cannot continue in {target}: {found.notes[0]}")
    given, wanted = settled(a, options), settled(b, dict(found.to))
    if given.get("debias") and step is None:
        raise BadInput("optax-ema with debias=true needs the number of steps taken: add step=...; or use debias=false")
    method = found.method

    def move(p: Any, v: Any) -> tuple[Any, Any]:
        point, velocity = _common(a, given, method, np.array(p), np.array(v))
        return _particular(b, wanted, method, point, velocity)

    return State(_each(lambda p, v: move(p, v)[0], params, buffer), _each(lambda p, v: move(p, v)[1], params, buffer), found)


def _common(a: Convention, options: Mapping[str, Any], m: Method, params: Any, buffer: Any) -> tuple[Any, Any]:
    velocity = (buffer - params) / m.alpha if a.remembers_point else buffer / a.scale(dict(options))
    return (params - m.alpha * m.gamma * velocity if a.holds_iterate else params), velocity


def _particular(b: Convention, options: Mapping[str, Any], m: Method, point: Any, velocity: Any) -> tuple[Any, Any]:
    params = point + m.alpha * m.gamma * velocity if b.holds_iterate else point
    return params, (params + m.alpha * velocity if b.remembers_point else b.scale(dict(options)) * velocity)


def _each(leaf: Callable[[Any, Any], Any], params: Any, buffer: Any) -> Any:
    """leaf over two nests of the same shape: lists, tuples and dicts of arrays."""
    if isinstance(params, Mapping):
        if not isinstance(buffer, Mapping) or set(params) != set(buffer):
            raise BadInput(f"parameters are named {sorted(map(str, params))}, buffers are not: give one buffer per parameter")
        return {key: _each(leaf, value, buffer[key]) for key, value in params.items()}
    if isinstance(params, list | tuple):
        if not isinstance(buffer, list | tuple) or len(params) != len(buffer):
            raise BadInput(
                f"{len(params)} parameters but {len(buffer) if hasattr(buffer, '__len__') else 1} buffers: give one buffer for each"
            )
        return type(params)(_each(leaf, p, v) for p, v in zip(params, buffer, strict=True))
    if np.shape(params) != np.shape(buffer):
        raise BadInput(
            f"a parameter has shape {np.shape(params)} and its buffer {np.shape(buffer)}: they belong to each other and must agree"
        )
    return leaf(params, buffer)


def read_torch(state_dict: Mapping[str, Any], group: int = 0) -> tuple[dict[str, Any], list[Any]]:
    """Settings and buffers (as arrays, in order) of one group of a torch.optim.SGD checkpoint; None where none is kept yet.

    >>> read_torch({"state": {}, "param_groups": [{"lr": 0.1, "momentum": 0.9, "params": [0]}]})
    ({'lr': 0.1, 'momentum': 0.9}, [None])
    """
    known = CHECKPOINT & set(state_dict["param_groups"][group])
    rows = state_dict["param_groups"][group]
    if "momentum" not in known:
        raise BadInput("this checkpoint has no momentum in its param_groups: it is not from torch.optim.SGD")
    buffers = [state_dict["state"].get(key, {}).get("momentum_buffer") for key in rows["params"]]
    return {key: rows[key] for key in rows if key in known}, [None if b is None else np.asarray(b) for b in buffers]


CHECKPOINT = {"lr", "momentum", "dampening", "nesterov", "weight_decay"}


def write_torch(state_dict: Mapping[str, Any], settings: Mapping[str, Any], buffers: list[Any], group: int = 0) -> dict[str, Any]:
    """A copy of a torch.optim.SGD checkpoint with one group's settings and buffers replaced; buffers stay arrays.

    Turn them into tensors before loading: torch.optim.SGD loads `torch.as_tensor(buffer)`.
    """
    groups = [dict(row) for row in state_dict["param_groups"]]
    groups[group].update(settings)
    state = {key: dict(value) for key, value in state_dict["state"].items()}
    for key, buffer in zip(groups[group]["params"], buffers, strict=True):
        state.setdefault(key, {})["momentum_buffer"] = buffer
    return {**state_dict, "state": state, "param_groups": groups}


def read_optax(opt_state: Any) -> Any:
    """The buffers inside an optax state (the `trace` of optax.sgd, or the `ema` of optax.ema), wherever it is nested.

    Raises:
        BadInput: there is none, e.g. because optax.sgd was made without momentum.
    """
    for name, value in _fields(opt_state):
        if name in ("trace", "ema"):
            return value
    raise BadInput("this optax state holds no momentum (no `trace` or `ema`): optax.sgd(lr) without momentum keeps none")


def write_optax(opt_state: Any, buffers: Any) -> Any:
    """The optax state with its buffers replaced, everything else as it was."""
    read_optax(opt_state)
    return _replaced(opt_state, buffers)


def _fields(node: Any) -> Any:
    if hasattr(node, "_fields"):
        for name in node._fields:
            yield name, getattr(node, name)
            yield from _fields(getattr(node, name))
    elif isinstance(node, list | tuple):
        for item in node:
            yield from _fields(item)


def _replaced(node: Any, buffers: Any) -> Any:
    if hasattr(node, "_fields"):
        return node._replace(**{n: buffers if n in ("trace", "ema") else _replaced(getattr(node, n), buffers) for n in node._fields})
    if isinstance(node, list | tuple):
        return type(node)(_replaced(item, buffers) for item in node)
    return node

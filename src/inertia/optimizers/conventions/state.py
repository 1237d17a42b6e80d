"""A run in progress, moved from one framework to another: parameters and buffers, to the last digits.

Every convention's memory is the velocity (a plain sum of past gradients) under another name: scaled, signed, with the
learning rate inside, or as the previous point. So a state goes to (y, velocity) and from there to any other convention.
Settings are those of the *next* step: where the learning rate is inside, that is what makes the paths equal from here on.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from ...core.method import Method
from ...errors import BadInput
from .conversion import Conversion, convert
from .nests import array, found_fields, is_hole, mapped, merged, replaced_fields, split_like
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
    lost = method.alpha == 0 and (a.inside or b.inside or a.remembers_point or b.remembers_point) and a is not b

    def move(p: Any, v: Any) -> tuple[Any, Any]:
        if is_hole(v):  # no velocity yet: the point is the iterate, and every convention starts without a buffer
            return p, v
        own, held = array(p), array(v)
        if lost and np.any(held != 0):
            raise BadInput(
                f"the learning rate is 0, and {a.name if a.inside or a.remembers_point else b.name} keeps it inside its buffer: "
                "the velocity would be lost; convert with the learning rate of the next step that moves"
            )
        if lost:
            return own.copy(), own.copy() if b.remembers_point else held.copy()
        wide = np.result_type(own, held, np.float64)  # rounded once, to what it came in
        point, velocity = _common(a, given, method, own.astype(wide), held.astype(wide))
        moved, buffer = _particular(b, wanted, method, point, velocity)
        same = own.copy() if a.holds_iterate == b.holds_iterate or method.gamma == 0 else moved.astype(own.dtype)
        return same, np.asarray(buffer).astype(held.dtype)

    pairs = mapped(lambda p, v: _Pair(*move(p, v)), params, buffer)
    return State(_side(pairs, 0), _side(pairs, 1), found)


class _Pair:
    """A parameter and its buffer, one leaf of a nest."""

    def __init__(self, *sides: Any) -> None:
        self.sides = sides


def _side(nest: Any, side: int) -> Any:
    return nest.sides[side] if isinstance(nest, _Pair) else mapped(lambda leaf, _: leaf.sides[side], nest, None)


def _common(a: Convention, options: Mapping[str, Any], m: Method, params: Any, buffer: Any) -> tuple[Any, Any]:
    velocity = (buffer - params) / m.alpha if a.remembers_point else buffer / a.scale(dict(options))
    return (params - m.alpha * m.gamma * velocity if a.holds_iterate else params), velocity


def _particular(b: Convention, options: Mapping[str, Any], m: Method, point: Any, velocity: Any) -> tuple[Any, Any]:
    params = point + m.alpha * m.gamma * velocity if b.holds_iterate else point
    return params, (params + m.alpha * velocity if b.remembers_point else b.scale(dict(options)) * velocity)


def read_torch(state_dict: Mapping[str, Any], group: int = 0) -> tuple[dict[str, Any], list[Any]]:
    """Settings and buffers (as arrays, in order) of one group of a torch.optim.SGD checkpoint; None where none is kept yet.

    >>> read_torch({"state": {}, "param_groups": [{"lr": 0.1, "momentum": 0.9, "params": [0]}]})
    ({'lr': 0.1, 'momentum': 0.9}, [None])
    """
    rows = _group(state_dict, group)
    if "momentum" not in rows:
        raise BadInput("this checkpoint has no momentum in its param_groups: it is not from torch.optim.SGD")
    _refuse_strange(rows)
    buffers = [state_dict["state"].get(key, {}).get("momentum_buffer") for key in rows["params"]]
    settings = {key: _number(rows[key]) for key in rows if key in CHECKPOINT}
    return settings, [None if b is None else array(b.to_dense() if getattr(b, "is_sparse", False) else b) for b in buffers]


CHECKPOINT = {"lr", "momentum", "dampening", "nesterov", "weight_decay"}


def _group(state_dict: Mapping[str, Any], group: int) -> dict[str, Any]:
    groups = state_dict["param_groups"]
    if not -len(groups) <= group < len(groups):
        raise BadInput(f"group = {group}: this checkpoint has {len(groups)} parameter groups, counted from 0")
    return dict(groups[group])


def _number(value: Any) -> Any:
    return value.item() if hasattr(value, "item") else value


def _refuse_strange(rows: Mapping[str, Any]) -> None:
    """Groups of inertia.torch.Momentum that torch.optim.SGD's words cannot say, and ascent."""
    gamma, beta = rows.get("gamma", 0), rows["momentum"]
    if "gamma" in rows and not rows.get("nesterov") and gamma not in (0, beta):
        raise BadInput(
            f"this group has gamma = {gamma:g} (neither 0 nor momentum): torch.optim.SGD has no word for it; "
            "keep it in inertia.torch.Momentum"
        )
    if rows.get("decoupled") and rows.get("weight_decay"):
        raise BadInput(
            f"this group decays its parameters by {rows['weight_decay']:g} outside the gradient (decoupled): SGD's weight_decay is another "
            "method; set it to 0 in the group and decay by hand"
        )
    if rows.get("maximize"):
        raise BadInput("this group maximizes: its buffer holds negated gradients; minimize the negated loss and set maximize to False")


def write_torch(state_dict: Mapping[str, Any], settings: Mapping[str, Any], buffers: list[Any], group: int = 0) -> dict[str, Any]:
    """A copy of a torch.optim.SGD checkpoint with one group's settings and buffers replaced; buffers stay arrays.

    Turn them into tensors before loading: torch.optim.SGD loads `torch.as_tensor(buffer)`.
    """
    own = _group(state_dict, group)
    if len(buffers) != len(own["params"]):
        raise BadInput(f"{len(own['params'])} parameters in this group but {len(buffers)} buffers: give one for each, or None")
    state = {key: dict(value) for key, value in state_dict["state"].items()}
    for key, buffer in zip(own["params"], buffers, strict=True):
        held = state.get(key, {}).get("momentum_buffer")
        if held is not None and buffer is not None and tuple(held.shape) != tuple(np.shape(buffer)):
            raise BadInput(f"the buffer of parameter {key} has shape {tuple(held.shape)}, the new one {tuple(np.shape(buffer))}")
        if not is_hole(buffer):
            tensor = getattr(held, "new_tensor", None) if isinstance(buffer, np.ndarray) else None  # in the precision it had
            state.setdefault(key, {})["momentum_buffer"] = tensor(buffer) if tensor is not None else buffer
        elif held is not None:
            state[key]["momentum_buffer"] = None
    groups = [dict(row) for row in state_dict["param_groups"]]
    groups[group].update(settings)
    return {**state_dict, "state": state, "param_groups": groups}


BUFFERS = ("trace", "ema", "velocity")  # optax.trace, optax.ema, inertia.jax.momentum


def read_optax(opt_state: Any) -> Any:
    """The buffers inside an optax state (`trace` of optax.sgd, `ema` of optax.ema, `velocity` of inertia.jax), however it is nested.

    Where several transformations keep a part each (masked, multi_transform, partition), the parts are put together into one tree
    like the parameters; optax.MaskedNode stays where none keeps a buffer.

    Raises:
        BadInput: there is none, e.g. because optax.sgd was made without momentum; two for the same parameter.
    """
    found = list(found_fields(opt_state, BUFFERS))
    if not found:
        raise BadInput("this optax state holds no momentum (no `trace` or `ema`): optax.sgd(lr) without momentum keeps none")
    return merged(found)


def write_optax(opt_state: Any, buffers: Any) -> Any:
    """The optax state with its buffers replaced, each part in the transformation that keeps it, in its dtype; the rest as it was.

    Raises:
        BadInput: as read_optax; a buffer of another shape, or none where the state keeps one.
    """
    read_optax(opt_state)
    parts = [split_like(buffers, like) for like in found_fields(opt_state, BUFFERS)]
    return replaced_fields(opt_state, BUFFERS, iter(parts))

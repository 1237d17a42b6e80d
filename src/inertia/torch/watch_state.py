"""What a torch optimizer's state says without asking the model: its metric as it has just stepped, and what its buffers hold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from ..errors import BadInput
from ..theory.adaptive import decayed_edge
from ..watching.looking import Metric
from ..watching.quantities import Reading
from .adaptive import in_metric, number
from .optimizer import Momentum
from .products import FULL

__all__ = ["Buffers", "metric_of", "rate_of", "read", "remembered", "replaces"]

Tensors = list[torch.Tensor]
SAMPLE = 4096  # entries of each tensor that a reading looks at


@dataclass(frozen=True, eq=False)
class Buffers:
    """Each group's parameters with a gradient, and copies of their velocities and of themselves after a step."""

    step: int
    velocities: list[dict[int, torch.Tensor]]  # by the id of the parameter
    params: list[dict[int, torch.Tensor]]


def rate_of(group: dict[str, Any]) -> float:
    """The learning rate of a group as a float."""
    return number(group["lr"]) if "lr" in group else float("nan")


def metric_of(optimizer: torch.optim.Optimizer, params: Sequence[torch.Tensor]) -> tuple[Metric, str]:
    """The metric on the parameters as one flat vector (0 where the optimizer moves nothing), and why there is no edge, if so.

    An optimizer that is no linear recursion in a metric gets P = 1 and no edge: its sharpness is that of the loss itself.
    """
    homes = {id(p): group for group in optimizer.param_groups for p in group["params"]}
    stateful = not plain(optimizer)
    moving = [
        p for p in params
        if id(p) in homes and rate_of(homes[id(p)]) > 0 and (not stateful or (p in optimizer.state and len(optimizer.state[p])))
    ]  # fmt: skip
    rate = max((rate_of(group) for group in optimizer.param_groups), default=0.0)
    mask = _spread(params, {id(p): torch.ones_like(p) for p in moving})
    whole = len(moving) == len(params)
    if not moving:
        return Metric(1.0, None, None, rate), "no parameter is moved at this learning rate"
    try:
        found = in_metric(optimizer, moving)
    except BadInput as error:
        return Metric(1.0 if whole else mask, None, None, rate), str(error)
    flat: Any = 1.0
    if bool((found.root != 1).any()) or not whole:
        parts = torch.split(found.root, [p.numel() for p in moving])
        flat = _spread(params, {id(p): part.view(p.shape) for p, part in zip(moving, parts, strict=True)})
    edge = float(decayed_edge(found.method, found.shrink))
    return Metric(flat, found.method, edge, rate, found.coupled, _renewal(homes[id(moving[0])])), ""


def _renewal(group: dict[str, Any]) -> float:
    """Weight of a new squared gradient in the square of the metric."""
    if "betas" in group:
        return 1 - number(group["betas"][1])
    if "lr_decay" in group:  # Adagrad
        return 1.0
    return 1 - number(group["alpha"]) if "alpha" in group else 0.0  # RMSprop


def adaptive(optimizer: torch.optim.Optimizer) -> bool:
    """Whether it divides gradients by their own size."""
    return not plain(optimizer) and any(_renewal(group) > 0 for group in optimizer.param_groups)


def plain(optimizer: torch.optim.Optimizer) -> bool:
    """Whether its step grows with the gradient; without momentum it keeps nothing."""
    return isinstance(optimizer, torch.optim.SGD | Momentum)


def replaces(other: torch.optim.Optimizer, ours: torch.optim.Optimizer, params: Sequence[torch.Tensor]) -> bool:
    """Whether another optimizer steps some of these parameters that ours holds, too; several, each with its own, are no fault."""
    watched = {id(p) for p in params}
    held = {id(p) for group in ours.param_groups for p in group["params"]}
    stepped = {id(p) for group in other.param_groups for p in group["params"]}
    return bool(stepped & watched) and bool(stepped & held)


def _spread(params: Sequence[torch.Tensor], parts: dict[int, torch.Tensor]) -> torch.Tensor:
    """One flat vector in the precision of the measurement; zero where a parameter has no part."""
    total = sum(p.numel() for p in params)
    dtype = torch.float64 if total <= FULL else params[0].dtype
    if dtype in {torch.float16, torch.bfloat16}:
        dtype = torch.float32
    out, at = torch.zeros(total, dtype=dtype, device=params[0].device), 0
    for p in params:
        if id(p) in parts:
            out[at : at + p.numel()] = parts[id(p)].detach().flatten().to(dtype)
        at += p.numel()
    return out


def _kind(optimizer: torch.optim.Optimizer) -> tuple[str, str] | None:
    """Name of the velocity in the state, and how a gradient enters it: "sum", "mean" or "scaled"; None where that is not known."""
    if isinstance(optimizer, Momentum):
        return "momentum_buffer", "sum"
    names = [kind.__name__ for kind in type(optimizer).__mro__ if kind.__module__.startswith("torch.optim")]
    for name in names:
        if name == "SGD":
            return "momentum_buffer", "sum"
        if name in {"Adam", "AdamW", "NAdam", "RAdam"}:
            return "exp_avg", "mean"
        if name == "RMSprop":
            return "momentum_buffer", "scaled"
    return None


def remembered(optimizer: torch.optim.Optimizer, step: int) -> Buffers:
    """Copies of the velocities and parameters after a step, to be compared with those after the next."""
    kind = _kind(optimizer)
    velocities, params = [], []
    for group in optimizer.param_groups:
        own = [p for p in group["params"] if p.grad is not None and not p.grad.is_sparse]
        velocities.append({id(p): _some(v).clone() for p in own if kind and (v := _velocity(optimizer, p, kind[0])) is not None})
        params.append({id(p): _some(p).clone() for p in own})
    return Buffers(step, velocities, params)


def read(optimizer: torch.optim.Optimizer, before: Buffers, step: int) -> list[Reading]:
    """What each group's buffers held after the step that followed `before`."""
    kind = _kind(optimizer)
    return [
        reading
        for index, group in enumerate(optimizer.param_groups)
        if (reading := _read(optimizer, index, group, kind, before, step)) is not None
    ]


def _read(
    optimizer: torch.optim.Optimizer, index: int, group: dict[str, Any], kind: tuple[str, str] | None, before: Buffers, step: int
) -> Reading | None:
    own = [p for p in group["params"] if p.grad is not None and not p.grad.is_sparse and id(p) in before.params[index]]
    if not own:
        return None
    whole: Tensors = [p.grad.detach() for p in own]  # type: ignore[union-attr]
    grads = [_some(g) for g in whole]
    old = [before.params[index][id(p)] for p in own]
    update, weights = _length([_some(p) - q for p, q in zip(own, old, strict=True)]), _length(old)
    asked = _asked(group, kind)
    base: dict[str, Any] = {
        "step": step, "group": index, "learning_rate": rate_of(group), "asked": asked, "gradient_norm": _length(whole),
        "update_of_weight": update / weights if weights > 0 else 0.0,
    }  # fmt: skip
    now = [_velocity(optimizer, p, kind[0]) for p in own] if kind else []
    velocities: Tensors = [_some(v) for v in now if v is not None]
    if kind is None or len(velocities) < len(own):
        held = 0.0 if kind is not None and not any(v is not None for v in now) and not asked else None
        return Reading(**base, held=held, error=0.0, velocity_of_gradient=None, cosine=None)
    entered = _entered(optimizer, own, grads, old, group, kind[1], asked or 0.0)
    past = [before.velocities[index].get(id(p), torch.zeros_like(v)) for p, v in zip(own, velocities, strict=True)]
    rest = [v - e for v, e in zip(velocities, entered, strict=True)]
    square = _dot(past, past)
    held, error = None, 0.0
    if square > 0:
        held = _dot(rest, past) / square
        error = _length([r - held * q for r, q in zip(rest, past, strict=True)]) / square**0.5
    unit = 1 - (asked or 0.0) if kind[1] == "mean" else 1.0
    size, length = _length(velocities), _length(grads)
    return Reading(
        **base, held=held, error=error,
        velocity_of_gradient=size / unit / length if length > 0 and kind[1] != "scaled" else None,
        cosine=_dot(velocities, grads) / (size * length) if size > 0 and length > 0 else None,
    )  # fmt: skip


def _entered(
    optimizer: torch.optim.Optimizer, own: Tensors, grads: Tensors, old: Tensors, group: dict[str, Any], how: str, beta: float
) -> Tensors:
    """What this step's gradient added to each velocity."""
    decay = number(group.get("weight_decay", 0.0))
    decoupled = group.get("decoupled", False) or group.get("decoupled_weight_decay", False) or isinstance(optimizer, torch.optim.AdamW)
    added = [-g for g in grads] if group.get("maximize") else list(grads)
    if decay and not decoupled:
        added = [g + decay * p for g, p in zip(added, old, strict=True)]
    if how == "mean":
        return [(1 - beta) * g for g in added]
    if how == "sum":
        keep = 1 - number(group.get("dampening", 0.0))
        return [keep * g for g in added] if keep != 1 else added
    scaled = []
    for p, g in zip(own, added, strict=True):
        state = optimizer.state[p]
        mean = _some(state["square_avg"])
        if group.get("centered"):
            mean = mean - _some(state["grad_avg"]) ** 2
        scaled.append(g / (mean.clamp(min=0).sqrt() + number(group["eps"])))
    return scaled


def _asked(group: dict[str, Any], kind: tuple[str, str] | None) -> float | None:
    """Momentum in the settings of a group."""
    if kind is None:
        return None
    return number(group["betas"][0]) if "betas" in group else number(group.get("momentum", 0.0))


def _velocity(optimizer: torch.optim.Optimizer, p: torch.Tensor, name: str) -> torch.Tensor | None:
    held = optimizer.state[p].get(name) if p in optimizer.state else None
    return held if isinstance(held, torch.Tensor) and held.shape == p.shape else None


def _some(tensor: torch.Tensor) -> torch.Tensor:
    """At most SAMPLE entries of a tensor, evenly spaced, as a flat vector: what relates buffers holds entry by entry."""
    flat = tensor.detach().reshape(-1)
    return flat[:: -(-flat.numel() // SAMPLE)] if flat.numel() > SAMPLE else flat


def _dot(one: Tensors, other: Tensors) -> float:
    """Inner product over lists of tensors."""
    return float(sum(torch.dot(a.float(), b.float()).double() for a, b in zip(one, other, strict=True)))


def _length(tensors: Tensors) -> float:
    """Euclidean length over a list of tensors."""
    return float(torch.linalg.vector_norm(torch.stack([n.double() for n in torch._foreach_norm(tensors)]))) if tensors else 0.0

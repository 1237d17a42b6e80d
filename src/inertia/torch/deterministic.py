"""A loss that changes between two looks has no Hessian: find out at once, and name what changes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from ..errors import BadInput
from .batches import Batches
from .frozen import Frozen

__all__ = ["check_deterministic"]

TOLERANCE = 1e-5  # relative: threads may sum in another order, a random layer differs by far more


def check_deterministic(model: nn.Module, batches: Batches, evaluate: Callable[[Any], tuple[torch.Tensor, float]], handle: Frozen) -> None:
    """Evaluate the first batch twice.

    Raises:
        BadInput: the two losses differ; the message names the data or the first module whose output changed.
    """
    looks = [_look(batches, evaluate, handle) for _ in range(2)]
    if any(value is None for value, _ in looks):
        raise BadInput("the data hold no batches: a loader was empty, or an iterator had been read before")
    (one, data), (two, again) = looks
    if one == two or abs(one - two) <= TOLERANCE * max(abs(one), abs(two), 1e-12) or one != one:
        return
    if not _same(data, again):
        cause = "the data differ at each reading (random augmentation or order?): pass tensors, or a list of batches"
    else:
        first, second = (_traced(model, lambda: _look(batches, evaluate, handle)) for _ in range(2))
        changed = next((a[0] for a, b in zip(first, second, strict=False) if _same([a[1]], [b[1]]) and not _same([a[2]], [b[2]])), None)
        kind = type(model.get_submodule(changed)).__name__ if changed else ""
        where = (
            f"module '{changed}' ({kind}) gives different outputs for the same input"
            if changed
            else "something outside its modules is random"
        )
        cause = f"{where}: use mode='eval', or make it draw from torch's global generator"
    raise BadInput(f"the loss is not deterministic: {one:.6g}, then {two:.6g} on the same parameters; {cause}")


def _look(batches: Batches, evaluate: Callable[[Any], tuple[torch.Tensor, float]], handle: Frozen) -> tuple[Any, list[float]]:
    """Loss of the first batch and a sum of each of its tensors."""
    batch = next(iter(batches), None)
    if batch is None:
        return None, []
    handle.rewind(0)
    with torch.no_grad():
        return float(evaluate(batch)[0]), _sums(batch)


def _traced(model: nn.Module, look: Callable[[], Any]) -> list[tuple[str, float, float]]:
    """One look with sums of every innermost module's input and output."""
    trace: list[tuple[str, float, float]] = []
    innermost = [(name, module) for name, module in model.named_modules() if not list(module.children())]
    hooks = [module.register_forward_hook(_recorder(name, trace)) for name, module in innermost]
    try:
        look()
    finally:
        for hook in hooks:
            hook.remove()
    return trace


def _recorder(name: str, trace: list[tuple[str, float, float]]) -> Callable[..., None]:
    def hook(module: nn.Module, inputs: Any, output: Any) -> None:
        trace.append((name, sum(_sums(inputs)), sum(_sums(output))))

    return hook


def _sums(value: Any) -> list[float]:
    """One number per tensor inside: its sum of absolute values."""
    if isinstance(value, torch.Tensor):
        return [float(value.detach().abs().sum(dtype=torch.float64 if not value.is_complex() else None).real)]
    if isinstance(value, dict):
        value = list(value.values())
    return [number for item in value for number in _sums(item)] if isinstance(value, tuple | list) else []


def _same(one: list[float], two: list[float]) -> bool:
    return len(one) == len(two) and all(abs(a - b) <= TOLERANCE * max(abs(a), abs(b), 1e-12) for a, b in zip(one, two, strict=True))

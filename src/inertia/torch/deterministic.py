"""A loss that changes between two looks has no Hessian: find out at once, and name what changes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from ..errors import BadInput
from .batches import Batches
from .frozen import Frozen

__all__ = ["Determinism", "sums_of"]

DROPPING = {"bernoulli", "native_dropout", "dropout", "feature_dropout", "alpha_dropout", "feature_alpha_dropout"}
EMPTY = "the data hold no batches: a loader was empty, or an iterator had been read before"
TOLERANCE = 1e-5  # relative: threads may sum in another order, a random layer differs by far more


class Determinism:
    """The loss of the first batch, looked at once.

    What draws random numbers although no module of a known kind does is named in the report. The second look is `check`, or `confirm`
    where that loss is computed anyway.

    Raises:
        BadInput: no batches.
    """

    def __init__(self, model: nn.Module, batches: Batches, evaluate: Callable[[Any], tuple[torch.Tensor, float]], handle: Frozen) -> None:
        self.model, self.batches, self.evaluate, self.handle = model, batches, evaluate, handle
        self.drawn: list[bool] = []
        self.due = True  # whether the second look is still to come
        self.first = self._looked()
        if self.first[0] is None:
            raise BadInput(EMPTY)

    def confirm(self, value: float) -> None:
        """The loss as the first gradient had it, which other kernels may have made: where it is another one, `check`.

        Raises:
            BadInput: as `check`.
        """
        if self.due and not _close(self.first[0], value):
            self.check()
        self.due = False

    def check(self) -> None:
        """Look again.

        Raises:
            BadInput: the two losses differ; the message names the data or the first module whose output changed.
        """
        (one, data), (two, again) = self.first, self._looked()
        if two is None:
            raise BadInput(EMPTY)
        if _close(one, two):
            return
        if not _same(data, again):
            cause = "the data differ at each reading (random augmentation or order?): pass tensors, or a list of batches"
        else:
            first, second = (_traced(self.model, lambda: _look(self.batches, self.evaluate, self.handle)) for _ in range(2))
            changed = next((a[0] for a, b in zip(first, second, strict=False) if _same([a[1]], [b[1]]) and not _same([a[2]], [b[2]])), None)
            kind = type(self.model.get_submodule(changed)).__name__ if changed else ""
            where = (
                f"module '{changed}' ({kind}) gives different outputs for the same input"
                if changed
                else "something outside its modules is random"
            )
            cause = f"{where}: use mode='eval', or make it draw from torch's global generator"
        raise BadInput(f"the loss is not deterministic: {one:.6g}, then {two:.6g} on the same parameters; {cause}")

    def _looked(self) -> tuple[Any, list[float]]:
        known = any(self.drawn)
        found = _look(self.batches, self.evaluate, self.handle, self.drawn)
        if any(self.drawn) and not (known or self.handle.drops):
            what = _named(self.batches, self.evaluate, self.handle)
            self.handle.report.append(f"the loss draws random numbers outside dropout modules{what}: one fixed draw per batch")
        return found


def _close(one: float, two: float) -> bool:
    return one == two or abs(one - two) <= TOLERANCE * max(abs(one), abs(two), 1e-12) or one != one


class _Draws(TorchDispatchMode):
    """Names of the operations that took numbers from torch's global generator, as they are written."""

    def __init__(self) -> None:
        super().__init__()
        self.found: set[str] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Carry the operation out, and note it if it is random."""
        if torch.Tag.nondeterministic_seeded in func.tags and not (kwargs or {}).get("generator") and not _idle(func, args):
            name = func.overloadpacket.__name__.rstrip("_")
            self.found.add("functional dropout" if name in DROPPING else f"torch.{name}")
        return func(*args, **(kwargs or {}))


def _idle(func: Any, args: Any) -> bool:
    """Whether an operation that can be random is not: attention without dropout, dropout with nothing dropped."""
    name = func.overloadpacket.__name__
    if "attention" in name:
        numbers = [a for a in args if isinstance(a, float)]
        return not any(number > 0 for number in numbers[:1])
    return "dropout" in name and len(args) > 1 and (args[1] == 0 or (len(args) > 2 and args[2] is False))


def _named(batches: Batches, evaluate: Callable[[Any], tuple[torch.Tensor, float]], handle: Frozen) -> str:
    """What draws, in brackets, where torch tells."""

    def listened(batch: Any) -> tuple[torch.Tensor, float]:
        with draws:
            return evaluate(batch)

    draws = _Draws()
    try:
        _look(batches, listened, handle)
    except Exception:  # compiled models may not be listened to; the draw itself is certain
        return ""
    return f" ({', '.join(sorted(draws.found))})" if draws.found else ""


def _look(
    batches: Batches, evaluate: Callable[[Any], tuple[torch.Tensor, float]], handle: Frozen, drawn: list[bool] | None = None
) -> tuple[Any, list[float]]:
    """Loss of the first batch and a sum of each of its tensors; `drawn` learns whether random numbers were taken."""
    batch = next(iter(batches), None)
    if batch is None:
        return None, []
    handle.rewind(0)
    before = torch.get_rng_state()
    with torch.no_grad():
        value = float(evaluate(batch)[0])
    if drawn is not None:
        drawn.append(not torch.equal(before, torch.get_rng_state()))
    return value, sums_of(batch)


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
        trace.append((name, sum(sums_of(inputs)), sum(sums_of(output))))

    return hook


def sums_of(value: Any) -> list[float]:
    """One number per tensor inside: its sum of absolute values."""
    if isinstance(value, torch.Tensor):
        return [float(value.detach().abs().sum(dtype=torch.float64 if not value.is_complex() else None).real)]
    if isinstance(value, dict):
        value = list(value.values())
    return [number for item in value for number in sums_of(item)] if isinstance(value, tuple | list) else []


def _same(one: list[float], two: list[float]) -> bool:
    return len(one) == len(two) and all(abs(a - b) <= TOLERANCE * max(abs(a), abs(b), 1e-12) for a, b in zip(one, two, strict=True))

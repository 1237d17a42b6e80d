"""One look at a torch run, at the parameters from which a step was taken; afterwards everything is as the step left it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from ..measurement.rescaled import Rescaled
from ..watching.looking import MOST, described, look, sharpest
from ..watching.pacing import Pace
from ..watching.planning import Plan
from ..watching.quantities import Look
from .watch_probe import Probe, flat
from .watch_state import metric_of
from .watch_together import Together

__all__ = ["Looking", "put"]

Tensors = Sequence[torch.Tensor]


def put(params: Tensors, values: Tensors) -> None:
    """Other numbers into the parameters."""
    with torch.no_grad():
        for p, value in zip(params, values, strict=True):
            p.copy_(value)


@dataclass(eq=False)
class Looking:
    """What looks at a run, and what it remembers from one look to the next."""

    model: nn.Module
    params: Sequence[nn.Parameter]
    optimizer: torch.optim.Optimizer
    probe: Probe
    pace: Pace
    seed: int
    together: Together
    why: str = ""  # there is no edge, if so
    layers: dict[str, Any] = field(default_factory=dict)  # sharpest direction of each layer at the last close look

    def __post_init__(self) -> None:
        """What a look may take on, from what the first few examples cost."""
        self.plan = Plan(self.pace, self.probe.sizes, self.probe.price)

    def forget(self) -> None:
        """Begin anew."""
        self.plan.forget()
        self.layers.clear()

    def look(self, before: Tensors, after: Tensors, mean: Tensors | None, step: int, free: bool, close: bool) -> Look:
        """Look once; the parameters are not left as they were found: put those after the step back.

        Args:
            before: parameters before the step.
            after: copies of those after it, which are in the model.
            mean: average of the weights, None where there is none.
            step: number of the step.
            free: at all examples, whatever it costs.
            close: also look at each layer alone.
        """
        clock = self.pace.clock
        begun = clock()
        ratios = _update_of_weight(self.model, self.params, before, after) if close else None
        put(self.params, before)
        metric, self.why = metric_of(self.optimizer, self.params)
        size, depth = self.plan.begin(free)
        size, depth, quick, share = self.together.agreed((size, depth, self.plan.quick(size), self.plan.share(size)))
        with self.probe.open(size) as source:
            moved = flat(after, before, source)
            part = self.probe.part(source, size)
            seen = look(source, metric, moved if bool(moved.any()) else None, self.plan.warm, depth, self.seed + step, part, quick)
            noise, signal = self._own_gradient(seen, metric, source)
        gradients = 1 + 2 * (seen.turning is not None) + (mean is not None)
        excess = None
        if mean is not None:
            put(self.params, mean)
            excess = seen.loss - self.probe.value(size)
        self.plan.saw(seen, size, depth, clock() - begun, gradients)
        found = None
        if close:
            put(self.params, before)
            with self.probe.open() as source:
                source.gradient()
                found = self._by_layer(metric, source)
        return described(
            seen, metric, step, clock() - begun, part=share, step_noise=noise, step_signal=signal, excess=excess,
            layers=found, updates=ratios,
        )  # fmt: skip

    def _own_gradient(self, seen: Any, metric: Any, source: Any) -> tuple[float | None, float | None]:
        """How far the gradient that was stepped with is from the probe's, and their inner product, in the metric."""
        if any(p.grad is None or p.grad.is_sparse for p in self.params):
            return None, None
        own = flat([p.grad for p in self.params], [torch.zeros((), device=p.device) for p in self.params], source)  # type: ignore[misc]
        own = metric.root * (own + metric.coupled * source.position() if metric.coupled else own)
        probe = metric.root * seen.gradient
        space = source.space(False)
        away = own - probe
        return space.dot(away, away), space.dot(own, probe)

    def _by_layer(self, metric: Any, source: Any) -> dict[str, float]:
        """Sharpness of each module's own parameters alone, the others held still."""
        found = {}
        for name, places in _layers(self.model, self.params).items():
            mask = source._zeros()
            for _, low, high in places:
                mask[low:high] = 1.0
            own = Rescaled(source, metric.root * mask, metric.coupled or None)
            before = self.layers.get(name)
            seen = sharpest(own.hvp, source, before, MOST, self.seed, mask)
            self.layers[name], found[name] = seen.start, seen.value
        return found


def _layers(model: nn.Module, params: Tensors) -> dict[str, list[tuple[int, int, int]]]:
    """Of each module with parameters of its own: their numbers, and where each begins and ends in the flat vector."""
    homes = {id(p): name for name, module in model.named_modules() for p in module._parameters.values() if p is not None}
    found: dict[str, list[tuple[int, int, int]]] = {}
    at = 0
    for index, p in enumerate(params):
        found.setdefault(homes.get(id(p), "") or "(model)", []).append((index, at, at + p.numel()))
        at += p.numel()
    return found


def _update_of_weight(model: nn.Module, params: Tensors, before: Tensors, after: Tensors) -> dict[str, float]:
    """Length of the step over that of the weights, of each layer; of a layer at 0 infinite, or 0 where it stays there."""
    found = {}
    for name, places in _layers(model, params).items():
        moved = sum(float((after[k] - before[k]).double().square().sum()) for k, _, _ in places)
        held = sum(float(before[k].double().square().sum()) for k, _, _ in places)
        found[name] = (moved / held) ** 0.5 if held else float("inf") if moved else 0.0
    return found

"""A model measured as its optimizer meets it: in the metric of the real state, with the step along the real update."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any

import torch

from ..errors import BadInput
from ..measurement.model import Plan, measure_source
from ..measurement.rescaled import Rescaled
from ..measurement.steplength import along, pulls
from ..tuning.preconditioned import NATURES, Preconditioned, Running, enough, preconditioned, without_metric
from .adaptive import homes_of, in_metric, readable, stepped, told_groups
from .frozen import HALVES, trainable
from .opening import LARGE
from .stepping import advanced, assembled_state, updates
from .wrappers import plain

__all__ = ["measured_under", "whole_optimizer"]


def measured_under(source: Any, plan: Plan, optimizer: Any, walk: int, params: Sequence[torch.Tensor] | None = None) -> Preconditioned:
    """The plan carried out in the optimizer's metric; the model and the optimizer are not changed.

    `source` is a TorchSource, or leads those of several processes; `params` are what the optimizer steps, where those of the source
    are parts of them.

    Raises:
        BadInput: an optimizer that is none, of another model, or whose state cannot be read (8-bit, an unknown class).
    """
    enough(walk)
    params = source.params if params is None else params
    known = readable(optimizer)
    reason = "" if known else _reason(optimizer)
    walked = 0
    with ExitStack() as stack:
        homes_of(optimizer, params)
        if not (stepped(optimizer, params) if known else any(optimizer.state.get(p) for p in params)):
            optimizer, walked = stack.enter_context(advanced(source, optimizer, params, plan, walk)), walk
        seen = in_metric(optimizer, params) if known else None
        who = seen.running(walked) if seen is not None else _stranger(optimizer, walked)
        slopes, curvatures = _along(source, optimizer, params, who.learning_rate, plan)
        if seen is None:
            return without_metric(reason, who, slopes, curvatures, source.notes | source.cost())
        source.notes |= seen.noted(walked)
        found = measure_source(Rescaled(source, seen.root, seen.penalty), plan)
        return preconditioned(found, who, slopes, curvatures)


def whole_optimizer(optimizer: Any, held: torch.nn.Module, model: torch.nn.Module) -> tuple[Any, list[torch.Tensor]]:
    """Of a model that is cut up among processes: its optimizer with whole states, and the whole parameters; called in all of them."""
    if not isinstance(optimizer, torch.optim.Optimizer):
        return optimizer, trainable(model)  # refused in a sentence when it is read
    parts = trainable(held)
    homes_of(optimizer, parts)
    whole = [plain(p.detach()) for p in parts]
    whole = [p.float() if p.dtype in HALVES else p.clone() for p in whole]
    return assembled_state(optimizer, parts, whole), whole


def _stranger(optimizer: torch.optim.Optimizer, walked: int) -> Running:
    """An optimizer without a metric."""
    rate = float(optimizer.param_groups[0].get("lr", 1.0))
    return Running(type(optimizer).__name__, rate, None, walked=walked, groups=told_groups(optimizer.param_groups))


def _reason(optimizer: Any) -> str:
    """Why an optimizer has no metric, if that is in its nature; what is not known is refused."""
    if not isinstance(optimizer, torch.optim.Optimizer):
        raise BadInput(f"optimizer of type {type(optimizer).__name__} is no torch.optim.Optimizer: pass the one that steps the model")
    name = type(optimizer).__name__
    coarse = {
        str(value.dtype).removeprefix("torch.")
        for state in optimizer.state.values()
        if isinstance(state, dict)
        for value in state.values()
        if isinstance(value, torch.Tensor) and value.numel() > 1 and not value.is_floating_point()
    }
    if coarse or "8bit" in name.lower() or "4bit" in name.lower():
        raise BadInput(
            f"the state of {name} is kept in {', '.join(sorted(coarse)) or '8 bits'}, which cannot be read as a metric: measure with "
            "torch's own AdamW after some steps"
        )
    from .probe import identify

    try:
        found = identify(optimizer)
    except (BadInput, RuntimeError, ValueError, TypeError, AttributeError):
        found = None
    natures = set() if found is None else {one.nature for one in (found.groups or (found,))}
    if len(natures) == 1 and natures <= set(NATURES):
        return NATURES[natures.pop()].format(name)
    in_metric(optimizer, [])  # raises: the class is not known
    raise BadInput(f"the state of {name} cannot be read as a metric")


def _along(
    source: Any, optimizer: torch.optim.Optimizer, params: Sequence[torch.Tensor], rate: float, plan: Plan
) -> tuple[list[float], list[float]]:
    """g'u and u'H u of the next updates."""
    _, gradient = source.gradient()
    drawn = pulls(source, plan, gradient, None if source.dimension < LARGE else 2)
    return along(source, gradient, updates(source, optimizer, params, rate, drawn))

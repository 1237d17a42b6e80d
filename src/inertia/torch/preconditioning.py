"""A model measured as its optimizer meets it: in the metric of the real state, with the step along the real update."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from itertools import islice
from typing import Any

import numpy as np
import torch

from ..errors import BadInput
from ..measurement.model import Plan, measure_source
from ..measurement.rescaled import Rescaled
from ..tuning.preconditioned import Preconditioned, Running, preconditioned, without_metric
from .adaptive import InMetric, homes_of, in_metric, readable, stepped, told_groups
from .opening import LARGE
from .products import TorchSource
from .stepping import advanced, updates

__all__ = ["WALK", "measured_under"]

WALK = 32  # steps on a copy of a state that has none: sqrt of a mean of k squares is known to 1/sqrt(2 k), here an eighth
_NATURES = {
    "sign": "{} moves every parameter by the sign of an average, so it is not linear in the gradient and has no metric or stability limit",
    "whole tensors": "{} normalises or orthogonalises whole tensors, so it has no diagonal metric and no stability limit of a curvature",
}


def measured_under(source: TorchSource, plan: Plan, optimizer: Any, walk: int) -> Preconditioned:
    """The plan carried out in the optimizer's metric; the model and the optimizer are not changed.

    Raises:
        BadInput: an optimizer that is none, of another model, or whose state cannot be read (8-bit, an unknown class).
    """
    if isinstance(walk, bool) or walk < 1:
        raise BadInput(f"walk = {walk} is too few: a state that has not stepped needs at least 1 step on a copy, {WALK} is usual")
    known = readable(optimizer)
    reason = "" if known else _reason(optimizer)
    walked = 0
    with ExitStack() as stack:
        homes_of(optimizer, source.params)
        if not (stepped(optimizer, source.params) if known else any(optimizer.state.get(p) for p in source.params)):
            optimizer, walked = stack.enter_context(advanced(source, optimizer, plan, walk)), walk
        seen = in_metric(optimizer, source.params) if known else None
        who = _running(seen, walked) if seen is not None else _stranger(optimizer, walked)
        slopes, curvatures = _along(source, optimizer, who.learning_rate, plan)
        if seen is None:
            return without_metric(reason, who, slopes, curvatures, source.notes | source.cost())
        source.notes |= _noted(seen, walked)
        found = measure_source(Rescaled(source, seen.root, seen.penalty), plan)
        return preconditioned(found, who, slopes, curvatures)


def _running(seen: InMetric, walked: int) -> Running:
    return Running(seen.name, seen.learning_rate, seen.method, seen.shrink, seen.coupled, seen.steps, walked, seen.groups)


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
    if len(natures) == 1 and natures <= set(_NATURES):
        return _NATURES[natures.pop()].format(name)
    in_metric(optimizer, [])  # raises: the class is not known
    raise BadInput(f"the state of {name} cannot be read as a metric")


def _along(source: TorchSource, optimizer: torch.optim.Optimizer, rate: float, plan: Plan) -> tuple[list[float], list[float]]:
    """g'u and u'H u of the next updates: of some mini-batches, or of all the data where a batch is all of them."""
    _, gradient = source.gradient()
    asked = plan.batch_size if plan.batch_size is not None else int(source.sizes[0])
    made = list(updates(source, optimizer, rate, _gradients(source, plan, gradient, asked)))
    slopes = [float(gradient @ update) for update in made]
    return slopes, [float(update @ source.hvp(update)) for update in made]


def _gradients(source: TorchSource, plan: Plan, whole: torch.Tensor, batch_size: int) -> Iterator[torch.Tensor]:
    if batch_size >= sum(source.sizes) or not plan.noise:
        yield whole
        return
    drawn = source.mini_batches(np.random.default_rng([plan.seed, 4]), batch_size)
    yield from (gradient for gradient, _ in islice(drawn, plan.noise if source.dimension < LARGE else min(plan.noise, 2)))


def _noted(seen: InMetric, walked: int) -> dict[str, Any]:
    """What the provenance says of the metric."""
    metric = seen.metric
    told = {"optimizer": seen.name, "steps": seen.steps, "smallest": float(metric.min()), "largest": float(metric.max()), "walked": walked}
    return {"metric": told | ({"untouched": seen.untouched} if seen.untouched else {})}

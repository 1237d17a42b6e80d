"""A torch scheduler, or a function that makes one of an optimizer, as a factor of the peak learning rate for every step."""

from __future__ import annotations

import copy
import warnings
from typing import Any

import torch
from torch.optim.lr_scheduler import LRScheduler, ReduceLROnPlateau

from ..core.quiet import quiet
from ..errors import BadInput, InertiaWarning

__all__ = ["factored"]


def factored(schedule: Any, steps: int) -> Any:
    """What `factors_of` takes: anything that is no scheduler as it is, else the scheduler's learning rates over its base (or largest).

    A scheduler that a person holds is copied and stepped once a step; a function optimizer -> scheduler (as one writes with
    Hugging Face's `get_linear_schedule_with_warmup`) is called with an optimizer at learning rate 1. Of one that moves the momentum, too,
    only the learning rates are taken, and a warning says so.

    Raises:
        BadInput: a scheduler that asks for metrics, or one that cannot be copied and stepped.

    >>> halved = factored(lambda optimizer: torch.optim.lr_scheduler.StepLR(optimizer, 2, 0.5), 4)
    >>> [halved(step) for step in range(4)]
    [1.0, 1.0, 0.5, 0.5]
    """
    made = schedule if isinstance(schedule, LRScheduler | ReduceLROnPlateau) else _maker(schedule)
    if made is None:
        return schedule
    if isinstance(made, ReduceLROnPlateau):
        raise BadInput("ReduceLROnPlateau follows a metric, so its learning rates are not known before a run: give one that counts steps")
    try:
        scheduler = copy.deepcopy(made)
        group = scheduler.optimizer.param_groups[0]
        base = float(group.get("max_lr", group.get("initial_lr", group["lr"])))
        rates, momenta = [], []
        with quiet():  # it is stepped without its optimizer
            for step in range(steps):
                rates.append(float(group["lr"]))
                momenta.append(float(group["betas"][0] if "betas" in group else group.get("momentum", 0.0)))
                if step + 1 < steps:
                    scheduler.step()
    except Exception as error:
        raise BadInput(f"the scheduler {type(made).__name__} cannot be copied and stepped {steps} times: {error}") from error
    if not base > 0:
        raise BadInput(f"the scheduler {type(made).__name__} starts from learning rate {base:g}: make it of an optimizer with lr=1.0")
    if max(momenta) > min(momenta):
        warnings.warn(
            f"{type(made).__name__} moves the momentum, too ({min(momenta):g} to {max(momenta):g}): runs follow its learning rates alone, "
            "and their momentum stays as tuned; cycle_momentum=False in your own training is what they show",
            InertiaWarning, stacklevel=4,
        )  # fmt: skip
    return lambda step: rates[int(step)] / base


def _maker(schedule: Any) -> Any:
    """The scheduler that a function of an optimizer makes; None where it is no such function."""
    if not callable(schedule) or isinstance(schedule, str):
        return None
    try:
        float(schedule(0))
    except (TypeError, ValueError, AttributeError):
        pass
    else:
        return None
    try:
        made = schedule(torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0, momentum=0.9))
    except Exception:  # no maker of schedulers: `factors_of` says what it is
        return None
    return made if isinstance(made, LRScheduler | ReduceLROnPlateau) else None

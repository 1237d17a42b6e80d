"""The optimizer and scheduler that a trainer holds, in the words of `tune` and `check`, and what runs do otherwise than they."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from torch import nn

from ..errors import InertiaWarning
from ..tuning.numpy_door import ADAM_BETA2, ADAM_EPSILON
from ..tuning.recipe import searched_as
from .schedules import factored

__all__ = ["alone_in", "groups_in", "optimizer_words", "own_setting", "schedule_of", "to_step"]


def optimizer_words(optimizer: Any) -> dict[str, Any]:
    """`optimizer`, `weight_decay` and, where its groups differ, `groups` of an optimizer of torch.

    A warning tells what it has that no run has: another beta2 or eps, dampening, weight decay inside Adam's gradient.

    Raises:
        BadInput: a class that is not searched, such as Lion.

    >>> import torch
    >>> model = nn.Linear(2, 1)
    >>> optimizer_words(torch.optim.SGD(model.parameters(), lr=0.1, weight_decay=0.01))
    {'optimizer': 'sgd', 'weight_decay': 0.01}
    """
    words: dict[str, Any] = {"optimizer": searched_as(optimizer), "weight_decay": _decay(optimizer.param_groups[0])}
    if groups := groups_in(optimizer):
        words["groups"] = groups
    if other := _otherwise(optimizer, words["optimizer"]):
        made = f"AdamW with beta2 = {ADAM_BETA2:g} and eps = {ADAM_EPSILON:g}" if words["optimizer"] == "adamw" else "SGD without dampening"
        warnings.warn(
            f"your {type(optimizer).__name__} has {' and '.join(other)}, which is not searched: the runs, and what `use` makes, are "
            f"torch's {made}",
            InertiaWarning, stacklevel=2,
        )  # fmt: skip
    return words


def groups_in(optimizer: Any) -> list[dict[str, Any]]:
    """Its parameter groups as `tune(groups=)` takes them, each rate as a multiple of the first group's; empty where all are alike."""
    rates = [float(group.get("initial_lr", group["lr"])) for group in optimizer.param_groups]
    unit = next((rate for rate in rates if rate > 0), 1.0)
    found = [
        {"params": list(group["params"]), "scale": rate / unit, "weight_decay": _decay(group)}
        for group, rate in zip(optimizer.param_groups, rates, strict=True)
    ]
    alike = all((one["scale"], one["weight_decay"]) == (1.0, found[0]["weight_decay"]) for one in found)
    return [] if alike else found


def to_step(optimizer: Any) -> list[Any]:
    """The parameters that it holds as another optimizer is to step them: in its groups where those differ."""
    return groups_in(optimizer) or [p for group in optimizer.param_groups for p in group["params"]]


def own_setting(optimizer: Any, given: Mapping[str, Any]) -> dict[str, Any]:
    """What `check` judges beside the learning rate, as far as it is not given: momentum and form of SGD, betas and eps of Adam."""
    kind, group = searched_as(optimizer), optimizer.param_groups[0]
    if kind != given.get("optimizer", kind) or {"momentum", "betas"} & set(given):
        return {}
    if kind == "adamw":
        return {"betas": tuple(float(beta) for beta in group["betas"])} | ({} if "eps" in given else {"eps": float(group["eps"])})
    nesterov = bool(group.get("nesterov", False))
    return {"momentum": float(group.get("momentum", 0.0))} | ({} if "nesterov" in given else {"nesterov": nesterov})


def schedule_of(scheduler: Any, steps: int, every: int = 1) -> Callable[[int], float] | None:
    """A scheduler that is stepped after every `every` steps as a factor of each step; None, and a warning, where it follows a metric.

    Raises:
        BadInput: it cannot be copied and stepped.

    >>> import torch
    >>> optimizer = torch.optim.SGD(nn.Linear(2, 1).parameters(), lr=0.1)
    >>> found = schedule_of(torch.optim.lr_scheduler.StepLR(optimizer, 1, 0.5), 6, every=3)
    >>> [found(step) for step in range(6)]
    [1.0, 1.0, 1.0, 0.5, 0.5, 0.5]
    """
    if "metrics" in inspect.signature(scheduler.step).parameters:
        warnings.warn(
            f"{type(scheduler).__name__} follows a metric, so its learning rates are not known before a run: those of the runs, and of "
            "what `use` makes, fall linearly to zero unless you say schedule=",
            InertiaWarning, stacklevel=2,
        )  # fmt: skip
        return None
    factor = factored(scheduler, -(-steps // every))
    return lambda step: float(factor(int(step) // every))


@contextmanager
def alone_in(optimizer: Any, model: nn.Module) -> Iterator[None]:
    """The model with only those parameters trainable that the optimizer holds (None: as it is), and back."""
    held = None if optimizer is None else {id(p) for group in optimizer.param_groups for p in group["params"]}
    outside = [] if held is None else [p for p in model.parameters() if p.requires_grad and id(p) not in held]
    try:
        for p in outside:
            p.requires_grad_(False)
        yield
    finally:
        for p in outside:
            p.requires_grad_(True)


def _decay(group: Mapping[str, Any]) -> float:
    return float(group.get("weight_decay", 0.0))


def _otherwise(optimizer: Any, kind: str) -> Sequence[str]:
    """What its first group has that the optimizer of a run does not have."""
    group, names = optimizer.param_groups[0], {kind.__name__ for kind in type(optimizer).__mro__}
    if kind == "sgd":
        dampening = float(group.get("dampening", 0.0))
        return [f"dampening = {dampening:g}"] if dampening else []
    said = ["a form of its own"] if names & {"NAdam", "RAdam"} else []
    if "betas" in group and float(group["betas"][1]) != ADAM_BETA2:
        said.append(f"beta2 = {float(group['betas'][1]):g}")
    if "eps" in group and float(group["eps"]) != ADAM_EPSILON:
        said.append(f"eps = {float(group['eps']):g}")
    if group.get("amsgrad"):
        said.append("amsgrad")
    if _decay(group) and "AdamW" not in names and not group.get("decoupled_weight_decay"):
        said.append("its weight decay inside the gradient")
    return said

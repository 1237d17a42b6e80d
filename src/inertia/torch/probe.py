"""A torch optimizer as a black box: which Method it really is, and whether its momentum is there."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from ..errors import BadInput
from ..optimizers.identification import Identified, Series, judge
from ..optimizers.identification import identify as probe

__all__ = ["identify"]

SIZE, SCHEDULED = 8, 60


def identify(factory: Any, *, seed: int = 0) -> Identified:
    """What a torch optimizer really is: (alpha, beta, gamma), learning rate inside or outside the buffer, weight decay.

    `factory(params)` makes the optimizer for a list of float64 parameters, or returns (optimizer, scheduler): the
    scheduler then steps after every step, and what it does to momentum is found. An optimizer may be given itself: a copy
    of it is probed, yours is left as it is. The momentum its groups declare is held against the one that is there.

    Raises:
        BadInput: the factory makes something else than an optimizer.

    >>> found = identify(lambda params: torch.optim.SGD(params, lr=0.1, momentum=0.9, nesterov=True))
    >>> found.verdict, found.inside
    ('Nesterov', False)
    """
    if isinstance(factory, torch.optim.Optimizer):
        optimizer, scheduler = _doubled(copy.deepcopy(factory)), None
        param = max((p for group in optimizer.param_groups for p in group["params"]), key=lambda p: p.numel())
    else:
        start = np.random.default_rng(seed).standard_normal(SIZE)
        param = torch.nn.Parameter(torch.tensor(start, dtype=torch.float64))
        made = factory([param])
        optimizer, scheduler = made if isinstance(made, tuple) and len(made) == 2 else (made, None)
        if not isinstance(optimizer, torch.optim.Optimizer):
            raise BadInput(f"the factory made a {type(optimizer).__name__}: return a torch.optim.Optimizer, or (optimizer, scheduler)")
    step = _stepper(optimizer, scheduler, param)
    declared = optimizer.param_groups[0].get("momentum")
    where = param.detach().double().numpy().ravel().copy()
    if scheduler is not None:
        return _with_scheduler(step, where, seed)

    def slower(factor: float) -> None:
        for group in optimizer.param_groups:
            group["lr"] = group["lr"] * factor

    fresh = not any(optimizer.state.values())
    return probe(step, size=where.size, start=where if fresh else None, slower=slower, declared=declared, seed=seed)


def _doubled(optimizer: torch.optim.Optimizer) -> torch.optim.Optimizer:
    """In float64, so that rounding hides nothing."""
    for group in optimizer.param_groups:
        for p in group["params"]:
            p.data = p.data.double()
    for state in optimizer.state.values():
        state.update({k: v.double() for k, v in state.items() if torch.is_tensor(v) and v.is_floating_point()})
    return optimizer


def _stepper(optimizer: Any, scheduler: Any, param: torch.Tensor) -> Callable[[Any], Any]:
    def step(grad: Any) -> Any:
        before = param.detach().clone()
        optimizer.zero_grad()
        param.grad = torch.as_tensor(grad, dtype=param.dtype).reshape(param.shape)
        optimizer.step()
        if scheduler is not None:
            scheduler.step()
        return (param.detach() - before).numpy().ravel()

    return step


def _with_scheduler(step: Callable[[Any], Any], start: Any, seed: int) -> Identified:
    """One run at one size of gradient: with a scheduler the coefficients may change at every step."""
    grads = np.random.default_rng(seed + 1).standard_normal((SCHEDULED, start.size))
    changes = np.array([step(grad) for grad in grads])
    before = start + np.cumsum(np.vstack([np.zeros_like(changes[:1]), changes[:-1]]), axis=0)
    moved = np.sqrt(np.mean(changes**2))
    if moved == 0:
        raise BadInput("the optimizer never moved: is the scheduler's learning rate 0?")
    rounding = np.finfo(float).eps * (1 + np.sqrt(np.mean(before**2)) / moved)
    return judge(Series(grads, changes, before, True, float(rounding)), exact=True)

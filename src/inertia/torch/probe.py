"""A torch optimizer as a black box: which method it really is, and whether its momentum is there."""

from __future__ import annotations

import copy
import inspect
import warnings
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from ..errors import BadInput
from ..optimizers.identification import Identified
from ..optimizers.identification.bench import examine
from ..optimizers.identification.kin import verdict
from ..optimizers.identification.recursion import OUTSIDE

__all__ = ["identify"]

TENSORS = 4  # given to a factory: matrices and vectors in turn, as the weights and biases of two layers
ROUNDING = float(np.finfo(np.float64).eps)


def identify(factory: Any, *, declared: float | None = None, seed: int = 0) -> Identified:
    """What a torch optimizer really is: learning rate, momentum, look-ahead, weight decay, clipping, schedule.

    It is started anew on small float64 tensors of our own, fed designed gradients at parameters that we set, and what is
    found must reproduce a run with random ones. Parameter groups that differ are told one by one (`groups`). The momentum
    that a group declares is held against the one that is there.

    Args:
        factory: `factory(params)`, which makes the optimizer for a list of four float64 parameters (matrices and vectors
            in turn), or returns (optimizer, scheduler): the scheduler then steps after every step. Or an optimizer, or
            such a pair: copies on tensors of our own are probed, yours is left as it is.
        declared: the momentum that was asked for, where it is not the one that the groups declare.
        seed: of the run that must be reproduced.

    Raises:
        BadInput: something that makes no optimizer, a factory for a model, an optimizer that needs a closure.

    >>> found = identify(lambda params: torch.optim.SGD(params, lr=0.1, momentum=0.9, nesterov=True))
    >>> found.verdict, found.inside
    ('Nesterov', False)
    """
    make = _maker(factory)
    bench, outcomes = examine(lambda width: _Bench(make, width), seed)
    groups, owners = make(8).groups(), bench.owners
    ranks = {i: [ndim for j, ndim in owners if j == i] for i, _ in owners}
    names = [f"group {i}" + (f", tensors of rank {ndim}" if len(ranks[i]) > 1 else "") for i, ndim in owners]
    asked = [_declared(groups[i]) if declared is None else declared for i, _ in owners]
    return verdict(bench, outcomes, asked, names, seed)


def _declared(group: dict[str, Any]) -> float | None:
    value: Any = group.get("momentum")
    return float(value) if isinstance(value, int | float) or torch.is_tensor(value) else None


class _Made:
    """An optimizer that has just been made, its schedulers, and its parameters by group."""

    def __init__(self, made: Any, own: list[torch.nn.Parameter] | None = None) -> None:
        self.optimizer, self.schedulers = _parts(made)
        if _needs_closure(self.optimizer):
            name = type(self.optimizer).__name__
            raise BadInput(
                f"{name}.step needs a closure: it asks for the loss itself, perhaps several times, so probe gradients cannot tell it;"
                " it is no momentum method"
            )
        if own is not None and {id(p) for p in self.params()} - {id(p) for p in own}:
            raise _Foreign

    def groups(self) -> list[dict[str, Any]]:
        """The groups that hold parameters."""
        return [group for group in self.optimizer.param_groups if group["params"]]

    def params(self) -> list[torch.Tensor]:
        """All parameters."""
        return [p for group in self.optimizer.param_groups for p in group["params"]]


class _Foreign(Exception):
    """The factory's optimizer holds other parameters than those it was given."""


def _parts(made: Any) -> tuple[torch.optim.Optimizer, list[Any]]:
    """The optimizer and the schedulers in what a factory returned."""
    if isinstance(made, dict):  # as Lightning's configure_optimizers
        scheduler = made.get("lr_scheduler")
        made = (made.get("optimizer"), scheduler.get("scheduler") if isinstance(scheduler, dict) else scheduler)
    flat: list[Any] = []
    for one in made if isinstance(made, tuple | list) else [made]:
        flat += list(one) if isinstance(one, tuple | list) else [one]
    optimizers = [one for one in flat if isinstance(one, torch.optim.Optimizer)]
    schedulers = [one for one in flat if one is not None and one not in optimizers]
    if not optimizers and len(schedulers) == 1 and isinstance(getattr(schedulers[0], "optimizer", None), torch.optim.Optimizer):
        optimizers = [schedulers[0].optimizer]
    if len(optimizers) != 1 or not all(hasattr(one, "step") for one in schedulers):
        raise BadInput(
            f"the factory made {_what(made)}: return a torch.optim.Optimizer, or (optimizer, scheduler)"
            if not optimizers
            else "the factory made more than one optimizer: identify one at a time"
        )
    return optimizers[0], schedulers


def _what(made: Any) -> str:
    inside = ", ".join(type(one).__name__ for one in made) if isinstance(made, tuple | list) else ""
    return f"a {type(made).__name__}" + (f" of {inside}" if inside else "")


def _needs_closure(optimizer: torch.optim.Optimizer) -> bool:
    needed = inspect.signature(type(optimizer).step).parameters.get("closure")
    return needed is not None and needed.default is needed.empty


def _maker(factory: Any) -> Callable[[int], _Made]:
    """A function that starts the optimizer anew on tensors with at least `width` entries."""
    if not callable(factory) or isinstance(factory, torch.optim.Optimizer) or hasattr(factory, "optimizer"):
        given = _Made(factory)
        return lambda width: _Made(_copied(given, width))
    try:
        made = _called(factory, 8)
    except _Foreign:
        given = _Made(factory([]) if _takes_list(factory) else factory())
        return lambda width: _Made(_copied(given, width))
    del made
    return lambda width: _called(factory, width)


def _takes_list(factory: Callable[..., Any]) -> bool:
    try:
        return len(inspect.signature(factory).parameters) > 0
    except ValueError:
        return True


def _shape(width: int, ndim: int) -> tuple[int, ...]:
    return (width,) if ndim < 2 else (*(1,) * (ndim - 2), -(-width // 8), 8)


def _tensor(width: int, ndim: int) -> torch.nn.Parameter:
    return torch.nn.Parameter(torch.zeros(_shape(width, ndim), dtype=torch.float64))


def _called(factory: Callable[..., Any], width: int) -> _Made:
    """The factory's optimizer; matrices alone for one that takes nothing else."""
    width = -(-width // 8) * 8
    own = [_tensor(width, 2 - i % 2) for i in range(TENSORS)]
    try:
        return _Made(factory(own), own)
    except AttributeError as error:
        if "'list' object has no attribute" not in str(error):
            raise
        raise BadInput(
            f"identify gives a list of parameters to the factory, and it asked for {str(error).split()[-1]} as a model has it: write"
            " lambda params: ..., or give the optimizer itself, identify(make_optimizer(model))"
        ) from error
    except (ValueError, RuntimeError) as error:
        if isinstance(error, BadInput):
            raise
        matrices = [_tensor(width, 2) for _ in range(TENSORS)]
        try:
            return _Made(factory(matrices), matrices)
        except (ValueError, RuntimeError):
            raise error from None


def _copied(given: _Made, width: int) -> Any:
    """The optimizer and its schedulers on small tensors of our own, from rest; the user's are not touched."""
    width = -(-width // 8) * 8
    memo: dict[int, Any] = {id(p): _tensor(width, p.ndim) for p in given.params()}
    memo[id(given.optimizer.state)] = defaultdict(dict)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a copied scheduler misses its hook on the copied step
        optimizer, schedulers = copy.deepcopy((given.optimizer, given.schedulers), memo)
    for group in optimizer.param_groups:  # a few tensors of each rank stand for all
        kept: dict[int, list[torch.Tensor]] = defaultdict(list)
        for p in group["params"]:
            kept[p.ndim].append(p)
        group["params"] = [p for same in kept.values() for p in same[:2]]
    return (optimizer, schedulers)


class _Bench:
    """Designed gradients into a fresh optimizer: into one tensor of each rank in every group, the others rest at 0."""

    rounding = ROUNDING
    home = OUTSIDE

    def __init__(self, make: Callable[[int], _Made], width: int) -> None:
        self.make, self.width = make, -(-width // 8) * 8
        made = make(self.width)
        self.owners = [(i, p.ndim) for i, p in self._probed(made)]
        self.names = tuple(f"group {i}" for i, _ in self.owners)
        self.adjustable = all("lr" in group for group in made.groups())

    def _probed(self, made: _Made) -> list[tuple[int, torch.Tensor]]:
        """The first tensor of each rank in every group, with the group's place."""
        first: dict[tuple[int, int], torch.Tensor] = {}
        for i, group in enumerate(made.groups()):
            for p in group["params"]:
                first.setdefault((i, p.ndim), p)
        return [(i, p) for (i, _), p in first.items()]

    def run(self, grads: Any, points: Any = None, start: Any = None, factors: Any = None) -> Any:
        """Step a fresh optimizer; see `Bench`."""
        made, size = self.make(self.width), grads.shape[2]
        probed = [p for _, p in self._probed(made)]
        given, places = torch.from_numpy(grads), None if points is None else torch.from_numpy(points)
        moves = torch.zeros(grads.shape, dtype=torch.float64)
        for i, p in enumerate(probed):
            _flat(p, size).copy_(torch.zeros(size) if start is None else torch.from_numpy(start[i]))
        for k in range(len(grads)):
            for p in made.params():
                if p.grad is None:
                    p.grad = torch.zeros_like(p)
            for i, p in enumerate(probed):
                view = _flat(p, size)
                if places is not None:
                    view.copy_(places[k, i])
                _flat(p.grad, size).copy_(given[k, i])
                moves[k, i] = -view
            _step(made, 1.0 if factors is None else float(factors[k]))
            for i, p in enumerate(probed):
                moves[k, i] += _flat(p, size)
        return moves.numpy()


def _flat(tensor: Any, size: int) -> torch.Tensor:
    """The first entries of a tensor, as it lies now: some optimizers move their tensors into a buffer of their own."""
    return tensor.detach().reshape(-1)[:size]


def _step(made: _Made, factor: float) -> None:
    """One step with the learning rate multiplied by factor for its duration, then the schedulers'."""
    groups = made.optimizer.param_groups if factor != 1.0 else []
    rates = [copy.copy(group["lr"]) if not torch.is_tensor(group["lr"]) else group["lr"].clone() for group in groups]
    for group in groups:
        group["lr"] = group["lr"] * factor
    made.optimizer.step()
    for group, rate in zip(groups, rates, strict=True):
        group["lr"] = rate
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for scheduler in made.schedulers:
            if isinstance(scheduler, torch.optim.lr_scheduler.ReduceLROnPlateau):
                scheduler.step(1.0)  # a loss that does not improve
            else:
                scheduler.step()

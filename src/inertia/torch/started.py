"""A torch optimizer started anew on small float64 tensors of our own, from a factory or as a copy of one that lives."""

from __future__ import annotations

import copy
import inspect
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from ..core.quiet import quiet
from ..errors import BadInput

__all__ = ["Started", "Starter", "at_home", "starter"]

TENSORS = 4  # given to a factory: matrices and vectors in turn, as the weights and biases of two layers
HOOKS = ("_optimizer_step_pre_hooks", "_optimizer_step_post_hooks")
METRIC = "metrics"  # what schedulers call the loss that they wait for, as ReduceLROnPlateau and Hugging Face's GreedyLR


class Started:
    """An optimizer that has just been made, its schedulers, and its parameters by group."""

    def __init__(self, made: Any, own: list[torch.nn.Parameter] | None = None, copied: bool = False) -> None:
        self.copied, (self.optimizer, self.schedulers) = copied, _parts(made)
        if _needs_closure(self.optimizer):
            name = type(self.optimizer).__name__
            raise BadInput(
                f"{name}.step needs a closure: it asks for the loss itself, perhaps several times, so probe gradients cannot tell it;"
                " it is no momentum method"
            )
        if own is not None and {id(p) for p in self.params()} - {id(p) for p in own}:
            raise _Foreign
        if own is not None or copied:
            for group in self.groups():
                at_home(group)

    @property
    def rates(self) -> Any:
        """The optimizer whose groups hold the learning rates: the one inside a wrapper."""
        return self.optimizer if isinstance(self.optimizer, torch.optim.Optimizer) else self.optimizer.optimizer

    def groups(self) -> list[dict[str, Any]]:
        """The groups that hold parameters."""
        return [group for group in self.rates.param_groups if group["params"]]

    def params(self) -> list[torch.Tensor]:
        """All parameters."""
        return [p for group in self.rates.param_groups for p in group["params"]]

    def step(self, factor: float = 1.0) -> None:
        """One step with the learning rate multiplied by factor for its duration, then the schedulers'."""
        groups = self.rates.param_groups if factor != 1.0 else []
        rates = [copy.copy(group["lr"]) if not torch.is_tensor(group["lr"]) else group["lr"].clone() for group in groups]
        for group in groups:
            group["lr"] = group["lr"] * factor
        self._moved()
        for group, rate in zip(groups, rates, strict=True):
            group["lr"] = rate
        with quiet():
            for scheduler in self.schedulers:
                scheduler.step(1.0) if _waits_for_a_loss(scheduler) else scheduler.step()  # a loss that does not improve

    def _moved(self) -> None:
        try:
            self.optimizer.step()
        except BadInput:
            raise
        except Exception as error:  # whatever a foreign step raises
            said = f"{type(error).__name__}: {str(error).splitlines()[0]}" if str(error) else type(error).__name__
            how = "; a copy of it was stepped: if that is to blame, give a function that makes it" if self.copied else ""
            name = type(self.optimizer).__name__
            raise BadInput(f"{name} cannot be stepped on the float64 tensors that identify gives it ({said}){how}") from error


def at_home(group: dict[str, Any]) -> None:
    """Settings of a group that lived on an accelerator, where its tensors are now: they change where it steps, not what a step is."""
    if group.get("capturable") and not any(p.is_cuda for p in group["params"]):
        group["capturable"] = False  # for CUDA graphs; torch refuses it elsewhere
    if torch.is_tensor(group.get("lr")) and group["params"]:
        group["lr"] = group["lr"].to(group["params"][0].device)


class _Foreign(Exception):
    """The factory's optimizer holds other parameters than those it was given."""


def _waits_for_a_loss(scheduler: Any) -> bool:
    needed = inspect.signature(scheduler.step).parameters.get(METRIC)
    return needed is not None and needed.default is needed.empty


def _parts(made: Any) -> tuple[Any, list[Any]]:
    """The optimizer, or what steps one, and the schedulers in what a factory returned."""
    if isinstance(made, dict):  # as Lightning's configure_optimizers
        scheduler = made.get("lr_scheduler")
        made = (made.get("optimizer"), scheduler.get("scheduler") if isinstance(scheduler, dict) else scheduler)
    flat: list[Any] = []
    for one in made if isinstance(made, tuple | list) else [made]:
        flat += list(one) if isinstance(one, tuple | list) else [one]
    flat = [_unwrapped(one) for one in flat]
    optimizers = [one for one in flat if isinstance(one, torch.optim.Optimizer)] or [one for one in flat if _wraps(one)]
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


def _unwrapped(one: Any) -> Any:
    """The optimizer inside Lightning's, which steps through a trainer that is not there."""
    inside = vars(one).get("_optimizer") if hasattr(type(one), "toggle_model") else None
    return inside if isinstance(inside, torch.optim.Optimizer) else one


def _wraps(one: Any) -> bool:
    """Whether this steps an optimizer that it holds and is no scheduler: what it does is the method then."""
    schedules = hasattr(one, "get_last_lr") or hasattr(one, "last_epoch") or hasattr(one, "get_lr") or hasattr(one, "scheduler")
    return isinstance(getattr(one, "optimizer", None), torch.optim.Optimizer) and hasattr(one, "step") and not schedules


def _what(made: Any) -> str:
    inside = ", ".join(type(one).__name__ for one in made) if isinstance(made, tuple | list) else ""
    return f"a {type(made).__name__}" + (f" of {inside}" if inside else "")


def _needs_closure(optimizer: Any) -> bool:
    needed = inspect.signature(type(optimizer).step).parameters.get("closure")
    return needed is not None and needed.default is needed.empty


@dataclass(frozen=True)
class Starter:
    """Starts the optimizer anew on tensors with at least so many entries; `copied` is the one that lives, where it copies one."""

    start: Callable[[int], Started]
    copied: Started | None = None

    def unseen(self) -> tuple[str, ...]:
        """What a copy does not show, in words."""
        given = [] if self.copied is None else [self.copied.optimizer, self.copied.rates]
        hooks = {id(one): one for held in given for name in HOOKS for one in getattr(held, name, {}).values()}
        if not hooks:
            return ()
        count = "a step hook" if len(hooks) == 1 else f"{len(hooks)} step hooks"
        return (f"it has {count}, which may hold your model, so it was looked at without: a function that makes it shows them too",)


def starter(factory: Any) -> Starter:
    """How the optimizer is started anew.

    Raises:
        BadInput: a model, what makes no optimizer.
    """
    if isinstance(factory, torch.nn.Module):
        name = type(factory).__name__
        raise BadInput(f"identify takes an optimizer, and {name} is a model: give identify(optimizer), or lambda params: optimizer")
    if not callable(factory) or _lives(factory):
        return _copying(factory)
    try:
        _called(factory, 8)
    except _Foreign:
        return _copying(factory([]) if _takes_list(factory) else factory())
    return Starter(lambda width: _called(factory, width))


def _lives(factory: Any) -> bool:
    return isinstance(factory, torch.optim.Optimizer) or hasattr(factory, "optimizer")


def _copying(made: Any) -> Starter:
    given = Started(made)
    return Starter(lambda width: Started(_copied(given, width), copied=True), given)


def _takes_list(factory: Callable[..., Any]) -> bool:
    try:
        return len(inspect.signature(factory).parameters) > 0
    except ValueError:
        return True


def _shape(width: int, ndim: int) -> tuple[int, ...]:
    return (width,) if ndim < 2 else (*(1,) * (ndim - 2), -(-width // 8), 8)


def _tensor(width: int, ndim: int) -> torch.nn.Parameter:
    return torch.nn.Parameter(torch.zeros(_shape(width, ndim), dtype=torch.float64))


def _called(factory: Callable[..., Any], width: int) -> Started:
    """The factory's optimizer; matrices alone for one that takes nothing else."""
    width = -(-width // 8) * 8
    own = [_tensor(width, 2 - i % 2) for i in range(TENSORS)]
    try:
        return Started(factory(own), own)
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
            return Started(factory(matrices), matrices)
        except (ValueError, RuntimeError):
            raise error from None


def _copied(given: Started, width: int) -> Any:
    """The optimizer and its schedulers on small tensors of our own, from rest; the user's are not touched."""
    width = -(-width // 8) * 8
    memo: dict[int, Any] = {id(p): _tensor(width, p.ndim) for p in given.params()}
    memo[id(given.rates.state)] = defaultdict(dict)
    with quiet():  # a copied scheduler misses its hook on the copied step
        optimizer, schedulers = copy.deepcopy((given.optimizer, given.schedulers), memo)
        _completed(given.optimizer, optimizer, memo)
    for group in Started(optimizer).rates.param_groups:  # a few tensors of each rank stand for all
        kept: dict[int, list[torch.Tensor]] = defaultdict(list)
        for p in group["params"]:
            kept[p.ndim].append(p)
        group["params"] = [p for same in kept.values() for p in same[:2]]
    return (optimizer, schedulers)


def _completed(given: Any, made: Any, memo: dict[int, Any]) -> None:
    """What a subclass keeps beside torch's three fields: `Optimizer.__getstate__` leaves it out of copies."""
    if not isinstance(given, torch.optim.Optimizer) or type(given).__getstate__ is not torch.optim.Optimizer.__getstate__:
        return
    for name, value in vars(given).items():
        if name not in vars(made) and name != "step" and not name.startswith("_"):  # hooks, and the step that schedulers count
            setattr(made, name, copy.deepcopy(value, memo))
            _completed(value, getattr(made, name), memo)

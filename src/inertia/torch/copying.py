"""A copy of a model with all that it keeps, tensors too that its last forward pass left there."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from types import ModuleType
from typing import Any

import torch
from torch import nn

__all__ = ["copied"]


def copied(model: nn.Module) -> nn.Module:
    """A deep copy of a module, where what its last forward pass left on it (a loss, a weight made by a hook) is a constant.

    torch copies no tensor that has a history; the next forward pass of the copy puts one of its own in its place.

    >>> model = nn.Linear(2, 1)
    >>> model.beside = model.weight.square().sum()
    >>> copied(model).beside.requires_grad
    False
    """
    known = _shells(model)
    try:
        return _filled(model, known)
    except RuntimeError:
        left = {id(t): t.detach().clone() for t in _tensors(model) if not t.is_leaf}
        if not left:
            raise
        return _filled(model, _shells(model) | left)


def _filled(model: nn.Module, known: dict[int, Any]) -> nn.Module:
    """A deep copy, in which these stand for the objects with these ids; those that are empty yet get copies of all attributes."""
    found = copy.deepcopy(model, known)
    for thing in _reached(model):
        made = known.get(id(thing))
        if made is not None and made is not thing and _rebuilds(thing):
            vars(made).update(copy.deepcopy(vars(thing), known))
    return found


def _shells(model: nn.Module) -> dict[int, Any]:
    """Empty objects for all that would rebuild itself when copied, and the modules of Python, which stay what they are.

    A Keras model is copied by saving and loading it: that needs registered classes, names its random states anew, and draws from
    Python's random numbers.
    """
    if not _rebuilds(model):
        return {}
    found: dict[int, Any] = {}
    for thing in _reached(model):
        if isinstance(thing, ModuleType):
            found[id(thing)] = thing
        elif _rebuilds(thing):
            found[id(thing)] = object.__new__(type(thing))
    return found


def _rebuilds(thing: Any) -> bool:
    """Whether its class says itself how it is pickled, as Keras's do."""
    kind = type(thing)
    return hasattr(kind, "_unpickle_model") and hasattr(thing, "__dict__") and not hasattr(kind, "__deepcopy__")


def _tensors(thing: Any) -> Iterator[torch.Tensor]:
    """Every tensor that a copy would reach."""
    return (here for here in _reached(thing) if isinstance(here, torch.Tensor))


def _reached(thing: Any) -> Iterator[Any]:
    """Every object that a copy would reach, each once."""
    seen, ahead = dict[int, Any](), [thing]
    while ahead:
        here = ahead.pop()
        if id(here) in seen:
            continue
        seen[id(here)] = here  # kept, so that no other object gets its id
        yield here
        if isinstance(here, torch.Tensor | ModuleType):
            continue
        if isinstance(here, Mapping):
            ahead.extend(here.values())
        elif isinstance(here, list | tuple | set | frozenset):
            ahead.extend(here)
        elif hasattr(here, "__dict__") and not isinstance(here, type) and not callable(getattr(here, "__get__", None)):
            ahead.append(vars(here))

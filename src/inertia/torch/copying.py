"""A copy of a model with all that it keeps, tensors too that its last forward pass left there."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
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
    try:
        return copy.deepcopy(model)
    except RuntimeError:
        left = {id(t): t.detach().clone() for t in _tensors(model) if not t.is_leaf}
        if not left:
            raise
        return copy.deepcopy(model, dict(left))


def _tensors(thing: Any) -> Iterator[torch.Tensor]:
    """Every tensor that a copy would reach."""
    seen, ahead = set[int](), [thing]
    while ahead:
        here = ahead.pop()
        if id(here) in seen:
            continue
        seen.add(id(here))
        if isinstance(here, torch.Tensor):
            yield here
        elif isinstance(here, Mapping):
            ahead.extend(here.values())
        elif isinstance(here, list | tuple | set | frozenset):
            ahead.extend(here)
        elif hasattr(here, "__dict__") and not isinstance(here, type) and not callable(getattr(here, "__get__", None)):
            ahead.append(vars(here))

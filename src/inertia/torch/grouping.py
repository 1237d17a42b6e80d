"""Parameter groups as a person writes them, by the names of the parameters: what every copy of the model can be trained with."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import nn

from ..errors import BadInput
from .running import Share

__all__ = ["shares_of"]

_KEYS = {"params", "scale", "weight_decay"}


def shares_of(groups: Any, original: Any, model: nn.Module) -> tuple[Share, ...]:
    """The groups as Shares: each a dict of `params` (parameters of the model, or beginnings of their names), `scale` (what
    multiplies the learning rate there, default 1) and `weight_decay` (default: the budget's). What is in no group is trained plainly.

    Raises:
        BadInput: keys that are not known, parameters that are not the model's or come twice, negative numbers.

    >>> shares_of([{"params": ["bias"], "weight_decay": 0.0}], None, nn.Linear(2, 1))
    (Share(names=('bias',), scale=1.0, decay=0.0),)
    """
    if groups is None:
        return ()
    given = groups(original if isinstance(original, nn.Module) else model) if callable(groups) else groups
    if isinstance(given, Mapping) or not isinstance(given, Iterable):
        raise BadInput("groups must be a list of dicts, such as [{'params': model.head.parameters(), 'scale': 10.0}]")
    known = dict(model.named_parameters())
    mine = {id(p): name for name, p in original.named_parameters()} if isinstance(original, nn.Module) else {}
    mine |= {id(p): name for name, p in known.items()}
    found: list[Share] = []
    seen: set[str] = set()
    for number, group in enumerate(given):
        if not isinstance(group, Mapping) or "params" not in group:
            raise BadInput(f"group {number} has no 'params': give the parameters, or the beginnings of their names")
        if odd := set(group) - _KEYS:
            hint = "; the learning rate is tuned: say how many times it a group has, scale=0.1" if "lr" in odd else ""
            raise BadInput(f"group {number} has the key '{min(odd)}': allowed are {', '.join(sorted(_KEYS))}{hint}")
        scale, decay = float(group.get("scale", 1.0)), group.get("weight_decay")
        if not scale >= 0 or (decay is not None and not float(decay) >= 0):
            raise BadInput(f"group {number} has scale {scale:g} and weight decay {decay}: both must be 0 or more")
        names = _names(number, group["params"], known, mine)
        if twice := seen & set(names):
            raise BadInput(f"the parameter '{min(twice)}' is in two groups: leave it in one")
        seen |= set(names)
        found.append(Share(tuple(names), scale, None if decay is None else float(decay)))
    return tuple(found)


def _names(number: int, params: Any, known: Mapping[str, Any], mine: Mapping[int, str]) -> list[str]:
    """Names of a group's parameters."""
    given = [params] if isinstance(params, str | torch.Tensor) else list(params)
    names: list[str] = []
    for one in given:
        if isinstance(one, str):
            matching = [name for name in known if name.startswith(one)] or [name for name in known if name.endswith(one)]
            if not matching:
                raise BadInput(f"group {number} names '{one}', which begins or ends no parameter's name: there is '{next(iter(known))}'")
            names += [name for name in matching if name not in names]
        elif id(one) in mine:
            names.append(mine[id(one)])
        else:
            raise BadInput(f"group {number} holds a tensor that is no parameter of the model: take them from model.named_parameters()")
    return names

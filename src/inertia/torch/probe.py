"""A torch optimizer as a black box: which method it really is, and whether its momentum is there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from ..core.arrays import single, whole
from ..optimizers.identification import Identified
from ..optimizers.identification.bench import examine
from ..optimizers.identification.kin import verdict
from ..optimizers.identification.recursion import OUTSIDE
from .started import Started, starter

__all__ = ["identify"]

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
        BadInput: something that makes no optimizer, a factory for a model, an optimizer that needs a closure or whose step fails.

    >>> found = identify(lambda params: torch.optim.SGD(params, lr=0.1, momentum=0.9, nesterov=True))
    >>> found.verdict, found.inside
    ('Nesterov', False)
    """
    whole(seed, "seed", 0)
    declared = None if declared is None else single(declared, "declared")
    starts = starter(factory)
    bench, outcomes = examine(lambda width: _Bench(starts.start, width), seed)
    groups, owners = starts.start(8).groups(), bench.owners
    ranks = {i: [ndim for j, ndim in owners if j == i] for i, _ in owners}
    names = [f"group {i}" + (f", tensors of rank {ndim}" if len(ranks[i]) > 1 else "") for i, ndim in owners]
    asked = [_declared(groups[i]) if declared is None else declared for i, _ in owners]
    found = verdict(bench, outcomes, asked, names, seed)
    return replace(found, evidence=(*found.evidence, *starts.unseen()))


def _declared(group: dict[str, Any]) -> float | None:
    value: Any = group.get("momentum")
    return float(value) if isinstance(value, int | float) or torch.is_tensor(value) else None


class _Bench:
    """Designed gradients into a fresh optimizer: into one tensor of each rank in every group, the others rest at 0."""

    rounding = ROUNDING
    home = OUTSIDE

    def __init__(self, make: Callable[[int], Started], width: int) -> None:
        self.make, self.width = make, -(-width // 8) * 8
        made = make(self.width)
        self.owners = [(i, p.ndim) for i, p in self._probed(made)]
        self.names = tuple(f"group {i}" for i, _ in self.owners)
        self.adjustable = all("lr" in group for group in made.groups())

    def _probed(self, made: Started) -> list[tuple[int, torch.Tensor]]:
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
            made.step(1.0 if factors is None else float(factors[k]))
            for i, p in enumerate(probed):
                moves[k, i] += _flat(p, size)
        return moves.numpy()


def _flat(tensor: Any, size: int) -> torch.Tensor:
    """The first entries of a tensor, as it lies now: some optimizers move their tensors into a buffer of their own."""
    return tensor.detach().reshape(-1)[:size]

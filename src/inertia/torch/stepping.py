"""The steps that an optimizer would really take from where it stands, taken by a copy of it and put back.

The copy steps the model's own parameters, so whatever it keeps beside them (buffers, hooks, closures of a schedule) stays the user's.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch

from ..errors import BadInput
from ..measurement.model import Plan
from .batches import Everything, Indexed
from .products import TorchSource

__all__ = ["advanced", "duplicate", "updates"]


def duplicate(optimizer: torch.optim.Optimizer, params: Sequence[torch.Tensor]) -> Any:
    """A copy with its own state on the same parameters, and on no others."""
    memo: dict[int, Any] = {id(p): p for group in optimizer.param_groups for p in group["params"]}
    made = copy.deepcopy(optimizer, memo)
    for name, value in vars(optimizer).items():  # what a class of the user's keeps beside torch's own
        if name not in vars(made) and name != "step":  # a scheduler's wrapper of step would step the original
            setattr(made, name, value)
    ours = {id(p) for p in params}
    for group in made.param_groups:
        group["params"] = [p for p in group["params"] if id(p) in ours]
        if group.get("capturable") and not any(p.is_cuda for p in group["params"]):
            group["capturable"] = False  # a state that came from an accelerator
    for p in params:
        for name, value in made.state.get(p, {}).items():
            if isinstance(value, torch.Tensor) and value.shape == p.shape and value.is_floating_point():
                made.state[p][name] = value.to(p.device, p.dtype)  # of half precision measured in single
    return made


def updates(
    source: TorchSource, optimizer: torch.optim.Optimizer, rate: float, gradients: Iterable[torch.Tensor]
) -> Iterator[torch.Tensor]:
    """(x - x_next)/rate of the next step from the state as it is, once for each gradient; graphs are let go of."""
    for gradient in gradients:
        source.release()
        with _kept(source.params):
            before = [p.detach().clone() for p in source.params]
            _step(duplicate(optimizer, source.params), source, gradient)
            moved = [(old - p.detach()).flatten() / rate for old, p in zip(before, source.params, strict=True)]
        yield torch.cat(moved).to(gradient.dtype)


@contextmanager
def advanced(source: TorchSource, optimizer: torch.optim.Optimizer, plan: Plan, steps: int) -> Iterator[torch.optim.Optimizer]:
    """A copy of the optimizer after a walk of so many steps, with the parameters there; at the end they are put back."""
    made = duplicate(optimizer, source.params)
    with _kept(source.params):
        for number, batch in zip(range(1, steps + 1), _forever(source, plan), strict=False):
            source.release()
            _, grads, _ = source._differentiated(number, batch)
            for p, grad in zip(source.params, grads, strict=True):
                p.grad = None if grad is None else grad.detach()
            made.step()
        source.release()
        yield made


def _forever(source: TorchSource, plan: Plan) -> Iterator[Any]:
    """Mini-batches to train on, drawn from tensors at the batch size asked for, else the loader's own, over and over."""
    rng = np.random.default_rng([plan.seed, 3])
    batches = source.batches
    while True:
        if not isinstance(batches, Everything | Indexed):
            yield from batches
            continue
        size = min(plan.batch_size or batches.natural or batches.examples, batches.examples)
        yield batches.take(np.sort(rng.choice(batches.examples, size, replace=False)))


def _step(optimizer: torch.optim.Optimizer, source: TorchSource, gradient: torch.Tensor) -> None:
    for p, grad in zip(source.params, source._pieces(gradient), strict=True):
        p.grad = grad.clone()
    try:
        optimizer.step()
    except TypeError as error:
        raise BadInput(
            f"{type(optimizer).__name__}.step wants more than gradients ({error}): an optimizer that evaluates the loss itself, as LBFGS, "
            "has no update of its own to measure along"
        ) from error


@contextmanager
def _kept(params: Sequence[torch.Tensor]) -> Iterator[None]:
    """Values, storage and gradients as before at the end."""
    saved = [(p.data, p.detach().clone(), p.grad) for p in params]
    try:
        yield
    finally:
        with torch.no_grad():
            for p, (home, value, grad) in zip(params, saved, strict=True):
                p.data = home  # some optimizers move their tensors into a buffer of their own
                p.copy_(value)
                p.grad = grad

"""The steps that an optimizer would really take from where it stands, taken by a copy of it and put back.

The copy steps the model's own parameters, so whatever it keeps beside them (buffers, hooks, closures of a schedule) stays the user's.
Where several processes hold parts of each parameter, `assembled_state` first puts the optimizer together on whole ones.
"""

from __future__ import annotations

import copy
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any

import numpy as np
import torch

from ..errors import BadInput
from ..measurement.model import Plan
from .batches import Everything, Indexed
from .products import TorchSource
from .started import at_home
from .wrappers import cut, plain

__all__ = ["advanced", "assembled_state", "duplicate", "updates"]


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
        at_home(group)
    for p in params:
        for name, value in made.state.get(p, {}).items():
            if isinstance(value, torch.Tensor) and value.shape == p.shape and value.is_floating_point():
                made.state[p][name] = value.to(p.device, p.dtype)  # of half precision measured in single
    return made


def assembled_state(optimizer: torch.optim.Optimizer, held: Sequence[torch.Tensor], whole: Sequence[torch.Tensor]) -> torch.optim.Optimizer:
    """The optimizer with whole states on whole parameters, put together from what every process holds; called in all of them."""
    homes, made = {id(p): w for p, w in zip(held, whole, strict=True)}, object.__new__(type(optimizer))
    made.__dict__.update({name: value for name, value in vars(optimizer).items() if name != "step"})  # a scheduler's wrapper of it
    made.param_groups = [g | {"params": [homes[id(p)] for p in g["params"] if id(p) in homes]} for g in optimizer.param_groups]
    made.state = defaultdict(dict)
    for p, w in zip(held, whole, strict=True):  # in the same order everywhere
        state = optimizer.state.get(p, {})
        if state:
            made.state[w] = {name: plain(value) if isinstance(value, torch.Tensor) else value for name, value in state.items()}
    return made


def updates(
    source: Any, optimizer: torch.optim.Optimizer, params: Sequence[torch.Tensor], rate: float, gradients: Iterable[torch.Tensor]
) -> Iterator[torch.Tensor]:
    """(x - x_next)/rate of the next step from the state as it is, once for each gradient; graphs are let go of."""
    for gradient in gradients:
        source.release()
        with _kept(params):
            before = [p.detach().clone() for p in params]
            _step(duplicate(optimizer, params), params, gradient)
            moved = [(old - p.detach()).flatten() / rate for old, p in zip(before, params, strict=True)]
        yield torch.cat(moved).to(gradient.dtype)


@contextmanager
def advanced(
    source: Any, optimizer: torch.optim.Optimizer, params: Sequence[torch.Tensor], plan: Plan, steps: int
) -> Iterator[torch.optim.Optimizer]:
    """A copy of the optimizer after a walk of so many steps, with the parameters there; at the end they are put back."""
    made, shared = duplicate(optimizer, params), not isinstance(source, TorchSource)
    with _kept(params), _everywhere(source) if shared else nullcontext():
        for _, grads in zip(range(steps), _pulled(source, params, plan), strict=False):
            for p, grad in zip(params, grads, strict=True):
                p.grad = None if grad is None else grad.detach()
            made.step()
            if shared:
                source.place(torch.cat([p.detach().flatten() for p in params]))
        source.release()
        yield made


@contextmanager
def _everywhere(source: Any) -> Iterator[None]:
    """The parameters of all processes as before at the end."""
    source.keep()
    try:
        yield
    finally:
        source.back()


def _pulled(source: Any, params: Sequence[torch.Tensor], plan: Plan) -> Iterator[Any]:
    """Gradients of mini-batches to train on, over and over, a piece for each parameter; of several processes, together."""
    if isinstance(source, TorchSource):
        for number, batch in enumerate(_forever(source, plan), start=1):
            source.release()
            yield source._differentiated(number, batch)[1]
    if not source.sizes:
        source.gradient()
    rng, examples = np.random.default_rng([plan.seed, 3]), sum(source.sizes)
    size = min(plan.batch_size or source.batch_size or examples, examples)
    while True:
        for gradient, _ in source.mini_batches(rng, size):
            yield cut(gradient, params)


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


def _step(optimizer: torch.optim.Optimizer, params: Sequence[torch.Tensor], gradient: torch.Tensor) -> None:
    for p, grad in zip(params, cut(gradient, params), strict=True):
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

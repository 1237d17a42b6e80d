"""What a torch job is made of, checked when it is made: its functions, its data and a copy of its model."""

from __future__ import annotations

import warnings
from typing import Any

import torch
from torch import nn

from ..errors import BadInput, InertiaWarning, takes
from .batches import Batches, Indexed, batches_of
from .copying import copied
from .frozen import trainable

__all__ = ["check_functions", "fed", "module_of"]


def fed(data: Any, batch_size: int | None, seed: int, size_of: Any, accumulate: int, processes: int = 1) -> Batches:
    """The data as batches; a dataset without a batch size is asked for one."""
    each = None if batch_size is None else max(1, batch_size // (accumulate * processes))
    found = batches_of(data, None, each, seed, size_of, processes)
    if isinstance(found, Indexed) and batch_size is None and found.natural is None:
        raise BadInput(f"a {type(data).__name__} has no batches of its own: give the examples of one step, such as batch_size=32")
    if isinstance(found, Indexed):
        found.natural = None if found.natural is None else found.natural * accumulate
    return found


def check_functions(loss_fn: Any, data: Any, metric: Any, size_of: Any, forward: Any) -> None:
    """Refuse what is no loss (as data in its place) and what cannot be called as a run calls it."""
    if loss_fn is not None and not callable(loss_fn):
        what = type(loss_fn).__name__
        if hasattr(loss_fn, "__iter__") and not isinstance(loss_fn, str):
            raise BadInput(f"the loss is a {what}: the order is model, loss, data; is the loss the {type(data).__name__}?")
        raise BadInput(f"the loss is a {what}: give a function loss_fn(model(inputs), targets), such as nn.MSELoss()")
    takes(metric, "metric", "metric(model)", 1)
    takes(size_of, "size_of", "size_of(batch)", 1)
    takes(forward, "forward", "forward(model, batch)", 2)


def module_of(model: Any, seed: int) -> nn.Module:
    """A copy of the module, or the one that a function of the seed makes."""
    if isinstance(model, type) and issubclass(model, nn.Module):
        raise BadInput(f"model is the class {model.__name__}: pass an instance, {model.__name__}(...)")
    if not isinstance(model, nn.Module) and not callable(model):
        raise BadInput(f"a model of type {type(model).__name__} cannot be tuned: pass a torch.nn.Module, or a function seed -> module")
    with torch.inference_mode(False):
        made = model if isinstance(model, nn.Module) else model(seed)
        if not isinstance(made, nn.Module):
            raise BadInput(f"model(seed) returned a {type(made).__name__}: it must return a torch.nn.Module")
        if any(p.device.type == "meta" for p in made.parameters()):
            raise BadInput("the model is on the device 'meta', which holds no numbers: move it (model.to('cpu')) and initialise it")
        if any(isinstance(p, nn.parameter.UninitializedParameter) for p in made.parameters()):
            raise BadInput("the model has lazy modules without parameters yet: call it once on a batch, then pass it")
        hooked = [name for name, p in made.named_parameters() if p._backward_hooks or getattr(p, "_post_accumulate_grad_hooks", None)]
        if hooked:
            warnings.warn(
                f"the parameter '{hooked[0]}' has a hook on its gradient, which copies of the model do not have: the runs are made without "
                "it; clip= clips gradients by their norm",
                InertiaWarning, stacklevel=2,
            )  # fmt: skip
        trainable(made)
        try:
            return copied(made)
        except Exception as error:
            raise BadInput(f"the model cannot be copied ({type(error).__name__}: {error}): runs start from copies of it") from error

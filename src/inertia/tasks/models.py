"""Tasks that a framework trains: the built-in networks by name, and what a user's own file returns.

def task():
    return inertia.tasks.torch_task(model, loss_fn, (inputs, targets), steps=1000, batch_size=64)
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, cast

from ..errors import BadInput, nearest
from ..problems import Problem
from ..tuning.factors import enough
from . import Task

__all__ = ["MODELS", "jax_task", "torch_task"]

_SETTINGS = ("warmup", "weight_decay", "clip")
_ARGUMENTS = {"steps", "batch_size", "schedule", "validation", "judged", "name", "about"}
_NOTHING = cast(Problem, None)  # a network has no formula: everything is asked of its framework


def jax_task(
    loss: Callable[[Any, Any], Any],
    params: Any,
    data: Any,
    *,
    steps: int,
    batch_size: int | None = None,
    schedule: Any = "linear",
    validation: Any = None,
    judged: bool = True,
    name: str = "task",
    about: str = "",
    **settings: Any,
) -> Task:
    """A task in JAX: `loss(params, batch)`, starting params (or a function seed -> params), arrays with the examples first.

    Runs are compared by the loss on the `validation` data (where there are any, unless `judged` is False).
    `settings` are the budget's others: warmup, weight_decay, clip; and lowest, a number that the loss cannot go below.

    >>> jax_task(lambda w, batch: (w - batch) ** 2, 0.0, None, steps=100).kind
    'jax'
    """
    _checked(steps, settings, "lowest")
    extra = {"loss": loss, "params": params, "data": data, "validation": validation, "judged": judged, "settings": settings}
    return Task(name, _NOTHING, steps, batch_size, schedule, about, "jax", extra)


def torch_task(
    model: Any,
    loss_fn: Callable[..., Any] | None,
    data: Any,
    *,
    steps: int,
    batch_size: int | None = None,
    schedule: Any = "linear",
    validation: Any = None,
    judged: bool = True,
    name: str = "task",
    about: str = "",
    **settings: Any,
) -> Task:
    """A task in torch: a module (or a function seed -> module), its loss, tensors or a DataLoader.

    `settings` are the budget's others, warmup, weight_decay and clip, and forward, lowest and executor as for `inertia.torch.tune`.

    >>> torch_task(None, None, None, steps=100).kind
    'torch'
    """
    _checked(steps, settings, "forward", "lowest", "executor")
    extra = {"model": model, "loss_fn": loss_fn, "data": data, "validation": validation, "judged": judged, "settings": settings}
    return Task(name, _NOTHING, steps, batch_size, schedule, about, "torch", extra)


def _checked(steps: Any, settings: dict[str, Any], *more: str) -> None:
    """Refuse what `tune` would refuse only after the data were loaded."""
    enough(steps)
    for name in settings:
        if name not in (allowed := {*_SETTINGS, *more}):
            raise BadInput(f"a task has no setting '{name}': {nearest(name, allowed | _ARGUMENTS)}")


def _built_in(name: str, kind: str) -> Callable[[], Task]:
    """The task of a built-in network, in JAX or in torch."""

    def make() -> Task:
        if kind == "jax":
            from .networks import network

            net: Any = network(name)
            task: Callable[..., Task] = partial(jax_task, net.loss, net.init, lowest=0.0)  # cross-entropies and squared errors
        else:
            from .modules import module

            net = module(name)
            task = partial(torch_task, net.build, net.loss)
        return task(
            net.data, steps=net.steps, batch_size=net.batch_size, validation=net.validation, judged=False,
            name=name if kind == "jax" else f"{name}-torch", about=net.about,
        )  # fmt: skip

    return make


MODELS: dict[str, Callable[[], Task]] = {
    name: _built_in(name, "jax")
    for name in (
        "char-transformer", "digits-autoencoder", "digits-cnn", "digits-cnn-noisy", "digits-mlp", "digits-mlp-full", "digits-resnet",
    )
} | {f"{name}-torch": _built_in(name, "torch") for name in ("digits-mlp", "digits-cnn", "digits-resnet")}  # fmt: skip

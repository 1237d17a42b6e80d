"""Keras 3 on torch or JAX: the learning rate and momentum that a compiled model needs, measured and verified.

    found = inertia.keras.tune(model, x, y, epochs=5)
    model.compile(optimizer=found.keras(), loss=...)

The loss is the model's own (`compile(loss=...)`, regularisers and `add_loss` included).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from .errors import BadInput, require
from .tuning.recipe import searched_as

if TYPE_CHECKING:
    from .core.spectrum import Spectrum
    from .tuning.checking import Check
    from .tuning.result import Tuning

__all__ = ["check", "compiled_loss", "measure", "tune"]


def tune(
    model: Any, x: Any, y: Any = None, *, batch_size: int = 32, epochs: int = 1, validation_data: Any = None, **options: Any
) -> Tuning:
    """Recommend learning rate and momentum for `model.fit(x, y, batch_size=..., epochs=...)`; the model is not trained.

    Args:
        model: a built and compiled keras.Model.
        x, y: arrays (of one input and one output), or a torch DataLoader or an iterable of (x, y) batches as x.
        batch_size, epochs: as in `fit`; `steps=` instead of epochs.
        validation_data: (x, y), to compare runs by the loss on them.
        options: those of `inertia.torch.tune` or `inertia.jax.tune`, whichever backend Keras runs on. Default optimizer: the compiled
            one's kind; default schedule: linear.

    Raises:
        BadInput: a model that is not compiled or not built, the tensorflow backend, and what the room of the backend raises.
        MissingExtra: keras is not installed.
    """
    return _carried("tune", model, x, y, batch_size, epochs, validation_data, options)  # type: ignore[no-any-return]


def check(model: Any, x: Any, y: Any = None, *, lr: float, batch_size: int = 32, epochs: int = 1, **options: Any) -> Check:
    """A second opinion on a learning rate, without a run; arguments as for `tune`.

    Raises:
        BadInput: as `tune`.
    """
    return _carried("check", model, x, y, batch_size, epochs, None, options | {"lr": lr})  # type: ignore[no-any-return]


def measure(model: Any, x: Any, y: Any = None, **options: Any) -> Spectrum:
    """Curvature and gradient noise of the compiled loss where the model stands; options are those of the backend's `measure`.

    Raises:
        BadInput: as `tune`.
    """
    backend = _checked(model)
    data = x if y is None else (x, y)
    if backend == "torch":
        from .torch import measure as measure_torch

        return measure_torch(model, None, _tensors(data), forward=_torch_loss, **options)  # type: ignore[no-any-return]
    from .jax import measure as measure_jax

    return measure_jax(compiled_loss(model), _start(model), _arrays(data), **options)  # type: ignore[no-any-return]


def _carried(
    verb: str, model: Any, x: Any, y: Any, batch_size: int, epochs: int, validation: Any, options: dict[str, Any]
) -> Any:  # fmt: skip
    """A verb of the backend's room."""
    backend = _checked(model)
    data, words = (x if y is None else (x, y)), dict(options)
    if y is not None:
        batch_size = min(batch_size, len(x))
        words["batch_size"] = batch_size
        words.setdefault("steps", epochs * math.ceil(len(x) / batch_size))
    elif "steps" not in words:
        if not hasattr(x, "__len__"):
            raise BadInput("the number of steps is not known: say steps=1000")
        words["steps"] = epochs * len(x)
    if "optimizer" not in words:
        words["optimizer"] = searched_as(model.optimizer)
    from .tuning.given import check_words

    if backend == "torch":
        from . import torch as verbs

        check_words(verb, getattr(verbs, verb), words)
        if validation is not None:
            words["validation"] = _tensors(validation)
        return getattr(verbs, verb)(model, None, _tensors(data), forward=_torch_loss, **words)
    from . import jax as functions

    check_words(verb, getattr(functions, verb), words)
    if validation is not None:
        words["validation"] = _arrays(validation)
    return getattr(functions, verb)(compiled_loss(model), _start(model), _arrays(data), **words)


def _checked(model: Any) -> str:
    """The backend, of a model that is ready."""
    keras: Any = require("keras", "keras")
    if not isinstance(model, keras.Model):
        raise BadInput(f"a {type(model).__name__} is no keras.Model: pass one, built and compiled")
    if not model.compiled:
        raise BadInput("the model is not compiled, so its loss is not known: call model.compile(optimizer='sgd', loss=...) first")
    if not model.built:
        raise BadInput("the model is not built, so it has no parameters yet: give it an Input, or call it once")
    found = str(keras.backend.backend())
    if found not in {"torch", "jax"}:
        raise BadInput(f"Keras runs on {found}: set KERAS_BACKEND to 'torch' or 'jax' before it is imported")
    return found


def _torch_loss(model: Any, batch: Any) -> Any:
    """The compiled loss of a batch, in training mode as the module stands."""
    x, y = batch
    output = model(x, training=bool(model.training))
    return model.compute_loss(x=x, y=y, y_pred=output, training=bool(model.training))


def compiled_loss(model: Any) -> Callable[[Any, Any], Any]:
    """The compiled loss as a function of (values of the trainable variables, batch), in training mode.

    Every other variable is as it stands when the function is called, and stays so.
    """

    def loss(values: Any, batch: Any) -> Any:
        keras: Any = require("keras", "keras")
        x, y = batch
        fixed = [(one, one.value) for one in (*model.non_trainable_variables, *model.metrics_variables)]
        with keras.StatelessScope(state_mapping=[*zip(model.trainable_variables, values, strict=True), *fixed]):
            return model.compute_loss(x=x, y=y, y_pred=model(x, training=True), training=True)

    return loss


def _start(model: Any) -> list[Any]:
    """The values of the trainable variables."""
    return [variable.value for variable in model.trainable_variables]


def _tensors(data: Any) -> Any:
    """Arrays as they are: the torch room takes numpy and tensors."""
    return tuple(np.asarray(part) if not hasattr(part, "detach") else part for part in data) if isinstance(data, tuple) else data


def _arrays(data: Any) -> Any:
    return tuple(np.asarray(part) for part in data) if isinstance(data, tuple) else data

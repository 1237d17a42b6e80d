"""Keras 3 on torch or JAX: the learning rate and momentum that a compiled model needs, measured and verified.

    found = inertia.keras.tune(model, x, y, epochs=5)
    model.compile(optimizer=found.keras(), loss=...)

The loss is the model's own (`compile(loss=...)`, regularisers and `add_loss` included).
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from .errors import BadInput, InertiaWarning, require
from .tuning.numpy_door import ADAM_BETA2, ADAM_EPSILON
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
        x, y: arrays (lists or dicts of them where there are several inputs or outputs), or as x a torch DataLoader or an iterable of
            batches (x, y) or (x, y, weights of the examples).
        batch_size, epochs: as in `fit`; `steps=` instead of epochs.
        validation_data: (x, y), to compare runs by the loss on them.
        options: those of `inertia.torch.tune` or `inertia.jax.tune`, whichever backend Keras runs on. Kind, weight decay, clipping,
            accumulation and schedule are those of the compiled optimizer; the schedule is linear where it has none.

    Raises:
        BadInput: a model that is not compiled or not built, the tensorflow backend, and what the room of the backend raises.
        MissingExtra: keras is not installed.
    """
    return _carried("tune", model, x, y, batch_size, epochs, validation_data, options)  # type: ignore[no-any-return]


def check(model: Any, x: Any, y: Any = None, *, lr: float, batch_size: int = 32, epochs: int = 1, **options: Any) -> Check:
    """A second opinion on a learning rate, without a run; arguments as for `tune`.

    Momentum (or betas and eps) are those of the compiled optimizer where they are not given.

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
    data = _arrays(x, y)
    if backend == "torch":
        from .torch import measure as measure_torch

        return measure_torch(model, None, data, forward=_torch_loss, **options)  # type: ignore[no-any-return]
    from .jax import measure as measure_jax

    return measure_jax(_settled(model, data), _start(model), data, **options)  # type: ignore[no-any-return]


def _carried(
    verb: str, model: Any, x: Any, y: Any, batch_size: int, epochs: int, validation: Any, options: dict[str, Any]
) -> Any:  # fmt: skip
    """A verb of the backend's room."""
    backend = _checked(model)
    data, words = _arrays(x, y), _settings(verb, model.optimizer, options) | options
    words = _budget(model.optimizer, x, y, batch_size, epochs, words, backend) | words
    if callable(words.get("schedule")) and "schedule" not in options:
        words["schedule"] = _factors(words["schedule"], int(words["steps"]))
    if validation is not None:
        words["validation"] = _arrays(*validation) if isinstance(validation, tuple) else validation
    from .tuning.given import check_words

    if backend == "torch":
        from . import torch as verbs

        check_words(verb, getattr(verbs, verb), words)
        return getattr(verbs, verb)(model, None, data, forward=_torch_loss, **words)
    from . import jax as functions

    check_words(verb, getattr(functions, verb), words)
    return getattr(functions, verb)(_settled(model, data), _start(model), data, **words)


def _budget(optimizer: Any, x: Any, y: Any, batch_size: int, epochs: int, given: Mapping[str, Any], backend: str) -> dict[str, Any]:
    """Batch size and steps as `fit` has them, of as many batches as the optimizer puts together."""
    words: dict[str, Any] = {}
    together = int(getattr(optimizer, "gradient_accumulation_steps", None) or 1)
    if y is not None:
        batch_size = min(batch_size, _count(x))
        words = {"batch_size": batch_size * together, "steps": epochs * math.ceil(_count(x) / batch_size) // together}
    elif "steps" not in given:
        if not hasattr(x, "__len__"):
            raise BadInput("the number of steps is not known: say steps=1000")
        words = {"steps": epochs * len(x) // together}
    if together == 1:
        return words
    if backend == "torch":
        words["accumulate"] = together
    elif y is None:
        raise BadInput(f"gradient_accumulation_steps={together} needs arrays x and y in JAX: batches that are given cannot be made larger")
    warnings.warn(
        f"your optimizer puts {together} batches together (gradient_accumulation_steps), and so do the runs; what found.keras() makes does "
        f"not: fit it with batches {together} times as large",
        InertiaWarning, stacklevel=5,
    )  # fmt: skip
    return words


def _settings(verb: str, optimizer: Any, given: Mapping[str, Any]) -> dict[str, Any]:
    """Kind, decay, clipping and schedule of the compiled optimizer, and for `check` its momentum or betas."""
    words: dict[str, Any] = {}
    if "optimizer" not in given:
        words["optimizer"] = searched_as(optimizer)
    kind, decay = words.get("optimizer", given.get("optimizer")), float(optimizer.weight_decay or 0.0)
    said = _otherwise(optimizer, str(kind)) if "optimizer" in words else []
    if decay and kind != "sgd":
        words["weight_decay"] = decay
    if said:
        warnings.warn(
            f"your {type(optimizer).__name__} has {' and '.join(said)}, which is not searched: the runs, and what found.keras() makes, are "
            "without it",
            InertiaWarning, stacklevel=5,
        )  # fmt: skip
    if "clip" not in given and (optimizer.clipnorm or optimizer.clipvalue):
        what = f"clipnorm={optimizer.clipnorm:g}" if optimizer.clipnorm else f"clipvalue={optimizer.clipvalue:g}"
        raise BadInput(
            f"your {type(optimizer).__name__} clips every variable by itself ({what}), which no run does: give it global_clipnorm instead, "
            "or say clip=None to search without clipping"
        )
    if optimizer.global_clipnorm:
        words["clip"] = float(optimizer.global_clipnorm)
    if callable(rate := getattr(optimizer, "_learning_rate", None)) and not hasattr(rate, "assign"):
        words["schedule"] = rate
    if verb == "check" and "optimizer" in words and not {"momentum", "betas"} & set(given):
        words |= _own(optimizer, kind, given)
    return words


def _own(optimizer: Any, kind: Any, given: Mapping[str, Any]) -> dict[str, Any]:
    """Momentum and form of SGD, betas and eps of Adam."""
    if kind == "adamw":
        return {"betas": (float(optimizer.beta_1), float(optimizer.beta_2)), "eps": float(given.get("eps", optimizer.epsilon))}
    return {"momentum": float(optimizer.momentum), "nesterov": bool(given.get("nesterov", optimizer.nesterov))}


def _otherwise(optimizer: Any, kind: str) -> list[str]:
    """What the compiled optimizer has that the optimizer of a run does not have."""
    said = ["a form of its own"] if type(optimizer).__name__ == "Nadam" else []
    if kind == "sgd" and optimizer.weight_decay:
        said.append(f"weight_decay = {float(optimizer.weight_decay):g} (beside the gradient, times the learning rate)")
    usual = {"beta_2": ADAM_BETA2, "epsilon": 1e-7}  # Keras's own default; runs have 1e-8, which is as small
    for name, value in usual.items():
        if kind == "adamw" and float(getattr(optimizer, name, value)) not in (value, ADAM_EPSILON):
            said.append(f"{name} = {float(getattr(optimizer, name)):g}")
    said += [name for name in ("amsgrad", "use_ema") if getattr(optimizer, name, False)]
    return said


def _factors(rate: Any, steps: int) -> Callable[[int], float]:
    """A learning-rate schedule of Keras as a factor of its peak."""
    rates = [float(rate(step)) for step in range(steps)]
    peak = max(rates, default=0.0)
    if not peak > 0:
        raise BadInput(f"the learning rates of {type(rate).__name__} are nowhere above 0 in {steps} steps")
    return lambda step: rates[min(int(step), steps - 1)] / peak


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
    if _own_step(keras, model):
        warnings.warn(
            f"the train_step of {type(model).__name__} is not run here: the runs minimise what its compute_loss gives, so put the loss "
            "there",
            InertiaWarning, stacklevel=5,
        )  # fmt: skip
    if found not in {"torch", "jax"}:
        raise BadInput(f"Keras runs on {found}: set KERAS_BACKEND to 'torch' or 'jax' before it is imported")
    return found


def _own_step(keras: Any, model: Any) -> bool:
    """Whether the model is trained by a step that a person wrote."""
    return getattr(type(model), "train_step", None) is not getattr(keras.Model, "train_step", None)


def _parts(batch: Any) -> tuple[Any, Any, Any]:
    """(inputs, targets, weights of the examples) of a batch, as `fit` reads it."""
    keras: Any = require("keras", "keras")
    return (batch["x"], batch["y"], None) if isinstance(batch, Mapping) else keras.utils.unpack_x_y_sample_weight(batch)


def _torch_loss(model: Any, batch: Any) -> Any:
    """The compiled loss of a batch, in training mode as the module stands."""
    x, y, weights = _parts(batch)
    output = model(x, training=bool(model.training))
    return model.compute_loss(x=x, y=y, y_pred=output, sample_weight=weights, training=bool(model.training))


def compiled_loss(model: Any) -> Callable[[Any, Any], Any]:
    """The compiled loss as a function of (values of the trainable variables, batch), in training mode.

    Every other variable is as it stands when the function is called, and stays so.
    """

    def loss(values: Any, batch: Any) -> Any:
        keras: Any = require("keras", "keras")
        x, y, weights = _parts(batch)
        fixed = [(one, one.value) for one in (*model.non_trainable_variables, *model.metrics_variables)]
        with keras.StatelessScope(state_mapping=[*zip(model.trainable_variables, values, strict=True), *fixed]):
            return model.compute_loss(x=x, y=y, y_pred=model(x, training=True), sample_weight=weights, training=True)

    return loss


def _settled(model: Any, data: Any) -> Callable[[Any, Any], Any]:
    """The compiled loss, called once: of several outputs Keras then makes variables, which cannot be made while JAX compiles."""
    keras: Any = require("keras", "keras")
    loss = compiled_loss(model)
    if isinstance(data, Mapping | tuple):
        loss(_start(model), keras.tree.map_structure(lambda part: part[:1], data))
    elif iter(data) is not data:  # what can be read again
        loss(_start(model), next(iter(data)))
    return loss


def _start(model: Any) -> list[Any]:
    """The values of the trainable variables."""
    return [variable.value for variable in model.trainable_variables]


class _Batches:
    """The batches of a PyDataset, one pass after the other."""

    def __init__(self, batches: Any) -> None:
        self.batches = batches

    def __len__(self) -> int:
        """How many batches there are."""
        return len(self.batches)

    def __iter__(self) -> Iterator[Any]:
        """A pass over them."""
        yield from (self.batches[index] for index in range(len(self.batches)))
        self.batches.on_epoch_end()


def _arrays(x: Any, y: Any) -> Any:
    """Data as the rooms take them: x and y as arrays, each of them one or several; x alone (a loader, batches) as it is."""
    if y is None:
        return _Batches(x) if isinstance(x, require("keras", "keras").utils.PyDataset) else x
    simple = not isinstance(x, Mapping | list | tuple) and not isinstance(y, Mapping | list | tuple)
    return (_tree(x), _tree(y)) if simple else {"x": _tree(x), "y": _tree(y)}


def _tree(data: Any) -> Any:
    if isinstance(data, Mapping):
        return {name: _tree(part) for name, part in data.items()}
    if isinstance(data, list | tuple) and any(hasattr(part, "shape") for part in data):
        return [_tree(part) for part in data]
    return data if hasattr(data, "detach") else np.asarray(data)


def _count(x: Any) -> int:
    """Examples in the (first) array."""
    while isinstance(x, Mapping) or (isinstance(x, list | tuple) and any(hasattr(part, "shape") for part in x)):
        x = next(iter(x.values() if isinstance(x, Mapping) else x))
    return len(x)

"""A Keras optimizer as a black box, on whatever backend Keras runs."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from ...errors import BadInput
from .bench import examine
from .identified import Identified
from .kin import verdict
from .recursion import Home

__all__ = ["identify_keras", "is_keras"]

NAMES = ("kernel", "bias")
LEFT_OUT = "_exclude_from_weight_decay_pattern"


def is_keras(found: Any) -> bool:
    """Whether this is a Keras optimizer, without importing Keras."""
    keras = sys.modules.get("keras")
    return keras is not None and isinstance(found, keras.optimizers.Optimizer)


def identify_keras(make: Any, declared: float | None = None, seed: int = 0) -> Identified:
    """What a Keras optimizer really is; `make` is one (a copy from its settings is probed), or a function that makes one.

    Raises:
        BadInput: an optimizer that cannot be made anew.
    """
    maker = make if not is_keras(make) else lambda: _anew(make)
    first = maker()
    if declared is None:
        stated = getattr(first, "momentum", None)
        declared = float(stated) if isinstance(stated, int | float) else None
    bench, outcomes = examine(lambda width: _Bench(maker, width), seed)
    return verdict(bench, outcomes, [declared] * len(outcomes), bench.names, seed)


def _anew(optimizer: Any) -> Any:
    """The same optimizer from rest; variables that are left out of weight decay by their name stay left out."""
    try:
        made = type(optimizer).from_config(optimizer.get_config())
    except Exception as error:  # a schedule or a class that Keras cannot rebuild
        try:
            made = type(optimizer)(**_settings(optimizer))
        except Exception:
            name = type(optimizer).__name__
            said = str(error).splitlines()[0]
            raise BadInput(f"{name} cannot be made anew from its settings ({said}): give a function that makes it") from error
    pattern = getattr(optimizer, LEFT_OUT, None)
    if pattern is not None:
        made.exclude_from_weight_decay(var_names=[pattern.pattern])
    return made


def _settings(optimizer: Any) -> dict[str, Any]:
    """What its constructor takes, read from its attributes; a schedule has no state and is the same object."""
    named = {"learning_rate": getattr(optimizer, "_learning_rate", None)}
    taken = [name for name in inspect.signature(type(optimizer).__init__).parameters if name not in ("self", "kwargs")]
    return {name: named.get(name, getattr(optimizer, name, None)) for name in taken if name in named or hasattr(optimizer, name)}


class _Bench:
    """Designed gradients into a fresh optimizer with two variables, a kernel and a bias."""

    names = NAMES
    home = Home(inside=True, dampens=False)

    def __init__(self, make: Callable[[], Any], width: int) -> None:
        import keras

        self.keras, self.make, self.width = keras, make, -(-width // 8) * 8
        self.dtype = "float64" if keras.backend.backend() != "jax" or sys.modules["jax"].config.jax_enable_x64 else "float32"
        self.rounding = float(np.finfo(self.dtype).eps)
        made = make()
        if not is_keras(made):
            raise BadInput(f"the factory made a {type(made).__name__}: return a Keras optimizer")
        rate = getattr(made, "_learning_rate", None)
        self.adjustable = rate is not None and not callable(rate)

    def run(self, grads: Any, points: Any = None, start: Any = None, factors: Any = None) -> Any:
        """Step a fresh optimizer; see `Bench`. Gradients are those of the loss as the optimizer scales it."""
        keras, optimizer = self.keras, self.make()
        shapes = ((self.width // 8, 8), (self.width,))
        wide = [(0, 0)] * 2 + [(0, self.width - grads.shape[2])]
        given = np.pad(grads, wide).astype(self.dtype)
        places = None if points is None else np.pad(points, wide)
        place = np.zeros(given.shape[1:]) if start is None else np.pad(start, wide[1:])
        held = [
            keras.Variable(row.reshape(shape), dtype=self.dtype, name=name) for row, shape, name in zip(place, shapes, NAMES, strict=True)
        ]
        optimizer.build(held)
        rate = float(keras.ops.convert_to_numpy(keras.ops.convert_to_tensor(optimizer.learning_rate))) if factors is not None else 0.0
        moves = []
        for k, grad in enumerate(given):
            if places is not None:
                for variable, row, shape in zip(held, places[k], shapes, strict=True):
                    variable.assign(row.reshape(shape).astype(self.dtype))
            if factors is not None and self.adjustable:
                optimizer.learning_rate = rate * float(factors[k])
            before = self._values(held)
            scale = float(keras.ops.convert_to_numpy(optimizer.scale_loss(keras.ops.convert_to_tensor(1.0))))
            pushed = [keras.ops.convert_to_tensor(row.reshape(shape)) for row, shape in zip(grad * scale, shapes, strict=True)]
            optimizer.apply(pushed, held)
            moves.append(self._values(held) - before)
        return np.array(moves)[:, :, : grads.shape[2]]

    def _values(self, held: Any) -> Any:
        return np.stack([np.array(self.keras.ops.convert_to_numpy(variable.value), dtype=float).ravel() for variable in held])

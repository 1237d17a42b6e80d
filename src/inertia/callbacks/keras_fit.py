"""The watch as a Keras 3 callback, on the torch and JAX backends: the loss is the compiled model's own, computed beside its variables."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import keras
import numpy as np

from ..core.method import Method
from ..errors import BadInput
from ..keras import compiled_loss
from ..theory.adaptive import adagrad, adam, decayed_edge, nadam, rmsprop
from ..watching.looking import Metric, described, look, part_size, price_of
from ..watching.monitor import Monitor
from ..watching.pacing import Pace, Price
from ..watching.planning import Plan
from ..watching.quantities import Look, Reading

__all__ = ["KerasWatch"]

_READ = 8  # steps between two readings of the momentum asked for


class KerasWatch(keras.callbacks.Callback):
    """What `inertia.torch.Watch` tells, for model.fit.

    Args:
        probe: (inputs, targets), a fixed batch of training data as arrays.
        budget, every, expect, log, say, seed: as in `inertia.torch.Watch`.

    Layers that draw random numbers do so from one fixed state in every look; no variable of the model, the optimizer or the metrics is
    written.

    Raises:
        BadInput: a backend other than torch and jax, a probe whose loss cannot be computed, a model that is not compiled.
    """

    def __init__(
        self, probe: Any = None, *, budget: float = 0.03, every: int | None = None, expect: float | None = None, log: Any = None,
        say: Callable[[str], Any] | bool | None = None, seed: int = 0,
    ) -> None:  # fmt: skip
        super().__init__()
        if not isinstance(probe, tuple | list) or len(probe) != 2:
            raise BadInput("probe is missing: give (inputs, targets), a fixed batch of training data")
        self.probe = tuple(np.asarray(part) for part in probe)
        self.settings = (budget, every)
        Pace(*self.settings)  # what no watch can use is refused at once
        self.expect, self.log, self.say, self.seed = expect, log, say, seed
        self.monitor: Monitor | None = None
        self.plan: Plan | None = None
        self.steps = 0
        self._before: list[Any] | None = None
        self._mean, self._seen = 0.0, 0

    @property
    def looks(self) -> list[Look]:
        """Every look so far, oldest first."""
        return [] if self.monitor is None else self.monitor.history.looks

    @property
    def messages(self) -> list[Any]:
        """Every message so far."""
        return [] if self.monitor is None else list(self.monitor.told)

    def on_train_begin(self, logs: Any = None) -> None:
        """The watch begins."""
        backend = keras.backend.backend()
        if backend not in {"torch", "jax"}:
            raise BadInput(f"Keras runs on {backend} here: the watch follows it on the torch and jax backends")
        if getattr(self.model, "optimizer", None) is None:
            raise BadInput("the model is not compiled: call model.compile(optimizer, loss) before fit")
        self.pace = Pace(*self.settings)
        if self.monitor is None:
            about = {"optimizer": type(self.model.optimizer).__name__, "framework": f"keras on {backend}"}
            self.monitor = Monitor(pace=self.pace, log=self.log, say=self.say, expect=self.expect, about=about)
            self.steps = self.monitor.begin
        with self.pace.charged():
            self.opener = _opener(backend, self.model, self.probe, self.seed)
            self.plan = Plan(self.pace, self.opener.sizes, self.opener.price, self.opener.expected)
            asked = float(getattr(self.model.optimizer, "momentum", getattr(self.model.optimizer, "beta_1", 0.0)) or 0.0)
            self._asked = asked

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Keras begins a new mean of the losses."""
        self._mean, self._seen = 0.0, 0

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        """Keep the parameters before a step that is looked at."""
        with self.pace.charged():
            every = self.pace.every
            if (self.steps + 1) % every == 0 if every is not None else self.plan.wait() == 0:  # type: ignore[union-attr]
                self._before = self._values()

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """A step is done: its loss from the running mean, and the look."""
        assert self.monitor is not None
        with self.pace.charged():
            self.steps += 1
            self.pace.steps = self.steps
            rate = float(keras.ops.convert_to_numpy(self.model.optimizer.learning_rate))
            self.monitor.history.stepped(self.steps, [rate])
            if logs and "loss" in logs:
                mean = float(logs["loss"])
                self._seen += 1
                self.monitor.loss(self.steps, self._seen * mean - (self._seen - 1) * self._mean)
                self._mean = mean
            if self._before is not None:
                before, self._before = self._before, None
                self.monitor.attempt(lambda: self._look(before, rate))
            if self.steps % _READ == 0:
                told = Reading(self.steps, 0, rate, self._asked, None, 0.0, float("nan"), None, None, float("nan"))
                self.monitor.history.read([told])
                self.monitor.judge(cheap=True)

    def on_train_end(self, logs: Any = None) -> None:
        """The end."""
        if self.monitor is not None:
            self.monitor.close()

    def _values(self) -> list[Any]:
        """The trainable variables as arrays of our own; JAX keeps them in a state of its own during fit."""
        if hasattr(self.model, "jax_state_sync"):
            self.model.jax_state_sync()
        return [np.array(keras.ops.convert_to_numpy(variable.value)) for variable in self.model.trainable_variables]

    def _look(self, before: list[Any], rate: float) -> Look:
        """A look at the parameters before the step."""
        assert self.plan is not None
        after, learned = self._values(), None
        begun = self.pace.clock()
        metric = _metric(self.model.optimizer, rate)
        size, depth = self.plan.begin(self.pace.every is not None)
        with self.opener.open(before, size) as source:
            space = source.position()
            moved = np.concatenate([(b - a).ravel() for a, b in zip(before, after, strict=True)])
            held = replace(metric, root=_like(metric.root, space))
            part = self.opener.part(source, size)
            step = _like(moved, space) if moved.any() else None
            seen = look(source, held, step, self.plan.warm, depth, self.seed + self.steps, part, self.plan.quick(size))
            took = self.pace.clock() - begun
            if not self.plan.prices:
                learned = price_of(source, self.pace.clock)
        self.plan.saw(seen, size, depth, took, 1 + 2 * (seen.turning is not None), learned)
        return described(seen, held, self.steps, took, part=self.plan.share(size))


def _like(value: Any, vector: Any) -> Any:
    """An array as the kind of vector that a source has."""
    if isinstance(value, float):
        return value
    if isinstance(vector, np.ndarray):
        return np.asarray(value, dtype=vector.dtype)
    import torch

    return torch.as_tensor(value, dtype=vector.dtype, device=vector.device)


def _metric(optimizer: Any, rate: float) -> Metric:
    """A Keras optimizer in its metric, from its variables; no edge where it has none."""
    name, steps = type(optimizer).__name__, int(keras.ops.convert_to_numpy(optimizer.iterations))
    if not rate > 0:
        return Metric(1.0, None, None, rate)
    if name == "SGD":
        beta = float(optimizer.momentum or 0.0)
        gamma = beta if optimizer.nesterov else 0.0
        return _edged(1.0, Method(rate, beta, gamma, gamma), rate, optimizer)
    eps = float(getattr(optimizer, "epsilon", 0.0) or 0.0)
    if name in {"Adam", "AdamW", "Nadam"}:
        b1, b2 = float(optimizer.beta_1), float(optimizer.beta_2)
        squares = _flat(optimizer._velocity_hats if getattr(optimizer, "amsgrad", False) else optimizer._velocities)
        below = (np.sqrt(squares) + eps) / np.sqrt(1 - b2**steps)
        return _edged(below**-0.5, (nadam if name == "Nadam" else adam)(rate, b1), rate, optimizer, 1 - b2)
    if name == "RMSprop" and not optimizer.centered:
        below = np.sqrt(_flat(optimizer._velocities) + eps)
        return _edged(below**-0.5, rmsprop(rate, float(optimizer.momentum or 0.0)), rate, optimizer, 1 - float(optimizer.rho))
    if name == "Adagrad":
        return _edged(np.sqrt(_flat(optimizer._accumulators) + eps) ** -0.5, adagrad(rate), rate, optimizer, 1.0)
    return Metric(1.0, None, None, rate)


def _edged(root: Any, method: Method, rate: float, optimizer: Any, renewal: float = 0.0) -> Metric:
    shrink = rate * float(getattr(optimizer, "weight_decay", None) or 0.0)  # Keras's weight decay is decoupled in every optimizer
    return Metric(root, method, float(decayed_edge(method, shrink)), rate, 0.0, renewal)


def _flat(variables: Any) -> Any:
    return np.concatenate([np.asarray(keras.ops.convert_to_numpy(one), dtype=float).ravel() for one in variables])


def _opener(backend: str, model: Any, probe: Any, seed: int) -> Any:
    return (_Torch if backend == "torch" else _Jax)(model, probe, seed)


class _Torch:
    """The probe of a torch model that is made of the values alone."""

    def __init__(self, model: Any, probe: Any, seed: int) -> None:
        import torch

        from ..torch.watch_probe import Probe

        class Values(torch.nn.Module):
            """The trainable values, as parameters."""

            def __init__(self) -> None:
                super().__init__()
                self.held = torch.nn.ParameterList([torch.nn.Parameter(v.value.detach().clone()) for v in model.trainable_variables])

        loss = compiled_loss(model)
        self.torch, self.values = torch, Values()
        self.probe = Probe(self.values, None, lambda values, batch: loss(list(values.held), batch), probe, None, None, seed)

    @property
    def sizes(self) -> list[int]:
        """Examples that looks can see."""
        return self.probe.sizes

    @property
    def price(self) -> Price:
        """Of the fewest."""
        return self.probe.price

    expected = 0.0

    def part(self, source: Any, size: int) -> Any:
        """How to take the gradient of a part of so many examples."""
        return self.probe.part(source, size)

    @contextmanager
    def open(self, values: list[Any], size: int) -> Iterator[Any]:
        """The loss of so many examples at these values."""
        with self.torch.no_grad():
            for p, value in zip(self.values.held, values, strict=True):
                p.copy_(self.torch.as_tensor(value))
        with self.probe.open(size) as source:
            yield source


class _Jax:
    """The probe on the JAX backend."""

    def __init__(self, model: Any, probe: Any, seed: int) -> None:
        import jax.numpy as jnp

        from ..jax.losses import Loss
        from ..jax.products import JaxSource

        self.source_of, self.array, self.programs = JaxSource, jnp.asarray, dict[str, Any]()
        self.loss, self.data = Loss(compiled_loss(model)), tuple(jnp.asarray(part) for part in probe)
        self.chunk = part_size(len(probe[0]))
        self.sizes, self.price = [len(probe[0])], None
        begun = time.perf_counter()
        with self.open([np.array(v.value) for v in model.trainable_variables], len(probe[0])) as source:
            source.gradient()
        self.expected = 3 * (time.perf_counter() - begun)  # to compile a product takes about twice as long as a gradient

    def part(self, source: Any, size: int) -> None:
        """The source cuts its examples itself."""

    @contextmanager
    def open(self, values: list[Any], size: int) -> Iterator[Any]:
        """The loss at these values, of all examples: others would have to be compiled anew."""
        params = [self.array(value) for value in values]
        yield self.source_of(self.loss, params, self.data, self.chunk, 1, programs=self.programs)

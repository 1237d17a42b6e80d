"""Watch a JAX run while it trains with optax.

Two lines in a loop of one's own:

    watch = inertia.jax.Watch(loss, optimizer, probe=batch, log="run.jsonl")       # loss(params, batch) -> mean loss
    for batch in data:
        params, state, value = train_step(params, state, batch)
        watch.step(params, state, value)
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.experimental import multihost_utils

from ..errors import BadInput
from ..watching.looking import described, look, part_size, price_of
from ..watching.monitor import Monitor
from ..watching.pacing import Pace
from ..watching.planning import Plan
from ..watching.quantities import Look
from ..watching.watcher import Watcher
from .curvature import check_deterministic
from .losses import Loss
from .products import JaxSource, rows_in
from .watch_state import known, metric_of

__all__ = ["Watch"]

_JUDGE = 24  # steps between two judgements at most: a fault is named within 50


class Watch(Watcher):
    """A monitor of one optax loop; see `inertia.torch.Watch` for what it tells.

    Args:
        loss: (params, batch) -> mean loss, as in `inertia.jax.measure`.
        optimizer: the optax.GradientTransformation that steps it: its momentum, metric and edge are found out from it once, by
            `inertia.identify`. Without it there is no edge, and all else.
        probe: a fixed batch of training data, in the form that `loss` takes.
        learning_rate: number or schedule (step -> rate), where it changes and cannot be seen in the state.
        budget, every, expect, log, say, seed: as in `inertia.torch.Watch`. Several JAX processes each make a watch, with the same `every`;
            the first one writes and speaks.

    Raises:
        BadInput: a probe whose loss is not finite or not deterministic; settings that no watch can use; several processes without `every`.

    >>> import optax
    >>> def loss(w, batch):
    ...     return jnp.mean((batch[0] @ w - batch[1]) ** 2)
    >>> x, y, w, rule = jnp.eye(4), jnp.ones(4), jnp.zeros(4), optax.sgd(0.1, momentum=0.9)
    >>> state = rule.init(w)
    >>> with Watch(loss, rule, probe=(x, y), every=1, say=False) as watch:
    ...     for _ in range(3):
    ...         value, grad = jax.value_and_grad(loss)(w, (x, y))
    ...         updates, state = rule.update(grad, state, w)
    ...         w = optax.apply_updates(w, updates)
    ...         watch.step(w, state, value)
    >>> round(watch.looks[-1].sharpness, 4), round(watch.looks[-1].edge, 4)
    (0.5, 38.0)
    """

    def __init__(
        self,
        loss: Callable[..., Any],
        optimizer: Any = None,
        *,
        probe: Any = None,
        learning_rate: float | Callable[[int], float] | None = None,
        budget: float = 0.03,
        every: int | None = None,
        expect: float | None = None,
        log: Any = None,
        say: Callable[[str], Any] | bool | None = None,
        seed: int = 0,
    ) -> None:
        if probe is None:
            raise BadInput("probe is missing: give a batch of training data in the form that the loss takes")
        if jax.process_count() > 1 and every is None:
            raise BadInput(
                f"{jax.process_count()} JAX processes take a look together, and each would choose its own step by its own clock: say at "
                "which, such as every=100"
            )
        if jax.process_index():  # the first process speaks for all
            log, say = None, False
        self.loss, self.rate, self.seed = Loss(loss), learning_rate, seed
        self.data = jax.tree.map(jnp.asarray, tuple(probe) if isinstance(probe, list) else probe)
        self.chunk = part_size(rows_in(self.data))
        self.pace = Pace(budget, every)
        with self.pace.charged():
            self.known = known(optimizer)
        about = {"optimizer": "optax" if self.known.found is None else self.known.found.verdict, "framework": "jax"}
        self.monitor = Monitor(pace=self.pace, log=log, say=say, expect=expect, about=about)
        self.steps = self.monitor.begin
        if jax.process_count() > 1:  # a log that is continued is known to the first process alone
            self.steps = int(multihost_utils.broadcast_one_to_all(np.int32(self.steps)))
        self.programs = dict[str, Any]()
        self._before: Any = None
        self.plan: Plan | None = None

    def step(self, params: Any, state: Any = None, loss: Any = None) -> None:
        """Call once after each step.

        Args:
            params: the parameters after the step.
            state: the optimizer's, after the step; without it there is no metric of Adam and its kin.
            loss: of the step; it is read later, so that nothing waits for it.

        Raises:
            BadInput: a loss of several numbers.
        """
        if loss is not None and np.size(loss) != 1:
            raise BadInput(
                f"the loss given to step() holds {np.size(loss)} numbers: give the one that was differentiated, such as its mean()"
            )
        with self.pace.charged():
            self.steps += 1
            self.pace.steps = self.steps
            self.monitor.history.stepped(self.steps, [])
            if loss is not None:
                self.monitor.loss(self.steps, loss)
            if self.plan is None:  # a look compiles about as much as a training step, twice
                self.plan = Plan(self.pace, [rows_in(self.data)], None, 2 * self.pace.training)
            before, self._before = self._before, None
            if before is not None:
                self.monitor.attempt(lambda: self._look(before, params, state))
            if self._due():
                self._before = jax.tree.map(jnp.copy, params)  # a train step may give its arguments away
            if self.steps % _JUDGE == 0:
                self.monitor.judge(cheap=True)

    def close(self) -> None:
        """Finish the log."""
        self.monitor.close(self.plan.costs if self.plan is not None and self.pace.every is None else None)

    def _forget(self) -> None:
        self._before = None
        if self.plan is not None:
            self.plan.forget()

    def _source(self, params: Any) -> JaxSource:
        return JaxSource(self.loss, params, self.data, self.chunk, 1, programs=self.programs)

    def _check(self, params: Any) -> None:
        """Once: how the loss adds up, and whether it is one function."""
        self.loss.learn(params, self.data, float(rows_in(self.data)))
        if self.loss.other:
            self.chunk = None
        check_deterministic(self._source(params))

    def _due(self) -> bool:
        """Whether the next step is looked at."""
        if self.pace.every is not None:
            return (self.steps + 1) % self.pace.every == 0
        return self.plan is not None and self.plan.wait() == 0

    def _look(self, before: Any, after: Any, state: Any) -> Look:
        assert self.plan is not None
        first = self.plan.warm is None and not self.plan.prices
        if first:
            self._check(before)
        begun = self.pace.clock()
        source = self._source(before)
        moved = self._source(after).position() - source.position()
        metric, why = metric_of(state, after, self.known, self.rate, self.steps, moved)
        self.monitor.history.facts["no edge"] = why
        self.monitor.history.stepped(self.steps, [metric.learning_rate])
        size, depth = self.plan.begin(self.pace.every is not None)
        seen = look(source, metric, moved if np.any(moved) else None, self.plan.warm, depth, self.seed + self.steps)
        took = self.pace.clock() - begun
        self.plan.saw(seen, size, depth, took, 1 + 2 * (seen.turning is not None), price_of(source, self.pace.clock) if first else None)
        return described(seen, metric, self.steps, took)

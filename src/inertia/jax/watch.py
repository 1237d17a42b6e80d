"""Watch a JAX run while it trains with optax.

watch = inertia.jax.Watch(loss, optimizer, probe=batch, log="run.jsonl")       # loss(params, batch) -> mean loss
for batch in data:
    params, state, value = train_step(params, state, batch)
    watch.step(params, state, value)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ..errors import BadInput
from ..watching.looking import described, look, next_depth
from ..watching.monitor import Monitor
from ..watching.pacing import Pace
from ..watching.quantities import Look
from .curvature import check_deterministic
from .losses import Loss
from .products import JaxSource, rows_in
from .watch_state import known, metric_of

__all__ = ["Watch"]

PARTS = 4  # of a probe: their gradients scatter, which is the noise
_JUDGE = 8  # steps between two judgements at most


class Watch:
    """A monitor of one optax loop; see `inertia.torch.Watch` for what it tells.

    Args:
        loss: (params, batch) -> mean loss, as in `inertia.jax.measure`.
        optimizer: the optax.GradientTransformation that steps it: its momentum, metric and edge are found out from it once, by
            `inertia.identify`. Without it there is no edge, and all else.
        probe: a fixed batch of training data, in the form that `loss` takes.
        learning_rate: number or schedule (step -> rate), where it changes and cannot be seen in the state.
        budget, every, expect, log, say, seed: as in `inertia.torch.Watch`.

    Raises:
        BadInput: a probe whose loss is not finite or not deterministic; settings that no watch can use.

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
        if expect is not None and not 0 <= expect < 1:
            raise BadInput(f"expect = {expect:g} is outside [0, 1): it is the momentum that the optimizer should have, such as 0.9")
        self.loss, self.rate, self.seed = Loss(loss), learning_rate, seed
        self.data = jax.tree.map(jnp.asarray, tuple(probe) if isinstance(probe, list) else probe)
        self.chunk = max(-(-rows_in(self.data) // PARTS), 1) if rows_in(self.data) >= 2 * PARTS else None
        self.pace = Pace(budget, every)
        with self.pace.charged():
            self.known = known(optimizer)
        about = {"optimizer": "optax" if self.known.found is None else self.known.found.verdict, "framework": "jax"}
        self.monitor = Monitor(pace=self.pace, log=log, say=say, expect=expect, about=about)
        self.steps = self.monitor.begin
        self.depth, self.warm, self.programs = 6, None, dict[str, Any]()
        self._before: Any = None
        self._checked = False
        self.price = 0.0

    @property
    def looks(self) -> list[Look]:
        """Every look so far, oldest first."""
        return self.monitor.history.looks

    @property
    def messages(self) -> list[Any]:
        """Every message so far, with the steps at which it began and ended."""
        return list(self.monitor.told)

    @property
    def lost(self) -> float:
        """Time spent watching over the time of everything else."""
        return self.pace.lost

    def step(self, params: Any, state: Any = None, loss: Any = None) -> None:
        """Call once after each step, with the new parameters, the optimizer's state, and the loss (read later: nothing waits for it)."""
        with self.pace.charged():
            self.steps += 1
            self.pace.steps = self.steps
            self.monitor.history.stepped(self.steps, [])
            if loss is not None:
                self.monitor.loss(self.steps, loss)
            if not self._checked:
                self._check(params)
            before, self._before = self._before, None
            if before is not None:
                self._guarded(before, params, state)
            if self._due():
                self._before = jax.tree.map(jnp.copy, params)  # a train step may give its arguments away
            if self.steps % _JUDGE == 0:
                self.monitor.judge()

    def close(self) -> None:
        """Finish the log."""
        self.monitor.close()

    def __enter__(self) -> Watch:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint must hold so that the watch goes on where the run does."""
        return {"steps": self.steps}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from a checkpoint: what the log holds beyond its step is superseded."""
        self.steps, self.warm, self._before = int(state["steps"]), None, None
        self.monitor.resume(self.steps)

    def _source(self, params: Any) -> JaxSource:
        return JaxSource(self.loss, params, self.data, self.chunk, 1, programs=self.programs)

    def _check(self, params: Any) -> None:
        """Once: how the loss adds up, and whether it is one function."""
        self._checked = True
        self.loss.learn(params, self.data, float(rows_in(self.data)))
        if self.loss.other:
            self.chunk = None
        source = self._source(params)
        check_deterministic(source)
        source.gradient()
        begun = self.pace.clock()
        source.gradient()
        self.price = self.pace.clock() - begun

    def _due(self) -> bool:
        """Whether the next step is looked at."""
        if self.pace.every is not None:
            return (self.steps + 1) % self.pace.every == 0
        return self.pace.due("look", guess=self.price * (2 + 2 * self.depth))

    def _guarded(self, before: Any, after: Any, state: Any) -> None:
        """One look; whatever goes wrong is told, and the run goes on."""
        facts = self.monitor.history.facts
        try:
            with self.pace.charged("look"):
                found = self._look(before, after, state)
        except BadInput as error:
            facts["blind"] = str(error)
        except Exception as error:  # a watch never stops a run; what it could not do is a message
            facts["blind"] = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
        else:
            facts.pop("blind", None)
            self.monitor.settle()
            self.monitor.look(found)
        self.monitor.judge()

    def _look(self, before: Any, after: Any, state: Any) -> Look:
        begun = self.pace.clock()
        source = self._source(before)
        moved = self._source(after).position() - source.position()
        metric, why = metric_of(state, after, self.known, self.rate, self.steps, moved)
        self.monitor.history.facts["no edge"] = why
        self.monitor.history.stepped(self.steps, [metric.learning_rate])
        seen = look(source, metric, moved if np.any(moved) else None, self.warm, self.depth, self.seed + self.steps)
        self.warm, self.depth = seen.sharpest.vector, next_depth(self.depth, seen)
        return described(seen, metric, self.steps, self.pace.clock() - begun)

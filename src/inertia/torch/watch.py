"""Watch a torch run while it trains: learning rate, momentum, noise or curvature, spikes to come.

Two lines in a loop of one's own:

    watch = inertia.torch.Watch(model, optimizer, loss_fn, probe=(inputs, targets), log="run.jsonl")
    for x, y in loader:
        ...
        optimizer.step()
        watch.step(loss)
"""

from __future__ import annotations

from collections.abc import Callable
from math import isfinite
from typing import Any

import torch
from torch import nn
from torch.optim.optimizer import register_optimizer_step_post_hook

from ..core.quiet import quiet
from ..watching.monitor import Monitor
from ..watching.pacing import FURTHEST, Pace
from ..watching.quantities import Look
from ..watching.watcher import Watcher
from .frozen import trainable
from .processes import assembled
from .watch_average import SHARE, Average
from .watch_given import checked, loss_of, rate_here
from .watch_look import Looking, put
from .watch_probe import Probe
from .watch_state import Buffers, adaptive, plain, read, remembered, replaces
from .watch_together import Together
from .wrappers import unwrapped

__all__ = ["Watch"]


class Watch(Watcher):
    """A monitor of one model and its optimizer.

    Args:
        model: as it is trained; compiled is fine. Wrapped in DistributedDataParallel it is watched by all processes together: make
            the watch in each of them; that of rank 0 decides, writes and speaks.
        optimizer: the torch.optim.Optimizer that steps it. Its step is hooked; nothing else is touched.
        loss_fn: of (model(inputs), targets), as in `inertia.torch.measure`; None where the model returns its loss.
        probe: a fixed batch of training data, as the model takes it, or a loader, whose first batch is kept. The larger, the better its
            loss stands for all the data, and the dearer a look. Of several processes each gives a part of its own, or all the same.
        forward: (model, batch) -> loss, where that is not loss_fn(model(*inputs), targets).
        size_of: examples in an unusual batch.
        batch_size: examples in a training batch; needed where the loss is their sum and the probe is not the loader.
        mode: "train", "eval" or None (each module as it is at that moment; dropout then has one fixed mask).
        budget: share of the training time that may be lost; it decides how often is looked.
        every: look after so many steps instead, whatever it costs.
        expect: momentum that you expect the optimizer to have; another one is told.
        scaler: the GradScaler, so that skipped steps are told from accumulated gradients.
        log: a file name (JSON lines; a file that is there is continued), a SummaryWriter, an object with log(dict, step=), or a list.
        say: function of one line for every message; None prints on stderr, False is silent.
        average: keep the average of the weights beside them (one more copy): what noise costs is then measured, not only named.
        layers: look closely every time, see `look_closely`: 24 products more for each layer, or fewer where its bar is narrow before.
        seed: of the fixed dropout masks and of the first direction.

    Raises:
        BadInput: a probe whose loss cannot be computed, is not finite or not deterministic; settings that no watch can use.

    >>> model = torch.nn.Linear(4, 1)
    >>> optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    >>> x, y = torch.eye(4), torch.ones(4, 1)
    >>> with Watch(model, optimizer, torch.nn.MSELoss(), probe=(x, y), every=1, say=False) as watch:
    ...     for _ in range(3):
    ...         loss = torch.nn.functional.mse_loss(model(x), y)
    ...         optimizer.zero_grad(); loss.backward(); optimizer.step()
    ...         watch.step(loss)
    >>> round(watch.looks[-1].sharpness, 4), round(watch.looks[-1].edge, 4)
    (2.5, 38.0)
    """

    def __init__(
        self,
        model: nn.Module,
        optimizer: torch.optim.Optimizer,
        loss_fn: Callable[..., Any] | None = None,
        *,
        probe: Any = None,
        forward: Callable[[nn.Module, Any], Any] | None = None,
        size_of: Callable[[Any], int] | None = None,
        batch_size: int | None = None,
        mode: str | None = None,
        budget: float = 0.03,
        every: int | None = None,
        expect: float | None = None,
        scaler: Any = None,
        log: Any = None,
        say: Callable[[str], Any] | bool | None = None,
        average: bool = True,
        layers: bool = False,
        seed: int = 0,
    ) -> None:
        checked(model, optimizer, scaler, batch_size)
        self.model, self.optimizer, self.scaler = unwrapped(model, compiled=False), optimizer, scaler
        self.params = trainable(self.model)
        self.pace = Pace(budget, every)
        with self.pace.charged():
            group = assembled(model, None, "inertia.torch.Watch")
            self._together = Together(group)
            self.probe = self._together.guarded(
                lambda: Probe(self.model, loss_fn, forward, probe, size_of, mode, seed, self.pace.clock, batch_size, group)
            )
        self._look = Looking(self.model, self.params, optimizer, self.probe, self.pace, seed, self._together)
        about = {"optimizer": type(optimizer).__name__, "parameters": sum(p.numel() for p in self.params), "framework": "torch"}
        about |= {"processes": group.size} if group is not None else {}
        words = {"log": log, "say": say, "expect": expect, "about": about, "speaks": self._together.leads}
        self.monitor = self._together.guarded(lambda: Monitor(pace=self.pace, **words))
        self.steps = self.monitor.begin = self._together.agreed(self.monitor.begin)
        self.monitor.history.facts |= {"plain": plain(optimizer), "adaptive": adaptive(optimizer), "batch": self.probe.batch}
        self._average = Average(self.params, self.pace, average and self._together.leads)
        self._close = layers
        self._scale: float | None = None if scaler is None else scaler.get_scale()
        self._before: list[torch.Tensor] | None = None  # parameters before a step that is looked at
        self._buffers: Buffers | None = None
        self._looking, self._asked = True, False
        self._stepped = 0  # steps of the optimizer since the last call of `step`
        self._at = _Times(self.steps)
        self._hooks = [
            optimizer.register_step_pre_hook(self._on_before),
            optimizer.register_step_post_hook(self._on_after),
            register_optimizer_step_post_hook(self._on_other),
        ]

    def step(self, loss: Any = None) -> None:
        """Call once after each step. Called without a step of the optimizer in between, it counts one that the scaler left out.

        Args:
            loss: of the step, before it: a number or a tensor of one, which is read later, so that no device waits. None where none is
                known. Where gradients are accumulated over several calls, that of the last one is kept.

        Raises:
            BadInput: what is not one number.
        """
        begun = self.pace.clock()
        stepped, self._stepped = self._stepped, 0
        if not stepped:
            self._idle()
        elif loss is not None:
            held = loss_of(loss)
            lost = isinstance(held, float) and not isfinite(held)
            self.monitor.loss(self.steps, held, now=lost)
            if lost:
                self.monitor.judge(cheap=True)
        self.pace.spent += self.pace.clock() - begun

    def report(self, loss: float) -> None:
        """A loss that was averaged over steps, where a trainer tells no others.

        Args:
            loss: the mean; it is kept as that of the last step made.
        """
        with self.pace.charged():
            self.monitor.loss(self.steps, float(loss), now=True)
            self.monitor.write_losses()
            self.monitor.judge(cheap=True)

    def look_closely(self) -> None:
        """Look at the next step, whatever it costs, and at each layer alone: `looks[-1].layers` and `.updates` then hold
        the sharpness of each and the length of its update over that of its weights.

        Of several processes that of rank 0 is listened to, within 24 steps.
        """
        self._asked = True
        if self._together.group is None:
            self._at.look = self.steps

    def close(self) -> None:
        """Take the hooks off and finish the log; a second call does nothing."""
        if self._hooks:
            for hook in self._hooks:
                hook.remove()
            self._hooks = []
            self.monitor.close(self._look.plan.costs if self.pace.every is None else None)

    def _forget(self) -> None:
        self._look.forget()
        self._average.forget()
        self._before, self._buffers, self._at = None, None, _Times(self.steps)

    def _idle(self) -> None:
        """No step since the last call: the scaler has just left one out (it lowers its scale then), or gradients are gathered."""
        history = self.monitor.history
        if self.scaler is not None:
            scale = self.scaler.get_scale()
            if self._scale is not None and scale < self._scale:
                history.skipped.append(self.steps)
            self._scale = scale
        history.idle += 1
        if history.idle % FURTHEST == 0:
            self.monitor.judge(cheap=True)

    def _on_before(self, optimizer: torch.optim.Optimizer, args: Any, kwargs: Any) -> None:
        if self.steps < self._at.look or not self._looking:
            return
        with self.pace.charged():
            self.pace.steps = self.steps
            wait = self._together.agreed(self._wait())
            self._at.look = self.steps + wait
            if not wait:
                self._before = [p.detach().clone() for p in self.params]

    def _on_after(self, optimizer: torch.optim.Optimizer, args: Any, kwargs: Any) -> None:
        begun = self.pace.clock()
        self.steps += 1
        self._stepped += 1
        if self.steps < self._at.next and self._before is None:
            self.pace.spent += self.pace.clock() - begun
            return
        with self.pace.charged():
            self.pace.steps = self.steps
            self.monitor.history.stepped(self.steps, [rate_here(group) for group in optimizer.param_groups])
            if self.steps >= self._at.average:
                self._at.average = self.steps + self._average.add()
            if self.steps >= self._at.read:
                self._read()
                self._at.judge = self.steps
            if self._before is not None:
                before, self._before = self._before, None
                self._guarded(before)
            if self.steps >= self._at.judge:
                self.monitor.judge(cheap=True)
                self._at.judge = self.steps + FURTHEST
            self._at.wake(self.steps)

    def _on_other(self, optimizer: torch.optim.Optimizer, args: Any, kwargs: Any) -> None:
        """Another optimizer has stepped: these parameters?"""
        if optimizer is self.optimizer or "foreign" in self.monitor.history.facts:
            return
        with self.pace.charged():
            if replaces(optimizer, self.optimizer, self.params):
                self.monitor.history.facts["foreign"] = type(optimizer).__name__
                self.monitor.judge(cheap=True)

    def _wait(self) -> int:
        """Steps until this is to be asked again; 0: the step that begins now is looked at."""
        every = self.pace.every
        if self._asked or (every is not None and self.steps == self.monitor.begin):
            return 0
        if every is not None:
            return min(-self.steps % every, FURTHEST)
        return self._look.plan.wait() if self.steps > self.monitor.begin else 1

    def _read(self) -> None:
        """Compare the buffers with those after the last step, where they were kept; keep them where the time has come."""
        if not self._together.leads:  # they hold the same in every process
            self._at.read = self.steps + FURTHEST
            return
        if self._buffers is not None:
            before, self._buffers = self._buffers, None
            if before.step == self.steps - 1:
                with self.pace.charged("reading"):
                    self.monitor.readings(read(self.optimizer, before, self.steps))
            self._at.readings += 1
        free = self._at.readings < 2  # what is wrong from the start is named at once, whatever it costs
        rest = max(min(self.pace.every or 2, FURTHEST), 2)
        since, wait = self.pace.since("reading"), self.pace.wait("reading", SHARE)
        if self._at.readings == 0 or (free and since >= FURTHEST) or (wait == 0 and since >= rest):
            with self.pace.charged("reading"):
                self._buffers = remembered(self.optimizer, self.steps)
            self._at.read = self.steps + 1
        else:
            self._at.read = self.steps + max(min(wait, FURTHEST - since) if free else wait, rest - since, 1)

    def _guarded(self, before: list[torch.Tensor]) -> None:
        """One look with the parameters as they were before the step, and those after it back at the end."""
        after = [p.detach().clone() for p in self.params]
        asked, self._asked = self._together.agreed(self._asked), False
        mean = self._average.weights

        def work() -> Look:
            free = self.pace.every is not None or asked
            held = self._together.mean(mean, after)
            return self._look.look(before, after, held, self.steps, free, self._close or asked)

        try:
            with quiet():
                self._looking = self.monitor.attempt(lambda: self._together.guarded(work))
        finally:
            put(self.params, after)
        self.monitor.history.facts["no edge"] = self._look.why
        self._at.look = self.steps


class _Times:
    """The steps before which nothing needs to be done."""

    def __init__(self, step: int) -> None:
        self.look = step  # asked before the step, the others after it
        self.read = self.average = self.judge = self.next = step + 1
        self.readings = 0

    def wake(self, step: int) -> None:
        """Sleep until the next of them."""
        self.next = min(self.read, self.average, self.judge)

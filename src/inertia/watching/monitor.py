"""A watched run from the framework-free side: takes losses, readings and looks, tells what follows, and writes everything down."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Mapping
from math import isfinite
from typing import Any, TypeVar

import numpy as np

from ..core.arrays import single
from ..errors import BadInput
from ..version import __version__
from .history import History
from .journal import Journal, Told
from .loggers import Sink, sink_of
from .messages import CHEAP, RULES, Finding
from .pacing import Pace
from .quantities import Look, Reading

__all__ = ["Monitor"]

T = TypeVar("T")

_FLUSH = 64  # losses to a line of the log
_FRESH = 2.0  # seconds after which losses are read and written however few they are: who follows a run of slow steps waits no longer
_AT_ONCE = 32  # losses that may wait on the device before they are read: below the 50 steps within which a fault is named


class Monitor:
    """What `inertia.torch.Watch` and `inertia.jax.Watch` share.

    Args:
        log: a file name, a logger (see `sink_of`), or a list of these.
        say: a function of one line, for every message; None prints on stderr; False says nothing.
        expect: momentum that the optimizer is expected to have.
        speaks: whether this process writes and says anything (rank 0 of several).

    Raises:
        BadInput: a momentum that none can be, a log that cannot be written to, a `say` that cannot be called.
    """

    def __init__(
        self, *, pace: Pace, log: Any = None, say: Callable[[str], Any] | bool | None = None, expect: float | None = None,
        about: Mapping[str, Any] | None = None, speaks: bool = True,
    ) -> None:  # fmt: skip
        if expect is not None and not 0 <= single(expect, "expect") < 1:
            raise BadInput(f"expect = {expect:g} is outside [0, 1): it is the momentum that the optimizer should have, such as 0.9")
        if not (say is None or isinstance(say, bool) or callable(say)):
            raise BadInput(f"say = {say!r} cannot be told anything: give a function of one line, False for silence, or None for stderr")
        self.pace, self.history = pace, History(expect=expect)
        self._say: Callable[[str], Any] | None = None if say is False or not speaks else say if callable(say) else _stderr
        self.journal: Journal | None = None
        self.sinks: list[Sink] = []
        for place in _listed(log) if speaks else ():
            if isinstance(place, str | os.PathLike):
                self.journal = Journal(place)
            else:
                self.sinks.append(sink_of(place))
        self._closed = False
        self.active: dict[str, Told] = {}
        self.told: list[Told] = []
        self._pending: list[tuple[int, Any]] = []  # losses that may still be on their way
        self._unwritten: list[tuple[int, float]] = []
        self._settled = self._written = pace.clock()
        self.begin = self._begin(dict(about or {}) | {"version": __version__, "budget": pace.budget, "expect": expect})

    def _begin(self, about: dict[str, Any]) -> int:
        """The step to go on from: that of the log, where it is continued."""
        if self.journal is None:
            return 0
        before = self.journal.before
        if before.steps == 0 and not before.about:
            self.journal.write("start", **about)
            return 0
        self.resume(before.steps)
        return before.steps

    def resume(self, step: int) -> None:
        """Go on from a step: what the log holds beyond it is superseded, what was true there is not told again."""
        self.active, self.told = {}, []
        if self.journal is not None:
            self.journal.write("resume", step=step)
            before = self.journal.before
            before.take({"kind": "resume", "step": step})
            self.told = list(before.messages)
            self.active = {told.name: told for told in before.active}
            self.history.resume(before)
        self.history.step = self.pace.steps = step
        self.pace.last = {}

    def loss(self, step: int, value: Any, now: bool = False) -> None:
        """A step's loss: a number, or something that float() turns into one later."""
        if now and not self._pending:
            self._taken(step, float(value))
            return
        self._pending.append((step, value))
        if now or len(self._pending) >= _AT_ONCE:
            self.settle()
        elif self.pace.clock() - self._settled > _FRESH:
            self.settle(keep=1)  # the newest may still be computed

    def _taken(self, step: int, number: float) -> None:
        self.history.lost(step, number)
        if self.journal is not None:
            self._unwritten.append((step, number))
            if len(self._unwritten) >= _FLUSH or not isfinite(number) or self.pace.clock() - self._written > _FRESH:
                self.write_losses()

    def settle(self, keep: int = 0) -> None:
        """Read the losses that are waiting, but for the newest so many."""
        split = len(self._pending) - keep
        pending, self._pending = self._pending[:split], self._pending[split:]
        self._settled = self.pace.clock()
        for step, value in pending:
            self._taken(step, float(value))

    def write_losses(self) -> None:
        """The losses since the last line of them."""
        runs: list[list[tuple[int, float]]] = []
        for entry in self._unwritten:
            if runs and entry[0] == runs[-1][-1][0] + 1:
                runs[-1].append(entry)
            else:
                runs.append([entry])
        self._unwritten = []
        self._written = self.pace.clock()
        if self.journal is not None:
            for run in runs:
                self.journal.write("losses", step=run[0][0], values=[value for _, value in run])

    def readings(self, found: list[Reading]) -> None:
        """What the buffers held."""
        self.history.read(found)
        for reading in found:
            if self.journal is not None:
                self.journal.write("reading", **vars(reading))
        if found:
            many = len({reading.group for reading in self.history.readings}) > 1
            numbers: dict[str, float | None] = {}
            for reading in found:
                end = f"/group{reading.group}" if many else ""
                numbers |= {
                    f"learning_rate{end}": reading.learning_rate, f"momentum{end}": reading.held,
                    f"update_of_weight{end}": reading.update_of_weight,
                    f"step_length{end}": reading.step_length, f"velocity_of_gradient{end}": reading.velocity_of_gradient,
                    f"cosine{end}": reading.cosine,
                }  # fmt: skip
            self._send(numbers, found[0].step)

    def look(self, found: Look) -> None:
        """What a look found."""
        self.history.look(found)
        if self.journal is not None:
            self.write_losses()
            self.journal.write("look", **vars(found))
        numbers: dict[str, float | None] = {
            "sharpness": found.sharpness, "sharpness_bar": found.bar, "edge": found.edge, "sharpness_of_edge": found.of_edge,
            "curvature_along_gradient": found.along_gradient, "probe_loss": found.loss,
        }  # fmt: skip
        if found.taken is not None:
            numbers["step_of_best"] = found.taken.of_best
        if found.noise is not None:
            numbers |= {"noise_trace": found.noise.trace, "critical_batch": found.noise.critical_batch}
        self._send(numbers, found.step)

    def attempt(self, look: Callable[[], Look]) -> bool:
        """Take a look and ask every rule; whatever goes wrong is told, and the run goes on. False: another try would be no use."""
        with self.pace.charged("look"):
            found, again = self.tried(look)
            if found is not None:
                self.settle()
                self.look(found)
            self.judge()
        return again

    def tried(self, work: Callable[[], T]) -> tuple[T | None, bool]:
        """What came of it (None: nothing, and a message says why), and whether another try may do better."""
        facts = self.history.facts
        try:
            found = work()
        except BadInput as error:
            facts["blind"] = str(error)
            return None, True
        except Exception as error:  # a watch never stops a run; what it could not do is a message
            facts["blind"] = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
            return None, False
        facts.pop("blind", None)
        return found, True

    def judge(self, cheap: bool = False) -> None:
        """Ask every rule, or those that need neither looks nor many losses, and tell what became true and what ended."""
        for name, rule in RULES.items():
            if cheap and name not in CHEAP:
                continue
            finding = rule(self.history)
            if finding.holds is None:
                continue
            if finding.holds and name not in self.active:
                self._tell(name, finding)
            elif not finding.holds and name in self.active:
                self._ended(name, finding)

    def _tell(self, name: str, finding: Finding) -> None:
        step = self.history.step
        told = Told(name, finding.words, step)
        self.active[name] = told
        self.told.append(told)
        if self.journal is not None:
            self.journal.write("message", name=name, began=step, words=finding.words)
        self._out(step, finding.words)

    def _ended(self, name: str, finding: Finding) -> None:
        step, told = self.history.step, self.active.pop(name)
        self.told[self.told.index(told)] = Told(name, told.words, told.began, step)
        words = finding.words or f"no longer true: {told.words}"
        if self.journal is not None:
            self.journal.write("message", name=name, ended=step, words=words)
        self._out(step, words)

    def _unearned(self, price: float) -> Finding:
        steps, pace = self.history.step - self.begin, self.pace
        return Finding(
            True,
            f"Curvature was not looked at: {steps} steps in {pace.training:.2g} s earn {pace.budget * pace.training:.2g} s at "
            f"budget={pace.budget:g}; {pace.spent:.2g} s are spent, and a look takes about {price:.2g} s. "
            f"Give every={max(steps // 10, 1)} in a run as short as this, or a larger budget.",
        )

    def _out(self, step: int, words: str) -> None:
        if self._say is not None:
            self._say(f"step {step}: {words}")
        for sink in self.sinks:
            sink({}, words, step)

    def _send(self, numbers: Mapping[str, float | None], step: int) -> None:
        finite = {name: float(value) for name, value in numbers.items() if value is not None and np.isfinite(value)}
        for sink in self.sinks:
            sink(finite, "", step)

    def close(self, price: float | None = None) -> None:
        """The end of the run: whatever waits is written, and that no look was earned where one takes `price` seconds.

        A second call does nothing.
        """
        if self._closed:
            return
        self._closed = True
        self.settle()
        self.judge()
        if price is not None and not self.history.looks and "blind" not in self.history.facts and self.history.step > self.begin:
            self._tell("no look", self._unearned(price))
        self.write_losses()
        if self.journal is not None:
            self.journal.write("end", step=self.history.step, spent=self.pace.spent, training=self.pace.training)
            self.journal.close()


def _listed(log: Any) -> Iterable[Any]:
    return () if log is None else log if isinstance(log, list | tuple) else (log,)


def _stderr(line: str) -> None:
    print(f"inertia watch: {line}", file=sys.stderr)

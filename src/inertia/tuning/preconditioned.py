"""What an optimizer with its real state meets: the spectrum in the metric of its denominator, its edge, and the step along its update.

Adam and its kin are momentum in a metric P (see inertia.theory.adaptive): the curvatures here are the eigenvalues of P^(-1) H, and the
largest that survives is `edge`. Methods that are not linear (sign methods, orthogonalised ones) have no such spectrum; the best learning
rate along the update that they really make, `step.best`, exists for every optimizer.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..core.method import Method
from ..core.spectrum import Spectrum
from ..errors import BadInput
from ..measurement.steplength import StepLength, step_length
from ..theory.adaptive import decayed_edge
from .reasons import figure

__all__ = ["NATURES", "WALK", "InMetric", "Preconditioned", "Running", "enough", "preconditioned", "without_metric"]

WALK = 32  # steps on a copy of a state that has none: sqrt of a mean of k squares is known to 1/sqrt(2 k), here an eighth
NATURES = {
    "sign": "{} moves every parameter by the sign of an average, so it is not linear in the gradient and has no metric or stability limit",
    "whole tensors": "{} normalises or orthogonalises whole tensors, so it has no diagonal metric and no stability limit of a curvature",
}
"""Why an optimizer has no metric, by what is known of it (see inertia.optimizers.identification)."""


@dataclass(frozen=True)
class Running:
    """An optimizer in the middle of its work, as its next step will be; the learning rate is that of the first group."""

    name: str
    learning_rate: float
    method: Method | None  # in the metric; None where the optimizer is not linear
    shrink: float = 0.0  # largest share of the parameters that a step takes off (decoupled decay)
    coupled: float = 0.0  # largest weight decay that is part of the gradient; it is part of the curvatures here
    steps: int = 0  # taken so far, those of a walk included
    walked: int = 0  # of them, on a copy, because the state had not stepped yet
    groups: tuple[Mapping[str, Any], ...] = ()  # settings of each parameter group, and how many numbers it holds


@dataclass(frozen=True, eq=False)
class InMetric:
    """An optimizer as it will step next: a Method in the metric P (its denominator, held still), and how it shrinks the parameters.

    Where parameters have other learning rates (groups, or a later start), their part of P is divided by the ratio to the first one's, so
    that one learning rate speaks for all.
    """

    name: str  # class of the optimizer
    learning_rate: float  # of the first group, in the next step
    method: Method
    root: Any  # (n,) P^(-1/2), flat, in the order of the parameters asked for
    shrink: float  # share of the parameters taken off at each step by decoupled decay: the largest over the groups
    penalty: Any  # (n,) weight decay that is part of the gradient; None without any
    steps: int  # taken so far
    groups: tuple[Mapping[str, Any], ...]  # settings of each group
    untouched: int = 0  # parameters that no step has moved yet, beside others that have been

    @property
    def metric(self) -> Any:
        """P itself, (n,)."""
        return self.root**-2

    @property
    def coupled(self) -> float:
        """The largest weight decay that is part of the gradient."""
        return 0.0 if self.penalty is None else float(self.penalty.max())

    def running(self, walked: int) -> Running:
        """The optimizer, with how many of its steps were taken on a copy."""
        return Running(self.name, self.learning_rate, self.method, self.shrink, self.coupled, self.steps, walked, self.groups)

    def noted(self, walked: int) -> dict[str, Any]:
        """What the provenance says of the metric."""
        told = {"optimizer": self.name, "steps": self.steps, "walked": walked}
        told |= {"smallest": float(self.metric.min()), "largest": float(self.metric.max())}
        return {"metric": told | ({"untouched": self.untouched} if self.untouched else {})}


def enough(walk: Any) -> None:
    """Refuse a walk of no steps.

    Raises:
        BadInput: fewer than 1.
    """
    if isinstance(walk, bool) or walk < 1:
        raise BadInput(f"walk = {walk} is too few: a state that has not stepped needs at least 1 step on a copy, {WALK} is usual")


_NOBODY = Running("", math.nan, None)
_NOWHERE = StepLength(math.nan, math.nan, math.nan, math.nan, 0)


@dataclass(frozen=True, eq=False)
class Preconditioned(Spectrum):
    """A Spectrum in an optimizer's metric (without unit but 1/learning rate), with its edge and the step along its update.

    Without a metric (`reason` says why) there are no curvatures; `step` is still there.
    """

    optimizer: Running = _NOBODY
    step: StepLength = _NOWHERE
    reason: str = ""  # why there is no metric; "" where there is one

    @property
    def edge(self) -> float:
        """Largest preconditioned curvature that the optimizer survives: (2 - shrink)(1 + beta)/(alpha (1 + 2 gamma)).

        Raises:
            BadInput: an optimizer without a metric.
        """
        if self.optimizer.method is None:
            raise BadInput(self.reason)
        return float(decayed_edge(self.optimizer.method, self.optimizer.shrink))

    @property
    def L(self) -> float:
        """Largest preconditioned curvature.

        Raises:
            BadInput: an optimizer without a metric.
        """
        if self.reason:
            raise BadInput(self.reason)
        return float(self.curvatures[-1])

    @property
    def mu(self) -> float:
        """Smallest preconditioned curvature.

        Raises:
            BadInput: an optimizer without a metric.
        """
        if self.reason:
            raise BadInput(self.reason)
        return float(self.curvatures[0])

    @property
    def room(self) -> float:
        """How many times the learning rate may grow before the upper bar of the largest curvature is at the edge; below 1: beyond it."""
        edge = self.edge
        return edge / self.upper if self.upper > 0 else math.inf

    @property
    def ratio(self) -> float:
        """The learning rate over the best one along the update, eta/eta*; above 2 the loss rises, to second order."""
        return self.optimizer.learning_rate / self.step.best if self.step.best > 0 else math.inf

    def __str__(self) -> str:
        """What was found, in a few sentences."""
        return "\n".join(self._said())

    def _said(self) -> list[str]:
        who, lines = self.optimizer, []
        if self.reason:
            lines.append(f"{self.reason}.")
        else:
            rate, times = f"{who.name}'s learning rate {figure(who.learning_rate)}", self.room if self.room > 1 else 1 / self.room
            where = (
                f"The stability limit is {times:.3g} times {rate}" if self.room > 1 else f"{rate} is {times:.3g} times its stability limit"
            )
            lines.append(
                f"{where}: the largest preconditioned curvature is {figure(self.L)} (at most {figure(self.upper)}), and the optimizer is "
                f"stable up to {figure(self.edge)}."
            )
        lines.append(self._along())
        if who.walked:
            lines.append(f"It had not stepped this model yet: measured after {who.walked} steps on a copy.")
        if len(who.groups) > 1:
            lines += [f"group {at}: {_told(group)}" for at, group in enumerate(who.groups)]
        return lines

    def _along(self) -> str:
        best, over = self.step.best, f"over {self.step.updates} update{'s' if self.step.updates > 1 else ''}"
        if best == 0:
            return (
                f"Along its own update the loss does not fall ({over}): the noise of the batches, or old momentum, outweighs the gradient."
            )
        if math.isinf(best):
            return f"Along its own update the loss curves downward ({over}), so no step length is best there."
        bar = "" if math.isnan(self.step.error) else f" +- {self.step.error:.2g}"
        return (
            f"Along its own update ({over}) the best learning rate is {figure(best)}{bar}; the one in use is {self.ratio:.3g} times that, "
            "and beyond 2 times the loss rises."
        )

    def to_json(self) -> dict[str, Any]:
        """Plain numbers and lists: those of the Spectrum, the optimizer, its edge and the step along its update."""
        who, known = self.optimizer, not self.reason
        told = {"name": who.name, "learning_rate": who.learning_rate, "shrink": who.shrink, "coupled": who.coupled, "steps": who.steps,
                "walked": who.walked, "method": None if who.method is None else {n: float(v) for n, v in who.method._asdict().items()},
                "groups": [dict(group) for group in who.groups]}  # fmt: skip
        ratio = self.ratio if math.isfinite(self.ratio) else None
        found = super().to_json() | ({} if known else {"upper": None})
        return found | {
            "optimizer": told, "step": self.step.to_json(), "reason": self.reason or None, "edge": self.edge if known else None,
            "room": self.room if known and math.isfinite(self.room) else None, "ratio": ratio,
        }  # fmt: skip


def preconditioned(found: Spectrum, who: Running, slopes: Any, curvatures: Any) -> Preconditioned:
    """A Spectrum measured in the metric of an optimizer, with what is known of the optimizer.

    Args:
        found: of the source seen in the metric.
        who: the optimizer.
        slopes: g'u of each of its updates, at learning rate 1.
        curvatures: u'H u of each.

    >>> from inertia.core.spectrum import spectrum
    >>> from inertia.theory.adaptive import adam
    >>> seen = preconditioned(spectrum([2.0]), Running("Adam", 0.1, adam(0.1)), [1.0], [4.0])
    >>> round(seen.edge, 9), round(seen.room, 9), seen.step.best, seen.ratio
    (380.0, 190.0, 0.25, 0.4)
    """
    return Preconditioned(**vars(found), optimizer=who, step=step_length(slopes, curvatures))


def without_metric(reason: str, who: Running, slopes: Any, curvatures: Any, provenance: Mapping[str, Any]) -> Preconditioned:
    """What can be said of an optimizer that is not linear: the step along its update alone.

    >>> from inertia.errors import BadInput
    >>> found = without_metric("Lion moves by the sign", Running("Lion", 0.1, None), [1.0], [4.0], {})
    >>> found.step.best
    0.25
    """
    none = np.empty(0)
    return Preconditioned(none, none, none, none, none, math.nan, provenance, who, step_length(slopes, curvatures), reason)


def _told(group: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {value:g}" if isinstance(value, float) else f"{name} {value}" for name, value in group.items())

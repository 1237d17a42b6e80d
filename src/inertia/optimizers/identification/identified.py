"""The answer: what an optimizer is, in words and in numbers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...core.method import Method
from .metric import Metric

__all__ = ["GATHERS", "NONLINEAR", "UNTOLD", "Identified", "named", "numbers", "oriented", "scheduled"]

NONLINEAR = "not a linear momentum method"
UNTOLD = "cannot tell the method: it moves at too few steps"
GATHERS = "cannot tell the method: the number of gradients in one step changes"


@dataclass(frozen=True)
class Identified:
    """What an optimizer really is: its method (None where it is none), what is known beside, and the evidence in words."""

    verdict: str  # "heavy ball", "Nesterov", "gradient descent: no momentum", "momentum with gamma = ...", NONLINEAR, UNTOLD
    method: Method | None  # the last coefficients where they change in time (the last before a learning rate of 0)
    inside: bool | None = None  # learning rate inside the buffer; None where it never changed or there is no buffer
    weight_decay: float = 0.0  # added to the gradient, or: parameters shrink by learning rate times it
    decoupled: bool | None = None  # None where there is no decay or it cannot be told
    residual: float = 0.0  # unexplained share of the movement, 0 is perfect
    error: Method | None = None  # standard errors of the method's numbers
    lost: tuple[int, ...] = ()  # steps at which the momentum was not there, though it was before
    alphas: tuple[float, ...] = ()  # learning rate of every step from step 0 on, where it changes
    betas: tuple[float, ...] = ()  # momentum of every step from step 0 on, where it changes
    evidence: tuple[str, ...] = ()
    warnings: tuple[str, ...] = field(default=())  # what a person should act on
    name: str = ""  # of the tensor or parameter group, where there are several
    groups: tuple[Identified, ...] = ()  # one for each parameter group, where they differ
    decay_times_rate: bool | None = None  # whether decoupled decay is multiplied by the learning rate; None: cannot be told
    dampening: float = 0.0  # torch's: the first gradient enters the buffer undamped
    clip: str = ""  # "norm", "tensor norm" or "value", where gradients are clipped
    clip_bound: float | None = None
    accumulation: int = 1  # gradients averaged into one step
    metric: Metric | None = None  # Adam or one of its kin: what it is, number by number
    nature: str = ""  # of a method that is none of these: "sign", "whole tensors" (normalised, orthogonalised), "own points", or unknown

    @property
    def linear(self) -> bool:
        """Whether a member of the family explains what was seen."""
        return self.method is not None

    @property
    def scheduled(self) -> bool:
        """Whether the learning rate changed while it was looked at."""
        return bool(self.alphas)

    def __str__(self) -> str:
        """A few lines for people."""
        lines = [f"{self.name}: {self.verdict}" if self.name else self.verdict]
        if self.method is not None and not self.groups:
            numbers = ", ".join(f"{name} = {value:.6g}" for name, value in self.method._asdict().items() if name != "delta")
            lines.append(f"  {numbers} (learning rate, momentum, look-ahead)")
        lines += [f"  {text}" for text in self.evidence] + [f"  warning: {text}" for text in self.warnings]
        for group in self.groups:
            lines += [f"  {line}" for line in str(group).splitlines()]
        return "\n".join(lines)

    def to_json(self) -> dict[str, Any]:
        """Plain numbers, strings and lists."""
        numbers = {key: None if value is None else {n: float(v) for n, v in value._asdict().items()} for key, value in
                   (("method", self.method), ("error", self.error))}  # fmt: skip
        return {
            "verdict": self.verdict, "linear": self.linear, **numbers, "inside": self.inside, "weight_decay": self.weight_decay,
            "decoupled": self.decoupled, "decay_times_rate": self.decay_times_rate, "dampening": self.dampening, "clip": self.clip,
            "clip_bound": self.clip_bound, "accumulation": self.accumulation, "residual": self.residual, "lost": list(self.lost),
            "alphas": list(self.alphas), "betas": list(self.betas), "evidence": list(self.evidence), "warnings": list(self.warnings),
            "adaptive": None if self.metric is None else _plain(self.metric),
            "name": self.name, "groups": [group.to_json() for group in self.groups],
        }  # fmt: skip


def _plain(metric: Metric) -> dict[str, Any]:
    """A metric's numbers by name; its rates are `alphas` where they change."""
    held = {key: value for key, value in vars(metric).items() if key != "rates"}
    rate = float(metric.rates[-1])
    return {"learning_rate": rate, **{k: v if v is None or isinstance(v, str | bool) else float(v) for k, v in held.items()}}


def oriented(alpha: NDArray[np.float64], slack: float) -> tuple[NDArray[np.float64], list[str]]:
    """The rates as people set them, positive where it first moves, and what is to be said of their sign.

    >>> oriented(np.array([0.0, -0.2, -0.1]), 1e-9)[0].tolist()
    [0.0, 0.2, 0.1]
    """
    seen = np.flatnonzero(np.abs(alpha) > slack * np.abs(alpha).max())
    rates = alpha * (np.sign(alpha[seen[0]]) if seen.size else 1.0) + 0.0
    upward = ["it moves up the gradient: it maximizes (or the gradient's sign is wrong)"] if seen.size and alpha[seen[0]] < 0 else []
    turned = np.flatnonzero(rates < -max(slack, 1e-6) * np.abs(rates).max())  # a schedule that ends at 0 may round below it
    if turned.size:
        upward.append(f"the learning rate changes its sign at step {turned[0]}, so that it moves the other way ({turned.size} steps)")
    return rates, upward


def named(method: Method, error: Method | None = None, tolerance: float = 1e-6) -> str:
    """The method's name, numbers closer than their error taken as equal.

    >>> named(Method(0.1, 0.9, 0.9)), named(Method(0.1))
    ('Nesterov', 'gradient descent: no momentum')
    """
    slack = max(tolerance, *(4 * abs(value) for value in error[1:3])) if error is not None else tolerance
    if abs(method.beta) <= slack and abs(method.gamma) <= slack:
        return "gradient descent: no momentum"
    if abs(method.gamma) <= slack:
        return "heavy ball"
    if abs(method.gamma - method.beta) <= slack:
        return "Nesterov"
    return f"momentum with gamma = {method.gamma:.4g}"


def numbers(method: Method) -> str:
    """Its coefficients in a user's words.

    >>> numbers(Method(0.1, 0.9))
    'learning rate 0.1, momentum 0.9, gamma 0'
    """
    return f"learning rate {method.alpha:.4g}, momentum {method.beta:.4g}, gamma {method.gamma:.4g}"


def scheduled(method: Method, betas: tuple[float, ...] = (), tolerance: float = 1e-6) -> str:
    """The same in a user's words, for a learning rate that changes.

    >>> scheduled(Method(0.1, 0.9)), scheduled(Method(0.1))
    ('SGD, momentum 0.9, under a schedule', 'SGD, no momentum, under a schedule')
    """
    kind = named(method, tolerance=tolerance)
    if kind.startswith("gradient"):
        return "SGD, no momentum, under a schedule"
    number = f"momentum {min(betas):.4g} to {max(betas):.4g}" if betas else f"momentum {method.beta:.6g}"
    look = {"heavy ball": "", "Nesterov": " (Nesterov)"}.get(kind, f" (look-ahead gamma = {method.gamma:.4g})")
    return f"SGD, {number}{look}, under a schedule"

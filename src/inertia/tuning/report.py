"""A tuning as data: the recommendation in three frameworks' words, the verdict, and everything it rests on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.method import Method
from ..core.record import Record
from ..core.spectrum import Spectrum
from .search import diverged

__all__ = ["Curves", "Tuning", "keras_note", "lines", "words"]

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Curves:
    """Arrays for pictures; losses that diverge are inf."""

    alphas: Array  # (A,)
    families: tuple[tuple[float, bool], ...]  # (F) momentum, Nesterov
    loss_by_alpha: Array  # (F, A) predicted final loss
    betas: Array  # (B,)
    loss_by_beta: Array  # (B,) predicted final loss at alpha/(1 - beta) = scale
    scale: float
    predicted: list[tuple[NDArray[np.intp], Array]]  # per run: steps, predicted full loss
    actual: list[tuple[NDArray[np.intp], Array]]  # per run: steps, full loss

    def to_json(self) -> dict[str, Any]:
        """Plain lists; null where a forecast diverges."""
        return {
            "alphas": _plain(self.alphas),
            "families": [{"beta": beta, "nesterov": nesterov} for beta, nesterov in self.families],
            "loss_by_alpha": [_plain(row) for row in self.loss_by_alpha],
            "betas": _plain(self.betas),
            "loss_by_beta": _plain(self.loss_by_beta),
            "scale": self.scale,
            "predicted": [{"steps": steps.tolist(), "loss": _plain(loss)} for steps, loss in self.predicted],
            "actual": [{"steps": steps.tolist(), "loss": _plain(loss)} for steps, loss in self.actual],
        }


@dataclass(frozen=True, eq=False)
class Tuning:
    """What was measured, predicted, run and recommended, for one task on one budget."""

    task: str
    steps: int
    batch_size: int | None
    schedule: str
    seed: int
    regime: str  # noise-limited or curvature-limited
    verdict: str  # the regime as a sentence with numbers
    method: Method  # recommended: measured, then verified
    predicted_loss: float  # forecast of the recommended run before it was made
    verified_loss: float  # what the recommended run ended at
    margin: str  # what is known about larger learning rates, in words
    runs: list[Record]  # in the order in which they were made
    best: int  # index of the recommended run
    cost_in_runs: float  # everything spent, verification and measurement, in runs of this length
    measurement: Mapping[str, Any]  # plain numbers
    spectrum: Spectrum  # what the forecast was made for
    curves: Curves
    notes: list[str] = field(default_factory=list)  # sentences the reader should see
    version: str = ""
    branch: str = "quadratic"  # how it was tuned: quadratic or network
    extras: Mapping[str, Any] = field(default_factory=dict)  # warm-up, weight decay, clipping, where there are any
    judged_by: str = "training loss"

    def to_json(self) -> dict[str, Any]:
        """The answer as plain numbers, lists and words; infinities are null."""
        alpha, beta, gamma, _ = (float(value) for value in self.method)
        return {
            "task": self.task,
            "steps": self.steps,
            "batch_size": self.batch_size,
            "schedule": self.schedule,
            "regime": self.regime,
            "verdict": self.verdict,
            "recommendation": {"alpha": alpha, "beta": beta, "gamma": gamma}
            | words(self.method)
            | {"lines": lines(self.method, self.schedule, self.steps, self.extras), "keras_note": keras_note(self.schedule)},
            "predicted_loss": _number(self.predicted_loss),
            "verified_loss": _number(self.verified_loss),
            "margin": self.margin,
            "runs": [_run(record) for record in self.runs],
            "best_run": self.best,
            "cost_in_runs": self.cost_in_runs,
            "measurement": dict(self.measurement),
            "seed": self.seed,
            "notes": list(self.notes),
            "spectrum": self.spectrum.to_json(),
            "curves": self.curves.to_json(),
            "version": self.version,
            "branch": self.branch,
            "extras": dict(self.extras),
            "judged_by": self.judged_by,
        }


def words(method: Method) -> dict[str, dict[str, Any]]:
    """The arguments of torch.optim.SGD, optax.sgd and keras.optimizers.SGD for a heavy-ball or Nesterov method.

    >>> words(Method(0.1, beta=0.9, gamma=0.9))["torch"]
    {'lr': 0.1, 'momentum': 0.9, 'nesterov': True}
    """
    alpha, momentum, nesterov = float(method.alpha), float(method.beta), bool(method.gamma)
    rest = {"momentum": momentum, "nesterov": nesterov}
    return {"torch": {"lr": alpha} | rest, "optax": {"learning_rate": alpha} | rest, "keras": {"learning_rate": alpha} | rest}


def lines(method: Method, schedule: str, steps: int, extras: Mapping[str, Any] | None = None) -> dict[str, str]:
    """The same as lines to copy, with schedule, warm-up, weight decay and clipping (`extras`).

    >>> print(lines(Method(0.1, beta=0.9), "linear", 500)["optax"])
    optax.sgd(optax.linear_schedule(0.1, 0.0, 500), momentum=0.9, nesterov=False)
    """
    added = extras or {}
    warm, decay, clip = int(added.get("warmup", 0)), float(added.get("weight_decay", 0.0)), added.get("clip")
    a, rest, shape = (
        float(method.alpha),
        f"momentum={float(method.beta)!r}, nesterov={bool(method.gamma)}",
        schedule.removeprefix("warmup-"),
    )
    factor = {
        "constant": "1.0",
        "linear": f"max(0.0, 1 - step / {steps})",
        "cosine": f"(0.5 + 0.5 * math.cos(math.pi * min(step / {steps}, 1.0)))",
    }.get(shape, "your_schedule(step)")
    ready = {
        "constant": (repr(a), repr(a)),
        "linear": (f"optax.linear_schedule({a!r}, 0.0, {steps})", f"PolynomialDecay({a!r}, {steps}, 0.0)"),
        "cosine": (f"optax.cosine_decay_schedule({a!r}, {steps})", f"CosineDecay({a!r}, {steps})"),
    }
    if warm:
        factor = f"min(1.0, (step + 1) / {warm}) * {factor}"
    if shape in ready and not warm:
        optax_rate, keras_rate = ready[shape]
        keras_rate = keras_rate if shape == "constant" else "keras.optimizers.schedules." + keras_rate
    else:
        inside = factor.replace("max(", "jnp.maximum(").replace("min(", "jnp.minimum(").replace("math.", "jnp.")
        optax_rate, keras_rate = f"lambda step: {a!r} * {inside}", f"{a!r}"
    torch = f"optimizer = torch.optim.SGD(model.parameters(), lr={a!r}, {rest}{f', weight_decay={decay!r}' if decay else ''})"
    if shape != "constant" or warm:
        torch += f"; scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: {factor})"
    if clip:
        torch += f"; torch.nn.utils.clip_grad_norm_(model.parameters(), {clip!r})  # before every optimizer.step()"
    optax = f"optax.sgd({optax_rate}, {rest})"
    if clip or decay:
        first = [f"optax.clip_by_global_norm({clip!r})"] * bool(clip) + [f"optax.add_decayed_weights({decay!r})"] * bool(decay)
        optax = f"optax.chain({', '.join([*first, optax])})"
    keras = f"keras.optimizers.SGD({keras_rate}, {rest}{f', global_clipnorm={clip!r}' if clip else ''})"
    return {"torch": torch, "optax": optax, "keras": keras}


def keras_note(schedule: str) -> str:
    """What differs in Keras, whose velocity holds the learning rate inside; nothing while it is constant.

    >>> keras_note("constant")
    ''
    """
    if schedule == "constant":
        return ""
    if schedule not in ("linear", "cosine"):
        return (
            f"Keras has no ready schedule for {schedule}: write a keras.optimizers.schedules.LearningRateSchedule with the factor of the "
            "torch line; the learning rate named is the peak"
        )
    return (
        f"Keras keeps the learning rate inside its velocity (v = momentum v - lr g), torch and optax outside: under a {schedule} schedule "
        "that is a different algorithm, in which old gradients keep the larger learning rate of their own step"
    )


def steps_of(record: Record) -> NDArray[np.intp]:
    """The step numbers at which a record's losses were read."""
    return np.asarray(record.notes.get("loss_steps", range(len(record.losses))), dtype=np.intp)


def _run(record: Record) -> dict[str, Any]:
    alpha, beta, gamma, _ = (float(value) for value in record.method)
    final = float(record.losses[-1]) if record.diverged_at is None else float("inf")
    return {
        "alpha": alpha, "beta": beta, "gamma": gamma, "steps": record.steps, "loss": _number(final),
        "diverged": diverged(record), "diverged_at": record.diverged_at, "gradients": record.gradients, "seed": record.seed,
    }  # fmt: skip


def _plain(array: Array) -> list[float | None]:
    return [_number(float(value)) for value in array]


def _number(value: float) -> float | None:
    """A float that JSON can hold: null where it is not finite."""
    return value if np.isfinite(value) else None

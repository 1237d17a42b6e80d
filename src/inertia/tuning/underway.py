"""A job as AdamW meets it after a short walk at the setting in use: the spectrum in its metric, its edge, the step along its update.

The walk is taken through the job's own source, so it is the same for every framework; nothing is trained to the end and nothing is kept.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import BadInput, Diverged
from ..measurement.model import Plan, Source, measure_source
from ..measurement.rescaled import Rescaled
from ..measurement.steplength import along
from .budget import Budget
from .effort import effort
from .preconditioned import Preconditioned, Running, preconditioned
from .recipe import Recipe
from .trainable import Sample, Trainable

__all__ = ["Setting", "setting_of", "under_adamw"]

SHORTEST, LONGEST = 32, 256  # steps of the walk, a sixteenth of the run between them: sqrt(v) is then known to an eighth or better
UPDATES = 8


@dataclass(frozen=True)
class Setting:
    """A recipe in use, with what else AdamW has.

    Raises:
        BadInput: beta2 outside [0, 1), eps that is negative or not finite.
    """

    recipe: Recipe
    beta2: float = 0.999
    eps: float = 1e-8

    def __post_init__(self) -> None:
        """Refuse what no run can use."""
        if not 0 <= self.beta2 < 1:
            raise BadInput(f"beta2 = {self.beta2:g} is outside [0, 1): 0.999 is usual")
        if not (math.isfinite(self.eps) and self.eps >= 0):
            raise BadInput(f"eps = {self.eps:g} is negative or not finite: 1e-8 is usual")


def setting_of(
    lr: float, momentum: float | None = None, nesterov: bool = False, optimizer: str = "sgd", betas: Any = None, eps: float = 1e-8
) -> Setting:
    """The setting that a person names.

    Args:
        lr: learning rate (its peak, under a schedule).
        momentum: of SGD (default 0), or beta1 of AdamW (default 0.9).
        nesterov: SGD in Nesterov's form.
        optimizer: "sgd" or "adamw".
        betas: AdamW's (beta1, beta2).
        eps: AdamW's.

    Raises:
        BadInput: numbers that no run can use, betas of SGD, betas beside a momentum.

    >>> setting_of(3e-4, optimizer="adamw", betas=(0.9, 0.95)).beta2
    0.95
    """
    if optimizer != "adamw" and (betas is not None or eps != 1e-8):
        raise BadInput("betas and eps are AdamW's: add optimizer='adamw', or give momentum")
    if betas is not None and momentum is not None:
        raise BadInput("betas and momentum both say beta1: give one of the two")
    if betas is not None:
        try:
            beta1, beta2 = (float(beta) for beta in betas)
        except (TypeError, ValueError):
            raise BadInput(f"betas = {betas!r}: give two numbers, (0.9, 0.999)") from None
        return Setting(Recipe(lr, beta1, nesterov, optimizer), beta2, float(eps))
    usual = 0.9 if optimizer == "adamw" else 0.0
    return Setting(Recipe(lr, usual if momentum is None else momentum, nesterov, optimizer), eps=float(eps))


def under_adamw(job: Trainable, budget: Budget, setting: Setting, *, seed: int = 0) -> Preconditioned | None:
    """What AdamW at this setting meets after a short walk from the start; None where the walk does not stay finite.

    >>> import numpy as np
    >>> from inertia.problems import valley
    >>> from inertia.tuning.numpy_door import ProblemJob
    >>> found = under_adamw(ProblemJob(valley()), Budget(40, 1, 1, np.ones(40)), setting_of(0.01, optimizer="adamw"))
    >>> round(found.edge), found.optimizer.walked
    (3800, 32)
    """
    try:
        with np.errstate(over="ignore", invalid="ignore"):
            return _walked(job, budget, setting, seed)
    except (BadInput, Diverged):  # the job itself was measured before: here the walk has left what is finite
        return None


def _walked(job: Trainable, budget: Budget, setting: Setting, seed: int) -> Preconditioned | None:
    """Walk, and measure there."""
    recipe, rate = setting.recipe, setting.recipe.learning_rate
    steps = min(max(SHORTEST, budget.steps // 16), LONGEST, budget.steps)
    wide, everything = (Sample(count, min(budget.batch_size, count), seed) for count in (effort(budget, 0, None, False).wide, job.examples))
    adam, at = _Adam(setting, budget.weight_decay), job.start(seed)
    for step in range(steps):
        with job.source(at, everything) as source:
            move = adam.step(_pull(source, budget, [seed, 5, step]), source.position())
        if not math.isfinite(float(move @ move)):
            return None
        at = job.shift(at, -rate * move)
    with job.source(at, everything) as source:
        pulls = [_pull(source, budget, [seed, 6, k]) for k in range(1 if budget.full_batch else UPDATES)]
        updates = [adam.copy().step(pull, source.position()) for pull in pulls]
    with job.source(at, wide) as source:
        loss, gradient = source.gradient()
        if not math.isfinite(loss):
            return None
        slopes, curvatures = along(source, gradient, updates)
        who = Running("AdamW", rate, recipe.method, rate * budget.weight_decay, 0.0, steps, steps)
        plan = Plan(rtol=0.02, depth=40, ends="largest", weights=False, noise=0, seed=seed)
        return preconditioned(measure_source(Rescaled(source, adam.metric**-0.5), plan), who, slopes, curvatures)


def _pull(source: Source, budget: Budget, seed: list[int]) -> Any:
    """The gradient of one batch of the budget's size."""
    if budget.full_batch:
        return source.gradient()[1]
    return next(source.mini_batches(np.random.default_rng(seed), budget.batch_size))[0]


class _Adam:
    """AdamW on flat vectors of any framework (Loshchilov and Hutter 2019, Algorithm 2)."""

    def __init__(self, setting: Setting, decay: float) -> None:
        self.beta1, self.beta2, self.eps, self.decay = setting.recipe.momentum, setting.beta2, setting.eps, decay
        self.count, self.mean, self.square = 0, 0.0, 0.0  # type: int, Any, Any

    def step(self, gradient: Any, position: Any) -> Any:
        """What is subtracted for learning rate 1."""
        self.count += 1
        self.mean = self.beta1 * self.mean + (1 - self.beta1) * gradient
        self.square = self.beta2 * self.square + (1 - self.beta2) * gradient * gradient
        return self.mean / (1 - self.beta1**self.count) / self.metric + self.decay * position

    @property
    def metric(self) -> Any:
        """sqrt(v_hat) + eps; 1 where both are 0, since nothing moves there."""
        below = (self.square / (1 - self.beta2**self.count)) ** 0.5 + self.eps
        return below + (below == 0)

    def copy(self) -> _Adam:
        """The same state; steps make new vectors."""
        made = _Adam.__new__(_Adam)
        made.__dict__.update(vars(self))
        return made

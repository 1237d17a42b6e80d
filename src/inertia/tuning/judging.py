"""What a run is judged by: its last reading, its score, and whether it trained at all."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .batches import TAIL
from .budget import Objective
from .measurement import Measurement
from .trainable import Run

__all__ = ["final", "score", "trained", "values"]

Array = NDArray[np.float64]


def values(run: Run, objective: Objective) -> Array:
    """What the run is judged by, at its marks."""
    return run.validation if objective.held_out else run.training


def final(run: Run, objective: Objective) -> float:
    """The last reading; infinite (minus infinite for a metric that is to rise) where the run diverged or failed."""
    lost = run.diverged_at is not None or run.error or not len(values(run, objective))
    return objective.sign * np.inf if lost else float(values(run, objective)[-1])


def score(run: Run, objective: Objective) -> float:
    """Mean of the last readings, so that one lucky mini-batch does not decide; smaller is better, infinite where the run was lost."""
    if not np.isfinite(final(run, objective)):
        return np.inf
    return objective.sign * float(np.mean(values(run, objective)[-TAIL:]))


def trained(run: Run, seen: Measurement, runs: tuple[Run, ...] = ()) -> bool:
    """Whether a run trained at all: it took off at least a tenth of what could be taken off.

    That is the most that any of the runs, the short ones included, took off the training loss. Without short runs it is at least
    |g|^2/(2 L), which one step of the whole gradient at 1/L takes off where the curvature stays below L on the way (the descent lemma:
    Nesterov 2004, section 1.2.3); of exp(x) it does not, so what was seen goes first. Adding a constant to the loss changes nothing.
    """
    falls = [float(one.training[0] - one.training[-1]) for one in (run, *runs) if _finished(one)]
    lemma = seen.gradient_norm**2 / (2 * seen.upper) if seen.upper > 0 and not seen.decay else 0.0
    certain = max((ladder.fall for ladder in seen.ladders), default=lemma)
    return _finished(run) and falls[0] > 0 and falls[0] >= 0.1 * max(certain, *falls)


def _finished(run: Run) -> bool:
    return run.diverged_at is None and not run.error and len(run.training) > 0

"""The learning-rate finder (Smith 2017), as fastai runs it: one sweep of growing rates, and a rule that reads its loss curve.

The rate grows from 1e-7 to 10 in 100 mini-batches, or in half a run where that is less, at momentum 0.9. The loss is smoothed
with 0.98, the sweep is cut off where it exceeds four times its least, the first tenth and the last five readings are dropped.
"""

from __future__ import annotations

import numpy as np
from jobs import SEEDS
from scores import finite
from training import Training

from inertia.method import Method

FINDER_SEEDS = (100, 101, 102)
MOMENTUM, SMOOTH = 0.9, 0.98


def smoothed(losses: np.ndarray) -> np.ndarray:
    """The running mean, corrected for its start at zero."""
    now, found = 0.0, []
    for count, loss in enumerate(losses, start=1):
        now = SMOOTH * now + (1 - SMOOTH) * loss
        found.append(now / (1 - SMOOTH**count))
    return np.array(found)


def read(rates: np.ndarray, losses: np.ndarray) -> dict[str, float]:
    """What each rule suggests: where the loss falls fastest with the logarithm of the rate, and a tenth of where it is least."""
    curve = smoothed(np.where(np.isfinite(losses), losses, np.inf))
    over = np.flatnonzero(~(curve <= 4 * np.minimum.accumulate(curve)))
    last = int(over[0]) if len(over) else len(curve)
    first = len(rates) // 10
    kept = slice(first, max(last - 5, first + 2))
    rates, curve = rates[kept], curve[kept]
    return {
        "steepest": float(rates[np.argmin(np.diff(curve) / np.diff(np.log(rates)))]),
        "minimum/10": float(rates[np.argmin(curve)]) / 10,
    }


def found(training: Training, rule: str) -> list[dict]:
    """The rate of each tuning seed, trained on the grid's seeds."""
    count = min(100, training.steps // 2)
    rates = np.geomspace(1e-7, 10, count)
    entries = []
    for seed in FINDER_SEEDS:
        rate = read(rates, training.sweep(rates, MOMENTUM, seed))[rule]
        ended = [training.methods(Method(*(np.array([field]) for field in (rate, MOMENTUM, 0.0, 0.0))), own) for own in SEEDS]
        train, held = ([finite(pair[which][0]) for pair in ended] for which in (0, 1))
        held = [] if all(loss is None for loss in held) and not training.starts()[1] else held
        entries.append({"seed": seed, "rate": rate, "train": train, "validation": held, "cost": round(1 + count / training.steps, 4)})
    return entries

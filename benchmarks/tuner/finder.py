"""The learning-rate finder (Smith 2017), as fastai runs it: one sweep of growing rates, and a rule that reads its loss curve.

The rate grows from 1e-7 to 10 in 100 mini-batches, or in half a run where that is less, at momentum 0.9. The loss is smoothed
with 0.98, the sweep is cut off where it exceeds four times its least, the first tenth and the last five readings are dropped.
"""

from __future__ import annotations

import numpy as np
from jobs import SEEDS
from scores import finite
from training import Training
from untuned import DEFAULTS

from inertia.core.method import Method

FINDER_SEEDS = (100, 101, 102)
MOMENTUM, SMOOTH = 0.9, 0.98
RULES = ("steepest", "minimum/10")


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
    steepest = float(rates[np.argmin(np.diff(curve) / np.diff(np.log(rates)))])
    return dict(zip(RULES, (steepest, float(rates[np.argmin(curve)]) / 10), strict=True))


def fixed(training: Training) -> dict[str, list[dict]]:
    """All rivals with one fixed rate, run as one batch of trials on each of the grid's seeds: what was found, and the defaults."""
    count = min(100, training.steps // 2)
    rates = np.geomspace(1e-7, 10, count)
    made: list[tuple[str, Method, dict]] = [(name, method, {"cost": 1.0}) for name, method in DEFAULTS.items()]
    for seed in FINDER_SEEDS:
        for rule, rate in read(rates, training.sweep(rates, MOMENTUM, seed)).items():
            cost = round(1 + count / training.steps, 4)
            made.append((f"LR finder, {rule}", Method(rate, beta=MOMENTUM), {"cost": cost, "seed": seed, "rate": rate}))
    methods = Method(*(np.array(field, dtype=float) for field in zip(*(method for _, method, _ in made), strict=True)))
    ended = [training.methods(methods, own) for own in SEEDS]
    entries: dict[str, list[dict]] = {}
    for index, (name, _, entry) in enumerate(made):
        train, held = ([pair[which][index] for pair in ended] for which in (0, 1))
        held = [] if np.isnan(held).all() else [finite(value) for value in held]
        entries.setdefault(name, []).append({"train": [finite(value) for value in train], "validation": held} | entry)
    return entries

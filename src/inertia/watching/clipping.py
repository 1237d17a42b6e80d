"""Gradients that are cut before the step: which share of the steps, to which norm, and how much of them the optimizer is given."""

from __future__ import annotations

import math

from .history import PROMISED, mean_of
from .quantities import Look, Reading

__all__ = ["acting", "clipped"]

_ROUNDING = 1e-3  # relative, of sums of float32 products over millions of entries: norms nearer than this are the same


def clipped(readings: list[Reading]) -> tuple[float, float]:
    """Share of clipped steps and the norm they are clipped to, from the norms that the optimizer was given.

    Norms that were cut are equal to many digits and the largest of all; others never are.
    """
    steps: dict[int, float] = {}
    for reading in readings:
        steps[reading.step] = math.hypot(steps.get(reading.step, 0.0), reading.gradient_norm)
    norms = list(steps.values())
    top = max(norms, default=0.0)
    same = sum(norm >= top * (1 - _ROUNDING) for norm in norms)
    return (same / len(norms), top) if same > 1 and top > 0 else (0.0, math.inf)


def acting(looks: list[Look], batch: int | None) -> float | None:
    """Which share of their gradients the optimizer was given; None where it is not known to within what is promised of a number.

    With the batch size, from lengths: a gradient that is not cut has the square |G|^2 + tr(Sigma)/batch in the mean. Without it from
    the inner products with the probe's gradient, whose mean is |G|^2 where nothing is cut; noise hides that sooner.
    """
    seen = [(k.noise, k.step_noise, k.step_signal, k.gradient_norm) for k in looks]
    rows = [(n, away + 2 * signal - norm**2, signal) for n, away, signal, norm in seen if n and away is not None and signal is not None]
    own, whole = [row[2] for row in rows], [row[0].signal for row in rows]
    if batch is not None:
        own, whole = [row[1] for row in rows], [row[0].signal + row[0].trace / batch for row in rows]
    if len(rows) < 4 or sum(whole) <= 0 or sum(own) <= 0:
        return None
    ratio = sum(own) / sum(whole)
    off = mean_of([a - ratio * b for a, b in zip(own, whole, strict=True)])
    if off is None or off.reach * len(rows) > PROMISED * sum(own):
        return None
    return math.sqrt(ratio) if batch is not None else ratio

"""Views of a tuning that are a network's own, and what is said of the rivals."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..tune import Tuning
from .views import Array, Curves, Line, Mark, line

__all__ = ["count", "logarithmic", "reached", "road", "tried", "verdict"]

_WIDE = 20.0  # losses that span more than this factor get a logarithmic axis


def tried(tuning: Tuning) -> Curves:
    """A network's runs over the learning rate, beside the unit that curvature gives."""
    method, unit = tuning.method, 1 / float(tuning.measurement["largest"])
    runs = sorted((run for run in tuning.runs if math.isfinite(run.loss)), key=lambda run: float(run.method.alpha))
    same = [run for run in runs if float(run.method.beta) == float(method.beta)]
    others = [run for run in runs if float(run.method.beta) != float(method.beta)]
    lines: list[Line] = [line([float(run.method.alpha) for run in same], [run.loss for run in same], "", "pale")]
    for chosen, label in ((same, ""), (others, "another momentum")):
        if chosen:
            lines.append(line([float(run.method.alpha) for run in chosen], [run.loss for run in chosen], label, "ink", dots=True))
    lines.append(line([float(method.alpha)], [tuning.verified_loss], "recommended", "hot", dots=True))
    lost = len(tuning.runs) - len(runs)
    caption = (
        f"What the {count(len(runs), 'full run')} reached (orange: recommended), in units of 1 over the largest curvature after a short "
    )
    caption += f"walk, {unit:.3g}: networks usually want 0.5 to 2 of it." + (f" {count(lost, 'run')} diverged." if lost else "")
    marks = (Mark(unit, "1/curvature"), Mark(2 * unit, "2/curvature"))
    span = [unit, *(float(run.method.alpha) for run in tuning.runs)]
    ticks = tuple((tick, f"{tick:.3g}") for tick in sorted({float(run.method.alpha) for run in tuning.runs}))
    values = np.concatenate([item.y for item in lines])
    lines.append(line([min(span) / 1.5, max(span) * 1.5], [math.nan, math.nan], "", "pale"))
    title = "Tried: the learning rate"
    return Curves(
        "learning-rate", title, tuple(lines), "learning rate", "final loss", caption, True, logarithmic(values), marks, ticks=ticks
    )


def verdict(tuning: Tuning, rivals: Sequence[Mapping[str, Any]]) -> str:
    """Whether a parameter-free optimizer did better than the recommendation, in a sentence."""
    if not rivals:
        return ""
    best = min(rivals, key=lambda row: row["loss"] if row["loss"] is not None else math.inf)
    if best["loss"] is not None and best["loss"] < tuning.verified_loss:
        return f"{best['name']} won: {best['loss']:.4g} in one untuned run, against {tuning.verified_loss:.4g} of what is recommended here"
    return f"none of the {len(rivals)} did better than what is recommended here ({tuning.verified_loss:.4g})"


def reached(rivals: Sequence[Mapping[str, Any]]) -> list[list[str]]:
    """A row for each rival: its name, and its loss or what happened to it.

    >>> reached([{"name": "MoMo", "loss": 0.25}, {"name": "Prodigy", "loss": None}])
    [['MoMo', '0.25'], ['Prodigy', 'diverged']]
    """
    return [[str(row["name"]), f"{row['loss']:.6g}" if row["loss"] is not None else str(row.get("error", "diverged"))] for row in rivals]


def road(tuning: Tuning, batch: str) -> str:
    """How the recommendation was found."""
    runs = count(len(tuning.runs), "full training run")
    if tuning.branch == "network":
        return (
            "Networks bend while they train, so nothing was forecast: curvature was measured at the start and after a short careful walk, "
            f"and {runs} of {tuning.steps} steps of {batch} around 1 over it decided."
        )
    return (
        f"From the measurement alone the loss after {tuning.steps} steps of {batch} was forecast for every learning rate and momentum "
        f"below. {runs} then verified the choice."
    )


def logarithmic(values: Array) -> bool:
    """Whether the values span so much that a logarithmic axis shows them better."""
    fine = values[np.isfinite(values)]
    return bool(fine.size and fine.min() > 0 and fine.max() > _WIDE * fine.min())


def count(number: int, noun: str) -> str:
    """A number and its noun.

    >>> count(2, "run")
    '2 runs'
    """
    return f"{number} {noun}{'' if number == 1 else 's'}"

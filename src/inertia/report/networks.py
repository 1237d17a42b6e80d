"""Views of a tuning that are a network's own, and what is said of the rivals."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ..tuning import Tuning
from .views import Array, Curves, Line, Mark, line

__all__ = [
    "at_equal_scale", "ceiling", "count", "logarithmic", "memory", "momentum_ticks", "own_family", "reached", "road", "runs_as_dots",
    "tried", "verdict",
]  # fmt: skip

_ROOM = 1.6  # how far above the start a loss axis may reach
_TIMID = (
    "Pale: the forecast of the quadratic at the start, which is timid here; a network's noise and curvature change while it trains; "
    "the runs decide."
)
_WIDE = 20.0  # losses that span more than this factor get a logarithmic axis


def tried(tuning: Tuning) -> Curves:
    """A network's runs over the learning rate, beside the unit that curvature gives and the forecast made at the start."""
    unit, curves = 1 / float(tuning.measurement["largest"]), tuning.curves
    own, top = own_family(tuning), ceiling(tuning)
    span = [unit, 2 * unit, *(float(run.method.alpha) for run in tuning.runs)]
    inside = (curves.alphas > min(span) / 4) & (curves.loss_by_alpha[own] <= top)
    lines: list[Line] = []
    if inside.any():
        forecast = np.where(inside, curves.loss_by_alpha[own], math.nan)
        lines.append(line(curves.alphas, forecast, "forecast at the start", "pale", width=3.0))
    dots, lost = runs_as_dots(tuning, [float(run.method.alpha) for run in tuning.runs])
    lines += dots
    caption = (
        f"What the {count(len(tuning.runs) - lost, 'full run')} reached (points; orange: recommended). "
        f"At momentum 0.9 networks usually want 0.5 to 2 over the largest curvature, which is {1 / unit:.3g} here."
    )
    caption += f" {count(lost, 'run')} diverged or ended above the picture." if lost else ""
    caption += f" {_TIMID}" if inside.any() else ""
    marks = (Mark(unit, "1/curvature"), Mark(2 * unit, "2/curvature"))
    values = np.concatenate([item.y for item in lines])
    lines.append(line([min(span) / 1.5, max(span) * 1.5], [math.nan, math.nan], "", "pale"))
    title = "Forecast and tried: the learning rate"
    return Curves(
        "learning-rate", title, tuple(lines), "learning rate", "final loss", caption, True, logarithmic(values), marks, limits=_airy(values)
    )


def at_equal_scale(tuning: Tuning) -> Curves:
    """A network's forecast over momentum at one alpha/(1 - beta), and its runs at theirs."""
    curves, top = tuning.curves, ceiling(tuning)
    matched = np.where(curves.loss_by_beta <= top, curves.loss_by_beta, math.nan)
    lines = [line(memory(curves.betas), matched, "forecast at the start", "pale", width=3.0)] if np.isfinite(matched).any() else []
    dots, lost = runs_as_dots(tuning, [float(memory(float(run.method.beta))) for run in tuning.runs])
    lines += dots
    caption = f"Forecast loss at the end over momentum, the learning rate moved so that alpha/(1 - beta) = {curves.scale:.3g} (pale), "
    caption += "and what the runs reached at their own learning rates (points; orange: recommended). "
    caption += f"{count(lost, 'run')} diverged or ended above the picture. " if lost else ""
    values = np.concatenate([item.y for item in lines])
    ticks = momentum_ticks(max(curves.betas.max(), float(tuning.method.beta)))
    title, label = "Does momentum matter here?", "final loss"
    return Curves(
        "momentum",
        title,
        tuple(lines),
        "momentum beta",
        label,
        caption + _TIMID,
        True,
        logarithmic(values),
        ticks=ticks,
        limits=_airy(values),
    )


def _airy(values: Array) -> tuple[float, float]:
    """Limits of a loss axis that leave room for words above the curves."""
    fine = values[np.isfinite(values)]
    low, high = float(fine.min()), float(fine.max())
    if logarithmic(values):
        return low / 1.6, high * (high / low) ** 0.14
    return low - 0.08 * (high - low or abs(high)), high + 0.14 * (high - low or abs(high))


def runs_as_dots(tuning: Tuning, places: Sequence[float]) -> tuple[list[Line], int]:
    """The runs as points at the given places, those of another momentum named, and how many the picture cannot hold."""
    method, top, lost, lines = tuning.method, ceiling(tuning), 0, []
    for index, (run, x) in enumerate(zip(tuning.runs, places, strict=True)):
        if not (math.isfinite(run.loss) and run.loss <= top):
            lost += 1
        elif index != tuning.best:
            label = "" if run.method.beta == method.beta else f"beta {float(run.method.beta):.3g}"
            lines.append(line([x], [run.loss], label, "ink", dots=True))
    lines.append(line([places[tuning.best]], [tuning.verified_loss], "recommended", "hot", dots=True))
    return lines, lost


def own_family(tuning: Tuning) -> int:
    """The forecast family nearest to the recommended method."""
    method, families = tuning.method, tuning.curves.families
    return int(np.argmin([abs(beta - float(method.beta)) + (nesterov != bool(method.gamma)) for beta, nesterov in families]))


def memory(beta: ArrayLike) -> Array:
    """1/(1 - beta): how many past gradients count; an axis on which 0.9 and 0.99 are as far apart as 0 and 0.9."""
    return 1 / np.maximum(1 - np.asarray(beta, dtype=float), 1e-6)


def momentum_ticks(largest: float) -> tuple[tuple[float, str], ...]:
    """Momenta on the axis of `memory`, up to the largest.

    >>> momentum_ticks(0.5)
    ((1.0, '0'), (2.0, '0.5'))
    """
    return tuple((float(memory(tick)), f"{tick:g}") for tick in (0.0, 0.5, 0.8, 0.9, 0.95, 0.99, 0.999) if tick <= largest)


def ceiling(tuning: Tuning) -> float:
    """Losses above this are not drawn: a little above the start."""
    return _ROOM * float(tuning.runs[tuning.best].losses[0])


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
            "Networks bend while they train, so no forecast decided: curvature was measured at the start and after a short careful walk, "
            f"and {runs} of {tuning.steps} steps of {batch} around 1 over it did."
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

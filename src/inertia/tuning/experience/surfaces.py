"""Grids of losses laid on one net of candidates, as shares of the fall that were left, so that jobs can be compared.

A candidate is a family (momentum, Nesterov) at x, log2 of the learning rate in the unit of the job (see `features`). Of a run that
ended at loss L

    share left = (min(L, start) - ref)/(start - ref),    y = ln((share + 0.01)/1.01),    ref = max(bound, lowest - 2 % of the fall)

so y is 0 where nothing was learned, and neither a shift of the loss nor its unit changes it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from ..recipe import Family
from .cells import Cell
from .features import features
from .reading import Fitted

__all__ = [
    "EPSILON", "NET", "Surface", "blend", "blurred", "bottom", "counted", "gain_said", "left", "on_net", "reference", "remains", "surface",
]  # fmt: skip

Array = NDArray[np.float64]

NET = np.arange(-14.0, 7.01, 0.5)  # log2 of the learning rate in the unit of the job
EPSILON = 0.01  # of the fall: losses nearer to the reference than this are alike (the definition of the score)
SLACK = 0.02  # of the fall: how far below the lowest loss known the reference lies (the definition of the score)


def reference(start: float, lowest: float, bound: float | None) -> float:
    """The loss that everything is counted from: what cannot be undercut where that is known, else 2 % of the fall below the lowest.

    >>> reference(start=2.0, lowest=1.0, bound=None), reference(start=2.0, lowest=0.01, bound=0.0)
    (0.98, 0.0)
    """
    below = lowest - SLACK * (start - lowest)
    return below if bound is None else max(below, min(bound, lowest))


def left(share: Array) -> Array:
    """The logarithm y of a share of the fall that is left."""
    return np.log((np.maximum(share, 0.0) + EPSILON) / (1 + EPSILON))


def bottom(share: Array) -> float:
    """The share of its own fall at which a forecast's reference lies, from the shares that it says will be left (at most 1)."""
    return reference(1.0, float(share.min()), 0.0)


def counted(share: Array) -> Array:
    """y of what a forecast says, counted from its own reference.

    >>> counted(np.array([1.0, 0.02])).round(3).tolist() == left(np.array([1.0, 0.0196 / 0.9996])).round(3).tolist()
    True
    """
    ref = bottom(share)
    return left((share - ref) / (1 - ref))


def remains(y: Array) -> Array:
    """The share of the fall that is left, from its logarithm."""
    return np.maximum(np.exp(y) * (1 + EPSILON) - EPSILON, 0.0)


def gain_said(said: Array, families: tuple[Family, ...]) -> float:
    """ln of how much higher a forecast ends without momentum; nan where it was withheld."""
    share = np.maximum(remains(said), EPSILON / 10)
    plain = share[[i for i, family in enumerate(families) if family.momentum == 0]]
    return float(np.log(plain.min() / share.min())) if plain.size and np.all(np.isfinite(share)) else float("nan")


def blurred(mean: Array, margin: float) -> Array:
    """y of the mean loss (..., X) when the learning rate is uncertain by `margin` octaves: what stands beside a cliff is worth less.

    Shares of the fall are averaged, not their logarithms, as they are over seeds.

    >>> blurred(np.array([[-2.0, -2.0, -2.0, -2.0, -2.0]]), 0.5).round(6).tolist()
    [[-2.0, -2.0, -2.0, -2.0, -2.0]]
    """
    off = np.arange(-4, 5)
    weight = np.exp(-0.5 * (off * (NET[1] - NET[0]) / max(margin, 1e-3)) ** 2)
    width = mean.shape[-1]
    at = np.clip(np.arange(width) + off[:, None], 0, width - 1)
    return left(np.tensordot(weight / weight.sum(), remains(mean)[..., at], axes=(0, -2)))


@dataclass(frozen=True, eq=False)
class Surface:
    """One cell on the net, for one objective."""

    cell: Cell
    features: Array  # (K,)
    unit: float  # log2 of the learning rate at x = 0
    ran: NDArray[np.bool_]  # (F,) families that the cell holds; the others are blended from their neighbours
    seen: Array  # (F, X) y of a run, mean over seeds
    spread: Array  # (F, X) its variance over seeds; nan where one seed ran
    mean: Array  # (F, X) y of the mean loss over seeds: what a recommendation is worth
    failing: Array  # (F, X) share of seeds that kept over 90 % of the fall
    risen: Array  # (F, X) share of seeds that ended no lower than they began, or diverged
    said: Array  # (F, X) y of the forecast, from its own reference; nan where it was withheld
    start: float
    fall: float  # start - ref
    promised: float  # the same of the forecast; nan where it was withheld
    most: float  # the fall cannot be larger; nan where no bound is known
    gain: float  # ln of (L - ref) at the best rate without momentum over that of the best of all; nan where that is not known


def surface(cell: Cell, families: tuple[Family, ...], fitted: Fitted, held_out: bool = False) -> Surface | None:
    """A cell on the net; None where its objective was not read or nothing was learned."""
    losses, starts = (cell.held, cell.held_start) if held_out else (cell.training, cell.start)
    if not np.any(np.isfinite(losses)) or not np.all(np.isfinite(starts)):
        return None
    start = float(starts.mean())
    capped = np.minimum(losses, starts)  # nan where a seed did not run
    means = np.nanmean(capped, axis=1)
    if not means.min() < start:
        return None
    ref = reference(start, float(means.min()), None if held_out else cell.bound)
    share = (capped - ref) / (start - ref)
    ended = np.sum(np.isfinite(share), axis=1)
    y = left(share)
    spread = np.where(ended > 1, np.nansum((y - np.nanmean(y, axis=1, keepdims=True)) ** 2, axis=1) / np.maximum(ended - 1, 1), np.nan)
    rows = {
        "seen": np.nanmean(y, axis=1), "spread": spread, "mean": left(np.nanmean(share, axis=1)),
        "failing": np.nansum(share > 0.9, axis=1) / ended, "said": _said(cell, held_out),
        "risen": np.sum(losses >= starts, axis=1) / ended,
    }  # fmt: skip
    at = fitted.unit(cell.facts, cell.optimizer)
    laid = _laid(cell, families, rows, at, fitted.along)
    plain = [i for i, recipe in enumerate(cell.recipes) if recipe.momentum == 0]
    gain = float(np.log((means[plain].min() - ref) / (means.min() - ref))) if plain and cell.full and means.min() > ref else np.nan
    own = set(cell.families)
    ran = np.array([family in own for family in families])
    lowest = None if held_out else cell.facts.lowest
    most = np.nan if lowest is None else max(start - lowest, start - ref)
    kept, promised = features(cell.facts, cell.optimizer), np.nan
    if cell.facts.promised is not None and np.all(np.isfinite(laid["said"])):
        seeds = (start - ref) / (cell.facts.loss - ref) if cell.facts.loss > ref else 1.0  # it was promised at the start of one seed
        promised = cell.facts.promised * (1 - bottom(np.minimum(cell.forecast, 1.0))) * seeds
    return Surface(
        cell=cell, features=kept, unit=at, ran=ran, start=start, fall=start - ref, promised=promised, most=most, gain=gain, **laid
    )


def _laid(cell: Cell, families: tuple[Family, ...], rows: dict[str, Array], at: float, along: float) -> dict[str, Array]:
    """Values of recipes on the net."""
    x, own, whose = np.log2([recipe.learning_rate for recipe in cell.recipes]) - at, cell.families, cell.whose
    many = np.bincount(whose, minlength=len(own))
    place = np.empty(x.size, dtype=np.intp)  # of every recipe among those of its family
    place[np.argsort(whose, kind="stable")] = np.arange(x.size) - np.repeat(np.cumsum(many) - many, many)
    rates, values = np.full((len(own), many.max()), np.nan), np.full((len(rows), len(own), many.max()), np.nan)
    rates[whose, place], values[:, whose, place] = x, np.stack(list(rows.values()))
    laid = _interpolated(np.broadcast_to(rates, values.shape), values, tuple(rows))
    return dict(zip(rows, spread_over(laid, *blend(own, families, along)), strict=True))


def _interpolated(x: Array, values: Array, keys: tuple[str, ...]) -> Array:
    """Values (K, F, R) on the net: straight lines between, progress in proportion to the rate below, failure one octave above."""
    x = np.where(np.isfinite(values), x, np.inf)
    order = np.argsort(x, axis=-1)
    x, values = np.take_along_axis(x, order, axis=-1), np.take_along_axis(values, order, axis=-1)
    last = np.maximum(np.sum(np.isfinite(x), axis=-1, keepdims=True) - 1, 0)
    below = np.clip(np.sum(x[..., None, :] <= NET[:, None], axis=-1) - 1, 0, np.maximum(last - 1, 0))
    above = np.minimum(below + 1, last)
    (left_x, left_y), (right_x, right_y) = ([np.take_along_axis(each, at, axis=-1) for each in (x, values)] for at in (below, above))
    with np.errstate(invalid="ignore"):  # a row of which nothing is known
        share = (NET - left_x) / np.where(above > below, right_x - left_x, 1.0)
    found = left_y + np.clip(share, 0.0, 1.0) * (right_y - left_y)
    end = np.take_along_axis(values, last, axis=-1)
    low, beyond = x[..., :1] > NET, NET - np.take_along_axis(x, last, axis=-1)
    progress, failing = ([k for k, key in enumerate(keys) if key in some] for some in (("seen", "mean", "said"), ("failing", "risen")))
    slow = np.log1p(-(1 - np.exp(values[progress, :, :1])) * 2.0 ** np.where(low, NET - x[..., :1], 0.0)[progress])
    fading = np.where(beyond > 0, end * np.maximum(1 - beyond, 0.0), found)[progress]
    found[progress] = np.where(low[progress], slow, fading)
    found[failing] = np.where(low, 0.0, np.where(beyond > 0, np.minimum(end + beyond, 1.0), found))[failing]
    return found


@cache
def blend(own: tuple[Family, ...], wanted: tuple[Family, ...], along: float) -> tuple[NDArray[np.intp], Array, Array]:
    """How wanted families are made of those at hand: two rows each, their shifts in x, and their weights.

    Neighbours in log2 1/(1 - momentum) of the same form; no momentum belongs to both forms.
    """
    rows, shifts, weights = np.zeros((len(wanted), 2), dtype=np.intp), np.zeros((len(wanted), 2)), np.zeros((len(wanted), 2))
    memory = np.array([-np.log2(1 - family.momentum) for family in own])
    for i, family in enumerate(wanted):
        here = -np.log2(1 - family.momentum)
        alike = [j for j, other in enumerate(own) if other.nesterov == family.nesterov or other.momentum == 0]
        alike = alike if any(own[j].momentum > 0 for j in alike) or not family.momentum else list(range(len(own)))
        below = [j for j in alike if memory[j] <= here + 1e-9] or [min(alike, key=lambda j: memory[j])]
        above = [j for j in alike if memory[j] >= here - 1e-9] or [max(alike, key=lambda j: memory[j])]
        pair = max(below, key=lambda j: memory[j]), min(above, key=lambda j: memory[j])
        for side, j in enumerate(pair):
            rows[i, side] = j
            shifts[i, side] = along * (here - memory[j])
        gap = memory[pair[1]] - memory[pair[0]]
        share = (here - memory[pair[0]]) / gap if gap > 0 else 0.0
        weights[i] = 1 - share, share
    return rows, shifts, weights


def on_net(x: Array) -> tuple[NDArray[np.intp], Array]:
    """Where places lie: which one of the net is next below, and how far on the way to the one above; outside, the nearest end.

    >>> [each.round(3).tolist() for each in on_net(np.array([NET[0] - 1, NET[2] + 0.1, NET[-1] + 1]))]
    [[0, 2, 41], [0.0, 0.2, 1.0]]
    """
    at = np.clip((x - NET[0]) / (NET[1] - NET[0]), 0, NET.size - 1 - 1e-9)
    low = at.astype(np.intp)
    return low, at - low


def spread_over(values: Array, rows: NDArray[np.intp], shifts: Array, weights: Array) -> Array:
    """Rows of the net (..., own, X) blended as `blend` said: (..., F, X)."""
    found = np.zeros((*values.shape[:-2], rows.shape[0], NET.size))
    for i, side in np.argwhere(weights > 0):
        low, part = on_net(NET + shifts[i, side])
        row = values[..., rows[i, side], :]
        found[..., i, :] += weights[i, side] * (row[..., low] + part * (row[..., low + 1] - row[..., low]))
    return found


def _said(cell: Cell, held_out: bool) -> Array:
    """y of the forecast, which is a share of its own fall, counted from its own reference."""
    if held_out or np.isnan(cell.forecast).any() or not cell.forecast.min() < 1:
        return np.full(len(cell.recipes), np.nan)
    return counted(np.minimum(cell.forecast, 1.0))

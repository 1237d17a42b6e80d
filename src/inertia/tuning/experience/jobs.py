"""A measured job in the form that experience is asked in, and the candidates that it is asked for."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from ...core.method import Method
from ...core.schedule import SHAPES, Scaled
from ..budget import Budget
from ..factors import factors_of
from ..measurement import Measurement
from ..predict import forecast
from ..quadratic import modelled
from ..recipe import Family, Recipe
from .cells import Cell, Facts, shipped
from .features import features, marks, octaves_apart, regressors, scale_of
from .prior import Experience, Job
from .reading import Fitted
from .remembering import filled
from .surfaces import NET, bottom, counted, surface

__all__ = ["FAMILIES", "TRIED", "asked", "experience", "extended", "foreseen", "schedule_apart", "scheduled"]

Array = NDArray[np.float64]

FAMILIES: dict[str, tuple[Family, ...]] = {
    "sgd": (*(Family(beta) for beta in (0.0, 0.5, 0.8, 0.9, 0.95, 0.98, 0.99)), *(Family(beta, True) for beta in (0.9, 0.98, 0.99))),
    "adamw": tuple(Family(beta, False, "adamw") for beta in (0.0, 0.5, 0.8, 0.9, 0.95, 0.98)),
}
"""The momenta that surfaces are laid out for."""

TRIED = {"sgd": tuple(f for f in FAMILIES["sgd"] if f.momentum != 0.99), "adamw": FAMILIES["adamw"]}
"""The momenta that are proposed."""


@cache
def experience(optimizer: str, held_out: bool, fitted: Fitted) -> Experience:
    """The shipped cells of one optimizer and objective."""
    families = FAMILIES[optimizer]
    found = [surface(cell, families, fitted, held_out) for cell in shipped() if cell.optimizer == optimizer]
    return Experience([each for each in found if each is not None], families, fitted)


def extended(known: Experience, own: tuple[Cell, ...], optimizer: str, held_out: bool) -> Experience:
    """With a user's own tunings beside the shipped cells."""
    mine = [filled(known, cell) for cell in own if cell.optimizer == optimizer and cell.held_out == held_out]
    more = [each for each in mine if each is not None]
    return Experience([*known.surfaces, *more], known.families, known.fitted) if more else known


def scheduled(budget: Budget, method: Method) -> Scaled:
    """A method under the budget's schedule."""
    factors = np.asarray(budget.factors, dtype=float)
    return Scaled(method, lambda step: factors[np.minimum(step, len(factors) - 1)], budget.schedule)


def foreseen(seen: Measurement, budget: Budget, recipes: list[Recipe], stays: float) -> Array | None:
    """How much of the start's loss the quadratic says will be left, in units of its own fall: (R,); None where it is withheld."""
    model = modelled(seen, budget, stays)
    if model is None or any(recipe.optimizer != "sgd" for recipe in recipes):
        return None
    fields = Method(*(np.array(column, dtype=float) for column in zip(*(tuple(r.method) for r in recipes), strict=True)))
    final = forecast(model, scheduled(budget, fields), budget.steps).final
    return np.asarray((final - model.floor) / (model.start - model.floor), dtype=float)


def schedule_apart(known: Experience, budget: Budget) -> float:
    """Octaves between the budget's schedule and the nearest that a known job had: 0 where one had the same."""
    factors = np.asarray(budget.factors, dtype=float)
    mine = float(factors.mean() / factors.max()), float(factors[-1] / factors.max())
    had = {(each.cell.schedule, each.cell.facts.mean_factor, each.cell.facts.last_factor) for each in known.surfaces}
    if any(name == budget.schedule and np.allclose(mine, theirs, atol=1 / budget.steps) for name, *theirs in had):
        return 0.0
    named = [factors_of(name, budget.steps)[1] for name in {name for name, *_ in had} & set(SHAPES)]
    return min(octaves_apart(factors, each) for each in named)


def asked(seen: Measurement, budget: Budget, optimizer: str, fitted: Fitted) -> Job:
    """The job that experience is asked about."""
    facts = Facts.of(seen, budget, optimizer)
    at = fitted.unit(facts, optimizer)
    held = budget.objective.held_out
    start = seen.validation * budget.objective.sign if held else seen.loss
    most = np.inf if facts.lowest is None or held else facts.loss - facts.lowest
    said, told = None, 0.0
    if optimizer == "sgd" and not held:
        recipes = [Recipe(2.0 ** (x + at), f.momentum, f.nesterov) for f in FAMILIES[optimizer] for x in NET]
        share = foreseen(seen, budget, recipes, fitted.stays)
        if share is not None and np.min(share) < 1:
            capped = np.minimum(share, 1.0)
            said = counted(capped).reshape(len(FAMILIES[optimizer]), NET.size)
            told = (facts.promised or 0.0) * (1 - bottom(capped))
    gain = fitted.gains.at(regressors(facts, optimizer))
    shown = marks(facts, optimizer) - at
    return Job(features(facts, optimizer), at, start, scale_of(facts, optimizer), most, said, told, gain, shown)

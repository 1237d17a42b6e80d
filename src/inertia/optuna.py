"""Optuna: what was found here as the first trials of a study, so that a search that is in place starts where it should."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from .errors import BadInput
from .tuning.recipe import Recipe

if TYPE_CHECKING:
    from .tuning.result import Tuning

__all__ = ["candidates", "enqueue"]


def candidates(found: Tuning, count: int = 4) -> list[Recipe]:
    """The recommendation, then what is expected to be best with other momenta, best first; at least a factor of 1.4 apart.

    `found` may be a tuning without runs: `tune(..., runs=0)` measures and gives its advice for the price of the measurement.

    Raises:
        BadInput: count < 1.

    >>> from inertia.problems import valley
    >>> import inertia
    >>> found = inertia.tune(valley(), steps=30, runs=1)
    >>> candidates(found, 1)[0] == found.recipe
    True
    """
    if count < 1:
        raise BadInput(f"count = {count}: ask for at least 1 candidate")
    kept, land = [found.recipe], found.landscape
    if land is None:
        return kept
    rows = [
        (float(land.loss[row, column]), Recipe(float(land.learning_rates[column]), family.momentum, family.nesterov, family.optimizer))
        for row, family in enumerate(land.families)
        for column in range(len(land.learning_rates))
        if math.isfinite(land.loss[row, column])
    ]
    for _, recipe in sorted(rows, key=lambda row: row[0]):
        if len(kept) >= count:
            break
        if all(
            abs(math.log(recipe.learning_rate / other.learning_rate)) > math.log(1.4) or recipe.momentum != other.momentum for other in kept
        ):
            kept.append(recipe)
    return kept


def enqueue(
    study: Any, found: Tuning, lr: str = "lr", momentum: str | None = "momentum", *, count: int = 4, fixed: Any = None
) -> list[Recipe]:
    """Make the candidates the next trials of an Optuna study; its own sampler goes on from there.

    Args:
        study: an optuna.Study.
        found: a Tuning, with or without runs.
        lr, momentum: what the objective calls them in `trial.suggest_float`; momentum=None where it has none.
        count: how many.
        fixed: a dict of further parameters to set in these trials.

    Returns:
        The recipes, in the order of the trials.

    Raises:
        BadInput: something that is no study, count < 1.
    """
    if not callable(getattr(study, "enqueue_trial", None)):
        raise BadInput(f"a {type(study).__name__} is no study: pass what optuna.create_study() returns")
    chosen = candidates(found, count)
    for recipe in chosen:
        words = {lr: recipe.learning_rate} | ({} if momentum is None else {momentum: recipe.momentum}) | dict(fixed or {})
        study.enqueue_trial(words, skip_if_exists=True)
    return chosen

"""Runs of the same job that were made elsewhere: a CSV file, an Optuna study, or rows; the search begins where they ended."""

from __future__ import annotations

import csv
import hashlib
import math
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import BadInput
from .recipe import Recipe

__all__ = ["Sweep", "sweep_of"]

_NAMES = {
    "learning_rate": ("lr", "learning_rate", "learning rate", "alpha"),
    "momentum": ("momentum", "beta1", "beta"),
    "nesterov": ("nesterov",),
    "loss": ("loss", "value", "final_loss", "train_loss", "training_loss", "val_loss", "validation_loss", "valid_loss", "metric"),
}
_PREFIXES = ("params_", "user_attrs_", "config/", "config.", "params.", "params/")
_MOST = 32  # rows that are kept: the search weighs every pair of them


@dataclass(frozen=True)
class Sweep:
    """Recipes and what runs of them ended at: inf where one diverged.

    >>> len(Sweep((Recipe(0.1, 0.9),), (0.25,)).pin), Sweep().pin
    (12, '')
    """

    recipes: tuple[Recipe, ...] = ()
    losses: tuple[float, ...] = ()

    @property
    def pin(self) -> str:
        """Which runs these are, in twelve letters; "" for none."""
        rows = repr([(r.learning_rate, r.momentum, r.nesterov, r.optimizer, x) for r, x in zip(self.recipes, self.losses, strict=True)])
        return hashlib.sha256(rows.encode()).hexdigest()[:12] if self.recipes else ""


def sweep_of(source: Any, optimizer: str = "sgd", *, maximize: bool = False) -> Sweep:
    """Runs made elsewhere, as they are kept there.

    Args:
        source: a CSV file with a header, an Optuna study, a table with `to_dict("records")`, or rows (mappings). Columns: the learning
            rate (lr, learning_rate), what the run ended at (loss, value, val_loss), and momentum (of AdamW: beta1) and nesterov where the
            sweep had them; names may have the prefixes that Optuna's and Ray's tables give.
        optimizer: which optimizer the runs were made with, "sgd" or "adamw".
        maximize: whether larger values are better, as for a metric that is to rise.

    Raises:
        BadInput: no such file, no such columns, or rows that are no numbers.

    >>> sweep_of([{"lr": 0.1, "momentum": 0.9, "loss": 0.25}, {"lr": 1.0, "momentum": 0.9, "loss": "nan"}]).losses
    (0.25, inf)
    """
    if optimizer not in ("sgd", "adamw"):
        raise BadInput(f"past runs belong to one optimizer, but optimizer = '{optimizer}' searches several: say 'sgd' or 'adamw'")
    rows = list(_rows(source))
    if not rows:
        raise BadInput("past holds no finished run: leave it out, or give rows with a learning rate and a loss")
    columns = _columns(rows)
    lost = -math.inf if maximize else math.inf
    found: dict[Recipe, list[float]] = {}
    for number, row in enumerate(rows, 1):
        recipe = _recipe(row, columns, optimizer, number)
        loss = _number(row[columns["loss"]], columns["loss"], number)
        found.setdefault(recipe, []).append(loss if math.isfinite(loss) else lost)
    flat = [(recipe, loss) for recipe, losses in found.items() for loss in losses]
    kept = flat if len(flat) <= _MOST else _thinned(flat, maximize)
    return Sweep(tuple(recipe for recipe, _ in kept), tuple(math.inf if math.isinf(loss) else loss for _, loss in kept))


def _thinned(rows: list[tuple[Recipe, float]], maximize: bool) -> list[tuple[Recipe, float]]:
    """The better half of what is kept by its loss, the other half evenly over learning rates."""
    order = sorted(rows, key=lambda row: -row[1] if maximize else row[1])
    best, rest = order[: _MOST // 2], sorted(order[_MOST // 2 :], key=lambda row: row[0].learning_rate)
    return best + rest[:: math.ceil(len(rest) / (_MOST - len(best)))]


def _rows(source: Any) -> Iterable[Mapping[str, Any]]:
    """The finished runs of any source, as mappings."""
    if isinstance(source, str | os.PathLike):
        path = Path(source).expanduser()
        if not path.is_file():
            raise BadInput(f"past = {path} is no file: name a CSV file with a header, such as lr,momentum,loss")
        with path.open(newline="", encoding="utf-8-sig") as text:
            return list(csv.DictReader(text))
    if hasattr(source, "trials") and hasattr(source, "directions"):
        if len(source.directions) != 1:
            raise BadInput(
                f"the study has {len(source.directions)} objectives: give one with a single objective, the loss that a run ends at"
            )
        done = [trial for trial in source.trials if getattr(trial.state, "name", "") == "COMPLETE"]
        return [{**trial.params, "value": trial.value} for trial in done]
    if hasattr(source, "to_dict") and hasattr(source, "columns"):
        return list(source.to_dict("records"))
    if isinstance(source, Iterable):
        rows = list(source)
        if all(isinstance(row, Mapping) for row in rows):
            return rows
    raise BadInput(f"past is a {type(source).__name__}: give a CSV file, an Optuna study, a table, or rows like {{'lr': 0.1, 'loss': 0.2}}")


def _columns(rows: list[Mapping[str, Any]]) -> dict[str, str]:
    """Which column holds what."""
    found: dict[str, str] = {}
    names = [str(name) for name in rows[0] if name is not None]
    for kind, spellings in _NAMES.items():
        bare = {_bare(name): name for name in reversed(names)}
        hit = next((bare[spelling] for spelling in spellings if spelling in bare), None)
        if hit is not None:
            found[kind] = hit
    for kind in ("learning_rate", "loss"):
        if kind not in found:
            raise BadInput(
                f"past has the columns {', '.join(names)}: one must be the {kind.replace('_', ' ')} ({', '.join(_NAMES[kind][:3])})"
            )
    return found


def _bare(name: str) -> str:
    """A column's name without what Optuna and Ray put before it."""
    plain = name.strip().lower()
    return next((plain[len(prefix) :] for prefix in _PREFIXES if plain.startswith(prefix)), plain)


def _recipe(row: Mapping[str, Any], columns: dict[str, str], optimizer: str, number: int) -> Recipe:
    rate = _number(row[columns["learning_rate"]], columns["learning_rate"], number)
    usual = 0.0 if optimizer == "sgd" else 0.9
    momentum = _number(row[columns["momentum"]], columns["momentum"], number) if "momentum" in columns else usual
    if not (0 < rate < math.inf and 0 <= momentum < 1):
        raise BadInput(
            f"run {number} of past has learning rate {rate:g} and momentum {momentum:g}: give rates above 0 and a momentum in [0, 1)"
        )
    ahead = str(row[columns["nesterov"]]).strip().lower() in ("true", "1", "1.0", "yes") if "nesterov" in columns else False
    return Recipe(rate, momentum, ahead and momentum > 0 and optimizer == "sgd", optimizer)


def _number(value: Any, column: str, number: int) -> float:
    """A number; a loss that is empty or no number but nan or inf is one of a run that was lost."""
    try:
        return float(value)
    except (TypeError, ValueError):
        raise BadInput(f"run {number} of past has {column} = {value!r}: give a number (nan or inf for a run that diverged)") from None

"""Searches that a grid can answer: random search and TPE. One search sees one seed; what it recommends is scored on all."""

from __future__ import annotations

from collections import Counter

import numpy as np

from inertia.tuning.experience.surfaces import Surface

REPEATS = {"random search": 100, "TPE": 24}


class Column:
    """The recipes of one cell that ran on every seed, by family, and what they ended at."""

    def __init__(self, s: Surface) -> None:
        self.rows = np.flatnonzero(np.all(~np.isnan(s.cell.training), axis=1))
        self.losses = np.where(np.isfinite(s.cell.training), s.cell.training, np.inf)
        self.rates = np.log2([recipe.learning_rate for recipe in s.cell.recipes])
        kinds = [(s.cell.recipes[row].momentum, s.cell.recipes[row].nesterov) for row in self.rows]
        self.families = {kind: self.rows[[other == kind for other in kinds]] for kind in sorted(set(kinds))}

    def nearest(self, kind: tuple[float, bool], rate: float) -> int:
        """The recipe of a family whose learning rate (log2) is nearest."""
        rows = self.families[kind]
        return int(rows[np.argmin(abs(self.rates[rows] - rate))])


def random_search(column: Column, runs: int) -> Counter[int]:
    """What random search recommends, by how often."""
    chance, picks = np.random.default_rng(0), Counter[int]()
    for repeat in range(REPEATS["random search"]):
        seen = chance.choice(column.rows, min(runs, column.rows.size), replace=False)
        picks[int(seen[np.argmin(column.losses[seen, repeat % column.losses.shape[1]])])] += 1
    return picks


def tpe(column: Column, runs: int) -> Counter[int]:
    """The same of Optuna's tree-structured Parzen estimator, whose suggestions go to the nearest cell of the family."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    kinds, picks = list(column.families), Counter[int]()
    ends = float(column.rates[column.rows].min()), float(column.rates[column.rows].max())
    for repeat in range(REPEATS["TPE"]):
        study, seen = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=repeat)), {}
        for _ in range(runs):
            trial = study.ask()
            kind = kinds[trial.suggest_categorical("family", list(range(len(kinds))))]
            row = column.nearest(kind, trial.suggest_float("rate", *ends))
            seen[row] = float(column.losses[row, repeat % column.losses.shape[1]])
            study.tell(trial, min(seen[row], 1e9))
        picks[min(seen, key=lambda row: seen[row])] += 1
    return picks


SEARCHES = {"random search": random_search, "TPE": tpe}

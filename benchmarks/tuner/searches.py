"""Searches that the grid can answer: random search and TPE. One search sees one seed; its pick is scored by the mean over all."""

from __future__ import annotations

from collections import Counter

import numpy as np
from jobs import FAMILIES, SEEDS
from scores import Grid, Key

REPEATS = {"random search": 300, "TPE": 30}


def random_search(grid: Grid, runs: int) -> Counter[Key]:
    """What random search recommends, by how often."""
    chance, keys = np.random.default_rng(0), list(grid.runs)
    picks: Counter[Key] = Counter()
    for repeat in range(REPEATS["random search"]):
        seen = [keys[i] for i in chance.choice(len(keys), runs, replace=False)]
        picks[grid.search({key: grid.on_seed(key, repeat % len(SEEDS)) for key in seen})] += 1
    return picks


def tpe(grid: Grid, runs: int) -> Counter[Key]:
    """The same of Optuna's tree-structured Parzen estimator, whose suggestions go to the nearest cell of the family."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    exponents = {family: grid.exponents(family) for family in FAMILIES}
    names = {(family, float(k)): (family, k) for family, k in grid.runs}
    ends = min(values[0] for values in exponents.values()), max(values[-1] for values in exponents.values())
    picks: Counter[Key] = Counter()
    for repeat in range(REPEATS["TPE"]):
        study, seen = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=repeat)), {}
        for _ in range(runs):
            trial = study.ask()
            family, k = trial.suggest_categorical("family", list(FAMILIES)), trial.suggest_float("k", *ends)
            key = names[family, float(exponents[family][np.argmin(abs(exponents[family] - k))])]
            seen[key] = grid.on_seed(key, repeat % len(SEEDS))
            study.tell(trial, min(seen[key], 1e9))
        picks[grid.search(seen)] += 1
    return picks


SEARCHES = {"random search": random_search, "TPE": tpe}


def entries(picks: Counter[Key], cost: float) -> list[dict]:
    """Picks as data: cells of the grid, and how many searches ended there."""
    return [{"cell": "@".join(key), "count": count, "cost": cost} for key, count in sorted(picks.items())]

"""Optuna: a study begins with what was found here, and its own sampler goes on."""

import pytest

import inertia
import inertia.optuna
from inertia.errors import BadInput
from inertia.problems import valley

optuna = pytest.importorskip("optuna")


def test_the_first_trials_of_a_study_are_our_candidates():
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    found = inertia.tune(valley(), steps=30, runs=0)
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    chosen = inertia.optuna.enqueue(study, found, lr="rate", fixed={"width": 3})
    seen = []

    def objective(trial):
        seen.append(
            (trial.suggest_float("rate", 1e-6, 1e3, log=True), trial.suggest_float("momentum", 0, 0.99), trial.suggest_int("width", 1, 5))
        )
        return seen[-1][0]

    study.optimize(objective, n_trials=6)
    assert 2 <= len(chosen) <= 4
    assert seen[: len(chosen)] == [(recipe.learning_rate, recipe.momentum, 3) for recipe in chosen]
    assert chosen[0] == found.recipe
    assert len(set(chosen)) == len(chosen)


def test_refusals():
    found = inertia.tune(valley(), steps=30, runs=0)
    with pytest.raises(BadInput, match="is no study"):
        inertia.optuna.enqueue(object(), found)
    with pytest.raises(BadInput, match="at least 1"):
        inertia.optuna.candidates(found, 0)

"""Runs made elsewhere: read from a CSV file, a study, a table or rows, and used as what they are: runs of this job."""

import math
from types import SimpleNamespace

import numpy as np
import pytest

from inertia.errors import BadInput
from inertia.problems import logistic
from inertia.tuning.asking import Asked, ask
from inertia.tuning.factors import budget_of
from inertia.tuning.numpy_door import ProblemJob
from inertia.tuning.recipe import Recipe
from inertia.tuning.sweeps import Sweep, sweep_of

ROWS = [
    {"lr": 0.1, "momentum": 0.9, "loss": 0.25},
    {"lr": 1.0, "momentum": 0.9, "loss": math.nan},
    {"lr": 0.1, "momentum": 0.9, "loss": 0.3},
]
READ = Sweep((Recipe(0.1, 0.9), Recipe(0.1, 0.9), Recipe(1.0, 0.9)), (0.25, 0.3, math.inf))


def test_every_source_reads_the_same(tmp_path):
    file = tmp_path / "runs.csv"
    file.write_text("\ufeffconfig/lr,Momentum,loss\n0.1,0.9,0.25\n1.0,0.9,nan\n0.1,0.9,0.3\n")
    state = SimpleNamespace(name="COMPLETE")
    trials = [SimpleNamespace(params={"lr": r["lr"], "momentum": r["momentum"]}, value=r["loss"], state=state) for r in ROWS]
    trials.append(SimpleNamespace(params={"lr": 9.0, "momentum": 0.9}, value=None, state=SimpleNamespace(name="FAIL")))
    study = SimpleNamespace(trials=trials, directions=[0])
    table = SimpleNamespace(columns=["lr"], to_dict=lambda how: ROWS)
    assert sweep_of(ROWS) == sweep_of(file) == sweep_of(str(file)) == sweep_of(study) == sweep_of(table) == READ


def test_a_real_study_is_read():
    optuna = pytest.importorskip("optuna")
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study()
    space = {"learning_rate": optuna.distributions.FloatDistribution(1e-3, 1.0, log=True)}
    study.add_trial(optuna.trial.create_trial(params={"learning_rate": 0.1}, distributions=space, value=0.5))
    assert sweep_of(study) == Sweep((Recipe(0.1, 0.0),), (0.5,))
    assert sweep_of(study, "adamw") == Sweep((Recipe(0.1, 0.9, False, "adamw"),), (0.5,))


@pytest.mark.parametrize(
    ("source", "optimizer", "word"),
    [
        ("nothing.csv", "sgd", "no file"),
        ([], "sgd", "no finished run"),
        ([{"rate": 0.1, "loss": 1.0}], "sgd", "rate, loss"),
        ([{"lr": 0.1, "momentum": 0.9}], "sgd", "must be the loss"),
        ([{"lr": "fast", "loss": 1.0}], "sgd", "'fast'"),
        ([{"lr": -0.1, "loss": 1.0}], "sgd", "above 0"),
        ([{"lr": 0.1, "momentum": 1.0, "loss": 1.0}], "sgd", r"\[0, 1\)"),
        ([{"lr": 0.1, "loss": ""}], "sgd", "loss = ''"),
        (7, "sgd", "past is a int"),
        ([(0.1, 0.9)], "sgd", "past is a list"),
        (ROWS, "any", "one optimizer"),
        (SimpleNamespace(trials=[], directions=[0, 1]), "sgd", "2 objectives"),
    ],
)
def test_what_is_no_sweep_is_refused_in_one_sentence(source, optimizer, word):
    with pytest.raises(BadInput, match=word) as told:
        sweep_of(source, optimizer)
    assert "\n" not in str(told.value)


def test_a_large_sweep_is_thinned_and_keeps_its_best():
    rows = [{"lr": float(rate), "loss": float(abs(np.log(rate)))} for rate in np.geomspace(1e-4, 1e4, 501)]
    found = sweep_of(rows)
    assert 17 <= len(found.losses) <= 32
    assert min(found.losses) == min(row["loss"] for row in rows)
    rates = [recipe.learning_rate for recipe in found.recipes]
    assert min(rates) < 2e-4
    assert max(rates) > 1e3


def _job():
    rng = np.random.default_rng(5)
    x = rng.standard_normal((400, 10)) * np.geomspace(0.3, 3.0, 10)
    job = ProblemJob(logistic(x, rng.random(400) < 1 / (1 + np.exp(-x @ rng.standard_normal(10)))))
    return job, budget_of(400, steps=100, batch_size=20, schedule="linear")


def test_the_search_begins_where_past_runs_ended_low(tmp_path):
    """Without a run, advice follows the past: a sweep whose best is far from what other jobs do moves it there, and the journal knows."""
    job, budget = _job()
    plain = ask(job, budget, Asked(runs=0))
    rate = plain.pick.recipe.learning_rate / 64
    start = plain.measurement.loss
    rows = [{"lr": rate * 2.0**k, "momentum": 0.9, "loss": start * min(0.2 + 0.15 * abs(k), 1.0)} for k in range(-6, 7)]
    moved = ask(job, budget, Asked(runs=0, past=rows))
    assert abs(math.log2(moved.pick.recipe.learning_rate / rate)) < abs(math.log2(plain.pick.recipe.learning_rate / rate)) - 2
    assert moved.experience == sweep_of(rows).pin
    first = ask(job, budget, Asked(runs=1, past=rows), journal=tmp_path / "kept")
    assert first.history.trials[0].candidate.recipe == moved.pick.recipe
    with pytest.raises(BadInput):  # another past is another search
        ask(job, budget, Asked(runs=1, past=rows[:5]), journal=tmp_path / "kept", resume=True)


def test_real_past_runs_make_the_expectation_narrower():
    """The loss expected of a setting that has run is nearer to what it ends at on another seed than without the past."""
    job, budget = _job()
    first = ask(job, budget, Asked(runs=3))
    rows = [{"lr": t.run.recipe.learning_rate, "momentum": t.run.recipe.momentum, "nesterov": t.run.recipe.nesterov, "loss": t.score}
            for t in first.history.trials]  # fmt: skip
    told = [ask(job, budget, Asked(runs=1, seed=7, past=past)).history.trials[0] for past in (None, rows)]
    plain, known = (trial.candidate.expected for trial in told)
    assert known.high - known.low < plain.high - plain.low
    assert known.low <= told[1].score <= known.high or abs(known.loss - told[1].score) < abs(plain.loss - told[0].score)

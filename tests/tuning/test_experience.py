"""Choosing by experience: what it promises of shifts and scales, and that it finds a good rate where one is known by other means."""

import numpy as np
import pytest

from inertia.problems import least_squares
from inertia.tuning.experience import ExperiencePolicy
from inertia.tuning.experience.cells import read, shipped, written
from inertia.tuning.experience.surfaces import left, remains
from inertia.tuning.factors import budget_of
from inertia.tuning.loop import tune
from inertia.tuning.measuring import measure
from inertia.tuning.numpy_door import ProblemJob
from inertia.tuning.policy import History


@pytest.fixture(scope="module")
def job():
    rng = np.random.default_rng(0)
    x = rng.standard_normal((200, 6)) * np.array([3, 2, 1, 1, 0.5, 0.3])
    return ProblemJob(least_squares(x, x @ rng.standard_normal(6) + rng.standard_normal(200)))


def test_three_runs_end_near_the_exact_minimum(job):
    budget = budget_of(200, steps=200, batch_size=10)
    found = tune(job, budget, ExperiencePolicy, runs=3)
    start, lowest = found.measurement.loss, job.problem.minimum
    assert min(trial.score for trial in found.history.trials) - lowest < 0.01 * (start - lowest)
    assert found.pick.index is not None
    assert found.pick.expected.low <= found.pick.expected.loss <= found.pick.expected.high


def test_advice_needs_no_run_and_holds_the_momentum_asked_for(job):
    budget = budget_of(200, steps=100, batch_size=10)
    seen = measure(job, budget)
    pick = ExperiencePolicy(seen, budget, momentum=0.85).pick(History())
    assert pick.index is None
    assert (pick.recipe.momentum, pick.recipe.nesterov) == (0.85, False)
    assert ExperiencePolicy(seen, budget).without_momentum(History()).momentum == 0


def test_cells_come_back_as_they_were_written(tmp_path):
    cells = shipped()[:2]
    written(list(cells), tmp_path / "cells.json.gz")
    again = read(tmp_path / "cells.json.gz")
    assert [cell.to_json() for cell in again] == [cell.to_json() for cell in cells]


def test_shares_and_their_logarithms_are_inverse():
    share = np.array([0.0, 0.02, 0.5, 1.0])
    assert np.allclose(remains(left(share)), share)

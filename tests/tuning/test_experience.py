"""Choosing by experience: what it promises of shifts and scales, and that it finds a good rate where one is known by other means."""

from dataclasses import replace

import numpy as np
import pytest

from inertia.errors import BadInput
from inertia.tuning.budget import Objective
from inertia.tuning.experience import ExperiencePolicy
from inertia.tuning.experience.cells import read, shipped, written
from inertia.tuning.experience.remembering import keep, pinned, recalled
from inertia.tuning.experience.surfaces import left, remains
from inertia.tuning.factors import budget_of
from inertia.tuning.loop import tune
from inertia.tuning.measuring import measure
from inertia.tuning.numpy_door import ProblemJob
from inertia.tuning.policy import History, Trial
from inertia.tuning.trainable import Run


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


def test_a_validation_loss_is_not_expected_below_what_the_loss_cannot_undercut(job):
    budget = budget_of(200, steps=100, batch_size=10, objective=Objective.of(True))
    seen = replace(measure(job, budget_of(200, steps=100, batch_size=10)), lowest=0.0, validation=0.3)
    policies = {name: ExperiencePolicy(replace(seen, lowest=lowest), budget) for name, lowest in (("known", 0.0), ("unknown", None))}
    told = {name: policy.expect(policy.recipes[::20], History()) for name, policy in policies.items()}
    assert min(each.low for each in told["unknown"]) < 0 <= min(each.low for each in told["known"])
    for known, unknown in zip(told["known"], told["unknown"], strict=True):
        assert known == replace(unknown, low=max(unknown.low, 0.0), loss=max(unknown.loss, 0.0), high=max(unknown.high, 0.0))


def test_of_a_metric_nothing_is_expected_before_a_run_tells_its_scale(job):
    budget = budget_of(200, steps=100, batch_size=10, objective=Objective.of(True, metric=True))
    seen = replace(measure(job, budget_of(200, steps=100, batch_size=10)), lowest=0.95, validation=0.1)  # an accuracy of .1 at the start
    policy = ExperiencePolicy(seen, budget)
    assert policy.pick(History()).expected is None
    first = policy.propose(History(), 3).candidates[0]
    assert first.expected is None
    marks, accuracy = np.array([0, 50, 100]), np.array([0.1, 0.8, 0.9])
    run = Run(first.recipe, first.seed, 100, marks, np.array([9.0, 2.0, 1.0]), accuracy, gradients=budget.gradients)
    told = policy.pick(History().more([Trial(first, run, 0.9)])).expected
    assert told.low <= told.loss <= told.high
    assert told.low < 0.95  # a bound of the loss is none of the metric


def test_cells_come_back_as_they_were_written(tmp_path):
    cells = shipped()[:2]
    written(list(cells), tmp_path / "cells.json.gz")
    again = read(tmp_path / "cells.json.gz")
    assert [cell.to_json() for cell in again] == [cell.to_json() for cell in cells]


def test_shares_and_their_logarithms_are_inverse():
    share = np.array([0.0, 0.02, 0.5, 1.0])
    assert np.allclose(remains(left(share)), share)


def test_a_constant_added_to_the_loss_and_its_unit_change_nothing(job):
    budget = budget_of(200, steps=100, batch_size=10)
    problem = job.problem
    shifted = replace(problem, value=lambda w, rows=None: problem.value(w, rows) - 7.0, minimum=problem.minimum - 7.0)
    scaled = replace(
        problem,
        value=lambda w, rows=None: 8.0 * problem.value(w, rows),
        gradient=lambda w, rows=None: 8.0 * problem.gradient(w, rows),
        hvp=lambda w, v, rows=None: 8.0 * problem.hvp(w, v, rows),
        minimum=8.0 * problem.minimum,
    )
    first, other, third = (tune(ProblemJob(each), budget, ExperiencePolicy, runs=2) for each in (problem, shifted, scaled))
    rates = [[trial.run.recipe.learning_rate for trial in found.history.trials] for found in (first, other, third)]
    assert rates[0] == rates[1]
    np.testing.assert_allclose(np.array(rates[2]) * 8, rates[0], rtol=0.01)  # rates have three digits
    assert other.pick.expected.loss == pytest.approx(first.pick.expected.loss - 7, abs=1e-6)


def test_a_finished_tuning_is_remembered_in_a_folder_and_helps_the_next(job, tmp_path):
    budget = budget_of(200, steps=100, batch_size=10)
    found = tune(job, budget, ExperiencePolicy, runs=2)
    before = pinned(recalled(tmp_path))
    keep(tmp_path / "mine", "mine", found.measurement, budget, found.history)
    keep(tmp_path / "mine", "mine", found.measurement, budget, found.history)
    own = recalled(tmp_path / "mine")
    assert (before, len(own), len(pinned(own))) == ("", 1, 12)
    again = ExperiencePolicy(found.measurement, budget, own=own)
    assert len(again.known.surfaces) == len(ExperiencePolicy(found.measurement, budget).known.surfaces) + 1
    assert again.pick(History()).expected is not None


def test_a_file_that_is_no_experience_is_refused_in_one_sentence(tmp_path):
    (tmp_path / "tuning-1.json").write_text('{"name": 3}')
    with pytest.raises(BadInput, match="does not hold experience"):
        recalled(tmp_path)

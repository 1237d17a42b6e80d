"""The loop, with a policy that is a list: prices are kept to, kills cost nothing, and what did not train is not recommended."""

import json
import math
from dataclasses import dataclass, replace

import numpy as np
import pytest

from inertia import problems
from inertia.errors import BadInput
from inertia.tuning.ending import estimated
from inertia.tuning.factors import budget_of
from inertia.tuning.judging import final, score, trained
from inertia.tuning.loop import estimate, tune
from inertia.tuning.measuring import measure
from inertia.tuning.numpy_door import ProblemJob
from inertia.tuning.policy import Candidate, Evidence, Expectation, Gain, Pick, Proposal, Reason
from inertia.tuning.recipe import Recipe
from inertia.tuning.result import Tuning
from inertia.tuning.store import JOURNAL, Journal
from inertia.tuning.trainable import Run


@dataclass
class Listed:
    """Runs the given multiples of 1/curvature, one after the other, each expected at a made-up loss."""

    seen: object
    budget: object
    units: tuple = (0.1, 0.5, 1.0)
    momentum_known: bool = True

    def recipe(self, unit, momentum=0.9):
        return Recipe(unit / self.seen.upper, momentum)

    def expect(self, recipes, history):
        losses = [self.seen.loss / (1 + recipe.learning_rate * self.seen.upper) for recipe in recipes]
        return [Expectation(loss, loss / 2, loss * 2) for loss in losses]

    def propose(self, history, left):
        done = len(history.trials)
        if done >= len(self.units):
            return None
        recipe = self.recipe(self.units[done])
        return Proposal((Candidate(recipe, done, self.expect([recipe], history)[0]),), Reason.IMPROVES, gain=0.1)

    def pick(self, history):
        if history.best is None:
            recipe = self.recipe(self.units[0])
            return Pick(recipe, None, Reason.ADVICE, self.expect([recipe], history)[0])
        recipe = history.trials[history.best].run.recipe
        return Pick(recipe, history.best, Reason.BEST_EXPECTED, self.expect([recipe], history)[0])

    def momentum(self, history):
        return Gain(3.0, 1.5, 6.0, Evidence.EXPERIENCE) if self.momentum_known else None

    def without_momentum(self, history):
        return self.recipe(1.0, 0.0)


def listed(**more):
    return lambda seen, budget, seed: Listed(seen, budget, **more)


@pytest.fixture(scope="module")
def job():
    rng = np.random.default_rng(0)
    inputs = rng.standard_normal((200, 6)) * np.geomspace(2, 0.1, 6)
    return ProblemJob(problems.logistic(inputs, (inputs @ np.ones(6) > 0).astype(int)))


@pytest.fixture(scope="module")
def budget(job):
    return budget_of(job.examples, steps=60, batch_size=20)


def test_the_answer_has_everything(job, budget):
    found = tune(job, budget, listed(), runs=3, prove=True)
    assert isinstance(found, Tuning)
    assert len(found.runs) == 3
    assert found.verified_loss == final(found.runs[found.best], budget.objective)
    assert found.verified_loss < found.measurement.loss
    whole = json.loads(json.dumps(found.to_json(), allow_nan=False))
    for name in (
        "task", "steps", "batch_size", "schedule", "regime", "recommendation", "predicted_loss", "verified_loss", "runs", "cost_in_runs",
        "measurement", "seed", "momentum", "cost", "expected",
    ):  # fmt: skip
        assert name in whole, name
    assert whole["momentum"] == {"gain": 3.0, "low": 1.5, "high": 6.0, "evidence": "experience"}
    assert {"estimated", "spent", "measuring", "runs"} <= set(whole["cost"])
    assert all(
        run["predicted"]["low"] < run["predicted"]["loss"] < run["predicted"]["high"] and run["seed"] == i
        for i, run in enumerate(whole["runs"])
    )
    assert found.proof.recipe.momentum == 0
    assert len(str(found).splitlines()) <= 15
    assert "<pre>" in found._repr_html_()


@pytest.mark.parametrize("runs", range(4))
def test_never_more_runs_than_allowed(job, budget, runs):
    found = tune(job, budget, listed(), runs=runs)
    assert len(found.runs) == runs
    assert found.cost.spent <= found.cost.estimated * (1 + 1e-12)
    if not runs:
        assert (found.best, found.verified_loss, found.pick.why) == (None, None, Reason.ADVICE)
        assert "not verified" in str(found)


@pytest.mark.parametrize("extra", [0.0, 0.5, 1.0, 1.7, 2.2, 9.0])
@pytest.mark.parametrize("prove", [False, True])
def test_the_price_is_kept_to(job, budget, extra, prove):
    least = estimated(job, budget) / budget.gradients
    found = tune(job, budget, listed(), runs=3, max_cost=least + prove + extra, prove=prove)
    assert found.cost.spent <= least + prove + extra + 1e-9
    assert found.cost.spent == pytest.approx(
        found.cost.measuring + sum(r.gradients for r in [*found.runs, *filter(None, [found.proof])]) / budget.gradients
    )


def test_a_price_below_measuring_is_refused_with_the_figure(job, budget):
    with pytest.raises(BadInput, match=r"max_cost = 0.001 runs is below what measuring costs, [\d.]+ runs \(\d+ example gradients\)"):
        tune(job, budget, listed(), max_cost=1e-3)


@pytest.mark.parametrize("runs", [-1, 1.5, True, "3"])
def test_bad_runs_are_refused(job, budget, runs):
    with pytest.raises(BadInput, match="give a whole number, 0 for advice"):
        estimate(job, budget, runs)


@pytest.mark.parametrize("steps", [16, 60, 200, 2000])
@pytest.mark.parametrize("batch", [1, 20, None])
def test_measuring_costs_no_more_than_was_said(job, steps, batch):
    asked = budget_of(job.examples, steps=steps, batch_size=batch)
    assert measure(job, asked).cost.example_gradients <= estimated(job, asked)


class Killed(Exception):
    pass


@pytest.mark.parametrize("after", range(3))
def test_a_kill_changes_nothing(job, budget, tmp_path, after):
    def told(found):
        whole = found.to_json()
        return json.dumps(whole, sort_keys=True)

    def stop(trial):
        if trial.candidate.seed == after:
            raise Killed

    once = Journal(tmp_path / "a")
    whole = told(tune(job, budget, listed(), store=once))
    once.close()
    cut = Journal(tmp_path / "b")
    with pytest.raises(Killed):
        tune(job, budget, listed(), store=cut, on_run=stop)
    cut.close()
    again = Journal(tmp_path / "b", resume=True)
    assert told(tune(job, budget, listed(), store=again)) == whole
    again.close()
    lines = [json.loads(line) for line in (tmp_path / "b" / JOURNAL).read_text().splitlines()]
    kinds = [line["kind"] for line in lines]
    assert kinds == ["asked", "measured", "proposed", "run", "proposed", "run", "proposed", "run", "end"]


def test_forecasts_are_in_the_journal_before_the_run(job, budget, tmp_path):
    store = Journal(tmp_path)

    def stop(trial):
        raise Killed

    with pytest.raises(Killed):
        tune(job, budget, listed(), store=store, on_run=stop)
    store.close()
    lines = [json.loads(line) for line in (tmp_path / JOURNAL).read_text().splitlines()]
    assert lines[2]["kind"] == "proposed"
    assert lines[2]["data"]["candidates"][0]["expected"]["loss"] > 0


def a_run(training, **more):
    marks = np.arange(len(training))
    return Run(Recipe(0.1), 0, 16, marks, np.asarray(training, dtype=float), np.full(len(training), np.nan), **more)


def test_what_did_not_train_is_not_recommended(job, budget):
    found = tune(job, budget, listed(units=(1e-9, 2e-9)), runs=2)
    assert not found.trained
    assert str(found).startswith("Nothing trained")
    assert "torch" not in str(found)
    assert found.to_json()["recommendation"]["trained"] is False


@pytest.mark.parametrize("shift", [-1e4, 0.0, 1e4])
def test_training_is_told_from_standing_still_whatever_is_added_to_the_loss(job, budget, shift):
    seen = measure(job, budget)
    fell = a_run(shift + seen.loss - np.array([0, 0.3, 0.6]) * seen.loss)
    still = a_run(shift + seen.loss - np.array([0, 1e-4, 1e-4]) * seen.loss)
    rose = a_run(shift + seen.loss + np.array([0, 1e-4, 1e-4]) * seen.loss)
    assert trained(fell, seen)
    assert not trained(still, seen)
    assert not trained(rose, seen)
    assert not trained(still, seen, (fell,))
    assert not trained(replace(fell, diverged_at=5), seen)


def test_lost_runs_score_infinite(budget):
    assert math.isinf(score(a_run([1.0, 0.5], diverged_at=3), budget.objective))
    assert math.isinf(score(a_run([1.0, 0.5], error="ValueError: no"), budget.objective))
    assert math.isinf(score(a_run([]), budget.objective))
    assert score(a_run([9, 4, 3, 2, 1]), budget.objective) == 2.5


def test_finished_tunings_are_remembered_where_that_is_asked_for(job, budget, tmp_path):
    from inertia.tuning.asking import Asked, ask

    folder = tmp_path / "experience"
    first = ask(job, budget, Asked(runs=1, experience=folder))
    assert first.experience == ""
    assert len(list(folder.iterdir())) == 1
    second = ask(job, budget, Asked(runs=1, experience=folder))
    assert second.experience != ""
    ask(job, budget, Asked(runs=1, experience=folder), journal=tmp_path / "out")
    with pytest.raises(BadInput, match="experience was"):
        ask(job, budget, Asked(runs=2, experience=None), journal=tmp_path / "out", resume=True)

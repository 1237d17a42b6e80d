"""What is said of momentum agrees with the runs that were made and with the losses that it speaks of."""

import re
from dataclasses import replace
from functools import partial

import numpy as np
import pytest

import inertia
from inertia.problems import logistic
from inertia.tuning.experience import ExperiencePolicy
from inertia.tuning.factors import budget_of
from inertia.tuning.judging import final, score
from inertia.tuning.loop import tune
from inertia.tuning.measuring import measure
from inertia.tuning.numpy_door import ProblemJob
from inertia.tuning.policy import Candidate, Evidence, Gain, History, Trial
from inertia.tuning.reasons import figure, on_gain, on_momentum
from inertia.tuning.recipe import Recipe

NUMBER = r"-?[0-9.]+(?:e[+-]\d+)?"


@pytest.fixture(scope="module")
def found():
    """A noisy convex job, with the run that --prove adds."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((120, 5))
    return inertia.tune(logistic(x, (x[:, 0] + rng.standard_normal(120) > 0).astype(float)), steps=40, batch_size=12, prove=True)


def of(found, *wanted, proof=None):
    """The same tuning, as if only these runs had been made and the first of them were recommended."""
    trials = tuple(found.history.trials[k] for k in wanted)
    pick = replace(found.pick, index=0 if trials else None, recipe=trials[0].run.recipe if trials else found.pick.recipe)
    return replace(found, history=History(trials), pick=pick, proof=proof)


def moving(found):
    return [k for k, run in enumerate(found.runs) if run.recipe.momentum > 0]


def test_the_run_without_momentum_stands_beside_the_best_with_it(found):
    """Both losses in the sentence are those of the runs, whichever of them was recommended, and the one added by prove counts too."""
    text, objective = on_momentum(found), found.budget.objective
    made = [*found.runs, found.proof]
    halves = {kind: [run for run in made if (run.recipe.momentum > 0) == kind] for kind in (False, True)}
    best = {kind: final(min(runs, key=lambda run: score(run, objective)), objective) for kind, runs in halves.items()}
    rate = rf"{NUMBER}(?: \(its best is expected at {NUMBER}\))?"
    said = re.search(rf"without momentum, at learning rate {rate}, ended at ({NUMBER}), \w+(?: best)? with it at ({NUMBER})$", text)
    assert said.groups() == (figure(best[False]), figure(best[True]))
    assert "unknown" not in text


def test_advice_with_a_run_to_prove_it_speaks_of_that_run_alone(found):
    assert on_momentum(of(found, proof=found.proof)).endswith(f"ended at {figure(final(found.proof, found.budget.objective))}")


def test_a_proof_that_diverged_is_told_as_that(found):
    lost = replace(found.proof, diverged_at=7)
    assert on_momentum(of(found, moving(found)[0], proof=lost)).endswith("diverged at step 7")


def test_the_ratio_in_losses(found):
    """(loss without - floor)/(loss with - floor) is the ratio again, with the floor 2 % of the fall below, or at the bound of the loss."""
    one = replace(of(found, moving(found)[0]), gain=Gain(3.0, 2.0, 4.0, Evidence.RUNS))
    for bound in (0.0, None):
        told = replace(one, measurement=replace(one.measurement, lowest=bound))
        low, high, loss = one.expected.loss, float(one.runs[0].training[0]), []
        said = re.search(rf"in losses, ({NUMBER}) \(({NUMBER}) to ({NUMBER})\) instead of ({NUMBER})$", on_momentum(told))
        loss = [float(each) for each in said.groups()]
        floor = low - 0.02 * (high - low)
        floor = floor if bound is None else max(floor, bound)
        np.testing.assert_allclose((np.array(loss[:3]) - floor) / (low - floor), [3, 2, 4], rtol=0.1)  # three digits are printed
        assert loss[3] == pytest.approx(low, rel=5e-3)


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_no_sentence_contradicts_its_own_numbers(optimizer):
    """ "Pays" is said exactly where the interval, as printed, begins above 1; a ratio that is printed as 1 is not said to be 1 times."""
    for low in (1.0, 1.0004, 1.00004, 1.003, 1.04, 1.3):
        for ratio in (low, low + 0.02, 2.0, 530.0):
            text = on_gain(Gain(ratio, low, 2 * ratio, Evidence.RUNS), optimizer)
            printed = re.search(r"interval (?:of the ratio )?(just above )?([0-9.]+) to ([0-9.]+)", text)
            assert ("is not certain" in text) == (low == 1) == (printed[1] is None and float(printed[2]) == 1)
            assert " 1 times" not in text
            assert "e+" not in text


def test_momentum_would_pay_where_the_setting_has_none(found):
    gain = Gain(2.0, 1.5, 3.0, Evidence.RUNS)
    assert on_gain(gain).startswith("Momentum pays here")
    assert on_gain(gain, used=False).startswith("Momentum would pay here")
    assert "the metric would end 2 times as far from its best value" in on_gain(gain, judged="metric")
    trial = replace(found.history.trials[0], run=found.proof)
    plain = replace(found, history=History((trial,)), pick=replace(found.pick, index=0, recipe=found.proof.recipe), proof=None, gain=gain)
    assert on_momentum(plain).startswith("Momentum would pay here")


def test_the_recommended_run_is_not_said_to_have_a_better_rate(found):
    """Beside a run without momentum stands where its best rate is expected, unless it is itself what is recommended."""
    proof, other = found.proof, replace(found.proof.recipe, learning_rate=2 * found.proof.recipe.learning_rate)
    elsewhere = replace(of(found, moving(found)[0], proof=proof), references=((other, found.expected),))
    assert f"(its best is expected at {figure(other.learning_rate, 3)})" in on_momentum(elsewhere)
    trial = replace(found.history.trials[0], run=proof)
    mine = replace(elsewhere, history=History((trial,)), pick=replace(found.pick, index=0, recipe=proof.recipe), proof=None)
    assert "its best is expected" not in on_momentum(mine)


def runs_of(job, budget, *recipes):
    """A history of real runs of these recipes, each on a seed of its own."""
    marks, history = np.array([0, budget.steps // 2, budget.steps]), History()
    for seed, recipe in enumerate(recipes):
        (run,) = job.run([recipe], budget, [seed], marks=marks)
        history = history.more([Trial(Candidate(recipe, seed, None), run, score(run, budget.objective))])
    return history


@pytest.fixture(scope="module")
def plain_job():
    rng = np.random.default_rng(3)
    x = rng.standard_normal((120, 5))
    return ProblemJob(logistic(x, (x[:, 0] + rng.standard_normal(120) > 0).astype(float))), budget_of(120, steps=40, batch_size=12)


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_the_best_without_momentum_is_not_expected_to_end_above_a_run_without(plain_job, optimizer):
    """Whatever ran: it is the recommended run where that has momentum 0, else no run at momentum 0 is expected to end lower."""
    job, budget = plain_job
    policy = ExperiencePolicy(measure(job, budget, optimizer=optimizer), budget, optimizer=optimizer)
    middle = policy.pick(History()).recipe.learning_rate
    recommended = set()
    for plain in (0.3, 1.07, 4.3, 17.1):  # rates between those that the policy proposes
        for moving in ((), (0.01,), (1.0,)):
            recipes = [Recipe(float(f"{plain * middle:.3g}"), 0.0, False, optimizer)]
            recipes += [Recipe(float(f"{each * middle:.3g}"), 0.9, False, optimizer) for each in moving]
            history = runs_of(job, budget, *recipes)
            said, pick = policy.without_momentum(history), policy.pick(history).recipe
            recommended.add(pick.momentum)
            assert said.momentum == 0
            assert said == pick or pick.momentum > 0
            expected = policy.known.belief(policy._weighed(history), policy._places([said, recipes[0]])).expected
            assert said == pick or expected[0] <= expected[1]
    assert recommended == {0.0, 0.9}


def test_a_proof_of_what_is_recommended_is_on_another_seed(plain_job):
    job, budget = plain_job
    found = tune(job, budget, partial(ExperiencePolicy, momentum=0.0), runs=1, prove=True)
    assert found.proof.recipe == found.recipe
    assert found.proof.seed != found.runs[0].seed
    assert found.references[-1] == (found.recipe, found.expected)

"""SGD or AdamW: both run, the further runs go where they are worth most, and the ratio says what a simulation of both says."""

import json
import warnings
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

import inertia
from inertia.errors import BadInput
from inertia.problems import valley
from inertia.tuning.asking import Asked, ask
from inertia.tuning.batches import TAIL
from inertia.tuning.ending import estimated
from inertia.tuning.experience import policy
from inertia.tuning.experience.cells import read
from inertia.tuning.experience.either import Apart, EitherPolicy, advised, ratios, told
from inertia.tuning.experience.policy import ExperiencePolicy
from inertia.tuning.factors import budget_of
from inertia.tuning.measuring import measure
from inertia.tuning.policy import Choice, History, Reason, Trial
from inertia.tuning.reasons import on_choice, remarks
from inertia.tuning.trainable import Run

BUDGET = budget_of(200, steps=60, batch_size=20)


@pytest.fixture(scope="module")
def seen(job):
    return measure(job, BUDGET, optimizer="any")


def run_of(candidate, loss, start):
    marks = np.array([0, *range(BUDGET.steps - TAIL + 1, BUDGET.steps + 1)])
    curve = np.array([start, *[loss] * TAIL])  # a run is judged by the mean of its last readings
    run = Run(candidate.recipe, candidate.seed, BUDGET.steps, marks, curve, np.full(TAIL + 1, np.nan), gradients=BUDGET.gradients)
    return Trial(candidate, run, loss)


def played(seen, losses, count):
    """`count` runs that the policy asks for; each optimizer's runs end at a share of the start that `losses` gives, whatever the recipe."""
    how, history = EitherPolicy(seen, BUDGET), History()
    why = []
    for _ in range(count):
        asked = how.propose(history, 1)
        why.append(asked.why)
        one = asked.candidates[0]
        history = history.more([run_of(one, losses[one.recipe.optimizer] * seen.loss, seen.loss)])
    return how, history, why


@pytest.mark.parametrize("best", ["sgd", "adamw"])
def test_both_run_once_and_then_the_better_one_is_recommended(seen, best):
    other = {"sgd": "adamw", "adamw": "sgd"}[best]
    bent = replace(seen, convex=False)  # as of a network: a forecast would know better than such runs how far SGD gets
    how, history, why = played(bent, {best: 0.2, other: 0.8}, 10)
    order = [trial.run.recipe.optimizer for trial in history.trials]
    assert set(order[:2]) == {"sgd", "adamw"}
    assert why[1] is Reason.OTHER_OPTIMIZER
    pick, choice = how.pick(history), how.chosen(history)
    assert pick.recipe.optimizer == choice.chosen == best
    assert history.trials[pick.index].run.recipe == pick.recipe
    assert order.count(other) > 1  # one run of the other tells little of what its best setting can do
    assert choice.low > 1
    assert choice.low <= choice.ratio <= choice.high
    assert all(expected is not None for expected in how.expect([trial.run.recipe for trial in history.trials], history))
    assert how.without_momentum(history).optimizer == best


def test_an_optimizer_whose_runs_are_lost_is_not_recommended(seen):
    bent = replace(seen, convex=False)
    for lost, fine in (("sgd", "adamw"), ("adamw", "sgd")):
        how, history, _ = played(bent, {lost: np.inf, fine: 0.9}, 3)
        assert {trial.run.recipe.optimizer for trial in history.trials} == {"sgd", "adamw"}
        assert how.pick(history).recipe.optimizer == fine


def test_nothing_is_said_before_both_have_run(seen):
    how, history, _ = played(seen, {"sgd": 0.1, "adamw": 0.1}, 1)
    assert how.pick(history).index == 0
    surely = Choice("sgd", "adamw", 3.0, 2.0, 4.0, how.chosen(history).evidence)
    assert "cannot be told" in on_choice(surely)


def test_equal_ends_are_not_told_apart(seen):
    how, history, _ = played(seen, {"sgd": 0.5, "adamw": 0.5}, 2)
    choice = how.chosen(history)
    assert choice.low < 1 < choice.high
    assert "cannot be told" in on_choice(choice)


def test_of_a_metric_that_is_to_rise_the_better_ends_higher():
    torch = pytest.importorskip("torch")
    x = torch.randn(60, 4, generator=torch.Generator().manual_seed(0))
    y = (x[:, 0] > 0).long()
    torch.manual_seed(0)
    model = torch.nn.Linear(4, 2)
    job = {"steps": 20, "batch_size": 10, "optimizer": "any", "runs": 2}
    share = lambda m: float((m(x).argmax(1) == y).float().mean())  # noqa: E731
    risen = inertia.tune(model, torch.nn.CrossEntropyLoss(), (x, y), metric=share, **job)
    fallen = inertia.tune(model, torch.nn.CrossEntropyLoss(), (x, y), metric=lambda m: 1 - share(m), maximize=False, **job)
    up, down = ("\n".join([str(found), *remarks(found), found.to_json()["optimizer"]["verdict"]]) for found in (risen, fallen))
    assert "of 2 runs, the best with" in up
    assert "was higher over its last steps than the best with" in up
    assert "ends higher here" in up
    assert "below their ceiling" in up
    assert not [words for words in ("lowest", "ends lower", "to lower the", "above their floor") if words in up]
    assert "was lower over its last steps than the best with" in down
    assert "ends lower here" in down
    assert "above their floor" in down


def drawn(seen, name, count=20_000):
    """Falls and floors of the best candidate of an optimizer, drawn as the model says."""
    belief = ExperiencePolicy(seen, BUDGET, optimizer=name).standing(History())
    rng = np.random.default_rng(len(name))
    hypotheses = rng.choice(belief.weight.size, count, p=belief.weight)
    most = belief.fall[(rng.random((count, 1)) > np.cumsum(belief.chance[hypotheses], axis=1)[:, :-1]).sum(axis=1)]
    y = np.minimum(belief.mean[hypotheses, 0] + np.sqrt(belief.variance[hypotheses, 0]) * rng.standard_normal(count), 0)
    return most * (1 - np.maximum(1.01 * np.exp(y) - 0.01, 0)), most


def test_the_first_run_is_that_which_drawing_says_will_end_lower(seen):
    how, ends = EitherPolicy(seen, BUDGET), {name: drawn(seen, name) for name in ("sgd", "adamw")}
    for name, (fell, _) in ends.items():
        settled, _, weight = policy.settled(how.each[name].standing(History()), 0)
        assert np.average(settled, weights=weight) == pytest.approx(fell.mean(), rel=0.03)
    floor = np.maximum(ends["sgd"][1], ends["adamw"][1])
    rest = {name: np.maximum(1 - fell / floor, 0) + 0.01 for name, (fell, _) in ends.items()}
    alike = stats.t.pdf(np.log(ends["adamw"][1] / ends["sgd"][1]) / how.apart.spread, how.apart.tail)  # both are one job
    drawn_again = np.random.default_rng(1).choice(floor.size, floor.size, p=alike / alike.sum())
    ratio = np.quantile(np.log(rest["adamw"] / rest["sgd"])[drawn_again], (0.1, 0.5, 0.9))
    so_far = told(*(policy.settled(how.each[name].standing(History()), 0) for name in ("sgd", "adamw")), how.apart)
    assert np.allclose(so_far, ratio, atol=0.2)  # of a spread of 4
    choice = how.chosen(History())
    assert choice.chosen == ("sgd" if so_far[1] >= 0 else "adamw")
    assert how.propose(History(), 3).candidates[0].recipe.optimizer == choice.chosen


def test_without_a_forecast_the_first_run_is_that_of_the_better_advice(seen):
    bent = replace(seen, convex=False)  # as of a network: then nothing is forecast
    how = EitherPolicy(bent, BUDGET)
    assert all(each.job.said is None for each in how.each.values())
    assert how.propose(History(), 3).candidates[0].recipe.optimizer == how.chosen(History()).chosen == advised()


def test_a_floor_above_the_other_start_is_as_good_as_impossible():
    falls = np.array([0.5, 1.0])
    known = falls, np.array([1.0, 2.0]), np.array([0.5, 0.5])
    below = falls - 3, np.array([1.0, 2.0]) - 1.5, np.array([0.5, 0.5])  # one of its two floors lies above where it starts
    with np.errstate(all="raise"):
        found, weight = ratios(known, below, Apart(0.1, 3.0))
    assert np.all(np.isfinite(found))
    assert weight.max() == 1
    assert weight.min() < 1e-6


def test_starts_that_differ_from_seed_to_seed_warn_of_nothing():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        inertia.tune("linear-regression", optimizer="any")


@pytest.mark.parametrize("name", ["sgd", "adamw"])
def test_the_best_of_an_optimizer_is_the_lowest_mean_of_every_hypothesis(seen, name):
    how = ExperiencePolicy(seen, BUDGET, optimizer=name)
    belief, fitted = how._tried(History()), how.known.fitted
    fall, possible, weight = how.at_best(History())
    assert np.sum(weight) == pytest.approx(1)
    rng = np.random.default_rng(2)
    hypotheses = rng.choice(belief.weight.size, 20_000, p=belief.weight)
    lowest = belief.mean.min(axis=1)
    deviation = (
        np.sqrt(belief.variance[np.arange(lowest.size), belief.mean.argmin(axis=1)]) * fitted.level / np.hypot(fitted.level, fitted.own)
    )
    y = np.minimum(lowest[hypotheses] + deviation[hypotheses] * rng.standard_normal(20_000), 0)
    share = (1 - np.maximum(1.01 * np.exp(y) - 0.01, 0)).mean()
    assert np.average(fall / possible, weights=weight) == pytest.approx(share, abs=0.005)


def test_what_is_possible_for_one_is_nearly_possible_for_the_other():
    how_far = Apart(0.1, 3.0)
    one = np.array([0.9, 0.5]), np.array([1.0, 0.5]), np.array([0.5, 0.5])
    two = np.array([0.45]), np.array([0.5]), np.array([1.0])
    alone = np.log((0.1 + 0.01) / (0.0 + 0.01))
    value, weight = ratios(one, two, how_far)
    assert np.average(value > alone - 1e-9, weights=weight) == pytest.approx(1, abs=0.02)  # with a fall of 1 it would be ln(.56/.11)


def test_what_a_candidate_is_worth_beside_a_fall_reached_otherwise_is_what_drawing_says(seen):
    alone = ExperiencePolicy(seen, BUDGET, optimizer="adamw")
    belief = alone.standing(History())
    fell = 0.6 * seen.loss
    fall, _, weight = policy.settled(belief, 0)
    _, gain = policy.surpassed(belief, fell)
    assert gain[0] == pytest.approx(np.sum(weight * np.maximum(fall - fell, 0)))
    assert policy.surpassed(belief, 1e9 * seen.loss)[1][0] == 0


def test_ratios_of_what_is_known_are_exact():
    def sure(fell, most):
        return np.array([fell]), np.array([most]), np.array([1.0])

    how_far = Apart(0.1, 3.0)
    assert np.allclose(np.exp(ratios(sure(9.0, 9.5), sure(5.0, 10.0), how_far)[0]), (0.5 + 0.01) / (0.1 + 0.01))
    assert np.allclose(ratios(sure(3.0, 5.0), sure(3.0, 5.0), how_far)[0], 0)
    assert np.allclose(told(sure(3.0, 5.0), sure(3.0, 5.0), how_far), 0)


def test_it_costs_both_ladders_and_no_more_than_was_said(job, seen):
    assert [ladder.optimizer for ladder in seen.ladders] == ["sgd", "adamw"]
    assert seen.ladder("adamw") is not seen.ladder("sgd")
    one, both = measure(job, BUDGET, optimizer="adamw"), estimated(job, BUDGET, "any")
    assert one.cost.example_gradients < seen.cost.example_gradients <= both
    assert estimated(job, BUDGET) < both
    assert np.array_equal(one.ladder("adamw").losses, seen.ladder("adamw").losses)


def test_more_runs_are_never_taken_than_allowed(job):
    for runs in (0, 1, 2):
        found = ask(job, BUDGET, Asked(runs=runs, optimizer="any"))
        assert len(found.runs) == runs
        assert found.choice.chosen == found.recipe.optimizer
        assert found.cost.spent <= found.cost.estimated
        assert (found.choice.evidence.value == "runs") == (runs == 2)


def test_a_tuning_that_was_cut_short_goes_on_as_it_would_have(job, tmp_path):
    class Cut(Exception):
        pass

    def stop(trial):
        raise Cut

    whole = ask(job, BUDGET, Asked(optimizer="any"))
    with pytest.raises(Cut):
        ask(job, BUDGET, Asked(optimizer="any"), journal=tmp_path, on_run=stop)
    again = ask(job, BUDGET, Asked(optimizer="any"), journal=tmp_path, resume=True)
    assert again.notes["resumed"] == 1
    assert json.dumps(again.to_json()) == json.dumps(whole.to_json())
    with pytest.raises(BadInput, match="optimizer was any, is now sgd"):
        ask(job, BUDGET, Asked(optimizer="sgd"), journal=tmp_path, resume=True)


def test_a_folder_of_experience_keeps_each_optimizer_apart(job, tmp_path):
    ask(job, BUDGET, Asked(runs=2, optimizer="any", experience=tmp_path))
    cells = [cell for path in sorted(tmp_path.glob("tuning-*.json")) for cell in read(path)]
    assert sorted(cell.optimizer for cell in cells) == ["adamw", "sgd"]
    assert ask(job, BUDGET, Asked(runs=0, optimizer="any", experience=tmp_path)).experience


def test_what_cannot_be_searched_together_is_refused():
    with pytest.raises(BadInput, match="momentum = 0.9 is fixed"):
        Asked(optimizer="any", momentum=0.9)
    with pytest.raises(BadInput, match="unknown optimizer 'anny'.*any"):
        Asked(optimizer="anny")
    with pytest.raises(BadInput, match="unknown optimizer 'any'"):
        inertia.check(valley(), lr=0.1, optimizer="any", steps=40)


def test_sgd_wins_the_valley_and_the_answer_says_so():
    found = inertia.tune("valley", optimizer="any", runs=4)
    said = found.to_json()["optimizer"]
    assert (said["chosen"], said["other"]) == ("sgd", "adamw")
    assert 1 < said["low"] <= said["ratio"] <= said["high"]
    assert "with SGD and " in str(found)
    assert "SGD ends lower here than AdamW" in str(found)
    assert f"{found.recipe.learning_rate:.4g}" in str(found)


def test_margins_and_pictures_hold_the_recommended_optimizer_alone(job):
    found = ask(job, BUDGET, Asked(optimizer="any"))
    from inertia.report.tuning import blocks, by_learning_rate, by_momentum

    mine = [trial.run.recipe.family for trial in found.history.of(found.recipe.optimizer).trials]
    assert sum(each.dots for each in by_momentum(found).lines) == len(mine) < len(found.runs)
    assert sum(each.dots for each in by_learning_rate(found).lines) == mine.count(found.recipe.family)
    assert any(getattr(block, "words", getattr(block, "text", "")) == "Which optimizer?" for block in blocks(found))


@pytest.mark.parametrize("framework", ["torch", "jax"])
def test_models_of_each_framework_choose_too(framework):
    x = np.linspace(-1, 1, 64, dtype=np.float32)
    if framework == "torch":
        torch = pytest.importorskip("torch")
        torch.manual_seed(0)
        model = torch.nn.Linear(1, 1)
        data = (torch.from_numpy(x[:, None]), torch.from_numpy(3 * x[:, None] - 1))
        found = inertia.tune(model, torch.nn.MSELoss(), data, steps=32, batch_size=16, optimizer="any", runs=2)
        assert isinstance(found.torch(model.parameters())[0], torch.optim.AdamW if found.choice.chosen == "adamw" else torch.optim.SGD)
    else:
        jnp = pytest.importorskip("jax.numpy")
        start = jnp.full(2, 0.1)
        found = inertia.tune(
            lambda w, batch: jnp.mean((batch[0] * w[0] + w[1] - batch[1]) ** 2), start, (x, 3 * x - 1), steps=32, optimizer="any", runs=2
        )
        assert found.optax().init(start) is not None
    assert {run.recipe.optimizer for run in found.runs} == {"sgd", "adamw"}
    assert found.choice.chosen == found.recipe.optimizer
    assert found.runs[found.best].recipe == found.recipe
    assert found.verified_loss < 0.7 * found.measurement.loss
    assert found.choice.low < 1 or found.verified_loss == min(run.training[-1] for run in found.runs)

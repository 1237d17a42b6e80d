"""Short runs: the ladder climbs to the best rung and past it, says the same of a shifted and a scaled loss, and keeps its price."""

from dataclasses import replace

import numpy as np
import pytest

from inertia.problems import least_squares
from inertia.tuning.factors import budget_of
from inertia.tuning.ladder import RUNGS, Ladder, climbed
from inertia.tuning.measuring import measure
from inertia.tuning.numpy_door import ProblemJob


def valley(best, edge, start=3.0):
    """The loss after a short run: lowest at `best`, at the start from `edge` on, lost three octaves later."""

    def ended(rung):
        if rung > edge + 3:
            return np.inf
        side = (rung - best) / (edge - best) if rung > best else (best - rung) / 8
        return start - max(1 - min(side, 2.0) ** 2, -5.0)

    return ended


@pytest.mark.parametrize("first", [-9.0, -4.3, 0.0, 4.0])
def test_the_best_rung_and_the_edge_are_found_from_wherever_it_begins(first):
    found = climbed("sgd", 10, 3.0, first, valley(-3.0, 0.0))
    assert found.rates.size <= RUNGS
    assert abs(found.rates[found.top] + 3) <= 1
    if found.rates.size < RUNGS:  # it ended because nothing was left to ask
        assert abs(found.best + 3) < 0.5
        assert found.edge == -0.5


def test_where_nothing_falls_there_is_no_ladder():
    assert climbed("sgd", 10, 1.0, 0.0, lambda rung: np.inf) is None


def test_a_shift_and_a_unit_of_the_loss_change_no_rung():
    losses = np.array([0.9, 0.5, 0.7, np.inf])
    one = Ladder("sgd", 10, np.arange(4.0), losses, 1.0)
    other = Ladder("sgd", 10, np.arange(4.0), 8 * losses - 100, 8 * 1.0 - 100)
    assert [one.best, one.half, one.edge] == pytest.approx([other.best, other.half, other.edge])
    assert other.fall == pytest.approx(8 * one.fall)


def test_on_a_quadratic_it_stands_where_plain_steps_say():
    rng = np.random.default_rng(0)
    x = rng.standard_normal((300, 5))
    problem = least_squares(x, x @ rng.standard_normal(5))
    budget = budget_of(300, steps=200, batch_size=20)
    found = measure(ProblemJob(problem), budget)
    ladder = found.ladder("sgd")
    curvature = np.linalg.eigvalsh(x.T @ x / 300)[-1]
    stable = np.log2(2 * 1.9 / curvature)  # heavy ball .9 is stable below this
    assert ladder.best < stable
    assert ladder.edge == pytest.approx(stable, abs=2)
    assert found.cost.example_gradients < budget.gradients
    assert measure(ProblemJob(replace(problem, name="again")), budget).ladder("sgd").losses.tolist() == ladder.losses.tolist()


def test_bounds_of_losses_are_told_only_where_they_hold():
    torch = pytest.importorskip("torch")
    from inertia.torch.losses import lowest_of

    class Mine(torch.nn.MSELoss):
        def forward(self, output, target):
            return super().forward(output, target) - 5

    assert lowest_of(torch.nn.CrossEntropyLoss()) == 0
    assert lowest_of(torch.nn.functional.mse_loss) == 0
    assert [lowest_of(each) for each in (Mine(), torch.nn.GaussianNLLLoss(), lambda a, b: a, None)] == [None] * 4
    assert lowest_of(torch.nn.CrossEntropyLoss(weight=torch.tensor([1.0, -1.0]))) is None


def test_a_bound_that_is_known_is_never_undercut_by_what_is_expected():
    """Both cross-entropies of the linear models, where no minimum is known, and a JAX loss that is told its bound."""
    import jax.numpy as jnp

    from inertia.jax.door import JaxJob
    from inertia.problems.linear_models import logistic, softmax
    from inertia.tuning.experience.policy import ExperiencePolicy
    from inertia.tuning.factors import budget_of
    from inertia.tuning.measuring import measure
    from inertia.tuning.numpy_door import ProblemJob
    from inertia.tuning.policy import History

    rng = np.random.default_rng(4)
    x = rng.normal(size=(240, 3))
    y = (x @ [3.0, -2.0, 1.0] > 0) * 1.0
    far = ProblemJob(logistic(40 * x, y)), ProblemJob(softmax(40 * x, y))

    def loss(w, batch):
        return jnp.mean(jnp.logaddexp(0.0, -(2 * batch[1] - 1) * (batch[0] @ w)))

    for job in (*far, JaxJob(loss, jnp.zeros(3), (40 * x, y), batch_size=12, lowest=0.0)):
        assert job.lowest == 0
        budget = budget_of(240, steps=200, batch_size=12)
        policy = ExperiencePolicy(measure(job, budget), budget)
        for recipe in (policy.pick(History()).recipe, *policy.recipes[::40]):
            (said,) = policy.expect([recipe], History())
            assert 0 <= said.low <= said.loss <= said.high


def test_built_in_networks_know_that_their_losses_are_not_negative():
    from inertia.tasks import load
    from inertia.tasks.models import MODELS
    from inertia.tasks.tuning import job_of

    for name in ("digits-mlp", "digits-autoencoder", "digits-mlp-torch"):
        assert name in MODELS
        job, _ = job_of(load(name))
        assert job.lowest == 0


def test_the_bound_holds_after_runs_too_whatever_their_seeds_began_at():
    """Runs whose starts differ from the one measured, the last of them next to the bound."""
    from inertia.problems.linear_models import logistic
    from inertia.tuning.experience.policy import ExperiencePolicy
    from inertia.tuning.factors import budget_of
    from inertia.tuning.measuring import measure
    from inertia.tuning.numpy_door import ProblemJob
    from inertia.tuning.policy import Candidate, History, Trial
    from inertia.tuning.trainable import Run

    rng = np.random.default_rng(5)
    x = rng.normal(size=(240, 3))
    job, budget = ProblemJob(logistic(x, (x @ [3.0, -2.0, 1.0] > 0) * 1.0)), budget_of(240, steps=200, batch_size=12)
    measured = measure(job, budget)
    policy = ExperiencePolicy(measured, budget)
    trials = []
    for k, (start, end) in enumerate([(measured.loss + 0.01, 0.001), (measured.loss + 0.02, 1e-5)]):
        run = Run(policy.recipes[10 * k], k, 200, np.array([0, 200]), np.array([start, end]), np.full(2, np.nan))
        trials.append(Trial(Candidate(run.recipe, k, None), run, end))
        for recipe in policy.recipes[::50]:
            (said,) = policy.expect([recipe], History(tuple(trials)))
            assert 0 <= said.low <= said.loss <= said.high

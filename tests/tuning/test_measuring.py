"""The one measurement against exact values: eigenvalues, exact noise, the moved optimum of weight decay, any shift of the loss."""

import dataclasses

import numpy as np
import pytest

from inertia.errors import BadInput
from inertia.problems import BUILT_IN, least_squares, logistic
from inertia.tuning.budget import Budget
from inertia.tuning.effort import allowance
from inertia.tuning.measuring import measure
from inertia.tuning.numpy_door import ProblemJob
from inertia.tuning.recipe import Recipe


def budget(steps, batch, examples, **words):
    return Budget(steps, batch, examples, 1 - np.arange(steps) / steps, "linear", **words)


def data(seed=0, examples=300, n=8):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((examples, n)) * np.geomspace(2, 0.1, n)
    return x, x @ np.ones(n) + 0.5 * rng.standard_normal(examples)


def shifted(problem, by):
    return dataclasses.replace(problem, value=lambda w, rows=None: problem.value(w, rows) + by, minimum=None)


@pytest.mark.parametrize("decay", [0.0, 0.1])
def test_full_batch_least_squares_is_exact(decay):
    x, y = data(examples=60)
    start = np.linspace(-1, 1, 8)
    found = measure(ProblemJob(least_squares(x, y, start=start)), budget(200, 60, 60, weight_decay=decay))
    h, q = np.linalg.eigh(x.T @ x / 60 + decay * np.eye(8))
    gradient = q.T @ (x.T @ (x @ start - y) / 60 + decay * start)
    assert found.used == 60
    assert found.convex
    assert found.tail is None
    assert found.noise.trace == 0
    assert found.largest == pytest.approx(h[-1])
    assert found.start.smallest == pytest.approx(h[0])
    np.testing.assert_allclose(found.gradient.nodes, h, rtol=1e-9)
    np.testing.assert_allclose(found.gradient.shares, gradient**2, rtol=1e-6)
    if decay:
        np.testing.assert_allclose(found.gradient.position, (q.T @ start) * np.sign(gradient), rtol=1e-6)
        # the quadratic of the objective, minus the penalty, is the loss that a run ends at
        moved = -np.sqrt(found.gradient.shares) / found.gradient.nodes
        objective = found.loss + 0.5 * decay * start @ start - 0.5 * np.sum(found.gradient.shares / found.gradient.nodes)
        penalty = 0.5 * decay * (start @ start + 2 * found.gradient.position @ moved + moved @ moved)
        best = np.linalg.solve(x.T @ x / 60 + decay * np.eye(8), x.T @ y / 60)
        assert objective - penalty == pytest.approx(0.5 * np.mean((x @ best - y) ** 2))
    else:
        assert found.gradient.position.size == 0


def test_the_noise_is_that_of_the_runs_batches():
    x, y = data()
    job = ProblemJob(least_squares(x, y))
    found = [measure(job, budget(400, 20, 300), seed=seed).noise for seed in range(10)]
    each = x * (x @ np.zeros(8) - y)[:, None]
    exact = (1 / 20 - 1 / 300) * np.sum(np.var(each, axis=0, ddof=1))
    mean = np.mean([noise.trace for noise in found])
    assert abs(mean - exact) < 4 * np.mean([noise.error for noise in found]) / np.sqrt(10)
    assert found[0].along.shares.sum() == pytest.approx(found[0].trace)


@pytest.mark.parametrize("make", [least_squares, logistic])
@pytest.mark.parametrize("by", [-1000.0, 1000.0])
def test_a_constant_added_to_the_loss_changes_nothing(make, by):
    x, y = data()
    problem = make(x, y > 0 if make is logistic else y)
    plain, moved = (measure(ProblemJob(each), budget(300, 30, 300)) for each in (problem, shifted(problem, by)))
    assert moved.loss - by == pytest.approx(plain.loss)
    assert moved.at[0].largest == plain.at[0].largest
    assert moved.noise.trace == plain.noise.trace
    np.testing.assert_array_equal(moved.gradient.shares, plain.gradient.shares)
    assert (moved.tail is None) == (plain.tail is None)
    if plain.tail is not None:
        assert [moved.tail.knee, moved.tail.bend, moved.tail.slack] == pytest.approx(dataclasses.astuple(plain.tail), rel=1e-3)


@pytest.mark.parametrize(
    ("steps", "batch", "examples"), [(200, 32, 1000), (200, 16, 50), (400, 20, 400), (31_250, 32, 100_000), (10_000, 100, 10_000)]
)
def test_measuring_costs_what_the_law_allows(steps, batch, examples):
    x, y = data(examples=examples)
    found = measure(ProblemJob(logistic(x, y > 0)), budget(steps, batch, examples))
    runs = found.cost.example_gradients / (steps * batch)
    assert runs < (0.05 if steps * batch >= 10**6 else 1.0)
    assert runs < 1.3 * max(allowance(budget(steps, batch, examples)) / (steps * batch), 0.6)


def test_what_is_not_convex_is_measured_after_a_walk_too():
    found = measure(ProblemJob(BUILT_IN["rosenbrock"]()), budget(200, 1, 1))
    assert not found.convex or len(found.at) == 2
    assert found.lowest == 0


def test_a_start_without_gradient_is_one_sentence():
    with pytest.raises(BadInput, match="gradient at the start is zero"):
        measure(ProblemJob(least_squares(np.eye(2), [0.0, 0.0])), budget(100, 2, 2))


def test_runs_equal_plain_stepping_and_a_diverging_one_is_a_result():
    x, y = data(examples=50)
    problem, plan = least_squares(x, y), budget(40, 10, 50, weight_decay=0.01, clip=0.5)
    marks = np.array([0, 20, 40])
    recipes = [Recipe(0.1, 0.9, nesterov=True), Recipe(1e6), Recipe(0.05, 0.9, optimizer="adamw")]
    good, bad, adam = ProblemJob(problem).run(recipes, plan, [3, 3, 3], marks=marks, keep=True)
    from inertia.tuning.batches import batch_order

    w, v = np.zeros(8), np.zeros(8)
    for k, rows in enumerate(batch_order(50, 10, 40, 3)):
        g = problem.gradient(w, rows)
        g = g * min(1.0, 0.5 / (np.linalg.norm(g) + 1e-6)) + 0.01 * w
        v = 0.9 * v + g
        w = w - 0.1 * plan.factors[k] * (g + 0.9 * v)
    assert good.training[-1] == pytest.approx(float(problem.value(w)), rel=1e-12)
    np.testing.assert_allclose(ProblemJob(problem).unpack(good.end), w)
    assert bad.diverged_at is None or bad.end is None
    w, first, second = np.zeros(8), np.zeros(8), np.zeros(8)
    for k, rows in enumerate(batch_order(50, 10, 40, 3)):
        g, rate = problem.gradient(w, rows), 0.05 * plan.factors[k]
        g = g * min(1.0, 0.5 / (np.linalg.norm(g) + 1e-6))
        first, second = 0.9 * first + 0.1 * g, 0.999 * second + 0.001 * g * g
        w = w - rate * (0.01 * w + first / (1 - 0.9 ** (k + 1)) / (np.sqrt(second / (1 - 0.999 ** (k + 1))) + 1e-8))
    assert adam.training[-1] == pytest.approx(float(problem.value(w)), rel=1e-12)
    assert ProblemJob(problem).unpack(b"broken") is None

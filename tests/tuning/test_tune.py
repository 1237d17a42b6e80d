"""The whole chain on small problems, and the answer as data."""

import dataclasses
import json
import math
from types import SimpleNamespace

import numpy as np
import pytest
from numpy.testing import assert_allclose

from inertia import tasks
from inertia.core.method import Method
from inertia.core.schedule import linear, shaped
from inertia.errors import BadInput, Diverged
from inertia.problems import least_squares, logistic, valley
from inertia.problems.simulation import Interrupted, run, run_many
from inertia.theory.modes import edge
from inertia.tuning import observe, tune
from inertia.tuning.report import keras_note, lines, words

RNG = np.random.default_rng(11)
X = RNG.standard_normal((200, 4)) * np.array([2.0, 1.0, 0.5, 0.2])
SQUARES = least_squares(X, X @ np.array([1.0, -1.0, 2.0, 3.0]) + 0.5 * RNG.standard_normal(200), name="squares")
LABELS = logistic(X, (X @ np.ones(4) + RNG.standard_normal(200) > 0).astype(int), name="labels")

# The contract of `inertia tune --json`: other keys may stand beside these, none of these may go.
CONTRACT = {
    "task", "steps", "batch_size", "schedule", "regime", "recommendation", "predicted_loss", "verified_loss", "runs",
    "cost_in_runs", "measurement", "seed",
}  # fmt: skip


@pytest.fixture(scope="module")
def squares():
    return tune(SQUARES, steps=150, batch_size=10, schedule="linear", seed=3)


@pytest.mark.parametrize("schedule", ["constant", "linear", "cosine"])
@pytest.mark.parametrize("problem", [SQUARES, LABELS], ids=["squares", "labels"])
def test_the_recommendation_is_near_the_best_of_a_grid(problem, schedule):
    found = tune(problem, steps=150, batch_size=10, schedule=schedule, seed=1)
    alpha, beta = np.meshgrid(2.0 ** np.arange(-10, 4), [0.0, 0.5, 0.8, 0.9, 0.95])
    grid = Method(alpha.ravel(), beta.ravel(), np.zeros(alpha.size), np.zeros(alpha.size))
    finals = [
        np.array([r.loss for r in run_many(problem, shaped(schedule, m, 150), 150, batch_size=10, seed=s, evaluate_every=150)])
        for m in (grid, found.method)
        for s in (7, 8, 9)
    ]
    oracle, ours = np.mean(finals[:3], axis=0).min(), np.mean(finals[3:])
    start = float(problem.value(problem.start))
    assert start - ours > 0.97 * (start - oracle)  # the study's fraction of improvement; fixed seeds
    assert len(found.runs) <= 3


def test_the_recommended_run_can_be_repeated(squares):
    again = run(SQUARES, linear(squares.method, 150), 150, batch_size=10, seed=3)
    assert again.loss == squares.verified_loss
    assert_allclose(squares.predicted_loss, squares.verified_loss, rtol=0.05)  # a quadratic: the forecast is nearly right
    assert edge(squares.method) > squares.measurement["largest_upper"]


def test_the_answer_keeps_the_contract_and_is_json(squares):
    data = json.loads(json.dumps(squares.to_json(), allow_nan=False))
    assert set(data) >= CONTRACT
    assert {"alpha", "beta", "gamma", "torch", "optax", "keras"} <= set(data["recommendation"])
    assert {"alpha", "beta", "gamma", "steps", "loss", "diverged"} <= set(data["runs"][0])
    assert {"largest", "largest_upper", "smallest", "noise_trace", "hvps", "dimension"} <= set(data["measurement"])
    assert data["runs"][data["best_run"]]["loss"] == data["verified_loss"]
    curves = data["curves"]
    assert len(curves["predicted"]) == len(curves["actual"]) == len(data["runs"])
    assert len(curves["loss_by_alpha"]) == len(curves["families"])
    assert len(curves["betas"]) == len(curves["loss_by_beta"])


def test_cost_counts_what_was_spent(squares):
    spent = squares.measurement["gradients"] + sum(record.gradients for record in squares.runs)
    assert squares.cost_in_runs == pytest.approx(spent / (150 * 10))


def test_the_same_seed_gives_the_same_answer(squares):
    again = tune(SQUARES, steps=150, batch_size=10, schedule="linear", seed=3)
    assert again.to_json() == squares.to_json()


def test_a_valley_is_curvature_limited_and_solved():
    found = tune(valley(), steps=60, schedule="constant")
    assert found.regime == "curvature-limited"
    assert found.verified_loss < 1e-12
    assert_allclose(found.predicted_loss, found.verified_loss, rtol=1e-6, atol=1e-15)  # no noise: the forecast is exact
    assert found.measurement["noise_trace"] == 0


def test_records_arrive_before_the_next_run_and_an_interrupt_keeps_them():
    kept, stages = [], []

    def progress(stage, done, total):
        stages.append(stage)
        if len(kept) == 2 and stage == "running":
            raise KeyboardInterrupt

    with pytest.raises(Interrupted):
        tune(SQUARES, steps=150, batch_size=10, seed=3, progress=progress, on_record=kept.append)
    assert [len(record.losses) for record in kept[:2]] == [151, 151]
    assert stages[0] == "measuring"


def test_a_sample_of_the_examples_raises_the_bar():
    rng = np.random.default_rng(2)
    x = rng.standard_normal((3000, 3))
    problem = least_squares(x, x @ np.ones(3) + rng.standard_normal(3000))
    found = observe(problem, 100, 10)
    assert found.facts["examples"] == 512
    assert found.facts["largest_sampling_error"] > 0
    assert found.upper > problem.spectrum.L  # fixed seed; two standard errors


def test_the_noise_is_counted_as_drawn_without_replacement():
    found = observe(SQUARES, 100, 10)
    assert found.model.epoch == 20
    assert observe(SQUARES, 100, 200).facts["noise_trace"] == 0  # the whole batch


def test_where_curvature_is_negative_it_walks_and_says_so():
    quartic = dataclasses.replace(
        valley(),
        name="two wells",
        value=lambda w, rows=None: ((w[..., 0] ** 2 - 1) ** 2 + w[..., 1] ** 2) / 2,
        gradient=lambda w, rows=None: np.stack([2 * w[..., 0] * (w[..., 0] ** 2 - 1), w[..., 1]], axis=-1),
        hvp=lambda w, v, rows=None: np.stack([(6 * w[..., 0] ** 2 - 2) * v[..., 0], v[..., 1]], axis=-1),
        start=np.array([0.1, 1.0]),
        spectrum=None,
        minimum=0.0,
    )
    found = tune(quartic, steps=100, schedule="constant")
    assert not found.measurement["convex"]
    assert found.verified_loss < 1e-3
    assert any("negative curvature was seen" in note for note in found.notes)


@pytest.mark.parametrize(
    ("words_", "message"),
    [
        ({"steps": 0}, "steps = 0 is too few"),
        ({"steps": 10, "batch_size": 201}, "batch_size = 201 is outside 1 to 200"),
        ({"steps": 10, "batch_size": 0}, "batch_size = 0 is outside 1 to 200"),
        ({"steps": 10, "schedule": "triangle"}, "unknown schedule 'triangle'"),
        ({"steps": 10, "runs": 0}, "runs = 0 is too few"),
    ],
)
def test_bad_input(words_, message):
    with pytest.raises(BadInput, match=message):
        tune(SQUARES, **words_)


def test_bad_problems():
    with pytest.raises(BadInput, match="is one function without examples: leave batch_size out"):
        tune(valley(), steps=10, batch_size=3)
    with pytest.raises(BadInput, match="the gradient at the start is zero"):
        tune(dataclasses.replace(valley(), start=np.zeros(2)), steps=10)
    with pytest.raises(Diverged, match="not finite at the start"):
        tune(dataclasses.replace(valley(), start=np.array([np.inf, 0.0])), steps=10)
    flat = dataclasses.replace(
        valley(),
        name="slope",
        value=lambda w, rows=None: w[..., 0],
        gradient=lambda w, rows=None: w * 0 + 1,
        hvp=lambda w, v, rows=None: v * 0,
    )
    with pytest.raises(BadInput, match="no positive curvature at the start"):
        tune(flat, steps=10)


@pytest.mark.parametrize("schedule", ["constant", "linear", "cosine"])
@pytest.mark.parametrize("method", [Method(0.3), Method(0.2, 0.8), Method(0.2, 0.8, 0.8)])
def test_the_torch_lines_run_and_mean_the_method(schedule, method):
    torch = pytest.importorskip("torch")
    weights = torch.nn.Parameter(torch.tensor(valley().start, dtype=torch.float64))
    scope = {"torch": torch, "math": math, "model": SimpleNamespace(parameters=lambda: [weights])}
    exec(lines(method, schedule, 12)["torch"], scope)
    for _ in range(12):
        weights.grad = torch.tensor(valley().gradient(weights.detach().numpy()))
        scope["optimizer"].step()
        if "scheduler" in scope:
            scope["scheduler"].step()
    assert_allclose(weights.detach().numpy(), run(valley(), shaped(schedule, method, 12), 12).final, rtol=1e-10)


@pytest.mark.parametrize("schedule", ["constant", "linear", "cosine"])
def test_the_optax_line_runs_and_means_the_method(schedule):
    jax, optax = pytest.importorskip("jax"), pytest.importorskip("optax")
    method = Method(0.2, 0.8, 0.8)
    transform = eval(lines(method, schedule, 12)["optax"], {"optax": optax})
    params = jax.numpy.asarray(valley().start, dtype=jax.numpy.float32)
    state = transform.init(params)
    for _ in range(12):
        grads = jax.numpy.asarray(valley().gradient(np.asarray(params, dtype=float)), dtype=jax.numpy.float32)
        updates, state = transform.update(grads, state, params)
        params = optax.apply_updates(params, updates)
    ours = run(valley(), shaped(schedule, method, 12), 12).final
    assert_allclose(np.asarray(params), ours, rtol=1e-3, atol=1e-5)  # float32


def test_keras_is_told_apart_under_a_schedule():
    assert keras_note("constant") == ""
    assert "different algorithm" in keras_note("linear")
    assert "PolynomialDecay(0.1, 50, 0.0)" in lines(Method(0.1, 0.9), "linear", 50)["keras"]
    assert words(Method(0.1, 0.9, 0.9)) == {
        "torch": {"lr": 0.1, "momentum": 0.9, "nesterov": True},
        "optax": {"learning_rate": 0.1, "momentum": 0.9, "nesterov": True},
        "keras": {"learning_rate": 0.1, "momentum": 0.9, "nesterov": True},
    }


@pytest.mark.parametrize(("name", "batch_size"), [("digits", 32), ("breast-cancer", 32), ("diabetes", 10)])
def test_measuring_costs_less_than_a_twentieth_of_a_million_examples(name, batch_size):
    seen = observe(tasks.load(name).problem, 10**6 // batch_size, batch_size)
    assert seen.gradients < 0.05 * 10**6

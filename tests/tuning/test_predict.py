"""The forecast against brute force: sampled runs on random quadratics, real least squares, and strides against single steps."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from inertia.core.method import Method, step
from inertia.core.schedule import SHAPES, linear, shaped, tabulate
from inertia.core.spectrum import spectrum
from inertia.errors import BadInput
from inertia.problems import least_squares
from inertia.tuning.predict import Model, forecast, grounded, joined

NUMBERS = st.floats(0.05, 0.95)


def walked(schedule, h, weights, steps):
    """Excess loss of the noiseless recursion, one mode at a time, by the step itself."""
    table = tabulate(schedule, steps)
    error, velocity, losses = np.sqrt(weights), np.zeros_like(h), [0.5 * np.sum(h * weights)]
    for k in range(steps):
        error, velocity = step(Method(*(column[k] for column in table)), error, velocity, h * error)
        losses.append(0.5 * np.sum(h * error**2))
    return np.array(losses)


@settings(max_examples=60, deadline=None)
@given(beta=NUMBERS, gamma=st.floats(0, 1), share=NUMBERS, name=st.sampled_from(sorted(SHAPES)), seed=st.integers(0, 99))
def test_without_noise_it_is_the_recursion(beta, gamma, share, name, seed):
    rng = np.random.default_rng(seed)
    h, weights = np.sort(rng.uniform(0.01, 3.0, 5)), rng.uniform(0, 2, 5)
    method = Method(share * 2 * (1 + beta) / (1 + 2 * gamma) / h[-1], beta, gamma)
    schedule = shaped(name, method, 40)
    found = forecast(Model(spectrum(h, weights), start=float(0.5 * h @ weights)), schedule, 40)
    brute = walked(schedule, h, weights, 40)
    # relative to the start: second moments lose digits to cancellation where the loss itself has become tiny
    assert_allclose(found.loss, brute, rtol=1e-9, atol=1e-11 * brute.max())


def test_with_unchanging_noise_it_is_the_exact_loss_curve():
    quadratic = pytest.importorskip("inertia.theory.quadratic")
    rng = np.random.default_rng(0)
    spec = spectrum(rng.uniform(0.1, 2.0, 7), rng.uniform(0, 1, 7), rng.uniform(0, 0.1, 7))
    for method in (Method(0.3), Method(0.2, 0.9), Method(0.2, 0.8, 0.8), Method(0.3, 0.7, 2.0 / 7)):
        found = forecast(Model(spec, start=spec.excess + 0.25, follow=0.0), method, 60)
        assert_allclose(found.loss - 0.25, quadratic.loss_curve(method, spec, 60), rtol=1e-9)


@pytest.mark.parametrize("method", [Method(0.3), Method(0.05, 0.9), Method(0.05, 0.9, 0.9), Method(0.08, 0.6, 1.5)])
def test_noise_that_follows_the_loss_is_what_sampling_gives(method):
    """Monte Carlo of the very recursion: noise drawn with the variance of the model's own expected loss."""
    rng = np.random.default_rng(5)
    spec = spectrum([0.5, 2.0], [1.0, 0.5], [0.3, 0.4])
    model = Model(spec, start=spec.excess + 0.1)
    ahead = forecast(model, method, 40).loss
    error = np.tile(np.sqrt(spec.weights), (40000, 1))
    velocity = np.zeros_like(error)
    for k in range(40):
        noise = rng.standard_normal(error.shape) * np.sqrt(spec.noise * ahead[k] / model.start)
        error, velocity = step(method, error, velocity, spec.curvatures * error + noise)
    sampled = 0.1 + 0.5 * (error**2) @ spec.curvatures
    assert abs(sampled.mean() - ahead[-1]) < 4 * sampled.std() / 200  # four standard errors of 40,000 samples


def test_on_real_least_squares_it_is_what_training_does():
    """2000 runs of mini-batch momentum with independent batches; isotropic features make the noise follow the loss."""
    rng = np.random.default_rng(1)
    x = rng.standard_normal((400, 3)) * np.array([1.5, 1.0, 0.4])
    y = x @ np.array([1.0, -1.0, 2.0]) + 0.5 * rng.standard_normal(400)
    problem = least_squares(x, y)
    method, steps, size = linear(Method(0.03, 0.8, 0.8), 60), 60, 10
    h, q = np.linalg.eigh(x.T @ x / 400)
    each = np.stack([problem.gradient(problem.start, np.array([i])) for i in range(400)])
    variances = np.var(each @ q, axis=0) / size
    spec = spectrum(h, (q.T @ (problem.start - problem.optimum)) ** 2, variances)
    ahead = forecast(Model(spec, start=float(problem.value(problem.start))), method, steps)
    params, velocity = np.zeros((2000, 3)), np.zeros((2000, 3))
    for k in range(steps):
        rows = rng.integers(0, 400, (2000, size))
        residual = np.einsum("tbn,tn->tb", x[rows], params) - y[rows]
        params, velocity = step(method(k), params, velocity, np.einsum("tb,tbn->tn", residual, x[rows]) / size)
    ran = problem.value(params).mean()
    floor = problem.minimum
    assert abs((ahead.final - floor) / (ran - floor) - 1) < 0.25  # the coupling is a model: a quarter of the excess is its accuracy


@pytest.mark.parametrize("name", sorted(SHAPES))
@pytest.mark.parametrize("steps", [513, 3000])
def test_strides_say_what_single_steps_say(name, steps):
    rng = np.random.default_rng(2)
    spec = spectrum(np.geomspace(0.01, 10, 9), rng.random(9), 0.01 * rng.random(9))
    model = Model(spec, start=spec.excess + 1.0)
    alpha, beta = np.meshgrid(np.geomspace(1e-4, 0.1, 8), [0.0, 0.9, 0.99])
    schedule = shaped(name, Method(alpha, beta, beta), steps)
    fast, slow = forecast(model, schedule, steps).final, forecast(model, schedule, steps, exact=True).final
    assert_allclose(fast, slow, rtol=2e-4)  # alpha and noise stand still within a stride of at most 1/32 of what is left
    assert len(forecast(model, schedule, steps).steps) < steps / 1.2


def test_a_million_steps_are_about_a_thousand_strides():
    model = Model(spectrum([1.0, 0.01], noise=0.01), start=1.0)
    assert len(forecast(model, Method(0.1, 0.9), 1_000_000).steps) < 1500


def test_what_diverges_is_infinite_and_quiet():
    found = forecast(Model(spectrum([1.0], noise=1.0), start=1.0), Method(np.array([0.1, 5.0])), 3000)
    assert np.isfinite(found.final[0])
    assert found.final[1] == np.inf


def test_a_schedule_of_whole_methods_is_followed():
    model = Model(spectrum([1.0, 3.0]), start=2.0)
    found = forecast(model, lambda k: Method(0.2, beta=0.5 if k < 5 else 0.0), 10)
    assert_allclose(found.loss, walked(lambda k: Method(0.2, beta=0.5 if k < 5 else 0.0), np.array([1.0, 3.0]), np.ones(2), 10), rtol=1e-12)


def test_a_quadratic_may_not_promise_more_than_the_loss():
    h, w = grounded([-1.0, 0.001, 2.0], [0.5, 0.5, 1.0], drop=3.0)
    assert_allclose(0.5 * np.sum(h * w), 3.0, rtol=1e-9)
    assert np.all(h > 0)
    assert h[2] == 2.0
    kept, _ = grounded([0.5, 2.0], [0.5, 1.0], drop=3.0)
    assert kept.tolist() == [0.5, 2.0]  # nothing to lift
    assert grounded([1.0], [1.0], drop=0.0)[1].tolist() == [0.0]  # nothing to gain


def test_two_quadratures_stand_side_by_side():
    spec = joined((np.array([1.0]), np.array([2.0])), (np.array([3.0]), np.array([0.5])), upper=4.0)
    assert (spec.curvatures.tolist(), spec.weights.tolist(), spec.noise.tolist(), spec.upper) == ([1.0, 3.0], [2.0, 0.0], [0.0, 0.5], 4.0)


def test_bad_input():
    with pytest.raises(BadInput, match="steps = 0 is too few"):
        forecast(Model(spectrum([1.0]), start=1.0), Method(0.1), 0)

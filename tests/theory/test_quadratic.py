"""Loss curves, rate maps and their parts against plain loops and the figures of the literature."""

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inertia.core.method import Method, init, step
from inertia.core.schedule import constant, cosine, linear, tabulate, warmup
from inertia.core.spectrum import spectrum
from inertia.errors import BadInput
from inertia.theory.modes import rate
from inertia.theory.quadratic import components, loss_at, loss_curve, rate_map, worst_rate

# An impulse response, step by step: what one unit of noise leaves behind. Independent of the code under test.


def brute(schedule, found, steps):
    """Bias and noise per mode by literal stepping and by summing squared impulse responses: (steps + 1, n) each."""
    table = tabulate(schedule, steps)
    h = found.curvatures
    at = lambda k: Method(*(field[k] for field in table))  # noqa: E731
    params, velocity = np.sqrt(found.weights), init(np.sqrt(found.weights))
    bias = [h * params**2 / 2]
    for k in range(steps):
        params, velocity = step(at(k), params, velocity, h * params)
        bias.append(h * params**2 / 2)
    noise = np.zeros((steps + 1, len(h)))
    for born in range(steps):
        params, velocity = step(at(born), np.zeros_like(h), np.zeros_like(h), np.sqrt(found.noise))
        for k in range(born + 1, steps + 1):
            noise[k] += h * params**2 / 2
            if k < steps:
                params, velocity = step(at(k), params, velocity, h * params)
    return np.array(bias), noise


alphas = st.floats(1e-3, 2.0)
betas = st.floats(-0.95, 1.0) | st.just(0.0)
gammas = st.floats(-0.4, 2.0) | st.just(0.0)
spectra = st.lists(st.tuples(st.floats(0.01, 3.0), st.floats(0, 4), st.floats(0, 2)), min_size=1, max_size=4).map(
    lambda rows: spectrum(*zip(*rows, strict=True))
)


@settings(max_examples=60)
@given(alphas, betas, gammas, spectra, st.sampled_from([constant, linear, cosine, lambda m, n: warmup(linear(m, n), 5)]))
def test_the_exact_curve_is_what_a_run_does(alpha, beta, gamma, found, shape):
    steps = 24
    method = Method(alpha, beta, gamma)
    bias, noise = brute(shape(method, steps), found, steps)
    # relative to each curve's own scale: a ripple crosses zero, and there no digit of the square is significant
    scale = 1e-11 * (bias.max(initial=0) + noise.max(initial=0))
    parts = components(shape(method, steps), found, steps)
    np.testing.assert_allclose(parts.bias, bias, rtol=1e-9, atol=scale)
    np.testing.assert_allclose(parts.noise, noise, rtol=1e-9, atol=scale)
    np.testing.assert_allclose(loss_curve(shape(method, steps), found, steps), (bias + noise).sum(-1), rtol=1e-9, atol=scale)
    if shape is constant:
        np.testing.assert_allclose(loss_curve(method, found, steps), (bias + noise).sum(-1), rtol=1e-9, atol=scale)
        np.testing.assert_allclose(loss_at(method, found, np.arange(steps + 1)), (bias + noise).sum(-1), rtol=1e-9, atol=scale)
        np.testing.assert_allclose(components(method, found, steps).noise, noise, rtol=1e-9, atol=scale)


@pytest.mark.parametrize(
    "method",
    [Method(0.25, 0.25), Method(1.0), Method(2.0), Method(1.0, 1.0), Method(4.0, 1.0), Method(0.5, 0.0, 1.0), Method(0.1, 0.5, 1.0)],
    ids=["double root", "one step", "rate 1", "undamped", "double root at -1", "optimistic", "cancelled pole"],
)
def test_special_roots_are_exact(method):
    found = spectrum([1.0], 1.0, 0.3)
    bias, noise = brute(method, found, 60)
    scale = 1e-12 * (1 + noise.max())
    np.testing.assert_allclose(components(method, found, 60).bias, bias, rtol=1e-9, atol=scale)
    np.testing.assert_allclose(components(method, found, 60).noise, noise, rtol=1e-9, atol=scale)
    np.testing.assert_allclose(loss_at(method, found, np.arange(61)), (bias + noise)[:, 0], rtol=1e-9, atol=scale)


@given(st.floats(1e-3, 1.0), st.floats(0, 0.99), st.floats(0, 1.5), st.floats(1e-3, 1e3))
def test_alpha_carries_the_unit_and_nothing_else(alpha, beta, gamma, scale):
    h, weights, noise = np.array([0.1, 0.7, 1.5]), np.array([1.0, 2.0, 3.0]), np.array([0.2, 0.0, 0.5])
    here = spectrum(h, weights, noise)
    there = spectrum(h / scale, weights * scale, noise / scale)  # the same loss, lengths measured in other units
    method, moved = Method(alpha, beta, gamma), Method(alpha * scale, beta, gamma)
    np.testing.assert_allclose(loss_curve(moved, there, 30), loss_curve(method, here, 30), rtol=1e-7, atol=1e-12)
    np.testing.assert_allclose(loss_at(moved, there, 30), loss_at(method, here, 30), rtol=1e-6, atol=1e-12)
    np.testing.assert_allclose(worst_rate(moved, there), worst_rate(method, here), rtol=1e-6)
    np.testing.assert_allclose(rate_map([alpha * scale], [beta], there), rate_map([alpha], [beta], here), rtol=1e-6)


def test_methods_broadcast_and_chunks_do_not_show():
    rng = np.random.default_rng(0)
    found = spectrum(rng.uniform(0.1, 2, 7), rng.uniform(0, 1, 7), rng.uniform(0, 1, 7))
    methods = Method(rng.uniform(0.01, 1, (50, 1)), rng.uniform(0, 1, 40), 0.3)
    curves = loss_curve(methods, found, 20)
    assert curves.shape == (50, 40, 21)
    one = loss_curve(Method(methods.alpha[17, 0], methods.beta[23], 0.3), found, 20)
    np.testing.assert_allclose(curves[17, 23], one, rtol=1e-13)
    parts = components(methods, found, 20)
    assert parts.bias.shape == parts.noise.shape == (50, 40, 21, 7)
    np.testing.assert_allclose((parts.bias + parts.noise).sum(-1), curves, rtol=1e-12)
    np.testing.assert_allclose(loss_curve(linear(methods, 20), found, 20)[17, 23, 5], loss_curve(
        linear(Method(methods.alpha[17, 0], methods.beta[23], 0.3), 20), found, 20)[5], rtol=1e-12)  # fmt: skip


def test_overflow_is_infinite_and_silent():
    found = spectrum([-1.0, 0.0, 1.0, 50.0], [0.0, 1.0, 1.0, 1.0], 0.1)
    for schedule in (Method(np.array([0.01, 3.0]), 0.9), constant(Method(np.array([0.01, 3.0]), 0.9))):
        curve = loss_curve(schedule, found, 3000)
        assert not np.isnan(curve).any()
        assert np.isinf(curve[1, -1])
        np.testing.assert_allclose(curve[:, 0], 25.5)
    assert np.isinf(loss_at(Method(3.0, 0.9), spectrum([1.0, 50.0], noise=1.0), 10**9))


def test_a_mode_without_start_or_noise_never_counts():
    found = spectrum([1.0, 1000.0], [1.0, 0.0], 0.0)
    np.testing.assert_allclose(loss_curve(Method(0.5), found, 2000)[-1], 0.5 * 0.25**2000, atol=1e-300)


def three_modes():
    """The problem of Goh's figures 3 and 12: each component starts with loss 1/2."""
    h = np.array([1.0, 10.0, 100.0])
    return spectrum(h, 1 / h)


def last_above(curve, level=0.01):
    return np.max(np.flatnonzero(curve > level))


def test_figure_3_milestones_of_gradient_descent():
    parts = components(Method(2 / 101), three_modes(), 150).bias
    assert [last_above(parts[:, i]) for i in range(3)] == [97, 8, 97]
    np.testing.assert_allclose(parts[-1].sum(), 2.48e-3, atol=5e-6)
    np.testing.assert_allclose(worst_rate(Method(2 / 101), three_modes()), 99 / 101, rtol=1e-12)


def test_figure_12_milestones_and_peak_of_momentum():
    method = Method(4 / 121, (9 / 11) ** 2)
    parts = components(method, three_modes(), 150).bias
    assert [last_above(parts[:, i]) for i in range(3)] == [16, 6, 29]
    total = loss_curve(method, three_modes(), 150)
    np.testing.assert_allclose(total[[10, 30, 60]], [3.405, 9.2e-3, 2.1e-7], rtol=2e-2)  # two printed digits
    np.testing.assert_allclose(total.max(), 7.23, atol=0.01)  # the transient growth that a rate does not show
    np.testing.assert_allclose(total[0], 1.5)


def test_a_fitted_slope_misses_the_rate_at_the_double_root():
    curve = loss_at(Method(4 / 121, (9 / 11) ** 2), spectrum([1.0, 100.0]), np.array([200, 400]))
    np.testing.assert_allclose((curve[1] / curve[0]) ** (1 / 400), 0.8210, atol=5e-5)


@settings(max_examples=40)
@given(gammas, st.booleans(), st.integers(0, 10**6))
def test_the_ends_of_the_spectrum_are_the_worst(gamma, nesterov, seed):
    rng = np.random.default_rng(seed)
    found = spectrum(rng.uniform(0, 3, 20))
    a, b = rng.uniform(0.01, 3, 12), np.append(rng.uniform(-1, 1, 10), [0.0, 1.0])
    gamma = 0.0 if nesterov else gamma
    got = rate_map(a, b, found, gamma, nesterov=nesterov)
    method = Method(a[None, :, None], b[:, None, None], b[:, None, None] if nesterov else gamma)
    np.testing.assert_allclose(got, rate(method, found.curvatures).max(-1), rtol=0, atol=1e-12)


def test_the_upper_bar_is_used_when_asked():
    found = spectrum([1.0, 8.0], upper=20.0)
    assert worst_rate(Method(0.15), found) < 1 < worst_rate(Method(0.15), found, upper=True)
    assert rate_map([0.15], [0.0], found, upper=True)[0, 0] == rate(Method(0.15), 20.0)


def test_a_rate_map_costs_less_than_half_of_its_eigenvalues():
    """300 x 300 cells take 6 ms where numpy takes 50 ms for the roots of as many 2 x 2 matrices: a limit of 50 ms, free of the machine."""
    found = spectrum(np.geomspace(1, 100, 100))
    a, b = np.linspace(1e-4, 0.04, 300), np.linspace(0, 1, 300)
    matrices = np.zeros((300, 300, 2, 2))
    matrices[..., 0, 0], matrices[..., 0, 1], matrices[..., 1, 0] = 1 + b[:, None] - a * found.L, -b[:, None], 1
    modulus = np.abs(np.linalg.eigvals(matrices)).max(axis=-1)
    np.testing.assert_allclose(np.maximum(modulus, rate_map(a, b, spectrum([found.mu]))), rate_map(a, b, found), atol=1e-7)  # double roots

    def seconds(call):
        taken = []
        for _ in range(5):
            start = time.process_time()
            call()
            taken.append(time.process_time() - start)
        return min(taken)

    assert seconds(lambda: rate_map(a, b, found)) < 0.5 * seconds(lambda: np.linalg.eigvals(matrices))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: loss_curve(Method(0.1), three_modes(), 0), "steps = 0 is too few"),
        (lambda: loss_curve(Method(np.nan), three_modes(), 5), "alpha of the method is not finite"),
        (lambda: rate_map([0.1], [0.9], three_modes(), 0.5, nesterov=True), "gamma = 0.5 and nesterov .* exclude each other"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(BadInput, match=message):
        call()

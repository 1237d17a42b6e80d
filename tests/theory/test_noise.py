"""Noise in closed form against recursions, sums of impulse responses, printed numbers and real random runs."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inertia.core.method import Method, hidden, step
from inertia.core.spectrum import spectrum
from inertia.errors import BadInput
from inertia.theory.modes import coefficients, edge, stable
from inertia.theory.noise import crossing, floor, moments, split, stationary
from inertia.theory.quadratic import components, loss_curve

alphas = st.floats(1e-3, 2.0)
betas = st.floats(-0.95, 0.98) | st.just(0.0)
gammas = st.floats(-0.4, 2.0) | st.just(0.0)
curvatures = st.floats(0.01, 3.0)


@pytest.mark.parametrize(
    ("h", "method", "want"),
    [
        (1, Method(0.1, 0.9), 0.513514),
        (1, Method(0.5, 0.5, 0.5), 0.416667),
        (2, Method(0.02, 0.99, 0.99), 0.101851),
        (0.5, Method(0.3, 0.7, 2), 0.528302),
    ],
)
def test_the_checked_values_of_the_variance(h, method, want):
    np.testing.assert_allclose(stationary(method, h).hidden, want, atol=5e-7)


@given(alphas, betas, gammas, curvatures)
def test_stationary_is_a_fixed_point_of_one_noisy_step(alpha, beta, gamma, h):
    method = Method(alpha, beta, gamma)
    if not stable(method, h):
        assert np.isinf(stationary(method, h).params)
        return
    still = stationary(method, h, 0.7)
    P = np.array([[still.params, still.covariance], [still.covariance, still.velocity]])
    A = np.array([step(method, *unit, h * unit[0]) for unit in ((1.0, 0.0), (0.0, 1.0))]).T
    kick = np.array(step(method, 0.0, 0.0, 1.0))
    np.testing.assert_allclose(A @ P @ A.T + 0.7 * np.outer(kick, kick), P, rtol=1e-9, atol=1e-9 * P.max())
    B = np.array([hidden(method, 1.0, 0.0), hidden(method, 0.0, 1.0)])
    np.testing.assert_allclose(B @ P @ B, still.hidden, rtol=1e-9, atol=1e-9 * P.max())
    np.testing.assert_allclose((B @ P)[1], still.hidden_covariance, rtol=1e-9, atol=1e-9 * P.max())


@given(alphas, st.floats(0, 0.98), curvatures)
def test_the_covariances_of_the_heavy_ball(alpha, beta, h):
    if not stable(Method(alpha, beta), h):
        return
    still, distance = stationary(Method(alpha, beta), h, 2.0), 2 * (1 + beta) - alpha * h
    np.testing.assert_allclose(still.params, 2 * alpha * (1 + beta) / (h * (1 - beta) * distance), rtol=1e-9)
    np.testing.assert_allclose(still.velocity, 4 / ((1 - beta) * distance), rtol=1e-9)
    np.testing.assert_allclose(still.covariance, -2 * alpha / ((1 - beta) * distance), rtol=1e-9)


@given(alphas, betas, gammas, curvatures)
def test_the_general_formula_of_the_hidden_variance(alpha, beta, gamma, h):
    method, ah = Method(alpha, beta, gamma), alpha * h
    if stable(method, h):
        want = alpha * (1 + beta - ah * gamma) / (h * (1 - beta + ah * gamma) * (2 + 2 * beta - ah * (1 + 2 * gamma)))
        np.testing.assert_allclose(stationary(method, h).hidden, want, rtol=1e-9)


@settings(max_examples=60)
@given(alphas, betas | st.just(1.0), gammas, curvatures, st.integers(0, 50))
def test_finite_variance_by_the_exact_three_number_recursion(alpha, beta, gamma, h, k):
    """(Var e_k, Cov(e_k, e_{k-1}), Var e_{k-1}) of the iterate xi, as a 3 x 3 linear recursion."""
    method = Method(alpha, beta, gamma)
    p, q = coefficients(method, h)
    three = np.zeros(3)
    R = np.array([[p * p, -2 * p * q, q * q], [p, -q, 0], [1, 0, 0]])
    for _ in range(k):
        three = R @ three + np.array([alpha**2, 0, 0])
    found = moments(method, h, k)
    B = np.array([1.0, alpha * gamma])
    P = np.array([[found.variance, found.covariance], [found.covariance, found.velocity_variance]])
    np.testing.assert_allclose(B @ P @ B, three[0], rtol=1e-9, atol=1e-11 * max(P.max(), 1e-300))


@given(alphas, betas | st.just(1.0), gammas, curvatures, st.integers(0, 50), st.floats(-2, 2), st.floats(-2, 2))
def test_finite_moments_by_stepping(alpha, beta, gamma, h, k, y, v):
    method = Method(alpha, beta, gamma)
    A = np.array([step(method, *unit, h * unit[0]) for unit in ((1.0, 0.0), (0.0, 1.0))]).T
    kick = np.array(step(method, 0.0, 0.0, 1.0))
    mean, P = np.array([y, v]), np.zeros((2, 2))
    for _ in range(k):
        mean, P = A @ mean, A @ P @ A.T + 0.3 * np.outer(kick, kick)
    found = moments(method, h, k, y, v, 0.3)
    scale = 1e-11 * (np.abs(P).max() + np.abs(mean).max() + abs(y) + abs(v))
    np.testing.assert_allclose([found.mean, found.velocity_mean], mean, rtol=1e-9, atol=scale)
    np.testing.assert_allclose(
        [found.variance, found.velocity_variance, found.covariance], [P[0, 0], P[1, 1], P[0, 1]], rtol=1e-9, atol=scale
    )


def test_moments_far_away_are_stationary_and_broadcast():
    methods, h = Method(np.linspace(0.1, 1, 4)[:, None], 0.5, 0.3), np.array([0.5, 1.0])
    far, still = moments(methods, h, 10**9), stationary(methods, h)
    assert far.variance.shape == (4, 2)
    np.testing.assert_allclose(far.variance, still.params, rtol=1e-9)
    np.testing.assert_allclose(far.velocity_variance, still.velocity, rtol=1e-9)
    assert moments(methods, h, np.arange(5)[:, None, None]).variance.shape == (5, 4, 2)


@pytest.mark.parametrize("beta", [0.0, 0.5, 1.0])
def test_a_random_walk_where_there_is_no_curvature(beta):
    found = moments(Method(0.1, beta), 0.0, 40)
    lag = np.arange(1, 41)
    sums = lag if beta == 1 else (1 - beta**lag) / (1 - beta)
    np.testing.assert_allclose(found.variance, 0.01 * np.sum(sums.astype(float) ** 2), rtol=1e-10)
    still = stationary(Method(0.1, beta), 0.0)
    assert np.isinf(still.params)
    np.testing.assert_allclose(still.velocity, np.inf if beta == 1 else 1 / (1 - beta**2))


@given(st.floats(0.05, 1.0), st.floats(-0.5, 0.95), st.floats(0, 1.0))
def test_beyond_the_edge_it_is_infinite(alpha, beta, gamma):
    method = Method(alpha, beta, gamma)
    limit = edge(method)
    assert np.isfinite(stationary(method, 0.999 * limit).params)
    for h in (1.001 * limit, -0.1):
        assert np.isinf(stationary(method, h).params)
        assert np.isinf(floor(method, spectrum([h], noise=1.0)))
    assert stationary(method, 2 * limit, 0.0).params == 0.0


def test_noise_floor_of_a_spectrum():
    found = spectrum([0.0, 0.5, 2.0], noise=[1.0, 0.3, 0.2])
    methods = Method(np.array([0.1, 0.5, 1.1]), 0.2)
    np.testing.assert_allclose(
        floor(methods, found), loss_curve(methods, spectrum(found.curvatures, 0.0, found.noise), 4000)[:, -1], rtol=1e-9
    )
    np.testing.assert_allclose(floor(Method(0.2), spectrum(1.0, noise=2.0)), 2.0 * 0.2 / (2 * (2 - 0.2)))


@pytest.mark.parametrize(
    ("slider", "beta", "level", "printed"),
    [(3.305785, 0.669421, 0.22725, 10), (1.9802, 0.0, 0.04490, 88), (0.5, 0.9, 0.11265, 28), (3, 0.9, 0.68037, 6)],
)
def test_figure_21_levels_and_crossings(slider, beta, level, printed):
    found, method = spectrum(1.0, weights=3.0, noise=9.0), Method(slider / 100, beta)
    # the figure's noise is one step ahead (already there at k = 0): its level at 150 is ours at 151, its crossing one earlier
    np.testing.assert_allclose(split(method, found, 151).noise, level, atol=1.5e-5)
    assert crossing(method, found) == printed + 1
    np.testing.assert_allclose(split(method, found, 0).bias, 1.5)


@settings(max_examples=60)
@given(alphas, betas, gammas, st.lists(st.tuples(curvatures, st.floats(0.1, 4), st.floats(0.01, 1)), min_size=1, max_size=3))
def test_the_crossing_is_the_first_step_below(alpha, beta, gamma, rows):
    found, method = spectrum(*zip(*rows, strict=True)), Method(alpha, beta, gamma)
    got = crossing(method, found)
    if not np.all(stable(method, found.curvatures)):
        assert np.isinf(got)
        return
    parts = components(method, found, 400)
    below = np.flatnonzero(parts.bias.sum(-1) < parts.noise.sum(-1))
    assert (got == below[0]) if below.size else got > 400


def test_crossing_of_many_and_of_the_slow():
    found = spectrum([1e-7, 1.0], [1.0, 1.0], [1e-12, 0.0])
    slow = crossing(Method(np.array([1.0, 3.0]), 0.0), found)
    assert slow.shape == (2,)
    assert np.isinf(slow[1])
    assert slow[0] > 1e6
    before, after = split(Method(1.0), found, slow[0] - 1), split(Method(1.0), found, slow[0])
    assert before.bias >= before.noise
    assert after.bias < after.noise
    assert np.isinf(crossing(Method(0.1), spectrum(1.0)))


def test_the_crossing_where_a_look_ahead_makes_the_bias_rebound():
    """Positive real roots, but the first step jumps past the optimum: the bias dips, and comes back."""
    method, found = Method(0.3, 0.95, 2.8), spectrum(1.0, 1.0, [1e-4])
    p, q = coefficients(method, 1.0)
    assert p * p > 4 * q > 0 < p
    curve = components(method, found, 300)
    below = np.flatnonzero(curve.bias[:, 0] < curve.noise[:, 0])
    assert np.any(np.diff(curve.bias[: below[0] + 50, 0]) > 0)
    assert crossing(method, found) == below[0]


def test_ten_thousand_random_runs_have_these_moments():
    rng, method, h = np.random.default_rng(0), Method(0.3, 0.7, 0.4), 1.3
    y, v = np.ones(20_000), np.zeros(20_000)
    for _ in range(25):
        y, v = step(method, y, v, h * y + rng.normal(0, 0.5, y.size))
    found = moments(method, h, 25, variance=0.25)
    # 20,000 draws: the mean to 4 standard errors, a variance to 4 sqrt(2/20000) of itself
    assert abs(y.mean() - found.mean) < 4 * np.sqrt(found.variance / y.size)
    np.testing.assert_allclose(
        [y.var(), v.var(), np.mean((y - y.mean()) * v)], [found.variance, found.velocity_variance, found.covariance], rtol=0.06
    )


@given(st.floats(0.01, 0.9), st.floats(0, 0.95), st.floats(0, 1), st.floats(1e-3, 1e3))
def test_units(alpha, beta, gamma, scale):
    here, there = Method(alpha, beta, gamma), Method(alpha * scale, beta, gamma)
    a, b = stationary(here, 0.8, 1.7), stationary(there, 0.8 / scale, 1.7 / scale)  # lengths in units of sqrt(scale)
    np.testing.assert_allclose([b.params, b.velocity, b.covariance], [a.params * scale, a.velocity / scale, a.covariance], rtol=1e-7)
    c, d = moments(here, 0.8, 17, variance=1.7), moments(there, 0.8 / scale, 17, variance=1.7 / scale)
    np.testing.assert_allclose([d.variance, d.velocity_variance], [c.variance * scale, c.velocity_variance / scale], rtol=1e-7)
    np.testing.assert_allclose(floor(there, spectrum(0.8 / scale, scale, 1.7 / scale)), floor(here, spectrum(0.8, 1.0, 1.7)), rtol=1e-7)


def test_overflow_is_infinite_and_silent():
    grown = moments(Method(5.0, 0.9), 1.0, 10**6)
    assert np.isinf(grown.variance)
    assert np.isinf(split(Method(5.0), spectrum([1.0, 2.0], noise=1.0), 10**6).noise)


def test_bad_input():
    with pytest.raises(BadInput, match="k = -1 is not a whole number"):
        moments(Method(0.1), 1.0, -1)

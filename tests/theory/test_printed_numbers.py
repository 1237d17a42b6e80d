"""Every number that the notes on the theory and on the article's figures print, where no other test has it already."""

import numpy as np
import pytest
import scipy.special
from hypothesis import given
from hypothesis import strategies as st

from inertia.core.method import Method, step
from inertia.core.schedule import linear
from inertia.core.spectrum import spectrum
from inertia.theory.catalog import heavy_ball
from inertia.theory.modes import coefficients, edge, iterate, rate, roots, stable
from inertia.theory.quadratic import loss_curve, milestones, steps_to, worst_rate


def test_the_stability_region_on_200_000_draws():
    rng = np.random.default_rng(0)
    method = Method(rng.uniform(0, 6, 200_000), rng.uniform(-1, 1, 200_000), rng.uniform(0, 3, 200_000))
    inside = method.alpha < (2 + 2 * method.beta) / (1 + 2 * method.gamma)
    assert np.array_equal(np.asarray(stable(method, 1.0)), inside)
    assert np.array_equal(rate(method, 1.0) < 1, inside)
    assert np.array_equal(np.abs(roots(method, 1.0)).max(-1) < 1, inside)


def test_the_edges_of_the_three_best_known():
    np.testing.assert_allclose(edge(Method(0.5)), 2 / 0.5)
    np.testing.assert_allclose(edge(Method(0.5, 0.9)), (2 + 1.8) / 0.5)
    np.testing.assert_allclose(edge(Method(0.5, 0.9, 0.9)), (2 + 1.8) / (1 + 1.8) / 0.5)


@given(st.floats(0.05, 1.9), st.floats(0.05, 0.95), st.integers(2, 40))
def test_powers_by_chebyshev_polynomials_of_the_second_kind(ah, beta, k):
    method = Method(ah, beta)
    p, q = coefficients(method, 1.0)
    if p * p >= 4 * q * 0.999:
        return
    c = p / (2 * np.sqrt(q))
    R = np.array([[beta, 1.0], [-ah * beta, 1 - ah]])  # on (velocity, params)
    power = q ** ((k - 1) / 2) * scipy.special.eval_chebyu(k - 1, c) * R - q ** (k / 2) * scipy.special.eval_chebyu(k - 2, c) * np.eye(2)
    np.testing.assert_allclose(power, np.linalg.matrix_power(R, k), atol=1e-10)
    state = iterate(method, 1.0, k)
    np.testing.assert_allclose([state.velocity, state.params], power[:, 1], atol=1e-10)


def test_an_underestimated_edge_diverges():
    found = spectrum([1.0, 100.0 * (1 + 1.01 / 100)])
    assert worst_rate(heavy_ball(1.0, 100.0), found) > 1
    assert worst_rate(heavy_ball(1.0, 100.0), spectrum([1.0, 100.99])) < 1


def inside(schedule, grad, x, steps):
    """The other convention: alpha inside the buffer, so that a decaying alpha does not touch what is already there."""
    v = 0 * x
    for k in range(steps):
        alpha, beta, gamma, _ = schedule(k)
        new = beta * v - alpha * grad(x)
        x, v = x + (1 + gamma) * new - gamma * v, new
    return x


@pytest.mark.parametrize("gamma", [0.0, 0.9])
def test_where_alpha_stands_matters_only_when_it_changes(gamma):
    grad, x0 = (lambda x: np.array([0.3, 1.0, 4.0]) * x), np.ones(3)
    for schedule, differs in ((lambda k: Method(0.05, 0.9, gamma), False), (linear(Method(0.05, 0.9, gamma), 60), True)):
        params, velocity = x0, 0 * x0
        for k in range(30):
            params, velocity = step(schedule(k), params, velocity, grad(params))
        gap = np.abs(params - inside(schedule, grad, x0, 30)).max()
        assert gap > 1e-3 if differs else gap < 1e-14


def test_figure_10_last_steps_and_radii():
    methods, k = Method(1e-4, np.array([0.05, 0.81, 0.97])), np.arange(2000)
    size = np.abs(iterate(methods, 100.0, k[:, None]).params)
    assert [int(np.max(k[size[:, i] > 1e-2])) for i in range(3)] == [434, 62, 290]
    np.testing.assert_allclose(rate(methods, 100.0), [0.98947, 0.9, 0.98489], atol=5e-6)
    found = spectrum(100.0)
    assert (steps_to(methods, found, 1e-4) - 1).tolist() == [434, 62, 290]  # the loss is the square of the error


def test_figure_14_the_maze():
    h = spectrum(np.array([5.10927e-5, 7.9244307]))
    best = heavy_ball(h.mu, h.L)
    np.testing.assert_allclose([best.alpha * h.L, best.beta, worst_rate(best, h)], [3.97976, 0.989895, 0.994934], rtol=2e-6)
    slow = milestones(Method(1.9 / h.L), h, 1e-6)[0]
    np.testing.assert_allclose(slow, 563_884, rtol=1e-5)
    np.testing.assert_allclose(np.log(1e-3) / np.log(worst_rate(best, h)), 1360, atol=1)
    # the rate alone promises 1,360 steps; at the double root the error goes like k rate^k and really takes longer
    assert milestones(best, h, 1e-6)[0] > 1360


def test_figure_6_with_momentum():
    best = heavy_ball(3.307975e-5, 10.70332)
    np.testing.assert_allclose(best.beta, 0.992993, atol=5e-7)
    np.testing.assert_allclose(np.log(1e-3) / np.log(np.sqrt(best.beta)), 1965, atol=1)


def test_figure_1_local_limits():
    h = spectrum(np.linalg.eigvalsh(np.array([[162.0, -240.0], [-240.0, 360.0]])))
    np.testing.assert_allclose([h.mu, h.L, h.kappa, 2 / h.L], [1.38297, 520.617, 376.447, 0.0038416], rtol=1e-5)
    np.testing.assert_allclose(heavy_ball(h.mu, h.L)[:2], [0.0069485, 0.81355], rtol=1e-5)


@given(st.floats(0.05, 1.9), st.floats(0, 0.95))
def test_momentum_unrolled_is_a_weighted_sum_of_gradients(ah, beta):
    """Goh's unrolled form with its sign put right: w[k+1] = w[0] - alpha sum (1 - beta^(k+1-i))/(1 - beta) grad[i]."""
    params, velocity, seen = 1.0, 0.0, []
    for _ in range(15):
        seen.append(params)
        params, velocity = step(Method(ah, beta), params, velocity, params)
    weights = (1 - beta ** np.arange(15, 0, -1)) / (1 - beta)
    scale = ah * np.sum(weights * np.abs(seen))
    np.testing.assert_allclose(params, 1 - ah * np.sum(weights * seen), atol=1e-12 * (1 + scale))


@given(st.floats(0.01, 1.9), st.integers(1, 200))
def test_gradient_descent_is_a_filter(ah, k):
    """Footnote 2: from 0 toward 1, k steps have learned 1 - (1 - alpha h)^k."""
    np.testing.assert_allclose(1 - iterate(Method(ah), 1.0, k).params, 1 - (1 - ah) ** k, atol=1e-13)


def test_a_lower_loss_at_first_is_not_a_better_rate():
    """Figure 12's remark: the optimum is asymptotic; for few steps another method leads."""
    found = spectrum([1.0, 10.0, 100.0], [1.0, 0.1, 0.01])
    best = loss_curve(heavy_ball(1.0, 100.0), found, 60)
    plain = loss_curve(Method(1 / 100), found, 60)
    assert plain[10] < best[10]
    assert best[60] < 1e-3 * plain[60]

"""One mode against brute force, mpmath and the tables of the literature."""

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inertia.core.method import Method, init, step
from inertia.errors import BadInput
from inertia.theory.modes import coefficients, critical_momentum, edge, iterate, rate, regime, roots, stable

alphas = st.floats(1e-3, 3.0)
betas = st.floats(-0.99, 1.0) | st.just(0.0)
gammas = st.floats(-0.5, 2.0) | st.just(0.0)
curvatures = st.floats(1e-3, 10.0)


def brute(method, h, steps, y=1.0, v=0.0):
    for _ in range(steps):
        y, v = step(method, y, v, h * y)
    return y, v


@given(alphas, betas, gammas, curvatures, st.integers(0, 60), st.floats(-2, 2), st.floats(-2, 2))
def test_the_closed_form_is_what_iteration_does(alpha, beta, gamma, h, k, y, v):
    method = Method(alpha, beta, gamma)
    found = iterate(method, h, k, y, v)
    want = brute(method, h, k, y, v)
    scale = (abs(y) + abs(v) + 1e-300) * max(1.0, h, 1 / h) * max(1.0, float(rate(method, h))) ** k * (k + 1)
    # relative to the natural size of the state: near a zero crossing the value itself has no relative accuracy
    np.testing.assert_allclose([found.params, found.velocity], want, rtol=1e-9, atol=1e-12 * scale)
    np.testing.assert_allclose(found.hidden, want[0] + alpha * gamma * want[1], rtol=1e-9, atol=1e-11 * scale)


@pytest.mark.parametrize(
    ("p", "q"),
    [(1.2, 0.36), (-1.2, 0.36), (2.0, 1.0), (0.0, 0.0), (0.0, 0.25), (0.0, -0.25), (0.9, 0.0), (-0.9, 0.0), (1.0, -0.2), (-1.0, -0.2)],
)
@pytest.mark.parametrize("k", [0, 1, 2, 3, 10, 51])
def test_double_roots_zero_roots_and_unit_roots_are_exact(p, q, k):
    alpha, beta = 1 + q - p, q
    method = Method(alpha, beta)
    np.testing.assert_allclose(coefficients(method, 1.0), (p, q), atol=1e-15)
    mpmath.mp.dps = 40
    y, v = mpmath.mpf(1), mpmath.mpf(0)
    for _ in range(k):
        v = mpmath.mpf(beta) * v + y
        y = y - mpmath.mpf(alpha) * v
    found = iterate(method, 1.0, k)
    np.testing.assert_allclose(found.params, float(y), rtol=1e-9, atol=1e-13)
    np.testing.assert_allclose(found.velocity, float(v), rtol=1e-9, atol=1e-13)


def test_a_billion_steps_cost_what_ten_cost():
    method = Method(1e-4, beta=0.9)
    far = iterate(method, np.array([1e-5, 1.0, 100.0]), 10**9)
    mpmath.mp.dps = 50
    p, q = (mpmath.mpf(float(x)) for x in coefficients(method, 1e-5))
    disc = mpmath.sqrt(p * p - 4 * q)
    r1, r2 = (p + disc) / 2, (p - disc) / 2
    lucas = lambda k: (r1**k - r2**k) / (r1 - r2)  # noqa: E731
    want = lucas(10**9 + 1) - mpmath.mpf(0.9) * lucas(10**9)
    # p itself carries one rounding of 1e-16, which 1e9 steps amplify to 1e-6
    np.testing.assert_allclose(far.params[0], float(want), rtol=1e-6)
    assert far.params[1] == far.params[2] == 0.0
    grown = iterate(Method(1.0), 4.0, 10**9).params
    assert np.isinf(grown)


@given(alphas, st.floats(-0.99, 0.99), st.floats(0, 3), curvatures)
def test_stability_is_the_edge(alpha, beta, gamma, h):
    method = Method(alpha, beta, gamma)
    limit = edge(method)
    np.testing.assert_allclose(limit, 2 * (1 + beta) / (alpha * (1 + 2 * gamma)))
    if abs(h / limit - 1) > 1e-9:
        assert bool(stable(method, h)) == (h < limit) == bool(rate(method, h) < 1)


@given(alphas, st.floats(-0.99, 0.99), st.floats(-0.9, 3), curvatures)
def test_rate_is_the_larger_root_and_scales(alpha, beta, gamma, h):
    method = Method(alpha, beta, gamma)
    p, q = coefficients(method, h)
    want = np.sort_complex(np.roots([1, p, q]) * -1)
    # numpy's companion matrix loses half the digits at a double root
    np.testing.assert_allclose(np.sort_complex(roots(method, h)), want, atol=3e-7 * max(1, abs(want).max()))
    np.testing.assert_allclose(rate(method, h), np.abs(roots(method, h)).max(), rtol=1e-12)
    for scale in (1e-3, 7.0):  # alpha carries the unit 1/curvature: nothing else does
        np.testing.assert_allclose(rate(Method(alpha * scale, beta, gamma), h / scale), rate(method, h), rtol=1e-6)
        np.testing.assert_allclose(edge(Method(alpha * scale, beta, gamma)), edge(method) / scale, rtol=1e-12)


@pytest.mark.parametrize(
    ("alpha", "beta", "kind", "size"),
    [
        (0.0015, 0.9, "ripples", 0.94868),
        (0.0015, 0.125, "monotone", 0.82314),
        (0.01, 1e-5, "ripples", 0.00316),
        (0.01, 0.0, "one-step", 0.0),
        (0.02, 0.05, "alternating", 0.89408),
        (0.025, 0.235, "divergent", 1.03877),
        (0.01, 1.0, "undamped", 1.0),
    ],
)
def test_the_five_regimes_of_the_article(alpha, beta, kind, size):
    assert regime(Method(alpha, beta), 100.0) == kind
    np.testing.assert_allclose(rate(Method(alpha, beta), 100.0), size, atol=5e-6)


def test_at_the_double_root_the_rate_has_all_its_digits():
    for kappa in (4.0, 25.0, 100.0, 1e4):  # Polyak's optimum: double roots at both ends, +rho at mu, -rho at L
        rho = (kappa**0.5 - 1) / (kappa**0.5 + 1)
        method = Method((2 / (kappa**0.5 + 1)) ** 2, rho**2)
        np.testing.assert_allclose(rate(method, [1.0, kappa]), rho, rtol=1e-14)
        assert regime(method, [1.0, kappa]).tolist() == ["monotone", "alternating"]


def test_regime_borders_of_the_heavy_ball():
    for b in (0.1, 0.5, 0.9):
        low, high = (1 - b**0.5) ** 2, (1 + b**0.5) ** 2
        for a, kind in [(low * 0.999, "monotone"), (low * 1.001, "ripples"), (high * 0.999, "ripples"), (high * 1.0001, "alternating")]:
            assert regime(Method(a, b), 1.0) == kind
        assert regime(Method(2.001 + 2 * b, b), 1.0) == "divergent"
        np.testing.assert_allclose(rate(Method((low + high) / 2, b), 1.0), b**0.5)


@given(st.floats(1e-6, 1.0), st.booleans())
def test_critical_momentum_is_the_double_root(ah, nesterov):
    beta = float(critical_momentum(ah, 1.0, nesterov))
    p, q = coefficients(Method(ah, beta, beta if nesterov else 0.0), 1.0)
    np.testing.assert_allclose(p * p, 4 * q, atol=1e-14)
    np.testing.assert_allclose(p / 2, 1 - ah**0.5, atol=1e-12)


def test_gigantic_and_tiny_products_of_rate_and_curvature_are_those_of_sixty_digits():
    """The square of 1e154 overflows: half the rate, with a warning (an error here), before roots were divided by a power of two."""
    generator = np.random.default_rng(0)
    with mpmath.workdps(60):
        for power in np.linspace(-290, 290, 59):
            alpha = 10.0 ** generator.uniform(max(-300, power - 300), min(5, power + 300))
            beta = float(generator.choice([0.0, 0.9, -0.5, 0.999]))
            method = Method(alpha, beta, float(generator.choice([0.0, beta, 0.3, -0.4])))
            h = 10.0**power / alpha
            ah = mpmath.mpf(alpha) * mpmath.mpf(h)
            p, q = 1 + mpmath.mpf(beta) - ah * (1 + mpmath.mpf(method.gamma)), mpmath.mpf(beta) - ah * mpmath.mpf(method.gamma)
            root = mpmath.sqrt(p * p - 4 * q)
            want = float(max(abs(p + root), abs(p - root)) / 2)
            assert float(rate(method, h)) == pytest.approx(want, rel=1e-7)
            assert np.abs(roots(method, h)).max() == pytest.approx(want, rel=1e-7)
            assert (regime(method, h) == "divergent") == (want > 1 + 1e-12)
            iterate(method, h, 3)


def test_no_warnings_and_broadcasting():
    method = Method(np.linspace(0.1, 4, 5)[:, None, None], np.linspace(-1, 1, 4)[:, None], 0.3)
    h = np.array([0.0, 0.5, 4.0])
    assert rate(method, h).shape == regime(method, h).shape == (5, 4, 3)
    assert roots(method, h).shape == (5, 4, 3, 2)
    assert iterate(method, h, np.arange(6)[:, None, None, None]).params.shape == (6, 5, 4, 3)


def test_edge_with_negative_look_ahead():
    for beta, gamma in [(0.5, -0.2), (0.9, -0.4), (0.3, -0.9)]:
        method = Method(0.7, beta, gamma)
        limit = edge(method)
        assert stable(method, limit * 0.999)
        assert not stable(method, limit * 1.001)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: iterate(Method(0.1), 1.0, -1), "k = -1 is not a whole number"),
        (lambda: critical_momentum(2.0, 1.0), r"alpha h = 2 is outside \(0, 1\]: use alpha <= 1/h"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(BadInput, match=message):
        call()


def test_start_is_rest():
    assert init(3.0) == 0.0

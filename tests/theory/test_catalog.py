"""The table of named methods, row by row, and what each promises against what it does."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inertia.core.method import Method, hidden, init, step, transfer
from inertia.core.spectrum import spectrum
from inertia.errors import BadInput
from inertia.theory.catalog import (
    CATALOG,
    best,
    gradient_descent,
    heavy_ball,
    named,
    nesterov,
    nesterov_quadratic,
    quasi_hyperbolic,
    robust_momentum,
    triple_momentum,
)
from inertia.theory.citations import SOURCES, cite
from inertia.theory.modes import edge, rate
from inertia.theory.quadratic import worst_rate

pairs = st.tuples(st.floats(1e-3, 1e3), st.floats(1.0001, 1e5)).map(lambda t: (t[0], t[0] * t[1]))


@given(pairs)
def test_every_row_of_the_table(pair):
    mu, L = pair
    k = L / mu
    r, s, rho = math.sqrt(k), math.sqrt(3 * k + 1), 1 - 1 / math.sqrt(k)
    rows = {
        gradient_descent: (2 / (L + mu), 0, 0, 0),
        heavy_ball: ((2 / (math.sqrt(L) + math.sqrt(mu))) ** 2, ((r - 1) / (r + 1)) ** 2, 0, 0),
        nesterov: (1 / L, (r - 1) / (r + 1), (r - 1) / (r + 1), 0),
        nesterov_quadratic: (4 / (3 * L + mu), (s - 2) / (s + 2), (s - 2) / (s + 2), 0),
        triple_momentum: ((1 + rho) / L, rho**2 / (2 - rho), rho**2 / ((1 + rho) * (2 - rho)), rho**2 / (1 - rho**2)),
    }
    for make, want in rows.items():
        np.testing.assert_allclose(make(mu, L), want, rtol=1e-9, atol=1e-12)
    for share in (0.0, 0.5, 1.0):
        rho = (1 - share) * (1 - 1 / r) + share * (1 - 1 / k)
        want = (k * (1 - rho) ** 2 * (1 + rho) / L, k * rho**3 / (k - 1), rho**3 / ((k - 1) * (1 - rho) ** 2 * (1 + rho)), 0)
        np.testing.assert_allclose(robust_momentum(mu, L, rho), want, rtol=1e-6)
    np.testing.assert_allclose(quasi_hyperbolic(0.3, 0.9, 0.7)[:3], (0.3 * 0.1, 0.9, 0.9 * 0.3 / 0.1), rtol=1e-12)


@given(pairs)
def test_every_method_keeps_its_rate_on_quadratics(pair):
    mu, L = pair
    h = np.geomspace(mu, L, 50)
    for entry in CATALOG.values():
        found = rate(entry.method(mu, L), h).max()
        # at a double root roundings of a few 1e-16 in p and q move the root by their square root
        assert found <= entry.rate(mu, L) + 1e-7, entry.name
        assert 0 <= entry.rate(mu, L) < 1
    for name in ("gradient-descent", "heavy-ball", "nesterov-quadratic", "triple-momentum"):
        np.testing.assert_allclose(worst_rate(CATALOG[name].method(mu, L), spectrum(h)), CATALOG[name].rate(mu, L), atol=1e-7)
    np.testing.assert_allclose(worst_rate(nesterov(mu, L), spectrum(h)), 1 - math.sqrt(mu / L), atol=1e-7)


def test_best_rates_at_kappa_100():
    assert [round(float(worst_rate(m(1.0, 100.0), spectrum([1.0, 100.0]))), 6) for m in (gradient_descent, heavy_ball)] == [
        round(99 / 101, 6),
        round(9 / 11, 6),
    ]
    np.testing.assert_allclose(worst_rate(nesterov_quadratic(1, 100), spectrum([1.0, 100.0])), 1 - 2 / math.sqrt(301), atol=1e-8)


def test_no_method_of_the_family_beats_heavy_ball_on_quadratics():
    rng = np.random.default_rng(0)
    method = Method(rng.uniform(0, 4, 200_000) / 10, rng.uniform(-1, 1, 200_000), rng.uniform(-1, 2, 200_000))
    found = spectrum([1.0, 10.0])
    assert worst_rate(method, found).min() > CATALOG["heavy-ball"].rate(1, 10)
    near = heavy_ball(1, 10)
    bumps = rng.normal(0, 1e-3, (3, 100_000))
    close = Method(near.alpha * (1 + bumps[0]), near.beta * (1 + bumps[1]), bumps[2])
    assert worst_rate(close, found).min() >= CATALOG["heavy-ball"].rate(1, 10) - 1e-8  # double-root rounding


def test_the_optimum_has_almost_no_margin():
    assert edge(heavy_ball(1, 100)) == pytest.approx(101, rel=1e-12)
    assert edge(triple_momentum(1, 100)) == pytest.approx(103, abs=0.5)
    timid = best(spectrum([1.0, 90.0], upper=100.0))
    assert (timid.method, timid.kappa) == (heavy_ball(1, 100), 100.0)
    np.testing.assert_allclose([timid.rate, timid.edge, timid.margin], [9 / 11, 101, 0.01], atol=1e-7)
    assert best(spectrum([1.0, 100.0]), "nesterov").margin > timid.margin


def two_sequences(method, grad, x0, steps):
    """The xi-form of the family, literally."""
    alpha, beta, gamma, _ = method
    now, then = x0, x0
    for _ in range(steps):
        y = (1 + gamma) * now - gamma * then
        now, then = (1 + beta) * now - beta * then - alpha * grad(y), now
    return now


@pytest.mark.parametrize("name", CATALOG)
def test_velocity_form_and_two_sequence_form_agree_on_a_nonlinear_function(name):
    method = CATALOG[name].method(0.5, 4.0)
    grad = lambda x: 0.5 * x + 3.5 * np.tanh(x)  # noqa: E731
    x0 = np.array([1.0, -2.0, 0.3])
    params, velocity = x0, init(x0)
    for _ in range(40):
        params, velocity = step(method, params, velocity, grad(params))
    np.testing.assert_allclose(hidden(method, params, velocity), two_sequences(method, grad, x0, 40), atol=1e-13)


@given(st.floats(0.01, 1), st.floats(0, 0.95), st.floats(0, 1))
def test_quasi_hyperbolic_momentum_is_the_family(lr, beta, nu):
    grad = lambda x: x + np.sin(x)  # noqa: E731
    method = quasi_hyperbolic(lr, beta, nu)
    params, velocity = 1.0, 0.0
    theirs, average = 1.0, 0.0
    for _ in range(30):
        average = beta * average + (1 - beta) * grad(theirs)
        theirs = theirs - lr * ((1 - nu) * grad(theirs) + nu * average)
        params, velocity = step(method, params, velocity, grad(params))
    np.testing.assert_allclose(params, theirs, rtol=1e-9, atol=1e-9)


def test_quasi_hyperbolic_corners_and_the_ridge():
    assert quasi_hyperbolic(1.0, 0.5, 1.0).gamma == 0
    np.testing.assert_allclose(quasi_hyperbolic(1.0, 0.5, 0.5).gamma, 0.5)
    np.testing.assert_allclose(transfer(quasi_hyperbolic(0.2, 0.9, 0.0)).gain, 0.2)
    assert transfer(quasi_hyperbolic(0.2, 0.9, 0.0)).pole is None
    np.testing.assert_allclose(CATALOG["quasi-hyperbolic"].method(1, 9), triple_momentum(1, 9), rtol=1e-12)
    robust = transfer(robust_momentum(1.0, 4.0, rho=0.75))
    assert robust.pole is None
    np.testing.assert_allclose(robust.gain, 0.25)


def test_equal_curvatures_take_one_step():
    for entry in CATALOG.values():
        np.testing.assert_allclose(rate(entry.method(2.0, 2.0), 2.0), 0.0, atol=1e-7)
        np.testing.assert_allclose(entry.rate(2.0, 2.0), 0.0, atol=1e-12)


@given(pairs, st.floats(1e-3, 1e3))
def test_methods_scale_with_the_curvature(pair, scale):
    mu, L = pair
    for entry in CATALOG.values():
        here, there = entry.method(mu, L), entry.method(mu / scale, L / scale)
        np.testing.assert_allclose(there, here._replace(alpha=here.alpha * scale), rtol=1e-6, atol=1e-12)


@pytest.mark.parametrize("name", CATALOG)
def test_every_entry_cites_a_source(name):
    entry = CATALOG[name]
    assert entry.cite in SOURCES
    assert entry.theorem
    text = cite(name)
    assert text.startswith(f"@{SOURCES[entry.cite].kind}{{{entry.cite},")
    assert text == cite(entry.cite)
    assert text.count("{") == text.count("}")


def test_short_citations():
    assert [SOURCES[key].short for key in ("polyak1964", "ma2019", "cyrus2018")] == [
        "Polyak 1964",
        "Ma and Yarats 2019",
        "Cyrus et al. 2018",
    ]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: heavy_ball(0.0, 10.0), "mu = 0 is not positive: .* give a small mu > 0, such as 0.001"),
        (lambda: nesterov(5.0, 1.0), "mu = 5 > L = 1: .* did you mean mu = 1, L = 5"),
        (lambda: triple_momentum(1.0, np.inf), "both must be finite"),
        (lambda: robust_momentum(1.0, 4.0, 0.9), r"rho = 0.9 is outside \[0.5, 0.75\] .* use rho = 0.75"),
        (lambda: quasi_hyperbolic(0.1, 1.0, 0.7), "beta = 1 makes an exponential average that never moves"),
        (lambda: named("heavy-bal"), "unknown method 'heavy-bal': did you mean 'heavy-ball'"),
        (lambda: cite("polyak1963"), "no source called 'polyak1963': did you mean 'polyak1964'"),
        (lambda: best(spectrum([-1.0, 2.0])), "mu = -1 is not positive"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(BadInput, match=message):
        call()

"""Noise gain and relative gradient errors: closed forms, simulations, adversaries."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inertia.core.method import Method, init, step
from inertia.errors import BadInput
from inertia.theory import catalog
from inertia.theory.certify.frequency import quadratic_rate, sector_rate
from inertia.theory.certify.robust import error_rate, error_tolerance, noise_gain, quadratic_noise_gain


@pytest.mark.parametrize("kappa", [4.0, 25.0, 100.0])
@pytest.mark.parametrize("alpha", [0.3, 1.0, 1.6])
def test_gradient_descents_noise_gain_is_that_of_its_worst_quadratic(kappa, alpha):
    """For one state E|x+|^2 <= rho^2 |x|^2 + alpha^2, and the flattest (or steepest) quadratic attains alpha/sqrt(1 - rho^2)."""
    found = noise_gain(Method(alpha), 1 / kappa, 1.0)
    rho = max(abs(1 - alpha / kappa), abs(1 - alpha))
    assert found.checked
    assert found.quadratic == pytest.approx(alpha / (1 - rho**2) ** 0.5, rel=1e-9)
    assert found.gain == pytest.approx(found.quadratic, rel=1e-4)


def test_the_unit_of_curvature_scales_the_gain():
    small, large = noise_gain(catalog.nesterov(0.1, 1.0), 0.1, 1.0), noise_gain(catalog.nesterov(10.0, 100.0), 10.0, 100.0)
    assert large.gain == pytest.approx(small.gain / 100, rel=1e-4)


@settings(max_examples=25)
@given(st.floats(0.05, 1.6), st.floats(0.0, 0.85), st.floats(0.0, 0.85), st.floats(0.02, 0.3))
def test_a_gain_is_proved_wherever_a_rate_is_and_never_below_a_quadratic(alpha, beta, gamma, mu):
    method = Method(alpha, beta, gamma)
    found = noise_gain(method, mu, 1.0)
    assert found.gain >= quadratic_noise_gain(method, mu, 1.0)
    assert found.checked == np.isfinite(found.gain)
    if float(sector_rate(method, mu, 1.0)) < 0.99:
        assert found.checked


@pytest.mark.parametrize("method", [catalog.nesterov(0.1, 1.0), catalog.triple_momentum(0.1, 1.0), Method(1.2, 0.3, 0.1)])
def test_noisy_runs_stay_within_the_gain(method):
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(6, 2))
    rows *= np.sqrt(0.9 / np.linalg.eigvalsh(rows.T @ rows)[-1])

    def gradient(x):
        return 0.1 * x + np.tanh(x @ rows.T) @ rows  # curvatures in [0.1, 1], minimiser 0

    params = np.zeros((4000, 2))
    velocity, square = init(params), []
    for k in range(400):
        params, velocity = step(method, params, velocity, gradient(params) + rng.normal(size=params.shape))
        if k >= 200:
            square.append(np.mean(np.sum(params**2, axis=-1)))
    assert (np.mean(square) / 2) ** 0.5 <= noise_gain(method, 0.1, 1.0).gain  # sigma = 1 in each of 2 coordinates


@pytest.mark.parametrize("kappa", [4.0, 25.0])
@pytest.mark.parametrize("error", [0.0, 0.1, 0.4])
@pytest.mark.parametrize("alpha", [0.5, 1.0, 1.3])
def test_gradient_descent_under_relative_error_has_its_closed_rate(kappa, error, alpha):
    """De Klerk, Glineur and Taylor 2020: max(1 - alpha mu (1 - error), alpha L (1 + error) - 1), attained on quadratics."""
    mu = 1 / kappa
    want = max(1 - alpha * mu * (1 - error), alpha * (1 + error) - 1)
    found = error_rate(Method(alpha), mu, 1.0, error)
    assert found == (pytest.approx(want, abs=1e-3 * (1 - want)) if want < 1 else np.inf)
    assert found >= want * (1 - 1e-12)


def test_without_error_it_is_the_certified_rate():
    for method in (catalog.nesterov(0.1, 1.0), catalog.triple_momentum(0.1, 1.0)):
        assert error_rate(method, 0.1, 1.0, 0.0) == pytest.approx(float(sector_rate(method, 0.1, 1.0)), abs=1e-3)


def test_speed_is_paid_for_in_robustness():
    """Triple momentum is the fastest and bears least error; robust momentum bears more, the slower the more."""
    borne = [error_tolerance(catalog.robust_momentum(0.1, 1.0, rho), 0.1, 1.0) for rho in (0.69, 0.75, 0.85)]
    assert error_tolerance(catalog.triple_momentum(0.1, 1.0), 0.1, 1.0) < borne[0] < borne[1] < borne[2]
    assert error_tolerance(Method(1.0), 0.1, 1.0) > 0.999  # gradient descent with step 1/L bears anything short of 1
    assert error_tolerance(Method(3.0), 0.1, 1.0) == 0.0


def test_an_adversary_cannot_slow_a_method_beyond_its_promise():
    """Errors that point along the step, on quadratics: the growth per step stays below the certified rate."""
    method, mu, error = Method(0.9, 0.3, 0.1), 0.1, 0.2
    promised = error_rate(method, mu, 1.0, error)
    assert promised < 1
    for h in (mu, 0.3, 1.0):
        for sign in (-1, 1):
            assert float(quadratic_rate(method, h * (1 + sign * error), h * (1 + sign * error))) <= promised + 1e-9


def test_bad_input_is_refused():
    with pytest.raises(BadInput, match=r"error = 1 is outside \[0, 1\)"):
        error_rate(Method(1.0), 0.1, 1.0, 1.0)
    for call in (noise_gain, error_tolerance, lambda *given: error_rate(*given, 0.1)):
        with pytest.raises(BadInput, match="mu = 0 is not positive"):
            call(Method(1.0), 0.0, 1.0)
        with pytest.raises(BadInput, match="alpha = 0 is not positive"):
            call(Method(0.0), 0.1, 1.0)


def test_a_method_that_diverges_has_no_gain():
    assert noise_gain(Method(3.0), 0.1, 1.0).gain == np.inf
    assert error_rate(Method(3.0), 0.1, 1.0, 0.1) == np.inf


@pytest.mark.parametrize("answer", [None, np.zeros(11), np.ones(11)])
def test_a_solver_that_errs_proves_nothing(monkeypatch, answer):
    monkeypatch.setattr("inertia.theory.certify.robust.maximise", lambda *given: answer)
    assert noise_gain(Method(1.0), 0.1, 1.0).gain == np.inf
    assert error_rate(Method(1.0), 0.1, 1.0, 0.1) == np.inf

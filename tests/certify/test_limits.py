"""Limits, guarantees without strong convexity, and designs: against PEPit, known methods and each other."""

import math

import numpy as np
import pytest
from PEPit import PEP
from PEPit.examples.unconstrained_convex_minimization import (
    wc_gradient_descent,
    wc_information_theoretic,
    wc_optimized_gradient,
)
from PEPit.functions import SmoothConvexFunction

from inertia.core.method import Method, init, step
from inertia.core.schedule import tabulate
from inertia.errors import BadInput
from inertia.theory import catalog
from inertia.theory.certify.convex import convex_bound, gradient_dominated_factor, nesterov_convex_bound
from inertia.theory.certify.design import fastest, most_robust, pareto, quietest
from inertia.theory.certify.frequency import sector_rate
from inertia.theory.certify.limits import LIMITS, distance, distances, fastest_for, limit_curve
from inertia.theory.certify.robust import noise_gain
from inertia.theory.sequences import chebyshev

STEPS = np.arange(1, 7)
CLOSE = 2e-3  # PEPit's solver, relative


@pytest.mark.slow
def test_the_limits_are_attained_by_the_methods_they_name():
    for n in (1, 3, 5):
        worst, _ = wc_information_theoretic(mu=0.1, L=1.0, n=n, verbose=0)
        assert limit_curve("strongly-convex", 0.1, 1.0, n) ** 2 == pytest.approx(worst, rel=CLOSE)
        worst, _ = wc_optimized_gradient(L=2.0, n=n, verbose=0)
        assert limit_curve("convex", 0.0, 2.0, n) == pytest.approx(worst, rel=CLOSE)  # L R^2/2 = 1


@pytest.mark.parametrize("kappa", [4.0, 30.0])
def test_chebyshev_attains_the_limit_of_quadratics(kappa):
    curvatures = np.linspace(1, kappa, 4001)
    schedule = tabulate(chebyshev(1.0, kappa), 6)
    params, worst = np.ones_like(curvatures), []
    velocity = init(params)
    for k in range(6):
        params, velocity = step(Method(*(field[k] for field in schedule)), params, velocity, curvatures * params)
        worst.append(np.max(np.abs(params)))
    np.testing.assert_allclose(worst, limit_curve("quadratic", 1.0, kappa, STEPS), rtol=1e-4)  # the extrema lie between grid points


def test_the_limit_of_convex_quadratics_is_the_polynomial_that_attains_it():
    """min over p(0) = 1 of max h p(h)^2 on [0, L] is L/(2k + 1)^2: sin((2k + 1) t)/((2k + 1) sin t), h = L sin^2 t."""
    angle = np.linspace(1e-4, np.pi / 2, 20001)
    for k in STEPS:
        polynomial = np.sin((2 * k + 1) * angle) / ((2 * k + 1) * np.sin(angle))
        worst = np.max(np.sin(angle) ** 2 * polynomial**2)
        assert limit_curve("convex-quadratic", 0.0, 1.0, k) == pytest.approx(worst, rel=1e-6)


@pytest.mark.parametrize("name", list(LIMITS))
def test_every_limit_starts_at_one_falls_and_approaches_its_rate(name):
    curve = limit_curve(name, 0.05, 1.0, np.arange(400))
    assert curve[0] == pytest.approx(1.0)
    assert np.all(np.diff(curve) < 0)
    rate = LIMITS[name].rate(0.05, 1.0)
    assert curve[-1] / curve[-2] == pytest.approx(rate, rel=1e-2 if rate == 1 else 1e-9)
    assert np.isfinite(limit_curve(name, 0.05, 1.0, 5000))


def test_quadratics_are_easier_than_strongly_convex_functions():
    k = np.arange(1, 60)
    assert np.all(limit_curve("quadratic", 0.05, 1.0, k) <= limit_curve("strongly-convex", 0.05, 1.0, k) * (1 + 1e-12))
    assert np.all(limit_curve("convex-quadratic", 0.0, 1.0, k) <= limit_curve("convex", 0.0, 1.0, k))


def test_no_method_of_the_catalogue_is_beyond_a_limit_and_two_meet_it():
    table = distances(1.0, 25.0)
    assert len(table) == 2 * len(catalog.CATALOG)
    for row in table:
        assert row.times is None or row.times >= 1 - 1e-9
    met = {(row.name, row.functions) for row in table if row.times is not None and row.times < 1.001}
    assert met == {("heavy-ball", "quadratic"), ("triple-momentum", "strongly-convex"), ("quasi-hyperbolic", "strongly-convex")}
    refuted = [row for row in table if row.verdict != "proved"]
    assert [(row.name, row.functions, row.rate, row.times) for row in refuted] == [("heavy-ball", "strongly-convex", None, None)]
    for functions in ("quadratic", "strongly-convex"):
        name = fastest_for(functions)
        fast = [row for row in table if row.functions == functions and row.name == name]
        assert fast[0].times == pytest.approx(1, abs=1e-3)


def test_distances_in_closed_form():
    row = distance(Method(2 / 10), 1.0, 9.0, "quadratic")
    assert row.times == pytest.approx(math.log(0.5) / math.log(0.8))
    assert distance(Method(3.0), 1.0, 9.0, "quadratic").verdict == "refuted"


# Without strong convexity.


@pytest.mark.parametrize("a", [0.4, 1.0, 1.5, 1.9])
def test_gradient_descents_convex_bound_is_exact(a):
    for steps in (1, 4):
        worst, _ = wc_gradient_descent(L=2.0, gamma=a / 2, n=steps, verbose=0)
        assert convex_bound(Method(a / 2), 2.0, steps).factor == pytest.approx(worst, rel=CLOSE)


def worst_of_mean(method, L, steps):
    """Largest f(mean of x_0..x_k) - f* over convex L-smooth functions with R = 1."""
    problem = PEP()
    function = problem.declare_function(SmoothConvexFunction, L=L)
    optimum = function.stationary_point()
    now = before = total = problem.set_initial_point()
    problem.set_initial_condition((now - optimum) ** 2 <= 1)
    for _ in range(steps):
        now, before = (1 + method.beta) * now - method.beta * before - method.alpha * function.gradient(now), now
        total = total + now
    problem.set_performance_metric(function(total / (steps + 1)) - function(optimum))
    return problem.solve(verbose=0)


@pytest.mark.slow
@pytest.mark.parametrize(("alpha", "beta"), [(0.3, 0.5), (0.8, 0.5), (0.05, 0.9), (0.9, 0.1)])
def test_the_heavy_balls_mean_keeps_its_bound(alpha, beta):
    for steps in (1, 3):
        bound = convex_bound(Method(alpha, beta), 1.0, steps)
        assert bound.point == "mean"
        assert worst_of_mean(Method(alpha, beta), 1.0, steps) <= bound.factor / 2 * (1 + CLOSE)  # L R^2/2 = 1/2


def test_nesterovs_schedule_keeps_its_bound_and_respects_the_limit():
    k = np.arange(1, 50)
    assert np.all(nesterov_convex_bound(1.0, k).factor >= limit_curve("convex", 0.0, 1.0, k))
    assert np.all(convex_bound(Method(1.0), 1.0, k).factor >= limit_curve("convex", 0.0, 1.0, k))


def test_gradient_domination_holds_where_the_function_is_not_convex():
    """f = x^2 + 3 sin^2 x satisfies |f'|^2 >= 2 mu f with mu = 1/32 and has L = 8 (Karimi, Nutini and Schmidt 2016)."""
    x = np.linspace(-20, 20, 4001)
    mu, L = 1 / 32, 8.0
    for alpha in (0.05, 0.125, 0.2):
        after = x - alpha * (2 * x + 3 * np.sin(2 * x))
        value, new = x**2 + 3 * np.sin(x) ** 2, after**2 + 3 * np.sin(after) ** 2
        assert np.all(new <= gradient_dominated_factor(alpha, mu, L) * value + 1e-12)
    assert gradient_dominated_factor(np.array([0.5, 1.0]), 0.1, 1.0) == pytest.approx([0.925, 0.9])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: convex_bound(Method(1.0, 0.5, 0.5), 1.0, 5), "gamma = 0.5, beta = 0.5: without strong convexity a bound is known for"),
        (lambda: convex_bound(Method(1.2, 0.5), 1.0, 5), r"alpha L = 1.2 is too long: the theorem needs alpha L < 2 \(1 - beta\) = 1"),
        (lambda: convex_bound(Method(1.0), 0.0, 5), "L = 0 is not positive"),
        (lambda: convex_bound(Method(1.0), 1.0, 0), "steps = 0: give whole numbers >= 1"),
        (lambda: nesterov_convex_bound(1.0, 2.5), "steps = 2.5: give whole numbers"),
        (lambda: gradient_dominated_factor(3.0, 0.1, 1.0), r"alpha from 3 to 3 leaves \(0, 2/L\)"),
        (lambda: gradient_dominated_factor(1.0, 2.0, 1.0), "do not satisfy 0 < mu <= L"),
        (lambda: limit_curve("quadratics", 0.1, 1.0, 1), "unknown class 'quadratics': did you mean 'quadratic'"),
        (lambda: limit_curve("quadratic", 0.0, 1.0, 1), "mu = 0 is not positive"),
        (lambda: limit_curve("quadratic", 0.1, 1.0, -1), "steps = -1: give whole numbers >= 0"),
        (lambda: distance(Method(1.0), 0.1, 1.0, "convex"), "class 'convex' has no rate per step"),
        (lambda: fastest_for("convexish"), "unknown class 'convexish'"),
        (lambda: most_robust(0.1, 1.0, 0.5), r"rho = 0.5 is outside \(1 - 1/sqrt kappa, 1\)"),
        (lambda: quietest(0.1, 1.0, 1.5), "rho = 1.5 is outside"),
        (lambda: pareto(0.1, 1.0, 1), "count = 1 is too few"),
        (lambda: fastest(2.0, 1.0), "mu = 2 is larger than L = 1"),
    ],
)
def test_bad_input_is_refused(call, message):
    with pytest.raises(BadInput, match=message):
        call()


# Designs.


@pytest.mark.slow
@pytest.mark.parametrize("kappa", [25.0])
def test_the_search_for_speed_finds_triple_momentum(kappa):
    found, known = fastest(1.0, kappa), catalog.triple_momentum(1.0, kappa)
    np.testing.assert_allclose(found[:3], known[:3], rtol=1e-3)


@pytest.mark.parametrize(("kappa", "rho"), [(10.0, 0.7), (10.0, 0.8), (25.0, 0.85), (100.0, 0.95)])
def test_the_search_for_robustness_finds_robust_momentum(kappa, rho):
    found, known = most_robust(2 / kappa, 2.0, rho), catalog.robust_momentum(2 / kappa, 2.0, rho)
    np.testing.assert_allclose(found[:3], known[:3], rtol=1e-4)


@pytest.mark.slow
def test_the_trade_off_goes_from_fast_and_loud_to_slow_and_quiet():
    curve = pareto(0.1, 1.0, 3)
    rates, gains = [design.rate for design in curve], [design.gain for design in curve]
    assert len(curve) == 3
    assert rates == sorted(rates)
    assert gains == sorted(gains, reverse=True)
    for design in curve:
        assert float(sector_rate(design.method, 0.1, 1.0)) <= design.rate
        robust = catalog.robust_momentum(0.1, 1.0, min(design.rate, 0.9))
        assert design.gain <= noise_gain(robust, 0.1, 1.0).gain * (1 + 1e-3)  # quieter than robust momentum at the same rate

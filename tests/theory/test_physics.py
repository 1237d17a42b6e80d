"""Mechanics against an ODE solver, and the two Euler schemes against each other."""

from fractions import Fraction

import numpy as np
import pytest
import scipy.integrate
from hypothesis import given
from hypothesis import strategies as st

from inertia.core.method import Method, step
from inertia.errors import BadInput
from inertia.theory.modes import critical_momentum, edge, iterate, rate, regime
from inertia.theory.physics import (
    Particle,
    critical_drag,
    damping,
    explicit_edge,
    explicit_roots,
    explicit_step,
    flow_of,
    gradient_flow,
    method_of,
    oscillator,
    particle_of,
    stepped_damping,
)


@given(st.floats(0.1, 10), st.floats(0.01, 0.5), st.floats(0, 2))
def test_both_ways_and_the_step_is_semi_implicit_euler(mass, time_step, share):
    particle = Particle(mass, share * mass / time_step, time_step)
    method = method_of(particle)
    np.testing.assert_allclose(method[:2], (time_step**2 / mass, 1 - particle.drag * time_step / mass), atol=1e-12)
    np.testing.assert_allclose(particle_of(method, mass), particle, rtol=1e-9, atol=1e-9)
    h, x, speed, y, v = 0.7, 1.0, 0.0, 1.0, 0.0
    for _ in range(20):
        speed = speed + time_step / mass * (-particle.drag * speed - h * x)
        x = x + time_step * speed
        y, v = step(method, y, v, h * y)
    np.testing.assert_allclose(y, x, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(v, -speed * time_step / method.alpha, rtol=1e-9, atol=1e-9)  # velocity is in gradient units


@pytest.mark.parametrize("drag", [0.0, 0.5, 2.0 * np.sqrt(1.4), 2.0 * np.sqrt(1.4) * (1 + 1e-9), 7.0])
def test_the_closed_form_is_what_an_ode_solver_finds(drag):
    particle, h, times = Particle(0.7, drag, 0.1), 2.0, np.linspace(0, 8, 17)
    drive = lambda t, s: [s[1], (-drag * s[1] - h * s[0]) / 0.7]  # noqa: E731
    want = scipy.integrate.solve_ivp(drive, (0, 8), [1.0, -0.4], t_eval=times, rtol=1e-11, atol=1e-13).y
    np.testing.assert_allclose(oscillator(particle, h, times, 1.0, -0.4), want, atol=1e-8)


def test_no_overflow_however_stiff():
    still = oscillator(Particle(1e-3, 10.0, 0.1), 1.0, np.array([0.0, 1.0, 1e6]))
    np.testing.assert_allclose(still.position, [1.0, np.exp(-0.1), 0.0], rtol=1e-4)


@pytest.mark.parametrize("drag", [0.3, 2.0, 5.0])
def test_the_heavy_ball_tends_to_the_oscillator(drag):
    errors = []
    for time_step in (0.02, 0.01, 0.005):
        particle = Particle(1.0, drag, time_step)
        k = np.arange(0, int(5 / time_step) + 1)
        at = iterate(method_of(particle), 1.0, k).params
        errors.append(np.max(np.abs(at - oscillator(particle, 1.0, k * time_step).position)))
    np.testing.assert_allclose(np.divide(errors[:-1], errors[1:]), 2.0, rtol=0.05)  # first order in the time step


def test_gradient_descent_tends_to_the_flow_and_momentum_to_a_faster_one():
    h = np.array([0.3, 1.0])
    errors = [np.max(np.abs(iterate(Method(a), h, round(2 / a)).params - gradient_flow(h, 2.0))) for a in (0.02, 0.01)]
    np.testing.assert_allclose(errors[0] / errors[1], 2.0, rtol=0.05)
    same = [iterate(Method(1e-5 * (1 - b), b), h, 200_000).params for b in (0.0, 0.5, 0.9)]
    np.testing.assert_allclose(same[1], same[0], rtol=1e-3)
    np.testing.assert_allclose(same[2], gradient_flow(h, flow_of(Method(1e-6, 0.9), 200_000)), rtol=1e-3)
    assert flow_of(Method(0.1, 1.0), 1) == np.inf


@given(st.floats(1e-4, 0.9), st.floats(0.0, 0.99))
def test_damping_regimes_are_the_limit_of_the_regimes_of_the_method(ah, beta):
    """Discrete and continuous agree on swinging away from the critical value, where c = 2 sqrt(mh) (1 + O(dt))."""
    particle = particle_of(Method(ah, beta))
    critical = float(critical_momentum(ah, 1.0))
    assert critical_drag(1.0, 1.0) == 2.0
    if beta > critical + ah:
        assert damping(particle, 1.0) == "underdamped"
        assert regime(Method(ah, beta), 1.0) == "ripples"
    elif beta < critical - ah:
        assert damping(particle, 1.0) == "overdamped"
        assert regime(Method(ah, beta), 1.0) == "monotone"


def exactly(ah, beta):
    """The name by the signs of r^2 - p r + q in whole numbers: its discriminant, the larger root's sign, and Jury's conditions."""
    p, q = 1 + Fraction(beta) - Fraction(ah), Fraction(beta)
    inside, on = abs(q) < 1 and abs(p) < 1 + q, abs(q) <= 1 and abs(p) <= 1 + q
    if not inside:
        return "undamped" if on else "divergent"
    disc = p * p - 4 * q
    return "underdamped" if disc < 0 else "alternating" if p < 0 else "critical" if disc == 0 else "overdamped"


def test_the_steps_are_named_by_their_own_roots():
    """Everywhere but within rounding of a border; and at borders that floats hit exactly."""
    rng, seen = np.random.default_rng(5), set()
    alpha, h, beta = 10 ** rng.uniform(-3, 0.3, 400), 10 ** rng.uniform(-1, 0.3, 400), rng.uniform(0, 1, 400)
    for name, ah, b in zip(stepped_damping(Method(alpha, beta), h), (alpha * h).tolist(), beta.tolist(), strict=True):
        assert name == exactly(ah, b)
        seen.add(str(name))
    assert seen == {"underdamped", "overdamped", "alternating", "divergent"}
    for ah, b in ((0.25, 0.25), (0.5625, 0.0625), (1.0, 0.0), (2.25, 0.25), (0.5, 1.0), (3.0, 0.5), (0.0625, 0.5625)):
        assert stepped_damping(Method(ah, b), 1.0) == exactly(ah, b)


@given(st.floats(1e-4, 0.9), st.floats(0.1, 10))
def test_at_the_critical_momentum_the_steps_are_critical_and_the_motion_still_swings(ah, h):
    one = Method(ah / h, critical_momentum(ah / h, h))
    assert stepped_damping(one, h) == "critical"
    particle = particle_of(one)
    assert damping(particle, h) == "underdamped"
    np.testing.assert_allclose(particle.drag, critical_drag(1.0, h) - h * particle.time_step, rtol=1e-6)
    assert stepped_damping(Method(one.alpha, one.beta * (1 - 1e-6)), h) == "overdamped"
    assert stepped_damping(Method(one.alpha, one.beta + 1e-6 * (1 - one.beta)), h) == "underdamped"
    with pytest.raises(BadInput, match="a method that looks ahead is no particle"):
        stepped_damping(Method(0.1, 0.9, 0.9), 1.0)


@given(st.floats(1e-3, 2), st.floats(-0.99, 0.99), st.floats(0.01, 5))
def test_explicit_euler_and_why_it_is_worse(alpha, beta, h):
    method = Method(alpha, beta)
    x, v = 1.0, 0.3
    seen = [x]
    for _ in range(3):
        x, v = explicit_step(method, x, v, h * x)
        seen.append(x)
    p, q = 1 + beta, beta + alpha * h
    np.testing.assert_allclose(seen[2:], [p * seen[1] - q * seen[0], p * seen[2] - q * seen[1]], rtol=1e-9, atol=1e-9)
    roots = explicit_roots(method, h)
    np.testing.assert_allclose([roots.sum(), roots.prod()], [p, q], atol=1e-9)
    limit = explicit_edge(method)
    size = np.abs(explicit_roots(method, np.array([0.999, 1.001]) * limit)).max(-1)
    assert size[0] < 1 < size[1]
    if beta >= 0:
        assert limit < edge(method)


def test_without_drag_explicit_euler_gains_energy_and_semi_implicit_keeps_it():
    method = Method(0.01, 1.0)
    assert explicit_edge(method) == 0
    assert np.abs(explicit_roots(method, 1.0)).max() > 1
    np.testing.assert_allclose(rate(method, 1.0), 1.0, rtol=1e-12)


@given(st.floats(0.1, 10), st.floats(0, 5), st.floats(0.01, 0.1), st.floats(0.1, 10), st.floats(1e-2, 1e2))
def test_units(mass, drag, time_step, h, scale):
    """Only h/m and c/m matter: scaling mass, drag and curvature together changes nothing."""
    here, there = Particle(mass, drag, time_step), Particle(mass * scale, drag * scale, time_step)
    np.testing.assert_allclose(oscillator(there, h * scale, 3.0), oscillator(here, h, 3.0), rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(explicit_edge(Method(0.1 * scale, 0.5)), explicit_edge(Method(0.1, 0.5)) / scale)
    np.testing.assert_allclose(gradient_flow(h / scale, 2 * scale), gradient_flow(h, 2), rtol=1e-9)
    np.testing.assert_allclose(explicit_roots(Method(0.1 * scale, 0.5), h / scale), explicit_roots(Method(0.1, 0.5), h), atol=1e-7)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: method_of(Particle(0.0, 1.0, 0.1)), "mass = 0 is not positive"),
        (lambda: method_of(Particle(1.0, 1.0, -0.1)), "time step = -0.1 is not positive"),
        (lambda: method_of(Particle(1.0, -1.0, 0.1)), "drag = -1 is negative"),
        (lambda: method_of(Particle(1.0, 30.0, 0.1)), r"is above 2 \(beta < -1\): use time step <= 2 mass/drag"),
        (lambda: particle_of(Method(0.1, 0.9, 0.9)), "gamma = 0.9: a method that looks ahead is no particle"),
        (lambda: particle_of(Method(0.1), -1.0), "alpha and mass must be positive"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(BadInput, match=message):
        call()

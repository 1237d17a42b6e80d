"""Steps to a tolerance against reading the whole curve."""

import math
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inertia.core.method import Method
from inertia.core.spectrum import spectrum
from inertia.errors import BadInput
from inertia.theory.catalog import heavy_ball
from inertia.theory.milestones import milestones, steps_to
from inertia.theory.noise import floor
from inertia.theory.quadratic import components, loss_curve, worst_rate

HORIZON = 3000


def last_above(curve, level):
    """First step from which the curve stays below, by looking at all of it; nan where rounding decides."""
    if np.any(np.abs(curve / level - 1) < 1e-7):
        return math.nan
    above = np.flatnonzero(curve > level)
    return above[-1] + 1 if above.size else 0


@settings(max_examples=120)
@given(
    st.floats(0.02, 2.0),
    st.floats(-0.9, 0.97) | st.just(0.0),
    st.floats(-0.3, 1.5) | st.just(0.0),
    st.lists(st.tuples(st.floats(0.05, 2.0), st.floats(0.01, 4)), min_size=1, max_size=4),
    st.floats(1e-8, 0.9),
    st.floats(0, 0.1) | st.just(0.0),
)
def test_the_step_is_the_one_the_curve_shows(alpha, beta, gamma, rows, tolerance, noise):
    found = spectrum(*zip(*rows, strict=True), noise)
    method = Method(alpha, beta, gamma)
    got = steps_to(method, found, tolerance)
    if worst_rate(method, found) > 1 - 1e-12 or floor(method, found) >= tolerance * found.excess:
        assert got == math.inf
        return
    if worst_rate(method, found) > 0.985:
        assert got >= 0
        return
    want = last_above(loss_curve(method, found, HORIZON), tolerance * found.excess)
    assert math.isnan(want) or got == want


@pytest.mark.parametrize("kappa", [1.0, 4.0, 100.0, 1e4])
@pytest.mark.parametrize("nudge", [0.0, 1e-9, -1e-9, 1e-4])
def test_double_roots(kappa, nudge):
    found = spectrum(np.geomspace(1, kappa, 5))
    method = heavy_ball(1.0, kappa)
    method = method._replace(beta=method.beta + nudge)
    for tolerance in (0.5, 1e-3, 1e-12):
        want = last_above(loss_curve(method, found, HORIZON), tolerance * found.excess)
        assert steps_to(method, found, tolerance) == want


def test_many_methods_at_once_and_one_by_one():
    found = spectrum([0.1, 1.0, 3.0], [1, 2, 3], 1e-5)
    methods = Method(np.linspace(0.05, 1.5, 30)[:, None], np.linspace(0, 0.95, 20))
    got = steps_to(methods, found, 1e-3)
    assert got.shape == (30, 20)
    curves = loss_curve(methods, found, HORIZON)
    for i, j in np.ndindex(30, 20):
        if got[i, j] < HORIZON / 2:
            assert got[i, j] == last_above(curves[i, j], 1e-3 * found.excess)
    assert np.isinf(got[floor(methods, found) > 1e-3 * found.excess]).all()


def test_milestones_of_figures_3_and_12():
    h = np.array([1.0, 10.0, 100.0])
    found = spectrum(h, 1 / h)
    assert (milestones(Method(2 / 101), found, 0.01, relative=False) - 1).tolist() == [97, 8, 97]
    assert (milestones(Method(4 / 121, (9 / 11) ** 2), found, 0.01, relative=False) - 1).tolist() == [16, 6, 29]


def test_milestones_of_figure_6():
    """Polynomial regression, steps to shrink each error 1000 times: printed as ln(1e-3)/ln rate, rounded."""
    h = np.array([10.70332, 2.759982, 5.979755e-2, 1.471040e-2, 1.365073e-4, 3.307975e-5])
    found = spectrum(h)
    got = milestones(Method(1.8 / h[0]), found, 1e-6)[::-1]  # the loss is the square of the error
    np.testing.assert_allclose(got, np.ceil([31.0 - 0.04, 11.1, 683, 2789, 300_899, 1_241_708]), rtol=1e-3, atol=1)


def test_components_agree_with_the_curve_and_silent_ones_are_done():
    found = spectrum([0.0, 0.5, 1.0, 2.0], [1.0, 1.0, 0.0, 3.0], [0.0, 0.01, 0.0, 0.0])
    method = Method(0.3, np.array([0.0, 0.5, 0.9]), 0.2)
    got = milestones(method, found, 0.1)
    assert got.shape == (3, 4)
    assert np.all(got[:, [0, 2]] == 0)
    parts = components(method, found, HORIZON)
    for m in range(3):
        for i in (1, 3):
            curve = parts.bias[m, :, i] + parts.noise[m, :, i]
            assert got[m, i] == last_above(curve, 0.1 * curve[0])


def test_a_hundred_million_steps_are_found_at_once():
    found = spectrum([1e-8, 1.0])
    start = time.process_time()
    got = steps_to(Method(1.0), found, 1e-6 * 1e-8)
    assert time.process_time() - start < 2
    # loss ratio 1e-8 (1 - 1e-8)^(2k) = 1e-14
    np.testing.assert_allclose(got, math.log(1e6) / 2e-8, rtol=1e-6)


def test_never():
    found = spectrum([1.0, 4.0])
    methods = Method(np.array([0.5, 0.6, 0.1]), np.array([0.0, 0.0, 1.0]))
    assert np.isinf(steps_to(methods, found)).all()
    assert np.isinf(milestones(Method(0.6), found)).tolist() == [False, True]


@given(st.floats(1e-2, 0.9), st.floats(0, 0.9), st.floats(1e-2, 1e2))
def test_units(alpha, beta, scale):
    h = np.array([0.3, 2.0])
    here = steps_to(Method(alpha, beta), spectrum(h), 1.2345e-4)
    there = steps_to(Method(alpha * scale, beta), spectrum(h / scale), 1.2345e-4)
    assert abs(here - there) <= 1  # rounding may move a ripple's last touch by a step


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: steps_to(Method(0.1), spectrum(1.0), 0.0), "tolerance = 0 is not positive"),
        (lambda: milestones(Method(0.1), spectrum(1.0), -1.0), "tolerance = -1 is not positive"),
        (lambda: steps_to(Method(0.1), spectrum(1.0, 0.0, 1.0)), "already optimal .* use relative=False"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(BadInput, match=message):
        call()

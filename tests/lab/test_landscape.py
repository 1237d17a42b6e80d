"""Surfaces, contours, paths and the plane: each number by a second road."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inertia.core.method import Method
from inertia.errors import BadInput
from inertia.lab.landscape import SURFACES, ellipses, paths, quadratic, shaded, surface, typed
from inertia.lab.plane import best, fringe, look_ahead, method, plane, reach, worst_rate
from inertia.problems.simulation import run
from inertia.theory import catalog, modes

FRAME = ((-3.0, 3.0), (-2.0, 2.0))


@given(st.floats(-90, 90), st.floats(0.1, 10), st.floats(0.1, 100))
def test_the_levels_of_a_bowl_fit_its_frame(angle, low, high):
    ground = quadratic(angle, low, high)
    found = ellipses(ground.hessian(np.zeros(2)), (0.0, 0.0), FRAME)
    corners = np.array([(x, y) for x in FRAME[0] for y in FRAME[1]])
    assert np.all(np.diff(found["levels"]) > 0)
    assert found["levels"][-1] == pytest.approx(0.72 * ground.value(corners).max(), rel=1e-9)


@pytest.mark.parametrize("name", ["rosenbrock", "valley", "wells"])
@pytest.mark.parametrize("family", ["heavy-ball", "nesterov", "triple", "any"])
def test_a_path_is_what_the_reference_loop_does(name, family):
    from inertia.problems.landscapes import banana, double_well
    from inertia.problems.quadratics import valley

    problem = {"rosenbrock": banana, "valley": valley, "wells": double_well}[name]()
    ground = SURFACES[name]
    one = method(family, 0.4 * ground.alpha, 0.6, 0.3)._replace(delta=0.0)
    found = paths(ground, [one, Method(0.1 * ground.alpha)], ground.start, 40)
    record = run(problem, one._replace(delta=one.gamma), 40, start=ground.start, keep_path=True)  # read out at params
    params = paths(ground, [one._replace(delta=one.gamma)], ground.start, 40).points[0]
    np.testing.assert_allclose(params, record.path, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(found.losses, ground.value(found.points), rtol=0)


def test_a_divergent_path_says_when():
    ground = SURFACES["rosenbrock"]
    found = paths(ground, [Method(0.006, beta=0.8), Method(0.003)], ground.start, 150)
    step = found.diverged_at[0]
    assert step is not None
    assert step <= 8
    assert np.isfinite(found.points[0, :step]).all()
    assert np.isnan(found.points[0, step:]).all()
    assert found.diverged_at[1] is None


def test_the_opening_run_ends_where_it_was_checked():
    ground = SURFACES["rosenbrock"]
    ends = paths(ground, [Method(0.003), Method(0.003, 0.74), Method(0.003, 0.9)], ground.start, 150).losses[:, -1]
    np.testing.assert_allclose(ends, [1.177, 9.1e-3, 1.2e-6], rtol=0.05)  # printed to two or three digits


def test_a_typed_surface_knows_its_bottom():
    assert typed("(x - 1)^2 + 3 (y + 0.5)^2", 2.0).optimum == (1.0, -0.5)
    assert surface("formula", text="x^2 + y^2", half=1.0).domain == ((-1.0, 1.0), (-0.6, 0.6))
    nowhere = shaded(typed("log(0 x - 1)", 1.0))
    assert len(nowhere["levels"]) == 0
    for nothing in ("xy", "x", "3y - x^2", "1/(1 + x^2 + y^2)", "x^2 - y^2"):  # no minimum: none is invented
        assert typed(nothing, 2.0).optimum is None, nothing
    with pytest.raises(BadInput, match="unknown name"):
        surface("formula", text="z")


@pytest.mark.parametrize("family", ["descent", "heavy-ball", "nesterov", "triple", "any"])
def test_the_fastest_point_is_not_beaten_on_a_fine_grid(family):
    curvatures = [1.0, 4.0, 30.0]
    place = best(family, curvatures, 0.4)
    alpha, beta = np.linspace(1e-3, reach(curvatures, family, 0.4), 301), np.linspace(0, 0.999, 301)
    rates = worst_rate(method(family, alpha[None, :], beta[:, None], 0.4), curvatures)
    assert worst_rate(place, curvatures) <= rates.min() + 1e-9


def test_the_fastest_points_agree_with_the_catalog():
    found, known = best("heavy-ball", [1.0, 100.0]), catalog.heavy_ball(1.0, 100.0)
    np.testing.assert_allclose(found[:2], known[:2], rtol=1e-12)
    nesterov = best("nesterov", [1.0, 100.0])
    # the search stops at a cell of reach/400 shrunk eightfold eight times; the rate at a kink is as exact as the place
    assert worst_rate(nesterov, [1.0, 100.0]) == pytest.approx(1 - 2 / np.sqrt(301), abs=1e-4)
    triple = catalog.triple_momentum(1.0, 100.0)
    assert look_ahead("triple", triple.beta) == pytest.approx(triple.gamma, rel=1e-12)
    assert method("triple", triple.alpha, triple.beta).delta == pytest.approx(triple.delta, rel=1e-9)


@pytest.mark.parametrize("family", ["heavy-ball", "nesterov", "any"])
def test_on_the_fringe_the_roots_meet(family):
    right = reach([2.0], family, 0.3)
    found = fringe(family, 2.0, 0.3, right)
    for side in ("left", "right"):
        keep = np.isfinite(found[side]) & (found[side] > 0) & (found["beta"] < 1)
        one = method(family, found[side][keep], found["beta"][keep], 0.3)
        p, q = modes.coefficients(one, 2.0)
        np.testing.assert_allclose(p * p, 4 * q, atol=1e-9)


def test_the_plane_is_dark_where_it_is_fast():
    found = plane("heavy-ball", [1.0, 10.0])
    rows, columns = found["grid"].shape
    row, column = np.unravel_index(np.argmin(found["grid"]), (rows, columns))
    assert column / (columns - 1) * found["right"] == pytest.approx(found["best"]["alpha"], abs=0.02 * found["right"])
    assert row / (rows - 1) == pytest.approx(found["best"]["beta"], abs=0.02)
    edge = modes.edge(Method(found["edge_alpha"][1:], found["edge_beta"][1:]))
    inside = found["edge_alpha"][1:] < found["right"]
    np.testing.assert_allclose(np.asarray(edge)[inside], 10.0, rtol=1e-12)


@pytest.mark.parametrize("ground", [*SURFACES.values(), quadratic(25.0, 1.0, 12.0), typed("x^2 sin(3y) + sqrt(abs(x)) / y", 2.0)])
def test_the_slope_of_one_point_is_the_gradient(ground):
    for x, y in np.random.default_rng(5).normal(0, 2, (20, 2)):
        expected = ground.gradient(np.array([x, 0.0 if ground.flat else y]))
        np.testing.assert_allclose(ground.slope(float(x), 0.0 if ground.flat else float(y)), expected, rtol=1e-12, atol=1e-12)


def test_a_path_of_a_formula_that_ends_nowhere_is_cut_without_a_warning():
    found = paths(typed("1 / (x - 1) + exp(9 x) + log(y)", 2.0), [Method(0.1), Method(5.0, 0.9)], (1.0, 0.5), 30)
    assert found.diverged_at == [0, 0] or all(first is not None and first <= 2 for first in found.diverged_at)
    assert np.isnan(found.points[:, -1]).all()

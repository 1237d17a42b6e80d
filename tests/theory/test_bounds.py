"""Bounds against linear algebra and against methods that try to beat them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inertia.core.method import step
from inertia.errors import BadInput
from inertia.theory.bounds import (
    asymptotic_bound,
    contraction,
    dead_zone,
    expander_condition,
    grid_condition,
    grid_curvatures,
    lower_bound,
    path_condition,
    path_curvatures,
    worst_function_condition,
    worst_function_curvatures,
    worst_function_optimum,
)
from inertia.theory.catalog import CATALOG, heavy_ball
from inertia.theory.sequences import chebyshev, conjugate_gradient, nesterov_convex


def worst(n, kappa):
    """Matrix and right-hand side of the convex Rosenbrock in its scaled form."""
    A = (kappa - 1) / 4 * (2 * np.eye(n) - np.eye(n, k=1) - np.eye(n, k=-1)) + np.eye(n)
    return A, (kappa - 1) / 4 * np.eye(n)[0]


@given(st.integers(1, 40), st.floats(1.01, 1e5))
def test_the_solution_and_the_eigenvalues(n, kappa):
    A, b = worst(n, kappa)
    np.testing.assert_allclose(worst_function_optimum(n, kappa), np.linalg.solve(A, b), rtol=1e-7, atol=1e-12)
    np.testing.assert_allclose(worst_function_curvatures(n, kappa), np.linalg.eigvalsh(A), rtol=1e-8)
    assert worst_function_condition(n, kappa) <= kappa * (1 + 1e-12)


def test_the_sinh_formula_and_the_printed_numbers():
    q = contraction(1000.0)
    np.testing.assert_allclose(q, 0.938693, atol=5e-7)
    t, i = -np.log(q), np.arange(1, 26)
    np.testing.assert_allclose(worst_function_optimum(25, 1000.0), np.sinh((26 - i) * t) / np.sinh(26 * t), rtol=1e-12)
    real = [worst_function_condition(n, 1000.0) for n in (25, 50, 100, 200, 500, 1000)]
    np.testing.assert_allclose(real, [214.64, 513, 805, 942, 990, 997.5], rtol=1e-3)
    np.testing.assert_allclose(worst_function_optimum(5000, 1000.0)[:20], q ** np.arange(1, 21), rtol=1e-12)
    assert asymptotic_bound(1000.0, 5) == pytest.approx(0.684, abs=5e-4)


def test_heavy_ball_on_figure_18_meets_the_bound():
    A, b = worst(25, 1000.0)
    method = heavy_ball(4.6, 996.35)
    np.testing.assert_allclose(method[:2], (0.00352005, 0.761695), rtol=1e-5)
    best = np.linalg.solve(A, b)
    params, velocity, errors = np.zeros(25), np.zeros(25), []
    for k in range(101):
        errors.append(np.abs(params - best).max())
        if k <= 25:
            assert np.array_equal(params == 0, dead_zone(25, 25)[k])
        params, velocity = step(method, params, velocity, A @ params - b)
    np.testing.assert_allclose([errors[k] for k in (5, 10, 20, 30, 50, 100)], [0.654, 0.440, 0.129, 0.0444, 4.05e-3, 6.6e-6], rtol=1e-2)
    np.testing.assert_allclose([errors[k] for k in (5, 10, 20)], lower_bound(25, 1000.0, [5, 10, 20]), rtol=1e-3)
    assert errors[5] < asymptotic_bound(1000.0, 5)  # the infinite-n statement is false here


@pytest.mark.parametrize("name", [*CATALOG, "chebyshev", "nesterov-convex"])
def test_no_method_of_the_catalogue_beats_the_bound(name):
    n, kappa = 30, 500.0
    A, b = worst(n, kappa)
    h = worst_function_curvatures(n, kappa)
    named = {"chebyshev": chebyshev(h[0], h[-1]), "nesterov-convex": nesterov_convex(h[-1])}
    schedule = named[name] if name in named else (lambda k: CATALOG[name].method(h[0], h[-1]))
    best, params, velocity = np.linalg.solve(A, b), np.zeros(n), np.zeros(n)
    for k in range(n):
        assert np.abs(params - best).max() >= lower_bound(n, kappa, k) * (1 - 1e-12)
        assert not params[dead_zone(n, n)[k]].any()
        params, velocity = step(schedule(k), params, velocity, A @ params - b)


def test_conjugate_gradients_obey_it_too():
    A, b = worst(30, 500.0)
    best = np.linalg.solve(A, b)
    for k in (1, 5, 20, 29):
        got = conjugate_gradient(lambda v: A @ v, b, steps=k, tolerance=0.0).params
        assert np.abs(got - best).max() >= lower_bound(30, 500.0, k) * (1 - 1e-12)
    assert lower_bound(30, 500.0, 30) == lower_bound(30, 500.0, 99) == 0


def laplacian(edges, n):
    L = np.zeros((n, n))
    for i, j in edges:
        L[[i, j], [i, j]] += 1
        L[i, j] -= 1
        L[j, i] -= 1
    return L


def test_graphs():
    path = laplacian([(i, i + 1) for i in range(35)], 36)
    np.testing.assert_allclose(path_curvatures(36), np.linalg.eigvalsh(path), atol=1e-12)
    np.testing.assert_allclose(path_curvatures(36)[[1, -1]], [0.0076106, 3.99239], rtol=1e-5)
    assert path_condition(36) == pytest.approx(524.6, abs=0.05)
    edges = [(6 * r + c, 6 * r + c + 1) for r in range(6) for c in range(5)] + [
        (6 * r + c, 6 * r + c + 6) for r in range(5) for c in range(6)
    ]
    np.testing.assert_allclose(grid_curvatures(6, 6), np.linalg.eigvalsh(laplacian(edges, 36)), atol=1e-12)
    np.testing.assert_allclose(
        [grid_curvatures(6, 6)[1], grid_curvatures(6, 6)[-1], grid_condition(6, 6)], [0.26795, 7.4641, 27.86], rtol=1e-3
    )


def test_how_conditioning_grows():
    assert path_condition(3000) / (4 * 3000**2 / np.pi**2) == pytest.approx(1, rel=1e-3)
    for d, side in ((2, 60), (3, 24)):
        assert grid_condition(*[side] * d) / (4 * d / np.pi**2 * side**2) == pytest.approx(1, rel=1e-2)
    big = expander_condition(4)
    assert big < grid_condition(60, 60) < path_condition(3600)


def test_a_random_regular_graph_is_nearly_ramanujan():
    rng, n = np.random.default_rng(2), 600
    edges = np.concatenate([np.stack([np.arange(n), rng.permutation(n)], 1) for _ in range(3)])  # degree 6
    h = np.linalg.eigvalsh(laplacian(edges[edges[:, 0] != edges[:, 1]], n))
    # Friedman 2008: within o(1) of the bound; at n = 600 about a tenth
    assert h[-1] / h[1] == pytest.approx(expander_condition(6), rel=0.15)


@given(st.floats(1, 1e8))
def test_contraction_is_the_heavy_ball_rate(kappa):
    np.testing.assert_allclose(contraction(kappa), CATALOG["heavy-ball"].rate(1.0, kappa), atol=1e-12)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: contraction(0.5), "kappa = 0.5 is below 1"),
        (lambda: worst_function_optimum(0, 10.0), "n = 0 is too few: give at least 1"),
        (lambda: worst_function_curvatures(3, 1.0), "kappa = 1 couples nothing"),
        (lambda: lower_bound(3, 10.0, -1), "k = -1 is not a whole number >= 0"),
        (lambda: dead_zone(3, -1), "steps = -1 is too few: give at least 0"),
        (lambda: grid_curvatures(), "a grid needs at least one side"),
        (lambda: path_condition(1), "a graph of one node has no condition number"),
        (lambda: expander_condition(2), "degree = 2 is too small to expand"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(BadInput, match=message):
        call()

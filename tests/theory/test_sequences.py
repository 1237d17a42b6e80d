"""Sequences against their classical two-point iterations, Chebyshev polynomials from two libraries, and a direct solve."""

import mpmath
import numpy as np
import pytest
import scipy.sparse.linalg
import scipy.special
from hypothesis import given, settings
from hypothesis import strategies as st

from inertia.core.method import init, readout, step
from inertia.core.schedule import tabulate
from inertia.core.spectrum import spectrum
from inertia.errors import BadInput, Diverged
from inertia.theory.catalog import CATALOG, heavy_ball
from inertia.theory.citations import cite
from inertia.theory.quadratic import loss_curve
from inertia.theory.sequences import chebyshev, conjugate_gradient, conjugate_gradient_curve, nesterov_convex


def run(schedule, grad, x0, steps):
    """Params and read-outs of the plain velocity step."""
    params, velocity = x0, init(x0)
    path, outs = [params], [readout(schedule(0), params, velocity)]
    for k in range(steps):
        params, velocity = step(schedule(k), params, velocity, grad(params))
        path.append(params)
        outs.append(readout(schedule(k + 1), params, velocity))
    return np.array(path), np.array(outs)


@given(st.floats(1e-2, 1e2), st.floats(1.0, 1e4))
def test_chebyshev_is_the_classical_iteration(mu, kappa):
    L = mu * kappa
    h = np.linspace(mu, L, 5)
    theta, delta = (L + mu) / 2, (L - mu) / 2
    path, _ = run(chebyshev(mu, L), lambda x: h * x, np.ones(5), 30)
    then, now = np.ones(5), np.ones(5) - h / theta
    rho = delta / theta
    for k in range(1, 30):
        np.testing.assert_allclose(path[k], now, atol=1e-11)
        after = 1 / (2 * theta / delta - rho) if delta else 0.0
        a = 2 * after / delta if delta else 1 / L
        now, then, rho = now + after * rho * (now - then) - a * h * now, now, after


@pytest.mark.parametrize("kappa", [1.5, 10.0, 1000.0])
def test_chebyshev_errors_are_chebyshev_polynomials(kappa):
    h = np.linspace(1, kappa, 7)
    path, _ = run(chebyshev(1.0, kappa), lambda x: h * x, np.ones(7), 25)
    sigma = (kappa + 1) / (kappa - 1)
    k = np.arange(26)[:, None]
    want = scipy.special.eval_chebyt(k, (kappa + 1 - 2 * h) / (kappa - 1)) / scipy.special.eval_chebyt(k, sigma)
    np.testing.assert_allclose(path, want, atol=1e-12)
    mpmath.mp.dps = 30
    exact = [float(mpmath.chebyt(25, (kappa + 1 - 2 * mpmath.mpf(x)) / (kappa - 1)) / mpmath.chebyt(25, sigma)) for x in h]
    np.testing.assert_allclose(path[25], exact, rtol=1e-6, atol=1e-13)
    curve = loss_curve(chebyshev(1.0, kappa), spectrum(h), 25)
    np.testing.assert_allclose(curve, 0.5 * np.sum(h * want**2, axis=1), rtol=1e-9, atol=1e-20)


def test_chebyshev_tends_to_the_heavy_ball_and_takes_arrays_of_steps():
    np.testing.assert_allclose(chebyshev(1.0, 100.0)(10**6), heavy_ball(1.0, 100.0), rtol=1e-12)
    table = tabulate(chebyshev(1.0, 9.0), 6)
    np.testing.assert_allclose(chebyshev(1.0, 9.0)(np.arange(6)), table, rtol=1e-15)
    assert chebyshev(2.0, 2.0)(0).alpha == 0.5


def test_the_convex_schedule_is_the_classical_iteration_on_a_nonlinear_function():
    grad = lambda x: np.tanh(x) + 0.1 * x**3 / (1 + x**2)  # noqa: E731
    L, x0 = 1.3, np.array([2.0, -1.0, 0.5])
    path, outs = run(nesterov_convex(L), grad, x0, 60)
    x, y, t = x0, x0, 1.0
    for k in range(60):
        np.testing.assert_allclose(path[k], y, atol=1e-13)
        np.testing.assert_allclose(outs[k], x, atol=1e-13)
        after = (1 + np.sqrt(1 + 4 * t * t)) / 2
        new = y - grad(y) / L
        y, x, t = new + (t - 1) / after * (new - x), new, after
    np.testing.assert_allclose(nesterov_convex(L)(np.arange(5)), tabulate(nesterov_convex(L), 5), rtol=1e-15)


def test_the_convex_bound_holds_at_the_read_out():
    h = np.geomspace(1e-6, 1, 40)
    _, outs = run(nesterov_convex(1.0), lambda x: h * x, np.ones(40), 400)
    loss = 0.5 * (h * outs**2).sum(1)
    k = np.arange(1, 401)
    assert np.all(loss[1:] <= 2 * 40 / (k + 1) ** 2)


@settings(max_examples=30)
@given(st.integers(0, 10**6), st.integers(2, 8))
def test_conjugate_gradients_on_a_spectrum_is_a_best_polynomial(seed, n):
    rng = np.random.default_rng(seed)
    found = spectrum(np.sort(rng.uniform(0.1, 1, n) * np.geomspace(1, 50, n)), rng.uniform(0.1, 2, n))
    got = conjugate_gradient_curve(found, n + 2)
    h, left = found.curvatures, np.sqrt(found.curvatures * found.weights)
    for k in range(min(n, 5)):
        basis = (h[:, None] / found.L) ** np.arange(1, k + 1) * left[:, None]
        error = left - basis @ np.linalg.lstsq(basis, left, rcond=None)[0] if k else left
        np.testing.assert_allclose(got[k], 0.5 * error @ error, rtol=1e-6, atol=1e-12 * got[0])
    assert np.all(got[n:] <= 1e-20 * got[0])


def test_nothing_beats_conjugate_gradients():
    found = spectrum(np.geomspace(1, 200, 30), np.geomspace(1, 0.01, 30))
    least = conjugate_gradient_curve(found, 29)
    for schedule in [entry.method(1.0, 200.0) for entry in CATALOG.values()] + [chebyshev(1.0, 200.0), nesterov_convex(200.0)]:
        assert np.all(loss_curve(schedule, found, 29) >= least * (1 - 1e-9))


def test_conjugate_gradients_on_a_product_is_scipys_and_the_curve():
    rng = np.random.default_rng(1)
    Q = np.linalg.qr(rng.normal(size=(12, 12)))[0]
    h = np.geomspace(1, 30, 12)
    A, b = (Q * h) @ Q.T, rng.normal(size=12)
    got = conjugate_gradient(lambda v: A @ v, b, tolerance=1e-12)
    np.testing.assert_allclose(got.params, np.linalg.solve(A, b), rtol=1e-9)
    np.testing.assert_allclose(got.params, scipy.sparse.linalg.cg(A, b, rtol=1e-12)[0], rtol=1e-8)
    assert got.products == len(got.residuals) - 1
    start = Q.T @ (0 - np.linalg.solve(A, b))
    curve = conjugate_gradient_curve(spectrum(h, start**2), 6)
    for k in range(1, 7):
        error = conjugate_gradient(lambda v: A @ v, b, steps=k, tolerance=0.0).params - np.linalg.solve(A, b)
        np.testing.assert_allclose(0.5 * error @ A @ error, curve[k], rtol=1e-9)
    again = conjugate_gradient(lambda v: A @ v, b, np.linalg.solve(A, b) + 1e-3)
    assert again.products > 1


def test_sequences_are_cited():
    assert [cite(name).splitlines()[0] for name in ("chebyshev", "nesterov-convex", "conjugate-gradient")] == [
        "@article{golub1961,", "@article{nesterov1983,", "@article{hestenes1952,",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: chebyshev(0.0, 1.0), BadInput, "mu = 0 is not positive"),
        (lambda: nesterov_convex(-2.0), BadInput, "L = -2 is not positive: .* such as 2"),
        (lambda: conjugate_gradient_curve(spectrum([0.0, 1.0]), 3), BadInput, "curvature 0 is not positive: .* add a small ridge"),
        (lambda: conjugate_gradient_curve(spectrum(1.0), 0), BadInput, "steps = 0 is too few"),
        (lambda: conjugate_gradient(lambda v: -v, [1.0]), BadInput, "curvature -1 along a direction is not positive"),
        (lambda: conjugate_gradient(lambda v: v, [1.0], steps=0), BadInput, "steps = 0 is too few"),
        (lambda: conjugate_gradient(lambda v: v * np.nan, [1.0]), Diverged, "the product at step 0 is not finite"),
    ],
)
def test_bad_input(call, error, message):
    with pytest.raises(error, match=message):
        call()

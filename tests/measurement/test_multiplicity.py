"""The largest few, copies and clusters counted, against the spectrum that the matrix was made of."""

import numpy as np
import pytest

from inertia.errors import BadInput
from inertia.measurement import lanczos, spectrum
from inertia.measurement.lanczos import krylov
from inertia.measurement.vectors import Vectors


def matrix(values, seed):
    q = np.linalg.qr(np.random.default_rng(seed).standard_normal((len(values), len(values))))[0]
    made = (q * values) @ q.T
    return (made + made.T) / 2


def crowded(copies, width, seed):
    """`copies` of 10 (spread over a relative width) and of 6 above a bulk of 120."""
    top = 10 * (1 - width * np.linspace(0, 1, copies))
    return np.concatenate([top, np.full(copies, 6.0), np.random.default_rng(seed).uniform(-1, 4, 120)])


@pytest.mark.parametrize("copies", [1, 2, 3, 5, 8, 12])
@pytest.mark.parametrize("width", [0.0, 1e-10, 1e-6, 1e-4, 1e-2])
def test_copies_and_clusters_are_counted(copies, width):
    for seed, (k, rtol) in enumerate([(2, 1e-2), (3, 1e-6), (12, 1e-2)]):
        values = crowded(copies, width, seed)
        truth = np.sort(values)[::-1][:k]
        run = lanczos(matrix(values, seed), top=k, rtol=rtol, ends="largest", vectors=True, seed=seed)
        found, bars = run.values[::-1][:k], run.residuals[::-1][:k]
        assert (run.converged, run.counted) == (True, k), run.reason
        np.testing.assert_allclose(found, truth, rtol=rtol)
        assert np.all(np.abs(found - truth) <= bars + 1e-12)  # the bar of the i-th largest covers the i-th largest
        assert np.all(bars <= rtol * np.abs(found))
        np.testing.assert_allclose(run.vectors @ run.vectors.T, np.eye(k), atol=1e-9)
        np.testing.assert_allclose(run.weights.sum(), 1, rtol=1e-9)


def test_bars_of_the_first_few_cover_at_every_limit_and_the_count_is_honest():
    values = crowded(3, 1e-3, 0)
    truth = np.sort(values)[::-1]
    a = matrix(values, 5)
    for depth in range(2, 70, 3):
        run = lanczos(a, top=5, ends="largest", depth=depth, seed=depth)
        found, bars = run.values[::-1], run.residuals[::-1]
        assert run.hvps <= depth
        assert np.all(np.abs(found[: run.counted] - truth[: run.counted]) <= bars[: run.counted] + 1e-12)
        assert run.converged == (run.counted == 5)
        assert run.upper >= truth[0]
    assert run.converged  # 68 products are enough


@pytest.mark.parametrize(
    ("values", "top"),
    [([5.0, 5, 5, 1, 1, 1], 2), ([5.0, 5, 5, 1, 1, 1], 4), ([2.0] * 3, 3), ([3.0], 1), ([0.0] * 5, 2), ([-1.0, -1, -4], 2)],
)
def test_small_spaces_are_exact(values, top):
    run = lanczos(np.diag(values), top=top, rtol=1e-6)
    np.testing.assert_allclose(run.values[::-1][:top], np.sort(values)[::-1][:top], atol=1e-12)
    assert run.counted >= top
    assert run.converged


def test_more_than_there_are():
    run = lanczos(np.diag([1.0, 2.0]), top=5)
    np.testing.assert_allclose(run.values, [1, 2], rtol=1e-12)
    assert run.counted == 2


def test_a_given_start_and_an_interruption():
    h = np.repeat([7.0, 3.0, 1.0], [2, 1, 60])
    run = lanczos(np.diag(h), start=np.eye(63)[0] + np.eye(63)[5], top=3, rtol=1e-3)
    np.testing.assert_allclose(run.values[::-1][:3], [7, 7, 3], rtol=1e-9)
    calls = []

    def product(v):
        calls.append(1)
        if len(calls) > 25:
            raise KeyboardInterrupt
        return np.linspace(-1, 3, 400) * v

    run = krylov(product, Vectors(400), top=4)
    assert (run.reason, run.converged, run.hvps) == ("interrupted", False, 25)


@pytest.mark.parametrize("scale", [1e-300, 1e-200, 1e-158, 1e-30, 1e30, 1e154, 1e200, 1e300])
def test_every_scale_of_floating_point(scale):
    a = matrix(np.linspace(1, 10, 60), 0)
    plain = spectrum(a, gradient=np.ones(60))
    run = lanczos(a * scale, top=2, rtol=1e-3)
    truth = np.array([10.0, 10 - 9 / 59]) * scale
    np.testing.assert_allclose(run.values[::-1][:2], truth, rtol=1e-3)
    assert truth[0] * (1 - 1e-12) <= run.upper <= 1.002 * truth[0]
    scaled = spectrum(a * scale, gradient=np.full(60, scale))
    np.testing.assert_allclose(scaled.upper / scale, plain.upper, rtol=1e-6)
    np.testing.assert_allclose(scaled.weights.sum(), plain.weights.sum(), rtol=1e-6)


def test_float32_vectors_beyond_their_squares():
    h = np.linspace(1, 10, 200).astype(np.float32)
    for scale in (1e-30, 1e-18, 1e18, 1e30):
        run = krylov(lambda v, s=scale: np.float32(s) * (h * v), Vectors(200, np.float32), top=2)
        np.testing.assert_allclose(run.values[::-1][:2], scale * np.array([10, 10 - 9 / 199]), rtol=0.01)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: lanczos(np.ma.masked_array(np.eye(3), mask=np.eye(3))), r"masked entries \(3\)"),
        (lambda: lanczos(1j * np.eye(3)), "complex128: they must be real"),
        (lambda: lanczos(lambda v: 1j * v, 3), "returns complex128 vectors"),
        (lambda: lanczos(np.eye(3), start=np.array([1j, 0, 0])), "the start vector are complex128"),
        (lambda: spectrum(np.eye(3), gradient=np.ma.masked_array(np.ones(3), mask=[1, 0, 0])), "the gradient hold masked"),
        (lambda: spectrum(np.eye(3), noise=1j * np.eye(3)), "the noise are complex128"),
        (lambda: spectrum(np.eye(3), noise=1e200 * np.eye(3)), "the variance of the noise is inf"),
        (lambda: spectrum(1e-250 * np.eye(3), gradient=np.ones(3)), "puts the optimum beyond floating point"),
        (lambda: lanczos(np.diag([1.0, np.inf])), "not finite"),
    ],
)
def test_what_would_silently_lose_something_is_refused(call, message):
    with pytest.raises(BadInput, match=message):
        call()

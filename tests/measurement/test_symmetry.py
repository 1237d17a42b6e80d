"""Rounding is told from an operator that is not symmetric, and from one that is random."""

import numpy as np
import pytest

from inertia.errors import BadInput
from inertia.measurement import lanczos
from inertia.measurement.lanczos import krylov
from inertia.measurement.vectors import Vectors


def symmetric(n, seed):
    a = np.random.default_rng(seed).normal(size=(n, n))
    return (a + a.T) / 2


def test_inner_products_of_float32_vectors_are_summed_in_float64():
    rng = np.random.default_rng(0)
    n = 3_000_000
    one, other = rng.random(n).astype(np.float32), rng.random(n).astype(np.float32)
    space = Vectors(n, np.float32)
    exact = float(one.astype(float) @ other.astype(float))
    np.testing.assert_allclose(space.dot(one, other), exact, rtol=1e-12)
    np.testing.assert_allclose(space.norm(one), np.linalg.norm(one.astype(float)), rtol=1e-12)
    np.testing.assert_allclose(space.dots(np.stack([one, other]), other), [exact, other.astype(float) @ other.astype(float)], rtol=1e-12)


def test_products_that_are_rounded_to_float32_inside_a_float64_operator_are_no_asymmetry():
    a = symmetric(80, 1)
    rough = lambda v: (a.astype(np.float32) @ v.astype(np.float32)).astype(float)  # noqa: E731
    run = lanczos(rough, 80, rtol=1e-3)
    assert run.upper >= np.linalg.eigvalsh(a)[-1]
    assert 1e-9 < run.asymmetry / run.largest < 1e-5
    assert "as much as their rounding" in run.warning
    assert lanczos(a, rtol=1e-3).warning == ""


@pytest.mark.parametrize("skewed", [0.3, 0.01])
def test_an_asymmetry_larger_than_the_accuracy_asked_for_ends(skewed):
    a = symmetric(60, 2)
    b = np.triu(np.random.default_rng(3).normal(size=(60, 60)), 1) * skewed
    with pytest.raises(BadInput, match="the operator is not symmetric"):
        lanczos(lambda v: a @ v + b @ v - b.T @ v, 60, rtol=1e-4)


def test_a_small_one_is_a_warning_and_is_in_the_bars():
    a = symmetric(60, 4)
    b = np.triu(np.random.default_rng(5).normal(size=(60, 60)), 1) * 1e-5
    run = lanczos(lambda v: a @ v + b @ v - b.T @ v, 60, rtol=1e-2)
    assert "more than their rounding" in run.warning
    assert run.upper - run.largest > run.asymmetry > 0
    assert run.upper >= np.linalg.eigvalsh(a)[-1]


@pytest.mark.parametrize("share", [1e-3, 0.1, 0.5])
def test_a_random_operator_is_called_random(share):
    rng, a = np.random.default_rng(6), symmetric(60, 7)
    with pytest.raises(BadInput, match="the operator is random: the same product again differs"):
        lanczos(lambda v: a @ v + share * rng.normal(size=60), 60, rtol=1e-6)


def test_a_long_run_with_two_float32_vectors_is_symmetric_to_rounding():
    h = np.concatenate([np.linspace(-1, 1, 400_000), [30.0, 60.0]]).astype(np.float32)
    run = krylov(lambda v: h * v, Vectors(h.size, np.float32, keep=False), start=np.ones(h.size, np.float32), rtol=None, depth=30)
    assert run.asymmetry < 1e-5 * 60
    assert run.warning == ""

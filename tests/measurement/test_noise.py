"""Gradient noise from mini-batches, against the covariance of all single-example gradients."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from inertia.errors import BadInput
from inertia.measurement import noise
from inertia.problems import least_squares

RNG = np.random.default_rng(3)
X = RNG.standard_normal((60, 4)) * np.array([3.0, 1.0, 0.5, 0.1])
PROBLEM = least_squares(X, X @ np.ones(4) + RNG.standard_normal(60))


def covariance(problem, params, batch_size):
    """Covariance of the gradient of a batch drawn without replacement, from every single example."""
    each = np.stack([problem.gradient(params, np.array([i])) for i in range(problem.examples)])
    centred = each - each.mean(axis=0)
    scatter = centred.T @ centred / (problem.examples - 1)
    return scatter * (1 / batch_size - 1 / problem.examples)


def measured(batch_size, **words):
    return noise(PROBLEM.gradient, PROBLEM.start, PROBLEM.examples, batch_size, **words)


@pytest.mark.parametrize("batch_size", [1, 10, 45])
def test_the_trace_is_that_of_all_examples(batch_size):
    found = measured(batch_size, batches=4000)
    truth = np.trace(covariance(PROBLEM, PROBLEM.start, batch_size))
    assert abs(found.trace - truth) < 4 * found.error  # four standard errors: 1 in 16,000 by chance, and the seed is fixed
    assert found.error < 0.06 * truth
    assert found.gradients == 4000 * batch_size


def test_the_noise_lies_on_the_curvatures_where_it_is():
    matrix = X.T @ X / 60
    found = measured(10, batches=600, starts=600, matvec=lambda v: matrix @ v)
    h, q = np.linalg.eigh(matrix)
    truth = np.diag(q.T @ covariance(PROBLEM, PROBLEM.start, 10) @ q)
    assert_allclose(found.curvatures, h, rtol=1e-8)
    assert_allclose(found.variances, truth, rtol=0.25)  # 600 draws of a squared normal: standard error 6 %
    assert_allclose(found.variances.sum(), found.trace, rtol=1e-12)
    assert found.hvps == 600 * 4


def test_the_whole_batch_has_no_noise_and_costs_nothing():
    found = measured(60)
    assert (found.trace, found.gradients, found.hvps) == (0.0, 0, 0)


def test_the_same_seed_gives_the_same_noise():
    one, two, other = (measured(10, seed=seed) for seed in (1, 1, 2))
    assert one.trace == two.trace != other.trace


def test_bad_input():
    with pytest.raises(BadInput, match="batch_size = 61 is outside 1 to 60"):
        measured(61)
    with pytest.raises(BadInput, match="batches = 1 is too few"):
        measured(10, batches=1)
    with pytest.raises(BadInput, match="gradient is not finite"):
        noise(PROBLEM.gradient, np.full(4, np.nan), 60, 10)

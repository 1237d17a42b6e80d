"""The frameworks' own optimizers on the airfoil model, and the step that loses its state."""

import numpy as np
import pytest

from inertia.core.method import Method
from inertia.optimizers.identification import identify
from inertia.problems import least_squares
from inertia.problems.simulation import batches, run
from inertia.tasks.frameworks import leaky_step, optax_losses, torch_losses

pytest.importorskip("optax")
pytest.importorskip("torch")


@pytest.fixture
def model():
    rng = np.random.default_rng(0)
    features, targets = rng.standard_normal((40, 3)), rng.standard_normal(40)
    starts = rng.standard_normal((2, 3))
    orders = np.array([[next(rows) for rows in drawn] for drawn in [[batches(40, 10, seed) for seed in range(2)]] for _ in range(30)])
    return features, targets, orders, starts


@pytest.mark.parametrize("trained", [optax_losses, torch_losses])
def test_the_frameworks_do_what_the_reference_does(model, trained):
    features, targets, orders, starts = model
    twice = 2.0 if trained is torch_losses else 1.0  # MSELoss has no half
    found = trained(features, targets, orders, starts, 0.02, 0.9)
    problem = least_squares(features, targets)
    for seed in range(2):
        ours = run(problem, Method(0.02 * twice, 0.9), 30, start=starts[seed], batch_size=10, seed=seed).loss
        np.testing.assert_allclose(found[seed], ours, rtol=2e-5)  # optax computes in 32 bits


def test_a_side_effect_inside_jit_is_no_momentum():
    found = identify(leaky_step(0.005, 0.9), declared=0.9)
    assert found.verdict == "gradient descent: no momentum"
    assert abs(found.method.beta) < 1e-6
    assert "is not there" in found.warnings[0]

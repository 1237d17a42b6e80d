"""Vectorised training runs against optax, one run at a time."""

import numpy as np
import pytest

jax = pytest.importorskip("jax")
optax = pytest.importorskip("optax")

from inertia.core.method import Method  # noqa: E402
from inertia.core.schedule import linear  # noqa: E402
from inertia.errors import BadInput  # noqa: E402
from inertia.jax.trials import batch_order, run_trials  # noqa: E402
from inertia.tasks.networks import NETWORKS, network  # noqa: E402


def optax_run(net, alpha, beta, nesterov, factors, batch_size, seed):
    """The same training written as anyone writes it with optax."""
    order = batch_order(len(net.data[0]), batch_size, len(factors), seed)
    optimizer = optax.sgd(lambda k: alpha * jax.numpy.asarray(factors)[k], momentum=beta, nesterov=nesterov)
    params = net.init(seed)
    state = optimizer.init(params)

    @jax.jit
    def advance(params, state, batch):
        updates, state = optimizer.update(jax.grad(net.loss)(params, batch), state)
        return optax.apply_updates(params, updates), state

    for rows in order:
        params, state = advance(params, state, tuple(array[rows] for array in net.data))
    return float(net.loss(params, net.data))


def test_trials_are_what_optax_does_one_at_a_time():
    net = network("digits-mlp")
    factors = np.asarray(linear(Method(1.0), 25)(np.arange(25)).alpha)
    methods = Method(np.array([0.05, 0.1]), np.array([0.5, 0.9]), np.array([0.0, 0.9]))
    ran = run_trials(net.loss, net.init(1), net.data, methods, factors, batch_size=64, seed=1, validation=net.validation, records=5)
    assert ran.losses.shape == ran.validation.shape == (2, 6)
    for trial, nesterov in enumerate([False, True]):
        want = optax_run(net, methods.alpha[trial], methods.beta[trial], nesterov, factors, 64, 1)
        np.testing.assert_allclose(ran.losses[trial, -1], want, rtol=2e-4)  # float32, another order of sums


def test_a_diverging_trial_is_a_result_and_the_others_go_on():
    net = network("digits-autoencoder")
    ran = run_trials(
        net.loss,
        net.init(0),
        net.data,
        Method(np.array([0.01, 50.0])),
        np.ones(20),
        batch_size=64,
        validation=net.validation,
        records=4,
        together=1,
    )
    assert np.all(np.isfinite(ran.losses[0]))
    assert ran.losses[1, -1] == ran.validation[1, -1] == np.inf
    assert ran.losses[0, -1] < ran.losses[0, 0] == ran.losses[1, 0]


@pytest.mark.parametrize("name", NETWORKS)
def test_every_network_starts_near_chance_and_has_gradients_everywhere(name):
    net = network(name)
    params = net.init(0)
    few = jax.tree.map(lambda array: array[:32], net.data)
    value, grads = jax.jit(jax.value_and_grad(net.loss))(params, few)
    assert np.isfinite(value)
    assert all(np.any(np.asarray(leaf) != 0) for leaf in jax.tree.leaves(grads))
    if name.startswith("digits-mlp") or "cnn" in name:
        assert 2.0 < float(value) < 3.5  # ln 10 = 2.30 and a little for random weights
    assert not jax.tree.all(jax.tree.map(lambda a, b: np.array_equal(a, b), params, net.init(1)))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: batch_order(10, 11, 5, 0), r"batch size 11 is outside 1..10.*use at most 10"),
        (lambda: batch_order(10, 2, 0, 0), "steps = 0 is too few"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(BadInput, match=message):
        call()

"""On an accelerator, whose matrix products round to fewer digits by default: the same answers. Skipped where JAX has only the CPU."""

import numpy as np
import pytest

jax = pytest.importorskip("jax")
if jax.default_backend() == "cpu":
    pytest.skip("JAX has no accelerator here", allow_module_level=True)

import jax.numpy as jnp  # noqa: E402

import inertia  # noqa: E402
import inertia.jax  # noqa: E402

CPU = jax.devices("cpu")[0]


def job(width=64, count=512):
    rng = np.random.default_rng(0)
    x = rng.standard_normal((count, 16)).astype(np.float32)
    y = np.sin(x.sum(axis=1, keepdims=True)).astype(np.float32)
    params = {
        "in": 0.3 * rng.standard_normal((16, width)).astype(np.float32),
        "out": 0.3 * rng.standard_normal((width, 1)).astype(np.float32),
    }
    return (lambda w, batch: jnp.mean((jnp.tanh(batch[0] @ w["in"]) @ w["out"] - batch[1]) ** 2)), params, (x, y)


@pytest.mark.parametrize("precision", [None, "highest"])
@pytest.mark.parametrize("width", [8, 256])
def test_a_measurement_is_that_of_the_cpu(width, precision):
    loss, params, data = job(width)
    with jax.default_device(CPU):
        there = inertia.jax.measure(loss, jax.device_put(params, CPU), data, batch_size=32, rtol=1e-3)
    with jax.default_matmul_precision(precision) if precision else jax.default_matmul_precision("default"):
        found = inertia.jax.measure(loss, params, data, batch_size=32, rtol=1e-3)
    # by default an accelerator's products keep 10 bits: one in a thousand each
    assert pytest.approx(there.L, rel=3e-3 if precision else 1e-2) == found.L


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_a_tuning_ends_and_its_optimizer_steps(optimizer):
    loss, params, data = job()
    found = inertia.tune(loss, params, data, steps=60, batch_size=32, runs=2, lowest=0, optimizer=optimizer)
    assert found.trained
    made = found.optax()
    state = made.init(params)
    updates, _ = made.update(jax.grad(loss)(params, data), state, params)
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(updates))


def test_a_watch_sees_the_sharpness_that_measure_sees():
    import optax

    loss, params, data = job()
    made = optax.sgd(0.01, momentum=0.9)
    state = made.init(params)
    watch = inertia.jax.Watch(loss, made, probe=data, every=2, say=False)
    for _ in range(6):
        value, grads = jax.value_and_grad(loss)(params, data)
        updates, state = made.update(grads, state, params)
        params = optax.apply_updates(params, updates)
        watch.step(params, state, value)
    watch.close()
    assert all(np.isfinite(look.sharpness) for look in watch.looks)

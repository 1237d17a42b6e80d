"""Measured under an optax transformation: equal to dense eigenvalues in its metric; the step along its real update."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import inertia
from inertia.errors import BadInput
from inertia.jax import measure

STEPS = 20
KINDS = {
    "adamw": optax.adamw(0.01, weight_decay=0.1, eps=1e-5),
    "nadam": optax.nadam(0.01, b2=0.99),
    "warm-up": optax.adam(optax.linear_schedule(0.0, 0.01, 50)),
    "clipped": optax.chain(optax.clip_by_global_norm(0.5), optax.adamw(0.01, weight_decay=0.0)),
    "masked": optax.adamw(0.01, weight_decay=0.2, mask=lambda p: jax.tree.map(lambda leaf: leaf.ndim > 1, p)),
    "coupled": optax.chain(optax.add_decayed_weights(0.05), optax.adam(0.01)),
    "amsgrad": optax.amsgrad(0.01),
    "centred": optax.rmsprop(0.01, centered=True, eps=1e-3),
    "adagrad": optax.adagrad(0.1),
    "sgd": optax.sgd(0.1, momentum=0.9, nesterov=True),
}


def data(rows=24):
    x = np.cos(np.linspace(-1, 1, 3 * rows).reshape(rows, 3))
    return x, np.stack([x[:, 0] * x[:, 1], np.sin(x[:, 2])], 1)


def loss(params, batch):
    x, y = batch
    return jnp.mean((jnp.tanh(x @ params["a"]) @ params["b"] + params["c"] - y) ** 2)


def start():
    rng = np.random.default_rng(0)
    return {"a": jnp.asarray(rng.normal(size=(3, 5))), "b": jnp.asarray(rng.normal(size=(5, 2))), "c": jnp.zeros(2, float)}


def trained(tx, steps=STEPS):
    batch = data()

    @jax.jit  # one program: operations one by one are compiled each by itself
    def advance(params, state):
        moved, state = tx.update(jax.grad(loss)(params, batch), state, params)
        return optax.apply_updates(params, moved), state

    params = start()
    state = tx.init(params)
    for _ in range(steps):
        params, state = advance(params, state)
    return params, state


def dense(params):
    flat, unravel = jax.flatten_util.ravel_pytree(params)
    batch = data()
    both = jax.jit(lambda w: (jax.hessian(lambda w: loss(unravel(w), batch))(w), jax.grad(lambda w: loss(unravel(w), batch))(w)))
    return tuple(map(np.asarray, both(flat)))


def kept(state, name):
    (tree,) = [getattr(part, name) for part in jax.tree.leaves(state, is_leaf=lambda n: hasattr(n, name)) if hasattr(part, name)]
    return np.asarray(jax.flatten_util.ravel_pytree(tree)[0])


def metric(kind, state):
    late = 1 - 0.999**STEPS
    return {
        "adamw": lambda: np.sqrt(kept(state, "nu") / late) + 1e-5,
        "nadam": lambda: np.sqrt(kept(state, "nu") / (1 - 0.99**STEPS)) + 1e-8,
        "amsgrad": lambda: np.sqrt(kept(state, "nu_max")) + 1e-8,
        "centred": lambda: np.sqrt(kept(state, "nu") - kept(state, "mu") ** 2 + 1e-3),
        "adagrad": lambda: np.sqrt(kept(state, "sum_of_squares") + 1e-7),
        "sgd": lambda: 1.0 + 0 * kept(state, "trace"),
    }.get(kind, lambda: np.sqrt(kept(state, "nu") / late) + 1e-8)()


EDGES = {
    "adamw": (2 - 0.001) * 1.9 / 0.001, "nadam": 2 * 1.9 / (0.001 * 2.8), "amsgrad": 3800.0, "centred": 200.0,
    "adagrad": 20.0, "sgd": 2 * 1.9 / (0.1 * 2.8), "warm-up": 38 / (0.01 * STEPS / 50), "masked": (2 - 0.002) * 1.9 / 0.001,
}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_equal_to_a_dense_eigenvalue_problem_and_to_the_update_really_made(kind):
    tx = KINDS[kind]
    from inertia.jax.probe import double

    with double():
        params, state = trained(tx)
        found = measure(loss, params, data(), optimizer=tx, opt_state=state, rtol=1e-6, noise=0)
        hessian, gradient = dense(params)
        coupled = 0.05 * np.eye(len(hessian)) if kind == "coupled" else 0.0
        truth = np.linalg.eigvals((hessian + coupled) / metric(kind, state)[:, None]).real.max()
        batch = data()
        moved = jax.jit(lambda params: tx.update(jax.grad(loss)(params, batch), state, params)[0])(params)
        update = -np.asarray(jax.flatten_util.ravel_pytree(moved)[0]) / found.optimizer.learning_rate
    np.testing.assert_allclose(found.L, truth, rtol=1e-5)
    assert found.edge == pytest.approx(EDGES.get(kind, 3800.0), rel=1e-5)
    assert found.step.slope == pytest.approx(gradient @ update, rel=1e-8)
    assert found.step.curvature == pytest.approx(update @ hessian @ update, rel=1e-8)
    assert found.optimizer.coupled == (0.05 if kind == "coupled" else 0.0)


def test_leaves_with_rates_of_their_own_are_told():
    tx = optax.multi_transform({"slow": optax.adam(0.01), "fast": optax.adam(0.04)}, {"a": "slow", "b": "slow", "c": "fast"})
    from inertia.jax.probe import double

    with double():
        params, state = trained(tx)
        found = measure(loss, params, data(), optimizer=tx, opt_state=state, rtol=1e-6, noise=0)
        nu = state.inner_states
        slow, fast = (nu[name].inner_state[0].nu for name in ("slow", "fast"))
        whole = np.concatenate([np.asarray(leaf).ravel() for leaf in (slow["a"], slow["b"], fast["c"])])
        below = (np.sqrt(whole / (1 - 0.999**STEPS)) + 1e-8) / np.repeat([1.0, 4.0], [25, 2])
        truth = np.linalg.eigvals(dense(params)[0] / below[:, None]).real.max()
    np.testing.assert_allclose(found.L, truth, rtol=1e-5)
    assert [group["learning_rate"] for group in found.optimizer.groups] == pytest.approx([0.01, 0.04])


def test_a_state_that_has_not_stepped_walks_on_a_copy():
    tx = optax.adamw(0.01)
    from inertia.jax.probe import double

    with double():
        params, state = start(), tx.init(start())
        found = measure(loss, params, data(), optimizer=tx, opt_state=state, rtol=1e-6, walk=STEPS, noise=0)
        after, stepped = trained(tx)
        truth = measure(loss, after, data(), optimizer=tx, opt_state=stepped, rtol=1e-6, noise=0)
    np.testing.assert_allclose(found.L, truth.L, rtol=1e-9)
    assert (found.optimizer.walked, truth.optimizer.walked) == (STEPS, 0)


def test_single_precision_noise_and_the_facade():
    tx = optax.adamw(0.01)
    params, state = trained(tx)
    batch = tuple(jnp.asarray(part, jnp.float32) for part in data())
    found = inertia.measure(loss, params, batch, optimizer=tx, opt_state=state, batch_size=6)
    assert found.edge == pytest.approx(3800, rel=1e-3)
    assert found.optimizer.learning_rate == pytest.approx(0.01, rel=1e-4)
    assert found.step.updates == 8
    assert found.provenance["noise_trace"] > 0


@pytest.mark.parametrize(("tx", "words"), [(optax.lion(0.01), "the sign"), (optax.contrib.muon(0.01), "whole tensors")])
def test_methods_that_are_not_linear_get_the_step_alone(tx, words):
    found = measure(loss, start(), data(), optimizer=tx, walk=2, noise=0)
    assert found.step.best > 0
    assert words in found.reason
    with pytest.raises(BadInput, match=words):
        _ = found.L
    if words == "the sign":
        assert found.optimizer.learning_rate == pytest.approx(0.01)


@pytest.mark.parametrize(
    ("tx", "state", "words"),
    [
        (None, optax.adam(0.1).init(start()), "pass optimizer=, the optax transformation"),
        (optax.adam(0.1), optax.adam(0.1).init(jnp.ones(3)), "opt_state"),
        (optax.adam(0.1), optax.sgd(0.1, momentum=0.5).init(start()), "opt_state"),
        (optax.adadelta(0.1), None, "has no one metric"),
        ("adam", None, "is no optax transformation"),
    ],
)
def test_what_cannot_be_read_is_refused(tx, state, words):
    with pytest.raises(BadInput, match=words):
        measure(loss, start(), data(), optimizer=tx, opt_state=state, walk=2)


def test_a_state_with_a_random_key_is_looked_at():
    x, y = data()
    params = {"w": jnp.asarray(np.linspace(-0.3, 0.3, 6).reshape(3, 2), jnp.float32)}
    transform = optax.chain(optax.add_noise(0.01, 0.55, jax.random.key(0)), optax.sgd(0.1))
    with pytest.raises(BadInput, match="no one metric"):
        measure(lambda w, batch: jnp.mean((batch[0] @ w["w"] - batch[1]) ** 2), params, (x, y), optimizer=transform, noise=0)


def test_rounding_of_single_precision_makes_no_groups():
    """One AdamW in single precision has one learning rate, the one it was given; two that differ by a tenth stay two."""
    tree = {"a": jnp.full((8, 16), 0.1, jnp.float32), "b": jnp.full((16, 1), 0.2, jnp.float32)}

    def loss(w, x):
        return jnp.mean((jnp.tanh(x @ w["a"]) @ w["b"]) ** 2)

    x = jax.random.normal(jax.random.key(0), (32, 8), jnp.float32)

    def measured(tx):
        state, params = tx.init(tree), tree
        for _ in range(5):
            moved, state = tx.update(jax.grad(loss)(params, x), state, params)
            params = optax.apply_updates(params, moved)
        return inertia.jax.measure(loss, params, x, optimizer=tx, opt_state=state, noise=0, weights=False).optimizer

    one = measured(optax.adamw(0.01))
    assert [dict(group) for group in one.groups] == [{"learning_rate": 0.01, "parameters": 144}]
    two = measured(optax.multi_transform({"x": optax.adam(0.01), "y": optax.adam(0.011)}, {"a": "x", "b": "y"}))
    assert [group["learning_rate"] for group in two.groups] == [0.01, 0.011]

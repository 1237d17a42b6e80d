"""inertia.jax.Watch on optax loops: sharpness in the metric against the dense matrix, edges, and a loop that is not touched."""

import numpy as np
import pytest

jax = pytest.importorskip("jax")
optax = pytest.importorskip("optax")

import jax.numpy as jnp  # noqa: E402
from jax.flatten_util import ravel_pytree  # noqa: E402

import inertia  # noqa: E402
from inertia.errors import BadInput  # noqa: E402
from inertia.jax import Watch  # noqa: E402
from inertia.watching.journal import watched  # noqa: E402

RNG = np.random.default_rng(0)
X = jnp.asarray(RNG.normal(size=(96, 5)), jnp.float32)
Y = jnp.argmax(X[:, :3], axis=1)


def start():
    rng = np.random.default_rng(1)
    return {"w": jnp.asarray(0.4 * rng.normal(size=(5, 4)), jnp.float32), "v": jnp.asarray(0.4 * rng.normal(size=(4, 3)), jnp.float32)}


def loss(params, batch):
    x, y = batch
    return optax.softmax_cross_entropy_with_integer_labels(jnp.tanh(x @ params["w"]) @ params["v"], y).mean()


def dense(params):
    flat, _ = ravel_pytree(params)
    return np.asarray(HESSIAN(flat), dtype=float)


HESSIAN = jax.jit(jax.hessian(lambda flat: loss(ravel_pytree(start())[1](flat), (X, Y))))


OPTIMIZERS = {
    "sgd": (lambda: optax.sgd(0.1, momentum=0.9), 38.0),
    "adamw": (lambda: optax.adamw(0.01, weight_decay=1e-4), (2 - 1e-6) * 1.9 / (0.01 * 0.1)),
}


def trained(rule, watch, steps, keep=()):
    """The run, its parameters before the steps that are kept, and the second moments after them."""
    params = start()
    state, rng, kept = rule.init(params), np.random.default_rng(2), {}

    @jax.jit
    def step(params, state, batch):
        value, grad = jax.value_and_grad(loss)(params, batch)
        updates, state = rule.update(grad, state, params)
        return optax.apply_updates(params, updates), state, value

    for k in range(1, steps + 1):
        rows = rng.choice(96, 32, replace=False)
        before = params
        params, state, value = step(params, state, (X[rows], Y[rows]))
        if k in keep:
            kept[k] = (before, state)
        if watch is not None:
            watch.step(params, state, value)
    return params, kept


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_sharpness_is_that_of_the_dense_matrix_at_five_checkpoints(name):
    make, edge = OPTIMIZERS[name]
    rule = make()
    with Watch(loss, rule, probe=(X, Y), every=8, say=False) as watch:
        _, kept = trained(rule, watch, 40, keep=(8, 16, 24, 32, 40))
    assert [look.step for look in watch.looks] == [8, 16, 24, 32, 40]
    for look in watch.looks:
        params, state = kept[look.step]
        root = np.ones(32)
        if name == "adamw":
            nu = np.asarray(ravel_pytree(state[0].nu)[0], dtype=float)
            root = (np.sqrt(nu / (1 - 0.999**look.step)) + 1e-8) ** -0.5
        values = np.linalg.eigvalsh(root[:, None] * dense(params) * root)
        assert look.sharpness <= values[-1] * (1 + 1e-4) + 1e-6
        assert values[-1] <= look.sharpness + look.bar + 1e-4 * values[-1]
        assert look.edge == pytest.approx(edge, rel=1e-3)


def test_a_run_is_the_same_with_and_without_and_its_log_tells_it(tmp_path):
    rule = optax.adam(0.01)
    place = tmp_path / "run.jsonl"
    with Watch(loss, rule, probe=(X, Y), every=10, say=False, log=place) as watch:
        seen, _ = trained(rule, watch, 60)
    plain, _ = trained(rule, None, 60)
    for one, other in zip(jax.tree.leaves(plain), jax.tree.leaves(seen), strict=True):
        assert np.array_equal(one, other)
    found = watched(place)
    assert len(found.losses) == 60
    assert [look.step for look in found.looks] == [10, 20, 30, 40, 50, 60]
    assert found.looks[-1].learning_rate == pytest.approx(0.01, rel=1e-3)


def test_a_learning_rate_that_follows_a_schedule_is_read_from_the_steps():
    schedule = optax.linear_schedule(0.02, 0.0, 100)
    rule = optax.adam(schedule)
    with Watch(loss, rule, probe=(X, Y), every=25, say=False) as watch:
        trained(rule, watch, 75)
    assert [look.learning_rate for look in watch.looks] == pytest.approx([float(schedule(k - 1)) for k in (25, 50, 75)], rel=0.01)


@pytest.mark.parametrize(
    ("rule", "below"),
    [
        (optax.amsgrad(0.01), lambda state, k: np.sqrt(np.asarray(ravel_pytree(state[0].nu_max)[0], dtype=float)) + 1e-8),
        (optax.chain(optax.clip_by_global_norm(1e9), optax.adam(0.01)),
         lambda state, k: np.sqrt(np.asarray(ravel_pytree(state[1][0].nu)[0], dtype=float) / (1 - 0.999**k)) + 1e-8),
    ],
    ids=["amsgrad keeps the corrected moment", "behind clipping"],
)  # fmt: skip
def test_the_denominator_is_the_one_that_the_state_holds(rule, below):
    with Watch(loss, rule, probe=(X, Y), every=8, say=False) as watch:
        _, kept = trained(rule, watch, 8, keep=(8,))
    params, state = kept[8]
    root = below(state, 8) ** -0.5
    values = np.linalg.eigvalsh(root[:, None] * dense(params) * root)
    look = watch.looks[-1]
    assert look.edge is not None
    assert look.sharpness <= values[-1] * (1 + 1e-4)
    assert values[-1] <= look.sharpness + look.bar + 1e-4 * values[-1]


def test_without_the_optimizer_there_is_no_edge_and_all_else():
    rule = optax.lion(1e-3)
    for given in (None, rule):
        with Watch(loss, given, probe=(X, Y), every=5, say=False) as watch:
            trained(rule, watch, 10)
        look = watch.looks[-1]
        assert look.edge is None
        assert look.sharpness > 0
        assert look.taken.slope < 0


def test_bad_input():
    with pytest.raises(BadInput, match="probe is missing"):
        Watch(loss, optax.sgd(0.1))
    with pytest.raises(BadInput, match="budget"):
        Watch(loss, probe=(X, Y), budget=2)
    assert inertia.__version__

"""Equinox, Flax (NNX and Linen) and Haiku modules: one linear map written five ways has one curvature, and is tuned."""

import numpy as np
import pytest

jax = pytest.importorskip("jax")

import jax.numpy as jnp  # noqa: E402

import inertia.jax  # noqa: E402
from inertia.errors import BadInput  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore")
CHANCE = np.random.default_rng(0)
X = CHANCE.normal(size=(24, 3)).astype(np.float32)
Y = (X @ np.array([[1.0], [-2.0], [0.5]])).astype(np.float32)
DESIGN = np.hstack([X, np.ones((24, 1))])
TRUTH = float(np.linalg.eigvalsh(2 * DESIGN.T @ DESIGN / 24)[-1])


def squares(output, target):
    return jnp.mean((output - target) ** 2)


def equinox_module():
    eqx = pytest.importorskip("equinox")
    params, static = eqx.partition(eqx.nn.Linear(3, 1, key=jax.random.key(0)), eqx.is_inexact_array)
    return lambda p, batch: squares(jax.vmap(eqx.combine(p, static))(batch[0]), batch[1]), params


def linen_module():
    linen = pytest.importorskip("flax.linen")
    module = linen.Dense(1)
    return lambda p, batch: squares(module.apply(p, batch[0]), batch[1]), module.init(jax.random.key(0), X[:1])


def nnx_module():
    nnx = pytest.importorskip("flax.nnx")
    graph, params = nnx.split(nnx.Linear(3, 1, rngs=nnx.Rngs(0)), nnx.Param)
    return lambda p, batch: squares(nnx.merge(graph, p)(batch[0]), batch[1]), params


def haiku_module():
    hk = pytest.importorskip("haiku")
    module = hk.without_apply_rng(hk.transform(lambda x: hk.Linear(1)(x)))
    return lambda p, batch: squares(module.apply(p, batch[0]), batch[1]), module.init(jax.random.key(0), X[:1])


@pytest.mark.parametrize("made", [equinox_module, linen_module, nnx_module, haiku_module])
def test_one_curvature_and_a_tuning(made):
    loss, params = made()
    assert pytest.approx(TRUTH, rel=1e-3) == inertia.jax.measure(loss, params, (X, Y), noise=0).L
    found = inertia.jax.tune(loss, params, (X, Y), steps=16, batch_size=8, runs=1)
    assert found.best is not None
    checked = inertia.jax.check(loss, params, (X, Y), lr=0.05, momentum=0.9, steps=16)  # of all the examples
    assert checked.measurement.start.largest == pytest.approx(TRUTH, rel=1e-3)


def test_a_whole_module_is_refused_with_the_split_that_works():
    eqx = pytest.importorskip("equinox")
    module = eqx.nn.MLP(3, 1, 4, 1, key=jax.random.key(0))
    with pytest.raises(BadInput, match=r"eqx\.partition"):
        inertia.jax.tune(lambda m, batch: squares(jax.vmap(m)(batch[0]), batch[1]), module, (X, Y), steps=16, batch_size=8)


def test_flax_collections_beside_the_parameters_are_refused():
    """What `model.init` returns for a batch norm holds its statistics: a gradient step on them trains another model."""
    linen = pytest.importorskip("flax.linen")
    module = linen.Sequential([linen.Dense(1), linen.BatchNorm(use_running_average=True)])
    variables = module.init(jax.random.key(0), X[:1])

    def loss(params, batch):
        return squares(module.apply({"params": params, "batch_stats": variables["batch_stats"]}, batch[0]), batch[1])

    for job in (inertia.jax.tune, inertia.tune):
        with pytest.raises(BadInput, match=r"params hold batch_stats beside 'params'.*variables\['params'\]"):
            job(lambda v, batch: squares(module.apply(v, batch[0]), batch[1]), variables, (X, Y), steps=16, batch_size=8)
    assert inertia.tune(loss, variables["params"], (X, Y), steps=16, batch_size=8, runs=0).measurement.dimension == 6
    only = {"params": variables["params"]}  # one collection named so is all that there is to train
    assert inertia.tune(lambda v, batch: loss(v["params"], batch), only, (X, Y), steps=16, batch_size=8, runs=0).measurement.dimension == 6


def test_nnx_state_that_is_not_trained_is_refused_and_its_split_is_tuned():
    nnx = pytest.importorskip("flax.nnx")
    rngs = nnx.Rngs(0)
    module = nnx.Sequential(nnx.Linear(3, 1, rngs=rngs), nnx.BatchNorm(1, rngs=rngs), nnx.Dropout(0.1, rngs=rngs))
    graph, params, rest = nnx.split(module, nnx.Param, ...)

    def loss(params, batch, key):
        here = nnx.merge(graph, params, rest, copy=True)
        nnx.reseed(here, default=key)
        return squares(here(batch[0]), batch[1])

    for whole in (module, nnx.state(module)):
        with pytest.raises(BadInput, match=r"params hold a (BatchStat|RngCount|RngKey), which no gradient trains: .*nnx\.split"):
            inertia.tune(loss, whole, (X, Y), steps=16, batch_size=8)
    assert inertia.tune(loss, params, (X, Y), steps=16, batch_size=8, runs=0).measurement.dimension == 6


def test_arrays_that_are_not_real_are_told_by_what_they_are():
    """A complex array gets a remedy of its own; an article fits its noun."""
    job = (lambda w, x: jnp.mean(jnp.abs(x * w["a"]) ** 2), jnp.ones(4))
    for kind, told in ((jnp.complex64, r"a complex64 array, .*jax\.lax\.complex$"), (jnp.int32, "an int32 array: .*eqx.partition")):
        with pytest.raises(BadInput, match=told):
            inertia.tune(job[0], {"a": jnp.ones((), kind)}, job[1], steps=16)

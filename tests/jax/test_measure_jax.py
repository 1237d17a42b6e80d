"""Measuring a JAX loss, against dense Hessians, brute force, and the same model in torch."""

import os

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree

import inertia.jax as room
from inertia.core.method import Method
from inertia.errors import BadInput

ENDS = {"noise": 0, "weights": False}
RNG = np.random.default_rng(0)
X = RNG.normal(size=(45, 4))
Y = (X[:, 0] > 0).astype(int) + (X[:, 1] > 0.3)
Y[-5:] = 2 - Y[-5:]
PARAMS = {"a": RNG.normal(size=(4, 6)) / 2, "b": (np.zeros(6), RNG.normal(size=(6, 3)) / 2)}


@pytest.fixture(autouse=True)
def _double():
    from inertia.jax.probe import double

    with double():
        yield


def loss(params, batch):
    x, y = batch
    logits = jnp.tanh(x @ params["a"] + params["b"][0]) @ params["b"][1]
    return -jnp.mean(jnp.take_along_axis(jax.nn.log_softmax(logits), y[:, None], 1))


def dense(f, params=PARAMS):
    flat, unravel = ravel_pytree(params)
    return np.asarray(jax.jit(jax.hessian(lambda w: f(unravel(w))))(flat))


def test_ends_weights_and_noise_are_those_of_the_dense_hessian():
    truth = np.linalg.eigvalsh(dense(lambda p: loss(p, (X, Y))))
    found = room.measure(loss, PARAMS, (X, Y), batch_size=15, ends="both", rtol=1e-6, depth=48, noise=40, chunk=15)
    np.testing.assert_allclose([found.mu, found.L], truth[[0, -1]], rtol=1e-6)
    assert found.provenance["smallest_lower"] <= truth[0] + 1e-12
    assert truth[-1] <= found.upper <= truth[-1] * (1 + 1e-5)
    flat, unravel = ravel_pytree(PARAMS)
    each = jax.vmap(jax.grad(lambda w, x, y: loss(unravel(w), (x[None], y[None]))), (None, 0, 0))
    rows = np.asarray(jax.jit(each)(flat, X, Y))
    exact = (1 / 15 - 1 / 45) * np.sum((rows - rows.mean(0)) ** 2) / 44  # sampling without replacement
    assert abs(found.provenance["noise_trace"] - exact) < 3.5 * found.provenance["noise_trace_error"]
    np.testing.assert_allclose(found.provenance["gradient_norm"], np.linalg.norm(rows.mean(0)), rtol=1e-9)
    assert found.excess <= 1.000001 * found.provenance["loss"]


@pytest.mark.parametrize(
    ("data", "examples"),
    [
        ((X, Y), None),
        ([(X[:40], Y[:40]), (X[40:], Y[40:])], None),
        (iter([(X[:40], Y[:40]), (X[40:], Y[40:])]), None),
    ],
    ids=["arrays", "batches, the last smaller", "read once"],
)
def test_every_form_of_data_gives_the_hessian_of_the_mean_loss(data, examples):
    found = room.measure(loss, PARAMS, data, rtol=1e-8, depth=48, **ENDS)
    np.testing.assert_allclose(found.L, np.linalg.eigvalsh(dense(lambda p: loss(p, (X, Y))))[-1], rtol=1e-8)
    assert found.provenance["examples"] == 45


def test_torch_and_jax_measure_the_same_model_alike():
    torch = pytest.importorskip("torch")
    import inertia.torch

    model = torch.nn.Sequential(torch.nn.Linear(4, 6), torch.nn.Tanh(), torch.nn.Linear(6, 3, bias=False)).double()
    for p, value in zip(model.parameters(), (PARAMS["a"].T, PARAMS["b"][0], PARAMS["b"][1].T), strict=True):
        p.data = torch.tensor(value)
    there = inertia.torch.measure(model, torch.nn.CrossEntropyLoss(), (X, Y), rtol=1e-8, depth=48, **ENDS)
    here = room.measure(loss, PARAMS, (X, Y), rtol=1e-8, depth=48, **ENDS)
    np.testing.assert_allclose([here.L, here.provenance["loss"]], [there.L, there.provenance["loss"]], rtol=1e-9)
    assert set(there.provenance) - set(here.provenance) == {"mode"}


def test_top_curvatures_with_their_directions():
    values, vectors = np.linalg.eigh(dense(lambda p: loss(p, (X, Y))))
    found = room.eigenvectors(loss, PARAMS, (X, Y), k=2, rtol=1e-6)
    np.testing.assert_allclose(found.values, values[:-3:-1], rtol=1e-9)
    for k in range(2):
        assert jax.tree.structure(found.vectors[k]) == jax.tree.structure(PARAMS)
        assert abs(ravel_pytree(found.vectors[k])[0] @ vectors[:, -1 - k]) == pytest.approx(1, rel=1e-8)


def test_half_precision_is_measured_in_float32_and_data_are_arguments():
    half = jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.bfloat16), PARAMS)
    found = room.measure(loss, half, (X.astype(np.float16), Y), **ENDS)
    wide = jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.float32), half)
    expected = room.measure(loss, wide, (X.astype(np.float16).astype(np.float32), Y), **ENDS)
    np.testing.assert_allclose(found.L, expected.L, rtol=1e-5)
    assert "measured in float32" in found.provenance["frozen"][0]
    traced = []

    def counted(params, batch):
        traced.append(isinstance(batch[0], jax.core.Tracer))
        return loss(params, batch)

    room.measure(counted, PARAMS, (X, Y), rtol=1e-6, depth=30, chunk=10, **ENDS)
    assert sum(not t for t in traced) == 1  # as written: once; compiled, the data are never constants
    assert len(traced) <= 10  # and compiled once per batch shape, not once per product


@pytest.mark.parametrize("forward", [True, False])
def test_custom_derivatives_without_forward_mode_or_without_a_second_derivative(forward):
    if not forward and not hasattr(jax, "enable_x64"):
        pytest.skip("JAX 0.4 turns the 64 bits of a callback's result to 32: they are this thread's, and it runs in another")

    @jax.custom_vjp
    def act(x):
        return jnp.tanh(x)

    def back(saved, grad):
        slope = 1 - jnp.tanh(saved) ** 2
        if not forward:
            shape = jax.ShapeDtypeStruct(slope.shape, slope.dtype)
            slope = jax.pure_callback(lambda s: np.asarray(s, shape.dtype), shape, slope)  # 64 bits are this thread's
        return (grad * slope,)

    act.defvjp(lambda x: (act(x), x), back)

    def own(params, batch):
        logits = act(batch[0] @ params["a"] + params["b"][0]) @ params["b"][1]
        return -jnp.mean(jnp.take_along_axis(jax.nn.log_softmax(logits), batch[1][:, None], 1))

    truth = room.measure(loss, PARAMS, (X, Y), rtol=1e-4, **ENDS)
    found = room.measure(own, PARAMS, (X, Y), rtol=1e-4, **ENDS)
    np.testing.assert_allclose(found.L, truth.L, rtol=1e-4)
    assert found.provenance["products"].startswith("reverse over reverse, exact" if forward else "differences of gradients")
    assert found.provenance["why"]


def test_an_interval_for_a_subset_and_sharpness_along_a_trajectory():
    x = np.random.default_rng(1).normal(size=(2000, 20))

    def square(w, batch):
        return jnp.mean((batch @ w) ** 2)

    truth = 2 * np.linalg.eigvalsh(x.T @ x / 2000)[-1]
    covered = 0
    for seed in range(2):
        interval = room.measure(square, np.ones(20), x, examples=96, seed=seed, **ENDS).provenance["sampling"]
        covered += interval["low"] <= truth <= interval["high"]
    assert covered == 2
    assert "sampling" in room.measure(square, np.ones(20), [x[:50], x[50:100], x[100:]], examples=100, **ENDS).provenance
    method = Method(0.5, beta=0.9)
    told = room.measure(loss, PARAMS, (X, Y), along=[3], along_method=method, rtol=1e-6, depth=48, **ENDS).provenance["along"]
    params, velocity = PARAMS, jax.tree.map(np.zeros_like, PARAMS)
    for _ in range(3):
        velocity = jax.tree.map(lambda v, g: 0.9 * v + g, velocity, jax.grad(loss)(params, (X, Y)))
        params = jax.tree.map(lambda p, v: p - 0.5 * v, params, velocity)
    assert told["largest"][1] == pytest.approx(np.linalg.eigvalsh(dense(lambda p: loss(p, (X, Y)), params))[-1], rel=1e-6)
    assert room.measure(loss, PARAMS, [(X[:20], Y[:20])], along=3, **ENDS).provenance["along"]["steps"] == [0, 1, 3]


def test_ctrl_c_returns_what_was_measured():
    def watch(done, largest, bar):
        if done == 3:
            raise KeyboardInterrupt

    found = room.measure(loss, PARAMS, (X, Y), progress=watch, along=3)
    assert (found.provenance["hvps"], found.provenance["converged"]) == (3, False)
    assert "Ctrl-C" in found.provenance["interrupted"]


class Changing:
    def __iter__(self):
        return iter([np.frombuffer(os.urandom(32), np.uint8).reshape(4, 8) / 255])


def bad(value):
    x = X.copy()
    x[37] = value
    return x


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: room.measure(loss, PARAMS, (bad(np.nan), Y), chunk=12), "the loss of batch 3 is nan"),
        (
            lambda: room.measure(lambda w, x: jnp.mean(jnp.sqrt(jnp.abs(x @ w))), np.ones(4), bad(0.0), chunk=12),
            "the gradient of batch 3 is not finite",
        ),
        (
            lambda: room.measure(lambda w, x: jnp.mean(jnp.abs(x @ w) ** 1.5), np.ones(4), bad(0.0), chunk=12),
            "second derivative of batch 3 is not finite",
        ),
        (
            lambda: room.measure(lambda w, x: jnp.mean(x @ w) * np.random.default_rng().normal(), np.ones(4), X),
            "not deterministic: .* as written",
        ),
        (lambda: room.measure(lambda w, x: jnp.mean(x @ w), np.ones(8), Changing()), "the data differ at each reading"),
        (lambda: room.measure(loss, PARAMS, (X, Y[:9])), r"the arrays hold \[9, 45\] examples"),
        (lambda: room.measure(loss, PARAMS, (X[:0], Y[:0])), "the data hold no examples"),
        (lambda: room.measure(loss, PARAMS, []), "the data hold no batches"),
        (lambda: room.measure(loss, PARAMS, 3), "data of type int cannot be read"),
        (lambda: room.measure(loss, PARAMS, ["ab"]), "a batch of type str holds no array"),
        (lambda: room.measure(loss, PARAMS, (X, Y), chunk=0), "chunk = 0 is too few"),
        (lambda: room.measure(loss, PARAMS, (X, Y), examples=46), "examples = 46 is more than the 45"),
        (lambda: room.measure(loss, PARAMS, (X, Y), products="fast"), "products = 'fast' is not one of"),
        (lambda: room.measure(loss, PARAMS, (X, Y), along=0, **ENDS), "along = 0: give a number of steps"),
        (lambda: room.measure(loss, {}, (X, Y)), "params hold no array"),
        (lambda: room.measure(loss, {"n": np.arange(3)}, (X, Y)), "params hold int64 arrays"),
        (lambda: room.measure(lambda w, x: 1.0, np.ones(4), X), r"the loss returned float: loss\(params, batch\) must return"),
    ],
)
def test_bad_input_is_refused(call, message):
    with pytest.raises(BadInput, match=message):
        call()


@pytest.mark.parametrize("number", [2.0, np.array(2.0), jnp.array(2.0)])
def test_numbers_beside_the_arrays_go_into_every_batch(number):
    def scaled(w, batch):
        return batch["t"] * jnp.mean((batch["x"] @ w) ** 2)

    found = room.measure(scaled, jnp.ones(4), {"x": X, "t": number}, chunk=10, batch_size=9)
    np.testing.assert_allclose(found.L, np.linalg.eigvalsh(4 / 45 * X.T @ X)[-1], rtol=0.01)
    with pytest.raises(BadInput, match="hold no array with examples"):
        room.measure(lambda w, b: b[0] * jnp.sum(w**2), jnp.ones(4), (number,))

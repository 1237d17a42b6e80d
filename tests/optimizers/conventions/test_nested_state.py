"""States as people nest them: optax's wrappers, half precision, holes, learning rate 0, and what must be refused."""

import copy

import numpy as np
import pytest

from inertia.core.method import Method
from inertia.errors import BadInput
from inertia.optimizers.conventions import convert, convert_state, read_optax, read_torch, write_optax, write_torch

PARAMS = {"a": np.array([1.0, -2.0]), "deep": {"b": np.array(3.0), "c": np.array([0.5])}}
LABELS = {"a": "x", "deep": {"b": "y", "c": "x"}}
ONLY_X = {"a": True, "deep": {"b": False, "c": True}}
ONLY_Y = {"a": False, "deep": {"b": True, "c": False}}


def nests(optax, momentum):
    one, two = momentum(0.1), momentum(0.02)
    return {
        "plain": one,
        "chain": optax.chain(optax.clip(9.0), one),
        "multi_transform": optax.multi_transform({"x": one, "y": two}, LABELS),
        "partition": optax.partition({"x": one, "y": two}, LABELS),
        "named_chain": optax.named_chain(("clip", optax.clip(9.0)), ("sgd", one)),
        "two masks": optax.chain(optax.masked(one, ONLY_X), optax.masked(two, ONLY_Y)),
        "accumulated": optax.MultiSteps(one, every_k_schedule=1),
        "injected": optax.inject_hyperparams(lambda rate: momentum(rate))(rate=0.1),
        "guarded": optax.apply_if_finite(one, 3),
    }


NAMES = ["plain", "chain", "multi_transform", "partition", "named_chain", "two masks", "accumulated", "injected", "guarded"]


@pytest.mark.parametrize("whose", ["optax", "inertia"])
@pytest.mark.parametrize("name", NAMES)
def test_buffers_are_read_and_written_wherever_they_are(name, whose):
    """After one step from rest the buffer is the gradient; doubled buffers must double the whole memory of the next step."""
    jax, optax = pytest.importorskip("jax"), pytest.importorskip("optax")
    import inertia.jax

    momentum = (lambda rate: optax.sgd(rate, momentum=0.5)) if whose == "optax" else (lambda rate: inertia.jax.momentum(Method(rate, 0.5)))
    tx = nests(optax, momentum)[name]
    params = jax.tree.map(lambda p: jax.numpy.asarray(p, jax.numpy.float32), PARAMS)
    grads = jax.tree.map(lambda p: p / 4, params)
    _, state = tx.update(grads, tx.init(params), params)
    held = read_optax(state)
    jax.tree.map(np.testing.assert_array_equal, held, grads)
    new = write_optax(state, jax.tree.map(lambda v: np.asarray(2 * v, np.float64), held))
    assert jax.tree.structure(new) == jax.tree.structure(state)
    assert jax.tree.map(lambda leaf: np.asarray(leaf).dtype, new) == jax.tree.map(lambda leaf: np.asarray(leaf).dtype, state)
    zero = jax.tree.map(jax.numpy.zeros_like, grads)
    first, _ = tx.update(zero, state, params)
    second, _ = tx.update(zero, new, params)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(2 * a, b, rtol=1e-6), first, second)
    assert all(np.any(leaf != 0) for leaf in jax.tree.leaves(first))


def test_a_label_without_momentum_keeps_its_hole():
    jax, optax = pytest.importorskip("jax"), pytest.importorskip("optax")
    tx = optax.multi_transform({"x": optax.sgd(0.1, momentum=0.5), "y": optax.sgd(0.1)}, LABELS)
    params = jax.tree.map(jax.numpy.asarray, PARAMS)
    _, state = tx.update(params, tx.init(params), params)
    held = read_optax(state)
    assert held["deep"]["b"] == optax.MaskedNode()
    moved = convert_state(PARAMS, held, "optax", "keras", learning_rate=0.1, momentum=0.5)
    np.testing.assert_allclose(moved.buffer["a"], -0.1 * PARAMS["a"], rtol=1e-6)
    assert moved.params["deep"]["b"] == 3.0
    assert moved.buffer["deep"]["b"] == optax.MaskedNode()
    again = read_optax(write_optax(state, moved.buffer))
    np.testing.assert_allclose(again["a"], -0.1 * PARAMS["a"], rtol=1e-6)


def test_what_is_ambiguous_or_does_not_fit_is_refused():
    jax, optax = pytest.importorskip("jax"), pytest.importorskip("optax")
    params = jax.tree.map(jax.numpy.asarray, PARAMS)
    twice = optax.chain(optax.trace(0.5), optax.trace(0.9)).init(params)
    with pytest.raises(BadInput, match="several momentum buffers for the same parameters"):
        read_optax(twice)
    state = optax.sgd(0.1, momentum=0.5).init(params)
    with pytest.raises(BadInput, match=r"shape \(2,\) cannot be replaced by \(3,\)"):
        write_optax(state, {"a": np.ones(3), "deep": {"b": np.ones(()), "c": np.ones(1)}})
    with pytest.raises(BadInput, match="nothing at 'deep'"):
        write_optax(state, {"a": np.ones(2)})


@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "float32"])
def test_half_precision_and_missing_buffers_go_to_optax_and_back(dtype):
    torch = pytest.importorskip("torch")
    kind = getattr(torch, dtype)
    params = [torch.nn.Parameter(torch.tensor(row, dtype=kind)) for row in ([1.0, -2.0, 3.0], [0.5])]
    optimizer = torch.optim.SGD(params, lr=0.1, momentum=0.9)
    params[0].grad = torch.tensor([0.3, 0.1, -0.7], dtype=kind)
    optimizer.step()
    optimizer.state[params[1]]["momentum_buffer"] = None
    data = copy.deepcopy(optimizer.state_dict())
    settings, buffers = read_torch(data)
    assert buffers[1] is None
    moved = convert_state(params, buffers, "torch", "keras", **settings)
    back = convert_state(moved.params, moved.buffer, "keras", "torch", **moved.conversion.to)
    again = write_torch(data, {"lr": 0.1}, back.buffer)
    assert again["state"][1]["momentum_buffer"] is None
    held = again["state"][0]["momentum_buffer"]
    assert held.dtype == kind
    torch.testing.assert_close(held, params[0].grad, rtol=2 * torch.finfo(kind).eps, atol=0)
    assert data["state"][0]["momentum_buffer"] is not held
    optimizer.load_state_dict(again)


def test_bfloat16_arrays_of_jax_are_rounded_once():
    jax = pytest.importorskip("jax")
    point, speed = jax.numpy.asarray([1.0], "bfloat16"), jax.numpy.asarray([0.3], "bfloat16")
    moved = convert_state([point], [speed], "torch", "sutskever", lr=0.1, momentum=0.9, nesterov=True)
    exact = float(point[0]) + 0.1 * 0.9 * float(speed[0])
    assert moved.params[0].dtype == point.dtype
    assert float(moved.params[0][0]) == float(jax.numpy.asarray(exact, "bfloat16"))


def test_a_learning_rate_of_zero():
    assert convert("torch", "optax", lr=0.0, momentum=0.9).to["learning_rate"] == 0
    same = convert_state([1.0], [2.0], "torch", "optax", lr=0.0, momentum=0.9)
    assert same.buffer[0] == 2.0
    for source, target in (("torch", "keras"), ("keras", "torch"), ("polyak", "torch")):
        rate = {"torch": "lr", "keras": "learning_rate", "polyak": "a"}[source]
        with pytest.raises(BadInput, match="the learning rate is 0, and (keras|polyak) keeps it inside its buffer"):
            convert_state([1.0], [2.0], source, target, **{rate: 0.0, "b" if source == "polyak" else "momentum": 0.9})
    assert convert_state([1.0], [0.0], "torch", "keras", lr=0.0, momentum=0.9).buffer[0] == 0
    assert "time would stand still" in convert("torch", "physics", lr=0.0).notes[0]


def test_groups_of_momentum_that_sgd_cannot_say_are_refused():
    torch = pytest.importorskip("torch")
    from inertia.torch import Momentum

    def saved(**words):
        return Momentum([torch.nn.Parameter(torch.ones(2))], **words).state_dict()

    with pytest.raises(BadInput, match=r"gamma = 0.3 \(neither 0 nor momentum\)"):
        read_torch(saved(method=Method(0.1, 0.9, 0.3)))
    with pytest.raises(BadInput, match=r"outside the gradient \(decoupled\)"):
        read_torch(saved(lr=0.1, momentum=0.9, weight_decay=0.1, decoupled=True))
    with pytest.raises(BadInput, match="this group maximizes"):
        read_torch(saved(lr=0.1, momentum=0.9, maximize=True))
    with pytest.raises(BadInput, match="group = 3: this checkpoint has 1 parameter groups"):
        read_torch(saved(lr=0.1), 3)
    with pytest.raises(BadInput, match="1 parameters in this group but 2 buffers"):
        write_torch(saved(lr=0.1), {}, [None, None])
    settings, _ = read_torch(saved(lr=torch.tensor(0.5), momentum=0.9, nesterov=True))
    assert settings == {"lr": 0.5, "momentum": 0.9, "nesterov": True, "weight_decay": 0.0, "dampening": 0.0}

"""A run moved between frameworks in the middle goes on as if nothing had happened."""

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest

from inertia.errors import BadInput
from inertia.optimizers.conventions import CONVENTIONS, convert_state, read_optax, read_torch, write_optax, write_torch

spec = importlib.util.spec_from_file_location("convention_drivers", Path(__file__).parent / "drivers.py")
drivers = sys.modules.setdefault("convention_drivers", importlib.util.module_from_spec(spec))
if not hasattr(drivers, "native"):
    spec.loader.exec_module(drivers)

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore:.*np.object.*:FutureWarning")

FIRST, REST = np.linspace(1.0, 0.6, 9), np.full(12, 0.5)
CLOSE = {"rtol": 1e-12, "atol": 1e-13}


def settings_of(name, nesterov):
    rate = drivers.RUN[name][1]
    if name in ("ema", "optax-ema"):
        return {rate: 0.5, "beta" if name == "ema" else "decay": 0.8} | ({"debias": False} if name == "optax-ema" else {})
    if name == "qhm":
        return {rate: 0.5, "beta": 0.8, "nu": 0.8 if nesterov else 1.0}
    if name == "polyak":
        return {rate: 0.1, "b": 0.8}
    if name == "method":
        return {rate: 0.1, "beta": 0.8, "gamma": 0.8 if nesterov else 0.0}
    return {rate: 0.1, "momentum": 0.8} | ({} if name == "mxnet" else {"nesterov": nesterov})


WITHOUT_NESTEROV = {"mxnet", "polyak", "ema", "optax-ema"}
PAIRS = [(a, b, n) for a in drivers.RUN for b in drivers.RUN for n in (False, True) if not (n and {a, b} & WITHOUT_NESTEROV)]


@pytest.mark.parametrize(("source", "target", "nesterov"), PAIRS)
def test_a_run_moved_mid_way_walks_on(source, target, nesterov):
    settings = settings_of(source, nesterov)
    path, buffer = drivers.native(source, settings, FIRST)
    rest, _ = drivers.native(source, settings, REST, start=path[-1], state=buffer)
    rate = drivers.RUN[source][1]
    moved = convert_state(path[-1], buffer, source, target, **settings | {rate: settings[rate] * REST[0]})
    # a changing rate before the move, the rate of the next step in `settings`, a constant one after it
    own, own_buffer = drivers.native(target, dict(moved.conversion.to), np.ones(12), start=moved.params, state=moved.buffer)
    back = convert_state(own[-1], own_buffer, target, source, **moved.conversion.to)
    np.testing.assert_allclose(back.params, rest[-1], **CLOSE)


def test_a_torch_checkpoint_continues_in_optax_and_back():
    torch, jax = pytest.importorskip("torch"), pytest.importorskip("jax")
    optax = pytest.importorskip("optax")
    generator = torch.Generator().manual_seed(0)
    shapes = {"w": (3, 2), "b": (2,)}
    weights = {name: torch.nn.Parameter(torch.randn(shape, generator=generator, dtype=torch.float64)) for name, shape in shapes.items()}
    optimizer = torch.optim.SGD(weights.values(), lr=0.05, momentum=0.9, nesterov=True)

    def torch_steps(optimizer, weights, steps):
        for _ in range(steps):
            optimizer.zero_grad()
            sum((w**2 / 2 + torch.cos(w)).sum() for w in weights.values()).backward()
            optimizer.step()

    torch_steps(optimizer, weights, 5)
    settings, buffers = read_torch(optimizer.state_dict())
    assert settings == {"lr": 0.05, "momentum": 0.9, "dampening": 0, "nesterov": True, "weight_decay": 0}
    points = {name: w.detach().numpy().copy() for name, w in weights.items()}
    moved = convert_state(points, dict(zip(weights, buffers, strict=True)), "torch", "optax", **settings)

    from inertia.jax.probe import double

    with double():
        sgd = optax.sgd(**{key: value for key, value in moved.conversion.to.items() if key != "weight_decay"})
        params = jax.tree.map(jax.numpy.asarray, moved.params)
        state = write_optax(sgd.init(params), jax.tree.map(jax.numpy.asarray, moved.buffer))
        for _ in range(6):
            grads = jax.tree.map(lambda w: w - jax.numpy.sin(w), params)
            updates, state = sgd.update(grads, state, params)
            params = optax.apply_updates(params, updates)
        back = convert_state(
            jax.tree.map(np.asarray, params), jax.tree.map(np.asarray, read_optax(state)), "optax", "torch", **moved.conversion.to
        )

    twins = {name: torch.nn.Parameter(torch.as_tensor(back.params[name])) for name in weights}
    fresh = torch.optim.SGD(twins.values(), lr=1.0)
    ordered = [torch.as_tensor(back.buffer[name]) for name in weights]
    fresh.load_state_dict(write_torch(fresh.state_dict(), back.conversion.to, ordered))
    torch_steps(fresh, twins, 4)
    torch_steps(optimizer, weights, 10)
    for name in weights:
        torch.testing.assert_close(twins[name].detach(), weights[name].detach(), rtol=1e-12, atol=1e-12)


def test_a_dampened_run_is_exact_once_it_runs():
    settings = {"lr": 0.5, "momentum": 0.8, "dampening": 0.6}
    path, buffer = drivers.native("torch", settings, np.ones(4))
    moved = convert_state(path[-1], buffer, "torch", "optax", **settings)
    rest, _ = drivers.native("torch", settings, np.ones(9), start=path[-1], state=buffer)
    np.testing.assert_allclose(
        drivers.native("optax", moved.conversion.to, np.ones(9), start=moved.params, state=moved.buffer)[0], rest, **CLOSE
    )


def test_misfits_are_refused():
    assert CONVENTIONS["polyak"].remembers_point
    with pytest.raises(BadInput, match="2 parameters but 1 buffers"):
        convert_state([1.0, 2.0], [1.0], "torch", "keras", lr=0.1)
    with pytest.raises(BadInput, match=r"named \['w'\], buffers are not"):
        convert_state({"w": 1.0}, {"v": 1.0}, "torch", "keras", lr=0.1)
    with pytest.raises(BadInput, match=r"shape \(2,\) and its buffer \(3,\)"):
        convert_state(np.ones(2), np.ones(3), "torch", "keras", lr=0.1)
    with pytest.raises(BadInput, match="cannot continue in ema: ema: gamma = 0.9 is not expressible"):
        convert_state(1.0, 1.0, "torch", "ema", lr=0.1, momentum=0.9, nesterov=True)
    with pytest.raises(BadInput, match="needs the number of steps taken"):
        convert_state(1.0, 1.0, "optax-ema", "torch", learning_rate=0.1, decay=0.9)
    with pytest.raises(BadInput, match="holds no momentum"):
        read_optax(((), [1.0]))
    with pytest.raises(BadInput, match="not from torch.optim.SGD"):
        read_torch({"param_groups": [{"lr": 0.1, "params": []}], "state": {}})

"""The torch networks are the jax networks: the same loss at the same weights."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("jax")

from inertia.tasks.modules import MODULES, module  # noqa: E402
from inertia.tasks.networks import network  # noqa: E402


def dense(layer):
    weight = layer.weight.detach().numpy()
    flat = weight.T if weight.ndim == 2 else weight.transpose(2, 3, 1, 0).reshape(-1, weight.shape[0])  # (9 in, out)
    return {"w": flat, "b": layer.bias.detach().numpy()}


def as_jax(name, model):
    if name == "digits-mlp":
        return [dense(layer) for layer in model if isinstance(layer, torch.nn.Linear)]
    if name == "digits-cnn":
        out = dense(model[7])
        out["w"] = out["w"].reshape(24, 2, 2, 10).transpose(1, 2, 0, 3).reshape(96, 10)  # torch flattens channels first
        return {"one": dense(model[0]), "two": dense(model[3]), "out": out}
    norm = {"scale": np.ones(12, np.float32), "shift": np.zeros(12, np.float32)}
    blocks = [{"a": dense(block.inner[0]), "b": dense(block.inner[3]), "na": norm, "nb": norm} for block in (model[1], model[2])]
    return {"stem": dense(model[0][0]), "norm": norm, "blocks": blocks, "out": dense(model[5])}


@pytest.mark.parametrize("name", MODULES)
def test_both_frameworks_agree(name):
    job = module(name)
    model = job.build(3)
    images, labels = (array[:200] for array in job.data)
    want = job.loss(model(images), labels).item()
    got = float(network(name).loss(as_jax(name, model), (images[:, 0].numpy(), labels.numpy().astype(np.int32))))
    np.testing.assert_allclose(got, want, rtol=1e-5)  # float32


def test_building_leaves_the_random_state_alone():
    before = torch.get_rng_state()
    first, second = module("digits-mlp").build(1), module("digits-mlp").build(1)
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(first[1].weight, second[1].weight)

"""Adam's kin between torch, optax and Keras: where the translation says exact, a run moved in the middle goes on."""

import json
import os

import numpy as np
import pytest

from inertia.cli import main
from inertia.errors import BadInput
from inertia.optimizers.conventions import (
    DIALECTS,
    AdaptiveMethod,
    convert_adaptive,
    convert_moments,
    read_adaptive,
    read_optax_moments,
    read_torch_moments,
    write_optax_moments,
    write_torch_moments,
)

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore:.*np.object.*:FutureWarning")

CLASSES = {"torch-adam": "Adam", "torch-adamw": "AdamW", "torch-rmsprop": "RMSprop"}
PAIRS = {
    "adam": ("torch-adam", "optax-adam", {"lr": 0.01, "beta1": 0.8, "eps": 1e-4}),
    "adamw": ("torch-adamw", "optax-adamw", {"lr": 0.01, "weight_decay": 0.1, "beta2": 0.98}),
    "rmsprop": ("torch-rmsprop", "optax-rmsprop", {"lr": 0.003, "alpha": 0.95, "eps": 1e-3}),
}
RATES = 1 - 0.9 * np.arange(100) / 100


def networks():
    torch = pytest.importorskip("torch")
    nn = torch.nn
    torch.manual_seed(0)
    made = [
        nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 2)),
        nn.Sequential(nn.Linear(4, 5), nn.GELU(), nn.LayerNorm(5), nn.Linear(5, 2)),
        nn.Sequential(nn.Unflatten(1, (1, 4)), nn.Conv1d(1, 3, 2), nn.Tanh(), nn.Flatten(), nn.Linear(9, 2)), nn.Linear(4, 2),
        nn.Sequential(nn.Linear(4, 4), nn.Sigmoid(), nn.Linear(4, 4), nn.Sigmoid(), nn.Linear(4, 2)),
    ]  # fmt: skip
    return [net.double() for net in made]


class Torch:
    """The torch side: parameters, a step with given gradients, moments out and in."""

    def __init__(self, name, settings, values):
        import torch

        self.torch, self.name = torch, name
        self.params = [torch.nn.Parameter(torch.tensor(v)) for v in values]
        words = {k: v for k, v in settings.items() if k not in ("beta1", "beta2")}
        betas = {"betas": (settings["beta1"], settings["beta2"])} if "beta1" in settings else {}
        self.optimizer, self.lr = getattr(torch.optim, CLASSES[name])(self.params, **words, **betas), settings["lr"]

    def step(self, grads, factor):
        self.optimizer.param_groups[0]["lr"] = self.lr * factor
        for p, g in zip(self.params, grads, strict=True):
            p.grad = self.torch.tensor(g)
        self.optimizer.step()

    def values(self):
        return [p.detach().numpy().copy() for p in self.params]

    def moments(self):
        return read_torch_moments(self.optimizer.state_dict())

    def put(self, moments):
        write_torch_moments(self.optimizer, moments)


class Optax:
    """The optax side."""

    def __init__(self, name, settings, values):
        import jax.numpy as jnp
        import optax

        self.jnp, self.optax = jnp, optax
        rate = settings["learning_rate"]
        self.make = lambda factor: getattr(optax, name.removeprefix("optax-"))(**settings | {"learning_rate": rate * factor})
        self.params = [jnp.asarray(v) for v in values]
        self.state = self.make(1.0).init(self.params)

    def step(self, grads, factor):
        updates, self.state = self.make(factor).update([self.jnp.asarray(g) for g in grads], self.state, self.params)
        self.params = self.optax.apply_updates(self.params, updates)

    def values(self):
        return [np.asarray(p) for p in self.params]

    def moments(self):
        return read_optax_moments(self.state, count=50)

    def put(self, moments):
        self.state = write_optax_moments(self.state, moments)


@pytest.mark.parametrize("back", [False, True], ids=["torch to optax", "optax to torch"])
@pytest.mark.parametrize("pair", PAIRS)
def test_five_networks_moved_in_the_middle_of_a_decaying_schedule_end_at_the_same_point(pair, back):
    torch, _ = pytest.importorskip("torch"), pytest.importorskip("jax")
    here, there, settings = PAIRS[pair]
    full = {key: value for key, value in DIALECTS[here].settings.items() if key != "amsgrad"} | settings
    found = convert_adaptive(here, there, **full)
    assert found.exact, found.notes
    again = convert_adaptive(there, here, **found.to)
    assert again.exact
    for net in networks():
        x = torch.linspace(-1, 1, 24, dtype=torch.float64).reshape(6, 4).cos()
        values = [p.detach().numpy().copy() for p in net.parameters()]

        def grads(at, net=net, x=x):
            for p, v in zip(net.parameters(), at, strict=True):
                p.data.copy_(torch.tensor(v))
            loss = (net(x) - x[:, :2] * x[:, 2:]).square().mean()
            return [g.numpy() for g in torch.autograd.grad(loss, list(net.parameters()))]

        from inertia.jax.probe import double

        with double():
            sides = [Torch(here, full, values), Optax(there, dict(found.to), values)]
            first, second = sides[::-1] if back else sides
            reference = (Optax(there, dict(found.to), values), Torch(here, full, values))[not back]
            for k in range(100):
                reference.step(grads(reference.values()), RATES[k])
                if k == 50:  # the run moves: parameters, moments, number of steps
                    names, options = ((there, here), dict(found.to)) if back else ((here, there), full)
                    second.params = type(second)(
                        there if second is sides[1] else here, dict(found.to) if second is sides[1] else full, first.values()
                    ).params
                    if second is sides[0]:
                        second.optimizer.param_groups[0]["params"] = second.params
                    second.put(convert_moments(first.moments(), *names, **options)[0])
                side = first if k < 50 else second
                side.step(grads(side.values()), RATES[k])
            for a, b in zip(second.values(), reference.values(), strict=True):
                np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-9)
            assert max(np.abs(a - b).max() for a, b in zip(second.values(), values, strict=True)) > 0.01


@pytest.mark.parametrize(
    ("here", "there", "settings", "exact"),
    [
        ("optax-rmsprop", "keras-rmsprop", {"learning_rate": 0.01, "decay": 0.9, "eps": 1e-3}, True),
        ("optax-adagrad", "keras-adagrad", {"learning_rate": 0.1, "eps": 1e-3}, True),
        ("optax-adam", "keras-adam", {"learning_rate": 0.01, "eps": 1e-2}, False),
        ("optax-adamw", "keras-adam", {"learning_rate": 0.01, "eps": 0.0, "weight_decay": 0.5}, True),
    ],
)
def test_keras_walks_optax_s_path_where_it_is_said(here, there, settings, exact):
    os.environ.setdefault("KERAS_BACKEND", "jax")
    keras, _ = pytest.importorskip("keras"), pytest.importorskip("jax")
    if keras.backend.backend() != "jax":
        pytest.skip("keras runs on another backend here")
    found = convert_adaptive(here, there, **settings)
    assert found.exact == exact
    kind = {"keras-rmsprop": "RMSprop", "keras-adagrad": "Adagrad", "keras-adam": "Adam"}[there]
    start = np.array([1.0, -2.0, 0.5])
    from inertia.jax.probe import double

    with double():
        side = Optax(here, {k: v for k, v in {**DIALECTS[here].settings, **settings}.items()}, [start])
        variable = keras.Variable(start, dtype="float64")
        optimizer = getattr(keras.optimizers, kind)(
            **{k: v for k, v in found.to.items() if k != "weight_decay"}, weight_decay=found.to["weight_decay"] or None
        )
        optimizer.build([variable])
        optimizer._learning_rate = keras.Variable(found.to["learning_rate"], dtype="float64", trainable=False)
        for _ in range(20):
            value = np.asarray(variable.value)
            optimizer.apply([keras.ops.convert_to_tensor(value + np.sin(3 * value), dtype="float64")], [variable])
            (own,) = side.values()
            side.step([own + np.sin(3 * own)], 1.0)
        gap = np.abs(np.asarray(variable.value) - side.values()[0]).max()
    assert gap < 1e-6 if exact else gap > 1e-4


def test_what_is_lost_is_said():
    hatted = convert_adaptive("torch-adam", "keras-adam", lr=0.001)
    assert hatted.notes == ("eps_placement: 'outside' becomes 'hatted' (eps counts as eps/sqrt(1 - beta2^t), for about 1000 steps)",)
    ams = convert_adaptive("torch-adam", "optax-amsgrad", lr=0.001, amsgrad=True)
    assert "the maximum is taken of v, or of v corrected for its start" in ams.notes[0]
    coupled = convert_adaptive("torch-adam", "optax-adamw", lr=0.001, weight_decay=0.1)
    assert coupled.status == "not the same path"
    assert "decay is divided by sqrt(v) as well" in coupled.notes[0]
    assert "optax.add_decayed_weights(0.1) in front" in convert_adaptive("torch-adam", "optax-adam", lr=0.001, weight_decay=0.1).notes[0]
    assert "nesterov: True becomes False" in convert_adaptive("optax-nadam", "torch-adam", learning_rate=0.1).notes
    summed = convert_adaptive("torch-adagrad", "optax-rmsprop")
    assert (dict(summed.to), summed.exact) == ({}, False)
    assert "beta2 = 1 is outside" in summed.notes[0]


@pytest.mark.parametrize("name", DIALECTS)
def test_every_row_reads_back_what_it_wrote(name):
    needed = {key: 0.01 for key, default in DIALECTS[name].settings.items() if default is None}
    found = convert_adaptive(name, name, **needed)
    assert found.exact
    assert found.code.count("(") >= 1
    assert read_adaptive(name, **found.to) == found.method
    json.dumps(found.to_json())


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: read_adaptive("torch-adm", lr=1), "unknown optimizer 'torch-adm': did you mean 'torch-adam"),
        (lambda: read_adaptive("optax-adam"), "optax-adam needs learning_rate"),
        (lambda: read_adaptive("torch-adam", lr=1, beta=1), "torch-adam has no setting 'beta'"),
        (lambda: read_adaptive("torch-adam", lr="x"), "lr = 'x' is not a number"),
        (lambda: read_adaptive("torch-adam", beta1=1.0), r"beta1 = 1 is outside \[0, 1\)"),
        (lambda: read_adaptive("optax-adam", learning_rate=0.1, eps_root=0.1), "both stand in the denominator"),
        (lambda: AdaptiveMethod(lr=-1.0), "lr = -1: use a finite number >= 0"),
    ],
)
def test_bad_settings_are_named(call, said):
    with pytest.raises(BadInput, match=said):
        call()


def test_the_command_speaks_of_adam_too(capsys):
    assert main(["convert", "--from", "torch-adamw", "lr=0.001", "weight_decay=0.1", "--to", "optax-adamw"]) == 0
    out = capsys.readouterr().out
    assert "optax.adamw(learning_rate=0.001, b1=0.9, b2=0.999, eps=1e-08, weight_decay=0.1, eps_root=0)" in out
    assert "exact" in out
    assert main(["convert", "--from", "torch-adam", "lr=0.001", "--to", "keras-adam", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["exact"] is False

"""Runs of Adam's kin moved in the middle, by the public functions: where it says exact, the moved run and the one that stayed are one."""

import os

import numpy as np
import pytest

from inertia.errors import BadInput
from inertia.optimizers.conventions import (
    CONSTANT,
    Moments,
    convert_moments,
    read_keras_moments,
    read_optax_moments,
    read_torch_moments,
    write_keras_moments,
    write_optax_moments,
    write_torch_moments,
)

os.environ.setdefault("KERAS_BACKEND", "jax")
torch, jax, optax = pytest.importorskip("torch"), pytest.importorskip("jax"), pytest.importorskip("optax")
START, STEPS, MOVE = [np.array([1.0, -2.0, 0.5]), np.array([[0.3, -0.7]])], 100, 40


def slope(x):
    return x + np.sin(3 * x)


class Torch:
    def __init__(self, name, settings, values):
        self.params = [torch.nn.Parameter(torch.tensor(v)) for v in values]
        words = {k: v for k, v in settings.items() if k not in ("beta1", "beta2")}
        betas = {"betas": (settings["beta1"], settings["beta2"])} if "beta1" in settings else {}
        kinds = {"adam": "Adam", "adamw": "AdamW", "nadam": "NAdam", "radam": "RAdam", "rmsprop": "RMSprop", "adagrad": "Adagrad"}
        self.optimizer, self.lr = getattr(torch.optim, kinds[name])(self.params, **words, **betas), settings["lr"]

    def step(self, factor):
        self.optimizer.param_groups[0]["lr"] = self.lr * factor
        for p in self.params:
            p.grad = torch.tensor(slope(p.detach().numpy()))
        self.optimizer.step()

    def values(self):
        return [p.detach().numpy().copy() for p in self.params]

    def out(self):
        return read_torch_moments(self.optimizer.state_dict())

    def into(self, moments):
        write_torch_moments(self.optimizer, moments)


class Optax:
    def __init__(self, name, settings, values):
        self.make = lambda factor: getattr(optax, name)(**settings | {"learning_rate": settings["learning_rate"] * factor})
        self.params = [jax.numpy.asarray(v) for v in values]
        self.state, self.count = self.make(1.0).init(self.params), 0

    def step(self, factor):
        grads = [jax.numpy.asarray(slope(np.asarray(p))) for p in self.params]
        moved, self.state = self.make(factor).update(grads, self.state, self.params)
        self.params, self.count = optax.apply_updates(self.params, moved), self.count + 1

    def values(self):
        return [np.asarray(p) for p in self.params]

    def out(self):
        return read_optax_moments(self.state, count=self.count)

    def into(self, moments):
        self.state = write_optax_moments(self.state, moments)


class Keras:
    def __init__(self, name, settings, values):
        import keras

        self.ops, self.variables = keras.ops, [keras.Variable(v, dtype="float64") for v in values]
        kind = {"adam": "Adam", "nadam": "Nadam", "rmsprop": "RMSprop", "adagrad": "Adagrad"}[name]
        words = {k: v for k, v in settings.items() if k != "weight_decay"}
        self.optimizer = getattr(keras.optimizers, kind)(**words, weight_decay=settings["weight_decay"] or None)
        self.optimizer.build(self.variables)
        self.optimizer._learning_rate = keras.Variable(settings["learning_rate"], dtype="float64", trainable=False)
        self.lr = settings["learning_rate"]

    def step(self, factor):
        self.optimizer._learning_rate.assign(self.lr * factor)
        grads = [self.ops.convert_to_tensor(slope(np.asarray(v.value)), dtype="float64") for v in self.variables]
        self.optimizer.apply(grads, self.variables)

    def values(self):
        return [np.asarray(v.value).copy() for v in self.variables]

    def out(self):
        return read_keras_moments(self.optimizer)

    def into(self, moments):
        write_keras_moments(self.optimizer, moments)


SIDES = {"torch": Torch, "optax": Optax, "keras": Keras}
CASES = {
    "adam": ("torch-adam", "optax-adam", {"lr": 0.02, "eps": 1e-4}, "exact"),
    "amsgrad with keras": ("torch-adamw", "keras-adam", {"lr": 0.02, "eps": 0.0, "amsgrad": True}, "exact"),
    "amsgrad with optax": ("torch-adam", "optax-amsgrad", {"lr": 0.02, "amsgrad": True}, "not the same path"),
    "nadam": ("torch-nadam", "keras-nadam", {"lr": 0.02, "momentum_decay": 1.0}, "exact"),
    "radam": ("torch-radam", "optax-radam", {"lr": 0.02, "eps": 0.0, "beta2": 0.9}, "exact"),
    "rmsprop": ("optax-rmsprop", "keras-rmsprop", {"learning_rate": 0.01, "momentum": 0.7, "centered": True, "eps": 1e-3}, "exact"),
    "rmsprop of torch": ("torch-rmsprop", "optax-rmsprop", {"lr": 0.01, "momentum": 0.7, "eps": 1e-3}, CONSTANT),
    "adagrad": ("optax-adagrad", "keras-adagrad", {"learning_rate": 0.1}, "exact"),
}


@pytest.mark.parametrize("back", [False, True], ids=["there", "back"])
@pytest.mark.parametrize("case", CASES)
def test_a_moved_run_goes_on(case, back):
    here, there, given, status = CASES[case]
    pytest.importorskip("keras")
    from inertia.optimizers.conventions import DIALECTS, convert_adaptive

    settings = dict(DIALECTS[here].settings) | given
    found = convert_adaptive(here, there, **settings)
    assert found.status == status, found.notes
    names, options = [here, there], [settings, dict(found.to)]
    if back:
        names, options = names[::-1], options[::-1]
    rates = np.ones(STEPS) if status == CONSTANT else 1 - 0.9 * np.arange(STEPS) / STEPS
    from inertia.jax.probe import double

    with double():
        first, stayed, second = (
            SIDES[name.split("-")[0]](name.split("-")[1], own, START)
            for name, own in ((names[0], options[0]), (names[1], options[1]), (names[1], options[1]))
        )
        for k in range(MOVE):
            first.step(rates[k])
            stayed.step(rates[k])
        moved, _ = convert_moments(first.out(), *names, **options[0])
        second = SIDES[names[1].split("-")[0]](names[1].split("-")[1], options[1], first.values())
        second.into(moved)
        for k in range(MOVE, STEPS):
            second.step(rates[k])
            stayed.step(rates[k])
    gaps = [np.abs(a - b).max() for a, b in zip(second.values(), stayed.values(), strict=True)]
    assert all(np.isfinite(gaps))
    if status != "not the same path":
        assert max(gaps) < 1e-6
        assert max(np.abs(a - b).max() for a, b in zip(second.values(), START, strict=True)) > 0.01


def test_the_maximum_and_the_momentum_change_their_unit():
    old = Moments(10, [np.ones(2)], [np.zeros(2)], top=[np.full(2, 3.0)])
    moved, found = convert_moments(old, "torch-adam", "optax-amsgrad", lr=0.1, amsgrad=True, beta2=0.9)
    np.testing.assert_allclose(moved.top[0], 3 / (1 - 0.9**10))
    assert not found.exact
    back, _ = convert_moments(moved, "optax-amsgrad", "torch-adam", **found.to)
    np.testing.assert_allclose(back.top[0], 3.0)
    summed, found = convert_moments(
        Moments(3, [np.ones(1)], buffer=[np.array([2.0])]), "torch-rmsprop", "keras-rmsprop", lr=0.1, momentum=0.5
    )
    np.testing.assert_allclose(summed.buffer[0], 0.2)


def stepped():
    weight = torch.nn.Parameter(torch.ones(2, dtype=torch.float64))
    optimizer = torch.optim.Adam([weight])
    weight.square().sum().backward()
    optimizer.step()
    return optimizer


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: read_torch_moments(torch.optim.Adam([torch.nn.Parameter(torch.ones(2))]).state_dict()), "has not stepped"),
        (lambda: read_torch_moments(stepped().state_dict(), group=3), "has 1 parameter groups"),
        (lambda: write_torch_moments(stepped(), Moments(1, [np.ones(3)], [np.ones(3)])), "state of another model"),
        (
            lambda: write_torch_moments(torch.optim.Adadelta(stepped().param_groups[0]["params"]), Moments(1, [np.ones(2)])),
            "keeps other moments",
        ),
        (lambda: write_torch_moments(stepped(), Moments(1, [np.ones(2)])), "hold no mean"),
        (lambda: read_optax_moments(optax.sgd(0.1).init(np.ones(2))), "no second moment"),
        (lambda: write_optax_moments(optax.adam(0.1).init(np.ones(2)), Moments(1, np.ones(3), np.ones(3))), "cannot be replaced"),
        (lambda: convert_moments(Moments(1, [np.ones(2)]), "torch-adam", "optax-amsgrad", lr=0.1, amsgrad=True), "hold no maximum"),
        (lambda: convert_moments(Moments(1, [np.ones(2)]), "torch-adagrad", "optax-rmsprop"), "cannot continue in optax-rmsprop"),
        (lambda: convert_moments(Moments(1, [np.ones(2)]), "torch-rmsprop", "optax-rmsprop", lr=0.1, momentum=1.5), r"outside \[0, 1\)"),
    ],
)
def test_what_cannot_be_moved_is_refused(call, words):
    with pytest.raises(BadInput, match=words):
        call()

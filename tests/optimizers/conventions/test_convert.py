"""Translations against the real torch, optax and keras: the same path, or the reason why not."""

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inertia.core.method import Method
from inertia.errors import BadInput
from inertia.optimizers.conventions import CONSTANT, CONVENTIONS, EXACT, NOT, convert, read, write

spec = importlib.util.spec_from_file_location("convention_drivers", Path(__file__).parent / "drivers.py")
drivers = sys.modules.setdefault("convention_drivers", importlib.util.module_from_spec(spec))
if not hasattr(drivers, "native"):
    spec.loader.exec_module(drivers)

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore:.*np.object.*:FutureWarning")  # keras' imports

STEPS = 30
CONSTANT_RATE, DECAYING = np.ones(STEPS), np.linspace(1.0, 0.1, STEPS)
SOURCES = {
    "torch heavy ball": ("torch", {"lr": 0.1, "momentum": 0.8}),
    "torch nesterov": ("torch", {"lr": 0.1, "momentum": 0.8, "nesterov": True}),
    "optax nesterov": ("optax", {"learning_rate": 0.1, "momentum": 0.8, "nesterov": True}),
    "optax average": ("optax-ema", {"learning_rate": 0.5, "decay": 0.8, "debias": False}),
    "tf1 nesterov": ("tf1", {"learning_rate": 0.1, "momentum": 0.8, "nesterov": True}),
    "keras heavy ball": ("keras", {"learning_rate": 0.1, "momentum": 0.8}),
    "keras nesterov": ("keras", {"learning_rate": 0.1, "momentum": 0.8, "nesterov": True}),
    "mxnet": ("mxnet", {"learning_rate": 0.1, "momentum": 0.8}),
    "sutskever classical": ("sutskever", {"lr": 0.1, "momentum": 0.8, "nesterov": False}),
    "ema": ("ema", {"lr": 0.5, "beta": 0.8}),
    "qhm": ("qhm", {"lr": 0.5, "beta": 0.8, "nu": 0.7}),
    "qhm as heavy ball": ("qhm", {"lr": 0.5, "beta": 0.8, "nu": 1.0}),
    "polyak": ("polyak", {"a": 0.1, "b": 0.8}),
    "method": ("method", {"alpha": 0.1, "beta": 0.8, "gamma": 0.3}),
    "plain": ("torch", {"lr": 0.2}),
}
CLOSE = {"rtol": 1e-12, "atol": 1e-13}
TARGETS = [name for name in CONVENTIONS if name != "physics"]


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("source", SOURCES)
def test_the_translation_walks_the_same_path(source, target):
    name, settings = SOURCES[source]
    found = convert(name, target, **settings)
    if found.status == NOT:
        assert not found.to
        assert found.method.gamma not in (0, found.method.beta) or target in ("ema", "optax-ema", "mxnet", "polyak")
        assert "not expressible" in found.notes[0]
        return
    constant = drivers.native(name, settings, CONSTANT_RATE)[0]
    np.testing.assert_allclose(drivers.native(target, found.to, CONSTANT_RATE)[0][-1] - 0, _seen(found, constant)[-1], **CLOSE)
    if CONVENTIONS[target].holds_iterate:
        return  # its parameters are another point from the first step on: test_state compares them
    np.testing.assert_allclose(drivers.native(target, found.to, CONSTANT_RATE)[0], constant, **CLOSE)
    gap = np.abs(drivers.native(target, found.to, DECAYING)[0] - drivers.native(name, settings, DECAYING)[0]).max()
    if found.exact:
        assert gap < 1e-12
    else:
        assert found.status == CONSTANT
        assert gap > 1e-3, "said to differ under a schedule, and does not"


def _seen(found, path):
    """What a framework that holds the iterate shows at the end of the path of one that holds the look-ahead point."""
    if not (CONVENTIONS[found.target].holds_iterate and found.method.gamma):
        return path
    velocity = np.zeros(3)
    for point in path[:-1]:
        velocity = found.method.beta * velocity + drivers.gradient(point)
    return path + found.method.alpha * found.method.gamma * velocity


def test_sutskever_nesterov_is_read_from_the_look_ahead_point():
    settings = {"lr": 0.1, "momentum": 0.8}
    iterates, _ = drivers.run_sutskever(0.1 * DECAYING, 0.8)
    speeds = np.diff(iterates, axis=0, prepend=iterates[:1])
    found = convert("sutskever", "keras", **settings)
    assert found.exact
    keras = drivers.native("keras", found.to, DECAYING)[0]
    np.testing.assert_allclose(iterates + 0.8 * speeds, keras, **CLOSE)
    assert "keras holds the look-ahead point in its parameters, sutskever the iterate" in found.notes[0]


@pytest.mark.parametrize("target", ["torch", "keras"])
def test_physics_is_heavy_ball(target):
    settings = {"mass": 2.0, "drag": 0.7, "dt": 0.4}
    found = convert("physics", target, **settings)
    assert found.method == Method(pytest.approx(0.08), pytest.approx(0.86))
    np.testing.assert_allclose(drivers.native(target, found.to, CONSTANT_RATE)[0], drivers.run_physics(STEPS, **settings), **CLOSE)
    back = convert(target, "physics", **found.to)
    assert "three numbers for two" in back.notes[-1]
    np.testing.assert_allclose(drivers.run_physics(STEPS, **back.to), drivers.run_physics(STEPS, **settings), **CLOSE)


@pytest.mark.parametrize("to_torch", [True, False])
def test_momentum_correction_mends_a_changing_rate(to_torch):
    """What the note promises, done by hand: scale the buffer whenever the rate changes."""
    torch_path, keras_path = (
        drivers.native(n, {r: 0.1, "momentum": 0.8}, DECAYING)[0] for n, r in (("torch", "lr"), ("keras", "learning_rate"))
    )
    x, buffer, rates = drivers.X0, np.zeros(3), 0.1 * DECAYING
    for k, rate in enumerate(rates):
        old = rates[max(k - 1, 0)]
        if to_torch:  # torch imitating keras
            buffer = 0.8 * (buffer * old / rate) + drivers.gradient(x)
            x = x - rate * buffer
        else:
            buffer = 0.8 * (buffer * rate / old) - rate * drivers.gradient(x)
            x = x + buffer
    np.testing.assert_allclose(x, (keras_path if to_torch else torch_path)[-1], **CLOSE)
    if to_torch:
        note = convert("keras", "torch", learning_rate=0.1, momentum=0.8).notes[0]
    else:
        note = convert("torch", "keras", lr=0.1, momentum=0.8).notes[0]
    assert ("multiply its buffer by old/new" if to_torch else "multiply its buffer by new/old") in note


def test_torch_dampening_is_not_exact_and_says_why():
    settings = {"lr": 0.5, "momentum": 0.8, "dampening": 0.8}
    found = convert("torch", "optax", **settings)
    assert (found.exact, found.status) == (False, NOT)
    assert "does not dampen its first step" in found.notes[0]
    assert "weighs 5 times" in found.notes[0]
    gap = drivers.native("torch", settings, CONSTANT_RATE)[0] - drivers.native("optax", found.to, CONSTANT_RATE)[0]
    assert np.abs(gap).max() > 0.1


def test_debias_is_a_schedule_not_a_method():
    settings = {"learning_rate": 0.3, "decay": 0.8}
    found = convert("optax-ema", "torch", **settings)
    assert found.status == NOT
    assert "exact as a schedule of alpha = learning_rate (1 - decay)/(1 - decay^k)" in found.notes[0]
    native = drivers.native("optax-ema", settings | {"debias": True}, CONSTANT_RATE)[0]
    factors = 1 / (1 - 0.8 ** np.arange(1, STEPS + 1))
    np.testing.assert_allclose(drivers.native("torch", found.to, factors)[0], native, **CLOSE)
    assert np.abs(drivers.native("torch", found.to, CONSTANT_RATE)[0] - native).max() > 0.1


@pytest.mark.parametrize("target", ["optax", "torch"])
def test_weight_decay_inside_the_gradient_travels(target):
    settings = {"lr": 0.1, "momentum": 0.8, "weight_decay": 0.05}
    found = convert("torch", target, **settings)
    assert found.exact
    np.testing.assert_allclose(drivers.native(target, found.to, DECAYING)[0], drivers.native("torch", settings, DECAYING)[0], **CLOSE)


def test_weight_decay_that_cannot_travel_is_said():
    keras = convert("torch", "keras", lr=0.1, weight_decay=0.05)
    assert keras.status == NOT
    assert "kernel_regularizer=keras.regularizers.L2(0.025)" in keras.notes[-1]
    assert "add 0.025 times the squared weights" in convert("torch", "ema", lr=0.1, weight_decay=0.05).notes[-1]
    assert "add_decayed_weights(0.05)" in convert("torch", "optax", lr=0.1, weight_decay=0.05).notes[-1]
    assert "not part of a Method" in convert("torch", "method", lr=0.1, weight_decay=0.05).notes[-1]
    assert convert("torch", "mxnet", lr=0.1, weight_decay=0.05).to["wd"] == 0.05


def test_what_cannot_be_said_says_why():
    triple = Method(0.1, beta=0.5, gamma=0.3, delta=0.4)
    found = write(triple, "torch")
    assert (found.status, dict(found.to)) == (NOT, {})
    assert "gamma = 0.3 is not expressible: only heavy ball (gamma = 0) and Nesterov (gamma = beta = 0.5) are" in found.notes[0]
    assert "plain gradient descent with step 0.2" in write(Method(0.1, 0.5, 1.0), "torch").notes[0]
    assert "optimistic gradient" in write(Method(0.1, 0.0, 1.0), "qhm").notes[0]
    assert "beta = 1" in write(Method(0.1, 1.0), "ema").notes[0]
    assert "delta = 0.4 is lost" in write(triple, "qhm").notes[0]
    assert "outside [0, 1]" in write(Method(0.1, 0.5, -0.3), "qhm").notes[0]
    assert "only heavy ball (gamma = 0) is" in write(triple, "physics").notes[0]


@given(st.floats(1e-4, 10), st.floats(0.01, 0.99), st.floats(0, 2), st.sampled_from(sorted(CONVENTIONS)))
def test_there_and_back_is_the_same_method(alpha, beta, fraction, target):
    for gamma in (0.0, beta, fraction):
        found = write(Method(alpha, beta, gamma), target)
        if found.to:
            back = read(target, **found.to)
            np.testing.assert_allclose(back, found.method, rtol=1e-9, atol=1e-9)


def test_same_to_same_changes_nothing():
    found = convert("torch", "torch", lr=0.1, momentum=0.9, dampening=0.5)
    assert found.exact
    assert found.to["dampening"] == 0.5


@pytest.mark.parametrize("name", [name for name in CONVENTIONS if name not in ("physics",)])
def test_the_code_says_the_numbers(name):
    found = write(Method(0.1, beta=0.5), name)
    assert found.code
    assert "{" not in found.code
    assert found.status in (EXACT, CONSTANT)
    assert set(found.to_json()) == {"method", "to", "exact", "notes", "status", "code", "from"}


def test_bad_input_is_named():
    with pytest.raises(BadInput, match="unknown convention 'pytorch': did you mean 'torch'"):
        convert("pytorch", "keras", lr=0.1)
    with pytest.raises(BadInput, match="torch has no setting 'momemtum': did you mean 'momentum'"):
        convert("torch", "keras", lr=0.1, momemtum=0.9)
    with pytest.raises(BadInput, match="keras needs learning_rate: add learning_rate=0.1"):
        convert("keras", "torch", momentum=0.9)
    with pytest.raises(BadInput, match="lr = 'fast' is not a number"):
        convert("torch", "keras", lr="fast")
    with pytest.raises(BadInput, match="lr = inf is not finite"):
        convert("torch", "keras", lr=float("inf"))
    with pytest.raises(BadInput, match="nesterov = 'maybe' is not a switch: use nesterov=true"):
        convert("torch", "keras", lr=0.1, nesterov="maybe")
    with pytest.raises(BadInput, match=r"alpha = -0\.1 is not positive"):
        convert("torch", "keras", lr=-0.1)
    with pytest.raises(BadInput, match="nesterov needs momentum > 0 and dampening = 0"):
        convert("torch", "keras", lr=0.1, nesterov=True)
    for name, settings in {
        "torch": {"lr": 1, "momentum": 0.5, "dampening": 1},
        "ema": {"lr": 1, "beta": 1},
        "qhm": {"lr": 1, "beta": 1},
    }.items():
        with pytest.raises(BadInput, match="lets no gradient in"):
            read(name, **settings)
    with pytest.raises(BadInput, match="both must be positive"):
        read("physics", mass=0, drag=1, dt=1)

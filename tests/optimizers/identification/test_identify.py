"""Black boxes built from the heart, and boxes that are no momentum method: what went in comes out."""

import importlib
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import inertia
from inertia.core.method import Method
from inertia.core.method import step as heart
from inertia.errors import BadInput
from inertia.optimizers.identification import Identified, identify
from inertia.optimizers.identification.identified import NONLINEAR, UNTOLD

START = np.random.default_rng(5).standard_normal(8)


def box(method, decay=0.0, decoupled=False, inside=False, start=START):
    """A stateful optimizer with the learning rate inside or outside its buffer, and its brake."""
    held = {"params": start.copy(), "velocity": np.zeros_like(start), "method": method}

    def step(grad):
        m, before = held["method"], held["params"]
        grad = grad if decoupled else grad + decay * before
        params = before * (1 - m.alpha * decay) if decoupled else before
        if inside:
            new = m.beta * held["velocity"] + m.alpha * grad
            params = params - ((1 + m.gamma) * new - m.gamma * held["velocity"])
        else:
            params, new = heart(m, params, held["velocity"], grad)
        held.update(params=params, velocity=new)
        return params - before

    def slower(factor):
        held["method"] = held["method"]._replace(alpha=held["method"].alpha * factor)

    return step, slower


METHODS = {
    "gradient descent: no momentum": Method(0.1),
    "heavy ball": Method(0.1, 0.9),
    "Nesterov": Method(0.1, 0.9, 0.9),
    "momentum with gamma = 0.35": Method(0.1, 0.6, 0.35),
    "momentum with gamma = 1": Method(0.1, 0.0, 1.0),
}


@pytest.mark.parametrize("inside", [False, True], ids=["outside", "inside"])
@pytest.mark.parametrize(("decay", "decoupled"), [(0.0, None), (0.05, False), (0.05, True)])
@pytest.mark.parametrize("verdict", METHODS)
def test_what_went_in_comes_out(verdict, decay, decoupled, inside):
    method = METHODS[verdict]
    step, slower = box(method, decay, bool(decoupled), inside)
    found = identify(step, start=START, slower=slower)
    assert found.verdict == verdict
    np.testing.assert_allclose(found.method, method, rtol=1e-7, atol=1e-9)
    assert found.weight_decay == pytest.approx(decay, abs=1e-9)
    assert found.inside == (inside if method.beta else None)
    if not (decoupled and method.beta == 0 == method.gamma):  # without memory the two kinds are the same optimizer
        assert found.decoupled == decoupled
    assert not found.warnings


@settings(max_examples=40)
@given(st.floats(1e-4, 2), st.floats(0.05, 0.99), st.floats(-0.3, 1.5))
def test_any_member_of_the_family_is_recovered(alpha, beta, gamma):
    if abs(gamma - beta / (1 - beta)) < 0.02 or abs(gamma) < 1e-3:
        return  # near the ridge the method is gradient descent, and says so
    found = identify(box(Method(alpha, beta, gamma))[0])
    np.testing.assert_allclose(found.method, Method(alpha, beta, gamma), rtol=1e-5, atol=1e-7)


def test_on_the_ridge_it_is_gradient_descent():
    found = identify(box(Method(0.1, 0.5, 1.0))[0])
    assert found.verdict == "gradient descent: no momentum"
    assert found.method.alpha == pytest.approx(0.2)


def test_without_a_start_decay_is_found_but_not_its_kind():
    found = identify(box(Method(0.1, 0.9), 0.05)[0])
    assert found.weight_decay == pytest.approx(0.05)
    assert found.decoupled is None
    assert "coupled or decoupled: cannot be told" in str(found)


def test_the_facade_keeps_the_function_when_its_room_is_imported():
    importlib.import_module("inertia.optimizers.identification")
    assert inertia.identify(box(Method(0.1, 0.9))[0]).verdict == "heavy ball"


def sign(grad):
    return -0.1 * np.sign(grad)


def normalised(grad):
    return -0.1 * grad / np.linalg.norm(grad)


def clipped(grad):
    return -0.1 * grad * min(1.0, 1.0 / np.linalg.norm(grad))


def clipped_each(grad):
    return -0.1 * np.clip(grad, -0.5, 0.5)


def adam():
    m, v, k = np.zeros(8), np.zeros(8), [0]

    def step(grad):
        k[0] += 1
        m[:] = 0.9 * m + 0.1 * grad
        v[:] = 0.999 * v + 0.001 * grad**2
        return -0.01 * (m / (1 - 0.9 ** k[0])) / (np.sqrt(v / (1 - 0.999 ** k[0])) + 1e-8)

    return step


def scaled_parts(grad):
    return -np.linspace(0.1, 1, 8) * grad


def random_steps():
    generator = np.random.default_rng(0)
    return lambda grad: -0.1 * grad * generator.uniform(0.5, 1.5, 8)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: sign, "the sign of the gradient"),
        (lambda: normalised, "normalised gradients"),
        (lambda: clipped, "this looks like clipping"),
        (lambda: clipped_each, "below the threshold it is gradient descent: no momentum, learning rate 0.1, momentum 0, gamma 0"),
        (adam, "unexplained"),
        (lambda: scaled_parts, "unexplained"),
        (random_steps, "unexplained"),
    ],
    ids=["sign", "normalised", "clip-norm", "clip-value", "adam", "preconditioned", "random"],
)
def test_what_is_no_momentum_method_is_refused_with_evidence(make, said):
    found = identify(make())
    assert found.verdict == NONLINEAR
    assert found.method is None
    assert not found.linear
    assert said in " ".join(found.evidence)


def test_what_hardly_moves_is_not_called_another_method():
    found = identify(np.zeros_like)
    assert found.verdict == UNTOLD
    assert found.method is None
    assert "it never moves" in found.evidence[0]


def test_momentum_that_is_not_there_is_missed():
    """A step that closes over its state (as a jitted one does): every call starts from the same empty buffer."""
    empty = np.zeros(8)
    found = identify(lambda grad: -0.1 * (0.9 * empty + grad), declared=0.9)
    assert found.verdict == "gradient descent: no momentum"
    assert found.warnings[0].startswith("momentum 0.9 was asked for and is not there: every step starts from an empty buffer")
    wrong = identify(box(Method(0.1, 0.8))[0], declared=0.9)
    assert "momentum 0.9 was asked for, but the optimizer uses 0.8" in wrong.warnings[0]
    assert not identify(box(Method(0.1, 0.9))[0], declared=0.9).warnings


def test_an_emptied_buffer_is_seen_in_a_black_box():
    velocity, count = np.zeros(8), [0]

    def step(grad):
        if count[0] % 6 == 0:
            velocity[:] = 0
        count[0] += 1
        velocity[:] = 0.9 * velocity + grad
        return -0.1 * velocity

    found = identify(step)
    assert found.verdict == "heavy ball"
    assert found.lost == (6, 12, 18)
    assert "emptied every 6 steps" in found.warnings[0]


def test_a_climber_is_told():
    found = identify(lambda grad: 0.1 * grad)
    assert "it maximizes" in found.warnings[0]
    assert found.method.alpha == pytest.approx(0.1)


def test_float32_moves_are_judged_at_their_own_precision():
    velocity = np.zeros(8, dtype=np.float32)

    def step(grad):
        velocity[:] = np.float32(0.9) * velocity + grad.astype(np.float32)
        return np.float32(-0.1) * velocity

    found = identify(step)
    assert found.verdict == "heavy ball"
    np.testing.assert_allclose(found.method[:2], (0.1, 0.9), rtol=1e-4)


def test_json_is_plain():
    data = json.loads(json.dumps(identify(box(Method(0.1, 0.9))[0]).to_json()))
    assert data["verdict"] == "heavy ball"
    assert data["method"]["beta"] == pytest.approx(0.9)
    assert json.loads(json.dumps(identify(sign).to_json()))["method"] is None
    assert isinstance(identify(sign), Identified)


def test_bad_boxes_are_named():
    with pytest.raises(BadInput, match=r"returned shape \(\) for a gradient of shape \(8,\)"):
        identify(lambda grad: 0.0)
    with pytest.raises(BadInput, match="values that are not finite"):
        identify(lambda grad: grad * np.nan)
    with pytest.raises(BadInput, match="float is not a step"):
        identify(0.1)
    with pytest.raises(BadInput, match="size = 0: a probe gradient needs at least 1 number"):
        identify(sign, size=0)

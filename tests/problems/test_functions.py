"""A user's Python function: its gradient given, or differences and a warning; what cannot be minimised is refused."""

import math

import numpy as np
import pytest

from inertia import problems
from inertia.core.method import Method
from inertia.errors import BadInput, InertiaWarning
from inertia.problems import simulation as reference


def bumpy(w):
    return float(w @ w + np.sin(3 * w[0]) + w[0] * w[1])


def slope(w):
    return 2 * w + np.array([3 * np.cos(3 * w[0]) + w[1], w[0]])


def test_a_gradient_given_is_used_and_differences_agree():
    exact = problems.from_function(bumpy, [0.5, -1.0], slope)
    with pytest.warns(InertiaWarning, match=r"bumpy came without a gradient: central differences cost 4 calls each.*pass gradient="):
        guessed = problems.from_function(bumpy, [0.5, -1.0])
    at = np.random.default_rng(0).standard_normal((4, 3, 2))
    vector = np.random.default_rng(1).standard_normal((4, 3, 2))
    np.testing.assert_allclose(guessed.gradient(at), exact.gradient(at), atol=1e-8)
    bend = 2 * vector + np.stack([-9 * np.sin(3 * at[..., 0]) * vector[..., 0] + vector[..., 1], vector[..., 0]], axis=-1)
    np.testing.assert_allclose(exact.hvp(at, vector), bend, atol=1e-7)
    np.testing.assert_allclose(guessed.hvp(at, vector), bend, atol=1e-4)  # a difference of differences
    np.testing.assert_array_equal(exact.hvp(at, 0 * vector), 0)
    assert exact.name == "bumpy"


def test_it_runs():
    ours = problems.from_function(lambda w: 0.1 * w[0] ** 2 + 2 * w[1] ** 2, [-5.0, -2.0], lambda w: np.array([0.2, 4.0]) * w)
    one, other = (reference.run(p, Method(0.6, 0.5), 20) for p in (ours, problems.valley()))
    np.testing.assert_allclose(one.final, other.final, rtol=1e-12)
    assert ours.name == "lambda"


def test_a_function_that_writes_into_its_argument_does_no_harm():
    def rude(w):
        w *= 2
        return float(w @ w)

    def rude_slope(w):
        w *= 8
        return w

    problem = problems.from_function(rude, [1.0, 2.0], rude_slope)
    at = np.ones((3, 2))
    np.testing.assert_array_equal(problem.value(at), 8.0)
    np.testing.assert_array_equal(problem.gradient(at), 8.0)
    np.testing.assert_array_equal(at, 1.0)


def test_an_overflow_in_plain_python_ends_the_trial():
    problem = problems.from_function(lambda w: math.exp(w[0] ** 2), [1.0], lambda w: np.array([2 * w[0] * math.exp(w[0] ** 2)]))
    good, bad = reference.run_many(problem, Method(np.array([0.01, 10.0])), 30)
    assert good.diverged_at is None
    assert bad.diverged_at == 1
    assert bad.losses.tolist() == [math.e]
    np.testing.assert_array_equal(bad.final, [1.0])


def test_a_gradient_that_is_not_finite_ends_the_trial():
    problem = problems.from_function(lambda w: float(w @ w), [1.0], lambda w: 2 * w if w[0] > 0.5 else w * np.nan)
    record = reference.run(problem, Method(0.1), 30, keep_path=True)
    np.testing.assert_allclose(record.path[:, 0], [1, 0.8, 0.64, 0.512, 0.4096])
    assert record.diverged_at == 5
    assert record.final[0] == record.path[-1, 0]


def test_a_gradient_of_the_wrong_sign_is_doubted():
    with pytest.warns(InertiaWarning, match="the gradient given for bumpy is not its slope.*check its sign and factor"):
        problems.from_function(bumpy, [0.5, -1.0], lambda w: -slope(w))


@pytest.mark.parametrize(
    ("f", "start", "gradient", "message"),
    [
        (bumpy, [np.nan, 1.0], slope, "start has shape"),
        (bumpy, [], slope, r"start has shape \(0,\)"),
        (lambda w: w, [1.0, 2.0], slope, r"lambda\(start\) has shape \(2,\): one number is needed"),
        (lambda w: float("nan"), [1.0], None, r"lambda\(start\) is nan: finite numbers are needed"),
        (lambda w: "low", [1.0], None, r"lambda\(start\) is low"),
        (bumpy, [1.0, 2.0], lambda w: 1.0, r"the gradient of bumpy has shape \(\): \(2,\) is needed"),
        (bumpy, [1.0, 2.0], lambda w: np.array([1.0, np.inf]), "the gradient of bumpy is"),
    ],
)
def test_what_is_no_function_is_refused(f, start, gradient, message):
    with pytest.raises(BadInput, match=message):
        problems.from_function(f, start, gradient)

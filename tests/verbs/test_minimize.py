"""minimize: a plain loop in numpy and in JAX, equal step for step; and a method that is measured, chosen and verified."""

import warnings

import numpy as np
import pytest

import inertia
from inertia.core.method import Method
from inertia.core.schedule import linear
from inertia.errors import BadInput
from inertia.problems import banana, valley

H = np.array([0.2, 4.0])


def f(w):
    return 0.5 * w @ (H * w)


def grad(w):
    return H * w


def test_a_given_method_makes_the_traces_of_the_valley():
    record = inertia.minimize(f, [-1.0, 2.0], Method(0.6, beta=0.5), 20, gradient=grad)
    np.testing.assert_allclose(record.path[0], [-1, 2])
    assert record.path.shape == (21, 2)
    same = inertia.minimize(valley(), method=Method(0.6, beta=0.5), steps=20)
    np.testing.assert_allclose(same.final, [0.007188, 0.002553], atol=5e-7)  # the printed digits of the source
    np.testing.assert_allclose(inertia.minimize(valley(), same.path[0], Method(0.6, beta=0.5), 20).path, same.path)


def test_jax_and_numpy_make_the_same_steps():
    jax = pytest.importorskip("jax")
    from inertia.jax.probe import double

    with double():
        jnp = jax.numpy
        for method in (Method(0.2, 0.9, 0.5), linear(Method(0.2, 0.9), 40)):
            here = inertia.minimize(f, [-1.0, 2.0], method, 40, gradient=grad)
            there = inertia.minimize(lambda w: 0.5 * jnp.sum(jnp.asarray(H) * w["a"] ** 2), {"a": jnp.array([-1.0, 2.0])}, method, 40)
            np.testing.assert_allclose(there.path, here.path, rtol=1e-12, atol=1e-14)
            np.testing.assert_allclose(there.losses, here.losses, rtol=1e-12, atol=1e-16)
            np.testing.assert_allclose(there.notes["params"]["a"], here.params, rtol=1e-12, atol=1e-14)
            np.testing.assert_allclose(there.notes["final"]["a"], here.final, rtol=1e-12, atol=1e-14)
            np.testing.assert_allclose(there.final, here.final, rtol=1e-12, atol=1e-14)
            assert (there.schedule, there.method) == (here.schedule, here.method)
        gone = inertia.minimize(lambda w: jnp.sum(w**4), jnp.array([3.0]), Method(1.0), 30)
        here = inertia.minimize(lambda w: np.sum(w**4), np.array([3.0]), Method(1.0), 30, gradient=lambda w: 4 * w**3)
        assert gone.diverged_at == here.diverged_at
        np.testing.assert_allclose(gone.final, here.final, rtol=1e-9)


def test_without_a_method_one_is_measured_chosen_and_verified():
    h = np.geomspace(0.01, 1.0, 30)
    record = inertia.minimize(lambda w: 0.5 * w @ (h * w), np.ones(30), steps=120, gradient=lambda w: h * w)
    choice = record.notes["choice"]
    assert choice["measured"]["upper"] >= 1.0
    assert [row["name"] for row in choice["tried"]] == ["heavy ball", "Nesterov's form for quadratics"]
    assert record.loss == min(row["loss"] for row in choice["tried"])
    # the bound for kappa = 100: the best rate is 9/11; transients cost a factor of 2 k
    assert record.loss < record.losses[0] * (240 * (9 / 11) ** 120) ** 2


def test_where_curvature_is_negative_or_grows_the_step_is_careful():
    record = inertia.minimize(banana(), steps=500)
    assert record.loss < 0.1 * record.losses[0]
    steep = inertia.minimize(lambda w: float(np.cosh(w[0])), [0.1], steps=50, gradient=lambda w: np.sinh(w))
    assert steep.loss == pytest.approx(1, abs=1e-6)
    # curvature 0.0075 at the start and 1 at the bottom: the first tries end above the start, a quarter of the step (and again) does not
    wall = inertia.minimize(lambda w: float(np.sqrt(1 + w @ w)), [5.0], steps=100, gradient=lambda w: w / np.sqrt(1 + w @ w))
    assert wall.loss < 0.5 * wall.losses[0]
    assert len(wall.notes["choice"]["tried"]) > 2


def test_jax_is_measured_too_and_only_looked_at_when_loaded():
    jax = pytest.importorskip("jax")
    jnp = jax.numpy
    record = inertia.minimize(lambda w: jnp.sum(jnp.array([0.1, 2.0]) * w**2), jnp.array([-1.0, 2.0]), steps=60)
    assert record.loss < 1e-8
    assert record.notes["choice"]["measured"]["upper"] == pytest.approx(4, rel=0.01)


def test_without_a_gradient_differences_are_taken_and_said():
    with pytest.warns(inertia.errors.InertiaWarning, match="came without a gradient"):
        record = inertia.minimize(f, [-1.0, 2.0], steps=60)
    assert record.loss < 1e-8


def test_the_path_is_left_out_where_asked():
    assert inertia.minimize(valley(), method=Method(0.1), steps=5, keep_path=False).path is None
    jax = pytest.importorskip("jax")
    assert inertia.minimize(lambda w: jax.numpy.sum(w**2), jax.numpy.ones(2), Method(0.1), 5, keep_path=False).path is None


def jax_call(make):
    def call():
        jnp = pytest.importorskip("jax").numpy
        return make(jnp)

    return call


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: inertia.minimize(f), "x0 is missing"),
        (lambda: inertia.minimize(valley(), np.ones(3)), "x0 has 3 entries and .* 2 parameters"),
        (lambda: inertia.minimize(lambda w: -w @ w, np.ones(2), gradient=lambda w: -2 * w), "no curvature at x0 is positive"),
        (
            lambda: inertia.minimize(lambda w: w @ w, np.ones(2), steps=5, gradient=lambda w: 2 * w - 1e9 * w**0),
            "every run ended above its start|is not its slope",
        ),
        (jax_call(lambda jnp: inertia.minimize(valley(), jnp.ones(2))), "a Problem computes in numpy"),
        (jax_call(lambda jnp: inertia.minimize(lambda w: w, jnp.ones(2))), "one real number is needed"),
        (jax_call(lambda jnp: inertia.minimize(lambda w: jnp.sum(jnp.log(w)), jnp.zeros(2))), "is not finite there"),
        (jax_call(lambda jnp: inertia.minimize(lambda w: jnp.sum(w) * 1.0, jnp.ones(2, int))), "x0 has dtype int"),
        (jax_call(lambda jnp: inertia.minimize(lambda w: jnp.sum(w), jnp.ones(2), Method(1.0), 0)), "steps = 0"),
        (jax_call(lambda jnp: inertia.minimize(lambda w: jnp.sum(w**2), jnp.ones(2), Method(-1.0))), "alpha = -1 is not positive"),
    ],
)
def test_bad_input_is_refused(call, message):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", inertia.errors.InertiaWarning)
        with pytest.raises(BadInput, match=message):
            call()

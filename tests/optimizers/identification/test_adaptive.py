"""Adam and its kin, named with their numbers: classes of torch, optax and Keras, a user's own, and what none of them is."""

import json
import warnings

import numpy as np
import pytest

import inertia

TORCH = {
    "Adam": (
        "Adam",
        {"betas": (0.8, 0.99), "eps": 1e-6, "weight_decay": 1e-3},
        {"beta1": 0.8, "beta2": 0.99, "eps": 1e-6, "coupled": 1e-3},
    ),
    "AdamW": ("AdamW", {"weight_decay": 0.02}, {"beta1": 0.9, "beta2": 0.999, "eps": 1e-8, "omega": 2e-5, "per_rate": True}),
    "Adam with AMSGrad": ("Adam", {"amsgrad": True}, {"kind": "amsgrad"}),
    "NAdam": ("NAdam", {"momentum_decay": 0.004}, {"look": "torch", "growth": 0.004}),
    "RAdam": ("RAdam", {}, {"rectified": True, "place": "plain"}),
    "RMSprop": ("RMSprop", {"alpha": 0.95}, {"beta2": 0.95, "bias2": False, "eps": 1e-8}),
    "RMSprop with momentum": ("RMSprop", {"momentum": 0.7}, {"beta1": 0.7, "before": True}),
    "Adagrad": ("Adagrad", {}, {"kind": "sum", "eps": 1e-10}),
}


def holds(metric, wanted):
    for name, value in wanted.items():
        got = getattr(metric, name)
        assert got == (pytest.approx(value, rel=1e-5) if isinstance(value, float) else value), name


@pytest.mark.parametrize("called", TORCH)
def test_torch_classes_are_named_with_their_numbers(called):
    torch = pytest.importorskip("torch")
    name, options, wanted = TORCH[called]
    found = inertia.torch.identify(lambda ps: getattr(torch.optim, name)(ps, lr=1e-3, **options))
    assert found.verdict.startswith(f"{called}, learning rate 0.001")
    assert not found.linear
    assert not found.warnings
    holds(found.metric, wanted)


def test_a_schedule_and_groups_of_adamw_are_told():
    torch = pytest.importorskip("torch")

    def make(params):
        groups = [{"params": params[:2], "weight_decay": 0.1}, {"params": params[2:], "weight_decay": 0.0}]
        optimizer = torch.optim.AdamW(groups, lr=1e-3)
        return optimizer, torch.optim.lr_scheduler.LambdaLR(optimizer, lambda k: min(1.0, k / 10))

    found = inertia.torch.identify(make)
    assert [one.verdict.split(",")[0] for one in found.groups] == ["AdamW", "Adam"]
    np.testing.assert_allclose(found.groups[0].alphas[:12], [1e-3 * min(1.0, k / 10) for k in range(12)], rtol=1e-6, atol=1e-12)
    assert (found.groups[0].weight_decay, found.groups[0].decay_times_rate) == (pytest.approx(0.1), True)
    assert json.loads(json.dumps(found.to_json()))["groups"][0]["adaptive"]["beta2"] == pytest.approx(0.999)


def test_optax_writes_some_of_them_in_another_way():
    pytest.importorskip("jax")
    import optax

    holds(inertia.identify(optax.amsgrad(1e-3)).metric, {"kind": "amsgrad hat", "place": "outside"})
    holds(inertia.identify(optax.nadam(1e-3)).metric, {"look": "optax"})
    holds(inertia.identify(optax.adam(1e-3, eps=1e-7, eps_root=1e-6)).metric, {"eps": 1e-7, "root": 1e-6})
    decayed = inertia.identify(optax.adamw(optax.linear_schedule(1e-3, 0, 60), weight_decay=0.1))
    assert (decayed.weight_decay, decayed.decay_times_rate) == (pytest.approx(0.1), True)  # the schedule tells


def test_keras_stands_eps_elsewhere():
    pytest.importorskip("keras")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what Keras's backends say about numpy
        import keras

        found = inertia.identify(lambda: keras.optimizers.Adam(1e-3))
    assert found.verdict.startswith("Adam, ")
    assert found.metric.beta2 == pytest.approx(0.999, rel=1e-3)
    if keras.backend.backend() == "torch":  # in double precision
        holds(found.metric, {"place": "plain", "eps": 1e-7})


@pytest.mark.parametrize("single", [True, False])
def test_squares_that_are_added_up_and_a_momentum_are_no_rmsprop_that_hardly_forgets(single):
    """optax's SM3 on a vector, and the same rule written out: sum of squares, then an averaged quotient."""
    optax = pytest.importorskip("optax")
    import jax
    import jax.numpy as jnp

    def update(grads, state, params=None):
        total, average = state
        total = jax.tree.map(lambda v, g: v + g * g, total, grads)
        average = jax.tree.map(lambda m, g, v: 0.9 * m + 0.1 * g / jnp.sqrt(v + 1e-8), average, grads, total)
        return jax.tree.map(lambda m: -0.1 * m, average), (total, average)

    def zeros(params):
        return jax.tree.map(jnp.zeros_like, params), jax.tree.map(jnp.zeros_like, params)

    made = optax.sm3(0.1, momentum=0.9) if single else optax.GradientTransformation(zeros, update)
    found = inertia.jax.identify(made, params={"b": jnp.zeros(3)})
    assert found.verdict.startswith("Adagrad with momentum, learning rate 0.01, momentum 0.9")
    holds(found.metric, {"kind": "sum", "before": True})
    assert found.metric.beta1 == pytest.approx(0.9, rel=1e-4)
    assert found.metric.eps == pytest.approx(1e-8, rel=1e-3)


def make_adam():
    """A user's own, with no bias correction and eps under the root."""
    m, v = np.zeros(8), np.zeros(8)

    def step(grad):
        m[:] = 0.95 * m + 0.05 * grad
        v[:] = 0.98 * v + 0.02 * grad**2
        return -0.01 * m / np.sqrt(v + 1e-10)

    return step


def test_a_function_that_makes_a_step_is_told():
    found = inertia.identify(make_adam)
    holds(found.metric, {"beta1": 0.95, "beta2": 0.98, "eps": 1e-10, "place": "inside", "bias1": False, "bias2": False})
    assert found.metric.rates[-1] == pytest.approx(0.01)
    assert "no bias correction" in str(found)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("lion", "the sign of an average of gradients"),
        ("sign_sgd", "the sign of the gradient"),
        ("lamb", "where the parameters are"),
        ("prodigy", "it is none of"),
        ("schedule_free_adamw", "where the parameters are"),
    ],
)
def test_what_it_is_not(name, said):
    pytest.importorskip("jax")
    import optax

    make = getattr(optax, name, None) or getattr(optax.contrib, name)
    found = inertia.identify(make(1.0 if name == "prodigy" else 1e-3))
    assert found.metric is None
    assert found.method is None
    assert said in str(found)


def test_an_adam_behind_clipping_by_norm_is_not_denied():
    pytest.importorskip("jax")
    import optax

    found = inertia.identify(optax.chain(optax.clip_by_global_norm(1.0), optax.adamw(1e-3, weight_decay=0.1)))
    assert found.metric is None
    assert "unless one stands behind a clipping by norm: then identify it without the clipping" in str(found)
    assert "it decays them, keeps points of its own" in str(found)


def test_one_direction_betrays_what_learns_its_own_rate():
    """Prodigy's first steps under random gradients are those of an Adam with a tiny rate; under one direction they are not."""
    pytest.importorskip("torch")
    prodigy = pytest.importorskip("prodigyopt")
    found = inertia.torch.identify(lambda ps: prodigy.Prodigy(ps, lr=1.0))
    assert found.metric is None

"""The transformation against optax.sgd and the numpy loop, in every composition optax offers, for every dtype."""

import gc
import warnings
import weakref

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import inertia.jax as room
from inertia.core.method import Method, init, step
from inertia.core.method import readout as oracle_readout
from inertia.core.schedule import constant, cosine, linear, step_decay, warmup
from inertia.errors import BadInput


@pytest.fixture(autouse=True)
def _double():
    from inertia.jax.probe import double

    with double():
        yield


PARAMS = {"w": np.array([[-1.0, 2.0], [0.5, -0.3]]), "b": (np.array([3.0]), np.array(-2.0))}


def loss(params):
    return sum(jnp.sum(h * p**2 / 2 + 0.3 * jnp.cos(p)) for h, p in zip((0.2, 1.0, 4.0), jax.tree.leaves(params), strict=True))


def rosenbrock(p):
    return jnp.real((1 - p[0]) * jnp.conj(1 - p[0])) + 10 * jnp.real((p[1] - p[0] ** 2) * jnp.conj(p[1] - p[0] ** 2))


def ran(tx, params=PARAMS, steps=40, f=loss):
    params = jax.tree.map(jnp.asarray, params)
    state = tx.init(params)

    @jax.jit
    def advance(params, state):
        updates, state = tx.update(jax.tree.map(jnp.conj, jax.grad(f)(params)), state, params)
        return optax.apply_updates(params, updates), state

    for _ in range(steps):
        params, state = advance(params, state)
    assert advance._cache_size() == 1  # the second update did not compile again
    return params, state


def close(one, two, **tolerance):
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, **tolerance), one, two)


def exact(schedule):
    """optax computes its own schedules in float32 from an int32 count; in float64 they are the same formula."""
    return lambda count: schedule(count.astype(float))


SHAPES = {
    "constant": (constant, lambda lr: lr),
    "linear": (lambda m: linear(m, 30), lambda lr: exact(optax.linear_schedule(lr, 0.0, 30))),
    "cosine": (lambda m: cosine(m, 30), lambda lr: exact(optax.cosine_decay_schedule(lr, 30))),
    "steps": (lambda m: step_decay(m, 10, 0.5), lambda lr: exact(optax.exponential_decay(lr, 10, 0.5, staircase=True))),
}


@pytest.mark.parametrize(
    ("shape", "nesterov"), [("constant", False), ("constant", True), ("linear", True), ("cosine", False), ("steps", True)]
)
def test_optax_sgd_is_a_special_case(shape, nesterov):
    ours, theirs = SHAPES[shape]
    method = Method(0.15, beta=0.9, gamma=0.9 if nesterov else 0.0)
    # constant heavy ball is bitwise; the others differ in the last bit of a coefficient
    close(ran(room.momentum(ours(method)))[0], ran(optax.sgd(theirs(0.15), momentum=0.9, nesterov=nesterov))[0], rtol=1e-12)
    if shape == "constant" and not nesterov:
        jax.tree.map(np.testing.assert_array_equal, ran(room.momentum(method))[0], ran(optax.sgd(0.15, momentum=0.9))[0])


@pytest.mark.parametrize("method", [Method(0.1), Method(0.1, 0.8, 0.3, 0.7), Method(0.05, 0.0, 1.0), Method(0.1, -0.4, 0.2)])
def test_every_method_is_the_numpy_loop(method):
    def grad(x):
        return 0.2 * x - 0.3 * np.sin(x)

    x = np.array([-1.0, 2.0, 5.0])
    v = init(x)
    for _ in range(40):
        x, v = step(method, x, v, grad(x))
    params, state = ran(room.momentum(method), np.array([-1.0, 2.0, 5.0]), f=lambda p: jnp.sum(0.1 * p**2 + 0.3 * jnp.cos(p)))
    np.testing.assert_allclose(params, x, rtol=1e-12)
    np.testing.assert_allclose(room.readout(params, state), oracle_readout(method, x, v), rtol=1e-12)


COMPOSITIONS = {
    "chain": lambda tx: optax.chain(optax.add_decayed_weights(0.01), optax.clip_by_global_norm(1.0), tx),
    "masked": lambda tx: optax.masked(tx, {"w": True, "b": (False, True)}),
    "multi_transform": lambda tx: optax.multi_transform({"a": tx, "z": optax.set_to_zero()}, {"w": "a", "b": ("a", "z")}),
    "accumulated": lambda tx: optax.MultiSteps(tx, every_k_schedule=3),
    "guarded": lambda tx: optax.apply_if_finite(tx, max_consecutive_errors=3),
}


@pytest.mark.parametrize("name", COMPOSITIONS)
def test_it_composes_as_optax_sgd_does(name):
    wrap = COMPOSITIONS[name]
    params, state = ran(wrap(room.momentum(linear(Method(0.05, 0.9, 0.9, 0.4), 50))))
    expected, _ = ran(wrap(optax.sgd(exact(optax.linear_schedule(0.05, 0.0, 50)), momentum=0.9, nesterov=True)))
    close(params, expected, rtol=1e-11)
    out = room.readout(params, state)
    assert jax.tree.structure(out) == jax.tree.structure(params)
    moved = [not np.array_equal(a, b) for a, b in zip(jax.tree.leaves(out), jax.tree.leaves(params), strict=True)]
    # leaves in order b0, b1, w: those the transformation does not own are read out as they are
    assert moved == {"masked": [False, True, True], "multi_transform": [True, False, True]}.get(name, [True, True, True])


def test_a_non_finite_gradient_is_skipped_by_apply_if_finite():
    tx = optax.apply_if_finite(room.momentum(Method(0.1, beta=0.9)), max_consecutive_errors=2)
    params = jnp.ones(2)
    state = tx.init(params)
    updates, state = tx.update(jnp.array([jnp.nan, 1.0]), state, params)
    np.testing.assert_array_equal(updates, 0)
    updates, _ = tx.update(jnp.ones(2), state, params)
    np.testing.assert_allclose(updates, -0.1)


@pytest.mark.parametrize(
    ("dtype", "nesterov"),
    [
        ("float16", False),
        ("bfloat16", True),
        ("bfloat16", False),
        ("float32", True),
        ("float64", False),
        ("complex64", False),
        ("complex128", True),
    ],
)
def test_every_dtype_keeps_its_dtype_and_follows_optax(dtype, nesterov):
    start = jnp.array([-0.5, 0.8], dtype)
    ours, state = ran(room.momentum(Method(0.01, 0.7, 0.7 if nesterov else 0.0)), start, 30, rosenbrock)
    theirs, _ = ran(optax.sgd(0.01, momentum=0.7, nesterov=nesterov), start, 30, rosenbrock)
    assert (ours.dtype, state.velocity.dtype) == (start.dtype, start.dtype)
    assert rosenbrock(ours) < rosenbrock(start)
    # Nesterov is the same sum in another order: some units in the last place per step
    tolerance = 0 if not nesterov else 60 * float(jnp.finfo(dtype).eps)
    np.testing.assert_allclose(np.asarray(ours, complex), np.asarray(theirs, complex), rtol=tolerance)


def test_a_float32_velocity_under_bfloat16_parameters_and_complex_ones():
    tx = room.momentum(Method(2.0**-9, beta=0.9), velocity_dtype=jnp.float32)
    params = {"r": jnp.ones(3, jnp.bfloat16), "c": jnp.ones(2, jnp.complex64)}
    state = tx.init(params)
    assert (state.velocity["r"].dtype, state.velocity["c"].dtype) == (jnp.float32, jnp.complex64)
    for _ in range(50):
        updates, state = tx.update(params, state)
    assert updates["r"].dtype == jnp.bfloat16
    # sum of 0.9^k over 50 steps: float32 knows it to 1e-6, bfloat16 would not
    np.testing.assert_allclose(state.velocity["r"], (1 - 0.9**50) / 0.1, rtol=1e-6)


def test_a_new_method_does_not_compile_again():
    compiled = []
    tx = optax.chain(optax.identity(), room.momentum(Method(0.1, beta=0.9)))
    params = jnp.array([1.0, -2.0])
    state = tx.init(params)

    @jax.jit
    def advance(params, state):
        compiled.append(1)
        updates, state = tx.update(params, state, params)
        return optax.apply_updates(params, updates), state

    x, v = np.array([1.0, -2.0]), np.zeros(2)
    for method in (Method(0.1, 0.9), Method(0.2, 0.5, 0.5), Method(0.05), Method(np.float32(0.25), -0.5, 1, 2)):
        state = room.with_method(state, method)
        params, state = advance(params, state)
        x, v = step(method, x, v, x)
    np.testing.assert_allclose(params, x, rtol=1e-12)
    assert len(compiled) == 1


def test_gamma_without_beta_looks_at_the_old_velocity():
    optimistic = Method(0.1, beta=0.0, gamma=1.0)
    params, _ = ran(room.momentum(optimistic), np.array([1.0, -2.0]), 8, lambda p: jnp.sum(p**2))
    x, v = np.array([1.0, -2.0]), np.zeros(2)
    for _ in range(8):
        x, v = step(optimistic, x, v, 2 * x)
    np.testing.assert_allclose(params, x, rtol=1e-12)


def test_methods_vmap():
    def final(alpha, beta):
        tx = room.momentum(Method(alpha, beta))
        params = jnp.ones(())
        state = tx.init(params)
        for _ in range(5):
            updates, state = tx.update(2.0 * params, state)
            params = params + updates
        return params

    grid = jax.vmap(final)(jnp.array([0.1, 0.3]), jnp.array([0.9, 0.0]))
    for value, method in zip(grid, (Method(0.1, 0.9), Method(0.3)), strict=True):
        x, v = 1.0, 0.0
        for _ in range(5):
            x, v = step(method, x, v, 2 * x)
        np.testing.assert_allclose(value, x, rtol=1e-12)


def test_the_velocity_is_sharded_as_its_parameter():
    mesh = jax.sharding.Mesh(np.array(jax.devices()[:1]), ("d",))
    sharding = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec("d"))
    params = jax.device_put(jnp.arange(8.0), sharding)
    state = room.momentum(Method(0.1, 0.9)).init(params)
    assert state.velocity.sharding.is_equivalent_to(sharding, 1)


def test_an_own_schedule_and_warm_up_run_inside_the_compiled_step():
    def own(k):
        return Method(0.1 / (1 + k), beta=0.5 + 0.4 * k / (k + 3.0))

    for schedule in (own, warmup(constant(Method(0.1, 0.9)), 5)):
        params, _ = ran(room.momentum(schedule), np.array([1.0]), 12, lambda p: jnp.sum(p**2))
        x, v = np.array([1.0]), np.zeros(1)
        for k in range(12):
            x, v = step(schedule(k), x, v, 2 * x)
        np.testing.assert_allclose(params, x, rtol=1e-12)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: room.momentum(Method(-1.0)), "alpha = -1 is not positive"),
        (lambda: room.with_method(room.momentum(Method(1.0)).init(jnp.ones(1)), Method(1.0, beta=2)), "beta = 2 is outside"),
        (lambda: room.with_method(optax.adam(1e-3).init(jnp.ones(1)), Method(1.0)), "no momentum state in this optimizer state"),
        (
            lambda: room.with_method(room.momentum(Method(0.1, 0.9)).init(jnp.ones(1)), Method(0.1, 0.0, 1.0)),
            "beta = 0 with gamma = 1 steps back along the old velocity.*make a new transformation",
        ),
        (lambda: room.readout(jnp.ones(1), optax.sgd(0.1).init(jnp.ones(1))), "no momentum state in this optimizer state"),
        (lambda: room.momentum(Method(1.0)).init({"n": jnp.arange(3)}), "a parameter has dtype int64"),
        (
            lambda: ran(room.momentum(lambda k: Method(0.1 * float(k) + 0.1)), np.ones(1), 1, lambda p: jnp.sum(p)),
            "cannot be compiled: write it with",
        ),
    ],
)
def test_bad_input_is_refused(call, message):
    with pytest.raises(BadInput, match=message):
        call()


def injected_run(tx, change=lambda state, k: None, jit=True):
    """The end of a run, and how often its step was compiled."""
    params = {"w": jnp.array([1.0, -2.0]), "b": jnp.array(0.5)}
    state = tx.init(params)

    def advance(params, state):
        grads = jax.tree.map(lambda p: 0.7 * p + 0.3 * jnp.sin(p), params)
        updates, state = tx.update(grads, state, params)
        return optax.apply_updates(params, updates), state

    run = jax.jit(advance) if jit else advance
    for k in range(12):
        change(state, k)
        params, state = run(params, state)
    return params, run._cache_size() if jit else 0


def ours_in_words(learning_rate, momentum=0.9, nesterov=False):
    return room.momentum(learning_rate=learning_rate, momentum=momentum, nesterov=nesterov)


def ours_as_method(learning_rate, momentum=0.9, nesterov=False):
    return room.momentum(Method(learning_rate, momentum, momentum if nesterov else 0.0))


@pytest.mark.parametrize("jit", [True, False])
@pytest.mark.parametrize("nesterov", [False, True])
@pytest.mark.parametrize("make", [ours_in_words, ours_as_method, room.momentum])
def test_inject_hyperparams_is_honoured(make, nesterov, jit):
    """Schedules and values changed by hand, against optax.sgd under the same wrapper."""

    def by_hand(state, k):
        if k == 4:
            state.hyperparams["learning_rate"] = jnp.asarray(0.02)
        if k == 8:
            state.hyperparams["momentum"] = jnp.asarray(0.5)

    both = [optax.inject_hyperparams(f, static_args="nesterov") for f in (make, optax.sgd)]
    paths = [injected_run(f(learning_rate=0.1, momentum=0.9, nesterov=nesterov), change=by_hand, jit=jit) for f in both]
    close(paths[0][0], paths[1][0], rtol=1e-12)
    assert paths[0][1] <= paths[1][1]
    falling = optax.linear_schedule(0.2, 0.0, 10)
    rising = optax.linear_schedule(0.5, 0.95, 10)
    paths = [injected_run(f(learning_rate=falling, momentum=rising, nesterov=nesterov), jit=jit) for f in both]
    close(paths[0][0], paths[1][0], rtol=1e-5)  # optax computes its schedules in float32
    assert paths[0][1] <= paths[1][1]


def test_what_changed_last_counts_injected_or_put_by_hand():
    tx = optax.inject_hyperparams(ours_in_words)(learning_rate=0.1, momentum=0.0)
    state = tx.init(jnp.ones(1))
    _, state = tx.update(jnp.ones(1), state, jnp.ones(1))
    state = room.with_method(state, Method(0.3))
    for expected in (-0.3, -0.3):
        updates, state = tx.update(jnp.ones(1), state, jnp.ones(1))
        np.testing.assert_allclose(updates, expected)
    state.hyperparams["learning_rate"] = jnp.asarray(0.05)
    updates, state = tx.update(jnp.ones(1), state, jnp.ones(1))
    np.testing.assert_allclose(updates, -0.05)


def test_a_transformation_made_anew_each_step_steps_with_its_own_coefficients():
    x, state = jnp.array(1.0), room.momentum(Method(0.1, 0.9)).init(jnp.array(1.0))
    p, v = 1.0, 0.0
    for rate in (0.1, 0.2, 0.05):
        updates, state = room.momentum(Method(rate, 0.9)).update(2 * x, state)
        x = x + updates
        p, v = step(Method(rate, 0.9), p, v, 2 * p)
    np.testing.assert_allclose(x, p, rtol=1e-12)


def test_extra_arguments_are_taken_and_passed_by():
    tx = optax.chain(room.momentum(Method(0.1)), optax.contrib.reduce_on_plateau())
    state = tx.init(jnp.ones(2))
    updates, _ = tx.update(jnp.ones(2), state, jnp.ones(2), value=1.0, anything=3)
    np.testing.assert_allclose(updates, -0.1)
    updates, _ = room.momentum(Method(0.1)).update(jnp.ones(2), room.momentum(Method(0.1)).init(jnp.ones(2)), None, value=2.0)
    np.testing.assert_allclose(updates, -0.1)


def test_a_learning_rate_of_zero_is_a_step_of_zero():
    for tx in (room.momentum(Method(0.0, 0.9)), room.momentum(learning_rate=optax.linear_schedule(0.0, 1.0, 4), momentum=0.9)):
        updates, state = tx.update(jnp.ones(2), tx.init(jnp.ones(2)))
        np.testing.assert_array_equal(updates, 0)
        np.testing.assert_array_equal(state.velocity, 1)
    assert float(room.with_method(state, Method(0.0, 0.5)).method.alpha) == 0


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
@pytest.mark.parametrize("nesterov", [False, True])
def test_half_precision_updates_are_within_one_unit_of_optax(dtype, nesterov):
    key = jax.random.key(0)
    ours, theirs = room.momentum(Method(0.01, 0.9, 0.9 * nesterov)), optax.sgd(0.01, momentum=0.9, nesterov=nesterov)
    a, b = (tx.init(jnp.zeros(64, dtype)) for tx in (ours, theirs))
    for k in range(8):
        grad = jax.random.normal(jax.random.fold_in(key, k), (64,)).astype(dtype)
        (one, a), (two, b) = jax.jit(ours.update)(grad, a), jax.jit(theirs.update)(grad, b)
        # velocities are summed in another order: the update may differ by what rounds the velocity, relative to its largest
        gap = jnp.abs(one.astype(float) - two.astype(float)).max()
        assert gap <= 2 * float(jnp.finfo(dtype).eps) * float(jnp.abs(two).max())


STATES = {
    "partition": lambda a, b: getattr(optax, "partition", optax.multi_transform)({"a": a, "b": b}, {"w": "a", "v": "b"}),
    "named chain": lambda a, b: optax.named_chain(("first", optax.clip(10.0)), ("second", a)),
    "two masks": lambda a, b: optax.chain(optax.masked(a, {"w": True, "v": False}), optax.masked(b, {"w": False, "v": True})),
}


@pytest.mark.parametrize("name", STATES)
def test_states_inside_other_states_are_read_out_and_changed(name):
    one, two = Method(0.1, 0.5, 0.0, 0.7), Method(0.2, 0.8, 0.0, 0.4)
    tx = STATES[name](room.momentum(one), room.momentum(two))
    params = {"w": jnp.array(1.0), "v": jnp.array(-1.0)}
    _, state = tx.update(params, tx.init(params), params)
    out = room.readout(params, state)
    second = one if name == "named chain" else two
    np.testing.assert_allclose(out["w"], 1.0 - one.alpha * one.delta * 1.0)
    np.testing.assert_allclose(out["v"], -1.0 - second.alpha * second.delta * -1.0)
    updates, _ = tx.update(params, room.with_method(state, Method(0.5)), params)
    np.testing.assert_allclose([updates["w"], updates["v"]], [-0.5, 0.5])


def test_compiled_programs_are_freed_with_their_losses_and_nothing_global_changes():
    from inertia.jax.loop import ground_of

    flags = (jax.config.jax_enable_x64, jax.config.jax_default_matmul_precision, list(warnings.filters), np.random.get_state()[1].copy())  # noqa: NPY002

    class Loss:
        def __call__(self, p):
            return jnp.sum((p - 1.0) ** 2)

    loss = Loss()
    _, product, run = ground_of(loss, np.ones(3), 5, None, 100)
    run(Method(0.1, 0.5))
    product(np.ones(3))
    gone = weakref.ref(loss)
    del loss, product, run
    gc.collect()
    assert gone() is None
    assert flags[:3] == (jax.config.jax_enable_x64, jax.config.jax_default_matmul_precision, list(warnings.filters))
    assert np.array_equal(flags[3], np.random.get_state()[1])  # noqa: NPY002


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: room.momentum(), "the words of optax.sgd: learning_rate=0.1"),
        (lambda: room.momentum(0.1), r"0.1 is not a Method: write momentum\(Method\(0.1, beta=0.9\)\), or momentum\(learning_rate=0.1"),
        (
            lambda: room.momentum(optax.linear_schedule(0.1, 0.0, 5)).init(jnp.ones(1)),
            "the schedule gives a number.*learning_rate=schedule",
        ),
        (lambda: room.momentum(Method(0.1), momentum=0.9), "both given"),
        (lambda: room.momentum(learning_rate=-0.1), "alpha = -0.1 is not positive"),
        (lambda: room.momentum(learning_rate="fast"), "alpha = 'fast' is not a number"),
    ],
)
def test_words_that_mean_nothing_are_refused_with_what_to_write(call, said):
    with pytest.raises(BadInput, match=said):
        call()


def test_the_room_lists_what_it_has():
    assert dir(room) == sorted(room.__all__)
    with pytest.raises(AttributeError, match="no attribute 'momemtum'"):
        room.momemtum  # noqa: B018

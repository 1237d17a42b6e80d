"""Every convention run natively: torch, optax and keras themselves, the others as their papers or sources write them."""

import os

import numpy as np
import pytest

X0 = np.array([1.5, -0.7, 0.3])
CURVATURES = np.array([1.0, 3.0, 0.2])


def gradient(x):
    """Of sum(h x^2/2 + cos x): nonlinear, so that a gradient taken at the wrong point shows."""
    return CURVATURES * x - np.sin(x)


def run_torch(rates, momentum=0.0, dampening=0.0, nesterov=False, weight_decay=0.0, start=X0, state=None):
    torch = pytest.importorskip("torch")
    p = torch.nn.Parameter(torch.tensor(start))
    optimizer = torch.optim.SGD([p], lr=1.0, momentum=momentum, dampening=dampening, nesterov=nesterov, weight_decay=weight_decay)
    if state is not None:
        optimizer.state[p]["momentum_buffer"] = torch.tensor(state)
    path = [p.detach().numpy().copy()]
    for lr in rates:
        optimizer.param_groups[0]["lr"] = lr
        p.grad = torch.tensor(gradient(path[-1]))
        optimizer.step()
        path.append(p.detach().numpy().copy())
    return np.array(path), optimizer.state[p].get("momentum_buffer", torch.zeros(3)).numpy().copy()


def _optax(transform, start, state):
    jax = pytest.importorskip("jax")
    from inertia.jax.probe import double
    from inertia.optimizers.conventions import write_optax

    with double():
        import optax

        x = jax.numpy.asarray(start)
        held = transform(optax).init(x)
        if state is not None:
            held = write_optax(held, jax.numpy.asarray(state))
        path = [np.asarray(x)]
        update = transform(optax).update
        while (yield path, held):
            updates, held = update(jax.numpy.asarray(gradient(path[-1])), held, x)
            x = optax.apply_updates(x, updates)
            path.append(np.asarray(x))


def _optax_run(transform, steps, start, state):
    from inertia.optimizers.conventions import read_optax

    runner = _optax(transform, start, state)
    next(runner)
    for _ in range(steps):
        path, held = runner.send(True)
    try:
        buffer = np.asarray(read_optax(held))
    except ValueError:
        buffer = None
    runner.close()
    return np.array(path), buffer


def run_optax(rates, momentum=0.0, nesterov=False, weight_decay=0.0, start=X0, state=None):
    table = np.asarray(rates)

    def transform(optax):
        import jax.numpy as jnp

        sgd = optax.sgd(lambda count: jnp.asarray(table)[count], momentum=momentum, nesterov=nesterov)
        return optax.chain(optax.add_decayed_weights(weight_decay), sgd) if weight_decay else sgd

    return _optax_run(transform, len(rates), start, state)


def run_optax_ema(rates, decay, debias, start=X0, state=None):
    table = np.asarray(rates)

    def transform(optax):
        import jax.numpy as jnp

        return optax.chain(optax.ema(decay, debias=debias), optax.scale_by_schedule(lambda count: -jnp.asarray(table)[count]))

    return _optax_run(transform, len(rates), start, state)


def keras():
    os.environ.setdefault("KERAS_BACKEND", "jax")
    return pytest.importorskip("keras")


def run_keras(rates, momentum=0.0, nesterov=False, start=X0, state=None):
    k = keras()
    import contextlib

    from inertia.jax.probe import double

    with double() if k.backend.backend() == "jax" else contextlib.nullcontext():
        variable = k.Variable(start, dtype="float64")
        optimizer = k.optimizers.SGD(1.0, momentum=momentum, nesterov=nesterov)
        optimizer.build([variable])
        optimizer._learning_rate = k.Variable(1.0, dtype="float64", trainable=False)
        if state is not None:
            optimizer.momentums[0].assign(state)
        path = [np.asarray(variable.value)]
        for lr in rates:
            optimizer._learning_rate.assign(lr)
            optimizer.apply([k.ops.convert_to_tensor(gradient(path[-1]), dtype="float64")], [variable])
            path.append(np.asarray(variable.value))
        return np.array(path), np.asarray(optimizer.momentums[0].value) if momentum else None


def run_tf1(rates, momentum=0.0, nesterov=False, start=X0, state=None):
    x, accum, path = start.copy(), np.zeros(3) if state is None else state, [start]
    for lr in rates:  # tensorflow/core/kernels/training_ops.cc, ApplyMomentum
        g = gradient(x)
        accum = accum * momentum + g
        x = x - (g * lr + accum * momentum * lr if nesterov else accum * lr)
        path.append(x)
    return np.array(path), accum


def run_mxnet(rates, momentum=0.0, start=X0, state=None):
    x, mom, path = start.copy(), np.zeros(3) if state is None else state, [start]
    for lr in rates:
        mom = momentum * mom + lr * gradient(x)
        x = x - mom
        path.append(x)
    return np.array(path), mom


def run_sutskever(rates, momentum=0.0, nesterov=True, start=X0, state=None):
    x, v, path = start.copy(), np.zeros(3) if state is None else state, [start]
    for lr in rates:
        v = momentum * v - lr * gradient(x + momentum * v if nesterov else x)
        x = x + v
        path.append(x)
    return np.array(path), v


def run_ema(rates, beta, start=X0, state=None):
    x, v, path = start.copy(), np.zeros(3) if state is None else state, [start]
    for lr in rates:
        v = beta * v + (1 - beta) * gradient(x)
        x = x - lr * v
        path.append(x)
    return np.array(path), v


def run_qhm(rates, beta, nu, start=X0, state=None):
    x, v, path = start.copy(), np.zeros(3) if state is None else state, [start]
    for lr in rates:
        g = gradient(x)
        v = beta * v + (1 - beta) * g
        x = x - lr * ((1 - nu) * g + nu * v)
        path.append(x)
    return np.array(path), v


def run_polyak(rates, b=0.0, start=X0, state=None):
    x, before, path = start.copy(), start.copy() if state is None else state, [start]
    for a in rates:
        x, before = x - a * gradient(x) + b * (x - before), x
        path.append(x)
    return np.array(path), before


def run_method(rates, beta=0.0, gamma=0.0, delta=0.0, start=X0, state=None):
    del delta  # read-out only
    # the two-sequence form of the paper for a constant alpha; the buffer is the sum of past gradients
    x, v, path = start.copy(), np.zeros(3) if state is None else state, [start]
    for alpha in rates:
        new = beta * v + gradient(x)
        x, v = x - alpha * ((1 + gamma) * new - gamma * v), new
        path.append(x)
    return np.array(path), v


def run_physics(steps, mass, drag, dt, start=X0):
    x, speed, path = start.copy(), np.zeros(3), [start]
    for _ in range(steps):  # m x'' = -f'(x) - c x', semi-implicit Euler in position and speed
        speed = speed + dt / mass * (-gradient(x) - drag * speed)
        x = x + dt * speed
        path.append(x)
    return np.array(path)


# name -> (runner, the setting that is the learning rate)
RUN = {
    "torch": (run_torch, "lr"), "optax": (run_optax, "learning_rate"), "optax-ema": (run_optax_ema, "learning_rate"),
    "tf1": (run_tf1, "learning_rate"), "keras": (run_keras, "learning_rate"), "mxnet": (run_mxnet, "learning_rate"),
    "sutskever": (run_sutskever, "lr"), "ema": (run_ema, "lr"), "qhm": (run_qhm, "lr"), "polyak": (run_polyak, "a"),
    "method": (run_method, "alpha"),
}  # fmt: skip


def native(name, settings, factors, **start):
    """The path and last buffer of a convention with its learning rate times `factors`, step by step."""
    runner, rate = RUN[name]
    rest = {key: value for key, value in settings.items() if key not in (rate, "wd") and not (key == "weight_decay" and not value)}
    return runner(settings[rate] * np.asarray(factors), **rest, **start)

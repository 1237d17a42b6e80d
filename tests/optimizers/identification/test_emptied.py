"""Whether a buffer was emptied: told where a kept one would have been seen, and only there.

At a warm restart the learning rate jumps up. With the rate inside the buffer, or with a small momentum, what is left of the
gradients before it is then below the rounding of the step, emptied or not.
"""

import numpy as np
import pytest

from inertia import identify
from inertia.optimizers.identification.bench import Outcome
from inertia.optimizers.identification.kernel import SLACK, kernel_of, recursion
from inertia.optimizers.identification.recursion import Home, Recursion
from inertia.optimizers.identification.words import told

STEPS = 48
SINGLE, DOUBLE = 2.0**-23, 2.0**-52


def rates(kind, draw, period, low):
    k = np.arange(STEPS)
    return {
        "saw": np.exp(np.log(low) * ((k % period) / period)),
        "cosine": low + (1 - low) * (1 + np.cos(np.pi * (k % period) / period)) / 2,
        "drop": np.where(k < period, 1.0, low),
        "comb": np.where(k % period == 0, low, 1.0),
        "random": np.exp(np.log(low) * draw.random(STEPS)),
    }[kind]


def case(seed, emptied):
    """A recursion under a schedule with jumps, and its kernel with every number rounded a few times."""
    draw = np.random.default_rng([seed, 4417])
    period, kind = int(draw.integers(3, 20)), ("saw", "cosine", "drop", "comb", "random")[seed % 5]
    alpha = rates(kind, draw, period, 10 ** draw.uniform(-7, 0)) * 10 ** draw.uniform(-8, 3)
    beta = float(10 ** draw.uniform(-1.5, -0.01))
    gamma, inside, eps = beta * (seed % 3 == 0), bool(draw.random() < 0.5), SINGLE if seed % 2 else DOUBLE
    true = Recursion(alpha, np.full(STEPS, beta), np.full(STEPS, gamma), inside=inside, lost=(period, 2 * period) if emptied else ())
    kernel = kernel_of(true)
    return true, kernel * (1 + eps * draw.uniform(-4, 4, kernel.shape)), SLACK * eps


def seen(true, k, tolerance):
    """By a second road: would a buffer kept at step k move it, before the next loss, well above the tolerance? or well below?"""
    rest = kernel_of(Recursion(**{**true.__dict__, "lost": tuple(one for one in true.lost if one != k)}))
    until = min([one for one in true.lost if one > k], default=STEPS)
    apart = np.abs(rest - kernel_of(true))[k:until].max(axis=1)
    scale = np.maximum(np.abs(rest), np.abs(kernel_of(true)))[k:until].max(axis=1)
    return bool(np.any(apart > 3 * tolerance * scale)), bool(np.all(apart < tolerance * scale / 3))


@pytest.mark.parametrize("seed", range(150))
def test_a_kept_buffer_is_never_called_emptied(seed):
    true, kernel, tolerance = case(seed, emptied=False)
    found = recursion(kernel, tolerance, Home(inside=true.inside, dampens=not true.inside))
    assert found is not None
    assert found.lost == ()
    assert np.allclose(found.beta, true.beta, rtol=1e-4)  # single precision; kappa of a small Nesterov momentum is a difference


@pytest.mark.parametrize("seed", range(60))
def test_an_emptied_buffer_is_told_where_a_kept_one_would_be_seen(seed):
    true, kernel, tolerance = case(seed, emptied=True)
    found = recursion(kernel, tolerance, Home(inside=true.inside, dampens=not true.inside))
    assert found is not None
    for k in true.lost:
        visible, hidden = seen(true, k, tolerance)
        if visible:
            assert k in found.lost
        if hidden:
            assert k not in found.lost
    assert set(found.lost) <= set(true.lost)


def test_a_momentum_below_the_resolution_is_not_missed():
    """Nesterov's momentum 0.004 moves the steps by its square only: in single precision these are plain steps."""
    steady = Recursion(np.full(STEPS, 0.1), np.zeros(STEPS), np.zeros(STEPS), inside=None)
    assert not told(Outcome(steady, rounding=SINGLE), declared=0.004).warnings
    assert "momentum 0.004 was asked for and is not there" in told(Outcome(steady, rounding=DOUBLE), declared=0.004).warnings[0]
    assert "momentum 0.9 was asked for and is not there" in told(Outcome(steady, rounding=SINGLE), declared=0.9).warnings[0]


def restarting(torch, clear):
    class Restarting(torch.optim.SGD):
        """SGD of somebody's own: its rate restarts every 8 steps, and with `clear` its state does as well."""

        def __init__(self, params, **options):
            super().__init__(params, **options)
            self.count, self.full = 0, options["lr"]

        def step(self, closure=None):
            place = self.count % 8
            if clear and self.count and place == 0:
                self.state.clear()
            for group in self.param_groups:
                group["lr"] = self.full * (1e-6 + (1 + np.cos(np.pi * place / 8)) / 2)
            self.count += 1
            return super().step(closure)

    return Restarting


@pytest.mark.parametrize("clear", [False, True], ids=["kept", "emptied"])
@pytest.mark.parametrize("momentum", [0.06, 0.9])
@pytest.mark.parametrize("nesterov", [False, True], ids=["heavy-ball", "nesterov"])
def test_a_torch_optimizer_whose_rate_and_state_restart(momentum, nesterov, clear):
    torch = pytest.importorskip("torch")
    from inertia.torch import identify as of_torch

    made = restarting(torch, clear)
    found = of_torch(lambda params: made(params, lr=0.1, momentum=momentum, nesterov=nesterov))
    assert found.method.beta == pytest.approx(momentum, abs=1e-6)
    assert bool(found.warnings) is clear
    assert not clear or "the buffer is emptied every 8 steps" in found.warnings[0]


@pytest.mark.parametrize("clear", [False, True], ids=["kept", "emptied"])
@pytest.mark.parametrize("momentum", [0.06, 0.9])
def test_an_optax_chain_whose_rate_sits_inside_and_restarts(momentum, clear):
    """The rate before the trace, in float32 as jax computes it: the velocity gathered under a small rate is lost in the next."""
    jax, optax = pytest.importorskip("jax"), pytest.importorskip("optax")
    from inertia.jax import identify as of_jax

    rate = lambda k: -0.1 * (1e-6 + (1 + jax.numpy.cos(jax.numpy.pi * (k % 8) / 8)) / 2)  # noqa: E731
    plain = optax.chain(optax.scale_by_schedule(rate), optax.trace(momentum, nesterov=True))

    def update(updates, state, params=None):
        count, inner = state
        if clear:
            again = count % 8 == 0
            inner = jax.tree.map(lambda x: jax.numpy.where(again, 0 * x, x) if x.ndim else x, inner)
        updates, inner = plain.update(updates, inner, params)
        return updates, (count + 1, inner)

    made = optax.GradientTransformation(lambda params: (jax.numpy.zeros([], int), plain.init(params)), update)
    found = of_jax(made)
    assert found.method.beta == pytest.approx(momentum, abs=2e-6)
    assert bool(found.warnings) is clear
    assert not clear or "the buffer is emptied every 8 steps" in found.warnings[0]


def history(alpha, beta, gamma, lost, dtype, inside=False):
    draw, curvature = np.random.default_rng(3), np.geomspace(0.05, 2.0, 12)
    place, buffer, points, grads = draw.standard_normal(12).astype(dtype), np.zeros(12, dtype), [], []
    points.append(place)
    for k, rate in enumerate(alpha):
        buffer = buffer * 0 if k in lost else buffer
        grad = (curvature * place + 0.5 * draw.standard_normal(12)).astype(dtype)
        new = dtype(beta) * buffer + (dtype(rate) * grad if inside else grad)
        place = place - (dtype(1 + gamma) * new - dtype(gamma) * buffer) * (dtype(1) if inside else dtype(rate))
        buffer = new
        points.append(place)
        grads.append(grad)
    return points, grads


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("low", [1.0, 0.1, 1e-5])
@pytest.mark.parametrize("inside", [False, True], ids=["outside", "inside"])
def test_a_history_with_sharp_drops_names_only_steps_that_were_emptied(dtype, low, inside):
    """Outside the buffer a drop of the rate hides the momentum of that step, so no loss is told there; of others it is."""
    alpha = np.where(np.arange(60) % 7 == 3, low, 1.0) * 0.05
    assert not identify(*history(alpha, 0.5, 0.0, (), dtype, inside)).warnings
    found = identify(*history(alpha, 0.5, 0.0, (14, 28, 42), dtype, inside))
    assert set(found.lost) <= {14, 28, 42}
    if low == 1.0 or dtype is np.float64:  # points in single precision do not show a move of 1e-7
        assert found.lost == (14, 28, 42)


def test_a_history_of_less_than_its_rounding_is_read_without_an_error():
    """Points of size 1 in single precision that move by 1e-7: whatever is told, no momentum above 1 and no traceback."""
    for rate in (1e-6, 3e-7, 1e-7):
        for seed in range(3):
            alpha = rate * np.exp(-7 * np.random.default_rng(seed).random(60))
            found = identify(*history(alpha, 0.9, 0.0, (), np.float32))
            assert found.method is None or abs(found.method.beta) <= 1 + 1e-5

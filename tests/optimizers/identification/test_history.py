"""Whole training loops, read from the points they visited and the gradients they saw."""

import numpy as np
import pytest

from inertia.core.method import Method
from inertia.core.method import step as heart
from inertia.errors import BadInput
from inertia.optimizers.identification import identify
from inertia.optimizers.identification.verdict import NONLINEAR

CURVATURES = np.geomspace(0.05, 2.0, 12)


def history(methods, steps=60, reset=(), noise=0.0, inside=False, dtype=float, seed=0):
    """A noisy quadratic run: gradients are recorded (with `noise` added to the record only) at every point."""
    generator = np.random.default_rng(seed)
    params, velocity = generator.standard_normal(12).astype(dtype), np.zeros(12, dtype)
    points, grads = [params], []
    for k in range(steps):
        method = methods(k) if callable(methods) else methods
        method = Method(*(dtype(value) for value in method))
        if k in reset:
            velocity = np.zeros(12, dtype)
        grad = (CURVATURES * params + 0.5 * generator.standard_normal(12)).astype(dtype)
        if inside:
            new = method.beta * velocity + method.alpha * grad
            params, velocity = params - ((1 + method.gamma) * new - method.gamma * velocity), new
        else:
            params, velocity = heart(method, params, velocity, grad)
        points.append(params)
        grads.append(grad + noise * generator.standard_normal(12).astype(dtype))
    return points, grads


@pytest.mark.parametrize("method", [Method(0.1), Method(0.05, 0.9), Method(0.05, 0.9, 0.9), Method(0.05, 0.6, 0.3)], ids=str)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_a_loop_s_method_is_recovered(method, dtype):
    found = identify(*history(method, dtype=dtype))
    # float32 points carry 1e-7 of rounding, moves are a few per cent of the points
    np.testing.assert_allclose(found.method, method, atol=1e-8 if dtype is np.float64 else 2e-3)
    assert found.linear
    assert not found.warnings


def test_lists_of_arrays_and_a_trailing_gradient_are_read():
    points, grads = history(Method(0.05, 0.9))
    split = [[p[:4].reshape(2, 2), p[4:]] for p in points], [[g[:4].reshape(2, 2), g[4:]] for g in grads]
    assert identify(*split).verdict == "heavy ball"
    assert identify(points, [*grads, grads[-1]]).verdict == "heavy ball"


@pytest.mark.parametrize("inside", [False, True], ids=["outside", "inside"])
@pytest.mark.parametrize("gamma", [0.0, 0.9, 0.4])
def test_a_schedule_tells_where_the_rate_sits(inside, gamma):
    decaying = lambda k: Method(0.1 * (1 - k / 80), 0.9, gamma)  # noqa: E731
    found = identify(*history(decaying, inside=inside))
    assert found.inside is inside
    np.testing.assert_allclose(found.method, decaying(59), rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(found.alphas, [decaying(k).alpha for k in range(60)], rtol=1e-6)  # from step 0 on
    assert found.verdict.endswith("under a schedule")
    assert not found.warnings


def test_an_optimizer_made_anew_each_epoch_is_found():
    found = identify(*history(Method(0.05, 0.9), reset=range(0, 60, 15)))
    assert found.lost == (15, 30, 45)
    assert found.method.beta == pytest.approx(0.9)
    assert "the buffer is emptied every 15 steps (steps 15, 30, 45, ...): an optimizer re-created each epoch?" in found.warnings[0]


def test_a_buffer_that_was_zeroed_once_is_found():
    found = identify(*history(Method(0.05, 0.9), reset=(23,)))
    assert found.lost == (23,)
    assert "the buffer is emptied at step 23" in found.warnings[0]


def test_a_scheduler_that_overwrites_momentum_is_found():
    found = identify(*history(lambda k: Method(0.05, 0.9 if k < 30 else 0.5)))
    assert "momentum changes in time, between 0.5 and 0.9" in " ".join(found.evidence)
    assert found.method.beta == pytest.approx(0.5)
    assert "something sets the momentum while training" in found.warnings[0]
    gone = identify(*history(lambda k: Method(0.05, 0.9 if k < 30 else 0.0)))
    assert "momentum is not there from step 30 on" in gone.warnings[0]


def test_declared_momentum_is_held_against_the_history():
    found = identify(*history(Method(0.05)), declared=0.9)
    assert "momentum 0.9 was asked for and is not there" in found.warnings[0]


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("method", [Method(0.05, 0.9), Method(0.05, 0.9, 0.9)], ids=["heavy-ball", "nesterov"])
def test_a_noisy_record_gives_the_numbers_with_their_errors(method, seed):
    found = identify(*history(method, steps=400, noise=0.02, seed=seed))
    assert found.linear
    for name in ("alpha", "beta"):
        gap = abs(getattr(found.method, name) - getattr(method, name))
        assert gap <= 5 * getattr(found.error, name) + 0.01 * getattr(method, name)  # errors in variables: 2 x 0.02^2/0.5^2 of alpha
    assert "two standard errors" in " ".join(found.evidence)
    assert found.residual < 0.1


@pytest.mark.parametrize("noise", [0.0, 0.02])
def test_adam_is_not_taken_for_momentum(noise):
    generator = np.random.default_rng(0)
    params, m, v = generator.standard_normal(12), np.zeros(12), np.zeros(12)
    points, grads = [params], []
    for k in range(1, 201):
        grad = CURVATURES * params + 0.5 * CURVATURES * generator.standard_normal(12)
        m, v = 0.9 * m + 0.1 * grad, 0.99 * v + 0.01 * grad**2
        params = params - 0.02 * (m / (1 - 0.9**k)) / (np.sqrt(v / (1 - 0.99**k)) + 1e-8)
        points.append(params)
        grads.append(grad + noise * generator.standard_normal(12))
    found = identify(points, grads)
    assert found.verdict == NONLINEAR
    assert "unexplained" in " ".join(found.evidence) or "adaptive or clipped" in " ".join(found.evidence) or found.residual > 0.5


def test_clipped_training_is_not_taken_for_momentum():
    generator = np.random.default_rng(0)
    params, points, grads = 3 * generator.standard_normal(12), [], []
    for _ in range(200):
        grad = generator.standard_normal(12) * np.exp(1.5 * generator.standard_normal())
        points.append(params)
        grads.append(grad)
        params = params - 0.05 * grad * min(1.0, 1.0 / np.linalg.norm(grad))
    found = identify([*points, params], grads)
    assert found.verdict == NONLINEAR


def test_histories_that_cannot_be_read_are_named():
    points, grads = history(Method(0.1), steps=8)
    with pytest.raises(BadInput, match="9 points and 6 gradients"):
        identify(points, grads[:6])
    with pytest.raises(BadInput, match="4 steps are too few"):
        identify(points[:5], grads[:4])
    with pytest.raises(BadInput, match="never moved: were they recorded as references"):
        identify([points[0]] * 9, grads)
    with pytest.raises(BadInput, match="parameters have 12 numbers and gradients 3"):
        identify(points, [g[:3] for g in grads])
    with pytest.raises(BadInput, match="all of the same size"):
        identify([*points[:-1], points[0][:3]], grads)
    with pytest.raises(BadInput, match="not finite"):
        identify([*points[:-1], points[0] * np.nan], grads)

"""The velocity as an average, against sums and random draws."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inertia.core.method import Method, step
from inertia.errors import BadInput
from inertia.theory.averages import (
    effective_window,
    noise_to_signal,
    past_weights,
    steps_to_speed,
    terminal_velocity,
    velocity_noise,
    velocity_on_slope,
)


def test_printed_values():
    np.testing.assert_allclose(effective_window(np.array([0, 0.5, 0.9, 0.99])), [1, 2, 10, 100])
    np.testing.assert_allclose(velocity_noise(np.array([0.5, 0.9, 0.99])), [1.333, 5.263, 50.25], atol=3e-3)
    assert terminal_velocity(0.99) == pytest.approx(100)
    assert effective_window(1.0) == steps_to_speed(1.0) == velocity_noise(1.0) == np.inf


@given(st.floats(0, 1), st.integers(0, 80), st.floats(-3, 3))
def test_velocity_on_a_slope_is_what_steps_do(beta, k, gradient):
    velocity = 0.0
    for _ in range(k):
        _, velocity = step(Method(0.1, beta), 0.0, velocity, gradient)
    np.testing.assert_allclose(velocity_on_slope(beta, k, gradient), velocity, rtol=1e-9, atol=1e-12)


@given(st.floats(0, 0.999), st.floats(0.01, 0.999))
def test_steps_to_speed_is_the_first(beta, fraction):
    k = int(steps_to_speed(beta, fraction))
    assert velocity_on_slope(beta, k) >= fraction * terminal_velocity(beta) * (1 - 1e-12)
    if k > 1:
        assert velocity_on_slope(beta, k - 1) < fraction * terminal_velocity(beta) * (1 + 1e-12)


def test_steps_to_speed_where_the_quotient_is_whole():
    assert [float(steps_to_speed(0.5, f)) for f in (0.5, 0.75, 0.875)] == [1, 2, 3]


@given(st.floats(0.05, 0.95))
def test_weights_window_and_noise_by_summing(beta):
    weights = past_weights(beta, 2000)
    np.testing.assert_allclose(weights.sum(), effective_window(beta), rtol=1e-9)
    np.testing.assert_allclose(np.sum(weights**2), velocity_noise(beta), rtol=1e-9)
    np.testing.assert_allclose(
        np.sum(np.arange(2000) * weights) / weights.sum() + 1, effective_window(beta), rtol=1e-9
    )  # mean age plus one
    np.testing.assert_allclose(past_weights(beta, 7, normalised=True).sum(), 1)
    np.testing.assert_allclose(noise_to_signal(beta), np.sqrt(velocity_noise(beta)) / terminal_velocity(beta), rtol=1e-9)
    assert past_weights(np.full((2, 3), beta), 4).shape == (2, 3, 4)


def test_velocity_noise_of_random_runs():
    rng = np.random.default_rng(0)
    velocity = np.zeros(20_000)
    for _ in range(60):
        velocity = 0.9 * velocity + rng.normal(size=velocity.size)
    np.testing.assert_allclose(velocity.var(), velocity_noise(0.9), rtol=0.04)  # 4 sqrt(2/20000)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: effective_window(1.1), r"beta = 1.1 is outside \[0, 1\].*try 0.9"),
        (lambda: velocity_noise(-0.5), r"beta = -0.5 is outside \[0, 1\].*try 0"),
        (lambda: past_weights(0.9, 0), "count = 0 is too few"),
        (lambda: steps_to_speed(0.9, [0.5, 1.0]), r"fraction = 1 is outside \(0, 1\)"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(BadInput, match=message):
        call()

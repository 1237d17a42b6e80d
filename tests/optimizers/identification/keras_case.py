"""Keras's SGD as it is set, read by `identify`: run by test_settings.py on the torch backend."""

import sys
import warnings
from pathlib import Path

import numpy as np
import pytest

keras = pytest.importorskip("keras")

sys.path.insert(0, str(Path(__file__).parent))
from test_settings import fuzz, tally  # noqa: E402, F401

from inertia import identify  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # Keras's own, when it copies its settings


def test_random_settings_of_keras_are_read_right(fuzz):  # noqa: F811
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        settings = fuzz.keras_settings(8, seed=7)
    tally(fuzz, settings)


def keras_sgd(**options):
    return keras.optimizers.schedules, lambda rate: identify(keras.optimizers.SGD(rate, **options))


@pytest.mark.parametrize(
    ("kind", "told", "bound"), [("clipnorm", "tensor norm", 1.2), ("global_clipnorm", "norm", 0.44), ("clipvalue", "value", 0.3)]
)
def test_a_bound_is_told_though_only_five_steps_move(kind, told, bound):
    """A bound that never bites in the run that must be reproduced explains nothing."""
    schedules, identified = keras_sgd(momentum=0.9, **{kind: bound})
    found = identified(schedules.PolynomialDecay(2.4e-5, 5, 0.0, 2.0))
    assert (found.clip, found.clip_bound) == (told, pytest.approx(bound, rel=1e-5))
    assert found.method.beta == pytest.approx(0.9)


def test_a_bound_and_the_decay_that_float32_leaves_are_both_told():
    """Keras's factor of the bound is in float32 (1.00000003 where nothing is bounded), and so is the factor 1 - rate decay."""
    _, identified = keras_sgd(momentum=0.99, weight_decay=0.023, global_clipnorm=4.6)
    found = identified(1.85e-6)
    applied = (1 - float(np.float32(1 - np.float32(1.85e-6 * 0.023)))) / 1.85e-6  # 0.0322: of 4e-8 a step, float32 makes 6e-8
    assert (found.clip, found.decoupled) == ("norm", True)
    assert [found.clip_bound, found.weight_decay, found.method.beta] == pytest.approx([4.6, applied, 0.99], rel=1e-4)


@pytest.mark.parametrize("rate", [3.5e-4, 4e-5])
@pytest.mark.parametrize("options", [{}, {"nesterov": True, "gradient_accumulation_steps": 2}], ids=["plain", "accumulated"])
def test_a_decay_that_float32_rounds_differently_at_every_rate_of_a_schedule_is_one_decay(rate, options):
    """1 - rate decay is rounded to a multiple of 2^-24: at the small rates of a schedule by a large share of rate decay."""
    schedules, identified = keras_sgd(momentum=0.5, weight_decay=0.014, **options)
    found = identified(schedules.PolynomialDecay(rate, 22, 0.0, 2.0))
    assert found.weight_decay == pytest.approx(0.014, abs=2.0**-24 / rate)
    assert found.decoupled
    assert any("decoupled: parameters shrink by lr times it" in text for text in found.evidence)
    assert found.warnings == ()


@pytest.mark.parametrize("nesterov", [False, True])
def test_under_an_exponential_schedule_the_framework_s_own_place_is_taken_and_the_other_said(nesterov):
    """Inside the buffer beta, outside beta/factor: the same kernel, so neither can be refuted."""
    schedules, identified = keras_sgd(momentum=0.9, nesterov=nesterov, global_clipnorm=0.022)
    found = identified(schedules.ExponentialDecay(6.14e-5, 10, 0.55))
    assert found.method.beta == pytest.approx(0.9, abs=1e-6)
    assert found.warnings == ()
    factor = 0.55**0.1
    assert any(f"momentum {0.9 / factor:.4f}"[:14] in text and "makes the same steps" in text for text in found.evidence)


def test_a_rate_that_falls_after_the_first_step_is_a_schedule_where_nothing_is_dampened():
    """Inside the buffer a larger first rate is a first gradient of more weight; Keras has no dampening, torch has."""
    torch = pytest.importorskip("torch")
    from inertia.torch import identify

    schedules, identified = keras_sgd(momentum=0.9, nesterov=True)
    found = identified(schedules.PiecewiseConstantDecay([0], [0.05, 0.02]))
    assert found.alphas[:3] == pytest.approx((0.05, 0.02, 0.02), rel=1e-6)
    assert found.dampening == 0
    dampened = identify(lambda ps: torch.optim.SGD(ps, lr=0.05, momentum=0.9, dampening=0.6))
    assert (dampened.alphas, dampened.dampening) == ((), pytest.approx(0.6))


def test_momentum_that_outlives_the_only_step_with_a_rate_is_told():
    """The rate sits inside the buffer and is 0 after one step of five gradients: the parameters roll on, and show beta."""
    schedules, identified = keras_sgd(momentum=0.8, gradient_accumulation_steps=5)
    found = identified(schedules.PolynomialDecay(0.1, 8, 0.0, 2.0))
    assert (found.accumulation, found.method.beta) == (5, pytest.approx(0.8))
    assert sum(rate > 0 for rate in found.alphas) == 1


def test_a_decay_that_float32_rounds_away_in_the_middle_of_a_schedule_hides_no_bound():
    """1 - rate decay is 1 - 6e-8 at first and 1 from some step on: neither a constant nor in step with the rate, and no rounding."""
    schedules, identified = keras_sgd(momentum=0.5, weight_decay=0.00077, global_clipnorm=0.29)
    found = identified(schedules.ExponentialDecay(4.22e-5, 10, 0.76))
    assert (found.clip, found.decoupled) == ("norm", True)
    assert [found.clip_bound, found.method.beta] == pytest.approx([0.29, 0.5], rel=1e-5)


def test_a_scaled_loss_is_not_a_smaller_rate():
    """Keras multiplies the loss and divides the gradients: the rate is the one that was set."""
    sgd = keras.optimizers.SGD
    for optimizer in (sgd(0.1, momentum=0.9, loss_scale_factor=8.0), keras.optimizers.LossScaleOptimizer(sgd(0.1, momentum=0.9))):
        assert identify(optimizer).method.alpha == pytest.approx(0.1, rel=1e-6)


@pytest.mark.parametrize(
    ("rate", "momentum", "first", "options"),
    [(2.26e-3, 0.096, 2, {"weight_decay": 0.024, "clipnorm": 0.89}), (334.0, 0.148, 11, {"weight_decay": 2.1e-6, "clipnorm": 45.0})],
)
def test_a_restart_of_the_rate_empties_no_buffer(rate, momentum, first, options):
    """The learning rate jumps by a hundred and sits inside the buffer: what the small steps left in it is below single precision."""
    schedules, identified = keras_sgd(momentum=momentum, nesterov=True, **options)
    found = identified(schedules.CosineDecayRestarts(rate, first))
    assert not found.warnings
    assert found.lost == ()
    assert found.method.beta == pytest.approx(momentum, abs=2e-6)


class Harmonic(keras.optimizers.schedules.LearningRateSchedule):
    """A schedule of one's own that Keras cannot write down."""

    def __call__(self, step):
        return 0.1 / (1.0 + keras.ops.cast(step, "float32"))


def test_a_schedule_of_ones_own_needs_no_config():
    found = identify(keras.optimizers.SGD(Harmonic(), momentum=0.9, weight_decay=0.01))
    np.testing.assert_allclose(found.alphas, 0.1 / (1 + np.arange(64)), rtol=1e-6)
    assert (found.decoupled, found.method.beta) == (True, pytest.approx(0.9))


def test_variables_that_are_left_out_of_decay_stay_left_out():
    optimizer = keras.optimizers.SGD(0.1, momentum=0.9, weight_decay=0.01)
    optimizer.exclude_from_weight_decay(var_names=["bias", "norm"])
    found = identify(optimizer)
    assert [(one.name, one.weight_decay) for one in found.groups] == [("kernel", pytest.approx(0.01, rel=1e-4)), ("bias", 0.0)]

"""Random settings of real optimizers: none misread, hardly any that cannot be told (the 500 of each: benchmarks/fuzz_identify.py)."""

import collections
import importlib.util
import sys
import warnings
from pathlib import Path

import pytest

FUZZ = Path(__file__).parents[3] / "benchmarks" / "fuzz_identify.py"


@pytest.fixture(scope="module")
def fuzz():
    spec = importlib.util.spec_from_file_location("fuzz_identify", FUZZ)
    module = importlib.util.module_from_spec(spec)
    sys.modules["fuzz_identify"] = module
    spec.loader.exec_module(module)
    return module


def tally(fuzz, settings):
    counted, wrong = collections.Counter(), []
    for setting in settings:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what frameworks say about their own schedulers
            verdict, why = fuzz.judged(setting.identify(), setting)
        counted[verdict] += 1
        wrong += [f"{setting.said}: {why}"] if verdict == "misread" else []
    assert not wrong
    assert counted["cannot tell"] <= 0.05 * len(settings) + 1
    assert counted["right"] > 0.9 * len(settings) - 1


def test_random_settings_of_torch_are_read_right(fuzz):
    pytest.importorskip("torch")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        settings = fuzz.torch_settings(66, seed=7)
    tally(fuzz, settings)


def test_random_settings_of_optax_are_read_right(fuzz):
    pytest.importorskip("jax")
    tally(fuzz, fuzz.optax_settings(8, seed=7))


def test_random_settings_and_kinds_of_keras_are_read_right(keras_process):
    """Keras on torch, in a process of its own: its backend is chosen once, and on JAX every step without compiling costs ten times."""
    pytest.importorskip("keras")
    pytest.importorskip("torch")
    words = ["-m", "pytest", "-q", "-p", "no:cacheprovider", Path(__file__).with_name("keras_case.py")]
    code, out, _ = keras_process("torch", *words)
    assert code == 0, out[-4000:]
    assert " passed" in out


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # Keras's own, when it writes its settings down
def test_keras_on_jax_is_read_too():
    keras = pytest.importorskip("keras")
    from inertia import identify

    found = identify(keras.optimizers.SGD(0.05, momentum=0.9, nesterov=True))
    assert (found.verdict, found.inside, found.warnings) == ("Nesterov", True, ())
    assert (found.method.alpha, found.method.beta) == pytest.approx((0.05, 0.9), rel=1e-5)


def test_two_moves_tell_no_method(fuzz):
    """A schedule that ends after two steps leaves nothing to tell: no method and no other kind is claimed."""
    torch = pytest.importorskip("torch")
    from inertia.optimizers.identification.identified import UNTOLD
    from inertia.torch import identify

    def factory(params):
        optimizer = torch.optim.SGD([{"params": params[:2]}, {"params": params[2:], "lr": 0.01}], lr=0.1, momentum=0.7, weight_decay=0.05)
        return optimizer, torch.optim.lr_scheduler.PolynomialLR(optimizer, 2, 2.0)

    found = identify(factory)
    assert (found.verdict, found.method, found.warnings) == (UNTOLD, None, ())
    assert "2 of 64 steps" in str(found)


def test_a_small_decay_under_a_small_rate_is_seen_through_float32_accumulation(fuzz):
    """optax's MultiSteps keeps its sum in float32: lambda x is as exact there as the gradient, however small the rate."""
    optax = pytest.importorskip("optax")
    from inertia.jax import identify

    found = identify(optax.MultiSteps(optax.chain(optax.add_decayed_weights(1.4e-5), optax.sgd(1.3e-7, momentum=0.8)), 3))
    assert found.weight_decay == pytest.approx(1.4e-5, rel=1e-5)
    assert found.decoupled is False
    assert found.accumulation == 3


def test_the_judge_of_readings_sees_what_is_wrong(fuzz):
    """A test that cannot fail is none: the same reading held against other settings is a misreading."""
    torch = pytest.importorskip("torch")
    from inertia.torch import identify

    found = identify(lambda ps: torch.optim.SGD(ps, lr=0.1, momentum=0.9, weight_decay=1e-3))
    right = fuzz.Truth([0.1] * 40, 0.9, decay=1e-3, decoupled=False, inside=False)
    assert fuzz.judged(found, fuzz.Setting("", lambda: None, [right]))[0] == "right"
    others = [{"beta": 0.8}, {"nesterov": True}, {"decay": 2e-3}, {"decoupled": True}, {"rates": [0.2] * 40}, {"every": 2}]
    for other in [*others, {"clip": ("norm", 1.0)}, {"inside": True}, {"dampening": 0.1}]:
        wrong = fuzz.Truth(**{**right.__dict__, **other})
        assert fuzz.judged(found, fuzz.Setting("", lambda: None, [wrong]))[0] == "misread", other


def test_a_small_decay_without_momentum_is_seen_through_float32_accumulation():
    """Nothing is below the diagonal then: the sum is in float32, the parameters are not."""
    optax = pytest.importorskip("optax")
    from inertia.jax import identify

    found = identify(optax.MultiSteps(optax.chain(optax.add_decayed_weights(7.6e-6), optax.sgd(1.75e-4)), 2))
    assert found.weight_decay == pytest.approx(7.6e-6, rel=1e-3)
    assert found.accumulation == 2


def test_parameters_kept_in_single_precision_show_no_decay():
    """Their rounding (1e-7 of each number) is no decay, and hides one."""
    torch = pytest.importorskip("torch")
    from inertia.torch import identify

    class Single(torch.optim.SGD):
        @torch.no_grad()
        def step(self, closure=None):
            super().step(closure)
            for group in self.param_groups:
                for p in group["params"]:
                    p.copy_(p.float())

    found = identify(lambda ps: Single(ps, lr=0.3, momentum=0.9))
    assert (found.verdict, found.weight_decay, found.warnings) == ("heavy ball", 0.0, ())
    assert found.method.beta == pytest.approx(0.9, abs=1e-5)

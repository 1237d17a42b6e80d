"""What stands around an optimizer as people have it: subclasses, wrappers, hooks, odd schedulers, buffers in half precision."""

import warnings

import numpy as np
import pytest

from inertia.errors import BadInput
from inertia.optimizers.identification.identified import GATHERS

torch = pytest.importorskip("torch")

from inertia.torch import Momentum, identify  # noqa: E402


def live(kind=torch.optim.SGD, **options):
    return kind(torch.nn.Linear(3, 2).parameters(), **{"lr": 0.1, "momentum": 0.9} | options)


class Bounded(torch.optim.SGD):
    """Keeps a number beside what torch copies."""

    def __init__(self, params, bound=2.0, **options):
        super().__init__(params, **options)
        self.bound = bound

    def step(self, closure=None):
        torch.nn.utils.clip_grad_norm_([p for group in self.param_groups for p in group["params"]], self.bound)
        super().step(closure)


class Held:
    """No optimizer and no scheduler: steps the one that it holds."""

    def __init__(self, optimizer):
        self.optimizer = optimizer

    def step(self):
        for group in self.optimizer.param_groups:
            for p in group["params"]:
                p.grad.mul_(0.5)
        self.optimizer.step()


def test_a_living_subclass_keeps_its_own_attributes():
    found = identify(live(Bounded))
    assert (found.clip, found.clip_bound, found.warnings) == ("norm", pytest.approx(2.0), ())
    assert found == identify(lambda params: Bounded(params, lr=0.1, momentum=0.9))


def test_a_wrapper_is_stepped_once_and_is_no_scheduler():
    optimizer = live()
    found = identify(Held(optimizer))
    assert (found.verdict, found.method.alpha, found.method.beta, found.warnings) == ("heavy ball", pytest.approx(0.05), 0.9, ())
    assert not optimizer.state  # the user's is as it was


def test_step_hooks_of_a_living_optimizer_are_not_run_and_said():
    optimizer, calls = live(), []
    optimizer.register_step_pre_hook(lambda *_: calls.append(1))
    found = identify(optimizer)
    assert not calls
    assert any("it has a step hook" in text and "a function that makes it" in text for text in found.evidence)

    def halving(params):
        made = torch.optim.SGD(params, lr=0.1, momentum=0.9)
        made.register_step_post_hook(lambda held, *_: held.param_groups[0].update(lr=held.param_groups[0]["lr"] / 2))
        return made

    np.testing.assert_allclose(identify(halving).alphas[:5], 0.1 / 2.0 ** np.arange(5), rtol=1e-9)


class Sized(torch.optim.SGD):
    """Remembers tensors of its first shape."""

    def __init__(self, params, **options):
        super().__init__(params, **options)
        self.slow = [p.detach().clone() for p in self.param_groups[0]["params"]]

    def step(self, closure=None):
        super().step(closure)
        with torch.no_grad():
            for p, slow in zip(self.param_groups[0]["params"], self.slow, strict=True):
                p.add_(slow, alpha=0.0)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (lambda: live(Sized), "Sized cannot be stepped .* a copy of it was stepped: if that is to blame, give a function that makes it"),
        (lambda: lambda ps: torch.optim.SGD(ps, lr=0.1, differentiable=True), r"SGD cannot be stepped .* \(RuntimeError: a leaf Variable"),
        (lambda: torch.nn.Linear(3, 2), "takes an optimizer, and Linear is a model: give identify"),
        (lambda: None, "made a NoneType"),
    ],
)
def test_what_cannot_be_stepped_is_one_sentence(given, said):
    with pytest.raises(BadInput, match=said):
        identify(given())


@pytest.mark.parametrize("words", [{"seed": "x"}, {"seed": -1}, {"declared": "a"}, {"declared": [0.1, 0.2]}], ids=str)
def test_what_is_no_number_is_refused(words):
    with pytest.raises(BadInput, match=next(iter(words))):
        identify(lambda params: torch.optim.SGD(params, lr=0.1), **words)


def scheduled(make, **options):
    def factory(params):
        optimizer = torch.optim.SGD(params, **{"lr": 0.05, "momentum": 0.9, "weight_decay": 1e-3} | options)
        return optimizer, make(optimizer)

    return factory


def test_a_rate_that_becomes_negative_is_told_with_its_sign():
    found = identify(scheduled(lambda o: torch.optim.lr_scheduler.LambdaLR(o, lambda k: 1 - k / 20)))
    np.testing.assert_allclose(found.alphas, 0.05 * (1 - np.arange(64) / 20), atol=1e-9)
    assert found.weight_decay == pytest.approx(1e-3)
    assert found.warnings == ("the learning rate changes its sign at step 21, so that it moves the other way (43 steps)",)


def test_hugging_face_s_schedulers_that_wait_for_a_loss_are_told_one_that_stays():
    hf = pytest.importorskip("transformers.optimization")
    found = identify(scheduled(lambda o: hf.GreedyLR(o, patience=3, factor=0.5, min_lr=1e-9)))
    twin = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.05)
    greedy, rates = hf.GreedyLR(twin, patience=3, factor=0.5, min_lr=1e-9), []
    for _ in range(64):
        rates.append(twin.param_groups[0]["lr"])
        greedy.step(1.0)
    assert max(rates) > 8 * min(rates)
    np.testing.assert_allclose(found.alphas, rates, rtol=1e-9)


@pytest.mark.parametrize("up", [2, 5])
@pytest.mark.parametrize("options", [{}, {"dampening": 0.1}, {"dampening": 0.5}, {"nesterov": True}], ids=str)
def test_a_cycled_momentum_is_told_from_its_first_step(up, options):
    """The first weight and the momentum of step 1 act only together; the cycle's own rule, linear in the rate, parts them."""
    found = identify(scheduled(lambda o: torch.optim.lr_scheduler.CyclicLR(o, 0.01, 0.1, up), weight_decay=0.0, **options))
    phase = np.abs((np.arange(64) + up) % (2 * up) - up) / up
    damp = options.get("dampening", 0.0)
    np.testing.assert_allclose(found.betas, 0.9 - 0.1 * phase, atol=1e-9)
    np.testing.assert_allclose(found.alphas, (1 - damp) * (0.01 + 0.09 * phase), rtol=1e-9)
    assert found.dampening == pytest.approx(damp, abs=1e-9)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("words", [{}, {"nesterov": True, "weight_decay": 0.01}, {"weight_decay": 0.01, "decoupled": True}], ids=str)
def test_a_buffer_in_half_precision_is_still_momentum(dtype, words):
    found = identify(lambda params: Momentum(params, lr=0.1, momentum=0.9, velocity_dtype=dtype, **words))
    assert found.verdict == ("Nesterov" if "nesterov" in words else "heavy ball")
    assert (found.method.alpha, found.method.beta) == pytest.approx((0.1, 0.9), rel=4e-3)
    assert found.weight_decay == pytest.approx(words.get("weight_decay", 0.0), rel=4e-3)
    assert (found.decoupled or False, found.warnings) == (words.get("decoupled", False), ())
    assert any("half precision" in text for text in found.evidence)


def test_optax_s_half_accumulator_is_momentum_and_noise_is_not():
    optax, jnp = pytest.importorskip("optax"), pytest.importorskip("jax.numpy")
    from inertia.jax import identify as identify_jax

    found = identify_jax(optax.sgd(optax.cosine_decay_schedule(0.1, 30), momentum=0.9, accumulator_dtype=jnp.bfloat16))
    np.testing.assert_allclose(found.alphas[:31], 0.05 * (1 + np.cos(np.pi * np.arange(31) / 30)), rtol=5e-3, atol=1e-9)
    assert found.method.beta == pytest.approx(0.9, rel=4e-3)


def test_noise_in_the_gradient_is_not_taken_for_rounding():
    class Noisy(torch.optim.SGD):
        def step(self, closure=None):
            for p in self.param_groups[0]["params"]:
                p.grad.mul_(
                    1
                    + 1e-3
                    * torch.rand(p.shape, dtype=p.dtype, generator=torch.Generator().manual_seed(int(p.grad.abs().sum() * 1e9) % 99991))
                )
            super().step(closure)

    assert not identify(lambda params: Noisy(params, lr=0.1, momentum=0.9)).linear


def test_a_changing_number_of_gathered_gradients_cannot_be_told():
    optax, jnp = pytest.importorskip("optax"), pytest.importorskip("jax.numpy")
    from inertia.jax import identify as identify_jax

    found = identify_jax(optax.MultiSteps(optax.sgd(0.1, momentum=0.9), lambda n: jnp.where(n < 3, 1, 4)))
    assert (found.verdict, found.method, found.warnings) == (GATHERS, None, ())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        rests = identify(scheduled(lambda o: torch.optim.lr_scheduler.LambdaLR(o, lambda k: float(k % 3 == 0)), momentum=0.0))
    assert rests.alphas[:4] == pytest.approx((0.05, 0.0, 0.0, 0.05))  # a rate of 0 gathers nothing


@pytest.mark.parametrize("every", [2, 4])
@pytest.mark.parametrize("kind", ["adam", "adamw", "rmsprop", "adagrad"])
def test_of_adams_kin_behind_an_accumulation_the_one_inside_is_named_and_the_count_told(kind, every):
    """Second road: the same optimizer by itself, identified without the accumulation."""
    optax = pytest.importorskip("optax")
    from inertia.jax import identify as identify_jax

    made = {
        "adam": lambda: optax.adam(1e-3, b1=0.8),
        "adamw": lambda: optax.adamw(1e-3, weight_decay=0.1),
        "rmsprop": lambda: optax.rmsprop(1e-2, decay=0.95),
        "adagrad": lambda: optax.adagrad(1e-2),
    }[kind]
    alone, found = identify_jax(made()), identify_jax(optax.MultiSteps(made(), every))
    assert (alone.accumulation, found.accumulation) == (1, every)
    assert (found.verdict, found.weight_decay) == (alone.verdict, pytest.approx(alone.weight_decay, rel=1e-5))
    assert found.metric.eps == pytest.approx(alone.metric.eps, rel=1e-4)
    assert f"one step from every {every} gradients" in str(found)


def test_adamw_behind_clipping_and_accumulation_says_what_stands_in_the_way():
    optax = pytest.importorskip("optax")
    from inertia.jax import identify as identify_jax

    clipped = optax.chain(optax.clip_by_global_norm(1.0), optax.adamw(1e-3))
    alone, found = identify_jax(clipped), identify_jax(optax.MultiSteps(clipped, 3))
    assert (alone.accumulation, found.accumulation) == (1, 3)
    for one in (alone, found):
        assert "stands behind a clipping by norm: then identify it without the clipping" in str(one)

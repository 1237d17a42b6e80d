"""Random optimizers with known settings, told by `identify`: how many are misread, how many cannot be told?

    python benchmarks/fuzz_identify.py [--framework torch|optax|keras] [--count 500] [--seed 0]

The truth is read from the settings themselves: the scheduler's own learning rates, the numbers that were passed. A reading
is wrong if any number or kind differs from the truth, or if it warns: every optimizer here is meant as it is.
"""

from __future__ import annotations

import argparse
import collections
import os
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from inertia.optimizers.identification.identified import UNTOLD

STEPS = 40  # compared under a schedule
os.environ.setdefault("KERAS_BACKEND", "torch")  # else Keras looks for tensorflow


@dataclass
class Truth:
    """One parameter group as it was set."""

    rates: list[float]  # of the first steps
    beta: float = 0.0
    nesterov: bool = False
    betas: list[float] | None = None  # where the momentum is cycled
    decay: float = 0.0
    decoupled: bool | None = None
    dampening: float = 0.0
    inside: bool | None = None
    clip: tuple[str, float] | None = None
    every: int = 1
    blur: float = 2.3e-16  # rounding of the framework's own arithmetic of weight decay


@dataclass
class Setting:
    """One optimizer: how it is told, and what must be told of each of its groups."""

    said: str
    identify: Callable[[], Any]
    groups: list[Truth] = field(default_factory=list)


def judged(found: Any, setting: Setting) -> tuple[str, str]:
    """ "right", "cannot tell" or "misread", and why."""
    read = list(found.groups) or [found]
    truths = setting.groups
    if len(read) == 1:
        truths = truths[:1] if all(same(one, truths[0]) for one in truths) else truths
    if any(one.verdict == UNTOLD for one in read):
        return "cannot tell", "; ".join(found.evidence)
    if len(read) != len(truths):
        return "misread", f"{len(read)} kinds of groups, {len(truths)} set"
    verdicts = [_one(one, truth) for one, truth in zip(read, truths, strict=True)]
    for kind in ("misread", "cannot tell"):
        for verdict, why in verdicts:
            if verdict == kind:
                return verdict, why
    return "right", ""


def same(one: Truth, other: Truth) -> bool:
    return one == other


def _one(found: Any, truth: Truth) -> tuple[str, str]:
    if found.method is None:
        return "misread", "; ".join((found.verdict, *found.evidence))
    wrong = []
    rates = np.array(truth.rates)
    undamped = 1 - truth.dampening
    rates = rates[:12] if truth.every > 1 else rates  # as many blocks are looked at
    # a first weight and a momentum that moves cannot be separated exactly: both are taken as going on smoothly
    near = 1e-2 if truth.betas is not None and (truth.dampening or truth.nesterov) else 2e-6
    moved = np.ptp(rates) > 1e-9 * rates.max()
    read = np.array(found.alphas[: len(rates)]) if found.alphas else np.full(len(rates), found.method.alpha)
    if len(read) < len(rates):
        rates = rates[: len(read)]
    if not np.allclose(read, rates * undamped, rtol=near, atol=3e-7 * rates.max()):
        k = int(np.argmax(np.abs(read - rates * undamped)))
        wrong.append(f"rate of step {k} is {read[k]:.6g}, set was {rates[k] * undamped:.6g}")
    if moved and "schedule" not in found.verdict:
        wrong.append("the schedule is not named")
    if truth.betas is not None:
        betas = np.array(found.betas[1 : len(truth.betas)])
        if not np.allclose(betas, truth.betas[1:], atol=near):
            wrong.append(f"momentum of every step: {betas[:4]}, set were {truth.betas[1:5]}")
    elif abs(found.method.beta - truth.beta) > 2e-6 or found.betas:
        wrong.append(f"momentum {found.method.beta:.6g}, set was {truth.beta:.6g}")
    look = found.method.beta if truth.nesterov else 0.0
    if abs(found.method.gamma - look) > 2e-6:
        wrong.append(f"look-ahead {found.method.gamma:.6g}, set was {look:.6g}")
    if abs(found.dampening - truth.dampening) > near and truth.beta:
        wrong.append(f"dampening {found.dampening:.6g}, set was {truth.dampening:.6g}")
    wrong += _decay(found, truth, rates * undamped)
    if truth.inside is not None and found.inside is not None and found.inside != truth.inside:
        wrong.append(f"inside = {found.inside}")
    wrong += _around(found, truth)
    wrong += [f"warning: {text}" for text in found.warnings]
    return ("misread", "; ".join(wrong)) if wrong else ("right", "")


def _around(found: Any, truth: Truth) -> list[str]:
    """Clipping and accumulation."""
    kind, bound = truth.clip or ("", None)
    wrong = []
    if found.clip != kind or (bound and abs(found.clip_bound - bound) > 1e-5 * bound):
        wrong.append(f"clip {found.clip} {found.clip_bound}, set was {truth.clip}")
    if found.accumulation != truth.every:
        wrong.append(f"accumulation {found.accumulation}, set was {truth.every}")
    return wrong


def _decay(found: Any, truth: Truth, rates: Any) -> list[str]:
    """Decay is seen as a change of rate x decay of a parameter, against its rounding."""
    seen = float(np.sqrt(np.mean(rates**2))) * truth.decay
    blur = truth.blur / max(seen, 1e-300)
    if truth.decoupled is False and truth.beta:
        blur = 0.0  # it stays in the buffer, where nothing hides it
    if blur > 0.2:
        return (
            []
            if abs(found.weight_decay - truth.decay) <= 10 * blur * truth.decay
            else [f"weight decay {found.weight_decay:.6g} out of nothing"]
        )
    wrong = []
    if abs(found.weight_decay - truth.decay) > (1e-6 + 5 * blur) * truth.decay:
        wrong.append(f"weight decay {found.weight_decay:.6g}, set was {truth.decay:.6g}")
    if truth.decay and found.decoupled is not None and found.decoupled != truth.decoupled:
        wrong.append(f"decoupled = {found.decoupled}")
    if truth.decay and truth.beta and found.decoupled is None:
        wrong.append("the kind of decay is not told")
    return wrong


def _numbers(draw: np.random.Generator) -> tuple[float, float]:
    """A learning rate from 1e-8 to 1e3 and a momentum."""
    beta = float(draw.choice([0.0, 0.5, 0.9, 0.95, 0.99, 0.999, round(float(draw.uniform(0.05, 0.98)), 3)]))
    return float(f"{10 ** draw.uniform(-8, 3):.3g}"), beta


def _weight(draw: np.random.Generator) -> float:
    return 0.0 if draw.random() < 0.4 else float(f"{10 ** draw.uniform(-6, -1):.2g}")


def torch_settings(count: int, seed: int = 0) -> list[Setting]:
    """torch.optim.SGD under its own and Hugging Face's schedulers, in groups, clipped, decoupled."""
    return [_torch(np.random.default_rng([seed, i])) for i in range(count)]


def _torch(draw: np.random.Generator) -> Setting:
    import torch

    from inertia.core.method import Method
    from inertia.torch import Momentum, identify

    rate, beta = _numbers(draw)
    options: dict[str, Any] = {"lr": rate, "momentum": beta, "weight_decay": _weight(draw)}
    options["nesterov"] = bool(beta and draw.random() < 0.4)
    dampening = float(draw.choice([0.0, 0.0, 0.1, 0.5, 0.9])) if beta and not options["nesterov"] else 0.0
    options["dampening"] = dampening
    options["foreach"] = bool(draw.random() < 0.3)
    kind = draw.choice(["sgd", "sgd", "sgd", "groups", "clip", "ours"])
    scheduler = _scheduler(draw, rate, beta)
    bound = float(f"{10 ** draw.uniform(-2, 2):.2g}")
    by = str(draw.choice(["norm", "value"]))

    class Clipped(torch.optim.SGD):
        def step(self, closure: Any = None) -> None:
            params = [p for group in self.param_groups for p in group["params"]]
            if by == "norm":
                torch.nn.utils.clip_grad_norm_(params, bound)
            else:
                torch.nn.utils.clip_grad_value_(params, bound)
            super().step(closure)

    other = {"lr": rate * 0.1, "weight_decay": 0.0 if options["weight_decay"] else 1e-3}

    def optimizer(params: Any) -> Any:
        if kind == "ours":
            gamma = beta if options["nesterov"] else 0.0
            return Momentum(params, Method(rate, beta, gamma), weight_decay=options["weight_decay"], decoupled=True)
        if kind == "groups":
            return torch.optim.SGD([{"params": params[:2]}, {"params": params[2:], **other}], **options)
        return (Clipped if kind == "clip" else torch.optim.SGD)(params, **options)

    def factory(params: Any) -> Any:
        made = optimizer(params)
        return made if scheduler is None else (made, scheduler[1](made))

    truths = _torch_truth(factory, options, kind, (by, bound))
    said = f"{kind} {options} {scheduler[0] if scheduler else ''} {bound if kind == 'clip' else ''}"
    return Setting(said, lambda: identify(factory), truths)


def _torch_truth(factory: Any, options: dict[str, Any], kind: str, clip: tuple[str, float]) -> list[Truth]:
    """The learning rate and momentum that each group holds at every step, read while the scheduler runs alone."""
    import torch

    params = [torch.nn.Parameter(torch.zeros(1, dtype=torch.float64)) for _ in range(4)]
    for p in params:
        p.grad = torch.zeros_like(p)
    made = factory(params)
    optimizer, scheduler = made if isinstance(made, tuple) else (made, None)
    rates: list[list[float]] = [[] for _ in optimizer.param_groups]
    betas: list[list[float]] = [[] for _ in optimizer.param_groups]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for _ in range(STEPS):
            for i, group in enumerate(optimizer.param_groups):
                rates[i].append(float(group["lr"]))
                betas[i].append(float(group["momentum"]))
            optimizer.step()
            if scheduler is not None:
                waits = isinstance(scheduler, torch.optim.lr_scheduler.ReduceLROnPlateau) or type(scheduler).__name__ == "GreedyLR"
                scheduler.step(1.0) if waits else scheduler.step()
    truths = []
    for i, group in enumerate(optimizer.param_groups):
        decay = float(group["weight_decay"])
        truth = Truth(rates[i], betas[i][-1], options["nesterov"], decay=decay, dampening=0.0 if kind == "ours" else options["dampening"])
        truth.betas = betas[i] if np.ptp(betas[i]) > 0 else None
        truth.decoupled = None if not decay or not truth.beta else kind == "ours"
        truth.inside = False if truth.beta else None
        truth.clip = clip if kind == "clip" else None
        truths.append(truth)
    return truths


def _scheduler(draw: np.random.Generator, rate: float, beta: float) -> tuple[str, Callable[[Any], Any]] | None:
    import torch

    s = torch.optim.lr_scheduler
    a, b = int(draw.integers(2, 30)), int(draw.integers(31, 3000))
    g = float(draw.uniform(0.3, 0.99))
    table: dict[str, Callable[[Any], Any]] = {
        "LambdaLR warm-up from 0": lambda o: s.LambdaLR(o, lambda k: min(1.0, k / a)),
        "MultiplicativeLR": lambda o: s.MultiplicativeLR(o, lambda k: g),
        "StepLR": lambda o: s.StepLR(o, a, g),
        "MultiStepLR": lambda o: s.MultiStepLR(o, [a, a + 10], g),
        "ConstantLR": lambda o: s.ConstantLR(o, g, a),
        "LinearLR": lambda o: s.LinearLR(o, g, 1.0, a),
        "LinearLR to 0": lambda o: s.LinearLR(o, 1.0, 0.0, a),
        "ExponentialLR": lambda o: s.ExponentialLR(o, g),
        "CosineAnnealingLR short": lambda o: s.CosineAnnealingLR(o, a),
        "CosineAnnealingLR long": lambda o: s.CosineAnnealingLR(o, b),
        "CosineAnnealingWarmRestarts": lambda o: s.CosineAnnealingWarmRestarts(o, a, 2),
        "PolynomialLR": lambda o: s.PolynomialLR(o, a, 2.0),
        "ReduceLROnPlateau": lambda o: s.ReduceLROnPlateau(o, patience=a // 2, factor=g),
        "CyclicLR": lambda o: s.CyclicLR(o, rate * 0.1, rate, a, cycle_momentum=bool(beta)),
        "OneCycleLR": lambda o: s.OneCycleLR(o, rate, total_steps=b + 60, cycle_momentum=bool(beta)),
        "SWALR": lambda o: torch.optim.swa_utils.SWALR(o, rate * g, a),
        "SequentialLR": lambda o: s.SequentialLR(o, [s.LinearLR(o, 0.01, 1.0, a), s.CosineAnnealingLR(o, b)], [a]),
        "ChainedScheduler": lambda o: s.ChainedScheduler([s.ConstantLR(o, g, a), s.ExponentialLR(o, 0.95)]),
    }
    table.update(_hugging_face(a, b))
    name = str(draw.choice(["", "", *table]))
    return (f"{name} {a} {b} {g:.3g}", table[name]) if name else None


def _hugging_face(a: int, b: int) -> dict[str, Callable[[Any], Any]]:
    try:
        from transformers import optimization as hf
    except ImportError:
        return {}
    return {
        "HF constant": lambda o: hf.get_constant_schedule_with_warmup(o, a),
        "HF linear": lambda o: hf.get_linear_schedule_with_warmup(o, a, a + b),
        "HF linear to 0": lambda o: hf.get_linear_schedule_with_warmup(o, 0, a),
        "HF cosine": lambda o: hf.get_cosine_schedule_with_warmup(o, a, a + b),
        "HF restarts": lambda o: hf.get_cosine_with_hard_restarts_schedule_with_warmup(o, 2, a + 5, 2),
        "HF polynomial": lambda o: hf.get_polynomial_decay_schedule_with_warmup(o, a, a + b, lr_end=0.0, power=2.0),
        "HF inverse square root": lambda o: hf.get_inverse_sqrt_schedule(o, a),
        "HF warm-up, stable, decay": lambda o: hf.get_wsd_schedule(o, a, 10, num_stable_steps=a),
        "HF cosine with least rate": lambda o: hf.get_cosine_with_min_lr_schedule_with_warmup(o, a, a + b, min_lr_rate=0.1),
        "HF greedy": lambda o: hf.GreedyLR(o, patience=a // 2, factor=0.7),
    }


def optax_settings(count: int, seed: int = 0) -> list[Setting]:
    """optax.sgd and chains: schedules, injected, accumulated, masked, labelled, clipped, decayed before or after."""
    return [_optax(np.random.default_rng([seed, 1, i])) for i in range(count)]


def _optax(draw: np.random.Generator) -> Setting:
    import jax
    import optax

    from inertia.jax import identify

    rate, beta = _numbers(draw)
    nesterov, decay = bool(beta and draw.random() < 0.4), _weight(draw)
    named, schedule = _optax_schedule(draw, rate)
    kind = str(draw.choice(["plain", "inject", "accumulate", "labels", "masked", "clip", "decoupled", "inside", "plain"]))
    bound, every = float(f"{10 ** draw.uniform(-2, 2):.2g}"), int(draw.integers(2, 9))
    by = str(draw.choice(["norm", "value"]))
    step = -1.0
    with jax.enable_x64(True):
        rates = [float(schedule(k)) if callable(schedule) else rate for k in range(STEPS)]
    truth = Truth(rates, beta, nesterov, decay=decay, decoupled=False if beta and decay else None, inside=False if beta else None)
    base = optax.sgd(schedule, momentum=beta or None, nesterov=nesterov)
    if kind == "inject":
        base = optax.inject_hyperparams(optax.sgd, static_args=("nesterov",))(
            learning_rate=schedule, momentum=beta or None, nesterov=nesterov
        )
    if kind == "inside" and beta:
        before = optax.scale_by_schedule(lambda k: step * schedule(k)) if callable(schedule) else optax.scale(step * rate)
        base, truth.inside = optax.chain(before, optax.trace(beta, nesterov)), True
    if kind == "decoupled":
        parts = [optax.trace(beta, nesterov)] if beta else []
        made = optax.chain(*parts, optax.add_decayed_weights(decay), optax.scale_by_learning_rate(schedule))
        truth.decoupled = True if beta and decay else None
    else:
        made = optax.chain(optax.add_decayed_weights(decay), base) if decay else base
    groups = [truth]
    if kind == "clip":
        made = optax.chain(optax.clip_by_global_norm(bound) if by == "norm" else optax.clip(bound), made)
        truth.clip = (by, bound)
    if kind == "accumulate":
        made, truth.every = optax.MultiSteps(made, every), every
    if kind == "labels":
        made = optax.multi_transform({"a": made, "b": optax.sgd(rate * 0.5)}, {"w": "a", "v": {"b": "b"}})
        groups = [Truth([rate * 0.5] * STEPS), truth]
    if kind == "masked":
        made = optax.chain(optax.masked(optax.add_decayed_weights(0.01), lambda p: jax.tree.map(lambda x: x.ndim > 1, p)), base)
        plain = Truth(**{**truth.__dict__, "decay": 0.0, "decoupled": None})
        groups = [plain, Truth(**{**truth.__dict__, "decay": 0.01, "decoupled": False if beta else None})]
    said = f"{kind} rate {rate} momentum {beta} nesterov {nesterov} decay {decay} {named} {by} {bound} {every}"
    return Setting(said, lambda: identify(made), groups)


def _optax_schedule(draw: np.random.Generator, rate: float) -> tuple[str, Any]:
    import optax

    a, b, g = int(draw.integers(2, 30)), int(draw.integers(31, 3000)), float(draw.uniform(0.3, 0.99))
    table = {
        "constant": rate,
        "constant_schedule": optax.constant_schedule(rate),
        "linear to 0": optax.linear_schedule(rate, 0.0, a),
        "linear from 0": optax.linear_schedule(0.0, rate, a),
        "cosine short": optax.cosine_decay_schedule(rate, a),
        "cosine long": optax.cosine_decay_schedule(rate, b),
        "exponential": optax.exponential_decay(rate, a, g),
        "staircase": optax.exponential_decay(rate, a, g, staircase=True),
        "polynomial": optax.polynomial_schedule(rate, 0.0, 2, a),
        "piecewise": optax.piecewise_constant_schedule(rate, {a: g, a + 5: g}),
        "warm-up cosine": optax.warmup_cosine_decay_schedule(0.0, rate, a, a + b),
        "warm-up exponential": optax.warmup_exponential_decay_schedule(0.0, rate, a, 20, g),
        "cosine one-cycle": optax.cosine_onecycle_schedule(b + 60, rate),
        "joined": optax.join_schedules([optax.linear_schedule(0.0, rate, a), optax.cosine_decay_schedule(rate, b)], [a]),
        "restarts": optax.sgdr_schedule(
            [{"init_value": 0.0, "peak_value": rate, "warmup_steps": 3, "decay_steps": 3 + a, "end_value": 0.0}] * 3
        ),
    }
    name = str(draw.choice(["constant", *table]))
    return name, table[name]


def keras_settings(count: int, seed: int = 0) -> list[Setting]:
    """keras.optimizers.SGD with its schedules, decay, clipping and accumulation."""
    return [_keras(np.random.default_rng([seed, 2, i])) for i in range(count)]


def _keras(draw: np.random.Generator) -> Setting:
    import keras

    from inertia import identify

    rate, beta = _numbers(draw)
    rate = float(np.float32(rate))
    nesterov, decay = bool(beta and draw.random() < 0.4), _weight(draw)
    named, schedule = _keras_schedule(draw, rate)
    rates = [float(keras.ops.convert_to_numpy(schedule(k))) if callable(schedule) else rate for k in range(STEPS)]
    truth = Truth(rates, beta, nesterov, decay=decay, decoupled=True if beta and decay else None, inside=True if beta else None)
    truth.blur = 1.2e-7  # Keras computes learning rate and decay in float32
    options: dict[str, Any] = {"learning_rate": schedule, "momentum": beta, "nesterov": nesterov, "weight_decay": decay or None}
    kind = str(draw.choice(["plain", "plain", "clipnorm", "global_clipnorm", "clipvalue", "accumulate"]))
    bound = float(f"{10 ** draw.uniform(-2, 2):.2g}")
    if kind.startswith(("clip", "global")):
        options[kind] = bound
        truth.clip = {"clipnorm": "tensor norm", "global_clipnorm": "norm", "clipvalue": "value"}[kind], bound
    if kind == "accumulate":
        truth.every = options["gradient_accumulation_steps"] = int(draw.integers(2, 7))
        truth.rates = [rates[0]] * STEPS if not callable(schedule) else _accumulated(schedule, truth.every)
    return Setting(f"{kind} {options} {named}", lambda: identify(keras.optimizers.SGD(**options)), [truth])


def _accumulated(schedule: Any, every: int) -> list[float]:
    """Keras counts every gradient as an iteration: the schedule moves on while gradients are gathered."""
    import keras

    return [float(keras.ops.convert_to_numpy(schedule(every * (k + 1) - 1))) for k in range(STEPS)]


def _keras_schedule(draw: np.random.Generator, rate: float) -> tuple[str, Any]:
    import keras

    s = keras.optimizers.schedules
    a, b, g = int(draw.integers(2, 30)), int(draw.integers(31, 3000)), float(draw.uniform(0.3, 0.99))
    table = {
        "constant": rate,
        "cosine": s.CosineDecay(rate, a),
        "warm-up cosine": s.CosineDecay(0.0, b, warmup_target=rate, warmup_steps=a),
        "restarts": s.CosineDecayRestarts(rate, a),
        "exponential": s.ExponentialDecay(rate, a, g),
        "inverse time": s.InverseTimeDecay(rate, a, g),
        "piecewise": s.PiecewiseConstantDecay([a, a + 5], [rate, rate * g, rate * g * g]),
        "polynomial": s.PolynomialDecay(rate, a, 0.0, 2.0),
    }
    name = str(draw.choice(["constant", "constant", *table]))
    return name, table[name]


SETTINGS = {"torch": torch_settings, "optax": optax_settings, "keras": keras_settings}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--framework", choices=SETTINGS, action="append")
    parser.add_argument("--count", type=int, default=500)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    warnings.simplefilter("ignore")
    for framework in asked.framework or SETTINGS:
        tally: collections.Counter[str] = collections.Counter()
        start = time.perf_counter()
        for setting in SETTINGS[framework](asked.count, asked.seed):
            try:
                verdict, why = judged(setting.identify(), setting)
            except Exception as error:  # an error is a reading that failed
                verdict, why = "misread", f"{type(error).__name__}: {error}"
            tally[verdict] += 1
            if verdict != "right":
                print(f"{framework}: {verdict}: {setting.said}: {why}", flush=True)
        print(f"{framework}: {dict(tally)} of {asked.count}, {time.perf_counter() - start:.0f} s", flush=True)


if __name__ == "__main__":
    main()

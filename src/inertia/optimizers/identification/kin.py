"""The verdict on every tensor of a bench: a momentum method, one of Adam's kin, or what is known of another."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .adaptive import adaptive, run_alike
from .bench import Bench, Outcome
from .gathered import Gathered, pace
from .identified import Identified
from .metric import Metric
from .words import grouped, told

__all__ = ["verdict"]

SHAPE = (12, 32)  # steps and numbers of the runs that say what an unknown optimizer is not


def verdict(bench: Bench, outcomes: Sequence[Outcome], declared: Sequence[float | None], names: Sequence[str], seed: int = 0) -> Identified:
    """One verdict, with groups where tensors differ."""
    unknown = [out.found is None and out.below is None for out in outcomes]
    every = pace(bench) if any(unknown) else 1
    seen: Bench = Gathered(bench, every) if every > 1 else bench
    metrics = adaptive(seen, seed) if any(unknown) else [None] * len(outcomes)
    known = [one if new else None for one, new in zip(metrics, unknown, strict=True)]
    verdicts = []
    for at, (out, metric, asked, name, new) in enumerate(zip(outcomes, known, declared, names, unknown, strict=True)):
        if metric is not None:
            verdicts.append(_kin(metric, name, every))
        else:
            said = told(out, asked, name)
            if new and not out.still:
                nature, texts = _known(seen, at)
                texts += _gathering(every)
                said = Identified(
                    said.verdict, None, residual=1.0, evidence=(*texts, *said.evidence), name=name, nature=nature, accumulation=every
                )
            verdicts.append(said)
    return grouped(verdicts)


def _gathering(every: int) -> list[str]:
    """What is said of a step made from several gradients; whether from mean or sum, only eps and a coupled decay could tell."""
    return [f"it makes one step from every {every} gradients, with their mean (or their sum, with eps {every} times as large)"] * (
        every > 1
    )


def _kin(metric: Metric, name: str, every: int) -> Identified:
    """A member of Adam's family in words."""
    rates = np.abs(metric.rates)
    last = int(np.flatnonzero(rates > 1e-9 * rates.max())[-1])
    moved = bool(np.ptp(rates) > 1e-5 * rates.max())
    called = _called(metric)
    numbers = [f"learning rate {rates[last]:.6g}" if not moved else "under a schedule of the learning rate"]
    if metric.before or metric.beta1:
        numbers.append(f"{'momentum' if metric.before else 'beta1'} {metric.beta1:.6g}")
    if metric.kind != "sum":
        numbers.append(f"{'beta2' if not called.startswith('RMSprop') else 'decay of the squares'} {metric.beta2:.6g}")
    evidence = [f"eps {metric.eps:.6g}, {_place(metric)}" if metric.eps else "eps: none, or too small to be seen"]
    evidence += _corrections(metric)
    if moved:
        evidence.append(f"the learning rate changes: {rates[0]:.4g} at step 0, {rates[-1]:.4g} at step {len(rates) - 1}")
        evidence.append("under a schedule, a missing bias correction and a steeper schedule are the same: the smoother rates are taken")
    if metric.root:
        evidence.append(f"and {metric.root:.6g} under the root (eps_root)")
    decay, decoupled, text = _decay(metric)
    evidence.append(text)
    evidence += _gathering(every)
    evidence.append("a replay from the textbook formulas reproduces a run with random gradients from a random start")
    alpha = rates[last] * _inner(metric)
    evidence.append(f"between two steps it is momentum (alpha {alpha:.4g}, beta {metric.beta1:.4g}) in the metric of its denominator")
    upward = ("it moves up the gradient: it maximizes (or the gradient's sign is wrong)",) if metric.rates[last] < 0 else ()
    return Identified(
        f"{called}, {', '.join(numbers)}", None, weight_decay=decay, decoupled=decoupled, decay_times_rate=metric.per_rate,
        alphas=tuple(rates.tolist()) if moved else (), evidence=tuple(evidence), warnings=upward, name=name, metric=metric,
        accumulation=every,
    )  # fmt: skip


def _inner(metric: Metric) -> float:
    return 1.0 if metric.before else 1 - metric.beta1


def _called(metric: Metric) -> str:
    after = "W" if metric.omega and not metric.before else ""
    if metric.kind == "sum":
        kinds = {False: "Adagrad with an averaged gradient", True: "Adagrad with momentum"}
        return kinds[metric.before] if metric.beta1 else "Adagrad"
    if metric.kind == "infinity":
        return "Adamax"
    if metric.kind == "centered":
        return "RMSprop, centered" + (", with momentum" if metric.before else "")
    if metric.before:
        return "RMSprop with momentum"
    if not metric.beta1:
        return "RMSprop" if not metric.bias2 else f"Adam{after} without momentum (RMSprop with bias correction)"
    base = ("R" if metric.rectified else "") + ("N" if metric.look else "") + "Adam"
    base = {"RNAdam": "RAdam with Nesterov's form"}.get(base, base)
    return base + after + (" with AMSGrad" if metric.kind.startswith("amsgrad") else "")


def _place(metric: Metric) -> str:
    if metric.kind == "sum" and metric.place == "inside":
        return "added to the sum of squares under the root (or the value at which the sum starts)"
    if not metric.bias2 or metric.kind in ("sum", "infinity"):
        return "under the root" if metric.place == "inside" else "added to the root"
    return {
        "outside": "added to the root of the corrected second moment, as in torch and optax",
        "plain": "added to the root of the second moment before its correction, as in Keras (eps hat) and torch's RAdam",
        "inside": "under the root",
    }[metric.place]


def _corrections(metric: Metric) -> list[str]:
    texts = []
    if metric.kind not in ("sum", "infinity"):
        both = {(True, True): "of both moments", (True, False): "of the first moment only", (False, True): "of the second moment only"}
        first = metric.bias1 and bool(metric.beta1) and not metric.before
        held = both.get((first, metric.bias2))
        texts.append(f"bias correction {held}" if held else "no bias correction")
    if metric.kind.startswith("amsgrad"):
        which = (
            "before its bias correction, as in torch and Keras" if metric.kind == "amsgrad" else "after its bias correction, as in optax"
        )
        texts.append(f"the largest second moment so far is kept, {which}")
    if metric.look == "optax":
        texts.append("Nesterov's form as in optax: beta1 times the next average and (1 - beta1) times the gradient")
    if metric.look == "torch":
        whose = {0.004: ", torch's default", 1.0: ", as in Keras"}.get(metric.growth, "")
        texts.append(f"Nesterov's form with a momentum that grows from beta1/2 (momentum_decay {metric.growth:.4g}{whose})")
    if metric.rectified:
        texts.append("rectified: steps without a tractable variance are plain momentum")
    if metric.before:
        texts.append("the gradient is divided by the root first and then averaged")
    return texts


def _decay(metric: Metric) -> tuple[float, bool | None, str]:
    if metric.omega:
        rate = float(np.abs(metric.rates).max())
        if metric.per_rate is False:
            return float(f"{metric.omega:.9g}"), True, f"weight decay {metric.omega:.6g}, decoupled, not multiplied by the learning rate"
        weight = float(f"{metric.omega / rate:.9g}")
        how = (
            "times the learning rate"
            if metric.per_rate
            else "if it is multiplied by the learning rate (which cannot be told while that stays)"
        )
        return weight, True, f"weight decay {weight:.6g}, decoupled, {how}: parameters shrink by {metric.omega:.4g} at a step"
    if metric.coupled:
        return metric.coupled, False, f"weight decay {metric.coupled:.6g}, added to the gradient (so it is divided by the root as well)"
    return 0.0, None, "no weight decay"


def _known(bench: Bench, at: int) -> tuple[str, list[str]]:
    """Of an optimizer that is none of these on a tensor: its nature, and what its moves still say."""
    generator = np.random.default_rng(3)
    grads = generator.standard_normal(SHAPE)
    zero = grads * 0
    plain = run_alike(bench, grads, zero)[:, at]
    if not np.all(np.isfinite(plain)) or not np.any(plain):
        return "", []
    larger, shifted = run_alike(bench, grads * 1e3, zero)[:, at], run_alike(bench, grads, zero + 1)[:, at]
    alone = grads * (np.arange(SHAPE[1]) == 0)
    single = run_alike(bench, alone, zero)[:, at]
    nature, texts = "", []
    sizes = np.abs(plain)
    if np.ptp(sizes) <= 1e-6 * sizes.max():
        nature, first = "sign", np.sign(plain) == -np.sign(grads)
        of = "the gradient (sign-SGD)" if first.all() else "an average of gradients (as Lion)"
        texts.append(
            f"every number moves by the same amount whatever the gradient's size: the sign of {of}; no curvature has an edge for it"
        )
    elif np.allclose(larger, plain, rtol=1e-3, atol=1e-6 * sizes.max()):
        texts.append("gradients a thousand times as large make the same moves: it divides by their size")
    if not np.allclose(single[:, 0], plain[:, 0], rtol=1e-3, atol=1e-6 * sizes.max()):
        nature = nature or "whole tensors"
        texts.append(
            "a number's move depends on the gradients of the others: it normalises, clips or orthogonalises whole tensors (as LAMB, Muon,"
            " Shampoo, Prodigy), so it has no diagonal metric"
        )
    if not np.allclose(shifted, plain, rtol=1e-3, atol=1e-6 * sizes.max()):
        nature = nature or "own points"
        texts.append(
            "its moves depend on where the parameters are: it decays them, keeps points of its own (as schedule-free methods) or scales by"
            " their size"
        )
    behind = ", unless one stands behind a clipping by norm: then identify it without the clipping" if nature == "whole tensors" else ""
    texts.append(f"it is none of: SGD with momentum, Adam, AdamW, NAdam, RAdam, AMSGrad, Adamax, RMSprop, Adagrad{behind}")
    return nature, texts

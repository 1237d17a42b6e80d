"""From a recursion to words: what it is called, what is beside it, what cannot be told."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...core.method import Method
from .bench import BASE, HALF, SIZES, Outcome
from .identified import GATHERS, NONLINEAR, UNTOLD, Identified, named, numbers, oriented, scheduled
from .kernel import SLACK
from .recursion import Clip, Recursion

__all__ = ["grouped", "missing", "told"]

WHERE = {
    True: "inside the buffer (as in Keras): after it changes, the velocity gathered so far still moves at the old one",
    False: "outside the buffer (as in torch and optax)",
}
CUT = {
    "norm": "the norm of all gradients together is at most",
    "tensor norm": "the norm of each tensor's gradient is at most",
    "value": "every entry is at most",
}
OWN = "weight decay under a schedule of its own"


def told(out: Outcome, declared: float | None = None, name: str = "") -> Identified:
    """One tensor's or group's verdict."""
    rounding = out.rounding
    if out.found is None:
        verdict = GATHERS if out.gathers else UNTOLD if out.still else NONLINEAR
        return Identified(verdict, None, residual=1.0, evidence=tuple(_refused(out, rounding)), name=name)
    found = out.found
    resolution, evidence = 100 * rounding, []
    rates, warnings = oriented(found.alpha, resolution)
    moved = bool(np.ptp(rates) > resolution * np.abs(rates).max())
    eager = _eager_start(found, rates, resolution)
    moved = moved and not eager
    last = int(np.flatnonzero(np.abs(rates) > resolution * np.abs(rates).max())[-1])
    steady = tuple(int(k) for k in found.lost)
    moving = bool(np.ptp(found.beta[1:]) > 1000 * resolution) and found.steps > 1
    betas = tuple(float(b) for b in found.beta) if moving else ()
    near = HALF if out.half else 1e-6
    method = _numbers(float(rates[last]), float(found.beta[last]), float(found.gamma[last]), out)
    evidence.append(f"one recursion explains every step: unexplained share {out.residual:.1e}")
    if out.half:
        evidence.append("its buffer is kept in half precision, so the numbers are accurate to about half a percent")
    if out.every > 1:
        same = f"the same as their sum at 1/{out.every} of the learning rate"
        evidence.append(f"it makes one step from every {out.every} gradients, with their mean ({same})")
    if eager:
        evidence.append("the first step has no gradient before it, takes its own in that place, and so is a plain step")
    if moved:
        evidence += _schedule(found, rates)
    if moving:
        evidence.append(f"momentum changes in time, between {min(betas):.4g} and {max(betas):.4g}")
    if found.other is not None:
        where = ("outside", "inside") if found.inside else ("inside", "outside")
        evidence.append(
            f"under this schedule momentum {found.other:.6g} with the learning rate {where[0]} the buffer makes the same steps;"
            f" {where[1]} is assumed, because this framework's own optimizers keep it there"
        )
    elif found.inside is not None and np.any(found.beta):
        evidence.append(f"the learning rate sits {WHERE[found.inside]}")
    elif moved and np.any(found.beta):
        evidence.append("whether the learning rate sits inside or outside the buffer cannot be told, because it changed too little")
    dampening = 1 - 1 / found.first if found.first != 1 else 0.0
    if dampening:
        evidence.append(
            f"the first gradient weighs {found.first:.4g} times as much: torch's undamped first step, dampening = {dampening:.4g}"
            f" (lr {method.alpha * found.first:.6g}, of which {method.alpha:.6g} reaches the later gradients)"
        )
    decay, decoupled, text = _decay(found, rates, out.per_rate, rounding)
    decay = float(f"{decay:.{3 if out.half else 10}g}")
    evidence += text
    cut = out.clip
    if cut is not None:
        evidence += _clipping(cut, method, named(method))
    verdict = scheduled(method, betas, near) if moved or moving else named(method, tolerance=near)
    verdict += f", gradients clipped ({CUT[cut.kind]} {cut.bound:.6g})" if cut is not None else ""
    return missing(Identified(
        verdict, method, found.inside if np.any(found.beta) else None, decay, decoupled, out.residual,
        Method(near * method.alpha, near, near) if out.half else None, steady,
        tuple(rates.tolist()) if moved else (), betas, tuple(evidence), (*warnings, *_losses(found)), name, (),
        out.per_rate if decoupled else None, dampening, "" if cut is None else cut.kind, None if cut is None else cut.bound, out.every,
    ), None if moving or declared is None or _hidden(declared, out) else declared)  # fmt: skip


def _hidden(declared: float, out: Outcome) -> bool:
    """Whether a momentum is so small that its steps cannot be told from plain ones: as Nesterov it only moves them by its square."""
    return declared**2 / (1 + abs(declared)) <= SLACK * out.rounding


def _numbers(alpha: float, beta: float, gamma: float, out: Outcome) -> Method:
    """The coefficients with the digits that are known: three where the buffer is in half precision."""
    if not out.half:
        return Method(alpha, _clean(beta, out.rounding), _clean(gamma, out.rounding))
    alpha, beta, gamma = (float(f"{value:.3g}") for value in (alpha, beta, gamma))
    return Method(alpha, beta, beta if abs(gamma - beta) <= 3 * HALF else gamma)


def _clean(value: float, rounding: float) -> float:
    """A number without its last digits, which are rounding: 0.9 for 0.9000000000000001."""
    digits = 11 if rounding < 1e-12 else 6
    return float(f"{value:.{digits}g}") if abs(value) > 100 * rounding else 0.0


def _schedule(found: Recursion, rates: np.ndarray) -> list[str]:
    texts = [
        f"the learning rate changes: {rates[0]:.4g} at step 0, {rates[-1]:.4g} at step {len(rates) - 1}, at most {np.abs(rates).max():.4g}"
    ]
    corrected = _bias_correction(rates)
    if corrected is not None:
        texts.append(f"it falls as lr/(1 - {corrected:.6g}^(step + 1)), the bias correction of an average")
    elif np.any(rates[1:-1] == 0):
        texts.append(f"it is 0 at {int(np.sum(rates == 0))} of {len(rates)} steps")
    return texts


def _eager_start(found: Recursion, rates: np.ndarray, resolution: float) -> bool:
    """Whether only the first step is another: as if the gradient before it had been the same (optax's optimistic descent)."""
    steady = len(rates) > 2 and np.ptp(rates[1:]) <= resolution * rates.max()
    return bool(
        steady
        and not np.any(found.beta)
        and abs(rates[0] * (1 + found.gamma[0]) - rates[1]) <= resolution * rates[1] < abs(rates[0] - rates[1])
    )


def _bias_correction(rates: np.ndarray) -> float | None:
    """The decay b where rates[k] (1 - b^(k+1)) is one number: then 1 - rates[1]/rates[0] ... solves for b."""
    if len(rates) < 4 or not np.all(rates > 0) or rates[0] <= rates[1]:
        return None
    decay = rates[0] / rates[1] - 1  # (1 - b^2)/(1 - b) = 1 + b
    fixed = rates * (1 - decay ** (1.0 + np.arange(len(rates))))
    return float(decay) if 0 < decay < 1 and np.ptp(fixed) <= 1e-5 * np.ptp(rates) else None


def _grain(omega: np.ndarray | None) -> float:
    """The spacing of single precision below 1 where every shrinking is a whole multiple of it: 1 - shrinking was rounded so."""
    units = np.zeros(1) if omega is None else omega * 2.0**24
    return 2.0**-24 if np.any(units) and np.all(np.abs(units - np.round(units)) <= 1e-6) else 0.0


def _decay(found: Recursion, rates: np.ndarray, per_rate: bool | None, rounding: float) -> tuple[float, bool | None, list[str]]:
    """Weight decay as people set it, its kind, and the sentence."""
    lost = max(8 * rounding / np.sqrt(found.steps), _grain(found.omega) / 16)  # what a difference of parameters of size 1 cannot show
    both = found.coupled != 0 and found.omega is not None
    rate = rates * np.where(np.arange(found.steps) == 0, found.first, 1.0)
    if found.omega is not None:
        weight = float(found.omega @ rate / (rate @ rate))
        if not np.any(found.beta) and not np.any(found.gamma) and per_rate is not False:
            text = f"weight decay {weight:.6g}; without momentum it is the same whether added to the gradient or taken from the parameters"
            return weight, None, [text]
        apart = [found.omega - weight * rate, found.omega - found.omega.mean()]
        if all(np.abs(one).max() > 16 * lost + 1e-3 * np.abs(found.omega).max() for one in apart):
            share = np.divide(found.omega, rate, out=np.zeros(found.steps), where=rate != 0)
            share[np.abs(found.omega) <= 16 * lost] = 0.0
            first, last = share[0], share[np.flatnonzero(rate)[-1]]
            return float(last), True, [f"{OWN}, decoupled: parameters shrink by lr times it, {first:.6g} at step 0, {last:.6g} at the last"]
        shrink = f"{found.omega.mean():.6g}" if np.ptp(found.omega) <= 4 * lost + 1e-9 * np.abs(found.omega).max() else "a changing share"
        text = f"weight decay {weight:.6g}, decoupled: parameters shrink by lr times it"
        if per_rate is False:
            weight = float(found.omega.mean())
            text = f"weight decay {weight:.6g}, decoupled: parameters shrink by it at every step, whatever the learning rate"
        elif per_rate is None:
            text = f"weight decay {weight:.6g}, decoupled (parameters shrink by lr times it, {shrink} at each step; whether a change of the"
            text += " rate would change that cannot be told)"
        texts = [text]
        if both:
            texts.append(f"beside it {found.coupled:.6g} times the parameters is added to the gradient")
        return weight, True, texts
    sign = float(np.sign(rates @ found.alpha))
    if found.lambdas is not None:
        text = f"{OWN}, added to the gradient: {sign * found.lambdas[0]:.6g} at step 0, {sign * found.coupled:.6g} at the last"
        return sign * found.coupled, False, [text]
    if found.coupled:
        return sign * found.coupled, False, [f"weight decay {sign * found.coupled:.6g}, added to the gradient"]
    return 0.0, None, []


def _clipping(cut: Clip, method: Method, kind: str) -> list[str]:
    place = {"gradient": "", "decayed gradient": ", after weight decay is added", "update": " (of the update, not of the gradient)"}[
        cut.place
    ]
    return [
        "small gradients pass unchanged and large ones are shortened: this looks like clipping",
        f"{CUT[cut.kind]} {cut.bound:.6g}{place}",
        f"below the threshold it is {kind}, {numbers(method)}",
    ]


def _refused(out: Outcome, rounding: float) -> list[str]:
    texts = [out.why]
    if out.gains:
        sizes = (BASE, *SIZES)
        order = np.argsort(sizes)
        shown = ", ".join(f"{sizes[i]:g}: {out.gains[i]:.3g}" for i in order)
        texts.append(f"gain |change|/|gradient| by size of gradient: {shown}")
    if out.below is not None and np.any(out.below.alpha):
        rates = np.abs(out.below.alpha)
        k = int(np.flatnonzero(rates)[-1])
        method = Method(float(rates[k]), _clean(float(out.below.beta[k]), rounding), _clean(float(out.below.gamma[k]), rounding))
        texts.append("small gradients pass unchanged and large ones are shortened: this looks like clipping")
        texts.append(f"below the threshold it is {named(method)}, {numbers(method)}")
    return texts


def _losses(found: Recursion) -> list[str]:
    """What the steps without momentum look like: from somewhere on, every so often, or now and then."""
    lost = list(found.lost)
    if not lost or not np.any(found.beta):
        return []
    gaps = np.unique(np.diff(lost))
    if len(lost) > 1 and gaps.size == 1:
        shown = ", ".join(map(str, lost[:4]))
        return [f"the buffer is emptied every {gaps[0]} steps (steps {shown}, ...): an optimizer re-created each epoch?"]
    return [f"the buffer is emptied at step {', '.join(map(str, lost[:6]))}: a new optimizer, or state that was cleared?"]


def missing(verdict: Identified, declared: float | None) -> Identified:
    """Hold the momentum that was asked for against the one that is there."""
    from dataclasses import replace

    method: Method | None = verdict.method
    if declared is None or method is None or abs(declared - method.beta) <= 1e-3 + 4 * (verdict.error.beta if verdict.error else 0):
        return verdict
    if method.beta == 0:
        text = f"momentum {declared:g} was asked for and is not there: every step starts from an empty buffer (state lost between steps?)"
    else:
        text = f"momentum {declared:g} was asked for, but the optimizer uses {method.beta:.4g}"
    return replace(verdict, warnings=(*verdict.warnings, text))


def grouped(verdicts: Sequence[Identified]) -> Identified:
    """One verdict where all tensors or groups are alike; else each is told."""
    from dataclasses import replace

    kinds: list[Identified] = []
    for one in verdicts:
        if not any(_alike(one, other) for other in kinds):
            kinds.append(one)
    if len(kinds) == 1:
        return replace(kinds[0], name="")
    names = {id(kind): _names([one.name for one in verdicts if _alike(one, kind)], [one.name for one in verdicts]) for kind in kinds}
    each = tuple(replace(kind, name=", ".join(names[id(kind)])) for kind in kinds)
    first = each[0]
    warnings = tuple(dict.fromkeys(f"{one.name}: {text}" for one in each for text in one.warnings))
    verdict = f"{len(each)} kinds of parameters, each stepped in its own way: " + "; ".join(f"{one.name}: {one.verdict}" for one in each)
    return replace(
        first,
        verdict=verdict,
        name="",
        groups=each,
        evidence=("the numbers that stand above the list of groups belong to " + first.name,),
        warnings=warnings,
    )


def _names(mine: list[str], everyone: list[str]) -> list[str]:
    """Names of tensors, shortened to their group's where all of the group are among them."""
    short = []
    for name in mine:
        group = name.split(", tensors")[0]
        whole = all(other in mine for other in everyone if other.split(", tensors")[0] == group)
        short.append(group if whole else name)
    return list(dict.fromkeys(short))


def _alike(one: Identified, other: Identified) -> bool:
    a, b = one.method, other.method
    if (a is None) != (b is None) or one.verdict != other.verdict or one.decoupled != other.decoupled or one.lost != other.lost:
        return False
    if (one.metric is None) != (other.metric is None) or (one.metric is None and a is None and one.evidence != other.evidence):
        return False
    near = [(one.weight_decay, other.weight_decay), (one.dampening, other.dampening), *zip(one.alphas, other.alphas, strict=False)]
    near += list(zip(a, b, strict=True)) if a is not None and b is not None else []
    return len(one.alphas) == len(other.alphas) and all(abs(x - y) <= 1e-6 * max(abs(x), abs(y)) + 1e-300 for x, y in near)

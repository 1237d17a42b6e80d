"""From fitted coefficients to words: which method, what is missing, what proves it.

Simplest explanation first: the same coefficients at every step; coefficients that change in time (a schedule, a buffer
that is emptied); no linear recursion at all.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...core.method import Method
from .identified import NONLINEAR, Identified, named, oriented, scheduled
from .noise import adaptive, errors
from .recursion import Recursion
from .scheduled import under_schedule
from .series import SHAPES, Fit, Series, Steps, fit, fit_steps, method_of

__all__ = ["NONLINEAR", "Identified", "judge", "named"]

Array = NDArray[np.float64]

SLACK = 100  # times rounding that a true recursion may leave over
NOISY = 0.5  # share of the movement that a noisy history may leave unexplained


def judge(series: Series, *, exact: bool = False, decoupled: bool | None = None) -> Identified:
    """The verdict on one Series; `exact` where nothing but rounding may blur it (a black box), `decoupled` where known."""
    tolerance = max(SLACK * series.rounding, 1e-10)
    for shape in SHAPES:
        found = fit(series, shape)
        if found.residual <= tolerance:
            return _steady(series, found, tolerance, decoupled)
    found_rates = under_schedule(series, tolerance) if _may_be_scheduled(series, tolerance) else None
    if found_rates is not None:
        cut = _clipped(series, np.abs(found_rates.alpha[1:]))
        return cut if cut is not None else _scheduled(found_rates, tolerance)
    for shape in SHAPES:
        steps = fit_steps(series, shape)
        if steps is not None and np.all(steps.residual <= tolerance * 10) and steps.sound.any() and _settled(steps):
            changing = _changing(series, steps, tolerance)
            if changing.method is None or abs(changing.method.beta) <= 1 + max(1e-5, 100 * tolerance):
                return changing
    return nonlinear(series) if exact else noisy(series)


def _may_be_scheduled(series: Series, tolerance: float) -> bool:
    """Whether each step may be a recursion by itself: it is, or it cannot be seen (no move at some step, few numbers)."""
    steps = fit_steps(series, SHAPES[-1] if series.start_known else SHAPES[-2])
    if steps is None:
        return series.grads.shape[1] > 1
    still = ~np.any(series.changes != 0, axis=1)
    unseen = still[1:] | still[:-1]
    return bool(np.all(steps.residual[~unseen] <= 10 * tolerance)) and not unseen.all()


def _scheduled(found: Recursion, tolerance: float) -> Identified:
    """Momentum and look-ahead stay, the learning rate moves."""
    slack = max(1e-6, 100 * tolerance)
    rates, upward = oriented(found.alpha, slack)
    last = int(np.flatnonzero(np.abs(rates) >= min(slack, 1.0) * np.abs(rates).max())[-1])  # the largest is never hidden
    beta, gamma = (0.0 if abs(value[0]) <= slack else float(value[0]) for value in (found.beta, found.gamma))
    method = Method(float(rates[last]), beta, gamma)
    inside = found.inside if beta else None
    evidence = [f"each step is explained by one momentum and its own learning rate, from {rates[0]:.4g} at step 0 to {rates[-1]:.4g}"]
    if beta:
        evidence.append("the learning rate changes" + _WHERE[inside] if inside is not None else _EITHER)
    decay = found.coupled if found.omega is None else float(found.omega[last] / found.alpha[last])
    kind = None if not decay or not beta else found.omega is not None
    if decay:
        how = {True: "decoupled (parameters shrink by lr times it)", False: "added to the gradient", None: "of either kind: the same here"}
        evidence.append(f"weight decay {decay:.6g}, {how[kind]}")
    return Identified(
        scheduled(method, tolerance=slack), method, inside, decay, kind, tolerance,
        alphas=tuple(rates.tolist()), evidence=tuple(evidence), warnings=tuple(upward),
    )  # fmt: skip


def _settled(steps: Steps) -> bool:
    """Whether the terms beside the learning rate keep few values: a wrong shape fits with coefficients that wander."""
    if "w" not in steps.shape:
        return True
    ratio = (steps.values["w"] / steps.values["a"])[steps.sound]
    return ratio.size > 0 and bool(np.mean(np.abs(ratio - np.median(ratio)) <= 1e-3 * max(abs(np.median(ratio)), 1e-6)) > 0.8)


def _steady(series: Series, found: Fit, tolerance: float, known: bool | None) -> Identified:
    method, decay = method_of(found.values)
    error = errors(found, method)
    evidence = [f"one recursion explains every step: unexplained share {found.residual:.1e}"]
    decoupled, first = _first_step(series, found, tolerance)
    decoupled = known if decoupled is None and "w" in found.shape else decoupled
    if "w" in found.shape and found.values["w"] != 0:
        if decoupled:
            method, decay = method_of(found.values, decoupled=True)
        kind = {
            True: "decoupled (parameters shrink by lr times it)",
            False: "added to the gradient",
            None: "coupled or decoupled: cannot be told",
        }
        evidence.append(f"weight decay {decay:.6g}, {kind[decoupled]}")
    method, warnings = _upward(method)
    kept = _clean(method, tolerance)
    return Identified(
        named(kept, tolerance=max(1e-6, tolerance)), kept, None, decay, decoupled, found.residual, error, (), (), (),
        (*evidence, *first), tuple(warnings),
    )  # fmt: skip


def _clean(method: Method, tolerance: float) -> Method:
    """Numbers below what the data can resolve are zero; alpha has a unit, so no size of it is small by itself."""
    return Method(float(method.alpha), *(0.0 if abs(value) <= tolerance else float(value) for value in method[1:]))


def _upward(method: Method) -> tuple[Method, list[str]]:
    if method.alpha >= 0:
        return method, []
    return method._replace(alpha=-method.alpha), ["it moves up the gradient: it maximizes (or the gradient's sign is wrong)"]


def _first_step(series: Series, found: Fit, tolerance: float) -> tuple[bool | None, list[str]]:
    """What only the first step from rest tells: decoupled decay, and torch's undamped first gradient."""
    terms = [series.grads[0]]
    if "w" in found.shape and series.start_known:
        terms.append(series.params[0])
    elif "w" in found.shape:
        return None, []
    x, y = np.stack(terms, axis=-1), series.changes[0]
    solved = np.linalg.lstsq(x, y, rcond=None)[0]
    if np.linalg.norm(y - x @ solved) > 10 * tolerance * np.linalg.norm(y):
        return None, []  # not from rest
    a, method = found.values["a"], method_of(found.values)[0]
    notes: list[str] = []
    if a == 0:
        return None, notes
    weight = solved[0] / a
    if "c" in found.shape and abs(weight - 1) > 1e3 * tolerance + 1e-6 and weight > 0:
        notes.append(f"the first gradient weighs {weight:.4g} times as much: torch's undamped first step, dampening = {1 - 1 / weight:.4g}")
    if len(terms) == 1 or abs(method.beta) < 1e-6:
        return (None if len(terms) == 1 else False), notes
    other = method_of(found.values, decoupled=True)
    coupled, apart = (1 + method.gamma) * found.values["w"] * weight, -other[0].alpha * other[1]
    return bool(abs(solved[1] - apart) < abs(solved[1] - coupled)), notes


def _changing(series: Series, steps: Steps, tolerance: float) -> Identified:
    """Coefficients that move in time: learning-rate schedule (inside or outside), momentum schedule, emptied buffers."""
    zero = np.zeros_like(steps.values["a"])
    a, b, c, w = (steps.values.get(name, zero) for name in "abcw")
    slack = max(1e-5, 100 * tolerance)
    sound = steps.sound if "c" in steps.shape else np.ones(len(a), dtype=bool)
    a, b = _filled(a, sound), _filled(b, sound)
    cut = _clipped(series, np.abs(a))
    if cut is not None:
        return cut
    decay = float(np.median((w / (a + b))[sound])) + 0.0
    core = c + b * decay  # beta, times alpha[k]/alpha[k-1] where the rate is outside the buffer
    outer = core * np.concatenate([[np.nan], a[:-1]]) / a
    present, gone = sound & (np.abs(core) > slack), sound & (np.abs(core) <= slack)
    moved = bool(np.ptp(a) > slack * np.median(np.abs(a)))
    inside = _inside(core, outer, present, slack) if moved else None
    if moved and not inside:  # where the rate before is unknown, so is beta
        present &= np.concatenate([[False], sound[:-1]])
    usable = np.flatnonzero(present)
    ratio = -b / (np.concatenate([a[:1], a[:-1]]) if inside else a)  # gamma/(1 + gamma)
    gammas = ratio / (1 - ratio)
    alphas = -a / (1 + gammas)
    if usable.size:  # a buffer counts as emptied only where one that was kept would have been seen
        kept = np.abs(np.median((core if inside or not moved else outer)[usable]))
        gone &= kept * (1.0 if inside or not moved else np.abs(a / np.concatenate([a[:1], a[:-1]]))) > 2 * slack
    betas = np.where(gone, 0.0, _filled(core if inside or not moved else outer, present))
    evidence = [f"each step is a linear recursion by itself: unexplained share at most {steps.residual.max():.1e}"]
    warnings: list[str] = []
    if moved:
        evidence.append(f"the learning rate changes, from {abs(alphas[0]):.4g} to {abs(alphas[-1]):.4g}{_WHERE[inside]}")
    varies = usable.size > 0 and np.ptp(betas[usable]) > 10 * slack
    if varies:
        evidence.append(f"momentum changes in time, between {betas[usable].min():.4g} and {betas[usable].max():.4g}")
        jumps = np.abs(np.diff(betas[usable])) > 10 * slack
        if jumps.mean() < 0.5:  # one that moves at most steps is a schedule of its own, as one-cycle
            warnings.append("something sets the momentum while training (a scheduler?): is that meant?")
    if decay:
        evidence.append(f"weight decay {decay:.6g}")
    now = (usable[-1:] if varies else usable) if usable.size else np.arange(len(a))
    current = Method(float(alphas[-1]), float(np.median(betas[now])) if usable.size else 0.0, float(np.median(gammas[now])))
    method, upward = _upward(current)
    lost = np.flatnonzero(gone) + 1 if usable.size else np.array([], dtype=int)
    clean = _clean(method, slack)
    return Identified(
        named(clean, tolerance=10 * slack), clean, inside, decay, None, float(steps.residual.max()), None,
        tuple(int(k) for k in lost), tuple(np.abs(_from_start(series, alphas, gammas)).tolist()) if moved else (),
        (float(betas[0]), *betas.tolist()) if varies or lost.size else (),
        tuple(evidence), (*upward, *warnings, *_losses(lost, len(a) + 1)),
    )  # fmt: skip


def _from_start(series: Series, alphas: Array, gammas: Array) -> Array:
    """The rates with that of step 0 before them: seen from rest, else not a number."""
    grad, change = series.grads[0], series.changes[0]
    along = (1 + float(np.median(gammas))) * grad if gammas.size else grad
    rate = -float(change @ along) / max(float(along @ along), 1e-300)
    known = np.linalg.norm(change + rate * along) <= 1e-3 * np.linalg.norm(change)
    return np.concatenate([[rate if known else np.nan], alphas])


def _filled(values: Array, sound: NDArray[np.bool_]) -> Array:
    """Steps that cannot be solved alone (the first, or the one after an emptied buffer) take their neighbours' values."""
    return np.interp(np.arange(len(values)), np.flatnonzero(sound), values[sound]) if sound.any() else values


def _clipped(series: Series, rates: Array) -> Identified | None:
    """Clipping by norm looks like a learning rate that changes; but then rate times norm is one number at the cut steps."""
    norms = np.linalg.norm(series.grads[1:], axis=1)
    cut = rates < 0.999 * rates.max()
    sizes = (rates * norms)[cut]
    if np.ptp(norms) <= 1e-3 * norms.max() or cut.sum() < 3 or np.ptp(sizes) > 1e-3 * sizes.max():
        return None
    what = "normalised gradients" if cut.sum() >= len(cut) - 1 else f"clipping by norm, at about {norms[cut].min():.3g}"
    text = f"{cut.sum()} of {len(cut)} steps have the same length whatever the gradient: {what}; below it lr is {rates.max():.4g}"
    return Identified(NONLINEAR, None, residual=1.0, evidence=(text,))


_EITHER = "whether the learning rate sits inside or outside the buffer cannot be told, because it changed too little"
_WHERE = {True: ", and sits inside the buffer (as in Keras)", False: ", and sits outside the buffer (as in torch and optax)", None: ""}


def _inside(c: Any, outer: Any, present: Any, slack: float) -> bool | None:
    rows = present & np.isfinite(outer)
    if rows.sum() < 2:
        return None
    within, without = np.ptp(c[rows]), np.ptp(outer[rows])
    if max(within, without) <= 10 * slack or 0.1 < within / max(without, 1e-300) < 10:
        return None  # both stay, or both move (a one-cycle schedule): the two places are one method
    return bool(within < without)


def _losses(lost: NDArray[np.intp], steps: int) -> list[str]:
    """What the steps without momentum look like: from somewhere on, every so often, or now and then."""
    if not lost.size:
        return []
    if lost[-1] == steps - 1 and np.all(np.diff(lost) == 1):
        return [f"momentum is not there from step {lost[0]} on: did something set it to 0?"]
    gaps = np.unique(np.diff(lost))
    if lost.size > 1 and gaps.size == 1:
        text = (
            f"the buffer is emptied every {gaps[0]} steps (steps {', '.join(map(str, lost[:4]))}, ...): an optimizer re-created each epoch?"
        )
        return [text]
    return [f"the buffer is emptied at step {', '.join(map(str, lost[:6]))}: a new optimizer, or state that was cleared?"]


def nonlinear(series: Series) -> Identified:
    """No linear recursion, and nothing but rounding to blame."""
    best = min((fit(series, shape) for shape in SHAPES), key=lambda found: found.residual)
    text = (
        f"the best linear recursion leaves {100 * best.residual:.3g} % of the movement unexplained; rounding explains {series.rounding:.0e}"
    )
    return Identified(NONLINEAR, None, residual=best.residual, evidence=(text,))


def noisy(series: Series) -> Identified:
    """A history with noise: the best recursion by Schwarz's criterion, how much it explains, and tests that it is one."""
    best = min((fit(series, shape) for shape in SHAPES), key=lambda found: found.score)
    method, decay = method_of(best.values)
    error = errors(best, method)
    against = adaptive(series, best)
    share = f"the best recursion explains {100 * (1 - best.residual**2):.4g} % of the movement (squared)"
    if best.residual > NOISY or against:
        return Identified(NONLINEAR, None, residual=best.residual, evidence=(share, *against))
    method, warnings = _upward(method)
    numbers = zip(("alpha", "beta", "gamma"), method, error, strict=False)
    sure = ", ".join(f"{name} {value:.4g} +- {2 * spread:.1g}" for name, value, spread in numbers)
    note = f"from a noisy history, two standard errors: {sure}; noise in the recorded gradients pulls alpha towards 0"
    return Identified(
        named(method, error), method, None, decay, None, best.residual, error, evidence=(share, note), warnings=tuple(warnings)
    )  # fmt: skip

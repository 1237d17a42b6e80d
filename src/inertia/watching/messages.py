"""What follows from what was seen: each rule says whether its message is true, in a sentence with the number and the smallest change.

A rule answers True, False or None (cannot be told): then what was said before stands. No rule holds a threshold that is not derived: a
comparison is made beyond two standard errors, with the edge of the method in use, or with what the message itself promises.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from .clipping import acting, clipped
from .history import History
from .quantities import Look, Reading
from .regimes import noise_limit, step_of_best
from .spikes import SPIKE, forecast

__all__ = ["CHEAP", "RULES", "Finding"]

_TWICE = 2.0  # the smallest change of a learning rate that is worth a message
_FEW = 10  # losses whose median is the loss of now
_WITHIN = 50  # steps within which a fault of the loop is named
_READINGS = 16  # newest ones of each group that clipping is counted in
_ROUNDING = 1e-3  # relative, of sums of float32 products over millions of entries: momenta nearer than this are the same


@dataclass(frozen=True)
class Finding:
    """Whether a message is true (None: cannot be told), and its words."""

    holds: bool | None
    words: str = ""


_NO, _UNKNOWN = Finding(False), Finding(None)


def _not_finite(history: History) -> Finding:
    """The loss is not a number any more."""
    if history.bad is None:
        return _NO
    words = f"The loss has not been finite since step {history.bad}"
    if history.finite is not None:
        words += f"; the last finite one was {history.finite[1]:.4g} at step {history.finite[0]}"
    if history.looks:
        look = history.looks[-1]
        words += f"; at step {look.step} sharpness was {look.sharpness:.4g}" + (f", {look.of_edge:.2g} of the edge" if look.of_edge else "")
    return Finding(True, words + ". Go back to a checkpoint before it, with a smaller learning rate.")


def _rate_zero(history: History) -> Finding:
    """Nothing is learned."""
    if not history.rates or any(rate != rate for rate in history.rates):
        return _UNKNOWN if not history.rates else _NO
    since = history.zero_since
    if since is None:
        return _NO
    if history.step <= since:  # a warm-up may start with one step at 0
        return _UNKNOWN
    words = f"The learning rate has been 0 since step {since}, so nothing is learned"
    return Finding(True, words + ". Check the scheduler, and that scheduler.step() is called after optimizer.step().")


def _velocity_lost(history: History) -> Finding:
    """Something empties the buffers between two steps: v = g where v = beta v_before + g was asked for."""
    for group in history.groups:
        last = [r for r in history.last_readings(group, 2) if r.asked and r.held is not None]
        if len(last) == 2 and all(_nearer_zero(r) for r in last):
            where = f" of group {group}" if len(history.groups) > 1 else ""
            return Finding(
                True,
                f"Momentum {last[-1].asked:g}{where} is asked for, but the velocity is the gradient of this step alone: something "
                "resets it. Do not create the optimizer, clear its state or load an old state inside the training loop.",
            )
    return _NO if history.readings else _UNKNOWN


def _nearer_zero(reading: Reading) -> bool:
    """Whether the buffer's relation to the one before is nearer to none than to the one that was asked for."""
    held, asked = reading.held or 0.0, reading.asked or 0.0
    return abs(held) < asked / 2 and reading.error < asked / 2


def _momentum_differs(history: History) -> Finding:
    """The momentum is not the one expected, or not the one asked for."""
    for group in history.groups:
        last = history.last_readings(group, 2)
        wanted = history.expect if history.expect is not None else last[-1].asked
        if len(last) < 2 or wanted is None or all(r.asked and r.held is not None and _nearer_zero(r) for r in last):
            continue
        held = [value for r in last if (value := r.held if r.held is not None else r.asked) is not None]
        slack = [_ROUNDING + 2 * r.error for r in last]
        if len(held) < 2 or any(abs(value - wanted) <= most for value, most in zip(held, slack, strict=True)):
            continue
        if history.expect is None and abs(held[0] - held[1]) > sum(slack):
            continue
        where = f" in group {group}" if len(history.groups) > 1 else ""
        word, rate = "expected" if history.expect is not None else "asked for", last[-1].learning_rate
        words = f"Momentum {wanted:g} is {word}, but the optimizer uses {held[1]:.4g}{where}"
        if held[1] < 1 and wanted < 1:
            words += f": the effective learning rate lr/(1 - momentum) is {rate / (1 - held[1]):.3g}, not {rate / (1 - wanted):.3g}"
        return Finding(True, words + ".")
    return _NO if history.readings else _UNKNOWN


def _idle(history: History) -> Finding:
    """The optimizer that is watched does not step."""
    foreign = history.facts.get("foreign")
    if foreign:
        return Finding(
            True, f"Another optimizer ({foreign}) steps this model: the watched one was replaced, and its velocity is lost. "
            "Create the optimizer once, before the loop, and the watch after it.",
        )  # fmt: skip
    if history.idle >= _WITHIN:
        return Finding(True, f"The optimizer has not stepped in the last {history.idle} calls: is optimizer.step() reached?")
    return _NO


def _skipped(history: History) -> Finding:
    """The scaler leaves steps out."""
    recent = [step for step in history.skipped if step >= history.step - _WITHIN]
    if len(recent) < 2:
        return _NO
    return Finding(
        True, f"The gradient scaler left out {len(recent)} of the last {_WITHIN + len(recent)} steps (overflow). A few at the start are "
        "normal, while the scaler finds its scale; later ones mean that the gradients are growing.",
    )  # fmt: skip


def _clipped(history: History) -> Finding:
    """Most steps are cut."""
    groups = max(len(history.groups), 1)
    recent = history.readings[-_READINGS * groups :]
    if len(recent) < 4 * groups:
        return _UNKNOWN
    share, norm = clipped(recent)
    if share <= 0.5:
        return _NO
    share_of = acting(history.looks[-16:], history.facts.get("batch"))
    if share_of is None and history.looks and len(recent) < _READINGS * groups:
        return _UNKNOWN  # its number may come with the next looks, and it is told once
    rate = history.readings[-1].learning_rate
    if history.facts.get("adaptive"):  # a gradient that is always cut to the same share is divided by as much less
        words = f"Clipping to norm {norm:.3g} shortens {100 * share:.0f} % of the gradients"
        words += ", but hardly the steps, because the optimizer divides gradients by their own size"
        if share_of is not None and share_of < 1:
            words += f"; of the sharpness against the edge about {share_of:.2g} acts"
        return Finding(True, words + ". Raise the limit if only rare large gradients are to be cut.")
    words = f"Clipping to norm {norm:.3g} shortens {100 * share:.0f} % of the "
    words += "steps, so this limit sets their length, not the gradient" if history.facts.get("plain", True) else "gradients"
    if share_of is not None and share_of < 1 and history.facts.get("plain", True):
        return Finding(
            True, f"{words}; the learning rate in effect is about {share_of * rate:.2g}, not {rate:.2g}. "
            "Raise the limit, or count with the learning rate in effect.",
        )  # fmt: skip
    return Finding(True, words + ". Raise the limit if only rare large gradients are to be cut.")


def _room(history: History) -> Finding:
    """Twice the rate is stable, and not too long along the steps taken."""
    last = [look.upper_of_edge for look in history.looks[-3:]]
    edges = [value for value in last if value is not None]
    if len(edges) < 3:
        return _UNKNOWN
    if max(edges) * _TWICE >= 1:
        return _NO
    ratio = step_of_best(history.looks[-16:])
    if ratio is None:
        return _UNKNOWN
    if ratio * _TWICE >= 1:
        return _NO
    return Finding(
        True,
        f"The learning rate can be {_TWICE:g}x as high: sharpness is at most {max(edges):.2g} of the edge, "
        f"and the steps have {ratio:.2g} of their best length.",
    )


def _risen(history: History) -> Finding:
    """The loss has left: in two looks at the whole probe it is as far above its lowest as what is called a spike, and so are the steps'.

    Of a probe alone it may be chance: a few examples that happened to be fitted well. Where it cannot be looked at any more, the losses of
    the steps tell.
    """
    looks = [look for look in history.looks if look.part == 1]
    lost = bool(history.facts.get("blind")) and len(history.losses) >= _FEW
    before = looks if lost else looks[:-2]
    least = min(before, key=lambda look: look.loss, default=None)
    if least is None or not least.loss > 0:
        return _UNKNOWN
    now = [history.median(_FEW)] if lost else [look.loss for look in looks[-2:]]
    high = [loss > SPIKE * least.loss for loss in now]
    own = history.losses.since(min(looks[-2].step, history.step - _FEW + 1))[-_FEW:]
    if not lost and own.size:  # a trainer that tells means over hundreds of steps may have told none: then the probe's alone tell
        high.append(float(np.median(own)) > SPIKE * history.median(_FEW, least.step))
    if not all(high):
        return _UNKNOWN if any(high) or lost else _NO
    return Finding(
        True,
        f"The loss has risen to {now[-1]:.3g}, {now[-1] / least.loss:.2g} times what it was at step {least.step}. If it does not come "
        "back by itself, go back to a checkpoint of that time, with a smaller learning rate.",
    )


def _at_edge(history: History) -> Finding:
    """Beyond the edge."""
    last = history.looks[-2:]
    if len(last) < 2 or any(look.edge is None for look in last):
        return _UNKNOWN
    if all(look.sharpness > look.edge for look in last):  # type: ignore[operator]
        worst = max(look.of_edge or 0.0 for look in last)
        words = f"Sharpness has been beyond the edge ({worst:.3g} of it) since step {last[0].step}: the learning rate is "
        if last[-1].loss > SPIKE * min(look.loss for look in history.looks if look.part == last[-1].part):
            words += "higher than curvature allows. "
        else:
            words += "as high as curvature allows. This alone is no reason for alarm, as full-batch training usually stays there. "
        return Finding(True, f"{words}{1 / worst:.2g} times this learning rate is stable.")
    return Finding(False) if all(look.sharpness + look.bar < (look.edge or 0) for look in last) else _UNKNOWN


def _spike(history: History) -> Finding:
    """The loss is about to leave."""
    seen = forecast(history)
    if seen is None:
        return _UNKNOWN
    if not seen.coming:
        return _NO
    look: Look = history.looks[-1]
    beyond = f"sharpness is beyond the edge ({look.of_edge:.3g} of it) since step {seen.since}"
    where = beyond if (look.of_edge or 0.0) > 1 else f"sharpness is {look.of_edge:.3g} of the edge"
    soon = f" within about {seen.steps:.0f} steps" if math.isfinite(seen.steps) else ""
    return Finding(
        True,
        f"The loss will probably spike{soon}: {where}, and by the last looks the oscillation along the sharpest direction grows faster "
        f"than it is damped. {0.99 * seen.stable:.2g} times this learning rate is stable.",
    )


def _noise(history: History) -> Finding:
    """Noise holds the loss up."""
    holds, limit = noise_limit(history)
    if not holds or limit is None:
        return Finding(holds)
    words = f"Noise-limited: at this learning rate the loss stays near {limit.level:.3g} (since step {limit.since})"
    if limit.excess is not None:
        words += f"; {limit.excess:.2g} of it is due to noise. "
        words += f"Halve the learning rate or double the batch, and it falls to about {limit.halved:.3g}."
    else:
        words += ". Halve the learning rate or double the batch."
    return Finding(True, words)


def _blind(history: History) -> Finding:
    """A look could not be taken."""
    why = history.facts.get("blind")
    return Finding(bool(why), f"The curvature cannot be measured: {why}" if why else "")


RULES: dict[str, Callable[[History], Finding]] = {
    "not finite": _not_finite,
    "learning rate 0": _rate_zero,
    "velocity lost": _velocity_lost,
    "momentum": _momentum_differs,
    "idle": _idle,
    "skipped": _skipped,
    "clipped": _clipped,
    "spike": _spike,
    "risen": _risen,
    "beyond the edge": _at_edge,
    "room": _room,
    "noise": _noise,
    "blind": _blind,
}
CHEAP = {"not finite", "learning rate 0", "velocity lost", "momentum", "idle", "skipped", "clipped", "blind"}  # ask no look

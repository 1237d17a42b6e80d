"""Two looks at a model, before and after a short careful walk, become one Observation.

The largest curvature rises while a network begins to train, so the unit of its learning rate is the larger of two looks: at
the start, and after a sixteenth of the run (less of a long one) at a quarter of what the start would allow.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from ..core.method import Method
from ..core.spectrum import Spectrum
from ..errors import BadInput
from .observe import Observation
from .plan import Plan
from .predict import Model, grounded, joined

__all__ = ["CALM", "DEPTH", "END", "OTHERS", "SHALLOW", "Look", "cautious", "look", "modelled", "observed", "stroll"]

CALM = 0.02  # negative curvature below this share of the largest is rounding and Lanczos error, not shape
_PART, _LONGEST, _SHORTEST = 16, 6_000, 100  # the walk is a 16th of the run, but no more examples than this or a 100th of it
_LEAST, _MOST, _SHARE, _PRODUCTS = 256, 2048, 0.02, 50  # examples looked at: as many as 2 % of the run pay for, within limits
DEPTH = 20  # products of the run that looks for the largest curvature
END = 12  # products of the look where the recommended run ended
OTHERS, SHALLOW = 2, 8  # other initialisations looked at, where there is a function that makes them, and products of each look


class Look(NamedTuple):
    """How many examples are looked at, in which batches noise is measured, and what that noise has to be multiplied by."""

    examples: int
    batch_size: int
    noise_scale: float


def look(examples: int, batch_size: int, steps: int, wanted: int | None = None) -> Look:
    """The Look that a run can pay for; noise is rescaled by the law of drawing without replacement, 1/B - 1/N.

    >>> look(examples=1000, batch_size=1000, steps=100)
    Look(examples=256, batch_size=64, noise_scale=0.0)
    """
    afforded = int(np.clip(_SHARE * steps * batch_size / (2 * _PRODUCTS), _LEAST, _MOST))
    used = min(examples, wanted or afforded)
    size = max(1, min(batch_size, used // 4))
    here, there = 1 / size - 1 / used, 1 / batch_size - 1 / examples
    return Look(used, size, there / here if here > 0 else 0.0)


def stroll(steps: int, batch_size: int) -> int:
    """Steps of the walk between the looks: a sixteenth of a short run, about 1 % of a long one.

    >>> stroll(160, 64), stroll(100_000, 64)
    (10, 1000)
    """
    return max(4, min(steps // _PART, max(_LONGEST // batch_size, steps // _SHORTEST)))


def cautious(upper: float) -> Method:
    """The method of the walk: Nesterov 0.9 at a quarter of 1/curvature.

    >>> cautious(2.0)
    Method(alpha=0.125, beta=0.9, gamma=0.9, delta=0.0)
    """
    return Method(0.25 / upper, beta=0.9, gamma=0.9)


def modelled(seen: Spectrum, epoch: float, noise_scale: float = 1.0, lift: float = 0.0) -> Model:
    """The quadratic that a measured spectrum stands for, which never promises more than the loss has to give."""
    loss = float(seen.provenance["loss"])
    h, weights = seen.curvatures + lift, seen.weights
    leaning, shaking = weights > 0, seen.noise > 0
    distances = grounded(h[leaning], (h[leaning] ** 2) * weights[leaning], loss - min(0.0, loss))
    pair = joined(distances, (np.maximum(h[shaking], 0.0), noise_scale * seen.noise[shaking]), seen.upper + lift, source="lanczos")
    pair = Spectrum(**{**vars(pair), "provenance": {**pair.provenance, "dimension": seen.dimension}})
    return Model(pair, loss, epoch=epoch)


def observed(
    start: Spectrum,
    plan: Plan,
    eye: Look,
    beyond: Callable[[int, Method], Spectrum | None],
    branch: str = "auto",
    elsewhere: Callable[[], list[Spectrum]] = list,
) -> Observation:
    """One Observation of the look at the start and, where that was not convex (or for the branch "network"), of further ones.

    `beyond(steps, method)` walks so far with the plan's batches and looks again; None where the walk got lost. `elsewhere()`
    looks at other initialisations: what is stable from one start need not be from the next.

    Raises:
        BadInput: no positive curvature, or no gradient to follow.
    """
    bent = bool(start.mu < -CALM * start.L)
    if not bent and branch != "network":
        return _together(start, None, [], plan, eye, 0, convex=True)
    steps = stroll(plan.steps, plan.batch_size)
    later = beyond(steps, cautious(start.upper + plan.weight_decay))
    return _together(start, later, elsewhere(), plan, eye, steps, convex=not bent)


def _together(
    start: Spectrum, later: Spectrum | None, others: list[Spectrum], plan: Plan, eye: Look, walk: int, convex: bool
) -> Observation:
    """The looks put together: the largest curvature of all, the costs, weight decay on every curvature."""
    lift, noise_scale = plan.weight_decay, eye.noise_scale
    seen = [start, *([] if later is None else [later]), *others]
    facts = [look.provenance for look in seen]
    if not facts[0]["gradient_norm"] > 0:
        raise BadInput(
            "the loss does not depend on the parameters: its gradient at the start is zero; is something detached, or are they not used?"
        )
    upper = max(look.upper for look in seen) + lift
    if not upper > 0:
        raise BadInput("no positive curvature at the start, so a learning rate has no scale there: start somewhere else")
    largest = max(look.L for look in seen) + lift
    smallest = min(look.mu for look in seen) + lift
    spent = walk * plan.batch_size + sum(int(eye.examples * (2 * each["hvps"] + each.get("gradients", 1.0))) for each in facts)
    told: dict[str, Any] = {
        "largest": largest, "largest_upper": upper, "smallest": smallest, "noise_trace": noise_scale * float(facts[0]["noise_trace"]),
        "gradient_norm": float(facts[0]["gradient_norm"]), "loss": float(facts[0]["loss"]),
        "hvps": int(sum(each["hvps"] for each in facts)), "gradients": spent, "examples": eye.examples, "dimension": start.dimension,
        "largest_at_start": start.L + lift, "convex": convex,
    }  # fmt: skip
    if later is not None:
        told["largest_after_walk"] = later.L + lift
    if others:
        told["largest_elsewhere"] = max(look.L for look in others) + lift
    epoch = plan.examples / plan.batch_size if plan.batch_size < plan.examples else np.inf
    return Observation(modelled(start, epoch, noise_scale, lift), upper, convex, spent, told)

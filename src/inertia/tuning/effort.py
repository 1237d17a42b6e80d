"""How much of a job is measured: examples, products and batches that the run can pay for.

Costs are in gradients of single examples. A run of R = steps x batch of them pays for

    A(R) = 5760 (R/6400)^0.42,    at most 0.9 R (of 200 steps, where it is shorter),

the power law that spends 0.9 of a run of 200 steps of 32 and 4.8 % of a run of a million: the two promises of the tuner.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from .budget import Budget
from .ladder import RUNGS
from .recipe import Recipe

__all__ = ["OTHERS", "Effort", "allowance", "careful", "effort", "shorts", "stroll"]

_FEWEST = 16  # examples below which fewer products are made instead: a spread over eight parts needs two in each
WIDE = 16  # times as many examples for the gradient, which is read once: a fifth of the cost of some 40 products
OTHERS = 2  # other initialisations looked at
MOST = 0.9  # of a run, or of 200 steps where it is shorter, that measuring may cost
SHARE = 0.4  # of the allowance that is spent on short runs at constant learning rates, the rest on curvature and noise
READ = 64  # examples at least that a short run is read on, else a third of those it trained on
_TAIL, _BENT = 23, 11  # gradients and products on the way that shows how a convex loss bends
_WHOLE = 45_000  # example gradients up to which the whole data are measured, where half a run pays for it
_SHORT = 4  # steps of a short run at least
_LONGEST, _SHORTEST = 6_000, 100  # the walk is a 16th of the run, but no more examples than this, or a 100th of the run


class Effort(NamedTuple):
    """What is measured, in numbers."""

    examples: int  # for products
    wide: int  # for the gradient and the noise
    batches: int  # mini-batches whose gradients show the noise
    batch_size: int  # of those
    ends: int  # products from a random vector
    along: int  # from the gradient
    shaken: int  # from each of two noise vectors
    later: int  # at another point
    after: int  # examples at the other points of a job that is not convex: what its bend would have cost is spent there
    walk: int  # steps of the careful walk
    short: int  # steps of each short run; 0: too few to tell anything
    read: int  # examples that it is read on


def allowance(budget: Budget) -> float:
    """Example gradients that measuring may cost.

    >>> import numpy as np
    >>> [round(allowance(Budget(k, 32, 1000, np.ones(k)))) for k in (200, 31_250)]
    [5760, 48065]
    """
    return float(min(MOST * max(budget.steps, 200) * budget.batch_size, 5760 * (budget.gradients / 6400) ** 0.42))


def effort(budget: Budget, starts: int = 0, examples: int | None = None, full: bool = False, price: float = 2.0) -> Effort:
    """What a budget pays for; `starts` other initialisations; `examples` asked for; `full`: everything, at whatever cost.

    Products from one start double their accuracy for a few more of them, so their number grows with the logarithm of the
    budget and the number of examples takes the rest. Without noise the quadrature along the gradient is exact for half as
    many steps as it has nodes, so what is left is spent there.

    >>> import numpy as np
    >>> effort(Budget(200, 32, 1000, np.ones(200))).ends
    8
    """
    total, steps = budget.examples, budget.steps
    paid, walk = (1 - SHARE) * allowance(budget), stroll(steps, budget.batch_size)
    short, read = shorts(budget)
    doublings = max(0.0, math.log2(budget.gradients / 6400))
    depths = round(min(20.0, 8 + 1.5 * doublings)), round(min(12.0, 8 + 0.6 * doublings)), 6, 6
    noisy = not budget.full_batch
    batches = min(64, max(8, steps // 64)) if noisy else 0
    if full:
        return Effort(total, total, max(batches, 16 * noisy), budget.batch_size, 40, 20, 12, 12, total, walk, short, read)
    size = max(1, min(budget.batch_size, int(0.1 * paid / max(batches, 1))))
    before = walk * budget.batch_size + batches * size
    left = max(0.3 * paid, paid - before)
    each = _each(depths, noisy, starts, price)
    run = max(steps, 200) * budget.batch_size
    spare = MOST * run - before - RUNGS * (short * budget.batch_size + read)
    whole = total * (each + 1) <= max(left, min(0.6 * run, _WHOLE, spare))
    if examples is not None:
        used = min(total, examples)
    else:
        used = total if whole else min(total, max(_FEWEST, int(left / (each + WIDE))))
    wide = min(total, WIDE * used) if 2 * WIDE * used < total else total
    if examples is None and not whole:
        while used * _each(depths, noisy, starts, price) + wide > left and max(depths) > 3:
            depths = tuple(max(3, depth - 1) for depth in depths)  # type: ignore[assignment]
    ends, along, shaken, later = depths
    if not noisy and used == total:
        spare = (max(left, min(0.6 * steps * total, _WHOLE)) / total - each) / (2 * price)
        along = int(min(max(along, along + spare), steps // 2 + 1, 512))
        ends = int(min(max(ends, ends + spare / 4), 40))
    spent = wide + used * price * (ends + along + 2 * shaken * noisy + 1)
    after = int((left - spent) / ((1 + starts) * (price * (later + 1) + 1)))
    return Effort(used, wide, batches, size, ends, along, shaken, later, min(total, max(used, min(after, 4 * used))), walk, short, read)


def _each(depths: tuple[int, int, int, int], noisy: bool, starts: int, price: float) -> float:
    """Gradients per example used: of a convex job (whose bend is looked at) or of another, whichever costs more."""
    ends, along, shaken, later = depths
    both = ends + 1 + along + 2 * shaken * noisy + later + 1
    return max(price * (both + _BENT) + _TAIL, price * (both + starts * (later + 1)) + 1 + starts)


def stroll(steps: int, batch_size: int) -> int:
    """Steps of the careful walk: a sixteenth of a short run, about 1 % of a long one.

    >>> stroll(160, 64), stroll(100_000, 64)
    (10, 1000)
    """
    return max(1, min(steps // 16, max(_LONGEST // batch_size, steps // _SHORTEST)))


def shorts(budget: Budget) -> tuple[int, int]:
    """Steps of each short run, a twentieth of the run at most, and the examples that it is read on.

    >>> import numpy as np
    >>> [shorts(Budget(k, 32, 60_000, np.ones(k))) for k in (200, 31_250)]
    [(7, 74), (73, 778)]
    """
    each, size = SHARE * allowance(budget) / RUNGS, budget.batch_size
    most = max(budget.steps // 20, min(budget.steps, 8))
    steps = min(int(max(each * 0.75, each - READ) / size), most)
    return (steps, min(budget.examples, max(READ, steps * size // 3))) if steps >= _SHORT else (0, 0)


def careful(upper: float) -> Recipe:
    """The recipe of the walk: Nesterov 0.9 at a quarter of 1/curvature.

    >>> careful(2.0).learning_rate
    0.125
    """
    return Recipe(0.25 / upper, 0.9, nesterov=True)

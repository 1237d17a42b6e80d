"""One look at a run: curvature in the optimizer's metric, noise, and the step really taken, from a handful of products.

The look needs a `Source` (a probe's loss as one function of a flat vector), the metric, and a direction near the sharpest one, which is
what the last look found: the parameters move slowly, so three to six products follow it (Lanczos from a warm start).
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from ..core.method import Method
from ..measurement.lanczos import krylov
from ..measurement.model import Source
from ..measurement.rescaled import Rescaled
from .pacing import Price
from .quantities import Look, Noise, Step

__all__ = [
    "FEWEST", "MOST", "PARTS", "Metric", "PartedSource", "Seen", "Sharpest", "depth_of",
    "described", "look", "next_depth", "part_size", "price_of", "sharpest",
]  # fmt: skip

PARTS = 4  # of a probe: their gradients scatter, which is the noise
FEWEST, MOST = 3, 24  # products of one look at the sharpest direction
_WANTED = 0.1  # relative bar of the sharpness that a look is content with
_MISSED = 1 / 40  # probability that the largest curvature lies above a bar: that of two standard errors, as every rule has it
_FRESH = 0.25  # of a unit start that is random, so that a direction which has become the sharpest is not missed


class PartedSource(Source, Protocol):
    """A source whose batches can be differentiated one by one, each gradient remembered for products."""

    def parted(self) -> Iterator[tuple[float, Any, float, int]]:
        """Loss, gradient, weight and examples of each batch."""
        ...

    def summed(self, vector: Any, *numbers: float) -> list[float]:
        """A sum over `parted`, in place, and numbers of it: over all processes that share the examples."""
        ...

    def gradient_at(self, vector: Any) -> Any:
        """The gradient at the parameters displaced by a vector."""
        ...


@dataclass(frozen=True, eq=False)
class Metric:
    """The optimizer as it has just stepped: a method in the metric P, whose root D = P^(-1/2) is 0 where nothing is trained."""

    root: Any  # (n,) or 1.0
    method: Method | None
    edge: float | None
    learning_rate: float
    coupled: float = 0.0  # weight decay that is part of the gradient
    renewal: float = 0.0  # weight of a new squared gradient in P^2: 1 - beta2 of Adam, 1 of Adagrad, 0 where P stays


@dataclass(frozen=True, eq=False)
class Sharpest:
    """A largest curvature that is there, how far above it the largest of all may lie, and its direction."""

    value: float
    bar: float
    vector: Any
    products: int
    start: Any  # where the next look starts: as much of the second sharpest direction, lest the two change places unseen


@dataclass(frozen=True, eq=False)
class Seen:
    """What one look found, and the direction the next one starts from."""

    loss: float
    gradient: Any  # of the probe, in the parameters' own coordinates
    gradient_norm: float  # in the metric
    sharpest: Sharpest
    along_gradient: float
    in_top: float
    turning: float | None
    renewing: float
    noise: Noise | None
    taken: Step | None
    products: int


def look(
    source: PartedSource,
    metric: Metric,
    moved: Any,
    warm: Any,
    depth: int,
    seed: int,
    part: Callable[[], tuple[Any, int]] | None = None,
    quick: bool = False,
) -> Seen:
    """Look once.

    Args:
        source: the probe's loss at the parameters before the step.
        metric: the optimizer's.
        moved: (n,) the step really taken, in the parameters' coordinates; None where it is not known.
        warm: (n,) direction near the sharpest, in the metric; None at the first look: it starts at random, a quick one from the gradient.
        depth: products for the sharpest direction at most; fewer where its bar is narrow before.
        seed: of the random share of the start.
        part: the gradient of a part of the examples, and how many they are, where the source does not cut them: its distance from that
            of all is the noise.
        quick: leave out the curvature along the gradient, and what turns an oscillation back.
    """
    loss, gradient, noise = _graded(source, metric, part)
    space = source.space(False)
    scaled = metric.root * gradient
    norm = space.norm(scaled)

    product = Rescaled(source, metric.root, metric.coupled or None).hvp
    spent = 0
    along = math.nan
    if norm > 0 and not quick:
        unit = scaled / norm
        along, spent = space.dot(unit, product(unit)), 1
    if warm is None and quick and norm > 0:
        warm = scaled / norm  # it leans on the sharpest directions, which three products from a random start do not reach
    found = sharpest(product, source, warm, depth, seed)
    taken = None
    if moved is not None:
        bend = 0.5 * space.dot(moved, source.hvp(moved)) + 0.5 * metric.coupled * space.dot(moved, moved)
        taken = Step(space.dot(gradient, moved), bend)
        spent += 1
    in_top, turning, renewing = 0.0, None, 0.0
    if found.value > 0:
        in_top = space.dot(scaled, found.vector) ** 2 / (2 * found.value)
        if not quick and metric.edge is not None and 2 * (found.value + found.bar) > metric.edge and loss > 0:
            turning = _turning(source, metric, found, loss, scaled)
            renewing = _renewing(space, metric, found.vector)
    return Seen(loss, gradient, norm, found, along, in_top, turning, renewing, noise, taken, spent + found.products)


def _turning(source: PartedSource, metric: Metric, found: Sharpest, loss: float, scaled: Any) -> float:
    """Length of the gradient of the sharpness, across its direction v, in the metric: what turns an oscillation along v back.

    From T[v, v] = d^2/de^2 g(x + e v), a second difference over a distance at which the oscillation holds as much loss as there is.
    """
    reach = math.sqrt(2 * loss / found.value)
    offset = (reach * metric.root) * found.vector
    bent = metric.root * (source.gradient_at(offset) + source.gradient_at(-offset))
    bent = (bent - 2 * scaled) / reach**2
    space = source.space(False)
    along = space.dot(bent, found.vector)
    return math.sqrt(max(space.dot(bent, bent) - along**2, 0.0))


def _renewing(space: Any, metric: Metric, vector: Any) -> float:
    """How fast an oscillation along v renews the metric.

    Lambda falls by this times lambda^3 x^2 a step: (1 - beta2)/2 sum v_i^4/P_i.

    The oscillation's gradient is g_i = lambda x v_i P_i^(1/2); it adds (1 - beta2) g_i^2 to P_i^2, and
    d lambda/lambda = -sum v_i^2 dP_i/P_i.
    """
    if not metric.renewal:
        return 0.0
    weighed = metric.root * vector * vector
    return 0.5 * metric.renewal * float(space.dot(weighed, weighed))


def described(seen: Seen, metric: Metric, step: int, seconds: float, **more: Any) -> Look:
    """What a look found, as it is kept."""
    method = None if metric.method is None else (float(metric.method.alpha), float(metric.method.beta), float(metric.method.gamma))
    return Look(
        step=step, loss=seen.loss, learning_rate=metric.learning_rate, sharpness=seen.sharpest.value, bar=seen.sharpest.bar,
        edge=metric.edge, along_gradient=seen.along_gradient, in_top=seen.in_top, gradient_norm=seen.gradient_norm, method=method,
        noise=seen.noise, taken=seen.taken, turning=seen.turning, renewing=seen.renewing, products=seen.products, seconds=seconds, **more,
    )  # fmt: skip


def price_of(source: Source, clock: Callable[[], float] = time.perf_counter) -> Price:
    """Seconds that a gradient takes, and a product after it, once each: what had to be woken up or compiled is in the bill.

    Where that was much, the looks turn out cheaper, and `Price.took` follows them.
    """
    begun = clock()
    _, gradient = source.gradient()
    between = clock()
    space = source.space(False)
    norm = space.norm(gradient)
    source.hvp(gradient / norm if norm > 0 else gradient)
    return Price(between - begun, clock() - between)


def part_size(examples: int, parts: int = PARTS) -> int | None:
    """Examples in each part of a probe; None: too few to be cut, so that their noise cannot be told.

    >>> part_size(100), part_size(7)
    (25, None)
    """
    return -(-examples // parts) if examples >= 2 * parts else None


def depth_of(depth: int, warm: bool, price: Price | None, allowance: float) -> int:
    """Most products for the sharpest direction: more at the first look, whose start is random, where they are earned (None: not asked).

    >>> depth_of(6, True, None, 0.0), depth_of(6, False, None, 0.0), depth_of(6, False, Price(1.0, 1.0), 15.0)
    (6, 24, 9)
    """
    most = depth if warm else MOST
    return most if price is None else max(min(price.affords(allowance), most), min(depth, most))


def next_depth(depth: int, seen: Seen) -> int:
    """Most products for the next look: more where the bar is wider than wanted; else one more than this one took."""
    if seen.sharpest.bar > _WANTED * abs(seen.sharpest.value):
        return min(depth + 2, MOST)
    return min(max(seen.sharpest.products + 1, FEWEST), MOST)


def sharpest(product: Any, source: Source, warm: Any, depth: int, seed: int, mask: Any = None) -> Sharpest:
    """The largest curvature by Lanczos, from a warm start with a random share where there is one; only where a mask is 1.

    The products stop where the bar is narrow enough, after `depth` of them at most. The bar is that of `measurement.ritz` for a start that
    has at least the share of the random part along the sharpest direction, except with probability _MISSED: a given part can only make
    a small sum of the two less likely (the density of the random one is largest at 0 and symmetric; Anderson 1955).
    """
    space, missed = source.space(True), _MISSED
    start = space.random(np.random.default_rng([seed, 5]))
    if mask is not None:
        start *= mask
    start /= space.norm(start)
    if warm is not None:
        start *= _FRESH
        start += (1 - _FRESH**2) ** 0.5 * warm
        missed *= _FRESH / space.norm(start)  # the share is a square, and so is what a random start has of a chance
    most = max(min(depth, MOST, source.dimension), 1)
    run = krylov(product, space, start=start, rtol=_WANTED, depth=most, ends="largest", vectors=2, seed=seed, failure=missed)
    bar = run.upper - run.largest
    both = run.vectors[0] + run.vectors[1] if len(run.vectors) > 1 else run.vectors[0]
    return Sharpest(run.largest, bar, run.vectors[0], run.hvps, both / space.norm(both))


def _graded(source: PartedSource, metric: Metric, part: Callable[[], tuple[Any, int]] | None) -> tuple[float, Any, Noise | None]:
    """Loss and gradient of the probe, and the scatter of its parts' gradients in the metric."""
    total, weights, examples, squares, count, out = 0.0, 0.0, 0.0, 0.0, 0.0, None
    space = source.space(False)
    for loss, gradient, weight, size in source.parted():
        total += weight * loss
        weights += weight
        examples += size
        count += 1
        scaled = metric.root * gradient
        squares += weight * space.dot(scaled, scaled)
        out = gradient * weight if out is None else out + gradient * weight
    assert out is not None
    total, weights, squares, examples, count = source.summed(out, total, weights, squares, examples, count)
    out = out / weights
    noise = None
    if count > 1:
        scaled = metric.root * out
        whole = space.dot(scaled, scaled)
        # Parts of n examples each scatter about their mean by trace/n; unbiased with count - 1.
        trace = max(squares / weights - whole, 0.0) * count / (count - 1) * (examples / count)
        noise = Noise(trace, whole - trace / examples, round(examples))
    elif part is not None:
        own, few = part()
        away, scaled = metric.root * (own - out), metric.root * out
        # A part of m of n examples lies trace (1/m - 1/n) from the mean of all, the square of the distance in the mean.
        trace = space.dot(away, away) / (1 / few - 1 / examples)
        noise = Noise(trace, space.dot(scaled, scaled) - trace / examples, round(examples))
    if metric.coupled:
        out = out + metric.coupled * source.position()
    return total / weights, out, noise

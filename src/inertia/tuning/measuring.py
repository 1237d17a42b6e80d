"""One measurement of a training job, whatever framework it is in, within what its run can pay for."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import BadInput, Diverged
from ..measurement.model import Source
from .budget import Budget
from .effort import OTHERS, careful, effort
from .ladder import FALLING, Ladder, climbed
from .measurement import Cost, Curvature, Measurement, Noise, Quadrature
from .probe import Probe, curvature_at, ends, quadrature, scatter, tolerance
from .recipe import Recipe, searched
from .tail import along_the_way
from .trainable import Point, Progress, Trainable

__all__ = ["measure"]


def measure(
    job: Trainable,
    budget: Budget,
    *,
    seed: int = 0,
    examples: int | None = None,
    progress: Progress | None = None,
    full: bool = False,
    optimizer: str = "sgd",
) -> Measurement:
    """Curvature, gradient and noise of a job before it is run.

    Products are those of the objective (with weight decay). On `examples` of the data, drawn at random; None: as many as
    the run pays for (see `effort`), `full`: all of them and more products. Short runs are those of `optimizer` ("any": of each).
    Deterministic under `seed`.

    Raises:
        BadInput: a start without gradient or without positive curvature; a validation loss that is not finite; a start below `lowest`.
        Diverged: the loss is not finite at the start.

    >>> import numpy as np
    >>> from inertia.problems import least_squares
    >>> from inertia.tuning.numpy_door import ProblemJob
    >>> job = ProblemJob(least_squares(np.eye(3), [1.0, 2.0, 3.0]))
    >>> round(measure(job, Budget(100, 3, 3, np.ones(100))).largest, 9)
    0.333333333
    """
    begun = time.perf_counter()
    others = OTHERS if job.reseeded else 0
    work = effort(budget, others, examples, full)
    probe = Probe(job, budget, work, seed, progress)
    at = job.start(seed)
    held = job.read(at) if job.validated else None
    if held is not None:
        if not math.isfinite(held.validation):
            raise BadInput(f"the loss on the validation data is {held.validation} at the start: look at their inputs and targets")
        probe.spent += Cost(0.0, 0.0, job.examples / 3)  # a loss is a third of a gradient: forward without backward
    found, lowest = _start(probe, at), getattr(job, "lowest", None)
    if lowest is not None and found.loss < lowest and getattr(job, "bounds_batches", False):
        raise BadInput(
            f"lowest = {lowest:g}, but the loss at the start is {found.loss:.4g}: give a number that it never goes below, such as 0"
        )
    if not (found.curvature.upper > 0 or found.curvature.smallest < 0):
        raise BadInput(
            "the curvature is 0 at the start: the loss is made of flat pieces, as an absolute error or a hinge of a linear model is, so a "
            "learning rate has no scale there; a rounded loss has one, such as nn.HuberLoss() or the square of the hinge"
        )
    places, convex, tail = [found.curvature], found.convex, None
    if found.convex:
        try:
            later, tail = along_the_way(probe, at, found.curvature, found.direction, found.promised)
        except Diverged as lost:  # no forecast is made of what cannot be looked at
            later, convex, probe.notes["walk"] = None, False, str(lost)
        places += [later] if later is not None else []
        convex = convex and (later is None or later.smallest >= -tolerance(later, probe.rounding))
        tail = tail if convex else None
    else:
        further = [job.start(seed + number) for number in range(1, others + 1)]
        seen = [_walked(probe, at, found), *(_elsewhere(probe, start, "another start") for start in further)]
        places += [place for place in seen if place is not None]
    bent = max(abs(place.smallest) for place in places)
    if not max(place.largest for place in places) > math.sqrt(probe.rounding) * bent:
        raise BadInput("no positive curvature at the start, so a learning rate has no scale there: start somewhere else")
    upper = max(place.upper for place in places)
    climbs = [_climbed(probe, at, upper, each) for each in searched(optimizer)]
    ladders = tuple(ladder for ladder in climbs if ladder is not None)
    cost = Cost(probe.spent.products, probe.spent.gradients, probe.spent.example_gradients, time.perf_counter() - begun)
    return Measurement(
        dimension=job.dimension, examples=job.examples, used=work.examples, loss=found.loss,
        validation=float("nan") if held is None else held.validation, lowest=lowest,
        gradient_norm=found.gradient_norm, parameter_norm=job.norm(at), gradient=found.gradient, noise=found.noise, at=tuple(places),
        convex=convex, tail=tail, decay=budget.weight_decay, cost=cost, ladders=ladders, notes=probe.notes,
    )  # fmt: skip


@dataclass(frozen=True, eq=False)
class _Found:
    """Everything at the start."""

    loss: float  # without the penalty
    gradient_norm: float
    gradient: Quadrature
    noise: Noise
    curvature: Curvature
    convex: bool
    direction: Any  # the gradient of the objective

    @property
    def promised(self) -> float:
        """The fall that the quadratic promises: 1/2 sum s/h."""
        nodes, shares = self.gradient.nodes, self.gradient.shares
        return 0.5 * float(np.sum(shares[nodes > 0] / nodes[nodes > 0]))


def _start(probe: Probe, at: Point) -> _Found:
    """Loss, gradient and noise on many examples; products on fewer, where the run does not pay for all."""
    work = probe.work
    with probe.open(at, work.wide) as wide:
        objective, gradient = wide.gradient()
        norm = math.sqrt(float(gradient @ gradient))
        if not math.isfinite(objective) or not math.isfinite(norm):
            raise Diverged(f"{probe.job.name}: loss or gradient is not finite at the start: check the data and the starting point")
        if not norm > 0:
            raise BadInput(
                "the loss does not depend on the parameters: its gradient at the start is zero; "
                "is something detached, or are they not used?"
            )
        loss = objective - 0.5 * probe.budget.weight_decay * probe.job.norm(at) ** 2
        trace, error, starts = scatter(probe, wide, gradient)
        if work.wide == work.examples:
            return _products(probe, wide, loss, gradient, norm, (trace, error, starts))
        probe.pay(wide, work.wide)
    with probe.open(at, work.examples) as source:
        return _products(probe, source, loss, gradient, norm, (trace, error, starts))


def _products(probe: Probe, source: Source, loss: float, gradient: Any, norm: float, noise: tuple[float, float, list[Any]]) -> _Found:
    """The three kinds of Krylov runs at the start."""
    work, (trace, error, starts) = probe.work, noise
    place = ends(probe, source, work.ends, "start", loss, work.examples)
    along, seen = quadrature(probe, source, gradient, work.along, positions=probe.budget.weight_decay > 0)
    place = Curvature(
        place.where, max(place.largest, along.largest), place.error, place.sampling,
        max(place.upper, along.largest + 2 * place.sampling), min(place.smallest, along.smallest), loss,
    )  # fmt: skip
    quadratures = [quadrature(probe, source, start, work.shaken)[1] for start in starts]
    shaken = _pooled(quadratures, trace, tolerance(place, probe.rounding))
    probe.pay(source, work.examples)
    convex = place.smallest >= -tolerance(place, probe.rounding)
    return _Found(loss, norm, seen, Noise(trace, error, shaken), place, convex, gradient)


def _pooled(quadratures: list[Quadrature], trace: float, close: float) -> Quadrature:
    """Several quadratures as one, which sums to the trace; nodes closer than rounding are one."""
    if not quadratures:
        return Quadrature(np.empty(0), np.empty(0))
    nodes, shares = (np.concatenate(parts) for parts in zip(*((q.nodes, q.shares) for q in quadratures), strict=True))
    order = np.argsort(nodes, kind="stable")
    nodes, shares = nodes[order], shares[order] * (trace / shares.sum())
    first = np.flatnonzero(np.diff(nodes, prepend=-np.inf) > close)
    sums = np.add.reduceat(shares, first)
    means = np.add.reduceat(shares * nodes, first) / np.where(sums > 0, sums, 1.0)
    return Quadrature(np.where(sums > 0, means, nodes[first]), sums)


def _walked(probe: Probe, at: Point, start: _Found) -> Curvature | None:
    """The ends after a short careful walk with the budget's own batches."""
    upper = max(start.curvature.upper, 0.0)
    if not upper > 0:
        return None
    there = probe.job.walk(at, careful(upper), probe.budget, probe.work.walk, probe.seed)
    spent = float(probe.work.walk * probe.budget.batch_size)
    probe.spent += Cost(0.0, spent / probe.work.examples, spent)
    found = None if there is None else _elsewhere(probe, there, "after a few steps")
    if found is None:
        probe.notes["walk"] = "the careful walk from the start did not stay finite"
    return found


def _elsewhere(probe: Probe, at: Point, where: str) -> Curvature | None:
    """The ends of the spectrum at another point; None where the loss, which was finite at the start, is not finite there."""
    try:
        return curvature_at(probe, at, where, probe.work.after)
    except (BadInput, Diverged):
        return None


_ADAM = -6.0  # log2 of the learning rate where Adam's ladder begins: the middle of where its ladders are best, in benchmarks/experience


def _climbed(probe: Probe, at: Point, upper: float, optimizer: str) -> Ladder | None:
    """Short runs at constant learning rates with the budget's own batches, each read on the same examples."""
    job, budget, work = probe.job, probe.budget, probe.work
    if not work.short:
        return None

    def ended(place: Point) -> float:
        with probe.open(place, work.read, decay=0.0) as source:
            loss, _ = source.gradient()
            probe.pay(source, work.read)
        return float(loss)

    def short(rung: float) -> float:
        recipe = Recipe(2.0**rung, FALLING, optimizer=optimizer)
        there = job.walk(at, recipe, budget, work.short, probe.seed)
        spent = float(work.short * budget.batch_size)
        probe.spent += Cost(0.0, spent / work.examples, spent)
        try:
            return math.inf if there is None else ended(there)
        except (BadInput, Diverged):
            return math.inf

    return climbed(optimizer, work.short, ended(at), _ADAM if optimizer != "sgd" else -math.log2(upper), short)

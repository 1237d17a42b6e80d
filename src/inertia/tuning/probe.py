"""One point of a job measured through its source: ends of the spectrum, quadratures, noise; and what it costs."""

from __future__ import annotations

import math
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import numpy as np

from ..measurement.lanczos import Lanczos, krylov
from ..measurement.model import Source
from ..measurement.ritz import ritz
from .budget import Budget
from .effort import OTHERS, Effort
from .measurement import Cost, Curvature, Quadrature
from .trainable import Point, Progress, Sample, Trainable

__all__ = ["Probe", "curvature_at", "ends", "quadrature", "scatter", "tolerance"]


@dataclass
class Probe:
    """A job and its budget while it is measured: opens sources, counts what they cost, says how far it is."""

    job: Trainable
    budget: Budget
    work: Effort
    seed: int
    progress: Progress | None
    rounding: float = 0.0  # relative, of a product
    spent: Cost = field(default_factory=lambda: Cost(0.0, 0.0, 0.0))
    notes: dict[str, Any] = field(default_factory=dict)
    done: int = 0

    def open(self, at: Point, examples: int, decay: float | None = None) -> AbstractContextManager[Source]:
        """The source of the objective at a point."""
        sample = Sample(examples, self.work.batch_size, self.seed)
        return self.job.source(at, sample, decay=self.budget.weight_decay if decay is None else decay)

    def pay(self, source: Source, used: int) -> None:
        """Count what a source spent."""
        cost = source.cost()
        products, gradients = float(cost["hvps"]), float(cost["gradients"])
        self.spent += Cost(products, gradients, used * (source.price * products + gradients))
        self.notes |= source.notes

    def tell(self) -> None:
        """How far it is."""
        self.done += 1
        if self.progress is not None:
            self.progress("measuring", self.done, self.total)

    @property
    def total(self) -> int:
        """Products that are to come at most."""
        work = self.work
        return work.ends + work.along + 2 * work.shaken + work.later * (1 + OTHERS * self.job.reseeded)

    def krylov(self, source: Source, depth: int, **words: Any) -> Lanczos:
        """A Lanczos run that says how far it is."""
        known: dict[str, Any] = {"seed": self.seed, "watch": lambda *found: self.tell()}
        return krylov(source.hvp, words.pop("space", None) or source.space(False), depth=min(depth, source.dimension), **(known | words))


def tolerance(place: Curvature, rounding: float) -> float:
    """Negative curvature that may be rounding alone: the root of the rounding unit, of the largest curvature."""
    return math.sqrt(rounding) * abs(place.largest)


def ends(probe: Probe, source: Source, depth: int, where: str, loss: float, examples: int) -> Curvature:
    """Ends of the spectrum from a random vector, with the sampling error of the largest."""
    sampled = examples < probe.job.examples
    space = source.space(sampled)
    run = probe.krylov(source, depth, rtol=0.02, ends="largest", vectors=sampled, space=space)
    error = _sampling(source, run.vectors[0], examples / probe.job.examples) if sampled else 0.0
    probe.rounding = space.rounding(source.position())[0]
    return Curvature(where, run.largest, run.upper - run.largest, error, run.upper + 2 * error, run.smallest, loss)


def _sampling(source: Source, top: Any, share: float) -> float:
    """Standard error of the curvature along a vector because only some examples were used: its scatter over the batches."""
    if len(source.sizes) < 2:
        return 0.0
    weights = np.asarray(source.sizes, dtype=float) / sum(source.sizes)
    values = np.array([float(top @ source.hvp(top, [part])) for part in range(len(weights))])
    spread = float(np.sum(weights * (values - weights @ values) ** 2)) / max(1 - float(weights @ weights), 1e-12)
    return math.sqrt(spread * float(weights @ weights) * max(0.0, 1 - share))


def quadrature(probe: Probe, source: Source, start: Any, depth: int, positions: bool = False) -> tuple[Lanczos, Quadrature]:
    """A Lanczos run from a vector and what it says of it; with `positions` the parameters along its Ritz vectors."""
    space = source.space(False)
    run = probe.krylov(source, depth, start=start * 1.0, rtol=None, space=space)
    closed = np.flatnonzero(run.betas == 0)
    size = int(closed[0]) + 1 if closed.size else len(run.alphas)  # what follows a breakdown is not in the vector
    part = ritz(run.alphas[:size], run.betas[:size])
    where = np.empty(0)
    if positions and space.full:
        along = np.asarray(space.project(source.position() * 1.0), dtype=float)[:size]
        where = (part.vectors * np.where(part.vectors[0] < 0, -1.0, 1.0)).T @ along
    return run, Quadrature(part.values, run.norm**2 * part.weights, where)


def scatter(probe: Probe, source: Source, gradient: Any) -> tuple[float, float, list[Any]]:
    """E |g_batch - g|^2 at the budget's batch size with its standard error, and two deviations.

    From the batches probe by the law of drawing without replacement, trace = (1/B - 1/N) S^2.
    """
    budget, used = probe.budget, sum(source.sizes)
    if budget.full_batch or not probe.work.batches:
        return 0.0, 0.0, []
    wanted = 1 / budget.batch_size - 1 / budget.examples
    squares: list[float] = []
    starts: list[Any] = []
    rng = np.random.default_rng([probe.seed, 1])
    for drawn, size in islice(source.mini_batches(rng, min(probe.work.batch_size, used)), probe.work.batches):
        if size >= used:
            continue
        deviation = drawn - gradient
        squares.append(float(deviation @ deviation) * wanted / (1 / size - 1 / used))
        if len(starts) < 2 and squares[-1] > 0:
            starts.append(deviation)
    if len(squares) < 2:
        probe.notes["noise"] = f"not measured: {len(squares)} batches of fewer than all the examples; pass tensors, or smaller batches"
        return 0.0, 0.0, []
    trace = float(np.mean(squares))
    return trace, float(np.std(squares, ddof=1) / math.sqrt(len(squares))), starts if trace > 0 else []


def curvature_at(probe: Probe, at: Point, where: str, examples: int | None = None) -> Curvature:
    """The ends of the spectrum at another point, from few products; on as many examples as at the start unless told."""
    examples = probe.work.examples if examples is None else examples
    with probe.open(at, examples) as source:
        loss, _ = source.gradient()
        loss -= 0.5 * probe.budget.weight_decay * probe.job.norm(at) ** 2
        place = ends(probe, source, probe.work.later, where, loss, examples)
        probe.pay(source, examples)
    return place

"""What is measured of a model, whatever framework it is written in: ends, density, gradient, noise, and sampling error.

A room gives a `Source`: the gradient and the Hessian-vector product of the mean loss over its batches, on vectors of its
own. This module decides what to ask of it, in the order in which an interruption costs least.
"""

from __future__ import annotations

import dataclasses
import math
import sys
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Any, NamedTuple, Protocol

import numpy as np

from ..core.spectrum import Spectrum
from ..errors import BadInput
from .density import joined
from .lanczos import FAILURE, Lanczos, krylov
from .progress import Line
from .vectors import Vectors

__all__ = ["Plan", "Sampling", "Source", "Watch", "has_end", "measure_source"]

Watch = Callable[[int, float, float], None]  # (products, largest so far, half-width of its bar)
NOISE_STARTS, SIDE_DEPTH = 2, 8  # Lanczos runs at noise vectors, and products of each run beside the main one
LARGE = 500_000  # parameters from which on a measurement that was not told its depth keeps to the budget
BUDGET = 60.0  # gradients' worth of time
SLOWER = 1.6  # a product with its algebra over its price: 3.0 to 4.7 gradients where the price is 3 (benchmarks/models.py: the dearest)


def has_end(batches: Any) -> bool:
    """Whether an iterable of batches says how long it is; as long as can be said (Grain's `repeat()`) is no end.

    >>> has_end([1, 2]), has_end(iter([1, 2]))
    (True, False)
    """
    try:
        return 0 <= len(batches) < sys.maxsize // 2
    except (TypeError, RuntimeError):
        return False


class Source(Protocol):
    """A model with its loss and data, seen as one function of a flat vector; `parts` are indices of batches (None = all)."""

    dimension: int
    notes: dict[str, Any]  # what was frozen, how products are made, costs; `parameters`: all, where some are not trained

    @property
    def price(self) -> float:
        """Of one product, in gradients of as many examples."""
        ...

    @property
    def sizes(self) -> list[int]:
        """Examples in each batch."""
        ...

    def position(self) -> Any:
        """The trainable parameters as a flat vector."""
        ...

    def space(self, vectors: bool) -> Vectors:
        """Fresh storage for a Krylov run, with or without its vectors wanted in the end."""
        ...

    def gradient(self, parts: Sequence[int] | None = None) -> tuple[float, Any]:
        """Mean loss and its gradient."""
        ...

    def hvp(self, vector: Any, parts: Sequence[int] | None = None) -> Any:
        """Hessian of the mean loss times a vector: a fresh vector."""
        ...

    def mini_batches(self, rng: np.random.Generator, batch_size: int) -> Iterator[tuple[Any, int]]:
        """Gradients of mini-batches, with their sizes: drawn at random where the data can be, else as they come."""
        ...

    def cost(self) -> dict[str, float]:
        """Spent so far: `hvps` and `gradients` of the whole data."""
        ...


@dataclasses.dataclass(frozen=True)
class Plan:
    """What to measure, and how well."""

    rtol: float = 0.01
    depth: int | None = None
    ends: str = "both"
    top: int = 1
    probes: int = 1
    weights: bool = True
    noise: int = 8
    batch_size: int | None = None
    sampling: bool = False
    seed: int = 0
    failure: float = FAILURE
    watch: Watch | None = None

    def within(self, source: Source) -> tuple[Plan, int, int]:
        """The plan as the budget allows it, products of each run beside the main one, and runs at noise vectors."""
        side = min(SIDE_DEPTH, source.dimension)
        if self.depth is not None or source.notes.get("parameters", source.dimension) <= LARGE:
            return self, side, NOISE_STARTS
        examples = sum(source.sizes)
        batch = min(self.batch_size or source.sizes[0], examples)
        gradients = 5 + self.noise * batch / examples  # the first, its graph, looking whether the loss is one function
        products = int((BUDGET - gradients) / (SLOWER * source.price))
        side = max(2, products // 6)
        beside = side * (self.weights + bool(self.noise))
        return dataclasses.replace(self, depth=max(products - beside, 2) * self.top), side, 1


class Sampling(NamedTuple):
    """How far the largest curvature of these examples may be from that of all the data they were drawn from.

    Disjoint halves A and B: the mean of lambda_max over samples is too large (its vector was fitted to the sample), the
    curvature of B along A's vector is too small; the truth lies between them in expectation. `low` and `high` add two
    standard errors.
    """

    halves: tuple[float, float]  # lambda_max of each half
    crossed: tuple[float, float]  # curvature of one half along the other's top vector
    bias: float  # estimated excess of lambda_max of all the examples, if it shrinks as 1/examples
    error: float  # standard error of the curvature along the top vector, from batch to batch
    low: float
    high: float


def measure_source(source: Source, plan: Plan) -> Spectrum:
    """Run the plan and assemble the Spectrum; what an interruption left undone is missing and said in `notes`."""
    rng = np.random.default_rng([plan.seed, 1])
    loss, gradient = source.gradient()
    norm = source.space(False).norm(gradient)
    if not (plan.weights or plan.noise):
        gradient = None  # for the ends alone it need not take memory
    asked = plan
    plan, side, noisy = plan.within(source)
    if isinstance(plan.watch, Line):
        plan.watch.expect(plan.rtol, plan.depth)
    wants = plan.sampling or plan.top > 1
    main = krylov(
        source.hvp, source.space(wants), rtol=plan.rtol, depth=plan.depth, ends=plan.ends, top=plan.top, seed=plan.seed,
        failure=plan.failure, watch=plan.watch, vectors=wants,
    )  # fmt: skip
    runs, seen, shaken, trace = [main], None, [], 0.0
    notes: dict[str, Any] = {
        "loss": loss,
        "seed": plan.seed,
        "examples": int(sum(source.sizes)),
        "gradient_norm": norm,
    }
    if plan is not asked and not main.converged:
        notes["budget"] = f"{BUDGET:.0f} gradients' worth of time, beyond {LARGE} parameters: depth= asks for more products"
    try:
        if main.reason == "interrupted":
            raise KeyboardInterrupt
        for probe in range(1, plan.probes):
            runs.append(_complete(_side(source, plan, None, main.hvps, plan.seed + 7919 * probe)))
        if plan.weights and norm > 0:
            seen = _complete(_side(source, plan, gradient, side, plan.seed))
        if plan.noise:
            trace, starts = _noise(source, plan, rng, gradient, notes, noisy)
            shaken = [_complete(_side(source, plan, start, side, plan.seed)) for start in starts]
        if plan.sampling:
            enough = len(source.sizes) > 1
            notes["sampling"] = (
                _sampling(source, plan, main)._asdict() if enough else "not measured: needs at least 2 batches; use a smaller chunk"
            )
    except KeyboardInterrupt:
        notes["interrupted"] = "stopped by Ctrl-C: this is what was measured until then"
    notes |= source.notes | source.cost() | {"source": "lanczos", "asymmetry": main.asymmetry, "batches": len(source.sizes)}
    notes |= {"counted": main.counted} | ({"warning": main.warning} if main.warning else {})
    return joined(runs, seen, shaken, trace, notes, loss=loss if loss > 0 else None)


def _side(source: Source, plan: Plan, start: Any, depth: int, seed: int) -> Lanczos:
    """A run of fixed depth beside the main one."""
    copy = None if start is None else start * 1.0
    return krylov(source.hvp, source.space(False), start=copy, rtol=None, depth=depth, seed=seed)


def _complete(run: Lanczos) -> Lanczos:
    """The run, unless Ctrl-C cut it: then stop everything that was to come."""
    if run.reason == "interrupted":
        raise KeyboardInterrupt
    return run


def _noise(
    source: Source, plan: Plan, rng: np.random.Generator, gradient: Any, notes: dict[str, Any], runs: int
) -> tuple[float, list[Any]]:
    """E |g_batch - gradient|^2 at the asked batch size, and the first deviations to start runs at.

    Scaled from the batches seen by trace = (1/B - 1/N) S^2, the law of sampling without replacement.
    """
    examples = sum(source.sizes)
    asked = plan.batch_size if plan.batch_size is not None else int(source.sizes[0])
    if asked > examples:
        raise BadInput(f"batch_size = {asked} is more than the {examples} examples measured: use at most that")
    if asked == examples:
        notes["noise"] = "none: a batch is all the examples"
        return 0.0, []
    squares: list[float] = []
    starts: list[Any] = []
    space = source.space(False)
    for drawn, size in islice(source.mini_batches(rng, asked), plan.noise):
        if size == examples:
            continue
        deviation = drawn - gradient
        squares.append(space.dot(deviation, deviation) * (1 / asked - 1 / examples) / (1 / size - 1 / examples))
        if len(starts) < runs and squares[-1] > 0:
            starts.append(deviation)
    if len(squares) < 2:
        notes["noise"] = f"not measured: {len(squares)} batches of fewer than all the examples; pass tensors, or smaller batches"
        return 0.0, []
    trace = float(np.mean(squares))
    notes["noise_trace_error"] = float(np.std(squares, ddof=1) / math.sqrt(len(squares)))
    notes["noise_batch_size"] = asked
    return trace, starts if trace > 0 else []


def _sampling(source: Source, plan: Plan, main: Lanczos) -> Sampling:
    """Bias and spread over the choice of examples, from two disjoint halves of the batches."""
    count = len(source.sizes)
    halves = [list(range(0, count, 2)), list(range(1, count, 2))]
    runs = []
    for index, half in enumerate(halves):

        def product(vector: Any, half: list[int] = half) -> Any:
            return source.hvp(vector, half)

        space, seed = source.space(True), plan.seed + index
        run = krylov(product, space, rtol=plan.rtol, depth=plan.depth, ends="largest", vectors=True, seed=seed)
        runs.append(_complete(run))
    a, b = runs[0].vectors[0], runs[1].vectors[0]
    crossed = (float(a @ source.hvp(a, halves[1])), float(b @ source.hvp(b, halves[0])))
    top = main.vectors[0]
    along = np.array([float(top @ source.hvp(top, [part])) for part in range(count)])
    weights = np.asarray(source.sizes) / np.sum(source.sizes)
    spread = np.sum(weights * (along - weights @ along) ** 2) / max(1 - float(weights @ weights), 1e-12)
    error = math.sqrt(float(spread) * float(weights @ weights))
    found = (runs[0].largest, runs[1].largest)
    bias = float(np.mean(found)) - main.largest
    low = min(float(np.mean(crossed)), main.largest) - 2 * error
    return Sampling(found, crossed, max(bias, 0.0), error, low, main.largest + 2 * error)

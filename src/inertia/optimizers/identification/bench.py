"""The experiment on an optimizer that can be started anew: designed gradients in, its recursion out, checked by a run.

A `Bench` starts the optimizer from rest on tensors of our own, puts the parameters where we want them before every step
and hands it the gradients that we want. So nothing is left to chance: impulses in the gradients and in the parameters
(see `kernel`), the same at other sizes of gradient (is it linear? is something clipped?), and at the end a run with random
gradients from a random start that the recursion must reproduce.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from .clipping import clipped
from .kernel import SLACK, accumulation, compressed, decays, gathers, recursion
from .recursion import Array, Clip, Home, Recursion, simulate

__all__ = ["SIZES", "STEPS", "Bench", "Look", "Outcome", "examine"]

STEPS = 64  # of the main look; more where a step needs many gradients
LONGEST = 512
BASE = 1e-3  # size of the gradients of the main look
SIZES = (1e-6, 1.0, 1e3, 1e6)  # the others
SINGLE = float(np.finfo(np.float32).eps)
HALF = 2.0**-8  # unit of the last place of bfloat16
COARSE = 5 * HALF / SLACK  # judged to five of them
HALF_SIZES = (1.0, 1e3)  # float16 holds no squares of these, but the numbers themselves
CHECKED = 32  # steps of the run that must be reproduced


class Bench(Protocol):
    """An optimizer on tensors of our own, all with the same number of entries."""

    @property
    def names(self) -> tuple[str, ...]:
        """Of its tensors: parameter groups, leaves of a tree."""

    @property
    def rounding(self) -> float:
        """Of the arithmetic of its moves."""

    @property
    def adjustable(self) -> bool:
        """Whether `factors` can multiply its learning rate."""

    @property
    def home(self) -> Home:
        """What its framework's own optimizers do."""

    def run(self, grads: Array, points: Array | None = None, start: Array | None = None, factors: Array | None = None) -> Array:
        """Start anew and step: grads (steps, tensors, n), parameters put to `points` before every step if given."""
        ...


Any_bench = TypeVar("Any_bench", bound=Bench)


@dataclass(frozen=True)
class Outcome:
    """What one tensor's moves are: a recursion, or None and why."""

    found: Recursion | None
    residual: float = 0.0  # largest unexplained share of a step in the run that had to be reproduced
    clip: Clip | None = None
    every: int = 1
    why: str = ""
    still: bool = False  # too few of its steps move to tell anything
    half: bool = False  # the buffer is kept in half precision
    gathers: bool = False  # a changing number of gradients makes one step
    gains: tuple[float, ...] = ()  # |move|/|gradient| at BASE and SIZES, where they differ
    below: Recursion | None = None  # what it is for small gradients, where large ones are treated in another way
    rounding: float = 0.0  # the precision by which it was judged
    per_rate: bool | None = None  # whether decoupled decay is multiplied by the learning rate


@dataclass(frozen=True)
class Look:
    """The kernels of all tensors at one size of gradient."""

    kernels: Array  # (tensors, steps, steps)
    pulls: Array
    rounding: float  # of the optimizer's own arithmetic
    fine: float  # of the parameters
    every: int = 1  # gradients in one step
    sizes: tuple[float, ...] = SIZES  # other sizes of gradient that must show the same

    @property
    def steps(self) -> int:
        """How many gradients were given."""
        return self.kernels.shape[1] * self.every

    def folded(self, rounding: float) -> Look:
        """Blocks of accumulated gradients taken together."""
        every = accumulation(self.kernels[0], SLACK * rounding)
        kernels, pulls = (np.array([compressed(one, every) for one in all_of]) for all_of in (self.kernels, self.pulls))
        return replace(self, kernels=kernels, pulls=pulls, rounding=rounding, every=every)


def examine(bench_of: Callable[[int], Any_bench], seed: int = 0) -> tuple[Any_bench, list[Outcome]]:
    """Find the recursion of every tensor; `bench_of(n)` makes a bench whose tensors have at least n entries.

    Where double precision explains nothing, the optimizer may keep its buffers in single precision: it is judged by that.
    """
    bench = bench_of(3 * STEPS)
    look = _look(bench, STEPS)
    first = _first_move(look, bench)
    if first is None:
        why = f"it does not move in {LONGEST} steps, whatever the gradient: is the learning rate 0?"
        return bench, [Outcome(None, why=why, still=True)] * len(bench.names)
    if 12 * (first + 1) > STEPS:
        steps = min(12 * (first + 1), LONGEST)
        bench = bench_of(3 * steps)
        look = _look(bench, steps)
    outcomes = _judged(bench, look, bench.rounding, seed)
    if bench.rounding < SINGLE:
        for fine in (bench.rounding, SINGLE):  # are the parameters kept in single precision as well?
            if all(out.found is not None or out.still for out in outcomes):
                break
            single = _judged(bench, replace(look, rounding=SINGLE, fine=fine), SINGLE, seed)
            outcomes = single if all(out.found is not None or out.gathers for out in single) else outcomes
    if all(out.found is None and not out.still and out.below is None for out in outcomes) and _halves(bench):
        fine = HALF * float(np.abs(np.diagonal(look.pulls, axis1=1, axis2=2)).max())
        coarse = _judged(bench, replace(look, rounding=COARSE, fine=fine, sizes=HALF_SIZES), COARSE, seed)
        outcomes = [replace(out, half=True) for out in coarse] if all(out.found is not None for out in coarse) else outcomes
    return bench, outcomes


def _halves(bench: Bench) -> bool:
    """Whether moves are rounded to half precision on the way: doubled gradients then double every move to the last digit, as
    rounding is blind to powers of two, and other sizes move a little apart. A linear method of another kind does both exactly."""
    one, double, other = (_look(bench, 12, size=BASE * size).kernels for size in (1.0, 2.0, 1.1))
    if not (np.all(np.isfinite(one)) and np.any(one)):
        return False
    scale = np.abs(one).max(axis=2, keepdims=True)
    apart = np.abs(other - one) / np.where(scale == 0, 1.0, scale)
    return bool(np.all(np.abs(double - one) <= 1e-9 * scale) and HALF / 64 < apart.max() < 8 * HALF)


def _judged(bench: Bench, look: Look, rounding: float, seed: int) -> list[Outcome]:
    """The outcomes at one precision."""
    look = look.folded(rounding)
    tolerance = SLACK * rounding
    if any(gathers(kernel, tolerance) for kernel in look.kernels):
        why = (
            "at some steps it does not move and uses their gradients in a later step, but not at regular intervals: "
            "the number that it gathers changes"
        )
        return [Outcome(None, why=why, still=True, gathers=True)] * len(bench.names)
    found = [_recursion(look, i, tolerance, bench.home) for i in range(len(bench.names))]
    outcomes = [Outcome(one, every=look.every, rounding=rounding) for one in found]
    if any(one is None for one in found):
        outcomes = [out if out.found is not None else _untold(out, look, i) for i, out in enumerate(outcomes)]
    if all(out.still for out in outcomes):
        return outcomes
    gains, alike = _sizes(bench, look, tolerance)
    same = alike.all(axis=1)
    if not same.any():  # tensors that are stepped in another way than those beside them may be linear all the same
        linear = [bool(np.all(alike[:, i])) for i in range(len(found))]
        why = "the size of the gradient changes what it does"
        outcomes = [out if linear[i] else Outcome(None, why=why, gains=gains[i]) for i, out in enumerate(outcomes)]
        if not any(linear):
            return outcomes
    outcomes = [_where_the_rate_sits(bench, look, i, out, tolerance) for i, out in enumerate(outcomes)]
    generator = np.random.default_rng(seed)
    if same.any() and not same.all():
        return _bounded(bench, look, outcomes, gains, generator)
    return _reproduced(bench, look, outcomes, None, BASE, generator)


def _untold(out: Outcome, look: Look, leaf: int) -> Outcome:
    """Why a tensor's moves were not explained."""
    moving = int(np.sum(np.any(look.kernels[leaf] != 0, axis=1)))
    if moving < 6:
        why = f"it moves at {moving} of {look.steps} steps (the learning rate is 0 at the others): too few to tell its momentum"
        return replace(out, why=why, still=True)
    return replace(out, why="its moves are no short linear recursion in the gradients")


def _look(bench: Bench, steps: int, factors: Array | None = None, size: float = BASE) -> Look:
    """One run: entry j gets a gradient at step j, entry steps + j (and 2 steps + j) stands away from 0 at step j."""
    tensors = len(bench.names)
    width = 3 * steps
    grads, points = np.zeros((steps, tensors, width)), np.zeros((steps, tensors, width))
    index = np.arange(steps)
    # the parameter's value is no power of two: its rounding is that of any number
    places = 1 + np.random.default_rng(1).random((2, steps))
    grads[index, :, index] = size
    points[index, :, steps + index] = places[0][:, None]
    points[index, :, 2 * steps + index] = -places[1][:, None]
    moves = bench.run(grads, points, factors=factors)  # (steps, tensors, width)
    kernels = moves[:, :, :steps].transpose(1, 0, 2) / size
    pulls = moves[:, :, steps : 2 * steps] / places[0] - moves[:, :, 2 * steps :] / places[1]
    return Look(kernels, pulls.transpose(1, 0, 2) / 2, bench.rounding, bench.rounding)


def _first_move(look: Look, bench: Bench) -> int | None:
    """The first step that moves at all; a longer look where the short one saw none."""
    moving = np.flatnonzero(np.any(look.kernels != 0, axis=(0, 2)))
    if moving.size:
        return int(moving[0])
    grads = np.full((LONGEST, len(bench.names), 3 * STEPS), BASE)
    moving = np.flatnonzero(np.any(bench.run(grads, grads * 0) != 0, axis=(1, 2)))
    return int(moving[0]) if moving.size else None


def _recursion(look: Look, leaf: int, tolerance: float, home: Home) -> Recursion | None:
    if not np.all(np.isfinite(look.kernels[leaf])) or not np.any(look.kernels[leaf]):
        return None
    found = recursion(look.kernels[leaf], tolerance, home)
    if found is not None and np.any(found.beta) and np.sum(np.any(look.kernels[leaf] != 0, axis=1)) < (6 if np.ptp(found.beta) else 3):
        return None  # two moves are explained by many momenta
    return None if found is None else decays(look.kernels[leaf], look.pulls[leaf], found, look.rounding, tolerance, look.fine)


def _sizes(bench: Bench, look: Look, tolerance: float) -> tuple[list[tuple[float, ...]], NDArray[np.bool_]]:
    """Gains |move|/|gradient| at every size by tensor, and whether the other sizes show the kernel of the look: (sizes, tensors)."""
    steps = min(look.kernels.shape[1], max(8, 2)) * look.every
    blocks = steps // look.every
    index, tensors, width = np.arange(steps), len(bench.names), 3 * look.steps
    base = look.kernels[:, :blocks, :blocks]
    scale = np.abs(base).max(axis=2, keepdims=True)
    gains, same = [np.linalg.norm(base, axis=(1, 2))], []
    for size in look.sizes:
        grads = np.zeros((steps, tensors, width))
        grads[index, :, index] = size
        moves = bench.run(grads, grads * 0)[:, :, :steps].transpose(1, 0, 2) / size
        kernels = np.array([compressed(one, look.every) for one in moves])
        gains.append(np.linalg.norm(kernels, axis=(1, 2)))
        same.append(np.all(np.abs(kernels - base) <= tolerance * scale, axis=(1, 2)))
    return [tuple(float(gain[i]) for gain in gains) for i in range(tensors)], np.array(same)


def _where_the_rate_sits(bench: Bench, look: Look, leaf: int, out: Outcome, tolerance: float) -> Outcome:
    """Change the learning rate in the middle of the look: does the old speed survive? is the decay changed with it?"""
    found = out.found
    if found is None:
        return out
    per_rate = _per_rate(found, look.rounding)
    undecided = found.inside is None and np.any(found.beta)
    if not bench.adjustable or not (undecided or np.ptp(found.beta) > 0 or (found.omega is not None and per_rate is None)):
        return replace(out, per_rate=per_rate)
    factors = np.where(np.arange(look.steps) < look.steps // 2, 1.0, 0.25)
    again = _look(bench, look.steps, factors).folded(look.rounding)
    other = recursion(again.kernels[leaf], tolerance, bench.home)
    if other is None:
        return replace(out, per_rate=per_rate)
    if undecided and other.inside is not None:
        found = replace(found, inside=other.inside)
    if found.omega is not None and per_rate is None:
        slower = decays(again.kernels[leaf], again.pulls[leaf], other, look.rounding, tolerance, look.fine)
        per_rate = None if slower is None else _per_rate(slower, look.rounding)
    return replace(out, found=found, per_rate=per_rate)


def _per_rate(found: Recursion, rounding: float) -> bool | None:
    """Whether decoupled decay is multiplied by the learning rate; None where the rate never changes."""
    if found.omega is None or not np.any(found.alpha):
        return None
    noise = rounding * 16 * max(1.0, float(np.abs(found.omega).max()))
    rate = found.alpha * np.where(np.arange(found.steps) == 0, found.first, 1.0)
    scaled = np.abs(found.omega - rate * (found.omega @ rate) / (rate @ rate)).max()
    steady = np.abs(found.omega - found.omega.mean()).max()
    if max(scaled, steady) <= noise or 0.1 < scaled / max(steady, 1e-300) < 10:
        return None
    return bool(scaled < steady)


def _reproduced(
    bench: Bench, look: Look, outcomes: list[Outcome], clip: Clip | None, size: float, generator: np.random.Generator
) -> list[Outcome]:
    """A run with random gradients from a random start: what the recursions do not reproduce is none."""
    known = [out.found for out in outcomes]
    blocks = min(CHECKED, look.kernels.shape[1])
    shape = (blocks * look.every, len(bench.names), 3 * look.steps)
    grads = generator.standard_normal(shape) * size
    grads[shape[0] // 2 :] = grads[0]  # then one direction: what learns its own rate on the way moves off
    if clip is not None:  # gradients of every length around the bound, above it and below it in turns: few steps may move
        lengths = 10 ** (generator.uniform(0.2, 1.5, blocks) * np.where(np.arange(blocks) % 2, -1, 1))
        grads *= np.repeat(lengths, look.every)[:, None, None] / (1 if clip.kind == "value" else np.sqrt(shape[2]))
    reach = max((float(np.abs(one.alpha).max()) for one in known if one is not None), default=1.0) * size
    start = generator.standard_normal(shape[1:]) * min(1.0, 1e4 * reach)  # so that rounding of the parameters hides no move
    moves = bench.run(grads, start=start)[look.every - 1 :: look.every]
    means = grads.reshape(blocks, look.every, *shape[1:]).mean(axis=1)
    whole = [one if one is not None else Recursion(*np.zeros((3, blocks))) for one in known]
    ours = simulate(whole, means, start=start, clip=clip)
    bites = clip is None or not np.allclose(ours, simulate(whole, means, start=start), rtol=1e-3, atol=0)
    places = np.abs(start) + np.cumsum(np.abs(moves), axis=0)
    checked = []
    for i, out in enumerate(outcomes):
        rest = np.linalg.norm(moves[:, i] - ours[:, i], axis=1)
        blur = 100 * bench.rounding * np.linalg.norm(places[:, i], axis=1)  # differences of parameters, and decay read from them
        sizes = np.maximum(np.linalg.norm(moves[:, i], axis=1), 1e-300)
        allowed = 10 * SLACK * look.rounding * np.maximum.accumulate(sizes) + blur
        if out.found is not None and not (bites and np.all(rest <= allowed)):  # not finite included
            out = Outcome(None, why="a run with random gradients does not follow the recursion that impulses show", gains=out.gains)
        checked.append(replace(out, residual=float(np.max(np.maximum(rest - blur, 0) / sizes)), clip=clip))
    return checked


def _bounded(
    bench: Bench, look: Look, outcomes: list[Outcome], gains: list[tuple[float, ...]], generator: np.random.Generator
) -> list[Outcome]:
    """Large gradients are treated in another way: clipped, if one kind of bound reproduces a run."""
    known = [out.found for out in outcomes]
    if any(one is None for one in known):
        return [replace(out, found=None, below=out.found, gains=gains[i]) for i, out in enumerate(outcomes)]
    for clip in clipped(bench.run, [one for one in known if one is not None], look.every, 3 * look.steps, gains):
        gain = max(float(np.abs(one.alpha * (1 + one.gamma)).max()) for one in known if one is not None)
        found = _reproduced(bench, look, outcomes, clip, clip.bound / (gain if clip.place == "update" else 1.0), generator)
        if all(out.found is not None for out in found):
            return found
    why = "small gradients pass unchanged and large ones are shortened, by a rule that is neither a bound on the norm nor on each number"
    return [Outcome(None, why=why, gains=gains[i], below=out.found) for i, out in enumerate(outcomes)]

"""Whole grids of large jobs at once, for a machine with an accelerator: every cell of every seed is a lane of one program.

    python benchmarks/experience/wide.py JOB ...

Where `computing.py` asks for the next cells step by step, to save work on a processor with few cores, this runs every octave of every
momentum (or beta1) on every seed and schedule, and then the half octaves about the best. The grids are kept in the same files, and
what is there already is not run again. `tests/benchmarks` holds its runs equal to those of `runs.py`.
"""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).parents[1]))
    __package__ = "experience"

from inertia.core.method import Method, init, step
from inertia.tuning.batches import batch_order

from . import grids
from .computing import CURVED, opened
from .jobs import JOBS, Job
from .problems import batch_size, built, examples
from .runs import MOMENTA, Ended, adamw_stretch, along, ended, factors, marks
from .store import Store

REACH = {"sgd": (-8, 4), "adamw": (-14, 1)}  # octaves from and to; those of SGD are about 1/largest curvature
KEPT = 4.0  # octaves about the best of a momentum that are kept
TOGETHER, READ_TOGETHER = 128, 8  # lanes of one program, and how many of them are read at once


@dataclass(frozen=True, order=True)
class Lane:
    """One training run of a grid."""

    schedule: str
    family: str
    rate: float  # log2 of the learning rate
    seed: int


def sgd_stretch(gradient: Any) -> Any:
    """Steps first..last of momentum on a vector, as `adamw_stretch` makes those of AdamW; the state is (point, velocity)."""

    def stretch(state: Any, rate: Any, momentum: Any, data: Any, order: Any, plan: Any, first: Any, last: Any) -> Any:
        def body(now: Any, state: Any) -> Any:
            grad = gradient(state[0], jax.tree.map(lambda array: array[order[now]], data))
            return step(Method(rate * plan[now], *momentum), *state, grad)

        return jax.lax.fori_loop(first, last, body, state)

    return stretch


class Wide:
    """The programs of one job and optimizer."""

    def __init__(self, job: Job, optimizer: str) -> None:
        self.job, self.optimizer, self.one = job, optimizer, built(job.name)
        points = [ravel_pytree(self.one.init(seed)) for seed in range(job.seeds)]
        unravel = points[0][1]
        self.points = np.stack([np.asarray(point) for point, _ in points])
        self.orders = np.stack([batch_order(examples(job), batch_size(job), job.steps, seed) for seed in range(job.seeds)])
        gradient = jax.grad(lambda flat, batch: self.one.loss(unravel(flat), batch))
        stretch = (sgd_stretch if optimizer == "sgd" else adamw_stretch)(gradient)
        self.advance = jax.jit(jax.vmap(stretch, in_axes=(0, 0, 0, None, 0, 0, None, None)))
        self.evaluate = jax.jit(
            lambda points, data: jax.lax.map(lambda flat: self.one.loss(unravel(flat), data), points, batch_size=READ_TOGETHER)
        )

    def run(self, lanes: list[Lane]) -> list[Ended]:
        """Train every lane; the numbers are those of `runs.run` with curves."""
        data, held = (jax.tree.map(jnp.asarray, part) for part in (self.one.data, self.one.validation))
        read, early = marks(self.job.steps, True)
        found: list[Ended] = []
        for first in range(0, len(lanes), TOGETHER):
            some = lanes[first : first + TOGETHER]
            filled = [*some, *[some[-1]] * (-len(some) % READ_TOGETHER if len(lanes) < TOGETHER else TOGETHER - len(some))]
            losses, other = self._losses(filled, data, held, read)
            found += ended(losses[: len(some)], other[: len(some)], early)
        return found

    def _losses(self, lanes: list[Lane], data: Any, held: Any, read: list[int]) -> tuple[Any, Any]:
        """Training and validation losses of some lanes at the read steps; inf once a loss was not finite."""
        point = jnp.asarray(self.points[[lane.seed for lane in lanes]])
        rates = jnp.array([2.0**lane.rate for lane in lanes])
        if self.optimizer == "sgd":
            momenta: Any = tuple(jnp.array([MOMENTA[lane.family][i] for lane in lanes], jnp.float32) for i in (0, 1))
            state: Any = (point, init(point))
        else:
            momenta, state = jnp.array([float(lane.family) for lane in lanes]), (point, jnp.zeros_like(point), jnp.zeros_like(point))
        order = jnp.asarray(self.orders[[lane.seed for lane in lanes]])
        plan = jnp.asarray(np.stack([factors(lane.schedule, self.job.steps) for lane in lanes]), jnp.float32)

        def step_on(state: Any, begin: int, end: int) -> Any:
            return self.advance(state, rates, momenta, data, order, plan, begin, end)

        return along(state, step_on, self.evaluate, data, held, read)


def octaves(job: Job, optimizer: str, store: Store) -> list[Lane]:
    """Every octave of every momentum, on every schedule and seed, that the file does not hold."""
    centre = grids.centre(store) if optimizer == "sgd" else 0
    low, high = REACH[optimizer]
    return [
        Lane(schedule, family, float(centre + k), seed)
        for schedule in grids.SCHEDULES[optimizer]
        for family in _families(job, optimizer, schedule)
        for k in range(low, high)
        for seed in range(len(store.column((optimizer, schedule, family)).get(float(centre + k), [])), job.seeds)
    ]


def _families(job: Job, optimizer: str, schedule: str) -> tuple[str, ...]:
    """The momenta of a full grid; of a "few" one those of a thin one."""
    if "few" in (job.sgd, job.adamw) or schedule == "warmup-linear":
        return grids.THIN[optimizer]
    return grids.SGD if optimizer == "sgd" else grids.ADAMW


def halves(job: Job, optimizer: str, store: Store) -> list[Lane]:
    """The half octaves next to the best of every momentum, as far as the file does not hold them."""
    found = []
    for (which, schedule, family), top in tops(store).items():
        column = store.column((optimizer, schedule, family))
        if which == optimizer and top is not None and top % 1 == 0:
            found += [
                Lane(schedule, family, rate, seed)
                for rate in (top - 0.5, top + 0.5)
                for seed in range(len(column.get(rate, [])), job.seeds)
            ]
    return found


def tops(store: Store) -> dict[tuple[str, str, str], float | None]:
    """The best rate of every column of the file."""
    start = float(np.mean(store.head["start"]["train"]))
    return {where: grids.best(store.column(where), start) for where in store.cells.get("", {})}


def keep(store: Store, optimizer: str, lanes: list[Lane], ended: list[Ended]) -> None:
    """Write down what ran, seed by seed."""
    for lane, one in sorted(zip(lanes, ended, strict=True), key=lambda pair: pair[0]):
        curve = lane.seed == 0 and lane.family in CURVED
        store.add((optimizer, lane.schedule, lane.family), lane.rate, one, curve)


def trim(store: Store) -> None:
    """Leave out what lies far from the best of its momentum: it tells nothing that nearer cells do not."""
    for where, top in tops(store).items():
        rows = store.cells[""][where]
        store.cells[""][where] = {rate: cell for rate, cell in rows.items() if top is None or abs(rate - top) <= KEPT}


def compute(job: Job, optimizers: tuple[str, ...]) -> None:
    store = opened(job)
    for optimizer in optimizers:
        wide = Wide(job, optimizer)
        for wanted in (octaves, halves):
            began = time.perf_counter()
            lanes = wanted(job, optimizer, store)
            if lanes:
                keep(store, optimizer, lanes, wide.run(lanes))
                trim(store)
                store.spent(f"{optimizer}-wide", time.perf_counter() - began)
                store.save()
                print(f"{job.name} {optimizer} {wanted.__name__}: {len(lanes)}, {time.perf_counter() - began:.1f} s", file=sys.stderr)


def main() -> None:
    jax.config.update("jax_default_matmul_precision", "highest")  # float32 as on a processor, no shorter products
    for name in sys.argv[1:]:
        job = JOBS[name]
        compute(job, ("adamw",) if job.source == "tuner" else ("sgd", "adamw"))


if __name__ == "__main__":
    main()

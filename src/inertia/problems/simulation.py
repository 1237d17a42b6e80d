"""The loop in plain numpy: the oracle that everything which steps is held against.

    params, velocity = step(schedule(k), params, velocity, gradient(params, rows))

Many trials are one array operation: params are (T, n), they share the order of mini-batches, and a trial that stops being
finite leaves the batch while the others go on.

Mini-batches: every epoch is one fresh permutation of the examples (`numpy.random.default_rng(seed)`), cut into slices of
`batch_size`; the last slice of an epoch is used as it is, its gradient being the mean over its fewer examples.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..core.method import Method, checked, readout, step
from ..core.record import Record
from ..core.schedule import Schedule, coming, tabulate
from ..errors import BadInput
from .base import Array, Problem, Rows

__all__ = ["Interrupted", "batches", "run", "run_many"]

Progress = Callable[[int, int], None]  # (steps done, steps asked for)
Stop = Callable[[int, Array], bool]  # (step, losses of all trials, inf where a trial has diverged) -> end here?


class Interrupted(KeyboardInterrupt):
    """Ctrl-C during a run: `records` holds what every trial had done until then."""

    def __init__(self, records: list[Record]) -> None:
        super().__init__(f"interrupted after {len(records[0].losses)} readings")
        self.records = records


def run(
    problem: Problem,
    method: Method | Schedule,
    steps: int,
    *,
    start: ArrayLike | None = None,
    velocity: ArrayLike | None = None,
    batch_size: int | None = None,
    seed: int = 0,
    keep_path: bool = False,
    evaluate_every: int = 1,
    progress: Progress | None = None,
    stop: Stop | None = None,
) -> Record:
    """One run of a method (or a schedule of methods) on a problem; see `run_many` for every argument.

    Raises:
        BadInput: as `run_many`.

    >>> from inertia.problems import valley
    >>> run(valley(), Method(0.6, beta=0.5), 20).final.round(6)
    array([0.007188, 0.002553])
    """
    return run_many(
        problem,
        [method],
        steps,
        start=start,
        velocity=velocity,
        batch_size=batch_size,
        seed=seed,
        keep_path=keep_path,
        evaluate_every=evaluate_every,
        progress=progress,
        stop=stop,
    )[0]


def run_many(
    problem: Problem,
    methods: Method | Schedule | Sequence[Method | Schedule],
    steps: int,
    *,
    start: ArrayLike | None = None,
    velocity: ArrayLike | None = None,
    batch_size: int | None = None,
    seed: int = 0,
    keep_path: bool = False,
    evaluate_every: int = 1,
    progress: Progress | None = None,
    stop: Stop | None = None,
) -> list[Record]:
    """Many runs at once, one Record each: `methods` is a Method (or schedule) of arrays (T,), or a sequence of T of them.

    `start` and `velocity` are (n,) or (T, n); without a start, `problem.draw(seed)` or else `problem.start`. `batch_size`
    None means the whole loss. `losses` holds the full loss at the start, after every `evaluate_every` steps and after the
    last; where that is not every step, `notes["loss_steps"]` says which. A trial whose loss or parameters stop being finite
    ends there: `diverged_at` is that step, losses, params and final are what came before. `final` is read out of the last
    parameters with the coefficients of the step to come. `progress(done, steps)` is called at most
    some 200 times, `stop(step, losses)` at every reading and ends all trials where it returns True.

    Raises:
        BadInput: steps, batch_size or evaluate_every out of range, a start of the wrong shape or not finite, a bad method.
        Interrupted: Ctrl-C; it holds the records so far.

    >>> from inertia.problems import valley
    >>> [round(r.loss, 6) for r in run_many(valley(), Method(np.array([0.1, 0.4]), beta=0.5), 20)]
    [0.499018, 0.000398]
    """
    _check_counts(problem, steps, batch_size, evaluate_every)
    names, whole = _table(methods, steps)
    table = Method(*(column[:steps] for column in whole))
    trials = table.alpha.shape[1]
    first = _spread("start", _start(problem, seed) if start is None else start, trials, problem.dimension)
    push = np.zeros_like(first) if velocity is None else _spread("velocity", velocity, trials, problem.dimension)
    state = _Trials(problem, first, push, whole, keep_path)
    rows = batches(problem.examples, batch_size, seed)
    every = max(1, steps // 200)
    try:
        with np.errstate(all="ignore"):  # a diverging trial is a result, not a warning
            state.read(0)
            for k in range(steps):
                if not len(state.alive):
                    break
                state.advance(k, next(rows))
                last = k + 1 == steps
                if (k + 1) % evaluate_every == 0 or last:
                    state.read(k + 1)
                    if stop is not None and stop(k + 1, state.latest()):
                        break
                if progress is not None and ((k + 1) % every == 0 or last):
                    progress(k + 1, steps)
    except KeyboardInterrupt:
        raise Interrupted(state.records(names, steps, seed, batch_size)) from None
    return state.records(names, steps, seed, batch_size)


def batches(examples: int | None, batch_size: int | None, seed: int) -> Iterator[Rows]:
    """The rows of every mini-batch, for ever: shuffled epochs without replacement, the last slice of each as it is.

    None for ever where there is nothing to draw: a deterministic problem, or the full batch.

    >>> it = batches(5, 2, seed=0)
    >>> [len(next(it)) for _ in range(6)]
    [2, 2, 1, 2, 2, 1]
    """
    if examples is None or batch_size is None or batch_size >= examples:
        while True:
            yield None
    rng = np.random.default_rng(seed)
    while True:
        order = rng.permutation(examples)
        yield from (order[i : i + batch_size] for i in range(0, examples, batch_size))


class _Trials:
    """The moving state of all trials; `alive` are the indices of those still finite."""

    def __init__(self, problem: Problem, params: Array, velocity: Array, table: Method, keep_path: bool) -> None:
        trials = len(params)
        self.problem, self.table, self.params, self.velocity = problem, table, params, velocity
        self.final = params.copy()
        self.alive = np.arange(trials)
        self.diverged = np.full(trials, -1)
        self.readings: list[tuple[int, Array]] = []  # (step, losses (T,)), nan where the trial was gone
        self.path: list[Array] | None = [params.copy()] if keep_path else None
        self.cost = np.zeros(trials, dtype=int)
        self.done = 0  # steps

    def advance(self, k: int, rows: Rows) -> None:
        """One step of every living trial; those whose parameters stop being finite leave."""
        now = Method(*(column[k, self.alive, None] for column in self.table))
        gradient = self.problem.gradient(self.params, rows)
        self.cost[self.alive] += (self.problem.examples or 1) if rows is None else len(rows)
        before, self.done = self.params, k + 1
        self.params, self.velocity = step(now, self.params, self.velocity, gradient)
        self._drop(k + 1, np.asarray(np.isfinite(self.params).all(axis=-1)), before)
        if self.path is not None:
            self.path.append(np.full_like(self.final, np.nan))
            self.path[-1][self.alive] = self.params

    def read(self, k: int) -> None:
        """The full loss of every living trial after k steps; those whose loss is not finite leave."""
        losses = np.full(len(self.final), np.nan)
        if len(self.alive):
            losses[self.alive] = self.problem.value(self.params)
        self._drop(k, np.isfinite(losses[self.alive]), self.final[self.alive])
        self.final[self.alive] = self.params
        self.readings.append((k, losses))  # one append: Ctrl-C finds both or neither

    def _drop(self, k: int, fine: NDArray[np.bool_], last: Array) -> None:
        """Let the trials leave that are not fine after k steps; `last` are the parameters they leave behind."""
        if fine.all():
            return
        self.diverged[self.alive[~fine]] = k
        self.final[self.alive[~fine]] = last[~fine]
        self.alive, self.params, self.velocity = self.alive[fine], self.params[fine], self.velocity[fine]

    def latest(self) -> Array:
        """The last reading, inf for trials that have diverged."""
        _, losses = self.readings[-1]
        return np.where(np.isfinite(losses), losses, np.inf)

    def records(self, names: list[str], steps: int, seed: int, batch_size: int | None) -> list[Record]:
        """What every trial did, its losses and path cut where it stopped being finite."""
        read_at = np.array([k for k, _ in self.readings], dtype=int)
        losses = np.array([reading for _, reading in self.readings]).reshape(len(read_at), len(self.final))
        path = None if self.path is None else np.array(self.path)
        params, velocity = self.final.copy(), np.full_like(self.final, np.nan)
        params[self.alive], velocity[self.alive] = self.params, self.velocity
        final = params.copy()
        coming = Method(*(column[self.done, self.alive, None] for column in self.table))
        final[self.alive] = readout(coming, self.params, self.velocity)
        dense = np.array_equal(read_at, np.arange(len(read_at)))
        made = []
        for trial, name in enumerate(names):
            fell = int(self.diverged[trial])
            fine = np.isfinite(losses[:, trial])
            notes: dict[str, Any] = {} if batch_size is None else {"batch_size": batch_size}
            if fell < 0:
                notes["velocity"] = velocity[trial]  # with it `method.hidden` finds xi
            if not dense:
                notes["loss_steps"] = read_at[fine].tolist()
            made.append(
                Record(
                    method=Method(*(float(column[0, trial]) for column in self.table)),
                    losses=losses[fine, trial],
                    final=final[trial],
                    steps=steps,
                    path=None if path is None else path[: fell if fell >= 0 else None, trial],
                    diverged_at=fell if fell >= 0 else None,
                    gradients=int(self.cost[trial]),
                    schedule=name,
                    seed=seed,
                    notes=notes,
                    params=params[trial],
                )
            )
        return made


def _table(methods: Any, steps: int) -> tuple[list[str], Method]:
    """Names (T) and coefficients (steps + 1, T) of all trials, checked; the last row only reads the final point out."""
    one = isinstance(methods, Method) or callable(methods)
    given = [methods] if one else list(methods)
    if not given:
        raise BadInput("methods is empty: give at least one Method or schedule")
    tables = [_tabulated(schedule, steps) for schedule in given]
    if not one and any(table.alpha.shape[1] != 1 for table in tables):
        raise BadInput("a sequence of methods must hold one method each: give one Method of arrays instead, or single numbers")
    flat = Method(*(np.concatenate(columns, axis=1) for columns in zip(*tables, strict=True)))
    checked(Method(*(column[0] for column in flat)))
    run = Method(*(column[:steps] for column in flat))
    checked(run._replace(alpha=np.where(run.alpha == 0, 1.0, run.alpha)))  # a schedule may come to rest, not start there
    names = [_name(schedule) for schedule, table in zip(given, tables, strict=True) for _ in range(table.alpha.shape[1])]
    return names, flat


def _tabulated(schedule: Any, steps: int) -> Method:
    """The coefficients of one schedule, every field (steps + 1, its trials): those of the step after the last read the end out."""
    if isinstance(schedule, Method):
        schedule = Method(*np.broadcast_arrays(*schedule))
    table = tabulate(schedule, steps)
    whole = Method(*(np.concatenate([column, after[None]]) for column, after in zip(table, coming(schedule, table, steps), strict=True)))
    return Method(*np.broadcast_arrays(*(np.reshape(column, (steps + 1, -1)) for column in whole)))


def _name(schedule: Any) -> str:
    return "constant" if isinstance(schedule, Method) else str(getattr(schedule, "name", None) or getattr(schedule, "__name__", "custom"))


def _start(problem: Problem, seed: int) -> Array:
    return problem.start if problem.draw is None else problem.draw(seed)


def _spread(name: str, values: ArrayLike, trials: int, dimension: int) -> Array:
    array = np.asarray(values, dtype=float)
    if array.shape not in {(dimension,), (trials, dimension)}:
        raise BadInput(f"{name} has shape {array.shape}: this problem needs ({dimension},), or ({trials}, {dimension}) for {trials} trials")
    if not np.all(np.isfinite(array)):
        where = int(np.flatnonzero(~np.isfinite(array.ravel()))[0]) % dimension
        raise BadInput(f"{name}[{where}] = {array.ravel()[~np.isfinite(array.ravel())][0]} is not finite: start from finite numbers")
    return np.array(np.broadcast_to(array, (trials, dimension)))


def _check_counts(problem: Problem, steps: int, batch_size: int | None, evaluate_every: int) -> None:
    for name, count in {"steps": steps, "evaluate_every": evaluate_every, "batch_size": batch_size}.items():
        if count is None:
            continue
        if isinstance(count, bool) or not isinstance(count, int | np.integer):
            raise BadInput(f"{name} = {count!r} is not a whole number: give an integer >= 1")
        if count < 1:
            raise BadInput(f"{name} = {count} is too few: give at least 1")
    if batch_size is None:
        return
    if problem.examples is None:
        raise BadInput(f"batch_size = {batch_size}, but {problem.name} is one function without examples: leave batch_size out")
    if batch_size > problem.examples:
        raise BadInput(f"batch_size = {batch_size} is more than the {problem.examples} examples of {problem.name}: use at most that")

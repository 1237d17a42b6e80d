"""Tune your own torch model: measured where it stands and after a short walk, then verified by full runs on copies of it.

Runs go one after the other, or on any `concurrent.futures.Executor` (a process pool, Dask's, Ray's, MPI's): each is one
picklable job. The model you pass is never trained: every run starts from a copy.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from functools import partial
from typing import Any

import numpy as np
from torch import nn

from ..core.method import Method
from ..core.record import Record
from ..core.spectrum import Spectrum
from ..errors import BadInput
from ..tuning.batches import TAIL, readings
from ..tuning.choose import Shape
from ..tuning.decide import Budget, Progress, decide
from ..tuning.ends import Ends, ended
from ..tuning.journal import Journal
from ..tuning.observe import Observation
from ..tuning.plan import Plan, comparable, planned
from ..tuning.report import Tuning
from ..tuning.search import Trial
from ..tuning.walked import DEPTH, END, OTHERS, SHALLOW, look, observed
from .batches import Batches, Everything, Indexed, batches_of, examples_in
from .curvature import measure
from .frozen import trainable
from .training import Job, Outcome, restored, train, weight

__all__ = ["observe", "prepared", "starts", "survived", "trials", "tune"]


def tune(
    model: nn.Module | Callable[[int], nn.Module],
    loss_fn: Callable[..., Any] | None,
    data: Any,
    *,
    steps: int,
    batch_size: int | None = None,
    schedule: Shape | Callable[[int], float] = "linear",
    warmup: int = 0,
    seed: int = 0,
    runs: int = 3,
    branch: str = "auto",
    momentum: float | None = None,
    nesterov: bool | None = None,
    weight_decay: float = 0.0,
    clip: float | None = None,
    validation: Any = None,
    examples: int | None = None,
    forward: Callable[[nn.Module, Any], Any] | None = None,
    executor: Executor | None = None,
    name: str = "task",
    progress: Progress | None = None,
    on_record: Callable[[Record], None] | None = None,
    journal: Journal | None = None,
) -> Tuning:
    """Recommend learning rate and momentum for training `model` (or what a function seed -> model makes) on `steps` steps.

    `data` (and `validation`) are tensors (inputs, targets), a dict of tensors, a DataLoader, a Dataset or a list of batches;
    a loader keeps its own batch size. The loss of a batch is the mean `loss_fn(model(inputs), target)`, or
    `forward(model, batch)`. Everything else as in `inertia.jax.tune`. With an `executor` the first runs go at once, as
    picklable jobs; a run that diverges, raises or dies is a result. Batches are moved to the model's device.

    Raises:
        BadInput: settings or data that no run can use; a loss that is not finite, not deterministic or does not depend on
            the parameters at the start; a model without trainable parameters.
        Diverged: every run diverged.

    >>> import torch
    >>> x = torch.linspace(-1.0, 1.0, 64)[:, None]
    >>> found = tune(nn.Linear(1, 1), nn.MSELoss(), (x, 3 * x), steps=32, batch_size=16)
    >>> found.branch, found.verified_loss < 0.05
    ('quadratic', True)
    """
    model, others = starts(model, seed)
    added: dict[str, Any] = {"warmup": warmup, "clip": clip, "weight_decay": weight_decay, "forward": forward, "seed": seed}
    job, plan = prepared(model, loss_fn, data, validation=validation, steps=steps, batch_size=batch_size, schedule=schedule, **added)
    judged = "training loss" if validation is None else "validation loss"
    budget = Budget(
        name, steps, plan.budgeted, plan.examples, plan.shape, seed, runs, branch, momentum, nesterov, judged, plan.extras
    )  # fmt: skip
    tell = progress or (lambda stage, done, total: None)
    tell("measuring", 0, 1)
    seen = observe(job, plan, examples=examples, branch=branch, others=others)
    if validation is not None:
        comparable(train(job._replace(marks=(0,), factors=plan.factors[:0])).losses[0])
    ends = Ends() if journal is None else journal.ends
    job = job._replace(packed=ends.room(weight(model)))
    trial = trials(job, plan, seen.model.start, executor=executor, progress=tell, ends=ends)
    if journal is not None:
        trial = journal.trial(budget, trial, seen, together=executor is not None)
    found = decide(budget, seen, trial, progress=tell, on_record=on_record)
    tell("measuring", 0, 1)
    return ended(found, ends, partial(_sharpest, job, plan), weight_decay)


def prepared(
    model: nn.Module,
    loss_fn: Callable[..., Any] | None,
    data: Any,
    *,
    steps: int,
    batch_size: int | None,
    seed: int,
    schedule: Any = "linear",
    validation: Any = None,
    forward: Any = None,
    weight_decay: float = 0.0,
    clip: float | None = None,
    warmup: int = 0,
) -> tuple[Job, Plan]:
    """What every run needs, checked before anything is run."""
    if not isinstance(model, nn.Module):
        raise BadInput(f"a model of type {type(model).__name__} cannot be tuned: pass a torch.nn.Module")
    if trainable(model)[0].device.type == "meta":
        raise BadInput("the model is on the device 'meta', which holds no numbers: move it (model.to('cpu')) and initialise it")
    batches = batches_of(data, None, batch_size, seed)
    count, size = _sizes(batches, batch_size)
    plan = planned(count, steps=steps, batch_size=size, schedule=schedule, warmup=warmup, clip=clip, weight_decay=weight_decay)
    source = _read(batches)
    held = None if validation is None else _readable(validation, size, seed)
    return Job(model, loss_fn, forward, source, held, plan.factors, size, seed, weight_decay, clip, ()), plan


def starts(model: nn.Module | Callable[[int], nn.Module], seed: int) -> tuple[nn.Module, list[nn.Module]]:
    """The model to train, and others where a function of the seed makes them."""
    if isinstance(model, nn.Module) or not callable(model):
        return model, []
    return model(seed), [model(seed + further) for further in range(1, OTHERS + 1)]


def observe(job: Job, plan: Plan, *, examples: int | None = None, branch: str = "auto", others: Sequence[nn.Module] = ()) -> Observation:
    """The look at the start and, where that was not convex, those after a short walk and at other starts."""
    eye = look(plan.examples, plan.batch_size, plan.steps, examples)
    words: dict[str, Any] = {"ends": "largest", "rtol": 0.02, "depth": DEPTH, "seed": job.seed, "examples": eye.examples, "sampling": False}
    words |= {"forward": job.forward, "batch_size": eye.batch_size}
    start = measure(job.model, job.loss_fn, job.data, noise=8 if eye.noise_scale else 0, **words)

    def beyond(steps: int, method: Method) -> Spectrum | None:
        walked = copy.deepcopy(job.model)
        ran = train(job._replace(model=walked, factors=np.ones(steps), marks=(steps,), method=method), keep=True)
        lost = not np.isfinite(ran.losses[-1])
        return None if lost else measure(walked, job.loss_fn, job.data, noise=0, weights=False, **words)

    brief = words | {"rtol": 0.05, "depth": SHALLOW, "noise": 0, "weights": False}
    return observed(start, plan, eye, beyond, branch, lambda: [measure(other, job.loss_fn, job.data, **brief) for other in others])


def trials(
    job: Job,
    plan: Plan,
    start: float,
    *,
    executor: Executor | None = None,
    progress: Progress | None = None,
    ends: Ends | None = None,
) -> Trial:
    """Full runs on copies of the model: one after the other, or at once on the executor; `ends` keeps where they ended."""
    marks = tuple(readings(plan.steps, plan.batch_size, plan.examples).tolist())

    def tell(done: int) -> None:
        if progress is not None:
            progress("running", done, plan.steps)

    def trial(methods: Sequence[Method]) -> list[Record]:
        jobs = [job._replace(method=Method(*map(float, method)), marks=marks) for method in methods]
        if executor is None:
            outcomes = [survived(partial(train, one, tell)) for one in jobs]
        else:
            futures = [executor.submit(train, one) for one in jobs]
            outcomes = [survived(future.result) for future in futures]
        if ends is not None:
            for method, outcome in zip(methods, outcomes, strict=True):
                ends.keep(method, None if isinstance(outcome, str) else outcome.end)
        return [_record(method, outcome, plan, job.seed, start) for method, outcome in zip(methods, outcomes, strict=True)]

    return trial


def _sharpest(job: Job, plan: Plan, end: bytes) -> Spectrum | None:
    """The ends of the spectrum where a run ended; None where nothing can be measured there."""
    eye, model = look(plan.examples, plan.batch_size, plan.steps), restored(job.model, end)
    if model is None:
        return None
    words: dict[str, Any] = {"batch_size": eye.batch_size, "examples": eye.examples, "seed": job.seed, "depth": END, "rtol": 0.05}
    try:
        return measure(model, job.loss_fn, job.data, noise=0, weights=False, sampling=False, forward=job.forward, **words)
    except BadInput:  # a fit so good, or so far away, that nothing finite is left
        return None


def survived(run: Callable[[], Any]) -> Any:
    """What a run did, or the words with which it ended."""
    try:
        return run()
    except Exception as error:  # whatever a user's model or a far machine raises is a result
        return f"{type(error).__name__}: {error}".splitlines()[0]


def _record(method: Method, outcome: Outcome | str, plan: Plan, seed: int, start: float) -> Record:
    """One run as a Record: what was finite, and the reading at which it stopped being so."""
    if isinstance(outcome, str):
        notes: dict[str, Any] = {"loss_steps": [0], "error": outcome}
        return Record(method, np.array([start]), np.empty(0), plan.steps, diverged_at=1, schedule=plan.name, seed=seed, notes=notes)
    losses = np.asarray(outcome.losses)
    lost = np.flatnonzero(~np.isfinite(losses))
    kept = int(lost[0]) if lost.size else len(losses)
    notes = {"loss_steps": list(outcome.at[:kept]), "tail": TAIL}
    if outcome.training != outcome.losses:
        notes["training"] = list(outcome.training[:kept])
    return Record(
        method, losses[:kept], np.empty(0), plan.steps, diverged_at=int(outcome.at[kept]) if lost.size else None,
        gradients=plan.steps * plan.batch_size, schedule=plan.name, seed=seed, notes=notes,
    )  # fmt: skip


def _sizes(batches: Batches, batch_size: int | None) -> tuple[int, int]:
    """Number of examples, and of those in a batch."""
    if isinstance(batches, Everything):
        return batches.examples, batches.examples if batch_size is None else batch_size
    counts = [examples_in(batch) for batch in batches]
    if not counts:
        raise BadInput("the data hold no batches: a loader was empty, or an iterator had been read before")
    if batch_size is not None and batch_size != counts[0]:
        raise BadInput(f"batch_size = {batch_size}, but the batches of the data hold {counts[0]}: leave it out, or pass tensors")
    return sum(counts), counts[0]


def _readable(data: Any, batch_size: int, seed: int) -> Any:
    """Validation data as tensors, or as an iterable of batches."""
    batches = batches_of(data, None, batch_size, seed)
    return _read(batches)


def _read(batches: Batches) -> Any:
    """Tensors, or an iterable of batches."""
    return batches.tensors if isinstance(batches, Everything) else batches if isinstance(batches, Indexed) else batches.source

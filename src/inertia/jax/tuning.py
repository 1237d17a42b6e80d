"""Tune your own JAX loss: measured at its start and after a short walk, then verified by full runs that share their batches."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

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
from .curvature import measure
from .products import rows_in
from .trials import run_trials

__all__ = ["observe", "starts", "trials", "tune"]

Loss = Callable[[Any, Any], Any]


def tune(
    loss: Loss,
    params: Any,
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
    together: int = 4,
    name: str = "task",
    progress: Progress | None = None,
    on_record: Callable[[Record], None] | None = None,
    journal: Journal | None = None,
) -> Tuning:
    """Recommend learning rate and momentum for `loss(params, batch)` on `steps` steps of batches of `batch_size`.

    `params` are where the training starts, or a function seed -> params: then the curvature of two further starts counts too,
    so that the recommendation holds for other seeds. `data` (and `validation`) are an array, a tuple or a dict of arrays with
    the examples first; `batch_size` None is the whole loss. `schedule` is constant, linear, cosine or any function
    step -> factor, after `warmup` steps of warm-up. With `validation` the runs are compared by the loss on it. `momentum` and
    `nesterov` are fixed where given; gradients are clipped to the norm `clip`, then `weight_decay` times the parameters is
    added. Curvature is measured on `examples` of the data (default: what 2 % of a run pay for); up to `together` runs train
    at once under vmap. A run that diverges is a result. `journal` keeps finished runs on disk and takes them up again.

    Raises:
        BadInput: settings or data that no run can use; a loss that is not finite, not deterministic, or does not depend
            on the parameters at the start. An exception of the loss itself is shown as such.
        Diverged: every run diverged.

    >>> import jax.numpy as jnp
    >>> x = jnp.linspace(-1.0, 1.0, 64)
    >>> found = tune(lambda w, batch: jnp.mean((batch[0] * w - batch[1]) ** 2), jnp.zeros(1), (x, 3 * x), steps=32, batch_size=16)
    >>> found.branch, found.verified_loss < 0.01
    ('quadratic', True)
    """
    if not isinstance(data, tuple | dict | np.ndarray | jax.Array):
        raise BadInput(f"data of type {type(data).__name__} cannot be tuned on: pass an array, a tuple or a dict of arrays")
    plan = planned(
        rows_in(data), steps=steps, batch_size=batch_size, schedule=schedule, warmup=warmup, clip=clip, weight_decay=weight_decay
    )
    budget = Budget(
        name, steps, plan.budgeted, plan.examples, plan.shape, seed, runs, branch, momentum, nesterov,
        "validation loss" if validation is not None else "training loss", plan.extras,
    )  # fmt: skip
    tell = progress or (lambda stage, done, total: None)
    tell("measuring", 0, 1)
    params, others = starts(params, seed)
    seen = observe(loss, params, data, plan, seed=seed, examples=examples, branch=branch, others=others)
    if validation is not None:
        comparable(float(jax.jit(loss)(params, validation)))
    ends = Ends() if journal is None else journal.ends
    kept = ends if ends.room(sum(np.asarray(leaf).nbytes for leaf in jax.tree.leaves(params))) else None
    trial = trials(loss, params, data, plan, seed=seed, validation=validation, together=together, progress=tell, ends=kept)
    found = decide(budget, seen, trial if journal is None else journal.trial(budget, trial, seen), progress=tell, on_record=on_record)
    tell("measuring", 0, 1)
    return ended(found, ends, partial(_sharpest, loss, params, data, plan, seed), weight_decay)


def starts(params: Any, seed: int) -> tuple[Any, list[Any]]:
    """Where to start, and other starts where a function of the seed makes them (a module that can be called is no such function)."""
    if not callable(params) or not jax.tree_util.all_leaves([params]):
        return params, []
    return params(seed), [params(seed + further) for further in range(1, OTHERS + 1)]


def observe(
    loss: Loss,
    params: Any,
    data: Any,
    plan: Plan,
    *,
    seed: int = 0,
    examples: int | None = None,
    branch: str = "auto",
    others: Sequence[Any] = (),
) -> Observation:
    """The look at the start and, where that was not convex, those after a short walk and at other starts."""
    eye = look(plan.examples, plan.batch_size, plan.steps, examples)
    words: dict[str, Any] = {"ends": "largest", "rtol": 0.02, "depth": DEPTH, "seed": seed, "examples": eye.examples, "sampling": False}
    start = measure(loss, params, data, noise=8 if eye.noise_scale else 0, batch_size=eye.batch_size, **words)

    def beyond(steps: int, method: Method) -> Spectrum | None:
        walked = run_trials(
            loss, params, data, Method(*(np.array([field]) for field in method)), np.ones(steps), batch_size=plan.batch_size, seed=seed,
            weight_decay=plan.weight_decay, clip=plan.clip,
        )  # fmt: skip
        if not np.isfinite(walked.losses[0, -1]):
            return None
        there = jax.tree.map(lambda leaves: leaves[0], walked.params)
        return measure(loss, there, data, noise=0, weights=False, **words)

    brief = words | {"rtol": 0.05, "depth": SHALLOW}
    return observed(
        start, plan, eye, beyond, branch, lambda: [measure(loss, other, data, noise=0, weights=False, **brief) for other in others]
    )


def trials(
    loss: Loss,
    params: Any,
    data: Any,
    plan: Plan,
    *,
    seed: int,
    validation: Any = None,
    together: int = 4,
    progress: Progress | None = None,
    ends: Ends | None = None,
) -> Trial:
    """Full runs of several methods at once, on the same mini-batches; `ends` keeps the parameters they end at."""
    marks = readings(plan.steps, plan.batch_size, plan.examples)

    def trial(methods: Sequence[Method]) -> list[Record]:
        stage = f"running {len(methods)} at once" if len(methods) > 1 else "running"
        fields = Method(*(np.array([float(method[index]) for method in methods]) for index in range(4)))
        ran = run_trials(
            loss, params, data, fields, plan.factors, batch_size=plan.batch_size, seed=seed, validation=validation,
            records=marks.tolist(), together=together, weight_decay=plan.weight_decay, clip=plan.clip,
            progress=None if progress is None else lambda done, of: progress(stage, done, of),
        )  # fmt: skip
        if ends is not None:
            for index in np.flatnonzero(np.isfinite(ran.losses[:, -1])):
                ends.keep(methods[int(index)], _packed(jax.tree.map(lambda leaf, i=index: leaf[i], ran.params)))
        judged = ran.losses if validation is None else ran.validation
        return [
            _record(method, ran.at, judged[index], ran.losses[index], plan, seed, validation is not None)
            for index, method in enumerate(methods)
        ]

    return trial


def _sharpest(loss: Loss, params: Any, data: Any, plan: Plan, seed: int, end: bytes) -> Spectrum | None:
    """The ends of the spectrum where a run ended; None where nothing can be measured there."""
    eye, there = look(plan.examples, plan.batch_size, plan.steps), _restored(params, end)
    words: dict[str, Any] = {"rtol": 0.05, "depth": END, "seed": seed, "examples": eye.examples, "sampling": False}
    try:
        return None if there is None else measure(loss, there, data, noise=0, weights=False, **words)
    except BadInput:  # a fit so good, or so far away, that nothing finite is left
        return None


def _packed(params: Any) -> bytes:
    """The leaves of a pytree as the bytes of an npz file."""
    held = io.BytesIO()
    np.savez(held, *(np.asarray(leaf) for leaf in jax.tree.leaves(params)))
    return held.getvalue()


def _restored(params: Any, end: bytes) -> Any:
    """Parameters like `params` where a run ended; None where these bytes are not of such a run."""
    leaves, tree = jax.tree.flatten(params)
    try:
        with np.load(io.BytesIO(end)) as found:
            kept = [found[f"arr_{index}"] for index in range(len(leaves))]
            named = [
                k.view(jnp.asarray(leaf).dtype) if k.dtype.kind == "V" else k for k, leaf in zip(kept, leaves, strict=True)
            ]  # bfloat16
            return jax.tree.unflatten(tree, [jnp.asarray(k).reshape(np.shape(leaf)) for k, leaf in zip(named, leaves, strict=True)])
    except (ValueError, TypeError, KeyError, OSError, EOFError, zipfile.BadZipFile):  # a file that was cut short, or of another model
        return None


def _record(method: Method, at: Any, losses: Any, training: Any, plan: Plan, seed: int, held: bool) -> Record:
    """One run as a Record: what was finite, and the reading at which it stopped being so."""
    lost = np.flatnonzero(~np.isfinite(losses))
    kept = int(lost[0]) if lost.size else len(losses)
    notes = {"loss_steps": at[:kept].tolist(), "tail": TAIL} | ({"training": training[:kept].tolist()} if held else {})
    return Record(
        method, losses[:kept], np.empty(0), plan.steps, diverged_at=int(at[kept]) if lost.size else None,
        gradients=plan.steps * plan.batch_size, schedule=plan.name, seed=seed, notes=notes,
    )  # fmt: skip

"""The JAX door: a loss, its parameters and its data as a Trainable; runs of one seed train together under vmap."""

from __future__ import annotations

import io
import math
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from ..errors import BadInput, in_words, takes
from ..measurement.model import Source
from ..tuning.batches import batch_order, sample_part, sample_rows
from ..tuning.budget import Budget
from ..tuning.given import bound_of
from ..tuning.penalty import penalised
from ..tuning.recipe import Recipe
from ..tuning.trainable import Group, Metric, Progress, Readings, Run, Sample
from .curvature import check_deterministic
from .feeding import feed
from .losses import Loss
from .products import JaxSource, taken
from .stepping import Programs, Stretch, fields_of

__all__ = ["JaxJob"]

_TOGETHER = 4  # runs at a time under vmap, and with it the memory


class JaxJob:
    """A training job in JAX: `loss(params, batch)` or `loss(params, batch, key)`, parameters, data in any form.

    Args:
        loss: mean loss of a batch; with a third argument it is given a fresh key each step (dropout), the same one while measuring.
            It may return (sum, weight).
        params: a pytree of real arrays, or a function seed -> pytree: then every seed has its own initialisation.
        data: an array, a tuple or a dict of arrays with the examples first, or any iterable of batches.
        validation: data of any of these kinds, or None.
        batch_size: examples of one step; None: that of the batches, or all of the arrays.
        size_of: `size_of(batch)` counts the examples of a batch that does not show them.
        metric: `metric(params)` is what runs are compared by.
        lowest: a number that the loss cannot go below; None: not known.
        steps: length of a run, where the data have no end that could be found.
        together: runs that train at once.

    Raises:
        BadInput: something that cannot be trained, in one sentence.
    """

    bounds_batches = True  # `lowest` holds for every batch

    def __init__(
        self,
        loss: Callable[..., Any],
        params: Any,
        data: Any,
        *,
        validation: Any = None,
        batch_size: int | None = None,
        size_of: Callable[[Any], int] | None = None,
        metric: Callable[[Any], float] | None = None,
        examples: int | None = None,
        lowest: float | None = None,
        steps: int | None = None,
        together: int = _TOGETHER,
        name: str = "task",
        seed: int = 0,
    ) -> None:
        takes(metric, "metric", "metric(params)", 1)
        takes(size_of, "size_of", "size_of(batch)", 1)
        self.name, self.metric, self.together = name, metric, max(1, together)
        self.group: Group | None = None
        made = callable(params) and jax.tree_util.all_leaves([params])
        self._make = params if made else None
        self._begin = _arrays(params(seed) if made else params)
        self.dimension = sum(int(np.size(leaf)) for leaf in jax.tree.leaves(self._begin))
        self.feed = feed(data, size_of)
        self.examples, own, self.endless = self.feed.counted(steps, examples)
        if own is not None and batch_size not in (None, own):
            raise BadInput(f"batch_size = {batch_size}, but the batches of the data hold {own}: leave it out, or pass arrays")
        self.batch_size = own if batch_size is None else batch_size
        self.held = None if validation is None else feed(validation, size_of)
        if self.held is not None:
            self.held.counted(steps, None)
        self.validated, self.reseeded, self.uniform = validation is not None or metric is not None, made, True
        weighed = Loss(loss, size_of)
        first = self.feed.whole if self.feed.batches is None else next(iter(self.feed.batches))
        weighed.learn(self._begin, first, float(self.batch_size or self.examples))
        self._programs = Programs(weighed)  # compiled with this job, and freed with it
        self._checked, self.lowest = False, bound_of(lowest)

    def start(self, seed: int) -> Any:
        """Where a run of this seed begins."""
        if self._make is None:
            return self._begin
        found = _arrays(self._make(seed))
        if jax.tree.map(jnp.shape, found) != jax.tree.map(jnp.shape, self._begin):
            raise BadInput(f"params({seed}) has other arrays than the first: only its numbers may differ")
        return found

    def read(self, at: Any) -> Readings:
        """Whole training and validation loss."""
        stacked = _spread(at, 1)
        return Readings(float(self._whole(self.feed, stacked)[0]), float(self._judged(stacked)[0]))

    @contextmanager
    def source(self, at: Any, sample: Sample, *, decay: float = 0.0, metric: Metric | None = None) -> Iterator[Source]:
        """Gradients and products at a point."""
        if self.feed.batches is None:
            rows = sample_rows(self.examples, sample.examples, sample.seed)
            data = self.feed.whole if rows is None else taken(self.feed.whole, rows)
            chunk = None if rows is None else sample_part(len(rows))
        else:
            data, chunk, seen = [], None, 0
            for batch, size in self.feed.pieces():
                data.append(batch)
                seen += size
                if seen >= sample.examples:
                    break
        source = JaxSource(self._programs.loss, at, data, chunk, 1, programs=self._programs.products)
        if not self._checked:
            check_deterministic(source)
            self._checked = True
        if self.endless:
            source.notes["data"] = f"endless: measured and read on their first {self.examples} examples"
        yield penalised(source, decay)

    def norm(self, at: Any) -> float:
        """Euclidean norm of the parameters."""
        return math.sqrt(sum(float(np.sum(np.square(np.asarray(leaf, np.float64)))) for leaf in jax.tree.leaves(at)))

    def shift(self, at: Any, by: Any) -> Any:
        """The point moved."""
        leaves, tree = jax.tree.flatten(at)
        cuts = np.cumsum([np.size(leaf) for leaf in leaves])[:-1]
        parts = np.split(np.asarray(by), cuts)
        moved = [
            jnp.asarray(np.asarray(leaf, np.float64) + part.reshape(np.shape(leaf)), leaf.dtype)
            for leaf, part in zip(leaves, parts, strict=True)
        ]
        return jax.tree.unflatten(tree, moved)

    def walk(self, at: Any, recipe: Recipe, budget: Budget, steps: int, seed: int) -> Any | None:
        """Where steps at the constant peak rate lead."""
        run, batches = self._planned(budget, np.ones(steps), seed)
        state = self._programs.begin(_spread(at, 1))
        state = self._programs.steps(state, fields_of([recipe]), self.feed, run, 0, steps, batches)
        found = jax.tree.map(lambda leaf: leaf[0], state[0])
        return found if all(bool(jnp.all(jnp.isfinite(leaf))) for leaf in jax.tree.leaves(found)) else None

    def run(
        self,
        recipes: Sequence[Recipe],
        budget: Budget,
        seeds: Sequence[int],
        *,
        marks: NDArray[np.int64],
        keep: bool = False,
        progress: Progress | None = None,
    ) -> list[Run]:
        """Full runs; those that share a seed share their batches and train at once."""
        found: dict[int, Run] = {}
        for seed in dict.fromkeys(seeds):
            mine = [index for index, other in enumerate(seeds) if other == seed]
            for first in range(0, len(mine), self.together):
                block = mine[first : first + self.together]
                runs = self._block([recipes[k] for k in block], budget, seed, marks, keep, progress)
                found |= dict(zip(block, runs, strict=True))
        return [found[index] for index in range(len(recipes))]

    def pack(self, at: Any) -> bytes:
        """The leaves as the bytes of an npz file."""
        held = io.BytesIO()
        np.savez(held, *(np.asarray(leaf) for leaf in jax.tree.leaves(at)))
        return held.getvalue()

    def unpack(self, data: bytes) -> Any | None:
        """The parameters that `pack` wrote."""
        leaves, tree = jax.tree.flatten(self._begin)
        try:
            with np.load(io.BytesIO(data)) as found:
                kept = [found[f"arr_{index}"] for index in range(len(leaves))]
                # bfloat16 comes back as raw bytes
                kept = [k.view(leaf.dtype) if k.dtype.kind == "V" else k for k, leaf in zip(kept, leaves, strict=True)]
                return jax.tree.unflatten(
                    tree, [jnp.asarray(k, leaf.dtype).reshape(leaf.shape) for k, leaf in zip(kept, leaves, strict=True)]
                )
        except (ValueError, TypeError, KeyError, OSError, EOFError, zipfile.BadZipFile):
            return None

    def _block(
        self, recipes: list[Recipe], budget: Budget, seed: int, marks: NDArray[np.int64], keep: bool, progress: Progress | None
    ) -> list[Run]:
        """Runs of one seed that train at once."""
        error, now = "", 0
        training: list[NDArray[np.float64]] = []
        held: list[NDArray[np.float64]] = []
        state, fields = self._programs.begin(_spread(self.start(seed), len(recipes))), fields_of(recipes)
        run, batches = self._planned(budget, budget.factors, seed)
        stage = f"running {len(recipes)} at once" if len(recipes) > 1 else "running"
        try:
            for mark in marks.tolist():
                state = self._programs.steps(state, fields, self.feed, run, now, mark, batches) if mark > now else state
                now = mark
                training.append(self._whole(self.feed, state[0]))
                held.append(self._judged(state[0]))
                if progress is not None:
                    progress(stage, mark, budget.steps)
                if not np.any(np.isfinite(training[-1])):
                    break
        except Exception as raised:  # whatever a user's loss raises is a result
            error = in_words(raised)
        curves, judged = (np.array(rows).reshape(len(training), len(recipes)) for rows in (training, held))
        done = []
        for index, recipe in enumerate(recipes):
            wrong = np.flatnonzero(~np.isfinite(curves[:, index]) | (self.held is not None) & ~np.isfinite(judged[:, index]))
            kept = int(wrong[0]) if wrong.size else len(curves)
            diverged = int(marks[kept]) if wrong.size else None
            last = int(marks[kept]) if kept < len(marks) else budget.steps
            end = self.pack(jax.tree.map(lambda leaf, i=index: leaf[i], state[0])) if keep and diverged is None and not error else None
            done.append(
                Run(
                    recipe, seed, budget.steps, marks[:kept], curves[:kept, index], judged[:kept, index], diverged_at=diverged, error=error,
                    gradients=last * budget.batch_size, end=end,
                )
            )  # fmt: skip
        return done

    def _planned(self, budget: Budget, factors: NDArray[np.float64], seed: int) -> tuple[Stretch, Iterator[Any]]:
        """What all steps of a run share, and its batches."""
        steps, order = len(factors), None
        if self.feed.batches is None:
            order = jnp.asarray(batch_order(self.examples, budget.batch_size, steps, seed))
        run = Stretch(order, jnp.asarray(factors), jax.random.key(seed), budget.weight_decay, budget.clip)
        return run, self.feed.steps(budget.batch_size, steps, seed)

    def _whole(self, data: Any, stacked: Any) -> NDArray[np.float64]:
        """The whole loss of stacked points."""
        total: Any = 0.0
        weights: Any = 0.0
        for batch, _ in data.pieces():
            values, weight = (np.asarray(part, np.float64) for part in self._programs.evaluate(stacked, batch))
            total, weights = total + weight * values, weights + weight
        return np.asarray(total / weights, dtype=float)

    def _judged(self, stacked: Any) -> NDArray[np.float64]:
        """The metric or the validation loss of stacked points; nan where there is neither."""
        count = jax.tree.leaves(stacked)[0].shape[0]
        if self.metric is not None:
            return np.array([float(self.metric(jax.tree.map(lambda leaf, i=i: leaf[i], stacked))) for i in range(count)])
        return np.full(count, np.nan) if self.held is None else self._whole(self.held, stacked)


def _arrays(params: Any) -> Any:
    """The parameters as arrays.

    Raises:
        BadInput: a leaf that is no real floating-point array; state beside the parameters.
    """
    _trained(params)
    leaves = jax.tree.leaves(params)
    odd = next((leaf for leaf in leaves if not _real(leaf)), None)
    if odd is not None:
        what = type(odd).__name__ if not hasattr(odd, "dtype") else f"{odd.dtype} array"
        if what.startswith("complex"):
            raise BadInput(
                f"params hold a {what}, and curvature is along real numbers: keep its real and imaginary part as two arrays, and put them "
                "together in the loss with jax.lax.complex"
            )
        held = f"{'an' if what[0] in 'aeiouAEIO' else 'a'} {what}"
        raise BadInput(
            f"params hold {held}: they must be real floating-point arrays; split a module first, in Equinox with params, static = "
            "eqx.partition(model, eqx.is_inexact_array), in Flax NNX with graph, params, rest = nnx.split(model, nnx.Param, ...), and "
            "put it together again in the loss"
        )
    if not leaves:
        raise BadInput("params hold no array: curvature is measured along the arrays in params")
    return jax.tree.map(jnp.asarray, params)


def _trained(params: Any) -> None:
    """Refuse what no gradient trains beside the parameters: Flax's other collections, NNX variables that are no Param."""
    if isinstance(params, Mapping) and "params" in params and len(params) > 1:
        others = ", ".join(str(name) for name in params if name != "params")
        raise BadInput(
            f"params hold {others} beside 'params', which no gradient trains: pass variables['params'], and add the rest in the loss"
        )
    nodes = jax.tree.leaves(params, is_leaf=_variable)
    state = next((type(node).__name__ for node in nodes if _variable(node) and not _param(node)), None)
    if state is not None:
        raise BadInput(
            f"params hold a {state}, which no gradient trains: split the module with graph, params, rest = nnx.split(model, nnx.Param, "
            "...), pass params, and in the loss use nnx.merge(graph, params, rest, copy=True)"
        )


def _variable(node: Any) -> bool:
    """Whether it is a variable of Flax NNX, told by its class, as Flax may not be installed."""
    return any(kind.__name__ == "Variable" and kind.__module__.startswith("flax.") for kind in type(node).__mro__)


def _param(node: Any) -> bool:
    return any(kind.__name__.endswith("Param") for kind in type(node).__mro__)


def _real(leaf: Any) -> bool:
    return isinstance(leaf, float | np.floating) or (hasattr(leaf, "dtype") and jnp.issubdtype(leaf.dtype, jnp.floating))


def _spread(params: Any, count: int) -> Any:
    return jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, (count, *jnp.shape(leaf))), params)

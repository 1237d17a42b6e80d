"""The torch door: a model, its loss and its data as a Trainable."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from ..errors import BadInput, InertiaWarning
from ..measurement.asked import MEAN, OTHER
from ..measurement.model import Source
from ..tuning.batches import sample_part, sample_rows
from ..tuning.budget import Budget
from ..tuning.given import bound_of
from ..tuning.penalty import penalised
from ..tuning.recipe import Recipe
from ..tuning.trainable import Metric, Progress, Readings, Run, Sample
from .batches import Batches, Everything, Indexed, in_order
from .copying import copied
from .frozen import NORMS, trainable
from .grouping import shares_of
from .losses import Loss, lowest_of, own_copy
from .opening import opened
from .preparing import check_functions, fed, module_of
from .processes import Portion, Processes
from .products import TorchSource
from .running import State, Training, load, packed, state_of, train, unpacked, whole
from .sending import outcome, sendable, sent
from .sharing import held_by_all
from .sparse import refuse_sparse
from .wrappers import bare

__all__ = ["TorchJob"]

_READ = 20  # an endless stream is read at so many marks as many batches as a run has steps, all together


class TorchJob:
    """A training job in torch: a module (or a function seed -> module), its loss, data in any form.

    Args:
        model: a module, or a function seed -> module: then every seed has its own initialisation.
        loss_fn: `loss_fn(model(inputs), targets)`; None: the model returns its loss. It may return (sum, weight).
        data: tensors (inputs, targets), a dict of tensors, a Dataset, a DataLoader, or any iterable of batches.
        validation: data of any of these kinds, or None.
        batch_size: examples of one step; None: the loader's, or all of the tensors.
        forward: `forward(model, batch)` in place of `model(inputs)`; without `loss_fn` it returns the loss.
        size_of: `size_of(batch)` counts the examples of a batch that does not show them.
        metric: `metric(model)` is what runs are compared by, in evaluation mode.
        groups: parameter groups [{"params": ..., "scale": 0.1, "weight_decay": 0.0}, ...]; see `grouping`.
        accumulate: micro-batches whose gradients are averaged in one step.
        steps: length of a run, where the data have no end that could be found.
        executor: anything with `submit` (see `sending`), where runs are made.
        group: the processes of which this one does a share; `led` makes them one job.
        mode: "train", "eval" or None (each module as it is): how the model is measured.

    Raises:
        BadInput: something that cannot be trained, in one sentence.
    """

    bounds_batches = True  # `lowest` holds for every batch

    @torch.inference_mode(False)
    def __init__(
        self,
        model: nn.Module | Callable[[int], nn.Module],
        loss_fn: Any,
        data: Any,
        *,
        validation: Any = None,
        batch_size: int | None = None,
        forward: Callable[..., Any] | None = None,
        size_of: Callable[[Any], int] | None = None,
        metric: Callable[[nn.Module], float] | None = None,
        groups: Any = None,
        accumulate: int = 1,
        examples: int | None = None,
        lowest: float | None = None,
        steps: int | None = None,
        executor: Any = None,
        mode: str | None = None,
        name: str = "task",
        seed: int = 0,
        group: Processes | None = None,
    ) -> None:
        self.group, parts = group, 1 if group is None else group.parts
        check_functions(loss_fn, data, metric, size_of, forward)
        self.name, self.metric, self.executor, self.mode, self.accumulate = name, metric, executor, mode, accumulate
        self._make = None if isinstance(model, nn.Module) else model
        model = bare(model)
        self._model = module_of(model, seed)
        self._begin = state_of(self._model)
        self.dimension = sum(p.numel() for p in trainable(self._model))
        if isinstance(accumulate, bool) or not isinstance(accumulate, int) or accumulate < 1:
            raise BadInput(f"accumulate = {accumulate!r}: give the number of micro-batches of one step, such as 4")
        if batch_size is not None and (isinstance(batch_size, bool) or not isinstance(batch_size, int | np.integer) or batch_size < 1):
            raise BadInput(f"batch_size = {batch_size!r}: give the examples of one step, such as 64")
        if batch_size is not None and batch_size % accumulate:
            raise BadInput(f"batch_size = {batch_size} cannot be cut into {accumulate} equal micro-batches: it counts all of one step")
        if in_order(data) and parts == 1:
            warnings.warn(
                "the DataLoader reads its examples in one fixed order: runs follow it; pass shuffle=True if your training shuffles",
                InertiaWarning, stacklevel=3,
            )  # fmt: skip
        self.data = fed(data, batch_size, seed, size_of, accumulate, parts)
        self.own, self.portion, self.shared = self._share(self.data)
        self.endless = False
        self.examples, self.batch_size = self._counted(batch_size, examples, steps)
        held = None if validation is None else fed(validation, batch_size or self.batch_size or 64, seed, size_of, 1, parts)
        self.held = None if held is None else self._share(held)[0]
        if self.held is not None and not isinstance(self.held, Everything | Indexed) and not self.held.sized:
            total, first, more = self.held.examined(max(8, steps or 1000))
            self.held.limit = min(total, max(8, (steps or 1000) // _READ) * first) if more else None
        self.validated, self.reseeded = validation is not None or metric is not None, self._make is not None
        scale = (self.batch_size or self.examples) / accumulate / parts
        self.loss = Loss(nn.Identity(), own_copy(loss_fn, model if isinstance(model, nn.Module) else self._model), forward, size_of, scale)
        self.lowest = lowest_of(loss_fn) if lowest is None else bound_of(lowest)
        self.shares = shares_of(groups, model, self._model)
        self.uniform = not self.shares
        self._chunk, self._checked = 0, False
        self._learn(seed)
        if executor is not None:
            sendable(executor, (self._model, self.loss, self.data, self.held, metric))

    def refuse(self, optimizers: Sequence[str], budget: Budget) -> None:
        """Refuse settings that torch does not train this model with."""
        refuse_sparse(self._model, optimizers, budget, self.shares, 1 if self.group is None else self.group.parts)

    @torch.inference_mode(False)
    def start(self, seed: int) -> State:
        """Where a run of this seed begins."""
        if self._make is None:
            return dict(self._begin)
        made, here = state_of(module_of(self._make, seed)), self._begin
        if {name: t.shape for name, t in made.items()} != {name: t.shape for name, t in here.items()}:
            raise BadInput(f"the model of seed {seed} has other parameters than the first one: only its initialisation may differ")
        return made

    @torch.inference_mode(False)
    def read(self, at: State) -> Readings:
        """Whole training and validation loss."""
        task = self.task(at, Recipe(1.0), np.ones(0), 0, (0,))
        found = train(task, model=task.model)
        if found.error:
            raise BadInput(f"the loss cannot be computed at the start: {found.error}")
        return Readings(float(found.training[0]), float(found.validation[0])) if len(found.training) else self._unread(at)

    def _unread(self, at: State) -> Readings:
        """Readings that are not finite."""
        load(self._model, at)
        device = trainable(self._model)[0].device
        held = float("nan") if self.held is None else whole(self._model, self.loss.of(self._model), self.held, device, self.group)
        return Readings(whole(self._model, self.loss.of(self._model), self.own, device, self.group), held)

    @contextmanager
    def source(self, at: State, sample: Sample, *, decay: float = 0.0, metric: Metric | None = None) -> Iterator[Source]:
        """Gradients and products at a point."""
        with self.opened(at, sample) as source:
            yield penalised(source, decay)

    @contextmanager
    def opened(self, at: State, sample: Sample) -> Iterator[TorchSource]:
        """Gradients and products of the loss alone; of a group, this process's share of them."""
        with torch.inference_mode(False), self._opened(at, sample) as source:
            yield source

    @contextmanager
    def _opened(self, at: State, sample: Sample) -> Iterator[TorchSource]:
        load(self._model, at)
        loss, parts = self.loss.of(self._model), 1 if self.group is None else self.group.parts
        if isinstance(self.data, Everything | Indexed):
            rows = sample_rows(self.examples, sample.examples, sample.seed)
            used = self.examples if rows is None else len(rows)
            chunk = max(1, min(self._chunk, (used if rows is None else sample_part(used)) // parts))
            if loss.kind == OTHER or self._coupled():
                chunk = max(1, min(used, max(1, self.batch_size or used) // self.accumulate) // parts)
            if rows is not None and self.portion is not None and not self.shared:
                rows = self.portion.of(rows)
            batches: Batches = self.data.part(rows, chunk)
        else:
            batches, chunk = Batches(self.data.source, sample.examples, sample.seed, self.data.size_of), 0
        if loss.kind == OTHER:
            loss.kind = MEAN  # over batches of the run's own size
        words: dict[str, Any] = {"mode": self.mode, "seed": sample.seed, "lazy": True, "checked": True}
        words |= {"group": self.group, "shared": self.shared}
        with opened(self._model, loss, batches, chunk=chunk or None, batch_size=sample.batch_size, **words) as source:
            if self.loss.said:
                source.notes["loss_is"] = self.loss.said
            if self.endless:
                source.notes["data"] = f"endless: measured and read on their first {self.examples} examples"
            yield source

    def norm(self, at: State) -> float:
        """Euclidean norm of the trainable parameters."""
        return math.sqrt(sum(float(at[name].double().square().sum()) for name in self._names()))

    @torch.inference_mode(False)
    def shift(self, at: State, by: torch.Tensor) -> State:
        """The point moved."""
        moved, first = dict(at), 0
        for name in self._names():
            size = at[name].numel()
            moved[name] = (at[name] + by[first : first + size].view(at[name].shape)).to(at[name].dtype)
            first += size
        return moved

    @torch.inference_mode(False)
    def walk(self, at: State, recipe: Recipe, budget: Budget, steps: int, seed: int) -> State | None:
        """Where steps at the constant peak rate lead."""
        task = self.task(at, recipe, np.ones(steps), seed, (steps,), budget)
        model = copied(task.model)
        task = task._replace(data=self.data, held=None, metric=None)
        found = train(task._replace(marks=()), model=model)
        there = state_of(model)
        fine = not found.error and all(bool(torch.isfinite(there[name]).all()) for name in self._names())
        return there if fine else None

    @torch.inference_mode(False)
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
        """Full runs, one after the other or on the executor; one whose worker is lost is a result too."""
        at = tuple(int(mark) for mark in marks)
        tasks = [
            self.task(self.start(seed), recipe, budget.factors, seed, at, budget, keep) for recipe, seed in zip(recipes, seeds, strict=True)
        ]
        tell = None if progress is None else lambda done: progress("running", done, budget.steps)
        if self.executor is None:
            return [train(task, tell) for task in tasks]
        futures = sent(self.executor, tasks)
        found = []
        for done, (task, future) in enumerate(zip(tasks, futures, strict=True), start=1):
            found.append(outcome(task, future))
            if progress is not None:
                progress("running on the executor", done, len(tasks))
        return found

    @torch.inference_mode(False)
    def one(self, recipe: Recipe, budget: Budget, seed: int, marks: NDArray[np.int64], keep: bool) -> Run:
        """One run, of which this process does its share."""
        at = tuple(int(mark) for mark in marks)
        return train(self.task(self.start(seed), recipe, budget.factors, seed, at, budget, keep))

    def pack(self, at: State) -> bytes:
        """A point as bytes."""
        return packed(at)

    def unpack(self, data: bytes) -> State | None:
        """The point that `pack` wrote."""
        return unpacked(data, self._begin)

    def _names(self) -> list[str]:
        return [name for name, p in self._model.named_parameters() if p.requires_grad]

    def _coupled(self) -> bool:
        """Whether the loss of an example depends on its batch: batch norms in train mode."""
        train_mode = self.mode == "train"
        return any(isinstance(m, NORMS) and (m.training or train_mode or not m.track_running_stats) for m in self._model.modules())

    def task(
        self, at: State, recipe: Recipe, factors: NDArray[np.float64], seed: int, marks: tuple[int, ...], budget: Budget | None = None,
        keep: bool = False,
    ) -> Training:  # fmt: skip
        """A run from a point; the model in it is a copy of its own."""
        with torch.inference_mode(False):
            model = copied(self._model)
            load(model, at)
        size = self.examples if budget is None else budget.batch_size
        decay, clip = (0.0, None) if budget is None else (budget.weight_decay, budget.clip)
        own = None if self.portion is None else self._pieces(self.own, size)
        return Training(
            model, self.loss, self._pieces(self.data, size), self.held, self.metric, factors, size, self.accumulate, decay, clip,
            self.shares, recipe, seed, marks, keep, group=self.group, portion=self.portion, own=own,
        )  # fmt: skip

    def _pieces(self, data: Batches, size: int) -> Batches:
        """The data, in chunks of the batch size where the loss is one of batches."""
        if isinstance(data, Everything | Indexed) and self.loss.kind == OTHER:
            return data.part(None, size if self.group is None else max(1, size // self.group.parts))
        return data

    def _share(self, data: Batches) -> tuple[Batches, Portion | None, bool | None]:
        """This process's part of the data, which rows that are, and whether it holds the others' too."""
        if self.group is None or self.group.parts == 1 or not isinstance(data, Everything | Indexed):
            return data, None, None
        shared = held_by_all(self.group, data)
        portion = self.group.portion(shared, data.examples)
        return data.part(portion.of(np.arange(portion.total(data.examples))), data.chunk), portion, shared

    def _counted(self, batch_size: int | None, limit: int | None, steps: int | None) -> tuple[int, int | None]:
        """Examples in the data, and the batch size they come with or that was asked for."""
        data = self.data
        if isinstance(data, Everything | Indexed):
            own = data.natural
            if own is not None and batch_size not in (None, own):
                raise BadInput(f"batch_size = {batch_size}, but the batches of the data hold {own}: leave it out, or pass the dataset")
            total = data.examples if self.portion is None else self.portion.total(data.examples)
            return total, own if batch_size is None else batch_size
        most = None if data.sized else max(8, (steps or 1000) * self.accumulate)
        total, first, more = data.examined(most)
        if more and limit is None:
            self.endless = True
            limit = max(8, (steps or 1000) // _READ) * first
        if limit is not None and limit < total:
            data.limit, total = limit, limit
        if self.group is not None:
            total, first = (int(number) for number in self.group.sums(total, first))
        if batch_size is not None and batch_size != first * self.accumulate:
            raise BadInput(f"batch_size = {batch_size}, but the batches of the data hold {first}: leave it out, or pass tensors")
        return total, first * self.accumulate

    def _learn(self, seed: int) -> None:
        """How the loss adds up, whether it is deterministic, and how many examples fit into memory at once."""
        loss = self.loss.of(self._model)
        data = self.data.part(None, self.data.chunk) if isinstance(self.data, Everything | Indexed) else self.data
        words: dict[str, Any] = {"mode": self.mode, "seed": seed, "group": self.group, "shared": self.shared}
        with opened(self._model, loss, data, batch_size=self.batch_size, **words) as source:
            self.loss.kind = loss.kind
            self._chunk = source.batches.chunk if isinstance(source.batches, Everything | Indexed) else 0

"""A frozen model opened as a source of gradients and products: what `measure` and the tuner's door share."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import nn

from ..errors import BadInput
from ..measurement.asked import MEAN, OTHER, SUM, drawn, judged
from .batches import Batches, Everything, Indexed, as_tensors, examples_in, moved, taken
from .deterministic import Determinism
from .frozen import NORMS, Frozen, frozen, trainable
from .graphs import graph_bytes
from .losses import Loss
from .processes import Processes
from .products import TorchSource
from .sharing import held_by_all

__all__ = ["LARGE", "MEMORY", "mode_of", "opened"]

MEMORY = 1 << 30  # bytes for the gradient graphs that are kept
LARGE = 5_000_000  # parameters (trained or not) from which on a model's own size rules the memory: graphs of several batches are not kept


@contextmanager
def opened(
    model: nn.Module,
    evaluate: Loss,
    batches: Batches,
    *,
    batch_size: int | None = None,
    mode: str | None = None,
    products: str = "exact",
    chunk: int | None = None,
    memory: float | None = None,
    seed: int = 0,
    halves: bool = False,
    checked: bool = False,
    graded: bool = False,
    lazy: bool = False,
    group: Processes | None = None,
    shared: bool | None = None,
) -> Iterator[TorchSource]:
    """The model, frozen, as a source of products; `checked`: its loss is known to be deterministic, and how it adds up.

    `graded`: the gradient is asked for before the parameters move, and its loss is the second look at whether it is deterministic.
    With a `group` the source is this process's share; `batch_size` is that of all. `shared`: whether each process holds all the data.
    """
    if products not in {"exact", "differences"}:
        raise BadInput(f"products = {products!r} is not one of 'exact', 'differences'")
    params = trainable(model)
    if any(p.is_complex() for p in params):
        raise BadInput("the model has complex parameters: curvature is along real numbers; hold their real and imaginary parts instead")
    size = sum(p.numel() for p in model.parameters())  # those that are not trained cost as much
    allowed = memory if memory is not None else MEMORY if size < LARGE else 0
    parts, part = (1, 0) if group is None else (group.parts, group.part)
    everything, portion = batches, None
    with frozen(model, mode, seed + 7919 * part, evaluate.loss_fn) as handle:
        if not checked:
            _learn(evaluate, batches, batch_size, params[0].device, handle, parts)
            if group is not None:
                evaluate.kind, evaluate.scale = group.gather((evaluate.kind, evaluate.scale))[0]
        if parts > 1 and group is not None and isinstance(batches, Everything | Indexed):
            portion = group.portion(held_by_all(group, batches) if shared is None else shared, batches.examples)
            total = portion.total(batches.examples)
            if total < parts:
                raise BadInput(f"{total} examples for {parts} processes: each needs at least one")
            natural, batches = batches.natural, batches.part(portion.of(np.arange(total)), batches.chunk)
            batches.natural, batch_size = natural, None if batch_size is None else math.ceil(batch_size / parts)
        if isinstance(batches, Everything | Indexed):
            if evaluate.kind == OTHER and not checked:
                batches = _shuffled(batches, _together(evaluate, batches, batch_size), seed)
            batches.chunk = _chunk(model, params, batches, evaluate, handle, chunk, batch_size, allowed, halves)
        looked = None if checked else _looked(model, batches, evaluate, params[0].device, handle, graded)
        way = "differences" if products == "differences" else "graph"
        source = TorchSource(params, batches, evaluate, handle, allowed, way, lazy, group, everything, portion)
        source.together, source.looked = _coupled(model), looked
        if size > source.dimension:
            source.notes["parameters"] = size
        source.notes |= {"mode": mode_of(model), "frozen": handle.report, "seed": seed}
        if evaluate.said:
            source.notes["loss_is"] = evaluate.said + _judged(evaluate, batches)
        try:
            yield source
        finally:
            source.release()


def _looked(model: nn.Module, batches: Batches, evaluate: Loss, device: torch.device, handle: Frozen, graded: bool) -> Determinism | None:
    """Whether the loss is one function: asked, or half asked where the gradient's loss is to be the second look."""
    found = Determinism(model, batches, lambda batch: evaluate(moved(batch, device, handle.wide)), handle)
    if graded:
        return found
    found.check()
    return None


def _learn(evaluate: Loss, batches: Batches, batch_size: int | None, device: torch.device, handle: Frozen, parts: int) -> None:
    """How the loss adds up, and of how many examples a sum is."""
    known = isinstance(batches, Everything | Indexed)
    first = None if known else next(iter(batches), None)
    if evaluate.kind is None and known:
        evaluate.learn(lambda rows: moved(batches.take(rows), device, handle.wide), batches.examples)  # type: ignore[attr-defined]
    elif evaluate.kind is None:
        whole = as_tensors(tuple(first)) if isinstance(first, list | tuple) and first else as_tensors(first)
        if whole is not None and batches.size_of(first) != examples_in(whole):
            whole = None  # rows that are not its examples, such as the nodes of several graphs
        if first is not None and whole is None:
            evaluate.look(moved(first, device, handle.wide))
        elif whole is None:
            evaluate.kind = MEAN
        else:
            evaluate.learn(lambda rows: moved(taken(whole, torch.as_tensor(rows)), device, handle.wide), examples_in(whole))
    if evaluate.kind == SUM and evaluate.scale == 1.0:
        own = batches.examples if known else batches.size_of(first) if first is not None else 1  # type: ignore[attr-defined]
        evaluate.scale = float(batch_size or batches.natural or own) / (parts if known or batch_size else 1)


def _chunk(
    model: nn.Module, params: Any, batches: Everything | Indexed, evaluate: Loss, handle: Frozen, chunk: int | None,
    batch_size: int | None, memory: float, halves: bool,
) -> int:  # fmt: skip
    """Rows per batch: what the loss depends on (batch norm in train mode) first, else what fits a quarter of the memory."""
    total = batches.examples
    if _coupled(model):  # batches of nearly equal size, none of a single example
        return math.ceil(total / max(1, round(total / (chunk or batch_size or total))))
    size = _together(evaluate, batches, batch_size)
    if chunk is not None:
        if chunk < 1:
            raise BadInput(f"chunk = {chunk} is too few: a batch holds at least 1 example")
        if chunk != size and chunk < total:
            evaluate.refuse_cutting(f"chunk = {chunk}")
        return min(chunk, total)
    if evaluate.kind == OTHER:
        if halves and size == total:
            evaluate.refuse_cutting("cutting the data for the sampling error")
        return size
    few = min(total, 16, batches.natural or batch_size or total)  # that many are differentiated at once by the training itself
    fits = few
    if few < total:
        handle.rewind(0)
        sample = moved(batches.take(range(min(few, 8))), params[0].device, handle.wide)
        try:
            each = graph_bytes(lambda: evaluate(sample)[0], params) / min(few, 8)
        except RuntimeError:
            each = 0.0  # no second derivative: gradients alone are kept small by the batch
        fits = int(max(memory, MEMORY / 4) / 4 // each) if each else total
    limit = max(1, min(total, max(fits, few)))
    if isinstance(batches, Indexed):
        limit = min(limit, max(batches.chunk, few))
    if halves:
        limit = min(limit, math.ceil(total / 8))
    return math.ceil(total / math.ceil(total / limit))  # chunks of nearly equal size


def _judged(evaluate: Loss, batches: Batches) -> str:
    """How many examples a loss that couples them judges together, in brackets."""
    if evaluate.kind != OTHER or not isinstance(batches, Everything | Indexed):
        return ""
    return judged(batches.chunk, batches.examples)


def _together(evaluate: Loss, batches: Everything | Indexed, batch_size: int | None) -> int:
    """Examples whose loss cannot be cut: those of a training batch where its size is known, else all of them."""
    total = batches.examples
    return min(total, batch_size or batches.natural or total) if evaluate.kind == OTHER else total


def _shuffled(batches: Everything | Indexed, size: int, seed: int) -> Everything | Indexed:
    """Batches of a training loop that draws them: rows that stand beside each other in the data may be alike."""
    if size >= batches.examples:
        return batches
    found = batches.part(drawn(batches.examples, seed), size)
    found.natural, found.size_of = batches.natural, batches.size_of
    return found


def _coupled(model: nn.Module) -> bool:
    """Whether the loss of an example depends on its batch: batch norms that use its statistics."""
    return any(isinstance(m, NORMS) and (m.training or not m.track_running_stats) for m in model.modules())


def mode_of(model: nn.Module) -> str:
    """Which mode was measured, in a word."""
    modes = {module.training for module in model.modules()}
    return "mixed" if len(modes) > 1 else "train" if modes.pop() else "eval"

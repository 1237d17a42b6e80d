"""Curvature and gradient noise of your own torch model, where it stands.

    spectrum = inertia.torch.measure(model, loss_fn, (inputs, targets), batch_size=64)

Nothing about the model changes: parameters, buffers, gradients, train and eval modes and random states are afterwards
exactly as before.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import nn

from ..core.method import Method
from ..core.spectrum import Spectrum
from ..errors import BadInput
from ..measurement.along import measured, watched
from ..measurement.lanczos import FAILURE, Lanczos, krylov
from ..measurement.model import Plan, Watch
from .batches import Everything, batches_of, examples_in, moved, taken
from .deterministic import check_deterministic
from .frozen import NORMS, Frozen, frozen, trainable
from .graphs import graph_bytes
from .products import TorchSource
from .trajectory import walked

__all__ = ["Eigenvectors", "eigenvectors", "measure"]

Loss = Callable[..., torch.Tensor]
MEMORY = 1 << 30  # bytes for the gradient graphs that are kept
LARGE = 5_000_000  # parameters from which on a model's own size rules the memory: graphs of several batches are not kept


class Eigenvectors(NamedTuple):
    """The k largest curvatures, largest first: values, error bars and unit directions by parameter name."""

    values: list[float]
    errors: list[float]  # a curvature of the Hessian lies this close to each value
    vectors: list[dict[str, torch.Tensor]]
    upper: float  # bar above the largest
    hvps: float


def measure(
    model: nn.Module,
    loss_fn: Loss | None,
    data: Any,
    *,
    batch_size: int | None = None,
    examples: int | None = None,
    forward: Callable[[nn.Module, Any], torch.Tensor] | None = None,
    mode: str | None = None,
    ends: str = "largest",
    rtol: float = 0.01,
    depth: int | None = None,
    top: int = 1,
    probes: int = 1,
    weights: bool = True,
    noise: int = 8,
    sampling: bool | None = None,
    along: int | Sequence[int] | None = None,
    along_method: Method | None = None,
    products: str = "exact",
    chunk: int | None = None,
    memory: float | None = None,
    progress: bool | Watch = False,
    seed: int = 0,
    failure: float = FAILURE,
) -> Spectrum:
    """The spectrum of the Hessian of the mean loss at the model's parameters, with error bars and an upper bar.

    `data`: tensors (inputs, targets), a dict of tensors, a DataLoader, a Dataset or any iterable of batches; the loss of a
    batch is the mean loss_fn(model(inputs), target), `forward(model, batch)` in its stead where that is not the shape of
    it. Batches are accumulated weighted by their size. `batch_size`, default the loader's, is that of the gradient noise.
    `examples` measures a subset and then `provenance["sampling"]` tells bias and spread (`sampling=True` always does).

    `mode`: "train", "eval" or None (each module as it is); `provenance["frozen"]` says what that meant. Products stop when
    the bars of `ends` ("largest", "smallest" or "both"; the smallest of a network is often ten times dearer) are below rtol;
    `provenance["hvps"]` counts them. `weights`, `noise` (number of mini-batches), `probes` and `along` (steps of a short
    training run on the way of which sharpness is measured again) cost extra; the ends alone: weights=False, noise=0.

    Memory: up to 500,000 parameters every Lanczos vector is kept. Beyond, the ends alone need at most 6 vectors of the size
    of the parameters besides one batch differentiated twice; `memory` bytes (default 1 GiB, none from 5 million parameters
    on) are used to keep gradient graphs of several batches.

    Raises:
        BadInput: a loss that is not deterministic (and which module makes it so), not finite (and in which batch) or
            independent of the parameters; data that cannot be read; settings that no run can use.

    >>> model, x = nn.Linear(3, 1), torch.eye(3)
    >>> found = measure(model, nn.MSELoss(), (x, torch.ones(3, 1)), noise=0)
    >>> found.dimension, round(found.L, 4), found.upper >= found.L
    (4, 2.6667, True)
    """
    with _source(model, loss_fn, data, batch_size, examples, forward, mode, products, chunk, memory, seed, bool(sampling)) as source:
        subset = examples is not None and (not isinstance(source.batches, Everything) or source.batches.examples < _length(data))
        plan = Plan(
            rtol=rtol, depth=depth, ends=ends, top=top, probes=probes, weights=weights, noise=noise, batch_size=batch_size,
            sampling=subset if sampling is None else sampling, seed=seed, failure=failure, watch=watched(progress),
        )  # fmt: skip
        return measured(source, plan, along, along_method, partial(walked, source, plan))


def eigenvectors(
    model: nn.Module,
    loss_fn: Loss | None,
    data: Any,
    k: int = 1,
    *,
    rtol: float = 0.01,
    depth: int | None = None,
    forward: Callable[[nn.Module, Any], torch.Tensor] | None = None,
    mode: str | None = None,
    batch_size: int | None = None,
    seed: int = 0,
) -> Eigenvectors:
    """The k largest curvatures and their directions, as dicts like the model's trainable parameters.

    Keeps every Lanczos vector: some 3 k to 10 k times the parameters in memory.

    Raises:
        BadInput: as `measure`.

    >>> model, x = nn.Linear(2, 1, bias=False), torch.tensor([[2.0, 0.0], [0.0, 1.0]])
    >>> found = eigenvectors(model, nn.MSELoss(), (x, torch.ones(2, 1)), k=2)
    >>> [round(value, 4) for value in found.values], found.vectors[0]["weight"].abs().round(decimals=4)
    ([4.0, 1.0], tensor([[1., 0.]]))
    """
    with _source(model, loss_fn, data, batch_size, None, forward, mode, "exact", None, None, seed, False) as source:
        source.gradient()
        run: Lanczos = krylov(source.hvp, source.space(True), rtol=rtol, depth=depth, ends="largest", top=k, vectors=True, seed=seed)
        names = {id(p): name for name, p in model.named_parameters()}
        shaped = []
        for row in run.vectors:
            parts = torch.split(row, [p.numel() for p in source.params])
            shaped.append({names[id(p)]: part.view(p.shape).to(p.dtype) for p, part in zip(source.params, parts, strict=True)})
        largest, bars = run.values[::-1][:k].tolist(), run.residuals[::-1][:k].tolist()
        return Eigenvectors(largest, bars, shaped, run.upper, source.cost()["hvps"])


@contextmanager
def _source(
    model: nn.Module, loss_fn: Any, data: Any, batch_size: int | None, examples: int | None, forward: Any, mode: str | None,
    products: str, chunk: int | None, memory: float | None, seed: int, halves: bool,
) -> Iterator[TorchSource]:  # fmt: skip
    """The frozen model as a source of products."""
    if products not in {"exact", "differences"}:
        raise BadInput(f"products = {products!r} is not one of 'exact', 'differences'")
    params = trainable(model)
    batches = batches_of(data, examples, batch_size, seed)
    evaluate = _mean_loss(model, loss_fn, forward)
    dimension = sum(p.numel() for p in params)
    allowed = memory if memory is not None else MEMORY if dimension < LARGE else 0
    with frozen(model, mode, seed) as handle:
        if isinstance(batches, Everything):
            batches.chunk = _chunk(model, params, batches, evaluate, handle, chunk, batch_size, allowed, halves or examples is not None)
        check_deterministic(model, batches, lambda batch: evaluate(moved(batch, params[0].device, handle.wide)), handle)
        source = TorchSource(params, batches, evaluate, handle, allowed, "differences" if products == "differences" else "graph")
        source.notes |= {"mode": _mode(model), "frozen": handle.report, "seed": seed}
        try:
            yield source
        finally:
            source.release()


def _chunk(
    model: nn.Module, params: Any, batches: Everything, evaluate: Any, handle: Frozen, chunk: int | None, batch_size: int | None,
    memory: float, halves: bool,
) -> int:  # fmt: skip
    """Rows per batch: what the loss depends on (batch norm in train mode) first, else what fits a quarter of the memory."""
    total = batches.examples
    if any(isinstance(m, NORMS) and (m.training or not m.track_running_stats) for m in model.modules()):
        return chunk or batch_size or total
    if chunk is not None:
        if chunk < 1:
            raise BadInput(f"chunk = {chunk} is too few: a batch holds at least 1 example")
        return min(chunk, total)
    few = min(8, total)
    handle.rewind(0)
    sample = moved(taken(batches.tensors, slice(0, few)), params[0].device, handle.wide)
    try:
        each = graph_bytes(lambda: evaluate(sample), params) / few
    except RuntimeError:
        each = 0.0  # no second derivative: gradients alone are kept small by the batch
    fits = int(max(memory, MEMORY / 4) / 4 // each) if each else total
    limit = max(1, min(total, max(fits, min(total, 16))))
    if halves:
        limit = min(limit, math.ceil(total / 8))
    return math.ceil(total / math.ceil(total / limit))  # chunks of nearly equal size


def _mean_loss(model: nn.Module, loss_fn: Any, forward: Any) -> Callable[[Any], torch.Tensor]:
    """Mean loss of one batch, a scalar tensor."""
    if loss_fn is None and forward is None:

        def own(model: nn.Module, batch: Any) -> torch.Tensor:
            output = model(**batch) if isinstance(batch, Mapping) else model(*batch) if isinstance(batch, tuple | list) else model(batch)
            value = output if isinstance(output, torch.Tensor) else getattr(output, "loss", None)
            if value is None:
                raise BadInput(f"loss_fn is None and the model returned a {type(output).__name__} without a loss: pass loss_fn or forward=")
            return value

        forward = own
    summed = getattr(loss_fn, "reduction", "mean") == "sum"

    def evaluate(batch: Any) -> torch.Tensor:
        if forward is not None:
            value = forward(model, batch)
        elif isinstance(batch, Mapping):
            value = loss_fn(model(**batch), batch)
        elif isinstance(batch, tuple | list):
            value = loss_fn(model(*batch[:-1]), batch[-1])
        else:
            value = loss_fn(model(batch), batch)
        if not isinstance(value, torch.Tensor):
            raise BadInput(f"the loss is a {type(value).__name__}: it must be a torch tensor made by the model")
        value = value.mean() if value.ndim else value
        return value / examples_in(batch) if summed else value

    return evaluate


def _mode(model: nn.Module) -> str:
    """Which mode was measured, in a word."""
    modes = {module.training for module in model.modules()}
    return "mixed" if len(modes) > 1 else "train" if modes.pop() else "eval"


def _length(data: Any) -> int:
    """Number of examples in data held whole."""
    return batches_of(data, None, None, 0).examples  # type: ignore[attr-defined]

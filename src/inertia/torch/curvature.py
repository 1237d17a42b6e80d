"""Curvature and gradient noise of your own torch model, where it stands.

    spectrum = inertia.torch.measure(model, loss_fn, (inputs, targets), batch_size=64)

Nothing about the model changes: parameters, buffers, gradients, train and eval modes and random states are afterwards
exactly as before.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import nn

from ..core.method import Method
from ..core.spectrum import Spectrum
from ..errors import BadInput
from ..measurement.along import measured, watched
from ..measurement.asked import OTHER
from ..measurement.lanczos import FAILURE, Lanczos, krylov
from ..measurement.model import Plan, Watch
from ..tuning.preconditioned import WALK
from .batches import batches_of
from .led import decided_on
from .losses import Loss, own_copy
from .opening import opened
from .preconditioning import measured_under, whole_optimizer
from .processes import assembled
from .trajectory import walked
from .wrappers import Wrapped, bare, kind_of

__all__ = ["Eigenvectors", "eigenvectors", "measure"]


class Eigenvectors(NamedTuple):
    """The k largest curvatures, largest first: values, error bars and unit directions by parameter name."""

    values: list[float]
    errors: list[float]  # a curvature of the Hessian lies this close to each value
    vectors: list[dict[str, torch.Tensor]]
    upper: float  # bar above the largest
    hvps: float


def measure(
    model: nn.Module,
    loss_fn: Callable[..., Any] | None,
    data: Any,
    *,
    optimizer: torch.optim.Optimizer | None = None,
    walk: int = WALK,
    batch_size: int | None = None,
    examples: int | None = None,
    forward: Callable[[nn.Module, Any], torch.Tensor] | None = None,
    size_of: Callable[[Any], int] | None = None,
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
    it; where both are given, `loss_fn` judges what `forward` returns. Batches are accumulated weighted by their examples (or by
    the class weights and tokens that count in torch's own losses); a loss that weighs them otherwise returns (sum, weight), and
    `size_of(batch)` counts the examples of an unusual batch. A loss that is a sum over the batch is measured as that sum.
    `batch_size`, default the loader's, is that of the gradient noise, and of the batches that a loss which couples examples is measured on.
    `examples` measures a subset and then `provenance["sampling"]` tells bias and spread (`sampling=True` always does).

    `mode`: "train", "eval" or None (each module as it is); `provenance["frozen"]` says what that meant. Products stop when
    the bars of `ends` ("largest", "smallest" or "both"; the smallest of a network is often ten times dearer) are below rtol;
    `provenance["hvps"]` counts them. `weights`, `noise` (number of mini-batches), `probes` and `along` (steps of a short
    training run on the way of which sharpness is measured again) cost extra; the ends alone: weights=False, noise=0.

    `optimizer`: the one that trains the model. Then everything is measured in the metric of its real state (Adam's denominator), and a
    `Preconditioned` comes back: the Spectrum of P^(-1) H, its `edge`, and `step`, the best learning rate along the updates that it
    would really make next. A state that has not stepped yet gets a `walk` of so many steps on a copy. The optimizer is not changed.

    Memory: up to 500,000 parameters every Lanczos vector is kept. Beyond, the ends alone need at most 6 vectors of the size
    of the parameters besides one batch differentiated twice; `memory` bytes (default 1 GiB, none from 5 million parameters
    on) are used to keep gradient graphs of several batches.

    Raises:
        BadInput: a loss that is not deterministic (and which module makes it so), not finite (and in which batch) or
            independent of the parameters; data that cannot be read; settings that no run can use; an optimizer of another model, or
            whose state cannot be read.

    >>> model, x = nn.Linear(3, 1), torch.eye(3)
    >>> found = measure(model, nn.MSELoss(), (x, torch.ones(3, 1)), noise=0)
    >>> found.dimension, round(found.L, 4), found.upper >= found.L
    (4, 2.6667, True)
    >>> under = measure(model, nn.MSELoss(), (x, torch.ones(3, 1)), noise=0, optimizer=torch.optim.AdamW(model.parameters(), lr=1e-3))
    >>> round(under.edge), under.step.best > 0
    (38000, True)
    """
    if optimizer is not None and along is not None:
        raise BadInput("along trains by plain momentum and optimizer measures under another method: give one of the two")
    group = assembled(model, data, "measure")
    held, model, parts = model, bare(model), 1 if group is None else group.parts
    batches, whole = (batches_of(data, some, batch_size, seed, size_of, parts) for some in (examples, None))
    batches.sought = True
    batch_size = batch_size or batches.natural
    subset = examples is not None and getattr(batches, "examples", -1) != getattr(whole, "examples", None)
    evaluate = Loss(model, own_copy(loss_fn, model), forward, size_of)
    halves = examples is not None or bool(sampling)
    words: dict[str, Any] = {"mode": mode, "products": products, "chunk": chunk, "memory": memory, "seed": seed, "halves": halves}
    words |= {"batch_size": batch_size, "group": group, "graded": optimizer is None}
    with decided_on(group, lambda: opened(model, evaluate, batches, **words)) as decide:
        if evaluate.kind == OTHER and sampling is None:
            sampling = False
        plan = Plan(
            rtol=rtol, depth=depth, ends=ends, top=top, probes=probes, weights=weights, noise=noise, batch_size=batch_size,
            sampling=subset if sampling is None else sampling, seed=seed, failure=failure, watch=watched(progress),
        )  # fmt: skip
        if optimizer is not None:
            stands, params = optimizer, None
            if group is not None and kind_of(held) in (Wrapped.SHARDED, Wrapped.CUT):
                stands, params = group.guarded(lambda: whole_optimizer(optimizer, held, model))
            return decide(lambda source: measured_under(source, plan, stands, walk, params))
        return decide(lambda source: measured(source, plan, along, along_method, partial(walked, source, plan)))


def eigenvectors(
    model: nn.Module,
    loss_fn: Callable[..., Any] | None,
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
    group = assembled(model, data, "eigenvectors")
    model, loss = bare(model), Loss(bare(model), own_copy(loss_fn, bare(model)), forward)
    batches = batches_of(data, None, batch_size, seed, None, 1 if group is None else group.parts)
    batches.sought = True
    words: dict[str, Any] = {"batch_size": batch_size, "mode": mode, "seed": seed, "group": group, "graded": True}

    def look(source: Any) -> Eigenvectors:
        source.gradient()
        run: Lanczos = krylov(source.hvp, source.space(True), rtol=rtol, depth=depth, ends="largest", top=k, vectors=True, seed=seed)
        named = [(name, p) for name, p in model.named_parameters() if p.requires_grad]
        shaped = []
        for row in run.vectors:
            pieces = torch.split(row, [p.numel() for _, p in named])
            shaped.append({name: piece.view(p.shape).to(p.dtype) for (name, p), piece in zip(named, pieces, strict=True)})
        largest, bars = run.values[::-1][:k].tolist(), run.residuals[::-1][:k].tolist()
        return Eigenvectors(largest, bars, shaped, run.upper, source.cost()["hvps"])

    with decided_on(group, lambda: opened(model, loss, batches, **words)) as decide:
        return decide(look)

"""One training run as one picklable job: what a tuning sends to wherever runs are made."""

from __future__ import annotations

import copy
import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from ..core.method import Method
from ..errors import BadInput
from ..tuning.batches import batch_order
from .batches import examples_in, moved, taken
from .frozen import NORMS, trainable
from .losses import Loss

__all__ = ["Job", "Outcome", "restored", "train", "weight"]

_CHUNK = 1024  # examples at a time where the whole loss is read
_REFRESHED = 50  # batches that batch norms see at an averaged point before it is read, as schedulefree's authors say


class Job(NamedTuple):
    """A model with everything that one run of it needs."""

    model: nn.Module
    loss_fn: Any
    forward: Any
    data: Any  # tensors, or an iterable of batches
    validation: Any  # the same, or None
    factors: NDArray[np.float64]  # of alpha, one per step
    batch_size: int
    seed: int
    weight_decay: float
    clip: float | None
    marks: tuple[int, ...]  # steps after which the whole loss is read
    method: Method = Method(0.0)
    optimizer: Callable[[Sequence[torch.Tensor]], Any] | None = None  # who takes the steps, at lr = alpha; None: the method
    packed: bool = False  # whether the outcome holds where the run ended


class Outcome(NamedTuple):
    """Losses at the marks (validation's where there are validation data); they end at the first that is not finite."""

    at: tuple[int, ...]
    losses: tuple[float, ...]
    training: tuple[float, ...]
    end: bytes | None = None  # parameters and buffers, where the job asks for them and they are finite


def train(job: Job, tell: Callable[[int], None] | None = None, *, keep: bool = False) -> Outcome:
    """Run the job on a copy of its model (`keep`: on the model itself): clip, decay, then a step of its optimizer.

    The caller's random state is left as it was; runs of the same seed see the same batches and the same dropout.
    """
    model = job.model if keep else copy.deepcopy(job.model)
    params = trainable(model)
    optimizer = (job.optimizer or _sgd(job.method))(params)
    evaluate = Loss(model, job.loss_fn, job.forward)
    readings: list[tuple[int, float, float]] = []

    def read(step: int) -> bool:
        with _averaged(optimizer, model, evaluate, job):
            training = _whole(model, evaluate, job.data, params[0].device)
            held = training if job.validation is None else _whole(model, evaluate, job.validation, params[0].device)
        readings.append((step, held, training))
        return bool(np.isfinite(held))

    with torch.random.fork_rng():
        torch.manual_seed(job.seed)
        batches = _stream(job)
        fine = read(0) if 0 in job.marks else True
        if _averages(optimizer):
            optimizer.train()
        for step, factor in enumerate(job.factors, start=1):
            for group in optimizer.param_groups:
                group["lr"] = float(job.method.alpha * factor)
            optimizer.zero_grad(set_to_none=True)
            loss = evaluate.step(moved(next(batches), params[0].device, False))
            loss.backward()  # type: ignore[no-untyped-call]
            if job.clip is not None:
                torch.nn.utils.clip_grad_norm_(params, job.clip)
            if job.weight_decay:
                _decay(params, job.weight_decay)
            optimizer.step(lambda loss=loss: loss)  # MoMo asks for the loss; nobody else looks at it
            if step in job.marks:
                fine = read(step)
                if tell is not None:
                    tell(step)
            if not fine:
                break
    at, held, training = zip(*readings, strict=True)
    return Outcome(at, held, training, _packed(model) if job.packed and fine else None)


def weight(model: nn.Module) -> int:
    """Bytes of the parameters and buffers.

    >>> weight(nn.Linear(3, 1))
    16
    """
    return sum(tensor.numel() * tensor.element_size() for tensor in _state(model).values())


def restored(model: nn.Module, end: bytes) -> nn.Module | None:
    """A copy of the model where a run of it ended; None where these bytes are not of such a run."""
    made = copy.deepcopy(model)
    try:
        found = torch.load(io.BytesIO(end), weights_only=True)
        with torch.no_grad():
            for name, tensor in _state(made).items():
                tensor.copy_(found[name])
    except Exception:  # a file that was cut short or belongs to another model: torch raises a dozen kinds
        return None
    return made


def _packed(model: nn.Module) -> bytes:
    held = io.BytesIO()
    torch.save({name: tensor.detach().cpu() for name, tensor in _state(model).items()}, held)
    return held.getvalue()


def _state(model: nn.Module) -> dict[str, torch.Tensor]:
    return dict(model.named_parameters()) | dict(model.named_buffers())


def _sgd(method: Method) -> Callable[[Sequence[torch.Tensor]], Any]:
    """torch's own optimizer for heavy-ball and Nesterov methods."""
    alpha, beta, gamma, _ = method
    return lambda params: torch.optim.SGD(params, lr=alpha, momentum=beta, nesterov=bool(gamma))


def _decay(params: Sequence[torch.Tensor], decay: float) -> None:
    """Add decay times the parameters to their gradients, as torch.optim.SGD does."""
    with torch.no_grad():
        for p in params:
            if p.grad is not None:
                p.grad.add_(p, alpha=decay)


def _averages(optimizer: Any) -> bool:
    """Whether it trains at one point and is read at another (schedule-free: an average), and so has two modes."""
    return hasattr(optimizer, "eval") and hasattr(optimizer, "train")


@contextmanager
def _averaged(optimizer: Any, model: nn.Module, evaluate: Loss, job: Job) -> Iterator[None]:
    """The model where its optimizer wants it read; batch norms have then seen the data there."""
    if not _averages(optimizer):
        yield
        return
    optimizer.eval()
    if any(isinstance(module, NORMS) and module.track_running_stats for module in model.modules()):
        device = next(model.parameters()).device
        with torch.no_grad():
            for batch in islice(_stream(job), _REFRESHED):
                evaluate(moved(batch, device, False))
    try:
        yield
    finally:
        optimizer.train()


def _stream(job: Job) -> Iterator[Any]:
    """The batches of every step: rows of tensors in the order all frameworks share, or an iterable over and over."""
    if isinstance(job.data, torch.Tensor | tuple | Mapping):
        for rows in batch_order(examples_in(job.data), job.batch_size, len(job.factors), job.seed):
            yield taken(job.data, torch.as_tensor(rows).long())
        return
    passes = 0
    while True:
        passes, found = passes + 1, False
        for batch in job.data:
            found = True
            yield batch
        if not found:
            raise BadInput(
                f"the data ended early: pass {passes} over them gave no batch; an iterator can be read only once, so pass tensors, "
                "a list of batches or a DataLoader"
            )


def _whole(model: nn.Module, evaluate: Loss, data: Any, device: torch.device) -> float:
    """Mean loss over all examples, in eval mode."""
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    total, count = 0.0, 0.0
    try:
        with torch.no_grad():
            for batch in _pieces(data):
                value, size = evaluate(moved(batch, device, False))
                total, count = total + size * float(value), count + size
    finally:
        for module, mode in modes:
            module.training = mode
    return total / count if count else float("nan")


def _pieces(data: Any) -> Iterator[Any]:
    if isinstance(data, torch.Tensor | tuple | Mapping):
        for at in range(0, examples_in(data), _CHUNK):
            yield taken(data, slice(at, at + _CHUNK))
    else:
        yield from data

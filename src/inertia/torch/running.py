"""One training run of a torch model as one picklable task: what a tuning sends to wherever runs are made."""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import islice
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from ..errors import BadInput, in_words
from ..measurement.asked import OTHER
from ..tuning.batches import batch_order
from ..tuning.numpy_door import ADAM_BETA2, ADAM_EPSILON
from ..tuning.recipe import Recipe
from ..tuning.trainable import Run
from .batches import Batches, Everything, Indexed, moved, present, seed_everything
from .copying import copied
from .frozen import alone, in_mode, trainable
from .losses import Loss, without_graph
from .processes import Elsewhere, Portion, Processes
from .wrappers import like, plain

__all__ = ["Share", "State", "Training", "load", "packed", "state_of", "train", "unpacked", "whole"]

State = dict[str, torch.Tensor]
_CHUNK = 1024  # examples at a time where the whole loss of tensors is read
_NOTHING = nn.Identity()


class Share(NamedTuple):
    """A group of parameters: their names, what multiplies the learning rate there, and their own weight decay (None: the budget's)."""

    names: tuple[str, ...]
    scale: float = 1.0
    decay: float | None = None


class Training(NamedTuple):
    """Everything that one run needs."""

    model: nn.Module  # where it starts
    loss: Loss  # of no model in particular
    data: Batches
    held: Batches | None
    metric: Callable[[nn.Module], float] | None
    factors: NDArray[np.float64]
    batch_size: int
    accumulate: int
    weight_decay: float
    clip: float | None
    shares: tuple[Share, ...]
    recipe: Recipe
    seed: int
    marks: tuple[int, ...]
    keep: bool = False
    optimizer: Callable[[Sequence[Any]], Any] | None = None  # who takes the steps in place of the recipe's optimizer
    group: Processes | None = None  # that takes the steps together; then `held` is this process's share
    portion: Portion | None = None  # which rows of a step are this process's
    own: Batches | None = None  # this process's share of the data, where it does not read all of them


def train(task: Training, tell: Callable[[int], None] | None = None, *, model: nn.Module | None = None) -> Run:
    """Run the task on a copy of its model (or on `model` itself); what it raises is part of the result.

    The caller's random state is left as it was; runs of the same seed see the same batches and the same dropout.
    """
    read: list[tuple[int, float, float]] = []
    error, here = "", task.model
    with alone(), torch.inference_mode(False), torch.enable_grad():
        try:
            here = copied(task.model) if model is None else model
            _steps(task, here, read, tell)
        except Exception as raised:  # whatever a user's model raises is a result
            if isinstance(raised, Elsewhere) and isinstance(raised.__cause__, KeyboardInterrupt):
                raise  # Ctrl-C in another process: no result
            if task.group is not None and not isinstance(raised, Elsewhere):
                task.group.tell(raised)
            cause = raised.__cause__ if isinstance(raised, Elsewhere) and raised.__cause__ else raised
            error = in_words(cause)
    finite = [math.isfinite(training) and not (task.held and not math.isfinite(held)) for _, training, held in read]
    kept = finite.index(False) if False in finite else len(read)
    diverged = read[kept][0] if kept < len(read) else None
    marks, training, held = (np.array([row[k] for row in read[:kept]]) for k in range(3))
    done = task.marks[len(read) - 1] if read else 0
    end = packed(state_of(here)) if task.keep and diverged is None and not error else None
    return Run(
        task.recipe, task.seed, len(task.factors), marks.astype(np.int64), training.astype(float), held.astype(float), diverged_at=diverged,
        error=error, gradients=(len(task.factors) if diverged is None and not error else done) * task.batch_size, end=end,
    )  # fmt: skip


def _steps(task: Training, model: nn.Module, read: list[tuple[int, float, float]], tell: Callable[[int], None] | None) -> None:
    """The training loop: differentiate, clip, then decay and step as the optimizer does."""
    params, loss = trainable(model), task.loss.of(model)
    device = params[0].device
    optimizer = _optimizer(task, model)
    peaks = [group["lr"] for group in optimizer.param_groups]
    marks = set(task.marks)
    seed_everything(task.seed)
    batches = _stream(task)
    modes = hasattr(optimizer, "eval") and hasattr(optimizer, "train")  # trains at one point, is read at another
    for step in range(len(task.factors) + 1):
        if step in marks:
            if modes:
                _averaged(optimizer, model, loss, task, device)
            read.append((step, _whole(task, model, loss, device), _judged(task, model, loss, device)))
            if modes:
                optimizer.train()
            if tell is not None:
                tell(step)
            if not math.isfinite(read[-1][1]):
                return
        if step == len(task.factors):
            return
        for group, peak in zip(optimizer.param_groups, peaks, strict=True):
            group["lr"] = peak * float(task.factors[step])
        optimizer.zero_grad(set_to_none=True)
        for batch in islice(batches, task.accumulate):
            value = _differentiated(task, loss, batch, device)
        _summed(task.group, params)
        if task.clip is not None:
            torch.nn.utils.clip_grad_norm_(params, task.clip)
        if task.optimizer is not None and task.weight_decay:  # the recipe's own optimizer decays by itself
            _decay(params, task.weight_decay)
        optimizer.step(lambda value=value: value)  # MoMo asks for the loss; nobody else looks at it


def _differentiated(task: Training, loss: Loss, batch: Any, device: torch.device) -> torch.Tensor:
    """Backward of a (micro-)batch; in a group, of its share in the mean over all processes."""
    if task.group is None or task.group.parts == 1:
        value = loss.step(moved(batch, device, False)) / task.accumulate
        value.backward()  # type: ignore[no-untyped-call]
        return value
    value, weight = (torch.zeros(()), 0.0) if batch is None else loss(moved(batch, device, False))
    (whole_weight,) = task.group.sums(weight)
    share = value * (weight / whole_weight / task.accumulate)
    if share.requires_grad:
        share.backward()  # type: ignore[no-untyped-call]
    return share


def _summed(group: Processes | None, params: Sequence[torch.Tensor]) -> None:
    """Gradients summed over the processes; a parameter that no process has used keeps none."""
    if group is None or group.parts == 1:
        return
    used = group.add(torch.tensor([p.grad is not None for p in params], dtype=torch.int32, device=group.device))
    for kind in dict.fromkeys(p.dtype for p in params):
        mine = [p for p, seen in zip(params, used.tolist(), strict=True) if seen and p.dtype == kind]
        flat = torch.cat([(torch.zeros_like(p) if p.grad is None else p.grad).flatten() for p in mine]) if mine else None
        if flat is None:
            continue
        parts = torch.split(group.add(flat), [p.numel() for p in mine])
        for p, part in zip(mine, parts, strict=True):
            p.grad = part.view(p.shape)


def _decay(params: Sequence[torch.Tensor], decay: float) -> None:
    """Add decay times the parameters to their gradients, as torch.optim.SGD does."""
    with torch.no_grad():
        for p in params:
            if p.grad is not None:
                p.grad.add_(p, alpha=decay)


def _optimizer(task: Training, model: nn.Module) -> Any:
    """torch's own optimizer for the recipe, with its parameter groups."""
    recipe, named = task.recipe, dict(model.named_parameters())
    params = trainable(model)
    if task.optimizer is not None:
        made = task.optimizer(params)
        if hasattr(made, "train"):  # schedule-free methods refuse a step outside their training mode
            made.train()
        return made
    grouped = {name for share in task.shares for name in share.names}
    shares = [*task.shares, Share(tuple(name for name, p in named.items() if name not in grouped))]
    groups = []
    for share in shares:
        mine = [named[name] for name in share.names if named[name].requires_grad]
        decay = task.weight_decay if share.decay is None else share.decay
        if mine:
            groups.append({"params": mine, "lr": recipe.learning_rate * share.scale, "weight_decay": decay})
    if recipe.optimizer == "adamw":
        return torch.optim.AdamW(groups, lr=recipe.learning_rate, betas=(recipe.momentum, ADAM_BETA2), eps=ADAM_EPSILON)
    return torch.optim.SGD(groups, lr=recipe.learning_rate, momentum=recipe.momentum, nesterov=recipe.nesterov and recipe.momentum > 0)


def _averaged(optimizer: Any, model: nn.Module, loss: Loss, task: Training, device: torch.device) -> None:
    """The model where an averaging optimizer wants it read; batch norms have then seen 50 batches there, as its authors say."""
    optimizer.eval()
    if any(isinstance(m, nn.modules.batchnorm._BatchNorm) and m.track_running_stats for m in model.modules()):
        with torch.no_grad():
            for batch in islice(_stream(task), 50):
                loss.step(moved(batch, device, False))


def _stream(task: Training) -> Iterator[Any]:
    """The (micro-)batches of every step: rows in the order all frameworks share, or an iterable over and over."""
    data = task.data
    if isinstance(data, Everything | Indexed):
        total = data.examples if task.portion is None else task.portion.total(data.examples)
        order = batch_order(total, task.batch_size, len(task.factors), task.seed)
        pieces = (part for rows in order for part in np.array_split(rows, task.accumulate))
        if task.portion is None:
            yield from data.read(pieces)
            return
        for piece in pieces:
            mine = task.portion.of(piece)
            yield data.take(mine) if len(mine) else None
        return
    passes = 0
    while True:
        passes, found = passes + 1, False
        for batch in present(data.source):
            found = True
            yield batch
        if not found:
            raise BadInput(
                f"the data ended early: pass {passes} over them gave no batch; an iterator can be read only once, so pass tensors, "
                "a list of batches or a DataLoader"
            )


def whole(model: nn.Module, loss: Loss, data: Batches, device: torch.device, group: Processes | None = None) -> float:
    """The loss of all examples, in evaluation mode; of a group, of what all its processes hold."""
    total, weights = 0.0, 0.0
    if isinstance(data, Everything):
        data = data.part(None, _CHUNK if loss.kind != OTHER else data.chunk)
    with in_mode(model, "eval"), torch.no_grad():
        for batch in data:
            value, weight = loss(moved(batch, device, False))
            total, weights = total + weight * float(value), weights + weight
    if group is not None:
        total, weights = group.sums(total, weights)
    return total / weights if weights else float("nan")


def _whole(task: Training, model: nn.Module, loss: Loss, device: torch.device) -> float:
    """The whole training loss of a run; in a group with the buffers of rank 0, as DistributedDataParallel keeps them."""
    if task.group is not None:
        task.group.same(list(model.buffers()))
    return whole(model, loss, task.own or task.data, device, task.group)


def _judged(task: Training, model: nn.Module, loss: Loss, device: torch.device) -> float:
    """The metric, else the loss on the validation data; nan where there is neither."""
    if task.metric is not None:
        with in_mode(model, "eval"), torch.no_grad():
            value = float(without_graph(partial(task.metric, model), []))
        return value if task.group is None else float(task.group.gather(value)[0])
    return float("nan") if task.held is None else whole(model, loss, task.held, device, task.group)


def state_of(model: nn.Module) -> State:
    """Copies of the parameters and buffers by name, whole."""
    named = dict(model.named_parameters()) | dict(model.named_buffers())
    return {name: plain(tensor.detach()).clone() for name, tensor in named.items()}


def load(model: nn.Module, state: State) -> None:
    """Put parameters and buffers there."""
    named = dict(model.named_parameters()) | dict(model.named_buffers())
    with torch.no_grad():
        for name, tensor in named.items():
            tensor.copy_(like(state[name], tensor))


def packed(state: State) -> bytes:
    """A state as bytes."""
    held = io.BytesIO()
    torch.save({name: tensor.detach().cpu() for name, tensor in state.items()}, held)
    return held.getvalue()


def unpacked(data: bytes, like: State) -> State | None:
    """The state that `packed` wrote; None where these bytes are of something else."""
    try:
        found = torch.load(io.BytesIO(data), weights_only=True)
        fits = all(found[name].shape == tensor.shape for name, tensor in like.items())
        return {name: found[name].to(tensor) for name, tensor in like.items()} if fits else None
    except Exception:  # a file that was cut short or belongs to another model: torch raises a dozen kinds
        return None

"""What a model's loss of a batch is worth: a mean over its examples, a sum, or a weighted mean, so that batches add up right.

A loss that is summed over a batch is kept so, as the objective of the user's own loop: the sum over `scale` examples.
"""

from __future__ import annotations

import inspect
import math
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import nn

from ..errors import BadInput, InertiaError, InertiaWarning
from ..measurement.asked import MEAN, METRIC, OTHER, SUM, TWO, Parts, beside, unequal
from .batches import examples_in
from .copying import copied

__all__ = ["Loss", "lowest_of", "own_copy", "without_graph"]

_NUMBERS = int | float | np.number | np.ndarray
_ASK = "return (sum, weight) from the loss, such as (loss * n, n) for n tokens, and every batch is weighted right"

_NEVER_NEGATIVE: tuple[Any, ...] = (
    nn.CrossEntropyLoss, nn.MSELoss, nn.L1Loss, nn.HuberLoss, nn.SmoothL1Loss, nn.MultiMarginLoss, nn.SoftMarginLoss,
    nn.MarginRankingLoss, nn.TripletMarginLoss, nn.CosineEmbeddingLoss, nn.CTCLoss,
)  # fmt: skip
_NOR_THESE: tuple[Any, ...] = (
    nn.functional.cross_entropy, nn.functional.mse_loss, nn.functional.l1_loss, nn.functional.huber_loss,
    nn.functional.smooth_l1_loss, nn.functional.multi_margin_loss, nn.functional.soft_margin_loss,
)  # fmt: skip


def lowest_of(loss_fn: Any) -> float | None:
    """What a loss cannot go below whatever the outputs: 0 for torch's own losses that are sums of what is not negative, else not known.

    Classes only as they are (a subclass may compute something else). Binary cross-entropy is not among them: with targets
    outside [0, 1], which it takes without a word, it has no bound. A weight below 0 would break the bound.

    >>> lowest_of(nn.MSELoss()), lowest_of(nn.GaussianNLLLoss())
    (0.0, None)
    """
    weight = getattr(loss_fn, "weight", None)
    if weight is not None and bool((weight < 0).any()):
        return None
    known = type(loss_fn) in _NEVER_NEGATIVE or any(loss_fn is each for each in _NOR_THESE)
    return 0.0 if known else None


def without_graph(ask: Callable[[], Any], differentiates: list[bool]) -> Any:
    """What `ask` returns, made without a graph, or with one where it differentiates by itself (a gradient penalty, forces).

    That it does is seen once, by its failing without and not with one, and then remembered in `differentiates`.

    >>> at = torch.ones(2, requires_grad=True)
    >>> with torch.no_grad():
    ...     slope = without_graph(lambda: torch.autograd.grad((at**2).sum(), at)[0], [])
    >>> slope.tolist()
    [2.0, 2.0]
    """
    if not differentiates and not torch.is_grad_enabled():
        try:
            return ask()
        except torch.OutOfMemoryError:
            raise
        except RuntimeError:
            pass
    elif torch.is_grad_enabled():
        return ask()
    with torch.enable_grad():
        made = _detached(ask())
    differentiates[:] = [True]
    return made


def _detached(made: Any) -> Any:
    """A tensor, or a tuple or list of them, without a graph; anything else as it is."""
    if isinstance(made, torch.Tensor):
        return made.detach()
    return type(made)(_detached(each) for each in made) if type(made) in (tuple, list) else made


class Loss:
    """The loss of a model on a batch, with the weight that the batch has among others.

    `loss(batch)` gives (value, weight): whole losses are sums of weight times value over the sum of weights. `step(batch)`
    is what the user's own training loop would differentiate.
    """

    def __init__(
        self,
        model: nn.Module,
        loss_fn: Any = None,
        forward: Callable[[nn.Module, Any], Any] | None = None,
        size_of: Callable[[Any], int] | None = None,
        scale: float = 1.0,
        kind: str | None = None,
    ) -> None:
        self.model, self.loss_fn, self.forward, self.size_of, self.scale = model, loss_fn, forward, size_of or examples_in, scale
        self.weighed = False  # whether it was seen to tell the weight of a batch
        self.differentiates: list[bool] = []  # [True] once it was seen to need a graph of its own
        declared = getattr(loss_fn, "reduction", None)
        self.kind = kind or {"sum": SUM, "mean": MEAN}.get(declared if isinstance(declared, str) else "")

    def of(self, model: nn.Module) -> Loss:
        """The same loss of another model; one that keeps buffers begins with those that it had."""
        same = Loss(model, own_copy(self.loss_fn), self.forward, self.size_of, self.scale, self.kind)
        same.weighed, same.differentiates = self.weighed, self.differentiates
        return same

    def __call__(self, batch: Any) -> tuple[torch.Tensor, float]:
        """Value of a batch and its weight."""
        value, weight = self.raw(batch)
        if weight is not None:
            return value, weight
        size = float(self.size_of(batch))
        if self.kind == SUM:
            return value * (self.scale / size), size
        weight = self._own_weight(batch, size)
        if weight == 0:  # all targets are ignored: the mean over none of them is nan
            return sum((p.flatten()[:1].sum() * 0.0 for p in self.model.parameters() if p.requires_grad), torch.zeros(())), 0.0
        return value, weight

    def step(self, batch: Any) -> torch.Tensor:
        """What training differentiates."""
        return self.raw(batch)[0]

    def raw(self, batch: Any) -> tuple[torch.Tensor, float | None]:
        """The loss as it is, a scalar, and its weight where it tells."""
        value, weight = self._pair(batch)
        if weight is not None:
            if not weight > 0 or not math.isfinite(weight):
                raise BadInput(f"the loss returned (sum, weight) with weight {weight:g}: the weight of a batch must be positive")
            value = value / weight
        return (value.mean() if value.ndim else value), weight

    def _pair(self, batch: Any) -> tuple[torch.Tensor, float | None]:
        """What the loss returned: a tensor, and the number beside it."""
        value, weight = without_graph(lambda: self._evaluated(batch), self.differentiates), None
        if isinstance(value, tuple | list) and len(value) == 2:
            value, second = value
            tensor = isinstance(second, torch.Tensor)
            beside(second, second.numel() if tensor else np.size(second) if isinstance(second, _NUMBERS) else None)
            if tensor and second.requires_grad:
                raise BadInput(TWO)
            weight = float(second)
        if isinstance(value, Mapping):
            names = ", ".join(str(name) for name in list(value)[:4])
            raise BadInput(
                f"the loss is a dict ({names}), and one number is minimised: return it, such as their sum, "
                "forward=lambda model, batch: sum(model(*batch).values())"
            )
        if not isinstance(value, torch.Tensor):
            raise BadInput(f"the loss is a {type(value).__name__}: it must be a torch tensor made by the model")
        if value.is_complex():
            raise BadInput("the loss is complex: minimise a real number, such as its .abs() or .real")
        return value, weight

    def _evaluated(self, batch: Any) -> Any:
        """What the loss makes of a batch; what the model or loss raises is told with what they were given."""
        try:
            return self._computed(batch)
        except InertiaError:
            raise
        except Exception as error:
            kinds = ", ".join(dict.fromkeys(_in_short(p) for p in self.model.parameters() if p.requires_grad))
            given = ", ".join(f"{_in_short(t)} of shape {tuple(t.shape)}" for t in _tensors_in(batch)) or f"a {type(batch).__name__}"
            error.add_note(f"inertia: your model or loss raised this on a batch of {given}; the parameters are {kinds}")
            raise

    def _computed(self, batch: Any) -> Any:
        loss_fn, model = self.loss_fn, self.model
        if self.forward is not None:
            made = self.forward(model, batch)
            return made if loss_fn is None else self._judged(made, batch)
        if loss_fn is None:
            output = _called(model, batch)
            value = output if isinstance(output, torch.Tensor) else getattr(output, "loss", None)
            if value is None and isinstance(output, Mapping):
                value = output.get("loss")
            if value is None:
                raise BadInput(
                    f"loss_fn is None and the model returned a {type(output).__name__} without a loss: pass loss_fn or forward=, such as "
                    "forward=lambda model, batch: sum(model(*batch).values()) where it is a dict of losses"
                )
            return value
        if isinstance(batch, Mapping):
            return self._of(model(**batch), batch)
        if isinstance(batch, tuple | list):
            return self._of(_given(model, batch[:-1]), batch[-1])
        return self._of(model(batch), batch)

    def _judged(self, output: Any, batch: Any) -> Any:
        """loss_fn of what `forward` made: with the targets, where the batch has them last."""
        if isinstance(output, torch.Tensor) and output.ndim == 0:
            raise BadInput("forward returned a loss already, and loss_fn is given too: leave one out, or let forward return the outputs")
        return self._of(output, batch[-1] if isinstance(batch, tuple | list) and len(batch) > 1 else batch)

    def _of(self, output: Any, target: Any) -> Any:
        """loss_fn of the outputs; torch's own losses take one tensor."""
        if isinstance(self.loss_fn, nn.modules.loss._Loss) and not isinstance(output, torch.Tensor):
            name, kind = type(self.loss_fn).__name__, type(output).__name__
            first = next((str(key) for key in output), "name") if isinstance(output, Mapping) else ""
            part = f"[{first!r}]" if first else "[0]" if isinstance(output, tuple | list) else ".logits"
            raise BadInput(
                f"the model returns a {kind}, and {name} takes one tensor: say which of them, such as "
                f"loss_fn=lambda output, target: nn.{name}()(output{part}, target)"
            )
        return self.loss_fn(output, target)

    def _own_weight(self, batch: Any, size: float) -> float:
        """Sum of class weights of the targets that count, for torch's own classification losses; else the examples."""
        fn = self.loss_fn
        if not isinstance(fn, nn.CrossEntropyLoss | nn.NLLLoss) or not isinstance(batch, tuple | list):
            return size
        target = batch[-1]
        if not isinstance(target, torch.Tensor) or target.is_floating_point():
            return size
        counted = target[target != fn.ignore_index]
        return float(counted.numel() if fn.weight is None else fn.weight.to(counted.device)[counted].sum())

    def learn(self, take: Callable[[Any], Any], total: int) -> None:
        """Find out whether it is a mean or a sum over examples, by asking two unequal parts and both together."""
        if self.kind is not None or total < 3:
            self.kind = self.kind or MEAN
            return
        parts = unequal(total)
        with torch.no_grad(), _evaluating(self.model):
            seen = [self._pair(take(part)) for part in parts]
            self.weighed = seen[2][1] is not None
            if seen[2][1] is not None:
                self._constant(take(parts[2]), seen[2][1])
        weights = Parts(*(weight or 0.0 for _, weight in seen)) if self.weighed else None
        close = float(torch.finfo(seen[0][0].dtype).eps) ** 0.5
        self.kind = Parts(*(float(value.mean()) for value, _ in seen)).kind(weights, len(parts[0]) / len(parts[2]), close)

    def look(self, batch: Any) -> None:
        """Take a loss of a batch that cannot be cut for a mean, once its weight was seen not to change with the parameters."""
        self.kind = MEAN
        with torch.no_grad(), _evaluating(self.model):
            weight = self._pair(batch)[1]
            if weight is not None:
                self._constant(batch, weight)

    def _constant(self, batch: Any, weight: float) -> None:
        """Refuse a weight that is another one at other parameters."""
        with torch.enable_grad():
            self._pair(batch)  # a second loss that can be differentiated is told as that
        params = [p for p in self.model.parameters() if p.requires_grad]
        before = [p.detach().clone() for p in params]
        try:
            for p in params:
                p.add_(1.0)
            changed = self._pair(batch)[1] != weight
        except (ArithmeticError, RuntimeError, ValueError):
            changed = False  # a model that refuses such parameters tells nothing
        finally:
            for p, value in zip(params, before, strict=True):
                p.copy_(value)
        if changed:
            raise BadInput(METRIC.format(why="changes with the parameters"))

    def refuse_cutting(self, what: str) -> None:
        """Say that a loss which does not add up over examples cannot be cut.

        Raises:
            BadInput: it is such a loss.
        """
        if self.kind == OTHER and self.weighed:
            raise BadInput(f"the loss of a batch is {OTHER}, so {what} would change it: leave it out, or pass batch_size=")
        if self.kind == OTHER:
            raise BadInput(f"the loss of a batch is {OTHER} (class weights, ignored tokens?), so {what} would change it: {_ASK}")

    @property
    def said(self) -> str:
        """A note about the loss, where there is something to say."""
        if self.kind == SUM:
            return f"the loss is a sum over the batch: everything is of the sum over {self.scale:g} examples"
        asked = "" if self.weighed else f"; {_ASK}"
        return f"the loss of a batch is {OTHER}: whole losses are means over batches{asked}" if self.kind == OTHER else ""


def own_copy(loss_fn: Any, model: nn.Module | None = None) -> Any:
    """A loss that keeps buffers as a copy that may move them; parameters of a loss that are not the model's are told.

    >>> own_copy(nn.functional.mse_loss) is nn.functional.mse_loss
    True
    """
    if not isinstance(loss_fn, nn.Module):
        return loss_fn
    if model is not None:
        mine = {id(p) for p in model.parameters()}
        left = [name for name, p in loss_fn.named_parameters() if p.requires_grad and id(p) not in mine]
        if left:
            warnings.warn(
                f"the loss has parameters of its own, such as '{left[0]}', which are not in the model: they stay as they are, neither "
                "measured nor trained; put loss and model into one module whose forward returns the loss",
                InertiaWarning, stacklevel=3,
            )  # fmt: skip
    return copied(loss_fn) if any(True for _ in loss_fn.buffers()) else loss_fn


def _in_short(tensor: torch.Tensor) -> str:
    return str(tensor.dtype).removeprefix("torch.")


def _tensors_in(batch: Any) -> Iterator[torch.Tensor]:
    """The tensors of a batch in their order."""
    if isinstance(batch, torch.Tensor):
        yield batch
    elif isinstance(batch, Mapping | tuple | list):
        for part in batch.values() if isinstance(batch, Mapping) else batch:
            yield from _tensors_in(part)


def _given(model: nn.Module, inputs: Any) -> Any:
    """The model of its inputs; several in one tuple or dict, which its forward takes one by one, are refused."""
    if len(inputs) == 1 and isinstance(inputs[0], tuple | list | Mapping):
        named = isinstance(inputs[0], Mapping)
        takes = inspect.signature(model.forward)
        try:
            takes.bind(*inputs)
        except TypeError:
            how = "**batch[0]" if named else "*batch[0]"
            held = f"{'a dict' if named else 'one tuple'} of {len(inputs[0])}"
            raise BadInput(
                f"the inputs of a batch are {held}, and the model's forward takes them one by one: pass "
                f"forward=lambda model, batch: model({how})"
            ) from None
    try:
        return model(*inputs)
    except TypeError:
        _refuse_parts(model, inputs)
        raise


def _refuse_parts(model: nn.Module, inputs: Any) -> None:
    """Say that a batch has more or fewer parts than the model's forward and one target take."""
    try:
        inspect.signature(model.forward).bind(*inputs)
    except TypeError as error:
        raise BadInput(
            f"a batch has {len(inputs) + 1} parts: the model's forward gets all but the last, which the loss gets, and it does not take "
            f"them ({error}); pass loss_fn=None and forward=, a function (model, batch) -> loss"
        ) from None


def _called(model: nn.Module, batch: Any) -> Any:
    """The model's own output; of a dict only what its forward takes."""
    if isinstance(batch, Mapping):
        known = inspect.signature(model.forward).parameters
        if not any(p.kind is inspect.Parameter.VAR_KEYWORD for p in known.values()) and any(name in known for name in batch):
            batch = {name: value for name, value in batch.items() if name in known}
        return model(**batch)
    return model(*batch) if isinstance(batch, tuple | list) else model(batch)


@contextmanager
def _evaluating(model: nn.Module) -> Any:
    """The model in evaluation mode, and back."""
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training

"""The probe of a watched run: a fixed batch, cut into parts, whose loss is looked at again and again at the parameters of the moment."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from ..errors import BadInput
from ..watching.looking import PARTS, part_size, price_of
from ..watching.pacing import Price
from .batches import Batches, Everything, as_tensors, batches_of, examples_in, moved
from .frozen import NORMS, alone, frozen
from .losses import OTHER, Loss
from .opening import MEMORY, opened
from .products import TorchSource

__all__ = ["Probe"]

_FEW = 8  # examples that are looked at when a watch is made; as many as tell how much memory an example's graph takes
_GROWN = 4  # times as many are tried next: what a try costs is then known within this factor, and all tries cost little more than the last


class Probe:
    """A batch and its loss, checked once and opened at every look.

    Raises:
        BadInput: a loss that is not deterministic, not finite, or cannot be computed from the probe.
    """

    def __init__(
        self,
        model: nn.Module,
        loss_fn: Callable[..., Any] | None,
        forward: Callable[[nn.Module, Any], Any] | None,
        data: Any,
        size_of: Callable[[Any], int] | None,
        mode: str | None,
        seed: int,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self.model, self.mode, self.seed = model, mode, seed
        self.batches = _held(data, size_of, seed)
        self.evaluate = Loss(model, loss_fn, forward, size_of)
        self.chunk: int | None = None
        self.room = 0
        self.products = "exact"
        self.most = 0.0  # seconds that a gradient and a product of the examples that are tried next can take
        with frozen(model, mode, seed):  # modes as a look sees them
            norms = any(isinstance(m, NORMS) and (m.training or not m.track_running_stats) for m in model.modules())
        if isinstance(self.batches, Everything):
            self.chunk = part_size(self.batches.examples, 2 if norms else PARTS)
        self.tried = min(_FEW, self.examples) if isinstance(self.batches, Everything) else self.examples
        self._first(clock)
        if self.evaluate.kind == OTHER:
            self.chunk = None  # its loss does not add up over examples: one part, no noise

    def _first_of(self, count: int) -> Batches:
        """The first examples alone, where they can be taken: enough to see what is wrong, and a fraction of a step's time."""
        if not isinstance(self.batches, Everything) or self.batches.examples <= count:
            return self.batches
        made = Everything(self.batches.take(range(count)), count)
        made.size_of, made.natural = self.batches.size_of, self.batches.natural or self.batches.examples  # of a sum, as of all
        return made

    def _first(self, clock: Callable[[], float]) -> None:
        """`_checked`, where what the model or the loss raises is said as what it is: a probe that does not fit them."""
        try:
            self._checked(clock)
        except (BadInput, torch.OutOfMemoryError):
            raise
        except Exception as error:
            words = " ".join(str(error).split())[:160]
            raise BadInput(
                f"the loss cannot be computed from the probe ({type(error).__name__}: {words}): give loss_fn and the probe as (inputs, "
                "targets), or forward=, a function of (model, batch)"
            ) from error

    def _checked(self, clock: Callable[[], float], again: bool = False) -> None:
        """The first look at the loss, of a few examples, says what is wrong with it, and how much more of them may cost at most."""
        few = self._first_of(self.tried)
        chunk = few.examples if isinstance(few, Everything) else None
        with opened(self.model, self.evaluate, few, mode=self.mode, chunk=chunk, memory=MEMORY, seed=self.seed, checked=again) as source:
            price = price_of(source, clock)
            self.products = "differences" if source.way == "differences" else "exact"
        self.most = min(_GROWN, self.examples / self.tried) * (price.gradient + price.product)

    @property
    def examples(self) -> int:
        """Of the whole probe, where they are counted; of one batch, that many again are in each."""
        return self.batches.examples if isinstance(self.batches, Everything) else sum(map(self.batches.size_of, self.batches))

    def learn_price(self, clock: Callable[[], float]) -> Price | None:
        """Take one gradient and one product of more examples than before; None while that is not the whole probe."""
        self.tried = min(_GROWN * self.tried, self.examples)
        if self.tried < self.examples:
            self._checked(clock, again=True)
            return None
        with self.open() as source:
            found = price_of(source, clock)
            self.room = source.room
        return found

    @contextmanager
    def open(self) -> Iterator[TorchSource]:
        """The probe's loss at the parameters as they are, as a source of gradients and products."""
        words: dict[str, Any] = {"mode": self.mode, "chunk": self.chunk, "memory": MEMORY, "seed": self.seed, "checked": True}
        with opened(self.model, self.evaluate, self.batches, products=self.products, **words) as source:
            source.room = self.room
            yield source
            if source.way == "differences":
                self.products = "differences"

    def value(self) -> float:
        """The probe's loss alone."""
        with frozen(self.model, self.mode, self.seed) as handle, torch.no_grad():
            total = weights = 0.0
            for index, batch in enumerate(self.batches):
                handle.rewind(index)
                loss, weight = self.evaluate(moved(batch, next(self.model.parameters()).device, handle.wide))
                total, weights = total + weight * float(loss), weights + weight
        return total / weights


def _held(data: Any, size_of: Callable[[Any], int] | None, seed: int) -> Batches:
    """The probe as tensors that can be cut where it is made of tensors; of a loader, its first batch."""
    if data is None:
        raise BadInput("probe is missing: give a batch of training data, such as next(iter(loader)), or the loader itself")
    if isinstance(data, list) and data and not isinstance(data[0], torch.Tensor):
        return batches_of(data, None, None, seed, size_of)  # a list of batches
    whole = as_tensors(tuple(data) if isinstance(data, list) else data)
    if whole is None:
        with alone():
            first = next(iter(Batches(data, None, seed, size_of)), None) if hasattr(data, "__iter__") and not _batch(data) else data
        if first is None:
            raise BadInput("the probe holds no batch: the loader was empty, or an iterator had been read before")
        whole = as_tensors(tuple(first) if isinstance(first, list) else first)
        if whole is None:
            return Batches([first], None, seed, size_of)
    found = batches_of(whole, None, None, seed, size_of)
    if examples_in(whole) < 1:
        raise BadInput("the probe holds no examples")
    return found


def _batch(data: Any) -> bool:
    """Whether it is one batch of an unusual kind (a mapping, a graph) rather than something that gives batches."""
    return isinstance(data, Mapping | str | bytes) or hasattr(data, "num_graphs") or hasattr(data, "_fields")


def flat(params: Sequence[torch.Tensor], minus: Sequence[torch.Tensor], source: TorchSource) -> torch.Tensor:
    """The difference of two sets of parameters as one vector of the source's kind."""
    out, at = source._zeros(), 0
    for p, q in zip(params, minus, strict=True):
        out[at : at + p.numel()] = (p.detach() - q).flatten()
        at += p.numel()
    return out

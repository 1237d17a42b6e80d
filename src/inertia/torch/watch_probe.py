"""The probe of a watched run: a fixed batch, cut into parts, whose loss is looked at again and again at the parameters of the moment."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from ..errors import BadInput
from ..measurement.asked import OTHER, SUM
from ..watching.looking import PARTS, part_size, price_of
from ..watching.pacing import Price
from ..watching.planning import FEW, sizes_of
from .batches import Batches, Everything, as_tensors, batches_of, examples_in, moved
from .frozen import alone, trainable
from .graphs import graph_bytes
from .losses import Loss
from .opening import MEMORY, opened
from .processes import Elsewhere, Processes
from .products import TorchSource
from .sharing import held_by_all

__all__ = ["Probe"]


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
        batch_size: int | None = None,
        group: Processes | None = None,
    ) -> None:
        self.model, self.mode, self.seed, self.group = model, mode, seed, group
        self.shared: bool | None = None  # whether every process holds all of it
        self.batches = _held(data, size_of, seed)
        self.batches.natural = batch_size or self.batches.natural
        self.batch = batch_size or (self.examples if _gives_batches(data) and isinstance(self.batches, Everything) else None)  # of training
        self.evaluate = Loss(model, loss_fn, forward, size_of)
        self.chunk: int | None = None
        self.room = 0
        self.products = "exact"
        self.price = Price(0.0, 0.0)  # of the first few examples
        self.counted = isinstance(self.batches, Everything)  # whether any number of them can be taken
        self.tried = min(max(FEW, 1 if group is None else group.parts), self.examples) if self.counted else self.examples
        if group is not None and isinstance(self.batches, Everything):
            self.shared = held_by_all(group, self.batches)
        self._parts = 0  # whose gradients were taken for the noise
        self._first(clock)
        if self.evaluate.kind == SUM and batch_size is None and not _gives_batches(data):
            raise BadInput(
                f"the loss is summed over the examples of a batch, and nothing tells how many a training batch has (the probe has "
                f"{self.examples}): give batch_size=, or the training loader as the probe"
            )
        if self.evaluate.kind == OTHER:
            self.chunk = None  # its loss does not add up over examples: one part, no noise

    @property
    def sizes(self) -> list[int]:
        """Examples that looks can see, fewest first."""
        return sizes_of(self.examples, self.tried) if self.counted and self.evaluate.kind != OTHER else [self.examples]

    def _first_of(self, count: int) -> Batches:
        """So many examples, evenly spaced, where they can be taken."""
        if not isinstance(self.batches, Everything) or self.batches.examples <= count:
            return self.batches
        made = Everything(self.batches.take([k * self.batches.examples // count for k in range(count)]), count)
        made.size_of, made.natural = self.batches.size_of, self.batches.natural or self.batches.examples  # of a sum, as of all
        return made

    def _first(self, clock: Callable[[], float]) -> None:
        """`_checked`, where what the model or the loss raises is said as what it is: a probe that does not fit them."""
        try:
            self._checked(clock)
        except (BadInput, Elsewhere, torch.OutOfMemoryError):
            raise
        except Exception as error:
            words = " ".join(str(error).split())[:160]
            raise BadInput(
                f"the loss cannot be computed from the probe ({type(error).__name__}: {words}): give loss_fn and the probe as (inputs, "
                "targets), or forward=, a function of (model, batch)"
            ) from error

    def _checked(self, clock: Callable[[], float]) -> None:
        """The first look at the loss, of a few examples, says what is wrong with it, what it costs and how many fit the memory."""
        few = self._first_of(self.tried)
        chunk = few.examples if isinstance(few, Everything) else None
        words: dict[str, Any] = {"mode": self.mode, "memory": MEMORY, "seed": self.seed, "group": self.group, "shared": self.shared}
        with opened(self.model, self.evaluate, few, chunk=chunk, **words) as source:
            self.price = price_of(source, clock)
            self.products = "differences" if source.way == "differences" else "exact"
            if isinstance(self.batches, Everything):
                self.chunk = part_size(self.examples) or self.examples
                if self.products == "exact":
                    source.handle.rewind(0)
                    params = trainable(self.model)
                    first = moved(next(iter(few)), params[0].device, source.handle.wide)
                    each = graph_bytes(lambda: self.evaluate(first)[0], params) / self.tried
                    pieces = -(-self.examples * each // MEMORY)
                    self.chunk = int(-(-self.examples // max(pieces, 1)))

    @property
    def examples(self) -> int:
        """Of the whole probe, where they are counted; of one batch, that many again are in each."""
        return self.batches.examples if isinstance(self.batches, Everything) else sum(map(self.batches.size_of, self.batches))

    @contextmanager
    def open(self, size: int | None = None) -> Iterator[TorchSource]:
        """The loss of so many examples (None: all) at the parameters as they are, as a source of gradients and products."""
        words: dict[str, Any] = {"mode": self.mode, "memory": MEMORY, "seed": self.seed, "group": self.group, "shared": self.shared}
        batches = self.batches if size is None else self._first_of(size)
        chunk = None if self.chunk is None else min(self.chunk, self.examples if size is None else size)
        with opened(self.model, self.evaluate, batches, products=self.products, chunk=chunk, checked=True, **words) as source:
            source.room, source.quick = self.room, True
            yield source
            self.room = source.room
            if source.way == "differences":
                self.products = "differences"

    def part(self, source: TorchSource, size: int) -> Callable[[], tuple[torch.Tensor, int]] | None:
        """How to take the gradient of one part of so many examples, another each time; None where they cannot be cut."""
        batches = self._first_of(size)
        count = part_size(size) if self.group is None else None  # several processes scatter about their mean already
        if not isinstance(batches, Everything) or self.evaluate.kind == OTHER or count is None or batches.chunk < size:
            return None

        def gradient() -> tuple[torch.Tensor, int]:
            self._parts += 1
            rows = range(self._parts % PARTS, size, PARTS)
            out = source._zeros()
            source._add(out, source._differentiated(0, batches.take(rows))[1], 1.0)
            return out, len(rows)

        return gradient

    def value(self, size: int | None = None) -> float:
        """The loss alone of so many examples."""
        with self.open(size) as source, torch.no_grad():
            total = weights = 0.0
            for index, batch in enumerate(source.batches):
                source.handle.rewind(index)
                loss, weight = self.evaluate(moved(batch, source.device, source.handle.wide))
                total, weights = total + weight * float(loss), weights + weight
            if self.group is not None:
                total, weights = self.group.sums(total, weights)
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


def _gives_batches(data: Any) -> bool:
    """Whether the data come in batches of the training's own size: a loader or a list of batches."""
    listed = isinstance(data, list) and bool(data) and not isinstance(data[0], torch.Tensor)
    return listed or (hasattr(data, "__iter__") and not _batch(data) and not isinstance(data, torch.Tensor | tuple | list))


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

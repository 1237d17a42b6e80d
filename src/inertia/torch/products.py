"""Hessian-vector products of a torch model's mean loss, batch by batch, in bounded memory.

The gradient of each batch is taken once with its graph, and a product is one backward pass through that graph (1.6 to 2
times a gradient) for as many batches as `memory` allows; the others are differentiated twice for every product. Where a
second derivative does not exist, differences of gradients step in and say so.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from itertools import count
from typing import Any

import numpy as np
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel

from ..errors import BadInput, InertiaWarning
from .batches import Batches, Everything, Indexed, moved
from .deterministic import Determinism
from .frozen import Frozen, displaced
from .graphs import (
    REENTRANT,
    computed_in,
    foreign_functions,
    fused_attention,
    gradient_of,
    graph_bytes,
    misses_second,
    reentrant,
    wrong_second,
)
from .losses import Loss
from .processes import Portion, Processes
from .sampled import Sampled
from .space import QuickVectors, TensorVectors, finite
from .wrappers import along, joined, through, whole

__all__ = ["FULL", "TorchSource"]

FULL = 500_000  # up to this many parameters all Lanczos vectors are kept, in float64; beyond, two in the model's precision
CAUTION = "good to about 0.1 % on smooth losses; they also feel the kinks of piecewise linear ones"
PRICE = 2.0
WAYS = ("graph", "math attention", "differences")


class TorchSource(Sampled):
    """A `Source` (see inertia.measurement.model): one function of a flat vector, made of a model, a loss and batches."""

    def __init__(
        self,
        params: Sequence[torch.Tensor],
        batches: Batches,
        evaluate: Loss,
        handle: Frozen,
        memory: float,
        way: str,
        lazy: bool = False,  # graphs are made for the first product, not with the gradient
        group: Processes | None = None,  # of which this process has a share of the batches
        everything: Batches | None = None,  # what rows are drawn from: all that this process holds
        portion: Portion | None = None,
    ) -> None:
        self.params, self.batches, self.evaluate, self.handle, self.memory, self.way = list(params), batches, evaluate, handle, memory, way
        self.dimension = sum(p.numel() for p in self.params)
        self.device, self.dtype = self.params[0].device, self.params[0].dtype
        self.epsilon = max(float(torch.finfo(p.dtype).eps) for p in self.params)  # of mixed ones, the coarsest; autocast is seen later
        self.sizes: list[int] = []  # examples in each batch
        self.weights, self.lazy = list[float](), lazy  # what the loss of each batch weighs
        self.shares = list[float]()  # the same of all processes together; `sizes` are so, too
        self.group, self.everything, self.portion = group, batches if everything is None else everything, portion
        self.looks = count()  # at mini-batches
        self.kept, self.together = list[torch.Tensor](), False  # `together`: mini-batches are never cut
        self.looked: Determinism | None = None  # at the first batch's loss: whether it is the same with the first gradient
        self.notes: dict[str, Any] = {"products": "exact"}
        self.graphs: dict[int, torch.Tensor | Sequence[torch.Tensor | None]] = {}  # gradients, with theirs
        self.room = 0  # how many batches' graphs fit
        self.quick = False  # whether vectors are for a handful of products
        self.accumulated: bool | None = None  # whether gradients are only to be had through `.grad`
        self.trusted = False  # whether the graph has been looked at for functions that are not torch's own
        self.spent = {"hvps": 0.0, "gradients": 0.0}

    @property
    def price(self) -> float:
        """Of a product, in gradients: one more where the graph is made again each time."""
        return PRICE + (0.0 if not self.sizes or self.room >= len(self.sizes) else 1.0)

    def position(self) -> torch.Tensor:
        """The parameters as a flat vector."""
        out = self._zeros()
        self._add(out, self.params, 1.0)
        return out

    def space(self, vectors: bool) -> TensorVectors:
        """All vectors kept in float64 for a small model or where wanted, else the last two in the model's precision."""
        small = self.dimension <= FULL
        kind = QuickVectors if self.quick else TensorVectors
        made = kind(self.dimension, torch.float64 if small else self.dtype, self.device, keep=small or vectors)
        made.source_rounding = self.rounding
        return made

    def rounding(self) -> tuple[float, float]:
        """Relative rounding and asymmetry to expect of a product: of the model's precision, or of a difference of gradients."""
        epsilon = self.epsilon
        return (epsilon, epsilon**0.5) if self.way != "differences" else (epsilon ** (2 / 3), 0.3)

    def gradient(self, parts: Sequence[int] | None = None) -> tuple[float, torch.Tensor]:
        """Mean loss and gradient over the batches, keeping the graphs that fit."""
        total, weights, out = 0.0, 0.0, self._zeros()
        for loss, grads, weight, _ in self._each(parts):
            total += weight * loss
            weights += weight
            self._add(out, grads, weight)
        total, weights = self.summed(out, total, weights)
        self.spent["gradients"] += 1
        return total / weights, out.div_(weights)

    def parted(self) -> Iterator[tuple[float, torch.Tensor, float, int]]:
        """Loss, gradient, weight and examples of each batch, keeping the graphs that fit, as `gradient` does for their mean."""
        for loss, grads, weight, size in self._each(None):
            out = self._zeros()
            self._add(out, grads, 1.0)
            yield loss, out, weight, size
        self.spent["gradients"] += 1

    def _each(self, parts: Sequence[int] | None) -> Iterator[tuple[float, Any, float, int]]:
        """Every batch asked for, differentiated; afterwards `sizes` and `weights` are known."""
        self.graphs.clear()
        sizes, weights = list[int](), list[float]()
        for index, batch in enumerate(self.batches):
            sizes.append(self.batches.size_of(batch))
            weights.append(0.0)
            if parts is not None and index not in parts:
                continue
            if index == 0 and not self.room:
                self._plan_memory(batch)
            keep = self.way != "differences" and len(self.graphs) < self.room and not self.lazy
            loss, grads, weights[-1] = self._differentiated(index, batch, keep=keep)
            if index == 0 and self.looked is not None:
                self.looked.confirm(loss)
            yield loss, grads, weights[-1], sizes[-1]
        if not sizes:
            raise BadInput("the data hold no batches: a loader was empty, or an iterator had been read before")
        self.sizes = sizes
        if parts is None:
            self.weights = self.shares = weights

    def hvp(self, vector: torch.Tensor, parts: Sequence[int] | None = None) -> torch.Tensor:
        """Hessian of the mean loss over the batches (or some of them) times a vector."""
        if not self.sizes:  # the weights of the batches are not known yet: with their gradients come the graphs
            self.lazy = False
            self.gradient()
        asked = list(range(len(self.sizes))) if parts is None else list(parts)
        weight, share = sum(self.shares[index] for index in asked), sum(self.sizes[index] for index in asked) / sum(self.sizes)
        chosen = [index for index in asked if index < len(self.weights)]  # another process may have more batches
        while True:
            way = self.way
            try:
                out = self._differences(vector, chosen, weight) if way == "differences" else self._exact(vector, chosen, weight)
                if way == self.way:  # a graph that turns out not to be trusted changes it
                    break
            except RuntimeError as error:
                if isinstance(error, torch.OutOfMemoryError) or self.way == "differences":
                    raise
                self._fall_back(error)
        self.spent["hvps"] += share
        if self.group is not None:
            self.group.add(out)
        if not finite(out):
            for index in asked if len(asked) > 1 else ():
                self.hvp(vector, [index])  # raises at the batch where it happens
            raise BadInput(
                f"the second derivative of {self.batches.name(asked[0])} is not finite: look at its inputs and at the loss there"
            )
        return out

    def cost(self) -> dict[str, float]:
        """Products and gradients of the whole data spent so far."""
        made = f"{len(self.graphs)} of {len(self.sizes)} batches' gradient graphs kept"
        self.notes["products"] = f"differences of gradients: {CAUTION}" if self.way == "differences" else f"exact, {made}"
        return {name: round(value, 6) for name, value in self.spent.items()}

    def release(self) -> None:
        """Let go of the graphs: before parameters move, and at the end."""
        self.graphs.clear()

    def _share(self, index: int, total: float) -> float:
        """Of a batch in the weight of all that are asked for, which may be nothing."""
        return self.weights[index] / total if total else math.nan

    def _exact(self, vector: torch.Tensor, chosen: list[int], total: float) -> torch.Tensor:
        """The mean over batches of Hessian times vector, through the gradient's graph."""
        out: torch.Tensor | None = None
        for index, batch in self._needed(chosen):  # a graph that fits is made late, or again after another way of making products
            again = index not in self.graphs
            grads = self._differentiated(index, batch, keep=len(self.graphs) < self.room, graph=True)[1] if again else self.graphs[index]
            heads, tails = along(grads, self.params, vector)
            if not heads:
                continue  # a loss that is linear in the parameters
            with self._attention():
                found = torch.autograd.grad(heads, self.params, tails, retain_graph=index in self.graphs, allow_unused=True)
            share = self._share(index, total)
            if out is not None:
                self._add(out, found, share)
            else:
                out = joined(found, self.params, vector)
                if share != 1.0:
                    out *= share
            del grads, heads, tails, found  # two vectors that the next batch need not wait for
        return torch.full_like(vector, 0.0 if total else math.nan) if out is None else out

    def _differences(self, vector: torch.Tensor, chosen: list[int], total: float) -> torch.Tensor:
        """The mean over batches of (gradient(w + e v) - gradient(w - e v))/(2 e)."""
        reach = float(torch.finfo(self.dtype).eps ** (1 / 3))  # along a unit vector: balances rounding and curvature
        out = torch.zeros_like(vector)
        for sign in (1.0, -1.0):
            with displaced(self.params, self._pieces(vector), sign * reach):
                for index, batch in self._needed(chosen):
                    self._add(out, self._differentiated(index, batch)[1], sign * self._share(index, total) / (2 * reach))
        return out

    def gradient_at(self, vector: torch.Tensor) -> torch.Tensor:
        """The gradient at the parameters displaced by a vector; `gradient` or `parted` has been asked before."""
        out = torch.zeros_like(vector)
        with displaced(self.params, self._pieces(vector)):
            for index, batch in enumerate(self.batches):
                self._add(out, self._differentiated(index, batch)[1], self.weights[index])
        if self.group is not None:
            self.group.add(out)
        return out.div_(sum(self.shares))

    def _differentiated(self, index: int, batch: Any, keep: bool = False, graph: bool = False) -> tuple[float, Any, float]:
        """Loss, gradient and weight of one batch; keep=True remembers the gradient with its graph."""
        self.handle.rewind(index)
        with self._attention():
            loss, weight = self.evaluate(moved(batch, self.device, self.handle.wide))
            value = float(loss.detach())
            if not np.isfinite(value):
                raise BadInput(f"the loss of {self.batches.name(index)} is {value}: look at its inputs, or measure at other parameters")
            if not loss.requires_grad:
                raise BadInput("the loss does not depend on any trainable parameter: is the model called in it, without no_grad or detach?")
            if self.accumulated is None:
                self.epsilon = max([self.epsilon, *(float(torch.finfo(kind).eps) for kind in computed_in(loss))])
                self.accumulated = reentrant(loss)
                if self.accumulated and self.way != "differences":
                    self._fall_back(RuntimeError(REENTRANT), last=True)
                    keep = False
            if (keep or graph) and self.way == "graph" and not self.trusted and fused_attention(loss):
                self.way = "math attention"  # seen before it is differentiated: a product that fails costs as much as one that works
                return self._differentiated(index, batch, keep, graph)
            try:
                grads = gradient_of(loss, self.params, keep or graph, self.accumulated)
            except RuntimeError as error:
                if not keep or isinstance(error, torch.OutOfMemoryError):
                    raise  # a product in the making falls back as a whole
                self._fall_back(error)
                return self._differentiated(index, batch, keep=self.way != "differences")
        if any(g is not None and not finite(g.detach()) for g in grads):
            raise BadInput(f"the gradient of {self.batches.name(index)} is not finite: look at its inputs, or measure at other parameters")
        if (keep or graph) and not self.trusted:
            self.trusted = True
            self._distrust(loss, grads)
            if self.way == "differences":
                keep = False
        if keep:
            self.graphs[index] = whole(grads)
        return value, grads, weight

    def _distrust(self, loss: torch.Tensor, grads: Any) -> None:
        """Where a second derivative is missing or wrong without a word, products are not symmetric, or zero: of functions outside torch."""
        foreign = foreign_functions(loss)
        if wrong := wrong_second(loss):
            self._fall_back(RuntimeError(wrong), last=True)
        elif foreign:
            start = self._zeros()
            self._add(start, grads, 1.0)
            if misses_second(foreign, start, lambda vector: through(grads, self.params, vector)):
                self._fall_back(RuntimeError(f"{', '.join(sorted(foreign))}: wrong or missing second derivative"), last=True)

    def _needed(self, chosen: list[int]) -> Iterator[tuple[int, Any]]:
        """The chosen batches; nothing is read where all their graphs are kept."""
        if self.way != "differences" and all(index in self.graphs for index in chosen):
            yield from ((index, None) for index in chosen)
            return
        wanted = set(chosen)
        for index, batch in enumerate(self.batches):
            if index in wanted:
                yield index, batch

    def _plan_memory(self, batch: Any) -> None:
        """How many batches' graphs fit into the memory allowed; a single batch's always does, it is needed anyway."""
        if self.way == "differences" or (isinstance(self.batches, Everything | Indexed) and self.batches.chunk >= self.batches.examples):
            self.room = 1
            return
        self.handle.rewind(0)
        with self._attention():
            try:
                each = graph_bytes(lambda: self.evaluate(moved(batch, self.device, self.handle.wide))[0], self.params)
            except RuntimeError as error:
                self._fall_back(error)
                each = 1
        self.room = int(self.memory // max(each, 1))

    def _fall_back(self, error: Exception, last: bool = False) -> None:
        """The next way of making products (or the last), and the reason said out loud."""
        self.graphs.clear()
        self.way = WAYS[-1] if last else WAYS[WAYS.index(self.way) + 1]
        if self.way == "differences":
            reason = str(error).strip().splitlines()[0][:160]
            self.notes["why"] = reason
            warnings.warn(
                f"no second derivative here ({reason}): measured by differences of gradients ({CAUTION})", InertiaWarning, stacklevel=2
            )

    def _attention(self) -> Any:
        """Attention without a second derivative (flash, memory-efficient) replaced by its plain form where needed."""
        return sdpa_kernel(SDPBackend.MATH) if self.way == "math attention" else nullcontext()

    def _zeros(self) -> torch.Tensor:
        return torch.zeros(self.dimension, dtype=torch.float64 if self.dimension <= FULL else self.dtype, device=self.device)

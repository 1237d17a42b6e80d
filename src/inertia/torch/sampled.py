"""Mini-batches of a source, sums over processes, and steps of its parameters: what noise and a short training need."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray

from .batches import Batches, Everything, Indexed
from .processes import Portion, Processes
from .wrappers import cut, plain

__all__ = ["Sampled"]


class Sampled:
    """The part of a TorchSource that draws mini-batches and moves; in a group every process does its share."""

    params: list[torch.Tensor]
    batches: Batches  # this process's share of what is measured
    everything: Batches  # what rows are drawn from
    portion: Portion | None
    group: Processes | None
    sizes: list[int]
    weights: list[float]
    shares: list[float]
    spent: dict[str, float]
    looks: Iterator[int]
    kept: list[torch.Tensor]
    together: bool

    def _zeros(self) -> torch.Tensor:
        raise TypeError("a source makes its own vectors")

    def _add(self, out: torch.Tensor, parts: Any, scale: float) -> None:
        at = 0
        for p, part in zip(self.params, parts, strict=True):
            if part is not None:
                out[at : at + p.numel()].view(p.shape).add_(plain(part.detach()), alpha=scale)
            at += p.numel()

    def _pieces(self, vector: torch.Tensor) -> Sequence[torch.Tensor]:
        return cut(vector, self.params)

    def _differentiated(self, index: int, batch: Any, keep: bool = False, graph: bool = False) -> tuple[float, Any, float]:
        raise TypeError("a source differentiates its own loss")

    def release(self) -> None:
        """Let go of what belongs to the present parameters."""

    def summed(self, vector: torch.Tensor, *numbers: float) -> list[float]:
        """A sum over this process's batches, in place, and numbers of them: over those of all processes."""
        if self.group is None:
            return list(numbers)
        self.group.add(vector)
        counts, self.shares = self.group.columns(self.sizes, self.weights)
        self.sizes = [int(size) for size in counts]
        return self.group.sums(*numbers)

    def mini_batches(self, rng: np.random.Generator, batch_size: int) -> Iterator[tuple[torch.Tensor, int]]:
        """Gradients of mini-batches: rows drawn at random from tensors, the loader's own batches otherwise."""
        while self.drawn:
            yield self.mini(self.draw(rng, batch_size))
        for number, batch in enumerate(self.batches):
            yield cast(tuple[torch.Tensor, int], self.next_mini((number, batch)))

    @property
    def drawn(self) -> bool:
        """Whether mini-batches are drawn at random."""
        return isinstance(self.everything, Everything | Indexed)

    @property
    def examples(self) -> int:
        """All that mini-batches are drawn from, in all processes."""
        held = self.everything.examples  # type: ignore[attr-defined]
        return held if self.portion is None else self.portion.total(held)

    @property
    def batch_size(self) -> int | None:
        """That the data come with, of all processes."""
        return self.batches.natural

    def draw(self, rng: np.random.Generator, batch_size: int) -> NDArray[np.int64]:
        """Rows of a mini-batch."""
        return np.sort(rng.choice(self.examples, batch_size, replace=False))

    def mini(self, rows: NDArray[np.int64]) -> tuple[torch.Tensor, int]:
        """The gradient of a mini-batch of these rows."""
        mine = rows if self.portion is None else self.portion.of(rows)
        chunk = len(mine) if self.together else self.batches.chunk  # type: ignore[attr-defined]
        pieces: Any = self.everything.part(mine, chunk) if len(mine) else ()  # type: ignore[attr-defined]
        return self._mini(next(self.looks), pieces, len(mine))

    def next_mini(self, numbered: tuple[int, Any] | None) -> tuple[torch.Tensor, int] | None:
        """The gradient of a loader's next batch, with those of the other processes; None where one of them has none left."""
        if self.group is not None and self.group.sums(numbered is None)[0]:
            return None
        return None if numbered is None else self._mini(numbered[0], [numbered[1]], self.batches.size_of(numbered[1]))

    def _mini(self, index: int, pieces: Any, size: int) -> tuple[torch.Tensor, int]:
        out, weight = self._zeros(), 0.0
        for piece in pieces:
            _, grads, part = self._differentiated(index, piece)
            self._add(out, grads, part)
            weight += part
        if self.group is not None:
            self.group.add(out)
            weight, whole = self.group.sums(weight, size)
            size = int(whole)
        known = sum(self.sizes) or (self.examples if self.drawn else size)  # asked before any pass over the data
        self.spent["gradients"] += size / known
        return out.div_(weight), size

    def keep(self) -> None:
        """Remember the parameters exactly as they are."""
        self.kept = [p.detach().clone() for p in self.params]

    def back(self) -> None:
        """Put the parameters where they were kept."""
        self.release()
        with torch.no_grad():
            for p, value in zip(self.params, self.kept, strict=True):
                p.copy_(value)

    def place(self, at: torch.Tensor) -> None:
        """Set the parameters to a flat vector."""
        self.release()
        with torch.no_grad():
            for p, piece in zip(self.params, self._pieces(at), strict=True):
                p.copy_(piece)

    def move(self, by: torch.Tensor) -> None:
        """Add a flat vector to the parameters."""
        self.release()
        with torch.no_grad():
            for p, piece in zip(self.params, self._pieces(by), strict=True):
                p.add_(piece)

"""Weight decay as part of what is minimised: loss + decay/2 |x|^2, for any source of gradients and products."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from ..measurement.model import Source
from ..measurement.vectors import Vectors

__all__ = ["Penalised", "penalised"]


class Penalised:
    """A source whose gradients and products are those of the loss plus decay/2 |x|^2; noise is that of the loss alone."""

    def __init__(self, source: Source, decay: float) -> None:
        self.bare, self.decay = source, decay
        self.dimension, self.notes, self.price = source.dimension, source.notes, source.price

    @property
    def sizes(self) -> list[int]:
        """Examples in each batch."""
        return self.bare.sizes

    def position(self) -> Any:
        """The trainable parameters as a flat vector."""
        return self.bare.position()

    def space(self, vectors: bool) -> Vectors:
        """Fresh storage for a Krylov run."""
        return self.bare.space(vectors)

    def gradient(self, parts: Sequence[int] | None = None) -> tuple[float, Any]:
        """The objective and its gradient."""
        loss, gradient = self.bare.gradient(parts)
        here = self.position()
        return loss + 0.5 * self.decay * float(here @ here), gradient + self.decay * here

    def hvp(self, vector: Any, parts: Sequence[int] | None = None) -> Any:
        """(H + decay) times a vector."""
        return self.bare.hvp(vector, parts) + self.decay * vector

    def mini_batches(self, rng: np.random.Generator, batch_size: int) -> Iterator[tuple[Any, int]]:
        """Gradients of mini-batches, the penalty's included."""
        pull = self.decay * self.position()
        return ((gradient + pull, size) for gradient, size in self.bare.mini_batches(rng, batch_size))

    def cost(self) -> dict[str, float]:
        """Spent so far."""
        return self.bare.cost()


def penalised(source: Source, decay: float) -> Source:
    """The source itself without decay, else with it."""
    if not decay:
        return source
    return Penalised(source, decay)

"""A source seen in a metric P: gradients and products of the loss as a function of z = P^(1/2) x.

With D = P^(-1/2) the gradient becomes D g and the Hessian D H D, whose eigenvalues are those of P^(-1) H. Weight decay w that is part of
the gradient (coupled, a number for each parameter) belongs to the objective: g + w x and H + diag(w), for the loss plus x'diag(w) x/2.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from .model import Source
from .vectors import Vectors

__all__ = ["Rescaled"]


class Rescaled:
    """A source in the coordinates in which an adaptive optimizer is plain momentum; `root` is D, one number for each parameter."""

    def __init__(self, source: Source, root: Any, penalty: Any = None) -> None:
        self.bare, self.root, self.penalty = source, root, penalty
        self.dimension, self.notes = source.dimension, source.notes

    @property
    def price(self) -> float:
        """Of one product, in gradients."""
        return self.bare.price

    @property
    def sizes(self) -> list[int]:
        """Examples in each batch."""
        return self.bare.sizes

    def position(self) -> Any:
        """The parameters in the metric's coordinates, P^(1/2) x."""
        return self.bare.position() / self.root

    def space(self, vectors: bool) -> Vectors:
        """Fresh storage for a Krylov run."""
        return self.bare.space(vectors)

    def gradient(self, parts: Sequence[int] | None = None) -> tuple[float, Any]:
        """The objective, and D g."""
        loss, gradient = self.bare.gradient(parts)
        if self.penalty is None:
            return loss, self.root * gradient
        place = self.bare.position()
        return loss + 0.5 * float(place @ (self.penalty * place)), self.root * (gradient + self.penalty * place)

    def hvp(self, vector: Any, parts: Sequence[int] | None = None) -> Any:
        """D H D times a vector."""
        inner = self.root * vector
        image = self.bare.hvp(inner, parts)
        return self.root * (image if self.penalty is None else image + self.penalty * inner)

    def mini_batches(self, rng: np.random.Generator, batch_size: int) -> Iterator[tuple[Any, int]]:
        """D times the gradients of mini-batches."""
        pull = 0.0 if self.penalty is None else self.penalty * self.bare.position()
        return ((self.root * (gradient + pull), size) for gradient, size in self.bare.mini_batches(rng, batch_size))

    def cost(self) -> dict[str, float]:
        """Spent so far."""
        return self.bare.cost()

"""The vectors of a Krylov run as torch tensors, on the device where the model lives."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ..errors import BadInput
from ..measurement.vectors import Vectors

__all__ = ["TensorVectors"]


class TensorVectors(Vectors):
    """`Vectors` of one-dimensional tensors."""

    def __init__(self, dimension: int, dtype: torch.dtype, device: torch.device, keep: bool = True) -> None:
        super().__init__(dimension, dtype, keep)
        self.device = device

    def random(self, rng: np.random.Generator) -> torch.Tensor:
        """A vector with a uniformly random direction."""
        generator = torch.Generator(self.device).manual_seed(int(rng.integers(2**62)))
        return torch.randn(self.dimension, dtype=self.dtype, device=self.device, generator=generator)

    def norm(self, vector: torch.Tensor) -> float:
        """Euclidean length."""
        return float(torch.linalg.vector_norm(vector))

    def rounding(self, image: torch.Tensor) -> tuple[float, float]:
        """Rounding unit and asymmetry of products: those of the model's arithmetic, whatever the vectors are kept in."""
        if self.source_rounding is not None:
            return self.source_rounding()
        epsilon = float(torch.finfo(image.dtype).eps)
        return epsilon, 10 * epsilon**0.5

    def check(self, image: torch.Tensor, product: int) -> None:
        """Refuse a product that is not finite."""
        if not bool(torch.isfinite(image.sum())):
            raise BadInput(f"product {product} is not finite: the loss or its derivatives overflow there")

    def combine(self, coordinates: NDArray[np.float64]) -> torch.Tensor:
        """Vectors (k, n) with the given coordinates (k, m) in the basis."""
        return torch.as_tensor(coordinates, dtype=self.dtype, device=self.device) @ self._rows[: self.count]

    def _grown(self, size: int) -> torch.Tensor:
        rows = torch.empty((min(size, self.dimension), self.dimension), dtype=self.dtype, device=self.device)
        if self._rows is not None:
            rows[: self.count] = self._rows
        return rows

    def _subtract(self, vector: torch.Tensor, rows: torch.Tensor, coefficients: torch.Tensor) -> None:
        vector.addmv_(rows.T, coefficients, alpha=-1)

    def _strip(self, row: torch.Tensor, vector: torch.Tensor) -> float:
        coefficient = float(row @ vector)
        vector.sub_(row, alpha=coefficient)
        return coefficient

    def _plain(self, coefficients: Any) -> NDArray[np.float64]:
        return np.asarray(coefficients.cpu(), dtype=float)

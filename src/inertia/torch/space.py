"""The vectors of a Krylov run as torch tensors, on the device where the model lives."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ..errors import BadInput
from ..measurement.vectors import CHUNK, Vectors

__all__ = ["QuickVectors", "TensorVectors", "finite"]

_BLOCK = 1 << 18  # products that a processor sums in the vectors' own precision: off by some 1e-6 of their size


def finite(tensor: torch.Tensor) -> bool:
    """Whether every entry is; the sum says so in one pass, unless it overflows.

    >>> finite(torch.tensor([3e38, 3e38])), finite(torch.tensor([1.0, float("nan")]))
    (True, False)
    """
    return math.isfinite(float(tensor.sum())) or bool(torch.isfinite(tensor).all())


class TensorVectors(Vectors):
    """`Vectors` of one-dimensional tensors."""

    def __init__(self, dimension: int, dtype: torch.dtype, device: torch.device, keep: bool = True) -> None:
        super().__init__(dimension, dtype, keep)
        self.device = device

    def random(self, rng: np.random.Generator) -> torch.Tensor:
        """A vector with a uniformly random direction: of a small model the same in every framework."""
        if self.dtype == torch.float64:
            return torch.as_tensor(rng.standard_normal(self.dimension), device=self.device)
        generator = torch.Generator(self.device).manual_seed(int(rng.integers(2**62)))
        return torch.randn(self.dimension, dtype=self.dtype, device=self.device, generator=generator)

    def largest(self, vector: torch.Tensor) -> float:
        """The largest absolute entry."""
        return float(vector.abs().max())

    def range(self) -> tuple[float, float]:
        """Lengths whose squares, and those of parts eps times as long, are within the range of the kind of number."""
        kind = torch.finfo(self.dtype)
        return kind.tiny**0.5 / kind.eps, kind.max**0.5 * kind.eps

    def rounding(self, image: torch.Tensor) -> tuple[float, float]:
        """Rounding unit and asymmetry of products: those of the model's arithmetic, whatever the vectors are kept in."""
        if self.source_rounding is not None:
            return self.source_rounding()
        epsilon = float(torch.finfo(image.dtype).eps)
        return epsilon, epsilon**0.5

    def check(self, image: torch.Tensor, product: int) -> None:
        """Refuse a product that is not finite."""
        if not finite(image):
            raise BadInput(f"product {product} is not finite: the loss or its derivatives overflow there")

    def dots(self, rows: torch.Tensor, vector: torch.Tensor) -> NDArray[np.float64]:
        """Inner products of each row with the vector, summed in float64."""
        if rows.dtype == vector.dtype == torch.float64:
            return np.asarray((rows @ vector).cpu())
        each = max(CHUNK // len(rows), 1024)
        if self.dimension <= each:
            return np.asarray((rows.double() @ vector.double()).cpu())
        total = torch.zeros(len(rows), dtype=torch.float64, device=self.device)
        for at in range(0, self.dimension, each):
            total += rows[:, at : at + each].double() @ vector[at : at + each].double()
        return np.asarray(total.cpu())

    def dot(self, one: torch.Tensor, other: torch.Tensor) -> float:
        """Inner product, summed in float64; of a short vector with itself it is converted once."""
        if one is not other or one.numel() > CHUNK:
            return super().dot(one, other)
        long = one.double()
        return float(torch.dot(long, long))

    def mix(self, coordinates: NDArray[np.float64], rows: torch.Tensor) -> torch.Tensor:
        """Linear combinations (k, n) of rows (m, n)."""
        return torch.as_tensor(coordinates.copy(order="C"), dtype=self.dtype, device=self.device) @ rows

    def stacked(self, one: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
        """Two sets of rows as one."""
        return torch.cat([one, other])

    def _grown(self, size: int) -> torch.Tensor:
        rows = torch.empty((min(size, self.dimension), self.dimension), dtype=self.dtype, device=self.device)
        if self._rows is not None:
            rows[: self.count] = self._rows
        return rows

    def _divide(self, vector: torch.Tensor, norm: float, row: torch.Tensor) -> None:
        torch.div(vector, norm, out=row)

    def _subtract(self, vector: torch.Tensor, rows: torch.Tensor, coefficients: Any) -> None:
        vector.addmv_(rows.T, torch.as_tensor(coefficients, dtype=self.dtype, device=self.device), alpha=-1)

    def _strip(self, row: torch.Tensor, vector: torch.Tensor) -> float:
        coefficient = self.dot(row, vector)
        vector.sub_(row, alpha=coefficient)
        return coefficient


class QuickVectors(TensorVectors):
    """`TensorVectors` for a handful of products: inner products are summed in their own precision in blocks, and those in float64."""

    first = 8

    def random(self, rng: np.random.Generator) -> torch.Tensor:
        """A vector with a random direction: of many entries, each uniform, which takes a fourth of the time of normal ones."""
        if self.dtype == torch.float64:
            return super().random(rng)
        generator = torch.Generator(self.device).manual_seed(int(rng.integers(2**62)))
        return torch.rand(self.dimension, dtype=self.dtype, device=self.device, generator=generator).sub_(0.5)

    def dots(self, rows: torch.Tensor, vector: torch.Tensor) -> NDArray[np.float64]:
        """Inner products of each row with the vector."""
        if rows.dtype == torch.float64 or rows.dtype != vector.dtype:
            return super().dots(rows, vector)
        each = _BLOCK if self.device.type == "cpu" else self.dimension  # other devices sum in trees
        total = torch.zeros(len(rows), dtype=torch.float64, device=self.device)
        for at in range(0, self.dimension, each):
            total += rows[:, at : at + each] @ vector[at : at + each]
        return np.asarray(total.cpu())

"""The vectors of a Krylov run: where they live, how many are kept, and what counts as an operator.

`Vectors` is the algebra on numpy arrays; the rooms of the frameworks subclass it for their own tensors, so the recurrence
is written once. With `keep=False` only the last two vectors are held: the ends of the spectrum come out as well (copies
of converged values appear, none is wrong), in a few vectors' memory however long the run.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ..errors import BadInput

__all__ = ["Operator", "Vectors", "as_operator"]

Operator: TypeAlias = Any  # a function, an array, a scipy sparse matrix or a LinearOperator
CHUNK = 1 << 18  # elements at a time where a temporary of full length would double the memory


class Vectors:
    """A growing orthonormal basis of numpy vectors (keep=True), or its last two members (keep=False)."""

    def __init__(self, dimension: int, dtype: Any = np.float64, keep: bool = True) -> None:
        self.dimension, self.dtype, self.full = dimension, dtype, keep
        self.count = 0
        self.source_rounding: Callable[[], tuple[float, float]] | None = None  # where products are coarser than they look
        self._rows: Any = None

    def random(self, rng: np.random.Generator) -> Any:
        """A vector with a uniformly random direction."""
        return rng.standard_normal(self.dimension, dtype=self.dtype)

    def norm(self, vector: Any) -> float:
        """Euclidean length."""
        return float(np.sqrt(np.vdot(vector, vector)))

    def rounding(self, image: Any) -> tuple[float, float]:
        """Relative rounding of a product, and the asymmetry it may show: by the coarser of its precision and ours."""
        if self.source_rounding is not None:
            return self.source_rounding()
        epsilon = float(max(np.finfo(getattr(image, "dtype", self.dtype)).eps, np.finfo(self.dtype).eps))
        return epsilon, 10 * epsilon**0.5

    def check(self, image: Any, product: int) -> None:
        """Refuse a product that is not a finite vector of the right size."""
        if image.shape != (self.dimension,):
            raise BadInput(f"product {product} has shape {image.shape}: the operator must return ({self.dimension},) vectors")
        if not np.isfinite(np.sum(image)):
            raise BadInput(f"product {product} is not finite: the operator or the loss behind it overflows there")

    def append(self, vector: Any, norm: float) -> Any:
        """Divide by the norm in place, remember, and return the new member."""
        vector /= norm
        if not self.full:
            self._rows = [*(self._rows or [])[-1:], vector]
            return vector
        if self._rows is None or self.count == len(self._rows):
            self._rows = self._grown(max(16, 2 * self.count))
        self._rows[self.count] = vector
        self.count += 1
        return self._rows[self.count - 1]

    def project(self, vector: Any) -> NDArray[np.float64]:
        """Coefficients along the basis, and the vector reduced in place to what is orthogonal to it."""
        if not self.full:
            return np.array([self._strip(row, vector) for row in self._rows])
        rows = self._rows[: self.count]
        coefficients = rows @ vector
        self._subtract(vector, rows, coefficients)
        second = rows @ vector  # twice is enough (Kahan; Parlett 1980)
        self._subtract(vector, rows, second)
        return self._plain(coefficients + second)

    def combine(self, coordinates: NDArray[np.float64]) -> Any:
        """Vectors (k, n) with the given coordinates (k, m) in the basis."""
        return coordinates.astype(self.dtype) @ self._rows[: self.count]

    def _grown(self, size: int) -> Any:
        rows = np.empty((min(size, self.dimension), self.dimension), self.dtype)
        if self._rows is not None:
            rows[: self.count] = self._rows
        return rows

    def _subtract(self, vector: Any, rows: Any, coefficients: Any) -> None:
        vector -= coefficients @ rows

    def _strip(self, row: Any, vector: Any) -> float:
        coefficient = float(np.vdot(row, vector))
        for at in range(0, self.dimension, CHUNK):
            vector[at : at + CHUNK] -= np.asarray(coefficient, self.dtype) * row[at : at + CHUNK]
        return coefficient

    def _plain(self, coefficients: Any) -> NDArray[np.float64]:
        return np.asarray(coefficients, dtype=float)


def as_operator(operator: Operator, dimension: int | None = None, start: Any = None) -> tuple[Callable[[Any], Any], int]:
    """A function v -> A v giving fresh float64 vectors, and the dimension, from anything that multiplies.

    Raises:
        BadInput: not square, not symmetric (where that can be seen), not finite, or no dimension given.

    >>> as_operator(np.eye(3))[1]
    3
    """
    shape = getattr(operator, "shape", None)
    if shape is None and not callable(operator):
        operator = np.asarray(operator, dtype=float)
        shape = operator.shape
    if shape is None:
        known = dimension if dimension is not None else np.size(start) if start is not None else None
        if not known:
            raise BadInput("the dimension of a function cannot be seen: pass dimension=, or a start vector")
        size, multiply = int(known), operator
    else:
        if len(shape) != 2 or shape[0] != shape[1]:
            raise BadInput(f"the operator has shape {tuple(shape)}: curvature is a square, symmetric matrix (n, n)")
        size, multiply = int(shape[0]), lambda vector: operator @ vector
        if size == 0 or (dimension is not None and dimension != size):
            raise BadInput(f"dimension = {dimension} does not fit an operator of shape {tuple(shape)}: leave it out")
        _check_matrix(operator)
    if start is not None and np.size(start) != size:
        raise BadInput(f"the start vector has {np.size(start)} entries for an operator of dimension {size}: give {size}")

    def matvec(vector: Any) -> Any:
        return np.array(multiply(vector)).ravel()

    return matvec, size


def _check_matrix(matrix: Any) -> None:
    """An array or a sparse matrix shows its entries: refuse what is not finite or not symmetric before any product."""
    if isinstance(matrix, np.ndarray):
        difference, entries = np.abs(matrix - matrix.T), matrix
    elif hasattr(matrix, "tocsr"):
        difference, entries = abs(matrix - matrix.T).tocsr().data, matrix.tocsr().data
    else:
        return
    if entries.size and not np.all(np.isfinite(entries)):
        raise BadInput("the matrix has entries that are not finite: check where it comes from")
    worst, largest = (float(np.max(np.abs(part), initial=0.0)) for part in (difference, entries))
    if worst > 1e-8 * largest:
        raise BadInput(
            f"the matrix is not symmetric: A and A.T differ by up to {worst:.3g}. If A is meant as a quadratic form pass (A + A.T)/2"
        )

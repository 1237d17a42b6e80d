"""The vectors of a Krylov run: where they live, how many are kept, and their inner products.

`Vectors` is the algebra on numpy arrays; the rooms of the frameworks subclass it for their own tensors, so the recurrence
is written once. Inner products and norms are summed in float64 whatever the vectors are kept in: a sum of millions of
float32 products in float32 is off by 1e-3, which looks like an operator that is not symmetric. With `keep=False` only the
last two vectors are held: the ends of the spectrum come out as well (copies of converged values appear, none is wrong), in
a few vectors' memory however long the run.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import BadInput

__all__ = ["Vectors"]

CHUNK = 1 << 18  # elements at a time where a temporary of full length would double the memory
ROOM = 1 << 21  # elements of the first room for short vectors: to move them into a larger one later costs more than the room
SAFE = (2.0**-900, 2.0**900)  # sums of squares that lost nothing to underflow or overflow


class Vectors:
    """A growing orthonormal basis of numpy vectors (keep=True), or its last two members (keep=False)."""

    first = 16  # vectors that room is made for at once: more where they are short

    def __init__(self, dimension: int, dtype: Any = np.float64, keep: bool = True) -> None:
        self.dimension, self.dtype, self.full = dimension, dtype, keep
        self.count = 0
        self.source_rounding: Callable[[], tuple[float, float]] | None = None  # where products are coarser than they look
        self.ends = False  # whether the ends of the spectrum are all that is asked: the basis need be orthogonal to half the digits only
        self._rows: Any = None
        self._whole, self._slip = True, 0.0  # whether the newest member was freed from all; what the last that was not has in the basis
        self._most = 0.0  # the longest image so far

    def random(self, rng: np.random.Generator) -> Any:
        """A vector with a uniformly random direction."""
        return rng.standard_normal(self.dimension, dtype=self.dtype)

    def norm(self, vector: Any) -> float:
        """Euclidean length, also where the squares are beyond the range of floating point."""
        square = self.dot(vector, vector)
        if SAFE[0] < square < SAFE[1]:
            return math.sqrt(square)
        size = self.largest(vector)
        if not (math.isfinite(size) and size > 0):
            return size
        unit = 2.0 ** -math.frexp(size)[1] if size > 1e-300 else 2.0**1000
        return math.sqrt(self.dot(vector * unit, vector * unit)) / unit

    def largest(self, vector: Any) -> float:
        """The largest absolute entry."""
        return float(np.max(np.abs(vector)))

    def range(self) -> tuple[float, float]:
        """Lengths whose squares, and those of parts eps times as long, are within the range of the kind of number."""
        kind = np.finfo(self.dtype)
        return float(kind.tiny) ** 0.5 / float(kind.eps), float(kind.max) ** 0.5 * float(kind.eps)

    def rounding(self, image: Any) -> tuple[float, float]:
        """Relative rounding of a product, and the asymmetry that needs no explanation: half of its digits."""
        if self.source_rounding is not None:
            return self.source_rounding()
        epsilon = float(max(np.finfo(getattr(image, "dtype", self.dtype)).eps, np.finfo(self.dtype).eps))
        return epsilon, epsilon**0.5

    def check(self, image: Any, product: int) -> None:
        """Refuse a product that is not a finite vector of the right size."""
        if image.shape != (self.dimension,):
            raise BadInput(f"product {product} has shape {image.shape}: the operator must return ({self.dimension},) vectors")
        with np.errstate(over="ignore", invalid="ignore"):
            if not (np.isfinite(np.sum(image)) or np.all(np.isfinite(image))):
                raise BadInput(f"product {product} is not finite: the operator or the loss behind it overflows there")

    def append(self, vector: Any, norm: float) -> Any:
        """Divide by the norm (in place, where the basis does not keep its own copy), remember, and return the new member."""
        if not self.full:
            vector /= norm
            self._rows = [*(self._rows or [])[-1:], vector]
            return vector
        if self._rows is None or self.count == len(self._rows):
            self._rows = self._grown(max(self.first, ROOM // self.dimension, 2 * self.count))
        row = self._rows[self.count]
        self._divide(vector, norm, row)
        self.count += 1
        return row

    def newest(self) -> Any:
        """The last member of the basis."""
        return self._rows[self.count - 1] if self.full else self._rows[-1]

    def restart(self, rows: Any) -> None:
        """Forget the basis but for these orthonormal rows."""
        self._rows[: len(rows)] = rows
        self.count = len(rows)

    def project(self, vector: Any) -> NDArray[np.float64]:
        """Coefficients along the basis, and the vector reduced in place to what is orthogonal to it."""
        return self.reduce(vector)[0]

    def reduce(self, vector: Any, image: bool = False) -> tuple[NDArray[np.float64], float]:
        """`project`, and the length of what is left; `image`: the vector is what the operator made of the newest member.

        The image of the newest member under a symmetric operator has nearly all that it has in the basis along the last two: these
        are taken out by themselves, and then one pass over the whole basis is enough unless it takes out as much as it leaves. What
        rounding leaves in the basis is some eps times the length before the pass, and so at most sqrt(2) times that share of the
        length after it. Where it takes out more, a second pass is: twice is enough. (To take out all in one pass would let the
        errors grow: what the basis lacks of being orthogonal would come back times alpha and beta.) `ends`: every other image is
        freed from the last two alone, as far as `_spared` allows it.

        Source: Daniel, Gragg, Kaufman and Stewart 1976 (when a pass is repeated); Kahan in Parlett 1980 (twice is enough).
        """
        if not self.full:
            return np.array([self._strip(row, vector) for row in self._rows]), self.norm(vector)
        rows, coefficients = self._rows[: self.count], np.zeros(self.count)
        coefficients[-2:] = self._take(rows[-2:], vector)
        if image and self.ends and self._whole and self.count > 2 and self._spared(coefficients, left := self.norm(vector), vector):
            return coefficients, left
        taken = math.inf  # of up to two vectors, that was a pass over the whole basis
        if self.count > 2:
            found = self._take(rows, vector)
            taken = math.sqrt(float(found @ found))
            coefficients += found
        left = self.norm(vector)
        if not taken <= left:
            coefficients += self._take(rows, vector)
            left = self.norm(vector)
        self._slip, self._whole = 0.0 if self._whole else self._slip, True
        self._most = max(self._most, _length(coefficients, left)) if image else self._most
        return coefficients, left

    def _spared(self, coefficients: NDArray[np.float64], left: float, image: Any) -> bool:
        """Whether what an image still has in the basis is at most the root of the rounding of products, in what is left of it.

        It has there the rounding of its product, and what the last member but one has, times the coefficient along that one: the last
        was freed from all. A basis that is orthogonal to sqrt(rounding) gives the coefficients of an orthogonal one to the rounding of
        products.

        Source: Simon 1984, The Lanczos algorithm with partial reorthogonalization (the recurrence, with the terms of the last member 0).
        """
        rounding, self._most = self.rounding(image)[0], max(self._most, _length(coefficients, left))
        slip = rounding * self._most + abs(float(coefficients[-2])) * self._slip
        if not slip <= math.sqrt(rounding) * left:
            return False
        self._slip, self._whole = slip / left, False
        return True

    def _take(self, rows: Any, vector: Any) -> NDArray[np.float64]:
        """One pass of Gram and Schmidt in place, and the coefficients along the rows."""
        coefficients = self.dots(rows, vector)
        self._subtract(vector, rows, coefficients)
        return coefficients

    def dot(self, one: Any, other: Any) -> float:
        """Inner product, summed in float64."""
        return float(self.dots(one[None], other)[0])

    def dots(self, rows: Any, vector: Any) -> NDArray[np.float64]:
        """Inner products of each row with the vector, summed in float64."""
        with np.errstate(over="ignore", invalid="ignore"):
            if rows.dtype == vector.dtype == np.float64:
                return np.asarray(rows @ vector)
            each = max(CHUNK // len(rows), 1024)
            parts = (slice(at, at + each) for at in range(0, self.dimension, each))
            return np.sum([rows[:, part].astype(float) @ vector[part].astype(float) for part in parts], axis=0)

    def combine(self, coordinates: NDArray[np.float64], extra: Any = None, along: NDArray[np.float64] | None = None) -> Any:
        """Vectors (k, n) with the given coordinates (k, m) in the basis, plus `along` (k,) times an `extra` vector."""
        made = self.mix(coordinates, self._rows[: self.count])
        if along is not None:
            made += self.mix(along[:, None], extra[None])
        return made

    def mix(self, coordinates: NDArray[np.float64], rows: Any) -> Any:
        """Linear combinations (k, n) of rows (m, n)."""
        return coordinates.astype(self.dtype) @ rows

    def stacked(self, one: Any, other: Any) -> Any:
        """Two sets of rows as one."""
        return np.concatenate([one, other])

    def _grown(self, size: int) -> Any:
        rows = np.empty((min(size, self.dimension), self.dimension), self.dtype)
        if self._rows is not None:
            rows[: self.count] = self._rows
        return rows

    def _divide(self, vector: Any, norm: float, row: Any) -> None:
        np.divide(vector, norm, out=row, casting="same_kind")

    def _subtract(self, vector: Any, rows: Any, coefficients: NDArray[np.float64]) -> None:
        vector -= coefficients.astype(self.dtype) @ rows

    def _strip(self, row: Any, vector: Any) -> float:
        coefficient = self.dot(row, vector)
        for at in range(0, self.dimension, CHUNK):
            vector[at : at + CHUNK] -= np.asarray(coefficient, self.dtype) * row[at : at + CHUNK]
        return coefficient


def _length(coefficients: NDArray[np.float64], left: float) -> float:
    """Of a vector with these coefficients and so much beside them."""
    return math.sqrt(float(coefficients @ coefficients) + left * left)

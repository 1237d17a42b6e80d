"""Arithmetic that cannot round: L D L^T over the rationals, and cosines enclosed between two fractions.

A symmetric rational matrix is positive definite exactly if every pivot of its L D L^T is positive. The pivots are
computed on integers (fraction-free elimination, Bareiss 1968), so each is a fraction, not a float.
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["Complex", "Interval", "dyadic", "exact", "pivots", "semidefinite", "turn"]

Rational = NDArray[Any]  # an object array of Fractions


def exact(values: ArrayLike) -> Rational:
    """Floats as the fractions they are (a float is a whole number times a power of two).

    Args:
        values: finite floats, of any shape.

    >>> exact([0.5, 0.1])[0]
    Fraction(1, 2)
    """
    array = np.asarray(values, dtype=float)
    flat = np.empty(array.size, dtype=object)
    flat[:] = [Fraction(value) for value in array.ravel().tolist()]
    return flat.reshape(array.shape)


def dyadic(values: ArrayLike, bits: int = 60) -> Rational:
    """Floats rounded to whole multiples of 2^-bits: short fractions, so that exact arithmetic stays fast.

    Args:
        values: finite floats, of any shape.
        bits: each becomes a whole multiple of 2^-bits (default 60).

    >>> dyadic([1 / 3], bits=4)
    array([Fraction(5, 16)], dtype=object)
    """
    array = np.asarray(values, dtype=float)
    flat = np.empty(array.size, dtype=object)
    flat[:] = [Fraction(round(math.ldexp(value, bits)), 2**bits) for value in array.ravel().tolist()]
    return flat.reshape(array.shape)


def pivots(matrix: Rational) -> list[Fraction]:
    """Pivots of L D L^T in order, as fractions; the list ends with the first that is <= 0.

    Args:
        matrix: symmetric, of Fractions (n, n).

    >>> pivots(exact([[2.0, 1.0], [1.0, 1.0]]))
    [Fraction(2, 1), Fraction(1, 2)]
    """
    scale = math.lcm(*(value.denominator for value in matrix.ravel()))
    rows = [[int(value * scale) for value in row] for row in matrix]
    found: list[Fraction] = []
    before = 1  # Bareiss: every division by the previous leading minor is exact
    for k in range(len(rows)):
        minor = rows[k][k]
        found.append(Fraction(minor, before * scale))
        if minor <= 0:
            break
        for i in range(k + 1, len(rows)):
            for j in range(i, len(rows)):
                rows[i][j] = rows[j][i] = (rows[i][j] * minor - rows[i][k] * rows[k][j]) // before
        before = minor
    return found


def semidefinite(matrix: Rational) -> bool:
    """Whether the matrix is >= 0: a pivot may be zero only where the rest of its row is zero too.

    Args:
        matrix: symmetric, of Fractions (n, n).

    >>> semidefinite(exact([[0.0, 0.0], [0.0, 1.0]])), semidefinite(exact([[0.0, 1.0], [1.0, 1.0]]))
    (True, False)
    """
    keep = [k for k in range(len(matrix)) if any(value != 0 for value in matrix[k])]
    found = pivots(matrix[np.ix_(keep, keep)]) if keep else []
    while found and found[-1] == 0:  # eliminate what is done and look at what remains
        done = len(found) - 1
        matrix = _schur(matrix[np.ix_(keep, keep)], done)
        if any(value != 0 for value in matrix[0]):
            return False
        keep = [k for k in range(len(matrix)) if any(value != 0 for value in matrix[k])]
        found = pivots(matrix[np.ix_(keep, keep)]) if keep else []
    return all(value > 0 for value in found)


def _schur(matrix: Rational, done: int) -> Rational:
    rest = matrix.copy()
    for k in range(done):
        rest[k + 1 :, k + 1 :] = rest[k + 1 :, k + 1 :] - np.multiply.outer(rest[k + 1 :, k], rest[k, k + 1 :]) / rest[k, k]
    return rest[done:, done:]


class Interval(NamedTuple):
    """All numbers between two fractions; sums, differences and products enclose what they should."""

    low: Fraction
    high: Fraction

    def __add__(self, other: Any) -> Interval:  # type: ignore[override]  # a number here, not a tuple to append
        other = _interval(other)
        return Interval(self.low + other.low, self.high + other.high)

    def __neg__(self) -> Interval:
        return Interval(-self.high, -self.low)

    def __sub__(self, other: Any) -> Interval:
        return self + (-_interval(other))

    def __mul__(self, other: Any) -> Interval:  # type: ignore[override]
        other = _interval(other)
        ends = [x * y for x in self for y in other]
        return Interval(min(ends), max(ends))


class Complex(NamedTuple):
    """A complex number whose parts are intervals of fractions."""

    real: Interval
    imag: Interval

    def __mul__(self, other: Complex) -> Complex:  # type: ignore[override]
        return Complex(self.real * other.real - self.imag * other.imag, self.real * other.imag + self.imag * other.real)

    def conjugate(self) -> Complex:
        """The mirror image in the real axis."""
        return Complex(self.real, -self.imag)


def _interval(value: Any) -> Interval:
    return value if isinstance(value, Interval) else Interval(Fraction(value), Fraction(value))


def turn(share: Fraction) -> Complex:
    """exp(2 pi i share), each part between two fractions less than 1e-40 apart.

    Args:
        share: of the full turn.

    >>> third = turn(Fraction(1, 3))
    >>> third.real.low <= Fraction(-1, 2) <= third.real.high, float(third.imag.low) == 3**0.5 / 2
    (True, True)
    """
    share -= round(share)  # half a turn at most: the series below is cut at order 100, where pi^100/100! < 2^-300
    pi = _pi()
    angle = Interval(pi.low * 2 * share, pi.high * 2 * share) if share >= 0 else Interval(pi.high * 2 * share, pi.low * 2 * share)
    middle = (angle.low + angle.high) / 2
    middle = Fraction(round(middle * 2**160), 2**160)
    slack = max(angle.high - middle, middle - angle.low)  # cosine and sine move by no more than the angle does
    parts = []
    for first in (0, 1):
        total, term, order = Fraction(0), Fraction(1) if first == 0 else middle, first
        while order < 100:
            total += term
            term = -term * middle * middle / ((order + 1) * (order + 2))
            term = Fraction(round(term * 2**170), 2**170)
            order += 2
        parts.append(Interval(total - slack - Fraction(1, 2**140), total + slack + Fraction(1, 2**140)))
    return Complex(*parts)


def _pi() -> Interval:
    """Machin 1706: pi = 16 arctan(1/5) - 4 arctan(1/239), alternating series cut after more than 150 bits."""
    low, high = Fraction(0), Fraction(0)
    for weight, inverse in ((16, 5), (-4, 239)):
        sums = [Fraction(0)]
        for k in range(40):
            sums.append(sums[-1] + Fraction((-1) ** k, (2 * k + 1) * inverse ** (2 * k + 1)))
        pair = sorted((weight * sums[-1], weight * sums[-2]))
        low, high = low + pair[0], high + pair[1]
    return Interval(low, high)

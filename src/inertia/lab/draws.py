"""A small generator, the same in the page (static/numerics/random.js): every number is a hash of (seed, place).

Nothing depends on the order of asking, so a figure may draw as many as it shows. The hash is triple32 (Wellons 2018), applied
twice; 53 bits of two hashes make a number in (0, 1), and Box and Muller (1958) make it normal.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["normal", "permutation", "uniform"]

Array = NDArray[np.float64]
_ROUNDS = ((17, 0xED5AD4BB), (11, 0xAC4C1B51), (15, 0x31848BAB))


def _mixed(x: Any) -> Any:
    for shift, factor in _ROUNDS:
        x = (x ^ (x >> np.uint32(shift))) * np.uint32(factor)
    return x ^ (x >> np.uint32(14))


def _fractions(seed: int, places: Any) -> Array:
    key = _mixed(np.array([(seed + 0x9E3779B9) % 2**32], dtype=np.uint32))
    high, low = (_mixed(_mixed((2 * places + part).astype(np.uint32)) + key) for part in (0, 1))
    return ((high >> np.uint32(5)) * 67108864.0 + (low >> np.uint32(6)) + 0.5) / 9007199254740992.0


def uniform(seed: int, count: int) -> Array:
    """Numbers in (0, 1): (count,).

    >>> uniform(1, 2).round(6)
    array([0.525055, 0.46468 ])
    """
    return _fractions(seed, np.arange(count))


def normal(seed: int, *shape: int) -> Array:
    """Standard normal numbers of a shape.

    >>> normal(1, 3).round(3)
    array([-1.107, -1.171, -0.388])
    """
    places = np.arange(int(np.prod(shape)))
    u, v = (_fractions(seed, 2 * places + part) for part in (0, 1))
    return (np.sqrt(-2 * np.log(u)) * np.cos(2 * np.pi * v)).reshape(shape)


def permutation(seed: int, count: int) -> NDArray[np.intp]:
    """A shuffled 0..count-1.

    >>> sorted(permutation(5, 4).tolist())
    [0, 1, 2, 3]
    """
    return np.argsort(uniform(seed, count), kind="stable")

"""Numbers as they come from outside, as real arrays: what would silently lose something is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import BadInput

__all__ = ["real"]


def real(values: Any, name: str) -> NDArray[np.float64]:
    """The values as a float64 array.

    Raises:
        BadInput: masked values, complex numbers, or what is not a number.

    >>> real([1, 2], "the curvatures")
    array([1., 2.])
    """
    if isinstance(values, np.ma.MaskedArray):
        if np.any(np.ma.getmaskarray(values)):
            raise BadInput(
                f"{name} hold masked entries ({int(np.sum(np.ma.getmaskarray(values)))}): leave them out first, with values.compressed()"
            )
        values = values.data
    try:
        array = np.asarray(values)
        if array.dtype.kind == "c":
            raise BadInput(f"{name} are {array.dtype}: they must be real numbers; pass the real part if that is what you mean")
        if array.dtype.kind in "SUmMV":
            raise ValueError
        return np.asarray(array, dtype=float)
    except (TypeError, ValueError) as error:
        if isinstance(error, BadInput):
            raise
        raise BadInput(f"{name} are not an array of numbers: got {str(values)[:60]!r}") from error

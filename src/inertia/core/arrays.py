"""Numbers as they come from outside, as real arrays: what would silently lose something is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import BadInput

__all__ = ["known", "number", "real", "single", "whole"]


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
        if array.dtype.kind in "SUmMV" or (array.dtype.kind == "O" and any(isinstance(v, str | bytes | None) for v in array.flat)):
            raise ValueError
        return np.asarray(array, dtype=float)
    except (TypeError, ValueError) as error:
        if isinstance(error, BadInput):
            raise
        raise BadInput(f"{name} are not an array of numbers: got {str(values)[:60]!r}") from error


def number(value: Any, name: str) -> NDArray[np.float64]:
    """The number, or the array of numbers, that was given for the argument of this name; nan is let through.

    Raises:
        BadInput: masked values, complex numbers, or what is not a number.

    >>> number(0.5, "alpha")
    array(0.5)
    """
    try:
        return real(value, name)
    except BadInput:
        if isinstance(value, np.ma.MaskedArray):
            raise BadInput(f"{name} holds masked entries: leave them out first, with {name}.compressed()") from None
        if hasattr(value, "curvatures"):
            raise BadInput(f"{name} is a whole Spectrum: give numbers, such as its .curvatures, or .L for the largest") from None
        shown = " ".join(repr(value).split())[:60]
        if np.iscomplexobj(value):
            raise BadInput(f"{name} = {shown} is complex: give real numbers") from None
        raise BadInput(f"{name} = {shown} is not a number") from None


def known(value: Any, name: str) -> NDArray[np.float64]:
    """As `number`, and nan is refused too.

    Raises:
        BadInput: as `number`; nan.

    >>> known([0.5, 1], "curvature")
    array([0.5, 1. ])
    """
    found = number(value, name)
    if np.isnan(found).any():
        raise BadInput(f"{name} = nan is not a number: give numbers, with missing ones left out")
    return found


def single(value: Any, name: str) -> float:
    """The one number that was given for the argument of this name.

    Raises:
        BadInput: several numbers, or what is not a number.

    >>> single([0.5], "mu")
    0.5
    """
    found = known(value, name)
    if found.size != 1:
        raise BadInput(f"{name} holds {found.size} numbers: give one")
    return float(found.flat[0])


def whole(value: Any, name: str, least: int) -> int:
    """The whole number, at least `least`, that was given for the argument of this name.

    Raises:
        BadInput: anything else.

    >>> whole(3.0, "steps", 1)
    3
    """
    found = single(value, name)
    if not np.isfinite(found) or found != np.floor(found):
        raise BadInput(f"{name} = {' '.join(repr(value).split())[:60]} is not a whole number: give one of at least {least}")
    if found < least:
        raise BadInput(f"{name} = {int(found)} is too few: give at least {least}")
    return int(found)

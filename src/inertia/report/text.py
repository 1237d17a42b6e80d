"""Views and numbers as lines of text: blocks on a terminal that can show them, plain letters everywhere else."""

from __future__ import annotations

import sys
from typing import TextIO

import numpy as np
from numpy.typing import ArrayLike

__all__ = ["glyphs", "spark"]

_BLOCKS, _LETTERS = "▁▂▃▄▅▆▇█", "_.,-~=*#"


def glyphs(stream: TextIO | None = None) -> str:
    """Eight signs from low to high that this stream can show: blocks on a terminal, letters when piped.

    >>> import io
    >>> glyphs(io.StringIO())
    '_.,-~=*#'
    """
    out = sys.stdout if stream is None else stream
    if not out.isatty():
        return _LETTERS
    try:
        _BLOCKS.encode(out.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return _LETTERS
    return _BLOCKS


def spark(values: ArrayLike, width: int = 48, signs: str = _BLOCKS, log: bool = True) -> str:
    """A curve on one line, logarithmic where all of it is positive; what is not finite is a gap.

    >>> spark([8, 4, 2, 1], signs="1234")
    '4321'
    """
    curve = np.atleast_1d(np.asarray(values, dtype=float))
    if curve.size > width:
        curve = curve[np.linspace(0, curve.size - 1, width).round().astype(int)]
    fine = np.isfinite(curve)
    if not fine.any():
        return " " * curve.size
    if log and np.all(curve[fine] > 0):
        curve = np.log(np.where(fine, curve, 1.0))
    low, high = float(curve[fine].min()), float(curve[fine].max())
    share = (curve - low) / (high - low) if high > low else np.zeros_like(curve)
    places = np.where(fine, np.round(np.where(fine, share, 0.0) * (len(signs) - 1)), 0).astype(int)
    return "".join(signs[place] if good else " " for place, good in zip(places, fine, strict=True))

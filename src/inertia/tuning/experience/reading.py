"""The fitted numbers, and quantiles of weighted values."""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .prior import Fitted

__all__ = ["FITTED", "quantiles"]

Array = NDArray[np.float64]


def quantiles(values: Array, weights: Array, at: tuple[float, ...]) -> Array:
    """Quantiles of weighted values.

    >>> quantiles(np.array([1.0, 2.0, 3.0]), np.array([1.0, 1.0, 2.0]), (0.5,))
    array([2.33333333])
    """
    order = np.argsort(values, kind="stable")
    summed = np.cumsum(weights[order])
    return np.interp(np.array(at) * summed[-1], summed - 0.5 * weights[order], values[order])


def _fitted() -> Fitted:
    found: dict[str, Any] = json.loads((Path(str(files(__package__))) / "data" / "fitted.json").read_text())
    kept: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in found.items()}
    return Fitted(**kept)


FITTED = _fitted()
"""What benchmarks/experience/fit.py found."""

"""Few ticks, with plain numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter, NullLocator

__all__ = ["few"]


def few(axes: Axes) -> None:
    """Three to five ticks on each axis."""
    for axis, scale in ((axes.xaxis, axes.get_xscale()), (axes.yaxis, axes.get_yscale())):
        if scale == "log":
            axis.set_major_locator(_Decades(numticks=5))
            axis.set_major_formatter(FuncFormatter(_power))
            axis.set_minor_locator(NullLocator())
            axis.set_minor_formatter(NullFormatter())
        else:
            axis.set_major_locator(MaxNLocator(5, steps=[1, 2, 2.5, 5, 10]))
            axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.6g}".replace("-", "−")))


class _Decades(LogLocator):
    """Powers of ten; where there are too few of them in the picture, 1, 2 and 5 in each decade, or 1 and 3."""

    def tick_values(self, vmin: float, vmax: float) -> Any:
        """The places of the ticks."""
        decades = np.log10(vmax / vmin) if 0 < vmin < vmax else 9.0
        self.set_params(subs=(1, 2, 5) if decades < 1.2 else (1, 3) if decades < 2.2 else (1,))
        return super().tick_values(vmin, vmax)


def _power(value: float, place: int | None = None) -> str:
    """A tick of a logarithmic axis: plain digits from 0.001 to 1000, else powers of ten.

    >>> _power(0.02), _power(3e-5), _power(1e-7)
    ('0.02', '$3\\\\cdot10^{-5}$', '$10^{-7}$')
    """
    if value <= 0:
        return ""
    if 0.00099 < value < 1001:
        return f"{value:g}"
    digits, exponent = f"{value:.0e}".split("e")
    times = "" if digits == "1" else rf"{digits}\cdot"
    return f"${times}10^{{{int(exponent)}}}$"

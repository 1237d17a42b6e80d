"""Views: what a picture shows, as arrays and words, before anything is drawn.

`draw` makes figures of them, `text` terminal lines, `report` a page; a test of a picture is a test of these arrays.
"""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["Curves", "Line", "Mark", "Path", "RateMap", "Row", "Sticks", "Strips", "View", "line"]

Array = NDArray[np.float64]


class Line(NamedTuple):
    """One curve or cloud of points with its own label: no legend is ever needed."""

    x: Array  # (n,)
    y: Array  # (n,); not finite = nothing is drawn there
    label: str = ""
    role: str = "ink"  # hot, ink, grey, pale, or ramp (coloured by `shade`)
    dots: bool = False  # points instead of a line
    shade: float = 0.0  # place in the ramp, 0 flattest to 1 sharpest
    dashed: bool = False
    width: float = 1.5  # points


class Mark(NamedTuple):
    """A vertical hairline with a word."""

    x: float
    label: str


class Curves(NamedTuple):
    """Several lines over one pair of axes."""

    name: str  # file name, without its ending
    title: str
    lines: tuple[Line, ...]
    x_label: str
    y_label: str
    caption: str
    log_x: bool = False
    log_y: bool = True
    marks: tuple[Mark, ...] = ()
    ticks: tuple[tuple[float, str], ...] = ()  # on the x axis, where the numbers themselves would say little
    limits: tuple[float, float] | None = None  # of the y axis


class Sticks(NamedTuple):
    """A discrete distribution over curvature: one stick per node."""

    name: str
    title: str
    x: Array  # (n,) curvatures
    heights: tuple[Array, ...]  # each (n,), the shares of one quantity
    labels: tuple[str, ...]
    upper: float  # the upper bar
    caption: str
    x_label: str = "curvature"
    y_label: str = "share"


class RateMap(NamedTuple):
    """The rate of every (alpha, beta) on one spectrum, and where the method stands."""

    name: str
    title: str
    alpha: Array  # (A,)
    beta: Array  # (B,)
    rate: Array  # (B, A); above 1 = diverges
    edge: Array  # (B,) largest stable alpha for each beta
    point: tuple[float, float]  # (alpha, beta) of the method
    best: tuple[float, float]  # the fastest node of the map
    caption: str
    trail: Array | None = None  # (n, 2) where the point came from
    labels: tuple[str, str] = ("alpha", "beta")


class Path(NamedTuple):
    """A run over the level lines of a two-dimensional problem."""

    name: str
    title: str
    x: Array  # (X,)
    y: Array  # (Y,)
    values: Array  # (Y, X)
    path: Array  # (steps + 1, 2)
    optimum: Array | None  # (2,)
    caption: str
    others: tuple[Line, ...] = ()  # more runs over the same ground, named at their last points


class Row(NamedTuple):
    """One distribution: a dot per run, and the number that was printed for it."""

    label: str
    values: Array  # (runs,)
    printed: float | None = None


class Strips(NamedTuple):
    """Distributions under each other, over one axis."""

    name: str
    title: str
    rows: tuple[Row, ...]  # from the top
    x_label: str
    caption: str
    log_x: bool = False


View: TypeAlias = Curves | Sticks | RateMap | Path | Strips


def line(x: ArrayLike, y: ArrayLike, label: str = "", role: str = "ink", **more: bool | float) -> Line:
    """A Line from anything array-like.

    >>> line([0, 1], [2, 3], "loss").y
    array([2., 3.])
    """
    return Line(np.asarray(x, dtype=float), np.asarray(y, dtype=float), label, role, **more)  # type: ignore[arg-type]

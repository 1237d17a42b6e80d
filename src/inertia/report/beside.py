"""Where labels stand: beside a point where no curve crosses them, and apart from each other."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from matplotlib.axes import Axes

from .views import Array

__all__ = ["beside", "spread"]

_LETTER, _LINE = 0.62, 1.1  # mean width of a letter and height of a line of DejaVu Sans, in font sizes


def beside(axes: Axes, place: tuple[float, float], words: str, curves: Sequence[Array], size: float = 8.5) -> tuple[float, float, str]:
    """Where to write beside a point: left or right edge and middle height, in shares of the axes, and how it is aligned.

    Args:
        place: the point, in shares of the axes.
        words: the label.
        curves: points (K, 2) of each curve, in shares of the axes, nan where it is not drawn; a single dot is one row.
        size: of the font, in points.

    Of several places, the first that no curve crosses; the first of all where every one is crossed.
    """
    box = axes.get_window_extent()
    points = 72 / float(axes.figure.dpi)
    wide, tall = len(words) * _LETTER * size / (box.width * points), _LINE * size / (box.height * points)
    x, y = place
    left = x > 0.7
    wanted = [(side, up) for up in (0.03, -0.045, 0.08) for side in (left, not left)]
    if y >= 0.9:
        wanted = [(side, up) for up in (-0.05, -0.1) for side in (left, not left)]
    found = [(x + (-0.012 if side else 0.012), y + up, side) for side, up in wanted]
    inside = [one for one in found if tall / 2 <= one[1] <= 1 - tall / 2 and (one[0] >= wide if one[2] else one[0] + wide <= 1)]
    inside = inside or found[:1]
    for at, height, side in inside:
        low = at - wide if side else at
        if not any(_crosses(curve, (low, low + wide), (height - tall / 2, height + tall / 2)) for curve in curves):
            return at, height, "right" if side else "left"
    at, height, side = inside[0]
    return at, height, "right" if side else "left"


def _crosses(curve: Array, across: tuple[float, float], up: tuple[float, float]) -> bool:
    """Whether the curve passes through the rectangle: looked at in small steps along each of its pieces."""
    for one, other in pairwise(curve) if len(curve) > 1 else [(curve[0], curve[0])]:
        if np.isfinite([*one, *other]).all():
            x, y = np.linspace(one, other, 64).T
            if np.any((across[0] < x) & (x < across[1]) & (up[0] < y) & (y < up[1])):
                return True
    return False


def spread(wanted: Array, gap: float) -> Array:
    """Positions in [0, 1] as near as possible to the wanted ones, at least `gap` apart, order kept.

    >>> spread(np.array([0.5, 0.5, 0.9]), 0.1).round(3).tolist()
    [0.45, 0.55, 0.9]
    """
    order = np.argsort(wanted, kind="stable")
    # Blocks that touch move as one to the mean of what their members want (pool adjacent violators).
    blocks: list[list[float]] = []
    for index, value in enumerate(wanted[order]):
        blocks.append([value - index * gap, 1.0])
        while len(blocks) > 1 and blocks[-2][0] > blocks[-1][0]:
            (last, n), (before, m) = blocks.pop(), blocks.pop()
            blocks.append([(before * m + last * n) / (m + n), m + n])
    placed = np.concatenate([np.full(int(n), value) for value, n in blocks]) if blocks else np.zeros(0)
    result = np.empty_like(placed)
    result[order] = np.clip(placed, 0, max(1 - gap * (len(placed) - 1), 0)) + gap * np.arange(len(placed))
    return result

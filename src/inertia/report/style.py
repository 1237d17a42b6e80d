"""One look for every picture: white paper, ink, hairlines and a single hot colour for what the reader chose."""

from __future__ import annotations

from typing import Any

__all__ = ["CONTOURS", "GREY", "HAIR", "HOT", "HOTINK", "INK", "MAP", "PAPER", "RAMP", "RC", "blend"]

PAPER, INK, GREY, HAIR, HOT = "#ffffff", "#22303c", "#66727e", "#d9e0e6", "#f2611d"
HOTINK = "#bf430a"  # the hot colour of words, dark enough to be read on paper
CONTOURS = ("#b0c4d6", "#fafbfc")  # low ground to high ground
MAP = ("#123c5c", "#f6f8f4")  # fast to slow
RAMP = ("#7fa8c9", "#1f4e79")  # eigencomponents, flattest to sharpest

# DejaVu comes with matplotlib, so pictures are the same on every machine; letters are outlines, so SVGs need no font.
RC: dict[str, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "axes.edgecolor": HAIR,
    "axes.linewidth": 0.8,
    "axes.labelcolor": GREY,
    "axes.labelsize": 9,
    "axes.titlesize": 10,
    "axes.titlecolor": INK,
    "axes.titlelocation": "left",
    "axes.unicode_minus": True,
    "xtick.color": HAIR,
    "ytick.color": HAIR,
    "xtick.labelcolor": GREY,
    "ytick.labelcolor": GREY,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "xtick.minor.visible": False,
    "ytick.minor.visible": False,
    "figure.facecolor": PAPER,
    "savefig.facecolor": PAPER,
    "svg.fonttype": "path",
    "svg.hashsalt": "inertia",
}


def blend(low: str, high: str, share: float) -> str:
    """The colour at `share` of the way from one hex colour to another.

    >>> blend("#000000", "#ffffff", 0.5)
    '#808080'
    """
    pairs = zip(_channels(low), _channels(high), strict=True)
    return "#" + "".join(f"{round(a + (b - a) * min(max(share, 0.0), 1.0)):02x}" for a, b in pairs)


def _channels(colour: str) -> tuple[int, ...]:
    return tuple(int(colour[start : start + 2], 16) for start in (1, 3, 5))

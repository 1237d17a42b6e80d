"""The static twin of every figure: matplotlib draws the same view data that the page gets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..report.styled import styled
from .fields import clean
from .views import allowed, expanded, named

__all__ = ["SIZES", "colours", "data", "figure", "halo", "hot", "ramp", "shade"]

SIZES = (9.84, 5.4)  # inches: the page's 984 pixels at 100 per inch
_MAPS = {
    "map": ["#123c5c", "#2f6f94", "#7fb3c8", "#c9e0df", "#f6f8f4"],
    "contour": ["#b0c4d6", "#fafbfc"],
    "wave": ["#f3f6f3", "#a9cddb", "#2f6f94", "#94698c", "#f2611d"],
    "mode": ["#d9541a", "#f6c9ad", "#f6f8f4", "#a3c6dc", "#1f4e79"],
    "component": ["#9dbfda", "#1f4e79"],
}
_STYLE = {
    "font.size": 9,
    "axes.edgecolor": "#d9e0e6",
    "axes.labelcolor": "#22303c",
    "axes.titlesize": 9,
    "axes.titlecolor": "#22303c",
    "xtick.color": "#66727e",
    "ytick.color": "#66727e",
    "text.color": "#22303c",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "figure.facecolor": "white",
}


def figure(name: str, **state: Any) -> Any:
    """The figure of that name as a matplotlib Figure; fields that are not given keep their defaults.

    Raises:
        BadInput: no such figure, no such field, or a value of the wrong kind.

    >>> len(figure("map", alpha=0.5).axes)
    3
    """
    from matplotlib.figure import Figure

    module = named(name)
    shown = data(name, **state)
    with styled(_STYLE):
        canvas = Figure(figsize=SIZES, layout="constrained")
        canvas.suptitle(f"{module.TITLE}. {shown['caption'].replace('*', '')}", fontsize=10, x=0.01, ha="left", wrap=True)
        module.draw(canvas, shown)
    return canvas


def data(name: str, **state: Any) -> dict[str, Any]:
    """Everything the figure shows, as arrays and words.

    >>> data("map", alpha=1.0, beta=0.0)["regime"]
    'one-step'
    """
    module = named(name)
    view = module.view(clean(allowed(module), state))
    return expanded(view) | {"caption": view.caption, "alt": view.alt}


def colours(name: str) -> Any:
    """A colour map of the laboratory: map (fast to slow), contour, component (flat to steep)."""
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list(name, _MAPS[name])


def ramp(index: int, count: int) -> Any:
    """Colour of one eigencomponent among `count`, flat to steep."""
    return colours("component")(index / max(count - 1, 1))


def hot() -> str:
    """The one hot colour: what the hand holds, and its path."""
    return "#f2611d"


def halo(text: Any) -> Any:
    """A white halo, so that a label stays readable on any ground."""
    from matplotlib.patheffects import withStroke

    text.set_path_effects([withStroke(linewidth=3, foreground="white")])
    return text


def shade(axes: Any, ground: Mapping[str, Any]) -> None:
    """Fill the level sets of a surface on matplotlib axes, as the page paints them."""
    import numpy as np

    (left, right), (bottom, top) = ground["domain"]
    if "matrix" in ground:
        across, up = np.meshgrid(np.linspace(left, right, 193), np.linspace(bottom, top, 129))
        away = np.stack([across, up], axis=-1) - ground["centre"]
        heights = 0.5 * np.sum(away * (away @ ground["matrix"]), axis=-1)
    else:
        heights = ground["heights"]
        across, up = np.linspace(left, right, heights.shape[1]), np.linspace(bottom, top, heights.shape[0])
    axes.set_facecolor(colours("contour")(0.0))
    if len(ground["levels"]) and np.isfinite(heights).any():
        levels = [*ground["levels"], np.inf]
        shades = [colours("contour")(index / len(ground["levels"])) for index in range(1, len(levels))]
        axes.contourf(across, up, np.ma.masked_invalid(np.minimum(heights, 1e30)), levels=[*levels[:-1], 2e30], colors=shades)
        axes.contour(across, up, np.ma.masked_invalid(heights), levels=levels[:-1], colors="#9fb3c4", linewidths=0.3)

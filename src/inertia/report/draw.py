"""Views become matplotlib figures in one house style: direct labels with a halo, few ticks, one hairline frame."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from matplotlib.textpath import TextPath

from .beside import beside, spread
from .style import CONTOURS, GREY, HOT, HOTINK, INK, MAP, PAPER, RAMP, RC, blend
from .styled import styled
from .ticks import few
from .views import Array, Curves, Line, Path, RateMap, Sticks, Strips, View

__all__ = ["figure", "image"]

_SIZE, _NARROW = (7.0, 3.7), (4.4, 3.4)  # inches; the narrow one is for telephones
_HALO = [withStroke(linewidth=2.6, foreground=PAPER)]
_HUGE = 1e200  # beyond this the margins of an axis overflow
_WITHIN = 0.72  # of a figure's width that its axes have at least, beside labels and a colour bar
_GAP = 0.062  # least distance between two labels, in heights of the axes


def figure(view: View, narrow: bool = False) -> Figure:
    """The matplotlib figure of a view (no pyplot, no global state).

    >>> from inertia.report.views import Curves, line
    >>> figure(Curves("loss", "Loss", (line([0, 1], [2, 1], "loss"),), "step", "loss", "")).axes[0].get_title(loc="left")
    'Loss'
    """
    with styled(RC):
        made = Figure(figsize=_NARROW if narrow else _SIZE, layout="constrained")
        axes = made.add_subplot()
        axes.set_title(view.title, pad=9)
        _DRAW[type(view)](axes, view)
    return made


def image(view: View, kind: str = "png", dots_per_inch: int = 160, narrow: bool = False) -> bytes:
    """The picture as the bytes of a PNG or SVG file: the same view gives the same bytes."""
    held = io.BytesIO()
    with styled(RC):
        about = {"Date": None} if kind == "svg" else {"Software": "inertia"}
        figure(view, narrow).savefig(held, format=kind, dpi=dots_per_inch, metadata=about)
    return _rounded(held.getvalue()) if kind == "svg" else held.getvalue()


def _rounded(svg: bytes) -> bytes:
    """The same drawing with path coordinates to a hundredth of a point: half the size."""
    return re.sub(rb' d="[^"]*"', lambda path: re.sub(rb"(\.\d\d)\d+", rb"\1", path[0]), svg)


def _curves(axes: Axes, view: Curves) -> None:
    kept = [(item, *_visible(item, view)) for item in view.lines]
    for item, x, y in kept:
        style: dict[str, Any] = {"color": _colour(item), "zorder": 4 if item.role == "hot" else 3, "solid_joinstyle": "round"}
        if item.dots:
            axes.plot(x, y, "o", ms=5.5, mec=PAPER, mew=0.8, **style)
        else:
            axes.plot(x, y, lw=item.width, ls=(0, (4, 2)) if item.dashed else "-", **style)
    axes.margins(x=0.015)
    _scales(axes, view.log_x, view.log_y)
    axes.set(xlabel=view.x_label, ylabel=view.y_label)
    _limits(axes, view, [y for _, _, y in kept])
    if view.ticks:
        axes.set_xticks([place for place, _ in view.ticks], [words for _, words in view.ticks])
    for mark in view.marks:
        axes.axvline(mark.x, color=GREY, lw=0.8, ls=(0, (2, 2)), zorder=1)
    _labels(axes, kept, [mark.x for mark in view.marks])
    for mark in view.marks:
        _top(axes, mark.label, mark.x)


def _sticks(axes: Axes, view: Sticks) -> None:
    roles = [RAMP[1], GREY]
    logarithmic = bool(np.all(view.x > 0) and view.x.max() > 20 * view.x.min())
    _scales(axes, logarithmic, False)
    peaks: list[tuple[float, float, str, str]] = []
    shift = 1.012  # neighbours on one curvature stand side by side
    for index, (heights, label) in enumerate(zip(view.heights, view.labels, strict=True)):
        seen = np.isfinite(heights)
        x, heights = view.x[seen] * (shift**index if logarithmic else 1.0), heights[seen]
        axes.vlines(x, 0, heights, color=roles[index], lw=1.6, alpha=0.9, zorder=3)
        axes.plot(x, heights, "o", ms=4, color=roles[index], mec=PAPER, mew=0.6, zorder=4)
        top = int(np.argmax(heights))
        peaks.append((float(x[top]), float(heights[top]), label, roles[index]))
    axes.axvline(view.upper, color=GREY, lw=0.8, ls=(0, (2, 2)), zorder=1)
    axes.set(xlabel=view.x_label, ylabel=view.y_label)
    axes.set_ylim(0, 1.2 * max(float(np.nanmax(heights)) for heights in view.heights))
    for x_top, height, label, colour in peaks:
        _note(axes, label, (x_top, height), colour, PAPER)
    _top(axes, "upper bar", view.upper)


def _map(axes: Axes, view: RateMap) -> None:
    speed = _speed(view.rate)
    colours = LinearSegmentedColormap.from_list("speed", MAP[::-1]).with_extremes(bad=(1, 1, 1, 0))
    drawn = axes.imshow(  # shaded between the nodes as a mesh would be, in a tenth of its time
        np.ma.masked_invalid(speed), cmap=colours, vmin=0, vmax=1, origin="lower", aspect="auto", interpolation="bilinear",
        interpolation_stage="rgba", extent=(*_around(view.alpha), *_around(view.beta)),
    )  # fmt: skip
    inside = view.edge <= view.alpha[-1]
    axes.fill_betweenx(view.beta, np.minimum(view.edge, view.alpha[-1]), view.alpha[-1], color=PAPER, lw=0, zorder=2)
    axes.plot(view.edge[inside], view.beta[inside], color=INK, lw=1, zorder=3)
    bar = axes.figure.colorbar(drawn, ax=axes, fraction=0.035, pad=0.02, ticks=[0, 0.5, 1], format="%g")
    bar.set_label("digits per step, fastest = 1", color=GREY, fontsize=8)
    bar.outline.set_visible(False)  # type: ignore[operator]
    if view.trail is not None:
        axes.plot(*view.trail.T, color=HOT, lw=1, alpha=0.7, zorder=4)
        axes.plot(*view.trail.T, "o", ms=2.6, color=HOT, mec=PAPER, mew=0.3, zorder=4)
    axes.plot(*view.best, "o", ms=7, mfc="none", mec=PAPER, mew=1.6, zorder=5)
    # A point beyond the map is drawn on its border; its label has the number.
    at = (float(np.clip(view.point[0], view.alpha[0], view.alpha[-1])), view.point[1])
    axes.plot(*at, "o", ms=8.5, color=HOT, mec=PAPER, mew=1.4, zorder=6)
    _note(axes, "fastest", view.best, PAPER, INK)
    _note(axes, f"{view.labels[0]} {view.point[0]:.3g}, {view.labels[1]} {view.point[1]:.3g}", at, HOTINK, PAPER)
    if np.any(view.edge < 0.86 * view.alpha[-1]):
        axes.text(0.985, 0.05, "diverges", transform=axes.transAxes, ha="right", color=GREY, zorder=4, path_effects=_HALO)
    axes.set(xlabel=view.labels[0], ylabel=view.labels[1], xlim=(view.alpha[0], view.alpha[-1]), ylim=(view.beta[0], view.beta[-1]))
    few(axes)


def _around(nodes: Array) -> tuple[float, float]:
    """The borders of the outer cells of evenly spaced nodes, each node in the middle of its cell."""
    half = 0.5 * (nodes[1] - nodes[0])
    return float(nodes[0] - half), float(nodes[-1] + half)


def _path(axes: Axes, view: Path) -> None:
    low = float(np.nanmin(view.values))
    heights = view.values - low
    top = float(np.nanmax(heights))
    levels = top * np.geomspace(1e-4, 1, 15)
    ramp = LinearSegmentedColormap.from_list("ground", list(CONTOURS))
    fill = [ramp(share) for share in np.linspace(0, 1, 16)]
    axes.contourf(view.x, view.y, heights, levels=[0, *levels], colors=fill, extend="max")
    axes.contour(view.x, view.y, heights, levels=levels, colors=PAPER, linewidths=0.5)
    for other in view.others:
        axes.plot(other.x, other.y, color=_colour(other), lw=1.1, ls=(0, (4, 2)) if other.dashed else "-", zorder=3)
        axes.plot(other.x, other.y, "o", color=_colour(other), ms=2.8, mec=PAPER, mew=0.4, zorder=3)
    axes.plot(*view.path.T, color=HOT, lw=1.2, zorder=4)
    axes.plot(*view.path.T, "o", color=HOT, ms=3.2, mec=PAPER, mew=0.4, zorder=5)
    axes.set(xlim=(view.x[0], view.x[-1]), ylim=(view.y[0], view.y[-1]), xlabel="x1", ylabel="x2")
    axes.plot(*view.path[0], "o", color=HOT, ms=7, mec=PAPER, mew=1.2, zorder=6, clip_on=False)
    _note(axes, "start", (float(view.path[0, 0]), float(view.path[0, 1])), HOTINK, PAPER)
    if view.optimum is not None:
        axes.plot(*view.optimum, "o", ms=8, mfc="none", mec=INK, mew=1.2, zorder=6)
        _note(axes, "optimum", (float(view.optimum[0]), float(view.optimum[1])), INK, PAPER)
    for other in view.others:
        inside = (view.x[0] <= other.x) & (other.x <= view.x[-1]) & (view.y[0] <= other.y) & (other.y <= view.y[-1])
        if other.label and inside.any():
            first = int(np.argmax(inside))
            _note(axes, other.label, (float(other.x[first]), float(other.y[first])), _colour(other), PAPER)
    few(axes)


def _strips(axes: Axes, view: Strips) -> None:
    """A dot per run, spread up and down by its rank so that equal runs stay visible; bars at 5 and 95 %."""
    _scales(axes, view.log_x, False)
    for index, row in enumerate(view.rows):
        values = np.sort(row.values[np.isfinite(row.values)])
        height = -index + 0.24 * np.sin(2.4 * np.arange(len(values)))  # 2.4 rad, the golden angle: neighbours never line up
        axes.plot(values, height, "o", ms=3, color=RAMP[0], alpha=0.7, mec="none", zorder=3)
        if len(values):
            low, middle, high = np.quantile(values, [0.05, 0.5, 0.95])
            axes.plot([low, high], [-index, -index], color=INK, lw=1, zorder=4)
            axes.plot([middle], [-index], "o", ms=5, color=INK, mec=PAPER, mew=0.8, zorder=5)
        if row.printed is not None:
            axes.plot([row.printed], [-index], "D", ms=6.5, color=HOT, mec=PAPER, mew=1, zorder=6)
        axes.annotate(
            row.label, (1.015, -index), xycoords=("axes fraction", "data"), va="center", color=INK, fontsize=8.5, annotation_clip=False
        )
    axes.set(xlabel=view.x_label, ylim=(-len(view.rows) + 0.45, 0.6), yticks=[])


_DRAW: dict[type, Callable[[Axes, Any], None]] = {Curves: _curves, Sticks: _sticks, RateMap: _map, Path: _path, Strips: _strips}


def _speed(rate: Array) -> Array:
    """Digits per step as a share of the fastest node of the map; nothing where it diverges."""
    with np.errstate(divide="ignore", invalid="ignore"):
        digits = -np.log(np.maximum(rate, 1e-12))
    fastest = float(np.nanmax(digits))
    return np.clip(digits / fastest if fastest > 0 else np.zeros_like(digits), 0, 1)


def _visible(item: Line, view: Curves) -> tuple[Array, Array]:
    """The line with gaps (nan) where nothing can be drawn: a curve that leaves the picture is not joined across."""
    kept = np.isfinite(item.x) & np.isfinite(item.y) & (np.abs(item.y) < _HUGE)
    if view.log_y:
        kept &= item.y > 0
    if view.log_x:
        kept &= item.x > 0
    if item.dots:
        return item.x[kept], item.y[kept]
    return item.x, np.where(kept, item.y, np.nan)


def _end(x: Array, y: Array) -> tuple[float, float]:
    """The last drawn point of a line."""
    last = np.flatnonzero(np.isfinite(y))[-1]
    return float(x[last]), float(y[last])


def _colour(item: Line) -> str:
    return {"hot": HOT, "ink": INK, "grey": GREY, "pale": CONTOURS[0]}.get(item.role) or blend(*RAMP, item.shade)


def _words(item: Line) -> str:
    """The colour of a line's label: its own, where that can be read."""
    return {"hot": HOTINK, "pale": GREY}.get(item.role) or _colour(item)


def _scales(axes: Axes, log_x: bool, log_y: bool) -> None:
    if log_x:
        axes.set_xscale("log")
    if log_y:
        axes.set_yscale("log")
    few(axes)


def _limits(axes: Axes, view: Curves, heights: Sequence[Array]) -> None:
    """The view's own limits; else keep a diverging curve from flattening the others: three decades above the start."""
    if view.limits is not None:
        axes.set_ylim(*view.limits)
        return
    fine = [y[np.isfinite(y)] for y in heights if np.isfinite(y).any()]
    if fine and view.log_y:
        start, every = float(np.median([y[0] for y in fine])), np.concatenate(fine)
        if every.max() > 1e3 * start >= min(y.max() for y in fine):
            axes.set_ylim(float(every.min()) / 1.6, 1e3 * start)


def _labels(axes: Axes, lines: Sequence[tuple[Line, Array, Array]], marks: Sequence[float] = ()) -> None:
    """Write each line's label at its right end, pushed apart where they would touch; a dot's label beside it."""
    axes.get_xlim(), axes.get_ylim()  # settles the limits
    items = [entry for entry in lines if entry[0].label and np.isfinite(entry[2]).any()]
    to_axes = axes.transData + axes.transAxes.inverted()
    dots = [entry for entry in items if entry[0].dots]
    places = [to_axes.transform(_end(x, y)) for _, x, y in dots]
    curves = [entry for entry in items if not entry[0].dots]
    drawn = [part for item, x, y in lines if len(x) for part in _pieces(item, to_axes.transform(np.column_stack([x, y])))]
    drawn += [to_axes.transform([[x, y] for y in axes.get_ylim()]) for x in marks]
    found = [beside(axes, (float(place[0]), float(place[1])), entry[0].label, drawn) for entry, place in zip(dots, places, strict=True)]
    for (item, _, _), (left, _, side), height in zip(dots, found, spread(np.array([at for _, at, _ in found]), _GAP), strict=True):
        axes.annotate(
            item.label, (left, float(height)), xycoords="axes fraction", va="center",
            ha=side, color=_words(item), fontsize=8.5, path_effects=_HALO, zorder=7,
        )  # fmt: skip
    ends = [to_axes.transform(_end(x, y)) for _, x, y in curves]
    wanted = np.array([min(max(float(end[1]), 0.02), 0.98) for end in ends])
    for (item, _, _), height in zip(curves, spread(wanted, _GAP), strict=True):
        axes.annotate(
            item.label, (1, 1), (1.015, float(height)), xycoords="axes fraction", textcoords="axes fraction", va="center",
            color=_words(item), fontsize=8.5, path_effects=_HALO, annotation_clip=False, zorder=7,
        )  # fmt: skip


def _pieces(item: Line, points: Array) -> list[Array]:
    """What a label keeps clear of: the whole curve, or each of its dots."""
    return [point[None] for point in points] if item.dots else [points]


def _share(axes: Axes, where: tuple[float, float]) -> tuple[float, float]:
    """A point of the data as shares of the axes."""
    found = (axes.transData + axes.transAxes.inverted()).transform(where)
    return float(found[0]), float(found[1])


def _note(axes: Axes, words: str, where: tuple[float, float], colour: str, halo: str) -> None:
    """A word beside a point, on the side that has room; where neither has, in two lines, above or below it and within the axes."""
    right, up = _share(axes, where)
    far, high = right > 0.7, up > 0.88
    aside, rise = -8.0 if far else 8.0, -12.0 if high else 6.0
    points = axes.figure.bbox.width * 72 / axes.figure.dpi * _WITHIN  # of the axes
    room = points * min(max(right if far else 1 - right, 0.0), 1.0) - 8
    lacking = _wide(words) - room
    if lacking > 0:
        words = words.replace(", ", ",\n", 1)
        lacking = max(max(map(_wide, words.split("\n"))) - room, 0.0)
        aside += lacking if far else -lacking
        rise += -6.0 if high else 17.0  # clear of the point, and of what is written at the bottom
    axes.annotate(
        words, where, (aside, rise), textcoords="offset points", ha="right" if far else "left", va="top" if high else "bottom",
        in_layout=False, color=colour, fontsize=8.5, path_effects=[withStroke(linewidth=2.6, foreground=halo)], zorder=7,
    )  # fmt: skip


def _wide(words: str) -> float:
    """Width of a line of a note, in points; a little more than its outlines, because pixels round it up."""
    return 1.06 * float(TextPath((0, 0), words, size=8.5).get_extents().width)


def _top(axes: Axes, words: str, x: float) -> None:
    """A word at the top of a vertical line, on the side that has room."""
    far = _share(axes, (x, axes.get_ylim()[1]))[0] > 0.6
    axes.annotate(
        words, (x, 1), (-4 if far else 4, -4), xycoords=("data", "axes fraction"), textcoords="offset points", va="top",
        ha="right" if far else "left", color=GREY, fontsize=8, path_effects=_HALO, zorder=6,
    )  # fmt: skip

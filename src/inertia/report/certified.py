"""The price of leaving quadratics: the certified rate of every (alpha, beta) beside its quadratic rate, on one scale.

`certified_maps` gathers arrays and words, `picture` draws them; a test of the picture is a test of the arrays.
"""

from __future__ import annotations

import io
from typing import Any, NamedTuple

import numpy as np
from matplotlib.colors import LinearSegmentedColormap, ListedColormap
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from numpy.typing import NDArray

from ..core.method import Method
from ..theory.certify.maps import CertifiedMap
from .style import GREY, HOT, HOTINK, INK, MAP, PAPER, RC
from .styled import styled

__all__ = ["CertifiedView", "certified_maps", "picture"]

Array = NDArray[np.float64]

_HALO = [withStroke(linewidth=2.6, foreground=PAPER)]


class CertifiedView(NamedTuple):
    """Two maps over the same plane in digits per step, and the places where nothing is proved."""

    title: str
    alpha: Array  # (A,)
    beta: Array  # (B,)
    quadratic: Array  # (B, A) digits per step on the worst quadratic; negative where it diverges
    certified: Array  # (B, A) digits per step proved for every function; nan where nothing is proved
    cycle: NDArray[np.int64]  # (B, A) K of a cycle, 0 where none is known or where it diverges already on quadratics
    open: NDArray[np.bool_]  # (B, A) neither proved nor refuted
    point: tuple[float, float] | None  # (alpha, beta) of the method in question
    best: tuple[tuple[float, float], tuple[float, float]]  # the fastest node of either map
    caption: str


def certified_maps(made: CertifiedMap, method: Method | None = None) -> CertifiedView:
    """The view of a map of certified rates.

    >>> from inertia.theory.certify.maps import certified_rate_map
    >>> certified_maps(certified_rate_map([0.5, 1.0], [0.0, 0.3], 0.1, 1.0, check=False)).best
    ((1.0, 0.3), (1.0, 0.3))
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        quadratic = -np.log10(np.maximum(made.quadratic, 1e-12))
        certified = -np.log10(np.maximum(made.rate, 1e-12))
    cycle = np.where(made.quadratic < 1, made.cycle, 0)
    stable = int(np.sum(made.quadratic < 1))
    share = [100 * count / max(stable, 1) for count in (np.isfinite(made.rate).sum(), (cycle > 0).sum(), made.open.sum())]
    how = "every proof re-checked in exact arithmetic" if made.checked.any() else "from the frequency response, not re-checked"
    caption = (
        f"Of the pairs that converge on every quadratic with curvatures in [{made.mu:g}, {made.L:g}], {share[0]:.0f} % are proved to "
        f"converge on every such strongly convex function ({how}), {share[1]:.0f} % cycle for ever on one of them, and {share[2]:.1f} % "
        f"are open. Fastest on quadratics: {_pace(quadratic)}; fastest with a proof: {_pace(certified)}."
    )
    best = (_fastest(made, quadratic), _fastest(made, certified))
    point = None if method is None else (float(method.alpha), float(method.beta))
    title = f"mu = {made.mu:g}, L = {made.L:g}, condition number {made.L / made.mu:.4g}"
    return CertifiedView(title, made.alpha, made.beta, quadratic, certified, cycle, made.open, point, best, caption)


def picture(view: CertifiedView, kind: str = "png", dots_per_inch: int = 160) -> bytes:
    """The figure of a view as the bytes of a PNG or SVG file: the same view gives the same bytes."""
    held = io.BytesIO()
    with styled(RC):
        figure(view).savefig(held, format=kind, dpi=dots_per_inch, metadata={"Date": None} if kind == "svg" else {"Software": "inertia"})
    return held.getvalue()


def figure(view: CertifiedView) -> Figure:
    """The matplotlib figure: quadratic rate left, certified rate right, one colour scale."""
    with styled(RC):
        made = Figure(figsize=(9.2, 4.1), layout="constrained")
        left, right = made.subplots(1, 2, sharey=True)
        colours = LinearSegmentedColormap.from_list("speed", MAP[::-1])
        top = float(np.nanmax(np.concatenate([view.quadratic.ravel(), [0.0]]))) or 1.0
        for axes, speed in ((left, view.quadratic), (right, view.certified)):
            seen = np.ma.masked_where(~(speed > 0), speed)
            drawn = axes.pcolormesh(view.alpha, view.beta, seen, cmap=colours, vmin=0, vmax=top, rasterized=True)
            axes.set(xlabel="alpha", xlim=(view.alpha[0], view.alpha[-1]), ylim=(view.beta[0], view.beta[-1]))
        left.set(ylabel="beta")
        left.set_title("worst quadratic")
        right.set_title("proved for every function of the class")
        _nothing_proved(right, view)
        _diverging(left, view)
        for axes, best in zip((left, right), view.best, strict=True):
            axes.plot(*best, "o", ms=7, mfc="none", mec=PAPER, mew=1.6, zorder=5)
            _note(axes, "fastest", best, PAPER, INK)
            if view.point is not None and _inside(view, view.point):
                axes.plot(*view.point, "o", ms=8, color=HOT, mec=PAPER, mew=1.3, zorder=6, clip_on=False)
        bar = made.colorbar(drawn, ax=[left, right], fraction=0.03, pad=0.015, format="%.2g")
        bar.set_label("digits per step", color=GREY, fontsize=8)
        bar.outline.set_visible(False)  # type: ignore[operator]
        made.suptitle(view.title, x=0.01, ha="left", fontsize=10, color=GREY)
    return made


def _nothing_proved(axes: Any, view: CertifiedView) -> None:
    """Cycling pairs in warm hatching with a word, open ones in plain grey."""
    cycles = view.cycle > 0
    if cycles.any():
        tint = ListedColormap(["#fbe3d7"])
        axes.pcolormesh(view.alpha, view.beta, np.ma.masked_where(~cycles, cycles), cmap=tint, rasterized=True)
        with styled({"hatch.color": HOT, "hatch.linewidth": 0.4}):
            axes.contourf(view.alpha, view.beta, cycles.astype(float), levels=[0.5, 1.5], colors="none", hatches=["////"])
        rows, cols = np.nonzero(cycles)
        middle = np.argmin((rows - rows.mean()) ** 2 + (cols - cols.mean()) ** 2)
        place = (view.alpha[cols[middle]], view.beta[rows[middle]])
        axes.annotate("cycles for ever", place, ha="center", va="center", color=HOTINK, fontsize=9, path_effects=_HALO, zorder=6)
    if view.open.any():
        grey = ListedColormap([GREY])
        axes.pcolormesh(view.alpha, view.beta, np.ma.masked_where(~view.open, view.open), cmap=grey, rasterized=True)
        rows, cols = np.nonzero(view.open)
        first = int(np.argmin(rows - cols))  # the lowest on the right: beside it lies the white region, with room for a word
        axes.annotate(
            "open", (view.alpha[cols[first]], view.beta[rows[first]]), (26, -20), textcoords="offset points", color=GREY, fontsize=8.5,
            path_effects=_HALO, arrowprops={"arrowstyle": "-", "color": GREY, "lw": 0.8, "shrinkB": 1}, zorder=7,
        )  # fmt: skip
    _diverging(axes, view)


def _diverging(axes: Any, view: CertifiedView) -> None:
    wild = ~(view.quadratic > 0)
    if wild.any() and not wild.all():
        axes.contour(view.alpha, view.beta, view.quadratic, levels=[0.0], colors=INK, linewidths=0.8)
    if wild[: max(1, len(view.beta) // 5), -1].all():
        axes.text(0.985, 0.05, "diverges", transform=axes.transAxes, ha="right", color=GREY, zorder=4, path_effects=_HALO)


def _inside(view: CertifiedView, place: tuple[float, float]) -> bool:
    return bool(view.alpha[0] <= place[0] <= view.alpha[-1] and view.beta[0] <= place[1] <= view.beta[-1])


def _fastest(made: CertifiedMap, digits: Array) -> tuple[float, float]:
    if not np.isfinite(digits).any():
        return float(made.alpha[0]), float(made.beta[0])
    row, col = np.unravel_index(int(np.nanargmax(digits)), digits.shape)
    return float(made.alpha[col]), float(made.beta[row])


def _pace(digits: Array) -> str:
    if not np.isfinite(digits).any():
        return "nowhere"
    return f"{float(np.nanmax(digits)):.3g} digits per step"


def _note(axes: Any, words: str, place: tuple[float, float], colour: str, halo: str) -> None:
    left, right = axes.get_xlim()
    far = (place[0] - left) / (right - left) > 0.6
    axes.annotate(
        words, place, (-9 if far else 9, 6), textcoords="offset points", ha="right" if far else "left",
        color=colour, fontsize=8.5, path_effects=[withStroke(linewidth=2.6, foreground=halo)], zorder=7,
    )  # fmt: skip

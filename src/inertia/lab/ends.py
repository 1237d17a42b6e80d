"""Where runs from one start end, over the plane of learning rate and momentum."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.method import Method, readout, step
from .landscape import FAR, Surface
from .plane import method

__all__ = ["ends"]

Array = NDArray[np.float64]
_WORK, _SLOW = 240_000, 40_000  # steps of one map over all its cells: of a surface, of a reader's formula
_DECADES = 12  # a run that ends so far below its start has arrived


def ends(ground: Surface, family: tuple[str, float], start: tuple[float, float], steps: int, slow: bool = False) -> dict[str, Any]:
    """Runs of a (family, gamma) from one start, over learning rates up to the end of the slider and momenta up to 0.99.

    `grid` (rows of beta from 0 up, columns of alpha) holds the loss after `steps` above the optimum (without one, above the lowest of
    the map), as decades below that of the start: 0 for as many as the lowest has (at most twelve), 254 for none, 255 where the run
    has left. `best` is the cell that ends lowest, None if all leave; `slow` surfaces, a reader's formula, get fewer cells.

    >>> from inertia.lab.landscape import surface
    >>> ends(surface("valley"), ("heavy-ball", 0.0), (-5.0, -2.0), 150)["grid"].shape
    (32, 48)
    """
    cells = (_SLOW if slow else _WORK) // steps
    columns = min(48, max(12, int(np.sqrt(1.5 * cells))))
    rows = min(32, max(8, cells // columns))
    alpha, beta = np.linspace(0, ground.alpha_high, columns), np.linspace(0, 0.99, rows)
    made = method(family[0], alpha[None, :], beta[:, None], family[1])
    one = Method(*(np.broadcast_to(np.asarray(part, dtype=float), (rows, columns)) for part in made))
    final = _final(ground, one, start, steps, slow)
    gone = ~np.isfinite(final)
    with np.errstate(all="ignore"):
        first = float(ground.value(np.array(start)))
        known = float(ground.value(np.array(ground.optimum))) if ground.optimum else float(np.min(final, where=~gone, initial=np.inf))
        decades = np.where(final <= known, _DECADES, -np.log10((final - known) / (first - known)))
        decades = np.where(gone, 0.0, np.clip(np.nan_to_num(decades), 0, _DECADES))
        grid = np.where(gone, 255, np.round(254 * (1 - decades / max(decades.max(), 1.0)))).astype(np.uint8)
    row, column = np.unravel_index(np.argmin(np.where(gone, np.inf, final)), final.shape)
    best = None if gone.all() else {"alpha": float(alpha[column]), "beta": float(beta[row])}
    return {"grid": grid, "right": ground.alpha_high, "best": best}


def _final(ground: Surface, one: Method, start: tuple[float, float], steps: int, slow: bool) -> Array:
    """Loss of every run after its last step, nan where it has left."""
    x, y, u, v = (np.full(one.alpha.shape, float(value)) for value in (*start, 0.0, 0.0))  # type: ignore[union-attr]
    lost = np.zeros(x.shape, dtype=bool)
    with np.errstate(all="ignore"):
        for _ in range(steps):
            across, up = np.moveaxis(ground.gradient(np.stack([x, y], axis=-1)), -1, 0) if slow else ground.slope(x, y)  # type: ignore[arg-type]
            (x, u), (y, v) = step(one, x, u, across), step(one, y, v, up)
            lost |= ~((np.abs(readout(one, x, u)) < FAR) & (np.abs(readout(one, y, v)) < FAR))
        seen = np.stack([readout(one, x, u), readout(one, y, v)], axis=-1)
        return np.where(lost, np.nan, ground.value(seen))

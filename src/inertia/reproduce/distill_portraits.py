"""Document 002, figure 9: the grid of 24 phase portraits, four springs by six momenta."""

from __future__ import annotations

import numpy as np

from ..core.method import Method
from ..problems.base import Array
from ..report.views import Curves, line
from ..theory.modes import iterate
from .experiment import Row, claim, formula

__all__ = ["portrait_rows", "portraits"]

_ALPHA, _STEPS, _POSITION, _VELOCITY = 0.02, 150, 0.92, 1.0
_LAMBDA, _BETA = np.array([0.0, 0.02, 0.1, 0.25]), np.array([1.0, 0.985, 0.95, 0.9, 0.85, 0.8])


def _walked() -> tuple[Array, Array]:
    """Positions and velocities (4, 6, steps + 1) by taking the steps, as the figure's caption writes them."""
    x, y = np.full((4, 6), _POSITION), np.full((4, 6), _VELOCITY)
    positions, velocities = [x], [y]
    for _ in range(_STEPS):
        y = _BETA * y + _LAMBDA[:, None] * x
        x = x - _ALPHA * y
        positions.append(x)
        velocities.append(y)
    return np.stack(positions, axis=-1), np.stack(velocities, axis=-1)


def portrait_rows() -> list[Row]:
    """All 24 portraits: the closed form against the steps, and what the captions say of the first row and of all."""
    positions, velocities = _walked()
    closed = iterate(Method(_ALPHA, _BETA[:, None]), _LAMBDA[:, None, None], np.arange(_STEPS + 1), _POSITION, _VELOCITY)
    both = np.stack([np.broadcast_to(closed.params, positions.shape), np.broadcast_to(closed.velocity, positions.shape)])
    shares = velocities[0, :, 1:] / velocities[0, :, :-1]
    second = np.diff(positions, n=2, axis=-1)
    spring = -(1 - _BETA[:, None]) * np.diff(positions, axis=-1)[..., :-1] - _ALPHA * _LAMBDA[:, None, None] * positions[..., 1:-1]
    off = np.abs(second - spring).max(axis=-1)
    return [
        formula(
            "002/fig9/portraits",
            both[..., ::50],
            np.stack([positions, velocities])[..., ::50],
            "all 24 portraits, position and velocity: R^k against the steps",
        ),
        claim(
            "002/fig9/lost-share",
            np.abs(shares - _BETA[:, None]).max() < 1e-12,
            shares[:, 0],
            "first row, lambda = 0: what is left of the speed after a step, for the six beta",
        ),
        claim(
            "002/fig9/spring",
            off.max() < 1e-12,
            off.max(),
            "all 24: x'' = -(1 - beta) x' - alpha lambda x holds exactly between neighbouring iterates; this is how far it is off",
        ),
    ]


def portraits() -> Curves:
    """The 24 portraits side by side, speed to the right and position up, as in the figure."""
    positions, velocities = _walked()
    across, up = 0.45 * -1.4 * velocities / 5, 0.45 * np.where(np.abs(positions) <= 1.1, positions, np.nan)  # each in its own cell
    gap = np.full((6, 1), np.nan)
    lines = tuple(
        line(
            np.hstack([across[r] + np.arange(6)[:, None], gap]).ravel(),
            np.hstack([up[r] - r, gap]).ravel(),
            f"lambda {_LAMBDA[r]:g}",
            "ramp",
            shade=r / 3,
        )
        for r in range(4)
    )
    caption = (
        "Figure 9: 150 steps from position 0.92 with velocity -1, alpha 0.02. The force lambda grows downwards, the damping to the right."
    )
    return Curves(
        "damping-grid",
        "Twenty-four portraits of damping",
        lines,
        "beta (speed to the right in each)",
        "position (one row below the other)",
        caption,
        log_y=False,
        ticks=tuple((float(i), f"{beta:g}") for i, beta in enumerate(_BETA)),
        limits=(-3.6, 0.6),
    )

"""Pictures of what is possible: the limit of each class as a curve, and speed against noise for designed methods."""

from __future__ import annotations

import numpy as np

from ..core.method import Method
from ..theory.certify.design import Design
from ..theory.certify.limits import limit_curve
from ..theory.certify.robust import NoiseGain
from ..theory.modes import iterate
from .views import Curves, Line, line

__all__ = ["limit_curves", "trade_off"]

_MODES = 400  # curvatures, even and logarithmic, among which the worst is looked for


def limit_curves(mu: float, L: float, methods: dict[str, Method], steps: int) -> Curves:
    """The least distance that quadratics and strongly convex functions leave after k gradients, over what methods leave on quadratics.

    >>> limit_curves(1.0, 4.0, {}, 3).lines[0].y.round(3).tolist()
    [1.0, 0.6, 0.22, 0.074]
    """
    k = np.arange(steps + 1)
    curvatures = np.concatenate([np.geomspace(mu, L, _MODES), np.linspace(mu, L, _MODES)])[:, None]
    lines: list[Line] = [line(k, limit_curve("quadratic", mu, L, k), "limit, quadratics", "hot")]
    lines.append(line(k, limit_curve("strongly-convex", mu, L, k), "limit, strongly convex", "hot", dashed=True))
    for name, method in methods.items():
        left = np.max(np.abs(iterate(method, curvatures, k).hidden), axis=0)
        lines.append(line(k, left, name.replace("-", " "), "ink", width=1.0))
    caption = (
        f"Condition number {L / mu:.4g}. Orange: what remains of the distance to the optimum after k gradients, whatever the method, on "
        "the worst function of the class. Ink: what each method leaves on its own worst quadratic, exactly."
    )
    return Curves("limits", "What no first-order method can beat", tuple(lines), "gradients", "distance to the optimum", caption)


def trade_off(designs: list[Design], known: dict[str, tuple[float, NoiseGain]], mu: float, L: float) -> Curves:
    """Certified noise gain over certified rate: the designed methods as a curve, the catalogue's as points.

    >>> trade_off([Design(Method(1.0), 0.9, 2.0, 1.9)], {}, 0.1, 1.0).lines[0].y.tolist()
    [2.0]
    """
    rates = [design.rate for design in designs]
    lines = [line(rates, [design.gain for design in designs], "designed", "hot")]
    lines += [
        line([rate], [noise.gain], name.removesuffix("-momentum").replace("-", " "), "ink", dots=True)
        for name, (rate, noise) in known.items()
        if np.isfinite(noise.gain)
    ]
    caption = (
        f"Condition number {L / mu:.4g}. Each point is proved for every strongly convex function: left is faster, down lets less gradient "
        "noise through. The curve was found by search over alpha, beta and gamma; the points are the named methods that have a proof."
    )
    return Curves("trade-off", "Speed against noise", tuple(lines), "certified rate per step", "certified noise gain", caption, log_y=False)

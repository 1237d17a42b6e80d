"""Numbers as sentences: the captions and verdicts that every face repeats word for word."""

from __future__ import annotations

import math

from ..core.method import Method
from ..core.spectrum import Spectrum

__all__ = ["named", "pace", "remedy", "sentence"]

_SETTLED = 1 - 1e-12
_FLAT = 1e-9  # a curvature this small beside the largest is zero up to rounding


def pace(rate: float) -> str:
    """What a rate per step means.

    >>> pace(0.7746)
    'each step multiplies the error by 0.7746: 9.0 steps per digit'
    >>> pace(1.0)
    'it never settles: each step multiplies the error by 1'
    >>> pace(1.4)
    'it diverges: each step multiplies the error by 1.4'
    >>> pace(1 - 4e-7)
    'each step multiplies the error by 1 - 4e-07: 5756462 steps per digit'
    """
    if rate > 2 - _SETTLED:
        return f"it diverges: each step multiplies the error by {_near_one(rate)}"
    if rate >= _SETTLED:
        return "it never settles: each step multiplies the error by 1"
    if rate <= 1e-7:
        return "it is done in as many steps as there are roots: the rate is 0"
    digit = -math.log(10) / math.log(rate)
    return f"each step multiplies the error by {_near_one(rate)}: {digit:.{1 if digit < 100 else 0}f} steps per digit"


def _near_one(rate: float) -> str:
    """A rate that four digits would round to 1 is written as its distance from 1."""
    if f"{rate:.4g}" != "1" or rate == 1:
        return f"{rate:.4g}"
    return f"1 {'-' if rate < 1 else '+'} {abs(1 - rate):.2g}"


def remedy(method: Method, spectrum: Spectrum, edge: float) -> str:
    """The smallest change that makes a diverging or never-settling method work; empty where it works.

    >>> from inertia.core.spectrum import spectrum
    >>> remedy(Method(0.6), spectrum([0.2, 4.0]), 2 / 0.6)
    'the largest curvature 4 is beyond the edge 3.333: shrink alpha by a factor 0.8333, to below 0.5'
    """
    alpha, beta, gamma, _ = method
    sharpest = spectrum.L
    if spectrum.mu < -_FLAT * abs(sharpest):
        return f"the smallest curvature {spectrum.mu:.4g} is negative: there every method of this family runs away from the saddle"
    if beta <= -1 and sharpest > 0:
        return "with beta = -1 no alpha is stable: use beta > -1"
    if edge < sharpest:
        share = edge / sharpest
        words = f"the largest curvature {sharpest:.4g} is beyond the edge {edge:.4g}"
        return f"{words}: shrink alpha by a factor {share:.4g}, to below {alpha * share:.4g}"
    if edge == sharpest:
        return f"the largest curvature {sharpest:.4g} is exactly the edge: any alpha below {alpha:.4g} settles"
    if beta >= 1 and gamma <= 0:
        return "beta = 1 keeps every past gradient for ever, so it never settles: use beta < 1"
    if abs(spectrum.mu) <= _FLAT * abs(sharpest):
        return "along the curvature 0 nothing pulls: there the error stays"
    return ""


def named(method: Method) -> str:
    """A method in words for captions.

    >>> named(Method(0.1, beta=0.9, gamma=0.9)), named(Method(0.1))
    ('Nesterov, alpha 0.1, beta 0.9', 'gradient descent, alpha 0.1')
    """
    alpha, beta, gamma, _ = (float(value) for value in method)
    if beta == 0 and gamma == 0:
        return f"gradient descent, alpha {alpha:.4g}"
    if gamma == 0:
        return f"heavy ball, alpha {alpha:.4g}, beta {beta:.4g}"
    if gamma == beta:
        return f"Nesterov, alpha {alpha:.4g}, beta {beta:.4g}"
    return f"alpha {alpha:.4g}, beta {beta:.4g}, gamma {gamma:.4g}"


def sentence(words: str) -> str:
    """The words with a capital letter and a full stop, unless they begin with a symbol.

    >>> sentence("noise-limited: momentum only rescales alpha")
    'Noise-limited: momentum only rescales alpha.'
    >>> sentence("beta = 1 never settles")
    'beta = 1 never settles.'
    """
    first = words.split(" ", 1)[0]
    kept = words if first in {"alpha", "beta", "gamma"} else words[:1].upper() + words[1:]
    return kept if kept.endswith((".", "!", "?")) else kept + "."

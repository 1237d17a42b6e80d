"""Values that carry their first and second derivatives (jets of order two): exact to rounding, at the price of a few operations."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

import numpy as np

__all__ = ["DERIVED", "FUNCTIONS", "Derived", "Jet", "exp", "inverse", "log", "plus", "powers", "raised", "scaled", "times"]

Derived: TypeAlias = tuple[Any, Any, Any]


class Jet(NamedTuple):
    """A value with its first derivatives (x, y) and its second (xx, xy, yy), the latter None where nobody asked."""

    value: Any
    first: tuple[Any, Any]
    second: tuple[Any, Any, Any] | None


def _chain(u: Jet, value: Any, slope: Any, bend: Any) -> Jet:
    """f(u), given f, f' and f'' at u."""
    (a, b), second = u.first, None
    if u.second is not None:
        second = (slope * u.second[0] + bend * a * a, slope * u.second[1] + bend * a * b, slope * u.second[2] + bend * b * b)
    return Jet(value, (slope * a, slope * b), second)


def plus(u: Jet, v: Jet) -> Jet:
    """u + v."""
    second = None if u.second is None or v.second is None else tuple(s + t for s, t in zip(u.second, v.second, strict=True))
    return Jet(u.value + v.value, (u.first[0] + v.first[0], u.first[1] + v.first[1]), second)  # type: ignore[arg-type]


def times(u: Jet, v: Jet) -> Jet:
    """u v."""
    (a, b), (c, d), second = u.first, v.first, None
    if u.second is not None and v.second is not None:
        cross = (2 * a * c, a * d + b * c, 2 * b * d)
        second = tuple(u.value * t + v.value * s + w for s, t, w in zip(u.second, v.second, cross, strict=True))
    return Jet(u.value * v.value, (u.value * c + v.value * a, u.value * d + v.value * b), second)  # type: ignore[arg-type]


def scaled(u: Jet, factor: float) -> Jet:
    """A multiple of u."""
    return _chain(u, factor * u.value, factor, 0.0)


def inverse(u: Jet) -> Jet:
    """1/u."""
    one = 1 / u.value
    return _chain(u, one, -one * one, 2 * one * one * one)


def raised(u: Jet, power: float) -> Jet:
    """u^power for a constant power; 0 and 1 have no negative powers in their derivatives."""
    return _chain(u, *powers(u.value, power))


def powers(value: Any, power: float) -> Derived:
    """value^power with its first and second derivatives."""
    slope = power * _whole(value, power - 1) if power != 0 else 0.0
    bend = power * (power - 1) * _whole(value, power - 2) if power not in (0, 1) else 0.0
    return _whole(value, power), slope, bend


def _whole(base: Any, power: float) -> Any:
    """base^power, small whole powers by multiplication: the page does it in the same order, to the last bit."""
    if not float(power).is_integer() or abs(power) > 64:
        return base**power
    made = np.ones_like(base)
    for _ in range(int(abs(power))):
        made = made * base
    return 1 / made if power < 0 else made


def _exp(v: Any) -> Derived:
    e = np.exp(v)
    return e, e, e


def _tanh(v: Any) -> Derived:
    t = np.tanh(v)
    return t, 1 - t * t, -2 * t * (1 - t * t)


# f, f' and f'' of a value.
DERIVED: dict[str, Callable[[Any], Derived]] = {
    "abs": lambda v: (np.abs(v), np.sign(v), 0.0),
    "cos": lambda v: (np.cos(v), -np.sin(v), -np.cos(v)),
    "exp": _exp,
    "log": lambda v: (np.log(v), 1 / v, -1 / (v * v)),
    "sin": lambda v: (np.sin(v), np.cos(v), -np.sin(v)),
    "sqrt": lambda v: powers(v, 0.5),
    "tanh": _tanh,
}


def _lifted(derived: Callable[[Any], Derived]) -> Callable[[Jet], Jet]:
    return lambda u: _chain(u, *derived(u.value))


FUNCTIONS: dict[str, Callable[[Jet], Jet]] = {name: _lifted(derived) for name, derived in DERIVED.items()}
exp, log = FUNCTIONS["exp"], FUNCTIONS["log"]

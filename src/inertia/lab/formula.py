"""A formula in x and y, typed by a reader (`grammar`), differentiated exactly, never evaluated as code.

Derivatives are forward (`jets`), so the gradient is exact to rounding and costs a few array operations.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .grammar import Call, Minus, Node, Number, Power, Product, Reader, Sum, Variable, free
from .jets import FUNCTIONS, Jet, exp, inverse, log, plus, raised, scaled, times

__all__ = ["FUNCTIONS", "Formula", "formula"]

Array: TypeAlias = NDArray[np.float64]
_Node: TypeAlias = Callable[[Jet, Jet], Jet]


@dataclass(frozen=True, eq=False)
class Formula:
    """A function of the plane: value, exact gradient and exact Hessian of points (..., 2)."""

    text: str
    node: _Node

    def value(self, points: ArrayLike) -> Array:
        """f(x, y): (..., 2) -> (...); not finite where the formula is not defined."""
        return self._jet(points, False).value

    def gradient(self, points: ArrayLike) -> Array:
        """(df/dx, df/dy): (..., 2) -> (..., 2)."""
        return np.stack(self._jet(points, False).first, axis=-1)

    def slope(self, x: float, y: float) -> tuple[float, float]:
        """The gradient at one point, without arrays: what a long path asks for step by step."""
        # numpy's numbers, because they answer 1/0 and overflow with inf and nan as arrays do; the caller silences the warnings
        across, up = self.node(Jet(np.float64(x), (1.0, 0.0), None), Jet(np.float64(y), (0.0, 1.0), None)).first
        return float(across), float(up)

    def hessian(self, points: ArrayLike) -> Array:
        """Second derivatives: (..., 2) -> (..., 2, 2)."""
        second = self._jet(points, True).second
        xx, xy, yy = second if second is not None else (0.0, 0.0, 0.0)
        return np.stack([np.stack([xx, xy], axis=-1), np.stack([xy, yy], axis=-1)], axis=-2)

    def _jet(self, points: ArrayLike, second: bool) -> Jet:
        place = np.asarray(points, dtype=float)
        x, y = place[..., 0], place[..., 1]
        none = (0.0, 0.0, 0.0) if second else None
        with np.errstate(all="ignore"):
            jet = self.node(Jet(x, (1.0, 0.0), none), Jet(y, (0.0, 1.0), none))
            spread = [np.broadcast_to(np.asarray(part, dtype=float), x.shape) for part in (jet.value, *jet.first, *(jet.second or ()))]
        return Jet(spread[0], (spread[1], spread[2]), (spread[3], spread[4], spread[5]) if second else None)


def formula(text: str) -> Formula:
    """The function that a formula in x and y means.

    Numbers, x, y, pi, + - * / ^, parentheses and sqrt exp log sin cos tanh abs; a missing sign between two factors multiplies.

    Raises:
        BadInput: the text is no such formula; the message says where and what was expected.

    >>> f = formula("(1 - x)^2 + 20 (3y - x^2)^2")
    >>> f.value([1.0, 1 / 3]).item(), f.gradient([0.0, 0.0]).tolist()
    (0.0, [-2.0, 0.0])
    """
    return Formula(text.strip(), _made(Reader(text).read()))


def _made(node: Node) -> _Node:
    """What a tree computes."""
    match node:
        case Number(value):
            return _constant(np.float64(value))
        case Variable(name):
            return (lambda x, y: x) if name == "x" else (lambda x, y: y)
        case Minus(inner):
            return _negative(_made(inner))
        case Sum(left, right, minus):
            return _sum(_made(left), _made(right), -1.0 if minus else 1.0)
        case Product(left, right, divide):
            return _product(_made(left), _made(right), divide)
        case Power(base, power):
            return _power(_made(base), _made(power), fixed=free(power))
        case Call(name, inner):
            return _call(FUNCTIONS[name], _made(inner))
    raise AssertionError(f"a formula in x and y has no {type(node).__name__}")


def _negative(u: _Node) -> _Node:
    return lambda x, y: scaled(u(x, y), -1.0)


def _constant(value: np.float64) -> _Node:
    return lambda x, y: Jet(value, (0.0, 0.0), None if x.second is None else (0.0, 0.0, 0.0))


def _call(function: Callable[[Jet], Jet], inner: _Node) -> _Node:
    return lambda x, y: function(inner(x, y))


def _sum(u: _Node, v: _Node, sign: float) -> _Node:
    return lambda x, y: plus(u(x, y), v(x, y) if sign > 0 else scaled(v(x, y), -1.0))


def _product(u: _Node, v: _Node, divide: bool) -> _Node:
    return lambda x, y: times(u(x, y), inverse(v(x, y)) if divide else v(x, y))


def _power(u: _Node, v: _Node, fixed: bool) -> _Node:
    """u^v; `fixed` where no variable stands in v."""

    def node(x: Jet, y: Jet) -> Jet:
        base, power = u(x, y), v(x, y)
        return raised(base, float(power.value)) if fixed else exp(times(power, log(base)))

    return node

"""A formula in x and y, typed by a reader: read by a small grammar, differentiated exactly, never evaluated as code.

    sum     = product (("+" | "-") product)*
    product = signed (("*" | "/")? signed)*          a missing sign multiplies: 20 (3y - x^2)^2
    signed  = ("+" | "-")* power
    power   = atom (("^" | "**") signed)?             binds to the right and before the sign: -x^2 = -(x^2)
    atom    = number | x | y | pi | function "(" sum ")" | "(" sum ")"

Derivatives are forward (`jets`), so the gradient is exact to rounding and costs a few array operations.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import BadInput, nearest
from .jets import FUNCTIONS, Jet, exp, inverse, log, plus, raised, scaled, times

__all__ = ["FUNCTIONS", "Formula", "formula"]

Array: TypeAlias = NDArray[np.float64]
_LONGEST, _DEEPEST = 200, 24
_TOKEN = re.compile(r"\s*(?:(\d+\.?\d*(?:[eE][+-]?\d+)?|\.\d+(?:[eE][+-]?\d+)?)|([A-Za-z]+)|(\*\*|[-+*/^()]))")


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
    if len(text) > _LONGEST:
        raise BadInput(f"the formula has {len(text)} characters, at most {_LONGEST} are read: shorten it")
    reader = _Reader(text)
    node = reader.sum(0)
    if reader.token:
        raise BadInput(f"unexpected '{reader.token}' {reader.place()}: a closing parenthesis has no opening one")
    return Formula(text.strip(), node)


class _Reader:
    """A recursive-descent reader, one token ahead."""

    def __init__(self, text: str) -> None:
        self.text, self.position, self.start, self.token, self.variables = text, 0, 0, "", 0
        self.advance()

    def place(self) -> str:
        """Where the current token stands, for a message."""
        return f"at character {self.start + 1} of '{self.text.strip()}'" if self.token else f"at the end of '{self.text.strip()}'"

    def advance(self) -> None:
        """Read the next token; '' at the end."""
        if not self.text[self.position :].strip():
            self.start, self.token = len(self.text), ""
            return
        match = _TOKEN.match(self.text, self.position)
        if match is None:
            raise BadInput(
                f"cannot read '{self.text[self.position :].strip()[0]}' in '{self.text.strip()}': use numbers, x, y, + - * / ^ ( )"
            )
        before, end = self.token, self.position
        self.token = match.group(match.lastindex or 0)
        self.start = match.start(match.lastindex or 0)
        if re.fullmatch("[xy]{2,}", self.token):  # written together they are a product, as 3xy is on paper; the rest is read next
            self.token = self.token[0]
        self.position = self.start + len(self.token)
        if match.lastindex == 1 and before:
            self.apart(before, self.start == end)

    def apart(self, before: str, touching: bool) -> None:
        """Refuse what can be read in two ways: 1.1.1 is no number, and x10 may mean x^10 or 10 x."""
        if before[0].isdigit() or before[0] == ".":
            raise BadInput(
                f"two numbers '{before}' and '{self.token}' stand side by side {self.place()}: write * between them, or one number"
            )
        if touching and before[0].isalpha() and not re.match("[A-Za-z(]", self.text[self.position :]):
            raise BadInput(
                f"'{before}{self.token}' may mean a power or a product {self.place()}: write {before}^{self.token} or {self.token} {before}"
            )

    def sum(self, depth: int) -> _Node:
        """product (+ product)*."""
        if depth > _DEEPEST:
            raise BadInput(f"more than {_DEEPEST} parentheses or powers inside each other: simplify the formula")
        total = self.product(depth)
        while self.token in ("+", "-"):
            sign = -1.0 if self.token == "-" else 1.0
            self.advance()
            total = _sum(total, self.product(depth), sign)
        return total

    def product(self, depth: int) -> _Node:
        """signed (* signed)*."""
        total = self.signed(depth)
        while self.token and self.token not in ("+", "-", ")"):
            divide = self.token == "/"
            if self.token in ("*", "/"):
                self.advance()
            total = _product(total, self.signed(depth), divide)
        return total

    def signed(self, depth: int) -> _Node:
        """Any number of signs, then a power."""
        sign = 1.0
        while self.token in ("+", "-"):
            sign = -sign if self.token == "-" else sign
            self.advance()
        inner = self.power(depth)
        return inner if sign > 0 else lambda x, y: scaled(inner(x, y), -1.0)

    def power(self, depth: int) -> _Node:
        """An atom, and what it is raised to."""
        base = self.atom(depth)
        if self.token not in ("^", "**"):
            return base
        self.advance()
        if depth > _DEEPEST:
            raise BadInput(f"more than {_DEEPEST} parentheses or powers inside each other: simplify the formula")
        seen, power = self.variables, self.signed(depth + 1)
        return _power(base, power, fixed=self.variables == seen)

    def atom(self, depth: int) -> _Node:
        """A number, a name or something in parentheses."""
        token, place = self.token, self.place()
        if not token or token in ("*", "/", "^", "**", ")"):
            came = f"'{token}'" if token else "nothing"
            raise BadInput(f"expected a number, x, y or a function {place}, got {came}")
        self.advance()
        if token == "(":
            return self.closed(self.sum(depth + 1), place)
        if token[0].isdigit() or token[0] == ".":
            return _constant(np.float64(token))
        if token in ("x", "y"):
            self.variables += 1
            return (lambda x, y: x) if token == "x" else (lambda x, y: y)
        if token == "pi":
            return _constant(np.float64(np.pi))
        if token not in FUNCTIONS:
            raise BadInput(f"unknown name '{token}' {place}: {nearest(token, ['x', 'y', 'pi', *FUNCTIONS])}")
        if self.token != "(":
            raise BadInput(f"{token} needs its argument in parentheses {place}: write {token}(x)")
        self.advance()
        return _call(FUNCTIONS[token], self.closed(self.sum(depth + 1), place))

    def closed(self, inner: _Node, place: str) -> _Node:
        """The inside of a parenthesis, if it ends."""
        if self.token != ")":
            raise BadInput(f"the parenthesis {place} is not closed: add ')'")
        self.advance()
        return inner


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

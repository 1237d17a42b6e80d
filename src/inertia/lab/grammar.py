"""How a typed formula is read: a small grammar, a tree of what it means, never evaluated as code.

    sum     = product (("+" | "-") product)*
    product = signed (("*" | "/")? signed)*          a missing sign multiplies: 20 (3y - x^2)^2
    signed  = ("+" | "-")* power
    power   = atom (("^" | "**") signed)?             binds to the right and before the sign: -x^2 = -(x^2)
    atom    = number | name | pi | function "(" sum ")" | "(" sum ")"

What a name may be is said by the readers built on this one: x and y (`formula`), or any number of variables (`expression`).
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from ..errors import BadInput, nearest
from .jets import FUNCTIONS

__all__ = ["Call", "Fold", "Minus", "Node", "Number", "Power", "Product", "Reader", "Sum", "Variable", "free"]


class Number(NamedTuple):
    """A constant."""

    value: float


class Variable(NamedTuple):
    """A name, with its index where it has one."""

    name: str
    at: Node | None = None


class Minus(NamedTuple):
    """-inner."""

    inner: Node


class Sum(NamedTuple):
    """left + right, or left - right."""

    left: Node
    right: Node
    minus: bool


class Product(NamedTuple):
    """left * right, or left / right."""

    left: Node
    right: Node
    divide: bool


class Power(NamedTuple):
    """base to a power."""

    base: Node
    power: Node


class Call(NamedTuple):
    """A function of one argument."""

    name: str
    inner: Node


class Fold(NamedTuple):
    """A sum or product of `body` over a whole-numbered index from low to high."""

    kind: str
    letter: str
    low: Node
    high: Node
    body: Node


Node: TypeAlias = Number | Variable | Minus | Sum | Product | Power | Call | Fold


def free(node: Node, bound: frozenset[str] = frozenset()) -> bool:
    """Whether no variable stands in it; indices of sums (`bound`) are none.

    >>> free(Power(Number(2.0), Variable("x")))
    False
    """
    if isinstance(node, Variable):
        return node.at is None and node.name in bound
    if isinstance(node, Fold):
        return free(node.body, bound | {node.letter})
    parts: tuple[Any, ...] = node
    nodes: list[Any] = [part for part in parts if isinstance(part, tuple)]
    return all(free(part, bound) for part in nodes)


class Reader:
    """A recursive-descent reader, one token ahead."""

    LONGEST, DEEPEST = 200, 24  # characters; parentheses and powers inside each other
    TOKEN = re.compile(r"\s*(?:(\d+\.?\d*(?:[eE][+-]?\d+)?|\.\d+(?:[eE][+-]?\d+)?)|([A-Za-z]+)|(\*\*|[-+*/^()]))")
    TOGETHER = re.compile("[xy]{2,}")  # names that are a product when written together, as 3xy is on paper
    ENDS: tuple[str, ...] = (")",)  # what ends a sum
    SIGNS, NAMES = "numbers, x, y, + - * / ^ ( )", "x, y"
    SUGGESTED: tuple[str, ...] = ("x", "y", "pi", *FUNCTIONS)

    def __init__(self, text: str) -> None:
        self.text, self.position, self.start, self.token = text, 0, 0, ""

    def read(self) -> Node:
        """The whole text.

        Raises:
            BadInput: it is no formula; the message says where and what was expected.
        """
        if len(self.text) > self.LONGEST:
            raise BadInput(f"the formula has {len(self.text)} characters, at most {self.LONGEST} are read: shorten it")
        self.advance()
        node = self.sum(0)
        if self.token:
            raise BadInput(self.left_over())
        return node

    def left_over(self) -> str:
        """What is said of a token after the end."""
        return f"unexpected '{self.token}' {self.place()}: a closing parenthesis has no opening one"

    def place(self) -> str:
        """Where the current token stands, for a message."""
        return f"at character {self.start + 1} of '{self.text.strip()}'" if self.token else f"at the end of '{self.text.strip()}'"

    def advance(self) -> None:
        """Read the next token; '' at the end."""
        if not self.text[self.position :].strip():
            self.start, self.token = len(self.text), ""
            return
        match = self.TOKEN.match(self.text, self.position)
        if match is None:
            raise BadInput(f"cannot read '{self.text[self.position :].strip()[0]}' in '{self.text.strip()}': use {self.SIGNS}")
        before, end = self.token, self.position
        self.token = match.group(match.lastindex or 0)
        self.start = match.start(match.lastindex or 0)
        if self.TOGETHER.fullmatch(self.token):  # the rest is read next
            self.token = self.token[0]
        self.position = self.start + len(self.token)
        if match.lastindex == 1 and before:
            self.apart(before, self.start == end)

    def apart(self, before: str, touching: bool) -> None:
        """Refuse what can be read in two ways: 1.1.1 is no number, and x10 may mean x^10 or 10 x."""
        if before[0].isdigit() or (before[0] == "." and before != ".."):
            raise BadInput(
                f"two numbers '{before}' and '{self.token}' stand side by side {self.place()}: write * between them, or one number"
            )
        if touching and before[0].isalpha() and not re.match("[A-Za-z(]", self.text[self.position :]):
            raise BadInput(
                f"'{before}{self.token}' may mean a power or a product {self.place()}: write {before}^{self.token} or {self.token} {before}"
            )

    def sum(self, depth: int) -> Node:
        """product (+ product)*."""
        if depth > self.DEEPEST:
            raise BadInput(f"more than {self.DEEPEST} parentheses or powers inside each other: simplify the formula")
        total = self.product(depth)
        while self.token in ("+", "-"):
            minus = self.token == "-"
            self.advance()
            total = Sum(total, self.product(depth), minus)
        return total

    def product(self, depth: int) -> Node:
        """signed (* signed)*."""
        total = self.signed(depth)
        while self.token and self.token not in ("+", "-", *self.ENDS):
            divide = self.token == "/"
            if self.token in ("*", "/"):
                self.advance()
            total = Product(total, self.signed(depth), divide)
        return total

    def signed(self, depth: int) -> Node:
        """Any number of signs, then a power."""
        minus = False
        while self.token in ("+", "-"):
            minus ^= self.token == "-"
            self.advance()
        inner = self.power(depth)
        return Minus(inner) if minus else inner

    def power(self, depth: int) -> Node:
        """An atom, and what it is raised to."""
        base = self.atom(depth)
        if self.token not in ("^", "**"):
            return base
        self.advance()
        if depth > self.DEEPEST:
            raise BadInput(f"more than {self.DEEPEST} parentheses or powers inside each other: simplify the formula")
        return Power(base, self.signed(depth + 1))

    def atom(self, depth: int) -> Node:
        """A number, a name or something in parentheses."""
        token, place = self.token, self.place()
        if not token or token in ("*", "/", "^", "**", *self.ENDS):
            came = f"'{token}'" if token else "nothing"
            raise BadInput(f"expected a number, {self.NAMES} or a function {place}, got {came}")
        self.advance()
        if token == "(":
            return self.closed(self.sum(depth + 1), place)
        if token[0].isdigit() or token[0] == ".":
            return Number(float(token))
        if token == "pi":
            return Number(float(np.pi))
        return self.name(token, place, depth)

    def name(self, token: str, place: str, depth: int) -> Node:
        """A variable, or a function with its argument."""
        if token in ("x", "y"):
            return Variable(token)
        return self.call(token, place, depth)

    def call(self, token: str, place: str, depth: int) -> Node:
        """A function with its argument."""
        if token not in FUNCTIONS:
            raise BadInput(f"unknown name '{token}' {place}: {nearest(token, self.SUGGESTED)}")
        if self.token != "(":
            raise BadInput(f"{token} needs its argument in parentheses {place}: write {token}(x)")
        self.advance()
        return Call(token, self.closed(self.sum(depth + 1), place))

    def closed(self, inner: Node, place: str) -> Node:
        """The inside of a parenthesis, if it ends."""
        if self.token != ")":
            raise BadInput(f"the parenthesis {place} is not closed: add ')'")
        self.advance()
        return inner

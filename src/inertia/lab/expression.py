"""A formula of many variables, typed by a reader: x1^2 + 10 x2^2, or sum(i=1..n-1, 100 (x[i+1] - x[i]^2)^2 + (1 - x[i])^2).

Beyond the grammar of two variables (`grammar`): a variable is a letter or a Greek name, with a number (x1, x_1) or an index (x[i+1]);
sum(i=a..b, ...) and prod(i=a..b, ...) run over a whole-numbered index, and n is how many variables x[1], ..., x[n] there are.
Nothing is evaluated as code: the tree becomes a list of array operations (`program`).
"""

from __future__ import annotations

import functools
import re

from ..errors import BadInput, nearest
from .grammar import Fold, Node, Number, Reader, Variable
from .jets import FUNCTIONS
from .program import Program, program

__all__ = ["MOST", "expression"]

MOST = 50  # variables
_GREEK = re.compile(  # names of more than a letter that are variables
    "alpha|beta|gamma|delta|epsilon|zeta|eta|theta|iota|kappa|lambda|mu|nu|xi|rho|sigma|tau|phi|chi|psi|omega"
)
_PLAIN = {"−": "-", "·": "*", "×": "*", "²": "^2", "³": "^3", "π": " pi ", "ln": "log"}
_FOLDS = ("sum", "prod")


@functools.lru_cache(maxsize=32)
def expression(text: str, n: int = 10) -> Program:
    """The function that a formula of up to 50 variables means; n is what the letter n stands for.

    Raises:
        BadInput: no such formula; the message says where and what was expected.

    >>> f = expression("sum(i=1..n, i x[i]^2)", 3)
    >>> f.names, f.gradient([1.0, 1.0, 1.0]).tolist()
    (('x1', 'x2', 'x3'), [2.0, 4.0, 6.0])
    >>> expression("(a - 1)^2 + a b").names
    ('a', 'b')
    """
    for sign, word in _PLAIN.items():
        text = re.sub(rf"\b{sign}\b", word, text) if sign.isascii() else text.replace(sign, word)
    reader = _Many(text)
    made = program(reader.read(), n if reader.counted else None, n, text.strip())
    if not made.names:
        raise BadInput("the formula holds no variable: write one, such as x1^2 + 10 x2^2")
    if len(made.names) > MOST:
        raise BadInput(f"the formula has {len(made.names)} variables, at most {MOST} are followed: lower n, or end the sum earlier")
    return made


class _Many(Reader):
    """The reader of formulas in many variables; `counted` tells whether the letter n occurred."""

    LONGEST = 400
    TOKEN = re.compile(r"\s*(?:((?:\d+(?:\.(?!\.)\d*)?|\.\d+)(?:[eE][+-]?\d+)?)|([A-Za-z]+(?:_?\d+)?)|(\*\*|\.\.|[-+*/^()\[\],=:]))")
    TOGETHER = re.compile("[xyz]{2,}")
    ENDS = (")", "]", ",", "..", ":", "=")
    SIGNS, NAMES = "numbers, variables such as x1 or x[i], + - * / ^ ( ), and sum(i=1..n, ...)", "a variable"
    SUGGESTED = ("pi", "sum", "prod", *FUNCTIONS)

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.counted = False
        self.bound: list[str] = []

    def left_over(self) -> str:
        """What is said of a token after the end."""
        if self.token == ")":
            return super().left_over()
        return f"unexpected '{self.token}' {self.place()}: it belongs inside an index x[...] or a sum(i=1..n, ...)"

    def name(self, token: str, place: str, depth: int) -> Node:
        """A variable, an index, a sum, or a function with its argument."""
        if token in _FOLDS:
            return self.fold(token, place, depth)
        if token in FUNCTIONS:
            return self.call(token, place, depth)
        if token == "n":
            self.counted = True
            return Variable("n")
        if token in self.bound:
            return Variable(token)
        numbered = re.fullmatch(r"([A-Za-z]+)_?(\d+)", token)
        letters = numbered[1] if numbered else token
        if token == "e":
            raise BadInput(f"'e' {place} may mean a variable or the number 2.718: write exp(...) or another letter")
        if len(letters) > 1 and not _GREEK.fullmatch(letters):
            if self.token == "(" or letters in FUNCTIONS:
                return self.call(token, place, depth)
            raise BadInput(
                f"unknown name '{token}' {place}: a variable is one letter, such as x or x1; write * between two of them"
                f"{'' if nearest(token, self.SUGGESTED).startswith('known') else ', or ' + nearest(token, self.SUGGESTED)}"
            )
        if numbered:
            return Variable(letters, Number(float(numbered[2])))
        if self.token != "[":
            return Variable(token)
        self.advance()
        inner = self.sum(depth + 1)
        if self.token != "]":
            raise BadInput(f"the index of {token}[ {place} is not closed: add ']'")
        self.advance()
        return Variable(token, inner)

    def fold(self, kind: str, place: str, depth: int) -> Node:
        """sum(i=a..b, body), or sum(body, i=a..b)."""
        wanted = f"{kind} {place} is written {kind}(i=1..n, x[i]^2)"
        if self.token != "(":
            raise BadInput(wanted)
        self.advance()
        ahead = re.match(r"\s*=", self.text[self.position :])
        if ahead and self.token.isalpha():
            index, low, high = self.range(depth, wanted)
            if self.token != ",":
                raise BadInput(f"{wanted}: a comma is missing {self.place()}")
            self.advance()
            self.bound.append(index)
            body = self.sum(depth + 1)
            self.bound.pop()
        else:
            found = re.search(r",\s*([A-Za-z])\s*=[^,=]*$", self.text[self.position : self.closing()])
            if found is None:
                raise BadInput(f"{wanted}: the range of its index is missing")
            self.bound.append(found[1])
            body = self.sum(depth + 1)
            self.bound.pop()
            if self.token != ",":
                raise BadInput(f"{wanted}: a comma is missing {self.place()}")
            self.advance()
            index, low, high = self.range(depth, wanted)
        return self.closed(Fold(kind, index, low, high, body), place)

    def closing(self) -> int:
        """Where the parenthesis that was just opened ends, or the text does."""
        open_ = 1 if self.token != "(" else 2
        for place in range(self.position, len(self.text)):
            open_ += {"(": 1, ")": -1}.get(self.text[place], 0)
            if open_ == 0:
                return place
        return len(self.text)

    def range(self, depth: int, wanted: str) -> tuple[str, Node, Node]:
        """i=a..b."""
        index = self.token
        if not (len(index) == 1 and index.isalpha()) or index in ("n", "e") or index in self.bound:
            raise BadInput(f"{wanted}: its index is one letter that means nothing else, such as i, got '{index}'")
        self.advance()
        self.advance()  # the sign of equality
        low = self.sum(depth + 1)
        if self.token not in ("..", ":"):
            raise BadInput(f"{wanted}: two dots are missing in its range {self.place()}")
        self.advance()
        return index, low, self.sum(depth + 1)

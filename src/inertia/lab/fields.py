"""What a figure may be asked: named fields with a default and a range; whatever comes is validated and clamped.

The page gets the same declarations, so a range is written once. A number beyond its range is moved to its end (a hand
that drags too far is no error); a value of the wrong kind, or a name that no field has, is an error that says so.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple, TypeAlias

from ..errors import BadInput, nearest

__all__ = ["Choice", "Document", "Field", "Fields", "Flag", "Number", "Numbers", "State", "Text", "clean", "declared"]

State: TypeAlias = dict[str, Any]


class Number(NamedTuple):
    """A number in [low, high]; `step` quantises it on the page (0: four significant digits), `log` its slider's scale."""

    default: float
    low: float
    high: float
    step: float = 0.0
    label: str = ""
    log: bool = False
    whole: bool = False

    def clean(self, name: str, value: Any) -> float | int:
        """The number moved into its range."""
        number = _finite(name, value)
        if self.whole:
            number = round(number)
        clamped = min(max(number, self.low), self.high)
        return int(clamped) if self.whole else float(clamped)


class Numbers(NamedTuple):
    """A list of `least` to `most` numbers, each in [low, high]."""

    default: tuple[float, ...]
    low: float
    high: float
    least: int = 1
    most: int = 12
    label: str = ""

    def clean(self, name: str, value: Any) -> list[float]:
        """Every number moved into the range."""
        if not isinstance(value, list | tuple) or not self.least <= len(value) <= self.most:
            raise BadInput(f"{name} needs a list of {self.least} to {self.most} numbers, got {_short(value)}")
        return [min(max(_finite(name, entry), self.low), self.high) for entry in value]


class Choice(NamedTuple):
    """One of the keys of `options`; the values are what the page shows."""

    default: str
    options: Mapping[str, str]
    label: str = ""

    def clean(self, name: str, value: Any) -> str:
        """The key, if it is one."""
        if not isinstance(value, str) or value not in self.options:
            raise BadInput(f"{name} cannot be {_short(value)}: {nearest(str(value)[:40], self.options)}")
        return value


class Flag(NamedTuple):
    """On or off."""

    default: bool
    label: str = ""

    def clean(self, name: str, value: Any) -> bool:
        """True or False, and nothing that merely looks like it."""
        if not isinstance(value, bool):
            raise BadInput(f"{name} must be true or false, got {_short(value)}")
        return value


class Text(NamedTuple):
    """A line of at most `most` characters."""

    default: str
    most: int = 200
    label: str = ""

    def clean(self, name: str, value: Any) -> str:
        """The text, if it is not too long."""
        if not isinstance(value, str):
            raise BadInput(f"{name} must be text, got {_short(value)}")
        if len(value) > self.most:
            raise BadInput(f"{name} has {len(value)} characters, at most {self.most} are read: shorten it")
        return value


class Document(NamedTuple):
    """A JSON object loaded by the reader, or nothing; what is inside is the figure's to check."""

    default: None = None
    label: str = ""

    def clean(self, name: str, value: Any) -> dict[str, Any] | None:
        """The object itself."""
        if value is not None and not isinstance(value, dict):
            raise BadInput(f"{name} must be a JSON object, got {_short(value)}")
        return value


Field: TypeAlias = Document | Number | Numbers | Choice | Flag | Text
Fields: TypeAlias = Mapping[str, Field]


def clean(fields: Fields, raw: Mapping[str, Any]) -> State:
    """Every field of a figure, as asked where it was asked and the default elsewhere.

    Raises:
        BadInput: a name that is no field, or a value of the wrong kind.

    >>> clean({"alpha": Number(0.1, 0.0, 1.0)}, {"alpha": 7})
    {'alpha': 1.0}
    """
    for name in raw:
        if name not in fields:
            raise BadInput(f"unknown field '{str(name)[:40]}': {nearest(str(name)[:40], fields)}")
    return {name: field.clean(name, raw.get(name, field.default)) for name, field in fields.items()}


def declared(fields: Fields) -> dict[str, dict[str, Any]]:
    """The declarations as plain data for the page.

    >>> declared({"on": Flag(True, "overlay")})
    {'on': {'kind': 'flag', 'default': True, 'label': 'overlay'}}
    """
    return {
        name: {"kind": type(field).__name__.lower()} | {key: _plain(value) for key, value in field._asdict().items()}
        for name, field in fields.items()
    }


def _plain(value: Any) -> Any:
    return dict(value) if isinstance(value, Mapping) else list(value) if isinstance(value, tuple) else value


def _finite(name: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise BadInput(f"{name} must be a number, got {_short(value)}")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise BadInput(f"{name} = {number} is not finite: give a finite number")
    return number


def _short(value: Any) -> str:
    text = repr(value) if isinstance(value, str | int | float | bool | type(None)) else f"a {type(value).__name__} of {len(value)}"
    return text if len(text) <= 60 else text[:57] + "..."

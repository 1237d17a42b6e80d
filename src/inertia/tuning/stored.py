"""Dataclasses of numbers, arrays and enums as plain JSON and back, with every digit: what a journal keeps can be compared byte by byte."""

from __future__ import annotations

import dataclasses
import math
import types
import typing
from enum import Enum
from typing import Any, TypeVar

import numpy as np

__all__ = ["from_plain", "to_plain"]

T = TypeVar("T")
_WORDS = {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}  # JSON has no number for these


def to_plain(value: Any) -> Any:
    """Nested dataclasses, arrays, tuples, enums and numbers as what JSON can hold; numbers that are not finite become words.

    >>> to_plain((1.0, math.inf, np.arange(2)))
    [1.0, 'inf', [0, 1]]
    """
    if isinstance(value, Enum):
        return value.name
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: to_plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, np.ndarray | np.generic):
        return to_plain(value.tolist())
    if isinstance(value, dict):
        return {str(key): to_plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [to_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value if isinstance(value, str | int | float | bool | None) else str(value)


def from_plain(kind: type[T] | Any, data: Any) -> T:
    """The value of type `kind` that `to_plain` wrote.

    Raises:
        KeyError, TypeError, ValueError: the data are of something else.

    >>> from_plain(tuple[float, ...], to_plain((1.0, math.inf)))
    (1.0, inf)
    """
    return typing.cast(T, _made(kind, data))


def _made(kind: Any, data: Any) -> Any:
    kind = _spelled(kind)
    origin, inner = typing.get_origin(kind), typing.get_args(kind)
    if origin in (types.UnionType, typing.Union):
        options = [one for one in inner if one is not type(None)]
        return None if data is None else _made(options[0], data)
    if origin is np.ndarray:
        return np.array([_made(float, item) if isinstance(item, str) else item for item in data], dtype=_dtype(inner))
    if origin is tuple:
        return tuple(_made(inner[0], item) for item in data)
    if origin is dict or kind is dict:
        return dict(data)
    if isinstance(kind, type) and issubclass(kind, Enum):
        return kind[data]
    if dataclasses.is_dataclass(kind):
        hints = typing.get_type_hints(kind)
        kept = {f.name: _made(hints[f.name], data[f.name]) for f in dataclasses.fields(kind) if f.name in data}
        return kind(**kept)  # type: ignore[operator]
    if kind is float:
        return _WORDS[data] if isinstance(data, str) else float(data)
    if kind in (int, str, bool):
        if not isinstance(data, kind):
            raise TypeError(f"{data!r} is not of type {kind.__name__}")
        return data
    return data


def _spelled(kind: Any) -> Any:
    """The type that an alias made by a `type` statement stands for: from numpy 2.5 on NDArray is one."""
    origin, inner = typing.get_origin(kind), typing.get_args(kind)
    alias = kind if origin is None else origin
    if not hasattr(alias, "__value__"):
        return kind
    return _spelled(alias.__value__[inner] if inner else alias.__value__)


def _dtype(inner: tuple[Any, ...]) -> Any:
    """The element type in NDArray[...]: int64 where it says so, else float64."""
    return np.int64 if "int64" in str(inner) else np.float64

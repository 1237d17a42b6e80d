"""What goes wrong, said so that the reader can act: what came, what is allowed, the smallest change that works."""

from __future__ import annotations

import difflib
import importlib
import inspect
from collections.abc import Iterable
from types import ModuleType
from typing import Any

__all__ = [
    "BadData",
    "BadInput",
    "Diverged",
    "InertiaError",
    "InertiaWarning",
    "MissingExtra",
    "Unstable",
    "in_words",
    "nearest",
    "require",
    "takes",
]


class InertiaError(Exception):
    """Root of every error inertia raises on purpose; the command line prints it as one line and exits with code 2."""


class BadInput(InertiaError, ValueError):
    """A value that no computation can use: the message names it, what is allowed and the smallest change that works."""


class Unstable(BadInput):
    """A method asked to work on curvatures beyond its edge."""


class BadData(InertiaError, OSError):
    """A data file that is missing, unreadable or not the file it should be."""


class Diverged(InertiaError, ArithmeticError):
    """A run whose loss or gradient stopped being finite; `record` holds what was finished."""

    def __init__(self, message: str, record: object = None) -> None:
        super().__init__(message)
        self.record = record


class MissingExtra(InertiaError, ImportError):
    """An optional package that is not installed; the message holds the install line."""


class InertiaWarning(UserWarning):
    """Something that works but that the reader should know about."""


def in_words(error: BaseException) -> str:
    """An exception in one line: one of inertia's own in its own words, any other with its kind.

    >>> in_words(BadInput("steps = 0 is too few")), in_words(KeyError("x"))
    ('steps = 0 is too few', "KeyError: 'x'")
    """
    text = str(error) if isinstance(error, InertiaError) else f"{type(error).__name__}: {error}"
    return (text.strip().splitlines() or [type(error).__name__])[0]


def require(module: str, extra: str) -> ModuleType:
    """Import an optional package, or say which extra brings it.

    Raises:
        MissingExtra: the package is not installed.

    >>> require("math", "lab").__name__
    'math'
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        if (error.name or "").split(".")[0] != module.split(".")[0]:
            raise
        raise MissingExtra(f"{module.split('.')[0]} is not installed and this needs it: pip install 'inertia[{extra}]'") from error


def nearest(name: str, allowed: Iterable[str]) -> str:
    """The end of an error message for an unknown name: the nearest allowed one, then all of them.

    >>> nearest("digit", ["airfoil", "digits"])
    "did you mean 'digits'? There are: airfoil, digits"
    >>> nearest("tea", ["airfoil", "digits"])
    'there are: airfoil, digits'
    """
    names = sorted(allowed)
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    return (f"did you mean '{close[0]}'? There are: " if close else "there are: ") + ", ".join(names)


def takes(function: Any, name: str, form: str, count: int) -> None:
    """Refuse what is no function, or none that can be called with `count` things; None was not given. `form` shows the call.

    Raises:
        BadInput: one of these.

    >>> takes("accuracy", "metric", "metric(model)", 1)
    Traceback (most recent call last):
    ...
    inertia.errors.BadInput: metric is a str: give a function, called as metric(model)
    """
    if function is None:
        return
    if not callable(function):
        raise BadInput(f"{name} is a {type(function).__name__}: give a function, called as {form}")
    try:
        inspect.signature(function).bind(*[None] * count)
    except TypeError as error:
        raise BadInput(f"{name} cannot be called as {form}: {error}") from error
    except ValueError:
        return  # a function of a compiled library, which shows no signature

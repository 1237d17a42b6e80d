"""A view is what a figure shows: arrays, a caption that reacts, and a sentence for those who do not see it."""

from __future__ import annotations

import functools
import importlib
import pkgutil
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple, Protocol

from ..errors import BadInput, nearest
from . import figures
from .fields import Fields, State

__all__ = ["Costly", "FigureModule", "View", "allowed", "counted", "discovered", "expanded", "named"]


class Costly(NamedTuple):
    """Data that is dear to compute or to send: made and sent again only when its key changes."""

    key: str
    make: Callable[[], dict[str, Any]]


class View(NamedTuple):
    """Values for one state of a figure; words between asterisks in the caption are set in the hot colour."""

    values: dict[str, Any]
    caption: str
    alt: str
    costly: Mapping[str, Costly] = MappingProxyType({})


class FigureModule(Protocol):
    """What a module in `lab/figures` offers."""

    ORDER: int
    TITLE: str
    FIELDS: Fields

    def view(self, state: State, /) -> View:
        """The arrays and words of one state."""
        ...

    def draw(self, canvas: Any, data: Mapping[str, Any], /) -> None:
        """The static twin on a matplotlib figure."""
        ...


@functools.cache
def _modules() -> dict[str, FigureModule]:
    names = [entry.name for entry in pkgutil.iter_modules(figures.__path__) if not entry.name.startswith("_")]
    modules: dict[str, Any] = {name: importlib.import_module(f".{name}", figures.__name__) for name in names}
    return dict(sorted(modules.items(), key=lambda item: item[1].ORDER))


def discovered(served: bool = False) -> dict[str, FigureModule]:
    """Every figure by name, in the reading order of the page; `served` adds those that need Python behind the page.

    >>> list(discovered())[0], set(discovered(served=True)) - set(discovered())
    ('hero', {'many'})
    """
    return {name: one for name, one in _modules().items() if served or not getattr(one, "NEEDS_PYTHON", False)}


def named(name: Any) -> FigureModule:
    """The figure of that name.

    Raises:
        BadInput: there is none; the nearest one is suggested.

    >>> named("map").TITLE
    'The map of convergence'
    """
    found = discovered(served=True)
    if not isinstance(name, str) or name not in found:
        raise BadInput(f"there is no figure {str(name)[:40]!r}: {nearest(str(name)[:40], found)}")
    return found[name]


def allowed(module: FigureModule, served: bool = True) -> Fields:
    """The fields of a figure; with Python behind it some reach further than on the page alone.

    >>> "vast" in allowed(named("colour"))["maze"].options, "vast" in allowed(named("colour"), served=False)["maze"].options
    (True, False)
    """
    return {**module.FIELDS, **(getattr(module, "SERVED", {}) if served else {})}


def expanded(view: View) -> dict[str, Any]:
    """The view's values with everything costly made: what a static twin draws."""
    return view.values | {name: costly.make() for name, costly in view.costly.items()}


def counted(count: float, one: str, many: str = "") -> str:
    """The word that goes with a number.

    >>> counted(1, "step"), counted(2, "step"), counted(1, "cell is", "cells are")
    ('step', 'steps', 'cell is')
    """
    return one if count == 1 else many or f"{one}s"

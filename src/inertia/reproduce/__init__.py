"""Every experiment of the four source documents: printed number, our number, verdict.

One module per document (or part of one) defines `EXPERIMENTS`; they are found by name, so adding one edits no list.
"""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache

from ..errors import BadInput, nearest
from .experiment import DOCUMENTS, VERDICTS, Experiment, Row, Session, shown, unavailable

__all__ = ["DOCUMENTS", "VERDICTS", "Experiment", "Row", "Session", "experiment", "experiments", "shown", "unavailable"]


@cache
def experiments() -> dict[str, Experiment]:
    """All experiments by name, in the order of the documents.

    >>> "valley-traces" in experiments()
    True
    """
    modules = [importlib.import_module(f"{__name__}.{found.name}") for found in pkgutil.iter_modules(__path__)]
    known = [made for module in modules for made in getattr(module, "EXPERIMENTS", ())]
    return {made.name: made for made in sorted(known, key=lambda made: made.document)}


def experiment(name: str) -> Experiment:
    """The experiment of that name.

    Raises:
        BadInput: an unknown name (the nearest one is suggested).
    """
    if name not in experiments():
        raise BadInput(f"unknown experiment '{name}': {nearest(name, experiments())}")
    return experiments()[name]

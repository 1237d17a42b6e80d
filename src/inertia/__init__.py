"""inertia: which learning rate and momentum a problem needs, measured, then verified by running, and why.

The names below are loaded when first used, so that importing the package costs no more than numpy does.
"""

from __future__ import annotations

import importlib
import sys
import types
from typing import TYPE_CHECKING, Any

import numpy as _numpy  # noqa: F401  (the one thing that importing inertia loads)

from .version import __version__

if TYPE_CHECKING:
    from .errors import InertiaError
    from .identify.probe import identify
    from .loop import minimize
    from .method import Method
    from .record import Record
    from .spectrum import Spectrum, spectrum
    from .theory.catalog import best
    from .theory.certify.search import certify
    from .theory.citations import cite
    from .theory.milestones import steps_to
    from .theory.modes import edge, rate
    from .theory.quadratic import loss_curve

_HOME = {
    "best": "theory.catalog",
    "cite": "theory.citations",
    "edge": "theory.modes",
    "certify": "theory.certify.search",
    "identify": "identify.probe",
    "InertiaError": "errors",
    "loss_curve": "theory.quadratic",
    "Method": "method",
    "minimize": "loop",
    "rate": "theory.modes",
    "Record": "record",
    "Spectrum": "spectrum",
    "spectrum": "spectrum",
    "steps_to": "theory.milestones",
}

__all__ = [
    "InertiaError",
    "Method",
    "Record",
    "Spectrum",
    "__version__",
    "best",
    "certify",
    "cite",
    "edge",
    "identify",
    "loss_curve",
    "minimize",
    "rate",
    "spectrum",
    "steps_to",
]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(importlib.import_module(f".{_HOME[name]}", __name__), name)
    raise AttributeError(f"module 'inertia' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted(__all__)


class _Facade(types.ModuleType):
    """Keeps `inertia.spectrum` the function when importing the module of the same name would put itself in its place."""

    def __setattr__(self, name: str, value: object) -> None:
        if not (name in _HOME and isinstance(value, types.ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Facade

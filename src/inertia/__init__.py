"""inertia: which learning rate and momentum a problem needs, measured, then verified by running, and why.

The names below are loaded when first used: importing the package costs nothing, and what is used first costs what numpy does.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from .version import __version__

if TYPE_CHECKING:
    from .core.method import Method
    from .core.record import Record
    from .core.spectrum import Spectrum, spectrum
    from .errors import InertiaError
    from .theory.catalog import best
    from .theory.certify.search import certify
    from .theory.citations import cite
    from .theory.milestones import steps_to
    from .theory.modes import edge, rate
    from .theory.quadratic import loss_curve
    from .verbs.dispatch import check, simulate, tune
    from .verbs.identification import identify
    from .verbs.measuring import measure
    from .verbs.minimization import minimize

_HOME = {
    "best": "theory.catalog",
    "cite": "theory.citations",
    "edge": "theory.modes",
    "certify": "theory.certify.search",
    "check": "verbs.dispatch",
    "identify": "verbs.identification",
    "InertiaError": "errors",
    "loss_curve": "theory.quadratic",
    "measure": "verbs.measuring",
    "Method": "core.method",
    "minimize": "verbs.minimization",
    "rate": "theory.modes",
    "simulate": "verbs.dispatch",
    "tune": "verbs.dispatch",
    "Record": "core.record",
    "Spectrum": "core.spectrum",
    "spectrum": "core.spectrum",
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
    "check",
    "cite",
    "edge",
    "identify",
    "loss_curve",
    "measure",
    "minimize",
    "rate",
    "simulate",
    "spectrum",
    "steps_to",
    "tune",
]


_ROOMS = ("hf", "jax", "keras", "lightning", "optuna", "problems", "tasks", "torch")  # loaded when first used, as `inertia.torch`


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(importlib.import_module(f".{_HOME[name]}", __name__), name)
    if name in _ROOMS:
        return importlib.import_module(f".{name}", __name__)
    raise AttributeError(f"module 'inertia' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted(__all__)

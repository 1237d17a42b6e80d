"""JAX's door: any method of the family as an optax transformation, your model's curvature, the plain loop for JAX functions.

Names load when first used; this room is the only one that imports jax or optax (beside the built-in tasks).
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from ..errors import require

if TYPE_CHECKING:
    from .curvature import eigenvectors, measure
    from .probe import identify
    from .rivals import compare
    from .transform import momentum, readout, with_method
    from .tuning import check, tune
    from .watch import Watch

# The modules are named otherwise than their functions: a submodule would hide a function of its own name.
_HOME = {
    "Watch": "watch",
    "check": "tuning",
    "compare": "rivals",
    "eigenvectors": "curvature",
    "identify": "probe",
    "measure": "curvature",
    "momentum": "transform",
    "readout": "transform",
    "tune": "tuning",
    "with_method": "transform",
}

__all__ = ["Watch", "check", "compare", "eigenvectors", "identify", "measure", "momentum", "readout", "tune", "with_method"]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        require("jax", "jax")
        require("optax", "jax")
        return getattr(importlib.import_module(f".{_HOME[name]}", __name__), name)
    raise AttributeError(f"module 'inertia.jax' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted(__all__)

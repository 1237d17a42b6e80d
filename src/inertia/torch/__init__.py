"""PyTorch's door: any method of the family as a native optimizer, your model's curvature, and what your optimizer really does.

Names load when first used; this room is the only one that imports torch (beside the built-in tasks).
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from ..errors import require

if TYPE_CHECKING:
    from .curvature import eigenvectors, measure
    from .optimizer import Momentum
    from .probe import identify
    from .rivals import compare
    from .tuning import check, tune
    from .watch import Watch

# The modules are named otherwise than their functions: a submodule would hide a function of its own name.
_HOME = {
    "Momentum": "optimizer",
    "Watch": "watch",
    "check": "tuning",
    "compare": "rivals",
    "eigenvectors": "curvature",
    "identify": "probe",
    "measure": "curvature",
    "tune": "tuning",
}

__all__ = ["Momentum", "Watch", "check", "compare", "eigenvectors", "identify", "measure", "tune"]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        require("torch", "torch")
        return getattr(importlib.import_module(f".{_HOME[name]}", __name__), name)
    raise AttributeError(f"module 'inertia.torch' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted(__all__)

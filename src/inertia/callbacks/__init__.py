"""The watch inside other people's trainers: Lightning, the Hugging Face Trainer, Keras 3.

    from inertia.callbacks import LightningWatch, TrainerWatch, KerasWatch

Names load when first used, each with its own framework. accelerate has no callbacks: its optimizer and model are handed to
`inertia.torch.Watch` themselves (docs/watch.md has the recipe).
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from ..errors import require

if TYPE_CHECKING:
    from .keras_fit import KerasWatch
    from .lightning_trainer import LightningWatch
    from .transformers_trainer import TrainerWatch

_HOME = {
    "KerasWatch": ("keras_fit", "keras"),
    "LightningWatch": ("lightning_trainer", "lightning"),
    "TrainerWatch": ("transformers_trainer", "transformers"),
}

__all__ = ["KerasWatch", "LightningWatch", "TrainerWatch"]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        module, package = _HOME[name]
        require(package, "trainers")
        return getattr(importlib.import_module(f".{module}", __name__), name)
    raise AttributeError(f"module 'inertia.callbacks' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted(__all__)

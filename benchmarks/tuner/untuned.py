"""Rivals that need no tuning: one run each with the settings of its package. Rates follow the schedule, except where it has its own.

Prodigy (Mishchenko and Defazio 2023), schedule-free SGD (Defazio et al. 2024), D-adaptation (Defazio and Mishchenko 2023) and
MoMo (Schaipp et al. 2023) from optax.contrib; Adam and SGD as torch and Keras set them when nobody asks for anything else.
"""

from __future__ import annotations

import optax
import optax.contrib
from scores import Losses
from training import Maker, Training

from inertia.core.method import Method

OPTIMIZERS: dict[str, Maker] = {
    "Prodigy": lambda factor: optax.contrib.prodigy(factor),
    "schedule-free SGD, lr 1": lambda factor: optax.contrib.schedule_free_sgd(1.0),  # its averaging stands in for a schedule
    "D-adaptation (AdamW)": lambda factor: optax.contrib.dadapt_adamw(factor),
    "MoMo, lr 1": lambda factor: optax.contrib.momo(factor),
    "Adam 1e-3": lambda factor: optax.adam(lambda step: 1e-3 * factor(step)),
}
DEFAULTS = {
    "SGD .001 (torch)": Method(1e-3),
    "SGD .01 (Keras)": Method(1e-2),
    "SGD .01, momentum .9": Method(1e-2, beta=0.9),
}


def untuned(training: Training, name: str) -> list[dict[str, Losses | float]]:
    """One run on each of the grid's seeds."""
    train, held = training.optimizer(OPTIMIZERS[name])
    return [{"train": train, "validation": held, "cost": 1.0}]

"""Which learning rate and momentum a training job needs on a given budget: measured, chosen by experience, verified by runs, and why."""

from .asking import Asked, ask
from .budget import Budget, Objective
from .checking import Check
from .factors import budget_of
from .measurement import Measurement
from .predict import Forecast, Model, forecast
from .recipe import Family, Recipe
from .result import Tuning
from .trainable import Run, Trainable

__all__ = [
    "Asked",
    "Budget",
    "Check",
    "Family",
    "Forecast",
    "Measurement",
    "Model",
    "Objective",
    "Recipe",
    "Run",
    "Trainable",
    "Tuning",
    "ask",
    "budget_of",
    "forecast",
]

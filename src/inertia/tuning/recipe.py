"""A recipe: what a person writes into an optimizer. The policy chooses recipes, a door runs them, experience remembers them.

SGD is the Method with the same numbers. Adam-like optimizers are the same two numbers in the metric of their denominator
(learning rate and beta1); what else they have stands in `settings` and is not searched.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from ..core.method import Method
from ..errors import BadInput, nearest

__all__ = ["OPTIMIZERS", "Family", "Recipe", "searched", "searched_as"]

OPTIMIZERS = ("sgd", "adamw")
_ANY = "any"  # whichever of them ends lower
_CLASSES = {"sgd": "sgd", "momentum": "sgd", "adam": "adamw", "adamw": "adamw", "nadam": "adamw", "radam": "adamw"}


def searched(optimizer: str) -> tuple[str, ...]:
    """The optimizers that are searched under a name: "any" is all of them.

    Raises:
        BadInput: an unknown name.

    >>> searched("adamw"), searched("any")
    (('adamw',), ('sgd', 'adamw'))
    """
    if optimizer == _ANY:
        return OPTIMIZERS
    if not isinstance(optimizer, str):
        raise BadInput(
            f"optimizer = {type(optimizer).__name__}(...) is an object: name the kind that is to be tuned, 'sgd', 'adamw' or 'any'"
        )
    if optimizer not in OPTIMIZERS:
        raise BadInput(f"unknown optimizer '{optimizer}': {nearest(optimizer, (*OPTIMIZERS, _ANY))}")
    return (optimizer,)


def searched_as(optimizer: Any) -> str:
    """Which of OPTIMIZERS stands for an optimizer's class when a trainer's job is tuned.

    Raises:
        BadInput: a class that neither stands for, such as Lion or Adagrad.

    >>> searched_as(type("NAdam", (), {})())
    'adamw'
    """
    for kind in type(optimizer).__mro__:
        if (found := _CLASSES.get(kind.__name__.lower())) is not None:
            return found
    raise BadInput(
        f"{type(optimizer).__name__} is not an optimizer that is searched: say optimizer='sgd' or 'adamw', and that one's learning rate "
        "and momentum are found"
    )


@dataclass(frozen=True, order=True)
class Family:
    """Everything of a recipe but its learning rate: the optimizer, its momentum (beta1 of Adam) and Nesterov's form.

    >>> str(Family(0.9, nesterov=True)), str(Family(0.95, optimizer="adamw"))
    ('Nesterov momentum 0.9', 'AdamW with beta1 0.95')
    """

    momentum: float = 0.0
    nesterov: bool = False
    optimizer: str = "sgd"

    def __str__(self) -> str:
        """In the words of a user."""
        if self.optimizer != "sgd":
            return f"AdamW with beta1 {self.momentum:g}"
        return f"{'Nesterov ' if self.nesterov else ''}momentum {self.momentum:g}" if self.momentum else "no momentum"

    def at(self, learning_rate: str) -> str:
        """With a learning rate, written as the reader shall see it.

        >>> Family(0.9).at("0.1"), Family(0.95, optimizer="adamw").at("0.001")
        ('learning rate 0.1 with momentum 0.9', 'AdamW with learning rate 0.001 and beta1 0.95')
        """
        if self.optimizer != "sgd":
            return f"AdamW with learning rate {learning_rate} and beta1 {self.momentum:g}"
        return f"learning rate {learning_rate} with {self}"


@dataclass(frozen=True)
class Recipe:
    """One setting of an optimizer: peak learning rate, momentum (beta1), Nesterov's form, and which optimizer it is.

    >>> Recipe(0.1, 0.9, nesterov=True).method
    Method(alpha=0.1, beta=0.9, gamma=0.9, delta=0.9)
    >>> round(Recipe(0.1, 0.9).step_length, 12)
    1.0

    Raises:
        BadInput: a learning rate that is not positive and finite, momentum outside [0, 1), an unknown optimizer.
    """

    learning_rate: float  # unit 1/curvature; the peak, which a schedule multiplies
    momentum: float = 0.0  # beta of SGD, beta1 of Adam
    nesterov: bool = False
    optimizer: str = "sgd"

    def __post_init__(self) -> None:
        """Refuse what no run can use."""
        if self.optimizer not in OPTIMIZERS:
            raise BadInput(f"unknown optimizer '{self.optimizer}': {nearest(self.optimizer, OPTIMIZERS)}")
        if not (math.isfinite(self.learning_rate) and self.learning_rate > 0):
            raise BadInput(f"learning rate {self.learning_rate:g} is not positive and finite: give one above 0, such as 0.1")
        if not 0 <= self.momentum < 1:
            raise BadInput(f"momentum {self.momentum:g} is outside [0, 1): give one below 1, such as 0.9")

    @property
    def family(self) -> Family:
        """The recipe without its learning rate."""
        return Family(self.momentum, self.nesterov, self.optimizer)

    @property
    def method(self) -> Method:
        """The four numbers: in the space of the parameters for SGD, in the metric of its denominator for Adam.

        Adam's first moment holds (1 - beta1) times the gradient, so its alpha is the learning rate times (1 - beta1).
        """
        gain = 1.0 if self.optimizer == "sgd" else 1 - self.momentum
        ahead = self.momentum if self.nesterov else 0.0
        return Method(gain * self.learning_rate, self.momentum, ahead, ahead)

    @property
    def step_length(self) -> float:
        """alpha/(1 - beta): how far a run moves along a constant gradient per step, the effective learning rate."""
        return float(self.method.alpha) / (1 - self.momentum)

    def to_json(self) -> dict[str, Any]:
        """Plain numbers and words."""
        return {"optimizer": self.optimizer, "learning_rate": self.learning_rate, "momentum": self.momentum, "nesterov": self.nesterov}

    @staticmethod
    def from_json(data: dict[str, Any]) -> Recipe:
        """The recipe that `to_json` wrote.

        >>> Recipe.from_json(Recipe(0.5, 0.9).to_json())
        Recipe(learning_rate=0.5, momentum=0.9, nesterov=False, optimizer='sgd')
        """
        return Recipe(float(data["learning_rate"]), float(data["momentum"]), bool(data["nesterov"]), str(data["optimizer"]))

    @staticmethod
    def of(method: Method) -> Recipe:
        """The recipe of a heavy-ball or Nesterov Method.

        Raises:
            BadInput: gamma neither 0 nor beta: frameworks have no word for it.

        >>> Recipe.of(Method(0.1, 0.9, 0.9))
        Recipe(learning_rate=0.1, momentum=0.9, nesterov=True, optimizer='sgd')
        """
        alpha, beta, gamma, _ = (float(value) for value in method)
        if gamma not in (0.0, beta):
            raise BadInput(f"gamma = {gamma:g} is neither 0 (heavy ball) nor beta = {beta:g} (Nesterov): no framework's SGD does that")
        return Recipe(alpha, beta, nesterov=gamma != 0)

"""What the tuner needs of a training job, whatever framework it is written in: three thin doors give it, all else is written once.

A door knows how to make a starting point, how to differentiate the loss there, and how to run recipes. It measures nothing,
chooses nothing and says nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol, TypeAlias, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from ..measurement.model import Source
from .budget import Budget
from .recipe import Recipe

__all__ = ["Group", "Limited", "Metric", "Point", "Progress", "Readings", "Run", "Sample", "Trainable"]

Point: TypeAlias = Any  # where a model stands: parameters and buffers, in the door's own form
Progress: TypeAlias = Callable[[str, int, int], None]  # (what is being done, done, of how many)


class Sample(NamedTuple):
    """Which examples a measurement uses and in which batches it asks for noise."""

    examples: int  # how many, drawn at random with `seed`; all of them where it is the number of examples
    batch_size: int
    seed: int


class Readings(NamedTuple):
    """The whole loss at one point."""

    training: float
    validation: float  # nan where there are no validation data; the objective's own number where it is a metric


@dataclass(frozen=True, eq=False)
class Run:
    """One full training run as a result: it may have diverged, or ended with an error; then it says so.

    `training` and `validation` are read after the steps `marks`; they end at the last finite reading.
    """

    recipe: Recipe
    seed: int  # of initialisation (where the job can be initialised anew), of the order of batches and of dropout
    steps: int  # asked for
    marks: NDArray[np.int64]  # (E,) steps after which losses were read, from 0
    training: NDArray[np.float64]  # (E,) whole training loss
    validation: NDArray[np.float64]  # (E,) whole validation loss or metric; nan where there is none
    diverged_at: int | None = None  # first mark whose loss was not finite
    error: str = ""  # what the run ended with, where it raised or its worker was lost
    gradients: int = 0  # example gradients spent
    end: bytes | None = field(default=None, repr=False)  # packed point at the end, where asked for and finite


class Metric(Protocol):
    """The denominator of an adaptive optimizer: a positive diagonal P, so that curvatures are those of P^(-1/2) H P^(-1/2)."""

    def scaled(self, vector: Any) -> Any:
        """P^(-1/2) times a flat vector of the door's own."""
        ...


class Group(Protocol):
    """Several processes that train one model: who they are, and how they agree."""

    rank: int
    size: int

    def agree(self, value: Any) -> Any:
        """What rank 0 holds, on every rank: decisions are made once."""
        ...


class Trainable(Protocol):
    """A training job behind a door."""

    name: str
    examples: int
    dimension: int  # number of trainable parameters
    validated: bool  # whether there are validation data or a metric
    reseeded: bool  # whether `start(seed)` differs from seed to seed (a model given as a function of the seed)
    group: Group | None  # None: one process

    def start(self, seed: int) -> Point:
        """Where a run of this seed begins."""
        ...

    def read(self, at: Point) -> Readings:
        """Whole training and validation loss (in evaluation mode)."""
        ...

    def source(self, at: Point, sample: Sample, *, decay: float = 0.0, metric: Metric | None = None) -> AbstractContextManager[Source]:
        """Gradient and Hessian products of the mean loss plus decay/2 |x|^2 at a point, on a sample of the examples.

        In `metric` they are those of the rescaled coordinates z = P^(1/2) x.
        """
        ...

    def norm(self, at: Point) -> float:
        """Euclidean norm of the trainable parameters."""
        ...

    def shift(self, at: Point, by: Any) -> Point:
        """The point with its trainable parameters moved by a flat vector of the kind its `source` gives."""
        ...

    def walk(self, at: Point, recipe: Recipe, budget: Budget, steps: int, seed: int) -> Point | None:
        """Where `steps` steps at the constant peak rate lead with the budget's batches; None where the loss is not finite there."""
        ...

    def run(
        self,
        recipes: Sequence[Recipe],
        budget: Budget,
        seeds: Sequence[int],
        *,
        marks: NDArray[np.int64],
        keep: bool = False,
        progress: Progress | None = None,
    ) -> list[Run]:
        """One full run of each recipe with its seed, read at the marks; a failing run is a result. `keep`: pack the ends."""
        ...

    def pack(self, at: Point) -> bytes:
        """A point as bytes."""
        ...

    def unpack(self, data: bytes) -> Point | None:
        """The point that `pack` wrote; None where these bytes are of something else."""
        ...


@runtime_checkable
class Limited(Protocol):
    """A job that not every optimizer can train."""

    def refuse(self, optimizers: Sequence[str], budget: Budget) -> None:
        """Nothing, where runs of all these optimizers can be made on this budget.

        Raises:
            BadInput: they cannot, and why.
        """
        ...

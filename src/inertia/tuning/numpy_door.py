"""The numpy door: a Problem as a Trainable."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.method import Method, step
from ..errors import Diverged, in_words
from ..measurement.model import Source
from ..measurement.vectors import Vectors
from ..problems.base import Array, Problem, Rows
from .batches import batch_order, sample_part, sample_rows
from .budget import Budget
from .penalty import penalised
from .recipe import Recipe
from .trainable import Group, Metric, Progress, Readings, Run, Sample

__all__ = ["ADAM_BETA2", "ADAM_EPSILON", "CLIP_ROUNDING", "ProblemJob", "ProblemSource"]

ADAM_BETA2, ADAM_EPSILON = 0.999, 1e-8  # Kingma and Ba 2015, Algorithm 1; the defaults of torch and optax
CLIP_ROUNDING = 1e-6  # added to the norm, as torch.nn.utils.clip_grad_norm_ does


class ProblemSource:
    """A `Source` (see inertia.measurement.model) of a Problem at a point, on some of its examples."""

    price = 2.0

    def __init__(self, problem: Problem, at: Array, rows: Rows) -> None:
        self.problem, self.at, self.rows = problem, at, rows
        self.dimension = problem.dimension
        self.notes: dict[str, Any] = {"products": "exact", "frozen": []}
        cut = 1 if rows is None else sample_part(len(rows))
        self.parts: list[Rows] = [None] if rows is None else [rows[at : at + cut] for at in range(0, len(rows), cut)]
        self.sizes = [problem.examples or 1] if rows is None else [len(part) for part in self.parts if part is not None]
        self.spent = {"hvps": 0.0, "gradients": 0.0}

    def position(self) -> Array:
        """The parameters."""
        return self.at

    def space(self, vectors: bool) -> Vectors:
        """Every vector is kept."""
        return Vectors(self.dimension)

    def gradient(self, parts: Sequence[int] | None = None) -> tuple[float, Array]:
        """Mean loss and its gradient."""
        rows, share = self._chosen(parts)
        self.spent["gradients"] += share
        loss, gradient = float(self.problem.value(self.at, rows)), np.asarray(self.problem.gradient(self.at, rows), dtype=float)
        if not (np.isfinite(loss) and np.all(np.isfinite(gradient))):
            raise Diverged(f"{self.problem.name}: loss or gradient is not finite here: check the data and the starting point")
        return loss, gradient

    def hvp(self, vector: Array, parts: Sequence[int] | None = None) -> Array:
        """The Hessian times a vector."""
        rows, share = self._chosen(parts)
        self.spent["hvps"] += share
        return np.array(self.problem.hvp(self.at, vector, rows), dtype=float)

    def mini_batches(self, rng: np.random.Generator, batch_size: int) -> Iterator[tuple[Array, int]]:
        """Gradients of mini-batches drawn at random."""
        total = sum(self.sizes)
        while True:
            drawn = np.sort(rng.choice(total, batch_size, replace=False))
            self.spent["gradients"] += batch_size / total
            yield np.asarray(self.problem.gradient(self.at, drawn if self.rows is None else self.rows[drawn]), dtype=float), batch_size

    def cost(self) -> dict[str, float]:
        """Spent so far, in passes over the examples used."""
        return dict(self.spent)

    def _chosen(self, parts: Sequence[int] | None) -> tuple[Rows, float]:
        if parts is None:
            return self.rows, 1.0
        kept = [part for index in parts if (part := self.parts[index]) is not None]
        rows = np.concatenate(kept) if kept else None
        return rows, 1.0 if rows is None else len(rows) / sum(self.sizes)


class ProblemJob:
    """A Problem behind the door: everything a tuning asks of it, as array operations over all recipes of one seed."""

    validated = False

    def __init__(self, problem: Problem) -> None:
        self.problem, self.name = problem, problem.name
        self.examples, self.dimension = problem.examples or 1, problem.dimension
        self.reseeded = problem.draw is not None
        self.lowest = problem.lowest if problem.minimum is None else problem.minimum
        self.group: Group | None = None

    def start(self, seed: int) -> Array:
        """The problem's start, or the one drawn from the seed."""
        return np.array(self.problem.start if self.problem.draw is None else self.problem.draw(seed), dtype=float)

    def read(self, at: Array) -> Readings:
        """The whole loss."""
        return Readings(float(self.problem.value(at)), float("nan"))

    @contextmanager
    def source(self, at: Array, sample: Sample, *, decay: float = 0.0, metric: Metric | None = None) -> Iterator[Source]:
        """Gradients and products at a point."""
        yield penalised(ProblemSource(self.problem, at, sample_rows(self.examples, sample.examples, sample.seed)), decay)

    def norm(self, at: Array) -> float:
        """Length of the parameters."""
        return float(np.linalg.norm(at))

    def shift(self, at: Array, by: Array) -> Array:
        """The point moved."""
        return at + by

    def walk(self, at: Array, recipe: Recipe, budget: Budget, steps: int, seed: int) -> Array | None:
        """Where steps at the constant peak rate lead."""
        moving = _Moving(self.problem, at[None], [recipe], budget)
        with np.errstate(all="ignore"):
            for rows in self._order(budget, steps, seed):
                moving.step(1.0, rows)
            found = moving.params[0]
            return found if np.isfinite(self.problem.value(found)) and np.all(np.isfinite(found)) else None

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
        """Full runs; those that share a seed share their batches and are one array operation."""
        found: dict[int, Run] = {}
        for seed in dict.fromkeys(seeds):
            mine = [index for index, other in enumerate(seeds) if other == seed]
            for index, run in zip(mine, self._together([recipes[k] for k in mine], budget, seed, marks, keep, progress), strict=True):
                found[index] = run
        return [found[index] for index in range(len(recipes))]

    def pack(self, at: Array) -> bytes:
        """The parameters as the bytes of an npy file."""
        held = io.BytesIO()
        np.save(held, at)
        return held.getvalue()

    def unpack(self, data: bytes) -> Array | None:
        """The parameters, where these are the bytes of some."""
        try:
            found = np.load(io.BytesIO(data), allow_pickle=False)
        except (ValueError, OSError, EOFError, zipfile.BadZipFile):
            return None
        return found if isinstance(found, np.ndarray) and found.shape == (self.dimension,) else None

    def _order(self, budget: Budget, steps: int, seed: int) -> Iterator[Rows]:
        """The rows of every step, as in all frameworks; None is all of them."""
        if budget.batch_size >= self.examples:
            return (None for _ in range(steps))
        return iter(batch_order(self.examples, budget.batch_size, steps, seed).astype(np.intp))

    def _together(
        self, recipes: list[Recipe], budget: Budget, seed: int, marks: NDArray[np.int64], keep: bool, progress: Progress | None
    ) -> list[Run]:
        """Runs of one seed."""
        start, read = self.start(seed), set(marks.tolist())
        moving = _Moving(self.problem, np.repeat(start[None], len(recipes), axis=0), recipes, budget)
        losses, error = [], ""
        with np.errstate(all="ignore"):  # a diverging run is a result, not a warning
            try:
                for k, rows in enumerate(self._order(budget, budget.steps, seed)):
                    if k in read:
                        losses.append(np.asarray(self.problem.value(moving.params), dtype=float))
                        if progress is not None:
                            progress("running", k, budget.steps)
                        if not np.any(np.isfinite(losses[-1])):
                            break
                    moving.step(float(budget.factors[k]), rows)
                else:
                    if budget.steps in read:
                        losses.append(np.asarray(self.problem.value(moving.params), dtype=float))
            except (ArithmeticError, ValueError, TypeError, IndexError) as raised:
                error = in_words(raised)
        curves = np.array(losses).reshape(len(losses), len(recipes))
        return [
            _run(recipe, seed, budget, marks, curves[:, index], error, self.pack(moving.params[index]) if keep else None)
            for index, recipe in enumerate(recipes)
        ]


class _Moving:
    """Parameters (T, n) of T runs with what their optimizers remember."""

    def __init__(self, problem: Problem, params: Array, recipes: Sequence[Recipe], budget: Budget) -> None:
        self.problem, self.params, self.budget, self.count = problem, np.array(params), budget, 0
        self.rate = np.array([recipe.learning_rate for recipe in recipes])[:, None]
        self.momentum = np.array([recipe.momentum for recipe in recipes])[:, None]
        self.ahead = np.array([recipe.momentum if recipe.nesterov else 0.0 for recipe in recipes])[:, None]
        self.adam = np.array([recipe.optimizer == "adamw" for recipe in recipes])[:, None]
        self.velocity, self.squares = np.zeros_like(self.params), np.zeros_like(self.params)

    def step(self, factor: float, rows: Rows) -> None:
        """One step of all runs: clip, decay, then each its optimizer."""
        self.count += 1
        gradient = np.asarray(self.problem.gradient(self.params, rows), dtype=float)
        if self.budget.clip is not None:
            norm = np.linalg.norm(gradient, axis=-1, keepdims=True)
            gradient = gradient * np.minimum(1.0, self.budget.clip / (norm + CLIP_ROUNDING))
        decay, rate = self.budget.weight_decay, factor * self.rate
        if not np.all(self.adam):
            method = Method(rate, self.momentum, self.ahead, self.ahead)
            moved, velocity = step(method, self.params, self.velocity, gradient + decay * self.params)
            self.params, self.velocity = (moved, velocity) if not np.any(self.adam) else self._mixed(moved, velocity, gradient, rate)
            return
        self.params, self.velocity = self._adam(gradient, rate)

    def _mixed(self, moved: Array, velocity: Array, gradient: Array, rate: Array) -> tuple[Array, Array]:
        params, first = self._adam(gradient, rate)
        return np.where(self.adam, params, moved), np.where(self.adam, first, velocity)

    def _adam(self, gradient: Array, rate: Array) -> tuple[Array, Array]:
        """AdamW's step (Loshchilov and Hutter 2019, Algorithm 2): parameters and first moment."""
        first = self.momentum * self.velocity + (1 - self.momentum) * gradient
        self.squares = ADAM_BETA2 * self.squares + (1 - ADAM_BETA2) * gradient**2
        seen = first / (1 - self.momentum**self.count)
        size = np.sqrt(self.squares / (1 - ADAM_BETA2**self.count)) + ADAM_EPSILON
        return self.params * (1 - rate * self.budget.weight_decay) - rate * seen / size, first


def _run(
    recipe: Recipe, seed: int, budget: Budget, marks: NDArray[np.int64], losses: Array, error: str, end: bytes | None
) -> Run:  # fmt: skip
    """One run as a result: what was read while it was finite."""
    lost = np.flatnonzero(~np.isfinite(losses))
    kept = int(lost[0]) if lost.size else len(losses)
    diverged = int(marks[kept]) if kept < len(marks) else None
    return Run(
        recipe, seed, budget.steps, marks[:kept], losses[:kept], np.full(kept, np.nan), diverged_at=diverged, error=error,
        gradients=budget.gradients if diverged is None else int(diverged) * budget.batch_size, end=None if diverged is not None else end,
    )  # fmt: skip

"""Paths as the documents follow them: the iterates themselves, when they settle, how often they cross."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ..core.method import Method, hidden
from ..problems import Problem
from ..problems.base import Array
from ..problems.simulation import run

__all__ = ["crossings", "last_beyond", "optimum", "steps_within", "walk"]


def walk(problem: Problem, method: Method, steps: int, *, start: ArrayLike | None = None, kick: ArrayLike = 0.0) -> Array:
    """The iterates xi (steps + 1, n), or fewer where the run stops being finite.

    Frameworks and `reference.run` hold the look-ahead y = (1 + gamma) xi - gamma xi_before; the documents plot xi. `kick` is
    the first displacement v0 in their words, minus alpha times our velocity.

    >>> from ..problems import valley
    >>> walk(valley(), Method(0.3, 0.8, 0.8), 20)[-1].round(6).tolist()
    [0.217791, -7e-05]
    """
    first = np.asarray(problem.start if start is None else start, dtype=float)
    push = np.broadcast_to(-np.asarray(kick, dtype=float) / method.alpha, first.shape)
    ran = run(problem, method, steps, start=first, velocity=push, keep_path=True, evaluate_every=steps)
    seen: Any = ran.path
    gamma = method.gamma
    if gamma == 0:
        return np.asarray(seen)
    found = [hidden(method, seen[0], push)]
    for look in seen[1:]:
        found.append((look + gamma * found[-1]) / (1 + gamma))
    return np.array(found)


def last_beyond(path: Array, target: ArrayLike, tolerances: ArrayLike) -> list[int]:
    """For each tolerance, the last step farther than that from the target.

    >>> last_beyond(np.array([[1.0], [0.1], [0.2], [0.0]]), 0.0, [0.15, 0.01])
    [2, 2]
    """
    away = np.linalg.norm(path - np.asarray(target), axis=-1)
    return [int(np.max(np.flatnonzero(away > tolerance), initial=-1)) for tolerance in np.atleast_1d(tolerances)]


def steps_within(path: Array, target: ArrayLike, tolerance: float) -> int | None:
    """First step from which the path stays within the tolerance; None where it does not."""
    last = last_beyond(path, target, [tolerance])[0]
    return last + 1 if last + 1 < len(path) else None


def crossings(values: Array) -> int:
    """How often a sequence changes sign.

    >>> crossings(np.array([1.0, -1.0, -2.0, 3.0]))
    2
    """
    return int(np.sum(np.diff(np.sign(values)) != 0))


def optimum(problem: Problem) -> Array:
    """The optimum of a problem that has one."""
    assert problem.optimum is not None
    return problem.optimum

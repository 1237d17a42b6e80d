"""The search for a proof: one small semidefinite program, handed to clarabel without a modelling layer.

    maximise e   so that   decrease >= e I,   positive >= e I,   values >= 0,   weights >= 0,   trace positive + sum weights = 1

over (P, t, weights), all linear in `dissipation.sides`. What comes back are floats and no more than a suggestion.
"""

from __future__ import annotations

import functools
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...errors import require
from .dissipation import Proof, Sides, pairs, sides, terms

__all__ = ["Program", "Suggestion", "maximise", "stacked", "symmetric"]

Array = NDArray[np.float64]

_TOLERANCE = 1e-11


class Suggestion(NamedTuple):
    """What the solver offers for one rate: the margin it believes in and the proof, in floats."""

    margin: float
    proof: Proof


@functools.cache
def _corner(size: int) -> tuple[NDArray[np.intp], NDArray[np.intp], Array]:
    """Rows, columns and weights of the upper triangle, column by column, as clarabel stacks it."""
    cols, rows = np.tril_indices(size)
    return rows, cols, np.where(rows == cols, 1.0, np.sqrt(2.0))


def stacked(matrix: Array) -> Array:
    """Symmetric matrices (..., n, n) as clarabel's triangles (..., n (n + 1)/2), which keep the inner product.

    Args:
        matrix: symmetric (..., n, n).
    """
    rows, cols, scale = _corner(matrix.shape[-1])
    return matrix[..., rows, cols] * scale


def symmetric(entries: Array, size: int) -> Array:
    """Unknowns (..., n (n + 1)/2) as symmetric matrices (..., n, n).

    Args:
        entries: upper triangles (..., n (n + 1)/2), column by column.
        size: n.
    """
    rows, cols, _ = _corner(size)
    matrix = np.zeros((*entries.shape[:-1], size, size))
    matrix[..., rows, cols] = matrix[..., cols, rows] = entries
    return matrix


def maximise(goal: Array, claims: Array, triangles: tuple[int, ...], level: Array) -> Array | None:
    """The x with the largest goal'x, level'x = 1 and claims x >= 0; None where the solver finds none or fails.

    The first rows of `claims` are stacked triangles of the given sizes, which must be positive semidefinite.

    Args:
        goal: coefficients (count,) of what is maximised.
        claims: rows (claims, count) that times x must be >= 0.
        triangles: sizes n of the triangles at the head of `claims`.
        level: coefficients (count,) of what must be 1.

    Raises:
        MissingExtra: clarabel is not installed.
    """
    clarabel, sparse = require("clarabel", "certify"), require("scipy.sparse", "certify")
    matrix = np.vstack([-claims, level])
    height, width = matrix.shape
    places = np.tile(np.arange(height), width), np.arange(0, height * width + 1, height)
    settings = clarabel.DefaultSettings()
    settings.verbose, settings.max_threads = False, 1
    settings.tol_gap_abs = settings.tol_gap_rel = settings.tol_feas = _TOLERANCE
    cones = [clarabel.PSDTriangleConeT(size) for size in triangles]
    rest = height - 1 - sum(size * (size + 1) // 2 for size in triangles)
    cones += [clarabel.NonnegativeConeT(rest), clarabel.ZeroConeT(1)]
    right = np.zeros(height)
    right[-1] = 1.0
    try:
        sized = sparse.csc_matrix((matrix.T.ravel(), *places), shape=matrix.shape)
        solution = clarabel.DefaultSolver(sparse.csc_matrix((width, width)), -goal, sized, right, cones, settings).solve()
    except Exception:  # clarabel's panics surface as bare exceptions: a failed search is an open question, not a crash
        return None
    x = np.asarray(solution.x, dtype=float)
    return None if len(x) != width or not np.all(np.isfinite(x)) or "Infeasible" in str(solution.status) else x


class Program:
    """The feasibility problem of one method (in units L = 1) and one memory, ready for any rate."""

    def __init__(self, a: float, beta: float, gamma: float, m: float, memory: int = 1) -> None:
        self.size = memory + 2
        self.counts = (self.size * (self.size + 1) // 2, memory, len(pairs(memory)), len(pairs(memory, past=True)))
        count, signed = sum(self.counts), self.counts[0] + memory
        rows = terms(a, beta, gamma, m, memory)
        units = self.proofs(np.eye(count))  # every unknown on its own
        still, moved = sides(rows, units, 0.0), sides(rows, units, 1.0)
        weights = np.eye(count + 1)[signed:count]
        margin = np.concatenate([stacked(np.eye(self.size + 1)), stacked(np.eye(self.size)), np.zeros(2 * memory + 1)])
        self.fixed = np.vstack([np.column_stack([_column(still), -margin]), weights])  # claims (claims, unknowns) at rho^2 = 0
        self.slope = np.vstack([np.column_stack([_column(moved) - _column(still), 0 * margin]), 0 * weights])  # per unit of rho^2
        self.level = np.append(np.trace(still.positive, axis1=1, axis2=2), 0.0) + weights.sum(axis=0)
        self.goal = np.eye(count + 1)[-1]

    def proofs(self, x: Array) -> Proof:
        """The unknowns of the program as the parts of a proof.

        Args:
            x: unknowns (..., count), in the order P, values, decrease, positive.
        """
        P, t, decrease, positive = np.split(x, np.cumsum(self.counts)[:-1], axis=-1)
        return Proof(symmetric(P, self.size), t, decrease, positive)

    def solve(self, rho: float) -> Suggestion | None:
        """The solver's proof of a rate, or None where it finds none or fails.

        Args:
            rho: the rate per step to be proved, between 0 and 1.

        Raises:
            MissingExtra: clarabel is not installed.
        """
        x = maximise(self.goal, self.fixed + rho * rho * self.slope, (self.size + 1, self.size), self.level)
        return None if x is None else Suggestion(float(x[-1]), self.proofs(x[:-1]))


def _column(claims: Sides) -> Array:
    """The four claims of many proofs as columns (claims, proofs): both triangles, then the rows of values."""
    parts = [stacked(claims.decrease), stacked(claims.positive), claims.decrease_values, claims.positive_values]
    return np.concatenate(parts, axis=-1).T

"""The search for a proof: one small semidefinite program, handed to clarabel without a modelling layer.

    maximise e   so that   decrease >= e I,   positive >= e I,   values >= 0,   weights >= 0,   trace positive + sum weights = 1

over (P, t, weights), all linear in `dissipation.sides`. What comes back are floats and no more than a suggestion.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...errors import require
from .dissipation import Proof, Sides, pairs, sides, terms

__all__ = ["Program", "Suggestion"]

Array = NDArray[np.float64]

_TOLERANCE = 1e-11


class Suggestion(NamedTuple):
    """What the solver offers for one rate: the margin it believes in and the proof, in floats."""

    margin: float
    proof: Proof


def _corner(size: int) -> tuple[NDArray[np.intp], NDArray[np.intp], Array]:
    """Rows, columns and weights of the upper triangle, column by column, as clarabel stacks it."""
    cols, rows = np.tril_indices(size)
    return rows, cols, np.where(rows == cols, 1.0, np.sqrt(2.0))


def _column(claims: Sides) -> Array:
    """The four claims of many proofs as columns (claims, proofs): both triangles, then the rows of values."""
    stacked = []
    for matrix in (claims.decrease, claims.positive):
        rows, cols, scale = _corner(matrix.shape[-1])
        stacked.append(matrix[..., rows, cols] * scale)
    return np.concatenate([*stacked, claims.decrease_values, claims.positive_values], axis=-1).T


class Program:
    """The feasibility problem of one method (in units L = 1) and one memory, ready for any rate.

    Raises:
        MissingExtra: clarabel is not installed.
    """

    def __init__(self, a: float, beta: float, gamma: float, m: float, memory: int = 1) -> None:
        self.clarabel = require("clarabel", "certify")
        self.sparse = require("scipy.sparse", "certify")
        self.memory = memory
        self.size = memory + 2
        self.counts = (self.size * (self.size + 1) // 2, memory, len(pairs(memory)), len(pairs(memory, past=True)))
        rows = terms(a, beta, gamma, m, memory)
        units = self._proof(np.eye(sum(self.counts)))  # every unknown on its own
        self.fixed = _column(sides(rows, units, 0.0))  # (claims, unknowns) at rho^2 = 0
        self.slope = _column(sides(rows, units, 1.0)) - self.fixed  # ... and what each unit of rho^2 adds
        self.cones = [
            self.clarabel.PSDTriangleConeT(self.size + 1),
            self.clarabel.PSDTriangleConeT(self.size),
            self.clarabel.NonnegativeConeT(2 * memory + 1 + self.counts[2] + self.counts[3]),
            self.clarabel.ZeroConeT(1),
        ]

    def _proof(self, x: Array) -> Proof:
        """Unknowns (..., count) as the parts of a proof."""
        P, t, decrease, positive = np.split(x, np.cumsum(self.counts)[:-1], axis=-1)
        cols, rows = np.tril_indices(self.size)
        whole = np.zeros((*x.shape[:-1], self.size, self.size))
        whole[..., rows, cols] = whole[..., cols, rows] = P
        return Proof(whole, t, decrease, positive)

    def solve(self, rho: float) -> Suggestion | None:
        """The solver's proof of the rate rho, or None where it finds none or fails."""
        count = sum(self.counts)
        margin = np.zeros(len(self.fixed))
        start = 0
        for size in (self.size + 1, self.size):
            rows, cols, _ = _corner(size)
            margin[start : start + len(rows)] = rows == cols
            margin_start, start = start, start + len(rows)
        weights = np.eye(count)[self.counts[0] + self.counts[1] :]
        cols, rows = np.tril_indices(self.size)
        whole = self.fixed[margin_start : margin_start + len(rows)][rows == cols].sum(axis=0)  # trace of the positive side
        trace = np.concatenate([whole + weights.sum(axis=0), [0.0]])
        claims = np.column_stack([-(self.fixed + rho * rho * self.slope), margin])
        matrix = np.vstack([claims, np.column_stack([-weights, np.zeros(len(weights))]), trace])
        right = np.zeros(len(matrix))
        right[-1] = 1.0
        settings = self.clarabel.DefaultSettings()
        settings.verbose = False
        settings.max_threads = 1
        settings.tol_gap_abs = settings.tol_gap_rel = settings.tol_feas = _TOLERANCE
        goal = np.zeros(count + 1)
        goal[-1] = -1.0
        empty = self.sparse.csc_matrix((count + 1, count + 1))
        try:
            solution = self.clarabel.DefaultSolver(empty, goal, self.sparse.csc_matrix(matrix), right, self.cones, settings).solve()
        except Exception:  # clarabel panics surface as bare exceptions: a failed search is an open question, not a crash
            return None
        x = np.asarray(solution.x, dtype=float)
        if len(x) != count + 1 or not np.all(np.isfinite(x)) or "Infeasible" in str(solution.status):
            return None
        return Suggestion(float(x[-1]), self._proof(x[:-1]))

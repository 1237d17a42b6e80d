"""Mazes of more than ten thousand cells: a small basis that holds the slow modes as well, and conjugate gradients without their history.

Products with A alone reach one cell further each time, and a vast maze is wider than any basis is deep. So products with A and
solutions with A take turns (extended Krylov subspace; Druskin and Knizhnerman 1998): the former hold what happens early, the latter the
slow modes, which are what is left late.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["VAST", "Long", "cut", "extended", "labyrinth"]

Array = NDArray[np.float64]
VAST = 90_000  # cells of a maze when Python computes it, walls included
_TURNS, _BACK = 110, 30  # products with A; solutions with A, as many of the turns as hold the slow modes
_LONGEST, _EVERY = 6000, 100  # steps of conjugate gradients that are followed; steps between two that are kept
_GONE = 1e-14  # an error below this is rounding


def extended(matrix: Any, n: int) -> tuple[Array, Array, Array]:
    """(values, first, vectors): Ritz values ascending, components (m,) of a unit first error along the Ritz vectors, these (n, m).

    >>> from scipy.sparse import diags_array
    >>> extended(diags_array([1.0, 2.0, 4.0]).tocsc(), 3)[0].round(9)
    array([1., 2., 4.])
    """
    from scipy.sparse.linalg import eigsh, splu

    solve = splu(matrix.tocsc()).solve
    basis = np.empty((min(n, _TURNS + _BACK + 2), n))
    basis[0] = 1 / np.sqrt(n)
    count, ahead, back = 1, basis[0], basis[0]
    for turn in range(_TURNS):
        ways: list[tuple[bool, Callable[[Array], Array]]] = [(True, lambda v: np.asarray(matrix @ v))]
        if turn < _BACK:
            ways.append((False, solve))
        for forward, way in ways:
            vector = way(ahead if forward else back)
            before = float(np.linalg.norm(vector))
            for _ in range(2):
                vector = vector - basis[:count].T @ (basis[:count] @ vector)
            size = float(np.linalg.norm(vector))
            if count == len(basis) or size <= 1e-11 * before:
                continue
            basis[count] = vector / size
            ahead, back = (basis[count], back) if forward else (ahead, basis[count])
            count += 1
    if count < len(basis):  # the steepest mode, which sets the learning rate, although the first error holds next to nothing of it
        top = eigsh(matrix, k=1, which="LA", v0=basis[count - 1], tol=1e-5)[1][:, 0]
        top = top - basis[:count].T @ (basis[:count] @ top)
        top = top - basis[:count].T @ (basis[:count] @ top)
        basis[count] = top / np.linalg.norm(top)
        count += 1
    basis = basis[:count]
    values, turned = np.linalg.eigh(basis @ np.asarray(matrix @ basis.T))
    return values, turned[0], basis.T @ turned


class Long(NamedTuple):
    """Conjugate gradients on a vast maze: places after every hundredth step, from which the steps between are made again."""

    matrix: Any
    kept: tuple[tuple[Array, Array, Array], ...]  # weights, residual, direction
    errors: Array  # (steps + 1,)
    done: bool  # whether the error was gone by the last step

    def at(self, k: int) -> Array:
        """Weights of all cells after k steps."""
        params, residual, direction = self.kept[k // _EVERY]
        for _ in range(k % _EVERY):
            params, residual, direction = _stepped(self.matrix, params, residual, direction)
        return params


def _stepped(matrix: Any, params: Array, residual: Array, direction: Array) -> tuple[Array, Array, Array]:
    """One step of conjugate gradients (Hestenes and Stiefel 1952)."""
    energy, product = float(residual @ residual), matrix @ direction
    share = energy / float(direction @ product)
    after = residual - share * product
    return params + share * direction, after, after + float(after @ after) / energy * direction


def cut(matrix: Any, n: int) -> Long:
    """Conjugate gradients from no colour until the error is gone."""
    target = np.asarray(matrix @ np.ones(n))
    params, residual, direction = np.zeros(n), target, target
    kept, errors, first = [(params, residual, direction)], [1.0], float(target @ target)
    while len(errors) <= _LONGEST and errors[-1] > _GONE and float(residual @ residual) > 1e-30 * first:
        params, residual, direction = _stepped(matrix, params, residual, direction)
        errors.append(float(np.linalg.norm(params - 1) / np.sqrt(n)))
        if (len(errors) - 1) % _EVERY == 0:
            kept.append((params, residual, direction))
    return Long(matrix, tuple(kept), np.array(errors), len(errors) <= _LONGEST)


def labyrinth(size: int, seed: int = 1) -> NDArray[np.bool_]:
    """Corridors one cell wide that form a tree: a random walk that never enters a room twice, and steps back where it is stuck.

    >>> from inertia.problems.graphs import mask_edges
    >>> made = labyrinth(11)
    >>> bool(len(mask_edges(made)[0]) == made.sum() - 1)
    True
    """
    rng, half = np.random.default_rng(seed), (size + 1) // 2
    mask = np.zeros((2 * half - 1, 2 * half - 1), dtype=bool)
    mask[0, 0] = True
    way = [(0, 0)]
    while way:
        row, column = way[-1]
        open_ = [(row + a, column + b) for a, b in ((0, 1), (1, 0), (0, -1), (-1, 0))]
        open_ = [(r, c) for r, c in open_ if 0 <= r < half and 0 <= c < half and not mask[2 * r, 2 * c]]
        if not open_:
            way.pop()
            continue
        r, c = open_[int(rng.integers(len(open_)))]
        mask[2 * r, 2 * c] = mask[row + r, column + c] = True
        way.append((r, c))
    return mask

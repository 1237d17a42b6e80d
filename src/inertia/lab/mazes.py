"""Mazes that a colour spreads through, and their dynamics in a small space that holds all of them.

The error of every method that adds up gradients is a polynomial of the matrix A applied to the first error. So one Krylov
basis V of (A, e0), with the Ritz values theta of A in it, serves gradient descent, momentum and Chebyshev alike, at every step
size and every step: e_k = V S p_k(theta) S' e_1 |e0|, exact for k below the size of the basis and, where the Ritz values have
converged, beyond. Ten thousand cells cost what a thousand cost. (Lanczos 1950.) Conjugate gradients are run.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..errors import BadInput
from ..problems.graphs import laplacian, mask_edges, maze_mask
from .vast import VAST, Long, cut, extended, labyrinth

__all__ = ["HUGE", "PAGE", "PRESETS", "Conjugate", "Reduced", "conjugate", "decoded", "encoded", "preset", "reduced"]

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]
PAGE = 10_000  # cells of a maze, walls included, that the page computes on its own; beyond, Python does (see `vast`)
_CONVERGED, _CARRIED = 1e-8, 1e-12  # residual of a Ritz vector against the largest value; share of the error worth a bar
_WHOLE, _DEPTH, _SHALLOW, _MANY = 420, 300, 220, 4000  # size of the basis: of small mazes, others, large ones; what is large

PRESETS = {"chambers": "four chambers", "room": "one room", "spiral": "spiral", "houses": "nine rooms", "large": "100 × 100"}
HUGE = {"vast": "200 × 200", "labyrinth": "labyrinth, 201 × 201"}


class Reduced(NamedTuple):
    """A maze in its Krylov basis: `shares` are the squared components of the first error, summing to 1."""

    values: Array  # (m,) Ritz values, ascending
    shares: Array  # (m,)
    vectors: Array  # (cells, m) Ritz vectors over the cells that a seed reaches
    signs: Array  # (m,) components of the first error, which is 1 in every cell, over its length
    cells: NDArray[np.intp]  # flat positions of those cells
    exact: bool  # whether the basis holds everything
    known: NDArray[np.intp]  # those that are eigenvalues: converged, and carrying some of the first error

    def picture(self, factors: Array) -> Array:
        """Weights of all cells for polynomial values (..., m) at the Ritz values: (..., cells), 1 where the colour is full."""
        scale = np.sqrt(self.cells.size)
        return 1 - scale * ((factors * self.signs) @ self.vectors.T)


def preset(name: str) -> tuple[Mask, list[int]]:
    """A built-in maze and the flat positions of its seeds.

    >>> preset("chambers")[0].sum(), preset("chambers")[1]
    (np.int64(1120), [784, 896])
    """
    if name == "room":
        return np.ones((26, 26), dtype=bool), [0]
    if name == "spiral":
        return _spiral(27), [0]
    if name == "houses":
        return _rooms(31, 3, 1), [0]
    if name == "large":
        return _rooms(100, 5, 4), [0]
    if name == "vast":
        return _rooms(200, 8, 4), [0]
    if name == "labyrinth":
        return _lost(), [0]
    return maze_mask(), [784, 896]


def _rooms(size: int, count: int, door: int) -> Mask:
    """Square rooms behind walls one cell thick, each wall with one door, a little off its middle."""
    mask = np.ones((size, size), dtype=bool)
    lines = np.linspace(0, size, count + 1).astype(int)
    mask[lines[1:-1]] = False
    mask[:, lines[1:-1]] = False
    for index, line in enumerate(lines[1:-1]):
        for room in range(count):
            shift = (3 * room + 2 * index) % 3 - 1
            middle = (lines[room] + lines[room + 1]) // 2 + shift * max(1, size // count // 5)
            mask[line, middle : middle + door] = True
            mask[middle : middle + door, line] = True
    return mask


@functools.cache
def _lost() -> Mask:
    return labyrinth(201)


def _spiral(size: int) -> Mask:
    """One corridor, one cell wide, from the corner to the middle."""
    mask = np.zeros((size, size), dtype=bool)
    row, column, down, right, reach = 0, 0, 0, 1, size - 1
    mask[0, 0] = True
    turns = 0
    while reach > 0:
        for _ in range(reach):
            row, column = row + down, column + right
            mask[row, column] = True
        down, right = right, -down
        turns += 1
        if turns >= 3 and turns % 2 == 1:
            reach -= 2
    return mask


def encoded(mask: Mask) -> str:
    """A mask as a short line of text: rows x columns and the cells in hexadecimal, row after row.

    >>> encoded(np.array([[True, False], [True, True]]))
    '2x2:b0'
    """
    return f"{mask.shape[0]}x{mask.shape[1]}:{np.packbits(mask.ravel()).tobytes().hex()}"


def decoded(text: str) -> Mask:
    """The mask that `encoded` wrote.

    Raises:
        BadInput: any other text, a maze without cells or with more than 90,000.

    >>> decoded("2x2:b0").astype(int)
    array([[1, 0],
           [1, 1]])
    """
    found = re.fullmatch(r"(\d{1,4})x(\d{1,4}):([0-9a-f]*)", text)
    if found is None:
        raise BadInput(f"{text[:30]!r} is not a maze: rows x columns and hexadecimal cells are needed, such as 2x2:b0")
    rows, columns = int(found[1]), int(found[2])
    if not 0 < rows * columns <= VAST or len(found[3]) != 2 * -(-rows * columns // 8):
        raise BadInput(f"a maze of {rows} x {columns} with {len(found[3])} digits does not fit: at most {VAST} cells, 4 to a digit")
    bits = np.unpackbits(np.frombuffer(bytes.fromhex(found[3]), dtype=np.uint8))[: rows * columns]
    return bits.reshape(rows, columns).astype(bool)


@functools.lru_cache(maxsize=6)
def reduced(text: str, seeds: tuple[int, ...], weight: float = 0.1) -> Reduced:
    """The maze `text` with those seeds (flat positions) in its Krylov basis.

    Raises:
        BadInput: no seed inside the maze.

    >>> found = reduced("1x3:e0", (0,), 1.0)
    >>> found.values.round(4), found.exact
    (array([0.1981, 1.555 , 3.247 ]), True)
    """
    mask = decoded(text)
    cells, matrix = _matrix(mask, seeds, weight)
    n = cells.size
    if n > PAGE:
        ritz, parts, vectors = extended(matrix, n)
        slow = np.flatnonzero(_left(matrix, ritz, vectors) <= _CONVERGED * ritz[-1])
        held = slow[parts[slow] ** 2 >= _CARRIED]
        return Reduced(ritz, parts**2, vectors.astype(np.float32), parts, cells, False, held)
    depth = n if n <= _WHOLE else _SHALLOW if n > _MANY else _DEPTH
    basis, diagonal, beside = _lanczos(matrix, n, depth)
    tri = np.diag(diagonal) + np.diag(beside, 1) + np.diag(beside, -1)
    values, turn = np.linalg.eigh(tri)
    exact = len(diagonal) < depth or depth == n
    left = 0.0 if exact else float(beside[-1]) * np.abs(turn[-1])  # length of the residual of each Ritz vector, or a little more
    sure = (left <= _CONVERGED * values[-1]) | (turn[0] ** 2 < _CARRIED)
    first = len(values) if sure.all() else int(np.argmin(sure))  # all below are known
    known = np.flatnonzero(turn[0, : max(first, 1)] ** 2 >= _CARRIED)  # the first is shown in any case
    return Reduced(values, turn[0] ** 2, np.ascontiguousarray(basis.T @ turn), turn[0], cells, exact, known)


def _matrix(mask: Mask, seeds: Sequence[int], weight: float) -> tuple[NDArray[np.intp], Any]:
    """Laplacian plus weight at the seeds, over the cells that some seed reaches."""
    from scipy.sparse import dia_array
    from scipy.sparse.csgraph import connected_components

    edges, number = mask_edges(mask)
    inside = [int(seed) for seed in seeds if 0 <= seed < mask.size and mask.flat[int(seed)]]
    if not inside:
        raise BadInput("no seed is inside the maze: choose seeds and tap a cell")
    lap = laplacian(edges, int(mask.sum()))
    pins = number.flat[inside]
    part = connected_components(lap, directed=False)[1]
    live = np.flatnonzero(np.isin(part, part[pins]))
    on = np.zeros(lap.shape[0])
    on[pins] = weight
    return np.flatnonzero(mask.ravel())[live], (lap + dia_array((on[None], [0]), shape=lap.shape)).tocsr()[live][:, live]


def _lanczos(matrix: Any, n: int, depth: int) -> tuple[Array, Array, Array]:
    """Orthonormal rows (m, n) from the first error, which is 1 everywhere, and the tridiagonal matrix."""
    basis = np.empty((depth, n))
    basis[0] = 1 / np.sqrt(n)
    diagonal, beside = np.empty(depth), np.empty(depth)
    for k in range(depth):
        vector = matrix @ basis[k]
        diagonal[k] = basis[k] @ vector
        vector -= basis[: k + 1].T @ (basis[: k + 1] @ vector)
        if n <= _MANY:  # a second pass keeps the rows orthogonal to rounding; a large maze makes do with one
            vector -= basis[: k + 1].T @ (basis[: k + 1] @ vector)
        size = float(np.linalg.norm(vector))
        if k + 1 == depth or size < 1e-10:
            return basis[: k + 1], diagonal[: k + 1], beside[:k]
        beside[k] = size
        basis[k + 1] = vector / size
    raise AssertionError("unreachable")


class Conjugate(NamedTuple):
    """Conjugate gradients on a maze, as far as they were followed."""

    weights: Array  # (steps + 1, cells) after every step
    errors: Array  # (steps + 1,) |w - 1| over its start
    done: bool  # whether the error was gone by the last step

    def at(self, k: int) -> Array:
        """Weights of all cells after k steps."""
        return np.asarray(self.weights[k])


def _left(matrix: Any, values: Array, vectors: Array) -> Array:
    """Lengths of the residuals A v - theta v of the slow Ritz vectors; infinite for the others, which no figure shows."""
    count = len(values) // 2
    found = np.linalg.norm(matrix @ vectors[:, :count] - vectors[:, :count] * values[:count], axis=0)
    return np.concatenate([found, np.full(len(values) - count, np.inf)])


@functools.lru_cache(maxsize=6)
def conjugate(text: str, seeds: tuple[int, ...], weight: float = 0.1) -> Conjugate | Long:
    """Conjugate gradients on the cells themselves, every residual orthogonal to all before it.

    Not in the Krylov basis of the first error: its rounding reaches every cell at once, while the true method has not heard of a
    cell more than k steps away, and such whispers grow. (Hestenes and Stiefel 1952.)

    >>> conjugate("1x3:e0", (0,), 1.0).errors.round(6)
    array([1.      , 0.866025, 0.720082, 0.      ])
    """
    cells, matrix = _matrix(decoded(text), seeds, weight)
    n = cells.size
    if n > PAGE:
        return cut(matrix, n)
    depth = min(n, _SHALLOW if n > _MANY else _DEPTH)
    path, basis, params = np.zeros((depth + 1, n)), np.zeros((depth, n)), np.zeros(n)
    residual = np.asarray(matrix @ np.ones(n))
    direction, energy = residual, float(residual @ residual)
    rest, done, last = energy * 1e-30, False, depth
    for k in range(depth):
        basis[k] = residual / np.sqrt(energy)
        product = matrix @ direction
        share = energy / float(direction @ product)
        params, residual = params + share * direction, residual - share * product
        for _ in range(2 if n <= _MANY else 1):
            residual = residual - basis[: k + 1].T @ (basis[: k + 1] @ residual)
        path[k + 1] = params
        energy, before = float(residual @ residual), energy
        if energy <= rest:
            done, last = True, k + 1
            break
        direction = residual + energy / before * direction
    path = path[: last + 1]
    return Conjugate(path, np.linalg.norm(path - 1, axis=1) / np.sqrt(n), done or last == n)

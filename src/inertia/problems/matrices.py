"""Symmetric matrices in any form (array, scipy sparse, operator): one product, and the checks a quadratic needs of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from ..errors import BadInput
from .base import Array

__all__ = ["Symmetric", "eigenbasis", "solve", "symmetric"]

_SMALL = 2000  # up to this dimension eigenvalues are computed exactly
_ASYMMETRY = 1e-10  # relative: more than rounding in the building of a symmetric matrix
_ALLOW = "allow saddles and flat directions with definite=False"


class Symmetric(NamedTuple):
    """A symmetric matrix as a product over leading axes, and whatever form of it is at hand."""

    apply: Callable[[Array], Array]
    size: int
    dense: Array | None  # where it came as an array, or is small
    sparse: Any


def symmetric(matrix: Any) -> Symmetric:
    """Anything that multiplies, as a product over leading axes; arrays and sparse matrices are checked for symmetry."""
    sparse = hasattr(matrix, "tocsr")
    held: Any = matrix.tocsr().astype(float) if sparse else matrix if hasattr(matrix, "matmat") else np.asarray(matrix, dtype=float)
    shape = tuple(held.shape)
    if len(shape) != 2 or shape[0] != shape[1] or shape[0] == 0:
        raise BadInput(f"the matrix has shape {shape}: a quadratic needs a square one")
    n = shape[0]
    if not sparse and hasattr(held, "matmat"):
        _check_operator(held, n)
        return Symmetric(lambda p: held.matmat(np.reshape(p, (-1, n)).T).T.reshape(np.shape(p)), n, None, None)
    if not np.all(np.isfinite(held.data if sparse else held)):
        raise BadInput("the matrix holds a number that is not finite: check what it was built from")
    _check_symmetric(held, sparse)
    if sparse:
        dense = held.toarray() if n <= _SMALL else None
        return Symmetric(lambda p: (held @ np.reshape(p, (-1, n)).T).T.reshape(np.shape(p)), n, dense, held)
    return Symmetric(lambda p: p @ held, n, held, None)


def _check_symmetric(matrix: Any, sparse: bool) -> None:
    gap = abs(matrix - matrix.T)
    worst = gap.max()
    if worst <= _ASYMMETRY * abs(matrix).max():
        return
    where = int(gap.argmax())
    i, j = divmod(where, matrix.shape[0])
    raise BadInput(
        f"the matrix is not symmetric: entry ({i}, {j}) is {matrix[i, j]:.6g} but ({j}, {i}) is {matrix[j, i]:.6g}. "
        "Only the symmetric part matters in a quadratic: use (A + A.T)/2 if that is what you mean"
    )


def _check_operator(operator: Any, n: int) -> None:
    u, v = np.random.default_rng(0).standard_normal((2, n))
    one, other = float(u @ operator.matvec(v)), float(v @ operator.matvec(u))
    if not abs(one - other) <= 1e-8 * (np.linalg.norm(u) * np.linalg.norm(operator.matvec(v))):
        raise BadInput(f"the operator is not symmetric: u'Av is {one:.6g} but v'Au is {other:.6g} for random u, v; use (A + A.T)/2")


def eigenbasis(a: Symmetric, definite: bool) -> tuple[Array, Array] | None:
    """Eigenvalues and vectors where A is small; refuses what is not definite where it should be."""
    if a.dense is None or a.size > _SMALL:
        return None
    h, q = np.linalg.eigh(a.dense)
    if definite and h[0] <= a.size * np.finfo(float).eps * abs(h[-1]):
        raise BadInput(
            f"the matrix is not positive definite: its smallest eigenvalue is {h[0]:.3g}. Add more than {max(-h[0], 0) + 0.0:.3g} "
            f"to the diagonal, or {_ALLOW}"
        )
    return h, q


def solve(a: Symmetric, b: Array) -> Array:
    """The w with A w = b for a positive definite A: by factors of the matrix, or by conjugate gradients of the product."""
    if not np.any(b):
        return np.zeros(a.size)
    if a.dense is not None:
        from scipy.linalg import cho_factor, cho_solve

        try:
            factor = cho_factor(a.dense, lower=True)
        except np.linalg.LinAlgError:
            raise BadInput(f"the matrix is not positive definite: it has no Cholesky factor. Add to its diagonal, or {_ALLOW}") from None
        return np.asarray(cho_solve(factor, b), dtype=float)
    if a.sparse is not None:
        return _sparse_solve(a.sparse, b)
    return _conjugate_gradients(a, b)


def _sparse_solve(matrix: Any, b: Array) -> Array:
    """Sparse factors without row exchanges: as many pivots are negative as eigenvalues are (Sylvester's law of inertia)."""
    from scipy.sparse.linalg import splu

    try:
        factors = splu(matrix.tocsc(), permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options={"SymmetricMode": True})
    except RuntimeError:
        raise BadInput(f"the matrix is singular: one eigenvalue is 0. Add to its diagonal, or {_ALLOW}") from None
    pivots = factors.U.diagonal()
    if np.any(pivots <= 0) or not np.array_equal(factors.perm_r, factors.perm_c):
        count = max(int(np.sum(pivots < 0)), 1)
        raise BadInput(
            f"the matrix is not positive definite: at least {count} of its {len(b)} eigenvalues <= 0. Add to its diagonal, or {_ALLOW}"
        )
    return np.asarray(factors.solve(b), dtype=float)


def _conjugate_gradients(a: Symmetric, b: Array) -> Array:
    """The w with A w = b; a direction of curvature <= 0 on the way proves that A is not positive definite."""
    best, residual = np.zeros(a.size), b.copy()
    direction, size = residual.copy(), float(residual @ residual)
    for _ in range(10 * a.size):
        product = a.apply(direction)
        bend = float(direction @ product)
        if not bend > 0:
            raise BadInput(
                f"the operator is not positive definite: along one direction its curvature is {bend / float(direction @ direction):.3g}. "
                f"Add to its diagonal, or {_ALLOW}"
            )
        best += size / bend * direction
        residual -= size / bend * product
        before, size = size, float(residual @ residual)
        if size <= 1e-24 * float(b @ b):
            return best
        direction = residual + size / before * direction
    raise BadInput(f"conjugate gradients did not find the optimum in {10 * a.size} steps: give optimum=, where you know it")

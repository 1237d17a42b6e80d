"""What counts as a symmetric operator: a function, an array, a scipy sparse matrix or a LinearOperator."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np

from ..core.arrays import real
from ..errors import BadInput

__all__ = ["Operator", "as_operator"]

Operator: TypeAlias = Any


def as_operator(operator: Operator, dimension: int | None = None, start: Any = None) -> tuple[Callable[[Any], Any], int]:
    """A function v -> A v giving fresh real vectors, and the dimension, from anything that multiplies.

    Raises:
        BadInput: not square, not symmetric (where that can be seen), not finite, complex, masked, or no dimension given.

    >>> as_operator(np.eye(3))[1]
    3
    """
    shape = getattr(operator, "shape", None)
    if shape is None and not callable(operator):
        operator = real(operator, "the operator")
        shape = operator.shape
    if shape is None:
        known = dimension if dimension is not None else np.size(start) if start is not None else None
        if not known:
            raise BadInput("the dimension of a function cannot be seen: pass dimension=, or a start vector")
        size, multiply = int(known), operator
    else:
        if len(shape) != 2 or shape[0] != shape[1]:
            raise BadInput(f"the operator has shape {tuple(shape)}: curvature is a square, symmetric matrix (n, n)")
        size = int(shape[0])
        if size == 0 or (dimension is not None and dimension != size):
            raise BadInput(f"dimension = {dimension} does not fit an operator of shape {tuple(shape)}: leave it out")
        if isinstance(operator, np.ndarray):
            operator = real(operator, "the matrix")
        _check_matrix(operator)

        def multiply(vector: Any) -> Any:
            return operator @ vector

    if start is not None and np.size(start) != size:
        raise BadInput(f"the start vector has {np.size(start)} entries for an operator of dimension {size}: give {size}")

    def matvec(vector: Any) -> Any:
        image = np.array(multiply(vector)).ravel()
        if image.dtype in (np.float64, np.float32):
            return image
        if np.iscomplexobj(image):
            raise BadInput(f"the operator returns {image.dtype} vectors: curvature is real; return a real vector")
        return image.astype(float)

    return matvec, size


def _check_matrix(matrix: Any) -> None:
    """An array or a sparse matrix shows its entries: refuse what is not real, finite and symmetric before any product."""
    if np.issubdtype(getattr(matrix, "dtype", float) or float, np.complexfloating):
        raise BadInput(f"the operator is {matrix.dtype}: curvature is a real symmetric matrix; pass its real part if that is meant")
    if isinstance(matrix, np.ndarray):
        if not np.all(np.isfinite(matrix)):
            raise BadInput("the matrix has entries that are not finite: check where it comes from")
        difference, entries = np.abs(matrix / 2 - matrix.T / 2), matrix
    elif hasattr(matrix, "tocsr"):
        entries = matrix.tocsr().data
        if entries.size and not np.all(np.isfinite(entries)):
            raise BadInput("the matrix has entries that are not finite: check where it comes from")
        difference = abs(matrix / 2 - matrix.T / 2).tocsr().data
    else:
        return
    worst, largest = (float(np.max(np.abs(part), initial=0.0)) for part in (difference, entries))
    if worst > 0.5e-8 * largest:
        raise BadInput(
            f"the matrix is not symmetric: A and A.T differ by up to {2 * worst:.3g}. If A is meant as a quadratic form pass (A + A.T)/2"
        )

"""What no first-order method can beat, and how hard a graph is.

On the convex Rosenbrock ("worst function") each weight talks only to its neighbours, so after k steps from zero a method that
combines gradients has not heard of anything beyond weight k: a dead zone, where the error is the solution itself.

    f(w) = (kappa - 1)/8 (w_1^2 - 2 w_1 + sum (w_i - w_{i+1})^2 + w_n^2) + 1/2 |w|^2

with matrix (kappa - 1)/4 tridiag(-1, 2, -1) + I. (Nesterov 2018, section 2.1.4; Nemirovski and Yudin 1983; Goh 2017.)
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..core.arrays import known, whole
from ..errors import BadInput

__all__ = [
    "asymptotic_bound",
    "contraction",
    "dead_zone",
    "expander_condition",
    "grid_condition",
    "grid_curvatures",
    "lower_bound",
    "path_condition",
    "path_curvatures",
    "worst_function_condition",
    "worst_function_curvatures",
    "worst_function_optimum",
]

Array = NDArray[np.float64]


def contraction(kappa: ArrayLike) -> Any:
    """q = (sqrt kappa - 1)/(sqrt kappa + 1): no linear first-order method contracts faster on all problems of condition kappa.

    Args:
        kappa: condition number L/mu, at least 1; a number or an array.

    Raises:
        BadInput: kappa < 1.

    >>> float(contraction(9.0))
    0.5
    """
    value = known(kappa, "kappa")
    if not np.all(value >= 1):
        raise BadInput(f"kappa = {np.min(value):g} is below 1: a condition number is L/mu >= 1")
    root = np.sqrt(value)
    return ((root - 1) / (root + 1))[()]


def _size(n: int) -> int:
    return whole(n, "n", 1)


def worst_function_optimum(n: int, kappa: float) -> Array:
    """Solution of the worst function with n weights: w*_i = sinh((n + 1 - i) t)/sinh((n + 1) t), t = -ln q. Shape (n,).

    Written as q^i (1 - q^(2(n+1-i)))/(1 - q^(2(n+1))), which cannot overflow; q^i alone holds only as n grows without bound.

    Args:
        n: number of weights, at least 1.
        kappa: condition number of the worst function's class, > 1.

    Raises:
        BadInput: n < 1 or kappa <= 1.

    >>> worst_function_optimum(2, 9.0).round(6)
    array([0.47619 , 0.190476])
    """
    n, q = _size(n), _open(kappa)
    i = np.arange(1, n + 1)
    return np.asarray(q**i * (1 - q ** (2.0 * (n + 1 - i))) / (1 - q ** (2.0 * (n + 1))))


def _open(kappa: float) -> float:
    if np.ndim(kappa):
        raise BadInput(f"kappa holds {np.size(kappa)} numbers: the worst function needs one, such as 100")
    q = float(contraction(kappa))
    if q == 0:
        raise BadInput("kappa = 1 couples nothing: the worst function needs kappa > 1, such as 100")
    return q


def worst_function_curvatures(n: int, kappa: float) -> Array:
    """Eigenvalues of its Hessian, 1 + (kappa - 1) sin^2(j pi/(2(n + 1))), j = 1..n, ascending: shape (n,).

    Args:
        n: number of weights, at least 1.
        kappa: condition number of the worst function's class, > 1.

    >>> worst_function_curvatures(25, 1000.0)[[0, -1]].round(6)
    array([  4.641917, 996.358083])
    """
    _open(kappa)
    n = _size(n)
    angle = np.arange(1, n + 1) * np.pi / (2 * (n + 1))
    return np.asarray(1 + (kappa - 1) * np.sin(angle) ** 2)


def worst_function_condition(n: int, kappa: float) -> float:
    """Condition number it really has at finite n: less than the kappa in its name, which it reaches as n grows.

    Args:
        n: number of weights, at least 1.
        kappa: condition number of the worst function's class, > 1.

    >>> round(worst_function_condition(25, 1000.0), 2)
    214.64
    """
    h = worst_function_curvatures(n, kappa)
    return float(h[-1] / h[0])


def lower_bound(n: int, kappa: float, k: ArrayLike) -> Any:
    """Largest coordinate error that remains after k steps from zero, whatever the method: w*_{k+1} for k < n, 0 after.

    Holds for every method whose iterates are combinations of past gradients (gradient descent, momentum, conjugate
    gradients, Adam without a dense preconditioner) and is exact for the finite n, unlike q^(k+1).

    Args:
        n: number of weights, at least 1.
        kappa: condition number of the worst function's class, > 1.
        k: number of steps, whole and not negative; a number or an array.

    Raises:
        BadInput: k negative.

    >>> lower_bound(25, 1000.0, [5, 10, 20]).round(4)
    array([0.654 , 0.4403, 0.129 ])
    """
    given = known(k, "k")
    if not np.all((given >= 0) & (given == np.floor(given))):
        raise BadInput(f"k = {np.min(given):g} is not a whole number >= 0: count steps from 0")
    n = _size(n)
    steps = np.minimum(given, n).astype(int)
    left = np.append(worst_function_optimum(n, kappa), 0.0)
    return left[steps]


def asymptotic_bound(kappa: ArrayLike, k: ArrayLike) -> Any:
    """q^(k+1), the same bound for infinitely many weights; at finite n a method may be below it.

    Args:
        kappa: condition number L/mu, at least 1; a number or an array.
        k: number of steps, whole and not negative; a number or an array.

    >>> float(asymptotic_bound(9.0, 1))
    0.25
    """
    return (contraction(kappa) ** (known(k, "k") + 1))[()]


def dead_zone(n: int, steps: int) -> NDArray[np.bool_]:
    """Which weights no signal has reached after 0..steps steps from zero: (steps + 1, n), True where the weight is still 0.

    Args:
        n: number of weights, at least 1.
        steps: number of steps, not negative.

    >>> dead_zone(3, 2).astype(int)
    array([[1, 1, 1],
           [0, 1, 1],
           [0, 0, 1]])
    """
    return np.arange(_size(n))[None, :] >= np.arange(whole(steps, "steps", 0) + 1)[:, None]


def path_curvatures(n: int) -> Array:
    """Eigenvalues of the Laplacian of a path of n nodes, 2 - 2 cos(pi j/n), j = 0..n-1: shape (n,).

    Args:
        n: number of nodes of the path.

    >>> path_curvatures(2).round(12)
    array([0., 2.])
    """
    return np.asarray(4 * np.sin(np.pi * np.arange(_size(n)) / (2 * n)) ** 2)


def grid_curvatures(*sides: int) -> Array:
    """Eigenvalues of the Laplacian of a grid with these sides: all sums of one path eigenvalue per side, ascending.

    >>> grid_curvatures(2, 2).round(12)
    array([0., 2., 2., 4.])
    """
    if not sides:
        raise BadInput("a grid needs at least one side, such as grid_curvatures(6, 6)")
    total = path_curvatures(sides[0])
    for side in sides[1:]:
        total = (total[:, None] + path_curvatures(side)).ravel()
    return np.asarray(np.sort(total))


def path_condition(n: int) -> float:
    """lam_n/lam_2 of a path: about 4 n^2/pi^2. Bad, because news must walk from end to end.

    Args:
        n: number of nodes of the path, at least 2.

    Raises:
        BadInput: a graph of fewer than two nodes.

    >>> round(path_condition(36), 1)
    524.6
    """
    return grid_condition(n)


def grid_condition(*sides: int) -> float:
    """lam_n/lam_2 of a grid: about (4 d/pi^2) n^(2/d) for n nodes in d equal sides.

    >>> round(grid_condition(6, 6), 2)
    27.86
    """
    h = grid_curvatures(*sides)
    if h.size < 2:
        raise BadInput("a graph of one node has no condition number: use at least two nodes")
    return float(h[-1] / h[1])


def expander_condition(degree: ArrayLike) -> Any:
    """lam_n/lam_2 that the best expanders of this degree keep however large they grow: (d + 2 sqrt(d-1))/(d - 2 sqrt(d-1)).

    Ramanujan graphs stay within it, and no infinite family of this degree keeps a larger lam_2 (Nilli 1991).

    Args:
        degree: neighbours of every node, at least 3; a number or an array.

    Raises:
        BadInput: degree < 3, where a connected graph is a path or a ring.

    >>> round(float(expander_condition(4)), 2)
    13.93
    """
    d = known(degree, "degree")
    if np.any(d < 3):
        raise BadInput(f"degree = {np.min(d):g} is too small to expand: use 3 or more")
    spread = 2 * np.sqrt(d - 1)
    return ((d + spread) / (d - spread))[()]

"""Things to minimise: value, gradient, Hessian-vector product, optimum, start and plotting domain.

`BUILT_IN` names every problem that needs no data of one's own; the tasks room adds budgets and batch sizes to them.
"""

from collections.abc import Callable

from . import graphs, polynomials
from .base import Problem
from .chain import convex_rosenbrock
from .datasets import airfoil, breast_cancer, diabetes, digits, linear_regression
from .functions import from_function
from .graphs import colourization, maze
from .landscapes import banana, double_well, heavy_ball_trap, quartic
from .linear_models import least_squares, logistic, softmax, with_intercept
from .polynomials import polynomial
from .quadratics import diagonal, from_spectrum, planar, quadratic, scalar, valley

__all__ = [
    "BUILT_IN",
    "Problem",
    "airfoil",
    "banana",
    "breast_cancer",
    "colourization",
    "convex_rosenbrock",
    "diabetes",
    "diagonal",
    "digits",
    "double_well",
    "from_function",
    "from_spectrum",
    "graphs",
    "heavy_ball_trap",
    "least_squares",
    "linear_regression",
    "logistic",
    "maze",
    "planar",
    "polynomial",
    "polynomials",
    "quadratic",
    "quartic",
    "scalar",
    "softmax",
    "valley",
    "with_intercept",
]


def _graph(name: str) -> Problem:
    edges = {"expander": graphs.expander(), "grid": graphs.grid(), "path": graphs.path(chords=3)}[name]
    return graphs.pinned(edges, 36, name=name, about=f"a signal spreading over a graph of 36 nodes: {name}")


BUILT_IN: dict[str, Callable[[], Problem]] = {
    "breast-cancer": breast_cancer,
    "convex-rosenbrock": convex_rosenbrock,
    "diabetes": diabetes,
    "digits": digits,
    "double-well": double_well,
    "expander": lambda: _graph("expander"),
    "grid": lambda: _graph("grid"),
    "heavy-ball-trap": heavy_ball_trap,
    "linear-regression": linear_regression,
    "maze": maze,
    "path": lambda: _graph("path"),
    "planar": planar,
    "poly": polynomial,
    "quartic": quartic,
    "rosenbrock": banana,
    "scalar": scalar,
    "valley": valley,
}

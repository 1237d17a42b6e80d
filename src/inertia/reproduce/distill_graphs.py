"""Document 002, the colorization problem: a maze, its slow eigenvectors, and the conditioning of graphs."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from ..core.method import Method
from ..core.spectrum import spectrum
from ..problems import graphs, maze
from ..problems.base import Array
from ..problems.simulation import run
from ..report.views import Curves, Mark, View, line
from ..theory.bounds import expander_condition, grid_condition, path_condition
from ..theory.catalog import heavy_ball
from ..theory.milestones import milestones
from ..theory.modes import rate
from .experiment import Experiment, Row, Session, claim, compare, formula
from .walks import optimum

__all__ = ["EXPERIMENTS"]


@cache
def _curvatures(weight: float) -> Array:
    """All eigenvalues of the maze pinned with this weight (1120, about a second)."""
    f = maze(weight=weight)
    matrix = f.facts["laplacian"].toarray()
    matrix[f.facts["marked"], f.facts["marked"]] += weight
    return np.linalg.eigvalsh(matrix)


def the_maze(session: Session) -> list[Row]:
    """Figures 13 and 14: the colour that diffuses through four chambers."""
    f = maze()
    h = _curvatures(0.1)
    text = _curvatures(1.0)
    lap = f.facts["laplacian"]
    pure = np.linalg.eigvalsh(lap.toarray())
    best = heavy_ball(float(h[0]), float(h[-1]))
    slow = np.log(1e-3) / np.log(np.asarray(rate(Method(1.9 / h[-1]), h)).max())
    quick = np.log(1e-3) / np.log(float(rate(best, h[0])))
    really = float(np.max(milestones(best, spectrum(h[[0, -1]]), 1e-6)))
    rng = np.random.default_rng(1)
    w = rng.standard_normal(f.dimension)
    return [
        compare("002/fig14/size", [f.dimension, len(f.facts["edges"])], "vertices and edges of the mask"),
        compare("002/fig14/smallest", h[:5], "four tiny eigenvalues, one per chamber, then a gap"),
        compare("002/fig14/largest", [h[-1], h[-1] / h[0]], "largest eigenvalue and condition number"),
        compare("002/fig14/laplacian", [pure[1], pure[-1] / pure[1]], "of the graph alone: second eigenvalue and conditioning"),
        compare("002/fig14/optimum", [best.alpha * h[-1], best.beta, float(rate(best, h[0]))], "best alpha lambda_n, beta and rate"),
        compare("002/fig14/descent-steps", slow, "steps of gradient descent at alpha = 1.9/lambda_n to an error of 1e-3"),
        compare(
            "002/fig14/momentum-steps",
            quick,
            f"of momentum at its best, by the rate alone; at its double roots the error goes like k rate^k and takes {really:.0f}",
        ),
        formula(
            "002/graphs/gradient", _by_neighbours(f, w), f.gradient(w), "the averaging step, neighbour by neighbour, against the matrix"
        ),
        claim(
            "002/graphs/ones",
            bool(np.abs(f.gradient(np.full(f.dimension, 100.0))).max() < 1e-9),
            np.abs(f.gradient(np.full(f.dimension, 100.0))).max(),
            "the target everywhere has gradient 0: the optimum, because the graph is connected and something is marked",
        ),
        compare(
            "002/erratum/12-settings",
            text[0],
            "with weight 1 as in the text the smallest eigenvalue is not the figure's, whose code pins with 0.1 at target 100. "
            "Likewise figure 9 runs 250 iterates from 0.92 (text: 150 from 1), 18 draws 52 rows (50), 21 divides alpha by 100",
        ),
        *_vector_form(),
        *_kernel(lap),
    ]


def _by_neighbours(f: Any, w: Array) -> Array:
    """sum over neighbours of w_i - w_j, plus the pull on marked nodes."""
    slope = np.zeros(f.dimension)
    i, j = f.facts["edges"].T
    np.add.at(slope, i, w[i] - w[j])
    np.add.at(slope, j, w[j] - w[i])
    slope[f.facts["marked"]] += f.facts["weight"] * (w[f.facts["marked"]] - f.facts["target"])
    return slope


def _vector_form() -> list[Row]:
    """Figure 15: the linear term of the colorizer, on a path of three nodes with the first one marked."""
    lap = graphs.laplacian(graphs.path(3), 3).toarray()
    e = np.array([1.0, 0.0, 0.0])
    as_drawn = np.linalg.solve(lap + np.outer(e, e), 0.5 * e)  # from 1/2 (x'ee'x - e'x)
    return [
        formula(
            "002/erratum/05-linear-term",
            as_drawn,
            optimum(graphs.pinned(graphs.path(3), 3)),
            "minimising it as drawn gives 1/2 everywhere: the bracket needs -2 e'x",
        )
    ]


def _kernel(lap: Any) -> list[Row]:
    """The eigenvector of eigenvalue 0, and which ratio conditions a Laplacian."""
    one = np.ones(lap.shape[0])
    values, vectors = np.linalg.eigh(lap.toarray())
    ratio_of_vectors = vectors[0, 1] / vectors[0, -1]
    return [
        formula(
            "002/erratum/09-eigenvector",
            ratio_of_vectors,
            values[-1] / values[1],
            "eigenvalues are meant, and kappa is lambda_n/lambda_2; the eigenvector of 0 is the vector of ones, not a matrix: "
            f"|L 1| = {np.abs(lap @ one).max():.1g}",
        )
    ]


def connectivity(session: Session) -> list[Row]:
    """Figure 16: three graphs of 36 nodes, and how their conditioning grows."""
    edges = {"expander": graphs.expander(), "grid": graphs.grid(), "path": graphs.path(chords=3)}
    values = {name: np.linalg.eigvalsh(graphs.laplacian(found, 36).toarray()) for name, found in edges.items()}
    rows = [
        compare(f"002/fig16/{name}", [h[1], h[-1], h[-1] / h[1]], "second eigenvalue, largest, and their ratio")
        for name, h in values.items()
    ]
    line36 = np.linalg.eigvalsh(graphs.laplacian(graphs.path(36), 36).toarray())
    sizes = np.array([100, 1000])
    rows.append(
        formula(
            "002/graphs/path-growth", 4 * sizes**2 / np.pi**2, [path_condition(int(n)) for n in sizes], "a path of n nodes", tolerance=0.02
        )
    )
    rows.append(compare("002/fig16/true-path", line36[-1] / line36[1], "the path without its three chords"))
    cube = grid_condition(10, 10, 10)
    plane = grid_condition(32, 32)
    rows.append(
        claim(
            "002/graphs/dimension",
            cube < plane < path_condition(1000),
            [path_condition(1000), plane, cube],
            "about 1000 nodes as a path, a square and a cube: conditioning improves with dimension",
        )
    )
    rows.append(
        claim(
            "002/graphs/expander",
            expander_condition(4) < 14,
            expander_condition(4),
            "an expander of degree 4 keeps this however large it grows",
        )
    )
    return rows


def maze_views(session: Session) -> list[View]:
    """How far gradient descent and momentum are from the colour, step by step."""
    h = _curvatures(0.1)
    best = heavy_ball(float(h[0]), float(h[-1]))
    steps = 3000
    lines = []
    for name, method, role in (("gradient descent", Method(1.9 / h[-1]), "grey"), ("momentum", best, "hot")):
        record = run(maze(), method, steps, evaluate_every=10)
        lines.append(line(record.notes["loss_steps"], record.losses, name, role))
    caption = "Loss on the maze of 1120 cells, condition number 155,099. Four eigenvalues, one per chamber, hold gradient descent back."
    count = np.arange(1, len(h) + 1)
    sticks = Curves(
        "maze-spectrum",
        "Four slow eigenvectors, one per chamber",
        (line(count[:60], h[:60], "", "hot", dots=True),),
        "eigenvalue",
        "curvature",
        "The 60 smallest curvatures of the maze: the gap after the fourth is the number of chambers.",
        marks=(Mark(4.5, "gap"),),
    )
    return [Curves("maze-loss", "Colour through a maze", tuple(lines), "step", "loss", caption), sticks]


def growth_views(session: Session) -> list[View]:
    """Conditioning against size."""
    n = np.unique(np.round(np.logspace(1, 4, 25))).astype(int)
    side = np.unique(np.round(np.sqrt(n))).astype(int)
    side = side[side > 1]
    lines = (
        line(n, [path_condition(int(m)) for m in n], "path", "ink"),
        line(side**2, [grid_condition(int(m), int(m)) for m in side], "square grid", "ramp", shade=0.5),
        line(n, np.full(len(n), float(expander_condition(4))), "expander", "hot"),
    )
    return [
        Curves(
            "graph-conditioning",
            "Wiry graphs are hard",
            lines,
            "nodes",
            "lambda_n / lambda_2",
            "Condition number of graph Laplacians as they grow.",
            log_x=True,
        )
    ]


EXPERIMENTS = [
    Experiment("maze", "002", "Figures 13 to 15: the colorization problem", the_maze, maze_views),
    Experiment("graph-conditioning", "002", "Figure 16: conditioning follows connectivity", connectivity, growth_views),
]

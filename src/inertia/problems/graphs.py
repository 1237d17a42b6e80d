"""Graphs: colour that spreads along edges, and why narrow passages make it slow.

    f(w) = 1/2 sum_{(i,j) in E} (w_i - w_j)^2 + weight/2 sum_{i in D} (w_i - target)^2

The first term is 1/2 w'Lw with the graph Laplacian L, the second pins the marked nodes D. An edge is a pair of node numbers.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import BadInput
from .base import Problem
from .quadratics import quadratic

__all__ = ["colourization", "expander", "grid", "laplacian", "mask_edges", "maze", "maze_mask", "path", "pinned"]

Edges = NDArray[np.intp]  # (edges, 2)


def laplacian(edges: ArrayLike, nodes: int) -> Any:
    """The graph Laplacian as a scipy sparse matrix: degree on the diagonal, -1 for every edge.

    Repeated edges count once, self loops not at all.

    Raises:
        BadInput: an edge that is not a pair of node numbers below `nodes`.

    >>> laplacian([(0, 1), (1, 2)], 3).toarray()
    array([[ 1., -1.,  0.],
           [-1.,  2., -1.],
           [ 0., -1.,  1.]])
    """
    from scipy.sparse import coo_array

    pairs = _edges(edges, nodes)
    i, j = pairs.T
    degree = np.bincount(pairs.ravel(), minlength=nodes)
    rows = np.concatenate([i, j, np.arange(nodes)])
    columns = np.concatenate([j, i, np.arange(nodes)])
    entries = np.concatenate([-np.ones(2 * len(pairs)), degree])
    return coo_array((entries, (rows, columns)), shape=(nodes, nodes)).tocsr()


def mask_edges(mask: ArrayLike) -> tuple[Edges, NDArray[np.intp]]:
    """Edges between neighbouring cells (up, down, left, right) of a mask, and the number of every cell, -1 outside.

    Cells are numbered row by row.

    >>> edges, number = mask_edges([[True, True], [False, True]])
    >>> edges.tolist(), number.tolist()
    ([[0, 1], [1, 2]], [[0, 1], [-1, 2]])
    """
    inside = np.asarray(mask, dtype=bool)
    if inside.ndim != 2 or not inside.any():
        raise BadInput(f"the mask has shape {inside.shape} and {int(inside.sum())} cells: give a 2-D mask with at least one cell")
    number = np.where(inside, np.cumsum(inside).reshape(inside.shape) - 1, -1)
    right = np.stack([number[:, :-1].ravel(), number[:, 1:].ravel()], axis=1)
    down = np.stack([number[:-1].ravel(), number[1:].ravel()], axis=1)
    both = np.concatenate([right, down])
    return both[(both >= 0).all(axis=1)].astype(np.intp), number.astype(np.intp)


def maze_mask() -> NDArray[np.bool_]:
    """The maze of Goh (2017): four chambers of 16 x 16 joined by corridors 16 long and 2 high, (16, 112), 1120 cells."""
    mask = np.zeros((16, 112), dtype=bool)
    mask[7:9] = True
    for left in (0, 32, 64, 96):
        mask[:, left : left + 16] = True
    return mask


def colourization(
    edges: ArrayLike, nodes: int, marked: Sequence[int], *, weight: float = 0.1, target: float = 100.0, **words: Any
) -> Problem:
    """Spread a colour from marked nodes over a graph: 1/2 w'Lw + weight/2 sum_D (w_i - target)^2, from 0.

    The optimum is the target everywhere. `facts` holds edges, marked nodes and the Laplacian. weight 0.1 and target 100 are
    what the source solved (its text says 1 and 1).

    Raises:
        BadInput: a marked node or an edge that is not in the graph, a weight that is not positive, or a part of the graph
            that no marked node reaches (its colour would be arbitrary).

    >>> colourization([(0, 1), (1, 2)], 3, marked=[0], weight=1.0, target=1.0).optimum
    array([1., 1., 1.])
    """
    from scipy.sparse import dia_array
    from scipy.sparse.csgraph import connected_components

    if not (np.isfinite(weight) and weight > 0):
        raise BadInput(f"weight = {weight:g} pins nothing: give a number > 0, such as 0.1")
    lap = laplacian(edges, nodes)
    pins = np.unique(np.asarray(marked, dtype=np.intp))
    if pins.size == 0 or pins[0] < 0 or pins[-1] >= nodes:
        raise BadInput(f"marked = {list(marked)} must name at least one node, each from 0 to {nodes - 1}")
    parts, part = connected_components(lap, directed=False)
    lost = np.setdiff1d(np.arange(parts), part[pins])
    if lost.size:
        node = int(np.flatnonzero(part == lost[0])[0])
        raise BadInput(f"no path leads from a marked node to node {node}: mark a node in each of the {parts} parts of the graph")
    on = np.zeros(nodes)
    on[pins] = weight
    facts = {"edges": _edges(edges, nodes), "marked": pins, "laplacian": lap, "weight": weight, "target": target}
    words = {"name": "colourization", "about": f"a colour spreading over a graph of {nodes} nodes"} | words
    facts = facts | words.pop("facts", {})
    matrix = (lap + dia_array((on[None], [0]), shape=lap.shape)).tocsr()
    return quadratic(
        matrix,
        optimum=np.full(nodes, float(target)),
        constant=0.5 * weight * len(pins) * target**2,
        start=np.zeros(nodes),
        facts=facts,
        **words,
    )


def maze(mask: ArrayLike | None = None, marked: Sequence[int] | None = None, *, weight: float = 0.1, target: float = 100.0) -> Problem:
    """Colourization of the cells of a mask; the default is Goh's maze with the two left-edge cells of its corridor rows marked.

    Condition number 155099 at weight 0.1: the four small eigenvalues are the four chambers. `facts` adds mask and numbers.
    An own mask is marked at its first cell unless told otherwise.

    Raises:
        BadInput: as `colourization` and `mask_edges`.

    >>> maze().dimension
    1120
    """
    own = mask is not None
    cells = np.asarray(mask, dtype=bool) if own else maze_mask()
    edges, number = mask_edges(cells)
    pins = list(marked) if marked is not None else [0] if own else [int(number[7, 0]), int(number[8, 0])]
    return colourization(
        edges,
        int(cells.sum()),
        pins,
        weight=weight,
        target=target,
        name="maze",
        about=f"a colour spreading over a maze of {int(cells.sum())} cells",
        source="Goh 2017, Why Momentum Really Works, example: the colorization problem",
        facts={"mask": cells, "number": number},
    )


def expander(nodes: int = 36, tries: int = 80, seed: int = 17) -> Edges:
    """Random edges: well connected, so well conditioned. The default is the 68 edges of the source's drawing.

    The generator is the source's, frac(10^4 sin(seed)), sin(seed + 1), ...; a pair of draws is an edge.

    >>> len(_edges(expander(), 36))
    68
    """
    draws = _sines(seed)
    return np.array([[int(nodes * next(draws)), int(nodes * next(draws))] for _ in range(tries)], dtype=np.intp)


def grid(rows: int = 6, columns: int = 6) -> Edges:
    """A rectangular grid, 4 neighbours each.

    >>> len(grid())
    60
    """
    return mask_edges(np.ones((rows, columns), dtype=bool))[0]


def path(nodes: int = 36, chords: int = 0, seed: int = 17, skip: int = 160) -> Edges:
    """A path, with `chords` random shortcuts; the source's drawing has 3, drawn after its expander's 160 numbers.

    >>> path(chords=3)[-3:].tolist()
    [[32, 27], [7, 17], [17, 6]]
    """
    draws = _sines(seed + skip)
    line = np.stack([np.arange(nodes - 1), np.arange(1, nodes)], axis=1)
    extra = np.array([[int(nodes * next(draws)), int(nodes * next(draws))] for _ in range(chords)], dtype=np.intp)
    return np.concatenate([line, extra.reshape(-1, 2)]).astype(np.intp)


def pinned(edges: ArrayLike, nodes: int, **words: Any) -> Problem:
    """The Laplacian pinned at node 0 with weight 1 and target 1: how fast a signal spreads over that graph.

    >>> pinned(path(3), 3).minimum
    0.0
    """
    return colourization(edges, nodes, [0], weight=1.0, target=1.0, **({"name": "graph"} | words))


def _sines(seed: int) -> Iterator[float]:
    while True:
        value = math.sin(seed) * 10000
        yield value - math.floor(value)
        seed += 1


def _edges(edges: ArrayLike, nodes: int) -> Edges:
    """Edges as (E, 2), smaller node first, each once, without self loops."""
    pairs = np.asarray(edges, dtype=np.intp)
    if pairs.size == 0:
        pairs = np.empty((0, 2), dtype=np.intp)
    if pairs.ndim != 2 or pairs.shape[1] != 2:
        raise BadInput(f"edges have shape {pairs.shape}: give pairs of node numbers, (edges, 2)")
    if nodes < 1 or (pairs.size and (pairs.min() < 0 or pairs.max() >= nodes)):
        raise BadInput(f"an edge names a node outside 0 to {nodes - 1}: count nodes from 0, or raise nodes")
    ordered = np.sort(pairs[pairs[:, 0] != pairs[:, 1]], axis=1)
    return np.unique(ordered, axis=0)

"""Graphs: how fast news spreads is a condition number, and one edge can change it."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...core.method import Method
from ...core.spectrum import spectrum
from ...problems.graphs import grid, laplacian, path
from ...theory import bounds, catalog, modes
from ...theory.milestones import steps_to
from ..draws import permutation
from ..fields import Choice, Flag, Number, Numbers, State
from ..twin import colours, hot
from ..views import Costly, View

ORDER = 100
TITLE = "Which graphs are easy"
_KINDS = {"expander": "expander", "grid": "grid", "path": "path", "rooms": "two cliques"}
FIELDS = {
    "graph": Choice("expander", _KINDS, "graph"),
    "n": Number(36, 9, 225, 1, "nodes", whole=True),
    "a": Number(0, 0, 224, 1, "node in hand", whole=True),
    "b": Number(18, 0, 224, 1, "other node", whole=True),
    "method": Choice("heavy-ball", {"descent": "gradient descent", "heavy-ball": "momentum"}, "news spreads by"),
    "flips": Numbers((-1.0,), -1, 224, 1, 240, "edges changed"),
    "seed": Number(1, 0, 9999, 1, "seed", whole=True),
    "springs": Flag(False, "springs place the nodes"),
}
_SETTLING = 60  # moves of the springs
_FRAMES, _TOLERANCE = 60, 1e-6
_BESIDE = 36  # nodes of the three graphs that stand side by side
_SIZES = (9, 16, 25, 36, 49, 64, 100, 144, 225)
Array = NDArray[np.float64]
Edges = NDArray[np.intp]


class Solved(NamedTuple):
    """Eigenvalues and vectors of a Laplacian; how many parts the graph has."""

    values: Array
    vectors: Array
    parts: int


STEPS = """
import numpy as np
from inertia.core.spectrum import spectrum
from inertia.problems.graphs import laplacian
from inertia.theory import catalog
from inertia.theory.milestones import steps_to

values = np.linalg.eigvalsh(laplacian(shown["edges"], shown["nodes"]).toarray())
if shown["parts"] == 1:
    known = spectrum(values[1:])
    for name in (catalog.gradient_descent, catalog.heavy_ball):
        print(f"{known.kappa:.4g}", int(steps_to(name(known.mu, known.L), known, 1e-6)))
"""


def view(state: State) -> View:
    """The graph with its changes, its spectrum, condition number and steps, and news spreading from the node in hand."""
    kind, nodes = state["graph"], _nodes(state["graph"], state["n"])
    edges = _flipped(_base(kind, nodes, state["seed"]), nodes, state["flips"])
    found = _solved(edges.tobytes(), nodes)
    low, high = float(found.values[1]), float(found.values[-1])
    whole = found.parts == 1
    here, other = min(state["a"], nodes - 1), min(state["b"], nodes - 1)
    plans = {"descent": catalog.gradient_descent(low, high), "heavy-ball": catalog.heavy_ball(low, high)} if whole else {}
    kappa = high / low if whole else np.inf
    slow = _slowest(found)
    values = {
        "edges": edges,
        "nodes": nodes,
        "a": here,
        "b": other,
        "joined": bool(np.any((edges == sorted((here, other))).all(axis=1))),
        "slow": _bytes(slow),
        "frames": _spread(edges.tobytes(), nodes, plans[state["method"]] if whole else Method(1 / max(high, 1e-9)), here),
        "values": found.values,
        "kappa": kappa,
        "steps": {name: _needed(edges.tobytes(), nodes, one) for name, one in plans.items()},
        "parts": found.parts,
        "changed": state["flips"] != [-1.0],
    }
    key = f"{kind}|{nodes}|{state['seed']}|{edges.ravel().tolist() if state['springs'] else ''}"
    placed = edges if state["springs"] else None
    costly = {
        "places": Costly(key, lambda: {"at": _places(kind, nodes, state["seed"], placed)}),
        "growth": Costly(f"{state['seed']}", lambda: _growth(state["seed"])),
        "three": Costly(f"{state['seed']}", lambda: {"graphs": [_beside(name, state["seed"]) for name in ("expander", "grid", "path")]}),
    }
    alt = f"A graph of {nodes} nodes and {len(edges)} edges ({_KINDS[kind]}), condition number {kappa:.4g}."
    return View(values, _words(values), alt, costly)


def _beside(kind: str, seed: int) -> dict[str, Any]:
    """One of the three graphs of the same size that stand side by side."""
    edges = _flipped(_base(kind, _BESIDE, seed), _BESIDE, [])
    found = _solved(edges.tobytes(), _BESIDE)
    slow = _slowest(found)
    return {
        "kind": kind,
        "edges": edges,
        "at": _places(kind, _BESIDE, seed),
        "slow": _bytes(slow),
        "kappa": float(found.values[-1] / found.values[1]),
    }


def _slowest(found: Solved) -> Array:
    """The slowest eigenvector; where several share the eigenvalue, the part of a fixed vector that lies in their space."""
    space = found.vectors[:, np.abs(found.values - found.values[1]) <= 1e-9 * max(float(found.values[-1]), 1e-9)]
    fixed = np.cos(1 + np.sqrt(2) * np.arange(len(found.values)))
    return np.asarray(space @ (space.T @ (fixed - fixed.mean())))  # without its mean: a graph in parts has the constant among them


def _bytes(slow: Array) -> NDArray[np.uint8]:
    """As a colour of 255; halves, as a graph in parts has them, are no matter of rounding."""
    return np.round(127 + 127 * slow / np.max(np.abs(slow)) + 1e-6).astype(np.uint8)


def _nodes(kind: str, n: int) -> int:
    """The number of nodes that the family has nearest to n."""
    return round(np.sqrt(n)) ** 2 if kind == "grid" else n


def _base(kind: str, nodes: int, seed: int) -> Edges:
    if kind == "grid":
        side = round(np.sqrt(nodes))
        return grid(side, side)
    if kind == "path":
        return path(nodes)
    if kind == "rooms":
        half = nodes // 2
        first = np.stack(np.triu_indices(half, 1), axis=1)
        second = np.stack(np.triu_indices(nodes - half, 1), axis=1) + half
        return np.concatenate([first, second, [[half - 1, half]]]).astype(np.intp)
    return _cycles(nodes, seed)


def _cycles(nodes: int, seed: int) -> Edges:
    """Two random cycles through all nodes: four neighbours each, an expander with probability near 1 (Friedman 2008)."""
    rings = [np.arange(nodes), permutation(seed, nodes)]
    return np.concatenate([np.stack([ring, np.roll(ring, -1)], axis=1) for ring in rings]).astype(np.intp)


def _flipped(edges: Edges, nodes: int, flips: list[float]) -> Edges:
    """The edges, sorted and each once, with every pair in `flips` added where it was missing and removed where it was."""
    have = {tuple(sorted(pair)) for pair in edges.tolist() if pair[0] != pair[1]}
    numbers = [round(value) for value in flips]
    for one, two in zip(numbers[::2], numbers[1::2], strict=False):
        if 0 <= one < nodes and 0 <= two < nodes and one != two:
            have ^= {(min(one, two), max(one, two))}
    return np.array(sorted(have), dtype=np.intp).reshape(-1, 2)


@functools.lru_cache(maxsize=32)
def _solved(raw: bytes, nodes: int) -> Solved:
    edges = np.frombuffer(raw, dtype=np.intp).reshape(-1, 2)
    values, vectors = np.linalg.eigh(laplacian(edges, nodes).toarray())
    parts = int(np.sum(values < 1e-9 * max(float(values[-1]), 1.0)))
    return Solved(np.maximum(values, 0.0), vectors, max(parts, 1))


@functools.lru_cache(maxsize=32)
def _needed(raw: bytes, nodes: int, one: Method) -> float:
    """Steps to the tolerance on a graph in one part."""
    return float(steps_to(one, spectrum(_solved(raw, nodes).values[1:]), _TOLERANCE))


@functools.lru_cache(maxsize=16)
def _factors(raw: bytes, nodes: int, one: Method) -> Array:
    """What the method leaves of every eigenvector after 0, 1, ... steps: (frames, n)."""
    return np.asarray(modes.iterate(one, _solved(raw, nodes).values[None, :], np.arange(_FRAMES + 1)[:, None]).params)


def _spread(raw: bytes, nodes: int, one: Method, source: int) -> NDArray[np.uint8]:
    """What begins at one node, over its fair share, after 0, 1, ... steps: (frames, nodes), 127 is the fair share."""
    found, factors = _solved(raw, nodes), _factors(raw, nodes, one)
    share = nodes * ((factors * found.vectors[source]) @ found.vectors.T)
    return np.asarray(np.round(127 * np.clip(share, 0, 2)), dtype=np.uint8)


def _places(kind: str, nodes: int, seed: int, edges: Edges | None = None) -> Array:
    """Where the nodes stand, in [-1, 1] squared: (n, 2); an expander, and whatever edges are given, as springs place them."""
    found = _drawn(kind, nodes)
    if edges is None and kind == "expander":
        edges = _flipped(_cycles(nodes, seed), nodes, [])
    return found if edges is None else _settled(edges, found)


def _settled(edges: Edges, start: Array) -> Array:
    """Every pair of nodes on a spring as long as the way between them: de Leeuw's (1977) majorisation of the stress, from there."""
    nodes = len(start)
    away = np.full((nodes, nodes), np.inf)
    away[edges[:, 0], edges[:, 1]] = away[edges[:, 1], edges[:, 0]] = 1.0
    np.fill_diagonal(away, 0.0)
    for middle in range(nodes):  # Floyd and Warshall
        np.minimum(away, away[:, middle, None] + away[middle], out=away)
    away[np.isinf(away)] = away[np.isfinite(away)].max() + 2  # parts stand apart
    at = start + 0.05 * np.cos(1 + np.sqrt(2) * np.arange(start.size)).reshape(start.shape)  # a ring is a saddle: rounding must not choose
    for _ in range(_SETTLING):
        off = at[:, None] - at[None]
        pull = away / np.maximum(np.sqrt(np.sum(off * off, axis=-1)), 1e-9)
        at = np.einsum("ij,ijk->ik", pull, off) / nodes
    at -= at.mean(axis=0)
    return np.asarray(0.95 * at / np.abs(at).max())


def _drawn(kind: str, nodes: int) -> Array:
    """A grid, a spiral, two rings or one, as the family is usually drawn: (n, 2)."""
    turn = 2 * np.pi * np.arange(nodes) / nodes
    if kind == "grid":
        side = round(np.sqrt(nodes))
        return np.stack([np.tile(np.linspace(-0.92, 0.92, side), side), np.repeat(np.linspace(0.92, -0.92, side), side)], axis=1)
    if kind == "path":
        along = np.sqrt(np.linspace(0.04, 1.0, nodes))
        angle = np.pi * 2 * max(1.0, np.sqrt(nodes) / 2.6) * along
        return 0.95 * along[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    if kind == "rooms":
        half = nodes // 2
        left, right = (2 * np.pi * np.arange(count) / count for count in (half, nodes - half))
        first = np.stack([-0.5 + 0.42 * np.cos(left + left[1]), 0.42 * np.sin(left + left[1])], axis=1)
        second = np.stack([0.5 - 0.42 * np.cos(right), 0.42 * np.sin(right)], axis=1)
        return np.concatenate([first, second])
    return 0.95 * np.stack([np.cos(turn), np.sin(turn)], axis=1)


@functools.lru_cache(maxsize=4)
def _growth(seed: int) -> dict[str, Any]:
    """Condition number against the number of nodes, in closed form where there is one."""
    sizes = np.unique(np.geomspace(9, 225, 30).round().astype(int))
    sides = np.arange(3, 16)
    grown = []
    for size in _SIZES:
        found = _solved(_flipped(_cycles(size, seed), size, []).tobytes(), size)
        grown.append(float(found.values[-1] / found.values[1]))
    return {
        "path": [sizes.astype(float), np.array([bounds.path_condition(int(size)) for size in sizes])],
        "grid": [(sides**2).astype(float), np.array([bounds.grid_condition(int(side), int(side)) for side in sides])],
        "expander": [np.array(_SIZES, dtype=float), np.array(grown)],
        "limit": float(bounds.expander_condition(4)),
    }


def _words(values: Mapping[str, Any]) -> str:
    if values["parts"] > 1:
        return f"The graph has fallen into *{values['parts']}* parts: λ₂ = 0, and no news ever crosses. Join two nodes to mend it."
    steps = values["steps"]
    return (
        f"{values['nodes']} nodes, {len(values['edges'])} edges: λ₂ = {values['values'][1]:.4g}, condition number *{values['kappa']:.4g}*. "
        f"To a millionth of the loss gradient descent needs *{steps['descent']:,.0f}* steps, momentum *{steps['heavy-ball']:,.0f}*."
    )


def draw(canvas: Any, data: Mapping[str, Any]) -> None:
    """The graph coloured by its slowest eigenvector, and condition numbers against size."""
    left, right = canvas.subplots(1, 2)
    at = data["places"]["at"]
    for i, j in data["edges"]:
        left.plot(*at[[i, j]].T, color="#b8c4cf", lw=0.7, zorder=1)
    left.scatter(*at.T, c=data["slow"], cmap=colours("mode"), vmin=0, vmax=255, s=42, zorder=2, edgecolors="#22303c", linewidths=0.6)
    left.set(xlim=(-1.05, 1.05), ylim=(-1.05, 1.05), aspect="equal", xticks=[], yticks=[])
    for name, color in (("path", "#8fb4d1"), ("grid", "#4a82ae"), ("expander", "#1f4e79")):
        right.loglog(*data["growth"][name], color=color, label=name)
    if np.isfinite(data["kappa"]):
        right.plot(data["nodes"], data["kappa"], "o", color=hot(), ms=8, label="this graph")
    right.set(xlabel="nodes", ylabel="condition number")
    right.legend(frameon=False)

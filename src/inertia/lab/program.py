"""A formula of many variables as a list of array operations, with its exact gradient and Hessian.

The gradient is one sweep back over the list (reverse mode; Linnainmaa 1970), the Hessian the same sweep on numbers that carry a
derivative along every axis (forward over reverse; Pearlmutter 1994). The terms of a sum are one array.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import BadInput
from .grammar import Call, Fold, Minus, Node, Number, Power, Product, Sum, Variable
from .jets import DERIVED, powers

__all__ = ["Program", "program"]

Array: TypeAlias = NDArray[np.float64]
_Whole: TypeAlias = NDArray[np.intp]
_TERMS, _WORK = 20_000, 400_000  # of one sum; numbers that one evaluation makes
_Index = Mapping[str, _Whole]


class _Step(NamedTuple):
    """One operation on earlier results: plus, times, scaled (by a constant), shifted, mapped (by a function), taken, folded."""

    kind: str
    sources: tuple[int, ...]
    data: Any = None


class _Picks(NamedTuple):
    """Entries of an earlier result: where they stand, which of them exist (None: all), whether each is taken once."""

    at: _Whole
    there: Any
    once: bool


def _picks(index: _Whole, there: Any = None) -> _Picks:
    return _Picks(index, there, there is None and len(set(index.tolist())) == len(index))


@dataclass(frozen=True, eq=False)
class Program:
    """A function of (..., n): value, gradient and Hessian. Not finite where the formula is not defined."""

    text: str
    names: tuple[str, ...]  # (n,) the variables, in the order of params
    steps: tuple[_Step, ...]

    def value(self, params: ArrayLike) -> Array:
        """f: (..., n) -> (...)."""
        with np.errstate(all="ignore"):
            return np.asarray(self._forward(np.asarray(params, dtype=float))[-1][..., 0])

    def gradient(self, params: ArrayLike) -> Array:
        """The gradient: (..., n) -> (..., n)."""
        place = np.asarray(params, dtype=float)
        with np.errstate(all="ignore"):
            return np.asarray(self._backward(self._forward(place), None)[0])

    def hessian(self, params: ArrayLike) -> Array:
        """Second derivatives at one point: (n,) -> (n, n)."""
        place = np.asarray(params, dtype=float)
        with np.errstate(all="ignore"):
            values = self._forward(place)
            found = np.asarray(self._backward(values, self._along(values, np.eye(len(place))))[1])
        return np.asarray((found + found.T) / 2)

    def _forward(self, params: Array) -> list[Array]:
        out: list[Array] = []
        for step in self.steps:
            out.append(params if step.kind == "params" else _applied(step, [out[source] for source in step.sources]))
        return out

    def _along(self, values: list[Array], directions: Array) -> list[Array]:
        """The derivative of every result along each direction: (directions, size)."""
        out: list[Array] = []
        for step in self.steps:
            parts = [out[source] for source in step.sources]
            if step.kind == "params":
                out.append(directions)
            elif step.kind == "times":
                u, v = (values[source] for source in step.sources)
                out.append(parts[0] * v + u * parts[1])
            elif step.kind == "mapped":
                out.append(parts[0] * step.data(values[step.sources[0]])[1])
            elif step.kind == "shifted":
                out.append(parts[0])
            elif step.kind == "taken":
                out.append(_picked(step.data, parts[0], 0.0))
            else:
                out.append(_applied(step, parts))
        return out

    def _backward(self, values: list[Array], along: list[Array] | None) -> tuple[Array, Array]:
        """The gradient, and its derivatives along the directions where they are given."""
        slope: list[Any] = [0.0] * len(self.steps)
        turn: list[Any] = [0.0] * len(self.steps)
        slope[-1] = np.ones_like(values[-1])
        for place in range(len(self.steps) - 1, 0, -1):
            step, a, b = self.steps[place], slope[place], turn[place]
            for which, source in enumerate(step.sources):
                if step.kind == "times":
                    other = step.sources[1 - which]
                    first = a * values[other]
                    second = b * values[other] + a * along[other] if along else 0.0
                elif step.kind == "mapped":
                    _, f1, f2 = step.data(values[source])
                    first = a * f1
                    second = b * f1 + a * f2 * along[source] if along else 0.0
                else:
                    first, second = (_returned(step, part, values[source].shape[-1]) for part in (a, b))
                slope[source] = slope[source] + first
                turn[source] = turn[source] + second
        return slope[0] + np.zeros_like(values[0]), turn[0] + np.zeros((values[0].shape[-1],) * 2)


def _applied(step: _Step, parts: list[Array]) -> Array:
    match step.kind:
        case "plus":
            return parts[0] + parts[1]
        case "times":
            return parts[0] * parts[1]
        case "scaled":
            return parts[0] * step.data
        case "shifted":
            return parts[0] + step.data
        case "mapped":
            return np.asarray(step.data(parts[0])[0])
        case "taken":
            return _picked(step.data, parts[0], 1.0)
    owner, count = step.data  # folded: added up by owner
    return _added(parts[0], owner, count)


def _picked(which: _Picks, source: Array, missing: float) -> Array:
    """Entries of an earlier result, `missing` where there is none."""
    found = source[..., which.at]
    return found if which.there is None else np.where(which.there, found, missing)


def _added(terms: Array, owner: _Whole, count: int) -> Array:
    """Sums of the terms of each owner (owners ascend): (..., terms) -> (..., count)."""
    out = np.zeros((*terms.shape[:-1], count))
    if len(owner):
        starts = np.flatnonzero(np.concatenate([[True], np.diff(owner) > 0]))
        out[..., owner[starts]] = np.add.reduceat(terms, starts, axis=-1)
    return out


def _returned(step: _Step, part: Any, size: int) -> Any:
    """What a linear step hands back to its source."""
    if np.ndim(part) == 0:
        return part
    match step.kind:
        case "scaled":
            return part * step.data
        case "taken":
            part = part if step.data.there is None else np.where(step.data.there, part, 0.0)
            if step.data.once:
                out = np.zeros((*part.shape[:-1], size))
                out[..., step.data.at] = part
                return out
            return part @ (step.data.at[:, None] == np.arange(size))
        case "folded":
            return part[..., step.data[0]]
    return part


def program(tree: Node, bound: int | None, n: int, text: str) -> Program:
    """The tree as a program; x[i] beyond x[`bound`] is refused, n is what the letter n stands for.

    Raises:
        BadInput: an index that is no whole number or out of range, a range without end, a sum too long.
    """
    maker = _Maker(bound, n)
    names = tuple(sorted(maker.found(tree, {}, 1), key=_natural))
    maker.order = {name: place for place, name in enumerate(names)}
    made = maker.node(tree, {}, 1)
    if not isinstance(made, int):
        made = maker.add("shifted", (maker.add("scaled", (maker.taken(np.zeros(1, dtype=int)),), np.zeros(1)),), made) if names else 0
    return Program(text, tuple(name.replace("[", "").replace("]", "") for name in names), tuple(maker.steps))


def _natural(name: str) -> tuple[str, int]:
    letters, _, number = name.partition("[")
    return letters, int(number[:-1] or 0) if number else 0


class _Maker:
    """Steps as they are added; a result is the number of its step, or an array where no variable stands in it."""

    def __init__(self, bound: int | None, n: int) -> None:
        self.bound, self.n = bound, n
        self.order: dict[str, int] = {}
        self.steps: list[_Step] = [_Step("params", ())]
        self.work = 0

    def add(self, kind: str, sources: tuple[int, ...], data: Any = None) -> int:
        """One more step; its number."""
        self.steps.append(_Step(kind, sources, data))
        return len(self.steps) - 1

    def found(self, node: Any, index: _Index, size: int) -> set[str]:
        """The variables that occur, as x or x[3]."""
        if isinstance(node, Variable):
            if node.at is None:
                return set() if node.name in index or node.name == "n" else {node.name}
            return {f"{node.name}[{k}]" for k in set(self.whole(node.at, index, size, f"the index of {node.name}").tolist())}
        if isinstance(node, Fold):
            inner, owner = self.inside(node, index, size)
            return self.found(node.body, inner, len(owner)) if len(owner) else set()
        return set().union(*(self.found(part, index, size) for part in node if isinstance(part, tuple)))

    def whole(self, node: Node, index: _Index, size: int, what: str) -> _Whole:
        """Whole numbers, one a term."""
        value = self.node(node, index, size)
        if isinstance(value, int):
            raise BadInput(f"{what} holds a variable: use numbers, n, and the index of a sum")
        if not np.all(np.isfinite(value)) or np.any(value != np.round(value)):
            worst = value[~(np.isfinite(value) & (value == np.round(value)))][0]
            raise BadInput(f"{what} must be a whole number, got {worst:g}")
        if np.any(np.abs(value) > 1e6):
            raise BadInput(f"{what} is {value[np.argmax(np.abs(value))]:g}: far too large")
        return value.astype(int)

    def inside(self, node: Fold, index: _Index, size: int) -> tuple[dict[str, _Whole], _Whole]:
        """The indices inside a sum, one entry a term, and which outer term each belongs to."""
        low, high = (self.whole(end, index, size, f"the range of {node.letter}") for end in (node.low, node.high))
        counts = np.maximum(high - low + 1, 0)
        if counts.sum() > _TERMS:
            raise BadInput(f"the {node.kind} over {node.letter} has {counts.sum()} terms, at most {_TERMS} are computed: shorten its range")
        owner = np.repeat(np.arange(size), counts)
        own = np.arange(len(owner)) - np.repeat(np.cumsum(counts) - counts, counts) + low[owner]
        return {name: values[owner] for name, values in index.items()} | {node.letter: own}, owner

    def taken(self, index: _Whole, source: int = 0) -> int:
        """Entries of an earlier result."""
        return self.add("taken", (source,), _picks(index))

    def node(self, node: Node, index: _Index, size: int) -> int | Array:
        """The result of a node for each of `size` terms."""
        self.work += size
        if self.work > _WORK:
            raise BadInput("the formula takes too many operations for a figure that follows the hand: shorten its sums")
        match node:
            case Number(value):
                return np.full(size, value)
            case Variable(name, inner):
                return self.variable(name, inner, index, size)
            case Minus(inner):
                return self.scaled(self.node(inner, index, size), np.full(size, -1.0))
            case Sum(left, right, minus):
                other = self.node(right, index, size)
                return self.plus(self.node(left, index, size), self.scaled(other, np.full(size, -1.0)) if minus else other)
            case Product(left, right, divide):
                other = self.node(right, index, size)
                return self.times(self.node(left, index, size), self.mapped(other, lambda v: powers(v, -1.0)) if divide else other)
            case Power(base, power):
                return self.power(self.node(base, index, size), self.node(power, index, size))
            case Call(name, inner):
                return self.mapped(self.node(inner, index, size), DERIVED[name])
            case Fold():
                return self.fold(node, index, size)
        raise AssertionError(node)

    def variable(self, name: str, inner: Node | None, index: _Index, size: int) -> int | Array:
        """An index of a sum, n, or variables."""
        if inner is None:
            if name in index:
                return index[name].astype(float)
            if name == "n":
                return np.full(size, float(self.n))
            return self.taken(np.full(size, self.order.get(name, 0)))
        which = self.whole(inner, index, size, f"the index of {name}")
        if size and which.min() < 1:
            raise BadInput(f"{name}[{which.min()}] does not exist: indices begin at 1")
        if size and self.bound is not None and which.max() > self.bound:
            raise BadInput(f"{name}[{which.max()}] does not exist, since n is {self.bound}: end the sum at n - 1, or raise n")
        return self.taken(np.array([self.order.get(f"{name}[{k}]", 0) for k in which.tolist()], dtype=int))

    def scaled(self, u: int | Array, by: Array) -> int | Array:
        """A constant times u."""
        return self.add("scaled", (u,), by) if isinstance(u, int) else u * by

    def plus(self, u: int | Array, v: int | Array) -> int | Array:
        """u + v."""
        if isinstance(u, int):
            return self.add("plus", (u, v)) if isinstance(v, int) else self.add("shifted", (u,), v)
        return self.add("shifted", (v,), u) if isinstance(v, int) else u + v

    def times(self, u: int | Array, v: int | Array) -> int | Array:
        """u v."""
        if isinstance(u, int):
            return self.add("times", (u, v)) if isinstance(v, int) else self.scaled(u, v)
        return self.scaled(v, u)

    def mapped(self, u: int | Array, derived: Callable[[Any], Any]) -> int | Array:
        """A function of u."""
        if isinstance(u, int):
            return self.add("mapped", (u,), derived)
        with np.errstate(all="ignore"):
            return np.asarray(derived(u)[0])

    def power(self, base: int | Array, power: int | Array) -> int | Array:
        """base^power; a power that varies with a variable is exp(power log base)."""
        if isinstance(power, int):
            return self.mapped(self.times(power, self.mapped(base, DERIVED["log"])), DERIVED["exp"])
        if not isinstance(base, int):
            with np.errstate(all="ignore"):
                return np.asarray(base**power)
        if len(power) and np.all(power == power[0]):
            same = float(power[0])
            return self.mapped(base, lambda v: powers(v, same))
        return self.mapped(base, lambda v: (v**power, power * v ** (power - 1), power * (power - 1) * v ** (power - 2)))

    def fold(self, node: Fold, index: _Index, size: int) -> int | Array:
        """A sum or a product over an index."""
        inner, owner = self.inside(node, index, size)
        if not len(owner):
            return np.full(size, 0.0 if node.kind == "sum" else 1.0)
        body = self.node(node.body, inner, len(owner))
        if node.kind == "sum":
            return self.add("folded", (body,), (owner, size)) if isinstance(body, int) else _added(body, owner, size)
        counts = np.bincount(owner, minlength=size)
        starts, total = np.cumsum(counts) - counts, np.ones(size)
        made: int | Array = total
        for turn in range(int(counts.max())):  # one factor of every product at a time
            there = counts > turn
            where = np.where(there, starts + turn, 0)
            one = self.add("taken", (body,), _picks(where, there)) if isinstance(body, int) else np.where(there, body[where], 1.0)
            made = self.times(made, one)
        return made

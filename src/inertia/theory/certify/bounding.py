"""The search for a small constant: two semidefinite programs for the Lyapunov function, one for each of the first steps.

    minimise  T  so that  V >= |x_k|^2,  V contracts by the rate,  V_N <= T |xi_0|^2 from rest

with all of it linear in (P, t, weights, T); then, with T a little larger, the largest room in every cone, so that rounding
cannot leave it. The longer the memory N, the nearer T comes to what the worst function of the class needs. What the solver
offers is rounded to fractions and counts only after `constant.unbounded` has found nothing.
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import NamedTuple

import numpy as np

from ...core.method import Method
from .constant import Bound, above, carried, folded, from_rest, unbounded
from .dissipation import Array, Pair, Proof, Sides, balance, forms, lifted, pairs, raised, sides, terms
from .exact import dyadic, exact
from .solver import Program, maximise, stacked

__all__ = ["bounded"]

_MEMORIES = (1, 3, 5)  # tried in turn, until the constant is near enough to what the first steps need
_NEAR = 1.05
_LOOSER = (1.01, 1.05, 1.25, 2.0, 5.0, 30.0)  # of sqrt(T): where the most room is looked for
_LEAST_GAP, _FAST = 1e-3, 0.1
_BITS = 120  # of the fractions: where the rate is small, so are the parts of the proof
_SLACK = (1e-9, 1e-7, 1e-5)  # relative increase of the constant, where the exact check needs it

Numbers = tuple[float, float, float, float]  # alpha L, beta, gamma, mu/L


class _Cones(NamedTuple):
    """The claims on (proof, start weights), and where T, the room and the fixed part enter them."""

    program: Program
    claims: Array  # (rows, unknowns)
    most: Array  # (rows,) the column of T
    room: Array  # (rows,) the column of the room
    fixed: Array  # (rows,)
    scale: Array  # (unknowns,) by which the unknowns of the proof are larger than these

    def unscaled(self, unknowns: Array) -> tuple[Proof, Array]:
        """The parts of the Lyapunov function's proof, and the weights at the start."""
        count = sum(self.program.counts)
        found = unknowns * self.scale
        return self.program.proofs(found[:count]), found[count:]

    @property
    def sizes(self) -> tuple[int, int, int]:
        """Orders of the matrices among the claims."""
        size = self.program.size
        return size + 1, size, size - 1


def bounded(method: Method, mu: float, L: float, rate: float) -> Bound | None:
    """A constant for a proved rate with its exactly checked proof, the smallest that was found; None where none was.

    Args:
        method: alpha, beta, gamma and delta as numbers.
        mu, L: smallest and largest curvature, 0 < mu <= L, in one unit.
        rate: the proved rate per step.

    Raises:
        MissingExtra: clarabel is not installed.

    >>> bounded(Method(1.0), 0.1, 1.0, 0.9 + 1e-6).constant < 1.02
    True
    """
    numbers = float(method.alpha * L), float(method.beta), float(method.gamma), mu / L
    alpha, beta, gamma, low, high = exact([*method[:3], mu, L])
    fractions = alpha * high, beta, gamma, low / high
    best: Bound | None = None
    early: list[tuple[float, Array]] = []
    for memory in _MEMORIES:
        while len(early) < memory - 1:
            step = _first(numbers, rate, len(early) + 1)
            if step is None:
                return best
            early.append(step)
        least = max([1.0, *(most for most, _ in early)])
        weights = tuple(dyadic(np.maximum(found, 0.0), _BITS) for _, found in early[: memory - 1])
        for share in (0.0, rate * rate):
            for offer in _offers(numbers, rate, share, memory, least):
                if best is not None and offer.constant >= best.constant:
                    break
                passed = _checked(fractions, rate, offer._replace(early=weights))
                if passed is not None:
                    best = passed
                    break
            if best is not None and best.constant <= _NEAR * least:
                return best
    return best


def _checked(fractions: tuple[Fraction, Fraction, Fraction, Fraction], rate: float, bound: Bound) -> Bound | None:
    """The bound where it passes the exact check, its constant raised by what rounding asks for."""
    for slack in _SLACK:
        tried = bound._replace(constant=bound.constant * (1 + slack))
        if not unbounded(fractions, Fraction(rate), tried):
            return tried
    return None


def _offers(numbers: Numbers, rate: float, share: float, memory: int, least: float) -> list[Bound]:
    """Bounds of this memory, rounded to fractions, the smallest constant first."""
    cones = _cones(numbers, rate, share, memory)
    unit = carried(1.0, share, rate)  # sqrt(T) per constant
    zero = 0 * cones.most
    x = maximise(_last(cones, -1.0), np.column_stack([cones.claims, cones.most, cones.fixed]), cones.sizes, _level(cones))
    if x is None or not x[-2] >= 0:
        return []
    found = []
    for looser in _LOOSER:
        constant = max(least, looser * math.sqrt(x[-2]) / unit)
        fixed = cones.fixed + (constant * unit) ** 2 * cones.most
        there = maximise(_last(cones, 1.0), np.column_stack([cones.claims, zero - cones.room, fixed]), cones.sizes, _level(cones))
        if there is None:
            continue
        parts, start = cones.unscaled(there[:-2])
        weights = (np.maximum(part, 0.0) for part in (parts.decrease, parts.positive))
        proof = Proof(*(dyadic(part, _BITS) for part in (parts.P, parts.values, *weights)))
        begin = raised(dyadic(np.maximum(start, 0.0), _BITS), proof.values, _BITS)
        found.append(Bound(constant, share, lifted(proof, Fraction(rate) ** 2, _BITS), begin, ()))
        if there[-2] > 0:
            break
    return found


def _last(cones: _Cones, sign: float) -> Array:
    return np.append(np.zeros(cones.claims.shape[1]), [sign, 0.0])


def _level(cones: _Cones) -> Array:
    return np.append(np.zeros(cones.claims.shape[1]), [0.0, 1.0])


def _cones(numbers: Numbers, rate: float, share: float, memory: int) -> _Cones:
    """The claims over unknowns of size 1 (see `_basis`)."""
    program = Program(*numbers, memory)
    count, size, listed = sum(program.counts), program.size, pairs(memory - 1)
    rows, begin = terms(*numbers, memory), terms(*numbers, memory - 1)
    units = program.proofs(np.eye(count))
    claims = sides(rows, units, rate**2)
    basis = _basis(numbers, rate, memory)  # of (xi_{k-N}, xi_{k-N-1}, s_{k-N}, ..., s_k)
    bumps = basis[:1:-1] ** 2  # of q_k, ..., q_{k-N}
    state, rest = basis[:-1], np.delete(basis[:-1], 1)
    over_proof = [
        stacked(claims.decrease * np.outer(basis, basis) / rate**2),
        stacked(claims.positive * np.outer(state, state)),
        -2 * stacked(folded(units.P) * np.outer(rest, rest)),
        claims.decrease_values * bumps / rate**2,
        claims.positive_values * bumps[1:],
        -units.values * bumps[1:],
    ]
    weights = [np.zeros((len(listed), part.shape[1])) for part in over_proof]
    weights[2] = -stacked(folded(forms(begin, listed)) * np.outer(rest, rest))
    weights[5] = balance(listed, memory - 1) * bumps[1:]
    products = np.outer(state, state)[np.tril_indices(size)[::-1]]
    sizes = [_pairwise(basis, pairs(memory)), _pairwise(basis, pairs(memory, past=True)), _pairwise(basis[:-1], listed)]
    scale = 1 / np.concatenate([products, bumps[1:], *sizes])
    signs = np.eye(len(scale))[size * (size + 1) // 2 + memory :]
    table = np.vstack([np.vstack([np.hstack(over_proof), np.hstack(weights)]).T * scale, signs])

    def column(*parts: Array) -> Array:
        return np.concatenate([*parts, np.zeros(len(table) - sum(len(part) for part in parts))])

    first = [np.zeros(part.shape[1]) for part in over_proof[:3]]
    corner = np.zeros((size - 1, size - 1))
    corner[0, 0] = 2.0
    nothing = Sides(*(np.zeros(part.shape[1:]) for part in claims))
    lower = stacked(above(nothing, rows, share) * np.outer(state, state)) / rate ** (2 * memory)
    room = column(*(stacked(np.eye(order)) for order in (size + 1, size, size - 1)))
    return _Cones(program, table, column(first[0], first[1], stacked(corner)), room, column(first[0], lower), scale * rate ** (2 * memory))


def _basis(numbers: Numbers, rate: float, memory: int) -> Array:
    """Units of (xi_{k-N}, xi_{k-N-1}, s_{k-N}, ..., s_k): slopes in 1 - mu/L, and where the rate is small each step in its power."""
    gap, pace = max(1 - numbers[3], _LEAST_GAP), rate if rate < _FAST else 1.0
    return np.array([1.0, 1 / pace, *(gap * pace**j for j in range(memory + 1))])


def _pairwise(basis: Array, listed: list[Pair]) -> Array:
    """The size of s_i'(w_i - w_j) for every pair, counted backwards from the newest slope."""
    return np.array([basis[-1 - i] * max(basis[-1 - i], 0.0 if j is None else basis[-1 - j]) for i, j in listed])


def _first(numbers: Numbers, rate: float, steps: int) -> tuple[float, Array] | None:
    """The largest |xi_k|/(rate^k |xi_0|) after k steps from rest, and the weights that prove it."""
    rows, listed = terms(*numbers, steps - 1), pairs(steps - 1)
    basis = _basis(numbers, rate, steps - 1)
    rest, bumps, scale = np.delete(basis, 1), basis[:1:-1] ** 2, 1 / _pairwise(basis, listed)
    newest = rows.xi[0]
    form, values = np.multiply.outer(newest, newest), np.zeros(steps)
    fixed, _ = from_rest(rows, form, values, np.zeros(len(listed)), 0.0)
    corner = np.zeros_like(fixed)
    corner[0, 0] = 2.0
    room, count = 1e-8 * stacked(np.eye(len(fixed))), len(listed)
    over_weights = np.hstack([-stacked(folded(forms(rows, listed)) * np.outer(rest, rest)), balance(listed, steps - 1) * bumps]).T * scale
    matrix = np.zeros((len(over_weights) + count, count + 2))
    matrix[: len(over_weights), :count] = over_weights
    matrix[: len(room), -2] = stacked(corner)
    matrix[: len(room), -1] = stacked(fixed * np.outer(rest, rest)) / rate ** (2 * steps) - room
    matrix[len(over_weights) :, :count] = np.eye(count)
    goal, level = np.zeros(count + 2), np.zeros(count + 2)
    goal[-2], level[-1] = -1.0, 1.0
    x = maximise(goal, matrix, (len(fixed),), level)
    return None if x is None else (math.sqrt(max(float(x[-2]), 0.0)), x[:count] * scale * rate ** (2 * steps))

"""The inequality behind every certificate, written once for floats and for exact fractions.

Units with L = 1: a = alpha L, m = mu/L, D = 1 - m, minimiser at 0. With s = grad f(y) - m y and w = D y - s, a function
is m-strongly convex and 1-smooth exactly if, for all i and j (Taylor, Hendrickx and Glineur 2017, Theorem 4),

    s_i'(w_i - w_j) >= q_i - q_j,     s_i'w_i >= q_i >= 0,     q = D (f - f* - m |y|^2/2) - |s|^2/2.

A proof of the rate rho with memory N is a Lyapunov function V_k = z_k'P z_k + sum_j t_j q_{k-j} of the state
z_k = (xi_{k-N}, xi_{k-N-1}, s_{k-N}, ..., s_{k-1}) and weights >= 0 on these inequalities that give

    V_{k+1} - rho^2 V_k <= 0   and   V_k >= c |z_k|^2, c > 0,   hence   |xi_k - x*| <= C rho^k.

N = 1 is the weighted off-by-one integral quadratic constraint of Lessard, Recht and Packard (2016) with both signs of
time; larger N are longer Zames-Falb multipliers (Taylor, Van Scoy and Lessard 2018).
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["Pair", "Proof", "Sides", "Terms", "lifted", "pairs", "raised", "sides", "terms", "whole"]

Array = NDArray[Any]  # floats, or Fractions in an object array
Pair = tuple[int, int | None]  # (i, j): the inequality between steps k - i and k - j; None is the minimiser


class Terms(NamedTuple):
    """Rows over the basis (z_k, s_k) of everything that the inequality speaks of, in the units L = 1."""

    now: Array  # (N + 2, N + 3) the state z_k
    then: Array  # (N + 2, N + 3) the state z_{k+1}
    s: Array  # (N + 1, N + 3) s_{k-j}, j = 0..N
    w: Array  # (N + 1, N + 3) w_{k-j}
    xi: Array  # (N + 3, N + 3) xi_{k+1-j}, j = 0..N + 2
    point: Array  # (N + 1, N + 3) y_{k-j}


class Proof(NamedTuple):
    """What a proof consists of: the Lyapunov matrix, its function-value weights and the weights on the inequalities."""

    P: Array  # (N + 2, N + 2)
    values: Array  # (N,) t_1..t_N
    decrease: Array  # (len(pairs(N)),) weights >= 0 that show V_{k+1} <= rho^2 V_k
    positive: Array  # (len(pairs(N, past=True)),) weights >= 0 that show V_k > 0

    @property
    def memory(self) -> int:
        """N, the number of past gradients that V sees."""
        return int(self.values.shape[-1])


class Sides(NamedTuple):
    """The four claims of a proof: two matrices >= 0 and two rows of coefficients >= 0 (of q_k, ..., q_{k-N})."""

    decrease: Array  # (N + 3, N + 3)
    decrease_values: Array  # (N + 1,)
    positive: Array  # (N + 2, N + 2)
    positive_values: Array  # (N,)


def pairs(memory: int, past: bool = False) -> list[Pair]:
    """The inequalities in use: every ordered pair of the last N + 1 points, and each with the minimiser.

    Args:
        memory: N, how many steps back the inequalities reach.
        past: without the pairs that hold the newest point.

    >>> pairs(1)
    [(0, None), (0, 1), (1, None), (1, 0)]
    """
    steps = range(1 if past else 0, memory + 1)
    return [(i, j) for i in steps for j in (None, *steps) if i != j]


def terms(a: Any, beta: Any, gamma: Any, m: Any, memory: int = 1) -> Terms:
    """Every quantity of the inequality as a row over the basis (xi_{k-N}, xi_{k-N-1}, s_{k-N}, ..., s_k).

    The rows have the number type of the arguments: floats to search with, Fractions to check with.

    Args:
        a: alpha L.
        beta, gamma: those of the method.
        m: mu/L.
        memory: N (default 1).

    >>> terms(1.0, 0.0, 0.0, 0.5).then[0]  # xi_k = xi_{k-1} - s_{k-1} - m xi_{k-1}
    array([ 0.5,  0. , -1. ,  0. ])
    """
    zero, one = 0 * a, 0 * a + 1
    size = memory + 3
    unit = [np.array([one if i == j else zero for j in range(size)]) for i in range(size)]
    xi = [unit[1], unit[0]]  # oldest first
    s = unit[2:]
    point = []
    for slope in s:
        y = (1 + gamma) * xi[-1] - gamma * xi[-2]
        point.append(y)
        xi.append((1 + beta) * xi[-1] - beta * xi[-2] - a * (slope + m * y))
    w = [(1 - m) * y - slope for y, slope in zip(point, s, strict=True)]
    now = np.stack([xi[1], xi[0], *s[:-1]])
    then = np.stack([xi[2], xi[1], *s[1:]])
    return Terms(now, then, np.stack(s[::-1]), np.stack(w[::-1]), np.stack(xi[::-1]), np.stack(point[::-1]))


def forms(rows: Terms, listed: list[Pair]) -> Array:
    """Twice the symmetric matrices of s_i'(w_i - w_j), or of s_i'w_i where j is the minimiser: (len(listed), N + 3, N + 3).

    Args:
        rows: what `terms` returns.
        listed: the inequalities, as `pairs` lists them.
    """
    outer = np.stack([np.multiply.outer(rows.s[i], rows.w[i] if j is None else rows.w[i] - rows.w[j]) for i, j in listed])
    return outer + outer.swapaxes(1, 2)


def balance(listed: list[Pair], memory: int) -> NDArray[np.int64]:
    """Coefficients (len(listed), N + 1) with which each inequality's right side q_i - q_j carries q_k, ..., q_{k-N}.

    Args:
        listed: the inequalities, as `pairs` lists them.
        memory: N.
    """
    table = np.zeros((len(listed), memory + 1), dtype=np.int64)
    for row, (i, j) in enumerate(listed):
        table[row, i] += 1
        if j is not None:
            table[row, j] -= 1
    return table


def sides(rows: Terms, proof: Proof, square: Any, one: Any = 1) -> Sides:
    """The claims of `proof` for the squared rate square/one, as matrices and rows that must be >= 0.

    decrease = rho^2 V_k - V_{k+1} - sum of weights times inequalities; positive = V_k - the same for its own weights;
    the matrices come out doubled, and decrease times `one`: with rows, proof, square and one whole numbers, all stays whole.
    The parts of a proof of floats may have leading axes: many proofs at once.

    Args:
        rows: what `terms` returns.
        proof: form, values and weights; floats, Fractions or whole numbers.
        square: rho^2 times `one`.
        one: the common denominator that was multiplied out (default 1).
    """
    memory = proof.memory
    ahead, past = pairs(memory), pairs(memory, past=True)
    small = slice(0, memory + 2)  # the past does not see s_k
    kept = (2 * square) * (rows.now.T @ proof.P @ rows.now) - (2 * one) * (rows.then.T @ proof.P @ rows.then)
    zero = proof.values[..., :1] * 0
    shifted, here = np.concatenate([proof.values, zero], axis=-1), np.concatenate([zero, proof.values], axis=-1)
    state = rows.now[:, small]  # the identity, up to the scale of the rows
    return Sides(
        kept - one * np.tensordot(proof.decrease, forms(rows, ahead), axes=1),
        square * here - one * (shifted - proof.decrease @ balance(ahead, memory)),
        2 * (state.T @ proof.P @ state) - np.tensordot(proof.positive, forms(rows, past)[:, small, small], axes=1),
        (here + proof.positive @ balance(past, memory))[..., 1:],
    )


def lifted(proof: Proof, square: Any, bits: int) -> Proof:
    """The proof with its weights on the minimiser raised until no coefficient of a function value is negative.

    Rounding leaves coefficients that are just below 0 where the best proof has them at 0. The weight of the inequality between
    y_{k-i} and the minimiser adds itself to the coefficient of q_{k-i} and to no other; the matrices give way by as little.

    Args:
        proof: of Fractions.
        square: rho^2 as a Fraction.
        bits: the weights stay whole multiples of 2^-bits.
    """
    zero = proof.values[:1] * 0
    shifted, here = np.concatenate([proof.values, zero]), np.concatenate([zero, proof.values])
    rest = {"decrease": square * here - shifted, "positive": here}
    return proof._replace(**{name: raised(getattr(proof, name), -rest[name], bits, past=name == "positive") for name in rest})


def raised(weights: Array, least: Array, bits: int, past: bool = False) -> Array:
    """The weights with those on the minimiser raised until the coefficients that they give reach `least`.

    Args:
        weights: of Fractions, in the order of `pairs`.
        least: coefficients (N + 1,) of q_k, ..., q_{k-N}, of Fractions.
        bits: the weights stay whole multiples of 2^-bits.
        past: without the pairs that hold the newest point.
    """
    listed = pairs(len(least) - 1, past)
    short = least - weights @ balance(listed, len(least) - 1)
    raise_by = [max(0, math.ceil(short[i] * 2**bits)) if j is None else 0 for i, j in listed]
    return weights + np.array([Fraction(more, 2**bits) for more in raise_by], dtype=object)


def whole(values: Array) -> Array:
    """Fractions times their least common denominator: an array of integers, exact and fast to compute with.

    Args:
        values: Fractions, of any shape.

    >>> from fractions import Fraction
    >>> whole(np.array([Fraction(1, 2), Fraction(2, 3)]))
    array([3, 4], dtype=object)
    """
    scale = math.lcm(*(value.denominator for value in values.ravel()))
    flat = np.empty(values.size, dtype=object)
    flat[:] = [value.numerator * (scale // value.denominator) for value in values.ravel()]
    return flat.reshape(values.shape)

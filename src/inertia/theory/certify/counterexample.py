"""Functions on which a method never arrives, found and then checked without rounding.

Three kinds, from plain to subtle, each mu-strongly convex and L-smooth:

- a curvature h in [mu, L] whose mode does not contract: f = h x^2/2;
- the Lessard-Recht-Packard function: f'(x) = L x, then mu x + (L - mu) for 1 <= x < 2, then L x - (L - mu);
- a cycle over the K-th roots of unity: f = L|x|^2/2 - (L - mu) dist(x, polygon)^2/2 in the plane, with gradient
  mu x + (L - mu) proj(x). The iterates omega^k, omega = exp(2 pi i l/K), repeat for ever exactly if

      Re [ conj(L alpha M - N) (N - mu alpha M) (exp(+-2 pi i/K) - 1) ] <= 0,
      N = 1 + beta - beta/omega - omega,   M = 1 + gamma - gamma/omega

  (Goujaud, Taylor and Dieuleveut 2023, for gamma = 0 and l = 1; the same two lines prove the rest).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...core.method import Method, step
from .exact import Complex, turn

__all__ = ["LONGEST", "PERIOD", "WHY", "Counterexample", "cycling", "find"]

Array = NDArray[np.float64]

LONGEST = 40  # roots of unity tried
PERIOD = 12  # longest repetition looked for in one dimension
_STEPS = 4000  # how long the one-dimensional run is watched
_START = 3.3

WHY = {
    "quadratic": "a quadratic of the class already has a mode that does not contract",
    "lessard-recht-packard": "on the Lessard-Recht-Packard function, strongly convex and smooth, it cycles for ever",
    "roots-of-unity": "on a piecewise-quadratic function of the plane it cycles for ever over roots of unity",
}


@dataclass(frozen=True)
class Counterexample:
    """A function that can be run: `gradient`, `value`, and the `start` and `velocity` from which the method never arrives.

    Points are arrays (..., n), n = 1 or 2, and the minimiser is 0 with value 0.
    """

    kind: str  # "quadratic", "lessard-recht-packard" or "roots-of-unity"
    method: Method
    mu: float
    L: float
    curvature: float | None = None  # quadratic: the h of h x^2/2
    pieces: tuple[int, ...] = ()  # Lessard-Recht-Packard: which line of f' each point of the cycle is on (0, 1, 2)
    turns: tuple[int, int] | None = None  # roots of unity: (l, K)

    @property
    def dimension(self) -> int:
        """Number of parameters."""
        return 2 if self.kind == "roots-of-unity" else 1

    def gradient(self, params: ArrayLike) -> Array:
        """Gradient at points.

        Args:
            params: points (..., n).

        Returns:
            The gradients (..., n).
        """
        x = np.asarray(params, dtype=float)
        if self.kind == "quadratic":
            return float(self.curvature or 0.0) * x
        if self.kind == "lessard-recht-packard":
            mu, L = self.mu, self.L
            return np.where(x < 1, L * x, np.where(x < 2, mu * x + (L - mu), L * x - (L - mu)))
        return self.mu * x + (self.L - self.mu) * self._nearest(x)

    def value(self, params: ArrayLike) -> Array:
        """f(x) - f* at points.

        Args:
            params: points (..., n).

        Returns:
            How far the function is above its minimum there (...).
        """
        x = np.asarray(params, dtype=float)
        if self.kind == "quadratic":
            return np.sum(float(self.curvature or 0.0) * x * x / 2, axis=-1)
        gap = self.L - self.mu
        if self.kind == "lessard-recht-packard":
            bend = np.where(x < 1, 0.0, np.where(x < 2, -gap * (x - 1) ** 2 / 2, -gap * (x - 1.5)))
            return np.sum(self.L * x * x / 2 + bend, axis=-1)
        away = x - self._nearest(x)
        return np.sum(self.L * x * x / 2 - gap * away * away / 2, axis=-1)

    def cycle(self) -> Array:
        """The points (period, n) at which gradients are taken, over and over; for a quadratic the first eight of its run."""
        if self.kind == "quadratic":
            return self.run(8)
        if self.kind == "lessard-recht-packard":
            xi = np.array([float(value) for value in _solve_cycle(self.method, self.mu, self.L, self.pieces) or []])
            return ((1 + self.method.gamma) * xi - self.method.gamma * np.roll(xi, 1))[:, None]
        share, sides = self.turns or (0, 1)
        points = _factor(self.method, share, sides)[1] * np.exp(2j * np.pi * share * np.arange(sides) / sides)
        return np.stack([points.real, points.imag], axis=-1)

    def start(self) -> tuple[Array, Array]:
        """(params, velocity) on the cycle, for `method.step`."""
        if self.kind == "quadratic":
            return np.ones(1), np.zeros(1)
        points = self.cycle()
        gradients = self.gradient(points)
        # On a cycle of period K the velocity v = sum_j beta^j g_{-1-j} is a geometric series over the period.
        period, beta = len(points), self.method.beta
        if beta == 1:
            back = (points - np.roll(points, 1, axis=0))[0]  # y_0 - y_{-1} = -alpha ((1 + gamma) v - gamma (v - g_{-1}))
            return points[0], -(back / self.method.alpha + self.method.gamma * gradients[-1])
        weights = beta ** np.arange(period)
        return points[0], (weights[:, None] * gradients[::-1]).sum(axis=0) / (1 - beta**period)

    def run(self, steps: int) -> Array:
        """The points that the method visits from `start`.

        Args:
            steps: how many steps, at least 0.

        Returns:
            The points (steps + 1, n), the start first.
        """
        if self.kind == "quadratic":
            params, velocity = np.ones(1), np.zeros(1)
        else:
            params, velocity = self.start()
        path = [params]
        with np.errstate(over="ignore", invalid="ignore"):  # a quadratic may carry it off to infinity
            for _ in range(steps):
                params, velocity = step(self.method, params, velocity, self.gradient(params))
                path.append(params)
        return np.stack(path)

    def check(self) -> str:
        """An empty string where exact arithmetic confirms that the method never arrives, otherwise what fails."""
        return {"quadratic": _check_quadratic, "lessard-recht-packard": _check_line, "roots-of-unity": _check_turn}[self.kind](self)

    def _nearest(self, x: Array) -> Array:
        """Nearest point of the regular polygon with the corners that the cycle needs."""
        share, sides = self.turns or (0, 1)
        force, place = _factor(self.method, share, sides)
        corner = (force - self.mu * place) / (self.L - self.mu)
        z = x[..., 0] + 1j * x[..., 1]
        sector = 2 * np.pi / sides
        away = np.floor((np.angle(z) - np.angle(corner)) / sector) * sector + np.angle(corner) + sector / 2
        local = z * np.exp(-1j * away)  # the nearest side is now upright, at distance r cos(pi/K)
        flat, half = abs(corner) * np.cos(np.pi / sides), abs(corner) * np.sin(np.pi / sides)
        side = flat + 1j * np.clip(local.imag, -half, half)
        near = np.where(local.real <= flat, local, side) * np.exp(1j * away)
        return np.stack([near.real, near.imag], axis=-1)


def _factor(method: Method, share: Any, sides: Any) -> tuple[Any, Any]:
    """The gradient N/alpha that a cycle omega^k of xi asks for at its point y_0 = M, as complex numbers."""
    alpha, beta, gamma, _ = method
    omega = np.exp(2j * np.pi * share / sides)
    return (1 + beta - beta / omega - omega) / alpha, 1 + gamma - gamma / omega


def cycling(method: Method, mu: ArrayLike, L: ArrayLike, longest: int = LONGEST) -> Any:
    """(l, K) of the first cycle over roots of unity, K = 2, ..., longest, that each method runs in; (0, 0) where none does.

    Methods, mu and L broadcast: the answer has two more entries on its last axis. Floats: a hint to be checked.

    Args:
        method: alpha (learning rate), beta (momentum), gamma and delta: numbers, or arrays that broadcast, shape (*methods).
        mu, L: smallest and largest curvature, 0 < mu <= L, in one unit.
        longest: longest cycle that is tried (default 40).

    >>> cycling(Method(1 / 9, beta=4 / 9), 1.0, 25.0).tolist()
    [1, 3]
    """
    fields = np.broadcast_arrays(*(np.asarray(value, dtype=float) for value in (*method[:3], mu, L)))
    alpha, beta, gamma, low, high = (field[..., None] for field in fields)
    tried = [(share, sides) for sides in range(2, longest + 1) for share in range(1, sides // 2 + 1) if math.gcd(share, sides) == 1]
    share, sides = np.array(tried).T
    force, place = _factor(Method(1.0, beta, gamma), share, sides)  # N and M: alpha is a factor, and may be tiny
    pull = np.conj(alpha * high * place - force) * (force - alpha * low * place)
    corner = np.exp(2j * np.pi / sides) - 1
    size = np.abs(pull) * np.abs(corner)
    inside = np.maximum((pull * corner).real, (pull * np.conj(corner)).real) < -1e-13 * size
    first = np.argmax(inside, axis=-1)
    return np.where(np.any(inside, axis=-1)[..., None], np.array(tried)[first], 0)


def find(method: Method, mu: float, L: float) -> Counterexample | None:
    """The plainest counterexample that survives its exact check, or None.

    Args:
        method: alpha, beta, gamma and delta as numbers.
        mu, L: smallest and largest curvature, 0 < mu <= L, in one unit.

    >>> find(Method(1 / 9, beta=4 / 9), 1.0, 25.0).kind
    'lessard-recht-packard'
    """
    for h in (L, mu):
        example = Counterexample("quadratic", method, mu, L, curvature=h)
        if not example.check():
            return example
    if mu == L:
        return None
    example = Counterexample("lessard-recht-packard", method, mu, L, pieces=_watch(method, mu, L))
    if example.pieces and not example.check():
        return example
    share, sides = cycling(method, mu, L).tolist()
    example = Counterexample("roots-of-unity", method, mu, L, turns=(share, sides))
    return example if sides and not example.check() else None


def _watch(method: Method, mu: float, L: float) -> tuple[int, ...]:
    """Run on the Lessard-Recht-Packard function until the pieces visited repeat away from the minimum; () if they do not."""
    params, velocity = _START, 0.0
    points: list[float] = []
    for _ in range(_STEPS):
        slope = L * params if params < 1 else mu * params + (L - mu) if params < 2 else L * params - (L - mu)
        points.append(params)
        if abs(params) > 1e6 or (len(points) > 200 and max(map(abs, points[-PERIOD:])) < 1e-3):
            return ()
        params, velocity = step(method, params, velocity, slope)
    tail = np.array(points[-8 * PERIOD :])
    for period in range(2, PERIOD + 1):
        if np.allclose(tail[period:], tail[:-period], rtol=0, atol=1e-9) and np.ptp(tail) > 1e-3:
            return tuple(int(piece) for piece in np.digitize(tail[-period:], [1.0, 2.0]))
    return ()


def _solve_cycle(method: Method, mu: float, L: float, pieces: tuple[int, ...]) -> list[Fraction] | None:
    """The iterates xi of the cycle on these pieces as exact fractions, from its linear equations; None where singular."""
    alpha, beta, gamma = (Fraction(float(value)) for value in method[:3])
    low, high = Fraction(mu), Fraction(L)
    size = len(pieces)
    rows = [[Fraction(0)] * (size + 1) for _ in range(size)]
    for k, piece in enumerate(pieces):
        slope = low if piece == 1 else high
        offset = (Fraction(0), high - low, low - high)[piece]
        rows[k][(k + 1) % size] += 1
        rows[k][k] += alpha * slope * (1 + gamma) - (1 + beta)
        rows[k][(k - 1) % size] += beta - alpha * slope * gamma
        rows[k][size] = -alpha * offset
    return _gauss(rows)


def _gauss(rows: list[list[Fraction]]) -> list[Fraction] | None:
    """Solve the square system [A | b] over the fractions."""
    size = len(rows)
    for k in range(size):
        pick = next((i for i in range(k, size) if rows[i][k] != 0), None)
        if pick is None:
            return None
        rows[k], rows[pick] = rows[pick], rows[k]
        rows[k] = [value / rows[k][k] for value in rows[k]]
        for i in range(size):
            if i != k and rows[i][k] != 0:
                rows[i] = [x - rows[i][k] * y for x, y in zip(rows[i], rows[k], strict=True)]
    return [row[size] for row in rows]


def _check_quadratic(example: Counterexample) -> str:
    alpha, beta, gamma, mu, L = (Fraction(float(value)) for value in (*example.method[:3], example.mu, example.L))
    h = Fraction(float(example.curvature or 0.0))
    if not mu <= h <= L:
        return f"curvature {float(h):g} is not between mu = {example.mu:g} and L = {example.L:g}"
    p, q = 1 + beta - alpha * h * (1 + gamma), beta - alpha * h * gamma
    if abs(q) < 1 and abs(p) < 1 + q:
        return f"the mode of curvature {float(h):g} contracts: |p| = {float(abs(p)):.6g} < 1 + q = {float(1 + q):.6g} and |q| < 1"
    return ""


def _check_line(example: Counterexample) -> str:
    points = _solve_cycle(example.method, example.mu, example.L, example.pieces) if example.pieces else None
    if not points:
        return "the equations of the cycle have no unique solution"
    if all(point == 0 for point in points):
        return "the cycle is the minimum itself"
    gamma = Fraction(float(example.method.gamma))
    for k, piece in enumerate(example.pieces):
        y = (1 + gamma) * points[k] - gamma * points[k - 1]
        if piece != (0 if y < 1 else 1 if y < 2 else 2):
            return f"point {k} of the cycle, {float(y):.6g}, is not on piece {piece} of the function"
    return ""


def _check_turn(example: Counterexample) -> str:
    share, sides = example.turns or (0, 0)
    if sides < 2 or not 0 < share < sides or not 0 < example.mu < example.L:
        return f"turns = {example.turns} is no cycle: give 0 < l < K, and mu < L"
    alpha, beta, gamma, mu, L = (Fraction(float(value)) for value in (*example.method[:3], example.mu, example.L))
    omega, corner = turn(Fraction(share, sides)), turn(Fraction(1, sides))
    back = omega.conjugate()
    force = Complex(-(back.real * beta) - omega.real + (1 + beta), -(back.imag * beta) - omega.imag)  # N
    place = Complex(-(back.real * gamma) + (1 + gamma), -(back.imag * gamma))  # M
    scaled = [Complex(place.real * (alpha * h), place.imag * (alpha * h)) for h in (mu, L)]
    above = Complex(scaled[1].real - force.real, scaled[1].imag - force.imag)
    below = Complex(force.real - scaled[0].real, force.imag - scaled[0].imag)
    pull = above.conjugate() * below
    for side in (corner, corner.conjugate()):
        value = (pull * Complex(side.real - 1, side.imag)).real
        if value.high > 0:
            return f"the cycle over {share}/{sides} turns leaves its polygon: {float(value.high):.3e} <= 0 does not hold"
    return ""

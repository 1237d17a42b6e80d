"""A whole spectrum: the loss of a quadratic is a sum over its eigenvectors, and each of them lives alone.

    E loss[k] = 1/2 sum_i h_i (weights_i mean_i[k]^2 + Var_i[k])

The first part is what is left of the start (bias), the second what gradient noise has brought (noise). Loss is read at
`params`, as every framework does. Methods may be arrays; results have the shape (*methods, ...).
(Goh 2017, "Decomposing the Error" and "Momentum with Stochastic Gradients".)
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..core.arrays import known, number, whole
from ..core.method import Method
from ..core.schedule import Schedule, tabulate
from ..core.spectrum import Spectrum, given
from ..errors import BadInput
from .milestones import milestones, steps_to
from .modes import rate
from .noise import Split, split

__all__ = ["Components", "components", "loss_at", "loss_curve", "milestones", "rate_map", "steps_to", "worst_rate"]

Array = NDArray[np.float64]
_CHUNK = 8192  # elements of one state array: small enough to stay in the processor's cache


class Components(NamedTuple):
    """The expected excess loss of every eigencomponent, two arrays (*methods, steps + 1, n) whose sum over both is the loss."""

    bias: Array
    noise: Array


def loss_curve(method: Method | Schedule, spectrum: Spectrum, steps: int) -> Array:
    """Exact expected excess loss after 0, 1, ..., steps steps: shape (*methods, steps + 1).

    A Method of arrays gives one curve per method; a schedule gives one curve (or one per method it carries). Growth
    beyond floating point is inf, never nan and never a warning.

    Args:
        method: a Method (fields: numbers or arrays of shape (*methods)), or a Schedule of one method per step.
        spectrum: curvatures, their weights at the start and their gradient noise, as made by `core.spectrum.spectrum`.
        steps: number of steps, at least 1.

    Raises:
        BadInput: steps < 1, or a coefficient that is not finite.

    >>> from ..core.spectrum import spectrum
    >>> loss_curve(Method(0.5), spectrum([1.0, 2.0]), 2)
    array([1.5    , 0.125  , 0.03125])
    """
    parts = _curves(method, spectrum, steps, split_modes=False)
    with np.errstate(over="ignore", invalid="ignore"):
        return _finite_or_inf(parts.bias + parts.noise)


def components(method: Method | Schedule, spectrum: Spectrum, steps: int) -> Components:
    """The loss curve split by eigencomponent and into bias and noise: (*methods, steps + 1, n) each.

    Args:
        method: a Method (fields: numbers or arrays of shape (*methods)), or a Schedule of one method per step.
        spectrum: curvatures, their weights at the start and their gradient noise, as made by `core.spectrum.spectrum`.
        steps: number of steps, at least 1.

    Raises:
        BadInput: steps < 1, or a coefficient that is not finite.

    >>> from ..core.spectrum import spectrum
    >>> components(Method(0.5), spectrum([1.0, 2.0]), 1).bias
    array([[0.5  , 1.   ],
           [0.125, 0.   ]])
    """
    return _curves(method, spectrum, steps, split_modes=True)


def loss_at(method: Method, spectrum: Spectrum, k: ArrayLike) -> Any:
    """Expected excess loss after k steps in closed form: k = 10^9 costs what k = 10 costs. Methods and k broadcast.

    Args:
        method: alpha (learning rate), beta (momentum), gamma and delta: numbers, or arrays that broadcast, shape (*methods).
        spectrum: curvatures, their weights at the start and their gradient noise, as made by `core.spectrum.spectrum`.
        k: number of steps, whole and not negative; a number or an array.

    >>> from ..core.spectrum import spectrum
    >>> float(loss_at(Method(0.5), spectrum([1.0, 2.0]), 2))
    0.03125
    """
    parts: Split = split(method, spectrum, k)
    return parts.bias + parts.noise


def worst_rate(method: Method, spectrum: Spectrum, upper: bool = False) -> Any:
    """The slowest rate over all curvatures between mu and L (or the upper bar): shape (*methods).

    Only the two ends are looked at, because the set of (p, q) whose roots lie in a disc of radius r is a triangle
    (Jury): the rate is quasi-convex in (p, q), these are affine in h, and a quasi-convex function on an interval is
    largest at an end. This holds for every beta and gamma, and likewise in alpha.

    Args:
        method: alpha (learning rate), beta (momentum), gamma and delta: numbers, or arrays that broadcast, shape (*methods).
        spectrum: only its mu, L and upper bar count.
        upper: take the upper bar of L instead of its estimate (default False).

    >>> from ..core.spectrum import spectrum
    >>> round(float(worst_rate(Method(4 / 121, beta=(9 / 11) ** 2), spectrum([1.0, 10.0, 100.0]))), 6)
    0.818182
    """
    given(spectrum)
    top = spectrum.upper if upper else spectrum.L
    return np.maximum(rate(method, spectrum.mu), rate(method, top))


def rate_map(
    alphas: ArrayLike, betas: ArrayLike, spectrum: Spectrum, gamma: ArrayLike = 0.0, *, nesterov: bool = False, upper: bool = False
) -> Array:
    """Worst rate of every (beta, alpha) pair: shape (B, A), rows of equal beta. `nesterov` takes gamma = beta.

    The exact maximum over the whole spectrum (see `worst_rate`), not a sample of it.

    Args:
        alphas: learning rates, shape (A,), in units of 1/curvature.
        betas: momenta, shape (B,).
        spectrum: only its mu, L and upper bar count.
        gamma: look-ahead, a number or shape that broadcasts with (B, A) (default 0: heavy ball).
        nesterov: gamma = beta in every cell (default False).
        upper: take the upper bar of L instead of its estimate (default False).

    Raises:
        BadInput: both a gamma and nesterov.

    >>> from ..core.spectrum import spectrum
    >>> rate_map([0.5, 1.0], [0.0, 0.25], spectrum([1.0, 2.0])).round(3)
    array([[0.5, 1. ],
           [0.5, 0.5]])
    """
    if nesterov and np.any(known(gamma, "gamma") != 0):
        raise BadInput(f"gamma = {np.max(gamma):g} and nesterov (gamma = beta) exclude each other: leave one out")
    alpha = np.atleast_1d(known(alphas, "alphas"))[None, :]
    beta = np.atleast_1d(known(betas, "betas"))[:, None]
    return np.asarray(worst_rate(Method(alpha, beta, beta if nesterov else gamma), spectrum, upper))


def _curves(method: Method | Schedule, spectrum: Spectrum, steps: int, split_modes: bool) -> Components:
    given(spectrum)
    steps = whole(steps, "steps", 1)
    table = method if isinstance(method, Method) else tabulate(method, steps)
    for name, value in zip(Method._fields[:3], table, strict=False):
        if not np.all(np.isfinite(number(value, name))):
            raise BadInput(f"{name} of the method is not finite: give finite numbers")
    shape = np.broadcast_shapes(*(np.shape(field) for field in table))
    flat = [np.broadcast_to(np.asarray(field, dtype=float), shape) for field in table[:3]]
    live = np.flatnonzero((spectrum.curvatures != 0) & ((spectrum.weights > 0) | (spectrum.noise > 0)))
    trials = shape if isinstance(method, Method) else shape[1:]
    run = _run_constant if isinstance(method, Method) else _run_schedule
    columns = [field.reshape((*shape[: len(shape) - len(trials)], -1)) for field in flat]
    count = columns[0].shape[-1]
    size = len(spectrum.curvatures)
    bias, noise = (np.zeros((count, steps + 1, size) if split_modes else (count, steps + 1)) for _ in range(2))
    width = max(1, _CHUNK // max(1, live.size))
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        for first in range(0, count, width):
            part = slice(first, first + width)
            found = run([field[..., part] for field in columns], spectrum, live, steps, split_modes)
            for target, value in zip((bias, noise), found, strict=True):
                if value is None:
                    continue
                if split_modes:
                    target[part][:, :, live] = _finite_or_inf(value.transpose(2, 0, 1))
                else:
                    target[part] = _finite_or_inf(value.T)
    tail = (steps + 1, size) if split_modes else (steps + 1,)
    return Components(bias.reshape((*trials, *tail)), noise.reshape((*trials, *tail)))


def _run_constant(fields: list[Array], spectrum: Spectrum, live: NDArray[np.intp], steps: int, split_modes: bool) -> tuple[Any, Any]:
    """Bias and noise curves, (steps + 1, [modes,] methods): the noise is a running sum of squared impulse responses."""
    alpha, beta, gamma = (np.asarray(field) for field in fields)
    h, weights, s2 = (part[live][:, None] for part in (spectrum.curvatures, spectrum.weights, spectrum.noise))
    size = (live.size, alpha.size)
    bias = noise = None
    if np.any(weights > 0):
        bias = _squares(alpha, beta, gamma, h, np.broadcast_to(np.sqrt(weights), size), np.zeros(size), steps, split_modes)
    if np.any(s2 > 0):
        kick = alpha * np.sqrt(s2)  # one unit of noise, one step ago: velocity 1, xi = -alpha
        hit = _squares(alpha, beta, gamma, h, -kick, kick, steps - 1, split_modes)
        noise = np.concatenate([np.zeros((1, *hit.shape[1:])), np.cumsum(hit, axis=0)])
    return bias, noise


def _squares(
    alpha: Array, beta: Array, gamma: Array, h: Array, hidden: Array, scaled: Array, steps: int, split_modes: bool
) -> NDArray[np.float64]:
    """1/2 h params^2 along the noiseless recursion from (xi, alpha velocity), summed over modes unless split."""
    x, u = hidden.copy(), np.array(scaled)
    ah = alpha * h
    q = np.broadcast_to(beta - ah * gamma, x.shape)
    half = 0.5 * h[:, 0]
    ahead = bool(np.any(gamma != 0))
    work, out = np.empty_like(x), np.empty((steps + 1, *x.shape) if split_modes else (steps + 1, x.shape[1]))
    for k in range(steps + 1):
        if k:
            u *= q
            np.multiply(ah, x, out=work)
            u += work
            x -= u
        if ahead:
            np.multiply(gamma, u, out=work)
            np.subtract(x, work, out=work)
            work *= work
        else:
            np.multiply(x, x, out=work)
        if split_modes:
            np.multiply(half[:, None], work, out=out[k])
        else:
            np.dot(half, work, out=out[k])
    return out


def _run_schedule(fields: list[Array], spectrum: Spectrum, live: NDArray[np.intp], steps: int, split_modes: bool) -> tuple[Any, Any]:
    """Bias and noise curves of methods that change: mean (y, v) and covariance (yy, yv, vv) step by step."""
    h, weights, s2 = (part[live][:, None] for part in (spectrum.curvatures, spectrum.weights, spectrum.noise))
    size = (live.size, fields[0].shape[-1])
    noisy = bool(np.any(s2 > 0))
    unit = float(np.max(np.abs(fields[0]), initial=0.0)) or 1.0  # of the velocity: no scale of curvature leaves floating point
    fields, h_unit, s2 = [fields[0] / unit, *fields[1:]], h * unit, (unit * np.sqrt(s2)) ** 2
    y, v = np.array(np.broadcast_to(np.sqrt(weights), size)), np.zeros(size)
    yy, yv, vv = (np.zeros(size) for _ in range(3))
    bias, noise = (np.empty((steps + 1, *size) if split_modes else (steps + 1, size[1])) for _ in range(2))

    def keep(target: Array, k: int, squared: Array) -> None:
        target[k] = 0.5 * h * squared if split_modes else np.dot(0.5 * h[:, 0], squared)

    keep(bias, 0, y * y)
    keep(noise, 0, yy)
    for k in range(steps):
        alpha, beta, gamma = (field[k] for field in fields)
        new, old = alpha * (1 + gamma), alpha * gamma  # params <- params - new v' + old v
        then, v = v, beta * v + h_unit * y
        y = y - new * v + old * then
        keep(bias, k + 1, y * y)
        if noisy:
            cross, before = beta * yv + h_unit * yy, beta * vv + h_unit * yv  # Cov(y, v'), Cov(v, v')
            after = beta * before + h_unit * cross + s2  # Var v'
            yy = yy + new**2 * after + old**2 * vv - 2 * new * cross + 2 * old * yv - 2 * new * old * before
            yv = cross - new * after + old * before
            vv = after
            keep(noise, k + 1, yy)
    return bias, noise if noisy else None


def _finite_or_inf(values: Array) -> Array:
    """Overflow that met overflow (nan) is growth too."""
    return np.where(np.isnan(values), np.inf, values)

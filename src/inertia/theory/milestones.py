"""When is it done: the first step from which the loss stays below a tolerance, exactly, though losses may ripple.

Each mode lies under an envelope rate^k (start + slope min(k, ...)) that decreases. Where the sum of the envelopes is below the
tolerance nothing can rise above it again: that step is found by bisection, and from there the exact closed form is
read backwards to the last step that is still above. A million steps cost what a thousand do.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..core.arrays import single
from ..core.method import Method
from ..core.method import fields as numbers
from ..core.spectrum import Spectrum, given
from ..errors import BadInput
from .modes import coefficients, iterate, rate
from .noise import stationary

__all__ = ["milestones", "steps_to"]

Array = NDArray[np.float64]
_SETTLES = 1 - 1e-12  # a slower rate cannot be told from one that never settles
_BLOCK = 2**20  # numbers evaluated at once


def steps_to(method: Method, spectrum: Spectrum, tolerance: float = 1e-6, *, relative: bool = True) -> Any:
    """First step from which the expected excess loss stays at or below a tolerance: shape (*methods).

    `relative` measures in units of the loss at the start. Infinite where it never does: a mode with weight that does not
    decay, or a noise floor above the tolerance.

    Args:
        method: alpha (learning rate), beta (momentum), gamma and delta: numbers, or arrays that broadcast, shape (*methods).
        spectrum: curvatures, their weights at the start and their gradient noise, as made by `core.spectrum.spectrum`.
        tolerance: excess loss to reach, > 0 (default 1e-6).
        relative: whether `tolerance` is a share of the excess loss at the start (default True) or in units of the loss.

    Raises:
        BadInput: a tolerance that is not positive, or a relative one where the start is already optimal.

    >>> from ..core.spectrum import spectrum
    >>> [int(steps_to(m, spectrum([1.0, 100.0]))) for m in (Method(2 / 101), Method(4 / 121, beta=(9 / 11) ** 2))]
    [346, 58]
    """
    given(spectrum)
    live = (spectrum.curvatures != 0) & ((spectrum.weights > 0) | (spectrum.noise > 0))
    level = _level(tolerance, spectrum.excess if relative else 1.0)
    fields, shape = _flat(method)
    h, weights, s2 = (part[live] for part in (spectrum.curvatures, spectrum.weights, spectrum.noise))
    if h.size == 0:
        return np.zeros(shape)[()]
    found = np.empty(fields[0].shape)
    width = max(1, _BLOCK // (8 * h.size))
    for first in range(0, found.size, width):
        part = Method(*(field[first : first + width, None] for field in fields))
        size = (part.alpha.shape[0], h.size)
        modes = _modes(part, *(np.broadcast_to(row, size) for row in (h, weights, s2)))
        found[first : first + width] = _settled(modes, np.full(size[0], level))
    return found.reshape(shape)[()]


def milestones(method: Method, spectrum: Spectrum, tolerance: float = 0.01, *, relative: bool = True) -> Array:
    """`steps_to` of every eigencomponent by itself: shape (*methods, n), 0 for components that carry no loss.

    `relative` measures each component in units of its own start. The article's milestones are the last steps above
    an absolute tolerance, one less than these (Goh 2017, "Decomposing the Error").

    Args:
        method: alpha (learning rate), beta (momentum), gamma and delta: numbers, or arrays that broadcast, shape (*methods).
        spectrum: curvatures, their weights at the start and their gradient noise, as made by `core.spectrum.spectrum`.
        tolerance: excess loss of a component to reach, > 0 (default 0.01).
        relative: whether `tolerance` is a share of the component's own start (default True) or in units of the loss.

    Raises:
        BadInput: a tolerance that is not positive.

    >>> from ..core.spectrum import spectrum
    >>> milestones(Method(2 / 101), spectrum([1.0, 10.0, 100.0], [1.0, 0.1, 0.01]), 0.01, relative=False) - 1
    array([97.,  8., 97.])
    """
    given(spectrum)
    live = np.flatnonzero((spectrum.curvatures != 0) & ((spectrum.weights > 0) | (spectrum.noise > 0)))
    fields, shape = _flat(method)
    h, weights, s2 = (part[live] for part in (spectrum.curvatures, spectrum.weights, spectrum.noise))
    found = np.zeros((fields[0].size, spectrum.curvatures.size))
    level = _level(tolerance, 1.0) * (0.5 * h * weights if relative else np.ones(h.size))
    if live.size:
        spread = Method(*(np.repeat(field, live.size)[:, None] for field in fields))
        rows = (np.tile(part, fields[0].size) for part in (h, weights, s2, level))
        each_h, each_w, each_s2, levels = rows
        modes = _modes(spread, each_h[:, None], each_w[:, None], each_s2[:, None])
        found[:, live] = _settled(modes, levels).reshape(-1, live.size)
    return found.reshape((*shape, -1))


class _Modes(NamedTuple):
    """Methods (P, 1) with modes (P, m), and for each mode its envelope and its noise floor."""

    method: Method
    h: Array
    weights: Array
    s2: Array
    log: Array  # ln rate
    far: Array  # |params| <= rate^k (far + minor share^k)
    minor: Array
    share: Array
    near: Array  # |params| <= rate^k (near + slope k), used where far is large: close to a double root
    slope: Array
    finite: NDArray[np.bool_]  # (P,) everything that carries loss decays
    floor: Array  # (P,) loss that noise keeps up

    def of(self, rows: NDArray[np.intp]) -> _Modes:
        """The same for some of the methods."""
        parts: list[Any] = [part[rows] for part in self[1:]]
        return _Modes(Method(*(field[rows] for field in self.method)), *parts)


def _modes(method: Method, h: Array, weights: Array, s2: Array) -> _Modes:
    p, q = (np.broadcast_to(value, h.shape) for value in coefficients(method, h))
    size = np.asarray(rate(method, h))
    start = np.sqrt(weights)
    second = start * (1 - method.alpha * (1 + method.gamma) * h)
    ringing = p * p < 4 * q
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        big = np.where(p < 0, -size, size)
        small = np.where(size == 0, 0.0, q / big)
        gap = big - small
        sine = np.sqrt(np.maximum(4 * q - p * p, 0)) / (2 * size)
        slope = np.where(ringing, second / size - start * p / (2 * size), second / big - start)
        far = np.where(ringing, np.hypot(start, slope / sine), np.abs((second - small * start) / gap))
        minor = np.where(ringing, 0.0, np.abs((big * start - second) / gap))
        share = np.where(ringing, 0.0, np.abs(small) / size)
    one_step = size == 0  # both roots 0: nothing is left after two steps, and the envelope need not be tight before
    calm = one_step | (weights == 0)
    far, minor, share, slope = (np.where(calm, 0.0, part) for part in (far, minor, share, slope))
    noise = np.where(s2 > 0, h * np.asarray(stationary(method, h, s2).params), 0.0)
    finite = np.all((size <= _SETTLES) | (weights == 0), axis=-1) & np.all(np.isfinite(noise), axis=-1)
    log = np.log(np.where(one_step, 0.5, np.minimum(size, _SETTLES)))
    near = np.where(one_step & (weights > 0), 4 * (start + np.abs(second)), start)
    tight = ~one_step & np.isfinite(far + minor) & (far + minor <= 4 * (start + np.abs(slope)))
    near = np.where(tight, np.inf, near)
    return _Modes(
        method, h, weights, s2, log, np.where(one_step, np.inf, far), minor, share, near, np.abs(slope), finite, 0.5 * noise.sum(-1)
    )


def _envelope(modes: _Modes, k: Array) -> Array:
    """Upper bound of the bias part of the loss from step k on: (P,)."""
    steps = k[:, None]
    with np.errstate(under="ignore", over="ignore", invalid="ignore"):
        far = np.where(modes.minor == 0, modes.far, modes.far + modes.minor * modes.share**steps)
        far = np.where(np.isnan(far), np.inf, far)
        bound = np.exp(steps * modes.log) * np.where(modes.weights == 0, 0.0, np.minimum(far, modes.near + modes.slope * steps))
        return np.asarray(0.5 * np.sum(modes.h * bound * bound, axis=-1))


def _settled(modes: _Modes, level: Array) -> Array:
    """First step from which each of the P losses stays at or below its level: (P,)."""
    found = np.full(level.shape, np.inf)
    rows = np.flatnonzero(modes.finite & (modes.floor < level))
    if rows.size == 0:
        return found
    inside, room = modes.of(rows), (level[rows] - modes.floor[rows]) * (1 - 1e-12)
    with np.errstate(divide="ignore"):
        peak = np.where(np.isinf(inside.near), 0.0, -1 / inside.log)  # rate^k (near + slope k) decreases from here on
    low = np.ceil(np.max(peak, axis=-1))
    high = np.maximum(low, _guess(inside, room))
    while np.any(above := _envelope(inside, high) > room):
        high = np.where(above, 2 * high, high)
    low = np.where(_envelope(inside, low) <= room, low, low + 1)
    high = np.maximum(high, low)
    close = np.maximum(low, np.floor(0.99 * high))  # where one mode decides, the guess is off by little
    below = _envelope(inside, close) <= room
    low, high = np.where(below, low, np.minimum(close + 1, high)), np.where(below, close, high)
    while np.any(low < high):
        middle = np.floor((low + high) / 2)
        below = _envelope(inside, middle) <= room
        low, high = np.where(below, low, np.minimum(middle + 1, high)), np.where(below, middle, high)
    found[rows] = _read_back(inside, high, level[rows])
    return found


def _guess(modes: _Modes, room: Array) -> Array:
    """About where the envelope falls below `room`, from each mode's own exponential: a place to begin the search, no bound."""
    size = np.where(np.isfinite(modes.far + modes.minor), modes.far + modes.minor, modes.near)
    with np.errstate(divide="ignore", invalid="ignore"):
        steps = np.log(modes.h.shape[1] * 0.5 * modes.h * size * size / room[:, None]) / (-2 * modes.log)
    return np.maximum(1.0, np.ceil(np.max(np.where(np.isfinite(steps), steps, 1.0), axis=-1)))


def _read_back(modes: _Modes, top: Array, level: Array) -> Array:
    """The last step below `top` whose loss is above the level, plus one (0 where there is none)."""
    found, width = np.zeros(top.shape), 16
    rows, upto = np.arange(top.size), top.copy()
    while rows.size:
        width = int(max(1, min(4 * width, _BLOCK // (rows.size * modes.h.shape[1]))))
        steps = upto[:, None] - 1 - np.arange(width)
        above = (_loss(modes.of(rows), np.maximum(steps, 0)) > level[rows, None]) & (steps >= 0)
        hit = np.any(above, axis=-1)
        found[rows[hit]] = steps[hit, np.argmax(above[hit], axis=-1)] + 1
        rest = ~hit & (steps[:, -1] > 0)
        rows, upto = rows[rest], steps[rest, -1]
    return found


def _loss(modes: _Modes, k: Array) -> Array:
    """Expected excess loss at the steps k (P, K) of stable methods: bias in closed form, noise as the floor less what is to come."""
    method = Method(*(field[:, :, None] for field in modes.method))  # (P, 1, 1)
    h, weights, s2 = (part[:, None, :] for part in (modes.h, modes.weights, modes.s2))  # (P, 1, m)
    steps = k[:, :, None]  # (P, K, 1)
    with np.errstate(under="ignore", over="ignore", invalid="ignore"):
        value = np.square(iterate(method, h, steps, np.sqrt(weights)).params)
        if np.any(s2 > 0):
            first, second = iterate(method, h, steps).params, iterate(method, h, steps, 0.0, 1.0).params
            still = stationary(method, h, s2)
            value = value + still.params - (first**2 * still.params + 2 * first * second * still.covariance + second**2 * still.velocity)
        return np.asarray(0.5 * np.sum(h * value, axis=-1))


def _level(tolerance: float, unit: float) -> float:
    tolerance = single(tolerance, "tolerance")
    if not (np.isfinite(tolerance) and tolerance > 0):
        raise BadInput(f"tolerance = {tolerance:g} is not positive: give a loss above 0, such as 1e-6")
    if unit == 0:
        raise BadInput("the start is already optimal (loss 0), so a relative tolerance means nothing: use relative=False")
    return tolerance * unit


def _flat(method: Method) -> tuple[list[Array], tuple[int, ...]]:
    found = numbers(method)
    shape = np.broadcast_shapes(*(field.shape for field in found))
    return [np.broadcast_to(field, shape).ravel() for field in found], shape

"""What a training run will do, before it is run: momentum on a quadratic whose noise follows the loss.

Along each curvature h the error e and the velocity v move together, with gradient h e + noise:

    v <- beta v + (h e + noise),    e <- e - alpha ((1 + gamma) v_new - gamma v_old),    loss = floor + 1/2 sum h E e^2.

The noise of a mini-batch shrinks as the fit gets better, Var noise_j = noise_j loss/start, which couples the curvatures.
Second moments (E e^2, E e v, E v^2) obey an exact linear recursion; nothing is simulated. Curvatures seen by the gradient
and those seen by the noise are measured apart and stand in one Spectrum side by side.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..core.method import Method
from ..core.schedule import Scaled, Schedule, tabulate
from ..core.spectrum import Spectrum, spectrum
from ..errors import BadInput

__all__ = ["Forecast", "Model", "forecast", "grounded", "joined"]

Array: TypeAlias = NDArray[np.float64]
_CAP = 50.0  # noise never grows beyond this multiple of what was measured: a run that far up is lost anyway
_EXACT = 512  # runs up to this length are followed step by step; longer ones in strides that grow away from both ends


@dataclass(frozen=True, eq=False)
class Model:
    """A task as momentum sees it: curvatures, distances, noise, and how the noise follows the loss.

    At loss L the noise on curvature j has variance spectrum.noise_j * clip(1 - follow + follow L/start, 0, 50): follow = 1
    is noise in proportion to the loss, 0 is noise that never changes. Where a loss has an exponential tail (logistic,
    softmax), curvature falls with it: below knee * start both curvature and noise shrink by a further (L/(knee start))^bend.
    """

    spectrum: Spectrum
    start: float  # full loss at step 0
    follow: float = 1.0  # share of the noise that follows the loss
    epoch: float = np.inf  # batches in one pass over the data; inf = every batch is drawn afresh
    knee: float = 0.0  # share of the start loss below which the curvature falls with the loss; 0 = a quadratic, it never does
    bend: float = 0.0  # as this power of it: d ln h / d ln loss
    slack: float = 1.0  # curvature that moves the error at the start, over the curvature there

    @property
    def floor(self) -> float:
        """Loss that no method gets below: the start minus everything the curvatures hold (0 where that is rounding)."""
        left = self.start - self.spectrum.excess
        return 0.0 if abs(left) < 1e-11 * abs(self.start) else left


class Forecast(NamedTuple):
    """Expected full loss after the given numbers of steps."""

    steps: NDArray[np.intp]  # (K + 1,) from 0
    loss: Array  # (K + 1, *methods); inf where the run diverges

    @property
    def final(self) -> Array:
        """Expected loss at the end: (*methods)."""
        return self.loss[-1]


def forecast(model: Model, schedule: Schedule | Method, steps: int, *, exact: bool = False) -> Forecast:
    """Expected full loss along a run of `steps` steps, for one method or an array of them: no training, no sampling.

    Fields of the method may be arrays of any one shape; all methods are followed together. Runs longer than 512 steps
    move in strides (powers of the 2 x 2 transition by squaring) during which noise and alpha keep their mean, so that a
    million steps cost about a thousand.

    Args:
        model: curvatures, distances and noise of the problem, and how the noise follows the loss.
        schedule: the method of every step, or one method for all of them; of its fields, alpha is the learning rate.
        steps: length of the run, at least 1.
        exact: visit every step instead of moving in strides.

    Raises:
        BadInput: steps below 1.

    >>> from inertia.core.spectrum import spectrum
    >>> still = Model(spectrum([1.0, 4.0]), start=2.5)
    >>> [round(float(loss), 6) for loss in forecast(still, Method(0.25), 2).loss]
    [2.5, 0.28125, 0.158203]
    """
    if steps < 1:
        raise BadInput(f"steps = {steps} is too few: a forecast needs at least 1 step")
    h, weights, noise = model.spectrum.curvatures, model.spectrum.weights, model.spectrum.noise
    rows = _coefficients(schedule, steps)
    shape = np.shape(rows(0, 1).alpha)
    moments = (np.broadcast_to(weights, (*shape, h.size)), *(np.zeros((*shape, h.size)) for _ in range(2)))
    times, losses, floor = [0], [np.full(shape, float(model.start))], model.floor
    still = not np.any(noise)
    with np.errstate(over="ignore", invalid="ignore", under="ignore"):
        for start, stop in _strides(steps, exact):
            method = Method(*(np.asarray(field)[..., None] for field in rows(start, stop)))
            left = _left(model, losses[-1])[..., None]
            now = h * left
            share = 1 + model.follow * (losses[-1][..., None] / model.start - 1)
            push = None if still else noise * np.minimum(np.maximum(share, 0.0), _CAP)
            if push is not None:
                push = push * (left / model.slack)
                if np.isfinite(model.epoch):
                    push = push * _balanced(method, now, model.epoch)
            moments = _advance(method, now, moments, push, stop - start)
            times.append(stop)
            losses.append(floor + 0.5 * (moments[0] @ h))
    curve = np.stack(losses)
    return Forecast(np.array(times), np.where(np.isfinite(curve), curve, np.inf))


def grounded(curvatures: ArrayLike, gradients: ArrayLike, drop: float) -> tuple[Array, Array]:
    """Curvatures and squared distances (h, w) from squared gradients s along Ritz curvatures: w = s/h^2.

    A quadratic with flat or negative curvature would promise more than the loss has to give. The smallest lift h <-
    max(h, lift) is found for which 1/2 sum s/h <= drop, the most by which the loss can fall.

    Args:
        curvatures: Ritz values (n,) of the Hessian, of any sign.
        gradients: squared parts (n,) of the gradient along them.
        drop: the most by which the loss can fall; 0 or less gives distances of 0.

    >>> h, w = grounded([0.0, 2.0], [1.0, 4.0], drop=2.0)
    >>> [float(x) for x in h.round(6)], round(float(0.5 * (h * w).sum()), 6)
    ([0.5, 2.0], 2.0)
    """
    ritz, power = np.asarray(curvatures, dtype=float), np.asarray(gradients, dtype=float)

    def promised(lift: float) -> float:
        return 0.5 * float(np.sum(power / np.maximum(ritz, lift)))

    top = float(np.max(ritz, initial=0.0))
    if drop <= 0 or not np.any(power > 0):
        return np.maximum(ritz, top * 1e-12 + np.finfo(float).tiny), np.zeros_like(ritz)
    low, high = max(top, 1.0) * 1e-300, max(top, 0.5 * float(power.sum()) / drop)
    smallest = float(np.min(ritz))
    if smallest > 0 and promised(0.0) <= drop * (1 + 1e-11):
        return ritz, power / ritz**2
    while high / low > 1 + 1e-12:
        middle = float(np.sqrt(low) * np.sqrt(high))
        low, high = (middle, high) if promised(middle) > drop else (low, middle)
    lifted = np.maximum(ritz, high)
    return lifted, power / lifted**2


def joined(gradient: tuple[Array, Array], noise: tuple[Array, Array], upper: float, **provenance: object) -> Spectrum:
    """One Spectrum of two quadratures: nodes with squared distances beside nodes with noise variances.

    Args:
        gradient: curvatures (n,) that the gradient lies along, and the squared distance along each.
        noise: curvatures (m,) that the noise of a mini-batch lies along, and its variance along each.
        upper: upper bound of the largest curvature; raised to the largest node where it is lower.
        **provenance: how it was measured, kept with the spectrum.

    >>> both = joined(([1.0, 4.0], [2.0, 0.5]), ([4.0], [0.3]), upper=4.5)
    >>> both.curvatures.tolist(), both.noise.tolist()
    ([1.0, 4.0, 4.0], [0.0, 0.0, 0.3])
    """
    (h, weights), (nodes, variances) = map(np.asarray, gradient), map(np.asarray, noise)
    return spectrum(
        np.concatenate([h, nodes]),
        weights=np.concatenate([weights, np.zeros_like(nodes)]),
        noise=np.concatenate([np.zeros_like(h), variances]),
        upper=max(upper, float(np.max(h, initial=0.0)), float(np.max(nodes, initial=0.0))),
        provenance=provenance,
    )


def _balanced(method: Method, h: Array, epoch: float) -> Array:
    """Share of the noise left where a curvature remembers an epoch, whose batches sum to the full gradient."""
    memory = method.alpha * h * epoch / (1 - method.beta)  # epochs are long (large) or short (small) against the memory
    return memory / (3 + memory)


def _left(model: Model, loss: Array) -> Array:
    """Share of the curvature (and, beyond the loss's own share, of the noise) that is left at this loss."""
    if not model.bend:
        return np.ones_like(loss)
    return model.slack * np.minimum(1.0, np.maximum(loss / (model.knee * model.start), 0.0) ** model.bend)


def _advance(method: Method, h: Array, moments: tuple[Array, ...], push: Array | None, stride: int) -> tuple[Array, ...]:
    """Second moments after `stride` steps (a power of two) with constant coefficients and noise."""
    alpha, beta, gamma = method.alpha, method.beta, method.gamma
    gain = alpha * (1 + gamma)
    a, b, c, d = 1 - gain * h, -alpha * ((1 + gamma) * beta - gamma), h, beta
    pushed: tuple[Array, ...] = (gain * gain, -gain, np.ones(()))  # what unit noise adds in one step
    while stride > 1:
        pushed = tuple(x + y for x, y in zip(_moved(a, b, c, d, pushed), pushed, strict=True))
        a, b, c, d = a * a + b * c, b * (a + d), c * (a + d), d * d + b * c
        stride //= 2
    moved = _moved(a, b, c, d, moments)
    return moved if push is None else tuple(x + push * y for x, y in zip(moved, pushed, strict=True))


def _moved(a: Array, b: Array, c: Array, d: Array, moments: tuple[Array, ...]) -> tuple[Array, ...]:
    """E ee, E ev, E vv after the linear map ((a, b), (c, d))."""
    p, q, r = moments
    ap, bq, dr = a * p + b * q, a * q + b * r, c * q + d * r
    return a * ap + b * bq, c * ap + d * bq, c * (c * p + d * q) + d * dr


def _coefficients(schedule: Schedule | Method, steps: int) -> Callable[[int, int], Method]:
    """The mean coefficients of the steps start to stop, without a (steps x methods) table where one can be avoided."""
    if isinstance(schedule, Method):
        fixed = Method(*np.broadcast_arrays(*(np.asarray(field, dtype=float) for field in schedule)))
        return lambda start, stop: fixed
    if isinstance(schedule, Scaled):
        base = Method(*np.broadcast_arrays(*(np.asarray(field, dtype=float) for field in schedule.method)))
        sums = np.concatenate([[0.0], np.cumsum(np.asarray(schedule.factor(np.arange(steps)), dtype=float))])
        return lambda start, stop: base._replace(alpha=base.alpha * ((sums[stop] - sums[start]) / (stop - start)))
    table = tabulate(schedule, steps)
    return lambda start, stop: Method(*(field[start:stop].mean(axis=0) for field in table))


def _strides(steps: int, exact: bool) -> Iterator[tuple[int, int]]:
    """Cut a run into power-of-two strides, each at most 1/32 of the distance to the nearer end of the run."""
    start = 0
    while start < steps:
        room = 1 if exact or steps <= _EXACT else max(1, min(start, steps - start) // 32)
        stop = start + (1 << (room.bit_length() - 1))
        yield start, stop
        start = stop

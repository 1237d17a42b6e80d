"""From impulse responses to coefficients: which recursion has this kernel?

A linear optimizer moves by d[k] = sum over j <= k of G[k, j] g[j] + W[k, j] x[j]. Feeding an impulse at step j into
coordinate j, with the parameters held at 0, shows the whole of G at once, and impulses in the parameters show W: nothing
is assumed, and a learning rate of 0 only blanks a row. With D the diagonal of G, a momentum method has below it

    outside:  G[k, j]/D[k] = kappa beta^(k-j-1)        inside:  G[k, j]/D[j] = kappa beta^(k-j-1),

    kappa = beta - gamma/(1 + gamma),   D[k] = -alpha[k] (1 + gamma),

whatever the schedule. Coupled decay adds lambda x to the gradient, so W = lambda G; decoupled decay only changes the
diagonal of W. Every candidate is checked against the whole kernel; the simplest that passes is taken.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from .recursion import OUTSIDE, Array, Home, Recursion, simulate

__all__ = ["SLACK", "accumulation", "compressed", "decays", "gathers", "kernel_of", "recursion"]

SLACK = 1000  # times rounding: products of some dozen rounded numbers over all steps


def accumulation(kernel: Array, tolerance: float) -> int:
    """How many gradients make one step: N where only every N-th row moves and its columns are alike within blocks of N."""
    steps = len(kernel)
    rows = np.flatnonzero(np.any(kernel != 0, axis=1))
    if not rows.size or kernel[0, 0] != 0:
        return 1
    every = int(np.gcd.reduce(rows + 1))  # a learning rate of 0 leaves out whole blocks
    if every == 1 or every > steps // 3:
        return 1
    blocks = kernel[every - 1 :: every, : steps // every * every].reshape(steps // every, steps // every, every)
    alike = np.ptp(blocks, axis=2) <= tolerance * np.abs(blocks).max(axis=(1, 2), keepdims=True)[..., 0]
    return every if np.all(alike) else 1


def compressed(kernel: Array, every: int) -> Array:
    """The kernel of whole blocks: the response at a block's end to a constant input over a block."""
    if every == 1:
        return kernel
    blocks = len(kernel) // every
    rows = kernel[every - 1 : blocks * every : every, : blocks * every]
    return rows.reshape(blocks, blocks, every).sum(axis=2)


def kernel_of(found: Recursion) -> Array:
    """The gradient kernel of a recursion: its answers to impulses."""
    impulses = np.eye(found.steps)[:, None, :]
    plain = replace(found, coupled=0.0, lambdas=None, omega=None)
    return simulate([plain], impulses, np.zeros_like(impulses))[:, 0, :]


def recursion(kernel: Array, tolerance: float, home: Home = OUTSIDE) -> Recursion | None:
    """The simplest recursion with this kernel, or None.

    Where the learning rate sits is None if both places explain the moves with the same numbers: it never changed, or there is
    no buffer. Under an exponential schedule both explain them, with other momenta (beta inside, beta/factor outside): then the
    place where the framework keeps it is taken, and `other` is the momentum that the other place needs. A first learning rate
    inside the buffer and a first gradient with another weight are the same too: a weight is what frameworks with dampening have.
    """
    found = None if home.dampens else _simplest(kernel, tolerance, home.inside, weighed=False)
    return found if found is not None else _simplest(kernel, tolerance, home.inside, weighed=True)


def _simplest(kernel: Array, tolerance: float, home: bool, weighed: bool) -> Recursion | None:
    scale = np.abs(kernel).max(axis=1, keepdims=True)
    fits: list[Recursion] = []
    for candidate in _candidates(kernel, tolerance, home, weighed):
        if not np.all(np.abs(kernel_of(candidate) - kernel) <= tolerance * scale):
            continue
        if candidate.inside is None or np.ptp(candidate.beta) > 0:
            return fits[0] if fits else candidate
        if fits and fits[0].inside != candidate.inside:
            one, two = float(fits[0].beta[-1]), float(candidate.beta[-1])
            return replace(fits[0], inside=None) if abs(one - two) <= tolerance else replace(fits[0], other=two)
        fits.append(candidate)
    return fits[0] if fits else None


def _candidates(kernel: Array, tolerance: float, home: bool, weighed: bool) -> Iterator[Recursion]:
    diagonal = np.diag(kernel).copy()
    steps, none = len(kernel), np.zeros(len(kernel))
    below = np.tril(kernel, -1)
    if np.all(np.abs(below) <= tolerance * np.abs(kernel).max(axis=1, keepdims=True)):
        yield Recursion(-diagonal, none, none, inside=None)
        return
    if steps < 5:
        return
    for inside in (home, not home):
        divisor = diagonal[None, :] if inside else diagonal[:, None]
        ratios = np.divide(below, divisor, out=np.zeros_like(kernel), where=divisor != 0)
        yield from _steady(kernel, ratios, tolerance, inside, weighed)
    yield from _moving(kernel, diagonal, tolerance)


def _steady(kernel: Array, ratios: Array, tolerance: float, inside: bool, weighed: bool) -> Iterator[Recursion]:
    """Momentum and look-ahead stay; the learning rate of every step is free."""
    steps = len(kernel)
    # lags 1 and 2; outside without the first column, whose weight is another where the first step is not dampened
    one, two = (np.diag(ratios, -lag)[0 if inside else 1 :] for lag in (1, 2))
    seen = np.abs(one) > tolerance * np.abs(one).max(initial=0)
    if not seen.any():
        return
    kappa = float(np.median(one[seen]))
    later = two[np.abs(two) > tolerance * abs(kappa)]
    betas = [float(np.median(later)) / kappa if later.size else kappa]
    if not later.size:
        betas.append(0.0)  # the buffer is emptied every other step, or there is no buffer and one gradient is remembered
    for beta in betas:
        if kappa == 0 or not np.isfinite(beta) or abs(beta) > 1 + tolerance:
            continue
        gamma = (beta - kappa) / (1 - (beta - kappa))
        for look in (0.0, gamma) if abs(beta - kappa) <= 10 * tolerance else (gamma,):
            alpha = -np.diag(kernel) / (1 + look)
            first = _first(ratios, kappa, beta, alpha, inside) if weighed else 1.0
            first = first if abs(first - 1) > max(1e-9, tolerance) else 1.0
            alpha[0] = alpha[0] / first
            full = np.full(steps, beta), np.full(steps, look)
            yield _supported(Recursion(alpha, *full, inside=inside, first=first, lost=_lost(kernel, tolerance)), kernel, tolerance)


def _first(ratios: Array, kappa: float, beta: float, alpha: Array, inside: bool) -> float:
    """How much more the first gradient weighs than the others: the first column tells (inside: the first rate tells)."""
    if inside:
        rest = alpha[1:]
        return float(alpha[0] / rest[0]) if rest[0] != 0 and np.ptp(rest) <= 1e-12 * np.abs(rest).max() and alpha[0] != 0 else 1.0
    rows = np.flatnonzero(np.abs(ratios[:, 0]) > 0)
    if not rows.size:
        return 1.0
    k = int(rows[0])
    weight = float(ratios[k, 0] / (kappa * beta ** (k - 1))) if beta != 0 or k == 1 else 1.0
    return weight if np.isfinite(weight) and weight > 0 else 1.0


def _lost(kernel: Array, tolerance: float) -> tuple[int, ...]:
    """Steps at which nothing of earlier gradients is left though the step itself moves."""
    past = np.abs(np.tril(kernel, -1)).max(axis=1)
    own = np.abs(np.diag(kernel))
    gone = (own > 0) & (past <= tolerance * own)
    gone[0] = False
    before = np.array([np.any(kernel[:k, :k] != 0) for k in range(len(kernel))])
    return tuple(np.flatnonzero(gone & before).tolist())


def _supported(found: Recursion, kernel: Array, tolerance: float) -> Recursion:
    """The recursion without the losses that the kernel does not prove: a buffer that was kept explains it as well.

    A small momentum is below the rounding of a step whose learning rate is far above the one before it, as at a warm restart.
    """
    scale = tolerance * np.abs(kernel).max(axis=1)
    kappa = abs(found.beta[-1] - found.gamma[-1] / (1 + found.gamma[-1]))
    for k, until in zip(found.lost, (*found.lost, found.steps)[1:], strict=True):
        left = kappa * abs(kernel[k - 1, k - 1] if found.inside else kernel[k, k])  # what a kept buffer would show of the last gradient
        if left > 2 * scale[k]:
            continue
        kept = replace(found, lost=tuple(other for other in found.lost if other != k))
        if np.all(np.abs(kernel_of(kept) - kernel)[k:until] <= scale[k:until, None]):
            found = kept
    return found


def _moving(kernel: Array, diagonal: Array, tolerance: float) -> Iterator[Recursion]:
    """The momentum moves with the steps, as under a one-cycle schedule: heavy ball, or Nesterov with gamma = beta."""
    steps = len(kernel)
    own = np.abs(diagonal)
    for nesterov in (False, True):
        beta = np.zeros(steps)
        for k in range(1, steps):
            alive = np.flatnonzero(own[k:] > 0)
            if not alive.size:
                beta[k] = beta[k - 1]
                continue
            m = k + int(alive[0])
            ratio = kernel[m, k - 1] / kernel[m, k] if kernel[m, k] != 0 else 0.0
            if nesterov and m == k:
                ratio = (ratio + np.sqrt(max(ratio * ratio + 4 * ratio, 0.0))) / 2
            beta[k] = ratio
        first = _started(beta, diagonal, nesterov)
        beta[np.abs(beta) <= tolerance] = 0.0
        gamma = beta if nesterov else np.zeros(steps)
        alpha = -diagonal / (1 + gamma)
        alpha[0] /= first
        yield Recursion(alpha, beta, gamma, inside=False, first=first)


def _started(beta: Array, diagonal: Array, nesterov: bool) -> float:
    """The first weight, with the momenta of steps 0 and 1 put into beta.

    A first weight and the momentum of step 1 act only together, as do momentum and rate of step 0. Where the momentum of the next
    steps is a linear function of the learning rate, as torch's CyclicLR and each half of OneCycleLR set it, that function goes on;
    elsewhere the momentum goes on smoothly.
    """
    after = np.arange(2, 5)
    rates, momenta = -diagonal[after] / (1 + beta[after] * nesterov), beta[after]
    slope = (momenta[1] - momenta[0]) / (rates[1] - rates[0]) if np.ptp(rates[:2]) > 1e-6 * np.abs(rates).max() else np.nan
    linked = bool(np.all(diagonal[:5] != 0) and abs(momenta[2] - momenta[1] - slope * (rates[2] - rates[1])) <= 1e-8)
    smooth = momenta[0] + slope * (-diagonal[1] - rates[0]) if linked else 2 * beta[2] - beta[3]
    first = beta[1] / smooth if smooth != 0 else 1.0
    first = first if first > 0 and abs(first - 1) > (1e-6 if linked else 0.05) and not nesterov and beta[2] != 0 else 1.0
    beta[1] /= first
    beta[0] = 2 * beta[1] - beta[2]
    if linked:  # beta = offset + slope rate, and rate (1 + gamma) = -diagonal
        offset = momenta[0] - slope * rates[0]
        if nesterov:
            roots = np.roots([1.0, 1.0 - offset, slope * diagonal[0] - offset])
            real = roots[np.isreal(roots)].real
            beta[0] = real[np.argmin(np.abs(real - beta[0]))] if real.size else beta[0]
        else:
            beta[0] = offset - slope * diagonal[0] / first
    return float(first)


def gathers(kernel: Array, tolerance: float) -> bool:
    """Whether a step that rests passes its gradient on whole to the next that moves, though not every so many steps."""
    moving = np.any(kernel != 0, axis=1)
    rests = np.flatnonzero(~moving[:-1])
    heard = [(k, k + 1 + int(np.argmax(moving[k + 1 :]))) for k in rests if moving[k + 1 :].any()]
    passed = [(k, m) for k, m in heard if kernel[m, m] != 0 and abs(kernel[m, k] - kernel[m, m]) <= tolerance * abs(kernel[m, m])]
    return len(passed) >= 3 and len(passed) == len(heard)


def decays(kernel: Array, pull: Array, found: Recursion, rounding: float, tolerance: float, fine: float) -> Recursion | None:
    """The recursion with its weight decay, from W (pull); None where W is no decay.

    Below the diagonal the parameters were 0, so those numbers carry the `rounding` of the optimizer's own arithmetic only; on it
    they carry that of a difference of parameters of size 1 as well, `fine`.
    """
    scale = np.abs(kernel).max(axis=1, keepdims=True)
    low, past = np.tril(pull, -1), np.tril(kernel, -1)
    weight = float(np.sum(past**2))
    coupled = float(np.sum(low * past)) / weight if weight else 0.0
    if np.any(np.abs(low - coupled * past) > tolerance * max(abs(coupled), 1e-300) * scale):
        return _moving_decay(kernel, pull, found, tolerance)
    omega = coupled * np.diag(kernel) - np.diag(pull)  # what is left on the diagonal
    size = np.abs(np.diag(pull))
    blur = fine + rounding * size
    # the rounding of differences averages out, that of lambda and of the rates does not
    if np.all(np.abs(omega) <= 16 * blur) and abs(omega.mean()) <= 5 / np.sqrt(len(omega)) * fine + 16 * size.max() * rounding:
        return replace(found, coupled=coupled)
    if np.all(np.abs(omega) <= 16 * rounding * np.maximum(1.0, size)) and not _follows(omega, found.alpha):
        return replace(found, coupled=coupled)
    return replace(found, coupled=coupled, omega=omega)


def _moving_decay(kernel: Array, pull: Array, found: Recursion, tolerance: float) -> Recursion | None:
    """A coupled decay under a schedule of its own: column j of W is lambda[j] times column j of G, on the diagonal, too."""
    weight = np.sum(kernel**2, axis=0)
    lambdas = np.divide(np.sum(pull * kernel, axis=0), weight, out=np.zeros(len(kernel)), where=weight > 0)
    scale = np.abs(kernel).max(axis=1, keepdims=True)
    if np.any(np.abs(pull - lambdas * kernel) > tolerance * np.abs(lambdas).max() * scale):
        return None
    lambdas[np.abs(lambdas) <= tolerance * np.abs(lambdas).max()] = 0.0
    moving = np.flatnonzero(weight > 0)
    return replace(found, coupled=float(lambdas[moving[-1]]) if moving.size else 0.0, lambdas=lambdas)


def _follows(omega: Array, rate: Array) -> bool:
    """Whether a shrinking follows the learning rate or goes on smoothly; single roundings of parameters do neither.

    The ratio of squared successive differences to squares is 2 for independent errors (von Neumann 1941); of a decay that float32
    has rounded to 1 or 0 units of the last place it is nearly 0.
    """
    whole = float(omega @ omega)
    left = whole - float(omega @ rate) ** 2 / float(rate @ rate) if np.any(rate) else whole
    return left <= whole / 2 or float(np.sum(np.diff(omega) ** 2)) <= whole

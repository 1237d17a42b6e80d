"""Choose learning rate and momentum from a Model, for the user's steps and schedule, and say what limits them.

All candidates (a ladder of alpha for each of some momenta, heavy ball and Nesterov) are forecast together; the smallest
expected final loss wins. What limits it is asked of the same model:

    noise-limited        at equal alpha/(1 - beta) every momentum gives the same loss: momentum only rescales alpha
    curvature-limited    momentum needs fewer steps than plain gradient descent: this many times
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ..core.method import Method
from ..core.schedule import Schedule, shaped, tabulate
from ..errors import BadInput
from ..theory.modes import edge
from .predict import Model, forecast

__all__ = ["FAMILIES", "Choice", "Evidence", "Family", "Matched", "Shape", "at_scale", "best_alpha", "choose", "rests", "spread_at"]

Array: TypeAlias = NDArray[np.float64]
Shape: TypeAlias = str | Callable[[Method, int], Schedule]  # a name of schedule.SHAPES, or how to make a schedule
Family: TypeAlias = tuple[float, bool]  # momentum, Nesterov

FAMILIES: tuple[Family, ...] = (
    (0.0, False), (0.5, False), (0.5, True), (0.8, False), (0.8, True), (0.9, False), (0.9, True),
    (0.95, False), (0.95, True), (0.98, False), (0.98, True), (0.99, False), (0.99, True),
)  # fmt: skip
"""Momentum and whether Nesterov's: what is tried where there is noise, coarse because the loss is flat in it."""

NOISY_REACH, STILL_REACH = 0.75, 0.98  # share of the edge used: mini-batches shake a run out of the edge before it is reached
_FLAT = 1.10  # excess losses within 10 % of each other are the same
_WORTH = 1.5  # momentum that saves a third of the steps or more is worth naming
_EPSILON = 0.01  # share of the whole decrease below which a difference in loss does not count
_USUAL: Family = (0.9, True)  # with noise and alpha chosen anew, no other momentum is as seldom far from the best
_BETTER = 0.9  # what another must promise where the run ends at full rate: an excess loss smaller by this part
_RESTS = 0.5  # last factor over largest below which a schedule lets a run come to rest, whatever its momentum


class Matched(NamedTuple):
    """Predicted final loss against momentum, at one value of alpha/(1 - beta)."""

    scale: float  # alpha/(1 - beta)
    beta: Array  # (B,)
    loss: Array  # (B,) inf beyond the edge
    nesterov: bool


@dataclass(frozen=True, eq=False)
class Evidence:
    """The numbers behind a choice, as arrays for tables and pictures."""

    alphas: Array  # (A,) learning rates forecast for every family
    families: tuple[tuple[float, bool], ...]  # (F) momentum, Nesterov
    losses: Array  # (F, A) predicted final losses; inf beyond the reach of the edge
    matched: Matched
    spread: float  # largest over smallest excess loss along `matched` for momenta up to 0.9
    speedup: float  # how many times fewer steps momentum needs for what gradient descent reaches
    room: float  # edge of the chosen method over the upper bar of the curvature: > 1


class Choice(NamedTuple):
    """A method, what it promises, what stopped it being better, and the evidence."""

    method: Method
    predicted_loss: float
    limit: str  # noise-limited or curvature-limited
    verdict: str  # the same as a sentence with numbers
    evidence: Evidence


def choose(model: Model, steps: int, schedule: Shape = "linear", *, upper: float | None = None, family: Family | None = None) -> Choice:
    """The method with the smallest forecast loss after `steps` steps, never beyond the edge of the spectrum's upper bar.

    With noise the momenta of FAMILIES are tried and alpha stays below 0.75 of the edge; without noise the whole
    (alpha, beta) plane is searched, up to 0.98 of it. `family` (momentum, Nesterov) leaves only alpha to choose. Alpha is
    rounded to three digits: what is said is what is run.

    Raises:
        BadInput: steps below 1, an unknown schedule.

    >>> from inertia.core.spectrum import spectrum
    >>> found = choose(Model(spectrum([0.01, 1.0]), start=0.505), steps=100, schedule="constant")
    >>> found.limit, found.method.beta > 0.5, found.predicted_loss < 1e-5
    ('curvature-limited', True, True)
    """
    if isinstance(steps, bool) or not isinstance(steps, int | np.integer) or steps < 1:
        raise BadInput(f"steps = {steps} is too few: tuning needs a budget of at least 1 step")
    noisy = bool(np.any(model.spectrum.noise > 0))
    top = model.spectrum.upper if upper is None else max(upper, model.spectrum.upper)
    reach = NOISY_REACH if noisy else STILL_REACH
    families = FAMILIES if noisy else tuple((float(beta), nesterov) for beta in _betas(steps) for nesterov in (False, True))
    if family is not None and family not in families:
        families = (*families, family)
    alphas = 2.0 ** np.arange(-12, 3.01, 0.25 if noisy or family is not None else 0.5) / top
    losses = _forecast(model, schedule, steps, alphas, families, top, reach)
    allowed = np.array([family is None or each == family for each in families])
    judged = _judged(model, losses, _usual(families, noisy and not rests(schedule, steps))[:, None])
    row, index = np.unravel_index(int(np.argmin(np.where(allowed[:, None], judged, np.inf))), losses.shape)
    method = _method(float(alphas[index]), *families[row])
    if not noisy and family is None:
        method = _sharpened(model, schedule, steps, method, top, reach)
    method = rounded(method)
    promise = float(forecast(model, scheduled(schedule, method, steps), steps).final)
    matched = _matched(model, schedule, steps, method, top)
    # Beyond the edge of the start, real runs can use what a falling curvature leaves: a tail would belittle gradient descent.
    straight = replace(model, bend=0.0, slack=1.0)
    plain = float(np.min(_forecast(straight, schedule, steps, alphas, ((0.0, False),), top, reach)))
    speedup = _speedup(straight, schedule, steps, plain, top, reach)
    spread = spread_at(model, matched)
    evidence = Evidence(alphas, families, losses, matched, spread, speedup, float(edge(method)) / top)
    limit = "noise-limited" if noisy and (spread <= _FLAT or speedup < _WORTH) else "curvature-limited"
    return Choice(method, promise, limit, _sentence(limit, method, evidence), evidence)


def at_scale(
    model: Model, steps: int, schedule: Shape, scale: float, upper: float, families: tuple[Family, ...] = FAMILIES
) -> Method | None:
    """The best forecast among the families at one value of alpha/(1 - beta); None where all would be beyond the edge's reach.

    >>> from inertia.core.spectrum import spectrum
    >>> noisy = Model(spectrum([0.1, 1.0], noise=0.1), start=1.0)
    >>> bold = at_scale(noisy, 50, "linear", scale=8.0, upper=1.0)
    >>> round(bold.alpha / (1 - bold.beta), 6), bold.beta > 0
    (8.0, True)
    """
    beta = np.array([family[0] for family in families])
    grid = Method(scale * (1 - beta), beta, beta * np.array([family[1] for family in families]), np.zeros_like(beta))
    inside = edge(grid) * (NOISY_REACH if np.any(model.spectrum.noise > 0) else STILL_REACH) >= upper
    if not np.any(inside):
        return None
    grid = Method(*(field[inside] for field in grid))
    final = forecast(model, scheduled(schedule, grid, steps), steps).final
    shaken = bool(np.any(model.spectrum.noise > 0)) and not rests(schedule, steps)
    best = int(np.argmin(_judged(model, final, _usual(families, shaken)[inside])))
    return rounded(Method(*(float(field[best]) for field in grid)))


def rests(schedule: Shape, steps: int) -> bool:
    """Whether a schedule ends at less than half of its largest factor, so that a run comes to rest.

    >>> rests("linear", 100), rests("constant", 100)
    (True, False)
    """
    factors = tabulate(scheduled(schedule, Method(1.0), steps), steps).alpha
    return bool(factors[-1] < _RESTS * np.max(factors))


def _usual(families: tuple[Family, ...], shaken: bool) -> NDArray[np.bool_]:
    return np.array([not shaken or family == _USUAL for family in families])


def _judged(model: Model, losses: Array, usual: NDArray[np.bool_]) -> Array:
    """Excess losses, those of unusual momenta made larger: at full rate a long memory ends in spikes no quadratic foresees."""
    excess = _excess(model, losses)
    return np.where(usual, excess, excess / (1 - _BETTER))


def _excess(model: Model, losses: Array) -> Array:
    """Losses above the floor, with what does not count added to all."""
    return np.maximum(losses - model.floor, 0.0) + _EPSILON * model.spectrum.excess


def best_alpha(model: Model, steps: int, schedule: Shape, method: Method, upper: float) -> float:
    """The alpha with the best forecast for the momentum of this method; 0 where none is within the edge's reach.

    >>> from inertia.core.spectrum import spectrum
    >>> still = Model(spectrum([1.0]), start=0.5)
    >>> round(best_alpha(still, 10, "constant", Method(0.1), 1.0), 1)
    1.0
    """
    top, reach = max(upper, model.spectrum.upper), NOISY_REACH if np.any(model.spectrum.noise > 0) else STILL_REACH
    alphas = 2.0 ** np.arange(-12, 3.01, 0.125) / top
    losses = _forecast(model, schedule, steps, alphas, ((float(method.beta), bool(method.gamma)),), top, reach)[0]
    return float(alphas[np.argmin(losses)]) if np.any(np.isfinite(losses)) else 0.0


def scheduled(schedule: Shape, method: Method, steps: int) -> Schedule:
    """The schedule of that shape for the method.

    >>> scheduled("linear", Method(1.0), 4)(2).alpha
    0.5
    """
    return shaped(schedule, method, steps) if isinstance(schedule, str) else schedule(method, steps)


def rounded(method: Method) -> Method:
    """The method with alpha to three significant digits, downwards.

    >>> rounded(Method(0.123987, beta=0.9))
    Method(alpha=0.123, beta=0.9, gamma=0.0, delta=0.0)
    """
    alpha = float(method.alpha)
    unit = 10.0 ** (np.floor(np.log10(alpha)) - 2)
    return method._replace(alpha=float(f"{np.floor(alpha / unit * (1 + 1e-12)) * unit:.2e}"))


def spread_at(model: Model, matched: Matched, up_to: float = 0.9) -> float:
    """Largest over smallest excess loss along a matched curve, for momenta up to `up_to`; infinite where one diverges."""
    losses = matched.loss[matched.beta <= up_to + 1e-12]
    if not np.all(np.isfinite(losses)):
        return float("inf")
    excess = _excess(model, losses)
    return float(excess.max() / excess.min())


def _method(alpha: float, beta: float, nesterov: bool) -> Method:
    return Method(alpha, beta, beta if nesterov else 0.0)


def _betas(steps: int) -> Array:
    """Momenta 1 - 2^(-j/2) up to a memory of the whole run."""
    return 1 - 2.0 ** (-np.arange(0, max(2, 2 * int(np.log2(max(steps, 2))) + 1)) / 2)


def _forecast(
    model: Model, schedule: Shape, steps: int, alphas: Array, families: tuple[tuple[float, bool], ...], top: float, reach: float
) -> Array:
    """Predicted final losses (families, alphas), inf beyond the reach of the edge; only what is inside is computed."""
    beta = np.array([family[0] for family in families])[:, None]
    gamma = np.array([family[0] * family[1] for family in families])[:, None]
    grid = Method(*np.broadcast_arrays(alphas, beta, gamma, 0.0))
    inside = edge(grid) * reach >= top
    losses = np.full(inside.shape, np.inf)
    flat = Method(*(np.asarray(field)[inside] for field in grid))
    losses[inside] = forecast(model, scheduled(schedule, flat, steps), steps).final
    return losses


def _sharpened(model: Model, schedule: Shape, steps: int, method: Method, top: float, reach: float) -> Method:
    """Zoom in on the best (alpha, beta) of a noiseless plane, around the grid point found."""
    nesterov = bool(method.gamma)
    centre, width = np.array([np.log(method.alpha), np.log(1 - method.beta)]), np.array([np.log(2.0), np.log(2.0)]) / 2
    for _ in range(6):
        offsets = np.linspace(-1, 1, 9)
        a, d = np.meshgrid(centre[0] + width[0] * offsets, np.minimum(centre[1] + width[1] * offsets, 0.0), indexing="ij")
        beta = 1 - np.exp(d.ravel())
        grid = Method(np.exp(a.ravel()), beta, beta * nesterov, np.zeros_like(beta))
        grid = grid._replace(alpha=np.minimum(grid.alpha, grid.alpha * edge(grid) * reach / top))
        final = forecast(model, scheduled(schedule, grid, steps), steps).final
        best = int(np.argmin(final))
        centre, width = np.array([np.log(grid.alpha[best]), d.ravel()[best]]), width / 2.5
    beta = round(1 - float(np.exp(centre[1])), 4)
    return _method(float(np.exp(centre[0])), beta, nesterov)


def _matched(model: Model, schedule: Shape, steps: int, method: Method, top: float) -> Matched:
    """Predicted loss for every momentum at the chosen method's alpha/(1 - beta)."""
    nesterov, scale = bool(method.gamma), float(method.alpha / (1 - method.beta))
    beta = np.unique(np.array([0.0, 0.25, 0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.925, 0.95, 0.97, 0.98, 0.99, method.beta]))
    grid = Method(scale * (1 - beta), beta, beta * nesterov, np.zeros_like(beta))
    final = forecast(model, scheduled(schedule, grid, steps), steps).final
    return Matched(scale, beta, np.where(edge(grid) > top, final, np.inf), nesterov)


def _speedup(model: Model, schedule: Shape, steps: int, plain: float, top: float, reach: float) -> float:
    """Steps over the fewest steps in which some momentum reaches what gradient descent reaches in all of them."""
    alphas = 2.0 ** np.arange(-12, 3.01, 0.5) / top
    low, high = 0.0, np.log(steps)

    def reached(budget: int) -> bool:
        return bool(np.min(_forecast(model, schedule, budget, alphas, FAMILIES[1:], top, reach)) <= plain)

    if not np.isfinite(plain) or not reached(steps):
        return 1.0
    while high - low > 0.05 and int(np.exp(high)) > 1:
        middle = (low + high) / 2
        low, high = (low, middle) if reached(max(1, round(np.exp(middle)))) else (middle, high)
    return float(steps / max(1, round(np.exp(high))))


def _sentence(limit: str, method: Method, evidence: Evidence) -> str:
    """The verdict in words, with its numbers."""
    matched = evidence.matched
    if limit == "noise-limited":
        small = matched.beta <= 0.9 + 1e-12
        losses = matched.loss[small]
        finite = np.isfinite(losses)
        last = float(matched.beta[small][finite][-1]) if finite.any() else float(method.beta)
        first = float(matched.beta[small][finite][0]) if finite.any() else float(method.beta)
        if finite.any() and losses[finite].max() <= 1.10 * losses[finite].min() and last > first:
            within = 100 * (losses[finite].max() / losses[finite].min() - 1)
            return (
                f"noise-limited: every momentum from {first:g} to {last:g} gives the same predicted loss within {within:.1f} % "
                f"at alpha/(1 - beta) = {matched.scale:.3g}"
            )
        return f"noise-limited: momentum saves at most {100 * (1 - 1 / evidence.speedup):.0f} % of the steps once alpha is chosen for it"
    if evidence.speedup >= _WORTH:
        return (
            f"curvature-limited: momentum needs {evidence.speedup:.1f}x fewer steps than plain gradient descent to get as far (predicted)"
        )
    return "curvature-limited: no gradient noise, but momentum saves little here: the curvatures are close together or the run is short"

"""Which of Adam's kin is it? Numbers from designed runs, and a replay that must agree.

With gradients so large that eps does not count, every step of an Adam is Delta = -(a m + b g)/sqrt(v): two numbers a, b of
the step alone (learning rate, bias corrections, schedule, Nesterov's share), and beta1, beta2 that make m and v. So beta1
and beta2 are sought, a and b eliminated at every step; then a and b say which corrections there are. Small gradients show
eps and where it stands, parameters away from 0 show weight decay. What a replay from the textbook formulas does not
reproduce is not told.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from .bench import Bench
from .metric import Metric, moments, replay
from .recursion import Array

__all__ = ["adaptive", "run_alike"]

STEPS, LATE = 24, 8  # RAdam's first steps are others: the fit looks at the late ones
COORDINATES = 48
LARGE = 1e6
KINDS = ("", "sum", "amsgrad", "amsgrad hat", "infinity", "centered")
STARTS1, STARTS2 = (0.5, 0.9, 0.97), (0.8, 0.9, 0.99, 0.999)
CLOSE = 1e-6  # a step is explained: eps against LARGE is below 1e-8, a wrong family leaves more than 1e-3
PLAUSIBLE = 0.1  # squared share of a step that the nearest start may leave open
SLOWEST = 6.0  # decays of the squares are looked for up to 1 - 10^-6
LOOSE = 3e-4  # the same for single precision


@dataclass(frozen=True)
class _Seen:
    """One run: gradients and moves of one tensor, (steps, n)."""

    grads: Array
    moves: Array


def adaptive(bench: Bench, seed: int = 0) -> list[Metric | None]:
    """The member of the family behind every tensor, or None."""
    close = CLOSE if bench.rounding < 1e-12 else LOOSE
    generator = np.random.default_rng([seed, 7])
    large = generator.standard_normal((STEPS, COORDINATES)) * LARGE * 10 ** generator.uniform(-0.5, 0.5, (STEPS, 1))
    moves = run_alike(bench, large, large * 0)
    found: list[Metric | None] = []
    for leaf in range(len(bench.names)):
        seen = _Seen(large, moves[:, leaf])
        known = next((one for one in found if one is not None and _agrees(bench, one, leaf, close, seed)), None)
        found.append(known or _one(bench, leaf, seen, close, seed))
    return found


def run_alike(bench: Bench, grads: Array, points: Array | None = None, start: Array | None = None, factors: Array | None = None) -> Array:
    """The same signals into all tensors; (steps, tensors, n)."""
    tensors = len(bench.names)
    spread = [None if one is None else np.repeat(one[..., None, :], tensors, axis=-2)
              for one in (grads, points, start)]  # fmt: skip
    assert spread[0] is not None
    return bench.run(spread[0], spread[1], spread[2], factors)


def _one(bench: Bench, leaf: int, seen: _Seen, close: float, seed: int) -> Metric | None:
    if not np.all(np.isfinite(seen.moves)) or not np.any(seen.moves[LATE:]):
        return None
    for shape in _shapes(seen, close):
        metric = _decay(bench, leaf, _eps(bench, leaf, shape))
        choices = [metric]
        if metric.omega and metric.per_rate is None and np.ptp(metric.rates) > 0:  # a schedule tells
            choices = [replace(metric, per_rate=True), replace(metric, per_rate=False)]
        right = [one for one in choices if _agrees(bench, one, leaf, close, seed)]
        if right:
            return right[0] if len(right) == 1 else replace(right[0], per_rate=None)
    return None


def _shapes(seen: _Seen, close: float) -> Iterator[Metric]:
    """Members that explain the run with large gradients, their rates read from it; the ones with the steadiest rates first."""
    for before in (False, True):
        for kind in KINDS:
            betas = _betas(seen, kind, before, close)
            if kind == "" and betas is not None and betas[1] >= 1 - 2 * 10**-SLOWEST:  # at the end of the search: nothing decays
                summed = _betas(seen, "sum", before, close)
                kind, betas = ("sum", summed) if summed is not None else (kind, betas)
            if betas is not None:
                members = [one for one in _members(seen, *betas, kind, before) if one is not None]
                yield from sorted((_rated(one, seen) for one in members if _explains(one, seen, close)), key=lambda one: _unrest(one.rates))
                return


def _betas(seen: _Seen, kind: str, before: bool, close: float) -> tuple[float, float] | None:
    """beta1 and beta2 of the fit, or None where none is close."""
    from scipy.optimize import least_squares

    fixed = kind == "sum"

    def rest(found: Array) -> Array:
        beta1 = 0.0 if before else float(found[0])
        beta2 = 1.0 if fixed else 1 - 10 ** -float(found[-1])
        return _projected(seen, beta1, beta2, kind, before)[1].ravel()

    starts = [np.array([b1] * (not before) + [-np.log10(1 - b2)] * (not fixed)) for b1 in STARTS1 for b2 in STARTS2]
    if before:
        starts = starts[: len(STARTS2)]
    if not len(starts[0]):
        return (0.0, 1.0) if np.max(np.abs(rest(np.array([])))) <= close else None
    costs = [float(np.sum(rest(start) ** 2)) / (STEPS - LATE) for start in starts]
    if min(costs) > PLAUSIBLE:
        return None
    for index in np.argsort(costs)[:2]:
        low = [-0.999] * (not before) + [0.05] * (not fixed)
        high = [0.9999] * (not before) + [SLOWEST] * (not fixed)
        solved = least_squares(rest, starts[index], bounds=(low, high), xtol=1e-15, ftol=1e-15, gtol=1e-15, max_nfev=40)
        if np.max(np.abs(solved.fun)) <= close:
            beta2 = 1.0 if fixed else float(1 - 10 ** -solved.x[-1])
            return (0.0 if before else float(solved.x[0])), beta2
    return None


def _projected(seen: _Seen, beta1: float, beta2: float, kind: str, before: bool) -> tuple[Array, Array]:
    """The two numbers of every late step, and what they leave: relative to the step."""
    first, second = moments(seen.grads, beta1, beta2, kind)
    below = np.sqrt(np.maximum(second, 1e-300))
    one = np.concatenate([np.zeros_like(seen.moves[:1]), seen.moves[:-1]]) if before else first / below
    two = seen.grads / below
    terms = np.stack([one, two], axis=-1)[LATE:]  # (late, n, 2)
    sizes = np.linalg.norm(terms, axis=1, keepdims=True)
    scaled = terms / np.where(sizes == 0, 1.0, sizes)
    solved = np.einsum("kcn,kn->kc", np.linalg.pinv(scaled, rcond=1e-8), seen.moves[LATE:])
    rest = seen.moves[LATE:] - np.einsum("knc,kc->kn", scaled, solved)
    norms = np.linalg.norm(seen.moves[LATE:], axis=1, keepdims=True)
    return solved / np.where(sizes == 0, 1.0, sizes)[:, 0], rest / np.where(norms == 0, 1.0, norms)


def _members(seen: _Seen, beta1: float, beta2: float, kind: str, before: bool) -> Iterator[Metric | None]:
    """Every combination of corrections and Nesterov forms with these betas; unit rates."""
    unit = np.ones(len(seen.grads))
    shares = _projected(seen, beta1, beta2, kind, before)[0]
    if before:
        moving = shares[np.any(seen.moves[LATE:] != 0, axis=1), 0]
        for bias2 in (False, True):
            yield Metric(unit, float(np.median(moving)), beta2, kind, True, False, bias2)
        return
    still = np.median(np.abs(shares[:, 0])) <= 1e-6 * np.median(np.abs(shares[:, 1]))
    beta1 = 0.0 if still else beta1
    for rectified in (False, True) if kind == "" else (False,):
        for bias1, bias2 in ((True, True), (False, False), (False, True), (True, False)) if beta1 else ((False, True), (False, False)):
            yield Metric(unit, beta1, beta2, kind, False, bias1, bias2, rectified=rectified)
        if beta1:
            yield Metric(unit, beta1, beta2, kind, look="optax", rectified=rectified)
            yield Metric(unit, beta1, beta2, kind, look="torch", growth=_growth(shares, beta1), rectified=rectified)


def _growth(shares: Array, beta1: float) -> float:
    """The growth of NAdam's momentum that gives the ratio of gradient to average: torch's, Keras's, or another."""
    from .metric import looks

    def gap(growth: float) -> float:
        average, own = looks(Metric(np.ones(STEPS), beta1, look="torch", growth=growth), STEPS)
        usual = (own / average)[LATE:]
        with np.errstate(invalid="ignore", divide="ignore"):
            return float(np.nanmax(np.abs(shares[:, 1] / shares[:, 0] / usual - 1)))

    candidates = (0.004, 1.0, 0.0, *np.geomspace(1e-3, 2, 40))
    return float(min(candidates, key=gap))


def _rated(metric: Metric, seen: _Seen) -> Metric:
    """The metric with the learning rate of every step, from the run with large gradients."""
    if metric.before:
        first = replay(replace(metric, beta1=0.0), seen.grads)
        parts = seen.moves - metric.beta1 * np.concatenate([np.zeros_like(seen.moves[:1]), seen.moves[:-1]])
        return replace(metric, rates=np.sum(parts * first, axis=1) / np.sum(first**2, axis=1))
    unit = replay(metric, seen.grads)
    rates = np.sum(seen.moves * unit, axis=1) / np.maximum(np.sum(unit**2, axis=1), 1e-300)
    return replace(metric, rates=rates)


def _explains(metric: Metric, seen: _Seen, close: float) -> bool:
    """Whether every step of the run, the early ones too, is explained with one rate each."""
    rest = np.linalg.norm(replay(_rated(metric, seen), seen.grads) - seen.moves, axis=1)
    return bool(np.all(rest <= close * 10 * np.linalg.norm(seen.moves, axis=1)))


def _unrest(rates: Array) -> float:
    """How much the rates move from step to step, in logarithms: a wrong bias correction makes a steep start."""
    alive = np.abs(rates[np.abs(rates) > 0])
    return round(float(np.sum(np.abs(np.diff(np.log(alive), 2)))), 5) if alive.size > 2 else 0.0


def _eps(bench: Bench, leaf: int, metric: Metric) -> Metric:
    """The metric with eps, from constant gradients of all sizes; the place that explains the run best."""
    sizes = 10.0 ** np.linspace(-17, 1, COORDINATES)
    grads = np.tile(sizes, (STEPS, 1))
    moves = run_alike(bench, grads, grads * 0)[:, leaf]
    k = STEPS - 1 if metric.rectified else int(np.flatnonzero(metric.rates)[0])
    ideal = replay(metric, grads)[k]
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = ideal / moves[k]
    unit = np.sqrt(moments(np.ones((STEPS, 1)), metric.beta1, metric.beta2, metric.kind)[1][k, 0])
    hatted = unit / np.sqrt(_corrected(metric)[k])
    felt = np.isfinite(ratio) & (ratio > 1.01) & (ratio < 100)
    if metric.before and k:
        felt[:] = False
    if not felt.any():
        return metric
    guesses = {
        "outside": np.median(sizes[felt] * hatted * (ratio[felt] - 1)),
        "plain": np.median(sizes[felt] * unit * (ratio[felt] - 1)),
        "inside": np.median((sizes[felt] * hatted) ** 2 * (ratio[felt] ** 2 - 1)),
    }
    members = [replace(metric, eps=float(f"{value:.9g}"), place=place) for place, value in guesses.items()]
    size = np.maximum(np.abs(moves), 1e-300)

    def miss(one: Metric) -> float:
        return float(np.mean(np.minimum(np.abs(replay(one, grads) - moves) / size, 1.0)))

    best = min(members, key=miss)
    if miss(best) <= 1e-8:
        return best
    both = _two(metric, sizes * hatted, sizes * hatted * ratio)
    return both if miss(both) < miss(best) else best


def _two(metric: Metric, root: Array, whole: Array) -> Metric:
    """eps outside and a second one under the root: sqrt(root^2 + inner) + outer = whole."""
    from scipy.optimize import least_squares

    sound = np.isfinite(whole) & (whole > 0)
    floor = max(float(whole[sound].min()), 1e-150)

    def rest(logs: Array) -> Array:
        outer, inner = np.exp(np.clip(logs, -300, 300))
        return np.log((np.sqrt(root[sound] ** 2 + inner) + outer) / whole[sound])

    starts = [np.log([floor * share, (floor * (1 - share)) ** 2]) for share in (1e-4, 1e-2, 0.5, 0.99)]
    solved = min((least_squares(rest, start, xtol=1e-15, ftol=1e-15, gtol=1e-15) for start in starts), key=lambda one: float(one.cost))
    outer, inner = (float(f"{value:.6g}") for value in np.exp(solved.x))
    return replace(metric, eps=outer, root=inner, place="outside")


def _corrected(metric: Metric) -> Array:
    from .metric import seconds

    return seconds(metric, STEPS)


def _decay(bench: Bench, leaf: int, metric: Metric) -> Metric:
    """The metric with weight decay: parameters far from 0 at a step without gradient."""
    far = np.concatenate([[0.0], 10.0 ** np.linspace(-1, 9, COORDINATES - 1)])
    grads, points = np.zeros((STEPS, COORDINATES)), np.zeros((STEPS, COORDINATES))
    alive = np.flatnonzero(metric.rates)
    k = int(alive[1]) if alive.size > 1 else 1
    grads[k - 1], points[k] = 1.0, far
    moves = run_alike(bench, grads[: k + 2], points[: k + 2])[:, leaf]
    apart = moves[k] - moves[k, 0]
    usual = max(float(np.abs(moves[k - 1]).max()), float(np.abs(metric.rates[k])))
    if np.abs(apart[-1]) > 1e3 * usual:
        omega = float(-apart[-1] / far[-1])
        per_rate = None
        if bench.adjustable:
            slower = run_alike(bench, grads[: k + 2], points[: k + 2], factors=np.where(np.arange(k + 2) == k, 0.25, 1.0))[:, leaf]
            share = float(-(slower[k, -1] - slower[k, 0]) / far[-1]) / omega
            per_rate = True if abs(share - 0.25) < 0.1 else False if abs(share - 1) < 0.1 else None
        scale = metric.rates[k] / metric.rates[np.argmax(np.abs(metric.rates))] if per_rate is not False else 1.0
        return replace(metric, omega=omega / scale, per_rate=per_rate)
    clear = far * bench.rounding < 1e-3 * usual  # where rounding of the parameters hides nothing
    if not clear[1:].any() or np.abs(apart[clear]).max() < 1e-3 * usual:
        return metric
    grads, points, moves = grads[:, clear], points[:, clear], moves[:, clear]
    fits = [(_miss(metric, value, grads[: k + 2], points[: k + 2], moves, k), value) for value in 10.0 ** np.linspace(-9, 1, 101)]
    from scipy.optimize import minimize_scalar

    value = np.log10(min(fits)[1])
    best = minimize_scalar(
        lambda log: _miss(metric, 10**log, grads[: k + 2], points[: k + 2], moves, k), bounds=(value - 0.1, value + 0.1), method="bounded",
        options={"xatol": 1e-10},
    )  # fmt: skip
    return replace(metric, coupled=float(f"{10 ** float(best.x):.6g}"))


def _miss(metric: Metric, decay: float, grads: Array, points: Array, moves: Array, k: int) -> float:
    return float(np.sum(np.abs(replay(replace(metric, coupled=decay), grads, points)[k] - moves[k])))


def _agrees(bench: Bench, metric: Metric, leaf: int, close: float, seed: int) -> bool:
    """The replay reproduces a run with random gradients of many sizes from a random start."""
    generator = np.random.default_rng([seed, 11])
    same = np.tile(generator.standard_normal(COORDINATES), (STEPS, 1))  # one direction: what learns its own rate moves off
    steady = run_alike(bench, same, start=same[0] * 0)[:, leaf]
    if not np.allclose(replay(metric, same), steady, rtol=100 * close, atol=1e-3 * np.abs(steady).max() if bench.rounding > 1e-12 else 0.0):
        return False
    grads = generator.standard_normal((STEPS, COORDINATES)) * 10 ** generator.uniform(-2, 2, (STEPS, COORDINATES))
    start = generator.standard_normal(COORDINATES)
    moves = run_alike(bench, grads, start=start)[:, leaf]
    ours = replay(metric, grads, start=start)
    rest = np.linalg.norm(ours - moves, axis=1)
    places = np.linalg.norm(start) + np.cumsum(np.linalg.norm(moves, axis=1))
    return bool(np.all(rest <= 100 * close * np.linalg.norm(moves, axis=1) + 100 * bench.rounding * places))

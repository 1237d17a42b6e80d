"""What other jobs say of a job that has not been run, and what its own runs add: a mixture of processes, one around every known surface.

Every known cell, moved along the learning rate by a few octaves, is a hypothesis: "this job's losses lie about there". Around it stands
a Student-t process (Shah et al. 2014) for what is peculiar to the new job, and the noise of one seed, which is the hypothesis's own.
Weights say how alike the jobs are before the first run, and how well each hypothesis foretold the runs afterwards (a kernel density
in the space of surfaces, conditional on features). Where a quadratic was forecast, a second set of hypotheses adds what the forecast
missed on the known job to what it says of the new one. The fall that is possible at all (start - ref) is not known; it is
another unknown of every hypothesis, so nothing depends on where the loss has its zero.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..recipe import Family
from .densities import log_student
from .features import marks, regressors, scale_of
from .reading import Fitted
from .surfaces import EPSILON, NET, Surface, blend, blurred, gain_said, left, on_net

__all__ = ["Belief", "Experience", "Fitted", "Job", "Places", "Seen", "Weighed", "places"]

Array = NDArray[np.float64]
_REMAINING = np.array([0.001, 0.003, 0.006, 0.01, 0.015, 0.02, 0.03, 0.04, 0.06, 0.08, 0.12, 0.17, 0.25, 0.35, 0.5, 0.7, 0.85, 0.95])
_FARTHEST = 5.0  # octaves that a known job is moved at most
_BEYOND = np.linspace(0.05, 3.05, 61)  # ln of the fall above what is possible, where the density is summed


@dataclass(frozen=True, eq=False)
class Places:
    """Candidates on the net."""

    x: Array  # (C,) log2(learning rate * curvature)
    rows: NDArray[np.intp]  # (C, 2) families blended
    shifts: Array  # (C, 2)
    weights: Array  # (C, 2)
    memory: Array  # (C,) log2 1/(1 - momentum)
    ahead: Array  # (C,) 1 for Nesterov's form


@dataclass(frozen=True, eq=False)
class Job:
    """The new job: its features, the scale of its fall, and the forecast on the net where there is one."""

    features: Array
    unit: float  # log2 of the learning rate at x = 0
    start: float
    scale: float  # of the fall, in units of loss
    most: float  # the fall cannot be larger; inf where no bound is known
    said: Array | None = None  # (F, X)
    promised: float = 0.0  # the fall that the forecast speaks of, in units of loss; 0 where there is none
    gain: float = float("nan")  # the root of ln of momentum's gain that the line in the features says; nan where it was not asked
    marks: Array | None = None  # (M,) where short runs and the curvature show learning rates, as x: see features.marks
    apart: float = 0.0  # octaves between its schedule and the nearest that is known: see features.octaves_apart


@dataclass(frozen=True, eq=False)
class Seen:
    """Runs of the new job: how far each fell."""

    fell: Array  # (k,) start of its seed - loss, at least 0
    risen: NDArray[np.bool_]  # (k,) whether it ended no lower than it began: its learning rate was too high, not too low


@dataclass(frozen=True, eq=False)
class Belief:
    """The mixture: hypotheses by weight, with mean and variance of y at every candidate."""

    weight: Array  # (H,)
    mean: Array  # (H, C) y of the mean loss over seeds
    run: Array  # (H, C) y of one run
    variance: Array  # (H, C) of both, without the noise of a seed
    noise: Array  # (H, C) variance of one seed about `run`
    fall: Array  # (G,) possible falls
    chance: Array  # (H, G) of each fall, under each hypothesis
    source: NDArray[np.intp]  # (H,) which surface
    failing: Array  # (H, C)
    risen: Array  # (H, C)

    @property
    def expected(self) -> Array:
        """Expected y of the mean loss over seeds: (C,)."""
        return self.weight @ self.mean


@dataclass(frozen=True, eq=False)
class Weighed:
    """Hypotheses after the runs seen: all that is needed to ask for any candidate."""

    job: Job
    weight: Array  # (H,)
    source: NDArray[np.intp]  # (H,) which surface
    shift: Array  # (H,) octaves
    corrects: NDArray[np.bool_]  # (H,) whether it corrects the forecast
    fall: Array  # (G,)
    chance: Array  # (H, G)
    ran: Places  # (k) where runs were made
    residual: Array  # (H, k) y that was run less y that was believed
    inverse: Array  # (H, k, k) of the covariance of what was run
    wide: Array  # (H,) what the tail adds to the variance


def places(x: Array, families: list[Family], net: tuple[Family, ...], along: float) -> Places:
    """Candidates (C,) at learning rates x of the given families."""
    kinds = sorted(set(families))
    rows, shifts, weights = blend(net, tuple(kinds), along)
    index = np.array([kinds.index(family) for family in families], dtype=np.intp)
    memory = np.array([-np.log2(1 - family.momentum) for family in families], dtype=float)
    ahead = np.array([float(family.nesterov) for family in families], dtype=float)
    return Places(np.asarray(x, dtype=float), rows[index], shifts[index], weights[index], memory, ahead)


def gathered(tables: Sequence[Array], source: NDArray[np.intp], where: Places, moved: Array) -> list[Array]:
    """Tables (S, F, X) of the surfaces `source` (H,), read at candidates whose x is moved by (H,): (H, C) each."""
    size = NET.size
    found = [np.zeros((source.size, where.x.size)) for _ in tables]
    for side in range(2):
        use = np.flatnonzero(where.weights[:, side])
        if not use.size:
            continue
        low, part = on_net(where.x[use] + where.shifts[use, side] - moved[:, None])
        cell = low + (source * (tables[0].shape[1] * size))[:, None] + where.rows[use, side] * size
        for table, sums in zip(tables, found, strict=True):
            flat = table.ravel()
            below = flat[cell]
            read = (below + part * (flat[cell + 1] - below)) * where.weights[use, side]
            if use.size == where.x.size:
                sums += read
            else:
                sums[:, use] += read
    return found


class Experience:
    """Known surfaces of one optimizer and objective, ready to be asked."""

    def __init__(self, surfaces: list[Surface], families: tuple[Family, ...], fitted: Fitted, skip: str = "") -> None:
        self.fitted, self.families = fitted, families
        self.surfaces = [each for each in surfaces if each.cell.family != skip]
        self.features = np.array([each.features for each in self.surfaces])
        kinds = [(each.cell.family, each.cell.schedule) for each in self.surfaces]
        self.among = -np.log([float(kinds.count(kind)) for kind in kinds])  # a family counts once, however many jobs it has
        self.seen, self.mean, self.failing, self.risen, self.said = (
            np.array([getattr(s, k) for s in self.surfaces]) for k in ("seen", "mean", "failing", "risen", "said")
        )
        self.mean = blurred(self.mean, fitted.margin)
        self.missed = {id(table): table - self.said for table in (self.seen, self.mean)}  # by the forecast, where there was one
        spread = np.array([each.spread for each in self.surfaces])
        usual = np.nanmean(spread, axis=(0,), keepdims=True)
        self.spread = np.where(np.isnan(spread), np.where(np.isnan(usual), np.nanmean(spread), usual), spread)
        self.falls = np.array([np.log(each.fall / scale_of(each.cell.facts, each.cell.optimizer)) for each in self.surfaces])
        self.overfell = np.array([np.log(each.fall / each.promised) for each in self.surfaces])  # nan where nothing was forecast
        self.shares = np.array([np.log(each.fall / each.most) for each in self.surfaces])  # nan where no bound is known
        self.gains = np.array([each.gain for each in self.surfaces])
        self.marks = np.array([marks(each.cell.facts, each.cell.optimizer) - each.unit for each in self.surfaces])
        optimizer = families[0].optimizer
        self.lines = np.array([fitted.gains.at(regressors(each.cell.facts, optimizer)) for each in self.surfaces])
        self.said_gains = np.array([gain_said(each.said, families) for each in self.surfaces])

    def momentum(self, found: Weighed) -> tuple[Array, Array]:
        """ln of how much higher the loss ends without momentum: values and weights."""
        return self.fitted.gained(*self.gain_roots(found))

    def gain_roots(self, found: Weighed) -> tuple[Array, Array]:
        """The root of that logarithm under every hypothesis that knows it, and weights.

        A known job says what it gained, moved by what the line in the features says of both; beside a forecast, what that missed there.
        """
        gains, job = self.gains[found.source], found.job
        roots = np.sqrt(np.maximum(gains, 0.0)) + (job.gain - self.lines[found.source] if np.isfinite(job.gain) else 0.0)
        if job.said is not None:
            said = np.maximum(gain_said(job.said, self.families) + gains - self.said_gains[found.source], 0.0)
            roots = np.where(found.corrects, np.sqrt(said), roots)
        known = np.isfinite(roots)
        return roots[known], found.weight[known]

    def prior(self, job: Job) -> tuple[NDArray[np.intp], Array, Array, NDArray[np.bool_]]:
        """Hypotheses before any run: (surface, shift, log weight, whether it corrects the forecast)."""
        f = self.fitted
        near, far = self._alike(job)
        alike = self.among + np.log(near + far + 1e-12)
        nodes = np.arange(-_FARTHEST, _FARTHEST + 0.01, 0.5)
        spread = -0.5 * (f.tail + 1) * np.log1p((nodes / np.hypot(f.wander, f.shape * job.apart)) ** 2 / f.tail)
        n = len(self.surfaces)
        source, shift = np.repeat(np.arange(n), nodes.size), np.tile(nodes, n)
        weight = (alike[:, None] + spread + self._seen_alike(job, nodes)).ravel()
        corrects = np.zeros(source.size, dtype=bool)
        if job.said is not None and np.any(np.isfinite(job.said)):
            known = np.flatnonzero(np.all(np.isfinite(self.said), axis=(1, 2)))
            narrow = np.array([-1.0, -0.5, 0.0, 0.5, 1.0])
            about = -0.5 * (f.tail + 1) * np.log1p((narrow / f.wander * 2) ** 2 / f.tail)
            more = (alike[known, None] + about).ravel()
            total, mine = np.logaddexp.reduce(weight), np.logaddexp.reduce(more)
            weight = np.concatenate([weight - total + np.log(1 - f.trust), more - mine + np.log(f.trust)])
            source = np.concatenate([source, np.repeat(known, narrow.size)])
            shift = np.concatenate([shift, np.tile(narrow, known.size)])
            corrects = np.concatenate([corrects, np.ones(more.size, dtype=bool)])
        weight -= np.logaddexp.reduce(weight)
        kept = weight > weight.max() - 12
        return source[kept], shift[kept], weight[kept], corrects[kept]

    def _seen_alike(self, job: Job, nodes: Array) -> Array:
        """How well every known job, moved by so many octaves, would have its marks where the new one has them: log weights (S, nodes)."""
        if job.marks is None:
            return np.zeros((len(self.surfaces), nodes.size))
        off = (self.marks[:, None] + nodes[:, None] - job.marks) / np.array(self.fitted.sees)  # (S, nodes, M)
        return np.asarray(np.sum(log_student(np.where(np.isnan(off), 1.0, off), self.fitted.tail), axis=2))  # not known: a spread off

    def _alike(self, job: Job) -> tuple[Array, Array]:
        """How alike every known job is: by a narrow kernel of the features, and by the broad one that no job is outside of."""
        gap = np.sum(((self.features - job.features) / np.array(self.fitted.scales)) ** 2, axis=1)
        return np.exp(-0.5 * gap), self.fitted.floor * np.exp(-0.5 * gap / 9)

    def unlike(self, job: Job) -> bool:
        """Whether no known job is alike but by the broad kernel: then all of them count, and the search is wide."""
        near, far = self._alike(job)
        return not np.any(near > far)

    def weigh(self, job: Job, where: Places, seen: Seen, most: int = 150) -> Weighed:
        """Hypotheses by how likely they are after the runs seen, of which `where` says the places."""
        f, k = self.fitted, seen.fell.size
        source, shift, weight, corrects = self.prior(job)
        fall, log_fall = self._falls(job, source, seen)
        if k == 0:
            keep = np.argsort(-weight)[:most]
            w = np.exp(weight[keep] - np.logaddexp.reduce(weight[keep]))
            chance = np.exp(log_fall - np.logaddexp.reduce(log_fall, axis=1)[:, None])[keep]
            nothing = np.zeros((keep.size, 0))
            return Weighed(
                job, w, source[keep], shift[keep], corrects[keep], fall, chance, where, nothing, np.zeros((keep.size, 0, 0)),
                np.full(keep.size, f.tail / max(f.tail - 2, 1)),
            )  # fmt: skip
        run, noise, risen = self._read(job, where, source, shift, corrects, (self.seen, self.spread, self.risen))
        weight = weight + np.sum(np.log(f.slip + (1 - 2 * f.slip) * np.where(seen.risen, risen, 1 - risen)), axis=1)
        cov = f.level**2 + f.own**2 * kernel(where, where, f) + np.einsum("hk,kl->hkl", noise + f.jitter**2, np.eye(k))
        inverse = np.linalg.inv(cov)
        r = left(1 - seen.fell / fall[:, None])[None] - run[:, None]  # (H, G, k)
        square = np.einsum("hgk,hkl,hgl->hg", r, inverse, r, optimize=True)
        likely = -0.5 * (f.tail + k) * np.log1p(square / f.tail) - 0.5 * np.linalg.slogdet(cov)[1][:, None]
        fell = seen.fell[seen.fell > 0]  # y is a function of the fall seen and of the fall possible: its derivative by the former
        steep = -np.sum(np.log(fall[:, None] * (1 + EPSILON) - fell), axis=1)
        joint = weight[:, None] + log_fall + likely + steep
        total = np.logaddexp.reduce(joint, axis=1)
        keep = np.argsort(-total)[:most]
        chance = np.exp(joint[keep] - total[keep][:, None])
        w = np.exp(total[keep] - np.logaddexp.reduce(total[keep]))
        wide = (f.tail + np.sum(chance * square[keep], axis=1)) / max(f.tail + k - 2, 1)
        residual = np.einsum("hg,hgk->hk", chance, r[keep])
        return Weighed(job, w, source[keep], shift[keep], corrects[keep], fall, chance, where, residual, inverse[keep], wide)

    def worth(self, found: Weighed, where: Places) -> tuple[Array, Array]:
        """y of the mean loss over seeds at every candidate (H, C), under each hypothesis, and its variance."""
        mean = self._read(found.job, where, found.source, found.shift, found.corrects, (self.mean,))[0]
        moved, variance = self._moved(found, where)
        return np.minimum(mean + moved, 0.0), variance

    def _moved(self, found: Weighed, where: Places) -> tuple[Array, Array]:
        """What the runs made add to every hypothesis at the candidates, and the variance that is left: (H, C) each."""
        f = self.fitted
        across = f.level**2 + f.own**2 * kernel(where, found.ran, f)  # (C, k)
        gain = across @ found.inverse  # (H, C, k)
        moved = (gain @ found.residual[:, :, None])[:, :, 0]
        return moved, np.maximum(f.level**2 + f.own**2 - np.sum(gain * across, axis=2), 1e-6) * found.wide[:, None]

    def belief(self, found: Weighed, where: Places) -> Belief:
        """What is believed of every candidate."""
        run, mean, failing, risen, noise = self._read(
            found.job, where, found.source, found.shift, found.corrects, (self.seen, self.mean, self.failing, self.risen, self.spread)
        )
        moved, variance = self._moved(found, where)
        return Belief(
            found.weight, np.minimum(mean + moved, 0.0), np.minimum(run + moved, 0.0), variance, noise, found.fall, found.chance,
            found.source, failing, risen,
        )  # fmt: skip

    def _read(
        self, job: Job, where: Places, source: NDArray[np.intp], shift: Array, corrects: NDArray[np.bool_], tables: tuple[Array, ...]
    ) -> list[Array]:
        """Tables of y of every hypothesis at the candidates: one run, the mean, the failing share, seed noise."""
        found = gathered(tables, source, where, shift)
        if corrects.any() and job.said is not None:
            at, moved = source[corrects], shift[corrects]
            said = gathered([job.said[None]], np.zeros(1, dtype=np.intp), where, np.zeros(1))[0]
            for i, table in enumerate(tables):
                if table is self.seen or table is self.mean:
                    found[i][corrects] = np.minimum(said + gathered([self.missed[id(table)]], at, where, moved)[0], 0.0)
        return found

    def _falls(self, job: Job, source: NDArray[np.intp], seen: Seen) -> tuple[Array, Array]:
        """Falls that are possible (G,), and their log weights for every hypothesis (H, G).

        Where only a bound is known, hypotheses say which share of the most possible stays for ever. Of two jobs that learn nearly
        everything one may leave ten times as much as the other, so these shares are compared by their logarithm y, other falls by theirs.
        """
        deepest, most = float(np.max(seen.fell, initial=0.0)), job.most if job.most > 0 else np.inf
        top = np.log(max(most, deepest))
        middle, width, about = self._usual(job, source, most)
        if seen.fell.size:
            nodes = np.log(max(deepest, 1e-3 * job.scale)) - np.log1p(-_REMAINING)
        else:
            nodes = np.linspace(middle.min() - 1, middle.max() + 1, 25)
            near = np.log1p(-_REMAINING)
            nodes = np.unique(np.concatenate([nodes, about + near, about - near])) if np.isfinite(about) else nodes
        nodes = np.append(nodes[nodes < top - 1e-9], top) if np.isfinite(top) else nodes
        stays = np.isfinite(most) and not job.promised > 0
        at, middle = (left(1 - np.exp(nodes - top)), left(1 - np.exp(middle - np.log(most)))) if stays else (nodes, middle)
        apart = np.maximum(np.abs(np.gradient(at)), 1e-9) if at.size > 1 else np.ones(1)
        weight = log_student((at - middle[:, None]) / width, self.fitted.tail) + np.log(apart)
        if np.isfinite(top) and not stays:  # what would fall further than is possible falls as far as is possible
            beyond = log_student((top + _BEYOND - middle[:, None]) / width, self.fitted.tail) + np.log(_BEYOND[1] - _BEYOND[0])
            weight[:, -1] = np.logaddexp.reduce(np.column_stack([weight[:, -1], beyond]), axis=1)
        return np.exp(nodes), weight

    def _usual(self, job: Job, source: NDArray[np.intp], most: float) -> tuple[Array, float, float]:
        """ln of the fall that each hypothesis says is possible, its spread, and about where falls are looked at more closely."""
        f = self.fitted
        if job.promised > 0:  # a forecast that knew a bound says nothing of one that knew none, and is short by much the same on all jobs
            missed = self.overfell[np.isfinite(self.shares)] if np.isfinite(most) else self.overfell
            about = float(np.log(job.promised))
            return np.full(source.size, about + (np.nanmedian(missed) if np.isfinite(missed).any() else 0.0)), f.promise, about
        if np.isfinite(most):
            usual = np.nanmedian(self.shares) if np.isfinite(self.shares).any() else 0.0
            return np.log(most) + np.where(np.isnan(self.shares), usual, self.shares)[source], f.share, float(np.log(most))
        return np.log(job.scale) + self.falls[source], f.fall, float("nan")


def kernel(a: Places, b: Places, f: Fitted) -> Array:
    """How alike what is peculiar to a job is at two candidates (Matern 5/2)."""
    d = (
        ((a.x[:, None] - b.x) / f.reach) ** 2
        + ((a.memory[:, None] - b.memory) / f.memory) ** 2
        + (f.ahead * (a.ahead[:, None] - b.ahead)) ** 2
    )
    r = np.sqrt(5 * d)
    return (1 + r + r**2 / 3) * np.exp(-r)

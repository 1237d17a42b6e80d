"""The experiment: probe gradients into a black box, its moves out, at three sizes of gradient.

The protocol is one function, `step(grad) -> change`: it takes a gradient as a numpy array of shape (size,) and returns
what it adds to the parameters; it keeps its own state. `inertia.torch.identify` and `inertia.jax.identify` wrap real ones.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import BadInput
from .bench import Outcome
from .identified import NONLINEAR, UNTOLD, Identified, numbers
from .keras_bench import identify_keras, is_keras
from .kin import verdict
from .recursion import OUTSIDE
from .series import Series, series_of
from .verdict import judge
from .words import missing

__all__ = ["SIZES", "identify", "identify_made"]

SIZES = (1e-3, 1.0, 1e3)  # of the probe gradients, smallest first so that rounding of large parameters comes last
STEPS = 24  # per size


def identify(
    step: Any,
    grads: Any = None,
    *,
    size: int = 8,
    start: Any = None,
    slower: Callable[[float], object] | None = None,
    declared: float | None = None,
    seed: int = 0,
) -> Identified:
    """What an optimizer really is: the Method behind a black box, or behind a training loop's history.

    identify(step): `step(grad) -> change` is fed random gradients of shape (size,) at three sizes (a linear method does
    the same at each). identify(params_history, grads_history): the points before every step and after the last, and the
    gradients taken there; arrays, or lists of arrays.

    Args:
        step: the black box, or the history of parameters (steps + 1, ...).
        grads: the history of gradients (steps, ...).
        size: numbers in a probe gradient.
        start: where the box's parameters start; needed to tell coupled from decoupled weight decay.
        slower: multiplies the box's learning rate from now on; then the verdict says if it sits inside the buffer.
        declared: the momentum that was asked for; if it is not there, a warning says so.

    Raises:
        BadInput: a box that returns something else than a change, a history that cannot be read.

    >>> velocity = np.zeros(8)
    >>> def step(grad):
    ...     velocity[:] = 0.9 * velocity + grad
    ...     return -0.1 * velocity
    >>> found = identify(step)
    >>> found.verdict, round(found.method.beta, 9)
    ('heavy ball', 0.9)
    """
    if grads is not None:
        return missing(judge(series_of(step, grads, seed=seed)), declared)
    if is_keras(step):
        return identify_keras(step, declared, seed)
    if not callable(step):
        raise BadInput(f"{type(step).__name__} is not a step: give a function grad -> change, or both histories (params, grads)")
    if size < 1:
        raise BadInput(f"size = {size}: a probe gradient needs at least 1 number")
    generator = np.random.default_rng([seed, 20261125])  # not the stream that a start made with the same seed comes from
    place = None if start is None else np.array(start, dtype=float).ravel()
    blocks = []
    for scale in SIZES:
        block, place = _run(step, generator.standard_normal((STEPS, size)) * scale, place)
        blocks.append(block)
    first = judge(blocks[0], exact=True)  # from rest: only here coupled and decoupled decay differ
    found = [first] + [judge(block, exact=True, decoupled=first.decoupled) for block in blocks[1:]]
    verdict = _together(found, blocks)
    if verdict.linear and slower is not None:
        verdict = _inside(step, verdict, slower, generator.standard_normal((STEPS, size)), place)
    return missing(verdict, declared)


def identify_made(make: Callable[[], Any], *, size: int = 8, declared: float | None = None, seed: int = 0) -> Identified:
    """What the `step` is that a function makes: as it can be made anew, Adam and its kin can be told as well."""
    found = identify(make(), size=size, declared=declared, seed=seed)
    if found.method is not None:
        return found
    bench = _Steps(make, size)
    return verdict(bench, [Outcome(None, why=" ".join(found.evidence))], [declared], [""], seed)


class _Steps:
    """Fresh black boxes, as many as the design has numbers; their parameters are their own."""

    names = ("",)
    rounding = float(np.finfo(float).eps)
    adjustable = False
    home = OUTSIDE

    def __init__(self, make: Callable[[], Any], size: int) -> None:
        self.make, self.size = make, size

    def run(self, grads: Any, points: Any = None, start: Any = None, factors: Any = None) -> Any:
        """Step fresh boxes, `size` numbers at a time; see `Bench`."""
        width = -(-grads.shape[2] // self.size) * self.size
        wide = np.pad(grads[:, 0], [(0, 0), (0, width - grads.shape[2])])
        moves = np.zeros_like(wide)
        for place in range(0, width, self.size):
            step = self.make()
            for k, grad in enumerate(wide[:, place : place + self.size]):
                moves[k, place : place + self.size] = np.asarray(step(grad.copy()))
        return moves[:, None, : grads.shape[2]]


def _run(step: Callable[[Any], Any], grads: NDArray[np.float64], place: NDArray[np.float64] | None) -> tuple[Series, Any]:
    rows, eps = [], float(np.finfo(float).eps)
    for grad in grads:
        change = np.asarray(step(grad.copy()))
        if change.shape != grad.shape:
            raise BadInput(
                f"the step returned shape {change.shape} for a gradient of shape {grad.shape}: return the change of the parameters"
            )
        if not np.all(np.isfinite(change)):
            raise BadInput("the step returned values that are not finite for gradients of ordinary size: is the learning rate sane?")
        eps = max(eps, float(np.finfo(change.dtype).eps)) if change.dtype.kind == "f" else eps
        rows.append(change.astype(float))
    changes = np.array(rows)
    before = np.cumsum(np.vstack([np.zeros_like(changes[:1]), changes]), axis=0) + (0.0 if place is None else place)
    size = np.sqrt(np.mean(changes**2))
    lost = np.finfo(float).eps * np.sqrt(np.mean(before**2)) / size if size else 0.0  # boxes that subtract points
    series = Series(grads, changes, before[:-1], place is not None, float(eps + lost))
    return series, (None if place is None else before[-1])


def _together(found: list[Identified], blocks: list[Series]) -> Identified:
    """One verdict from three sizes of gradient: linear only if it is the same method at each."""
    gains = [float(np.linalg.norm(b.changes) / np.linalg.norm(b.grads)) for b in blocks]
    first = found[0]
    if all(gain == 0 for gain in gains):
        return Identified(UNTOLD, None, residual=1.0, evidence=("it never moves, whatever the gradient: learning rate 0?",))
    if all(one.linear for one in found):
        methods = np.array([one.method for one in found], dtype=float)
        floor = np.array([0.0, 1e-3, 1e-3, 1e-3])  # alpha has a unit: only its relative change counts
        if np.all(np.abs(methods - methods[1]) <= 1e-3 * np.maximum(np.abs(methods[1]), floor)):
            # the first block starts from rest and tells most; the middle one has the best numbers
            return first if first.residual <= 1e-6 else found[1]
        same = np.ptp(methods[:, 1:3], axis=0) <= 1e-3
        if found[0].alphas and not found[-1].alphas and np.all(same):  # the rate settles in time, as bias correction does
            early, late = found[0].alphas[0], methods[-1][0]
            text = f"the first steps have another learning rate, {early:.4g}, than later ones, {late:.4g}: bias correction?"
            return replace(found[-1], alphas=found[0].alphas, inside=found[0].inside, evidence=(*found[-1].evidence, text))
    evidence = [*next((one.evidence for one in found if not one.linear), ()), *_signs(found, blocks, gains)]
    return Identified(NONLINEAR, None, residual=max(one.residual for one in found), evidence=tuple(evidence))


def _signs(found: list[Identified], blocks: list[Series], gains: list[float]) -> list[str]:
    """What kind of other method it looks like."""
    sizes = ", ".join(f"{gain:.3g}" for gain in gains)
    rows = np.abs(np.concatenate([b.changes for b in blocks]))
    signs = [f"gain |change|/|gradient| for gradients of size {', '.join(f'{s:g}' for s in SIZES)}: {sizes}"]
    if gains[0] > 100 * gains[1] > 1e4 * gains[2]:
        kind = "an adaptive method such as Adam"
        if np.ptp(rows) <= 1e-6 * rows.max():
            kind = "the sign of the gradient (or of its average)"
        else:
            norms = np.linalg.norm(np.concatenate([b.changes for b in blocks]), axis=1)
            kind = "normalised gradients" if np.ptp(norms) <= 1e-6 * norms.max() else kind
        signs.append(f"the size of the gradient does not matter: this looks like {kind}")
    elif found[0].linear and gains[2] < 0.5 * gains[0]:
        small = found[0].method
        signs.append("small gradients pass unchanged and large ones are shortened: this looks like clipping")
        if small is not None:
            signs.append(f"below the threshold it is {found[0].verdict}, {numbers(small)}")
    return signs


def _inside(step: Any, verdict: Identified, slower: Callable[[float], object], grads: Any, place: Any) -> Identified:
    """Change the learning rate in the middle of a run and see whether the old speed survives."""
    method = verdict.method
    if method is None or method.beta == 0:
        return verdict
    half = STEPS // 2
    first, place = _run(step, grads[:half], place)
    slower(0.25)
    second, _ = _run(step, grads[half:], place if place is not None else first.params[-1] + first.changes[-1])
    grads, changes, points = (np.concatenate([getattr(part, name) for part in (first, second)]) for name in ("grads", "changes", "params"))
    joined = Series(grads, changes, points, first.start_known, max(first.rounding, second.rounding))
    found = judge(joined, exact=True)
    where = {
        True: "inside the buffer: after it changes, the velocity gathered so far still moves at the old one",
        False: "outside the buffer, as in torch and optax",
    }
    if found.inside is None:
        text = (
            "the learning rate was changed in the middle and nothing changed with it"
            if not found.alphas
            else "where the rate sits cannot be told"
        )
        return replace(verdict, evidence=(*verdict.evidence, text))
    return replace(verdict, inside=found.inside, evidence=(*verdict.evidence, f"the learning rate sits {where[found.inside]}"))

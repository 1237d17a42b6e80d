"""The plain loop on a function of one's own: give a method, or have one measured and chosen, then verified by running.

record = inertia.minimize(lambda w: 0.1 * w[0]**2 + 2 * w[1]**2, [-1.0, 2.0], Method(0.2, beta=0.5), steps=50,
                          gradient=lambda w: np.array([0.2, 4.0]) * w)
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from typing import Any, NamedTuple

from ..core.method import Method
from ..core.record import Record
from ..core.schedule import Schedule
from ..errors import BadInput
from ..measurement.lanczos import Lanczos, lanczos
from ..problems.base import Problem
from ..problems.functions import from_function
from ..problems.simulation import run
from ..theory.catalog import heavy_ball, nesterov_quadratic

__all__ = ["minimize"]

KEPT = 50_000_000  # numbers of a path that are kept unasked
GIVE_UP = 10  # tries, each with a quarter of the step of the one before


class _Ground(NamedTuple):
    """What the choice needs to know of a function, whichever framework it is written in."""

    dimension: int
    hvp: Callable[[Any], Any]  # Hessian at the start, times a vector
    run: Callable[[Any], Record]


def minimize(
    f: Callable[..., Any] | Problem,
    x0: Any = None,
    method: Method | Schedule | None = None,
    steps: int = 100,
    *,
    gradient: Callable[[Any], Any] | None = None,
    keep_path: bool | None = None,
    seed: int = 0,
) -> Record:
    """Minimise a numpy or JAX function (or a Problem) from x0 by plain steps of a method; returns a Record with its path.

    A numpy `f` maps (n,) to a number, with `gradient` or central differences (and a warning). Where x0 holds jax arrays (any
    pytree), `f` is differentiated and the whole run compiled; `notes["params"]` and
    `notes["final"]` then have the end in the shape of x0. `final` is the point that the method promises: evaluate and save it.

    `method=None` measures the curvature at x0 with error bars, chooses for its upper bar and keeps the best of the runs that
    verify it: heavy ball and Nesterov's form at their best for [mu, upper] where every curvature is positive, else
    Nesterov's form with momentum 0.9 and alpha = 1/upper; a quarter of the step where all diverge. `notes["choice"]` tells.

    Raises:
        BadInput: no start, a start or a first value that is not finite, no step that does not diverge.

    >>> from inertia.problems import valley
    >>> record = minimize(valley(), steps=60)
    >>> record.loss < 1e-9, record.path.shape, record.notes["choice"]["measured"]["upper"] >= 4
    (True, (61, 2), True)
    """
    if _holds_jax(x0):
        from ..jax.loop import ground_of

        if isinstance(f, Problem):
            raise BadInput("a Problem computes in numpy: start it from a numpy array, or pass a JAX function")
        ground = _Ground(*ground_of(f, x0, steps, keep_path, KEPT))
    else:
        ground = _numpy_ground(f, x0, steps, gradient, keep_path, seed)
    if method is not None:
        return ground.run(method)
    return _chosen(ground, seed)


def _numpy_ground(f: Any, x0: Any, steps: int, gradient: Any, keep_path: bool | None, seed: int) -> _Ground:
    """A function or Problem in numpy."""
    if not isinstance(f, Problem) and x0 is None:
        raise BadInput("x0 is missing: a function needs a start, such as minimize(f, [1.0, 2.0])")
    problem = f if isinstance(f, Problem) else from_function(f, x0, gradient)
    start = problem.start if x0 is None else from_start(problem, x0)
    keep = (steps + 1) * problem.dimension <= KEPT if keep_path is None else keep_path

    def one(method: Any) -> Record:
        return run(problem, method, steps, start=start, keep_path=keep, seed=seed)

    return _Ground(problem.dimension, lambda vector: problem.hvp(start, vector), one)


def from_start(problem: Problem, x0: Any) -> Any:
    """x0 as a vector of the problem's size.

    >>> from inertia.problems import valley
    >>> from_start(valley(), [1, 2])
    array([1., 2.])
    """
    start = problem.start * 0.0 + x0 if _size(x0) in {1, problem.dimension} else None
    if start is None:
        raise BadInput(f"x0 has {_size(x0)} entries and {problem.name} has {problem.dimension} parameters: give as many")
    return start


def _size(x0: Any) -> int:
    return int(getattr(x0, "size", None) or (len(x0) if hasattr(x0, "__len__") else 1))


def _holds_jax(x0: Any) -> bool:
    """Whether the start is made of jax arrays; jax is only looked at if the caller has loaded it."""
    jax = sys.modules.get("jax")
    return jax is not None and any(isinstance(leaf, jax.Array) for leaf in jax.tree.leaves(x0))


def _chosen(ground: _Ground, seed: int) -> Record:
    """Measure, choose, verify by running."""
    # differences of a gradient that is itself a difference are good to some five digits: ask for no more
    measured = lanczos(_coarse(ground.hvp), ground.dimension, rtol=0.01, depth=min(ground.dimension, 60), seed=seed)
    if measured.upper <= 0:
        raise BadInput(
            f"no curvature at x0 is positive (at most {measured.upper:.3g}): a minimum is not near; start elsewhere, or give a method"
        )
    tried: list[dict[str, Any]] = []
    best: Record | None = None
    candidates = _candidates(measured)
    for attempt in range(GIVE_UP):
        before = best
        for name, method in candidates:
            record = ground.run(method)
            tried.append({"name": name, **{key: float(value) for key, value in method._asdict().items()}, "loss": record.loss})
            if record.diverged_at is None and record.loss <= record.losses[0] and (best is None or record.loss < best.loss):
                best = record
        if best is not None and (attempt == 0 or best is before):
            break  # verified at once, or a smaller step is no better
        # the curvature on the way was larger than at the start: smaller steps, and no faith in its smallest value
        gentle = Method(candidates[-1][1].alpha / 4, 0.9, 0.9)
        candidates = [("Nesterov's form, momentum 0.9", gentle)]
    if best is None:
        raise BadInput(
            f"every run ended above its start, down to alpha = {tried[-1]['alpha']:.3g}: is the gradient that of f, and is f bounded below?"
        )
    ends = {"largest": measured.largest, "upper": measured.upper, "smallest": measured.smallest, "hvps": measured.hvps}
    best.notes["choice"] = {"measured": ends, "tried": tried}  # type: ignore[index]
    return best


def _coarse(hvp: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """The product rounded to float32, so that its asymmetry is judged by what a difference can give."""
    return lambda vector: hvp(vector).astype("float32")


def _candidates(measured: Lanczos) -> list[tuple[str, Method]]:
    """Methods for the measured ends: the best two on quadratics, or a careful one where curvature may be negative."""
    mu, upper = measured.smallest, measured.upper
    if mu > 1e-9 * upper and math.isfinite(upper):
        return [("heavy ball", heavy_ball(mu, upper)), ("Nesterov's form for quadratics", nesterov_quadratic(mu, upper))]
    return [("Nesterov's form, momentum 0.9", Method(1 / upper, 0.9, 0.9))]

"""What no method can beat: a chain along which news travels one node per step."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...core.method import Method, step
from ...core.schedule import Schedule, constant, tabulate
from ...problems import convex_rosenbrock
from ...theory import bounds, catalog
from ...theory.sequences import chebyshev
from ..adam import adam_path
from ..fields import Choice, Flag, Number, State
from ..twin import colours, hot, ramp
from ..views import View, counted

ORDER = 110
TITLE = "The speed of news"
_NAMES = {
    "descent": "gradient descent",
    "heavy-ball": "heavy ball",
    "nesterov": "Nesterov",
    "chebyshev": "Chebyshev",
    "conjugate": "conjugate gradients",
}
_EXTRA = {"adam": "Adam", "dense": "dense preconditioner"}  # beside the theorem, and beyond it
FIELDS = {
    "method": Choice("heavy-ball", _NAMES | _EXTRA | {"own": "any (α, β)"}, "method"),
    "k": Number(14, 0, 600, 1, "step", whole=True),
    "n": Number(25, 3, 1000, 1, "nodes n", log=True, whole=True),
    "kappa": Number(1000.0, 2.0, 1e6, 0.0, "condition number κ", log=True),
    "steps": Number(51, 10, 600, 1, "steps shown", whole=True),
    "alpha": Number(0.0035, 1e-9, 4.0, 0.0, "learning rate α"),
    "beta": Number(0.76, 0.0, 0.999, 0.001, "momentum β"),
    "beyond": Flag(False, "Adam and a dense preconditioner"),
}
_ADAM = 0.05  # learning rate of Adam here
_ROUGH = 9.0  # the preconditioner is (A + 9)^-1: a rough inverse, which leaves a condition number of at most 10
_TALL, _WIDE = 104, 160  # cells of a pixel map, at most
Array = NDArray[np.float64]
STEPS = """
import numpy as np
from inertia.theory import bounds

best = bounds.worst_function_optimum($n, $kappa)
k = min($k, $steps)
row = shown["keys"].index(shown["chosen"])
print(f"{shown['curves'][row][k]:.3g}", "never below", f"{bounds.lower_bound($n, $kappa, k):.3g}")
"""


def view(state: State) -> View:
    """Weights and errors of one method as maps over (node, step), every method's error, and the bound."""
    n, kappa, steps, chosen = state["n"], state["kappa"], state["steps"], state["method"]
    at = min(state["k"], steps)
    keys = [*_NAMES, *(key for key in _EXTRA if state["beyond"] or key == chosen)]
    curves = np.stack([_run(key, n, kappa, steps, None)[1] for key in keys])
    own = (state["alpha"], state["beta"]) if chosen == "own" else None
    weights, errors = _run(chosen, n, kappa, steps, own)
    best = bounds.worst_function_optimum(n, kappa)
    h = bounds.worst_function_curvatures(n, kappa)
    rows, columns = _picked(steps + 1, _TALL), _picked(n, _WIDE)
    part = weights[np.ix_(rows, columns)]
    bound = bounds.lower_bound(n, kappa, np.arange(steps + 1))
    values = {
        "k": at,
        "chosen": chosen,
        "n": n,
        "steps": steps,
        "weights": _bytes(part),
        "errors": _bytes(np.abs(part - best[columns])),
        "profile": weights[at][columns],
        "best": best[columns],
        "nodes": columns + 1.0,
        "names": [*((_NAMES | _EXTRA)[key] for key in keys), *(["yours"] if own else [])],
        "keys": [*keys, *(["own"] if own else [])],
        "curves": np.vstack([curves, errors]) if own else curves,
        "bound": bound,
        "alpha_high": 4.0 / float(h[-1]),
        "error": float(errors[at]),
        "limit": float(bound[at]),
        "condition": float(h[-1] / h[0]),
        "method": {"alpha": float(catalog.heavy_ball(h[0], h[-1]).alpha), "beta": float(catalog.heavy_ball(h[0], h[-1]).beta)},
    }
    heard = (n if at else 0) if chosen == "dense" else min(at, n)
    name = (_NAMES | _EXTRA).get(chosen, "this method")
    caption = (
        f"After *{at}* {counted(at, 'step')} the news has reached {heard} of {n} nodes; *{n - heard}* still stand at zero. "
        f"The error of {'gradient descent with a ' * (chosen == 'dense')}{name} is "
        f"*{values['error']:.3g}*, and no method that adds up gradients can be below *{values['limit']:.3g}*."
    )
    if chosen == "dense":
        caption += " This one does not add up gradients: its dense matrix tells every node of every other at once."
    if values["condition"] < 0.9 * kappa:
        caption += f" So short a chain has condition number {values['condition']:.4g}, not {kappa:.4g}."
    alt = f"Weights and errors of {name} on a chain of {n} nodes over {steps} steps: {_HEARD[chosen == 'dense']}."
    return View(values, caption, alt)


_HEARD = ("nothing beyond node k has moved at step k", "every node has moved at step 1")


def _picked(count: int, most: int) -> NDArray[np.intp]:
    """Evenly spread indices, all of them where they fit."""
    return np.unique(np.linspace(0, count - 1, min(count, most)).round().astype(np.intp))


def _bytes(values: Array) -> NDArray[np.uint8]:
    """0 is zero, 255 one and beyond; the square root lifts what is small."""
    return np.asarray(np.round(255 * np.sqrt(np.clip(np.nan_to_num(values, nan=1.0), 0, 1))), dtype=np.uint8)


@functools.lru_cache(maxsize=64)
def _run(name: str, n: int, kappa: float, steps: int, own: tuple[float, float] | None) -> tuple[Array, Array]:
    """Weights (steps + 1, n) of one method from zero, and its largest coordinate error (steps + 1,)."""
    problem, h = convex_rosenbrock(n, kappa), bounds.worst_function_curvatures(n, kappa)
    low, high = float(h[0]), float(h[-1])
    plans: dict[str, Schedule] = {
        "descent": constant(catalog.gradient_descent(low, high)),
        "heavy-ball": constant(catalog.heavy_ball(low, high)),
        "nesterov": constant(catalog.nesterov_quadratic(low, high)),
        "chebyshev": chebyshev(low, high),
    }
    with np.errstate(over="ignore", invalid="ignore"):
        if name == "conjugate":
            path = _conjugate(problem.gradient, problem.hvp, n, steps)
        elif name == "adam":
            path = adam_path(problem.gradient, np.zeros(n), _ADAM, 0.9, steps)
        elif name == "dense":
            path = _dense(problem.gradient, kappa, (low, high), n, steps)
        else:
            table = tabulate(plans[name] if own is None else constant(Method(*own)), steps)
            path = _walk(problem.gradient, table, n, steps)
        error = np.abs(path - bounds.worst_function_optimum(n, kappa)).max(axis=1)
    return path, np.where(np.isfinite(error), error, np.inf)


def _walk(gradient: Any, table: Method, n: int, steps: int) -> Array:
    params, velocity, path = np.zeros(n), np.zeros(n), np.zeros((steps + 1, n))
    for k in range(steps):
        now = Method(*(float(field[k]) for field in table))
        params, velocity = step(now, params, velocity, gradient(params))
        path[k + 1] = params
    return path


def _dense(gradient: Any, kappa: float, ends: tuple[float, float], n: int, steps: int) -> Array:
    """Gradient descent on gradients multiplied by (A + 9)^-1, at the best learning rate for the curvatures h/(h + 9) that are left."""
    from scipy.linalg import solveh_banded

    strength = (kappa - 1) / 4
    band = np.vstack([np.full(n, -strength), np.full(n, 2 * strength + 1 + _ROUGH)])
    alpha = 2 / sum(h / (h + _ROUGH) for h in ends)
    path = np.zeros((steps + 1, n))
    for k in range(steps):
        path[k + 1] = path[k] - alpha * solveh_banded(band, gradient(path[k]))
    return path


def _conjugate(gradient: Any, hvp: Any, n: int, steps: int) -> Array:
    """Conjugate gradients, iterate by iterate; at rest once the residual is rounding."""
    params, path = np.zeros(n), np.zeros((steps + 1, n))
    residual = -gradient(params)
    direction, energy = residual, float(residual @ residual)
    rest = energy * 1e-30
    for k in range(steps):
        if energy > rest:
            product = hvp(params, direction)
            share = energy / float(direction @ product)
            params, residual = params + share * direction, residual - share * product
            energy, before = float(residual @ residual), energy
            direction = residual + energy / before * direction
        path[k + 1] = params
    return path


def draw(canvas: Any, data: Mapping[str, Any]) -> None:
    """The two maps, the profile at one step, the errors above the bound."""
    shape = canvas.add_gridspec(2, 3, width_ratios=[1, 1, 2])
    for index, name in enumerate(("weights", "errors")):
        axes = canvas.add_subplot(shape[:, index])
        axes.imshow(255 - data[name], aspect="auto", cmap=colours("map"), extent=(0.5, data["n"] + 0.5, data["steps"] + 0.5, -0.5))
        axes.plot([0.5, data["n"] + 0.5], [0, data["n"]], color="#22303c", lw=0.8)
        axes.axhline(data["k"], color=hot(), lw=1)
        axes.set(xlabel="node", ylabel="step", title=name, ylim=(data["steps"] + 0.5, -0.5))
    profile, errors = canvas.add_subplot(shape[0, 2]), canvas.add_subplot(shape[1, 2])
    profile.plot(data["nodes"], data["best"], color="#66727e")
    profile.plot(data["nodes"], data["profile"], color=hot())
    profile.axvspan(data["k"] + 0.5, data["n"] + 0.5, color="#22303c", alpha=0.06)
    profile.set(xlabel="node", title="weights and solution", xlim=(0.5, data["n"] + 0.5))
    for index, row in enumerate(data["curves"]):
        color = hot() if data["keys"][index] == data["chosen"] else ramp(index, len(data["curves"]))
        errors.semilogy(np.where(row > 1e-12, row, np.nan), color=color, label=data["names"][index])
    errors.semilogy(np.where(data["bound"] > 0, data["bound"], np.nan), color="#22303c", lw=1.8, label="bound")
    errors.set(xlabel="step", ylabel="largest error", ylim=(1e-6, 2))
    errors.legend(frameon=False, fontsize=7)

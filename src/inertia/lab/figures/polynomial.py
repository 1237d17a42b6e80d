"""Fitting a polynomial: robust features are learned first, so stopping early is a regulariser."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...core.method import Method
from ...core.spectrum import spectrum
from ...errors import BadInput
from ...problems.polynomials import POINTS, TARGETS, early_stopping_filter, eigenfeatures, monomials, ridge_filter
from ...theory import catalog, modes, quadratic
from ..draws import normal
from ..fields import Choice, Flag, Number, Numbers, State
from ..twin import hot, ramp
from ..views import View, counted

ORDER = 50
TITLE = "Stopping early"
FIELDS = {
    "k": Number(49, 1, 2_000_000, 1, "steps", log=True, whole=True),
    "alpha": Number(1.8, 0.01, 3.999, 0.001, "learning rate α × largest λ"),
    "beta": Number(0.0, 0.0, 0.999, 0.0001, "momentum β"),
    "degree": Number(5, 1, 8, 1, "degree", whole=True),
    "basis": Choice("eigen", {"eigen": "eigenfeatures", "monomials": "monomials"}, "features"),
    "by": Choice("steps", {"steps": "trained for k steps", "fit": "fitted exactly", "hand": "by hand"}, "coefficients"),
    "ridge": Flag(True, "ridge with η = (1 − β)/(αk)"),
    "spread": Flag(False, "scatter if measured again"),
    "points": Numbers(tuple(POINTS.tolist()), -1.0, 1.0, 4, 20, "x of the data"),
    "targets": Numbers(tuple(TARGETS.tolist()), -3.0, 3.0, 4, 20, "y of the data"),
    "point": Number(1, 1, 20, 1, "point in hand", whole=True),
    "feature": Number(3, 1, 9, 1, "feature in hand", whole=True),
    "hand": Numbers((0.0,), -1e6, 1e6, 1, 9, "coefficients"),
    "seed": Number(0, 0, 9999, 1, "seed", whole=True),
}
_FAR, _GRID = 2_000_000, np.linspace(-1.0, 1.0, 121)
_STEPS = np.unique(np.geomspace(1, _FAR, 140).astype(int))
_SHAKE = 0.5  # standard deviation of what a shake adds to every y
_ALIKE = 1e-6  # losses within this share of the least are as low: of a flat curve rounding would choose the step
_SIZE = 1.5  # norm of every feature's share of the data where coefficients are drawn to one scale
Array = NDArray[np.float64]
STEPS = """
import numpy as np
from inertia.core.method import Method
from inertia.problems.polynomials import eigenfeatures, monomials
from inertia.theory.modes import iterate

x, y = np.array($points), np.array($targets)
degree = min($degree, len(x) - 2)
found = eigenfeatures(x, y, degree)
one = Method($alpha / found.eigenvalues[0], beta=$beta)
learned = 1 - iterate(one, found.eigenvalues, $k).params
print(found.eigenvalues, learned, f"{np.sum(np.abs(1 - learned) < 1e-3)} of {learned.size}")
weights = shown["coefficients"] if $basis == "monomials" else found.vectors @ shown["coefficients"]
print(f"on the data {np.sqrt(np.mean((monomials(x, degree) @ weights - y) ** 2)):.3g}")
missed = []
for i in range(len(x)):
    u, s, vt = np.linalg.svd(monomials(np.delete(x, i), degree), full_matrices=False)
    u, vt, s = u[:, s > 1e-10 * s[0]], vt[s > 1e-10 * s[0]], s[s > 1e-10 * s[0]]
    share = 1 - iterate(one, s**2, $k).params
    missed.append(monomials(x[i], degree) @ vt.T @ (np.delete(y, i) @ u / s * share) - y[i])
print(f"on a point left out {np.sqrt(np.mean(np.square(missed))):.3g}")
"""


def view(state: State) -> View:
    """Features, coefficients, what each has learned, errors over k on the data and on data left out, ridge beside it."""
    x, d = np.array(state["points"]), np.array(state["targets"])
    if x.shape != d.shape:
        raise BadInput(f"there are {x.size} x and {d.size} y: give as many of one as of the other")
    found = eigenfeatures(x, d, min(state["degree"], x.size - 2))
    h = found.eigenvalues
    one, at = Method(state["alpha"] / float(h[0]), state["beta"]), state["k"]
    steps, fastest = _STEPS, catalog.heavy_ball(h[-1], h[0])
    eta = (1 - one.beta) / (one.alpha * steps)
    learned = _learned(one, h, np.array([at]))[0]
    trained = found.coefficients * learned
    weights, unit = _weights(state, found, trained)
    left_out = _left_out(x, d, h.size - 1)
    stable = bool(np.all(modes.stable(one, h)))
    held = _held(left_out, one, steps) if stable else np.full(steps.shape, np.nan)
    values = {
        "x": _GRID,
        "eigenvalues": h,
        "coefficients": weights,
        "unit": unit,
        "features": (found.curves(_GRID) if state["basis"] == "eigen" else monomials(_GRID, h.size - 1)).T * weights[:, None],
        "sum": _curve(state, found, weights),
        "fit": found.curves(_GRID) @ found.coefficients,
        "ridge_curve": found.curves(_GRID) @ (found.coefficients * ridge_filter(h, (1 - one.beta) / (one.alpha * at))),
        "learned": learned,
        **_spread(state, found, learned),
        "kept": ridge_filter(h, (1 - one.beta) / (one.alpha * at)),
        "steps": steps,
        "train": _misfit(found, x, d, _learned(one, h, steps)) if stable else held,
        "held": held,
        "held_ridge": _held_ridge(left_out, eta),
        "milestones": np.array(_milestones(one, tuple(h.tolist()))) if stable else np.full(h.size, np.inf),
        "best": {"alpha": float(fastest.alpha * h[0]), "beta": float(fastest.beta)},
        "count": int(x.size),
        "data": np.stack([x, d]),
        "shaken": np.clip(d + _SHAKE * normal(state["seed"] + 3, d.size), -3, 3).round(3).tolist(),
        "stable": stable,
    }
    lowest = int(np.argmax(held <= np.nanmin(held) * (1 + _ALIKE))) if stable else 0
    values |= {"lowest": int(steps[lowest]), "now": _now(left_out, one, at) if stable else None}
    values["misfit"] = _root(monomials(x, h.size - 1) @ (found.vectors @ weights if state["basis"] == "eigen" else weights) - d)
    return View(
        values,
        _words(values, state) + _scattered(values, state),
        f"Polynomial of degree {h.size - 1} after {at} {counted(at, 'step')}, its features and its errors.",
    )


@functools.lru_cache(maxsize=16)
def _milestones(one: Method, eigenvalues: tuple[float, ...]) -> list[float]:
    """Steps until each feature is learned to three digits; kept while only k or the heights of the points change."""
    return list(quadratic.milestones(one, spectrum(eigenvalues[::-1]), 1e-6)[::-1])


def _learned(one: Method, h: Array, k: NDArray[np.intp]) -> Array:
    """Share of each coefficient learned after k steps from 0: (*k, n)."""
    if one.beta == 0:
        return np.asarray(early_stopping_filter(h, float(one.alpha), k[:, None]))
    return np.asarray(1 - modes.iterate(one, h, k[:, None]).params)


def _weights(state: State, found: Any, trained: Array) -> tuple[Array, Array]:
    """Coefficients in the chosen basis, and the size of each at which its feature has norm 1.5 on the data."""
    eigen = state["basis"] == "eigen"
    design = monomials(np.array(state["points"]), found.eigenvalues.size - 1)
    unit = _SIZE / (np.sqrt(found.eigenvalues) if eigen else np.maximum(np.linalg.norm(design, axis=0), 1e-12))
    if state["by"] == "hand":
        given = np.zeros(found.eigenvalues.size)
        given[: min(given.size, len(state["hand"]))] = state["hand"][: given.size]
        return given, unit
    made = trained if state["by"] == "steps" else found.coefficients
    return (made if eigen else found.vectors @ made), unit


def _spread(state: State, found: Any, learned: Array) -> dict[str, Array]:
    """Standard deviations of the coefficients and of the curve if every y carried independent noise of 0.5.

    A coefficient is learned/sqrt(lambda) times the data along one unit vector, so its own is 0.5 learned/sqrt(lambda), and different ones
    are independent; in the monomials and along the curve their squares add up. None by hand: those do not come from the data.
    """
    each = _SHAKE * (learned if state["by"] == "steps" else np.ones_like(learned)) / np.sqrt(found.eigenvalues)
    if state["by"] == "hand":
        each = np.zeros_like(each)
    turned = each if state["basis"] == "eigen" else np.sqrt(np.square(found.vectors) @ np.square(each))
    return {"scatter": turned, "band": np.sqrt(np.square(found.curves(_GRID)) @ np.square(each))}


def _curve(state: State, found: Any, weights: Array) -> Array:
    turned = weights if state["basis"] == "eigen" else weights @ found.vectors
    return np.asarray(found.curves(_GRID) @ turned)


def _misfit(found: Any, x: Array, d: Array, shares: Array) -> Array:
    """Root mean square error on the data, (k,)."""
    made = (found.coefficients * shares) @ found.curves(x).T
    return np.asarray(np.sqrt(np.mean(np.square(made - d), axis=-1)))


def _left_out(x: Array, d: Array, degree: int) -> tuple[Array, ...]:
    """For every point, the problem of the others: eigenvalues (m, n), coefficients (m, n), features at the point (m, n), its target."""
    keep = ~np.eye(x.size, dtype=bool)
    z = monomials(x, degree)
    rest = np.stack([z[row] for row in keep])  # (m, m - 1, n)
    u, s, vt = np.linalg.svd(rest, full_matrices=False)
    targets = np.stack([d[row] for row in keep])
    with np.errstate(divide="ignore", invalid="ignore"):
        fit = np.where(s > 1e-10 * s[:, :1], np.einsum("mrn,mr->mn", u, targets) / s, 0.0)
    return s**2, fit, np.einsum("mnj,mj->mn", vt, z), d


def _held(left_out: tuple[Array, ...], one: Method, k: NDArray[np.intp]) -> Array:
    """Root mean square error on the point that was left out, every point once: (k,)."""
    h, fit, at, d = left_out
    made = np.einsum("kmn,mn->km", _learned(one, h, k[:, None]), fit * at)
    return np.asarray(np.sqrt(np.mean(np.square(made - d), axis=-1)))


def _now(left_out: tuple[Array, ...], one: Method, k: int) -> float:
    return float(_held(left_out, one, np.array([k]))[0])


def _held_ridge(left_out: tuple[Array, ...], eta: Array) -> Array:
    h, fit, at, d = left_out
    made = np.einsum("kmn,mn->km", ridge_filter(h, eta[:, None, None]), fit * at)
    return np.asarray(np.sqrt(np.mean(np.square(made - d), axis=-1)))


def _root(misses: Array) -> float:
    return float(np.sqrt(np.mean(np.square(misses))))


def _words(values: Mapping[str, Any], state: State) -> str:
    at = state["k"]
    if state["by"] == "hand":
        return f"Your own coefficients miss the points by *{values['misfit']:.3g}* (root mean square)."
    if not values["stable"]:
        return "This step is beyond *2(1 + β)*/λ₁: the first feature *diverges*. Lower the learning rate, or raise β."
    done = int(np.sum(values["milestones"] <= at))
    last = values["milestones"].max()
    count = len(values["eigenvalues"])
    least = f"stopping at {values['lowest']:,} would make that {np.nanmin(values['held']):.3g}"
    return (
        f"After *{at:,}* {counted(at, 'step')} {done} of {count} features {counted(done, 'is', 'are')} learned to three digits;"
        f" the last needs *{last:,.0f}*. "
        f"A point that is left out is missed by *{values['now']:.3g}*; {least}."
    )


def _scattered(values: Mapping[str, Any], state: State) -> str:
    """What the overlay of the scatter says in words."""
    if not state["spread"] or state["by"] == "hand" or not values["stable"]:
        return ""
    first, last = values["scatter"][0], values["scatter"][-1]
    return (
        f" Measured again with noise of {_SHAKE} on every y, the first coefficient would scatter by {first:.3g}, the last by *{last:.3g}*."
    )


def draw(canvas: Any, data: Mapping[str, Any]) -> None:
    """The curve over the data, the errors over k, the features."""
    count = len(data["eigenvalues"])
    shape = canvas.add_gridspec(2, count, height_ratios=[2, 1])
    model, errors = canvas.add_subplot(shape[0, : count // 2]), canvas.add_subplot(shape[0, count // 2 :])
    model.plot(data["x"], data["fit"], color="#66727e", lw=0.8, ls="--")
    model.plot(data["x"], data["sum"], color=hot())
    model.plot(*data["data"], "o", color="#22303c", ms=4)
    model.set(ylim=(-3, 3), xlabel="x")
    errors.loglog(data["steps"], data["train"], color="#7fa8c9", label="on the data")
    errors.loglog(data["steps"], data["held"], color=hot(), label="left out")
    errors.loglog(data["steps"], data["held_ridge"], color="#22303c", ls="--", lw=0.9, label="ridge")
    errors.set(xlabel="steps", ylabel="root mean square error")
    errors.legend(frameon=False)
    for index in range(count):
        small = canvas.add_subplot(shape[1, index])
        small.plot(data["x"], data["features"][index], color=ramp(count - 1 - index, count))
        small.set(ylim=(-3, 3), xticks=[], yticks=[], title=f"{data['coefficients'][index]:.3g}")

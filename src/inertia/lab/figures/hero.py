"""The opening figure: one path on a surface, and everything that can be changed about it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ...theory.catalog import heavy_ball
from ..adam import adam_path
from ..draws import normal
from ..ends import ends
from ..fields import Choice, Flag, Number, State, Text
from ..landscape import FAR, SURFACES, Paths, Surface, paths, shaded, surface
from ..plane import FAMILY, GAMMA, method
from ..twin import colours, halo, hot, shade
from ..views import Costly, View

ORDER = 10
TITLE = "Momentum, from the inside"
_SURFACES = Choice(
    "rosenbrock",
    {
        "rosenbrock": "stretched Rosenbrock",
        "valley": "valley",
        "wells": "two wells and a saddle",
        "quartic": "quartic in one dimension",
        "quadratic": "your quadratic",
        "formula": "your formula",
    },
    "surface",
)
FIELDS = {
    "surface": _SURFACES,
    "family": FAMILY,
    "alpha": Number(0.003, 0.0, 10.0, 0.0, "learning rate α"),
    "beta": Number(0.74, 0.0, 0.999, 0.001, "momentum β"),
    "gamma": GAMMA,
    "x": Number(-1.21, -20.0, 20.0, 0.0, "start x"),
    "y": Number(0.853, -20.0, 20.0, 0.0, "start y"),
    "steps": Number(150, 10, 600, 1, "steps", whole=True),
    "descent": Flag(False, "gradient descent"),
    "heavy": Flag(False, "heavy ball"),
    "nesterov": Flag(False, "Nesterov"),
    "triple": Flag(False, "triple momentum"),
    "adam": Flag(False, "Adam"),
    "lr": Number(0.05, 1e-4, 2.0, 0.0, "learning rate of Adam", log=True),
    "basin": Flag(False, "where every α and β ends"),
    "kick": Number(0, 0, 10_000, 1, "kick", whole=True),
    "angle": Number(25.0, -90.0, 90.0, 1.0, "angle of the flat direction"),
    "low": Number(1.0, 0.01, 100.0, 0.0, "flat curvature", log=True),
    "high": Number(12.0, 0.01, 100.0, 0.0, "steep curvature", log=True),
    "formula": Text("x^2 + 3y^2 + sin(3x) cos(3y)", 200, "f(x, y)"),
    "half": Number(2.0, 0.1, 20.0, 0.0, "half-width of the frame", log=True),
}
_OVERLAYS = {"descent": "descent", "heavy": "heavy-ball", "nesterov": "nesterov", "triple": "triple"}  # field -> family
_KICK = 1e-3  # length of a random kick
STEPS = """
import numpy as np
from inertia.core.method import readout, step
from inertia.lab.landscape import surface
from inertia.lab.plane import method

ground = surface($surface, $angle, $low, $high, $formula, $half)
one = method($family, $alpha, $beta, $gamma)
params, velocity = np.array(shown["path"][0]), np.zeros(2)  # the start, with its kick if there is one
for k in range($steps):
    params, velocity = step(one, params, velocity, ground.gradient(params))
    if not np.all(np.abs(readout(one, params, velocity)) < 1e6):
        print("diverges at step", k + 1)
        break
print(f"{ground.value(readout(one, params, velocity)):.3g}")
"""


def view(state: State) -> View:
    """The paths, their losses, what the local curvature allows, and the contours where the surface has changed."""
    ground = surface(state["surface"], state["angle"], state["low"], state["high"], state["formula"], state["half"])
    start = _kicked(state, ground)
    chosen = state["family"]
    ghosts = [name for name, family in _OVERLAYS.items() if state[name] and family != chosen]
    methods = [method(family, state["alpha"], state["beta"], state["gamma"]) for family in (chosen, *(_OVERLAYS[name] for name in ghosts))]
    ran = paths(ground, methods, start, state["steps"])
    names = [FAMILY.options[chosen], *(FAMILY.options[_OVERLAYS[name]] for name in ghosts)]
    if state["adam"]:
        ran, names = _with_adam(ran, ground, start, state), [*names, "Adam"]
    floor = _floor(ground, ran)
    values: dict[str, Any] = {
        "path": ran.points[0],
        "ghosts": [{"name": name, "path": ran.points[1 + index]} for index, name in enumerate(names[1:])],
        "excess": np.where(ran.losses - floor > 0, ran.losses - floor, np.nan),
        "names": names,
        "losses": ran.losses[0],
        "diverged_at": ran.diverged_at[0],
        "optima": _optima(state, ground),
        "saddle": [0.0, 0.0] if state["surface"] == "wells" else None,
        "domain": [list(side) for side in ground.domain],
        "flat": ground.flat,
        "alpha_high": ground.alpha_high,
        "text": ground.text,
        "fastest": _fastest(ground),
    }
    if ground.flat:
        values["heights"] = ground.value(ran.points[0])
    caption, alt = _words(state, ground, ran)
    costly = {"contours": Costly(_key(state), lambda: _ground(ground)), "surfaces": Costly("surfaces", _surfaces)}
    if state["basin"]:
        asked = "|".join(str(part) for part in (_key(state), *start, state["steps"], chosen, state["gamma"] if chosen == "any" else 0))
        family, typed = (chosen, state["gamma"]), state["surface"] == "formula"
        costly["basin"] = Costly(asked, lambda: ends(ground, family, start, state["steps"], slow=typed))
    return View(values, caption, alt, costly)


def _with_adam(ran: Paths, ground: Surface, start: tuple[float, float], state: State) -> Paths:
    """The paths with Adam's behind them: its first moment has the momentum in hand."""
    path = adam_path(lambda place: ground.slope(float(place[0]), float(place[1])), start, state["lr"], state["beta"], state["steps"])
    with np.errstate(all="ignore"):
        lost = np.maximum.accumulate(~np.all(np.abs(path) < FAR, axis=-1))
        losses = np.where(lost, np.nan, ground.value(path))
    path = np.where(lost[:, None], np.nan, path)
    first = int(np.argmax(lost)) if lost.any() else None
    return Paths(np.concatenate([ran.points, path[None]]), np.vstack([ran.losses, losses]), [*ran.diverged_at, first])


def _optima(state: State, ground: Surface) -> list[list[float]]:
    """Where the rings stand: both bottoms of the wells, the height of the curve for a function of x alone."""
    if ground.optimum is None:
        return []
    x, y = ground.optimum
    if ground.flat:
        return [[x, float(ground.value(np.array(ground.optimum)))]]
    return [[abs(x), y], [-abs(x), y]] if state["surface"] == "wells" else [[x, y]]


def _kicked(state: State, ground: Surface) -> tuple[float, float]:
    if ground.flat:
        return state["x"], 0.0
    if state["kick"] == 0:
        return state["x"], state["y"]
    push = normal(state["kick"], 2)
    push *= _KICK / np.hypot(*push)
    return state["x"] + float(push[0]), state["y"] + float(push[1])


def _key(state: State) -> str:
    custom = {"quadratic": ("angle", "low", "high"), "formula": ("formula", "half")}.get(state["surface"], ())
    return "|".join([state["surface"], *(str(state[name]) for name in custom)])


def _ground(ground: Surface) -> dict[str, Any]:
    if not ground.flat:
        return shaded(ground)
    across = np.linspace(*ground.domain[0], 321)
    return {"curve_x": across, "curve_y": ground.value(np.stack([across, 0 * across], axis=-1))}


def _surfaces() -> dict[str, Any]:
    """What the page sets when the reader changes the surface: a start and a step that belong to it."""
    return {
        name: {"x": one.start[0], "y": one.start[1], "alpha": one.alpha, "beta": one.beta, "kick": 0}
        for name, one in (SURFACES | {"quadratic": surface("quadratic", 25.0, 1.0, 12.0)}).items()
    } | {"formula": {"x": -1.4, "y": 0.8, "alpha": 0.05, "beta": 0.7, "kick": 0}}


def _floor(ground: Surface, ran: Paths) -> float:
    """The loss at the optimum, or the lowest seen where that is lower (a formula may have no minimum)."""
    seen = [float(np.nanmin(ran.losses))] if np.isfinite(ran.losses).any() else []
    known = [float(ground.value(np.array(ground.optimum)))] if ground.optimum else []
    return min([value for value in known + seen if np.isfinite(value)], default=0.0)


def _words(state: State, ground: Surface, ran: Paths) -> tuple[str, str]:
    name, lost = FAMILY.options[state["family"]], ran.diverged_at[0]
    if not np.isfinite(ran.losses[0, 0]):
        said = "The function has no finite value at the starting point: drag it elsewhere."
    elif lost is not None:
        gone = ran.points[0, lost - 1]
        said = f"*Diverges*: beyond all bounds at step *{lost}*, last seen near ({gone[0]:.3g}, {gone[1]:.3g})."
    else:
        said = f"After *{state['steps']}* steps the loss is *{ran.losses[0, -1]:.3g}*."
        if state["surface"] == "wells" and state["kick"] == 0 and state["x"] == 0:
            said += " Exactly above the *saddle* nothing pushes it sideways: kick it."
    place = f"({state['x']:.3g}, {state['y']:.3g})"
    return f"{said} {_local(state, ground)}".strip(), f"Path of {name} on {ground.text} from {place}. {said.replace('*', '')}"


def _curvatures(ground: Surface) -> tuple[float, float] | None:
    """Eigenvalues of the Hessian at the optimum, ascending; None where there is no minimum to speak of."""
    if ground.optimum is None:
        return None
    hessian = ground.hessian(np.array(ground.optimum))
    if not np.all(np.isfinite(hessian)):
        return None
    flat, steep = np.linalg.eigvalsh(hessian)
    return float(flat), float(steep)


def _fastest(ground: Surface) -> dict[str, float] | None:
    """The fastest heavy ball close to the optimum (Polyak 1964), where both curvatures are positive."""
    found = _curvatures(ground)
    if found is None or found[1] <= 0:
        return None
    low = found[1] if ground.flat else found[0]
    if low <= 1e-9 * found[1]:
        return None
    one = heavy_ball(low, found[1])
    return {"alpha": one.alpha, "beta": one.beta}


def _local(state: State, ground: Surface) -> str:
    """What the curvature at the optimum allows."""
    curvatures = _curvatures(ground)
    if curvatures is None or curvatures[1] <= 0:
        return "No minimum that curves upwards in every direction was found inside the frame." if state["surface"] == "formula" else ""
    steep = curvatures[1]
    one = method(state["family"], 1.0, state["beta"], state["gamma"])
    limit = 2 * (1 + one.beta) / ((1 + 2 * one.gamma) * steep) if 1 + 2 * one.gamma > 0 else 0.0
    ratio = f", condition number {steep / curvatures[0]:.4g}" if curvatures[0] > 1e-9 * steep and not ground.flat else ""
    return f"At the optimum the steepest curvature is {steep:.4g}{ratio}: there α must stay below *{limit:.3g}*."


def draw(canvas: Any, data: Mapping[str, Any]) -> None:
    """The surface with the path above, the loss below, the map of ends beside it where it is asked for."""
    shape = canvas.add_gridspec(2, 2 if "basin" in data else 1, height_ratios=[2.2, 1])
    ground, loss = canvas.add_subplot(shape[0, :]), canvas.add_subplot(shape[1, 0])
    if "basin" in data:
        over, extent = canvas.add_subplot(shape[1, 1]), (0.0, data["basin"]["right"], 0.0, 0.99)
        over.imshow(data["basin"]["grid"], origin="lower", aspect="auto", cmap=colours("map"), vmin=0, vmax=255, extent=extent)
        over.set(xlabel="learning rate α", ylabel="momentum β", title="where runs end; dark: low")
    if data["flat"]:
        ground.plot(data["contours"]["curve_x"], data["contours"]["curve_y"], color="#7fa8c9")
        ground.plot(data["path"][:, 0], data["heights"], "o-", color=hot(), ms=3, lw=1)
    else:
        shade(ground, data["contours"])
        for ghost in data["ghosts"]:
            ground.plot(*ghost["path"].T, "-", lw=0.8, color="#1f4e79")
        ground.plot(*data["path"].T, "o-", color=hot(), ms=2.5, lw=1)
        for place in data["optima"]:
            ground.plot(*place, "o", mfc="none", mec="#22303c")
            halo(ground.annotate("optimum", place, (6, -12), textcoords="offset points"))
    ground.set(xlim=data["domain"][0], ylim=data["domain"][1], xticks=[], yticks=[])
    for row, name, color in zip(data["excess"], data["names"], [hot(), "#7fa8c9", "#4a7fab", "#1f4e79", "#66727e"], strict=False):
        loss.semilogy(row, color=color, lw=1.2, label=name)
    loss.set(xlabel="step", ylabel="loss above the lowest")
    loss.legend(frameon=False)

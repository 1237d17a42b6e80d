"""Momentum is mechanics: a weight on a spring, its drag, and the three ways to come to rest."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...core.method import Method
from ...theory import modes, physics
from ..fields import Choice, Flag, Number, State
from ..twin import hot
from ..views import Costly, View

ORDER = 70
TITLE = "A weight on a spring"
FIELDS = {
    "words": Choice("method", {"method": "learning rate and momentum", "particle": "mass, drag and time step"}, "speak of"),
    "alpha": Number(0.01, 0.0005, 4.0, 0.0, "learning rate α", log=True),
    "beta": Number(0.9, 0.0, 1.0, 0.001, "momentum β"),
    "curvature": Number(1.0, 0.0, 10.0, 0.01, "stiffness λ"),
    "mass": Number(1.0, 0.1, 10.0, 0.0, "mass m", log=True),
    "drag": Number(1.0, 0.0, 10.0, 0.01, "drag c"),
    "time_step": Number(0.1, 0.02, 2.0, 0.0, "time step dt", log=True),
    "position": Number(1.0, -1.5, 1.5, 0.01, "start position"),
    "speed": Number(0.0, -2.0, 2.0, 0.01, "start speed"),
    "steps": Number(120, 10, 500, 1, "steps", whole=True),
    "explicit": Flag(False, "explicit Euler"),
    "flow": Flag(True, "exact motion"),
    "energy": Flag(False, "energy"),
    "field": Flag(False, "one step from everywhere"),
}
# The grid of phase portraits: rows are stiffness, columns momentum; the article's constants.
ROWS, COLUMNS = (0.0, 0.02, 0.1, 0.25), (1.0, 0.985, 0.95, 0.9, 0.85, 0.8)
_GRID_ALPHA, _GRID_STEPS, _GRID_START = 0.02, 150, (0.92, 1.0)
_LIMIT = 20.0  # beyond this an iterate is off every frame
STEPS = """
import numpy as np
from inertia import Method, rate
from inertia.theory.modes import iterate
from inertia.theory.physics import Particle, oscillator, stepped_damping

particle, k = Particle(**shown["particle"]), np.arange($steps + 1)
one = Method(shown["alpha"], beta=shown["beta"])
stepped = iterate(one, $curvature, k, $position, -$speed * particle.time_step / one.alpha).params
exact = oscillator(particle, $curvature, k * particle.time_step, $position, $speed).position
print(stepped_damping(one, $curvature), f"{rate(one, $curvature):.4f}", stepped[-1], exact[-1])
"""


def view(state: State) -> View:
    """The method's iterates as positions and speeds, the exact motion beside them, and the rate for every drag."""
    one, particle = _both(state)
    h = state["curvature"]
    k = np.arange(state["steps"] + 1)
    velocity = -state["speed"] * particle.time_step / one.alpha  # speed = -alpha velocity / dt
    moved = modes.iterate(one, h, k, state["position"], velocity)
    time = k * particle.time_step
    fine = np.linspace(0, time[-1], 481)
    exact = physics.oscillator(particle, h, fine, state["position"], state["speed"])
    b = np.unique(np.concatenate([np.linspace(0, 1, 241), [_critical(one.alpha, h)]]))
    rates = modes.rate(Method(one.alpha, b), h)
    values: dict[str, Any] = {
        "alpha": float(one.alpha),
        "beta": float(one.beta),
        "particle": {"mass": particle.mass, "drag": particle.drag, "time_step": particle.time_step},
        "time": time,
        "position": _kept(moved.params),
        "speed": _kept(-one.alpha * moved.velocity / particle.time_step),
        "energy": _kept(0.5 * h * moved.params**2 + 0.5 * particle.mass * (one.alpha * moved.velocity / particle.time_step) ** 2),
        "fine_time": fine,
        "fine_position": exact.position,
        "fine_speed": exact.speed,
        "explicit": _explicit(one, h, state, particle.time_step) if state["explicit"] else None,
        "line_beta": b,
        "line_rate": rates,
        "critical": _critical(one.alpha, h),
        "three": _three(one, h, state, particle.time_step),
        "rate": float(modes.rate(one, h)),
        "turn": _turn(one, h, particle.time_step) if state["field"] else None,
    }
    alt = f"A weight on a spring of stiffness {h:g}, {_damping(one, h)}: position and speed over {state['steps']} steps."
    return View(values, _words(state, one, particle), alt, {"grid": Costly("grid", _grid)})


def _both(state: State) -> tuple[Method, physics.Particle]:
    """The method and the particle it is, whichever of the two the reader speaks of."""
    if state["words"] == "method":
        one = Method(state["alpha"], state["beta"])
        return one, physics.particle_of(one, state["mass"])
    drag = min(state["drag"], 2 * (1 - 1e-15) * state["mass"] / state["time_step"])  # beyond, a step reverses the speed more than fully
    particle = physics.Particle(state["mass"], drag, state["time_step"])
    return physics.method_of(particle), particle


def _three(one: Method, h: float, state: State, time_step: float) -> dict[str, Any] | None:
    """The same weight creeping, critically damped and swinging, as paths in the plane of speed and position; None without a spring."""
    middle = _critical(one.alpha, h)
    if not 0 < middle < 1:
        return None
    betas = np.array([middle / 4, middle, (1 + middle) / 2])
    each = Method(one.alpha, betas[:, None])
    moved = modes.iterate(each, h, np.arange(state["steps"] + 1), state["position"], -state["speed"] * time_step / one.alpha)
    speeds = -one.alpha * moved.velocity / time_step
    return {"betas": betas, "position": _kept(moved.params), "speed": _kept(speeds), "rates": modes.rate(Method(one.alpha, betas), h)}


def _turn(one: Method, h: float, time_step: float) -> NDArray[np.float64]:
    """What one step makes of (position, speed), as a matrix: its arrows are the vector field of the phase portrait.

    From z <- beta z + h x, x <- x - alpha z and speed = -alpha z/dt.
    """
    push = float(one.alpha) * h
    return np.array([[1 - push, time_step * float(one.beta)], [-push / time_step, float(one.beta)]])


def _critical(alpha: float, h: float) -> float:
    """The momentum of the double root, 0 where the step is already too long for one."""
    return float(modes.critical_momentum(alpha, h)) if 0 < alpha * h <= 1 else (1.0 if h == 0 else 0.0)


def _kept(values: Any) -> NDArray[np.float64]:
    return np.where(np.abs(values) < 1e6, values, np.nan)


def _explicit(one: Method, h: float, state: State, time_step: float) -> dict[str, Any]:
    """The same motion by the literal explicit Euler step."""
    place, velocity = state["position"], -state["speed"] * time_step / one.alpha
    seen = np.empty((state["steps"] + 1, 2))
    for row in seen:
        row[:] = place, -one.alpha * velocity / time_step
        if abs(place) < _LIMIT:
            place, velocity = physics.explicit_step(one, place, velocity, h * place)
        else:
            place, velocity = np.nan, np.nan
    return {"position": seen[:, 0], "speed": seen[:, 1], "edge": float(physics.explicit_edge(one))}


def _grid() -> dict[str, Any]:
    """All portraits of the article's grid: (rows, columns, steps + 1)."""
    h, b = np.array(ROWS)[:, None, None], np.array(COLUMNS)[None, :, None]
    moved = modes.iterate(Method(_GRID_ALPHA, b), h, np.arange(_GRID_STEPS + 1), _GRID_START[0], _GRID_START[1])
    shape = (len(ROWS) * len(COLUMNS), _GRID_STEPS + 1)
    return {
        "position": np.broadcast_to(moved.params, (len(ROWS), len(COLUMNS), _GRID_STEPS + 1)).reshape(shape),
        "velocity": -np.broadcast_to(moved.velocity, (len(ROWS), len(COLUMNS), _GRID_STEPS + 1)).reshape(shape),
        "rows": list(ROWS),
        "columns": list(COLUMNS),
        "alpha": _GRID_ALPHA,
        "start": {"position": _GRID_START[0], "speed": -_GRID_START[1] * float(np.sqrt(_GRID_ALPHA))},
    }


def _damping(one: Method, h: float) -> str:
    return "free" if h == 0 else str(physics.stepped_damping(one, h))


def _words(state: State, one: Method, particle: physics.Particle) -> str:
    h = state["curvature"]
    said = {
        "free": "No spring: only drag",
        "undamped": "*Undamped*: it swings for ever",
        "underdamped": "*Underdamped*: it swings through zero and comes back",
        "critical": "*Critical*: the fastest way home without swinging",
        "overdamped": "*Overdamped*: it creeps, as gradient descent does",
        "alternating": "*Alternating*: the steps are too long to follow the motion and jump from side to side",
        "divergent": "*Divergent*: the steps are too long for so stiff a spring",
    }[_damping(one, h)]
    size, ah = float(modes.rate(one, h)), float(one.alpha) * h
    limit = float(physics.critical_drag(particle.mass, h))
    exact = f"{limit:.4g} for the exact motion"
    critical = f"critical is {limit - h * particle.time_step:.4g}, {exact}" if ah <= 1 else f"critical is {exact}"
    spring = f" ({critical})" if h else ""
    return (
        f"{said}; each step multiplies the error by *{size:.4f}*. α = {float(one.alpha):.4g}, β = {float(one.beta):.4g} is mass "
        f"{particle.mass:.3g}, drag {particle.drag:.4g}{spring}, time step {particle.time_step:.4g}."
    )


def draw(canvas: Any, data: Mapping[str, Any]) -> None:
    """Position over time, the phase portrait, the damping line."""
    shape = canvas.add_gridspec(2, 2, width_ratios=[1.7, 1])
    over, phase, line = canvas.add_subplot(shape[0, 0]), canvas.add_subplot(shape[:, 1]), canvas.add_subplot(shape[1, 0])
    over.plot(data["fine_time"], data["fine_position"], color="#7fa8c9")
    over.plot(data["time"], np.clip(data["position"], -5, 5), "o", color=hot(), ms=3)
    over.set(xlabel="time", title="position")
    if data["turn"] is not None:
        place, speed = np.meshgrid(np.linspace(-1, 1, 9), np.linspace(-1, 1, 9))
        after = np.stack([place.ravel(), speed.ravel()], axis=-1) @ data["turn"].T
        phase.quiver(speed, place, after[:, 1] - speed.ravel(), after[:, 0] - place.ravel(), color="#66727e", angles="xy", width=0.004)
    phase.plot(data["fine_speed"], data["fine_position"], color="#7fa8c9")
    phase.plot(np.clip(data["speed"], -5, 5), np.clip(data["position"], -5, 5), "o", color=hot(), ms=3)
    phase.set(xlabel="speed", title="phase portrait")
    line.plot(data["line_beta"], data["line_rate"], color="#1f4e79")
    line.plot(data["beta"], data["rate"], "o", color=hot(), ms=7)
    line.axvline(data["critical"], color="#66727e", lw=0.8, ls=(0, (3, 3)))
    line.set(xlabel="momentum β", title="rate; the kink is critical damping")

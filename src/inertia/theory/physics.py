"""Momentum is mechanics: a mass m, dragged by c, rolling in the loss, watched every dt seconds.

    m x'' = -c x' - grad f(x)        semi-implicit Euler: new velocity first, then move with it
    alpha = dt^2/m,  beta = 1 - c dt/m

Without mass what is left is gradient flow, c x' = -grad f. The order inside a step decides everything: with the *old*
velocity in the move (explicit Euler) the product of the roots is beta + alpha h instead of beta, and the method breaks
at (1 - beta)/alpha instead of 2 (1 + beta)/alpha. (Polyak 1964; Qian 1999; Goh 2017.)
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..core.arrays import known
from ..core.method import Method, fields
from ..errors import BadInput
from .modes import regime

__all__ = [
    "DAMPING",
    "STEPPED",
    "Motion",
    "Particle",
    "critical_drag",
    "damping",
    "explicit_edge",
    "explicit_roots",
    "explicit_step",
    "flow_of",
    "gradient_flow",
    "method_of",
    "oscillator",
    "particle_of",
    "stepped_damping",
]

DAMPING = ("undamped", "underdamped", "critical", "overdamped")
STEPPED = (*DAMPING, "alternating", "divergent")
_EQUAL = 1e-12  # relative distance at which drag counts as critical


class Particle(NamedTuple):
    """A heavy ball in its own units: mass, drag (force per speed) and the time between two looks."""

    mass: Any
    drag: Any
    time_step: Any


def method_of(particle: Particle) -> Method:
    """The method that steps this particle: alpha = dt^2/m, beta = 1 - c dt/m.

    Args:
        particle: mass, drag and time step, numbers or arrays.

    Raises:
        BadInput: mass or time step not positive, negative drag, or a drag so strong that one step reverses the velocity
            more than fully (beta < -1).

    >>> method_of(Particle(mass=1.0, drag=1.0, time_step=0.5))
    Method(alpha=0.25, beta=0.5, gamma=0.0, delta=0.0)
    """
    mass, drag, time_step = particle
    for name, value in (("mass", mass), ("time step", time_step)):
        if not np.all(known(value, name) > 0):
            raise BadInput(f"{name} = {np.min(value):g} is not positive: give a {name} above 0 (without mass use gradient_flow)")
    if not np.all(known(drag, "drag") >= 0):
        raise BadInput(f"drag = {np.min(drag):g} is negative and would feed energy in: use drag >= 0")
    beta = 1 - drag * time_step / mass
    if np.any(np.asarray(beta) < -1):
        raise BadInput(f"drag * time step / mass = {np.max(1 - beta):g} is above 2 (beta < -1): use time step <= 2 mass/drag")
    return Method(time_step**2 / mass, beta)


def particle_of(method: Method, mass: ArrayLike = 1.0) -> Particle:
    """The particle that a heavy ball is, for a chosen mass: dt = sqrt(alpha m), c = (1 - beta) m/dt = (1 - beta) sqrt(m/alpha).

    Args:
        method: a heavy ball (gamma = 0); fields may be arrays.
        mass: mass m > 0 that is chosen freely (default 1).

    Raises:
        BadInput: gamma != 0 (a look-ahead is no particle), or alpha or mass not positive.

    >>> particle_of(Method(0.25, beta=0.5))
    Particle(mass=1.0, drag=1.0, time_step=0.5)
    """
    alpha, beta, gamma, _ = fields(method)
    if np.any(gamma != 0):
        raise BadInput(f"gamma = {np.max(np.abs(gamma)):g}: a method that looks ahead is no particle; use gamma = 0")
    if not (np.all(alpha > 0) and np.all(known(mass, "mass") > 0)):
        raise BadInput("alpha and mass must be positive: a particle without either does not move")
    time_step = np.sqrt(alpha * mass)[()]
    drag = (1 - beta) * mass / time_step
    plain = [part.item() if np.ndim(part) == 0 and hasattr(part, "item") else part for part in (mass, drag, time_step)]
    return Particle(*plain)


def critical_drag(mass: ArrayLike, curvature: ArrayLike) -> Any:
    """Drag above which a mode of this curvature creeps and below which it swings: 2 sqrt(m h).

    Args:
        mass: m > 0.
        curvature: h >= 0; broadcasts with `mass`.

    >>> float(critical_drag(1.0, 4.0))
    4.0
    """
    return (2 * np.sqrt(known(mass, "mass") * known(curvature, "curvature")))[()]


def damping(particle: Particle, curvature: ArrayLike) -> Any:
    """Which of DAMPING the continuous motion of this mode is: c against 2 sqrt(m h).

    Args:
        particle: mass, drag and time step, numbers or arrays.
        curvature: h >= 0; broadcasts with them.

    >>> [str(damping(Particle(1.0, c, 0.1), 1.0)) for c in (0.0, 1.0, 2.0, 3.0)]
    ['undamped', 'underdamped', 'critical', 'overdamped']
    """
    drag, limit = known(particle.drag, "drag"), np.asarray(critical_drag(particle.mass, curvature))
    named = np.where(drag < limit, "underdamped", "overdamped")
    named = np.where(np.abs(drag - limit) <= _EQUAL * limit, "critical", named)
    return np.where((drag == 0) & (limit > 0), "undamped", named)[()]


def stepped_damping(method: Method, curvature: ArrayLike) -> Any:
    """Which of STEPPED the steps themselves are, judged by their two roots and not by the motion that they follow.

    overdamped (two positive roots), critical (they are equal: beta = (1 - sqrt(alpha h))^2), underdamped (a complex pair),
    alternating (the larger root is negative: the steps are too long to swing, they jump from side to side), undamped (the larger
    root has size 1), divergent. A step has more friction than the motion: its critical drag is 2 sqrt(m h) - h dt, and between
    the two the steps creep while the motion swings.

    Args:
        method: a heavy ball (gamma = 0); fields may be arrays.
        curvature: h >= 0, of any shape that broadcasts with the fields.

    Raises:
        BadInput: gamma != 0, or a curvature or field that is nan.

    >>> one = Method(0.01, beta=0.81)
    >>> str(stepped_damping(one, 1.0)), str(damping(particle_of(one), 1.0))
    ('critical', 'underdamped')
    """
    alpha, beta, gamma, _ = fields(method)
    if np.any(gamma != 0):
        raise BadInput(f"gamma = {np.max(np.abs(gamma)):g}: a method that looks ahead is no particle; use gamma = 0")
    ah = alpha * known(curvature, "curvature")
    names = {"ripples": "underdamped", "monotone": "overdamped", "one-step": "critical"}
    found = regime(method, curvature)
    named = np.select([found == name for name in names], list(names.values()), found)
    double = (ah > 0) & (ah <= 1) & (np.abs(beta - (1 - np.sqrt(np.abs(ah))) ** 2) <= _EQUAL)
    return np.where(double & (beta < 1), "critical", named)[()]


class Motion(NamedTuple):
    """Position and speed at the asked times."""

    position: Any
    speed: Any


def oscillator(particle: Particle, curvature: ArrayLike, time: ArrayLike, position: ArrayLike = 1.0, speed: ArrayLike = 0.0) -> Motion:
    """Closed-form solution of m x'' + c x' + h x = 0, the limit of the heavy ball for short time steps. All arguments broadcast.

    With r = c/(2m), w^2 = r^2 - h/m: x = e^{-rt} (x0 C + (r x0 + x0') S), C = cosh wt, S = sinh(wt)/w (cos and sin where
    w^2 < 0, and S = t at critical damping). The heavy ball is at x(k dt) up to an error proportional to dt.

    Args:
        particle: mass, drag and time step, numbers or arrays.
        curvature: h of the potential h x^2/2.
        time: time t since the start.
        position: x0 (default 1).
        speed: x0' (default 0).

    >>> oscillator(Particle(1.0, 0.0, 0.1), 1.0, np.pi).position.round(12).item()
    -1.0
    """
    mass, drag = known(particle.mass, "mass"), known(particle.drag, "drag")
    h, t = known(curvature, "curvature"), known(time, "time")
    x0, v0 = known(position, "position"), known(speed, "speed")
    r = drag / (2 * mass)
    square = r * r - h / mass
    w = np.sqrt(np.abs(square))
    turn = w * t
    with np.errstate(divide="ignore", invalid="ignore", over="ignore", under="ignore"):
        swing = np.where(turn == 0, t, np.sin(turn) / np.where(w == 0, 1.0, w)) * np.exp(-r * t)
        slow, fast = np.exp((w - r) * t), np.exp(-(w + r) * t)  # two decays: no cosh that overflows before it is damped
        creep = np.where(turn == 0, t * np.exp(-r * t), -np.expm1(-2 * turn) * slow / np.where(w == 0, 1.0, 2 * w))
        even = np.where(square < 0, np.cos(turn) * np.exp(-r * t), (slow + fast) / 2)
        odd = np.where(square < 0, swing, creep)
        at = even * x0 + odd * (r * x0 + v0)
        moving = even * v0 - odd * (r * v0 + h / mass * x0)
    return Motion(at[()], moving[()])


def gradient_flow(curvature: ArrayLike, time: ArrayLike, position: ArrayLike = 1.0) -> Any:
    """Solution of x' = -h x, the limit of gradient descent for short steps at time = alpha k: x0 e^{-h t}.

    Args:
        curvature: h of the potential h x^2/2.
        time: time t since the start.
        position: x0 (default 1).

    >>> round(float(gradient_flow(2.0, 0.5)), 12) == round(float(np.exp(-1.0)), 12)
    True
    """
    with np.errstate(over="ignore", under="ignore"):
        return (known(position, "position") * np.exp(-known(curvature, "curvature") * known(time, "time")))[()]


def flow_of(method: Method, k: ArrayLike) -> Any:
    """Time of gradient flow that k steps are worth while momentum is only memory: k alpha/(1 - beta).

    The whole family shares this limit for alpha h << (1 - beta)^2: then equal alpha/(1 - beta) means an equal path.

    Args:
        method: alpha (learning rate), beta (momentum), gamma and delta: numbers, or arrays that broadcast, shape (*methods).
        k: number of steps, whole and not negative; a number or an array.

    >>> float(flow_of(Method(0.01, beta=0.75), 50))
    2.0
    """
    alpha, beta, _, _ = fields(method)
    with np.errstate(divide="ignore"):
        return (alpha / (1 - beta) * known(k, "k"))[()]


def explicit_step(method: Method, params: Any, velocity: Any, grad: Any) -> tuple[Any, Any]:
    """One step of the literal explicit Euler scheme: move with the *old* velocity, then update it. Not a momentum method.

    Args:
        method: the method: alpha (learning rate), beta (momentum), gamma, delta.
        params: parameters, a number or an array.
        velocity: the old velocity, of the same shape.
        grad: gradient at `params`, of the same shape.

    >>> explicit_step(Method(0.5, beta=0.5), 1.0, 0.0, 1.0)
    (1.0, 1.0)
    """
    return params - method.alpha * velocity, method.beta * velocity + grad


def explicit_roots(method: Method, curvature: ArrayLike) -> NDArray[np.complex128]:
    """Roots of the explicit scheme, z^2 - (1 + beta) z + beta + alpha h: shape (*broadcast, 2), larger modulus first.

    The semi-implicit step has z^2 - (1 + beta - alpha h) z + beta: alpha h moves from the product to the sum.

    Args:
        method: alpha and beta count; numbers or arrays.
        curvature: h; broadcasts with them.

    >>> explicit_roots(Method(0.5, beta=0.5), 1.0).round(4)
    array([0.75+0.6614j, 0.75-0.6614j])
    """
    alpha, beta, _, _ = fields(method)
    h = known(curvature, "curvature")
    half = (1 + beta) / 2 + 0 * h
    root = np.sqrt(half * half - beta - alpha * h + 0j)
    return np.stack([half + root, half - root], axis=-1)


def explicit_edge(method: Method) -> Any:
    """Largest curvature that explicit Euler survives: (1 - beta)/alpha, where the product of the roots reaches 1.

    Without drag (beta = 1) there is none at all, while the semi-implicit step then survives 4/alpha.

    Args:
        method: alpha and beta count; numbers or arrays.

    >>> round(explicit_edge(Method(0.5, beta=0.9)), 12)
    0.2
    """
    alpha, beta, _, _ = fields(method)
    found = (1 - beta) / alpha
    return float(found) if found.ndim == 0 else found

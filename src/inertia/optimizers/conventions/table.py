"""Who writes momentum how: one row per convention, with the map of its settings to Method and back.

| who       | buffer                      | parameters                                  | Method(alpha, beta, gamma)      |
|-----------|-----------------------------|---------------------------------------------|---------------------------------|
| torch     | v <- m v + (1 - damp) g     | p -= lr v;  nesterov: p -= lr (g + m v)     | (lr (1 - damp), m, 0 or m)      |
| optax     | v <- m v + g                | as torch                                    | (lr, m, 0 or m)                 |
| optax-ema | v <- b v + (1 - b) g        | p -= lr v, or lr v/(1 - b^k) with debias    | (lr (1 - b), b, 0)              |
| tf1       | v <- m v + g                | as torch                                    | (lr, m, 0 or m)                 |
| keras     | v <- m v - lr g             | p += v;  nesterov: p += m v - lr g          | (lr, m, 0 or m), lr inside v    |
| mxnet     | v <- m v + lr g             | p -= v                                      | (lr, m, 0), lr inside v         |
| sutskever | v <- m v - lr g(p + m v)    | p += v: parameters are xi, not y            | (lr, m, m), lr inside v         |
| ema       | v <- b v + (1 - b) g        | p -= lr v                                   | (lr (1 - b), b, 0)              |
| qhm       | v <- b v + (1 - b) g        | p -= lr ((1 - nu) g + nu v)                 | (lr (1 - b), b, b (1-nu)/(1-b)) |
| polyak    | the previous point          | p <- p - a g + b (p - p_prev)               | (a, b, 0), a inside             |
| physics   | v = dt * (dx/dt)            | semi-implicit Euler of m x'' = -g - c x'    | (dt^2/m, 1 - dt c/m, 0), inside |

Sources: the frameworks' code; Polyak 1964; Sutskever et al. 2013; Ma and Yarats 2019 (quasi-hyperbolic); Qian 1999 (physics).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ...core.method import Method, checked
from ...errors import BadInput, nearest

__all__ = ["CONVENTIONS", "REQUIRED", "Convention", "convention", "settled", "usable"]

Options = dict[str, Any]
REQUIRED = object()  # a setting without a default


@dataclass(frozen=True)
class Convention:
    """One way to write momentum: its settings, its map to Method and back, and how its buffer relates to the velocity."""

    name: str
    settings: Mapping[str, Any]  # name -> default, REQUIRED, or a bool where it is a switch
    to_method: Callable[[Options], Method]
    from_method: Callable[[Method], Options]  # raises BadInput where it cannot be said
    code: str  # what to write, with {name} for each setting
    inside: bool = False  # learning rate inside the buffer
    holds_iterate: bool = False  # parameters are xi, not the point y where the gradient is taken
    scale: Callable[[Options], float] = lambda options: 1.0  # buffer = scale * velocity
    remembers_point: bool = False  # the buffer is the previous point itself
    coupled_decay: str | None = None  # its setting for weight decay that is added to the gradient


def convention(name: str) -> Convention:
    """The convention of that name.

    Raises:
        BadInput: no such convention (the nearest name is suggested).

    >>> convention("keras").inside
    True
    """
    if name not in CONVENTIONS:
        raise BadInput(f"unknown convention '{name}': {nearest(name, CONVENTIONS)}")
    return CONVENTIONS[name]


def usable(method: Method) -> Method:
    """`checked`, but a learning rate of 0, where schedules start and end, is allowed.

    >>> usable(Method(0.0, beta=0.9)).alpha
    0.0
    """
    if isinstance(method.alpha, int | float) and method.alpha == 0:
        return checked(method._replace(alpha=1.0))._replace(alpha=0.0)
    return checked(method)


def settled(who: Convention, options: Mapping[str, Any]) -> Options:
    """The settings, complete and of the right kind.

    Raises:
        BadInput: an unknown or missing setting, or a value of the wrong kind.

    >>> settled(convention("optax"), {"learning_rate": 0.1})
    {'learning_rate': 0.1, 'momentum': 0.0, 'nesterov': False, 'weight_decay': 0.0}
    """
    for key in options:
        if key not in who.settings:
            raise BadInput(f"{who.name} has no setting '{key}': {nearest(key, who.settings)}")
    missing = [key for key, default in who.settings.items() if default is REQUIRED and key not in options]
    if missing:
        raise BadInput(f"{who.name} needs {' and '.join(missing)}: add {missing[0]}=0.1, say")
    return {key: _typed(who, key, options.get(key, default), default) for key, default in who.settings.items()}


def _typed(who: Convention, key: str, value: Any, default: Any) -> Any:
    if isinstance(default, bool):
        if isinstance(value, str) and value.lower() in ("true", "false", "yes", "no", "1", "0"):
            return value.lower() in ("true", "yes", "1")
        if not isinstance(value, bool):
            raise BadInput(f"{who.name}: {key} = {value!r} is not a switch: use {key}=true or {key}=false")
        return value
    try:
        number = float(0.0 if value is None else value)
    except (TypeError, ValueError):
        raise BadInput(f"{who.name}: {key} = {value!r} is not a number") from None
    if not math.isfinite(number):
        raise BadInput(f"{who.name}: {key} = {number} is not finite: give a finite number")
    return number


def _plain(rate: str, momentum: str, nesterov: bool = True) -> tuple[Callable[[Options], Method], Callable[[Method], Options]]:
    """Heavy ball and Nesterov under the names of a framework."""

    def to_method(o: Options) -> Method:
        return Method(o[rate], o[momentum], o[momentum] if nesterov and o["nesterov"] else 0.0)

    def from_method(m: Method) -> Options:
        if m.gamma != 0 and (m.gamma != m.beta or not nesterov):
            raise BadInput(_only(m, nesterov))
        return {rate: m.alpha, momentum: m.beta} | ({"nesterov": bool(m.gamma != 0)} if nesterov else {})

    return to_method, from_method


def _only(m: Method, nesterov: bool) -> str:
    text = f"gamma = {m.gamma:g} is not expressible: only heavy ball (gamma = 0)"
    text += f" and Nesterov (gamma = beta = {m.beta:g}) are" if nesterov else " is"
    if m.beta != 1 and math.isclose(m.gamma, m.beta / (1 - m.beta), rel_tol=1e-9):
        text += f"; but from rest this method is plain gradient descent with step {m.alpha / (1 - m.beta):g}"
    return text


def _torch() -> tuple[Callable[[Options], Method], Callable[[Method], Options]]:
    _, from_method = _plain("lr", "momentum")

    def to_method(o: Options) -> Method:
        if o["nesterov"] and (o["momentum"] <= 0 or o["dampening"] != 0):
            raise BadInput("torch refuses this: nesterov needs momentum > 0 and dampening = 0")
        if o["dampening"] >= 1:
            raise BadInput(f"dampening = {o['dampening']:g} lets no gradient in: use a value < 1")
        kept = 1 - o["dampening"] if o["momentum"] else 1.0  # torch ignores dampening without momentum
        return Method(o["lr"] * kept, o["momentum"], o["momentum"] if o["nesterov"] else 0.0)

    return to_method, from_method


def _average(rate: str, decay: str) -> tuple[Callable[[Options], Method], Callable[[Method], Options]]:
    def to_method(o: Options) -> Method:
        if o[decay] >= 1:
            raise BadInput(f"{decay} = {o[decay]:g} lets no gradient in: use a value < 1")
        return Method(o[rate] * (1 - o[decay]), o[decay])

    def from_method(m: Method) -> Options:
        if m.gamma != 0:
            raise BadInput(_only(m, nesterov=False))
        return {rate: m.alpha / _left(m), decay: m.beta}

    return to_method, from_method


def _left(m: Method) -> float:
    if m.beta == 1:
        raise BadInput("beta = 1 is not expressible: an average with weight 1 - beta = 0 takes no gradient in")
    return float(1 - m.beta)


def _qhm_read(o: Options) -> Method:
    if o["beta"] >= 1:
        raise BadInput(f"beta = {o['beta']:g} lets no gradient in: use a value < 1")
    return Method(o["lr"] * (1 - o["beta"]), o["beta"], o["beta"] * (1 - o["nu"]) / (1 - o["beta"]))


def _qhm_write(m: Method) -> Options:
    if m.beta == 0 and m.gamma != 0:
        raise BadInput(f"beta = 0 with gamma = {m.gamma:g} (optimistic gradient) is not expressible: nu would be infinite")
    return {"lr": m.alpha / _left(m), "beta": m.beta, "nu": 1.0 if m.gamma == 0 else 1 - m.gamma * (1 - m.beta) / m.beta}


def _physics_read(o: Options) -> Method:
    if o["mass"] <= 0 or o["dt"] <= 0:
        raise BadInput(f"mass = {o['mass']:g}, dt = {o['dt']:g}: both must be positive")
    return Method(o["dt"] ** 2 / o["mass"], 1 - o["dt"] * o["drag"] / o["mass"])


def _physics_write(m: Method) -> Options:
    if m.gamma != 0:
        raise BadInput(_only(m, nesterov=False))
    if m.alpha == 0:
        raise BadInput("a learning rate of 0 is not expressible: time would stand still (dt = 0)")
    dt = math.sqrt(m.alpha)
    return {"mass": 1.0, "drag": (1 - m.beta) / dt, "dt": dt}


def _sutskever_write(m: Method) -> Options:
    return _plain("lr", "momentum")[1](m)


def _method_read(o: Options) -> Method:
    return usable(Method(o["alpha"], o["beta"], o["gamma"], o["delta"]))


_RATE = {"learning_rate": REQUIRED, "momentum": 0.0, "nesterov": False}
_LR = {"lr": REQUIRED, "momentum": 0.0}

CONVENTIONS: dict[str, Convention] = {
    row.name: row
    for row in (
        Convention(
            "torch", {**_LR, "dampening": 0.0, "nesterov": False, "weight_decay": 0.0}, *_torch(),
            "torch.optim.SGD(params, lr={lr}, momentum={momentum}, nesterov={nesterov})",
            scale=lambda o: 1 - o["dampening"], coupled_decay="weight_decay",
        ),
        Convention(
            "optax", {**_RATE, "weight_decay": 0.0}, *_plain("learning_rate", "momentum"),
            "optax.sgd({learning_rate}, momentum={momentum}, nesterov={nesterov})", coupled_decay="weight_decay",
        ),
        Convention(
            "optax-ema", {"learning_rate": REQUIRED, "decay": REQUIRED, "debias": True}, *_average("learning_rate", "decay"),
            "optax.chain(optax.ema({decay}, debias=False), optax.scale(-{learning_rate}))", scale=lambda o: 1 - o["decay"],
        ),
        Convention(
            "tf1", dict(_RATE), *_plain("learning_rate", "momentum"),
            "tf.compat.v1.train.MomentumOptimizer({learning_rate}, {momentum}, use_nesterov={nesterov})",
        ),
        Convention(
            "keras", dict(_RATE), *_plain("learning_rate", "momentum"),
            "keras.optimizers.SGD({learning_rate}, momentum={momentum}, nesterov={nesterov})",
            inside=True, scale=lambda o: -o["learning_rate"],
        ),
        Convention(
            "mxnet", {"learning_rate": REQUIRED, "momentum": 0.0, "wd": 0.0}, *_plain("learning_rate", "momentum", nesterov=False),
            "mxnet.optimizer.SGD(learning_rate={learning_rate}, momentum={momentum})",
            inside=True, scale=lambda o: o["learning_rate"], coupled_decay="wd",
        ),
        Convention(
            "sutskever", {**_LR, "nesterov": True}, _plain("lr", "momentum")[0], _sutskever_write,
            "v = {momentum} * v - {lr} * grad(p + {momentum} * v if {nesterov} else p); p += v",
            inside=True, holds_iterate=True, scale=lambda o: -o["lr"],
        ),
        Convention(
            "ema", {"lr": REQUIRED, "beta": REQUIRED}, *_average("lr", "beta"),
            "v = {beta} * v + (1 - {beta}) * g; p -= {lr} * v", scale=lambda o: 1 - o["beta"],
        ),
        Convention(
            "qhm", {"lr": REQUIRED, "beta": REQUIRED, "nu": 0.7}, _qhm_read, _qhm_write,
            "v = {beta} * v + (1 - {beta}) * g; p -= {lr} * ((1 - {nu}) * g + {nu} * v)", scale=lambda o: 1 - o["beta"],
        ),
        Convention(
            "polyak", {"a": REQUIRED, "b": 0.0}, lambda o: Method(o["a"], o["b"]), lambda m: _rename(m),
            "p, p_prev = p - {a} * grad(p) + {b} * (p - p_prev), p", inside=True, remembers_point=True,
        ),
        Convention(
            "physics", {"mass": 1.0, "drag": REQUIRED, "dt": REQUIRED}, _physics_read, _physics_write,
            "v = (1 - {dt} * {drag} / {mass}) * v - {dt}**2 / {mass} * g; p += v",
            inside=True, scale=lambda o: -o["dt"] ** 2 / o["mass"],
        ),
        Convention(
            "method", {"alpha": REQUIRED, "beta": 0.0, "gamma": 0.0, "delta": 0.0}, _method_read,
            lambda m: {name: value for name, value in m._asdict().items()},
            "inertia.Method({alpha}, beta={beta}, gamma={gamma}, delta={delta})",
        ),
    )
}  # fmt: skip


def _rename(m: Method) -> Options:
    rate, momentum = _plain("a", "b", nesterov=False)[1](m).values()
    return {"a": rate, "b": momentum}

"""Settings of one framework in the words of another, and how far the translation holds.

Three answers: exact (the same path under every learning-rate schedule), exact only at constant learning rate (the
learning rate sits inside one buffer and outside the other), not expressible (and why).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ...core.method import Method
from ...errors import BadInput
from .table import Convention, convention, settled, usable

__all__ = ["CONSTANT", "EXACT", "NOT", "Conversion", "convert", "read", "write"]

EXACT, CONSTANT, NOT = "exact", "exact only at constant learning rate", "not expressible"


@dataclass(frozen=True)
class Conversion:
    """A translation: the method behind it, the target's settings (empty where not expressible), and how far it holds."""

    method: Method
    to: Mapping[str, Any]
    status: str  # EXACT, CONSTANT or NOT
    notes: tuple[str, ...] = ()
    code: str = ""  # the target, ready to paste
    source: str = ""
    target: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)  # the source's settings, complete

    @property
    def exact(self) -> bool:
        """Whether both walk the same path under every learning-rate schedule."""
        return self.status == EXACT

    def to_json(self) -> dict[str, Any]:
        """Plain numbers, strings and lists."""
        method = {name: float(value) for name, value in self.method._asdict().items()}
        found = {"method": method, "to": dict(self.to), "exact": self.exact, "notes": list(self.notes)}
        return found | {"status": self.status, "code": self.code, "from": dict(self.settings)}


def read(source: str, **options: Any) -> Method:
    """The Method behind a framework's settings.

    Raises:
        BadInput: unknown convention or setting, missing or impossible values.

    >>> read("keras", learning_rate=0.1, momentum=0.9, nesterov=True)
    Method(alpha=0.1, beta=0.9, gamma=0.9, delta=0.0)
    """
    who = convention(source)
    return _read(who, settled(who, options))


def write(method: Method, target: str) -> Conversion:
    """A Method in a framework's words.

    >>> dict(write(Method(0.25, beta=0.5), "ema").to)
    {'lr': 0.5, 'beta': 0.5}
    """
    return convert("method", target, **usable(method)._asdict())


def convert(source: str, target: str, **options: Any) -> Conversion:
    """The target's settings that walk the source's path, and how far that holds.

    Raises:
        BadInput: unknown convention or setting, missing or impossible values. What merely cannot be said in the
            target's words is no error: the result says so.

    >>> found = convert("torch", "keras", lr=0.1, momentum=0.9, nesterov=True)
    >>> dict(found.to), found.status
    ({'learning_rate': 0.1, 'momentum': 0.9, 'nesterov': True}, 'exact only at constant learning rate')
    """
    a, b = convention(source), convention(target)
    settings = settled(a, options)
    method = _read(a, settings)
    if a is b:
        return Conversion(method, settings, EXACT, code=_code(b, settings), source=source, target=target, settings=settings)
    status, notes = EXACT, []
    try:
        written = b.from_method(method)
    except BadInput as refusal:
        why = (f"{target}: {refusal}", *_departures(a, settings)[1])
        return Conversion(method, {}, NOT, why, source=source, target=target, settings=settings)
    if target == "optax-ema":
        written["debias"] = False
    if a.inside != b.inside and method.beta != 0:
        status = CONSTANT
        notes.append(_correction(a, b))
    departed, why_departed = _departures(a, settings)
    decayed, why_decayed = _decay(a, b, settings, written)
    notes += [*why_departed, *why_decayed, *_points(a, b, method)]
    status = NOT if departed or decayed else status
    return Conversion(method, written, status, tuple(notes), _code(b, written), source, target, settings)


def _read(who: Convention, settings: Mapping[str, Any]) -> Method:
    return usable(who.to_method(dict(settings)))


def _correction(a: Convention, b: Convention) -> str:
    inner, outer = (a, b) if a.inside else (b, a)
    remedy = "multiply its buffer by new/old" if b.inside else "multiply its buffer by old/new"
    if b.remembers_point:
        remedy = "set p_prev to p - (p - p_prev) * new/old"
    return (
        f"{inner.name} keeps the learning rate inside its buffer, {outer.name} outside: the paths part when it changes. "
        f"Each time it changes from old to new, before the step of {b.name}, {remedy} (momentum correction): then they agree"
    )


def _departures(a: Convention, settings: Mapping[str, Any]) -> tuple[bool, list[str]]:
    """Where the source itself is no member of the family."""
    if a.name == "torch" and settings["dampening"] != 0 and settings["momentum"] != 0:
        kept = 1 - settings["dampening"]
        text = "torch does not dampen its first step (buffer := gradient), so its first gradient weighs "
        return True, [text + f"{1 / kept:g} times as much for ever; a run continued after its first step is exact (convert_state)"]
    if a.name == "optax-ema" and settings["debias"] and settings["decay"] != 0:
        text = "debias divides step k by 1 - decay^k: no constant method does; exact as a schedule of alpha = "
        return True, [text + "learning_rate (1 - decay)/(1 - decay^k), k = 1, 2, ..., or with debias=false"]
    return False, []


def _decay(a: Convention, b: Convention, settings: Mapping[str, Any], written: dict[str, Any]) -> tuple[bool, list[str]]:
    decay = settings[a.coupled_decay] if a.coupled_decay else 0.0
    if b.coupled_decay:
        written[b.coupled_decay] = decay
        if decay and b.name == "optax":
            return False, [f"weight decay goes in front: optax.chain(optax.add_decayed_weights({decay:g}), optax.sgd(...))"]
        return False, []
    if not decay or b.name == "method":
        return False, [f"weight decay {decay:g} is not part of a Method: the optimizer takes it beside"] if decay else []
    remedy = f"add {decay / 2:g} times the squared weights to the loss"
    if b.name == "keras":
        remedy = f"Keras's own weight_decay is decoupled, another method; use kernel_regularizer=keras.regularizers.L2({decay / 2:g})"
    return True, [f"{b.name} has no weight decay inside the gradient: {remedy}"]


def _points(a: Convention, b: Convention, method: Method) -> list[str]:
    notes = []
    if a.holds_iterate != b.holds_iterate and method.gamma != 0:
        looks, plain = (b, a) if a.holds_iterate else (a, b)
        text = f"{looks.name} holds the look-ahead point in its parameters, {plain.name} the iterate behind it"
        notes.append(f"{text}: convert_state moves between them")
    if method.delta != 0 and b.name != "method":
        notes.append(f"delta = {method.delta:g} is lost: it only says which point to read out (inertia's optimizers have readout)")
    if b.name == "physics":
        notes.append("mass, drag and time step are three numbers for two: mass = 1 was chosen (scale mass and drag by c, dt by sqrt(c))")
    if b.name == "qhm" and method.gamma != 0 and not 0 <= (nu := 1 - method.gamma * (1 - method.beta) / method.beta) <= 1:
        notes.append(f"nu = {nu:g} is outside [0, 1]: the formula holds, but optimizers that check their input may refuse it")
    return notes


def _code(b: Convention, written: Mapping[str, Any]) -> str:
    return b.code.format(**written)

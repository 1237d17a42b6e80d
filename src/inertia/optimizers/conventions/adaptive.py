"""Settings of Adam and its kin from one framework to another: exact, exact at a constant rate, or what is lost.

A translation is exact when what is read back from the target's words is the same AdaptiveMethod (see `dialects`), and otherwise each field
that is not says what it became.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from ...errors import BadInput, nearest
from .conversion import CONSTANT
from .dialects import DIALECTS, AdaptiveMethod, Dialect

__all__ = ["DIALECTS", "AdaptiveConversion", "AdaptiveMethod", "convert_adaptive", "read_adaptive"]

EXACT, NOT = "exact", "not the same path"
Options = dict[str, Any]


@dataclass(frozen=True)
class AdaptiveConversion:
    """A translation: the method behind it, the target's settings, and how far it holds."""

    method: AdaptiveMethod
    to: Mapping[str, Any]
    status: str
    notes: tuple[str, ...]
    code: str

    @property
    def exact(self) -> bool:
        """Whether both walk the same path under every learning-rate schedule (of CONSTANT only at a constant rate)."""
        return self.status == EXACT

    def to_json(self) -> dict[str, Any]:
        """Plain numbers, strings and lists."""
        found = {"method": asdict(self.method), "to": dict(self.to), "exact": self.exact, "notes": list(self.notes)}
        return found | {"status": self.status, "code": self.code}


def read_adaptive(source: str, **options: Any) -> AdaptiveMethod:
    """The AdaptiveMethod behind an optimizer's settings.

    Raises:
        BadInput: unknown optimizer or setting, missing or impossible values.

    >>> read_adaptive("keras-adam", learning_rate=0.001).eps_placement
    'hatted'
    """
    who = _dialect(source)
    return who.read(_settled(who, options))


def convert_adaptive(source: str, target: str, **options: Any) -> AdaptiveConversion:
    """The target's settings that walk the source's path, or come nearest, and what is lost.

    The moments themselves need no conversion between these: m and v are the same means everywhere (torch's exp_avg and exp_avg_sq,
    optax's mu and nu, Keras's momentums and velocities) with the number of steps beside them.

    Raises:
        BadInput: unknown optimizer or setting, missing or impossible values.

    >>> found = convert_adaptive("torch-adamw", "optax-adamw", lr=0.001, weight_decay=0.1)
    >>> found.exact, found.to["b2"]
    (True, 0.999)
    >>> convert_adaptive("torch-adam", "keras-adam", lr=0.001).notes[0]
    "eps_placement: 'outside' becomes 'hatted' (eps counts as eps/sqrt(1 - beta2^t), for about 1000 steps)"
    """
    method, b = read_adaptive(source, **options), _dialect(target)
    written = b.write(method)
    try:
        back = b.read(_settled(b, written))
    except BadInput as refusal:
        return AdaptiveConversion(method, {}, NOT, (f"{target} cannot say it: {refusal}",), "")
    if not method.weight_decay:  # where there is none its form says nothing
        back = replace(back, decay_form=method.decay_form)
    if not method.momentum:
        back = replace(back, momentum_inside=method.momentum_inside)
    lost = [row.name for row in fields(method) if getattr(method, row.name) != getattr(back, row.name)]
    if not method.eps and "eps_placement" in lost:
        lost.remove("eps_placement")
    notes = tuple(_loss(name, method, back) for name in lost)
    status = CONSTANT if lost == ["momentum_inside"] else NOT if lost else EXACT
    return AdaptiveConversion(method, written, status, notes, _code(b.call, written))


def _loss(name: str, wanted: AdaptiveMethod, got: AdaptiveMethod) -> str:
    text = f"{name}: {getattr(wanted, name)!r} becomes {getattr(got, name)!r}"
    if name == "eps_placement" and "hatted" in (wanted.eps_placement, got.eps_placement) and wanted.beta2 < 1:
        text += f" (eps counts as eps/sqrt(1 - beta2^t), for about {1 / (1 - wanted.beta2):.0f} steps)"
    if name == "amsgrad" and "no" not in (wanted.amsgrad, got.amsgrad):
        text += " (the maximum is taken of v, or of v corrected for its start: they differ early)"
    if name == "weight_decay" and wanted.decay_form == "coupled":
        text += f" (in optax put optax.add_decayed_weights({wanted.weight_decay:g}) in front: optax.chain)"
    if name == "momentum_inside":
        text += " (of a learning rate that changes, old steps keep the rate they were made with, or take the new one)"
    if name == "growth":
        text += " (the look-ahead of torch's and Keras's NAdam grows from beta1/2; optax's is beta1 from the start: None)"
    if name == "decay_form":
        text += " (inside the gradient, decay is divided by sqrt(v) as well; outside it is not)"
    return text


def _code(call: str, written: Mapping[str, Any]) -> str:
    words = {key: f"{value:g}" if isinstance(value, float) else str(value) for key, value in written.items()}
    if "beta1" in words:  # torch takes the two as one
        words = {"lr": words["lr"], "betas": f"({words['beta1']}, {words['beta2']})"} | words
        del words["beta1"], words["beta2"]
    return f"{call}({'params, ' if call.startswith('torch') else ''}{', '.join(f'{key}={value}' for key, value in words.items())})"


def _dialect(name: str) -> Dialect:
    if name not in DIALECTS:
        raise BadInput(f"unknown optimizer '{name}': {nearest(name, DIALECTS)}")
    return DIALECTS[name]


def _settled(who: Dialect, options: Mapping[str, Any]) -> Options:
    for key in options:
        if key not in who.settings:
            raise BadInput(f"{who.name} has no setting '{key}': {nearest(key, who.settings)}")
    settled = {key: options.get(key, default) for key, default in who.settings.items()}
    for key, value in settled.items():
        if value is None:
            raise BadInput(f"{who.name} needs {key}: add {key}=0.001, say")
        if isinstance(who.settings[key], bool):
            settled[key] = value if isinstance(value, bool) else str(value).lower() in ("true", "yes", "1")
            continue
        try:
            settled[key] = float(value)
        except (TypeError, ValueError):
            raise BadInput(f"{who.name}: {key} = {value!r} is not a number") from None
    return settled

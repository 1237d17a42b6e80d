"""Adam and its kin in the words of torch, optax and Keras, both ways, with what is lost said out loud.

Everyone's step is lr m/(sqrt(v) + eps) with running means m of the gradient and v of its square. What differs is where eps stands,
whether the means are corrected for their start at zero, of what AMSGrad takes the maximum, and what weight decay is multiplied by:

| eps_placement | denominator                    | who                                                            |
|---------------|--------------------------------|----------------------------------------------------------------|
| outside       | sqrt(v_hat) + eps              | torch; optax (its eps); Kingma and Ba 2015, Algorithm 1        |
| inside        | sqrt(v_hat + eps)              | optax (its eps_root), RMSprop and Adagrad of optax and Keras   |
| hatted        | sqrt(v_hat) + eps/sqrt(1-b2^t) | Keras's Adam: Kingma and Ba 2015, the end of section 2         |

v_hat is v where nothing is corrected. An `AdaptiveMethod` says all of it; a translation is exact when what is read back from the
target's words is the same AdaptiveMethod, and otherwise each field that is not says what it became.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Literal

from ...errors import BadInput, nearest

__all__ = ["DIALECTS", "AdaptiveConversion", "AdaptiveMethod", "convert_adaptive", "read_adaptive"]

Options = dict[str, Any]
EXACT, NOT = "exact", "not the same path"


@dataclass(frozen=True)
class AdaptiveMethod:
    """A method whose step is divided by a running mean (or sum) of squared gradients; all numbers without unit but lr and eps.

    beta1 is the decay of the gradient's mean, beta2 that of its square (1 for Adagrad, which sums). Raises BadInput for numbers that
    no run can use.

    >>> AdaptiveMethod(lr=0.001).eps_placement
    'outside'
    """

    lr: float
    beta1: float = 0.9
    beta2: float = 0.999
    eps: float = 1e-8  # in units of the gradient; of its square where it stands inside
    eps_placement: Literal["outside", "inside", "hatted"] = "outside"
    bias_correction: bool = True
    nesterov: bool = False
    amsgrad: Literal["no", "before correction", "after correction"] = "no"
    centered: bool = False
    weight_decay: float = 0.0
    decay_form: Literal["coupled", "decoupled times rate", "decoupled"] = "coupled"
    start: float = 0.0  # the value that v starts from
    summed: bool = False  # v is the sum of squared gradients (Adagrad), not their mean; beta2 is then 1

    def __post_init__(self) -> None:
        for name in ("lr", "eps", "weight_decay", "start"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value >= 0):
                raise BadInput(f"{name} = {value:g}: use a finite number >= 0")
        for name, usual in (("beta1", 0.9), ("beta2", 0.999)):
            value = getattr(self, name)
            if not (0 <= value < 1 or (name == "beta2" and self.summed and value == 1)):
                raise BadInput(f"{name} = {value:g} is outside [0, 1), where old gradients are forgotten: use {usual}, say")


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
        """Whether both walk the same path under every learning-rate schedule."""
        return self.status == EXACT

    def to_json(self) -> dict[str, Any]:
        """Plain numbers, strings and lists."""
        found = {"method": asdict(self.method), "to": dict(self.to), "exact": self.exact, "notes": list(self.notes)}
        return found | {"status": self.status, "code": self.code}


@dataclass(frozen=True)
class Dialect:
    """One optimizer class: its settings with their defaults, and its words to AdaptiveMethod and (as near as it can) back."""

    name: str
    settings: Mapping[str, Any]
    read: Callable[[Options], AdaptiveMethod]
    write: Callable[[AdaptiveMethod], Options]
    call: str  # the class or function that takes the settings


def _adam(
    name: str, words: tuple[str, ...], call: str, defaults: Options, fixed: Options, amsgrad: str | None = None, inside: str | None = None
) -> Dialect:
    """Adam under a framework's words for lr, beta1, beta2, eps and weight decay (the last may be missing)."""
    keys = dict(zip(("lr", "beta1", "beta2", "eps", "weight_decay"), words, strict=False))
    switch = {"amsgrad": False} if amsgrad else {}

    def read(o: Options) -> AdaptiveMethod:
        method = AdaptiveMethod(**{ours: o[theirs] for ours, theirs in keys.items()}, **fixed)
        if inside and o[inside]:
            if method.eps:
                raise BadInput(
                    f"{name}: eps = {method.eps:g} and {inside} = {o[inside]:g} both stand in the denominator: set one of them to 0"
                )
            method = replace(method, eps=o[inside], eps_placement="inside")
        return replace(method, amsgrad=amsgrad) if o.get("amsgrad") else method  # type: ignore[arg-type]

    def write(m: AdaptiveMethod) -> Options:
        written = {theirs: getattr(m, ours) for ours, theirs in keys.items()} | {key: m.amsgrad != "no" for key in switch}
        if inside:
            written |= {keys["eps"]: 0.0, inside: m.eps} if m.eps_placement == "inside" else {inside: 0.0}
        return written

    return Dialect(name, defaults | switch, read, write, call)


def _scaled(name: str, words: Mapping[str, str], call: str, defaults: Options, fixed: Options, inside: str | None = None) -> Dialect:
    """RMSprop and Adagrad without momentum; `inside` is a switch for where eps stands."""

    def read(o: Options) -> AdaptiveMethod:
        placed = {"eps_placement": "inside" if o[inside] else "outside"} if inside else {}
        return AdaptiveMethod(
            **({"beta1": 0.0, "bias_correction": False} | fixed | placed | {ours: o[theirs] for ours, theirs in words.items()})
        )

    def write(m: AdaptiveMethod) -> Options:
        return {theirs: getattr(m, ours) for ours, theirs in words.items()} | ({inside: m.eps_placement == "inside"} if inside else {})

    return Dialect(name, defaults, read, write, call)


_TORCH = ("lr", "beta1", "beta2", "eps", "weight_decay")
_OPTAX = ("learning_rate", "b1", "b2", "eps", "weight_decay")
_KERAS = ("learning_rate", "beta_1", "beta_2", "epsilon", "weight_decay")
_T = {"lr": 1e-3, "beta1": 0.9, "beta2": 0.999, "eps": 1e-8, "weight_decay": 0.0}
_O = {"learning_rate": None, "b1": 0.9, "b2": 0.999, "eps": 1e-8, "eps_root": 0.0}
_K = {"learning_rate": 1e-3, "beta_1": 0.9, "beta_2": 0.999, "epsilon": 1e-7, "weight_decay": 0.0}
_AFTER = "decoupled times rate"
_SUM = {"beta2": 1.0, "summed": True}

DIALECTS: dict[str, Dialect] = {
    row.name: row
    for row in (
        _adam("torch-adam", _TORCH, "torch.optim.Adam",
              dict(_T), {}, amsgrad="before correction"),
        _adam("torch-adamw", _TORCH, "torch.optim.AdamW",
              _T | {"weight_decay": 1e-2}, {"decay_form": _AFTER}, amsgrad="before correction"),
        _adam("optax-adam", _OPTAX[:4], "optax.adam", dict(_O), {}, inside="eps_root"),
        _adam("optax-adamw", _OPTAX, "optax.adamw",
              _O | {"weight_decay": 1e-4}, {"decay_form": _AFTER}, inside="eps_root"),
        _adam("optax-amsgrad", _OPTAX[:4], "optax.amsgrad", dict(_O),
              {"amsgrad": "after correction"}, inside="eps_root"),
        _adam("optax-nadam", _OPTAX[:4], "optax.nadam", dict(_O),
              {"nesterov": True}, inside="eps_root"),
        _adam("keras-adam", _KERAS, "keras.optimizers.Adam",
              dict(_K), {"eps_placement": "hatted", "decay_form": _AFTER}, amsgrad="before correction"),
        _scaled("torch-rmsprop", {"lr": "lr", "beta2": "alpha", "eps": "eps", "weight_decay": "weight_decay", "centered": "centered"},
                "torch.optim.RMSprop",
                {"lr": 1e-2, "alpha": 0.99, "eps": 1e-8, "weight_decay": 0.0, "centered": False}, {}),
        _scaled("optax-rmsprop", {"lr": "learning_rate", "beta2": "decay", "eps": "eps", "start": "initial_scale",
                "bias_correction": "bias_correction"},
                "optax.rmsprop",
                {"learning_rate": None, "decay": 0.9, "eps": 1e-8, "initial_scale": 0.0, "eps_in_sqrt": True, "bias_correction": False},
                {}, inside="eps_in_sqrt"),
        _scaled("keras-rmsprop", {"lr": "learning_rate", "beta2": "rho", "eps": "epsilon", "weight_decay": "weight_decay"},
                "keras.optimizers.RMSprop",
                {"learning_rate": 1e-3, "rho": 0.9, "epsilon": 1e-7, "weight_decay": 0.0},
                {"eps_placement": "inside", "decay_form": _AFTER}),
        _scaled("torch-adagrad", {"lr": "lr", "eps": "eps", "weight_decay": "weight_decay", "start": "initial_accumulator_value"},
                "torch.optim.Adagrad",
                {"lr": 1e-2, "eps": 1e-10, "weight_decay": 0.0, "initial_accumulator_value": 0.0}, _SUM),
        _scaled("optax-adagrad", {"lr": "learning_rate", "eps": "eps", "start": "initial_accumulator_value"},
                "optax.adagrad",
                {"learning_rate": None, "eps": 1e-7, "initial_accumulator_value": 0.1}, _SUM | {"eps_placement": "inside"}),
        _scaled("keras-adagrad",
                {"lr": "learning_rate", "eps": "epsilon", "weight_decay": "weight_decay", "start": "initial_accumulator_value"},
                "keras.optimizers.Adagrad",
                {"learning_rate": 1e-3, "epsilon": 1e-7, "weight_decay": 0.0, "initial_accumulator_value": 0.1},
                _SUM | {"eps_placement": "inside", "decay_form": _AFTER}),
    )
}  # fmt: skip


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
    lost = [row.name for row in fields(method) if getattr(method, row.name) != getattr(back, row.name)]
    if not method.eps and "eps_placement" in lost:
        lost.remove("eps_placement")
    notes = tuple(_loss(name, method, back) for name in lost)
    return AdaptiveConversion(method, written, NOT if lost else EXACT, notes, _code(b.call, written))


def _loss(name: str, wanted: AdaptiveMethod, got: AdaptiveMethod) -> str:
    text = f"{name}: {getattr(wanted, name)!r} becomes {getattr(got, name)!r}"
    if name == "eps_placement" and "hatted" in (wanted.eps_placement, got.eps_placement) and wanted.beta2 < 1:
        text += f" (eps counts as eps/sqrt(1 - beta2^t), for about {1 / (1 - wanted.beta2):.0f} steps)"
    if name == "amsgrad" and "no" not in (wanted.amsgrad, got.amsgrad):
        text += " (the maximum is taken of v, or of v corrected for its start: they differ early)"
    if name == "weight_decay" and wanted.decay_form == "coupled":
        text += f" (in optax put optax.add_decayed_weights({wanted.weight_decay:g}) in front: optax.chain)"
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

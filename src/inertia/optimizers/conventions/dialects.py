"""Adam and its kin in the words of torch, optax and Keras, both ways, with what is lost said out loud.

Everyone's step is lr m/(sqrt(v) + eps) with running means m of the gradient and v of its square. What differs is where eps stands,
whether the means are corrected for their start at zero, of what AMSGrad takes the maximum, and what weight decay is multiplied by:

| eps_placement | denominator                    | who                                                            |
|---------------|--------------------------------|----------------------------------------------------------------|
| outside       | sqrt(v_hat) + eps              | torch; optax (its eps); Kingma and Ba 2015, Algorithm 1        |
| inside        | sqrt(v_hat + eps)              | optax (its eps_root), RMSprop and Adagrad of optax and Keras   |
| hatted        | sqrt(v_hat) + eps/sqrt(1-b2^t) | Keras's Adam, torch's RAdam: Kingma and Ba 2015, end of sect. 2 |

v_hat is v where nothing is corrected. An `AdaptiveMethod` says all of it; a translation is exact when what is read back from the
target's words is the same AdaptiveMethod, and otherwise each field that is not says what it became.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from ...errors import BadInput

__all__ = ["DIALECTS", "AdaptiveMethod", "Dialect"]

Options = dict[str, Any]


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
    growth: float | None = None  # NAdam of torch (momentum_decay) and Keras (1): its look-ahead grows from beta1/2; None: it does not
    rectified: bool = False  # RAdam
    momentum: float = 0.0  # of RMSprop: a sum of the gradients already divided
    momentum_inside: bool = False  # whether the learning rate is inside that sum

    def __post_init__(self) -> None:
        if not 0 <= self.momentum < 1:
            raise BadInput(f"momentum = {self.momentum:g} is outside [0, 1), where old steps are forgotten: use 0.9, say")
        for name in ("lr", "eps", "weight_decay", "start"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value >= 0):
                raise BadInput(f"{name} = {value:g}: use a finite number >= 0")
        for name, usual in (("beta1", 0.9), ("beta2", 0.999)):
            value = getattr(self, name)
            if not (0 <= value < 1 or (name == "beta2" and self.summed and value == 1)):
                raise BadInput(f"{name} = {value:g} is outside [0, 1), where old gradients are forgotten: use {usual}, say")


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


def _growing(base: Dialect, key: str, fixed: float | None = None) -> Dialect:
    """NAdam whose look-ahead grows: by a setting, or by a fixed number where there is none."""

    def read(o: Options) -> AdaptiveMethod:
        return replace(base.read(o), nesterov=True, growth=o[key] if fixed is None else fixed)

    def write(m: AdaptiveMethod) -> Options:
        usual = base.settings.get(key)
        return base.write(m) | ({key: usual if m.growth is None else m.growth} if fixed is None else {})

    return Dialect(base.name, base.settings, read, write, base.call)


def _switched(base: Dialect) -> Dialect:
    """torch's classes with a switch for decoupled decay."""

    def read(o: Options) -> AdaptiveMethod:
        return replace(base.read(o), decay_form=_AFTER if o["decoupled_weight_decay"] else "coupled")  # type: ignore[arg-type]

    def write(m: AdaptiveMethod) -> Options:
        return base.write(m) | {"decoupled_weight_decay": m.decay_form == _AFTER and m.weight_decay > 0}

    return Dialect(base.name, dict(base.settings) | {"decoupled_weight_decay": False}, read, write, base.call)


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
        _switched(_growing(_adam("torch-nadam", _TORCH, "torch.optim.NAdam",
                                 _T | {"lr": 2e-3, "momentum_decay": 0.004}, {}), "momentum_decay")),
        _growing(_adam("keras-nadam", _KERAS, "keras.optimizers.Nadam", dict(_K), {"decay_form": _AFTER}), "", 1.0),
        _switched(_adam("torch-radam", _TORCH, "torch.optim.RAdam", dict(_T), {"rectified": True, "eps_placement": "hatted"})),
        _adam("optax-radam", _OPTAX[:4], "optax.radam", dict(_O), {"rectified": True}, inside="eps_root"),
        _scaled("torch-rmsprop", {"lr": "lr", "beta2": "alpha", "eps": "eps", "weight_decay": "weight_decay", "centered": "centered",
                "momentum": "momentum"},
                "torch.optim.RMSprop",
                {"lr": 1e-2, "alpha": 0.99, "eps": 1e-8, "weight_decay": 0.0, "centered": False, "momentum": 0.0}, {}),
        _scaled("optax-rmsprop", {"lr": "learning_rate", "beta2": "decay", "eps": "eps", "start": "initial_scale",
                "bias_correction": "bias_correction", "centered": "centered", "momentum": "momentum"},
                "optax.rmsprop",
                {"learning_rate": None, "decay": 0.9, "eps": 1e-8, "initial_scale": 0.0, "eps_in_sqrt": True, "centered": False,
                 "momentum": 0.0, "bias_correction": False},
                {"momentum_inside": True}, inside="eps_in_sqrt"),
        _scaled("keras-rmsprop", {"lr": "learning_rate", "beta2": "rho", "eps": "epsilon", "weight_decay": "weight_decay",
                "centered": "centered", "momentum": "momentum"},
                "keras.optimizers.RMSprop",
                {"learning_rate": 1e-3, "rho": 0.9, "epsilon": 1e-7, "weight_decay": 0.0, "centered": False, "momentum": 0.0},
                {"eps_placement": "inside", "decay_form": _AFTER, "momentum_inside": True}),
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

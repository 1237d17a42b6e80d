"""The metric that a torch optimizer has built up, read from its real state: Adam and its kin as momentum in that metric."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch

from ..core.method import Method
from ..errors import BadInput
from ..theory.adaptive import adagrad, adam, nadam, rmsprop
from ..tuning.preconditioned import InMetric

__all__ = ["homes_of", "in_metric", "number", "readable", "stepped", "told_groups"]

_ADAMS = {"Adam": "exp_avg_sq", "AdamW": "exp_avg_sq", "NAdam": "exp_avg_sq", "RAdam": "exp_avg_sq", "Adamax": "exp_inf"}
_SQUARES = _ADAMS | {"RMSprop": "square_avg", "Adagrad": "sum"}
_SETTINGS = (
    "lr", "betas", "momentum", "nesterov", "gamma", "alpha", "eps", "weight_decay", "decoupled_weight_decay", "decoupled", "amsgrad",
    "momentum_decay", "centered", "lr_decay",
)  # fmt: skip


def in_metric(optimizer: torch.optim.Optimizer, params: Sequence[torch.Tensor]) -> InMetric:
    """Read an optimizer's state as momentum in a metric.

    P is sqrt(v_hat) + eps, v_hat the second moment corrected for its start. RAdam's rectification and Adagrad's decay of the rate act on
    the learning rate: they are in the method's alpha. The correction of the first moment, which wears off within some 1/(1 - beta1)
    steps, is left out.

    Args:
        optimizer: torch's Adam, AdamW, NAdam, RAdam, Adamax, RMSprop, Adagrad or SGD, or inertia.torch.Momentum (any subclass that keeps
            their state), stepped at least once unless it needs no state. fused, foreach, capturable and tensor rates are read alike.
        params: the model's trainable parameters, in the order of the flat vectors of the measurement.

    Raises:
        BadInput: an optimizer that is none of these (8-bit states, Lion, Muon, Prodigy, ...), one that has not stepped, one of another
            model, settings that no run can use, or groups that differ in momentum.

    >>> model = torch.nn.Linear(2, 1)
    >>> optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
    >>> model(torch.ones(4, 2)).square().mean().backward(); optimizer.step()
    >>> in_metric(optimizer, list(model.parameters())).method.beta
    0.9
    """
    name, homes = _named(optimizer), homes_of(optimizer, params)
    used = list({id(homes[id(p)]): homes[id(p)] for p in params}.values())
    rate = number(used[0]["lr"])
    if not stepped(optimizer, params):
        raise BadInput(f"the {name} has not stepped this model yet, so it has no metric: train for some steps first, a copy will do")
    parts, own, penalties, shrink, steps, untouched = [], list[float](), list[float](), 0.0, 0, 0
    for p in params:
        group = homes[id(p)]
        denominator, speed, step = _denominator(name, optimizer.state.get(p, {}), group, p)
        steps, untouched = max(steps, step), untouched + (step < 1 and name in _SQUARES)
        parts.append(denominator)
        own.append(number(group["lr"]) * speed)
        decay = number(group.get("weight_decay", 0.0))
        decoupled = name == "AdamW" or bool(group.get("decoupled_weight_decay") or group.get("decoupled"))
        shrink = max(shrink, number(group["lr"]) * decay * decoupled)
        penalties.append(0.0 if decoupled else decay)
    lead = next((at for at, p in enumerate(params) if optimizer.state.get(p)), 0)  # the first that has a state, if any has
    alike = 2 if name == "NAdam" else 3  # its look-ahead moves with the step
    methods = {_method(name, homes[id(p)], 1.0, optimizer.state.get(p, {}))[1:alike] for p in params}
    if len(methods) > 1:
        raise BadInput(f"the parameter groups of the {name} differ in momentum, so no one Method describes it: measure one group at a time")
    method = _method(name, homes[id(params[lead])], own[lead], optimizer.state.get(params[lead], {}))
    root = torch.cat([(part / (speed / own[lead])).flatten() for part, speed in zip(parts, own, strict=True)]) ** -0.5
    each = [torch.full_like(p, weight).flatten() for p, weight in zip(params, penalties, strict=True)] if any(penalties) else None
    return InMetric(name, rate, method, root, shrink, None if each is None else torch.cat(each), steps, told_groups(used), untouched)


def homes_of(optimizer: torch.optim.Optimizer, params: Sequence[torch.Tensor]) -> dict[int, dict[str, Any]]:
    """The group of every parameter.

    Raises:
        BadInput: an optimizer of another model, settings that no run can use (however they came into a group), a learning rate of 0.

    >>> weight = torch.zeros(1)
    >>> homes_of(torch.optim.Adam([weight], lr=0.1), [weight])[id(weight)]["lr"]
    0.1
    """
    name = type(optimizer).__name__
    homes = {id(p): group for group in optimizer.param_groups for p in group["params"]}
    lost = [p for p in params if id(p) not in homes]
    if lost:
        raise BadInput(
            f"{len(lost)} of the model's {len(params)} trainable parameters are not in the {name}: it belongs to another model, or was "
            "made before the model was moved or wrapped; freeze (requires_grad=False) what it does not train"
        )
    for group in {id(homes[id(p)]): homes[id(p)] for p in params}.values():
        rate = number(group.get("lr", 1.0))
        if not (rate > 0 and math.isfinite(rate)):
            raise BadInput(f"the learning rate of a group of the {name} is {rate:g} at this point: measure where it is above 0 and finite")
        for at, beta in enumerate(group.get("betas") or (), start=1):
            if not 0 <= number(beta) < 1:
                raise BadInput(f"beta{at} of the {name} is {number(beta):g}, outside [0, 1): no run can use it; (0.9, 0.999) are usual")
        if group.get("maximize"):
            raise BadInput(f"a group of the {name} maximizes: measure the negated loss with maximize=False")
    return homes


def readable(optimizer: Any) -> bool:
    """Whether it is of a class whose state `in_metric` reads.

    >>> readable(torch.optim.Adam([torch.zeros(1)])), readable("adam")
    (True, False)
    """
    try:
        return bool(_named(optimizer))
    except BadInput:
        return False


def stepped(optimizer: torch.optim.Optimizer, params: Sequence[torch.Tensor]) -> bool:
    """Whether the optimizer needs no state for its metric, or has one of at least one of the parameters."""
    name = _named(optimizer)
    return name not in _SQUARES or any(_steps(optimizer.state.get(p, {})) >= 1 for p in params)


def told_groups(groups: Sequence[dict[str, Any]]) -> tuple[dict[str, Any], ...]:
    """The settings of each group in plain numbers, with how many parameters it holds."""
    return tuple(
        {key: _plain(group[key]) for key in _SETTINGS if key in group} | {"parameters": sum(p.numel() for p in group["params"])}
        for group in groups
    )


def _named(optimizer: Any) -> str:
    """The class of torch (or our own) that it is, or inherits from."""
    if not isinstance(optimizer, torch.optim.Optimizer):
        raise BadInput(f"optimizer of type {type(optimizer).__name__} is no torch.optim.Optimizer: pass the one that steps the model")
    for kind in type(optimizer).__mro__:
        if kind.__module__.startswith("torch.optim") and kind.__name__ in (*_SQUARES, "SGD"):
            return kind.__name__
        if kind.__module__.startswith("inertia.torch") and kind.__name__ == "Momentum":
            return kind.__name__
    raise BadInput(
        f"the state of {type(optimizer).__name__} cannot be read as a metric: that of torch's Adam, AdamW, NAdam, RAdam, Adamax, RMSprop, "
        "Adagrad and SGD can; sign methods, orthogonalised and parameter-free ones have none, only a best step length along their update"
    )


def _method(name: str, group: dict[str, Any], rate: float, state: dict[str, Any]) -> Method:
    if name in ("SGD", "Momentum"):
        beta = float(group["momentum"])
        if name == "Momentum" and not group["nesterov"]:
            return Method(rate, beta, float(group["gamma"]), float(group["delta"]))
        damped = 1 - float(group.get("dampening", 0.0)) if beta else 1.0
        return Method(rate * damped, beta, beta if group["nesterov"] else 0.0, beta if group["nesterov"] else 0.0)
    if name == "RMSprop":
        return rmsprop(rate, float(group["momentum"]))
    if name == "Adagrad":
        return adagrad(rate)
    beta1 = number(group["betas"][0])
    if name == "NAdam":
        growth = number(group["momentum_decay"])  # torch's look-ahead grows: as it is in the next step
        return nadam(rate, beta1, mu=beta1 * (1 - 0.5 * 0.96 ** ((_steps(state) + 2) * growth)))
    return adam(rate, beta1)


def _denominator(name: str, state: dict[str, Any], group: dict[str, Any], p: torch.Tensor) -> tuple[torch.Tensor, float, int]:
    """P on one parameter, what multiplies the learning rate in the next step, and how many steps it has seen."""
    if name in ("SGD", "Momentum"):
        return torch.ones_like(p), 1.0, 0
    steps, eps = _steps(state), number(group["eps"])
    if steps < 1:  # no gradient has reached it: its rows of the Hessian are zero, and P stays out of the way
        return torch.full_like(p, eps or 1.0), 1.0, 0
    squares = state[_kept(name, state, group)].detach().to(p.dtype)
    if squares.shape != p.shape:
        raise BadInput(
            f"the {name} holds a state of shape {tuple(squares.shape)} for a parameter of shape {tuple(p.shape)}: it is another's"
        )
    if name == "Adagrad":
        return squares.sqrt() + eps, 1 / (1 + steps * number(group["lr_decay"])), steps
    if name == "RMSprop":
        if group["centered"]:
            squares = squares - state["grad_avg"].detach().to(p.dtype) ** 2
        return squares.clamp(min=0).sqrt() + eps, 1.0, steps
    if name == "Adamax":
        return squares.clamp(min=eps), 1.0, steps  # eps is inside the maximum already
    corrected = 1 - number(group["betas"][1]) ** steps
    if name == "RAdam":
        rectified = _rectified(number(group["betas"][1]), steps + 1)
        if rectified is None:
            return torch.ones_like(p), 1.0, steps
        return (squares.sqrt() + eps) / math.sqrt(corrected), rectified, steps
    return (squares / corrected).sqrt() + eps, 1.0, steps


def _kept(name: str, state: dict[str, Any], group: dict[str, Any]) -> str:
    """Where the state keeps what it divides by."""
    key = "max_exp_avg_sq" if group.get("amsgrad") else _SQUARES[name]
    if key not in state:
        raise BadInput(
            f"the state of the {name} holds {', '.join(sorted(state))} and no {key}: it was made by another optimizer, or before "
            "a setting was changed"
        )
    return key


def _steps(state: dict[str, Any]) -> int:
    return int(number(state.get("step", 0)))


def _rectified(beta2: float, steps: int) -> float | None:
    """The rectification of RAdam, or None where the variance is not tractable yet (Liu et al. 2020, Algorithm 2)."""
    most = 2 / (1 - beta2) - 1
    now = most - 2 * steps * beta2**steps / (1 - beta2**steps)
    return math.sqrt((now - 4) * (now - 2) * most / ((most - 4) * (most - 2) * now)) if now > 5 else None


def number(value: Any) -> float:
    """A float from a number or a tensor.

    >>> number(torch.tensor(0.5)), number(2)
    (0.5, 2.0)
    """
    return float(value.detach()) if isinstance(value, torch.Tensor) else float(value)


def _plain(value: Any) -> Any:
    if isinstance(value, tuple | list):
        return tuple(number(one) for one in value)
    return number(value) if isinstance(value, torch.Tensor) else value

"""The metric that a torch optimizer has built up, read from its real state: Adam and its kin as momentum in that metric."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from ..core.method import Method
from ..errors import BadInput
from ..theory.adaptive import adagrad, adam, nadam, rmsprop

__all__ = ["InMetric", "in_metric"]

_ADAMS = {"Adam": "exp_avg_sq", "AdamW": "exp_avg_sq", "NAdam": "exp_avg_sq", "RAdam": "exp_avg_sq"}
_SQUARES = _ADAMS | {"RMSprop": "square_avg", "Adagrad": "sum"}


@dataclass(frozen=True, eq=False)
class InMetric:
    """An optimizer as it will step next: a Method in the metric P (its denominator, held still), and how it shrinks the parameters.

    Where parameter groups have other learning rates, their part of P is divided by the ratio to the first group's, so that one
    learning rate speaks for all.
    """

    name: str  # class of the optimizer
    learning_rate: float  # of the first group, as it stands now
    method: Method
    root: torch.Tensor  # (n,) P^(-1/2), flat, in the order of the parameters asked for
    shrink: float  # share of the parameters taken off at each step by decoupled decay
    coupled: float  # weight decay that is part of the gradient
    steps: int  # steps taken so far
    groups: tuple[dict[str, Any], ...]  # settings of each group

    @property
    def metric(self) -> torch.Tensor:
        """P itself, (n,)."""
        return self.root**-2


def in_metric(optimizer: torch.optim.Optimizer, params: Sequence[torch.Tensor]) -> InMetric:
    """Read an optimizer's state as momentum in a metric.

    Args:
        optimizer: torch's Adam, AdamW, NAdam, RAdam, RMSprop, Adagrad or SGD (any subclass that keeps their state), stepped at least once
            unless it is SGD. fused, foreach, capturable and tensor learning rates are read alike.
        params: the model's trainable parameters, in the order of the flat vectors of the measurement.

    Raises:
        BadInput: an optimizer that is none of these (8-bit states, Lion, Muon, Prodigy, ...), one that has not stepped, one of another
            model, or groups that differ in momentum.

    >>> model = torch.nn.Linear(2, 1)
    >>> optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
    >>> model(torch.ones(4, 2)).square().mean().backward(); optimizer.step()
    >>> in_metric(optimizer, list(model.parameters())).method.beta
    0.9
    """
    if not isinstance(optimizer, torch.optim.Optimizer):
        raise BadInput(f"optimizer of type {type(optimizer).__name__} is no torch.optim.Optimizer: pass the one that steps the model")
    name = _named(optimizer)
    homes = {id(p): group for group in optimizer.param_groups for p in group["params"]}
    lost = [p for p in params if id(p) not in homes]
    if lost:
        raise BadInput(
            f"{len(lost)} of the model's {len(params)} trainable parameters are not in the {name}: it belongs to another model, or was "
            "made before the model was moved or wrapped"
        )
    used = list({id(homes[id(p)]): homes[id(p)] for p in params}.values())
    first = used[0]
    rate = _number(first["lr"])
    if not rate > 0:
        raise BadInput(f"the learning rate of the {name} is {rate:g} at this point: measure where it is above 0")
    methods = {_method(name, group, 1.0)[1:] for group in used}
    if len(methods) > 1:
        raise BadInput(f"the parameter groups of the {name} differ in momentum, so no one Method describes it: measure one group at a time")
    parts, steps = [], 0
    for p in params:
        group = homes[id(p)]
        denominator, step = _denominator(name, optimizer.state.get(p, {}), group, p)
        steps = max(steps, step)
        share = _number(group["lr"]) / rate
        if not share > 0:
            raise BadInput(f"a parameter group of the {name} has learning rate {_number(group['lr']):g}: leave it out of the measurement")
        parts.append((denominator / share).flatten())
    decay, decoupled = _number(first.get("weight_decay", 0.0)), name == "AdamW" or bool(first.get("decoupled_weight_decay", False))
    told = tuple({key: value for key, value in group.items() if key != "params"} | {"parameters": len(group["params"])} for group in used)
    return InMetric(
        name, rate, _method(name, first, rate), torch.cat(parts) ** -0.5, rate * decay * decoupled, 0.0 if decoupled else decay, steps, told
    )  # fmt: skip


def _named(optimizer: torch.optim.Optimizer) -> str:
    """The class of torch that it is, or inherits from."""
    for kind in type(optimizer).__mro__:
        if kind.__module__.startswith("torch.optim") and kind.__name__ in (*_SQUARES, "SGD"):
            return kind.__name__
    raise BadInput(
        f"the state of {type(optimizer).__name__} cannot be read as a metric: that of torch's Adam, AdamW, NAdam, RAdam, RMSprop, Adagrad "
        "and SGD can; sign methods, orthogonalised and parameter-free ones have none, only a best step length along their update"
    )


def _method(name: str, group: dict[str, Any], rate: float) -> Method:
    if name == "SGD":
        beta = float(group["momentum"])
        return Method(rate, beta, beta if group["nesterov"] else 0.0, beta if group["nesterov"] else 0.0)
    if name == "RMSprop":
        return rmsprop(rate, float(group["momentum"]))
    if name == "Adagrad":
        return adagrad(rate)
    beta1 = _number(group["betas"][0])
    return nadam(rate, beta1) if name == "NAdam" and group.get("momentum_decay", 0.0) > 0 else (
        nadam(rate, beta1, mu=beta1 / 2) if name == "NAdam" else adam(rate, beta1)
    )  # fmt: skip


def _denominator(name: str, state: dict[str, Any], group: dict[str, Any], p: torch.Tensor) -> tuple[torch.Tensor, int]:
    """P on one parameter, and how many steps it has seen."""
    if name == "SGD":
        return torch.ones_like(p), 0
    key = "max_exp_avg_sq" if group.get("amsgrad") else _SQUARES[name]
    steps = int(_number(state.get("step", 0)))
    if key not in state or steps < 1:
        raise BadInput(f"the {name} has not stepped this model yet, so it has no metric: train for some steps first, a copy will do")
    squares = state[key].detach().to(p.dtype)
    if squares.shape != p.shape:
        raise BadInput(
            f"the {name} holds a state of shape {tuple(squares.shape)} for a parameter of shape {tuple(p.shape)}: it is another's"
        )
    eps = _number(group["eps"])
    if name == "Adagrad":
        return (squares.sqrt() + eps) * (1 + (steps - 1) * _number(group["lr_decay"])), steps
    if name == "RMSprop":
        if group["centered"]:
            squares = squares - state["grad_avg"].detach().to(p.dtype) ** 2
        return squares.clamp(min=0).sqrt() + eps, steps
    corrected = 1 - _number(group["betas"][1]) ** steps
    first = 1 - _number(group["betas"][0]) ** steps  # in the first steps the first moment is corrected too: it acts on the rate
    if name == "RAdam":
        rectified = _rectified(_number(group["betas"][1]), steps)
        bare = torch.ones_like(p) if rectified is None else (squares.sqrt() + eps) / (math.sqrt(corrected) * rectified)
        return bare * first, steps
    return ((squares / corrected).sqrt() + eps) * first, steps


def _rectified(beta2: float, steps: int) -> float | None:
    """The rectification of RAdam, or None where the variance is not tractable yet (Liu et al. 2020, Algorithm 2)."""
    most = 2 / (1 - beta2) - 1
    now = most - 2 * steps * beta2**steps / (1 - beta2**steps)
    return math.sqrt((now - 4) * (now - 2) * most / ((most - 4) * (most - 2) * now)) if now > 5 else None


def _number(value: Any) -> float:
    """A float from a number or a tensor."""
    return float(value.detach()) if isinstance(value, torch.Tensor) else float(value)

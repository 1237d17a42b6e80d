"""What a parameter group says: its method, its decay, and the words of torch.optim.SGD in which it may be given."""

from __future__ import annotations

import math
from typing import Any

import torch

from ..core.method import Method, checked
from ..errors import BadInput
from .update import Rule

__all__ = ["check_group", "kept_dtype", "method_of", "refuse_dampening", "refuse_positional", "rule_of", "said", "usable"]


def said(method: Any, lr: Any, momentum: Any, dampening: Any, nesterov: Any) -> Method:
    """The method given as a Method or in the words of torch.optim.SGD.

    Raises:
        BadInput: both or neither, or a number where a Method belongs: the message says what to write.
    """
    words = {"lr": lr, "momentum": momentum, "dampening": dampening, "nesterov": nesterov}
    given = {name: value for name, value in words.items() if value is not None}
    if method is None:
        if lr is None:
            raise BadInput("give a Method(alpha, beta=...), or the words of torch.optim.SGD: lr=0.1, momentum=0.9, nesterov=True")
        refuse_dampening(dampening or 0.0)
        beta = 0.0 if momentum is None else momentum
        if nesterov and momentum is None:
            raise BadInput("nesterov=True without momentum is plain gradient descent: add momentum=0.9, or leave nesterov out")
        return Method(lr, beta, beta if nesterov else 0.0)
    if not isinstance(method, tuple) or len(method) != 4:
        raise BadInput(
            f"{method!r} is not a Method: write Momentum(params, Method({_example(method)}, beta=0.9)), "
            f"or lr={_example(method)}, momentum=0.9"
        )
    if given:
        raise BadInput(
            f"a Method and {', '.join(given)} are both given: put them into the Method (lr is alpha, momentum beta, nesterov gamma = beta)"
        )
    return Method(*method)


def _example(value: Any) -> str:
    return f"{value:g}" if isinstance(value, int | float) else "0.1"


def refuse_positional(first: Any, others: tuple[Any, ...]) -> None:
    """Numbers in a row, as torch.optim.SGD takes them: which is which cannot be told from a Method's fields.

    Raises:
        BadInput: always, with the words to write.
    """
    names = ("lr", "momentum", "dampening", "weight_decay", "nesterov")
    words = ", ".join(f"{name}={value!r}" for name, value in zip(names, (first, *others), strict=False))
    raise BadInput(f"Momentum takes one Method after the parameters: write the words of torch.optim.SGD by name, Momentum(params, {words})")


def refuse_dampening(dampening: float) -> None:
    """torch's dampening is lr * (1 - dampening) from the second step on, and no method of the family at the first."""
    if dampening != 0:
        raise BadInput(
            f"dampening = {dampening:g} is a smaller learning rate from the second step on: leave it out, multiply lr by {1 - dampening:g}"
        )


def usable(method: Method) -> Method:
    """The method in plain floats; a learning rate of 0, where schedulers start and end, is allowed.

    Raises:
        BadInput: a coefficient that no run can use, a learning rate that is a tensor of several numbers.
    """
    alpha = method.alpha
    if isinstance(alpha, torch.Tensor) and alpha.numel() != 1:
        raise BadInput(f"lr is a tensor of {alpha.numel()} numbers: a group has one learning rate; use torch.tensor(0.1)")
    numbers = Method(*(value.item() if isinstance(value, torch.Tensor) else value for value in method))
    if isinstance(numbers.alpha, int | float) and numbers.alpha == 0:
        return checked(numbers._replace(alpha=1.0))._replace(alpha=0.0)
    return checked(numbers)


def method_of(group: dict[str, Any]) -> Method:
    """The group's method as its next step will read it; lr stays a tensor in a program being compiled."""
    lr, beta = group["lr"], float(group["momentum"])
    if not isinstance(lr, torch.Tensor) or not torch.compiler.is_compiling():
        lr = float(lr)
    elif lr.dim():
        lr = lr.squeeze()
    return Method(lr, beta, beta if group["nesterov"] else float(group["gamma"]), float(group["delta"]))


def rule_of(group: dict[str, Any]) -> Rule:
    """What the group does in its next step; under `nesterov`, gamma follows a scheduler's momentum."""
    if group["nesterov"]:
        group["gamma"] = group["momentum"]
    return Rule(method_of(group), float(group["weight_decay"]), group["decoupled"], group["maximize"])


def check_group(group: dict[str, Any]) -> None:
    """Refuse a group that no run can use, before anything is changed.

    Raises:
        BadInput: unusable coefficients, negative weight decay, contradictory modes.
    """
    beta = group["momentum"]
    usable(Method(group["lr"], beta, beta if group["nesterov"] else group["gamma"], group["delta"]))
    decay = float(group["weight_decay"])
    if not (decay >= 0 and math.isfinite(decay)):
        raise BadInput(f"weight_decay = {decay:g} is negative or not finite: parameters would grow; use a value >= 0")
    if sum(map(bool, (group["foreach"], group["fused"], group["flat"]))) > 1:
        raise BadInput("foreach, fused and flat are three ways to take the same step: choose one")
    if group["differentiable"] and (group["fused"] or group["flat"]):
        raise BadInput("fused and flat steps cannot be differentiated: leave them out, or leave out differentiable=True")
    dtype = group["velocity_dtype"]
    if dtype is not None and not dtype.is_floating_point:
        raise BadInput(f"velocity_dtype = {dtype} is not a floating dtype: use torch.float32")


def kept_dtype(param: torch.Tensor, group: dict[str, Any]) -> torch.dtype:
    """The dtype in which a parameter's velocity is kept."""
    return param.dtype if group["velocity_dtype"] is None or param.is_complex() else group["velocity_dtype"]

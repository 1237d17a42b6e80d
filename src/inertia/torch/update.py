"""The heart, over lists of tensors: one update in torch's three kinds of operations (loop, foreach, fused), read by every mode.

    velocity <- beta velocity + grad;   params <- params - alpha ((1 + gamma) velocity_new - gamma velocity_old)

Written without a temporary wherever the method allows: heavy ball and Nesterov (gamma = beta) make the same operations in
the same order as torch.optim.SGD; any other gamma costs one more pass. In float16 and bfloat16 parameters are rounded once
a step: what is taken from them is summed up first.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch

from ..core.method import Method

__all__ = ["HALF", "Rule", "advance", "advance_fused", "advance_loop", "advance_sparse", "fusible"]

Tensors = Sequence[torch.Tensor]
HALF = (torch.float16, torch.bfloat16)


class Rule(NamedTuple):
    """What one parameter group does in one step: a method and torch's own extras; alpha may be a tensor while compiling."""

    method: Method
    weight_decay: float = 0.0
    decoupled: bool = False
    maximize: bool = False

    @property
    def remembers(self) -> bool:
        """Whether a velocity is needed at all: plain gradient descent keeps none."""
        return self.method.beta != 0 or self.method.gamma != 0 or self.method.delta != 0


def advance(params: Tensors, grads: Tensors, velocity: Tensors | None, rule: Rule) -> None:
    """One step in place over lists of tensors, by torch's foreach operations."""
    alpha, beta, gamma, _ = rule.method
    summed = params[0].dtype in HALF or isinstance(alpha, torch.Tensor)  # one subtraction from the parameters
    if rule.maximize:
        grads = torch._foreach_neg(grads)
    if rule.weight_decay and not rule.decoupled:
        grads = torch._foreach_add(grads, params, alpha=rule.weight_decay)
    elif rule.weight_decay and not summed:
        torch._foreach_mul_(params, 1 - alpha * rule.weight_decay)
    direction, times = grads, 1.0
    if velocity is not None:
        other = gamma not in (0, beta)
        old = torch._foreach_mul(velocity, -gamma) if other and summed else None
        if other and not summed:
            torch._foreach_add_(params, velocity, alpha=alpha * gamma)
        torch._foreach_mul_(velocity, beta)
        torch._foreach_add_(velocity, grads)
        if old is not None:
            torch._foreach_add_(old, velocity, alpha=1 + gamma)
            direction = old
        elif gamma == beta and gamma != 0:  # (1 + beta) v' - beta v = g + beta v': no old velocity needed
            direction = torch._foreach_add(grads, velocity, alpha=beta)
        else:
            direction, times = velocity, 1 + gamma
    if rule.weight_decay and rule.decoupled and summed:
        direction = torch._foreach_add(direction, params, alpha=rule.weight_decay)  # times is 1 here
    if isinstance(alpha, torch.Tensor):  # stays a tensor in a compiled program: a new learning rate is no new program
        torch._foreach_add_(params, torch._foreach_mul(direction, -alpha * times))
    else:
        torch._foreach_add_(params, direction, alpha=-alpha * times)


def advance_loop(params: Tensors, grads: Tensors, velocity: Tensors | None, rule: Rule) -> None:
    """The same step one tensor at a time, in torch.optim.SGD's own operations: what autograd can follow, and half precision on the CPU."""
    alpha, beta, gamma, _ = rule.method
    for index, (param, grad) in enumerate(zip(params, grads, strict=True)):
        if rule.maximize:
            grad = -grad
        if rule.weight_decay and not rule.decoupled:
            grad = grad.add(param, alpha=rule.weight_decay)
        direction = grad
        if velocity is not None:
            v = velocity[index]
            old = v * -gamma if gamma not in (0, beta) else None
            v.mul_(beta).add_(grad)
            direction = v if gamma == 0 else grad.add(v, alpha=beta) if old is None else old.add(v, alpha=1 + gamma)
        if rule.weight_decay and rule.decoupled:
            direction = direction.add(param, alpha=rule.weight_decay)
        if isinstance(alpha, torch.Tensor):
            param.add_(direction * -alpha)
        else:
            param.add_(direction, alpha=-alpha)


def advance_sparse(param: torch.Tensor, grad: torch.Tensor, velocity: torch.Tensor | None, rule: Rule) -> None:
    """One step with a sparse gradient: plain descent touches its rows alone; momentum and decay move every row, as they should."""
    if velocity is None and not rule.weight_decay:
        param.add_(grad, alpha=rule.method.alpha if rule.maximize else -rule.method.alpha)
    else:
        advance_loop([param], [grad.to_dense()], None if velocity is None else [velocity], rule)


@functools.cache
def _fused_on(device: str) -> bool:
    """Whether this torch has the kernel there: on the CPU since 2.4."""
    key = {"cpu": "CPU", "cuda": "CUDA", "mps": "MPS", "xpu": "XPU"}.get(device)
    return key is not None and hasattr(torch, "_fused_sgd_") and torch._C._dispatch_has_kernel_for_dispatch_key("aten::_fused_sgd_", key)


def fusible(rule: Rule, dtype: torch.dtype, device: str) -> bool:
    """Whether torch's own fused kernel makes this step right, given contiguous tensors of one dtype: heavy ball and Nesterov.

    On the CPU only float32 and float64: in torch 2.13 the kernel's vector path is wrong for half precision (off by 2.8 after
    10 steps on 48 numbers), and it reads transposed tensors in the wrong order. Tests hold the cases that are used.
    """
    alpha, beta, gamma, _ = rule.method
    if gamma not in (0, beta) or (beta == 0 and rule.remembers) or isinstance(alpha, torch.Tensor):
        return False
    if rule.weight_decay and rule.decoupled and dtype in HALF:
        return False  # the parameters would be rounded twice
    return _fused_on(device) and dtype in (torch.float32, torch.float64, *(() if device == "cpu" else HALF))


def advance_fused(params: Any, grads: Any, velocity: Any, rule: Rule) -> None:
    """The same step in torch's fused kernel, one read and one write of everything; only where `fusible`."""
    alpha, beta, gamma, _ = rule.method
    if rule.weight_decay and rule.decoupled:
        torch._foreach_mul_(params, 1 - alpha * rule.weight_decay)
    torch._fused_sgd_(
        params,
        grads,
        [] if velocity is None else velocity,
        weight_decay=0.0 if rule.decoupled else rule.weight_decay,
        momentum=beta,
        lr=alpha,
        dampening=0.0,
        nesterov=gamma != 0,
        maximize=rule.maximize,
        is_first_step=False,
    )

"""The heart, over lists of tensors: one update read by every mode of the optimizer (loop, foreach, fused, flat).

    velocity <- beta velocity + grad;   params <- params - alpha ((1 + gamma) velocity_new - gamma velocity_old)

Written without a temporary wherever the method allows: heavy ball and Nesterov (gamma = beta) touch each tensor as often
as torch.optim.SGD does; any other gamma costs one more pass over the parameters.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import torch

from ..core.method import Method

__all__ = ["Rule", "advance", "advance_fused", "advance_loop", "fusible"]

Tensors = Sequence[torch.Tensor]


class Rule(NamedTuple):
    """What one parameter group does in one step: a method with plain floats and torch's own extras."""

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
    if rule.maximize:
        grads = torch._foreach_neg(grads)
    if rule.weight_decay and rule.decoupled:
        torch._foreach_mul_(params, 1 - alpha * rule.weight_decay)
    elif rule.weight_decay:
        grads = torch._foreach_add(grads, params, alpha=rule.weight_decay)
    if velocity is None:
        torch._foreach_add_(params, grads, alpha=-alpha)
        return
    if gamma not in (0, beta):
        torch._foreach_add_(params, velocity, alpha=alpha * gamma)
    torch._foreach_mul_(velocity, beta)
    torch._foreach_add_(velocity, grads)
    if gamma == beta and gamma != 0:  # (1 + beta) v' - beta v = g + beta v': no old velocity needed
        torch._foreach_add_(params, grads, alpha=-alpha)
        torch._foreach_add_(params, velocity, alpha=-alpha * beta)
    else:
        torch._foreach_add_(params, velocity, alpha=-alpha * (1 + gamma))


def advance_loop(params: Tensors, grads: Tensors, velocity: Tensors | None, rule: Rule) -> None:
    """The same step one tensor at a time: least memory for temporaries, slowest on many small tensors."""
    for index, (param, grad) in enumerate(zip(params, grads, strict=True)):
        advance([param], [grad], None if velocity is None else [velocity[index]], rule)


def fusible(rule: Rule, tensors: Iterable[torch.Tensor]) -> bool:
    """Whether torch's own fused kernel makes this step right: heavy ball or Nesterov on contiguous tensors of one dtype.

    On the CPU only float32 and float64: in torch 2.13 the kernel's vector path is wrong for half precision (off by 2.8 after
    10 steps on 48 numbers), and it reads transposed tensors in the wrong order. Tests hold the cases that are used.
    """
    _, beta, gamma, _ = rule.method
    if gamma not in (0, beta) or (beta == 0 and rule.remembers):
        return False
    kinds = {(tensor.dtype, tensor.device.type, tensor.is_contiguous()) for tensor in tensors}
    (dtype, device, contiguous), *others = kinds
    return not others and contiguous and dtype.is_floating_point and (device != "cpu" or dtype in (torch.float32, torch.float64))


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

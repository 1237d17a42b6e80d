"""Many small tensors as one large one: parameters, gradients and velocity of a group in three contiguous buffers.

A step over a thousand tensors costs a thousand times the overhead of one; over one buffer it costs what memory costs.
What it asks of you: parameters keep their values, shapes and identity, but their storage moves into the buffer when the
optimizer is made (before or after wrapping in DDP). Gradients live in the buffer from the first step on as long as they
are zeroed, not dropped: `optimizer.zero_grad(set_to_none=False)`. Dropped gradients (`set_to_none=True`, torch's default)
are copied in at the next step: one more read and write of the gradients there, against one more read and write in the
backward pass when they are kept. A parameter without a gradient is left alone, as in torch. Heavy ball and Nesterov take one
pass of torch's fused kernel (read three buffers, write two); any other gamma reads two and writes one more.

Finding out whether every gradient and parameter is still at home costs about 0.1 us per tensor. So three cheap signs are
read first (how many tensors share each buffer, how often the gradients were written), and everything is looked at when
one moved and at least every 64 steps. A parameter re-assigned by `p.data = ...` is refused with the remedy.
"""

from __future__ import annotations

import itertools
import math
import operator
from collections.abc import Sequence
from typing import Any

import torch

from ..core.method import Method
from ..errors import BadInput
from .update import Rule, advance, advance_fused, fusible

__all__ = ["Bucket"]

ALIGN = 64  # bytes: where each parameter starts, so that other kernels find it aligned
LOOK = 64  # steps between two full looks
VELOCITY = "momentum_buffer"

_use_count = getattr(torch._C, "_storage_Use_Count", None)
_address = torch.Tensor.data_ptr
_gradient = operator.attrgetter("grad")


class Bucket:
    """The parameters of one group, dtype and device, re-homed as views of one buffer."""

    @torch.no_grad()
    def __init__(self, params: Sequence[torch.Tensor], velocity_dtype: torch.dtype, state: Any) -> None:
        _refuse_shared(params)
        self.params = list(params)
        pad = max(1, ALIGN // params[0].element_size())
        # dense layouts (transposed, channels last) are kept; others become contiguous
        self.strides = [torch.empty_like(p, device="meta").stride() for p in self.params]
        self.starts, total = [], 0
        for p in self.params:
            self.starts.append(total)
            total += math.ceil(p.numel() / pad) * pad
        self.stops = [*self.starts[1:], total]
        self.flat = torch.zeros(total, dtype=params[0].dtype, device=params[0].device)
        self.grad = torch.zeros_like(self.flat)
        self.velocity: torch.Tensor | None = None
        self.velocity_homes: list[int] = []
        self.velocity_dtype = velocity_dtype
        for index, p in enumerate(self.params):
            home = self._view(self.flat, index)
            home.copy_(p)
            p.data = home
        self.homes = [p.data_ptr() for p in self.params]
        self.grad_homes = [self._view(self.grad, index).data_ptr() for index in range(len(self.params))]
        self.runs: list[tuple[int, int]] = []
        self.age, self.seen = LOOK, -1
        self.signs: tuple[int, ...] | None = None
        if any(state[p].get(VELOCITY) is not None for p in self.params if p in state):
            self._remember(state)

    def _view(self, buffer: torch.Tensor, index: int) -> torch.Tensor:
        p = self.params[index]
        return buffer.as_strided(p.shape, self.strides[index], buffer.storage_offset() + self.starts[index])

    def _remember(self, state: Any) -> torch.Tensor:
        """Give every parameter its part of one velocity buffer, with the values it had."""
        buffer = torch.zeros_like(self.flat, dtype=self.velocity_dtype)
        for index, p in enumerate(self.params):
            home = self._view(buffer, index)
            old = state[p].get(VELOCITY)
            if old is not None:
                home.copy_(old)
            state[p][VELOCITY] = home
        self.velocity = buffer
        self.velocity_homes = [state[p][VELOCITY].data_ptr() for p in self.params]
        return buffer

    def step(self, rule: Rule, state: Any) -> None:
        """One step of the whole bucket: one fused operation where every parameter has its gradient at home."""
        if self.velocity is None and rule.remembers:
            self._remember(state)
        if not self._quiet(state):
            self._look(state)
        self.age += 1
        velocity = self.velocity if rule.remembers else None
        if self.runs:
            buffers = [_real(b) for b in (self.flat, self.grad, velocity) if b is not None]
            scale = buffers[0].numel() // self.flat.numel()
            if self.runs == [(0, self.flat.numel())]:
                pieces = [[b] for b in buffers]
            else:
                pieces = [[b[scale * start : scale * stop] for start, stop in self.runs] for b in buffers]
            _advance(pieces, rule)
        self.seen = self.grad._version

    def _quiet(self, state: Any) -> bool:
        """Whether the cheap signs say that nothing moved since the last full look."""
        written = self.grad._version - self.seen
        whole = self.age < LOOK and written > 0 and written % len(self.params) == 0
        return whole and self.signs is not None and self.signs == self._signs(state)

    def _signs(self, state: Any) -> tuple[int, ...] | None:
        """How many velocities are kept, and how many tensors share each buffer; None where torch does not tell."""
        if _use_count is None:
            return None
        buffers = (self.flat, self.grad) if self.velocity is None else (self.flat, self.grad, self.velocity)
        return (len(state), *[_use_count(b.untyped_storage()._cdata) for b in buffers])

    def _look(self, state: Any) -> None:
        """Look at every parameter: refuse moved ones, bring gradients and velocities home, note who has a gradient."""
        places = list(map(_address, self.params))
        if places != self.homes:
            index = next(k for k, (place, home) in enumerate(zip(places, self.homes, strict=True)) if place != home)
            raise BadInput(
                f"parameter {index} of a flat group (shape {tuple(self.params[index].shape)}) was re-assigned, so the flat buffer "
                "no longer is the model: change values in place (p.data.copy_(...)), or call optimizer.rehome() after re-assigning"
            )
        grads = list(map(_gradient, self.params))
        if not _at_home(grads, self.grad_homes):
            self._bring(grads)
        if self.velocity is not None:
            self._keep_velocity(state, self.velocity)
        have = [grad is not None for grad in grads]
        self.runs = _runs(have, self.starts, self.stops)
        self.age = 0
        self.signs = self._signs(state) if all(have) else None

    def _bring(self, grads: Sequence[torch.Tensor | None]) -> None:
        """Copy gradients that live elsewhere into the buffer, and let the parameters hold them there."""
        sources, homes = [], []
        for index, (p, grad) in enumerate(zip(self.params, grads, strict=True)):
            if grad is not None and grad.layout != torch.strided:
                raise BadInput(f"the gradient of parameter {index} is sparse and a flat buffer is dense: use Embedding(sparse=False)")
            if grad is not None and grad.data_ptr() != self.grad_homes[index]:
                homes.append(self._view(self.grad, index))
                sources.append(grad)
                p.grad = homes[-1]
        if sources:
            torch._foreach_copy_(homes, sources)

    def _keep_velocity(self, state: Any, velocity: torch.Tensor) -> None:
        """Velocities that the user replaced or removed are read again."""
        held = [state[p].get(VELOCITY) for p in self.params]
        if _at_home(held, self.velocity_homes):
            return
        for index, (p, own) in enumerate(zip(self.params, held, strict=True)):
            if own is None or own.data_ptr() != self.velocity_homes[index]:
                home = self._view(velocity, index)
                home.zero_() if own is None else home.copy_(own)
                state[p][VELOCITY] = home


def _at_home(tensors: Sequence[Any], homes: list[int]) -> bool:
    try:
        return list(map(_address, tensors)) == homes
    except (TypeError, RuntimeError):  # None, or a sparse tensor, has no address
        return False


def _advance(pieces: list[list[torch.Tensor]], rule: Rule) -> None:
    """torch's kernel in one pass; for other gammas a move to the hidden iterate first, then heavy ball from there."""
    params, grads, velocity = pieces[0], pieces[1], pieces[2] if len(pieces) > 2 else None
    alpha, beta, gamma, delta = rule.method
    from_hidden = rule._replace(method=Method(alpha * (1 + gamma), beta, 0.0, delta))
    if fusible(rule, itertools.chain(*pieces)):
        advance_fused(params, grads, velocity, rule)
    elif velocity is not None and beta != 0 and not rule.weight_decay and fusible(from_hidden, itertools.chain(*pieces)):
        torch._foreach_add_(params, velocity, alpha=alpha * gamma)
        advance_fused(params, grads, velocity, from_hidden)
    else:
        advance(params, grads, velocity, rule)


def _runs(have: list[bool], starts: list[int], stops: list[int]) -> list[tuple[int, int]]:
    """The stretches of the buffer whose parameters have a gradient, neighbours joined."""
    runs: list[tuple[int, int]] = []
    for present, start, stop in zip(have, starts, stops, strict=True):
        if present and start != stop:
            if runs and runs[-1][1] == start:
                runs[-1] = (runs[-1][0], stop)
            else:
                runs.append((start, stop))
    return runs


def _refuse_shared(params: Sequence[torch.Tensor]) -> None:
    for index, p in enumerate(params):
        if p.layout != torch.strided:
            raise BadInput(f"parameter {index} has layout {p.layout}: a flat buffer holds dense tensors only; use flat=False")
        if p.is_shared() and p.device.type == "cpu":
            raise BadInput(f"parameter {index} is shared with other processes, and moving it would cut them off: use flat=False")
    spans = sorted((p.data_ptr(), index) for index, p in enumerate(params) if p.numel())
    for (begin, index), (following, other) in itertools.pairwise(spans):
        p = params[index]
        last = sum((size - 1) * stride for size, stride in zip(p.shape, p.stride(), strict=True)) * p.element_size()
        if following <= begin + last:
            raise BadInput(
                f"parameters {min(index, other)} and {max(index, other)} share memory, and moving them into one buffer would untie them: "
                "pass the tied parameter once, or use flat=False"
            )


def _real(buffer: torch.Tensor) -> torch.Tensor:
    return torch.view_as_real(buffer).flatten() if buffer.is_complex() else buffer

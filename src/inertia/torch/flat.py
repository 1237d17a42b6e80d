"""Many small tensors as one large one: parameters, gradients and velocity of a group in three contiguous buffers.

A step over a thousand tensors costs a thousand times the overhead of one; over one buffer it costs what memory costs, and
0.4 us per tensor for finding out that every tensor is still at home.

Parameters keep their values, shapes and identity, but their memory moves into the buffer when the optimizer is made (before
or after wrapping in DDP). Each has a storage of its own size there, so a saved part of a model holds that part only.
Gradients that survive a step (`zero_grad(set_to_none=False)`) move in as well; dropped ones (torch's default) are copied at
every step. A home is only used while nobody else holds the tensor that lives there: whatever has left home, is held by
somebody, or was exchanged with another (`p.grad = ...`, `p.data = ...`, a replaced velocity) is stepped where it is, one
tensor at a time, exactly as torch.optim.SGD would. Heavy ball and Nesterov take one pass of torch's fused kernel (read
three buffers, write two); any other gamma reads two and writes one more.
"""

from __future__ import annotations

import functools
import itertools
import math
import operator
from collections.abc import Sequence
from typing import Any

import torch

from ..core.method import Method
from ..errors import BadInput
from .update import HALF, Rule, advance, advance_fused, advance_loop, advance_sparse, fusible

__all__ = ["VELOCITY", "Bucket"]

ALIGN = 64  # bytes: where each parameter starts, so that other kernels find it aligned
VELOCITY = "momentum_buffer"  # torch.optim.SGD's name

_address = torch.Tensor.data_ptr
_gradient = operator.attrgetter("grad")
_velocity = operator.itemgetter(VELOCITY)
_use_count = getattr(torch._C, "_storage_Use_Count", None)


def _stamped(tensors: Any) -> None:
    """Their versions counted up: all in one call where this torch takes many."""
    if _many():
        torch.autograd.graph.increment_version(tensors)
        return
    for one in tensors:
        torch.autograd.graph.increment_version(one)


@functools.cache
def _many() -> bool:
    try:
        torch.autograd.graph.increment_version([])
    except RuntimeError:
        return False
    return True


class Home:
    """One buffer with a place for every parameter; each place is a tensor with a storage of its own size."""

    def __init__(self, shapes: Sequence[tuple[Any, ...]], strides: Sequence[tuple[int, ...]], starts: Sequence[int], buffer: torch.Tensor):
        self.buffer = buffer
        views = (buffer.as_strided(*row) for row in zip(shapes, strides, starts, strict=True))
        self.places = [_apart(view) for view in views]
        self.addresses = list(map(_address, self.places))
        self.wide = [index for index, shape in enumerate(shapes) if sum(size > 1 for size in shape) > 1]  # may be transposed
        self.strides = [strides[index] for index in self.wide]

    def holds(self, tensors: Sequence[torch.Tensor]) -> bool:
        """Whether these are the tensors at home, each in its place; None and sparse tensors are not."""
        try:
            return list(map(_address, tensors)) == self.addresses and [tensors[k].stride() for k in self.wide] == self.strides
        except (TypeError, RuntimeError):  # None, or a sparse tensor, has no address
            return False

    def has(self, index: int, tensor: torch.Tensor) -> bool:
        """Whether this one is in its place."""
        place = self.places[index]
        return tensor.layout == torch.strided and tensor.data_ptr() == place.data_ptr() and tensor.stride() == place.stride()

    def takes(self, index: int, tensor: torch.Tensor) -> bool:
        """Whether the tensor may be copied into its place: it fits, and nobody holds what lived there."""
        place = self.places[index]
        return tensor.shape == place.shape and tensor.dtype == place.dtype and tensor.device == place.device and _alone(place)

    def adopt(self, index: int, tensor: torch.Tensor) -> bool:
        """Move a tensor that nobody shares into its place; it stays the same object."""
        if tensor.layout != torch.strided or not self.takes(index, tensor) or not _alone(tensor):
            return False
        if tensor.numel() and not tensor.untyped_storage().resizable():  # memory of numpy, dlpack or another place
            return False
        self.places[index].copy_(tensor)
        tensor.data = self.places[index]
        return True


class Bucket:
    """The parameters of one group, dtype and device, stepped as one buffer."""

    @torch.no_grad()
    def __init__(self, params: Sequence[torch.Tensor], velocity_dtype: torch.dtype, state: Any) -> None:
        _refuse_shared(params)
        self.params = list(params)
        pad = max(1, ALIGN // params[0].element_size())
        # dense layouts (transposed, channels last) are kept; others become contiguous
        self.strides = [torch.empty_like(p, device="meta").stride() for p in self.params]
        sizes = [math.ceil(p.numel() / pad) * pad for p in self.params]
        *self.starts, self.total = itertools.accumulate(sizes, initial=0)
        self.stops = [*self.starts[1:], self.total]
        self.velocity_dtype = velocity_dtype
        self.value = self._home(params[0].dtype)
        self.grad = self._home(params[0].dtype)
        self.velocity: Home | None = None
        for place, p in zip(self.value.places, self.params, strict=True):
            place.copy_(p)
            p.data = place
        self.seen: list[tuple[int, int]] = [(0, 0)] * len(self.params)  # address and version of gradients last copied
        if any(state[p].get(VELOCITY) is not None for p in self.params if p in state):
            self._remember(state)

    def _home(self, dtype: torch.dtype) -> Home:
        buffer = torch.zeros(self.total, dtype=dtype, device=self.params[0].device)
        return Home([p.shape for p in self.params], self.strides, self.starts, buffer)

    def _remember(self, state: Any) -> None:
        """Give every parameter a place in one velocity buffer, with the value it had."""
        self.velocity = self._home(self.velocity_dtype)
        for index, p in enumerate(self.params):
            held, place = state[p].get(VELOCITY), self.velocity.places[index]
            if held is None:
                state[p][VELOCITY] = place.detach()
            elif not self.velocity.adopt(index, held):
                place.copy_(held)
                state[p][VELOCITY] = place.detach()

    @torch.compiler.disable
    def step(self, rule: Rule, state: Any) -> bool:
        """One step: the stretches at home in one operation, the others where they are. False when nothing is at home any more."""
        if self.velocity is None and rule.remembers:
            self._remember(state)
        velocity = self.velocity if rule.remembers else None
        at_home: list[bool] | None = None
        guests: list[int] = []
        if not self._all_at_home(velocity, state):
            at_home, guests = self._settle(velocity, state)
        homes = [home for home in (self.value, self.grad, velocity) if home is not None]
        if len(guests) < len(self.params) and self.total:
            self._step_home(homes, at_home, rule)
        for index in guests:
            p = self.params[index]
            _advance_guest(p, None if velocity is None else _kept_velocity(p, state, self.velocity_dtype), rule)
        return len(guests) < len(self.params) or not self._left()

    def _step_home(self, homes: list[Home], at_home: list[bool] | None, rule: Rule) -> None:
        """Step what is at home (None: everything) in one operation."""
        runs = [(0, self.total)] if at_home is None else _runs(at_home, self.starts, self.stops)
        stepped = self.params if at_home is None else list(itertools.compress(self.params, at_home))
        if not runs:
            return
        if self.value.buffer.dtype in HALF and self.value.buffer.device.type == "cpu":
            # one by one: torch's CPU kernels round the end of a half-precision tensor otherwise than its middle
            places = [list(itertools.compress(home.places, at_home or itertools.repeat(True))) for home in homes]
            advance_loop(places[0], places[1], places[2] if len(places) > 2 else None, rule)
        else:
            buffers = [_real(home.buffer) for home in homes]
            scale = buffers[0].numel() // self.total
            _advance([[b[scale * start : scale * stop] for start, stop in runs] for b in buffers], rule)
        # so that autograd sees what a later backward may not use; inference tensors have no later backward
        _stamped([p for p in stepped if not p.is_inference()] if torch.is_inference_mode_enabled() else stepped)

    def _all_at_home(self, velocity: Home | None, state: Any) -> bool:
        """Whether every parameter, gradient and velocity is in its place: the quick answer, at every step."""
        if not self.value.holds(self.params) or not self.grad.holds(list(map(_gradient, self.params))):
            return False
        if velocity is None:
            return True
        try:
            rows = state.values() if len(state) == len(self.params) else [state[p] for p in self.params]
            return velocity.holds(list(map(_velocity, rows)))
        except KeyError:
            return False

    def _settle(self, velocity: Home | None, state: Any) -> tuple[list[bool], list[int]]:
        """Bring home what may come; which parameters to step at home, and which where they are."""
        at_home, guests = [], []
        sources: list[torch.Tensor] = []
        places: list[torch.Tensor] = []
        for index, p in enumerate(self.params):
            grad = p.grad
            settled = grad is not None and self._settled(index, p, velocity, state)
            if grad is not None and settled and not self.grad.has(index, grad):
                if not self.grad.takes(index, grad):
                    settled = False
                elif not (self._stayed(index, grad) and self.grad.adopt(index, grad)):
                    sources.append(grad if grad.layout == torch.strided else grad.to_dense())
                    places.append(self.grad.places[index])
            at_home.append(settled)
            if grad is not None and not settled:
                guests.append(index)
        if sources:
            torch._foreach_copy_(places, sources)
        return at_home, guests

    def _settled(self, index: int, p: torch.Tensor, velocity: Home | None, state: Any) -> bool:
        """Whether parameter and velocity are at home, or could be brought there."""
        if not self.value.has(index, p) and not self.value.adopt(index, p):
            return False
        if velocity is None:
            return True
        held = state[p].get(VELOCITY)
        if held is None and _alone(velocity.places[index]):
            state[p][VELOCITY] = velocity.places[index].zero_().detach()
            return True
        return held is not None and (velocity.has(index, held) or velocity.adopt(index, held))

    def _stayed(self, index: int, grad: torch.Tensor) -> bool:
        """Whether this gradient was here at the last step and has been written since: then it is kept, not dropped."""
        if grad.layout != torch.strided or grad.is_inference():  # without a version
            return False
        (address, version), now = self.seen[index], (grad.data_ptr(), grad._version)
        self.seen[index] = now
        return now[0] == address and now[1] > version

    def _left(self) -> bool:
        """Whether the model moved to another dtype or device."""
        like = self.value.buffer
        return all(p.dtype != like.dtype or p.device != like.device for p in self.params)


def _advance_guest(p: torch.Tensor, velocity: torch.Tensor | None, rule: Rule) -> None:
    if p.grad is not None and p.grad.layout != torch.strided:
        advance_sparse(p, p.grad, velocity, rule)
    elif p.grad is not None:
        advance_loop([p], [p.grad], None if velocity is None else [velocity], rule)


def _kept_velocity(p: torch.Tensor, state: Any, dtype: torch.dtype) -> torch.Tensor:
    if state[p].get(VELOCITY) is None:
        state[p][VELOCITY] = torch.zeros_like(p, dtype=dtype, memory_format=torch.preserve_format)
    return state[p][VELOCITY]


def _advance(pieces: list[list[torch.Tensor]], rule: Rule) -> None:
    """torch's kernel in one pass; for other gammas a move to the hidden iterate first, then heavy ball from there."""
    params, grads, velocity = pieces[0], pieces[1], pieces[2] if len(pieces) > 2 else None
    alpha, beta, gamma, delta = rule.method
    dtype, device = params[0].dtype, params[0].device.type
    same = velocity is None or velocity[0].dtype == dtype
    from_hidden = rule._replace(method=Method(alpha * (1 + gamma), beta, 0.0, delta))
    if same and fusible(rule, dtype, device):
        advance_fused(params, grads, velocity, rule)
    elif (
        same and velocity is not None and beta != 0 and not rule.weight_decay and dtype not in HALF and fusible(from_hidden, dtype, device)
    ):
        torch._foreach_add_(params, velocity, alpha=alpha * gamma)
        advance_fused(params, grads, velocity, from_hidden)
    else:
        advance(params, grads, velocity, rule)


def _runs(have: list[bool], starts: list[int], stops: list[int]) -> list[tuple[int, int]]:
    """The stretches of the buffer whose parameters are stepped, neighbours joined."""
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


def _apart(view: torch.Tensor) -> torch.Tensor:
    """The same memory with a storage of its own size, so that saving it does not save the whole buffer."""
    if not view.numel() or view.device.type not in ("cpu", "cuda"):
        return view
    return torch.from_dlpack(view)


def _alone(tensor: torch.Tensor) -> bool:
    """Whether no other tensor (nor numpy array) uses this one's memory."""
    return tensor.numel() == 0 or (_use_count is not None and _use_count(tensor.untyped_storage()._cdata) == _ALONE)


_SINGLE = torch.zeros(1)
_ALONE = 0 if _use_count is None else _use_count(_SINGLE.untyped_storage()._cdata)


def _real(buffer: torch.Tensor) -> torch.Tensor:
    return torch.view_as_real(buffer).flatten() if buffer.is_complex() else buffer

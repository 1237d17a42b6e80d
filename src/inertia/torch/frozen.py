"""While a model is measured its loss must be one function, and afterwards nothing may have moved.

Inside `frozen` every forward pass starts from the same buffers and the same random state; at the end parameters, buffers,
gradients, modes and random states are exactly what they were.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np
import torch
from torch import nn

from ..errors import BadInput
from .batches import seed_everything

__all__ = ["Frozen", "alone", "displaced", "frozen", "in_mode", "trainable"]

_TURN = threading.RLock()

HALVES = {torch.float16, torch.bfloat16}
NORMS = nn.modules.batchnorm._BatchNorm
DROPOUTS = nn.modules.dropout._DropoutNd


def trainable(model: nn.Module) -> list[nn.Parameter]:
    """The parameters that require a gradient, each once.

    Raises:
        BadInput: there are none, or some are complex.
    """
    named = [(name, p) for name, p in model.named_parameters() if p.requires_grad]
    for name, p in named:
        if p.is_complex():
            raise BadInput(
                f"parameter '{name}' is {str(p.dtype).removeprefix('torch.')}: curvature is along real numbers; make it a real parameter "
                "with torch.view_as_real and let forward call torch.view_as_complex"
            )
    found = [p for _, p in named]
    if not found:
        raise BadInput("the model has no trainable parameter: curvature is measured along those with requires_grad=True")
    return found


class Frozen:
    """The handle inside `frozen`: call `rewind` before each forward pass."""

    def __init__(self, model: nn.Module, seed: int, beside: Any = None) -> None:
        self.model, self.seed = model, seed
        self.beside = [beside] if isinstance(beside, nn.Module) else []  # a loss with buffers of its own
        self.wide = any(p.dtype in HALVES for p in model.parameters())
        self.buffers: list[_Buffer] = []
        self.still: list[_Still] = []
        self.drops = any(isinstance(m, DROPOUTS) and m.training and m.p > 0 for m in model.modules())
        self.report = _report(model)
        if self.wide:
            self.report.append("half-precision parameters and buffers: measured in float32")

    def remember(self) -> None:
        """Take the buffers as they are now for what every forward pass starts from."""
        homes = ((module, name) for whole in (self.model, *self.beside) for module in whole.modules() for name in module._buffers)
        self.buffers = [_Buffer(module, name, value) for module, name in homes if (value := module._buffers[name]) is not None]
        for buffer in self.buffers:
            buffer.lend()  # what is asked of the loss before the first pass may write, too
        self.still = [_Still(p) for p in _small([p for p in self.model.parameters() if not p.requires_grad], self.model)]

    def rewind(self, index: int) -> None:
        """Buffers and random state as at the start, for the index-th batch."""
        for buffer in self.buffers:
            buffer.renew()
        for parameter in self.still:
            parameter.renew()
        seed_everything(self.seed + 1000 * index)

    def restore(self) -> None:
        """Every buffer's original object in its place, and every frozen parameter at its value."""
        for buffer in self.buffers:
            buffer.restore()
        for parameter in self.still:
            parameter.restore()


class _Buffer:
    """One buffer: a forward pass that writes gets a copy to write to, so the original and kept graphs stay as they are."""

    def __init__(self, module: nn.Module, name: str, original: torch.Tensor) -> None:
        self.module, self.name, self.original = module, name, original
        self.moves: bool | None = None  # not known before the first forward pass
        self.begun = False

    def lend(self) -> None:
        """A copy in its place, before the first pass."""
        self.module._buffers[self.name] = self.original.clone()

    def renew(self) -> None:
        """A fresh copy, unless the last pass has shown that nothing is written."""
        if self.moves is None and self.module._buffers[self.name] is not self.original:
            moved = not torch.equal(self.module._buffers[self.name], self.original)  # type: ignore[arg-type]
            self.moves = True if moved else False if self.begun else None
        self.begun = True
        self.module._buffers[self.name] = self.original if self.moves is False else self.original.clone()

    def restore(self) -> None:
        """The original object in its place."""
        self.module._buffers[self.name] = self.original


class _Still:
    """A parameter without a gradient, which a forward pass may write all the same: a codebook, Keras's moving statistics."""

    def __init__(self, parameter: torch.Tensor) -> None:
        self.parameter, self.value = parameter, parameter.detach().clone()
        self.moves: bool | None = None  # not known before the first forward pass
        self.begun = False

    def renew(self) -> None:
        """As it was, unless the first pass has shown that nothing is written."""
        if self.moves is None and not self._same():  # also what was asked of the loss before the first pass
            self.moves = True
        elif self.moves is None and self.begun:
            self.moves = False
        if self.moves:
            self.parameter.data.copy_(self.value)
        self.begun = True

    def restore(self) -> None:
        """As it was; written past the graphs that hold it."""
        if self.moves is not False and not self._same():
            self.parameter.data.copy_(self.value)

    def _same(self) -> bool:
        return torch.equal(self.parameter.detach(), self.value)


def _small(stills: Sequence[torch.Tensor], model: nn.Module) -> list[torch.Tensor]:
    """Those whose copies take, from the smallest on, no more than one vector of the trainable parameters."""
    left = sum(p.numel() for p in model.parameters() if p.requires_grad)
    found = []
    for p in sorted(stills, key=torch.numel):
        left -= p.numel()
        if left < 0:
            break
        found.append(p)
    return found


@contextmanager
def displaced(params: Sequence[torch.Tensor], by: Sequence[torch.Tensor], scale: float = 1.0) -> Iterator[None]:
    """The parameters moved by scale times these, and back."""
    saved = [p.detach().clone() for p in params]
    try:
        with torch.no_grad():
            for p, value, piece in zip(params, saved, by, strict=True):
                p.copy_(value).add_(piece, alpha=scale)
        yield
    finally:
        with torch.no_grad():
            for p, value in zip(params, saved, strict=True):
                p.copy_(value)


@contextmanager
def alone() -> Iterator[None]:
    """Random states as before at the end; they belong to the whole process, so threads that seed them take turns."""
    with _TURN:
        before = _random_state()
        try:
            yield
        finally:
            _restore_random(before)


@contextmanager
def in_mode(model: nn.Module, mode: str | None) -> Iterator[None]:
    """The model in "train" or "eval" mode (None: each module as it is), and every module's own mode back at the end.

    >>> model = nn.Linear(1, 1)
    >>> with in_mode(model, "eval"):
    ...     model.training
    False
    >>> model.training
    True
    """
    modes = [(module, module.training) for module in model.modules()]
    try:
        if mode is not None:
            model.train(mode == "train")
        yield
    finally:
        for module, training in modes:
            module.training = training


@contextmanager
def frozen(model: nn.Module, mode: str | None, seed: int, beside: Any = None) -> Iterator[Frozen]:
    """Freeze the model (in train or eval mode, or as it is) and put everything back at the end, also after an error.

    `beside` is a loss: where it is a module, its buffers are kept as the model's are.

    Raises:
        BadInput: an unknown mode.
    """
    if mode not in {None, "train", "eval"}:
        raise BadInput(f"mode = {mode!r} is not one of 'train', 'eval' or None (each module as it is)")
    with ExitStack() as stack:
        stack.enter_context(alone())
        stack.enter_context(in_mode(model, mode))
        handle = Frozen(model, seed, beside)
        if handle.wide:
            stack.callback(_restore_data, _widen(model))
        handle.remember()
        stack.callback(handle.restore)
        stack.enter_context(torch.inference_mode(False))
        stack.enter_context(torch.enable_grad())
        if handle.wide:
            stack.enter_context(torch.autocast(next(model.parameters()).device.type, enabled=False))
        yield handle


def _widen(model: nn.Module) -> list[tuple[Any, str, Any, torch.Tensor, Any]]:
    """Give half-precision parameters and buffers float32 copies; return what undoes it."""
    undo: list[tuple[Any, str, Any, torch.Tensor, Any]] = []
    for module in model.modules():
        for parameter in module._parameters.values():
            if parameter is not None and parameter.dtype in HALVES:
                undo.append((module, "", parameter, parameter.data, parameter.grad))
                parameter.grad = None
                parameter.data = parameter.data.float()
        for name, buffer in module._buffers.items():
            if buffer is not None and buffer.dtype in HALVES:
                undo.append((module, name, None, buffer, None))
                module._buffers[name] = buffer.float()
    return undo


def _restore_data(undo: list[tuple[Any, str, Any, torch.Tensor, Any]]) -> None:
    for module, name, parameter, data, grad in undo:
        if parameter is None:
            module._buffers[name] = data
        else:
            parameter.data = data
            parameter.grad = grad


def _random_state() -> tuple[Any, ...]:
    cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_available() and torch.cuda.is_initialized() else None
    return torch.get_rng_state(), cuda, random.getstate(), np.random.get_state()  # noqa: NPY002


def _restore_random(state: tuple[Any, ...]) -> None:
    torch.set_rng_state(state[0])
    if state[1] is not None:
        torch.cuda.set_rng_state_all(state[1])
    random.setstate(state[2])
    np.random.set_state(state[3])  # noqa: NPY002


def _report(model: nn.Module) -> list[str]:
    """What is random or moving in the model as it stands, and what was done about it."""
    norms = [m for m in model.modules() if isinstance(m, NORMS)]
    batch = [m for m in norms if m.training or not m.track_running_stats]
    drops = [m for m in model.modules() if isinstance(m, DROPOUTS) and m.training and m.p > 0]
    said = []
    if batch:
        said.append(f"{len(batch)} batch norms in train mode: statistics of each batch; running statistics put back")
    if len(norms) > len(batch):
        said.append(f"{len(norms) - len(batch)} batch norms in eval mode: running statistics")
    if drops:
        said.append(f"{len(drops)} dropouts in train mode: one fixed mask per batch")
    return said

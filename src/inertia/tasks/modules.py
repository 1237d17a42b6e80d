"""The built-in networks that also exist in PyTorch: the same shapes on the same data as `networks`, as ordinary modules."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from ..torch.frozen import alone
from .arrays import digits_split

__all__ = ["MODULES", "TorchNetwork", "module"]


@dataclass(frozen=True, eq=False)
class TorchNetwork:
    """A training job in torch: a model factory, a loss of (output, target), and the examples."""

    name: str
    build: Callable[[int], nn.Module]  # seed -> a fresh model, in train mode
    loss: Callable[[Any, Any], Any]
    data: tuple[Any, Any]
    validation: tuple[Any, Any]
    batch_size: int
    steps: int
    about: str


def _halving() -> nn.Module:
    return nn.AvgPool2d(2)


def _mlp() -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 96), nn.ReLU(), nn.Linear(96, 96), nn.ReLU(), nn.Linear(96, 10))


def _cnn() -> nn.Module:
    one, two = nn.Conv2d(1, 12, 3, padding=1), nn.Conv2d(12, 24, 3, padding=1)
    return nn.Sequential(one, nn.ReLU(), _halving(), two, nn.ReLU(), _halving(), nn.Flatten(), nn.Linear(96, 10))


class Residual(nn.Module):
    """relu(x + norm(conv(relu(norm(conv(x)))))), then half the width."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.inner = nn.Sequential(
            nn.Conv2d(channels, channels, 3, padding=1),
            nn.BatchNorm2d(channels),
            nn.ReLU(),
            nn.Conv2d(channels, channels, 3, padding=1),
            nn.BatchNorm2d(channels),
        )
        self.pool = _halving()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The block's output."""
        return self.pool(torch.relu(x + self.inner(x)))


def _resnet() -> nn.Module:
    stem = nn.Sequential(nn.Conv2d(1, 12, 3, padding=1), nn.BatchNorm2d(12), nn.ReLU())
    return nn.Sequential(stem, Residual(12), Residual(12), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(12, 10))


_SHAPES: dict[str, tuple[Callable[[], nn.Module], int, int, str]] = {
    "digits-mlp": (_mlp, 64, 220, "64-96-96-10 ReLU network on the 8x8 digits"),
    "digits-cnn": (_cnn, 32, 264, "two convolutions and a dense layer on the 8x8 digits"),
    "digits-resnet": (_resnet, 64, 88, "two residual blocks with batch normalisation"),
}
MODULES = tuple(_SHAPES)


def module(name: str) -> TorchNetwork:
    """A built-in torch network by name; the caller's random state is left as it was.

    >>> module("digits-cnn").build(0)(module("digits-cnn").data[0][:2]).shape
    torch.Size([2, 10])
    """
    make, batch_size, steps, about = _SHAPES[name]

    def build(seed: int) -> nn.Module:
        with alone():
            torch.manual_seed(seed)
            return make()

    parts = [(torch.tensor(images)[:, None], torch.tensor(labels).long()) for images, labels in digits_split()]
    return TorchNetwork(name, build, nn.functional.cross_entropy, parts[0], parts[1], batch_size, steps, about)

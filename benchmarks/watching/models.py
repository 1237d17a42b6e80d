"""Models of 1.3 to 1.6 million parameters, their batches and losses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import nn

__all__ = ["OPTIMIZERS", "Batch", "jobs"]

Batch = tuple[torch.Tensor, torch.Tensor]


class Transformer(nn.Module):
    """A character transformer of some 1.2M parameters."""

    def __init__(self, width: int = 160, depth: int = 4, context: int = 32) -> None:
        super().__init__()
        self.embed, self.place = nn.Embedding(64, width), nn.Parameter(torch.zeros(context, width))
        layer = nn.TransformerEncoderLayer(width, 4, 4 * width, dropout=0.0, batch_first=True, norm_first=True)
        self.blocks, self.head = nn.TransformerEncoder(layer, depth, enable_nested_tensor=False), nn.Linear(width, 64)
        self.register_buffer("mask", nn.Transformer.generate_square_subsequent_mask(context))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        made: torch.Tensor = self.head(self.blocks(self.embed(x) + self.place, mask=self.mask, is_causal=True))
        return made


def mlp() -> nn.Module:
    return nn.Sequential(nn.Linear(256, 800), nn.ReLU(), nn.Linear(800, 800), nn.ReLU(), nn.Linear(800, 800), nn.ReLU(), nn.Linear(800, 10))


def cnn() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(3, 48, 3, padding=1), nn.BatchNorm2d(48), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(48, 96, 3, padding=1), nn.BatchNorm2d(96),
        nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(96 * 16, 620), nn.ReLU(), nn.Linear(620, 10),
    )  # fmt: skip


def jobs() -> dict[str, tuple[Callable[[], nn.Module], Callable[[np.random.Generator], Batch], Callable[..., Any]]]:
    def vectors(rng: np.random.Generator) -> Batch:
        x = torch.tensor(rng.normal(size=(64, 256)), dtype=torch.float32)
        return x, x[:, :10].argmax(1)

    def images(rng: np.random.Generator) -> Batch:
        x = torch.tensor(rng.normal(size=(32, 3, 16, 16)), dtype=torch.float32)
        return x, x.mean(dim=(1, 2)).abs().argmax(1) % 10

    def characters(rng: np.random.Generator) -> Batch:
        x = torch.tensor(np.cumsum(rng.integers(0, 3, (16, 33)), axis=1) % 64)
        return x[:, :-1], x[:, 1:]

    def per_token(output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        return nn.functional.cross_entropy(output.flatten(0, 1), target.flatten())

    plain = nn.functional.cross_entropy
    return {"MLP": (mlp, vectors, plain), "CNN": (cnn, images, plain), "transformer": (Transformer, characters, per_token)}


OPTIMIZERS: dict[str, Callable[[Any], torch.optim.Optimizer]] = {
    "SGD": lambda params: torch.optim.SGD(params, lr=0.02, momentum=0.9),
    "AdamW": lambda params: torch.optim.AdamW(params, lr=1e-3),
}

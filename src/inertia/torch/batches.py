"""Data in any form a torch script has it, as batches that can be read again and again, each time the same."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset, IterableDataset

from ..errors import BadInput

__all__ = ["Batches", "Everything", "batches_of", "examples_in", "moved"]


class Batches:
    """Batches from any iterable that can be read again; every pass starts from the same random state."""

    def __init__(self, source: Iterable[Any], limit: int | None, seed: int) -> None:
        self.source, self.limit, self.seed = source, limit, seed
        self.tensors: Any = None

    def __iter__(self) -> Iterator[Any]:
        """The batches in order, up to the limit of examples."""
        generator = getattr(self.source, "generator", None)
        before = generator.get_state() if isinstance(generator, torch.Generator) else None
        seed_everything(self.seed)
        seen = 0
        try:
            for batch in self.source:
                yield batch
                seen += examples_in(batch)
                if self.limit is not None and seen >= self.limit:
                    return
        finally:
            if generator is not None and before is not None:
                generator.set_state(before)


class Everything(Batches):
    """Tensors held whole, cut into chunks of consecutive rows; mini-batches are drawn from them at random."""

    def __init__(self, tensors: Any, chunk: int) -> None:
        self.tensors, self.chunk = tensors, chunk
        self.examples = examples_in(tensors)

    def __iter__(self) -> Iterator[Any]:
        """The chunks in order; the last may be smaller."""
        for at in range(0, self.examples, self.chunk):
            yield taken(self.tensors, slice(at, at + self.chunk))


def batches_of(data: Any, examples: int | None, batch_size: int | None, seed: int) -> Batches:
    """The data as Batches: tensors or arrays (inputs, targets), a dict of tensors, a DataLoader, a Dataset, or an iterable.

    `examples` keeps that many: a random choice of rows from tensors, the first batches of anything else.

    Raises:
        BadInput: nothing in it, tensors of different lengths, or more examples asked for than there are.
    """
    whole = _tensors(data)
    if whole is not None:
        total = examples_in(whole)
        if total == 0:
            raise BadInput("the data hold no examples")
        if examples is not None and examples > total:
            raise BadInput(f"examples = {examples} is more than the {total} in the data: use at most that")
        if examples is not None and examples < total:
            rows = np.sort(np.random.default_rng([seed, 2]).choice(total, examples, replace=False))
            whole = taken(whole, torch.as_tensor(rows))
        return Everything(whole, examples_in(whole))
    if isinstance(data, Dataset) and not isinstance(data, IterableDataset):
        data = DataLoader(data, batch_size=batch_size or 64)
    if not isinstance(data, Iterable):
        raise BadInput(
            f"data of type {type(data).__name__} cannot be read: pass (inputs, targets) tensors, a DataLoader or a list of batches"
        )
    if isinstance(data, list) and data and all(isinstance(item, torch.Tensor) for item in data):
        raise BadInput("a list of tensors may be two tensors or several batches: pass a tuple (inputs, targets), or a list of tuples")
    return Batches(list(data) if isinstance(data, Iterator) else data, examples, seed)


def _tensors(data: Any) -> Any:
    """The data as tensors with one leading axis of examples, or None where they are batches."""
    if isinstance(data, torch.Tensor | np.ndarray):
        return torch.as_tensor(data)
    if isinstance(data, tuple) and data and all(isinstance(item, torch.Tensor | np.ndarray) for item in data):
        found: Any = tuple(torch.as_tensor(item) for item in data)
        lengths = [len(item) for item in found]
    elif isinstance(data, Mapping) and data and all(isinstance(item, torch.Tensor | np.ndarray) for item in data.values()):
        found = {name: torch.as_tensor(item) for name, item in data.items()}
        lengths = [len(item) for item in found.values()]
    else:
        return None
    if len(set(lengths)) > 1:
        raise BadInput(f"the tensors hold {lengths} examples: inputs and targets must have the same first dimension")
    return found


def examples_in(batch: Any) -> int:
    """Number of examples: the first dimension of the first tensor found."""
    if isinstance(batch, torch.Tensor):
        return len(batch) if batch.ndim else 1
    parts = list(batch.values()) if isinstance(batch, Mapping) else list(batch) if isinstance(batch, tuple | list) else []
    for part in parts:
        if isinstance(part, torch.Tensor | np.ndarray | Mapping | tuple | list):
            return examples_in(torch.as_tensor(part) if isinstance(part, np.ndarray) else part)
    raise BadInput(f"a batch of type {type(batch).__name__} holds no tensor: batches are tensors, (inputs, targets) or dicts of tensors")


def taken(tensors: Any, rows: Any) -> Any:
    """The chosen rows of a tensor, a tuple or a dict of them."""
    if isinstance(tensors, torch.Tensor):
        return tensors[rows]
    return {k: v[rows] for k, v in tensors.items()} if isinstance(tensors, Mapping) else tuple(item[rows] for item in tensors)


def moved(batch: Any, device: torch.device, widen: bool) -> Any:
    """The batch on the model's device, half-precision inputs as float32 where the model is measured so."""
    if isinstance(batch, np.ndarray):
        batch = torch.as_tensor(batch)
    if isinstance(batch, torch.Tensor):
        return batch.to(device=device, dtype=torch.float32 if widen and batch.dtype in {torch.float16, torch.bfloat16} else None)
    if isinstance(batch, Mapping):
        return {name: moved(item, device, widen) for name, item in batch.items()}
    if isinstance(batch, tuple | list):
        return type(batch)(moved(item, device, widen) for item in batch) if not hasattr(batch, "_fields") else batch
    return batch


def seed_everything(seed: int) -> None:
    """Set the global generators that models and data pipelines draw from."""
    torch.manual_seed(seed)
    random.seed(seed)
    np.random.seed(seed % 2**32)  # noqa: NPY002  (the global generator of other people's code, put back afterwards)

"""Data in any form a torch script has it, as batches that can be read again and again, each time the same."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

import numpy as np
import torch
from torch.utils.data import BatchSampler, DataLoader, Dataset, IterableDataset, RandomSampler, SequentialSampler
from torch.utils.data import default_collate as collate_tensors
from torch.utils.data.distributed import DistributedSampler

from ..errors import BadInput
from ..measurement.asked import ended, listed
from ..measurement.model import has_end

__all__ = [
    "Batches",
    "Everything",
    "Indexed",
    "as_tensors",
    "batches_of",
    "examples_in",
    "in_order",
    "moved",
    "present",
    "seed_everything",
    "taken",
]

Size = Callable[[Any], int]  # examples in a batch


class Batches:
    """Batches from any iterable that can be read again; every pass starts from the same random state."""

    tensors: Any = None  # the data, where they are tensors held whole
    indexed = False  # whether any rows can be taken
    natural: int | None = None  # batch size that the data come with
    sought = False  # whether an end is looked for, where the source does not say that it has one

    def __init__(self, source: Iterable[Any], limit: int | None = None, seed: int = 0, size_of: Size | None = None) -> None:
        self.source, self.limit, self.seed, self.size_of = source, limit, seed, size_of or examples_in

    def __iter__(self) -> Iterator[Any]:
        """The batches in order, up to the limit of examples."""
        generator = getattr(self.source, "generator", None)
        before = generator.get_state() if isinstance(generator, torch.Generator) else None
        seed_everything(self.seed)
        seen = 0
        try:
            for batch in present(ended(self.source) if self.sought and self.limit is None and not self.sized else self.source):
                yield batch
                seen += self.size_of(batch)
                if self.limit is not None and seen >= self.limit:
                    return
        finally:
            if generator is not None and before is not None:
                generator.set_state(before)

    @property
    def sized(self) -> bool:
        """Whether the source says how long it is, and so has an end."""
        return has_end(self.source)

    def name(self, index: int) -> str:
        """What a batch is called in messages."""
        if not isinstance(self, Everything | Indexed):
            return f"batch {index}"
        return f"batch {index} (examples {index * self.chunk} to {min((index + 1) * self.chunk, self.examples) - 1})"

    def examined(self, most: int | None = None) -> tuple[int, int, bool]:
        """Examples in all and in the first batch, and whether the data went on after `most` batches.

        Raises:
            BadInput: no batches.
        """
        counts = [self.size_of(batch) for batch in islice(self, None if most is None else most + 1)]
        if not counts:
            raise BadInput("the data hold no batches: a loader was empty, or an iterator had been read before")
        more = most is not None and len(counts) > most
        return sum(counts[:most] if most is not None else counts), counts[0], more


class Indexed(Batches):
    """A map-style Dataset, of which any rows can be taken; `order` are those it stands for, cut into chunks."""

    indexed = True

    def __init__(
        self, dataset: Any, collate: Callable[[list[Any]], Any], order: Sequence[int] | np.ndarray[Any, Any], chunk: int, workers: int = 0
    ) -> None:
        self.dataset, self.collate, self.order, self.chunk, self.workers = dataset, collate, np.asarray(order), chunk, workers
        self.examples = len(self.order)
        super().__init__((), size_of=examples_in)

    def __iter__(self) -> Iterator[Any]:
        """The chunks in order; the last may be smaller."""
        seed_everything(self.seed)
        yield from self.read(self.order[at : at + self.chunk] for at in range(0, self.examples, self.chunk))

    def read(self, order: Iterable[Any]) -> Iterator[Any]:
        """A batch for each set of rows of the dataset, in the loader's own worker processes where it has some."""
        if not self.workers:
            yield from present(self.collate([self.dataset[int(row)] for row in rows]) for rows in order)
            return
        rows = [[int(row) for row in part] for part in order]
        words: dict[str, Any] = {"num_workers": self.workers, "collate_fn": self.collate, "generator": torch.Generator().manual_seed(0)}
        yield from present(DataLoader(self.dataset, batch_sampler=rows, **words))

    def take(self, rows: Any) -> Any:
        """The chosen of its rows, as one batch."""
        return next(iter(Indexed(self.dataset, self.collate, self.order, self.chunk).read([self.order[np.asarray(rows)]])))

    def part(self, rows: Any, chunk: int) -> Indexed:
        """Some of its rows."""
        return Indexed(self.dataset, self.collate, self.order if rows is None else self.order[np.asarray(rows)], chunk, self.workers)


class Everything(Batches):
    """Tensors held whole, cut into chunks of consecutive rows; mini-batches are drawn from them at random."""

    indexed = True

    def __init__(self, tensors: Any, chunk: int) -> None:
        super().__init__((), size_of=examples_in)
        self.tensors, self.chunk = tensors, chunk
        self.examples = examples_in(tensors)

    def __iter__(self) -> Iterator[Any]:
        """The chunks in order; the last may be smaller."""
        for at in range(0, self.examples, self.chunk):
            yield taken(self.tensors, slice(at, at + self.chunk))

    def read(self, order: Iterable[Any]) -> Iterator[Any]:
        """A batch for each set of rows."""
        return (self.take(rows) for rows in order)

    def take(self, rows: Any) -> Any:
        """The chosen rows, as one batch."""
        return taken(self.tensors, torch.as_tensor(np.asarray(rows)).long())

    def part(self, rows: Any, chunk: int) -> Everything:
        """Some of its rows."""
        return Everything(self.tensors if rows is None else self.take(rows), chunk)


def present(source: Iterable[Any]) -> Iterator[Any]:
    """The batches of a source, each seen to be there.

    Raises:
        BadInput: one is None.
    """
    for index, batch in enumerate(source):
        if batch is None:
            raise BadInput(
                f"batch {index} of the data is None: return a batch of examples (does the collate_fn return nothing, or drop them all?), "
                "or leave that batch out"
            )
        yield batch


def batches_of(
    data: Any, examples: int | None, batch_size: int | None, seed: int, size_of: Size | None = None, processes: int = 1
) -> Batches:
    """The data as Batches: tensors or arrays (inputs, targets), a dict of tensors, a DataLoader, a Dataset, or an iterable.

    `examples` keeps that many: a random choice of rows where rows can be taken, the first batches of anything else. Of several
    `processes` a map-style dataset behind a loader is all the data, whatever part of it the loader gives to this one.

    Raises:
        BadInput: nothing in it, tensors of different lengths, or more examples asked for than there are.
    """
    found = _opened(data, examples, batch_size, seed, size_of, processes)
    if size_of is not None:
        found.size_of = size_of
    if not isinstance(found, Everything | Indexed):
        return found
    total = found.examples
    if total == 0:
        raise BadInput("the data hold no examples")
    if examples is not None and examples < 1:
        raise BadInput(f"examples = {examples} is too few: measure on at least 1")
    if examples is not None and examples > total:
        raise BadInput(f"examples = {examples} is more than the {total} in the data: use at most that")
    if examples is not None and examples < total:
        natural, rows = found.natural, np.sort(np.random.default_rng([seed, 2]).choice(total, examples, replace=False))
        found = found.part(rows, examples if isinstance(found, Everything) else found.chunk)
        found.natural = natural
    return found


def _opened(data: Any, examples: int | None, batch_size: int | None, seed: int, size_of: Size | None, processes: int) -> Batches:
    """The data as the kind of batches that they are."""
    whole = as_tensors(data)
    if whole is not None:
        return Everything(whole, max(1, examples_in(whole)))
    if isinstance(data, DataLoader):
        return _loaded(data, examples, seed, size_of, processes)
    if isinstance(data, IterableDataset):
        if batch_size is None:
            raise BadInput("an IterableDataset gives single examples: say how many make a batch, batch_size=32, or pass a DataLoader of it")
        data = DataLoader(data, batch_size=batch_size)
    elif _mapped(data):
        return _dataset(data, collate_tensors, batch_size or 64, None)
    if not isinstance(data, Iterable) or isinstance(data, str | bytes):
        raise BadInput(
            f"data of type {type(data).__name__} cannot be read: pass (inputs, targets) tensors, a DataLoader or a list of batches"
        )
    if isinstance(data, list) and data and all(isinstance(item, torch.Tensor | np.ndarray) for item in data):
        raise BadInput("a list of tensors may be two tensors or several batches: pass a tuple (inputs, targets), or a list of tuples")
    return Batches(listed(data) if isinstance(data, Iterator) else data, examples, seed, size_of)


def _mapped(data: Any) -> bool:
    """Whether it is a map-style dataset: torch's, or anything with a length and items that is no container of batches."""
    if isinstance(data, Dataset):
        return True
    plain = isinstance(data, list | tuple | Mapping | torch.Tensor | np.ndarray | str | bytes)
    return not plain and hasattr(data, "__len__") and hasattr(data, "__getitem__")


def _dataset(data: Any, collate: Callable[[list[Any]], Any], chunk: int, natural: int | None, workers: int = 0) -> Indexed:
    """A map-style dataset; one of Hugging Face gives tensors, unless a collator of its own expects its rows."""
    if collate is collate_tensors and hasattr(data, "with_format") and getattr(data, "format", {}).get("type") is None:
        data = data.with_format("torch")
    try:
        total = len(data)
    except TypeError:
        raise BadInput(f"the dataset {type(data).__name__} has no length: give it __len__, or make it an IterableDataset") from None
    found = Indexed(data, collate, np.arange(total), chunk, workers)
    found.natural = natural
    return found


def _loaded(loader: Any, examples: int | None, seed: int, size_of: Size | None, processes: int) -> Batches:
    """A loader: its dataset where it shuffles that, or deals it out to several processes, else its own batches."""
    sampler, plain = _sampler(loader), type(loader.batch_sampler) is BatchSampler
    kind = type(sampler)
    plain = plain or (processes > 1 and type(loader.batch_sampler).__name__ == "BatchSamplerShard")  # of accelerate
    drawn = kind is RandomSampler or kind.__name__ == "SeedableRandomSampler"
    drawn = drawn and not sampler.replacement and sampler._num_samples is None
    dealt = processes > 1 and kind in {DistributedSampler, SequentialSampler}
    if (drawn or dealt) and plain and not isinstance(loader.dataset, IterableDataset):
        each = loader.batch_size or loader.batch_sampler.batch_size
        return _dataset(loader.dataset, loader.collate_fn, each, each * processes, loader.num_workers)
    return Batches(loader, examples, seed, size_of)


def in_order(data: Any) -> bool:
    """Whether a loader reads its examples in one fixed order."""
    return isinstance(data, DataLoader) and type(_sampler(data)) is SequentialSampler and type(data.batch_sampler) is BatchSampler


def _sampler(loader: Any) -> Any:
    """Who orders the examples: of a loader made of a batch sampler, that one's."""
    return getattr(loader.batch_sampler, "sampler", loader.sampler)


def as_tensors(data: Any) -> Any:
    """The data as tensors with one leading axis of examples, or None where they are batches.

    Inputs may be several, in a tuple or dict of their own, `((images, texts), labels)`; a tuple of tuples alone is one of batches.

    >>> as_tensors(((torch.zeros(3), torch.zeros(3)), torch.ones(3)))[1]
    tensor([1., 1., 1.])
    >>> as_tensors(((torch.zeros(3), torch.zeros(3)), (torch.ones(3), torch.ones(3)))) is None
    True
    """
    one = isinstance(data, torch.Tensor | np.ndarray | Mapping)
    if not one and not (isinstance(data, tuple) and any(isinstance(item, torch.Tensor | np.ndarray) for item in data)):
        return None
    lengths: list[int] = []
    found = _tree(data, lengths)
    if found is not None and len(set(lengths)) > 1:
        raise BadInput(f"the tensors hold {lengths} examples: inputs and targets must have the same first dimension")
    return found


def _tree(data: Any, lengths: list[int]) -> Any:
    """Arrays as tensors in tuples, lists and dicts, and how many examples each holds; None where anything else is among them."""
    if isinstance(data, torch.Tensor | np.ndarray):
        tensor = torch.as_tensor(data)
        lengths.append(_length(tensor))
        return tensor
    if not isinstance(data, Mapping | tuple | list) or not data:
        return None
    parts = [_tree(item, lengths) for item in (data.values() if isinstance(data, Mapping) else data)]
    if any(part is None for part in parts):
        return None
    return dict(zip(data, parts, strict=True)) if isinstance(data, Mapping) else parts if isinstance(data, list) else tuple(parts)


def _length(tensor: torch.Tensor) -> int:
    if tensor.ndim == 0:
        raise BadInput("the data hold a single number: tensors need a first dimension of examples")
    return len(tensor)


def examples_in(batch: Any) -> int:
    """Number of examples: the first dimension of the first tensor found; an object says itself (`num_graphs`, `len`).

    >>> examples_in((torch.zeros(3, 2), torch.zeros(3)))
    3
    """
    if isinstance(batch, torch.Tensor):
        return len(batch) if batch.ndim else 1
    if not isinstance(batch, Mapping | tuple | list | np.ndarray | str | bytes):
        for name in ("num_graphs", "batch_size"):
            if isinstance(found := getattr(batch, name, None), int) and not isinstance(found, bool):
                return found
        if dataclasses.is_dataclass(batch):
            return examples_in({field.name: getattr(batch, field.name) for field in dataclasses.fields(batch)})
        if hasattr(batch, "__len__"):
            return len(batch)
    parts = list(batch.values()) if isinstance(batch, Mapping) else list(batch) if isinstance(batch, tuple | list) else []
    for part in parts:
        if isinstance(part, torch.Tensor) and part.ndim == 0:
            continue
        if isinstance(part, torch.Tensor | np.ndarray | Mapping | tuple | list):
            return examples_in(torch.as_tensor(part) if isinstance(part, np.ndarray) else part)
        if hasattr(part, "num_graphs"):
            return int(part.num_graphs)
    raise BadInput(
        f"a batch of type {type(batch).__name__} does not show how many examples it holds: pass size_of=, a function batch -> number"
    )


def taken(tensors: Any, rows: Any) -> Any:
    """The chosen rows of a tensor, or of tensors in tuples, lists and dicts."""
    if isinstance(tensors, torch.Tensor):
        return tensors[rows]
    if isinstance(tensors, Mapping):
        return {name: taken(item, rows) for name, item in tensors.items()}
    return type(tensors)(taken(item, rows) for item in tensors)


def moved(batch: Any, device: torch.device, widen: bool) -> Any:
    """The batch on the model's device, half-precision inputs as float32 where the model is measured so."""
    if isinstance(batch, np.ndarray):
        batch = torch.as_tensor(batch)
    if isinstance(batch, torch.Tensor):
        return batch.to(device=device, dtype=torch.float32 if widen and batch.dtype in {torch.float16, torch.bfloat16} else None)
    if isinstance(batch, dict):
        return {name: moved(item, device, widen) for name, item in batch.items()}
    if isinstance(batch, tuple) and hasattr(batch, "_fields"):
        return type(batch)(*(moved(item, device, widen) for item in batch))
    if isinstance(batch, tuple | list):
        return type(batch)(moved(item, device, widen) for item in batch)
    if dataclasses.is_dataclass(batch) and not isinstance(batch, type):
        fields = [field.name for field in dataclasses.fields(batch) if field.init]
        return dataclasses.replace(batch, **{name: moved(getattr(batch, name), device, widen) for name in fields})
    return batch.to(device) if callable(getattr(batch, "to", None)) else batch


def seed_everything(seed: int) -> None:
    """Set the global generators that models and data pipelines draw from."""
    if torch.cuda.is_initialized() or torch.backends.mps.is_available():
        torch.manual_seed(seed)
    else:  # torch would put off the seeding of devices nobody has woken up yet, and then override the user's own seed there
        torch.default_generator.manual_seed(seed)
    random.seed(seed)
    np.random.seed(seed % 2**32)  # noqa: NPY002  (the global generator of other people's code, put back afterwards)

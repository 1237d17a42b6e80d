"""Data in any form a JAX script has it: arrays whose rows are taken, or any iterable of batches."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ..errors import BadInput
from ..measurement.asked import listed
from ..measurement.model import has_end
from ..tuning.batches import batch_order
from .losses import rows_in, taken

__all__ = ["Feed", "Replayed", "feed"]

_CHUNK = 1 << 24  # bytes of examples at a time where the whole loss is read
_KEPT = 1 << 26  # bytes of an endless series' first batches that are remembered


class Replayed:
    """Batches without an end that can be gone through again: the first are remembered, and one iterator goes on from there.

    A loader such as Grain's reads some hundred batches ahead each time that it is begun, and every reading of a tuning begins at the
    first batch. What does not fit into `room` bytes is read again.

    >>> first, second = (list(islice(Replayed(iter([1.0, 2.0, 3.0])), 2)) for _ in range(2))
    >>> first == second == [1.0, 2.0]
    True
    """

    def __init__(self, source: Iterable[Any], room: int = _KEPT) -> None:
        self.source, self.room = source, room
        self.kept: list[Any] = []
        self._on: Iterator[Any] | None = None  # the iterator that goes on, and how many batches it has given
        self._given = 0

    def __iter__(self) -> Iterator[Any]:
        """The batches from the first on."""
        at = 0
        while True:
            if at < len(self.kept):
                batch = self.kept[at]
            else:
                try:
                    batch = self._read(at)
                except StopIteration:
                    return
            at += 1
            yield batch

    def _read(self, at: int) -> Any:
        """The batch at a place beyond those remembered; remembered too where it is the next one and fits."""
        if self._on is None or self._given != at:
            self._on, self._given = iter(self.source), 0
            for _ in range(at):
                next(self._on)
                self._given += 1
        batch = next(self._on)
        self._given += 1
        size = sum(int(getattr(leaf, "nbytes", 8)) for leaf in jax.tree.leaves(batch))
        if at == len(self.kept) and size <= self.room:
            self.room -= size
            batch = jax.tree.map(lambda leaf: np.array(leaf) if isinstance(leaf, np.ndarray) else leaf, batch)  # loaders use memory again
            self.kept.append(batch)
        return batch


class Feed:
    """Arrays held whole, or batches that are read again and again."""

    def __init__(self, whole: Any, batches: Iterable[Any] | None, size_of: Callable[[Any], int]) -> None:
        self.whole, self.batches, self.size_of = whole, batches, size_of
        self.limit: int | None = None  # batches that stand for all of an endless iterable

    def counted(self, steps: int | None, limit: int | None) -> tuple[int, int | None, bool]:
        """Examples in all, the size of a batch (None: arrays), and whether the batches have no end that was found."""
        if self.batches is None:
            return rows_in(self.whole), None, False
        most = None if has_end(self.batches) else max(8, steps or 1000)
        source = self.batches
        self.batches = source if most is None else Replayed(source)
        counts = [self.size_of(batch) for batch in islice(self.batches, None if most is None else most + 1)]
        if not counts:
            raise BadInput("the data hold no batches: an iterator had been read before, or a list was empty")
        more = most is not None and len(counts) > most
        if limit is not None:
            self.limit = 1 + int(np.searchsorted(np.cumsum(counts), min(limit, sum(counts))))
        elif more:
            self.limit = max(8, (steps or 1000) // 20)
        if not more:  # it has an end: each pass may give another order
            self.batches = source
        return sum(counts[: self.limit]), counts[0], more and limit is None

    def steps(self, batch_size: int, steps: int, seed: int) -> Iterator[Any]:
        """The batch of every step: rows in the order all frameworks share, or the iterable over and over."""
        if self.batches is None:
            for rows in batch_order(rows_in(self.whole), batch_size, steps, seed):
                yield taken(self.whole, rows)
            return
        left = steps
        while left > 0:
            before = left
            for batch in islice(self.batches, left):
                left -= 1
                yield jax.tree.map(jnp.asarray, batch)
            if left == before:
                raise BadInput("the data ended early: a pass over them gave no batch; pass arrays, or a list of batches")

    def pieces(self) -> Iterator[tuple[Any, int]]:
        """All of it, in pieces that fit into memory, with their sizes."""
        if self.batches is not None:
            for batch in islice(self.batches, self.limit):
                yield jax.tree.map(jnp.asarray, batch), self.size_of(batch)
            return
        total = rows_in(self.whole)
        each = max(1, sum(leaf.nbytes for leaf in jax.tree.leaves(self.whole)) // total)  # of all processes, where they share arrays
        size = max(1, min(total, _CHUNK // each))
        size = -(-total // -(-total // size))
        for at in range(0, total, size):
            yield taken(self.whole, slice(at, at + size)), min(size, total - at)


def feed(data: Any, size_of: Callable[[Any], int] | None = None) -> Feed:
    """The data as a Feed.

    Raises:
        BadInput: data that cannot be read, arrays of different lengths.
    """
    count = size_of or rows_in
    if isinstance(data, tuple | dict | np.ndarray | jax.Array):
        leaves = jax.tree.leaves(data)
        if not leaves or any(not hasattr(leaf, "shape") or np.ndim(leaf) == 0 for leaf in leaves):
            raise BadInput("the data must be arrays with the examples first, in a tuple or a dict; or a list of batches")
        lengths = sorted({len(leaf) for leaf in leaves})
        if len(lengths) > 1:
            raise BadInput(f"the arrays hold {lengths} examples: every array must have the same first dimension")
        if lengths[0] == 0:
            raise BadInput("the data hold no examples")
        return Feed(data, None, count)
    if (
        isinstance(data, list)
        and data
        and all(isinstance(item, np.ndarray | jax.Array) for item in data)
        and len({len(i) for i in data}) == 1
    ):
        kinds = {(item.dtype, item.shape[1:]) for item in data}
        if len(kinds) > 1:
            raise BadInput("a list of different arrays may be inputs and targets, or batches: pass a tuple (inputs, targets)")
    if not isinstance(data, Iterable) or isinstance(data, str | bytes):
        raise BadInput(f"data of type {type(data).__name__} cannot be read: pass arrays (in a tuple or dict), or a list of batches")
    return Feed(None, listed(data) if isinstance(data, Iterator) else data, count)

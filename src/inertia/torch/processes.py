"""Several processes that train one model: who takes part, how they agree, and sums over all of them.

Whatever one process decides, all follow: the process of rank 0 leads and the others do their share of what it asks (`led`). Every
exchange begins with a word from each process whether it is still well; an exception in one is then raised in all, and nobody
waits for a process that has left.
"""

from __future__ import annotations

import signal
import threading
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from numpy.typing import NDArray
from torch.utils.data import DataLoader
from torch.utils.data.distributed import DistributedSampler

from ..errors import BadInput, InertiaError, InertiaWarning
from .wrappers import Wrapped, kind_of

__all__ = ["PATIENCE", "Elsewhere", "Portion", "Processes", "assembled"]

PATIENCE = 60.0  # seconds that a call waits for the same call in the other processes


class Elsewhere(Exception):
    """Another process failed: what it said."""


class Portion:
    """Which rows of all the data are this process's: an equal share where each holds all of them, else those that it holds."""

    def __init__(self, part: int, parts: int, held: Sequence[int] | None = None) -> None:
        self.part, self.parts = part, parts
        self.first = None if held is None else int(sum(held[:part]))  # number of its first row among all
        self.count = None if held is None else int(held[part])
        self.all = None if held is None else int(sum(held))

    def total(self, held: int) -> int:
        """Examples in all processes, where this one holds so many."""
        return held if self.all is None else self.all

    def of(self, rows: Any) -> NDArray[np.int64]:
        """Of rows numbered through all the data, those of this process, in its own numbers.

        >>> Portion(1, 2).of([5, 6, 7]).tolist(), Portion(1, 2, [4, 4]).of([2, 5, 7]).tolist()
        ([7], [1, 3])
        """
        chosen = np.asarray(rows, dtype=np.int64)
        if self.first is None or self.count is None:
            return np.array_split(chosen, self.parts)[self.part]
        mine = chosen[(chosen >= self.first) & (chosen < self.first + self.count)]
        return mine - self.first


class Processes:
    """A group of processes behind one model. `parts` of them hold shares of the data: all, or 1 where the model is cut instead."""

    def __init__(self, parted: bool, device: torch.device) -> None:
        self.rank, self.size = dist.get_rank(), dist.get_world_size()
        self.part: int = self.rank if parted else 0
        self.parts: int = self.size if parted else 1
        nccl = dist.get_backend() == "nccl"
        self.device = torch.device("cuda", torch.cuda.current_device()) if nccl else torch.device("cpu")
        self.home = device  # where the model lives
        self._waiting, self._interrupted = False, False

    @property
    def leads(self) -> bool:
        """Whether this process decides."""
        return self.rank == 0

    def agree(self, value: Any) -> Any:
        """What rank 0 holds, on every rank."""
        held = [value if self.leads else None]
        dist.broadcast_object_list(held, src=0, device=self.device)
        return held[0]

    def gather(self, value: Any) -> list[Any]:
        """What every process holds, by rank."""
        self._well()
        return self._gathered(value)

    def add(self, tensor: torch.Tensor) -> torch.Tensor:
        """The tensor in place, summed over the shares of the data."""
        self._well()
        if self.parts > 1:
            dist.all_reduce(tensor)
        return tensor

    def sums(self, *numbers: float) -> list[float]:
        """Numbers summed over the shares of the data."""
        if self.parts == 1:
            return list(numbers)
        return [float(x) for x in self.add(torch.tensor(numbers, dtype=torch.float64, device=self.device))]

    def columns(self, *rows: Sequence[float]) -> list[list[float]]:
        """Lists summed entry by entry over the shares of the data; a shorter one counts as ending with zeros."""
        if self.parts == 1:
            return [list(row) for row in rows]
        found = []
        for held in zip(*self.gather(rows), strict=True):
            total = np.zeros(max(len(one) for one in held))
            for one in held:
                total[: len(one)] += one
            found.append(total.tolist())
        return found

    def same(self, tensors: Sequence[torch.Tensor]) -> None:
        """Rank 0's numbers in every process's tensors."""
        self._well()
        for tensor in tensors if self.parts > 1 else ():
            dist.broadcast(tensor, src=0)

    def portion(self, shared: bool, examples: int) -> Portion:
        """Which rows are this process's, of data of which it holds so many (all of them where `shared`)."""
        return Portion(self.part, self.parts, None if shared or self.parts == 1 else self.gather(examples))

    def guarded(self, work: Callable[[], Any]) -> Any:
        """Do something that every process does now; if one fails, all raise what it raised."""
        if self._waiting:
            return work()
        with self._patient():
            try:
                found = work()
                self._well()
                return found
            except Elsewhere as error:
                raise error.__cause__ or error from None
            except BaseException as error:
                self.tell(error)
                raise

    def _well(self) -> None:
        """Go on if every process does; Ctrl-C in one counts in all."""
        if self._interrupted:
            self._interrupted = False
            raise KeyboardInterrupt
        if self._failures(0):
            self._raise(self._gathered(None))

    def tell(self, error: BaseException) -> None:
        """The others are at their next exchange: tell them that there will be none."""
        self._failures(1)
        kind = type(error) if isinstance(error, InertiaError | KeyboardInterrupt) else RuntimeError
        words = str(error) if kind is not RuntimeError or isinstance(error, RuntimeError) else f"{type(error).__name__}: {error}"
        self._gathered((kind.__name__, words))

    def _failures(self, own: int) -> int:
        flag = torch.tensor([own], device=self.device)
        dist.all_reduce(flag)
        return int(flag)

    def _gathered(self, value: Any) -> list[Any]:
        found: list[Any] = [None] * self.size
        dist.all_gather_object(found, value)
        return found

    def _raise(self, told: list[Any]) -> None:
        from .. import errors

        rank, (name, words) = next((rank, one) for rank, one in enumerate(told) if one is not None)
        kind = KeyboardInterrupt if name == "KeyboardInterrupt" else getattr(errors, name, RuntimeError)
        raise Elsewhere from kind(f"in the process of rank {rank}: {words}")

    @contextmanager
    def deaf(self) -> Iterator[None]:
        """While others decide, Ctrl-C is theirs."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = signal.signal(signal.SIGINT, signal.SIG_IGN)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, before)

    @contextmanager
    def _patient(self) -> Iterator[None]:
        """Ctrl-C waits for the next exchange: all processes then stop at the same place."""
        self._waiting = True
        if threading.current_thread() is not threading.main_thread():
            try:
                yield
            finally:
                self._waiting = False
            return

        def note(*_: Any) -> None:
            self._interrupted = True

        before = signal.signal(signal.SIGINT, note)
        try:
            yield
        finally:
            self._waiting = False
            signal.signal(signal.SIGINT, before)


def assembled(model: Any, data: Any, verb: str, *, loose: bool = False) -> Processes | None:
    """The processes that train this model, once all of them have come; None: this one alone.

    Of several processes are models wrapped for them (DistributedDataParallel, fully_shard, tensor parallel) and loaders with a
    DistributedSampler; `loose`: everything, once several processes run.

    Raises:
        BadInput: the others do not call, or call something else; FullyShardedDataParallel (FSDP1).
    """
    wrapped = kind_of(model) if isinstance(model, torch.nn.Module) else Wrapped.NOT
    if not dist.is_available() or not dist.is_initialized() or dist.get_world_size() == 1:
        return None
    dealt = isinstance(data, DataLoader) and isinstance(getattr(data.batch_sampler, "sampler", data.sampler), DistributedSampler)
    bound = wrapped is not Wrapped.NOT or dealt
    if not (bound or loose):
        return None
    absent = _absent()
    if absent and not bound:
        warnings.warn(
            f"{verb}: of {dist.get_world_size()} processes only this one (rank {dist.get_rank()}) came within {PATIENCE:g} s: "
            "it goes on alone", InertiaWarning, stacklevel=4,
        )  # fmt: skip
        return None
    if absent:
        raise BadInput(
            f"{verb} was called in the process of rank {dist.get_rank()}, and not within {PATIENCE:g} s in that of rank "
            f"{', '.join(map(str, absent))}: the model or its data are shared by all, so call it in every process, or pass the bare "
            "model (model.module) with all of its data"
        )
    devices = [p.device for p in model.parameters()] if isinstance(model, torch.nn.Module) else []
    found = Processes(wrapped is not Wrapped.CUT, devices[0] if devices else torch.device("cpu"))
    calls = found._gathered(verb)
    if len(set(calls)) > 1:
        raise BadInput(f"the processes call different things: {', '.join(sorted(set(calls)))}; let all of them call the same")
    return found


_MEETINGS = [0]


def _absent() -> list[int]:
    """Ranks that do not come; every process leaves a mark in the store of the group and looks for the others'."""
    store = dist.distributed_c10d._get_default_store()
    rank, size, number = dist.get_rank(), dist.get_world_size(), _MEETINGS[0]
    store.set(f"inertia/{number}/{rank}", "here")
    missing = []
    patience = PATIENCE
    for other in range(size):
        try:
            store.wait([f"inertia/{number}/{other}"], timedelta(seconds=patience))
        except RuntimeError:  # torch.distributed.DistStoreError, a timeout
            missing.append(other)
            patience = 0.001
    if missing:
        store.delete_key(f"inertia/{number}/{rank}")
    else:
        _MEETINGS[0] += 1
    return missing

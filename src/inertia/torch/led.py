"""One process decides, the others do their share: a job or a source as rank 0 sees it, and what the other ranks do meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import partial
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from ..errors import InertiaError
from ..measurement.model import Source
from ..measurement.vectors import Vectors
from ..tuning.budget import Budget
from ..tuning.penalty import penalised
from ..tuning.recipe import Recipe
from ..tuning.trainable import Metric, Progress, Readings, Run, Sample
from .door import TorchJob
from .processes import Processes
from .products import TorchSource
from .running import State

__all__ = ["LedJob", "LedSource", "decided", "decided_on"]

Found = TypeVar("Found")


class _Doer(Protocol):
    """What every process has: does by name what the leader asks."""

    def do(self, name: str, words: tuple[Any, ...]) -> Any:
        """Do it."""
        ...


class _Lead:
    """Asks every process, this one among them, to do something now."""

    def __init__(self, group: Processes, own: _Doer) -> None:
        self.group, self.own = group, own

    def __call__(self, name: str, *words: Any) -> Any:
        self.group.agree((name, words))
        return self.group.guarded(lambda: self.own.do(name, words))


def together(group: Processes, own: _Doer, decide: Callable[[_Lead], Found]) -> Found:
    """What `decide` finds in the process of rank 0, in every process; the others do what it asks until it is done.

    Raises:
        Exception: what `decide` raised, in every process.
    """
    if not group.leads:
        with group.deaf():
            return _followed(group, own)  # type: ignore[no-any-return]
    try:
        found = decide(_Lead(group, own))
    except BaseException as error:
        known = isinstance(error, InertiaError | KeyboardInterrupt | RuntimeError | TypeError | ValueError)
        told = error if known else RuntimeError(f"{type(error).__name__}: {error}")
        group.agree(("", (None, type(told), str(told))))
        raise
    group.agree(("", (found, None, "")))
    return found


def _followed(group: Processes, own: _Doer) -> Any:
    """Do what rank 0 asks until it is done, and return what it found."""
    while True:
        name, words = group.agree(None)
        if not name:
            found, kind, message = words
            if kind is not None:
                raise kind(message)
            return found
        try:
            group.guarded(partial(own.do, name, words))
        except (Exception, KeyboardInterrupt):  # the leader has been told, and decides
            continue


def decided(job: TorchJob, decide: Callable[[Any], Found]) -> Found:
    """What is decided about a job: here, or by rank 0 for all processes of its group."""
    group = job.group
    return decide(job) if group is None else together(group, Desk(job), lambda lead: decide(LedJob(lead, job)))


@contextmanager
def decided_on(
    group: Processes | None, opening: Callable[[], AbstractContextManager[TorchSource]]
) -> Iterator[Callable[[Callable[[Any], Found]], Found]]:
    """A source to decide about: here, or by rank 0 for all processes of the group."""
    with ExitStack() as stack:
        if group is None:
            source = stack.enter_context(opening())
            yield lambda decide: decide(source)
        else:
            shared: TorchSource = group.guarded(lambda: stack.enter_context(opening()))
            yield lambda decide: together(group, Share(shared), lambda lead: decide(LedSource(lead, shared)))


class Share:
    """A process's own source: its share of every pass."""

    def __init__(self, source: TorchSource) -> None:
        self.source = source
        self._stream: Iterator[Any] | None = None

    def do(self, name: str, words: tuple[Any, ...]) -> Any:
        """A pass over the data, a mini-batch, or a step of the parameters."""
        if name == "next":
            return self._next(*words)
        return getattr(self.source, name)(*words)

    def _next(self, first: bool) -> tuple[Any, int] | None:
        """The gradient of the next batches of the streams, while every process has one."""
        if first or self._stream is None:
            self._stream = enumerate(self.source.batches)
        return self.source.next_mini(next(self._stream, None))


class LedSource:
    """A `Source` whose gradients and products are sums over all processes."""

    def __init__(self, lead: _Lead, source: TorchSource) -> None:
        self.lead, self.own = lead, source
        self.dimension, self.notes = source.dimension, source.notes

    @property
    def price(self) -> float:
        """Of one product, in gradients."""
        return self.own.price

    @property
    def sizes(self) -> list[int]:
        """Examples in each batch, of all processes together."""
        return self.own.sizes

    @property
    def batch_size(self) -> int | None:
        """Of all processes together, where the data come in batches."""
        return self.own.batch_size

    def position(self) -> Any:
        """The parameters as a flat vector."""
        return self.lead("position")

    def space(self, vectors: bool) -> Vectors:
        """Storage here: the others keep no vectors."""
        return self.own.space(vectors)

    def gradient(self, parts: Sequence[int] | None = None) -> tuple[float, Any]:
        """Mean loss and gradient."""
        return self.lead("gradient", parts)  # type: ignore[no-any-return]

    def hvp(self, vector: Any, parts: Sequence[int] | None = None) -> Any:
        """Hessian times vector."""
        return self.lead("hvp", vector, parts)

    def mini_batches(self, rng: np.random.Generator, batch_size: int) -> Iterator[tuple[Any, int]]:
        """Gradients of mini-batches that all processes compute together."""
        if self.own.drawn:
            while True:
                yield self.lead("mini", self.own.draw(rng, batch_size))
        first = True
        while (found := self.lead("next", first)) is not None:
            first = False
            yield found

    def keep(self) -> None:
        """Remember the parameters, everywhere."""
        self.lead("keep")

    def back(self) -> None:
        """Put the parameters back, everywhere."""
        self.lead("back")

    def move(self, by: Any) -> None:
        """A step of the parameters, everywhere."""
        self.lead("move", by)

    @property
    def params(self) -> list[Any]:
        """The parameters as this process holds them."""
        return self.own.params

    def place(self, at: Any) -> None:
        """Set the parameters, everywhere."""
        self.lead("place", at)

    def release(self) -> None:
        """Let go of the graphs, everywhere: of a model that is cut, all processes make them again together."""
        self.lead("release")

    def cost(self) -> dict[str, float]:
        """Spent so far."""
        return self.own.cost()


class Desk:
    """A process's own job: its share of runs and of sources."""

    def __init__(self, job: TorchJob) -> None:
        self.job, self.share = job, ExitStack()
        self.source: Share | None = None

    def do(self, name: str, words: tuple[Any, ...]) -> Any:
        """What the leader asks of the job, or of the source that is open."""
        if name == "open":
            self.share.close()
            source = self.share.enter_context(self.job.opened(*words))
            self.source = Share(source)
            return source
        if name == "close":
            self.source = None
            return self.share.close()
        if self.source is not None:
            return self.source.do(name, words)
        return getattr(self.job, name)(*words)


class LedJob:
    """A TorchJob as the leader sees it: what is run or differentiated is so in every process."""

    def __init__(self, lead: _Lead, job: TorchJob) -> None:
        self.lead, self.own, self.group = lead, job, lead.group
        self.name, self.examples, self.dimension = job.name, job.examples, job.dimension
        self.validated, self.reseeded = job.validated, job.reseeded

    def start(self, seed: int) -> State:
        """Where a run of this seed begins: in rank 0."""
        return self.lead("start", seed)  # type: ignore[no-any-return]

    def read(self, at: State) -> Readings:
        """Whole training and validation loss."""
        return self.lead("read", at)  # type: ignore[no-any-return]

    @contextmanager
    def source(self, at: State, sample: Sample, *, decay: float = 0.0, metric: Metric | None = None) -> Iterator[Source]:
        """Gradients and products at a point."""
        own = self.lead("open", at, sample)
        try:
            yield penalised(LedSource(self.lead, own), decay)
        finally:
            self.lead("close")

    def norm(self, at: State) -> float:
        """Euclidean norm of the trainable parameters."""
        return self.own.norm(at)

    def shift(self, at: State, by: Any) -> State:
        """The point moved."""
        return self.own.shift(at, by)

    def walk(self, at: State, recipe: Recipe, budget: Budget, steps: int, seed: int) -> State | None:
        """Where steps lead."""
        return self.lead("walk", at, recipe, budget, steps, seed)  # type: ignore[no-any-return]

    def run(
        self, recipes: Sequence[Recipe], budget: Budget, seeds: Sequence[int], *, marks: NDArray[np.int64], keep: bool = False,
        progress: Progress | None = None,
    ) -> list[Run]:  # fmt: skip
        """Full runs, each by all processes."""
        found = []
        for done, (recipe, seed) in enumerate(zip(recipes, seeds, strict=True), start=1):
            found.append(self.lead("one", recipe, budget, seed, marks, keep))
            if progress is not None:
                progress(f"running in {self.group.size} processes", done, len(recipes))
        return found

    def refuse(self, optimizers: Sequence[str], budget: Budget) -> None:
        """Refuse settings that torch does not train this model with."""
        self.own.refuse(optimizers, budget)

    def pack(self, at: State) -> bytes:
        """A point as bytes."""
        return self.own.pack(at)

    def unpack(self, data: bytes) -> State | None:
        """The point that `pack` wrote."""
        return self.own.unpack(data)

"""What is asked of data and losses in every framework: that batches have an end, and that one number is minimised.

A loss may return two things only where the second is a weight: (sum, weight), whose quotient is the loss of the batch. A number
that is beside a loss in other people's code (an accuracy, a count of hits, the model's outputs) is told from a weight by what a weight
does: it does not change with the parameters, and it adds up over examples as the terms of the sum do.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..errors import BadInput

__all__ = ["ADVISED", "MEAN", "METRIC", "MOST", "OTHER", "SUM", "TWO", "Parts", "beside", "drawn", "ended", "judged", "listed", "unequal"]

MEAN, SUM, OTHER = "mean", "sum", "neither a mean nor a sum over examples"
_PROBED = 12  # examples with which a loss is asked how it adds up

ADVISED = "return the loss alone"
METRIC = (
    "the loss returned two numbers, and the second is not a weight: it {why}. A loss returns one number, or (sum, weight) with the sum of "
    f"the terms that the weight counts; beside an accuracy or another metric, {ADVISED}; beside the number of examples or tokens of a "
    "mean, (loss * number, number)"
)

TWO = (
    "the loss returned two numbers that both depend on the parameters, where (sum, weight) has a weight that counts examples: return one "
    "loss; of a game of two players (a GAN), measure and tune each player alone, with its own loss and its own parameters"
)


class Parts(NamedTuple):
    """A number of two unequal parts of a batch, and of both together."""

    one: float
    other: float
    both: float

    def adds(self, close: float) -> bool:
        """Whether it adds up, to `close` of its size."""
        return self.mixes(1.0, 1.0, 1.0, close)

    def mixes(self, one: float, other: float, both: float, close: float) -> bool:
        """Whether it adds up once each is multiplied by a weight of its own.

        >>> Parts(1.0, 4.0, 3.0).mixes(1 / 3, 2 / 3, 1.0, 1e-9)
        True
        """
        terms = self.one * one, self.other * other, self.both * both
        return abs(terms[0] + terms[1] - terms[2]) <= close * max(*map(abs, terms), 1e-30)

    def kind(self, weights: Parts | None, share: float, close: float) -> str:
        """Whether a loss is a MEAN over examples (as is a sum with its weights), a SUM, or an OTHER, which couples the examples of a batch.

        Args:
            weights: what stood beside the numbers; None: nothing.
            share: of the examples that are in the first part.
            close: of what size a difference is rounding.

        Raises:
            BadInput: what stood beside them is no weight.

        >>> Parts(1.0, 4.0, 3.0).kind(None, 1 / 3, 1e-9), Parts(1.0, 2.0, 3.0).kind(None, 1 / 3, 1e-9)
        ('mean', 'sum')
        """
        if not math.isfinite(sum(self)):
            return MEAN
        if weights is not None:
            return MEAN if self.weighed(weights, share, close) else OTHER
        if self.mixes(share, 1 - share, 1.0, close):
            return MEAN
        return SUM if self.adds(close) else OTHER

    def weighed(self, weights: Parts, share: float, close: float) -> bool:
        """Whether these are sums whose terms the weights may count; False: of a loss that couples the examples of a batch.

        Raises:
            BadInput: the weights do not add up, or the numbers are means.
        """
        if not weights.adds(close):
            raise BadInput(METRIC.format(why="does not add up over the examples of a batch"))
        if self.adds(close):
            return True
        if self.mixes(*weights, close) or self.mixes(share, 1 - share, 1.0, close):
            raise BadInput(METRIC.format(why="adds up over the examples of a batch while the first is a mean over them"))
        return False


def unequal(total: int) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.intp]]:
    """A few of the examples as two unequal parts, and both together.

    >>> [part.tolist() for part in unequal(5)]
    [[0], [1, 2, 3, 4], [0, 1, 2, 3, 4]]
    """
    rows = np.unique(np.linspace(0, total - 1, min(_PROBED, total)).round().astype(np.intp))
    cut = max(1, len(rows) // 3)
    return rows[:cut], rows[cut:], rows


def drawn(total: int, seed: int) -> NDArray[np.intp]:
    """The order of examples in which a loss that couples them is measured: batches as a training loop draws them."""
    return np.random.default_rng([seed, 5]).permutation(total)


def judged(size: int, total: int) -> str:
    """How many examples such a loss judges together, in brackets.

    >>> judged(16, 40), judged(40, 40)
    (' (here of 16 examples, drawn at random)', ' (here all 40 examples are one batch)')
    """
    return f" (here all {total} examples are one batch)" if size >= total else f" (here of {size} examples, drawn at random)"


def beside(second: Any, size: int | None) -> None:
    """Look at what a loss returned beside the loss; `size`: its entries, where it is an array or a number.

    Raises:
        BadInput: it cannot be a weight, being no single number.

    >>> beside(3.0, 1)
    """
    if size != 1:
        what = type(second).__name__ + ("" if size is None else f" of {size} entries")
        raise BadInput(f"the loss returned two things, and the second is a {what}: {ADVISED}, such as lambda *given: loss(*given)[0]")


MOST = 1000  # batches after which data that do not say how long they are count as endless
HELD = 10_000  # batches of an iterator, which can be read once only


def listed(batches: Iterator[Any]) -> list[Any]:
    """What an iterator holds, to be read again and again.

    Raises:
        BadInput: it goes on after 10,000 batches.

    >>> listed(iter([1, 2]))
    [1, 2]
    """
    found = list(islice(batches, HELD + 1))
    if len(found) > HELD:
        raise BadInput(
            f"an iterator can be read once only, and this one goes on after {HELD} batches: pass what it is made of, a class whose "
            "__iter__ begins again"
        )
    return found


def ended(batches: Iterable[Any], most: int = MOST) -> Iterator[Any]:
    """The batches in order.

    Raises:
        BadInput: they go on after `most` batches.

    >>> list(ended(iter([1, 2])))
    [1, 2]
    """
    for number, batch in enumerate(batches):
        if number == most:
            raise BadInput(
                f"the data do not say how long they are and go on after {most} batches: say on how many examples to measure, "
                "such as examples=1024"
            )
        yield batch

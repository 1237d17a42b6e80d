"""What is asked of data and losses in every framework: that batches have an end, and that one number is minimised."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

from ..errors import BadInput

__all__ = ["MOST", "TWO", "ended", "listed"]

TWO = (
    "the loss returned two numbers that both depend on the parameters, where (sum, weight) has a weight that counts examples: return one "
    "loss; of a game of two players (a GAN), measure and tune each player alone, with its own loss and its own parameters"
)

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

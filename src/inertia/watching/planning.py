"""How much a look takes on: which share of the probe, how many products, and when; one place for every framework.

The first looks see a few examples, because the cost of a look at all of them is not earned in the first hundreds of steps. A larger share
is looked at as soon as a trend of it, three looks, would cost no more than has been earned since the start; from then on it stays.
"""

from __future__ import annotations

from collections.abc import Sequence

from .looking import FEWEST, MOST, Seen, depth_of, next_depth
from .pacing import Pace, Price

__all__ = ["FEW", "Plan", "sizes_of"]

FEW = 8  # examples of the first looks: as many as tell how much memory and time an example takes
GROWN = 4  # times as many come next: what they cost is then known within this factor, and all looks before cost little more than the last
DEPTH = 12  # products at most of the first look from a warm start; the next ones follow what it took
TREND = 3  # looks from which the rules tell a trend


def sizes_of(whole: int, few: int = FEW) -> list[int]:
    """Examples of the looks to come: a few, four times as many, ..., all.

    >>> sizes_of(200), sizes_of(6)
    ([8, 32, 128, 200], [6])
    """
    found = []
    while few < whole:
        found.append(few)
        few *= GROWN
    return [*found, whole]


class Plan:
    """What the next look takes on.

    Args:
        pace: of the run.
        sizes: examples of the looks to come, fewest first.
        price: what a gradient and a product of the fewest cost; None where only a look can tell.
        expected: seconds that the first look takes then.
    """

    def __init__(self, pace: Pace, sizes: Sequence[int], price: Price | None, expected: float = 0.0) -> None:
        self.pace, self.sizes, self.expected = pace, list(sizes), expected
        self.prices = {} if price is None else {self.sizes[0]: price}
        self.at = 0
        self.depth, self.warm = DEPTH, None

    @property
    def costs(self) -> float:
        """Seconds that the next look takes."""
        return self.expected if not self.prices else self._cost(self.sizes[self.at])

    def wait(self) -> int:
        """Steps until the next look is earned, as far as can be told; 0: it is."""
        earned = self.pace.budget * self.pace.training
        while self.prices and self.at + 1 < len(self.sizes) and TREND * self._cost(self.sizes[self.at + 1]) <= earned:
            self.at += 1
        return self.pace.wait("look", price=self.costs)

    def begin(self, free: bool) -> tuple[int, int]:
        """Examples and most products of the look that begins now; `free`: it is asked for whatever it costs, and sees all examples."""
        allowance, costs = self.pace.allowance, self.costs
        self.pace.bought(costs)
        size = self.sizes[-1] if free else self.sizes[self.at]
        if self.quick(size):
            return size, FEWEST
        if free:
            return size, MOST
        price = self._price(size) if self.prices else None
        return size, depth_of(self.depth, self.warm is not None, price, allowance)

    def quick(self, size: int) -> bool:
        """Whether so many examples are only a part, of which curvature and steps alone are looked at."""
        return size < self.sizes[-1]

    def share(self, size: int) -> float:
        """Of the probe."""
        return size / self.sizes[-1]

    def saw(self, seen: Seen, size: int, depth: int, seconds: float, gradients: float, price: Price | None = None) -> None:
        """What the look found, and what it cost; `price` where that was measured after it, with everything compiled."""
        self.warm = seen.sharpest.start
        if not self.quick(size):  # of a part, the curvature differs by more than any bar
            self.depth = next_depth(self.depth, seen)
        if price is not None:
            self.prices[size] = price
        elif self.prices:
            held = self.prices[size] = self._price(size)
            held.took(seconds, held.of(seen.sharpest.products, gradients, 1 if self.quick(size) else 2))

    def forget(self) -> None:
        """Begin anew, with another direction."""
        self.warm = None

    def _cost(self, size: int) -> float:
        """Of a look at so many examples; at a part, two gradients: its own, and that of a part of it with the loss at averaged weights."""
        price = self._price(size)
        return price.of(FEWEST, 2, 1) if self.quick(size) else price.of(self.depth)

    def _price(self, size: int) -> Price:
        """Of that many examples; where not known, as much dearer than of fewer as they are more."""
        if size in self.prices:
            return self.prices[size]
        nearest = max((one for one in self.prices if one < size), default=min(self.prices))
        more = max(size / nearest, 1.0)
        return Price(more * self.prices[nearest].gradient, more * self.prices[nearest].product)

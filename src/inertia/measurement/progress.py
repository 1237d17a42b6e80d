"""One line on stderr while a model is measured, for people who watch."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable
from typing import TextIO

__all__ = ["Line"]


class Line:
    """Call with (products, largest, bar); writes one line over itself on a terminal, and nothing when piped.

    >>> import io
    >>> Line(io.StringIO())(3, 2.0, 0.5)
    """

    def __init__(self, stream: TextIO | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self.stream, self.clock = sys.stderr if stream is None else stream, clock
        self.rtol, self.limit = 0.01, math.inf
        self.seen: list[tuple[int, float, float]] = []  # products, when, and the relative bar

    def expect(self, rtol: float, limit: int | None) -> None:
        """What ends the run: a relative bar, or so many products."""
        self.rtol, self.limit, self.seen = rtol, math.inf if limit is None else limit, []

    def __call__(self, products: int, largest: float, bar: float) -> None:
        """Show how far the measurement is."""
        self.seen.append((products, self.clock(), bar / abs(largest) if largest else math.inf))
        if self.stream.isatty():
            left = self.left()
            about = f", about {left:.0f} s left" if math.isfinite(left) else ""
            self.stream.write(f"\rcurvature: {products} products, largest {largest:.4g} to {largest + bar:.4g}{about} \x1b[K")
            self.stream.flush()

    def left(self) -> float:
        """Seconds left for this run: its bars shrink about geometrically, from the pace of its second half; inf if unknown.

        >>> line = Line(clock=iter(range(9)).__next__)
        >>> for k in range(4):
        ...     line(k + 1, 1.0, 0.5**k)
        >>> line.left()  # from 1/8 to 1/100 in halves: 4 more products of one second
        4.0
        """
        products, now, bar = self.seen[-1]
        early = self.seen[len(self.seen) // 2 - 1] if len(self.seen) > 3 else self.seen[0]
        if products == early[0] or now <= self.seen[0][1]:
            return math.inf
        pace = (now - self.seen[0][1]) / (products - self.seen[0][0])
        shrink = math.log(early[2] / bar) / (products - early[0]) if 0 < bar < early[2] < math.inf else 0.0
        more = 0 if bar <= self.rtol else math.ceil(math.log(bar / self.rtol) / shrink) if shrink else math.inf
        return max(0.0, min(more, self.limit - products)) * pace

    def close(self) -> None:
        """End the line."""
        if self.stream.isatty():
            self.stream.write("\n")

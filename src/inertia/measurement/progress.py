"""One line on stderr while a model is measured, for people who watch."""

from __future__ import annotations

import sys
from typing import TextIO

__all__ = ["Line"]


class Line:
    """Call with (products, largest, bar); writes one line over itself on a terminal, and nothing when piped.

    >>> import io
    >>> Line(io.StringIO())(3, 2.0, 0.5)
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        self.stream = sys.stderr if stream is None else stream

    def __call__(self, products: int, largest: float, bar: float) -> None:
        """Show how far the measurement is."""
        if self.stream.isatty():
            self.stream.write(f"\rcurvature: {products} products, largest {largest:.4g} to {largest + bar:.4g} ")
            self.stream.flush()

    def close(self) -> None:
        """End the line."""
        if self.stream.isatty():
            self.stream.write("\n")

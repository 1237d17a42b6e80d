"""A progress bar with the time left, on stderr, and only where somebody watches it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from .output import screen

__all__ = ["bar"]

Tell = Callable[..., None]


@contextmanager
def bar(label: str, quiet: bool = False) -> Iterator[Tell]:
    """A context that gives `tell(done, total, label)`: silent with --json, when piped and in tests.

    >>> with bar("run") as tell:
    ...     tell(1, 10)
    """
    if quiet or not sys.stderr.isatty():
        yield lambda *_: None
        return
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(complete_style="#f2611d"),
        TextColumn("{task.percentage:>3.0f}%"),
        TimeRemainingColumn(),
    )
    from rich.markup import escape

    with Progress(*columns, console=screen(), transient=True) as drawn:
        shown = drawn.add_task(escape(label), total=None)

        def tell(done: float, total: float, words: str = label) -> None:
            drawn.update(shown, completed=done, total=total, description=escape(words))

        yield tell

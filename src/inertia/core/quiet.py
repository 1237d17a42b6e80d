"""Warnings held back for a while, in as many threads as like."""

from __future__ import annotations

import contextlib
import threading
import warnings
from collections.abc import Iterator
from typing import Any

__all__ = ["quiet"]

_TURN = threading.Lock()
_HELD: list[Any] = []  # the one block of `warnings` that all of ours share, and how many of ours are inside
_COUNT = [0]


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """No warnings inside; the filters as they were once the last thread that asked for quiet has left.

    The filters belong to the whole process. Two threads that each put back what they found, the second while the first was inside,
    would leave them silenced for good (https://docs.python.org/3/library/warnings.html: `catch_warnings` is not thread-safe).

    >>> before = list(warnings.filters)
    >>> with quiet():
    ...     warnings.warn("unheard", stacklevel=1)
    >>> warnings.filters == before
    True
    """
    with _TURN:
        if not _COUNT[0]:
            block = warnings.catch_warnings()
            block.__enter__()
            warnings.simplefilter("ignore")
            _HELD.append(block)
        _COUNT[0] += 1
    try:
        yield
    finally:
        with _TURN:
            _COUNT[0] -= 1
            if not _COUNT[0]:
                _HELD.pop().__exit__(None, None, None)

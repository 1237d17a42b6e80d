"""A style of matplotlib for the drawing of one picture."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator, Mapping
from typing import Any

__all__ = ["styled"]

_TURN = threading.RLock()


@contextlib.contextmanager
def styled(settings: Mapping[str, Any]) -> Iterator[None]:
    """Those rcParams inside, the user's own again at the end.

    rcParams belong to the whole process: threads that draw take turns, or one would put back for good what another had set.

    >>> import matplotlib
    >>> before = matplotlib.rcParams["font.size"]
    >>> with styled({"font.size": 31.0}):
    ...     matplotlib.rcParams["font.size"]
    31.0
    >>> matplotlib.rcParams["font.size"] == before
    True
    """
    from matplotlib import rc_context

    with _TURN, rc_context(dict(settings)):
        yield

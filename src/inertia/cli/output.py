"""What leaves the command line: pure JSON or tables on stdout, progress and remarks on stderr.

JSON has no infinity and no NaN: a number that is not finite is written as null, and another key says why (`stable`,
`diverged`, `diverged_at`). Floats keep all their digits: reading them back gives the same number.
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["Kept", "emit", "number", "paper", "plain", "screen", "table", "tell"]


class Kept(Exception):
    """Ctrl-C after something was kept: the message says where. (A KeyboardInterrupt would lose it on its way through typer.)"""


def plain(data: Any) -> Any:
    """Numbers, arrays, tuples and records as what JSON can hold; a number that is not finite becomes None.

    >>> plain({"rate": float("inf"), "losses": (1.0, 2)})
    {'rate': None, 'losses': [1.0, 2]}
    """
    if hasattr(data, "to_json"):
        return plain(data.to_json())
    if hasattr(data, "_asdict"):
        return plain(data._asdict())
    if isinstance(data, Mapping):
        return {str(key): plain(value) for key, value in data.items()}
    if isinstance(data, str | bool | int | None):
        return data
    if isinstance(data, float):
        return float(data) if math.isfinite(data) else None
    if hasattr(data, "tolist"):  # numpy, without importing it
        return plain(data.tolist())
    if isinstance(data, Iterable):
        return [plain(value) for value in data]
    return str(data)


def emit(data: Any) -> None:
    """Write pure JSON to stdout, one document, full precision.

    >>> emit({"alpha": 0.1, "steps": float("inf")})
    {
      "alpha": 0.1,
      "steps": null
    }
    """
    sys.stdout.write(json.dumps(plain(data), indent=2, allow_nan=False) + "\n")
    sys.stdout.flush()


def paper() -> Console:
    """The rich console of stdout: tables; plain text when piped."""
    from rich.console import Console

    return Console(highlight=False, emoji=False, soft_wrap=not sys.stdout.isatty())


def tell(words: str) -> None:
    """A line for people on stdout, as it is: brackets in names and paths are no markup. Wrapped only on a terminal.

    >>> tell("wrote out[red]/report.html")
    wrote out[red]/report.html
    """
    paper().print(words, markup=False)


def screen(quiet: bool = False) -> Console:
    """The rich console of stderr: progress and remarks; silent when asked to be or when nobody watches."""
    from rich.console import Console

    return Console(stderr=True, highlight=False, emoji=False, quiet=quiet or not sys.stderr.isatty())


def table(rows: Iterable[Sequence[str]], head: Sequence[str] = (), left: bool = False) -> None:
    """Print a table to stdout: first column left, the rest right (unless `left`), no frame.

    >>> table([["rate", "0.5"]])
    rate   0.5
    """
    from rich import box
    from rich.markup import escape
    from rich.table import Table

    drawn = Table(box=box.SIMPLE_HEAD if head else None, show_header=bool(head), pad_edge=False)
    kept = [list(row) for row in rows]
    for index in range(len(head) or max((len(row) for row in kept), default=0)):
        drawn.add_column(escape(head[index]) if head else "", justify="left" if left or index == 0 else "right", overflow="fold")
    for row in kept:
        drawn.add_row(*(escape(cell) for cell in row))
    paper().print(drawn)


def number(value: float | None, digits: int = 4) -> str:
    """A number for people: so many significant digits, 'never' for what is infinite or unknown.

    >>> number(0.0123456), number(float("inf")), number(120.0)
    ('0.01235', 'never', '120')
    """
    if value is None or not math.isfinite(value):
        return "never"
    return f"{value:.{digits}g}"

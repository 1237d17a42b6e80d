"""The command line: one module per group of commands, found by name; importing it loads typer and rich only.

A module of this folder that defines `register(app)` adds its commands to `inertia` (see `app.py`); numpy, matplotlib and
the rooms that compute are imported inside the commands, so that `inertia --help` answers at once.
"""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command line and return its exit code; see `app.main`. Ctrl-C while modules load is one line as well."""
    try:
        from .app import main as run
    except KeyboardInterrupt:
        import sys

        print("inertia: interrupted", file=sys.stderr)
        return 130
    return run(arguments)

"""The command line: one module per group of commands, found by name; importing it loads typer and rich only.

A module of this folder that defines `register(app)` adds its commands to `inertia` (see `app.py`); numpy, matplotlib and
the rooms that compute are imported inside the commands, so that `inertia --help` answers at once.
"""

from .app import main

__all__ = ["main"]

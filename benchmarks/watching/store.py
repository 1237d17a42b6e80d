"""Measured results, one line each, in benchmarks/data/watch.json: what is there is not measured again."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

__all__ = ["KEPT", "kept", "results"]

KEPT = Path(__file__).parents[1] / "data" / "watch.json"


def results() -> dict[str, Any]:
    """Everything that has been measured."""
    found: dict[str, Any] = json.loads(KEPT.read_text()) if KEPT.exists() else {}
    return found


def kept(name: str, make: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """One result, from the file where it is there; else it is made and written."""
    held = results()
    if name not in held:
        made = make()
        held = results()  # another part may have written meanwhile
        held[name] = made
        text = "{\n" + ",\n".join(f"{json.dumps(key)}: {json.dumps(held[key])}" for key in sorted(held)) + "\n}\n"
        KEPT.write_text(text)
    found: dict[str, Any] = held[name]
    return found

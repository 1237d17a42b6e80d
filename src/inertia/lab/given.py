"""What the laboratory is started with: a record of `inertia tune`, read once, before any page can ask."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..errors import BadData
from .api import LONGEST
from .loaded import loaded

__all__ = ["known", "plain", "read"]


_CARRIED = re.compile(r'<script type="application/json" id="record">(.*?)</script>', re.DOTALL)


def read(place: Path) -> dict[str, Any]:
    """The record in a folder, or the file itself: record.json, or the report.html that carries it.

    Raises:
        BadData: no record.json there, unreadable, or not a JSON object.
    """
    path = place / "record.json" if place.is_dir() else place
    try:
        if path.stat().st_size > 64 * LONGEST:
            raise BadData(f"{path} has {path.stat().st_size} bytes: a record of `inertia tune` is far smaller")
        text = path.read_text()
        carried = _CARRIED.search(text) if path.suffix.lower() in (".html", ".htm") else None
        found = json.loads(text if carried is None else carried[1])
    except OSError as error:
        raise BadData(f"cannot read {path}: {error.strerror}; give the folder that `inertia tune --out DIR` wrote") from None
    except ValueError:
        raise BadData(f"{path} is not JSON: give the folder that `inertia tune --out DIR` wrote") from None
    if not isinstance(found, dict):
        raise BadData(f"{path} holds a {type(found).__name__}, not a record: give the folder that `inertia tune --out DIR` wrote")
    return found


def plain(value: Any) -> Any:
    """The same without numbers that JSON has no word for: they become null.

    >>> plain({"loss": [1.0, float("nan")]})
    {'loss': [1.0, None]}
    """
    if isinstance(value, Mapping):
        return {name: plain(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [plain(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def known(place: Path | None) -> dict[str, Any]:
    """What the laboratory is started with, checked as far as the figure that shows it will check it.

    Raises:
        BadData: no record there, or a damaged one.

    >>> known(None)
    {}
    """
    if place is None:
        return {}
    record = plain(read(place))
    loaded(record)
    return {"record": record}

"""Text that comes with Python: the documentation topics of pydoc, and sources of the standard library.

It differs a little between Python versions; the data record the version they were computed with.
"""

from __future__ import annotations

import re
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

_SOURCES = ("argparse", "ast", "collections/__init__", "configparser", "csv", "datetime", "difflib", "doctest", "enum", "fractions",
            "functools", "heapq", "inspect", "pathlib", "random", "shutil", "statistics", "string", "tarfile", "textwrap")  # fmt: skip


@cache
def topics() -> str:
    from pydoc_data.topics import topics as found

    return "\n".join(found[name] for name in sorted(found))


@cache
def sources() -> dict[str, str]:
    """Modules of the standard library by name."""
    import os

    home = Path(os.__file__).parent
    return {name: (home / f"{name}.py").read_text(encoding="utf-8") for name in _SOURCES if (home / f"{name}.py").exists()}


@cache
def letters(which: str, count: int) -> tuple[Any, int]:
    """The first `count` letters of the topics or the sources as numbers, and how many different ones there are."""
    text = (topics() if which == "topics" else "\n".join(sources().values()))[:count]
    alphabet = sorted(set(text))
    return np.searchsorted(alphabet, list(text)).astype(np.int32), len(alphabet)


@cache
def words(vocabulary: int, count: int) -> Any:
    """The first `count` words of the topics as numbers; 0 stands for all that are not among the most frequent."""
    found = re.findall(r"[a-z_]+", topics().lower())[:count]
    known = {word: i + 1 for i, (word, _) in enumerate(Counter(found).most_common(vocabulary - 1))}
    return np.array([known.get(word, 0) for word in found], dtype=np.int32)


def windows(codes: Any, length: int, count: int) -> Any:
    """`count` windows of consecutive numbers, evenly over the text, (count, length)."""
    starts = np.linspace(0, len(codes) - length, count).astype(int)
    return codes[starts[:, None] + np.arange(length)]

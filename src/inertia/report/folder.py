"""A folder of results in which no file is ever half-written: each is written beside its place, then renamed into it."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..errors import BadInput
from .views import View

__all__ = ["Folder"]


class Folder:
    """Where a command leaves its report, figures and record; opening it makes sure that it can be written.

    Open it before the long work starts: an unwritable place should cost nothing.

    Raises:
        BadInput: the folder cannot be made or written; the message names the folder and the reason.

    >>> place = Folder(tempfile.mkdtemp())
    >>> place.write("loss.txt", "0.5").read_text()
    '0.5'
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self.written: list[Path] = []
        self.drawn: dict[str, bytes] = {}  # the SVG of every figure written, by name: a page need not draw it again
        if self.path.exists() and not self.path.is_dir():
            raise BadInput(f"cannot write to {self.path}: it is a file, not a folder; choose another --out")
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            handle, trial = tempfile.mkstemp(prefix=".inertia-", dir=self.path)
            os.close(handle)
            os.unlink(trial)
        except OSError as error:
            raise self._refusal(error) from error

    def write(self, name: str, content: str | bytes) -> Path:
        """Write one file whole or not at all, and return its path."""
        data = content.encode() if isinstance(content, str) else content
        place = self.path / name
        temporary = self.path / f".{name}.{os.getpid()}.{secrets.token_hex(4)}"
        try:
            with open(
                os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666), "wb"
            ) as file:  # never through a link that waits there
                file.write(data)
            os.replace(temporary, place)
        except BaseException as error:
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)
            if isinstance(error, OSError):
                raise self._refusal(error) from error
            raise
        self.written.append(place)
        return place

    def write_json(self, name: str, data: Any) -> Path:
        """Write plain data as JSON with every digit (no infinities: the caller has made them null)."""
        return self.write(name, json.dumps(data, indent=2, allow_nan=False) + "\n")

    def write_figures(self, views: Sequence[View]) -> list[Path]:
        """Draw every view as NAME.png and NAME.svg."""
        from .draw import image

        written: list[Path] = []
        for view in views:
            self.drawn[view.name] = image(view, "svg")
            written += [self.write(f"{view.name}.png", image(view)), self.write(f"{view.name}.svg", self.drawn[view.name])]
        return written

    def remove(self, names: Sequence[str]) -> None:
        """Take away files of an earlier result that would contradict the new one."""
        for name in names:
            (self.path / name).unlink(missing_ok=True)

    def _refusal(self, error: OSError) -> BadInput:
        return BadInput(f"cannot write to {self.path}: {(error.strerror or str(error)).lower()}; choose another --out")

"""The log of a watched run: one line of JSON per event, each written whole and at once, so that a killed run leaves all but its last.

    {"kind": "start", ...}   {"kind": "losses", "step": k, "values": [...]}   {"kind": "reading", ...}   {"kind": "look", ...}
    {"kind": "message", "name": ..., "began": k, "words": ...}   {"kind": "message", "name": ..., "ended": k}   {"kind": "end", ...}

A log that is there already is continued: a line that was cut is dropped, and a line {"kind": "resume", "step": k} says from which step on
what stood before is superseded.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..errors import BadData, BadInput
from .quantities import Look, Reading, from_plain, plain

__all__ = ["Journal", "Told", "Watched", "read", "watched"]


@dataclass(frozen=True, order=True)
class Told:
    """A message as it stands in a log: true from `began` to `ended` (None: still)."""

    name: str
    words: str
    began: int
    ended: int | None = None


@dataclass
class Watched:
    """A run as its log tells it."""

    about: dict[str, Any] = field(default_factory=dict)
    losses: list[tuple[int, float]] = field(default_factory=list)  # (step, loss); not a number where it was not finite
    readings: list[Reading] = field(default_factory=list)
    looks: list[Look] = field(default_factory=list)
    messages: list[Told] = field(default_factory=list)
    steps: int = 0
    ended: bool = False
    resumed: list[int] = field(default_factory=list)
    size: int = 0  # bytes of the log that were read: what is written later stands after them

    @property
    def active(self) -> list[Told]:
        """The messages that are true at the end."""
        return [told for told in self.messages if told.ended is None]

    def take(self, line: Mapping[str, Any]) -> None:
        """One more line."""
        kind, step = line.get("kind"), int(line.get("step") or 0)
        if kind == "start":
            self.about = dict(line)
        elif kind == "resume":
            self._forget(step)
            self.resumed.append(step)
        elif kind == "losses":
            values = [float("nan") if value is None else float(value) for value in line["values"]]
            self.losses += list(zip(range(step, step + len(values)), values, strict=True))
            step += len(values) - 1
        elif kind == "reading":
            self.readings.append(from_plain(Reading, line))
        elif kind == "look":
            self.looks.append(from_plain(Look, line))
        elif kind == "message":
            step = self._message(line)
        self.steps, self.ended = max(self.steps, step), kind == "end"

    def _message(self, line: Mapping[str, Any]) -> int:
        if line.get("began") is not None:
            self.messages.append(Told(str(line["name"]), str(line["words"]), int(line["began"])))
            return int(line["began"])
        ended = int(line["ended"])
        for index, told in enumerate(self.messages):
            if told.name == line["name"] and told.ended is None:
                self.messages[index] = Told(told.name, told.words, told.began, ended)
        return ended

    def _forget(self, step: int) -> None:
        """Leave out what was seen beyond a step from which the run was taken up again."""
        self.losses = [entry for entry in self.losses if entry[0] <= step]
        self.readings = [reading for reading in self.readings if reading.step <= step]
        self.looks = [look for look in self.looks if look.step <= step]
        kept = [told for told in self.messages if told.began <= step]
        self.messages = [Told(t.name, t.words, t.began, t.ended if t.ended is not None and t.ended <= step else None) for t in kept]
        self.steps = step


class Journal:
    """A log open for appending.

    Raises:
        BadInput: a place that cannot be written.
        BadData: a file that is there and is no log of a watched run.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self.before = Watched()
        try:
            if self.path.exists() and self.path.stat().st_size:
                self.before = watched(self.path)
                _whole(self.path)
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self.file: Any = open(self.path, "ab", buffering=0)  # noqa: SIM115  (open as long as the run)
        except BadData:
            raise
        except OSError as error:
            raise BadInput(f"cannot write to {self.path}: {(error.strerror or str(error)).lower()}; choose another log=") from error

    def write(self, kind: str, **data: Any) -> None:
        """One event, in one write: a kill leaves it whole or not there."""
        line = json.dumps({"kind": kind} | {name: plain(value) for name, value in data.items()}, allow_nan=False)
        self.file.write(line.encode() + b"\n")

    def close(self) -> None:
        """No more events."""
        self.file.close()


def read(path: str | os.PathLike[str], offset: int = 0) -> Iterator[tuple[dict[str, Any], int]]:
    """The whole lines of a log from a byte on, each with the byte after it; a last line that was cut is left out.

    Raises:
        BadData: no such file, or a line that is no event of a watched run.
    """
    try:
        with open(path, "rb") as file:
            file.seek(offset)
            data = file.read()
    except OSError as error:
        raise BadData(f"cannot read {path}: {(error.strerror or str(error)).lower()}") from error
    for raw in data.split(b"\n")[:-1]:
        offset += len(raw) + 1
        if not raw.strip():
            continue
        try:
            line = json.loads(raw)
        except ValueError:
            line = None
        if not isinstance(line, dict) or "kind" not in line:
            raise BadData(
                f"{path} is no log of a watched run: it holds the line {raw[:40].decode(errors='replace')!r}; give the file of log="
            )
        yield line, offset


def watched(path: str | os.PathLike[str]) -> Watched:
    """Everything that a log tells.

    Raises:
        BadData: as `read`; a file without one whole line.
    """
    found = Watched()
    lines = 0
    for line, found.size in read(path):
        try:
            found.take(line)
        except (KeyError, TypeError, ValueError) as error:
            raise BadData(f"{path} holds an event that cannot be read: {json.dumps(line)[:80]}") from error
        lines += 1
    if not lines and Path(path).stat().st_size > 0:
        raise BadData(f"{path} holds no whole line of a log: give the file of log=")
    return found


def _whole(path: Path) -> None:
    """Cut off a last line that a kill left unfinished."""
    data = path.read_bytes()
    if data and not data.endswith(b"\n"):
        with open(path, "r+b") as file:
            file.truncate(data.rfind(b"\n") + 1)

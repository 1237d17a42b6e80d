"""Where finished work is kept: in memory, or as a journal on disk that a kill cannot spoil.

A journal is one line of JSON for each fact, in the order in which they became known: what was asked, what was measured, what
was proposed (with its forecast, before the run), what the run did. Every line carries a check sum over itself and all lines
before it, so that a damaged or edited journal is noticed; a last line that a kill cut short is dropped. A lock keeps two
tunings from writing into one folder.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from ..errors import BadInput
from .stored import from_plain, to_plain
from .trainable import Run

__all__ = ["JOURNAL", "LARGEST", "Journal", "Memory", "Store"]

JOURNAL, LOCK = "runs.jsonl", "runs.lock"
LARGEST = 256 * 2**20  # bytes of parameters up to which the end of a run is kept
_VERSION = 2  # of the journal's own form


class Store(Protocol):
    """Keeps facts by kind, in order; hands back those that are known already instead of making them again."""

    resumed: int  # runs that were not made again
    asked: dict[str, Any] | None  # what the tuning that is taken up was asked; None where none is

    def open(self, asked: dict[str, Any]) -> None:
        """Begin, or take up, the tuning that `asked` describes."""
        ...

    def fact(self, kind: str, make: Callable[[], Any]) -> Any:
        """The next fact of this kind as plain data: the one that is kept, or what `make` gives, kept from now on."""
        ...

    def runs(self, make: Callable[[int], list[Run]], count: int) -> list[Run]:
        """The next `count` runs: those kept first, then what `make(how many are lacking)` gives."""
        ...

    def end(self, index: int) -> bytes | None:
        """Where the run of this number ended."""
        ...


class Memory:
    """Nothing outlives the process.

    >>> Memory().fact("measured", lambda: 3)
    3
    """

    def __init__(self) -> None:
        self.asked: dict[str, Any] | None = None
        self.resumed, self._ends, self._made = 0, dict[int, bytes | None](), 0

    def open(self, asked: dict[str, Any]) -> None:
        """Nothing to take up."""

    def fact(self, kind: str, make: Callable[[], Any]) -> Any:
        """What `make` gives, as plain data."""
        return to_plain(make())

    def runs(self, make: Callable[[int], list[Run]], count: int) -> list[Run]:
        """What `make` gives."""
        found = make(count)
        for run in found:
            self._ends[self._made] = run.end
            self._made += 1
        return found

    def end(self, index: int) -> bytes | None:
        """Where the run of this number ended."""
        return self._ends.get(index)


class Journal:
    """The facts of one tuning in a folder; with `resume` those that are there already are not made again.

    Raises:
        BadInput: the folder cannot be written, another tuning is using it, or (with `resume`) the journal is damaged, edited
            or of another tuning.
    """

    def __init__(self, folder: str | os.PathLike[str], *, resume: bool = False) -> None:
        self.folder, self.path = Path(folder), Path(folder) / JOURNAL
        self.resumed, self._made = 0, 0
        self._chain = hashlib.sha256(b"inertia journal")
        self._lock = _locked(self.folder)
        try:
            if self.path.is_symlink():
                raise BadInput(f"{self.path} is a symbolic link, which is not followed: remove it, or choose another folder")
            self._known, self._whole = self._read() if resume else ([], 0)
            self.asked: dict[str, Any] | None = self._known[0]["data"] if self._known else None
        except BaseException:
            self.close()
            raise

    def open(self, asked: dict[str, Any]) -> None:
        """Begin anew, or go on after comparing what is asked with what was asked."""
        head = {"journal": _VERSION} | to_plain(asked)
        if not self._known:
            for place in self.folder.glob("end-*.params"):
                place.unlink(missing_ok=True)
            self._write("asked", head, "w")
            return
        old = self._known.pop(0)["data"]
        changed = [f"{name.replace('_', ' ')} was {_word(old.get(name))}, is now {_word(value)}" for name, value in head.items()
                   if old.get(name) != value]  # fmt: skip
        if changed:
            raise BadInput(
                f"{self.path} holds another tuning ({'; '.join(changed)}): to resume, ask for the same again; else leave resume out, "
                "which starts anew and overwrites it, or choose another folder"
            )
        with contextlib.suppress(OSError):
            os.truncate(self.path, self._whole)

    def fact(self, kind: str, make: Callable[[], Any]) -> Any:
        """The next fact of this kind."""
        if self._known:
            if self._known[0]["kind"] != kind:
                raise BadInput(f"{self.path} does not go on as this tuning would: leave resume out, which starts anew")
            return self._known.pop(0)["data"]
        made = to_plain(make())
        self._write(kind, made)
        return made

    def runs(self, make: Callable[[int], list[Run]], count: int) -> list[Run]:
        """The next runs; each is kept as soon as it is handed over."""
        found: list[Run] = []
        while self._known and self._known[0]["kind"] == "run" and len(found) < count:
            found.append(from_plain(Run, self._known.pop(0)["data"]))
            self.resumed += 1
            self._made += 1
        lacking = count - len(found)
        for run in make(lacking) if lacking else ():
            self._keep_end(self._made, run.end)
            self._write("run", {key: value for key, value in to_plain(run).items() if key != "end"})
            self._made += 1
            found.append(run)
        return found

    def end(self, index: int) -> bytes | None:
        """Where the run of this number ended."""
        with contextlib.suppress(OSError):
            return (self.folder / f"end-{index}.params").read_bytes()
        return None

    def close(self) -> None:
        """Let another tuning use the folder."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _keep_end(self, index: int, data: bytes | None) -> None:
        """What cannot be written is not kept; nothing else is lost by it."""
        if data is None or len(data) > LARGEST:
            return
        beside = self.folder / f".end-{index}.{os.getpid()}"
        try:
            beside.write_bytes(data)
            os.replace(beside, self.folder / f"end-{index}.params")
        except OSError:
            with contextlib.suppress(OSError):
                beside.unlink(missing_ok=True)

    def _write(self, kind: str, data: Any, mode: str = "a") -> None:
        text = _text(kind, data)
        self._chain.update(text.encode())
        line = _line(self._chain.hexdigest(), text).decode() + "\n"
        flags = os.O_WRONLY | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | (os.O_APPEND if mode == "a" else os.O_TRUNC)
        try:
            with os.fdopen(os.open(self.path, flags, 0o644), "w" if mode == "w" else "a") as file:
                file.write(line)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise BadInput(f"{self.path} cannot be written ({error.strerror}): choose another folder, or make room") from error

    def _read(self) -> tuple[list[dict[str, Any]], int]:
        """The whole lines, checked; without a last line that a kill cut short."""
        if not self.path.exists():
            return [], 0
        try:
            whole = self.path.read_bytes()
        except OSError as error:
            raise BadInput(f"{self.path} cannot be read ({error.strerror}): leave resume out, or choose another folder") from error
        whole = whole[: whole.rfind(b"\n") + 1]
        lines = []
        for number, raw in enumerate(whole.split(b"\n")[:-1], start=1):
            try:
                line = json.loads(raw)
                text = _text(line["kind"], line["data"])
                self._chain.update(text.encode())
                right = raw == _line(self._chain.hexdigest(), text)  # to the byte: white space and the order of keys count
            except (ValueError, KeyError, TypeError, RecursionError):
                right = False
            if not right:
                raise BadInput(
                    f"{self.path} is damaged or was edited (line {number}): leave resume out, which starts anew, or choose another folder"
                )
            lines.append(line)
        return lines, len(whole)


def _text(kind: str, data: Any) -> str:
    return json.dumps({"kind": kind, "data": data}, allow_nan=False)


def _line(digest: str, text: str) -> bytes:
    return f'{{"check": "{digest[:16]}", {text[1:]}'.encode()


def _word(value: Any) -> str:
    if isinstance(value, list) and value:
        return f"a list of {len(value)}" if len(value) > 9 else ", ".join(map(_word, value))
    return "not given" if value is None or value in ("", []) else f"{value:.6g}" if isinstance(value, float) else str(value)


def _locked(folder: Path) -> int | None:
    """A lock on the folder that the system takes away with the process, however it ends."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o644)
    except OSError as error:
        raise BadInput(f"{folder} cannot be written ({error.strerror}): choose another folder") from error
    try:
        import fcntl
    except ImportError:  # not a POSIX system: nothing keeps two tunings apart there
        return handle
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(handle)
        raise BadInput(f"another tuning is writing into {folder}: wait for it, or choose another folder") from error
    return handle

"""Where runs ended: their parameters as bytes, in memory or beside a journal, so that the chosen run can be looked at again."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from ..core.method import Method
from ..core.spectrum import Spectrum
from ..theory.modes import edge
from .report import Tuning

__all__ = ["LARGEST", "Ends", "ended"]

LARGEST = 256 * 2**20  # bytes of parameters up to which the ends of runs are kept


class Ends:
    """The parameters at the end of each run, by method: files in a folder, or held in memory where there is none.

    What cannot be written is not kept: then the sharpness at the end is not measured, and nothing else is lost.

    >>> ends = Ends()
    >>> ends.keep(Method(0.1), b"end")
    >>> ends.find(Method(0.1)), ends.find(Method(0.2))
    (b'end', None)
    """

    def __init__(self, folder: str | os.PathLike[str] | None = None) -> None:
        self.folder = None if folder is None else Path(folder)
        self.size = 0
        self._held: dict[str, bytes] = {}

    def room(self, size: int) -> bool:
        """Whether ends of `size` bytes are kept."""
        self.size = size
        return size <= LARGEST

    def keep(self, method: Method, data: bytes | None) -> None:
        """Remember where the run of a method ended; None: nowhere."""
        name = _name(method)
        if data is None:
            return
        if self.folder is None:
            self._held[name] = data
            return
        beside = self.folder / f".{name}.{os.getpid()}"
        try:
            beside.write_bytes(data)
            os.replace(beside, self.folder / name)
        except OSError:
            with contextlib.suppress(OSError):
                beside.unlink(missing_ok=True)

    def find(self, method: Method) -> bytes | None:
        """What was kept for a method."""
        if self.folder is None:
            return self._held.get(_name(method))
        with contextlib.suppress(OSError):
            return (self.folder / _name(method)).read_bytes()
        return None

    def forget(self, but: Method | None = None) -> None:
        """Drop all ends (but that of one method)."""
        spared = None if but is None else _name(but)
        self._held = {name: data for name, data in self._held.items() if name == spared}
        for place in self.folder.glob("end-*.params") if self.folder is not None else ():
            if place.name != spared:
                with contextlib.suppress(OSError):
                    place.unlink()


def ended(tuning: Tuning, ends: Ends, look: Callable[[bytes], Spectrum | None], lift: float = 0.0) -> Tuning:
    """The tuning with the largest curvature where the recommended run ended (and what that cost), or why it is not known.

    `look` measures at kept parameters; None where they cannot be read or nothing finite is there. `lift` is the curvature
    that weight decay adds.
    """
    ends.forget(but=tuning.method)
    kept, facts, limit = ends.find(tuning.method), tuning.measurement, {"edge": float(edge(tuning.method))}
    there = None if kept is None else look(kept)
    if there is None:
        why = "nothing finite can be measured there"
        if kept is None:
            why = "the parameters at the end of that run were not kept"
            why += f": they take {ends.size / 2**20:.0f} MB, more than {LARGEST // 2**20}" if ends.size > LARGEST else ""
        return replace(tuning, measurement=dict(facts) | limit | {"end_not_measured": why})
    spent = int(2 * float(there.provenance["hvps"]) * int(facts["examples"]))
    runs = spent * facts["in_runs"] / facts["gradients"]
    seen = {"largest_at_end": there.L + lift, "gradients": facts["gradients"] + spent, "in_runs": facts["in_runs"] + runs}
    return replace(tuning, measurement=dict(facts) | limit | seen, cost_in_runs=tuning.cost_in_runs + runs)


def _name(method: Method) -> str:
    alpha, beta, gamma, _ = (float(value) for value in method)
    return f"end-{alpha!r}-{beta!r}-{gamma!r}.params"

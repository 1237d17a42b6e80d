"""Finished runs on disk before the next one starts, so that a kill costs at most the run that was under way.

One line of JSON per run, after a first line that says what was being tuned: a journal of another tuning is never taken up.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import BadInput
from ..method import Method
from ..record import Record
from .decide import Budget
from .search import Trial

__all__ = ["Journal"]


class Journal:
    """The runs of one tuning in a file; with `resume` those that are there already are not made again.

    Raises:
        BadInput: (with `resume`) the file is not a journal; later, it cannot be written.
    """

    def __init__(self, path: str | os.PathLike[str], *, resume: bool = False) -> None:
        self.path, self.resumed = Path(path), 0
        self._lines = _read(self.path) if resume else []

    def trial(self, budget: Budget, trial: Trial, *, together: bool = True) -> Trial:
        """The same trial, which looks here first and writes every run down as soon as it is finished.

        `together` hands several methods to it at once (they finish at once); otherwise one after the other.
        """
        head = _fingerprint(budget)
        if self._lines and self._lines[0] != head:
            changed = [name for name in head if self._lines[0].get(name) != head[name]]
            raise BadInput(
                f"{self.path} holds the runs of another tuning ({', '.join(changed) or 'other settings'} differ): leave --resume out, "
                "or choose another folder"
            )
        if not self._lines:
            self._write(json.dumps(head) + "\n", "w")
        known = {_key(line["method"]): line for line in self._lines[1:]}

        def looked_up(methods: Sequence[Method]) -> list[Record]:
            wanted = [method for method in methods if _key(method._asdict()) not in known]
            made = iter(trial(wanted) if together and wanted else (run for method in wanted for run in trial([method])))
            found = []
            for method in methods:
                line = known.get(_key(method._asdict()))
                if line is None:
                    run = next(made)
                    self._write(_line(run), "a")
                else:
                    run, self.resumed = _record(line), self.resumed + 1
                found.append(run)
            return found

        return looked_up

    def _write(self, text: str, mode: str) -> None:
        try:
            with self.path.open(mode) as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise BadInput(f"{self.path} cannot be written ({error.strerror}): choose another folder, or make room") from error


def _read(path: Path) -> list[dict[str, Any]]:
    """The whole lines of a journal; a last line that a kill cut short is dropped. Nothing there: nothing to resume."""
    if not path.exists():
        return []
    try:
        lines = path.read_text().split("\n")[:-1]
        return [json.loads(line) for line in lines]
    except (OSError, ValueError) as error:
        raise BadInput(f"{path} is not a journal of runs ({error}): leave --resume out") from error


def _line(run: Record) -> str:
    data = run.to_json() | {"final": [], "notes": dict(run.notes)}  # the last parameters would be most of the file
    return json.dumps(data, default=lambda array: array.tolist()) + "\n"


def _fingerprint(budget: Budget) -> dict[str, Any]:
    schedule = budget.schedule if isinstance(budget.schedule, str) else "custom"
    fields = ("task", "steps", "batch_size", "examples", "seed", "judged_by", "extras")
    return {name: getattr(budget, name) for name in fields} | {"schedule": schedule}


def _key(method: dict[str, Any]) -> tuple[float, ...]:
    return tuple(float(method[name]) for name in ("alpha", "beta", "gamma"))


def _record(line: dict[str, Any]) -> Record:
    method = Method(**line["method"])
    kept = {name: line[name] for name in ("steps", "diverged_at", "gradients", "schedule", "seed", "notes")}
    return Record(method, np.asarray(line["losses"], dtype=float), np.empty(0), **kept)

"""Finished runs on disk before the next one starts, so that a kill costs at most the run that was under way.

One line of JSON per run, after a first line that says what was being tuned: a journal of another tuning is never taken up.
Where the runs of a model ended is kept in files beside it, that of the recommended run for good.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..core.method import Method
from ..core.record import Record
from ..core.schedule import tabulate
from ..errors import BadInput
from .choose import scheduled
from .decide import Budget
from .ends import Ends
from .observe import Observation
from .search import Trial

__all__ = ["Journal"]


_LOOKS = 9  # steps at which a schedule is compared
_ROUNDING = 1e-4  # relative: another number of threads sums in another order
_NAMES = {
    "judged_by": "what runs are compared by", "factors": "the schedule's factors along the run", "batch_size": "the batch size",
    "dimension": "the number of parameters", "loss": "the loss at the start", "weight_decay": "weight decay", "warmup": "warm-up",
}  # fmt: skip


class Journal:
    """The runs of one tuning in a file; with `resume` those that are there already are not made again.

    Raises:
        BadInput: (with `resume`) the file is not a journal; later, it cannot be written.
    """

    def __init__(self, path: str | os.PathLike[str], *, resume: bool = False) -> None:
        self.path, self.resumed = Path(path), 0
        self.ends = Ends(self.path.parent)
        self._lines, self._whole = _read(self.path) if resume else ([], 0)

    def trial(self, budget: Budget, trial: Trial, seen: Observation | None = None, *, together: bool = True) -> Trial:
        """The same trial, which looks here first and writes every run down as soon as it is finished.

        `seen` is what was measured before the runs: a task that changed under its name is noticed by it. `together` hands
        several methods to the trial at once (they finish at once); otherwise one after the other.
        """
        head = _fingerprint(budget, seen)
        if self._lines and (changed := _changed(self._lines[0], head)):
            raise BadInput(
                f"{self.path} holds the runs of another tuning ({'; '.join(changed)}): to resume, ask for the same again; else leave "
                "--resume out, which starts anew and overwrites it, or choose another folder"
            )
        if not self._lines:
            self.ends.forget()
            self._write(json.dumps(head, default=lambda number: number.tolist()) + "\n", "w")
        else:
            os.truncate(self.path, self._whole)
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


def _read(path: Path) -> tuple[list[dict[str, Any]], int]:
    """The whole lines of a journal and their bytes, without a last line that a kill cut short. Nothing there: nothing to resume."""
    if not path.exists():
        return [], 0
    try:
        whole = path.read_bytes().rpartition(b"\n")[0]
        return [json.loads(line) for line in whole.split(b"\n") if line], len(whole) + 1
    except (OSError, ValueError) as error:
        raise BadInput(f"{path} is not a journal of runs ({error}): leave --resume out") from error


def _line(run: Record) -> str:
    data = run.to_json() | {"final": [], "params": [], "notes": dict(run.notes)}  # the last parameters would be most of the file
    return json.dumps(data, default=lambda array: array.tolist()) + "\n"


def _fingerprint(budget: Budget, seen: Observation | None) -> dict[str, Any]:
    """Everything that changes what is run or recommended, as plain numbers and words; `runs` only says how many."""
    fields = ("task", "steps", "batch_size", "examples", "seed", "judged_by", "branch", "momentum", "nesterov")
    head = {name: getattr(budget, name) for name in fields}
    head |= {name: budget.extras.get(name) for name in ("weight_decay", "clip", "warmup")}
    head["schedule"] = budget.schedule if isinstance(budget.schedule, str) else "custom"
    factors = tabulate(scheduled(budget.schedule, Method(1.0), budget.steps), budget.steps).alpha
    head["factors"] = [float(f"{factor:.6g}") for factor in np.asarray(factors)[np.linspace(0, budget.steps - 1, _LOOKS).astype(int)]]
    if seen is not None:
        head |= {"dimension": seen.facts["dimension"], "loss": float(seen.facts["loss"])}
    return head


def _changed(old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    """What differs between two fingerprints, in the reader's words."""
    changed = [name for name, value in new.items() if not _same(old.get(name), value)]
    if len(changed) > 1 and "factors" in changed:
        changed.remove("factors")  # they only follow from what else is different
    return [f"{_NAMES.get(name, name)} was {_word(old.get(name))}, is now {_word(new[name])}" for name in changed]


def _same(old: Any, new: Any) -> bool:
    if isinstance(old, float) and isinstance(new, float):
        return math.isclose(old, new, rel_tol=_ROUNDING)
    return bool(old == new)


def _word(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(f"{factor:.3g}" for factor in value)
    return "not given" if value is None else f"{value:.6g}" if isinstance(value, float) else str(value)


def _key(method: dict[str, Any]) -> tuple[float, ...]:
    return tuple(float(method[name]) for name in ("alpha", "beta", "gamma"))


def _record(line: dict[str, Any]) -> Record:
    method = Method(**line["method"])
    kept = {name: line[name] for name in ("steps", "diverged_at", "gradients", "schedule", "seed", "notes")}
    return Record(method, np.asarray(line["losses"], dtype=float), np.empty(0), **kept)

"""Short runs at constant learning rates, an octave apart: the cheap evidence that the tuner reads before any full run.

    python benchmarks/experience/ladders.py [JOB ...]      what is missing; one file a job, short/JOB.json

A ladder is run at momentum (AdamW: beta1) 0.9 on each of the first seeds for a tenth of the steps (no fewer than 16), and read on
all examples after a quarter, a half and all of them. SGD's lies about 1/curvature, AdamW's is the same for every job.
"""

from __future__ import annotations

import json
import math
import statistics
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).parents[1]))
    __package__ = "experience"

from inertia.tuning.budget import Budget
from inertia.tuning.effort import shorts
from inertia.tuning.ladder import Ladder

from .jobs import JOBS, Job
from .problems import batch_size, built, examples
from .reading import HERE, record
from .runs import _adamw, _sgd, starts
from .store import rounded

SEEDS, PART, FEWEST = 3, 10, 16
RUNGS = {"network": range(-8, 8), "convex": range(-11, 5), "adamw": range(-13, 3)}


def steps_of(job: Job) -> list[int]:
    """After how many steps a ladder is read."""
    longest = min(max(FEWEST, round(job.steps / PART)), job.steps)
    return [longest // 4, longest // 2, longest]


def path_of(job: Job) -> Path:
    return HERE / "short" / job.folder / f"{job.name}.json"


def centre(job: Job) -> int:
    """log2 of 1/curvature, of the largest measured: of start and walk."""
    seen = record(job.name).features
    if not seen:
        return 0
    return round(-math.log2(statistics.median(max(each["largest"], each.get("walked_largest", 0.0)) for each in seen)))


def ladder(job: Job, optimizer: str) -> dict[str, Any]:
    """Losses by seed, rung and reading; null where a run diverged."""
    rungs = [k + centre(job) for k in RUNGS[job.kind]] if optimizer == "sgd" else list(RUNGS["adamw"])
    read, one, engine = steps_of(job), built(job.name), _sgd if optimizer == "sgd" else _adamw
    seeds = range(min(SEEDS, job.seeds))
    cells = [("0.9", float(k)) for k in rungs]
    with np.errstate(all="ignore"):
        losses = [engine(job, one, cells, np.ones(read[-1]), read, seed)[0] for seed in seeds]
    return {"rates": rungs, "steps": read, "losses": [[[rounded(x) for x in row] for row in table] for table in losses]}


def ladder_of(job: Job, optimizer: str, seed: int = 0) -> Ladder | None:
    """The ladder of a job, read when the tuner would read it; None where it was not run."""
    path = path_of(job)
    known = json.loads(path.read_text()) if path.exists() else {}
    if optimizer not in known:
        return None
    found, total = known[optimizer], examples(job)
    wanted, _ = shorts(Budget(job.steps, batch_size(job), total, np.ones(job.steps)))
    read = int(np.argmin(np.abs(np.log(np.array(found["steps"]) / max(wanted, 1)))))
    losses = np.array([math.inf if row[read] is None else row[read] for row in found["losses"][seed]])
    ladder = Ladder(optimizer, found["steps"][read], np.array(found["rates"], float), losses, known["start"][seed])
    return ladder if ladder.fall > 0 else None


def compute(names: list[str], optimizers: tuple[str, ...] = ("sgd", "adamw")) -> None:
    for name in names:
        job, began = JOBS[name], time.process_time()
        path = path_of(job)
        known = json.loads(path.read_text()) if path.exists() else {}
        for optimizer in optimizers:
            if optimizer in known or (optimizer == "adamw" and job.adamw == "none"):
                continue
            if optimizer == "sgd" and not record(name).features:
                continue
            known.setdefault("start", starts(job)["train"])
            known[optimizer] = ladder(job, optimizer)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(known, separators=(",", ":")) + "\n")
        print(f"{time.strftime('%H:%M:%S')} {name}: {time.process_time() - began:.1f} s", file=sys.stderr, flush=True)


if __name__ == "__main__":
    compute(sys.argv[1:] or [job.name for job in JOBS.values() if "few" not in (job.sgd, job.adamw) and not job.sealed])

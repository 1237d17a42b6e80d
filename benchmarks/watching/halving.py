"""What a single run of the tuner could gain at most if a watch halved its learning rate on the way: read from the experience's grids.

The grids hold how runs at half the rate ended. To halve wherever that ended lower, from the first step on, takes hindsight; what a watch
can know is less: that a run fails to train.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np

from .store import kept

__all__ = ["halving"]

_CAP = 1.5  # of ln(regret), as in the tuner's own tables
_NEAR = 0.15  # octaves within which a rate of the grid counts as half of another


class Game(NamedTuple):
    """One job's single run."""

    here: float  # ln of its loss over the best, as `scores` has it
    half: float  # the same at half its rate; nan where the grid has none
    failed: bool  # on any seed
    linear: bool


def games(optimizer: str) -> list[Game]:
    """Every job played with what is known of other families, and one run."""
    sys.path.insert(0, str(Path(__file__).parents[1] / "experience"))
    from fit import Bank
    from playing import job_of

    from inertia.tuning.experience.prior import Experience, Seen
    from inertia.tuning.experience.reading import FITTED

    bank, known, found = Bank(optimizer), dict[str, Experience](), list[Game]()
    for s, cell in zip(bank.surfaces, bank.answers, strict=True):
        family = s.cell.family
        if family not in known:
            known[family] = bank.left_out(family, FITTED[optimizer])
        here = known[family]
        weighed = here.weigh(job_of(s, here.fitted.gains), cell.at([]), Seen(np.array([]), np.array([], dtype=bool)))
        pick = int(np.argmin(weighed.weight @ here.worth(weighed, cell.where)[0]))
        mine = cell.recipes[pick]
        off = {
            abs(np.log2(mine.learning_rate / other.learning_rate) - 1): k
            for k, other in enumerate(cell.recipes)
            if other.family == mine.family
        }
        near = min(off)
        half = float(cell.logreg[off[near]]) if near < _NEAR else float("nan")
        found.append(Game(float(cell.logreg[pick]), half, bool(cell.failed[pick]), s.cell.schedule != "constant"))
    return found


def measured(optimizer: str) -> dict[str, float]:
    """Means over the jobs whose half rate was run, too."""
    found = [game for game in games(optimizer) if np.isfinite(game.half)]
    here, half = (np.minimum([getattr(game, name) for game in found], _CAP) for name in ("here", "half"))
    failed = np.array([game.failed for game in found])
    return {
        "jobs": len(found), "failed": int(failed.sum()), "here": round(float(here.mean()), 4), "always": round(float(half.mean()), 4),
        "failed halved": round(float(np.where(failed, half, here).mean()), 4),
        "hindsight": round(float(np.minimum(here, half).mean()), 4), "better": int((half < here - 1e-9).sum()),
    }  # fmt: skip


def halving() -> None:
    """Both optimizers."""
    print("one run by experience, capped mean of ln(regret): as it is, always halved, halved where it failed, halved where that is better")
    for optimizer in ("sgd", "adamw"):
        found = kept(f"halving, {optimizer}", lambda optimizer=optimizer: measured(optimizer))
        print(
            f"  {optimizer:6} {found['jobs']} jobs, {found['failed']} failed: {found['here']:.3f}; {found['always']:.3f}; "
            f"{found['failed halved']:.3f}; {found['hindsight']:.3f} (better in {found['better']})", flush=True,
        )  # fmt: skip

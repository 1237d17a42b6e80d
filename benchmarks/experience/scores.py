"""What a final loss is worth, and where everybody stands: the policy played leave one family out beside its rivals' real runs.

    python benchmarks/experience/scores.py             the table, on the jobs of benchmarks/tuner, whose rivals were run
    python benchmarks/experience/scores.py --adamw     the same for AdamW, on the jobs of this folder, against AdamW's own grids

    ref     = the job's lowest known loss less 2 % of the fall, never below what its loss cannot undercut
    logreg  = ln((L - ref + eps)/(L* - ref + eps)),   eps = 1 % of start - ref,   L = mean over seeds of min(loss, start)
    fails to train = keeps over 90 % of start - ref on any seed

The lowest known loss is that of the grid's best cell. Nothing depends on a shift of the loss or on its unit.
"""

from __future__ import annotations

import itertools
import json
import math
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))
from fit import Bank
from playing import Answers
from searches import SEARCHES, Column

from inertia.tuning.experience.reading import FITTED
from inertia.tuning.experience.surfaces import EPSILON, Surface

TUNER = Path(__file__).parents[1] / "tuner" / "data"
DATA = Path(__file__).parent / "data"
SEARCHED = (3, 8, 16)  # runs of a search on AdamW's grids


class Score(NamedTuple):
    who: str
    cell: str
    logreg: float
    fails: bool
    cost: float
    weight: float


def score(cell: Answers, losses: list[float | None]) -> tuple[float, bool]:
    """(logreg, fails to train) of final losses on the grid's seeds, as the policy's own recommendations are scored."""
    ended = np.array([math.inf if loss is None else loss for loss in losses])
    share = cell.left(ended)
    return float(np.log(share.mean() + EPSILON) - cell.best), bool(np.any(share > 0.9))


def rivals(bank: Bank) -> Iterator[Score]:
    """Real runs of the rivals on the jobs of benchmarks/tuner."""
    convex = json.loads((TUNER / "rivals-convex.json").read_text())["cells"]
    for s, cell in zip(bank.surfaces, bank.answers, strict=True):
        name, schedule = s.cell.name, s.cell.schedule
        if s.cell.facts.convex:
            task, _, rest = name.rpartition("-b")[0].rpartition("-")
            known = convex.get(f"{task} {rest} steps, batch {name.rpartition('-b')[2]}, {schedule}", {})
        else:
            path = TUNER / f"rivals-{name}.json"
            known = json.loads(path.read_text())["cells"].get(f"{name}, {schedule}", {}) if path.exists() else {}
        for who, rows in known.get("rivals", {}).items():
            total = sum(row.get("count", 1) for row in rows)
            for row in rows:
                losses = row["train"] if "train" in row else _cell(s, row["cell"])
                if losses:
                    yield Score(who, f"{name}, {schedule}", *score(cell, losses), row["cost"], row.get("count", 1) / total)


def adamw_rivals(bank: Bank) -> Iterator[Score]:
    """Real runs of the rivals on the jobs of this folder, and searches on AdamW's grids, judged by the best of AdamW's grid."""
    for s, cell in zip(bank.surfaces, bank.answers, strict=True):
        path, name = DATA / f"{s.cell.name}.json", f"{s.cell.name}, {s.cell.schedule}"
        ran = json.loads(path.read_text()).get("rivals", {}).get(s.cell.schedule, {}) if path.exists() else {}
        for who, row in ran.items():
            yield Score(who, name, *score(cell, row["train"]), row["cost"], 1.0)
        if ran:
            column = Column(s)
            for (search, found), runs in itertools.product(SEARCHES.items(), SEARCHED):
                picks = found(column, runs)
                for row, count in picks.items():
                    yield Score(f"{search}, {runs} runs", name, *score(cell, list(s.cell.training[row])), runs, count / picks.total())


def _cell(s: Surface, key: str) -> list[float]:
    """The losses of one cell of the grid, which searches over the grid name instead of running it again."""
    family, exponent = key.split("@")
    momentum, nesterov = float(family.removeprefix("nesterov-")), family.startswith("nesterov")
    mine = [
        (abs(np.log2(recipe.learning_rate) - _rate(s, float(exponent))), row)
        for row, recipe in enumerate(s.cell.recipes)
        if (recipe.momentum, recipe.nesterov) == (momentum, nesterov)
    ]
    off, row = min(mine)
    return list(s.cell.training[row]) if off < 0.1 else []


def _rate(s: Surface, exponent: float) -> float:
    """log2 of the learning rate; of convex cells the exponent counts from 1/curvature, which is read from their first rate."""
    if not s.cell.facts.convex:
        return exponent
    return exponent + min(np.log2(recipe.learning_rate) for recipe in s.cell.recipes) + 12.0


def main() -> None:
    adamw = "--adamw" in sys.argv
    bank = Bank("adamw") if adamw else Bank()
    found = list(adamw_rivals(bank) if adamw else rivals(bank))
    known = {row.cell for row in found}
    for s, rows in zip(bank.surfaces, bank.played(FITTED[bank.optimizer], (0, 1, 2)), strict=True):
        cell = f"{s.cell.name}, {s.cell.schedule}"
        if cell in known:
            found += [Score(f"inertia, {n} runs", cell, row.logreg[n], row.failed[n], n, 1 / len(rows)) for row in rows for n in range(4)]
    print(f"{'who':28}{'cost':>6}{'cells':>6}{'mean':>8}{'capped':>8}{'median':>8}{'worst':>8}{'fails':>8}")
    table = []
    for who in {row.who for row in found}:
        rows = [row for row in found if row.who == who]
        cells = {cell: [row for row in rows if row.cell == cell] for cell in {row.cell for row in rows}}
        means = [np.average([row.logreg for row in part], weights=[row.weight for row in part]) for part in cells.values()]
        capped = [np.average([min(row.logreg, 1.5) for row in part], weights=[row.weight for row in part]) for part in cells.values()]
        fails = np.sum([np.sum([row.fails * row.weight for row in part]) for part in cells.values()])
        table.append((np.mean(capped), who, np.mean([row.cost for row in rows]), len(cells), np.mean(means), np.median(means),
                      max(row.logreg for row in rows), fails))  # fmt: skip
    for capped, who, cost, count, mean, median, worst, fails in sorted(table):
        print(f"{who:28}{cost:6.1f}{count:6}{mean:8.3f}{capped:8.3f}{median:8.3f}{worst:8.2f}{fails:8.1f}")


if __name__ == "__main__":
    main()

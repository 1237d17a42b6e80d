"""Fit every number of the prior by leaving one family out, and print the leave-one-family-out table.

    python benchmarks/experience/fit.py [--passes N] [--every K]   coordinate search (on each Kth cell); writes data/fitted.json
    python benchmarks/experience/fit.py --table          the table of the numbers that are there
    ... --held-out                                       the validation loss as objective;   --adamw    AdamW's cells

What is minimised: the mean over cells of min(logreg, 1.5) after 0 to 3 runs (three weighs twice), one tuning seed a cell, nothing of
the cell's family known. The widths `gain` and `broad` do not change choices; they are fitted by the pinball score of the intervals.
"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))
from playing import Answers, Played, laid, play

import inertia
from inertia.tuning.experience.cells import shipped
from inertia.tuning.experience.jobs import FAMILIES
from inertia.tuning.experience.prior import Experience
from inertia.tuning.experience.reading import FITTED, Fitted

TARGET = Path(inertia.__file__).parent / "tuning" / "experience" / "data" / "fitted.json"
WEIGHTS = np.array([1.0, 1.0, 1.0, 2.0]) / 5


class Bank:
    """All cells of one optimizer and objective."""

    def __init__(self, optimizer: str = "sgd", held_out: bool = False) -> None:
        self.families, self.optimizer, self.held_out = FAMILIES[optimizer], optimizer, held_out
        self.cells = [cell for cell in shipped() if cell.optimizer == optimizer and cell.facts.short_best is not None]
        self.lay(FITTED[optimizer])

    def lay(self, fitted: Fitted) -> None:
        """Every grid on the net: again where the unit of the net has changed."""
        self.of = (fitted.network, fitted.convex, fitted.along)
        self.surfaces = laid(self.cells, self.families, fitted, self.held_out)
        self.answers = [Answers(s, self.families, fitted.along, self.held_out) for s in self.surfaces]
        self.convex = np.array([s.cell.facts.convex for s in self.surfaces])
        self.linear = np.array([s.cell.schedule == "linear" for s in self.surfaces])

    def played(self, fitted: Fitted, seeds: tuple[int, ...] | None = None, every: int = 1) -> list[list[Played]]:
        """Every cell (or each `every`th) played; one tuning seed a cell, in turn, unless `seeds` are given."""
        known: dict[str, Experience] = {}
        found = []
        if self.of != (fitted.network, fitted.convex, fitted.along):
            self.lay(fitted)
        for number, (s, cell) in enumerate(zip(self.surfaces, self.answers, strict=True)):
            if number % every:
                continue
            family = s.cell.family
            if family not in known:
                known[family] = Experience(self.surfaces, self.families, fitted, skip=family)
            found.append(play(s, cell, known[family], seeds=seeds or (number % 3,)))
        return found


def pinball(rows: np.ndarray) -> float:
    """Mean pinball score of 10 %, 50 % and 90 % quantiles."""
    truth = rows[:, 3]
    off = [(q, truth - rows[:, i]) for i, q in enumerate((0.1, 0.5, 0.9))]
    return float(np.mean([np.maximum(q * x, (q - 1) * x) for q, x in off]))


def objective(found: list[list[Played]]) -> float:
    logreg = np.array([np.mean([np.minimum(row.logreg, 1.5) for row in rows], axis=0) for rows in found])
    gains = np.array([g for rows in found for row in rows for g in row.gains])
    runs = np.array([f for rows in found for row in rows for f in row.foreseen])
    return float(logreg.mean(axis=0) @ WEIGHTS + 0.1 * pinball(gains) + 0.1 * pinball(runs / runs[:, [4]]))


def constant_interval(bank: Bank) -> float:
    """Pinball score of the interval of all other families' gains."""
    gains = np.array([s.gain for s in bank.surfaces])
    families = np.array([s.cell.family for s in bank.surfaces])
    rows = [
        (*np.quantile(gains[(families != f) & np.isfinite(gains)], (0.1, 0.5, 0.9)), g)
        for f, g in zip(families, gains, strict=True)
        if np.isfinite(g)
    ]
    return pinball(np.array(rows))


def table(bank: Bank, found: list[list[Played]]) -> None:
    mean = np.array([np.mean([row.logreg for row in rows], axis=0) for rows in found])
    worst = np.array([np.max([row.logreg for row in rows], axis=0) for rows in found])
    failed = np.array([np.sum([row.failed for row in rows], axis=0) for rows in found])
    everything = np.ones(len(mean), dtype=bool)
    groups = {"all": everything, "convex, constant": bank.convex & ~bank.linear, "convex, linear": bank.convex & bank.linear,
              "networks, constant": ~bank.convex & ~bank.linear, "networks, linear": ~bank.convex & bank.linear}  # fmt: skip
    print(f"{'logreg after runs:':22}{'cells':>6}{'0: mean':>9}{'1':>7}{'2':>7}{'3':>7}   worst 0 .. 3               fails to train 0 .. 3")
    for name, mine in groups.items():
        if mine.any():
            rows = [
                "".join(f"{x:7.3f}" for x in mean[mine].mean(axis=0)),
                " ".join(f"{x:5.2f}" for x in worst[mine].max(axis=0)),
                " ".join(map(str, failed[mine].sum(axis=0))),
            ]
            print(f"{name:22}{mine.sum():6}  " + "   ".join(rows))
    print("median                      " + "".join(f"{x:7.3f}" for x in np.median(mean, axis=0)))
    print("worst at three runs:")
    for k in np.argsort(-mean[:, -1])[:12]:
        print(f"  {bank.surfaces[k].cell.name}, {bank.surfaces[k].cell.schedule}: " + " ".join(f"{x:.2f}" for x in mean[k]))
    constant = constant_interval(bank)
    for n in range(4):
        gains = np.array([row.gains[n] for rows in found for row in rows if row.gains])
        inside = np.mean((gains[:, 0] <= gains[:, 3]) & (gains[:, 3] <= gains[:, 2]))
        print(f"momentum's gain after {n} runs: interval holds it in {100 * inside:.0f} %, pinball {pinball(gains):.3f} "
              f"(constant interval {constant:.3f}: {100 * (1 - pinball(gains) / constant):.0f} % below)")  # fmt: skip
    print(f"runs made of three: {np.mean([row.made for rows in found for row in rows]):.2f}")
    for n in range(3):
        runs = np.array([row.foreseen[n] for rows in found for row in rows if len(row.foreseen) > n])
        inside = np.mean((runs[:, 0] <= runs[:, 3]) & (runs[:, 3] <= runs[:, 2]))
        left = np.maximum(1 - runs[:, [1, 3]] / runs[:, [4]], 0.0) + 0.01
        near = np.mean(np.abs(np.log(left[:, 0] / left[:, 1])) < np.log(2))
        print(f"run {n + 1}: interval of its loss holds it in {100 * inside:.0f} %, within a factor 2 of the median {100 * near:.0f} %")


def fit(bank: Bank, passes: int, every: int) -> Fitted:
    best = FITTED[bank.optimizer]
    now = objective(bank.played(best, every=every))
    print(f"from {now:.4f}", flush=True)
    step = 1.7
    for _ in range(passes):
        for name in names():
            for factor in (step, 1 / step):
                tried = changed(best, name, factor)
                if tried is None:
                    continue
                value = objective(bank.played(tried, every=every))
                if value < now - 1e-4:
                    best, now = tried, value
                    print(f"{now:.4f}  {name} x {factor:.3g}", flush=True)
                    kept = {optimizer: asdict(each) for optimizer, each in FITTED.items()} | {bank.optimizer: asdict(best)}
                    TARGET.write_text(json.dumps(kept, indent=1) + "\n")
                    break
        step = step**0.6
    return best


def names() -> list[str]:
    """What is searched, the most telling first."""
    units = ["network 0", "network 1", "network 2", "network 3", "convex 0", "convex 1"]
    first = ["wander", "floor", "own", "tail", *units, "trust", "fall", "promise"]
    scales = [f"scales {i}" for i in range(len(FITTED["sgd"].scales))]
    return [*first, *scales, "level", "reach", "memory", "ahead", "along", "jitter", "margin", "slip", "gain", "broad"]


def changed(fitted: Fitted, name: str, factor: float) -> Fitted | None:
    """One number changed: by a factor, weights of units by a step, shares in their odds."""
    word, _, index = name.partition(" ")
    value = getattr(fitted, word)
    if index:
        row = list(value)
        row[int(index)] = row[int(index)] * factor if word == "scales" else row[int(index)] + 0.35 * np.log(factor)
        return replace(fitted, **{word: tuple(float(f"{x:.3g}") for x in row)})
    new = 1 - (1 - value) * factor if word == "trust" else value * factor
    return replace(fitted, **{word: float(f"{new:.3g}")}) if word != "trust" or 0 < new < 1 else None


def number(words: list[str], name: str, usual: int) -> int:
    return int(words[words.index(name) + 1]) if name in words else usual


if __name__ == "__main__":
    words = sys.argv[1:]
    mine = Bank("adamw" if "--adamw" in words else "sgd", "--held-out" in words)
    numbers = FITTED[mine.optimizer] if "--table" in words else fit(mine, number(words, "--passes", 1), number(words, "--every", 1))
    table(mine, mine.played(numbers, (0, 1, 2) if "--all-seeds" in words else None))

"""Fit every number of the prior by leaving one family out, and print the leave-one-family-out table.

    python benchmarks/experience/fit.py [--passes N] [--every K]   coordinate search (on each Kth cell); writes data/fitted.json
    ... --only NAME ...                                  searches these numbers alone
    python benchmarks/experience/fit.py --table          the table of the numbers that are there
    ... --held-out                                       the validation loss as objective;   --adamw    AdamW's cells

    ... --widths                                         only `broad` and `narrow`, with the rest as it is
    ... --drawn                                          what each optimizer gains by knowing drawn jobs
    ... --sealed                                         the table of the jobs sealed last: once, when nothing more is changed
    ... --sealed-first                                   the same of the first ten, which were opened on 26 November 2026

What is minimised: the mean over cells of min(logreg, 1.5) after 0 to 3 runs (three weighs twice), one tuning seed a cell, nothing of
the cell's family known. Jobs that were drawn by a die are known and judge nothing. The numbers `gain`, `heed`, `broad` and `narrow` do
not change choices; they are fitted by the pinball score of the intervals, of ln(share of the fall that is left + 1 %) for what a run
ends at before and after the first run of the job.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))
from playing import Answers, LeftOut, Played, Told, laid, play
from trend import Table, penalties, trends, written

from inertia.tuning.experience.cells import Cell, shipped
from inertia.tuning.experience.jobs import FAMILIES
from inertia.tuning.experience.prior import Experience
from inertia.tuning.experience.reading import FITTED, Fitted
from inertia.tuning.experience.surfaces import EPSILON

WIDTHS = (0.25, 0.35, 0.5, 0.7, 1.0, 1.4, 2.0, 2.8)
GAINS = (0.05, 0.1, 0.15, 0.2, 0.3, 0.4)
HEEDS = (0.0, 0.125, 0.25, 0.5, 1.0)
WEIGHTS = np.array([1.0, 1.0, 1.0, 2.0]) / 5


class Bank:
    """All cells of one optimizer and objective."""

    def __init__(
        self, optimizer: str = "sgd", held_out: bool = False, judged: Iterable[Cell] = (), known: Iterable[Cell] | None = None
    ) -> None:
        self.families, self.optimizer, self.held_out = FAMILIES[optimizer], optimizer, held_out
        cells = shipped() if known is None else known
        self.known = [cell for cell in cells if cell.optimizer == optimizer and cell.facts.short_best is not None]
        self.cells = list(judged) or [cell for cell in self.known if not drawn(cell)]
        self.lay(FITTED[optimizer])

    def lay(self, fitted: Fitted) -> None:
        """Every grid on the net: again where the unit of the net has changed. What is judged is laid as if its family were not known."""
        self.of = _unit_of(fitted)
        known = self.known
        chosen = penalties(known, self.optimizer, fitted)
        whole = replace(fitted, trends=trends(known, self.optimizer, fitted, chosen))
        self.taught = laid(known, self.families, whole, self.held_out)
        self.without = {family: trends(known, self.optimizer, fitted, chosen, family) for family in {c.family for c in self.cells}}
        gained = Table.gains(self.taught)
        penalty = gained.best()
        self.gained = {family: gained.line(penalty, family) for family in self.without}
        found = [laid([cell], self.families, replace(fitted, trends=self.without[cell.family]), self.held_out) for cell in self.cells]
        self.surfaces = [each for one in found for each in one]
        self.answers = [Answers(s, self.families, fitted.along, self.held_out) for s in self.surfaces]
        self.convex = np.array([s.cell.facts.convex for s in self.surfaces])
        self.linear = np.array([s.cell.schedule == "linear" for s in self.surfaces])

    def left_out(self, family: str, fitted: Fitted) -> Experience:
        """What is known without a family."""
        return LeftOut(self.taught, self.families, replace(fitted, trends=self.without[family], gains=self.gained[family]), family)

    def played(self, fitted: Fitted, seeds: tuple[int, ...] | None = None, every: int = 1) -> list[list[Played]]:
        """Every cell (or each `every`th) played; one tuning seed a cell, in turn, unless `seeds` are given."""
        known: dict[str, Experience] = {}
        found = []
        if self.of != _unit_of(fitted):
            self.lay(fitted)
        for number, (s, cell) in enumerate(zip(self.surfaces, self.answers, strict=True)):
            if number % every:
                continue
            family = s.cell.family
            if family not in known:
                known[family] = self.left_out(family, fitted)
            found.append(play(s, cell, known[family], seeds=seeds or (number % 3,)))
        return found


def drawn(cell: Cell) -> bool:
    """Whether a die made the job: such jobs are known, and judge nothing."""
    return cell.name.startswith("drawn-")


def _unit_of(fitted: Fitted) -> tuple[object, ...]:
    """What the places of grids on the net depend on."""
    return fitted.network, fitted.convex, fitted.along


def sealed(optimizer: str, first: bool = False) -> tuple[Cell, ...]:
    """The cells of the jobs that were sealed last, or of the `first` ones."""
    sys.path.insert(0, str(Path(__file__).parents[1]))
    from experience.build import cells
    from experience.jobs import _NEW, JOBS, _known, draw
    from experience.reading import record

    names = draw(_NEW, _known())
    found = [cell for job in JOBS.values() if job.sealed and (job.name in names) == first for cell in cells(record(job.name), {})]
    return tuple(cell for cell in found if cell.optimizer == optimizer and cell.facts.short_best is not None)


def pinball(rows: np.ndarray) -> float:
    """Mean pinball score of 10 %, 50 % and 90 % quantiles."""
    truth = rows[:, 3]
    off = [(q, truth - rows[:, i]) for i, q in enumerate((0.1, 0.5, 0.9))]
    return float(np.mean([np.maximum(q * x, (q - 1) * x) for q, x in off]))


def objective(found: list[list[Played]], fitted: Fitted) -> float:
    logreg = np.array([np.mean([np.minimum(row.logreg, 1.5) for row in rows], axis=0) for rows in found])
    return float(logreg.mean(axis=0) @ WEIGHTS + 0.1 * gained_badly(found, fitted))


def gained_badly(found: list[list[Played]], fitted: Fitted) -> float:
    """Pinball score of momentum's gain."""
    return pinball(np.array([gained.row(fitted) for rows in found for row in rows for gained in row.gains]))


def foretold_badly(found: list[list[Played]], after: bool, width: float) -> float:
    """Pinball score of what runs were believed to end at, before the first run of the job or after it."""
    rows = [row for rows in found for row in rows]
    told = [each for row in rows for part in (row.foreseen, row.again) for each in (part[1:] if after else part[:1])]
    return pinball(-ln_left(np.array([each for one in told for each in one.rows(width)])))


def ln_left(told: np.ndarray) -> np.ndarray:
    """ln of (share of the fall that is left + 1 %) of the first four columns: 10 %, median, 90 % and what came."""
    return np.log(np.maximum(1 - told[:, :4] / told[:, [4]], 0.0) + EPSILON)


def widths(bank: Bank, fitted: Fitted) -> Fitted:
    """How much wider or narrower what a run ends at is to be told, before the first run of the job and after it."""
    found = bank.played(fitted, (0, 1, 2))
    gained = [replace(fitted, gain=gain, heed=heed) for gain in GAINS for heed in HEEDS]
    fitted = min(gained, key=lambda tried: gained_badly(found, tried))
    broad, narrow = (min(WIDTHS, key=lambda width: foretold_badly(found, after, width)) for after in (False, True))
    return replace(fitted, broad=broad, narrow=narrow)


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


def table(bank: Bank, found: list[list[Played]], fitted: Fitted) -> None:
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
        gains = np.array([row.gains[n].row(fitted) for rows in found for row in rows if row.gains])
        inside = np.mean((gains[:, 0] <= gains[:, 3]) & (gains[:, 3] <= gains[:, 2]))
        print(f"momentum's gain after {n} runs: interval holds it in {100 * inside:.0f} %, pinball {pinball(gains):.3f} "
              f"(constant interval {constant:.3f}: {100 * (1 - pinball(gains) / constant):.0f} % below)")  # fmt: skip
    print(f"runs made of three: {np.mean([row.made for rows in found for row in rows]):.2f}")
    for n in range(3):
        runs = [row.foreseen[n] for rows in found for row in rows if len(row.foreseen) > n]
        foretold(f"run {n + 1}: its loss", runs, fitted.width(n > 0))
    for n in range(4):
        again = [row.again[n] for rows in found for row in rows]
        foretold(f"recommended after {n} runs: its loss on a fresh seed", again, fitted.width(n > 0))


def foretold(what: str, told: list[Told], width: float) -> None:
    """How well intervals of falls held what came."""
    runs = np.array([row for each in told for row in each.rows(width)])
    inside = np.mean((runs[:, 0] <= runs[:, 3]) & (runs[:, 3] <= runs[:, 2]))
    left = ln_left(runs)
    off = left[:, 3] - left[:, 1]
    near, wide, above = np.mean(np.abs(off) < np.log(2)), np.median(left[:, 0] - left[:, 2]), np.mean(runs[:, 3] < runs[:, 0])
    print(f"{what}: interval holds it in {100 * inside:.0f} % (above {100 * above:.0f} %), within a factor 2 of the median "
          f"{100 * near:.0f} %, ended above it by {np.mean(off):.2f}, width {wide:.2f} in ln; pinball {pinball(-left):.3f}")  # fmt: skip


def fit(bank: Bank, passes: int, every: int, searched: list[str]) -> Fitted:
    best = FITTED[bank.optimizer]
    now = objective(bank.played(best, every=every), best)
    print(f"from {now:.4f}", flush=True)
    step = 1.7
    for _ in range(passes):
        for name in searched:
            for factor in (step, 1 / step):
                tried = changed(best, name, factor)
                if tried is None:
                    continue
                value = objective(bank.played(tried, every=every), tried)
                if value < now - 1e-4:
                    best, now = tried, value
                    print(f"{now:.4f}  {name} x {factor:.3g}", flush=True)
                    written(bank.optimizer, best)
                    break
        step = step**0.6
    return best


def names() -> list[str]:
    """What is searched, the most telling first."""
    first = ["wander", *(f"sees {i}" for i in range(len(FITTED["sgd"].sees))), "floor", "own", "tail", "trust", "fall", "share", "promise"]
    scales = [f"scales {i}" for i in range(len(FITTED["sgd"].scales))]
    return [*first, *scales, "level", "reach", "memory", "ahead", "along", "jitter", "margin", "slip", "gain"]


def changed(fitted: Fitted, name: str, factor: float) -> Fitted | None:
    """One number changed: by a factor, weights of units by a step, shares in their odds."""
    word, _, index = name.partition(" ")
    value = getattr(fitted, word)
    if index:
        row = list(value)
        row[int(index)] = row[int(index)] * factor if word in ("scales", "sees") else row[int(index)] + 0.35 * np.log(factor)
        return replace(fitted, **{word: tuple(float(f"{x:.3g}") for x in row)})
    new = 1 - (1 - value) * factor if word == "trust" else value * factor
    return replace(fitted, **{word: float(f"{new:.3g}")}) if word != "trust" or 0 < new < 1 else None


def number(words: list[str], name: str, usual: int) -> int:
    return int(words[words.index(name) + 1]) if name in words else usual


def told_by_a_die() -> None:
    """What each optimizer gains where jobs drawn by a die are known, too: its objective without and with them."""
    sys.path.insert(0, str(Path(__file__).parents[1]))
    from experience.build import cells, instructive
    from experience.reading import records

    found = [cell for record in records() if record.job.source == "drawn" and record.features for cell in cells(record, {})]
    thought_of = [cell for cell in shipped() if not drawn(cell)]
    print("logreg after 0 .. 3 runs, and what is minimised, without and with the cells of drawn jobs")
    for name in FITTED:
        for more in ([], [cell for cell in found if cell.optimizer == name and instructive(cell)]):
            played = Bank(name, known=[*thought_of, *more]).played(FITTED[name], (0, 1, 2))
            logreg = np.mean([[np.minimum(row.logreg, 1.5) for row in rows] for rows in played], axis=(0, 1))
            print(
                f"{name:6} {len(more):4} " + "".join(f"{x:7.3f}" for x in logreg) + f"   {objective(played, FITTED[name]):.4f}", flush=True
            )


if __name__ == "__main__":
    words = sys.argv[1:]
    if "--drawn" in words:
        told_by_a_die()
        sys.exit()
    which = "adamw" if "--adamw" in words else "sgd"
    shut = {"--sealed", "--sealed-first"} & set(words)
    words += ["--table"] if shut else []
    mine = Bank(which, "--held-out" in words, sealed(which, "--sealed-first" in shut) if shut else ())
    numbers = FITTED[mine.optimizer]
    if not {"--table", "--widths"} & set(words):
        only = words[words.index("--only") + 1 :] if "--only" in words else names()
        numbers = fit(mine, number(words, "--passes", 1), number(words, "--every", 1), [name for name in only if name in names()])
    if "--table" not in words:
        numbers = widths(mine, numbers)
        written(mine.optimizer, numbers)
    table(mine, mine.played(numbers, (0, 1, 2) if "--all-seeds" in words else None), numbers)

"""SGD, AdamW, or whichever ends lower ("any"): the three played leave one family out on the jobs whose grids both optimizers have.

    python benchmarks/experience/any.py [--every K] [--json FILE]     the table of docs/adamw.md
    ... --write                                                       and what advice without a run is worth, into data/fitted.json

Judged by both grids together: a recommended setting ends at logreg = ln((L - ref + e)/(L* - ref + e)), where L* is the lowest loss of
the better of both grids, ref its reference (as in scores.py) and e 1 % of the fall. "right" is the share of cells where the optimizer
recommended is the one whose grid ends lower.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))
from fit import Bank, number
from playing import Answers, job_of
from trend import written

from inertia.tuning.experience.either import advised, apart, told
from inertia.tuning.experience.policy import chosen, improvement, reached, saved, settled, surpassed
from inertia.tuning.experience.prior import Belief, Experience, Seen, Weighed
from inertia.tuning.experience.reading import FITTED
from inertia.tuning.experience.surfaces import Surface

RUNS, NAMES = 4, ("sgd", "adamw")


class Side:
    """One optimizer on one cell: what it has run, and what is believed after it."""

    def __init__(self, s: Surface, answers: Answers, known: Experience, fall: float, seed: int) -> None:
        self.s, self.answers, self.known, self.seed = s, answers, known, seed
        self.y = np.log(np.maximum(1 - answers.fell / fall, 0.0).mean(axis=1) + 0.01)  # of every recipe, by both grids' measure
        self.done: list[int] = []
        self.fell: list[float] = []
        self.risen: list[bool] = []
        self.ask()

    def ask(self) -> None:
        """Everything believed after the runs made."""
        self.weighed: Weighed = self.known.weigh(
            job_of(self.s, self.known.fitted.gains), self.answers.at(self.done), Seen(np.array(self.fell), np.array(self.risen, bool))
        )
        self.belief: Belief = self.known.belief(self.weighed, self.answers.where)
        expected = self.belief.expected
        self.best = self.done[chosen(np.array(self.fell), expected[self.done])] if self.done else int(np.argmin(expected))
        fell, _, weight = settled(self.belief, self.best)
        self.loss = self.s.start - float(np.average(fell, weights=weight))

    def ended(self) -> float:
        """What its best run ended at; inf where it has not run."""
        return self.s.start - self.fell[self.done.index(self.best)] if self.done else float("inf")

    def next(self) -> tuple[int, float]:
        """What it would run next, and by how much in loss that is expected to improve on its own best."""
        if not self.done:
            return self.best, float("nan")
        best = self.known.worth(self.weighed, self.answers.at([self.best]))[0][:, 0]
        gains = improvement(self.belief.weight, (self.belief.mean, self.belief.variance), best)
        gains[self.done] = 0.0
        at = int(np.argmax(gains))
        return at, saved(self.belief, best, at)

    def beyond(self, loss: float) -> tuple[int, float]:
        """What it would run next to improve on a loss that the other reached, and by how much."""
        worth, gain = surpassed(self.belief, self.s.start - loss)
        worth[self.done] = 0.0
        at = int(np.argmax(worth))
        return at, float(gain[at])

    def run(self, at: int) -> None:
        """One run, read off the grid."""
        count = self.answers.fell.shape[1]
        self.fell.append(float(self.answers.fell[at, (self.seed + len(self.done)) % count]))
        self.risen.append(bool(self.answers.risen[at, (self.seed + len(self.done)) % count]))
        self.done.append(at)
        self.ask()


@dataclass(frozen=True)
class Game:
    """One cell played: logreg after 0, 1, ... runs of each way, which optimizer was recommended, and the ratio that was told."""

    name: str
    schedule: str
    logreg: dict[str, list[float]]
    chosen: list[int]
    better: int
    told: list[tuple[float, float, float]]  # of ln of the ratio of AdamW to SGD: 10 %, median and 90 %
    ratio: float  # what it is, by the grids


def any_way(sides: tuple[Side, Side]) -> Iterator[tuple[int, float, tuple[float, float, float]]]:
    """The policy of inertia.tuning.experience.either: after 0, 1, ... runs, which is chosen, its y, and the ratio told."""
    likely = apart(*(side.known for side in sides))
    for n in range(RUNS + 1):
        by_best = told(*(reached(side.belief, side.known.fitted) for side in sides), likely)
        first = sides[0].ended() <= sides[1].ended() if n else advised() == NAMES[0]
        order = sorted((0, 1), key=lambda k: (n > 0 and not sides[k].done, (k == 0) != first))
        best, other = (sides[k] for k in order)
        yield order[0], float(best.y[best.best]), tuple(map(float, by_best))
        if n < 2:
            turn = next(side for side in (best, other) if not side.done)
            turn.run(turn.next()[0])
        else:
            (mine, gain), (theirs, more) = best.next(), other.beyond(best.loss)
            best.run(mine) if gain >= more else other.run(theirs)


def alone(side: Side) -> Iterator[float]:
    """Always the same optimizer."""
    for _ in range(RUNS + 1):
        yield float(side.y[side.best])
        side.run(side.next()[0])


def games(every: int, seeds: tuple[int, ...]) -> Iterator[Game]:
    banks = [Bank(name) for name in NAMES]
    places = [{(s.cell.name, s.cell.schedule): k for k, s in enumerate(bank.surfaces)} for bank in banks]
    known: dict[tuple[str, int], Experience] = {}
    for at, key in enumerate([key for key in places[0] if key in places[1]][::every]):
        found = [(bank.surfaces[place[key]], bank.answers[place[key]]) for bank, place in zip(banks, places, strict=True)]
        fall = max(s.fall for s, _ in found)
        for k, (s, _) in enumerate(found):
            if (s.cell.family, k) not in known:
                known[s.cell.family, k] = banks[k].left_out(s.cell.family, FITTED[NAMES[k]])

        for seed in seeds or (at % 3,):

            def made(k: int, found: Any = found, fall: float = fall, seed: int = seed) -> Side:
                return Side(*found[k], known[found[k][0].cell.family, k], fall, seed)

            first = made(0), made(1)
            lowest = [float(side.y.min()) for side in first]
            both = list(any_way(first))
            ways = {"any": [y for _, y, _ in both]} | {NAMES[k]: list(alone(made(k))) for k in (0, 1)}
            yield Game(
                *key, {way: [y - min(lowest) for y in ys] for way, ys in ways.items()}, [k for k, _, _ in both], int(np.argmin(lowest)),
                [told for _, _, told in both], lowest[1] - lowest[0],
            )  # fmt: skip


def table(found: list[Game]) -> None:
    print(f"{'mean logreg to the better of both':36}{'cells':>6}" + "".join(f"{n:>8}" for n in range(RUNS + 1)) + "   runs")
    groups = {
        "all": found,
        "AdamW's grid ends lower": [g for g in found if g.better],
        "SGD's grid ends lower": [g for g in found if not g.better],
    }
    for name, mine in groups.items():
        if not mine:
            continue
        for way in ("any", "sgd", "adamw"):
            mean = np.mean([g.logreg[way] for g in mine], axis=0)
            print(f"{name + ', ' + way:36}{len(mine):6}" + "".join(f"{x:8.3f}" for x in mean))
        right = np.mean([[k == g.better for k in g.chosen] for g in mine], axis=0)
        print(f"{name + ', right':36}{len(mine):6}" + "".join(f"{100 * x:7.0f}%" for x in right))
    told, truth = np.array([g.told for g in found]), np.array([[g.ratio] for g in found])
    inside = np.mean((told[..., 0] <= truth) & (truth <= told[..., 2]), axis=0)
    sure = (told[..., 0] > 0) | (told[..., 2] < 0)
    sure[:, :2] = False  # nothing is said before both have run
    right = np.array([np.mean(np.sign(told[sure[:, n], n, 1]) == np.sign(truth[sure[:, n], 0])) if sure[:, n].any() else np.nan
                      for n in range(RUNS + 1)])  # fmt: skip
    print(f"{'80 % interval holds the ratio':36}{len(found):6}" + "".join(f"{100 * x:7.0f}%" for x in inside))
    print(f"{'one is said to end lower':36}{len(found):6}" + "".join(f"{100 * x:7.0f}%" for x in sure.mean(axis=0)))
    print(f"{'... and does':36}{len(found):6}" + "".join(f"{100 * x:7.0f}%" for x in right))


def main() -> None:
    words: list[str] = sys.argv[1:]
    found = list(games(number(words, "--every", 1), (0, 1, 2) if "--all-seeds" in words else ()))
    table(found)
    if "--write" in words:
        for name in NAMES:
            written(name, replace(FITTED[name], advice=float(f"{np.mean([game.logreg[name][0] for game in found]):.3g}")))
    if "--json" in words:
        kept: list[dict[str, Any]] = [game.__dict__ for game in found]
        Path(words[words.index("--json") + 1]).write_text(json.dumps(kept))


if __name__ == "__main__":
    main()

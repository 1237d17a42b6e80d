"""What the tuner's benchmark aims at, held against the data: met, or missed by how much and where."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from outcomes import GROUPS, TUNER, VALIDATED, Outcome, cells, ranked, summary, tunings
from scores import DATA, read

MEAN, WORST, LEAST, RUNS, BUDGET, LOOK = 0.05, 0.35, 0.98, 3, 16.5, 0.05


class Aim(NamedTuple):
    """One aim, what came out of it, and whether it was met (None: the data cannot say)."""

    aim: str
    found: str
    met: bool | None

    @property
    def word(self) -> str:
        return {True: "met", False: "missed", None: "not measured"}[self.met]


def aims(outcomes: list[Outcome]) -> list[Aim]:
    """Every aim, for everything the tuner was run on."""
    mine = [outcome for outcome in outcomes if outcome.who == TUNER]
    return [_runs(), *_means(mine), _worst(mine), _least(mine), _lost(mine), *_rivals(outcomes), _looking()]


def _runs() -> Aim:
    runs = [len(row["runs"]) for cell in cells() for row in tunings(*cell)]
    return Aim(f"at most {RUNS} full runs", f"at most {max(runs, default=0)}", max(runs, default=0) <= RUNS)


def _means(mine: list[Outcome]) -> Iterable[Aim]:
    for group in GROUPS:
        found = summary(outcome for outcome in mine if outcome.group == group)
        if found:
            over = found.mean - MEAN
            words = f"{found.mean:.3f} over {found.cells} jobs and schedules" + (f": missed by {over:.3f}" if over > 0 else "")
            yield Aim(f"mean logreg at most {MEAN:g}, {group}", words, over <= 0)


def _worst(mine: list[Outcome]) -> Aim:
    over = sorted((o for o in mine if o.train[0] > WORST), key=lambda o: -o.train[0])
    worst = max(o.train[0] for o in mine)
    words = f"{worst:.2f}" + (f"; above the aim: {_places((o, o.train[0]) for o in over)}" if over else "")
    return Aim(f"worst logreg at most {WORST:g}", words, not over)


def _least(mine: list[Outcome]) -> Aim:
    under = sorted((o for o in mine if o.train[1] < LEAST), key=lambda o: o.train[1])
    least = min(o.train[1] for o in mine)
    words = f"{least:.3f}" + (f"; below the aim: {_places((o, o.train[1]) for o in under)}" if under else "")
    return Aim(f"frac at least {LEAST:g} everywhere", words, not under)


def _lost(mine: list[Outcome]) -> Aim:
    lost = [o for o in mine if o.lost]
    words = f"{len(lost)} of {len(mine)} recommendations" + (f": {_places((o, o.train[0]) for o in lost)}" if lost else "")
    return Aim("no recommendation that diverges on any seed", words, not lost)


def better(outcomes: list[Outcome], group: str) -> list[tuple[str, float, float, int]]:
    """Rivals within the budget that have the smaller mean on the jobs both were run on: (who, theirs, ours, how many)."""
    here = [o for o in outcomes if o.group == group and o.who != VALIDATED]
    found = []
    for who, rows in ranked(o for o in here if o.who != TUNER).items():
        common = {(o.job, o.schedule) for o in rows}
        ours = summary(o for o in here if o.who == TUNER and (o.job, o.schedule) in common)
        theirs = summary(rows)
        if ours and theirs and theirs.cost <= BUDGET and theirs.mean < ours.mean:
            found.append((who, theirs.mean, ours.mean, ours.cells))
    return found


def _rivals(outcomes: list[Outcome]) -> Iterable[Aim]:
    for group in GROUPS:
        by: dict[str, set[tuple[str, str]]] = {}
        for outcome in outcomes:
            if outcome.group == group and outcome.who != VALIDATED:
                by.setdefault(outcome.who, set()).add((outcome.job, outcome.schedule))
        mine = by.pop(TUNER, set())
        by = {who: where & mine for who, where in by.items() if where & mine}
        if by:
            ahead = better(outcomes, group)
            words = "; ".join(f"{who} has {theirs:.3f} to {ours:.3f}" for who, theirs, ours, _ in ahead) or f"below all {len(by)}"
            few = min(len(where) for where in by.values())
            part = f", on the jobs that both were run on ({few} of {len(mine)} at least)" if few < len(mine) else ""
            yield Aim(f"mean logreg below every rival's at up to 16 runs, {group}", words + part, not ahead)


def _looking() -> Aim:
    """The share of a run that measuring takes, on jobs of a million examples (`looking.py`)."""
    path = DATA / "looking.json"
    aim = f"measuring costs less than {100 * LOOK:g} % of a run of a million examples"
    if not path.exists():
        return Aim(aim, "", None)
    shares = {name: row["in_runs"] for name, row in read(path)["jobs"].items()}
    words = ", ".join(f"{name} {100 * share:.1f} %" for name, share in shares.items())
    return Aim(aim, words, max(shares.values()) < LOOK)


def _places(found: Iterable[tuple[Outcome, float]]) -> str:
    """Where, each job and schedule with its values."""
    by: dict[str, list[float]] = {}
    for outcome, value in found:
        by.setdefault(f"{outcome.job} {outcome.schedule}", []).append(value)
    return ", ".join(f"{place} ({', '.join(f'{value:.4g}' for value in values)})" for place, values in by.items())

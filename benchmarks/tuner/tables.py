"""The benchmark's tables in Markdown, from the data alone."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from jobs import FAMILIES, SCHEDULES
from outcomes import GROUPS, TUNER, VALIDATED, Outcome, Summary, cells, collect, fresh, group_of, ranked, summary, tunings
from scores import Grid, mean


def markdown(head: Sequence[str], rows: Iterable[Sequence[str]], words: int = 1) -> str:
    """A table; the first `words` columns are words, the others numbers."""
    rule = ["---"] * words + ["--:"] * (len(head) - words)
    return "\n".join("| " + " | ".join(row) + " |" for row in [head, rule, *rows])


def who_table(outcomes: list[Outcome], held: bool = False) -> str:
    """Everybody: mean logreg by group, then worst, least and lost over everything."""
    groups = [group for group in GROUPS if summary((o for o in outcomes if o.group == group), held)]
    full = {group: _cells(outcomes, group, held) for group in groups}
    rows = []
    for who, mine in ranked((o for o in outcomes if o.who != VALIDATED), held).items():
        whole = summary(mine, held)
        if whole is None:
            continue
        parts = [_part(summary((o for o in mine if o.group == group), held), full[group]) for group in groups]
        name = f"**{who}**" if who == TUNER else who
        lost = [] if held else [f"{whole.lost} of {whole.total}"]
        rows.append([name, f"{whole.cost:.1f}", *parts, f"{whole.worst:.2f}", f"{whole.least:.3f}", *lost])
    return markdown(["who", "cost in runs", *groups, "worst", "least frac", *([] if held else ["diverged"])], rows)


def _part(part: Summary | None, full: int) -> str:
    if part is None:
        return "not run"
    return f"{part.mean:.3f}" + (f" ({part.cells} of {full})" if part.cells < full else "")


def _cells(outcomes: list[Outcome], group: str, held: bool) -> int:
    return len({(o.job, o.schedule) for o in outcomes if o.group == group and (o.held is not None or not held)})


def cells_table(groups: Sequence[str]) -> str:
    """Every job and schedule of these groups: the grid's best cell, what the tuner chose, what it reached."""
    rows = []
    for job, schedule in cells():
        found = tunings(job, schedule)
        if group_of(job) not in groups or not found:
            continue
        grid = Grid(job, schedule)
        scores = [grid.score(mean(row["train"])) for row in found]
        star = "\\*" if group_of(job).endswith("held out") else ""
        rows.append([
            f"{job}{star}", schedule, f"{grid.oracle:.4g}", f"{float(grid.best[1]):g}, {_method(*FAMILIES[grid.best[0]])}",
            ", ".join(f"{row['alpha']:.3g} ({_method(row['beta'], row['gamma'])})" for row in found),
            " ".join(f"{score[0]:.2f}" for score in scores), f"{min(score[1] for score in scores):.3f}",
            f"{np.mean([len(row['runs']) for row in found]):.1f}", f"{np.mean([row['cost_in_runs'] for row in found]):.1f}",
        ])  # fmt: skip
    unit = "2^k" if groups[0].startswith("networks") else "2^k/L"
    head = ["job", "schedule", "grid's best", f"at k, rate {unit}", "chosen", "logreg", "least frac", "full runs", "cost in runs"]
    return markdown(head, rows, words=2)


def fresh_table(outcomes: list[Outcome]) -> str:
    """The tuner against the grid's best cell, on the grid's own seeds and on seeds that neither was chosen on."""
    rows = []
    for group, found in fresh().items():
        for schedule in SCHEDULES:
            here = [each for each in found if each.schedule == schedule]
            if not here:
                continue
            jobs, values = {each.job for each in here}, [value for each in here for value in each.logregs]
            own = [o.train[0] for o in outcomes if o.who == TUNER and o.schedule == schedule and o.job in jobs]
            lost = [f"{sum(each.lost for each in here)} of {sum(each.runs for each in here)}"]
            lost.append(f"{sum(each.cell_lost for each in here)} of {sum(each.cell_runs for each in here)}")
            rows.append([group, schedule, str(len(jobs)), f"{np.mean(own):.3f}", f"{np.mean(values):.3f}", f"{max(values):.2f}", *lost])
    head = ["group", "schedule", "jobs", "grid's seeds: mean", "fresh seeds: mean", "worst", "lost runs, tuner", "lost runs, cell"]
    return markdown(head, rows, words=2)


def validated_table(outcomes: list[Outcome]) -> str:
    """Choosing by training loss against choosing by validation loss: mean logreg and least frac of the validation loss."""
    rows = []
    for job, schedule in cells():
        mine = [o for o in outcomes if (o.job, o.schedule) == (job, schedule)]
        both = [summary((o for o in mine if o.who == who), held=True) for who in (TUNER, VALIDATED)]
        if None not in both:
            rows.append([job, schedule, *(text for part in both if part for text in (f"{part.mean:.2f}", f"{part.least:.3f}"))])
    return markdown(
        ["job", "schedule", "by training loss: logreg", "least frac", "by validation loss: logreg", "least frac"], rows, words=2
    )


def printed() -> str:
    """All tables of what is there."""
    outcomes = collect()
    parts = [cells_table(GROUPS[:2]), cells_table(GROUPS[2:]), "`*` not used to design the search.", who_table(outcomes)]
    return "\n\n".join([*parts, "Validation loss:", who_table(outcomes, held=True), validated_table(outcomes)])


def _method(beta: float, gamma: float) -> str:
    return f"{'N' if gamma else 'H'}{beta:g}"

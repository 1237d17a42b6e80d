"""The page of the tuner's benchmark: every table, figure, number and verdict is made from the data when the site is built."""

import io
import sys
from pathlib import Path

import numpy as np
from matplotlib import rc_context
from matplotlib.figure import Figure
from mkdocs.structure.files import File

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / "src"), str(ROOT / "benchmarks" / "tuner")]

from aims import aims, better  # noqa: E402
from outcomes import GROUPS, TUNER, VALIDATED, cells, collect, fresh, ranked, summary  # noqa: E402
from scores import CONVEX, DATA, Grid, read  # noqa: E402
from tables import cells_table, fresh_table, markdown, validated_table, who_table  # noqa: E402

from inertia.report.beside import spread  # noqa: E402
from inertia.report.style import GREY, HAIR, HOT, INK, RC  # noqa: E402

_FLOOR = 0.01  # mean logregs below this are drawn here
_TITLES = {
    "convex": "Convex cells the tuner was designed on",
    "convex, held out": "Convex cells, held out",
    "networks": "Networks the tuner was designed on",
    "networks, held out": "Networks, held out",
}


def on_files(files, config):
    """Add the page and its figures to the files of the site."""
    for name, content in made(collect()).items():
        files.append(File.generated(config, name, content=content))
    return files


def made(outcomes):
    """The page and one figure per group."""
    if not any(outcome.who == TUNER for outcome in outcomes):
        return {"tuner-benchmark.md": "# Tuner benchmark\n\nThere is no data here: `python benchmarks/tuner.py` makes it.\n"}
    groups = [group for group in GROUPS if any(o.group == group and o.who == TUNER for o in outcomes)]
    figures = {f"tuner-{group.replace(', ', '-').replace(' ', '-')}.svg": figure(outcomes, group) for group in groups}
    pictures = [f"![{_TITLES[group]}: mean logreg against cost]({name})\n" for group, name in zip(groups, figures, strict=True)]
    return {"tuner-benchmark.md": page(outcomes, groups, pictures), **figures}


def page(outcomes, groups, pictures):
    """The whole page in Markdown."""
    kept = aims(outcomes)
    missed = [aim for aim in kept if aim.met is False]
    parts = [
        HEAD.format(grids=grids()),
        f"\n## What was aimed at\n\n{len(kept) - len(missed)} of {len(kept)} aims are met.\n",
        markdown(["aim", "", "found"], [[aim.aim, aim.word, aim.found.replace("*", "\\*")] for aim in kept], words=3),
        "\n## Everybody\n",
        EVERYBODY,
        who_table(outcomes),
        "\n" + ahead(outcomes, groups) + missing(outcomes),
        "\nMean logreg (lower is better; 0 is the grid's best cell) against everything spent until there is a trained model.\n",
        *pictures,
        *(["\n## On fresh seeds\n", FRESH, fresh_table(outcomes)] if fresh() else []),
        "\n## Validation loss\n",
        VALIDATION,
        who_table(outcomes, held=True),
    ]
    if any(outcome.who == VALIDATED for outcome in outcomes):
        parts += ["\n" + VALIDATED_WORDS, validated_table(outcomes)]
    parts += ["\n## Convex cells\n", CELLS, cells_table(GROUPS[:2])]
    for group in groups:
        if group.startswith("networks"):
            parts += [f"\n## {_TITLES[group]}\n", cells_table([group])]
    return "\n".join([*parts, "\n## How it was done\n", HOW, versions()])


def grids():
    """How many cells the grids have, in words."""
    sizes = [len(Grid(*cell).runs) for cell in cells()]
    return f"{min(sizes)} to {max(sizes)}" if sizes else "no"


def ahead(outcomes, groups):
    """Who is better than the tuner, group by group, in sentences."""
    said = []
    for group in groups:
        others = {o.who for o in outcomes if o.group == group} - {TUNER, VALIDATED}
        names = ", ".join(f"{who} ({theirs:.3f} to {ours:.3f})" for who, theirs, ours, _ in better(outcomes, group))
        where = f"* {_TITLES[group]}: "
        if not others:
            said.append(where + "no rival has been run.")
        elif names:
            said.append(where + f"a smaller mean than the tuner's on the same jobs have {names}.")
        else:
            said.append(where + f"none of {len(others)} rivals at up to 16 runs has a smaller mean than the tuner.")
    return "\n".join(said) + "\n"


def missing(outcomes):
    """What has not been run, in words; nothing where everything has."""
    wanted, lost = {o.who for o in outcomes} - {VALIDATED}, {}
    for cell in cells():
        away = wanted - {o.who for o in outcomes if (o.job, o.schedule) == cell}
        if away:
            lost.setdefault(frozenset(away), []).append(" ".join(cell))
    words = [
        f"{', '.join(sorted(away)) if len(away) < 4 else f'{len(away)} of {len(wanted)}'} on {', '.join(where)}"
        for away, where in lost.items()
    ]
    return f"\nNot run when this page was made: {'; '.join(words)}.\n" if lost else ""


def versions():
    """What the data were measured with."""
    paths = [CONVEX.parent / "tuner_results.json", *sorted(DATA.glob("tuned-*.json")), *sorted(DATA.glob("rivals-*.json"))]
    seen = {}
    for path in paths:
        if path.exists():
            for name, version in read(path).get("versions", {}).items():
                seen.setdefault(name, set()).add(version)
    return "\n*Measured with " + ", ".join(f"{name} {' and '.join(sorted(found))}" for name, found in sorted(seen.items())) + ".*\n"


def figure(outcomes, group):
    """Everybody of one group: mean logreg against cost, a name beside every point, as SVG."""
    here, points = [o for o in outcomes if o.group == group and o.who != VALIDATED], []
    full = len({(o.job, o.schedule) for o in here})
    for who, mine in ranked(here).items():
        found = summary(mine)
        points.append((who if found.cells == full else f"{who} ({found.cells} of {full})", found.cost, max(found.mean, _FLOOR)))
    partial = any("(" in who and " of " in who for who, _, _ in points)
    with rc_context(RC):
        made = Figure(figsize=(7.4, 4.1), layout="constrained")
        axes = made.add_subplot()
        axes.set_title(_TITLES[group], pad=9)
        axes.set(
            xscale="log",
            yscale="log",
            xlim=(0.03, 1500) if partial else (0.11, 420),
            ylim=(_FLOOR / 1.25, 6.5),
            xlabel="cost in full runs",
            ylabel="mean logreg",
        )
        axes.set_xticks([1, 2, 4, 8, 16, 32], ["1", "2", "4", "8", "16", "32"])
        axes.set_yticks([0.01, 0.03, 0.1, 0.3, 1, 3], ["0.01 or less", "0.03", "0.1", "0.3", "1", "3"])
        axes.minorticks_off()
        axes.axhline(0.05, color=HAIR, lw=1, zorder=1)
        axes.annotate("aim 0.05", (1.6, 0.05), (0, 3), textcoords="offset points", color=GREY, fontsize=7.5)
        for who, cost, height in points:
            size, colour = (8, HOT) if who.startswith(TUNER) else (5, INK)
            axes.plot([cost], [height], "o", ms=size, color=colour, mec="white", mew=0.8, zorder=5)
        _names(axes, [point for point in points if point[1] < 2], 0.72, "right")
        _names(axes, [point for point in points if point[1] >= 2], 48, "left")
        held = io.BytesIO()
        made.savefig(held, format="svg", metadata={"Date": None})
    return held.getvalue()


def _names(axes, points, x, side):
    """Names in one column, a hairline from each to its point."""
    low, high = (np.log(limit) for limit in axes.get_ylim())
    wanted = np.array([(np.log(height) - low) / (high - low) for _, _, height in points])
    for (who, cost, height), place in zip(points, spread(wanted, 0.052), strict=True):
        at = float(np.exp(low + place * (high - low)))
        colour, line = (HOT, HOT) if who.startswith(TUNER) else (INK, HAIR)
        axes.plot([x, cost], [at, height], color=line, lw=0.7, zorder=2)
        words = f"{who} " if side == "right" else f" {who}"
        axes.annotate(words, (x, at), ha=side, va="center", color=colour, fontsize=8, annotation_clip=False)


HEAD = """# Tuner benchmark

How close `inertia tune` comes to a dense grid on the same steps, batch size and schedule, and how close others come. The grid of
every job has {grids} cells: eight momenta (heavy ball 0 to 0.99, Nesterov 0.9 and 0.99) times learning rates, three seeds each.
Its best cell, by mean final training loss, is the oracle: chosen on the very seeds it is scored on, which favours it and nobody
else. The tuner measures and makes at most three full runs on seeds of its own (for networks another initialisation, other
batches); its recommendation is then trained on the grid's seeds.

* `logreg` = ln((loss - ref + eps)/(best - ref + eps)): 0.10 is an excess loss 10 % above the best cell's. `eps` is 1 % of the
  start, `ref` the least-squares minimum of a regression, else 0. Below 0: better than the grid's best cell.
* `frac` = (start - loss)/(start - best): the share of the best cell's improvement. A run that ends not finite, or far above its
  start, counts as `frac` = -1.
* *Held out*: not looked at while the tuner was designed. On everything else its rules were chosen with the grid in view, which flatters it.

These are small jobs: a convex problem, or a network of at most some ten thousand parameters, on at most a few thousand examples.
Nothing here speaks of large models.
"""

EVERYBODY = """`cost` counts everything until there is a trained model, measuring included, in full runs of the job, as a mean over jobs.
*Worst*, *least* and *diverged* (not finite, or not below its start, on any seed) are over everything: every tuning seed, every
repetition of a search.
"""

FRESH = """The best of a hundred cells on three seeds owes some of its lead to those seeds, most of all at a constant rate, where a run's
last loss is one draw from its noise. Here the grid's best cell and the tuner's recommendations are trained once more on six
seeds that neither was chosen on (new starts, new batches, the same ones for both): logreg of the tuner against the cell. A run
that got lost counts as its start.
"""

VALIDATION = """The same runs by their loss on examples they were not trained on, against the grid's best cell by that loss. Everybody chose
by training loss here. Where a network can fit its training data, the best training loss is often not the best validation loss.
The convex cells have no validation examples.
"""

VALIDATED_WORDS = """With `validation=` the tuner compares its runs by validation loss instead (logreg and frac of the validation loss):
"""

CELLS = """`H` is heavy ball, `N` Nesterov; `k` says where the grid's best cell lies, in powers of two, L being the largest curvature at the
start. `*` held out. Convex cells are trained in seconds, so measuring costs up to tens of their runs.
"""

HOW = """* **One untuned run**: Prodigy, D-adaptation, schedule-free SGD and MoMo from optax with the settings of the package; Adam at 1e-3
  (what torch and Keras set), SGD at .001 (torch), at .01 (Keras), and at .01 with momentum .9. All follow the schedule, except
  schedule-free SGD, whose averaging stands in for one. Run on the grid's three seeds, same starts, same batches.
* **LR finder**: one sweep of growing rates (100 mini-batches or half a run, 1e-7 to 10, momentum .9, smoothed), read where the
  loss falls steepest or at a tenth of where it is least; that rate is then trained. Three sweeps on seeds of their own.
* **Random search, TPE (Optuna)**: 4 or 16 full runs on one seed, looked up in the grid; the pick is scored by its cell's mean
  over the seeds. {random} and {tpe} repetitions. Their range is the grid's, which somebody had to choose: they get that for nothing.
* **Successive halving**: 12 random cells for an eighth of the steps, the best 3 for a quarter, the best 1 in full (3.25 runs); or
  48, 12 and 4 (13 runs). Short runs are really run, with the schedule compressed into them. {few} and {many}
  repetitions on a job and schedule.
* Everything is data with its seeds in `benchmarks/data` and `benchmarks/tuner/data`; `python benchmarks/tuner.py`,
  `benchmarks/tuner/networks.py` and `benchmarks/tuner/rivals.py` make what is missing, `networks.py --table` prints these tables.
"""

"""The tuner's rivals on every job of the benchmark, at the same steps, batches and schedules. Kept as data, taken up where it stopped.

    python benchmarks/tuner/rivals.py [JOB ...] [convex] [--quick]   what is missing (without names: everything; quick: no halving)

One untuned run (`untuned.py`), the learning-rate finder (`finder.py`), random search and TPE (`searches.py`), successive halving
(`halving.py`). Data: `data/rivals-JOB.json` and `data/rivals-convex.json`; a search is made again when the grid has grown.
"""

from __future__ import annotations

import json
import platform
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jax
import numpy as np
import optax

import inertia

sys.path.insert(0, str(Path(__file__).parent))
from finder import FINDER_SEEDS, RULES, fixed
from halving import HALVINGS, Short, cost, halving
from jobs import CONVEX_CELLS, CONVEX_HELD_OUT, JOBS, SCHEDULES, SEEDS, label
from scores import CONVEX, DATA, Grid
from searches import SEARCHES, entries
from training import ConvexTraining, NetworkTraining, Training
from untuned import DEFAULTS, OPTIMIZERS, untuned

BUDGETS = (4, 16)


def versions() -> dict[str, str]:
    import optuna

    known = {"jax": jax.__version__, "numpy": np.__version__, "optax": optax.__version__, "optuna": optuna.__version__}
    return {"inertia": inertia.__version__, "python": platform.python_version()} | known


class Kept:
    """One file of results: {"cells": {name of the cell: {rival: [entry, ...]}}}."""

    def __init__(self, name: str) -> None:
        self.path = DATA / f"rivals-{name}.json"
        self.data: dict[str, Any] = json.loads(self.path.read_text()) if self.path.exists() else {"cells": {}, "short": {}}
        self.data |= {"versions": versions(), "seeds": list(SEEDS), "tuning_seeds": list(FINDER_SEEDS)}

    def save(self) -> None:
        text = json.dumps(self.data, indent=0, sort_keys=True)
        aside = self.path.with_suffix(".new")
        aside.write_text(text.replace(',\n"', ',"').replace("[\n", "[").replace("\n]", "]") + "\n")
        aside.replace(self.path)


def work(kept: Kept, training: Training, unit: float, short: bool) -> Iterator[tuple[list[str], Callable[[], dict[str, list[dict]]]]]:
    """Everything that is asked of one job and schedule: names, and how to make their entries."""
    grid = Grid(training.name, training.schedule)
    for name in OPTIMIZERS:
        yield [name], lambda name=name: {name: untuned(training, name)}
    yield [*DEFAULTS, *(f"LR finder, {rule}" for rule in RULES)], lambda: fixed(training)
    for name, search in SEARCHES.items():
        for runs in BUDGETS:
            yield (
                [f"{name}, {runs} runs"],
                lambda name=name, search=search, runs=runs: {f"{name}, {runs} runs": entries(search(grid, runs), runs)},
            )
    if short:
        losses = kept.data["short"].setdefault(f"{training.name}, {training.schedule}", {})
        runs = Short(grid, training, unit, losses, kept.save)
        for name, (rungs, repeats) in HALVINGS.items():
            yield [name], lambda name=name, rungs=rungs, repeats=repeats: {name: entries(halving(runs, rungs, repeats), cost(rungs))}


def fill(kept: Kept, training: Training, unit: float = 1.0, short: bool = True) -> None:
    """Make what is missing of one job and schedule; the grid's size is kept, to see when a search has gone stale."""
    cells = len(Grid(training.name, training.schedule).runs)
    name = f"{training.name}, {training.schedule}"
    cell = kept.data["cells"].setdefault(name, {})
    if cell.get("grid") != cells:
        cell["rivals"] = {who: rows for who, rows in cell.get("rivals", {}).items() if "cell" not in rows[0]}
    if "start" not in cell:
        cell["start"] = dict(zip(("train", "validation"), training.starts(), strict=True))
    cell["grid"] = cells
    for names, make in work(kept, training, unit, short):
        if not set(names) <= set(cell["rivals"]):
            begun = time.perf_counter()
            cell["rivals"] = make() | cell["rivals"]
            kept.save()
            print(f"{name}, {', '.join(names)}: {time.perf_counter() - begun:.1f} s", file=sys.stderr, flush=True)


def fill_convex(short: bool = True) -> None:
    kept, units = Kept("convex"), json.loads(CONVEX.read_text())["cells"]
    for cell in CONVEX_CELLS + CONVEX_HELD_OUT:
        for schedule in SCHEDULES:
            name = f"{label(*cell)}, {schedule}"
            if name in units:
                fill(kept, ConvexTraining(cell, schedule), units[name]["unit"], short)
            else:
                print(f"{name} has no grid yet: python benchmarks/tuner.py", file=sys.stderr)


def fill_network(name: str, short: bool = True) -> None:
    if not (DATA / f"grid-{name}.json").exists():
        print(f"{name} has no grid yet: python benchmarks/tuner/network_grid.py {name}", file=sys.stderr)
        return
    kept = Kept(name)
    for schedule in SCHEDULES:
        fill(kept, NetworkTraining(name, schedule), short=short)


if __name__ == "__main__":
    short, wanted = "--quick" not in sys.argv, [word for word in sys.argv[1:] if word != "--quick"]
    for one in wanted or ["convex", *JOBS]:
        if one == "convex":
            fill_convex(short)
        elif one in JOBS:
            fill_network(one, short)
        else:
            sys.exit(f"no job '{one}': {', '.join(['convex', *JOBS])}")

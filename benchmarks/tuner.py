"""How close the tuner comes to a dense grid: oracle, tuner, table. Everything is kept as data and taken up where it stopped.

    python benchmarks/tuner.py            oracle where it is missing, then the tuner, then the table
    python benchmarks/tuner.py --table    the table of what is there

Oracle: 33 learning rates (2^(k/2)/lambda_max, k = -24 ... 8) x (6 heavy-ball momenta + Nesterov .9 and .99), three seeds,
smallest mean final full loss. Tuner: three tuning seeds, at most three verification runs; its recommendation is then run
on the oracle's seeds and compared by mean final loss. (The oracle is chosen on the seeds it is scored on; the tuner is not.)
What logreg and frac are: `tuner/scores.py`. The networks: `tuner/networks.py`; everybody's rivals: `tuner/rivals.py`.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent / "tuner"))
from convex import fill, kept
from jobs import CONVEX_CELLS, CONVEX_HELD_OUT, SCHEDULES, label


def table():
    grids, results = (kept(name, "")["cells"] for name in ("tuner_oracle.json", "tuner_results.json"))
    print(f"{'task':44} {'oracle':>9} {'at':>9} {'logreg by seed':>22} {'unver.':>7} {'frac':>6} {'runs':>5} {'cost':>5} {'s':>4} chosen")
    for name, rows in results.items():
        cell = grids[name]
        beta, nesterov = cell["best_family"]
        at = f"{'N' if nesterov else 'H'}{beta:g} {cell['best_exponent']:g}"
        scores = " ".join(f"{row['logreg']:6.3f}" for row in rows)
        chosen = ", ".join(f"{'N' if row['gamma'] else 'H'}{row['beta']:g} {np.log2(row['alpha'] * cell['unit']):.1f}" for row in rows)
        means = {key: np.mean([row[key] for row in rows]) for key in ("unverified_logreg", "runs", "cost_in_runs", "seconds")}
        print(
            f"{name:44} {cell['best']:9.5f} {at:>9} {scores:>22} {means['unverified_logreg']:7.3f} {min(r['frac'] for r in rows):6.3f} "
            f"{means['runs']:5.2f} {means['cost_in_runs']:5.1f} {means['seconds']:4.1f}  {chosen}"
        )
    for title, cells in {"designed on": CONVEX_CELLS, "held out": CONVEX_HELD_OUT}.items():
        for schedule in SCHEDULES:
            names = [f"{label(*cell)}, {schedule}" for cell in cells]
            summary(f"{title}, {schedule}", [row for name in names for row in results.get(name, [])])


def summary(title, group):
    if not group:
        return
    mean = {key: np.mean([row[key] for row in group]) for key in ("logreg", "unverified_logreg", "frac", "runs")}
    lost, worst, least = sum(r["diverged"] for r in group), max(r["logreg"] for r in group), min(r["frac"] for r in group)
    print(
        f"{title:22} mean logreg {mean['logreg']:.3f} (worst {worst:.3f}), unverified {mean['unverified_logreg']:.3f}, "
        f"frac {mean['frac']:.4f} (min {least:.3f}), runs {mean['runs']:.2f}, diverged {lost} of {len(group)}"
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--table", action="store_true", help="only print what is there")
    if not parser.parse_args().table:
        fill(__doc__.splitlines()[0], lambda: print(".", end="", flush=True, file=sys.stderr))
        print(file=sys.stderr)
    table()

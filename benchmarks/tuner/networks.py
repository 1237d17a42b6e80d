"""How close the tuner comes to a dense grid on networks, and how close its rivals come. Kept as data, taken up where it stopped.

    python benchmarks/tuner/networks.py [JOB ...] --tuner [--again]     the tuner (`--again`: also where there is a result)
    python benchmarks/tuner/networks.py [JOB ...] --validated [--again]  the tuner, choosing by validation loss
    python benchmarks/tuner/networks.py [JOB ...]                       the tuner and its rivals (`rivals.py`)
    python benchmarks/tuner/networks.py --table                         the tables of what is there, convex cells too

Tuner: three tuning seeds (new initialisation, new batches), at most three runs each; its recommendation is then trained on the
grid's seeds and compared by mean final training loss. (The oracle is the best of the grid on the seeds that it is scored on;
nobody else is.) What logreg and frac are: `scores.py`.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from jobs import JOBS, SCHEDULES
from scores import DATA, Grid, mean
from tables import printed
from tuned import fill, finals, tuned

__all__ = ["JOBS", "SCHEDULES", "Grid", "finals", "mean", "tuned"]


def main(words: list[str]) -> None:
    flags, names = {word for word in words if word.startswith("--")}, [word for word in words if not word.startswith("--")]
    unknown = flags - {"--tuner", "--again", "--validated", "--table"} | set(names) - set(JOBS)
    if unknown:
        sys.exit(f"no such job or option: {', '.join(sorted(unknown))}; jobs are {', '.join(JOBS)}")
    if "--table" in flags:
        print(printed())
        return
    for name in names or JOBS:
        if JOBS[name].kind == "network" and (DATA / f"grid-{name}.json").exists():
            fill(JOBS[name], again="--again" in flags, validated="--validated" in flags)
            if not flags & {"--tuner", "--validated"}:
                from rivals import fill_network

                fill_network(name)


if __name__ == "__main__":
    main(sys.argv[1:])

"""`python benchmarks/experience`: see the package's opening lines."""

import argparse
import sys
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])

if __name__ == "__main__":
    from experience.computing import STAGES, compute, stage_features, status
    from experience.jobs import JOBS

    parser = argparse.ArgumentParser(
        prog="python benchmarks/experience", description="Compute the experience grids; go on where it stopped."
    )
    parser.add_argument("--status", action="store_true", help="print what is done")
    parser.add_argument("--features", action="store_true", help="measure all features anew")
    parser.add_argument("--only", nargs="+", choices=list(JOBS), metavar="JOB", default=list(JOBS))
    parser.add_argument("--stage", nargs="+", choices=list(STAGES), default=list(STAGES))
    asked = parser.parse_args()
    if asked.status:
        print(status())
    elif asked.features:
        for name in asked.only:
            stage_features(JOBS[name], again=True)
    else:
        compute([JOBS[name] for name in asked.only], asked.stage)

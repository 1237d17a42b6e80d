"""Write the experience that the package ships: every grid there is, as one compressed file.

python benchmarks/experience/build.py
"""

from __future__ import annotations

import sys
from pathlib import Path

import inertia

sys.path.insert(0, str(Path(__file__).parent))
import legacy

from inertia.tuning.experience.cells import written

TARGET = Path(inertia.__file__).parent / "tuning" / "experience" / "data" / "cells.json.gz"


def main() -> None:
    cells = [*legacy.networks(), *legacy.convex()]
    TARGET.parent.mkdir(exist_ok=True)
    written(cells, TARGET)
    print(f"{len(cells)} cells of {len({cell.family for cell in cells})} families, {TARGET.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()

"""What the watch claims, measured: time lost, sharpness, spikes foreseen, where noise holds the loss, what halving would gain.

    python benchmarks/watch.py [part]

Parts: time, sharpness, spikes, calm, fresh (both on seeds of their own), noise, halving; all of them without an argument. Every number
is printed as it comes and kept in benchmarks/data/watch.json: what is there is not run again (delete its lines after a change of the
rules or of the looks).
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from watching.cost import time_lost
from watching.driven import calm, fresh, spikes
from watching.halving import halving
from watching.noise import noise
from watching.sharpness import sharpness

PARTS: dict[str, Callable[[], None]] = {
    "time": time_lost,
    "sharpness": sharpness,
    "spikes": spikes,
    "calm": calm,
    "fresh": fresh,
    "noise": noise,
    "halving": halving,
}

if __name__ == "__main__":
    for part in sys.argv[1:] or PARTS:
        PARTS[part]()

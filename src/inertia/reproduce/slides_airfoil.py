"""Document 001: the airfoil losses 0.243, 0.250 and 0.278 that are called momentum and are plain SGD.

The slides' training step was compiled while it changed a list outside itself, so the velocity was zero at every step.
Every setting is run twice: with momentum, and with the velocity forgotten after each step.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from ..core.method import Method
from ..problems import airfoil
from ..problems.simulation import run
from ..report.views import Row as Strip
from ..report.views import Strips, View
from ..tasks.data import airfoil_table
from .experiment import Experiment, Row, Session, compare, not_replayable, printed

__all__ = ["EXPERIMENTS", "SETTINGS", "final_losses"]

SETTINGS = ((0.02, 0.5), (0.01, 0.9), (0.005, 0.9))


@lru_cache(maxsize=32)
def final_losses(learning_rate: float, momentum: float, seeds: int, steps: int = 300) -> NDArray[np.float64]:
    """Full loss over the 1500 rows after two epochs in batches of 10, one number per seed."""
    problem = airfoil(airfoil_table())
    method = Method(learning_rate, momentum)
    return np.array([run(problem, method, steps, batch_size=10, seed=seed, evaluate_every=steps).loss for seed in range(seeds)])


def sweep(session: Session) -> list[Row]:
    """Each printed loss against true momentum, and against the same run with its velocity lost."""
    rows = []
    for index, (learning_rate, momentum) in enumerate(SETTINGS):
        name = f"001/airfoil/{learning_rate:g}-{momentum:g}"
        true, lost = (final_losses(learning_rate, beta, session.seeds) for beta in (momentum, 0.0))
        value = compare(name, 0.0, "", runs=true).printed
        share = float(np.mean(np.abs(true - value) <= 0.0005))
        here = float(np.mean(np.abs(lost - value) <= 0.0005))
        why = (
            f"momentum prints this in {share:.0%} of {session.seeds} runs, plain SGD at {learning_rate:g} (velocity lost) in {here:.0%}; "
            f"medians {np.median(true):.4f} and {np.median(lost):.4f}"
        )
        rows.append(compare(name, 0.0, why, runs=true))
        rows.append(compare(name + "/velocity-lost", 0.0, "velocity forgotten after every step: what the slides ran", runs=lost))
        session.progress(index + 1, len(SETTINGS))
    rows.append(not_replayable("001/airfoil/seconds", "wall clocks of another machine"))
    return rows


def sweep_views(session: Session) -> list[View]:
    """All runs, with and without velocity, and where the printed numbers stand."""
    rows = []
    for learning_rate, momentum in SETTINGS:
        value = float(printed(f"001/airfoil/{learning_rate:g}-{momentum:g}").value)
        rows.append(Strip(f"{learning_rate:g}, beta {momentum:g}", final_losses(learning_rate, momentum, session.seeds), value))
        rows.append(Strip("its velocity lost", final_losses(learning_rate, 0.0, session.seeds), value))
    caption = "One dot per seed, bars from 5 to 95 %, printed losses as diamonds. They sit in the rows whose velocity is lost."
    return [Strips("airfoil-sweep", "0.278 is plain SGD", tuple(rows), "final loss", caption)]


EXPERIMENTS = [
    Experiment("airfoil-sweep", "001", "Airfoil: the beta sweep, with and without its velocity", sweep, sweep_views, stochastic=True)
]

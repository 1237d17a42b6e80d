"""Document 001, "concise": the frameworks' own SGD, three meanings of the same two numbers, and the beta = 0 run it lacks."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from ..errors import require
from ..optimizers.identification import identify
from ..problems import airfoil
from ..problems.base import Array
from ..problems.simulation import batches
from ..report.views import Row as Strip
from ..report.views import Strips, View
from ..tasks.data import airfoil_table
from .experiment import Experiment, Row, Session, claim, compare
from .slides_airfoil import SETTINGS, final_losses

__all__ = ["EXPERIMENTS"]

_EPOCH = 150  # steps


def _orders(seeds: int, steps: int) -> NDArray[np.intp]:
    """The rows of every mini-batch of every seed, as `reference.run` draws them: (steps, seeds, 10)."""
    order = []
    for seed in range(seeds):
        drawn = batches(1500, 10, seed)
        order.append([next(drawn) for _ in range(steps)])
    return np.array(order, dtype=np.intp).transpose(1, 0, 2)


@lru_cache(maxsize=8)
def _framework(name: str, seeds: int) -> Array:
    """Final losses with the framework's real optimizer at 0.005 and 0.9, initialised as its chapter does."""
    from ..tasks.data import airfoil_table
    from ..tasks.frameworks import optax_losses, torch_losses

    require(name if name == "torch" else "jax", "torch" if name == "torch" else "jax")
    columns = airfoil_table()
    z = (columns - columns.mean(axis=0)) / columns.std(axis=0)
    features, targets = np.c_[z[:1500, :5], np.ones(1500)], z[:1500, 5]
    rng = np.random.default_rng(11)
    if name == "torch":
        start = np.c_[rng.normal(0, 0.01, (seeds, 5)), rng.uniform(-1, 1, seeds) / np.sqrt(5)]
        return torch_losses(features, targets, _orders(seeds, 4 * _EPOCH), start, 0.005, 0.9)
    start = np.c_[rng.normal(0, 1 / np.sqrt(5), (seeds, 5)), np.zeros(seeds)]
    return optax_losses(features, targets, _orders(seeds, 2 * _EPOCH), start, 0.005, 0.9)


def concise(session: Session) -> list[Row]:
    """The printed 0.245 against each meaning of learning rate 0.005 and momentum 0.9."""
    half = final_losses(0.005, 0.9, session.seeds)
    whole = final_losses(0.01, 0.9, session.seeds)  # a loss without its 1/2 doubles every gradient
    session.progress(1, 2)
    optax, torch = _framework("optax", session.seeds), _framework("torch", session.seeds)
    middles = [float(np.median(runs)) for runs in (half, optax, torch, whole)]
    return [
        compare("001/concise/half", 0.0, "MXNet's meaning: gradient of half the square, two epochs", runs=half),
        compare("001/concise/optax", 0.0, "optax.sgd itself, two epochs, start of a Flax layer", runs=optax),
        compare("001/concise/torch", 0.0, "torch.optim.SGD itself, MSELoss without the half, four epochs, bias uniform", runs=torch),
        compare("001/concise/tensorflow", 0.0, "TensorFlow's meaning: no half, two epochs: the learning rate acts like 0.01", runs=whole),
        claim(
            "001/concise/same",
            bool(np.ptp(middles) < 0.001),
            middles,
            "medians of the four: where the loss has no 1/2 the same 0.005 is twice the step, so the trajectories are not the same",
        ),
    ]


def concise_views(session: Session) -> list[View]:
    """All runs, and where the printed number stands."""
    rows = (
        Strip("half the square", final_losses(0.005, 0.9, session.seeds), 0.245),
        Strip("optax.sgd", _framework("optax", session.seeds), 0.245),
        Strip("torch.optim.SGD", _framework("torch", session.seeds), 0.245),
        Strip("no half, 2 epochs", final_losses(0.01, 0.9, session.seeds), 0.245),
    )
    return [
        Strips(
            "airfoil-concise",
            "Four meanings of 'learning rate 0.005, momentum 0.9'",
            rows,
            "final loss",
            "One dot per seed, bars from 5 to 95 %, the printed 0.245 as a diamond.",
        )
    ]


def matched(session: Session) -> list[Row]:
    """The run at beta = 0 that the sweep {0, 0.5, 0.9} announces and does not have, and every setting at equal alpha/(1 - beta)."""
    rows = [
        claim(
            "001/sweep/beta-0",
            any(beta == 0 for _, beta in SETTINGS),
            [beta for _, beta in SETTINGS],
            "no printed run has beta = 0 on purpose (all three have it by accident), and the learning rate changes with beta",
        )
    ]
    for index, (rate, beta) in enumerate(SETTINGS):
        ours, plain = final_losses(rate, beta, session.seeds), final_losses(rate / (1 - beta), 0.0, session.seeds)
        gap = abs(float(np.median(ours) - np.median(plain)))
        width = float(np.subtract(*np.quantile(np.r_[ours, plain], [0.95, 0.05])))
        why = (
            f"plain SGD at {rate / (1 - beta):g} ends {gap:.2g} away, {100 * gap / width:.0f} % of the spread: momentum is a step size here"
        )
        rows.append(claim(f"001/matched/{rate:g}-{beta:g}", gap < 0.25 * width, [float(np.median(ours)), float(np.median(plain))], why))
        session.progress(index + 1, len(SETTINGS))
    f = airfoil(airfoil_table())
    assert f.spectrum is not None or f.start is not None
    h = np.linalg.eigvalsh(np.stack([f.hvp(f.start, unit) for unit in np.eye(6)]))
    rows.append(compare("001/airfoil/condition", h[-1] / h[0], "why: with this condition number there is nothing for momentum to repair"))
    return rows


def matched_views(session: Session) -> list[View]:
    """Momentum and its matched plain SGD side by side."""
    rows = []
    for rate, beta in SETTINGS:
        rows.append(Strip(f"{rate:g}, beta {beta:g}", final_losses(rate, beta, session.seeds)))
        rows.append(Strip(f"{rate / (1 - beta):g}, plain", final_losses(rate / (1 - beta), 0.0, session.seeds)))
    return [
        Strips(
            "airfoil-matched",
            "At equal alpha/(1 - beta) momentum changes nothing here",
            tuple(rows),
            "final loss",
            "Airfoil, two epochs, one dot per seed.",
        )
    ]


def forgotten(session: Session) -> list[Row]:
    """The slides' kind of compiled step, asked what it really is."""
    from ..tasks.frameworks import leaky_step

    found = identify(leaky_step(0.005, 0.9), declared=0.9)
    assert found.method is not None
    velocity = np.zeros(8)

    def honest(grad: Array) -> Array:
        velocity[:] = 0.9 * velocity + grad
        return -0.005 * velocity

    kept = identify(honest, declared=0.9)
    assert kept.method is not None
    return [
        claim(
            "001/state/momentum",
            abs(found.method.beta - 0.9) < 1e-3,
            [found.method.alpha, found.method.beta],
            f"identify says: {found.verdict}. {' '.join(found.warnings)}",
        ),
        claim(
            "001/state/kept",
            abs(kept.method.beta - 0.9) < 1e-6,
            [kept.method.alpha, kept.method.beta],
            f"the same two lines outside jit: {kept.verdict}",
        ),
    ]


EXPERIMENTS = [
    Experiment("airfoil-concise", "001", "Airfoil: the frameworks' own optimizers", concise, concise_views, stochastic=True),
    Experiment("airfoil-matched", "001", "Airfoil: beta = 0, and equal effective learning rates", matched, matched_views, stochastic=True),
    Experiment("state-lost", "001", "What the slides' compiled step really is", forgotten),
]

"""Successive halving (Jamieson and Talwalkar 2016) over random cells of the grid: many short runs, the better ones again and longer.

A short run is a real run of T/8 or T/4 steps with the schedule compressed into them; full runs are looked up in the grid.
Short runs are kept (`Short.losses`), so that repetitions which draw the same cell on the same seed share it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import numpy as np
from jobs import FAMILIES, SEEDS
from scores import Grid, Key, finite
from training import Training

from inertia.core.method import Method

# name -> (cells at T/8, of these at T/4, of these in full), and how many repetitions over the seeds
HALVINGS = {"successive halving, 12 cells": ((12, 3, 1), 6), "successive halving, 48 cells": ((48, 12, 4), 3)}
SHARES = (8, 4, 1)


class Short:
    """Final losses of short runs by share of the run, seed and cell."""

    def __init__(self, grid: Grid, training: Training, unit: float, losses: dict[str, float | None], save: Callable[[], None]) -> None:
        self.grid, self.training, self.unit, self.losses, self.save = grid, training, unit, losses, save

    def name(self, key: Key, share: int, seed: int) -> str:
        return f"{'@'.join(key)}/{share}/{SEEDS[seed]}"

    def run(self, wanted: set[Key], share: int, seed: int) -> None:
        """Whatever is missing of these, sixteen at once."""
        missing = sorted(key for key in wanted if self.name(key, share, seed) not in self.losses)
        for first in range(0, len(missing), 16):
            part = missing[first : first + 16]
            padded = part + part[-1:] * (16 - len(part))  # one shape: compiled once
            alpha = np.array([2.0 ** float(k) for _, k in padded]) / self.unit
            beta, gamma = (np.array([FAMILIES[family][i] for family, _ in padded]) for i in (0, 1))
            ended, _ = self.training.methods(Method(alpha, beta, gamma, np.zeros(16)), SEEDS[seed], self.training.steps // share)
            self.losses |= {self.name(key, share, seed): finite(loss) for key, loss in zip(part, ended, strict=False)}
            self.save()

    def of(self, key: Key, share: int, seed: int) -> float:
        """The loss that a search sees."""
        if share == 1:
            return self.grid.on_seed(key, seed)
        loss = self.losses[self.name(key, share, seed)]
        return np.inf if loss is None else loss


def cost(rungs: tuple[int, ...]) -> float:
    """In full runs.

    >>> cost((12, 3, 1))
    3.25
    """
    return sum(count / share for count, share in zip(rungs, SHARES, strict=True))


def halving(short: Short, rungs: tuple[int, ...], repeats: int) -> Counter[Key]:
    """What successive halving recommends, by how often."""
    keys = list(short.grid.runs)
    alive = {
        repeat: [keys[i] for i in np.random.default_rng([len(keys), repeat]).choice(len(keys), rungs[0], replace=False)]
        for repeat in range(repeats)
    }
    for count, share in zip([*rungs[1:], 1], SHARES, strict=True):
        for seed in range(len(SEEDS)):
            mine = [repeat for repeat in alive if repeat % len(SEEDS) == seed]
            if share > 1:
                short.run({key for repeat in mine for key in alive[repeat]}, share, seed)
            for repeat in mine:
                alive[repeat] = sorted(alive[repeat], key=lambda key, share=share, seed=seed: short.of(key, share, seed))[:count]
    return Counter(kept[0] for kept in alive.values())

"""Time lost: of two equal runs whose steps take turns, one watched."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import torch

from inertia.torch import Watch

from .models import OPTIMIZERS, jobs
from .store import kept

__all__ = ["time_lost"]


_BUDGETS = {0.03: (40.0, 0), 0.2: (150.0, 1)}  # seconds of training at most; looks at the whole probe that end it before (0: none do)


def time_lost() -> None:
    """Each model with each optimizer, within both budgets."""
    print("time lost within a budget: counted by the watch, and all of it (its steps against those of the same run without)")
    for budget in _BUDGETS:
        for name in jobs():
            for kind in OPTIMIZERS:
                cell = (name, kind, budget)
                found = kept(f"time lost within {budget}, {name}, {kind}", lambda cell=cell: measured(*cell))
                print(
                    f"  {budget}: {name:12} {kind:6} {found['parameters'] / 1e6:.2f}M parameters: counted {found['counted']:.4f}, "
                    f"all {found['all']:.4f} in {found['steps']} steps, {found['looks']} looks, {found['whole']} whole", flush=True,
                )  # fmt: skip


def measured(name: str, kind: str, budget: float) -> dict[str, Any]:
    """Processor time of a watched run's steps over that of an equal run's, less 1.

    Taking turns lets whatever else the machine does fall on both; the watched one's first check counts, too. It goes on for as many
    seconds as the budget has, or until so many looks saw the whole probe.
    """
    seconds, whole = _BUDGETS[budget]
    make, batch, loss_fn = jobs()[name]
    runs = []
    for _ in range(2):
        torch.manual_seed(0)
        model = make()
        runs.append((model, OPTIMIZERS[kind](model.parameters()), np.random.default_rng(0)))

    def step(model: Any, optimizer: Any, rng: Any) -> Any:
        x, y = batch(rng)
        loss = loss_fn(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    for each in runs * 5:
        step(*each)
    model, optimizer, _ = runs[0]
    probe = batch(np.random.default_rng(1))
    took, begun, steps = [0.0, 0.0], time.process_time(), 0
    watch = Watch(model, optimizer, loss_fn, probe=probe, budget=budget, say=False)
    watch.pace.clock = time.process_time
    watch.pace.started, watch.pace.spent = begun, time.process_time() - begun
    took[0] += watch.pace.spent
    while sum(took) < 2 * seconds and not 0 < whole <= sum(look.part == 1 for look in watch.looks):
        for which in (0, 1) if steps % 2 else (1, 0):
            at = time.process_time()
            loss = step(*runs[which])
            if which == 0:
                watch.step(loss)
            passed = time.process_time() - at
            took[which] += passed
            if which == 1:
                watch.pace.started += passed  # the other run is no time of this one
        steps += 1
    watch.close()
    return {
        "parameters": sum(p.numel() for p in model.parameters()), "counted": round(watch.lost, 4),
        "all": round(took[0] / took[1] - 1, 4), "steps": steps, "looks": len(watch.looks),
        "whole": sum(one.part == 1 for one in watch.looks),
    }  # fmt: skip

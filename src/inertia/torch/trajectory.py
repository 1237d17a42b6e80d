"""Sharpness along a short real trajectory: at the start it is often the wrong number."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from ..errors import BadInput
from ..measure.lanczos import krylov
from ..measure.model import Plan
from ..method import Method, step
from ..spectrum import Spectrum
from .batches import examples_in, taken
from .products import TorchSource

__all__ = ["along_trajectory"]


def along_trajectory(
    source: TorchSource, plan: Plan, start: Spectrum, along: int | Sequence[int], method: Method | None
) -> dict[str, list[float] | float | str]:
    """Train for a few steps, measure the largest curvature on the way, and put the parameters back.

    `along` = steps (measured after a quarter of them and at the end) or the list of steps to measure at. The default method
    is gentle: Nesterov's form with momentum 0.9 and alpha = 1/(4 upper bar).
    """
    marks = sorted({max(1, along // 4), along}) if isinstance(along, int) else sorted(set(along))
    if not marks or marks[0] < 1:
        raise BadInput(f"along = {along!r}: give a number of steps >= 1, or the steps to measure at")
    used = Method(0.25 / start.upper, beta=0.9, gamma=0.9) if method is None else method
    saved = [p.detach().clone() for p in source.params]
    velocity = [torch.zeros_like(p) for p in source.params]
    table: dict[str, list[float]] = {"steps": [0.0], "largest": [start.L], "upper": [start.upper], "loss": [start.provenance["loss"]]}
    batches = _forever(source, plan)
    try:
        for number in range(1, marks[-1] + 1):
            source.release()
            _, grads = source._differentiated(number, next(batches))
            with torch.no_grad():
                for at, (p, g) in enumerate(zip(source.params, grads, strict=True)):
                    moved, velocity[at] = step(used, p, velocity[at], torch.zeros_like(p) if g is None else g)
                    p.copy_(moved)
            if number in marks:
                loss, _ = source.gradient()
                run = krylov(source.hvp, source.space(False), rtol=plan.rtol, depth=plan.depth, ends="largest", seed=plan.seed)
                for name, value in {"steps": number, "largest": run.largest, "upper": run.upper, "loss": loss}.items():
                    table[name].append(float(value))
    except KeyboardInterrupt:
        table["interrupted_after"] = [float(number - 1)]
    finally:
        source.release()
        with torch.no_grad():
            for p, value in zip(source.params, saved, strict=True):
                p.copy_(value)
    growth = max(table["largest"]) / start.L if start.L > 0 else float("nan")
    return {**table, "growth": growth, "method": repr(used)}


def _forever(source: TorchSource, plan: Plan) -> Any:
    """Mini-batches to train on, drawn from tensors at the batch size asked for, else the loader's own, over and over."""
    rng = np.random.default_rng([plan.seed, 3])
    whole = source.batches.tensors
    while True:
        if whole is None:
            yield from source.batches
            continue
        size = min(plan.batch_size or examples_in(whole), examples_in(whole))
        rows = rng.choice(examples_in(whole), size, replace=False)
        yield taken(whole, torch.as_tensor(np.sort(rows)))

"""Runs that are driven into a spike, and runs that stay calm, full-batch ones at the edge of stability among them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from sklearn.datasets import load_digits
from torch import nn

from inertia.torch import Watch

from .models import Batch
from .store import kept

__all__ = ["calm", "digits", "fresh", "lead", "ramp", "run", "small", "spikes"]


FRESH = range(40, 50)  # never run while the rule was made
APART = 10  # steps from look to look


def digits(count: int, seed: int) -> Batch:
    x, y = load_digits(return_X_y=True)
    rows = np.random.default_rng(seed).permutation(len(x))[:count]
    return torch.tensor(x[rows] / 16, dtype=torch.float32), torch.tensor(y[rows])


def small(seed: int) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(64, 32), nn.Tanh(), nn.Linear(32, 32), nn.Tanh(), nn.Linear(32, 10))


def run(
    seed: int, optimizer_of: Callable[[Any], torch.optim.Optimizer], steps: int, *, every: int = 5, batch: int | None = None,
    mse: bool = True, factor: Callable[[int], float] = lambda k: 1.0, scale: Callable[[int], float] = lambda k: 1.0,
) -> tuple[int | None, list[tuple[int, int | None]]]:  # fmt: skip
    """The step at which the loss first exceeds three times its running median, and from when to when a spike was foretold; a look
    every so many steps."""
    model, (x, y), rng, at = small(seed), digits(200, seed), np.random.default_rng(seed), [0]
    target = nn.functional.one_hot(y, 10).float() if mse else y
    loss_fn = nn.functional.mse_loss if mse else nn.functional.cross_entropy
    optimizer = optimizer_of(model.parameters())
    first = [group["lr"] for group in optimizer.param_groups]

    def forward(model: nn.Module, batch: Any) -> torch.Tensor:
        made: torch.Tensor = loss_fn(model(batch[0]), batch[1]) * scale(at[0])
        return made

    watch, losses = Watch(model, optimizer, forward=forward, probe=(x, target), every=every, say=False, average=False), list[float]()
    spike = None
    for k in range(steps):
        at[0] = k
        for group, rate in zip(optimizer.param_groups, first, strict=True):
            group["lr"] = rate * factor(k)
        rows: Any = slice(None) if batch is None else torch.tensor(rng.choice(len(x), batch, replace=False))
        loss = forward(model, (x[rows], target[rows]))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        watch.step(loss)
        losses.append(float(loss.detach()))
        if k >= 20 and not losses[-1] <= 3 * float(np.median(losses[-101:])):
            spike = k + 1
            break
    watch.close()
    return spike, [(told.began, told.ended) for told in watch.messages if told.name == "spike"]


def told(case: str, seed: int, make: Callable[[Any], torch.optim.Optimizer], steps: int, every: int, **words: Any) -> dict[str, Any]:
    """One run: the step of its spike, and when one was foretold."""

    def made() -> dict[str, Any]:
        spike, said = run(seed, make, steps, every=every, **words)
        return {"spike": spike, "told": [list(one) for one in said]}

    return kept(f"{case}, every {every}, seed {seed}", made)


def lead(found: dict[str, Any]) -> int:
    """Steps between a warning that still stood and the spike; 0 where there was none."""
    return max((found["spike"] - began for began, ended in found["told"] if ended is None or ended >= found["spike"]), default=0)


def ramp(begin: int, end: int, by: float) -> Callable[[int], float]:
    return lambda k: by ** min(max(k - begin, 0) / (end - begin), 1.0)


def fresh() -> None:
    """Both again, on seeds that no rule was found on."""
    spikes(FRESH)
    calm(FRESH[:4])


def spikes(seeds: Sequence[int] = range(10)) -> None:
    """Runs that are driven into a spike over 200 or 300 steps."""
    sgd, adam = torch.optim.SGD, torch.optim.Adam
    cases: dict[str, Any] = {
        "SGD, momentum .9, rate raised 20-fold": (lambda p: sgd(p, lr=0.3, momentum=0.9), 500, {"factor": ramp(60, 360, 20)}),
        "SGD, no momentum, rate raised 20-fold": (lambda p: sgd(p, lr=1.0), 500, {"factor": ramp(60, 360, 20)}),
        "Adam, gradients grow 50-fold": (lambda p: adam(p, lr=0.005), 500, {"scale": ramp(200, 500, 50)}),
        "Adam, gradients grow 100-fold": (lambda p: adam(p, lr=0.003), 600, {"scale": ramp(300, 500, 100)}),
    }
    print("spikes foretold at least 10 steps before the loss exceeds three times its running median, by a warning that stood until then;")
    print("taken back: warnings that ended before")
    for name, (make, steps, words) in cases.items():
        found = [told(name, s, make, steps, APART, **words) for s in seeds]
        spiked = [one for one in found if one["spike"]]
        leads = [lead(one) for one in spiked]
        good, back = sum(each >= 10 for each in leads), sum(ended is not None for one in spiked for _, ended in one["told"])
        print(
            f"  {name}: {good} of {len(leads)} (of {len(seeds)} runs that many spiked); leads {leads}, median {np.median(leads):.0f}; "
            f"taken back {back}", flush=True,
        )  # fmt: skip


def calm(seeds: Sequence[int] = range(4)) -> None:
    """Runs that do not spike, full-batch ones at the edge of stability among them."""
    sgd, adam = torch.optim.SGD, torch.optim.Adam
    cases: dict[str, Any] = {
        "gradient descent at the edge, squares": (lambda p: sgd(p, lr=1.5), {}),
        "gradient descent at the edge, cross-entropy": (lambda p: sgd(p, lr=0.4), {"mse": False}),
        "Adam at the edge": (lambda p: adam(p, lr=0.005), {}),
        "SGD, batches of 32": (lambda p: sgd(p, lr=0.1, momentum=0.9), {"batch": 32, "mse": False}),
        "Adam, batches of 32": (lambda p: adam(p, lr=0.003), {"batch": 32, "mse": False}),
    }
    print("false alarms")
    total = false = 0
    for name, (make, words) in cases.items():
        found = [told(name, s, make, 400, APART, **words) for s in seeds]
        quiet = [one["told"] for one in found if one["spike"] is None]
        total, false = total + len(quiet), false + sum(bool(told) for told in quiet)
        print(f"  {name}: {sum(bool(told) for told in quiet)} of {len(quiet)} calm runs", flush=True)
    print(f"  together: {false} of {total}")

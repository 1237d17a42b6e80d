"""Where noise holds the loss: what was said, what a continued run did, and what half the rate did."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import nn

from inertia.torch import Watch
from inertia.watching.regimes import noise_limit

from .models import Batch

__all__ = ["noise", "noise_jobs", "noise_run"]


def noise_jobs() -> dict[str, Any]:
    """Jobs that noise holds up: (data, model, loss, learning rate, momentum)."""
    rng = np.random.default_rng(0)

    def regression(dimension: int, condition: float, spread: float) -> Batch:
        x = rng.normal(size=(512, dimension)) * np.geomspace(1, condition**-0.5, dimension)
        y = x @ rng.normal(size=(dimension, 1)) + spread * rng.normal(size=(512, 1))
        return torch.tensor(x, dtype=torch.float32), torch.tensor(y, dtype=torch.float32)

    x = torch.tensor(rng.normal(size=(512, 8)), dtype=torch.float32)
    noisy = torch.where(torch.tensor(rng.random(512) < 0.3), torch.tensor(rng.integers(0, 3, 512)), x[:, :3].argmax(1))
    mse, cross = nn.functional.mse_loss, nn.functional.cross_entropy
    return {
        "regression": (regression(10, 4, 1.0), lambda: nn.Linear(10, 1), mse, 0.1, 0.0),
        "regression, momentum": (regression(10, 4, 1.0), lambda: nn.Linear(10, 1), mse, 0.01, 0.9),
        "ill-conditioned": (regression(20, 30, 0.5), lambda: nn.Linear(20, 1), mse, 0.08, 0.0),
        "logistic, noisy labels": ((x, noisy), lambda: nn.Linear(8, 3), cross, 0.3, 0.0),
        "logistic, Adam": ((x, noisy), lambda: nn.Linear(8, 3), cross, 0.02, None),
    }


def noise_run(name: str, seed: int = 0, steps: int = 3000) -> dict[str, float] | None:
    """What was said, what a continued run did, and what half the rate did; None where nothing was said."""
    (x, y), make, loss_fn, rate, momentum = noise_jobs()[name]
    torch.manual_seed(seed)
    model, rng = make(), np.random.default_rng(seed)
    adam = momentum is None
    optimizer = torch.optim.Adam(model.parameters(), lr=rate) if adam else torch.optim.SGD(model.parameters(), lr=rate, momentum=momentum)

    limits: list[Any] = []

    def steps_of(count: int, watch: Any = None) -> float:
        total = 0.0
        for _ in range(count):
            rows = torch.tensor(rng.choice(len(x), 8, replace=False))
            loss = loss_fn(model(x[rows]), y[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            if watch is not None:
                watch.step(loss)
                if any(told.name == "noise" for told in watch.messages):
                    limits.append(noise_limit(watch.monitor.history)[1])
                    if limits[-1] is not None:
                        return total
            with torch.no_grad():
                total += float(loss_fn(model(x), y)) / count
        return total

    def minimum() -> float:
        best = make()
        best.load_state_dict(model.state_dict())
        solver = torch.optim.LBFGS(best.parameters(), max_iter=500, line_search_fn="strong_wolfe")

        def closure() -> Any:
            solver.zero_grad()
            value = loss_fn(best(x), y)
            value.backward()
            return value

        solver.step(closure)
        return float(loss_fn(best(x), y).detach())

    watch = Watch(model, optimizer, loss_fn, probe=(x, y), every=10, say=False)
    steps_of(steps, watch)
    watch.close()
    limit = limits[-1] if limits else None
    if limit is None:
        return None
    told = watch.steps
    stays = steps_of(told)
    for group in optimizer.param_groups:
        group["lr"] /= 2
    steps_of(told)
    half = steps_of(2 * told)
    least = minimum()
    return {"step": told, "said": limit.level, "excess": limit.excess or float("nan"), "stays": stays, "half": half, "least": least}


def noise() -> None:
    """Where the loss stays, and what half the rate does to it."""
    print("noise-limited: what was said of the loss, what a continued run did, and its excess over the minimum at half the rate")
    for name in noise_jobs():
        found = noise_run(name)
        if found is None:
            print(f"  {name}: nothing was said", flush=True)
            continue
        ratio = (found["half"] - found["least"]) / (found["stays"] - found["least"])
        print(
            f"  {name}: at step {found['step']:.0f} said {found['said']:.4g} (excess {found['excess']:.2g}), stayed {found['stays']:.4g}, "
            f"off by {found['said'] / found['stays'] - 1:+.0%}; minimum {found['least']:.4g}, at half the rate {ratio:.2f} of the excess, "
            f"excess said over excess {found['excess'] / (found['stays'] - found['least']):.2f}", flush=True,
        )  # fmt: skip

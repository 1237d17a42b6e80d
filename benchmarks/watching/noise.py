"""Where noise holds the loss: what was said, what a continued run did, and what half the rate did."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import nn

from inertia.torch import Watch
from inertia.watching.regimes import noise_limit

from .models import Batch
from .store import kept

__all__ = ["noise", "noise_jobs", "noise_run", "stationary"]


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
    best = make()
    best.load_state_dict(model.state_dict())
    least = lowest(best, loss_fn, x, y)
    return {"step": told, "said": limit.level, "excess": limit.excess or float("nan"), "stays": stays, "half": half, "least": least}


def stationary(name: str, rates: tuple[float, ...] = (1.0, 0.5), runs: int = 64, steps: int = 3000) -> dict[str, Any]:
    """Mean excess over the minimum of many runs at once, at the learning rate and at half of it, each from half of its steps on.

    A single run's mean is off by what is left of its start and by its own luck; this is neither, so it is what the claim is about.
    """
    (x, y), make, loss_fn, rate, momentum = noise_jobs()[name]
    model = make()
    names = [key for key, _ in model.named_parameters()]

    def loss(held: Any, rows: torch.Tensor) -> torch.Tensor:
        made: torch.Tensor = loss_fn(torch.func.functional_call(model, held, (x[rows],)), y[rows])
        return made

    slope = torch.func.vmap(torch.func.grad(loss))
    whole = torch.func.vmap(lambda held: loss(held, torch.arange(len(x))))
    rng = np.random.default_rng(1)
    held = {key: torch.stack([p.detach()] * runs) for key, p in model.named_parameters()}
    first, second = ({key: torch.zeros_like(p) for key, p in held.items()} for _ in range(2))
    levels, errors, count = [], [], 0
    for factor in rates:
        total = torch.zeros(runs)
        for k in range(steps):
            count += 1
            rows = torch.tensor(np.argpartition(rng.random((runs, len(x))), 8, axis=1)[:, :8])
            grads = slope(held, rows)
            for key in names:
                if momentum is None:  # Adam
                    first[key].lerp_(grads[key], 0.1)
                    second[key].lerp_(grads[key] ** 2, 0.001)
                    below = (second[key] / (1 - 0.999**count)).sqrt() + 1e-8
                    held[key] = held[key] - factor * rate * (first[key] / (1 - 0.9**count)) / below
                else:
                    first[key] = momentum * first[key] + grads[key]
                    held[key] = held[key] - factor * rate * first[key]
            if k >= steps // 2 and k % 5 == 0:
                total += whole(held).detach() / len(range(steps // 2, steps, 5))
        levels.append(float(total.mean()))
        errors.append(float(total.std() / runs**0.5))
    best = make()
    best.load_state_dict({key: p.mean(0) for key, p in held.items()})
    least = lowest(best, loss_fn, x, y)
    excesses = [level - least for level in levels]
    ratio = excesses[1] / excesses[0]
    error = ratio * ((errors[0] / excesses[0]) ** 2 + (errors[1] / excesses[1]) ** 2) ** 0.5
    return {"level": levels[0], "half": levels[1], "least": least, "ratio": ratio, "error": error}


def lowest(model: nn.Module, loss_fn: Any, x: torch.Tensor, y: torch.Tensor) -> float:
    """The minimum of the loss, by L-BFGS from the model's parameters, which it changes."""
    solver = torch.optim.LBFGS(model.parameters(), max_iter=500, line_search_fn="strong_wolfe")

    def closure() -> Any:
        solver.zero_grad()
        value = loss_fn(model(x), y)
        value.backward()
        return value

    solver.step(closure)
    return float(loss_fn(model(x), y).detach())


def noise() -> None:
    """Where the loss stays, and what half the rate does to it."""
    print("noise-limited: what was said of the loss, what a continued run did, and its excess over the minimum at half the rate")
    for name in noise_jobs():
        found = kept(f"noise, {name}", lambda name=name: noise_run(name) or {})
        if not found:
            print(f"  {name}: nothing was said", flush=True)
            continue
        many = kept(f"noise, many runs, {name}", lambda name=name: stationary(name))
        ratio = (found["half"] - found["least"]) / (found["stays"] - found["least"])
        print(
            f"  {name}: at step {found['step']:.0f} said {found['said']:.4g}, stayed {found['stays']:.4g} (off by "
            f"{found['said'] / found['stays'] - 1:+.0%}), 64 runs {many['level']:.4g}; minimum {found['least']:.4g}; half the rate leaves "
            f"{ratio:.2f} of the excess in this run, {many['ratio']:.3f} +- {many['error']:.3f} in 64; noise said {found['excess']:.2g}, "
            f"excess {found['stays'] - found['least']:.2g}", flush=True,
        )  # fmt: skip

"""What the watch claims, measured: time lost, sharpness, spikes foreseen, where noise holds the loss.   python benchmarks/watch.py [part]

Parts: time, spikes, calm, noise; all of them without an argument. Takes some minutes; every number is printed as it comes. The runs of
spikes and calm are kept in benchmarks/data/watch.json: what is there is not run again (delete it after a change of the rules).
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.datasets import load_digits
from torch import nn

from inertia.torch import Watch
from inertia.watching.regimes import noise_limit

Batch = tuple[torch.Tensor, torch.Tensor]
KEPT = Path(__file__).parent / "data" / "watch.json"


def digits(count: int, seed: int) -> Batch:
    x, y = load_digits(return_X_y=True)
    rows = np.random.default_rng(seed).permutation(len(x))[:count]
    return torch.tensor(x[rows] / 16, dtype=torch.float32), torch.tensor(y[rows])


class Transformer(nn.Module):
    """A character transformer of some 1.2M parameters."""

    def __init__(self, width: int = 160, depth: int = 4, context: int = 32) -> None:
        super().__init__()
        self.embed, self.place = nn.Embedding(64, width), nn.Parameter(torch.zeros(context, width))
        layer = nn.TransformerEncoderLayer(width, 4, 4 * width, dropout=0.0, batch_first=True, norm_first=True)
        self.blocks, self.head = nn.TransformerEncoder(layer, depth, enable_nested_tensor=False), nn.Linear(width, 64)
        self.register_buffer("mask", nn.Transformer.generate_square_subsequent_mask(context))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        made: torch.Tensor = self.head(self.blocks(self.embed(x) + self.place, mask=self.mask, is_causal=True))
        return made


def mlp() -> nn.Module:
    return nn.Sequential(nn.Linear(256, 800), nn.ReLU(), nn.Linear(800, 800), nn.ReLU(), nn.Linear(800, 800), nn.ReLU(), nn.Linear(800, 10))


def cnn() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(3, 48, 3, padding=1), nn.BatchNorm2d(48), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(48, 96, 3, padding=1), nn.BatchNorm2d(96),
        nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(96 * 16, 620), nn.ReLU(), nn.Linear(620, 10),
    )  # fmt: skip


def jobs() -> dict[str, tuple[Callable[[], nn.Module], Callable[[np.random.Generator], Batch], Callable[..., Any]]]:
    def vectors(rng: np.random.Generator) -> Batch:
        x = torch.tensor(rng.normal(size=(64, 256)), dtype=torch.float32)
        return x, x[:, :10].argmax(1)

    def images(rng: np.random.Generator) -> Batch:
        x = torch.tensor(rng.normal(size=(32, 3, 16, 16)), dtype=torch.float32)
        return x, x.mean(dim=(1, 2)).abs().argmax(1) % 10

    def characters(rng: np.random.Generator) -> Batch:
        x = torch.tensor(np.cumsum(rng.integers(0, 3, (16, 33)), axis=1) % 64)
        return x[:, :-1], x[:, 1:]

    def per_token(output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        return nn.functional.cross_entropy(output.flatten(0, 1), target.flatten())

    plain = nn.functional.cross_entropy
    return {"MLP": (mlp, vectors, plain), "CNN": (cnn, images, plain), "transformer": (Transformer, characters, per_token)}


OPTIMIZERS: dict[str, Callable[[Any], torch.optim.Optimizer]] = {
    "SGD": lambda params: torch.optim.SGD(params, lr=0.02, momentum=0.9),
    "AdamW": lambda params: torch.optim.AdamW(params, lr=1e-3),
}


def time_lost(seconds: float = 60.0) -> None:
    """Of two equal runs whose steps take turns, one watched: processor time of its steps over that of the other's, less 1.

    Taking turns lets whatever else the machine does fall on both; the watched one's first check counts, too.
    """
    print("time lost within a budget of 0.03: counted by the watch, and all of it (its steps against those of the same run without)")
    for name, (make, batch, loss_fn) in jobs().items():
        for kind, optimizer_of in OPTIMIZERS.items():
            runs = []
            for _ in range(2):
                torch.manual_seed(0)
                model = make()
                runs.append((model, optimizer_of(model.parameters()), np.random.default_rng(0)))

            def step(model: Any, optimizer: Any, rng: Any, batch: Any = batch, loss_fn: Any = loss_fn) -> Any:
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
            watch = Watch(model, optimizer, loss_fn, probe=probe, say=False)
            watch.pace.clock = time.process_time
            watch.pace.started, watch.pace.spent = begun, time.process_time() - begun
            took[0] += watch.pace.spent
            while sum(took) < 2 * seconds:
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
            numbers = sum(p.numel() for p in model.parameters())
            print(
                f"  {name:12} {kind:6} {numbers / 1e6:.2f}M parameters: counted {watch.lost:.4f}, all {took[0] / took[1] - 1:.4f} "
                f"in {steps} steps, {len(watch.looks)} looks", flush=True,
            )  # fmt: skip


def small(seed: int) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(64, 32), nn.Tanh(), nn.Linear(32, 32), nn.Tanh(), nn.Linear(32, 10))


def run(
    seed: int, optimizer_of: Callable[[Any], torch.optim.Optimizer], steps: int, *, batch: int | None = None, mse: bool = True,
    factor: Callable[[int], float] = lambda k: 1.0, scale: Callable[[int], float] = lambda k: 1.0,
) -> tuple[int | None, list[tuple[int, int | None]]]:  # fmt: skip
    """The step at which the loss first exceeds three times its running median, and from when to when a spike was foretold; a look every
    5 steps."""
    model, (x, y), rng, at = small(seed), digits(200, seed), np.random.default_rng(seed), [0]
    target = nn.functional.one_hot(y, 10).float() if mse else y
    loss_fn = nn.functional.mse_loss if mse else nn.functional.cross_entropy
    optimizer = optimizer_of(model.parameters())
    first = [group["lr"] for group in optimizer.param_groups]

    def forward(model: nn.Module, batch: Any) -> torch.Tensor:
        made: torch.Tensor = loss_fn(model(batch[0]), batch[1]) * scale(at[0])
        return made

    watch, losses = Watch(model, optimizer, forward=forward, probe=(x, target), every=5, say=False, average=False), list[float]()
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


def kept(case: str, seed: int, make: Callable[[Any], torch.optim.Optimizer], steps: int, **words: Any) -> dict[str, Any]:
    """One run, from the file where it is there."""
    results = json.loads(KEPT.read_text()) if KEPT.exists() else {}
    name = f"{case}, seed {seed}"
    if name not in results:
        spike, told = run(seed, make, steps, **words)
        results = json.loads(KEPT.read_text()) if KEPT.exists() else {}
        results[name] = {"spike": spike, "told": [list(one) for one in told]}
        text = "{\n" + ",\n".join(f"{json.dumps(key)}: {json.dumps(results[key])}" for key in sorted(results)) + "\n}\n"
        KEPT.write_text(text)
    found: dict[str, Any] = results[name]
    return found


def lead(found: dict[str, Any]) -> int:
    """Steps between a warning that still stood and the spike; 0 where there was none."""
    return max((found["spike"] - began for began, ended in found["told"] if ended is None or ended >= found["spike"]), default=0)


def ramp(begin: int, end: int, by: float) -> Callable[[int], float]:
    return lambda k: by ** min(max(k - begin, 0) / (end - begin), 1.0)


def spikes(seeds: int = 10) -> None:
    """Runs that are driven into a spike over 300 steps."""
    sgd, adam = torch.optim.SGD, torch.optim.Adam
    cases: dict[str, Any] = {
        "SGD, momentum .9, rate raised 20-fold": (lambda p: sgd(p, lr=0.3, momentum=0.9), {"factor": ramp(60, 360, 20)}),
        "SGD, no momentum, rate raised 20-fold": (lambda p: sgd(p, lr=1.0), {"factor": ramp(60, 360, 20)}),
        "Adam, gradients grow 50-fold": (lambda p: adam(p, lr=0.005), {"scale": ramp(200, 500, 50)}),
    }
    print("spikes foretold at least 10 steps before the loss exceeds three times its running median, by a warning that stood until then")
    for name, (make, words) in cases.items():
        found = [kept(name, s, make, 500, **words) for s in range(seeds)]
        leads = [lead(one) for one in found if one["spike"]]
        good = sum(each >= 10 for each in leads)
        print(f"  {name}: {good} of {len(leads)} (of {seeds} runs that many spiked); leads {leads}", flush=True)


def calm() -> None:
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
        found = [kept(name, s, make, 400, **words) for s in range(4)]
        quiet = [one["told"] for one in found if one["spike"] is None]
        total, false = total + len(quiet), false + sum(bool(told) for told in quiet)
        print(f"  {name}: {sum(bool(told) for told in quiet)} of {len(quiet)} calm runs", flush=True)
    print(f"  together: {false} of {total}")


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


PARTS: dict[str, Callable[[], None]] = {"time": time_lost, "spikes": spikes, "calm": calm, "noise": noise}

if __name__ == "__main__":
    for part in sys.argv[1:] or PARTS:
        PARTS[part]()

"""Problems that nothing was fitted to: a few runs of inertia beside one run of Prodigy and a whole grid, on fresh seeds.

    python benchmarks/unseen.py [--only NAME] [--json FILE]     the table; about a minute a problem and schedule

Eight problems made by generators, of kinds that the shipped experience does not hold; none may ever be added to it or be used to fit a
number. A tuning (seed 7) is what a user types. Its recommendation, a run of Prodigy (Mishchenko and Defazio 2023, optax), AdamW at 1e-3
and a grid of learning rates and momenta of SGD start at the same parameters and see the batches of three fresh seeds. Losses are counted
as everywhere (experience/scores.py): logreg = ln((L - ref + e)/(L* - ref + e)), where L is the mean of min(loss, start), L* that of the
best cell of the grid and e 1 % of the fall; ref lies 2 % of the fall below the lowest of all that ran, never below a known bound.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import optax.contrib

import inertia
from inertia.core.method import Method
from inertia.jax.made import transformation_of
from inertia.jax.trials import run_trials
from inertia.tuning.batches import batch_order
from inertia.tuning.experience.policy import ExperiencePolicy
from inertia.tuning.experience.surfaces import EPSILON, reference
from inertia.tuning.factors import factors_of
from inertia.tuning.policy import History

TUNED, FRESH, TOLD, SCHEDULES = 7, (100, 101, 102), (0, 2, 3), ("constant", "linear")
MOMENTA = ((0.0, 0.0), (0.5, 0.0), (0.8, 0.0), (0.9, 0.0), (0.95, 0.0), (0.98, 0.0), (0.9, 0.9), (0.98, 0.98))
RATES = 2.0 ** np.arange(-13.0, 5.1, 0.5)


@dataclass(frozen=True)
class Unseen:
    """One problem: a mean loss over a batch, where it starts, its data, and how long it is trained."""

    loss: Callable[[Any, Any], Any]
    params: Any
    data: Any
    steps: int
    batch: int
    lowest: float | None = None  # what the loss cannot undercut, as a user would know it


def dense(rng: np.random.Generator, *sizes: int) -> list[tuple[Any, Any]]:
    """Layers of a network, as torch initialises them up to a constant."""
    return [(jnp.asarray(rng.standard_normal((a, b)) / np.sqrt(a), jnp.float32), jnp.zeros(b)) for a, b in pairwise(sizes)]


def through(layers: Any, x: Any, bend: Callable[[Any], Any] = jnp.tanh) -> Any:
    """The network's output."""
    for w, b in layers[:-1]:
        x = bend(x @ w + b)
    return x @ layers[-1][0] + layers[-1][1]


def crossed(scores: Any, labels: Any) -> Any:
    """Mean cross-entropy."""
    return -jnp.mean(jnp.take_along_axis(jax.nn.log_softmax(scores), labels[:, None], axis=1))


def spirals(rng: np.random.Generator) -> Unseen:
    """Two spirals, a network with two hidden layers."""
    turn, kind = rng.uniform(0.3, 3, 400) * np.pi, rng.integers(0, 2, 400)
    x = np.stack([np.cos(turn + np.pi * kind), np.sin(turn + np.pi * kind)], 1) * turn[:, None] / 5 + 0.03 * rng.standard_normal((400, 2))
    return Unseen(lambda p, b: crossed(through(p, b[0]), b[1]), dense(rng, 2, 32, 32, 2), (x.astype(np.float32), kind), 600, 40, 0.0)


def factored(rng: np.random.Generator) -> Unseen:
    """A matrix of rank 4 with noise, by the product of two factors, from its entries."""
    rows, columns = rng.integers(0, 60, 3000), rng.integers(0, 40, 3000)
    u, v = rng.standard_normal((60, 4)), rng.standard_normal((40, 4))
    y = np.sum(u[rows] * v[columns], axis=1) / 2 + 0.3 * rng.standard_normal(3000)
    params = tuple(jnp.asarray(0.3 * rng.standard_normal((n, 5)), jnp.float32) for n in (60, 40))

    def loss(p: Any, b: Any) -> Any:
        return jnp.mean((jnp.sum(p[0][b[0]] * p[1][b[1]], axis=1) - b[2]) ** 2)

    return Unseen(loss, params, (rows, columns, y.astype(np.float32)), 500, 64, 0.0)


def mixture(rng: np.random.Generator) -> Unseen:
    """A mixture density network: the density of an ambiguous inverse, whose likelihood goes below 0."""
    y = rng.uniform(-1, 1, 1000)
    x = y + 0.6 * np.sin(2 * np.pi * y) + 0.05 * rng.standard_normal(1000)

    def loss(p: Any, b: Any) -> Any:
        logits, middle, spread = jnp.split(through(p, b[0][:, None]), 3, axis=1)
        spread = jnp.clip(spread, -3.5, 3)
        each = jax.nn.log_softmax(logits) - 0.5 * ((b[1][:, None] - middle) / jnp.exp(spread)) ** 2 - spread - 0.92
        return -jnp.mean(jax.nn.logsumexp(each, axis=1))

    return Unseen(loss, dense(rng, 1, 24, 9), (x.astype(np.float32), y.astype(np.float32)), 800, 50)


def softmax(rng: np.random.Generator) -> Unseen:
    """Softmax regression with 20 classes on features of very different scales."""
    scale = np.geomspace(3, 0.05, 30)
    kind = rng.integers(0, 20, 2000)
    x = (rng.standard_normal((20, 30))[kind] + 1.5 * rng.standard_normal((2000, 30))) * scale
    params = jnp.zeros((30, 20)), jnp.zeros(20)
    return Unseen(lambda p, b: crossed(b[0] @ p[0] + p[1], b[1]), params, (x.astype(np.float32), kind), 400, 100, 0.0)


def waves(rng: np.random.Generator) -> Unseen:
    """Noise taken out of waves by three convolutions."""
    at = np.linspace(0, 1, 64)
    clean = np.sin(2 * np.pi * (rng.uniform(1, 8, (600, 1)) * at + rng.uniform(0, 1, (600, 1))))
    noisy = clean + 0.5 * rng.standard_normal(clean.shape)
    sizes = ((9, 1, 8), (9, 8, 8), (9, 8, 1))
    params = [(jnp.asarray(rng.standard_normal(s) / np.sqrt(s[0] * s[1]), jnp.float32), jnp.zeros(s[2])) for s in sizes]

    def loss(p: Any, b: Any) -> Any:
        x = b[0][:, :, None]
        for k, (w, shift) in enumerate(p):
            x = jax.lax.conv_general_dilated(x, w, (1,), "SAME", dimension_numbers=("NWC", "WIO", "NWC")) + shift
            x = jax.nn.relu(x) if k < 2 else x
        return jnp.mean((x[:, :, 0] - b[1]) ** 2)

    return Unseen(loss, params, (noisy.astype(np.float32), clean.astype(np.float32)), 300, 30, 0.0)


def counts(rng: np.random.Generator) -> Unseen:
    """Counts by a network with a Poisson likelihood."""
    x = rng.standard_normal((1500, 8))
    y = rng.poisson(np.exp(np.sin(x[:, 0]) + 0.5 * x[:, 1] * x[:, 2]))

    def loss(p: Any, b: Any) -> Any:
        said = jnp.clip(through(p, b[0], jax.nn.silu)[:, 0], -8, 8)
        return jnp.mean(jnp.exp(said) - b[1] * said)

    return Unseen(loss, dense(rng, 8, 40, 1), (x.astype(np.float32), y.astype(np.float32)), 500, 30)


def recalled(rng: np.random.Generator) -> Unseen:
    """A recurrent network with tanh recalls the first of twelve symbols."""
    x = rng.integers(0, 6, (1200, 12))
    params = {"in": jnp.asarray(0.5 * rng.standard_normal((6, 24)), jnp.float32),
              "on": jnp.asarray(np.linalg.qr(rng.standard_normal((24, 24)))[0], jnp.float32),
              "out": jnp.asarray(rng.standard_normal((24, 6)) / 5, jnp.float32)}  # fmt: skip

    def loss(p: Any, b: Any) -> Any:
        hidden = jnp.zeros((b[0].shape[0], 24))
        for k in range(12):
            hidden = jnp.tanh(p["in"][b[0][:, k]] + hidden @ p["on"])
        return crossed(hidden @ p["out"], b[0][:, 0])

    return Unseen(loss, params, (x,), 500, 40, 0.0)


def quantiles(rng: np.random.Generator) -> Unseen:
    """Three quantiles of a quantity whose spread varies, by a network with kinks in its loss."""
    x = rng.uniform(-2, 2, (1000, 3))
    y = np.sin(2 * x[:, 0]) + x[:, 1] ** 2 / 2 + (0.2 + 0.3 * np.abs(x[:, 2])) * rng.standard_normal(1000)
    levels = jnp.array([0.1, 0.5, 0.9])

    def loss(p: Any, b: Any) -> Any:
        off = b[1][:, None] - through(p, b[0], jax.nn.relu)
        return jnp.mean(jnp.maximum(levels * off, (levels - 1) * off))

    return Unseen(loss, dense(rng, 3, 48, 48, 3), (x.astype(np.float32), y.astype(np.float32)), 500, 25, 0.0)


PROBLEMS = {each.__name__: each for each in (spirals, factored, mixture, softmax, waves, counts, recalled, quantiles)}


def sgd(one: Unseen, schedule: str, methods: Method) -> np.ndarray:
    """Final losses of methods (T,) on the fresh seeds: (T, 3)."""
    _, plan = factors_of(schedule, one.steps)
    found = [run_trials(one.loss, one.params, one.data, methods, plan, batch_size=one.batch, seed=seed, together=64) for seed in FRESH]
    return np.stack([each.losses[:, -1] for each in found], axis=1)


def trained(one: Unseen, rule: Any) -> np.ndarray:
    """Final losses of an optimizer of optax on every fresh seed."""
    examples = jax.tree.leaves(one.data)[0].shape[0]
    data = jax.tree.map(jnp.asarray, one.data)
    rule = optax.with_extra_args_support(rule)

    @jax.jit
    def run(order: Any) -> Any:
        def body(carry: Any, rows: Any) -> Any:
            params, state = carry
            value, grad = jax.value_and_grad(one.loss)(params, jax.tree.map(lambda array: array[rows], data))
            change, state = rule.update(grad, state, params, value=value)
            return (optax.apply_updates(params, change), state), None

        (params, _), _ = jax.lax.scan(body, (one.params, rule.init(one.params)), order)
        return one.loss(params, data)

    return np.array([float(run(jnp.asarray(batch_order(examples, one.batch, one.steps, seed)))) for seed in FRESH])


def others(one: Unseen, schedule: str) -> dict[str, Any]:
    """What one would use untuned."""
    plan = jnp.asarray(factors_of(schedule, one.steps)[1], jnp.float32)

    def factor(step: Any) -> Any:
        return plan[jnp.minimum(step, one.steps - 1)]

    return {"Prodigy": optax.contrib.prodigy(factor), "AdamW 1e-3": optax.adamw(lambda step: 1e-3 * factor(step), weight_decay=0.0)}


def judged(one: Unseen, schedule: str) -> dict[str, Any]:
    """One problem and schedule: what everybody reached."""
    begin = float(one.loss(one.params, jax.tree.map(jnp.asarray, one.data)))
    how = {"steps": one.steps, "batch_size": one.batch, "schedule": schedule, "seed": TUNED, "lowest": one.lowest}
    found = inertia.tune(one.loss, one.params, one.data, runs=max(TOLD), **how)
    either = inertia.tune(one.loss, one.params, one.data, runs=4, optimizer="any", **how)
    policy = ExperiencePolicy(found.measurement, found.budget, TUNED)
    picks = {f"{runs} runs": policy.pick(History(found.history.trials[:runs])) for runs in TOLD}
    grid = np.array([(rate, beta, gamma, 0.0) for beta, gamma in MOMENTA for rate in RATES]).T
    ends = {who: trained(one, transformation_of(pick.recipe, found.budget)) for who, pick in picks.items()} | {
        "any, 4 runs": trained(one, either.optax())
    }
    ends |= {who: trained(one, rule) for who, rule in others(one, schedule).items()}

    def mean(losses: np.ndarray) -> np.ndarray:
        return np.minimum(np.where(np.isfinite(losses), losses, np.inf), begin).mean(axis=-1)

    means = {who: float(mean(losses)) for who, losses in ends.items()} | {"grid": float(mean(sgd(one, schedule, Method(*grid))).min())}
    lowest = min(means.values())  # of all that ran
    ref = reference(begin, lowest, one.lowest)
    eps = EPSILON * (begin - ref)
    score = {who: float(np.log((x - ref + eps) / (means["grid"] - ref + eps))) for who, x in means.items()}
    held, near = {}, {}
    for who in (f"{runs} runs" for runs in TOLD):
        said = picks[who].expected
        left, expected = np.maximum(ends[who] - ref, 0) + eps, max(said.loss - ref, 0) + eps
        held[who] = float(np.mean((said.low <= ends[who]) & (ends[who] <= said.high)))
        near[who] = float(np.mean(np.abs(np.log(left / expected)) < np.log(2)))
    cost = {"3 runs": found.cost.spent, "any, 4 runs": either.cost.spent}
    return {"score": score, "held": held, "near": near, "cost": cost, "start": begin, "means": means}


def table(found: dict[str, Any]) -> None:
    """Every cell, and the means."""
    columns = [who for who in next(iter(found.values()))["score"] if who != "grid"]
    print(f"{'logreg':22}" + "".join(f"{who:>13}" for who in columns) + "   cost of 3 runs with measuring")
    for name, each in found.items():
        print(f"{name:22}" + "".join(f"{each['score'][who]:13.2f}" for who in columns) + f"   {each['cost']['3 runs']:.2f}")
    capped = np.array([[min(each["score"][who], 1.5) for who in columns] for each in found.values()])
    print(f"{'mean, capped at 1.5':22}" + "".join(f"{x:13.3f}" for x in capped.mean(axis=0)))
    print(f"{'median':22}" + "".join(f"{x:13.3f}" for x in np.median(capped, axis=0)))
    rival = capped[:, columns.index("Prodigy")]
    level = [f"{who}: {int(np.sum(capped[:, k] <= rival + 0.02))}" for k, who in enumerate(columns) if "runs" in who]
    print(f"level with or below Prodigy (to .02), of {len(capped)} cells: " + ", ".join(level))
    for runs in TOLD:
        held, near = (100 * np.mean([each[what][f"{runs} runs"] for each in found.values()]) for what in ("held", "near"))
        print(f"after {runs} runs: fresh losses inside the 80 % interval {held:.0f} %, within a factor 2 of the expected one {near:.0f} %")


def main() -> None:
    words = sys.argv[1:]
    names = [words[words.index("--only") + 1]] if "--only" in words else list(PROBLEMS)
    found = {}
    for index, name in enumerate(PROBLEMS):
        if name in names:
            for schedule in SCHEDULES:
                one = PROBLEMS[name](np.random.default_rng(2026 + index))
                found[f"{name}, {schedule}"] = judged(one, schedule)
                print(f"{name}, {schedule}", file=sys.stderr, flush=True)
    table(found)
    if "--json" in words:
        Path(words[words.index("--json") + 1]).write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()

"""How close the tuner comes to a dense grid on networks, and how close its rivals come. Kept as data, taken up where it stopped.

    python benchmarks/tuner/networks.py [JOB ...] [--tuner]     the tuner, and without --tuner the optimizers that need no tuning
    python benchmarks/tuner/networks.py --table       the table of what is there, with the searches that the grid can answer

Tuner: three tuning seeds (new initialisation, new batches), at most three runs each; its recommendation is then trained on the
grid's seeds and compared by mean final training loss. Random search and TPE look results up in the grid, one seed at a time,
and are compared in the same way. (The oracle is the best of the grid on the seeds that it is scored on; nobody else is.)

    logreg = ln((loss + eps)/(oracle + eps)),  eps = 1 % of the start;       frac = (start - loss)/(start - oracle)
"""

from __future__ import annotations

import json
import math
import platform
import sys
import time
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
import optax.contrib

import inertia
from inertia.jax import tune
from inertia.jax.trials import run_trials
from inertia.method import Method
from inertia.schedule import shaped
from inertia.tune.batches import batch_order

sys.path.insert(0, str(Path(__file__).parent))
from jobs import FAMILIES, JOBS, SCHEDULES, SEEDS, Job
from newcomers import network

DATA = Path(__file__).parent / "data"
TUNING_SEEDS = (100, 101, 102)
REPEATS = {"random": 300, "TPE": 12}
RIVALS = {  # name -> what makes the optimizer from a schedule of factors
    "Prodigy": lambda factor: optax.contrib.prodigy(factor, safeguard_warmup=True),
    "schedule-free SGD, lr 1": lambda factor: optax.contrib.schedule_free_sgd(1.0),
    "D-adaptation (AdamW)": lambda factor: optax.contrib.dadapt_adamw(factor),
    "Adam 1e-3": lambda factor: optax.adam(lambda step: 1e-3 * factor(step)),
    "SGD .01, momentum .9": lambda factor: optax.sgd(lambda step: 1e-2 * factor(step), momentum=0.9),
}


def kept(path):
    versions = {"inertia": inertia.__version__, "jax": jax.__version__, "python": platform.python_version()}
    empty = {"tuning_seeds": list(TUNING_SEEDS), "seeds": list(SEEDS), "versions": versions, "tuner": {}, "rivals": {}}
    return json.loads(path.read_text()) if path.exists() else empty


def finals(job: Job, net, method: Method, factors) -> tuple[list[float | None], list[float | None]]:
    """Final training and validation losses on the grid's seeds."""
    fields = Method(*(np.array([float(field)]) for field in method))
    train, held = [], []
    for seed in SEEDS:
        size = job.batch_size or len(net.data[0])
        ran = run_trials(net.loss, net.init(seed), net.data, fields, factors, batch_size=size, seed=seed, validation=net.validation)
        train.append(finite(ran.losses[0, -1]))
        held.append(finite(ran.validation[0, -1]))
    return train, held


def finite(value) -> float | None:
    return float(f"{float(value):.6g}") if np.isfinite(value) else None


def tuned(job: Job, net, schedule: str, seed: int) -> dict:
    began = time.perf_counter()
    found = tune(net.loss, net.init(seed), net.data, steps=job.steps, batch_size=job.batch_size, schedule=schedule, seed=seed)
    seconds = time.perf_counter() - began
    factors = np.asarray(shaped(schedule, Method(1.0), job.steps)(np.arange(job.steps)).alpha)
    train, held = finals(job, net, found.method, factors)
    facts = {
        name: found.measurement[name] for name in ("largest", "largest_at_start", "smallest", "noise_trace", "gradient_norm", "in_runs")
    }
    return {
        "alpha": found.method.alpha, "beta": found.method.beta, "gamma": found.method.gamma, "branch": found.branch, "train": train,
        "validation": held, "runs": [[float(r.method.alpha), float(r.method.beta), finite(r.loss)] for r in found.runs],
        "cost_in_runs": found.cost_in_runs, "seconds": round(seconds, 2), "measured": facts,
    }  # fmt: skip


def rival(job: Job, net, schedule: str, make) -> list[float | None]:
    """Final training losses of an optimizer that needs no tuning, all seeds at once."""
    table = jnp.asarray(shaped(schedule, Method(1.0), job.steps)(np.arange(job.steps)).alpha, jnp.float32)
    size = job.batch_size or len(net.data[0])
    orders = jnp.asarray(np.stack([batch_order(len(net.data[0]), size, job.steps, seed) for seed in SEEDS]))
    starts = jax.tree.map(lambda *leaves: jnp.stack(leaves), *[net.init(seed) for seed in SEEDS])
    optimizer = optax.with_extra_args_support(make(lambda step: table[jnp.minimum(step, job.steps - 1)]))

    def one(start, order, data):
        def body(carry, rows):
            params, state = carry
            value, grad = jax.value_and_grad(net.loss)(params, jax.tree.map(lambda array: array[rows], data))
            updates, state = optimizer.update(grad, state, params, value=value, loss=value)
            return (optax.apply_updates(params, updates), state), None

        (params, state), _ = jax.lax.scan(body, (start, optimizer.init(start)), order)
        params = optax.contrib.schedule_free_eval_params(state, params) if hasattr(state, "z") else params
        return net.loss(params, data)

    return [finite(value) for value in jax.jit(jax.vmap(one, in_axes=(0, 0, None)))(starts, orders, jax.tree.map(jnp.asarray, net.data))]


def fill(job: Job, rivals: bool) -> None:
    path = DATA / f"tuned-{job.name}.json"
    found, net = kept(path), network(job.task)
    for seed in TUNING_SEEDS:
        for schedule in SCHEDULES:
            if f"{schedule}/{seed}" not in found["tuner"]:
                found["tuner"][f"{schedule}/{seed}"] = tuned(job, net, schedule, seed)
                path.write_text(json.dumps(found, indent=0))
                print(job.name, schedule, seed, file=sys.stderr, flush=True)
    for schedule in SCHEDULES:
        for name, make in RIVALS.items() if rivals else ():
            if f"{schedule}/{name}" not in found["rivals"]:
                found["rivals"][f"{schedule}/{name}"] = rival(job, net, schedule, make)
                path.write_text(json.dumps(found, indent=0))
                print(job.name, schedule, name, file=sys.stderr, flush=True)


def mean(losses) -> float:
    return float(np.mean([math.inf if loss is None else loss for loss in losses]))


class Grid:
    """The oracle of one job and schedule."""

    def __init__(self, name: str, schedule: str) -> None:
        data = json.loads((DATA / f"grid-{name}.json").read_text())
        self.start = float(np.mean(data["start"]))
        self.runs = {tuple(key.split("@")): value for key, value in data["runs"][schedule].items()}
        self.means = {key: mean(value["train"]) for key, value in self.runs.items()}
        self.best = min(self.means, key=self.means.__getitem__)
        self.oracle = self.means[self.best]

    def score(self, loss: float) -> tuple[float, float]:
        loss, eps = min(loss, 1e9), 0.01 * self.start
        return math.log((loss + eps) / (self.oracle + eps)), (self.start - loss) / (self.start - self.oracle)

    def search(self, picks, seed: int) -> float:
        """Mean loss of what a search that saw these points on one seed would recommend."""
        seen = {key: mean([self.runs[key]["train"][seed]]) for key in picks}
        return self.means[min(seen, key=seen.__getitem__)]

    def random(self, runs: int) -> list[float]:
        chance, keys = np.random.default_rng(0), list(self.runs)
        return [
            self.search([keys[i] for i in chance.choice(len(keys), runs, replace=False)], repeat % len(SEEDS))
            for repeat in range(REPEATS["random"])
        ]

    def tpe(self, runs: int) -> list[float]:
        import optuna

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        exponents = {family: np.array(sorted(float(k) for f, k in self.runs if f == family)) for family in FAMILIES}
        names = {(family, float(k)): (family, k) for family, k in self.runs}
        found = []
        for repeat in range(REPEATS["TPE"]):
            study, picks = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=repeat)), []
            for _ in range(runs):
                trial = study.ask()
                family, k = trial.suggest_categorical("family", list(FAMILIES)), trial.suggest_float("k", -11, 3)
                key = names[family, float(exponents[family][np.argmin(abs(exponents[family] - k))])]
                picks.append(key)
                study.tell(trial, min(mean([self.runs[key]["train"][repeat % len(SEEDS)]]), 1e9))
            found.append(self.search(picks, repeat % len(SEEDS)))
        return found


def table() -> None:
    everyone: dict[str, list[tuple[float, float, bool]]] = {}
    print("| job | schedule | oracle | at | logreg of three tunings | least frac | chosen | runs | cost |")
    print("|---|---|---|---|---|---|---|---|---|")
    for name, job in JOBS.items():
        path = DATA / f"tuned-{name}.json"
        if not path.exists() or not (DATA / f"grid-{name}.json").exists():
            continue
        found = json.loads(path.read_text())
        for schedule in SCHEDULES:
            grid = Grid(name, schedule)
            rows = [row for key, row in found["tuner"].items() if key.startswith(schedule)]
            if not rows:
                continue
            scores = [grid.score(mean(row["train"])) for row in rows]
            group = "new jobs" if job.held_out else "jobs it was designed on"
            for (logreg, frac), row in zip(scores, rows, strict=True):
                everyone.setdefault(f"inertia, {group}", []).append((logreg, frac, None in row["train"]))
            searches = {f"random search, {n} runs": grid.random(n) for n in (4, 16)} | {f"TPE, {n} runs": grid.tpe(n) for n in (4, 16)}
            searches |= {key.split("/")[1]: [mean(value)] for key, value in found["rivals"].items() if key.startswith(schedule)}
            for rival_name, losses in searches.items():
                everyone.setdefault(rival_name, []).extend((*grid.score(loss), not np.isfinite(loss)) for loss in losses)
            chosen = ", ".join(f"{row['alpha']:.3g} (N{row['beta']:g})" for row in rows)
            print(
                f"| {name}{'*' * job.held_out} | {schedule} | {grid.oracle:.4g} | {' @ 2^'.join(grid.best)} | "
                f"{' '.join(f'{s[0]:.2f}' for s in scores)} | {min(s[1] for s in scores):.3f} | {chosen} | "
                f"{np.mean([len(r['runs']) for r in rows]):.1f} | {np.mean([r['cost_in_runs'] for r in rows]):.1f} |"
            )
    print("\n`*` not used to design the search.\n")
    print("| who | mean logreg | worst | least frac | diverged |\n|---|---|---|---|---|")
    for who, cells in everyone.items():
        logregs, fracs, lost = zip(*cells, strict=True)
        print(f"| {who} | {np.mean(logregs):.3f} | {max(logregs):.2f} | {max(min(fracs), -1):.3f} | {sum(lost)} of {len(cells)} |")


if __name__ == "__main__":
    if "--table" in sys.argv:
        table()
    else:
        for wanted in [name for name in sys.argv[1:] if name in JOBS] or JOBS:
            if JOBS[wanted].kind == "network" and (DATA / f"grid-{wanted}.json").exists():
                fill(JOBS[wanted], rivals="--tuner" not in sys.argv)

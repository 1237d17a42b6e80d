"""The experience grids: the list is frozen, every file keeps the schema, cells reproduce, AdamW is optax's."""

import json
import math
from pathlib import Path

import numpy as np
import pytest

jax = pytest.importorskip("jax")
optax = pytest.importorskip("optax")
pytest.importorskip("sklearn")

FOLDER = Path(__file__).parents[2] / "benchmarks"
FILES = sorted((FOLDER / "experience" / "data").rglob("*.json"))


def test_the_list_of_jobs_is_frozen():
    from experience.jobs import FROZEN, digest

    assert digest() == FROZEN, "the list of jobs has changed: append only, and write the new digest into FROZEN"


def test_sealed_jobs_are_the_ones_drawn_and_share_no_family_with_others():
    from experience.jobs import _NEW, JOBS, _known, _later, draw, draw_later

    sealed = {job.name for job in JOBS.values() if job.sealed}
    first, second = draw(_NEW, _known()), draw_later(_later())
    assert sealed == first | second
    assert [sum(JOBS[name].kind == kind for name in first) for kind in ("convex", "network")] == [3, 7]
    assert [sum(JOBS[name].kind == kind for name in second) for kind in ("convex", "network")] == [2, 8]
    families = {JOBS[name].family for name in sealed}
    assert all(job.name in sealed for job in JOBS.values() if job.family in families)


def test_the_new_jobs_are_as_many_and_as_long_as_promised():
    from experience.jobs import JOBS

    new = [job for job in JOBS.values() if job.source == "new"]
    assert len(new) >= 30
    assert sum(job.steps >= 1000 for job in new) >= 10
    assert sum(job.name.endswith("-steps4") for job in new) == sum(job.name.endswith("-batch4") for job in new) >= 4
    for job in new:
        base = job.name.removesuffix("-steps4").removesuffix("-batch4")
        if base != job.name:
            budget = JOBS[base].steps * JOBS[base].batch_size
            assert (job.family, job.built, job.steps * job.batch_size) == (JOBS[base].family, JOBS[base].built, 4 * budget)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_file_keeps_the_schema(path):
    from experience.jobs import JOBS
    from experience.runs import MOMENTA
    from experience.store import path_of

    known = json.loads(path.read_text())
    job = JOBS[path.stem]
    assert path == path_of(job)
    assert (known["job"], known["schema"], known["reading"]) == (job.name, 1, "tail")
    assert {"inertia", "jax", "numpy", "python"} <= set(known["versions"])
    assert (known["sizes"]["steps"], known["sizes"]["batch_size"]) == (job.steps, job.batch_size or known["sizes"]["examples"])
    assert len(known["start"]["train"]) == job.seeds >= len(known["features"])
    for seen in known["features"]:
        assert seen["smallest"] <= seen["largest"] <= seen["upper"]
        assert min(seen["gradient_norm"], seen["noise_trace"], seen["params_squared"]) >= 0
    for part, tree in {"": known["grids"], **known["short"]}.items():
        for optimizer, schedule, family, columns in walked(tree):
            assert optimizer in ("sgd", "adamw")
            assert schedule in ("constant", "linear", "warmup-linear")
            assert family in MOMENTA if optimizer == "sgd" else 0 <= float(family) < 1
            check_columns(columns, 1 if part else job.seeds, bool(known["start"]["validation"]), len(known["curve_at"]))


def walked(tree):
    for optimizer, schedules in tree.items():
        for schedule, families in schedules.items():
            for family, columns in families.items():
                yield optimizer, schedule, family, columns


def check_columns(columns, seeds, validated, curve):
    rates = columns["rates"]
    assert rates == sorted(set(rates))
    assert all(rate % 0.5 == 0 for rate in rates)
    assert all(len(columns[name]) == len(rates) for name in ("train", "validation", "curve"))
    for train, held, along in zip(columns["train"], columns["validation"], columns["curve"], strict=True):
        assert 1 <= len(train) <= seeds
        assert len(held) == (len(train) if validated else 0)
        assert len(along) in (0, curve)
        assert all(value is None or (math.isfinite(value) and float(f"{value:.5g}") == value) for value in train + held)


def test_reading_gives_the_tuners_grids_in_the_same_form():
    from experience.reading import record

    path = FOLDER / "tuner" / "data" / "grid-wine-mlp.json"
    wine, raw = record("wine-mlp").grids["sgd", "linear"], json.loads(path.read_text())["runs"]["linear"]
    at = list(wine.rates["0.9"]).index(-3.0)
    assert wine.train["0.9"][at].tolist() == raw["0.9@-3.0"]["train"]
    assert wine.validation["0.9"][at].tolist() == raw["0.9@-3.0"]["validation"]
    oracle = json.loads((FOLDER / "data" / "tuner_oracle.json").read_text())["cells"]["digits 112 steps, batch 32, linear"]
    digits = record("digits-112-b32").grids["sgd", "linear"]
    means = {
        (name, rate): losses.mean() for name in digits.families for rate, losses in zip(digits.rates[name], digits.train[name], strict=True)
    }
    (_, rate), lowest = min(means.items(), key=lambda item: item[1])
    assert lowest == pytest.approx(oracle["best"], rel=1e-5)
    assert 2**rate == pytest.approx(2 ** oracle["best_exponent"] / oracle["unit"], rel=1e-4)


def test_reading_keeps_sealed_jobs_shut():
    from experience.reading import records

    assert not any(found.job.sealed for found in records())


@pytest.mark.parametrize("task", ["digits", "breast-cancer", "diabetes", "linear-regression"])
def test_linear_models_of_the_tuner_are_the_tasks_own(task):
    from experience.problems import _linear

    from inertia import tasks

    one, problem = _linear(task), tasks.load(task).problem
    point = np.random.default_rng(0).normal(size=problem.dimension)
    assert float(one.loss(point.astype(np.float32), one.data)) == pytest.approx(float(problem.value(point)), rel=1e-5)


def test_adamw_steps_as_optax_does():
    from experience.runs import BETA2, DECAY, EPS, adamw_stretch, factors

    steps, rng = 30, np.random.default_rng(1)
    x, y, start = (jax.numpy.asarray(rng.normal(size=size), jax.numpy.float32) for size in ((40, 5), 40, 5))
    order, plan = rng.integers(0, 40, (steps, 8)), factors("warmup-linear", steps)

    def loss(w, batch):
        return jax.numpy.mean((jax.numpy.tanh(batch[0] @ w) - batch[1]) ** 2)

    gradient, zero = jax.grad(loss), jax.numpy.zeros(5)
    mine = adamw_stretch(gradient)
    args = (0.1, 0.8, (x, y), jax.numpy.asarray(order), jax.numpy.asarray(plan, jax.numpy.float32))
    half = jax.jit(mine)((start, zero, zero), *args, 0, 11)
    ended, _, _ = jax.jit(mine)(half, *args, 11, steps)
    rule = optax.adamw(lambda t: 0.1 * jax.numpy.asarray(plan)[t], b1=0.8, b2=BETA2, eps=EPS, weight_decay=DECAY)
    point, state = jax.numpy.asarray(start), rule.init(jax.numpy.asarray(start))
    update = jax.jit(lambda point, state, rows: rule.update(gradient(point, (x[rows], y[rows])), state, point))
    for rows in order:
        change, state = update(point, state, rows)
        point = optax.apply_updates(point, change)
    assert np.asarray(ended) == pytest.approx(np.asarray(point), rel=1e-4)


def test_schedules():
    from experience.runs import factors

    assert factors("constant", 3).tolist() == [1, 1, 1]
    assert factors("linear", 4).tolist() == [1, 0.75, 0.5, 0.25]
    assert factors("warmup-linear", 20)[[0, 1, 2, 11]].tolist() == [0.5, 1, 1, 0.5]


@pytest.mark.skipif(not any(path.stem == "ridge" for path in FILES), reason="no data yet")
def test_a_cell_reproduces():
    from experience.jobs import JOBS
    from experience.reading import record
    from experience.runs import run

    grid = record("ridge").grids["sgd", "linear"]
    at = int(np.argmin(grid.train["0.9"][:, 0]))
    (ended,) = run(JOBS["ridge"], "sgd", "linear", [("0.9", float(grid.rates["0.9"][at]))], 0)
    assert ended.train == pytest.approx(grid.train["0.9"][at, 0], rel=1e-3)
    assert ended.validation == pytest.approx(grid.validation["0.9"][at, 0], rel=1e-3)


@pytest.mark.parametrize("path", sorted((FOLDER / "experience" / "short").glob("*.json")), ids=lambda path: path.stem)
def test_short_runs_are_kept_an_octave_apart_with_every_seed(path):
    known = json.loads(path.read_text())
    start = known.pop("start")
    for found in known.values():
        assert np.all(np.diff(found["rates"]) == 1)
        assert np.all(np.diff(found["steps"]) > 0)
        assert np.shape(found["losses"]) == (min(3, len(start)), len(found["rates"]), 3)


@pytest.mark.parametrize(("optimizer", "momenta"), [("sgd", ("0", "nesterov-0.9", "0.98")), ("adamw", ("0", "0.9"))])
def test_grids_on_an_accelerator_train_as_those_on_a_processor(optimizer: str, momenta: tuple[str, ...]) -> None:
    """`wide.py` runs every seed and schedule side by side; below the edge its runs end where those of `runs.py` do."""
    from experience.jobs import JOBS
    from experience.runs import run
    from experience.wide import Lane, Wide

    job, rates = JOBS["wine-mlp"], (-9.0, -7.0)
    lanes = [
        Lane(schedule, momentum, rate, seed)
        for schedule in ("constant", "linear")
        for momentum in momenta
        for rate in rates
        for seed in (0, 1)
    ]
    for lane, ended in zip(lanes, Wide(job, optimizer).run(lanes), strict=True):
        [alone] = run(job, optimizer, lane.schedule, [(lane.family, lane.rate)], lane.seed, curve=True)
        assert ended.train == pytest.approx(alone.train, rel=1e-3)  # float32 sums in another order, a hundred steps
        assert ended.validation == pytest.approx(alone.validation, rel=1e-3)
        assert ended.curve == pytest.approx(alone.curve, rel=2e-3)

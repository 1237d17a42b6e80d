"""Jobs drawn by a die: a number is always the same job, the list says what it needs, and losses are shipped to the digits that count."""

import json
from pathlib import Path

import numpy as np
import pytest

from inertia.tuning.experience.cells import Cell, read, shipped
from inertia.tuning.experience.surfaces import left, reference

jax = pytest.importorskip("jax")
pytest.importorskip("optax")
pytest.importorskip("sklearn")

FOLDER = Path(__file__).parents[2] / "benchmarks"
LISTED = json.loads((FOLDER / "experience" / "drawn.json").read_text())
SOME = range(0, 400, 33)


@pytest.mark.parametrize("number", SOME)
def test_a_number_is_always_the_same_job_and_the_list_says_what_it_needs(number):
    from experience.drawn import MOST, drawn, listed
    from experience.jobs import JOBS, below_zero
    from experience.reading import record

    name = f"drawn-{number}"
    job = JOBS[name]
    assert listed(number, number + 1) == {name: [job.kind, job.steps, job.batch_size, name in below_zero()]}
    built = drawn(number)[0]
    first, second = built.init(0), built.init(1)
    parameters = sum(np.size(leaf) for leaf in jax.tree.leaves(first))
    assert parameters * (job.batch_size or len(built.data[0])) * job.steps <= MOST
    assert any(not np.array_equal(a, b) for a, b in zip(jax.tree.leaves(first), jax.tree.leaves(second), strict=True))
    start = float(built.loss(first, built.data))
    assert np.isfinite(start)
    known = record(name).start.get("train")
    if known:  # what was computed, on another day and another processor
        assert start == pytest.approx(known[0], rel=1e-5)


@pytest.mark.parametrize("number", [n for n, (kind, *_) in enumerate(LISTED.values()) if kind == "convex"][:4])
def test_what_is_listed_as_convex_is(number):
    from experience.drawn import drawn

    built = drawn(number)[0]
    loss = jax.jit(lambda params: built.loss(params, built.data))
    rng = np.random.default_rng(number)
    ends = [jax.tree.map(lambda leaf: leaf + rng.standard_normal(leaf.shape).astype(np.float32), built.init(0)) for _ in range(6)]
    for one, other in zip(ends[::2], ends[1::2], strict=True):
        middle = jax.tree.map(lambda a, b: (a + b) / 2, one, other)
        at, between = float(loss(one)) + float(loss(other)), float(loss(middle))
        assert 2 * between <= at + 1e-5 * abs(at)  # single precision


def test_what_ships_of_drawn_jobs_teaches_something():
    from experience.build import instructive

    cells = [cell for cell in shipped() if cell.name.startswith("drawn-")]
    assert {cell.name for cell in cells} <= set(LISTED)
    assert all(cell.family == cell.name for cell in cells)
    assert all(instructive(cell) for cell in cells)


def test_losses_are_rounded_where_it_does_not_show():
    from experience.build import shortened

    rng = np.random.default_rng(3)
    start, bound = np.array([2.0, 2.5, 2.2]), 0.3
    losses = bound + rng.uniform(0, 3, (40, 3)) ** 4
    losses[3, 1], losses[7, :2] = np.inf, np.nan
    kept = shortened(losses, start, bound)
    assert np.array_equal(np.isinf(kept), np.isinf(losses))
    assert np.array_equal(np.isnan(kept), np.isnan(losses))
    assert np.array_equal(kept >= start, losses >= start)
    lowest = np.nanmin(np.nanmean(np.minimum(losses, start), axis=1))
    ref = reference(start.mean(), lowest, bound)
    below = losses < start
    y, again = (left((x[below] - ref) / (start.mean() - ref)) for x in (losses, kept))
    assert np.abs(y - again).max() < 0.005  # half a unit of the third digit
    assert len({f"{x:.12g}" for x in kept[below]}) < len({f"{x:.12g}" for x in losses[below]})
    assert np.array_equal(shortened(np.full((2, 3), np.nan), start, None), np.full((2, 3), np.nan), equal_nan=True)


def test_earlier_files_hold_x_for_a_run_that_diverged(tmp_path):
    cell = next(each for each in shipped() if np.isinf(each.training).any())
    old = json.loads(json.dumps(cell.to_json()).replace('"inf"', '"x"'))
    (tmp_path / "old.json").write_text(json.dumps([old]))
    again = read(tmp_path / "old.json")[0]
    assert isinstance(again, Cell)
    for name in ("training", "held", "start", "forecast"):
        np.testing.assert_array_equal(getattr(again, name), getattr(Cell.from_json(cell.to_json()), name))

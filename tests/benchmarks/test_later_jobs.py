"""The jobs that were appended to the list: what a builder gives stays the same, seeds differ, and a loss is the mean over its examples."""

import sys
from pathlib import Path

import numpy as np
import pytest

jax = pytest.importorskip("jax")
pytest.importorskip("optax")
pytest.importorskip("sklearn")

FOLDER = Path(__file__).parents[2] / "benchmarks"
sys.path.insert(0, str(FOLDER))
from experience import convex, images, more_convex, pictures, points, sequences, shapes, tables  # noqa: E402
from experience.jobs import JOBS, _later  # noqa: E402

sys.path.remove(str(FOLDER))
LATER = points.BUILDERS | shapes.BUILDERS | pictures.BUILDERS | more_convex.BUILDERS
BY_BATCH = {"roll-batchnorm", "digits-barred"}  # normalised by the statistics of its batch, so no mean over examples


def test_every_job_has_a_budget_and_a_name_of_its_own():
    assert set(LATER) == {job.name for job in _later()}
    assert len(LATER) == sum(len(each.BUILDERS) for each in (points, shapes, pictures, more_convex))
    assert not set(LATER) & set(convex.BUILDERS | tables.BUILDERS | images.BUILDERS | sequences.BUILDERS)
    assert all(200 <= JOBS[name].steps <= 1000 for name in LATER)


@pytest.mark.parametrize("name", LATER)
def test_a_loss_is_the_mean_over_its_examples(name):
    built, again = LATER[name](), LATER[name]()
    for one, other in zip(built.data + built.validation, again.data + again.validation, strict=True):
        np.testing.assert_array_equal(one, other)
        assert one.dtype in (np.float32, np.int32)
    first, second = (jax.tree.leaves(built.init(seed)) for seed in (0, 1))
    assert any(not np.array_equal(a, b) for a, b in zip(first, second, strict=True))
    params, examples = built.init(0), len(built.data[0])
    assert {len(part) for part in built.data} == {examples}
    assert (JOBS[name].batch_size or 1) <= examples
    loss = jax.jit(built.loss)
    half = examples // 2
    whole, *parts = (
        float(loss(params, tuple(a[rows] for a in built.data))) for rows in (slice(2 * half), slice(half), slice(half, 2 * half))
    )
    # Sums of a thousand numbers in single precision, of either sign, differ by about 1e-6 of their sizes.
    assert np.isfinite(whole)
    assert (abs(sum(parts) / 2 - whole) <= 1e-5 * abs(whole) + 1e-6) == (name not in BY_BATCH)

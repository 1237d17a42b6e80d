"""The jobs on generated points: what a builder gives stays the same, seeds differ, and a loss is the mean over its examples."""

import sys
from pathlib import Path

import numpy as np
import pytest

jax = pytest.importorskip("jax")
pytest.importorskip("optax")
pytest.importorskip("sklearn")

FOLDER = Path(__file__).parents[2] / "benchmarks"
sys.path.insert(0, str(FOLDER))
from experience import convex, images, points, sequences, tables  # noqa: E402

sys.path.remove(str(FOLDER))
BY_BATCH = {"roll-batchnorm"}  # normalised by the statistics of its batch, so no mean over examples


def test_every_job_has_a_budget_and_a_name_of_its_own():
    assert set(points.BUILDERS) == set(points.BUDGETS)
    assert not set(points.BUILDERS) & set(convex.BUILDERS | tables.BUILDERS | images.BUILDERS | sequences.BUILDERS)
    assert all(200 <= steps <= 1000 for steps, _ in points.BUDGETS.values())


@pytest.mark.parametrize("name", points.BUILDERS)
def test_a_loss_is_the_mean_over_its_examples(name):
    built, again = points.BUILDERS[name](), points.BUILDERS[name]()
    for one, other in zip(built.data + built.validation, again.data + again.validation, strict=True):
        np.testing.assert_array_equal(one, other)
        assert one.dtype in (np.float32, np.int32)
    first, second = (jax.tree.leaves(built.init(seed)) for seed in (0, 1))
    assert any(not np.array_equal(a, b) for a, b in zip(first, second, strict=True))
    params, examples = built.init(0), len(built.data[0])
    assert {len(part) for part in built.data} == {examples}
    assert (points.BUDGETS[name][1] or 1) <= examples
    loss = jax.jit(built.loss)
    whole, *parts = (float(loss(params, tuple(a[rows] for a in built.data))) for rows in (slice(60), slice(30), slice(30, 60)))
    # Sums of sixty numbers in single precision, of either sign, differ by about 1e-6 of their sizes.
    assert np.isfinite(whole)
    assert (abs(sum(parts) / 2 - whole) <= 1e-5 * abs(whole) + 1e-6) == (name not in BY_BATCH)

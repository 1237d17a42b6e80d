"""The bar of a sharpness: wide enough where the direction that a look starts from is no longer the sharpest one."""

from types import SimpleNamespace

import numpy as np
import pytest

from inertia.measurement.vectors import Vectors
from inertia.watching.looking import MOST, sharpest

SPECTRA = {
    "a new direction far out": np.concatenate([np.linspace(0, 1, 398), [1.5, 2.0]]),
    "a new direction just above": np.concatenate([np.linspace(-0.2, 1, 398), [1.5, 1.6]]),
    "no gap": np.linspace(0, 1, 400),
    "outliers": np.concatenate([0.02 * np.linspace(-1, 1, 390), np.geomspace(0.1, 1, 10)]),
}


@pytest.mark.parametrize("name", SPECTRA)
@pytest.mark.parametrize("depth", [3, 12])
def test_the_largest_curvature_lies_within_the_bar_of_a_start_along_another_direction(name, depth):
    curvatures = SPECTRA[name]
    source = SimpleNamespace(space=lambda keep: Vectors(400), dimension=400)
    stale = np.eye(400)[398]  # the second: its residual is 0, and it has nothing of the first
    missed = 0
    for seed in range(40):
        seen = sharpest(lambda v: curvatures * v, source, stale, depth, seed)
        assert seen.products <= depth
        assert seen.value <= curvatures[-1] * (1 + 1e-9)
        missed += curvatures[-1] > seen.value + seen.bar
    assert missed <= 1


def test_products_stop_where_the_bar_is_narrow_and_where_the_direction_has_stayed_few_are_needed():
    curvatures = np.concatenate([np.linspace(0, 0.1, 399), [2.0]])
    source = SimpleNamespace(space=lambda keep: Vectors(400), dimension=400)
    seen = sharpest(lambda v: curvatures * v, source, np.eye(400)[399], MOST, 0)
    assert seen.products <= 8
    assert seen.value == pytest.approx(2.0, rel=1e-6)
    assert seen.bar <= 0.1 * seen.value

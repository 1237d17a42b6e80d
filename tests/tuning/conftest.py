"""A job that several tests tune: a noisy regression of six columns."""

import numpy as np
import pytest

from inertia.problems import least_squares
from inertia.tuning.numpy_door import ProblemJob


@pytest.fixture(scope="module")
def job():
    rng = np.random.default_rng(0)
    x = rng.standard_normal((200, 6)) * np.array([3, 2, 1, 1, 0.5, 0.3])
    return ProblemJob(least_squares(x, x @ rng.standard_normal(6) + rng.standard_normal(200)))

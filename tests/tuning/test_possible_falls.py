"""How far a loss may fall at all: what is known of other jobs, where the loss has a bound that it cannot go below."""

import numpy as np
import pytest
from scipy import stats

from inertia.tuning.experience.cells import shipped
from inertia.tuning.experience.jobs import experience
from inertia.tuning.experience.prior import Job, Seen
from inertia.tuning.experience.reading import FITTED
from inertia.tuning.experience.surfaces import left

STILL = Seen(np.empty(0), np.empty(0, dtype=bool))


@pytest.fixture(scope="module", params=["sgd", "adamw"])
def known(request):
    return experience(request.param, False, FITTED[request.param])


def chances(known, job, seen=STILL):
    """Falls that are possible, and the chance of each under every known job."""
    falls, weight = known._falls(job, np.arange(len(known.surfaces)), seen)
    chance = np.exp(weight - weight.max(axis=1, keepdims=True))
    return falls, chance / chance.sum(axis=1, keepdims=True)


def new_job(known, most=2.0, scale=0.5):
    return Job(known.features[0], unit=0.0, start=most, scale=scale, most=most)


def test_no_known_loss_lies_below_its_bound():
    for cell in shipped():
        if cell.bound is not None:
            assert np.nanmin(cell.training) >= cell.bound - 1e-6 * abs(float(cell.start.mean())), cell.name
            assert cell.facts.lowest is not None


def test_shares_that_stay_are_students_about_those_of_the_known_job(known):
    """The second road: scipy's distribution function between the middles of neighbouring falls, in y of the share that stays."""
    job = new_job(known)
    falls, chance = chances(known, job)
    y = left(1 - falls / job.most)
    edges = (y[1:] + y[:-1]) / 2
    for row in range(0, len(known.surfaces), 7):
        kept = 0.0 if np.isnan(known.shares[row]) else 1 - np.exp(known.shares[row])
        if np.isnan(known.shares[row]):
            continue
        student = stats.t(known.fitted.tail, loc=left(np.array([kept]))[0], scale=known.fitted.share)
        below = np.concatenate([student.cdf(edges), [student.cdf(y[-1] - (y[-2] - y[-1]) / 2)]])
        expected = np.concatenate([[student.cdf(y[0] + (y[0] - y[1]) / 2)], below[:-1]]) - below
        expected /= expected.sum()
        assert np.max(np.abs(np.cumsum(chance[row]) - np.cumsum(expected))) < 0.1  # 19 places stand for the whole density


def test_a_job_that_learned_everything_says_that_everything_may_be_learned(known):
    """Known jobs that left under 1 % of the most possible say so of a new one; those that left 40 % say that of it."""
    job = new_job(known)
    falls, chance = chances(known, job)
    expected = chance @ falls / job.most
    learned, stayed = known.shares > np.log(0.99), (known.shares > np.log(0.5)) & (known.shares < np.log(0.7))
    assert learned.sum() > 5
    assert np.all(expected[learned] > 0.93)
    if stayed.any():
        assert np.all((expected[stayed] > 0.45) & (expected[stayed] < 0.85))


def test_neither_the_unit_of_the_loss_nor_runs_beyond_the_bound_trouble_it(known):
    first, scaled = (chances(known, new_job(known, most=2.0 * k, scale=0.5 * k)) for k in (1, 1024))
    assert np.allclose(first[0] * 1024, scaled[0])
    assert np.allclose(first[1], scaled[1])
    for fell in (1e-9, 1.0, 2.0, 2.5):  # less than anything, within the bound, at it, and beyond what was said to be possible
        falls, chance = chances(known, new_job(known), Seen(np.array([fell]), np.array([False])))
        assert np.all(np.isfinite(chance))
        assert falls.max() >= fell

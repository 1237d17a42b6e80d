"""Maps of certified rates: every node is what `certify` says, proofs and cycles never overlap, bad grids are refused."""

import sys

import numpy as np
import pytest

from inertia.core.method import Method
from inertia.errors import BadInput, MissingExtra
from inertia.theory.certify.certificate import failing
from inertia.theory.certify.frequency import quadratic_rate, sector_rate
from inertia.theory.certify.maps import certified_rate_map
from inertia.theory.certify.search import certify

ALPHAS, BETAS = np.linspace(0.2, 2.6, 7), np.linspace(0.0, 0.9, 5)


@pytest.mark.parametrize("gamma", [0.0, "beta", 0.3])
def test_every_node_is_what_one_certificate_says(gamma):
    made = certified_rate_map(ALPHAS, BETAS, 0.05, 1.0, gamma=gamma)
    assert made.rate.shape == (5, 7)
    np.testing.assert_array_equal(made.checked, np.isfinite(made.rate))
    for row, col in [(0, 0), (1, 3), (2, 2), (4, 1), (4, 6), (3, 4)]:
        beta = BETAS[row]
        one = certify(Method(ALPHAS[col], beta, beta if gamma == "beta" else gamma), 0.05, 1.0, memory=1)
        assert made.quadratic[row, col] == pytest.approx(one.quadratic_rate)
        if one.verdict == "proved":  # the map looks for its proofs 1e-4 (1 - rate) above the least rate
            assert made.rate[row, col] == pytest.approx(one.rate, abs=2e-3 * (1 - one.rate))
        else:
            assert np.isnan(made.rate[row, col])


def test_proofs_and_cycles_never_overlap_and_leave_almost_nothing_open():
    made = certified_rate_map(np.linspace(0.05, 2.7, 40), np.linspace(0, 0.98, 40), 0.04, 1.0, check=False)
    proved = np.isfinite(made.rate)
    assert not np.any(proved & (made.cycle > 0))
    assert not made.checked.any()
    assert np.all(made.rate[proved] >= made.quadratic[proved] * (1 - 1e-9))
    assert made.open.sum() < 0.02 * np.sum(made.quadratic < 1)
    assert np.any((made.cycle > 0) & (made.quadratic < 1))  # the heavy ball's wedge


def test_the_map_is_the_response_of_each_node():
    made = certified_rate_map(ALPHAS, BETAS, 5.0, 100.0, gamma=BETAS / 2, check=False)
    for row, beta in enumerate(BETAS):
        method = Method(ALPHAS, beta, beta / 2)
        np.testing.assert_allclose(made.quadratic[row], quadratic_rate(method, 5.0, 100.0))
        want = np.asarray(sector_rate(method, 5.0, 100.0))
        np.testing.assert_allclose(made.rate[row], np.where(np.isfinite(want), want, np.nan), atol=1e-3)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"alphas": [-1.0, 1.0]}, "alphas from -1 to 1: every one must be positive"),
        ({"betas": [0.0, 1.5]}, r"betas from 0 to 1.5: every one must be in \[-1, 1\]"),
        ({"gamma": "nesterov"}, "gamma = 'nesterov' is not known: give a number, one per beta, or 'beta'"),
        ({"mu": 0.0}, "mu = 0 is not positive"),
        ({"mu": 2.0}, "mu = 2 is larger than L = 1"),
    ],
)
def test_bad_grids_are_refused(changed, message):
    given = {"alphas": [1.0], "betas": [0.5], "mu": 0.1, "L": 1.0} | changed
    with pytest.raises(BadInput, match=message):
        certified_rate_map(**given)


def test_without_the_solver_the_unchecked_map_still_works(monkeypatch):
    monkeypatch.setitem(sys.modules, "clarabel", None)
    assert np.isfinite(certified_rate_map([1.0], [0.2], 0.1, 1.0, check=False).rate).all()
    with pytest.raises(MissingExtra, match=r"pip install 'inertia\[certify\]'"):
        certified_rate_map([1.0], [0.2], 0.1, 1.0)


def test_a_claim_without_room_is_no_claim():
    method = Method(1.0)
    proof = certify(method, 0.1, 1.0).proof
    assert failing(method, 0.1, 1.0, 0.9 - 1e-9, proof)  # gradient descent's rate at step 1/L is exactly 0.9

"""The sentences of a tuning: each number in them by a second road."""

import dataclasses
import re

import numpy as np
import pytest

from inertia.core.method import Method
from inertia.core.record import Record
from inertia.problems import linear_regression
from inertia.tuning import Budget, choose, observe
from inertia.tuning.network import CAP, Ladder
from inertia.tuning.search import Search
from inertia.tuning.verdict import network_limit, network_shifts, noise_to_signal

SEEN = observe(linear_regression(), 60, 20)
CHOICE = choose(SEEN.model, 60, "linear", upper=SEEN.upper)


def ran(*methods):
    runs = [Record(method, np.array([2.0, 1.0]), np.empty(0), 1) for method in methods]
    return Search(runs, 0, None, None)


def noisier(ratio):
    return dataclasses.replace(SEEN, facts=SEEN.facts | {"noise_trace": ratio, "gradient_norm": 1.0})


def test_the_limit_of_a_network_is_told_by_its_noise_and_the_forecast_is_called_one():
    limit, words = network_limit(noisier(0.3), CHOICE, ran(Method(0.2, 0.9)))
    assert limit == "noise-limited"
    assert words.startswith("noise-limited: the noise of a batch is 0.3 x its signal")
    assert "alpha/(1 - beta), here 2, and momentum less (only 0.9 was tried)" in words
    matched = CHOICE.evidence.matched
    number, percent, scale = re.search(
        r"quadratic at the start, every momentum from 0 to (0.9|0.95) gives the same excess loss within (\S+) % at .* = (\S+)$", words
    ).groups()
    excess = matched.loss[matched.beta <= float(number)] - SEEN.model.floor + 0.01 * SEEN.model.spectrum.excess
    assert float(percent) == pytest.approx(100 * (excess.max() / excess.min() - 1), rel=0.05)  # two digits are printed
    assert float(scale) == pytest.approx(matched.scale, rel=0.005)


def test_the_momenta_that_were_tried_are_named():
    limit, words = network_limit(noisier(0.05), CHOICE, ran(Method(0.2, 0.9), Method(0.1, 0.98)))
    assert limit == "curvature-limited"
    assert "only 0.05 x its signal at the start, so a long memory can pay (tried: 0.9 and 0.98)" in words
    assert "can pay (only 0.9 was tried)" in network_limit(noisier(0.0), CHOICE, ran(Method(0.2, 0.9)))[1]
    assert noise_to_signal(noisier(0.05)) == 0.05


def test_a_forecast_in_which_a_momentum_diverges_says_nothing():
    evidence = CHOICE.evidence
    lost = evidence.matched._replace(loss=np.where(evidence.matched.beta == 0, np.inf, evidence.matched.loss))
    choice = CHOICE._replace(evidence=dataclasses.replace(evidence, matched=lost))
    assert "forecast" not in network_limit(noisier(0.3), choice, ran(Method(0.2, 0.9)))[1]


@pytest.mark.parametrize(("units", "bound"), [(1.0, "x 2.9 (noise)"), (0.5, "x 4 (noise)"), (2.9, "no larger: curvature bears no more")])
def test_a_networks_shift_stays_between_noise_and_curvature(units, bound):
    budget = Budget("net", 100, 20, 1000, "linear")
    unit = Ladder(SEEN.facts["largest"]).unit
    said = network_shifts(budget, SEEN, Method(units * unit, 0.9, 0.9))
    assert f"with 4 x the batch, {bound if 'no' in bound[:3] else f'between the same (curvature) and {bound}'}" in said
    assert "by theory and not by a run" in said
    assert CAP == 2.9
    whole = network_shifts(dataclasses.replace(budget, batch_size=None), SEEN, Method(unit, 0.9))
    assert "batch" not in whole
    assert "1/curvature stays the unit" in whole

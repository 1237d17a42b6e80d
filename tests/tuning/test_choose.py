"""What is chosen, what it promises, and what is said to limit it."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from inertia.core.method import Method
from inertia.core.schedule import shaped
from inertia.core.spectrum import spectrum
from inertia.errors import BadInput
from inertia.theory.modes import edge, rate
from inertia.tuning.choose import FAMILIES, Matched, at_scale, choose, rounded, spread_at
from inertia.tuning.predict import Model, forecast


def model(kappa=100.0, noise=0.0, modes=8, start=None):
    h = np.geomspace(1 / kappa, 1.0, modes)
    spec = spectrum(h, weights=1.0, noise=noise * h)
    return Model(spec, start=spec.excess + 0.1 if start is None else start)


@settings(max_examples=10, deadline=None)
@given(
    kappa=st.floats(1.5, 1e4),
    noise=st.sampled_from([0.0, 0.01, 1.0]),
    steps=st.integers(1, 100),
    name=st.sampled_from(["constant", "linear"]),
)
def test_never_beyond_the_edge_of_the_upper_bar(kappa, noise, steps, name):
    found = choose(model(kappa, noise, modes=3), steps, name, upper=1.3)
    assert edge(found.method) > 1.3
    assert found.evidence.room == pytest.approx(edge(found.method) / 1.3)
    assert found.predicted_loss <= model(kappa, noise, modes=3).start


def test_the_promise_is_the_forecast_of_the_method_named():
    task = model(noise=0.05)
    found = choose(task, 120, "cosine")
    assert found.predicted_loss == forecast(task, shaped("cosine", found.method, 120), 120).final


def test_no_cell_of_a_finer_grid_is_much_better():
    task, steps = model(noise=0.05, modes=4), 60
    found = choose(task, steps, "constant")
    beta = np.linspace(0, 0.99, 60)[:, None]
    grid = Method(np.geomspace(1e-4, 2, 200) * np.ones_like(beta), beta, beta, 0.0)
    dense = forecast(task, grid, steps).final[edge(grid) * 0.75 > 1]
    assert found.predicted_loss - task.floor <= 1.05 * (dense.min() - task.floor)  # steps of 2^(1/4) in alpha, seven momenta


def test_without_noise_it_finds_polyaks_region():
    """Two far curvatures and a long run: close to the best worst-case rate of any momentum, (sqrt k - 1)/(sqrt k + 1)."""
    spec = spectrum([0.01, 1.0])
    found = choose(Model(spec, start=spec.excess), 200, "constant")
    assert found.limit == "curvature-limited"
    assert max(rate(found.method, spec.curvatures)) < 0.85  # Polyak 0.818; plain gradient descent 0.980
    assert found.evidence.speedup > 4
    assert "momentum needs" in found.verdict


def test_noise_alone_makes_momentum_a_rescaling():
    spec = spectrum(np.full(4, 1.0), weights=1.0, noise=20.0)
    found = choose(Model(spec, start=spec.excess + 1), 400, "constant")
    assert found.limit == "noise-limited"
    assert "every momentum from 0 to 0.9 gives the same predicted loss within" in found.verdict
    small = found.evidence.matched.beta <= 0.9
    assert np.ptp(found.evidence.matched.loss[small]) < 0.01 * found.predicted_loss


def test_the_speedup_is_what_two_searches_say():
    """Second road: the fewest steps by trying each budget."""
    task = model(kappa=400.0)
    found = choose(task, 60, "constant")
    alphas = 2.0 ** np.arange(-12, 3.01, 0.5)

    def best(budget, families):
        grid = [Method(a, b, b * n) for b, n in families for a in alphas if edge(Method(a, b, b * n)) * 0.98 >= 1]
        stacked = Method(*(np.array(column) for column in zip(*grid, strict=True)))
        return forecast(task, stacked, budget).final.min()

    plain = best(60, FAMILIES[:1])
    fewest = next(budget for budget in range(1, 61) if best(budget, FAMILIES[1:]) <= plain)
    assert 60 / found.evidence.speedup == pytest.approx(fewest, rel=0.12)  # bisection stops at 5 % and rounds to whole steps


def test_alpha_is_said_in_three_digits_and_never_rounded_up():
    assert rounded(Method(0.00123999, beta=0.5)) == Method(0.00123, beta=0.5)
    assert rounded(Method(0.1)).alpha == 0.1
    assert rounded(Method(123456.0)).alpha == 123000.0


def test_a_bolder_method_keeps_its_scale_and_stays_inside():
    task = model(noise=0.1)
    bold = at_scale(task, 50, "linear", scale=20.0, upper=1.0)
    assert_allclose(bold.alpha / (1 - bold.beta), 20.0, rtol=1e-2)  # alpha has three digits
    assert edge(bold) > 1
    assert at_scale(task, 50, "linear", scale=1e4, upper=1.0) is None


def test_the_spread_is_infinite_where_a_matched_momentum_diverges():
    task = model()
    assert spread_at(task, Matched(1.0, np.array([0.0, 0.9]), np.array([np.inf, 1.0]), nesterov=False)) == np.inf


def test_bad_input():
    for steps in (0, -3, 1.5, True):
        with pytest.raises(BadInput, match="is too few: tuning needs a budget of at least 1 step"):
            choose(model(), steps)
    with pytest.raises(BadInput, match="unknown schedule 'linaer': did you mean 'linear'"):
        choose(model(), 10, "linaer")

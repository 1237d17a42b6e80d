"""The density against the exact one, and the Spectrum that is assembled from runs."""

import json

import numpy as np
import pytest

from inertia.core.spectrum import Spectrum
from inertia.errors import BadInput
from inertia.measurement import density, smooth, spectrum
from inertia.measurement.density import joined
from inertia.measurement.lanczos import lanczos

H = np.concatenate([np.random.default_rng(0).normal(0, 0.05, 1950), np.linspace(1, 5, 50)])


def wasserstein(nodes, shares, truth):
    points = np.linspace(truth.min() - 1, truth.max() + 1, 4001)
    mine = np.concatenate([[0], np.cumsum(shares)])[np.searchsorted(nodes, points, side="right")]
    exact = np.searchsorted(np.sort(truth), points, side="right") / truth.size
    return np.sum(np.abs(mine - exact)) * (points[1] - points[0])


def test_the_density_is_near_the_exact_one_and_nearer_with_more_products():
    few, many = density(lambda v: H * v, H.size, probes=1, depth=6), density(lambda v: H * v, H.size, probes=5, depth=40)
    assert (few.hvps, many.hvps) == (6, 200)
    # 200 products: half a percent of the range, what five random vectors of dimension 2000 can resolve
    assert wasserstein(many.nodes, many.shares, H) < min(0.02, wasserstein(few.nodes, few.shares, H))
    # trace/n: five probes of dimension 2000; spread is its own standard error
    assert abs(many.shares @ many.nodes - H.mean()) < 4 * many.spread
    assert np.isnan(few.spread)


def test_smoothing_keeps_the_mass():
    points = np.linspace(-3, 8, 4001)
    found = density(lambda v: H * v, H.size, probes=2, depth=30)
    for width in (None, 0.1):
        np.testing.assert_allclose(np.trapezoid(smooth(found.nodes, found.shares, points, width), points), 1, rtol=1e-6)
    assert np.isfinite(smooth([2.0, 2.0], [0.5, 0.5], [2.0])).all()
    assert np.isfinite(smooth([0.0], [1.0], [0.0])).all()


def test_a_spectrum_carries_weights_noise_bars_and_cost():
    rng = np.random.default_rng(1)
    distance = rng.normal(size=H.size) * (H > 0.5)
    shaken = np.sqrt(np.abs(H)) * rng.normal(size=(6, H.size))
    found = spectrum(lambda v: H * v, H.size, gradient=H * distance, noise=shaken, rtol=0.01, probes=2)
    assert found.upper >= H.max() >= found.L * (1 - 1e-12)
    assert found.provenance["smallest_lower"] <= H.min()
    np.testing.assert_allclose(found.density.sum(), 1)
    # a start whose gradient lives on curvatures 1 to 5 is a quadrature of 12 nodes: exact to rounding for the moments used
    np.testing.assert_allclose(found.weights @ found.curvatures**2, np.sum((H * distance) ** 2), rtol=1e-8)
    np.testing.assert_allclose(found.excess, 0.5 * np.sum(H * distance**2), rtol=1e-4)
    np.testing.assert_allclose(found.noise.sum(), np.sum(shaken**2) / 5, rtol=1e-10)
    assert found.provenance["hvps"] == 2 * lanczos(lambda v: H * v, H.size).hvps + 36
    assert found.dimension == H.size
    again = Spectrum.from_json(json.loads(json.dumps(found.to_json())))
    np.testing.assert_array_equal(again.curvatures, found.curvatures)


def test_the_promised_decrease_stays_within_the_loss():
    h = np.array([-1.0, 1e-9, 1.0, 4.0])
    runs = [lanczos(np.diag(h))]
    seen = lanczos(np.diag(h), start=np.ones(4), depth=4, rtol=None)
    found = joined(runs, seen, loss=3.0)
    floor = np.sqrt(1 / found.weights[found.weights > 0].max())
    np.testing.assert_allclose(0.5 * np.sum(1 / np.maximum(h[1:], floor)), 3.0, rtol=1e-6)
    assert found.weights[found.curvatures < 0].max() == 0  # no optimum there, no distance from it
    assert joined(runs, seen).weights.max() > 1e10  # without a loss the floor is only a guard against division by zero


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: density(np.eye(2), probes=0), "probes = 0 is too few"),
        (lambda: smooth([1.0], [1.0], [1.0], width=0.0), "width = 0 is not positive"),
        (lambda: spectrum(np.eye(2), noise=[[1.0, 0.0]]), "noise of 1 mini-batch cannot show a variance"),
    ],
)
def test_bad_input_is_refused(call, message):
    with pytest.raises(BadInput, match=message):
        call()

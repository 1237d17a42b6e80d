"""Spectra and records: what they refuse, and that nothing is lost on the way through JSON."""

import json

import numpy as np
import pytest

from inertia.core.method import Method
from inertia.core.record import Record
from inertia.core.spectrum import Spectrum, spectrum
from inertia.errors import BadInput
from inertia.theory.modes import rate


def test_a_spectrum_sorts_spreads_and_comes_back_from_json():
    s = spectrum([4.0, 0.2], weights=[4.0, 25.0], noise=0.5, errors=[0.1, 0.0], provenance={"dimension": 7})
    np.testing.assert_allclose(s.curvatures, [0.2, 4.0])
    np.testing.assert_allclose(s.weights, [25.0, 4.0])
    assert (s.mu, s.L, s.upper, s.dimension) == (0.2, 4.0, 4.1, 7)
    np.testing.assert_allclose((s.kappa, s.excess), (20.0, 10.5))
    back = Spectrum.from_json(json.loads(json.dumps(s.to_json())))
    for name in ("curvatures", "weights", "noise", "density", "errors", "upper"):
        np.testing.assert_array_equal(getattr(back, name), getattr(s, name))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: spectrum([]), "at least one curvature"),
        (lambda: spectrum([1.0, float("nan")]), "curvature nan is not finite"),
        (lambda: spectrum([1.0], weights=-1), "weights must be finite and >= 0, got -1"),
        (lambda: spectrum([1.0, 2.0], upper=1.5), "upper = 1.5 is below the largest curvature 2"),
    ],
)
def test_bad_spectra_are_refused(call, message):
    with pytest.raises(BadInput, match=message):
        call()


def test_a_record_speaks_json_and_a_diverged_one_has_infinite_loss():
    record = Record(Method(0.1), np.array([2.0, 1.0]), np.zeros(3), steps=1)
    assert json.loads(json.dumps(record.to_json()))["losses"] == [2.0, 1.0]
    assert record.loss == 1.0
    assert Record(Method(0.1), np.array([2.0]), np.zeros(3), steps=5, diverged_at=1).loss == float("inf")


def test_a_matrix_is_not_taken_for_its_curvatures():
    """The entries of a Hessian are no curvatures: 3, 1, 1, 2 in place of 1.38 and 3.62 would be a wrong answer without a word."""
    matrix = np.array([[3.0, 1.0], [1.0, 2.0]])
    for wrong in (matrix, matrix.tolist(), np.eye(3), np.ones((2, 3))):
        with pytest.raises(
            BadInput, match=r"curvatures have the shape \(\d, \d\): of a Hessian give its eigenvalues, np\.linalg\.eigvalsh"
        ):
            spectrum(wrong)
    assert spectrum(np.linalg.eigvalsh(matrix)).curvatures == pytest.approx([(5 - 5**0.5) / 2, (5 + 5**0.5) / 2])
    for column in ([[1.0], [2.0]], [[1.0, 2.0]], [[2.0]]):  # one row or column of curvatures is only another layout of them
        assert spectrum(column).L == 2.0


def test_a_spectrum_in_place_of_a_curvature_is_named():
    with pytest.raises(BadInput, match=r"curvature is a whole Spectrum: give numbers, such as its \.curvatures, or \.L for the largest"):
        rate(Method(0.1), spectrum([1.0, 2.0]))

"""Counterexamples: they belong to the class, they cycle when run, and the exact check knows the false ones."""

from fractions import Fraction

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inertia.core.method import Method, step
from inertia.theory import catalog
from inertia.theory.certify.certificate import Certificate, Rejected, from_json, verify
from inertia.theory.certify.counterexample import Counterexample, cycling, find
from inertia.theory.certify.exact import exact, pivots, semidefinite, turn
from inertia.theory.certify.search import certify

LRP = "lessard-recht-packard"


def test_the_heavy_ball_at_25_cycles_through_the_printed_points():
    found = certify(Method(1 / 9, beta=4 / 9), 1.0, 25.0)
    assert (found.verdict, found.rate, found.checked) == ("refuted", None, True)
    assert found.counterexample.kind == LRP
    printed = sorted(np.array([792, -2208, 2592]) / 1225)
    np.testing.assert_allclose(sorted(found.counterexample.cycle()[:, 0]), printed, rtol=1e-14)
    assert verify(found).startswith("refuted: on a lessard-recht-packard function")


def test_the_run_from_the_papers_start_falls_into_that_cycle():
    function = Counterexample(LRP, Method(1 / 9, beta=4 / 9), 1.0, 25.0, pieces=(0, 1, 2))
    params, velocity = np.array([3.3]), np.zeros(1)
    for _ in range(500):
        params, velocity = step(function.method, params, velocity, function.gradient(params))
    assert np.min(np.abs(params[0] - np.array([792, -2208, 2592]) / 1225)) < 1e-12


def refuted_methods():
    yield Method(1 / 9, beta=4 / 9), 1.0, 25.0, LRP
    for kappa in (30.0, 100.0, 1e4):
        yield catalog.heavy_ball(1 / kappa, 1.0), 1 / kappa, 1.0, None
    yield Method(2.5), 0.1, 1.0, "quadratic"
    yield Method(0.1, beta=1.0), 0.1, 1.0, "quadratic"
    yield Method(2.4, beta=0.7, gamma=0.2), 0.02, 1.0, "roots-of-unity"
    yield Method(1.8, beta=0.9, gamma=0.1), 0.1, 1.0, "roots-of-unity"
    yield Method(1.2, beta=0.9), 0.02, 1.0, "roots-of-unity"
    yield Method(2.8, beta=0.7, gamma=0.05), 0.1, 1.0, LRP


@pytest.mark.parametrize(("method", "mu", "L", "kind"), list(refuted_methods()))
def test_what_is_refuted_is_seen_not_to_arrive(method, mu, L, kind):
    found = certify(method, mu, L)
    example = found.counterexample
    assert found.verdict == "refuted"
    assert kind in (None, example.kind)
    path = example.run(60)
    assert np.linalg.norm(path[-12:], axis=-1).max() > 0.3 * np.linalg.norm(path[0])
    if example.kind != "quadratic":
        cycle = example.cycle()
        np.testing.assert_allclose(path[: len(cycle)], cycle, atol=1e-9)
        np.testing.assert_allclose(path[len(cycle) : 2 * len(cycle)], cycle, atol=1e-6)
    again = from_json(found.to_json())
    assert verify(again) == verify(found)


@pytest.mark.parametrize(("method", "mu", "L", "kind"), list(refuted_methods()))
def test_the_function_is_of_the_class_and_its_gradient_is_its_slope(method, mu, L, kind):
    example = find(method, mu, L)
    rng = np.random.default_rng(0)
    a, b = rng.normal(scale=3, size=(2, 4000, example.dimension))
    ga, gb = example.gradient(a), example.gradient(b)
    inner, gap, slope = np.sum((ga - gb) * (a - b), -1), np.sum((a - b) ** 2, -1), np.sum((ga - gb) ** 2, -1)
    assert np.all(inner >= mu * gap * (1 - 1e-9))
    assert np.all(slope <= L * L * gap * (1 + 1e-9))
    assert np.all(inner - mu * gap >= (slope - 2 * mu * inner + mu * mu * gap) / max(L - mu, 1e-12) * (1 - 1e-9) - 1e-9)
    move = 1e-6 * rng.normal(size=a.shape)
    np.testing.assert_allclose(example.value(a + move) - example.value(a - move), 2 * np.sum(ga * move, -1), atol=1e-9)
    assert np.all(example.value(a) >= mu / 2 * np.sum(a * a, -1) * (1 - 1e-9))
    zero = np.zeros((1, example.dimension))
    assert not example.gradient(zero).any()
    assert example.value(zero) == 0


@settings(max_examples=80)
@given(st.floats(0.05, 3.9), st.floats(0.0, 0.95), st.floats(0.0, 0.6), st.floats(0.005, 0.3))
def test_proved_and_refuted_never_meet(alpha, beta, gamma, mu):
    method = Method(alpha, beta, gamma)
    found = certify(method, mu, 1.0, memory=1)
    if found.verdict == "proved":
        assert find(method, mu, 1.0) is None


@settings(max_examples=60)
@given(st.floats(0.3, 3.0), st.floats(0.2, 0.95), st.floats(0.005, 0.05))
def test_the_hint_and_the_exact_check_agree(alpha, beta, mu):
    method = Method(alpha, beta)
    share, sides = cycling(method, mu, 1.0).tolist()
    for other in ((1, 3), (1, 4), (1, 5)):
        example = Counterexample("roots-of-unity", method, mu, 1.0, turns=other)
        if not example.check():
            assert sides  # the hint finds some cycle wherever one exists
    if sides:
        assert Counterexample("roots-of-unity", method, mu, 1.0, turns=(share, sides)).check() == ""


def test_the_cycles_of_a_whole_map_are_those_of_its_points():
    alpha, beta = np.meshgrid(np.linspace(0.5, 3, 7), np.linspace(0, 0.9, 5))
    whole = cycling(Method(alpha, beta), 0.02, 1.0)
    for index in np.ndindex(alpha.shape):
        assert cycling(Method(alpha[index], beta[index]), 0.02, 1.0).tolist() == whole[index].tolist()
    assert whole.any()
    assert not whole.all()


@pytest.mark.parametrize(
    ("example", "message"),
    [
        (Counterexample("quadratic", Method(1.0), 0.1, 1.0, curvature=0.5), r"mode of curvature 0.5 contracts: \|p\| = 0.5 < 1 \+ q"),
        (Counterexample("quadratic", Method(1.0), 0.1, 1.0, curvature=5.0), "curvature 5 is not between mu = 0.1 and L = 1"),
        (
            Counterexample(LRP, Method(0.01), 1.0, 25.0, pieces=(0, 1)),
            "is not on piece|no unique solution|the minimum itself",
        ),
        (Counterexample(LRP, Method(1 / 9, 4 / 9), 1.0, 25.0, pieces=(2, 2, 0)), r"point \d of the cycle, -?[0-9.]+, is not on piece \d"),
        (Counterexample(LRP, Method(1 / 9, 4 / 9), 1.0, 25.0, pieces=(0, 0)), "the cycle is the minimum itself"),
        (Counterexample(LRP, Method(1 / 9, 4 / 9), 1.0, 25.0), "no unique solution"),
        (
            Counterexample("roots-of-unity", Method(1.0), 0.1, 1.0, turns=(1, 3)),
            "over 1/3 turns leaves its polygon: .* does not hold",
        ),
        (Counterexample("roots-of-unity", Method(1.0), 0.1, 1.0, turns=(3, 3)), r"turns = \(3, 3\) is no cycle"),
    ],
)
def test_a_false_counterexample_is_rejected_with_what_fails(example, message):
    with pytest.raises(Rejected, match=message):
        verify(Certificate("refuted", example.method, example.mu, example.L, counterexample=example))


def test_a_counterexample_of_another_method_is_rejected():
    example = find(Method(1 / 9, 4 / 9), 1.0, 25.0)
    with pytest.raises(Rejected, match="speaks of another method or class"):
        verify(Certificate("refuted", Method(0.01), 1.0, 25.0, counterexample=example))
    data = Certificate("refuted", example.method, 1.0, 25.0, counterexample=example).to_json()
    for key, value, message in (("kind", "tea", "unknown kind"), ("pieces", [7], "numbers 0, 1 or 2")):
        with pytest.raises(Rejected, match=message):
            verify(data | {"counterexample": data["counterexample"] | {key: value}})


# Exact arithmetic.


@pytest.mark.parametrize("share", [Fraction(1, 3), Fraction(1, 4), Fraction(2, 7), Fraction(19, 40), Fraction(-1, 7), Fraction(1, 1)])
def test_cosines_are_enclosed(share):
    mpmath.mp.dps = 60
    angle = 2 * mpmath.pi * share.numerator / share.denominator
    for part, want in zip(turn(share), (mpmath.cos(angle), mpmath.sin(angle)), strict=True):
        low, high = (mpmath.mpf(end.numerator) / end.denominator for end in part)
        assert low <= want <= high
        assert high - low < 1e-40


@given(st.integers(1, 5), st.integers(0, 1000))
def test_pivots_are_those_of_floating_point(size, seed):
    rng = np.random.default_rng(seed)
    matrix = rng.integers(-9, 9, (size, size)) / 8
    matrix = matrix @ matrix.T + np.eye(size) / 4
    lower = np.linalg.cholesky(matrix)
    np.testing.assert_allclose([float(value) for value in pivots(exact(matrix))], np.diag(lower) ** 2, rtol=1e-9)


@given(st.integers(1, 5), st.integers(0, 1000), st.booleans())
def test_semidefinite_knows_singular_matrices(size, seed, dip):
    rng = np.random.default_rng(seed)
    thin = rng.integers(-4, 4, (size, max(size - 2, 1)))
    matrix = exact(thin @ thin.T)
    assert semidefinite(matrix)
    if dip:  # a singular direction pushed below zero by 2^-80, which floats would never see
        direction = exact(np.ones(size))
        if size > np.linalg.matrix_rank(thin):
            null = [value for value in np.linalg.svd(thin.T.astype(float))[2][-1]]
            direction = exact(null)
            assert not semidefinite(matrix - Fraction(1, 2**80) * np.multiply.outer(direction, direction))

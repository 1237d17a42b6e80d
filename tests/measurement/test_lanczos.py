"""Lanczos against dense eigensolvers, and its bars against the truth, also where a residual is fooled."""

import warnings

import numpy as np
import pytest
import scipy.sparse
import scipy.sparse.linalg
from hypothesis import given, settings
from hypothesis import strategies as st

from inertia.errors import BadInput
from inertia.measurement import lanczos
from inertia.measurement.lanczos import FAILURE, krylov
from inertia.measurement.ritz import Lookout, bar, ritz, smallest_share, within
from inertia.measurement.vectors import Vectors


def symmetric(n, seed):
    a = np.random.default_rng(seed).normal(size=(n, n))
    return (a + a.T) / 2


def network_like(seed, n=4000):
    """A bulk at zero and outliers at both ends whose second is 2.4 % below the first, as a digits MLP at its start."""
    rng = np.random.default_rng(seed)
    bulk = np.clip(1e-3 * rng.standard_cauchy(n - 20), -0.25, 0.25)
    outliers = [
        0.3802,
        0.3711,
        0.33,
        0.3,
        0.28,
        0.26,
        0.25,
        0.24,
        0.2,
        0.18,
        -0.3011,
        -0.29,
        -0.27,
        -0.25,
        -0.24,
        -0.22,
        -0.2,
        -0.18,
        0.15,
        0.12,
    ]
    return np.concatenate([bulk, outliers])


@given(st.integers(1, 40), st.integers(0, 99))
@settings(max_examples=40)
def test_a_full_run_is_a_dense_eigensolver(n, seed):
    a = symmetric(n, seed)
    truth = np.linalg.eigvalsh(a)
    run = lanczos(a, depth=n, rtol=None, seed=seed)
    # float64 rounding over n steps, relative to the norm of A
    np.testing.assert_allclose(run.values, truth, atol=1e-11 * max(1, np.abs(truth).max()))
    np.testing.assert_allclose(run.weights.sum(), 1, rtol=1e-12)
    assert run.hvps == n
    assert run.upper - run.largest <= 1e-10 * max(1, np.abs(truth).max())


@pytest.mark.parametrize(
    "make", [np.asarray, scipy.sparse.csr_matrix, scipy.sparse.linalg.aslinearoperator, lambda a: lambda v: a @ v, lambda a: a.tolist()]
)
def test_every_kind_of_operator(make):
    a = symmetric(30, 0)
    run = lanczos(make(a), 30, rtol=1e-4)
    truth = np.linalg.eigvalsh(a)
    np.testing.assert_allclose([run.smallest, run.largest], truth[[0, -1]], rtol=1e-4)
    assert run.lower <= truth[0] + 1e-12
    assert run.upper >= truth[-1] - 1e-12


@pytest.mark.parametrize("ends", ["largest", "both"])
def test_bars_cover_the_truth_where_a_residual_lands_on_the_second_eigenvalue(ends):
    h = network_like(1)
    missed, spent, fooled = 0, [], 0
    for seed in range(100):
        run = lanczos(lambda v: h * v, h.size, seed=seed, ends=ends, rtol=0.01)
        missed += not (run.largest <= h.max() * (1 + 1e-12) and h.max() <= run.upper)
        missed += ends == "both" and not (run.smallest >= h.min() * (1 + 1e-12) and h.min() >= run.lower)
        assert run.upper - run.largest <= 0.01 * run.largest
        assert 1 - run.largest / h.max() < 0.01
        spent.append(run.hvps)
        fooled += residual_stop(h, seed) < 0.99 * h.max()
    assert missed <= 1  # 100 cases at a probability of 0.005 per end
    assert max(spent) <= 35
    assert fooled >= 3  # the trap is real: one residual of 1 % does sit on the second eigenvalue


def residual_stop(h, seed):
    run = lanczos(lambda v: h * v, h.size, seed=seed, depth=30, rtol=None)
    for depth in range(2, 31):
        top = ritz(run.alphas[:depth], run.betas[:depth])
        if top.residuals[-1] <= 0.01 * top.values[-1]:
            return top.values[-1]
    return h.max()


@pytest.mark.parametrize("depth", [2, 4, 8, 12])
def test_bars_cover_at_every_depth_not_only_at_the_end(depth):
    truth = np.linspace(-2, 3, 300) ** 3
    missed = 0
    for seed in range(200):
        run = lanczos(lambda v: truth * v, 300, seed=seed, depth=depth, rtol=None)
        missed += run.upper < truth.max() or run.lower > truth.min()
    assert missed <= 6  # 200 cases, 0.01 each: 7 or more has probability 0.005


HARD = {
    "a cluster on top": lambda rng: np.concatenate([1 - 1e-3 * rng.random(12), rng.uniform(-0.9, 0.9, 200)]),
    "two on top, nearly the same": lambda rng: np.concatenate([[1.0, 1 - 1e-7], rng.uniform(-0.9, 0.9, 200)]),
    "a second, 2 % below": lambda rng: np.concatenate([[1.0, 0.98, 0.97], rng.uniform(-0.3, 0.3, 2000)]),
    "one far out": lambda rng: np.concatenate([[1.0], 1e-4 * rng.standard_normal(2000)]),
    "three alone": lambda rng: rng.normal(size=3),
    "one alone": lambda rng: rng.normal(size=1),
    "five, each forty times": lambda rng: np.repeat(rng.normal(size=5), 40),
    "all below zero": lambda rng: -rng.uniform(0.1, 1.0, 200),
    "zeros and one above": lambda rng: np.concatenate([[1e-3], np.zeros(300)]),
    "zeros and one below": lambda rng: np.concatenate([[-1.0], np.zeros(300)]),
    "denser to the top": lambda rng: 1 - rng.random(400) ** 3,
}


@pytest.mark.parametrize("kind", HARD)
@pytest.mark.parametrize("keep", [True, False])
def test_the_largest_is_between_its_value_and_its_bar_on_spectra_that_are_hard(kind, keep):
    missed = 0
    for seed in range(40):
        h = HARD[kind](np.random.default_rng(seed))
        run = krylov(lambda v, h=h: h * v, Vectors(h.size, keep=keep), ends="largest", seed=seed)
        assert run.largest <= h.max() + 1e-12 * np.abs(h).max()
        width = 0.01 * max(abs(run.largest), 1e-6 * np.abs(h).max())
        assert run.upper - run.largest <= 1.001 * width or not run.converged  # bars keep three digits
        missed += run.upper < h.max() - 1e-12 * np.abs(h).max()
    assert missed <= 2  # 40 starts at a probability of 0.005: 3 or more have 0.001


@pytest.mark.parametrize("times", [1.01, 0.0])
def test_the_bar_covers_the_truth_from_every_start_with_the_smallest_share_and_only_from_those(times):
    """The start hides the largest as well as it may: no luck is left in whether it is covered."""
    covered = 0
    for seed in range(30):
        rng = np.random.default_rng(seed)
        h = np.concatenate([[rng.uniform(1.015, 3.0), 1.0], np.clip(rng.standard_cauchy(600) / 20, -0.9, 0.95)])
        start = rng.normal(size=h.size)
        share = times * smallest_share(h.size, FAILURE)
        start[0] = np.sqrt(share / (1 - share)) * np.linalg.norm(start[1:])
        run = lanczos(lambda v, h=h: h * v, start=start, ends="largest")
        covered += run.upper >= h[0]
    assert covered == (30 if times else 0)


def test_the_bar_solves_what_the_christoffel_function_says():
    # second road: the largest share any measure with these moments can have at u is 1/(e^T (T - u)^-1 ...) = the weight
    # at u of the (m+1)-point rule with a node there; take that rule from a tridiagonal matrix completed to have eigenvalue u.
    rng = np.random.default_rng(3)
    a, b = rng.normal(size=6), rng.uniform(0.5, 1.5, 6)
    top = ritz(a, b).values[-1]
    u = top + bar(a, b, top, share=1e-4)
    part = np.diag(a) + np.diag(b[:-1], 1) + np.diag(b[:-1], -1)
    last = u + b[-1] ** 2 * np.linalg.solve(part - u * np.eye(6), np.eye(6)[-1])[-1]
    whole = np.diag([*a, last]) + np.diag(b, 1) + np.diag(b, -1)
    values, vectors = np.linalg.eigh(whole)
    np.testing.assert_allclose(values[-1], u, rtol=1e-9)
    np.testing.assert_allclose(vectors[0, -1] ** 2, 1e-4, rtol=2e-2)  # bars keep three digits
    width = u - top
    assert [within(a, b, top, 1e-4, x) for x in (-width, 0.99 * width, 1.01 * width)] == [False, False, True]


@pytest.mark.parametrize("n", [1, 2, 3, 10, 1000])
def test_a_random_direction_has_less_than_the_smallest_share_as_often_as_said(n):
    rng = np.random.default_rng(0)
    draws = rng.normal(size=(20000, 2)) if n > 1 else np.ones((20000, 1))
    rest = rng.chisquare(n - 2, 20000) if n > 2 else 0.0
    shares = draws[:, 0] ** 2 / (np.sum(draws**2, axis=1) + rest)
    failure = 0.1
    often = np.mean(shares < smallest_share(n, failure))
    assert often <= failure + 0.007  # three standard errors of 20000 draws
    assert n == 1 or often >= 0.9 * failure - 0.007


def test_from_a_given_start_the_weights_are_its_spectral_measure():
    h = np.array([0.5, 1.0, 2.0, 4.0, 8.0])
    g = np.array([1.0, 0.0, -2.0, 0.0, 3.0])
    run = lanczos(np.diag(h), start=g, depth=3, rtol=None)
    np.testing.assert_allclose(run.norm**2 * run.weights, [1, 4, 9], rtol=1e-12)
    np.testing.assert_allclose(run.values, [0.5, 2, 8], rtol=1e-12)
    assert not run.guaranteed
    # after the breakdown a fresh direction finds what the start could not see, and the weights stay the start's
    whole = lanczos(np.diag(h), start=g, depth=5, rtol=None)
    np.testing.assert_allclose(whole.values, h, rtol=1e-10)
    np.testing.assert_allclose(whole.norm**2 * whole.weights, g**2, atol=1e-10)


def test_a_gauss_quadrature_integrates_polynomials_exactly():
    a, start = symmetric(60, 4), np.random.default_rng(5).normal(size=60)
    run = lanczos(a, start=start, depth=5, rtol=None)
    for power in range(10):  # exact to degree 2 m - 1 = 9
        exact = start @ np.linalg.matrix_power(a, power) @ start
        np.testing.assert_allclose(run.norm**2 * run.weights @ run.values**power, exact, rtol=1e-9, atol=1e-6)


def test_breakdown_on_few_distinct_eigenvalues_is_exact_and_cheap():
    h = np.repeat([-1.0, 0.0, 2.5], [10, 80, 10])
    run = lanczos(np.diag(h))
    assert run.hvps == 3
    np.testing.assert_allclose([run.lower, run.smallest, run.largest, run.upper], [-1, -1, 2.5, 2.5], atol=1e-12)
    zero = lanczos(np.zeros((4, 4)))
    assert (zero.largest, zero.upper, zero.hvps) == (0.0, 0.0, 1)
    np.testing.assert_allclose(lanczos(np.array([[3.0]])).upper, 3.0, rtol=1e-12)


def test_the_largest_few_with_their_vectors():
    a = symmetric(80, 6)
    values, vectors = np.linalg.eigh(a)
    run = lanczos(a, top=3, vectors=True, rtol=1e-6)
    np.testing.assert_allclose(run.values[-3:], values[-3:], rtol=1e-9)
    np.testing.assert_allclose(np.abs(np.sum(run.vectors * vectors[:, :-4:-1].T, axis=1)), 1, rtol=1e-9)
    many = lanczos(np.diag(np.repeat([1.0, 2.0], [5, 5])), start=np.ones(10), depth=10, rtol=None, top=5, vectors=True)
    np.testing.assert_allclose(many.vectors @ many.vectors.T, np.eye(5), atol=1e-10)
    np.testing.assert_allclose(many.values[-5:], 2.0)


def test_two_vectors_are_enough_for_the_ends():
    h = network_like(2)
    for seed in range(10):
        kept = krylov(lambda v: h * v, Vectors(h.size), rtol=0.01, seed=seed)
        two = krylov(lambda v: h * v, Vectors(h.size, keep=False), rtol=0.01, seed=seed, depth=200)
        np.testing.assert_allclose([two.smallest, two.largest], [h.min(), h.max()], rtol=0.01)
        assert two.upper >= h.max()
        assert two.lower <= h.min()
        assert two.hvps <= kept.hvps + 3
    single = krylov(lambda v: h.astype(np.float32) * v, Vectors(h.size, np.float32, keep=False), rtol=0.01, depth=200)
    np.testing.assert_allclose(single.largest, h.max(), rtol=1e-3)
    assert single.upper >= h.max()
    copies = krylov(lambda v: h * v, Vectors(h.size, keep=False), rtol=None, depth=150)
    assert np.sum(copies.values > 0.379) > 1  # copies appear ...
    assert copies.values.max() <= h.max() + 1e-12  # ... and none is wrong
    assert copies.upper >= h.max()


def test_the_same_seed_gives_the_same_run_and_another_seed_another():
    a = symmetric(50, 7)
    one, two, other = (lanczos(a, seed=seed, depth=6, rtol=None) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one.values, two.values)
    assert np.any(one.values != other.values)


def test_interrupting_returns_what_was_measured():
    def product(v):
        product.calls += 1
        if product.calls == 4:
            raise KeyboardInterrupt
        return np.arange(1.0, 101.0) * v

    product.calls = 0
    run = lanczos(product, 100)
    assert (run.hvps, run.converged, run.reason) == (3, False, "interrupted")
    assert run.upper >= 100
    product.calls = 3
    with pytest.raises(KeyboardInterrupt):
        lanczos(product, 100)


def test_progress_is_told_after_every_product():
    told = []
    krylov(lambda v: np.arange(1.0, 51.0) * v, Vectors(50), depth=5, rtol=None, watch=lambda *line: told.append(line))
    assert [line[0] for line in told] == [1, 2, 3, 4, 5]
    assert told[-1][1] > told[0][1]


def test_float32_products_widen_the_bars_by_their_rounding():
    a = symmetric(60, 8)
    single = a.astype(np.float32)
    run = lanczos(lambda v: single @ v.astype(np.float32), 60, rtol=1e-3)
    assert run.upper >= np.linalg.eigvalsh(a)[-1]
    assert 0 < run.asymmetry < 1e-5


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: lanczos(np.triu(np.ones((4, 4)))), "the matrix is not symmetric: A and A.T differ by up to 1"),
        (lambda: lanczos(scipy.sparse.csr_matrix(np.triu(np.ones((4, 4))))), "the matrix is not symmetric"),
        (lambda: lanczos(lambda v: np.triu(np.ones((4, 4))) @ v, 4), "the operator is not symmetric"),
        (lambda: lanczos(np.ones((3, 4))), r"shape \(3, 4\): curvature is a square"),
        (lambda: lanczos(np.full((2, 2), np.nan)), "entries that are not finite"),
        (lambda: lanczos(lambda v: v * np.nan, 3), "product 1 is not finite"),
        (lambda: lanczos(lambda v: v[:2], 3), r"product 1 has shape \(2,\)"),
        (lambda: lanczos(lambda v: v), "pass dimension="),
        (lambda: lanczos(np.eye(3), 4), "dimension = 4 does not fit"),
        (lambda: lanczos(np.eye(3), start=np.ones(2)), "the start vector has 2 entries"),
        (lambda: lanczos(np.eye(3), start=np.zeros(3)), "start vector has norm 0"),
        (lambda: lanczos(np.eye(3), ends="top"), "ends = 'top' is not one of"),
        (lambda: lanczos(np.eye(3), rtol=0), "rtol = 0 is not positive"),
        (lambda: lanczos(np.eye(3), rtol=None), "say how many with depth="),
        (lambda: lanczos(np.eye(3), depth=0), "depth = 0 is too few"),
        (lambda: lanczos(np.eye(3), top=0), "top = 0 is too few"),
        (lambda: lanczos(np.eye(3), failure=1.0), r"failure = 1 is outside \(0, 1\)"),
    ],
)
def test_bad_input_is_refused_with_the_smallest_change(call, message):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        with pytest.raises(BadInput, match=message):
            call()


class _Counted(Vectors):
    """How often all of the basis was taken out."""

    def __init__(self, dimension, dtype=np.float64):
        super().__init__(dimension, dtype)
        self.whole = 0

    def _take(self, rows, vector):
        self.whole += len(rows) == self.count
        return super()._take(rows, vector)

    def loss(self):
        """The largest inner product between two members, or of one with itself beyond 1."""
        rows = self._rows[: self.count].astype(np.longdouble)
        return float(np.max(np.abs(rows @ rows.T - np.eye(self.count))))


SPECTRA = {
    "outliers": np.concatenate([np.linspace(-1, 1, 380), 2.0 ** np.arange(1, 21)]),  # they converge early: plain Lanczos loses them
    "one far out": np.concatenate([np.linspace(0, 1e-6, 399), [1e6]]),
    "spread": 10.0 ** np.linspace(-12, 3, 400),
    "even": np.linspace(-1, 1, 400),
    "two bands": np.concatenate([np.linspace(-1, -0.5, 200), np.linspace(0.5, 1, 200)]),  # betas alternate: errors of every other grow
}


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("kind", SPECTRA)
def test_the_basis_stays_orthogonal_to_rounding(kind, dtype):
    """What a pass over the basis leaves in it is the rounding of its sums: at most their number of terms times eps, times sqrt(2)."""
    values, depth = SPECTRA[kind], 80
    turn = np.linalg.qr(np.random.default_rng(3).standard_normal((len(values), len(values))))[0]
    matrix, space = (turn * values) @ turn.T, _Counted(len(values), dtype)
    space.source_rounding = lambda: (float(np.finfo(dtype).eps), 1.0)
    run = krylov(lambda v: (matrix @ v).astype(dtype), space, rtol=None, depth=depth, seed=1)
    assert space.loss() <= 2**0.5 * (len(values) + depth) * np.finfo(dtype).eps
    assert run.largest == pytest.approx(
        values[-1], rel=1e-9 if dtype == np.float64 else 1e-4, abs=1e-3 if kind in {"even", "two bands"} else 0
    )
    if kind == "even":  # nothing converges early here: one pass a product, but for the first few
        assert space.whole <= depth + 4


@pytest.mark.parametrize("near", [1e-3, 1e-8, 1e-13])
def test_a_vector_nearly_in_the_basis_is_reduced_twice(near):
    rng, space = np.random.default_rng(5), _Counted(500)
    for row in np.linalg.qr(rng.standard_normal((500, 40)))[0].T.copy():
        space.append(row, 1.0)
    inside, outside = space.mix(rng.standard_normal((1, 40)), space._rows[:40])[0], rng.standard_normal(500)
    vector = inside + near * outside
    whole = vector.copy()
    before = space.whole
    coefficients, left = space.reduce(vector)
    assert space.whole - before == 2
    assert left == pytest.approx(np.linalg.norm(vector), rel=1e-12)
    np.testing.assert_allclose(space.mix(coefficients[None], space._rows[:40])[0] + vector, whole, atol=1e-13)
    seen = np.abs(space._rows[:40].astype(np.longdouble) @ vector.astype(np.longdouble))
    assert float(seen.max()) <= 540 * np.finfo(float).eps * left  # relative to what is left, however little that is


@pytest.mark.parametrize("kind", SPECTRA)
def test_where_ends_alone_are_asked_every_other_image_is_spared_the_pass_over_the_basis(kind):
    """Products in float32: the coefficients are those of an orthogonal basis to the rounding of products, and the bar covers the truth."""
    values, epsilon = SPECTRA[kind], float(np.finfo(np.float32).eps)
    turn = np.linalg.qr(np.random.default_rng(3).standard_normal((len(values), len(values))))[0]
    matrix = (turn * values) @ turn.T

    def product(vector):
        return (matrix @ vector).astype(np.float32).astype(float)

    spaces, runs = [], []
    for vectors in (False, True):
        space = _Counted(len(values))
        space.source_rounding = lambda: (epsilon, 1.0)
        runs.append(krylov(product, space, rtol=1e-3, depth=60, ends="largest", vectors=vectors, seed=1))
        spaces.append(space)
    size, steps = np.abs(values).max(), runs[0].hvps
    assert spaces[0].loss() <= epsilon**0.5
    assert spaces[1].loss() <= 2 * steps * epsilon  # all were freed from all, once: to the rounding of products at worst
    assert spaces[0].whole < spaces[1].whole or steps <= 2
    if kind in {"even", "two bands"}:  # nothing comes near a breakdown: half of the images are spared, but for the first two, which take 4
        assert spaces[0].whole <= steps // 2 + 3
    assert steps == runs[1].hvps
    # T is that of an orthogonal basis to |A| times (rounding + loss^2), summed over the steps
    slack = steps * size * (epsilon + spaces[0].loss() ** 2)
    np.testing.assert_allclose(runs[0].largest, runs[1].largest, atol=slack)
    assert values.max() <= runs[0].upper + slack


def test_a_run_stops_where_it_would_with_its_values_computed_after_every_product(monkeypatch):
    """A lookout spares eigenvalues, not products."""
    asked = [0]
    original = Lookout.wide

    def counted(self, *given):
        wide = original(self, *given)
        asked[0] += wide
        return wide

    spectra = [network_like(seed) for seed in range(4)] + [np.sort(symmetric(60, seed).diagonal()) for seed in range(6)]
    spectra += [-np.arange(1.0, 80.0), np.linspace(-1e9, 1.0, 300), np.append(np.zeros(200), 1.0), *SPECTRA.values()]
    for at, values in enumerate(spectra):
        stops = []
        for wide in (counted, lambda *_: False):
            monkeypatch.setattr(Lookout, "wide", wide)
            run = lanczos(lambda v, values=values: values * v, len(values), rtol=10.0 ** -(at % 3 + 1), ends="largest", seed=at)
            stops.append((run.hvps, run.largest, run.upper, run.reason))
        assert stops[0] == stops[1]
    assert asked[0] > 40  # that many times nothing was computed


@given(st.integers(1, 25), st.integers(0, 999))
@settings(max_examples=60)
def test_a_lookout_is_never_sure_of_what_is_not_so(m, seed):
    rng = np.random.default_rng(seed)
    alphas, betas = rng.normal(size=m).tolist(), np.abs(rng.normal(size=m)).tolist()
    tops = [float(ritz(alphas[:k], betas[:k]).values[-1]) for k in range(1, m + 1)]
    above, distance, share = float(np.max(tops) + rng.normal()), float(10 ** rng.uniform(-2, 1)), float(10 ** rng.uniform(-8, -1))
    look = Lookout(above, above + distance, share)
    for k in range(1, m + 1):
        for sure in (look.wide(alphas[:k], betas[:k]), look.wide(alphas[:k], betas[:k])):
            if not sure:
                continue
            assert tops[k - 1] < above
            assert not within(alphas[:k], betas[:k], tops[k - 1], share, distance)

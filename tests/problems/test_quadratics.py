"""Quadratics from every kind of matrix are one quadratic, and what is not a quadratic bowl is refused with its number."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse
from scipy.sparse.linalg import aslinearoperator

from inertia import problems
from inertia.core.spectrum import spectrum
from inertia.errors import BadInput
from inertia.problems import graphs, polynomials

RNG = np.random.default_rng(3)
SQUARE = RNG.standard_normal((12, 12))
MATRIX = SQUARE @ SQUARE.T + 0.1 * np.eye(12)
LINEAR = RNG.standard_normal(12)
KINDS = {
    "dense": lambda a: a,
    "list": lambda a: a.tolist(),
    "csr_array": sparse.csr_array,
    "csc_matrix": sparse.csc_matrix,
    "coo_array": sparse.coo_array,
    "operator": aslinearoperator,
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_matrix_is_the_same_quadratic(kind):
    problem = problems.quadratic(KINDS[kind](MATRIX), linear=LINEAR, constant=2.0)
    w = RNG.standard_normal((3, 5, 12))
    by_hand = 0.5 * np.einsum("...i,ij,...j", w, MATRIX, w) - w @ LINEAR + 2
    np.testing.assert_allclose(problem.value(w), by_hand, rtol=1e-9)
    np.testing.assert_allclose(problem.gradient(w), w @ MATRIX - LINEAR, rtol=1e-8, atol=1e-8)
    np.testing.assert_allclose(problem.hvp(w, w), w @ MATRIX, rtol=1e-10, atol=1e-10)
    np.testing.assert_allclose(problem.optimum, np.linalg.solve(MATRIX, LINEAR), rtol=1e-7)
    assert problem.minimum == pytest.approx(2 - 0.5 * LINEAR @ np.linalg.solve(MATRIX, LINEAR), rel=1e-9)
    assert (problem.spectrum is None) == (kind == "operator")


def test_a_large_sparse_matrix_has_no_spectrum_but_an_optimum():
    n = 5000
    edges = graphs.path(n)
    problem = graphs.colourization(edges, n, [0, n - 1], target=3.0)
    assert problem.spectrum is None
    assert np.abs(problem.gradient(problem.optimum)).max() < 1e-12
    b = np.zeros(n)
    b[0] = 1.0
    solved = problems.quadratic(problem.facts["laplacian"] + sparse.eye_array(n), linear=b)
    assert np.abs(solved.gradient(solved.optimum)).max() < 1e-12


def test_a_large_matrix_is_checked_where_it_is_solved():
    n = 2100
    tri = sparse.diags_array([-np.ones(n - 1), 2.0 * np.ones(n), -np.ones(n - 1)], offsets=[-1, 0, 1]).tocsr()
    ones = np.ones(n)
    expected = np.linalg.solve(tri.toarray(), ones)
    for matrix in (tri, tri.toarray()):
        np.testing.assert_allclose(problems.quadratic(matrix, linear=ones).optimum, expected, rtol=1e-7)
    bent = tri - 0.001 * sparse.eye_array(n)  # about 21 negative eigenvalues: 4 sin^2(j pi/(2(n+1))) < 0.001
    count = int(np.sum(4 * np.sin(np.arange(1, n + 1) * np.pi / (2 * (n + 1))) ** 2 < 0.001))
    with pytest.raises(BadInput, match=f"not positive definite: at least {count} of its 2100 eigenvalues"):
        problems.quadratic(bent, linear=ones)
    with pytest.raises(BadInput, match="not positive definite: it has no Cholesky factor"):
        problems.quadratic(bent.toarray(), linear=ones)
    flat = sparse.block_diag([tri, sparse.csr_array((1, 1))]).tocsr()
    with pytest.raises(BadInput, match="singular: one eigenvalue is 0"):
        problems.quadratic(flat, linear=np.ones(n + 1))


def test_a_saddle_is_allowed_when_asked_for():
    problem = problems.quadratic([[1.0, 0.0], [0.0, -1.0]], linear=[1.0, 0.0], definite=False, constant=5.0)
    assert problem.optimum is problem.minimum is problem.spectrum is None
    assert problem.value(np.array([2.0, 2.0])) == pytest.approx(2 - 2 - 2 + 5)
    np.testing.assert_allclose(problem.facts["eigenvalues"], [-1, 1])


@given(st.lists(st.floats(1e-3, 1e3), min_size=1, max_size=6), st.integers(0, 99))
def test_from_spectrum_has_that_spectrum(curvatures, seed):
    wanted = spectrum(curvatures, weights=np.arange(1.0, len(curvatures) + 1))
    turned, plain = problems.from_spectrum(wanted, seed=seed), problems.from_spectrum(wanted)
    for problem in (turned, plain):
        # eigvalsh is exact to eps times the largest curvature
        np.testing.assert_allclose(problem.spectrum.curvatures, wanted.curvatures, rtol=1e-9, atol=1e-11 * wanted.L)
        assert problem.spectrum.excess == pytest.approx(wanted.excess, rel=1e-9)
        assert problem.value(problem.start) == pytest.approx(wanted.excess, rel=1e-9)


def test_planar_turns():
    problem = problems.planar((2.0, 5.0), angle=0.3, optimum=(1.0, -1.0))
    axis = np.array([np.cos(0.3), np.sin(0.3)])
    np.testing.assert_allclose(problem.gradient(problem.optimum + axis), 2 * axis, atol=1e-12)
    across = np.array([-np.sin(0.3), np.cos(0.3)])
    np.testing.assert_allclose(problem.gradient(problem.optimum + across), 5 * across, atol=1e-12)


SADDLE = aslinearoperator(np.diag([1.0, -2.0]))
ASYMMETRIC = np.array([[2.0, 1.0, 0.0], [1.0, 2.0, 0.5], [0.0, 0.25, 2.0]])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: problems.quadratic(ASYMMETRIC), r"not symmetric: entry \(1, 2\) is 0.5 but \(2, 1\) is 0.25.*use \(A \+ A.T\)/2"),
        (lambda: problems.quadratic(sparse.csr_array(ASYMMETRIC)), r"not symmetric: entry \(1, 2\) is 0.5 but \(2, 1\) is 0.25"),
        (lambda: problems.quadratic(np.diag([1.0, -0.5])), r"eigenvalue is -0.5. Add more than 0.5 to the diagonal.*definite=False"),
        (lambda: problems.quadratic(np.zeros((2, 2))), r"not positive definite: its smallest eigenvalue is 0"),
        (lambda: problems.quadratic(graphs.laplacian(graphs.grid(), 36)), "not positive definite"),
        (lambda: problems.quadratic(SADDLE, linear=[1.0, 1.0]), "operator is not positive definite: .* curvature is -0.5"),
        (lambda: problems.quadratic(aslinearoperator(ASYMMETRIC)), r"operator is not symmetric: u'Av is .* but v'Au is"),
        (lambda: problems.quadratic(np.ones((2, 3))), r"shape \(2, 3\): a quadratic needs a square one"),
        (lambda: problems.quadratic([[np.nan]]), "a number that is not finite"),
        (lambda: problems.quadratic(MATRIX, linear=LINEAR, optimum=LINEAR), "give one of them"),
        (lambda: problems.quadratic(MATRIX, linear=[1.0]), r"linear has shape \(1,\): \(12,\) finite numbers"),
        (lambda: problems.quadratic(MATRIX, start=np.full(12, np.inf)), r"start has shape \(12,\)"),
        (lambda: problems.diagonal([1.0, -2.0]), "curvature -2 has no minimum"),
        (lambda: problems.diagonal([np.inf]), "curvature inf has no minimum"),
        (lambda: problems.convex_rosenbrock(0), "n = 0, kappa = 1000: a chain needs n >= 1"),
        (lambda: problems.convex_rosenbrock(5, 1.0), "kappa > 1"),
        (lambda: problems.polynomial(degree=10), "degree = 10 needs at least 11 points"),
        (lambda: problems.polynomial([1.0, 2.0], [1.0]), r"points \(2,\) and targets \(1,\) do not fit"),
        (lambda: polynomials.eigenfeatures([1.0, 1.0, 2.0], [1.0, 1.0, 1.0], 2), "2 different points cannot fix 3 coefficients"),
        (lambda: problems.least_squares(np.ones((3, 2)), np.ones(2)), r"features \(3, 2\) and targets \(2,\) do not fit"),
        (lambda: problems.least_squares([[1.0], [np.nan]], [1.0, 2.0]), "features are not finite in example 1"),
        (lambda: problems.least_squares([[1.0]], [np.inf]), "targets are not finite in example 0"),
        (lambda: problems.least_squares([[1.0]], [1.0], l2=-1.0), "l2 = -1 is not a penalty"),
        (lambda: problems.logistic([[1.0], [2.0], [3.0]], [0, 1, 2]), "3 different values and logistic needs 2: use softmax"),
        (lambda: problems.softmax([[1.0], [2.0]], [1, 1]), "only the value 1 and softmax needs at least 2"),
        (lambda: graphs.laplacian([(0, 5)], 3), "names a node outside 0 to 2"),
        (lambda: graphs.laplacian([0, 1, 2], 3), r"edges have shape \(3,\): give pairs"),
        (lambda: graphs.mask_edges(np.zeros((2, 2))), r"shape \(2, 2\) and 0 cells"),
        (lambda: problems.colourization([(0, 1)], 2, [2]), r"marked = \[2\] must name at least one node, each from 0 to 1"),
        (lambda: problems.colourization([(0, 1)], 2, []), r"marked = \[\] must name"),
        (lambda: problems.colourization([(0, 1)], 2, [0], weight=0.0), "weight = 0 pins nothing"),
        (lambda: problems.colourization([(0, 1)], 3, [0]), "no path leads .* to node 2: mark a node in each of the 2 parts"),
        (lambda: problems.maze([[1, 0, 1]]), "no path leads from a marked node to node 1"),
    ],
)  # fmt: skip
def test_what_is_no_problem_is_refused(make, message):
    with pytest.raises(BadInput, match=message):
        make()


def test_any_mask_is_a_maze():
    mask = np.array([[1, 1, 0], [0, 1, 0], [0, 1, 1]], dtype=bool)
    problem = problems.maze(mask, target=1.0)
    assert problem.facts["marked"].tolist() == [0]
    assert problem.facts["number"].tolist() == [[0, 1, -1], [-1, 2, -1], [-1, 3, 4]]
    np.testing.assert_array_equal(problem.facts["edges"], [[0, 1], [1, 2], [2, 3], [3, 4]])
    w = RNG.standard_normal(5)
    assert problem.value(w) == pytest.approx(0.5 * np.sum(np.diff(w) ** 2) + 0.05 * (w[0] - 1) ** 2)


def test_an_optimum_that_is_not_unique_is_the_shortest():
    problem = problems.least_squares([[1.0, 1.0]], [2.0])
    np.testing.assert_allclose(problem.optimum, [1.0, 1.0])
    assert problem.spectrum.mu == pytest.approx(0, abs=1e-15)

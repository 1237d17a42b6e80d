"""The numbers the source documents print, or that were recomputed from their code, come out of our problems."""

from fractions import Fraction

import numpy as np
import pytest

from inertia import problems
from inertia.core.method import Method, hidden
from inertia.problems import graphs, polynomials
from inertia.problems import simulation as reference


def settled(path, target, tolerance):
    """Last step whose distance from the target is above the tolerance."""
    away = np.linalg.norm(path - target, axis=-1)
    return int(np.flatnonzero(away > tolerance)[-1])


def walk(problem, method, steps, **words):
    """The iterates xi, as the source documents follow them (they keep the look-ahead apart)."""
    record = reference.run(problem, method, steps, keep_path=True, **words)
    assert record.diverged_at is None
    if not method.gamma:
        return record.path
    velocity, path = np.zeros_like(record.final), [record.path[0]]
    for now in record.path[:-1]:
        velocity = method.beta * velocity + problem.gradient(now)
        path.append(path[-1] - method.alpha * velocity)
    np.testing.assert_allclose(path[-1], hidden(method, record.params, record.notes["velocity"]), atol=1e-12)
    return np.array(path)


def test_the_quartic_path():
    path = walk(problems.quartic(), Method(0.1, 0.5), 100)[:, 0]
    printed = "-.5 -.225 -.03738 .05771 .10817 .14343 .17839 .22224 .28423 .37874 .53337 .80603 1.31760 2.22088 2.72997 1.55367"
    np.testing.assert_allclose(path[:16], [float(x) for x in printed.split()], atol=6e-6)  # five printed decimals, one of them rounded up
    assert path.argmax() == 14
    assert path[-1] == pytest.approx(2.249999999999795, abs=1e-14)
    assert [settled(path[:, None], 2.25, t) for t in (1e-1, 1e-2, 1e-3, 1e-6, 1e-9)] == [22, 29, 35, 55, 74]


def test_the_quartic_elsewhere():
    problem = problems.quartic()
    still = reference.run(problem, Method(0.1), 100)
    assert still.final[0] == pytest.approx(-0.010222808231487635, rel=1e-12)
    two_cycle = reference.run(problem, Method(0.1), 1001, start=[2.2], keep_path=True).path[-2:, 0]
    np.testing.assert_allclose(sorted(two_cycle), [2.147502, 2.336581], atol=1e-6)
    over = reference.run(problem, Method(0.1, 0.9), 100, keep_path=True)
    assert np.flatnonzero(np.abs(over.path[:, 0]) > 1000)[0] == 18  # "overflows at step 18"; a cube a step from there
    assert over.diverged_at == 21
    assert reference.run(problem, Method(0.1, 0.5), 50, start=[0.0]).final[0] == 0.0
    for kick, steps in {0.1: 25, 0.01: 83, 1e-3: 593}.items():  # a push to the right leaves the inflection; v is -kick/alpha
        path = reference.run(problem, Method(0.1, 0.5), steps, start=[0.0], velocity=[-kick / 0.1], keep_path=True).path[:, 0]
        assert np.flatnonzero(np.abs(path - 2.25) < 1e-3)[0] == steps
    left = reference.run(problem, Method(0.1, 0.5), 2000, start=[0.0], velocity=[1.0]).final[0]
    assert -0.01 < left < 0


@pytest.mark.parametrize("gamma", [0.0, 0.5], ids=["heavy-ball", "nesterov"])
@pytest.mark.parametrize(
    ("start", "limit", "heavy_ball", "nesterov"),
    [
        ((-1.5, -1.5), (-1, 0), (19, 41), (15, 31)),
        ((0.0, 1.0), (0, 0), (18, 40), (14, 30)),
        ((0.01, 1.0), (1, 0), (25, 45), (14, 30)),
        ((1.5, 1.5), (1, 0), (19, 41), (15, 31)),
    ],
)
def test_the_double_well_table(start, limit, heavy_ball, nesterov, gamma):
    path = walk(problems.double_well(), Method(0.1, 0.5, gamma), 100, start=start)
    expected = nesterov if gamma else heavy_ball
    assert (settled(path, limit, 1e-3), settled(path, limit, 1e-6)) == expected


def test_a_tiny_kick_leaves_the_saddle():
    path = reference.run(problems.double_well(), Method(0.1, 0.5), 60, start=[0.0, 1.0], velocity=[1e-2, 0.0], keep_path=True).path
    assert np.flatnonzero(np.abs(path[:, 0]) > 0.9)[0] == 18


def test_the_hero_figure():
    problem = problems.banana()
    assert problem.value(problem.start) == pytest.approx(28.860, abs=5e-4)
    hessian = problem.hvp(problem.optimum, np.eye(2))
    np.testing.assert_allclose(hessian, [[162, -240], [-240, 360]])
    np.testing.assert_allclose(np.linalg.eigvalsh(hessian), [1.38297, 520.617], rtol=1e-5)
    finals = [reference.run(problem, Method(*m), 150).loss for m in [(0.003, 0), (0.003, 0.74), (0.003, 0.9), (0.0045, 0.8)]]
    np.testing.assert_allclose(finals, [1.177, 9.1e-3, 1.2e-6, 2.1e-6], rtol=0.05)  # the article's numbers have two digits
    for method in (Method(0.006, 0.5), Method(0.006, 0.8)):
        assert reference.run(problem, method, 150).diverged_at < 20


def test_polynomial_regression():
    problem = polynomials.polynomial()
    found = problem.facts["eigenfeatures"]
    np.testing.assert_allclose(found.eigenvalues, [10.70332, 2.759982, 5.979755e-2, 1.471040e-2, 1.365073e-4, 3.307975e-5], rtol=1e-6)
    assert problem.spectrum.kappa == pytest.approx(323561, abs=1)
    np.testing.assert_allclose(problem.optimum, [0.566948, -8.081804, -6.386952, 90.620159, 9.447468, -177.259315], atol=1e-6)
    np.testing.assert_allclose(np.abs(found.coefficients), [0.388504, 2.471992, 1.232719, 4.726859, 11.344545, 199.172638], atol=1e-6)
    assert np.sqrt(2 * problem.minimum) == pytest.approx(0.519203, abs=1e-6)
    # symmetric points: every eigenfeature is even or odd
    odd = np.abs(found.vectors[1::2]).max(axis=0) > 1e-9
    even = np.abs(found.vectors[::2]).max(axis=0) > 1e-9
    assert (odd ^ even).all()
    # on the data all eigenfeatures have norm sqrt(lambda)
    curves = found.curves(problem.facts["points"])
    np.testing.assert_allclose(np.linalg.norm(curves, axis=0), np.sqrt(found.eigenvalues), rtol=1e-9)


def test_early_stopping_is_a_filter():
    problem = polynomials.polynomial()
    found = problem.facts["eigenfeatures"]
    alpha = 1.8 / found.eigenvalues[0]
    assert alpha == pytest.approx(0.168172, abs=1e-6)
    share = polynomials.early_stopping_filter(found.eigenvalues, alpha, 49)
    np.testing.assert_allclose(share, [1, 1, 0.391, 0.114, 0.00112, 0.00027], atol=5e-4)
    np.testing.assert_allclose(polynomials.early_stopping_filter(found.eigenvalues, alpha, 100_000)[4:], [0.899, 0.427], atol=5e-4)
    run = reference.run(problem, Method(alpha), 49)
    np.testing.assert_allclose(run.final @ found.vectors, share * found.coefficients, rtol=1e-6, atol=1e-9)
    k = np.array([[0], [1], [7]])
    np.testing.assert_allclose(
        polynomials.early_stopping_filter([0.3, 1.0, 1.7], 1.0, k), 1 - (1 - np.array([0.3, 1.0, 1.7])) ** k, rtol=1e-13, atol=1e-15
    )


def test_ridge_is_a_filter():
    z = polynomials.monomials(polynomials.POINTS, 5)
    found = polynomials.eigenfeatures(polynomials.POINTS, polynomials.TARGETS)
    solved = np.linalg.solve(z.T @ z + 0.01 * np.eye(6), z.T @ polynomials.TARGETS)
    np.testing.assert_allclose(solved @ found.vectors, polynomials.ridge_filter(found.eigenvalues, 0.01) * found.coefficients, rtol=1e-8)


def test_change_of_variables():
    problem = problems.planar()
    np.testing.assert_allclose(problem.hvp(problem.start, np.eye(2)), [[50.5, 49.5], [49.5, 50.5]])
    turned = problem.facts["eigenvectors"].T @ problem.start
    np.testing.assert_allclose(np.abs(turned), [2.5, 1.0])
    record = reference.run(problem, Method(0.018), 300, keep_path=True)
    k = np.arange(301)[:, None]
    np.testing.assert_allclose(record.path @ problem.facts["eigenvectors"], (1 - 0.018 * np.array([1, 100])) ** k * turned, atol=1e-12)


def test_the_maze_of_the_article():
    problem = problems.maze()
    assert (problem.dimension, len(problem.facts["edges"])) == (1120, 2070)
    assert problem.facts["marked"].tolist() == [448, 560]
    h = problem.spectrum.curvatures
    np.testing.assert_allclose(h[:4], [5.10927e-5, 4.28455e-4, 1.01057e-3, 1.46805e-3], rtol=1e-5)
    assert h[4] == pytest.approx(2.11028e-2, rel=1e-5)
    assert h[-1] == pytest.approx(7.9244307, rel=1e-7)
    assert problem.spectrum.kappa == pytest.approx(155_099, rel=1e-5)
    np.testing.assert_array_equal(problem.optimum, 100.0)
    # momentum tuned to these two ends: .994934 per step, at a double root, so 1,360 steps for three digits
    low, high = np.sqrt(h[[0, -1]])
    method = Method(4 / (low + high) ** 2, ((high - low) / (high + low)) ** 2)
    assert method.beta == pytest.approx(0.989895, abs=1e-6)
    record = reference.run(problem, method, 3000, evaluate_every=3000)
    assert np.abs(record.final - 100).max() < 0.05


def test_weight_one_as_in_the_formula_of_the_article():
    h = problems.maze(weight=1.0, target=1.0).spectrum.curvatures
    assert h[0] == pytest.approx(6.42574e-5, rel=1e-5)
    assert h[-1] / h[0] == pytest.approx(123_323, rel=1e-4)


@pytest.mark.parametrize(
    ("edges", "count", "second", "largest"),
    [
        (graphs.expander(), 68, 0.53543, 12.2367),
        (graphs.grid(), 60, 0.26795, 7.4641),
        (graphs.path(chords=3), 38, 0.012985, 5.3333),
        (graphs.path(), 35, 0.0076106, 3.99239),
    ],
    ids=["expander", "grid", "path with chords", "path"],
)
def test_graphs_of_the_article(edges, count, second, largest):
    lap = graphs.laplacian(edges, 36).toarray()
    assert np.triu(lap != 0, 1).sum() == count
    h = np.linalg.eigvalsh(lap)
    assert h[0] == pytest.approx(0, abs=1e-12)
    assert h[1] == pytest.approx(second, rel=1e-4)
    assert h[-1] == pytest.approx(largest, rel=1e-4)


def test_networkx_builds_the_same_laplacian():
    networkx = pytest.importorskip("networkx")
    graph = networkx.Graph()
    graph.add_nodes_from(range(36))
    graph.add_edges_from([(i, j) for i, j in graphs.expander().tolist() if i != j])
    theirs = networkx.laplacian_matrix(graph, nodelist=range(36)).toarray()
    np.testing.assert_array_equal(graphs.laplacian(graphs.expander(), 36).toarray(), theirs)


@pytest.mark.parametrize("n", [1, 2, 25, 100])
def test_the_convex_rosenbrock(n):
    problem = problems.convex_rosenbrock(n, kappa=1000.0)
    c = 999 / 4
    matrix = c * (2 * np.eye(n) - np.eye(n, k=1) - np.eye(n, k=-1)) + np.eye(n)
    b = np.zeros(n)
    b[0] = c
    np.testing.assert_allclose(problem.optimum, np.linalg.solve(matrix, b), rtol=1e-9)
    np.testing.assert_allclose(problem.spectrum.curvatures, np.linalg.eigvalsh(matrix), rtol=1e-10)
    w = np.linspace(-1, 1, n)
    padded = np.append(w, 0.0)
    by_hand = c * (0.5 * (w[0] - 1) ** 2 + 0.5 * np.sum(np.diff(padded) ** 2) + 2 / 999 * np.sum(w**2))
    assert problem.value(w) == pytest.approx(by_hand, rel=1e-12)
    np.testing.assert_allclose(problem.gradient(w), matrix @ w - b, atol=1e-10)


def test_the_dead_zone_of_the_convex_rosenbrock():
    problem = problems.convex_rosenbrock()
    assert problem.spectrum.kappa == pytest.approx(214.64, abs=0.005)
    np.testing.assert_allclose(problem.spectrum.curvatures[[0, -1]], [4.6419174, 996.358083], rtol=1e-7)
    path = reference.run(problem, Method(0.00352005, 0.761695), 100, keep_path=True).path
    error = np.abs(path - problem.optimum).max(axis=1)
    np.testing.assert_allclose(error[[5, 10, 20, 30, 50, 100]], [0.654, 0.440, 0.129, 0.0444, 4.05e-3, 6.6e-6], rtol=0.01)
    for k in range(25):
        assert np.count_nonzero(path[k]) == k  # exactly: no rounding leaks into the dead zone
        assert error[k] >= problem.optimum[k] * (1 - 1e-12)  # the lower bound, w*_{k+1}


def test_a_long_chain_is_no_trouble():
    problem = problems.convex_rosenbrock(10**5)
    assert problem.optimum[0] == pytest.approx(problem.facts["q"], rel=1e-12)
    assert np.abs(problem.gradient(problem.optimum)).max() < 1e-9


def test_heavy_ball_is_trapped_for_ever():
    problem = problems.heavy_ball_trap()
    cycle = problem.facts["cycle"]
    path = reference.run(problem, Method(1 / 9, 4 / 9), 3000, keep_path=True).path[:, 0]
    assert min(np.abs(path[-3:] - np.roll(cycle, shift)).max() for shift in range(3)) < 1e-9
    # in exact arithmetic the cycle is one: three steps of heavy ball come back to where they began

    def slope(x):
        return 25 * x if x < 1 else x + 24 if x < 2 else 25 * x - 24

    points = [Fraction(v, 1225) for v in (792, -2208, 2592)]
    for i in range(3):
        before, now = points[i - 1], points[i]
        after = now - Fraction(1, 9) * slope(now) + Fraction(4, 9) * (now - before)
        assert after == points[(i + 1) % 3]
    assert reference.run(problem, Method(1 / 25), 300).loss < 1e-9  # gradient descent has no such trouble


def test_linear_regression_of_the_first_source():
    ends = []
    for seed in range(40):
        problem = problems.linear_regression(seed)

        def drop(k):
            return Method(0.2 if k < 200 else 0.02, 0.9)

        record = reference.run(problem, drop, 300, batch_size=10, seed=seed, evaluate_every=100)
        assert record.notes["loss_steps"] == [0, 100, 200, 300]
        ends.append(record.losses)
    low, high = np.quantile(ends, [0.05, 0.95], axis=0)
    # medians of 1000 seeds and what was printed lie inside what 40 seeds do
    for epoch, median, printed in [(1, 3.63e-3, 3.4819e-4), (2, 7.33e-5, 6.6014e-5), (3, 5.14e-5, 5.0524e-5)]:
        assert low[epoch] < median < high[epoch]
        assert np.min(ends, axis=0)[epoch] < printed < high[epoch]
    assert np.median(ends, axis=0)[3] == pytest.approx(5.14e-5, rel=0.03)

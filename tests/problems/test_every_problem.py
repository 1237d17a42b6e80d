"""Every built-in problem against finite differences, against itself one trial at a time, and at its optimum."""

import functools

import numpy as np
import pytest

from inertia import problems
from inertia.core.spectrum import spectrum

RNG = np.random.default_rng(11)


def _made():
    square = np.random.default_rng(0).standard_normal((6, 6))
    x = np.random.default_rng(1).standard_normal((30, 4))
    y = np.random.default_rng(2).integers(0, 3, 30)
    return problems.BUILT_IN | {
        "dense": lambda: problems.quadratic(square @ square.T + np.eye(6), linear=np.arange(6.0), constant=3.0),
        "saddle": lambda: problems.quadratic(np.diag([1.0, -2.0]), linear=[1.0, 1.0], definite=False),
        "turned": lambda: problems.from_spectrum(spectrum([1.0, 2.0, 30.0], weights=[1.0, 0.0, 4.0]), seed=4),
        "ridge": lambda: problems.least_squares(x, y, l2=0.3),
        "logistic-ridge": lambda: problems.logistic(x, y > 0, l2=0.1),
        "softmax-ridge": lambda: problems.softmax(x, y, l2=0.2),
        "function": lambda: problems.from_function(lambda w: np.cosh(w).sum(), [0.3, -0.5], np.sinh),
    }


MADE = _made()


@functools.cache
def problem_of(name):
    return MADE[name]()


def near(problem, trials):
    """Points around the start, where nothing overflows and no kink is met."""
    return problem.start + 0.1 * RNG.standard_normal((trials, problem.dimension))


def some_rows(problem):
    return None if problem.examples is None else RNG.choice(problem.examples, size=7, replace=False)


@pytest.mark.parametrize("name", MADE)
@pytest.mark.parametrize("batch", [False, True], ids=["whole", "rows"])
def test_gradient_and_hessian_are_slopes(name, batch):
    problem = problem_of(name)
    if batch and problem.examples is None:
        assert problem.draw is None  # one deterministic function: nothing random about it
        return
    rows = some_rows(problem) if batch else None
    at, direction = near(problem, 4), RNG.standard_normal((4, problem.dimension))
    direction /= np.linalg.norm(direction, axis=-1, keepdims=True)
    h = 1e-5
    slope = (problem.value(at + h * direction, rows) - problem.value(at - h * direction, rows)) / (2 * h)
    gradient = problem.gradient(at, rows)
    # central differences of a value of size s lose about eps s/h to rounding, 1e-10 |f'''| to the step
    scale = np.abs(problem.value(at, rows)).max() + np.abs(gradient).max() + 1
    np.testing.assert_allclose(np.sum(gradient * direction, axis=-1), slope, rtol=1e-5, atol=1e-9 * scale)
    bend = (problem.gradient(at + h * direction, rows) - problem.gradient(at - h * direction, rows)) / (2 * h)
    np.testing.assert_allclose(problem.hvp(at, direction, rows), bend, rtol=1e-5, atol=1e-8 * scale)


@pytest.mark.parametrize("name", MADE)
def test_hvp_broadcasts_points_against_vectors(name):
    problem = problem_of(name)
    at, vectors = near(problem, 2), RNG.standard_normal((3, 1, problem.dimension))
    together = problem.hvp(at, vectors)
    assert together.shape == (3, 2, problem.dimension)
    tiny = 1e-12 * (np.abs(together).max() + 1)
    np.testing.assert_allclose(together[1, 0], problem.hvp(at[0], vectors[1, 0]), rtol=1e-9, atol=tiny)
    np.testing.assert_allclose(problem.hvp(at, vectors[2, 0]), together[2], rtol=1e-9, atol=tiny)
    np.testing.assert_allclose(problem.hvp(at[1], vectors[:, 0]), together[:, 1], rtol=1e-9, atol=tiny)
    problem.hvp(at, vectors[2, 0])[...] = 0.0  # the answer belongs to the caller


@pytest.mark.parametrize("name", MADE)
def test_trials_together_are_trials_alone(name):
    problem = problem_of(name)
    rows = some_rows(problem)
    at = near(problem, 6).reshape(2, 3, -1)
    vector = RNG.standard_normal(at.shape)
    value, gradient, product = problem.value(at, rows), problem.gradient(at, rows), problem.hvp(at, vector, rows)
    assert value.shape == (2, 3)
    assert gradient.shape == product.shape == at.shape
    tiny = 1e-12 * (np.abs(gradient).max() + np.abs(product).max() + 1)
    for index in np.ndindex(2, 3):
        # the sums of one big and of six small matrix products are ordered differently
        np.testing.assert_allclose(value[index], problem.value(at[index], rows), rtol=1e-11)
        np.testing.assert_allclose(gradient[index], problem.gradient(at[index], rows), rtol=1e-9, atol=tiny)
        np.testing.assert_allclose(product[index], problem.hvp(at[index], vector[index], rows), rtol=1e-9, atol=tiny)


@pytest.mark.parametrize("name", MADE)
def test_nothing_given_is_written_into(name):
    problem = problem_of(name)
    at, vector = near(problem, 2), RNG.standard_normal((2, problem.dimension))
    kept = at.copy(), vector.copy(), problem.start.copy()
    problem.value(at), problem.gradient(at)[...], problem.hvp(at, vector)
    for now, before in zip((at, vector, problem.start), kept, strict=True):
        np.testing.assert_array_equal(now, before)


@pytest.mark.parametrize("name", [name for name in MADE if name not in {"digits", "breast-cancer"}])
def test_the_optimum_is_one(name):
    problem = problem_of(name)
    if problem.optimum is None:
        assert name in {"saddle", "logistic-ridge", "softmax-ridge", "function"}
        return
    scale = np.abs(problem.gradient(problem.start)).max()
    assert np.abs(problem.gradient(problem.optimum)).max() <= 1e-10 * scale
    assert problem.value(problem.optimum) == pytest.approx(problem.minimum, rel=1e-9, abs=1e-12)
    around = problem.value(problem.optimum + 1e-3 * RNG.standard_normal((50, problem.dimension)))
    assert (around > problem.minimum).all()


@pytest.mark.parametrize("name", [name for name in MADE if name not in {"digits", "breast-cancer"}])
def test_an_exact_spectrum_is_that_of_the_hessian(name):
    problem = problem_of(name)
    if problem.spectrum is None:
        assert not name.startswith(("valley", "poly", "maze", "diab", "planar", "scalar", "convex"))
        return
    eye = np.eye(problem.dimension)
    hessian = problem.hvp(np.broadcast_to(problem.start, eye.shape), eye)
    np.testing.assert_allclose(hessian, hessian.T, atol=1e-9 * np.abs(hessian).max())
    # eigvalsh is exact to eps times the largest eigenvalue
    np.testing.assert_allclose(problem.spectrum.curvatures, np.linalg.eigvalsh(hessian), rtol=1e-9, atol=1e-13 * problem.spectrum.L)
    assert problem.spectrum.excess == pytest.approx(problem.value(problem.start) - problem.minimum, rel=1e-8)
    assert problem.spectrum.upper >= problem.spectrum.L


@pytest.mark.parametrize("name", problems.BUILT_IN)
def test_every_built_in_problem_introduces_itself(name):
    problem = problem_of(name)
    assert problem.name == name
    assert problem.about
    assert np.isfinite(problem.value(problem.start))
    if problem.domain is not None:
        (left, right), (low, high) = problem.domain
        assert problem.dimension == 2
        for x, y in (problem.start, problem.optimum):
            assert left <= x <= right
            assert low <= y <= high


def test_torch_agrees_on_the_networkless_models():
    torch = pytest.importorskip("torch")
    x = RNG.standard_normal((40, 5))
    y = RNG.integers(0, 4, 40)
    w = RNG.standard_normal(20)
    ours = problems.softmax(x, y)
    params = torch.tensor(w, requires_grad=True)
    loss = torch.nn.functional.cross_entropy(torch.tensor(x) @ params.reshape(4, 5).T, torch.tensor(y))
    loss.backward()
    assert ours.value(w) == pytest.approx(loss.item(), rel=1e-13)
    np.testing.assert_allclose(ours.gradient(w), params.grad.numpy(), rtol=1e-11, atol=1e-14)
    two = torch.tensor(w[:5], requires_grad=True)
    loss = torch.nn.functional.binary_cross_entropy_with_logits(torch.tensor(x) @ two, torch.tensor(1.0 * (y > 1)))
    loss.backward()
    binary = problems.logistic(x, y > 1)
    assert binary.value(w[:5]) == pytest.approx(loss.item(), rel=1e-13)
    np.testing.assert_allclose(binary.gradient(w[:5]), two.grad.numpy(), rtol=1e-11, atol=1e-14)


def test_scores_of_any_size_do_not_overflow():
    x = np.array([[1e4], [-1e4]])
    for problem in (problems.logistic(x, [0, 1]), problems.softmax(x, [0, 1])):
        at = np.full(problem.dimension, 1.0)
        at[0] = -3.0
        for values in (problem.value(at), problem.gradient(at), problem.hvp(at, at)):
            assert np.isfinite(values).all()

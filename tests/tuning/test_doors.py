"""The contract of the three doors: the same problem is the same measurement and the same runs, whatever framework it is written in."""

import dataclasses

import numpy as np
import pytest

jax = pytest.importorskip("jax")
torch = pytest.importorskip("torch")

import jax.numpy as jnp  # noqa: E402
import optax  # noqa: E402
from torch import nn  # noqa: E402

from inertia.jax.door import JaxJob  # noqa: E402
from inertia.problems import least_squares, logistic  # noqa: E402
from inertia.problems.base import Problem  # noqa: E402
from inertia.torch.door import TorchJob  # noqa: E402
from inertia.tuning.budget import Budget  # noqa: E402
from inertia.tuning.measuring import measure  # noqa: E402
from inertia.tuning.numpy_door import ProblemJob  # noqa: E402
from inertia.tuning.recipe import Recipe  # noqa: E402

N, D = 120, 6


@pytest.fixture(autouse=True)
def _double():
    from inertia.jax.probe import double

    with double():
        yield


def data(classes=False):
    rng = np.random.default_rng(3)
    x = rng.standard_normal((N, D)) * np.geomspace(2, 0.1, D)
    y = x @ np.ones(D) + 0.7 * rng.standard_normal(N)
    return x, (y > 0).astype(float) if classes else y


class Linear(nn.Module):
    def __init__(self):
        super().__init__()
        self.w = nn.Parameter(torch.full((D,), 0.1, dtype=torch.float64))

    def forward(self, x):
        return x @ self.w


def moved(problem, by):
    return dataclasses.replace(problem, value=lambda w, rows=None: problem.value(w, rows) + by, minimum=None)


def convex(kind, shift=0.0, l2=0.0):
    """One convex problem in three frameworks: logistic, squares, or the likelihood of squares with a known small scatter (below 0)."""
    x, y = data(kind == "logistic")
    start = np.full(D, 0.1)
    if kind == "logistic":
        problem = logistic(x, y, l2=l2, start=start)
        loss = nn.BCEWithLogitsLoss()
        jloss = lambda w, b: optax.sigmoid_binary_cross_entropy(b[0] @ w, b[1]).mean()  # noqa: E731
    else:
        problem = least_squares(x, y, l2=l2, start=start)
        loss = lambda out, t: 0.5 * ((out - t) ** 2).mean()  # noqa: E731
        jloss = lambda w, b: 0.5 * jnp.mean((b[0] @ w - b[1]) ** 2)  # noqa: E731
    forward = lambda m, b: loss(m(b[0]), b[1]) + 0.5 * l2 * (m.w**2).sum() + shift  # noqa: E731
    return [
        ProblemJob(moved(problem, shift)),
        TorchJob(Linear(), None, (torch.tensor(x), torch.tensor(y)), forward=forward),
        JaxJob(lambda w, b: jloss(w, b) + 0.5 * l2 * jnp.sum(w**2) + shift, jnp.full(D, 0.1), (jnp.asarray(x), jnp.asarray(y))),
    ]


def network():
    """A network with one hidden layer of 5 tanh, mean squared error: torch, JAX, and numpy with torch's derivatives."""
    x, y = data()
    generator = torch.Generator().manual_seed(0)
    begin = 0.6 * torch.randn(5 * D + 5, dtype=torch.float64, generator=generator)

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.w = nn.Parameter(begin.clone())

        def forward(self, x):
            return torch.tanh(x @ self.w[: 5 * D].view(D, 5)) @ self.w[5 * D :]

    xs, ys = torch.tensor(x), torch.tensor(y)

    def value(w, rows):
        a, b = (xs, ys) if rows is None else (xs[rows], ys[rows])
        return ((torch.tanh(a @ w[: 5 * D].view(D, 5)) @ w[5 * D :] - b) ** 2).mean()

    def each(function, w, *more):
        flat = np.atleast_2d(w)
        made = np.array([function(torch.tensor(row), *more) for row in flat])
        return made.reshape((*np.shape(w)[:-1], *made.shape[1:]))

    def slope(p, rows):
        p = p.requires_grad_()
        return torch.autograd.grad(value(p, rows), p)[0].numpy()

    def product(p, rows, v):
        p = p.requires_grad_()
        return torch.autograd.grad(torch.autograd.grad(value(p, rows), p, create_graph=True)[0] @ v, p)[0].numpy()

    problem = Problem(
        "network",
        value=lambda w, rows=None: each(lambda p: float(value(p, rows)), w),
        gradient=lambda w, rows=None: each(slope, w, rows),
        hvp=lambda w, v, rows=None: each(product, w, rows, torch.tensor(v)),
        start=begin.numpy(),
        examples=N,
    )
    jloss = lambda w, b: jnp.mean((jnp.tanh(b[0] @ w[: 5 * D].reshape(D, 5)) @ w[5 * D :] - b[1]) ** 2)  # noqa: E731
    return [
        ProblemJob(problem),
        TorchJob(Net(), nn.MSELoss(), (xs, ys)),
        JaxJob(jloss, jnp.asarray(begin.numpy()), (jnp.asarray(x), jnp.asarray(y))),
    ]


CASES = {
    "logistic": (lambda: convex("logistic"), 0.0, 20),
    "logistic, decay": (lambda: convex("logistic"), 0.05, 20),
    "logistic, down 1000": (lambda: convex("logistic", -1000.0), 0.0, 20),
    "ridge, whole": (lambda: convex("squares", l2=0.1), 0.0, N),
    "likelihood below 0": (lambda: convex("squares", -5.0), 0.01, 20),
    "network": (network, 0.0, 20),
    "network, whole": (network, 0.01, N),
}


@pytest.mark.parametrize("name", CASES)
def test_one_problem_is_one_measurement_and_the_same_runs_through_all_doors(name):
    make, decay, batch = CASES[name]
    jobs = make()
    budget = Budget(100, batch, N, 1 - np.arange(100) / 100, "linear", weight_decay=decay, clip=0.8)
    first, *others = (measure(job, budget, seed=1) for job in jobs)
    assert first.convex == (not name.startswith("network"))
    for other in others:
        assert (other.dimension, other.examples, other.used, other.convex) == (first.dimension, N, first.used, first.convex)
        assert other.lowest is None or (other.lowest == 0 and name.startswith("network"))  # torch's own cross-entropy has a bound
        assert len(other.ladders) == len(first.ladders) == (batch < N)  # steps on all examples are too dear for short runs
        for one, two in zip(first.ladders, other.ladders, strict=True):
            assert two.rates.tolist() == one.rates.tolist()
            assert two.best == pytest.approx(one.best, abs=0.01)
        assert other.loss == pytest.approx(first.loss, rel=1e-10)
        assert [place.where for place in other.at] == [place.where for place in first.at]
        for one, two in zip(first.at, other.at, strict=True):
            assert [two.largest, two.upper, two.smallest, two.sampling] == pytest.approx(
                [one.largest, one.upper, one.smallest, one.sampling], rel=1e-5, abs=1e-6 * one.largest
            )
        assert [other.noise.trace, other.noise.error, other.gradient_norm] == pytest.approx(
            [first.noise.trace, first.noise.error, first.gradient_norm], rel=1e-7
        )
        for one, two in ((first.gradient, other.gradient), (first.noise.along, other.noise.along)):
            np.testing.assert_allclose(two.nodes, one.nodes, rtol=1e-4, atol=1e-5 * first.largest)
            np.testing.assert_allclose(two.shares, one.shares, rtol=1e-3, atol=1e-5 * one.shares.sum() if len(one.shares) else 0)
            np.testing.assert_allclose(two.position, one.position, rtol=1e-3, atol=1e-4)
        assert (other.tail is None) == (first.tail is None)
        if first.tail is not None:
            assert dataclasses.astuple(other.tail) == pytest.approx(dataclasses.astuple(first.tail), rel=1e-3)
    recipes = [Recipe(0.1, 0.9, nesterov=True), Recipe(0.05, 0.9), Recipe(0.02, 0.9, optimizer="adamw"), Recipe(1e12)]
    seeds, marks = [1, 2, 1, 1], np.array([0, 50, 100])
    plain, *rest = (job.run(recipes, budget, seeds, marks=marks, keep=True) for job in jobs)
    for runs in rest:
        for one, two in zip(plain, runs, strict=True):
            assert (two.recipe, two.seed, two.diverged_at, two.error, two.marks.tolist()) == (
                one.recipe, one.seed, one.diverged_at, "", one.marks.tolist(),
            )  # fmt: skip
            np.testing.assert_allclose(two.training, one.training, rtol=1e-6)
            assert (two.end is None) == (one.end is None)
    for job, run in zip(jobs, (plain[0], rest[0][0], rest[1][0]), strict=True):
        assert job.read(job.unpack(run.end)).training == pytest.approx(run.training[-1], rel=1e-9)
        assert job.unpack(b"something else") is None
        assert job.norm(job.start(0)) == pytest.approx(first.parameter_norm)


def test_walks_lead_to_the_same_place():
    jobs = convex("logistic")
    budget = Budget(100, 20, N, np.ones(100), weight_decay=0.1)
    ends = [job.read(job.walk(job.start(0), Recipe(0.3, 0.9, nesterov=True), budget, 7, seed=4)).training for job in jobs]
    assert ends == pytest.approx([ends[0]] * 3, rel=1e-9)

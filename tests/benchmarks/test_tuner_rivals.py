"""The tuner's benchmark: rivals see the grid's runs exactly, searches pick what they saw, rules read known curves."""

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("jax")
optax = pytest.importorskip("optax")
pytest.importorskip("sklearn")

FOLDER = Path(__file__).parents[2] / "benchmarks" / "tuner"


@pytest.fixture
def cell():
    """Softmax regression on the digits, 112 steps: training, grid and the unit of its learning rates."""
    from scores import CONVEX, Grid, read
    from training import ConvexTraining

    training = ConvexTraining(("digits", 112, 32), "linear")
    return training, Grid(training.name, "linear"), read(CONVEX)["cells"][f"{training.name}, linear"]["unit"]


def test_an_optax_optimizer_on_a_convex_cell_is_the_numpy_run_of_the_grid(cell):
    training, grid, unit = cell
    rate = 2.0**-3 / unit
    ended, held = training.optimizer(lambda factor: optax.sgd(lambda step: rate * factor(step), momentum=0.9, nesterov=True))
    assert ended == pytest.approx(grid.runs["nesterov-0.9", "-3.0"]["train"], rel=1e-5)  # the grid is kept with six digits
    assert held == []


@pytest.mark.slow
def test_an_optax_optimizer_on_a_network_is_the_trial_of_the_grid():
    from scores import Grid
    from training import NetworkTraining

    training, grid = NetworkTraining("mlp-big", "linear"), Grid("mlp-big", "linear")
    ended, held = training.optimizer(lambda factor: optax.sgd(lambda step: 2.0**-3 * factor(step), momentum=0.9))
    wanted = grid.runs["0.9", "-3.0"]
    # float32 sums in another order over 80 steps
    assert ended == pytest.approx(wanted["train"], rel=2e-3)
    assert held == pytest.approx(wanted["validation"], rel=2e-3)


def test_a_rival_with_one_fixed_rate_is_the_same_run(cell):
    from inertia.core.method import Method

    training, grid, unit = cell
    losses, held = training.methods(Method(np.array([2.0**-3 / unit]), np.array([0.9]), np.array([0.9]), np.zeros(1)), seed=1)
    assert losses[0] == pytest.approx(grid.runs["nesterov-0.9", "-3.0"]["train"][1], rel=1e-5)
    assert np.isnan(held).all()


def test_the_sweep_of_a_convex_cell_is_gradient_descent_with_growing_rates():
    from training import ConvexTraining

    training = ConvexTraining(("diabetes", 90, 10), "constant")
    rates, problem = np.array([0.1, 0.2]), training.problem
    rows = np.random.default_rng(7).permutation(problem.examples)[:20].reshape(2, 10)
    start = training.start(7)
    after = start - 0.1 * problem.gradient(start, rows[0])
    wanted = [problem.value(start, rows[0]), problem.value(after, rows[1])]
    assert np.allclose(training.sweep(rates, 0.9, 7), wanted, rtol=1e-12)


def test_the_finder_reads_a_known_curve():
    from finder import read, smoothed

    assert np.allclose(smoothed(np.full(50, 3.0)), 3.0)  # the correction for the start at zero
    rates = np.geomspace(1e-7, 10, 100)
    losses = 2 / (1 + (rates / 0.01) ** 2) + np.where(rates > 0.5, np.inf, 0)
    found = read(rates, losses)
    assert found["minimum/10"] < 0.05
    assert 1e-3 < found["steepest"] < 0.5  # the fall lies around 0.01, smoothing reads it later


def test_searches_recommend_the_best_of_what_they_saw():
    from scores import Grid
    from searches import random_search, tpe

    grid = Grid("digits 112 steps, batch 32", "linear")
    everything = random_search(grid, len(grid.runs))
    bests = {min(grid.runs, key=lambda key, seed=seed: grid.on_seed(key, seed)) for seed in range(3)}
    assert set(everything) == bests  # who sees all cells on one seed picks that seed's best
    pytest.importorskip("optuna")
    assert sum(tpe(grid, 4).values()) == 30


def test_halving_runs_what_is_missing_once_and_keeps_the_better_ones():
    from halving import Short, cost, halving
    from scores import Grid

    grid = Grid("digits 112 steps, batch 32", "linear")

    class Training:
        steps, calls = 112, 0

        def methods(self, methods, seed, steps):
            Training.calls += 1
            assert steps in (14, 28)
            return np.asarray(methods.alpha) + np.asarray(methods.beta), None  # the smallest rate without momentum wins

    def search():
        return halving(Short(grid, Training(), 1.0, losses, lambda: None), (264, 6, 1), 3)

    losses = {}
    picks = search()
    assert set(picks) == {("0", "-12.0")}
    calls = Training.calls
    assert calls > 0
    assert search() == picks
    assert Training.calls == calls
    assert (cost((12, 3, 1)), cost((48, 12, 4))) == (3.25, 13.0)


def test_a_loss_beyond_all_bounds_counts_as_minus_one():
    from scores import Scale, mean

    scale = Scale(start=2.0, oracle=0.5)
    assert scale.score(mean([0.5, None, 0.5])) == scale.score(1e9)
    assert scale.score(1e9)[1] == -1.0
    assert scale.score(0.5) == (0.0, 1.0)
    assert scale.score(0.52)[0] == pytest.approx(np.log(0.54 / 0.52))


def test_an_unknown_job_is_refused_with_the_names_there_are():
    from networks import main

    with pytest.raises(SystemExit, match="no such job or option: mpl; jobs are mlp, "):
        main(["mpl", "--tuner"])


def test_the_tables_are_printed_from_the_data(capsys):
    from networks import main

    main(["--table"])
    said = capsys.readouterr().out
    assert said.count("| who | cost in runs |") == 2
    assert "| mlp | constant |" in said

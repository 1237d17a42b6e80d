"""The numbers of the later figures, each by a second road: dense algebra, the reference loop, printed values."""

import json

import numpy as np
import pytest

from inertia.core.method import Method
from inertia.errors import BadData, BadInput
from inertia.lab.api import handle
from inertia.lab.draws import normal, permutation, uniform
from inertia.lab.fields import clean
from inertia.lab.figures import airfoil as airfoil_figure
from inertia.lab.figures import colour, graphs, limits, noise, polynomial
from inertia.lab.loaded import kept, loaded
from inertia.lab.mazes import PRESETS, conjugate, decoded, encoded, preset, reduced
from inertia.problems import airfoil, maze
from inertia.problems.graphs import laplacian
from inertia.theory import bounds, modes
from inertia.theory import noise as theory_noise
from inertia.theory.sequences import conjugate_gradient_curve


def shown(name, **state):
    reply = handle({"figure": name, "state": state})
    assert "error" not in reply, reply
    return reply["view"] | reply["costly"] | {"caption": reply["caption"]}


# --- colour through a maze ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("k", [1, 7, 60, 5000])
@pytest.mark.parametrize("one", [Method(0.24), Method(0.5, beta=0.98), Method(0.3, beta=0.9)])
def test_the_krylov_basis_gives_every_cell_of_the_dense_maze(one, k):
    mask, seeds = np.ones((9, 11), dtype=bool), (3, 40)
    mask[4, 2:] = False
    found = reduced(encoded(mask), (seeds[0], 66))
    number = np.cumsum(mask.ravel()) - 1
    problem = maze(mask, number[[seeds[0], 66]], target=1.0)
    h, q = problem.facts["eigenvalues"], problem.facts["eigenvectors"]
    dense = 1 - q @ (modes.iterate(one, h, k).params * (q.T @ np.ones(h.size)))
    ours = found.picture(modes.iterate(one, found.values, k).params)
    np.testing.assert_allclose(ours, dense, atol=1e-10)


def test_the_source_maze_has_its_printed_eigenvalues():
    mask, seeds = preset("chambers")
    found = reduced(encoded(mask), tuple(seeds))
    np.testing.assert_allclose(found.values[:4], [5.10927e-5, 4.28455e-4, 1.01057e-3, 1.46805e-3], rtol=6e-6)  # six digits are printed
    assert found.values[-1] / found.values[0] == pytest.approx(155_099, rel=1e-5)
    assert found.shares.sum() == pytest.approx(1)


def test_conjugate_gradients_on_the_cells_are_those_on_the_spectrum():
    part = np.ones((6, 8), dtype=bool)
    part[2, 1:] = False
    problem = maze(part, [0], target=1.0)
    found = conjugate(encoded(part), (0,))
    losses = np.array([problem.value(weights) for weights in found.weights[:13]])
    np.testing.assert_allclose(losses, conjugate_gradient_curve(problem.spectrum, 12)[:13], rtol=1e-7)
    assert found.done


def test_masks_survive_the_trip_through_text_and_nothing_else_passes():
    rng = np.random.default_rng(0)
    for shape in [(1, 1), (3, 5), (16, 112), (100, 100)]:
        mask = rng.random(shape) < 0.6
        assert np.array_equal(decoded(encoded(mask)), mask)
    for text in ("", "2x2", "2x2:zz", "2x2:b0b0", "0x5:", "301x300:" + "0" * 22576, "../../etc/passwd"):
        with pytest.raises(BadInput, match="maze"):
            decoded(text)
    with pytest.raises(BadInput, match="no seed is inside the maze"):
        reduced("2x2:b0", (1,))


def test_every_built_in_maze_is_whole():
    for name in PRESETS:
        mask, seeds = preset(name)
        assert reduced(encoded(mask), tuple(seeds)).cells.size == mask.sum(), name


def test_walled_off_cells_are_said():
    reply = shown("colour", cells="1x5:d8", seeds=[0])  # cells 0, 1 and 3, 4; a wall between
    assert "2 cells are walled off" in reply["caption"]
    assert reply["maze"]["live"].tolist() == [[True, True, False, False, False]]


def test_a_large_maze_says_where_conjugate_gradients_were_not_followed():
    state = clean(colour.FIELDS, {"maze": "large", "k": 5000})
    values = colour.view(state).values
    assert np.isnan(values["now"][3])
    assert values["now"][2] < 0.1


# --- graphs ------------------------------------------------------------------------------------------------------------


def test_an_edge_can_be_cut_and_put_back():
    base = graphs._base("path", 9, 0)
    cut = graphs._flipped(base, 9, [3, 4])
    assert len(cut) == 7
    assert len(graphs._flipped(base, 9, [3, 4, 4, 3])) == 8
    assert "fallen into *2* parts" in shown("graphs", graph="path", n=9, flips=[3, 4])["caption"]


@pytest.mark.parametrize(("kind", "nodes", "kappa"), [("path", 36, 524.6), ("grid", 36, 27.86)])
def test_condition_numbers_are_the_printed_ones(kind, nodes, kappa):
    assert shown("graphs", graph=kind, n=nodes)["kappa"] == pytest.approx(kappa, rel=1e-3)


def test_news_spreads_as_steps_on_the_laplacian_spread_it():
    reply = shown("graphs", graph="grid", n=16, a=5, method="descent")
    edges = reply["edges"]
    matrix = laplacian(edges, 16).toarray()
    h = np.linalg.eigvalsh(matrix)
    heat = np.eye(16)[5]
    for _ in range(3):
        heat = heat - 2 / (h[1] + h[-1]) * matrix @ heat
    expected = np.round(127.5 * np.clip(16 * heat, 0, 2))
    assert np.abs(reply["frames"][3].astype(int) - expected).max() <= 1


# --- limits ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [*limits._NAMES, "adam"])
def test_every_method_stays_above_the_bound_and_inside_the_cone(name):
    n, steps = 40, 60
    weights, errors = limits._run(name, n, 500.0, steps, None)
    bound = bounds.lower_bound(n, 500.0, np.arange(steps + 1))
    assert np.all(errors >= bound - 1e-12)
    assert np.all(weights[bounds.dead_zone(n, steps)] == 0)


def test_errors_of_the_heavy_ball_are_the_printed_ones():
    """Figure 18: 0.654, 0.440, 0.129 after 5, 10, 20 steps at the optimum of n = 25, kappa = 1000."""
    errors = limits._run("heavy-ball", 25, 1000.0, 50, None)[1]
    np.testing.assert_allclose(errors[[5, 10, 20]], [0.654, 0.440, 0.129], rtol=2e-3)


# --- noise -------------------------------------------------------------------------------------------------------------


def test_the_floor_is_the_printed_one_and_runs_keep_to_the_formula():
    reply = shown("noise", alpha=0.03305785, beta=0.669, runs=300, steps=300)
    assert reply["floor"] == pytest.approx(0.22725, rel=2e-3)
    late = slice(150, None)
    # 300 runs of 150 correlated steps: the mean of their means has a standard error of about 1.5 %
    assert np.mean(reply["mean"][late]) == pytest.approx(np.mean(reply["total"][late]), rel=0.06)
    assert reply["total"][0] == pytest.approx(1.5)


def test_the_split_is_the_closed_form_at_every_step():
    reply = shown("noise", curvatures=[0.5, 2.0], alpha=0.1, beta=0.8)
    known = noise._spectrum([0.5, 2.0], 3.0)
    parts = theory_noise.split(Method(0.1, beta=0.8), known, np.arange(151))
    np.testing.assert_allclose(reply["bias"], parts.bias, rtol=1e-9, atol=1e-15)
    np.testing.assert_allclose(reply["noise"], parts.noise, rtol=1e-9)
    assert reply["crossing"] == theory_noise.crossing(Method(0.1, beta=0.8), known)


# --- polynomial --------------------------------------------------------------------------------------------------------


def test_steps_and_shares_of_the_source():
    reply = shown("polynomial")
    np.testing.assert_allclose(reply["milestones"], [31, 12, 684, 2789, 300_900, 1_241_708], rtol=1e-4)
    np.testing.assert_allclose(reply["learned"], [1, 1, 0.391, 0.114, 0.00112, 0.00027], rtol=0.01)


def test_a_left_out_point_is_predicted_by_descent_on_the_others():
    x, d = polynomial.POINTS, polynomial.TARGETS
    one, k = Method(0.1, beta=0.5), 40
    z, misses = polynomial.monomials(x, 3), []
    for i in range(len(x)):
        rest = np.arange(len(x)) != i
        w, v = np.zeros(4), np.zeros(4)
        for _ in range(k):
            v = one.beta * v + z[rest].T @ (z[rest] @ w - d[rest])
            w = w - one.alpha * v
        misses.append(z[i] @ w - d[i])
    held = polynomial._held(polynomial._left_out(x, d, 3), one, np.array([k]))[0]
    assert held == pytest.approx(np.sqrt(np.mean(np.square(misses))), rel=1e-9)


def test_points_and_targets_must_pair():
    assert "as many of one as of the other" in handle({"figure": "polynomial", "state": {"points": [0.1] * 5}})["error"]["message"]


# --- airfoil -----------------------------------------------------------------------------------------------------------


def test_airfoil_runs_are_those_of_a_plain_loop():
    problem = airfoil(airfoil_figure.measurements())
    losses = airfoil_figure.trained(Method(np.array([0.005, 0.02]), np.array([0.9, 0.5])), 10, 1, 3)
    for index, (rate, beta) in enumerate(((0.005, 0.9), (0.02, 0.5))):
        for seed in range(3):
            order, w, velocity = permutation(1000 + 8 * seed, 1500), np.append(0.01 * normal(seed, 5), 0.0), np.zeros(6)
            expected = [problem.value(w)]
            for k in range(150):
                velocity = beta * velocity + problem.gradient(w, order[10 * k : 10 * k + 10])
                w = w - rate * velocity
                expected.append(problem.value(w))
            np.testing.assert_allclose(losses[index, :, seed], expected, rtol=1e-10)


def test_the_generator_draws_what_it_should():
    numbers = normal(3, 200_000)
    assert abs(numbers.mean()) < 0.01
    assert numbers.std() == pytest.approx(1, abs=0.01)
    assert np.mean(np.abs(numbers) > 1.96) == pytest.approx(0.05, abs=0.003)
    assert abs(np.corrcoef(numbers[:-1], numbers[1:])[0, 1]) < 0.01
    assert abs(np.corrcoef(normal(3, 10_000), normal(4, 10_000))[0, 1]) < 0.04
    parts = np.histogram(uniform(9, 100_000), 20, (0, 1))[0]
    assert np.abs(parts - 5000).max() < 350
    assert sorted(permutation(2, 500)) == list(range(500))


def test_the_printed_278_is_plain_descent():
    reply = shown("airfoil", runs=40)
    assert reply["final"][0].max() < 0.27
    assert reply["final"][1].min() < 0.279 < reply["final"][1].max()


# --- a record of one's own ---------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def record():
    """A small tuning of a quadratic, as JSON would bring it."""
    from inertia import tune
    from inertia.problems import diabetes

    pytest.importorskip("sklearn")
    return json.loads(json.dumps(tune(diabetes(), steps=60, batch_size=32, seed=0).to_json()))


def test_a_record_is_shown_with_the_forecast_it_was_made_with(record):
    mine = loaded(record)
    assert kept(mine.key) is mine
    index = record["best_run"]
    advice = record["recommendation"]
    form = "nesterov" if advice["gamma"] else "heavy-ball"
    reply = shown("yours", record=record, alpha=advice["alpha"], beta=advice["beta"], form=form)
    assert reply["key"] == mine.key
    assert reply["final"] == pytest.approx(record["curves"]["predicted"][index]["loss"][-1], rel=1e-6)
    assert len(reply["runs"]) == len(record["runs"])
    assert f"run ended at *{record['verified_loss']:.4g}*" in reply["caption"]
    again = handle({"figure": "yours", "state": {"key": mine.key}})
    assert again["view"]["steps"] == 60


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"recommendation": None}, "no record of `inertia tune`"),
        ({"steps": "many"}, "steps must be a number from 1"),
        ({"steps": 10**9}, "steps must be a number from 1"),
        ({"schedule": "zigzag"}, "schedule 'zigzag' is none of"),
        ({"spectrum": {}}, "must be a list of 1 to"),
        ({"measurement": {"loss": True}}, "loss must be a number"),
        ({"runs": 3}, "must be lists"),
        ({"verified_loss": "low"}, "verified_loss must be a number"),
        ({"runs": [3]}, "not an object"),
        ({"recommendation": {"alpha": -1}}, "alpha must be a number"),
    ],
)
def test_a_damaged_record_is_named(record, change, words):
    with pytest.raises(BadData, match=words):
        loaded(record | change)
    reply = handle({"figure": "yours", "state": {"record": record | change}})
    assert reply["error"]["kind"] == "BadData"


@pytest.mark.parametrize(
    ("part", "words"),
    [
        ({"weights": [1.0]}, "different lengths"),
        ({"curvatures": [1.0, 2.0], "weights": [1.0, -1.0], "noise": [0.0, 0.0], "upper": 2.0}, "cannot be used"),
        ({"curvatures": [-2.0, -1.0], "weights": [1.0, 1.0], "noise": [0.0, 0.0], "upper": -0.5}, "not positive"),
        ({"curvatures": [1e-9, 1e9], "weights": [1e9, 1e9], "noise": [1e9, 1e9], "upper": 1e9}, "out of all proportion"),
    ],
)
def test_a_damaged_spectrum_is_named(record, part, words):
    with pytest.raises(BadData, match=words):
        loaded(record | {"spectrum": record["spectrum"] | part, "recommendation": {"alpha": 1e9, "beta": 0.9, "gamma": 0}})


def test_a_damaged_curve_is_named(record):
    curves = {"actual": [{"steps": [0, 1], "loss": [1.0]}], "predicted": [{"steps": [0], "loss": [1.0]}]}
    with pytest.raises(BadData, match="other steps than losses"):
        loaded(record | {"curves": curves})


def test_what_was_never_loaded_is_not_in_memory():
    with pytest.raises(BadInput, match="no longer in memory"):
        kept("0123")

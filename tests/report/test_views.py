"""Views are arrays and words: the numbers of every picture, before anything is drawn."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from inertia import Method, Record, rate
from inertia.core.spectrum import spectrum
from inertia.errors import BadInput
from inertia.problems import diagonal, valley
from inertia.problems.simulation import run
from inertia.report import draw, landscape, words
from inertia.report.text import glyphs, spark

GROUND = spectrum([0.2, 1.0, 4.0])


@pytest.mark.parametrize("method", [Method(0.6, 0.5), Method(0.2, 0.5, 0.5), Method(0.1, 0.5, 0.2), Method(0.1, -0.3)])
def test_the_map_holds_the_rate_of_every_method(method):
    view = landscape.rates(method, GROUND, size=21)
    for row, column in [(0, 0), (7, 13), (20, 20)]:
        beta = float(view.beta[row])
        gamma = beta if method.gamma == method.beta else method.gamma
        worst = max(float(rate(Method(float(view.alpha[column]), beta, gamma), h)) for h in GROUND.curvatures)
        assert view.rate[row, column] == pytest.approx(worst, rel=1e-12)
    assert view.point == (method.alpha, method.beta)
    assert view.beta[0] == (-1 if method.beta < 0 else 0)


def test_the_edge_of_the_map_is_where_the_rate_is_one():
    view = landscape.rates(Method(0.6, 0.5), GROUND, size=9)
    for beta, limit in zip(view.beta[:-1], view.edge[:-1], strict=True):
        assert float(rate(Method(float(limit), float(beta)), 4.0)) == pytest.approx(1, abs=1e-12)


def test_the_ring_is_the_fastest_point():
    view = landscape.rates(Method(0.6, 0.5), GROUND)
    best = 4 / (np.sqrt(4) + np.sqrt(0.2)) ** 2, ((np.sqrt(20) - 1) / (np.sqrt(20) + 1)) ** 2
    assert_allclose(view.best, best, atol=0.01)  # the spacing of the map


def test_a_far_method_is_drawn_at_the_border_under_its_own_number():
    view = landscape.rates(Method(1e6, 0.5), GROUND, size=9)
    assert view.point == (1e6, 0.5)
    (axes, *_) = draw.figure(view).axes
    drawn = [tuple(map(float, line.get_xydata()[0])) for line in axes.lines if len(line.get_xydata()) == 1]
    assert (view.alpha[-1], 0.5) in drawn
    assert all(x <= view.alpha[-1] < 10 for x, _ in drawn)
    assert any("1e+06" in words.get_text() for words in axes.texts)
    assert "shrink alpha by a factor" in view.caption


def test_flat_ground_has_no_map():
    with pytest.raises(BadInput, match="the largest curvature 0 is not positive: a rate map needs ground that curves upwards"):
        landscape.rates(Method(0.1), spectrum([0.0]))


def test_components_add_up_to_the_loss_of_a_run():
    view = landscape.eigencomponents(Method(0.3, 0.5), GROUND, 40)
    assert [item.label for item in view.lines] == ["total", "h = 0.2", "h = 1", "h = 4"]
    assert_allclose(sum(item.y for item in view.lines[1:]), view.lines[0].y, rtol=1e-12)
    assert_allclose(view.lines[0].y, run(diagonal(GROUND.curvatures), Method(0.3, 0.5), 40).losses, rtol=1e-9)


def test_many_components_are_added_up_in_bands():
    many = spectrum(np.geomspace(1e-3, 1, 200))
    view = landscape.eigencomponents(Method(0.3, 0.5), many, 10)
    assert len(view.lines) == 7
    assert_allclose(sum(item.y for item in view.lines[1:]), view.lines[0].y, rtol=1e-12)


def test_a_run_is_drawn_above_its_minimum_at_the_steps_it_was_read():
    record = run(valley(), Method(0.1), 10, evaluate_every=4)
    view = landscape.losses(record, minimum=0.0)
    assert view.lines[0].x.tolist() == [0, 4, 8, 10]
    assert_allclose(view.lines[0].y, record.losses)


def test_a_diverged_run_says_when():
    view = landscape.losses(run(valley(), Method(600.0), 200))
    assert "stopped being finite at step" in view.caption


def test_a_long_curve_is_thinned_and_keeps_its_ends():
    record = Record(Method(0.1), np.linspace(2, 1, 50_001), np.zeros(1), steps=50_000)
    view = landscape.losses(record)
    assert len(view.lines[0].x) == 2000
    assert (view.lines[0].x[0], view.lines[0].x[-1], view.lines[0].y[-1]) == (0, 50_000, 1)


def test_the_path_view_holds_the_ground_and_the_path():
    problem = valley()
    record = run(problem, Method(0.6, 0.5), 20, keep_path=True)
    view = landscape.path(problem, record, size=30)
    assert view.path.shape == (21, 2)
    assert view.values[3, 5] == pytest.approx(0.1 * view.x[5] ** 2 + 2 * view.y[3] ** 2)
    assert view.y[-1] >= record.path[:, 1].max()  # the picture is widened to hold the path
    assert "outside" not in view.caption


def test_a_diverging_path_does_not_blow_up_the_picture():
    problem = valley()
    record = run(problem, Method(0.6), 20, keep_path=True)
    view = landscape.path(problem, record, size=30)
    assert view.y[-1] - view.y[0] <= 2 * 4
    assert "Part of the path lies outside the picture" in view.caption


def test_what_has_no_map_is_refused():
    with pytest.raises(BadInput, match="cannot be drawn as a map: it needs two dimensions, a domain and a path"):
        landscape.path(diagonal([1.0, 2.0, 3.0]), run(diagonal([1.0, 2.0, 3.0]), Method(0.1), 2))


@pytest.mark.parametrize(
    ("method", "edge", "advice"),
    [
        (Method(0.6), 2 / 0.6, "shrink alpha by a factor 0.8333, to below 0.5"),
        (Method(0.5), 4.0, "exactly the edge: any alpha below 0.5 settles"),
        (Method(0.3, 1.0), 4 / 0.3, "beta = 1 keeps every past gradient for ever"),
        (Method(0.3, -1.0), 0.0, "with beta = -1 no alpha is stable: use beta > -1"),
        (Method(0.3, 0.5), 10.0, ""),
    ],
)
def test_the_remedy_is_the_smallest_change(method, edge, advice):
    found = words.remedy(method, spectrum([0.2, 4.0]), edge)
    assert advice in found
    assert bool(found) == bool(advice)


def test_saddles_and_flat_directions_are_named():
    assert "every method of this family runs away from the saddle" in words.remedy(Method(0.1), spectrum([-1.0, 4.0]), 20.0)
    assert "along the curvature 0 nothing pulls" in words.remedy(Method(0.1), spectrum([0.0, 4.0]), 20.0)


def test_a_spark_has_gaps_where_nothing_is_finite():
    assert spark([1.0, np.inf, 3.0], signs="ab") == "a b"
    assert spark([np.nan, np.nan]) == "  "
    assert spark([2.0, 2.0], signs="ab") == "aa"
    assert len(spark(np.arange(1000.0), width=40)) == 40


@pytest.mark.parametrize(("tty", "encoding", "blocks"), [(True, "utf-8", True), (True, "ascii", False), (False, "utf-8", False)])
def test_blocks_only_where_they_can_be_seen(tty, encoding, blocks):
    class Stream:
        def isatty(self):
            return tty

    stream = Stream()
    stream.encoding = encoding
    assert (not glyphs(stream).isascii()) == blocks

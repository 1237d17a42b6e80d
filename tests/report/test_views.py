"""Views are arrays and words: the numbers of every picture, before anything is drawn."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from inertia import Method, Record, rate
from inertia.core.spectrum import spectrum
from inertia.errors import BadInput
from inertia.problems import diagonal, linear_regression, valley
from inertia.problems.simulation import run
from inertia.report import landscape, tuning, words
from inertia.report.text import glyphs, spark
from inertia.tuning import tune

GROUND = spectrum([0.2, 1.0, 4.0])


@pytest.fixture(scope="module")
def noisy():
    return tune(linear_regression(), steps=60, batch_size=20)


@pytest.fixture(scope="module")
def still():
    return tune(valley(), steps=20, schedule="constant")


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


def test_a_far_method_is_drawn_at_the_border():
    view = landscape.rates(Method(1e6, 0.5), GROUND, size=9)
    assert view.point[0] == view.alpha[-1] < 10
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


def test_spectrum_sticks_are_shares(noisy):
    view = tuning.measured(noisy)
    for heights in view.heights:
        assert np.nansum(heights) == pytest.approx(1, abs=1e-4)
    assert view.labels == ("loss to gain", "gradient noise")
    assert view.upper >= view.x.max() * (1 - 1e-12)


def test_without_noise_there_is_one_kind_of_stick(still):
    view = tuning.measured(still)
    assert view.labels == ("loss to gain",)
    assert_allclose(view.x, [0.2, 4.0])
    # 1/2 h w^2 at (-5, -2): 2.5 and 8 of 10.5.
    assert_allclose(view.heights[0], [2.5 / 10.5, 8 / 10.5], rtol=1e-9)
    assert "no gradient noise" in view.caption


@pytest.mark.parametrize("case", ["noisy", "still"])
def test_points_of_the_learning_rate_picture_are_the_runs(case, request):
    found = request.getfixturevalue(case)
    view = tuning.by_alpha(found)
    points = [item for item in view.lines if item.dots]
    seen = {(x, y) for item in points for x, y in zip(item.x, item.y, strict=True)}
    top = 1.6 * found.runs[found.best].losses[0]
    assert seen == {(float(one.method.alpha), one.loss) for one in found.runs if one.loss <= top}
    hot = next(item for item in points if item.role == "hot")
    assert (hot.x[0], hot.y[0]) == (found.method.alpha, found.verified_loss)


@pytest.mark.parametrize("case", ["noisy", "still"])
def test_the_momentum_picture_is_the_matched_forecast(case, request):
    found = request.getfixturevalue(case)
    view = tuning.by_momentum(found)
    matched = next(item for item in view.lines if item.label == "equal alpha/(1 - beta)")
    assert_allclose(matched.x, 1 / (1 - found.curves.betas))
    fine = np.isfinite(matched.y)
    assert_allclose(matched.y[fine], found.curves.loss_by_beta[fine])
    assert f"alpha/(1 - beta) = {found.curves.scale:.3g}" in view.caption


def test_verification_holds_prediction_and_run(still):
    view = tuning.verification(still)
    assert view.lines[-2].label == "predicted"
    assert view.lines[-1].label.startswith(f"alpha {still.method.alpha:.3g}")
    # No noise and a quadratic: the forecast is the run.
    assert_allclose(view.lines[-2].y, view.lines[-1].y, rtol=1e-6)


@pytest.fixture(scope="module")
def bent():
    return tune(linear_regression(), steps=60, batch_size=20, branch="network")


@pytest.mark.parametrize(("name", "axis"), [("by_alpha", "alphas"), ("by_momentum", "betas")])
def test_a_networks_pictures_hold_the_forecast_pale_and_the_runs_as_points(bent, name, axis):
    view = getattr(tuning, name)(bent)
    (pale,) = (item for item in view.lines if item.role == "pale" and item.label)
    own = bent.curves.families.index((float(bent.method.beta), bool(bent.method.gamma)))
    losses = bent.curves.loss_by_alpha[own] if name == "by_alpha" else bent.curves.loss_by_beta
    places = bent.curves.alphas if name == "by_alpha" else 1 / (1 - bent.curves.betas)
    shown = np.isfinite(pale.y)
    assert shown.any()
    assert_allclose(pale.x, places)
    assert_allclose(pale.y[shown], losses[shown])
    seen = [(float(x), float(y)) for item in view.lines if item.dots for x, y in zip(item.x, item.y, strict=True)]
    at = {run.loss: run.method.alpha if name == "by_alpha" else 1 / (1 - run.method.beta) for run in bent.runs}
    assert {y for _, y in seen} <= set(at)
    assert all(x == pytest.approx(at[y]) for x, y in seen)
    assert next(item for item in view.lines if item.role == "hot").y[0] == bent.verified_loss
    assert "the forecast of the quadratic at the start, which is timid here" in view.caption
    low, high = view.limits
    assert low < min(y for _, y in seen) < max(y for _, y in seen) < high


def test_a_networks_forecast_that_diverges_is_left_out_and_said_so(bent):
    from dataclasses import replace

    steps, promised = bent.curves.predicted[bent.best]
    far = replace(bent, curves=replace(bent.curves, predicted=[(steps, np.where(steps > 0, 1e9, promised))] * len(bent.runs)))
    assert [item for item in tuning.verification(far).lines if item.role == "pale"] == []
    assert "diverges, and is left out" in tuning.verification(far).caption
    calm = tune(linear_regression(), steps=60, batch_size=20, branch="network", momentum=0.5)  # all its rates are below the edge
    assert tuning.verification(calm).lines[-2].label == "forecast at the start"
    assert "Pale: the forecast of its loss" in tuning.verification(calm).caption


def test_points_of_other_momenta_are_named(bent):
    from dataclasses import replace

    runs = [replace(run, method=run.method._replace(beta=0.5)) if index != bent.best else run for index, run in enumerate(bent.runs)]
    dots = [item.label for item in tuning.by_alpha(replace(bent, runs=runs)).lines if item.dots]
    assert dots == ["beta 0.5"] * (len(dots) - 1) + ["recommended"]


def test_what_is_not_measured_at_the_end_is_said(bent):
    from dataclasses import replace

    def rows(**facts):
        return dict(tuning._facts_table(replace(bent, measurement=dict(bent.measurement) | facts)).rows)

    assert rows(end_not_measured="gone")["largest curvature at the end"] == "not measured: gone"
    assert rows(largest_at_end=2.5, edge=3.0)["largest curvature at the end"] == "2.5"
    assert rows(largest_at_end=2.5, edge=3.0)["edge of stability of the recommended method"] == "3"


def test_equal_curvatures_are_one_stick(noisy):
    from dataclasses import replace

    pair = spectrum([1.0, 1.0, 3.0], weights=[2.0, 4.0, 2.0])
    view = tuning.measured(replace(noisy, spectrum=pair))
    assert_allclose(view.x, [1.0, 3.0])
    assert_allclose(view.heights[0], [0.5, 0.5])  # 1/2 h w: 1 + 2 and 3


def test_a_forecast_that_missed_is_said_to_have_missed(still):
    from dataclasses import replace

    assert tuning.disagreement(still) == ""
    missed = replace(still, predicted_loss=still.verified_loss / 100)
    assert "the forecast only ranked the candidates; trust the runs" in tuning.disagreement(missed)
    lowest = min(float(one.losses.min()) for one in still.runs)
    deep = replace(still, curves=replace(still.curves, loss_by_alpha=still.curves.loss_by_alpha * 1e-9))
    assert tuning.by_alpha(still).limits is None
    assert tuning.by_alpha(deep).limits[0] == pytest.approx(lowest / 100)


def test_the_table_marks_the_recommended_run(still):
    table = tuning.runs_table(still.runs, still.best)
    assert table.hot == still.best
    assert len(table.rows) == len(still.runs)


def test_the_table_says_how_a_lost_run_ended():
    def row(losses, **more):
        return tuning.runs_table([Record(Method(0.1), np.array(losses), np.empty(0), 9, **more)]).rows[0][-1]

    assert row([2.0, 1.0]) == "1"
    assert row([2.0, 1e33]) == "above its start"
    assert row([2.0], diverged_at=4) == "diverged at step 4"
    assert row([2.0], diverged_at=1, notes={"error": "ValueError: no"}) == "raised ValueError: no"


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

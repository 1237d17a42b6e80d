"""The report of a tuning: its pictures are arrays of the answer, its sentences come from one place, its page reads at a glance."""

import json
from dataclasses import replace

import numpy as np
import pytest

import inertia
from inertia.problems import linear_regression
from inertia.report import draw, tuning
from inertia.tuning import reasons


@pytest.fixture(scope="module")
def found():
    return inertia.tune(linear_regression(), steps=60, batch_size=20)


def test_every_run_is_a_point_and_the_recommended_one_is_hot(found):
    alike = [run for run in found.runs if run.recipe.family == found.recipe.family]  # its curve and limit are of that momentum alone
    for view, place, runs in (
        (tuning.by_learning_rate(found), lambda run: run.recipe.learning_rate, alike),
        (tuning.by_momentum(found), lambda run: 1 / (1 - run.recipe.momentum), found.runs),
    ):
        dots = [(float(item.x[0]), float(item.y[0])) for item in view.lines if item.dots]
        np.testing.assert_allclose(sorted(dots), sorted((place(run), float(run.training[-1])) for run in runs))
        (hot,) = [item for item in view.lines if item.role == "hot"]
        assert float(hot.y[0]) == found.verified_loss


def test_the_expected_curve_lies_inside_its_interval(found):
    low, high, middle = tuning.by_learning_rate(found).lines[:3]
    fine = np.isfinite(middle.y)
    assert fine.any()
    assert np.all(low.y[fine] <= middle.y[fine] + 1e-12)
    assert np.all(middle.y[fine] <= high.y[fine] + 1e-12)


def test_an_interval_that_reaches_zero_does_not_flatten_what_is_expected(found):
    land = found.landscape
    middle = np.geomspace(2.0, 1e-3, land.loss.size).reshape(land.loss.shape)
    held = replace(found, landscape=replace(land, loss=middle, low=np.zeros_like(middle), high=3 * middle))
    for view in (tuning.by_learning_rate(held), tuning.by_momentum(held)):
        assert view.log_y
        assert "goes on below the axis" in view.caption
        assert all(np.nanmin(each.y) >= view.limits[0] > 0 for each in view.lines)
        assert view.limits[0] == pytest.approx(min(np.nanmin(each.y) for each in view.lines if each.role != "pale") / 15)
        figure = draw.figure(view)
        figure.clear()
    plain = tuning.by_learning_rate(replace(found, landscape=replace(land, loss=middle, low=0.9 * middle, high=1.1 * middle)))
    assert "below the axis" not in plain.caption


@pytest.mark.parametrize("shift", [0.0, -20.0])
def test_curves_far_below_the_start_fill_their_picture_whatever_the_sign_of_the_loss(found, shift):
    land = found.landscape
    lowest = min(float(run.training[-1]) for run in found.runs)
    middle = np.linspace(2.0, 1.0, land.loss.size).reshape(land.loss.shape) * lowest + shift
    runs = [
        replace(trial, run=replace(trial.run, training=np.append(trial.run.training[:-1], lowest) + shift))
        for trial in found.history.trials
    ]
    held = replace(
        found, landscape=replace(land, loss=middle, low=middle - 0.1 * lowest, high=middle + 0.1 * lowest),
        history=replace(found.history, trials=tuple(runs)), measurement=replace(found.measurement, loss=found.measurement.loss + shift),
    )  # fmt: skip
    for view in (tuning.by_learning_rate(held), tuning.by_momentum(held)):
        every = np.concatenate([each.y for each in view.lines])
        low, top = view.limits
        assert low < every.min() <= every.max() < top
        assert np.ptp(every) > 0.6 * (top - low)


def test_the_spectrum_shows_shares(found):
    view = tuning.measured(found)
    for heights in view.heights:
        assert np.nansum(heights) <= 1 + 1e-9
    assert view.upper == found.measurement.upper


def test_the_runs_are_drawn_as_they_were(found):
    view = tuning.training(found)
    hot = next(item for item in view.lines if item.role == "hot")
    np.testing.assert_array_equal(hot.y, found.runs[found.best].training)


def test_the_table_says_expected_beside_ended(found):
    table = tuning.runs_table(found)
    assert len(table.rows) == len(found.runs)
    assert table.hot == found.best
    for row, trial in zip(table.rows, found.history.trials, strict=True):
        assert row[-1] == reasons.figure(trial.run.training[-1])
        assert row[-2] == reasons.span(trial.candidate.expected)


def test_the_page_begins_with_the_answer_and_carries_the_record(found, tmp_path):
    found.save(tmp_path)
    page = (tmp_path / "report.html").read_text()
    assert reasons.on_answer(found).replace("'", "&#x27;") in page
    assert page.index(reasons.named(found)) < page.index("Does momentum matter?") < page.index("What was run") < page.index("What it cost")
    kept = json.loads((tmp_path / "record.json").read_text())
    assert kept["verified_loss"] == found.verified_loss
    assert {path.name for path in tmp_path.iterdir()} >= {"learning-rate.svg", "momentum.png", "runs.svg", "spectrum.png"}


def test_no_sentence_promises_the_optimum(found):
    said = [str(found), reasons.on_margin(found), *reasons.remarks(found)]
    assert not any("optimal" in words for words in said)


def test_whoever_tuned_sgd_on_a_network_is_told_that_adamw_was_not_tried(found):
    assert found.measurement.convex
    assert not any("AdamW" in words for words in reasons.remarks(found))
    network = replace(found, measurement=replace(found.measurement, convex=False))
    assert any('optimizer="any"' in words for words in reasons.remarks(network))


def test_every_reason_and_warning_has_words():
    from inertia.tuning.policy import Reason

    for reason in Reason:
        assert len(reasons.why(reason).split()) >= 3
        risen = reasons.why(reason, rising=True)
        assert not any(words in risen for words in ("end lower", "lowest loss", "smallest loss"))

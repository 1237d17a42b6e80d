"""The line that says where the best learning rate lies: against scikit-learn's ridge regression, and what must not change it."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from inertia.tuning.experience.cells import shipped
from inertia.tuning.experience.features import FEATURES, regressors, shown
from inertia.tuning.experience.jobs import experience
from inertia.tuning.experience.reading import FITTED

linear_model = pytest.importorskip("sklearn.linear_model")
FOLDER = Path(__file__).parents[2] / "benchmarks" / "experience"


@pytest.mark.parametrize(("optimizer", "convex"), [("sgd", False), ("sgd", True), ("adamw", False)])
def test_the_line_is_a_ridge_regression_with_families_alike_in_weight(optimizer, convex):
    from trend import Table

    table = Table.rates(shipped(), optimizer, convex, FITTED[optimizer])
    without = sorted(set(table.families))[0]
    use = table.families != without
    weight = np.array([1 / np.sum(table.families[use] == family) for family in table.families[use]])
    x = table.x[use]
    middle = np.array([np.average(column[np.isfinite(column)], weights=weight[np.isfinite(column)]) for column in x.T])
    x = np.where(np.isnan(x), middle, x)
    spread = np.sqrt(np.average((x - middle) ** 2, axis=0, weights=weight))
    scaled = np.divide(x - middle, spread, out=np.zeros_like(x), where=spread > 1e-9)
    other = linear_model.Ridge(alpha=1.5).fit(scaled, table.y[use], sample_weight=weight)
    line = table.line(1.5, without)
    said = [line.at(row) for row in table.x[use]]
    assert said == pytest.approx(other.predict(scaled), abs=0.02)  # the line is kept to four digits


def test_the_shipped_lines_are_what_the_script_gives():
    from trend import Table, penalties, trends

    for optimizer, fitted in FITTED.items():
        assert fitted.trends == trends(shipped(), optimizer, fitted, penalties(shipped(), optimizer, fitted))
        gained = Table.gains(experience(optimizer, False, fitted).surfaces)
        assert fitted.gains == gained.line(gained.best())


def test_the_line_is_nearer_than_the_mean_leave_one_family_out():
    from trend import Table, penalties

    for optimizer, convex, share in (("sgd", False, 0.9), ("sgd", True, 1.0), ("adamw", False, 0.9)):
        table = Table.rates(shipped(), optimizer, convex, FITTED[optimizer])  # of convex jobs nothing is foretold: the mean alone is left
        assert table.off(penalties(shipped(), optimizer, FITTED[optimizer])[convex]) <= share * table.spread() + 1e-3


@pytest.mark.parametrize("cell", shipped()[::23], ids=lambda cell: f"{cell.name}-{cell.schedule}-{cell.optimizer}")
def test_no_scale_of_loss_or_parameters_changes_the_learning_rate_in_its_own_unit(cell):
    facts, fitted = cell.facts, FITTED["sgd"]
    by, size = 8.0, 4.0  # of the loss, and of the parameters: x = size y
    bend, slope = by / size**2, by / size
    moved = replace(
        facts, loss=facts.loss * by, gradient_norm=facts.gradient_norm * slope, noise=facts.noise * slope**2,
        largest=facts.largest * bend, largest_start=facts.largest_start * bend, smallest=facts.smallest * bend,
        parameter_norm=None if facts.parameter_norm is None else facts.parameter_norm * size,
        short_best=facts.short_best - math.log2(bend), short_half=facts.short_half - math.log2(bend),
        short_edge=facts.short_edge - math.log2(bend), short_fall=facts.short_fall * by,
    )  # fmt: skip
    assert regressors(moved, "sgd") == pytest.approx(regressors(facts, "sgd"), abs=1e-9, nan_ok=True)
    assert fitted.unit(moved, "sgd") == pytest.approx(fitted.unit(facts, "sgd") - math.log2(bend), abs=1e-9)


def test_beyond_the_known_jobs_the_line_goes_on_level():
    fitted = FITTED["sgd"]
    facts = shipped()[0].facts
    far, farther = (replace(facts, steps=10**power, convex=False) for power in (9, 12))
    assert len(fitted.trends[False].weights) == len(FEATURES) + 1
    off = [fitted.unit(each, "sgd") - shown(each, "sgd", fitted.units(False)) for each in (far, farther)]
    assert off[0] == pytest.approx(off[1], abs=1e-9)


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_how_far_schedules_move_the_best_rate_is_what_the_script_gives(optimizer):
    from trend import shape

    moved = shape(shipped(), optimizer)
    assert FITTED[optimizer].shape == moved
    assert 0.2 < moved < 1  # from constant to linear, three octaves apart, the best rate moves by one to two octaves

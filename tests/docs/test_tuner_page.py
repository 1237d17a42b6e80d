"""The page of the tuner's benchmark says what the data say: its numbers are computed here a second time, from the raw files."""

import importlib.util
import json
import math
import re
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("mkdocs")

ROOT = Path(__file__).parents[2]
BENCHMARK = ROOT / "benchmarks" / "tuner"


@pytest.fixture(scope="module")
def hook():
    before = list(sys.path)
    spec = importlib.util.spec_from_file_location("tuner_page", ROOT / "docs" / "hooks" / "tuner_page.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    yield module
    sys.path[:] = before


@pytest.fixture(scope="module")
def outcomes(hook):
    return hook.collect()


@pytest.fixture
def one(hook):
    """An outcome of a made-up job."""
    from outcomes import Outcome

    def make(who, logreg, frac=0.99, group="networks", lost=False, cost=3.0, job="job"):
        return Outcome(who, group, job, "linear", (logreg, frac), None, lost, cost)

    return make


def test_a_networks_score_is_that_of_its_raw_files(hook, outcomes):
    grid = json.loads((BENCHMARK / "data" / "grid-mlp.json").read_text())
    row = json.loads((BENCHMARK / "data" / "tuned-mlp.json").read_text())["tuner"]["linear/100"]
    start, best = (
        np.mean(grid["start"]),
        min(np.mean(cell["train"]) for cell in grid["runs"]["linear"].values() if None not in cell["train"]),
    )
    loss, eps = np.mean(row["train"]), 0.01 * start
    wanted = (math.log((loss + eps) / (best + eps)), (start - loss) / (start - best))
    mine = [o.train for o in outcomes if (o.who, o.job, o.schedule) == (hook.TUNER, "mlp", "linear")]
    assert len(mine) == 3
    assert any(found == pytest.approx(wanted, rel=1e-9) for found in mine)


def test_the_convex_scores_are_those_the_tuner_benchmark_kept(hook, outcomes):
    rows = json.loads((ROOT / "benchmarks" / "data" / "tuner_results.json").read_text())["cells"]
    for name, kept in rows.items():
        found = [o.train for o in outcomes if o.who == hook.TUNER and f"{o.job}, {o.schedule}" == name]
        # the grid keeps six digits of the loss, and its best excess may be a hundredth of it
        assert np.allclose(found, [(row["logreg"], row["frac"]) for row in kept], atol=1e-4)


def test_every_mean_of_the_page_is_a_mean_of_the_data(hook, outcomes):
    page = hook.made(outcomes)["tuner-benchmark.md"]
    shown = re.search(r"^\| \*\*inertia tune\*\* \| ([\d.]+) \| ([\d.-]+) \|", page, re.MULTILINE)
    mine = [o for o in outcomes if o.who == hook.TUNER]
    convex = [o.train[0] for o in mine if o.group == "convex"]  # three tunings of every cell: the flat mean is the mean of means
    assert float(shown[2]) == pytest.approx(np.mean(convex), abs=6e-4)
    assert f"{sum(o.lost for o in mine)} of {len(mine)}" in page
    for job, schedule in {(o.job, o.schedule) for o in mine}:
        assert re.search(rf"^\| {re.escape(job)}(\\\*)? \| {schedule} \|", page, re.MULTILINE)


def test_every_figure_of_the_page_is_made(hook, outcomes):
    made = hook.made(outcomes)
    figures = re.findall(r"!\[[^]]*\]\(([^)]*)\)", made["tuner-benchmark.md"])
    assert figures
    assert all(made[name].startswith(b"<?xml") for name in figures)


def test_without_data_the_page_says_how_to_make_it(hook):
    assert "There is no data here" in hook.made([])["tuner-benchmark.md"]


def test_aims_are_met_or_missed_as_the_numbers_say(hook, one):
    good = {aim.aim: aim.word for aim in hook.aims([one(hook.TUNER, 0.01), one("rival", 0.5)])}
    bad = {aim.aim: aim for aim in hook.aims([one(hook.TUNER, 0.4, 0.9, lost=True), one("rival", 0.3)])}
    for name in ("mean logreg at most 0.05, networks", "worst logreg at most 0.35", "frac at least 0.98 everywhere",
                 "no recommendation that diverges on any seed", "mean logreg below every rival's at up to 16 runs, networks"):  # fmt: skip
        assert good[name] == "met"
        assert bad[name].word == "missed"
    assert "missed by 0.350" in bad["mean logreg at most 0.05, networks"].found
    assert bad["mean logreg below every rival's at up to 16 runs, networks"].found == "rival has 0.300 to 0.400"


def test_a_rival_is_compared_on_the_jobs_it_was_run_on(hook, one):
    mine = [one(hook.TUNER, 0.0, job="easy"), one(hook.TUNER, 0.4, job="hard")]
    assert hook.better([*mine, one("rival", 0.1, job="easy")], "networks") == []
    assert hook.better([*mine, one("rival", 0.1, job="hard")], "networks") == [("rival", 0.1, 0.4, 1)]
    assert hook.better([*mine, one("rival", 0.1, job="hard", cost=17.0)], "networks") == []  # dearer than 16 runs

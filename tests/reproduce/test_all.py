"""Every experiment runs, and its verdicts are the ones that the notes on the sources name; deterministic ones exactly."""

import json
from importlib.resources import files

import numpy as np
import pytest

from inertia.reproduce import VERDICTS, Session, experiment, experiments, shown
from inertia.reproduce.experiment import claim, compare, formula

PRINTED = json.loads(files("inertia.reproduce").joinpath("printed.json").read_text())

# What the sources get wrong, by identifier; everything else that is deterministic must match.
WRONG = {
    "000/hessian/condition", "000/path/noise-zigzag", "000/velocity/final",
    "001/exercise/solution-sign", "001/scalar/condition", "001/state/momentum", "001/trace/bigger-beta", "001/trace/gradient-ratio",
    "001/trace/straight", "001/weights/average",
    "002/erratum/01-loss", "002/erratum/02-complex-rate", "002/erratum/03-sign", "002/erratum/04-transpose", "002/erratum/05-linear-term",
    "002/erratum/06-noise", "002/erratum/07-order", "002/erratum/08-shape", "002/erratum/09-eigenvector", "002/erratum/10-bound",
    "002/erratum/10-solution", "002/erratum/11-sum", "002/erratum/12-settings", "002/erratum/13-monotone", "002/erratum/14-one-step",
    "002/erratum/15-order", "002/erratum/16-definite", "002/erratum/17-footnote6",
    "002/fig1/placeholder", "002/fig18/condition", "002/optimum/knife-edge",
    "003/ode/beta-range", "003/ode/euler", "003/quartic/defaults", "003/quartic/euler", "003/quartic/kick-left", "003/quartic/near",
    "003/quartic/probability", "003/quartic/saddle", "003/wells/ironed-out", "003/wells/minimum",
}  # fmt: skip
DETERMINISTIC = [name for name, made in experiments().items() if not made.stochastic]


@pytest.fixture(scope="module")
def rows():
    """All rows of the deterministic experiments."""
    return [row for name in DETERMINISTIC for row in experiment(name).run(Session(seeds=10))]


def test_the_sources_are_wrong_exactly_where_the_notes_say(rows):
    found = {verdict: {row.id for row in rows if row.verdict == verdict} for verdict in VERDICTS}
    assert found["source is wrong"] == WRONG
    assert found["not replayable"] == {"000/path/drawing"}
    assert found["within range"] == set()


def test_all_seventeen_errata_are_named(rows):
    numbers = {row.id.split("/")[2][:2] for row in rows if "/erratum/" in row.id}
    assert numbers == {f"{k:02d}" for k in range(1, 18)}


def test_every_row_says_where_and_why(rows):
    for row in rows:
        assert row.verdict in VERDICTS
        assert row.source.startswith(row.id[:3]), row.id
        assert len(row.why) > 8, row.id
        json.dumps(row.to_json())
    assert len({row.id for row in rows}) == len(rows)


def test_every_printed_value_is_used(rows):
    stochastic = {
        "000/comparison", "000/plain", "000/regression", "001/airfoil", "001/concise", "001/exercise", "001/matched", "001/sweep",
        "002/fig21", "003/wells",
    }  # fmt: skip
    unused = set(PRINTED) - {row.id for row in rows}
    assert {"/".join(name.split("/")[:2]) for name in unused} <= stochastic


@pytest.mark.parametrize("name", [name for name, made in experiments().items() if made.views and not made.stochastic and name != "maze"])
def test_views_are_arrays_with_words(name):
    for view in experiment(name).views(Session(seeds=10)):
        assert view.name.replace("-", "").replace(".", "").isalnum()
        assert view.title
        assert len(view.caption) > 20
        assert "\n" not in view.caption


def test_names_of_figures_are_unique():
    names = [view.name for made in experiments().values() if made.views and not made.stochastic for view in made.views(Session(seeds=5))]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("name", ["noisy-runs", "double-well-kicks", "exercise-noise"])
def test_chance_agrees_with_the_formulas(name):
    wrong = {row.id for row in experiment(name).run(Session(seeds=20)) if row.verdict == "source is wrong"}
    assert wrong == ({"003/wells/kick-sign"} if name == "double-well-kicks" else set())


def test_verdicts_follow_from_the_numbers():
    name = "002/descent/best-rate"
    assert formula(name, [0.5, 0.25], [0.5, 0.25], "").verdict == "matches"
    assert formula(name, [0.5, 0.26], [0.5, 0.25], "").verdict == "source is wrong"
    assert formula(name, 0.5, [0.5, 0.5], "").verdict == "source is wrong"
    assert claim(name, True, 1.0, "").verdict == "matches"
    assert claim(name, False, 1.0, "").verdict == "source is wrong"
    runs = np.linspace(0.2, 0.3, 101)
    assert compare("001/airfoil/0.02-0.5", 0.0, "", runs=runs).verdict == "within range"
    assert compare("001/airfoil/0.02-0.5", 0.0, "", runs=runs - 0.007).verdict == "matches"
    assert compare("001/airfoil/0.02-0.5", 0.0, "", runs=runs + 0.1).verdict == "source is wrong"
    few = compare("001/airfoil/0.02-0.5", 0.0, "", runs=[0.25, 0.26, 0.27, 0.28, 0.29])
    assert few.verdict == "not replayable"
    assert "5 seeds are too few" in few.why
    assert compare("001/airfoil/0.02-0.5", 0.0, "", runs=[0.35, 0.36, 0.37, 0.38, 0.39]).verdict == "source is wrong"


def test_long_lists_are_cut_for_people():
    assert shown(np.arange(6.0)) == "0, 1, 2, ... (6)"
    assert shown([["a", "b"]]) == "a, b"

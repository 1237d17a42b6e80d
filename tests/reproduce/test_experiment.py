"""Verdicts follow from numbers: what matches, what lies in range, what is wrong."""

import numpy as np
import pytest

from inertia.errors import BadInput
from inertia.reproduce import Session, experiment, experiments
from inertia.reproduce.experiment import compare, printed


def test_the_valley_matches_to_all_six_decimals():
    rows = experiment("valley-traces").run(Session())
    assert [row.verdict for row in rows] == ["matches"] * 4


def test_verdicts_are_computed():
    name = "001/trace/0.4-0"
    assert compare(name, [-0.9434674, -0.0000733], "").verdict == "matches"
    assert compare(name, [-0.9434676, -0.0000733], "").verdict == "source is wrong"


def test_unknown_names_suggest_the_nearest():
    with pytest.raises(BadInput, match="did you mean 'valley-traces'"):
        experiment("valley-trace")
    with pytest.raises(BadInput, match="no printed value '001/trace/0.4'"):
        printed("001/trace/0.4")


def test_experiments_are_ordered_by_document():
    documents = [made.document for made in experiments().values()]
    assert documents == sorted(documents)
    assert np.all([made.title for made in experiments().values()])

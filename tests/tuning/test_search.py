"""Verification: which runs are made, which is recommended, and that nothing finished is lost."""

import numpy as np
import pytest

from inertia.core.method import Method
from inertia.core.record import Record
from inertia.errors import BadInput, Diverged
from inertia.problems.simulation import Interrupted
from inertia.tuning.search import diverged, score, verify


def bowl(best, edge=np.inf, seen=None):
    """A trial whose loss is smallest at alpha = best and that diverges at alpha > edge."""

    def trial(methods):
        if seen is not None:
            seen.append([method.alpha for method in methods])
        losses = [np.array([10.0, np.log(method.alpha / best) ** 2]) for method in methods]
        broke = [1 if method.alpha > edge else None for method in methods]
        return [Record(m, loss, np.zeros(1), 1, diverged_at=at) for m, loss, at in zip(methods, losses, broke, strict=True)]

    return trial


def alphas(found):
    return [run.method.alpha for run in found.runs]


def test_better_above_goes_on_upwards():
    found = verify(Method(0.1), bowl(1.0))
    assert alphas(found) == pytest.approx([0.1, 0.4, 0.8])
    assert found.record.method.alpha == 0.8
    assert found.margin is None


def test_worse_above_looks_in_between():
    found = verify(Method(0.1), bowl(0.1))
    assert alphas(found) == pytest.approx([0.1, 0.4, 0.141])
    assert (found.record.method.alpha, found.margin, found.broke) == (0.1, 4.0, None)


def test_a_choice_that_disappoints_looks_below():
    assert alphas(verify(Method(0.1), bowl(0.01), disappointing=1.0)) == pytest.approx([0.1, 0.4, 0.05])
    assert alphas(verify(Method(0.1), bowl(0.01), disappointing=1.0, runs=4)) == pytest.approx([0.1, 0.4, 0.05, 0.025])


def test_variants_say_what_runs_and_none_means_stop():
    wanted = {4.0: Method(0.2, beta=0.5)}
    found = verify(Method(0.1), bowl(0.2), wanted.get)
    assert [(run.method.alpha, run.method.beta) for run in found.runs] == [(0.1, 0.0), (0.2, 0.5)]


def test_what_diverged_is_never_recommended_nor_what_lies_just_below():
    found = verify(Method(0.1), bowl(1.0, edge=0.3))
    assert (found.record.method.alpha, found.broke) == (0.141, pytest.approx(8**0.5))
    found = verify(Method(0.1), bowl(1.0, edge=0.5))  # 4 x is best, but 8 x, its double, diverged
    assert (found.record.method.alpha, found.broke) == (0.1, 8.0)
    assert found.margin == 4.0


def test_a_search_that_only_sees_divergence_comes_down():
    found = verify(Method(1.0), bowl(0.01, edge=0.02))
    assert found.record.method.alpha < 0.02
    assert all(diverged(run) for run in found.runs[:4])
    with pytest.raises(Diverged, match="no verification run can be recommended"):
        verify(Method(1.0), bowl(0.01, edge=1e-9))


def test_finished_runs_are_handed_over_before_the_next_start():
    kept = []

    def trial(methods):
        if kept:
            raise Interrupted([Record(methods[0], np.array([1.0]), np.zeros(1), 1)])
        return bowl(1.0)(methods)

    with pytest.raises(KeyboardInterrupt):
        verify(Method(0.1), trial, on_record=kept.append)
    assert [record.method.alpha for record in kept] == pytest.approx([0.1, 0.4, 0.8])


def test_one_run_is_one_run():
    seen = []
    assert len(verify(Method(0.1), bowl(1.0, seen=seen), runs=1).runs) == 1
    assert seen == [[0.1]]
    with pytest.raises(BadInput, match="runs = 0 is too few"):
        verify(Method(0.1), bowl(1.0), runs=0)


def test_a_run_that_ends_above_its_start_is_lost():
    up = Record(Method(0.1), np.array([1.0, 0.5, 3.0]), np.zeros(1), 2)
    assert diverged(up)
    assert score(up) == np.inf


def test_the_score_is_mean_plus_scatter_about_the_trend():
    falling = Record(Method(0.1), np.linspace(5.0, 1.0, 101), np.zeros(1), 100)
    assert score(falling) == pytest.approx(np.mean(falling.losses[-10:]))  # a straight line has no scatter
    shaken = Record(Method(0.1), np.append(np.full(91, 5.0), [1.0, 3.0, 3.0, 1.0, 1.0, 3.0, 3.0, 1.0, 2.0, 2.0]), np.zeros(1), 100)
    assert score(shaken) == pytest.approx(2 + np.sqrt(0.8), rel=0.02)  # its trend is small but not zero

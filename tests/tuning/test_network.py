"""The search on networks: which multiples run, what is kept on disk, which budgets are refused."""

import dataclasses
import json
import math
import re

import numpy as np
import pytest

from inertia.core.method import Method
from inertia.core.record import Record
from inertia.core.schedule import constant
from inertia.errors import BadInput
from inertia.tuning import ends as room
from inertia.tuning.batches import readings
from inertia.tuning.decide import Budget
from inertia.tuning.ends import Ends
from inertia.tuning.journal import Journal
from inertia.tuning.network import CAP, Fork, Ladder
from inertia.tuning.observe import Observation
from inertia.tuning.plan import planned
from inertia.tuning.search import verify
from inertia.tuning.walked import look


def bowl(best, edge=math.inf, made=None):
    """Runs whose loss is smallest at alpha = best and that diverge above the edge."""

    def trial(methods):
        if made is not None:
            made.extend(method.alpha for method in methods)
        losses = [np.array([10.0, 1 + np.log(method.alpha / best) ** 2]) for method in methods]
        broke = [1 if method.alpha > edge else None for method in methods]
        return [Record(m, loss, np.empty(0), 1, diverged_at=at, gradients=7) for m, loss, at in zip(methods, losses, broke, strict=True)]

    return trial


def climbed(trial, ladder, runs=3):
    return verify(ladder.method(1.0), trial, ladder.method, runs=runs, first=ladder.first, following=ladder.following)


@pytest.mark.parametrize(
    ("best", "third"), [(8.0, 2 * 2**0.5), (0.5, 0.5), (0.9, 1.0)], ids=["far above: twice", "far below: below", "close: in between"]
)
def test_the_third_run_goes_where_the_first_two_point(best, third):
    found = climbed(bowl(best), Ladder(1.0))
    assert [run.method.alpha for run in found.runs] == pytest.approx([0.5**0.5, 2**0.5, third], rel=0.01)


def test_a_constant_rate_starts_lower():
    found = climbed(bowl(8.0), Ladder(1.0, rests=False))
    assert [run.method.alpha for run in found.runs] == [0.5, 1.0, 2.0]


def test_more_runs_never_climb_above_the_cap():
    found = climbed(bowl(12.0), Ladder(1.0), runs=5)
    assert len(found.runs) == 4  # after twice and in between there is nothing left to try
    assert max(run.method.alpha for run in found.runs) <= CAP


def test_nothing_is_recommended_below_a_divergence_within_a_factor_of_two():
    found = climbed(bowl(8.0, edge=2.5), Ladder(1.0))
    assert [run.method.alpha for run in found.runs] == pytest.approx([0.707, 1.414, 2.828], rel=0.01)
    assert found.record.method.alpha == 0.707  # 1.41 did best, but 2.83 diverged
    assert found.broke == pytest.approx(4)


def test_what_worked_just_below_a_divergence_makes_the_search_go_down():
    found = climbed(bowl(3.0, edge=1.0), Ladder(1.0), runs=2)
    assert [run.method.alpha for run in found.runs] == [0.707, 1.41, 0.353]
    assert found.record.method.alpha == 0.353


def test_everything_diverged_goes_down_in_quarters():
    found = climbed(bowl(0.01, edge=0.2), Ladder(1.0))
    assert found.record.method.alpha < 0.2


def landscape(wanted, edge=math.inf):
    """Runs whose loss is smallest at one alpha/(1 - beta), and that diverge where alpha is above the edge."""

    def trial(methods):
        runs = []
        for method in methods:
            away = np.log(method.alpha / (1 - method.beta) / wanted) ** 2
            runs.append(Record(method, np.array([60.0, 1 + away]), np.empty(0), 1, diverged_at=1 if method.alpha > edge else None))
        return runs

    return trial


def forked(trial, rests=True, steps=1000, runs=3):
    fork = Fork(1.0, steps=steps, rests=rests, runs=runs)
    found = verify(fork.method(1.0), trial, fork.method, runs=runs, first=fork.first, following=fork.following, wary=fork.wary)
    return [(float(run.method.alpha), float(run.method.beta)) for run in found.runs], found


@pytest.mark.parametrize(
    ("wanted", "rests", "third"),
    [(100, True, (1.2, 0.98)), (1, True, (0.68, 0.98)), (100, False, (1.05, 0.95)), (1, False, (0.25, 0.98))],
    ids=["bold, at rest: bolder", "patient, at rest: further", "longer memory, full rate: bolder", "shorter memory, full rate: lower"],
)
def test_the_third_run_follows_the_better_of_two_kinds(wanted, rests, third):
    runs, _ = forked(landscape(wanted), rests)
    assert runs == [(0.35, 0.98), (1.4, 0.95), third] if rests else [(0.5, 0.9), (0.5, 0.95), third]


def test_a_bold_run_that_diverges_leaves_the_patient_one_standing():
    runs, found = forked(landscape(100, edge=1.3))
    assert runs == [(0.35, 0.98), (1.4, 0.95), (0.68, 0.98)]
    assert (found.record.method.alpha, found.record.method.beta) == (0.68, 0.98)


@pytest.mark.parametrize(("patient", "bold"), [(0.01, math.inf), (0.01, 0.9), (0.4, 0.3)], ids=["diverged", "lost", "neither got far"])
def test_in_a_long_run_a_pair_that_went_badly_is_a_warning(patient, bold):
    def trial(methods):
        ends = [{0.35: patient, 1.4: bold}.get(float(method.alpha), 0.001) for method in methods]
        return [
            Record(m, np.array([1.0, end]), np.empty(0), 1, diverged_at=None if math.isfinite(end) else 1)
            for m, end in zip(methods, ends, strict=True)
        ]

    assert forked(trial, steps=5000)[0] == [(0.35, 0.98), (1.4, 0.95), (0.1, 0.95)]
    assert forked(trial, steps=500)[0][2] != (0.1, 0.95)


def test_nothing_beside_a_divergence_is_recommended():
    _, found = forked(landscape(1000, edge=0.6))
    assert (found.record.method.alpha, found.record.method.beta) != (0.68, 0.98)
    assert found.record.diverged_at is None
    assert found.record.method.alpha < 0.5  # 0.68 diverged, and with it twice 0.35


@pytest.mark.parametrize(("rests", "third"), [(True, (0.1, 0.95)), (False, (0.1, 0.9))])
def test_runs_thrown_onto_a_plateau_make_the_search_look_far_below(rests, third):
    clock = np.arange(101)

    def trial(methods):
        fine = [np.exp(-clock / 40) if method.alpha < 0.2 else 0.7 + 0.3 * np.exp(-clock / 2) for method in methods]
        return [Record(method, losses, np.empty(0), 100) for method, losses in zip(methods, fine, strict=True)]

    runs, found = forked(trial, rests)
    assert runs[2] == third == (found.record.method.alpha, found.record.method.beta)
    assert len(runs) == 3


@pytest.mark.parametrize(
    ("patient", "beyond", "alpha"), [(1.5, 5.0, 0.35), (2.5, 5.0, 1.4), (1.5, 3.0, 1.4), (1.5, math.inf, 0.35), (31.0, 42.0, 0.35)]
)
def test_near_a_cliff_the_patient_run_is_recommended_unless_it_is_much_worse(patient, beyond, alpha):
    losses = {0.35: patient, 1.4: 30.0 if patient > 30 else 1.0, 1.2: beyond}  # the last: less than four times, but much of the fall

    def trial(methods):
        ends = [losses[float(method.alpha)] for method in methods]
        return [
            Record(m, np.array([60.0, end]), np.empty(0), 1, diverged_at=None if math.isfinite(end) else 1)
            for m, end in zip(methods, ends, strict=True)
        ]

    runs, found = forked(trial)
    assert [alpha for alpha, _ in runs] == [0.35, 1.4, 1.2]
    assert found.record.method.alpha == alpha


def test_more_runs_look_beside_the_best():
    runs, _ = forked(landscape(100), runs=6)
    assert len(set(runs)) == len(runs) > 3
    assert max(alpha for alpha, _ in runs) <= CAP


@pytest.mark.parametrize("steps", [16, 40, 80, 1000])
def test_no_memory_is_longer_than_a_run_can_use(steps):
    runs, _ = forked(landscape(20), steps=steps)
    assert max(1 / (1 - beta) for _, beta in runs) <= max(10, steps / 1.6) * (1 + 1e-9)
    assert max(alpha for alpha, _ in runs) <= CAP


def test_a_single_run_is_the_careful_one():
    runs, _ = forked(landscape(20), runs=1)
    assert runs == [(0.5, 0.9)]


def test_a_given_momentum_leaves_only_alpha_to_search():
    fixed = climbed(bowl(1.0), Ladder(1.0, momentum=0.5, nesterov=False))
    assert {(run.method.beta, run.method.gamma) for run in fixed.runs} == {(0.5, 0.0)}
    assert fixed.runs[0].method.alpha == pytest.approx(5**0.6 * 0.5**0.5, rel=0.01)


def budget(**changes):
    return Budget(**({"task": "bowl", "steps": 1, "batch_size": None, "examples": 10, "schedule": "linear"} | changes))


def test_a_journal_takes_finished_runs_up_again(tmp_path):
    path, made = tmp_path / "runs.jsonl", []
    first = climbed(Journal(path).trial(budget(), bowl(8.0, made=made)), Ladder(1.0), runs=2)
    with path.open("a") as file:
        file.write('{"method": {"al')  # a kill in the middle of a line
    assert made == [0.707, 1.41]
    journal = Journal(path, resume=True)
    again = climbed(journal.trial(budget(), bowl(8.0, made=made)), Ladder(1.0))
    assert made == [0.707, 1.41, 2.82]  # only the third was made
    assert journal.resumed == 2
    assert [run.loss for run in again.runs[:2]] == [run.loss for run in first.runs]
    assert again.runs[0].gradients == 7
    last = Journal(path, resume=True)  # the line that was cut short is gone from the file
    climbed(last.trial(budget(), bowl(8.0, made=made)), Ladder(1.0))
    assert (last.resumed, len(made)) == (3, 3)


SEEN = Observation(None, 1.0, False, 100, {"dimension": 5, "loss": 2.5})


@pytest.mark.parametrize(
    ("changes", "facts", "said"),
    [
        ({"steps": 2}, {}, "steps was 1, is now 2"),
        ({"batch_size": 5}, {}, "the batch size was not given, is now 5"),
        ({"seed": 1}, {}, "seed was 0, is now 1"),
        ({"schedule": "constant"}, {}, "schedule was linear, is now constant"),
        ({"schedule": lambda method, steps: constant(method._replace(alpha=0.5))}, {}, "schedule was linear, is now custom"),
        ({"momentum": 0.8}, {}, "momentum was not given, is now 0.8"),
        ({"momentum": 0.8, "nesterov": True}, {}, "momentum was not given, is now 0.8; nesterov was not given, is now True"),
        ({"branch": "network"}, {}, "branch was auto, is now network"),
        ({"judged_by": "validation loss"}, {}, "what runs are compared by was training loss, is now validation loss"),
        ({"extras": {"weight_decay": 0.1}}, {}, "weight decay was not given, is now 0.1"),
        ({"extras": {"clip": 1.0, "warmup": 3}}, {}, "clip was not given, is now 1; warm-up was not given, is now 3"),
        ({"task": "hill"}, {}, "task was bowl, is now hill"),
        ({}, {"dimension": 6}, "the number of parameters was 5, is now 6"),
        ({}, {"loss": 2.6}, "the loss at the start was 2.5, is now 2.6"),
    ],
)
def test_a_journal_of_another_tuning_is_refused(tmp_path, changes, facts, said):
    path = tmp_path / "runs.jsonl"
    climbed(Journal(path).trial(budget(), bowl(8.0), SEEN), Ladder(1.0))
    kept, now = path.read_text(), dataclasses.replace(SEEN, facts=SEEN.facts | facts)
    with pytest.raises(BadInput, match=re.escape(f"another tuning ({said}): to resume, ask for the same again; else leave --resume out")):
        Journal(path, resume=True).trial(budget(**changes), bowl(8.0), now)
    assert path.read_text() == kept


def test_schedules_of_ones_own_are_told_apart(tmp_path):
    def halved(method, steps):
        return constant(method._replace(alpha=method.alpha / 2))

    path = tmp_path / "runs.jsonl"
    Journal(path).trial(budget(schedule=lambda method, steps: constant(method)), bowl(8.0))
    with pytest.raises(BadInput, match=r"the schedule's factors along the run was 1, 1, .* is now 0.5, 0.5"):
        Journal(path, resume=True).trial(budget(schedule=halved), bowl(8.0))


def test_rounding_and_more_runs_do_not_make_another_tuning(tmp_path):
    path = tmp_path / "runs.jsonl"
    climbed(Journal(path).trial(budget(), bowl(8.0), SEEN), Ladder(1.0))
    other = dataclasses.replace(SEEN, facts=SEEN.facts | {"loss": 2.5 * (1 + 1e-6)})
    journal = Journal(path, resume=True)
    climbed(journal.trial(budget(runs=5), bowl(8.0), other), Ladder(1.0))
    assert journal.resumed == 3


def test_a_journal_that_cannot_be_read_or_written_is_refused(tmp_path):
    path = tmp_path / "runs.jsonl"
    path.write_text("no json\n")
    with pytest.raises(BadInput, match="not a journal"):
        Journal(path, resume=True)
    with pytest.raises(BadInput, match="cannot be written"):
        Journal(tmp_path / "nowhere" / "runs.jsonl").trial(budget(), bowl(8.0))


@pytest.mark.parametrize("where", ["memory", "folder"])
def test_ends_of_runs_are_kept_until_one_is_chosen(where, tmp_path):
    ends, small, large = Ends(tmp_path if where == "folder" else None), Method(0.1, 0.9), Method(0.2, 0.9)
    ends.keep(small, b"one")
    ends.keep(large, b"two")
    ends.keep(large, b"three")
    ends.keep(Method(0.3), None)  # a run that got lost
    assert [ends.find(method) for method in (small, large, Method(0.3))] == [b"one", b"three", None]
    ends.forget(but=large)
    assert [ends.find(method) for method in (small, large)] == [None, b"three"]
    assert len(list(tmp_path.iterdir())) == (where == "folder")
    ends.forget()
    assert ends.find(large) is None


def test_an_end_that_cannot_be_written_is_no_accident(tmp_path):
    ends = Ends(tmp_path / "nowhere")
    ends.keep(Method(0.1), b"end")
    assert ends.find(Method(0.1)) is None
    assert not ends.room(room.LARGEST + 1)


def test_every_line_of_a_journal_is_json(tmp_path):
    climbed(Journal(tmp_path / "j").trial(budget(), bowl(8.0, edge=2.5)), Ladder(1.0))
    lines = [json.loads(line) for line in (tmp_path / "j").read_text().splitlines()]
    assert [line.get("diverged_at") for line in lines[1:]] == [None, None, 1]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ({"steps": 15}, "at least 16 steps"),
        ({"steps": 20, "batch_size": 101}, "outside 1 to 100"),
        ({"steps": 20, "schedule": "linaer"}, "did you mean 'linear'"),
        ({"steps": 20, "schedule": 3}, "function step -> factor"),
        ({"steps": 20, "schedule": lambda step: float("nan")}, "must be finite"),
        ({"steps": 20, "warmup": 20}, "shorter than the run"),
        ({"steps": 20, "weight_decay": -1.0}, "negative"),
        ({"steps": 20, "clip": 0.0}, "not a norm"),
    ],
)
def test_budgets_that_no_run_can_use_are_refused(words, said):
    with pytest.raises(BadInput, match=said):
        planned(100, **words)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ({"branch": "nets"}, "did you mean 'network'"),
        ({"momentum": 1.0}, r"outside \[0, 1\)"),
        ({"nesterov": True}, "give momentum as well"),
    ],
)
def test_settings_that_contradict_are_refused(words, said):
    with pytest.raises(BadInput, match=said):
        budget(**words)


def test_warm_up_and_a_schedule_of_ones_own():
    warm = planned(100, steps=20, warmup=4, schedule="linear")
    assert warm.factors[:3] == pytest.approx([0.25, 0.5 * 19 / 20, 0.75 * 18 / 20])
    assert warm.name == "warmup-linear"
    assert planned(100, steps=20, schedule=lambda step: 1.0 if step < 10 else 0.1).factors.tolist() == [1.0] * 10 + [0.1] * 10


def test_the_run_pays_for_its_readings_and_for_the_look():
    marks = readings(1000, 32, 1000)
    assert len(marks) * 1000 <= 1.1 * 1000 * 32
    assert np.sum(marks > 900) == 4
    assert 2 * 50 * look(10**6, 100, 10**4).examples <= 0.05 * 1e6  # a job of a million example gradients

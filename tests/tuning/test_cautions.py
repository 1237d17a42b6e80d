"""What makes an answer less sure: a schedule that no known job had, a job unlike all others, a forecast that was withheld."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

import inertia
from inertia.tuning.experience.jobs import schedule_apart
from inertia.tuning.experience.policy import ExperiencePolicy
from inertia.tuning.experience.remembering import keep, recalled
from inertia.tuning.factors import budget_of
from inertia.tuning.loop import tune
from inertia.tuning.measuring import measure
from inertia.tuning.policy import Caution, History
from inertia.tuning.reasons import remarks

STEPS = 200


def restarts(step):
    """Four cosines."""
    return 0.5 * (1 + np.cos(np.pi * (step % (STEPS // 4)) / (STEPS // 4)))


def one_cycle(step):
    rise = 0.3 * STEPS
    return step / rise if step < rise else 0.5 * (1 + np.cos(np.pi * (step - rise) / (STEPS - rise)))


def thirds(step):
    return 0.1 ** (3 * step // STEPS)


@pytest.fixture(scope="module")
def seen(job):
    return measure(job, budget_of(200, steps=STEPS, batch_size=10))


def policy(seen, schedule, **kind):
    bent = replace(seen, convex=False)  # as of a network: no forecast stands beside experience
    return ExperiencePolicy(bent, budget_of(200, steps=STEPS, batch_size=10, schedule=schedule), **kind)


@pytest.mark.parametrize("schedule", ["constant", "linear"])
def test_known_schedules_are_not_apart(seen, schedule):
    how = policy(seen, schedule)
    assert how.job.apart == 0
    assert how.pick(History()).cautions == ()


@pytest.mark.parametrize("schedule", ["cosine", restarts, one_cycle, thirds])
@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_other_schedules_are_searched_wider(seen, schedule, optimizer):
    """The second road: the spread of the shifts is that of Student's density with both widths, on the shifts that are tried."""
    known, other = (policy(seen, each, optimizer=optimizer) for each in ("linear", schedule))
    assert other.job.apart > 0
    assert other.pick(History()).cautions == (Caution.UNKNOWN_SCHEDULE,)
    fitted, spreads = known.known.fitted, []
    for how in (known, other):
        job = replace(how.job, features=known.job.features, marks=None)
        _, shift, weight, _ = how.known.prior(job)
        share = np.exp(weight - weight.max())
        spreads.append(np.sqrt(np.average(shift**2, weights=share)))
        nodes = np.arange(-5, 5.01, 0.5)
        width = np.sqrt(fitted.wander**2 + (fitted.shape * job.apart) ** 2)
        density = (1 + (nodes / width) ** 2 / fitted.tail) ** (-(fitted.tail + 1) / 2)
        assert spreads[-1] == pytest.approx(np.sqrt(np.average(nodes**2, weights=density)), rel=0.03)  # the least likely are left out
    assert spreads[1] > spreads[0]


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_known_jobs_are_moved_to_where_the_short_runs_of_the_new_one_are(seen, optimizer):
    """The second road: Student's density of scipy for the shift itself, and for every mark that a moved job would have elsewhere."""
    how = policy(seen, "linear", optimizer=optimizer)
    known, fitted, job = how.known, how.known.fitted, how.job
    unmarked = replace(job, marks=None)
    source, shift, weight, _ = known.prior(job)
    before = dict(zip(zip(*known.prior(unmarked)[:2], strict=True), known.prior(unmarked)[2], strict=True))
    told = np.zeros(len(source))
    for k, spread in enumerate(fitted.sees):
        off = (known.marks[source, k] + shift - job.marks[k]) / spread
        told += stats.t.logpdf(np.where(np.isnan(off), 1.0, off), fitted.tail)
    both = [at for at, pair in enumerate(zip(source, shift, strict=True)) if pair in before]
    assert len(both) > 20
    gained = weight[both] - [before[source[at], shift[at]] for at in both]
    assert gained - gained[0] == pytest.approx(told[both] - told[both][0], abs=1e-9)


def test_the_more_a_schedule_differs_the_wider_it_is(seen):
    apart = [policy(seen, each).job.apart for each in ("linear", "cosine", restarts, thirds)]
    assert apart == sorted(apart)
    assert len(set(apart)) == 4


def test_a_schedule_of_a_job_in_the_folder_is_known(job, seen, tmp_path):
    budget = budget_of(200, steps=STEPS, batch_size=10, schedule="cosine")
    first = tune(job, budget, ExperiencePolicy, runs=1)
    assert Caution.UNKNOWN_SCHEDULE in first.pick.cautions
    keep(tmp_path, "mine", first.measurement, budget, first.history)
    again = ExperiencePolicy(seen, budget, own=recalled(tmp_path))
    assert schedule_apart(again.known, budget) == 0
    assert Caution.UNKNOWN_SCHEDULE not in again.pick(History()).cautions


def test_the_answer_says_so(job):
    found = inertia.tune("valley", schedule="cosine", runs=1)
    assert sum("wider for this schedule" in each for each in remarks(found)) == 1
    clipped = inertia.tune("valley", clip=1.0, runs=1)
    assert sum("gave no forecast" in each for each in remarks(clipped)) == 1
    usual = inertia.tune("valley", runs=1)
    assert not any("wider" in each or "gave no forecast" in each for each in remarks(usual))


def test_a_check_says_so_too():
    said = inertia.check("breast-cancer", lr=0.01, momentum=0.9, schedule="cosine")
    assert str(said).count("wider for this schedule") == 1
    assert any("wider for this schedule" in note for note in said.to_json()["notes"])
    assert "wider" not in str(inertia.check("breast-cancer", lr=0.01, momentum=0.9))


def test_a_job_unlike_all_others_is_said_to_be(seen):
    how = policy(seen, "linear")
    far = replace(how.job, features=how.job.features + 40 * np.array(how.known.fitted.scales))
    assert how.known.unlike(far)
    assert not how.known.unlike(replace(how.job, features=how.known.features[3]))

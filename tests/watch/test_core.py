"""The framework-free side: pace, log, loggers, regimes, and the forecast of a spike, on made-up runs whose answer is known."""

import json
import math
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from inertia.errors import BadData, BadInput
from inertia.watching.history import Expected, History, mean_of
from inertia.watching.journal import Journal, watched
from inertia.watching.loggers import sink_of
from inertia.watching.messages import RULES
from inertia.watching.monitor import Monitor
from inertia.watching.pacing import Pace
from inertia.watching.quantities import Look, Noise, Reading, Step, from_plain, plain
from inertia.watching.regimes import Regime, noise_limit, regime
from inertia.watching.spikes import _Path, forecast
from inertia.watching.watcher import Watcher


class Clock:
    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


def test_what_is_spent_stays_within_the_budget():
    clock = Clock()
    pace, rng = Pace(0.03, clock=clock), np.random.default_rng(0)
    looks = 0
    for _ in range(20_000):
        clock.now += 0.01
        pace.steps += 1
        with pace.charged():
            clock.now += 1e-5
        if pace.due("look", price=max(pace.costs.get("look", 0.1), 0.1)):
            with pace.charged("look"):
                clock.now += 0.1 * rng.uniform(0.7, 1.3)
            looks += 1
    assert pace.lost <= 0.031
    assert looks > 40


def test_a_pause_does_not_buy_looks_in_a_row():
    clock = Clock()
    pace, looks = Pace(0.03, clock=clock), 0
    clock.now += 3600.0
    for _ in range(100):
        clock.now += 0.01
        pace.steps += 1
        if pace.due("look", price=0.1):
            pace.bought(0.1)
            with pace.charged("look"):
                clock.now += 0.1
            looks += 1
    assert looks == 1


def look_at(step, **more):
    base = {
        "step": step, "loss": 1.0, "learning_rate": 0.1, "sharpness": 2.0, "bar": 0.01, "edge": 20.0, "along_gradient": 1.0, "in_top": 1e-3,
        "gradient_norm": 1.0, "method": (0.1, 0.0, 0.0), "noise": Noise(4.0, 0.1, 64), "taken": Step(-0.02, 0.002), "turning": None,
    }  # fmt: skip
    return Look(**base | more)


def test_a_look_and_a_reading_are_written_and_read_back(tmp_path):
    look = look_at(7, layers={"0": 1.5}, taken=Step(-1.0, math.nan))
    reading = Reading(3, 0, 0.1, 0.9, None, 0.0, 1.0, None, 0.3, 0.01)
    journal = Journal(tmp_path / "run.jsonl")
    journal.write("start", optimizer="SGD")
    journal.write("look", **vars(look))
    journal.write("reading", **vars(reading))
    journal.write("losses", step=4, values=[1.0, math.nan])
    journal.close()
    found = watched(tmp_path / "run.jsonl")
    assert found.readings == [reading]
    back = found.looks[0]
    assert (back.method, back.noise, back.layers) == (look.method, look.noise, look.layers)
    assert math.isnan(back.taken.bend)
    assert found.losses[0] == (4, 1.0)
    assert math.isnan(found.losses[1][1])
    assert from_plain(Look, json.loads(json.dumps(plain(look)))).sharpness == 2.0


def test_a_run_that_is_killed_leaves_its_log_and_goes_on(tmp_path):
    place = tmp_path / "run.jsonl"
    code = (
        "import sys, time; from inertia.watching.monitor import Monitor; from inertia.watching.pacing import Pace\n"
        "m = Monitor(pace=Pace(0.03), log=sys.argv[1], say=False)\n"
        "for k in range(1, 10**9):\n    m.history.stepped(k, [0.1]); m.loss(k, 1 / k, now=True)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code, str(place)])
    while process.poll() is None and not (place.exists() and len(watched(place).losses) >= 64):
        time.sleep(0.02)
    process.kill()
    assert process.wait() == -signal.SIGKILL
    found = watched(place)
    assert len(found.losses) >= 64
    assert not found.ended
    with open(place, "a") as file:
        file.write('{"kind": "losses", "step": 9')  # a line that a kill cut
    monitor = Monitor(pace=Pace(0.03), log=place, say=False)
    assert monitor.begin == found.steps
    monitor.history.stepped(found.steps + 1, [0.1])
    monitor.loss(found.steps + 1, 0.5, now=True)
    monitor.close()
    again = watched(place)
    assert again.ended
    assert again.losses[-1] == (found.steps + 1, 0.5)
    assert again.resumed == [found.steps]


def test_losses_of_slow_steps_are_written_before_they_are_many_and_all_of_them_for_a_checkpoint(tmp_path):
    clock, read_at = Clock(), {}
    monitor = Monitor(pace=Pace(0.03, clock=clock), log=tmp_path / "run.jsonl", say=False)

    class Late:  # a loss on a device
        def __init__(self, step):
            self.step = step

        def __float__(self):
            read_at[self.step] = at
            return 1.0 / self.step

    for at in range(1, 8):
        clock.now += 3.0
        monitor.history.stepped(at, [0.1])
        monitor.loss(at, Late(at))
    assert [step for step, _ in watched(tmp_path / "run.jsonl").losses] == [1, 2, 3, 4, 5, 6]
    assert all(when > step for step, when in read_at.items())  # never the one that may still be computed
    watcher = Watcher()
    watcher.monitor, watcher.steps = monitor, 7
    assert watcher.state_dict() == {"steps": 7}
    assert [step for step, _ in watched(tmp_path / "run.jsonl").losses] == [1, 2, 3, 4, 5, 6, 7]
    monitor.close()


def test_what_lies_beyond_a_checkpoint_is_superseded(tmp_path):
    place = tmp_path / "run.jsonl"
    for losses, begin in (([5.0, 4.0, 3.0, 2.0], 0), ([3.5, 3.4], 2)):
        monitor = Monitor(pace=Pace(0.03), log=place, say=False)
        if begin:
            monitor.resume(begin)
        for k, loss in enumerate(losses):
            monitor.history.stepped(begin + k + 1, [0.1])
            monitor.loss(begin + k + 1, loss, now=True)
        monitor.close()
    assert watched(place).losses == [(1, 5.0), (2, 4.0), (3, 3.5), (4, 3.4)]


def test_messages_are_told_once_and_once_when_they_end_and_not_again_after_a_restart(tmp_path):
    said, place = [], tmp_path / "run.jsonl"

    def go(rates, begin):
        monitor = Monitor(pace=Pace(0.03), log=place, say=said.append)
        for k, rate in enumerate(rates):
            monitor.history.stepped(begin + k, [rate])
            monitor.judge()
        return monitor

    go([0.1, 0.0, 0.0, 0.0], 1).journal.close()  # as a kill would
    assert [line.split(":")[0] for line in said] == ["step 3"]
    go([0.0, 0.0, 0.1, 0.1], 5).close()
    assert len(said) == 2
    assert "no longer" in said[1]
    assert [(told.began, told.ended) for told in watched(place).messages] == [(3, 7)]


@pytest.mark.parametrize("text", ["", "hello\n", '{"a": 1}\n', '{"kind": "losses"}\n', '{"kind": "lo'])
def test_other_files_are_no_logs(tmp_path, text):
    place = tmp_path / "other.jsonl"
    place.write_text(text)
    if not text:
        assert watched(place).steps == 0
        return
    with pytest.raises(BadData, match="no log|cannot be read|no whole line"):
        Journal(place)
    assert place.read_text() == text


def test_loggers_of_every_kind_are_given_numbers():
    class Dicts:
        def __init__(self):
            self.seen = []

        def log(self, numbers, step=None):
            self.seen.append((step, numbers))

    class Lightning(Dicts):
        log_metrics = Dicts.log
        log = None

    for logger in (Dicts(), Lightning()):
        monitor = Monitor(pace=Pace(0.03), log=[logger], say=False)
        monitor.look(look_at(7))
        assert logger.seen[0][0] == 7
        assert logger.seen[0][1]["inertia/sharpness_of_edge"] == 0.1
        assert logger.seen[0][1]["inertia/critical_batch"] == pytest.approx(40)
    with pytest.raises(BadInput, match="cannot be logged to"):
        sink_of(3)


def noisy_history(excess=0.4, edge=20.0, drop=0.0, slope=-0.02, bend=0.02, steps=400):
    """A run that scatters about a level of 1: what each step gains, its noise takes away."""
    rng, history = np.random.default_rng(0), History()
    for k in range(1, steps + 1):
        history.stepped(k, [0.1])
        history.lost(k, 1 - drop * k / steps + 0.05 * rng.normal())
        if k % 10 == 0:
            taken = Step(slope * (1 + 0.5 * rng.normal()), bend * (1 + 0.2 * rng.normal()))
            history.look(look_at(k, taken=taken, excess=excess * (1 + 0.3 * rng.normal()), edge=edge))
    return history


def test_a_run_that_noise_holds_up_is_told_from_one_that_falls_or_stands_or_is_at_the_edge():
    holds, limit = noise_limit(noisy_history())
    assert holds
    assert limit.level == pytest.approx(1, rel=0.05)
    assert limit.halved == pytest.approx(0.8, rel=0.05)
    assert regime(noisy_history()) is Regime.NOISE
    assert "Halve the learning rate or double the batch, and it falls to about 0.8" in RULES["noise"](noisy_history()).words
    assert noise_limit(noisy_history(drop=0.9))[0] is False  # it still falls
    assert noise_limit(noisy_history(bend=0.002))[0] is False  # a plateau: longer steps would gain
    assert noise_limit(noisy_history(edge=1.9))[0] is False  # curvature turns it back
    assert noise_limit(noisy_history(steps=15))[0] is None  # too early to say
    assert regime(noisy_history(drop=0.9)) is Regime.DESCENDING


def test_a_mean_of_few_values_is_significant_less_easily():
    rng = np.random.default_rng(3)
    for count in (4, 8, 20):
        made = [mean_of(list(rng.normal(size=count))) for _ in range(8000)]
        false = np.mean([one.above(0) for one in made if one is not None])
        assert false == pytest.approx(1 / 44, abs=0.006)  # of means that are 0 in truth, however few the values


def test_room_is_told_where_twice_the_rate_is_stable_and_not_too_long():
    assert RULES["room"](noisy_history(bend=0.002)).holds
    assert not RULES["room"](noisy_history(bend=0.02)).holds
    assert not RULES["room"](noisy_history(bend=0.002, edge=3.0)).holds


@pytest.mark.parametrize(
    ("steps", "told"),
    [
        (lambda k: 1.0, False),
        (lambda k: 1.0 if k < 80 else 5.0, True),
        (lambda k: None, True),
        (lambda k: 9.0 if k % 40 == 0 else None, True),
    ],
)
def test_a_probe_that_happened_to_be_fitted_well_is_no_loss_that_has_risen(steps, told):
    """The probe's loss rises from 0.1 to 1: with the steps' losses it has risen, alone it was chance; sparse means do not hide it."""
    history = History()
    for k in range(1, 101):
        history.stepped(k, [0.1])
        if steps(k) is not None:
            history.lost(k, steps(k))
        if k % 10 == 0:
            history.look(look_at(k, loss=0.1 if k < 80 else 1.0))
    assert (RULES["risen"](history).holds is True) == told


def oscillation(turning, steps=6, faster=1.0, start=1e-8, ratio=1.1):
    """Looks at gradient descent beyond its edge: x grows by |1 - 2 ratio| a step."""
    history, edge = History(), 20.0
    for k in range(steps):
        x2 = start * (2 * ratio - 1) ** (20 * k)
        history.lost(10 * k + 1, 1.0)
        history.look(look_at(10 * k + 1, edge=edge, sharpness=ratio * edge, method=(2 / edge, 0.0, 0.0), in_top=x2, turning=turning))
        edge /= faster
    return history


def test_an_oscillation_that_nothing_turns_back_is_a_spike_to_come_and_its_time_is_right():
    history = oscillation(turning=0.0)
    found = forecast(history)
    assert found.coming
    x2 = history.looks[-1].in_top
    assert found.steps == math.ceil(math.log(2 / x2) / (2 * math.log(1.2)))  # the loss reaches three times the median of 1
    assert found.stable == pytest.approx(1 / 1.1)
    assert f"The loss will probably spike within about {found.steps:.0f} steps" in RULES["spike"](history).words


def test_one_that_is_turned_back_is_the_edge_of_stability():
    assert not forecast(oscillation(turning=60.0)).coming
    assert RULES["beyond the edge"](oscillation(turning=60.0)).holds


def test_below_the_edge_there_is_no_alarm():
    found = forecast(oscillation(turning=0.0, ratio=0.8))
    assert not found.coming
    assert RULES["beyond the edge"](oscillation(turning=0.0, ratio=0.8)).holds is False


def bursts(drive, every, steps):
    """Gradient descent beyond its edge (Damian, Nichani and Lee 2023): curvature rises by `drive` a step, an oscillation of size x turns it
    back by its square, and bursts follow each other. The step at which the loss exceeds three times its median, and what was foretold."""
    alpha, turning, curvature, x, history, told = 0.1, 30.0, 15.0, 1e-3, History(), []
    for k in range(1, steps + 1):
        loss = 1 + curvature * x**2 / 2
        history.stepped(k, [alpha])
        history.lost(k, loss)
        if loss > 3 * history.median():
            return k, told
        if k % every == 0:
            words = {
                "loss": loss,
                "sharpness": curvature,
                "bar": 0.05 * curvature,
                "method": (alpha, 0.0, 0.0),
                "in_top": curvature * x**2 / 2,
            }
            history.look(look_at(k, edge=2 / alpha, turning=turning if 2.1 * curvature > 2 / alpha else None, **words))
            holds = RULES["spike"](history).holds
            if holds and not (told and told[-1][1] is None):
                told.append([k, None])
            elif holds is False and told and told[-1][1] is None:
                told[-1][1] = k
        x, curvature = (1 - alpha * curvature) * x, max(curvature + drive(k) - alpha * turning**2 * x**2 / 2, 0.0)
        x = math.copysign(max(abs(x), 1e-4), x)
    return None, told


@pytest.mark.parametrize("every", [5, 10])
def test_of_bursts_that_grow_the_one_that_is_a_spike_is_foretold_and_those_that_stay_are_no_alarm(every):
    spike, told = bursts(lambda k: 0.02 * 1.006 ** max(k - 200, 0), every, 900)
    assert spike is not None
    assert told[-1][1] is None
    assert spike - told[-1][0] >= 10
    assert bursts(lambda k: 0.02, every, 700) == (None, [])


@pytest.mark.parametrize(("last", "stands"), [(True, True), (False, False)])
def test_a_warning_is_taken_back_only_by_a_look_that_foretells_no_spike(last, stands):
    """Two looks warn of the next 25 steps; the first look after these decides."""
    history = History()
    for k, foretold in enumerate([False, False, True, True, False, False, False, False, last]):
        step = 5 * k + 1
        history.lost(step, 1.0)
        history.look(look_at(step, turning=1.0, sharpness=21.0))
        history.expected[step] = Expected(step, 20, 3.0, 1.0, _Path([1.0], 1.0), foretold)
        found = forecast(history)
        assert found is None or found.coming == (3 <= k < 8 or (k == 8 and stands))

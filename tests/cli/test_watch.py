"""`inertia watch` on a log: once when piped, as JSON, as a page, and following a run that is going on."""

import json
import time

import numpy as np
import pytest

from inertia.cli import main
from inertia.watching import journal
from inertia.watching.monitor import Monitor
from inertia.watching.pacing import Pace
from inertia.watching.quantities import Look, Noise, Reading, Step


@pytest.fixture
def run(tmp_path):
    place = tmp_path / "run.jsonl"
    monitor = Monitor(pace=Pace(0.03), log=place, say=False, about={"optimizer": "SGD"})
    rng = np.random.default_rng(0)
    for k in range(1, 121):
        monitor.history.stepped(k, [0.1])
        monitor.loss(k, 1 / k + 0.01 * rng.random())
        if k % 10 == 0:
            sharpness = 20 * (0.2 + k / 100)
            monitor.readings([Reading(k, 0, 0.1, 0.9, 0.9, 1e-7, 1 / k, 2.0, 0.5, 0.01)])
            about = {"loss": 1 / k, "learning_rate": 0.1, "bar": 0.1, "edge": 38.0, "along_gradient": 3.0, "in_top": 1e-3}
            about |= {"gradient_norm": 1.0, "method": (0.1, 0.9, 0.0), "noise": Noise(4.0, 0.1, 64), "taken": Step(-0.02, 0.002)}
            monitor.look(Look(step=k, sharpness=sharpness, **about))
            monitor.judge()
    yield place, monitor
    monitor.close()


def test_piped_it_is_printed_once(run, capsys):
    place, monitor = run
    monitor.close()
    assert main(["watch", str(place)]) == 0
    out = capsys.readouterr().out
    assert out.startswith("Step 120, finished.")
    assert "of the edge" in out
    assert "0.737 of 38" in out
    assert "learning rate/(1 - momentum)" in out


def test_json_is_one_document_with_everything(run, capsys):
    place, monitor = run
    monitor.close()
    assert main(["watch", str(place), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["steps"], found["ended"], len(found["losses"]), len(found["looks"])) == (120, True, 120, 12)
    assert found["messages"][0]["name"] == "room"


def test_the_page_has_the_moving_operating_point(run, tmp_path, capsys):
    place, monitor = run
    monitor.close()
    assert main(["watch", str(place), "--report", str(tmp_path / "out")]) == 0
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert {"report.html", "record.json", "operating-point.png", "sharpness.svg", "loss.svg"} <= names
    page = (tmp_path / "out" / "report.html").read_text()
    assert "The operating point" in page
    assert "The learning rate can be 2x as high" in page


@pytest.mark.parametrize("when", ["between reading and following", "in a pause"])
def test_it_follows_a_run_that_is_going_on(run, capsys, monkeypatch, when):
    place, monitor = run
    monitor.write_losses()
    whole, pause = journal.watched, time.sleep

    def goes_on():
        for k in range(121, 130):
            monitor.history.stepped(k, [0.0])
            monitor.judge()
        monitor.close()

    def read(path):
        found = whole(path)
        goes_on()
        return found

    def paused(seconds):
        if not monitor._closed:
            goes_on()
        pause(0)

    monkeypatch.setattr(*((journal, "watched", read) if when.startswith("between") else (time, "sleep", paused)))
    assert main(["watch", str(place), "--follow"]) == 0
    assert "step 122: The learning rate has been 0 since step 121" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("text", "words"), [(None, "cannot read"), ("hello\n", "is no log of a watched run"), ('{"kind": "look"', "no whole line")]
)
def test_what_is_no_log_is_refused_in_one_line(tmp_path, text, words, capsys):
    place = tmp_path / "x.jsonl"
    if text is not None:
        place.write_text(text)
    assert main(["watch", str(place)]) == 2
    err = capsys.readouterr().err
    assert words in err
    assert err.count("\n") == 1

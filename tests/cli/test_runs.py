"""`inertia run` and `inertia measure`: the published traces, the contract's keys, every refusal, and what is left behind."""

import json
import sys

import numpy as np
import pytest

from inertia import measure, tasks
from inertia.cli import runs
from inertia.problems.simulation import Interrupted


# Printed in the "Dive into Deep Learning" chapter on momentum.
@pytest.mark.parametrize(
    ("alpha", "beta", "printed"),
    [
        (0.6, 0.5, ("0.007188", "0.002553")),
        (0.6, 0.25, ("-0.126340", "-0.186632")),
        (0.4, 0, ("-0.943467", "-0.000073")),
        (0.6, 0, ("-0.387814", "-1673.365109")),
    ],
)
def test_the_published_traces(inertia, alpha, beta, printed):
    answer = inertia("run", "valley", "--alpha", alpha, "--beta", beta, "--steps", 20, "--json").json
    assert list(answer) == ["method", "steps", "losses", "final", "params", "diverged_at"]
    assert tuple(f"{value:.6f}" for value in answer["final"]) == printed
    assert answer["steps"] == 20
    assert len(answer["losses"]) == 21
    assert answer["losses"][0] == 10.5
    assert answer["diverged_at"] is None


def test_a_diverging_run_is_an_answer(inertia):
    answer = inertia("run", "valley", "--alpha", 600, "--steps", 200, "--json").json
    assert 0 < answer["diverged_at"] < 200
    assert len(answer["losses"]) == answer["diverged_at"]
    said = inertia("run", "valley", "--alpha", 600, "--steps", 200)
    assert said.code == 0
    assert f"Diverged: not finite at step {answer['diverged_at']}." in said.out


def test_people_see_where_it_ended(inertia):
    said = inertia("run", "valley", "--alpha", 0.6, "--beta", 0.5, "--steps", 20)
    assert "at (0.007188, 0.002553)" in said.out
    assert "Heavy ball, alpha 0.6, beta 0.5: 20 steps, constant schedule." in said.out
    assert said.err == ""  # no bar where nobody watches
    assert said.out.isascii()  # piped: no block characters


def test_steps_default_to_the_task(inertia):
    assert inertia("run", "valley", "--alpha", 0.1, "--json").json["steps"] == tasks.load("valley").steps


def test_a_schedule_and_a_seed(inertia):
    common = ["run", "linear-regression", "--alpha", 0.05, "--beta", 0.5, "--steps", 40, "--batch-size", 10, "--json"]
    constant, linear, again = (inertia(*common, *rest).json for rest in ([], ["--schedule", "linear"], ["--schedule", "linear"]))
    assert constant["losses"] != linear["losses"]
    assert linear == again
    assert inertia(*common, "--seed", 1).json["losses"] != constant["losses"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["valley", "--alpha", "-1"], "--lr = -1 is not positive"),
        (["valley", "--alpha", "0.1", "--beta", "2"], r"--momentum = 2 is outside [-1, 1]"),
        (["valley", "--alpha", "0.1", "--steps", "0"], "steps = 0 is too few: a run needs at least 1 step"),
        (["valley", "--alpha", "0.1", "--batch-size", "4"], "valley is one function without examples"),
        (["linear-regression", "--alpha", "0.1", "--batch-size", "4000"], "batch_size = 4000 is more than the 1000 examples"),
        (["linear-regression", "--alpha", "0.1", "--batch-size", "0"], "batch_size = 0 is too few"),
        (["valley", "--alpha", "0.1", "--schedule", "linar"], "unknown schedule 'linar': did you mean 'linear'?"),
        (["digit", "--alpha", "0.1"], "unknown task 'digit': did you mean 'digits'?"),
        (["valley"], "Missing option '--lr' / '--alpha'"),
        (["valley", "--alpha", "0.1", "--seed", "-1"], "Invalid value for '--seed'"),
    ],
)
def test_run_refuses_in_one_line(refused, arguments, words):
    assert words in refused("run", *arguments)


def test_out_holds_figures_report_and_record(inertia, tmp_path):
    said = inertia("run", "valley", "--alpha", 0.6, "--beta", 0.5, "--steps", 20, "--out", tmp_path / "new" / "place")
    place = tmp_path / "new" / "place"
    assert sorted(path.name for path in place.iterdir()) == ["loss.png", "loss.svg", "path.png", "path.svg", "record.json", "report.html"]
    for path in ("report.html", "loss.png", "record.json"):
        assert str(place / path) in said.out
    kept = json.loads((place / "record.json").read_text())
    assert kept["final"] == inertia("run", "valley", "--alpha", 0.6, "--beta", 0.5, "--steps", 20, "--json").json["final"]
    assert kept["interrupted"] is False
    assert len(kept["path"]) == 21


def test_an_unwritable_out_is_refused_before_any_work(refused, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setattr("inertia.problems.simulation.run", lambda *_, **__: pytest.fail("the run began"))
    assert "it is a file, not a folder" in refused("run", "valley", "--alpha", "0.1", "--out", tmp_path / "file")
    assert "cannot write to" in refused("run", "valley", "--alpha", "0.1", "--out", tmp_path / "file" / "below")


def test_a_read_only_out_is_refused(refused, tmp_path, monkeypatch):
    def deny(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("tempfile.mkstemp", deny)
    assert "permission denied; choose another --out" in refused("run", "valley", "--alpha", "0.1", "--out", tmp_path)


def test_a_missing_extra_names_the_install_line(refused, monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn", None)
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    assert "pip install 'inertia[tasks]'" in refused("run", "digits", "--alpha", "0.1")


def test_control_c_keeps_the_finished_part(inertia, tmp_path, monkeypatch):
    from inertia.problems import simulation as reference

    whole = reference.run

    def cut_short(*arguments, **words):
        raise Interrupted([whole(arguments[0], arguments[1], 7, **words)])

    monkeypatch.setattr(reference, "run", cut_short)
    said = inertia("run", "valley", "--alpha", 0.1, "--steps", 20, "--out", tmp_path)
    assert (said.code, said.out, said.err) == (130, "", "inertia: interrupted\n")
    kept = json.loads((tmp_path / "record.json").read_text())
    assert kept["interrupted"] is True
    assert len(kept["losses"]) == 8


def test_control_c_before_the_first_step_is_a_record_too(inertia, tmp_path, monkeypatch):
    def cut_short(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("inertia.problems.simulation.run", cut_short)
    assert inertia("run", "valley", "--alpha", 0.1, "--out", tmp_path).code == 130
    kept = json.loads((tmp_path / "record.json").read_text())
    assert (kept["interrupted"], kept["losses"]) == (True, [])


def test_a_real_interrupt_of_a_real_process(tmp_path, real_interrupt):
    command = ["run", "valley", "--alpha", "1e-9", "--steps", "1000000", "--out", str(tmp_path)]
    assert real_interrupt("runs", command) == (130, "", "inertia: interrupted\n")
    kept = json.loads((tmp_path / "record.json").read_text())
    assert kept["interrupted"] is True
    assert 1 < len(kept["losses"]) < 1_000_000


def test_measure_prints_what_tune_uses(inertia):
    answer = inertia("measure", "linear-regression", "--full", "--json").json
    problem = tasks.load("linear-regression").problem
    hessian = np.stack([problem.hvp(problem.start, row) for row in np.eye(problem.dimension)])
    exact = np.linalg.eigvalsh(hessian)
    assert answer["largest"] == pytest.approx(exact[-1], rel=1e-9)
    assert answer["smallest"] == pytest.approx(exact[0], rel=1e-9)
    assert answer["largest_upper"] >= exact[-1] * (1 - 1e-9)
    assert answer["dimension"] == problem.dimension
    assert answer["noise_trace"] > 0
    assert answer["hvps"] > 0
    paid = inertia("measure", "linear-regression", "--json").json
    assert paid["in_runs"] < 1 < answer["in_runs"]
    assert paid["largest"] == measure("linear-regression").largest  # the facade's verb is the same road


def test_measuring_the_whole_loss_sees_no_noise(inertia):
    assert inertia("measure", "linear-regression", "--batch-size", 1000, "--json").json["noise_trace"] == 0
    said = inertia("measure", "valley")
    assert "upper bar" in said.out
    assert "gradient descent is stable below learning rate 0.5" in said.out


def test_a_task_of_another_framework_names_the_command_that_can(monkeypatch, refused):
    from dataclasses import replace

    loaded = tasks.load("valley")
    monkeypatch.setattr(tasks, "load", lambda _: replace(loaded, kind="jax"))
    assert "use 'inertia tune mlp'" in refused("run", "mlp", "--alpha", "0.1")


def test_the_answer_is_the_record(inertia):
    from inertia import Method
    from inertia.problems import valley
    from inertia.problems.simulation import run

    record = run(valley(), Method(0.1), 3)
    assert runs.answer(record)["losses"] == record.losses.tolist()

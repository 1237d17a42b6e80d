"""`inertia tune`: the contract's keys, what --out holds, what an interrupt leaves, every refusal."""

import json

import pytest

from inertia.cli.tune import _answer
from inertia.errors import Diverged

KEYS = {
    "task", "steps", "batch_size", "schedule", "regime", "recommendation", "predicted_loss", "verified_loss", "runs",
    "cost_in_runs", "measurement", "seed", "momentum", "cost", "expected",
}  # fmt: skip


def test_json_is_the_contract(inertia):
    said = inertia("tune", "linear-regression", "--steps", 60, "--batch-size", 20, "--schedule", "cosine", "--seed", 3, "--json")
    assert (said.code, said.err) == (0, "")
    found = said.json
    assert set(found) >= KEYS
    assert {"alpha", "beta", "gamma", "torch", "optax", "keras"} <= set(found["recommendation"])
    assert {"gain", "low", "high", "evidence"} == set(found["momentum"])
    assert {"estimated", "spent", "measuring", "runs"} <= set(found["cost"])
    assert {"loss", "low", "high"} <= set(found["expected"])
    for row in found["runs"]:
        assert {"alpha", "beta", "gamma", "steps", "loss", "diverged", "predicted", "seed"} <= set(row)
    assert [found[name] for name in ("task", "steps", "batch_size", "schedule", "seed")] == ["linear-regression", 60, 20, "cosine", 3]
    assert found["recommendation"]["torch"]["lr"] == found["recommendation"]["alpha"]
    assert found["verified_loss"] == found["runs"][found["best_run"]]["loss"]
    assert {"largest", "largest_upper", "smallest", "noise_trace", "hvps", "dimension"} <= set(found["measurement"])
    assert found["cost"]["spent"] <= found["cost"]["estimated"] * (1 + 1e-9)


def test_the_same_seed_gives_the_same_answer(inertia):
    command = ["tune", "linear-regression", "--steps", 40, "--batch-size", 20, "--json"]
    assert inertia(*command).out == inertia(*command).out


def test_the_recommended_run_can_be_repeated(inertia):
    found = inertia("tune", "valley", "--json").json
    advice = found["recommendation"]
    words = [f"--{name}={advice[name]!r}" for name in ("alpha", "beta", "gamma")]
    again = inertia("run", "valley", *words, "--steps", found["steps"], "--json").json
    assert again["losses"][-1] == found["verified_loss"]


def test_people_get_lines_to_copy(inertia):
    said = inertia("tune", "valley", "--schedule", "linear", "--momentum", 0.5)
    assert said.code == 0
    assert said.err == ""
    for words in ("torch.optim.SGD(", "optax.sgd(", "keras.optimizers.SGD(", "recommended", "Keras keeps the learning rate inside"):
        assert words in said.out
    assert "optimal" not in said.out
    torch = next(line for line in said.out.splitlines() if "optimizer =" in line)
    assert torch.startswith("  torch  optimizer = torch.optim.SGD(model.parameters(), lr=")


def test_out_holds_report_figures_and_record(inertia, tmp_path):
    place = tmp_path / "out"
    said = inertia("tune", "valley", "--out", place)
    figures = ["learning-rate", "momentum", "runs", "spectrum"]
    expected = {f"{name}.{kind}" for name in figures for kind in ("png", "svg")} | {"record.json", "report.html", "runs.jsonl", "runs.lock"}
    assert {path.name for path in place.iterdir() if not path.name.startswith("end-")} == expected
    for path in ("report.html", "spectrum.png", "record.json"):
        assert str(place / path) in said.out
    kept = json.loads((place / "record.json").read_text())
    assert kept["interrupted"] is False
    assert _answer(kept) == inertia("tune", "valley", "--json").json
    report = (place / "report.html").read_text()
    assert "optimal" not in report
    for line in kept["recommendation"]["lines"].values():
        assert line.splitlines()[0].split("lr=")[0] in report.replace("&#x27;", "'")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["digit"], "unknown task 'digit': did you mean 'digits'?"),
        (["valley", "--steps", "0"], "steps = 0 is too few: tuning needs a run of at least 16 steps"),
        (["valley", "--steps", "-3"], "steps = -3 is too few"),
        (["linear-regression", "--batch-size", "4000"], "batch_size = 4000 is outside 1 to 1000, the number of examples"),
        (["linear-regression", "--batch-size", "0"], "batch_size = 0 is outside 1 to 1000"),
        (["valley", "--runs", "-1"], "runs = -1: give a whole number, 0 for advice without a run"),
        (["linear-regression", "--max-cost", "0.01"], "max_cost = 0.01 runs is below what measuring costs"),
        (["valley", "--optimizer", "adm"], "unknown optimizer 'adm': did you mean 'adamw'?"),
        (["valley", "--momentum", "1"], "momentum = 1 is outside [0, 1)"),
        (["valley", "--nesterov"], "nesterov is only used with a fixed momentum"),
        (["valley", "--weight-decay", "-1"], "weight_decay = -1: give 0 or more"),
        (["valley", "--clip", "0"], "clip = 0 is not a norm"),
        (["valley", "--warmup", "999"], "warmup = 999 is outside 0 to"),
        (["valley", "--batch-size", "2"], "valley is one function without examples"),
        (["valley", "--schedule", "cosin"], "unknown schedule 'cosin': did you mean 'cosine'?"),
        (["valley", "--steps", "many"], "Invalid value for '--steps'"),
    ],
)
def test_tune_refuses_in_one_line(refused, arguments, words):
    assert words in refused("tune", *arguments)


def test_an_unwritable_out_is_refused_before_the_work(refused, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("kept")
    monkeypatch.setattr("inertia.tuning.asking.ask", lambda *_, **__: pytest.fail("the work began"))
    assert "it is a file, not a folder" in refused("tune", "valley", "--out", tmp_path / "file")
    assert (tmp_path / "file").read_text() == "kept"


def test_a_disk_that_fills_up_does_not_lose_the_runs(inertia, refused, tmp_path, monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as once:
        once.setattr("os.replace", full)
        said = refused("tune", "valley", "--out", tmp_path)
    assert f"cannot write to {tmp_path}: no space left on device" in said
    assert "make room, then add --resume" in said
    assert {path.name for path in tmp_path.iterdir()} == {"runs.jsonl", "runs.lock"}
    monkeypatch.setattr("inertia.tuning.numpy_door.ProblemJob.run", lambda *_, **__: pytest.fail("a run was made again"))
    assert "recommended" in inertia("tune", "valley", "--out", tmp_path, "--resume").out


def test_bad_input_leaves_no_folder(refused, tmp_path):
    refused("tune", "valley", "--steps", "0", "--out", tmp_path / "never")
    assert not (tmp_path / "never").exists()


def test_an_interrupt_keeps_the_finished_runs_and_no_older_figures(inertia, tmp_path, monkeypatch):
    from inertia.tuning.numpy_door import ProblemJob

    for name in ("spectrum.png", "momentum.svg", "report.html", "record.json"):  # of an older tuning
        (tmp_path / name).write_text("old")
    made, run = [], ProblemJob.run

    def cut_short(*given, **words):
        if made:
            raise KeyboardInterrupt
        made.append(1)
        return run(*given, **words)

    monkeypatch.setattr(ProblemJob, "run", cut_short)
    said = inertia("tune", "valley", "--out", tmp_path)
    assert (said.code, said.out) == (130, "")
    assert said.err.startswith("inertia: interrupted")
    kept = json.loads((tmp_path / "record.json").read_text())
    assert kept["interrupted"] is True
    assert len(kept["runs"]) == 1
    assert "nothing is recommended" in (tmp_path / "report.html").read_text()
    assert not (tmp_path / "spectrum.png").exists()


def test_a_tuning_whose_every_run_diverged_keeps_them_and_refuses(refused, tmp_path, monkeypatch):
    def diverge(*_, **__):
        raise Diverged("every run diverged")

    monkeypatch.setattr("inertia.tuning.asking.ask", diverge)
    assert "every run diverged" in refused("tune", "valley", "--out", tmp_path)
    kept = json.loads((tmp_path / "record.json").read_text())
    assert (kept["interrupted"], kept["ended"]) == (False, "diverged")


def test_advice_without_a_run(inertia):
    said = inertia("tune", "linear-regression", "--runs", 0)
    assert said.out.startswith("Advice, not verified")
    found = inertia("tune", "linear-regression", "--runs", 0, "--json").json
    assert (found["runs"], found["verified_loss"], found["best_run"]) == ([], None, None)
    assert found["recommendation"]["verified"] is False


def test_prove_adds_the_run_without_momentum(inertia):
    found = inertia("tune", "linear-regression", "--runs", 1, "--prove", "--json").json
    assert len(found["runs"]) == 1
    assert found["proof"]["momentum"] == 0
    assert "run without momentum, at learning rate " in found["verdict"]


def test_a_real_interrupt_of_a_real_tuning(tmp_path, real_interrupt):
    command = ["tune", "linear-regression", "--steps", "100000", "--out", str(tmp_path)]
    code, out, err = real_interrupt("tune", command)
    assert (code, out) == (130, "")
    assert "inertia: interrupted" in err
    kept = json.loads((tmp_path / "record.json").read_text())
    assert kept["interrupted"] is True
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


def test_a_corrupt_data_file_is_refused(refused, tmp_path, monkeypatch):
    (tmp_path / "airfoil_self_noise.dat").write_text("1 2 3 4 5 6\n")
    monkeypatch.setenv("INERTIA_DATA", str(tmp_path))
    assert "airfoil_self_noise.dat" in refused("tune", "airfoil")


def test_help_holds_an_example(inertia):
    assert "Example: inertia tune digits" in inertia("tune", "--help").out


def test_any_optimizer_is_chosen_kept_and_resumed(inertia, tmp_path):
    command = ["tune", "valley", "--optimizer", "any", "--runs", 2, "--out", tmp_path, "--json"]
    said = inertia(*command)
    assert (said.code, said.err) == (0, "")
    choice = said.json["optimizer"]
    assert {"chosen", "other", "ratio", "low", "high", "evidence", "verdict"} == set(choice)
    assert {choice["chosen"], choice["other"]} == {run["optimizer"] for run in said.json["runs"]} == {"sgd", "adamw"}
    assert said.json["recommendation"]["optimizer"] == choice["chosen"]
    assert "Which optimizer?" in (tmp_path / "report.html").read_text()
    assert inertia(*command, "--resume").out == said.out
    words = inertia("tune", "valley", "--optimizer", "any", "--runs", 2)
    assert choice["verdict"] in " ".join(words.out.split())
    refused = inertia("tune", "valley", "--optimizer", "any", "--momentum", 0.9)
    assert refused.code == 2
    assert "leave momentum out" in refused.err


def test_users_of_adamw_read_beta1(inertia, tmp_path):
    said = inertia("tune", "valley", "--optimizer", "adamw", "--runs", 1, "--out", tmp_path)
    assert "beta1 matters here" in said.out
    assert "omentum pays" not in said.out
    assert "Does beta1 matter?" in (tmp_path / "report.html").read_text()

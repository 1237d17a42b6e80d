"""`inertia tune`: the contract's keys, what --out holds, what an interrupt leaves, every refusal."""

import json

import pytest

from inertia import Method
from inertia.cli.tune import answer
from inertia.errors import Diverged
from inertia.problems import valley
from inertia.problems.simulation import Interrupted, run
from inertia.tuning import tune

KEYS = [
    "task", "steps", "batch_size", "schedule", "regime", "recommendation", "predicted_loss", "verified_loss", "runs",
    "cost_in_runs", "measurement", "seed",
]  # fmt: skip


@pytest.fixture(scope="module")
def result():
    return tune(valley(), steps=20, schedule="constant")


def test_json_is_the_contract(inertia):
    said = inertia("tune", "linear-regression", "--steps", 60, "--batch-size", 20, "--schedule", "cosine", "--seed", 3, "--json")
    assert (said.code, said.err) == (0, "")
    found = said.json
    assert list(found) == KEYS
    assert list(found["recommendation"]) == ["alpha", "beta", "gamma", "torch", "optax", "keras"]
    assert all(list(row) == ["alpha", "beta", "gamma", "steps", "loss", "diverged"] for row in found["runs"])
    assert [found[name] for name in ("task", "steps", "batch_size", "schedule", "seed")] == ["linear-regression", 60, 20, "cosine", 3]
    assert found["recommendation"]["torch"]["lr"] == found["recommendation"]["alpha"]
    assert found["verified_loss"] in [row["loss"] for row in found["runs"]]
    assert {"largest", "largest_upper", "smallest", "noise_trace", "hvps", "dimension"} <= set(found["measurement"])


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
    said = inertia("tune", "valley", "--schedule", "linear")
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
    figures = ["learning-rate", "momentum", "spectrum", "verification"]
    expected = sorted([f"{name}.{kind}" for name in figures for kind in ("png", "svg")] + ["record.json", "report.html", "runs.jsonl"])
    assert sorted(path.name for path in place.iterdir()) == expected
    for path in ("report.html", "spectrum.png", "record.json"):
        assert str(place / path) in said.out
    kept = json.loads((place / "record.json").read_text())
    assert kept["interrupted"] is False
    assert answer(kept) == inertia("tune", "valley", "--json").json
    report = (place / "report.html").read_text()
    assert "optimal" not in report
    for line in kept["recommendation"]["lines"].values():
        assert line.split("lr=")[0].split("; ")[0] in report.replace("&#x27;", "'")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["digit"], "unknown task 'digit': did you mean 'digits'?"),
        (["valley", "--steps", "0"], "steps = 0 is too few: tuning needs a budget of at least 1 step"),
        (["valley", "--steps", "-3"], "steps = -3 is too few"),
        (["linear-regression", "--batch-size", "4000"], "batch_size = 4000 is more than the 1000 examples of linear-regression"),
        (["linear-regression", "--batch-size", "0"], "batch_size = 0 is too few"),
        (["valley", "--batch-size", "2"], "valley is one function without examples"),
        (["valley", "--schedule", "cosin"], "unknown schedule 'cosin': did you mean 'cosine'?"),
        (["valley", "--steps", "many"], "Invalid value for '--steps'"),
    ],
)
def test_tune_refuses_in_one_line(refused, arguments, words):
    assert words in refused("tune", *arguments)


def test_an_unwritable_out_is_refused_before_the_work(refused, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("kept")
    monkeypatch.setattr("inertia.tune.tune", lambda *_, **__: pytest.fail("the work began"))
    assert "it is a file, not a folder" in refused("tune", "valley", "--out", tmp_path / "file")
    assert (tmp_path / "file").read_text() == "kept"


def test_a_disk_that_fills_up_does_not_lose_the_runs(inertia, refused, tmp_path, monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as once:
        once.setattr("pathlib.Path.write_bytes", full)
        said = refused("tune", "valley", "--out", tmp_path)
    assert f"cannot write to {tmp_path}: no space left on device" in said
    assert f"the finished runs are in {tmp_path / 'runs.jsonl'}: make room, then add --resume" in said
    assert [path.name for path in tmp_path.iterdir()] == ["runs.jsonl"]
    monkeypatch.setattr("inertia.tune._trial", lambda *_: pytest.fail)  # nothing is run again
    assert "recommended" in inertia("tune", "valley", "--out", tmp_path, "--resume").out


def test_bad_input_leaves_no_folder(refused, tmp_path):
    refused("tune", "valley", "--steps", "0", "--out", tmp_path / "never")
    assert not (tmp_path / "never").exists()


def test_an_interrupt_keeps_the_finished_runs_and_no_older_figures(inertia, tmp_path, monkeypatch, result):
    for name in ("spectrum.png", "momentum.svg", "report.html", "record.json"):  # of an older tuning
        (tmp_path / name).write_text("old")

    def cut_short(problem, *, on_record, **_):
        on_record(result.runs[0])
        on_record(run(problem, result.runs[1].method, 5))
        raise Interrupted([result.runs[0]])

    monkeypatch.setattr("inertia.tune.tune", cut_short)
    said = inertia("tune", "valley", "--out", tmp_path)
    assert (said.code, said.out, said.err) == (130, "", "inertia: interrupted\n")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["record.json", "report.html", "verification.png", "verification.svg"]
    kept = json.loads((tmp_path / "record.json").read_text())
    assert kept["interrupted"] is True
    assert [len(each["losses"]) for each in kept["runs"]] == [21, 6]
    assert "nothing is recommended" in (tmp_path / "report.html").read_text()


def test_a_tuning_whose_every_run_diverged_keeps_them_and_refuses(refused, tmp_path, monkeypatch):
    lost = run(valley(), Method(600.0), 200)

    def diverge(problem, *, on_record, **_):
        on_record(lost)
        raise Diverged("every verification run diverged", [lost])

    monkeypatch.setattr("inertia.tune.tune", diverge)
    assert "every verification run diverged" in refused("tune", "valley", "--out", tmp_path)
    kept = json.loads((tmp_path / "record.json").read_text())
    assert (kept["interrupted"], kept["ended"]) == (False, "diverged")
    assert kept["runs"][0]["diverged_at"] == lost.diverged_at
    assert f"diverged at step {lost.diverged_at}" in (tmp_path / "report.html").read_text()


def test_an_interrupt_before_any_run_is_a_record_too(inertia, tmp_path, monkeypatch):
    def cut_short(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("inertia.tune.tune", cut_short)
    assert inertia("tune", "valley", "--out", tmp_path).code == 130
    assert json.loads((tmp_path / "record.json").read_text())["runs"] == []
    assert "No run had begun" in (tmp_path / "report.html").read_text()


def test_a_real_interrupt_of_a_real_tuning(tmp_path, real_interrupt):
    command = ["tune", "linear-regression", "--steps", "100000", "--out", str(tmp_path)]
    assert real_interrupt("tune", command) == (130, "", "inertia: interrupted\n")
    kept = json.loads((tmp_path / "record.json").read_text())
    assert kept["interrupted"] is True
    assert all(len(run["losses"]) > 1 for run in kept["runs"])
    assert len(kept["runs"]) >= 1
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


def test_a_corrupt_data_file_is_refused(refused, tmp_path, monkeypatch):
    (tmp_path / "airfoil_self_noise.dat").write_text("1 2 3 4 5 6\n")
    monkeypatch.setenv("INERTIA_DATA", str(tmp_path))
    assert "airfoil_self_noise.dat" in refused("tune", "airfoil")


def test_help_holds_an_example(inertia):
    assert "Example: inertia tune digits" in inertia("tune", "--help").out

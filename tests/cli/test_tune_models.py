"""`inertia tune` on networks and on a user's own file: the answer, what survives a kill, whose exception it was."""

import json
import os
import re
import signal
import sys
import time
from functools import partial

import pytest

from inertia.cli.loaded import theirs

pytest.importorskip("torch")
pytest.importorskip("jax")

MINE = """
import torch
from inertia.tasks import torch_task

def task():
    torch.manual_seed(0)
    x = torch.randn(96, 3)
    model = torch.nn.Sequential(torch.nn.Linear(3, 8), torch.nn.Tanh(), torch.nn.Linear(8, 1))
    return torch_task(model, torch.nn.MSELoss(), (x, x.prod(dim=1, keepdim=True)), steps=40, batch_size=16)
"""


@pytest.fixture
def mine(tmp_path):
    def write(text=MINE):
        path = tmp_path / "mine.py"
        path.write_text(text)
        return path

    return write


def test_a_file_of_ones_own(inertia, mine, tmp_path):
    path = mine()
    said = inertia("tune", f"{path}:task", "--weight-decay", 1e-3, "--clip", 1, "--warmup", 4, "--out", tmp_path / "out")
    assert (said.code, said.err) == (0, "")
    for words in ("recommended", "weight_decay=0.001", "optax.clip_by_global_norm(1.0)", "(step + 1) / 4"):
        assert words in said.out
    record = json.loads((tmp_path / "out" / "record.json").read_text())
    assert record["extras"] == {"weight_decay": 0.001, "clip": 1.0, "warmup": 4}
    journal = [json.loads(line)["kind"] for line in (tmp_path / "out" / "runs.jsonl").read_text().splitlines()]
    assert journal.count("run") == len(record["runs"]) == 3
    assert inertia("tune", path, "--json").json["steps"] == 40  # FILE.py alone means FILE.py:task


def test_momentum_can_be_fixed(inertia, mine):
    found = inertia("tune", mine(), "--momentum", 0.5, "--heavy-ball", "--runs", 2, "--json").json
    assert {(run["beta"], run["gamma"]) for run in found["runs"]} == {(0.5, 0.0)}
    assert len(found["runs"]) == 2


def test_rivals_are_run_and_the_winner_is_named(inertia, mine, tmp_path):
    path, out = mine(), tmp_path / "out"
    said = inertia("tune", path, "--compare", "--out", out)
    kept = json.loads((out / "record.json").read_text())
    assert sorted(row["name"] for row in kept["rivals"]) == ["MoMo", "Prodigy", "schedule-free SGD"]
    losses = [row["loss"] for row in kept["rivals"]]
    assert losses == sorted(losses)
    report = (out / "report.html").read_text()
    assert all(row["name"] in report for row in kept["rivals"])
    assert all(row["name"] in said.out for row in kept["rivals"])


def test_a_rival_that_wins_is_told_at_the_top(inertia, mine, tmp_path, monkeypatch):
    rows = [{"name": "Prodigy", "loss": 1e-9}, {"name": "MoMo", "loss": None, "error": "RuntimeError: no"}]
    monkeypatch.setattr("inertia.torch.rivals.compare", lambda *_, **__: rows)
    said = inertia("tune", mine(), "--compare", "--out", tmp_path)
    assert "Prodigy did better in one untuned run, 1e-09" in said.out
    assert "RuntimeError: no" in said.out
    lede = (tmp_path / "report.html").read_text().split('class="lede">')[1].split("</p>")[0]
    assert "Prodigy did better" in lede
    assert inertia("tune", mine(), "--compare", "--json").json["rivals"] == rows


def test_rivals_of_jax_tasks_too(inertia, tmp_path):
    path = tmp_path / "line.py"
    path.write_text(
        "import jax.numpy as jnp\nfrom inertia.tasks import jax_task\nx = jnp.linspace(-1.0, 1.0, 64)\n"
        "def task():\n"
        "    return jax_task(lambda w, b: jnp.mean((b[0] * w - b[1]) ** 2), jnp.zeros(1), (x, 3 * x), steps=32, batch_size=16)\n"
    )
    found = inertia("tune", path, "--compare", "--json").json
    assert sorted(row["name"] for row in found["rivals"]) == ["MoMo", "Prodigy", "schedule-free SGD"]


def test_a_missing_rival_is_told_before_anything_runs(refused, mine, monkeypatch):
    monkeypatch.delitem(sys.modules, "inertia.torch.rivals", raising=False)
    monkeypatch.setitem(sys.modules, "prodigyopt", None)
    monkeypatch.setattr("inertia.tuning.asking.ask", lambda *_, **__: pytest.fail("the work began"))
    assert "prodigyopt is not installed and this needs it: pip install 'inertia[rivals]'" in refused("tune", mine(), "--compare")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("def task", "def job"), "has no function 'task': .*there are: job"),
        (("steps=40", "steps=15"), "at least 16 steps"),
        (("return torch_task", "raise ValueError('mine'); return torch_task"), r"your code in .*mine.py:9 raised ValueError: mine"),
        (("torch.nn.MSELoss()", "lambda a, b: a.nope"), r"your code in .*mine.py:9 raised AttributeError: .*nope"),
        (("torch.nn.MSELoss()", "lambda a, b: ((a - b) ** 2).mean() / 0"), "is inf"),
        (("torch.nn.MSELoss()", "lambda a, b: b.mean()"), "depend"),
        (("torch.nn.MSELoss()", "lambda a, b: ((a - b) ** 2).mean() * __import__('random').SystemRandom().random()"), "not deterministic"),
        (("batch_size=16", "batch_size=97"), "outside 1 to 96"),
        (("    return torch_task(", "    model.requires_grad_(False)\n    return torch_task("), "no trainable parameter"),
        (("    return torch_task(", "    model = model.to('meta')\n    return torch_task("), "device 'meta'"),
        (("(x, x.prod(dim=1, keepdim=True))", "iter([])"), "no batch"),
        (("return torch_task(", "return (") , "returned a tuple"),
        (("return torch_task", "raise SystemExit(3); return torch_task"), r"your code in .*mine.py called exit\(3\): return instead"),
        (("steps=40", "steps='many'"), "steps = 'many' is not a whole number"),
        (("batch_size=16", "batchsize=16"), "has no setting 'batchsize': did you mean 'batch_size'"),
        (("torch_task(model,", "torch_task(None,"), "a model of type NoneType cannot be tuned"),
        (("batch_size=16", "batch_size=16, validation=(x, x[:, :1] * float('nan'))"), "the validation loss is nan at the start"),
        (("(x, x.prod(dim=1, keepdim=True))", "(x[:0], x[:0])"), "the data hold no examples"),
    ],
    ids=["no task", "steps", "raises", "loss raises", "infinite", "no parameters", "random", "batch", "frozen", "device", "empty", "kind",
         "exit", "words", "setting", "no model", "validation", "no examples"],
)  # fmt: skip
def test_what_cannot_be_tuned_is_one_line(refused, mine, change, said):
    text = MINE.replace(*change)
    if "return (" in change[1]:
        text = text.replace(", steps=40, batch_size=16", "")
    assert re.search(said, refused("tune", mine(text)))


@pytest.fixture
def said_of(refused, mine):
    """The one line for this change of the file."""
    return lambda *change: refused("tune", mine(MINE.replace(*change)))


def test_a_line_of_the_user_is_blamed_through_libraries_and_neighbours(refused, mine, said_of, tmp_path):
    through = "torch.utils.data.default_collate([object()]); return torch_task"
    assert re.search(r"your code in .*mine.py:9 raised TypeError: default_collate.*the line is: ", said_of("return torch_task", through))
    (tmp_path / "beside_mine.py").write_text("def loss(a, b):\n    return a.nope\n")
    beside = mine(MINE.replace("torch.nn.MSELoss()", "__import__('beside_mine').loss"))
    assert beside.parent == tmp_path
    assert re.search(r"your code in .*beside_mine.py:2 raised AttributeError: .*nope", refused("tune", beside))
    (tmp_path / "broken_mine.py").write_text("x = 1\ndef (\n")
    broken = mine(MINE.replace("return torch_task", "import broken_mine; return torch_task"))
    assert re.search(r"your code in .*broken_mine.py:2 raised SyntaxError", refused("tune", broken))


def test_a_library_that_inertia_called_is_named_and_the_file_is_not_blamed(said_of):
    said = said_of("x, x.prod(dim=1", "x[:, :1], x.prod(dim=1")
    assert re.search(r"inertia: RuntimeError: mat1 and mat2 .*, raised in nn/modules/linear.py:\d+ when inertia called it at ", said)
    assert "your code" not in said


@pytest.mark.parametrize("place", ["inertia.tuning.asking.estimate", "inertia.torch.door.TorchJob.read", "inertia.tuning.loop.measure"])
def test_a_fault_of_inertia_is_called_that(refused, mine, monkeypatch, place):
    path = mine()
    monkeypatch.setattr(place, None)
    said = refused("tune", path)
    assert re.search(r"inertia: a fault of inertia itself at inertia/tuning/\w+.py:\d+, while it worked on .*mine.py: TypeError: ", said)
    assert "your code" not in said


def test_what_the_machine_refuses_is_the_machines_doing(mine):
    """The command line has its own words for it (see main)."""
    with pytest.raises(FileNotFoundError):
        theirs(mine(), partial(os.stat, "/nowhere/at/all"))


def test_other_refusals(refused, mine, tmp_path):
    assert "no such file" in refused("tune", tmp_path / "nowhere.py")
    assert "--resume needs --out" in refused("tune", mine(), "--resume")
    assert "has no validation data" in refused("tune", mine(), "--validation")
    assert "valley is computed with numpy: leave --compare out" in refused("tune", "valley", "--compare")
    assert "did you mean 'digits-mlp'" in refused("tune", "digit-mlp")
    place = tmp_path / "file"
    place.write_text("")
    assert str(place) in refused("tune", mine(), "--out", place)


HELD = MINE.replace("torch.nn.MSELoss()", "held").replace(
    "def task",
    """
import os, time
def held(a, b):
    while os.path.exists(GATE) and os.path.exists(JOURNAL) and open(JOURNAL).read().count("\\n") >= 2:
        time.sleep(0.02)
    return ((a - b) ** 2).mean()

def task""",
)


@pytest.mark.slow
def test_a_killed_tuning_goes_on_where_it_was(forks, mine, tmp_path):
    gate, out = tmp_path / "gate", tmp_path / "out"
    journal = out / "runs.jsonl"
    gate.write_text("")  # the run that begins when the journal has two lines waits there until it is killed
    path = mine(HELD.replace("GATE", repr(str(gate))).replace("JOURNAL", repr(str(journal))))
    words = ["-m", "inertia", "tune", str(path), "--out", str(out), "--json"]
    process = forks.start(*words)
    began = time.monotonic()
    while not (journal.exists() and journal.read_text().count("\n") >= 2) and time.monotonic() - began < 100:
        time.sleep(0.02)
    process.kill()
    assert process.wait() == -signal.SIGKILL
    gate.unlink()
    kept = journal.read_text().splitlines()
    assert 2 <= len(kept) <= 4  # what was being tuned, and what had been measured or run
    again, err = forks.start(*words, "--resume").said()
    assert again, err
    whole = journal.read_text().splitlines()
    assert whole[: len(kept)] == kept  # not made again
    fresh, err = forks.start(*words[:-3], "--json").said()
    assert fresh, err
    assert json.loads(again)["runs"] == json.loads(fresh)["runs"]

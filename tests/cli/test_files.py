"""Task files, names and streams as people really have them."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from inertia.cli import app, results
from inertia.report.folder import Folder

SRC = str(Path(__file__).parents[2] / "src")
PLAIN = """
from inertia.tasks import Task
from inertia.problems import valley

def task():
    return Task("mine", valley(), steps=20, schedule="constant")
"""


@pytest.fixture
def task_file(tmp_path):
    def write(text, name="mine_task.py"):
        place = tmp_path / name
        place.parent.mkdir(exist_ok=True)
        place.write_text(text)
        return place

    return write


def test_a_task_file_that_prints_leaves_stdout_to_the_answer(inertia, task_file):
    place = task_file("print('loading')\n" + PLAIN.replace("    return", "    print('data')\n    return"))
    said = inertia("run", place, "--lr", 0.1, "--json")
    assert said.code == 0
    assert said.json["steps"] == 20
    assert (said.err.count("loading"), said.err.count("data")) == (1, 1)


def test_dataclasses_with_postponed_annotations_and_pickling(inertia, task_file):
    head = (
        "from __future__ import annotations\nimport pickle\nfrom dataclasses import dataclass\n@dataclass\nclass Config:\n    x: int = 1\n"
    )
    place = task_file(
        head + PLAIN.replace("    return", "    assert pickle.loads(pickle.dumps(Config(3))).x == 3\n    return"), "dataclass_task.py"
    )
    assert inertia("run", place, "--lr", 0.1, "--json").code == 0


def test_neighbours_are_found_whenever_they_are_imported(inertia, task_file):
    task_file("x = 1\n", "sub/lazy_neighbour.py")
    place = task_file(PLAIN.replace("    return", "    import lazy_neighbour\n    return"), "sub/lazy_task.py")
    assert inertia("measure", place, "--json").json["largest"] == pytest.approx(4.0)


@pytest.mark.parametrize("name", ["json.py", "numpy.py", "two words.py", "statistics.py"])
def test_a_file_named_like_a_module_is_still_the_file(inertia, task_file, name):
    place = task_file(PLAIN, f"named/{name}")
    assert inertia("run", place, "--lr", 0.1, "--json").json["steps"] == 20
    assert json.loads("1") == 1
    sys.path.remove(str(place.parent))


def test_a_file_is_read_anew_each_time(inertia, task_file, monkeypatch):
    monkeypatch.setattr(sys, "dont_write_bytecode", False)  # byte code of a file of the same size and second would be taken for its own
    for steps in (20, 30):
        place = task_file(PLAIN.replace("20", str(steps)))
        os.utime(place, (1e9, 1e9))
        assert inertia("run", place, "--lr", 0.1, "--json").json["steps"] == steps


@pytest.mark.parametrize("command", ["measure", "predict", "run"])
def test_every_command_that_looks_takes_a_task_file(inertia, task_file, command):
    place = task_file(PLAIN)
    options = [] if command == "measure" else ["--lr", 0.3, "--momentum", 0.2]
    mine, theirs = (
        inertia(command, *([*options, target] if command == "predict" else [target, *options]), "--json").json
        for target in (f"{place}:task", "valley")
    )
    assert mine == theirs


def test_torch_and_jax_task_files_are_measured(inertia, tmp_path):
    pytest.importorskip("torch")
    pytest.importorskip("jax")
    for framework in ("torch", "jax"):
        place = tmp_path / f"{framework}_mine.py"
        assert inertia("new-task", framework, place).code == 0
        said = inertia("measure", place, "--json")
        assert said.code == 0, said.err
        assert 0 < said.json["largest"] <= said.json["largest_upper"]
        assert said.json["dimension"] in (385, 352)
        assert inertia("measure", place).out.startswith(f"{framework}_mine: gradient descent is stable below learning rate")
        assert "is trained in" in inertia("run", place, "--lr", 0.1).err


@pytest.mark.parametrize("name", ["out[red]", "a[/b]", "[bold]x", "[[", "a:smile:"])
def test_brackets_in_names_are_printed_as_they_are(inertia, tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    said = inertia("predict", "--lr", 0.6, "--momentum", 0.5, "--curvatures", "0.2,4", "--out", name)
    assert said.code == 0
    assert str(Path(name) / "record.json") in said.out
    assert (tmp_path / name / "record.json").is_file()


@pytest.mark.parametrize(
    "line",
    [
        ["predict", "--lr", "0.1", "--curvatures", "1", "--out", ""],
        ["run", "valley", "--lr", "0.1", "--out", " "],
        ["certify", "--lr", "1", "--mu", "0.5", "--L", "1", "--out", ""],
        ["limits", "--mu", "1", "--L", "2", "--out", ""],
        ["figure", "map", "--out", ""],
        ["new-task", "torch", ""],
        ["verify", ""],
    ],
)
def test_an_empty_name_is_refused_and_writes_nothing(refused, tmp_path, monkeypatch, line):
    monkeypatch.chdir(tmp_path)
    assert "the name is empty" in refused(*line)
    assert not list(tmp_path.iterdir())


# One spelling, and the letters of the theory beside it.


@pytest.mark.parametrize("command", [["predict", "--curvatures", "0.2,4"], ["run", "valley"], ["certify", "--mu", "0.5", "--L", "1"]])
def test_learning_rate_and_momentum_are_alpha_and_beta(inertia, command):
    for one, other in (
        (["--lr", 0.3, "--momentum", 0.5], ["--alpha", 0.3, "--beta", 0.5]),
        (["--lr", 0.3, "--momentum", 0.5, "--nesterov"], ["--alpha", 0.3, "--beta", 0.5, "--gamma", 0.5]),
        (["--lr", 0.3, "--momentum", 0.5, "--gamma", 0], ["--lr", 0.3, "--momentum", 0.5]),
    ):
        assert inertia(*command, *one, "--json").json == inertia(*command, *other, "--json").json


def test_a_contradiction_and_a_wrong_word_name_the_right_one(refused):
    assert "leave one of them out" in refused("run", "valley", "--lr", 0.1, "--momentum", 0.5, "--nesterov", "--gamma", 0.3)
    assert "--learning-rate: here it is called --lr" in refused("run", "valley", "--learning-rate", 0.1)
    assert "--lr = 0 is not positive" in refused("run", "valley", "--lr", 0)


def test_help_groups_the_commands(inertia):
    said = inertia("--help").out
    places = [said.index(panel) for panel in app._PANELS]
    assert places == sorted(places)
    assert said.index("tune") < said.index("Proofs and limits") < said.index("certify")
    assert "Commands ─" not in said  # none is left outside
    names = [command.name or command.callback.__name__ for command in app.build().registered_commands]
    assert {name.replace("_", "-") for name in names} == {name for names in app._PANELS.values() for name in names}


# Streams and signals.


def process(*arguments, **more):
    environment = os.environ | {"PYTHONPATH": SRC}
    return subprocess.run([sys.executable, "-m", "inertia", *map(str, arguments)], text=True, env=environment, **more)


@pytest.mark.parametrize(
    "line", [["run", "valley", "--lr", "0.1", "--steps", "20000", "--json"], ["--help"], ["predict", "--lr", "0.1", "valley"]]
)
def test_a_reader_that_has_left_is_no_error(line):
    reader, writer = os.pipe()
    os.close(reader)
    done = process(*line, stdout=writer, stderr=subprocess.PIPE)
    os.close(writer)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_closed_stdout_is_no_error():
    line = "[sys.executable, '-m', 'inertia', 'best', '--mu', '1', '--L', '4']"
    code = f"import os, sys; os.close(1); os.execve(sys.executable, {line}, os.environ | {{'PYTHONPATH': {SRC!r}}})"
    done = subprocess.run([sys.executable, "-c", code], stderr=subprocess.PIPE, text=True)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a full device")
def test_a_full_disk_under_stdout_is_one_line():
    with open("/dev/full", "w") as full:
        done = process("best", "--mu", 1, "--L", 4, stdout=full, stderr=subprocess.PIPE)
    assert (done.returncode, done.stderr) == (2, "inertia: no space left on device\n")


def test_more_steps_than_memory_holds_are_one_line(refused):
    said = refused("run", "valley", "--lr", 0.1, "--steps", 10**15)
    assert said.startswith("inertia: not enough memory: ")
    assert "fewer --steps" in said


def test_ctrl_c_while_a_report_is_drawn_keeps_the_record_and_says_so(inertia, tmp_path, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(results, "page", interrupted)
    said = inertia("run", "valley", "--lr", 0.1, "--out", tmp_path / "out")
    assert said.code == 130
    assert said.err == f"inertia: interrupted; the record is in {tmp_path / 'out' / 'record.json'}\n"
    assert json.loads((tmp_path / "out" / "record.json").read_text())["steps"] == 20
    (tmp_path / "out" / "runs.jsonl").write_text("")
    assert "add --resume to draw the report" in inertia("run", "valley", "--lr", 0.1, "--out", tmp_path / "out").err


def test_ctrl_c_while_modules_load_is_one_line(capsys, monkeypatch):
    import inertia.cli

    class Interrupting:
        def find_spec(self, name, path=None, target=None):
            if name == "inertia.cli.app":
                raise KeyboardInterrupt

    kept = sys.modules.pop("inertia.cli.app")
    monkeypatch.setattr(sys, "meta_path", [Interrupting(), *sys.meta_path])
    try:
        assert inertia.cli.main([]) == 130
    finally:
        sys.modules["inertia.cli.app"] = kept
    assert capsys.readouterr().err == "inertia: interrupted\n"


def test_ctrl_c_while_numpy_loads_is_one_line():
    """`import inertia` loads nothing, so an early Ctrl-C falls into the command, wherever it is."""
    program = (
        "import sys\n"
        "class Interrupting:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name == 'numpy':\n"
        "            raise KeyboardInterrupt\n"
        "sys.meta_path.insert(0, Interrupting())\n"
        "from inertia.cli import main\n"
        "sys.exit(main(['best', '--mu', '1', '--L', '25']))\n"
    )
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (said.returncode, said.stdout, said.stderr) == (130, "", "inertia: interrupted\n")


def test_a_link_that_waits_is_not_followed(tmp_path):
    outside = tmp_path / "outside.txt"
    outside.write_text("mine")
    folder = Folder(tmp_path / "out")
    (tmp_path / "out" / "record.json").symlink_to(outside)
    folder.write("record.json", "{}")
    assert outside.read_text() == "mine"
    assert (tmp_path / "out" / "record.json").read_text() == "{}"
    assert not (tmp_path / "out" / "record.json").is_symlink()
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["record.json"]


# Frameworks that are not there.


def test_a_network_of_jax_is_run_in_torch_where_jax_is_missing(capsys, monkeypatch):
    pytest.importorskip("torch")
    from inertia.cli import sources
    from inertia.errors import MissingExtra

    monkeypatch.setitem(sys.modules, "jax", None)
    assert sources.built_in("digits-mlp").kind == "torch"
    assert "jax not installed: digits-mlp is run in torch" in capsys.readouterr().err
    with pytest.raises(MissingExtra, match=r"char-transformer is written in JAX, and jax not installed: pip install 'inertia\[jax\]'"):
        sources.built_in("char-transformer")
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(MissingExtra, match=r"pip install 'inertia\[jax\]'"):
        sources.built_in("digits-mlp")
    with pytest.raises(MissingExtra, match=r"pip install 'inertia\[torch\]'"):
        sources.built_in("digits-mlp-torch")


def test_measuring_a_task_file_agrees_with_the_library(inertia, tmp_path):
    torch = pytest.importorskip("torch")
    place = tmp_path / "torch_line.py"
    place.write_text(
        "import torch\nfrom inertia.tasks import torch_task\n"
        "def task():\n    torch.manual_seed(0)\n    x = torch.randn(40, 3)\n    model = torch.nn.Linear(3, 1)\n"
        "    return torch_task(model, torch.nn.MSELoss(), (x, x.sum(1, keepdim=True)), steps=20)\n"
    )
    torch.manual_seed(0)
    x = np.column_stack([torch.randn(40, 3).numpy().astype(float), np.ones(40)])
    largest = np.linalg.eigvalsh(2 * x.T @ x / 40)[-1]
    assert inertia("measure", place, "--json").json["largest"] == pytest.approx(largest, rel=1e-3)

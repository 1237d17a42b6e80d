"""`inertia convert` as a user types it."""

import json

import pytest

from inertia.cli import main


def run(capsys, *words):
    code = main(["convert", *words])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_the_issue_s_own_line(capsys):
    code, out, _ = run(capsys, "--from", "torch", "lr=0.1", "momentum=0.9", "nesterov=true", "--to", "keras", "--json")
    found = json.loads(out)
    assert code == 0
    assert found["method"] == {"alpha": 0.1, "beta": 0.9, "gamma": 0.9, "delta": 0.0}
    assert found["to"] == {"learning_rate": 0.1, "momentum": 0.9, "nesterov": True}
    assert found["exact"] is False
    assert found["status"] == "exact only at constant learning rate"
    assert "momentum correction" in found["notes"][0]


def test_the_table_reads_well(capsys):
    code, out, _ = run(capsys, "--from", "keras", "--to", "mxnet", "learning_rate=0.1", "momentum=0.9")
    assert code == 0
    assert "learning_rate=0.1, momentum=0.9, wd=0" in out
    assert "mxnet.optimizer.SGD(learning_rate=0.1, momentum=0.9)" in out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--from", "tourch", "lr=0.1", "--to", "keras"], "unknown convention 'tourch': did you mean 'torch'"),
        (["--from", "torch", "lr", "--to", "keras"], "'lr' is not SETTING=VALUE"),
        (["--from", "torch", "lr=1", "lr=2", "--to", "keras"], "lr is given twice"),
        (["--from", "torch", "rate=1", "--to", "keras"], "torch has no setting 'rate'"),
    ],
)
def test_mistakes_are_one_line(capsys, words, said):
    code, out, err = run(capsys, *words)
    assert (code, out) == (2, "")
    assert said in err
    assert err.count("\n") == 1

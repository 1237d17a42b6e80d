"""`inertia check` and `inertia new-task`."""

import re

import pytest

pytest.importorskip("torch")
pytest.importorskip("jax")


def test_a_setting_on_a_quadratic(inertia):
    said = inertia("check", "valley", "--lr", 0.1, "--json").json  # curvatures 0.2 and 4
    assert said["stable"] is True
    assert said["edge_ratio"] == pytest.approx(2 / (0.1 * 4))
    assert said["alpha_in_curvature"] == pytest.approx(0.4)
    assert said["gain"] > 10
    assert "is predicted to end at" in inertia("check", "valley", "--lr", 0.1).out
    bad = inertia("check", "valley", "--lr", 1.0).out
    assert "no: 2 x beyond the edge" in bad
    assert "predicted to make the loss grow" in bad


def test_the_tuners_own_choice_has_nothing_to_gain(inertia):
    advice = inertia("tune", "linear-regression", "--json").json["recommendation"]
    words = ["--lr", advice["alpha"], "--momentum", advice["beta"], *(["--nesterov"] if advice["gamma"] else [])]
    assert inertia("check", "linear-regression", *words, "--json").json["gain"] < 3  # it may sit above the forecast's own choice


@pytest.mark.slow
@pytest.mark.parametrize("framework", ["torch", "jax"])
def test_the_template_runs_as_it_is(inertia, refused, tmp_path, framework):
    path = tmp_path / "mine.py"
    assert inertia("new-task", framework, path).out.startswith(f"{path} written")
    assert "is there already" in refused("new-task", framework, path)
    timid = inertia("check", path, "--lr", 1e-4, "--momentum", 0.9, "--steps", 40, "--json").json
    assert timid["branch"] == "network"
    assert timid["stable"]
    assert re.match("timid", timid["advice"])
    assert "Too large" in inertia("check", path, "--lr", 50, "--steps", 40).out
    assert inertia("tune", path, "--steps", 40, "--runs", 1, "--json").json["steps"] == 40


def test_refusals(refused, tmp_path):
    assert "did you mean 'torch'" in refused("new-task", "troch", tmp_path / "a.py")
    assert "must end in .py" in refused("new-task", "torch", tmp_path / "a.txt")
    assert "cannot be written" in refused("new-task", "torch", tmp_path / "no" / "a.py")
    assert "lr" in refused("check", "valley", "--momentum", 0.9)
    assert "beta" in refused("check", "valley", "--lr", 0.1, "--momentum", 2)

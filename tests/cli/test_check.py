"""`inertia check` and `inertia new-task`."""

import pytest

pytest.importorskip("torch")
pytest.importorskip("jax")


def test_a_setting_on_a_quadratic(inertia):
    said = inertia("check", "valley", "--lr", 0.1, "--json").json  # curvatures 0.2 and 4
    assert said["stable"] is True
    assert said["edge_ratio"] == pytest.approx(2 / (0.1 * 4))
    assert said["alpha_in_curvature"] == pytest.approx(0.4)
    assert "The stability limit is 5 times this learning rate" in inertia("check", "valley", "--lr", 0.1).out
    assert "This learning rate is 2 times the stability limit" in inertia("check", "valley", "--lr", 1.0).out


@pytest.mark.parametrize("lr", [1e-6, 0.01, 0.1, 0.3, 100.0])
def test_the_range_and_the_place_use_the_same_numbers(inertia, lr):
    said = inertia("check", "linear-regression", "--lr", lr, "--momentum", 0.9, "--json").json
    low, high = said["usual"]
    assert said["place"] == ("below" if lr < low else "above" if lr > high else "inside")
    assert {"below": "smaller than", "inside": "in the range", "above": "larger than"}[said["place"]] in said["advice"]


def test_the_tuners_own_choice_is_inside_its_range(inertia):
    advice = inertia("tune", "linear-regression", "--runs", 0, "--json").json["recommendation"]
    words = ["--lr", advice["alpha"], "--momentum", advice["beta"], *(["--nesterov"] if advice["gamma"] else [])]
    assert inertia("check", "linear-regression", *words, "--json").json["place"] == "inside"


@pytest.mark.slow
@pytest.mark.parametrize("framework", ["torch", "jax"])
def test_the_template_runs_as_it_is(inertia, refused, tmp_path, framework):
    path = tmp_path / "mine.py"
    assert inertia("new-task", framework, path).out.startswith(f"{path} written")
    assert "is there already" in refused("new-task", framework, path)
    small = inertia("check", path, "--lr", 1e-5, "--momentum", 0.9, "--steps", 40, "--json").json
    assert small["branch"] == "network"
    assert small["stable"]
    assert small["place"] == "below"
    assert "larger than" in inertia("check", path, "--lr", 50, "--steps", 40).out
    assert inertia("tune", path, "--steps", 40, "--runs", 1, "--json").json["steps"] == 40


def test_refusals(refused, tmp_path):
    assert "did you mean 'torch'" in refused("new-task", "troch", tmp_path / "a.py")
    assert "must end in .py" in refused("new-task", "torch", tmp_path / "a.txt")
    assert "cannot be written" in refused("new-task", "torch", tmp_path / "no" / "a.py")
    assert "lr" in refused("check", "valley", "--momentum", 0.9)
    assert "momentum 2 is outside [0, 1)" in refused("check", "valley", "--lr", 0.1, "--momentum", 2)


def test_adamw_is_judged_in_its_own_metric(inertia, refused):
    said = inertia("check", "valley", "--optimizer", "adamw", "--lr", 3e-4, "--betas", 0.9, 0.99, "--json").json
    assert said["stable"] is True
    assert said["under"]["edge"] == pytest.approx(38 / 3e-4)
    assert said["under"]["optimizer"]["walked"] == 20
    assert said["recipe"]["momentum"] == 0.9
    assert "times AdamW's learning rate 0.0003: the largest" in inertia("check", "valley", "--optimizer", "adamw", "--lr", 3e-4).out
    assert "betas and eps are AdamW's" in refused("check", "valley", "--lr", 0.1, "--eps", 1e-6)

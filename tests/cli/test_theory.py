"""`inertia predict` and `inertia best`: the contract's keys, the numbers by a second road, every refusal."""

import math

import numpy as np
import pytest

from inertia import Method
from inertia.problems import diagonal
from inertia.problems.simulation import run


def test_predict_answers_the_contract(inertia):
    said = inertia("predict", "--alpha", 0.6, "--beta", 0.5, "--curvatures", "0.2,4", "--json")
    assert (said.code, said.err) == (0, "")
    answer = said.json
    assert list(answer) == ["method", "rate", "edge", "stable", "steps_to_1e-6", "modes"]
    assert answer["method"] == {"alpha": 0.6, "beta": 0.5, "gamma": 0.0, "delta": 0.0}
    assert answer["rate"] == pytest.approx(math.sqrt(0.5), rel=1e-15)
    assert answer["edge"] == 5.0
    assert answer["stable"] is True
    assert answer["modes"] == [
        {"curvature": 0.2, "rate": math.sqrt(0.5), "regime": "ripples"},
        {"curvature": 4.0, "rate": math.sqrt(0.5), "regime": "ripples"},
    ]


@pytest.mark.parametrize(
    ("alpha", "beta", "gamma"), [(0.6, 0.5, 0), (0.4, 0, 0), (0.3, 0.8, 0.8), (0.02, 0.9, 0), (0.5, 0, 0), (0.49, 0.99, 0)]
)
def test_steps_to_a_millionth_is_what_a_run_needs(inertia, alpha, beta, gamma):
    answer = inertia("predict", "--alpha", alpha, "--beta", beta, "--gamma", gamma, "--curvatures", "0.2,3.9", "--json").json
    losses = run(diagonal([0.2, 3.9]), Method(alpha, beta, gamma), 4000).losses
    last_above = np.flatnonzero(losses > 1e-6 * losses[0])[-1]
    assert answer["steps_to_1e-6"] == last_above + 1


def test_a_slow_method_is_counted_without_running_it(inertia):
    # Gradient descent, one mode: (1 - alpha h)^(2k) = 1e-6.
    answer = inertia("predict", "--alpha", 1e-7, "--curvatures", "1", "--json").json
    assert answer["steps_to_1e-6"] == math.ceil(-math.log(1e3) / math.log1p(-1e-7))


def test_a_range_and_a_list_of_its_ends_agree(inertia):
    ranged = inertia("predict", "--alpha", 0.1, "--beta", 0.3, "--mu", 0.2, "--L", 4, "--json").json
    listed = inertia("predict", "--alpha", 0.1, "--beta", 0.3, "--curvatures", "4, 0.2", "--json").json
    assert ranged == listed


def test_a_task_with_a_known_spectrum_is_not_measured(inertia):
    answer = inertia("predict", "--alpha", 0.6, "--beta", 0.5, "valley", "--json").json
    assert [mode["curvature"] for mode in answer["modes"]] == [0.2, 4.0]


def test_beta_one_never_settles_and_says_so(inertia):
    said = inertia("predict", "--alpha", 0.3, "--beta", 1, "--mu", 0.2, "--L", 4)
    assert said.code == 0
    assert "it never settles" in said.out
    assert "use beta < 1" in said.out
    answer = inertia("predict", "--alpha", 0.3, "--beta", 1, "--mu", 0.2, "--L", 4, "--json").json
    assert (answer["stable"], answer["rate"], answer["steps_to_1e-6"]) == (False, 1.0, None)
    assert {mode["regime"] for mode in answer["modes"]} == {"undamped"}


def test_a_diverging_method_says_by_how_much_alpha_must_shrink(inertia):
    said = inertia("predict", "--alpha", 0.6, "--mu", 0.2, "--L", 4)
    assert said.code == 0
    assert "it diverges" in said.out
    assert "shrink alpha by a factor 0.8333, to below 0.5" in said.out
    below = inertia("predict", "--alpha", 0.4999, "--mu", 0.2, "--L", 4, "--json").json
    assert below["stable"] is True


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--alpha", "0", "--curvatures", "1"], "--lr = 0 is not positive"),
        (["--alpha", "-0.1", "--curvatures", "1"], "--lr = -0.1 is not positive"),
        (["--alpha", "nan", "--curvatures", "1"], "--lr = nan is not finite"),
        (["--alpha", "inf", "--curvatures", "1"], "--lr = inf is not finite"),
        (["--alpha", "0.1", "--beta", "1.1", "--curvatures", "1"], r"--momentum = 1.1 is outside [-1, 1]"),
        (["--alpha", "0.1", "--beta", "-1.1", "--curvatures", "1"], r"--momentum = -1.1 is outside [-1, 1]"),
        (["--alpha", "0.1", "--gamma", "nan", "--curvatures", "1"], "--gamma = nan is not finite"),
        (["--alpha", "0.1", "--mu", "4", "--L", "1"], "mu = 4 > L = 1"),
        (["--alpha", "0.1", "--mu", "4"], "--mu and --L belong together: add --L"),
        (["--alpha", "0.1", "--mu", "nan", "--L", "1"], "mu = nan is not finite"),
        (["--alpha", "0.1"], "none of them came"),
        (["--alpha", "0.1", "valley", "--curvatures", "1"], "more than one of them came"),
        (["--alpha", "0.1", "--curvatures", "1,x"], "'x' in --curvatures is not a number"),
        (["--alpha", "0.1", "--curvatures", " "], "--curvatures is empty"),
        (["--alpha", "0.1", "--curvatures", ","], "--curvatures ,: number 1 is missing"),
        (["--alpha", "0.1", "--curvatures", "1,,2"], "--curvatures 1,,2: number 2 is missing"),
        (["--alpha", "0.1", "--curvatures", "1, 2, "], "number 3 is missing"),
        (["--alpha", "0.1", "--curvatures", "1,nan"], "curvature nan is not finite"),
        (["--alpha", "0.1", "vally"], "unknown task 'vally': did you mean 'valley'?"),
        (["--alpha", "a", "--curvatures", "1"], "Invalid value for '--lr' / '--alpha'"),
        (["--curvatures", "1"], "Missing option '--lr' / '--alpha'. See 'inertia predict --help'"),
    ],
)
def test_predict_refuses_in_one_line(refused, arguments, words):
    assert words in refused("predict", *arguments)


# Rates from theory.md: what each named method does to quadratics with curvatures in [1, 25].
RATES = {
    "gradient-descent": 24 / 26,
    "heavy-ball": 4 / 6,
    "nesterov": 1 - 1 / 5,
    "nesterov-quadratic": 1 - 2 / math.sqrt(76),
    "triple-momentum": 1 - 1 / 5,
}


@pytest.mark.parametrize("name", RATES)
def test_best_answers_the_contract(inertia, name):
    answer = inertia("best", "--mu", 1, "--L", 25, "--method", name, "--json").json
    assert list(answer) == ["method", "rate", "kappa", "name", "cite"]
    assert answer["name"] == name
    assert answer["kappa"] == 25
    # A double root is only as exact as the square root of rounding.
    assert answer["rate"] == pytest.approx(RATES[name], abs=1e-7)
    checked = inertia(
        "predict", *(f"--{key}={answer['method'][key]!r}" for key in ("alpha", "beta", "gamma")), "--mu=1", "--L=25", "--json"
    )
    assert checked.json["rate"] == answer["rate"]
    assert any(character.isdigit() for character in answer["cite"])


def test_best_warns_of_its_thin_margin(inertia):
    assert "diverges if the largest curvature is 5 % above L" in inertia("best", "--mu", 0.2, "--L", 4).out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--mu", "4", "--L", "1"], "mu = 4 > L = 1"),
        (["--mu", "0", "--L", "1"], "mu = 0 is not positive"),
        (["--L", "1"], "add --mu"),
        (["--mu", "1", "--L", "4", "--method", "nestrov"], "unknown method 'nestrov': did you mean 'nesterov'?"),
    ],
)
def test_best_refuses_in_one_line(refused, arguments, words):
    assert words in refused("best", *arguments)


@pytest.mark.parametrize("command", ["predict", "best", "run", "measure"])
def test_help_holds_an_example(inertia, command):
    said = inertia(command, "--help")
    assert said.code == 0
    assert f"Example: inertia {command} " in said.out

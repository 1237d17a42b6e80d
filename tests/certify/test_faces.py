"""The commands `certify` and `verify`, and the picture of a map: JSON contract, exit codes, one line per failure."""

import json
import re
import sys

import numpy as np
import pytest

from inertia.cli import main
from inertia.core.method import Method
from inertia.report.certified import certified_maps, figure, picture
from inertia.report.limits import limit_curves
from inertia.theory import catalog
from inertia.theory.certify import maps
from inertia.theory.certify.maps import certified_rate_map

NESTEROV = ["certify", "--alpha", "1", "--beta", "0.5194938532959165", "--gamma", "0.5194938532959165", "--mu", "0.1", "--L", "1"]
HEAVY = ["certify", "--alpha", "0.1111111111111111", "--beta", "0.4444444444444444", "--mu", "1", "--L", "25"]


def test_certify_answers_in_pure_json(capsys):
    assert main([*NESTEROV, "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["verdict"], said["checked"], said["counterexample"]) == ("proved", True, None)
    assert said["rate"] == pytest.approx(0.75182, abs=1e-5)
    assert main([*HEAVY, "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["verdict"], said["rate"], said["checked"]) == ("refuted", None, True)
    np.testing.assert_allclose(sorted(np.ravel(said["counterexample"]["cycle"])), sorted(np.array([792, -2208, 2592]) / 1225))


def test_a_stored_certificate_is_verified_and_a_tampered_one_refused(capsys, tmp_path):
    place = tmp_path / "proof.json"
    assert main([*NESTEROV, "--out", str(place)]) == 0
    assert f"wrote {place}" in capsys.readouterr().out
    assert main(["verify", str(place)]) == 0
    assert capsys.readouterr().out.startswith("proved: rate 0.7518")
    assert main(["verify", str(place), "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["verdict"], said["checked"]) == ("proved", True)
    data = json.loads(place.read_text())
    place.write_text(json.dumps(data | {"rate": 0.75}))
    assert main(["verify", str(place)]) == 2
    caught = capsys.readouterr()
    assert caught.out == ""
    assert caught.err.startswith("inertia: rejected: ")
    assert caught.err.count("\n") == 1


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("certify --alpha 1 --mu 0 --L 1", "mu = 0 is not positive"),
        ("certify --alpha 1 --mu 2 --L 1", "mu = 2 is larger than L = 1"),
        ("certify --alpha -1 --mu 0.1 --L 1", "--lr = -1 is not positive"),
        ("certify --alpha 1 --mu 0.1", "Missing option '--L'"),
        ("certify --alpha 1 --mu 0.1 --L 1 --memory 0", "memory = 0 is too small"),
        ("certify --alpha 1 --mu 0.1 --L 1 --map map.gif", r"--map map.gif does not end in .png or .svg"),
        ("certify --alpha 1 --mu 0.1 --L 1 --out {tmp}", "cannot write .*: it is a folder"),
        ("certify --alpha 1 --mu 0.1 --L 1 --out {tmp}/none/x.json", "is not a folder that can be written"),
        ("verify {tmp}/none.json", "cannot read .*none.json: No such file"),
        ("verify {tmp}/text.json", "is not a certificate: it is not JSON"),
        ("verify {tmp}/list.json", "it holds a list, not an object"),
        ("verify {tmp}/empty.json", "not a certificate: format is None"),
    ],
)
def test_bad_input_is_one_line_and_exit_2(capsys, tmp_path, line, message):
    for name, content in (("text", "tea"), ("list", "[1]"), ("empty", "{}")):
        (tmp_path / f"{name}.json").write_text(content)
    before = sorted(tmp_path.iterdir())
    assert main(line.format(tmp=tmp_path).split()) == 2
    caught = capsys.readouterr()
    assert caught.out == ""
    assert caught.err.count("\n") == 1
    assert re.search(message, caught.err)
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize("line", [NESTEROV, HEAVY, ["certify", "--alpha", "3", "--mu", "0.1", "--L", "1"]])
def test_people_read_the_verdict_and_why(capsys, line):
    assert main(line) == 0
    said = capsys.readouterr().out
    assert "verdict" in said
    assert "exact" in said


def test_the_view_is_the_map_in_digits_per_step():
    made = certified_rate_map(np.linspace(0.05, 2.7, 24), np.linspace(0, 0.98, 20), 0.04, 1.0, check=False)
    view = certified_maps(made, Method(2.7, 0.44))
    proved = np.isfinite(made.rate)
    np.testing.assert_allclose(10 ** -view.certified[proved], made.rate[proved])
    assert np.isnan(view.certified[~proved]).all()
    np.testing.assert_array_equal(view.quadratic > 0, made.quadratic < 1)
    assert not view.cycle[made.quadratic >= 1].any()
    row, col = np.nanargmin(np.where(proved, made.rate, np.nan)) // 24, np.nanargmin(np.where(proved, made.rate, np.nan)) % 24
    assert view.best[1] == (made.alpha[col], made.beta[row])
    assert "not re-checked" in view.caption
    assert [axes.get_title(loc="left") for axes in figure(view).axes[:2]] == ["worst quadratic", "proved for every function of the class"]


def test_a_map_is_drawn_and_named(capsys, tmp_path, monkeypatch):
    monkeypatch.setattr("inertia.cli.certify._SIDE", 7)
    for kind, magic in (("png", b"\x89PNG"), ("svg", b"<?xml")):
        place = tmp_path / f"map.{kind}"
        assert main([*HEAVY, "--map", str(place)]) == 0
        said = capsys.readouterr().out
        assert f"wrote {place}" in said
        assert "every proof re-checked in exact arithmetic" in said
        assert place.read_bytes().startswith(magic)
    assert main([*HEAVY, "--map", str(place), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["map"] == str(place)


def test_maps_where_nothing_or_everything_converges_are_still_drawn():
    for alphas, betas in (([5.0, 6.0], [0.0, 0.1]), ([0.1, 0.2], [0.0, 0.1])):
        view = certified_maps(maps.certified_rate_map(alphas, betas, 0.1, 1.0, check=False))
        assert picture(view)[:4] == b"\x89PNG"
        assert ("nowhere" in view.caption) == (alphas[0] == 5.0)


def test_limits_lists_every_method_on_both_classes(capsys, tmp_path):
    assert main(["limits", "--mu", "1", "--L", "25", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    rows = {(row["name"], row["functions"]): row for row in said["methods"]}
    assert rows["heavy-ball", "strongly-convex"]["verdict"] == "refuted"
    assert rows["triple-momentum", "strongly-convex"]["times"] == pytest.approx(1, abs=1e-3)
    assert rows["heavy-ball", "quadratic"]["rate"] == pytest.approx(2 / 3)
    assert main(["limits", "--mu", "1", "--L", "25", "--out", str(tmp_path)]) == 0
    assert "refuted" in capsys.readouterr().out
    assert {path.name for path in tmp_path.iterdir()} == {"limits.png", "limits.svg", "report.html", "record.json"}


def test_no_method_is_drawn_below_the_limit_of_quadratics():
    methods = {name: catalog.CATALOG[name].method(1.0, 25.0) for name in ("gradient-descent", "nesterov", "triple-momentum", "heavy-ball")}
    limit, _, *others = limit_curves(1.0, 25.0, methods, 30).lines
    assert len(others) == 4
    for other in others:
        assert np.all(other.y >= limit.y * (1 - 1e-9))


@pytest.mark.parametrize(("functions", "name"), [("quadratic", "heavy-ball"), ("strongly-convex", "triple-momentum")])
def test_best_picks_the_method_for_a_class(capsys, functions, name):
    line = ["best", "--class", functions, "--mu", "1", "--L", "25"]
    assert main([*line, "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["name"], said["class"]) == (name, functions)
    assert said["rate"] == pytest.approx(said["limit"])
    if functions == "strongly-convex":
        assert said["certified"] == pytest.approx(0.8, abs=1e-4)
    assert main(line) == 0
    assert "No first-order method beats" in capsys.readouterr().out
    assert main([*line, "--method", "nesterov"]) == 2
    assert f"--class {functions} picks {name}, --method asks for nesterov" in capsys.readouterr().err


def test_best_without_the_solver_still_knows_the_theorem(capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "clarabel", None)
    assert main(["best", "--class", "strongly-convex", "--mu", "1", "--L", "25", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["certified"] is None
    assert "inertia[certify]" in said["because"]


def test_an_unknown_class_is_refused_with_the_nearest(capsys):
    assert main(["best", "--class", "qadratic", "--mu", "1", "--L", "25"]) == 2
    assert "unknown class 'qadratic': did you mean 'quadratic'" in capsys.readouterr().err


@pytest.mark.slow
def test_design_prints_and_draws_the_trade_off(capsys, tmp_path):
    assert main(["design", "--mu", "1", "--L", "10", "--count", "2", "--json", "--out", str(tmp_path)]) == 0
    designs = json.loads(capsys.readouterr().out)["designs"]
    assert designs[0]["rate"] < designs[1]["rate"]
    assert designs[0]["gain"] > designs[1]["gain"]
    assert (tmp_path / "trade-off.svg").is_file()
    assert main(["design", "--mu", "1", "--L", "10", "--count", "1"]) == 2
    assert "count = 1 is too few" in capsys.readouterr().err


def hostile(folder):
    """Files that are no certificate, and what is said of each."""
    yield "deep.json", "[" * 100_000 + "]" * 100_000, "nested too deeply|is not JSON"
    yield "deeper.json", '{"a":' * 50_000 + "1" + "}" * 50_000, "nested too deeply|is not JSON"
    yield "twice.json", '{"format": "inertia certificate 2", "rate": 0.1, "rate": 0.9}', "a name stands in it twice"
    yield "digits.json", '{"format": ' + "9" * 10_000 + "}", "is not JSON"
    yield "large.json", " " * 2_000_001, "larger than any certificate"
    yield "bytes.json", b"\xff\xfe\x00", "is not JSON"
    yield "empty.json", "", "is not JSON"
    yield "format.json", '{"format": {"format": []}}', "format is an object"
    yield "old.json", '{"format": "inertia certificate 1"}', "must be 'inertia certificate 2'"


def test_hostile_files_are_rejected_in_one_line(capsys, tmp_path):
    for name, content, message in hostile(tmp_path):
        (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
        assert main(["verify", str(tmp_path / name)]) == 2, name
        caught = capsys.readouterr()
        assert (caught.out, caught.err.count("\n")) == ("", 1)
        assert re.search(f"inertia: rejected: .*({message})", caught.err), caught.err[:200]
    assert main(["verify", str(tmp_path)]) == 2
    assert "it is no regular file" in capsys.readouterr().err


def test_the_constant_is_said_and_verified(capsys, tmp_path):
    place = tmp_path / "proof[red].json"
    assert main(["certify", "--alpha", "1", "--mu", "0.5", "--L", "1", "--out", str(place)]) == 0
    said = capsys.readouterr().out
    assert "From rest, the distance to the minimum after k steps is at most 1" in said
    assert f"wrote {place}" in said
    assert main(["verify", str(place), "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert (answer["constant"], answer["file"]) == (json.loads(place.read_text())["constant"], str(place))

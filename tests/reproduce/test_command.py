"""`inertia reproduce` and `inertia cite`: lists, runs, JSON, the folder, every refusal."""

import json
from html.parser import HTMLParser

import pytest

from inertia import reproduce
from inertia.cli import main
from inertia.errors import BadData

KEYS = ["id", "source", "printed", "ours", "interval", "verdict", "why"]


def run(capsys, *arguments):
    code = main(list(arguments))
    out, err = capsys.readouterr()
    return code, out, err


def test_without_a_name_it_lists_the_experiments_by_document(capsys):
    code, out, err = run(capsys, "reproduce")
    assert (code, err) == (0, "")
    assert [line[:3] for line in out.splitlines() if line[:1].isdigit()] == ["000", "001", "002", "003"]
    for name, made in reproduce.experiments().items():
        assert name in out
        assert made.title in out
    listed = json.loads(run(capsys, "reproduce", "--json")[1])
    assert [item["name"] for item in listed] == list(reproduce.experiments())


def test_people_read_printed_ours_verdict_and_why(capsys):
    code, out, _ = run(capsys, "reproduce", "valley-traces")
    assert code == 0
    assert "printed -0.943467, -7.3e-05   ours -0.943467, -7.31232e-05" in out
    assert out.rstrip().endswith("1 experiments, 4 comparisons: 4 matches.")


def test_json_is_a_list_of_rows_with_all_digits(capsys):
    code, out, err = run(capsys, "reproduce", "valley-traces", "--json")
    assert (code, err) == (0, "")
    rows = json.loads(out)
    assert [list(row)[:7] for row in rows] == [KEYS] * 4
    assert rows[0]["ours"][0] == pytest.approx(-5 * 0.92**20, rel=1e-13)


def test_the_folder_holds_page_figures_and_rows(tmp_path, capsys):
    code, out, _ = run(capsys, "reproduce", "valley-traces", "--out", str(tmp_path / "new"))
    assert code == 0
    assert "reproduce.html" in out
    page = (tmp_path / "new" / "reproduce.html").read_text()
    tags = []
    parser = HTMLParser()
    parser.handle_starttag = lambda tag, given: tags.append((tag, dict(given)))
    parser.feed(page)
    pictures = [given["src"] for tag, given in tags if tag == "img"]
    assert pictures
    assert all(source.startswith("data:image/svg+xml") for source in pictures)
    assert not [tag for tag, _ in tags if tag in {"script", "iframe"}]
    names = {path.suffix for path in (tmp_path / "new").iterdir()}
    assert names == {".html", ".json", ".png", ".svg"}
    assert len(json.loads((tmp_path / "new" / "reproduce.json").read_text())) == 4


def test_refusals_are_one_line(tmp_path, capsys):
    code, out, err = run(capsys, "reproduce", "valley-trace")
    assert (code, out) == (2, "")
    assert "did you mean 'valley-traces'?" in err
    assert err.count("\n") == 1
    assert "leave one of the two out" in run(capsys, "reproduce", "--all", "valley-traces")[2]
    assert "name experiments, or add --all" in run(capsys, "reproduce", "--out", str(tmp_path))[2]
    (tmp_path / "file").write_text("")
    assert "it is a file, not a folder" in run(capsys, "reproduce", "valley-traces", "--out", str(tmp_path / "file"))[2]


def test_an_experiment_without_its_data_does_not_stop_the_others(capsys, monkeypatch):
    def missing(_):
        raise BadData("no such file")

    known = reproduce.experiments()
    lost = reproduce.Experiment("lost", "001", "Lost data", missing)
    monkeypatch.setattr(reproduce, "experiments", lambda: {"valley-traces": known["valley-traces"], "lost": lost})
    code, out, err = run(capsys, "reproduce", "--all", "--json")
    assert (code, err) == (0, "")
    assert json.loads(out)[-1]["verdict"] == "not replayable"
    assert "no such file" in json.loads(out)[-1]["why"]
    code, out, err = run(capsys, "reproduce", "lost")
    assert (code, err) == (2, "inertia: no such file\n")


def test_an_interrupt_keeps_what_is_done(tmp_path, capsys, monkeypatch):
    def stop(_):
        raise KeyboardInterrupt

    known = reproduce.experiments()
    chosen = {"valley-traces": known["valley-traces"], "stop": reproduce.Experiment("stop", "002", "Interrupted", stop)}
    monkeypatch.setattr(reproduce, "experiments", lambda: chosen)
    code, out, err = run(capsys, "reproduce", "--all", "--out", str(tmp_path))
    assert code == 130
    assert err == "inertia: interrupted\n"
    assert "1 experiments, 4 comparisons: 4 matches." in out
    assert len(json.loads((tmp_path / "reproduce.json").read_text())) == 4


def test_cite_prints_bibtex(capsys):
    assert run(capsys, "cite", "heavy-ball")[1].startswith("@article{polyak1964,")
    code, _, err = run(capsys, "cite", "heavy-bal")
    assert code == 2
    assert "did you mean 'heavy-ball'" in err

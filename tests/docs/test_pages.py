"""Every code block of the site is run and its output compared; the pages the build makes are whole; the site builds offline."""

import doctest
import importlib.util
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from inertia.cli import main
from inertia.theory.citations import SOURCES

ROOT = Path(__file__).parents[2]
PAGES = [page for page in sorted((ROOT / "docs").rglob("*.md")) if page.parent.name != "notebooks"]  # those are run in tests/examples
BLOCK = re.compile(r"^```(\w*)[^\n]*\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
NAMES = {str(page.relative_to(ROOT / "docs")): page for page in PAGES}


def blocks(page, kind):
    return [(page.read_text()[: found.start()].count("\n"), found[2]) for found in BLOCK.finditer(page.read_text()) if found[1] == kind]


def loaded(name):
    spec = importlib.util.spec_from_file_location(name, ROOT / "docs" / "hooks" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_block_has_a_language_that_is_run():
    known = {"pycon", "console"}
    for page in PAGES:
        assert {found[1] for found in BLOCK.finditer(page.read_text())} <= known, page


@pytest.mark.parametrize("name", [name for name, page in NAMES.items() if blocks(page, "pycon")])
def test_python_blocks_do_what_they_show(name, capsys):
    if "from flax" in NAMES[name].read_text():
        pytest.importorskip("flax")
    if "import torch" in NAMES[name].read_text():
        pytest.importorskip("torch")
    scope, runner, parser = {}, doctest.DocTestRunner(optionflags=FLAGS, verbose=False), doctest.DocTestParser()
    for line, text in blocks(NAMES[name], "pycon"):
        test = parser.get_doctest(text, scope, f"{name}:{line}", name, line)
        runner.run(test, clear_globs=False)
        scope = test.globs
    assert runner.failures == 0, capsys.readouterr().out


@pytest.mark.parametrize("name", [name for name, page in NAMES.items() if blocks(page, "console")])
def test_commands_print_what_they_show(name, capsys):
    for _, text in blocks(NAMES[name], "console"):
        for session in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
            command, _, wanted = session.partition("\n")
            assert command.startswith("inertia ")
            assert main(shlex.split(command)[1:]) == 0
            assert doctest.OutputChecker().check_output(wanted, capsys.readouterr().out, FLAGS), command


def test_docstrings_become_markdown():
    module = loaded("docstrings")
    shown = module.markdown("Error of w*_ij.\n\n    first  second\n\n>>> f(1)\n2\n>>> for i in ():\n...     i\n\nIt is *not* a_bc.")
    assert "w\\*\\_ij" in shown
    assert "    first  second\n" in shown
    assert "```pycon\n>>> f(1)\n2\n>>> for i in ():\n...     i\n```\n" in shown
    assert "It is *not* a\\_bc." in shown
    assert doctest.testmod(module).failed == 0


def test_a_data_class_has_a_table_of_its_fields_and_says_how_to_import_it():
    griffe = pytest.importorskip("griffe")
    module = loaded("docstrings")
    path = ROOT / "src" / "inertia" / "tuning" / "result.py"
    spending = griffe.visit("result", path, path.read_text())["Spending"]
    module.Docstrings().on_object(obj=spending)
    shown = spending.docstring.value
    assert shown.startswith("`from result import Spending`\n")
    assert "| `estimated` | `float` |  | said before anything started |" in shown
    assert "spent" not in shown.partition("| field")[2]  # a property is shown by itself


def test_the_gallery_has_a_page_per_document_and_every_figure_it_shows():
    module = loaded("pages")
    made = module.gallery(seeds=2, quick=True)
    assert {f"reproduction/{name}.md" for name in ("000", "001", "002", "003", "index")} <= set(made)
    for name, text in made.items():
        if name.endswith(".md"):
            for figure in re.findall(r"!\[[^]]*\]\(([^)]*)\)", text):
                assert made[f"reproduction/{figure}"].startswith(b"<?xml")
    assert "printed" in made["reproduction/003.md"]


def test_a_missing_data_set_is_a_row_and_not_the_end():
    module = loaded("pages")

    def missing(_):
        raise module.BadData("no such file")

    rows, views = module.run(module.experiments()["valley-traces"].__class__("lost", "001", "Lost", missing), module.Session(1))
    assert rows[0].verdict == "not replayable"
    assert views == []


def test_citations_hold_every_source():
    page = loaded("pages").citations()
    for key in SOURCES:
        assert f"{{{key}," in page


@pytest.mark.slow
def test_the_site_builds_without_a_warning_and_fetches_nothing(tmp_path):
    pytest.importorskip("mkdocs")
    surroundings = os.environ | {"INERTIA_DOCS_QUICK": "1", "INERTIA_DOCS_SEEDS": "2", "NO_MKDOCS_2_WARNING": "1"}
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "-d", str(tmp_path)]
    built = subprocess.run(command, cwd=ROOT, env=surroundings, capture_output=True, text=True, timeout=200, check=False)
    assert built.returncode == 0, built.stderr
    assert built.stderr.strip() == ""
    outside = re.compile(r"""<(?:script|link|img)[^>]*(?:src|href)=["']?https?://""")
    for page in tmp_path.rglob("*.html"):
        assert not outside.search(page.read_text()), page
    assert not (tmp_path / "hooks").exists()
    assert broken_links(tmp_path) == []
    assert (tmp_path / "search" / "search_index.js").is_file()  # the search works without a server
    assert 'src="../vendor/iframe-worker.js"' in (tmp_path / "theory" / "modes.html").read_text()
    for page in tmp_path.rglob("*.html"):  # long pages have a table of contents
        text = page.read_text()
        inside = re.sub(r"<[^>]*>", " ", text.partition("<article")[2].partition("</article")[0])
        assert len(inside.split()) <= 2000 or 'aria-label="Table of contents"' in text, page
    asked = {
        found
        for page in (tmp_path / "reference").glob("*.html")
        for found in re.findall(r"from (inertia[\w.]*) import (\w+)", page.read_text())
    }
    assert len(asked) > 150
    for room, name in asked:
        if room.split(".")[1] not in ("torch", "jax", "callbacks"):  # loaded in rooms of their own tests
            assert hasattr(importlib.import_module(room), name), (room, name)
    lab = tmp_path / "lab"
    assert {"index.html", "first.js", "rest.js", "style.css"} <= {path.name for path in lab.iterdir()}
    assert "lab/index.html" in (tmp_path / "index.html").read_text()
    assert 'data-figure="map"' in (lab / "index.html").read_text()


def broken_links(site):
    """References of the site's pages to files that are not there, or to places that no page has; all are relative, so disk is enough."""
    pages = {path: path.read_text() for path in site.rglob("*.html")}
    ids = {path: set(re.findall(r"""\bid=["']?([^"'\s>]+)""", text)) for path, text in pages.items()}
    figures = {path: set(re.findall(r'data-figure="(\w+)"', text)) for path, text in pages.items()}  # made by the script
    found = []
    for path, text in pages.items():
        for target in re.findall(r"""<(?:a|link|img|script)\b[^>]*?\s(?:href|src)=["']?([^"'\s>]+)""", text):
            name, _, mark = target.partition("#")
            if re.match(r"[a-z]+:", name) or path.name == "404.html":
                continue
            place = path if not name else (path.parent / name.partition("?")[0]).resolve()
            if not place.is_file() or (mark and place in ids and mark not in ids[place] | figures[place]):
                found.append(f"{path.relative_to(site)}: {target}")
    return found

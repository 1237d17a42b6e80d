"""What a release is made of: one version, valid files for the places that read them, and a wheel that works without any extra."""

import json
import os
import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

import inertia

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
VALIDATED = {
    "citation-file-format": [ROOT / "CITATION.cff"],
    "github-workflows": sorted((ROOT / ".github" / "workflows").glob("*.yml")),
    "github-issue-forms": sorted(path for path in (ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml") if path.stem != "config"),
}
HEAVIEST = 2_500_000  # bytes of a wheel: two thirds of it are the experience (the grids of 151 training jobs) and the laboratory's fonts


def yaml(path):
    return pytest.importorskip("yaml").safe_load(path.read_text())


def test_the_version_is_written_once_and_the_notes_and_the_citation_agree():
    assert PROJECT["project"]["dynamic"] == ["version"]
    citation = yaml(ROOT / "CITATION.cff")
    assert citation["version"] == inertia.__version__
    newest = re.search(r"^## (\S+) \((.*)\)$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert newest.groups() == (inertia.__version__, citation["date-released"])
    holders = [path for path in (ROOT / "src").rglob("*.py") if f'"{inertia.__version__}"' in path.read_text()]
    assert [path.name for path in holders] == ["version.py"]


def test_every_name_that_the_notes_tell_to_use_is_there():
    import importlib

    text = (ROOT / "CHANGELOG.md").read_text()
    rows = re.findall(r"^\|.*\|(.*)\|$", text, re.MULTILINE)[2:]
    names = {name for row in rows for name in re.findall(r"`(?:from )?(inertia(?:\.\w+)*)", row)}
    assert len(names) >= 8
    for name in names:
        home, _, last = name.rpartition(".")
        if not home or hasattr(importlib.import_module(home), last):
            continue
        importlib.import_module(name)


@pytest.mark.parametrize("kind", VALIDATED)
def test_what_others_read_is_valid(kind):
    pytest.importorskip("check_jsonschema")
    paths = [str(path) for path in VALIDATED[kind]]
    assert paths
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", f"vendor.{kind}", *paths]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_workflow_runs_what_the_makefile_has_on_every_version_that_is_claimed():
    jobs = yaml(ROOT / ".github" / "workflows" / "test.yml")["jobs"]
    said = " ".join(step.get("run", "") for job in jobs.values() for step in job["steps"])
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"make ([\w-]+)", said)) <= targets
    pythons = jobs["test"]["strategy"]["matrix"]["python"]
    claimed = [item.rpartition(":: ")[2] for item in PROJECT["project"]["classifiers"] if re.search(r":: \d\.\d+$", item)]
    assert (pythons[0], pythons[-1]) == (claimed[0], claimed[-1])
    assert PROJECT["project"]["requires-python"] == f">={claimed[0]}"


def test_the_hooks_before_a_commit_are_the_makefiles_checks():
    hooks = [hook for repo in yaml(ROOT / ".pre-commit-config.yaml")["repos"] for hook in repo["hooks"]]
    assert all({"id", "name", "entry", "language"} <= set(hook) for hook in hooks)
    recipes = (ROOT / "Makefile").read_text()
    for hook in hooks:
        assert hook["entry"].removeprefix(".venv/") in recipes.replace("$(BIN)", "bin"), hook["entry"]


def numbers(version):
    return tuple(map(int, re.sub(r"(\.0)+$", "", version).split(".")))


def test_the_oldest_versions_are_those_that_pyproject_allows():
    wanted = dict(re.findall(r"([\w-]+)(?:\[\w+\])?>=([\d.]+)", json.dumps(PROJECT["project"])))
    for line in (ROOT / "constraints-lowest.txt").read_text().splitlines():
        name, _, version = line.partition("==")
        if version:
            assert numbers(version) == numbers(wanted[name]), line


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    pytest.importorskip("hatchling")
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=ROOT, capture_output=True, timeout=60, check=True)
    return next(folder.glob("*.whl"))


def test_the_wheel_holds_every_file_and_is_light(wheel):
    with zipfile.ZipFile(wheel) as opened:
        held = set(opened.namelist())
        about = opened.read(next(name for name in held if name.endswith("/METADATA"))).decode()
    mine = {str(path.relative_to(ROOT / "src")) for path in (ROOT / "src").rglob("*") if path.is_file() and path.suffix != ".pyc"}
    assert {name for name in mine if "egg-info" not in name} <= held
    assert {name.split("/")[0] for name in held} == {"inertia", f"inertia-{inertia.__version__}.dist-info"}
    assert "License-Expression: MIT" in about
    assert "License-File: LICENSE" in about
    assert wheel.stat().st_size < HEAVIEST


def test_the_wheel_tunes_where_no_extra_is_installed(wheel, tmp_path):
    with zipfile.ZipFile(wheel) as opened:
        opened.extractall(tmp_path)
    extras = {re.split(r"[\[>=]", item)[0] for items in PROJECT["project"]["optional-dependencies"].values() for item in items}
    away = sorted({"sklearn", "keras", "jax", "jaxlib"} | {name.replace("-", "_") for name in extras - {"inertia"}})
    code = f"""
import sys
for name in {away}:
    sys.modules[name] = None  # importing it raises ImportError
from inertia.cli import main
import inertia
assert inertia.__file__.startswith({str(tmp_path)!r}), inertia.__file__
assert main(["--help"]) == 0
assert main(["tune", "valley", "--steps", "40", "--runs", "1"]) == 0
assert main(["tune", "digits-mlp"]) == 2
"""
    surroundings = os.environ | {"PYTHONPATH": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", code], env=surroundings, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stderr
    assert "Use learning rate" in done.stdout
    assert "pip install 'inertia[" in done.stderr

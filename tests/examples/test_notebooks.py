"""The notebooks run from the first cell to the last, in a real kernel, without a warning of ours."""

import os
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NOTEBOOKS = sorted((ROOT / "examples").glob("*.py"))
NEEDS = {
    "tune_torch": ["torch", "sklearn"],
    "tune_jax": ["optax", "sklearn"],
    "is_my_momentum_on": ["jax"],
    "teach_with_the_lab": ["anywidget"],
}


def test_there_are_five_and_none_carries_outputs():
    assert len(NOTEBOOKS) == 5
    assert not list((ROOT / "examples").glob("*.ipynb"))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_the_page_of_a_notebook_holds_its_words_its_code_and_its_pictures(path):
    """What it printed is of the day it was made (`make notebooks`); the rest must be the notebook's own."""
    jupytext = pytest.importorskip("jupytext")
    page = (ROOT / "docs" / "notebooks" / f"{path.stem}.md").read_text()
    cells = [cell for cell in jupytext.read(path).cells if cell.source.strip()]
    assert re.findall(r"```python\n(.*?)\n```", page, re.DOTALL) == [cell.source for cell in cells if cell.cell_type == "code"]
    assert all(cell.source in page for cell in cells)
    for name in re.findall(r"\]\(([^)]+\.png)\)", page):
        assert (ROOT / "docs" / "notebooks" / name).stat().st_size > 1000


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::pytest.PytestUnraisableExceptionWarning", "ignore::ResourceWarning")
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs_whole(path, monkeypatch):
    for module in ["jupytext", "nbclient", "ipykernel", *NEEDS.get(path.stem, [])]:
        pytest.importorskip(module)
    import jupytext
    from nbclient import NotebookClient

    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT / "src"), os.environ.get("PYTHONPATH", "")]))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")  # beside other tests, threads of one small product only wait for each other
    monkeypatch.setenv("MPLBACKEND", "module://matplotlib_inline.backend_inline")
    book = jupytext.read(path)
    NotebookClient(book, timeout=120, kernel_name="python3", resources={"metadata": {"path": str(ROOT)}}).execute()
    ran = [cell for cell in book.cells if cell.cell_type == "code"]
    assert all(cell.execution_count for cell in ran)
    said = "".join(output.get("text", "") for cell in ran for output in cell.outputs if output.get("name") == "stderr")
    assert "Error" not in said
    assert "inertia" not in said, said

"""Run the notebooks of examples/ and write them, with what they printed and drew, as pages of the site.

python docs/notebooks.py [NAME ...]      NAME of a file in examples/, without its ending; all of them by default
"""

import base64
import os
import sys
from pathlib import Path

import jupytext
from nbclient import NotebookClient

ROOT = Path(__file__).parents[1]
PAGES = ROOT / "docs" / "notebooks"
WIDGET = "application/vnd.jupyter.widget-view+json"


def executed(path):
    """A notebook after its last cell."""
    os.environ["MPLBACKEND"] = "module://matplotlib_inline.backend_inline"
    os.environ["PYTHONPATH"] = str(ROOT / "src")
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    book = jupytext.read(path)
    NotebookClient(book, timeout=600, kernel_name="python3", resources={"metadata": {"path": str(ROOT)}}).execute()
    return book


def shown(output, stem, pictures):
    """One output as Markdown; pictures are gathered beside it. Warnings and progress (stderr) are left out."""
    if output.output_type == "stream":
        return f"```text\n{output.text.rstrip()}\n```\n" if output.name == "stdout" and output.text.strip() else ""
    data = output.get("data", {})
    if WIDGET in data:
        return "*Here the notebook holds a live figure.*\n"
    if "image/png" in data:
        pictures.append(base64.b64decode(data["image/png"]))
        return f"![what the cell above draws]({stem}-{len(pictures)}.png)\n"
    said = data.get("text/plain", "").rstrip()
    return f"```text\n{said}\n```\n" if said and not said.startswith("<") else ""


def page(book, stem):
    """The Markdown of a notebook that has run, and its pictures."""
    parts, pictures = [], []
    for cell in book.cells:
        if cell.cell_type == "markdown":
            parts.append(cell.source + "\n")
        elif cell.source.strip():
            parts.append(f"```python\n{cell.source}\n```\n")
            parts += [text for output in cell.outputs if (text := shown(output, stem, pictures))]
    parts.append(
        f"*This page is `examples/{stem}.py` after it has run; open the file with jupytext or an editor that knows `# %%` cells.*\n"
    )
    return "\n".join(parts), pictures


def main():
    PAGES.mkdir(exist_ok=True)
    for path in sorted((ROOT / "examples").glob("*.py")):
        if sys.argv[1:] and path.stem not in sys.argv[1:]:
            continue
        text, pictures = page(executed(path), path.stem)
        for old in PAGES.glob(f"{path.stem}-*.png"):
            old.unlink()
        (PAGES / f"{path.stem}.md").write_text(text)
        for number, picture in enumerate(pictures, 1):
            (PAGES / f"{path.stem}-{number}.png").write_bytes(picture)
        print(f"{path.stem}: {len(text.split())} words, {len(pictures)} pictures", flush=True)


if __name__ == "__main__":
    main()

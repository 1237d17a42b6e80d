"""Pages made by the build: the reproduction gallery (experiments are run), the tuner benchmark, citations.

INERTIA_DOCS_SEEDS (default 12) is the number of seeds where there is chance; INERTIA_DOCS_QUICK=1 builds a short gallery.
"""

import json
import math
import os
import sys
from pathlib import Path

from mkdocs.structure.files import File

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "src"))
if (ROOT / "shared" / "data").is_dir():
    os.environ.setdefault("INERTIA_DATA", str(ROOT / "shared" / "data"))

from inertia.errors import BadData, MissingExtra  # noqa: E402
from inertia.reproduce import DOCUMENTS, VERDICTS, Session, experiments, shown, unavailable  # noqa: E402
from inertia.show.draw import image  # noqa: E402
from inertia.theory.catalog import CATALOG  # noqa: E402
from inertia.theory.citations import SOURCES, cite  # noqa: E402


def on_files(files, config):
    """Add what the build makes to the files of the site."""
    made = {"citations.md": citations(), "tuner-benchmark.md": benchmark(ROOT / "benchmarks" / "data")}
    made |= gallery(int(os.environ.get("INERTIA_DOCS_SEEDS", "12")), bool(os.environ.get("INERTIA_DOCS_QUICK")))
    for name, content in made.items():
        files.append(File.generated(config, name, content=content))
    return files


def gallery(seeds, quick=False):
    """One page per document and an overview; figures as SVG beside them."""
    made, table = {}, []
    for document, title in DOCUMENTS.items():
        page, counts = [f"# {document}: {title}\n"], dict.fromkeys(VERDICTS, 0)
        chosen = [made_ for made_ in experiments().values() if made_.document == document]
        for experiment in chosen[:1] if quick else chosen:
            rows, views = run(experiment, Session(seeds))
            page.append(f"\n## {experiment.title}\n\n`inertia reproduce {experiment.name}`\n")
            for view in views:
                made[f"reproduction/{view.name}.svg"] = image(view, "svg")
                page.append(f"![{view.title}]({view.name}.svg)\n\n*{escaped(view.caption)}*\n")
            page.append(rows_table(rows))
            for row in rows:
                counts[row.verdict] += 1
        made[f"reproduction/{document}.md"] = "\n".join(page)
        table.append(f"| [{document}: {title}]({document}.md) | " + " | ".join(str(counts[verdict]) for verdict in VERDICTS) + " |")
    made["reproduction/index.md"] = OVERVIEW.format(
        head=" | ".join(VERDICTS), rule="--:|" * len(VERDICTS), rows="\n".join(table), seeds=seeds
    )
    return made


def run(experiment, session):
    """Rows and views, or one row that says what is missing."""
    try:
        return experiment.run(session), experiment.views(session) if experiment.views else []
    except (BadData, MissingExtra) as error:
        return [unavailable(experiment, error)], []


def rows_table(rows):
    """A table of comparisons."""
    lines = ["| what | printed | ours | verdict | why |", "|---|---|---|---|---|"]
    for row in rows:
        ours = shown(row.ours)
        if row.interval is not None:
            ours += f" ({row.interval[0]:.4g} to {row.interval[1]:.4g})"
        verdict = f'<span class="{"wrong" if row.verdict == VERDICTS[2] else "fine"}">{row.verdict}</span>'
        cells = [row.id.partition("/")[2], shown(row.printed, 8), ours, verdict, row.why]
        lines.append("| " + " | ".join(cell if cell.startswith("<span") else escaped(cell) for cell in cells) + " |")
    return "\n".join(lines) + "\n"


def escaped(text):
    """Words that Markdown must not read."""
    for sign in "\\*_|[":
        text = text.replace(sign, f"\\{sign}")
    return text.replace("<", "&lt;")


def citations():
    """Every method's source and every source's BibTeX."""
    lines = ["# Citations\n", "`inertia cite NAME` prints these; NAME is a method or a source.\n", "| method | source |", "|---|---|"]
    lines += [f"| `{entry.name}` | {SOURCES[entry.cite].short}, {escaped(entry.theorem)} |" for entry in CATALOG.values()]
    for key in sorted(SOURCES):
        lines.append(f"\n## {SOURCES[key].short} {{#{key}}}\n\n```bibtex\n{cite(key)}\n```")
    return "\n".join(lines) + "\n"


def benchmark(folder):
    """How close the tuner comes to a dense grid, from the data that its benchmark keeps."""
    path = folder / "tuner_results.json"
    if not path.exists():
        return "# Tuner benchmark\n\nThere is no benchmark data here: `python benchmarks/tuner.py` makes it.\n"
    data = json.loads(path.read_text())
    lines = [
        BENCHMARK,
        "| task | regime | loss reached / grid's best | share of the grid's gain | cost, in runs |",
        "|---|---|--:|--:|--:|",
    ]
    oracle = json.loads((folder / "tuner_oracle.json").read_text())["cells"] if (folder / "tuner_oracle.json").exists() else {}
    shares = []
    for name, cells in sorted(data["cells"].items()):
        best = oracle.get(name, {}).get("best")
        means = [sum(cell["losses"]) / len(cell["losses"]) for cell in cells if not cell["diverged"]]
        loss = sum(means) / len(means) if means else math.inf
        share = sorted(cell["frac"] for cell in cells)[len(cells) // 2]
        shares.append(share)
        ratio = f"{loss:.5g} / {best:.5g}" if best else f"{loss:.5g}"
        regimes = ", ".join(sorted({cell["regime"] for cell in cells}))
        lines.append(f"| {name} | {regimes} | {ratio} | {100 * share:.2f} % | {sum(c['cost_in_runs'] for c in cells) / len(cells):.1f} |")
    lost = sum(cell["diverged"] for cells in data["cells"].values() for cell in cells)
    total = sum(len(cells) for cells in data["cells"].values())
    middle = sorted(shares)[len(shares) // 2] if shares else math.nan
    lines.append(f"\nMedian share {100 * middle:.2f} %, least {100 * min(shares):.2f} %; {lost} of {total} recommendations diverged.\n")
    versions = ", ".join(f"{name} {version}" for name, version in data.get("versions", {}).items())
    return "\n".join(lines) + f"\n*Measured with {versions}; `python benchmarks/tuner.py` measures again.*\n"


OVERVIEW = """# The four documents, reproduced

Everything that the four source documents compute, print or plot, computed again by this build, and held against the printed
number. *Matches*: every printed digit. *Within range*: a number that chance decides lies among ours ({seeds} seeds here). *Source is
wrong*: it does not, and the last column says why. *Not replayable*: nobody can compute it again, or these seeds are too few to say.

| document | {head} |
|---|{rule}
{rows}

Three findings stand out.

* **0.243, 0.250 and 0.278 in document 001 are plain SGD.** Its training step was compiled around a list that it changed: the velocity
  stayed zero at every step; `identify` sees it from outside.
* **The lower bound of document 002 is crossed at step 5** by the very method it is drawn for: it holds for infinitely many nodes. The
  finite bound holds, and momentum attains it.
* **The "minimum" of document 003 is a saddle**, and the scheme its text derives diverges at its own numbers; the one it codes converges.

`inertia reproduce` lists the experiments, `inertia reproduce --all --out DIR` runs them all.
"""

BENCHMARK = """# Tuner benchmark

How close `inertia tune` comes to a dense grid on the same number of steps, batch size and schedule. The grid: 33 learning rates times
eight momenta (heavy ball 0 to 0.99, Nesterov 0.9 and 0.99), three seeds each, 792 runs; its best cell is chosen on the seeds it is scored
on, which favours it. The tuner: measurement and at most three runs on seeds the grid has not seen, its recommendation then run on the
grid's seeds. The share is (start - loss)/(start - grid's best).
Training loss of small convex problems: nothing here speaks of generalisation.
"""

"""Pages made by the build: the reproduction gallery (experiments are run) and the citations.

INERTIA_DOCS_SEEDS (default 12) is the number of seeds where there is chance; INERTIA_DOCS_QUICK=1 builds a short gallery.
"""

import os
import sys
from pathlib import Path

from mkdocs.structure.files import File

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "src"))
if (ROOT / "shared" / "data").is_dir():
    os.environ.setdefault("INERTIA_DATA", str(ROOT / "shared" / "data"))

from inertia.errors import BadData, MissingExtra  # noqa: E402
from inertia.report.draw import image  # noqa: E402
from inertia.reproduce import DOCUMENTS, VERDICTS, Session, experiments, shown, unavailable  # noqa: E402
from inertia.theory.catalog import CATALOG  # noqa: E402
from inertia.theory.citations import SOURCES, cite  # noqa: E402


def on_files(files, config):
    """Add what the build makes to the files of the site."""
    made = {"citations.md": citations()}
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

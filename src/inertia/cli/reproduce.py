"""`inertia reproduce` runs what the source documents computed and holds our numbers against the printed ones; `inertia cite`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

import typer

from ..errors import BadData, BadInput, MissingExtra
from .app import INTERRUPTED
from .options import Json, place
from .output import emit, paper
from .progress import Tell, bar

if TYPE_CHECKING:
    from ..report.folder import Folder
    from ..report.report import Block
    from ..reproduce import Experiment, Row

    Done: TypeAlias = tuple[Experiment, list[Row], list[Any]]

__all__ = ["cite", "register", "reproduce"]

PLACE = 60
_REPORT = "reproduce.html"
_COLOURS = {"matches": "green", "within range": "green", "source is wrong": "#f2611d", "not replayable": "dim"}

Names = Annotated[list[str] | None, typer.Argument(metavar="[NAME]...", help="Experiments to run; none lists them.")]
Everything = Annotated[bool, typer.Option("--all", help="Run every experiment.")]
Out = Annotated[
    Path | None,
    typer.Option("--out", metavar="DIR", parser=place, help="Write reproduce.html, figures (PNG and SVG) and reproduce.json there."),
]
Seeds = Annotated[int, typer.Option("--seeds", min=1, help="Runs of every experiment that has chance in it.")]


def register(app: typer.Typer) -> None:
    """Add `reproduce` and `cite`."""
    app.command(epilog="Example: inertia reproduce valley-traces airfoil-sweep --out out/reproduce")(reproduce)
    app.command(epilog="Example: inertia cite heavy-ball")(cite)


def reproduce(names: Names = None, everything: Everything = False, json: Json = False, out: Out = None, seeds: Seeds = 100) -> int | None:
    """Run the experiments of the four source documents: printed number, our number, verdict, and why."""
    from ..reproduce import experiment, experiments

    if everything and names:
        raise BadInput(f"--all runs every experiment, and '{names[0]}' names one: leave one of the two out")
    if not everything and not names:
        if out is not None:
            raise BadInput("nothing to write: name experiments, or add --all")
        _list(json)
        return None
    chosen = list(experiments().values()) if everything else [experiment(name) for name in dict.fromkeys(names or [])]
    folder = _opened(out)
    kept, whole = _run(chosen, seeds, json, folder is not None, not everything)
    rows = [row for _, found, _ in kept for row in found]
    if folder is not None and kept:
        _save(folder, kept, rows, seeds)
    if json:
        emit(rows)
    else:
        for made, found, _ in kept:
            _say(made, found)
        paper().print(f"{len(kept)} experiments, {len(rows)} comparisons: {_counts(rows)}.")
        if folder is not None and kept:
            paper().print(f"report   {folder.path / _REPORT}")
    return None if whole else INTERRUPTED


def _run(chosen: Sequence[Experiment], seeds: int, quiet: bool, draw: bool, strict: bool) -> tuple[list[Done], bool]:
    """Every experiment with its rows and views, until done (True) or interrupted: what is finished is kept.

    Nothing is printed meanwhile: a live bar on stderr would swallow what goes to stdout.
    """
    from ..reproduce import unavailable

    kept: list[Done] = []
    with bar("reproduce", quiet=quiet) as tell:
        for index, made in enumerate(chosen):
            session = _session(seeds, tell, index, len(chosen), made.name)
            try:
                kept.append((made, made.run(session), made.views(session) if draw and made.views else []))
            except (BadData, MissingExtra) as error:
                if strict:
                    raise
                kept.append((made, [unavailable(made, error)], []))
            except KeyboardInterrupt:
                return kept, False
            tell(index + 1, len(chosen), made.name)
    return kept, True


def cite(name: Annotated[str, typer.Argument(metavar="NAME", help="A method (heavy-ball) or a source (polyak1964).")]) -> None:
    """Print the BibTeX entry of a method or a source."""
    from ..theory.citations import cite as entry

    print(entry(name))


def _session(seeds: int, tell: Tell, index: int, total: int, name: str) -> Any:
    from ..reproduce import Session

    return Session(seeds, lambda done, of: tell(index + done / max(of, 1), total, name))


def _opened(out: Path | None) -> Folder | None:
    if out is None:
        return None
    from ..report.folder import Folder

    return Folder(out)


def _list(json: bool) -> None:
    from ..reproduce import DOCUMENTS, experiments

    if json:
        return emit(
            [{"name": e.name, "document": e.document, "title": e.title, "stochastic": e.stochastic} for e in experiments().values()]
        )
    width = max(len(name) for name in experiments()) + 2
    for document, title in DOCUMENTS.items():
        paper().print(f"[bold]{document}[/bold]  {title}")
        for name, made in experiments().items():
            if made.document == document:
                paper().print(f"  {name:{width}}{made.title}{'  (seeds)' if made.stochastic else ''}")
    paper().print("Run some: inertia reproduce NAME...   Run all: inertia reproduce --all --out DIR")
    return None


def _say(made: Experiment, rows: Sequence[Row]) -> None:
    from rich.markup import escape

    say = paper().print
    say(f"\n[bold]{made.name}[/bold]  {escape(made.title)} ({made.document})")
    for row in rows:
        say(f"  [{_COLOURS[row.verdict]}]{row.verdict:15}[/] {row.id.partition('/')[2]}")
        say(escape(f"      printed {_printed(row)}   ours {_ours(row)}"))
        say(f"      {escape(row.why)}")


def _printed(row: Row) -> str:
    from ..reproduce import shown

    return shown(row.printed, 8)


def _ours(row: Row) -> str:
    from ..reproduce import shown

    if row.interval is None:
        return shown(row.ours)
    at = "" if row.percentile is None else f", printed at {row.percentile:.0f} %"
    return f"{shown(row.ours)} (5-95 %: {shown(row.interval[0], 4)} to {shown(row.interval[1], 4)}{at})"


def _counts(rows: Sequence[Row]) -> str:
    from ..reproduce import VERDICTS

    found = Counter(row.verdict for row in rows)
    return ", ".join(f"{found[verdict]} {verdict}" for verdict in VERDICTS if found[verdict])


def _save(folder: Folder, kept: Sequence[Done], rows: Sequence[Row], seeds: int) -> None:
    from ..report.report import Heading, Text, page
    from ..reproduce import DOCUMENTS
    from ..version import __version__
    from .output import plain

    blocks: list[Block] = []
    document = ""
    for made, found, views in kept:
        if made.document != document:
            document = made.document
            blocks.append(Heading(f"{document}: {DOCUMENTS[document]}"))
        blocks += [Text(f"{made.title} ({made.name})"), *views, _table(found)]
    for _, _, views in kept:
        folder.write_figures(views)
    lede = f"Every number computed when asked. {len(kept)} experiments, {len(rows)} comparisons: {_counts(rows)}."
    footer = f"Made by inertia {__version__}. Every number in this report is in reproduce.json, with all its digits."
    stamp = f"{seeds} seeds where there is chance"
    folder.write(_REPORT, page("The source documents, reproduced", lede, blocks, stamp, footer, drawn=folder.drawn))
    folder.write_json("reproduce.json", plain(list(rows)))


def _table(rows: Sequence[Row]) -> Block:
    from ..report.report import Table

    cells = [[row.id.partition("/")[2], _short(_printed(row)), _short(_ours(row)), row.verdict, row.why] for row in rows]
    wrong = [index for index, row in enumerate(rows) if row.verdict == "source is wrong"]
    return Table(("what", "printed", "ours", "verdict", "why"), cells, hot=wrong, prose=True)


def _short(words: str, most: int = 100) -> str:
    return words if len(words) <= most else words[: most - 1] + "…"

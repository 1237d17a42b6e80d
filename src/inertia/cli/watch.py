"""`inertia watch`: follow a run that writes a log with inertia.torch.Watch, inertia.jax.Watch or one of the callbacks."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..errors import BadInput
from .options import Json, place
from .output import emit, paper, table, tell

if TYPE_CHECKING:
    from ..watching.journal import Watched

__all__ = ["register", "watch"]

PLACE = 12
_PAUSE = 0.5  # seconds between two looks at the file

Log = Annotated[Path, typer.Argument(metavar="RUN.jsonl", help="The file that was given as log=.", parser=place)]
Once = Annotated[bool, typer.Option("--once", help="Show the run as it stands and leave, instead of following it.")]
Follow = Annotated[bool, typer.Option("--follow", help="Follow it where the output is piped, too: one line per message.")]
Report = Annotated[
    Path | None, typer.Option("--report", "--out", metavar="DIR", parser=place, help="Write report.html, figures and record.json there.")
]


def register(app: typer.Typer) -> None:
    """Add `inertia watch`."""
    app.command("watch", epilog="Example: inertia watch run.jsonl")(watch)


def watch(log: Log, once: Once = False, follow: Follow = False, json: Json = False, report: Report = None) -> None:
    """Follow a training run: sharpness against the edge, noise, momentum, and what to do about them.

    On a terminal the picture is renewed until the run ends; piped, it is printed once.
    """
    from ..watching.journal import watched

    if once and follow:
        raise BadInput("--once and --follow contradict each other: leave one of them out")
    run = watched(log)
    if report is not None:
        _report(run, log, report)
    if json:
        return emit(_answer(run))
    if follow or (sys.stdout.isatty() and not (once or report or run.ended)):
        return _follow(log, run)
    _show(run)
    return None


def _answer(run: Watched) -> dict[str, Any]:
    """What --json writes."""
    from ..report.watched import facts, history_of
    from ..watching.quantities import plain
    from ..watching.regimes import regime

    return {
        "about": run.about, "steps": run.steps, "ended": run.ended, "regime": regime(history_of(run)).value, "facts": dict(facts(run)),
        "losses": run.losses, "looks": [plain(look) for look in run.looks], "readings": [plain(one) for one in run.readings],
        "messages": [vars(told) for told in run.messages],
    }  # fmt: skip


def _show(run: Watched) -> None:
    """The run as it stands, once."""
    from ..report.text import glyphs, spark
    from ..report.watched import facts, lede

    tell(lede(run))
    signs = glyphs()
    if len(run.losses) > 1:
        tell(f"loss        {spark([loss for _, loss in run.losses], signs=signs)}")
    ratios = [look.of_edge for look in run.looks if look.of_edge is not None]
    if len(ratios) > 1:
        tell(f"of the edge {spark(ratios, signs=signs, log=False)} {min(ratios):.2g} to {max(ratios):.2g}")
    table(facts(run))
    for told in run.messages:
        tell(f"step {told.began}" + (f" to {told.ended}" if told.ended is not None else "") + f": {told.words}")


def _follow(log: Path, run: Watched) -> None:
    """Again and again, until the run ends or the reader leaves."""
    from ..watching.journal import read

    offset = run.size
    said = len(run.messages)
    live = sys.stdout.isatty()
    if live:
        paper().clear()
    _show(run)
    while not run.ended:
        time.sleep(_PAUSE)
        if log.stat().st_size < offset:
            raise BadInput(f"{log} has become shorter: another run writes to it; start 'inertia watch' again")
        fresh = list(read(log, offset))
        for line, after in fresh:
            run.take(line)
            offset = after
        if not fresh:
            continue
        if live:
            paper().clear()
            _show(run)
        else:
            for told in run.messages[said:]:
                tell(f"step {told.began}: {told.words}")
            said = max(said, len(run.messages))


def _report(run: Watched, log: Path, where: Path) -> None:
    from ..report.folder import Folder
    from ..report.watched import blocks, lede
    from .results import name_files, save

    folder = Folder(where)
    save(folder, f"A run watched: {log.name}", lede(run), blocks(run), _answer(run), f"{run.steps} steps, {len(run.looks)} looks")
    name_files(folder)

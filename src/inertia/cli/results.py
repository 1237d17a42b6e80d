"""Leaves a result in a folder (figures, report, record) and names the files; a record cut short is saved the same way."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..report.folder import Folder
from ..report.report import Block, Code, Heading, Table, Text, page
from ..version import __version__
from .output import Kept, plain, tell

__all__ = ["name_files", "save"]

RECORD, REPORT, JOURNAL = "record.json", "report.html", "runs.jsonl"


def save(folder: Folder, title: str, lede: str, blocks: Sequence[Block], record: Any, stamp: str = "") -> None:
    """Write record.json, then every figure among the blocks (PNG and SVG), then report.html: each whole or not at all.

    Drawing takes seconds: who interrupts it has the record, and is told what takes it up again.
    """
    folder.write_json(RECORD, plain(record))
    try:
        folder.write_figures([block for block in blocks if not isinstance(block, Code | Heading | Table | Text)])
        footer = f"Made by inertia {__version__}. Every number in this report is in record.json, with all its digits."
        folder.write(REPORT, page(title, lede, blocks, stamp, footer, plain(record), folder.drawn))
    except KeyboardInterrupt as stop:
        again = "; the finished runs are kept too: add --resume to draw the report" if (folder.path / JOURNAL).exists() else ""
        raise Kept(f"the record is in {folder.path / RECORD}{again}") from stop


def name_files(folder: Folder) -> None:
    """Say on stdout what was written, report first."""
    names = [path.name for path in folder.written]
    figures = sorted({name.rpartition(".")[0] for name in names if name.endswith(".svg")})
    say = tell
    say(f"report   {folder.path / REPORT}")
    for figure in figures:
        say(f"figure   {folder.path / figure}.png, .svg")
    say(f"record   {folder.path / RECORD}")

"""A report is one HTML file that opens anywhere, offline, for ever: no fonts, nothing fetched, and no program but the one that copies code.

It reads like the appendix of a paper: a title, a lede, sections of text, tables and figures with captions.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any, NamedTuple, TypeAlias

from .style import GREY, HAIR, HOT, HOTINK, INK, PAPER
from .views import Curves, Path, RateMap, Sticks, Strips, View

__all__ = ["Block", "Code", "Heading", "Table", "Text", "page"]


class Heading(NamedTuple):
    """The title of a section."""

    words: str


class Text(NamedTuple):
    """A paragraph."""

    words: str


class Code(NamedTuple):
    """Lines to copy, each under its label."""

    lines: dict[str, str]


class Table(NamedTuple):
    """Rows under a head; the first column is words, the others numbers, or all are words (`prose`). `hot`: rows to point at."""

    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    caption: str = ""
    hot: int | Sequence[int] | None = None
    prose: bool = False


Block: TypeAlias = Heading | Text | Code | Table | View

_CSS = f"""
:root {{ color-scheme: light }}
* {{ box-sizing: border-box }}
body {{ margin: 0; background: {PAPER}; color: {INK}; font: 16px/1.55 Charter, "Bitstream Charter", "Iowan Old Style", Georgia, serif }}
main {{ max-width: 984px; margin: 0 auto; padding: 56px 20px 80px }}
header, h2, p, .copy, .table {{ max-width: 660px; margin-left: auto; margin-right: auto }}
h1 {{ font-size: 40px; line-height: 1.12; font-weight: 500; margin: 0 0 14px; letter-spacing: -.01em; text-wrap: balance }}
.lede {{ font-size: 18px; color: {INK}; margin: 0 0 10px }}
.stamp, figcaption, .caption, footer, .copy dt {{ font: 13px/1.5 system-ui, "Helvetica Neue", Arial, sans-serif; color: {GREY} }}
header {{ border-bottom: 1px solid {HAIR}; padding-bottom: 22px; margin-bottom: 30px }}
h2 {{ font-size: 22px; font-weight: 500; margin: 46px auto 8px }}
p {{ margin-top: 8px; margin-bottom: 12px }}
figure {{ margin: 26px auto 30px; max-width: 860px }}
figure img {{ display: block; width: 100%; height: auto }}
figcaption {{ max-width: 660px; margin: 10px auto 0 }}
.copy {{ border-left: 3px solid {HOT}; padding: 4px 0 4px 18px; margin-top: 18px; margin-bottom: 22px }}
.copy dt {{ margin-top: 8px }}
.copy dd {{ margin: 2px 0 0; display: flex; gap: 14px; align-items: flex-start; justify-content: space-between }}
.copy code {{ min-width: 0 }}
.copy button {{ flex: none; font: 13px/1.5 system-ui, "Helvetica Neue", Arial, sans-serif; color: {INK}; background: {PAPER};
  border: 1px solid {GREY}; border-radius: 12px; padding: 2px 11px; min-height: 26px; cursor: pointer }}
.copy button:hover {{ border-color: {INK} }}
.copy button[hidden] {{ display: none }}
.copy button:focus-visible {{ outline: 2px solid {INK}; outline-offset: 1px }}
.unseen {{ position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap }}
code {{ font: 13.5px/1.6 ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace; white-space: pre-wrap; overflow-wrap: break-word }}
.table {{ overflow-x: auto; margin-top: 16px; margin-bottom: 22px }}
table {{ border-collapse: collapse; width: 100%; font: 14px/1.5 system-ui, "Helvetica Neue", Arial, sans-serif }}
td {{ font-variant-numeric: tabular-nums }}
th {{ font-weight: 500; color: {GREY}; border-bottom: 1px solid {INK} }}
th, td {{ text-align: right; padding: 5px 0 5px 18px; white-space: nowrap }}
th:first-child, td:first-child {{ text-align: left; padding-left: 0; white-space: normal }}
td {{ border-bottom: 1px solid {HAIR} }}
.prose {{ max-width: 984px }}
.prose th, .prose td {{ text-align: left; white-space: normal; vertical-align: top; overflow-wrap: break-word }}
.prose td:not(:last-child) {{ min-width: 92px }}
tr.hot td {{ color: {HOTINK}; font-weight: 600 }}
footer {{ max-width: 660px; margin: 60px auto 0; border-top: 1px solid {HAIR}; padding-top: 14px }}
@media (max-width: 600px) {{ main {{ padding-top: 30px }} h1 {{ font-size: 29px }} h2 {{ margin-top: 34px }}
  table {{ font-size: 13px }} th, td {{ white-space: normal; padding-left: 10px }} }}
@media print {{ main {{ padding: 0 }} figure, table {{ break-inside: avoid }} .copy button {{ display: none }} }}
"""
# Buttons show only where they work. Without the clipboard (a page that came over plain http) the text is selected and copied the old way.
_COPYING = """<script>
for (const button of document.querySelectorAll(".copy button")) {
  button.hidden = false;
  button.addEventListener("click", async () => {
    const code = button.parentElement.querySelector("code");
    let done = true;
    try { await navigator.clipboard.writeText(code.textContent); } catch {
      getSelection().selectAllChildren(code);
      done = document.execCommand("copy");
    }
    button.firstChild.data = done ? "copied" : "selected";
    setTimeout(() => { button.firstChild.data = "copy"; }, 1500);
  });
}
</script>
"""


def page(
    title: str,
    lede: str,
    blocks: Sequence[Block],
    stamp: str = "",
    footer: str = "",
    record: Any = None,
    drawn: Mapping[str, bytes] | None = None,
) -> str:
    """The whole report as one string of HTML; every word is escaped, every figure embedded, and so is the record it was made from.

    `drawn` are SVGs of figures by name that are there already (`Folder.drawn`); the others are drawn here.

    >>> "<h1>a &lt; b</h1>" in page("a < b", "", [Text("words")])
    True
    """
    body = "\n".join(_block(block, drawn or {}) for block in blocks)
    copying = _COPYING if any(isinstance(block, Code) for block in blocks) else ""
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n<link rel="icon" href="data:,">\n'
        f"<title>{escape(title)}</title>\n<style>{_CSS}</style>\n</head>\n<body>\n<main>\n"
        f'<header><h1>{escape(title)}</h1>\n<p class="lede">{escape(lede)}</p>\n<div class="stamp">{escape(stamp)}</div></header>\n'
        f"{body}\n<footer>{escape(footer)}</footer>\n</main>\n{_carried(record)}{copying}</body>\n</html>\n"
    )


def _carried(record: Any) -> str:
    """The record as data that no browser runs or shows: `inertia lab` reads it back from the report."""
    if record is None:
        return ""
    data = json.dumps(record, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c")  # no tag can end it early
    return f'<script type="application/json" id="record">{data}</script>\n'


def _block(block: Block, drawn: Mapping[str, bytes]) -> str:
    match block:
        case Heading(words):
            return f"<h2>{escape(words)}</h2>"
        case Text(words):
            return f"<p>{escape(words)}</p>"
        case Code(lines):
            return f'<dl class="copy">{"".join(_copied(label, line) for label, line in lines.items())}</dl>'
        case Table():
            return _table(block)
        case Curves() | Sticks() | RateMap() | Path() | Strips():
            return _figure(block, drawn)


def _copied(label: str, line: str) -> str:
    button = f'<button type="button" hidden>copy<span class="unseen"> the line under {escape(label)}</span></button>'
    return f"<dt>{escape(label)}</dt><dd><code>{escape(line)}</code>{button}</dd>"


def _table(table: Table) -> str:
    head = "".join(f"<th>{escape(cell)}</th>" for cell in table.head)
    rows = ""
    hot = [table.hot] if isinstance(table.hot, int) else table.hot or []
    for index, row in enumerate(table.rows):
        cells = "".join(f"<td>{escape(cell)}</td>" for cell in row)
        rows += f'<tr class="hot">{cells}</tr>\n' if index in hot else f"<tr>{cells}</tr>\n"
    caption = f'<div class="caption">{escape(table.caption)}</div>' if table.caption else ""
    kind = "table prose" if table.prose else "table"
    return f'<div class="{kind}"><table><thead><tr>{head}</tr></thead><tbody>\n{rows}</tbody></table>{caption}</div>'


def _figure(view: View, drawn: Mapping[str, bytes]) -> str:
    from .draw import image

    pictures = drawn.get(view.name) or image(view, "svg"), image(view, "svg", narrow=True)
    wide, narrow = (base64.b64encode(picture).decode() for picture in pictures)
    return (
        f'<figure><picture><source media="(max-width: 600px)" srcset="data:image/svg+xml;base64,{narrow}">'
        f'<img src="data:image/svg+xml;base64,{wide}" alt="{escape(view.title, quote=True)}"></picture>'
        f"<figcaption>{escape(view.caption)}</figcaption></figure>"
    )

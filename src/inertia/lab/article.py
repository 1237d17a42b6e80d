"""The page as one folder of plain files: the article around the figures, their scripts, style, fonts and data.

`export` writes it; it works from any static host and from disk. `inertia lab` serves the same folder.
"""

from __future__ import annotations

import html
import os
import re
import shutil
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import BadInput, require
from .bundle import FIRST, STATIC, closure, names, script, slim
from .twin import data

__all__ = ["build", "export", "headings", "page", "parts", "still"]

_SECTION = re.compile(r'<section id="([\w-]+)"[^>]*>\s*<h2[^>]*>(.*?)</h2>', re.DOTALL)


def parts() -> list[str]:
    """The article's parts in reading order."""
    return [path.read_text(encoding="utf-8") for path in sorted((STATIC / "article").glob("*.html"))]


def headings(text: str) -> list[tuple[str, str]]:
    """(id, title) of every section.

    >>> headings('<section id="a"><h2>One <i>x</i></h2></section>')
    [('a', 'One x')]
    """
    return [(name, html.unescape(re.sub(r"<[^>]+>", "", title)).strip()) for name, title in _SECTION.findall(text)]


def still() -> str:
    """The opening figure as a small picture in the page itself: there before any script, and without one.

    >>> still()[:4]
    '<svg'
    """
    shown = data("hero")
    (left, right), (bottom, top) = shown["domain"]
    wide, tall = 984, 394

    def line(points: Any) -> str:
        across = (np.asarray(points)[:, 0] - left) / (right - left) * wide
        down = (top - np.asarray(points)[:, 1]) / (top - bottom) * tall
        return "M" + "L".join(f"{x:.0f} {y:.0f}" for x, y in zip(across, down, strict=True))

    heights = shown["contours"]["heights"][::4, ::4]
    tracer = require("contourpy", "lab").contour_generator(
        np.linspace(left, right, heights.shape[1]), np.linspace(bottom, top, heights.shape[0]), heights
    )
    levels = "".join(line(part) for level in shown["contours"]["levels"][::3] for part in tracer.lines(float(level)))
    return (
        f'<svg class="still" viewBox="0 0 {wide} {tall}" role="img" aria-label="{html.escape(shown["alt"])}">'
        f'<path class="line" d="{levels}"/><path class="line hot" d="{line(shown["path"])}"/></svg>'
    )


def page(served: bool = False) -> str:
    """The whole page as HTML; with Python behind it (`served`) a section more."""
    more = (STATIC / "served" / "many.html").read_text(encoding="utf-8") if served else ""
    text = (
        "\n".join(parts())
        .replace("<!-- served -->", more)
        .replace('<aside class="note">', '<aside class="note" role="note">')
        .replace('<div data-figure="hero">', f'<div data-figure="hero">{still()}')
    )
    text = re.sub(r"</math>(?=[.,;:)?!])", "</math>\u2060", text).replace(
        "(<math", "(\u2060<math"
    )  # no line ends between a formula and its comma
    listed = "".join(f'<li><a href="#{name}">{html.escape(title)}</a></li>' for name, title in headings(text))
    frame = (STATIC / "index.html").read_text(encoding="utf-8")
    return frame.replace("<!-- article -->", text).replace("<!-- contents -->", f"<ol>{listed}</ol>")


def build(served: bool = False) -> dict[str, bytes]:
    """Every file of the page by its name; `served` for the page that has Python behind it."""
    first = closure([*(("served/routed",) if served else ()), *FIRST])
    rest = [name for name in closure(sorted(names(served))) if name not in first]
    made = {
        "index.html": page(served).encode(),
        "first.js": script(first, runtime=True, last='inertia.need("lab").begin();\n', served=served).encode(),
        "rest.js": script(rest, last='inertia.need("lab").ready();\n', served=served).encode(),
    }
    made["style.css"] = slim(re.sub(r"/\*.*?\*/", "", (STATIC / "style.css").read_text(encoding="utf-8"), flags=re.DOTALL)).encode()
    made["icon.svg"] = (STATIC / "icon.svg").read_bytes()
    for folder in ("data", "fonts"):
        for path in sorted((STATIC / folder).glob("*")):
            if path.suffix != ".dat":
                made[f"{folder}/{path.name}"] = path.read_bytes()
    return made


def export(folder: Path, served: bool = False) -> Path:
    """Write the page into a folder, whole or not at all; returns its index.html.

    Raises:
        BadInput: the folder holds something that is not such a page, or cannot be written.
    """
    if folder.exists() and not folder.is_dir():
        raise BadInput(f"{folder} is a file: give a folder, such as {folder}.site")
    if folder.is_dir() and any(folder.iterdir()) and not (folder / "first.js").exists():
        raise BadInput(f"{folder} is not empty and no page of the laboratory: give a new folder, such as {folder / 'lab'}")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        beside = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
        for name, content in build(served).items():
            (beside / name).parent.mkdir(exist_ok=True)
            (beside / name).write_bytes(content)
        beside.chmod(0o755)
        if folder.is_dir():
            shutil.rmtree(folder)
        os.replace(beside, folder)
    except OSError as error:
        raise BadInput(f"cannot write {folder}: {error.strerror}") from None
    return folder / "index.html"

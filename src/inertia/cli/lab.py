"""`inertia lab` opens the laboratory in the browser; `inertia figure` draws one of its figures to a file."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any

import typer

from ..errors import BadInput
from .options import Json, place
from .output import emit

__all__ = ["PLACE", "register"]

PLACE = 40
_FORMATS = (".png", ".svg", ".pdf")


def register(app: typer.Typer) -> None:
    """Add `lab` and `figure`."""
    app.command(name="lab")(lab)
    app.command(name="figure")(figure)


def lab(
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="Port on 127.0.0.1; 0 takes a free one.")] = 0,
    browser: Annotated[bool, typer.Option("--browser/--no-browser", help="Open the page in the browser.")] = True,
    record: Annotated[
        Path | None, typer.Option("--record", metavar="DIR", parser=place, help="A folder with the record.json of `inertia tune`.")
    ] = None,
    export: Annotated[
        Path | None,
        typer.Option("--export", metavar="DIR", parser=place, help="Write the page as plain files that need no server, and stop."),
    ] = None,
) -> None:
    """Open the laboratory in the browser: an article about momentum with interactive figures.

    With --export DIR it is written as a folder of plain files, which works from any web host and from disk.

    Example: [bold]inertia lab --record out/demo[/bold]
    """
    if export is not None:
        from ..lab.article import export as write

        print(write(export))
        return
    from ..lab.given import known
    from ..lab.server import serve

    serve(port, browser, known(record))


def figure(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A figure, such as hero, map, modes; another word lists them all.")],
    out: Annotated[Path | None, typer.Option("--out", metavar="FILE", parser=place, help="Where to write it: .png, .svg or .pdf.")] = None,
    settings: Annotated[list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="A field, as often as needed.")] = None,
    dpi: Annotated[int, typer.Option("--dpi", min=30, max=600, help="Dots per inch of a PNG.")] = 150,
    json: Json = False,
) -> None:
    """Save one of the laboratory's interactive figures as PNG, SVG or PDF.

    Example: [bold]inertia figure map --set beta=0.9 --out map.svg[/bold]
    """
    from ..lab.views import named

    named(name)  # a name that is unknown is told first, with those that there are
    if out is None and not json:
        raise BadInput(f"nowhere to draw '{name}': add --out {name}.png, or --json for its numbers")
    if out is not None and out.suffix.lower() not in _FORMATS:
        raise BadInput(f"cannot write '{out.name}': the ending must be one of {', '.join(_FORMATS)}")
    if out is not None and not out.parent.is_dir():
        raise BadInput(f"there is no folder '{out.parent}': make it first")
    from ..lab import twin

    state = dict(_setting(text) for text in settings or [])
    if json:
        emit(twin.data(name, **state))
    if out is not None:
        _write(twin.figure(name, **state), out, dpi)
        if not json:
            print(out)


def _write(canvas: Any, out: Path, dpi: int) -> None:
    """Write beside the target and move it there: a failure leaves nothing half-written."""
    part = out.with_name(f".{out.stem}.part{out.suffix}")
    try:
        canvas.savefig(part, dpi=dpi)
        os.replace(part, out)
    except OSError as error:
        raise BadInput(f"cannot write {out}: {error.strerror}") from None
    finally:
        part.unlink(missing_ok=True)


def _setting(text: str) -> tuple[str, Any]:
    """NAME=VALUE, the value read as JSON where it is JSON and as text elsewhere."""
    import json

    name, equals, value = text.partition("=")
    if not equals or not name or not value.strip():
        raise BadInput(f"--set needs NAME=VALUE, got '{text}': write it like beta=0.9")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value

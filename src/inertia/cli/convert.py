"""`inertia convert`: one framework's momentum settings in the words of another."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from ..errors import BadInput
from .options import Json
from .output import emit

__all__ = ["register"]

PLACE = 40

Settings = Annotated[list[str] | None, typer.Argument(metavar="SETTING=VALUE...", help="The settings, in the words of --from.")]
From = Annotated[str, typer.Option("--from", metavar="NAME", help="Whose words they are: torch, optax, keras, mxnet, torch-adamw, ...")]
To = Annotated[str, typer.Option("--to", metavar="NAME", help="Whose words you want; `method` for Method(alpha, beta, gamma, delta).")]


def register(app: typer.Typer) -> None:
    """Add `inertia convert`."""
    app.command("convert")(convert)


def convert(source: From, target: To, settings: Settings = None, as_json: Json = False) -> None:
    """Translate momentum settings between frameworks, and say how far the translation holds.

    Example: [bold]inertia convert --from torch lr=0.1 momentum=0.9 nesterov=true --to keras[/bold]
    """
    from ..optimizers.conventions import DIALECTS, convert_adaptive
    from ..optimizers.conventions import convert as translate

    found: Any = (convert_adaptive if source in DIALECTS or target in DIALECTS else translate)(source, target, **_pairs(settings or []))
    if as_json:
        emit(found)
        return
    method = ", ".join(f"{name} = {_shown(value)}" for name, value in found.to_json()["method"].items() if value is not None)
    rows = [["method", method], [target, ", ".join(f"{key}={_shown(value)}" for key, value in found.to.items()) or "-"]]
    rows += [["holds", found.status]] + ([["code", found.code]] if found.code else [])
    rows += [["note" if index == 0 else "", note] for index, note in enumerate(found.notes)]
    width = max(len(label) for label, _ in rows) + 2
    for label, text in rows:
        print(f"{label:{width}}{text}")


def _shown(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool | str) else f"{value:g}"


def _pairs(settings: list[str]) -> dict[str, Any]:
    pairs: dict[str, Any] = {}
    for item in settings:
        key, sign, value = item.partition("=")
        if not sign or not key or not value:
            raise BadInput(f"'{item}' is not SETTING=VALUE: write it like momentum=0.9, without spaces")
        if key in pairs:
            raise BadInput(f"{key} is given twice: keep one of them")
        pairs[key] = value
    return pairs

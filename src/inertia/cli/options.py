"""Options that several commands share, written once so that they read alike everywhere."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["Alpha", "Beta", "Gamma", "Json", "Out", "Seed", "Task"]

Alpha = Annotated[float, typer.Option("--alpha", help="Step size, in 1/curvature (the learning rate).")]
Beta = Annotated[float, typer.Option("--beta", help="Momentum, in [-1, 1].")]
Gamma = Annotated[float, typer.Option("--gamma", help="Look-ahead: the same as beta for Nesterov, 0 for heavy ball.")]
Json = Annotated[bool, typer.Option("--json", help="Write pure JSON to stdout, full precision.")]
Seed = Annotated[int, typer.Option("--seed", min=0, help="Every random choice follows from it.")]
Out = Annotated[Path | None, typer.Option("--out", metavar="DIR", help="Write report.html, figures (PNG and SVG) and record.json there.")]
Task = Annotated[
    str, typer.Argument(metavar="TASK", help="A built-in task, such as digits, diabetes or valley; an unknown name lists them all.")
]

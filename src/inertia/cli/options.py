"""Options that several commands share, written once so that they read alike everywhere.

What a user copies is called learning rate, momentum and nesterov; the letters of the theory (--alpha, --beta, --gamma) are
accepted beside them in every command that takes a method.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..errors import BadInput

if TYPE_CHECKING:
    from ..core.method import Method

__all__ = ["Gamma", "Json", "LearningRate", "Momentum", "Nesterov", "Out", "Seed", "Task", "method_of", "place"]


_WORDS = {"alpha": "--lr", "beta": "--momentum", "gamma": "--gamma"}


def place(text: str) -> Path:
    """A path as it was typed; an empty one is refused, for it would mean the current folder."""
    if not text.strip():
        raise typer.BadParameter("the name is empty; name a place, such as out/run")
    return Path(text)


LearningRate = Annotated[float, typer.Option("--lr", "--alpha", help="Learning rate: step size, in 1/curvature.")]
Momentum = Annotated[float, typer.Option("--momentum", "--beta", help="Momentum, in [-1, 1].")]
Nesterov = Annotated[bool, typer.Option("--nesterov", help="In Nesterov's form: look ahead by the momentum.")]
Gamma = Annotated[
    float | None, typer.Option("--gamma", help="Look-ahead as a number: 0 is heavy ball, the momentum itself is Nesterov's form.")
]
Json = Annotated[bool, typer.Option("--json", help="Write pure JSON to stdout, full precision.")]
Seed = Annotated[int, typer.Option("--seed", min=0, help="Every random choice follows from it.")]
Out = Annotated[
    Path | None, typer.Option("--out", metavar="DIR", parser=place, help="Write report.html, figures (PNG and SVG) and record.json there.")
]
Task = Annotated[
    str, typer.Argument(metavar="TASK", help="A built-in task (digits, valley, ...; an unknown name lists them) or FILE.py:FUNCTION.")
]


def method_of(lr: float, momentum: float, nesterov: bool, gamma: float | None) -> Method:
    """The method that these options name.

    Raises:
        BadInput: --nesterov and another --gamma, coefficients that no run can use.

    >>> method_of(0.1, 0.9, True, None)
    Method(alpha=0.1, beta=0.9, gamma=0.9, delta=0.0)
    """
    from ..core.method import Method, checked

    if nesterov and gamma not in (None, momentum):
        raise BadInput(f"--nesterov looks ahead by the momentum {momentum:g}, --gamma by {gamma:g}: leave one of them out")
    try:
        return checked(Method(lr, momentum, momentum if nesterov else gamma or 0.0))
    except BadInput as error:  # in the words of the command line
        letter, _, rest = str(error).partition(" = ")
        raise BadInput(f"{_WORDS.get(letter, letter)} = {rest}") from error

"""Commands that only compute: `predict` what a method does to curvatures, and the `best` method for given ends."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .options import Gamma, Json, LearningRate, Momentum, Nesterov, Out, method_of
from .output import emit, number, table, tell
from .sources import ends, spectrum_from

if TYPE_CHECKING:
    from ..core.method import Method
    from ..core.spectrum import Spectrum
    from ..report.report import Block

__all__ = ["best", "predict", "register"]

PLACE = 20
_TOLERANCE = 1e-6
_ROWS = 12  # modes shown in the table; --json has all
_CURVE = 400  # most steps drawn of a predicted loss

Mu = Annotated[float | None, typer.Option("--mu", help="Smallest curvature.")]
Largest = Annotated[float | None, typer.Option("--L", help="Largest curvature.")]


def register(app: typer.Typer) -> None:
    """Add `predict` and `best`."""
    app.command(epilog="Example: inertia predict --lr 0.6 --momentum 0.5 --curvatures 0.2,4")(predict)
    app.command(epilog="Example: inertia best --mu 0.2 --L 4 --method heavy-ball")(best)


def predict(
    lr: LearningRate,
    momentum: Momentum = 0.0,
    nesterov: Nesterov = False,
    gamma: Gamma = None,
    task: Annotated[
        str | None, typer.Argument(metavar="[TASK]", help="A built-in task or FILE.py:FUNCTION, instead of curvatures.")
    ] = None,
    curvatures: Annotated[str | None, typer.Option("--curvatures", metavar="H,H,...", help="Curvatures, such as 0.2,4.")] = None,
    mu: Mu = None,
    largest: Largest = None,
    json: Json = False,
    out: Out = None,
) -> None:
    """How fast a method converges, how, and where it breaks: per curvature, in closed form, nothing is run."""
    from ..theory.modes import edge, rate, regime

    method = method_of(lr, momentum, nesterov, gamma)
    spectrum, name = spectrum_from(task, curvatures, mu, largest)
    folder = _opened(out)
    worst, limit = _worst(method, spectrum), float(edge(method))
    modes = [
        {"curvature": float(h), "rate": float(rate(method, h)), "regime": str(regime(method, h))} for h in _distinct(spectrum.curvatures)
    ]
    answer = {
        "method": method._asdict(),
        "rate": worst,
        "edge": limit,
        "stable": worst < 1 - 1e-12,
        "steps_to_1e-6": _steps_to(method, spectrum, worst),
        "modes": modes,
    }
    if folder is not None:
        _report(folder, method, spectrum, name, answer)
    if json:
        emit(answer)
    else:
        _say(method, spectrum, name, answer)
        _name_files(folder)


def best(
    mu: Mu = None,
    largest: Largest = None,
    method: Annotated[
        str | None,
        typer.Option("--method", metavar="NAME", help="gradient-descent, heavy-ball, nesterov, nesterov-quadratic or triple-momentum."),
    ] = None,
    functions: Annotated[
        str | None, typer.Option("--class", metavar="CLASS", help="Pick the method for a class: quadratic or strongly-convex.")
    ] = None,
    json: Json = False,
) -> None:
    """The coefficients of a named method for curvatures from mu to L, its rate there, and who proved it."""
    from ..core.spectrum import spectrum
    from ..theory.catalog import best as chosen
    from ..theory.catalog import named
    from ..theory.citations import SOURCES

    entry = named(_picked(method, functions))
    low, high = ends(mu, largest)
    entry.method(low, high)  # says what is wrong with mu <= 0
    found = chosen(spectrum([low, high]), entry.name)
    cite = f"{SOURCES[entry.cite].short}, {entry.theorem}"
    answer: dict[str, Any] = {"method": found.method._asdict(), "rate": found.rate, "kappa": high / low, "name": entry.name, "cite": cite}
    if functions is not None:
        from .limits import class_facts

        answer |= class_facts(functions, found.method, low, high)
    if json:
        return emit(answer)
    from ..report.words import pace

    rows = [[name, number(value, 10)] for name, value in answer["method"].items()]
    table([*rows, ["rate", number(found.rate, 10)], ["kappa", number(high / low)], ["edge", number(found.edge, 10)]])
    tell(f"{entry.name} on curvatures from {low:g} to {high:g}: {pace(found.rate)}. {cite}.")
    if functions is not None:
        tell(f"No first-order method beats {number(answer['limit'], 10)} per step on this class: {answer['because']}.")
    if found.margin < 0.5:
        tell(f"It diverges if the largest curvature is {100 * found.margin:.3g} % above L: pass an upper bound as --L, not an estimate.")
    return None


def _picked(method: str | None, functions: str | None) -> str:
    """The method asked for by name, or the one that meets the limit of a class."""
    if functions is None:
        return method or "heavy-ball"
    from ..errors import BadInput
    from ..theory.certify.limits import fastest_for

    name = fastest_for(functions)
    if method not in (None, name):
        raise BadInput(f"--class {functions} picks {name}, --method asks for {method}: give one of the two")
    return name


def _distinct(curvatures: Any) -> Any:
    """Each curvature once; measured ones that agree to rounding are one."""
    import numpy as np

    h = np.unique(curvatures)
    return h[np.append(True, np.diff(h) > 1e-9 * np.abs(h).max())] if len(h) else h


def _worst(method: Method, spectrum: Spectrum) -> float:
    from ..theory.quadratic import worst_rate

    return float(worst_rate(method, spectrum))


def _steps_to(method: Method, spectrum: Spectrum, worst: float) -> float:
    """First step from which the excess loss stays below 1e-6 of its start; infinite where it never does."""
    if worst >= 1 - 1e-12 or spectrum.excess <= 0:
        return math.inf
    from ..theory.milestones import steps_to

    return float(steps_to(method, spectrum, _TOLERANCE))


def _say(method: Method, spectrum: Spectrum, name: str, answer: dict[str, Any]) -> None:
    from ..report.words import named as worded
    from ..report.words import pace, remedy, sentence

    say = tell
    say(f"{sentence(worded(method))[:-1]}, on {name}: {pace(answer['rate'])}.")
    advice = remedy(method, spectrum, answer["edge"])
    if advice:
        say(sentence(advice))
    else:
        say(f"Loss below 1e-6 of its start after {number(answer['steps_to_1e-6'], 9)} steps; edge: curvature {number(answer['edge'])}.")
    shown = answer["modes"]
    if len(shown) > _ROWS:
        shown = [*shown[: _ROWS // 2], *shown[-_ROWS // 2 :]]
    table([[f"{mode['curvature']:.6g}", f"{mode['rate']:.6g}", mode["regime"]] for mode in shown], head=("curvature", "rate", "regime"))
    if len(shown) < len(answer["modes"]):
        say(f"({len(answer['modes']) - len(shown)} curvatures in between: --json lists them)")


def _opened(out: Path | None) -> Any:
    if out is None:
        return None
    from ..report.folder import Folder

    return Folder(out)


def _report(folder: Any, method: Method, spectrum: Spectrum, name: str, answer: dict[str, Any]) -> None:
    from ..report.landscape import eigencomponents, rates
    from ..report.report import Table, Text
    from ..report.words import named as worded
    from ..report.words import pace, remedy, sentence
    from .results import save

    steps = answer["steps_to_1e-6"]
    views: list[Block] = [rates(method, spectrum)] if spectrum.L > 0 else []
    views += [eigencomponents(method, spectrum, int(min(1.25 * steps + 5, _CURVE) if math.isfinite(steps) else 60))]
    rows = [[f"{mode['curvature']:.6g}", f"{mode['rate']:.6g}", mode["regime"]] for mode in answer["modes"]]
    advice = remedy(method, spectrum, answer["edge"])
    lede = f"On {name}, {pace(answer['rate'])}."
    words = [Text(sentence(advice))] if advice else []
    blocks: list[Block] = [
        *words,
        *views,
        Table(("curvature", "rate", "regime"), rows, "Factor per step, and how the error moves."),
    ]
    title = worded(method)
    save(folder, f"{title[0].upper()}{title[1:]}", lede, blocks, answer)


def _name_files(folder: Any) -> None:
    if folder is not None:
        from .results import name_files

        name_files(folder)

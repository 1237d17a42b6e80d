"""Commands about what is possible: `limits` says what no method beats, `design` searches methods for speed and for noise."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from .options import Json, Out
from .output import emit, number, screen, table, tell

if TYPE_CHECKING:
    from ..core.method import Method
    from ..report.report import Block
    from ..theory.certify.limits import Distance

__all__ = ["class_facts", "design", "limits", "register"]

PLACE = 26

Smallest = Annotated[float, typer.Option("--mu", help="Strong convexity: smallest curvature.")]
Largest = Annotated[float, typer.Option("--L", help="Smoothness: largest curvature.")]


def register(app: typer.Typer) -> None:
    """Add `limits` and `design`."""
    app.command(epilog="Example: inertia limits --mu 1 --L 25")(limits)
    app.command(epilog="Example: inertia design --mu 1 --L 25 --count 5")(design)


def limits(mu: Smallest, largest: Largest, json: Json = False, out: Out = None) -> None:
    """What no first-order method can beat on a class of functions, and how far each named method is from it."""
    from ..theory.certify.limits import distances

    folder = _opened(out)
    rows = distances(mu, largest)
    answer = {"mu": mu, "L": largest, "kappa": largest / mu, "methods": [row._asdict() for row in rows]}
    if folder is not None:
        _report_limits(folder, mu, largest, rows, answer)
    if json:
        return emit(answer)
    table(_cells(rows), head=("method", "class", "rate", "limit", "steps per best"))
    tell("Rates are attained on quadratics and certified exactly on strongly convex functions; 'steps per best' is how many steps")
    tell("the method takes, in the long run, for one step of a method that meets the limit.")
    _name(folder)
    return None


def design(
    mu: Smallest,
    largest: Largest,
    count: Annotated[int, typer.Option("--count", help="Points of the trade-off.")] = 6,
    json: Json = False,
    out: Out = None,
) -> None:
    """Search (alpha, beta, gamma) for the least gradient noise at each speed; every rate and noise gain is certified."""
    from ..theory.certify.design import pareto

    folder = _opened(out)
    with screen().status("searching ..."):
        found = pareto(mu, largest, count)
    answer: dict[str, Any] = {
        "mu": mu,
        "L": largest,
        "designs": [design._asdict() | {"method": design.method._asdict()} for design in found],
    }
    if folder is not None:
        _report_designs(folder, mu, largest, found, answer)
    if json:
        return emit(answer)
    cells = [[number(value, 6) for value in (*point.method[:3], point.rate, point.gain, point.quadratic_gain)] for point in found]
    table(cells, head=("alpha", "beta", "gamma", "certified rate", "certified noise gain", "on quadratics"))
    _name(folder)
    return None


def class_facts(functions: str, method: Method, mu: float, largest: float) -> dict[str, Any]:
    """What `best --class` adds: the limit of the class, who proved it, and the certified rate (None without the solver)."""
    from ..errors import MissingExtra
    from ..theory.certify.limits import LIMITS
    from ..theory.certify.search import certify

    limit = LIMITS[functions]
    facts: dict[str, Any] = {"class": functions, "limit": limit.rate(mu, largest), "because": limit.cite, "certified": None}
    if functions == "strongly-convex":
        try:
            facts["certified"] = certify(method, mu, largest).rate
        except MissingExtra:
            facts["because"] += " (install 'inertia[certify]' to have the rate re-proved here)"
    return facts


def _cells(rows: list[Distance]) -> list[list[str]]:
    return [
        [row.name, row.functions, row.verdict if row.rate is None else number(row.rate, 6), number(row.limit, 6), number(row.times)]
        for row in rows
    ]


def _opened(out: Any) -> Any:
    if out is None:
        return None
    from ..report.folder import Folder

    return Folder(out)


def _report_limits(folder: Any, mu: float, largest: float, rows: list[Distance], answer: dict[str, Any]) -> None:
    from ..report.limits import limit_curves
    from ..report.report import Table
    from ..theory.catalog import CATALOG
    from .results import save

    steps = int(min(max(6 * (largest / mu) ** 0.5, 12), 400))
    methods = {name: CATALOG[name].method(mu, largest) for name in ("gradient-descent", "nesterov", "triple-momentum", "heavy-ball")}
    caption = "Steps per best: how many steps the method takes, in the long run, for one step of a method that meets the limit."
    blocks: list[Block] = [
        limit_curves(mu, largest, methods, steps),
        Table(("method", "class", "rate", "limit", "steps per best"), _cells(rows), caption),
    ]
    save(folder, f"Limits at condition number {largest / mu:.4g}", "What no first-order method can beat, class by class.", blocks, answer)


def _report_designs(folder: Any, mu: float, largest: float, found: Any, answer: dict[str, Any]) -> None:
    from ..report.limits import trade_off
    from ..theory.catalog import CATALOG
    from ..theory.certify.robust import noise_gain
    from ..theory.certify.search import certify
    from .results import save

    known = {}
    for entry in CATALOG.values():
        certificate = certify(entry.method(mu, largest), mu, largest)
        if certificate.rate is not None and entry.name != "quasi-hyperbolic":  # the same steps as triple momentum
            known[entry.name] = (certificate.rate, noise_gain(certificate.method, mu, largest))
    view = trade_off(found, known, mu, largest)
    save(folder, f"Designs at condition number {largest / mu:.4g}", "Speed against gradient noise, certified.", [view], answer)


def _name(folder: Any) -> None:
    if folder is not None:
        from .results import name_files

        name_files(folder)

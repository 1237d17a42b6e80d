"""A plan carried out on a model, and sharpness along a short real trajectory: at the start it is often the wrong number."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from typing import Any

from ..core.method import Method
from ..core.spectrum import Spectrum
from ..errors import BadInput
from .lanczos import krylov
from .model import Plan, Source, Watch, measure_source
from .progress import Line

__all__ = ["Walk", "measured", "watched"]

Walk = Callable[[Method], Generator[None, None, None]]  # trains the source by one step each time; closed, it puts the parameters back


def watched(progress: bool | Watch) -> Watch | None:
    """Who is told how far a measurement is: True is a line on stderr.

    >>> watched(False) is None
    True
    """
    return Line() if progress is True else progress or None


def measured(
    source: Source, plan: Plan, along: int | Sequence[int] | None = None, method: Method | None = None, walk: Walk | None = None
) -> Spectrum:
    """The spectrum that the plan asks for; with `along`, sharpness on a walk of so many steps (or at those) in its provenance.

    The default method is gentle: Nesterov's form with momentum 0.9 and alpha = 1/(4 upper bar).

    Raises:
        BadInput: no step to measure at, no positive curvature for the default method, and what measuring raises.
    """
    found = measure_source(source, plan)
    if along is not None and method is None and not found.upper > 0:
        raise BadInput(
            f"the largest curvature at the start is at most {found.upper:g} (the loss is linear or concave there), so no gentle "
            "learning rate follows from it: say how to train with along_method=Method(...), or leave along out"
        )
    if along is not None and walk is not None and "interrupted" not in found.provenance:
        used = Method(0.25 / found.upper, beta=0.9, gamma=0.9) if method is None else method
        told = _along(source, plan, found, along, walk(used)) | {"method": repr(used)}
        found = Spectrum(**{**vars(found), "provenance": {**found.provenance, "along": told, **source.cost()}})
    if isinstance(plan.watch, Line):
        plan.watch.close()
    return found


def _along(source: Source, plan: Plan, start: Spectrum, along: int | Sequence[int], steps: Generator[None, None, None]) -> dict[str, Any]:
    """The largest curvature after the marked steps (of a number: after a quarter of them, and at the end)."""
    marks = sorted({max(1, along // 4), along}) if isinstance(along, int) else sorted(set(along))
    if not marks or marks[0] < 1:
        raise BadInput(f"along = {along!r}: give a number of steps >= 1, or the steps to measure at")
    table: dict[str, Any] = {"steps": [0.0], "largest": [start.L], "upper": [start.upper], "loss": [start.provenance["loss"]]}
    number = 0
    try:
        for number in range(1, marks[-1] + 1):
            next(steps)
            if number in marks:
                loss, _ = source.gradient()
                run = krylov(source.hvp, source.space(False), rtol=plan.rtol, depth=plan.depth, ends="largest", seed=plan.seed)
                for name, value in {"steps": number, "largest": run.largest, "upper": run.upper, "loss": loss}.items():
                    table[name].append(float(value))
    except KeyboardInterrupt:
        table["interrupted_after"] = number - 1
    finally:
        steps.close()  # this is where the parameters are put back
    return table | {"growth": max(table["largest"]) / start.L if start.L > 0 else float("nan")}

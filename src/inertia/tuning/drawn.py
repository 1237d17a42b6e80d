"""The spectrum and the curves that a record carries, so that the laboratory can ask its questions of a tuning."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ..core.method import Method
from ..core.spectrum import Spectrum
from .judging import values
from .measurement import Measurement
from .policy import Trial
from .predict import Model, forecast, grounded, joined
from .quadratic import modelled

if TYPE_CHECKING:
    from .result import Tuning

__all__ = ["curves", "spectrum_of"]


def spectrum_of(found: Tuning) -> Spectrum:
    """The quadratic at the start as a Spectrum: that of the forecast where there is one, else the sketch that the gradient gives."""
    return _drawn(found)[0]


def curves(found: Tuning) -> dict[str, Any]:
    """The loss along every run, and what was forecast of it: by the quadratic where there is one, else its end alone."""
    known, foretold = _drawn(found)
    objective = found.budget.objective
    return {
        "actual": [
            {"steps": trial.run.marks[: len(values(trial.run, objective))].tolist(), "loss": _plain(values(trial.run, objective))}
            for trial in found.history.trials
        ],
        "predicted": [_forecast(found, known if foretold else None, trial) for trial in found.history.trials],
    }


def _drawn(found: Tuning) -> tuple[Spectrum, bool]:
    """The spectrum with all that a forecast needs beside it, and whether it is one that forecasts."""
    seen, budget = found.measurement, found.budget
    model = modelled(seen, budget)
    known = _sketched(seen) if model is None else model.spectrum
    rest: dict[str, Any] = {} if budget.full_batch else {"epoch": budget.examples / budget.batch_size}
    if model is not None and model.bend:
        rest |= {"knee": model.knee, "bend": model.bend, "slack": model.slack}
    return replace(known, provenance={**known.provenance, **rest}), model is not None


def _forecast(found: Tuning, known: Spectrum | None, trial: Trial) -> dict[str, Any]:
    """What the quadratic says of a run, as the laboratory will say it again from the spectrum alone; else where it was expected to end."""
    budget, seen = found.budget, found.measurement
    if known is None or trial.run.recipe.optimizer != "sgd":
        expected = trial.candidate.expected
        return {"steps": [0, int(budget.steps)], "loss": _plain([seen.loss, np.nan if expected is None else expected.loss])}
    method, factors = trial.run.recipe.method, budget.factors
    rest = {name: float(known.provenance[name]) for name in ("epoch", "knee", "bend", "slack") if name in known.provenance}
    ahead = forecast(
        Model(known, seen.loss, **rest), lambda step: Method(method.alpha * float(factors[step]), *method[1:]), int(budget.steps)
    )
    return {"steps": ahead.steps.tolist(), "loss": _plain(ahead.loss)}


def _sketched(seen: Measurement) -> Spectrum:
    """The curvatures of a loss that is not convex, as if it were: those that are negative or too small are lifted."""
    kept = seen.gradient.shares > 0
    positive = np.maximum(seen.gradient.nodes[kept], 0.0)
    drop = max(abs(seen.loss), 0.5 * float(seen.gradient.shares.sum()) / seen.upper)
    along = grounded(positive, seen.gradient.shares[kept], drop)
    noise = (np.maximum(seen.noise.along.nodes, 0.0), seen.noise.along.shares)
    return joined(along, noise, seen.upper, source="lanczos", dimension=seen.dimension)


def _plain(losses: Any) -> list[float | None]:
    return [float(value) if np.isfinite(value) else None for value in np.asarray(losses, dtype=float)]

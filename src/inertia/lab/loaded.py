"""A record of `inertia tune`, checked number by number before anything is computed from it.

What a page sends is never trusted: every list has a longest length, every number must be finite and in range, and only
the names below are read. What has been loaded is kept under the digest of its content, so that a page sends it once.
"""

from __future__ import annotations

import hashlib
import json
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..core.method import Method
from ..core.schedule import SHAPES, shaped
from ..core.spectrum import Spectrum, spectrum
from ..errors import BadData, BadInput, InertiaError
from ..tuning.predict import Model, forecast

__all__ = ["Loaded", "Run", "example", "kept", "loaded"]

Array = NDArray[np.float64]
_LONGEST, _MOST_STEPS, _MOST_RUNS = 4096, 100_000, 24
_KEPT = 8
_store: OrderedDict[str, Loaded] = OrderedDict()


class Run(NamedTuple):
    """One verifying run: its method, the loss at some steps, and what had been predicted."""

    method: Method
    steps: Array
    loss: Array  # nan where it diverged
    predicted_steps: Array
    predicted: Array


class Loaded(NamedTuple):
    """A task, its budget, its model, what was recommended and what was run."""

    key: str
    task: str
    steps: int
    schedule: str
    verdict: str
    model: Model
    recommended: Method
    runs: tuple[Run, ...]
    verified: float | None = None  # what the recommended run ended at


def loaded(document: Mapping[str, Any]) -> Loaded:
    """The record, kept under its key.

    Raises:
        BadData: not a record of `inertia tune`; the message names the part that is missing or wrong.
    """
    key = hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()[:16]
    found = _store.get(key)
    if found is None:
        found = _checked(key, document)
        _store[key] = found
        while len(_store) > _KEPT:
            _store.popitem(last=False)
    return found


def kept(key: str) -> Loaded:
    """What was loaded under that key.

    Raises:
        BadInput: nothing was, or it was long ago.
    """
    if key not in _store:
        raise BadInput("this record is no longer in memory: load it again")
    return _store[key]


def example() -> Loaded:
    """A made-up task for readers without a record: twenty curvatures from 0.001 to 1, noise that follows the loss, 200 steps.

    >>> example().task
    'example'
    """
    if "example" not in _store:
        h = np.geomspace(1e-3, 1.0, 20)
        share = np.exp(-np.square(np.log10(h) + 1.2))  # of the loss: most of it lies at middling curvatures
        known = spectrum(h, weights=2 * share / share.sum() / h, noise=0.004 * h, upper=1.04)
        model = Model(known, start=1.05)
        _store["example"] = Loaded("example", "example", 200, "linear", "", model, Method(0.5, 0.9), ())
    return _store["example"]


def _checked(key: str, document: Mapping[str, Any]) -> Loaded:
    advice = _part(document, "recommendation")
    steps = int(_number(document, "steps", 1, _MOST_STEPS))
    schedule = document.get("schedule")
    if schedule not in SHAPES:
        raise BadData(f"the record's schedule {str(schedule)[:40]!r} is none of {', '.join(SHAPES)}")
    best = _method(advice)
    known = _spectrum(_part(document, "spectrum"))
    start = _number(_part(document, "measurement"), "loss", -1e12, 1e12)
    model = Model(known, start, **_rest(known.provenance))
    runs = _runs(document)
    if not np.isfinite(forecast(model, shaped(schedule, best._replace(alpha=best.alpha * 1e-3), steps), steps).final):
        raise BadData("the record's spectrum gives no forecast: its curvatures or noise are out of all proportion")
    ended = document.get("verified_loss")
    verified = None if ended is None else _number(document, "verified_loss", -1e300, 1e300)
    words = [str(document.get(name, ""))[:400] for name in ("task", "verdict")]
    return Loaded(key, words[0] or "a task", steps, schedule, words[1], model, best, runs, verified)


def _rest(known: Mapping[str, Any]) -> dict[str, float]:
    """What a forecast needs beside the spectrum, where the record has it: batches per epoch, and how the curvature falls."""
    limits = {"epoch": 1e12, "bend": 2.0, "knee": 1.0, "slack": 1.0}
    known = {name: value for name, value in known.items() if isinstance(value, int | float) and not isinstance(value, bool)}
    fine = {name: float(known[name]) for name, most in limits.items() if name in known and 0 < known[name] <= most}
    return fine if {"bend", "knee", "slack"} <= set(fine) else {name: v for name, v in fine.items() if name == "epoch"}


def _spectrum(part: Mapping[str, Any]) -> Spectrum:
    columns = {name: _numbers(part, name, -1e9, 1e9) for name in ("curvatures", "weights", "noise")}
    if len({len(column) for column in columns.values()}) != 1:
        raise BadData("the record's curvatures, weights and noise have different lengths: it is damaged")
    top = _number(part, "upper", -1e9, 1e9)
    given = part.get("provenance")
    try:
        found = spectrum(**columns, upper=top, provenance=given if isinstance(given, Mapping) else {})
    except InertiaError as error:
        raise BadData(f"the record's spectrum cannot be used: {error}") from None
    if found.upper <= 0:
        raise BadData("the record's largest curvature is not positive: there is no edge to stay below")
    return found


def _runs(document: Mapping[str, Any]) -> tuple[Run, ...]:
    listed, curves = document.get("runs", []), document.get("curves", {})
    pairs = [curves.get(name, []) if isinstance(curves, Mapping) else [] for name in ("actual", "predicted")]
    if not all(isinstance(part, list) for part in (listed, *pairs)):
        raise BadData("the record's runs and curves must be lists: it is damaged")
    made = []
    for run, actual, predicted in list(zip(listed, *pairs, strict=False))[:_MOST_RUNS]:
        if not all(isinstance(part, Mapping) for part in (run, actual, predicted)):
            raise BadData("one of the record's runs is not an object: it is damaged")
        made.append(Run(_method(run), *_curve(actual), *_curve(predicted)))
    return tuple(made)


def _curve(part: Mapping[str, Any]) -> tuple[Array, Array]:
    steps, loss = _numbers(part, "steps", 0, _MOST_STEPS), _numbers(part, "loss", -1e300, 1e300, gaps=True)
    if len(steps) != len(loss):
        raise BadData("a curve of the record has other steps than losses: it is damaged")
    return steps, loss


def _method(part: Mapping[str, Any]) -> Method:
    return Method(_number(part, "alpha", 1e-12, 1e12), _number(part, "beta", 0, 1), _number(part, "gamma", -1, 10))


def _part(document: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = document.get(name)
    if not isinstance(found, Mapping):
        raise BadData(f"this is no record of `inertia tune`: it has no '{name}'; load the record.json that --out DIR wrote")
    return found


def _number(part: Mapping[str, Any], name: str, low: float, high: float) -> float:
    value = part.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise BadData(f"the record's {name} must be a number from {low:g} to {high:g}, got {str(value)[:40]!r}")
    return float(value)


def _numbers(part: Mapping[str, Any], name: str, low: float, high: float, gaps: bool = False) -> Array:
    values = part.get(name)
    if not isinstance(values, list) or not 0 < len(values) <= _LONGEST:
        raise BadData(f"the record's {name} must be a list of 1 to {_LONGEST} numbers")
    out = [np.nan if gaps and value is None else _number({name: value}, name, low, high) for value in values]
    return np.array(out, dtype=float)

"""Certificates as files: plain numbers out, and back only what is exactly a certificate.

Nothing here believes what it reads. Every field must be there and no other, numbers must be finite, fractions whole numbers
over powers of two of bounded length, lists of the length that the memory asks for; so that whatever came, reading it takes
no longer than checking a certificate of our own. Whether the claims hold is for `certificate.verify`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np

from ...core.method import Method, checked
from ...errors import BadInput
from .constant import Bound
from .counterexample import LONGEST, PERIOD, Counterexample
from .dissipation import Proof, pairs

__all__ = ["LONGEST_MEMORY", "Rejected", "Stored", "bound_json", "counter_json", "proof_json", "read"]

FORMAT = "inertia certificate 2"
VERDICTS = ("proved", "refuted", "open")
KINDS = ("quadratic", "lessard-recht-packard", "roots-of-unity")
LONGEST_MEMORY = 8
_FIELDS = (
    "format", "verdict", "rate", "constant", "checked", "counterexample", "method", "mu", "L", "quadratic_rate", "reason", "proof", "bound",
)  # fmt: skip
_FRACTION = re.compile(r"(-?[0-9]{1,80})(?:/([0-9]{1,80}))?")


class Rejected(BadInput):
    """A certificate that does not prove what it says; the message names the field or the inequality that fails."""

    def __init__(self, why: str) -> None:
        super().__init__(f"rejected: {why}")


class Stored(NamedTuple):
    """What a file says, each part of the right form and none of it checked."""

    verdict: str
    method: Method  # delta = 0: a certificate speaks of xi, not of what is read out
    mu: float
    L: float
    rate: float | None
    constant: float | None
    quadratic_rate: float | None
    reason: str
    proof: Proof | None
    bound: Bound | None
    counterexample: Counterexample | None
    cycle: Any  # (period, n) or None


def read(data: Mapping[str, Any]) -> Stored:
    """The parts of what `Certificate.to_json` wrote.

    Args:
        data: the JSON object.

    Raises:
        Rejected: a field is missing, unknown, or not of its form.
    """
    if data.get("format") != FORMAT:
        raise Rejected(f"not a certificate: format is {_shown(data.get('format'))}, and must be '{FORMAT}'")
    _exactly(data, _FIELDS, "the certificate")
    verdict, reason = data["verdict"], data["reason"]
    if not isinstance(verdict, str) or verdict not in VERDICTS:
        raise Rejected(f"not a certificate: verdict {_shown(verdict)} is none of {', '.join(VERDICTS)}")
    if not isinstance(reason, str) or not isinstance(data["checked"], bool):
        raise Rejected("not a certificate: 'reason' must be text and 'checked' true or false")
    _exactly(data["method"], Method._fields[:3], "'method'")
    try:
        method = checked(Method(*(_number(data["method"][name], name) for name in Method._fields[:3])))
    except BadInput as error:
        raise error if isinstance(error, Rejected) else Rejected(f"no method: {error}") from error
    mu, L = _number(data["mu"], "mu"), _number(data["L"], "L")
    if not 0 < mu <= L:
        raise Rejected(f"not a certificate: mu = {mu:g}, L = {L:g} do not satisfy 0 < mu <= L")
    rate, constant, attained = (_maybe(data[name], name) for name in ("rate", "constant", "quadratic_rate"))
    proof = None if data["proof"] is None else _proof(data["proof"], "'proof'")
    bound = None if data["bound"] is None else _bound(data["bound"], constant)
    if bound is None and constant is not None:
        raise Rejected(f"constant = {constant:g} comes without its proof")
    counter, cycle = (None, None) if data["counterexample"] is None else _counter(data["counterexample"], method, mu, L)
    return Stored(verdict, method, mu, L, rate, constant, attained, reason, proof, bound, counter, cycle)


def proof_json(proof: Proof) -> dict[str, Any]:
    """The parts of a proof, fractions as strings so that nothing is rounded.

    Args:
        proof: of Fractions.
    """
    return {name: _strings(value) for name, value in proof._asdict().items()} | {"memory": proof.memory}


def bound_json(bound: Bound) -> dict[str, Any]:
    """What proves a constant.

    Args:
        bound: the constant and what proves it, of Fractions.
    """
    parts = {"share": bound.share, "lyapunov": proof_json(bound.lyapunov), "start": _strings(bound.start)}
    return parts | {"early": [_strings(weights) for weights in bound.early]}


def counter_json(counter: Counterexample) -> dict[str, Any]:
    """What defines a counterexample, and the cycle on which the method stays.

    Args:
        counter: a function of the class on which the method does not converge.
    """
    data: dict[str, Any] = {"kind": counter.kind, "curvature": counter.curvature, "pieces": list(counter.pieces)}
    data["turns"] = None if counter.turns is None else list(counter.turns)
    return data | {"cycle": counter.cycle().tolist() if counter.kind != "quadratic" else None}


def _proof(data: Any, name: str) -> Proof:
    _exactly(data, (*Proof._fields, "memory"), name)
    memory = data["memory"]
    if isinstance(memory, bool) or not isinstance(memory, int) or not 1 <= memory <= LONGEST_MEMORY:
        raise Rejected(f"memory = {_shown(memory)} in {name} is not a whole number from 1 to {LONGEST_MEMORY}")
    size, P = memory + 2, data["P"]
    if not isinstance(P, list) or len(P) != size:
        raise Rejected(f"not a certificate: 'P' in {name} must be {size} rows of {size} fractions")
    rows = np.stack([_fractions(row, size, f"a row of 'P' in {name}") for row in P])
    lengths = {"values": memory, "decrease": len(pairs(memory)), "positive": len(pairs(memory, past=True))}
    return Proof(rows, *(_fractions(data[part], length, f"'{part}' in {name}") for part, length in lengths.items()))


def _bound(data: Any, constant: float | None) -> Bound:
    _exactly(data, ("share", "lyapunov", "start", "early"), "'bound'")
    if constant is None:
        raise Rejected("the proof of a constant comes without the constant")
    lyapunov, early = _proof(data["lyapunov"], "'lyapunov'"), data["early"]
    memory = lyapunov.memory
    if not isinstance(early, list) or len(early) != memory - 1:
        raise Rejected(f"not a certificate: 'early' must hold {memory - 1} lists, one for each step before the memory is full")
    steps = tuple(_fractions(weights, k * k, f"'early' of step {k}") for k, weights in enumerate(early, 1))
    return Bound(constant, _number(data["share"], "share"), lyapunov, _fractions(data["start"], memory * memory, "'start'"), steps)


def _counter(data: Any, method: Method, mu: float, L: float) -> tuple[Counterexample, Any]:
    _exactly(data, ("kind", "curvature", "pieces", "turns", "cycle"), "'counterexample'")
    kind, pieces, turns, cycle = (data[name] for name in ("kind", "pieces", "turns", "cycle"))
    if not isinstance(kind, str) or kind not in KINDS:
        raise Rejected(f"unknown kind of counterexample {_shown(kind)}")
    curvature = _maybe(data["curvature"], "curvature")
    used = {"quadratic": (True, False, False), "lessard-recht-packard": (False, True, False), "roots-of-unity": (False, False, True)}[kind]
    if (curvature is not None, pieces != [], turns is not None) != used:
        raise Rejected(
            f"a counterexample of the kind '{kind}' is defined by its {('curvature', 'pieces', 'turns')[used.index(True)]} alone"
        )
    if not isinstance(pieces, list) or len(pieces) > PERIOD or any(not _whole(piece, 0, 2) for piece in pieces):
        raise Rejected(f"pieces of the counterexample must be at most {PERIOD} numbers 0, 1 or 2")
    if turns is not None and (not isinstance(turns, list) or len(turns) != 2 or any(not _whole(turn, 0, LONGEST) for turn in turns)):
        raise Rejected(f"turns of the counterexample must be two whole numbers up to {LONGEST}")
    points = None
    if (cycle is None) != (kind == "quadratic"):
        raise Rejected("the cycle of the counterexample is missing" if cycle is None else "a quadratic counterexample has no cycle")
    if cycle is not None:
        period, width = (len(pieces), 1) if turns is None else (turns[1], 2)
        if not isinstance(cycle, list) or len(cycle) != period or any(not isinstance(row, list) or len(row) != width for row in cycle):
            raise Rejected(f"the cycle of the counterexample must be {period} points of {width} numbers")
        points = np.array([[_number(value, "a point of the cycle") for value in row] for row in cycle])
    return Counterexample(kind, method, mu, L, curvature, tuple(pieces), None if turns is None else (turns[0], turns[1])), points


def _exactly(data: Any, names: tuple[str, ...], where: str) -> None:
    if not isinstance(data, Mapping):
        raise Rejected(f"not a certificate: {where} is not an object")
    for name in names:
        if name not in data:
            raise Rejected(f"not a certificate: {where} lacks '{name}'")
    for name in data:
        if name not in names:
            raise Rejected(f"{where} holds {_shown(name)}, of which a certificate says nothing")


def _whole(value: Any, low: int, high: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and low <= value <= high


def _number(value: Any, name: str) -> float:
    """A finite float from a JSON number; a text, a truth value, an infinity or a number beyond floats is none."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Rejected(f"{name} = {_shown(value)} is not a number")
    try:
        number = float(value)
    except OverflowError:
        raise Rejected(f"{name} is beyond the range of floating point") from None
    if not math.isfinite(number):
        raise Rejected(f"{name} = {number} is not finite")
    return number


def _maybe(value: Any, name: str) -> float | None:
    return None if value is None else _number(value, name)


def _fractions(values: Any, length: int, name: str) -> Any:
    """A list of texts such as "-3/8" as an object array of fractions; the denominators are powers of two, as we write them."""
    if not isinstance(values, list) or len(values) != length:
        raise Rejected(f"not a certificate: {name} must be a list of {length} fractions")
    array = np.empty(length, dtype=object)
    for index, text in enumerate(values):
        found = _FRACTION.fullmatch(text) if isinstance(text, str) else None
        below = int(found[2] or 1) if found else 0
        if found is None or below == 0 or below & (below - 1):
            raise Rejected(f"not a certificate: {_shown(text)} in {name} is not a fraction such as '-3/8', over a power of two")
        array[index] = Fraction(int(found[1]), below)
    return array


def _strings(values: Any) -> Any:
    array = np.asarray(values, dtype=object)
    return [_strings(row) for row in array] if array.ndim > 1 else [str(value) for value in array]


def _shown(value: Any) -> str:
    """A value as it came, cut where it is long."""
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) >= 10**60:
        return "a number of many digits"
    if isinstance(value, list | dict):
        return "a list" if isinstance(value, list) else "an object"
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."

"""A certificate: what was claimed, the proof or the counterexample, and the exact check that makes it count.

`verify` needs numpy and the standard library alone. It takes the method, mu, L and the rate as the exact fractions that
their floats are, rebuilds the inequality from them, and looks at every pivot and every weight without rounding.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from ...core.method import Method, checked
from ...errors import BadInput
from .counterexample import Counterexample
from .dissipation import Proof, Sides, Terms, pairs, sides, terms, whole
from .exact import dyadic, exact, pivots

__all__ = ["Certificate", "Rejected", "failing", "from_json", "rounded", "verify"]

FORMAT = "inertia certificate 1"
VERDICTS = ("proved", "refuted", "open")


class Rejected(BadInput):
    """A certificate that does not prove what it says; the message names the inequality that fails."""


@dataclass(frozen=True)
class Certificate:
    """What is known about a method on all mu-strongly convex L-smooth functions, and why.

    proved: |xi_k - x*| <= constant rate^k |xi_0 - x*| from rest, in any dimension, re-checked exactly.
    refuted: `counterexample` is a function of the class on which the method never arrives.
    open: neither was found; nothing is claimed.
    """

    verdict: str
    method: Method
    mu: float
    L: float
    quadratic_rate: float  # attained on a quadratic of the class: no certificate can be below
    reason: str  # the verdict in one sentence
    rate: float | None = None  # contraction per step, where proved
    proof: Proof | None = None  # of Fractions, in units with L = 1
    counterexample: Counterexample | None = None
    checked: bool = False  # whether the exact check was done, here, on what is stored

    @property
    def kappa(self) -> float:
        """Condition number L/mu."""
        return self.L / self.mu

    @property
    def constant(self) -> float:
        """C in |xi_k - x*| <= C rate^k |xi_0 - x*| from rest (k >= 0): what the first steps may cost. Not the least one."""
        if self.proof is None or self.rate is None:
            return math.inf
        return _constant(self.method, self.mu, self.L, self.rate, self.proof)

    def to_json(self) -> dict[str, Any]:
        """The certificate as plain numbers; the fractions of the proof as strings, so that nothing is rounded."""
        counter = self.counterexample
        data: dict[str, Any] = {
            "format": FORMAT,
            "verdict": self.verdict,
            "rate": self.rate,
            "checked": self.checked,
            "counterexample": None if counter is None else _counter_json(counter),
            "method": {name: float(value) for name, value in self.method._asdict().items()},
            "mu": self.mu,
            "L": self.L,
            "quadratic_rate": self.quadratic_rate if math.isfinite(self.quadratic_rate) else None,
            "constant": self.constant if math.isfinite(self.constant) else None,
            "reason": self.reason,
            "proof": None,
        }
        if self.proof is not None:
            data["proof"] = {name: _strings(value) for name, value in self.proof._asdict().items()} | {"memory": self.proof.memory}
        return data

    def save(self, path: Any) -> None:
        """Write the certificate as a JSON file that `inertia verify` reads."""
        with open(path, "w", encoding="utf-8") as file:
            file.write(json.dumps(self.to_json(), indent=1) + "\n")


def rounded(proof: Proof, bits: int = 60) -> Proof:
    """The solver's floats as short fractions; weights that came out slightly negative become 0 (the check decides)."""
    clipped = (np.maximum(weights, 0.0) for weights in (proof.decrease, proof.positive))
    return Proof(dyadic(proof.P, bits), dyadic(proof.values, bits), *(dyadic(weights, bits) for weights in clipped))


def failing(method: Method, mu: float, L: float, rate: float, proof: Proof) -> str:
    """The first inequality of the proof that does not hold, in words; empty where all of them do. Exact.

    >>> failing(Method(1.0), 0.5, 1.0, 0.5, Proof(*(exact(np.zeros(s)) for s in [(3, 3), 1, 4, 1])))
    'P - weights: pivot 1 is 0, and must be > 0'
    """
    if not 0 < rate < 1:
        return f"rate = {rate} is not between 0 and 1"
    for name, weights in (("decrease", proof.decrease), ("positive", proof.positive)):
        for pair, weight in zip(pairs(proof.memory, past=name == "positive"), weights, strict=True):
            if weight < 0:
                return f"{name} weight of the inequality {_say(pair)} is {_short(weight)}, and must be >= 0"
    if any(proof.P[i, j] != proof.P[j, i] for i in range(len(proof.P)) for j in range(i)):
        return "P is not symmetric"
    if not _first(_whole_claims(method, mu, L, rate, proof)):
        return ""
    alpha, beta, gamma, low, high = exact([*method[:3], mu, L])  # once more in fractions, for the size of what fails
    return _first(sides(terms(alpha * high, beta, gamma, low / high, proof.memory), proof, Fraction(rate) ** 2))


def _first(claims: Sides) -> str:
    """The first claim that is false, with its size (matrices stand doubled in the claims)."""
    for name, values in (("decrease", claims.decrease_values), ("positive", claims.positive_values)):
        for j, value in enumerate(values):
            if value < 0:
                return f"{name}: the coefficient of q[k-{j + (name == 'positive')}] is {_short(value)}, and must be >= 0"
    for name, matrix in (("P - weights", claims.positive), ("rate^2 V - V_next - weights", claims.decrease)):
        found = pivots(matrix)
        if found[-1] <= 0:
            return f"{name}: pivot {len(found)} is {_short(found[-1] / 2)}, and must be > 0"
    return ""


def _whole_claims(method: Method, mu: float, L: float, rate: float, proof: Proof) -> Sides:
    """The claims times a positive scale that makes every number whole: same signs, no fractions to reduce."""
    alpha, beta, gamma, low, high = exact([*method[:3], mu, L])
    rows = terms(alpha * high, beta, gamma, low / high, proof.memory)
    used = whole(np.concatenate([rows.now, rows.then, rows.s, rows.w]))
    now, then, s, w = np.split(used, np.cumsum([len(rows.now), len(rows.then), len(rows.s)]))
    parts = whole(np.concatenate([part.ravel() for part in proof]))
    cuts = np.split(parts, np.cumsum([part.size for part in proof])[:-1])
    P, values, decrease, positive = (cut.reshape(part.shape) for cut, part in zip(cuts, proof, strict=True))
    square = Fraction(rate) ** 2
    return sides(Terms(now, then, s, w, rows.xi, rows.point), Proof(P, values, decrease, positive), square.numerator, square.denominator)


def verify(data: Certificate | Mapping[str, Any]) -> str:
    """Check a certificate (or its JSON) from nothing but its numbers; returns what was confirmed, in one sentence.

    Raises:
        Rejected: it is not a certificate, claims nothing, or an inequality of it fails (which one is said).
    """
    certificate = from_json(data) if isinstance(data, Mapping) else data
    method, mu, L, rate = certificate.method, certificate.mu, certificate.L, certificate.rate
    if certificate.verdict == "proved" and certificate.proof is not None and rate is not None:
        problem = failing(method, mu, L, rate, certificate.proof)
        if problem:
            raise Rejected(f"certificate rejected: {problem}")
        return (
            f"proved: rate {rate!r} per step on every function with mu = {mu!r}, L = {L!r}, checked exactly "
            f"(memory {certificate.proof.memory}, every pivot positive)"
        )
    counter = certificate.counterexample
    if certificate.verdict == "refuted" and counter is not None:
        if (counter.method, counter.mu, counter.L) != (method, mu, L):
            raise Rejected("certificate rejected: the counterexample speaks of another method or class")
        problem = counter.check()
        if problem:
            raise Rejected(f"certificate rejected: {problem}")
        return f"refuted: on a {counter.kind} function with mu = {mu!r}, L = {L!r} the method never arrives, checked exactly"
    if certificate.verdict == "open":
        raise Rejected("certificate rejected: its verdict is 'open', it claims nothing that could be checked")
    raise Rejected(f"certificate rejected: verdict '{certificate.verdict}' comes without its proof or counterexample")


def from_json(data: Mapping[str, Any]) -> Certificate:
    """The certificate that `to_json` wrote. `checked` is False until `verify` has looked at it here.

    Raises:
        Rejected: a field is missing or is not what it should be.
    """
    if data.get("format") != FORMAT:
        raise Rejected(f"not a certificate: format is {data.get('format')!r}, and must be '{FORMAT}'")
    try:
        if data["verdict"] not in VERDICTS:
            raise Rejected(f"not a certificate: verdict {data['verdict']!r} is none of {', '.join(VERDICTS)}")
        method = checked(Method(**{name: float(value) for name, value in data["method"].items()}))
        mu, L = float(data["mu"]), float(data["L"])
        if not 0 < mu <= L < math.inf:
            raise Rejected(f"not a certificate: mu = {mu:g}, L = {L:g} do not satisfy 0 < mu <= L")
        stored, counter = data["proof"], data["counterexample"]
        proof = None if stored is None else Proof(*(_fractions(stored[name]) for name in Proof._fields))
        if proof is not None:
            _right_shapes(proof)
        return Certificate(
            data["verdict"],
            method,
            mu,
            L,
            math.inf if data["quadratic_rate"] is None else float(data["quadratic_rate"]),
            str(data["reason"]),
            None if data["rate"] is None else float(data["rate"]),
            proof,
            None if counter is None else _counter_read(counter, method, mu, L),
        )
    except (KeyError, TypeError, ValueError, ZeroDivisionError, AttributeError) as error:
        if isinstance(error, BadInput):
            raise
        raise Rejected(f"not a certificate: {type(error).__name__} at {error}") from error


def _right_shapes(proof: Proof) -> None:
    N = proof.values.size
    want = {"P": (N + 2, N + 2), "values": (N,), "decrease": (len(pairs(N)),), "positive": (len(pairs(N, past=True)),)}
    for name, shape in want.items():
        if N < 1 or getattr(proof, name).shape != shape:
            raise Rejected(f"not a certificate: '{name}' has shape {getattr(proof, name).shape}, and must have {shape}")


def _counter_json(counter: Counterexample) -> dict[str, Any]:
    data: dict[str, Any] = {"kind": counter.kind, "curvature": counter.curvature, "pieces": list(counter.pieces)}
    data["turns"] = None if counter.turns is None else list(counter.turns)
    return data | {"cycle": counter.cycle().tolist() if counter.kind != "quadratic" else None}


def _counter_read(data: Mapping[str, Any], method: Method, mu: float, L: float) -> Counterexample:
    if data["kind"] not in ("quadratic", "lessard-recht-packard", "roots-of-unity"):
        raise Rejected(f"not a certificate: unknown kind of counterexample {data['kind']!r}")
    pieces = tuple(int(piece) for piece in data["pieces"])
    if any(piece not in (0, 1, 2) for piece in pieces):
        raise Rejected("not a certificate: pieces of the counterexample must be 0, 1 or 2")
    curvature = None if data["curvature"] is None else float(data["curvature"])
    turns = None if data["turns"] is None else (int(data["turns"][0]), int(data["turns"][1]))
    return Counterexample(data["kind"], method, mu, L, curvature, pieces, turns)


def _constant(method: Method, mu: float, L: float, rate: float, proof: Proof) -> float:
    """sqrt(V_N / c) from rest, V_N bounded by |s| <= D |y| and q <= D^2 |y|^2/4."""
    D = 1 - mu / L
    alpha, beta, gamma, _ = method
    a, m, memory = alpha * L, mu / L, proof.memory
    size = [1.0, 1.0]  # bounds on |xi_{-1}|, |xi_0|, |xi_1|, ... in units of |xi_0 - x*|
    slopes, bumps = [], []
    for _ in range(memory):
        point = abs(1 + gamma) * size[-1] + abs(gamma) * size[-2]
        slopes.append(D * point)
        bumps.append(D * D * point * point / 4)
        size.append(abs(1 + beta) * size[-1] + abs(beta) * size[-2] + a * point)
    matrix = np.abs(np.array(proof.P, dtype=float))
    weights = sides(terms(a, beta, gamma, m, memory), Proof(*(np.array(part, dtype=float) for part in proof)), rate**2)
    state = np.array([size[1], size[0], *slopes])
    above = state @ matrix @ state + np.abs(np.array(proof.values, dtype=float)) @ np.array(bumps[::-1])
    # V_k >= |xi_{k-N}|^2 / (inverse of the positive side)_00 whatever the rest of the state is, and V_k <= rate^(2(k-N)) V_N
    below = np.linalg.solve(weights.positive, np.eye(len(state))[0])[0]
    return max(math.sqrt(above * below), 1.0) if below > 0 else math.inf  # a false proof promises nothing


def _strings(values: Any) -> Any:
    array = np.asarray(values, dtype=object)
    return [_strings(row) for row in array] if array.ndim > 1 else [str(value) for value in array]


def _fractions(values: Any) -> Any:
    rows = [[Fraction(value) for value in row] for row in values] if values and isinstance(values[0], list) else None
    flat = [Fraction(value) for value in values] if rows is None else [value for row in rows for value in row]
    array = np.empty(len(flat), dtype=object)
    array[:] = flat
    return array if rows is None else array.reshape(len(rows), -1)


def _short(value: Any) -> str:
    return f"{float(Fraction(value)):.3g}" if abs(value) < 10**300 else f"about {'-' * (value < 0)}10^{len(str(abs(value) // 1)) - 1}"


def _say(pair: tuple[int, int | None]) -> str:
    i, j = pair
    return f"between y[k-{i}] and " + ("the minimiser" if j is None else f"y[k-{j}]")

"""A certificate: what was claimed, the proof or the counterexample, and the exact check that makes it count.

`verify` needs numpy and the standard library alone. It takes the method, mu, L, the rate and the constant as the exact
fractions that their floats are, rebuilds every inequality from them, and looks at every pivot and every weight without rounding.
"""

from __future__ import annotations

import functools
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from ...core.method import Method
from .constant import Bound, unbounded
from .counterexample import WHY, Counterexample
from .dissipation import Proof, Sides, Terms, pairs, sides, terms, whole
from .exact import dyadic, exact, pivots
from .frequency import quadratic_rate
from .stored import FORMAT, LONGEST_MEMORY, Rejected, Stored, bound_json, counter_json, proof_json, read

__all__ = ["LONGEST_MEMORY", "Certificate", "Rejected", "failing", "from_json", "rounded", "verify"]

_MOST_BITS = 4800  # of a number, times one more than the memory: what is multiplied exactly within seconds


@dataclass(frozen=True)
class Certificate:
    """What is known about a method on all mu-strongly convex L-smooth functions, and why.

    proved: |xi_k - x*| <= constant rate^k |xi_0 - x*| from rest (xi_{-1} = xi_0), in any dimension, re-checked exactly.
    refuted: `counterexample` is a function of the class on which the method never arrives.
    open: neither was found; nothing is claimed.
    """

    verdict: str
    method: Method
    mu: float
    L: float
    rate: float | None = None  # contraction per step, where proved
    proof: Proof | None = None  # of Fractions, in units with L = 1
    counterexample: Counterexample | None = None
    checked: bool = False  # whether the exact check was done, here, on what is stored
    tried: int = 3  # the longest memory that was tried
    known: Bound | None = None  # the constant and its proof, where a file brought them

    @property
    def kappa(self) -> float:
        """Condition number L/mu."""
        return self.L / self.mu

    @property
    def quadratic_rate(self) -> float:
        """Rate attained on a quadratic of the class: no certificate can be below."""
        return float(quadratic_rate(self.method, self.mu, self.L))

    @property
    def reason(self) -> str:
        """The verdict in one sentence."""
        if self.proof is not None and self.rate is not None:
            return (
                f"a Lyapunov function with memory {self.proof.memory} contracts by {self.rate:.6g} per step on every function of the class"
            )
        if self.counterexample is not None:
            return WHY[self.counterexample.kind]
        return f"no Lyapunov function with memory up to {self.tried} was found, and no counterexample: nothing is claimed"

    @functools.cached_property
    def bound(self) -> Bound | None:
        """The constant with its exactly checked proof, searched when first asked for; None where nothing is proved.

        Raises:
            MissingExtra: it was not stored, and clarabel is not installed to find it.
        """
        if self.known is not None or self.verdict != "proved" or self.rate is None:
            return self.known
        from .bounding import bounded

        return bounded(self.method, self.mu, self.L, self.rate)

    @property
    def constant(self) -> float:
        """C in |xi_k - x*| <= C rate^k |xi_0 - x*| from rest (k >= 0): what the first steps may cost, proved like the rate.

        Infinite where no constant is proved. Near the least one: within a few per cent where a quadratic is the worst function
        of the class. Other functions may need several times what quadratics need.

        Raises:
            MissingExtra: as `bound`.
        """
        return math.inf if self.bound is None else self.bound.constant

    def to_json(self) -> dict[str, Any]:
        """The certificate as plain numbers; the fractions of the proofs as strings, so that nothing is rounded.

        delta is no part of it: the claim is about the iterates xi.
        """
        attained, bound, counter = self.quadratic_rate, self.bound, self.counterexample
        return {
            "format": FORMAT,
            "verdict": self.verdict,
            "rate": self.rate,
            "constant": None if bound is None else bound.constant,
            "checked": self.checked,
            "counterexample": None if counter is None else counter_json(counter),
            "method": {name: float(getattr(self.method, name)) for name in Method._fields[:3]},
            "mu": self.mu,
            "L": self.L,
            "quadratic_rate": attained if math.isfinite(attained) else None,
            "reason": self.reason,
            "proof": None if self.proof is None else proof_json(self.proof),
            "bound": None if bound is None else bound_json(bound),
        }

    def save(self, path: Any) -> None:
        """Write the certificate as a JSON file that `inertia verify` reads.

        Args:
            path: name of the file; one that exists is replaced.
        """
        text = json.dumps(self.to_json(), indent=1, allow_nan=False) + "\n"
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)


def rounded(proof: Proof, bits: int = 60) -> Proof:
    """The solver's floats as short fractions; weights that came out slightly negative become 0 (the check decides).

    Args:
        proof: parts of a proof as floats.
        bits: each number becomes a whole multiple of 2^-bits (default 60).
    """
    clipped = (np.maximum(weights, 0.0) for weights in (proof.decrease, proof.positive))
    return Proof(dyadic(proof.P, bits), dyadic(proof.values, bits), *(dyadic(weights, bits) for weights in clipped))


def failing(method: Method, mu: float, L: float, rate: float, proof: Proof) -> str:
    """The first inequality of the proof that does not hold, in words; empty where all of them do. Exact.

    Args:
        method: alpha, beta, gamma and delta as numbers.
        mu, L: smallest and largest curvature, 0 < mu <= L, in one unit.
        rate: the rate per step that is claimed, in (0, 1).
        proof: the Lyapunov function and the weights of the inequalities, as fractions.

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

    Of a JSON certificate every number is checked: the rate and the constant by exact proofs, the rate on quadratics, the cycle
    and the reason by computing them anew.

    Args:
        data: a `Certificate`, or the mapping that its `to_json` gave.

    Raises:
        Rejected: it is not a certificate, claims nothing, or a claim of it fails (which one is said).
    """
    if not isinstance(data, Mapping):
        return _confirmed(data)
    said = read(data)
    made = _made(said)
    words = _confirmed(made)
    attained = made.quadratic_rate if math.isfinite(made.quadratic_rate) else None
    if said.quadratic_rate != attained and not math.isclose(said.quadratic_rate or 0.0, attained or 0.0, rel_tol=1e-12):
        raise Rejected(f"quadratic_rate = {said.quadratic_rate} is not that of this method, {attained}")
    if said.reason != made.reason:
        raise Rejected(f"its reason is not what its numbers say: {made.reason}")
    if said.cycle is not None and said.counterexample is not None:
        with np.errstate(all="ignore"):
            cycle = said.counterexample.cycle()
        if not np.allclose(said.cycle, cycle, rtol=1e-9, atol=1e-12 * float(np.abs(cycle).max())):
            raise Rejected("the points of its cycle are not those of the counterexample")
    return words


def _confirmed(certificate: Certificate) -> str:
    """The claim of a certificate in one sentence, once its exact check has passed."""
    verdict, method, mu, L, rate = certificate.verdict, certificate.method, certificate.mu, certificate.L, certificate.rate
    counter, proof = certificate.counterexample, certificate.proof
    if verdict == "open":
        raise Rejected("its verdict is 'open', it claims nothing that could be checked")
    if counter is None if verdict == "refuted" else proof is None or rate is None:
        raise Rejected(f"verdict '{verdict}' comes without its proof or counterexample")
    if verdict == "proved" and proof is not None and rate is not None and counter is None:
        size = max(max(value.denominator, abs(value.numerator)).bit_length() for value in _units(certificate))
        longest = max(proof.memory, 0 if certificate.known is None else certificate.known.lyapunov.memory)
        if size * (longest + 1) > _MOST_BITS:
            raise Rejected(f"its numbers are too far apart to be checked with memory {longest}: alpha, beta, gamma, mu or L is extreme")
        problem = failing(method, mu, L, rate, proof)
        if problem:
            raise Rejected(problem)
        return (
            f"proved: rate {rate!r} per step{_constant(certificate, rate)} on every function with mu = {mu!r}, L = {L!r}, checked exactly "
            f"(memory {proof.memory}, every pivot positive)"
        )
    if counter is None or proof is not None or rate is not None or certificate.known is not None:
        raise Rejected(f"verdict '{verdict}' comes with what belongs to another verdict")
    if (counter.method[:3], counter.mu, counter.L) != (method[:3], mu, L):
        raise Rejected("the counterexample speaks of another method or class")
    problem = counter.check()
    if problem:
        raise Rejected(problem)
    return f"refuted: on a {counter.kind} function with mu = {mu!r}, L = {L!r} the method never arrives, checked exactly"


def _constant(certificate: Certificate, rate: float) -> str:
    """The constant in words once its own proof has passed; nothing where the certificate names none."""
    if certificate.known is None:
        return ""
    problem = unbounded(_units(certificate), Fraction(rate), certificate.known)
    if problem:
        raise Rejected(f"constant = {certificate.known.constant!r} is not proved: {problem}")
    return f" and constant {certificate.known.constant!r} from rest"


def _units(certificate: Certificate) -> tuple[Fraction, Fraction, Fraction, Fraction]:
    """alpha L, beta, gamma and mu/L as the fractions they are."""
    alpha, beta, gamma, low, high = exact([*certificate.method[:3], certificate.mu, certificate.L])
    return alpha * high, beta, gamma, low / high


def from_json(data: Mapping[str, Any]) -> Certificate:
    """The certificate that `to_json` wrote. `checked` is False until `verify` has looked at it here.

    What follows from the other numbers (the rate on quadratics, the reason, the cycle) is computed, not taken from the file.

    Args:
        data: the mapping that `to_json` gave, as read from its file.

    Raises:
        Rejected: a field is missing, unknown, or not what it should be.
    """
    return _made(read(data))


def _made(said: Stored) -> Certificate:
    counter, known = said.counterexample, said.bound
    return Certificate(said.verdict, said.method, said.mu, said.L, said.rate, said.proof, counter, tried=_tried(said), known=known)


def _tried(said: Stored) -> int:
    """The memory that the reason of an open certificate names."""
    words = said.reason.split()
    number = words[words.index("to") + 1] if said.verdict == "open" and "to" in words[:-1] else ""
    return int(number) if number.isascii() and number.isdecimal() and len(number) < 4 else 3


def _short(value: Any) -> str:
    """A fraction in few digits; one beyond floats by its power of ten, found from its length, as texts of long integers are refused."""
    if abs(value) < 10**300:
        return f"{float(Fraction(value)):.3g}"
    whole_part = abs(value).__floor__()
    power = int((whole_part.bit_length() - 1) * math.log10(2))
    return f"about {'-' * (value < 0)}10^{power + (whole_part >= 10 ** (power + 1))}"


def _say(pair: tuple[int, int | None]) -> str:
    i, j = pair
    return f"between y[k-{i}] and " + ("the minimiser" if j is None else f"y[k-{j}]")

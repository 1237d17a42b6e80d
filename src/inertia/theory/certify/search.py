"""Search a proof, check it exactly, and where there is none look for a function that shows why.

The frequency response says where the least provable rate lies, the solver offers a Lyapunov function just above it, the
offer is rounded to fractions and must pass `certificate.failing` before its rate is reported.
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import NamedTuple

from ...core.method import Method, checked
from ...errors import BadInput, MissingExtra
from .certificate import LONGEST_MEMORY, Certificate, failing, rounded
from .counterexample import find
from .dissipation import Proof, lifted
from .frequency import quadratic_rate, sector_rate
from .solver import Program, Suggestion

__all__ = ["Found", "certify", "in_class", "prove"]

_STEPS_ABOVE = (1e-6, 1e-5, 3e-5, 1e-4, 1e-3, 1e-2)  # of 1 - rate: how far above the least rate a proof is looked for
_BITS = 60  # of the fractions of a proof
_MEMORY = 3
_GAIN = 1e-3  # of 1 - rate: what longer memory must win to be worth its size
_TRIES, _CLOSE = 24, 2e-5  # of the search with longer memory: solver calls, and how near (of 1 - rate) is near enough


class Found(NamedTuple):
    """A rate and its exactly checked proof."""

    rate: float
    proof: Proof


def in_class(mu: float, L: float) -> tuple[float, float]:
    """mu and L as floats, or why there is no such class of functions.

    Args:
        mu, L: least and largest curvature of the class, 0 < mu <= L.

    Raises:
        BadInput: not finite, mu <= 0 or mu > L.

    >>> in_class(1, 25)
    (1.0, 25.0)
    """
    low, high = float(mu), float(L)
    if not (math.isfinite(low) and math.isfinite(high)):
        raise BadInput(f"mu = {mu}, L = {L}: both must be finite numbers")
    if low <= 0:
        raise BadInput(
            f"mu = {low:g} is not positive: without strong convexity no linear rate holds for all functions. "
            "Use mu > 0, or the guarantees of `theory.certify.convex` for mu = 0"
        )
    if low > high:
        raise BadInput(f"mu = {low:g} is larger than L = {high:g}: mu is the smallest curvature and L the largest; swap them?")
    return low, high


def certify(method: Method, mu: float, L: float, memory: int = _MEMORY) -> Certificate:
    """What is known about a method on every mu-strongly convex, L-smooth function: proved, refuted or open.

    The smallest rate that a Lyapunov function with at most `memory` past gradients proves (memory 1 first, more where it
    wins), re-checked in exact rational arithmetic; where there is none, a counterexample, checked exactly as well.
    (Lessard, Recht and Packard 2016; Taylor, Van Scoy and Lessard 2018; Goujaud, Taylor and Dieuleveut 2023.)

    Args:
        method: alpha, beta, gamma and delta as numbers.
        mu: strong convexity, > 0.
        L: smoothness: the gradient is L-Lipschitz; at least mu.
        memory: most past gradients in the Lyapunov function, 1 to 8 (default 3).

    Raises:
        BadInput: a method that cannot be run, mu <= 0, mu > L, or memory outside 1..8.
        MissingExtra: clarabel is not installed and no counterexample settles the question without it.

    >>> from inertia.theory.certify.search import certify
    >>> certify(Method(1 / 9, beta=4 / 9), mu=1.0, L=25.0).verdict
    'refuted'
    """
    method = checked(method)
    mu, L = in_class(mu, L)
    if memory < 1:
        raise BadInput(f"memory = {memory} is too small: a Lyapunov function sees at least 1 past gradient")
    if memory > LONGEST_MEMORY:
        raise BadInput(f"memory = {memory} is too large: no more than {LONGEST_MEMORY} past gradients are tried; 3 is usual")
    floor = float(quadratic_rate(method, mu, L))
    missing: MissingExtra | None = None
    found: Found | None = None
    if floor < 1:
        try:
            found = prove(method, mu, L, memory)
        except MissingExtra as error:
            missing = error
    if found is not None:
        return Certificate("proved", method, mu, L, found.rate, found.proof, checked=True)
    counter = find(method, mu, L)
    if counter is not None:
        return Certificate("refuted", method, mu, L, counterexample=counter, checked=True)
    if missing is not None:
        raise missing
    return Certificate("open", method, mu, L, tried=memory)


def prove(method: Method, mu: float, L: float, memory: int = _MEMORY) -> Found | None:
    """The smallest rate with an exactly checked proof, or None: memory 1 first, then `memory` where it wins something.

    Args:
        method: alpha, beta and gamma.
        mu, L: least and largest curvature of the class, 0 < mu <= L.
        memory: how many steps back the longer proof reaches.
    """
    floor = float(quadratic_rate(method, mu, L))
    guess = float(sector_rate(method, mu, L))
    short = None if guess >= 1 else near(method, mu, L, guess)
    if memory == 1 or (short is not None and short.rate - floor <= _GAIN * (1 - short.rate)):
        return short
    long = lengthened(method, mu, L, memory, floor, short)
    if long is None and memory > _MEMORY:  # the larger program is harder to solve: what a shorter memory proves, a longer one could
        long = lengthened(method, mu, L, _MEMORY, floor, short)
    return long or short


def near(method: Method, mu: float, L: float, guess: float) -> Found | None:
    """An exactly checked proof with memory 1 just above the rate `guess`, or None.

    Args:
        method: alpha, beta and gamma.
        mu, L: least and largest curvature of the class, 0 < mu <= L.
        guess: a rate below 1, as a search in floats gives it.
    """
    program = Program(method.alpha * L, method.beta, method.gamma, mu / L)
    for above in _STEPS_ABOVE:
        found = attempt(program, method, mu, L, guess + above * (1 - guess))
        if found is not None:
            return found
    return None


def attempt(program: Program, method: Method, mu: float, L: float, rate: float) -> Found | None:
    """One call of the solver and one exact check.

    Args:
        program: the semidefinite program of one memory.
        method: alpha, beta and gamma.
        mu, L: least and largest curvature of the class, 0 < mu <= L.
        rate: the rate to prove.
    """
    offer = program.solve(rate)
    if offer is None:
        return None
    return _passed(method, mu, L, rate, offer)


def lengthened(method: Method, mu: float, L: float, memory: int, floor: float, short: Found | None) -> Found | None:
    """The smallest rate that a longer memory proves, None where it wins too little: regula falsi on the solver's margin.

    Args:
        method: alpha, beta and gamma.
        mu, L: least and largest curvature of the class, 0 < mu <= L.
        memory: how many steps back the proof reaches.
        floor: a rate that no proof can be below.
        short: what memory 1 proves.
    """
    program = Program(method.alpha * L, method.beta, method.gamma, mu / L, memory)
    high = 1 - 1e-4 * (1 - floor) if short is None else short.rate - _GAIN * (1 - short.rate)
    offer = program.solve(high)
    if offer is None or offer.margin <= 0:
        return None
    best = _passed(method, mu, L, high, offer)
    low, below, above = floor, -offer.margin, offer.margin
    for _ in range(_TRIES):
        if high - low <= _CLOSE * (1 - high):
            break
        share = min(max(above / (above - below), 0.05), 0.95)
        middle = high - share * (high - low)
        offer = program.solve(middle)
        if offer is not None and offer.margin > 0:
            best = _passed(method, mu, L, middle, offer) or best
            high, above, below = middle, offer.margin, below / 2  # halving the other end keeps both ends moving (Illinois)
        else:
            low, below, above = middle, -above if offer is None else offer.margin, above / 2
    return best


def _passed(method: Method, mu: float, L: float, rate: float, offer: Suggestion) -> Found | None:
    """The offer as an exactly checked proof, or None where it fails the check."""
    proof = lifted(rounded(offer.proof, _BITS), Fraction(rate) ** 2, _BITS)
    return Found(rate, proof) if not failing(method, mu, L, rate, proof) else None

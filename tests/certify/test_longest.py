"""The files that take longest to verify: proofs with the longest memory and numbers of as many bits as are checked."""

import time
from fractions import Fraction

import numpy as np
import pytest

from inertia.core.method import Method
from inertia.theory.certify import certificate as certificates
from inertia.theory.certify.certificate import LONGEST_MEMORY, Certificate, Rejected, _short, rounded, verify
from inertia.theory.certify.constant import Bound
from inertia.theory.certify.dissipation import Proof, pairs, terms
from inertia.theory.certify.exact import dyadic
from inertia.theory.certify.solver import Program

KNOWN = 3  # memory of the proof that is lengthened
RATE = 0.97


def lengthened(proof, memory):
    """The same proof with a longer memory: the state before it, and a little of every older gradient, less the older it is.

    V + sum_j e_j |s_{k-j}|^2 with e_{j+1} < rate^2 e_j still decreases, as the decrease of V has room for the first of them.
    """
    rows = terms(1.0, 0.5, 0.0, 0.1, memory)
    state = np.stack([rows.xi[KNOWN + 1], rows.xi[KNOWN + 2], *(rows.s[j] for j in range(KNOWN, 0, -1))])[:, : memory + 2]
    form = state.T @ proof.P.astype(float) @ state
    for age in range(memory - KNOWN):
        form[2 + age, 2 + age] += 2.0 ** (age - 16)
    values = np.full(memory, Fraction(0))
    values[:KNOWN] = proof.values
    weights = []
    for past, known in ((False, proof.decrease), (True, proof.positive)):
        held = dict(zip(pairs(KNOWN, past=past), known, strict=True))
        weights.append(np.array([held.get(pair, Fraction(0)) for pair in pairs(memory, past=past)], dtype=object))
    return Proof(dyadic((form + form.T) / 2, 60), values, *weights)


def times(proof, factor):
    """A proof times a positive number proves the same."""
    return Proof(*(part * factor for part in proof))


def heaviest(weight):
    """A constant that nobody needs, for which weights that grow with age suffice: its proof costs what any other does."""

    def late(steps, scale=1):
        return np.array([Fraction(256 ** (i + 1) * scale * (10**9 + 7)) if j is None else Fraction(0) for i, j in pairs(steps - 1)])

    return Bound(1e60, 0.0, times(weight, Fraction((10**15 + 7) * 2**15)), late(LONGEST_MEMORY, 2**90), tuple(map(late, range(1, 8))))


@pytest.fixture(scope="module")
def longest():
    """A method whose look-ahead is 1e-143, which no proof feels and every exact product carries along: 533 bits."""
    short = rounded(Program(1.0, 0.5, 0.0, 0.1, KNOWN).solve(RATE).proof)
    long = lengthened(short, LONGEST_MEMORY)
    method = Method(1 / 0.3, 0.5000000000001, 1.2345678e-143)
    made = Certificate("proved", method, 0.03, 0.3, RATE, times(long, Fraction(10**19 + 51, 2**60)), known=heaviest(long))
    return made.to_json()


def seconds(call):
    start = time.process_time()
    call()
    return time.process_time() - start


def test_the_longest_check_takes_less_than_five_seconds(longest):
    """In units of a product of whole numbers of half a million bits, of which a processor that needs 2 s for the check makes 250 in 5 s."""
    number = 3**330_000
    product = min(seconds(lambda: [number * number for _ in range(10)]) for _ in range(3)) / 10
    assert verify(longest).startswith("proved: rate 0.97 per step and constant 1e+60 from rest")
    assert seconds(lambda: verify(longest)) < 250 * product


def test_one_bit_more_than_the_longest_is_rejected_at_once(longest, monkeypatch):
    monkeypatch.setattr(certificates, "failing", lambda *_: pytest.fail("it was multiplied out"))
    for field, value in (("gamma", 1e-190), ("beta", 5e-324), ("alpha", 1e-250)):
        data = longest | {"method": longest["method"] | {field: value}}
        with pytest.raises(Rejected, match="too far apart to be checked with memory 8"):
            verify(data)


def test_what_fails_is_told_however_long_its_fraction_is(longest):
    """The pivots of a false proof have thousands of digits; Python refuses to write whole numbers of more than 4300."""
    bits = certificates._MOST_BITS
    for rate in (0.5, 0.9, 0.95):
        with pytest.raises(Rejected, match=r"rejected: .*(pivot|coefficient|inequality)"):
            verify(longest | {"rate": rate})
    negative = {part: ["-" + "9" * 80] * len(longest["proof"][part]) for part in ("decrease", "positive")}
    with pytest.raises(Rejected, match="weight of the inequality"):
        verify(longest | {"proof": longest["proof"] | negative})
    huge = {"P": [["9" * 80 if i == j else "-" + "9" * 80 for j in range(10)] for i in range(10)]}
    with pytest.raises(Rejected, match=r"rejected: .*(pivot \d+ is|coefficient)"):
        verify(longest | {"proof": longest["proof"] | huge})
    assert _short(Fraction(-(7**bits), 3)) == "about -10^4055"  # 4800 log10(7) - log10(3) = 4055.99
    assert _short(-(Fraction(10) ** 20_000)) == "about -10^20000"
    assert _short(Fraction(10) ** 20_000 - 1) == "about 10^19999"
    assert (_short(Fraction(1, 8)), _short(0)) == ("0.125", "0")

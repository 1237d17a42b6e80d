"""The constant of a proof: right on every function, near the least one, and checked exactly with everything else in a file."""

import copy
import json
import random
import re
import time
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from PEPit import PEP
from PEPit.functions import SmoothStronglyConvexFunction

from inertia.core.method import Method
from inertia.theory import catalog
from inertia.theory.certify.certificate import Rejected, from_json, verify
from inertia.theory.certify.dissipation import Proof, lifted, pairs, sides, terms
from inertia.theory.certify.exact import dyadic
from inertia.theory.certify.search import certify

# Where the class is nearly one quadratic, or a quadratic is its worst function: (method, mu, L).
QUADRATIC = [
    (Method(1.8, beta=0.85), 1.0, 1.0),
    (Method(1.5, beta=0.5), 1.0, 1.05),
    (Method(1.0, beta=0.7), 1.0, 1.2),
    (Method(0.5, beta=0.2), 1.0, 1.0),
    (Method(0.25, beta=0.25), 1.0, 1.0),  # a double root: k rate^k
    (Method(1.0), 1.0, 1.0),  # one step
    (Method(1.2, beta=0.3), 1.0, 1.0001),
    (Method(0.1, beta=0.5, gamma=10.0), 0.1, 1.0),
    (Method(0.5, beta=0.2, gamma=-1.0), 0.1, 1.0),
    (catalog.gradient_descent(0.1, 1.0), 0.1, 1.0),
    (catalog.gradient_descent(1.0, 1e4), 1.0, 1e4),
]
# Where other functions need more than quadratics: PEPit's exact worst case says how much. The docs list the figures.
CURVED = {"Nesterov": catalog.nesterov, "triple momentum": catalog.triple_momentum, "heavy ball": catalog.heavy_ball}
DOCS = Path(__file__).parents[2] / "docs" / "theory" / "certify.md"


def needed(method, mu, L, rate, count=10_000, steps=400):
    """Largest |xi_k|/rate^k over quadratics h x^2/2 with h in [mu, L], by running them: the least constant that holds there."""
    h = np.linspace(mu, L, count)
    x, before, worst, unit = np.ones(count), np.ones(count), 1.0, 1.0
    for _ in range(steps):
        y = (1 + method.gamma) * x - method.gamma * before
        x, before = (1 + method.beta) * x - method.beta * before - method.alpha * h * y, x
        unit *= rate
        if unit < 1e-290:
            break
        worst = max(worst, float(np.abs(x).max()) / unit)
    return worst


def pepit(method, mu, L, steps):
    """Largest |xi_n - x*| / |xi_0 - x*| from rest after `steps` steps, over the whole class."""
    problem = PEP()
    function = problem.declare_function(SmoothStronglyConvexFunction, mu=mu, L=L)
    optimum = function.stationary_point()
    now = before = problem.set_initial_point()
    problem.set_initial_condition((now - optimum) ** 2 <= 1)
    for _ in range(steps):
        point = (1 + method.gamma) * now - method.gamma * before
        now, before = (1 + method.beta) * now - method.beta * before - method.alpha * function.gradient(point), now
    problem.set_performance_metric((now - optimum) ** 2)
    return max(problem.solve(verbose=0), 0.0) ** 0.5


@pytest.mark.parametrize(("method", "mu", "L"), QUADRATIC)
def test_the_constant_holds_on_quadratics_and_is_not_loose(method, mu, L):
    proof = certify(method, mu, L)
    least = needed(method, mu, L, proof.rate, steps=6000 if proof.rate > 0.999 else 1500)
    assert proof.verdict == "proved"
    assert least <= proof.constant * (1 + 1e-9)
    assert proof.constant <= 1.5 * least


@pytest.mark.parametrize("memory", [1, 3, 5])
@pytest.mark.parametrize("bits", [24, 60])
def test_weights_are_lifted_until_no_coefficient_is_below_zero_and_no_further(memory, bits):
    """What rounding leaves just below 0, on whatever processor, is mended exactly; the matrices are not asked."""
    draw = np.random.default_rng([memory, bits])
    square, unit = Fraction(0.9) ** 2, Fraction(1, 2**bits)
    shapes = [(memory + 2, memory + 2), memory, len(pairs(memory)), len(pairs(memory, past=True))]
    proof = Proof(*(dyadic(sign * draw.random(shape), bits) for sign, shape in zip((1, -3, 0.2, 0.2), shapes, strict=True)))
    rows = terms(*map(Fraction, (1, 0.5, 0.25, 0.125)), memory)
    before, lift = sides(rows, proof, square), lifted(proof, square, bits)
    after = sides(rows, lift, square)
    for name in ("decrease", "positive"):
        old, new = getattr(before, f"{name}_values"), getattr(after, f"{name}_values")
        assert any(value < 0 for value in old)  # else nothing is tried
        assert all((was == now) if was >= 0 else (0 <= now < unit) for was, now in zip(old, new, strict=True))
        moved = getattr(lift, name) - getattr(proof, name)
        assert all(pair[1] is None for pair, by in zip(pairs(memory, past=name == "positive"), moved, strict=True) if by != 0)
        assert all((by / unit).denominator == 1 for by in moved)
    assert lift.P is proof.P
    assert lift.values is proof.values


@pytest.mark.slow
@pytest.mark.parametrize("name", CURVED)
def test_the_constant_is_near_what_the_worst_function_of_the_class_needs(name):
    method = CURVED[name](0.1, 1.0)
    proof = certify(method, 0.1, 1.0)
    least = max(pepit(method, 0.1, 1.0, steps) / proof.rate**steps for steps in (2, 6, 9))
    assert least <= proof.constant * (1 + 1e-3)  # PEPit's solver is good to about 1e-4 of the square
    assert proof.constant <= 1.25 * least
    quadratics = needed(method, 0.1, 1.0, proof.rate)
    assert quadratics < least  # quadratics need less: no constant near theirs would be right
    listed = re.search(rf"^\| {name} \|(.*)\|$", DOCS.read_text(encoding="utf-8"), re.MULTILINE)[1].split("|")
    np.testing.assert_allclose([float(cell) for cell in listed], [proof.constant, least, quadratics], atol=0.011)


def test_random_methods_keep_their_constant_on_functions_that_are_not_quadratic():
    rng = np.random.default_rng(5)
    for _ in range(6):
        method = Method(rng.uniform(0.2, 1.6), rng.uniform(-0.2, 0.8), rng.uniform(-0.2, 0.8))
        mu = float(rng.uniform(0.2, 0.9))
        proof = certify(method, mu, 1.0, memory=1)
        if proof.verdict != "proved":
            continue
        assert needed(method, mu, 1.0, proof.rate, count=500) <= proof.constant * (1 + 1e-9)
        bends, slopes = rng.uniform(-1.5, 1.5, size=(400, 4)), rng.uniform(mu, 1.0, size=(400, 5))  # piecewise linear gradients
        edges = np.sort(bends, axis=1)

        def gradient(y, edges=edges, slopes=slopes):
            ends = np.concatenate([np.full((400, 1), -np.inf), edges, np.full((400, 1), np.inf)], axis=1)
            low, high = ends[:, :-1], ends[:, 1:]
            upto = np.clip(y[:, None], low, high) - np.clip(0.0, low, high)
            return np.sum(slopes * upto, axis=1)

        x = before = rng.choice([-1.0, 1.0], 400) * rng.uniform(0.1, 4, 400)
        start, unit = np.abs(x), 1.0
        for _ in range(60):
            y = (1 + method.gamma) * x - method.gamma * before
            x, before = (1 + method.beta) * x - method.beta * before - method.alpha * gradient(y), x
            unit *= proof.rate
            assert np.all(np.abs(x) <= proof.constant * unit * start * (1 + 1e-9) + 1e-14)


def test_the_constant_is_not_searched_before_it_is_asked_for(monkeypatch):
    calls = []
    monkeypatch.setattr("inertia.theory.certify.bounding.bounded", lambda *args: calls.append(args))
    proof = certify(Method(1.0), 0.1, 1.0)
    assert not calls
    assert proof.constant == float("inf")  # none found: nothing is promised
    assert proof.to_json()["constant"] is None
    assert len(calls) == 1


# Files: every number is checked.


def written(method, mu, L):
    return json.loads(json.dumps(certify(method, mu, L).to_json(), allow_nan=False))


@pytest.fixture(scope="module")
def files():
    methods = [
        (Method(1.0, beta=0.1), 0.5, 1.0),
        (Method(1 / 9, beta=4 / 9), 1.0, 25.0),  # Lessard, Recht and Packard's function
        (Method(3.2, beta=0.7), 0.4, 1.0),  # roots of unity
        (Method(5.0, beta=0.5), 0.1, 1.0),  # a quadratic
    ]
    made = [written(*each) for each in methods]
    assert [data["verdict"] for data in made] == ["proved", "refuted", "refuted", "refuted"]
    assert {data["counterexample"]["kind"] for data in made[1:]} == {"quadratic", "lessard-recht-packard", "roots-of-unity"}
    return made


def test_what_is_written_is_confirmed_with_its_constant(files):
    says = [verify(data) for data in files]
    assert f"rate {files[0]['rate']!r} per step and constant {files[0]['constant']!r} from rest" in says[0]
    again = from_json(files[0])
    assert again.constant == files[0]["constant"]
    assert again.to_json() == files[0] | {"checked": False}


def places(data, path=()):
    """Every place in a JSON document."""
    yield path
    if isinstance(data, dict | list):
        for key, value in data.items() if isinstance(data, dict) else enumerate(data):
            yield from places(value, (*path, key))


def changed(data, path, change):
    made = copy.deepcopy(data)
    if not path:
        return change(made)
    place = made
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = change(place[path[-1]])
    return made


NONSENSE = [
    None, True, False, 0, -1, 2, 1e308, -1e308, 1e-320, float("inf"), float("-inf"), float("nan"), 10**400, 10**5000, [], {}, [[]], [1, 2],
    [0, 0], [1, 10**9], {"a": 1}, "", "1e10000000", "nan", "1/0", "-1/3", "1" * 700, "é" * 10, "0x10", " 1", "1_0",
]  # fmt: skip


def mutations(files, count, seed):
    """`count` changes of real certificates: a nudge of a number, nonsense, something left out, added or taken from another file."""
    rng = random.Random(seed)
    listed = [list(places(data)) for data in files]

    def nudged(value):
        if isinstance(value, bool):
            return not value
        if isinstance(value, int | float):
            return rng.choice([value * (1 + 1e-3), value * (1 - 1e-3), value + 1, -value, value / 2, value * 1.5])
        if isinstance(value, str):
            return rng.choice([value.replace("1", "2", 1), "-" + value, value + "0", value[:-1], value.replace("/", "", 1)])
        if isinstance(value, list):
            return rng.choice([value[:-1], value + value, value[::-1], [*value, 0]])
        if isinstance(value, dict):
            return rng.choice([dict(list(value.items())[1:]), value | {"delta": 0.5}, value | {"rate": 0.1}])
        return rng.choice([0.5, [], {}])

    for _ in range(count):
        which = rng.randrange(len(files))
        path = rng.choice([place for place in listed[which] if rng.random() < 0.5 or len(place) <= 2] or [()])
        other = rng.choice(files)
        how = rng.choice(["nudge", "nudge", "nonsense", "swap"])
        if how == "swap":
            path = path[:1]
            yield changed(files[which], path, lambda value, path=path, other=other: other.get(path[0]) if path else other)
        else:
            yield changed(files[which], path, nudged if how == "nudge" else lambda value: rng.choice(NONSENSE))


def is_true(data):
    """Second road: whether what a certificate says is so, by running it on quadratics."""
    mu, L = data["mu"], data["L"]
    method = Method(*(data["method"][name] for name in ("alpha", "beta", "gamma")))
    roots = [
        np.roots([1, -(1 + method.beta - method.alpha * h * (1 + method.gamma)), method.beta - method.alpha * h * method.gamma])
        for h in (mu, L)
    ]
    attained = max(float(np.abs(both).max()) for both in roots)
    right = abs(attained - data["quadratic_rate"]) <= 1e-6 * attained
    if data["verdict"] == "proved":
        right &= data["rate"] >= attained * (1 - 1e-9) and f"{data['rate']:.6g}" in data["reason"]
        right &= data["constant"] is None or needed(method, mu, L, data["rate"], 200, 100) <= data["constant"] * (1 + 1e-9)
    if data["verdict"] == "refuted":
        example = from_json(data).counterexample
        path = example.run(60)
        right &= not np.abs(path[-12:]).max() < 0.3 * np.abs(path[0]).max()
        right &= data["counterexample"]["cycle"] is None or bool(
            np.allclose(path[: len(path) // 2][: len(example.cycle())], data["counterexample"]["cycle"])
        )
    return bool(right)


def test_five_hundred_changed_certificates_are_answered_and_none_is_believed_that_is_false(files):
    answers = {"proved": 0, "refuted": 0, "rejected": 0}
    for data in mutations(files, 500, seed=1):
        begin = time.process_time()
        try:
            says = verify(data) if isinstance(data, dict) else "rejected: not an object"
        except Rejected as error:
            says = str(error)
        word = says.partition(":")[0]
        answers[word] += 1
        assert time.process_time() - begin < 5
        if word != "rejected":
            assert is_true(data), says
    assert answers["rejected"] > 300
    assert answers["proved"] + answers["refuted"] > 0  # a change of 'checked' alone, or a swap with itself, is still true


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (("constant",), 1.0000001, "constant = 1.0000001 is not proved: "),
        (("constant",), 0.5, "constant = 0.5 is not a number >= 1"),
        (("constant",), None, "the proof of a constant comes without the constant"),
        (("bound",), None, "constant = .* comes without its proof"),
        (("bound", "share"), 0.9999, "is not between 0 and the rate"),
        (("quadratic_rate",), 0.2, "quadratic_rate = 0.2 is not that of this method"),
        (("quadratic_rate",), None, "quadratic_rate = None is not that of this method"),
        (("reason",), "because", "its reason is not what its numbers say"),
        (("checked",), "yes", "'checked' true or false"),
        (("method", "delta"), 0.5, "'method' holds 'delta', of which a certificate says nothing"),
        (("rate",), float("nan"), "rate = nan is not finite"),
        (("rate",), 10**400, "rate is beyond the range of floating point"),
        (("mu",), "0.5", "mu = '0.5' is not a number"),
        (("L",), True, "L = True is not a number"),
        (("proof", "values"), ["1e10000000"], "'1e10000000' in 'values' in 'proof' is not a fraction"),
        (("proof", "values"), ["1/3"], "is not a fraction such as '-3/8', over a power of two"),
        (("proof", "memory"), 10**9, "memory = 1000000000 in 'proof' is not a whole number from 1 to 8"),
        (("note",), "trust me", "the certificate holds 'note', of which a certificate says nothing"),
    ],
)
def test_every_number_of_a_proof_is_checked(files, path, value, message):
    data = copy.deepcopy(files[0])
    place = data
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    if path == ("constant",) and value is not None and value > 1:
        data["constant"] = 1 + (data["constant"] - 1) / 1e3 if data["constant"] > 1.001 else value
        message = "is not proved: " if data["constant"] > 1.001 else message
    with pytest.raises(Rejected, match=message) as caught:
        verify(data)
    assert str(caught.value).startswith("rejected: ")


@pytest.mark.parametrize(
    ("index", "name", "value", "message"),
    [
        (1, "pieces", [], "is defined by its pieces alone"),
        (1, "pieces", [0] * 10**5, "at most 12 numbers 0, 1 or 2"),
        (2, "turns", [], "two whole numbers up to 40"),
        (2, "turns", [1, 10**9], "two whole numbers up to 40"),
        (2, "curvature", 0.5, "is defined by its turns alone"),
        (1, "cycle", [[0.0]], "the cycle of the counterexample must be"),
        (1, "cycle", None, "the cycle of the counterexample is missing"),
        (3, "curvature", float("inf"), "curvature = inf is not finite"),
        (3, "curvature", 0.1000001, "the mode of curvature 0.1 contracts|is not between"),
    ],
)
def test_every_number_of_a_counterexample_is_checked(files, index, name, value, message):
    data = copy.deepcopy(files[index])
    data["counterexample"][name] = value
    with pytest.raises(Rejected, match=message):
        verify(data)


def test_false_points_of_a_cycle_are_seen(files):
    data = copy.deepcopy(files[1])
    data["counterexample"]["cycle"][0][0] *= 1.001
    with pytest.raises(Rejected, match="points of its cycle"):
        verify(data)


def test_the_longest_honest_and_dishonest_certificates_are_answered_in_time(files):
    """The largest numbers that may be read: memory 8, fractions of 80 digits, a method at the ends of what is checked."""
    memory, long = 8, "7" * 80 + "/" + str(2**265)
    size, ahead, past = memory + 2, (memory + 1) ** 2, memory**2
    data = copy.deepcopy(files[0]) | {"mu": 1.1e-95, "L": 1.1, "method": {"alpha": 1.1e-95, "beta": 1.1e-95, "gamma": 1.1e-95}}
    part = {"P": [[long] * size] * size, "values": [long] * memory, "decrease": [long] * ahead, "positive": [long] * past, "memory": memory}
    data["proof"], data["bound"], data["constant"] = part, None, None
    begin = time.process_time()
    with pytest.raises(Rejected):
        verify(data)
    assert time.process_time() - begin < 5
    with pytest.raises(Rejected, match="too far apart to be checked"):
        verify(data | {"mu": 1e-308, "L": 1e300})

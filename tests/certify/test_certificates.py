"""Certificates: the literature's rates, the exact check, and everything that must be refused."""

import json
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import inertia
from inertia.core.method import Method, init, step
from inertia.errors import BadInput, MissingExtra
from inertia.theory import catalog
from inertia.theory.certify.certificate import Certificate, Rejected, _whole_claims, failing, from_json, rounded, verify
from inertia.theory.certify.dissipation import Proof, pairs, sides, terms
from inertia.theory.certify.exact import exact
from inertia.theory.certify.frequency import quadratic_rate, sector_rate
from inertia.theory.certify.search import attempt, certify
from inertia.theory.certify.solver import Program
from inertia.theory.modes import rate

KAPPAS = (10.0, 25.0, 100.0)


@pytest.mark.parametrize("kappa", KAPPAS)
def test_gradient_descent_reaches_the_quadratic_rate(kappa):
    found = certify(catalog.gradient_descent(1 / kappa, 1.0), 1 / kappa, 1.0)
    assert found.verdict == "proved"
    assert found.checked
    assert (kappa - 1) / (kappa + 1) < found.rate < (kappa - 1) / (kappa + 1) + 1e-5


@pytest.mark.parametrize("kappa", [*KAPPAS, 1e4])
def test_triple_momentum_is_within_a_thousandth_of_its_theorem(kappa):
    found = certify(catalog.triple_momentum(1.0, kappa), 1.0, kappa)
    fast = 1 - kappa**-0.5
    assert fast * (1 - 1e-12) <= found.rate < fast + 1e-3 * (1 - fast)


@pytest.mark.parametrize(("kappa", "printed"), [(10.0, 0.75182), (25.0, 0.84962), (100.0, 0.92793)])
def test_nesterov_is_what_the_literature_prints(kappa, printed):
    found = certify(catalog.nesterov(1 / kappa, 1.0), 1 / kappa, 1.0)
    assert found.rate == pytest.approx(printed, abs=1e-5)  # five printed digits


@pytest.mark.parametrize("rho", [0.81, 0.85, 0.9, 0.95])
def test_robust_momentum_proves_the_rate_it_is_named_after(rho):
    found = certify(catalog.robust_momentum(1.0, 25.0, rho), 1.0, 25.0)
    assert found.rate == pytest.approx(rho, abs=1e-4)


def test_longer_memory_tightens_the_heavy_ball():
    method = catalog.heavy_ball(0.1, 1.0)
    short, long = certify(method, 0.1, 1.0, memory=1), certify(method, 0.1, 1.0)
    assert (short.proof.memory, long.proof.memory) == (1, 3)
    assert short.rate == pytest.approx(0.86041, abs=1e-5)
    assert long.rate == pytest.approx(0.84591, abs=1e-4)


def test_the_unit_of_curvature_does_not_matter():
    a = certify(Method(1.0, beta=0.4, gamma=0.4), 0.1, 1.0)
    b = certify(Method(0.01, beta=0.4, gamma=0.4), 10.0, 100.0)
    assert a.rate == pytest.approx(b.rate, rel=1e-6)


def test_one_curvature_is_a_quadratic():
    method = Method(0.5, beta=0.2)
    found = certify(method, 1.0, 1.0)
    assert found.rate == pytest.approx(float(rate(method, 1.0)), abs=2e-5)  # a double root: proofs begin 3e-5 (1 - rate) above


@settings(max_examples=60, deadline=None)
@given(st.floats(0.01, 2.5), st.floats(-0.6, 0.95), st.floats(-0.4, 1.5), st.floats(0.001, 1.0))
def test_no_rate_is_below_what_quadratics_attain(alpha, beta, gamma, mu):
    method = Method(alpha, beta, gamma)
    worst = float(np.max(rate(method, np.linspace(mu, 1.0, 400))))
    assert float(quadratic_rate(method, mu, 1.0)) >= worst * (1 - 1e-12)  # the ends are the worst
    assert float(sector_rate(method, mu, 1.0)) >= worst * (1 - 1e-9)


@settings(max_examples=25, deadline=None)
@given(st.floats(0.1, 2.2), st.floats(-0.3, 0.9), st.floats(-0.2, 1.0), st.floats(0.01, 0.5))
def test_every_proof_passes_the_check_and_fails_it_at_a_lower_rate_than_quadratics_allow(alpha, beta, gamma, mu):
    method = Method(alpha, beta, gamma)
    found = certify(method, mu, 1.0, memory=1)
    if found.verdict != "proved":
        assert found.verdict in ("refuted", "open")
        return
    assert verify(found).startswith("proved: rate ")
    assert found.rate >= found.quadratic_rate * (1 - 1e-12)
    # Necessity: at a rate below what a quadratic attains no proof may pass, whatever the solver offers.
    below = found.quadratic_rate - 1e-6
    offer = Program(alpha, beta, gamma, mu).solve(below)
    assert below <= 0 or offer is None or failing(method, mu, 1.0, below, rounded(offer.proof))


def test_the_frequency_response_and_the_solver_agree():
    rng = np.random.default_rng(0)
    for _ in range(12):
        method = Method(rng.uniform(0.3, 1.6), rng.uniform(0, 0.8), rng.uniform(0, 0.8))
        mu = float(rng.uniform(0.02, 0.3))
        least = float(sector_rate(method, mu, 1.0))
        program = Program(*method[:3], mu)
        if least > 1:
            assert attempt(program, method, mu, 1.0, 1 - 1e-4) is None
            continue
        low, high = least - 1e-3 * (1 - least), least + 1e-4 * (1 - least)
        assert attempt(program, method, mu, 1.0, high) is not None
        assert low < quadratic_rate(method, mu, 1.0) or attempt(program, method, mu, 1.0, low) is None


def test_the_lyapunov_function_decreases_along_real_runs():
    """A run on a random smooth strongly convex function: distances stay below constant * rate^k."""
    rng = np.random.default_rng(3)
    mu, L = 0.1, 1.0
    for method in (catalog.nesterov(mu, L), catalog.triple_momentum(mu, L), catalog.heavy_ball(mu, L), Method(1.2, 0.5, 0.3)):
        found = certify(method, mu, L)
        rows, pull = rng.normal(size=(8, 3)), rng.uniform(0.2, 3, size=8)
        rows *= np.sqrt((L - mu) / np.linalg.eigvalsh((rows.T * pull) @ rows)[-1])

        def gradient(x, rows=rows, pull=pull):
            return mu * x + rows.T @ (pull * np.tanh(rows @ x))  # slopes in [mu, L], minimiser 0

        params = rng.normal(size=3)
        start, velocity = np.linalg.norm(params), init(params)
        for k in range(60):
            hidden = params + method.alpha * method.gamma * velocity
            assert np.linalg.norm(hidden) <= found.constant * found.rate**k * start * (1 + 1e-9)
            params, velocity = step(method, params, velocity, gradient(params))


def test_the_inequality_in_fractions_is_the_inequality_in_floats():
    proof = Proof(np.diag([1.0, 2.0, 3.0]), np.array([0.5]), np.array([0.1, 0.2, 0.3, 0.4]), np.array([0.7]))
    loose = sides(terms(0.9, 0.4, 0.2, 0.1), proof, 0.8)
    strict = sides(terms(*exact([0.9, 0.4, 0.2, 0.1])), Proof(*(exact(part) for part in proof)), Fraction(0.8))
    scaled = _whole_claims(Method(0.9, 0.4, 0.2), 0.1, 1.0, 0.8**0.5, Proof(*(exact(part) for part in proof)))
    for name in loose._fields:
        np.testing.assert_allclose(np.array(getattr(strict, name), dtype=float), getattr(loose, name), atol=1e-15)
        ratio = np.array(getattr(scaled, name) / np.where(getattr(strict, name) == 0, 1, getattr(strict, name)), dtype=float)
        np.testing.assert_allclose(ratio[getattr(loose, name) != 0], ratio.max(), rtol=1e-12)  # one positive scale


def test_the_interpolation_inequalities_hold_on_a_real_function():
    """Second road to `sides`: V and its decrease evaluated along a run on a quadratic equal the matrices."""
    method, m, memory = Method(0.8, 0.5, 0.3), 0.1, 3
    rows = terms(0.8, 0.5, 0.3, m, memory)
    h, xi = 0.7, [1.0, 0.6]
    slopes = []
    for _ in range(memory + 1):
        y = (1 + method.gamma) * xi[-1] - method.gamma * xi[-2]
        slopes.append((h - m) * y)
        xi.append((1 + method.beta) * xi[-1] - method.beta * xi[-2] - method.alpha * h * y)
    basis = np.array([xi[1], xi[0], *slopes])
    np.testing.assert_allclose(rows.now @ basis, [xi[1], xi[0], *slopes[:-1]])
    np.testing.assert_allclose(rows.then @ basis, [xi[2], xi[1], *slopes[1:]])
    np.testing.assert_allclose(rows.xi @ basis, xi[::-1])
    y = rows.point @ basis
    np.testing.assert_allclose(rows.s @ basis, (h - m) * y)
    D = 1 - m
    q = D * (h - m) * y**2 / 2 - ((h - m) * y) ** 2 / 2
    s, w = rows.s @ basis, rows.w @ basis
    for i, j in pairs(memory):
        assert s[i] * w[i] >= q[i] if j is None else s[i] * (w[i] - w[j]) >= q[i] - q[j] - 1e-12


# The trap: what a solver alone would certify.


def false_certificate():
    """Without a normalisation P may be almost 0: the solver then says 'optimal' at .9919 for a method that cycles."""
    import cvxpy

    method, mu, rho = catalog.heavy_ball(1 / 25, 1.0), 1 / 25, 0.9919
    program = Program(*method[:3], mu)
    x = cvxpy.Variable(sum(program.counts))
    claims = (program.fixed + rho**2 * program.slope)[:, :-1] @ x  # no margin asked for
    sizes, start, limits = (4, 3), 0, []
    for size in sizes:
        cols, rows = np.tril_indices(size)
        weight = np.where(rows == cols, 1.0, np.sqrt(0.5))
        place = np.zeros((size * size, len(rows)))
        for k, (i, j, value) in enumerate(zip(rows, cols, weight, strict=True)):
            place[i * size + j, k] = place[j * size + i, k] = value
        limits.append(cvxpy.reshape(place @ claims[start : start + len(rows)], (size, size), order="C") >> 0)
        start += len(rows)
    limits += [claims[start:] >= 0]
    problem = cvxpy.Problem(cvxpy.Minimize(0), limits)
    problem.solve(solver="CLARABEL")
    return method, mu, rho, rounded(program.proofs(np.asarray(x.value))), problem.status


def test_a_solver_alone_claims_a_rate_for_the_heavy_ball_and_the_check_rejects_it():
    method, mu, rho, proof, status = false_certificate()
    assert status == "optimal"  # the solver is content
    claim = Certificate("proved", method, mu, 1.0, rho, proof, checked=True)
    with pytest.raises(Rejected, match=r"rejected: .*must be >=? ?0"):
        verify(claim)
    with pytest.raises(Rejected, match=r"must be >=? ?0"):
        verify(json.loads(json.dumps(claim.to_json())))
    assert claim.constant == float("inf")  # a false proof promises nothing
    best = Program(*method[:3], mu).solve(rho)  # and the best that a normalised search can offer fails too
    assert best.margin < 0
    assert "must be > 0" in failing(method, mu, 1.0, rho, rounded(best.proof))


# Files.


@pytest.fixture(scope="module")
def proved():
    return certify(catalog.nesterov(0.1, 1.0), 0.1, 1.0).to_json()


def test_a_certificate_survives_json(proved):
    again = from_json(json.loads(json.dumps(proved)))
    assert not again.checked  # not yet, not here
    assert verify(again) == verify(proved)
    assert again.to_json() == proved | {"checked": False}


def tampered(data, *path, value):
    copy = json.loads(json.dumps(data))
    place = copy
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    return copy


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (("rate",), 0.75, r"rate\^2 V - V_next - weights: pivot \d is -?[0-9.e-]+, and must be > 0|coefficient of q"),
        (("rate",), 1.5, r"rate = 1.5 is not between 0 and 1"),
        (("rate",), None, r"verdict 'proved' comes without its proof"),
        (("method", "alpha"), 1.3, r"must be >=? ?0"),
        (("L",), 1.2, r"must be >=? ?0"),
        (("proof", "P"), [["1", "0", "0"], ["0", "1", "0"], ["0", "0", "-1"]], r"pivot \d is -?[0-9.e-]+, and must be > 0|coefficient"),
        (("proof", "P"), [["1", "0"], ["0", "1"]], r"'P' in 'proof' must be 3 rows of 3 fractions"),
        (("proof", "P"), [["1", "0", "0"], ["1", "1", "0"], ["0", "0", "1"]], "P is not symmetric"),
        (("proof", "decrease"), ["-1/8", "0", "0", "0"], r"decrease weight of the inequality between y\[k-0\] and the minimiser is -0.125"),
        (("proof", "values"), ["-1000"], r"coefficient of q\[k-\d\] is -?[0-9.e+-]+, and must be >= 0"),
        (("proof",), None, "comes without its proof or counterexample"),
        (("proof", "P"), "nonsense", "not a certificate"),
        (("verdict",), "certain", "verdict 'certain' is none of proved, refuted, open"),
        (("verdict",), "open", "it claims nothing that could be checked"),
        (("verdict",), "refuted", "comes without its proof or counterexample"),
        (("mu",), -1.0, "do not satisfy 0 < mu <= L"),
        (("method", "beta"), 3.0, r"beta = 3 is outside \[-1, 1\]"),
        (("format",), "tea", "format is 'tea'"),
        (("method",), None, "not a certificate"),
    ],
)
def test_a_tampered_certificate_is_rejected_with_what_fails(proved, path, value, message):
    with pytest.raises(BadInput, match=message):
        verify(tampered(proved, *path, value=value))


def test_verifying_needs_numpy_and_the_standard_library_alone(proved, tmp_path):
    place = tmp_path / "proof.json"
    place.write_text(json.dumps(proved))
    code = (
        "import sys, json\n"
        "for name in ('scipy', 'clarabel', 'cvxpy', 'sympy', 'torch', 'jax'): sys.modules[name] = None\n"
        "from inertia.theory.certify.certificate import verify\n"
        f"print(verify(json.load(open({str(place)!r}))))"
    )
    source = str(Path(inertia.__file__).parents[1])
    said = subprocess.check_output([sys.executable, "-c", code], text=True, env={"PYTHONPATH": source, "PATH": ""})
    assert said.startswith("proved: rate 0.7518")


# Bad input.


@pytest.mark.parametrize(
    ("mu", "L", "message"),
    [
        (0.0, 1.0, r"mu = 0 is not positive: .* Use mu > 0, or the guarantees of"),
        (-1.0, 1.0, "mu = -1 is not positive"),
        (2.0, 1.0, "mu = 2 is larger than L = 1: .* swap them"),
        (float("nan"), 1.0, "both must be finite"),
        (0.1, float("inf"), "both must be finite"),
    ],
)
def test_classes_that_do_not_exist_are_refused(mu, L, message):
    with pytest.raises(BadInput, match=message):
        certify(Method(1.0), mu, L)


def test_bad_methods_and_memory_are_refused():
    with pytest.raises(BadInput, match="alpha = -1 is not positive"):
        certify(Method(-1.0), 0.1, 1.0)
    with pytest.raises(BadInput, match="memory = 0 is too small"):
        certify(Method(1.0), 0.1, 1.0, memory=0)


def test_a_missing_solver_is_named_with_its_install_line(monkeypatch):
    monkeypatch.setitem(sys.modules, "clarabel", None)
    with pytest.raises(MissingExtra, match=r"clarabel is not installed .* pip install 'inertia\[certify\]'"):
        certify(Method(1.0), 0.1, 1.0)
    # what needs no solver is answered without it
    assert certify(catalog.heavy_ball(1.0, 25.0), 1.0, 25.0).verdict == "refuted"


class Failing:
    """A solver whose every call ends as the name says."""

    def __init__(self, how):
        self.how = how

    def solve(self):
        if self.how == "raises":
            raise RuntimeError("panicked")
        raw = {"nothing": [], "nonsense": np.full(13, np.nan)}[self.how]
        return type("Solution", (), {"x": raw, "status": "NumericalError"})()


@pytest.mark.parametrize("how", ["raises", "nothing", "nonsense"])
def test_a_solver_that_fails_leaves_the_question_open(monkeypatch, how):
    import clarabel

    monkeypatch.setattr(clarabel, "DefaultSolver", lambda *args: Failing(how))
    found = certify(Method(1.0), 0.1, 1.0)
    assert (found.verdict, found.rate, found.checked) == ("open", None, False)
    assert "nothing is claimed" in found.reason
    with pytest.raises(Rejected, match="it claims nothing"):
        verify(found)


@pytest.mark.parametrize(
    ("method", "mu", "L", "verdict"),
    [
        (Method(1e-6), 0.1, 1.0, "proved"),
        (Method(1e-300), 0.1, 1.0, "open"),  # its rate is 1 to every digit of a float
        (Method(1e300), 0.1, 1.0, "refuted"),
        (Method(1.0, beta=-1.0), 0.1, 1.0, "refuted"),
        (Method(0.1, beta=0.5, gamma=10.0), 0.1, 1.0, "proved"),
        (Method(0.5, beta=0.2, gamma=-1.0), 0.1, 1.0, "proved"),
        (Method(1.0, beta=0.5), 1e-8, 1.0, "proved"),
        (Method(1e-9, 0.9, 0.9), 1e6, 1e9, "proved"),
        (Method(1e9, 0.9), 1e-12, 1e-9, "refuted"),
        (Method(1.0), 1.0, 1.0, "proved"),
    ],
)
def test_extreme_methods_and_classes_are_answered(method, mu, L, verdict):
    found = certify(method, mu, L)
    assert found.verdict == verdict
    data = json.loads(json.dumps(found.to_json(), allow_nan=False))
    assert from_json(data).quadratic_rate == found.quadratic_rate
    if verdict != "open":
        assert verify(data).startswith(verdict)

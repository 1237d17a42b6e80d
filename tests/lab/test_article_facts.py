"""The formulas and numbers of the article, read from its text and held against the library: MathML is turned into arithmetic."""

import math
import re
import xml.etree.ElementTree as ET

import numpy as np
import pytest

from inertia import Method, edge, rate, spectrum
from inertia.lab.article import page
from inertia.lab.twin import data
from inertia.theory import catalog, modes, noise, quadratic
from inertia.theory.bounds import grid_condition, path_condition, worst_function_condition, worst_function_optimum

TEXT = page()
MU, TOP = 0.7, 31.0
KNOWN = {"λ_1": MU, "λ_n": TOP, "κ": TOP / MU, "sqrt": math.sqrt}
_SIGNS = {"−": "-", "+": "+", "(": "(", ")": ")", "/": "/", "·": "*"}


def section(name):
    return re.search(rf'<section id="{name}">.*?</section>', TEXT, re.DOTALL)[0]


def tokens(node):
    """A MathML element as Python tokens: operands, signs, and "=" or "," where a statement ends."""
    name, parts = node.tag, list(node)
    if name in ("mi", "mn"):
        return [node.text.replace(",", "")]
    if name == "mo":
        return [_SIGNS.get(node.text, "=" if node.text == "=" else ",")]
    if name == "mfrac":
        return [f"(({spoken(parts[0])})/({spoken(parts[1])}))"]
    if name == "msqrt":
        return [f"sqrt({''.join(joined([t for part in parts for t in tokens(part)]))})"]
    if name == "msub":
        return [f"{spoken(parts[0])}_{spoken(parts[1])}"]
    if name == "msup":
        power = spoken(parts[1])
        if power == ",":
            return [spoken(parts[0]) + "_best"]  # a star names the best value
        base = tokens(parts[0])
        return [*base[:-1], f"{base[-1]}**({power})"] if base[-1].startswith(")") else [f"({''.join(joined(base))})**({power})"]
    return [] if name in ("mspace", "mtext") else [t for part in parts for t in tokens(part)]


def joined(parts):
    """With the multiplication signs that print leaves out."""
    out = []
    for part in parts:
        if out and part not in "+-*/)=," and not part.startswith(")") and out[-1] not in "+-*/(=,":
            out.append("*")
        out.append(part)
    return out


def spoken(node):
    return "".join(joined(tokens(node)))


def formulas(text):
    """Every formula of a piece of HTML, as {left side: [right sides]} and as plain expressions."""
    found = []
    for one in re.findall(r"<math\b.*?</math>", text, re.DOTALL):
        found += [part.split("=") for part in "".join(joined(tokens(ET.fromstring(one)))).split(",") if part]
    return found


def value(expression, **known):
    return eval(expression, {"__builtins__": {}}, KNOWN | known)  # our own text, turned into arithmetic above


def sides(text, left):
    """The right sides of the formulas that begin with this name."""
    return next(parts[1:] for parts in formulas(text) if parts[0] == left and len(parts) > 1)


@pytest.mark.parametrize(
    ("row", "method"),
    [("gradient descent", catalog.gradient_descent), ("momentum", catalog.heavy_ball), ("Nesterov", catalog.nesterov_quadratic)],
)
def test_the_table_of_best_numbers_is_the_librarys(row, method):
    found = re.search(rf"<tr><th>{row}</th>(.*?)</tr>", re.sub(r"</?b\b[^>]*>", "", section("optimal")), re.DOTALL)[1]
    cells = re.findall(r"<td>(.*?)</td>", found, re.DOTALL)
    one = method(MU, TOP)
    shown = [value(formulas(cell)[0][0]) if "<math" in cell else float(cell) for cell in cells[:3]]
    np.testing.assert_allclose(shown, [one.alpha, one.beta, quadratic.worst_rate(one, spectrum([MU, TOP]))], rtol=1e-7)
    for cell, kappa in zip(cells[3:], (100.0, 1e4), strict=True):
        digits = -1 / math.log10(float(quadratic.worst_rate(method(1.0, kappa), spectrum([1.0, kappa]))))
        assert cell.replace(",", "") == f"{digits:.1f}" or cell.replace(",", "") == f"{digits:.0f}", (cell, digits)


def test_the_derivation_of_the_best_numbers_holds():
    best = catalog.heavy_ball(MU, TOP)
    assert value(sides(section("optimal"), "α_best")[0]) == pytest.approx(best.alpha)
    assert value(sides(section("optimal"), "β_best")[0]) == pytest.approx(best.beta)
    ends = [value(side, α=best.alpha) for side in sides(section("optimal"), "β")]
    assert ends == pytest.approx([best.beta, best.beta])
    left, right = next(parts for parts in formulas(section("optimal")) if parts[0].startswith("1-sqrt"))
    assert value(left, α=best.alpha) == pytest.approx(value(right, α=best.alpha))
    assert float(edge(best)) == pytest.approx(MU + TOP)


def test_the_best_learning_rate_without_momentum():
    assert value(sides(section("limits-of-descent"), "α_best")[0]) == pytest.approx(catalog.gradient_descent(MU, TOP).alpha)


def test_critical_damping_and_the_spring():
    (side,) = sides(section("damping"), "β")
    assert value(side, α=0.3, λ=0.9) == pytest.approx(float(modes.critical_momentum(0.3, 0.9)))
    x = modes.iterate(Method(0.3, beta=0.6), 0.9, np.arange(4)).params
    assert (x[3] - x[2]) - (x[2] - x[1]) == pytest.approx(-(1 - 0.6) * (x[2] - x[1]) - 0.3 * 0.9 * x[2])
    assert "1-β" in {"".join(parts) for parts in formulas(section("damping"))}


def test_the_noise_floor_is_the_librarys_and_its_first_order():
    one, variance, h = Method(0.05, beta=0.8), 2.3, 1.7
    known = spectrum([h], weights=[1.0], noise=[variance])
    parts = next(parts for parts in formulas(section("on-noise")) if any("λ" in side and "β" in side for side in parts[1:]))
    sums = [side for side in parts if "λ" in side and "β" in side]
    exact = value(re.sub(r"\bs\b", f"{math.sqrt(variance)}", sums[0]), α=one.alpha, β=one.beta, λ=h)
    assert exact == pytest.approx(float(noise.floor(one, known)))
    assert variance / 4 * one.alpha / (1 - one.beta) == pytest.approx(exact, rel=0.05)


def test_numbers_in_the_words():
    steps = -1 / math.log10(99 / 101)
    assert "about 115 steps" in TEXT
    assert round(steps) == 115
    assert float(edge(Method(0.1, beta=0.9))) == pytest.approx(38 / 1.0)  # Adam's, with eta = 1: alpha = 1 - beta1
    assert float(rate(Method(0.5, beta=0.0), 4.0)) == pytest.approx(1.0)  # descent's limit in the valley is 2/4
    assert float(rate(Method(0.5, beta=0.0), 0.2)) == pytest.approx(0.9)  # and then at most 10 % a step
    assert path_condition(200) == pytest.approx(4 * 200**2 / math.pi**2, rel=0.02)
    assert grid_condition(40, 40) / grid_condition(20, 20) == pytest.approx(4, rel=0.05)  # four times the nodes
    assert worst_function_condition(25, 1000.0) == pytest.approx(214.64, abs=0.01)


def test_margins_and_prices_in_the_words():
    known, words = spectrum([1.0, 100.0]), re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "", TEXT))
    best, nesterov = catalog.heavy_ball(1.0, 100.0), catalog.nesterov_quadratic(1.0, 100.0)
    rated = float(quadratic.worst_rate(best, known))
    assert "1 % above the" in words
    assert "survives 4 %" in words
    assert float(edge(best)) == pytest.approx(101.0)
    assert float(edge(nesterov)) == pytest.approx(104.3, abs=0.1)
    assert "20 % larger costs 10 % more steps" in words
    careful = float(quadratic.worst_rate(catalog.heavy_ball(1.0, 120.0), known))
    assert math.log(rated) / math.log(careful) == pytest.approx(1.1, abs=0.01)
    assert "about twice the steps of the best heavy ball" in words
    assert math.log(rated) / math.log(1 - 0.1) == pytest.approx(2, abs=0.1)
    assert "after 1,800 to 4,600 steps (without it: 12 to 1.2 million)" in words
    plain = data("polynomial")
    tuned = data("polynomial", **plain["best"])
    assert [round(float(end(tuned["milestones"])), -2) for end in (np.min, np.max)] == [1800, 4600]
    assert np.min(plain["milestones"]) == 12
    assert np.max(plain["milestones"]) == pytest.approx(1.2e6, rel=0.05)
    firm = data("polynomial", targets=tuple(plain["shaken"]))
    assert np.asarray(firm["steps"])[np.argmin(firm["held"])] == pytest.approx(6, abs=1)  # "least after six steps"


def test_adam_repairs_a_valley_along_the_axes_and_not_one_that_is_turned():
    known = dict(surface="quadratic", adam=True, x=-2.4, y=1.3, alpha=0.15, beta=0.5)
    ends = [data("hero", angle=angle, **known)["excess"][1, -1] for angle in (0.0, 45.0)]
    assert ends[0] < 1e-4 < 0.05 < ends[1]


def test_the_solution_of_the_chain_is_the_printed_one():
    n, kappa = 25, 1000.0
    t = -math.log((math.sqrt(kappa) - 1) / (math.sqrt(kappa) + 1))
    i = np.arange(1, n + 1)
    matrix = (kappa - 1) / 4 * (2 * np.eye(n) - np.eye(n, k=1) - np.eye(n, k=-1)) + np.eye(n)
    solved = np.linalg.solve(matrix, np.eye(n)[0] * (kappa - 1) / 4)
    np.testing.assert_allclose(np.sinh((n + 1 - i) * t) / np.sinh((n + 1) * t), solved, rtol=1e-9)
    np.testing.assert_allclose(worst_function_optimum(n, kappa), solved, rtol=1e-9)

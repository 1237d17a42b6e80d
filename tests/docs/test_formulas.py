"""Formulas of docstrings, typeset: the MathML is read back into arithmetic and held against the formula as it stands in the docstring."""

import ast
import html
import importlib.util
import math
import random
import re
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
GREEK = {"α": "alpha", "β": "beta", "γ": "gamma", "κ": "kappa", "μ": "mu", "ρ": "rho", "ν": "nu", "π": "pi"}
VALUES = {"alpha": 0.31, "beta": 0.83, "gamma": 0.47, "kappa": 37.0, "mu": 0.6, "rho": 0.9, "nu": 0.3, "pi": math.pi}
VALUES |= {
    "h": 1.7,
    "L": 5.3,
    "s": 0.7,
    "q": 0.41,
    "p": 1.3,
    "m": 2.3,
    "c": 0.9,
    "n": 7.0,
    "i": 3.0,
    "t": 0.2,
    "j": 2.0,
    "k": 4.0,
    "D": 1.9,
}


def loaded():
    spec = importlib.util.spec_from_file_location("docstrings", ROOT / "docs" / "hooks" / "docstrings.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


docstrings = loaded()
formulas = docstrings.formulas


def operands(node):
    """A MathML element as Python operands and signs."""
    parts = list(node)
    if node.tag == "mi":
        return ["math." + node.text] if node.text in ("sin", "sinh", "cos") else [GREEK.get(node.text, node.text)]
    if node.tag == "mn":
        return [node.text]
    if node.tag == "mo":
        return [{"−": "-", "\u2061": ""}.get(node.text, node.text)]
    if node.tag == "mfrac":
        return [f"(({spoken(parts[0])})/({spoken(parts[1])}))"]
    if node.tag == "msqrt":
        return [f"math.sqrt({''.join(joined([one for part in parts for one in operands(part)]))})"]
    if node.tag == "msup":
        return [f"({spoken(parts[0])})**({spoken(parts[1])})"]
    if node.get("class") == "of" and parts[0].tag == "msup":  # sin^2(x)
        return [f"({spoken(parts[0][0])}({''.join(spoken(part) for part in parts[1:])}))**({spoken(parts[0][1])})"]
    inner = [one for part in parts for one in operands(part)]
    return [f"({''.join(joined(inner))})"] if node.get("class") == "of" else inner


def joined(parts):
    """With the signs of multiplication that print leaves out."""
    made = []
    for part in parts:
        if part == "":
            continue
        if made and part not in "+-/)=" and made[-1] not in "+-/(=" and not made[-1].startswith("math.si"):
            made.append("*")
        made.append(part)
    return made


def spoken(node):
    return "".join(joined(operands(node)))


def arithmetic(shown):
    """The one formula of a piece of HTML as Python."""
    found = re.findall(r"<math\b.*?</math>", html.unescape(shown.replace("&lt;", "‹")), re.DOTALL)
    return "".join(joined([one for part in found for one in operands(ET.fromstring(part))]))


def value(text):
    return eval(text, {"__builtins__": {}, "math": math}, VALUES)  # our own text, turned into arithmetic above


@pytest.mark.parametrize(
    ("plain", "python"),
    [
        ("1 + beta - alpha h (1 + gamma)", "1 + beta - alpha*h*(1 + gamma)"),
        ("(|p| + sqrt(p^2 - 4q/L))/2".replace("|p|", "p"), "(p + math.sqrt(p**2 - 4*q/L))/2"),
        ("((sqrt kappa - 1)/(sqrt kappa + 1))^2", "((math.sqrt(kappa) - 1)/(math.sqrt(kappa) + 1))**2"),
        ("alpha s^2 (1 + q)/(h (1 - q) D)", "alpha*s**2*(1 + q)/(h*(1 - q)*D)"),
        ("rho^2/((1 + rho)(2 - rho))", "rho**2/((1 + rho)*(2 - rho))"),
        ("2 (1 + beta)/(alpha (1 + 2 gamma))", "2*(1 + beta)/(alpha*(1 + 2*gamma))"),
        ("(1 - sqrt(alpha h))^2", "(1 - math.sqrt(alpha*h))**2"),
        ("q^i (1 - q^(2(n+1-i)))/(1 - q^(2(n+1)))", "q**i*(1 - q**(2*(n+1-i)))/(1 - q**(2*(n+1)))"),
        ("1 + (kappa - 1) sin^2(j pi/(2(n + 1)))", "1 + (kappa - 1)*math.sin(j*pi/(2*(n + 1)))**2"),
        ("1 - 2/sqrt(3 kappa + 1)", "1 - 2/math.sqrt(3*kappa + 1)"),
        ("(1 + c^2k)/(1 + c^(2k+2))", "(1 + c**(2*k))/(1 + c**(2*k+2))"),
        ("-c/m/L", "-c/m/L"),
        ("(1 - beta) sqrt(m/alpha)", "(1 - beta)*math.sqrt(m/alpha)"),
        ("sinh((n + 1 - i) t)/sinh((n + 1) t)", "math.sinh((n + 1 - i)*t)/math.sinh((n + 1)*t)"),
        ("c^-2 q", "c**-2*q"),
    ],
)
def test_what_is_displayed_means_what_was_typed(plain, python):
    shown = formulas.block(["    " + plain])
    assert value(arithmetic(shown)) == pytest.approx(value(python), rel=1e-12)
    assert "(sqrt" not in shown
    inline = formulas.inline("a bound is " + plain.removeprefix("-") + ", or less")
    assert [made for _, made in inline] == [False, True, False]
    assert abs(value(arithmetic(inline[1][0]))) == pytest.approx(abs(value(python)), rel=1e-12)


@pytest.mark.parametrize(
    "words",
    [
        "The rate of a method, and/or its edge: a mini-batch, the k-th step, x-axis, 1.5 and (2015, section 4).",
        "Pass Method(0.1, beta=0.9) or lr=0.1 nesterov=true, with --lr 0.1, of shape (steps + unknown).",
        "Values (*methods, n) and a list[int], the sum p of the roots; it takes alpha, beta and gamma; from 5-95 % on.",
        "Neither z^2 - total z + product nor gradient/(1 - beta) nor log2 1/(1 - q) nor a matrix [ x",
    ],
)
def test_words_and_code_and_what_cannot_be_read_whole_stay_as_they_are(words):
    assert [made for _, made in formulas.inline(words) if made] == ([True] if "log2" in words else [])
    assert words in docstrings.markdown(words).replace("\\", "").replace("&lt;", "<") or "log2" in words


def test_signs_indices_and_marks():
    shown = docstrings.markdown("With w*_{i+1} >= |x|^2 and mu <= 0, sqrt(v_hat) + eps; `a_b = c^2` and xi[k+1] = xi[k].")
    assert "<msubsup><mi>w</mi><mrow><mi>i</mi>" in shown
    for part in ("≥", "≤", "&#124;", "<mover><mi>v</mi><mo>^</mo></mover>", "`a_b = c^2`"):
        assert part in shown
    assert shown.count("<msub><mi>ξ</mi>") == 2
    assert "|" not in shown  # a bar would end the cell of a table


def test_a_block_is_rows_of_formulas_and_words_and_sections_keep_their_entries():
    text = "One.\n\n    x[k] = beta x[k-1]    read out\n    alpha = 2/(L + mu)    `lr`\n\n"
    text += "Args:\n    mu: least curvature, mu <= L.\n    L: largest."
    shown = docstrings.markdown(text)
    assert shown.count("<tr>") == 2
    assert "<code>lr</code>" in shown
    assert "\n    mu: least curvature, <span" in shown
    assert shown.endswith("\n    L: largest.")
    plain = "One.\n\n    first  second\n\n    A = [ 1    x^2 ]\n"
    assert docstrings.markdown(plain) == plain


def documented():
    for room in ("theory", "core", "optimizers/conventions"):
        for path in sorted((ROOT / "src" / "inertia" / room).glob("*.py")):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node):
                    yield path.name, ast.get_docstring(node)


def test_every_docstring_converts_to_sound_elements_and_loses_nothing():
    count = 0
    for name, text in documented():
        shown = docstrings.markdown(text)
        for one in re.findall(r"<math\b.*?</math>", shown, re.DOTALL):
            ET.fromstring(one)
            count += 1
        outside = re.sub(r"<span class=\"formula\">.*?</span>", "", shown, flags=re.DOTALL)
        assert "<m" not in outside, name
    assert count > 250


def test_no_string_of_signs_breaks_the_reader():
    chance = random.Random(3)
    signs = [
        "alpha",
        "x",
        "12",
        "(",
        ")",
        "|",
        "/",
        " / ",
        " ",
        " - ",
        "^",
        "_",
        "{",
        "}",
        "sqrt",
        "sum",
        "'",
        "*",
        " = ",
        "[",
        "]",
        ",",
        "grad",
        "...",
        "\n",
    ]
    for _ in range(600):
        text = "".join(chance.choice(signs) for _ in range(12))
        pieces = formulas.inline(text)
        at = 0
        for piece, made in pieces:  # what is not set stands in the text, in its order
            if not made:
                at = text.index(piece, at) + len(piece)
        formulas.block(["    " + text.replace("\n", " ")])

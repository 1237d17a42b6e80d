"""The reader's formula: values, exact derivatives, and errors that say where."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inertia.errors import BadInput
from inertia.lab.formula import FUNCTIONS, formula
from inertia.lab.landscape import SURFACES

PLACES = np.array([[0.3, 0.7], [1.2, 0.4], [0.9, 1.1]])


@pytest.mark.parametrize(
    ("text", "python"),
    [
        ("(1 - x)^2 + 20 (3y - x^2)^2", lambda x, y: (1 - x) ** 2 + 20 * (3 * y - x**2) ** 2),
        ("-x^2", lambda x, y: -(x**2)),
        ("2^x^2", lambda x, y: 2 ** (x**2)),
        ("x / y / 2", lambda x, y: x / y / 2),
        ("1 - x - y", lambda x, y: 1 - x - y),
        ("--x + - -y", lambda x, y: x + y),
        ("2x y(x + 1)", lambda x, y: 2 * x * y * (x + 1)),
        ("x**2 * .5e1", lambda x, y: x**2 * 5),
        ("sqrt(x) exp(-y) log(x + 1)", lambda x, y: np.sqrt(x) * np.exp(-y) * np.log(x + 1)),
        ("sin(pi x) cos(y) tanh(x y)", lambda x, y: np.sin(np.pi * x) * np.cos(y) * np.tanh(x * y)),
        ("abs(x - y)^3", lambda x, y: abs(x - y) ** 3),
        ("x^y", lambda x, y: x**y),
        ("7", lambda x, y: 7 + 0 * x),
    ],
)
def test_a_formula_means_what_it_says(text, python):
    np.testing.assert_allclose(formula(text).value(PLACES), python(PLACES[:, 0], PLACES[:, 1]), rtol=1e-14)


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("inner", ["x", "x y + 2", "x^2 / (1 + y)", "x^y", "3 - x"])
def test_derivatives_agree_with_differences(name, inner):
    read = formula(f"{name}({inner})")
    step = 1e-5
    for axis in (0, 1):
        move = step * np.eye(2)[axis]
        slope = (read.value(PLACES + move) - read.value(PLACES - move)) / (2 * step)
        # a central difference at 1e-5 is good to about 1e-9 of values of order one to ten
        np.testing.assert_allclose(read.gradient(PLACES)[:, axis], slope, rtol=1e-6, atol=1e-8)
        bend = (read.gradient(PLACES + move) - read.gradient(PLACES - move)) / (2 * step)
        np.testing.assert_allclose(read.hessian(PLACES)[:, axis], bend, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "got nothing"),
        ("x +", "at the end of 'x \\+'"),
        ("(x", "is not closed"),
        ("x)", "no opening one"),
        ("foo(x)", "unknown name 'foo'"),
        ("sim(x)", "did you mean 'sin'"),
        ("sin x", r"write sin\(x\)"),
        ("x $ y", "cannot read '\\$'"),
        ("__import__('os')", "cannot read '_'"),
        ("x" * 201, "201 characters"),
        ("(" * 30 + "x" + ")" * 30, "inside each other"),
        ("x" + "^x" * 40, "inside each other"),
        ("x * / y", "expected a number, x, y or a function at character 5"),
    ],
)
def test_an_error_says_where_and_what(text, words):
    with pytest.raises(BadInput, match=words):
        formula(text)


@given(st.text(alphabet="xy0123456789.+-*/^() sincolgeqrtabh", max_size=60))
def test_no_text_does_worse_than_an_error(text):
    try:
        read = formula(text)
    except BadInput:
        return
    assert read.value(PLACES).shape == (3,)
    assert read.gradient(PLACES).shape == (3, 2)


def test_nothing_warns_where_the_formula_is_not_defined():
    assert np.isnan(formula("log(x)").value([-1.0, 0.0]))
    assert np.isinf(formula("1 / x").value([0.0, 0.0]))
    assert np.isinf(formula("9^9^9^9").value([0.0, 0.0]))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("rosenbrock", "(1 - x)^2 + 20 (3y - x^2)^2"),
        ("valley", "0.1 x^2 + 2 y^2"),
        ("wells", "x^4 - 2x^2 + y^2"),
        ("quartic", "x^4 - 3x^3 + 2"),
    ],
)
def test_built_in_surfaces_agree_with_their_formula(name, text):
    ground, read = SURFACES[name], formula(text)
    np.testing.assert_allclose(ground.value(PLACES), read.value(PLACES), rtol=1e-13)
    np.testing.assert_allclose(ground.gradient(PLACES), read.gradient(PLACES), rtol=1e-13, atol=1e-13)
    np.testing.assert_allclose(ground.hessian(PLACES), read.hessian(PLACES), rtol=1e-13, atol=1e-13)

"""Linear models on real data sets, scaled as one would scale them, and the made-up regression of the first source document.

scikit-learn's data sets come with scikit-learn (no download); the airfoil table is fetched by the tasks room and handed in.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from ..errors import BadData, require
from .base import Array, Problem
from .linear_models import least_squares, logistic, softmax, with_intercept

__all__ = ["airfoil", "breast_cancer", "diabetes", "digits", "linear_regression", "standardised"]


def standardised(columns: ArrayLike) -> Array:
    """Every column minus its mean, over its population standard deviation; a constant column becomes zeros.

    >>> standardised([[1.0, 5.0], [3.0, 5.0]])
    array([[-1.,  0.],
           [ 1.,  0.]])
    """
    x = np.asarray(columns, dtype=float)
    spread = x.std(axis=0)
    return (x - x.mean(axis=0)) / np.where(spread == 0, 1.0, spread)


def digits(l2: float = 0.0) -> Problem:
    """Softmax regression on scikit-learn's 1797 scanned digits of 8 x 8 pixels: 10 classes, 650 parameters, start 0.

    Pixels 0..16 are divided by 16 and not centred, as people do; a column of ones is the intercept.

    Raises:
        MissingExtra: scikit-learn is not installed.

    >>> float(digits().value(digits().start).round(6))
    2.302585
    """
    data = require("sklearn.datasets", "tasks").load_digits()
    return softmax(
        with_intercept(data.data / 16),
        data.target,
        l2=l2,
        name="digits",
        about="softmax regression on 1797 real scanned digits, 8 x 8 pixels, 10 classes",
        source="Alpaydin and Kaynak 1998, UCI Optical Recognition of Handwritten Digits (as in scikit-learn)",
    )


def diabetes(l2: float = 0.0) -> Problem:
    """Linear regression of disease progression of 442 patients on 10 measurements; all columns and the target standardised.

    Raises:
        MissingExtra: scikit-learn is not installed.

    >>> float(diabetes().value(diabetes().start).round(12))
    0.5
    """
    data = require("sklearn.datasets", "tasks").load_diabetes()
    return least_squares(
        with_intercept(standardised(data.data)),
        standardised(data.target),
        l2=l2,
        name="diabetes",
        about="linear regression of disease progression on 10 measurements of 442 patients",
        source="Efron, Hastie, Johnstone and Tibshirani 2004 (as in scikit-learn)",
    )


def breast_cancer(l2: float = 0.0) -> Problem:
    """Logistic regression: malignant or benign, from 30 standardised measurements of 569 tumours, and an intercept.

    Raises:
        MissingExtra: scikit-learn is not installed.

    >>> breast_cancer().examples
    569
    """
    data = require("sklearn.datasets", "tasks").load_breast_cancer()
    return logistic(
        with_intercept(standardised(data.data)),
        data.target,
        l2=l2,
        name="breast-cancer",
        about="logistic regression on 30 standardised measurements of 569 tumours",
        source="Wolberg, Street and Mangasarian 1995, UCI Breast Cancer Wisconsin Diagnostic (as in scikit-learn)",
    )


def airfoil(table: ArrayLike, examples: int = 1500) -> Problem:
    """Linear regression of airfoil noise on 5 measurements: the table (1503, 6), target last.

    As the source chapter does: all six columns, the target too, are standardised over *all* rows, then the first 1500 rows
    are kept (so their means are not exactly 0); an intercept is added. Starts are w ~ N(0, 0.01^2), intercept 0.

    Raises:
        BadData: a table of another shape, or too few rows.
    """
    raw = np.asarray(table, dtype=float)
    if raw.ndim != 2 or raw.shape[1] != 6 or len(raw) < examples:
        raise BadData(f"the airfoil table has shape {raw.shape}: (1503, 6) is expected, six columns and at least {examples} rows")
    z = standardised(raw)[:examples]

    def draw(seed: int) -> Array:
        return np.append(np.random.default_rng([seed, 5]).normal(0, 0.01, 5), 0.0)

    return least_squares(
        with_intercept(z[:, :5]),
        z[:, 5],
        draw=draw,
        name="airfoil",
        about="linear regression of airfoil self-noise on 5 wind-tunnel measurements, 1500 examples",
        source="Brooks, Pope and Marcolini 1989, UCI Airfoil Self-Noise, doi 10.24432/C5VW2C, CC BY 4.0",
    )


def linear_regression(seed: int = 0, examples: int = 1000, noise: float = 0.01) -> Problem:
    """The made-up regression of the first source document: y = 2 x1 - 3.4 x2 + 4.2 + noise, x ~ N(0, I).

    Starts are w ~ N(0, I), intercept 0. The floor of the loss is about noise^2/2.

    >>> linear_regression().optimum.round(2)
    array([ 2. , -3.4,  4.2])
    """
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((examples, 2))
    truth = np.array([2.0, -3.4, 4.2])
    y = with_intercept(x) @ truth + noise * rng.standard_normal(examples)

    def draw(seed: int) -> Array:
        return np.append(np.random.default_rng([seed, 2]).standard_normal(2), 0.0)

    return least_squares(
        with_intercept(x),
        y,
        draw=draw,
        name="linear-regression",
        about="linear regression on 1000 made-up examples, two well-scaled features",
        source="MXNet, the straight dope: momentum from scratch (2017)",
        facts={"truth": truth, "noise": noise},
    )

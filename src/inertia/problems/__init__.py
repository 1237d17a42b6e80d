"""Things to minimise: value, gradient, Hessian-vector product, optimum, start and plotting domain."""

from .base import Problem
from .datasets import airfoil, breast_cancer, diabetes, digits, linear_regression
from .linear_models import least_squares, logistic, softmax, with_intercept
from .quadratics import diagonal, valley

__all__ = [
    "Problem",
    "airfoil",
    "breast_cancer",
    "diabetes",
    "diagonal",
    "digits",
    "least_squares",
    "linear_regression",
    "logistic",
    "softmax",
    "valley",
    "with_intercept",
]

"""Things to minimise: value, gradient, Hessian-vector product, optimum, start and plotting domain."""

from .base import Problem

__all__ = ["Problem"]

"""The heart: a momentum method is four numbers, and one short step reads them.

    xi[k+1] = (1 + beta) xi[k] - beta xi[k-1] - alpha grad f(y[k])
    y[k]    = (1 + gamma) xi[k] - gamma xi[k-1]        where the gradient is taken; what frameworks hold in `params`
    x[k]    = (1 + delta) xi[k] - delta xi[k-1]        what is read out

From the gradient's side a method is a gain alpha, a pole beta and a zero gamma/(1 + gamma); delta is read-out only, so
no rate on a quadratic depends on it. (Lessard, Recht and Packard 2016; Van Scoy, Freeman and Lynch 2018.)
"""

from __future__ import annotations

from typing import Any, NamedTuple, TypeAlias

import numpy as np

from ..errors import BadInput
from .arrays import known, number

__all__ = ["Method", "Transfer", "checked", "fields", "hidden", "init", "readout", "step", "transfer"]

Scalar: TypeAlias = Any  # a float, or an array of any framework: methods broadcast


# A NamedTuple, not a validating dataclass: it is a jax pytree without importing jax, vmaps, broadcasts in numpy and
# unpacks. The price is no validation here; `checked` does it at the borders (command line, adapters, choosers).
class Method(NamedTuple):
    """Four numbers that are a momentum method: alpha (unit 1/curvature), beta, gamma and delta (no unit).

    Fields may be floats or arrays that broadcast; there is no default alpha because it carries a unit.

    >>> Method(alpha=0.1, beta=0.9)
    Method(alpha=0.1, beta=0.9, gamma=0.0, delta=0.0)
    """

    alpha: Scalar  # step size, in 1/curvature
    beta: Scalar = 0.0  # momentum: the pole
    gamma: Scalar = 0.0  # look-ahead: beta for Nesterov, 0 for heavy ball
    delta: Scalar = 0.0  # read-out only: no rate on a quadratic depends on it


class Transfer(NamedTuple):
    """What a method does to gradients once equal pole and zero are cancelled: -gain (z - zero) / ((z - 1)(z - pole))."""

    gain: float
    pole: float | None
    zero: float | None


def init(params: Scalar) -> Scalar:
    """The velocity a method starts with: zeros, as in torch and optax (part of the method: another start, another path).

    >>> init(np.ones(2))
    array([0., 0.])
    """
    return params * 0


def step(method: Method, params: Scalar, velocity: Scalar, grad: Scalar) -> tuple[Scalar, Scalar]:
    """One step: velocity <- beta velocity + grad; params <- params - alpha ((1 + gamma) new - gamma old).

    The velocity is a plain sum of past gradients (alpha stays outside), as in torch and optax, so that schedules mean
    the same thing. Works on anything with + and *: floats, numpy, jax and torch arrays. Returns (params, velocity).

    >>> step(Method(0.5, beta=0.5), 1.0, 0.0, 1.0)
    (0.5, 1.0)
    """
    new = method.beta * velocity + grad
    return params - method.alpha * ((1 + method.gamma) * new - method.gamma * velocity), new


def readout(method: Method, params: Scalar, velocity: Scalar) -> Scalar:
    """The point x that the method's guarantee speaks of: params - alpha (delta - gamma) velocity.

    >>> readout(Method(0.5, beta=0.5, gamma=0.5), 1.0, 2.0)
    1.5
    """
    return params - method.alpha * (method.delta - method.gamma) * velocity


def hidden(method: Method, params: Scalar, velocity: Scalar) -> Scalar:
    """The iterate xi behind params: params + alpha gamma velocity.

    >>> hidden(Method(0.5, beta=0.5, gamma=0.5), 1.0, 2.0)
    1.5
    """
    return params + method.alpha * method.gamma * velocity


def transfer(method: Method, tolerance: float = 1e-12) -> Transfer:
    """The method as seen from the gradient, pole and zero cancelled where they meet.

    Two recipes with equal transfer make the same steps from rest. On gamma = beta/(1 - beta) the zero cancels the pole:
    the method *is* gradient descent with step alpha/(1 - beta).

    >>> transfer(Method(0.1, beta=0.5, gamma=1.0))
    Transfer(gain=0.2, pole=None, zero=None)
    """
    gain = float(method.alpha * (1 + method.gamma))
    if gain == 0 or 1 + method.gamma == 0:
        return Transfer(float(method.alpha), float(method.beta), None)
    pole, zero = float(method.beta), float(method.gamma / (1 + method.gamma))
    if abs(pole - zero) <= tolerance:
        return Transfer(gain, None, None)
    return Transfer(gain, pole, zero)


def fields(method: Method) -> tuple[Any, Any, Any, Any]:
    """alpha, beta, gamma and delta as arrays of floats, lists among them too.

    Raises:
        BadInput: no Method, or a field that is not made of numbers or holds nan.

    >>> fields(Method([0.1, 0.2]))[0]
    array([0.1, 0.2])
    """
    if not isinstance(method, tuple) or len(method) != 4:
        raise BadInput(f"{method!r} is no method: give a Method, such as Method(0.1, beta=0.9)")
    found = []
    for name, value in zip(Method._fields, method, strict=True):
        found.append(known(value, name))
    return found[0], found[1], found[2], found[3]


def checked(method: Method) -> Method:
    """The same method with plain floats, or the reason why no run can use it.

    Raises:
        BadInput: alpha not positive and finite, beta outside [-1, 1], gamma or delta not finite.

    >>> checked(Method(0.1, beta=1))
    Method(alpha=0.1, beta=1.0, gamma=0.0, delta=0.0)
    """
    for name, value in zip(Method._fields, method, strict=True):
        if not np.all(np.isfinite(number(value, name))):
            raise BadInput(f"{name} = {value} is not finite: give a finite number")
    if np.any(np.asarray(method.alpha) <= 0):
        raise BadInput(f"alpha = {np.min(method.alpha):g} is not positive: a step size must be > 0")
    worst = np.asarray(method.beta).flat[np.argmax(np.abs(method.beta))]
    if abs(worst) > 1:
        raise BadInput(f"beta = {worst:g} is outside [-1, 1]: old gradients would grow for ever; did you mean {np.sign(worst) * 0.9:g}?")
    return Method(*(float(value) if np.ndim(value) == 0 else np.asarray(value, dtype=float) for value in method))

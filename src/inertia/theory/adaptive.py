"""Adam and its kin: momentum in a metric.

Between two steps the denominator of an adaptive optimizer hardly moves. With it held still at P = diag(sqrt(v) + eps), and z = P^(1/2) x,
the first moment of Adam is heavy-ball momentum on the preconditioned Hessian P^(-1/2) H P^(-1/2), whose eigenvalues are those of
P^(-1) H. Everything that is known of a Method then holds for these curvatures.

    Adam, AdamW, AMSGrad, RAdam once rectified    alpha = lr (1 - beta1), beta = beta1, gamma = 0
    NAdam                                         alpha = lr (1 - beta1), beta = beta1, gamma = beta1 (1 - mu)/(1 - beta1)
    RMSprop with momentum (P inside the buffer)   alpha = lr, beta = momentum, gamma = 0
    Adagrad, RMSprop without momentum             alpha = lr, beta = 0, gamma = 0

Weight decay is *coupled* where it is added to the gradient before the moments (it is then part of the loss: add decay/2 |x|^2 to it),
and *decoupled* (AdamW, SGDW) where every step also shrinks the parameters by a factor 1 - shrink. Then the roots are those of

    z^2 - (1 - shrink + beta - alpha h (1 + gamma)) z + (1 - shrink) beta - alpha h gamma.

(Kingma and Ba 2015; Dozat 2016; Loshchilov and Hutter 2019; Cohen et al. 2022 for the edge that full-batch Adam hovers at.)
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..core.arrays import known, single
from ..core.method import Method, fields
from ..errors import BadInput
from .modes import roots_of

__all__ = ["adagrad", "adam", "decayed_edge", "decayed_rate", "decayed_roots", "nadam", "resting_penalty", "rmsprop"]


def adam(lr: float, beta1: float = 0.9) -> Method:
    """Adam, AdamW, AMSGrad and a rectified RAdam as a Method in the metric sqrt(v_hat) + eps.

    Args:
        lr: learning rate, in units of 1/(preconditioned curvature).
        beta1: momentum of the first moment, in [0, 1).

    Raises:
        BadInput: beta1 outside [0, 1), a learning rate that is not positive.

    >>> from inertia.theory.modes import edge
    >>> round(float(edge(adam(0.001))), 6)          # 38/lr
    38000.0
    """
    _checked(lr, beta1, "beta1")
    return Method(lr * (1 - beta1), beta1)


def nadam(lr: float, beta1: float = 0.9, mu: float | None = None) -> Method:
    """NAdam as a Method in the metric sqrt(v_hat) + eps.

    Its step is lr (mu m + (1 - mu) g) in the metric, m the new first moment; written as a Method this has
    gamma = beta1 (1 - mu)/(1 - beta1).

    Args:
        lr: learning rate.
        beta1: momentum of the first moment, in [0, 1).
        mu: weight of the first moment. optax and Keras: beta1 (the default), which is Nesterov's form, gamma = beta1. torch: beta1 (1 -
            0.96^(t momentum_decay)/2), which tends to beta1 as t grows and stays beta1/2 with momentum_decay = 0.

    Raises:
        BadInput: as `adam`; mu outside [0, 1].

    Source: Dozat 2016, Algorithm 2.

    >>> nadam(1.0, 0.9).gamma
    0.9
    >>> from inertia.theory.modes import edge
    >>> round(float(edge(nadam(1.0, 0.9, mu=0.45))), 2)
    3.49
    """
    _checked(lr, beta1, "beta1")
    weight = beta1 if mu is None else mu
    weight = single(weight, "mu")
    if not 0 <= weight <= 1:
        raise BadInput(f"mu = {weight:g} is outside [0, 1]: it weighs the first moment against the gradient, such as {beta1:g}")
    gamma = beta1 if mu is None else beta1 * (1 - weight) / (1 - beta1)
    if beta1 == 0 and weight > 0:
        return Method(lr)  # the first moment is the gradient itself
    return Method(lr * (1 - beta1), beta1, gamma)


def rmsprop(lr: float, momentum: float = 0.0) -> Method:
    """RMSprop as a Method in the metric sqrt(v) + eps; its momentum sums the scaled gradients.

    Args:
        lr: learning rate, in units of 1/(preconditioned curvature).
        momentum: in [0, 1) (default 0).

    Raises:
        BadInput: momentum outside [0, 1), a learning rate that is not positive.

    Source: Tieleman and Hinton 2012, lecture 6.5; momentum as in torch and optax.

    >>> rmsprop(0.01, 0.9)
    Method(alpha=0.01, beta=0.9, gamma=0.0, delta=0.0)
    """
    _checked(lr, momentum, "momentum")
    return Method(lr, momentum)


def adagrad(lr: float) -> Method:
    """Adagrad as a Method in the metric sqrt(sum g^2) + eps.

    Source: Duchi, Hazan and Singer 2011, Figure 1.

    Args:
        lr: learning rate, in units of 1/(preconditioned curvature).

    >>> adagrad(0.01)
    Method(alpha=0.01, beta=0.0, gamma=0.0, delta=0.0)
    """
    _checked(lr, 0.0, "momentum")
    return Method(lr)


def decayed_roots(method: Method, curvature: ArrayLike, shrink: ArrayLike = 0.0) -> NDArray[np.complex128]:
    """The two roots of one (preconditioned) curvature where every step also shrinks the parameters: shape (*broadcast, 2).

    Args:
        method: in the metric.
        curvature: eigenvalues of P^(-1) H.
        shrink: share of the parameters that a step takes off: lr times decay in AdamW of torch and optax, decay where it is not
            multiplied by the rate.

    >>> decayed_roots(Method(1.0, 0.0), 0.0, 0.25).real
    array([0.75, 0.  ])
    """
    total, product = _decayed(method, curvature, shrink)
    return roots_of(total, product)


def decayed_rate(method: Method, curvature: ArrayLike, shrink: ArrayLike = 0.0) -> Any:
    """Factor by which one step eventually multiplies the error: the larger |root| of `decayed_roots`.

    Args:
        method: in the metric.
        curvature: eigenvalues of P^(-1) H.
        shrink: share of the parameters that a step takes off, as in `decayed_roots` (default 0).

    >>> float(decayed_rate(Method(1.0, 0.0), 0.25, 0.25))
    0.5
    """
    return np.abs(decayed_roots(method, curvature, shrink)).max(axis=-1)[()]


def decayed_edge(method: Method, shrink: ArrayLike = 0.0) -> Any:
    """Largest (preconditioned) curvature that is stable: (2 - shrink)(1 + beta)/(alpha (1 + 2 gamma)).

    For gamma >= 0, |beta| < 1 and 0 <= shrink < 1. Derivation: the root at -1 of the polynomial of `decayed_roots` (Jury's criterion).

    Args:
        method: in the metric.
        shrink: share of the parameters that a step takes off, as in `decayed_roots`, in [0, 1) (default 0).

    Raises:
        BadInput: shrink outside [0, 1).

    >>> round(float(decayed_edge(adam(0.1), 0.0)), 9), round(float(decayed_edge(adam(0.1), 0.1)), 9)
    (380.0, 361.0)
    """
    e = known(shrink, "shrink")
    wrong = e[~((e >= 0) & (e < 1))]
    if wrong.size:
        raise BadInput(f"shrink = {wrong.flat[0]:g} is outside [0, 1): it is lr times weight decay")
    alpha, beta, gamma, _ = fields(method)
    return ((2 - e) * (1 + beta) / (alpha * (1 + 2 * gamma)))[()]


def resting_penalty(decay: float, form: str, beta: float = 0.0) -> tuple[str, float]:
    """Which quadratic is added to the loss at the point where a method with weight decay comes to rest: (its metric, its weight).

    Args:
        decay: weight decay.
        form: "coupled" (added to the gradient), "adamw" (decoupled, times the learning rate, P held still), or "sgdw" (decoupled, times the
            learning rate, beside a velocity in gradient units).
        beta: momentum of SGDW.

    The resting point minimises f + weight/2 x'x ("identity") or f + weight/2 x'P x ("metric"). It is never the loss's own minimum.

    Raises:
        BadInput: an unknown form.

    >>> resting_penalty(0.1, "sgdw", beta=0.9)
    ('identity', 0.01)
    """
    decay, beta = single(decay, "decay"), single(beta, "beta")
    if form == "coupled":
        return "identity", decay
    if form == "adamw":
        return "metric", decay
    if form == "sgdw":
        return "identity", round((1 - beta) * decay, 15)
    raise BadInput(f"form = '{form}' is not one of coupled, adamw, sgdw: write how the decay is applied")


def _decayed(method: Method, curvature: ArrayLike, shrink: ArrayLike) -> tuple[Any, Any]:
    """Sum and product of the roots."""
    alpha, beta, gamma, _ = fields(method)
    ah, kept = alpha * known(curvature, "curvature"), 1 - known(shrink, "shrink")
    return kept + beta - ah * (1 + gamma), kept * beta - ah * gamma


def _checked(lr: float, momentum: float, name: str) -> None:
    lr, momentum = single(lr, "lr"), single(momentum, name)
    if not (np.isfinite(lr) and lr > 0):
        raise BadInput(f"lr = {lr:g} is not positive and finite: give a learning rate above 0, such as 0.001")
    if not 0 <= momentum < 1:
        raise BadInput(f"{name} = {momentum:g} is outside [0, 1): give one below 1, such as 0.9")

"""A momentum method as an optax GradientTransformation.

    velocity <- beta velocity + grad;   update = -alpha ((1 + gamma) velocity_new - gamma velocity_old)

The four coefficients are arrays in the state, not constants of the program: `with_method` puts a new Method there between
two steps and nothing is compiled again. `optax.inject_hyperparams` is honoured as well: what changed last counts. For weight
decay, clipping, masking or gradient accumulation combine it with optax.chain, optax.masked, optax.MultiSteps.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from ..core.method import Method, checked
from ..core.schedule import Schedule
from ..errors import BadInput

__all__ = ["MomentumState", "momentum", "readout", "with_method"]


class MomentumState(NamedTuple):
    """Steps taken, the coefficients (arrays) of the last update (or the next, where constant), and the velocity."""

    count: Any  # () int32
    method: Method  # four () arrays
    velocity: Any  # like params, in gradient units
    given: Method  # four () arrays: the coefficients that the transformation was made with at the last step


def momentum(
    method: Method | Schedule | None = None,
    *,
    learning_rate: Any = None,
    momentum: Any = None,
    nesterov: bool = False,
    velocity_dtype: Any = None,
) -> optax.GradientTransformationExtraArgs:
    """The method as an optax transformation: pass gradients, get updates to add.

    With Method(lr, beta=m) it makes the same updates as `optax.sgd(lr, m)`, with gamma = m those of `nesterov=True`.

    Args:
        method: the coefficients, or a schedule (step -> Method, built-in or yours in jax.numpy), read inside the compiled step.
            Or leave it out and use the words of optax.sgd, which optax.inject_hyperparams can change between steps:
        learning_rate: a number >= 0, or an optax schedule (step -> number).
        momentum: beta (default 0).
        nesterov: gamma = beta instead of 0.
        velocity_dtype: keep the velocity in another precision than the parameters, e.g. float32 under bfloat16 parameters.

    Raises:
        BadInput: coefficients that no run can use; a schedule that cannot be traced, or gives no Method.

    >>> import optax
    >>> tx = momentum(Method(0.1, beta=0.9))
    >>> updates, state = tx.update({"w": jnp.ones(2)}, tx.init({"w": jnp.zeros(2)}))
    >>> updates["w"]
    Array([-0.1, -0.1], dtype=float32)
    """
    chosen = _said(method, learning_rate, momentum, nesterov)
    if isinstance(chosen, Method):
        _refuse_unusable(chosen)
    remembers = _remembers(chosen)

    def init(params: Any) -> MomentumState:
        first = _arrays(chosen if isinstance(chosen, Method) else _asked(chosen, jnp.zeros((), int)))
        zeros = jax.tree.map(lambda p: jnp.zeros_like(p, dtype=_dtype(p, velocity_dtype)), params)
        # a buffer for each: a step that donates its state may not be given one twice
        return MomentumState(jnp.zeros((), jnp.int32), first, zeros, Method(*map(jnp.copy, first)))

    def update(updates: Any, state: MomentumState, params: Any = None, **extra: Any) -> tuple[Any, MomentumState]:
        del params, extra
        if isinstance(chosen, Method):
            given = Method(*(jnp.asarray(new, old.dtype) for new, old in zip(chosen, state.given, strict=True)))
            # made anew with other coefficients (inject_hyperparams does so at every step): those count, else the state's
            now = Method(*(jnp.where(g == was, held, g) for g, was, held in zip(given, state.given, state.method, strict=True)))
        else:
            given = now = _arrays(_asked(chosen, state.count.astype(int)))  # int32 / int would be float32
        new = jax.tree.map(lambda g, v: _cast(now.beta, v) * v + g.astype(v.dtype), updates, state.velocity)
        if remembers:
            moved = jax.tree.map(lambda g, n, v: _move(now, n, v).astype(g.dtype), updates, new, state.velocity)
        else:
            moved = jax.tree.map(lambda g, n: _move_on(now, n, g).astype(g.dtype), updates, new)
        return moved, MomentumState(optax.safe_increment(state.count), now, new, given)

    return optax.GradientTransformationExtraArgs(init, update)


def readout(params: Any, state: Any) -> Any:
    """The point the method's guarantee speaks of: params - alpha (delta - gamma) velocity, for any optax state.

    Finds the momentum state inside chains, masks and wrappers; parameters it does not move are returned as they are. Evaluate
    and save there, go on training from `params`.

    Raises:
        BadInput: no momentum state inside.

    >>> tx = momentum(Method(0.5, beta=0.5, gamma=0.5))
    >>> _, state = tx.update(jnp.array(2.0), tx.init(jnp.array(1.0)))
    >>> float(readout(jnp.array(1.0), state))
    1.5
    """
    point = params
    for found in _found(state):
        scale = found.method.alpha * (found.method.delta - found.method.gamma)

        def out(v: Any, p: Any, scale: Any = scale) -> Any:
            return p if isinstance(v, optax.MaskedNode) else (p - _cast(scale, v) * v).astype(p.dtype)

        point = jax.tree.map(out, found.velocity, point, is_leaf=lambda node: isinstance(node, optax.MaskedNode))
    return point


def with_method(state: Any, method: Method) -> Any:
    """The same optax state with new coefficients for the steps to come; a compiled step is not compiled again.

    Every momentum state inside is changed; one made from a schedule goes on reading its schedule.

    Raises:
        BadInput: coefficients that no run can use; no momentum state inside; gamma without beta where the state was made for
            a method with beta, whose compiled step does not look at the old velocity.

    >>> tx = momentum(Method(0.1))
    >>> state = with_method(tx.init(jnp.zeros(2)), Method(0.2))
    >>> float(tx.update(jnp.ones(2), state)[0][0])
    -0.20000000298023224
    """
    _refuse_unusable(method)
    if _remembers(method) and not all(_remembers(found.method) for found in _found(state)):
        raise BadInput(
            f"beta = 0 with gamma = {method.gamma:g} steps back along the old velocity, which this compiled step has not kept: "
            "make a new transformation with momentum(method)"
        )
    _found(state)

    def swap(node: Any) -> Any:
        if not isinstance(node, MomentumState):
            return node
        fields = (jnp.asarray(new, old.dtype) for new, old in zip(method, node.method, strict=True))
        return node._replace(method=Method(*fields))

    return jax.tree.map(swap, state, is_leaf=_is_momentum)


def _move(now: Method, new: Any, old: Any) -> Any:
    """-alpha ((1 + gamma) new - gamma old), written so that gamma = 0 is bitwise heavy ball."""
    return -_cast(now.alpha, new) * (new + _cast(now.gamma, new) * (new - old))


def _move_on(now: Method, new: Any, grad: Any) -> Any:
    """The same from the new velocity and the gradient (old = (new - grad)/beta), so that the velocity is updated in place.

    Reading the old velocity after the new one exists would make XLA copy it: 7 times slower, measured.
    """
    beta, gamma = _cast(now.beta, new), _cast(now.gamma, new)
    share = jnp.where(beta == 0, 0, gamma / jnp.where(beta == 0, 1, beta))
    return -_cast(now.alpha, new) * ((1 - share + gamma) * new + share * grad.astype(new.dtype))


def _said(method: Any, learning_rate: Any, beta: Any, nesterov: bool) -> Any:
    """The method, or the schedule of methods, that was given as such or in the words of optax.sgd."""
    if method is None:
        if learning_rate is None:
            raise BadInput("give a Method(alpha, beta=...), or the words of optax.sgd: learning_rate=0.1, momentum=0.9, nesterov=True")
        beta = 0.0 if beta is None else beta
        gamma = beta if nesterov else 0.0
        return (lambda step: Method(learning_rate(step), beta, gamma)) if callable(learning_rate) else Method(learning_rate, beta, gamma)
    if learning_rate is not None or beta is not None or nesterov:
        raise BadInput(
            "a Method and the words of optax.sgd are both given: put them into the Method (alpha, beta, gamma = beta for nesterov)"
        )
    if not isinstance(method, Method) and not callable(method):
        raise BadInput(f"{method!r} is not a Method: write momentum(Method(0.1, beta=0.9)), or momentum(learning_rate=0.1, momentum=0.9)")
    return method


def _remembers(method: Method | Schedule) -> bool:
    """Whether a step needs the old velocity itself: gamma without beta (optimistic gradient), or a schedule that may say so."""
    known = method if isinstance(method, Method) else getattr(method, "method", None)
    if known is None:
        return True
    if known.gamma is known.beta:
        return False
    if isinstance(known.gamma, jax.core.Tracer) or (isinstance(known.beta, jax.core.Tracer) and bool(np.any(np.asarray(known.gamma)))):
        return True
    if isinstance(known.beta, jax.core.Tracer):
        return False
    return bool(np.any((np.asarray(known.beta) == 0) & (np.asarray(known.gamma) != 0)))


def _cast(coefficient: Any, like: Any) -> Any:
    """A coefficient in the (real) precision of what it multiplies, so that nothing is promoted."""
    return coefficient.astype(jnp.finfo(like.dtype).dtype)


def _dtype(leaf: Any, asked: Any) -> Any:
    """The velocity's dtype for a parameter: its own, or the one asked for (complex where the parameter is)."""
    own = jnp.asarray(leaf).dtype
    if not jnp.issubdtype(own, jnp.inexact):
        raise BadInput(f"a parameter has dtype {own}: momentum moves floating-point or complex parameters; mask the others (optax.masked)")
    if asked is None:
        return own
    return jnp.promote_types(asked, jnp.complex64) if jnp.issubdtype(own, jnp.complexfloating) else asked


def _arrays(method: Method) -> Method:
    """Coefficients as strongly typed arrays: a weak type would compile the second step again."""
    return Method(*(jnp.asarray(value, jnp.result_type(float)) for value in method))


def _asked(schedule: Any, step: Any) -> Method:
    """The schedule's method for a step that may be traced."""
    try:
        method = schedule(step)
    except (jax.errors.TracerArrayConversionError, jax.errors.ConcretizationTypeError) as error:
        raise BadInput(
            f"the schedule {schedule!r} computes on the host and cannot be compiled: write it with jax.numpy, or pass a Method "
            "and change it between steps with inertia.jax.with_method"
        ) from error
    if not isinstance(method, Method):
        raise BadInput(
            "the schedule gives a number, and a Method is needed: write momentum(learning_rate=schedule, momentum=0.9), "
            "or momentum(lambda step: Method(schedule(step), beta=0.9))"
        )
    return method


def _found(state: Any) -> list[MomentumState]:
    found = [node for node in jax.tree.leaves(state, is_leaf=_is_momentum) if _is_momentum(node)]
    if not found:
        raise BadInput("there is no momentum state in this optimizer state: was it made by inertia.jax.momentum?")
    return found


def _is_momentum(node: Any) -> bool:
    return isinstance(node, MomentumState)


def _refuse_unusable(method: Method) -> None:
    """`checked`, but for a learning rate of 0 and for coefficients that are being traced (a vmap over methods, injected ones)."""
    if not any(isinstance(value, jax.core.Tracer) for value in method):
        try:
            alpha = np.asarray(method.alpha, float)
        except (TypeError, ValueError):
            alpha = method.alpha
        checked(method._replace(alpha=np.where(alpha == 0, 1.0, alpha) if isinstance(alpha, np.ndarray) else alpha))

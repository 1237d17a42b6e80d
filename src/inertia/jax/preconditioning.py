"""A JAX loss measured as its optax optimizer meets it: in the metric of the real state, with the step along the real update."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from ..errors import BadInput
from ..measurement.model import Plan, measure_source
from ..measurement.rescaled import Rescaled
from ..measurement.steplength import along, pulls
from ..tuning.preconditioned import NATURES, Preconditioned, Running, enough, preconditioned, without_metric
from .adaptive import in_metric
from .nature import Nature, nature, stepped
from .products import FULL, JaxSource

__all__ = ["measured_under"]


def measured_under(source: JaxSource, plan: Plan, transform: Any, opt_state: Any, walk: int) -> Preconditioned:
    """The plan carried out in the metric of a transformation's state.

    Raises:
        BadInput: no transformation, a state of another one or of other parameters, one that cannot be read.
    """
    enough(walk)
    if transform is None:
        raise BadInput("opt_state holds no learning rate and no settings: pass optimizer=, the optax transformation that made it, as well")
    params, walked = source.unravel(source.flat), 0
    known = nature(transform, params)
    reason = _reason(known)
    state = _state(transform, opt_state, params)
    if not stepped(state, transform.init(params)) and not known.found.linear:
        state, walked = _walked(source, plan, transform, state, walk), walk
        params = source.unravel(source.flat)
    if reason:
        rate = _rate(known, transform, state, params)
        who = Running(known.found.verdict if known.found.nature != "sign" else "a sign method", rate, None, walked=walked)
        slopes, curvatures = _along(source, plan, transform, state, rate)
        return without_metric(reason, who, slopes, curvatures, source.notes | source.cost())
    seen = in_metric(known, state, params)
    slopes, curvatures = _along(source, plan, transform, state, seen.learning_rate)
    source.notes |= seen.noted(walked)
    kind = np.float64 if source.dimension <= FULL else source.dtype
    root, penalty = seen.root.astype(kind), None if seen.penalty is None else seen.penalty.astype(kind)
    return preconditioned(measure_source(Rescaled(source, root, penalty), plan), seen.running(walked), slopes, curvatures)


def _state(transform: Any, opt_state: Any, params: Any) -> Any:
    """The state given, if it is one of this transformation on these parameters; a fresh one for None."""
    fresh = transform.init(params)
    if opt_state is None:
        return fresh
    shapes = [[np.shape(leaf) for leaf in jax.tree.leaves(one)] for one in (opt_state, fresh)]
    if jax.tree.structure(opt_state) != jax.tree.structure(fresh) or shapes[0] != shapes[1]:
        raise BadInput(
            "opt_state is not a state of this transformation on these parameters (another tree, or other shapes): pass the one that its "
            "update returned"
        )
    return opt_state


def _reason(known: Nature) -> str:
    """Why there is no metric, if that is in the nature of the transformation."""
    natures = {group.nature for group in (known.found.groups or (known.found,))} - {""}
    return next((text.format("The transformation") for name, text in NATURES.items() if name in natures), "")


def _rate(known: Nature, transform: Any, state: Any, params: Any) -> float:
    """The learning rate of a sign method's next step; 1 (the update as it is) where none can be told."""
    if known.found.nature != "sign":
        return 1.0
    zero = jax.tree.map(jnp.zeros_like, params)
    moved = transform.update(jax.tree.map(jnp.ones_like, params), state, zero)[0]
    sizes = np.concatenate([np.abs(np.asarray(leaf, float)).ravel() for leaf in jax.tree.leaves(moved)])
    return float(np.median(sizes)) or 1.0


def _walked(source: JaxSource, plan: Plan, transform: Any, state: Any, steps: int) -> Any:
    """The state after so many steps; the source is then at the parameters there."""
    update = jax.jit(transform.update)
    for number, batch in zip(range(1, steps + 1), source.endless(plan.seed, plan.batch_size), strict=False):
        grad = source.graded(source.flat, batch, f"step {number}")[1]
        params = source.unravel(source.flat)
        moved, state = update(source.unravel(grad), state, params)
        source.flat = jax.flatten_util.ravel_pytree(optax.apply_updates(params, moved))[0].astype(source.flat.dtype)
    return state


def _along(source: JaxSource, plan: Plan, transform: Any, state: Any, rate: float) -> tuple[list[float], list[float]]:
    """g'u and u'H u of the next updates."""
    _, gradient = source.gradient()
    params = source.unravel(source.flat)

    def update(pull: Any) -> Any:
        moved, _ = transform.update(source.unravel(jnp.asarray(pull, source.dtype)), state, params)
        return -np.asarray(jax.flatten_util.ravel_pytree(moved)[0]).astype(gradient.dtype) / rate

    return along(source, gradient, map(update, pulls(source, plan, gradient)))

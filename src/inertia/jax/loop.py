"""The plain loop for a JAX function: one compiled scan, coefficients as arrays so that a new method does not compile again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree

from ..core.method import Method, checked, readout, step
from ..core.record import Record
from ..core.schedule import coming, tabulate
from ..errors import BadInput

__all__ = ["ground_of"]


def ground_of(
    f: Callable[[Any], Any], x0: Any, steps: int, keep_path: bool | None, kept: int
) -> tuple[int, Callable[[Any], Any], Callable[[Any], Record]]:
    """Dimension, Hessian-vector product at the start, and a run, of f(params) -> number for any pytree of real arrays.

    Raises:
        BadInput: f does not give one finite real number at the start, steps < 1.
    """
    if isinstance(steps, bool) or not isinstance(steps, int) or steps < 1:
        raise BadInput(f"steps = {steps!r}: give a whole number >= 1")
    start, unravel = ravel_pytree(x0)
    if not jnp.issubdtype(start.dtype, jnp.floating):
        raise BadInput(f"x0 has dtype {start.dtype}: start from real floating-point numbers, such as 1.0 in place of 1")
    keep = (steps + 1) * start.size <= kept if keep_path is None else keep_path

    def value(flat: Any) -> Any:
        return f(unravel(flat))

    first = jax.eval_shape(value, start)
    if getattr(first, "shape", None) != () or not jnp.issubdtype(first.dtype, jnp.floating):
        raise BadInput(f"f(x0) is {first}: one real number is needed, such as jnp.mean or jnp.sum of it")
    if not bool(jnp.isfinite(value(start))) or not bool(jnp.all(jnp.isfinite(start))):
        raise BadInput(f"f(x0) = {value(start)} is not finite there: choose another start")

    @jax.jit
    def whole(start: Any, table: Method) -> Any:
        def one(state: Any, now: Method) -> Any:
            params, velocity = state
            loss, grad = jax.value_and_grad(value)(params)
            moved, velocity = step(now, params, velocity, grad)
            return (moved, velocity), (loss, jnp.all(jnp.isfinite(moved)), moved if keep else None)

        (final, velocity), (losses, fine, path) = jax.lax.scan(one, (start, jnp.zeros_like(start)), table)
        return final, velocity, jnp.append(losses, value(final)), fine, path

    product = jax.jit(lambda flat, vector: jax.jvp(jax.grad(value), (flat,), (vector,))[1])

    def run(method: Any) -> Record:
        coefficients = tabulate(method, steps)
        checked(Method(*(column[0] for column in coefficients)))
        table = Method(*(jnp.asarray(column, start.dtype) for column in coefficients))
        *ends, path = whole(start, table)
        params, velocity, losses, fine = (np.asarray(part, float) for part in ends)
        good = np.isfinite(losses) & np.append(True, fine > 0)
        diverged = None if good.all() else int(np.argmin(good))
        points = None if path is None else np.concatenate([np.asarray(start, float)[None], np.asarray(path, float)])[:diverged]
        if diverged is None:
            final = np.asarray(readout(Method(*map(float, coming(method, coefficients, steps))), params, velocity))
        else:
            final = params = np.asarray(start, float) if points is None else points[-1]
        trees = {name: unravel(jnp.asarray(flat, start.dtype)) for name, flat in (("params", params), ("final", final))}
        notes = trees | {"velocity": velocity}
        name = "constant" if isinstance(method, Method) else str(getattr(method, "name", "custom"))
        first_method = Method(*(float(column[0]) for column in coefficients))
        spent = steps if diverged is None else diverged
        return Record(first_method, losses[:diverged], final, steps, points, diverged, spent, name, notes=notes, params=params)

    def hvp(vector: Any) -> Any:
        return np.asarray(product(start, jnp.asarray(vector, start.dtype)))

    return int(start.size), hvp, run

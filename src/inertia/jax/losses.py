"""What a JAX loss of a batch is worth: a mean over its examples, a sum, or (sum, weight), so that batches add up right."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ..errors import BadInput
from ..measurement.asked import TWO

__all__ = ["Loss", "rows_in", "taken"]

_PROBED = 12  # examples with which a loss is asked how it adds up


class Loss:
    """`loss(params, batch)` or `loss(params, batch, key)` with the weight that a batch has among others.

    Whole losses are sums of weight times value over the sum of weights. A loss that is summed over a batch is kept as the
    objective of the user's own loop: the sum over `scale` examples.
    """

    def __init__(self, loss: Callable[..., Any], size_of: Callable[[Any], int] | None = None) -> None:
        if not callable(loss):
            raise BadInput(f"loss of type {type(loss).__name__} cannot be called: pass a function loss(params, batch)")
        self.loss, self.size_of, self.keyed = loss, size_of or rows_in, _takes_key(loss)
        self.summed, self.scale, self.other = False, 1.0, False

    def __call__(self, params: Any, batch: Any, key: Any = None) -> tuple[Any, Any]:
        """Value and weight of a batch; without a key of its own, the same one each time."""
        value, weight = self.raw(params, batch, key)
        if weight is not None:
            return value, weight
        size = self.size_of(batch)
        return (value * (self.scale / size) if self.summed else value), jnp.asarray(size, value.dtype)

    def raw(self, params: Any, batch: Any, key: Any = None) -> tuple[Any, Any]:
        """The loss as it is, a scalar, and its weight where it tells."""
        given = (jax.random.key(0) if key is None else key,) if self.keyed else ()
        value, weight = self.loss(params, batch, *given), None
        if isinstance(value, tuple | list) and len(value) == 2:
            if isinstance(value[1], dict):
                raise BadInput("the loss returned (loss, dict): return the loss alone, lambda params, batch: loss(params, batch)[0]")
            value, weight = value[0] / value[1], jnp.asarray(value[1], jnp.result_type(value[0]))
        if isinstance(value, dict):
            raise BadInput(f"the loss is a dict ({', '.join(map(str, list(value)[:4]))}), and one number is minimised: return their sum")
        if not hasattr(value, "ndim") or not jnp.issubdtype(value.dtype, jnp.floating):
            raise BadInput(f"the loss returned {type(value).__name__}: loss(params, batch) must return a real jax array")
        return jnp.mean(value), weight

    def learn(self, params: Any, batch: Any, scale: float) -> None:
        """Find out whether it is a mean or a sum over examples, by asking two unequal parts and both together."""
        total = rows_in(batch)
        if total < 3:
            return
        rows = np.unique(np.linspace(0, total - 1, min(_PROBED, total)).round().astype(int))
        cut = max(1, len(rows) // 3)
        asked = jax.jit(self.raw)  # one program for each size, where single operations would be compiled one by one
        (a, weight), (b, _), (both, _) = (asked(params, taken(batch, part)) for part in (rows[:cut], rows[cut:], rows))
        if weight is not None:
            moved = jax.tree.map(lambda leaf: leaf + 1.0, params)
            if float(asked(moved, taken(batch, rows[:cut]))[1]) != float(weight):
                raise BadInput(TWO)
        close = float(jnp.finfo(a.dtype).eps) ** 0.5
        a, b, both = float(a), float(b), float(both)
        size, share = close * max(abs(a), abs(b), abs(both), 1e-30), cut / len(rows)
        if weight is not None or not math.isfinite(a + b + both) or abs(share * a + (1 - share) * b - both) <= size:
            return
        self.summed = abs(a + b - both) <= size
        self.other, self.scale = not self.summed, scale if self.summed else 1.0

    @property
    def said(self) -> str:
        """A note about the loss, where there is something to say."""
        if self.summed:
            return f"the loss is a sum over the batch: everything is of the sum over {self.scale:g} examples"
        unclear = "the loss of a batch is neither a mean nor a sum over examples: whole losses are means over batches; return (sum, weight)"
        return unclear if self.other else ""


def rows_in(batch: Any) -> int:
    """Number of examples: the first dimension of the first array."""
    for leaf in jax.tree.leaves(batch):
        if np.ndim(leaf):
            return int(np.shape(leaf)[0])
    raise BadInput(f"a batch of type {type(batch).__name__} holds no array: batches are arrays, or tuples or dicts of arrays")


def taken(data: Any, rows: Any) -> Any:
    """The chosen rows of every array; numbers go along whole."""
    return jax.tree.map(lambda leaf: leaf[rows] if np.ndim(leaf) else leaf, data)


def _takes_key(loss: Callable[..., Any]) -> bool:
    """Whether it wants a key: a third argument without a default."""
    try:
        signature = inspect.signature(loss)
    except ValueError:
        return False
    for count, keyed in ((2, False), (3, True)):
        try:
            signature.bind(*[None] * count)
        except TypeError:
            continue
        return keyed
    raise BadInput("the loss takes other arguments than loss(params, batch) or loss(params, batch, key)")

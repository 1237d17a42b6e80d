"""What a JAX loss of a batch is worth: a mean over its examples, a sum, or (sum, weight), so that batches add up right."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ..errors import BadInput, InertiaError
from ..measurement.asked import METRIC, OTHER, SUM, TWO, Parts, beside, unequal

__all__ = ["Loss", "rows_in", "taken"]

_NUMBERS = int | float | np.number | np.ndarray | jax.Array


class Loss:
    """`loss(params, batch)` or `loss(params, batch, key)` with the weight that a batch has among others.

    Whole losses are sums of weight times value over the sum of weights. A loss that is summed over a batch is kept as the
    objective of the user's own loop: the sum over `scale` examples.
    """

    def __init__(self, loss: Callable[..., Any], size_of: Callable[[Any], int] | None = None) -> None:
        if not callable(loss):
            raise BadInput(f"loss of type {type(loss).__name__} cannot be called: pass a function loss(params, batch)")
        self.loss, self.size_of, self.keyed = loss, size_of or rows_in, _takes_key(loss)
        self.summed, self.scale, self.other, self.weighed = False, 1.0, False, False  # `weighed`: it tells the weight of a batch

    def __call__(self, params: Any, batch: Any, key: Any = None) -> tuple[Any, Any]:
        """Value and weight of a batch; without a key of its own, the same one each time."""
        value, weight = self.raw(params, batch, key)
        if weight is not None:
            return value, weight
        size = self.size_of(batch)
        return (value * (self.scale / size) if self.summed else value), jnp.asarray(size, value.dtype)

    def raw(self, params: Any, batch: Any, key: Any = None) -> tuple[Any, Any]:
        """The loss as it is, a scalar, and its weight where it tells."""
        value, weight = self._pair(params, batch, key)
        return jnp.mean(value if weight is None else value / weight), weight

    def _pair(self, params: Any, batch: Any, key: Any = None) -> tuple[Any, Any]:
        """What the loss returned: an array, and the number beside it."""
        given = (jax.random.key(0) if key is None else key,) if self.keyed else ()
        try:
            value, second = self.loss(params, batch, *given), None
        except InertiaError:
            raise
        except Exception as error:
            self._refuse_parts(params, batch, error)
            raise
        paired = isinstance(value, tuple | list) and len(value) == 2
        if paired:
            value, second = value
            beside(second, int(np.size(second)) if isinstance(second, _NUMBERS) else None)
        if isinstance(value, dict):
            raise BadInput(f"the loss is a dict ({', '.join(map(str, list(value)[:4]))}), and one number is minimised: return their sum")
        if not hasattr(value, "ndim") or not jnp.issubdtype(value.dtype, jnp.floating):
            raise BadInput(f"the loss returned {type(value).__name__}: loss(params, batch) must return a real jax array")
        return value, jnp.asarray(second, value.dtype).reshape(()) if paired else None

    def _refuse_parts(self, params: Any, batch: Any, error: Exception) -> None:
        """Say so where the loss, which failed, works on the parts of the batch one by one.

        Raises:
            BadInput: it does.
        """
        if not isinstance(batch, tuple | list | dict):
            return
        named = isinstance(batch, dict)
        try:
            jax.eval_shape(lambda: self.loss(params, **batch) if isinstance(batch, dict) else self.loss(params, *batch))
        except Exception:  # whatever it raises: it is not that
            return
        held = f"a dict of {', '.join(map(str, batch))}" if named else f"a {type(batch).__name__} of {len(batch)}"
        raise BadInput(
            f"the loss takes what is in a batch ({held}) one by one, and it is called as loss(params, batch), or as "
            f"loss(params, batch, key) with a random key: write lambda p, batch: loss(p, {'**' if named else '*'}batch)"
        ) from error

    def learn(self, params: Any, batch: Any, scale: float) -> None:
        """Find out whether it is a mean or a sum over examples, by asking two unequal parts and both together.

        The loss of a batch that cannot be cut is taken for a mean, once its weight was seen not to change with the parameters.
        """

        def pair(at: Any, part: Any) -> tuple[Any, Any]:
            value, weight = self._pair(at, part)
            return jnp.mean(value), weight

        asked = jax.jit(pair)  # one program for each size, where single operations would be compiled one by one
        lengths = {int(np.shape(leaf)[0]) for leaf in jax.tree.leaves(batch) if np.ndim(leaf)}
        if len(lengths) != 1 or self.size_of(batch) not in lengths:  # a graph with its nodes and edges
            weight = asked(params, batch)[1]
            if weight is not None:
                self._constant(params, batch, asked, float(weight))
            self.weighed = weight is not None
            return
        total = lengths.pop()
        if total < 3:
            return
        parts = unequal(total)
        seen = [asked(params, taken(batch, part)) for part in parts]
        self.weighed = seen[2][1] is not None
        if self.weighed:
            self._constant(params, taken(batch, parts[2]), asked, float(seen[2][1]))
        weights = Parts(*(float(weight) for _, weight in seen)) if self.weighed else None
        close = float(jnp.finfo(seen[0][0].dtype).eps) ** 0.5
        kind = Parts(*(float(value) for value, _ in seen)).kind(weights, len(parts[0]) / len(parts[2]), close)
        self.summed, self.other = kind == SUM, kind == OTHER
        self.scale = scale if self.summed else 1.0

    def _constant(self, params: Any, batch: Any, asked: Callable[..., Any], weight: float) -> None:
        """Refuse a weight that is another one at other parameters: one with a slope is a second loss."""
        slopes = jax.jit(jax.grad(lambda at: self._pair(at, batch)[1], allow_int=True))(params)
        if any(bool(jnp.any(leaf != 0)) for leaf in jax.tree.leaves(slopes) if jnp.issubdtype(leaf.dtype, jnp.floating)):
            raise BadInput(TWO)
        if float(asked(jax.tree.map(lambda leaf: leaf + 1, params), batch)[1]) != weight:
            raise BadInput(METRIC.format(why="changes with the parameters"))

    @property
    def said(self) -> str:
        """A note about the loss, where there is something to say."""
        if self.summed:
            return f"the loss is a sum over the batch: everything is of the sum over {self.scale:g} examples"
        unclear = f"the loss of a batch is {OTHER}: whole losses are means over batches"
        return unclear + ("" if self.weighed else "; return (sum, weight)") if self.other else ""


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
    raise BadInput(
        "the loss takes other arguments than loss(params, batch) or loss(params, batch, key): if it takes what is in a batch one by one, "
        "write lambda p, batch: loss(p, *batch), or with a key lambda p, batch, key: loss(p, *batch, key)"
    )

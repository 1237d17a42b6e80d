"""Gradients and Hessian-vector products of a JAX loss over batches, compiled once per batch shape.

Data and parameters are arguments of the compiled functions: closed over, they would be folded into constants for seconds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree

from ..errors import BadInput
from ..measurement.vectors import Vectors
from .losses import Loss, rows_in, taken

__all__ = ["FULL", "JaxSource", "as_batches", "rows_in", "taken"]

FULL = 500_000  # up to this many parameters all Lanczos vectors are kept, in float64; beyond, two in the model's precision
BYTES = 1 << 22  # of inputs per chunk, unless told otherwise
PRICE = 2.0
WAYS = ("forward over reverse", "reverse over reverse", "differences of gradients")


class JaxSource:
    """A `Source` (see inertia.measurement.model): one function of a flat vector, made of a loss, parameters and batches."""

    def __init__(
        self, loss: Loss, params: Any, data: Any, chunk: int | None, parts: int, way: str = WAYS[0], programs: dict[str, Any] | None = None
    ) -> None:
        self.notes: dict[str, Any] = {"frozen": []}
        self.flat, self.unravel = _flattened(params, self.notes["frozen"])
        if loss.keyed:
            self.notes["frozen"].append("the loss draws with a key: one fixed key, which a training renews at every step")
        self.dimension, self.dtype = int(self.flat.size), self.flat.dtype
        self.whole, self.batches = as_batches(data, chunk, parts)
        self.chunk = chunk
        self.sizes = [loss.size_of(batch) for batch in self.batches]
        self.weights: dict[int, float] = {}  # of batches whose loss was asked for
        if not self.sizes:
            raise BadInput("the data hold no batches: an iterator had been read before, or a list was empty")
        self.price = PRICE
        self.way, self.spent = WAYS.index(way), {"hvps": 0.0, "gradients": 0.0}

        self.scalar, unravel = loss, self.unravel
        if loss.said:
            self.notes["loss_is"] = loss.said
        kept: dict[str, Any] = {} if programs is None else programs  # compiled once for all sources of a job
        if not kept:

            def value(flat: Any, batch: Any) -> Any:
                return loss(unravel(flat), batch)

            def slope(flat: Any, batch: Any) -> Any:
                return jax.grad(lambda f: value(f, batch)[0])(flat)

            kept["graded"] = jax.jit(jax.value_and_grad(value, has_aux=True))
            kept["forward"] = jax.jit(lambda flat, vector, batch: jax.jvp(lambda f: slope(f, batch), (flat,), (vector,))[1])
            kept["reverse"] = jax.jit(lambda flat, vector, batch: jax.grad(lambda f: jnp.vdot(slope(f, batch), vector))(flat))
        self._graded, self._products = kept["graded"], [kept["forward"], kept["reverse"]]

    def position(self) -> Any:
        """The parameters as a flat vector."""
        return np.asarray(self.flat, np.float64 if self.dimension <= FULL else self.dtype)

    def space(self, vectors: bool) -> Vectors:
        """Host vectors: all kept in float64 for a small model or where wanted, else the last two in the model's precision."""
        small = self.dimension <= FULL
        made = Vectors(self.dimension, np.float64 if small else self.dtype, keep=small or vectors)
        made.source_rounding = self.rounding
        return made

    def rounding(self) -> tuple[float, float]:
        """Relative rounding and asymmetry to expect of a product."""
        epsilon = float(jnp.finfo(self.dtype).eps)
        return (epsilon, epsilon**0.5) if self.way < 2 else (epsilon ** (2 / 3), 0.3)

    def gradient(self, parts: Sequence[int] | None = None) -> tuple[float, Any]:
        """Mean loss and gradient over the batches."""
        self.spent["gradients"] += 1
        return self.sum_of(self.flat, list(range(len(self.sizes))) if parts is None else list(parts))

    def parted(self) -> Iterator[tuple[float, Any, float, int]]:
        """Loss, gradient, weight and examples of each batch."""
        self.spent["gradients"] += 1
        for index, batch in self._chosen(list(range(len(self.sizes)))):
            value, grad, self.weights[index] = self.graded(self.flat, batch, f"batch {index}")
            yield value, np.asarray(grad, np.float64 if self.dimension <= FULL else self.dtype), self.weights[index], self.sizes[index]

    def summed(self, vector: Any, *numbers: float) -> list[float]:
        """Numbers over all processes that share the examples: this one."""
        return list(numbers)

    def gradient_at(self, vector: Any) -> Any:
        """The gradient at the parameters displaced by a vector."""
        return self.sum_of(self.flat + jnp.asarray(vector, self.dtype), list(range(len(self.sizes))))[1]

    def sum_of(self, flat: Any, parts: list[int]) -> tuple[float, Any]:
        """Mean loss and gradient of some batches at any parameters."""
        total, out = 0.0, np.zeros(self.dimension, np.float64 if self.dimension <= FULL else self.dtype)
        for index, batch in self._chosen(parts):
            value, grad, weight = self.graded(flat, batch, f"batch {index}")
            self.weights[index] = weight
            total += weight * value
            out += np.asarray(grad) * np.asarray(weight, out.dtype)
        weights = sum(self.weights[index] for index in parts)
        return total / weights, out / np.asarray(weights, out.dtype)

    def graded(self, flat: Any, batch: Any, name: str) -> tuple[float, Any, float]:
        """Loss, gradient and weight of one batch, all finite."""
        (value, weight), grad = self._graded(flat, batch)
        if not np.isfinite(float(value)):
            raise BadInput(f"the loss of {name} is {float(value)}: look at its inputs, or measure at other parameters")
        if not np.isfinite(float(jnp.sum(grad))):
            raise BadInput(f"the gradient of {name} is not finite: look at its inputs, or measure at other parameters")
        return float(value), grad, float(weight)

    def hvp(self, vector: Any, parts: Sequence[int] | None = None) -> Any:
        """Hessian of the mean loss over the batches (or some of them) times a vector."""
        chosen = list(range(len(self.sizes))) if parts is None else list(parts)
        for index, batch in self._chosen([index for index in chosen if index not in self.weights]):
            self.weights[index] = self.graded(self.flat, batch, f"batch {index}")[2]
        weight, share = sum(self.weights[index] for index in chosen), sum(self.sizes[index] for index in chosen) / sum(self.sizes)
        out = np.zeros_like(vector)
        direction = jnp.asarray(vector, self.dtype)
        for index, batch in self._chosen(chosen):
            image = np.asarray(self._product(direction, batch))
            if not np.isfinite(np.sum(image)):
                raise BadInput(f"the second derivative of batch {index} is not finite: look at its inputs and at the loss there")
            out += image * np.asarray(self.weights[index] / weight, out.dtype)
        self.spent["hvps"] += share
        return out

    def mini_batches(self, rng: np.random.Generator, batch_size: int) -> Iterator[tuple[Any, int]]:
        """Gradients of mini-batches: rows drawn at random from arrays, the iterable's own batches otherwise."""
        total = sum(self.sizes)
        for batch in self.drawn(rng, batch_size):
            size = self.scalar.size_of(batch)
            self.spent["gradients"] += size / total
            yield np.asarray(self.graded(self.flat, batch, "a mini-batch")[1], np.float64), size

    def drawn(self, rng: np.random.Generator, batch_size: int) -> Iterator[Any]:
        """Mini-batches: random rows for ever, or the iterable's batches once."""
        if self.whole is None:
            yield from map(_widened, self.batches)
        while self.whole is not None:
            yield _widened(taken(self.whole, np.sort(rng.choice(rows_in(self.whole), batch_size, replace=False))))

    def endless(self, seed: int, batch_size: int | None) -> Iterator[Any]:
        """Mini-batches to walk on, over and over: of all examples where no size is asked for."""
        total, rng = sum(self.sizes), np.random.default_rng([seed, 3])
        while True:
            yield from self.drawn(rng, min(batch_size or total, total))

    def cost(self) -> dict[str, float]:
        """Products and gradients of the whole data spent so far."""
        self.notes["products"] = WAYS[self.way] + (", which feel the kinks of piecewise linear losses" if self.way == 2 else ", exact")
        return {name: round(value, 6) for name, value in self.spent.items()}

    def _product(self, vector: Any, batch: Any) -> Any:
        """One batch's product, in the first way that this loss allows."""
        while self.way < 2:
            try:
                return self._products[self.way](self.flat, vector, batch)
            except (TypeError, ValueError) as error:  # no forward mode (custom_vjp), or no derivative of the derivative
                self.notes["why"] = str(error).strip().splitlines()[0][:160]
                self.way += 1
        reach = float(jnp.finfo(self.dtype).eps ** (1 / 3))  # along a unit vector: balances rounding and curvature
        up, down = (self._graded(self.flat + sign * reach * vector, batch)[1] for sign in (1, -1))
        return (up - down) / (2 * reach)

    def _chosen(self, parts: list[int]) -> Iterator[tuple[int, Any]]:
        wanted = set(parts)
        return ((index, _widened(batch)) for index, batch in enumerate(self.batches) if index in wanted)


class _Chunks:
    """Arrays cut into chunks of consecutive rows, again and again."""

    def __init__(self, whole: Any, chunk: int) -> None:
        self.whole, self.chunk, self.total = whole, chunk, rows_in(whole)

    def __iter__(self) -> Iterator[Any]:
        """The chunks in order; the last may be smaller."""
        return (taken(self.whole, slice(at, at + self.chunk)) for at in range(0, self.total, self.chunk))


def as_batches(data: Any, chunk: int | None, parts: int) -> tuple[Any, Iterable[Any]]:
    """The data whole (None if it comes in batches) and as batches, at least `parts` of them where it can be cut.

    A list or any other iterable is a series of batches; an array, a tuple or a dict of arrays is the data itself. Leaves
    without a dimension (a temperature beside the inputs) go whole into every batch.
    """
    if isinstance(data, list) or not isinstance(data, tuple | dict | np.ndarray | jax.Array):
        if not isinstance(data, Iterable):
            raise BadInput(f"data of type {type(data).__name__} cannot be read: pass arrays (in a tuple or dict), or a list of batches")
        return None, list(data) if isinstance(data, Iterator) else data
    leaves = [leaf for leaf in jax.tree.leaves(data) if np.ndim(leaf)]
    lengths = {len(leaf) for leaf in leaves}
    if not lengths:
        raise BadInput("the data hold no array with examples along its first dimension: pass arrays of shape (examples, ...)")
    if len(lengths) != 1:
        raise BadInput(f"the arrays hold {sorted(lengths)} examples: every array must have the same first dimension")
    total = lengths.pop()
    if total == 0:
        raise BadInput("the data hold no examples")
    if chunk is not None and chunk < 1:
        raise BadInput(f"chunk = {chunk} is too few: a batch holds at least 1 example")
    each = sum(leaf.nbytes for leaf in leaves) / total
    limit = min(total, chunk or max(int(BYTES // each), 64), -(-total // parts))
    return data, _Chunks(data, -(-total // -(-total // limit)) if chunk is None else limit)


def _flattened(params: Any, report: list[str]) -> tuple[Any, Callable[[Any], Any]]:
    """Parameters as one real vector, half precision widened to float32."""
    leaves = jax.tree.leaves(params)
    if not leaves:
        raise BadInput("params hold no array: curvature is measured along the arrays in params")
    dtypes = {jnp.asarray(leaf).dtype for leaf in leaves}
    odd = [str(dtype) for dtype in dtypes if not jnp.issubdtype(dtype, jnp.floating)]
    if odd:
        raise BadInput(
            f"params hold {', '.join(odd)} arrays: curvature is along real floating-point numbers; move the others into the loss"
        )
    if any(dtype.itemsize < 4 for dtype in dtypes):
        report.append("half-precision parameters and inputs: measured in float32")
    flat, unravel = ravel_pytree(jax.tree.map(_wide, params))
    return flat, unravel


def _wide(leaf: Any) -> Any:
    half = jnp.issubdtype(jnp.asarray(leaf).dtype, jnp.floating) and jnp.asarray(leaf).dtype.itemsize < 4
    return jnp.asarray(leaf, jnp.float32) if half else leaf


def _widened(batch: Any) -> Any:
    return jax.tree.map(lambda leaf: jnp.asarray(_wide(leaf)), batch)

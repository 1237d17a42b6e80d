"""Curvature and gradient noise of your own JAX loss, at your own parameters.

spectrum = inertia.jax.measure(loss, params, (inputs, targets), batch_size=64)       # loss(params, batch) -> mean loss
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ..core.method import Method, step
from ..core.spectrum import Spectrum
from ..errors import BadInput
from ..measurement.along import measured, watched
from ..measurement.asked import drawn, ended, judged, listed
from ..measurement.lanczos import FAILURE, krylov
from ..measurement.model import Plan, Watch, has_end
from ..tuning.preconditioned import WALK
from .losses import Loss
from .preconditioning import measured_under
from .products import WAYS, JaxSource, rows_in, taken

__all__ = ["Eigenvectors", "check_deterministic", "eigenvectors", "measure"]


class Eigenvectors(NamedTuple):
    """The k largest curvatures, largest first: values, error bars and unit directions shaped like params."""

    values: list[float]
    errors: list[float]  # a curvature of the Hessian lies this close to each value
    vectors: list[Any]
    upper: float  # bar above the largest
    hvps: float


def measure(
    loss: Callable[..., Any],
    params: Any,
    data: Any,
    *,
    optimizer: Any = None,
    opt_state: Any = None,
    walk: int = WALK,
    batch_size: int | None = None,
    examples: int | None = None,
    size_of: Callable[[Any], int] | None = None,
    ends: str = "largest",
    rtol: float = 0.01,
    depth: int | None = None,
    top: int = 1,
    probes: int = 1,
    weights: bool = True,
    noise: int = 8,
    sampling: bool | None = None,
    along: int | Sequence[int] | None = None,
    along_method: Method | None = None,
    products: str = "exact",
    chunk: int | None = None,
    progress: bool | Watch = False,
    seed: int = 0,
    failure: float = FAILURE,
) -> Spectrum:
    """The spectrum of the Hessian of the mean loss at `params`, with error bars and an upper bar.

    `loss(params, batch)` is the mean loss of a batch; `data` an array, a tuple or a dict of arrays with the examples first
    (then a batch has the same form), or a list (or any iterable) of batches. Everything else as in `inertia.torch.measure`:
    batches weighted by their size, costs counted in `provenance`, `examples` for a subset with its sampling interval,
    `along` for sharpness on a short real trajectory. Randomness belongs into the loss as a fixed key.

    `optimizer`: the optax transformation that trains `params`, and `opt_state` its state. Then everything is measured in the metric of
    that state (Adam's denominator), and a `Preconditioned` comes back: the Spectrum of P^(-1) H, its `edge`, and `step`, the best
    learning rate along the updates that it would really make next. Without a state, or with one that has not stepped yet, a `walk` of so
    many steps is taken first, on a copy.

    Memory: one chunk differentiated twice, and up to 500,000 parameters every Lanczos vector on the host; beyond, two.

    Raises:
        BadInput: a loss that is not deterministic or not finite (and in which batch), data that cannot be read, parameters
            that are not real floating-point arrays, settings that no run can use; a transformation or a state that cannot be read.

    >>> found = measure(lambda w, x: jnp.mean((x @ w) ** 2), jnp.ones(2), jnp.array([[2.0, 0.0], [0.0, 1.0]]), noise=0)
    >>> round(found.L, 4), found.dimension
    (4.0, 2)
    """
    under = optimizer is not None or opt_state is not None
    if under and along is not None:
        raise BadInput("along trains by plain momentum and optimizer measures under another method: give one of the two")
    data = _sought(data) if examples is None else data
    whole = _subset(data, examples, seed)
    source = _source(loss, params, whole, products, chunk, bool(sampling) or whole is not data, batch_size, size_of, seed)
    if source.scalar.other and sampling is None:
        sampling = False
    plan = Plan(
        rtol=rtol, depth=depth, ends=ends, top=top, probes=probes, weights=weights, noise=noise, batch_size=batch_size,
        sampling=whole is not data if sampling is None else sampling, seed=seed, failure=failure, watch=watched(progress),
    )  # fmt: skip
    if under:
        return measured_under(source, plan, optimizer, opt_state, walk)
    return measured(source, plan, along, along_method, partial(_walked, source, plan))


def eigenvectors(
    loss: Callable[..., Any], params: Any, data: Any, k: int = 1, *, rtol: float = 0.01, depth: int | None = None, seed: int = 0
) -> Eigenvectors:
    """The k largest curvatures and their directions, shaped like `params`.

    Raises:
        BadInput: as `measure`.

    >>> found = eigenvectors(lambda w, x: jnp.mean((x @ w["a"]) ** 2), {"a": jnp.ones(2)}, jnp.array([[2.0, 0.0], [0.0, 1.0]]))
    >>> round(found.values[0], 4), jnp.abs(found.vectors[0]["a"]).round(4)
    (4.0, Array([1., 0.], dtype=float32))
    """
    source = _source(loss, params, data, "exact", None, False)
    run = krylov(source.hvp, source.space(True), rtol=rtol, depth=depth, ends="largest", top=k, vectors=True, seed=seed)
    shaped = [source.unravel(jnp.asarray(row, source.dtype)) for row in run.vectors]
    return Eigenvectors(run.values[::-1][:k].tolist(), run.residuals[::-1][:k].tolist(), shaped, run.upper, source.cost()["hvps"])


def _source(
    loss: Callable[..., Any], params: Any, data: Any, products: str, chunk: int | None, halves: bool, batch_size: int | None = None,
    size_of: Callable[[Any], int] | None = None, seed: int = 0,
) -> JaxSource:  # fmt: skip
    if products not in {"exact", "differences"}:
        raise BadInput(f"products = {products!r} is not one of 'exact', 'differences'")
    weighed = Loss(loss, size_of)
    way = WAYS[2 if products == "differences" else 0]
    source = JaxSource(weighed, params, data, chunk, 8 if halves else 1, way)
    first = next(iter(source.batches)) if source.whole is None else source.whole
    weighed.learn(params, first, float(batch_size or weighed.size_of(first)))
    if weighed.said:
        source.notes["loss_is"] = weighed.said
    if weighed.other and source.whole is not None:
        source = _together(source, weighed, params, data, chunk, halves, batch_size, seed, way)
    check_deterministic(source)
    return source


def _together(
    source: JaxSource, weighed: Loss, params: Any, data: Any, chunk: int | None, halves: bool, batch_size: int | None, seed: int, way: str
) -> JaxSource:  # fmt: skip
    """Of a loss that couples its examples: batches of a training's size, drawn as it draws them, where that is known; else one batch."""
    total = rows_in(data)
    size = min(total, batch_size or total)
    if len(source.sizes) > 1 and ((chunk is not None and chunk != size) or (halves and size == total)):
        raise BadInput(
            f"{weighed.said}: chunk=, examples= or sampling=True would cut it; batch_size= says how many examples are judged together"
        )
    if size < total and chunk != total:
        data = taken(jax.tree.map(np.asarray, data), drawn(total, seed))
    else:
        size = total
    source = JaxSource(weighed, params, data, size, 1, way)
    source.notes["loss_is"] += judged(size, total)
    return source


def check_deterministic(source: JaxSource) -> None:
    """Compiled and as written, the first batch must have the same loss: randomness drawn while tracing shows too."""
    looks = [jax.tree.map(jnp.asarray, next(iter(source.batches))) for _ in range(2)]
    same = all(_equal(a, b) for a, b in zip(*map(jax.tree.leaves, looks), strict=True))
    if not same:
        raise BadInput("the data differ at each reading (random augmentation or order?): pass arrays, or a list of batches")
    batch = next(source._chosen([0]))[1]
    compiled = source.graded(source.flat, batch, "batch 0")[0]
    written = float(source.scalar(source.unravel(source.flat), batch)[0])
    tolerance = 100 * float(jnp.finfo(source.dtype).eps) ** 0.75  # sums in another order differ by less
    if abs(compiled - written) > tolerance * max(abs(compiled), abs(written), 1e-12):
        raise BadInput(
            f"the loss is not deterministic: {written:.6g} as written, {compiled:.6g} compiled, on the same parameters and batch; "
            "does it draw from numpy's or Python's generators, or from outside? Use a fixed jax.random key"
        )


def _equal(one: Any, other: Any) -> bool:
    """Whether two arrays are the same, also where they hold numbers that are none."""
    return bool(jnp.array_equal(one, other, equal_nan=bool(jnp.issubdtype(one.dtype, jnp.inexact))))


def _subset(data: Any, examples: int | None, seed: int) -> Any:
    """A random choice of examples from arrays, the first batches of anything else."""
    if examples is None:
        return data
    if isinstance(data, tuple | dict | np.ndarray | jax.Array):
        total = rows_in(data)
        if examples > total:
            raise BadInput(f"examples = {examples} is more than the {total} in the data: use at most that")
        return data if examples == total else taken(data, np.sort(np.random.default_rng([seed, 2]).choice(total, examples, replace=False)))
    kept, seen = [], 0
    for batch in data:
        kept.append(batch)
        seen += rows_in(batch)
        if seen >= examples:
            break
    return kept


def _sought(data: Any) -> Any:
    """The data; an end is looked for where they do not say that they have one."""
    if not isinstance(data, Iterable) or isinstance(data, tuple | dict | np.ndarray | jax.Array) or has_end(data):
        return data
    return listed(data) if isinstance(data, Iterator) else _Sought(data)


class _Sought:
    """Batches that do not say how long they are."""

    def __init__(self, data: Iterable[Any]) -> None:
        self.data = data

    def __iter__(self) -> Iterator[Any]:
        return ended(self.data)


def _walked(source: JaxSource, plan: Plan, method: Method) -> Generator[None, None, None]:
    """Train by one step each time; closed, put the parameters back."""
    begin, velocity = source.flat, jnp.zeros_like(source.flat)
    try:
        for number, batch in enumerate(source.endless(plan.seed, plan.batch_size), 1):
            grad = source.graded(source.flat, batch, f"step {number}")[1]
            source.flat, velocity = step(method, source.flat, velocity, grad)
            source.flat, velocity = source.flat.astype(begin.dtype), velocity.astype(begin.dtype)
            yield
    finally:
        source.flat = begin

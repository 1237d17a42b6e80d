"""What a loss's autograd graph holds: how much memory, and whose functions."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch

__all__ = [
    "REENTRANT", "computed_in", "foreign_functions", "fused_attention", "gradient_of", "graph_bytes", "misses_second", "reentrant",
    "wrong_second",
]  # fmt: skip

REENTRANT = "checkpoint(use_reentrant=True) has a first derivative only; use_reentrant=False has a second one"


def reentrant(loss: torch.Tensor) -> bool:
    """Whether the graph holds a reentrant checkpoint: `grad` then misses, without a word, what is inside of it."""
    return "CheckpointFunction" in foreign_functions(loss)


def gradient_of(loss: torch.Tensor, params: Sequence[torch.Tensor], graph: bool, accumulated: bool) -> Sequence[torch.Tensor | None]:
    """The gradient, with its graph or without; `accumulated`: by way of `.grad`, as reentrant gradient checkpointing wants it."""
    if graph or not accumulated:
        return torch.autograd.grad(loss, list(params), create_graph=graph, allow_unused=True)
    before = [p.grad for p in params]
    try:
        for p in params:
            p.grad = None
        loss.backward()  # type: ignore[no-untyped-call]
        return [p.grad for p in params]
    finally:
        for p, grad in zip(params, before, strict=True):
            p.grad = grad


def foreign_functions(loss: torch.Tensor) -> set[str]:
    """Names of the functions in the loss's graph that are not torch's own: hand-written or compiled."""
    foreign = torch.autograd.function.BackwardCFunction
    return {type(node).__name__.removesuffix("Backward") for node in _nodes(loss) if isinstance(node, foreign)}


def fused_attention(loss: torch.Tensor) -> bool:
    """Whether attention was computed by one of torch's fused kernels, which have a first derivative only; its plain form is many nodes."""
    return any(node.name().startswith("ScaledDotProduct") for node in _nodes(loss))


def computed_in(loss: torch.Tensor) -> set[torch.dtype]:
    """Types of the floating point numbers that the loss was computed in, on its way from the parameters.

    What a node of the graph takes back is of the type of what it gave, so autocast is seen wherever it was entered: by a trainer,
    in the loss or within the model. What torch.compile made of a model is one node and keeps its inside to itself.
    """
    given = (given for node in _nodes(loss) for given in getattr(node, "_input_metadata", ()))
    return {kind for kind in (getattr(one, "dtype", None) for one in given) if kind is not None and kind.is_floating_point}


def _nodes(loss: torch.Tensor) -> Iterator[Any]:
    """Every node of the graph, once."""
    seen: set[Any] = set()
    ahead: list[Any] = [loss.grad_fn]
    while ahead:
        node = ahead.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        yield node
        ahead.extend(following for following, _ in node.next_functions)


def misses_second(foreign: set[str], start: torch.Tensor, product: Callable[[torch.Tensor], torch.Tensor]) -> bool:
    """Whether functions that are not torch's own have forgotten their second derivative: products are then not symmetric, or zero."""
    first = start / max(float(torch.linalg.vector_norm(start)), 1e-300)
    image = product(first)
    size = float(torch.linalg.vector_norm(image))
    second = image / max(size, 1e-300)
    skew = abs(float(second @ image) - float(first @ product(second)))
    return any("Compiled" in name for name in foreign) or size == 0 or skew > 1e-3 * size


def wrong_second(loss: torch.Tensor) -> str:
    """The function of torch's own in the graph whose second derivative is known to be wrong, where this torch still has it so; else ''.

    torch's weight norm takes the norm of its direction for a constant when its gradient is differentiated
    (`_weight_norm_differentiable_backward`, torch 2.13).
    """
    normed = any(node.name().startswith("WeightNormInterface") for node in _nodes(loss))
    return "torch's weight norm: wrong second derivative" if normed and _weight_norm_forgets() else ""


@functools.cache
def _weight_norm_forgets() -> bool:
    """Whether H v = -(gradient) fails along v, where it must hold: g v/|v| does not change with the length of v (Euler)."""
    with torch.enable_grad():
        v = torch.tensor([[3.0, 4.0]], dtype=torch.float64, requires_grad=True)
        value = torch._weight_norm(v, torch.ones(1, 1, dtype=torch.float64), 0)[0, 0]
        (first,) = torch.autograd.grad(value, v, create_graph=True)
        (second,) = torch.autograd.grad(first, v, v.detach())
    return not torch.allclose(second, -first.detach())


def graph_bytes(evaluate: Callable[[], torch.Tensor], params: Sequence[torch.Tensor]) -> int:
    """Memory held by the graph of one batch's gradient, beyond the parameters."""
    own = {p.untyped_storage().data_ptr() for p in params}
    held: dict[int, int] = {}

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            held[storage.data_ptr()] = storage.nbytes()
        return tensor.detach()  # a node that holds its own output, with what made it, is never freed

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        loss = evaluate()
        if loss.requires_grad:
            torch.autograd.grad(loss, list(params), create_graph=True, allow_unused=True)
    return sum(held.values())

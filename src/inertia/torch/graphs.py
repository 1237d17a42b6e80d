"""What a loss's autograd graph holds: how much memory, and whose functions."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch

__all__ = ["foreign_functions", "graph_bytes"]


def foreign_functions(loss: torch.Tensor) -> set[str]:
    """Names of the functions in the loss's graph that are not torch's own: hand-written or compiled."""
    found, seen, ahead = set(), set(), [loss.grad_fn]
    while ahead:
        node = ahead.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        if isinstance(node, torch.autograd.function.BackwardCFunction):
            found.add(type(node).__name__.removesuffix("Backward"))
        ahead.extend(following for following, _ in node.next_functions)
    return found


def graph_bytes(evaluate: Callable[[], torch.Tensor], params: Sequence[torch.Tensor]) -> int:
    """Memory held by the graph of one batch's gradient, beyond the parameters."""
    own = {p.untyped_storage().data_ptr() for p in params}
    held: dict[int, int] = {}

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            held[storage.data_ptr()] = storage.nbytes()
        return tensor.detach() if not tensor.requires_grad else tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        loss = evaluate()
        if loss.requires_grad:
            torch.autograd.grad(loss, list(params), create_graph=True, allow_unused=True)
    return sum(held.values())

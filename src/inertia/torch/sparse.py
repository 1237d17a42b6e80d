"""Embeddings with sparse gradients: which settings torch does not train them with."""

from __future__ import annotations

from collections.abc import Iterable

from torch import nn

from ..errors import BadInput
from ..tuning.budget import Budget
from .running import Share

__all__ = ["refuse_sparse", "sparse_in"]


def sparse_in(model: nn.Module) -> list[str]:
    """Names of the parameters whose gradients will be sparse.

    >>> sparse_in(nn.Sequential(nn.Embedding(5, 2, sparse=True), nn.Linear(2, 1)))
    ['0.weight']
    """
    modules = [(name, m) for name, m in model.named_modules() if isinstance(m, nn.Embedding | nn.EmbeddingBag)]
    return [f"{name}.weight".lstrip(".") for name, module in modules if module.sparse and module.weight.requires_grad]


def refuse_sparse(model: nn.Module, optimizers: Iterable[str], budget: Budget, shares: Iterable[Share] = (), processes: int = 1) -> None:
    """Refuse, before anything is measured, what every run would fail of: what torch cannot do with sparse gradients.

    Raises:
        BadInput: AdamW, weight decay of SGD, clipping or several processes, where an embedding has sparse gradients.
    """
    names = sparse_in(model)
    if not names:
        return
    decays = {name: budget.weight_decay for name in names}
    decays |= {name: share.decay for share in shares if share.decay is not None for name in share.names if name in decays}
    decayed = next((name for name, decay in decays.items() if decay), None)
    dense = "make the embedding with sparse=False"
    if "adamw" in optimizers:
        raise BadInput(
            f"the gradient of '{names[0]}' is sparse, and torch.optim.AdamW takes no sparse gradients: {dense}, tune optimizer='sgd', or "
            "train with torch.optim.SparseAdam, which is not tuned here"
        )
    if decayed is not None:
        raise BadInput(f"the gradient of '{decayed}' is sparse, and torch.optim.SGD adds no weight decay to it: {dense}, or leave it out")
    if budget.clip is not None:
        raise BadInput(f"the gradient of '{names[0]}' is sparse, and torch clips no sparse gradients: {dense}, or leave clip out")
    if processes > 1:
        raise BadInput(f"the gradient of '{names[0]}' is sparse, and several processes add up dense ones only: {dense}")

"""What a training loop hands to its watch: a model, its optimizer, a loss after each step; refused where it cannot be watched."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from ..core.arrays import whole
from ..errors import BadInput
from .wrappers import Wrapped, kind_of, unwrapped

__all__ = ["checked", "loss_of", "rate_here"]


def rate_here(group: dict[str, Any]) -> float:
    """The learning rate where it can be had without waiting for a device, else nan."""
    rate = group.get("lr", float("nan"))
    return float("nan") if isinstance(rate, torch.Tensor) and rate.device.type != "cpu" else float(rate)


def checked(model: Any, optimizer: Any, scaler: Any, batch_size: Any) -> None:
    """Refuse what cannot be watched."""
    if not isinstance(model, nn.Module):
        raise BadInput(f"model of type {type(model).__name__} is no torch.nn.Module: pass the model that is trained")
    if not isinstance(optimizer, torch.optim.Optimizer):
        raise BadInput(f"optimizer of type {type(optimizer).__name__} is no torch.optim.Optimizer: pass the one that steps the model")
    if kind_of(model) in (Wrapped.SHARDED, Wrapped.CUT):
        raise BadInput(
            "the model is shared out over several processes (fully_shard or tensor parallel), and a watch reads whole parameters: watch a "
            "run of one process, or one under DistributedDataParallel"
        )
    homes = {id(p) for group in optimizer.param_groups for p in group["params"]}
    if not any(id(p) in homes for p in unwrapped(model, compiled=False).parameters()):
        raise BadInput(
            "the optimizer holds none of the model's parameters: it belongs to another model, or was made before the model was moved"
        )
    if scaler is not None and not hasattr(scaler, "get_scale"):
        raise BadInput(f"scaler of type {type(scaler).__name__} has no get_scale: pass the torch.amp.GradScaler of the loop")
    if batch_size is not None:
        whole(batch_size, "batch_size", 1)


def loss_of(loss: Any) -> Any:
    """The loss of a step: a number, or a tensor of one that is still on its device."""
    if isinstance(loss, torch.Tensor):
        if loss.numel() != 1:
            raise BadInput(
                f"the loss given to step() holds {loss.numel()} numbers: give the one that was differentiated, such as its mean()"
            )
        return loss.item() if loss.is_cpu else loss.detach()
    try:
        return float(loss)
    except (TypeError, ValueError):
        raise BadInput(f"loss = {' '.join(repr(loss).split())[:60]} is not a number: give step() the loss of the step") from None

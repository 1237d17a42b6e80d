"""What several processes wrap around a model, taken off: DistributedDataParallel, fully_shard, tensor parallel, torch.compile.

What torch.compile made of a model is the same function, but cannot be differentiated twice: the module within is measured. A model of
`fully_shard` is measured as a copy gathered from all processes: its backward pass cannot be differentiated again.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from enum import Enum
from typing import Any, TypeGuard

import torch
from torch import nn
from torch.nn.parallel import DataParallel, DistributedDataParallel

from ..errors import BadInput

__all__ = ["Wrapped", "along", "bare", "cut", "joined", "kind_of", "like", "plain", "through", "unwrapped", "whole"]

_MARKS = ("__composable_api", "_is_fsdp", "_fsdp")  # attributes that fully_shard leaves


class Wrapped(Enum):
    """How several processes share a model."""

    NOT = "not"
    REPLICATED = "each process holds all of it"
    SHARDED = "each process holds a shard of every parameter"
    CUT = "each process computes a part of every layer"


def kind_of(model: nn.Module) -> Wrapped:
    """How a model is shared by several processes.

    Raises:
        BadInput: FSDP1; fully_shard and tensor parallel together.

    >>> kind_of(nn.Linear(2, 1))
    <Wrapped.NOT: 'not'>
    """
    modules = list(model.modules())
    if any(type(m).__name__ == "FullyShardedDataParallel" for m in modules):
        raise BadInput(
            "the model is wrapped in FullyShardedDataParallel (FSDP1), whose parameters cannot be read as the model's own: wrap it with "
            "torch.distributed.fsdp.fully_shard (FSDP2) instead, or pass the model before it is wrapped"
        )
    if any(_shards(m) for m in modules):
        if any(_foreign_hook(hook, "torch.distributed.tensor") for m in modules for hook in m._forward_pre_hooks.values()):
            raise BadInput("the model is cut by fully_shard and by tensor parallel at once: pass it with one of the two, or unwrapped")
        return Wrapped.SHARDED
    if any(isinstance(m, DistributedDataParallel) for m in modules):
        return Wrapped.REPLICATED
    meshes = [p.device_mesh for p in model.parameters() if _distributed(p)]
    if meshes and meshes[0].size() != torch.distributed.get_world_size():
        raise BadInput(
            f"the model is tensor-parallel over {meshes[0].size()} of {torch.distributed.get_world_size()} processes: let all of them "
            "share it, or pass it unwrapped"
        )
    return Wrapped.CUT if meshes else Wrapped.NOT


def bare(model: Any) -> Any:
    """The module itself, without what wraps it; of a sharded one a whole copy. Anything else is given back.

    >>> type(bare(DataParallel(nn.Linear(2, 1)))).__name__
    'Linear'
    """
    if not isinstance(model, nn.Module):
        return model
    model = unwrapped(model, compiled=False)
    return _gathered(model) if kind_of(model) is Wrapped.SHARDED else model


def unwrapped(model: nn.Module, compiled: bool = True) -> nn.Module:
    """The module within those that replicate it, the same object; with `compiled` False also within what torch.compile made of it.

    >>> model = nn.Linear(2, 1)
    >>> unwrapped(DataParallel(model)) is model
    True
    """
    while True:
        inner = getattr(model, "_orig_mod", None)
        if isinstance(model, DistributedDataParallel | DataParallel):
            model = model.module
        elif inner is not None and (not compiled or isinstance(inner, DistributedDataParallel | DataParallel)):
            model = inner
        else:
            return model


def plain(tensor: torch.Tensor) -> torch.Tensor:
    """A tensor as it would be in one process."""
    return tensor.full_tensor() if _distributed(tensor) else tensor  # type: ignore[attr-defined]


def like(tensor: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
    """A plain tensor, the same in all processes, cut up as another one is."""
    if not _distributed(other):
        return tensor
    from torch.distributed.tensor import distribute_tensor

    return distribute_tensor(tensor, other.device_mesh, other.placements, src_data_rank=None)  # type: ignore[attr-defined]


def cut(vector: torch.Tensor, params: Sequence[torch.Tensor]) -> list[torch.Tensor]:
    """A flat vector in pieces like the parameters."""
    if len({p.dtype for p in params}) == 1:
        vector = vector.to(params[0].dtype)  # once: in a small model it is calls that cost
    pieces = torch.split(vector, [p.numel() for p in params])
    return [like(piece.view(p.shape).to(p.dtype), p) for piece, p in zip(pieces, params, strict=True)]


def joined(parts: Sequence[torch.Tensor | None], params: Sequence[torch.Tensor], vector: torch.Tensor) -> torch.Tensor:
    """The reverse of `cut`: a fresh flat vector in the precision of the one given; a part that is None is zero."""
    if _alike(parts):
        return torch.cat([part.reshape(-1) for part in parts]).to(vector.dtype)
    made = torch.empty_like(vector)
    for home, part, p in zip(torch.split(made, [p.numel() for p in params]), parts, params, strict=True):
        if part is None:
            home.zero_()
        else:
            home.view(p.shape).copy_(plain(part))
    return made


def whole(grads: Sequence[torch.Tensor | None]) -> torch.Tensor | Sequence[torch.Tensor | None]:
    """A gradient with its graph as one flat tensor, which a product takes in one piece; as it is where not all of it has a graph.

    >>> w = torch.ones(2, 2, requires_grad=True)
    >>> whole([2 * w]).shape
    torch.Size([4])
    """
    if _alike(grads) and all(g.requires_grad for g in grads):
        return torch.cat([g.reshape(-1) for g in grads])
    return grads


def along(grads: Any, params: Sequence[torch.Tensor], vector: torch.Tensor) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
    """What a product differentiates, and along what: a gradient that is `whole`, or those of its parts that have a graph.

    >>> w = torch.ones(2, requires_grad=True)
    >>> along([w**2, None], [w, w], torch.arange(4.0))[1]
    [tensor([0., 1.])]
    """
    if isinstance(grads, torch.Tensor):
        return [grads], [vector.to(grads.dtype)]
    live = [(g, piece) for g, piece in zip(grads, cut(vector, params), strict=True) if g is not None and g.requires_grad]
    return [g for g, _ in live], [piece for _, piece in live]


def through(grads: Any, params: Sequence[torch.Tensor], vector: torch.Tensor) -> torch.Tensor:
    """One batch's product through its gradient's graph, which is kept."""
    heads, tails = along(grads, params, vector)
    found = torch.autograd.grad(heads, list(params), tails, retain_graph=True, allow_unused=True) if heads else [None] * len(params)
    return joined(found, params, vector)


def _alike(tensors: Sequence[torch.Tensor | None]) -> TypeGuard[Sequence[torch.Tensor]]:
    """Whether they are all there, plain, of one kind and in one place, so that one flat tensor can hold them."""
    first = tensors[0]
    return all(
        type(t) is torch.Tensor and t.layout == torch.strided and t.dtype == first.dtype and t.device == first.device  # type: ignore[union-attr]
        for t in tensors
    )


def _distributed(tensor: torch.Tensor) -> bool:
    return hasattr(tensor, "full_tensor")


def _shards(module: nn.Module) -> bool:
    return any(base.__name__ == "FSDPModule" for base in type(module).__mro__)


def _foreign_hook(hook: Any, package: str) -> bool:
    """Whether a hook is written in that package."""
    inner = getattr(hook, "__wrapped__", hook)
    home = getattr(getattr(inner, "__func__", inner), "__module__", "") or ""
    return home.startswith(package)


def _gathered(model: nn.Module, known: dict[int, Any] | None = None) -> nn.Module:
    """A copy with whole parameters and without the hooks of fully_shard; what is shared in it stays shared."""
    known = {} if known is None else known
    if callable(reshard := getattr(model, "reshard", None)) and _shards(model):
        reshard()  # after a forward pass the outermost module may hold whole parameters
    if id(model) in known:
        return known[id(model)]  # type: ignore[no-any-return]
    kind: type = type(model)
    if _shards(model):
        kind = next(base for base in kind.__mro__[1:] if issubclass(base, nn.Module) and not _named(base))
    made: nn.Module = object.__new__(kind)
    known[id(model)] = made
    made.__dict__.update(_unmarked(model))
    for name, parameter in model._parameters.items():
        if parameter is not None:
            if id(parameter) not in known:
                whole = plain(parameter.detach()).clone()
                known[id(parameter)] = nn.Parameter(whole, requires_grad=parameter.requires_grad)
            made._parameters[name] = known[id(parameter)]
    for name, buffer in model._buffers.items():
        made._buffers[name] = None if buffer is None else plain(buffer.detach()).clone()
    for name, module in model._modules.items():
        made._modules[name] = None if module is None else _gathered(module, known)
    return made


def _unmarked(model: nn.Module) -> dict[str, Any]:
    """The attributes of a module without what fully_shard left there: marks and hooks."""
    made = {
        name: copy.copy(value) if isinstance(value, dict) else value
        for name, value in model.__dict__.items()
        if not name.startswith(_MARKS)
    }
    for kinds in (("_forward_hooks", "_with_kwargs", "_always_called"), ("_forward_pre_hooks", "_with_kwargs")):
        tables = [made[kinds[0]], *(made[kinds[0] + kind] for kind in kinds[1:])]
        for key in [key for key, hook in tables[0].items() if _foreign_hook(hook, "torch.distributed")]:
            for table in tables:
                table.pop(key, None)
    return made


def _named(kind: type) -> bool:
    return kind.__name__ == "FSDPModule" or any(base.__name__ == "FSDPModule" for base in kind.__mro__)

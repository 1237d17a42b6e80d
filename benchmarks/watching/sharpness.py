"""The watch's sharpness against the largest eigenvalue that scipy finds, in the optimizer's metric, at five steps of each run."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from scipy.sparse.linalg import LinearOperator, eigsh
from torch import nn

from inertia.torch import Watch

from .models import OPTIMIZERS, jobs
from .store import kept

__all__ = ["sharpness"]

_EVERY, _CHECKPOINTS = 20, 5


def sharpness() -> None:
    """Each model with each optimizer."""
    print("sharpness over the converged eigenvalue, and that with its bar: at the worst of five steps; the bar over the eigenvalue")
    for name in jobs():
        for kind in OPTIMIZERS:
            found = kept(f"sharpness, {name}, {kind}", lambda name=name, kind=kind: compared(name, kind))
            seen, above, true = (np.array(found[key]) for key in ("sharpness", "upper", "eigenvalue"))
            print(
                f"  {name:12} {kind:6} sharpness/eigenvalue {min(seen / true):.4f} to {max(seen / true):.4f}, with the bar at least "
                f"{min(above / true):.4f}, bar at most {max((above - seen) / true):.3f}", flush=True,
            )  # fmt: skip


def compared(name: str, kind: str) -> dict[str, Any]:
    """What the watch saw at five steps, and the largest eigenvalue at the parameters and in the metric of that step."""
    make, batch, loss_fn = jobs()[name]
    torch.manual_seed(0)
    model, rng = make(), np.random.default_rng(0)
    optimizer = OPTIMIZERS[kind](model.parameters())
    x, y = batch(np.random.default_rng(1))
    true = []
    with Watch(model, optimizer, loss_fn, probe=(x, y), every=_EVERY, say=False, average=False) as watch:
        for k in range((_CHECKPOINTS - 1) * _EVERY + 1):
            inputs, targets = batch(rng)
            before = [p.detach().clone() for p in model.parameters()]
            loss = loss_fn(model(inputs), targets)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            if k % _EVERY == 0:
                parts = 4 if not any(isinstance(m, nn.BatchNorm2d) for m in model.modules()) else 1
                true.append(eigenvalue(model, loss_fn, before, _roots(optimizer), (x, y), parts))
            watch.step(loss)
    return {
        "step": [look.step for look in watch.looks], "sharpness": [look.sharpness for look in watch.looks],
        "upper": [look.sharpness + look.bar for look in watch.looks], "eigenvalue": true,
    }  # fmt: skip


def _roots(optimizer: torch.optim.Optimizer) -> list[torch.Tensor] | None:
    """Adam's 1/sqrt(sqrt(v) + eps) as it has just stepped; None for SGD."""
    if isinstance(optimizer, torch.optim.SGD):
        return None
    group = optimizer.param_groups[0]
    states = [optimizer.state[p] for p in group["params"]]
    return [((s["exp_avg_sq"] / (1 - group["betas"][1] ** float(s["step"]))).sqrt() + group["eps"]) ** -0.5 for s in states]


def eigenvalue(model: nn.Module, loss_fn: Any, values: list[torch.Tensor], roots: Any, data: Any, parts: int) -> float:
    """The largest, by scipy's eigsh (implicitly restarted Lanczos, tolerance 1e-4), of D H D with products by torch.func."""
    names = [name for name, _ in model.named_parameters()]
    sizes = [value.numel() for value in values]
    buffers = {name: b.clone() for name, b in model.named_buffers()}
    x, y = data
    rows = torch.arange(len(x)).chunk(parts)

    def loss(*held: torch.Tensor) -> torch.Tensor:
        total = torch.zeros(())
        for part in rows:
            state = (dict(zip(names, held, strict=True)), {name: b.clone() for name, b in buffers.items()})
            total = total + loss_fn(torch.func.functional_call(model, state, (x[part],)), y[part]) * len(part) / len(x)
        return total

    def product(vector: Any) -> Any:
        pieces = torch.split(torch.as_tensor(vector.ravel(), dtype=torch.float32), sizes)
        along = [piece.view(value.shape) for piece, value in zip(pieces, values, strict=True)]
        if roots is not None:
            along = [piece * root for piece, root in zip(along, roots, strict=True)]
        with torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.MATH):
            grads = torch.autograd.grad(loss(*held), held, create_graph=True)
            image = torch.autograd.grad(grads, held, along)
        if roots is not None:
            image = tuple(piece * root for piece, root in zip(image, roots, strict=True))
        return torch.cat([piece.flatten() for piece in image]).double().numpy()

    held = [value.clone().requires_grad_() for value in values]
    operator = LinearOperator((sum(sizes), sum(sizes)), matvec=product, dtype=np.float64)
    start = np.random.default_rng(7).standard_normal(sum(sizes))
    return float(eigsh(operator, k=1, which="LA", tol=1e-4, ncv=12, v0=start, return_eigenvectors=False)[0])

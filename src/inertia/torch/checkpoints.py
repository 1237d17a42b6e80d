"""State dicts that torch.optim.SGD and Momentum read from each other, or refuse before anything is changed.

Heavy ball and Nesterov groups are SGD's own words. Any other group (another gamma, decoupled decay) would be read by SGD as
something else, so such a state dict ends with a group without parameters that says so: SGD refuses it at once (another number
of groups), Momentum drops it.
"""

from __future__ import annotations

import warnings
from typing import Any

import torch

from ..errors import BadInput
from .flat import VELOCITY
from .groups import check_group, kept_dtype

__all__ = ["for_sgd", "understood"]

MARK = "not for torch.optim.SGD"
OWN = ("foreach", "fused", "flat", "differentiable", "velocity_dtype")  # how the step is taken here, whatever was saved
FOREIGN = {"betas": "Adam", "eps": "RMSprop, Adagrad, Muon", "rho": "Adadelta"}


def for_sgd(data: dict[str, Any]) -> None:
    """Complete a fresh state dict in place: `dampening` where torch.optim.SGD can go on, the mark where it cannot."""
    strange = []
    for place, group in enumerate(data["param_groups"]):
        heavy_or_nesterov = group["gamma"] == 0 or group["nesterov"] or group["gamma"] == group["momentum"]
        if heavy_or_nesterov and not (group["decoupled"] and group["weight_decay"]):
            group["nesterov"] = bool(group["nesterov"] or group["gamma"] != 0)
            group["dampening"] = 0.0
        else:
            strange.append(f"group {place} has gamma = {group['gamma']:g}, decoupled decay {group['weight_decay'] * group['decoupled']:g}")
    if strange:
        data["param_groups"].append({**data["param_groups"][-1], "params": [], MARK: "; ".join(strange)})
        data["param_groups"][-1].pop("param_names", None)


def understood(
    state_dict: dict[str, Any], groups: list[dict[str, Any]], follow_names: bool
) -> tuple[dict[str, Any], list[torch.Tensor | None]]:
    """The state dict as Momentum reads it, and every parameter's velocity as it was saved, in order.

    Raises:
        BadInput: not a state of SGD or Momentum, an unusable method, a velocity of another shape.
        ValueError: another number of groups or parameters, in torch's words.
    """
    saved = [group for group in state_dict["param_groups"] if MARK not in group]
    if len(saved) != len(groups):
        raise ValueError(f"loaded state dict has a different number of parameter groups: {len(saved)}, and {len(groups)} here")
    for place, (group, own) in enumerate(zip(saved, groups, strict=True)):
        _refuse_other_parameters(place, group, own)
    translated = [_translated(group, own) for group, own in zip(saved, groups, strict=True)]
    if follow_names:
        translated = [_in_order(group, own) for group, own in zip(translated, groups, strict=True)]
    state = {key: dict(row) if isinstance(row, dict) else row for key, row in state_dict["state"].items()}
    velocities: list[torch.Tensor | None] = []
    for group, own in zip(translated, groups, strict=True):
        check_group(group)
        kept = 1 - group.pop("dampening", 0.0)
        for key, param in zip(group["params"], own["params"], strict=True):
            velocity = state.get(key, {}).pop(VELOCITY, None)
            velocities.append(None if velocity is None else _fitting(velocity, param, group, kept))
    return {**state_dict, "state": {key: row for key, row in state.items() if row != {}}, "param_groups": translated}, velocities


def _fitting(velocity: Any, param: torch.Tensor, group: dict[str, Any], kept: float) -> torch.Tensor:
    if not isinstance(velocity, torch.Tensor) or velocity.shape != param.shape:
        found = f"shape {tuple(velocity.shape)}" if isinstance(velocity, torch.Tensor) else f"type {type(velocity).__name__}"
        raise BadInput(
            f"a saved velocity has {found}, its parameter shape {tuple(param.shape)}: the checkpoint is of another model or another "
            "order of parameters; reorder it in a register_load_state_dict_pre_hook"
        )
    dense = velocity if velocity.layout == torch.strided else velocity.to_dense()
    moved = dense.detach().to(device=param.device, dtype=kept_dtype(param, group)) / kept
    return moved.clone() if kept == 1 else moved


def _refuse_other_parameters(place: int, saved: dict[str, Any], own: dict[str, Any]) -> None:
    if len(saved["params"]) == len(own["params"]):
        return
    text = "loaded state dict contains a parameter group that doesn't match the size of optimizer's group: "
    text += f"group {place} has {len(saved['params'])} parameters there and {len(own['params'])} here"
    if "param_names" in saved and "param_names" in own:
        new = [name for name in own["param_names"] if name not in saved["param_names"]]
        gone = [name for name in saved["param_names"] if name not in own["param_names"]]
        text += f" (new: {', '.join(new) or 'none'}; gone: {', '.join(gone) or 'none'})"
    raise ValueError(text + "; adapt it in a register_load_state_dict_pre_hook")


def _in_order(saved: dict[str, Any], own: dict[str, Any]) -> dict[str, Any]:
    """The saved group in the order of this optimizer's names, where both have the same names."""
    theirs, ours = saved.get("param_names"), own.get("param_names")
    if not theirs or not ours or theirs == ours or sorted(theirs) != sorted(ours):
        return saved
    keys = dict(zip(theirs, saved["params"], strict=True))
    return saved | {"params": [keys[name] for name in ours], "param_names": list(ours)}


def _translated(saved: dict[str, Any], own: dict[str, Any]) -> dict[str, Any]:
    """A group as this class reads it; one saved by torch.optim.SGD is translated, dampening into lr."""
    mine = {key: own[key] for key in OWN}
    if "momentum" not in saved or "lr" not in saved:
        raise BadInput("this state_dict is from an optimizer without a momentum key: load one saved by Momentum or torch.optim.SGD")
    for key, owner in FOREIGN.items():
        if key in saved:
            raise BadInput(f"this state_dict has '{key}' in its groups (as {owner} do): load one saved by Momentum or torch.optim.SGD")
    if "gamma" in saved:
        lacking = {key: own[key] for key in ("delta", "nesterov", "weight_decay", "decoupled", "maximize") if key not in saved}
        return {key: value for key, value in saved.items() if key != "dampening"} | lacking | mine
    beta, dampening = saved["momentum"], saved.get("dampening", 0.0)
    kept = 1 - dampening
    if kept <= 0:
        raise BadInput("this SGD was saved with dampening = 1: its velocity takes no gradient in; there is no such method")
    if kept != 1 and beta != 0:
        text = f"dampening {dampening:g} became lr * {kept:g}: multiply the base lr of any scheduler by {kept:g} too"
        warnings.warn(text, UserWarning, stacklevel=5)
    kept = kept if beta != 0 else 1.0  # torch ignores dampening without momentum
    nesterov = bool(saved.get("nesterov")) and beta != 0
    method = {"lr": saved["lr"] * kept, "momentum": beta, "gamma": beta if nesterov else 0.0, "delta": 0.0, "nesterov": nesterov}
    decay = {"weight_decay": saved.get("weight_decay", 0.0), "decoupled": False, "maximize": saved.get("maximize", False)}
    return saved | method | decay | mine | {"dampening": 1 - kept}

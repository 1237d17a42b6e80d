"""Any method of the family as a native torch optimizer.

The group's keys are named `lr` and `momentum` (and `gamma`, `delta`), so every torch.optim.lr_scheduler works, also those
that cycle momentum; a Nesterov method (gamma = beta) stays Nesterov when momentum moves. The velocity is kept under
`momentum_buffer` in gradient units, as torch.optim.SGD keeps it: the two read each other's state.
"""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch

from ..core.method import Method, checked
from ..errors import BadInput
from .flat import Bucket
from .update import Rule, advance, advance_fused, advance_loop, fusible

__all__ = ["Momentum"]

VELOCITY = "momentum_buffer"  # torch.optim.SGD's name


class Momentum(torch.optim.Optimizer):
    """Gradient descent with any momentum Method(alpha, beta, gamma, delta), as a `torch.optim.Optimizer`.

    velocity <- beta velocity + grad;  p <- p - alpha ((1 + gamma) velocity_new - gamma velocity_old).
    gamma = 0 is torch.optim.SGD(momentum=beta), gamma = beta is SGD(nesterov=True): equal step for step.

    Args:
        params: parameters, named parameters or groups; a group may set lr, momentum, gamma, delta, weight_decay, ...
        method: the coefficients, e.g. Method(0.1, beta=0.9); alpha in 1/curvature becomes `lr`, beta `momentum`.
        weight_decay: added to the gradient (coupled), or with decoupled=True p <- (1 - lr weight_decay) p.
        maximize: climb instead of descend.
        foreach: True or None: one call over all tensors; False: one tensor at a time.
        fused: torch's fused kernel per tensor where it exists (gamma 0 or beta, one dtype), foreach elsewhere.
        flat: keep parameters, gradients and velocity of a group in one buffer each (per dtype and device) and step in one
            operation; see `inertia.torch.flat` for what that asks of you.
        velocity_dtype: keep the velocity in this dtype, e.g. torch.float32 under bfloat16 parameters.

    While a group's `nesterov` is true, `gamma` follows `momentum`; set it to False to move gamma on its own.

    Raises:
        BadInput: a method no run can use, contradictory modes, sparse gradients, parameters that cannot be flat.

    >>> weight = torch.nn.Parameter(torch.ones(2))
    >>> optimizer = Momentum([weight], Method(0.5, beta=0.5, gamma=0.5))
    >>> (weight**2).sum().backward()
    >>> optimizer.step()
    >>> weight.data
    tensor([-0.5000, -0.5000])
    """

    def __init__(
        self,
        params: Any,
        method: Method,
        *,
        weight_decay: float = 0.0,
        decoupled: bool = False,
        maximize: bool = False,
        foreach: bool | None = None,
        fused: bool | None = None,
        flat: bool = False,
        velocity_dtype: torch.dtype | None = None,
    ) -> None:
        alpha, beta, gamma, delta = checked(Method(*method))
        if weight_decay < 0:
            raise BadInput(f"weight_decay = {weight_decay:g} is negative: parameters would grow; use a value >= 0")
        if sum(map(bool, (foreach, fused, flat))) > 1:
            raise BadInput("foreach, fused and flat are three ways to take the same step: choose one")
        if velocity_dtype is not None and not velocity_dtype.is_floating_point:
            raise BadInput(f"velocity_dtype = {velocity_dtype} is not a floating dtype: use torch.float32")
        defaults = {"lr": alpha, "momentum": beta, "gamma": gamma, "delta": delta, "nesterov": gamma == beta != 0}
        defaults |= {"weight_decay": weight_decay, "decoupled": decoupled, "maximize": maximize}
        defaults |= {"foreach": foreach, "fused": fused, "flat": flat, "velocity_dtype": velocity_dtype}
        self._buckets: dict[int, list[Bucket]] = {}  # by place of the group
        super().__init__(params, defaults)

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add a group; its gamma and nesterov come from the defaults unless it says otherwise."""
        if "momentum" in param_group and "gamma" not in param_group and not self.defaults["nesterov"]:
            param_group = param_group | {"nesterov": False}
        if "gamma" in param_group:
            beta = param_group.get("momentum", self.defaults["momentum"])
            param_group = {"nesterov": param_group["gamma"] == beta != 0} | param_group
        super().add_param_group(param_group)
        group = self.param_groups[-1]
        try:
            checked(_method(group))
            self._home(len(self.param_groups) - 1)
        except BadInput:
            self.param_groups.pop()
            raise

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Take one step; a closure is called first, with gradients enabled, and its loss is returned."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for place, group in enumerate(self.param_groups):
            rule = _rule(group)
            if group["flat"]:
                for bucket in self._home(place):
                    bucket.step(rule, self.state)
            else:
                self._step(group, rule)
        return loss

    def _step(self, group: dict[str, Any], rule: Rule) -> None:
        params = [p for p in group["params"] if p.grad is not None]
        grads = [p.grad for p in params]
        for index, grad in enumerate(grads):
            if grad.layout != torch.strided:
                raise BadInput(_sparse(index, params[index]))
        if not params:
            return
        velocity = [self._velocity(p, group) for p in params] if rule.remembers else [None] * len(params)
        # one device and one dtype at a time, as the list kernels want it
        kinds: dict[tuple[Any, ...], tuple[list[Any], list[Any], list[Any]]] = {}
        for p, g, v in zip(params, grads, velocity, strict=True):
            rows = kinds.setdefault((p.device, p.dtype, g.dtype, None if v is None else v.dtype), ([], [], []))
            for row, item in zip(rows, (p, g, v), strict=True):
                row.append(item)
        for ps, gs, vs in kinds.values():
            kept = vs if rule.remembers else None
            if group["fused"] and fusible(rule, itertools.chain(ps, gs, kept or [])):
                advance_fused(ps, gs, kept, rule)
            elif group["foreach"] is False:
                advance_loop(ps, gs, kept, rule)
            else:
                advance(ps, gs, kept, rule)

    def _velocity(self, param: torch.Tensor, group: dict[str, Any]) -> torch.Tensor:
        state = self.state[param]
        if state.get(VELOCITY) is None:
            state[VELOCITY] = torch.zeros_like(param, dtype=_kept(param, group), memory_format=torch.preserve_format)
        return state[VELOCITY]

    def _home(self, place: int) -> list[Bucket]:
        """The buckets of a group, moved into flat buffers when they are not (or no longer) there."""
        group = self.param_groups[place]
        if not group["flat"]:
            return []
        if place not in self._buckets:
            kinds: dict[tuple[Any, ...], list[torch.Tensor]] = {}
            for p in group["params"]:
                kinds.setdefault((p.device, p.dtype), []).append(p)
            self._buckets[place] = [Bucket(params, _kept(params[0], group), self.state) for params in kinds.values()]
        return self._buckets[place]

    def rehome(self) -> None:
        """Move re-assigned parameters (`p.data = ...`, `model.to(...)`) of flat groups back into one buffer; values stay."""
        self._buckets = {}
        for place in range(len(self.param_groups)):
            self._home(place)

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget gradients, as torch does. Flat groups: set_to_none=False keeps them in the buffer, True costs a copy at the next step."""
        super().zero_grad(set_to_none)
        if not set_to_none:  # our own zeros are not a sign of fresh gradients
            for bucket in itertools.chain(*self._buckets.values()):
                bucket.seen = bucket.grad._version

    @property
    def methods(self) -> list[Method]:
        """The method of every group as the next step will read it."""
        return [_method(group) for group in self.param_groups]

    @contextmanager
    @torch.no_grad()
    def readout(self) -> Iterator[None]:
        """Inside, parameters hold the read-out point x = p - lr (delta - gamma) velocity; outside, exactly what they held.

        Evaluate and save there: it is the point that a method's guarantee speaks of. Uses the groups' present lr.
        """
        saved: list[tuple[torch.Tensor, torch.Tensor]] = []
        for group in self.param_groups:
            alpha, _, gamma, delta = _method(group)
            for p in group["params"]:
                velocity = self.state[p].get(VELOCITY) if p in self.state else None
                if velocity is not None and delta != gamma:
                    saved.append((p, p.detach().clone()))
                    p.add_(velocity, alpha=-alpha * (delta - gamma))
        try:
            yield
        finally:
            for p, before in saved:
                p.copy_(before)

    def state_dict(self) -> dict[str, Any]:
        """As torch's; heavy ball and Nesterov groups also carry `dampening` so that torch.optim.SGD can load it."""
        data = super().state_dict()
        for group in data["param_groups"]:
            if group["gamma"] == 0 or group["nesterov"]:
                group["dampening"] = 0.0
        return data

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Load what this class or torch.optim.SGD saved (heavy ball, Nesterov, dampening: translated and said)."""
        groups = [_translated(group, own) for group, own in zip(state_dict["param_groups"], self.param_groups, strict=False)]
        groups += state_dict["param_groups"][len(groups) :]  # a wrong number of groups is torch's error to raise
        super().load_state_dict(state_dict | {"param_groups": groups})
        damped = {
            key: 1 - group.get("dampening", 0.0)
            for group in state_dict["param_groups"]
            if "decoupled" not in group
            for key in group["params"]
        }
        keys = [key for group in groups for key in group["params"]]
        owners = [(p, group) for group in self.param_groups for p in group["params"]]
        for key, (p, group) in zip(keys, owners, strict=True):
            velocity = state_dict["state"].get(key, {}).get(VELOCITY)
            if velocity is not None:  # again from the source: torch casts state to the parameter's dtype
                kept = velocity.to(device=p.device, dtype=_kept(p, group)) / damped.get(key, 1.0)
                self.state[p][VELOCITY] = kept.clone() if kept is velocity else kept
        self._buckets = {}
        for place in range(len(self.param_groups)):
            self._home(place)

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Copies and unpickled optimizers find their flat buffers again at the first step."""
        super().__setstate__(state)
        self._buckets = {}


def _method(group: dict[str, Any]) -> Method:
    beta = float(group["momentum"])
    return Method(float(group["lr"]), beta, beta if group["nesterov"] else float(group["gamma"]), float(group["delta"]))


def _rule(group: dict[str, Any]) -> Rule:
    if group["nesterov"]:
        group["gamma"] = group["momentum"]
    return Rule(_method(group), float(group["weight_decay"]), group["decoupled"], group["maximize"])


def _kept(param: torch.Tensor, group: dict[str, Any]) -> torch.dtype:
    return param.dtype if group["velocity_dtype"] is None or param.is_complex() else group["velocity_dtype"]


def _sparse(index: int, param: torch.Tensor) -> str:
    return (
        f"the gradient of parameter {index} (shape {tuple(param.shape)}) is sparse and momentum makes it dense: "
        "use Embedding(sparse=False), or torch.optim.SparseAdam for this parameter"
    )


def _translated(saved: dict[str, Any], own: dict[str, Any]) -> dict[str, Any]:
    """A group as this class reads it; one saved by torch.optim.SGD is translated, dampening into lr."""
    if "gamma" in saved:
        return {key: value for key, value in saved.items() if key != "dampening"}
    if "momentum" not in saved:
        raise BadInput("this state_dict is from an optimizer without a momentum key: load one saved by Momentum or torch.optim.SGD")
    beta, kept = saved["momentum"], 1 - saved.get("dampening", 0.0)
    if kept <= 0:
        raise BadInput("this SGD was saved with dampening = 1: its velocity takes no gradient in; there is no such method")
    if kept != 1:
        text = f"dampening {1 - kept:g} became lr * {kept:g}: multiply the base lr of any scheduler by {kept:g} too"
        warnings.warn(text, UserWarning, stacklevel=3)
    nesterov = bool(saved.get("nesterov")) and beta != 0
    method = {"lr": saved["lr"] * kept, "momentum": beta, "gamma": beta if nesterov else 0.0, "delta": 0.0, "nesterov": nesterov}
    mine = {key: own[key] for key in ("decoupled", "flat", "velocity_dtype", "foreach", "fused")}
    theirs = {key: value for key, value in saved.items() if key not in {"dampening", "differentiable", "foreach", "fused"}}
    return theirs | method | mine | {"weight_decay": saved.get("weight_decay", 0.0), "maximize": saved.get("maximize", False)}

"""Any method of the family as a native torch optimizer.

The group's keys are named `lr` and `momentum` (and `gamma`, `delta`), so every torch.optim.lr_scheduler works, also those
that cycle momentum; a Nesterov method (gamma = beta) stays Nesterov when momentum moves. The velocity is kept under
`momentum_buffer` in gradient units, as torch.optim.SGD keeps it: the two read each other's state.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch

from ..core.method import Method
from ..errors import BadInput
from .checkpoints import for_sgd, understood
from .flat import VELOCITY, Bucket
from .groups import check_group, kept_dtype, method_of, refuse_dampening, refuse_positional, rule_of, said, usable
from .update import HALF, Rule, advance, advance_fused, advance_loop, advance_sparse, fusible

__all__ = ["Momentum"]

PLAIN = (torch.Tensor, torch.nn.Parameter)


class Momentum(torch.optim.Optimizer):
    """Gradient descent with any momentum Method(alpha, beta, gamma, delta), as a `torch.optim.Optimizer`.

    velocity <- beta velocity + grad;  p <- p - alpha ((1 + gamma) velocity_new - gamma velocity_old).
    gamma = 0 is torch.optim.SGD(momentum=beta), gamma = beta is SGD(nesterov=True): equal step for step.

    Args:
        params: parameters, named parameters or groups; a group may set lr, momentum, nesterov, gamma, delta, weight_decay, ...
        method: the coefficients, e.g. Method(0.1, beta=0.9); alpha in 1/curvature becomes `lr`, beta `momentum`. Or leave it out
            and use the words of torch.optim.SGD:
        lr: learning rate, a number >= 0 or a tensor of one number, which a compiled step reads without compiling again.
        momentum: beta (default 0).
        nesterov: gamma = beta instead of 0.
        dampening: 0; anything else is refused with the learning rate to use instead.
        weight_decay: added to the gradient (coupled), or with decoupled=True p <- (1 - lr weight_decay) p.
        maximize: climb instead of descend.
        foreach: True or None: one call over all tensors; False: one tensor at a time.
        fused: torch's fused kernel where it exists (gamma 0 or beta, contiguous tensors of one dtype), foreach elsewhere.
        flat: keep parameters, gradients and velocity of a group in one buffer each (per dtype and device) and step in one
            operation; see `inertia.torch.flat` for what that asks of you, `zero_grad` for what it costs.
        differentiable: let autograd record the step (one tensor at a time).
        velocity_dtype: keep the velocity in this dtype, e.g. torch.float32 under bfloat16 parameters.

    While a group's `nesterov` is true, `gamma` follows `momentum`; set it to False to move gamma on its own.

    Raises:
        BadInput: a method no run can use, contradictory modes, parameters that cannot be flat.

    >>> weight = torch.nn.Parameter(torch.ones(2))
    >>> optimizer = Momentum([weight], Method(0.5, beta=0.5, gamma=0.5))
    >>> (weight**2).sum().backward()
    >>> optimizer.step()
    >>> weight.data
    tensor([-0.5000, -0.5000])
    >>> Momentum([weight], lr=0.5, momentum=0.5, nesterov=True).methods
    [Method(alpha=0.5, beta=0.5, gamma=0.5, delta=0.0)]
    """

    def __init__(
        self,
        params: Any,
        method: Method | None = None,
        *positional: Any,
        lr: float | torch.Tensor | None = None,
        momentum: float | None = None,
        nesterov: bool | None = None,
        dampening: float | None = None,
        weight_decay: float = 0.0,
        decoupled: bool = False,
        maximize: bool = False,
        foreach: bool | None = None,
        fused: bool | None = None,
        flat: bool = False,
        differentiable: bool = False,
        velocity_dtype: torch.dtype | None = None,
    ) -> None:
        if positional:
            refuse_positional(method, positional)
        wanted = said(method, lr, momentum, dampening, nesterov)
        alpha, beta, gamma, delta = usable(wanted)
        rate = wanted.alpha if isinstance(wanted.alpha, torch.Tensor) else alpha
        defaults = {"lr": rate, "momentum": beta, "gamma": gamma, "delta": delta, "nesterov": gamma == beta != 0}
        defaults |= {"weight_decay": weight_decay, "decoupled": decoupled, "maximize": maximize, "differentiable": differentiable}
        defaults |= {"foreach": foreach, "fused": fused, "flat": flat, "velocity_dtype": velocity_dtype}
        check_group(defaults)
        self._buckets: dict[int, list[Bucket]] = {}  # by place of the group
        super().__init__(params, defaults)

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add a group; its gamma and nesterov come from the defaults unless it says otherwise."""
        if isinstance(param_group, dict):
            param_group = _completed(param_group, self.defaults)
        super().add_param_group(param_group)
        try:
            check_group(self.param_groups[-1])
            self._home(len(self.param_groups) - 1)
        except BadInput:
            self.param_groups.pop()
            raise

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Take one step; a closure is called first, with gradients enabled, and its loss is returned."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for place, group in enumerate(self.param_groups):
            with torch.set_grad_enabled(group["differentiable"]):
                rule = rule_of(group)
                if group["flat"]:
                    self._step_flat(place, group, rule)
                else:
                    self._step(group, group["params"], rule)
        return loss

    def _step_flat(self, place: int, group: dict[str, Any], rule: Rule) -> None:
        buckets = self._home(place)
        if not all([bucket.step(rule, self.state) for bucket in buckets]):
            del self._buckets[place]  # the model moved to another dtype or device: other buffers at the next step
        self._step(group, [p for p in group["params"] if not _may_be_flat(p)], rule)

    def _step(self, group: dict[str, Any], params: Sequence[torch.Tensor], rule: Rule) -> None:
        pairs = [(p, grad) for p in params if (grad := p.grad) is not None]
        # one device, dtype and kind of tensor at a time, as the list kernels want it
        kinds: dict[tuple[Any, ...], tuple[list[Any], list[Any], list[Any]]] = {}
        for p, grad in pairs:
            velocity = self._velocity(p, group) if rule.remembers else None
            if grad.layout != torch.strided and p.layout == torch.strided:
                advance_sparse(p, grad, velocity, rule)
                continue
            whole = group["fused"] and p.is_contiguous() and grad.is_contiguous() and (velocity is None or velocity.is_contiguous())
            kind = (p.device, p.dtype, grad.dtype, None if velocity is None else velocity.dtype, whole, *_type(p, grad))
            if kind not in kinds:
                kinds[kind] = ([], [], [])
            ps, gs, vs = kinds[kind]
            ps.append(p)
            gs.append(grad)
            vs.append(velocity)
        one_by_one = group["foreach"] is False or group["differentiable"]
        for (device, *dtypes, whole, plain, _), (ps, gs, vs) in kinds.items():
            kept = vs if rule.remembers else None
            same = len({dtype for dtype in dtypes if dtype is not None}) == 1
            if whole and plain and same and fusible(rule, dtypes[0], device.type):
                advance_fused(ps, gs, kept, rule)
            elif one_by_one or (device.type == "cpu" and dtypes[0] in HALF):  # there the list operations round beta itself
                advance_loop(ps, gs, kept, rule)
            else:
                advance(ps, gs, kept, rule)

    def _velocity(self, param: torch.Tensor, group: dict[str, Any]) -> torch.Tensor:
        state = self.state[param]
        if state.get(VELOCITY) is None:
            state[VELOCITY] = torch.zeros_like(
                param, dtype=kept_dtype(param, group), requires_grad=False, memory_format=torch.preserve_format
            )
        return state[VELOCITY]

    def _home(self, place: int) -> list[Bucket]:
        """The buckets of a group, moved into flat buffers when they are not (or no longer) there."""
        group = self.param_groups[place]
        if not group["flat"]:
            return []
        if place not in self._buckets:
            kinds: dict[tuple[Any, ...], list[torch.Tensor]] = {}
            for p in filter(_may_be_flat, group["params"]):
                held = self.state[p].get(VELOCITY) if p in self.state else None
                kept = kept_dtype(p, group) if held is None else held.dtype
                kinds.setdefault((p.device, p.dtype, kept), []).append(p)
            self._buckets[place] = [Bucket(params, kept, self.state) for (_, _, kept), params in kinds.items()]
        return self._buckets[place]

    def rehome(self) -> None:
        """Move re-assigned parameters (`p.data = ...`, `model.to(...)`) of flat groups back into one buffer; values stay."""
        self._buckets = {}
        for place in range(len(self.param_groups)):
            self._home(place)

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget gradients, as torch does.

        Flat groups: with torch's default every step first copies the new gradients into the buffer, one more read and write
        of each: ResNet-50's 161 tensors then cost as much as without flat (42 ms against 24 on one core). With
        set_to_none=False they stay in the buffer, and the backward pass pays one read and write for adding to zeros.
        """
        super().zero_grad(set_to_none)

    @property
    def methods(self) -> list[Method]:
        """The method of every group as the next step will read it."""
        return [method_of(group) for group in self.param_groups]

    @contextmanager
    @torch.no_grad()
    def readout(self) -> Iterator[None]:
        """Inside, parameters hold the read-out point x = p - lr (delta - gamma) velocity; outside, exactly what they held.

        Evaluate and save there: it is the point that a method's guarantee speaks of. Uses the groups' present lr.
        """
        saved: list[tuple[torch.Tensor, torch.Tensor]] = []
        for group in self.param_groups:
            alpha, _, gamma, delta = method_of(group)
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
        """As torch's, and readable by torch.optim.SGD; a method that SGD does not know makes SGD refuse it."""
        # a hook of our own for this call, in front of the user's, which may wrap what it gets
        handle = self.register_state_dict_post_hook(lambda _, data: for_sgd(data), prepend=True)
        try:
            return super().state_dict()
        finally:
            handle.remove()

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Load what this class or torch.optim.SGD saved (heavy ball, Nesterov, dampening: translated and said), or change nothing.

        Hooks see and change what torch shows them. Without a hook, parameters that are named on both sides are matched by name
        where both have the same names; else by place, as torch does. `flat`, `fused`, `foreach`, `differentiable` and
        `velocity_dtype` stay as they were chosen here.

        Raises:
            BadInput: the state of another optimizer, an unusable method, a velocity of another shape than its parameter.
            ValueError: another number of groups or parameters.
        """
        own_hooks = bool(self._optimizer_load_state_dict_pre_hooks)
        velocities: list[torch.Tensor | None] = []

        def before(_: Any, data: dict[str, Any]) -> dict[str, Any]:
            data, velocities[:] = understood(data, self.param_groups, follow_names=not own_hooks)
            return data

        def after(_: Any) -> None:  # torch would cast velocities to the parameters' dtype
            params = [p for group in self.param_groups for p in group["params"]]
            for p, velocity in zip(params, velocities, strict=True):
                if velocity is not None:
                    self.state[p][VELOCITY] = velocity
            self.rehome()

        handles = [self.register_load_state_dict_pre_hook(before), self.register_load_state_dict_post_hook(after, prepend=True)]
        try:
            super().load_state_dict(state_dict)
        finally:
            for handle in handles:
                handle.remove()

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Copies and unpickled optimizers find their flat buffers again at the first step."""
        super().__setstate__(state)
        for group in self.param_groups:
            group.setdefault("differentiable", False)
        self._buckets = {}


def _completed(group: dict[str, Any], defaults: dict[str, Any]) -> dict[str, Any]:
    """A group's own words made consistent: nesterov and gamma say the same, dampening is none."""
    group = dict(group)
    refuse_dampening(group.pop("dampening", None) or 0.0)
    beta = group.get("momentum", defaults["momentum"])
    if "gamma" in group:
        return {"nesterov": group["gamma"] == beta != 0} | group
    if "nesterov" in group:
        return group | {"gamma": beta if group["nesterov"] else 0.0}
    if "momentum" in group and not defaults["nesterov"]:
        return group | {"nesterov": False}
    return group


def _may_be_flat(p: torch.Tensor) -> bool:
    return type(p) in PLAIN


def _type(p: torch.Tensor, grad: torch.Tensor) -> tuple[bool, Any]:
    """Whether both are plain tensors; else what list kernels must not mix: their types and device meshes."""
    if type(p) in PLAIN and type(grad) in PLAIN:
        return True, None
    return False, (type(p), type(grad), getattr(p, "device_mesh", None))

"""A run with Adam or one of its kin, moved from one framework to another: its moments, to the last digits.

The means m and v are the same numbers everywhere (torch's exp_avg and exp_avg_sq, optax's mu and nu, Keras's momentums and velocities).
What differs is of what AMSGrad keeps the maximum, and in which unit RMSprop keeps its momentum; the number of steps goes with them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ...errors import BadInput
from .adaptive import AdaptiveConversion, AdaptiveMethod, convert_adaptive
from .nests import array, found_fields, merged, replaced_fields, split_like

__all__ = [
    "Moments", "convert_moments", "read_keras_moments", "read_optax_moments", "read_torch_moments", "write_keras_moments",
    "write_optax_moments", "write_torch_moments",
]  # fmt: skip

_TORCH = {"mean": ("exp_avg", "grad_avg"), "square": ("exp_avg_sq", "square_avg", "sum"), "top": ("max_exp_avg_sq",),
          "buffer": ("momentum_buffer",)}  # fmt: skip
_OPTAX = {"mean": ("mu",), "square": ("nu", "sum_of_squares"), "top": ("nu_max",), "buffer": ("trace",)}
_KERAS = {
    "mean": ("_momentums", "_average_gradients"), "square": ("_velocities", "_accumulators"), "top": ("_velocity_hats",), "buffer": (),
}  # fmt: skip


@dataclass(frozen=True, eq=False)
class Moments:
    """What an adaptive optimizer remembers: one array for each parameter, in lists (torch, Keras) or in the tree of optax."""

    count: int  # steps taken
    square: Any  # v: the mean (Adagrad: the sum) of squared gradients
    mean: Any = None  # m: the mean of the gradients (RMSprop: where it is centred); None where none is kept
    top: Any = None  # AMSGrad's maximum
    buffer: Any = None  # RMSprop's momentum


def convert_moments(moments: Moments, source: str, target: str, **options: Any) -> tuple[Moments, AdaptiveConversion]:
    """The target's moments that continue the source's run, and the conversion of its settings, which says what is lost.

    Args:
        moments: of the source, from read_torch_moments, read_optax_moments or read_keras_moments.
        source: whose words `options` are: "torch-adamw", "optax-adam", "keras-adam", ... (see DIALECTS).
        target: whose moments are wanted.
        options: the source's settings of the next step.

    Raises:
        BadInput: unknown names or settings, a target that cannot say the method at all, a learning rate of 0 inside a buffer.

    >>> moved, found = convert_moments(Moments(10, [np.ones(2)], [np.zeros(2)]), "torch-adam", "optax-adam", lr=0.1)
    >>> found.exact, moved.count
    (True, 10)
    """
    found = convert_adaptive(source, target, **options)
    if not found.to:
        raise BadInput(f"this state cannot continue in {target}: {found.notes[0]}")
    here, there = found.method, _read_back(target, found)
    moved = moments
    if here.amsgrad != "no" and there.amsgrad != "no":
        if moments.top is None:
            raise BadInput(f"these moments hold no maximum, and {source} keeps one with amsgrad: read them from the state that trained")
        factors = {("before correction", "after correction"): 1 / (1 - here.beta2 ** max(moments.count, 1)),
                   ("after correction", "before correction"): 1 - here.beta2 ** max(moments.count, 1)}  # fmt: skip
        moved = replace(moved, top=_scaled(moments.top, factors.get((here.amsgrad, there.amsgrad), 1.0)))
    if moments.buffer is not None and here.momentum and here.momentum_inside != there.momentum_inside:
        if not here.lr:
            raise BadInput(
                "the learning rate is 0, and one of the two keeps it inside its momentum: convert with that of a step that moves"
            )
        moved = replace(moved, buffer=_scaled(moments.buffer, here.lr if there.momentum_inside else 1 / here.lr))
    return moved, found


def _read_back(target: str, found: AdaptiveConversion) -> AdaptiveMethod:
    from .adaptive import read_adaptive

    return read_adaptive(target, **found.to)


def _scaled(nest: Any, factor: float) -> Any:
    """Every array of a nest times a number."""
    if isinstance(nest, Mapping):
        return {key: _scaled(value, factor) for key, value in nest.items()}
    if hasattr(nest, "_fields"):
        return type(nest)(*(_scaled(value, factor) for value in nest))
    if isinstance(nest, list | tuple):
        return type(nest)(_scaled(value, factor) for value in nest)
    return nest if nest is None else nest * factor


def read_torch_moments(state_dict: Mapping[str, Any], group: int = 0) -> Moments:
    """The moments of one group of a checkpoint of torch's Adam, AdamW, NAdam, RAdam, RMSprop or Adagrad, in order, as arrays.

    Raises:
        BadInput: no such group, a state that holds no second moment (8-bit, another optimizer, not stepped), one in other precision than
            floating point.

    >>> import torch
    >>> weight = torch.nn.Parameter(torch.ones(2)); optimizer = torch.optim.Adam([weight])
    >>> weight.sum().backward(); optimizer.step()
    >>> read_torch_moments(optimizer.state_dict()).count
    1
    """
    rows = [state_dict["state"].get(key, {}) for key in _members(state_dict, group)]
    found = {
        name: [next((array(row[key]) for key in keys if row.get(key) is not None), None) for row in rows] for name, keys in _TORCH.items()
    }
    if not rows or any(square is None for square in found["square"]):
        held = ", ".join(sorted({str(key) for row in rows for key in row})) or "nothing"
        raise BadInput(
            f"this checkpoint holds {held} and no second moment (exp_avg_sq, square_avg or sum): it is not of torch's Adam or its kin, or "
            "has not stepped"
        )
    if any(not np.issubdtype(square.dtype, np.floating) for square in found["square"]):  # type: ignore[union-attr]
        raise BadInput("the second moment of this checkpoint is kept in whole numbers (8 bits): it cannot be read")
    counts = {int(row.get("step", 0)) for row in rows}
    if len(counts) > 1:
        raise BadInput(f"the parameters of this group have taken {sorted(counts)} steps: elsewhere one count holds for all")
    kept = {name: values if all(value is not None for value in values) else None for name, values in found.items()}
    return Moments(counts.pop(), kept["square"], kept["mean"], kept["top"], kept["buffer"])


def write_torch_moments(optimizer: Any, moments: Moments, group: int = 0) -> None:
    """Put moments into a torch optimizer (its group), as if it had taken the steps; in the parameters' dtype and device.

    Args:
        optimizer: torch.optim.Adam, AdamW, NAdam, RAdam, RMSprop or Adagrad, made with the converted settings.
        moments: one array for each of the group's parameters, in order.

    Raises:
        BadInput: another number of arrays, other shapes (the state of another model), a moment missing that this class needs.
    """
    rows, params = optimizer.param_groups[group], optimizer.param_groups[group]["params"]
    own = _torch_words(type(optimizer).__name__, rows)
    for name in own:
        _match(getattr(moments, name), [tuple(p.shape) for p in params], name)
    for at, p in enumerate(params):
        count = p.new_tensor(float(moments.count)).float()
        state = {"step": count} | {key: p.detach().clone().copy_(_like(p, getattr(moments, name)[at])) for name, key in own.items()}
        if type(optimizer).__name__ == "NAdam":
            beta1, growth = float(rows["betas"][0]), float(rows["momentum_decay"])
            product = np.prod([beta1 * (1 - 0.5 * 0.96 ** (t * growth)) for t in range(1, moments.count + 1)])
            state["mu_product"] = p.new_tensor(float(product))
        optimizer.state[p] = state


def _torch_words(name: str, group: Mapping[str, Any]) -> dict[str, str]:
    """Which moments a class of torch keeps, and what it calls them."""
    if name == "RMSprop":
        return {"square": "square_avg"} | ({"mean": "grad_avg"} if group["centered"] else {}) | (
            {"buffer": "momentum_buffer"} if group["momentum"] else {})  # fmt: skip
    if name == "Adagrad":
        return {"square": "sum"}
    if name not in ("Adam", "AdamW", "NAdam", "RAdam"):
        raise BadInput(f"{name} is not one of torch's Adam, AdamW, NAdam, RAdam, RMSprop, Adagrad: it keeps other moments")
    return {"mean": "exp_avg", "square": "exp_avg_sq"} | ({"top": "max_exp_avg_sq"} if group.get("amsgrad") else {})


def _like(p: Any, values: Any) -> Any:
    """A tensor of an array, of the parameter's kind."""
    return p.new_tensor(array(values).tolist() if p.dtype.itemsize < 4 else array(values))


def read_optax_moments(opt_state: Any, count: int | None = None) -> Moments:
    """The moments inside an optax state, however it is nested; each a tree like the parameters.

    Args:
        opt_state: of optax's adam, adamw, nadam, radam, amsgrad, rmsprop, adagrad.
        count: steps taken, where the state keeps no count (rmsprop, adagrad; default 0).

    Raises:
        BadInput: a state without a second moment.

    >>> class ScaleByAdamState(__import__("typing").NamedTuple):
    ...     count: int; mu: object; nu: object
    >>> read_optax_moments((ScaleByAdamState(3, np.zeros(2), np.ones(2)), ())).count
    3
    """
    found = {name: list(found_fields(opt_state, keys)) for name, keys in _OPTAX.items()}
    if not found["square"]:
        raise BadInput("this optax state holds no second moment (nu or sum_of_squares): it is not of Adam or its kin")
    counts = [int(np.max(array(one))) for one in found_fields(opt_state, ("count",))]
    trees = {name: merged(parts) if parts else None for name, parts in found.items()}
    buffer = None if trees["buffer"] is None else _scaled(trees["buffer"], -1.0)  # optax sums what it adds, the others what they take off
    return Moments(max(counts, default=0 if count is None else count), trees["square"], trees["mean"], trees["top"], buffer)


def write_optax_moments(opt_state: Any, moments: Moments) -> Any:
    """A copy of an optax state with its moments and counts replaced, each in the dtype it had.

    Args:
        opt_state: `transform.init(params)` of the target.
        moments: trees like the parameters.

    Raises:
        BadInput: a moment that this state keeps is missing, other shapes (the state of another model).
    """
    made = opt_state
    for name, keys in _OPTAX.items():
        places = list(found_fields(opt_state, keys))
        if not places:
            continue
        tree = getattr(moments, name)
        if tree is None and name == "buffer":
            continue  # without momentum there is nothing to carry
        if tree is None:
            raise BadInput(f"this optax state keeps {keys[0]}, and the moments hold no {name}: read them from the run that is to go on")
        tree = _scaled(tree, -1.0) if name == "buffer" else tree
        made = replaced_fields(made, keys, iter([split_like(tree, like) for like in places]))
    counts = list(found_fields(made, ("count",)))
    return replaced_fields(made, ("count",), iter([one * 0 + moments.count for one in counts])) if counts else made


def read_keras_moments(optimizer: Any) -> Moments:
    """The moments of a Keras optimizer that has been built (Adam, AdamW, Nadam, RMSprop, Adagrad), in the order of its variables.

    Raises:
        BadInput: one that keeps no second moment, or has not been built (Keras makes its variables then).
    """
    found = _keras_rows(optimizer)
    if not found["square"]:
        raise BadInput(f"{type(optimizer).__name__} keeps no second moment yet: build it first, optimizer.build(variables)")
    held = {name: None if not rows else [array(row.value) for row in rows] for name, rows in found.items()}
    return Moments(int(array(optimizer.iterations.value)), held["square"], held["mean"], held["top"], held["buffer"])


def write_keras_moments(optimizer: Any, moments: Moments) -> None:
    """Put moments into a Keras optimizer that has been built, in place.

    Raises:
        BadInput: other shapes (the state of another model), a moment missing that this optimizer keeps, one that is not built.
    """
    own = _keras_rows(optimizer)
    if not own["square"]:
        raise BadInput(f"{type(optimizer).__name__} keeps no second moment yet: build it first, optimizer.build(variables)")
    for name, rows in own.items():
        if rows:
            _match(getattr(moments, name), [tuple(row.shape) for row in rows], name)
    for name, rows in own.items():
        for row, value in zip(rows or (), getattr(moments, name) or (), strict=True):
            row.assign(array(value))
    optimizer.iterations.assign(moments.count)
    if hasattr(optimizer, "_u_product"):
        beta1 = float(optimizer.beta_1)
        optimizer._u_product.assign(float(np.prod([beta1 * (1 - 0.5 * 0.96**t) for t in range(1, moments.count + 1)])))


def _keras_rows(optimizer: Any) -> dict[str, Any]:
    """The variables that hold each moment; none where it keeps none."""
    rows = {name: next((getattr(optimizer, key) for key in keys if getattr(optimizer, key, None)), None) for name, keys in _KERAS.items()}
    if type(optimizer).__name__ == "RMSprop":  # its momentums are the sum of divided gradients
        rows |= {"buffer": getattr(optimizer, "_momentums", None), "mean": getattr(optimizer, "_average_gradients", None)}
    return rows


def _match(values: Any, shapes: list[tuple[int, ...]], name: str) -> None:
    """Refuse moments of another model."""
    if values is None:
        raise BadInput(f"the moments hold no {name}, which this optimizer keeps: read them from the run that is to go on")
    given = [tuple(np.shape(value)) for value in values]
    if given != shapes:
        raise BadInput(f"the moments have shapes {given[:3]} and the parameters {shapes[:3]}: they are the state of another model")


def _members(state_dict: Mapping[str, Any], group: int) -> list[Any]:
    groups = state_dict["param_groups"]
    if not -len(groups) <= group < len(groups):
        raise BadInput(f"group = {group}: this checkpoint has {len(groups)} parameter groups, counted from 0")
    return list(groups[group]["params"])

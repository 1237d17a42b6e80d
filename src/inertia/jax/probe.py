"""An optax transformation as a black box: which method it really is."""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from ..errors import BadInput
from ..optimizers.identification import Identified
from ..optimizers.identification.bench import examine
from ..optimizers.identification.kin import verdict
from ..optimizers.identification.recursion import Home

__all__ = ["double", "identify"]

ROUNDING = float(np.finfo(np.float64).eps)


def identify(transform: Any, *, params: Any = None, slower: Any = None, declared: float | None = None, seed: int = 0) -> Identified:
    """What an optax transformation really is: learning rate, momentum, look-ahead, weight decay, clipping, schedule.

    It is initialised anew on small float64 arrays of our own (in this thread only, the flag for 64 bits stays as it is), fed
    designed gradients at parameters that we set, and what is found must reproduce a run with random ones. Leaves of the
    tree that differ are told one by one (`groups`).

    Args:
        transform: a `GradientTransformation`, or anything with its `init` and `update`, as `optax.MultiSteps`.
        params: a tree like that of your parameters, for a transformation that looks at its names or shapes (label trees,
            masks); only structure and ranks matter. Without it a kernel and a bias, or the tree of the labels, is taken.
        slower: the same transformation with a quarter of the learning rate; with it (or with a `learning_rate` held by
            `optax.inject_hyperparams`, or a schedule) the verdict says on which side of the buffer the learning rate sits.
        declared: the momentum you asked for; a warning says if it is not there.
        seed: of the run that must be reproduced.

    Raises:
        BadInput: not a transformation, one that takes no tree that we can make, or that cannot be stepped with gradients alone.

    >>> identify(optax.sgd(0.1, momentum=0.9)).verdict
    'heavy ball'
    """
    for one in (transform,) if slower is None else (transform, slower):
        if not (hasattr(one, "init") and hasattr(one, "update")):
            raise BadInput(f"{type(one).__name__} is not an optax transformation: it needs init and update")
    with double():
        tree = _tree(transform, params)
        bench, outcomes = _examined(transform, slower, tree, seed)
        names = bench.names if len(outcomes) > 1 else ("",)
        return verdict(bench, outcomes, [declared] * len(outcomes), names, seed)


def _examined(transform: Any, slower: Any, tree: Any, seed: int) -> Any:
    """The bench and its outcomes; one that asks for more than gradients and parameters is refused."""
    try:
        return examine(lambda width: _Bench(transform, slower, tree, width), seed)
    except BadInput:
        raise
    except (TypeError, AttributeError, KeyError, ValueError) as error:
        said = str(error).strip().splitlines()[0][:160] if str(error).strip() else "no reason given"
        raise BadInput(
            f"this transformation cannot be stepped with gradients and parameters alone ({type(error).__name__}: {said}): methods with a "
            "line search (optax.lbfgs) or with points of their own (optax.lookahead) are none that a learning rate and momentum describe"
        ) from error


def double() -> Any:
    """64 bits inside the block, in this thread only."""
    if hasattr(jax, "enable_x64"):
        return jax.enable_x64(True)
    from jax.experimental import enable_x64

    return enable_x64()


def _tree(transform: Any, params: Any) -> Any:
    """A tree of ranks that the transformation takes: the user's, a kernel and a bias, that of its labels, one array."""
    if params is not None:
        tree = jax.tree.map(lambda leaf: max(1, np.ndim(leaf)), params)
        if not jax.tree.leaves(tree):
            raise BadInput("params holds no arrays: give a tree like that of your parameters")
        return tree
    said = None
    for tree in ({"kernel": 2, "bias": 1}, *_labels(transform), 1):
        try:
            arrays = _arrays(tree, 8)
            state = transform.init(arrays)
            transform.update(arrays, state, arrays, **_extra(transform))
        except Exception as error:  # whatever a foreign tree makes it raise
            said = said or error
            continue
        return tree
    told = str(said).splitlines()[0] if str(said) else ""
    raise BadInput(
        f"the transformation refuses the trees that identify makes ({type(said).__name__}: {told}): if it looks at names or shapes, pass"
        " params=, a tree like that of your parameters; one that asks for the loss itself, as a line search, is no momentum method"
    )


def _labels(found: Any, depth: int = 8, seen: set[int] | None = None) -> Iterator[Any]:
    """Trees of labels or masks that the transformation's functions hold: their structure is that of the parameters."""
    seen = set() if seen is None else seen
    if depth == 0 or id(found) in seen:
        return
    seen.add(id(found))
    if isinstance(found, dict | list):
        leaves = jax.tree.leaves(found)
        if leaves and all(isinstance(leaf, str | bool | int) for leaf in leaves):
            yield jax.tree.map(lambda _: 1, found)
    for one in _inside(found):
        if callable(one) or isinstance(one, dict | list | tuple) or hasattr(one, "init"):
            yield from _labels(one, depth - 1, seen)


def _inside(found: Any) -> Iterator[Any]:
    """What a transformation, a function or a collection holds."""
    if isinstance(found, dict):
        yield from found.values()
    elif isinstance(found, list | tuple):
        yield from found
    elif inspect.ismethod(found):
        yield from vars(found.__self__).values()
    elif hasattr(found, "init"):
        yield from (found.init, found.update)
    for cell in getattr(found, "__closure__", None) or ():
        with contextlib.suppress(ValueError):  # an empty cell
            yield cell.cell_contents


def _arrays(tree: Any, width: int) -> Any:
    return jax.tree.map(lambda rank: jnp.zeros(_shape(width, rank)), tree)


def _shape(width: int, rank: int) -> tuple[int, ...]:
    return (width,) if rank < 2 else (*(1,) * (rank - 2), width // 8, 8)


def _extra(transform: Any) -> dict[str, Any]:
    """What transformations with extra arguments ask for: a loss that does not improve."""
    return {"value": jnp.asarray(1.0)} if isinstance(transform, optax.GradientTransformationExtraArgs) else {}


class _Bench:
    """Designed gradients into a fresh state, all leaves of the tree with the same number of entries."""

    rounding = ROUNDING
    home = Home(inside=False, dampens=False)

    def __init__(self, transform: Any, slower: Any, tree: Any, width: int) -> None:
        self.transform, self.slower, self.width = transform, slower, -(-width // 8) * 8
        paths, self.structure = jax.tree_util.tree_flatten_with_path(tree)
        self.shapes = [_shape(self.width, rank) for _, rank in paths]
        self.names = tuple(jax.tree_util.keystr(path) or "parameters" for path, _ in paths)
        state = self.transform.init(self._pack(np.zeros((len(paths), self.width))))
        self.adjustable = slower is not None or any(_held(state))
        self.steppers = {id(one): self._stepper(one) for one in (transform, slower) if one is not None}

    def _stepper(self, transform: Any) -> Callable[..., Any]:
        """The compiled update on rows (leaves, n); plain if it cannot be compiled."""

        def step(grads: Any, state: Any, params: Any) -> Any:
            updates, state = transform.update(self._pack(grads), state, self._pack(params), **_extra(transform))
            return jnp.stack([jnp.ravel(leaf) for leaf in jax.tree.leaves(updates)]), state

        compiled = jax.jit(step)

        def tried(*arguments: Any) -> Any:
            try:
                return compiled(*arguments)
            except (jax.errors.JAXTypeError, TypeError):
                return step(*arguments)

        return tried

    def _pack(self, rows: Any) -> Any:
        leaves = [jnp.reshape(row, shape) for row, shape in zip(rows, self.shapes, strict=True)]
        return jax.tree.unflatten(self.structure, leaves)

    def run(self, grads: Any, points: Any = None, start: Any = None, factors: Any = None) -> Any:
        """Step a fresh state; see `Bench`."""
        size = grads.shape[2]
        wide = [(0, 0)] * 2 + [(0, self.width - size)]
        grads = np.pad(grads, wide)
        place = np.zeros(grads.shape[1:]) if start is None else np.pad(start, wide[1:])
        points = None if points is None else np.pad(points, wide)
        state, moves = self.transform.init(self._pack(place)), []
        for k, grad in enumerate(grads):
            place = place if points is None else points[k]
            slow = factors is not None and factors[k] != 1
            stepper = self.steppers[id(self.slower if slow and self.slower is not None else self.transform)]
            held = list(_held(state)) if slow and self.slower is None else []
            rates = [one["learning_rate"] for one in held]
            for one in held:
                one["learning_rate"] = one["learning_rate"] * factors[k]
            move, state = stepper(grad, state, place)
            for one, rate in zip(_held(state) if held else [], rates, strict=bool(held)):
                one["learning_rate"] = rate
            moves.append(np.asarray(move))
            place = place + moves[-1]
        return np.array(moves, dtype=float)[:, :, :size]


def _held(state: Any) -> Iterator[dict[str, Any]]:
    """Dictionaries of injected hyperparameters with a learning rate, wherever they stand in a state."""
    hyperparams = getattr(state, "hyperparams", None)
    if isinstance(hyperparams, dict) and "learning_rate" in hyperparams:
        yield hyperparams
    if isinstance(state, dict):
        parts: Any = state.values()
    else:
        parts = state if isinstance(state, tuple | list) else vars(state).values() if hasattr(state, "__dict__") else ()
    for part in parts:
        yield from _held(part)

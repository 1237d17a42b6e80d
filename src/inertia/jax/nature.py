"""What an optax transformation is: by `identify`, and without the stages that clip gradients."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from ..errors import BadInput
from ..optimizers.identification import Identified
from .probe import identify

__all__ = ["Nature", "nature", "stepped"]

_CLIPS = ("clip", "adaptive_grad_clip", "zero_nans", "unitwise")


@dataclass(frozen=True, eq=False)
class Nature:
    """What a transformation is, and itself without the stages that clip gradients (a small gradient passes them)."""

    found: Identified
    bare: Any
    kept: tuple[int, ...] | None  # places of the stages in the chain's state; None: all of it

    def state(self, opt_state: Any) -> Any:
        """The part of a state that the bare transformation keeps."""
        return opt_state if self.kept is None else tuple(opt_state[at] for at in self.kept)


def nature(transform: Any, params: Any) -> Nature:
    """What the transformation is on parameters like these.

    Raises:
        BadInput: no transformation, or one that takes no such tree.

    >>> import jax.numpy as jnp
    >>> nature(optax.adam(0.1), jnp.ones(3)).found.verdict
    'Adam, learning rate 0.1, beta1 0.9, beta2 0.999'
    """
    if not (hasattr(transform, "init") and hasattr(transform, "update")):
        raise BadInput(f"optimizer of type {type(transform).__name__} is no optax transformation: pass the one that steps the parameters")
    bare, kept = _unclipped(transform)
    return Nature(identify(bare, params=params), bare, kept)


def _unclipped(transform: Any) -> tuple[Any, tuple[int, ...] | None]:
    """A chain without its clipping stages."""
    stages, starts = _held(transform.update, "update_fns"), _held(transform.init, "init_fns")
    if stages is None or starts is None:
        return transform, None
    kept = tuple(at for at, fn in enumerate(stages) if not _made_by(fn).startswith(_CLIPS))
    if len(kept) == len(stages) or not kept:
        return transform, None
    return optax.chain(*(optax.GradientTransformationExtraArgs(starts[at], stages[at]) for at in kept)), kept


def _held(function: Any, name: str) -> Any:
    """What a function keeps under a name in its closure."""
    names = getattr(getattr(function, "__code__", None), "co_freevars", ())
    return function.__closure__[names.index(name)].cell_contents if name in names else None


def _made_by(function: Any) -> str:
    """The name of the optax function that made an update, also where optax has wrapped it."""
    inner = _held(function, "tx")
    return str(getattr(function if inner is None else inner.update, "__qualname__", ""))


def stepped(opt_state: Any, fresh: Any) -> bool:
    """Whether a state differs from the one that the same transformation starts from.

    >>> import jax.numpy as jnp
    >>> tx = optax.adam(0.1)
    >>> stepped(tx.init(jnp.ones(2)), tx.init(jnp.ones(2)))
    False
    """
    pairs = zip(jax.tree.leaves(opt_state), jax.tree.leaves(fresh), strict=True)
    return any(not np.array_equal(_numbers(one), _numbers(other), equal_nan=True) for one, other in pairs)


def _numbers(leaf: Any) -> Any:
    """A leaf as numbers; a random key, which noise in gradients keeps, as its data."""
    return np.asarray(jax.random.key_data(leaf) if hasattr(leaf, "dtype") and jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key) else leaf)

"""What an optimizer really is, whatever it is made of."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

from ..optimizers.identification.probe import identify as identify_step
from ..optimizers.identification.probe import identify_made

if TYPE_CHECKING:
    from ..optimizers.identification import Identified

__all__ = ["identify"]


def identify(
    optimizer: Any,
    grads: Any = None,
    *,
    size: int = 8,
    start: Any = None,
    slower: Any = None,
    declared: float | None = None,
    seed: int = 0,
) -> Identified:
    """What an optimizer really is: the Method behind an optimizer, a black box, or a training loop's history.

    Args:
        optimizer: a torch optimizer (or (optimizer, scheduler)), an optax transformation, a Keras optimizer, or a function of
            nothing that makes one; a function `step(grad) -> change of the parameters` on numpy arrays of shape (size,); or
            the history of parameters, (steps + 1, ...), arrays or lists of arrays.
        grads: with a history, the gradients taken at its points, (steps, ...).
        size: numbers in a probe gradient of a `step`.
        start: where a `step`'s parameters start; needed to tell coupled from decoupled weight decay.
        slower: for a `step`, a function that multiplies its learning rate from now on; for optax, the same transformation with a
            quarter of the learning rate. With it the verdict says if the rate sits inside the buffer.
        declared: the momentum that was asked for; if it is not there, a warning says so.
        seed: of the random gradients.

    Returns:
        An `Identified`: the verdict in words, the method, weight decay and schedule, evidence and warnings.

    Raises:
        BadInput: something that is no optimizer, a history that cannot be read.

    >>> import numpy as np
    >>> velocity = np.zeros(8)
    >>> def step(grad):
    ...     velocity[:] = 0.9 * velocity + grad
    ...     return -0.1 * velocity
    >>> found = identify(step)
    >>> found.verdict, round(found.method.beta, 9)
    ('heavy ball', 0.9)
    """
    made = optimizer
    if (
        grads is None
        and callable(optimizer)
        and not hasattr(optimizer, "step")
        and not hasattr(optimizer, "apply")
        and _of_nothing(optimizer)
    ):
        made = optimizer()
    parts = made if isinstance(made, tuple | list) else (made,)
    if grads is None and any(hasattr(part, "param_groups") or hasattr(getattr(part, "optimizer", None), "param_groups") for part in parts):
        from ..torch.probe import identify as identify_torch

        return identify_torch(made, declared=declared, seed=seed)
    if grads is None and hasattr(made, "init") and hasattr(made, "update"):
        from ..jax.probe import identify as identify_optax

        return identify_optax(made, slower=slower, declared=declared, seed=seed)
    if made is not optimizer and callable(made) and not hasattr(made, "apply") and start is None and slower is None:
        return identify_made(optimizer, size=size, declared=declared, seed=seed)
    return identify_step(made, grads, size=size, start=start, slower=slower, declared=declared, seed=seed)


def _of_nothing(function: Any) -> bool:
    """Whether a function can be called with no argument, and not with a gradient."""
    try:
        return not inspect.signature(function).parameters
    except (TypeError, ValueError):
        return False

"""Which examples belong to which step: the same in every framework, and for every trial of a tuning."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..errors import BadInput

__all__ = ["TAIL", "batch_order", "readings", "sample_part", "sample_rows"]

TAIL = 4  # readings in the last tenth of a run: what runs are compared by
_MOST, _FEWEST = 40, 20  # readings of a run; between them so many that they look at as many examples as its steps do


def batch_order(examples: int, batch_size: int, steps: int, seed: int) -> NDArray[np.int32]:
    """Row numbers of every step: a stream of shuffled epochs cut into equal batches, (steps, batch_size).

    A batch may begin in one epoch and end in the next, so all have the same shape and every example is seen equally often.

    Raises:
        BadInput: steps < 1, batch_size < 1 or larger than the data.

    >>> np.bincount(batch_order(5, 2, 5, seed=0).ravel()).tolist()
    [2, 2, 2, 2, 2]
    """
    if steps < 1:
        raise BadInput(f"steps = {steps} is too few: a run needs at least 1 step")
    if not 1 <= batch_size <= examples:
        raise BadInput(f"batch size {batch_size} is outside 1..{examples}, the number of examples: use at most {examples}")
    chance = np.random.default_rng(seed)
    epochs = -(-steps * batch_size // examples)
    stream = np.concatenate([chance.permutation(examples) for _ in range(epochs)])
    return stream[: steps * batch_size].reshape(steps, batch_size).astype(np.int32)


def readings(steps: int, batch_size: int, examples: int) -> NDArray[np.int64]:
    """The steps after which the whole loss is read, 0 and the last among them: as often as the run can pay for.

    The last tenth of the run is read four times, so that one lucky mini-batch does not decide.

    >>> readings(100, 10, 100)
    array([  0,   6,  12,  19,  25,  31,  38,  44,  50,  56,  62,  69,  75,
            81,  88,  91,  94,  97, 100])
    """
    count = int(np.clip(steps * batch_size / examples, _FEWEST, _MOST)) - TAIL
    even = np.linspace(0, steps, count + 1)
    late = steps * (1 - 0.03 * np.arange(TAIL))
    return np.unique(np.concatenate([even[even < 0.9 * steps], late]).round().astype(np.int64))


def sample_rows(examples: int, wanted: int, seed: int) -> NDArray[np.intp] | None:
    """The rows of a random sample of the data, ascending; None where it is all of them. The same in every framework.

    >>> sample_rows(5, 5, seed=0) is None, len(sample_rows(100, 10, seed=0))
    (True, 10)
    """
    if wanted >= examples:
        return None
    return np.sort(np.random.default_rng([seed, examples]).choice(examples, wanted, replace=False))


def sample_part(examples: int) -> int:
    """Rows in each of the about eight parts that a sample is cut into: their scatter is the sampling error.

    >>> sample_part(42)
    6
    """
    return -(-examples // 8)

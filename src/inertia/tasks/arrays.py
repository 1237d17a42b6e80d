"""The arrays behind the built-in networks: real digits and real text, split once, the same in every framework."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import require

__all__ = ["digits_split", "topic_windows"]

Arrays = tuple[NDArray[Any], ...]
_HELD_OUT = 360  # digits kept for validation
_WINDOW = 32  # letters a text window predicts


@cache
def digits_split(flipped: float = 0.0) -> tuple[Arrays, Arrays]:
    """scikit-learn's 8x8 digits as (images (n, 8, 8) in [0, 1] about their mean, labels (n,)), training and held-out.

    `flipped` is the share of training labels replaced by a random class (the same ones every time).

    >>> [array.shape for part in digits_split() for array in part]
    [(1437, 8, 8), (1437,), (360, 8, 8), (360,)]
    """
    digits = require("sklearn.datasets", "tasks").load_digits()
    order = np.random.default_rng(0).permutation(len(digits.target))
    images = (digits.images[order] / 16.0).astype(np.float32)
    labels = digits.target[order].astype(np.int32)
    images = images - images[_HELD_OUT:].mean()
    train = labels[_HELD_OUT:].copy()
    if flipped:
        chance = np.random.default_rng(1)
        wrong = chance.random(len(train)) < flipped
        train[wrong] = chance.integers(0, 10, wrong.sum())
    return (images[_HELD_OUT:], train), (images[:_HELD_OUT], labels[:_HELD_OUT])


@cache
def topic_windows(windows: int = 2000, held_out: int = 250) -> tuple[Arrays, Arrays, int]:
    """Windows of 33 letters from the documentation topics that Python carries: training, held-out, alphabet size.

    The text differs a little between Python versions; the benchmark records the version it ran on.
    """
    from pydoc_data.topics import topics

    text = "\n".join(topics[name] for name in sorted(topics))
    alphabet = sorted(set(text))
    codes = np.searchsorted(alphabet, list(text)).astype(np.int32)
    total = min(windows + held_out, len(codes) // (_WINDOW + 1))
    cut = codes[: total * (_WINDOW + 1)].reshape(total, _WINDOW + 1)
    cut = cut[np.random.default_rng(0).permutation(total)]
    return (cut[held_out:],), (cut[:held_out],), len(alphabet)

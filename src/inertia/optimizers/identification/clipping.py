"""Clipping: what bounds large gradients, and where.

One large gradient, of another size on every tensor, shows what passes: a vector whose length is the bound (all tensors
together, or each by itself), or numbers of which none exceeds it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from .recursion import PLACES, Array, Clip, Recursion

__all__ = ["clipped"]

GUARDS = (0.0, 1e-6)  # optax and Keras; torch.nn.utils.clip_grad_norm_


def clipped(
    run: Callable[..., Array], leaves: Sequence[Recursion], every: int, width: int, gains: Sequence[tuple[float, ...]]
) -> Iterator[Clip]:
    """The bounds that explain how one large gradient is cut, those on the gradient first."""
    moving = np.flatnonzero(np.all([leaf.alpha != 0 for leaf in leaves], axis=0))
    if not moving.size or min(gain[-1] for gain in gains) >= min(gain[0] for gain in gains):
        return
    block = int(moving[0])
    generator = np.random.default_rng(2)
    grad = generator.standard_normal((len(leaves), width)) * 1e7 * (1 + np.arange(len(leaves)))[:, None]
    grads = np.zeros(((block + 1) * every, *grad.shape))
    grads[block * every :] = grad
    moves = run(grads, grads * 0)[-1]
    own = np.array([leaf.alpha[block] * (1 + leaf.gamma[block]) * (leaf.first if block == 0 else 1.0) for leaf in leaves])[:, None]
    passed = -moves / own  # (leaves, width)
    for place in PLACES:
        seen = np.abs(moves) if place == "update" else np.abs(passed)
        for kind, sizes in (
            ("norm", np.array([np.linalg.norm(seen)])),
            ("tensor norm", np.linalg.norm(seen, axis=1)),
            ("value", seen.max(axis=1)),
        ):
            for guard in (0.0,) if kind == "value" else GUARDS:
                yield Clip(kind, float(sizes.max()), place, guard)

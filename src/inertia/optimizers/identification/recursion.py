"""What an SGD-like optimizer does, step by step, as numbers; and the one place where it is run.

    h[k] = clip(g[k]) + lambda x[k]                                   coupled decay lambda
    v[k] = beta[k] v[k-1] + w[k] h[k]                                 w = 1, but `first` at the first step
    d[k] = -alpha[k] ((1 + gamma[k]) v[k] - gamma[k] v[k-1]) - omega[k] x[k]   decoupled decay omega

with the learning rate outside the buffer, as in torch and optax. Inside (as in Keras) the buffer holds alpha h instead of
h. Both are one method while alpha stays; under a schedule they are two.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["OUTSIDE", "PLACES", "Array", "Clip", "Home", "Recursion", "simulate"]

Array = NDArray[np.float64]

PLACES = ("gradient", "decayed gradient", "update")


class Home(NamedTuple):
    """What a framework's own optimizers do, which decides between explanations of the same moves."""

    inside: bool  # the learning rate sits inside the buffer
    dampens: bool  # the first gradient may weigh more than the others


OUTSIDE = Home(inside=False, dampens=True)  # as torch.optim.SGD


class Clip(NamedTuple):
    """A bound: `kind` is "norm" (of everything together), "tensor norm" (each tensor by itself) or "value" (each number)."""

    kind: str
    bound: float
    place: str = "gradient"  # what is bounded, one of PLACES
    guard: float = 0.0  # added to the norm before it divides: 1e-6 in torch's clip_grad_norm_

    def __call__(self, rows: Array) -> Array:
        """The bounded copy of rows (leaves, n)."""
        if self.kind == "value":
            return np.clip(rows, -self.bound, self.bound)
        square = np.sum(rows**2, axis=1, keepdims=True)
        norm = np.sqrt(square.sum() if self.kind == "norm" else square)
        return rows * np.minimum(1.0, self.bound / np.where(norm == 0, 1.0, norm + self.guard))


@dataclass(frozen=True)
class Recursion:
    """The coefficients of every step, arrays of shape (steps,), and what stands around them."""

    alpha: Array
    beta: Array
    gamma: Array
    inside: bool | None = False  # None where both explain it
    first: float = 1.0  # weight of the first gradient in the buffer; torch's SGD: 1/(1 - dampening)
    lost: tuple[int, ...] = ()  # steps before which the buffer is emptied
    coupled: float = 0.0  # lambda, at the last step where it moves
    lambdas: Array | None = None  # of every step, where it moves
    omega: Array | None = None  # decoupled decay of every step
    other: float | None = None  # the momentum that explains the same moves with the learning rate at the other place

    @property
    def steps(self) -> int:
        """How many steps it knows."""
        return len(self.alpha)

    def step(self, k: int, push: Array, place: Array, buffer: Array) -> tuple[Array, Array]:
        """Step k: the move and the new buffer."""
        buffer = buffer * 0 if k in self.lost else buffer
        alpha, gamma = self.alpha[k], self.gamma[k]
        push = push * (self.first if k == 0 else 1.0)
        new = self.beta[k] * buffer + (alpha * push if self.inside else push)
        move = -((1 + gamma) * new - gamma * buffer) * (1.0 if self.inside else alpha)
        return (move if self.omega is None else move - self.omega[k] * place), new


def simulate(leaves: Sequence[Recursion], grads: Array, points: Array | None = None, start: Any = 0.0, clip: Clip | None = None) -> Array:
    """What the recursions of several tensors add to them: grads (steps, leaves, n) to changes of the same shape.

    The parameters are `points` where they are set before every step, else they move on from `start`.
    """
    coupled = np.array([np.full(len(grads), leaf.coupled) if leaf.lambdas is None else leaf.lambdas[: len(grads)] for leaf in leaves])
    place, buffers, moves = np.zeros_like(grads[0]) + start, list(np.zeros_like(grads[0])), []
    bound = {where: clip if clip is not None and clip.place == where else np.asarray for where in PLACES}
    for k, grad in enumerate(grads):
        place = place if points is None else points[k]
        push = bound["decayed gradient"](bound["gradient"](grad) + coupled[:, k, None] * place)
        stepped = [leaf.step(k, push[i], place[i], buffers[i]) for i, leaf in enumerate(leaves)]
        buffers = [new for _, new in stepped]
        move = bound["update"](np.array([move for move, _ in stepped]))
        moves.append(move)
        place = place + move
    return np.array(moves)

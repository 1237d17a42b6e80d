"""The average of a run's weights, beside them: the loss there has little of the noise that holds up the loss of the run."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from ..watching.pacing import FURTHEST, Pace

__all__ = ["SHARE", "Average"]

SHARE = 1 / 12  # of the budget that readings may take, and the average of the weights: looks have the rest
_APART = 4  # steps between two additions
_ENOUGH = 8  # weights that an average is taken of at least


class Average:
    """Polynomial-decay averaging, in which newer weights weigh more (Shamir and Zhang 2013, eta = 3).

    Args:
        params: of the run, as they are trained.
        pace: that of the watch, which pays for it.
        kept: whether there is one; else it stays empty.
    """

    def __init__(self, params: Sequence[torch.Tensor], pace: Pace, kept: bool) -> None:
        self.params, self.pace, self.kept = params, pace, kept
        self._mean: list[torch.Tensor] | None = None
        self._count = 0

    @property
    def weights(self) -> list[torch.Tensor] | None:
        """The average; None while it is of too few."""
        return self._mean if self._count >= _ENOUGH else None

    def add(self) -> int:
        """The weights of now, where the budget allows; the steps until this is to be asked again."""
        wait = self.pace.wait("average", SHARE) if self.kept else FURTHEST
        if not wait:
            with self.pace.charged("average"), torch.no_grad():
                now = [p.detach() for p in self.params]
                self._count += 1
                if self._mean is None:
                    self._mean = [p.clone() for p in now]
                else:
                    torch._foreach_lerp_(self._mean, now, 4 / (self._count + 3))
        return max(wait, _APART)

    def forget(self) -> None:
        """Begin anew."""
        self._mean, self._count = None, 0

"""What a run did: the left-hand side of every promise."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .method import Method

__all__ = ["Record"]


@dataclass(frozen=True, eq=False)
class Record:
    """One run: its method, the loss after every step (from step 0), where it ended and what it cost.

    Losses are those of the parameters, which frameworks hold and train; evaluate and save `final`. The two differ where
    delta is not gamma: Nesterov's form with delta = 0, triple momentum.
    `losses[0]` is the loss at the start; a run that stopped being finite keeps what was finite and names the step.
    """

    method: Method  # the coefficients at step 0 (a schedule scales them)
    losses: NDArray[np.float64]  # (steps + 1,) or shorter where the run diverged
    final: NDArray[np.float64]  # the point that the method promises, `method.readout`; the last finite parameters where it diverged
    steps: int  # steps asked for
    path: NDArray[np.float64] | None = None  # (steps + 1, n) parameters, where kept
    diverged_at: int | None = None  # first step whose loss or parameters were not finite
    gradients: int = 0  # gradients of single examples (or of the whole loss where there are no examples)
    schedule: str = "constant"
    seed: int | None = None
    notes: Mapping[str, Any] = field(default_factory=dict)
    params: NDArray[np.float64] | None = None  # last parameters, where the gradient is taken; as `final` where none are given

    def __post_init__(self) -> None:
        """Where nobody says otherwise the parameters are what is read out (delta = gamma)."""
        if self.params is None:
            object.__setattr__(self, "params", self.final)

    @property
    def loss(self) -> float:
        """Final loss; infinite where the run diverged."""
        return float("inf") if self.diverged_at is not None else float(self.losses[-1])

    def to_json(self) -> dict[str, Any]:
        """The run as plain numbers and lists (the path is left out unless it was kept)."""
        data: dict[str, Any] = {
            "method": {name: float(value) for name, value in self.method._asdict().items()},
            "steps": self.steps,
            "losses": self.losses.tolist(),
            "final": self.final.tolist(),
            "params": np.asarray(self.params).tolist(),
            "diverged_at": self.diverged_at,
            "gradients": self.gradients,
            "schedule": self.schedule,
            "seed": self.seed,
        }
        return data if self.path is None else data | {"path": self.path.tolist()}

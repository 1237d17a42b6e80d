"""What the processes that train one model agree on while they watch it: rank 0 decides when and how closely, all take part in a look."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

import torch

from .processes import Processes

__all__ = ["Together"]

T = TypeVar("T")


class Together:
    """This process alone (no group), or all that train the model: each call below is then made by every one of them, in one order.

    DistributedDataParallel steps all of them alike, so a step that rank 0 names is the same step everywhere.
    """

    def __init__(self, group: Processes | None) -> None:
        self.group = group

    @property
    def leads(self) -> bool:
        """Whether this process decides, and speaks."""
        return self.group is None or self.group.leads

    def agreed(self, value: T) -> T:
        """What rank 0 says."""
        return value if self.group is None else self.group.agree(value)  # type: ignore[no-any-return]

    def guarded(self, work: Callable[[], T]) -> T:
        """Do it; what fails in one process fails in all of them, and none is left waiting."""
        return work() if self.group is None else self.group.guarded(work)  # type: ignore[no-any-return]

    def mean(self, held: Sequence[torch.Tensor] | None, like: Sequence[torch.Tensor]) -> Sequence[torch.Tensor] | None:
        """Rank 0's average of the weights, where it keeps one."""
        if self.group is None or not self.group.agree(held is not None):
            return held if self.group is None else None
        found = list(held) if held is not None else [torch.empty_like(p) for p in like]
        self.group.same(found)
        return found

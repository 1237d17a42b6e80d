"""What every watch has, whatever it watches: its looks and messages, what it cost, an end, and a place in a checkpoint."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

from ..core.arrays import whole
from ..errors import BadInput
from .monitor import Monitor
from .pacing import Pace
from .quantities import Look

__all__ = ["Watcher"]


class Watcher:
    """The part of a watch that no framework changes; a door sets these and calls the monitor."""

    monitor: Monitor
    pace: Pace
    steps: int

    @property
    def looks(self) -> list[Look]:
        """Every look so far, oldest first."""
        return self.monitor.history.looks

    @property
    def messages(self) -> list[Any]:
        """Every message so far, oldest first: `name`, `words`, and the steps at which it `began` and `ended` (None: still true)."""
        return list(self.monitor.told)

    @property
    def lost(self) -> float:
        """Time spent watching over the time of everything else: within a budget at most that, once the first check is earned."""
        return self.pace.lost

    def close(self) -> None:
        """Finish the log; a second call does nothing."""
        self.monitor.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint must hold so that the watch goes on where the run does; the log is written up to here.

        Returns:
            {"steps": steps of the optimizer so far}: plain numbers, which any checkpoint can hold.
        """
        self.monitor.settle()
        self.monitor.write_losses()
        return {"steps": self.steps}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from a checkpoint: what the log holds beyond its step is superseded.

        Args:
            state: what `state_dict` returned when the checkpoint was written.

        Raises:
            BadInput: anything else.
        """
        if not isinstance(state, Mapping) or "steps" not in state:
            raise BadInput(f"state = {' '.join(repr(state).split())[:60]} is not what state_dict() of a watch returned: it has no 'steps'")
        self.steps = whole(state["steps"], "steps", 0)
        self._forget()
        self.monitor.resume(self.steps)

    def _forget(self) -> None:
        """Let go of what was remembered of the run's last steps."""

"""What every watch has, whatever it watches: its looks and messages, what it cost, an end, and a place in a checkpoint."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

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
        """Every message so far, with the steps at which it began and ended."""
        return list(self.monitor.told)

    @property
    def lost(self) -> float:
        """Time spent watching over the time of everything else."""
        return self.pace.lost

    def close(self) -> None:
        """Finish the log."""
        self.monitor.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint must hold so that the watch goes on where the run does; the log is written up to here."""
        self.monitor.settle()
        self.monitor.write_losses()
        return {"steps": self.steps}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from a checkpoint: what the log holds beyond its step is superseded."""
        self.steps = int(state["steps"])
        self._forget()
        self.monitor.resume(self.steps)

    def _forget(self) -> None:
        """Let go of what was remembered of the run's last steps."""

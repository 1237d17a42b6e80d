"""The watch as a Lightning callback: its loss is what training_step returns, its probe the first training batch unless told."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from lightning.pytorch.callbacks import Callback

from ..errors import BadInput
from ..lightning import training_loss
from ..torch import Watch
from ..torch.batches import examples_in

__all__ = ["LightningWatch"]

_own_loss = partial(training_loss, otherwise="; or give forward=, (module, batch) -> loss")


class LightningWatch(Callback):
    """`inertia.torch.Watch` for a lightning.pytorch.Trainer.

    Args:
        probe: a fixed batch of training data in the form that training_step takes; None takes the first batch of the training.
        forward: (module, batch) -> loss; None asks training_step, whose calls of self.log are left out.
        log: as in `inertia.torch.Watch`; None hands the numbers to the trainer's own loggers.
        settings: whatever else `inertia.torch.Watch` takes (budget, every, expect, say, ...).

    Raises:
        BadInput: manual optimization without `forward`, several optimizers, a probe whose loss cannot be computed: when training begins.
    """

    def __init__(self, probe: Any = None, *, forward: Callable[..., Any] | None = None, log: Any = None, **settings: Any) -> None:
        self.probe, self.forward, self.place, self.settings = probe, forward, log, settings  # Lightning sets `log` itself
        self.watch: Watch | None = None
        self._state: Mapping[str, Any] | None = None

    def on_train_batch_start(self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int) -> None:
        """The watch begins with the first batch."""
        if self.watch is not None:
            return
        if not pl_module.automatic_optimization and self.forward is None:
            raise BadInput("training_step optimises by itself (automatic_optimization is off): give forward=, (module, batch) -> loss")
        optimizers = list(trainer.optimizers)
        if len(optimizers) != 1:
            raise BadInput(f"the trainer has {len(optimizers)} optimizers: the watch follows one; use inertia.torch.Watch for each")
        loggers = [logger for logger in trainer.loggers if hasattr(logger, "log_metrics")] if self.place is None else self.place
        usual = {"say": None if trainer.is_global_zero else False, "batch_size": self.settings.get("size_of", examples_in)(batch)}
        self.watch = Watch(
            pl_module, optimizers[0], None, probe=batch if self.probe is None else self.probe, forward=self.forward or _own_loss,
            log=loggers if trainer.is_global_zero else None, **usual | self.settings,
        )  # fmt: skip
        if self._state is not None:
            self.watch.load_state_dict(self._state)

    def on_train_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        """A loss; the steps tell themselves."""
        if self.watch is not None:
            self.watch.step(outputs.get("loss") if isinstance(outputs, Mapping) else outputs)

    def on_train_end(self, trainer: Any, pl_module: Any) -> None:
        """The end."""
        if self.watch is not None:
            self.watch.close()

    def on_exception(self, trainer: Any, pl_module: Any, exception: BaseException) -> None:
        """The end, early."""
        if self.watch is not None:
            self.watch.close()

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint keeps."""
        return {} if self.watch is None else self.watch.state_dict()

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from a checkpoint."""
        self._state = state_dict or None

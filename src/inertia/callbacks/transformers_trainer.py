"""The watch as a callback of the Hugging Face Trainer, whose callbacks see neither batch nor loss: the optimizer's own step is hooked."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from transformers import TrainerCallback

from ..errors import BadInput
from ..torch import Watch

__all__ = ["TrainerWatch"]


class TrainerWatch(TrainerCallback):  # type: ignore[misc]
    """`inertia.torch.Watch` for a transformers.Trainer.

    The loss is the model's own, model(**batch).loss. What the trainer reports of it (args.logging_steps) is the loss that the watch
    keeps; the last look's numbers are written into the same entries of state.log_history, and so into trainer_state.json.

    Args:
        probe: a fixed batch (a dict, as the data collator makes it); None takes the first examples of the training data set.
        forward: (model, batch) -> loss, where it is not the model's own.
        log: as in `inertia.torch.Watch`.
        settings: whatever else `inertia.torch.Watch` takes (budget, every, expect, say, ...).

    Raises:
        BadInput: a data set that cannot be indexed, without `probe`; a probe whose loss cannot be computed: when training begins.
    """

    def __init__(self, probe: Any = None, *, forward: Callable[..., Any] | None = None, log: Any = None, **settings: Any) -> None:
        self.probe, self.forward, self.log, self.settings = probe, forward, log, settings
        self.watch: Watch | None = None

    def on_train_begin(self, args: Any, state: Any, control: Any, **given: Any) -> None:
        """The watch begins; after a checkpoint it goes on from its step."""
        if not state.is_world_process_zero:
            return  # the model that comes here is not the wrapped one: rank 0 looks at it alone
        optimizer = given["optimizer"]
        while hasattr(optimizer, "optimizer"):  # accelerate's wrapper
            optimizer = optimizer.optimizer
        probe = _first(given.get("train_dataloader"), args.per_device_train_batch_size) if self.probe is None else self.probe
        settings = {"batch_size": args.per_device_train_batch_size} | self.settings
        self.watch = Watch(given["model"], optimizer, None, probe=probe, forward=self.forward or _own_loss, log=self.log, **settings)
        self.watch.monitor.history.facts["batch"] = settings["batch_size"] * args.gradient_accumulation_steps
        if state.global_step:
            self.watch.load_state_dict({"steps": state.global_step})

    def on_step_end(self, args: Any, state: Any, control: Any, **given: Any) -> None:
        """A step is done."""
        if self.watch is not None:
            self.watch.step()

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **given: Any) -> None:
        """The trainer's mean loss since its last report comes in; the last look goes out, beside it."""
        if self.watch is None or not logs or "loss" not in logs:
            return
        self.watch.report(float(logs["loss"]))
        if self.watch.looks and state.log_history:
            state.log_history[-1].update(_numbers(self.watch))

    def on_train_end(self, args: Any, state: Any, control: Any, **given: Any) -> None:
        """The end."""
        if self.watch is not None:
            self.watch.close()


def _own_loss(model: Any, batch: Any) -> Any:
    made = model(**batch)
    loss = made.get("loss") if isinstance(made, Mapping) else getattr(made, "loss", None)
    if loss is None:
        raise BadInput("the model returned no loss for the probe: are the labels in it? Else give forward=, (model, batch) -> loss")
    return loss


def _first(loader: Any, size: int) -> Any:
    """The first examples of the loader's data set as one batch, without touching the loader."""
    data = getattr(loader, "dataset", None)
    if data is None or not hasattr(data, "__getitem__") or not hasattr(data, "__len__"):
        raise BadInput("the training data cannot be indexed, so no probe is taken from them: give probe=, a batch as the collator makes it")
    return dict(loader.collate_fn([data[k] for k in range(min(len(data), max(4 * size, 16)))]))


def _numbers(watch: Watch) -> dict[str, float]:
    look = watch.looks[-1]
    found = {"inertia/sharpness": look.sharpness, "inertia/step": float(look.step)}
    if look.edge is not None and look.of_edge is not None:
        found |= {"inertia/edge": look.edge, "inertia/sharpness_of_edge": look.of_edge}
    return found

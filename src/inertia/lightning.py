"""Lightning: the learning rate and momentum that a LightningModule needs on its DataModule, measured and verified.

    found = inertia.lightning.tune(module, datamodule, trainer=trainer)
    inertia.lightning.use(module, found)      # then trainer.fit(module, datamodule)

In the place of Lightning's `Tuner(trainer).lr_find(module, datamodule)`.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from .errors import BadInput, require
from .tuning.recipe import searched_as

if TYPE_CHECKING:
    from .core.spectrum import Spectrum
    from .tuning.checking import Check
    from .tuning.result import Tuning

__all__ = ["check", "measure", "training_loss", "tune", "use"]


def tune(module: Any, data: Any = None, *, trainer: Any = None, validate: bool = False, **options: Any) -> Tuning:
    """Recommend learning rate and momentum for a LightningModule, verified by a few full runs of its `training_step`; it is not trained.

    Args:
        module: a LightningModule with automatic optimization.
        data: a LightningDataModule, or data of any kind that `inertia.torch.tune` takes; None: the module's own `train_dataloader`.
        trainer: the Trainer to be used: says steps (max_steps, or max_epochs), gradient clipping and accumulation.
        validate: compare runs by the loss that `training_step` gives on `val_dataloader`.
        options: those of `inertia.torch.tune` (steps is required without a trainer). The optimizer and its weight decay are read from
            `configure_optimizers`, the schedule is linear unless given.

    Raises:
        BadInput: manual optimization, several optimizers, no number of steps, or what `inertia.torch.tune` raises.
        MissingExtra: torch is not installed.
    """
    return _carried("tune", module, data, trainer, validate, options)  # type: ignore[no-any-return]


def check(module: Any, data: Any = None, *, trainer: Any = None, lr: float, **options: Any) -> Check:
    """A second opinion on a learning rate; arguments as for `tune`, and those of `inertia.torch.check`.

    Raises:
        BadInput: as `tune`.
    """
    return _carried("check", module, data, trainer, False, options | {"lr": lr})  # type: ignore[no-any-return]


def measure(module: Any, data: Any = None, **options: Any) -> Spectrum:
    """Curvature and gradient noise of a LightningModule's training loss; options are those of `inertia.torch.measure`.

    Raises:
        BadInput: as `tune`.
    """
    require("torch", "torch")
    _refuse(module)
    return _asked("measure", module, _loader(module, data, "train_dataloader"), options)  # type: ignore[no-any-return]


def use(module: Any, found: Tuning) -> None:
    """Let the module train as was verified: `configure_optimizers` gives that optimizer with its schedule, stepped every batch."""

    def configure_optimizers() -> dict[str, Any]:
        optimizer, scheduler = found.torch([p for p in module.parameters() if p.requires_grad])
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}

    module.configure_optimizers = configure_optimizers


def _carried(verb: str, module: Any, data: Any, trainer: Any, validate: bool, options: dict[str, Any]) -> Any:
    """A verb of the torch room on what the module holds."""
    require("torch", "torch")
    _refuse(module)
    loader = _loader(module, data, "train_dataloader")
    words = _words(module, loader, trainer, options) | options
    if validate:
        words["validation"] = _loader(module, data, "val_dataloader")
    return _asked(verb, module, loader, words)


def _asked(verb: str, module: Any, loader: Any, words: dict[str, Any]) -> Any:
    """A verb of the torch room, on the module in training mode, as the Trainer trains it."""
    from . import torch as verbs
    from .torch.frozen import in_mode
    from .tuning.given import check_words

    check_words(verb, getattr(verbs, verb), words)
    with in_mode(module, "train"):
        return getattr(verbs, verb)(module, None, loader, forward=training_loss, **words)


def training_loss(module: Any, batch: Any, *, otherwise: str = "") -> Any:
    """The loss that `training_step` returns for a batch; what it logs goes nowhere.

    Raises:
        BadInput: it returns none; `otherwise` says what else the reader can do.
    """
    silent = {"log": _nothing, "log_dict": _nothing}
    before = {name: module.__dict__.get(name) for name in silent}
    module.__dict__.update(silent)
    try:
        takes = len(inspect.signature(module.training_step).parameters)
        found = module.training_step(batch, 0) if takes > 1 else module.training_step(batch)
    finally:
        for name, value in before.items():
            if value is None:
                del module.__dict__[name]
            else:
                module.__dict__[name] = value
    if isinstance(found, Mapping):
        found = found.get("loss")
    if found is None:
        raise BadInput(f"training_step returned no loss: it must return a tensor, or a dict with 'loss'{otherwise}")
    return found


def _nothing(*_: Any, **__: Any) -> None:
    """In the place of `self.log`."""


def _refuse(module: Any) -> None:
    if not callable(getattr(module, "training_step", None)):
        raise BadInput(
            f"a {type(module).__name__} has no training_step: pass a LightningModule, or use inertia.torch.tune(model, loss, data)"
        )
    if not getattr(module, "automatic_optimization", True):
        raise BadInput(
            "the module optimizes by hand (automatic_optimization = False), so no single loss is minimised: use inertia.torch.tune with one"
        )


def _loader(module: Any, data: Any, name: str) -> Any:
    """The loader of a DataModule (set up as a Trainer does), of the module itself, or the data as they are."""
    if data is not None and not hasattr(data, name):
        if name == "val_dataloader":
            raise BadInput("validate=True needs a DataModule with val_dataloader: pass validation=... instead")
        return data
    home = module if data is None else data
    if data is not None:
        data.prepare_data()
        data.setup("fit")
    found = getattr(home, name)()
    if isinstance(found, list | tuple) and len(found) == 1:
        (found,) = found
    if isinstance(found, list | tuple | dict) or found is None:
        raise BadInput(f"{name} gives a {type(found).__name__}: one loader is needed, pass it as data")
    return found


def _words(module: Any, loader: Any, trainer: Any, given: dict[str, Any]) -> dict[str, Any]:
    """Budget and optimizer, from the Trainer and from `configure_optimizers`."""
    words: dict[str, Any] = {}
    if trainer is not None:
        accumulate = int(getattr(trainer, "accumulate_grad_batches", 1))
        if trainer.max_steps and trainer.max_steps > 0:
            words["steps"] = int(trainer.max_steps)
        elif trainer.max_epochs and trainer.max_epochs > 0 and hasattr(loader, "__len__"):
            words["steps"] = int(trainer.max_epochs) * math.ceil(len(loader) / accumulate)
        words |= {"clip": getattr(trainer, "gradient_clip_val", None), "accumulate": accumulate}
    if "steps" not in words and "steps" not in given:
        raise BadInput("the number of steps is not known: pass trainer=Trainer(max_steps=1000), or steps=1000")
    made = module.configure_optimizers()
    optimizer = made.get("optimizer") if isinstance(made, dict) else made
    while isinstance(optimizer, list | tuple):
        if not optimizer or (len(optimizer) > 1 and not isinstance(optimizer[0], list | tuple)):
            raise BadInput("configure_optimizers gives several optimizers, so no single loss is minimised: use inertia.torch.tune with one")
        optimizer = optimizer[0]
    if optimizer is not None and "optimizer" not in given:
        words["optimizer"] = searched_as(optimizer)
        words["weight_decay"] = float(optimizer.param_groups[0].get("weight_decay", 0.0))
    return words

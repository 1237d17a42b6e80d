"""Lightning: the learning rate and momentum that a LightningModule needs on its DataModule, measured and verified.

    found = inertia.lightning.tune(module, datamodule, trainer=trainer)
    inertia.lightning.use(module, found)      # then trainer.fit(module, datamodule)

In the place of Lightning's `Tuner(trainer).lr_find(module, datamodule)`.
"""

from __future__ import annotations

import inspect
import math
import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from .errors import BadInput, InertiaWarning, in_words, require

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
        trainer: the Trainer to be used: says steps (max_steps, max_epochs, limit_train_batches), clipping, accumulation and precision.
        validate: compare runs by the loss that `training_step` gives on `val_dataloader`.
        options: those of `inertia.torch.tune` (steps is required without a trainer). The kind of optimizer, its parameters and their
            groups, weight decay and schedule are read from `configure_optimizers`; the schedule is linear where it has none.

    Raises:
        BadInput: manual optimization, several optimizers, no number of steps, or what `inertia.torch.tune` raises.
        MissingExtra: torch is not installed.
    """
    return _carried("tune", module, data, trainer, validate, options)  # type: ignore[no-any-return]


def check(module: Any, data: Any = None, *, trainer: Any = None, lr: float, **options: Any) -> Check:
    """A second opinion on a learning rate; arguments as for `tune`, and those of `inertia.torch.check`.

    Momentum (or betas and eps) are those of the module's own optimizer where they are not given.

    Raises:
        BadInput: as `tune`.
    """
    return _carried("check", module, data, trainer, False, options | {"lr": lr})  # type: ignore[no-any-return]


def measure(module: Any, data: Any = None, **options: Any) -> Spectrum:
    """Curvature and gradient noise of a LightningModule's training loss, along the parameters that its optimizer holds.

    The options are those of `inertia.torch.measure`.

    Raises:
        BadInput: as `tune`.
    """
    require("torch", "torch")
    _refuse(module)
    try:
        optimizer, _ = _made_by(module.configure_optimizers, {"optimizer": "any"})
    except BadInput:  # several of them: the loss is measured along all parameters
        optimizer = None
    return _asked("measure", module, _loader(module, data, "train_dataloader"), options, optimizer, _forward(None, data))  # type: ignore[no-any-return]


def use(module: Any, found: Tuning) -> None:
    """Let the module train as was verified: `configure_optimizers` gives that optimizer with its schedule, stepped every batch.

    It holds the parameters that the module's own optimizer holds, in the same groups: their learning rates stay in proportion.
    """
    own = module.configure_optimizers

    def configure_optimizers() -> dict[str, Any]:
        optimizer, scheduler = found.torch(_to_step(module, _made_by(own, {"optimizer": found.recipe.optimizer})[0]))
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}

    module.configure_optimizers = configure_optimizers


def _to_step(module: Any, optimizer: Any) -> list[Any]:
    """The parameters that are trained, in the groups of the module's own optimizer where those differ."""
    from .torch.theirs import to_step

    return [p for p in module.parameters() if p.requires_grad] if optimizer is None else to_step(optimizer)


def _carried(verb: str, module: Any, data: Any, trainer: Any, validate: bool, options: dict[str, Any]) -> Any:
    """A verb of the torch room on what the module holds."""
    require("torch", "torch")
    _refuse(module)
    loader = _loader(module, data, "train_dataloader")
    optimizer, schedulers = _made_by(module.configure_optimizers, options)
    words = _budget(loader, trainer, options) | _optimizer(verb, optimizer, options)
    if "schedule" not in options and schedulers:
        words |= _schedule(schedulers, loader, trainer, options.get("steps") or words["steps"])
    words |= options
    if validate:
        words["validation"] = _loader(module, data, "val_dataloader")
    return _asked(verb, module, loader, words, optimizer, _forward(trainer, data, _known(loader, trainer, words)))


def _asked(verb: str, module: Any, loader: Any, words: dict[str, Any], optimizer: Any, forward: Any) -> Any:
    """A verb of the torch room, on the module in training mode, as the Trainer trains it."""
    from . import torch as verbs
    from .torch.frozen import in_mode
    from .torch.theirs import alone_in
    from .tuning.given import check_words

    check_words(verb, getattr(verbs, verb), words)
    with in_mode(module, "train"), alone_in(optimizer, module):
        return getattr(verbs, verb)(module, None, loader, forward=forward, **words)


def _forward(trainer: Any, data: Any = None, known: Mapping[str, Any] | None = None) -> Any:
    """The loss of `training_step`, under autocast where the Trainer mixes its precision."""
    precision = str(getattr(trainer, "precision", "32-true"))
    kind = {"bf16-mixed": "bfloat16", "16-mixed": "float16"}.get(precision)
    if kind is None and not precision.startswith("32"):
        warnings.warn(
            f"the Trainer's precision = '{precision}' is not taken over: the runs have the numbers that the module holds, so convert it "
            "first, as with module.double()",
            InertiaWarning, stacklevel=2,
        )  # fmt: skip
    return _Step(kind, data if any(_overridden(data, name) for name in HOOKS) else None, _Attached(known or {}))


class _Step:
    """The loss of `training_step` of a batch as Lightning hands it over, under autocast to a type of numbers where one is given."""

    def __init__(self, kind: str | None, data: Any, attached: _Attached) -> None:
        self.kind, self.data, self.attached = kind, data, attached

    def __call__(self, module: Any, batch: Any) -> Any:
        """The loss; under autocast in float32."""
        torch: Any = require("torch", "torch")
        device = next(module.parameters()).device
        had, before = "_trainer" in module.__dict__, module.__dict__.get("_trainer")
        if before is None:
            module.__dict__["_trainer"] = self.attached
        try:
            for name in HOOKS:
                home = self.data if _overridden(self.data, name) else module  # a DataModule's own comes first, as in Lightning
                if _overridden(home, name):
                    more = (device, 0) if name == "transfer_batch_to_device" else (0,)
                    batch = getattr(home, name)(batch, *more)
            if self.kind is None:
                return training_loss(module, batch)
            with torch.autocast(device.type, dtype=getattr(torch, self.kind)):
                return training_loss(module, batch).float()
        finally:
            if had:
                module.__dict__["_trainer"] = before
            else:
                del module.__dict__["_trainer"]


HOOKS = ("on_before_batch_transfer", "transfer_batch_to_device", "on_after_batch_transfer")


def _overridden(home: Any, name: str) -> bool:
    """Whether a hook is the user's own, not that of Lightning."""
    found = getattr(type(home), name, None)
    return found is not None and not found.__module__.startswith(("lightning.", "pytorch_lightning."))


class _Attached:
    """What `self.trainer` is in a `training_step` here: what a run's Trainer would say, as at its first step."""

    def __init__(self, known: Mapping[str, Any]) -> None:
        self.__dict__["known"] = {"training": True, "validating": False, "testing": False, "sanity_checking": False, **known}
        self.__dict__["told"] = set[str]()

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or "known" not in self.__dict__:  # of copying and pickling
            raise AttributeError(name)
        if name in {"current_epoch", "global_step"}:
            if name not in self.told:
                self.told.add(name)
                warnings.warn(
                    f"training_step reads the Trainer's {name}, which is 0 here in every measurement and at every step of a run",
                    InertiaWarning, stacklevel=3,
                )  # fmt: skip
            return 0
        if self.known.get(name) is None:
            raise BadInput(
                f"training_step uses self.trainer.{name}, which is not known here: give its loss to inertia.torch by "
                "forward=, (module, batch) -> loss"
            )
        return self.known[name]


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
    try:
        found = getattr(home, name)()
    except Exception as error:
        if type(error).__name__ != "MisconfigurationException":
            raise
        other = "pass the data beside the module" if name == "train_dataloader" else "give it one, or pass validation=... instead"
        raise BadInput(f"the {type(home).__name__} has no {name}: {other}") from None
    if isinstance(found, list | tuple) and len(found) == 1:
        (found,) = found
    if isinstance(found, list | tuple | dict) or found is None:
        raise BadInput(f"{name} gives a {type(found).__name__}: one loader is needed, pass it as data")
    return found


def _budget(loader: Any, trainer: Any, given: Mapping[str, Any]) -> dict[str, Any]:
    """Steps, clipping and accumulation, as the Trainer says."""
    words: dict[str, Any] = {}
    if trainer is not None:
        words |= {"clip": getattr(trainer, "gradient_clip_val", None), "accumulate": _accumulated(trainer)}
        algorithm = getattr(trainer, "gradient_clip_algorithm", None)
        if words["clip"] and str(getattr(algorithm, "value", algorithm)) == "value" and "clip" not in given:
            raise BadInput(
                f"the Trainer clips every entry of the gradient to {words['clip']:g} (gradient_clip_algorithm='value'), which no run does: "
                "clip by norm, or say clip=None to search without clipping"
            )
        epoch = _steps_of_an_epoch(loader, trainer)
        ends = [int(trainer.max_steps)] if trainer.max_steps and trainer.max_steps > 0 else []
        ends += [int(trainer.max_epochs) * epoch] if epoch and trainer.max_epochs and trainer.max_epochs > 0 else []
        words |= {"steps": min(ends)} if ends else {}
    if "steps" not in words and "steps" not in given:
        raise BadInput("the number of steps is not known: pass trainer=Trainer(max_steps=1000), or steps=1000")
    return words


def _known(loader: Any, trainer: Any, words: Mapping[str, Any]) -> dict[str, Any]:
    """What a Trainer says of a run that stays as it is along the run."""
    if trainer is None:
        return {"estimated_stepping_batches": words.get("steps")}
    whole = _batches_of_an_epoch(loader, trainer)
    names = ("max_epochs", "max_steps", "accumulate_grad_batches", "precision", "gradient_clip_val", "world_size", "num_devices")
    return {name: getattr(trainer, name, None) for name in names} | {
        "num_training_batches": whole or None, "estimated_stepping_batches": words.get("steps"),
    }  # fmt: skip


def _accumulated(trainer: Any) -> int:
    return 1 if trainer is None else int(getattr(trainer, "accumulate_grad_batches", 1))


def _steps_of_an_epoch(loader: Any, trainer: Any) -> int | None:
    """Optimizer steps of one epoch; None where the loader has no length."""
    return math.ceil(_batches_of_an_epoch(loader, trainer) / _accumulated(trainer)) or None


def _batches_of_an_epoch(loader: Any, trainer: Any) -> int:
    """As many as `limit_train_batches` says; 0 where the loader has no length."""
    limit = getattr(trainer, "limit_train_batches", None)
    try:
        batches = len(loader)
    except TypeError:
        batches = limit if isinstance(limit, int) else 0
    if limit is not None:
        batches = int(batches * limit) if isinstance(limit, float) else min(batches, limit)
    return int(batches)


def _made_by(configure: Any, given: Mapping[str, Any]) -> tuple[Any, list[Any]]:
    """(optimizer, scheduler configurations) of `configure_optimizers`; (None, []) of one that needs a Trainer, where the kind is given."""
    try:
        made = configure()
    except Exception as error:
        if "optimizer" in given:
            return None, []
        raise BadInput(
            f"configure_optimizers raises {in_words(error)}: say here what it would make, optimizer='adamw' or 'sgd', with weight_decay= "
            "and schedule="
        ) from error
    made, schedulers = (made[0], made[1]) if _two_lists(made) else (made, [])
    while isinstance(made, list | tuple):
        if len(made) != 1:
            raise BadInput("configure_optimizers gives several optimizers, so no single loss is minimised: use inertia.torch.tune with one")
        made = made[0]
    if isinstance(made, dict):
        schedulers = [made["lr_scheduler"]] if made.get("lr_scheduler") is not None else []
        made = made.get("optimizer")
    return made, list(schedulers) if isinstance(schedulers, list | tuple) else [schedulers]


def _two_lists(made: Any) -> bool:
    """Whether it is a list of optimizers and one of schedulers."""
    return isinstance(made, list | tuple) and len(made) == 2 and isinstance(made[0], list | tuple)


def _optimizer(verb: str, optimizer: Any, given: Mapping[str, Any]) -> dict[str, Any]:
    """The optimizer in the words of the verb, where nothing else is given."""
    from .torch.theirs import optimizer_words, own_setting

    if optimizer is None:
        return {}
    words = optimizer_words(optimizer) if "optimizer" not in given else {}
    return words | (own_setting(optimizer, given) if verb == "check" else {})


def _schedule(schedulers: list[Any], loader: Any, trainer: Any, steps: int) -> dict[str, Any]:
    """The module's own schedule, stepped as its configuration says."""
    from .torch.theirs import schedule_of

    first = schedulers[0] if isinstance(schedulers[0], Mapping) else {"scheduler": schedulers[0]}
    every = int(first.get("frequency") or 1)
    if first.get("interval", "epoch") == "epoch":
        every *= _steps_of_an_epoch(loader, trainer) or steps
    found = schedule_of(first["scheduler"], steps, every)
    return {} if found is None else {"schedule": found}

"""Hugging Face's Trainer: the learning rate and beta1 that its model, data and arguments need, measured and verified.

    found = inertia.hf.tune(trainer)
    inertia.hf.use(trainer, found)      # then trainer.train()

Everything is read from the Trainer: model, data, collator, loss, batch size, accumulation, precision, steps, schedule, warm-up,
decay, clipping, optimizer; what no run does (noise in embeddings, batches of one length, another beta2) is told. Models on
`accelerate` need no room of their own: `inertia.torch.tune` takes what `prepare` returns.
"""

from __future__ import annotations

import inspect
import math
import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from .errors import BadInput, InertiaWarning, require

if TYPE_CHECKING:
    from .core.spectrum import Spectrum
    from .tuning.checking import Check
    from .tuning.result import Tuning

__all__ = ["check", "measure", "tune", "use"]

_SHAPES = {"linear": "linear", "cosine": "cosine", "constant": "constant", "constant_with_warmup": "constant"}


def tune(trainer: Any, *, validate: bool = False, **options: Any) -> Tuning:
    """Recommend a learning rate and momentum (beta1) for a Trainer's own training, verified by a few full runs; nothing is trained.

    Args:
        trainer: a transformers.Trainer with a model and a training dataset.
        validate: compare runs by the loss on the Trainer's evaluation dataset.
        options: those of `inertia.torch.tune`: runs, max_cost, seed, journal, progress, ...; what is also read from the Trainer
            (steps, batch_size, schedule, warmup, weight_decay, clip, optimizer) may be given otherwise.

    Raises:
        BadInput: no training dataset, an optimizer that cannot be searched, or what `inertia.torch.tune` raises.
        MissingExtra: torch is not installed.
    """
    _held(trainer)
    return _carried("tune", trainer, validate, options)  # type: ignore[no-any-return]


def check(trainer: Any, *, lr: float | None = None, momentum: float | None = None, **options: Any) -> Check:
    """A second opinion on the Trainer's learning rate (and beta1), without any run.

    Args:
        trainer: a transformers.Trainer.
        lr: default the Trainer's own.
        momentum: default the Trainer's own, with its other settings (betas and eps of Adam).
        options: see `tune`.

    Raises:
        BadInput: as `tune`.
    """
    _held(trainer)
    setting: dict[str, Any] = {"lr": float(trainer.args.learning_rate) if lr is None else lr}
    if momentum is not None:
        setting["momentum"] = momentum
    return _carried("check", trainer, False, options | setting)  # type: ignore[no-any-return]


def measure(trainer: Any, **options: Any) -> Spectrum:
    """Curvature and gradient noise of the Trainer's loss where its model stands; options are those of `inertia.torch.measure`.

    Raises:
        BadInput: as `inertia.torch.measure`.
    """
    _held(trainer)
    return _asked("measure", trainer, {"batch_size": _batch(trainer.args)} | options)  # type: ignore[no-any-return]


def use(trainer: Any, found: Tuning) -> None:
    """Let the Trainer train as was verified: its learning rate, and an optimizer and scheduler of its own.

    Raises:
        BadInput: the Trainer has made its optimizer already and trained with it.
    """
    if trainer.state.global_step:
        raise BadInput(f"the Trainer has trained {trainer.state.global_step} steps already: make a new one, then use what was found")
    trainer.args.learning_rate = found.recipe.learning_rate
    if found.recipe.optimizer == "adamw":
        trainer.args.adam_beta1 = found.recipe.momentum
    trainer.optimizer, trainer.lr_scheduler = found.torch(_groups_to_step(trainer, found.budget.weight_decay))


class _TrainerLoss:
    """The Trainer's own loss of a batch, with the tokens that count as its weight."""

    def __init__(self, trainer: Any) -> None:
        self.trainer = trainer
        self.shifted = "CausalLM" in type(trainer.model).__name__ or "LMHead" in type(trainer.model).__name__
        transformers: Any = require("transformers", "trainers")
        own = trainer.compute_loss_func is not None or type(trainer).compute_loss is not transformers.Trainer.compute_loss
        self.told = own and "num_items_in_batch" in inspect.signature(trainer.compute_loss).parameters

    def __call__(self, model: Any, batch: Mapping[str, Any]) -> Any:
        """A mean over examples, or (sum over tokens, tokens)."""
        labels: Any = batch.get("labels")
        whole = labels is not None and not labels.is_floating_point()
        counted = (labels[..., 1:] if self.shifted and labels.ndim > 1 else labels).ne(-100).sum() if whole else None
        words = {"num_items_in_batch": counted} if self.told and whole else {}
        with self.trainer.accelerator.autocast():
            loss = self.trainer.compute_loss(model, dict(batch), **words)
        return loss if counted is None or labels.ndim < 2 else (loss * int(counted), int(counted))


def _held(trainer: Any) -> None:
    """Refuse what is no Trainer, and one without data to train on."""
    if not all(hasattr(trainer, name) for name in ("args", "model", "compute_loss", "train_dataset")):
        raise BadInput(f"a {type(trainer).__name__} is no Hugging Face Trainer: pass the one made with model, args and train_dataset")
    if trainer.train_dataset is None:
        raise BadInput("the Trainer has no train_dataset: make it with the one that it is to train on")


def _carried(verb: str, trainer: Any, validate: bool, options: dict[str, Any]) -> Any:
    """A verb of the torch room on what the Trainer holds, with the budget and optimizer of its arguments."""
    require("torch", "torch")
    words = _words(verb, trainer, options) | options
    if validate:
        if trainer.eval_dataset is None:
            raise BadInput("validate=True needs the Trainer's eval_dataset, and it has none")
        words["validation"] = _loader(trainer, held=True)
    return _asked(verb, trainer, words)


def _asked(verb: str, trainer: Any, words: dict[str, Any]) -> Any:
    """A verb of the torch room, on the model in training mode, as the Trainer trains it."""
    require("torch", "torch")
    from . import torch as verbs
    from .torch.frozen import in_mode
    from .torch.theirs import alone_in
    from .tuning.given import check_words

    check_words(verb, getattr(verbs, verb), words)
    _tell(trainer)
    with in_mode(trainer.model, "train"), alone_in(_bare(trainer.optimizer), trainer.model):
        return getattr(verbs, verb)(trainer.model, None, _loader(trainer), forward=_TrainerLoss(trainer), **words)


def _tell(trainer: Any) -> None:
    """Warn of what the Trainer does to its batches and no run does."""
    said = []
    if trainer.args.neftune_noise_alpha is not None:
        said.append("adds noise to the embeddings (neftune_noise_alpha)")
    strategy = getattr(trainer.args, "train_sampling_strategy", None)  # group_by_length is a flag of its own before transformers 5
    if str(strategy) == "group_by_length" or getattr(trainer.args, "group_by_length", False):
        said.append("batches examples of one length (group_by_length)")
    if said:
        warnings.warn(f"the Trainer {' and '.join(said)}, which the runs do not: their losses differ by that", InertiaWarning, stacklevel=2)


def _words(verb: str, trainer: Any, given: Mapping[str, Any]) -> dict[str, Any]:
    """Budget and optimizer as the Trainer's arguments say."""
    args = trainer.args
    steps = int(given.get("steps") or _steps(trainer, given.get("batch_size")))
    words: dict[str, Any] = {
        "steps": steps, "batch_size": int(given.get("batch_size") or _batch(args)), "weight_decay": float(args.weight_decay),
        "clip": float(args.max_grad_norm or 0) or None, "accumulate": int(args.gradient_accumulation_steps), "seed": int(args.seed),
    }  # fmt: skip
    words |= _optimizer(verb, trainer, given)
    if "schedule" not in given:
        words |= _schedule(trainer, steps)
    else:
        words["warmup"] = int(args.get_warmup_steps(steps))
    plain = _undecayed(trainer)
    if float(given.get("weight_decay", words["weight_decay"])) and plain and trainer.optimizer is None and "groups" not in given:
        words["groups"] = [{"params": plain, "weight_decay": 0.0}]
    if verb == "check":
        words.pop("seed")
    return words


def _steps(trainer: Any, batch: Any) -> int:
    """Optimizer steps of the whole training: max_steps, or those that the Trainer's loader gives in its epochs."""
    args = trainer.args
    if args.max_steps > 0:
        return int(args.max_steps)
    if batch is not None:
        return math.ceil(args.num_train_epochs * math.ceil(len(trainer.train_dataset) / int(batch)))
    batches = len(trainer.get_train_dataloader())
    return math.ceil(args.num_train_epochs * max(1, math.ceil(batches / args.gradient_accumulation_steps)))


def _bare(optimizer: Any) -> Any:
    """The optimizer inside accelerate's."""
    return getattr(optimizer, "optimizer", optimizer)


def _optimizer(verb: str, trainer: Any, given: Mapping[str, Any]) -> dict[str, Any]:
    """The Trainer's optimizer in the words of a verb: the one that it was given, else the one that its arguments name."""
    from .torch.theirs import optimizer_words, own_setting

    own = _bare(trainer.optimizer)
    made = own if own is not None else _named(trainer, given)
    if made is None:
        return {}
    words = optimizer_words(made) if "optimizer" not in given else {}
    if own is None:  # the decay and its groups are those of the arguments
        words.pop("weight_decay", None)
    return words | (own_setting(made, given) if verb == "check" else {})


def _named(trainer: Any, given: Mapping[str, Any]) -> Any:
    """An optimizer of the kind and settings that the Trainer's arguments name, of one parameter; None where it is given otherwise."""
    torch: Any = require("torch", "torch")
    made = getattr(trainer, "optimizer_cls_and_kwargs", None)
    optim = str(getattr(trainer.args.optim, "value", trainer.args.optim))
    if made is None and not (optim == "sgd" or optim.startswith("adamw_torch")):
        if "optimizer" in given:
            return None
        raise BadInput(f"optim = '{optim}' cannot be searched: set optim to 'adamw_torch' or 'sgd', or say optimizer='adamw' here")
    kind, words = made or trainer.get_optimizer_cls_and_kwargs(trainer.args, trainer.model)
    return kind([torch.nn.Parameter(torch.zeros(1))], **words)


def _schedule(trainer: Any, steps: int) -> dict[str, Any]:
    """The Trainer's schedule: the scheduler that it was given, else the one that its arguments name."""
    from .torch.theirs import schedule_of

    args, made = trainer.args, trainer.lr_scheduler
    name = str(getattr(args.lr_scheduler_type, "value", args.lr_scheduler_type))
    if made is None and name in _SHAPES and not args.lr_scheduler_kwargs:
        return {"schedule": _SHAPES[name], "warmup": int(args.get_warmup_steps(steps))}
    found = schedule_of(_scheduler(args, name, steps) if made is None else getattr(made, "scheduler", made), steps)
    return {} if found is None else {"schedule": found}


def _batch(args: Any) -> int:
    """Examples of one step, of all processes."""
    return int(args.per_device_train_batch_size * max(1, args.n_gpu) * args.gradient_accumulation_steps * args.world_size)


def _scheduler(args: Any, name: str, steps: int) -> Any:
    """Any other scheduler of transformers, of a throw-away optimizer."""
    torch, transformers = require("torch", "torch"), require("transformers", "trainers")
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    words = {"scheduler_specific_kwargs": args.lr_scheduler_kwargs or {}}
    return transformers.get_scheduler(name, optimizer, args.get_warmup_steps(steps), steps, **words)


def _loader(trainer: Any, held: bool = False) -> Any:
    """The Trainer's dataset and collator in a plain loader that shuffles."""
    data: Any = require("torch.utils.data", "torch")
    if not held and trainer.train_dataset is None:
        raise BadInput("the Trainer has no train_dataset: give it one")
    theirs = trainer.get_eval_dataloader() if held else trainer.get_train_dataloader()
    size = trainer.args.eval_batch_size if held else trainer.args.train_batch_size
    if isinstance(theirs.dataset, data.IterableDataset):
        return theirs
    return data.DataLoader(theirs.dataset, batch_size=size, shuffle=True, collate_fn=theirs.collate_fn)


def _undecayed(trainer: Any) -> list[Any]:
    """Parameters that the Trainer does not decay: biases and norms."""
    decayed = set(trainer.get_decay_parameter_names(trainer.model))
    return [p for name, p in trainer.model.named_parameters() if p.requires_grad and name not in decayed]


def _groups_to_step(trainer: Any, decay: float) -> list[Any]:
    """The parameters that are trained, in the groups of the optimizer that the Trainer was given, else with and without decay."""
    from .torch.theirs import to_step

    if (own := _bare(trainer.optimizer)) is not None:
        return to_step(own)
    plain = {id(p) for p in _undecayed(trainer)}
    trained = [p for p in trainer.model.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in trained if id(p) not in plain], "weight_decay": decay},
        {"params": [p for p in trained if id(p) in plain], "weight_decay": 0.0},
    ]
    return [group for group in groups if group["params"]]

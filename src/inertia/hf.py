"""Hugging Face's Trainer: the learning rate and beta1 that its model, data and arguments need, measured and verified.

    found = inertia.hf.tune(trainer)
    inertia.hf.use(trainer, found)      # then trainer.train()

Everything is read from the Trainer: model, data, collator, loss, batch size, accumulation, steps, schedule, warm-up, decay,
clipping, optimizer. Models on `accelerate` need no room of their own: `inertia.torch.tune` takes what `prepare` returns.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from .errors import BadInput, require

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
        momentum: default the Trainer's own (adam_beta1; 0 for its sgd).
        options: see `tune`.

    Raises:
        BadInput: as `tune`.
    """
    _held(trainer)
    own = 0.0 if str(trainer.args.optim.value) == "sgd" else float(trainer.args.adam_beta1)
    setting = {"lr": float(trainer.args.learning_rate) if lr is None else lr, "momentum": own if momentum is None else momentum}
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

    def __call__(self, model: Any, batch: Mapping[str, Any]) -> Any:
        """A mean over examples, or (sum over tokens, tokens)."""
        loss = self.trainer.compute_loss(model, dict(batch))
        labels = batch.get("labels")
        if labels is None or labels.ndim < 2 or labels.is_floating_point():
            return loss
        counted = int(((labels[..., 1:] if self.shifted else labels) != -100).sum())
        return loss * counted, counted


def _held(trainer: Any) -> None:
    """Refuse what is no Trainer, and one without data to train on."""
    if not all(hasattr(trainer, name) for name in ("args", "model", "compute_loss", "train_dataset")):
        raise BadInput(f"a {type(trainer).__name__} is no Hugging Face Trainer: pass the one made with model, args and train_dataset")
    if trainer.train_dataset is None:
        raise BadInput("the Trainer has no train_dataset: make it with the one that it is to train on")


def _carried(verb: str, trainer: Any, validate: bool, options: dict[str, Any]) -> Any:
    """A verb of the torch room on what the Trainer holds, with the budget and optimizer of its arguments."""
    require("torch", "torch")
    words = _words(trainer, options) | options
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
    from .tuning.given import check_words

    check_words(verb, getattr(verbs, verb), words)
    with in_mode(trainer.model, "train"):
        return getattr(verbs, verb)(trainer.model, None, _loader(trainer), forward=_TrainerLoss(trainer), **words)


def _words(trainer: Any, given: Mapping[str, Any]) -> dict[str, Any]:
    """Budget and optimizer as the Trainer's arguments say."""
    args = trainer.args
    optim = str(getattr(args.optim, "value", args.optim))
    if "optimizer" not in given and not (optim == "sgd" or optim.startswith("adamw_torch")):
        raise BadInput(f"optim = '{optim}' cannot be searched: set optim to 'adamw_torch' or 'sgd', or say optimizer='adamw' here")
    batch = int(given.get("batch_size") or _batch(args))
    steps = int(given.get("steps") or args.max_steps)
    if steps <= 0:
        steps = math.ceil(args.num_train_epochs * math.ceil(len(trainer.train_dataset) / batch))
    words: dict[str, Any] = {
        "steps": steps, "batch_size": batch, "weight_decay": float(args.weight_decay), "clip": float(args.max_grad_norm or 0) or None,
        "optimizer": "sgd" if optim == "sgd" else "adamw", "accumulate": int(args.gradient_accumulation_steps), "seed": int(args.seed),
    }  # fmt: skip
    name = str(getattr(args.lr_scheduler_type, "value", args.lr_scheduler_type))
    if name in _SHAPES:
        words |= {"schedule": _SHAPES[name], "warmup": int(args.get_warmup_steps(steps))}
    elif "schedule" not in given:
        words["schedule"] = _factors(args, name, steps)
    plain = _undecayed(trainer)
    if float(given.get("weight_decay", words["weight_decay"])) and plain and "groups" not in given:
        words["groups"] = [{"params": plain, "weight_decay": 0.0}]
    if "lr" in given or "momentum" in given:
        words.pop("seed")
    return words


def _batch(args: Any) -> int:
    """Examples of one step, of all processes."""
    return int(args.per_device_train_batch_size * max(1, args.n_gpu) * args.gradient_accumulation_steps * args.world_size)


def _factors(args: Any, name: str, steps: int) -> Callable[[int], float]:
    """Any other schedule of transformers, read off a throw-away optimizer."""
    torch, transformers = require("torch", "torch"), require("transformers", "trainers")
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    words = {"scheduler_specific_kwargs": args.lr_scheduler_kwargs or {}}
    made = transformers.get_scheduler(name, optimizer, args.get_warmup_steps(steps), steps, **words)
    factors = []
    for _ in range(steps):
        factors.append(float(optimizer.param_groups[0]["lr"]))
        optimizer.step()
        made.step()
    return lambda step: factors[min(step, steps - 1)]


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


def _groups_to_step(trainer: Any, decay: float) -> list[dict[str, Any]]:
    plain = {id(p) for p in _undecayed(trainer)}
    trained = [p for p in trainer.model.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in trained if id(p) not in plain], "weight_decay": decay},
        {"params": [p for p in trained if id(p) in plain], "weight_decay": 0.0},
    ]
    return [group for group in groups if group["params"]]

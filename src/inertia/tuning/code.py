"""A recipe as code to copy, in the words of torch, optax and Keras, with schedule, decay, clipping and warm-up as they were verified."""

from __future__ import annotations

from typing import Any

from .budget import Budget
from .recipe import Recipe

__all__ = ["keras_note", "lines", "settings"]

_TORCH = {"constant": "1.0", "linear": "max(0.0, 1 - step / {steps})", "cosine": "0.5 + 0.5 * math.cos(math.pi * min(step / {steps}, 1.0))"}
_GROUPS = "  # your parameter groups, lr = scale times this one in those that have a scale"
_ALIKE = "  # one group; the runs had several, each with a learning rate or weight decay of its own"
_BETA2, _EPS = 0.999, 1e-8  # of every AdamW run of the tuner: the defaults of torch and optax


def settings(recipe: Recipe) -> dict[str, dict[str, Any]]:
    """The arguments of each framework's optimizer.

    >>> settings(Recipe(0.1, 0.9, nesterov=True))["optax"]
    {'learning_rate': 0.1, 'momentum': 0.9, 'nesterov': True}
    """
    lr, beta = recipe.learning_rate, recipe.momentum
    if recipe.optimizer == "adamw":
        return {
            "torch": {"lr": lr, "betas": (beta, _BETA2)},
            "optax": {"learning_rate": lr, "b1": beta, "b2": _BETA2},
            "keras": {"learning_rate": lr, "beta_1": beta, "beta_2": _BETA2, "epsilon": _EPS},
        }
    return {
        "torch": {"lr": lr, "momentum": beta, "nesterov": recipe.nesterov},
        "optax": {"learning_rate": lr, "momentum": beta, "nesterov": recipe.nesterov},
        "keras": {"learning_rate": lr, "momentum": beta, "nesterov": recipe.nesterov},
    }


def lines(recipe: Recipe, budget: Budget) -> dict[str, str]:
    """Statements to copy, by framework, that make the run which was verified.

    >>> import numpy as np
    >>> run = Budget(500, 10, 100, np.linspace(1, 0, 500, endpoint=False), "linear")
    >>> lines(Recipe(0.1, 0.9), run)["optax"]
    'optimizer = optax.sgd(optax.linear_schedule(0.1, 0.0, 500), momentum=0.9)'
    """
    alike = "" if budget.uniform else _ALIKE
    return {"torch": _torch(recipe, budget), "optax": _optax(recipe, budget) + alike, "keras": _keras(recipe, budget) + alike}


def _torch(recipe: Recipe, budget: Budget) -> str:
    decay = f", weight_decay={budget.weight_decay!r}" if budget.weight_decay or recipe.optimizer == "adamw" else ""
    params = "model.parameters()" if budget.uniform else "groups"
    if recipe.optimizer == "adamw":
        made = f"torch.optim.AdamW({params}, lr={recipe.learning_rate!r}, betas=({recipe.momentum!r}, {_BETA2}){decay})"
    else:
        form = f", momentum={recipe.momentum!r}" + (", nesterov=True" if recipe.nesterov else "") if recipe.momentum else ""
        made = f"torch.optim.SGD({params}, lr={recipe.learning_rate!r}{form}{decay})"
    found = [f"optimizer = {made}{'' if budget.uniform else _GROUPS}"]
    factor = _factor(budget)
    if factor != "1.0":
        found.append(
            f"scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: {factor})  # scheduler.step() after every batch"
        )
    if budget.clip:
        found.append(f"torch.nn.utils.clip_grad_norm_(model.parameters(), {budget.clip!r})  # before every optimizer.step()")
    return "\n".join(found)


def _optax(recipe: Recipe, budget: Budget) -> str:
    rate = _optax_rate(recipe.learning_rate, budget)
    first = [f"optax.clip_by_global_norm({budget.clip!r})"] if budget.clip else []
    if recipe.optimizer == "adamw":
        made = f"optax.adamw({rate}, b1={recipe.momentum!r}, b2={_BETA2}, weight_decay={budget.weight_decay!r})"
    else:
        first += [f"optax.add_decayed_weights({budget.weight_decay!r})"] if budget.weight_decay else []
        form = f", momentum={recipe.momentum!r}" + (", nesterov=True" if recipe.nesterov else "") if recipe.momentum else ""
        made = f"optax.sgd({rate}{form})"
    return f"optimizer = optax.chain({', '.join([*first, made])})" if first else f"optimizer = {made}"


def _optax_rate(rate: float, budget: Budget) -> str:
    steps = budget.steps
    if budget.warmup or budget.schedule not in _TORCH:
        inside = _factor(budget).replace("max(", "jnp.maximum(").replace("min(", "jnp.minimum(").replace("math.", "jnp.")
        return f"lambda step: {rate!r} * {inside}"
    return {
        "constant": repr(rate),
        "linear": f"optax.linear_schedule({rate!r}, 0.0, {steps})",
        "cosine": f"optax.cosine_decay_schedule({rate!r}, {steps})",
    }[budget.schedule]


def _keras(recipe: Recipe, budget: Budget) -> str:
    steps, rate = budget.steps, repr(recipe.learning_rate)
    if not budget.warmup and budget.schedule in ("linear", "cosine"):
        name = f"PolynomialDecay({rate}, {steps}, 0.0)" if budget.schedule == "linear" else f"CosineDecay({rate}, {steps})"
        rate = f"keras.optimizers.schedules.{name}"
    clip = f", global_clipnorm={budget.clip!r}" if budget.clip else ""
    if recipe.optimizer == "adamw":
        words = f", beta_1={recipe.momentum!r}, beta_2={_BETA2}, epsilon={_EPS}, weight_decay={budget.weight_decay!r}{clip}"
        return f"optimizer = keras.optimizers.AdamW({rate}{words})"
    form = f", momentum={recipe.momentum!r}" + (", nesterov=True" if recipe.nesterov else "") if recipe.momentum else ""
    return f"optimizer = keras.optimizers.SGD({rate}{form}{clip})"


def _factor(budget: Budget) -> str:
    """The factor of the learning rate as an expression of `step`."""
    shape = budget.schedule.removeprefix("warmup-")
    factor = _TORCH.get(shape, "your_schedule(step)").format(steps=budget.steps)
    if not budget.warmup:
        return factor
    warm = f"min(1.0, (step + 1) / {budget.warmup})"
    return warm if factor == "1.0" else f"{warm} * ({factor})"


def keras_note(recipe: Recipe, budget: Budget) -> str:
    """What differs in Keras; nothing where nothing does.

    >>> import numpy as np
    >>> keras_note(Recipe(0.1), Budget(100, 10, 100, np.ones(100)))
    ''
    """
    notes = []
    shape = budget.schedule.removeprefix("warmup-")
    if shape not in _TORCH or budget.warmup:
        notes.append(
            "Keras has no ready schedule of this kind: write a LearningRateSchedule with the factor of the torch line; the learning rate "
            "named is the peak."
        )
    if budget.schedule != "constant" and recipe.optimizer == "sgd" and recipe.momentum:
        notes.append(
            "Keras keeps the learning rate inside its velocity, torch and optax outside: under a schedule that is another algorithm, in "
            "which old gradients keep the larger learning rate of their own step."
        )
    if budget.weight_decay and recipe.optimizer == "sgd":
        notes.append(
            "Keras's SGD has no coupled weight decay: its weight_decay argument shrinks the parameters apart from the gradient. Add "
            "kernel_regularizer=keras.regularizers.L2(weight_decay / 2) to the layers for the run that was verified."
        )
    return " ".join(notes)

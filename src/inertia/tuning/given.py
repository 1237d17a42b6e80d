"""The words that a verb is given: one that it does not know is answered with what to write instead."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from inspect import Parameter, signature
from numbers import Real
from typing import Any

from ..errors import BadInput, nearest

__all__ = ["bound_of", "check_call", "check_words", "unknown"]

_STEPS = "such as steps=epochs * len(loader)"
_MEANT = {  # words that people write first, and what to write instead
    **dict.fromkeys(("epochs", "num_epochs", "n_epochs", "max_epochs"), f"give steps, counted in batches, {_STEPS}"),
    **dict.fromkeys(("lr", "learning_rate", "alpha"), "the learning rate is what is found; check(..., lr=) judges one that you have"),
    **dict.fromkeys(("scheduler", "lr_scheduler"), "give schedule: 'constant', 'linear', 'cosine' or a function step -> factor"),
    **dict.fromkeys(("grad_clip", "clip_norm", "max_grad_norm", "clip_grad_norm"), "give clip, the largest norm of a gradient"),
    **dict.fromkeys(("val", "val_data", "valid", "validation_data", "eval_data", "test_data"), "give validation, data in the same form"),
    **dict.fromkeys(("betas", "beta1"), "give momentum, which is beta1 where optimizer='adamw'"),
}


def bound_of(lowest: Any) -> float | None:
    """`lowest`, the number that a loss cannot go below; None where it was not given.

    Raises:
        BadInput: no finite number.

    >>> bound_of(0)
    0.0
    """
    if lowest is None:
        return None
    if isinstance(lowest, bool) or not isinstance(lowest, Real) or not math.isfinite(lowest):
        raise BadInput(f"lowest = {lowest!r}: give a number that the loss cannot go below, such as 0, or leave it out")
    return float(lowest)


def check_call(name: str, function: Callable[..., Any], given: tuple[Any, ...], options: dict[str, Any]) -> None:
    """Refuse words that a verb does not know, and a call without what it needs, saying what to write instead.

    Raises:
        BadInput: an unknown word; no steps; a model or loss without its data.
    """
    check_words(name, function, options)
    known = signature(function).parameters
    places = [word for word, one in known.items() if one.kind is one.POSITIONAL_OR_KEYWORD]
    missing = [word for word in places[1 + len(given) :] if word not in options]
    if missing:
        raise BadInput(f"{name} lacks {' and '.join(missing)}: call {name}({', '.join(places)}, steps=...)")
    if len(given) > len(places) - 1:
        raise BadInput(f"{name} was given {len(given) + 1} things without a name: call {name}({', '.join(places)}, steps=...)")
    if "steps" in known and known["steps"].default is Parameter.empty and "steps" not in options:
        raise BadInput(f"{name} lacks steps: give the number of optimizer steps that the real training makes, {_STEPS}")


def check_words(name: str, function: Callable[..., Any], options: Iterable[str]) -> None:
    """Refuse words that a verb does not know.

    Raises:
        BadInput: an unknown word.
    """
    known = signature(function).parameters
    words = [word for word, one in known.items() if one.kind is one.KEYWORD_ONLY]
    for word in options:
        if word not in known:
            raise unknown(name, word, words)


def unknown(name: str, word: str, words: Iterable[str], beside: str = "") -> BadInput:
    """The answer to a word that is none of those; `beside` says where it is not known.

    >>> unknown("tune", "epochs", ["steps"])
    BadInput('tune takes no epochs: give steps, counted in batches, such as steps=epochs * len(loader)')
    """
    return BadInput(f"{name} takes no {word}{beside}: {_MEANT.get(word) or nearest(word, words)}")

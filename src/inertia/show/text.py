"""Views and numbers as lines of text: blocks on a terminal that can show them, plain letters everywhere else."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any, TextIO

import numpy as np
from numpy.typing import ArrayLike

__all__ = ["copy_lines", "glyphs", "spark"]

_BLOCKS, _LETTERS = "▁▂▃▄▅▆▇█", "_.,-~=*#"


def glyphs(stream: TextIO | None = None) -> str:
    """Eight signs from low to high that this stream can show: blocks on a terminal, letters when piped.

    >>> import io
    >>> glyphs(io.StringIO())
    '_.,-~=*#'
    """
    out = sys.stdout if stream is None else stream
    if not out.isatty():
        return _LETTERS
    try:
        _BLOCKS.encode(out.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return _LETTERS
    return _BLOCKS


def spark(values: ArrayLike, width: int = 48, signs: str = _BLOCKS, log: bool = True) -> str:
    """A curve on one line, logarithmic where all of it is positive; what is not finite is a gap.

    >>> spark([8, 4, 2, 1], signs="1234")
    '4321'
    """
    curve = np.atleast_1d(np.asarray(values, dtype=float))
    if curve.size > width:
        curve = curve[np.linspace(0, curve.size - 1, width).round().astype(int)]
    fine = np.isfinite(curve)
    if not fine.any():
        return " " * curve.size
    if log and np.all(curve[fine] > 0):
        curve = np.log(np.where(fine, curve, 1.0))
    low, high = float(curve[fine].min()), float(curve[fine].max())
    share = (curve - low) / (high - low) if high > low else np.zeros_like(curve)
    places = np.where(fine, np.round(np.where(fine, share, 0.0) * (len(signs) - 1)), 0).astype(int)
    return "".join(signs[place] if good else " " for place, good in zip(places, fine, strict=True))


def copy_lines(recommendation: Mapping[str, Any], schedule: str, steps: int) -> dict[str, str]:
    """The line to copy for each framework, from a recommendation's torch, optax and keras words.

    >>> words = {"lr": 0.1, "momentum": 0.9, "nesterov": True}
    >>> copy_lines({"torch": words}, "constant", 100)["torch"]
    'torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, nesterov=True)'
    """
    lines = {}
    if "torch" in recommendation:
        lines["torch"] = f"torch.optim.SGD(model.parameters(), {_words(recommendation['torch'])})"
    if "optax" in recommendation:
        lines["optax"] = f"optax.sgd({_optax(dict(recommendation['optax']), schedule, steps)})"
    if "keras" in recommendation:
        lines["Keras"] = f"keras.optimizers.SGD({_keras(dict(recommendation['keras']), schedule, steps)})"
    return lines


def _words(words: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}={value!r}" for name, value in words.items())


def _optax(words: dict[str, Any], schedule: str, steps: int) -> str:
    name = "learning_rate" if "learning_rate" in words else "lr"
    rate = words.pop(name)
    shaped = {
        "linear": f"optax.linear_schedule({rate!r}, 0.0, {steps})",
        "cosine": f"optax.cosine_decay_schedule({rate!r}, {steps})",
    }.get(schedule, repr(rate))
    return ", ".join([f"learning_rate={shaped}", *([_words(words)] if words else [])])


def _keras(words: dict[str, Any], schedule: str, steps: int) -> str:
    rate = words.pop("learning_rate", None)
    home = "keras.optimizers.schedules"
    shaped = {
        "linear": f"{home}.PolynomialDecay({rate!r}, {steps}, end_learning_rate=0.0)",
        "cosine": f"{home}.CosineDecay({rate!r}, {steps})",
    }.get(schedule, repr(rate))
    return ", ".join([f"learning_rate={shaped}", *([_words(words)] if words else [])])

"""Where numbers go besides the log: TensorBoard's SummaryWriter, anything with log(dict, step=), Lightning's loggers, or a function."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ..errors import BadInput

__all__ = ["Sink", "sink_of"]

Sink = Callable[[Mapping[str, float], str, int], None]  # (numbers, words of messages, step)


def sink_of(logger: Any) -> Sink:
    """How to hand numbers and words to a logger.

    Takes an object with add_scalar(name, value, step) (TensorBoard), log_metrics(dict, step) (Lightning, MLflow's client
    functions), log(dict, step=) (Weights & Biases and its kin), or a function of (dict, step).

    Raises:
        BadInput: none of these.

    >>> seen = []
    >>> sink_of(lambda numbers, step: seen.append((step, dict(numbers))))({"sharpness": 2.0}, "", 7)
    >>> seen
    [(7, {'inertia/sharpness': 2.0})]
    """
    if hasattr(logger, "add_scalar"):
        return _tensorboard(logger)
    for name in ("log_metrics", "log"):
        send = getattr(logger, name, None)
        if callable(send):
            return _dicts(send)
    if callable(logger):
        return _dicts(lambda numbers, step: logger(numbers, step))
    raise BadInput(
        f"log = {logger!r} cannot be logged to: give a file name, a SummaryWriter, an object with log(dict, step=), or a list of these"
    )


def _tensorboard(writer: Any) -> Sink:
    def send(numbers: Mapping[str, float], words: str, step: int) -> None:
        for name, value in numbers.items():
            writer.add_scalar(f"inertia/{name}", value, step)
        if words and hasattr(writer, "add_text"):
            writer.add_text("inertia/messages", words, step)

    return send


def _dicts(log: Callable[..., Any]) -> Sink:
    def send(numbers: Mapping[str, float], words: str, step: int) -> None:
        if numbers:
            log({f"inertia/{name}": value for name, value in numbers.items()}, step=step)

    return send

"""What a command works on: a spectrum typed as numbers, or a built-in task and the spectrum measured on it."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import BadInput, MissingExtra, require
from .loaded import load_function, theirs

if TYPE_CHECKING:
    from ..core.spectrum import Spectrum
    from ..problems import Problem
    from ..tasks import Task

__all__ = ["any_task", "batches_of", "built_in", "measured", "measured_task", "numpy_task", "spectrum_from", "theirs_in"]

_NOISE_BATCHES = 8


def numpy_task(name: str) -> Task:
    """A task, built in or of a file, whose gradients numpy computes.

    Raises:
        BadInput: an unknown name, or a task that only `inertia tune` can train.
    """
    task = any_task(name)
    if task.kind != "numpy":
        raise BadInput(f"{name} is trained in {task.kind}: use 'inertia tune {name}', which measures it and runs it")
    return task


def built_in(name: str) -> Task:
    """The built-in task of that name; a network of JAX is run in torch where JAX is not installed and it exists there.

    Raises:
        BadInput: an unknown name.
        MissingExtra: the framework is not installed; the message holds the install line.
    """
    from ..tasks import TASKS, load

    if name in TASKS:
        return load(name)
    from ..tasks.models import MODELS

    lacking = [module for module in ("jax", "optax") if not _installed(module)]
    if name in MODELS and not name.endswith("-torch") and lacking:
        if f"{name}-torch" in MODELS and _installed("torch"):
            print(f"inertia: {' and '.join(lacking)} not installed: {name} is run in torch", file=sys.stderr)
            return load(f"{name}-torch")
        raise MissingExtra(f"{name} is written in JAX, and {' and '.join(lacking)} not installed: pip install 'inertia[jax]'")
    if name in MODELS and name.endswith("-torch") and not _installed("torch"):
        raise MissingExtra(f"{name} is written in torch, which is not installed: pip install 'inertia[torch]'")
    return load(name)


def _installed(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except (ImportError, ValueError):
        return False


def any_task(target: str) -> Task:
    """A built-in task by name, or what the function FILE.py:FUNCTION returns.

    Raises:
        BadInput: an unknown name, no such file or function, a function that returns something else, code that raises.
    """
    from ..tasks import Task

    path, colon, name = target.rpartition(":")
    if not colon and not target.endswith(".py"):
        return built_in(target)
    if not colon:
        path, name = target, "task"
    made = theirs(Path(path), load_function(Path(path), name, "def {name}(): return inertia.tasks.torch_task(...)"))
    if not isinstance(made, Task):
        raise BadInput(
            f"{name}() in {path} returned a {type(made).__name__}: return inertia.tasks.torch_task(...) or jax_task(...); "
            "'inertia new-task torch FILE.py' writes one that runs"
        )
    return made if made.name != "task" else replace(made, name=Path(path).stem)


def theirs_in(target: str, call: Callable[[], Any]) -> Any:
    """Run something that runs code of FILE.py:FUNCTION; what that code raises is shown as theirs. A built-in name: just run it."""
    path = Path(target.rpartition(":")[0] or target)
    return theirs(path, call) if path.suffix == ".py" else call()


def batches_of(task: Task, batch_size: int | None) -> int | None:
    """The batch size to use: the one asked for, else the task's own; None is the whole loss.

    Raises:
        BadInput: fewer than 1, more than the examples, or asked of a problem that has none.
    """
    if batch_size is None:
        return task.batch_size
    if batch_size < 1:
        raise BadInput(f"batch_size = {batch_size} is too few: give at least 1")
    if task.kind != "numpy":
        return batch_size
    examples = task.problem.examples
    if examples is None:
        raise BadInput(f"batch_size = {batch_size}, but {task.name} is one function without examples: leave --batch-size out")
    if batch_size > examples:
        raise BadInput(f"batch_size = {batch_size} is more than the {examples} examples of {task.name}: use at most {examples}")
    return batch_size


def measured(problem: Problem, batch_size: int | None, seed: int = 0) -> Spectrum:
    """The spectrum of a problem at its start: Lanczos, the start's gradient, and the noise of mini-batches."""
    import numpy as np

    from ..measurement import spectrum

    start = problem.start if problem.draw is None else problem.draw(seed)
    deviations = None
    if problem.examples is not None and batch_size is not None and batch_size < problem.examples:
        rng = np.random.default_rng([seed, batch_size])
        rows = [rng.choice(problem.examples, batch_size, replace=False) for _ in range(_NOISE_BATCHES)]
        taken = np.stack([problem.gradient(start, chosen) for chosen in rows])  # (batches, n)
        deviations = taken - taken.mean(axis=0)
    return spectrum(lambda v: problem.hvp(start, v), problem.dimension, gradient=problem.gradient(start), noise=deviations, seed=seed)


def measured_task(task: Task, batch_size: int | None, seed: int = 0) -> Spectrum:
    """The spectrum of a task at its start, measured by numpy or by the framework that the task is written in.

    Raises:
        BadInput, MissingExtra: what measuring raises.
    """
    if task.kind == "numpy":
        return measured(task.problem, batch_size, seed)
    from ..tasks.tuning import arguments

    room = require(task.kind, task.kind) and importlib.import_module(f"..{task.kind}", __package__)
    words = {"forward": task.extra["settings"]["forward"]} if "forward" in task.extra["settings"] else {}
    return room.measure(*arguments(task, seed), batch_size=batch_size, seed=seed, **words)  # type: ignore[no-any-return]


def spectrum_from(task: str | None, curvatures: str | None, mu: float | None, largest: float | None, seed: int = 0) -> tuple[Spectrum, str]:
    """The spectrum that was asked for and its name in words: curvatures, or mu and L, or a task.

    Raises:
        BadInput: none or several of the three, or values that are no spectrum.

    >>> spectrum_from(None, "0.2,4", None, None)[0].kappa
    20.0
    """
    from ..core.spectrum import spectrum

    given = [task is not None, curvatures is not None, mu is not None or largest is not None]
    if sum(given) != 1:
        came = "none of them came" if not any(given) else "more than one of them came"
        raise BadInput(f"give a TASK, or --curvatures 0.2,4, or --mu 0.2 --L 4: {came}")
    if task is not None:
        loaded = any_task(task)
        if loaded.kind == "numpy" and loaded.problem.spectrum is not None:
            return loaded.problem.spectrum, f"{task}, known exactly"
        size = None if loaded.kind == "numpy" else loaded.batch_size
        return theirs_in(task, lambda: measured_task(loaded, size, seed)), f"{task}, measured at its start"
    if curvatures is not None:
        return spectrum(_numbers(curvatures)), f"curvatures {curvatures}"
    low, high = ends(mu, largest)
    return spectrum([low, high]), f"curvatures from {low:g} to {high:g}"


def ends(mu: float | None, largest: float | None) -> tuple[float, float]:
    """mu and L, both present, finite and in order.

    Raises:
        BadInput: one is missing, not finite, or mu > L.

    >>> ends(0.2, 4.0)
    (0.2, 4.0)
    """
    if mu is None or largest is None:
        raise BadInput(f"--mu and --L belong together: add {'--mu' if mu is None else '--L'}")
    for name, value in {"mu": mu, "L": largest}.items():
        if not float("-inf") < value < float("inf"):
            raise BadInput(f"{name} = {value} is not finite: give a finite curvature")
    if mu > largest:
        raise BadInput(f"mu = {mu:g} > L = {largest:g}: mu is the smallest curvature and L the largest; swap them")
    return mu, largest


def _numbers(text: str) -> list[float]:
    """Numbers with commas or spaces between them; nothing between two commas, or before the first, is no number."""
    if not text.strip():
        raise BadInput("--curvatures is empty: give numbers and commas, such as 0.2,4")
    found: list[float] = []
    for place, part in enumerate(text.split(","), start=1):
        if not part.strip():
            raise BadInput(f"--curvatures {text.strip()[:60]}: number {place} is missing; give numbers and commas, such as 0.2,4")
        for word in part.split():
            try:
                found.append(float(word))
            except ValueError:
                raise BadInput(f"'{word}' in --curvatures is not a number: give numbers and commas, such as 0.2,4") from None
    return found

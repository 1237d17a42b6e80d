"""Runs made elsewhere: whatever carries jobs to other processes or machines is asked by `submit`; a lost worker is a result."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from ..errors import BadInput
from ..tuning.trainable import Run
from .running import Training, train

__all__ = ["outcome", "sendable", "sent"]

# These pickle functions by value, or share memory: nothing needs to be importable in the worker.
_BY_VALUE = ("loky", "joblib", "distributed", "submitit", "ray")


class _Later:
    """A future made of a function that gives the result."""

    def __init__(self, result: Callable[[], Any]) -> None:
        self.result = result


def sent(executor: Any, tasks: list[Training]) -> list[Any]:
    """A future for each task, all of them under way.

    `executor`: anything with submit(function, argument) (concurrent.futures, loky, dask, mpi4py.futures, submitit) or
    apply_async(function, arguments) (pools of multiprocessing and ray), a joblib.Parallel, or the module ray.
    """
    if callable(getattr(executor, "submit", None)):
        return [_submitted(partial(executor.submit, train, task)) for task in tasks]
    if getattr(executor, "__name__", "") == "ray":
        remote = executor.remote(train)
        refs = [remote.remote(task) for task in tasks]
        return [_Later(partial(executor.get, ref)) for ref in refs]
    if callable(getattr(executor, "apply_async", None)):
        pending = [executor.apply_async(train, (task,)) for task in tasks]
        return [_Later(one.get) for one in pending]
    return _together(executor, tasks)


def _submitted(submit: Callable[[], Any]) -> Any:
    """The future, or one that raises what submitting raised: a pool may be broken already."""
    try:
        return submit()
    except Exception as error:
        return _raising(error)


def _together(parallel: Any, tasks: list[Training]) -> list[Any]:
    """joblib.Parallel runs them all at once, or loses them all."""
    try:
        found = parallel((train, (task,), {}) for task in tasks)
    except Exception as error:
        return [_raising(error) for _ in tasks]
    return [_Later(partial(_given, one)) for one in found]


def _raising(error: Exception) -> _Later:
    """A future whose result is an error."""

    def again() -> Any:
        raise error

    return _Later(again)


def _given(one: Any) -> Any:
    return one


def sendable(executor: Any, parts: tuple[Any, ...]) -> None:
    """Refuse, before anything is measured, what cannot reach the executor's workers.

    Raises:
        BadInput: something that carries no jobs; a part that cannot be pickled.
    """
    home = getattr(executor, "__name__", "") or type(executor).__module__
    known = any(callable(getattr(executor, name, None)) for name in ("submit", "apply_async"))
    if not known and home != "ray" and not (home.startswith("joblib") and callable(executor)):
        raise BadInput(
            f"an executor of type {type(executor).__name__} has no submit: pass one of concurrent.futures' kind, such as "
            "ProcessPoolExecutor, joblib's loky.get_reusable_executor(), dask's client.get_executor(), MPIPoolExecutor, submitit's "
            "AutoExecutor, or the module ray"
        )
    if type(executor).__name__ in {"ThreadPoolExecutor", "ThreadPool"} or any(name in home.split(".") for name in _BY_VALUE):
        return
    for what, part in zip(("model", "loss", "data", "validation data", "metric"), parts, strict=True):
        try:
            pickle.dumps(part)
        except Exception as error:
            raise BadInput(
                f"the {what} cannot be sent to another process ({str(error).splitlines()[0][:100]}): define it with def at the top of a "
                "module, not as a lambda or inside a function, or leave executor out"
            ) from error


def outcome(task: Training, future: Any) -> Run:
    """What became of a run elsewhere."""
    try:
        found = future.result()
        if not isinstance(found, Run):
            raise TypeError(f"the executor returned a {type(found).__name__}, not the run")
    except Exception as error:  # a lost worker, a full disk, a cancelled job: a result
        lines = f"{type(error).__name__}: {error}".strip().splitlines()
        words = lines[0] if len(lines) == 1 else f"{lines[0]} ... {lines[-1]}"  # of a trace from afar the last line tells most
        return Run(task.recipe, task.seed, len(task.factors), np.empty(0, np.int64), np.empty(0), np.empty(0), error=words)
    return found

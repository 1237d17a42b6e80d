"""What a job trains: init, loss, training and validation examples, for new jobs and those of benchmarks/tuner alike."""

from __future__ import annotations

import importlib.util
import sys
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from sklearn import datasets

from inertia import tasks
from inertia.problems.datasets import standardised
from inertia.problems.linear_models import with_intercept
from inertia.tasks.data import airfoil_table

from . import convex, drawn, images, more_convex, pictures, points, sequences, shapes, tables
from .jobs import JOBS, Job
from .layers import Built, binary, cross_entropy

BUILDERS = convex.BUILDERS | tables.BUILDERS | images.BUILDERS | sequences.BUILDERS
BUILDERS |= more_convex.BUILDERS | shapes.BUILDERS | pictures.BUILDERS | points.BUILDERS
_TUNER = Path(__file__).parents[1] / "tuner"


def tuner_module(name: str) -> ModuleType:
    """A module of benchmarks/tuner, which is a folder of scripts and not a package."""
    known = f"tuner_{name}"
    if known not in sys.modules:
        found = importlib.util.spec_from_file_location(known, _TUNER / f"{name}.py")
        assert found is not None
        assert found.loader is not None
        sys.modules[known] = importlib.util.module_from_spec(found)
        found.loader.exec_module(sys.modules[known])
    return sys.modules[known]


@cache
def built(name: str) -> Built:
    """The problem of a job; jobs at other budgets share it."""
    return _built(JOBS[name].source, JOBS[name].kind, JOBS[name].built)


@cache
def _built(source: str, kind: str, name: str) -> Built:
    if source == "new":
        return BUILDERS[name]()
    if source == "drawn":
        return drawn.drawn(int(name.removeprefix("drawn-")))[0]
    if kind == "network":
        net = tuner_module("newcomers").network(name)
        return Built(net.init, net.loss, net.data, net.validation)
    return _linear(name)


def _linear(task: str) -> Built:
    """A linear model of inertia's tasks as a JAX loss; without validation examples, as in the tuner's benchmark."""
    problem, (kind, features, targets) = tasks.load(task).problem, _table(task)
    start = np.asarray(problem.start, dtype=np.float32)

    def init(seed: int) -> Any:
        return jnp.asarray(problem.draw(seed) if problem.draw else start, jnp.float32)

    def loss(w: Any, batch: Any) -> Any:
        x, y = batch
        if kind == "softmax":
            return cross_entropy(x @ w.reshape(-1, x.shape[1]).T, y)
        return binary(x @ w, y) if kind == "logistic" else 0.5 * jnp.mean((x @ w - y) ** 2)

    return Built(init, loss, (features.astype(np.float32), targets), ())


def _table(task: str) -> tuple[str, Any, Any]:
    """Loss, features and targets of a linear model of inertia's tasks."""
    if task == "digits":
        images, labels = datasets.load_digits(return_X_y=True)
        return "softmax", with_intercept(images / 16), labels.astype(np.int32)
    if task == "breast-cancer":
        x, labels = datasets.load_breast_cancer(return_X_y=True)
        return "logistic", with_intercept(standardised(x)), labels.astype(np.float32)
    if task == "diabetes":
        x, y = datasets.load_diabetes(return_X_y=True)
        return "squares", with_intercept(standardised(x)), standardised(y).astype(np.float32)
    if task == "airfoil":
        z = standardised(airfoil_table())[:1500]
        return "squares", with_intercept(z[:, :5]), z[:, 5].astype(np.float32)
    rng = np.random.default_rng(0)
    x = with_intercept(rng.standard_normal((1000, 2)))
    return "squares", x, (x @ np.array([2.0, -3.4, 4.2]) + 0.01 * rng.standard_normal(1000)).astype(np.float32)


def batch_size(job: Job) -> int:
    return job.batch_size or examples(job)


def examples(job: Job) -> int:
    return int(jax.tree.leaves(built(job.name).data)[0].shape[0])


def dimension(job: Job) -> int:
    return int(sum(np.size(leaf) for leaf in jax.tree.leaves(built(job.name).init(0))))

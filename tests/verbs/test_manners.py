"""Nothing global is changed: random states, warnings filters, flags of torch and JAX, matplotlib's style; alone and in threads."""

import contextlib
import copy
import functools
import importlib
import locale
import logging
import os
import random
import signal
import sys
import threading
import time
import warnings

import matplotlib
import numpy as np
import pytest

import inertia
from inertia.core.quiet import quiet
from inertia.lab.twin import figure
from inertia.problems import valley
from inertia.report.draw import image
from inertia.report.views import Curves, line


def settings():
    """Everything of the process that a library might leave changed, by name."""
    found = {
        "rcParams": dict(matplotlib.rcParams), "backend": matplotlib.get_backend(), "warnings": list(warnings.filters),
        "showwarning": warnings.showwarning, "numpy errors": np.geterr(), "numpy print": np.get_printoptions(),
        "numpy random": repr(np.random.get_state()),  # noqa: NPY002
        "random": random.getstate(), "environment": dict(os.environ), "path": list(sys.path), "folder": os.getcwd(),
        "logging": (logging.root.level, list(logging.root.handlers)), "hook": sys.excepthook, "recursion": sys.getrecursionlimit(),
        "interrupt": signal.getsignal(signal.SIGINT), "locale": locale.setlocale(locale.LC_ALL), "umask": mask(),
    }  # fmt: skip
    if "torch" in sys.modules:
        torch = sys.modules["torch"]
        found |= {
            "torch dtype": torch.get_default_dtype(), "torch random": torch.get_rng_state().tolist(), "torch grad": torch.is_grad_enabled(),
            "torch threads": torch.get_num_threads(), "torch strict": torch.are_deterministic_algorithms_enabled(),
            "torch anomaly": torch.is_anomaly_enabled(), "torch precision": torch.get_float32_matmul_precision(),
            "torch device": torch.get_default_device(), "torch cudnn": torch.backends.cudnn.benchmark,
            "torch denormal": bool(torch.tensor([1e-40]).item()),
        }  # fmt: skip
    if "jax" in sys.modules:
        found["jax"] = {name: value for name, value in sys.modules["jax"].config.values.items()}
    return found


def mask():
    kept = os.umask(0)
    os.umask(kept)
    return kept


def torch_here():
    """torch, or a skip. Not importorskip in a thread: it sets the filters of warnings, in a block that no other thread waits for."""
    return sys.modules.get("torch") or pytest.importorskip("torch")


@functools.cache
def models():
    """Made once: their first weights come from torch's own random state."""
    torch = pytest.importorskip("torch")
    return torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Dropout(0.2), torch.nn.Linear(4, 1)), torch.nn.Linear(3, 1)


def loaded():
    """A framework sets itself up when it is loaded; that is its own affair."""
    for name in ("matplotlib.figure", "torch", "jax", "optax", "inertia.torch", "inertia.jax"):
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    with contextlib.suppress(pytest.skip.Exception):
        models()


def tune_numpy():
    inertia.tune(valley(), steps=20, runs=1)


def draw():
    image(Curves("loss", "Loss", (line([0, 1], [2, 1], "loss"),), "step", "loss", ""))
    figure("map", alpha=0.5)


def network():
    from inertia.tasks import modules

    modules.module("digits-cnn").build(3)


def tune_torch():
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    x = torch.tensor(rng.normal(size=(48, 3)), dtype=torch.float32)
    model = copy.deepcopy(models()[0])
    inertia.torch.tune(model, torch.nn.functional.mse_loss, (x, x[:, :1]), batch_size=8, steps=16, runs=1)


def identify_torch():
    torch = torch_here()

    def make(params):
        optimizer = torch.optim.SGD(params, lr=0.1, momentum=0.9)
        return optimizer, torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 50)

    assert "schedule" in inertia.torch.identify(make).verdict


def watch_torch():
    torch = torch_here()
    rng = np.random.default_rng(0)
    x = torch.tensor(rng.normal(size=(32, 3)), dtype=torch.float32)
    model = copy.deepcopy(models()[1])
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
    watch = inertia.torch.Watch(model, optimizer, torch.nn.MSELoss(), probe=(x, x[:, :1]), say=False, every=2)
    for _ in range(4):
        loss = torch.nn.functional.mse_loss(model(x), x[:, :1])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        watch.step(loss)
    watch.close()


def tune_jax():
    jax = pytest.importorskip("jax")
    pytest.importorskip("optax")
    x = np.random.default_rng(0).normal(size=(48, 3)).astype(np.float32)

    def loss(params, batch):
        return jax.numpy.mean((batch @ params["w"] - batch[:, 0]) ** 2)

    inertia.jax.tune(loss, {"w": jax.numpy.zeros(3)}, x, batch_size=8, steps=16, runs=1)


def identify_jax():
    optax = pytest.importorskip("optax")
    assert inertia.jax.identify(optax.adam(1e-3)).verdict.startswith("Adam")


ROADS = [tune_numpy, draw, network, tune_torch, identify_torch, watch_torch, tune_jax, identify_jax]


@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("road", ROADS)
def test_a_call_leaves_the_process_as_it_found_it(road):
    loaded()
    if road not in (tune_numpy, tune_jax):
        road()  # what it loads sets itself up, too
    np.random.seed(5)  # noqa: NPY002
    random.seed(5)
    before = settings()
    road()
    after = settings()
    assert {name for name in before if repr(before[name]) != repr(after[name])} == set()


@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("road", [draw, network, identify_torch, watch_torch])
def test_calls_in_many_threads_leave_it_so_too(road):
    """Threads that put back what another of them had set would leave it set."""
    loaded()
    road()
    before, interval, failed = settings(), sys.getswitchinterval(), []

    def work():
        try:
            road()
            road()
        except Exception as error:
            failed.append(error)

    sys.setswitchinterval(1e-5)
    try:
        threads = [threading.Thread(target=work) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    assert not failed
    after = settings()
    assert {name for name in before if repr(before[name]) != repr(after[name])} == set()


@pytest.mark.filterwarnings("default")
def test_quiet_ends_with_the_last_thread_whoever_leaves_first():
    before, inside, leave = list(warnings.filters), threading.Barrier(2), threading.Event()

    def first():
        with quiet():
            inside.wait(60)
            time.sleep(0.02)
        leave.set()

    def second():
        inside.wait(60)
        with quiet():
            leave.wait(60)
            warnings.warn("unheard", UserWarning, stacklevel=1)

    threads = [threading.Thread(target=one) for one in (first, second)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert warnings.filters == before
    with pytest.warns(UserWarning, match="heard"):
        warnings.warn("heard", UserWarning, stacklevel=1)

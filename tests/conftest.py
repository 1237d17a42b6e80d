"""What every test shares: fixed seeds for hypothesis, quiet threads, and data found beside the checkout."""

import atexit
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ.setdefault("MPLBACKEND", "Agg")
os.environ.setdefault("KERAS_BACKEND", "jax")  # else Keras looks for tensorflow, and its tests skip
if "JAX_COMPILATION_CACHE_DIR" not in os.environ:  # compiling is most of the time of JAX tests: once for all tests of a run
    os.environ["JAX_COMPILATION_CACHE_DIR"] = tempfile.mkdtemp(prefix="inertia-tests-")  # workers and commands inherit it
    atexit.register(shutil.rmtree, os.environ["JAX_COMPILATION_CACHE_DIR"], ignore_errors=True)
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES", "-1")
SHARED = Path(__file__).parents[2] / "shared" / "data"
if SHARED.is_dir():
    os.environ.setdefault("INERTIA_DATA", str(SHARED))

import pytest  # noqa: E402
from hypothesis import HealthCheck, settings  # noqa: E402

# Files that take longest (20 s of a processor and more), longest first: a worker that is given one of them last is waited for.
LONGEST = Path(__file__).with_name("longest.txt").read_text().split()


def pytest_collection_modifyitems(config, items):
    """Under `--dist loadfile --no-loadscope-reorder` files are begun in this order; one process keeps that of the folders."""
    if hasattr(config, "workerinput"):
        rank = {Path(__file__).parent / name: place for place, name in enumerate(LONGEST)}
        items.sort(key=lambda item: rank.get(item.path, len(rank)))


settings.register_profile("fixed", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("fixed")


@pytest.fixture
def keras_process(forks):
    """Run a script in a process of its own whose Keras stands on that backend: (exit code, stdout, stderr)."""

    def run(backend, *command):
        words = {"KERAS_BACKEND": backend, "TF_CPP_MIN_LOG_LEVEL": "3"}
        if backend == "torch":
            process = forks.start(*command, env=words)
            return process.wait(timeout=300), *process.said()
        source = str(Path(__file__).parents[1] / "src")
        words = os.environ | {"PYTHONPATH": source, "OMP_NUM_THREADS": "1"} | words
        line = [sys.executable, "-W", "ignore", *map(str, command)]
        done = subprocess.run(line, env=words, capture_output=True, text=True, timeout=300, check=False)
        return done.returncode, done.stdout, done.stderr

    return run


@pytest.fixture(scope="session")
def forks(tmp_path_factory):
    """A server of processes that have torch loaded already: `forks.start("-c", code, ...)`, see forked.py."""
    pytest.importorskip("torch")
    spec = importlib.util.spec_from_file_location("forked", Path(__file__).with_name("forked.py"))
    forked = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(forked)
    server = forked.Server(tmp_path_factory.mktemp("forks"))
    yield server
    server.close()

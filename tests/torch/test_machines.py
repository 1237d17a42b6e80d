"""Runs on other processes and machines: every carrier that people have, with its real package; a lost worker is a result."""

import concurrent.futures
import multiprocessing
import os
import subprocess
import sys
from concurrent.futures.process import BrokenProcessPool

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402

from inertia.errors import BadInput  # noqa: E402
from inertia.torch.door import TorchJob  # noqa: E402
from inertia.tuning.budget import Budget  # noqa: E402
from inertia.tuning.recipe import Recipe  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore")
MSE = nn.MSELoss()
MARKS = np.array([0, 8, 16])
FIRST, SECOND = Recipe(0.05, 0.9), Recipe(0.02)


def data():
    g = torch.Generator().manual_seed(0)
    x = torch.randn(32, 3, generator=g, dtype=torch.float64)
    return x, x @ torch.tensor([[1.0], [-2.0], [0.5]], dtype=torch.float64)


def made(model, executor):
    job = TorchJob(model, MSE, data(), batch_size=8, executor=executor)
    return job.run([FIRST, SECOND], Budget(16, 8, 32, np.ones(16)), [5, 5], marks=MARKS)


def linear():
    torch.manual_seed(0)
    return nn.Linear(3, 1).double()


def same(found):
    for one, other in zip(found, made(linear(), None), strict=True):
        assert not one.error, one.error
        np.testing.assert_allclose(one.training, other.training, rtol=1e-9)


def test_processes_of_python_and_their_pools():
    spawn = multiprocessing.get_context("spawn")
    with spawn.Pool(1) as pool:
        same(made(linear(), pool))
        with pytest.raises(BadInput, match="the loss cannot be sent to another process"):
            TorchJob(linear(), lambda out, t: MSE(out, t), data(), batch_size=8, executor=pool)


def test_joblib_and_loky():
    joblib = pytest.importorskip("joblib")
    loky = pytest.importorskip("loky")
    same(made(linear(), joblib.Parallel(n_jobs=1)))
    executor = loky.get_reusable_executor(max_workers=1)
    same(made(linear(), executor))
    loss = TorchJob(linear(), lambda out, t: MSE(out, t), data(), batch_size=8, executor=executor)  # it pickles functions by value
    assert not loss.run([FIRST], Budget(16, 8, 32, np.ones(16)), [5], marks=MARKS)[0].error
    executor.shutdown(kill_workers=True)


def test_submitit_the_local_stand_in_for_slurm(tmp_path):
    submitit = pytest.importorskip("submitit")
    executor = submitit.LocalExecutor(folder=tmp_path)
    executor.update_parameters(timeout_min=5)
    same(made(linear(), executor))


def test_ray():
    ray = pytest.importorskip("ray")
    ray.init(num_cpus=1, include_dashboard=False, log_to_driver=False, configure_logging=False)
    try:
        same(made(linear(), ray))
    finally:
        ray.shutdown()


MPI = """
import sys
sys.path[:0] = {path!r}
import test_machines as here
from mpi4py.futures import MPIPoolExecutor
if __name__ == "__main__":
    with MPIPoolExecutor() as executor:
        here.same(here.made(here.linear(), executor))
    print("the same")
"""


def test_mpi(tmp_path):
    pytest.importorskip("mpi4py")
    run = os.path.join(os.path.dirname(sys.executable), "mpiexec")
    script = tmp_path / "many.py"
    script.write_text(MPI.format(path=[os.path.dirname(__file__), *[p for p in sys.path if p]]))
    done = subprocess.run(
        [run, "-n", "2", sys.executable, "-W", "ignore", "-m", "mpi4py.futures", str(script)], capture_output=True, text=True, timeout=300
    )
    assert done.stdout.strip() == "the same", done.stderr[-2000:]


def test_a_pool_that_is_broken_already_loses_runs_and_not_the_tuning():
    class Broken(concurrent.futures.Executor):
        def __init__(self):
            self.sent = 0

        def submit(self, fn, /, *args, **kwargs):
            self.sent += 1
            if self.sent > 1:
                raise BrokenProcessPool("the pool is broken")
            future = concurrent.futures.Future()
            future.set_result(fn(*args, **kwargs))
            return future

    fine, lost = made(linear(), Broken())
    assert not fine.error
    assert "the pool is broken" in lost.error


def test_what_carries_nothing_is_refused_with_what_does():
    with pytest.raises(BadInput, match="an executor of type dict has no submit: pass one of"):
        made(linear(), {})

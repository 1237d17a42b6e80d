"""`inertia.torch.tune`: the model is left alone, executors carry runs, deaths are results, every run is torch's own loop."""

import copy
import os
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import inertia.torch  # noqa: E402
from inertia.errors import BadInput, Diverged  # noqa: E402
from inertia.torch.door import TorchJob  # noqa: E402
from inertia.tuning.batches import batch_order  # noqa: E402
from inertia.tuning.factors import budget_of  # noqa: E402
from inertia.tuning.recipe import Recipe  # noqa: E402

MSE = torch.nn.MSELoss()
MARKS = np.array([0, 20])


def made():
    torch.manual_seed(0)
    x = torch.randn(96, 3)
    model = torch.nn.Sequential(
        torch.nn.Linear(3, 8), torch.nn.BatchNorm1d(8), torch.nn.Tanh(), torch.nn.Dropout(0.1), torch.nn.Linear(8, 1)
    )
    return model, (x, x.prod(dim=1, keepdim=True))


def test_one_run_is_torchs_own_loop():
    model, data = made()
    budget = budget_of(96, steps=20, batch_size=16, weight_decay=0.01, clip=0.5)
    (ours,) = TorchJob(model, MSE, data, batch_size=16).run([Recipe(0.1, 0.9, nesterov=True)], budget, [3], marks=MARKS)
    torch.manual_seed(3)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, nesterov=True, weight_decay=0.01)
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1 - step / 20)
    for rows in batch_order(96, 16, 20, 3):
        optimizer.zero_grad()
        MSE(model(data[0][torch.tensor(rows)]), data[1][torch.tensor(rows)]).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 0.5)
        optimizer.step()
        scheduler.step()
    model.eval()
    assert ours.training[-1] == pytest.approx(MSE(model(data[0]), data[1]).item(), rel=1e-6)


def test_the_model_and_the_random_state_are_left_alone():
    model, data = made()
    before, state = copy.deepcopy(model.state_dict()), torch.get_rng_state()
    found = inertia.torch.tune(model, MSE, data, steps=32, batch_size=16)
    assert len(found.runs) == 3
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert torch.equal(torch.get_rng_state(), state)
    assert model.training


def test_the_answer_makes_the_optimizer_that_was_verified():
    model, data = made()
    found = inertia.torch.tune(model, MSE, data, steps=32, batch_size=16, runs=1)
    optimizer, scheduler = found.torch(model.parameters())
    assert optimizer.param_groups[0]["lr"] == found.recipe.learning_rate
    assert [scheduler.lr_lambdas[0](k) for k in range(32)] == found.budget.factors.tolist()


def test_the_journal_and_executors_give_the_same_answer(tmp_path):
    model, data = made()

    def told(**more):
        whole = inertia.torch.tune(model, MSE, data, steps=32, batch_size=16, runs=2, **more).to_json()
        return whole

    first = told(journal=tmp_path)
    assert told() == first
    assert told(journal=tmp_path, resume=True) == first
    with ThreadPoolExecutor(1) as pool:
        assert told(executor=pool) == first


def test_a_loader_is_read_over_and_over():
    model, (x, y) = made()
    loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(x, y), batch_size=16, shuffle=True)
    found = inertia.torch.tune(model, MSE, loader, steps=20, runs=2)
    assert (found.budget.batch_size, len(found.runs)) == (16, 2)
    with pytest.raises(BadInput, match="the batches of the data hold 16"):
        inertia.torch.tune(model, MSE, loader, steps=20, batch_size=32)


class Dies(torch.nn.Linear):
    """A layer that ends its process when learning rates are large enough to move it far."""

    def forward(self, x):
        if float(self.weight.detach().abs().max()) > 5:
            os._exit(1)
        return super().forward(x)


class Raises(torch.nn.Linear):
    """The same, with an exception."""

    def forward(self, x):
        if float(self.weight.detach().abs().max()) > 5:
            raise RuntimeError("too large")
        return super().forward(x)


def records(model, data, executor=None):
    budget = budget_of(96, steps=20, batch_size=16)
    job = TorchJob(model, MSE, data, batch_size=16, executor=executor)
    return job.run([Recipe(1e-3, 0.9), Recipe(50.0, 0.9)], budget, [0, 0], marks=MARKS)


@pytest.mark.parametrize("executor", [None, ThreadPoolExecutor], ids=["in turn", "threads"])
def test_a_run_that_raises_is_a_result(executor):
    _, data = made()
    fine, lost = records(Raises(3, 1), data, executor and executor(2))
    assert fine.diverged_at is None
    assert lost.error == "RuntimeError: too large"


def test_when_every_run_raises_their_words_are_shown():
    _, data = made()

    class Stubborn(torch.nn.Linear):
        def forward(self, x):
            if self.weight.grad is not None:
                raise RuntimeError("no second step")
            return super().forward(x)

    with pytest.raises((Diverged, BadInput), match=r"no second step"):
        inertia.torch.tune(Stubborn(3, 1), MSE, data, steps=20, batch_size=16)


def same(there, here):
    """The same runs, to the rounding of another process; one that blows up does so in both."""
    for a, b in zip(there, here, strict=True):
        assert (a.recipe, a.diverged_at) == (b.recipe, b.diverged_at)
        if b.recipe.learning_rate < 1:
            np.testing.assert_allclose(a.training, b.training, rtol=1e-5)


@pytest.mark.slow
def test_a_process_pool_gives_the_same_runs_and_survives_a_death():
    import multiprocessing

    model, data = made()
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        there = records(model, data, pool)
        same(there, records(model, data))
        fine, lost = records(Dies(3, 1), data, pool)
    assert fine.diverged_at is None
    assert "BrokenProcessPool" in lost.error


@pytest.mark.slow
def test_dask_carries_the_runs():
    distributed = pytest.importorskip("distributed")
    model, data = made()
    with (
        distributed.LocalCluster(
            n_workers=1, threads_per_worker=1, processes=False, dashboard_address="127.0.0.1:0", protocol="tcp", host="127.0.0.1"
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        there = records(model, data, client.get_executor())
    same(there, records(model, data))


@pytest.mark.slow
def test_a_lost_dask_worker_is_a_result_and_what_finished_is_kept():
    # A worker for each run: Dask holds a result on the worker that made it, and one that dies at once takes along what nobody fetched yet.
    distributed, dask = pytest.importorskip("distributed"), pytest.importorskip("dask")
    data = made()[1]
    words = {"distributed.scheduler.allowed-failures": 0, "distributed.nanny.pre-spawn-environ": {"OMP_NUM_THREADS": "1"}}
    with (
        dask.config.set(words),
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address="127.0.0.1:0", host="127.0.0.1"
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        for nanny in cluster.workers.values():
            nanny.auto_restart = False  # a new worker would only be waited for
        fine, lost = records(Dies(3, 1), data, client.get_executor())
    assert (fine.error, fine.marks.tolist()) == ("", MARKS.tolist())
    assert "KilledWorker" in lost.error

"""`inertia.torch.tune`: one run is torch's own loop, the model is left alone, executors carry runs, deaths are results."""

import copy
import os
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import inertia.torch  # noqa: E402
from inertia.core.method import Method  # noqa: E402
from inertia.errors import BadInput, Diverged  # noqa: E402
from inertia.torch.training import Job, train  # noqa: E402
from inertia.torch.tuning import trials  # noqa: E402
from inertia.tuning.batches import batch_order  # noqa: E402
from inertia.tuning.journal import Journal  # noqa: E402
from inertia.tuning.plan import planned  # noqa: E402

MSE = torch.nn.MSELoss()


def made():
    torch.manual_seed(0)
    x = torch.randn(96, 3)
    model = torch.nn.Sequential(
        torch.nn.Linear(3, 8), torch.nn.BatchNorm1d(8), torch.nn.Tanh(), torch.nn.Dropout(0.1), torch.nn.Linear(8, 1)
    )
    return model, (x, x.prod(dim=1, keepdim=True))


def job(model, data, **changes):
    words = {"weight_decay": 0.01, "clip": 0.5, "marks": (0, 20), "method": Method(0.1, 0.9, 0.9)} | changes
    return Job(model, MSE, None, data, None, np.linspace(1, 0, 20, endpoint=False), 16, 3, **words)


def test_one_run_is_torchs_own_loop():
    model, data = made()
    ours = train(job(model, data))
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
    assert ours.losses[-1] == pytest.approx(MSE(model(data[0]), data[1]).item(), rel=1e-6)


def test_the_model_and_the_random_state_are_left_alone():
    model, data = made()
    before, state = copy.deepcopy(model.state_dict()), torch.get_rng_state()
    found = inertia.torch.tune(model, MSE, data, steps=32, batch_size=16, branch="network")
    assert len(found.runs) == 3
    assert found.branch == "network"
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert torch.equal(torch.get_rng_state(), state)
    assert model.training


def sharpness(found):
    facts = found.measurement
    return facts.get("largest_at_end"), facts.get("end_not_measured"), facts["edge"], found.cost_in_runs


def test_the_sharpness_at_the_end_is_known_wherever_the_runs_were_made(tmp_path, monkeypatch):
    model, data = made()
    words = {"steps": 32, "batch_size": 16, "branch": "network", "runs": 2}

    def again(**more):
        return inertia.torch.tune(model, MSE, data, **words, **more)

    found = again()
    assert found.measurement["largest_at_end"] > 0
    with ThreadPoolExecutor(1) as pool:  # the runs draw dropout from the global generator: one at a time
        assert sharpness(again(executor=pool)) == sharpness(found)
    assert sharpness(again(journal=Journal(tmp_path / "runs.jsonl"))) == sharpness(found)
    resumed = Journal(tmp_path / "runs.jsonl", resume=True)
    assert sharpness(again(journal=resumed)) == sharpness(found)
    assert resumed.resumed == len(found.runs)
    (kept,) = tmp_path.glob("end-*")  # the recommended run's alone
    assert str(found.method.alpha) in kept.name
    kept.write_bytes(kept.read_bytes()[:100])
    assert "nothing finite" in sharpness(again(journal=Journal(tmp_path / "runs.jsonl", resume=True)))[1]
    kept.unlink()
    assert "were not kept" in sharpness(again(journal=Journal(tmp_path / "runs.jsonl", resume=True)))[1]
    monkeypatch.setattr("inertia.tuning.ends.LARGEST", 100)
    lost = again()
    assert lost.measurement["end_not_measured"] == "the parameters at the end of that run were not kept: they take 0 MB, more than 0"
    assert lost.runs[0].losses.tolist() == found.runs[0].losses.tolist()


def test_a_function_of_the_seed_lets_other_starts_count():
    """The sharpest start decides: here the one after the seed, whose weights are ten times as large."""
    _, data = made()

    def build(seed):
        torch.manual_seed(0)
        model = torch.nn.Sequential(torch.nn.Linear(3, 8), torch.nn.Tanh(), torch.nn.Linear(8, 1))
        with torch.no_grad():
            model[2].weight.mul_(10.0 if seed == 6 else 1.0)
        return model

    words = {"steps": 20, "batch_size": 16, "branch": "network", "runs": 1}
    alone, wide = inertia.torch.tune(build(5), MSE, data, seed=5, **words), inertia.torch.tune(build, MSE, data, seed=5, **words)
    assert "largest_elsewhere" not in alone.measurement
    assert wide.measurement["largest"] == wide.measurement["largest_elsewhere"] > 2 * alone.measurement["largest"]
    assert wide.method.alpha < alone.method.alpha / 2


def test_a_loader_is_read_over_and_over():
    model, (x, y) = made()
    loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(x, y), batch_size=16, shuffle=True)
    found = inertia.torch.tune(model, MSE, loader, steps=20, runs=2, branch="network")
    assert (found.batch_size, len(found.runs)) == (16, 2)
    with pytest.raises(BadInput, match="the batches of the data hold 16"):
        inertia.torch.tune(model, MSE, loader, steps=20, batch_size=32)


class Once:
    """An iterable that can be read only so often."""

    def __init__(self, batches, passes):
        self.batches, self.passes = batches, passes

    def __iter__(self):
        self.passes -= 1
        return iter(self.batches if self.passes >= 0 else [])


def test_data_that_end_early_are_named():
    model, (x, y) = made()
    with pytest.raises(BadInput, match="ended early: pass 2 over them gave no batch"):
        train(job(model, Once([(x, y)], 1), marks=(20,)))


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
    plan = planned(96, steps=20, batch_size=16)
    return trials(job(model, data, clip=None), plan, 1.0, executor=executor)([Method(1e-3, 0.9), Method(50.0, 0.9)])


@pytest.mark.parametrize("executor", [None, ThreadPoolExecutor], ids=["in turn", "threads"])
def test_a_run_that_raises_is_a_result(executor):
    _, data = made()
    fine, lost = records(Raises(3, 1), data, executor and executor(2))
    assert fine.diverged_at is None
    assert lost.notes["error"] == "RuntimeError: too large"
    assert lost.diverged_at == 1


def test_when_every_run_raises_their_words_are_shown():
    _, data = made()

    class Stubborn(torch.nn.Linear):
        def __deepcopy__(self, memo):
            raise RuntimeError("cannot be copied")

    with pytest.raises(Diverged, match=r"every run ended with an exception: RuntimeError: cannot be copied"):
        inertia.torch.tune(Stubborn(3, 1), MSE, data, steps=20, batch_size=16)


@pytest.mark.slow
def test_a_process_pool_gives_the_same_runs_and_survives_a_death():
    import multiprocessing

    model, data = made()
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        there = records(model, data, pool)
        assert [run.losses.tolist() for run in there] == [run.losses.tolist() for run in records(model, data)]
        fine, lost = records(Dies(3, 1), data, pool)
    assert fine.diverged_at is None
    assert "BrokenProcessPool" in lost.notes["error"]


@pytest.mark.slow
def test_dask_carries_the_runs():
    distributed = pytest.importorskip("distributed")
    model, data = made()
    with (
        distributed.LocalCluster(
            n_workers=1, threads_per_worker=1, processes=False, dashboard_address=None, protocol="tcp", host="127.0.0.1"
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        there = records(model, data, client.get_executor())
    assert [run.losses.tolist() for run in there] == [run.losses.tolist() for run in records(model, data)]

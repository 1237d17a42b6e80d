"""What each of several processes does in test_processes: run as `python several.py rank size meeting out`, a file of answers each."""

import itertools
import json
import os
import signal
import sys
import time
import warnings
from functools import partialmethod

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import torch
import torch.distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel as DDP
from torch.utils.data import DataLoader, DistributedSampler, TensorDataset

import inertia.torch as it

rank, size, out = 0, 1, ""  # of this process: set by `main`
stepped = 0  # steps of watched runs
MSE = nn.MSELoss()
STEPS = 16


def net(seed=0, norm=False):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(8, 12), nn.BatchNorm1d(12) if norm else nn.Identity(), nn.Tanh(), nn.Linear(12, 2)).double()


def data():
    g = torch.Generator().manual_seed(7)
    x = torch.randn(48, 8, generator=g, dtype=torch.float64)
    x[1::2] *= 3
    return x, torch.randn(48, 2, generator=g, dtype=torch.float64)


def shard(rank, size):
    """Unequal shards, each its own."""
    cuts = [0, 30, 48] if size == 2 else [0, 20, 26, 48]
    return tuple(t[cuts[rank] : cuts[rank + 1]] for t in data())


def loader(each, dataset=None):
    dataset = TensorDataset(*data()) if dataset is None else dataset
    return DataLoader(dataset, batch_size=each, sampler=DistributedSampler(dataset, num_replicas=size, rank=rank, shuffle=True))


def spectrum(found):
    kept = ("loss", "gradient_norm", "noise_batch_size", "examples", "hvps", "products")
    return {"L": found.L, "upper": found.upper, "trace": float(np.sum(found.noise)), **{name: found.provenance.get(name) for name in kept}}


def tuned(found):
    runs = [
        [t.run.recipe.learning_rate, t.run.recipe.momentum, t.run.error, t.run.training.tolist(), t.run.validation.tolist()]
        for t in found.history.trials
    ]
    return {
        "recipe": found.recipe.to_json(),
        "runs": runs,
        "batch": found.budget.batch_size,
        "end": found.verified_loss,
        "text": str(found),
    }


def ddp_loader():
    return spectrum(it.measure(DDP(net()), MSE, loader(48 // (4 * size))))


def ddp_shards():
    return spectrum(it.measure(DDP(net()), MSE, shard(rank, size), batch_size=12))


def ddp_stream():
    """Batches of their own in every process, and not equally many."""
    x, y = shard(rank, size)
    return spectrum(it.measure(DDP(net()), MSE, [(x[k : k + 6], y[k : k + 6]) for k in range(0, len(x), 6)], noise=0))


def ddp_sum():
    return spectrum(it.measure(DDP(net()), nn.MSELoss(reduction="sum"), loader(48 // (4 * size)), noise=0))


def ddp_weights():
    x, y = data()
    labels, weight = (y[:, 0] > 0).long(), torch.tensor([1.0, 5.0], dtype=torch.float64)
    return spectrum(it.measure(DDP(net()), nn.CrossEntropyLoss(weight=weight), (x, labels), noise=0))


def plain_loader():
    """A model of torchrun that is not wrapped, and a loader that deals its examples out."""
    return spectrum(it.measure(net(), MSE, loader(48 // (4 * size)), noise=0))


def fsdp2():
    model = sharded(net())
    before = [p.full_tensor().clone() for p in model.parameters()]
    found = spectrum(it.measure(model, MSE, data(), batch_size=12))
    assert all(torch.equal(a, p.full_tensor()) for a, p in zip(before, model.parameters(), strict=True))
    model(data()[0]).sum().backward()  # it still trains
    return found | {"tune": tuned(it.tune(model, MSE, data(), steps=STEPS, batch_size=12, runs=1)), "checked": checked(model)}


def trained(model, make, steps=3):
    """An optimizer that has stepped the model."""
    optimizer = make(model.parameters())
    for _ in range(steps):
        optimizer.zero_grad()
        MSE(model(data()[0]), data()[1]).backward()
        optimizer.step()
    return optimizer


def adamw(params):
    return torch.optim.AdamW(params, lr=1e-2, weight_decay=0.1)


def under(model, steps=3, make=adamw, **words):
    """What an optimizer that has stepped so often meets; nothing moves."""
    optimizer = trained(model, make, steps)
    before = [p.detach().clone() for p in model.parameters()]
    found = it.measure(model, MSE, data(), optimizer=optimizer, batch_size=12, walk=4, **words)
    for one, other in zip(before, model.parameters(), strict=True):
        assert torch.equal(*(t.full_tensor() if hasattr(t, "full_tensor") else t for t in (one, other)))
    step = [found.step.best, found.step.slope, found.step.curvature]
    told = {"step": step, "steps": found.optimizer.steps, "walked": found.optimizer.walked, "reason": found.reason}
    return told if found.reason else told | {"L": found.L, "edge": found.edge, "trace": float(np.sum(found.noise))}


def sharded(model):
    from torch.distributed.fsdp import fully_shard

    for layer in model:
        fully_shard(layer)
    return fully_shard(model)


def halved(model):
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.tensor.parallel import ColwiseParallel, RowwiseParallel, parallelize_module

    return parallelize_module(model, init_device_mesh("cpu", (size,)), {"0": ColwiseParallel(), "3": RowwiseParallel()})


def under_ddp():
    return [under(DDP(net())), under(DDP(net()), 0, noise=0)]


def under_fsdp2():
    return [under(sharded(net())), under(sharded(net()), 0, noise=0)]


def under_cut():
    return [under(halved(net())), under(halved(net()), 0, noise=0)]


def stopping(at):
    """A loss at whose call `at` the last process is sent Ctrl-C."""
    calls = itertools.count(1)

    def loss(outputs, targets):
        if rank == size - 1 and next(calls) == at:
            os.kill(os.getpid(), signal.SIGINT)
        return MSE(outputs, targets)

    return loss


def interrupted():
    """Ctrl-C in the last process in the middle of its work, and in the first between two products."""

    def watch(products, largest, bar):
        if products == 2:
            os.kill(os.getpid(), signal.SIGINT)

    found = [
        it.measure(DDP(net()), stopping(20), data(), noise=0, memory=0, chunk=8),
        it.measure(DDP(net()), MSE, data(), noise=0, progress=watch),
    ]
    return [[one.provenance["hvps"], one.provenance["converged"], one.upper >= one.L, one.provenance["interrupted"]] for one in found]


def interrupted_tuning():
    """Ctrl-C in the last process while a run is made: everyone ends with it, and the group works on."""
    try:
        return tuned(it.tune(DDP(net()), stopping(60), data(), steps=STEPS, batch_size=12, runs=2))
    except KeyboardInterrupt as stop:
        return f"KeyboardInterrupt: {stop}"


def fsdp1():
    from torch.distributed.fsdp import FullyShardedDataParallel

    return spectrum(it.measure(FullyShardedDataParallel(net(), use_orig_params=True, device_id=torch.device("cpu")), MSE, data()))


def cut():
    model = halved(net())
    found = spectrum(it.measure(model, MSE, data(), batch_size=12))
    vectors = it.eigenvectors(model, MSE, data(), 2)
    made = tuned(it.tune(model, MSE, data(), steps=STEPS, batch_size=12, runs=1))
    return found | {"values": vectors.values, "tune": made, "checked": checked(model)}


def norms():
    model = DDP(net(norm=True))
    before = [b.clone() for b in model.buffers()]
    found = spectrum(it.measure(model, MSE, loader(48 // (2 * size)), noise=0))
    assert all(torch.equal(a, b) for a, b in zip(before, model.buffers(), strict=True))
    run = it.tune(model, MSE, loader(48 // (2 * size)), steps=STEPS, runs=1)
    return found | {"tune": tuned(run)}


def alone():
    """Only rank 0 calls."""
    from inertia.torch import processes

    model = DDP(net(norm=True))
    if rank:
        dist.barrier()
        return "waited"
    processes.PATIENCE = 0.3
    try:
        it.measure(model, MSE, data(), noise=0)
    except Exception as error:
        said = f"{type(error).__name__}: {error}"
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        advice = it.tune(net(), MSE, data(), steps=STEPS, batch_size=12, runs=0)
    bare = spectrum(it.measure(net(), MSE, data(), noise=0))  # of one process: at once
    processes.PATIENCE = 60.0
    dist.barrier()
    return [said, [str(w.message) for w in heard], advice.recipe.learning_rate > 0, bare]


def broken_share():
    x, y = shard(rank, size)
    x = x.clone()
    if rank == 1:
        x[3] = float("nan")
    return spectrum(it.measure(DDP(net()), MSE, (x, y), noise=0))


def after_all():
    """Nothing that went wrong before is in the way."""
    return spectrum(it.measure(DDP(net()), MSE, data(), batch_size=12))


def other_calls():
    if rank:
        return spectrum(it.measure(DDP(net()), MSE, data(), noise=0))
    return it.eigenvectors(DDP(net()), MSE, data()).values


def along():
    found = it.measure(DDP(net()), MSE, data(), batch_size=12, noise=0, along=4)
    return found.provenance["along"]["loss"], found.provenance["along"]["largest"]


def tune_ddp():
    found = it.tune(DDP(net()), MSE, loader(48 // (4 * size)), steps=STEPS, runs=2, validation=data(), clip=1.0, weight_decay=1e-3)
    return tuned(found)


def tune_shards():
    return tuned(it.tune(DDP(net()), MSE, shard(rank, size), steps=STEPS, batch_size=12, runs=1, accumulate=2))


def tune_made():
    """A function of the seed, a metric, a journal that one process writes."""
    folder = f"{out}-journal"
    words = {"steps": STEPS, "batch_size": 12, "runs": 1, "journal": folder}
    found = it.tune(net, MSE, data(), metric=lambda m: -float(MSE(m(data()[0]), data()[1])), **words)
    again = it.tune(net, MSE, data(), metric=lambda m: -float(MSE(m(data()[0]), data()[1])), resume=True, **words)
    return tuned(found) | {"again": again.recipe == found.recipe, "wrote": os.path.exists(folder), "resumed": dict(again.notes)["resumed"]}


class Fragile(nn.Module):
    """Raises in one process only, once it has been trained."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.inner = nn.Linear(8, 2).double()
        self.start = float(self.inner.weight.detach().sum())

    def forward(self, x):
        if rank == size - 1 and self.training and abs(float(self.inner.weight.detach().sum()) - self.start) > 0.3:
            raise ValueError("worn out")
        return self.inner(x)


def fragile():
    return tuned(it.tune(DDP(Fragile()), MSE, data(), steps=STEPS, batch_size=12, runs=1))


def checked(model=None):
    found = it.check(DDP(net()) if model is None else model, MSE, data(), lr=0.05, momentum=0.9, steps=STEPS, batch_size=12)
    return [found.stable, str(found)]


def facade():
    import inertia

    return inertia.measure(DDP(net()), MSE, data(), steps=100, batch_size=12).largest


def executor():
    return it.tune(DDP(net()), MSE, data(), steps=STEPS, batch_size=12, executor=object())


def momentum():
    """One optimizer over parameters of two kinds steps as torch's SGD does."""
    from torch.distributed.fsdp import fully_shard

    from inertia import Method

    ends = []
    for make in (lambda p: it.Momentum(p, Method(0.1, 0.9)), lambda p: torch.optim.SGD(p, 0.1, momentum=0.9, foreach=False)):
        model, beside = net(), nn.Parameter(torch.ones(2, dtype=torch.float64))
        fully_shard(model)
        optimizer = make([*model.parameters(), beside])
        for _ in range(3):
            optimizer.zero_grad()
            (MSE(model(data()[0]) * beside, data()[1])).backward()
            optimizer.step()
        ends.append([float(p.full_tensor().sum() if hasattr(p, "full_tensor") else p.sum()) for p in (*model.parameters(), beside)])
    return ends


def under_watch(watched, steps=45, model=None, probe=None, **words):
    """A run under DistributedDataParallel with dropout, batch norm and a shuffling loader, and what was seen of it."""
    global stepped
    torch.manual_seed(3)
    model = DDP(nn.Sequential(net(norm=True), nn.Dropout(0.2)) if model is None else model)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
    feed, said, watch = loader(6), [], None
    if watched:
        words = {"log": f"{out}-watch.jsonl", "say": said.append, "every": 10} | words
        watch = it.Watch(model, optimizer, MSE, probe=shard(rank, size) if probe is None else probe, **words)
    for k in range(steps):
        stepped += 1
        feed.sampler.set_epoch(k // 4)
        x, y = list(feed)[k % 4]
        loss = MSE(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if watch is not None:
            watch.step(loss)
    if watch is not None:
        watch.close()
    return model, watch, said


def watched():
    """The parameters with and without, the looks, and who spoke."""
    ends = []
    for flag in (False, True):
        model, watch, said = under_watch(flag, expect=0.5)
        ends.append(torch.cat([p.detach().flatten() for p in model.parameters()]))
    looks = [[look.step, look.sharpness, look.bar, look.loss, look.noise.examples, look.excess] for look in watch.looks]
    return [bool(torch.equal(*ends)), looks, len(said), [told.name for told in watch.messages]]


def watched_by_time():
    """When to look is decided by rank 0, whose clock differs from the others': a second a step, and a little at each reading."""
    from inertia.watching.pacing import Pace

    own, ticks = Pace.__init__, itertools.count()
    Pace.__init__ = partialmethod(own, clock=lambda: (1 + 4 * rank) * (stepped + 1e-3 * next(ticks)))
    try:
        words = {"every": None, "budget": 1.0, "log": None}
        parts, whole = under_watch(True, **words)[1].looks, under_watch(True, probe=data(), **words)[1].looks
    finally:
        Pace.__init__ = own
    return [[(look.step, look.sharpness) for look in looks] for looks in (parts, whole)]


def watched_whole():
    """Each process gives the same probe: each takes its share of it, and what comes out is that of the whole."""
    _, watch, _ = under_watch(True, 1, model=net(), probe=data(), log=None, average=False)
    look = watch.looks[0]
    return [look.loss, look.sharpness, look.bar, look.noise.examples, look.noise.trace, look.taken.slope]


class Failing(nn.Module):
    """Cannot be looked at in the process of rank 1: its loss raises there where its derivative is asked for again."""

    def __init__(self):
        super().__init__()
        self.inner, self.calls = net(), 0

    def forward(self, x):
        self.calls += rank == 1 and not self.training
        if not self.training and self.calls > 6:
            raise ValueError("worn out")
        return self.inner(x)


def watch_fails():
    model, watch, said = under_watch(True, 25, model=Failing(), log=None, mode="eval")
    return [len(watch.looks), said, bool(torch.isfinite(next(model.parameters())).all())]


def watch_alone():
    """Only rank 0 makes the watch."""
    from inertia.torch import processes

    model = DDP(net())
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
    if rank:
        dist.barrier()
        return "waited"
    processes.PATIENCE = 0.3
    try:
        it.Watch(model, optimizer, MSE, probe=data(), say=False)
    except Exception as error:
        said = f"{type(error).__name__}: {error}"
    processes.PATIENCE = 60.0
    dist.barrier()
    return said


CHECKS = [
    watched, watched_by_time, watched_whole, watch_fails, watch_alone,
    ddp_loader, ddp_shards, ddp_stream, ddp_sum, ddp_weights, plain_loader, fsdp2, fsdp1, cut, under_ddp, under_fsdp2, under_cut, norms,
    alone, broken_share, interrupted, interrupted_tuning, after_all,
    other_calls, along, tune_ddp, tune_shards, tune_made, fragile, checked, facade, executor, momentum,
]  # fmt: skip


def main(arguments):
    global rank, size, out
    signal.signal(signal.SIGINT, signal.default_int_handler)  # it is ignored where the tests run in the background
    rank, size, meeting, out, *chosen = int(arguments[0]), int(arguments[1]), *arguments[2:]
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{meeting}", rank=rank, world_size=size)
    answers = {}
    for check in CHECKS:
        if chosen and check.__name__ not in chosen:
            continue
        begun = time.perf_counter()
        try:
            answers[check.__name__] = check()
        except Exception as error:
            if os.environ.get("TRACE"):
                import traceback

                traceback.print_exc()
            answers[check.__name__] = f"{type(error).__name__}: {error}"
        if os.environ.get("TRACE"):
            print(check.__name__, time.perf_counter() - begun, time.process_time())
    dist.barrier()
    dist.destroy_process_group()
    with open(f"{out}.{rank}", "w") as file:
        json.dump(answers, file, default=float)


if __name__ == "__main__":
    main(sys.argv[1:])

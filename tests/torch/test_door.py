"""Other people's data, losses and models behind the torch door: right, or refused in one sentence before anything is run."""

import concurrent.futures
import dataclasses
import threading
import warnings
from functools import partial

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import torch.nn.functional as F  # noqa: E402
from torch import nn  # noqa: E402
from torch.utils.data import DataLoader, Dataset, IterableDataset, TensorDataset, WeightedRandomSampler  # noqa: E402

import inertia.torch  # noqa: E402
from inertia.errors import BadInput, InertiaWarning  # noqa: E402
from inertia.measurement import asked  # noqa: E402
from inertia.torch.door import TorchJob  # noqa: E402
from inertia.tuning.budget import Budget  # noqa: E402
from inertia.tuning.measuring import measure  # noqa: E402
from inertia.tuning.recipe import Recipe  # noqa: E402

N = 48
MSE = nn.MSELoss()
MARKS = np.array([0, 16])


def data(seed=0):
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(N, 3, generator=generator, dtype=torch.float64)
    return x, x @ torch.tensor([[1.0], [-2.0], [0.5]], dtype=torch.float64)


def linear():
    torch.manual_seed(0)
    return nn.Linear(3, 1).double()


def budget(job, batch=8, **words):
    return Budget(16, batch, job.examples, np.ones(16), **words)


def trained(job, batch=8, recipe=None, seed=5, **words):
    (run,) = job.run([recipe or Recipe(0.05, 0.9)], budget(job, batch, **words), [seed], marks=MARKS)
    assert not run.error, run.error
    return run.training


class Rows(Dataset):
    def __init__(self, x, y):
        self.x, self.y = x, y

    def __len__(self):
        return len(self.x)

    def __getitem__(self, index):
        return self.x[index], self.y[index]


class Stream(IterableDataset):
    def __init__(self, x, y, endless=False):
        self.x, self.y, self.endless = x, y, endless

    def __iter__(self):
        while True:
            yield from zip(self.x, self.y, strict=True)
            if not self.endless:
                return


@dataclasses.dataclass
class Pair:
    inputs: torch.Tensor
    targets: torch.Tensor
    name: str = "pair"


class Graphs:
    """As PyTorch Geometric's batches: an object with its number of graphs and a road to a device."""

    def __init__(self, x, y):
        self.x, self.y, self.num_graphs = x, y, len(x)

    def to(self, device, **_):
        return Graphs(self.x.to(device), self.y.to(device))


class Items(Graphs):
    def __init__(self, x, y):
        self.x, self.y = x, y

    def __len__(self):
        return len(self.x)


def test_rows_of_any_kind_are_shuffled_by_the_one_law():
    x, y = data()
    expected = trained(TorchJob(linear(), MSE, (x, y), batch_size=8))
    shuffled = DataLoader(TensorDataset(x, y), batch_size=8, shuffle=True)
    for given, words in ((Rows(x, y), {"batch_size": 8}), (TensorDataset(x, y), {"batch_size": 8}), (shuffled, {})):
        job = TorchJob(linear(), MSE, given, **words)
        assert (job.examples, job.batch_size) == (N, 8)
        np.testing.assert_allclose(trained(job), expected, rtol=1e-9)
    as_dict = TorchJob(linear(), None, {"a": x, "b": y}, batch_size=8, forward=lambda m, b: MSE(m(b["a"]), b["b"]))
    np.testing.assert_allclose(trained(as_dict), expected, rtol=1e-9)


def test_a_loader_in_order_is_followed_and_warned_about():
    x, y = data()
    with pytest.warns(InertiaWarning, match="one fixed order"):
        job = TorchJob(linear(), MSE, DataLoader(TensorDataset(x, y), batch_size=8))
    in_order = [(x[at : at + 8], y[at : at + 8]) for at in range(0, N, 8)]
    np.testing.assert_allclose(trained(job), trained(TorchJob(linear(), MSE, in_order)), rtol=1e-12)


def test_a_sampler_of_its_own_is_used():
    x, y = data()
    sampler = WeightedRandomSampler([1.0] * 8 + [0.0] * (N - 8), 24)
    job = TorchJob(linear(), MSE, DataLoader(TensorDataset(x, y), batch_size=8, sampler=sampler))
    assert job.examples == 24
    assert trained(job)[-1] == trained(job)[-1]


@pytest.mark.parametrize("bare", [True, False])
def test_streams_of_samples_with_and_without_an_end(bare):
    x, y = data()
    for endless in (False, True):
        given = Stream(x, y, endless)
        job = TorchJob(linear(), MSE, given if bare else DataLoader(given, batch_size=8), batch_size=8 if bare else None, steps=16)
        assert (job.endless, job.batch_size) == (endless, 8)
        assert job.examples == (64 if endless else N)
        assert trained(job)[-1] < trained(job)[0]
        found = measure(job, budget(job))
        assert ("endless" in found.notes.get("data", "")) == endless
    limited = TorchJob(linear(), MSE, DataLoader(Stream(x, y, True), batch_size=8), steps=16, examples=32)
    assert limited.examples == 32


def test_endless_validation_is_read_as_far_as_endless_data_and_a_measurement_asks_how_many(monkeypatch):
    x, y = data()
    stream = DataLoader(Stream(x, y, True), batch_size=8)
    job = TorchJob(linear(), MSE, (x, y), batch_size=8, validation=stream, steps=16)
    assert job.held.limit == 64
    assert np.isfinite(job.read(job.start(0)).validation)
    with pytest.raises(BadInput, match=r"go on after 1000 batches: .* examples=1024"):
        inertia.torch.measure(linear(), MSE, stream, noise=0)
    assert inertia.torch.measure(linear(), MSE, stream, examples=32, noise=0, sampling=False).provenance["examples"] == 32
    monkeypatch.setattr(asked, "HELD", 50)
    with pytest.raises(BadInput, match="can be read once only, and this one goes on after 50 batches"):
        inertia.torch.measure(linear(), MSE, iter(stream))


@pytest.mark.parametrize("kind", [Pair, Graphs, Items])
def test_batches_that_are_objects(kind):
    x, y = data()
    batches = [kind(x[at : at + 8], y[at : at + 8]) for at in range(0, N, 8)]
    forward = (lambda m, b: MSE(m(b.inputs), b.targets)) if kind is Pair else (lambda m, b: MSE(m(b.x), b.y))
    job = TorchJob(linear(), None, batches, forward=forward)
    assert (job.examples, job.batch_size) == (N, 8)
    tuples = TorchJob(linear(), MSE, [(x[at : at + 8], y[at : at + 8]) for at in range(0, N, 8)])
    np.testing.assert_allclose(trained(job), trained(tuples), rtol=1e-12)
    assert measure(job, budget(job)).largest == pytest.approx(measure(tuples, budget(tuples)).largest)


def test_batches_that_do_not_show_their_size_are_counted_by_size_of():
    x, _y = data()
    batches = [{"x": [x[0:4], x[4:8]], "meta": "a"} for _ in range(3)]
    job = TorchJob(linear(), None, batches, forward=lambda m, b: m(torch.cat(b["x"])).square().mean(), size_of=lambda b: 8)
    assert job.examples == 24


def test_hugging_face_datasets():
    datasets = pytest.importorskip("datasets")
    x, y = data()
    rows = datasets.Dataset.from_dict({"x": x.float().tolist(), "y": y.float().tolist()})
    model = linear().float()
    job = TorchJob(model, None, rows, batch_size=8, forward=lambda m, b: MSE(m(b["x"]), b["y"]))
    tensors = TorchJob(model, MSE, (x.float(), y.float()), batch_size=8)
    np.testing.assert_allclose(trained(job), trained(tensors), rtol=1e-5)


# --- losses -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("loss", [nn.MSELoss(reduction="sum"), lambda out, t: ((out - t) ** 2).sum()])
def test_a_sum_is_the_users_own_loss(loss):
    x, y = data()
    summed, mean = TorchJob(linear(), loss, (x, y), batch_size=8), TorchJob(linear(), MSE, (x, y), batch_size=8)
    assert "sum over the batch" in summed.loss.said
    a, b = measure(summed, budget(summed)), measure(mean, budget(mean))
    assert [a.largest, a.loss, a.gradient_norm] == pytest.approx([8 * b.largest, 8 * b.loss, 8 * b.gradient_norm])
    np.testing.assert_allclose(trained(summed, recipe=Recipe(0.05 / 8, 0.9)), 8 * trained(mean), rtol=1e-9)


def weighted(out, t):
    return F.cross_entropy(out, t, weight=torch.tensor([1.0, 1.0, 20.0], dtype=out.dtype))


def test_class_weights_and_ignored_targets_count_whatever_the_chunk():
    x, _ = data()
    t = torch.sort(torch.randint(0, 3, (N,), generator=torch.Generator().manual_seed(1)))[0]
    model = nn.Linear(3, 3).double()
    weights = torch.tensor([1.0, 1.0, 20.0], dtype=torch.float64)
    for fn in (nn.CrossEntropyLoss(weight=weights), nn.CrossEntropyLoss(ignore_index=1), nn.NLLLoss(weight=weights)):
        if isinstance(fn, nn.NLLLoss):
            model = nn.Sequential(nn.Linear(3, 3).double(), nn.LogSoftmax(-1))
        job = TorchJob(model, fn, (x, t), batch_size=8)
        whole = float(fn(job._model(x), t).detach())
        job._chunk = 5
        assert job.read(job.start(0)).training == pytest.approx(whole)
        assert measure(job, budget(job), full=True).loss == pytest.approx(whole)
    by_hand = TorchJob(nn.Linear(3, 3).double(), weighted, (x, t), batch_size=8)
    assert "return (sum, weight)" in by_hand.loss.said

    def told(out, t):
        mine = weights[t].sum()
        return weighted(out, t) * mine, mine

    job = TorchJob(nn.Linear(3, 3).double(), told, (x, t), batch_size=8)
    assert not job.loss.said
    assert job.read(job.start(0)).training == pytest.approx(float(weighted(job._model(x), t).detach()))


def test_a_check_weighs_sums_classes_and_ignored_targets_too():
    x, _ = data()
    t = torch.arange(N) % 3
    model = nn.Linear(3, 3).double()
    start = torch.cat([p.detach().ravel() for p in model.parameters()])
    weights = torch.tensor([1.0, 1.0, 20.0], dtype=torch.float64)
    losses = [nn.CrossEntropyLoss(weight=weights), nn.CrossEntropyLoss(ignore_index=1), nn.CrossEntropyLoss(reduction="sum")]
    for fn in losses:
        found = inertia.torch.check(model, fn, (x, t), lr=0.01, momentum=0.9, steps=16, batch_size=N)
        hessian = torch.autograd.functional.hessian(lambda w, fn=fn: fn(F.linear(x, w[:9].view(3, 3), w[9:]), t), start)
        assert found.measurement.start.largest == pytest.approx(float(torch.linalg.eigvalsh(hessian)[-1]), rel=0.02)


def test_parameter_groups_and_accumulated_micro_batches_equal_plain_torch():
    x, y = data()
    model = linear()
    groups = [{"params": [model.bias], "scale": 0.1, "weight_decay": 0.0}]
    job = TorchJob(model, MSE, (x, y), batch_size=8, accumulate=2, groups=groups)
    assert not job.uniform
    got = trained(job, weight_decay=0.1, clip=1.0)
    from inertia.tuning.batches import batch_order

    mine = linear()
    opt = torch.optim.SGD([{"params": [mine.weight], "weight_decay": 0.1}, {"params": [mine.bias], "lr": 0.005}], lr=0.05, momentum=0.9)
    for rows in batch_order(N, 8, 16, 5):
        opt.zero_grad()
        for part in np.split(rows, 2):
            (MSE(mine(x[part]), y[part]) / 2).backward()
        nn.utils.clip_grad_norm_(mine.parameters(), 1.0)
        opt.step()
    assert got[-1] == pytest.approx(float(MSE(mine(x), y).detach()), rel=1e-12)


def test_adamw_equals_torchs_own():
    x, y = data()
    job = TorchJob(linear(), MSE, (x, y), batch_size=N)
    got = trained(job, N, Recipe(0.1, 0.8, optimizer="adamw"), weight_decay=0.2)
    mine = linear()
    opt = torch.optim.AdamW(mine.parameters(), lr=0.1, betas=(0.8, 0.999), weight_decay=0.2)
    for _ in range(16):
        opt.zero_grad()
        MSE(mine(x), y).backward()
        opt.step()
    assert got[-1] == pytest.approx(float(MSE(mine(x), y).detach()), rel=1e-9)


def test_a_metric_is_what_runs_are_judged_by():
    x, y = data()
    job = TorchJob(linear(), MSE, (x, y), batch_size=8, metric=lambda m: float((m(x) > 0).double().mean()))
    (run,) = job.run([Recipe(0.05)], budget(job), [0], marks=MARKS)
    assert job.validated
    assert np.all((run.validation >= 0) & (run.validation <= 1))


# --- workers, threads, the caller's state ----------------------------------------------------------------------------


def test_processes_lost_workers_and_what_cannot_be_sent():
    x, y = data()
    with concurrent.futures.ProcessPoolExecutor(1) as pool, pytest.raises(BadInput, match="the loss cannot be sent to another process"):
        TorchJob(linear(), lambda out, t: MSE(out, t), (x, y), batch_size=8, executor=pool)
    with pytest.raises(BadInput, match="has no submit"):
        TorchJob(linear(), MSE, (x, y), batch_size=8, executor=object())

    class Half(concurrent.futures.Executor):
        """The second worker dies."""

        def __init__(self):
            self.sent = 0

        def submit(self, fn, /, *args, **kwargs):
            future, self.sent = concurrent.futures.Future(), self.sent + 1
            if self.sent == 2:
                future.set_exception(concurrent.futures.process.BrokenProcessPool("a worker was killed"))
            else:
                future.set_result(fn(*args, **kwargs))
            return future

    job = TorchJob(linear(), MSE, (x, y), batch_size=8, executor=Half())
    one, two, three = job.run([Recipe(0.05)] * 3, budget(job), [0, 0, 0], marks=MARKS)
    assert "BrokenProcessPool" in two.error
    np.testing.assert_array_equal(one.training, three.training)


def test_threads_and_runs_leave_the_random_state_and_the_model_alone():
    x, y = data()
    model = nn.Sequential(nn.Linear(3, 4), nn.Dropout(0.5), nn.Linear(4, 1)).double()
    before, state = {k: v.clone() for k, v in model.state_dict().items()}, torch.get_rng_state()
    filters = list(warnings.filters)
    found = []

    def work():
        job = TorchJob(model, MSE, (x, y), batch_size=8)
        measure(job, budget(job))
        found.append(trained(job)[-1])

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(found)) == 1
    assert len(found) == 3
    assert torch.equal(state, torch.get_rng_state())
    assert all(torch.equal(before[k], v) for k, v in model.state_dict().items())
    assert filters == warnings.filters


def test_inside_no_grad_and_inference_mode():
    x, y = data()
    expected = trained(TorchJob(linear(), MSE, (x, y), batch_size=8))
    for context in (torch.no_grad, torch.inference_mode):
        with context():
            job = TorchJob(linear(), MSE, (x, y), batch_size=8)
            assert measure(job, budget(job)).largest > 0
            np.testing.assert_allclose(trained(job), expected)


def test_batch_norm_is_measured_in_batches_of_the_run():
    x, y = data()
    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Tanh(), nn.Linear(4, 1)).double()
    job = TorchJob(model, MSE, (x, y), batch_size=8)
    found = measure(job, budget(job))
    assert "batch norms in train mode" in found.notes["frozen"][0]
    assert trained(job)[-1] < trained(job)[0]


# --- one sentence each -----------------------------------------------------------------------------------------------

X, Y = data()
FINE = {"model": linear(), "loss_fn": MSE, "data": (X, Y), "batch_size": 8}


class Odd(nn.Module):
    def __init__(self):
        super().__init__()
        self.w = nn.Parameter(torch.ones(3, 1, dtype=torch.complex128))

    def forward(self, x):
        return (x.to(torch.complex128) @ self.w).abs()


class Jumping(nn.Module):
    def __init__(self):
        super().__init__()
        self.w = nn.Parameter(torch.ones(3, 1).double())
        self.calls = 0

    def forward(self, x):
        self.calls += 1
        return x @ self.w * self.calls


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"data": [X, Y]}, "pass a tuple"),
        ({"data": (X, Y[:5])}, "must have the same first dimension"),
        ({"data": (X[:0], Y[:0])}, "the data hold no examples"),
        ({"data": 3}, "data of type int cannot be read"),
        ({"data": "mnist"}, "data of type str cannot be read"),
        ({"data": []}, "the data hold no batches"),
        ({"data": iter([])}, "the data hold no batches"),
        ({"data": Rows(X, Y), "batch_size": None}, "a Rows has no batches of its own: give the examples of one step"),
        ({"data": Stream(X, Y), "batch_size": None}, "an IterableDataset gives single examples"),
        ({"data": DataLoader(TensorDataset(X, Y), batch_size=16, shuffle=True)}, "the batches of the data hold 16"),
        ({"data": [(X, Y)], "batch_size": 9}, "the batches of the data hold 48"),
        ({"data": [{"a": "text"}], "batch_size": None}, "pass size_of="),
        ({"data": torch.tensor(1.0)}, "a single number"),
        ({"model": nn.Linear}, "model is the class Linear: pass an instance"),
        ({"model": 3}, "a model of type int cannot be tuned"),
        ({"model": lambda seed: None}, "must return a torch.nn.Module"),
        ({"model": nn.Linear(3, 1, device="meta")}, "on the device 'meta'"),
        ({"model": nn.LazyLinear(1)}, "lazy modules"),
        ({"model": nn.Tanh()}, "no trainable parameter"),
        ({"model": Odd()}, "is complex\\d*: curvature is along real numbers"),
        ({"model": Jumping()}, "not deterministic"),
        ({"loss_fn": lambda out, t: 1.0}, "the loss is a float"),
        ({"loss_fn": lambda out, t: (out - t).mean() * 1j}, "the loss is complex"),
        ({"loss_fn": lambda out, t: ((out - t).square().sum(), 0)}, "weight of a batch must be positive"),
        ({"loss_fn": None, "model": linear(), "data": X, "forward": lambda m, b: {"y": m(b)}}, "the loss is a dict"),
        ({"forward": lambda m, b: MSE(m(b[0]), b[1])}, "forward returned a loss"),
        ({"groups": {"params": []}}, "groups must be a list of dicts"),
        ({"groups": [{"scale": 2.0}]}, "has no 'params'"),
        ({"groups": [{"params": ["bias"], "lr": 0.1}]}, "the learning rate is tuned"),
        ({"groups": [{"params": ["bias"], "scale": -1.0}]}, "both must be 0 or more"),
        ({"groups": [{"params": ["head"]}]}, "begins or ends no parameter's name"),
        ({"groups": [{"params": [torch.ones(1)]}]}, "no parameter of the model"),
        ({"groups": [{"params": ["bias"]}, {"params": ["bias"]}]}, "in two groups"),
        ({"accumulate": 0}, "accumulate = 0"),
        ({"accumulate": 3}, "cannot be cut into 3"),
        ({"batch_size": 0}, "batch_size = 0"),
        ({"mode": "test"}, "mode = 'test' is not one of"),
    ],
)
def test_bad_input_is_one_sentence_before_anything_runs(change, message):
    words = {**FINE, **change}
    with pytest.raises(BadInput, match=message) as said:
        TorchJob(words.pop("model"), words.pop("loss_fn"), words.pop("data"), **words)
    assert "\n" not in str(said.value)


@pytest.mark.parametrize(
    ("loss", "message"),
    [
        (lambda out, t: out.detach().square().mean(), "does not depend on any trainable parameter"),
        (lambda out, t: out.mean() * float("nan"), "the loss of batch 0"),
        (lambda out, t: out.mean() * 0.0, "its gradient at the start is zero"),
        (lambda out, t: -out.square().mean(), "no positive curvature"),
    ],
)
def test_losses_that_cannot_be_measured_are_one_sentence(loss, message):
    with pytest.raises(BadInput, match=message):
        measure(job := TorchJob(linear(), loss, (X, Y), batch_size=8), budget(job))


def test_a_run_that_raises_is_a_result():
    class Fragile(nn.Module):
        def __init__(self):
            super().__init__()
            self.w = nn.Parameter(torch.zeros(3, 1).double())

        def forward(self, x):
            if self.training and float(self.w.detach().norm()) > 0.2:
                raise RuntimeError("too far")
            return x @ self.w

    job = TorchJob(Fragile(), MSE, (X, Y), batch_size=8)
    (run,) = job.run([Recipe(0.3)], budget(job), [0], marks=MARKS)
    assert run.error == "RuntimeError: too far"
    assert len(run.training) == 1


def test_a_model_of_the_seed():
    job = TorchJob(partial(_seeded, 4), MSE, (X, Y), batch_size=8)
    assert job.reseeded
    assert not torch.equal(job.start(0)["0.weight"], job.start(1)["0.weight"])
    assert torch.equal(job.start(1)["0.weight"], _seeded(4, 1)[0].weight)
    found = measure(job, budget(job))
    assert [place.where for place in found.at].count("another start") in (0, 2)


def _seeded(width, seed):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(3, width), nn.Tanh(), nn.Linear(width, 1)).double()


class Towers(nn.Module):
    """Two encoders whose likenesses, row by column, are what a contrastive loss judges."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(5)
        self.one, self.other = nn.Linear(3, 4).double(), nn.Linear(3, 4).double()

    def forward(self, x, y):
        return 3 * F.normalize(self.one(x), dim=-1) @ F.normalize(self.other(y), dim=-1).T


def test_a_dict_of_losses_is_refused_with_their_sum_and_the_sum_is_taken():
    class Detector(nn.Module):
        def __init__(self):
            super().__init__()
            self.body = linear()

        def forward(self, x, y):
            out = self.body(x)
            return {"loss_box": MSE(out, y), "loss_class": out.square().mean()}

    model, (x, y) = Detector(), data()
    for words in ({}, {"forward": lambda m, b: m(*b)}):
        with pytest.raises(BadInput, match=r"forward=lambda model, batch: sum\(model\(\*batch\)\.values\(\)\)"):
            inertia.torch.measure(model, None, (x, y), noise=0, **words)
    whole = lambda m, b: sum(m(*b).values())  # noqa: E731
    plain = lambda m, b: MSE(m.body(b[0]), b[1]) + m.body(b[0]).square().mean()  # noqa: E731
    one, other = (inertia.torch.measure(model, None, (x, y), forward=loss, noise=0).L for loss in (whole, plain))
    assert one == pytest.approx(other)
    assert inertia.torch.tune(model, None, (x, y), forward=whole, steps=16, batch_size=8, runs=1).best is not None
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    with inertia.torch.Watch(model, optimizer, probe=(x, y), forward=whole, every=1, say=False) as watch:
        for _ in range(2):
            optimizer.zero_grad()
            loss = whole(model, (x, y))
            loss.backward()
            optimizer.step()
            watch.step(loss)
    assert watch.looks[0].sharpness == pytest.approx(one, rel=0.02)


def test_two_losses_are_not_a_sum_and_its_weight():
    players = nn.ModuleList([linear(), linear()])
    x, y = data()

    def game(m, b):
        fake = m[0](b[0])
        return MSE(m[1](b[0]), b[1]) + 1, MSE(m[1](b[0]) + fake, b[1]) + 1

    for verb in (inertia.torch.measure, partial(inertia.torch.tune, steps=16, runs=1), partial(inertia.torch.check, lr=0.1, steps=16)):
        with pytest.raises(
            BadInput, match=r"two numbers that both depend on the parameters.* \(a GAN\), measure and tune each player alone"
        ):
            verb(players, None, (x, y), forward=game, batch_size=8)
    alone = inertia.torch.measure(players[1], None, (x, y), forward=lambda m, b: game((players[0], m), b)[0], noise=0)
    assert pytest.approx(inertia.torch.measure(players[1], MSE, (x, y), noise=0).L) == alone.L


def squares(m, b):
    return (m(b[0]) - b[1]).square()


def hits(m, b):
    return ((m(b[0]) > 0) == (b[1] > 0)).double()


BESIDE = {
    "an accuracy": (lambda m, b: (squares(m, b).mean(), hits(m, b).mean()), "not a weight"),
    "an accuracy as a number": (lambda m, b: (squares(m, b).mean(), hits(m, b).mean().item()), "not a weight"),
    "a count of hits": (lambda m, b: (squares(m, b).mean(), hits(m, b).sum()), "changes with the parameters"),
    "a fixed number": (lambda m, b: (squares(m, b).mean(), 0.1), "does not add up over the examples"),
    "the examples of a mean": (lambda m, b: (squares(m, b).mean(), len(b[0])), "the first is a mean"),
    "a mask's size beside a mean": (
        lambda m, b: ((squares(m, b) * (b[1] > 0)).sum() / (b[1] > 0).sum(), (b[1] > 0).sum()),
        r"the first is a mean over them.*\(loss \* number, number\)",
    ),
    "outputs": (lambda m, b: (squares(m, b).mean(), m(b[0])), "a Tensor of .* entries: return the loss alone"),
    "outputs without a graph": (lambda m, b: (squares(m, b).mean(), m(b[0]).detach()), "a Tensor of .* entries: return the loss alone"),
    "a dict": (lambda m, b: (squares(m, b).mean(), {"accuracy": 1.0}), "the second is a dict: return the loss alone"),
    "nothing": (lambda m, b: (squares(m, b).mean(), None), "the second is a NoneType: return the loss alone"),
}


@pytest.mark.parametrize("name", BESIDE)
def test_what_stands_beside_a_loss_is_a_weight_only_if_it_acts_as_one(name):
    loss, message = BESIDE[name]
    x, y = data()
    loader = DataLoader(TensorDataset(x, y), batch_size=8, shuffle=True)
    model = linear()
    before = [p.detach().clone() for p in model.parameters()]
    for given in ((x, y), loader, [(x[:8], y[:8]), (x[8:], y[8:])]):
        with pytest.raises(BadInput, match=message):
            inertia.torch.measure(model, None, given, forward=loss, noise=0)
    with pytest.raises(BadInput, match=message):
        inertia.torch.tune(model, None, (x, y), forward=loss, batch_size=8, steps=16, runs=1)
    assert all(map(torch.equal, before, model.parameters()))


def test_a_weight_that_counts_terms_is_taken_whatever_the_chunk():
    x, y = data()
    mask = y > 0
    model = linear()
    told = {
        "examples": (lambda m, b: (squares(m, b).sum(), len(b[0])), squares(model, (x, y)).mean()),
        "a mask": (lambda m, b: ((squares(m, b) * (b[1] > 0)).sum(), (b[1] > 0).sum()), squares(model, (x, y))[mask].mean()),
    }
    for loss, exact in told.values():
        for chunk in (None, 7):
            found = inertia.torch.measure(model, None, (x, y), forward=loss, noise=0, weights=False, chunk=chunk)
            assert found.provenance["loss"] == pytest.approx(float(exact.detach()))
            assert "loss_is" not in found.provenance


class Object:
    """A batch that cannot be cut."""

    def __init__(self, x, y):
        self.x, self.y = x, y

    def __len__(self):
        return len(self.x)


def test_of_batches_that_cannot_be_cut_a_weight_is_one_that_stays_where_the_parameters_move():
    x, y = data()
    batches = [Object(x[at : at + 8], y[at : at + 8]) for at in range(0, N, 8)]
    with pytest.raises(BadInput, match="changes with the parameters"):
        inertia.torch.measure(
            linear(), None, batches, forward=lambda m, b: (squares(m, (b.x, b.y)).mean(), hits(m, (b.x, b.y)).sum() + 1), noise=0
        )
    found = inertia.torch.measure(linear(), None, batches, forward=lambda m, b: (squares(m, (b.x, b.y)).sum(), len(b)), noise=0)
    assert found.provenance["loss"] == pytest.approx(float(squares(linear(), (x, y)).mean().detach()))


def test_batches_whose_rows_are_not_examples_are_not_cut():
    """A batch of 20 nodes that belong to five graphs."""
    x, y = data()
    batch = {"x": x[:20], "y": y[:20], "owner": torch.arange(20) // 4}

    def graphs(m, b):
        means = torch.zeros(5, dtype=x.dtype).index_add(0, b["owner"], (m(b["x"]) - b["y"]).ravel()) / 4
        return means.square().sum(), b["owner"].max() + 1

    model = linear()
    exact = (model(x[:20]) - y[:20]).reshape(5, 4).mean(1).square().mean()
    found = inertia.torch.measure(model, None, [batch], forward=graphs, size_of=lambda b: 5, noise=0, weights=False)
    assert found.provenance["loss"] == pytest.approx(float(exact.detach()))
    assert "loss_is" not in found.provenance


@pytest.mark.parametrize(("kind", "told"), [("tensors", False), ("loader", False), ("tensors", True)])
def test_a_contrastive_loss_of_a_dataset_is_measured_on_drawn_batches_of_the_size_of_training(kind, told):
    """The batches are those that the loss was given: their mean's dense Hessian is the second road."""
    seen = {}

    def likeness(m, batch):
        if torch.is_grad_enabled() and len(batch[0]) <= 20:
            seen.setdefault(tuple(batch[0][:, 0].tolist()), batch)
        logits = m(*batch)
        value = F.cross_entropy(logits, torch.arange(len(logits)))
        return (value * len(logits), len(logits)) if told else value

    x, _ = data()
    y, model = x.flip(1), Towers()
    loader = DataLoader(TensorDataset(x, y), batch_size=20, shuffle=True)
    seen.clear()
    given, words = (loader, {}) if kind == "loader" else ((x, y), {"batch_size": 20})
    found = inertia.torch.measure(model, None, given, forward=likeness, noise=0, weights=False, **words)
    assert found.provenance["loss_is"].endswith("(here of 20 examples, drawn at random)")
    parts = [batch for batch in seen.values() if len(batch[0]) in (20, 8)][-3:]
    assert [len(part[0]) for part in parts] == [20, 20, 8]
    together = torch.cat([part[0] for part in parts])
    assert not torch.equal(together, x)
    assert sorted(together[:, 0].tolist()) == sorted(x[:, 0].tolist())
    sizes = [p.numel() for p in model.parameters()]

    def whole(flat):
        named = {name: part.view(p.shape) for (name, p), part in zip(model.named_parameters(), flat.split(sizes), strict=True)}
        each = [likeness(lambda *b: torch.func.functional_call(model, named, b), part) for part in parts]
        values = [one[0] if told else one * len(part[0]) for one, part in zip(each, parts, strict=True)]
        return sum(values) / N

    start = torch.cat([p.detach().ravel() for p in model.parameters()])
    hessian = torch.autograd.functional.hessian(whole, start)
    assert found.provenance["loss"] == pytest.approx(float(whole(start)))
    assert pytest.approx(float(torch.linalg.eigvalsh(hessian)[-1]), rel=0.011) == found.L
    noisy = inertia.torch.measure(model, None, given, forward=likeness, weights=False, noise=4, **words)
    assert noisy.provenance["noise_batch_size"] == 20
    with pytest.raises(BadInput, match="neither a mean nor a sum over examples.* so chunk = 7 would change it"):
        inertia.torch.measure(model, None, given, forward=likeness, chunk=7, **words)


def test_a_contrastive_loss_is_that_of_its_batches():
    def likeness(m, batch):
        logits = m(*batch)
        right = torch.arange(len(logits))
        return (F.cross_entropy(logits, right) + F.cross_entropy(logits.T, right)) / 2

    x, _ = data()
    model, batches = Towers(), [(x[at : at + 8], x[at : at + 8].flip(1)) for at in range(0, N, 8)]
    found = inertia.torch.measure(model, None, batches, forward=likeness, noise=0, weights=False)
    sizes = [p.numel() for p in model.parameters()]

    def whole(flat):
        named = {name: part.view(p.shape) for (name, p), part in zip(model.named_parameters(), flat.split(sizes), strict=True)}
        return sum(likeness(lambda *b: torch.func.functional_call(model, named, b), batch) for batch in batches) / len(batches)

    start = torch.cat([p.detach().ravel() for p in model.parameters()])
    hessian = torch.autograd.functional.hessian(whole, start)
    assert found.provenance["loss"] == pytest.approx(float(whole(start)))
    assert pytest.approx(float(torch.linalg.eigvalsh(hessian)[-1]), rel=0.011) == found.L
    together = inertia.torch.measure(model, None, (x, x.flip(1)), forward=likeness, noise=0, weights=False)
    assert together.provenance["loss_is"].endswith(f"(here all {N} examples are one batch)")
    tuned = inertia.torch.tune(model, None, (x, x.flip(1)), forward=likeness, steps=16, batch_size=8, runs=1)
    assert tuned.best is not None
    assert tuned.measurement.start.loss == pytest.approx(float(whole(start)), rel=0.2)


def test_a_check_judges_a_contrastive_loss_on_batches_of_its_own():
    def likeness(m, batch):
        logits = m(*batch)
        return F.cross_entropy(logits, torch.arange(len(logits)))

    x, _ = data()
    model, sizes = Towers(), [p.numel() for p in Towers().parameters()]
    found = inertia.torch.check(model, None, (x, x.flip(1)), forward=likeness, lr=0.01, momentum=0.9, steps=16, batch_size=N)

    def whole(flat):
        named = {name: part.view(p.shape) for (name, p), part in zip(model.named_parameters(), flat.split(sizes), strict=True)}
        return likeness(lambda *b: torch.func.functional_call(model, named, b), (x, x.flip(1)))

    hessian = torch.autograd.functional.hessian(whole, torch.cat([p.detach().ravel() for p in model.parameters()]))
    assert found.measurement.start.largest == pytest.approx(float(torch.linalg.eigvalsh(hessian)[-1]), rel=0.02)
    few = inertia.torch.check(model, None, (x, x.flip(1)), forward=likeness, lr=0.01, momentum=0.9, steps=16, batch_size=8)
    assert few.measurement.start.loss < 0.8 * found.measurement.start.loss  # eight have fewer others to be told from: log 8 to log 48

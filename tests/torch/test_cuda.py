"""On a GPU: what holds on the CPU holds there, for models, data and states that live there. Skipped on a machine without one."""

import copy

import numpy as np
import pytest

torch = pytest.importorskip("torch")
if not torch.cuda.is_available():
    pytest.skip("this machine has no CUDA device", allow_module_level=True)

from torch import nn  # noqa: E402
from torch.utils.data import DataLoader, TensorDataset  # noqa: E402

import inertia  # noqa: E402
import inertia.torch as room  # noqa: E402
from inertia.core.method import Method  # noqa: E402


def vectors(count=160, dtype=torch.float32):
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(count, 4, generator=generator, dtype=dtype)
    return x, (x[:, 0] > 0).long() + (x[:, 1] > 0.3).long()


def network(dtype=torch.float32):
    torch.manual_seed(1)
    return nn.Sequential(nn.Linear(4, 16), nn.Tanh(), nn.Linear(16, 3)).to(dtype)


def convolutions():
    torch.manual_seed(1)
    layers = nn.Conv2d(1, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2), nn.Dropout(0.2), nn.Flatten(), nn.Linear(128, 10)
    return nn.Sequential(*layers)


def pictures(count=192):
    generator = torch.Generator().manual_seed(2)
    y = torch.randint(0, 10, (count,), generator=generator)
    x = torch.randn(count, 1, 8, 8, generator=generator) + y[:, None, None, None] / 5
    return x, y


class Text(nn.Module):
    """Embedding, attention and a layer norm: what transformers are made of, with scattered gradients."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(1)
        self.embed = nn.Embedding(20, 32)
        self.mix = nn.TransformerEncoderLayer(32, 4, 64, dropout=0.0, batch_first=True)
        self.out = nn.Linear(32, 20)

    def forward(self, tokens):
        return self.out(self.mix(self.embed(tokens))).flatten(0, 1)


def sentences(count=128):
    tokens = torch.randint(0, 20, (count, 12), generator=torch.Generator().manual_seed(3))
    return tokens, tokens.flip(1)


def entropy(scores, targets):
    """Mean cross-entropy over letters; flat, since torch has a deterministic kernel for that alone."""
    return nn.functional.cross_entropy(scores, targets.flatten())


JOBS = {"vectors": (network, vectors), "pictures": (convolutions, pictures), "sentences": (Text, sentences)}


def put(data, where="cuda"):
    return tuple(part.to(where) for part in data)


@pytest.mark.parametrize("place", ["cuda", "cpu", "loader", "pinned"])
@pytest.mark.parametrize("name", list(JOBS))
def test_a_measurement_is_that_of_the_cpu(name, place):
    made, data = JOBS[name][0](), JOBS[name][1]()
    there = room.measure(copy.deepcopy(made), entropy, data, batch_size=32, rtol=1e-3, mode="eval")
    if place in {"loader", "pinned"}:
        given = DataLoader(TensorDataset(*data), batch_size=32, shuffle=True, pin_memory=place == "pinned")
    else:
        given = put(data, place)
    state = torch.cuda.get_rng_state(), torch.get_rng_state()
    found = room.measure(made.cuda(), entropy, given, batch_size=32, rtol=1e-3, mode="eval")
    assert torch.equal(torch.cuda.get_rng_state(), state[0])
    assert torch.equal(torch.get_rng_state(), state[1])
    assert pytest.approx(there.L, rel=3e-3) == found.L  # two bars of 1e-3 and the products' rounding
    assert all(p.is_cuda and p.grad is None for p in made.parameters())


def test_double_precision_equals_the_dense_hessian():
    model, (x, y) = network(torch.float64).cuda(), put(vectors(45, torch.float64))
    params = list(model.parameters())
    grads = torch.autograd.grad(entropy(model(x), y), params, create_graph=True)
    rows = [
        torch.cat([part.reshape(-1) for part in torch.autograd.grad(entry, params, retain_graph=True, materialize_grads=True)])
        for entry in torch.cat([g.reshape(-1) for g in grads])
    ]
    truth = np.linalg.eigvalsh(torch.stack(rows).cpu().numpy())
    found = room.measure(model, entropy, (x, y), batch_size=9, ends="both", rtol=1e-6)
    np.testing.assert_allclose([found.mu, found.L], truth[[0, -1]], rtol=1e-6)


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
@pytest.mark.parametrize("name", list(JOBS))
def test_a_tuning_ends_and_leaves_everything_alone(name, optimizer):
    model, data = JOBS[name][0]().cuda(), JOBS[name][1]()
    before, state = copy.deepcopy(model.state_dict()), torch.cuda.get_rng_state()
    loader = DataLoader(TensorDataset(*data), batch_size=32, shuffle=True, drop_last=True)
    found = inertia.tune(model, entropy, loader, steps=40, runs=2, optimizer=optimizer)
    assert found.trained
    assert torch.equal(torch.cuda.get_rng_state(), state)
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
    made, scheduler = found.torch(model.parameters())
    for _, (x, y) in zip(range(6), loader, strict=False):
        made.zero_grad()
        entropy(model(x.cuda()), y.cuda()).backward()
        made.step()
        scheduler.step()
    assert all(torch.isfinite(p).all() for p in model.parameters())


def test_the_verified_run_is_torchs_own_loop_there():
    from inertia.torch.door import TorchJob
    from inertia.tuning.batches import batch_order
    from inertia.tuning.factors import budget_of
    from inertia.tuning.recipe import Recipe

    model, data = network().cuda(), put(vectors())
    budget = budget_of(160, steps=20, batch_size=16, weight_decay=0.01, clip=0.5)
    (ours,) = TorchJob(model, entropy, data, batch_size=16).run([Recipe(0.1, 0.9, nesterov=True)], budget, [3], marks=np.array([0, 20]))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, nesterov=True, weight_decay=0.01)
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1 - step / 20)
    for rows in batch_order(160, 16, 20, 3):
        optimizer.zero_grad()
        entropy(model(data[0][torch.tensor(rows).cuda()]), data[1][torch.tensor(rows).cuda()]).backward()
        nn.utils.clip_grad_norm_(model.parameters(), 0.5)
        optimizer.step()
        scheduler.step()
    assert ours.training[-1] == pytest.approx(entropy(model(data[0]), data[1]).item(), rel=1e-5)


def test_check_and_compare_answer():
    model, data = network().cuda(), vectors()
    found = inertia.torch.check(model, entropy, data, lr=0.1, momentum=0.9, steps=40, batch_size=32)
    assert found.measurement.largest > 0


@pytest.mark.parametrize("mode", [{}, {"foreach": False, "fused": False}, {"foreach": True}, {"fused": True}, {"flat": True}], ids=str)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16, torch.float16], ids=str)
@pytest.mark.parametrize("nesterov", [False, True])
def test_momentum_equals_torchs_sgd(mode, dtype, nesterov):
    def trained(make):
        torch.manual_seed(0)
        params = [nn.Parameter(torch.randn(shape, device="cuda").to(dtype)) for shape in [(5, 3), (7,), (2, 3, 4)]]
        optimizer = make(params)
        generator = torch.Generator().manual_seed(1)
        for _ in range(10):
            for p in params:
                p.grad = torch.randn(p.shape, generator=generator).to(p)
            optimizer.step()
        return torch.cat([p.detach().reshape(-1).double() for p in params])

    words = {"lr": 0.05, "momentum": 0.9, "nesterov": nesterov, "weight_decay": 0.1}
    ours, theirs = trained(lambda p: room.Momentum(p, **words, **mode)), trained(lambda p: torch.optim.SGD(p, **words))
    # ten steps of round-off: each rounds the parameter, its velocity and the direction once
    tolerance = 30 * torch.finfo(dtype).eps
    torch.testing.assert_close(ours, theirs, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("method", [Method(0.05, 0.9, 0.3), Method(0.05, 0.8, 0.8, 0.5)], ids=str)
@pytest.mark.parametrize("mode", [{}, {"flat": True}], ids=str)
def test_any_method_and_its_saved_state_go_on_there(method, mode):
    params = [nn.Parameter(torch.ones(3, 2, device="cuda")), nn.Parameter(torch.ones(4, device="cuda"))]
    optimizer = room.Momentum(params, method, **mode)

    def steps(optimizer, params, count):
        for _ in range(count):
            optimizer.zero_grad()
            sum((p**4).sum() for p in params).backward()
            optimizer.step()

    steps(optimizer, params, 3)
    others = [nn.Parameter(p.detach().clone()) for p in params]
    other = room.Momentum(others, method, **mode)
    other.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    steps(optimizer, params, 3)
    steps(other, others, 3)
    for one, two in zip(params, others, strict=True):
        torch.testing.assert_close(one, two)


def test_momentum_under_a_gradient_scaler_skips_what_it_skips():
    model = network().cuda()
    x, y = put(vectors())
    optimizer = room.Momentum(model.parameters(), lr=0.1, momentum=0.9)
    scaler = torch.amp.GradScaler("cuda", init_scale=2.0**14)
    losses = []
    for _ in range(20):
        optimizer.zero_grad()
        with torch.autocast("cuda", torch.float16):
            loss = entropy(model(x), y)
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()
        losses.append(loss.item())
    assert losses[-1] < losses[0]


@pytest.mark.parametrize("kind", [{}, {"fused": True}, {"capturable": True}, {"foreach": True}, {"amsgrad": True}], ids=str)
def test_the_metric_of_adams_state_is_that_of_the_cpu(kind):
    def measured(where):
        model, (x, y) = network(torch.float64).to(where), put(vectors(dtype=torch.float64), where)
        words = kind if where == "cuda" else {k: v for k, v in kind.items() if k == "amsgrad"}
        optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2, **words)
        for _ in range(5):
            optimizer.zero_grad()
            entropy(model(x), y).backward()
            optimizer.step()
        return room.measure(model, entropy, (x, y), optimizer=optimizer, batch_size=32, rtol=1e-6)

    here, there = measured("cuda"), measured("cpu")
    assert pytest.approx(there.L, rel=1e-5) == here.L
    assert here.edge == pytest.approx(there.edge, rel=1e-5)


@pytest.mark.parametrize("make", [
    lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9, nesterov=True),
    lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9, fused=True),
    lambda p: torch.optim.AdamW(p, lr=1e-3, fused=True),
    lambda p: torch.optim.AdamW(p, lr=torch.tensor(1e-3, device="cuda"), capturable=True),
    lambda p: torch.optim.Adam(p, lr=1e-3, weight_decay=0.1),
], ids=["nesterov", "fused", "adamw-fused", "adamw-capturable", "adam"])  # fmt: skip
def test_identify_reads_an_optimizer_that_steps_there(make):
    model = network().cuda()
    optimizer = make(model.parameters())
    found = room.identify(optimizer)
    assert "cannot" not in str(found).lower(), str(found)
    assert all(p.is_cuda for p in model.parameters())


@pytest.mark.parametrize("optimizer", [
    lambda p: torch.optim.SGD(p, lr=0.05, momentum=0.9),
    lambda p: torch.optim.AdamW(p, lr=1e-3, fused=True),
    lambda p: room.Momentum(p, lr=0.05, momentum=0.9),
], ids=["sgd", "adamw", "momentum"])  # fmt: skip
@pytest.mark.parametrize("name", list(JOBS))
def test_a_watched_training_is_the_one_that_is_not_watched(name, optimizer):
    def trained(watching):
        model, (x, y) = JOBS[name][0]().cuda(), put(JOBS[name][1]())
        made = optimizer(model.parameters())
        torch.manual_seed(5)
        watch = room.Watch(model, made, entropy, probe=(x[:64], y[:64]), every=5, say=False) if watching else None
        for step in range(20):
            rows = slice(32 * (step % 3), 32 * (step % 3) + 32)
            made.zero_grad()
            loss = entropy(model(x[rows]), y[rows])
            loss.backward()
            made.step()
            if watch:
                watch.step(loss)
        if watch:
            watch.close()
            assert len(watch.looks) >= 3
            assert all(np.isfinite(look.sharpness) for look in watch.looks)
        return torch.cat([p.detach().reshape(-1) for p in model.parameters()])

    torch.use_deterministic_algorithms(True)
    try:
        assert torch.equal(trained(True), trained(False))
    finally:
        torch.use_deterministic_algorithms(False)


def test_a_compiled_model_is_measured_and_tuned():
    model, data = network().cuda(), put(vectors())
    compiled = torch.compile(model, backend="aot_eager")
    here = room.measure(compiled, entropy, data, batch_size=32)
    there = room.measure(model, entropy, data, batch_size=32)
    assert pytest.approx(there.L, rel=0.02) == here.L
    assert inertia.tune(compiled, entropy, data, steps=20, batch_size=32, runs=1).trained


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=str)
def test_a_half_precision_model_is_measured(dtype):
    model, (x, y) = network().cuda(), put(vectors())
    there = room.measure(copy.deepcopy(model), entropy, (x, y), batch_size=32)
    found = room.measure(model.to(dtype), entropy, (x.to(dtype), y), batch_size=32)
    assert pytest.approx(there.L, rel=0.05) == found.L  # the weights are rounded to 8 bits


def test_autocast_is_measured_as_it_trains():
    model, data = network().cuda(), put(vectors())

    def forward(model, batch):
        with torch.autocast("cuda", torch.bfloat16):
            return entropy(model(batch[0]), batch[1])

    there = room.measure(model, entropy, data, batch_size=32)
    found = room.measure(model, None, data, forward=forward, batch_size=32)
    assert pytest.approx(there.L, rel=0.1) == found.L


def test_memory_stays_within_eight_vectors_beyond_one_batch():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(256, 2048), nn.GELU(), nn.Linear(2048, 2048), nn.GELU(), nn.Linear(2048, 10)).cuda()
    x, y = torch.randn(64, 256, device="cuda"), torch.randint(0, 10, (64,), device="cuda")
    size = 4 * sum(p.numel() for p in model.parameters())

    def peak(work):
        torch.cuda.synchronize()
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        work()
        torch.cuda.synchronize()
        return torch.cuda.max_memory_allocated() - before

    def differentiated():
        params = list(model.parameters())
        grads = torch.autograd.grad(entropy(model(x), y), params, create_graph=True)
        return torch.autograd.grad(sum((g * g.detach()).sum() for g in grads), params)

    once = peak(differentiated)
    assert peak(lambda: room.measure(model, entropy, (x, y), batch_size=32)) < once + 8 * size

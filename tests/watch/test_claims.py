"""What the watch claims, on small runs with known answers; benchmarks/watch.py measures the same at full size."""

import importlib
import sys
import warnings
from functools import partialmethod
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402

from inertia.torch import Momentum, Watch  # noqa: E402
from inertia.watching.pacing import Pace  # noqa: E402

RNG = np.random.default_rng(0)
X = torch.tensor(RNG.normal(size=(96, 5)), dtype=torch.float32)
Y = X[:, :3].argmax(1)


def benchmark(room):
    pytest.importorskip("sklearn")
    place = str(Path(__file__).parents[2] / "benchmarks")
    if place not in sys.path:
        sys.path.append(place)
    return importlib.import_module(f"watching.{room}")


def perceptron():
    return nn.Sequential(nn.Linear(5, 6), nn.Tanh(), nn.Linear(6, 3))


class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        self.inside, self.attend, self.out = nn.Linear(1, 4), nn.MultiheadAttention(4, 2, batch_first=True), nn.Linear(4, 3)

    def forward(self, x):
        made = self.inside(x[..., None])
        return self.out((made + self.attend(made, made, made, need_weights=False)[0]).mean(1))


def convolution():
    return nn.Sequential(nn.Unflatten(1, (1, 5)), nn.Conv1d(1, 4, 3), nn.BatchNorm1d(4), nn.Tanh(), nn.Flatten(), nn.Linear(12, 3))


def dense(model, values, parts):
    """The Hessian of the mean loss over the parts of the probe, by torch.func, at these parameters."""
    names = [name for name, _ in model.named_parameters()]
    shapes = [value.shape for value in values]
    buffers = {name: b.clone() for name, b in model.named_buffers()}

    def loss(flat):
        pieces = torch.split(flat, [int(np.prod(shape)) for shape in shapes])
        held = {name: piece.view(shape) for name, piece, shape in zip(names, pieces, shapes, strict=True)}
        total = 0.0
        for rows in parts:
            with torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.MATH):
                made = torch.func.functional_call(model, (held, {n: b.clone() for n, b in buffers.items()}), (X[rows],))
            total = total + nn.functional.cross_entropy(made, Y[rows]) * len(rows) / len(X)
        return total

    flat = torch.cat([value.flatten() for value in values])
    with torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.MATH):
        return torch.autograd.functional.hessian(loss, flat).double().numpy()


CASES = {
    "perceptron, SGD": (perceptron, lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9, weight_decay=0.05), None, 4, 38.0),
    "attention, AdamW": (Attention, lambda p: torch.optim.AdamW(p, lr=0.01, weight_decay=0.1), "adam", 4, (2 - 0.001) * 1900),
    "convolution with batch norm, Momentum": (convolution, lambda p: Momentum(p, lr=0.05, momentum=0.9), None, 1, 76.0),
}


@pytest.mark.parametrize("name", CASES)
def test_sharpness_is_that_of_the_dense_matrix_at_five_checkpoints(name):
    make, optimizer_of, kind, count, edge = CASES[name]
    torch.manual_seed(0)
    model = make()
    optimizer = optimizer_of(model.parameters())
    parts = torch.arange(96).chunk(count)
    rng, kept = np.random.default_rng(1), {}
    with Watch(model, optimizer, nn.CrossEntropyLoss(), probe=(X, Y), every=8, say=False) as watch:
        for k in range(33):
            rows = torch.tensor(rng.choice(96, 32, replace=False))
            before = [p.detach().clone() for p in model.parameters()]
            loss = nn.functional.cross_entropy(model(X[rows]), Y[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            if k % 8 == 0:
                matrix = dense(model, before, parts)
                if kind == "adam":
                    states = [optimizer.state[p] for p in model.parameters()]
                    squares = torch.cat([s["exp_avg_sq"].flatten() for s in states]).double().numpy()
                    root = (np.sqrt(squares / (1 - 0.999 ** (k + 1))) + 1e-8) ** -0.5
                    matrix = root[:, None] * matrix * root
                kept[k + 1] = np.linalg.eigvalsh(matrix)[-1] + (0.05 if "SGD" in name else 0.0)
            watch.step(loss)
    assert [look.step for look in watch.looks] == list(kept)
    for look in watch.looks:
        true = kept[look.step]
        assert look.sharpness <= true * (1 + 1e-3)
        assert true <= (look.sharpness + look.bar) * (1 + 1e-3)
        assert look.edge == pytest.approx(edge, rel=1e-3)


def test_a_ramp_into_a_spike_is_foretold_in_time_and_the_edge_of_stability_is_no_alarm():
    made = benchmark("driven")
    sgd = torch.optim.SGD
    spike, alarms = made.run(1, lambda p: sgd(p, lr=0.3, momentum=0.9), 220, factor=made.ramp(60, 360, 20))
    assert spike is not None
    assert made.lead({"spike": spike, "told": alarms}) >= 10
    spike, alarms = made.run(0, lambda p: sgd(p, lr=1.5), 120)
    assert spike is None
    assert not alarms


def test_the_level_that_noise_holds_is_right_and_half_the_rate_halves_the_excess(monkeypatch):
    seconds, step = [0.0], Watch.step  # a second a step, and a little at each reading: what is seen depends on no machine

    def passed(self, loss=None):
        seconds[0] += 1.0
        return step(self, loss)

    def clock():
        seconds[0] += 0.01
        return seconds[0]

    monkeypatch.setattr(Watch, "step", passed)
    monkeypatch.setattr(Pace, "__init__", partialmethod(Pace.__init__, clock=clock))
    found = benchmark("noise").noise_run("regression, momentum", steps=1500)
    assert found["said"] == pytest.approx(found["stays"], rel=0.25)
    excess = found["stays"] - found["least"]
    assert found["half"] - found["least"] == pytest.approx(excess / 2, rel=0.3)
    assert 0 < found["excess"] < 1.5 * excess


def test_a_full_batch_run_that_has_arrived_is_not_held_by_noise():
    torch.manual_seed(0)
    model, y = nn.Linear(5, 1), torch.randn(96, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
    with Watch(model, optimizer, nn.MSELoss(), probe=(X, y), every=5, say=False) as watch:
        for _ in range(200):
            loss = nn.functional.mse_loss(model(X), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            watch.step(loss)
    assert "noise" not in [told.name for told in watch.messages]


class Timed(nn.Module):
    """A model whose passes take a time of their own on a made-up clock: a second for 64 examples, and as much for a whole step again."""

    def __init__(self, clock):
        super().__init__()
        self.inner, self.clock = perceptron(), clock

    def forward(self, x):
        self.clock[0] += len(x) / 64
        return Slow.apply(self.inner(x), self.clock)


class Slow(torch.autograd.Function):
    """The identity, whose derivatives take time too."""

    @staticmethod
    def forward(ctx, x, clock):
        ctx.clock = clock
        return x.clone()

    @staticmethod
    def backward(ctx, grad):
        ctx.clock[0] += len(grad) / 64
        return Slow.apply(grad, ctx.clock), None


@pytest.mark.parametrize("budget", [0.03, 0.2])
def test_nothing_is_spent_before_it_is_earned(monkeypatch, budget):
    """On a clock that only the model moves, what is spent stays below what is earned at every step, but for the check at the start."""
    clock = [0.0]
    monkeypatch.setattr(Pace, "__init__", partialmethod(Pace.__init__, clock=lambda: clock[0]))
    torch.manual_seed(0)
    model = Timed(clock)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        watch = Watch(model, optimizer, nn.CrossEntropyLoss(), probe=(X, Y), say=False, budget=budget)
    first = watch.pace.spent
    assert first < 2  # of some steps of 2 seconds, not of the whole probe
    with watch:
        for _ in range(round(60 / budget)):
            loss = nn.functional.cross_entropy(model(X[:64]), Y[:64])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            watch.step(loss)
            assert watch.pace.spent <= max(budget * watch.pace.training, first) + 1e-9
    assert len(watch.looks) >= 3
    assert watch.lost > budget / 2  # and what is earned is spent

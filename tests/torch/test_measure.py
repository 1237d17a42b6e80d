"""Measuring a torch model, against dense Hessians and brute force; and that nothing has moved afterwards."""

import copy
import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import inertia.torch as room
from inertia.core.method import Method
from inertia.errors import BadInput

torch.set_num_threads(1)


def data(n=45, classes=3, seed=0, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(n, 4, generator=generator, dtype=dtype)
    return x, (x[:, 0] > 0).long() + (x[:, 1] > 0.3).long() * (classes > 2)


def network(dtype=torch.float64, *extra):
    torch.manual_seed(1)
    return nn.Sequential(nn.Linear(4, 6), *extra, nn.Tanh(), nn.Linear(6, 3)).to(dtype)


def dense(model, loss):
    """Hessian of loss() by torch's own functional interface: a second road, one row at a time."""
    params = [p for p in model.parameters() if p.requires_grad]
    grads = torch.autograd.grad(loss(), params, create_graph=True, allow_unused=True, materialize_grads=True)
    flat = torch.cat([g.reshape(-1) for g in grads])
    rows = []
    for entry in flat:
        if not entry.requires_grad:
            rows.append(torch.zeros(flat.numel(), dtype=flat.dtype))
            continue
        found = torch.autograd.grad(entry, params, retain_graph=True, allow_unused=True, materialize_grads=True)
        rows.append(torch.cat([f.reshape(-1) for f in found]))
    return torch.stack(rows).detach().numpy()


CE = nn.CrossEntropyLoss()


def test_the_ends_the_density_the_weights_and_the_noise_are_those_of_the_dense_hessian():
    model, (x, y) = network(), data()
    h = dense(model, lambda: CE(model(x), y))
    truth = np.linalg.eigvalsh(h)
    found = room.measure(model, CE, (x, y), batch_size=9, ends="both", rtol=1e-6, noise=200, probes=3, depth=51)
    np.testing.assert_allclose([found.mu, found.L], truth[[0, -1]], rtol=1e-6)
    assert found.provenance["smallest_lower"] <= truth[0] + 1e-12
    assert truth[-1] <= found.upper <= truth[-1] * (1 + 1e-5)
    # the density of three random vectors in 51 dimensions: the mean curvature to sqrt(2/(51*3)) of its root mean square
    assert abs(found.density @ found.curvatures - truth.mean()) < 3 * np.sqrt(2 / 153 * np.mean(truth**2))
    gradient = np.concatenate([g.numpy().ravel() for g in torch.autograd.grad(CE(model(x), y), list(model.parameters()))])
    assert found.excess <= 1.000001 * found.provenance["loss"]
    np.testing.assert_allclose(found.provenance["gradient_norm"], np.linalg.norm(gradient), rtol=1e-12)
    rows = np.stack(
        [
            np.concatenate(
                [g.numpy().ravel() for g in torch.autograd.grad(CE(model(x[i : i + 1]), y[i : i + 1]), list(model.parameters()))]
            )
            for i in range(45)
        ]
    )
    exact = (1 / 9 - 1 / 45) * np.sum((rows - gradient) ** 2) / 44  # sampling without replacement
    assert abs(found.provenance["noise_trace"] - exact) < 3.5 * found.provenance["noise_trace_error"]
    np.testing.assert_allclose(found.noise.sum(), found.provenance["noise_trace"], rtol=1e-9)


FORMS = {
    "tensors": lambda x, y: (x, y),
    "arrays": lambda x, y: (x.numpy(), y.numpy()),
    "loader": lambda x, y: DataLoader(TensorDataset(x, y), batch_size=8),
    "shuffled loader": lambda x, y: DataLoader(TensorDataset(x, y), batch_size=8, shuffle=True),
    "loader with its own generator": lambda x, y: DataLoader(TensorDataset(x, y), batch_size=8, shuffle=True, generator=torch.Generator()),
    "dataset": lambda x, y: TensorDataset(x, y),
    "list of batches": lambda x, y: [(x[:40], y[:40]), (x[40:], y[40:])],
    "read once": lambda x, y: iter([(x[:40], y[:40]), (x[40:], y[40:])]),
}


@pytest.mark.parametrize(("form", "memory"), [*((form, None) for form in FORMS), ("tensors", 0), ("shuffled loader", 0)])
def test_every_form_of_data_gives_the_hessian_of_the_mean_loss(form, memory):
    # 45 examples in batches of 8 leave 5 in the last: a mean of batch means would weight them like 8
    model, (x, y) = network(), data()
    y[-5:] = 2 - y[-5:]  # and they are unlike the others
    truth = np.linalg.eigvalsh(dense(model, lambda: CE(model(x), y)))[-1]
    found = room.measure(model, CE, FORMS[form](x, y), memory=memory, rtol=1e-8, depth=51, noise=0, weights=False)
    np.testing.assert_allclose(found.L, truth, rtol=1e-8)
    assert found.provenance["examples"] == 45


def test_dicts_outputs_with_a_loss_autoencoders_and_own_forwards():
    class Speaking(nn.Module):
        def __init__(self):
            super().__init__()
            self.body = network()

        def forward(self, x, y=None):
            output = self.body(x)
            return output if y is None else type("Output", (), {"loss": CE(output, y), "logits": output})()

    model, (x, y) = Speaking(), data()
    truth = room.measure(model, CE, (x, y), noise=0).L
    assert pytest.approx(truth, rel=1e-9) == room.measure(model, None, {"x": x, "y": y}, noise=0).L
    assert pytest.approx(truth, rel=1e-9) == room.measure(model, lambda out, batch: CE(out.logits, batch["y"]), {"x": x, "y": y}, noise=0).L
    assert pytest.approx(truth, rel=1e-9) == room.measure(model, None, (x, y), forward=lambda m, b: CE(m(b[0]), b[1]), noise=0).L
    summed = nn.CrossEntropyLoss(reduction="sum")  # measured as the user's loop has it: the sum over the batch
    assert pytest.approx(len(x) * truth, rel=1e-9) == room.measure(model, summed, (x, y), noise=0).L
    assert pytest.approx(5 * truth, rel=1e-9) == room.measure(model, summed, (x, y), batch_size=5, noise=0).L
    assert pytest.approx(truth, rel=1e-9) == room.measure(model, nn.CrossEntropyLoss(reduction="none"), (x, y), noise=0).L
    auto = nn.Linear(4, 4).double()
    truth = np.linalg.eigvalsh(dense(auto, lambda: nn.functional.mse_loss(auto(x), x)))[-1]
    assert pytest.approx(truth, rel=1e-6) == room.measure(auto, nn.MSELoss(), x, rtol=1e-6, noise=0).L


def state(model):
    return {
        "tensors": [(t.data_ptr(), t.dtype, t.detach().clone()) for t in (*model.parameters(), *model.buffers())],
        "grads": [None if p.grad is None else p.grad.clone() for p in model.parameters()],
        "modes": [m.training for m in model.modules()],
        "random": (torch.get_rng_state(), random.getstate(), np.random.get_state()[1].copy()),  # noqa: NPY002
    }


def same(one, two):
    for (pointer, dtype, value), (pointer2, dtype2, value2) in zip(one["tensors"], two["tensors"], strict=True):
        assert (pointer, dtype) == (pointer2, dtype2)
        assert torch.equal(value, value2)
    for g, g2 in zip(one["grads"], two["grads"], strict=True):
        assert (g is None) == (g2 is None)
        assert g is None or torch.equal(g, g2)
    assert one["modes"] == two["modes"]
    assert torch.equal(one["random"][0], two["random"][0])
    assert one["random"][1] == two["random"][1]
    np.testing.assert_array_equal(one["random"][2], two["random"][2])


@pytest.mark.parametrize(
    ("dtype", "mode"),
    [(torch.float64, None), (torch.float64, "train"), (torch.float32, "eval"), (torch.bfloat16, None), (torch.float16, "train")],
)
def test_everything_is_as_before(dtype, mode):
    model, (x, y) = network(dtype, nn.BatchNorm1d(6), nn.Dropout(0.3)), data(dtype=dtype)
    model[2].eval()
    CE(model(x).float(), y).backward()
    next(model.parameters()).grad = None
    before = state(model)
    loader = DataLoader(TensorDataset(x, y), batch_size=9, shuffle=True)
    found = room.measure(model, lambda out, target: CE(out.float(), target), loader, mode=mode, along=3, noise=2, rtol=0.05, depth=4)
    same(before, state(model))
    assert found.provenance["mode"] == (mode or "mixed")
    with pytest.raises(BadInput, match="is nan"):
        room.measure(model, lambda out, target: out.sum() * float("nan"), loader, mode=mode)
    same(before, state(model))


def test_half_precision_is_measured_in_float32():
    wide, (x, y) = network(torch.float32), data(dtype=torch.float32)
    half = copy.deepcopy(wide).to(torch.bfloat16)
    with torch.no_grad():
        for p, q in zip(wide.parameters(), half.parameters(), strict=True):
            p.copy_(q)  # the same numbers, in float32
    found = room.measure(half, CE, (x.to(torch.bfloat16), y), noise=0, rtol=1e-4)
    expected = room.measure(wide, CE, (x.to(torch.bfloat16).float(), y), noise=0, rtol=1e-4)
    assert pytest.approx(expected.L, rel=1e-5) == found.L
    assert any("measured in float32" in line for line in found.provenance["frozen"])


def test_top_curvatures_with_their_directions():
    model, (x, y) = network(), data()
    values, vectors = np.linalg.eigh(dense(model, lambda: CE(model(x), y)))
    found = room.eigenvectors(model, CE, (x, y), k=3, rtol=1e-6)
    np.testing.assert_allclose(found.values, values[:-4:-1], rtol=1e-9)
    assert list(found.vectors[0]) == [name for name, _ in model.named_parameters()]
    for k in range(3):
        flat = np.concatenate([part.numpy().ravel() for part in found.vectors[k].values()])
        assert abs(flat @ vectors[:, -1 - k]) == pytest.approx(1, rel=1e-8)
    assert values[-1] <= found.upper
    measured = room.measure(model, CE, (x, y), top=3, rtol=1e-6, noise=0, weights=False)
    np.testing.assert_allclose(measured.curvatures[-3:], values[-3:], rtol=1e-9)


def test_an_interval_over_the_choice_of_examples_covers_all_the_data():
    """Where the curvature of a subset is biased upwards, the interval says so: checked on 12 subsets of 96."""
    model = nn.Linear(30, 1).double()
    x = torch.randn(4000, 30, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    y = torch.zeros(4000, 1, dtype=torch.float64)
    truth = room.measure(model, nn.MSELoss(), (x, y), noise=0, weights=False, rtol=1e-4).L
    covered, naive = 0, 0
    for seed in range(12):
        found = room.measure(model, nn.MSELoss(), (x, y), examples=96, noise=0, weights=False, seed=seed)
        interval = found.provenance["sampling"]
        covered += interval["low"] <= truth <= interval["high"]
        naive += 1.1 * truth < found.L
        assert interval["bias"] > 0
    assert covered >= 11
    assert naive >= 9  # a subset's largest curvature alone is more than 10 % too high


def test_the_interval_comes_with_a_subset_of_any_form_and_says_where_it_cannot():
    model, (x, y) = network(), data()
    loader = DataLoader(TensorDataset(x, y), batch_size=8)
    interval = room.measure(model, CE, loader, examples=24, noise=0, weights=False).provenance["sampling"]
    assert interval["low"] < interval["high"]
    assert "sampling" not in room.measure(model, CE, loader, noise=0, weights=False).provenance
    single = room.measure(model, CE, [(x, y)], sampling=True, noise=0, weights=False)
    assert single.provenance["sampling"].startswith("not measured: needs at least 2 batches")


def test_sharpness_along_a_short_real_trajectory_is_that_of_really_training():
    model, (x, y) = network(), data()
    method = Method(0.5, beta=0.9)
    found = room.measure(model, CE, (x, y), along=[2, 8], along_method=method, noise=0, weights=False, rtol=1e-6, depth=51)
    told = found.provenance["along"]
    trained = copy.deepcopy(model)
    optimizer = torch.optim.SGD(trained.parameters(), lr=0.5, momentum=0.9)
    for k in range(1, 9):
        optimizer.zero_grad()
        CE(trained(x), y).backward()
        optimizer.step()
        if k in (2, 8):
            truth = np.linalg.eigvalsh(dense(trained, lambda: CE(trained(x), y)))[-1]
            assert told["largest"][told["steps"].index(k)] == pytest.approx(truth, rel=1e-6)
    assert told["growth"] == pytest.approx(max(told["largest"]) / found.L)
    assert room.measure(model, CE, FORMS["loader"](x, y), along=3, noise=0, weights=False).provenance["along"]["steps"] == [0, 1, 3]


def test_products_are_counted_and_stop_as_soon_as_the_bar_is_small():
    model, (x, y) = network(), data()
    rough, fine = (room.measure(model, CE, (x, y), rtol=rtol, noise=0, weights=False).provenance["hvps"] for rtol in (0.1, 1e-6))
    assert rough < fine <= 51
    calls = []
    told = room.measure(model, CE, (x, y), progress=lambda *line: calls.append(line), noise=0, weights=False)
    assert len(calls) == told.provenance["hvps"]


def test_ctrl_c_returns_what_was_measured():
    model, (x, y) = network(), data()
    before = state(model)

    def interrupt_after(products):
        def watch(done, largest, bar):
            if done == products:
                raise KeyboardInterrupt

        return watch

    found = room.measure(model, CE, (x, y), progress=interrupt_after(3), along=5)
    assert found.provenance["hvps"] == 3
    assert "Ctrl-C" in found.provenance["interrupted"]
    assert found.provenance["converged"] is False
    assert found.upper > found.L
    same(before, state(model))


def test_a_progress_line_is_silent_when_piped(capsys):
    model, (x, y) = network(), data()
    room.measure(model, CE, (x, y), progress=True, noise=0, weights=False)
    assert capsys.readouterr() == ("", "")


MEMORY = """
import torch
from torch import nn
import inertia.torch as room
torch.set_num_threads(1)
width = 1500
model = nn.Sequential(nn.Linear(width, width), nn.Tanh(), nn.Linear(width, width), nn.Tanh(), nn.Linear(width, 10))
x, y, loss = torch.randn(32, width), torch.randint(0, 10, (32,)), nn.CrossEntropyLoss()
room.measure(nn.Linear(3, 1), nn.MSELoss(), (torch.randn(9, 3), torch.ones(9, 1)))  # whatever loads on first use
optimizer = torch.optim.SGD(model.parameters(), lr=1e-3, momentum=0.9)
# ru_maxrss would start at the memory of the process that started this one
peak = lambda: 1024 * int(next(line for line in open('/proc/self/status') if line.startswith('VmHWM')).split()[1])
for _ in range(2):
    optimizer.zero_grad(); loss(model(x), y).backward(); optimizer.step()
before = peak()
for chunk in (None, 8):
    room.measure(model, loss, (x, y), weights=False, noise=0, depth=4, chunk=chunk, memory=0)
print((peak() - before) / (4 * sum(p.numel() for p in model.parameters())))
"""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads the peak memory as Linux tells it")
def test_the_ends_alone_need_at_most_six_vectors_more_than_training():
    # small blocks are given back at once, as the large ones of a large model are: then the peak counts vectors
    env = {"PYTHONPATH": str(Path(__file__).parents[2] / "src"), "MALLOC_MMAP_THRESHOLD_": "65536", "OMP_NUM_THREADS": "1", "PATH": ""}
    vectors = float(subprocess.check_output([sys.executable, "-c", MEMORY], text=True, env=env))
    assert 2 < vectors <= 6

"""A close look, asked for once: the sharpness of each layer alone, and how far the step moved each."""

import math

import pytest
import torch
from torch import nn

from inertia.errors import BadInput
from inertia.torch import Watch


def test_each_layer_alone_is_its_block_of_the_hessian():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1)).double()
    x, y = torch.randn(40, 3, dtype=torch.float64), torch.randn(40, 1, dtype=torch.float64)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
    watch = Watch(model, optimizer, nn.MSELoss(), probe=(x, y), every=1000, say=False)
    for step in range(4):
        if step == 3:
            watch.look_closely()
            before = [p.detach().clone() for p in model.parameters()]
        loss = nn.functional.mse_loss(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        watch.step(loss)
    watch.close()
    look = watch.looks[-1]
    after = [p.detach().clone() for p in model.parameters()]
    names = [name for name, _ in model.named_parameters()]

    def loss_at(*values):
        return nn.functional.mse_loss(torch.func.functional_call(model, dict(zip(names, values, strict=True)), (x,)), y)

    hessian = torch.autograd.functional.hessian(loss_at, tuple(before))
    for layer, places in {"0": (0, 1), "2": (2, 3)}.items():
        block = torch.cat([torch.cat([hessian[i][j].reshape(before[i].numel(), -1) for j in places], 1) for i in places], 0)
        largest = float(torch.linalg.eigvalsh(block).max())
        assert 0.99 * largest < look.layers[layer] < largest * (1 + 1e-9)  # nine products from a random start, from below
        moved = sum(float((after[i] - before[i]).square().sum()) for i in places) ** 0.5
        held = sum(float(before[i].square().sum()) for i in places) ** 0.5
        assert math.isclose(look.updates[layer], moved / held, rel_tol=1e-12)
    assert all(torch.equal(a, p.detach()) for a, p in zip(after, model.parameters(), strict=True))


def test_a_summed_loss_is_that_of_a_training_batch_whatever_the_size_of_the_probe():
    torch.manual_seed(0)
    x, y = torch.randn(40, 3), torch.randn(40, 1)
    exact = 8 * 2 * float(torch.linalg.eigvalsh(x.T @ x / 40)[-1])  # of the sum of squares over 8 of them

    def watched(probe, **settings):
        torch.manual_seed(1)
        model = nn.Linear(3, 1, bias=False)
        optimizer = torch.optim.SGD(model.parameters(), lr=1e-3)
        with Watch(model, optimizer, nn.MSELoss(reduction="sum"), probe=probe, every=1, say=False, **settings) as watch:
            loss = nn.functional.mse_loss(model(x[:8]), y[:8], reduction="sum")
            loss.backward()
            optimizer.step()
            watch.step(loss)
        return watch.looks[-1].sharpness

    assert math.isclose(watched((x, y), batch_size=8), exact, rel_tol=1e-3)
    loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(x[:8], y[:8]), batch_size=8)
    assert math.isclose(watched(loader), 2 * float(torch.linalg.eigvalsh(x[:8].T @ x[:8])[-1]), rel_tol=1e-3)
    with pytest.raises(BadInput, match="give batch_size="):
        watched((x, y))

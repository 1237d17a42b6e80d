"""A close look, asked for once: the sharpness of each layer alone, and how far the step moved each."""

import math

import torch
from torch import nn

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

"""With and without the watch a run is the same run, bit for bit."""

import random

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402

from inertia.torch import Watch  # noqa: E402


def network():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Dropout(0.3), nn.Flatten(), nn.Linear(4 * 36, 16), nn.ReLU(), nn.Dropout(0.1),
        nn.Linear(16, 4),
    )  # fmt: skip


OPTIMIZERS = {
    "sgd": lambda params: torch.optim.SGD(params, lr=0.05, momentum=0.9, nesterov=True, weight_decay=1e-3),
    "adamw": lambda params: torch.optim.AdamW(params, lr=0.003),
}


def trained(make, watched, steps=200, **settings):
    """Everything that 200 steps leave behind, random states included."""
    model = network()
    rng = np.random.default_rng(1)
    x, y = torch.tensor(rng.normal(size=(256, 1, 8, 8)), dtype=torch.float32), torch.tensor(rng.integers(0, 4, 256))
    loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(x, y), batch_size=16, shuffle=True)
    optimizer = make(model.parameters())
    torch.manual_seed(7)
    random.seed(7)
    np.random.seed(7)  # noqa: NPY002
    watch = Watch(model, optimizer, nn.CrossEntropyLoss(), probe=(x[:64], y[:64]), say=False, **settings) if watched else None
    losses, done = [], 0
    while done < steps:
        for inputs, targets in loader:
            loss = nn.functional.cross_entropy(model(inputs), targets)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
            if watch is not None:
                watch.step(loss)
            done += 1
            if done == steps:
                break
    grads = [p.grad.clone() for p in model.parameters()]
    state = [value.clone() for held in optimizer.state.values() for value in held.values() if torch.is_tensor(value)]
    hooks = [len(m._forward_hooks) + len(m._forward_pre_hooks) + len(m._backward_hooks) for m in model.modules()]
    modes = [m.training for m in model.modules()]
    left = [torch.get_rng_state(), random.getstate(), np.random.get_state()[1].tolist()]  # noqa: NPY002
    if watch is not None:
        watch.close()
        assert len(watch.looks) >= 5
        assert not optimizer._optimizer_step_pre_hooks
        assert not optimizer._optimizer_step_post_hooks
    return losses, list(model.state_dict().values()), grads, state, hooks, modes, left


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_two_hundred_steps_are_bit_identical(name):
    plain, seen = trained(OPTIMIZERS[name], False), trained(OPTIMIZERS[name], True, every=40)
    assert plain[0] == seen[0]
    for one, other in zip(plain[1:4], seen[1:4], strict=True):
        assert len(one) == len(other)
        assert all(torch.equal(a, b) for a, b in zip(one, other, strict=True))
    assert plain[4:6] == seen[4:6]
    assert torch.equal(plain[6][0], seen[6][0])
    assert plain[6][1:] == seen[6][1:]

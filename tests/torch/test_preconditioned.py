"""Measured under an optimizer: equal to dense eigenvalues in its metric; the step along its real update; nothing of the user's moves."""

import copy
import math

import numpy as np
import pytest
import torch
from torch import nn

import inertia
from inertia.errors import BadInput
from inertia.torch import measure

NETS = {
    "tanh": lambda: nn.Sequential(nn.Linear(3, 5), nn.Tanh(), nn.Linear(5, 2)),
    "norm": lambda: nn.Sequential(nn.Linear(3, 4), nn.LayerNorm(4), nn.GELU(), nn.Linear(4, 2)),
    "conv": lambda: nn.Sequential(nn.Unflatten(1, (1, 3)), nn.Conv1d(1, 3, 2), nn.Tanh(), nn.Flatten(), nn.Linear(6, 2)),
    "linear": lambda: nn.Linear(3, 2),
    "deep": lambda: nn.Sequential(nn.Linear(3, 3), nn.Sigmoid(), nn.Linear(3, 3), nn.Sigmoid(), nn.Linear(3, 2)),
}
KINDS = {
    "adam": lambda p: torch.optim.Adam(p, lr=0.01, betas=(0.8, 0.99)),
    "adamw": lambda p: torch.optim.AdamW(p, lr=0.01, weight_decay=0.1, eps=1e-5),
    "adam-l2": lambda p: torch.optim.Adam(p, lr=0.01, weight_decay=0.05),
    "amsgrad": lambda p: torch.optim.AdamW(p, lr=0.01, amsgrad=True),
    "nadam": lambda p: torch.optim.NAdam(p, lr=0.01),
    "radam": lambda p: torch.optim.RAdam(p, lr=0.01),
    "adamax": lambda p: torch.optim.Adamax(p, lr=0.01),
    "rmsprop": lambda p: torch.optim.RMSprop(p, lr=0.01, momentum=0.5),
    "adagrad": lambda p: torch.optim.Adagrad(p, lr=0.1, lr_decay=0.01),
    "sgd": lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9, nesterov=True),
    "ours": lambda p: inertia.torch.Momentum(p, lr=0.1, momentum=0.9),
    "fused": lambda p: torch.optim.AdamW(p, lr=0.01, fused=True),
    "tensor": lambda p: torch.optim.AdamW(p, lr=torch.tensor(0.01, dtype=torch.float64), foreach=False),
}


def data(rows=24):
    x = torch.linspace(-1, 1, 3 * rows, dtype=torch.float64).reshape(rows, 3).cos()
    return x, torch.stack([x[:, 0] * x[:, 1], x[:, 2].sin()], 1)


def trained(net="tanh", kind="adamw", steps=20):
    torch.manual_seed(1)
    model = NETS[net]().double()
    optimizer = KINDS[kind](model.parameters())
    x, y = data()
    for _ in range(steps):
        optimizer.zero_grad()
        (model(x) - y).square().mean().backward()
        optimizer.step()
    return model, optimizer


def dense(model):
    """Hessian and gradient of the mean loss, by autograd alone."""
    x, y = data()
    params = list(model.parameters())
    grads = torch.autograd.grad((model(x) - y).square().mean(), params, create_graph=True)
    flat = torch.cat([g.reshape(-1) for g in grads])
    rows = [torch.cat([r.reshape(-1) for r in torch.autograd.grad(one, params, retain_graph=True)]) for one in flat]
    return torch.stack(rows).numpy(), flat.detach().numpy()


def flat_state(optimizer, model, key):
    return torch.cat([optimizer.state[p][key].flatten() for p in model.parameters()]).numpy()


@pytest.mark.parametrize("net", NETS)
def test_equal_to_a_dense_eigenvalue_problem(net):
    model, optimizer = trained(net)
    found = measure(model, nn.MSELoss(), data(), optimizer=optimizer, rtol=1e-6, ends="both", noise=0)
    hessian, _ = dense(model)
    metric = np.sqrt(flat_state(optimizer, model, "exp_avg_sq") / (1 - 0.999**20)) + 1e-5
    truth = np.sort(np.linalg.eigvals(hessian / metric[:, None]).real)
    np.testing.assert_allclose(found.L, truth[-1], rtol=1e-5)
    assert found.mu == pytest.approx(truth[0], rel=1e-5, abs=1e-5 * truth[-1])
    assert truth[-1] <= found.upper * (1 + 1e-12)
    assert found.edge == pytest.approx((2 - 0.001) * 1.9 / 0.001)
    assert found.room == pytest.approx(found.edge / found.upper)


def test_coupled_decay_is_part_of_the_curvature():
    model, optimizer = trained(kind="adam-l2")
    found = measure(model, nn.MSELoss(), data(), optimizer=optimizer, rtol=1e-6, noise=0)
    metric = np.sqrt(flat_state(optimizer, model, "exp_avg_sq") / (1 - 0.999**20)) + 1e-8
    hessian = dense(model)[0] + 0.05 * np.eye(len(metric))
    np.testing.assert_allclose(found.L, np.linalg.eigvals(hessian / metric[:, None]).real.max(), rtol=1e-5)
    assert found.optimizer.coupled == 0.05
    assert found.optimizer.shrink == 0


@pytest.mark.parametrize("kind", KINDS)
def test_the_best_step_length_is_that_of_the_update_really_taken(kind):
    model, optimizer = trained(kind=kind)
    found = measure(model, nn.MSELoss(), data(), optimizer=optimizer, noise=0)
    rate = float(optimizer.param_groups[0]["lr"])
    hessian, gradient = dense(model)
    before = torch.cat([p.detach().flatten() for p in model.parameters()]).numpy()
    optimizer.zero_grad()
    x, y = data()
    (model(x) - y).square().mean().backward()
    optimizer.step()
    update = (before - torch.cat([p.detach().flatten() for p in model.parameters()]).numpy()) / rate
    slope, curvature = gradient @ update, update @ hessian @ update
    assert (found.step.slope, found.step.curvature) == (pytest.approx(slope, rel=1e-9), pytest.approx(curvature, rel=1e-9, abs=1e-12))
    best = 0.0 if slope <= 0 else slope / curvature if curvature > 0 else math.inf
    assert found.step.best == pytest.approx(best, rel=1e-8)
    assert found.optimizer.learning_rate == pytest.approx(rate)


def everything(model, optimizer):
    kept = [p.detach().clone() for p in model.parameters()] + [p.grad.clone() for p in model.parameters() if p.grad is not None]
    states = [v.clone() if torch.is_tensor(v) else v for p in model.parameters() for v in optimizer.state.get(p, {}).values()]
    return kept + states + [torch.get_rng_state()], [p.data_ptr() for p in model.parameters()], copy.deepcopy(optimizer.defaults)


@pytest.mark.parametrize("kind", ["adamw", "sgd", "ours", "fused"])
@pytest.mark.parametrize("steps", [0, 5])
def test_nothing_of_the_users_moves(kind, steps):
    model, optimizer = trained(kind=kind, steps=steps)
    scheduler = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.9)
    before = everything(model, optimizer)
    measure(model, nn.MSELoss(), data(), optimizer=optimizer, batch_size=8, walk=5)
    after = everything(model, optimizer)
    assert len(before[0]) == len(after[0])
    assert all(torch.equal(torch.as_tensor(a), torch.as_tensor(b)) for a, b in zip(before[0], after[0], strict=True))
    assert before[1:] == after[1:]
    assert scheduler.last_epoch == 0
    assert len(optimizer.state) == (len(list(model.parameters())) if steps or (kind == "ours" and optimizer.state) else 0)


def test_a_state_that_has_not_stepped_walks_on_a_copy():
    model, optimizer = trained(steps=0)
    found = measure(model, nn.MSELoss(), data(), optimizer=optimizer, rtol=1e-6, walk=20)  # full batches: the walk is the training
    after, stepped = trained(steps=20)
    truth = measure(after, nn.MSELoss(), data(), optimizer=stepped, rtol=1e-6)
    np.testing.assert_allclose(found.L, truth.L, rtol=1e-9)
    assert (found.optimizer.walked, found.optimizer.steps, truth.optimizer.walked) == (20, 20, 0)
    assert "measured after 20 steps on a copy" in str(found)


def test_several_groups_are_read_and_told():
    torch.manual_seed(0)
    model = NETS["tanh"]().double()
    groups = [
        {"params": [model[0].weight, model[2].weight], "weight_decay": 0.1},
        {"params": [model[0].bias, model[2].bias], "weight_decay": 0.0, "lr": 0.04},
    ]
    optimizer = torch.optim.AdamW(groups, lr=0.01)
    x, y = data()
    for _ in range(10):
        optimizer.zero_grad()
        (model(x) - y).square().mean().backward()
        optimizer.step()
    found = measure(model, nn.MSELoss(), (x, y), optimizer=optimizer, rtol=1e-6, noise=0)
    metric = np.sqrt(flat_state(optimizer, model, "exp_avg_sq") / (1 - 0.999**10)) + 1e-8
    rates = np.concatenate([np.full(p.numel(), 0.01 if p.ndim > 1 else 0.04) for p in model.parameters()])
    np.testing.assert_allclose(found.L, np.linalg.eigvals(dense(model)[0] * (rates / 0.01 / metric)[:, None]).real.max(), rtol=1e-5)
    assert [group["lr"] for group in found.optimizer.groups] == [0.01, 0.04]
    assert found.optimizer.shrink == pytest.approx(0.001)
    assert "group 1: lr 0.04" in str(found)
    assert found.to_json()["optimizer"]["groups"][0]["parameters"] == 25


def test_noise_and_the_mean_over_mini_batches():
    model, optimizer = trained()
    found = measure(model, nn.MSELoss(), data(), optimizer=optimizer, batch_size=6, noise=12, seed=3)
    assert found.step.updates == 12
    assert found.step.error > 0
    assert found.provenance["noise_trace"] > 0
    assert np.sum(found.noise) == pytest.approx(found.provenance["noise_trace"])
    again = measure(model, nn.MSELoss(), data(), optimizer=optimizer, batch_size=6, noise=12, seed=3)
    assert (again.step, again.L) == (found.step, found.L)


class Lion(torch.optim.Optimizer):
    """Chen et al. 2023, Program 1."""

    def __init__(self, params, lr=1e-3):
        super().__init__(params, {"lr": lr})

    @torch.no_grad()
    def step(self, closure=None):
        for group in self.param_groups:
            for p in (p for p in group["params"] if p.grad is not None):
                m = self.state[p].setdefault("exp_avg", torch.zeros_like(p))
                p.add_((0.9 * m + 0.1 * p.grad).sign(), alpha=-group["lr"])
                m.mul_(0.99).add_(p.grad, alpha=0.01)


class Adam8bit(torch.optim.Optimizer):
    """A state as bitsandbytes keeps it: indices into a table."""

    def __init__(self, params):
        super().__init__(params, {"lr": 1e-3})
        for p in self.param_groups[0]["params"]:
            self.state[p] = {"state1": torch.zeros(p.shape, dtype=torch.uint8)}

    def step(self, closure=None):
        return None


class Own(torch.optim.Optimizer):
    """Nobody's class."""

    def __init__(self, params):
        super().__init__(params, {"lr": 1e-3})

    @torch.no_grad()
    def step(self, closure=None):
        for p in self.param_groups[0]["params"]:
            p.add_(torch.tanh(p.grad) ** 3, alpha=-1e-3)


@pytest.mark.parametrize("name", ["lion", "muon"])
def test_methods_that_are_not_linear_get_the_step_alone(name):
    model = nn.Sequential(nn.Linear(3, 4, bias=False), nn.Tanh(), nn.Linear(4, 2, bias=False)).double()
    optimizer = Lion(model.parameters()) if name == "lion" else torch.optim.Muon(model.parameters(), lr=0.01)
    found = measure(model, nn.MSELoss(), data(), optimizer=optimizer, walk=3)
    assert found.step.best > 0
    assert found.optimizer.walked == 3
    assert ("by the sign" if name == "lion" else "whole tensors") in found.reason
    for ask in (lambda: found.L, lambda: found.edge, lambda: found.mu, lambda: found.room):
        with pytest.raises(BadInput, match=type(optimizer).__name__):
            ask()
    assert found.to_json()["edge"] is None
    assert found.reason in str(found)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (Adam8bit, "kept in uint8, which cannot be read"),
        (Own, "state of Own cannot be read as a metric"),
        (torch.optim.Adadelta, "state of Adadelta cannot be read as a metric"),
        (lambda p: "adam", "is no torch.optim.Optimizer"),
        (lambda p: torch.optim.AdamW(nn.Linear(2, 2).parameters()), "belongs to another model"),
        (lambda p: Lion(nn.Linear(2, 2).parameters()), "belongs to another model"),
        (lambda p: mutated(torch.optim.AdamW(p), betas=(0.9, 1.0)), r"beta2 of the AdamW is 1, outside \[0, 1\)"),
        (lambda p: mutated(torch.optim.AdamW(p), lr=0.0), "is 0 at this point"),
        (lambda p: mutated(torch.optim.AdamW(p), maximize=True), "maximizes"),
    ],
)
def test_what_cannot_be_read_is_refused_in_a_sentence(make, words):
    model, _ = trained(steps=0)
    with pytest.raises(BadInput, match=words) as refusal:
        measure(model, nn.MSELoss(), data(), optimizer=make(list(model.parameters())), walk=2)
    assert "\n" not in str(refusal.value)


def mutated(optimizer, **settings):
    optimizer.param_groups[0].update(settings)
    return optimizer


def test_the_facade_is_the_same_and_takes_no_budget():
    model, optimizer = trained()
    found = inertia.measure(model, nn.MSELoss(), data(), optimizer=optimizer, noise=0)
    assert found.L == measure(model, nn.MSELoss(), data(), optimizer=optimizer, noise=0).L
    with pytest.raises(BadInput, match="takes no steps"):
        inertia.measure(model, nn.MSELoss(), data(), optimizer=optimizer, steps=100)
    with pytest.raises(BadInput, match="is a task"):
        inertia.measure("valley", optimizer=optimizer)


def test_settings_that_exclude_each_other():
    model, optimizer = trained()
    with pytest.raises(BadInput, match="give one of the two"):
        measure(model, nn.MSELoss(), data(), optimizer=optimizer, along=4)
    with pytest.raises(BadInput, match="walk = 0 is too few"):
        measure(model, nn.MSELoss(), data(), optimizer=optimizer, walk=0)


def test_a_parameter_that_nothing_reaches_does_not_spoil_the_rest():
    model, optimizer = trained()
    model.register_parameter("idle", nn.Parameter(torch.ones(2, dtype=torch.float64)))
    optimizer.add_param_group({"params": [model.idle]})
    found = measure(model, nn.MSELoss(), data(), optimizer=optimizer, rtol=1e-6, noise=0)
    assert found.provenance["metric"]["untouched"] == 1
    bare, same = trained()
    np.testing.assert_allclose(found.L, measure(bare, nn.MSELoss(), data(), optimizer=same, rtol=1e-6, noise=0).L, rtol=1e-5)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_lower_precision_is_measured_in_single(dtype):
    torch.manual_seed(0)
    model = NETS["tanh"]().to(dtype)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
    x, y = (part.to(dtype) for part in data())
    for _ in range(5):
        optimizer.zero_grad()
        (model(x) - y).square().mean().backward()
        optimizer.step()
    found = measure(model, nn.MSELoss(), (x, y), optimizer=optimizer, noise=0)
    assert found.L > 0
    assert next(model.parameters()).dtype == dtype

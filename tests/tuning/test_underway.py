"""AdamW's metric after a short walk through a job's own source: that of torch's AdamW on the same gradients, for every door."""

import re

import numpy as np
import pytest
import torch
from torch import nn

import inertia
from inertia.errors import BadInput
from inertia.problems import valley
from inertia.torch.tuning import posed
from inertia.tuning.budget import Budget
from inertia.tuning.numpy_door import ProblemJob
from inertia.tuning.underway import setting_of, under_adamw


def full(steps, decay=0.0):
    return Budget(steps, 1, 1, np.ones(steps), weight_decay=decay)


@pytest.mark.parametrize(("betas", "eps", "decay"), [((0.9, 0.999), 1e-8, 0.0), ((0.5, 0.95), 1e-3, 0.3)])
def test_the_walk_is_torchs_adamw(betas, eps, decay):
    problem, job = valley(), ProblemJob(valley())
    found = under_adamw(job, full(40, decay), setting_of(0.05, optimizer="adamw", betas=betas, eps=eps))
    x = nn.Parameter(torch.tensor(job.start(0)))
    optimizer = torch.optim.AdamW([x], lr=0.05, betas=betas, eps=eps, weight_decay=decay)
    for _ in range(32):
        x.grad = torch.tensor(problem.gradient(x.detach().numpy()))
        optimizer.step()
    state, at = optimizer.state[x], x.detach().numpy().copy()
    metric = (state["exp_avg_sq"] / (1 - betas[1] ** 32)).sqrt().numpy() + eps
    hessian = np.stack([problem.hvp(at, row) for row in np.eye(2)])
    np.testing.assert_allclose(found.L, np.linalg.eigvals(hessian / metric[:, None]).real.max(), rtol=1e-9)
    gradient = problem.gradient(at)
    x.grad = torch.tensor(gradient)
    optimizer.step()
    update = (at - x.detach().numpy()) / 0.05
    assert found.step.slope == pytest.approx(gradient @ update, rel=1e-9)
    assert found.step.curvature == pytest.approx(update @ hessian @ update, rel=1e-9)
    assert found.edge == pytest.approx((2 - 0.05 * decay) * (1 + betas[0]) / ((1 - betas[0]) * 0.05))


def test_the_torch_door_walks_with_its_own_batches():
    x = torch.linspace(-1, 1, 64)[:, None]
    job, budget = posed(lambda seed: nn.Linear(1, 1), nn.MSELoss(), (x, 3 * x), steps=32, batch_size=16)
    found = under_adamw(job, budget, setting_of(0.01, optimizer="adamw"))
    assert found.step.updates == 8
    assert found.step.error > 0  # the batches differ
    assert found.room > 1


def test_check_says_how_far_from_the_edge_it_is():
    said = inertia.check(valley(), lr=3e-4, optimizer="adamw", steps=40)
    assert said.recipe.momentum == 0.9
    assert said.stable
    assert said.room == pytest.approx(said.under.edge / said.under.upper)
    assert re.search(r"The stability limit is [\d.e+]+ times AdamW's learning rate 0\.0003: ", str(said))
    assert "the best learning rate is" in str(said)
    assert said.to_json()["under"]["step"]["best"] > 0
    beyond = inertia.check(valley(), lr=1e200, optimizer="adamw", steps=40)
    assert not beyond.stable
    assert "did not stay finite" in str(beyond)
    other = inertia.check(valley(), lr=3e-4, optimizer="adamw", betas=(0.8, 0.9), eps=1e-4, steps=40)
    assert "comes from runs with beta2 0.999" in str(other)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ({"betas": (0.9, 1.0), "optimizer": "adamw"}, r"beta2 = 1 is outside \[0, 1\)"),
        ({"betas": (1.2, 0.9), "optimizer": "adamw"}, r"momentum 1.2 is outside \[0, 1\)"),
        ({"betas": (0.9, 0.99)}, "betas and eps are AdamW's"),
        ({"betas": (0.9, 0.99), "momentum": 0.5, "optimizer": "adamw"}, "both say beta1"),
        ({"betas": 0.9, "optimizer": "adamw"}, "give two numbers"),
        ({"eps": -1.0, "optimizer": "adamw"}, "eps = -1 is negative"),
    ],
)
def test_settings_that_no_run_can_use(words, said):
    with pytest.raises(BadInput, match=said):
        setting_of(0.1, **words)

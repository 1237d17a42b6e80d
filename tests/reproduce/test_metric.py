"""The diagonal metric: torch's Adam with its second moment held still takes the same steps, and a search finds no better diagonal."""

import numpy as np
import pytest

from inertia.reproduce.slides_metric import best_diagonal, condition, held_metric, turned, walked
from inertia.theory.adaptive import adam


@pytest.mark.parametrize("degrees", [0.0, 20.0, 45.0])
def test_torchs_adam_with_its_second_moment_held_still_takes_these_steps(degrees):
    torch = pytest.importorskip("torch")
    hessian, start = turned(degrees), np.array([1.0, -0.5])
    x = torch.nn.Parameter(torch.tensor(start))
    optimizer = torch.optim.Adam([x], lr=0.02, betas=(0.9, 1 - 2**-52), eps=0.0, foreach=False)
    metric = held_metric(hessian)
    late = {"step": 1e18, "exp_avg": np.zeros(2), "exp_avg_sq": metric**2}  # so late that the bias corrections are 1
    optimizer.state[x] = {name: torch.tensor(value, dtype=torch.float64) for name, value in late.items()}
    path = [start]
    for _ in range(60):
        x.grad = torch.tensor(hessian) @ x.detach()
        optimizer.step()
        path.append(x.detach().numpy().copy())
    np.testing.assert_allclose(path, walked(hessian, metric, adam(0.02, 0.9), start, 60), rtol=1e-6, atol=1e-9)


def test_the_held_second_moment_is_that_of_errors_alike_in_all_directions():
    errors = np.random.default_rng(0).standard_normal((200_000, 2))
    for degrees in (0.0, 30.0, 45.0):
        hessian = turned(degrees)
        assert np.allclose(np.sqrt(np.mean((errors @ hessian) ** 2, axis=0)), held_metric(hessian), rtol=0.01)


@pytest.mark.parametrize("degrees", [0.0, 10.0, 30.0, 45.0, 80.0])
def test_no_diagonal_on_a_fine_grid_is_better_conditioned(degrees):
    hessian = turned(degrees)
    ratios = np.geomspace(1e-4, 1e4, 20_001)
    found = condition(np.broadcast_to(hessian, (ratios.size, 2, 2)), np.stack([np.ones_like(ratios), ratios], axis=-1))
    ours = condition(hessian, best_diagonal(hessian))
    assert ours <= found.min() * (1 + 1e-9)
    assert found.min() == pytest.approx(ours, rel=1e-3)
    assert condition(hessian, held_metric(hessian)) >= ours * (1 - 1e-9)

"""The edge of stability: the network's derivatives against torch's and differences, and what the curves are said to show."""

import numpy as np
import pytest

from inertia.reproduce import Session, experiment
from inertia.reproduce.distill_edge import gradient, hessian, runs, start


def test_gradient_and_hessian_are_the_derivatives_of_the_loss():
    p = start()
    rng = np.random.default_rng(1)
    for _ in range(3):
        e = 1e-5 * rng.standard_normal(p.size)
        (up, g_up), (down, g_down) = gradient(p + e), gradient(p - e)
        assert up - down == pytest.approx(2 * gradient(p)[1] @ e, rel=1e-6)
        np.testing.assert_allclose(g_up - g_down, 2 * hessian(p) @ e, rtol=1e-5, atol=1e-12)


def test_sharpness_is_that_which_torch_finds_and_the_steps_are_torchs():
    torch = pytest.importorskip("torch")
    run = runs()["heavy ball, momentum 0.5"]
    x = torch.linspace(-1, 1, 30, dtype=torch.float64)
    y = torch.tensor(np.cos(5 * np.arccos(np.linspace(-1, 1, 30))))

    def loss(p):
        w, b, a = p.split(16)
        return 0.5 * torch.mean((torch.tanh(x[:, None] * w + b) @ a - y) ** 2)

    p = torch.tensor(start(), requires_grad=True)
    optimizer = torch.optim.SGD([p], lr=run.method.alpha, momentum=0.5)
    for k in range(101):
        if k % 50 == 0:
            matrix = torch.autograd.functional.hessian(loss, p.detach())
            assert torch.linalg.eigvalsh(matrix)[-1].item() == pytest.approx(run.sharpness[k // 10], rel=1e-6)
        optimizer.zero_grad()
        value = loss(p)
        value.backward()
        optimizer.step()
        assert value.item() == pytest.approx(run.loss[k], rel=1e-6)


@pytest.mark.parametrize(("name", "edge"), [("gradient descent", 2.0), ("heavy ball, momentum 0.5", 3.0), ("Nesterov, momentum 0.5", 1.5)])
def test_sharpness_rises_to_the_edge_and_hovers(name, edge):
    run = runs()[name]
    assert run.edge == pytest.approx(edge / run.method.alpha)
    assert run.sharpness[0] < 0.8 * run.edge
    assert 0 < run.reached < 1500
    assert run.late.mean() == pytest.approx(1, abs=0.05)
    # At the edge the motion is chaotic: how far its rarest swings go depends on the last bit of every sum, where most of them lie does not.
    low, high = np.quantile(run.late, [0.1, 0.9])
    assert 0.8 < low <= high < 1.2


def test_the_figure_draws_what_the_runs_hold():
    rows, views = experiment("edge-of-stability").run(Session()), experiment("edge-of-stability").views(Session())
    assert {row.verdict for row in rows} == {"matches"}
    curves = views[0].lines
    for run, shown, edge in zip(runs().values(), curves[::2], curves[1::2], strict=True):
        assert np.array_equal(shown.y, run.sharpness)
        assert set(edge.y) == {run.edge}
        assert edge.dashed

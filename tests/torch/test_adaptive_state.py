"""The metric read from an optimizer's state is the one it divides by: its next step, with the state held still, is that of the Method."""

import numpy as np
import pytest
import torch
from torch import nn

from inertia.errors import BadInput
from inertia.measurement.lanczos import krylov
from inertia.measurement.rescaled import Rescaled
from inertia.measurement.vectors import Vectors
from inertia.torch.adaptive import in_metric

MAKERS = {
    "adam": lambda p: torch.optim.Adam(p, lr=0.01),
    "adam-l2": lambda p: torch.optim.Adam(p, lr=0.01, weight_decay=0.1),
    "adamw": lambda p: torch.optim.AdamW(p, lr=0.01, weight_decay=0.1, eps=1e-4),
    "amsgrad": lambda p: torch.optim.AdamW(p, lr=0.01, amsgrad=True, weight_decay=0.0),
    "nadam": lambda p: torch.optim.NAdam(p, lr=0.01),
    "radam": lambda p: torch.optim.RAdam(p, lr=0.01, betas=(0.9, 0.95)),
    "rmsprop": lambda p: torch.optim.RMSprop(p, lr=0.01),
    "rmsprop-momentum": lambda p: torch.optim.RMSprop(p, lr=0.01, momentum=0.7, centered=True),
    "adagrad": lambda p: torch.optim.Adagrad(p, lr=0.01, lr_decay=0.1),
    "sgd": lambda p: torch.optim.SGD(p, lr=0.01, momentum=0.9, nesterov=True),
    "tensor-rate": lambda p: torch.optim.AdamW(p, lr=torch.tensor(0.01), foreach=False, weight_decay=0.0),
    "foreach": lambda p: torch.optim.AdamW(p, lr=0.01, foreach=True, weight_decay=0.0),
    "fused": lambda p: torch.optim.AdamW(p, lr=0.01, fused=True, weight_decay=0.0),
}


def trained(make, steps=200):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1)).double()
    optimizer = make(model.parameters())
    x = torch.randn(50, 3, dtype=torch.float64)
    y = x @ torch.tensor([[1.0], [-2.0], [0.5]], dtype=torch.float64)
    for _ in range(steps):
        optimizer.zero_grad()
        (model(x) - y).square().mean().backward()
        optimizer.step()
    return model, optimizer


@pytest.mark.parametrize("name", [n for n in MAKERS if n not in {"sgd", "nadam"}])
def test_the_next_step_from_a_cleared_first_moment_is_alpha_over_the_metric(name):
    """Second moments are held still by a tiny gradient... of which the step is linear: compare two of them."""
    if name == "fused" and not torch._C._dispatch_has_kernel_for_dispatch_key("aten::_fused_adamw_", "CPU"):
        pytest.skip("torch before 2.4 has no fused AdamW on the CPU")
    model, optimizer = trained(MAKERS[name])
    params = list(model.parameters())
    seen = in_metric(optimizer, params)
    size = 1e-7  # so small beside the root of the second moment that it does not move it
    moves = []
    state = {p: {k: v.clone() if torch.is_tensor(v) else v for k, v in optimizer.state[p].items()} for p in params}
    for sign in (1.0, -1.0):
        before = [p.detach().clone() for p in params]
        for p in params:
            for key, value in state[p].items():
                optimizer.state[p][key] = value.clone() if torch.is_tensor(value) else value
            for key in ("exp_avg", "momentum_buffer"):
                if key in optimizer.state[p]:
                    optimizer.state[p][key].zero_()
            p.grad = torch.full_like(p, sign * size)
        optimizer.step()
        moves.append(torch.cat([(p.detach() - b).flatten() for p, b in zip(params, before, strict=True)]))
        with torch.no_grad():
            for p, b in zip(params, before, strict=True):
                p.copy_(b)
    along = (moves[0] - moves[1]) / (2 * size)  # decay and all that does not depend on the gradient cancels
    expected = -float(seen.method.alpha * (1 + seen.method.gamma)) * seen.root**2
    tolerance = 0.08 if name == "radam" else 0.04  # the second moment and the corrections move by one step of 200
    torch.testing.assert_close(along, expected, rtol=tolerance, atol=0)


def test_settings_and_decay_are_read():
    _, optimizer = trained(MAKERS["adamw"])
    seen = in_metric(optimizer, [p for g in optimizer.param_groups for p in g["params"]])
    assert (seen.name, seen.learning_rate, seen.steps) == ("AdamW", 0.01, 200)
    assert seen.shrink == pytest.approx(0.001)
    assert seen.coupled == 0
    _, optimizer = trained(MAKERS["adam-l2"])
    seen = in_metric(optimizer, [p for g in optimizer.param_groups for p in g["params"]])
    assert (seen.shrink, seen.coupled) == (0.0, 0.1)


def test_groups_of_other_rates_share_one_metric():
    model, _ = trained(MAKERS["sgd"], 0)
    params = list(model.parameters())
    optimizer = torch.optim.SGD([{"params": params[:2], "lr": 0.1}, {"params": params[2:], "lr": 0.4}], momentum=0.9)
    seen = in_metric(optimizer, params)
    np.testing.assert_allclose(seen.metric.numpy(), np.repeat([1.0, 0.25], [16, 5]))
    assert len(seen.groups) == 2
    optimizer.param_groups[1]["momentum"] = 0.5
    with pytest.raises(BadInput, match="differ in momentum"):
        in_metric(optimizer, params)


class Numpy:
    """A quadratic as a source."""

    def __init__(self, matrix):
        self.matrix, self.dimension, self.sizes, self.notes, self.price = matrix, len(matrix), [1], {}, 2.0

    def position(self):
        return np.ones(self.dimension)

    def space(self, vectors):
        return Vectors(self.dimension)

    def gradient(self, parts=None):
        return 1.0, self.matrix @ np.ones(self.dimension)

    def hvp(self, vector, parts=None):
        return self.matrix @ vector

    def mini_batches(self, rng, batch_size):
        yield self.gradient()[1], 1

    def cost(self):
        return {"hvps": 0.0, "gradients": 0.0}


def test_a_rescaled_source_has_the_eigenvalues_of_the_preconditioned_hessian():
    rng = np.random.default_rng(0)
    a = rng.standard_normal((8, 8))
    matrix, metric = a @ a.T, rng.uniform(0.1, 5, 8)
    source = Rescaled(Numpy(matrix), metric**-0.5)
    run = krylov(source.hvp, source.space(True), rtol=1e-10, depth=8)
    truth = np.sort(np.linalg.eigvals(matrix / metric[:, None]).real)
    assert run.largest == pytest.approx(truth[-1], rel=1e-9)
    np.testing.assert_allclose(source.gradient()[1], metric**-0.5 * (matrix @ np.ones(8)))
    np.testing.assert_allclose(source.position(), metric**0.5)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda m, o: (torch.optim.Adam(m.parameters()), list(m.parameters())), "has not stepped this model yet"),
        (lambda m, o: (o, list(nn.Linear(2, 2).parameters())), "belongs to another model"),
        (lambda m, o: (torch.optim.Adadelta(m.parameters()), list(m.parameters())), "cannot be read as a metric"),
        (lambda m, o: ("adam", list(m.parameters())), "is no torch.optim.Optimizer"),
    ],
)
def test_what_cannot_be_read_is_refused(change, words):
    model, optimizer = trained(MAKERS["adamw"])
    with pytest.raises(BadInput, match=words):
        in_metric(*change(model, optimizer))


def test_a_rate_of_zero_is_refused():
    model, optimizer = trained(MAKERS["adamw"])
    optimizer.param_groups[0]["lr"] = 0.0
    with pytest.raises(BadInput, match="is 0 at this point"):
        in_metric(optimizer, list(model.parameters()))

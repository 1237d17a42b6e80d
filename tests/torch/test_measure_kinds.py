"""Kinds of models and losses that measuring must get right, or refuse in a sentence."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

import inertia.torch as room
from inertia.core.method import Method
from inertia.errors import BadInput

torch.set_num_threads(1)
ENDS = {"noise": 0, "weights": False}
X, Y = torch.randn(32, 6, generator=torch.Generator().manual_seed(0)), torch.randn(32, 1, generator=torch.Generator().manual_seed(1))


class Changed(nn.Module):
    """A linear layer whose output a function changes."""

    def __init__(self, change, dtype=None):
        super().__init__()
        torch.manual_seed(2)
        self.layer, self.change = nn.Linear(6, 1, dtype=dtype), change

    def forward(self, x):
        return self.change(self, self.layer(x))


def frozen(change, **words):
    return " ".join(room.measure(Changed(change), nn.MSELoss(), (X, Y), depth=3, **ENDS, **words).provenance["frozen"])


@pytest.mark.parametrize(
    ("change", "name"),
    [
        (lambda _, z: F.dropout(z, 0.5), "functional dropout"),
        (lambda _, z: F.dropout1d(z[:, None], 0.5)[:, 0], "functional dropout"),
        (lambda _, z: F.alpha_dropout(z, 0.3, training=True), "functional dropout"),
        (lambda _, z: z + 0.1 * torch.randn_like(z), "torch.randn_like"),
        (lambda _, z: F.scaled_dot_product_attention(*3 * [z[None, None]], dropout_p=0.3)[0, 0], "functional dropout"),
    ],
)
def test_random_functions_outside_modules_are_named(change, name):
    assert f"draws random numbers outside dropout modules ({name}): one fixed draw per batch" in frozen(change, mode="eval")


@pytest.mark.parametrize(
    "change",
    [
        lambda _, z: z,
        lambda _, z: F.dropout(z, 0.0),
        lambda self, z: F.dropout(z, 0.5, self.training),
        lambda _, z: F.scaled_dot_product_attention(*3 * [z[None, None]])[0, 0],
    ],
)
def test_nothing_is_said_where_nothing_is_drawn(change):
    assert "random" not in frozen(change, mode="eval")


def test_complex_parameters_are_refused_by_name():
    with pytest.raises(BadInput, match=r"parameter 'layer\.weight' is complex64: .* torch\.view_as_real"):
        room.measure(Changed(lambda _, z: z.abs(), torch.complex64), nn.MSELoss(), (X.to(torch.complex64), Y))


@pytest.mark.parametrize(("loss", "upper"), [(nn.L1Loss(), "at most 0 "), (lambda out, y: -((out - y) ** 2).mean(), "at most -")])
def test_without_positive_curvature_there_is_no_gentle_method(loss, upper):
    model = nn.Linear(6, 1)
    with pytest.raises(BadInput, match=f"the largest curvature at the start is {upper}.*along_method"):
        room.measure(model, loss, (X, Y), along=4)
    found = room.measure(model, loss, (X, Y), along=4, along_method=Method(0.01))
    assert found.upper <= 0
    assert len(found.provenance["along"]["largest"]) == 3


def test_copies_of_a_curvature_are_counted():
    x, y = X.double(), Y.double().repeat(1, 3)
    model = nn.Linear(6, 3, bias=False).double()
    truth = np.repeat(np.linalg.eigvalsh(2 / 96 * (x.T @ x).numpy()), 3)[::-1]
    found = room.eigenvectors(model, nn.MSELoss(), (x, y), k=5, rtol=1e-5)
    np.testing.assert_allclose(found.values, truth[:5], rtol=1e-5)
    rows = torch.stack([v["weight"].ravel() for v in found.vectors])
    torch.testing.assert_close(rows @ rows.T, torch.eye(5, dtype=torch.float64), atol=1e-8, rtol=0)
    spectrum = room.measure(model, nn.MSELoss(), (x, y), top=5, noise=0, weights=False)
    np.testing.assert_allclose(spectrum.curvatures[::-1][:5], truth[:5], rtol=0.01)
    assert spectrum.provenance["counted"] == 5


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("k", [2, 3, 4, 7, 12])
def test_a_linear_model_of_three_outputs_has_each_curvature_three_times(k, bias):
    """Its Hessian is kron(I, 2 Z'Z / (3 N)), Z with a column of ones for the bias: the largest counted as often as it is there."""
    x = np.random.default_rng(0).standard_normal((50, 6))
    z = np.column_stack([x, np.ones(50)]) if bias else x
    truth = np.repeat(np.linalg.eigvalsh(2 / 150 * z.T @ z)[::-1], 3)[:k]
    x, y = torch.tensor(x), torch.zeros(50, 3, dtype=torch.float64)
    found = room.eigenvectors(nn.Linear(6, 3, bias=bias).double(), nn.MSELoss(), (x, y), k=k, rtol=1e-4)
    np.testing.assert_allclose(found.values, truth, rtol=1e-4)
    assert np.all(np.abs(found.values - truth) <= np.asarray(found.errors) + 1e-12)


def test_mixed_precisions_are_no_asymmetry():
    torch.manual_seed(3)
    model = nn.Sequential(nn.Linear(6, 40).double(), nn.Tanh(), nn.Linear(40, 1))
    mixed = lambda m, b: F.mse_loss(m[2](m[1](m[0](b[0].double())).float()), b[1])  # noqa: E731
    found = room.measure(model, None, (X, Y), forward=mixed, rtol=1e-3)
    assert found.provenance["converged"]
    same = room.measure(model.double(), nn.MSELoss(), (X.double(), Y.double()), rtol=1e-3, **ENDS)
    assert abs(found.L / same.L - 1) < 1e-5
    inside = lambda m, b: F.mse_loss(m[2](m[0](b[0]).tanh().float().double()), b[1])  # noqa: E731  (as RMSNorm in a float64 model)
    upcast = room.measure(model, None, (X.double(), Y.double()), forward=inside, rtol=1e-3)
    assert abs(upcast.L / same.L - 1) < 1e-5


def test_a_graph_is_kept_also_where_attention_had_to_be_replaced():
    class Attention(nn.Module):
        def __init__(self):
            super().__init__()
            torch.manual_seed(4)
            self.project, self.read = nn.Linear(6, 24), nn.Linear(8, 1)

        def forward(self, x):
            q, k, v = self.project(x).view(len(x), 1, 1, 24).expand(-1, 1, 5, -1).split(8, -1)
            return self.read(F.scaled_dot_product_attention(q, k, v).mean((1, 2)))

    found = room.measure(Attention(), nn.MSELoss(), (X, Y), **ENDS)
    assert found.provenance["products"] == "exact, 1 of 1 batches' gradient graphs kept"

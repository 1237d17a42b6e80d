"""Kinds of models and losses that measuring must get right, or refuse in a sentence."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

import inertia
import inertia.torch as room
from inertia.core.method import Method
from inertia.errors import BadInput, InertiaWarning
from inertia.torch.wrappers import cut, joined

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


def normed(kind):
    torch.manual_seed(3)
    model = nn.Sequential(nn.Linear(6, 4), nn.Tanh(), nn.Linear(4, 1)).double()
    kind(model[0])
    return model


@pytest.mark.parametrize("kind", [nn.utils.parametrizations.weight_norm, nn.utils.weight_norm])
@pytest.mark.filterwarnings("ignore:.*weight_norm.*:FutureWarning")
def test_weight_norm_is_measured_by_differences_where_its_second_derivative_is_wrong(kind):
    """Against the dense Hessian of the same loss with the weight g v/|v| written out, to the bar asked for."""
    model, x, y = normed(kind), X.double(), Y.double()
    words = dict(model.named_parameters())
    names = list(words)

    def written(flat):
        at = dict(
            zip(
                names,
                (part.view_as(words[n]) for n, part in zip(names, flat.split([p.numel() for p in words.values()]), strict=True)),
                strict=True,
            )
        )
        g, v = (next(at[n] for n in names if n.endswith(ends)) for ends in (("original0", "weight_g"), ("original1", "weight_v")))
        hidden = torch.tanh(x @ (g * v / v.norm(dim=1, keepdim=True)).T + at["0.bias"])
        return F.mse_loss(hidden @ at["2.weight"].T + at["2.bias"], y)

    whole = torch.autograd.functional.hessian(written, torch.cat([p.detach().flatten() for p in words.values()]))
    with pytest.warns(InertiaWarning, match="torch's weight norm: wrong second derivative"):
        found = room.measure(model, nn.MSELoss(), (x, y), rtol=1e-3, **ENDS)
    largest = float(torch.linalg.eigvalsh(whole)[-1])
    assert abs(found.L - largest) < 1e-3 * largest


def test_what_a_forward_pass_leaves_on_the_model_does_not_keep_it_from_being_copied():
    """A loss beside the output, in an attribute, a list and an object: measured and tuned as the same loss written as one is."""

    class Kept:
        pass

    class Beside(nn.Module):
        def __init__(self):
            super().__init__()
            torch.manual_seed(4)
            self.inside, self.out, self.held = nn.Linear(6, 4), nn.Linear(4, 1), Kept()

        def forward(self, x):
            hidden = torch.tanh(self.inside(x))
            self.beside, self.held.all = hidden.square().mean(), [hidden]
            return self.out(hidden)

    def both(m, batch):
        return F.mse_loss(m(batch[0]), batch[1]) + 0.1 * m.beside

    def one(m, batch):
        hidden = torch.tanh(m.inside(batch[0]))
        return F.mse_loss(m.out(hidden), batch[1]) + 0.1 * hidden.square().mean()

    budget = {"steps": 16, "batch_size": 8, "runs": 1}
    used = Beside()
    used(X)  # as after a step of the user's own
    losses = [inertia.tune(model, None, (X, Y), forward=f, **budget).verified_loss for model, f in ((used, both), (Beside(), one))]
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)
    assert used.beside.requires_grad  # the user's model is as it was


class Two(nn.Module):
    """Two inputs, and more than one output."""

    def __init__(self, made=lambda out, hidden: out):
        super().__init__()
        torch.manual_seed(5)
        self.left, self.right, self.made = nn.Linear(3, 2), nn.Linear(3, 1), made

    def forward(self, a, b):
        return self.made(self.left(a).sum(1, keepdim=True).tanh() + self.right(b), a)


def penalised(model, batch):
    """A gradient penalty: the loss differentiates the model by itself."""
    at = batch[0].clone().requires_grad_(True)
    out = model(at)
    (slope,) = torch.autograd.grad(out.sum(), at, create_graph=True)
    return F.mse_loss(out, batch[1]) + 0.1 * (slope.norm(dim=1) - 1).square().mean()


def test_a_loss_that_differentiates_by_itself():
    """The curvature is that of the dense Hessian, and a run begins and ends where a loop of our own does."""
    torch.manual_seed(6)
    model = nn.Sequential(nn.Linear(6, 3), nn.Tanh(), nn.Linear(3, 1)).double()
    x, y = X.double(), Y.double()
    sizes, names = [p.numel() for p in model.parameters()], [n for n, _ in model.named_parameters()]

    def flat(vector):
        at = {n: v.view_as(p) for n, v, p in zip(names, vector.split(sizes), model.parameters(), strict=True)}
        return penalised(lambda z: torch.func.functional_call(model, at, (z,)), (x, y))

    whole = torch.autograd.functional.hessian(flat, torch.cat([p.detach().flatten() for p in model.parameters()]))
    largest = float(torch.linalg.eigvalsh(whole)[-1])
    found = room.measure(model, None, (x, y), forward=penalised, rtol=1e-3, **ENDS)
    assert abs(found.L - largest) < 1e-3 * largest
    budget = {"steps": 16, "runs": 1, "validation": (x[:9], y[:9]), "schedule": "constant", "momentum": 0.0}
    tuned = inertia.tune(model, None, (x, y), forward=penalised, **budget)
    optimizer, _ = tuned.torch(model.parameters())
    assert tuned.runs[0].training[0] == pytest.approx(penalised(model, (x, y)).item())
    for _ in range(16):
        optimizer.zero_grad()
        penalised(model, (x, y)).backward()
        optimizer.step()
    assert tuned.runs[0].training[-1] == pytest.approx(penalised(model, (x, y)).item(), rel=1e-9)
    assert tuned.runs[0].validation[-1] == pytest.approx(penalised(model, (x[:9], y[:9])).item(), rel=1e-9)


@pytest.mark.parametrize("pack", [tuple, list, lambda pair: dict(zip("ab", pair, strict=True))])
def test_inputs_in_a_tuple_list_or_dict_of_their_own(pack):
    """Tensors, and a loader that collates them, measure and train as the same inputs side by side do."""
    a, b = X[:, :3], X[:, 3:]
    rows = [(pack((a[i], b[i])), Y[i]) for i in range(len(Y))]
    words = {"steps": 16, "runs": 1}

    def forward(model, batch):
        inputs = batch[0]
        return model(**inputs) if isinstance(inputs, dict) else model(*inputs)

    plain = inertia.tune(Two(), nn.MSELoss(), (a, b, Y), batch_size=8, **words)
    nested = inertia.tune(Two(), nn.MSELoss(), (pack((a, b)), Y), forward=forward, batch_size=8, **words)
    loader = torch.utils.data.DataLoader(rows, batch_size=8, shuffle=True)
    loaded = inertia.tune(Two(), nn.MSELoss(), loader, forward=forward, **words)
    for found in (nested, loaded):
        assert found.verified_loss == pytest.approx(plain.verified_loss, rel=1e-5)
    with pytest.raises(BadInput, match=r"takes them one by one: pass forward=lambda model, batch: model\(\*"):
        inertia.tune(Two(), nn.MSELoss(), (pack((a, b)), Y), batch_size=8, **words)
    with pytest.raises(BadInput, match=r"the tensors hold \[32, 31, 32\] examples"):
        inertia.tune(Two(), nn.MSELoss(), (pack((a, b[:31])), Y), forward=forward, batch_size=8, **words)


@pytest.mark.parametrize(
    ("made", "part"),
    [
        (lambda out, hidden: (out, hidden), r"a tuple.*output\[0\]"),
        (lambda out, hidden: {"pred": out, "hidden": hidden}, r"a dict.*output\['pred'\]"),
    ],
)
def test_a_model_of_several_outputs_with_a_loss_of_one(made, part):
    """The sentence names what came and a change that works."""
    data, words = (X[:, :3], X[:, 3:], Y), {"steps": 16, "runs": 1}
    with pytest.raises(BadInput, match=part) as told:
        inertia.tune(Two(made), nn.MSELoss(), data, **words)
    loss_fn = eval(str(told.value).partition("loss_fn=")[2], {"nn": nn})  # what it says, as it stands
    assert inertia.tune(Two(made), loss_fn, data, **words).verified_loss == inertia.tune(Two(), nn.MSELoss(), data, **words).verified_loss


@pytest.mark.parametrize("kinds", [(torch.float32, torch.float32), (torch.float32, torch.float64)])
def test_flat_vectors_and_their_pieces_are_the_same_numbers(kinds):
    """Cut and joined again, whatever the precision of the parameters and however a piece lies in memory."""
    params = [torch.zeros(3, 2, dtype=kinds[0]), torch.zeros((), dtype=kinds[1]), torch.zeros(2, 2, dtype=kinds[0])]
    vector = torch.arange(11, dtype=torch.float64)
    pieces = cut(vector, params)
    assert [(piece.shape, piece.dtype) for piece in pieces] == [(p.shape, p.dtype) for p in params]
    turned = [pieces[0].T.contiguous().T, pieces[1], None]
    made = joined(turned, params, vector)
    assert made.tolist() == [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 0.0, 0.0, 0.0, 0.0]
    made += 1
    assert vector.tolist() == list(range(11))  # a fresh vector


def test_a_gradient_whose_sum_overflows_is_finite_all_the_same():
    model = nn.Linear(4, 1, bias=False)
    nn.init.constant_(model.weight, 0.25)
    data = torch.ones(3, 4), torch.zeros(3, 1)
    found = room.measure(model, lambda output, target: (output - target).square().mean() * 5e37, data, **ENDS)
    assert found.provenance["gradient_norm"] == pytest.approx(2e38, rel=1e-6)  # four entries of 1e38: their sum is beyond float32
    assert found.upper == pytest.approx(4e38, rel=1e-6)  # 2 * 5e37 x x'

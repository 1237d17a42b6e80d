"""The traps that curvature tools fall into on ordinary PyTorch code, one test each."""

import os
import re
import warnings
from contextlib import nullcontext

import numpy as np
import pytest
import torch
from torch import nn
from torch.autograd.function import once_differentiable
from torch.utils.data import DataLoader, Dataset, IterableDataset, TensorDataset

import inertia.torch as room
from inertia.errors import BadInput, InertiaWarning

torch.set_num_threads(1)
CE = nn.CrossEntropyLoss()
ENDS = {"noise": 0, "weights": False}


def data(n=48):
    x = torch.randn(n, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    return x, (x[:, 0] > 0).long() + (x[:, 1] > 0.3).long()


def network(*extra):
    torch.manual_seed(1)
    return nn.Sequential(nn.Linear(4, 6), *extra, nn.Tanh(), nn.Linear(6, 3)).double()


def dense(model, loss):
    """Hessian of loss(), one row at a time."""
    params = list(model.parameters())
    flat = torch.cat(
        [g.reshape(-1) for g in torch.autograd.grad(loss(), params, create_graph=True, materialize_grads=True, allow_unused=True)]
    )
    rows = [
        torch.cat([f.reshape(-1) for f in torch.autograd.grad(entry, params, retain_graph=True, materialize_grads=True, allow_unused=True)])
        for entry in flat
        if entry.requires_grad
    ]
    return torch.stack(rows).detach().numpy()


def test_batch_norm_in_train_and_in_eval_mode_running_statistics_untouched():
    model, (x, y) = network(nn.BatchNorm1d(6)), data()
    with torch.no_grad():
        model[1].running_var.fill_(20.0)  # early in training they are far from the batch's
    before = {name: value.clone() for name, value in model.state_dict().items()}
    found = {mode: room.measure(model, CE, (x, y), mode=mode, rtol=1e-6, **ENDS) for mode in ("train", "eval")}
    for name, value in model.state_dict().items():
        assert torch.equal(value, before[name])
    assert model.training
    for mode in ("train", "eval"):
        model.load_state_dict(before)
        model.train(mode == "train")
        truth = np.linalg.eigvalsh(dense(model, lambda: CE(model(x), y)))[-1]
        assert pytest.approx(truth, rel=1e-6) == found[mode].L
        assert found[mode].provenance["mode"] == mode
        assert f"1 batch norms in {mode} mode" in found[mode].provenance["frozen"][0]
    assert found["train"].L > 3 * found["eval"].L  # which was measured matters


def test_batch_norm_sees_batches_of_the_size_asked_for_not_of_the_memory():
    model, (x, y) = network(nn.BatchNorm1d(6)), data()
    found = room.measure(model, CE, (x, y), batch_size=12, memory=0, rtol=1e-6, **ENDS)
    truth = dense(model, lambda: sum(CE(model(x[i : i + 12]), y[i : i + 12]) for i in range(0, 48, 12)) / 4)
    assert pytest.approx(np.linalg.eigvalsh(truth)[-1], rel=1e-6) == found.L


class Saddle(nn.Module):
    """Loss 1/2 sum h w^2 of one vector of parameters."""

    def __init__(self, h):
        super().__init__()
        self.h = h
        self.w = nn.Parameter(torch.ones_like(h))

    def forward(self, x):
        return 0.5 * torch.sum(self.h * self.w**2) + 0 * x.sum()


def quadratic(h, **settings):
    return room.measure(Saddle(torch.as_tensor(h)), lambda value, _: value, torch.zeros(2, 1), **{**ENDS, **settings})


def test_a_saddle_with_extremes_of_equal_size():
    h = np.concatenate([[-2.0, 2.0], np.random.default_rng(0).normal(0, 0.3, 400).clip(-1.5, 1.5)])
    missed = 0
    for seed in range(10):
        found = quadratic(h, ends="both", seed=seed)
        assert (found.mu, found.L) == pytest.approx((-2, 2), rel=0.01)
        missed += not found.provenance["smallest_lower"] <= -2 <= 2 <= found.upper
    assert missed <= 1  # of 20 bars, each of which may miss with probability 0.005: two with probability 0.005


def test_a_second_eigenvalue_two_per_cent_below_the_first():
    h = np.concatenate([[0.3802, 0.3711, 0.33, 0.3, -0.3011, -0.29], 0.25 * np.random.default_rng(1).uniform(-1, 1, 3000) ** 9])
    missed = 0
    for seed in range(30):
        found = quadratic(h, seed=seed)
        assert found.L <= 0.3802 * (1 + 1e-9)
        missed += not (found.L >= 0.99 * 0.3802 and found.upper * (1 + 1e-9) >= 0.3802)
        assert found.upper <= 1.01 * found.L
    assert missed <= 2  # of 30 bars, each of which may miss with probability 0.005: three with probability 0.0005


def test_the_smallest_eigenvalue_to_one_per_cent_where_the_bulk_is_near():
    h = np.concatenate([[8.95, 6.5, 3.0, -0.01064], 0.008 * np.random.default_rng(2).uniform(-1, 1, 2000)])
    found = quadratic(h, ends="both", depth=200)
    assert found.mu == pytest.approx(-0.01064, rel=0.01)
    assert found.provenance["smallest_lower"] <= -0.01064
    assert found.provenance["hvps"] <= 60


def test_dropout_in_train_mode_is_one_fixed_mask_and_said():
    model, (x, y) = network(nn.Dropout(0.5)), data()
    one, two = (room.measure(model, CE, (x, y), seed=3, rtol=1e-4, **ENDS) for _ in range(2))
    assert one.L == two.L
    assert one.provenance["frozen"] == ["1 dropouts in train mode: one fixed mask per batch"]
    other, calm = (
        room.measure(model, CE, (x, y), seed=4, rtol=1e-4, **ENDS),
        room.measure(model, CE, (x, y), mode="eval", rtol=1e-4, **ENDS),
    )
    assert pytest.approx(one.L, rel=0.01) != other.L
    assert calm.provenance["frozen"] == []


def test_a_trainable_parameter_that_the_loss_does_not_use():
    model, (x, y) = network(), data()
    truth = room.measure(model, CE, (x, y), rtol=1e-6, **ENDS)
    model.unused = nn.Linear(5, 7).double()
    found = room.measure(model, None, (x, y), forward=lambda m, b: CE(m[2](m[1](m[0](b[0]))), b[1]), rtol=1e-6, **ENDS)
    assert found.dimension == truth.dimension + 42
    assert pytest.approx(truth.L, rel=1e-6) == found.L
    frozen = network()
    frozen[0].requires_grad_(False)
    assert room.measure(frozen, CE, (x, y), **ENDS).dimension == 21


class Rolling(nn.Module):
    """Noise that no seed of ours reaches."""

    def forward(self, x):
        return x * (1 + int.from_bytes(os.urandom(2), "big") / 2**16)


class Jittered(Dataset):
    def __len__(self):
        return 6

    def __getitem__(self, i):
        return torch.randn(4, dtype=torch.float64, generator=torch.Generator().manual_seed(int.from_bytes(os.urandom(4), "big"))), i % 3


class Augmented(Dataset):
    """Random augmentation from the global generators: made the same at each reading."""

    def __len__(self):
        return 20

    def __getitem__(self, i):
        return torch.randn(4, dtype=torch.float64) + np.random.normal() + i, i % 3  # noqa: NPY002


class Stream(IterableDataset):
    def __iter__(self):
        yield from ((torch.ones(4).double() * i, i % 3) for i in range(10))


def test_a_loss_that_is_not_deterministic_is_refused_and_what_makes_it_so_is_named():
    x, y = data()
    with pytest.raises(
        BadInput, match=r"not deterministic: .*module '1' \(Rolling\) gives different outputs for the same input: use mode='eval'"
    ):
        room.measure(network(Rolling()), CE, (x, y))
    with pytest.raises(BadInput, match="the data differ at each reading"):
        room.measure(network(), CE, DataLoader(Jittered(), batch_size=6))
    with pytest.raises(BadInput, match="something outside its modules is random"):
        room.measure(network(), lambda out, t: CE(out, t) * (1 + int.from_bytes(os.urandom(2), "big")), (x, y))


class ByGraph(nn.Module):
    """Other kernels with a graph than without one: a difference far above rounding, and none between two looks of a kind."""

    def forward(self, x):
        return x * (1.01 if torch.is_grad_enabled() else 1.0)


@pytest.mark.parametrize("layer", [nn.Identity, ByGraph])
def test_the_loss_of_the_first_gradient_is_the_second_look_at_whether_it_is_one_function(layer):
    """One look without a graph, and one more only where the gradient's loss is another number."""
    x, y = data()
    seen = []

    def loss(model, batch):
        if len(batch[0]) == len(x):
            seen.append(torch.is_grad_enabled())
        return CE(model(batch[0]), batch[1])

    room.measure(network(layer()), None, (x, y), forward=loss, **ENDS)
    assert seen == ([False, True] if layer is nn.Identity else [False, True, False])


class Always(nn.Module):
    """What `ByGraph` is with a graph."""

    def forward(self, x):
        return x * 1.01


def test_a_look_in_the_midst_of_a_reading_changes_nothing_of_what_is_read():
    found = [
        room.measure(network(layer()), CE, DataLoader(Augmented(), batch_size=7, shuffle=True), rtol=1e-4, **ENDS)
        for layer in (ByGraph, Always)
    ]
    assert found[0].provenance["loss"] == found[1].provenance["loss"]
    assert found[0].L == found[1].L


def test_augmentation_from_the_global_generators_is_made_the_same_at_each_reading():
    loader = DataLoader(Augmented(), batch_size=7, shuffle=True)
    found = room.measure(network(), CE, loader, memory=0, rtol=1e-4, **ENDS)
    assert found.provenance["asymmetry"] < 1e-10
    assert found.provenance["examples"] == 20
    assert room.measure(network(), CE, DataLoader(Stream(), batch_size=4), **ENDS).provenance["examples"] == 10


def test_non_finite_values_name_their_batch():
    x, y = data()
    x[37] = float("nan")
    with pytest.raises(BadInput, match=r"the loss of batch 3 \(examples 36 to 47\) is nan"):
        room.measure(network(), CE, (x, y), chunk=12)
    with pytest.raises(BadInput, match="the loss of batch 2 is nan"):
        room.measure(network(), CE, DataLoader(TensorDataset(x, y), batch_size=16))
    root = nn.Linear(4, 1, bias=False).double()
    bad = torch.ones(6, 4).double()
    bad[5] = 0  # sqrt has no derivative there
    with pytest.raises(BadInput, match=r"the gradient of batch 2 \(examples 4 to 5\) is not finite"):
        room.measure(root, lambda out, _: out.abs().sqrt().mean(), (bad, bad), chunk=2)
    with pytest.raises(BadInput, match=r"the second derivative of batch 2 .* is not finite"):
        room.measure(root, lambda out, _: (out.abs() ** 1.5).mean(), (bad, bad), chunk=2)


class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.q, self.k, self.out = nn.Linear(4, 16), nn.Linear(4, 16), nn.Linear(16, 3)

    def forward(self, x):
        q, k = (layer(x).view(len(x), 2, 2, 8).transpose(1, 2) for layer in (self.q, self.k))
        return self.out(nn.functional.scaled_dot_product_attention(q, k, k).transpose(1, 2).reshape(len(x), 2, 16).mean(1))


class Once(torch.autograd.Function):
    """tanh, differentiable once only, as hand-written kernels are."""

    @staticmethod
    def forward(ctx, x):
        y = torch.tanh(x)
        ctx.save_for_backward(y)
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx, grad):
        (y,) = ctx.saved_tensors
        return grad * (1 - y * y)


class Silent(Once):
    """The same, but forgetting its second derivative without a word."""

    @staticmethod
    def backward(ctx, grad):
        (y,) = ctx.saved_tensors
        return (grad.detach() * (1 - y.detach() ** 2)).detach()


def activation(function):
    return type("Activation", (nn.Module,), {"forward": lambda self, x: function.apply(x)})()


@pytest.mark.parametrize("memory", [None, 0])
def test_flash_attention_is_replaced_by_its_plain_form(memory):
    model = Attention()
    x, y = torch.randn(12, 2, 4, generator=torch.Generator().manual_seed(0)), torch.arange(12) % 3
    with torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.MATH):
        truth = np.linalg.eigvalsh(dense(model, lambda: CE(model(x), y)))[-1]
    found = room.measure(model, CE, (x, y), rtol=1e-3, memory=memory, chunk=None if memory is None else 5, **ENDS)
    assert pytest.approx(truth, rel=1e-3) == found.L
    assert found.provenance["products"].startswith("exact")


@pytest.mark.parametrize(
    ("function", "dtype", "memory"), [(Once, torch.float64, None), (Silent, torch.float32, None), (Silent, torch.float64, 0)]
)
def test_where_no_second_derivative_exists_differences_of_gradients_step_in_and_say_so(function, dtype, memory):
    model, (x, y) = network().to(dtype), data()
    x = x.to(dtype)
    truth = room.measure(model, CE, (x, y), rtol=1e-4, **ENDS)
    model[1] = activation(function)
    with pytest.warns(InertiaWarning, match="no second derivative here .*differences of gradients"):
        found = room.measure(model, CE, (x, y), rtol=1e-2, chunk=20, **ENDS)
    assert pytest.approx(truth.L, rel=1e-3) == found.L
    assert found.upper >= truth.L * (1 - 1e-4)
    assert found.provenance["products"].startswith("differences of gradients")
    asked = room.measure(model, CE, (x, y), products="differences", rtol=1e-2, **ENDS)
    assert pytest.approx(truth.L, rel=1e-3) == asked.L


def test_of_a_compiled_model_the_module_within_is_measured():
    model, (x, y) = network(), data()
    truth = room.measure(model, CE, (x, y), rtol=1e-4, **ENDS)
    compiled = torch.compile(model, backend="aot_eager")
    assert room.measure(compiled, CE, (x, y), rtol=1e-4, **ENDS).L == truth.L
    assert room.tune(compiled, CE, (x, y), steps=16, batch_size=12, runs=1).best is not None
    one, other = (room.check(m, CE, (x, y), lr=0.1, momentum=0.9, steps=16, batch_size=12) for m in (model, compiled))
    assert str(one) == str(other)


@pytest.mark.slow
def test_a_compiled_function_is_measured_by_differences():
    model, (x, y) = network(), data()
    truth = room.measure(model, CE, (x, y), rtol=1e-4, **ENDS)
    compiled = torch.compile(model, backend="aot_eager")
    with pytest.warns(InertiaWarning, match="no second derivative here"):
        found = room.measure(model, CE, (x, y), forward=lambda _, batch: compiled(batch[0]), **ENDS)
    assert pytest.approx(truth.L, rel=1e-3) == found.L


class Checkpointed(nn.Module):
    """Keeps only what its layers are given, and computes the rest again on the way back."""

    def __init__(self, model, reentrant):
        super().__init__()
        self.model, self.reentrant = model, reentrant

    def forward(self, x):
        from torch.utils.checkpoint import checkpoint

        return checkpoint(self.model, x.requires_grad_(), use_reentrant=self.reentrant)


@pytest.mark.parametrize(("reentrant", "memory"), [(False, 0), (True, None)])
def test_gradient_checkpointing_of_both_kinds(reentrant, memory):
    model, (x, y) = network(), data()
    truth = room.measure(model, CE, (x, y), rtol=1e-4, **ENDS)
    model[0].weight.grad = torch.ones_like(model[0].weight)
    before = model[0].weight.grad
    with pytest.warns(InertiaWarning, match="measured by differences") if reentrant else nullcontext():
        found = room.measure(Checkpointed(model, reentrant), CE, (x, y), memory=memory, chunk=20, **ENDS)
    assert pytest.approx(truth.L, rel=1e-3) == found.L
    assert model[0].weight.grad is before
    assert torch.equal(before, torch.ones_like(before))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", InertiaWarning)
        assert room.tune(Checkpointed(model, reentrant), CE, (x, y), steps=16, batch_size=12, runs=1).best is not None
        told = room.check(Checkpointed(model, reentrant), CE, (x, y), lr=0.1, momentum=0.9, steps=16, batch_size=len(x))
    assert told.measurement.start.largest == pytest.approx(truth.L, rel=0.02)


def test_graphs_are_kept_as_memory_allows_and_the_answer_is_the_same():
    model, (x, y) = network(), data()
    kept, none = (
        room.measure(model, CE, FORM, memory=memory, rtol=1e-6, **ENDS)
        for FORM, memory in (((x, y), None), ([(x[:40], y[:40]), (x[40:], y[40:])], 0))
    )
    assert pytest.approx(none.L, rel=1e-9) == kept.L
    assert kept.provenance["products"] == "exact, 1 of 1 batches' gradient graphs kept"
    assert none.provenance["products"] == "exact, 0 of 2 batches' gradient graphs kept"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"mode": "test"}, "mode = 'test' is not one of"),
        ({"products": "fast"}, "products = 'fast' is not one of"),
        ({"examples": 99}, "examples = 99 is more than the 48"),
        ({"batch_size": 99}, "batch_size = 99 is more than the 48 examples"),
        ({"chunk": 0}, "chunk = 0 is too few"),
        ({"along": 0}, "along = 0: give a number of steps"),
        ({"data": (torch.ones(3, 4), torch.ones(2))}, r"the tensors hold \[3, 2\] examples"),
        ({"data": [torch.ones(3, 4), torch.ones(3)]}, "a list of tensors may be two tensors or several batches"),
        ({"data": []}, "the data hold no batches"),
        ({"data": (torch.ones(0, 4), torch.ones(0))}, "the data hold no examples"),
        ({"data": 3}, "data of type int cannot be read"),
        (
            {"data": ["a", "b"], "model": nn.Linear(4, 1), "loss_fn": None, "forward": lambda m, b: m(torch.ones(4)).sum()},
            "a batch of type str",
        ),
        ({"loss_fn": None}, "CrossEntropy|loss_fn is None|positional"),
        ({"loss_fn": lambda out, y: 1.0}, "the loss is a float: it must be a torch tensor"),
        ({"loss_fn": lambda out, y: out.detach().sum()}, "does not depend on any trainable parameter"),
        ({"model": nn.Tanh()}, "no trainable parameter"),
    ],
)
def test_bad_input_is_refused_with_the_smallest_change(change, message):
    settings = {"model": network(), "loss_fn": CE, "data": data(), **change}
    if change == {"loss_fn": None}:
        settings["data"] = data()[0]
        settings["model"] = type(
            "Odd",
            (nn.Module,),
            {
                "__init__": lambda s: (nn.Module.__init__(s), setattr(s, "a", nn.Linear(4, 1).double()))[0],
                "forward": lambda s, x: {"y": s.a(x)},
            },
        )()
        message = "loss_fn is None and the model returned a dict without a loss"
    model, loss, given = (settings.pop(name) for name in ("model", "loss_fn", "data"))
    with pytest.raises(BadInput, match=message):
        room.measure(model, loss, given, **settings)


class Codebook(nn.Module):
    """A frozen parameter that every forward pass in training mode moves, as VQ-VAE's codes do, and a large one that none does."""

    def __init__(self):
        super().__init__()
        self.into, self.out = nn.Linear(4, 3), nn.Linear(3, 4)
        self.codes = nn.Parameter(torch.randn(5, 3), requires_grad=False)
        self.fixed = nn.Parameter(torch.randn(40, 40), requires_grad=False)

    def forward(self, x):
        inner = self.into(x)
        nearest = torch.cdist(inner.detach(), self.codes).argmin(1)
        chosen = self.codes[nearest].clone()
        if self.training:
            with torch.no_grad():
                self.codes.index_add_(0, nearest, 0.1 * (inner.detach() - chosen))
        return self.out(inner + (chosen - inner).detach()) + self.fixed.mean()


def test_frozen_parameters_that_a_forward_pass_moves_are_put_back_before_each_pass_and_at_the_end():
    torch.manual_seed(0)
    model, x = Codebook().double(), torch.randn(30, 4, dtype=torch.float64)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    found = room.measure(model, nn.MSELoss(), (x, x), noise=0, rtol=1e-6)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    with torch.no_grad():  # straight through: the output is linear in the last layer, and the first one sees the identity
        inner = model.into(x)
        chosen = model.codes[torch.cdist(inner, model.codes).argmin(1)]

    def loss(*values):
        weights = dict(zip(("into.weight", "into.bias", "out.weight", "out.bias"), values, strict=True))
        inner = x @ weights["into.weight"].T + weights["into.bias"]
        code = inner + (chosen - inner).detach()
        return nn.functional.mse_loss(code @ weights["out.weight"].T + weights["out.bias"] + model.fixed.mean(), x)

    start = [p.detach() for p in model.parameters() if p.requires_grad]
    blocks = torch.autograd.functional.hessian(loss, tuple(start))
    whole = torch.cat([torch.cat([b.reshape(p.numel(), -1) for b in row], 1) for p, row in zip(start, blocks, strict=True)])
    assert pytest.approx(float(torch.linalg.eigvalsh(whole)[-1]), rel=1e-5) == found.L
    tuned = room.tune(model, nn.MSELoss(), (x, x), steps=24, batch_size=10, runs=1)
    assert tuned.trained
    assert torch.equal(model.codes, before["codes"])


def test_parts_of_a_batch_that_the_models_forward_does_not_take_are_told():
    x, y = data()
    with pytest.raises(BadInput, match=r"a batch has 3 parts: the model's forward gets all but the last.*pass loss_fn=None and forward="):
        room.measure(network(), CE, (x, y, y))
    with pytest.raises(BadInput, match="a batch has 3 parts"):
        room.tune(network(), CE, DataLoader(TensorDataset(x, y, y), batch_size=8, shuffle=True), steps=20)

    class Faulty(nn.Linear):
        def forward(self, x):
            return super().forward(x) + len(1)

    with pytest.raises(TypeError, match="has no len"):  # the model's own fault keeps its own words
        room.measure(Faulty(4, 3).double(), CE, (x, y))


@pytest.mark.parametrize("verb", [room.measure, lambda *job: room.tune(*job, steps=20, batch_size=8)])
@pytest.mark.parametrize(
    ("inputs", "targets", "note"),
    [
        (lambda x: x.float(), lambda y: y, r"float32 of shape \(\d+, 4\), int64 of shape \(\d+,\); the parameters are float64"),
        (lambda x: x, lambda y: y + 1, r"float64 of shape \(\d+, 4\), int64"),
        (lambda x: x, lambda y: y[:, None], r"int64 of shape \(\d+, 1\)"),
    ],
)
def test_what_a_model_or_loss_raises_at_first_says_what_they_were_given(verb, inputs, targets, note):
    x, y = data()
    with pytest.raises((RuntimeError, IndexError)) as raised:
        verb(network(), CE, (inputs(x), targets(y)))
    (told,) = raised.value.__notes__
    assert "your model or loss raised this on a batch of" in told
    assert re.search(note, told)


def test_hooks_on_gradients_that_no_copy_has_are_told():
    model, (x, y) = network(), data()
    with warnings.catch_warnings():
        warnings.simplefilter("error", InertiaWarning)
        room.tune(model, CE, (x, y), steps=20, batch_size=8, runs=0)
    model[2].weight.register_hook(lambda grad: grad.clamp(-0.01, 0.01))
    with pytest.warns(InertiaWarning, match="the parameter '2.weight' has a hook on its gradient"):
        room.tune(model, CE, (x, y), steps=20, batch_size=8, runs=0)


class Centred(nn.Module):
    """A loss that subtracts a running mean of the outputs, which every call moves."""

    def __init__(self):
        super().__init__()
        self.register_buffer("mean", torch.zeros(3, dtype=torch.float64))

    def forward(self, outputs, targets):
        self.mean.mul_(0.9).add_(0.1 * outputs.detach().mean(0))
        return nn.functional.cross_entropy(outputs - self.mean, targets)


def test_a_loss_with_buffers_is_one_function_and_stays_as_it_was():
    model, loss, (x, y) = network(), Centred(), data()
    found = room.measure(model, loss, (x, y), rtol=1e-6, **ENDS)
    shift = 0.1 * model(x).detach().mean(0)  # what the first call subtracts
    truth = np.linalg.eigvalsh(dense(model, lambda: nn.functional.cross_entropy(model(x) - shift, y)))[-1]
    assert pytest.approx(truth, rel=1e-5) == found.L
    one, two = (room.tune(model, loss, (x, y), steps=20, batch_size=8, runs=1) for _ in range(2))
    assert one.verified_loss == two.verified_loss
    assert not loss.mean.any()


def test_parameters_of_the_loss_that_are_not_the_models_are_told():
    class Scaled(nn.Module):
        def __init__(self):
            super().__init__()
            self.scale = nn.Parameter(torch.ones((), dtype=torch.float64))

        def forward(self, outputs, targets):
            return nn.functional.cross_entropy(self.scale * outputs, targets)

    model, loss, (x, y) = network(), Scaled(), data()
    for ask in (room.measure, lambda *job: room.tune(*job, steps=20, batch_size=8, runs=0)):
        with pytest.warns(InertiaWarning, match="the loss has parameters of its own, such as 'scale', which are not in the model"):
            ask(model, loss, (x, y))
    model.inside = loss  # a loss that shares its parameters with the model has none of its own
    with warnings.catch_warnings():
        warnings.simplefilter("error", InertiaWarning)
        room.tune(model, loss, (x, y), steps=20, batch_size=8, runs=0, forward=lambda m, b: m[2](m[1](m[0](b[0]))))


class _Doubled(torch.autograd.Function):
    """A function that is not torch's own, whose node says what it gave as the others do."""

    @staticmethod
    def forward(ctx, x):
        return 2 * x

    @staticmethod
    def backward(ctx, grad):
        return 2 * grad


@pytest.mark.parametrize("place", ["forward=", "loss", "model", "checkpoint", "own function", "nowhere"])
def test_a_product_rounds_as_autocast_does_wherever_it_was_entered(place):
    """Products of seven bits are asymmetric by more than float32 explains: it was refused where no trainer had asked for autocast."""
    torch.manual_seed(0)
    inner = nn.Sequential(nn.Linear(8, 32), nn.Tanh(), nn.Linear(32, 32), nn.Tanh(), nn.Linear(32, 1))
    x = torch.randn(64, 8)
    y = torch.sin(x.sum(1, keepdim=True))

    def lowered(x):
        with torch.autocast("cpu", dtype=torch.bfloat16):
            found = inner(x)
            return (_Doubled.apply(found) / 2 if place == "own function" else found).float()

    class Outer(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = inner

        def forward(self, x):
            if place == "checkpoint":
                return torch.utils.checkpoint.checkpoint(lowered, x, use_reentrant=False)
            return lowered(x) if place in {"model", "own function"} else self.inner(x)

    words = {}
    if place == "forward=":
        words = {"forward": lambda model, batch: nn.functional.mse_loss(lowered(batch[0]), batch[1])}
    loss = nn.MSELoss()
    if place == "loss":
        loss = lambda out, target: nn.functional.mse_loss((lowered(x) if len(target) == 64 else out).float(), target)  # noqa: E731
        words = {"chunk": 64, "batch_size": 64}
    model = Outer()
    found = room.measure(model, None if place == "forward=" else loss, (x, y), noise=0, rtol=0.001, **words)
    exact = room.measure(inner, nn.MSELoss(), (x, y), noise=0, rtol=0.001)
    assert pytest.approx(exact.L, rel=2.0**-5) == found.L  # a few roundings of 2**-8 each, layer upon layer
    assert (found.L == exact.L) == (place == "nowhere")

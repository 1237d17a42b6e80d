"""Momentum put where torch.optim.SGD stood: its words, its sparse and half-precision gradients, learning rate 0, mixed tensors."""

import random
import warnings

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from inertia.core.method import Method  # noqa: E402
from inertia.errors import BadInput  # noqa: E402
from inertia.torch import Momentum  # noqa: E402

MODES = {"foreach": {}, "loop": {"foreach": False}, "fused": {"fused": True}, "flat": {"flat": True}}
mode_of = pytest.mark.parametrize("mode", MODES.values(), ids=MODES)
SHAPES = [(4, 3), (7,), (), (48,)]


def start(dtype=torch.float64, shapes=SHAPES):
    generator = torch.Generator().manual_seed(0)
    return [torch.nn.Parameter(torch.randn(shape, generator=generator, dtype=torch.float64).to(dtype)) for shape in shapes]


def give(params, step, scale=1.0):
    """The same pseudo-random gradients for both sides."""
    generator = torch.Generator().manual_seed(step)
    for p in params:
        p.grad = (scale * torch.randn(p.shape, generator=generator, dtype=torch.float64)).to(p.dtype)


def both(make_ours, make_theirs, steps=6, dtype=torch.float64, between=lambda optimizer, step: None, shapes=SHAPES):
    sides = []
    for make in (make_ours, make_theirs):
        params = start(dtype, shapes)
        optimizer = make(params)
        for step in range(steps):
            between(optimizer, step)
            give(params, step)
            optimizer.step()
        sides.append([p.detach() for p in params])
    return sides


def same(ours, theirs, tolerance=1e-12):
    for a, b in zip(ours, theirs, strict=True):
        torch.testing.assert_close(a, b, rtol=tolerance, atol=tolerance)


WORDS = [
    {"lr": 0.1},
    {"lr": 0.1, "momentum": 0.9},
    {"lr": 0.1, "momentum": 0.9, "nesterov": True, "weight_decay": 0.1},
    {"lr": torch.tensor(0.1, dtype=torch.float64), "momentum": 0.9, "dampening": 0, "maximize": True},
]


@mode_of
@pytest.mark.parametrize("words", WORDS, ids=range(4))
def test_the_words_of_torch_sgd_are_understood(words, mode):
    same(*both(lambda p: Momentum(p, **words, **mode), lambda p: torch.optim.SGD(p, **words)))


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda p: Momentum(p), "give a Method.*or the words of torch.optim.SGD: lr=0.1, momentum=0.9"),
        (lambda p: Momentum(p, 0.1), r"0.1 is not a Method: write Momentum\(params, Method\(0.1, beta=0.9\)\), or lr=0.1, momentum=0.9"),
        (lambda p: Momentum(p, 0.1, 0.9), r"by name, Momentum\(params, lr=0.1, momentum=0.9\)"),
        (lambda p: Momentum(p, 1e-2, 0.9, 0, 5e-4, True), r"lr=0.01, momentum=0.9, dampening=0, weight_decay=0.0005, nesterov=True\)"),
        (lambda p: Momentum(p, lr=0.1, nesterov=True), "without momentum is plain gradient descent: add momentum=0.9"),
        (lambda p: Momentum(p, lr="0.1"), "alpha = '0.1' is not a number"),
        (lambda p: Momentum(p, lr=0.1, momentum="0.9"), "beta = '0.9' is not a number"),
        (lambda p: Momentum(p, Method(0.1), momentum=0.9), "a Method and momentum are both given"),
        (lambda p: Momentum(p, lr=0.1, momentum=0.9, dampening=0.5), "dampening = 0.5 .*multiply lr by 0.5"),
        (lambda p: Momentum([{"params": p, "dampening": 0.5}], lr=0.1, momentum=0.9), "dampening = 0.5"),
        (lambda p: Momentum([{"params": p, "weight_decay": -1}], lr=0.1), "weight_decay = -1 is negative"),
        (lambda p: Momentum([{"params": p, "weight_decay": float("nan")}], lr=0.1), "weight_decay = nan"),
        (lambda p: Momentum([{"params": p, "lr": -1}], lr=0.1), "alpha = -1 is not positive"),
        (lambda p: Momentum(p, lr=torch.ones(2)), "lr is a tensor of 2 numbers"),
        (lambda p: Momentum(p, lr=0.1, flat=True, differentiable=True), "cannot be differentiated"),
    ],
)
def test_what_cannot_be_is_refused_and_says_what_to_write(call, said):
    with pytest.raises(BadInput, match=said):
        call(start())


@mode_of
@pytest.mark.parametrize("nesterov", [False, True])
def test_a_learning_rate_that_starts_and_ends_at_zero(mode, nesterov):
    def between(optimizer, step):
        optimizer.param_groups[0]["lr"] = [0.0, 0.1, 0.2, 0.1, 0.0, 0.0][step]

    words = {"lr": 0.0, "momentum": 0.9, "nesterov": nesterov}
    same(*both(lambda p: Momentum(p, **words, **mode), lambda p: torch.optim.SGD(p, **words), between=between))
    assert Momentum(start(), Method(0.0, beta=0.9)).methods[0].alpha == 0


@pytest.mark.parametrize("group", [{"nesterov": False}, {"nesterov": True}, {"momentum": 0.5}, {"momentum": 0.0}], ids=str)
@pytest.mark.parametrize("nesterov", [False, True])
def test_groups_speak_as_sgd_s_groups(group, nesterov):
    words = {"lr": 0.1, "momentum": 0.9, "nesterov": nesterov}
    same(*both(lambda p: Momentum([{"params": p, **group}], **words), lambda p: torch.optim.SGD([{"params": p, **group}], **words)))


def embedding(**mode):
    torch.manual_seed(0)
    table = torch.nn.Embedding(6, 3, sparse=mode.pop("sparse", True)).double()
    return table, mode


@mode_of
@pytest.mark.parametrize("momentum", [0.0, 0.9])
@pytest.mark.parametrize("extra", [{}, {"maximize": True}], ids=str)
def test_sparse_gradients_are_taken_as_torch_sgd_takes_them(mode, momentum, extra):
    tables = []
    for make in (
        lambda p: Momentum(p, lr=0.1, momentum=momentum, **mode, **extra),
        lambda p: torch.optim.SGD(p, lr=0.1, momentum=momentum, **extra),
    ):
        torch.manual_seed(0)
        table = torch.nn.Embedding(6, 3, sparse=True).double()
        optimizer = make(table.parameters())
        for rows in ([0, 1, 1], [2, 0], [5]):
            optimizer.zero_grad()
            (table(torch.tensor(rows)) ** 2).sum().backward()
            optimizer.step()
        tables.append(table.weight.detach())
    same(*[[table] for table in tables])
    if momentum == 0:
        assert torch.equal(tables[0][4], tables[1][4])


@mode_of
@pytest.mark.parametrize("words", [{"nesterov": True}, {"weight_decay": 0.1}, {}], ids=str)
def test_sparse_gradients_move_as_the_dense_ones_do(mode, words):
    """torch's SGD refuses Nesterov and decay on sparse gradients; the dense gradient says what they mean."""
    tables = []
    for sparse in (True, False):
        torch.manual_seed(0)
        table = torch.nn.Embedding(6, 3, sparse=sparse).double()
        optimizer = Momentum(table.parameters(), lr=0.1, momentum=0.9, **words, **mode)
        for rows in ([0, 1, 1], [2, 0], [5]):
            optimizer.zero_grad()
            (table(torch.tensor(rows)) ** 2).sum().backward()
            optimizer.step()
        tables.append([table.weight.detach()])
    same(*tables)


def units(a, b):
    """The distance in units of the last place, for half precision."""
    ordered = [torch.where(bits < 0, -(bits & 0x7FFF), bits) for bits in (x.view(torch.int16).int() for x in (a, b))]
    return (ordered[0] - ordered[1]).abs().max().item() if a.numel() else 0


@mode_of
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize(
    "words",
    [{"momentum": 0.9}, {"momentum": 0.9, "nesterov": True}, {"momentum": 0.9, "nesterov": True, "weight_decay": 0.01}, {}],
    ids=str,
)
def test_half_precision_is_within_one_unit_of_torch_sgd(mode, dtype, words):
    """Step by step from SGD's own state, so that a difference of one unit does not grow into others."""
    twins = start(dtype)
    theirs = torch.optim.SGD(twins, lr=1e-2, **words)
    for step in range(12):
        params = [torch.nn.Parameter(p.detach().clone()) for p in twins]
        ours = Momentum(params, lr=1e-2, **words, **mode)
        for p, q in zip(params, twins, strict=True):
            held = theirs.state[q].get("momentum_buffer") if q in theirs.state else None
            if held is not None:
                ours.state[p]["momentum_buffer"] = held.clone()
        give(params, step)
        give(twins, step)
        ours.step()
        theirs.step()
        assert max(units(p.detach(), q.detach()) for p, q in zip(params, twins, strict=True)) <= 1


@mode_of
def test_small_nesterov_steps_in_bfloat16_move_as_torch_sgd_does(mode):
    ends = []
    for make in (
        lambda p: Momentum(p, lr=1e-3, momentum=0.9, nesterov=True, **mode),
        lambda p: torch.optim.SGD(p, lr=1e-3, momentum=0.9, nesterov=True),
    ):
        p = torch.nn.Parameter(torch.ones(3, dtype=torch.bfloat16))
        optimizer = make([p])
        for _ in range(50):
            p.grad = p.detach().clone()
            optimizer.step()
        ends.append(p[0].item())
    assert ends[0] == ends[1] < 0.9


@mode_of
@pytest.mark.parametrize("gamma", [0.4, -0.2, 2.0])
def test_any_gamma_rounds_half_precision_parameters_once(mode, gamma):
    p = torch.nn.Parameter(torch.full((64,), 1.0, dtype=torch.bfloat16))
    optimizer = Momentum([p], Method(2.0**-9, 0.5, gamma), velocity_dtype=torch.float32, **mode)
    optimizer.state[p]["momentum_buffer"] = torch.full((64,), 0.75)
    p.grad = torch.full((64,), 0.25, dtype=torch.bfloat16)
    optimizer.step()
    exact = 1 - 2.0**-9 * ((1 + gamma) * (0.375 + 0.25) - gamma * 0.75)
    assert torch.equal(p.detach(), torch.full((64,), exact, dtype=torch.float64).to(torch.bfloat16))


def digits_end(make, seed):
    """Mean loss at the end of a small network in bfloat16 on noisy batches."""
    torch.manual_seed(seed)
    net = torch.nn.Sequential(torch.nn.Linear(8, 24), torch.nn.Tanh(), torch.nn.Linear(24, 3)).bfloat16()
    x = torch.randn(256, 8)
    y = (x[:, :3] + 0.3 * x[:, 3:6]).argmax(1)
    optimizer = make(net.parameters())
    for _ in range(60):
        rows = torch.randint(0, 256, (32,))
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(net(x[rows].bfloat16()).float(), y[rows]).backward()
        optimizer.step()
    return torch.nn.functional.cross_entropy(net(x.bfloat16()).float(), y).item()


@pytest.mark.parametrize("mode", [{}, {"flat": True}], ids=["foreach", "flat"])
def test_a_bfloat16_network_ends_within_the_scatter_of_seeds(mode):
    ours = np.array([digits_end(lambda p: Momentum(p, lr=0.02, momentum=0.9, nesterov=True, **mode), seed) for seed in range(6)])
    theirs = np.array([digits_end(lambda p: torch.optim.SGD(p, lr=0.02, momentum=0.9, nesterov=True), seed) for seed in range(6)])
    assert abs(ours.mean() - theirs.mean()) < theirs.std()
    assert theirs.mean() < 0.9


@pytest.mark.parametrize("fused", [True, False])
def test_fused_falls_back_where_torch_s_kernel_cannot(fused):
    params = [
        torch.nn.Parameter(torch.randn(4, 3, dtype=torch.float64).t()), torch.nn.Parameter(torch.randn(3, dtype=torch.complex128)),
        torch.nn.Parameter(torch.randn(5, dtype=torch.bfloat16)), torch.nn.Parameter(torch.randn(0)), torch.nn.Parameter(torch.randn(6)),
    ]  # fmt: skip
    twins = [torch.nn.Parameter(p.detach().clone()) for p in params]
    ours, theirs = Momentum(params, lr=0.1, momentum=0.9, fused=fused), torch.optim.SGD(twins, lr=0.1, momentum=0.9)
    for step in range(4):
        give([p for p in params if not p.is_complex()], step)
        give([p for p in twins if not p.is_complex()], step)
        params[1].grad = twins[1].grad = params[1].detach() + step
        ours.step()
        theirs.step()
    same([p.detach() for p in params], [p.detach() for p in twins], 1e-6)
    optimizer = Momentum([torch.nn.Parameter(torch.ones(2))], lr=0.1, fused=True)
    optimizer.step()  # nothing has a gradient


@pytest.mark.parametrize("method", [Method(0.1, 0.5), Method(0.1, 0.5, 0.5), Method(0.1, 0.5, 0.2)], ids=str)
def test_differentiable_steps_give_the_derivative_that_finite_differences_give(method):
    def after(scale):
        p = torch.tensor([1.0, -2.0], dtype=torch.float64, requires_grad=True).clone()
        optimizer = Momentum([p], method, differentiable=True, weight_decay=0.1)
        for _ in range(3):
            p.grad = scale * p.clone() ** 2
            optimizer.step()
        return (p**2).sum()

    scale = torch.tensor(0.7, dtype=torch.float64, requires_grad=True)
    (slope,) = torch.autograd.grad(after(scale), scale)
    ends = [after(torch.tensor(0.7 + step, dtype=torch.float64)).item() for step in (-1e-6, 1e-6)]
    assert slope.item() == pytest.approx((ends[1] - ends[0]) / 2e-6, rel=1e-6)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("mode", [{}, {"flat": True}, {"foreach": False}], ids=["foreach", "flat", "loop"])
@pytest.mark.parametrize("words", [{"nesterov": True}, {"weight_decay": 0.1, "decoupled": True}], ids=str)
def test_a_new_tensor_learning_rate_does_not_compile_again(mode, words):
    import torch._dynamo.testing

    torch._dynamo.reset()
    counter = torch._dynamo.testing.CompileCounterWithBackend("eager")
    rates = [0.1, 0.05, 0.2, 0.01]
    compiled, plain = start(shapes=[(3,), (2, 2)]), start(shapes=[(3,), (2, 2)])
    a = Momentum(compiled, lr=torch.tensor(0.1, dtype=torch.float64), momentum=0.9, **words, **mode)
    b = Momentum(plain, lr=0.1, momentum=0.9, **words)
    step = torch.compile(a.step, backend=counter)
    frames = []
    for index, rate in enumerate(rates):
        a.param_groups[0]["lr"].fill_(rate)
        b.param_groups[0]["lr"] = rate
        for params in (compiled, plain):
            give(params, index)
        step()
        b.step()
        frames.append(counter.frame_count)
    same([p.detach() for p in compiled], [p.detach() for p in plain])
    assert frames[1] == frames[-1]  # the second step may still meet a first velocity


WORKER = """
import torch, torch.distributed as dist
from torch.distributed.tensor import DTensor, Replicate, Shard, init_device_mesh, distribute_tensor
from inertia.torch import Momentum
dist.init_process_group("fake", rank=0, world_size=1, store=dist.HashStore())
mesh = init_device_mesh("cpu", (1,))
torch.manual_seed(0)
values = [torch.randn(4, 3, dtype=torch.float64), torch.randn(5, dtype=torch.float64)]
for mode in ({}, {"fused": True}, {"foreach": False}, {"flat": True}):
    ours = [torch.nn.Parameter(distribute_tensor(values[0], mesh, [Shard(0)])), torch.nn.Parameter(values[1].clone())]
    theirs = [torch.nn.Parameter(v.clone()) for v in values]
    a = Momentum(ours, lr=0.1, momentum=0.9, nesterov=True, weight_decay=0.1, **mode)
    b = torch.optim.SGD(theirs, lr=0.1, momentum=0.9, nesterov=True, weight_decay=0.1)
    for step in range(4):
        for p, q in zip(ours, theirs):
            q.grad = q.detach() + step
            p.grad = p.detach() + step
        a.step()
        b.step()
    for p, q in zip(ours, theirs):
        torch.testing.assert_close(p.to_local() if isinstance(p, DTensor) else p.detach(), q.detach(), rtol=1e-12, atol=1e-12)
print("equal")
"""


@pytest.mark.slow
def test_distributed_tensors_beside_plain_ones_are_stepped_apart(forks):
    out, err = forks.start("-c", "import torch.testing._internal.distributed.fake_pg\n" + WORKER).said(timeout=120)
    assert out.strip() == "equal", err[-2000:]


@mode_of
def test_a_step_in_inference_mode_is_a_step(mode):
    with torch.inference_mode():
        made = start()
        optimizer = Momentum(made, lr=0.1, momentum=0.9, **mode)
        for p in made:
            p.grad = torch.ones_like(p)
        optimizer.step()
    same([p.clone() for p in made], [p.detach() - 0.1 for p in start()])


@mode_of
def test_nothing_global_changes(mode):
    before = (torch.get_rng_state().clone(), random.getstate(), np.random.get_state()[1].copy())  # noqa: NPY002
    flags = (torch.is_grad_enabled(), torch.get_default_dtype(), torch.get_num_threads(), list(warnings.filters))
    params = start()
    optimizer = Momentum(params, Method(0.1, 0.9, 0.3, 0.5), **mode)
    for step in range(3):
        for index, p in enumerate(params):
            p.grad = torch.full_like(p, step + index)
        optimizer.step()
    optimizer.load_state_dict(optimizer.state_dict())
    after = (torch.get_rng_state(), random.getstate(), np.random.get_state()[1])  # noqa: NPY002
    assert torch.equal(before[0], after[0])
    assert before[1] == after[1]
    assert np.array_equal(before[2], after[2])
    assert flags == (torch.is_grad_enabled(), torch.get_default_dtype(), torch.get_num_threads(), list(warnings.filters))

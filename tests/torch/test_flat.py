"""One flat buffer: where tensors live, what survives, what is refused and said."""

import copy
import io
import random

import pytest

torch = pytest.importorskip("torch")

from inertia.core.method import Method  # noqa: E402
from inertia.errors import BadInput  # noqa: E402
from inertia.torch import Momentum  # noqa: E402

HEAVY = Method(0.05, beta=0.9)


def model(seed=0, dtype=torch.float64):
    torch.manual_seed(seed)
    return torch.nn.Sequential(torch.nn.Linear(3, 5), torch.nn.Tanh(), torch.nn.Linear(5, 2)).to(dtype)


def descend(net, optimizer, steps=1, set_to_none=True):
    x = torch.linspace(-1, 1, 12, dtype=torch.float64).reshape(4, 3)
    for _ in range(steps):
        optimizer.zero_grad(set_to_none=set_to_none)
        (net(x.to(net[0].weight.dtype)) ** 2).mean().backward()
        optimizer.step()


def same(a, b):
    for p, q in zip(a.parameters(), b.parameters(), strict=True):
        torch.testing.assert_close(p, q, rtol=1e-12, atol=1e-12)


def only(optimizer):
    ((bucket,),) = optimizer._buckets.values()
    return bucket


def inside(tensor, buffer):
    start = buffer.data_ptr()
    return start <= tensor.data_ptr() < start + buffer.untyped_storage().nbytes()


def test_parameters_gradients_and_velocity_live_in_one_buffer_each():
    net = model()
    optimizer = Momentum(net.parameters(), HEAVY, flat=True)
    descend(net, optimizer, 4, set_to_none=False)
    bucket = only(optimizer)
    for p in net.parameters():
        assert inside(p, bucket.value.buffer)
        assert inside(p.grad, bucket.grad.buffer)
        assert inside(optimizer.state[p]["momentum_buffer"], bucket.velocity.buffer)
        assert p.data_ptr() % 64 == bucket.value.buffer.data_ptr() % 64


def test_a_saved_part_of_the_model_is_that_part_only():
    """Each tensor has a storage of its own size: torch.save writes what is saved, not the buffer."""
    net, plain = torch.nn.ModuleList([torch.nn.Linear(4, 4), torch.nn.Linear(500, 500)]), torch.nn.Linear(4, 4)
    optimizer = Momentum(net.parameters(), HEAVY, flat=True)
    sum(p.sum() for p in net.parameters()).backward()
    optimizer.step()
    sizes = []
    for held in (net[0].state_dict(), plain.state_dict(), optimizer.state_dict()["state"][0]):
        file = io.BytesIO()
        torch.save(held, file)
        sizes.append(file.tell())
    assert sizes[0] <= sizes[1] + 100
    assert sizes[2] < 3000


@pytest.mark.parametrize("set_to_none", [True, False])
@pytest.mark.parametrize("who", ["optimizer", "model"])
def test_every_way_of_zeroing_gradients_is_survived(set_to_none, who):
    net, twin = model(), model()
    a, b = Momentum(net.parameters(), HEAVY, flat=True), torch.optim.SGD(twin.parameters(), lr=0.05, momentum=0.9)
    x = torch.ones(1, 3, dtype=torch.float64)
    for _ in range(12):
        for n, optimizer in ((net, a), (twin, b)):
            (n if who == "model" else optimizer).zero_grad(set_to_none=set_to_none)
            (n(x) ** 2).mean().backward()
            optimizer.step()
    same(net, twin)


def test_gradients_may_be_clipped_accumulated_and_reused():
    net, twin = model(), model()
    a, b = Momentum(net.parameters(), HEAVY, flat=True), torch.optim.SGD(twin.parameters(), lr=0.05, momentum=0.9)
    x = torch.ones(1, 3, dtype=torch.float64)
    for k in range(6):
        for n, optimizer in ((net, a), (twin, b)):
            if k % 2 == 0:
                optimizer.zero_grad(set_to_none=False)
            (n(x) ** 2).mean().backward()
            torch.nn.utils.clip_grad_norm_(n.parameters(), 0.1)
            optimizer.step()
    a.step()  # the same gradients once more
    b.step()
    same(net, twin)


def test_a_model_moved_to_another_dtype_is_stepped_as_torch_does_and_gets_other_buffers():
    net, twin = model(), model()
    a, b = Momentum(net.parameters(), HEAVY, flat=True), torch.optim.SGD(twin.parameters(), lr=0.05, momentum=0.9)
    for n, optimizer in ((net, a), (twin, b)):
        descend(n, optimizer, 2)
        n.float()
        descend(n, optimizer, 4)
    for p, q in zip(net.parameters(), twin.parameters(), strict=True):
        torch.testing.assert_close(p, q, rtol=1e-6, atol=1e-7)
    assert only(a).value.buffer.dtype == torch.float32
    assert only(a).velocity.buffer.dtype == torch.float64  # as torch keeps it


class Pair:
    """One model under SGD and its twin under a flat Momentum; every action happens to both, held tensors are compared too."""

    def __init__(self, seed, beta, gamma, mode):
        self.random = random.Random(seed)
        shapes = [(3, 3), (3,), (2, 2), (2, 2), (5, 1), (0,), ()]
        generator = torch.Generator().manual_seed(seed)
        values = [torch.randn(shape, generator=generator, dtype=torch.float64) for shape in shapes]
        self.sides = []
        for own in (True, False):
            params = [torch.nn.Parameter(v.clone()) for v in values]
            if own:
                optimizer = Momentum(params, Method(0.05, beta, gamma), weight_decay=0.02, **mode)
            else:
                optimizer = torch.optim.SGD(params, lr=0.05, momentum=beta, nesterov=gamma != 0, weight_decay=0.02)
            self.sides.append((params, optimizer, []))

    def backward(self):
        chosen = [self.random.random() < 0.85 for _ in range(7)]
        for params, _, _ in self.sides:
            loss = sum(((k + 1) * p**2 / 2 + torch.cos(p)).sum() for k, p in enumerate(params) if chosen[k] and p.requires_grad)
            if torch.is_tensor(loss):
                loss.backward()

    def act(self):
        kind = self.random.choice(list(ACTIONS))
        i, j = self.random.sample(range(4), 2)
        for params, optimizer, held in self.sides:
            ACTIONS[kind](params, optimizer, held, i, j)
        return kind

    def step(self):
        for _, optimizer, _ in self.sides:
            optimizer.step()

    def compare(self, log):
        (ours, a, kept), (theirs, b, twins) = self.sides
        for k, (p, q) in enumerate(zip(ours, theirs, strict=True)):
            torch.testing.assert_close(p.detach(), q.detach(), rtol=1e-11, atol=1e-11, msg=lambda m, k=k: f"p{k} {log}: {m}")
            assert (p.grad is None) == (q.grad is None), log
            if p.grad is not None:
                torch.testing.assert_close(p.grad, q.grad, rtol=1e-11, atol=1e-11, msg=lambda m, k=k: f"grad{k} {log}: {m}")
            own, other = (o.state[x].get("momentum_buffer") if x in o.state else None for o, x in ((a, p), (b, q)))
            if own is not None and other is not None:
                torch.testing.assert_close(own, other, rtol=1e-11, atol=1e-11, msg=lambda m, k=k: f"velocity{k} {log}: {m}")
        for p, q in zip(kept, twins, strict=True):
            torch.testing.assert_close(p, q, rtol=1e-11, atol=1e-11, msg=lambda m: f"held {log}: {m}")


def exchange_grads(params, optimizer, held, i, j):
    if params[i].shape == params[j].shape:
        params[i].grad, params[j].grad = params[j].grad, params[i].grad


def exchange_data(params, optimizer, held, i, j):
    if params[i].shape == params[j].shape:
        params[i].data, params[j].data = params[j].data, params[i].data


def transpose(params, optimizer, held, i, j):
    if params[i].dim() == 2 and params[i].shape[0] == params[i].shape[1]:
        params[i].data = params[i].data.t()


def transpose_grad(params, optimizer, held, i, j):
    if params[i].grad is not None and params[i].dim() == 2:
        params[i].grad = params[i].grad.t()


def exchange_velocity(params, optimizer, held, i, j):
    state = optimizer.state
    if params[i].shape == params[j].shape and params[i] in state and params[j] in state:
        state[params[i]], state[params[j]] = state[params[j]], state[params[i]]


def hold_velocity(params, optimizer, held, i, j):
    velocity = optimizer.state[params[i]].get("momentum_buffer") if params[i] in optimizer.state else None
    if velocity is not None and velocity.any():  # flat keeps zeros for a parameter that had no gradient yet
        held.append(velocity)


def replace_velocity(params, optimizer, held, i, j):
    fresh = torch.full_like(params[i], 0.25).detach()
    held.extend([fresh] if j % 2 else [])
    optimizer.state[params[i]]["momentum_buffer"] = fresh


def shared_grad(params, optimizer, held, i, j):
    if params[i].shape == params[j].shape:
        params[i].grad = params[j].grad


def assign(params, optimizer, held, i, j):
    fresh = params[i].data * 0.5
    held.extend([fresh] if j % 2 else [])
    params[i].data = fresh


ACTIONS = {
    "nothing": lambda *_: None,
    "drop all": lambda params, o, held, i, j: o.zero_grad(),
    "keep all": lambda params, o, held, i, j: o.zero_grad(set_to_none=False),
    "hold grads": lambda params, o, held, i, j: held.extend(p.grad for p in params if p.grad is not None),
    "hold data": lambda params, o, held, i, j: held.append(params[i].data),
    "let go": lambda params, o, held, i, j: held.clear(),
    "drop one": lambda params, o, held, i, j: setattr(params[i], "grad", None),
    "foreign grad": lambda params, o, held, i, j: setattr(params[i], "grad", torch.ones_like(params[i])),
    "numpy grad": lambda params, o, held, i, j: setattr(params[i], "grad", torch.from_numpy(params[i].detach().numpy() * 0 + 1)),
    "freeze": lambda params, o, held, i, j: params[i].requires_grad_(not params[i].requires_grad),
    "forget": lambda params, o, held, i, j: o.state.pop(params[i], None),
    "forget all": lambda params, o, held, i, j: o.state.clear(),
    "exchange grads": exchange_grads, "exchange data": exchange_data, "exchange velocity": exchange_velocity,
    "transpose": transpose, "transpose grad": transpose_grad, "shared grad": shared_grad, "assign": assign,
    "hold velocity": hold_velocity, "replace velocity": replace_velocity,
}  # fmt: skip


@pytest.mark.filterwarnings("ignore:grad and param do not obey the gradient layout contract:UserWarning")  # torch's, of transposed ones
@pytest.mark.parametrize("nesterov", [False, True])
@pytest.mark.parametrize("seed", range(5))
def test_whatever_is_held_exchanged_or_dropped_flat_steps_as_torch_sgd(seed, nesterov):
    pair = Pair(seed, 0.9, 0.9 * nesterov, {"flat": True})
    log = []
    for _ in range(40):
        log.append(pair.act())
        if pair.random.random() < 0.8:
            pair.backward()
        pair.step()
        pair.compare(log[-6:])


def test_a_step_tells_autograd_that_parameters_changed():
    p = torch.nn.Parameter(torch.ones(3))
    optimizer = Momentum([p], HEAVY, flat=True)
    loss = (p**2).sum()
    loss.backward(retain_graph=True)
    optimizer.step()
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()


def test_rehome_gathers_what_was_reassigned():
    net = model()
    optimizer = Momentum(net.parameters(), HEAVY, flat=True)
    held = torch.zeros(5, 3, dtype=torch.float64)
    net[0].weight.data = held
    descend(net, optimizer, 2)
    assert torch.equal(net[0].weight, held)
    assert not inside(net[0].weight, only(optimizer).value.buffer)
    velocity = optimizer.state[net[0].weight]["momentum_buffer"].clone()
    optimizer.rehome()
    assert inside(net[0].weight, only(optimizer).value.buffer)
    assert torch.equal(net[0].weight, held)
    assert torch.equal(optimizer.state[net[0].weight]["momentum_buffer"], velocity)


def test_shared_memory_is_refused():
    whole = torch.zeros(6, dtype=torch.float64)
    with pytest.raises(BadInput, match="parameters 0 and 1 share memory.*or use flat=False"):
        Momentum([torch.nn.Parameter(whole[:4]), torch.nn.Parameter(whole[2:])], HEAVY, flat=True)
    Momentum([torch.nn.Parameter(whole[:3]), torch.nn.Parameter(whole[3:])], HEAVY, flat=True)
    with pytest.raises(BadInput, match="shared with other processes"):
        Momentum([torch.nn.Parameter(torch.zeros(3).share_memory_())], HEAVY, flat=True)
    with pytest.raises(BadInput, match=r"layout torch.sparse_coo: a flat buffer holds dense"):
        Momentum([torch.nn.Parameter(torch.eye(3).to_sparse())], HEAVY, flat=True)


def test_a_refused_group_leaves_the_optimizer_as_it_was():
    whole = torch.zeros(6)
    optimizer = Momentum(model().parameters(), HEAVY, flat=True)
    with pytest.raises(BadInput, match="share memory"):
        optimizer.add_param_group({"params": [torch.nn.Parameter(whole[:4]), torch.nn.Parameter(whole[2:])]})
    assert len(optimizer.param_groups) == 1


def test_mixed_dtypes_get_a_buffer_each():
    net = model()
    net[2].float()
    optimizer = Momentum(net.parameters(), HEAVY, flat=True)
    assert sorted(str(bucket.value.buffer.dtype) for bucket in optimizer._buckets[0]) == ["torch.float32", "torch.float64"]


def test_a_cleared_or_replaced_velocity_is_read_again():
    net, twin = model(), model()
    a, b = Momentum(net.parameters(), HEAVY, flat=True), Momentum(twin.parameters(), HEAVY)
    for n, optimizer in ((net, a), (twin, b)):
        descend(n, optimizer, 3)
        optimizer.state[n[0].weight]["momentum_buffer"] = torch.ones(5, 3, dtype=torch.float64)
        descend(n, optimizer, 2)
        optimizer.state.clear()
        descend(n, optimizer, 2)
    same(net, twin)


def test_a_copied_optimizer_moves_its_own_model():
    net = model()
    optimizer = Momentum(net.parameters(), HEAVY, flat=True)
    descend(net, optimizer, 3)
    twin, copied = copy.deepcopy((net, optimizer))
    before = [p.detach().clone() for p in net.parameters()]
    descend(twin, copied, 3)
    assert all(torch.equal(p, q) for p, q in zip(before, net.parameters(), strict=True))
    descend(net, optimizer, 3)
    same(net, twin)


def test_a_model_s_state_dict_loads_in_place():
    net, other = model(), model(seed=3)
    optimizer = Momentum(net.parameters(), HEAVY, flat=True)
    descend(net, optimizer, 2)
    net.load_state_dict(other.state_dict())
    same(net, other)
    descend(net, optimizer, 3)


WORKER = """
import copy, sys, torch, torch.distributed as dist
from inertia.core.method import Method
from inertia.torch import Momentum
rank, meeting = int(sys.argv[1]), sys.argv[2]
torch.set_num_threads(1)
dist.init_process_group("gloo", init_method=f"file://{meeting}", rank=rank, world_size=2)
data = torch.randn(8, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
for views in (False, True):
    torch.manual_seed(0)
    net = torch.nn.Sequential(torch.nn.Linear(4, 6), torch.nn.Tanh(), torch.nn.Linear(6, 1)).double()
    twin = copy.deepcopy(net)
    wrapped = torch.nn.parallel.DistributedDataParallel(net, gradient_as_bucket_view=views)
    optimizer = Momentum(wrapped.parameters(), Method(0.05, beta=0.9, gamma=0.9), flat=True)
    plain = torch.optim.SGD(twin.parameters(), lr=0.05, momentum=0.9, nesterov=True)
    for k in range(20):
        optimizer.zero_grad(set_to_none=k % 2 == 0)
        wrapped(data[4 * rank : 4 * rank + 4]).square().mean().backward()
        optimizer.step()
        plain.zero_grad()
        twin(data).square().mean().backward()
        plain.step()
    for p, q in zip(net.parameters(), twin.parameters()):
        torch.testing.assert_close(p, q, rtol=1e-12, atol=1e-12)
print("equal")
dist.destroy_process_group()
"""


@pytest.mark.slow
def test_two_processes_of_ddp_walk_the_path_of_one(forks, tmp_path):
    """With gradients as copies of DDP's buckets and as views of them, dropped and kept."""
    if not torch.distributed.is_available() or not torch.distributed.is_gloo_available():
        pytest.skip("this torch has no gloo")
    meeting = tmp_path / "meeting"  # a file: a port that is free now may be taken a moment later
    workers = [forks.start("-c", WORKER, rank, meeting, env={"GLOO_SOCKET_IFNAME": "lo"}) for rank in (0, 1)]
    try:
        results = [worker.said(timeout=100) for worker in workers]
    finally:
        for worker in workers:
            worker.kill()
    for out, err in results:
        assert out.strip() == "equal", err[-2000:]

"""One flat buffer: where tensors live, what survives, what is refused and said."""

import copy
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from inertia.core.method import Method  # noqa: E402
from inertia.errors import BadInput  # noqa: E402
from inertia.torch import Momentum  # noqa: E402
from inertia.torch.flat import LOOK  # noqa: E402

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


def test_parameters_gradients_and_velocity_live_in_one_buffer_each():
    net = model()
    optimizer = Momentum(net.parameters(), HEAVY, flat=True)
    descend(net, optimizer, 2)
    bucket = only(optimizer)
    for p in net.parameters():
        assert p.untyped_storage().data_ptr() == bucket.flat.untyped_storage().data_ptr()
        assert p.grad.untyped_storage().data_ptr() == bucket.grad.untyped_storage().data_ptr()
        assert optimizer.state[p]["momentum_buffer"].untyped_storage().data_ptr() == bucket.velocity.untyped_storage().data_ptr()
        assert p.data_ptr() % 64 == bucket.flat.data_ptr() % 64


@pytest.mark.parametrize("set_to_none", [True, False])
@pytest.mark.parametrize("who", ["optimizer", "model"])
def test_every_way_of_zeroing_gradients_is_survived(set_to_none, who):
    net, twin = model(), model()
    a, b = Momentum(net.parameters(), HEAVY, flat=True), torch.optim.SGD(twin.parameters(), lr=0.05, momentum=0.9)
    x = torch.ones(1, 3, dtype=torch.float64)
    for _ in range(2 * LOOK + 3):
        for n, optimizer in ((net, a), (twin, b)):
            (n if who == "model" else optimizer).zero_grad(set_to_none=set_to_none)
            (n(x) ** 2).mean().backward()
            optimizer.step()
    same(net, twin)


def test_the_cheap_signs_spare_the_look_and_a_dropped_gradient_is_seen_at_once():
    net, twin = model(), model()
    a, b = Momentum(net.parameters(), HEAVY, flat=True), torch.optim.SGD(twin.parameters(), lr=0.05, momentum=0.9)
    looks = []
    bucket = only(a)
    look = bucket._look
    bucket._look = lambda state: (looks.append(1), look(state))
    descend(net, a, 10, set_to_none=False)
    assert len(looks) == 1
    descend(twin, b, 10, set_to_none=False)
    for n, optimizer in ((net, a), (twin, b)):  # a step in which one parameter has no gradient
        optimizer.zero_grad()
        (n[0].weight ** 2).sum().backward()
        optimizer.step()
    assert len(looks) == 2
    descend(net, a, 3)
    descend(twin, b, 3)
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


def test_a_reassigned_parameter_is_refused_and_rehome_mends_it():
    net = model()
    optimizer = Momentum(net.parameters(), HEAVY, flat=True)
    descend(net, optimizer, 3)
    net[0].weight.data = torch.zeros(5, 3, dtype=torch.float64)
    with pytest.raises(BadInput, match=r"parameter 0 of a flat group \(shape \(5, 3\)\) was re-assigned.*call optimizer.rehome\(\)"):
        descend(net, optimizer, LOOK)
    velocity = optimizer.state[net[0].weight]["momentum_buffer"].clone()
    optimizer.rehome()
    assert torch.equal(net[0].weight, torch.zeros(5, 3, dtype=torch.float64))
    assert torch.equal(optimizer.state[net[0].weight]["momentum_buffer"], velocity)
    descend(net, optimizer, 3)


def test_moving_the_model_to_another_dtype_is_seen():
    net = model()
    optimizer = Momentum(net.parameters(), HEAVY, flat=True)
    descend(net, optimizer, 2)
    net.float()
    with pytest.raises(BadInput, match="was re-assigned"):
        descend(net, optimizer)
    optimizer.rehome()
    descend(net, optimizer)
    assert only(optimizer).flat.dtype == torch.float32


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
    assert sorted(str(bucket.flat.dtype) for bucket in optimizer._buckets[0]) == ["torch.float32", "torch.float64"]


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
    descend(net, optimizer, LOOK + 1)


WORKER = """
import copy, sys, torch, torch.distributed as dist
from inertia.core.method import Method
from inertia.torch import Momentum
rank, port = int(sys.argv[1]), sys.argv[2]
torch.set_num_threads(1)
dist.init_process_group("gloo", init_method=f"tcp://127.0.0.1:{port}", rank=rank, world_size=2)
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
def test_two_processes_of_ddp_walk_the_path_of_one():
    """With gradients as copies of DDP's buckets and as views of them, dropped and kept."""
    if not torch.distributed.is_available() or not torch.distributed.is_gloo_available():
        pytest.skip("this torch has no gloo")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    source = str(Path(__file__).parents[2] / "src")
    env = os.environ | {"PYTHONPATH": source, "OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo"}
    commands = [[sys.executable, "-W", "ignore", "-c", WORKER, str(rank), str(port)] for rank in (0, 1)]
    workers = [subprocess.Popen(c, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for c in commands]
    try:
        results = [worker.communicate(timeout=100) for worker in workers]
    finally:
        for worker in workers:
            worker.kill()
    for out, err in results:
        assert out.strip() == "equal", err[-2000:]

"""Checkpoints: what torch.optim.SGD and Momentum read from each other, with hooks, names and groups; or refuse and change nothing."""

import copy

import pytest

torch = pytest.importorskip("torch")

from inertia.core.method import Method  # noqa: E402
from inertia.torch import Momentum  # noqa: E402

NAMES = ["body.weight", "body.bias", "head.weight"]


def params(seed=0, dtype=torch.float64, count=3):
    generator = torch.Generator().manual_seed(seed)
    return [torch.nn.Parameter(torch.randn(4, generator=generator, dtype=torch.float64).to(dtype)) for _ in range(count)]


def steps(optimizer, tensors, count=3):
    for _ in range(count):
        for k, p in enumerate(tensors):
            p.grad = (k + 1) * p.detach() + 0.1
        optimizer.step()


def trained(make, seed=0, names=None, dtype=torch.float64):
    tensors = params(seed, dtype)
    optimizer = make(list(zip(names, tensors, strict=True)) if names else tensors)
    steps(optimizer, tensors)
    return optimizer, tensors


def ours(p, **words):
    return Momentum(p, **({"lr": 0.1, "momentum": 0.9} | words))


def sgd(p, **words):
    return torch.optim.SGD(p, **({"lr": 0.1, "momentum": 0.9} | words))


def buffers(optimizer):
    return [optimizer.state[p]["momentum_buffer"] for group in optimizer.param_groups for p in group["params"]]


def everything(optimizer):
    return copy.deepcopy([{k: v for k, v in g.items() if k != "params"} for g in optimizer.param_groups]), copy.deepcopy(buffers(optimizer))


def unchanged(optimizer, before):
    groups, held = everything(optimizer)
    assert groups == before[0]
    assert all(torch.equal(a, b) for a, b in zip(held, before[1], strict=True))


MODES = [{}, {"flat": True}]


@pytest.mark.parametrize("mode", MODES, ids=["foreach", "flat"])
@pytest.mark.parametrize("hook", ["values", "reordered", "renamed", "wrapped", "in place", "reads itself"])
def test_pre_hooks_change_what_is_loaded_as_in_torch_sgd(hook, mode):
    def change(optimizer, data):
        if hook == "in place":
            data["param_groups"][0]["lr"] = 0.5
            return None
        if hook == "reads itself":
            mine = copy.deepcopy(optimizer.state_dict())
            mine["state"] = {2 - key: row for key, row in copy.deepcopy(data["state"]).items()}
            return mine
        if hook == "wrapped":
            return data["inner"]
        data = copy.deepcopy(data)
        if hook == "values":
            data["state"][1]["momentum_buffer"] = torch.full((4,), 7.0)
        if hook == "reordered":
            data["state"] = {2 - key: row for key, row in data["state"].items()}
        if hook == "renamed":
            data["param_groups"][0]["param_names"] = NAMES[::-1]
        return data

    loaded = []
    for make in (lambda p: ours(p, **mode), sgd):
        source, _ = trained(make, names=NAMES)
        target, _ = trained(make, seed=1, names=NAMES)
        target.register_load_state_dict_pre_hook(change)
        data = copy.deepcopy(source.state_dict())
        target.load_state_dict({"inner": data, "param_groups": [], "state": {}} if hook == "wrapped" else data)
        loaded.append((buffers(target), target.param_groups[0]["lr"]))
    assert loaded[0][1] == loaded[1][1]
    for a, b in zip(loaded[0][0], loaded[1][0], strict=True):
        torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("mode", MODES, ids=["foreach", "flat"])
def test_post_hooks_may_wrap_what_is_saved_and_see_what_was_loaded(mode):
    source, _ = trained(lambda p: ours(p, **mode))
    source.register_state_dict_post_hook(lambda optimizer, data: {"wrapped": data, "epoch": 3})
    saved = source.state_dict()
    assert saved["epoch"] == 3
    assert saved["wrapped"]["param_groups"][0]["dampening"] == 0
    seen = []
    target, _ = trained(lambda p: ours(p, **mode), seed=1)
    target.register_load_state_dict_post_hook(lambda optimizer: seen.extend(copy.deepcopy(buffers(optimizer))))
    target.load_state_dict(saved["wrapped"])
    assert all(torch.equal(a, b) for a, b in zip(seen, buffers(source), strict=True))
    assert source.state_dict().keys() == {"wrapped", "epoch"}  # our own hook is gone after each call


def test_named_parameters_are_matched_by_name_where_no_hook_decides():
    source, _ = trained(ours, names=NAMES)
    tensors = params(1)
    target = ours(list(zip(NAMES[::-1], tensors, strict=True)))
    target.load_state_dict(source.state_dict())
    assert all(torch.equal(a, b) for a, b in zip(buffers(target), buffers(source)[::-1], strict=True))
    assert target.param_groups[0]["param_names"] == NAMES[::-1]
    unnamed = ours(params(1))
    unnamed.load_state_dict(source.state_dict())
    assert all(torch.equal(a, b) for a, b in zip(buffers(unnamed), buffers(source), strict=True))


def broken(change):
    data = copy.deepcopy(trained(ours, names=NAMES)[0].state_dict())
    change(data)
    return data


REFUSED = {
    "another shape": (
        lambda d: d["state"][0].update(momentum_buffer=torch.zeros(5)),
        r"velocity has shape \(5,\), its parameter shape \(4,\)",
    ),
    "no tensor": (lambda d: d["state"][1].update(momentum_buffer="x"), "velocity has type str"),
    "momentum": (lambda d: d["param_groups"][0].update(momentum=1.5), "beta = 1.5 is outside"),
    "decay": (lambda d: d["param_groups"][0].update(weight_decay=-0.1), "weight_decay = -0.1 is negative"),
    "nan": (lambda d: d["param_groups"][0].update(lr=float("nan")), "alpha = nan is not finite"),
    "Adam": (lambda d: d["param_groups"][0].update(betas=(0.9, 0.99)), "'betas' in its groups"),
    "RMSprop": (lambda d: d["param_groups"][0].update(eps=1e-8), "'eps' in its groups"),
    "added layer": (
        lambda d: (d["param_groups"][0].update(params=[0, 1]), d["param_groups"][0].update(param_names=NAMES[:2])),
        r"group 0 has 2 parameters there and 3 here \(new: head.weight; gone: none\); adapt it in a register_load_state_dict_pre_hook",
    ),
    "another group": (
        lambda d: d["param_groups"].append(dict(d["param_groups"][0])),
        "different number of parameter groups: 2, and 1 here",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_loaded_changes_nothing(name):
    change, said = REFUSED[name]
    target, _ = trained(ours, seed=1, names=NAMES)
    before = everything(target)
    with pytest.raises(ValueError, match=said):
        target.load_state_dict(broken(change))
    unchanged(target, before)


STRANGE = {
    "decoupled": {"weight_decay": 0.1, "decoupled": True},
    "gamma": {"method": Method(0.1, 0.9, 0.3, 0.5), "lr": None, "momentum": None},
    "gamma only": {"method": Method(0.1, 0.0, 1.0), "lr": None, "momentum": None},
}


@pytest.mark.parametrize("name", STRANGE)
def test_torch_sgd_refuses_what_it_would_misread_and_keeps_its_own(name):
    source, tensors = trained(lambda p: ours(p, **STRANGE[name]))
    saved = source.state_dict()
    target, _ = trained(sgd, seed=1)
    before = everything(target)
    with pytest.raises(ValueError, match="different number of parameter groups"):
        target.load_state_dict(copy.deepcopy(saved))
    unchanged(target, before)
    twins = [torch.nn.Parameter(p.detach().clone()) for p in tensors]
    again = ours(twins)
    again.load_state_dict(copy.deepcopy(saved))
    steps(source, tensors)
    steps(again, twins)
    assert all(torch.equal(p, q) for p, q in zip(tensors, twins, strict=True))
    assert len(again.param_groups) == 1


def test_decoupled_without_decay_is_sgd_s_own():
    source, _ = trained(lambda p: ours(p, decoupled=True))
    target, _ = trained(sgd, seed=1)
    target.load_state_dict(source.state_dict())
    assert all(torch.equal(a, b) for a, b in zip(buffers(target), buffers(source), strict=True))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32])
@pytest.mark.parametrize("there", [True, False])
def test_half_precision_none_buffers_and_zero_rates_travel_both_ways(dtype, there):
    source, tensors = trained(sgd if there else ours, dtype=dtype)
    source.param_groups[0]["lr"] = 0.0
    source.state[tensors[1]]["momentum_buffer"] = None
    twins = [torch.nn.Parameter(p.detach().clone()) for p in tensors]
    target = (ours if there else sgd)(twins)
    target.load_state_dict(copy.deepcopy(source.state_dict()))
    assert target.param_groups[0]["lr"] == 0
    for optimizer, own in ((source, tensors), (target, twins)):
        optimizer.param_groups[0]["lr"] = 0.1
        steps(optimizer, own)
    for p, q in zip(tensors, twins, strict=True):
        torch.testing.assert_close(p, q, rtol=4 * torch.finfo(dtype).eps, atol=4 * torch.finfo(dtype).eps)


def test_a_sparse_buffer_of_torch_sgd_is_read():
    tables, optimizers = [], []
    for make in (sgd, ours):
        torch.manual_seed(0)
        tables.append(torch.nn.Embedding(5, 2, sparse=True).double())
        optimizers.append(make(tables[-1].parameters()))
    for rows in ([0, 1], [1, 4], [2]):
        if rows == [2]:
            tables[1].weight.data.copy_(tables[0].weight)
            optimizers[1].load_state_dict(copy.deepcopy(optimizers[0].state_dict()))
        for table, optimizer in zip(tables, optimizers, strict=True):
            optimizer.zero_grad()
            table(torch.tensor(rows)).square().sum().backward()
            optimizer.step()
    torch.testing.assert_close(tables[0].weight, tables[1].weight, rtol=1e-12, atol=1e-12)


def test_how_a_step_is_taken_is_chosen_here_not_by_the_checkpoint():
    source, _ = trained(lambda p: ours(p, flat=True, velocity_dtype=torch.float32), dtype=torch.bfloat16)
    target, tensors = trained(lambda p: ours(p, fused=True), seed=1, dtype=torch.bfloat16)
    target.load_state_dict(source.state_dict())
    assert (target.param_groups[0]["flat"], target.param_groups[0]["fused"]) == (False, True)
    assert buffers(target)[0].dtype == torch.bfloat16
    steps(target, tensors)


def test_the_whole_state_of_distributed_checkpoints_goes_there_and_back():
    """torch.distributed.checkpoint's own dictionaries, also of a method that SGD refuses."""
    checkpoint = pytest.importorskip("torch.distributed.checkpoint.state_dict")
    for words in ({}, STRANGE["decoupled"]):
        torch.manual_seed(0)
        net, twin = torch.nn.Linear(3, 2).double(), torch.nn.Linear(3, 2).double()
        a, b = ours(net.parameters(), **words), ours(twin.parameters(), **words)
        for model, optimizer in ((net, a), (twin, b)):
            model(torch.ones(1, 3, dtype=torch.float64)).sum().backward()
            optimizer.step()
        checkpoint.set_optimizer_state_dict(twin, b, checkpoint.get_optimizer_state_dict(net, a))
        assert all(torch.equal(x, y) for x, y in zip(buffers(a), buffers(b), strict=True))

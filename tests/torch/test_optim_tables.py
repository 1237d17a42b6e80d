"""torch's own table of optimizers drives these checks: every setting that it lists for SGD, given to Momentum.

The table (torch.testing._internal.common_optimizers) is in the wheel, the checks that torch runs over it are not: these are
ours. An entry for Momentum stands beside SGD's, with the same inputs and errors of its own.
"""

import copy
import pickle

import pytest

torch = pytest.importorskip("torch")
common = pytest.importorskip("torch.testing._internal.common_optimizers")

from inertia.core.method import Method  # noqa: E402
from inertia.torch import Momentum  # noqa: E402

SGD = next(entry for entry in common.optim_db if entry.optim_cls is torch.optim.SGD)
CPU = torch.device("cpu")


def own_inputs(device, dtype=None):
    """What is ours beside SGD's words: other methods, decoupled decay, velocities in another precision."""
    for kwargs, text in (
        ({"method": Method(0.01, 0.8, 0.3, 0.4)}, "any gamma"), ({"method": Method(0.01, 0.0, 1.0)}, "optimistic"),
        ({"lr": 0.01, "momentum": 0.9, "weight_decay": 0.1, "decoupled": True}, "decoupled decay"),
        ({"lr": 0.01, "momentum": 0.9, "velocity_dtype": torch.float64}, "velocity_dtype"),
    ):  # fmt: skip
        yield common.OptimizerInput(params=None, kwargs=kwargs, desc=text)


def sgd_inputs():
    for one in SGD.optim_inputs_func(device=CPU):
        if not one.kwargs.get("dampening"):  # no method of the family: refused with the words to use
            lr = {} if "lr" in one.kwargs else {"lr": 1e-3}
            yield common.OptimizerInput(params=one.params, kwargs=one.kwargs | lr, desc=one.desc)


ENTRY = common.OptimizerInfo(Momentum, optim_inputs_func=own_inputs, supported_impls=("foreach", "differentiable", "fused"))
INPUTS = [(one, True) for one in sgd_inputs()] + [(one, False) for one in ENTRY.optim_inputs_func(device=CPU)]
IDS = [one.desc or "default" for one, _ in INPUTS]
IMPLEMENTATIONS = {
    "default": {}, "loop": {"foreach": False}, "foreach": {"foreach": True}, "fused": {"fused": True}, "flat": {"flat": True},
}  # fmt: skip
every_input = pytest.mark.parametrize(("given", "known"), INPUTS, ids=IDS)
every_way = pytest.mark.parametrize("way", IMPLEMENTATIONS.values(), ids=IMPLEMENTATIONS)


def chosen(given, way):
    """The input's settings with one implementation; those of its own that exclude it are dropped."""
    kwargs = {key: value for key, value in copy.deepcopy(given.kwargs).items() if key not in ("foreach", "fused", "differentiable")}
    return kwargs | way


def network(dtype=torch.float64, seed=0):
    torch.manual_seed(seed)
    return torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Tanh(), torch.nn.Linear(4, 1)).to(dtype)


def walk(net, optimizer, steps=5, dtype=torch.float64):
    x = torch.linspace(-1, 1, 18, dtype=torch.float64).reshape(6, 3).to(dtype)
    for _ in range(steps):
        optimizer.zero_grad()
        (net(x) - x.sum(1, keepdim=True)).square().mean().backward()
        optimizer.step()
    return [p.detach().clone() for p in net.parameters()]


def close(a, b, tolerance=1e-12):
    for x, y in zip(a, b, strict=True):
        torch.testing.assert_close(x, y, rtol=tolerance, atol=tolerance)


def test_the_table_lists_sgd_with_more_than_a_handful_of_settings():
    assert len(INPUTS) >= 10
    assert {"foreach", "fused", "differentiable"} <= set(SGD.supported_impls)


@every_input
@every_way
def test_every_setting_walks_torch_s_path_in_every_way(given, known, way):
    net, twin = network(), network()
    ours = Momentum(net.parameters(), **chosen(given, way))
    theirs = torch.optim.SGD(twin.parameters(), **chosen(given, {})) if known else Momentum(twin.parameters(), **chosen(given, {}))
    close(walk(net, ours), walk(twin, theirs))


@every_input
@every_way
def test_state_dicts_pickles_and_copies_go_on_as_the_original(given, known, way):
    net = network()
    optimizer = Momentum(net.parameters(), **chosen(given, way))
    walk(net, optimizer, 3)
    state = copy.deepcopy(optimizer.state_dict())
    twin = copy.deepcopy(net)
    other = Momentum(twin.parameters(), **chosen(given, way))
    other.load_state_dict(state)
    copied, same = copy.deepcopy((net, optimizer))
    thawed, pickled = pickle.loads(pickle.dumps((net, optimizer)))
    ends = [walk(*pair, 3) for pair in ((net, optimizer), (twin, other), (copied, same), (thawed, pickled))]
    for end in ends[1:]:
        close(end, ends[0], 0.0)
    again = optimizer.state_dict()
    assert state["param_groups"][0].keys() == again["param_groups"][0].keys()


@every_input
def test_groups_take_every_setting_each_for_itself(given, known):
    net, twin = network(), network()
    kwargs = chosen(given, {})
    per_group = {key: value for key, value in kwargs.items() if key in ("lr", "momentum", "weight_decay", "maximize", "nesterov")}
    rest = {key: value for key, value in kwargs.items() if key not in per_group} if "method" in kwargs else {"lr": 0.05}
    groups = [[{"params": n[0].parameters(), **per_group}, {"params": n[2].parameters()}] for n in (net, twin)]
    make = torch.optim.SGD if known else Momentum
    close(walk(net, Momentum(groups[0], **rest)), walk(twin, make(groups[1], **rest)))


@every_input
def test_differentiable_steps_walk_the_same_path_on_non_leaves(given, known):
    ends = []
    for way in ({"differentiable": True}, {}):
        leaf = torch.nn.Parameter(torch.linspace(-1, 1, 5, dtype=torch.float64))
        p = leaf.clone() if way else leaf
        optimizer = Momentum([p], **chosen(given, way))
        for step in range(4):
            p.grad = torch.full((5,), 0.5 + step, dtype=torch.float64)
            optimizer.step()
        ends.append([p.detach()])
    close(*ends)


@every_input
def test_complex_parameters_are_two_real_ones(given, known):
    torch.manual_seed(0)
    z = torch.nn.Parameter(torch.randn(3, dtype=torch.complex128))
    pair = torch.nn.Parameter(torch.view_as_real(z.detach()).clone())
    kwargs = chosen(given, {})
    a, b = Momentum([z], **copy.deepcopy(kwargs)), Momentum([pair], **kwargs)
    for step in range(4):
        grad = torch.randn(3, dtype=torch.complex128, generator=torch.Generator().manual_seed(step))
        z.grad, pair.grad = grad, torch.view_as_real(grad).clone()
        a.step()
        b.step()
    close([torch.view_as_real(z.detach())], [pair.detach()])


@every_input
def test_a_closure_is_called_once_and_its_loss_returned(given, known):
    net = network()
    optimizer = Momentum(net.parameters(), **chosen(given, {}))
    calls = []

    def closure():
        calls.append(torch.is_grad_enabled())
        optimizer.zero_grad()
        loss = net(torch.ones(2, 3, dtype=torch.float64)).square().mean()
        loss.backward()
        return loss

    assert torch.is_tensor(optimizer.step(closure))
    assert calls == [True]


@pytest.mark.parametrize("index", range(len(list(SGD.optim_error_inputs_func(device=CPU, dtype=torch.float64)))))
def test_what_torch_refuses_is_refused(index):
    """Whatever the table expects of every optimizer; a negative momentum is a method of the family and is taken."""
    case = list(SGD.optim_error_inputs_func(device=CPU, dtype=torch.float64))[index]
    given = case.optimizer_error_input
    kwargs = given.kwargs if "lr" in given.kwargs else {"lr": 0.1} | given.kwargs
    if kwargs.get("momentum", 0) < 0:
        assert Momentum(network().parameters(), **kwargs).methods[0].beta < 0
        return
    if case.error_on is common.OptimizerErrorEnum.CONSTRUCTION_ERROR:
        with pytest.raises(case.error_type):
            Momentum(given.params, **kwargs)
    else:
        optimizer = Momentum(given.params, **kwargs)
        with pytest.raises(case.error_type):
            optimizer.step()

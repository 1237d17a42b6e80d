"""The torch optimizer against torch.optim.SGD and against the heart, step for step."""

import copy
import io
import pickle

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import inertia.torch  # noqa: E402
from inertia.core.method import Method  # noqa: E402
from inertia.core.method import step as heart  # noqa: E402
from inertia.errors import BadInput  # noqa: E402
from inertia.torch import Momentum  # noqa: E402

MODES = [{}, {"foreach": False}, {"fused": True}, {"flat": True}]
NAMES = ["foreach", "loop", "fused", "flat"]
SHAPES = [(3, 4), (5,), (), (2, 3, 2), (0,)]
TRIPLE = Method(0.03, beta=0.6, gamma=0.35, delta=0.9)


def tensors(seed=0, dtype=torch.float64, shapes=SHAPES):
    generator = torch.Generator().manual_seed(seed)
    return [torch.nn.Parameter(torch.randn(shape, generator=generator, dtype=torch.float64).to(dtype)) for shape in shapes]


def loss_of(params):
    """A loss whose gradient is nonlinear, so that a wrong point of evaluation shows."""
    return sum(((index + 1) * p**2 / 2 + torch.cos(p)).abs().sum() for index, p in enumerate(params))


def run(optimizer, params, steps=25, scheduler=None, set_to_none=True):
    for _ in range(steps):
        optimizer.zero_grad(set_to_none=set_to_none)
        loss_of(params).backward()
        optimizer.step()
        if scheduler is not None:
            scheduler.step()
    return [p.detach().clone() for p in params]


def close(ours, theirs, **tolerance):
    for a, b in zip(ours, theirs, strict=True):
        torch.testing.assert_close(a, b, **tolerance)


EXACT = {"rtol": 1e-12, "atol": 1e-12}


@pytest.mark.parametrize("mode", MODES, ids=NAMES)
@pytest.mark.parametrize("nesterov", [False, True], ids=["heavy-ball", "nesterov"])
@pytest.mark.parametrize("extra", [{}, {"weight_decay": 0.1}, {"maximize": True}, {"maximize": True, "weight_decay": 0.2}], ids=str)
@pytest.mark.parametrize("decaying", [False, True], ids=["constant", "decaying"])
def test_it_equals_torch_sgd(mode, nesterov, extra, decaying):
    ours, theirs = tensors(), tensors()
    a = Momentum(ours, Method(0.02, beta=0.9, gamma=0.9 if nesterov else 0.0), **mode, **extra)
    b = torch.optim.SGD(theirs, lr=0.02, momentum=0.9, nesterov=nesterov, **extra)
    lower = lambda optimizer: torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.1, 20) if decaying else None  # noqa: E731
    close(run(a, ours, scheduler=lower(a)), run(b, theirs, scheduler=lower(b)), **EXACT)


@pytest.mark.parametrize("mode", MODES, ids=NAMES)
@pytest.mark.parametrize("method", [Method(0.05), TRIPLE, Method(0.02, beta=0.0, gamma=1.0), Method(0.02, beta=0.9, gamma=-0.2)], ids=str)
def test_it_is_the_heart(mode, method):
    ours = tensors()
    optimizer = Momentum(ours, method, **mode)
    points = [p.detach().numpy().copy() for p in ours]
    velocity = [np.zeros_like(p) for p in points]
    run(optimizer, ours)
    for _ in range(25):
        mirror = [torch.tensor(p, requires_grad=True) for p in points]
        grads = torch.autograd.grad(loss_of(mirror), mirror)
        pairs = [heart(method, p, v, g.numpy()) for p, v, g in zip(points, velocity, grads, strict=True)]
        points, velocity = [p for p, _ in pairs], [v for _, v in pairs]
    close([p.detach() for p in ours], [torch.as_tensor(p) for p in points], **EXACT)


@pytest.mark.parametrize("mode", MODES, ids=NAMES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_lower_precision_is_round_off_away(mode, dtype):
    ours, exact = tensors(dtype=dtype), tensors()
    for a, b in zip(ours, exact, strict=True):
        b.data.copy_(a.data)
    run(Momentum(ours, Method(0.02, beta=0.9), **mode), ours, steps=10)
    run(Momentum(exact, Method(0.02, beta=0.9)), exact, steps=10)
    # ten steps of a contraction add at most a few dozen roundings of size eps
    tolerance = 60 * torch.finfo(dtype).eps
    close([p.detach().double() for p in ours], [p.detach() for p in exact], rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("mode", MODES, ids=NAMES)
def test_a_float32_velocity_keeps_what_bfloat16_would_lose(mode):
    errors = {}
    for kept in (None, torch.float32):
        p = torch.nn.Parameter(torch.zeros(4, dtype=torch.bfloat16))
        optimizer = Momentum([p], Method(1e-3, beta=0.999), velocity_dtype=kept, **mode)
        for _ in range(400):
            p.grad = torch.ones(4, dtype=torch.bfloat16)
            optimizer.step()
        velocity = optimizer.state[p]["momentum_buffer"]
        assert velocity.dtype == (kept or torch.bfloat16)
        errors[kept] = abs(velocity[0].item() - (1 - 0.999**400) / 0.001)
    assert errors[torch.float32] < 1e-2 < 10 < errors[None]


def test_saved_float32_velocity_comes_back_in_float32():
    p = torch.nn.Parameter(torch.zeros(4, dtype=torch.bfloat16))
    optimizer = Momentum([p], Method(1e-3, beta=0.999), velocity_dtype=torch.float32)
    p.grad = torch.full((4,), 1.0, dtype=torch.bfloat16)
    for _ in range(5):
        optimizer.step()
    fresh = Momentum([p], Method(1e-3, beta=0.999), velocity_dtype=torch.float32)
    fresh.load_state_dict(optimizer.state_dict())
    assert torch.equal(fresh.state[p]["momentum_buffer"], optimizer.state[p]["momentum_buffer"])
    assert fresh.state[p]["momentum_buffer"].dtype == torch.float32


S = torch.optim.lr_scheduler
SCHEDULERS = {
    "LambdaLR": lambda o: S.LambdaLR(o, lambda k: 0.95**k),
    "MultiplicativeLR": lambda o: S.MultiplicativeLR(o, lambda k: 0.95),
    "StepLR": lambda o: S.StepLR(o, 7),
    "MultiStepLR": lambda o: S.MultiStepLR(o, [5, 12]),
    "ConstantLR": lambda o: S.ConstantLR(o, 0.5, 6),
    "LinearLR": lambda o: S.LinearLR(o, 0.3, 1.0, 10),
    "ExponentialLR": lambda o: S.ExponentialLR(o, 0.9),
    "PolynomialLR": lambda o: S.PolynomialLR(o, 20, 2.0),
    "CosineAnnealingLR": lambda o: S.CosineAnnealingLR(o, 20),
    "CosineAnnealingWarmRestarts": lambda o: S.CosineAnnealingWarmRestarts(o, 8),
    "CyclicLR": lambda o: S.CyclicLR(o, 0.001, 0.02, step_size_up=5, base_momentum=0.7, max_momentum=0.95),
    "OneCycleLR": lambda o: S.OneCycleLR(o, 0.02, total_steps=30, base_momentum=0.7, max_momentum=0.95),
    "SequentialLR": lambda o: S.SequentialLR(o, [S.ConstantLR(o, 0.5, 3), S.ExponentialLR(o, 0.9)], [5]),
    "ChainedScheduler": lambda o: S.ChainedScheduler([S.ConstantLR(o, 0.5, 3), S.ExponentialLR(o, 0.9)]),
    "SWALR": lambda o: torch.optim.swa_utils.SWALR(o, 0.005, 5),
}


@pytest.mark.filterwarnings("ignore:The epoch parameter:UserWarning")  # SequentialLR's own, about itself
@pytest.mark.parametrize("nesterov", [False, True], ids=["heavy-ball", "nesterov"])
@pytest.mark.parametrize("mode", [{}, {"flat": True}], ids=["foreach", "flat"])
@pytest.mark.parametrize("name", SCHEDULERS)
def test_every_scheduler_works_and_nesterov_stays_nesterov(name, mode, nesterov):
    ours, theirs = tensors(), tensors()
    a = Momentum(ours, Method(0.02, beta=0.9, gamma=0.9 if nesterov else 0.0), **mode)
    b = torch.optim.SGD(theirs, lr=0.02, momentum=0.9, nesterov=nesterov)
    close(run(a, ours, scheduler=SCHEDULERS[name](a)), run(b, theirs, scheduler=SCHEDULERS[name](b)), **EXACT)
    moved = name in ("CyclicLR", "OneCycleLR")
    assert (a.methods[0].beta != 0.9) == moved
    assert a.methods[0].gamma == (a.methods[0].beta if nesterov else 0.0)


def test_every_scheduler_of_torch_is_in_the_table():
    known = {name for name in S.__all__ if isinstance(getattr(S, name), type)} - {"LRScheduler", "ReduceLROnPlateau"}
    assert known <= set(SCHEDULERS)


def test_reduce_on_plateau_lowers_lr():
    (p,) = tensors(shapes=[(3,)])
    optimizer = Momentum([p], Method(0.1, beta=0.5))
    plateau = S.ReduceLROnPlateau(optimizer, patience=0)
    for _ in range(3):
        plateau.step(1.0)
    assert optimizer.methods[0].alpha == pytest.approx(1e-3)


@pytest.mark.parametrize("mode", MODES, ids=NAMES)
@pytest.mark.parametrize("nesterov", [False, True])
def test_a_state_saved_by_torch_sgd_continues(mode, nesterov):
    ours, theirs = tensors(), tensors()
    b = torch.optim.SGD(theirs, lr=0.02, momentum=0.9, nesterov=nesterov, weight_decay=0.01)
    run(b, theirs, steps=7)
    for p, q in zip(ours, theirs, strict=True):
        p.data.copy_(q.data)
    a = Momentum(ours, Method(0.5, beta=0.1), **mode)
    a.load_state_dict(copy.deepcopy(b.state_dict()))
    close(run(a, ours, steps=10), run(b, theirs, steps=10), **EXACT)


@pytest.mark.parametrize("nesterov", [False, True])
def test_torch_sgd_continues_ours(nesterov):
    ours, theirs = tensors(), tensors()
    a = Momentum(ours, Method(0.02, beta=0.9, gamma=0.9 * nesterov))
    run(a, ours, steps=7)
    for p, q in zip(theirs, ours, strict=True):
        p.data.copy_(q.data)
    b = torch.optim.SGD(theirs, lr=1.0, momentum=0.5)
    b.load_state_dict(copy.deepcopy(a.state_dict()))
    close(run(a, ours, steps=10), run(b, theirs, steps=10), **EXACT)


def test_a_dampened_sgd_is_translated_and_said():
    ours, theirs = tensors(), tensors()
    b = torch.optim.SGD(theirs, lr=0.05, momentum=0.9, dampening=0.6)
    run(b, theirs, steps=7)
    for p, q in zip(ours, theirs, strict=True):
        p.data.copy_(q.data)
    a = Momentum(ours, Method(0.5, beta=0.1))
    with pytest.warns(UserWarning, match=r"dampening 0.6 became lr \* 0.4: multiply the base lr of any scheduler by 0.4 too"):
        a.load_state_dict(copy.deepcopy(b.state_dict()))
    close(run(a, ours, steps=10), run(b, theirs, steps=10), **EXACT)


def test_states_that_mean_nothing_here_are_refused():
    (p,) = tensors(shapes=[(3,)])
    optimizer = Momentum([p], Method(0.1, beta=0.5))
    with pytest.raises(BadInput, match="without a momentum key"):
        optimizer.load_state_dict(torch.optim.Adam([p]).state_dict())
    with pytest.raises(BadInput, match="dampening = 1"):
        optimizer.load_state_dict(torch.optim.SGD([p], lr=0.1, momentum=0.9, dampening=1).state_dict())
    with pytest.raises(ValueError, match="different number of parameter groups"):
        optimizer.load_state_dict({"state": {}, "param_groups": []})


@pytest.mark.parametrize("mode", MODES, ids=NAMES)
@pytest.mark.parametrize("method", [Method(0.02, beta=0.9, gamma=0.9), TRIPLE], ids=str)
@pytest.mark.parametrize("how", ["state_dict", "file", "pickle", "deepcopy"])
def test_a_copy_goes_on_exactly_where_the_original_does(mode, method, how):
    ours = tensors()
    a = Momentum(ours, method, weight_decay=0.01, **mode)
    run(a, ours, steps=6)
    if how in ("pickle", "deepcopy"):
        twins, b = copy.deepcopy((ours, a)) if how == "deepcopy" else pickle.loads(pickle.dumps((ours, a)))
    else:
        twins = copy.deepcopy(ours)
        b = Momentum(twins, Method(9.0), **mode)
        state = a.state_dict()
        if how == "file":
            file = io.BytesIO()
            torch.save(state, file)
            file.seek(0)
            state = torch.load(file, weights_only=True)
        b.load_state_dict(state)
    before = [p.detach().clone() for p in ours]
    for p, q in zip(run(b, twins, steps=5), run(a, ours, steps=5), strict=True):
        assert torch.equal(p, q)
    assert not torch.equal(before[0], ours[0])


@pytest.mark.parametrize("mode", MODES, ids=NAMES)
def test_groups_have_their_own_coefficients(mode):
    ours, theirs = tensors(), tensors()
    slow, fast = {"lr": 0.001, "weight_decay": 0.1}, {"momentum": 0.5}
    a = Momentum([{"params": ours[:2], **slow}, {"params": ours[2:], **fast}], Method(0.02, beta=0.9, gamma=0.9), **mode)
    groups = [{"params": theirs[:2], **slow}, {"params": theirs[2:], **fast}]
    b = torch.optim.SGD(groups, lr=0.02, momentum=0.9, nesterov=True)
    close(run(a, ours), run(b, theirs), **EXACT)
    a.add_param_group({"params": tensors(3, shapes=[(2,)]), "momentum": 0.8, "gamma": 0.1})
    assert a.methods[2] == Method(0.02, 0.8, 0.1)
    with pytest.raises(BadInput, match=r"beta = 1.5 is outside \[-1, 1\]"):
        a.add_param_group({"params": tensors(4, shapes=[(2,)]), "momentum": 1.5})
    assert len(a.param_groups) == 3


@pytest.mark.parametrize("mode", MODES, ids=NAMES)
def test_a_closure_is_called_with_gradients(mode):
    ours, theirs = tensors(), tensors()
    a, b = Momentum(ours, Method(0.02, beta=0.9), **mode), torch.optim.SGD(theirs, lr=0.02, momentum=0.9)
    values = []
    for optimizer, params in ((a, ours), (b, theirs)):

        def closure(optimizer=optimizer, params=params):
            optimizer.zero_grad()
            loss = loss_of(params)
            loss.backward()
            return loss

        values.append([optimizer.step(closure).item() for _ in range(5)])
    assert values[0] == pytest.approx(values[1], rel=1e-12)
    assert values[0][-1] < values[0][0]


@pytest.mark.parametrize("mode", MODES, ids=NAMES)
@pytest.mark.parametrize("method", [Method(0.02, beta=0.9), TRIPLE], ids=str)
def test_parameters_without_a_gradient_are_left_alone(mode, method):
    ours, theirs = tensors(), tensors()
    a = Momentum(ours, method, weight_decay=0.1, **mode)
    b = Momentum(theirs, method, weight_decay=0.1)
    idle = ours[1].detach().clone()
    for chosen in (slice(0, 5, 2), slice(0, 5, 2), slice(2, 5), slice(0, 5, 2)):
        for optimizer, params in ((a, ours), (b, theirs)):
            optimizer.zero_grad()
            loss_of(params[chosen]).backward()
            optimizer.step()
    assert torch.equal(ours[1], idle)
    close([p.detach() for p in ours], [p.detach() for p in theirs], **EXACT)


@pytest.mark.parametrize("mode", MODES, ids=NAMES)
def test_complex_parameters_equal_torch(mode):
    def start():
        generator = torch.Generator().manual_seed(1)
        return [torch.nn.Parameter(torch.randn(shape, generator=generator, dtype=torch.complex128)) for shape in [(3, 2), (4,)]]

    ours, theirs = start(), start()
    a = Momentum(ours, Method(0.02, beta=0.9, gamma=0.9), **mode)
    b = torch.optim.SGD(theirs, lr=0.02, momentum=0.9, nesterov=True)
    for _ in range(10):
        for optimizer, params in ((a, ours), (b, theirs)):
            optimizer.zero_grad()
            sum(((p - 1j) ** 2).abs().sum() for p in params).backward()
            optimizer.step()
    close([p.detach() for p in ours], [p.detach() for p in theirs], **EXACT)


@pytest.mark.parametrize("mode", MODES, ids=NAMES)
def test_non_contiguous_parameters_equal_torch_and_keep_their_layout(mode):
    def start():
        base = torch.randn(6, 8, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
        image = torch.randn(2, 3, 4, 5, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
        return [torch.nn.Parameter(t) for t in (base.t(), base.clone()[:, ::2], image.to(memory_format=torch.channels_last))]

    ours, theirs = start(), start()
    a, b = Momentum(ours, Method(0.02, beta=0.9), **mode), torch.optim.SGD(theirs, lr=0.02, momentum=0.9)
    close(run(a, ours), run(b, theirs), **EXACT)
    assert ours[0].stride() == theirs[0].stride()
    assert ours[2].is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("mode", MODES, ids=NAMES)
def test_the_readout_point_is_shown_and_the_state_restored_to_the_bit(mode):
    ours = tensors()
    optimizer = Momentum(ours, TRIPLE, **mode)
    run(optimizer, ours, steps=5)
    before = [p.detach().clone() for p in ours]
    velocity = [optimizer.state[p]["momentum_buffer"].clone() for p in ours]
    with optimizer.readout():
        assert torch.is_grad_enabled()
        inside = [p.detach().clone() for p in ours]
    expected = [p - TRIPLE.alpha * (TRIPLE.delta - TRIPLE.gamma) * v for p, v in zip(before, velocity, strict=True)]
    close(inside, expected, **EXACT)
    with pytest.raises(ZeroDivisionError), optimizer.readout():
        _ = 1 / 0
    assert all(torch.equal(p, q) for p, q in zip(before, ours, strict=True))


def test_decoupled_weight_decay_shrinks_before_the_step():
    (p,) = tensors(shapes=[(4,)])
    start = p.detach().clone()
    optimizer = Momentum([p], Method(0.1, beta=0.9), weight_decay=0.5, decoupled=True)
    p.grad = torch.ones(4, dtype=torch.float64)
    optimizer.step()
    torch.testing.assert_close(p.detach(), start * 0.95 - 0.1, **EXACT)


@pytest.mark.parametrize("mode", MODES, ids=NAMES)
def test_the_gradient_scaler_gives_the_unscaled_path_and_skips_overflow(mode):
    ours, theirs = tensors(), tensors()
    a, b = Momentum(ours, Method(0.02, beta=0.9), **mode), torch.optim.SGD(theirs, lr=0.02, momentum=0.9)
    scaler = torch.amp.GradScaler("cpu", init_scale=1024.0)
    for _ in range(4):
        a.zero_grad()
        scaler.scale(loss_of(ours)).backward()
        scaler.step(a)
        scaler.update()
    run(b, theirs, steps=4)
    close([p.detach() for p in ours], [p.detach() for p in theirs], **EXACT)
    before = ours[0].detach().clone()
    a.zero_grad()
    scaler.scale(loss_of(ours) * float("inf")).backward()
    scaler.step(a)
    assert torch.equal(ours[0], before)


def test_plain_gradient_descent_keeps_no_state():
    (p,) = tensors(shapes=[(4,)])
    optimizer = Momentum([p], Method(0.1))
    p.grad = torch.ones(4, dtype=torch.float64)
    optimizer.step()
    assert not optimizer.state


def test_bad_arguments_are_named():
    params = tensors(shapes=[(3,)])
    with pytest.raises(BadInput, match=r"alpha = -0\.1 is not positive"):
        Momentum(params, Method(-0.1))
    with pytest.raises(BadInput, match="weight_decay = -1 is negative"):
        Momentum(params, Method(0.1), weight_decay=-1)
    with pytest.raises(BadInput, match="three ways to take the same step"):
        Momentum(params, Method(0.1), flat=True, fused=True)
    with pytest.raises(BadInput, match=r"velocity_dtype = torch\.int32 is not a floating dtype"):
        Momentum(params, Method(0.1), velocity_dtype=torch.int32)
    with pytest.raises(AttributeError, match="no attribute 'Momemtum'"):
        inertia.torch.Momemtum  # noqa: B018


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # the compiler's own imports
@pytest.mark.parametrize("nesterov", [False, True])
def test_a_compiled_step_takes_the_same_path(nesterov):
    ours, theirs = tensors(shapes=[(3,), (2, 2)]), tensors(shapes=[(3,), (2, 2)])
    a = Momentum(ours, Method(0.02, beta=0.9, gamma=0.9 * nesterov))
    b = torch.optim.SGD(theirs, lr=0.02, momentum=0.9, nesterov=nesterov)
    # the front of the compiler only: its first C++ build takes most of a minute on a busy machine
    compiled = torch.compile(a.step, backend="aot_eager")
    for _ in range(5):
        a.zero_grad()
        loss_of(ours).backward()
        compiled()
    run(b, theirs, steps=5)
    close([p.detach() for p in ours], [p.detach() for p in theirs], **EXACT)

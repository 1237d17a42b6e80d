"""What is wrong with a training loop is named within 50 steps, on loops in which it is wrong on purpose; a sound loop is left in peace."""

import math
from contextlib import nullcontext

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402

from inertia.core.method import Method  # noqa: E402
from inertia.errors import BadInput, InertiaWarning  # noqa: E402
from inertia.torch import Momentum, Watch  # noqa: E402
from inertia.watching.journal import watched  # noqa: E402

RNG = np.random.default_rng(0)
X = torch.tensor(RNG.normal(size=(64, 6)), dtype=torch.float32)
Y = X[:, :3].argmax(1)
SILENT = {"say": False, "every": 1000, "probe": (X, Y), "loss_fn": nn.CrossEntropyLoss()}


def linear():
    torch.manual_seed(0)
    return nn.Linear(6, 3)


def loop(watch, model, optimizer, steps=50, before=lambda k: None, clip=None):
    rng = np.random.default_rng(1)
    for k in range(steps):
        before(k)
        rows = torch.tensor(rng.integers(0, 64, 16))
        loss = nn.functional.cross_entropy(model(X[rows]), Y[rows])
        optimizer.zero_grad()
        loss.backward()
        if clip:
            nn.utils.clip_grad_norm_(model.parameters(), clip)
        optimizer.step()
        watch.step(loss)
    return {told.name: told for told in watch.messages}


def sgd(params, **more):
    return torch.optim.SGD(params, **{"lr": 0.05, "momentum": 0.9} | more)


KINDS = {
    "sgd": sgd,
    "nesterov": lambda params: sgd(params, nesterov=True, weight_decay=0.01),
    "dampened": lambda params: sgd(params, dampening=0.3),
    "maximize": lambda params: sgd(params, maximize=True, lr=1e-6),
    "adam": lambda params: torch.optim.Adam(params, lr=0.01, weight_decay=0.01),
    "adamw": lambda params: torch.optim.AdamW(params, lr=0.01, fused=True),
    "nadam": lambda params: torch.optim.NAdam(params, lr=0.01),
    "rmsprop": lambda params: torch.optim.RMSprop(params, lr=0.001, momentum=0.8, centered=True),
}


@pytest.mark.parametrize("name", KINDS)
def test_a_sound_optimizer_holds_the_momentum_it_is_asked_for(name):
    model = linear()
    optimizer = KINDS[name](model.parameters())
    with Watch(model, optimizer, **SILENT, expect=0.8 if name == "rmsprop" else 0.9) as watch:
        told = loop(watch, model, optimizer)
    held = [reading.held for reading in watch.monitor.history.readings]
    assert not told, told
    assert len(held) >= 2
    assert max(abs(value - (0.8 if name == "rmsprop" else 0.9)) for value in held) < 1e-4


@pytest.mark.parametrize("name", ["sgd", "nesterov", "adam", "rmsprop"])
def test_a_velocity_that_is_lost_every_step_is_named(name):
    model = linear()
    optimizer = KINDS[name](model.parameters())

    def forget(k):
        for held in optimizer.state.values():
            for key in ("momentum_buffer", "exp_avg"):
                if key in held:
                    held[key].zero_()

    with Watch(model, optimizer, **SILENT) as watch:
        told = loop(watch, model, optimizer, before=forget)
    assert told["velocity lost"].began <= 50
    assert "the velocity is the gradient of this step alone" in told["velocity lost"].words


def test_when_the_velocity_is_kept_again_the_message_ends():
    model = linear()
    optimizer = sgd(model.parameters())
    with Watch(model, optimizer, **SILENT) as watch:
        told = loop(watch, model, optimizer, steps=120, before=lambda k: optimizer.state.clear() if k < 60 else None)
    assert 60 < told["velocity lost"].ended <= 120


@pytest.mark.parametrize(("made", "asked"), [(0.0, 0.9), (0.5, 0.9), (0.9, 0.0), (0.99, 0.9)])
def test_a_momentum_that_is_not_the_expected_one_is_named(made, asked):
    model = linear()
    optimizer = sgd(model.parameters(), momentum=made)
    with Watch(model, optimizer, **SILENT, expect=asked) as watch:
        told = loop(watch, model, optimizer)
    assert told["momentum"].began <= 50
    assert f"Momentum {asked:g} is expected, but the optimizer uses {made:g}" in told["momentum"].words


def test_groups_are_told_apart():
    model = nn.Sequential(nn.Linear(6, 8), nn.Linear(8, 3))
    groups = [{"params": model[0].parameters(), "momentum": 0.5}, {"params": model[1].parameters()}]
    optimizer = sgd(groups)
    with Watch(model, optimizer, **SILENT, expect=0.9) as watch:
        told = loop(watch, model, optimizer)
    assert "in group 0" in told["momentum"].words
    assert {reading.group for reading in watch.monitor.history.readings} == {0, 1}


def test_a_learning_rate_at_0_is_named_and_a_warm_up_that_starts_there_is_not():
    model = linear()
    optimizer = sgd(model.parameters(), lr=0.0)
    with Watch(model, optimizer, **SILENT) as watch:
        told = loop(watch, model, optimizer)
    assert told["learning rate 0"].began <= 50
    model = linear()
    optimizer = sgd(model.parameters())

    def warm(k):
        optimizer.param_groups[0]["lr"] = 0.05 * min(k / 10, 1)

    with Watch(model, optimizer, **SILENT) as watch:
        assert not loop(watch, model, optimizer, before=warm)


def test_a_loss_that_is_not_finite_is_told_with_the_last_finite_state():
    model = linear()
    optimizer = sgd(model.parameters())

    def poison(k):
        if k == 20:
            with torch.no_grad():
                model.weight[0, 0] = math.inf

    with Watch(model, optimizer, **SILENT) as watch:
        told = loop(watch, model, optimizer, steps=22, before=poison)
    assert told["not finite"].began == 21
    assert "not been finite since step 21; the last finite one was" in told["not finite"].words


def test_an_optimizer_that_is_made_anew_in_the_loop_is_named():
    model = linear()
    watch = Watch(model, sgd(model.parameters()), **SILENT)
    for _ in range(5):
        optimizer = sgd(model.parameters())
        loss = nn.functional.cross_entropy(model(X), Y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        watch.step(loss)
    watch.close()
    assert "Another optimizer (SGD) steps this model" in watch.messages[0].words


def test_two_optimizers_that_share_a_model_are_no_fault():
    model = nn.Sequential(nn.Linear(6, 8), nn.Linear(8, 3))
    one, two = sgd(model[0].parameters()), torch.optim.Adam(model[1].parameters())
    with Watch(model, one, **SILENT) as watch:
        told = loop(watch, model, one, before=lambda k: k and two.step())
    assert not told


@pytest.mark.parametrize("batch", [16, None])  # without it, noise may hide the rate: then none is told
def test_clipped_steps_are_counted_and_the_rate_that_acts_is_told(batch):
    model = linear()
    optimizer = sgd(model.parameters(), lr=0.01)
    shares, settings = [], SILENT | {"every": 10, "batch_size": batch}

    def note(k):
        rows = torch.tensor(rng.integers(0, 64, 16))  # as in `loop`
        loss = nn.functional.cross_entropy(model(X[rows]), Y[rows])
        shares.append(0.05 / math.hypot(*(float(g.norm()) for g in torch.autograd.grad(loss, list(model.parameters())))))

    rng = np.random.default_rng(1)
    with Watch(model, optimizer, **settings) as watch:
        told = loop(watch, model, optimizer, steps=200, clip=0.05, before=note)
    words = told["clipped"].words
    assert "Clipping to norm 0.05 shortens 100 % of the steps" in words
    since = told["clipped"].began
    assert batch is None or "the learning rate in effect is about" in words
    if "about" in words:
        acts = float(words.split("about ")[1].split(",")[0])
        assert acts == pytest.approx(0.01 * np.mean(shares[max(since - 160, 0) : since]), rel=0.15)


def test_a_loss_that_has_left_is_told_and_no_edge_is_called_harmless_then():
    model = nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 3))
    optimizer = sgd(model.parameters(), lr=0.05)

    def raised(k):
        optimizer.param_groups[0]["lr"] = 0.05 if k < 60 else 20.0

    with Watch(model, optimizer, **SILENT | {"every": 5}) as watch:
        told = loop(watch, model, optimizer, steps=120, before=raised)
    assert told["risen"].began > 60
    assert told["risen"].words.startswith("The loss has risen to ")
    edges = [one.words for one in watch.messages if one.name == "beyond the edge" and one.began >= told["risen"].began]
    assert all("no reason for alarm" not in words for words in edges)


def test_clipping_hardly_shortens_the_steps_of_an_optimizer_that_divides_by_the_size_of_gradients():
    moved = []
    for clip in (None, 0.05):
        model = linear()
        optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
        start = model.weight.detach().clone()
        with Watch(model, optimizer, **SILENT | {"every": 10}) as watch:
            told = loop(watch, model, optimizer, steps=100, clip=clip)
        moved.append(float((model.weight.detach() - start).norm()))
    words = told["clipped"].words
    assert words.startswith("Clipping to norm 0.05 shortens 100 % of the gradients, but hardly the steps")
    assert "learning rate in effect" not in words
    assert float(words.split("about ")[1].split(" acts")[0]) < 0.4
    assert 0.8 < moved[1] / moved[0] < 1.25


def test_a_run_too_short_for_a_look_says_so_and_what_to_do(tmp_path):
    model = linear()
    optimizer = sgd(model.parameters())
    settings = {name: value for name, value in SILENT.items() if name != "every"}
    with Watch(model, optimizer, **settings, budget=1e-6, log=tmp_path / "run.jsonl") as watch:
        loop(watch, model, optimizer, steps=40)
    told = watch.messages[-1]
    assert not watch.looks
    assert told.name == "no look"
    assert told.words.startswith("Curvature was not looked at: 40 steps in ")
    assert "Give every=4 in a run as short as this, or a larger budget." in told.words
    assert watched(tmp_path / "run.jsonl").active[-1] == told


def test_steps_that_a_scaler_leaves_out_are_counted():
    model = linear()
    optimizer = sgd(model.parameters())
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**8)
    watch = Watch(model, optimizer, **SILENT, scaler=scaler)
    for k in range(40):
        loss = nn.functional.cross_entropy(model(X), Y)
        optimizer.zero_grad()
        scaler.scale(loss).backward()
        if k in (20, 30):
            model.weight.grad[0, 0] = math.inf
        scaler.step(optimizer)
        scaler.update()
        watch.step(loss)
    watch.close()
    assert watch.steps == 38
    assert len(watch.monitor.history.skipped) == 2
    assert "left out 2 of the last" in {told.name: told for told in watch.messages}["skipped"].words


class Noisy(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner, self.calls = nn.Linear(6, 3), 0

    def forward(self, x):
        self.calls += 1
        return self.inner(x) * self.calls


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda model: {"probe": None}, "probe is missing"),
        (lambda model: {"probe": []}, "cannot be read|no batch|no examples"),
        (lambda model: {"budget": 0.0}, "budget = 0 is outside"),
        (lambda model: {"budget": "3 %"}, "budget = '3 %' is not a number"),
        (lambda model: {"every": 0}, "every = 0 is no number of steps"),
        (lambda model: {"every": 2.5}, "every = 2.5 is no number of steps"),
        (lambda model: {"every": True}, "every = True is no number of steps"),
        (lambda model: {"every": "10 steps"}, "every = '10 steps' is not a number"),
        (lambda model: {"expect": "much"}, "expect = 'much' is not a number"),
        (lambda model: {"batch_size": 0}, "batch_size = 0 is too few"),
        (lambda model: {"say": "loud"}, "say = 'loud' cannot be told anything"),
        (lambda model: {"expect": 1.5}, "expect = 1.5 is outside"),
        (lambda model: {"scaler": 3}, "no get_scale"),
        (lambda model: {"log": 3}, "cannot be logged to"),
        (lambda model: {"log": "/dev/null/x.jsonl"}, "cannot write"),
        (lambda model: {"probe": (X * math.nan, Y)}, "the loss of batch 0 .* is nan"),
        (lambda model: {"loss_fn": None}, "cannot be computed from the probe .*TypeError.*give loss_fn"),
    ],
)
def test_bad_input_is_refused_at_once(change, words):
    model = linear()
    optimizer = sgd(model.parameters())
    with pytest.raises(BadInput, match=words):
        Watch(model, optimizer, **SILENT | change(model))
    assert not optimizer._optimizer_step_post_hooks


@pytest.mark.parametrize("loss", [torch.ones(3), [1.0], "low", {}])
def test_a_loss_that_is_no_number_is_refused_at_the_step_that_brings_it(loss):
    model = linear()
    optimizer = sgd(model.parameters())
    with Watch(model, optimizer, **SILENT) as watch:
        nn.functional.cross_entropy(model(X), Y).backward()
        optimizer.step()
        with pytest.raises(BadInput, match=r"holds 3 numbers|is not a number"):
            watch.step(loss)


@pytest.mark.parametrize("state", [{}, 3, {"steps": "many"}, {"steps": -1}, {"steps": 1.5}])
def test_a_state_that_no_watch_wrote_is_refused(state):
    model = linear()
    with Watch(model, sgd(model.parameters()), **SILENT) as watch, pytest.raises(BadInput, match="steps"):
        watch.load_state_dict(state)


def test_a_probe_that_is_not_deterministic_is_refused_by_name():
    model = nn.Sequential(Noisy())
    with pytest.raises(BadInput, match=r"not deterministic.*module '0.inner'|not deterministic"):
        Watch(model, sgd(model.parameters()), **SILENT)


def test_an_optimizer_of_another_model_is_refused():
    with pytest.raises(BadInput, match="none of the model's parameters"):
        Watch(linear(), sgd(linear().parameters()), **SILENT)


def test_a_look_that_fails_is_a_message_and_the_run_goes_on():
    model = linear()
    optimizer = sgd(model.parameters())
    broken = []

    def forward(model, batch):
        if broken:
            raise RuntimeError("no memory today")
        return nn.functional.cross_entropy(model(batch[0]), batch[1])

    with Watch(model, optimizer, forward=forward, probe=(X, Y), every=5, say=False) as watch:
        told = loop(watch, model, optimizer, steps=20, before=lambda k: broken.append(k) if k == 10 else None)
    assert "RuntimeError: no memory today" in told["blind"].words
    assert watch.steps == 20


class Cube(torch.autograd.Function):
    """x^3 without a second derivative."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x**3

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, grad):
        return 3 * ctx.saved_tensors[0] ** 2 * grad


@pytest.mark.filterwarnings("error")
def test_without_a_second_derivative_differences_of_gradients_tell_the_same():
    found = {}
    for name, cube in {"exact": lambda x: x**3, "differences": Cube.apply}.items():
        model = linear()
        optimizer = sgd(model.parameters(), lr=0.01)

        def forward(model, batch, cube=cube):
            return cube(model(batch[0])).square().mean()

        said = pytest.warns(InertiaWarning, match="no second derivative") if name == "differences" else nullcontext()
        with said:
            watch = Watch(model, optimizer, forward=forward, probe=(X, Y), every=1, say=False)
        with watch:
            loss = forward(model, (X, Y))
            loss.backward()
            optimizer.step()
            watch.step(loss)
        found[name] = watch.looks[0]
        assert watch.probe.products == name
    assert found["differences"].sharpness == pytest.approx(found["exact"].sharpness, rel=0.01)


def test_a_model_that_is_shared_out_is_refused():
    """One process is a group as well: fully_shard's marks are what counts."""
    import torch.distributed as dist
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard

    dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    try:
        model = nn.Linear(3, 1)
        fully_shard(model, mesh=init_device_mesh("cpu", (1,)))
        with pytest.raises(BadInput, match="shared out over several processes"):
            Watch(model, torch.optim.SGD(model.parameters(), lr=0.1), nn.MSELoss(), probe=(torch.zeros(4, 3), torch.zeros(4, 1)))
    finally:
        dist.destroy_process_group()


@pytest.mark.parametrize(
    ("make", "edge"),
    [
        (lambda params: torch.optim.SGD(params, lr=0.1, momentum=0.9, dampening=0.5), 2 * 1.9 / (0.1 * 0.5)),
        (lambda params: torch.optim.SGD(params, lr=0.1, momentum=0.9, nesterov=True), 2 * 1.9 / (0.1 * 2.8)),
        (lambda params: Momentum(params, Method(0.1, 0.9, 0.9, 0.9)), 2 * 1.9 / (0.1 * 2.8)),
        (lambda params: Momentum(params, Method(0.1, 0.5), weight_decay=0.2, decoupled=True), (2 - 0.02) * 1.5 / 0.1),
    ],
    ids=["dampened", "Nesterov", "ours", "ours, decoupled decay"],
)
def test_the_edge_is_that_of_the_method_in_use(make, edge):
    model = nn.Linear(4, 1)
    optimizer, x, y = make(model.parameters()), torch.eye(4), torch.ones(4, 1)
    with Watch(model, optimizer, nn.MSELoss(), probe=(x, y), every=1, say=False) as watch:
        for _ in range(2):
            loss = nn.functional.mse_loss(model(x), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            watch.step(loss)
    assert watch.looks[-1].edge == pytest.approx(edge, rel=1e-6)

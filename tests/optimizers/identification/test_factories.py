"""What people hand to identify: groups, models, schedulers, closures, label trees, whole scripts."""

import json
import subprocess
import sys

import numpy as np
import pytest

import inertia
from inertia.cli import main
from inertia.errors import BadInput

SCRIPT = """
import sys
sys.path.append("lib")
import torch
LR = 0.1
options = {"momentum": 0.9}
options["nesterov"] = True
model = print("MODEL")

def helper(params):
    model = params  # a name of its own
    return torch.optim.SGD(model, lr=LR, **options)

def make(params):
    return helper(params)

for epoch in range(3):
    print("TRAINING")
    rate = 3.0
print("TRAINED")

def late(params):
    return torch.optim.SGD(params, lr=rate)
"""


def test_a_script_without_a_main_guard_starts_no_training(tmp_path, capsys):
    pytest.importorskip("torch")
    file = tmp_path / "train.py"
    file.write_text(SCRIPT)
    assert main(["identify", f"{file}:make", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)  # nothing of the script was printed
    assert found["verdict"] == "Nesterov"
    assert main(["identify", f"{file}:late"]) == 2
    said = capsys.readouterr().err
    assert "needs 'rate', which line 19 sets in a loop or a block" in said


def test_parameter_groups_are_told_one_by_one():
    torch = pytest.importorskip("torch")

    def groups(params):
        decayed, rest = [p for p in params if p.ndim > 1], [p for p in params if p.ndim < 2]
        return torch.optim.SGD([{"params": decayed, "weight_decay": 0.01}, {"params": rest, "lr": 1e-6}], lr=0.1, momentum=0.9)

    found = inertia.torch.identify(groups)
    assert [(one.name, one.method.alpha, one.weight_decay) for one in found.groups] == [("group 0", 0.1, 0.01), ("group 1", 1e-6, 0.0)]
    assert "group 1: heavy ball" in str(found)
    assert not found.warnings
    assert [one["name"] for one in found.to_json()["groups"]] == ["group 0", "group 1"]


def test_an_instance_of_any_size_is_read_and_left_alone():
    torch = pytest.importorskip("torch")
    model = torch.nn.Linear(1, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-6, momentum=0.9, weight_decay=0.01)
    scheduler = torch.optim.lr_scheduler.LinearLR(optimizer, 0.5, 1.0, 10)
    before = [p.detach().clone() for p in model.parameters()]
    found = inertia.identify((optimizer, scheduler))
    assert found.verdict == "SGD, momentum 0.9, under a schedule"
    assert found.alphas[:2] == pytest.approx([0.5e-6, 0.55e-6])
    assert found.weight_decay == pytest.approx(0.01)
    assert all(torch.equal(a, b) for a, b in zip(before, model.parameters(), strict=True))
    assert scheduler.last_epoch == 0
    assert not optimizer.state


def test_models_closures_and_other_things_are_named():
    torch = pytest.importorskip("torch")
    from inertia.torch import identify

    with pytest.raises(BadInput, match="gives a list of parameters to the factory, and it asked for 'parameters' as a model has it"):
        identify(lambda model: torch.optim.SGD(model.parameters(), lr=0.1))
    with pytest.raises(BadInput, match=r"LBFGS\.step needs a closure"):
        identify(torch.optim.LBFGS)
    with pytest.raises(BadInput, match="the factory made a tuple of int, int"):
        identify(lambda params: (1, 2))
    with pytest.raises(BadInput, match="more than one optimizer"):
        identify(lambda params: [torch.optim.SGD(params, lr=0.1), torch.optim.SGD(params, lr=0.1)])
    still = identify(lambda params: torch.optim.SGD(params, lr=0.0))
    assert "learning rate 0" in str(still)


def test_a_clipped_optimizer_is_told_with_its_bound():
    torch = pytest.importorskip("torch")

    class Clipped(torch.optim.SGD):
        def step(self, closure=None):
            torch.nn.utils.clip_grad_norm_([p for group in self.param_groups for p in group["params"]], 0.7)
            super().step(closure)

    found = inertia.torch.identify(lambda ps: Clipped(ps, lr=0.1, momentum=0.9, weight_decay=1e-3))
    assert (found.clip, found.clip_bound) == ("norm", pytest.approx(0.7))
    assert found.method[:2] == pytest.approx((0.1, 0.9))


def test_a_rate_that_is_zero_at_every_other_step_is_no_lost_momentum():
    torch = pytest.importorskip("torch")

    def cyclic(params):
        optimizer = torch.optim.SGD(params, lr=0.1, momentum=0.9)
        return optimizer, torch.optim.lr_scheduler.LambdaLR(optimizer, lambda k: float(k % 3 > 0))

    found = inertia.torch.identify(cyclic)
    assert found.method.beta == pytest.approx(0.9)
    assert np.count_nonzero(np.array(found.alphas)) == np.count_nonzero(np.arange(len(found.alphas)) % 3)
    assert not found.warnings


def test_label_trees_and_accumulation_of_optax():
    pytest.importorskip("jax")
    import optax

    labels = {"w": "a", "v": {"b": "b"}}
    made = optax.multi_transform({"a": optax.sgd(0.1, momentum=0.9), "b": optax.sgd(0.01)}, labels)
    found = inertia.identify(made)
    assert [(one.name, one.verdict) for one in found.groups] == [
        ("['v']['b']", "gradient descent: no momentum"),
        ("['w']", "heavy ball"),
    ]
    gathered = inertia.jax.identify(optax.MultiSteps(optax.sgd(0.1, momentum=0.9), 4))
    assert (gathered.verdict, gathered.accumulation) == ("heavy ball", 4)
    named = optax.masked(optax.sgd(0.1), lambda params: {"mine": True, "yours": False})
    with pytest.raises(BadInput, match="pass params="):
        inertia.jax.identify(named)
    assert len(inertia.jax.identify(named, params={"mine": np.ones(2), "yours": np.ones((2, 2))}).groups) == 2


@pytest.mark.parametrize("nesterov", [False, True])
@pytest.mark.parametrize("place", ["coupled", "decoupled"])
@pytest.mark.parametrize("own", ["linear", "cosine"])
def test_a_decay_under_a_schedule_of_its_own_is_told_beside_the_method(place, own, nesterov):
    optax = pytest.importorskip("optax")
    falling = {"linear": optax.linear_schedule(1e-2, 0.0, 20), "cosine": optax.cosine_decay_schedule(1e-2, 100)}[own]
    decay = optax.inject_hyperparams(optax.add_decayed_weights)(weight_decay=falling)
    if place == "coupled":
        made = optax.chain(decay, optax.sgd(optax.linear_schedule(0.1, 0.02, 40), 0.9, nesterov=nesterov))
    else:
        made = optax.chain(optax.trace(0.9, nesterov=nesterov), decay, optax.scale_by_schedule(optax.linear_schedule(-0.1, -0.02, 40)))
    found = inertia.jax.identify(made, params={"w": np.ones((4, 3), np.float32)})
    assert found.linear
    assert found.method.beta == pytest.approx(0.9, rel=1e-5)
    assert found.method.gamma == pytest.approx(0.9 * nesterov, abs=1e-5)
    assert found.decoupled == (place == "decoupled")
    (text,) = (line for line in found.evidence if line.startswith("weight decay under a schedule of its own"))
    assert ", 0.01 at step 0" in text.replace(": 0.01", ", 0.01")
    assert found.weight_decay == pytest.approx(float(falling(63)), rel=1e-3, abs=1e-9)


def test_nothing_global_is_changed():
    pytest.importorskip("jax")
    code = (
        "import jax, optax, inertia; inertia.identify(optax.sgd(0.1)); assert not jax.config.jax_enable_x64;"
        "assert jax.numpy.ones(2).dtype == 'float32'"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("name", ["Adam", "AdamW", "NAdam", "RMSprop", "Adamax", "RAdam", "Adadelta"])
def test_a_group_made_for_graphs_of_an_accelerator_is_read_where_there_is_none(name):
    torch = pytest.importorskip("torch")
    kind = getattr(torch.optim, name)
    there = inertia.torch.identify(lambda params: kind(params, lr=torch.tensor(0.003, dtype=torch.float64), capturable=True))
    here = inertia.torch.identify(lambda params: kind(params, lr=0.003))
    assert there.verdict == here.verdict
    assert str(there) == str(here)
    model = torch.nn.Linear(8, 8)
    living = kind(model.parameters(), lr=0.003, capturable=True)
    assert inertia.torch.identify(living).verdict == here.verdict
    assert living.param_groups[0]["capturable"]  # the user's own is left as it is

"""Real optimizers of torch and optax, and `inertia identify` on a file."""

import json

import numpy as np
import pytest

from inertia.cli import main
from inertia.core.method import Method
from inertia.errors import BadInput
from inertia.optimizers.identification.verdict import NONLINEAR


@pytest.fixture(scope="module")
def torch():
    return pytest.importorskip("torch")


def test_torch_optimizers_are_what_they_say(torch):
    from inertia.torch import Momentum, identify

    sgd = torch.optim.SGD
    table = {
        "heavy ball": lambda p: sgd(p, lr=0.1, momentum=0.9),
        "Nesterov": lambda p: sgd(p, lr=0.1, momentum=0.9, nesterov=True, weight_decay=0.01),
        "gradient descent: no momentum": lambda p: sgd(p, lr=0.1),
        "momentum with gamma = 0.35": lambda p: Momentum(p, Method(0.1, 0.6, 0.35)),
        NONLINEAR: lambda p: torch.optim.Rprop(p, lr=0.1),
    }
    found = {name: identify(factory) for name, factory in table.items()}
    assert all(name == one.verdict for name, one in found.items())
    assert found["Nesterov"].weight_decay == pytest.approx(0.01)
    assert found["Nesterov"].decoupled is False
    assert found["heavy ball"].inside is False
    assert not any(one.warnings for one in found.values())


@pytest.mark.parametrize("name", ["RMSprop", "Adagrad", "AdamW", "Adamax", "NAdam", "RAdam", "Rprop", "Adadelta"])
def test_other_torch_optimizers_are_no_momentum_methods(torch, name):
    from inertia.torch import identify

    found = identify(lambda p: getattr(torch.optim, name)(p, lr=0.01))
    assert not found.linear
    assert found.verdict.startswith(NONLINEAR if name in ("Rprop", "Adadelta") else f"{name}, learning rate 0.01")


def test_torch_dampening_shows_in_the_first_step(torch):
    from inertia.torch import identify

    found = identify(lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9, dampening=0.5))
    assert found.method[:2] == pytest.approx((0.05, 0.9))
    assert "torch's undamped first step, dampening = 0.5" in " ".join(found.evidence)


def test_decoupled_decay_is_told_apart(torch):
    from inertia.torch import Momentum, identify

    found = identify(lambda p: Momentum(p, Method(0.1, 0.9), weight_decay=0.05, decoupled=True))
    assert (found.decoupled, found.weight_decay) == (True, pytest.approx(0.05))
    assert found.method.beta == pytest.approx(0.9)


def test_a_scheduler_that_moves_momentum_is_seen(torch):
    from inertia.torch import identify

    def cycling(params):
        optimizer = torch.optim.SGD(params, lr=0.1, momentum=0.9)
        return optimizer, torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.1, total_steps=100)

    found = identify(cycling)
    assert found.inside is False
    assert "momentum changes in time" in " ".join(found.evidence)
    assert not found.warnings  # the schedule is meant
    steady = identify(lambda p: (o := torch.optim.SGD(p, lr=0.1, momentum=0.9), torch.optim.lr_scheduler.ExponentialLR(o, 0.95)))
    assert steady.method.beta == pytest.approx(0.9)
    assert not steady.warnings


def test_a_live_optimizer_is_probed_on_a_copy_and_a_buffer_that_is_emptied_is_missed(torch):
    from inertia.torch import identify

    param = torch.nn.Parameter(torch.ones(3, 4, dtype=torch.float64))

    class Forgetful(torch.optim.SGD):
        def step(self, closure=None):
            super().step(closure)
            self.state.clear()

    optimizer = Forgetful([param], lr=0.1, momentum=0.9)
    found = identify(optimizer)
    assert "momentum 0.9 was asked for and is not there" in found.warnings[0]
    assert torch.equal(param.detach(), torch.ones(3, 4, dtype=torch.float64))
    with pytest.raises(BadInput, match="the factory made a int"):
        identify(lambda params: 3)


def test_optax_transformations_are_what_they_say():
    pytest.importorskip("jax")
    import optax

    from inertia.jax import identify

    table = [
        (optax.sgd(0.1, momentum=0.9), "heavy ball", (0.1, 0.9, 0.0)),
        (optax.sgd(0.1, momentum=0.9, nesterov=True), "Nesterov", (0.1, 0.9, 0.9)),
        (optax.sgd(0.1), "gradient descent: no momentum", (0.1, 0.0, 0.0)),
        (optax.chain(optax.ema(0.9, debias=False), optax.scale(-0.1)), "heavy ball", (0.01, 0.9, 0.0)),
    ]
    for transform, verdict, numbers in table:
        found = identify(transform)
        assert found.verdict == verdict
        np.testing.assert_allclose(found.method[:3], numbers, rtol=1e-3, atol=1e-4)  # float32
    assert identify(optax.sign_sgd(0.1)).verdict == NONLINEAR
    clipped = identify(optax.chain(optax.clip_by_global_norm(1.0), optax.sgd(0.1, momentum=0.9)))
    assert "this looks like clipping" in " ".join(clipped.evidence)
    assert "below the threshold it is heavy ball" in " ".join(clipped.evidence)
    with pytest.raises(BadInput, match="float is not an optax transformation"):
        identify(0.1)


def test_optax_keeps_the_rate_outside_and_bias_correction_is_named():
    pytest.importorskip("jax")
    import optax

    from inertia.jax import identify

    assert identify(optax.sgd(0.1, momentum=0.9), slower=optax.sgd(0.025, momentum=0.9)).inside is False
    assert identify(optax.inject_hyperparams(optax.sgd)(learning_rate=0.1, momentum=0.9)).inside is False
    inside = lambda rate: optax.chain(optax.scale(-rate), optax.trace(0.9))  # noqa: E731
    assert identify(inside(0.1), slower=inside(0.025)).inside is True
    debiased = identify(optax.chain(optax.ema(0.8, debias=True), optax.scale(-0.1)))
    assert debiased.linear
    assert "bias correction" in " ".join(debiased.evidence)


BROKEN = {
    "def make(params):\n    return 1 / 0\n": r"your code in .*train.py:2 raised ZeroDivisionError: division by zero",
    "def make(params:\n": r"your code in .*train.py:1 raised SyntaxError",
    "def other(params):\n    return 3\n": r"has no function 'make'.*there are: other",
    "make = 3\n": "make in .* is a int, not a function",
    "def make(a, b):\n    return 3\n": "make needs 2 arguments",
    "def make():\n    return 3\n": "the factory made a int: return a torch optimizer",
    "import nowhere_to_be_found\n": r"train.py:1 raised ModuleNotFoundError",
}


@pytest.mark.parametrize("text", BROKEN)
def test_mistakes_in_the_file_are_one_line(tmp_path, capsys, text):
    import re

    file = tmp_path / "train.py"
    file.write_text(text)
    assert main(["identify", f"{file}:make"]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    assert re.search(BROKEN[text], captured.err)


def test_missing_files_and_names_are_one_line(tmp_path, capsys):
    assert main(["identify", "nowhere.py:make"]) == 2
    assert "no such file: nowhere.py" in capsys.readouterr().err
    assert main(["identify", "train.py"]) == 2
    assert "'train.py' is not FILE.py:FACTORY" in capsys.readouterr().err
    (tmp_path / "train.txt").write_text("")
    assert main(["identify", f"{tmp_path / 'train.txt'}:make"]) == 2
    assert "is not a Python file" in capsys.readouterr().err


FROZEN = """
import numpy as np

def make():
    velocity = np.zeros(8)
    return lambda grad: -0.1 * (0.9 * velocity + grad)
"""


def test_the_command_says_json_and_misses_momentum(tmp_path, capsys):
    file = tmp_path / "train.py"
    file.write_text(FROZEN)
    assert main(["identify", f"{file}:make", "--momentum", "0.9", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["verdict"] == "gradient descent: no momentum"
    assert "is not there" in found["warnings"][0]
    assert main(["identify", f"{file}:make"]) == 0
    assert "gradient descent: no momentum\n  alpha = 0.1, beta = 0, gamma = 0" in capsys.readouterr().out


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_the_command_reads_all_kinds_of_factories(tmp_path, capsys, torch):
    pytest.importorskip("jax")
    file = tmp_path / "kinds.py"
    file.write_text(
        "import torch, optax\n"
        "def a(params): return torch.optim.SGD(params, lr=0.1, momentum=0.9)\n"
        "def b(): return optax.sgd(0.1, momentum=0.9)\n"
        "def c(): return torch.optim.SGD([torch.nn.Parameter(torch.ones(6))], lr=0.1, momentum=0.9)\n"
    )
    for name in "abc":
        assert main(["identify", f"{file}:{name}", "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["verdict"] == "heavy ball"


def test_a_jitted_step_that_closes_over_its_state_has_no_momentum():
    """The bug that made a published table of momentum losses plain SGD: jit reads the state once and for ever."""
    jax = pytest.importorskip("jax")
    import optax

    from inertia.optimizers.identification import identify

    optimizer = optax.sgd(0.1, momentum=0.9)
    first = optimizer.init(jax.numpy.zeros(8))
    kept = {"state": first}

    @jax.jit
    def closed(grad):
        updates, kept["state"] = optimizer.update(grad, kept["state"])
        return updates

    found = identify(lambda grad: np.asarray(closed(jax.numpy.asarray(grad, dtype=jax.numpy.float32))), declared=0.9)
    assert found.verdict == "gradient descent: no momentum"
    assert "momentum 0.9 was asked for and is not there" in found.warnings[0]
    carried = {"state": first}

    def open_step(grad):
        updates, carried["state"] = optimizer.update(jax.numpy.asarray(grad, dtype=jax.numpy.float32), carried["state"])
        return np.asarray(updates)

    assert identify(open_step, declared=0.9).verdict == "heavy ball"


@pytest.mark.parametrize("adam_first", [True, False])
def test_tensors_stepped_in_other_ways_are_told_apart(adam_first):
    """SGD beside Adam in one transformation is what it is alone, whichever comes first; what stands still is said to."""
    optax, jnp = pytest.importorskip("optax"), pytest.importorskip("jax.numpy")
    from inertia.jax import identify

    labels = {"a": "x", "b": "y"} if adam_first else {"a": "y", "b": "x"}
    tree = {"a": jnp.ones((8, 4)), "b": jnp.ones(4)}
    for other in (optax.sgd(0.01), optax.sgd(0.01, momentum=0.9), optax.set_to_zero()):
        alone = identify(other, params={"b": tree["b"]})
        both = identify(optax.multi_transform({"x": optax.adam(0.02), "y": other}, labels), params=tree)
        told = {group.name: group for group in both.groups}
        first, second = (told[f"['{name}']"] for name in ("ab" if adam_first else "ba"))
        assert first.verdict == "Adam, learning rate 0.02, beta1 0.9, beta2 0.999"
        assert (second.verdict, second.method) == (alone.verdict, alone.method)
        assert not any("divides by their size" in text for text in second.evidence)


def test_what_asks_for_more_than_gradients_is_refused():
    optax = pytest.importorskip("optax")
    from inertia.jax import identify

    tree = {"kernel": np.ones((4, 2), np.float32)}
    for transform, why in (
        (optax.lbfgs(), "TypeError: .*line search"),
        (optax.lookahead(optax.sgd(0.1), 5, 0.5), "AttributeError: .*fast"),
    ):
        with pytest.raises(BadInput, match=rf"cannot be stepped with gradients and parameters alone \({why}"):
            identify(transform, params=tree)

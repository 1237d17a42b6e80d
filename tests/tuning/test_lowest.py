"""A number that a loss cannot go below: taken by every door, refused where it cannot hold, and told where a run has gone below it."""

import pytest

jax = pytest.importorskip("jax")
torch = pytest.importorskip("torch")

import jax.numpy as jnp  # noqa: E402

import inertia  # noqa: E402
from inertia.errors import BadInput  # noqa: E402
from inertia.tasks.models import torch_task  # noqa: E402
from inertia.tuning.reasons import figure, remarks  # noqa: E402


def test_a_bound_of_a_loss_of_ones_own_is_kept_by_every_door_or_refused():
    """torch's own loss knows its bound; the same loss as a function gets it by lowest=, in torch, in JAX and in a task."""
    x = torch.linspace(-1.0, 1.0, 60)[:, None]
    y = torch.sin(3 * x)

    def model(seed=0):
        torch.manual_seed(seed)
        return torch.nn.Sequential(torch.nn.Linear(1, 8), torch.nn.Tanh(), torch.nn.Linear(8, 1))

    def own(out, target):
        return (out - target).square().mean()

    words = {"steps": 30, "batch_size": 10, "runs": 1}
    known = inertia.tune(model(), torch.nn.MSELoss(), (x, y), **words)
    said = inertia.tune(model(), own, (x, y), lowest=0, **words)
    task = inertia.tune(torch_task(model(), own, (x, y), steps=30, batch_size=10, lowest=0), runs=1)
    assert known.measurement.lowest == said.measurement.lowest == task.measurement.lowest == 0
    assert known.runs[0].recipe == said.runs[0].recipe == task.runs[0].recipe
    assert said.history.trials[0].candidate.expected == known.history.trials[0].candidate.expected
    assert inertia.check(model(), own, (x, y), lr=0.1, steps=30, lowest=0).expected.low >= 0
    assert inertia.tune(model(), own, (x, y), **words).measurement.lowest is None
    weights = {"a": jnp.asarray(model()[0].weight.detach().numpy().T)}

    def in_jax(w, batch):
        return jnp.mean((jnp.tanh(batch[0] @ w["a"]).sum(axis=1, keepdims=True) - batch[1]) ** 2)

    arrays = (x.numpy(), y.numpy())
    for wrong, told in ((9.0, "lowest = 9, but the loss at the start is"), (float("nan"), "lowest = nan"), ("0", "lowest = '0'")):
        with pytest.raises(BadInput, match=told):
            inertia.tune(model(), own, (x, y), lowest=wrong, **words)
        with pytest.raises(BadInput, match=told):
            inertia.tune(in_jax, weights, arrays, lowest=wrong, **words)


def test_a_run_below_the_bound_that_was_given_is_told():
    x = torch.linspace(-1.0, 1.0, 60)[:, None]
    found = inertia.tune(torch.nn.Linear(1, 1), lambda out, y: (out - y).square().mean(), (x, 3 * x), steps=40, lowest=0.4, runs=1)
    assert found.verified_loss < 0.4
    (told,) = (line for line in remarks(found) if "which was given as the lowest" in line)
    assert figure(found.verified_loss) in told


@pytest.mark.parametrize("job", ["absolute error", "hinge"])
def test_a_loss_of_flat_pieces_has_no_scale_and_says_so(job):
    """A linear model under an absolute error or a hinge has no curvature anywhere; its rounded form is tuned."""
    x = torch.randn(60, 3, generator=torch.Generator().manual_seed(0))
    y = x.sum(dim=1, keepdim=True)
    sharp, rounded = {
        "absolute error": (torch.nn.L1Loss(), torch.nn.HuberLoss()),
        "hinge": (lambda o, t: (1 - o * t.sign()).clamp(min=0).mean(), lambda o, t: (1 - o * t.sign()).clamp(min=0).square().mean()),
    }[job]
    words = {"steps": 20, "batch_size": 10}
    for call in (inertia.tune, inertia.check, inertia.measure):
        more = {"lr": 0.1} if call is inertia.check else {"runs": 1} if call is inertia.tune else {}
        with pytest.raises(BadInput, match="the curvature is 0 at the start: the loss is made of flat pieces"):
            call(torch.nn.Linear(3, 1), sharp, (x, y), **words, **more)
    assert inertia.tune(torch.nn.Linear(3, 1), rounded, (x, y), runs=1, **words).trained

"""Schedulers as people hold them become the factors that a loop with them would use."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch.optim import lr_scheduler as kinds  # noqa: E402

import inertia  # noqa: E402
from inertia.errors import BadInput, InertiaWarning  # noqa: E402
from inertia.tasks.models import torch_task  # noqa: E402
from inertia.torch.schedules import factored  # noqa: E402
from inertia.tuning.factors import factors_of  # noqa: E402


def loop(make, steps, lr):
    opt = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=lr, momentum=0.9)
    scheduler, rates = make(opt), []
    for _ in range(steps):
        rates.append(opt.param_groups[0]["lr"])
        opt.step()
        scheduler.step()
    return np.array(rates)


@pytest.mark.parametrize(
    "make",
    [
        lambda opt: kinds.LambdaLR(opt, lambda k: min(1.0, (k + 1) / 5) * 0.9**k),
        lambda opt: kinds.CosineAnnealingWarmRestarts(opt, 7),
        lambda opt: kinds.PolynomialLR(opt, 20, 2.0),
        lambda opt: kinds.SequentialLR(opt, [kinds.LinearLR(opt, 0.1, total_iters=4), kinds.CosineAnnealingLR(opt, 16)], [4]),
    ],
)
def test_a_maker_and_the_scheduler_it_makes(make):
    expected = loop(make, 20, 0.3) / 0.3
    np.testing.assert_allclose(factors_of(factored(make, 20), 20)[1], expected, rtol=1e-9, atol=1e-12)
    held = make(torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.3))
    np.testing.assert_allclose(factors_of(factored(held, 20), 20)[1], expected, rtol=1e-9, atol=1e-12)
    assert held.last_epoch == 0  # a copy was stepped


def test_one_cycle_counts_from_its_largest():
    steady = {"max_lr": 0.5, "cycle_momentum": False}
    found = factors_of(factored(lambda opt: kinds.OneCycleLR(opt, total_steps=20, **steady), 20), 20)[1]
    assert found.max() == pytest.approx(1.0)
    expected = loop(lambda opt: kinds.OneCycleLR(opt, max_lr=0.5, total_steps=21), 20, 0.1) / 0.5
    np.testing.assert_allclose(factors_of(factored(lambda opt: kinds.OneCycleLR(opt, total_steps=21, **steady), 20), 20)[1], expected)


def test_a_schedule_that_moves_the_momentum_says_what_is_taken_of_it():
    for kind in (torch.optim.SGD, torch.optim.AdamW):
        held = kinds.OneCycleLR(kind([torch.nn.Parameter(torch.zeros(1))], lr=0.1), max_lr=0.5, total_steps=20)
        with pytest.warns(InertiaWarning, match=r"moves the momentum, too \(0\.85.* to 0\.95\)"):
            factored(held, 20)


def test_names_and_functions_of_the_step_are_left_alone_and_plateaus_refused():
    assert factored("linear", 20) == "linear"
    own = lambda step: 0.5**step  # noqa: E731
    assert factored(own, 20) is own
    with pytest.raises(BadInput, match="follows a metric"):
        factored(lambda opt: kinds.ReduceLROnPlateau(opt), 20)


def restarts():
    return kinds.CosineAnnealingWarmRestarts(torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.3), 8)


@pytest.mark.parametrize("given", [restarts(), lambda opt: kinds.CosineAnnealingWarmRestarts(opt, 8)])
def test_every_verb_takes_a_scheduler(given):
    """tune, check, measure, a task and the rivals run on the rates that a loop with this scheduler has."""
    x = torch.linspace(-1.0, 1.0, 64)[:, None]
    job, words = (torch.nn.Linear(1, 1), torch.nn.MSELoss(), (x, 3 * x)), {"steps": 20, "batch_size": 16, "schedule": given}
    expected = loop(lambda opt: kinds.CosineAnnealingWarmRestarts(opt, 8), 20, 1.0)
    found = inertia.tune(*job, runs=1, **words)
    np.testing.assert_allclose(found.budget.factors, expected, rtol=1e-6)
    _, scheduler = found.torch(job[0].parameters())
    rates = []
    for _ in range(20):
        rates.append(scheduler.get_last_lr()[0])
        scheduler.optimizer.step()
        scheduler.step()
    np.testing.assert_allclose(rates, expected * found.recipe.learning_rate, rtol=1e-6)
    assert inertia.check(*job, lr=0.1, **words).expected.loss < 3
    assert inertia.measure(*job, **words).largest == pytest.approx(found.measurement.largest)
    np.testing.assert_allclose(inertia.tune(torch_task(*job, **words), runs=1).budget.factors, expected, rtol=1e-6)

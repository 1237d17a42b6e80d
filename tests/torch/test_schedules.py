"""Schedulers as people hold them become the factors that a loop with them would use."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch.optim import lr_scheduler as kinds  # noqa: E402

from inertia.errors import BadInput  # noqa: E402
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
    found = factors_of(factored(lambda opt: kinds.OneCycleLR(opt, max_lr=0.5, total_steps=20), 20), 20)[1]
    assert found.max() == pytest.approx(1.0)
    expected = loop(lambda opt: kinds.OneCycleLR(opt, max_lr=0.5, total_steps=21), 20, 0.1) / 0.5
    np.testing.assert_allclose(factors_of(factored(lambda opt: kinds.OneCycleLR(opt, max_lr=0.5, total_steps=21), 20), 20)[1], expected)


def test_names_and_functions_of_the_step_are_left_alone_and_plateaus_refused():
    assert factored("linear", 20) == "linear"
    own = lambda step: 0.5**step  # noqa: E731
    assert factored(own, 20) is own
    with pytest.raises(BadInput, match="follows a metric"):
        factored(lambda opt: kinds.ReduceLROnPlateau(opt), 20)

"""Which optimizers of a trainer are searched as what; all others are refused, never tuned as something that they are not."""

import pytest
import torch

from inertia.errors import BadInput
from inertia.tuning.recipe import searched_as

ROUTES = {"SGD": "sgd", "Adam": "adamw", "AdamW": "adamw", "NAdam": "adamw", "RAdam": "adamw"}


@pytest.mark.parametrize("name", [n for n, kind in vars(torch.optim).items() if isinstance(kind, type) and n != "Optimizer"])
def test_every_class_of_torch(name):
    kind = getattr(torch.optim, name)
    one = object.__new__(kind)
    if name in ROUTES:
        assert searched_as(one) == ROUTES[name]
        assert searched_as(object.__new__(type("Ours", (kind,), {}))) == ROUTES[name]
    else:
        with pytest.raises(BadInput, match=f"{name} is not an optimizer that is searched: say optimizer='sgd' or 'adamw'"):
            searched_as(one)


def test_our_own_momentum():
    from inertia import Method
    from inertia.torch import Momentum

    assert searched_as(Momentum(torch.nn.Linear(1, 1).parameters(), Method(0.1, 0.9))) == "sgd"

"""A large model's measurement keeps to its budget, tells how long it will take, and what stopped it."""

import io

import numpy as np
import pytest

from inertia.measurement.model import BUDGET, SLOWER, Plan, measure_source
from inertia.measurement.progress import Line
from inertia.measurement.vectors import Vectors


class Diagonal:
    """A quadratic of 600,000 parameters whose curvatures fill an interval: its bars shrink slowly."""

    def __init__(self, n, price=2.0):
        self.dimension, self.price, self.sizes, self.notes = n, price, [8, 8], {}
        self.h = np.linspace(-1, 1, n)
        self.spent = {"hvps": 0.0, "gradients": 0.0}

    def space(self, vectors):
        return Vectors(self.dimension, keep=vectors)

    def gradient(self, parts=None):
        self.spent["gradients"] += 1
        return 1.0, self.h.copy()

    def hvp(self, vector, parts=None):
        self.spent["hvps"] += 1
        return self.h * vector

    def mini_batches(self, rng, batch_size):
        while True:
            self.spent["gradients"] += batch_size / 16
            yield self.h + rng.standard_normal(self.dimension), batch_size

    def cost(self):
        return dict(self.spent)


@pytest.mark.parametrize("price", [2.0, 3.0, 5.0])
def test_a_large_model_is_measured_within_its_budget(price):
    source = Diagonal(600_000, price)
    found = measure_source(source, Plan(ends="largest"))
    assert SLOWER * price * source.spent["hvps"] + source.spent["gradients"] <= BUDGET
    assert SLOWER * price * source.spent["hvps"] + source.spent["gradients"] > 0.7 * BUDGET
    assert found.provenance["converged"] is False
    assert "depth= asks for more products" in found.provenance["budget"]
    assert found.L <= 1 <= found.upper  # the bars are wide, and they hold
    assert found.noise.sum() > 0


def test_a_depth_that_was_asked_for_and_a_small_model_are_left_alone():
    plan = Plan(depth=40)
    assert plan.within(Diagonal(600_000)) == (plan, 8, 2)
    assert Plan().within(Diagonal(1000)) == (Plan(), 8, 2)


def test_the_line_tells_the_time_left():
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    now, stream = [0.0], Terminal()
    line = Line(stream, lambda: now[0])
    line.expect(0.01, 100)
    for k in range(1, 8):
        now[0] += 2.0
        line(k, 5.0, 5.0 * 0.5**k)
    assert line.left() == 0.0  # 2^-7 is below 1 %
    line.expect(0.001, None)
    for k in range(1, 8):
        now[0] += 2.0
        line(k, 5.0, 5.0 * 0.5**k)
    assert line.left() == 3 * 2.0  # 2^-10 is
    assert "about 6 s left" in stream.getvalue()
    line.expect(0.001, 8)
    for k in range(1, 8):
        now[0] += 2.0
        line(k, 5.0, 5.0)
    assert line.left() == 2.0  # the limit, where bars do not shrink

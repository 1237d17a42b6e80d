"""The final point of a run is the one that the method promises, by the textbook's two-sequence form; the parameters stand beside it."""

import numpy as np
import pytest

from inertia.core.method import Method
from inertia.core.record import Record
from inertia.core.schedule import linear, tabulate
from inertia.problems import valley
from inertia.problems.simulation import run, run_many
from inertia.theory import catalog
from inertia.theory.sequences import chebyshev, nesterov_convex

H = np.array([0.2, 4.0])


def two_sequences(method, start, steps):
    """x and y after so many steps, xi kept as the definition writes it."""
    xi = before = np.array(start)
    for _ in range(steps):
        y = (1 + method.gamma) * xi - method.gamma * before
        xi, before = (1 + method.beta) * xi - method.beta * before - method.alpha * H * y, xi
    return (1 + method.delta) * xi - method.delta * before, (1 + method.gamma) * xi - method.gamma * before


METHODS = [entry.method(0.2, 4.0) for entry in catalog.CATALOG.values()] + [Method(0.1, 0.5, 0.3, -0.4)]


@pytest.mark.parametrize("method", METHODS)
def test_final_is_read_out_and_params_are_where_the_gradient_is_taken(method):
    record = run(valley(), method, 25)
    x, y = two_sequences(method, valley().start, 25)
    np.testing.assert_allclose(record.final, x, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(record.params, y, rtol=1e-9, atol=1e-12)
    assert record.losses[-1] == pytest.approx(float(valley().value(record.params)))
    data = record.to_json()
    assert (data["final"], data["params"]) == (record.final.tolist(), record.params.tolist())


def test_many_trials_are_read_out_each_with_its_own_coefficients():
    for method, record in zip(METHODS, run_many(valley(), METHODS, 25), strict=True):
        np.testing.assert_allclose(record.final, run(valley(), method, 25).final, rtol=1e-12, atol=1e-15)


def test_nesterovs_schedule_is_read_out_at_its_x():
    """The textbook's x_{k+1} = y_k - grad(y_k)/L, y_{k+1} = x_{k+1} + m_{k+1} (x_{k+1} - x_k)."""
    x = y = valley().start
    ahead = tabulate(nesterov_convex(4.0), 40).beta
    for k in range(30):
        x, before = y - H * y / 4.0, x
        y = x + ahead[k + 1] * (x - before)
    record = run(valley(), nesterov_convex(4.0), 30)
    np.testing.assert_allclose(record.final, x, rtol=1e-9, atol=1e-13)
    np.testing.assert_allclose(record.params, y, rtol=1e-9, atol=1e-13)


def test_where_nothing_is_read_out_elsewhere_both_are_the_same():
    for schedule in (Method(0.1, 0.9), chebyshev(0.2, 4.0), linear(Method(0.1, 0.9, 0.9, 0.9), 20)):
        record = run(valley(), schedule, 20)
        np.testing.assert_array_equal(record.final, record.params)
    made = Record(Method(0.1), np.array([1.0]), np.ones(2), 1)
    assert made.params is made.final


def test_a_schedule_that_knows_no_further_step_is_read_out_with_its_last():
    table = [Method(0.1, 0.5, 0.5)] * 10
    record = run(valley(), lambda k: table[k], 10)
    np.testing.assert_allclose(record.final, two_sequences(table[0], valley().start, 10)[0], rtol=1e-12)


def test_stopped_and_diverged_runs_say_where_they_were():
    method = Method(0.1, 0.5, 0.5)
    stopped = run(valley(), method, 50, stop=lambda k, losses: k == 7)
    np.testing.assert_allclose(stopped.final, two_sequences(method, valley().start, 7)[0], rtol=1e-12)
    lost = run(valley(), Method(50.0, 0.9, 0.9), 400)
    assert lost.diverged_at is not None
    np.testing.assert_array_equal(lost.final, lost.params)
    assert np.isfinite(lost.final).all()


@pytest.mark.parametrize("method", [catalog.triple_momentum(0.2, 4.0), catalog.nesterov(0.2, 4.0)])
def test_torch_reads_out_the_same_point(method):
    torch = pytest.importorskip("torch")
    from inertia.torch import Momentum

    w = torch.nn.Parameter(torch.tensor(valley().start))
    optimizer = Momentum([w], method)
    for _ in range(12):
        optimizer.zero_grad()
        (0.5 * (torch.tensor(H) * w**2).sum()).backward()
        optimizer.step()
    record = run(valley(), method, 12)
    np.testing.assert_allclose(w.detach().numpy(), record.params, rtol=1e-10)
    with optimizer.readout():
        np.testing.assert_allclose(w.detach().numpy(), record.final, rtol=1e-10)

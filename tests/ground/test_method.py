"""The heart against torch and optax, the two-sequence form, and itself."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inertia.core.method import Method, checked, hidden, init, readout, step, transfer
from inertia.core.schedule import constant, cosine, linear, shaped, step_decay, tabulate, warmup
from inertia.errors import BadInput

betas = st.floats(-0.95, 0.99)
gammas = st.floats(-0.5, 2.0)


def run(schedule, start, grad, steps):
    params, velocity = start, init(start)
    path = [params]
    for k in range(steps):
        params, velocity = step(schedule(k), params, velocity, grad(params))
        path.append(params)
    return np.array(path)


def grad(x):
    return np.array([0.2, 4.0]) * x + 0.3 * np.sin(x)


@given(st.floats(0.01, 0.4), betas, gammas, st.floats(-1, 1))
def test_step_is_the_two_sequence_form(alpha, beta, gamma, delta):
    method = Method(alpha, beta, gamma, delta)
    xi = previous = np.array([-1.0, 2.0])
    params, velocity = xi, init(xi)
    for _ in range(30):
        y = (1 + gamma) * xi - gamma * previous
        np.testing.assert_allclose(params, y, rtol=1e-9, atol=1e-9 * np.abs(y).max())
        np.testing.assert_allclose(hidden(method, params, velocity), xi, rtol=1e-9, atol=1e-9 * np.abs(xi).max())
        x = (1 + delta) * xi - delta * previous
        np.testing.assert_allclose(readout(method, params, velocity), x, rtol=1e-8, atol=1e-8 * np.abs(x).max())
        xi, previous = (1 + beta) * xi - beta * previous - alpha * grad(y), xi
        params, velocity = step(method, params, velocity, grad(params))


@pytest.mark.parametrize("nesterov", [False, True])
@pytest.mark.parametrize("shape", ["constant", "linear"])
def test_torch_sgd_is_a_special_case(nesterov, shape):
    torch = pytest.importorskip("torch")
    method = Method(0.2, beta=0.9, gamma=0.9 if nesterov else 0.0)
    schedule = shaped(shape, method, 60)
    ours = run(schedule, np.array([-1.0, 2.0]), grad, 60)
    params = torch.tensor([-1.0, 2.0], dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.SGD([params], lr=1.0, momentum=0.9, nesterov=nesterov)
    theirs = [params.detach().numpy().copy()]
    for k in range(60):
        optimizer.param_groups[0]["lr"] = float(schedule(k).alpha)
        params.grad = torch.tensor(grad(params.detach().numpy()))
        optimizer.step()
        theirs.append(params.detach().numpy().copy())
    np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-14)


def test_on_the_ridge_the_method_is_gradient_descent():
    ridge = run(constant(Method(0.05, beta=0.6, gamma=1.5)), np.array([1.0, -2.0]), grad, 50)
    descent = run(constant(Method(0.125)), np.array([1.0, -2.0]), grad, 50)
    np.testing.assert_allclose(ridge, descent, rtol=1e-12, atol=1e-14)
    assert transfer(Method(0.05, beta=0.6, gamma=1.5)) == pytest.approx((0.125, None, None))
    assert transfer(Method(0.1, beta=0.9)) == (0.1, 0.9, 0.0)


def test_a_method_broadcasts_and_unpacks():
    alpha, beta, gamma, delta = Method(np.array([0.1, 0.2]), beta=0.9)
    assert (beta, gamma, delta) == (0.9, 0.0, 0.0)
    new, _ = step(Method(alpha, beta), np.ones(2), np.zeros(2), np.ones(2))
    np.testing.assert_allclose(new, [0.9, 0.8])


@pytest.mark.parametrize(
    ("method", "message"),
    [
        (Method(-0.1), r"alpha = -0.1 is not positive"),
        (Method(0.0), r"alpha = 0 is not positive"),
        (Method(float("nan")), r"alpha = nan is not finite"),
        (Method(0.1, beta=1.5), r"beta = 1.5 is outside \[-1, 1\].*did you mean 0.9"),
        (Method(0.1, beta=-2), r"did you mean -0.9"),
        (Method(0.1, gamma=float("inf")), r"gamma = inf is not finite"),
        (Method("fast"), r"alpha = 'fast' is not a number"),
    ],
)
def test_bad_methods_are_refused_with_the_smallest_change(method, message):
    with pytest.raises(BadInput, match=message):
        checked(method)


def test_beta_one_is_a_legitimate_experiment():
    assert checked(Method(0.1, beta=1)).beta == 1.0


def test_schedules_are_maps_from_step_to_method():
    m = Method(0.4, beta=0.9, gamma=0.9)
    k = np.arange(7)
    np.testing.assert_allclose(linear(m, 4)(k).alpha, [0.4, 0.3, 0.2, 0.1, 0, 0, 0])
    np.testing.assert_allclose(cosine(m, 4)(k).alpha, 0.2 * (1 + np.cos(np.pi * np.minimum(k / 4, 1))))
    np.testing.assert_allclose(step_decay(m, 3, 0.1)(k).alpha, [0.4] * 3 + [0.04] * 3 + [0.004])
    np.testing.assert_allclose(warmup(linear(m, 10), 2)(k).alpha, linear(m, 10)(k).alpha * np.minimum(1, (k + 1) / 2))
    for made in (constant(m), linear(m, 4), cosine(m, 4), step_decay(m, 3), warmup(constant(m), 3)):
        table = tabulate(made, 7)
        np.testing.assert_allclose(table.alpha, [made(i).alpha for i in range(7)])
        assert table.beta.shape == (7,)
    many = Method(np.array([0.1, 0.2]), np.array([0.0, 0.9]))
    assert tabulate(linear(many, 5), 5).alpha.shape == (5, 2)
    np.testing.assert_allclose(tabulate(lambda k: Method(1 / (k + 1)), 3).alpha, [1, 1 / 2, 1 / 3])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: linear(Method(1.0), 0), "steps = 0 is too few"),
        (lambda: step_decay(Method(1.0), 2, 3.0), r"factor = 3 is outside \(0, 1\]"),
        (lambda: shaped("linaer", Method(1.0), 3), "did you mean 'linear'"),
    ],
)
def test_bad_schedules_are_refused(make, message):
    with pytest.raises(BadInput, match=message):
        make()

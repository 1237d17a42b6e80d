"""Adam and its kin as momentum in a metric: the real optimizers of torch and optax step with their second moment held still."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inertia.core.method import Method, init, step
from inertia.errors import BadInput
from inertia.theory.adaptive import (
    adagrad,
    adam,
    decayed_edge,
    decayed_rate,
    decayed_roots,
    nadam,
    resting_penalty,
    rmsprop,
)
from inertia.theory.modes import edge, roots

jnp = pytest.importorskip("jax.numpy")
optax = pytest.importorskip("optax")
torch = pytest.importorskip("torch")

CURVATURES = np.array([0.3, 2.0, 7.0])  # of the loss, one per axis
SECOND = np.array([4.0, 0.25, 1.0])  # second moments, held still
EPS, STEPS, LR = 1e-3, 40, 0.05
STILL = 1 - 2**-52  # a beta2 at which the second moment does not move


def metric(squares=SECOND, eps=EPS):
    return np.sqrt(squares) + eps


def in_the_metric(method, squares=SECOND, shrink=0.0, start=(1.0, -2.0, 0.5)):
    """The path of a Method on the preconditioned quadratic, in the parameters' own units."""
    scale = np.sqrt(metric(squares))
    z = np.array(start) * scale
    velocity, path = init(z), []
    for _ in range(STEPS):
        moved, velocity = step(method, z, velocity, CURVATURES / metric(squares) * z)
        z = moved - shrink * z
        path.append(z / scale)
    return np.array(path)


def torch_path(make, state, decay=0.0):
    x = torch.nn.Parameter(torch.tensor([1.0, -2.0, 0.5], dtype=torch.float64))
    optimizer = make([x])
    path = []
    for _ in range(STEPS):
        x.grad = torch.tensor(CURVATURES) * x.detach() + decay * x.detach()
        if not path:
            optimizer.state[x] = {name: torch.tensor(value, dtype=torch.float64) for name, value in state.items()}
        optimizer.step()
        path.append(x.detach().numpy().copy())
    return np.array(path)


ZERO = np.zeros(3)
LATE = 1e18  # a step count at which bias corrections are 1
MOMENTS = {"step": LATE, "exp_avg": ZERO, "exp_avg_sq": SECOND}


@pytest.mark.parametrize("beta1", [0.0, 0.5, 0.9, 0.98])
def test_torchs_adam_family_with_its_second_moment_held_still(beta1):
    expected = in_the_metric(adam(LR, beta1))
    betas = (beta1, STILL)
    makers = {
        "adam": lambda p: torch.optim.Adam(p, lr=LR, betas=betas, eps=EPS, foreach=False),
        "adamw": lambda p: torch.optim.AdamW(p, lr=LR, betas=betas, eps=EPS, weight_decay=0.0, foreach=False),
        "amsgrad": lambda p: torch.optim.Adam(p, lr=LR, betas=betas, eps=EPS, amsgrad=True, foreach=False),
    }
    for name, make in makers.items():
        state = MOMENTS | ({"max_exp_avg_sq": SECOND} if name == "amsgrad" else {})
        np.testing.assert_allclose(torch_path(make, state), expected, rtol=1e-11, atol=1e-13, err_msg=name)


def test_torchs_radam_once_rectified():
    def make(p):
        return torch.optim.RAdam(p, lr=LR, betas=(0.9, 1 - 2**-30), eps=EPS, foreach=False)

    found = torch_path(make, MOMENTS)
    expected = in_the_metric(adam(LR, 0.9))
    np.testing.assert_allclose(found, expected, atol=1e-6)  # the second moment moves by 1e-9 a step


@pytest.mark.parametrize("decay", [0.05, 0.5])
def test_torchs_adamw_shrinks_and_where_it_rests(decay):
    def make(p):
        return torch.optim.AdamW(p, lr=LR, betas=(0.9, STILL), eps=EPS, weight_decay=decay, foreach=False)

    np.testing.assert_allclose(torch_path(make, MOMENTS), in_the_metric(adam(LR), shrink=LR * decay), rtol=1e-11, atol=1e-13)
    assert resting_penalty(decay, "adamw") == ("metric", decay)


@pytest.mark.parametrize("mu_decay", [0.0, 1e-30])
def test_torchs_nadam(mu_decay):
    weight = 0.9 * (1 - 0.5 * 0.96 ** (LATE * mu_decay))

    def make(p):
        return torch.optim.NAdam(p, lr=LR, betas=(0.9, STILL), eps=EPS, momentum_decay=mu_decay, foreach=False)

    found = torch_path(make, MOMENTS | {"mu_product": 0.0})
    np.testing.assert_allclose(found, in_the_metric(nadam(LR, 0.9, mu=weight)), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("momentum", [0.0, 0.8])
def test_torchs_rmsprop_and_adagrad(momentum):
    def make(p):
        return torch.optim.RMSprop(p, lr=LR, alpha=STILL, eps=EPS, momentum=momentum, foreach=False)

    state = {"step": LATE, "square_avg": SECOND} | ({"momentum_buffer": ZERO} if momentum else {})
    np.testing.assert_allclose(torch_path(make, state), in_the_metric(rmsprop(LR, momentum)), rtol=1e-11, atol=1e-13)
    huge = SECOND * 1e30  # a sum of squares to which a few gradients add nothing

    def adagrad_of(p):
        return torch.optim.Adagrad(p, lr=LR * 1e15, eps=0.0, foreach=False)

    found = torch_path(adagrad_of, {"step": 1.0, "sum": huge})
    scale = np.sqrt(huge)
    expected = [np.array([1.0, -2.0, 0.5]) * (1 - LR * 1e15 * CURVATURES / scale) ** (k + 1) for k in range(STEPS)]
    np.testing.assert_allclose(found, expected, rtol=1e-9)
    assert adagrad(LR) == Method(LR)


def optax_path(tx, second):
    x = jnp.asarray([1.0, -2.0, 0.5])
    state = tx.init(x)
    path = []
    for _ in range(STEPS):
        state = second(state)
        updates, state = tx.update(jnp.asarray(CURVATURES, jnp.float32) * x, state, x)
        x = optax.apply_updates(x, updates)
        path.append(np.asarray(x))
    return np.array(path)


def held(state):
    """optax's Adam state with bias corrections done and the second moment put back."""
    moments, *rest = state
    return (moments._replace(count=jnp.asarray(2**30, jnp.int32), nu=jnp.asarray(SECOND, jnp.float32)), *rest)


@pytest.mark.parametrize("shrink", [0.0, 0.02])
@pytest.mark.parametrize("nesterov", [False, True])
def test_optax_adam_and_nadam(nesterov, shrink):
    method = nadam(LR) if nesterov else adam(LR)
    tx = optax.adamw(LR, b1=0.9, b2=1 - 2**-24, eps=EPS, weight_decay=shrink / LR, nesterov=nesterov)
    # float32, and a second moment that moves by 6e-8 within a step
    np.testing.assert_allclose(optax_path(tx, held), in_the_metric(method, shrink=shrink), rtol=2e-4, atol=2e-5)


@given(beta=st.floats(0, 0.99), gamma=st.floats(0, 6), alpha=st.floats(1e-3, 10), shrink=st.floats(0, 0.9), share=st.floats(0.01, 0.999))
def test_below_the_edge_it_settles_and_beyond_it_does_not(beta, gamma, alpha, shrink, share):
    method = Method(alpha, beta, gamma)
    limit = float(decayed_edge(method, shrink))
    assert decayed_rate(method, share * limit, shrink) < 1
    assert decayed_rate(method, limit / share * 1.001, shrink) > 1
    assert np.abs(decayed_roots(method, limit, shrink)).max() == pytest.approx(1, abs=1e-9)


@given(beta=st.floats(0, 0.99), gamma=st.floats(0, 1), alpha=st.floats(1e-3, 10), h=st.floats(0, 100))
def test_without_decay_it_is_the_theory_of_one_curvature(beta, gamma, alpha, h):
    method = Method(alpha, beta, gamma)
    np.testing.assert_array_equal(decayed_roots(method, h), roots(method, h))
    assert float(decayed_edge(method)) == pytest.approx(float(edge(method)))


@given(beta=st.floats(0, 0.95), shrink=st.floats(0, 0.5), h=st.floats(0.01, 1), gamma=st.floats(0, 1))
def test_the_rate_is_what_a_simulation_does(beta, shrink, h, gamma):
    method = Method(1.0, beta, gamma)
    matrix = np.array([[1 - shrink - (1 + gamma) * h, -((1 + gamma) * beta - gamma)], [h, beta]])
    assert np.abs(np.linalg.eigvals(matrix)).max() == pytest.approx(float(decayed_rate(method, h, shrink)), abs=1e-6)


@pytest.mark.parametrize("form", ["coupled", "sgdw", "adamw"])
def test_where_decay_lets_a_run_rest(form):
    """On f = (h/2)(x - 1)^2 the resting point minimises f + weight/2 x'x, or x'P x."""
    h, decay, lr, beta, scale = 2.0, 0.3, 0.05, 0.8, 3.0
    where, weight = resting_penalty(decay, form, beta)
    x, v = 0.2, 0.0
    for _ in range(4000):
        g = h * (x - 1) + (decay * x if form == "coupled" else 0.0)
        if form == "adamw":
            v = beta * v + (1 - beta) * g
            x = x * (1 - lr * decay) - lr * v / scale
        else:
            v = beta * v + g
            x = (x * (1 - lr * decay) if form == "sgdw" else x) - lr * v
    assert x == pytest.approx(h / (h + weight * (scale if where == "metric" else 1.0)), rel=1e-9)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: adam(0.1, 1.0), r"beta1 = 1 is outside \[0, 1\)"),
        (lambda: adam(-1.0), "lr = -1 is not positive"),
        (lambda: nadam(0.1, 0.9, mu=1.5), "mu = 1.5 is outside"),
        (lambda: rmsprop(0.1, -0.1), "momentum = -0.1 is outside"),
        (lambda: decayed_edge(Method(0.1), 1.0), "shrink = 1 is outside"),
        (lambda: resting_penalty(0.1, "l2"), "form = 'l2' is not one of"),
    ],
)
def test_bad_input(call, words):
    with pytest.raises(BadInput, match=words):
        call()


def put_back(tree_of):
    """Optax's own state with counts late and its second moment as it was before the step."""

    def second(state):
        def held_still(part):
            names = getattr(part, "_fields", ())
            new = {name: jnp.asarray(SECOND, jnp.float32) for name in ("nu", "sum_of_squares", "nu_max") if name in names}
            if "count" in names and new:
                new["count"] = jnp.asarray(tree_of, jnp.int32)
            return part._replace(**new) if new else part

        return tuple(held_still(part) for part in state) if not hasattr(state, "_fields") else held_still(state)

    return second


@pytest.mark.parametrize(
    ("tx", "method", "eps"),
    [
        (optax.amsgrad(LR, b2=1 - 2**-24, eps=EPS), adam(LR), "outside"),
        (optax.radam(LR, b2=1 - 2**-20, eps=EPS), adam(LR), "outside"),
        (optax.rmsprop(LR, decay=1 - 2**-24, eps=EPS, momentum=0.6, eps_in_sqrt=False), rmsprop(LR, 0.6), "outside"),
        (optax.rmsprop(LR, decay=1 - 2**-24, eps=0.0), rmsprop(LR), "none"),
        (optax.adagrad(LR * 1e4, eps=0.0), adagrad(LR), "none"),
    ],
    ids=["amsgrad", "radam", "rmsprop with momentum", "rmsprop", "adagrad"],
)
def test_optaxs_kin_with_their_second_moment_held_still(tx, method, eps, request):
    name, second = request.node.callspec.id, put_back(2**30)
    if name == "adagrad":  # a sum of squares to which a few gradients add nothing

        def second(state):
            return tuple(part._replace(sum_of_squares=jnp.asarray(SECOND * 1e8, jnp.float32)) if hasattr(part, "sum_of_squares") else part
                         for part in state)  # fmt: skip

    found = optax_path(tx, second)
    bare = np.array([1.0, -2.0, 0.5])
    z, velocity, path = bare * np.sqrt(metric(eps=EPS if eps == "outside" else 0.0)), init(bare), []
    scale = np.sqrt(metric(eps=EPS if eps == "outside" else 0.0))
    for _ in range(STEPS):
        z, velocity = step(method, z, velocity, CURVATURES / scale**2 * z)
        path.append(z / scale)
    np.testing.assert_allclose(found, path, rtol=2e-3, atol=5e-5)  # float32, and second moments that move a little within a step


def test_coupled_decay_is_a_steeper_curvature():
    def make(p):
        return torch.optim.Adam(p, lr=LR, betas=(0.9, STILL), eps=EPS, weight_decay=0.7, foreach=False)

    found = torch_path(make, MOMENTS)
    scale, z = np.sqrt(metric()), np.array([1.0, -2.0, 0.5]) * np.sqrt(metric())
    velocity, path = init(z), []
    for _ in range(STEPS):
        z, velocity = step(adam(LR), z, velocity, (CURVATURES + 0.7) / metric() * z)
        path.append(z / scale)
    np.testing.assert_allclose(found, path, rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize("turned", [False, True], ids=["along the axes", "turned by 45 degrees"])
def test_a_diagonal_metric_repairs_scaled_axes_and_no_turned_valley(turned):
    """Condition 400 becomes 1 where the metric may follow the axes, and stays where the valley lies across them."""
    half = np.sqrt(0.5)
    turn = np.array([[half, -half], [half, half]]) if turned else np.eye(2)
    hessian = turn @ np.diag([400.0, 1.0]) @ turn.T
    best = np.diag(hessian)  # the diagonal metric of least condition, for two by two (Forsythe and Straus 1955)
    left = np.linalg.eigvalsh(hessian / np.sqrt(np.outer(best, best)))
    assert left[-1] / left[0] == pytest.approx(400.0 if turned else 1.0)

"""Certified rates against PEPit on 24 methods: as tight as it can tell, and never below what it shows to be attained."""

import numpy as np
import pytest
from PEPit import PEP
from PEPit.functions import SmoothStronglyConvexFunction

from inertia.core.method import Method
from inertia.theory import catalog
from inertia.theory.certify.search import certify

# PEPit's solver is good to about 1e-4 in the squared ratio.
ACCURACY = 2e-4


def worst_distance(method, mu, L, steps):
    """Largest |xi_n - x*| / |xi_0 - x*| from rest after `steps` steps."""
    problem = PEP()
    function = problem.declare_function(SmoothStronglyConvexFunction, mu=mu, L=L)
    optimum = function.stationary_point()
    now = before = problem.set_initial_point()
    problem.set_initial_condition((now - optimum) ** 2 <= 1)
    for _ in range(steps):
        point = (1 + method.gamma) * now - method.gamma * before
        now, before = (1 + method.beta) * now - method.beta * before - method.alpha * function.gradient(point), now
    problem.set_performance_metric((now - optimum) ** 2)
    return max(problem.solve(verbose=0), 0.0) ** 0.5


def worst_lyapunov(certificate, steps):
    """Largest V_{k+n}/V_k of the certificate's Lyapunov function, to the power 1/2n: an upper bound on the rate for every n.

    V is submultiplicative in n, so these numbers fall towards the rate that the method really has.
    """
    assert certificate.L == 1
    alpha, beta, gamma, _ = certificate.method
    mu, memory = certificate.mu, certificate.proof.memory
    P, t = np.array(certificate.proof.P, dtype=float), np.array(certificate.proof.values, dtype=float)
    problem = PEP()
    function = problem.declare_function(SmoothStronglyConvexFunction, mu=mu, L=1.0)
    optimum = function.stationary_point()
    least = function(optimum)
    xi, slopes, bumps = [problem.set_initial_point(), problem.set_initial_point()], [], []
    for _ in range(memory + steps):
        point = (1 + gamma) * xi[-1] - gamma * xi[-2]
        gradient, value = function.oracle(point)
        slopes.append(gradient - mu * (point - optimum))
        bumps.append((1 - mu) * (value - least - mu / 2 * (point - optimum) ** 2) - slopes[-1] ** 2 / 2)
        xi.append((1 + beta) * xi[-1] - beta * xi[-2] - alpha * gradient)

    def lyapunov(k):
        state = [xi[k - memory + 1] - optimum, xi[k - memory] - optimum, *slopes[k - memory : k]]
        quadratic = sum(P[i, j] * (state[i] * state[j]) for i in range(len(state)) for j in range(len(state)))
        return quadratic + sum(t[j] * bumps[k - 1 - j] for j in range(memory))

    problem.set_initial_condition(lyapunov(memory) <= 1)
    problem.set_performance_metric(lyapunov(memory + steps))
    return max(problem.solve(verbose=0), 0.0) ** (0.5 / steps)


def cases():
    for kappa in (4.0, 10.0, 25.0, 50.0):
        mu = 1 / kappa
        yield catalog.gradient_descent(mu, 1.0), mu
        yield catalog.nesterov(mu, 1.0), mu
        yield catalog.triple_momentum(mu, 1.0), mu
        yield catalog.robust_momentum(mu, 1.0), mu
        yield Method(1.2, 0.3, 0.1), mu
        yield Method(0.7, 0.6, 0.2), mu
    yield catalog.heavy_ball(0.1, 1.0), 0.1
    yield catalog.nesterov_quadratic(0.2, 1.0), 0.2


@pytest.mark.slow
@pytest.mark.parametrize(("method", "mu"), list(cases()))
def test_a_certified_rate_is_what_pepit_finds(method, mu):
    found = certify(method, mu, 1.0)
    assert found.checked
    # Our V contracts over three steps by no more, and by no less, than PEPit's exact worst case: the rate is tight to 1e-3.
    assert worst_lyapunov(found, 3) == pytest.approx(found.rate, abs=1e-3)
    # What PEPit shows to be attained stays within the certificate's promise.
    steps = 4
    assert worst_distance(method, mu, 1.0, steps) <= found.constant * found.rate**steps * (1 + ACCURACY)


@pytest.mark.parametrize(("method", "mu"), [(catalog.gradient_descent(0.1, 1.0), 0.1), (Method(1.2, 0.3, 0.1), 0.04)])
def test_where_the_rate_per_step_settles_quickly_it_settles_at_ours(method, mu):
    early, late = worst_distance(method, mu, 1.0, 6), worst_distance(method, mu, 1.0, 8)
    assert (late / early) ** 0.5 == pytest.approx(certify(method, mu, 1.0).rate, abs=1e-3)


def test_gradient_descents_promise_is_exact_after_one_step():
    found = certify(Method(1.0), 0.1, 1.0)
    assert worst_distance(Method(1.0), 0.1, 1.0, 1) == pytest.approx(found.rate, abs=ACCURACY)

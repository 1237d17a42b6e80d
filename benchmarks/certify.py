"""How fast is a certificate: against PEPit on the same methods, and a 60 x 60 map of certified rates.

    python benchmarks/certify.py [--json] [--side 60] [--kappa 10]

PEPit bounds n steps; the rate per step is the growth of that bound from n - 1 to n, and n must rise until it lies within
1e-3 of where it settles (our certified rate, which it approaches). PEPit is charged for that last pair of solves alone, as
if the right n were known beforehand; we are charged for the whole call of `certify`, exact re-check included. Imports and
first calls are left out on both sides. Run it on a quiet machine.
"""

import argparse
import json
import platform
import statistics
import sys
import time

import numpy as np

from inertia.core.method import Method
from inertia.theory import catalog
from inertia.theory.certify.maps import certified_rate_map
from inertia.theory.certify.search import certify

CLOSE = 1e-3
MOST = 22


def worst_distance(method, mu, L, steps):
    """Largest |xi_n - x*| / |xi_0 - x*| from rest, by PEPit, and the seconds it took."""
    from PEPit import PEP
    from PEPit.functions import SmoothStronglyConvexFunction

    begin = time.perf_counter()
    problem = PEP()
    function = problem.declare_function(SmoothStronglyConvexFunction, mu=mu, L=L)
    optimum = function.stationary_point()
    now = before = problem.set_initial_point()
    problem.set_initial_condition((now - optimum) ** 2 <= 1)
    for _ in range(steps):
        point = (1 + method.gamma) * now - method.gamma * before
        now, before = (1 + method.beta) * now - method.beta * before - method.alpha * function.gradient(point), now
    problem.set_performance_metric((now - optimum) ** 2)
    ratio = max(problem.solve(verbose=0), 0.0) ** 0.5
    return ratio, time.perf_counter() - begin


def settle(method, mu, L, rate):
    """Smallest n (of a growing list) whose growth per step is within CLOSE of the rate, and the seconds of that pair of solves."""
    for steps in (2, 3, 4, 6, 8, 10, 12, 15, 18, MOST):
        (early, first), (late, second) = worst_distance(method, mu, L, steps - 1), worst_distance(method, mu, L, steps)
        if abs(late / early - rate) < CLOSE:
            return steps, first + second
    return None, first + second


def compare(name, method, mu, L):
    worst_distance(method, mu, L, 1)
    certify(method, mu, L)
    times = []
    for _ in range(5):
        begin = time.perf_counter()
        found = certify(method, mu, L)
        times.append(time.perf_counter() - begin)
    steps, seconds = settle(method, mu, L, found.rate)
    return {
        "name": name,
        "kappa": L / mu,
        "rate": found.rate,
        "seconds": statistics.median(times),
        "pepit_steps": steps,
        "pepit_seconds": seconds,
        "ratio": seconds / statistics.median(times),
    }


def whole_map(side):
    certified_rate_map([1.0], [0.1], 0.04, 1.0)
    begin = time.perf_counter()
    made = certified_rate_map(np.linspace(2.7 / side, 2.7, side), np.linspace(0, 0.99, side), 0.04, 1.0)
    seconds = time.perf_counter() - begin
    stable = made.quadratic < 1
    return {
        "side": side,
        "seconds": seconds,
        "proved": int(made.checked.sum()),
        "cycling": int(np.sum(stable & (made.cycle > 0))),
        "open": int(made.open.sum()),
        "stable_on_quadratics": int(stable.sum()),
    }


def main():
    reader = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    reader.add_argument("--json", action="store_true")
    reader.add_argument("--side", type=int, default=60)
    reader.add_argument("--kappa", type=float, default=10.0)
    given = reader.parse_args()
    mu, L = 1 / given.kappa, 1.0
    methods = {
        "gradient descent": catalog.gradient_descent(mu, L),
        "Nesterov": catalog.nesterov(mu, L),
        "triple momentum": catalog.triple_momentum(mu, L),
        "robust momentum": catalog.robust_momentum(mu, L),
        "heavy ball, alpha 1, beta 0.3": Method(1.0, 0.3),
        "alpha 1.2, beta 0.3, gamma 0.1": Method(1.2, 0.3, 0.1),
    }
    rows = []
    for name, method in methods.items():
        rows.append(compare(name, method, mu, L))
        row = rows[-1]
        settled = f"n = {row['pepit_steps']}" if row["pepit_steps"] else f"not settled by n = {MOST}"
        print(
            f"{name:32s} rate {row['rate']:.6f}  ours {1e3 * row['seconds']:6.1f} ms   PEPit {row['pepit_seconds']:6.2f} s ({settled})"
            f"   {row['ratio']:7.1f} times",
            file=sys.stderr,
        )
    made = whole_map(given.side)
    print(
        f"map {given.side} x {given.side}: {made['seconds']:.1f} s, {made['proved']} proofs re-checked, {made['open']} open",
        file=sys.stderr,
    )
    slow = min(row["ratio"] for row in rows)
    typical = statistics.median(row["ratio"] for row in rows)
    print(f"least {slow:.1f} times, median {typical:.1f} times faster than PEPit", file=sys.stderr)
    if given.json:
        print(
            json.dumps(
                {"machine": platform.processor() or platform.machine(), "rows": rows, "map": made, "least": slow, "median": typical},
                indent=2,
            )
        )


if __name__ == "__main__":
    main()

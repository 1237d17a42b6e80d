"""A hundred thousand calls of the theory, spectrum, schedule, conversion and certificate functions against brute force.

    python benchmarks/fuzz.py [--calls 100000] [--seed 0]

Every group draws its inputs at random (seeded) and holds each answer against a second road: plain simulation, numpy's
eigenvalues, mpmath, the frameworks' formulas written out. A table says how many calls each group made and the largest
disagreement in units of what is allowed; the exit code is 1 where one of them is above 1.
"""

import argparse
import copy
import random
import sys
import time

import mpmath
import numpy as np

from inertia.core.method import Method, hidden, init, readout, step, transfer
from inertia.core.schedule import constant, cosine, linear, step_decay, tabulate, warmup
from inertia.core.spectrum import Spectrum, spectrum
from inertia.optimizers.conventions import convert
from inertia.theory import catalog
from inertia.theory.certify.certificate import Rejected, from_json, verify
from inertia.theory.certify.frequency import quadratic_rate
from inertia.theory.certify.search import certify
from inertia.theory.milestones import steps_to
from inertia.theory.modes import edge, iterate, rate, regime, roots, stable
from inertia.theory.noise import moments, stationary
from inertia.theory.quadratic import loss_curve, worst_rate


def methods(rng, count, stable_only=False):
    alpha = 10 ** rng.uniform(-3, 0.5, count)
    beta = np.where(rng.random(count) < 0.1, 0.0, rng.uniform(-0.95, 0.999, count))
    gamma = np.choose(rng.integers(0, 3, count), [np.zeros(count), beta, rng.uniform(-0.5, 2, count)])
    made = Method(alpha, beta, gamma, rng.uniform(-0.5, 2, count))
    if not stable_only:
        return made
    keep = np.asarray(stable(made, 1.0)) & (np.asarray(rate(made, 1.0)) < 0.9999)
    return Method(*(field[keep] for field in made))


def matrices(m, h=1.0):
    """The step of (params, velocity) on a mode, written out: (count, 2, 2)."""
    h = np.broadcast_to(h, m.alpha.shape)
    return np.stack(
        [
            np.stack([1 - m.alpha * (1 + m.gamma) * h, -m.alpha * ((1 + m.gamma) * m.beta - m.gamma)], -1),
            np.stack([h, m.beta], -1),
        ],
        -2,
    )


def modes(rng, count):
    """Roots, rates, stability, edges and regimes by numpy's eigenvalues."""
    m, h = methods(rng, count), 10 ** rng.uniform(-2, 1, count)
    found = np.linalg.eigvals(matrices(m, h))
    size = np.abs(found).max(-1)
    slack = 1e-6 * np.maximum(size, 1)  # eigenvalues lose half their digits at a double root
    yield "rate", np.abs(np.asarray(rate(m, h)) - size) / slack
    yield "roots", np.abs(np.abs(roots(m, h)[:, 0]) - size) / slack
    clear = np.abs(size - 1) > 1e-5
    yield "stable", ((np.asarray(stable(m, h)) != (size < 1)) & clear).astype(float) * 2
    ends = np.asarray(edge(m))
    inside = np.abs(np.linalg.eigvals(matrices(m, ends * (1 - 1e-4)))).max(-1)
    outside = np.abs(np.linalg.eigvals(matrices(m, np.where(ends > 0, ends, 1.0) * (1 + 1e-4)))).max(-1)
    live = (ends > 0) & np.isfinite(ends) & (m.gamma >= 0)
    yield "edge", ((inside > 1 + 1e-9) | (outside < 1 - 1e-9))[live].astype(float) * 2
    named = np.asarray(regime(m, h))
    wavy = np.abs(found.imag).max(-1) > 1e-5 * size
    yield (
        "regime",
        (((named == "ripples") != (wavy & (size < 1 - 1e-12))) & (wavy | (np.abs(found[:, 0] - found[:, 1]) > 1e-5)) & clear) * 2.0,
    )


def closed_forms(rng, count):
    """The k-th iterate and its moments by plain steps."""
    m, k = methods(rng, count, stable_only=True), int(rng.integers(1, 60))
    y, v = np.ones(len(m.alpha)), rng.normal(size=len(m.alpha))
    spread, noise = np.zeros((len(y), 2, 2)), rng.uniform(0.1, 2, len(y))
    R = matrices(m)
    kick = np.stack([-m.alpha * (1 + m.gamma), np.ones_like(y)], -1)
    params, velocity = y, v
    for _ in range(k):
        params, velocity = step(m, params, velocity, params)
        spread = R @ spread @ R.swapaxes(1, 2) + noise[:, None, None] * kick[:, :, None] * kick[:, None, :]
    scale = 1 + np.abs(v)
    yield "iterate", np.abs(iterate(m, 1.0, k, y, v).params - params) / (1e-9 * scale)
    yield "hidden", np.abs(iterate(m, 1.0, k, y, v).hidden - hidden(m, params, velocity)) / (1e-8 * scale)
    yield "moments", np.abs(moments(m, 1.0, k, y, v, noise).variance - spread[:, 0, 0]) / (1e-9 * (spread[:, 0, 0] + 1e-9))
    calm = np.asarray(rate(m, 1.0)) < 0.99
    still, later = stationary(m, 1.0, noise), moments(m, 1.0, 10**6, y, v, noise)
    yield "stationary", (np.abs(still.params - later.variance) / (1e-7 * np.abs(still.params)))[calm]


def spectra(rng, count):
    """Loss curves and steps to a tolerance of whole spectra by running every mode."""
    for _ in range(count):
        n = int(rng.integers(1, 5))
        seen = spectrum(10 ** rng.uniform(-1, 0.5, n), rng.uniform(0, 2, n) + 1e-3, rng.choice([0.0, 0.1], n))
        m = Method(float(10 ** rng.uniform(-1.5, -0.6)), float(rng.uniform(-0.3, 0.9)), float(rng.uniform(0, 0.9)))
        y, v, steps = np.sqrt(seen.weights), np.zeros(n), 40
        spread, losses = np.zeros((n, 2, 2)), [seen.excess]
        one = Method(*(np.full(n, value) for value in m))
        R, kick = matrices(one, seen.curvatures), np.array([-m.alpha * (1 + m.gamma), 1.0])
        for _ in range(steps):
            y, v = step(m, y, v, seen.curvatures * y)
            spread = R @ spread @ R.swapaxes(1, 2) + seen.noise[:, None, None] * np.outer(kick, kick)
            losses.append(float(0.5 * np.sum(seen.curvatures * (y * y + spread[:, 0, 0]))))
        yield "loss_curve", np.max(np.abs(loss_curve(m, seen, steps) - losses) / (1e-9 * (np.abs(losses) + 1e-12)))
        quiet = spectrum(seen.curvatures, seen.weights)
        first = steps_to(m, quiet, 1e-3)
        if np.isfinite(first) and first < 2000:
            curve = loss_curve(m, quiet, int(first) + 60)
            below = curve <= 1e-3 * quiet.excess
            yield "steps_to", 0.0 if below[int(first) :].all() and (first == 0 or not below[int(first) - 1]) else 2.0
        ends = np.linspace(seen.mu, seen.L, 50)
        yield "worst_rate", max(0.0, float(np.max(rate(m, ends)) - worst_rate(m, seen))) / 1e-9
        back = Spectrum.from_json(seen.to_json())
        yield "from_json", 0.0 if np.array_equal(back.curvatures, seen.curvatures) and back.upper == seen.upper else 2.0


def exact_rates(rng, count):
    """Catalogue methods' rates by mpmath's roots with fifty digits."""
    mpmath.mp.dps = 50
    for _ in range(count):
        kappa = float(10 ** rng.uniform(0.01, 4))
        entry = list(catalog.CATALOG.values())[int(rng.integers(len(catalog.CATALOG)))]
        m = entry.method(1.0, kappa)
        sizes = []
        for h in (1.0, kappa):
            alpha, beta, gamma = (mpmath.mpf(float(value)) for value in m[:3])
            p, q = 1 + beta - alpha * h * (1 + gamma), beta - alpha * h * gamma
            root = mpmath.sqrt(p * p - 4 * q)
            sizes.append(max(abs((p + root) / 2), abs((p - root) / 2)))
        yield "catalogue", abs(float(quadratic_rate(m, 1.0, kappa)) - float(max(sizes))) / 6e-8  # near a double root: half the digits
        theorem = entry.rate(1.0, kappa)
        yield "theorem", max(0.0, float(max(sizes)) - theorem) / 1e-7


def schedules(rng, count):
    """Tables against one step at a time."""
    for _ in range(count):
        m, steps = Method(float(rng.uniform(0.01, 1)), float(rng.uniform(0, 0.99))), int(rng.integers(2, 60))
        made = [constant(m, steps), linear(m, steps), cosine(m, steps), step_decay(m, int(rng.integers(1, 9)), 0.5)][int(rng.integers(4))]
        made = warmup(made, int(rng.integers(1, 9))) if rng.random() < 0.3 else made
        table, single = tabulate(made, steps), tabulate(lambda k, made=made: made(k), steps)
        yield "tabulate", max(float(np.max(np.abs(a - b))) for a, b in zip(table, single, strict=True)) / 1e-15
        yield "transfer", 0.0 if transfer(m).gain > 0 else 2.0


def conversions(rng, count):
    """Settings of torch, optax and Keras by stepping as their documents say, beside the Method's own steps."""
    for _ in range(count):
        lr, mu, ahead = float(10 ** rng.uniform(-4, 0)), float(rng.uniform(0.01, 0.99)), bool(rng.random() < 0.5)
        target = ["torch", "optax", "keras", "sutskever"][int(rng.integers(4))]
        source = ["torch", "optax", "keras"][int(rng.integers(3))]
        words = {"torch": "lr", "optax": "learning_rate", "keras": "learning_rate"}
        found = convert(source, target, **{words[source]: lr, "momentum": mu, "nesterov": ahead})
        grads = rng.normal(size=6)
        here, buffer = 0.0, 0.0
        for g in grads:
            if source == "keras":
                buffer = mu * buffer - lr * g
                here += mu * buffer - lr * g if ahead else buffer
            else:
                buffer = mu * buffer + g
                here -= lr * (g + mu * buffer) if ahead else lr * buffer
        params, velocity = 0.0, init(0.0)
        for g in grads:
            params, velocity = step(found.method, params, velocity, g)
        yield "convert", abs(params - here) / (1e-12 * (1 + abs(here)))
        xi = readout(found.method._replace(delta=0.0), params, velocity)
        yield "readout", abs(xi - hidden(found.method, params, velocity)) / (1e-12 * (1 + abs(xi)))


def certificates(rng, count):
    """Constants against runs on quadratics, and changed files against the numbers in them."""
    made = []
    for _ in range(max(2, count // 40)):
        m = Method(float(rng.uniform(0.2, 1.8)), float(rng.uniform(0, 0.8)), float(rng.uniform(0, 0.6)))
        mu = float(rng.uniform(0.1, 1))
        proof = certify(m, mu, 1.0)
        if proof.verdict == "proved":
            h, x, unit = np.linspace(mu, 1.0, 200), np.ones(200), 1.0
            before = x
            for _ in range(200):
                y = (1 + m.gamma) * x - m.gamma * before
                x, before = (1 + m.beta) * x - m.beta * before - m.alpha * h * y, x
                unit *= proof.rate
                yield "constant", float(np.max(np.abs(x)) / (proof.constant * unit * (1 + 1e-9) + 1e-300))
        if proof.verdict != "open":
            made.append(proof.to_json())
            yield "verify", 0.0 if verify(made[-1]).startswith(proof.verdict) else 2.0
    pick = random.Random(int(rng.integers(1 << 30)))
    for _ in range(count):
        data = copy.deepcopy(pick.choice(made))
        name = pick.choice(["rate", "constant", "quadratic_rate", "mu", "L", "reason", "method", "proof", "bound"])
        if isinstance(data[name], float):
            data[name] *= pick.choice([1 - 1e-6, 1 - 1e-2, 0.5, -1, 1e300, 1e-300])
        elif isinstance(data[name], dict) and name == "method":
            data[name][pick.choice(["alpha", "beta", "gamma"])] *= pick.choice([1.01, 0.99, -1, 1e200])
        else:
            data[name] = pick.choice([None, [], "1e10000000", {}, 10**400, float("nan"), True])
        begin = time.perf_counter()
        try:
            verify(data)
            claimed = from_json(data)
            fair = claimed.rate is None or claimed.rate >= claimed.quadratic_rate * (1 - 1e-12)
            yield "falsified", 0.0 if fair and data["quadratic_rate"] is not None else 2.0
        except Rejected:
            yield "falsified", (time.perf_counter() - begin) / 5


GROUPS = {
    "modes": (modes, 0.5), "closed forms": (closed_forms, 0.35), "spectra": (spectra, 0.02), "exact rates": (exact_rates, 0.02),
    "schedules": (schedules, 0.04), "conversions": (conversions, 0.04), "certificates": (certificates, 0.005),
}  # fmt: skip


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--calls", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    wrong, total = 0, 0
    print(f"{'group':14}{'function':16}{'calls':>9}{'worst':>12}")
    for index, (group, (make, share)) in enumerate(GROUPS.items()):
        rng, seen = np.random.default_rng([asked.seed, index]), {}
        with np.errstate(all="ignore"):
            batch = 500 if make in (modes, closed_forms) else max(1, int(asked.calls * share / 2))
            rounds = max(1, int(asked.calls * share / batch / 4)) if batch == 500 else 1
            for _ in range(rounds):
                for name, off in make(rng, batch):
                    values = np.atleast_1d(np.asarray(off, dtype=float))
                    count, worst, bad = seen.get(name, (0, 0.0, 0))
                    top = float(np.max(np.where(np.isnan(values), np.inf, values), initial=0.0))
                    seen[name] = (count + values.size, max(worst, top), bad + int(np.sum(~(values <= 1))))
        for name, (count, worst, bad) in seen.items():
            print(f"{group:14}{name:16}{count:9d}{worst:12.3g}{f'   {bad} WRONG' if bad else ''}", flush=True)
            wrong, total = wrong + bad, total + count
    print(f"{total} answers held against a second road, {wrong} wrong")
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())

"""How fast is the theory: a rate map, and loss curves against Python loops over optax and torch steps.

    python benchmarks/theory.py [--json] [--methods 10000] [--steps 1000] [--modes 10]

The loops are not run in full (that would take a quarter of an hour): a subset of methods takes all their steps, with the
compilation and the first calls left out, and the fastest of them is scaled to all methods (ours is the fastest of three
full computations). One step of a loop advances all modes at once, with the optimizer's own step and the loss recorded on
the device, as one would write it. The subset's curves are checked against ours first. Run it on a quiet machine.
"""

import argparse
import json
import platform
import sys
import time

import numpy as np

from inertia.core.method import Method
from inertia.core.spectrum import spectrum
from inertia.theory.quadratic import loss_curve, rate_map, steps_to


def best_of(call, repeats):
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return min(times)


def optax_loop(method, h, start, steps):
    """Seconds of one method's loop over a jitted optax step, and its loss curve."""
    import jax
    import jax.numpy as jnp
    import optax

    optimizer = optax.sgd(method.alpha, momentum=method.beta)
    h = jnp.asarray(h)

    @jax.jit
    def step(params, state):
        updates, state = optimizer.update(h * params, state)
        params = optax.apply_updates(params, updates)
        return params, state, 0.5 * jnp.sum(h * params**2)

    params = jnp.asarray(start)
    state = optimizer.init(params)
    step(params, state)[2].block_until_ready()  # compiled, and not counted
    losses, begin = [], time.perf_counter()
    for _ in range(steps):
        params, state, loss = step(params, state)
        losses.append(loss)
    losses[-1].block_until_ready()
    return time.perf_counter() - begin, np.array(losses)


def torch_loop(method, h, start, steps):
    """Seconds of one method's loop over torch.optim.SGD, and its loss curve."""
    import torch

    torch.set_num_threads(1)
    params = torch.tensor(start, requires_grad=True)
    h = torch.tensor(h)
    optimizer = torch.optim.SGD([params], lr=float(method.alpha), momentum=float(method.beta))
    losses, begin = [], time.perf_counter()
    for _ in range(steps):
        with torch.no_grad():
            params.grad = h * params  # the gradient in closed form: autograd would only slow the loop down
        optimizer.step()
        with torch.no_grad():
            losses.append(0.5 * torch.sum(h * params**2))
    return time.perf_counter() - begin, np.array([float(loss) for loss in losses])


def compare(name, loop, methods, found, steps, ours, subset):
    """The loop's time for all methods, scaled from a subset, after checking that it computes the same curves."""
    h, start = found.curvatures, np.sqrt(found.weights)
    picks = np.linspace(0, methods.alpha.size - 1, subset).astype(int)
    chosen = [Method(*(float(field[i]) if np.ndim(field) else field for field in methods)) for i in picks]
    loop(chosen[0], h, start, 50)
    taken = [loop(method, h, start, steps) for method in chosen]
    curves = loss_curve(Method(methods.alpha[picks], methods.beta[picks]), found, steps)[:, 1:]
    worst = max(float(np.max(np.abs(curve - want) / (want + 1e-12))) for (_, curve), want in zip(taken, curves, strict=True))
    assert worst < 1e-6, f"{name} computes something else: {worst}"
    seconds = min(seconds for seconds, _ in taken) * methods.alpha.size  # the fastest, as for ours
    return {
        "methods_measured": subset,
        "microseconds_per_step": seconds / methods.alpha.size / steps * 1e6,
        "seconds_extrapolated": seconds,
        "ratio": seconds / ours,
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--methods", type=int, default=10_000)
    parser.add_argument("--steps", type=int, default=1_000)
    parser.add_argument("--modes", type=int, default=10)
    parser.add_argument("--subset", type=int, default=12, help="methods that each loop really runs")
    options = parser.parse_args()

    import jax

    jax.config.update("jax_enable_x64", True)
    rng = np.random.default_rng(0)
    hundred = spectrum(np.geomspace(1, 100, 100))
    alphas, betas = np.linspace(1e-4, 0.04, 300), np.linspace(0, 1, 300)
    map_seconds = best_of(lambda: rate_map(alphas, betas, hundred), 20)

    found = spectrum(np.geomspace(1, 100, options.modes))
    beta = rng.uniform(0, 0.99, options.methods)
    methods = Method(rng.uniform(0.01, 0.99, options.methods) * 2 * (1 + beta) / 100, beta)
    ours = best_of(lambda: loss_curve(methods, found, options.steps), 3)
    result = {
        "machine": {"python": platform.python_version(), "numpy": np.__version__, "processor": platform.machine()},
        "rate_map": {"alphas": 300, "betas": 300, "curvatures": 100, "milliseconds": map_seconds * 1e3},
        "loss_curves": {"methods": options.methods, "steps": options.steps, "modes": options.modes, "seconds": ours},
        "steps_to": {"methods": options.methods, "modes": options.modes, "seconds": best_of(lambda: steps_to(methods, found), 2)},
        "optax": compare("optax", optax_loop, methods, found, options.steps, ours, options.subset),
        "torch": compare("torch", torch_loop, methods, found, options.steps, ours, options.subset),
    }
    if options.json:
        json.dump(result, sys.stdout, indent=2)
        print()
        return
    print(f"rate map 300 x 300 over 100 curvatures: {map_seconds * 1e3:.1f} ms")
    print(f"loss curves, {options.methods} methods x {options.steps} steps x {options.modes} modes: {ours:.2f} s")
    print(f"steps to 1e-6 of the same methods, exact: {result['steps_to']['seconds']:.2f} s")
    for name in ("optax", "torch"):
        row = result[name]
        print(
            f"  {name} loop: {row['microseconds_per_step']:.1f} us a step (fastest of {row['methods_measured']} methods, all their steps), "
            f"so {row['seconds_extrapolated']:.0f} s for all: {row['ratio']:.0f} times slower"
        )


if __name__ == "__main__":
    main()

"""How fast is a step: ours against torch.optim.SGD (loop, foreach, fused) and optax, against what memory allows.

    python benchmarks/step.py [--json] [--rounds 15] [--threads 2] [--nesterov]

Three lists of float32 parameters: one tensor of 64M; ResNet-50's 161 tensors (25.6M); 1,000 tensors of 512. All contenders
take turns in every round, so that a busy moment hits all; the fastest and the median round are reported. Before each timed
step the gradients are written in place, as a backward pass that accumulates does. `limit` is the time that reading
gradient, parameter and velocity and writing the last two takes at the bandwidth measured in the same rounds (a += b).
`flat reference` is torch's fused step over one tensor of the same size: what flat=True is held to (at most 1.1x).
"""

import argparse
import json
import platform
import statistics
import time

import torch

from inertia.core.method import Method
from inertia.torch import Momentum

RATE, BETA = 1e-6, 0.9


def resnet50():
    """The shapes of ResNet-50's parameters (He et al. 2016), in order."""
    shapes, width = [(64, 3, 7, 7), (64,), (64,)], 64
    for blocks, inner in ((3, 64), (4, 128), (6, 256), (3, 512)):
        for block in range(blocks):
            for out, into, size in ((inner, width, 1), (inner, inner, 3), (4 * inner, inner, 1)):
                shapes += [(out, into, size, size), (out,), (out,)]
            if block == 0:
                shapes += [(4 * inner, width, 1, 1), (4 * inner,), (4 * inner,)]
            width = 4 * inner
    return [*shapes, (1000, 2048), (1000,)]


LISTS = {"64M": [(64 * 2**20,)], "resnet50": resnet50(), "1000x512": [(512,)] * 1000}


def numbers(shapes):
    return sum(torch.Size(shape).numel() for shape in shapes)


def parameters(shapes):
    return [torch.nn.Parameter(torch.full(shape, 0.5)) for shape in shapes]


def with_grads(params):
    for p in params:
        p.grad = torch.full_like(p, 1e-3)
    return params


def torch_contender(make, shapes):
    """(prepare, step): prepare writes the gradients in place and is not timed."""
    params = with_grads(parameters(shapes))
    optimizer = make(params)

    def prepare():
        torch._foreach_mul_([p.grad for p in params], 1.0)

    return prepare, optimizer.step


def dropped_contender(shapes, method):
    """Flat, but gradients were set to None and made anew: they are copied in."""
    params = parameters(shapes)
    optimizer = Momentum(params, method, flat=True)

    def prepare():
        optimizer.zero_grad(set_to_none=True)
        with_grads(params)

    return prepare, optimizer.step


def jax_contender(make, shapes):
    import jax
    import jax.numpy as jnp
    import optax

    transform = make(optax)
    held = [[jnp.full(shape, 0.5) for shape in shapes]]
    held.append(transform.init(held[0]))
    grads = [jnp.full(shape, 1e-3) for shape in shapes]

    def update(params, state, grads):
        updates, state = transform.update(grads, state, params)
        return optax.apply_updates(params, updates), state

    compiled = jax.jit(update, donate_argnums=(0, 1))

    def step():
        held[:] = compiled(*held, grads)
        jax.block_until_ready(held)

    return lambda: None, step


def bandwidth_contender(shapes):
    a, b = torch.zeros(numbers(shapes)), torch.zeros(numbers(shapes))
    return lambda: None, lambda: a.add_(b)


def contenders(shapes, nesterov, with_jax):
    gamma = BETA if nesterov else 0.0
    method = Method(RATE, BETA, gamma)
    flat_shape = [(numbers(shapes),)]

    def sgd(params, **mode):
        return torch.optim.SGD(params, lr=RATE, momentum=BETA, nesterov=nesterov, **mode)

    made = {
        "a += b": bandwidth_contender(shapes),
        "flat reference": torch_contender(lambda p: sgd(p, fused=True), flat_shape),
        "torch loop": torch_contender(lambda p: sgd(p, foreach=False), shapes),
        "torch foreach": torch_contender(lambda p: sgd(p, foreach=True), shapes),
        "torch fused": torch_contender(lambda p: sgd(p, fused=True), shapes),
        "inertia foreach": torch_contender(lambda p: Momentum(p, method), shapes),
        "inertia flat": torch_contender(lambda p: Momentum(p, method, flat=True), shapes),
        "inertia flat, gradients dropped": dropped_contender(shapes, method),
        "inertia flat, gamma = 0.4": torch_contender(lambda p: Momentum(p, Method(RATE, BETA, 0.4), flat=True), shapes),
    }
    if with_jax:
        from inertia.jax import momentum

        made["optax"] = jax_contender(lambda optax: optax.sgd(RATE, BETA, nesterov=nesterov), shapes)
        made["inertia jax"] = jax_contender(lambda optax: momentum(method), shapes)
    return made


def race(made, rounds):
    """Milliseconds of every round of every contender; two rounds of warming up first."""
    times = {name: [] for name in made}
    for turn in range(rounds + 2):
        for name, (prepare, step) in made.items():
            prepare()
            start = time.perf_counter()
            step()
            if turn >= 2:
                times[name].append(1e3 * (time.perf_counter() - start))
    return times


def report(name, shapes, times):
    best = {who: min(row) for who, row in times.items()}
    limit = best.pop("a += b") * 5 / 3  # three passes against five
    torches = min(best[who] for who in ("torch loop", "torch foreach", "torch fused"))
    found = {
        "list": name, "tensors": len(shapes), "numbers": numbers(shapes), "limit_ms": limit,
        "fastest_ms": best, "median_ms": {who: statistics.median(row) for who, row in times.items() if who in best},
        "flat_over_reference": best["inertia flat"] / best["flat reference"],
        "best_torch_over_flat": torches / best["inertia flat"],
    }  # fmt: skip
    if "optax" in best:
        found["jax_over_optax"] = best["inertia jax"] / best["optax"]
    return found


def show(found):
    print(f"\n{found['list']}: {found['tensors']} tensors, {found['numbers'] / 1e6:.1f}M numbers; memory limit {found['limit_ms']:.3g} ms")
    print(f"  {'':32} fastest     median   (ms)")
    for who, value in found["fastest_ms"].items():
        print(f"  {who:32} {value:9.3f}  {found['median_ms'][who]:9.3f}")
    print(f"  flat=True / one fused step over a flat tensor   {found['flat_over_reference']:.2f}   (target <= 1.1)")
    target = "   (target >= 3)" if found["tensors"] > 1 else ""
    print(f"  best per-tensor torch mode / flat=True          {found['best_torch_over_flat']:.1f}{target}")
    if "jax_over_optax" in found:
        print(f"  inertia.jax.momentum / optax.sgd                {found['jax_over_optax']:.2f}   (target <= 1.05)")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="pure JSON on stdout")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--nesterov", action="store_true")
    parser.add_argument("--lists", nargs="+", choices=LISTS, default=list(LISTS))
    parser.add_argument("--no-jax", action="store_true")
    asked = parser.parse_args()
    torch.set_num_threads(asked.threads)
    results = []
    for name in asked.lists:
        rounds = asked.rounds if name != "1000x512" else 10 * asked.rounds
        times = race(contenders(LISTS[name], asked.nesterov, not asked.no_jax), rounds)
        results.append(report(name, LISTS[name], times))
        if not asked.json:
            show(results[-1])
    if asked.json:
        print(json.dumps({"machine": platform.machine(), "torch": torch.__version__, "threads": asked.threads, "lists": results}, indent=2))


if __name__ == "__main__":
    main()

"""One of two JAX processes that hold a half of the data each: prints what it measures, tunes and checks. Run by test_processes_jax."""

import json
import os
import sys

os.environ.setdefault("JAX_PLATFORMS", "cpu")


def main(rank, port):
    import jax
    import numpy as np
    from jax.sharding import Mesh, NamedSharding, PartitionSpec

    jax.config.update("jax_cpu_collectives_implementation", "gloo")
    jax.distributed.initialize(f"127.0.0.1:{port}", 2, rank)
    import jax.numpy as jnp

    import inertia.jax

    whole = np.random.default_rng(0).normal(size=(16, 3)).astype(np.float32)
    mesh = Mesh(np.array(jax.devices()), ("data",))
    shared = NamedSharding(mesh, PartitionSpec("data"))
    x = jax.make_array_from_process_local_data(shared, whole[8 * rank : 8 * rank + 8])
    params = jax.device_put(jnp.zeros(3), NamedSharding(mesh, PartitionSpec()))

    def loss(p, batch):
        return jnp.mean((batch @ p - 1.0) ** 2)

    found = {"largest": inertia.jax.measure(loss, params, x, noise=0).L}
    tuned = inertia.jax.tune(loss, params, x, steps=16, batch_size=4, runs=1)
    found |= {"recipe": tuned.recipe.to_json(), "end": tuned.verified_loss, "run": tuned.history.trials[0].run.training.tolist()}
    checked = inertia.jax.check(loss, params, x, lr=0.05, momentum=0.9, steps=16, batch_size=4)
    found |= watched(loss, params, x, rank)
    print(json.dumps(found | {"stable": checked.stable, "said": str(checked)}))


def watched(loss, params, x, rank):
    """A run that both processes watch at the same steps; only the first one writes."""
    import jax
    import optax

    import inertia.jax
    from inertia.errors import BadInput

    try:
        inertia.jax.Watch(loss, probe=x)
    except BadInput as error:
        refused = str(error)
    rule, logged = optax.sgd(0.05, momentum=0.9), []
    state = rule.init(params)

    @jax.jit
    def step(params, state, x):
        value, gradient = jax.value_and_grad(loss)(params, x)
        updates, state = rule.update(gradient, state, params)
        return optax.apply_updates(params, updates), state, value

    with inertia.jax.Watch(loss, rule, probe=x, every=3, log=lambda numbers, step: logged.append(step), say=False) as watch:
        for _ in range(9):
            params, state, value = step(params, state, x)
            watch.step(params, state, value)
    seen = [[look.step, look.sharpness, look.edge] for look in watch.looks]
    assert bool(logged) == (rank == 0)
    return {"looks": seen, "refused": refused}


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])

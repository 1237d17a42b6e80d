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
    print(json.dumps(found | {"stable": checked.stable, "said": str(checked)}))


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])

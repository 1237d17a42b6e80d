"""One of two JAX processes that hold a half of the data each: prints the largest curvature it finds. Run by test_processes_jax."""

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
    found = inertia.jax.measure(lambda p, batch: jnp.mean((batch @ p - 1.0) ** 2), params, x, noise=0)
    print("largest", found.L)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])

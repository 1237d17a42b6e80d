# ---
# jupyter:
#   jupytext:
#     text_representation: {extension: .py, format_name: percent}
#   kernelspec: {display_name: Python 3, language: python, name: python3}
# ---

# %% [markdown]
# # Tune a JAX model
#
# `inertia.jax.tune` takes a loss of (parameters, batch), the parameters and the data, measures, predicts, and verifies by training. What
# comes back is an optax transformation like any other.

# %%
import jax
import jax.numpy as jnp
import optax
from sklearn.datasets import load_digits

import inertia
import inertia.jax

digits = load_digits()
images, labels = jnp.asarray(digits.data[:800] / 16), jnp.asarray(digits.target[:800])


def start(key):
    """Two dense layers."""
    one, two = jax.random.split(key)
    return {
        "w1": jax.random.normal(one, (64, 16)) * (2 / 64) ** 0.5,
        "b1": jnp.zeros(16),
        "w2": jax.random.normal(two, (16, 10)) * (2 / 16) ** 0.5,
        "b2": jnp.zeros(10),
    }


def loss(params, batch):
    """Mean cross-entropy of a batch."""
    x, y = batch
    hidden = jnp.tanh(x @ params["w1"] + params["b1"])
    return optax.softmax_cross_entropy_with_integer_labels(hidden @ params["w2"] + params["b2"], y).mean()


params = start(jax.random.key(0))
print(float(loss(params, (images, labels))))

# %% [markdown]
# ## Measure, predict, verify

# %%
found = inertia.jax.tune(loss, params, (images, labels), steps=80, batch_size=50, seed=0, runs=2)
print(found.verdict)
print(found.method)
print(f"verified final loss {found.verified_loss:.4f}; it cost {found.cost.spent:.1f} runs in all")

# %% [markdown]
# ## Use it
#
# The same coefficients under the schedule they were verified with.

# %%
shrink = inertia.core.schedule.linear(inertia.Method(*found.method), 80)
optimizer = inertia.jax.momentum(shrink)
state = optimizer.init(params)


@jax.jit
def step(params, state, batch):
    """One training step."""
    value, grads = jax.value_and_grad(loss)(params, batch)
    updates, state = optimizer.update(grads, state, params)
    return optax.apply_updates(params, updates), state, value


key = jax.random.key(1)
trained = params
for k in range(80):
    rows = jax.random.choice(jax.random.fold_in(key, k), len(labels), (50,), replace=False)
    trained, state, value = step(trained, state, (images[rows], labels[rows]))
final = float(loss(trained, (images, labels)))
print(f"with batches of its own, this loop ends at {final:.4f}")
assert final < 0.5

# %% [markdown]
# ## Is it what it says?

# %%
print(inertia.jax.identify(optax.sgd(float(found.method.alpha), momentum=float(found.method.beta))))

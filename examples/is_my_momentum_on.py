# ---
# jupyter:
#   jupytext:
#     text_representation: {extension: .py, format_name: percent}
#   kernelspec: {display_name: Python 3, language: python, name: python3}
# ---

# %% [markdown]
# # Is my momentum really on?
#
# In 2026 a set of slides printed losses of 0.243, 0.250 and 0.278 "with momentum". They were plain SGD: the training step had been compiled
# around a list that it changed, so the velocity stayed zero. Nothing failed, and two of the three numbers looked right. Here is how to
# see it from outside.

# %%
import numpy as np

import inertia
from inertia.tasks.frameworks import leaky_step

step = leaky_step(learning_rate=0.005, momentum=0.9)  # jax.jit around a Python list, as on the slides
found = inertia.identify(step, declared=0.9)
print(found)
assert found.method.beta == 0

# %% [markdown]
# ## The same from a training log
#
# No black box is needed: parameters before every step and the gradients taken there are enough.

# %%
rng = np.random.default_rng(0)
params, velocity, points, grads = np.ones(20), np.zeros(20), [], []
for k in range(60):
    grad = np.linspace(0.1, 2.0, 20) * params + 0.1 * rng.standard_normal(20)
    points.append(params.copy())
    grads.append(grad)
    velocity = 0.9 * velocity + grad
    params = params - 0.05 * velocity
    if k == 30:
        velocity[:] = 0  # a checkpoint was loaded, and the optimizer's state was not in it
points.append(params.copy())
seen = inertia.identify(np.array(points), np.array(grads), declared=0.9)
print(seen)

# %% [markdown]
# ## What it costs
#
# On this task the loss hardly tells: that is why such bugs live long.

# %%
from inertia.problems import linear_regression
from inertia.problems.simulation import run

problem = linear_regression(0)
for beta in (0.9, 0.0):
    record = run(problem, inertia.Method(0.005, beta), 300, batch_size=10, seed=0)
    print(f"beta {beta:g}: loss after 300 steps {record.loss:.3g}")

# %% [markdown]
# ## Frameworks mean different things by the same words

# %%
from inertia.optimizers.conventions import convert

for target in ("keras", "method"):
    told = convert("torch", target, lr=0.1, momentum=0.9, nesterov=True)
    print(target, dict(told.to), told.status, *told.notes, sep="\n  ")

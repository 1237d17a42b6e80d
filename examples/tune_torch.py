# ---
# jupyter:
#   jupytext:
#     text_representation: {extension: .py, format_name: percent}
#   kernelspec: {display_name: Python 3, language: python, name: python3}
# ---

# %% [markdown]
# # Tune a PyTorch model
#
# A small convolutional network on the 8x8 digits. Its curvature is measured where training takes place, learning rate and momentum are
# recommended and verified by real runs, and the result is compared with the folk default. Open with jupytext or any editor that knows
# `# %%` cells.

# %%
import matplotlib.pyplot as plt
import numpy as np
import torch

import inertia
import inertia.torch
from inertia.tasks.modules import module

torch.set_num_threads(1)
job = module("digits-cnn")
images, labels = (part[:800] for part in job.data)
print(job.about, tuple(images.shape))

# %% [markdown]
# ## Is the optimizer what it claims to be?

# %%
model = job.build(0)
folk = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
print(inertia.torch.identify(folk))

# %% [markdown]
# ## How curved is the loss, and where?
#
# At initialisation curvature is the wrong number: it grows during the first steps. `along` measures it again on the way of a short run.

# %%
found = inertia.torch.measure(
    model,
    job.loss,
    (images, labels),
    examples=200,
    along=(60, 120),
    along_method=inertia.Method(0.1, 0.9),
    rtol=0.05,
    weights=False,
    noise=0,
)
along = found.provenance["along"]
for step, largest, loss in zip(along["steps"], along["largest"], along["loss"], strict=True):
    print(f"step {step:4.0f}: largest curvature {largest:.3g}, loss {loss:.3g}")

# %% [markdown]
# ## Measure, predict, verify
#
# Sixty steps of 32 examples with a rate that falls linearly to zero; at most two full runs to verify.

# %%
steps = 60
tuned = inertia.torch.tune(model, job.loss, (images, labels), steps=steps, batch_size=32, seed=0, runs=2)
print(tuned.verdict)
print(tuned.method)
print(f"verified final loss {tuned.verified_loss:.4f}; it cost {tuned.cost.spent:.1f} runs in all")

# %% [markdown]
# ## In a loop of your own, beside the folk default


# %%
def train(method, seed=0):
    """Training losses (mean of ten steps) and the final loss on all training data."""
    network = job.build(seed)
    optimizer = inertia.torch.Momentum(network.parameters(), method)
    shrink = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1 - step / steps)
    order, seen = torch.Generator().manual_seed(seed), []
    for _ in range(steps):
        rows = torch.randint(len(labels), (32,), generator=order)
        optimizer.zero_grad()
        loss = job.loss(network(images[rows]), labels[rows])
        loss.backward()
        optimizer.step()
        shrink.step()
        seen.append(loss.item())
    with torch.no_grad():
        final = job.loss(network(images), labels).item()
    return np.convolve(seen, np.ones(10) / 10, "valid"), final


ran = {"tuned": train(tuned.method), "folk 0.1, 0.9": train(inertia.Method(0.1, 0.9))}
for name, (_, final) in ran.items():
    print(f"{name:14} final training loss {final:.4f}")

# %%
figure, axes = plt.subplots(figsize=(7, 3.5))
for name, (curve, _) in ran.items():
    axes.semilogy(curve, label=name)
axes.set(xlabel="step", ylabel="training loss, mean of 10 steps")
axes.legend(frameon=False)

# %%
assert ran["tuned"][1] < 1.0  # the loss of guessing is 2.3

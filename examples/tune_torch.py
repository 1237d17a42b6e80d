# ---
# jupyter:
#   jupytext:
#     text_representation: {extension: .py, format_name: percent}
#   kernelspec: {display_name: Python 3, language: python, name: python3}
# ---

# %% [markdown]
# # Tune a PyTorch model
#
# A small convolutional network on the 8x8 digits. We measure its curvature where training takes place, derive the range of learning
# rates that survive, run a few of them, and keep what was *seen* to work. Open with jupytext or any editor that knows `# %%` cells.

# %%
import matplotlib.pyplot as plt
import numpy as np
import torch

import inertia
import inertia.torch
from inertia.tasks.modules import module

torch.set_num_threads(1)
job = module("digits-cnn")
images, labels = job.data
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
    job.data,
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

# %%
sharpest = max(along["upper"])
reach = 2 * (1 + 0.9) / sharpest  # heavy ball with 0.9 survives curvature 2 (1 + beta)/alpha
print(f"with beta 0.9 the sharpest place on that way survives alpha up to {reach:.3g}")

# %% [markdown]
# ## Verify by running
#
# Five full runs with a rate that decays linearly to zero: four around that reach, and the folk default.


# %%
def train(method, seed=0):
    """Training losses (smoothed over ten steps) and the final loss on all training data."""
    network = job.build(seed)
    optimizer = inertia.torch.Momentum(network.parameters(), method)
    shrink = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1 - step / job.steps)
    order, seen = torch.Generator().manual_seed(seed), []
    rows = torch.randperm(len(labels), generator=order)
    for step in range(job.steps):
        if (step + 1) * job.batch_size % len(labels) < job.batch_size:
            rows = torch.randperm(len(labels), generator=order)
        batch = rows[torch.arange(step * job.batch_size, (step + 1) * job.batch_size) % len(labels)]
        optimizer.zero_grad()
        loss = job.loss(network(images[batch]), labels[batch])
        loss.backward()
        optimizer.step()
        shrink.step()
        seen.append(loss.item())
    with torch.no_grad():
        final = job.loss(network(images), labels).item()
    return np.convolve(seen, np.ones(10) / 10, "valid"), final


candidates = {
    "reach / 4": inertia.Method(reach / 4, 0.9),
    "reach / 2": inertia.Method(reach / 2, 0.9),
    "reach": inertia.Method(reach, 0.9),
    "2 reach": inertia.Method(2 * reach, 0.9),
    "folk 0.1, 0.9": inertia.Method(0.1, 0.9),
}
ran = {name: train(method) for name, method in candidates.items()}
for name, (_, final) in ran.items():
    print(f"{name:14} alpha {candidates[name].alpha:.3g}   final training loss {final:.4f}")

# %%
figure, axes = plt.subplots(figsize=(7, 3.5))
for name, (curve, _) in ran.items():
    axes.semilogy(curve, label=name)
axes.set(xlabel="step", ylabel="training loss, mean of 10 steps")
axes.legend(frameon=False)

# %%
best = min(ran, key=lambda name: ran[name][1] if np.isfinite(ran[name][1]) else np.inf)
method = candidates[best]
print(
    f"measured, then verified here: torch.optim.SGD(model.parameters(), lr={method.alpha:.3g}, momentum={method.beta:g}), decayed linearly"
)
assert ran[best][1] < 0.5  # the loss of guessing is 2.3

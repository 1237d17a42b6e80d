# ---
# jupyter:
#   jupytext:
#     text_representation: {extension: .py, format_name: percent}
#   kernelspec: {display_name: Python 3, language: python, name: python3}
# ---

# %% [markdown]
# # Large least squares
#
# Two million numbers, 300 unknowns, columns of very different scale. Momentum, gradient descent and conjugate gradients on the same
# matrix, with the curvature measured by products alone; and when each of them is the right answer.

# %%
import time

import matplotlib.pyplot as plt
import numpy as np

import inertia
from inertia.measurement import lanczos
from inertia.problems import least_squares
from inertia.problems.simulation import run
from inertia.theory.sequences import chebyshev, conjugate_gradient

rng = np.random.default_rng(0)
features = rng.standard_normal((6000, 300)) * np.geomspace(0.05, 1.0, 300)
truth = rng.standard_normal(300)
targets = features @ truth + 0.1 * rng.standard_normal(6000)
problem = least_squares(features, targets, name="large")
print(features.size, "numbers")

# %% [markdown]
# ## Measure
#
# Both ends of the spectrum, by Lanczos: no matrix is ever formed.

# %%
began = time.perf_counter()
ends = lanczos(lambda v: problem.hvp(problem.start, v), problem.dimension, ends="both", rtol=0.02)
print(f"curvatures {ends.smallest:.4g} to {ends.largest:.4g}, {ends.hvps} products, {time.perf_counter() - began:.2f} s")

# %% [markdown]
# ## Choose and run

# %%
mu, L = float(ends.smallest), float(ends.upper)
spectrum = inertia.spectrum([mu, L])
methods = {
    "gradient descent": inertia.best(spectrum, "gradient-descent").method,
    "heavy ball": inertia.best(spectrum).method,
    "Nesterov": inertia.best(spectrum, "nesterov").method,
    "Chebyshev": chebyshev(mu, L),
}
steps = 200
curves = {name: run(problem, method, steps).losses - problem.minimum for name, method in methods.items()}
for name, curve in curves.items():
    print(f"{name:17} loss above the minimum after {steps} steps: {curve[-1]:.3g}")

# %%
gram = features.T @ features / len(features)
solved = conjugate_gradient(lambda v: gram @ v, features.T @ targets / len(features), steps=steps, tolerance=1e-12)
print(f"conjugate gradients: residual {solved.residuals[-1]:.2g} after {solved.products} products")

# %%
figure, axes = plt.subplots(figsize=(7, 3.5))
for name, curve in curves.items():
    axes.semilogy(np.maximum(curve, 1e-16), label=name)
axes.set(xlabel="step", ylabel="loss above the minimum")
axes.legend(frameon=False)

# %% [markdown]
# ## When to use which
#
# * Exact products and a fixed matrix: conjugate gradients, or a direct solve for 300 unknowns.
# * Only mini-batches: momentum, with a rate that decays; then ask `tune` whether momentum matters.

# %%
from inertia import tune

found = tune(problem, steps=600, batch_size=50)
print(found.verdict)
print(f"final loss above the minimum {found.verified_loss - problem.minimum:.3g}")
assert curves["heavy ball"][-1] < 1e-3 * curves["gradient descent"][-1]

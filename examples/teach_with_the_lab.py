# ---
# jupyter:
#   jupytext:
#     text_representation: {extension: .py, format_name: percent}
#   kernelspec: {display_name: Python 3, language: python, name: python3}
# ---

# %% [markdown]
# # Teaching with the laboratory
#
# The figures of `inertia lab` are notebook widgets: the same page, the same numbers, no server. Below is a lesson of four steps. Each has
# a widget to play with and a line of Python that answers a question about it.

# %%
import inertia
from inertia.lab import figure, widget
from inertia.theory.modes import critical_momentum, regime

# %% [markdown]
# ## 1. One curvature
#
# *Drag the knob over the map: which regions are there?*

# %%
modes = widget("modes")
modes

# %%
for alpha, beta in ((0.15, 0.9), (0.15, 0.125), (2.0, 0.05), (2.5, 0.235)):
    print(alpha, beta, regime(inertia.Method(alpha, beta), 1.0))

# %% [markdown]
# ## 2. How much momentum is critical?
#
# *Predict first, then look: at alpha h = 0.04, which beta settles fastest?*

# %%
print(float(critical_momentum(0.04, 1.0)))

# %% [markdown]
# ## 3. A whole spectrum
#
# *Why is the best method never inside the map, but always where two curvatures are equally slow?*

# %%
rates = widget("map")
rates

# %%
best = inertia.best(inertia.spectrum([0.2, 4.0]))
print(best.method, [float(inertia.rate(best.method, h)) for h in (0.2, 4.0)])

# %% [markdown]
# ## 4. A curved valley
#
# *Start somewhere else. When does it fly out, and what does the local curvature say?*

# %%
hero = widget("hero")
hero

# %% [markdown]
# For slides, the static twin of any figure, in any state:

# %%
picture = figure("map")
picture

# %%
assert {modes.name, rates.name, hero.name} == {"modes", "map", "hero"}
assert modes.state["alpha"] > 0  # what the hand sets in the browser is read here, and moves the figure when set here

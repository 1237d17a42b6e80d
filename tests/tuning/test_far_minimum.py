"""Losses whose curvature outgrows that of their start: counts far from the rate they begin with, exponentials, walls."""

from __future__ import annotations

from dataclasses import replace

import jax.numpy as jnp
import numpy as np
import pytest
import torch
from scipy.optimize import minimize

import inertia
from inertia.tuning.experience import ExperiencePolicy
from inertia.tuning.factors import budget_of
from inertia.tuning.ladder import FALLING
from inertia.tuning.measuring import measure
from inertia.tuning.policy import History

STEPS, BATCH = 200, 20


def counts(level):
    rng = np.random.default_rng(0)
    x = rng.standard_normal((300, 3))
    return x, rng.poisson(level * np.exp(0.3 * x[:, 1])).astype(float)


def torch_job(level, dtype=torch.float64):
    x, y = (torch.tensor(part, dtype=dtype) for part in counts(level))
    model = torch.nn.Linear(3, 1).to(dtype)
    torch.nn.init.zeros_(model.weight)
    torch.nn.init.zeros_(model.bias)
    return model, lambda out, target: torch.nn.functional.poisson_nll_loss(out.squeeze(-1), target), (x, y)


def jax_job(level):
    def loss(params, batch):
        out = batch[0] @ params["w"] + params["b"]
        return jnp.mean(jnp.exp(out) - batch[1] * out)

    return loss, {"w": jnp.zeros(3), "b": jnp.zeros(())}, tuple(map(jnp.asarray, counts(level)))


def lowest(level):
    """The lowest loss, by scipy."""
    x, y = counts(level)
    design = np.column_stack([x, np.ones(len(y))])
    begin = np.array([0.0, 0.0, 0.0, np.log(y.mean())])
    return minimize(lambda w: float(np.mean(np.exp(design @ w) - y * (design @ w))), begin).fun


@pytest.mark.parametrize("level", [10.0, 1e3, 1e5])
def test_counts_far_from_their_start_are_measured_and_tuned(level):
    """From exp(0) = 1 a step of 1/curvature leads to where the loss overflows: that is no fault of the data, and training works."""
    found = inertia.tune(*torch_job(level), steps=STEPS, batch_size=BATCH, runs=3)
    start = 1.0
    assert found.trained
    assert found.cost.measuring <= found.cost.estimated
    left = (found.verified_loss - lowest(level)) / (start - lowest(level))
    assert left < 0.01  # a hundredth of the fall: gradient noise leaves less than a thousandth at a tenth of the stable rate
    assert "Nothing trained" not in str(found)


@pytest.mark.parametrize(("level", "seen_whole"), [(10.0, True), (1e2, False), (1e4, False)])
def test_doors_and_precisions_take_the_same_way(level, seen_whole):
    """Ten times the start's rate is reached on a slower way; a hundred times on none, and then no forecast is made."""
    budget = budget_of(300, steps=STEPS, batch_size=BATCH)
    from inertia.jax.door import JaxJob
    from inertia.torch.door import TorchJob

    loss, params, data = jax_job(level)
    jobs = [TorchJob(*torch_job(level, dtype), batch_size=BATCH) for dtype in (torch.float32, torch.float64)]
    seen = [measure(job, budget, seed=1) for job in [*jobs, JaxJob(loss, params, data, batch_size=BATCH)]]
    assert {one.convex for one in seen} == {seen_whole}
    first, *others = seen[:2]  # torch twice: the same examples are drawn
    for other in others:
        assert other.largest == pytest.approx(first.largest, rel=1e-3)
        assert (other.tail is None) == (first.tail is None)
    assert all(one.at[-1].largest > one.at[0].largest if seen_whole else "walk" in one.notes for one in seen)


def test_a_wall_next_to_the_start_is_told():
    """Beyond a millionth of a unit the loss is infinite: no way is short enough, and no forecast is made of what was not seen."""

    def loss(params, batch):
        return jnp.mean(jnp.where(jnp.abs(params["w"]) < 1e-6, 0.5 * (params["w"] - batch) ** 2, jnp.inf))

    from inertia.jax.door import JaxJob

    job = JaxJob(loss, {"w": jnp.zeros(())}, jnp.linspace(0.5, 1.5, 64), batch_size=8)
    budget = budget_of(64, steps=STEPS, batch_size=8)
    seen = measure(job, budget)
    assert not seen.convex
    assert seen.tail is None
    assert "does not" in seen.notes["walk"] or "did not" in seen.notes["walk"]


@pytest.mark.parametrize("octaves", [0.0, 3.0, 8.0])
def test_advice_follows_the_short_runs_where_the_curvature_of_the_start_says_nothing(octaves):
    """The same job with a curvature that was seen ever smaller: the advice may not climb past where short runs lose all of their fall."""
    budget = budget_of(300, steps=STEPS, batch_size=BATCH)
    from inertia.torch.door import TorchJob

    seen = measure(TorchJob(*torch_job(10.0), batch_size=BATCH), budget, seed=1)
    (ladder,) = seen.ladders
    shrunk = [replace(place, largest=place.largest / 2**octaves, error=place.error / 2**octaves) for place in seen.at]
    pick = ExperiencePolicy(replace(seen, at=tuple(shrunk), convex=False, tail=None), budget).pick(History())
    assert np.log2(pick.recipe.learning_rate / (1 - pick.recipe.momentum)) < ladder.edge - np.log2(1 - FALLING)

"""The lines to copy make the run that was verified: they are executed, and their learning rates are those of the budget's table."""

import math
from dataclasses import replace

import jax.numpy as jnp
import numpy as np
import optax
import pytest
import torch

import inertia.jax.made
import inertia.torch.made
from inertia.errors import InertiaWarning
from inertia.tuning.code import lines, settings
from inertia.tuning.factors import budget_of
from inertia.tuning.recipe import Recipe

STEPS = 24
SHAPES = [("constant", 0), ("linear", 0), ("cosine", 0), ("constant", 5), ("linear", 5), ("cosine", 5)]
RECIPES = [Recipe(0.3), Recipe(0.3, 0.9), Recipe(0.3, 0.9, nesterov=True), Recipe(0.01, 0.8, optimizer="adamw")]


def budget(shape, warmup, **more):
    return budget_of(64, steps=STEPS, batch_size=8, schedule=shape, warmup=warmup, **more)


def torch_path(optimizer, scheduler, params, clip=None):
    rng = np.random.default_rng(0)
    for _ in range(STEPS):
        for p in params:
            p.grad = torch.tensor(rng.standard_normal(p.shape))
        if clip:
            torch.nn.utils.clip_grad_norm_(params, clip)
        optimizer.step()
        if scheduler is not None:
            scheduler.step()
    return np.concatenate([p.detach().numpy().ravel() for p in params])


def params():
    rng = np.random.default_rng(1)
    return [torch.nn.Parameter(torch.tensor(rng.standard_normal(shape))) for shape in ((2, 3), (4,))]


class Holder(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.held = torch.nn.ParameterList(params())


def optax_path(tx):
    rng = np.random.default_rng(0)
    at = [jnp.asarray(p.detach().numpy()) for p in params()]
    state = tx.init(at)
    for _ in range(STEPS):
        grads = [jnp.asarray(rng.standard_normal(p.shape)) for p in at]
        updates, state = tx.update(grads, state, at)
        at = optax.apply_updates(at, updates)
    return np.concatenate([np.asarray(p).ravel() for p in at])


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda r: str(r.family))
@pytest.mark.parametrize(("shape", "warmup"), SHAPES)
def test_torch_lines_objects_and_optax_take_the_same_steps(recipe, shape, warmup):
    given = budget(shape, warmup, weight_decay=0.02, clip=1.5)
    space = {"torch": torch, "math": math, "model": (model := Holder())}
    code = [line for line in lines(recipe, given)["torch"].splitlines() if "clip_grad_norm_" not in line]
    exec("\n".join(code), space)
    copied = torch_path(space["optimizer"], space.get("scheduler"), list(model.parameters()), clip=1.5)
    mine = params()
    made = torch_path(*inertia.torch.made.optimizer_of(recipe, given, mine), mine, clip=1.5)
    np.testing.assert_allclose(copied, made, rtol=1e-10)
    words = {"optax": optax, "jnp": jnp, "math": math}
    exec(lines(recipe, given)["optax"], words)
    # jax computes in float32: 24 steps of rounding
    np.testing.assert_allclose(optax_path(words["optimizer"]), made, rtol=2e-4, atol=2e-5)
    np.testing.assert_allclose(optax_path(inertia.jax.made.transformation_of(recipe, given)), made, rtol=2e-4, atol=2e-5)


def test_the_clipping_line_is_there_and_says_where():
    text = lines(Recipe(0.1), budget("constant", 0, clip=2.0))["torch"]
    assert "clip_grad_norm_(model.parameters(), 2.0)  # before every optimizer.step()" in text


def test_no_momentum_is_not_spelled_out():
    assert lines(Recipe(0.1), budget("constant", 0))["torch"] == "optimizer = torch.optim.SGD(model.parameters(), lr=0.1)"


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda r: str(r.family))
def test_settings_are_the_frameworks_arguments(recipe):
    words = settings(recipe)
    (torch.optim.AdamW if recipe.optimizer == "adamw" else torch.optim.SGD)(params(), **words["torch"])
    (optax.adamw if recipe.optimizer == "adamw" else optax.sgd)(**words["optax"])


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda r: str(r.family))
def test_parameter_groups_stand_in_the_line_and_in_the_object(recipe):
    """The line names groups, the object scales them: both take the steps of the run, the frameworks that have one group say so."""
    given = replace(budget("linear", 0, weight_decay=0.02), uniform=False)
    code = lines(recipe, given)
    assert "optimizer = torch.optim." in code["torch"]
    assert "(groups, lr=" in code["torch"]
    assert all(code[name].endswith("each with a learning rate or weight decay of its own") for name in ("optax", "keras"))

    def groups(of, **words):
        return [{"params": of[:1], "weight_decay": 0.0, **words}, {"params": of[1:]}]

    first, second = params(), params()
    space = {"torch": torch, "math": math, "groups": groups(first, lr=0.1 * recipe.learning_rate)}
    exec(code["torch"], space)
    copied = torch_path(space["optimizer"], space["scheduler"], first)
    made = torch_path(*inertia.torch.made.optimizer_of(recipe, given, groups(second, scale=0.1)), second)
    np.testing.assert_allclose(copied, made, rtol=1e-12)
    with pytest.warns(InertiaWarning, match="the runs had parameter groups"):
        inertia.torch.made.optimizer_of(recipe, given, params())

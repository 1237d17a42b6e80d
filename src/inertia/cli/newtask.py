"""`inertia new-task`: a file that says what to train, commented, and that runs as it is."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..errors import BadInput, nearest
from .options import place

__all__ = ["TEMPLATES", "register"]

PLACE = 12

_TORCH = '''"""What to train. Tune it with:   inertia tune {file}"""

import torch

from inertia.tasks import torch_task


def task():
    torch.manual_seed(0)

    # Your data: tensors (inputs, targets), a DataLoader, a Dataset or a list of batches.
    inputs = torch.randn(512, 10)
    targets = torch.sin(inputs.sum(dim=1, keepdim=True))

    # Your model, at the start of training. It is copied for every run and never changed.
    model = torch.nn.Sequential(torch.nn.Linear(10, 32), torch.nn.Tanh(), torch.nn.Linear(32, 1))

    return torch_task(
        model,
        torch.nn.MSELoss(),  # loss_fn(model(inputs), targets), a mean over the batch
        (inputs[:384], targets[:384]),
        validation=(inputs[384:], targets[384:]),  # runs are compared on these; leave it out to compare training losses
        steps=300,  # the length of a real training run: the best learning rate depends on it
        batch_size=32,
        schedule="linear",  # constant, linear, cosine, or a function step -> factor
        # warmup=20, weight_decay=1e-4, clip=1.0, momentum=0.9, nesterov=True,
    )
'''
_JAX = '''"""What to train. Tune it with:   inertia tune {file}"""

import jax
import jax.numpy as jnp

from inertia.tasks import jax_task


def loss(params, batch):
    """Mean loss of a batch: a tuple of arrays, the examples first."""
    inputs, targets = batch
    hidden = jnp.tanh(inputs @ params["in"])
    return jnp.mean((hidden @ params["out"] - targets) ** 2)


def start(seed):
    """Parameters at the start of training: any pytree of arrays."""
    one, two = jax.random.split(jax.random.key(seed))
    return {{"in": 0.3 * jax.random.normal(one, (10, 32)), "out": 0.2 * jax.random.normal(two, (32, 1))}}


def task():
    inputs = jax.random.normal(jax.random.key(0), (512, 10))
    targets = jnp.sin(inputs.sum(axis=1, keepdims=True))
    return jax_task(
        loss,
        start,
        (inputs[:384], targets[:384]),
        validation=(inputs[384:], targets[384:]),  # runs are compared on these; leave it out to compare training losses
        steps=300,  # the length of a real training run: the best learning rate depends on it
        batch_size=32,
        schedule="linear",  # constant, linear, cosine, or a function step -> factor
        # warmup=20, weight_decay=1e-4, clip=1.0, momentum=0.9, nesterov=True,
    )
'''
TEMPLATES = {"torch": _TORCH, "jax": _JAX}


def register(app: typer.Typer) -> None:
    """Add `new-task`."""
    app.command("new-task", epilog="Example: inertia new-task torch mine.py && inertia tune mine.py")(new_task)


def new_task(
    framework: Annotated[str, typer.Argument(metavar="torch|jax", help="What your model is written in.")],
    file: Annotated[Path, typer.Argument(metavar="FILE.py", parser=place, help="Where to write; never over a file that is there.")],
) -> None:
    """Write a commented task file that runs as it is: put your model and data in, then tune it."""
    if framework not in TEMPLATES:
        raise BadInput(f"unknown framework '{framework}': {nearest(framework, TEMPLATES)}")
    if file.suffix != ".py":
        raise BadInput(f"{file} is not a Python file: its name must end in .py")
    try:
        with file.open("x") as made:
            made.write(TEMPLATES[framework].format(file=file))
    except FileExistsError:
        raise BadInput(f"{file} is there already: choose another name, or remove it") from None
    except OSError as error:
        raise BadInput(f"{file} cannot be written ({error.strerror}): choose another place") from error
    print(f"{file} written. Tune it: inertia tune {file}")

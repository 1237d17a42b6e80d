"""The jobs of the tuner's benchmark: what is trained, for how many steps, in which batches."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Job:
    name: str
    task: str
    steps: int
    batch_size: int | None  # None = full batch
    kind: str  # "convex" or "network"
    held_out: bool = False  # never looked at while the tuner was designed: ten that were are no longer marked
    coarse: tuple[int, int] = (-11, 3)  # first learning rates of the grid, as powers of two


JOBS = {
    job.name: job
    for job in [
        Job("mlp", "digits-mlp", 220, 64, "network"),
        Job("mlp-big", "digits-mlp", 80, 512, "network"),
        Job("mlp-full", "digits-mlp-full", 200, None, "network"),
        Job("autoencoder", "digits-autoencoder", 440, 64, "network"),
        Job("cnn", "digits-cnn", 264, 32, "network"),
        Job("cnn-noisy", "digits-cnn-noisy", 264, 32, "network"),
        Job("resnet", "digits-resnet", 88, 64, "network"),
        Job("char", "char-transformer", 200, 32, "network", coarse=(-7, 0)),
        Job("cancer-mlp", "cancer-mlp", 210, 32, "network"),
        Job("diabetes-mlp", "diabetes-mlp", 330, 16, "network"),
        Job("airfoil-mlp", "airfoil-mlp", 380, 64, "network"),
        Job("digits-deep", "digits-deep", 165, 128, "network"),
        Job("digits-vit", "digits-vit", 220, 64, "network"),
        Job("char-gru", "char-gru", 200, 32, "network", coarse=(-6, 3)),
        Job("wine-mlp", "wine-mlp", 140, 20, "network"),
        Job("digits-rnn", "digits-rnn", 260, 64, "network", held_out=True),
        Job("char-ngram", "char-ngram", 400, 50, "network"),
        Job("digits-residual", "digits-residual", 150, 96, "network"),
        Job("cancer-autoencoder", "cancer-autoencoder", 280, 32, "network", held_out=True),
        Job("digits-convnorm", "digits-convnorm", 180, 48, "network", held_out=True),
    ]
}
FAMILIES = {"0": (0.0, 0.0), "0.5": (0.5, 0.0), "0.8": (0.8, 0.0), "0.9": (0.9, 0.0), "0.95": (0.95, 0.0), "0.99": (0.99, 0.0),
            "nesterov-0.9": (0.9, 0.9), "nesterov-0.99": (0.99, 0.99)}  # fmt: skip
SCHEDULES = ("constant", "linear")
SEEDS = (0, 1, 2)

# Convex cells: (task, steps, batch size). The last six were unseen once, and were looked at when the rules were written anew.
CONVEX_CELLS = [
    ("digits", 112, 32), ("digits", 560, 32), ("diabetes", 90, 10), ("diabetes", 900, 10),
    ("breast-cancer", 90, 32), ("breast-cancer", 360, 32), ("airfoil", 300, 10), ("airfoil", 3000, 10),
    ("airfoil", 1000, 50), ("breast-cancer", 200, 8), ("diabetes", 300, 50), ("digits", 200, 128), ("digits", 1000, 8),
    ("linear-regression", 300, 10),
]  # fmt: skip
# Cells that nobody has looked at while the tuner was designed.
CONVEX_HELD_OUT = [
    ("airfoil", 500, 25), ("airfoil", 2000, 5), ("breast-cancer", 500, 64), ("diabetes", 200, 25), ("digits", 300, 16),
    ("linear-regression", 120, 20),
]  # fmt: skip


def label(task: str, steps: int, batch_size: int) -> str:
    """What a convex cell is called in the data."""
    return f"{task} {steps} steps, batch {batch_size}"

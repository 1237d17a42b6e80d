"""The frozen list of jobs: the experience that the package's choices are fitted to, and the jobs that stay sealed.

Jobs of one family share data and architecture, and are left out together. The sealed ones were drawn by `draw` from the new
families before any rule was fitted; nobody looks at their results until the closing note. A test holds this list to `FROZEN`:
to add jobs, append to it, never change what is there, and give the new digest.
"""

from __future__ import annotations

import hashlib
import json
import random
from dataclasses import asdict, dataclass, replace
from functools import cache
from pathlib import Path

SEAL_SEED, SEALED_CONVEX, SEALED_NETWORKS = 20261125, 3, 7


@dataclass(frozen=True)
class Job:
    name: str
    family: str
    kind: str  # "convex" or "network"
    built: str  # whose init, loss and data: a name of `problems.BUILDERS`, or of the tuner's benchmark
    steps: int
    batch_size: int | None  # None = full batch
    sgd: str = "full"  # "full", "thin" (three momenta, two octaves about the best) or "few"; "known": the tuner's own grid
    adamw: str = "full"  # the same; "none" for convex jobs
    seeds: int = 4
    source: str = "new"  # or "tuner": a job of benchmarks/tuner, whose SGD grid is read from there; or "drawn" (drawn.py)
    sealed: bool = False

    @property
    def folder(self) -> str:
        """Where its files are, below `data` and `short`."""
        return "sealed" if self.sealed else "drawn" if self.source == "drawn" else ""


def _budgets(base: Job) -> list[Job]:
    """A job, the same with 4 times the steps, and with 4 times the batch."""
    longer = {"name": f"{base.name}-steps4", "steps": 4 * base.steps}
    wider = {"name": f"{base.name}-batch4", "batch_size": 4 * (base.batch_size or 1)}
    return [base, Job(**asdict(base) | longer), Job(**asdict(base) | wider)]


def _convex(name: str, steps: int, batch_size: int | None, family: str = "") -> Job:
    return Job(name, family or name, "convex", name, steps, batch_size, adamw="none")


def _network(name: str, steps: int, batch_size: int | None, family: str = "", grids: tuple[str, str] = ("full", "full")) -> Job:
    return Job(name, family or name, "network", name, steps, batch_size, *grids)


_NEW = [
    *_budgets(_convex("ridge", 300, 20)),
    _convex("logistic-imbalance", 600, 32),
    _convex("softmax-wine", 400, 16),
    *_budgets(_convex("poisson", 500, 25)),
    _convex("huber-airfoil", 1000, 32, "airfoil-linear"),
    _convex("squares-ill-full", 500, None, "squares-ill"),
    _convex("squares-ill-noisy", 1200, 10, "squares-ill"),
    _convex("logistic-full", 300, None),
    _convex("location-scale", 400, 32),
    _convex("bigram", 1000, 64),
    _convex("hinge-digits", 300, 32, "digits-linear"),
    _convex("logcosh-diabetes", 600, 16, "diabetes-linear"),
    _network("iris-dropout", 300, 16),
    _network("moons-imbalance", 500, 32),
    _network("mixture-density", 1000, 32),
    *_budgets(_network("airfoil-scales", 600, 32, "airfoil-mlp")),
    *_budgets(_network("friedman", 400, 20)),
    _network("deep-tanh", 400, 25),
    _network("parity", 1000, 32),
    _network("xor-sigmoid", 600, 20),
    _network("wine-autoencoder", 600, 16),
    _network("deep-linear", 500, None),
    _network("equation", 1000, None),
    _network("wine-raw", 300, 20, "wine-mlp"),
    _network("cancer-residual-noisy", 400, 32),
    _network("ratings", 1000, 64, "ratings"),
    _network("entities", 500, 40),
    *_budgets(_network("digits-noisy", 400, 32, "digits-mlp")),
    _network("digits-loud-start", 300, 32, "digits-mlp"),
    _network("digits-faint-start", 300, 32, "digits-mlp"),
    _network("digits-batchnorm", 300, 32),
    _network("digits-dropout", 400, 32),
    _network("digits-variational", 500, 32),
    _network("digits-finetune", 200, 32),
    _network("digits-maxpool", 240, 32, "digits-cnn", ("thin", "thin")),
    _network("sources-elman", 300, 16, "", ("thin", "thin")),
    _network("adding-gru", 500, 32),
    _network("waves-lstm", 1000, 16),
    _network("recall-attention", 600, 32, "", ("thin", "thin")),
    _network("skipgram", 600, 128),
    _network("next-word", 800, 32),
    _network("sources-ngram", 500, 32),
    _network("source-lines", 300, 24),
    _network("sources-transformer", 300, 16, "", ("thin", "thin")),
    _network("ratings-large", 1000, 128, "ratings", ("thin", "thin")),
    _network("next-word-large", 1000, 64, "next-word", ("thin", "thin")),
    _network("sources-ngram-large", 1000, 32, "sources-ngram", ("thin", "thin")),
    _network("digits-wide", 400, 32, "digits-mlp", ("thin", "thin")),
    _network("sources-transformer-large", 400, 8, "sources-transformer", ("few", "few")),
    _network("topics-transformer-million", 1000, 8, "topics-transformer", ("few", "few")),
]

# Jobs of benchmarks/tuner: (name there, family, steps, batch size, AdamW's grid). Convex ones are built from the task's name.
_TUNER_NETWORKS = [
    ("mlp", "digits-mlp", "digits-mlp", 220, 64, "full"),
    ("mlp-big", "digits-mlp", "digits-mlp", 80, 512, "full"),
    ("mlp-full", "digits-mlp", "digits-mlp-full", 200, None, "full"),
    ("autoencoder", "digits-autoencoder", "digits-autoencoder", 440, 64, "full"),
    ("cnn", "digits-cnn", "digits-cnn", 264, 32, "thin"),
    ("cnn-noisy", "digits-cnn", "digits-cnn-noisy", 264, 32, "thin"),
    ("resnet", "digits-resnet", "digits-resnet", 88, 64, "thin"),
    ("char", "topics-transformer", "char-transformer", 200, 32, "few"),
    ("cancer-mlp", "cancer-mlp", "cancer-mlp", 210, 32, "full"),
    ("diabetes-mlp", "diabetes-mlp", "diabetes-mlp", 330, 16, "full"),
    ("airfoil-mlp", "airfoil-mlp", "airfoil-mlp", 380, 64, "full"),
    ("digits-deep", "digits-mlp", "digits-deep", 165, 128, "full"),
    ("digits-vit", "digits-vit", "digits-vit", 220, 64, "thin"),
    ("char-gru", "char-gru", "char-gru", 200, 32, "few"),
    ("wine-mlp", "wine-mlp", "wine-mlp", 140, 20, "full"),
    ("digits-rnn", "digits-rnn", "digits-rnn", 260, 64, "full"),
    ("char-ngram", "char-ngram", "char-ngram", 400, 50, "full"),
    ("digits-residual", "digits-residual", "digits-residual", 150, 96, "full"),
    ("cancer-autoencoder", "cancer-autoencoder", "cancer-autoencoder", 280, 32, "full"),
    ("digits-convnorm", "digits-convnorm", "digits-convnorm", 180, 48, "thin"),
]
_TUNER_CONVEX = [
    ("digits", 112, 32), ("digits", 560, 32), ("digits", 200, 128), ("digits", 1000, 8), ("digits", 300, 16),
    ("diabetes", 90, 10), ("diabetes", 900, 10), ("diabetes", 300, 50), ("diabetes", 200, 25),
    ("breast-cancer", 90, 32), ("breast-cancer", 360, 32), ("breast-cancer", 200, 8), ("breast-cancer", 500, 64),
    ("airfoil", 300, 10), ("airfoil", 3000, 10), ("airfoil", 1000, 50), ("airfoil", 500, 25), ("airfoil", 2000, 5),
    ("linear-regression", 300, 10), ("linear-regression", 120, 20),
]  # fmt: skip


def _known() -> list[Job]:
    networks = [
        Job(name, family, "network", task, steps, batch, "known", adamw, 3, "tuner")
        for name, family, task, steps, batch, adamw in _TUNER_NETWORKS
    ]
    convex = [
        Job(f"{task}-{steps}-b{batch}", f"{task}-linear", "convex", task, steps, batch, "known", "none", 3, "tuner")
        for task, steps, batch in _TUNER_CONVEX
    ]
    return networks + convex


def draw(jobs: list[Job], known: list[Job], seed: int = SEAL_SEED) -> set[str]:
    """Names of the sealed jobs: whole families in random order, passing over those that are too large for the rest.

    Families that also hold a job of the tuner's benchmark are known already, and cannot be sealed.
    """
    chance, sealed = random.Random(seed), set()
    seen = {job.family for job in known}
    for kind, wanted in (("convex", SEALED_CONVEX), ("network", SEALED_NETWORKS)):
        families = sorted({job.family for job in jobs if job.kind == kind} - seen)
        chance.shuffle(families)
        for family in families:
            members = [job.name for job in jobs if job.family == family]
            if len(members) <= wanted:
                sealed |= set(members)
                wanted -= len(members)
    return sealed


# Appended on 27 November 2026, each a family of its own but for `point-clouds`; (steps, batch size), None for full batch.
_LATER_CONVEX: dict[str, tuple[int, int | None]] = {
    "chain-tags": (300, 16),
    "ranking": (500, 20),
    "exponential-cancer": (400, 24),
    "softmax-words": (500, 32),
    "ridge-student": (600, 16),
    "gamma-times": (350, 25),
    "kernel-rings": (800, 32),
    "smooth-signal": (250, None),
    "portfolio": (450, 12),
    "graded-airfoil": (300, 10),
    "fourth-powers": (500, 20),
    "spins": (200, 20),
    "precision-root": (400, 16),
    "transport-prices": (600, 24),
}
_LATER_NETWORKS: dict[str, tuple[int, int | None]] = {
    "graph-communities": (300, None),
    "point-clouds": (400, 16),
    "set-attention": (500, 32),
    "sorting-transformer": (500, 16),
    "modular-sum": (800, 40),
    "mackey-glass-identity": (400, 20),
    "signals-gated": (400, 16),
    "word-boundaries": (400, 16),
    "topics-bags": (600, 32),
    "letters-bilinear": (700, 48),
    "board-translations": (1000, 32),
    "formula-trees": (600, 24),
    "graph-triangles": (300, 12),
    "keywords-hashed": (300, 32),
    "digits-turned": (250, 16),
    "digits-barred": (200, 8),
    "digits-mixer": (300, 16),
    "digits-depthwise": (300, 20),
    "digits-sums": (500, 25),
    "digits-halves": (400, 32),
    "digits-sparse": (400, 25),
    "adapter": (400, 16),
    "liked-pairs": (700, 32),
    "rings-transport": (600, 16),
    "cells-automaton": (400, 24),
    "pendulum-control": (250, 16),
    "cancer-denoised": (300, 16),
    "digits-triplets": (300, 24),
    "diabetes-ranked": (250, 32),
    "labels-many": (400, 25),
    "focal-rare": (600, 40),
    "wine-smoothed": (200, 10),
    "distilled": (500, 20),
    "survival-weibull": (400, 32),
    "diabetes-ordered": (300, 16),
    "costs-gamma": (500, 30),
    "pixels-masked": (400, 48),
    "cancer-two-heads": (450, 16),
    "diabetes-raw": (400, 16),
    "logcosh-heavy": (600, 24),
    "margins-deep": (500, 32),
    "policy-logged": (400, 64),
    "angles-mises": (600, 32),
    "shares-beta": (400, 20),
    "picture-sines": (700, 32),
    "pendulum-step": (500, 20),
    "energy-slopes": (400, 10),
    "heat-residual": (400, None),
    "flow-moons": (600, 50),
    "score-clouds": (800, 64),
    "sets-width": (400, 16),
    "operator-integral": (500, 40),
    "checkerboard": (1000, 32),
    "rings-turned": (300, None),
    "stairs-huber": (600, 16),
    "student-teacher": (500, None),
    "fourier-tiny": (400, 24),
    "experts": (600, 16),
    "gated-products": (500, 32),
    "maxout-planes": (400, 20),
    "bells-franke": (700, 32),
    "soft-tree": (600, 25),
    "airfoil-additive": (300, 12),
    "clicks-hashed": (500, 32),
    "prototypes": (300, 20),
    "tents-residual": (600, 16),
    "roll-batchnorm": (400, 50),
}
LATER_SEEDS = 3


def _later() -> list[Job]:
    found = [_convex(name, *budget) for name, budget in _LATER_CONVEX.items()]
    found += [_network(name, *budget, "sets" if name in ("point-clouds", "sets-width") else "") for name, budget in _LATER_NETWORKS.items()]
    return [replace(job, seeds=LATER_SEEDS) for job in found]


def draw_later(jobs: list[Job], seed: int = SEAL_SEED) -> set[str]:
    """Names of the sealed jobs of those that were appended: two convex and eight networks, whatever their names."""
    chance = random.Random(seed)
    return {
        name for kind, count in (("convex", 2), ("network", 8)) for name in chance.sample([j.name for j in jobs if j.kind == kind], count)
    }


# Appended on 27 November 2026 in the afternoon: jobs drawn by a die, each a family of its own; none of them is sealed.
LISTED = Path(__file__).parent / "drawn.json"


def _drawn() -> list[Job]:
    return [
        Job(name, name, kind, name, steps, size, adamw="none" if kind == "convex" else "full", seeds=LATER_SEEDS, source="drawn")
        for name, (kind, steps, size, _) in json.loads(LISTED.read_text()).items()
    ]


@cache
def below_zero() -> set[str]:
    """Drawn jobs whose loss may go below 0."""
    return {name for name, (*_, negative) in json.loads(LISTED.read_text()).items() if negative}


_SEALED = draw(_NEW, _known()) | draw_later(_later())
JOBS: dict[str, Job] = {job.name: replace(job, sealed=job.name in _SEALED) for job in [*_NEW, *_known(), *_later(), *_drawn()]}
FROZEN = "d80717e8436b5541e336875c104818d731d2749030f1a34ecf800358deb08a8c"


def digest() -> str:
    """What `FROZEN` must be."""
    return hashlib.sha256(json.dumps([asdict(job) for job in JOBS.values()], sort_keys=True).encode()).hexdigest()

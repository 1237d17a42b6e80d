"""Batches that are None and settings that torch does not train sparse gradients with are refused in a sentence before anything is run."""

from functools import partial

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402
from torch.utils.data import DataLoader, TensorDataset  # noqa: E402

import inertia.torch  # noqa: E402
from inertia.errors import BadInput  # noqa: E402
from inertia.tasks import torch_task  # noqa: E402
from inertia.tasks.tuning import tune_task  # noqa: E402
from inertia.torch.door import TorchJob  # noqa: E402
from inertia.torch.sparse import sparse_in  # noqa: E402
from inertia.tuning.asking import Asked  # noqa: E402
from inertia.tuning.budget import Budget  # noqa: E402
from inertia.tuning.recipe import Recipe  # noqa: E402

X, Y = torch.linspace(-1, 1, 64)[:, None], torch.linspace(0, 3, 64)[:, None]
WORDS = torch.arange(64).reshape(32, 2) % 7
LABELS = torch.linspace(-1, 1, 32)[:, None]


def linear():
    torch.manual_seed(0)
    return nn.Linear(1, 1)


class Lines:
    """Batches with a length that can be read again; those of these numbers are None."""

    def __init__(self, *lost):
        self.lost = lost

    def __len__(self):
        return 4

    def __iter__(self):
        for k in range(4):
            yield None if k in self.lost else (X[16 * k : 16 * k + 16], Y[16 * k : 16 * k + 16])


def dropped(rows):
    """A collate function that leaves out rows it does not like, and with them the whole batch."""
    return None if any(float(x) > 0.9 for x, _ in rows) else torch.utils.data.default_collate(rows)


ROWS = TensorDataset(X, Y)
LACKING = {
    "a list": [None, None],
    "one of a list": [(X, Y), None],
    "the third": Lines(2),
    "a loader in order": DataLoader(ROWS, 16, collate_fn=dropped),
    "a loader that shuffles": DataLoader(ROWS, 16, shuffle=True, collate_fn=dropped, generator=torch.Generator().manual_seed(0)),
}


@pytest.mark.filterwarnings("ignore:the DataLoader reads its examples in one fixed order")
@pytest.mark.parametrize("name", LACKING)
def test_a_batch_that_is_none_is_one_sentence(name):
    for ask in (partial(inertia.torch.tune, steps=16, runs=1), inertia.torch.measure):
        with pytest.raises(BadInput, match=r"batch \d+ of the data is None: return a batch of examples") as caught:
            ask(linear(), nn.MSELoss(), LACKING[name])
        assert "BadInput" not in str(caught.value)


def test_a_validation_batch_that_is_none_is_one_sentence():
    with pytest.raises(BadInput, match="batch 1 of the data is None"):
        inertia.torch.tune(linear(), nn.MSELoss(), (X, Y), batch_size=16, steps=16, runs=1, validation=Lines(1))


class Bags(nn.Module):
    def __init__(self, embedding):
        super().__init__()
        self.words, self.last = embedding, nn.Linear(embedding.embedding_dim, 1)

    def forward(self, rows):
        found = self.words(rows)
        return self.last(found.mean(1) if found.ndim == 3 else found)


def bags(kind, sparse=True):
    torch.manual_seed(0)
    return Bags(kind(7, 3, sparse=sparse))


FORBIDDEN = {
    "adamw": ({"optimizer": "adamw"}, r"'words.weight' is sparse, and torch.optim.AdamW takes .*sparse=False, .*torch.optim.SparseAdam"),
    "any": ({"optimizer": "any"}, "torch.optim.AdamW takes no sparse gradients"),
    "decay": ({"weight_decay": 1e-3}, "'words.weight' is sparse, and torch.optim.SGD adds no weight decay to it: .*sparse=False"),
    "decay of its group": ({"groups": [{"params": ["words"], "weight_decay": 0.1}]}, "adds no weight decay to it"),
    "clip": ({"clip": 1.0}, "'words.weight' is sparse, and torch clips no sparse gradients: .*sparse=False, or leave clip out"),
}


@pytest.mark.filterwarnings("ignore:no second derivative here")  # of bags, and of sparse gradients
@pytest.mark.parametrize("kind", [nn.Embedding, nn.EmbeddingBag])
@pytest.mark.parametrize("name", FORBIDDEN)
def test_what_torch_cannot_do_with_sparse_gradients_is_refused_before_anything_is_measured(kind, name):
    words, message = FORBIDDEN[name]
    told = []
    ask = partial(inertia.torch.tune, steps=16, batch_size=16, runs=1, progress=lambda *stage: told.append(stage), **words)
    with pytest.raises(BadInput, match=message):
        ask(bags(kind), nn.MSELoss(), (WORDS, LABELS))
    assert not told
    assert ask(bags(kind, sparse=False), nn.MSELoss(), (WORDS, LABELS)).verified_loss is not None


@pytest.mark.parametrize("name", FORBIDDEN)
def test_that_is_what_torch_itself_refuses(name):
    """Torch's own loop, by the same words: it fails of each of them, and of none of them without."""
    words, _ = FORBIDDEN[name]
    model = bags(nn.Embedding)
    loss = nn.MSELoss()(model(WORDS), LABELS)
    loss.backward()
    assert [name for name, p in model.named_parameters() if p.grad.is_sparse] == sparse_in(model) == ["words.weight"]
    decay = words.get("weight_decay", 0.1 if "groups" in words else 0.0)
    kind = torch.optim.AdamW if words.get("optimizer", "sgd") != "sgd" else partial(torch.optim.SGD, momentum=0.9)

    def step(clip, decay, kind):
        if clip is not None:
            nn.utils.clip_grad_norm_(model.parameters(), clip)
        kind(model.parameters(), lr=0.1, weight_decay=decay).step()

    with pytest.raises((RuntimeError, NotImplementedError), match=r"(?i)sparse"):
        step(words.get("clip"), decay, kind)
    step(None, 0.0, partial(torch.optim.SGD, momentum=0.9))


def test_sgd_trains_sparse_gradients_as_it_trains_dense_ones():
    ended = []
    for sparse in (True, False):
        job = TorchJob(bags(nn.Embedding, sparse), nn.MSELoss(), (WORDS, LABELS), batch_size=16)
        job.refuse(["sgd"], budget := Budget(16, 16, job.examples, np.ones(16)))
        (run,) = job.run([Recipe(0.1, 0.9)], budget, [0], marks=np.array([0, 16]))
        ended.append(run.training)
    np.testing.assert_allclose(*ended, rtol=1e-4)  # float32, summed in another order
    assert ended[0][1] < ended[0][0]


@pytest.mark.filterwarnings("ignore:no second derivative here")  # of bags, and of sparse gradients
def test_decay_that_spares_the_embedding_is_taken_and_tasks_are_refused_too():
    groups = [{"params": ["words"], "weight_decay": 0.0}]
    words = {"steps": 16, "batch_size": 16, "weight_decay": 1e-3, "runs": 1}
    assert inertia.torch.tune(bags(nn.Embedding), nn.MSELoss(), (WORDS, LABELS), groups=groups, **words).verified_loss is not None
    frozen = bags(nn.Embedding)
    frozen.words.weight.requires_grad_(False)
    assert inertia.torch.tune(frozen, nn.MSELoss(), (WORDS, LABELS), optimizer="adamw", **words).verified_loss is not None
    with pytest.raises(BadInput, match="takes no sparse gradients"):
        tune_task(torch_task(bags(nn.Embedding), nn.MSELoss(), (WORDS, LABELS), steps=16, batch_size=16), Asked(optimizer="adamw"))

"""`inertia.torch.compare` against `inertia.jax.compare`: two implementations of each rival on the same model and batches."""

import importlib
import sys

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("prodigyopt")
schedulefree = pytest.importorskip("schedulefree")
pytest.importorskip("momo")

import inertia.torch  # noqa: E402
from inertia.errors import MissingExtra  # noqa: E402
from inertia.tuning.batches import batch_order  # noqa: E402

RNG = np.random.default_rng(4)
X = RNG.standard_normal((96, 6)).astype(np.float32)
Y = np.tanh(X @ RNG.standard_normal((6, 2)).astype(np.float32)) + 0.1 * RNG.standard_normal((96, 2)).astype(np.float32)
FIRST, LAST = (0.4 * RNG.standard_normal((6, 8))).astype(np.float32), (0.4 * RNG.standard_normal((8, 2))).astype(np.float32)
ADDED = {"weight_decay": 1e-3, "clip": 0.5, "warmup": 5}


def model():
    made = torch.nn.Sequential(torch.nn.Linear(6, 8, bias=False), torch.nn.Tanh(), torch.nn.Linear(8, 2, bias=False))
    with torch.no_grad():
        made[0].weight.copy_(torch.tensor(FIRST.T))
        made[2].weight.copy_(torch.tensor(LAST.T))
    return made


@pytest.mark.parametrize("added", [{}, ADDED], ids=["plain", "clip, decay, warm-up"])
def test_both_frameworks_run_the_same_rivals(added):
    jax = pytest.importorskip("jax")
    import inertia.jax

    def loss(params, batch):
        return jax.numpy.mean((jax.numpy.tanh(batch[0] @ params[0]) @ params[1] - batch[1]) ** 2)

    words = {"steps": 60, "batch_size": 16, "schedule": "linear", "seed": 3, **added}
    there = {row["name"]: row["loss"] for row in inertia.jax.compare(loss, (FIRST, LAST), (X, Y), **words)}
    tensors = torch.tensor(X), torch.tensor(Y)
    here = {row["name"]: row["loss"] for row in inertia.torch.compare(model(), torch.nn.MSELoss(), tensors, **words)}
    assert here.keys() == there.keys() == {"Prodigy", "schedule-free SGD", "MoMo"}
    for name, loss in here.items():
        # float32 sums in another order along 60 steps; optax clips by clip/norm, torch by clip/(norm + 1e-6)
        assert loss == pytest.approx(there[name], rel=1e-3), name
    assert list(here.values()) == sorted(here.values())


def test_prodigy_leaves_the_start_under_a_short_decay():
    rows = inertia.torch.compare(
        model(), torch.nn.MSELoss(), (torch.tensor(X), torch.tensor(Y)), steps=60, batch_size=16, schedule="linear"
    )
    start = torch.nn.functional.mse_loss(model()(torch.tensor(X)), torch.tensor(Y)).item()
    assert next(row["loss"] for row in rows if row["name"] == "Prodigy") < 0.2 * start  # all of it is left with safeguard_warmup


def test_the_model_is_left_alone_and_validation_is_what_counts():
    tuned, tensors = model(), (torch.tensor(X), torch.tensor(Y))
    held = (tensors[0][:10], tensors[1][:10] + 100)
    rows = inertia.torch.compare(tuned, torch.nn.MSELoss(), tensors, steps=16, batch_size=16, validation=held)
    assert min(row["loss"] for row in rows) > 5000  # nobody reaches targets around 100 without having seen them
    assert torch.equal(tuned[0].weight.detach(), torch.tensor(FIRST.T))


def test_schedule_free_is_read_as_its_authors_say():
    """The loop of schedulefree's README: train and eval modes, batch norms refreshed at the average before it is read."""
    torch.manual_seed(0)
    normed = torch.nn.Sequential(torch.nn.Linear(6, 8), torch.nn.BatchNorm1d(8), torch.nn.Tanh(), torch.nn.Linear(8, 2))
    x, y = torch.tensor(X), torch.tensor(Y)
    rows = inertia.torch.compare(normed, torch.nn.MSELoss(), (x, y), steps=30, batch_size=32, seed=2)
    optimizer = schedulefree.SGDScheduleFree(normed.parameters(), lr=1.0)
    order = torch.tensor(batch_order(96, 32, 30, 2)).long()
    optimizer.train()
    for chosen in order:
        optimizer.zero_grad()
        torch.nn.functional.mse_loss(normed(x[chosen]), y[chosen]).backward()
        optimizer.step()
    optimizer.eval()
    with torch.no_grad():
        stale = torch.nn.functional.mse_loss(normed.eval()(x), y).item()
        normed.train()
        for chosen in order:  # the run has only 30 batches, fewer than the 50 that a longer one is refreshed with
            normed(x[chosen])
        fresh = torch.nn.functional.mse_loss(normed.eval()(x), y).item()
    seen = next(row["loss"] for row in rows if row["name"] == "schedule-free SGD")
    assert seen == pytest.approx(fresh, rel=1e-5)  # the same operations, float32
    assert stale != pytest.approx(fresh, rel=1e-2)  # so the refreshing is seen


def test_a_rival_that_raises_is_a_result():
    class Brittle(torch.nn.Linear):
        def forward(self, x):
            if float(self.weight.detach().abs().max()) > 2:
                raise RuntimeError("too far\nand more")
            return super().forward(x)

    torch.manual_seed(0)
    x = torch.linspace(-1, 1, 32)[:, None]
    rows = inertia.torch.compare(Brittle(1, 1), torch.nn.MSELoss(), (x, 30 * x), steps=64, batch_size=16)
    lost = [row for row in rows if row["loss"] is None]
    assert lost
    assert {row["error"] for row in lost} == {"RuntimeError: too far"}


def test_a_missing_package_is_named(monkeypatch):
    from inertia.torch import rivals

    with monkeypatch.context() as gone:
        gone.setitem(sys.modules, "momo", None)
        with pytest.raises(MissingExtra, match=r"momo is not installed and this needs it: pip install 'inertia\[rivals\]'"):
            importlib.reload(rivals)
    importlib.reload(rivals)

"""Small versions of the classes that `benchmarks/models.py` measures at full size, by random weights from transformers' own configs."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse.linalg

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from torch.nn.attention import SDPBackend, sdpa_kernel  # noqa: E402
from torch.utils.data import DataLoader  # noqa: E402

import inertia.torch as it  # noqa: E402
from inertia.measurement import model as measuring  # noqa: E402
from inertia.measurement.model import BUDGET, SLOWER, Plan  # noqa: E402
from inertia.torch import opening, products  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")

SPEC = importlib.util.spec_from_file_location("models", Path(__file__).parents[2] / "benchmarks" / "models.py")
models = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(models)

SMALL = {
    "gpt2": lambda: models.gpt2(8, 1, 30, 2, resid_pdrop=0.0, embd_pdrop=0.0, attn_pdrop=0.0),
    "vit": lambda: models.vit(1, 16, width=12),
    "resnet": lambda: models.resnet((4, 4, 4, 4), (1, 1, 1, 1), size=16),
    "bert": lambda: models.bert(8, 1, 40),
    "lora": lambda: models.lora(2, width=8, layers=1, vocab=30, heads=2),
}


def near(name, whole):
    """One model, its loader's batches and a product with the Hessian of their mean loss by torch's own double backward."""
    model, data, batch_size, loss = SMALL[name]()
    model.eval()
    rows = models.Rows(data)
    params = [p for p in model.parameters() if p.requires_grad]
    size = sum(p.numel() for p in params)
    batch = next(iter(DataLoader(rows, batch_size=len(rows))))
    with sdpa_kernel(SDPBackend.MATH):
        grads = torch.autograd.grad(loss(model, batch), params, create_graph=True, materialize_grads=True, allow_unused=True)

    def product(vector):
        pieces = torch.split(torch.as_tensor(vector.ravel(), dtype=torch.float32), [p.numel() for p in params])
        tails = [piece.view(p.shape) for piece, p in zip(pieces, params, strict=True)]
        found = torch.autograd.grad(grads, params, tails, retain_graph=True, materialize_grads=True, allow_unused=True)
        return torch.cat([f.reshape(-1) for f in found]).double().numpy()

    operator = scipy.sparse.linalg.LinearOperator((size, size), matvec=product, dtype=np.float64)
    start = np.random.default_rng(0).normal(size=size)
    exact = scipy.sparse.linalg.eigsh(operator, k=1, which="LA", tol=1e-4, v0=start, return_eigenvectors=False)[0]
    return model, DataLoader(rows, batch_size=len(rows) if whole else batch_size, shuffle=True), loss, float(exact)


@pytest.mark.parametrize("name", SMALL)
def test_the_largest_curvature_is_that_of_scipy_over_torchs_own_products(name):
    whole = name == "bert"  # the mean over masked tokens or texts of a batch; here of all
    model, loader, loss, exact = near(name, whole)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    told = []
    found = it.measure(model, None, loader, forward=loss, progress=lambda *line: told.append(line))
    assert pytest.approx(exact, rel=0.011) == found.L
    assert found.upper >= exact * (1 - 1e-5)
    assert len(told) >= 3
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())


WIDER = {
    "gpt2": lambda: models.gpt2(48, 1, 300, 2),
    "vit": lambda: models.vit(1, 32, width=48),
    "resnet": lambda: models.resnet((8, 16, 32, 64), (1, 1, 1, 1), size=32),
    "bert": lambda: models.bert(48, 1, 300),
    "lora": lambda: models.lora(2, width=48, layers=1, vocab=300, heads=2),
}


def held(work):
    """Bytes that torch held on the way of some work, at most and in the end: every allocation counted, whatever the process holds."""
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU], profile_memory=True) as seen:
        work()
    moves = sorted((e.start_ns(), e.nbytes()) for e in seen.profiler.kineto_results.events() if e.name() == "[memory]")
    levels = np.cumsum([size for _, size in moves])
    return int(levels.max()), int(levels[-1])


@pytest.mark.parametrize("name", WIDER)
def test_a_large_model_takes_at_most_eight_vectors_beyond_one_batch_differentiated_twice_and_keeps_nothing(name, monkeypatch):
    for module, constant, value in ((products, "FULL", 0), (opening, "LARGE", 0), (measuring, "LARGE", 0), (measuring, "BUDGET", 25.0)):
        monkeypatch.setattr(module, constant, value)  # as models of millions of parameters are measured
    model, data, batch_size, loss = WIDER[name]()
    loader = DataLoader(models.Rows(data), batch_size=batch_size, shuffle=True)
    params = [p for p in model.parameters() if p.requires_grad]
    vector = sum(p.numel() * p.element_size() for p in model.parameters())
    once, _ = held(lambda: models.twice(model, next(iter(loader)), loss, params))
    most, left = held(lambda: it.measure(model, None, loader, forward=loss, noise=2))
    assert most - once <= 8 * vector
    assert left <= 0.02 * vector


def test_padding_changes_nothing():
    model, data, _, loss = SMALL["bert"]()
    model.eval()
    wider = {key: torch.nn.functional.pad(value, (0, 6)) if value.ndim == 2 else value for key, value in data.items()}
    one, other = (it.measure(model, None, rows, forward=loss, noise=0, weights=False) for rows in (data, wider))
    assert pytest.approx(one.L, rel=1e-4) == other.L


@pytest.mark.parametrize("name", ["gpt2", "bert"])
def test_mixed_precision_is_measured_as_it_computes(name):
    model, loader, loss, exact = near(name, True)

    def halved(m, batch):
        with torch.autocast("cpu", dtype=torch.bfloat16):
            return loss(m, batch)

    found = it.measure(model, None, loader, forward=halved, noise=0, weights=False)
    assert pytest.approx(exact, rel=0.05) == found.L
    assert found.upper >= exact * 0.99


@pytest.mark.parametrize("halved", [False, True])
def test_a_tuning_and_a_check_take_such_models_in_full_and_mixed_precision(halved):
    model, loader, loss, exact = near("bert", True)

    def forward(m, batch):
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=halved):
            return loss(m, batch)

    whole = next(iter(DataLoader(loader.dataset, batch_size=16)))
    found = it.check(model, None, whole, forward=forward, lr=0.1, momentum=0.9, steps=16, batch_size=16)
    assert found.measurement.start.largest == pytest.approx(exact, rel=0.05)
    tuned = it.tune(model, None, whole, forward=forward, steps=16, batch_size=8, runs=1)
    assert tuned.best is not None


def test_the_checkpointing_of_transformers():
    model, loader, loss, exact = near("gpt2", True)
    model.train()
    model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
    found = it.measure(model, None, loader, forward=loss, noise=0, weights=False)
    assert pytest.approx(exact, rel=0.011) == found.L
    assert found.provenance["products"].startswith("exact")


def test_attentions_own_dropout_is_named():
    model, data, _, loss = models.gpt2(8, 1, 30, 2, resid_pdrop=0.0, embd_pdrop=0.0, attn_pdrop=0.3)
    found = it.measure(model, None, data, forward=loss, noise=0, weights=False, depth=3)
    assert "dropout" in " ".join(found.provenance["frozen"])


class Counted:
    """What a plan asks of a source."""

    def __init__(self, dimension, parameters=None, price=3.0):
        self.dimension, self.price, self.sizes = dimension, price, [8, 8, 8, 8]
        self.notes = {} if parameters is None else {"parameters": parameters}


@pytest.mark.parametrize("price", [2.0, 3.0])
@pytest.mark.parametrize("source", [(23_000_000, None), (70_000, 23_000_000)])
def test_a_large_model_is_measured_within_the_budget_also_where_few_of_its_parameters_are_trained(source, price):
    plan, side, starts = Plan(ends="largest").within(Counted(*source, price))
    gradients = 5 + plan.noise * 8 / 32 + SLOWER * price * (plan.depth + side * (1 + starts))
    assert BUDGET - 3 * SLOWER * price <= gradients <= BUDGET
    assert Plan().within(Counted(70_000))[0].depth is None

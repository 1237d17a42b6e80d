"""Lightning with the real package: what its Trainer would minimise is measured, tuned and then trained."""

import pytest

torch = pytest.importorskip("torch")
lightning = pytest.importorskip("lightning")

from torch import nn  # noqa: E402
from torch.utils.data import DataLoader, TensorDataset  # noqa: E402

import inertia.lightning  # noqa: E402
import inertia.torch as it  # noqa: E402
from inertia.errors import BadInput  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore")

G = torch.Generator().manual_seed(0)
X = torch.randn(48, 3, generator=G)
Y = X @ torch.tensor([[1.0], [-2.0], [0.5]])


class Data(lightning.LightningDataModule):
    def setup(self, stage):
        self.rows = TensorDataset(X, Y)

    def train_dataloader(self):
        return DataLoader(self.rows, batch_size=8, shuffle=True)

    def val_dataloader(self):
        return DataLoader(self.rows, batch_size=16)


class Model(lightning.LightningModule):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.net = nn.Linear(3, 1)

    def training_step(self, batch, batch_idx):
        x, y = batch
        loss = nn.functional.mse_loss(self.net(x), y)
        self.log("train_loss", loss, prog_bar=True)
        return {"loss": loss}

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=1e-9, weight_decay=1e-3)


def fitted(**words):
    return lightning.Trainer(
        accelerator="cpu", logger=False, enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False, **words
    )


def test_tune_reads_module_and_trainer_and_use_lets_fit_train_so():
    module, data, trainer = Model(), Data(), fitted(max_steps=24, gradient_clip_val=5.0)
    start = module.net.weight.clone()
    found = inertia.lightning.tune(module, data, trainer=trainer, runs=1, validate=True)
    assert torch.equal(start, module.net.weight)
    assert "log" not in module.__dict__
    budget = found.budget
    assert (budget.steps, budget.batch_size, budget.weight_decay, budget.clip) == (24, 8, 1e-3, 5.0)
    assert found.recipe.optimizer == "sgd"
    inertia.lightning.use(module, found)
    trainer.fit(module, datamodule=data)
    with torch.no_grad():
        assert float(nn.functional.mse_loss(module.net(X), Y)) < 10 * found.verified_loss + 0.05


def test_the_curvature_is_that_of_the_training_step():
    found = inertia.lightning.measure(Model(), Data(), noise=0)
    assert pytest.approx(it.measure(nn.Sequential(Model().net), nn.MSELoss(), (X, Y), noise=0).L, rel=1e-5) == found.L


def test_epochs_accumulation_and_plain_loaders():
    loader = DataLoader(TensorDataset(X, Y), batch_size=8, shuffle=True)
    found = inertia.lightning.tune(Model(), loader, trainer=fitted(max_epochs=6, accumulate_grad_batches=2), runs=0)
    assert (found.budget.steps, found.budget.batch_size) == (18, 16)
    assert inertia.lightning.check(Model(), Data(), lr=0.05, steps=24).stable


def test_refusals():
    module = Model()
    module.automatic_optimization = False
    with pytest.raises(BadInput, match="optimizes by hand"):
        inertia.lightning.tune(module, Data(), steps=24)
    with pytest.raises(BadInput, match="number of steps is not known"):
        inertia.lightning.tune(Model(), Data())
    with pytest.raises(BadInput, match="tune takes no epochs: give steps"):
        inertia.lightning.tune(Model(), Data(), steps=24, epochs=2)
    two = Model()
    two.configure_optimizers = lambda: [torch.optim.SGD(two.parameters(), 0.1), torch.optim.SGD(two.parameters(), 0.1)]
    with pytest.raises(BadInput, match="several optimizers"):
        inertia.lightning.tune(two, Data(), steps=24)
    with pytest.raises(BadInput, match="no training_step"):
        inertia.lightning.tune(nn.Linear(1, 1), Data(), steps=24)


def test_its_wrapped_optimizer_is_identified_as_the_one_inside():
    from lightning.pytorch.core.optimizer import LightningOptimizer

    from inertia.torch import identify

    wrapped = LightningOptimizer(torch.optim.SGD(torch.nn.Linear(3, 2).parameters(), lr=0.1, momentum=0.9, nesterov=True))
    assert identify(wrapped).verdict == "Nesterov"

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


def test_steps_are_those_that_the_trainer_makes():
    def steps(data=None, **words):
        return inertia.lightning.tune(Model(), Data() if data is None else data, trainer=fitted(**words), runs=0).budget.steps

    def made(**words):  # by the Trainer itself
        trainer = fitted(**words)
        trainer.fit(Model(), datamodule=Data())
        return trainer.global_step

    cases = [
        {"max_epochs": 4},
        {"max_epochs": 8, "limit_train_batches": 3},
        {"max_epochs": 8, "limit_train_batches": 0.5},
        {"max_epochs": 3, "max_steps": 1000},
        {"max_epochs": 9, "max_steps": 20},
        {"max_epochs": 12, "limit_train_batches": 5, "accumulate_grad_batches": 3},
    ]
    for words in cases:
        assert steps(**words) == made(**words), words

    class Endless(torch.utils.data.IterableDataset):
        def __iter__(self):
            while True:
                yield from zip(X, Y, strict=True)

    assert steps(DataLoader(Endless(), batch_size=8), max_epochs=4, limit_train_batches=5) == 20


class Grouped(Model):
    """A module that leaves one part out of its optimizer and trains another one at a tenth of the rate."""

    def __init__(self):
        super().__init__()
        self.first, self.left_out = nn.Linear(3, 3), nn.Linear(3, 3)

    def training_step(self, batch, batch_idx):
        x, y = batch
        return nn.functional.mse_loss(self.net(self.left_out(self.first(x))), y)

    def configure_optimizers(self):
        groups = [{"params": self.net.parameters()}, {"params": self.first.parameters(), "lr": 0.01, "weight_decay": 0.0}]
        optimizer = torch.optim.SGD(groups, lr=0.1, momentum=0.9, nesterov=True, weight_decay=1e-3)
        return [optimizer], [torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.5)]


def test_what_the_modules_optimizer_holds_is_what_is_trained_and_how():
    torch.manual_seed(1)
    module = Grouped()
    found = inertia.lightning.tune(module, Data(), trainer=fitted(max_epochs=4), runs=1)
    assert all(p.requires_grad for p in module.parameters())
    assert (found.budget.weight_decay, found.budget.uniform, found.measurement.dimension) == (1e-3, False, 16)
    assert found.budget.factors.tolist() == [0.5 ** (step // 6) for step in range(24)]
    inertia.lightning.use(module, found)
    made = module.configure_optimizers()["optimizer"]
    assert [len(group["params"]) for group in made.param_groups] == [2, 2]
    rate = found.recipe.learning_rate
    assert [group["weight_decay"] for group in made.param_groups] == [1e-3, 0.0]
    assert [group["initial_lr"] for group in made.param_groups] == pytest.approx([rate, 0.1 * rate], rel=1e-12)
    before = {name: value.clone() for name, value in module.state_dict().items()}
    trainer = fitted(max_epochs=4)
    trainer.fit(module, datamodule=Data())
    moved = {name.split(".")[0] for name, value in module.state_dict().items() if not torch.equal(value, before[name])}
    assert moved == {"net", "first"}
    assert inertia.lightning.measure(module, Data(), noise=0).dimension == 16


def test_check_judges_the_modules_own_momentum():
    own = inertia.lightning.check(Grouped(), Data(), lr=0.01, steps=24).recipe
    assert (own.momentum, own.nesterov, own.optimizer) == (0.9, True, "sgd")
    assert inertia.lightning.check(Grouped(), Data(), lr=0.01, momentum=0.5, steps=24).recipe.momentum == 0.5
    adam = Model()
    adam.configure_optimizers = lambda: torch.optim.Adam(adam.parameters(), betas=(0.7, 0.95))
    with pytest.warns(inertia.errors.InertiaWarning, match=r"your Adam has beta2 = 0.95, which is not searched"):
        assert inertia.lightning.check(adam, Data(), lr=0.01, steps=24).recipe.momentum == 0.7


def test_mixed_precision_is_that_of_the_trainer():
    module = Model()
    found = inertia.lightning.tune(module, Data(), trainer=fitted(max_steps=24, precision="bf16-mixed"), runs=0)
    with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16):
        rounded = float(nn.functional.mse_loss(module.net(X), Y))
    with torch.no_grad():
        exact = float(nn.functional.mse_loss(module.net(X), Y))
    assert found.measurement.loss == pytest.approx(rounded, rel=1e-6)
    assert rounded != pytest.approx(exact, rel=1e-6)
    with pytest.warns(inertia.errors.InertiaWarning, match="precision = '64-true' is not taken over"):
        inertia.lightning.tune(Model(), Data(), trainer=fitted(max_steps=24, precision="64-true"), runs=0)


def test_a_schedule_that_follows_a_metric_is_told():
    module = Model()
    optimizer = torch.optim.SGD(module.parameters(), 0.1)
    module.configure_optimizers = lambda: {
        "optimizer": optimizer,
        "lr_scheduler": {"scheduler": torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer), "monitor": "train_loss"},
    }
    with pytest.warns(inertia.errors.InertiaWarning, match="ReduceLROnPlateau follows a metric"):
        assert inertia.lightning.tune(module, Data(), steps=24, runs=0).budget.schedule == "linear"


def test_what_only_a_trainer_knows_is_asked_for():
    class Bound(Model):
        def configure_optimizers(self):
            return torch.optim.SGD(self.parameters(), lr=1 / self.trainer.estimated_stepping_batches)

    with pytest.raises(BadInput, match="configure_optimizers raises RuntimeError: .*: say here what it would make"):
        inertia.lightning.tune(Bound(), Data(), steps=24)
    assert inertia.lightning.tune(Bound(), Data(), steps=24, runs=0, optimizer="sgd").recipe.optimizer == "sgd"
    with pytest.raises(BadInput, match="clips every entry of the gradient to 0.5"):
        inertia.lightning.tune(Model(), Data(), trainer=fitted(max_steps=24, gradient_clip_val=0.5, gradient_clip_algorithm="value"))

    class Bare(lightning.LightningDataModule):
        def train_dataloader(self):
            return DataLoader(TensorDataset(X, Y), batch_size=8, shuffle=True)

    with pytest.raises(BadInput, match="the Bare has no val_dataloader"):
        inertia.lightning.tune(Model(), Bare(), steps=24, validate=True)
    with pytest.raises(BadInput, match="the Model has no train_dataloader: pass the data beside the module"):
        inertia.lightning.tune(Model(), steps=24)


HEARD = []


class Handed(Model):
    """A module whose batch is made by Lightning's hooks, and whose loss asks the Trainer."""

    asks = "num_training_batches"

    def on_before_batch_transfer(self, batch, dataloader_idx):
        return {"x": batch[0], "y": batch[1]}

    def on_after_batch_transfer(self, batch, dataloader_idx):
        return batch | {"x": 2 * batch["x"]} if self.trainer.training else batch

    def training_step(self, batch, batch_idx):
        HEARD.append(getattr(self.trainer, self.asks))
        return nn.functional.mse_loss(self.net(batch["x"]), batch["y"])


def test_hooks_make_the_batch_as_lightning_does_and_the_trainer_is_asked():
    loss = nn.MSELoss()
    twice = it.measure(Model().net, loss, (2 * X, Y), noise=0).L
    heard = []
    for asks in ("num_training_batches", "estimated_stepping_batches", "max_epochs"):
        module = Handed()
        module.asks = asks
        inertia.lightning.tune(module, Data(), trainer=fitted(max_epochs=4, limit_train_batches=5), runs=0)
        heard.append(HEARD[-1])
        assert module._trainer is None
        trained = fitted(max_epochs=4, limit_train_batches=5)  # what Lightning itself says
        trained.fit(module, datamodule=Data())
        assert HEARD[-1] == heard[-1]
    assert heard == [5, 20, 4]
    for asks in ("current_epoch", "global_step"):
        module = Handed()
        module.asks = asks
        with pytest.warns(inertia.errors.InertiaWarning, match=f"reads the Trainer's {asks}, which is 0 here"):
            assert pytest.approx(twice, rel=0.02) == inertia.lightning.measure(module, Data(), noise=0).L
    module.asks = "callback_metrics"
    with pytest.raises(BadInput, match=r"uses self.trainer.callback_metrics, which is not known here"):
        inertia.lightning.measure(module, Data(), noise=0)

    class Halved(Data):
        def on_after_batch_transfer(self, batch, dataloader_idx):
            return batch | {"x": batch["x"] / 2}

    module.asks = "training"
    half = inertia.lightning.measure(module, Halved(), noise=0).L
    assert pytest.approx(it.measure(Model().net, loss, (X / 2, Y), noise=0).L, rel=0.02) == half


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

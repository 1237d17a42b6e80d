"""The watch inside real trainers, read back from their own logs."""

import json
import warnings

import numpy as np
import pytest
import torch
from torch import nn

from inertia.errors import BadInput
from inertia.torch import Watch
from inertia.watching.journal import watched

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import accelerate
    import lightning.pytorch as pl
    import transformers
    from lightning.pytorch.loggers import CSVLogger
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from torch.utils.tensorboard import SummaryWriter

    from inertia.callbacks import LightningWatch, TrainerWatch

pytestmark = pytest.mark.filterwarnings("ignore")  # other people's: what they deprecate is theirs

RNG = np.random.default_rng(0)
X = torch.tensor(RNG.normal(size=(128, 6)), dtype=torch.float32)
Y = X[:, :3].argmax(1)


class Module(pl.LightningModule):
    def __init__(self, momentum=0.9):
        super().__init__()
        torch.manual_seed(0)
        self.net, self.momentum, self.logged = nn.Sequential(nn.Linear(6, 8), nn.Dropout(0.2), nn.Linear(8, 3)), momentum, 0

    def training_step(self, batch, batch_idx):
        loss = nn.functional.cross_entropy(self.net(batch[0]), batch[1])
        self.log("train_loss", loss)
        return loss

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.05, momentum=self.momentum)


def fitted(tmp_path, callbacks, epochs=4, module=None, **more):
    pl.seed_everything(1, verbose=False)
    loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(X, Y), batch_size=16, shuffle=True)
    module = module or Module()
    checkpoint = more.pop("ckpt_path", None)
    trainer = pl.Trainer(
        max_epochs=epochs, accelerator="cpu", callbacks=callbacks, enable_progress_bar=False, enable_model_summary=False,
        default_root_dir=tmp_path, log_every_n_steps=1, **{"logger": CSVLogger(tmp_path, name="csv", version=0)} | more,
    )  # fmt: skip
    trainer.fit(module, loader, ckpt_path=checkpoint)
    return module, trainer


def test_lightning_tells_its_own_logger_and_trains_the_same(tmp_path):
    callback = LightningWatch(every=6, say=False, expect=0.5)
    module, _ = fitted(tmp_path, [callback])
    plain, _ = fitted(tmp_path / "plain", [])
    for one, other in zip(module.parameters(), plain.parameters(), strict=True):
        assert torch.equal(one, other)
    rows = (tmp_path / "csv" / "version_0" / "metrics.csv").read_text().splitlines()
    assert "inertia/sharpness_of_edge" in rows[0]
    column = rows[0].split(",").index("inertia/sharpness")
    told = [float(row.split(",")[column]) for row in rows[1:] if row.split(",")[column]]
    assert told == pytest.approx([look.sharpness for look in callback.watch.looks])
    assert len(told) >= 4
    assert "momentum" in {told.name for told in callback.watch.messages}
    assert len(callback.watch.monitor.history.losses) == 32
    assert "log" not in vars(module)


def test_lightning_gathers_gradients_and_goes_on_from_a_checkpoint(tmp_path):
    place = tmp_path / "run.jsonl"
    first = LightningWatch((X[:64], Y[:64]), every=2, say=False, log=str(place))
    _, trainer = fitted(tmp_path, [first], epochs=3, accumulate_grad_batches=2)
    assert first.watch.steps == 12
    trainer.save_checkpoint(tmp_path / "last.ckpt")
    again = LightningWatch((X[:64], Y[:64]), every=2, say=False, log=str(place))
    fitted(tmp_path, [again], epochs=4, accumulate_grad_batches=2, ckpt_path=tmp_path / "last.ckpt")
    found = watched(place)
    assert found.resumed[-1] == 12
    assert found.steps == 16
    steps = [look.step for look in found.looks]
    assert steps == sorted(set(steps))


def test_lightning_refuses_what_it_cannot_compute(tmp_path):
    class Manual(Module):
        def __init__(self):
            super().__init__()
            self.automatic_optimization = False

    with pytest.raises(BadInput, match="give forward="):
        fitted(tmp_path, [LightningWatch(say=False)], module=Manual())


def language_model():
    torch.manual_seed(0)
    config = transformers.GPT2Config(n_layer=1, n_head=2, n_embd=16, vocab_size=32, n_positions=12, bos_token_id=0, eos_token_id=0)
    return transformers.GPT2LMHeadModel(config)


def huggingface(tmp_path, callbacks, steps=12, resume=None, **more):
    rng = np.random.default_rng(0)
    rows = [{"input_ids": ids, "labels": ids} for ids in torch.tensor(rng.integers(0, 32, (64, 12)))]
    words = {
        "output_dir": str(tmp_path), "max_steps": steps, "per_device_train_batch_size": 4, "logging_steps": 2, "report_to": [],
        "use_cpu": True, "disable_tqdm": True, "seed": 3, "save_strategy": "no", "learning_rate": 1e-3, "max_grad_norm": 1.0,
    }  # fmt: skip
    trainer = transformers.Trainer(
        language_model(), transformers.TrainingArguments(**words | more), train_dataset=rows, callbacks=callbacks
    )
    trainer.train(resume_from_checkpoint=resume)
    return trainer


def test_the_hugging_face_trainer_tells_its_log_history_and_trains_the_same(tmp_path):
    callback = TrainerWatch(every=2, say=False)
    trainer = huggingface(tmp_path, [callback], gradient_accumulation_steps=2)
    plain = huggingface(tmp_path / "plain", [], gradient_accumulation_steps=2)
    for one, other in zip(trainer.model.parameters(), plain.model.parameters(), strict=True):
        assert torch.equal(one, other)
    trainer.save_state()
    history = json.loads((tmp_path / "trainer_state.json").read_text())["log_history"]
    told = [entry for entry in history if "inertia/sharpness" in entry]
    assert len(told) >= 5
    look = callback.watch.looks[-1]
    assert told[-1]["inertia/sharpness"] == look.sharpness
    assert look.edge == pytest.approx(38 / look.learning_rate, rel=1e-3)
    assert callback.watch.steps == 12
    assert len(callback.watch.monitor.history.losses) == 6


def test_the_hugging_face_trainer_goes_on_from_a_checkpoint(tmp_path):
    place = tmp_path / "run.jsonl"
    words = {"save_strategy": "steps", "save_steps": 4}
    huggingface(tmp_path, [TrainerWatch(every=2, say=False, log=str(place))], steps=6, **words)
    huggingface(tmp_path, [TrainerWatch(every=2, say=False, log=str(place))], steps=8, resume=str(tmp_path / "checkpoint-4"), **words)
    found = watched(place)
    assert found.resumed[-1] == 4
    assert found.steps == 8
    steps = [look.step for look in found.looks]
    assert steps == sorted(set(steps))


def test_accelerate_by_recipe(tmp_path):
    accelerator = accelerate.Accelerator(cpu=True, gradient_accumulation_steps=2)
    torch.manual_seed(0)
    model = nn.Linear(6, 3)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
    loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(X, Y), batch_size=16, shuffle=True)
    model, optimizer, loader = accelerator.prepare(model, optimizer, loader)
    unwrapped, inner = accelerator.unwrap_model(model), optimizer.optimizer
    with Watch(unwrapped, inner, nn.CrossEntropyLoss(), probe=(X, Y), every=2, say=False, log=tmp_path / "run.jsonl") as watch:
        for _ in range(2):
            for inputs, targets in loader:
                with accelerator.accumulate(model):
                    loss = nn.functional.cross_entropy(model(inputs), targets)
                    accelerator.backward(loss)
                    optimizer.step()
                    optimizer.zero_grad()
                watch.step(loss)
    assert watch.steps == 8
    assert [look.step for look in watched(tmp_path / "run.jsonl").looks] == [1, 3, 5, 7]
    assert {told.name for told in watch.messages} <= {"room"}


def test_tensorboard_events_are_read_back(tmp_path):
    torch.manual_seed(0)
    model = nn.Linear(6, 3)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.5)
    writer = SummaryWriter(tmp_path)
    with Watch(model, optimizer, nn.CrossEntropyLoss(), probe=(X, Y), every=5, say=False, log=writer, expect=0.9) as watch:
        for _ in range(40):
            loss = nn.functional.cross_entropy(model(X), Y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            watch.step(loss)
    writer.close()
    events = EventAccumulator(str(tmp_path))
    events.Reload()
    told = events.Scalars("inertia/sharpness")
    assert [event.step for event in told] == [look.step for look in watch.looks]
    assert [event.value for event in told] == pytest.approx([look.sharpness for look in watch.looks], rel=1e-6)
    texts = events.Tensors("inertia/messages/text_summary")
    assert any(b"Momentum 0.9 is expected, but the optimizer uses 0.5" in text.tensor_proto.string_val[0] for text in texts)

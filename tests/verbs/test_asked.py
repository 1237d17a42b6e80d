"""What people write first, and what they are told: a word that is unknown, forgotten, misplaced or of the wrong kind is one sentence."""

import re

import numpy as np
import pytest

import inertia
from inertia.errors import BadInput, takes
from inertia.tuning.factors import factors_of


@pytest.fixture(params=["torch", "jax"])
def job(request):
    """(model, loss, data) or (loss, params, data): y = x on 32 examples."""
    x = np.linspace(-1, 1, 32, dtype=np.float32)[:, None]
    if request.param == "torch":
        torch = pytest.importorskip("torch")
        return torch.nn.Linear(1, 1), torch.nn.MSELoss(), (torch.tensor(x), torch.tensor(x))
    pytest.importorskip("jax")
    return lambda w, batch: ((batch[0] @ w - batch[1]) ** 2).mean(), np.zeros((1, 1), np.float32), (x, x)


WRONG = [
    ({"epochs": 3}, r"takes no epochs: give steps, counted in batches, such as steps=epochs \* len\(loader\)"),
    ({"steps": 16, "scheduler": "cosine"}, r"takes no scheduler: give schedule"),
    ({"steps": 16, "max_grad_norm": 1.0}, r"takes no max_grad_norm: give clip"),
    ({"steps": 16, "val_data": 1}, r"takes no val_data: give validation"),
    ({"steps": 16, "batchsize": 8}, r"takes no batchsize: did you mean 'batch_size'\?"),
    ({"steps": 16, "metric": "accuracy"}, r"metric is a str: give a function, called as metric\((model|params)\)"),
    (
        {"steps": 16, "metric": lambda output, target: 0.0},
        r"metric cannot be called as metric\((model|params)\): missing a required argument",
    ),
    ({"steps": 16, "schedule": "onecycle"}, r"unknown schedule 'onecycle': there are: constant, cosine, linear"),
    ({"steps": 16, "schedule": 3}, r"schedule is an object of the class int: give constant, linear, cosine, or a function step -> factor"),
    ({"steps": 16, "schedule": dict}, r"schedule is the class dict: give constant"),
    ({"steps": 16, "schedule": lambda optimizer, last: optimizer.step}, r"the schedule raised AttributeError .*: give constant"),
    ({"steps": 16, "weight_decay": "1e-3"}, r"weight_decay = '1e-3' is not a number"),
    ({"steps": 16, "clip": "1"}, r"clip = '1' is not a number"),
    ({"steps": 16, "warmup": 0.1}, r"warmup = 0.1 is not a whole number: give the steps of the warm-up"),
]


@pytest.mark.parametrize(("words", "said"), WRONG, ids=lambda value: str(sorted(value)) if isinstance(value, dict) else "")
@pytest.mark.parametrize("verb", ["tune", "check", "measure"])
def test_words_that_a_job_of_a_framework_does_not_take(job, verb, words, said):
    more = {"lr": 0.1} if verb == "check" else {}
    with pytest.raises(BadInput, match=f"^(.*{verb} )?{said}"):
        getattr(inertia, verb)(*job, **words, **more)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ({"lr": 0.1}, r"takes no lr: the learning rate is what is found"),
        ({"betas": (0.9, 0.99)}, r"takes no betas: give momentum, which is beta1"),
        ({"optimizer": dict(a=1)}, r"optimizer = dict\(\.\.\.\) is an object: name the kind"),
        ({"optimizer": "adam"}, r"unknown optimizer 'adam': did you mean 'adamw'\?"),
        ({"momentum": "0.9"}, r"momentum = '0.9' is not a number"),
        ({"max_cost": "3"}, r"max_cost = '3' is not a number"),
        ({"seed": "a"}, r"seed = 'a' is no seed: give a whole number"),
        ({"seed": -1}, r"seed = -1 is no seed"),
    ],
    ids=lambda value: str(sorted(value)) if isinstance(value, dict) else "",
)
def test_words_that_only_a_tuning_takes(job, words, said):
    with pytest.raises(BadInput, match=said):
        inertia.tune(*job, steps=16, **words)


def test_what_is_forgotten_is_named(job):
    with pytest.raises(BadInput, match=r"tune lacks steps: give the number of optimizer steps .*epochs \* len\(loader\)"):
        inertia.tune(*job)
    with pytest.raises(BadInput, match=r"check lacks steps"):
        inertia.check(*job, lr=0.1)
    with pytest.raises(BadInput, match=r"tune lacks data: call tune\((model, loss_fn|loss, params), data, steps=\.\.\.\)"):
        inertia.tune(*job[:2], steps=16)
    with pytest.raises(BadInput, match=r"tune was given 4 things without a name: call tune\("):
        inertia.tune(*job, 16)
    assert inertia.measure(*job).examples == 32  # it has a length of its own


def test_loss_and_data_in_the_wrong_order():
    torch = pytest.importorskip("torch")
    x = torch.ones(8, 1)
    loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(x, x), 4, shuffle=True)
    with pytest.raises(BadInput, match=r"the loss is a DataLoader: the order is model, loss, data; is the loss the MSELoss\?"):
        inertia.tune(torch.nn.Linear(1, 1), loader, torch.nn.MSELoss(), steps=16)
    with pytest.raises(BadInput, match=r"the loss is a str: give a function loss_fn\(model\(inputs\), targets\)"):
        inertia.tune(torch.nn.Linear(1, 1), "mse", loader, steps=16)
    with pytest.raises(BadInput, match=r"forward cannot be called as forward\(model, batch\)"):
        inertia.tune(torch.nn.Linear(1, 1), torch.nn.MSELoss(), loader, steps=16, forward=lambda batch: batch)


@pytest.mark.parametrize("word", ["epochs", "scheduler", "lowest", "metric", "step"])
@pytest.mark.parametrize("verb", ["tune", "check"])
def test_a_task_ignores_no_word(verb, word):
    with pytest.raises(BadInput, match=f"{verb} takes no {word} beside a task: "):
        getattr(inertia, verb)("valley", **{word: 3}, **({"lr": 0.1} if verb == "check" else {}))


def test_a_function_without_a_signature_is_taken():
    takes(max, "metric", "metric(model)", 1)
    assert factors_of(lambda step: 0.5, 4)[1].tolist() == [0.5] * 4


def test_a_measurement_is_printed_for_people():
    said = str(inertia.measure("digits"))
    assert said.startswith("Gradient descent is stable below learning rate ")
    assert re.search(r"largest curvature, start: [\d.]+, at most [\d.]+\n", said)
    assert said.endswith("of 1797 examples")
    assert "array(" not in repr(inertia.measure("digits"))


def test_an_object_of_a_library_that_trains_is_shown_its_own_call():
    """By the home of its class alone: none of these libraries need be installed."""

    def made(home, **fields):
        return type("Trainer", (), {"__module__": home, **fields})()

    for home, said in (
        ("transformers.trainer", r"inertia\.hf\.tune\(trainer\)"),
        ("lightning.pytorch.trainer.trainer", r"inertia\.lightning\.tune\(module, datamodule, trainer=trainer\)"),
        ("pytorch_lightning.trainer.trainer", r"inertia\.lightning\.tune"),
        ("keras.src.models.sequential", r"inertia\.keras\.tune\(model, x, y, epochs=\.\.\.\)"),
    ):
        for verb in ("tune", "measure"):
            with pytest.raises(BadInput, match=rf"{verb} was given a Trainer, which holds its own loss: call {said}"):
                getattr(inertia, verb)(made(home, compute_loss=None))
    with pytest.raises(BadInput, match="tune was given a Trainer: pass a Problem"):
        inertia.tune(made("somebody.else"))


def test_a_trainer_without_what_it_trains_is_named():
    pytest.importorskip("torch")
    from inertia import hf

    with pytest.raises(BadInput, match="a list is no Hugging Face Trainer: pass the one made with model, args and train_dataset"):
        hf.tune([])
    bare = type("Trainer", (), {"args": None, "model": None, "compute_loss": None, "train_dataset": None})()
    for verb in (hf.tune, hf.measure, lambda trainer: hf.check(trainer, lr=0.1)):
        with pytest.raises(BadInput, match="the Trainer has no train_dataset"):
            verb(bare)

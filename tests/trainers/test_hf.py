"""Hugging Face's Trainer, datasets, accelerate and peft with the real packages: the Trainer's own loss, decay groups and schedule."""

import warnings

import numpy as np
import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
datasets = pytest.importorskip("datasets")

from torch import nn  # noqa: E402
from transformers import GPT2Config, GPT2LMHeadModel, Trainer, TrainingArguments  # noqa: E402

import inertia.hf  # noqa: E402
import inertia.torch as it  # noqa: E402
from inertia.errors import BadInput  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning:transformers")


def gpt():
    torch.manual_seed(0)
    config = GPT2Config(vocab_size=17, n_positions=8, n_embd=8, n_layer=1, n_head=2, resid_pdrop=0.0, embd_pdrop=0.0, attn_pdrop=0.0)
    return GPT2LMHeadModel(config)


def texts(count=32):
    chance = np.random.default_rng(0)
    ids = [chance.integers(1, 17, chance.integers(3, 9)).tolist() for _ in range(count)]
    return datasets.Dataset.from_dict({"input_ids": ids})


def padded(rows):
    """A collator that pads with what the loss ignores."""
    width = max(len(row["input_ids"]) for row in rows)
    ids = torch.tensor([list(row["input_ids"]) + [0] * (width - len(row["input_ids"])) for row in rows])
    return {"input_ids": ids, "attention_mask": (ids > 0).long(), "labels": ids.masked_fill(ids == 0, -100)}


def trainer(folder, **words):
    given = {
        "max_steps": 16,
        "per_device_train_batch_size": 4,
        "gradient_accumulation_steps": 2,
        "weight_decay": 0.01,
        "learning_rate": 1e-3,
    }
    args = TrainingArguments(output_dir=str(folder), use_cpu=True, report_to=[], disable_tqdm=True, **(given | words))
    data = texts()
    return Trainer(model=gpt(), args=args, train_dataset=data, eval_dataset=data.select(range(8)), data_collator=padded)


def test_tune_reads_the_trainer_and_use_lets_it_train_so(tmp_path):
    made = trainer(tmp_path, warmup_steps=2)
    before = [p.clone() for p in made.model.parameters()]
    found = inertia.hf.tune(made, runs=1, validate=True)
    budget = found.budget
    assert (budget.steps, budget.batch_size, budget.schedule, budget.warmup, budget.clip) == (16, 8, "warmup-linear", 2, 1.0)
    assert budget.weight_decay == 0.01
    assert found.recipe.optimizer == "adamw"
    assert found.best is not None
    assert all(torch.equal(p, q) for p, q in zip(before, made.model.parameters(), strict=True))
    inertia.hf.use(made, found)
    assert made.optimizer.param_groups[0]["weight_decay"] == 0.01
    assert made.optimizer.param_groups[1]["weight_decay"] == 0.0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        made.train()
    first = {id(p): p for p in made.model.parameters()}
    assert any(not torch.equal(p, q) for p, q in zip(before, first.values(), strict=True))


def test_the_whole_loss_weighs_tokens_and_not_batches(tmp_path):
    made = trainer(tmp_path)
    found = inertia.hf.measure(made, noise=0, weights=False)
    made.model.train()
    batch = padded([texts()[k] for k in range(32)])
    made_of_all = made.model(**batch).loss.item()
    assert found.provenance["loss"] == pytest.approx(made_of_all, rel=1e-5)
    direct = it.measure(made.model, None, batch, noise=0, weights=False)
    assert pytest.approx(direct.L, rel=0.02) == found.L


def test_check_reads_the_trainers_rate(tmp_path):
    found = inertia.hf.check(trainer(tmp_path))
    assert found.recipe.learning_rate == 1e-3
    assert found.recipe.momentum == 0.9


def test_any_schedule_of_transformers_is_read(tmp_path):
    made = trainer(tmp_path, lr_scheduler_type="polynomial", lr_scheduler_kwargs={"power": 2.0}, warmup_steps=4, optim="sgd")
    found = inertia.hf.tune(made, runs=0)
    np.testing.assert_allclose(found.budget.factors[4:], (1 - np.arange(12) / 12) ** 2, atol=1e-6)
    assert found.recipe.optimizer == "sgd"


@pytest.mark.parametrize(
    "words",
    [
        {"num_train_epochs": 5},
        {"num_train_epochs": 5, "dataloader_drop_last": True, "gradient_accumulation_steps": 1},
        {"num_train_epochs": 4.5},
        {"num_train_epochs": 5, "max_steps": 17},
    ],
    ids=str,
)
def test_steps_are_those_that_the_trainer_makes(tmp_path, words):
    def made():
        one = trainer(tmp_path, **({"max_steps": -1} | words))
        one.train_dataset = texts(27)
        return one

    real = made()
    real.train()
    assert inertia.hf.tune(made(), runs=0).budget.steps == real.state.global_step


def test_the_optimizer_and_schedule_that_a_trainer_was_given_are_those_of_the_runs(tmp_path):
    made = trainer(tmp_path)
    head = list(made.model.transformer.h.parameters())
    groups = [{"params": head[:4]}, {"params": head[4:], "lr": 0.01, "weight_decay": 0.0}]
    made.optimizer = torch.optim.SGD(groups, lr=0.1, momentum=0.7, weight_decay=1e-3)
    made.lr_scheduler = torch.optim.lr_scheduler.LambdaLR(made.optimizer, lambda step: 0.9**step)
    found = inertia.hf.tune(made, runs=0)
    assert (found.recipe.optimizer, found.budget.weight_decay, found.budget.uniform) == ("sgd", 1e-3, False)
    np.testing.assert_allclose(found.budget.factors, 0.9 ** np.arange(16), rtol=1e-12)
    assert found.measurement.dimension == sum(p.numel() for p in head)
    checked = inertia.hf.check(made).recipe
    assert (checked.momentum, checked.nesterov, checked.optimizer) == (0.7, False, "sgd")
    assert all(p.requires_grad for p in made.model.parameters())
    inertia.hf.use(made, found)
    rates = [group["initial_lr"] for group in made.optimizer.param_groups]
    assert rates == pytest.approx([found.recipe.learning_rate, 0.1 * found.recipe.learning_rate])
    assert [len(group["params"]) for group in made.optimizer.param_groups] == [4, len(head) - 4]


def test_what_no_run_does_is_told(tmp_path):
    told = {
        "beta2 = 0.95 and eps = 1e-06, which is not searched": {"adam_beta2": 0.95, "adam_epsilon": 1e-6},
        r"adds noise to the embeddings \(neftune_noise_alpha\)": {"neftune_noise_alpha": 5.0},
        "ReduceLROnPlateau follows a metric": {"lr_scheduler_type": "reduce_lr_on_plateau", "eval_strategy": "steps"},
        "GreedyLR follows a metric": {"lr_scheduler_type": "greedy", "eval_strategy": "steps"},
    }
    for sentence, words in told.items():
        with pytest.warns(inertia.errors.InertiaWarning, match=sentence):
            assert inertia.hf.tune(trainer(tmp_path, **words), runs=0).budget.schedule == "linear"
    with warnings.catch_warnings():
        warnings.simplefilter("error", inertia.errors.InertiaWarning)
        inertia.hf.tune(trainer(tmp_path), runs=0)


def test_check_judges_the_trainers_betas_and_eps(tmp_path):
    with pytest.warns(inertia.errors.InertiaWarning, match="not searched"):
        own = inertia.hf.check(trainer(tmp_path, adam_beta1=0.7, adam_beta2=0.95))
    direct = it.check(
        gpt(), None, padded([texts()[k] for k in range(32)]), lr=1e-3, betas=(0.7, 0.95), optimizer="adamw", steps=16, batch_size=8
    )
    assert (own.recipe.momentum, direct.recipe.momentum) == (0.7, 0.7)
    assert inertia.hf.check(trainer(tmp_path), optimizer="sgd").recipe.momentum == 0.0  # beta1 is none of SGD's


def test_settings_of_a_named_schedule_are_kept(tmp_path):
    made = trainer(tmp_path, lr_scheduler_type="cosine", lr_scheduler_kwargs={"num_cycles": 1.5})
    factors = inertia.hf.tune(made, runs=0).budget.factors
    np.testing.assert_allclose(factors, 0.5 + 0.5 * np.cos(3 * np.pi * np.arange(16) / 16), atol=1e-12)


def test_mixed_precision_is_that_of_the_trainer(tmp_path):
    made = trainer(tmp_path, bf16=True)
    with torch.no_grad():
        made.model.transformer.wte.weight.mul_(20)  # so that rounding shows
    found = inertia.hf.measure(made, noise=0, weights=False)
    batch = padded([texts()[k] for k in range(32)])
    with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16):
        rounded = made.model(**batch).loss.item()
    with torch.no_grad():
        exact = made.model(**batch).loss.item()
    assert abs(found.provenance["loss"] - rounded) < 0.1 * abs(exact - rounded)  # cut otherwise, batches round otherwise


def test_a_loss_of_ones_own_is_told_how_many_tokens_count(tmp_path):
    def loss(outputs, labels, num_items_in_batch):
        logits, target = outputs.logits[:, :-1].flatten(0, 1), labels[:, 1:].flatten()
        return nn.functional.cross_entropy(logits, target, reduction="sum") / num_items_in_batch

    made = trainer(tmp_path)
    plain = inertia.hf.measure(made, noise=0, weights=False)
    made.compute_loss_func = loss
    own = inertia.hf.measure(made, noise=0, weights=False)
    assert own.provenance["loss"] == pytest.approx(plain.provenance["loss"], rel=1e-5)
    assert pytest.approx(plain.L, rel=1e-3) == own.L


@pytest.mark.parametrize("word", ["epochs", "learning_rate", "eval_data", "max_grad_norm", "bathc_size"])
@pytest.mark.parametrize("verb", ["tune", "measure"])
def test_words_that_are_not_known_are_answered_with_what_to_write(tmp_path, verb, word):
    with pytest.raises(BadInput, match=f"{verb} takes no {word}: "):
        getattr(inertia.hf, verb)(trainer(tmp_path), **{word: 3})


def test_refusals(tmp_path):
    with pytest.raises(BadInput, match="optim = 'adafactor' cannot be searched"):
        inertia.hf.tune(trainer(tmp_path, optim="adafactor"))
    made = trainer(tmp_path)
    made.train_dataset = None
    with pytest.raises(BadInput, match="no train_dataset"):
        inertia.hf.measure(made)


def test_datasets_are_data_and_map_style_rows_are_shuffled():
    rows = datasets.Dataset.from_dict({"x": np.linspace(-1, 1, 24)[:, None].tolist(), "y": np.linspace(-3, 3, 24)[:, None].tolist()})
    torch.manual_seed(0)
    model, loss = nn.Linear(1, 1), lambda m, b: nn.functional.mse_loss(m(b["x"]), b["y"])
    x = torch.linspace(-1, 1, 24)[:, None]
    plain = it.measure(model, nn.MSELoss(), (x, 3 * x), noise=0)
    assert pytest.approx(plain.L, rel=1e-5) == it.measure(model, None, rows, batch_size=8, forward=loss, noise=0).L
    assert it.tune(model, None, rows, batch_size=8, forward=loss, steps=16, runs=1).verified_loss < 0.5
    checked = it.check(model, None, rows, batch_size=8, forward=loss, lr=0.1, momentum=0.9, steps=16)
    assert checked.measurement.start.largest == pytest.approx(plain.L, rel=0.02)
    stream = rows.to_iterable_dataset().with_format("torch")
    assert (
        pytest.approx(plain.L, rel=1e-5)
        == it.measure(model, None, torch.utils.data.DataLoader(stream, batch_size=8), forward=loss, noise=0).L
    )


def test_what_accelerate_prepares_is_taken_as_it_is():
    from accelerate import Accelerator

    x = torch.linspace(-1, 1, 24)[:, None]
    torch.manual_seed(0)
    bare = nn.Linear(1, 1)
    loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(x, 3 * x), batch_size=8, shuffle=True)
    optimizer = torch.optim.SGD(bare.parameters(), lr=0.1)
    model, optimizer, prepared = Accelerator(cpu=True).prepare(bare, optimizer, loader)
    plain = it.measure(bare, nn.MSELoss(), (x, 3 * x), batch_size=8)
    found = it.measure(model, nn.MSELoss(), prepared)
    assert (found.L, found.provenance["noise_batch_size"]) == (pytest.approx(plain.L, rel=1e-5), 8)
    assert it.tune(model, nn.MSELoss(), prepared, steps=16, runs=1).budget.batch_size == 8
    checked = it.check(model, nn.MSELoss(), prepared, lr=0.1, momentum=0.9, steps=16)
    assert checked.measurement.start.largest == pytest.approx(plain.L, rel=0.02)


def test_lora_from_a_checkpoint_made_here_is_measured_along_its_own_parameters(tmp_path):
    peft = pytest.importorskip("peft")
    gpt().save_pretrained(tmp_path / "base")
    base = GPT2LMHeadModel.from_pretrained(tmp_path / "base")
    model = peft.get_peft_model(base, peft.LoraConfig(r=2, target_modules=["c_attn"], fan_in_fan_out=True, lora_dropout=0.0))
    batch = padded([texts()[k] for k in range(8)])
    found = it.measure(model, None, batch, noise=0, weights=False)
    assert found.dimension == sum(p.numel() for p in model.parameters() if p.requires_grad) == 2 * (8 + 24)
    tuned = it.tune(model, None, batch, steps=16, batch_size=4, runs=1, optimizer="adamw")
    assert tuned.best is not None
    checked = it.check(model, None, batch, lr=0.1, momentum=0.9, steps=16, batch_size=8)
    assert checked.measurement.start.largest == pytest.approx(found.L, rel=0.02)

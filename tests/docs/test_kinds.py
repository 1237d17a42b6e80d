"""The table of other people's code: every cell is a test of the suite, or a sentence; the page shows exactly this table."""

import importlib
import json
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "other-peoples-code.md"
COLUMNS = ("measure", "tune", "check", "Momentum", "watch")
DOOR, TRAPS = "torch/test_door.py::", "torch/test_measure_traps.py::"
HF, LIGHT, GROUP = "trainers/test_hf.py::", "trainers/test_lightning.py::", "torch/test_processes.py::"
WATCH, JAX = "watch/test_trainers.py::", "jax/test_modules.py::"
FULL = "trainers/test_models.py::test_a_tuning_and_a_check_take_such_models_in_full_and_mixed_precision"
SAME = GROUP + "test_a_check_says_the_same_of_models_that_are_wrapped_shared_out_or_cut"
PAIR = "jax/test_processes_jax.py::test_two_processes_measure_tune_check_and_watch_the_whole_loss"
ANY = "steps any torch parameters"
LOOP = "by `Watch` in your own loop"
ELSEWHERE = "in your own code"
STUDY = "a study holds no model"
CUT = "refused: it reads whole parameters"  # watch/test_faults.py holds it to that

TABLE = {
    "tensors, loaders, datasets, streams": [
        DOOR + "test_rows_of_any_kind_are_shuffled_by_the_one_law", DOOR + "test_streams_of_samples_with_and_without_an_end",
        DOOR + "test_batches_that_are_objects", ANY, LOOP,
    ],
    "sums, class weights, ignored tokens": [
        DOOR + "test_class_weights_and_ignored_targets_count_whatever_the_chunk",
        DOOR + "test_a_sum_is_the_users_own_loss", DOOR + "test_a_check_weighs_sums_classes_and_ignored_targets_too", ANY, LOOP,
    ],
    "contrastive losses": [
        DOOR + "test_a_contrastive_loss_of_a_dataset_is_measured_on_drawn_batches_of_the_size_of_training",
        DOOR + "test_a_contrastive_loss_is_that_of_its_batches", DOOR + "test_a_check_judges_a_contrastive_loss_on_batches_of_its_own",
        ANY, LOOP,
    ],
    "Hugging Face datasets": [
        *3 * [HF + "test_datasets_are_data_and_map_style_rows_are_shuffled"], ANY, LOOP,
    ],
    "Hugging Face Trainer": [
        HF + "test_the_whole_loss_weighs_tokens_and_not_batches", HF + "test_tune_reads_the_trainer_and_use_lets_it_train_so",
        HF + "test_check_reads_the_trainers_rate", "pass it in `optimizers=`",
        WATCH + "test_the_hugging_face_trainer_tells_its_log_history_and_trains_the_same",
    ],
    "accelerate": [
        *3 * [HF + "test_what_accelerate_prepares_is_taken_as_it_is"], "`prepare` takes it", WATCH + "test_accelerate_by_recipe",
    ],
    "GPT-2, BERT, ViT, ResNet of transformers": [
        "trainers/test_models.py::test_the_largest_curvature_is_that_of_scipy_over_torchs_own_products",
        *2 * [FULL], ANY, LOOP,
    ],
    "autocast": ["trainers/test_models.py::test_mixed_precision_is_measured_as_it_computes", *2 * [FULL], ANY, LOOP],
    "gradient checkpointing, torch.compile": [
        TRAPS + "test_gradient_checkpointing_of_both_kinds", TRAPS + "test_of_a_compiled_model_the_module_within_is_measured",
        TRAPS + "test_of_a_compiled_model_the_module_within_is_measured",
        "torch/test_momentum.py::test_a_compiled_step_takes_the_same_path", LOOP,
    ],
    "LoRA (peft)": [
        *3 * [HF + "test_lora_from_a_checkpoint_made_here_is_measured_along_its_own_parameters"], ANY, LOOP,
    ],
    "Lightning": [
        LIGHT + "test_the_curvature_is_that_of_the_training_step", LIGHT + "test_tune_reads_module_and_trainer_and_use_lets_fit_train_so",
        LIGHT + "test_epochs_accumulation_and_plain_loaders", "return it from `configure_optimizers`",
        WATCH + "test_lightning_tells_its_own_logger_and_trains_the_same",
    ],
    "Keras 3 on torch or JAX": [
        "trainers/test_keras.py::test_a_compiled_model_is_measured_tuned_and_fitted",
        "trainers/test_keras.py::test_a_compiled_model_is_measured_tuned_and_fitted",
        "trainers/test_keras.py::test_a_compiled_model_is_measured_tuned_and_fitted", "Keras has its own: `found.keras()`",
        "watch/test_keras_watch.py::test_keras_is_followed_and_trains_the_same",
    ],
    "Grain, loaders without TensorFlow": [
        *3 * ["jax/test_door_jax.py::test_grain_and_loaders_without_tensorflow"], "`inertia.jax.momentum` is of optax",
        "in your own loop",
    ],
    "Equinox, Flax, Haiku": [
        *3 * [JAX + "test_one_curvature_and_a_tuning"], "`inertia.jax.momentum` is of optax",
        "watch/test_jax_watch.py::test_a_run_is_the_same_with_and_without_and_its_log_tells_it",
    ],
    "DistributedDataParallel": [
        GROUP + "test_everything_is_of_the_whole_loss", GROUP + "test_a_tuning_decides_once_and_its_runs_are_those_of_one_process",
        SAME, ANY, GROUP + "test_a_watch_is_one_for_all_processes_and_changes_no_step",
    ],
    "fully_shard (FSDP2)": [
        GROUP + "test_everything_is_of_the_whole_loss", GROUP + "test_tunings_of_shards_and_of_models_that_are_cut", SAME,
        GROUP + "test_momentum_steps_parameters_of_two_kinds_as_torch_does", CUT,
    ],
    "tensor parallel (DTensor)": [
        GROUP + "test_an_unwrapped_model_with_shards_of_the_data_and_a_cut_model_are_measured_so_too",
        GROUP + "test_tunings_of_shards_and_of_models_that_are_cut", SAME,
        "torch/test_dropin.py::test_distributed_tensors_beside_plain_ones_are_stepped_apart", CUT,
    ],
    "FullyShardedDataParallel (FSDP1)": [
        "refused: use fully_shard", "refused: use fully_shard", "refused: use fully_shard", ANY, CUT,
    ],
    "two JAX processes": [
        *3 * [PAIR], "`inertia.jax.momentum` is of optax", PAIR,
    ],
    "process pools, joblib, loky": [
        "measured here", "torch/test_machines.py::test_joblib_and_loky", "makes no runs", ELSEWHERE, ELSEWHERE,
    ],
    "Dask": [
        "measured here", "torch/test_tune_torch.py::test_a_lost_dask_worker_is_a_result_and_what_finished_is_kept", "makes no runs",
        ELSEWHERE, ELSEWHERE,
    ],
    "Ray": ["measured here", "torch/test_machines.py::test_ray", "makes no runs", ELSEWHERE, ELSEWHERE],
    "MPI (mpi4py.futures)": ["measured here", "torch/test_machines.py::test_mpi", "makes no runs", ELSEWHERE, ELSEWHERE],
    "Slurm (submitit)": [
        "measured here", "torch/test_machines.py::test_submitit_the_local_stand_in_for_slurm", "makes no runs", ELSEWHERE, ELSEWHERE,
    ],
    "Optuna": [
        STUDY, "trainers/test_optuna.py::test_the_first_trials_of_a_study_are_our_candidates", STUDY, ELSEWHERE, ELSEWHERE,
    ],
}  # fmt: skip


@cache
def functions_of(path):
    return set(re.findall(r"^def (test_\w+)", (ROOT / "tests" / path).read_text(), flags=re.MULTILINE))


def cell(content):
    return "tested" if "::" in content else content


def written():
    lines = ["| kind | " + " | ".join(COLUMNS) + " |", "|" + "---|" * (len(COLUMNS) + 1)]
    return lines + [f"| {kind} | " + " | ".join(map(cell, cells)) + " |" for kind, cells in TABLE.items()]


@pytest.mark.parametrize("kind", TABLE)
def test_every_cell_is_a_test_that_exists_or_a_sentence(kind):
    assert len(TABLE[kind]) == len(COLUMNS)
    for content in TABLE[kind]:
        path, _, name = content.partition("::")
        assert content, f"{kind}: a cell says nothing"
        assert not name or name in functions_of(path), content


def test_no_test_behind_a_cell_skips_for_want_of_a_package():
    """What a test asks for with importorskip is among the packages that `make test` installs."""
    held = {line.split("==")[0].lower() for line in (ROOT / "constraints.txt").read_text().splitlines() if "==" in line}
    named = {"haiku": "dm-haiku"}
    for path, name in {tuple(content.split("::")) for cells in TABLE.values() for content in cells if "::" in content}:
        text = (ROOT / "tests" / path).read_text()
        own = re.search(rf"((?:^@[^\n]*\n)*)^def {name}\(.*?(?=^\S|\Z)", text, flags=re.MULTILINE | re.DOTALL)
        assert own is not None
        assert not re.search(r"pytest\.skip\(|mark\.skip", own[0]), name
        for module in re.findall(r"importorskip\(\"([\w.]+)\"", text):
            top = module.split(".")[0]
            assert named.get(top, top) in held, f"{path} asks for {module}"


def test_the_page_shows_this_table():
    part = PAGE.read_text().split("## What works where")[1]
    shown = [line for line in part.splitlines() if line.startswith("|")]
    assert shown == written()


@pytest.mark.parametrize("name", ["models", "curvature_equal"])
def test_the_page_shows_what_was_measured(name, monkeypatch):
    pytest.importorskip("torch")
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    made = importlib.import_module(name)
    results = json.loads(made.DATA.read_text())
    assert "\n".join(made.rows(results)) in PAGE.read_text()
    if name == "models":
        assert all(one["gradients"] <= 60 for one in results.values())
        assert all(one["vectors"] <= 8 for one in results.values())
    else:
        assert all(one["covered"] == one["seeds"] for one in results.values())


if __name__ == "__main__":
    print("\n".join(written()))

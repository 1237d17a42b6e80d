"""Two and three processes (gloo, loopback) are one training job: what they find together is what one process finds on all the data.

A group of each size is started once and does everything that `several.py` lists; the truth is computed here, in one process.
"""

import importlib.util
import json
from functools import cache
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402

import inertia.torch as it  # noqa: E402

HERE = Path(__file__).parent / "several.py"
SPEC = importlib.util.spec_from_file_location("several", HERE)
several = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(several)
THREE = ["ddp_loader", "ddp_shards", "ddp_stream", "fsdp2", "broken_share", "tune_ddp"]
CLOSE = {"rtol": 1e-9, "atol": 1e-12}


def launched(forks, size, folder, names=()):
    out = folder / "answers"
    meeting = folder / "meeting"  # a file: a port that is free now may be taken a moment later
    started = [forks.start(HERE, rank, size, meeting, out, *names, env={"GLOO_SOCKET_IFNAME": "lo"}) for rank in range(size)]
    said = ["\n".join(process.said(timeout=600)) for process in started]
    codes = [process.returncode for process in started]
    assert not any(codes), f"ended with {codes}\n" + "\n".join(said)
    return [json.loads(Path(f"{out}.{rank}").read_text()) for rank in range(size)]


@pytest.fixture(scope="module")
def two(forks, tmp_path_factory):
    return launched(forks, 2, tmp_path_factory.mktemp("two"))


@pytest.fixture(scope="module")
def three(forks, tmp_path_factory):
    return launched(forks, 3, tmp_path_factory.mktemp("three"), THREE)


@cache
def truth(batch_size=12, reduction="mean", noise=8):
    return several.spectrum(it.measure(several.net(), nn.MSELoss(reduction=reduction), several.data(), batch_size=batch_size, noise=noise))


def near(found, wanted, keys=("L", "upper", "loss", "gradient_norm", "trace")):
    for key in keys:
        np.testing.assert_allclose(found[key], wanted[key], **CLOSE, err_msg=key)


def everywhere(answers, name):
    """What every rank says: the same."""
    for other in answers[1:]:
        assert other[name] == answers[0][name]
    return answers[0][name]


@pytest.mark.parametrize("size", [2, 3])
@pytest.mark.parametrize("name", ["ddp_loader", "ddp_shards", "fsdp2"])
def test_everything_is_of_the_whole_loss(two, three, size, name):
    found = everywhere({2: two, 3: three}[size], name)
    near(found, truth())
    assert (found["examples"], found["noise_batch_size"]) == (48, 12)
    assert found["products"].startswith("exact")


def test_an_unwrapped_model_with_shards_of_the_data_and_a_cut_model_are_measured_so_too(two):
    near(everywhere(two, "plain_loader"), truth(noise=0))
    near(everywhere(two, "cut"), truth())
    np.testing.assert_allclose(two[0]["cut"]["values"], it.eigenvectors(several.net(), several.MSE, several.data(), 2).values, rtol=1e-9)


@pytest.mark.parametrize("size", [2, 3])
def test_batches_that_are_not_equally_many_are_weighted_by_their_examples(two, three, size):
    near(everywhere({2: two, 3: three}[size], "ddp_stream"), truth(noise=0))


def test_sums_and_class_weights_are_those_of_the_step_of_all(two):
    near(everywhere(two, "ddp_sum"), truth(6, "sum", 0))  # the wrapper averages the sums of two processes of 6 examples
    x, y = several.data()
    weighted = nn.CrossEntropyLoss(weight=torch.tensor([1.0, 5.0], dtype=torch.float64))
    near(everywhere(two, "ddp_weights"), several.spectrum(it.measure(several.net(), weighted, (x, (y[:, 0] > 0).long()), noise=0)))


def test_batch_norms_see_the_batch_of_their_process_and_keep_their_statistics(two):
    found = everywhere(two, "norms")

    assert 0.2 * truth()["L"] < found["L"] < 2 * truth()["L"]

    assert not any(error for _, _, error, _, _ in found["tune"]["runs"])


def test_who_calls_alone_is_told_so_and_nobody_hangs(two):
    said, heard, advised, bare = two[0]["alone"]
    assert said.startswith("BadInput: measure was called in the process of rank 0")
    assert "rank 1" in said
    assert "model.module" in said
    assert advised
    assert any("goes on alone" in one for one in heard)
    near(bare, truth(noise=0))
    near(everywhere(two, "after_all"), truth())
    assert "call different things: eigenvectors, measure" in everywhere(two, "other_calls")


@pytest.mark.parametrize("size", [2, 3])
def test_what_goes_wrong_in_one_process_is_said_in_all(two, three, size):
    answers = {2: two, 3: three}[size]
    assert all("the loss of batch 0" in answer["broken_share"] for answer in answers)
    assert answers[0]["broken_share"].startswith("BadInput: in the process of rank 1")


def test_a_run_that_fails_in_one_process_is_a_result(two):
    assert "rank 1: ValueError: worn out" in everywhere(two, "fragile")


def test_refusals(two):
    assert "fully_shard" in everywhere(two, "fsdp1")
    assert "leave executor out" in everywhere(two, "executor")


@pytest.mark.parametrize("name", ["under_ddp", "under_fsdp2", "under_cut"])
def test_what_an_optimizer_meets_is_that_of_the_whole_loss(two, name):
    stepped, walked = everywhere(two, name)
    wanted = several.under(several.net())
    for key in ("L", "edge", "trace", "step"):
        np.testing.assert_allclose(stepped[key], wanted[key], rtol=1e-6, err_msg=key)
    assert (stepped["steps"], stepped["walked"], walked["steps"], walked["walked"]) == (3, 0, 4, 4)
    own = several.under(several.net(), 0, noise=0)
    assert walked["L"] == pytest.approx(own["L"], rel=0.5)  # other mini-batches on the way
    assert walked["edge"] == own["edge"]


def test_ctrl_c_in_one_process_leaves_what_is_known_in_all_and_ends_a_tuning_in_all(two):
    for products, converged, holds, said in everywhere(two, "interrupted"):
        assert 2 <= products < 10
        assert holds
        assert not converged
        assert "Ctrl-C" in said
    assert everywhere(two, "interrupted_tuning").startswith("KeyboardInterrupt")
    near(everywhere(two, "after_all"), truth())


def test_the_way_of_a_short_training_is_that_of_one_process(two):
    found = it.measure(several.net(), several.MSE, several.data(), batch_size=12, noise=0, along=4).provenance["along"]
    np.testing.assert_allclose(everywhere(two, "along"), [found["loss"], found["largest"]], **CLOSE)


def near_tuning(found, wanted):
    assert found["recipe"] == wanted["recipe"]
    assert found["batch"] == wanted["batch"]
    for one, other in zip(found["runs"], wanted["runs"], strict=True):
        assert one[:3] == other[:3]
        np.testing.assert_allclose(one[3], other[3], rtol=1e-7)
        np.testing.assert_allclose(one[4], other[4], rtol=1e-7)


@pytest.mark.parametrize("size", [2, 3])
def test_a_tuning_decides_once_and_its_runs_are_those_of_one_process(two, three, size):
    words = {"steps": several.STEPS, "batch_size": 12, "runs": 2, "validation": several.data(), "clip": 1.0, "weight_decay": 1e-3}
    near_tuning(
        everywhere({2: two, 3: three}[size], "tune_ddp"), several.tuned(it.tune(several.net(), several.MSE, several.data(), **words))
    )


def test_tunings_of_shards_and_of_models_that_are_cut(two):
    wanted = several.tuned(it.tune(several.net(), several.MSE, several.data(), steps=several.STEPS, batch_size=12, runs=1))
    for name in ("fsdp2", "cut"):
        near_tuning(everywhere(two, name)["tune"], wanted)
    accumulated = everywhere(two, "tune_shards")
    np.testing.assert_allclose(accumulated["runs"][0][3], wanted["runs"][0][3], rtol=1e-7)


def test_a_journal_is_written_once_and_taken_up_by_all(two):
    found = everywhere(two, "tune_made")
    assert found["again"]
    assert found["wrote"]
    assert found["resumed"] == 1


def test_a_check_says_the_same_of_models_that_are_wrapped_shared_out_or_cut(two):
    own = it.check(several.net(), several.MSE, several.data(), lr=0.05, momentum=0.9, steps=several.STEPS, batch_size=12)
    for stable, text in (everywhere(two, "checked"), everywhere(two, "fsdp2")["checked"], everywhere(two, "cut")["checked"]):
        assert stable == own.stable
        ranks, alone = (said.split("\n")[0].split(": learning rates from")[0] for said in (text, str(own)))
        assert ranks == alone  # what is expected beside it rests on the examples that were drawn, other ones than one process draws


def test_the_other_verbs(two):
    import inertia

    one = inertia.measure(several.net(), several.MSE, several.data(), steps=100, batch_size=12).largest
    assert everywhere(two, "facade") == pytest.approx(one, rel=1e-9)


def test_momentum_steps_parameters_of_two_kinds_as_torch_does(two):
    ours, theirs = everywhere(two, "momentum")
    np.testing.assert_allclose(ours, theirs, rtol=1e-12)


def test_a_watch_is_one_for_all_processes_and_changes_no_step(two):
    same, looks, said, names = two[0]["watched"]
    assert same
    assert [look[0] for look in looks] == [1, 11, 21, 31, 41]
    assert {look[4] for look in looks} == {48}
    assert (said, names) == (1, ["momentum"])
    assert two[1]["watched"] == [True, looks, 0, []]  # what rank 1 has seen is the same, and it says nothing
    assert all(len(looks) > 5 for looks in everywhere(two, "watched_by_time"))


def test_a_look_of_several_processes_is_one_at_all_the_examples(two):
    loss, sharpness, bar, examples, trace, slope = everywhere(two, "watched_whole")
    found = it.measure(several.net(), nn.MSELoss(), several.data(), batch_size=12, noise=0)
    assert loss == pytest.approx(found.provenance["loss"], rel=1e-9)
    assert sharpness <= found.upper * (1 + 1e-9)
    assert (sharpness + bar) * (1 + 1e-9) >= found.L
    assert (examples, trace > 0, slope < 0) == (48, True, True)


def test_a_watch_that_fails_in_one_process_is_told_and_the_run_goes_on(two):
    looks, said, finite = two[0]["watch_fails"]
    assert looks == 2
    assert finite
    assert said == ["step 21: The curvature cannot be measured: RuntimeError: in the process of rank 1: ValueError: worn out"]
    assert two[1]["watch_fails"] == [2, [], True]


def test_a_watch_in_one_process_only_is_refused(two):
    assert "call it in every process" in two[0]["watch_alone"]

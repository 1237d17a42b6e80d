"""`inertia.jax.tune`: both branches on real runs, what is added to plain steps, every refusal."""

import numpy as np
import pytest

jax = pytest.importorskip("jax")
optax = pytest.importorskip("optax")
import jax.numpy as jnp  # noqa: E402

import inertia.jax.tuning  # noqa: E402
from inertia.core.method import Method  # noqa: E402
from inertia.errors import BadInput  # noqa: E402
from inertia.jax.trials import run_trials  # noqa: E402
from inertia.tasks.networks import network  # noqa: E402
from inertia.tuning.batches import batch_order  # noqa: E402
from inertia.tuning.journal import Journal  # noqa: E402
from inertia.tuning.plan import planned  # noqa: E402
from inertia.tuning.walked import END  # noqa: E402


def line(w, batch):
    return jnp.mean((batch[0] @ w["w"] - batch[1]) ** 2)


@pytest.fixture(scope="module")
def regression():
    rng = np.random.default_rng(0)
    x = rng.standard_normal((128, 5)).astype(np.float32)
    return (x, (x @ np.arange(5.0) + 0.1 * rng.standard_normal(128)).astype(np.float32)), {"w": jnp.zeros(5)}


def test_what_looks_convex_is_forecast(regression):
    data, params = regression
    found = inertia.jax.tune(line, params, data, steps=64, batch_size=16)
    assert found.branch == "quadratic"
    assert found.verified_loss < 0.02
    assert any("4 x the steps: x" in note and "4 x the batch: x" in note for note in found.notes)
    assert found.measurement["largest_at_end"] == pytest.approx(found.measurement["largest_at_start"], rel=0.02)  # a quadratic
    assert found.measurement["largest"] == pytest.approx(np.linalg.eigvalsh(2 * data[0].T @ data[0] / 128)[-1], rel=0.02)


def test_a_tuning_taken_up_from_its_journal_is_the_same(regression, tmp_path):
    data, params = regression
    params = {"w": params["w"].astype(jnp.bfloat16), "unused": 0.0}
    first = inertia.jax.tune(line, params, data, steps=32, batch_size=16, journal=Journal(tmp_path / "runs.jsonl"))
    journal = Journal(tmp_path / "runs.jsonl", resume=True)
    again = inertia.jax.tune(line, params, data, steps=32, batch_size=16, journal=journal)
    assert journal.resumed == len(again.runs)
    assert again.to_json() == first.to_json()
    assert again.measurement["largest_at_end"] > 0
    (kept,) = tmp_path.glob("end-*")
    for broken in (b"", kept.read_bytes()[:50]):
        kept.write_bytes(broken)
        lost = inertia.jax.tune(line, params, data, steps=32, batch_size=16, journal=Journal(tmp_path / "runs.jsonl", resume=True))
        assert "nothing finite can be measured" in lost.measurement["end_not_measured"]


@pytest.fixture(scope="module")
def tuned():
    net, seen = network("digits-mlp"), []
    found = inertia.jax.tune(
        net.loss, net.init(0), net.data, steps=60, batch_size=64, validation=net.validation, weight_decay=1e-4, clip=5.0, warmup=4,
        on_record=seen.append,
    )  # fmt: skip
    return found, seen


def test_measuring_costs_less_than_a_twentieth_of_a_million_examples():
    net = network("digits-mlp")
    plan = planned(len(net.data[0]), steps=10**6 // 64, batch_size=64)
    start, others = inertia.jax.tuning.starts(net.init, 0)
    seen = inertia.jax.tuning.observe(net.loss, start, net.data, plan, others=others)
    assert seen.facts["largest_elsewhere"] > 0
    end = (2 * END + 1) * seen.facts["examples"]  # at most, where the recommended run ends
    assert not seen.convex
    assert seen.gradients + end < 0.05 * 10**6


def test_a_network_is_told_by_its_negative_curvature(tuned):
    found, seen = tuned
    assert found.branch == "network"
    assert found.measurement["smallest"] < -0.02 * found.measurement["largest"]
    assert seen == found.runs
    assert len(found.runs) == 3
    assert found.verified_loss < 0.5
    alpha, beta, gamma, _ = found.method
    assert found.measurement["edge"] == pytest.approx(2 * (1 + beta) / (1 + 2 * gamma) / alpha)
    assert found.measurement["largest_at_end"] > 0
    assert found.cost_in_runs < 16  # a run is only 3840 examples here


def test_the_recommended_run_is_what_optax_does(tuned):
    """The runs are judged on the validation loss; clipping, decay and warm-up are optax's."""
    found, _ = tuned
    net, method = network("digits-mlp"), found.method
    factors = np.minimum(1, (np.arange(60) + 1) / 4) * (1 - np.arange(60) / 60)
    optimizer = optax.chain(
        optax.clip_by_global_norm(5.0),
        optax.add_decayed_weights(1e-4),
        optax.sgd(lambda k: method.alpha * jnp.asarray(factors)[k], momentum=method.beta, nesterov=bool(method.gamma)),
    )
    params = net.init(0)
    state = optimizer.init(params)

    @jax.jit
    def advance(params, state, batch):
        updates, state = optimizer.update(jax.grad(net.loss)(params, batch), state, params)
        return optax.apply_updates(params, updates), state

    for rows in batch_order(len(net.data[0]), 64, 60, 0):
        params, state = advance(params, state, tuple(array[rows] for array in net.data))
    # float32 sums in another order, amplified along 60 steps
    assert float(net.loss(params, net.validation)) == pytest.approx(found.verified_loss, rel=2e-2)


def test_a_run_that_diverges_is_a_result(regression):
    data, params = regression
    ran = run_trials(line, params, data, Method(np.array([1e-2, 1e3]), 0.9, 0.0), np.ones(200), batch_size=16, records=[7, 100])
    assert ran.at.tolist() == [0, 7, 100, 200]
    assert np.isfinite(ran.losses[0]).all()
    assert ran.losses[1, -1] == np.inf


@pytest.mark.parametrize(
    ("loss", "said"),
    [
        (lambda w, batch: line(w, batch) / 0.0, "the loss of batch 0 is"),
        (lambda w, batch: jnp.mean(batch[1] ** 2), "does not depend on the parameters"),
        (lambda w, batch: line(w, batch) * np.random.default_rng().random(), "not deterministic"),
    ],
    ids=["not finite", "no parameters", "random"],
)
def test_losses_that_cannot_be_tuned_are_refused(regression, loss, said):
    data, params = regression
    with pytest.raises(BadInput, match=said):
        inertia.jax.tune(loss, params, data, steps=32, batch_size=16)


def test_data_and_batches_that_do_not_fit_are_refused(regression):
    data, params = regression
    with pytest.raises(BadInput, match="outside 1 to 128"):
        inertia.jax.tune(line, params, data, steps=32, batch_size=200)
    with pytest.raises(BadInput, match="the data hold no examples"):
        inertia.jax.tune(line, params, (data[0][:0], data[1][:0]), steps=32)
    with pytest.raises(BadInput, match="the loss of batch 0 is nan"):
        inertia.jax.tune(line, params, (data[0], data[1] * np.nan), steps=32, batch_size=16)
    with pytest.raises(BadInput, match="the loss on the validation data is nan at the start"):
        inertia.jax.tune(line, params, data, steps=32, batch_size=16, validation=(data[0], data[1] * np.nan))
    with pytest.raises(BadInput, match="cannot be tuned on"):
        inertia.jax.tune(line, params, iter([data]), steps=32)

"""`inertia.jax.tune`: the answer on real runs, the recommended run is optax's, every refusal."""

import numpy as np
import pytest

jax = pytest.importorskip("jax")
optax = pytest.importorskip("optax")
import jax.numpy as jnp  # noqa: E402

import inertia.jax  # noqa: E402
from inertia.errors import BadInput, Diverged  # noqa: E402
from inertia.tasks.networks import network  # noqa: E402
from inertia.tuning.batches import batch_order  # noqa: E402


def line(w, batch):
    return jnp.mean((batch[0] @ w["w"] - batch[1]) ** 2)


@pytest.fixture(scope="module")
def regression():
    rng = np.random.default_rng(0)
    x = rng.standard_normal((128, 5)).astype(np.float32)
    return (x, (x @ np.arange(5.0) + 0.1 * rng.standard_normal(128)).astype(np.float32)), {"w": jnp.zeros(5)}


def test_a_convex_loss(regression):
    data, params = regression
    found = inertia.jax.tune(line, params, data, steps=64, batch_size=16)
    assert found.measurement.convex
    assert found.verified_loss < 0.1
    truth = np.linalg.eigvalsh(2 * data[0].T @ data[0] / 128)[-1]
    assert found.measurement.start.sampling > 0  # such a short run pays for few examples
    assert truth < found.measurement.upper < 4 * truth
    assert found.measurement.at[-1].where == "end"


def test_a_tuning_taken_up_from_its_journal_is_the_same(regression, tmp_path):
    data, params = regression
    params = {"w": params["w"].astype(jnp.bfloat16), "unused": 0.0}
    first = inertia.jax.tune(line, params, data, steps=32, batch_size=16, journal=tmp_path)
    again = inertia.jax.tune(line, params, data, steps=32, batch_size=16, journal=tmp_path, resume=True)
    assert again.notes["resumed"] == len(again.runs)
    assert again.to_json() == first.to_json()


@pytest.fixture(scope="module")
def tuned():
    net, seen = network("digits-mlp"), []
    found = inertia.jax.tune(
        net.loss, net.init(0), net.data, steps=60, batch_size=64, validation=net.validation, weight_decay=1e-4, clip=5.0, warmup=4,
        on_run=seen.append,
    )  # fmt: skip
    return found, seen


def test_a_network_is_told_by_its_negative_curvature(tuned):
    found, seen = tuned
    assert not found.measurement.convex
    assert [trial.run for trial in seen] == found.runs
    assert len(found.runs) == 3
    assert found.verified_loss < 0.6
    assert found.budget.objective.held_out


def test_the_recommended_run_is_what_optax_does(tuned):
    """The runs are judged on the validation loss; clipping, decay and warm-up are optax's."""
    found, _ = tuned
    net, run = network("digits-mlp"), found.runs[found.best]
    optimizer = found.optax()
    params = net.init(0)
    state = optimizer.init(params)

    @jax.jit
    def advance(params, state, batch):
        updates, state = optimizer.update(jax.grad(net.loss)(params, batch), state, params)
        return optax.apply_updates(params, updates), state

    for rows in batch_order(len(net.data[0]), 64, 60, run.seed):
        params, state = advance(params, state, tuple(array[rows] for array in net.data))
    # float32 sums in another order, amplified along 60 steps
    assert float(net.loss(params, net.validation)) == pytest.approx(found.verified_loss, rel=2e-2)


@pytest.mark.parametrize(
    ("loss", "said"),
    [
        (lambda w, batch: line(w, batch) / 0.0, "inf|not finite"),
        (lambda w, batch: jnp.mean(batch[1] ** 2), "does not depend on the parameters"),
        (lambda w, batch: line(w, batch) * np.random.default_rng().random(), "not deterministic"),
    ],
    ids=["not finite", "no parameters", "random"],
)
def test_losses_that_cannot_be_tuned_are_refused(regression, loss, said):
    data, params = regression
    with pytest.raises((BadInput, Diverged), match=said):
        inertia.jax.tune(loss, params, data, steps=32, batch_size=16)


def test_data_and_batches_that_do_not_fit_are_refused(regression):
    data, params = regression
    with pytest.raises(BadInput, match="outside 1 to 128"):
        inertia.jax.tune(line, params, data, steps=32, batch_size=200)
    with pytest.raises(BadInput, match="hold no examples|no examples"):
        inertia.jax.tune(line, params, (data[0][:0], data[1][:0]), steps=32)
    with pytest.raises((BadInput, Diverged), match="nan"):
        inertia.jax.tune(line, params, (data[0], data[1] * np.nan), steps=32, batch_size=16)
    with pytest.raises(BadInput, match="validation loss is nan at the start"):
        inertia.jax.tune(line, params, data, steps=32, batch_size=16, validation=(data[0], data[1] * np.nan))


def test_a_second_opinion(regression):
    data, params = regression
    said = inertia.jax.check(line, params, data, lr=1e-3, momentum=0.9, steps=64, batch_size=16)
    assert said.stable
    assert said.place == "below"

"""Other people's data, losses and parameters behind the JAX door: right, or refused in one sentence."""

import gc
import weakref

import numpy as np
import pytest

jax = pytest.importorskip("jax")

import jax.numpy as jnp  # noqa: E402

import inertia.jax  # noqa: E402
from inertia.errors import BadInput  # noqa: E402
from inertia.jax.door import JaxJob  # noqa: E402
from inertia.tuning.budget import Budget  # noqa: E402
from inertia.tuning.measuring import measure  # noqa: E402
from inertia.tuning.recipe import Recipe  # noqa: E402

X = np.random.default_rng(0).standard_normal((48, 3)).astype(np.float32)
Y = X @ np.array([1, -2, 0.5], np.float32)
W = jnp.zeros(3)
BATCHES = [(X[at : at + 8], Y[at : at + 8]) for at in range(0, 48, 8)]


def loss(w, batch):
    return jnp.mean((batch[0] @ w - batch[1]) ** 2)


def ended(job, rate=0.05):
    (run,) = job.run([Recipe(rate, 0.9)], Budget(16, 8, job.examples, np.ones(16)), [0], marks=np.array([0, 16]))
    assert not run.error
    return run.training[-1]


class Endless:
    def __iter__(self):
        while True:
            yield from BATCHES


def test_a_sum_is_the_users_own_and_weighted_sums_are_told():
    mean = JaxJob(loss, W, (X, Y), batch_size=8)
    summed = JaxJob(lambda w, b: jnp.sum((b[0] @ w - b[1]) ** 2), W, (X, Y), batch_size=8)
    told = JaxJob(lambda w, b: (jnp.sum((b[0] @ w - b[1]) ** 2), len(b[1])), W, (X, Y), batch_size=8)
    assert ended(summed, 0.05 / 8) == pytest.approx(8 * ended(mean), rel=1e-4)
    assert ended(told) == pytest.approx(ended(mean), rel=1e-5)


def test_lists_and_endless_iterables_of_batches():
    assert JaxJob(loss, W, BATCHES).examples == 48
    stream = JaxJob(loss, W, Endless(), steps=16)
    assert (stream.endless, stream.examples, stream.batch_size) == (True, 64, 8)
    assert ended(stream) < 1
    assert "endless" in measure(stream, Budget(16, 8, 64, np.ones(16))).notes["data"]


def test_grain_and_loaders_without_tensorflow():
    grain = pytest.importorskip("grain")

    class Rows:
        def __len__(self):
            return len(X)

        def __getitem__(self, row):
            return X[row], Y[row]

    dealt = grain.MapDataset.source(Rows()).shuffle(seed=0).batch(8)
    once = grain.samplers.IndexSampler(num_records=len(X), num_epochs=1, shuffle=True, seed=0)
    loader = grain.DataLoader(data_source=Rows(), sampler=once, operations=[grain.transforms.Batch(8)])
    torch = pytest.importorskip("torch")
    plain = torch.utils.data.DataLoader(Rows(), batch_size=8, collate_fn=lambda rows: tuple(map(np.stack, zip(*rows, strict=True))))
    ahead = grain.ReadOptions(num_threads=1, prefetch_buffer_size=2)  # else every pass over an endless set reads 500 batches ahead
    for data in (dealt, dealt.to_iter_dataset(ahead), loader, plain):
        job = JaxJob(loss, W, data)
        assert (job.endless, job.examples, job.batch_size) == (False, len(X), 8)
        assert sum(size for _, size in job.feed.pieces()) == len(X)
    truth = float(np.linalg.eigvalsh(2 * X.T @ X / len(X))[-1])
    assert pytest.approx(truth, rel=1e-3) == inertia.jax.measure(loss, W, loader, noise=0, weights=False).L
    assert JaxJob(loss, W, dealt.repeat(), steps=16).endless
    assert inertia.jax.tune(loss, W, dealt.repeat().to_iter_dataset(ahead), steps=16, runs=1).best is not None


def test_dropout_is_given_fresh_keys_and_a_seed_its_own_start():
    dropped = JaxJob(lambda w, b, key: loss(w, (b[0] * jax.random.bernoulli(key, 0.8, b[0].shape), b[1])), W, (X, Y), batch_size=8)
    assert ended(dropped) == ended(dropped) != ended(JaxJob(loss, W, (X, Y), batch_size=8))
    pulled = JaxJob(lambda w, b, key: jnp.mean(b[1] * 0) + w @ jax.random.normal(key, (3,)), W, (X, Y), batch_size=8, lowest=None)
    budget = Budget(64, 8, pulled.examples, np.ones(64))
    (run,) = pulled.run([Recipe(1.0, 0.0)], budget, [0], marks=np.array([0, 64]), keep=True)
    way = np.linalg.norm(np.asarray(pulled.unpack(run.end)) - np.asarray(W))
    assert 5 < way < 30  # 64 fresh steps of length sqrt(3) lead some sqrt(3 64) away: one step repeated, 64 sqrt(3)
    told = inertia.jax.measure(lambda w, b, key: loss(w, (b[0] * jax.random.bernoulli(key, 0.8, b[0].shape), b[1])), W, (X, Y), noise=0)
    assert "one fixed key" in " ".join(told.provenance["frozen"])
    seeded = JaxJob(loss, lambda seed: jax.random.normal(jax.random.key(seed), (3,)), (X, Y), batch_size=8)
    assert seeded.reseeded
    assert not np.allclose(seeded.start(0), seeded.start(1))


def test_a_job_that_is_gone_frees_its_loss():
    def own(w, batch):
        return loss(w, batch)

    job, seen = JaxJob(own, W, (X, Y), batch_size=8), weakref.ref(own)
    ended(job)
    del job, own
    gc.collect()
    assert seen() is None


@pytest.mark.parametrize(
    ("fn", "params", "data", "message"),
    [
        (3, W, (X, Y), "cannot be called"),
        (lambda w: 0.0, W, (X, Y), "takes other arguments"),
        (lambda w, b: 1.0, W, (X, Y), "the loss returned float"),
        (loss, {"f": len}, (X, Y), "eqx.partition"),
        (loss, jnp.zeros(3, int), (X, Y), "int32 array"),
        (loss, jnp.zeros(3, complex), (X, Y), "complex64 array"),
        (loss, {}, (X, Y), "params hold no array"),
        (loss, W, (X, Y[:3]), "same first dimension"),
        (loss, W, (X[:0], Y[:0]), "no examples"),
        (loss, W, [X, Y], "pass a tuple"),
        (loss, W, 3, "data of type int"),
        (loss, W, [], "hold no batches"),
    ],
)
def test_bad_input_is_one_sentence(fn, params, data, message):
    with pytest.raises(BadInput, match=message):
        JaxJob(fn, params, data)

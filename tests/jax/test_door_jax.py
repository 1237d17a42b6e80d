"""Other people's data, losses and parameters behind the JAX door: right, or refused in one sentence."""

import gc
import weakref
from itertools import islice

import numpy as np
import pytest

jax = pytest.importorskip("jax")

import jax.numpy as jnp  # noqa: E402

import inertia.jax  # noqa: E402
from inertia.errors import BadInput  # noqa: E402
from inertia.jax.door import JaxJob  # noqa: E402
from inertia.jax.feeding import Replayed  # noqa: E402
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
    ahead = grain.ReadOptions(num_threads=1, prefetch_buffer_size=2)  # else every pass reads 500 batches ahead
    for data in (dealt, dealt.to_iter_dataset(ahead), loader, plain):
        job = JaxJob(loss, W, data)
        assert (job.endless, job.examples, job.batch_size) == (False, len(X), 8)
        assert sum(size for _, size in job.feed.pieces()) == len(X)
    truth = float(np.linalg.eigvalsh(2 * X.T @ X / len(X))[-1])
    assert pytest.approx(truth, rel=1e-3) == inertia.jax.measure(loss, W, loader, noise=0, weights=False).L
    assert JaxJob(loss, W, dealt.repeat(), steps=16).endless
    assert inertia.jax.tune(loss, W, dealt.repeat().to_iter_dataset(ahead), steps=16, runs=1).best is not None
    assert inertia.jax.check(loss, W, loader, lr=0.05, momentum=0.9, steps=16).stable


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


def apart(w, x, y):
    return loss(w, (x, y))


def apart_with_key(w, x, y, key):
    return loss(w, (x, y))


def optional(w, x, y=None):
    return loss(w, (x, y))


@pytest.mark.parametrize("fn", [apart, optional], ids=["third taken for a key", "with a default"])
@pytest.mark.parametrize(
    ("data", "stars"), [((X, Y), "*"), ({"x": X, "y": Y}, "**"), ([(X, Y), (X, Y)], "*")], ids=["tuple", "dict", "batches"]
)
def test_a_loss_of_the_parts_of_a_batch_is_refused_with_the_line_that_works(fn, data, stars):
    line = f"lambda p, batch: loss(p, {stars}batch)"
    for ask in (lambda: JaxJob(fn, W, data), lambda: inertia.jax.measure(fn, W, data)):
        with pytest.raises(BadInput, match="one by one") as caught:
            ask()
        assert str(caught.value).endswith(f"write {line}")
    ended(JaxJob(eval(line, {"loss": fn}), W, data))


def test_a_loss_with_a_mistake_of_its_own_is_not_taken_for_that():
    def wrong(w, batch, key):
        return batch[0].nope

    with pytest.raises(AttributeError, match="nope"):
        JaxJob(wrong, W, (X, Y))
    with pytest.raises(BadInput, match=r"with a key lambda p, batch, key: loss\(p, \*batch, key\)"):
        JaxJob(apart_with_key, W, (X, Y))


class Ahead:
    """An endless series whose iterators read 500 batches ahead, as Grain's do; it counts what is read and begun."""

    def __init__(self):
        self.begun = self.read = 0

    def __iter__(self):
        self.begun += 1
        self.read += 500
        while True:
            for x, y in BATCHES:
                self.read += 1
                yield x, y


def test_an_endless_series_is_begun_once_in_a_tuning_whatever_reads_it():
    data = Ahead()
    found = inertia.jax.tune(loss, W, data, steps=16, runs=2)
    assert found.best is not None
    assert data.begun == 1
    assert data.read <= 500 + 17  # a batch beyond a run's shows that there is no end
    listed = inertia.jax.tune(loss, W, [batch for batch, _ in zip(Ahead(), range(16), strict=False)], steps=16, runs=2)
    assert listed.best == found.best


def test_what_does_not_fit_into_memory_is_read_again_and_is_the_same():
    data = Ahead()
    kept = Replayed(data, room=3 * (BATCHES[0][0].nbytes + BATCHES[0][1].nbytes))
    for _ in range(3):
        rows = [float(x[0, 0]) for x, _ in islice(kept, 9)]
        assert rows == [float(BATCHES[at % 6][0][0, 0]) for at in range(9)]
    assert (len(kept.kept), data.begun) == (3, 3)


def test_a_loader_that_fills_the_same_memory_again_is_remembered_right():
    def filled():
        room = np.empty(3)
        for number in range(9):
            room[:] = number
            yield room

    kept = Replayed(filled())
    assert [float(b[0]) for b in islice(kept, 5)] == [float(b[0]) for b in islice(kept, 5)] == [0.0, 1.0, 2.0, 3.0, 4.0]


def test_endless_validation_is_read_as_far_as_endless_data():
    job = JaxJob(loss, W, (X, Y), batch_size=8, validation=Endless(), steps=16)
    assert job.held.limit == 8
    assert np.isfinite(job.read(W).validation)


def test_a_measurement_of_endless_data_asks_how_many():
    with pytest.raises(BadInput, match="go on after 1000 batches: .* examples=1024"):
        inertia.jax.measure(loss, W, Endless())
    assert inertia.jax.measure(loss, W, Endless(), examples=48, noise=0).provenance["examples"] == 48
    with pytest.raises(BadInput, match="an iterator can be read once only, and this one goes on after 10000 batches"):
        inertia.jax.measure(loss, W, iter(Endless()))


@pytest.mark.parametrize(
    ("fn", "message"),
    [
        (lambda w, b: (loss(w, b) + 1, loss(w, b) + 2), "two numbers that both depend on the parameters"),
        (lambda w, b: (loss(w, b), {"accuracy": 1.0}), "the second is a dict: return the loss alone"),
        (lambda w, b: (loss(w, b), b[0] @ w), r"of \d+ entries: return the loss alone"),
        (lambda w, b: (loss(w, b), None), "the second is a NoneType: return the loss alone"),
        (lambda w, b: (loss(w, b), jnp.mean((b[0] @ w > 0) == (b[1] > 0))), "the second is not a weight"),
        (lambda w, b: (loss(w, b), jnp.sum((b[0] @ w > 0) == (b[1] > 0))), "the second is not a weight"),
        (lambda w, b: (loss(w, b), 0.1), "does not add up over the examples"),
        (lambda w, b: (loss(w, b), len(b[0])), "the first is a mean"),
        (lambda w, b: {"box": loss(w, b), "class": loss(w, b)}, r"a dict \(box, class\), and one number is minimised"),
    ],
)
def test_what_is_not_one_loss_is_refused(fn, message):
    with pytest.raises(BadInput, match=message):
        inertia.jax.tune(fn, W, (X, Y), batch_size=8, steps=16)
    with pytest.raises(BadInput, match=message):
        inertia.jax.measure(fn, W, (X, Y), batch_size=8)


def test_a_weight_that_counts_terms_is_taken_whatever_the_chunk():
    def masked(w, b):
        counted = b[1] > 0
        return jnp.sum((b[0] @ w - b[1]) ** 2 * counted), jnp.sum(counted)

    exact = float(np.mean(Y[Y > 0] ** 2))
    for chunk in (None, 7):
        found = inertia.jax.measure(masked, W, (X, Y), noise=0, weights=False, chunk=chunk)
        assert found.provenance["loss"] == pytest.approx(exact, rel=1e-5)


UNEVEN = [(X[:20], Y[:20]), (X[20:40], Y[20:40]), (X[40:], Y[40:])]


class Again:
    """Batches that do not say how many they are."""

    def __iter__(self):
        return iter(UNEVEN)


class Sized(Again):
    def __len__(self):
        return len(UNEVEN)


@pytest.mark.parametrize("given", [lambda: UNEVEN, Again, Sized, lambda: iter(UNEVEN)], ids=["list", "iterable", "sized", "iterator"])
def test_however_batches_come_the_loss_is_asked_how_it_adds_up(given):
    found = inertia.jax.measure(lambda w, b: jnp.sum((b[0] @ w - b[1]) ** 2), W, given(), noise=0, weights=False)
    assert found.provenance["loss_is"] == "the loss is a sum over the batch: everything is of the sum over 20 examples"
    exact = 20 * float(np.linalg.eigvalsh(2 * X.T @ X / 48)[-1])
    assert pytest.approx(exact, rel=0.011) == found.L  # the bar of 1 % and rounding
    assert found.provenance["loss"] == pytest.approx(20 * float(np.mean(Y**2)), rel=1e-5)
    with pytest.raises(BadInput, match="does not add up over the examples"):
        inertia.jax.measure(lambda w, b: (loss(w, b), 0.1), W, given(), noise=0, weights=False)


def test_batches_whose_rows_are_not_examples_are_not_cut():
    """Graphs: a batch of 20 nodes that belong to five of them, and one whose edges are fewer than its nodes."""
    owner = np.arange(20) // 4

    def graphs(w, b):
        means = jax.ops.segment_sum(b["x"] @ w - b["y"], b["owner"], 5) / 4
        return jnp.sum(means**2), jnp.max(b["owner"]) + 1

    alike = {"x": X[:20], "y": Y[:20], "owner": owner}
    exact = np.mean((Y[:20].reshape(5, 4).mean(axis=1)) ** 2)
    for batch in (alike, alike | {"edges": np.zeros((7, 2), int)}):
        found = inertia.jax.measure(graphs, W, [batch], size_of=lambda b: 5, noise=0, weights=False)
        assert found.provenance["loss"] == pytest.approx(float(exact), rel=1e-5)
        with pytest.raises(BadInput, match="changes with the parameters"):
            inertia.jax.measure(
                lambda w, b: (graphs(w, b)[0], jnp.sum(b["x"] @ w > 0) + 1), W, [batch], size_of=lambda b: 5, noise=0, weights=False
            )


@pytest.mark.parametrize("told", [False, True])
def test_a_contrastive_loss_of_arrays_is_measured_on_drawn_batches_of_the_size_of_training(told):
    """The batches are those that the loss was given: their mean's dense Hessian is the second road."""
    seen = {}

    def likeness(params, batch):
        logits = 3 * (batch["x"] @ params["one"]) @ (batch["y"] @ params["other"]).T
        value = -jnp.mean(jnp.diag(jax.nn.log_softmax(logits)))
        return (value * len(logits), len(logits)) if told else value

    def noted(params, batch):
        jax.debug.callback(lambda rows: seen.setdefault(tuple(rows.tolist()), rows), batch["row"])
        return likeness(params, batch)

    rng = np.random.default_rng(5)
    params = {name: jnp.asarray(rng.standard_normal((3, 4)), jnp.float32) / 3 for name in ("one", "other")}
    given = {"x": X, "y": X[:, ::-1].copy(), "row": np.arange(48)}
    together = inertia.jax.measure(likeness, params, given, noise=0, weights=False)
    assert together.provenance["loss_is"].endswith("(here all 48 examples are one batch)")
    found = inertia.jax.measure(noted, params, given, noise=0, weights=False, batch_size=20)
    assert found.provenance["loss_is"].endswith("(here of 20 examples, drawn at random)")
    parts = [np.array(rows) for rows in seen if len(rows) == 20] + [np.array(rows) for rows in seen if len(rows) == 8][-1:]
    assert [len(part) for part in parts] == [20, 20, 8]
    assert sorted(np.concatenate(parts).tolist()) == list(range(48))
    assert not np.array_equal(np.concatenate(parts), np.arange(48))
    flat, unravel = jax.flatten_util.ravel_pytree(params)

    def whole(vector):
        total = 0.0
        for part in parts:
            value = likeness(unravel(vector), {name: array[part] for name, array in given.items()})
            total += value[0] if told else value * len(part)
        return total / 48

    assert found.provenance["loss"] == pytest.approx(float(whole(flat)), rel=1e-5)
    largest = float(np.linalg.eigvalsh(np.asarray(jax.hessian(whole)(flat), float))[-1])
    assert pytest.approx(largest, rel=0.011) == found.L
    with pytest.raises(BadInput, match="neither a mean nor a sum over examples"):
        inertia.jax.measure(likeness, params, given, batch_size=20, chunk=7)

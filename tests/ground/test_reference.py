"""The numpy loop against torch, against one trial at a time, and against the printed traces."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inertia import problems
from inertia.core.method import Method, hidden
from inertia.core.schedule import constant, linear
from inertia.errors import BadInput
from inertia.problems import simulation as reference
from inertia.theory.modes import iterate

VALLEY = problems.valley()


@pytest.mark.parametrize(
    ("alpha", "beta", "gamma", "printed"),
    [  # seed 001, section "trace" (20 steps), to all 6 printed decimals; the last two from its 2026 successor
        (0.4, 0.0, 0.0, (-0.943467, -0.000073)),
        (0.6, 0.0, 0.0, (-0.387814, -1673.365109)),
        (0.6, 0.5, 0.0, (0.007188, 0.002553)),
        (0.6, 0.25, 0.0, (-0.126340, -0.186632)),
        (0.3, 0.8, 0.0, (0.195696, -0.249649)),
    ],
)
def test_the_printed_traces(alpha, beta, gamma, printed):
    record = reference.run(VALLEY, Method(alpha, beta, gamma), 20, keep_path=True)
    assert tuple(record.final.round(6)) == printed
    assert record.path.shape == (21, 2)
    np.testing.assert_array_equal(record.path[[0, -1]], [[-5, -2], record.final])
    np.testing.assert_allclose(record.losses, VALLEY.value(record.path), rtol=1e-13)
    assert record.gradients == 20


def test_nesterov_at_the_success_setting_diverges():
    method = Method(0.6, 0.5, 0.5)
    record = reference.run(VALLEY, method, 20)
    xi = hidden(method, record.params, record.notes["velocity"])  # the source follows xi, frameworks hold y
    np.testing.assert_allclose(xi, [-0.0035247382364427915, -47633275.7399505], rtol=1e-12)


@pytest.mark.parametrize("batch_size", [None, 64])
@pytest.mark.parametrize("make", [problems.diabetes, problems.breast_cancer, problems.digits])
def test_many_trials_are_each_one_alone(make, batch_size):
    problem = make()
    methods = [constant(Method(0.05)), linear(Method(0.1, 0.9), 12), Method(0.02, 0.9, 0.9)]
    together = reference.run_many(problem, methods, 12, batch_size=batch_size, seed=3)
    for method, record in zip(methods, together, strict=True):
        alone = reference.run(problem, method, 12, batch_size=batch_size, seed=3)
        # one matrix product against another: the order of the sums differs
        np.testing.assert_allclose(record.losses, alone.losses, rtol=1e-12)
        np.testing.assert_allclose(record.final, alone.final, rtol=1e-9, atol=1e-12)
    assert [r.schedule for r in together] == ["constant", "linear", "constant"]
    assert together[1].method.alpha == pytest.approx(0.1)


def test_an_array_of_methods_is_a_list_of_them():
    alphas = np.array([0.1, 0.2, 0.4])
    together = reference.run_many(VALLEY, linear(Method(alphas, 0.5), 9), 9)
    apart = reference.run_many(VALLEY, [linear(Method(a, 0.5), 9) for a in alphas], 9)
    for one, other in zip(together, apart, strict=True):
        np.testing.assert_array_equal(one.losses, other.losses)
        assert one.method == other.method


@settings(max_examples=40)
@given(
    st.lists(st.floats(0.01, 3.0), min_size=1, max_size=4),
    st.floats(0.01, 0.6),
    st.floats(-0.9, 0.99),
    st.floats(0.0, 1.5),
    st.floats(-2.0, 2.0),
)
def test_a_run_on_a_quadratic_is_the_closed_form(curvatures, alpha, beta, gamma, velocity):
    problem = problems.diagonal(curvatures, start=2.0, optimum=0.5)
    method = Method(alpha, beta, gamma)
    record = reference.run(problem, method, 25, velocity=np.full(problem.dimension, velocity), keep_path=True)
    exact = iterate(method, np.array(curvatures), np.arange(26)[:, None], params=1.5, velocity=velocity)
    # errors of 25 steps, relative to the largest excursion
    scale = np.abs(exact.params).max() + 1
    np.testing.assert_allclose(record.path - 0.5, exact.params, rtol=1e-10, atol=1e-12 * scale)
    np.testing.assert_allclose(record.notes["velocity"], exact.velocity[-1], rtol=1e-10, atol=1e-11 * np.abs(exact.velocity).max())


def test_torch_walks_the_same_mini_batches():
    torch = pytest.importorskip("torch")
    from sklearn.datasets import load_digits

    data = load_digits()
    x, y = torch.tensor(data.data / 16), torch.tensor(data.target)
    model = torch.nn.Linear(64, 10, dtype=torch.float64)
    torch.nn.init.zeros_(model.weight)
    torch.nn.init.zeros_(model.bias)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.3, momentum=0.9, nesterov=True)
    rows = reference.batches(1797, 500, seed=1)
    for k in range(9):  # two epochs and one step: the fourth batch of each has 297 examples
        optimizer.param_groups[0]["lr"] = 0.3 * (1 - k / 9)
        optimizer.zero_grad()
        index = torch.tensor(next(rows))
        torch.nn.functional.cross_entropy(model(x[index]), y[index]).backward()
        optimizer.step()
    record = reference.run(problems.digits(), linear(Method(0.3, 0.9, 0.9), 9), 9, batch_size=500, seed=1)
    theirs = torch.cat([model.weight, model.bias[:, None]], dim=1).detach().numpy()
    np.testing.assert_allclose(record.final.reshape(10, 65), theirs, rtol=1e-10, atol=1e-13)
    assert record.loss == pytest.approx(torch.nn.functional.cross_entropy(model(x), y).item(), rel=1e-12)
    assert record.gradients == 2 * 1797 + 500


def test_epochs_are_permutations_and_repeat_under_a_seed():
    it = reference.batches(10, 4, seed=5)
    epochs = [[next(it) for _ in range(3)] for _ in range(2)]
    for epoch in epochs:
        assert [len(rows) for rows in epoch] == [4, 4, 2]
        assert sorted(np.concatenate(epoch)) == list(range(10))
    assert not np.array_equal(np.concatenate(epochs[0]), np.concatenate(epochs[1]))
    again = reference.batches(10, 4, seed=5)
    np.testing.assert_array_equal(np.concatenate(epochs[0]), np.concatenate([next(again) for _ in range(3)]))
    assert next(reference.batches(10, 10, seed=5)) is None


def test_a_trial_that_diverges_stops_and_the_others_go_on():
    methods = Method(np.array([0.4, 1e30, 100.0]), 0.0)
    good, quick, slow = reference.run_many(VALLEY, methods, 400, keep_path=True)
    assert good.diverged_at is None
    assert len(good.losses) == 401
    for record in (quick, slow):
        fell = record.diverged_at
        assert 0 < fell < 400
        assert len(record.losses) == len(record.path) == fell
        assert np.isfinite(record.losses).all()
        np.testing.assert_array_equal(record.final, record.path[-1])
        assert record.loss == np.inf
        assert record.gradients == fell
    assert quick.diverged_at < slow.diverged_at
    assert json.loads(json.dumps(quick.to_json()))["diverged_at"] == quick.diverged_at


def test_a_start_of_infinite_loss_is_a_run_of_no_steps():
    record = reference.run(problems.quartic(), Method(0.1), 5, start=[1e100], keep_path=True)
    assert record.diverged_at == 0
    assert len(record.losses) == len(record.path) == 0
    assert record.final.tolist() == [1e100]
    assert record.loss == np.inf


@pytest.mark.parametrize("keep_path", [False, True])
def test_when_all_trials_have_diverged_the_run_ends(keep_path):
    from scipy.sparse.linalg import LinearOperator

    calls = []

    def matvec(v):  # an operator that knows single vectors only, and counts them
        calls.append(1)
        return np.array([1.0, 3.0]) * v.ravel()

    problem = problems.quadratic(LinearOperator((2, 2), matvec=matvec, dtype=float))
    calls.clear()
    for record in reference.run_many(problem, Method(np.array([1e200, 1e160])), 1000, keep_path=keep_path):
        assert record.diverged_at in (1, 2)
        assert len(record.losses) == record.diverged_at
    assert len(calls) < 15


def test_rare_readings_still_notice_the_step():
    often = reference.run(VALLEY, Method(100.0), 400)
    rare = reference.run(VALLEY, Method(100.0), 400, evaluate_every=50)
    # the loss overflows some 60 steps before the parameters do
    assert often.diverged_at < rare.diverged_at <= -(-often.diverged_at // 50) * 50
    assert rare.notes["loss_steps"] == list(range(0, rare.diverged_at, 50))


def test_readings_can_be_rare_and_end_with_the_last_step():
    problem = problems.diabetes()
    every = reference.run(problem, Method(0.02, 0.9), 25, batch_size=20)
    rare = reference.run(problem, Method(0.02, 0.9), 25, batch_size=20, evaluate_every=10)
    assert rare.notes["loss_steps"] == [0, 10, 20, 25]
    np.testing.assert_array_equal(rare.losses, every.losses[[0, 10, 20, 25]])
    assert "loss_steps" not in every.notes
    assert every.gradients == 22 * 20 + 2 + 20 * 2  # 22 slices of 20, one of 2, then 2 more of the second epoch


def test_progress_and_stop():
    seen = []
    reference.run(VALLEY, Method(0.1), 1000, progress=lambda done, total: seen.append((done, total)))
    assert seen[-1] == (1000, 1000)
    assert len(seen) == 200
    ended = reference.run(VALLEY, Method(0.4), 1000, stop=lambda k, losses: bool(losses[0] < 0.1))
    assert ended.losses[-1] < 0.1 < ended.losses[-2]
    assert ended.diverged_at is None


def test_an_interrupt_keeps_what_was_done():
    def interrupt(done, total):
        if done == 5:
            raise KeyboardInterrupt

    with pytest.raises(reference.Interrupted, match="after 6 readings") as caught:
        reference.run(VALLEY, Method(0.4), 10, progress=interrupt)
    assert len(caught.value.records[0].losses) == 6
    np.testing.assert_array_equal(caught.value.records[0].final, reference.run(VALLEY, Method(0.4), 5).final)


def test_a_kick_and_starts_of_their_own():
    starts = np.array([[1.0, 0.0], [0.0, 1.0]])
    first, second = reference.run_many(VALLEY, Method(np.array([0.1, 0.1]), 0.5), 1, start=starts, velocity=[1.0, 0.0])
    np.testing.assert_allclose(first.final, [1 - 0.1 * (0.2 + 0.5), 0])
    np.testing.assert_allclose(second.final, [-0.05, 1 - 0.4])


def test_a_random_start_belongs_to_the_seed():
    problem = problems.linear_regression()
    a, b, again = (reference.run(problem, Method(0.1), 1, seed=s, keep_path=True).path[0] for s in (0, 1, 0))
    np.testing.assert_array_equal(a, again)
    assert not np.array_equal(a, b)
    np.testing.assert_array_equal(a, problem.draw(0))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"steps": 0}, "steps = 0 is too few: give at least 1"),
        ({"steps": 2.5}, "steps = 2.5 is not a whole number"),
        ({"batch_size": 0}, "batch_size = 0 is too few"),
        ({"batch_size": 500}, "batch_size = 500 is more than the 442 examples of diabetes"),
        ({"evaluate_every": -1}, "evaluate_every = -1 is too few"),
        ({"start": [1.0]}, r"start has shape \(1,\): this problem needs \(11,\)"),
        ({"start": [np.nan] + [0.0] * 10}, r"start\[0\] = nan is not finite"),
        ({"velocity": [0.0] * 10 + [np.inf]}, r"velocity\[10\] = inf is not finite"),
        ({"methods": []}, "methods is empty"),
        ({"methods": [Method(np.ones(2))]}, "must hold one method each"),
        ({"methods": Method(-1.0)}, "alpha = -1 is not positive"),
        ({"methods": lambda k: Method(0.1 - 0.2 * k)}, "alpha = -0.1 is not positive"),
        ({"methods": Method(0.1, beta=1.2)}, "beta = 1.2 is outside"),
    ],
)
def test_bad_input_is_refused(words, message):
    words = {"methods": Method(0.1), "steps": 2} | words
    with pytest.raises(BadInput, match=message):
        reference.run_many(problems.diabetes(), words.pop("methods"), words.pop("steps"), **words)


def test_a_problem_without_examples_has_no_batches():
    with pytest.raises(BadInput, match="valley is one function without examples"):
        reference.run(VALLEY, Method(0.1), 2, batch_size=1)

"""A formula of many variables and vast mazes: what only the served page offers, each number by a second road."""

import numpy as np
import pytest
import scipy.optimize
from scipy.sparse.linalg import spsolve

from inertia.core.method import Method
from inertia.errors import BadInput
from inertia.lab import mazes, vast
from inertia.lab.api import contents, handle, snippet
from inertia.lab.article import build, page
from inertia.lab.expression import expression
from inertia.lab.fields import clean
from inertia.lab.notebook import widget
from inertia.lab.twin import data, figure
from inertia.lab.valleys import runs, valley
from inertia.lab.views import named
from inertia.theory import catalog
from inertia.theory.modes import iterate

ROSENBROCK = "sum(i=1..n-1, 100 (x[i+1] - x[i]^2)^2 + (1 - x[i])^2)"


@pytest.mark.parametrize("n", [2, 7, 50])
def test_rosenbrock_is_scipys(n):
    made, place = expression(ROSENBROCK, n), np.random.default_rng(n).normal(0, 1, n)
    assert made.names == tuple(f"x{k + 1}" for k in range(n))
    np.testing.assert_allclose(made.value(place), scipy.optimize.rosen(place), rtol=1e-12)
    np.testing.assert_allclose(made.gradient(place), scipy.optimize.rosen_der(place), rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(made.hessian(place), scipy.optimize.rosen_hess(place), rtol=1e-9, atol=1e-9)


def _zakharov(x):
    k = np.arange(1, len(x) + 1)
    s = np.sum(0.5 * k * x)
    return np.sum(x**2) + s**2 + s**4


def _griewank(x):
    return 1 + np.sum(x**2) / 4000 - np.prod(np.cos(x / np.sqrt(np.arange(1, len(x) + 1))))


FUNCTIONS = [  # as typed, and as written in Python by hand
    ("sum(x[i]^2, i=1..n) + sum(i=1..n, 0.5 i x[i])^2 + (sum(i=1..n, 0.5 i x[i]))^4", 6, _zakharov),
    ("1 + sum(i=1..n, x[i]^2)/4000 - prod(i=1..n, cos(x[i]/sqrt(i)))", 9, _griewank),
    ("sum(i=1..n, sum(j=1..i, x[j])^2)", 8, lambda x: np.sum(np.cumsum(x) ** 2)),
    ("sum(i=1..n, 10^(3(i-1)/(n-1)) x[i]²)", 5, lambda x: np.sum(10.0 ** (3 * np.arange(len(x)) / (len(x) - 1)) * x**2)),
    ("prod(i=1..n, sum(j=i..n, x[j]))", 4, lambda x: np.prod(np.cumsum(x[::-1]))),
    ("sum(i=1..n, abs(x[i])^(i+1)) - x_2/x3", 4, lambda x: np.sum(np.abs(x) ** np.arange(2, len(x) + 2)) - x[1] / x[2]),
    ("(a - 1)^2 + 2 b² · a + x y^a + theta a", 9, lambda v: (v[0] - 1) ** 2 + 2 * v[1] ** 2 * v[0] + v[3] * v[4] ** v[0] + v[2] * v[0]),
    ("tanh(x10) + ln(x2 + 3) - exp(-x2 x10)", 9, lambda v: np.tanh(v[1]) + np.log(v[0] + 3) - np.exp(-v[0] * v[1])),
]


@pytest.mark.parametrize(("text", "n", "by_hand"), FUNCTIONS)
def test_value_gradient_and_hessian_of_other_formulas(text, n, by_hand):
    made = expression(text, n)
    rng, step = np.random.default_rng(3), 1e-5
    place = rng.uniform(0.3, 1.3, len(made.names))
    np.testing.assert_allclose(made.value(place), by_hand(place), rtol=1e-12)
    units = step * np.eye(len(place))
    slope = [(by_hand(place + u) - by_hand(place - u)) / (2 * step) for u in units]
    np.testing.assert_allclose(made.gradient(place), slope, rtol=1e-6, atol=1e-6)
    bend = [(made.gradient(place + u) - made.gradient(place - u)) / (2 * step) for u in units]
    np.testing.assert_allclose(made.hessian(place), bend, rtol=1e-6, atol=1e-6)
    many = rng.uniform(0.3, 1.3, (3, 2, len(place)))  # many points at once
    np.testing.assert_allclose(made.gradient(many)[1, 1], made.gradient(many[1, 1]), rtol=1e-12)


WRONG = [
    ("", "expected a number, a variable or a function"),
    ("3 + pi", "holds no variable"),
    ("x1 + foo(x2)", "unknown name 'foo'"),
    ("sinx", "did you mean 'sin'"),
    ("sin x", "needs its argument in parentheses"),
    ("speed^2", "a variable is one letter"),
    ("e^x", "write exp"),
    ("sum(i=1..n, x[i+1]^2)", "x\\[11\\] does not exist, since n is 10"),
    ("sum(i=0..n, x[i]^2)", "indices begin at 1"),
    ("sum(x[i])", "the range of its index is missing"),
    ("sum(i=1..n x[i])", "a comma is missing"),
    ("sum(n=1..3, x[n])", "one letter that means nothing else"),
    ("sum(i=1..n, sum(i=1..2, x[i]))", "one letter that means nothing else"),
    ("x[1.5]", "must be a whole number, got 1.5"),
    ("x[y]", "holds a variable"),
    ("x[1", "is not closed"),
    ("sum(i=1..60, x[i]^2)", "60 variables, at most 50"),
    ("sum(i=1..200, sum(j=1..200, i x1))", "at most 20000"),
    ("sum(i=1..1e9, i x1)", "far too large"),
    ("x1 = 3", "belongs inside an index"),
    ("x1^2)", "closing parenthesis"),
    ("x" * 401, "401 characters"),
]


@pytest.mark.parametrize(("text", "words"), WRONG)
def test_what_cannot_be_read_is_said_in_a_sentence(text, words):
    with pytest.raises(BadInput, match=words):
        expression(text, 10)
    reply = handle({"figure": "many", "state": {"formula": text}})
    assert reply["error"]["kind"] == "BadInput"
    assert len(reply["error"]["message"]) < 700


def test_minimum_and_curvatures_are_those_of_scipy():
    found = valley("sum(i=1..n-1, 5 (x[i+1] - x[i]^2)^2 + (1 - x[i])^2)", 6, (-0.5, 0.6))
    np.testing.assert_allclose(found.centre, np.ones(6), atol=1e-7)
    spring = 0.05 * scipy.optimize.rosen_hess(np.ones(6))  # 100 (..)^2 there, 5 (..)^2 here; the rest is put right
    spring[np.arange(5), np.arange(5)] += 2 - 0.1
    np.testing.assert_allclose(found.curvatures, np.linalg.eigvalsh(spring), rtol=1e-8)
    np.testing.assert_allclose(found.axes.T @ found.axes, np.eye(6), atol=1e-12)
    assert np.all(found.axes.T @ (found.start - found.centre) >= -1e-12)


@pytest.mark.parametrize("text", ["x + y", "-x^2 - y^2", "abs(x) + abs(y)", "x y"])
def test_where_there_is_no_minimum_none_is_claimed(text):
    assert not valley(text, 10, (0.5, 0.3)).found
    assert "No minimum was found" in handle({"figure": "many", "state": {"formula": text, "alpha": 0.01}})["caption"]


def test_a_flat_minimum_and_a_kink_are_said():
    for text in ("x^4 + y^4", "-20 exp(-0.2 sqrt(x^2 + y^2))"):
        assert "flat, or a kink" in handle({"figure": "many", "state": {"formula": text}})["caption"]


def test_among_equal_curvatures_the_plane_is_that_of_the_path():
    found = valley("x^2 + y^2 + z^2 + 9 a^2", 4, (1.0, 2.0, 3.0, 4.0))
    away = found.axes[:, 0] * (found.axes[:, 0] @ found.start)
    np.testing.assert_allclose(found.start - away - found.axes[:, 3] * (found.axes[:, 3] @ found.start), 0, atol=1e-12)


def test_a_run_in_many_variables_is_the_closed_form_along_every_eigenvector():
    rng = np.random.default_rng(2)
    h, start = np.geomspace(1, 100, 7), rng.normal(0, 1, 7)
    one = Method(0.012, 0.7, 0.7, 0.7)
    seen, losses, lost = runs(expression("sum(i=1..n, 10^(2(i-1)/(n-1)) x[i]^2 / 2)", 7), [one, Method(0.1)], start, 40)
    np.testing.assert_allclose(seen[0], iterate(one, h, np.arange(41)[:, None]).params * start, atol=1e-12)
    np.testing.assert_allclose(losses[0], 0.5 * seen[0] ** 2 @ h, rtol=1e-10)
    assert lost[0] is None
    assert np.abs((1 - 0.1 * 100) ** (lost[1] - 1) * start[-1]) < 1e6 <= np.abs((1 - 0.1 * 100) ** lost[1] * start[-1])


def test_the_edge_that_the_caption_names_is_where_runs_begin_to_diverge():
    for beta in (0.0, 0.9):
        said = handle({"figure": "many", "state": {"formula": "sum(i=1..n, i^2 x[i]^2)", "beta": beta, "alpha": 1e-4}})["caption"]
        limit = float(said.rsplit("*", 2)[1])
        assert limit == pytest.approx(2 * (1 + beta) / 200, rel=5e-3)
        for share, diverges in ((0.98, False), (1.02, True)):
            state = {"formula": "sum(i=1..n, i^2 x[i]^2)", "beta": beta, "alpha": share * limit, "steps": 600}
            assert (handle({"figure": "many", "state": state})["view"]["diverged_at"] is not None) == diverges


def test_the_figure_is_drawn_without_a_browser_and_its_python_runs(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for state in ({}, {"formula": "x^2", "start": [1.0]}, {"formula": "a^2 + 3 b^2 + a b c^2", "view": "path", "push_up": 0.1}):
        code = snippet("many", clean(named("many").FIELDS, state))
        exec(compile("\n".join(line for line in code.splitlines() if not line.startswith("figure(")), "many", "exec"), {})  # our own text
        said = capsys.readouterr().out
        assert said.splitlines()[0] == data("many", **state)["caption"]
        assert f"*{said.splitlines()[-1]}*" in said.splitlines()[0]
    figure("many", formula="x + y").savefig(tmp_path / "many.png", dpi=40)
    assert (tmp_path / "many.png").stat().st_size > 4_000


def test_only_the_served_page_holds_it():
    assert 'data-figure="many"' in page(served=True)
    assert 'data-figure="many"' not in page()
    alone, served = (b"".join(content for name, content in build(way).items() if name.endswith(".js")) for way in (False, True))
    assert b"SocketTransport" in served
    assert b"SocketTransport" not in alone
    assert b"labyrinth" not in alone
    assert {one["name"] for one in contents(served=True)} - {one["name"] for one in contents()} == {"many"}
    pytest.importorskip("anywidget")
    with pytest.raises(BadInput, match="needs Python behind the page"):
        widget("many")


def _maze(rows, columns, seed):
    mask = np.random.default_rng(seed).random((rows, columns)) < 0.8
    mask[0, :3] = True
    return mask


def test_the_basis_of_a_vast_maze_holds_what_direct_steps_do():
    """The same maze in the basis for vast ones, and stepped cell by cell."""
    cells, matrix = mazes._matrix(_maze(60, 70, 1), [0], 0.1)
    values, first, vectors = vast.extended(matrix, cells.size)
    np.testing.assert_allclose(vectors.T @ vectors, np.eye(len(values)), atol=1e-9)
    slow, top = spsolve(matrix.tocsc(), np.ones(cells.size)), values[-1]
    assert values[0] <= np.sqrt(cells.size) / np.linalg.norm(slow)  # a bound on the smallest eigenvalue from one solution
    for one in (catalog.gradient_descent(values[0], top), catalog.heavy_ball(values[0], top), Method(1.0 / top, 0.9)):
        error, velocity = np.ones(cells.size), np.zeros(cells.size)
        for k in range(1, 601):
            velocity = one.beta * velocity + matrix @ error
            error = error - one.alpha * velocity
            if k in (20, 100, 600):
                held = np.sqrt(cells.size) * vectors @ (iterate(one, values, k).params * first)
                np.testing.assert_allclose(held, error, atol=0.01)  # of a full colour: finer than the picture's colours
                assert np.linalg.norm(held) == pytest.approx(np.linalg.norm(error), rel=2e-3)


def test_conjugate_gradients_on_a_vast_maze_can_be_asked_at_any_step():
    cells, matrix = mazes._matrix(_maze(30, 40, 2), [0], 0.1)
    found = vast.cut(matrix, cells.size)
    assert found.done
    for k in (0, 1, 99, 100, 173):
        assert np.linalg.norm(found.at(k) - 1) / np.sqrt(cells.size) == pytest.approx(found.errors[k], rel=1e-9)
    basis = [np.asarray(matrix @ np.ones(cells.size))]  # after k steps: the best point of the k-th Krylov space, in the norm of the matrix
    for _ in range(7):
        basis.append(matrix @ basis[-1] / np.linalg.norm(basis[-1]))
    space = np.linalg.qr(np.stack(basis, axis=1))[0]
    best = space @ np.linalg.solve(space.T @ (matrix @ space), space.T @ (matrix @ np.ones(cells.size)))
    np.testing.assert_allclose(found.at(8), best, atol=1e-9)


def test_a_maze_beyond_the_pages_own_is_answered():
    text = mazes.encoded(vast.labyrinth(103))
    reply = handle({"figure": "colour", "state": {"cells": text, "seeds": [0.0], "k": 300}})
    assert reply["view"]["pictures"].shape == (4, 103 * 103)
    assert reply["view"]["reached"] == reply["view"]["cells"] > 5000
    with pytest.raises(BadInput, match="at most 90000"):
        mazes.decoded(f"400x400:{'f' * 40000}")


@pytest.mark.browser
def test_a_function_of_many_variables_under_the_hand(visit):
    made = visit()
    made.figure("many")
    caption = made.page.locator("#many .caption")
    entry = made.page.locator("#many .entry").first
    entry.fill("sum(i=1..n, i^2 x[i]^2)")
    made.page.wait_for_selector("#many .caption:has-text('from 2 to 200')")
    made.settled("many")
    alpha = made.page.evaluate("inertia.mounted.get('many').store.state.alpha")
    assert alpha < 2 * (1 + 0.85) / 200  # a new function is not met with a learning rate that diverges on it
    before = caption.inner_text()
    for knob in (made.page.locator("#many .knob").nth(i) for i in range(2)):
        knob.scroll_into_view_if_needed()
        box = knob.locator(".core").bounding_box()
        made.page.mouse.move(box["x"] + 4, box["y"] + 4)
        made.page.mouse.down()
        made.page.mouse.move(box["x"] - 20, box["y"] + 16, steps=4)
        made.page.mouse.up()
        made.settled("many")
        assert caption.inner_text() != before
        before = caption.inner_text()
        knob.focus()
        knob.press("Shift+ArrowUp")
        made.settled("many")
        assert caption.inner_text() != before
        before = caption.inner_text()
    entry.fill("x + foo(y)")
    made.page.wait_for_selector("#many.stale")
    assert "Unknown name 'foo'" in caption.inner_text()
    entry.fill("x^2")
    made.page.wait_for_selector("#many:not(.stale) .caption:has-text('1 variable.')")
    made.settled("many")
    assert "NaN" not in made.picture("many")
    made.page.evaluate("(cells) => inertia.mounted.get('colour').store.set({ cells, seeds: [0] })", mazes.encoded(_maze(101, 101, 5)))
    made.page.evaluate("inertia.mounted.get('colour').wake()")
    made.settled("colour")
    assert made.page.evaluate("inertia.mounted.get('colour').view.maze.mask.shape[0]") == 101
    made.page.close()
    assert made.complaints == []


@pytest.mark.browser
def test_a_server_that_has_gone_is_said_and_the_old_picture_is_greyed(browser, served):
    page = browser.new_page()
    with served({}) as address:
        page.goto(address)
        page.wait_for_selector("body[data-ready]", timeout=60_000)
        page.evaluate("inertia.mounted.get('many').wake()")
        page.wait_for_selector("#many:not([data-drawn='0']):not([data-busy])", state="attached", timeout=60_000)
    page.wait_for_selector("#many.stale", state="attached", timeout=60_000)
    assert "has stopped" in page.locator("#many .caption").inner_text()
    page.evaluate("inertia.mounted.get('hero').store.set({ beta: 0.5 })")  # what the page computes goes on
    page.wait_for_function("inertia.mounted.get('hero').fresh && !('busy' in inertia.mounted.get('hero').root.dataset)", timeout=60_000)
    assert not page.locator("#hero.stale").count()
    page.close()


@pytest.mark.browser
def test_an_answer_that_is_late_is_said_to_be_under_way(visit):
    made = visit()
    made.figure("map")
    made.settled("map")
    made.page.evaluate("""() => {
      const kit = inertia.mounted.get("map"), { transport } = kit;
      kit.transport = { ask: (request) => new Promise((done) => setTimeout(() => done(transport.ask(request)), 2500)) };
      kit.store.set({ beta: 0.8 });
    }""")
    made.page.wait_for_selector("#map.late", timeout=60_000)
    made.settled("map")
    assert not made.page.locator("#map.late").count()
    made.page.close()

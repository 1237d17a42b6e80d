"""What the folds of the figures add, each by a second road: torch's Adam, one run at a time, shaken data, dense algebra."""

import numpy as np
import pytest

from inertia.core.method import step
from inertia.lab.adam import adam_path
from inertia.lab.api import handle
from inertia.lab.ends import ends
from inertia.lab.figures import limits, modes, polynomial
from inertia.lab.landscape import paths, surface
from inertia.lab.plane import method
from inertia.lab.twin import figure
from inertia.problems import convex_rosenbrock
from inertia.theory import bounds


def shown(name, **state):
    reply = handle({"figure": name, "state": state})
    assert "error" not in reply, reply
    return reply["view"] | reply["costly"] | {"caption": reply["caption"]}


@pytest.mark.parametrize(("lr", "beta1"), [(0.05, 0.74), (0.5, 0.0), (0.01, 0.99)])
def test_adams_path_is_torchs(lr, beta1):
    torch = pytest.importorskip("torch")
    ground = surface("rosenbrock")
    ours = adam_path(lambda place: ground.slope(*map(float, place)), (-1.21, 0.853), lr, beta1, 60)
    params = torch.tensor([-1.21, 0.853], dtype=torch.float64, requires_grad=True)
    other = torch.optim.Adam([params], lr=lr, betas=(beta1, 0.999))
    for k in range(1, 61):
        other.zero_grad()
        ((1 - params[0]) ** 2 + 20 * (3 * params[1] - params[0] ** 2) ** 2).backward()
        other.step()
        np.testing.assert_allclose(ours[k], params.detach().numpy(), rtol=1e-9)


def test_adam_that_leaves_stops_there():
    path = adam_path(lambda x: np.full(1, np.nan), [1.0], 0.1, 0.9, 5)
    assert path[0] == 1
    assert np.isnan(path[1:]).all()


def test_adam_is_laid_over_the_surface_and_its_loss_beside():
    found = shown("hero", adam=True, heavy=True, family="descent")
    assert found["names"] == ["gradient descent", "heavy ball", "Adam"]
    assert [ghost["name"] for ghost in found["ghosts"]] == ["heavy ball", "Adam"]
    ground = surface("rosenbrock")
    floor = ground.value(np.array(ground.optimum))
    np.testing.assert_allclose(found["excess"][2], ground.value(found["ghosts"][1]["path"]) - floor, rtol=1e-12)


@pytest.mark.parametrize("name", ["rosenbrock", "wells", "quartic", "formula"])
@pytest.mark.parametrize("family", ["heavy-ball", "triple"])
def test_the_map_of_ends_is_what_single_runs_say(name, family):
    ground = surface(name, text="x^2 + 3y^2 + sin(3x) cos(3y)")
    start = (ground.start[0], 0.0 if ground.flat else ground.start[1])
    found = ends(ground, (family, 0.0), start, 90, slow=name == "formula")
    rows, columns = found["grid"].shape
    alpha, beta = np.linspace(0, ground.alpha_high, columns), np.linspace(0, 0.99, rows)
    first = float(ground.value(np.array(start))) - float(ground.value(np.array(ground.optimum)))
    decades = {}
    for r in range(0, rows, 5):
        for c in range(0, columns, 6):
            ran = paths(ground, [method(family, alpha[c], beta[r])], start, 90)
            assert (found["grid"][r, c] == 255) == (ran.diverged_at[0] is not None)
            if ran.diverged_at[0] is None:
                left = float(ran.losses[0, -1]) - float(ground.value(np.array(ground.optimum)))
                decades[r, c] = np.clip(-np.log10(max(left, 1e-300) / first), 0, 12)
    best = paths(ground, [method(family, found["best"]["alpha"], found["best"]["beta"])], start, 90)
    lowest = float(best.losses[0, -1]) - float(ground.value(np.array(ground.optimum)))
    top = max(1.0, float(np.clip(-np.log10(max(lowest, 1e-300) / first), 0, 12)))
    assert len(decades) > 4
    for place, down in decades.items():
        assert abs(int(found["grid"][place]) - 254 * (1 - down / top)) <= 1


def test_steps_to_a_tolerance_are_counted_run_by_run():
    h, steps, tolerance = np.array([0.05, 0.3, 1.0]), 120, 0.02
    found = modes.until("nesterov", h, 0.0, 1.6, steps, tolerance)
    size = len(found["grid"])
    alpha, beta, counts = np.linspace(0, 1.6, size), np.linspace(0, 0.999, size), {}
    for r in range(0, size, 6):
        for c in range(0, size, 5):
            one, last = method("nesterov", alpha[c], beta[r]), -1
            params, velocity = 1 / np.sqrt(h), np.zeros(3)
            for k in range(steps + 1):
                if not 0.5 * np.sum(h * params**2) <= tolerance:
                    last = k
                params, velocity = step(one, params, velocity, h * params)
            counts[r, c] = last + 1
    for place, count in counts.items():
        assert found["grid"][place] == (round(254 * count / steps) if count <= steps else 255)
    assert found["best"]["steps"] <= min(counts.values())
    assert modes.until("descent", h, 0.0, 2.1, 3, 1e-9)["best"] is None


def test_the_best_descent_is_drawn_and_the_plane_finds_another_best_point_for_a_finite_run():
    found = shown("modes", descent=True, map="steps")
    assert found["descent"][-1] == pytest.approx(0.5 * (2 * (99 / 101) ** 300 + (1 - 0.2 / 1.01) ** 300), rel=1e-9)
    best, inf = found["until"]["best"], found["fastest"]
    assert (best["alpha"], best["beta"]) != pytest.approx((inf["alpha"], inf["beta"]), rel=0.02)
    at_fastest = max(shown("modes", alpha=inf["alpha"], beta=inf["beta"], tolerance=0.01 / 3)["milestones"])
    assert best["steps"] < at_fastest


@pytest.mark.parametrize("basis", ["eigen", "monomials"])
@pytest.mark.parametrize(("by", "beta"), [("steps", 0.0), ("steps", 0.9), ("fit", 0.0)])
def test_the_scatter_is_what_a_change_of_each_point_makes(basis, by, beta):
    """Coefficients are linear in the data: their standard deviation is 0.5 times the length of their derivative."""
    state = {"basis": basis, "by": by, "beta": beta, "k": 3000, "spread": True}
    plain, targets = shown("polynomial", **state), polynomial.TARGETS.tolist()
    moved = [
        shown("polynomial", **state, targets=[t + (0.25 if i == j else 0) for j, t in enumerate(targets)]) for i in range(len(targets))
    ]
    for name, base in (("scatter", "coefficients"), ("band", "sum")):
        slopes = np.stack([(one[base] - plain[base]) / 0.25 for one in moved])
        np.testing.assert_allclose(plain[name], 0.5 * np.linalg.norm(slopes, axis=0), rtol=1e-6, atol=1e-9)
    assert f"scatter by {plain['scatter'][0]:.3g}" in plain["caption"]
    assert not np.any(shown("polynomial", by="hand", hand=[1.0, 2.0])["scatter"])


def test_an_arrow_of_the_vector_field_is_one_step():
    found = shown("oscillator", field=True, alpha=0.3, beta=0.7, curvature=1.4)
    matrix = found["turn"]
    for k in (0, 5):
        now, after = ([found["position"][i], found["speed"][i]] for i in (k, k + 1))
        np.testing.assert_allclose(matrix @ now, after, rtol=1e-10, atol=1e-12)
    assert shown("oscillator")["turn"] is None


def test_a_dense_preconditioner_reaches_every_node_at_once_and_adam_does_not():
    n, kappa, steps = 30, 400.0, 12
    problem = convex_rosenbrock(n, kappa)
    matrix = problem.hvp(np.zeros((n, n)), np.eye(n))
    h = np.linalg.eigvalsh(matrix)
    inverse = np.linalg.inv(matrix + limits._ROUGH * np.eye(n))
    alpha, params = 2 / (h[0] / (h[0] + limits._ROUGH) + h[-1] / (h[-1] + limits._ROUGH)), np.zeros(n)
    weights, errors = limits._run("dense", n, kappa, steps, None)
    for k in range(1, steps + 1):
        params = params - alpha * inverse @ problem.gradient(params)
        np.testing.assert_allclose(weights[k], params, rtol=1e-9, atol=1e-12)
    assert np.all(weights[1] != 0)
    assert errors[3] < bounds.lower_bound(n, kappa, np.array([3]))[0]
    assert "tells every node" in shown("limits", method="dense")["caption"]
    assert shown("limits", beyond=True)["keys"][-2:] == ["adam", "dense"]
    assert "adam" in shown("limits", method="adam")["keys"]


def test_the_twins_draw_what_the_folds_add():
    for name, state in (("hero", {"basin": True, "adam": True}), ("modes", {"descent": True}), ("oscillator", {"field": True})):
        assert len(figure(name, **state).axes) >= 2


@pytest.mark.browser
def test_the_map_of_ends_opens_from_its_fold_and_moves_by_mouse_and_keyboard(plain):
    plain.figure("hero")
    page = plain.page
    board = page.locator("#hero .stage").nth(2)
    assert not board.is_visible()
    page.locator("#hero .chip", has_text="where every").click()
    plain.settled("hero")
    board.scroll_into_view_if_needed()
    knob = board.locator(".knob")
    box = knob.locator(".core").bounding_box()
    page.mouse.move(box["x"] + 5, box["y"] + 5)
    page.mouse.down()
    page.mouse.move(box["x"] + 45, box["y"] - 30, steps=4)
    page.mouse.up()
    plain.settled("hero")
    alpha, beta = page.evaluate("[inertia.mounted.get('hero').store.state.alpha, inertia.mounted.get('hero').store.state.beta]")
    assert alpha > 0.0033
    assert beta > 0.78
    knob.press("ArrowUp")
    plain.settled("hero")
    assert page.evaluate("inertia.mounted.get('hero').store.state.beta") == pytest.approx(beta + 0.005)
    page.locator("#hero .chip", has_text="where every").click()
    plain.settled("hero")
    assert not board.is_visible()


@pytest.mark.browser
def test_the_colour_spreads_by_itself_and_stops_when_asked(plain):
    plain.figure("colour")
    page, play = plain.page, plain.page.locator("#colour .play")
    page.evaluate("inertia.mounted.get('colour').store.set({ k: 1 })")
    play.click()
    page.wait_for_function("inertia.mounted.get('colour').store.state.k > 3", timeout=60_000)
    play.click()
    plain.settled("colour")
    held = page.evaluate("inertia.mounted.get('colour').store.state.k")
    page.wait_for_timeout(300)
    assert page.evaluate("inertia.mounted.get('colour').store.state.k") == held
    page.emulate_media(reduced_motion="reduce")
    play.click()
    plain.settled("colour")
    assert page.evaluate("inertia.mounted.get('colour').store.state.k") > held
    assert "less motion" in play.get_attribute("title")
    page.emulate_media(reduced_motion="no-preference")


@pytest.mark.browser
def test_a_list_with_nothing_between_two_commas_is_asked_for_again(plain):
    plain.figure("modes")
    entry, told = plain.page.locator("#modes .entry").first, plain.page.locator("#modes .told").first
    for text, refused in (("1,,2", True), ("0.01, 1,", True), ("0.01 1", False), ("0.02; 0.5, 1", False)):
        entry.fill(text)
        entry.press("Enter")
        entry.evaluate("(node) => node.blur()")
        assert bool(told.inner_text()) == refused, text
    assert plain.page.evaluate("inertia.mounted.get('modes').store.state.curvatures") == [0.02, 0.5, 1]

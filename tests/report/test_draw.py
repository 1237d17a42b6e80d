"""Drawing smoke: every kind of view becomes a PNG and an SVG, the same bytes each time; the page is self-contained."""

import json
import re
import struct

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from inertia import Method, tune
from inertia.core.spectrum import spectrum
from inertia.errors import BadInput
from inertia.problems import linear_regression, valley
from inertia.problems.simulation import run
from inertia.report import landscape, tuning
from inertia.report.beside import beside, spread
from inertia.report.draw import figure, image
from inertia.report.folder import Folder
from inertia.report.report import Code, Heading, Table, Text, page
from inertia.report.style import MAP
from inertia.report.views import Curves, RateMap, line


@pytest.fixture(scope="module")
def views():
    ground = spectrum([0.2, 4.0])
    record = run(valley(), Method(0.6, 0.5), 20, keep_path=True)
    found = tune(linear_regression(), steps=40, batch_size=20)
    return [
        landscape.rates(Method(0.6, 0.5), ground, size=40),
        landscape.eigencomponents(Method(0.6, 0.5), ground, 30),
        landscape.losses(record, 0.0),
        landscape.path(valley(), record, size=40),
        tuning.measured(found),
        tuning.by_learning_rate(found),
        tuning.by_momentum(found),
        tuning.training(found),
    ]


def test_every_view_is_drawn(views):
    assert len({view.name for view in views}) == len(views)
    for view in views:
        png = image(view, "png", dots_per_inch=60)
        assert png[:8] == b"\x89PNG\r\n\x1a\n"
        width, height = struct.unpack(">II", png[16:24])
        assert (width, height) == (420, 222)
        svg = image(view, "svg").decode()
        assert svg.rstrip().endswith("</svg>")
        assert "<script" not in svg


def test_the_same_view_gives_the_same_bytes(views):
    for kind in ("png", "svg"):
        assert image(views[1], kind, 60) == image(views[1], kind, 60)


def test_a_map_has_the_colour_of_every_node_in_its_place_and_paper_where_it_diverges():
    x, y = np.linspace(1, 2, 5), np.linspace(0, 3, 4)
    rate = np.where(x > 1.9, np.nan, np.linspace(0.1, 0.9, 20).reshape(4, 5))
    view = RateMap("map", "Map", x, y, rate, np.full(4, 9.0), (1.0, 0.0), (2.0, 3.0), "")
    made = figure(view)
    canvas = FigureCanvasAgg(made)
    canvas.draw()
    axes, pixels = made.axes[0], np.asarray(canvas.buffer_rgba())
    digits = np.log(rate) / np.log(0.1)  # shares of the fastest
    dark, pale = (np.array([int(colour[k : k + 2], 16) for k in (1, 3, 5)]) for colour in MAP)
    for row, column in [(1, 1), (2, 2), (2, 1), (1, 3), (2, 3)]:  # away from the dots
        across, up = axes.transData.transform((x[column], y[row]))
        found = pixels[pixels.shape[0] - 1 - int(up), int(across), :3]
        assert np.abs(found - (pale + (dark - pale) * digits[row, column])).max() < 8, (row, column)
    across, up = axes.transData.transform((1.999, 1.5))
    assert pixels[pixels.shape[0] - 1 - int(up), int(across), :3].min() > 250


def test_a_page_takes_the_figures_of_its_folder(views, tmp_path):
    place = Folder(tmp_path)
    place.write_figures(views[:1])
    assert (tmp_path / f"{views[0].name}.svg").read_bytes() == place.drawn[views[0].name] == image(views[0], "svg")
    assert page("", "", views[:1], drawn=place.drawn) == page("", "", views[:1])


def test_logarithmic_axes_have_ticks_even_within_a_decade():
    for low, high, expected in [(0.3, 2.4, ["0.5", "1", "2"]), (0.05, 2.0, ["0.1", "0.3", "1"]), (1e-6, 1.0, None)]:
        view = Curves("loss", "Loss", (line([0, 1], [low, high], "loss"),), "step", "loss", "")
        axes = figure(view).axes[0]
        axes.figure.draw_without_rendering()
        bottom, top = axes.get_ylim()
        inside = [label.get_text() for label in axes.get_yticklabels() if bottom <= label.get_position()[1] <= top]
        assert len(inside) >= 2
        assert expected is None or [word for word in inside if word in expected] == expected


def test_labels_of_points_do_not_touch():
    dots = tuple(line([0.9], [1 + 0.001 * k], f"point {k}", dots=True) for k in range(3))
    view = Curves("loss", "Loss", (line([0, 1], [0, 2], "loss"), *dots), "step", "loss", "", log_y=False)
    heights = sorted(text.xyann[1] for text in figure(view).axes[0].texts if text.get_text().startswith("point"))
    assert np.all(np.diff(heights) > 0.06)


def test_few_ticks(views):
    for view in views:
        axes = figure(view).axes[0]
        axes.figure.draw_without_rendering()
        for axis in (axes.xaxis, axes.yaxis):
            low, high = sorted(axis.get_view_interval())
            assert 1 <= sum(low <= tick <= high for tick in axis.get_majorticklocs()) <= 7


def test_a_curve_that_leaves_and_returns_is_not_joined_across():
    view = Curves("gap", "Gap", (line([0, 1, 2], [1.0, np.inf, 1.0], "loss"),), "step", "loss", "")
    drawn = figure(view).axes[0].lines[0].get_ydata()
    assert np.isnan(drawn[1])


def test_a_diverging_curve_does_not_flatten_the_others():
    view = Curves("up", "Up", (line([0, 1], [1.0, 1e-3], "fine"), line([0, 1], [1.0, 1e100], "lost")), "step", "loss", "")
    assert figure(view).axes[0].get_ylim()[1] == pytest.approx(1e3)
    assert image(view._replace(lines=(line([0, 1, 2], [1.0, 1e199, 1e307], "lost"),)), dots_per_inch=40)
    alone = Curves("up", "Up", (line([0, 1], [1.0, 1e6], "lost"),), "step", "loss", "")
    assert figure(alone).axes[0].get_ylim()[1] > 1e6


@pytest.mark.parametrize(
    "curve",
    [
        [[0.0, 0.1], [0.4, 0.08], [0.6, 0.08], [0.75, 0.3], [1.0, 0.9]],  # flat, then rising beside the point
        [[0.0, 0.9], [0.45, 0.08], [1.0, 0.08]],
        [[0.0, 0.5], [1.0, 0.5]],
    ],
)
def test_the_label_of_a_point_stands_where_no_curve_crosses_it(curve):
    """By the rectangle that the drawn words take, not by the estimate of it."""
    made = Figure(figsize=(6, 4))
    axes = made.add_subplot()
    across = np.linspace(0, 1, 2000)
    height = np.interp(across, *np.array(curve).T)
    for at in (0.3, 0.5, 0.9):
        place = (at, float(np.interp(at, across, height)))
        left, up, side = beside(axes, place, "recommended", [np.array(curve)])
        words = axes.annotate("recommended", (left, up), xycoords="axes fraction", va="center", ha=side, fontsize=8.5)
        box = words.get_window_extent().transformed(axes.transAxes.inverted())
        inside = (box.x0 < across) & (across < box.x1) & (box.y0 < height) & (height < box.y1)
        assert not inside.any(), (at, left, up, side)
        assert 0 <= box.x0 < box.x1 <= 1


def test_labels_are_pushed_apart_and_stay_in_order():
    placed = spread(np.array([0.9, 0.1, 0.9, 0.88]), 0.1)
    assert np.diff(np.sort(placed)).min() >= 0.1 - 1e-12
    assert np.argmin(placed) == 1
    assert spread(np.zeros(0), 0.1).size == 0
    for low in (0.0, 1.0):  # at the borders too
        assert np.allclose(np.sort(spread(np.full(4, low), 0.1)), low + 0.1 * (np.arange(4) - 3 * low))


def test_the_page_fetches_nothing_and_escapes_everything(views):
    blocks = [Heading("<b>"), Text("a & b"), Code({"torch": "SGD(lr=0.1)"}), Table(("", "x"), [["<i>", "1"]], hot=0), views[1]]
    html = page("1 < 2", 'say "so"', blocks, "stamp", "foot")
    assert "<b>" not in html
    assert "<i>" not in html
    assert html.count("<script") == 1  # the one that copies code
    assert "<script" not in page("1 < 2", "", blocks[:2])
    assert "fetch" not in html
    assert "a &amp; b" in html
    links = re.findall(r'(?:src|srcset|href)="([^"]{0,20})', html)
    assert links
    assert all(link.startswith("data:") for link in links)
    assert "url(" not in html
    assert "@import" not in html
    assert '<tr class="hot">' in html


def test_a_failed_write_leaves_nothing(tmp_path, monkeypatch):
    place = Folder(tmp_path)
    place.write("kept.txt", "old")

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.replace", full)
    with pytest.raises(BadInput, match="no space left on device; choose another --out"):
        place.write("kept.txt", "new")
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("kept.txt", "old")]


def test_records_are_pure_json(tmp_path):
    with pytest.raises(ValueError, match="not JSON compliant"):
        Folder(tmp_path).write_json("record.json", {"loss": float("inf")})
    assert list(tmp_path.iterdir()) == []


def test_a_report_carries_its_record_and_no_tag_of_it_gets_out():
    record = {"task": "a </script><b>", "loss": [0.1, None]}
    html = page("title", "lede", [], record=record)
    assert html.count("</script>") == 1
    inside = re.search('<script type="application/json" id="record">(.*)</script>', html)
    assert json.loads(inside[1]) == record

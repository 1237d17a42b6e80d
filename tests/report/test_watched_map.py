"""The picture of a watched run's operating point: its label stays within the axes, wherever the point is and however narrow it is drawn."""

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from inertia.report.draw import figure
from inertia.report.watched import operating_point
from inertia.watching.quantities import Look


def looks(places, beta):
    return [Look(k, 1.0, 0.1, x / 0.1, 0.1, 38.0, 1.0, 0.1, 1.0, (0.1, beta, 0.0), None, None) for k, x in enumerate(places)]


@pytest.mark.parametrize(
    ("places", "beta"), [([1.0, 3.75], 0.9), ([1.0, 2.0], 0.5), ([0.5, 0.01], 0.9), ([1.0, 1.95], 0.0), ([3.0, 3.9], 0.99)]
)
@pytest.mark.parametrize("narrow", [True, False])
def test_the_label_of_the_point_is_within_the_axes(places, beta, narrow):
    made = figure(operating_point(looks(places, beta)), narrow)
    canvas = FigureCanvasAgg(made)
    canvas.draw()
    axes = made.axes[0]
    label = next(text for text in axes.texts if text.get_text().startswith("learning rate times"))
    inside, around = label.get_window_extent(), axes.get_window_extent()
    assert around.x0 <= inside.x0 + 2
    assert inside.x1 <= around.x1 + 2
    for other in axes.texts:
        if other is not label and other.get_text():
            assert not inside.overlaps(other.get_window_extent())
    assert around.width > 0.6 * made.bbox.width  # no room is lost to words that stick out


@pytest.mark.parametrize(("now", "told"), [(0.004, "0.004"), (30.0, "30"), (1.5, "1.5")])
def test_a_point_beyond_the_map_stands_on_its_border_under_its_own_number(now, told):
    made = figure(operating_point(looks([1.0, now], 0.9)))
    axes = made.axes[0]
    assert any(" ".join(text.get_text().split()) == f"learning rate times sharpness {told}, momentum 0.9" for text in axes.texts)
    low, high = axes.get_xlim()
    assert all(low <= x <= high for line in axes.lines for x in line.get_xdata())


def test_a_first_step_far_outside_does_not_squeeze_the_rest():
    made = operating_point(looks([40.0, *np.linspace(0.5, 2.0, 19)], 0.9))
    assert made.alpha[-1] == pytest.approx(4.2)
    assert made.trail[:, 0].max() == made.alpha[-1]

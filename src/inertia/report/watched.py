"""A watched run as views and a page: the loss, sharpness against the edge, and the operating point moving on the rate map."""

from __future__ import annotations

import numpy as np

from ..core.method import Method
from ..theory.modes import edge, rate
from ..watching.history import History
from ..watching.journal import Watched
from ..watching.quantities import Look
from ..watching.regimes import Regime, regime, step_of_best
from .report import Block, Heading, Table, Text
from .views import Array, Curves, Line, Mark, RateMap, View, line

__all__ = ["blocks", "facts", "history_of", "lede", "views"]

_PIECES = 50


def history_of(run: Watched) -> History:
    """What the rules ask, from a log."""
    history = History()
    history.resume(run)
    history.step = run.steps
    for reading in run.readings:
        history.stepped(reading.step, [reading.learning_rate])
    history.step = run.steps
    return history


def lede(run: Watched) -> str:
    """The answer in a sentence."""
    state = "finished" if run.ended else "going on"
    told = run.active[-1].words if run.active else _nothing(regime(history_of(run)))
    return f"Step {run.steps}, {state}. {told}"


def _nothing(limits: Regime) -> str:
    """What is said where no message is true."""
    return "No message is true now." if limits is Regime.UNKNOWN else f"No message is true now; the run is {limits.value}."


def facts(run: Watched) -> list[tuple[str, str]]:
    """The newest numbers, in words and figures."""
    rows: list[tuple[str, str]] = [("optimizer", str(run.about.get("optimizer", "unknown")))]
    finite = [loss for _, loss in run.losses if np.isfinite(loss)]
    if finite:
        rows.append(("loss", f"{finite[-1]:.4g}, from {finite[0]:.4g}"))
    if run.readings:
        reading = run.readings[-1]
        held = reading.held if reading.held is not None else reading.asked
        here = f" at step {reading.step}" if reading.step < run.steps else ""
        rows.append(("learning rate", f"{reading.learning_rate:.4g}{here}"))
        if held is not None:
            rows.append(("momentum", f"{held:.4g}"))
        if reading.step_length is not None:
            rows.append(("learning rate/(1 - momentum)", f"{reading.step_length:.4g}"))
        if reading.velocity_of_gradient is not None and reading.cosine is not None:
            rows.append(("|velocity|/|gradient|, and their cosine", f"{reading.velocity_of_gradient:.3g}, {reading.cosine:.2g}"))
    if run.looks:
        rows += _looked(run.looks)
    rows.append(("regime", regime(history_of(run)).value))
    return rows


def _looked(looks: list[Look]) -> list[tuple[str, str]]:
    look = looks[-1]
    rows = [("looks", _counted(looks))]
    part = f" (of {_percent(look.part)} of the probe)" if look.part < 1 else ""
    rows.append(("sharpness", f"{look.sharpness:.4g}, at most {look.sharpness + look.bar:.4g}{part}"))
    if look.edge is not None and look.of_edge is not None:
        rows.append(("of the edge", f"{look.of_edge:.3g} of {look.edge:.4g}"))
    ratio = step_of_best(looks[-16:])
    if ratio is not None:
        rows.append(("step over the best along it", f"{ratio:.3g}"))
    noises = [one.noise for one in looks[-8:] if one.noise is not None]
    if noises:
        signal = float(np.mean([one.signal for one in noises]))
        size = float(np.mean([one.trace for one in noises])) / signal if signal > 0 else np.inf
        rows.append(("critical batch (noise over signal)", f"{size:.3g}" if np.isfinite(size) else "beyond what this probe can tell"))
    return rows


def _counted(looks: list[Look]) -> str:
    """How many looks, and how many of them saw a part of the probe only."""
    few = [look.part for look in looks if look.part < 1]
    if not few:
        return f"{len(looks)}, the last at step {looks[-1].step}"
    shares = f"{_percent(min(few))} to {_percent(max(few))}" if min(few) < max(few) else _percent(few[0])
    many = "all" if len(few) == len(looks) else f"{len(few)}"
    return f"{len(looks)}, the last at step {looks[-1].step}; {many} at {shares} of the probe"


def _percent(share: float) -> str:
    return f"{100 * share:.2g} %"


def views(run: Watched) -> list[View]:
    """The pictures that the log has enough for."""
    made: list[View] = []
    marks = tuple(Mark(float(told.began), told.name) for told in run.messages[:6])
    if len(run.losses) > 1:
        steps, losses = np.array(run.losses).T
        keep = np.unique(np.linspace(0, len(steps) - 1, min(len(steps), 2000)).round().astype(int))
        finite = losses[np.isfinite(losses)]
        positive = bool(finite.size and np.all(finite > 0))
        caption = "The loss of each step" + (", with the steps at which a message began." if marks else ".")
        lines: tuple[Line, ...] = (line(steps[keep], losses[keep], "loss", "hot"),)
        middle = _middles(steps, losses)
        if middle is not None:
            caption += " The line is its median over fiftieths of the run."
            lines = (line(steps[keep], losses[keep], "", "pale", width=0.7), line(*middle, "loss", "hot", width=2.0))
        made.append(Curves("loss", "The loss", lines, "step", "loss", caption, log_y=positive, marks=marks))
    looks = [look for look in run.looks if look.edge is not None]
    if len(looks) > 1:
        steps = np.array([look.step for look in looks])
        lines = (
            line(steps, [look.sharpness for look in looks], "sharpness", "hot"),
            line(steps, [look.edge for look in looks if look.edge is not None], "edge", "ink"),
        )
        caption = "Largest curvature in the optimizer's metric, and the largest that the method survives"
        along = [look.along_gradient for look in looks]
        if np.isfinite(along).any():
            lines += (line(steps, along, "along the gradient", "grey", dashed=True),)
            caption += "; dashed, the curvature along the gradient"
        caption += "."
        few = [look for look in looks if look.part < 1]
        if few:
            lines += (line([look.step for look in few], [look.sharpness for look in few], "", "grey", dots=True),)
            caption += " Dots: looks at a part of the probe, whose sharpness is too high rather than too low."
        made.append(Curves("sharpness", "Sharpness against the edge", lines, "step", "curvature", caption, marks=marks))
        made.append(operating_point(looks))
    return made


def _middles(steps: Array, losses: Array) -> tuple[Array, Array] | None:
    """Medians of the loss over fiftieths of the run, at their middles; None where that is no shorter."""
    if len(steps) < 4 * _PIECES:
        return None
    pieces = np.array_split(np.arange(len(steps)), _PIECES)
    return np.array([steps[rows].mean() for rows in pieces]), np.array([np.median(losses[rows]) for rows in pieces])


def operating_point(looks: list[Look]) -> RateMap:
    """Where learning rate times sharpness and momentum stand on the map of rates, and how they came there."""
    whole = [look for look in looks if look.part == 1]
    if len(whole) > 1:  # those at a part of the probe are others' curvatures
        looks = whole
    trail = np.array([(look.method[0] * look.sharpness, look.method[1]) for look in looks if look.method is not None])
    nesterov = bool(looks[-1].method and looks[-1].method[2])
    beta = np.linspace(0, 0.995, 160)
    right = max(4.2, min(1.1 * float(np.quantile(trail[:, 0], 0.9)), 12.0))  # Adam's first steps lie far outside
    alpha = np.linspace(0.01, right, 240)
    grid = Method(alpha[None], beta[:, None], beta[:, None] if nesterov else 0.0)
    rates = np.where(rate(grid, 1.0) <= 1, rate(grid, 1.0), np.nan)
    edges = np.array([float(edge(Method(1.0, b, b if nesterov else 0.0))) for b in beta])
    best = np.unravel_index(np.nanargmin(rates), rates.shape)
    caption = (
        "How fast the sharpest direction settles, by learning rate times sharpness and momentum; white diverges. The line is the run, "
        "the dot where it is now: it moves right as curvature grows or the rate is raised, and what lies on the border is at the edge."
    )
    point = (float(trail[-1, 0]), float(trail[-1, 1]))
    fastest = (float(alpha[best[1]]), float(beta[best[0]]))
    return RateMap(
        "operating-point", "The operating point", alpha, beta, np.asarray(rates), edges, point, fastest,
        caption, np.clip(trail, [alpha[0], 0], [right, 1]), ("learning rate times sharpness", "momentum"),
    )  # fmt: skip


def blocks(run: Watched) -> list[Block]:
    """The page."""
    told = [(f"{one.began}", "" if one.ended is None else f"{one.ended}", one.words) for one in run.messages]
    made: list[Block] = [Table(("quantity", "now"), facts(run), prose=True)]
    if told:
        made += [Heading("What was said"), Table(("from step", "to step", "message"), told, prose=True)]
    else:
        made.append(Text("No message so far."))
    pictures = views(run)
    if pictures:
        made += [Heading("The run"), *pictures]
    return made

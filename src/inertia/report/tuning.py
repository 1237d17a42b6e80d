"""Views of a tuning: what was measured, what was predicted from it, and what the runs then did."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..core.record import Record
from ..tuning import Tuning
from ..tuning.search import diverged
from .landscape import thinned
from .networks import (
    at_equal_scale,
    ceiling,
    count,
    logarithmic,
    memory,
    momentum_ticks,
    own_family,
    reached,
    road,
    runs_as_dots,
    tried,
    verdict,
)
from .report import Block, Code, Heading, Table, Text
from .views import Array, Curves, Line, Mark, Sticks, line
from .words import named, sentence

__all__ = ["blocks", "by_alpha", "by_momentum", "disagreement", "measured", "reached", "runs_table", "started", "verdict", "verification"]

_TOLD = 0.25  # share of the run below which a forecast that leaves the picture is not drawn
_TINY = 1e-9  # shares and curvatures below this part of the largest are rounding


def measured(tuning: Tuning) -> Sticks:
    """Where on the curvature axis the loss to gain and the gradient noise lie."""
    spectrum = tuning.spectrum
    close = np.round(np.log(np.maximum(spectrum.curvatures, _TINY * spectrum.upper)), 6)
    _, first, which = np.unique(close, return_index=True, return_inverse=True)  # many stand where a floor has lifted them
    nodes = spectrum.curvatures[first]
    gain, noise = (np.bincount(which, part) for part in (0.5 * spectrum.curvatures * spectrum.weights, spectrum.noise))
    shares = [part / part.sum() for part in (gain, noise) if part.sum() > 0]
    labels = [name for part, name in ((gain, "loss to gain"), (noise, "gradient noise")) if part.sum() > 0]
    kept = (nodes > _TINY * spectrum.upper) & (np.max(shares, axis=0) > 1e-6)
    facts = tuning.measurement
    caption = (
        f"The curvatures that the start sees, from {facts['hvps']} Hessian-vector products in {facts['dimension']} dimensions. "
        f"Largest {facts['largest']:.4g}, upper bar {facts['largest_upper']:.4g}"
    )
    caption += f"; noise trace {facts['noise_trace']:.3g}." if facts["noise_trace"] > 0 else "; no gradient noise."
    heights = tuple(np.where(share[kept] > 1e-6, share[kept], np.nan) for share in shares)
    return Sticks("spectrum", "Measured: curvature and noise", nodes[kept], heights, tuple(labels), spectrum.upper, caption)


def by_alpha(tuning: Tuning) -> Curves:
    """Predicted final loss over the learning rate, one curve per momentum, and the runs as points."""
    curves = tuning.curves
    if tuning.branch == "network":
        return tried(tuning)
    own = own_family(tuning)
    top = ceiling(tuning)
    lines: list[Line] = []
    for index, (beta, nesterov) in enumerate(curves.families):
        losses = np.where(curves.loss_by_alpha[index] <= top, curves.loss_by_alpha[index], np.nan)
        if index == own or not np.isfinite(losses).any():
            continue
        plain = beta == 0 and not nesterov
        lines.append(line(curves.alphas, losses, "momentum 0" if plain else "", "grey" if plain else "pale", width=1.5 if plain else 0.9))
    own_losses = np.where(curves.loss_by_alpha[own] <= top, curves.loss_by_alpha[own], np.nan)
    lines.append(line(curves.alphas, own_losses, f"momentum {curves.families[own][0]:.3g}", "ink", width=2.0))
    dots, lost = runs_as_dots(tuning, [float(run.method.alpha) for run in tuning.runs])
    lines += dots
    caption = "Predicted loss at the end of the run against the learning rate, one curve per momentum (black: the one nearest to the "
    caption += (
        f"recommended), and what the {count(len(tuning.runs) - lost, 'verification run')} really reached (points; orange: recommended)."
    )
    caption += f" {count(lost, 'run')} diverged or ended above the picture." if lost else ""
    values = np.concatenate([item.y for item in lines])
    title = "Predicted and verified: the learning rate"
    falls = logarithmic(values)
    low = _lowest(tuning, values) if falls else None
    return Curves("learning-rate", title, tuple(lines), "learning rate", "final loss", caption, True, falls, _edge(tuning), limits=low)


def by_momentum(tuning: Tuning) -> Curves:
    """Predicted final loss over momentum: learning rate moved along alpha/(1 - beta), and learning rate chosen anew."""
    curves, top = tuning.curves, ceiling(tuning)
    if tuning.branch == "network":
        return at_equal_scale(tuning)
    matched = np.where(curves.loss_by_beta <= top, curves.loss_by_beta, np.nan)
    with np.errstate(invalid="ignore"):
        anew = np.min(curves.loss_by_alpha, axis=1)  # (F)
    lines: list[Line] = []
    for nesterov, label in ((False, "heavy ball, alpha anew"), (True, "Nesterov, alpha anew")):
        rows = [index for index, family in enumerate(curves.families) if (family[1] or family[0] == 0) == nesterov or family[0] == 0]
        rows = sorted((index for index in rows if anew[index] <= top), key=lambda index: curves.families[index][0])
        shade = 0.15 if nesterov else 0.8
        lines.append(line([memory(curves.families[index][0]) for index in rows], anew[rows], label, "ramp", shade=shade))
    lines.append(line(memory(curves.betas), matched, "equal alpha/(1 - beta)", "ink", width=2.0))
    beta = float(tuning.method.beta)
    lines.append(line([memory(beta)], [tuning.predicted_loss], "recommended", "hot", dots=True))
    caption = "Predicted loss at the end of the run over momentum. "
    caption += (
        f"Black: the learning rate moves so that alpha/(1 - beta) = {curves.scale:.3g}. Blue: the best learning rate for each momentum. "
    )
    values = np.concatenate([item.y for item in lines])
    ticks = momentum_ticks(max(curves.betas.max(), beta))
    return Curves(
        "momentum",
        "Does momentum matter here?",
        tuple(lines),
        "momentum beta",
        "predicted final loss",
        caption,
        log_x=True,
        log_y=logarithmic(values),
        ticks=ticks,
        limits=None if logarithmic(values) else _within(values, tuning),
    )


def verification(tuning: Tuning) -> Curves:
    """What every run did, against what was predicted before it was made."""
    lines: list[Line] = []
    falls, network = logarithmic(np.asarray(tuning.runs[tuning.best].losses)), tuning.branch == "network"
    top = ceiling(tuning) * (1e3 if falls else 1.0)
    order = [index for index in range(len(tuning.runs)) if index != tuning.best] + [tuning.best]
    for index in order:
        best = index == tuning.best
        (steps, promised), (read, losses) = tuning.curves.predicted[index], tuning.curves.actual[index]
        promised, losses = np.where(promised <= top, promised, np.nan), np.where(losses <= top, losses, np.nan)
        if network:  # a quadratic that once was far above the start has nothing more to say
            promised = np.where(np.maximum.accumulate(np.nan_to_num(promised, nan=np.inf)) <= ceiling(tuning), promised, np.nan)
        if best and np.isfinite(promised).mean() > _TOLD:
            lines.append(line(steps, promised, "forecast at the start" if network else "predicted", "pale", width=3.0 if network else 6.0))
        kept = thinned(len(read))
        label = _run_name(tuning.runs, index)
        lines.append(line(read[kept], losses[kept], label, "hot" if best else "grey", width=1.4 if best else 1.0))
    caption = f"{tuning.judged_by.capitalize()} along every verification run; orange is recommended ({named(tuning.method)})"
    ends = f"predicted before it ran: {tuning.predicted_loss:.4g} at the end, where the run reached {tuning.verified_loss:.4g}"
    drawn = any(item.role == "pale" for item in lines)
    words = " Pale: the forecast of its loss on the quadratic at the start; the run decides."
    words = words if drawn else " The forecast of its loss on the quadratic at the start diverges, and is left out: the run decides."
    caption += f".{words}" if network else f", the pale band behind it was {ends}."
    low = _lowest(tuning, np.concatenate([item.y for item in lines])) if falls else None
    return Curves("verification", "Verified: the runs", tuple(lines), "step", "loss", caption, log_y=falls, limits=low)


def disagreement(tuning: Tuning) -> str:
    """What to think where the forecast of the recommended run and the run itself are more than a factor of two apart."""
    said, seen = tuning.predicted_loss, tuning.verified_loss
    if tuning.branch == "network":
        return ""  # the forecast decided nothing, and its picture says so
    if not (math.isfinite(said) and math.isfinite(seen)) or said <= 0 or seen <= 0 or 0.5 <= seen / said <= 2:
        return ""
    return (
        f"The forecast said {said:.3g} and the run reached {seen:.3g}: on this task the quadratic that was measured at the start does not "
        "hold to the end, so the forecast only ranked the candidates; trust the runs"
    )


def runs_table(runs: Sequence[Record], best: int | None = None) -> Table:
    """Every run in the order in which it was made."""
    rows = []
    for run in runs:
        alpha, beta, gamma, _ = (float(value) for value in run.method)
        end = f"{run.losses[-1]:.6g}" if run.diverged_at is None else f"diverged at step {run.diverged_at}"
        end = "above its start" if run.diverged_at is None and diverged(run) else end
        end = f"raised {run.notes['error']}" if "error" in run.notes else end
        rows.append([f"{alpha:.4g}", f"{beta:.4g}", f"{gamma:.4g}", str(run.steps), end])
    caption = "The recommended run is marked." if best is not None else ""
    return Table(("alpha", "beta", "gamma", "steps", "final loss"), rows, caption, best)


def blocks(tuning: Tuning, lines: dict[str, str], keras_note: str = "", rivals: Sequence[Mapping[str, Any]] = ()) -> list[Block]:
    """The whole report of a tuning, top to bottom."""
    facts, apart = tuning.measurement, disagreement(tuning)
    batch = "the whole loss" if tuning.batch_size is None else f"batches of {tuning.batch_size}"
    found: list[Block] = [
        Code(lines),
        *([Text(sentence(keras_note))] if keras_note else []),
        Heading("What limits this task"),
        Text(sentence(tuning.verdict)),
        by_momentum(tuning),
        Heading("What was measured"),
        _facts_table(tuning),
        measured(tuning),
        Heading("What the runs did" if tuning.branch == "network" else "What was predicted, and what the runs did"),
        Text(road(tuning, batch)),
        by_alpha(tuning),
        verification(tuning),
        *([Text(sentence(apart))] if apart else []),
        runs_table(tuning.runs, tuning.best),
        Text(f"Safety: {tuning.margin}."),
        Heading("What it cost"),
        Table(
            ("", "in runs"),
            [
                ["measuring", f"{facts.get('in_runs', 0.0):.2f}"],
                [count(len(tuning.runs), "verification run"), f"{tuning.cost_in_runs - facts.get('in_runs', 0.0):.2f}"],
                ["together", f"{tuning.cost_in_runs:.2f}"],
            ],
            f"One run is {tuning.steps} steps of {batch}; a grid of 13 learning rates and 6 momenta would be 78 runs.",
        ),
    ]
    if rivals:
        found += [
            Heading("Parameter-free optimizers"),
            Table(("one untuned run each", tuning.judged_by), reached(rivals)),
            Text(sentence(verdict(tuning, rivals))),
        ]
    if tuning.notes:
        found += [Heading("Remarks"), *(Text(sentence(note)) for note in tuning.notes)]
    return found


def started(runs: Sequence[Record]) -> list[Block]:
    """The report of a tuning that was cut short: the runs that were finished, or as far as they came."""
    if not runs:
        return [Text("No run had begun.")]
    lines = [
        line(np.asarray(run.notes.get("loss_steps", range(len(run.losses)))), run.losses, _run_name(runs, index), "ink")
        for index, run in enumerate(runs)
    ]
    values = np.concatenate([item.y for item in lines])
    caption = f"The {count(len(runs), 'run')} that had begun, as far as they came."
    return [Curves("verification", "The runs so far", tuple(lines), "step", "loss", caption, log_y=logarithmic(values)), runs_table(runs)]


def _run_name(runs: Sequence[Record], index: int) -> str:
    """What tells this run from the others: its alpha, and its momentum where they differ in it."""
    alpha, beta, _, _ = (float(value) for value in runs[index].method)
    same = len({float(run.method.beta) for run in runs}) == 1
    return f"alpha {alpha:.3g}" if same else f"alpha {alpha:.3g}, beta {beta:.3g}"


def _facts_table(tuning: Tuning) -> Table:
    facts = tuning.measurement
    walked = (
        ("largest_at_start", "largest curvature at the start"),
        ("largest_after_walk", "largest curvature after a short walk"),
        ("largest_elsewhere", "largest curvature at two other starts"),
    )
    rows = [
        ["loss at the start", f"{facts['loss']:.6g}"],
        *([name, f"{facts[key]:.6g}"] for key, name in walked if key in facts and "largest_after_walk" in facts),
        ["largest curvature", f"{facts['largest']:.6g}"],
        ["its upper bar", f"{facts['largest_upper']:.6g}"],
        *([["largest curvature at the end", f"{facts['largest_at_end']:.6g}"]] if "largest_at_end" in facts else []),
        *([["largest curvature at the end", f"not measured: {facts['end_not_measured']}"]] if "end_not_measured" in facts else []),
        *([["edge of stability of the recommended method", f"{facts['edge']:.4g}"]] if "edge" in facts else []),
        ["smallest curvature seen", f"{facts['smallest']:.3g}"],
        ["gradient-noise trace", f"{facts['noise_trace']:.4g}"],
        ["parameters", str(facts["dimension"])],
        ["Hessian-vector products", str(facts["hvps"])],
    ]
    return Table(("measured", "value"), rows)


def _within(values: Array, tuning: Tuning) -> tuple[float, float]:
    """Limits in which a curve is as flat as it is beside the whole decrease of the loss: a tenth of it at least, a half at most."""
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    whole = float(tuning.runs[tuning.best].losses[0]) - low
    span = min(max(high - low, 0.1 * whole), 0.5 * whole)
    return low - 0.15 * span, low + 1.1 * span


def _lowest(tuning: Tuning, values: Array) -> tuple[float, float] | None:
    """Limits that cut a forecast off where it dives far below every run; none where it does not."""
    low = 1e-2 * min(float(np.min(run.losses)) for run in tuning.runs)
    fine = values[np.isfinite(values) & (values > 0)]
    return (low, 1.6 * float(fine.max())) if fine.size and low > 0 and fine.min() < low else None


def _edge(tuning: Tuning) -> tuple[Mark, ...]:
    """Where the recommended momentum would diverge, where the measurement says."""
    room = tuning.measurement.get("edge_over_upper")
    return () if room is None else (Mark(float(tuning.method.alpha) * float(room), "edge of stability"),)

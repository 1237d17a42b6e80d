"""Every sentence about a tuning: facts and reasons are data elsewhere, and all words for them stand here.

Terminal, page and JSON print these sentences and write none of their own.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from .code import lines
from .experience.surfaces import reference
from .judging import final, score
from .policy import Caution, Choice, Evidence, Expectation, Gain, Pick, Reason, Trial
from .trainable import Run

if TYPE_CHECKING:
    from .result import Tuning

__all__ = [
    "figure",
    "interval",
    "named",
    "on_answer",
    "on_cautions",
    "on_choice",
    "on_cost",
    "on_gain",
    "on_margin",
    "on_momentum",
    "on_more",
    "on_rivals",
    "on_run",
    "remarks",
    "span",
    "summary",
    "why",
]

_WHY = {
    Reason.FORECAST_BEST: "the loss forecast from the curvature and the noise at the start is lowest at this setting",
    Reason.PAST_RUNS: "by the runs that you already had, and by jobs like this one, the lowest loss is likely at this setting",
    Reason.EXPERIENCE_BEST: "jobs like this one did best at this setting",
    Reason.IMPROVES: "of all settings it was the one most likely to end lower",
    Reason.OTHER_OPTIMIZER: "the other optimizer was tried, too, at the setting that was best for it on jobs like this one",
    Reason.NOTHING_TRAINED: "no run before it trained, so a far smaller learning rate was tried",
    Reason.REPLICATE: "the best run was repeated with another seed",
    Reason.WITHOUT_MOMENTUM: "the run without momentum that was asked for",
    Reason.BEST_EXPECTED: "of the runs made it has the smallest loss expected on a fresh seed",
    Reason.BEST_OPTIMIZER: "its best run was lower over its last steps than that of the other optimizer",
    Reason.ADVICE: "nothing was run: this is advice from the measurement and from other jobs, not verified",
    Reason.NOTHING_TO_GAIN: "the search ended because one more run is expected to gain less than it costs",
    Reason.BUDGET_SPENT: "the search ended because the runs that were allowed are spent",
    Reason.CONVERGED: "the search ended because the run reached the bottom",
}
_WHY_OF_RISING = {  # where runs are compared by a metric that is to rise
    Reason.PAST_RUNS: "by the runs that you already had, and by jobs like this one, the highest metric is likely at this setting",
    Reason.IMPROVES: "of all settings it was the one most likely to end higher",
    Reason.BEST_EXPECTED: "of the runs made it has the largest metric expected on a fresh seed",
    Reason.BEST_OPTIMIZER: "its best run was higher over its last steps than that of the other optimizer",
}
_FROM = {
    Evidence.FORECAST: "from a forecast with the curvature at the start",
    Evidence.EXPERIENCE: "from experience with other jobs",
    Evidence.RUNS: "from other jobs and the runs of this one",
}
_LARGE = 1e7  # from here on numbers are written with their power of ten
_NAMES = {"sgd": "SGD", "adamw": "AdamW"}


def why(reason: Reason, rising: bool = False) -> str:
    """The reason as a clause; `rising`: runs are compared by a metric that is to rise.

    >>> why(Reason.REPLICATE)
    'the best run was repeated with another seed'
    """
    return (_WHY_OF_RISING if rising and reason in _WHY_OF_RISING else _WHY)[reason]


def figure(value: float | None, digits: int = 4) -> str:
    """A number for people.

    >>> figure(0.0123456), figure(None), figure(float("inf")), figure(1234.0, 2)
    ('0.01235', 'unknown', 'infinite', '1200')
    """
    if value is None or math.isnan(value):
        return "unknown"
    if math.isinf(value):
        return "infinite"
    short = f"{value:.{digits}g}"
    return f"{float(short):.0f}" if "e+" in short and abs(value) < _LARGE else short


def interval(expected: Expectation) -> str:
    """Median and interval.

    >>> interval(Expectation(0.5, 0.4, 0.7))
    '0.5 (80 % interval 0.4 to 0.7)'
    """
    return f"{figure(expected.loss, 3)} (80 % interval {figure(expected.low, 3)} to {figure(expected.high, 3)})"


def span(expected: Expectation) -> str:
    """Median and interval, for tables.

    >>> span(Expectation(0.5, 0.4, 0.7))
    '0.5 (0.4 to 0.7)'
    """
    return f"{figure(expected.loss, 3)} ({figure(expected.low, 3)} to {figure(expected.high, 3)})"


def named(found: Tuning) -> str:
    """The recommended setting in words."""
    recipe = found.recipe
    said = recipe.family.at(figure(recipe.learning_rate))
    return said.replace(" with ", " with SGD and ", 1) if found.choice is not None and recipe.optimizer == "sgd" else said


def on_answer(found: Tuning) -> str:
    """The answer in one sentence."""
    judged, where = found.budget.objective.name, f"{found.budget.steps} steps"
    if not found.trained:
        return (
            f"Nothing trained: the best of {_count(len(found.runs), 'run')} ended at {judged} {figure(found.verified_loss)}, close to its "
            f"start {figure(_start(found))}. No setting is recommended; the last one tried was {named(found)}. Look at the order and the "
            "labels of the data, at the loss, and at whether the model's parameters reach it."
        )
    if found.best is None:
        expected = "" if found.expected is None else f", expected to end at {judged} {interval(found.expected)}"
        return f"Advice, not verified: {named(found)} for {where}{expected}."
    return on_rivals(found) + (
        f"Use {named(found)}: its run of {where} took the {judged} from {figure(_start(found))} to {figure(found.verified_loss)}"
        f"{_among(found)}."
    )


def _among(found: Tuning) -> str:
    """What sets the recommended run apart from the others."""
    rising, tried = found.budget.objective.sign < 0, {run.recipe.optimizer for run in found.runs}
    if len(found.runs) < 2:
        return " (the only run)"
    if found.choice is not None and len(tried) > 1:
        chosen, other = (_NAMES[name] for name in (found.choice.chosen, found.choice.other))
        lower = "higher" if rising else "lower"
        return f"; of {len(found.runs)} runs, the best with {chosen} was {lower} over its last steps than the best with {other}"
    return f"; of {len(found.runs)} runs, its setting is expected to end {'highest' if rising else 'lowest'} on a fresh seed"


def on_rivals(found: Tuning) -> str:
    """The other optimizer that did better, where one did."""
    fine = [row for row in found.rivals if row["loss"] is not None]
    best = min(fine, key=lambda row: row["loss"], default=None)
    if best is None or found.verified_loss is None or not best["loss"] < found.verified_loss:
        return ""
    return f"{best['name']} did better in one untuned run, {figure(best['loss'])}. "


def on_momentum(found: Tuning) -> str:
    """Whether momentum matters here, and beside it what losses that means, or the runs with and without it that were made."""
    gain, recipe = found.gain, found.recipe
    judged = "metric" if found.budget.objective.metric else "loss"
    return on_gain(gain, recipe.optimizer, used=recipe.momentum > 0, judged=judged) + (_on_plain(found) or _in_losses(found))


def _on_plain(found: Tuning) -> str:
    """The runs with and without momentum, as a clause; empty where they were not made, or nothing trained."""
    recipe, objective = found.recipe, found.budget.objective
    made = [trial.run for trial in found.history.of(recipe.optimizer).trials]
    made += [found.proof] if found.proof is not None else []
    plain = [run for run in made if run.recipe.momentum == 0]
    moving = [run for run in made if run.recipe.momentum > 0]
    if not plain or not found.trained:
        return ""
    best = min(plain, key=lambda run: score(run, objective))
    without = "without momentum" if recipe.optimizer == "sgd" else "with beta1 = 0"
    which = f"the run {without}" if len(plain) == 1 else f"the best run {without}"
    rate = figure(best.recipe.learning_rate, 3)
    likely = next((figure(each.learning_rate, 3) for each, _ in found.references if each.family == best.recipe.family), rate)
    rate += "" if likely == rate or best.recipe == recipe else f" (its best is expected at {likely})"
    said = f"; {which}, at learning rate {rate}, {_end_of(best, found)}"
    if not moving or best.diverged_at is not None or best.error:
        return said
    other = min(moving, key=lambda run: score(run, objective))
    if other.diverged_at is not None or other.error:
        return said
    return f"{said}, {'that' if len(moving) == 1 else 'the best'} with it at {figure(_last(other, found))}"


def _end_of(run: Run, found: Tuning) -> str:
    if run.error:
        return f"failed ({run.error})"
    return f"diverged at step {run.diverged_at}" if run.diverged_at is not None else f"ended at {figure(_last(run, found))}"


def _in_losses(found: Tuning) -> str:
    """What the ratio makes of the loss expected, as a clause; empty without a run, which tells where the floor is.

    The floor is that of the grids by which the ratio is known: 2 % of the fall below the best loss, never below a known bound.
    """
    gain, expected, objective = found.gain, found.expected, found.budget.objective
    if gain is None or expected is None or objective.metric or found.best is None or not found.trained or not found.recipe.momentum:
        return ""
    low = found.measurement.lowest
    floor = reference(_start(found), expected.loss, low if not objective.held_out else None)
    ends = [figure(floor + ratio * (expected.loss - floor), 3) for ratio in (gain.ratio, gain.low, gain.high)]
    return f"; in losses, {ends[0]} ({ends[1]} to {ends[2]}) instead of {figure(expected.loss, 3)}"


def on_choice(choice: Choice, rising: bool = False) -> str:
    """Which optimizer ends lower (of a metric that is to rise: higher), and by how much, or that this cannot be told.

    >>> on_choice(Choice("adamw", "sgd", 1.84, 1.25, 2.6, Evidence.RUNS))[:57]
    'AdamW ends lower here than SGD: SGD, at its own best sett'
    """
    chosen, other = (_NAMES[name] for name in (choice.chosen, choice.other))
    low, high, ratio = (figure(value, 2) for value in (choice.low, choice.high, choice.ratio))
    end, away = ("higher", "below their ceiling") if rising else ("lower", "above their floor")
    rest = (
        f"{other}, at its own best setting, is expected to end {ratio} times as far {away} as {chosen} "
        f"(80 % interval {low} to {high}, {_FROM[choice.evidence]})"
    )
    if choice.low > 1 and choice.evidence is Evidence.RUNS:
        return f"{chosen} ends {end} here than {other}: {rest}"
    return f"Which of {chosen} and {other} ends {end} here cannot be told: {rest}"


def on_gain(gain: Gain | None, optimizer: str = "sgd", *, used: bool = True, judged: str = "loss") -> str:
    """Whether momentum (beta1, as users of AdamW know it) matters here, with its interval and evidence.

    Args:
        used: whether the setting spoken of has momentum.
        judged: what runs are judged by, a loss or a metric.

    >>> on_gain(Gain(2.0, 1.5, 3.0, Evidence.RUNS), "adamw")[:18]
    'beta1 matters here'
    >>> on_gain(Gain(1.03, 1.0, 1.4, Evidence.RUNS), used=False).partition(": ")[2][:61]
    'without it, at its own best learning rate, the loss would end'
    """
    sgd = optimizer == "sgd"
    name = "momentum" if sgd else "beta1"
    if gain is None:
        add = "without it" if sgd else "with beta1 = 0"
        return f"Whether {name} matters here cannot be told from what was measured and run; --prove adds the run {add}"
    if gain.low > 1:
        said = ("Momentum pays here" if used else "Momentum would pay here") if sgd else "beta1 matters here"
    else:
        said = f"Whether {name} matters here is not certain"
    without = "without it, at its own best learning rate" if sgd else "at beta1 = 0, with its own best learning rate"
    ratio = figure(gain.ratio, 2)
    low = figure(gain.low, 2)
    if low == "1" and gain.low > 1:  # what is said rests on its being above
        low = figure(gain.low) if figure(gain.low) != "1" else "just above 1"
    within = f"(80 % interval {low} to {figure(gain.high, 2)}, {_FROM[gain.evidence]})"
    if ratio == "1":
        within = f"(80 % interval of the ratio {within.removeprefix('(80 % interval ')}"
        return f"{said}: {without}, the {judged} would end about where it does with it {within}"
    far = "the loss above its floor would end" if judged == "loss" else "the metric would end"
    how = f"{ratio} times as high" if judged == "loss" else f"{ratio} times as far from its best value"
    return f"{said}: {without}, {far} {how} {within}"


def on_margin(found: Tuning) -> str:
    """What is known about larger learning rates: from the runs made, and from the measured curvature."""
    seen, recipe = found.measurement, found.recipe
    parts = []
    mine = found.history.of(recipe.optimizer).trials
    larger = [t for t in mine if t.run.recipe.step_length > 1.05 * recipe.step_length]
    for trial in sorted(larger, key=lambda t: t.run.recipe.step_length)[:1]:
        times = f"{trial.run.recipe.step_length / recipe.step_length:.2g} times the effective learning rate"
        parts.append(f"a run at {times} {_ended(trial, found)}")
    if recipe.optimizer == "sgd" and seen.upper > 0:
        from ..theory.modes import edge

        room = float(edge(recipe.method)) / seen.upper
        limit = "the stability limit for the largest curvature measured"
        parts.append(
            f"{limit} is {room:.3g} times this learning rate" if room > 1 else f"this learning rate is {1 / room:.3g} times {limit}"
        )
    text = "; ".join(parts) or "nothing is known about larger learning rates"
    return text[:1].upper() + text[1:]


def _ended(trial: Trial, found: Tuning) -> str:
    run, mine = trial.run, found.verified_loss
    if run.error or run.diverged_at is not None or mine is None:
        return _end_of(run, found)
    worse = found.budget.objective.sign * (_last(run, found) - mine) > 0
    return _end_of(run, found) + (f", against {figure(mine)}: do not go so high" if worse else "")


def on_run(trial: Trial, found: Tuning) -> str:
    """What became of a run beside what was expected of it; empty where it ended as expected."""
    run, expected = trial.run, trial.candidate.expected
    if run.error:
        return f"failed: {run.error}"
    if run.diverged_at is not None:
        return f"diverged at step {run.diverged_at}"
    ended = _last(run, found)
    if expected is None or not _apart(ended, expected):
        return ""
    return f"{'higher' if ended > expected.high else 'lower'} than expected, {interval(expected)}"


def on_more(found: Tuning) -> str:
    """What one more run is expected to bring, as a clause; empty where that cannot be told."""
    gain, judged = found.pick.gain, found.budget.objective.name
    if not math.isfinite(gain) or not found.trained:
        return ""
    return (
        f"; one more is expected to {'raise' if found.budget.objective.sign < 0 else 'lower'} the {judged} by {figure(max(gain, 0.0), 2)}"
    )


def on_cost(found: Tuning) -> str:
    """What it cost, beside the estimate."""
    cost = found.cost
    return (
        f"{cost.spent:.2g} runs in all ({cost.measuring:.2g} for measuring, {cost.running:.2g} for training), estimated before: "
        f"{cost.estimated:.2g}"
    )


def remarks(found: Tuning) -> list[str]:
    """What the reader should know besides: missed forecasts, cliffs, failures, what was withheld."""
    said = [f"{_capital(why(found.pick.stopped, found.budget.objective.sign < 0))}{on_more(found)}."] if found.runs else []
    for index, trial in enumerate(found.history.trials):
        words = on_run(trial, found)
        if words:
            recipe = trial.run.recipe
            said.append(f"Run {index + 1} (learning rate {figure(recipe.learning_rate, 3)}, {recipe.family}): {words}.")
    if found.expected is not None and found.verified_loss is not None and _apart(found.verified_loss, found.expected):
        said.append(
            f"A fresh run with another seed is expected to end at {interval(found.expected)}; the run made here ended at "
            f"{figure(found.verified_loss)}."
        )
    said += [*_below(found), *on_cautions(found.pick)]
    if found.trained and found.choice is None and found.recipe.optimizer == "sgd" and not found.measurement.convex:
        said.append('AdamW was not tried. On networks either may end lower: optimizer="any" (--optimizer any) tries both.')
    if found.end_unknown:
        said.append(f"The curvature where the run ended was not measured: {found.end_unknown}.")
    said += [str(note) for note in found.measurement.notes.get("remarks", [])]
    return said


def _below(found: Tuning) -> list[str]:
    """Whether a run went below the loss that was said to be the lowest, by more than rounding."""
    lowest, objective = found.measurement.lowest, found.budget.objective
    ends = [final(run, objective) for run in found.runs]
    if lowest is None or objective.metric or not ends:
        return []
    deepest = min(ends)
    if not deepest < lowest - 1e-6 * abs(_start(found) - lowest):
        return []
    return [
        f"A run ended at {objective.name} {figure(deepest)}, below {figure(lowest)}, which was given as the lowest: what was expected of "
        "the runs rests on a bound that does not hold."
    ]


def on_cautions(pick: Pick) -> list[str]:
    """What makes the answer less sure than others, a sentence each."""
    return [_CAUTIONS[caution] for caution in pick.cautions]


_CAUTIONS = {
    Caution.UNLIKE_OTHERS: "This job is unlike the earlier jobs, on which forecasts rest, so the search and the intervals are wider.",
    Caution.UNKNOWN_SCHEDULE: "The earlier jobs had constant or linearly falling learning rates, so the search is wider for this schedule.",
    Caution.FORECAST_WITHHELD: "The curvature gave no forecast, because clipping or parameter groups change the steps.",
}


def summary(found: Tuning) -> list[str]:
    """The answer in at most 15 lines."""
    chosen = [] if found.choice is None else [f"{on_choice(found.choice, found.budget.objective.sign < 0)}."]
    made = [on_answer(found), *chosen, f"{on_momentum(found)}.", f"Cost: {on_cost(found)}."]
    for index, trial in enumerate(found.history.trials[-5:], start=max(0, len(found.runs) - 5)):
        mark, chosen_one = ("*", "  recommended") if index == found.best and found.trained else (" ", "")
        run, recipe = trial.run, trial.run.recipe
        end = f"diverged at step {run.diverged_at}" if run.diverged_at is not None else run.error or figure(_last(run, found))
        before = trial.candidate.expected
        said = "" if before is None else f"  expected {interval(before)}"
        made.append(
            f" {mark} run {index + 1}: learning rate {figure(recipe.learning_rate):<10} {recipe.family!s:<24} {end}{said}{chosen_one}"
        )
    if found.trained:
        code = lines(recipe=found.recipe, budget=found.budget)
        made += [f"{framework}: {line}" for framework in ("torch", "optax") for line in code[framework].splitlines()]
    return made


def _apart(ended: float, expected: Expectation) -> bool:
    return not expected.low <= ended <= expected.high


def _last(run: Run, found: Tuning) -> float:
    return final(run, found.budget.objective)


def _start(found: Tuning) -> float:
    objective, seen = found.budget.objective, found.measurement
    if found.best is not None:
        run = found.runs[found.best]
        kept = run.validation if objective.held_out else run.training
        if len(kept):
            return float(kept[0])
    return seen.validation if objective.held_out else seen.loss


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _capital(words: str) -> str:
    return words[:1].upper() + words[1:]

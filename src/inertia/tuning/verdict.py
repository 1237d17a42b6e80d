"""What a tuning says in sentences: what limits the task, what is known above the recommendation, where it would shift."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from ..core.method import Method
from ..core.spectrum import Spectrum
from .choose import Choice, best_alpha, spread_at
from .network import CALM_NOISE, CAP, Ladder
from .observe import Observation
from .search import Search

if TYPE_CHECKING:
    from .decide import Budget

__all__ = ["margin", "network_limit", "network_shifts", "noise_to_signal", "notes", "shifts"]

_ALIKE = 1.1  # forecast losses within 10 % of each other are the same


def network_limit(seen: Observation, choice: Choice, found: Search) -> tuple[str, str]:
    """What limits a network, by the noise of its batches beside their signal at the start, and what the forecast says to it."""
    ratio, method = noise_to_signal(seen), found.record.method
    scale, tried = float(method.alpha / (1 - method.beta)), _listed([float(run.method.beta) for run in found.runs])
    if ratio >= CALM_NOISE:
        words = f"the noise of a batch is {ratio:.2g} x its signal already at the start, and grows beside it"
        words += f"; what counts most is then alpha/(1 - beta), here {scale:.3g}, and momentum less ({tried})"
        return "noise-limited", f"noise-limited: {words}" + _forecast(seen, choice)
    words = f"the noise of a batch is only {ratio:.2g} x its signal" if ratio > 0 else "there is no gradient noise"
    return "curvature-limited", f"curvature-limited: {words} at the start, so a long memory can pay ({tried})" + _forecast(seen, choice)


def _listed(momenta: list[float]) -> str:
    """Which momenta ran, in words."""
    each = [f"{beta:.3g}" for beta in sorted(set(momenta))]
    return f"tried: {', '.join(each[:-1])} and {each[-1]}" if len(each) > 1 else f"only {each[0]} was tried"


def _forecast(seen: Observation, choice: Choice) -> str:
    """How much the momenta differ in the forecast at one alpha/(1 - beta): a quadratic's word, and said to be that."""
    matched = choice.evidence.matched
    spreads = {beta: spread_at(seen.model, matched, beta) for beta in (0.95, 0.9)}
    beta = 0.95 if spreads[0.95] <= _ALIKE else 0.9
    if not np.isfinite(spreads[beta]):
        return ""
    return (
        f"; in the forecast of the quadratic at the start, every momentum from 0 to {beta:g} gives the same excess loss within "
        f"{100 * (spreads[beta] - 1):.2g} % at alpha/(1 - beta) = {matched.scale:.3g}"
    )


def noise_to_signal(seen: Observation) -> float:
    """Scatter of a mini-batch gradient over the square of the gradient, at the start."""
    signal = float(seen.facts["gradient_norm"]) ** 2
    return float(seen.facts["noise_trace"]) / signal if signal > 0 else float("inf")


def shifts(budget: Budget, seen: Observation, method: Method) -> str:
    """Where the best learning rate is predicted to go when the run gets longer or the batches larger, at this momentum."""
    words, model = [], seen.model
    here = best_alpha(model, budget.steps, budget.schedule, method, seen.upper)
    if not here > 0:
        return ""
    longer = best_alpha(model, 4 * budget.steps, budget.schedule, method, seen.upper)
    words.append(f"4 x the steps: x {longer / here:.2g}")
    total, size = budget.examples or 0, budget.batch_size or 0
    if 0 < 4 * size <= total:
        less = (1 / (4 * size) - 1 / total) / (1 / size - 1 / total)
        pair = Spectrum(**{**vars(model.spectrum), "noise": model.spectrum.noise * less})
        larger = best_alpha(replace(model, spectrum=pair, epoch=model.epoch / 4), budget.steps, budget.schedule, method, seen.upper)
        words.append(f"4 x the batch: x {larger / here:.2g}")
    return f"predicted shift of the best learning rate, at this momentum, with {', with '.join(words)}"


def network_shifts(budget: Budget, seen: Observation, method: Method) -> str:
    """Between which bounds theory puts a network's best learning rate when the batch or the run changes."""
    ladder = Ladder(float(seen.facts["largest"]), momentum=float(method.beta), nesterov=bool(method.gamma))
    here, size, words = float(method.alpha) / ladder.unit, budget.batch_size or 0, []
    if 0 < 4 * size <= (budget.examples or 0):
        top = min(4.0, CAP / here)  # proportional to the batch, as noise would have it, but never where seeds begin to diverge
        bound = f"between the same (curvature) and x {top:.2g} (noise)" if top > 1.05 else "no larger: curvature bears no more"
        words.append(f"with 4 x the batch, {bound}")
    if size >= 4:
        words.append("with a quarter of the batch, between x 0.25 (noise) and the same (curvature)")
    words.append("with more or fewer steps, 1/curvature stays the unit")
    return f"where the best learning rate goes, by theory and not by a run: {'; '.join(words)}. Tune again when one of them changes"


def margin(found: Search, room: float) -> str:
    """What is known above the recommended alpha."""
    words = []
    if found.margin is not None:
        words.append(f"{found.margin:.3g} x its alpha/(1 - beta) also ran to the end")
    if found.broke is not None:
        words.append(f"{found.broke:.3g} x its alpha/(1 - beta) diverged")
    if room < 1:
        where = f"its learning rate is {1 / room:.3g} x the edge of stability of the curvature measured early on"
        return "; ".join([*words, where + ": as networks can, it lowered the curvature while training"])
    return "; ".join([*words, f"the edge of stability is {room:.3g} x away at the largest curvature measured, error bar included"])


def notes(seen: Observation, choice: Choice, network: bool) -> list[str]:
    """Sentences that a reader of the numbers should not miss."""
    said = []
    if network:
        said.append(
            ("negative curvature was seen, so this was tuned as a network" if not seen.convex else "this was tuned as a network, as asked")
            + ": 1/curvature after a short walk is the unit, and full runs decide"
        )
        return said
    if not seen.convex:
        said.append("negative curvature was seen, so the quadratic forecast is only a guide here: trust the verified runs")
    spread, speedup = choice.evidence.spread, choice.evidence.speedup
    if np.isfinite(spread):
        said.append(f"at equal alpha/(1 - beta), momenta 0 to 0.9 differ by {100 * (spread - 1):.1f} % in predicted excess loss")
    if choice.limit == "noise-limited":
        said.append(
            f"with alpha chosen anew, momentum reaches what plain gradient descent reaches in {speedup:.2g} x fewer steps (predicted)"
        )
    if seen.model.bend:
        said.append(
            "the curvature falls with this loss (the forecast follows its tail): plain gradient descent can later use learning rates "
            "beyond the first edge, so it may lose less to momentum than predicted"
        )
    return said

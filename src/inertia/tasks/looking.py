"""A second opinion on a setting: how it stands to what is measured, without tuning."""

from __future__ import annotations

from typing import Any

from ..core.method import Method, checked
from ..errors import require
from ..theory.modes import edge
from ..tuning import choose, forecast, observe
from ..tuning.choose import scheduled
from ..tuning.network import CALM_NOISE, CAP, Ladder
from ..tuning.observe import Observation
from ..tuning.verdict import noise_to_signal
from . import Task

__all__ = ["check_task", "observe_task"]


def observe_task(task: Task, seed: int = 0) -> tuple[Observation, Any]:
    """What is measured of a task, whoever computes its gradients, and the schedule of its runs."""
    if task.kind == "numpy":
        return observe(task.problem, task.steps, task.batch_size, seed=seed), task.schedule
    require(task.kind, task.kind)
    from ..tuning.plan import planned

    settings = task.extra["settings"]
    words = {name: settings[name] for name in ("warmup", "weight_decay", "clip") if name in settings}
    words |= {"steps": task.steps, "schedule": task.schedule}
    if task.kind == "jax":
        from ..jax.products import rows_in
        from ..jax.tuning import observe as look
        from ..jax.tuning import starts

        params, others = starts(task.extra["params"], seed)
        data = task.extra["data"]
        plan = planned(rows_in(data), batch_size=task.batch_size, **words)
        return look(task.extra["loss"], params, data, plan, seed=seed, others=others), plan.shape
    from ..torch.tuning import observe as look_torch
    from ..torch.tuning import prepared
    from ..torch.tuning import starts as torch_starts

    model, models = torch_starts(task.extra["model"], seed)
    words |= {"batch_size": task.batch_size, "seed": seed, "forward": settings.get("forward")}
    job, torch_plan = prepared(model, task.extra["loss_fn"], task.extra["data"], **words)
    return look_torch(job, torch_plan, others=models), torch_plan.shape


def check_task(task: Task, method: Method, seed: int = 0) -> dict[str, Any]:
    """Whether a method is stable on a task, how far from the edge, what limits it there, and what could be gained.

    `alpha_in_curvature` is alpha times the largest curvature seen; `edge_ratio` how many times alpha may grow before the
    largest curvature's upper bar is unstable; `gain` the predicted loss of the setting over that of the tuner's choice
    (convex tasks), or None.

    Raises:
        BadInput: coefficients that no run can use, and what measuring raises.

    >>> from . import load
    >>> said = check_task(load("valley"), Method(0.1))
    >>> said["stable"], round(said["edge_ratio"], 2)
    (True, 5.0)
    """
    checked(method)
    seen, shape = observe_task(task, seed)
    ratio = float(edge(method)) / seen.upper
    noise = noise_to_signal(seen)
    told: dict[str, Any] = {
        "task": task.name, "steps": task.steps, "batch_size": task.batch_size,
        "method": {"alpha": float(method.alpha), "beta": float(method.beta), "gamma": float(method.gamma)},
        "branch": "quadratic" if seen.convex or task.kind == "numpy" else "network", "stable": ratio > 1, "edge_ratio": ratio,
        "alpha_in_curvature": float(method.alpha) * seen.facts["largest"], "largest": seen.facts["largest"], "largest_upper": seen.upper,
        "noise_to_signal": noise, "predicted_loss": None, "best_predicted_loss": None, "gain": None,
    }  # fmt: skip
    if told["branch"] == "quadratic":
        return told | _on_quadratic(task, method, seen, shape)
    return told | _on_network(method, seen, noise, ratio)


def _on_quadratic(task: Task, method: Method, seen: Observation, shape: Any) -> dict[str, Any]:
    """The forecast of the setting beside that of the best."""
    choice = choose(seen.model, task.steps, shape, upper=seen.upper)
    mine = float(forecast(seen.model, scheduled(shape, method, task.steps), task.steps).final)
    best, floor = choice.predicted_loss, seen.model.floor
    small = 1e-3 * (seen.model.start - floor)
    gain = (mine - floor + small) / (best - floor + small)
    better = f"learning rate {choice.method.alpha:.3g} with {'Nesterov ' if choice.method.gamma else ''}momentum {choice.method.beta:g}"
    if not mine < seen.model.start:
        advice = f"this setting is predicted to make the loss grow; {better} is predicted to end at {best:.4g}"
    elif gain < 1.1:
        advice = "nothing much to gain: this setting is within 10 % of the best predicted excess loss"
    else:
        advice = f"{better} is predicted to end at {best:.4g} instead of {mine:.4g}"
    said = {"predicted_loss": mine, "best_predicted_loss": best, "gain": gain}
    return said | {"regime": choice.limit, "verdict": choice.verdict, "advice": advice}


def _on_network(method: Method, seen: Observation, noise: float, ratio: float) -> dict[str, Any]:
    """Where the setting lies beside the learning rates that networks usually want."""
    ladder = Ladder(float(seen.facts["largest"]), momentum=float(method.beta), nesterov=bool(method.gamma))
    low, high = (float(ladder.method(factor).alpha) for factor in (0.7, 2.0))
    units = float(method.alpha) / ladder.unit
    if units > CAP:
        advice = f"too large: {units:.2g} x the unit that curvature gives, and above {CAP} some seeds diverge; try {low:.3g} to {high:.3g}"
    elif units < 0.5:
        advice = f"timid: at this momentum networks usually want {low:.3g} to {high:.3g}; 'inertia tune' says where in it"
    else:
        advice = f"in the range in which networks usually do best ({low:.3g} to {high:.3g}); 'inertia tune' says where in it"
    regime = "noise-limited" if noise >= CALM_NOISE else "curvature-limited"
    verdict = f"{regime}: the noise of a batch is {noise:.2g} x its signal at the start"
    beyond = "" if ratio > 1 else ", though beyond the edge of the curvature measured early on: networks can lower it while training"
    return {"regime": regime, "verdict": verdict, "advice": advice + (beyond if units <= CAP else ""), "units": units, "usual": [low, high]}
